//! Documents to search: seeded, small words, every kind of value, in live batches and in splits.

use std::path::Path;
use std::sync::Arc;

use index::build::BuiltSplit;
use index::live::Roll;
use index::publish::Builder;
use index::read::cache::ReaderCache;
use index::read::{FieldInfo, LiveBatch, Snapshot, Split};
use index::settings::{Settings, test_settings};
use model::batch::BatchBuilder;
use model::id::{IndexName, NodeId, RecordSeq, Tenant, WalSeq};
use model::live::Sequenced;
use model::time::{NS_PER_MS, TimeRange, Timestamp};
use platform::clock::ManualClock;
use platform::object_store::memory::MemoryStore;
use platform::rng::{Rng, SeededRng};
use serde_json::{Map, Value as Json, json};

use super::naive::Doc;

pub(super) const NODE: NodeId = NodeId(9);
/// The first record's time: 2026-11-19T22:00:00Z, two hours before a new bucket.
pub(super) const START_MS: i64 = 1_795_125_600_000;

pub(super) struct Corpus {
    /// The same records live, in splits, half of each, and in one split that was merged.
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) docs: Vec<Doc>,
    _dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

pub(super) struct Draw(SeededRng);

impl Draw {
    pub(super) fn below(&self, n: u64) -> u64 {
        self.0.next_u64() % n
    }

    fn pick<'a>(&self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) const WORDS: &[&str] =
    &["error", "Error", "timeout", "refused", "GET", "api", "v1", "10", "Größe", "user_id"];
pub(super) const SERVICES: &[&str] = &["api", "web", "db-1", "DB", "Web API"];

/// What is awkward to cut into templates, to fold or to compare.
pub(super) const NASTY: &[&str] = &[
    "",
    " ",
    "7",
    "id=7",
    "x1y 22",
    "\0a1\0",
    "line one\nline 2\n",
    "Tab\t9",
    "ÄRGER5 Straße",
    "٣ apples ½",
    "Kelvin \u{212a}5 5\u{212a}",
    "te\u{17f}t1",
    "İ1 i1",
    "日本5語",
    "a_1-b_2",
    "1.2.3.4:5",
    "503",
    "true",
    "-7",
    "2026-10-12T05:00:00Z",
    "\\ \" /9/",
    "🦀7🦀",
    "%s {0} <*>",
    "ÿ1",
    "req=req=",
];

fn nasty(draw: &Draw, unique: u64) -> String {
    match draw.below(24) {
        // Runs that are cut, with a number at either end of the cut.
        0 => format!("{}7", "x".repeat(300)),
        1 => format!("9{}{}", "Y".repeat(254), unique % 10),
        2..6 => format!("{}{}", draw.pick(NASTY), unique),
        6..10 => format!("{}{}", draw.pick(NASTY), draw.pick(NASTY)),
        _ => draw.pick(NASTY).to_owned(),
    }
}

/// A field whose values are of every kind.
fn mixed(draw: &Draw) -> Json {
    let one = || match draw.below(6) {
        0 => json!(draw.below(5)),
        1 => json!(draw.below(10) as f64 / 2.0),
        2 => json!(draw.chance(50)),
        3 => Json::Null,
        4 => json!(draw.below(5).to_string()),
        _ => json!(draw.pick(&["a", "b1", "", "web", "1.5", "true"])),
    };
    match draw.below(4) {
        0 => json!([one(), one()]),
        1 => json!([one(), one(), one()]),
        _ => one(),
    }
}

fn message(draw: &Draw, unique: u64) -> String {
    if draw.chance(15) {
        return nasty(draw, unique);
    }
    let mut out = String::new();
    for _ in 0..1 + draw.below(5) {
        out.push_str(draw.pick(WORDS));
        out.push_str(draw.pick(&[" ", "/", ": ", "."]));
    }
    if draw.chance(50) {
        out.push_str(&format!("req={unique:x}f"));
    }
    out
}

fn status(draw: &Draw) -> Json {
    match draw.below(6) {
        0 => json!(200),
        1 => json!(404),
        2 => json!(503),
        3 => json!("503"),
        4 => json!(1.5),
        _ => json!([200, -7]),
    }
}

/// A document; `unique` makes some of its values unique.
fn document(draw: &Draw, unique: u64, docs: u64) -> Json {
    let mut out = Map::new();
    let ns = (START_MS + draw.below(4 * 3_600_000) as i64) * NS_PER_MS + draw.below(3) as i64 * 100;
    out.insert("@timestamp".into(), Timestamp(ns).rfc3339().into());
    if draw.chance(90) {
        let text = message(draw, unique);
        let value =
            if draw.chance(10) { json!([text, message(draw, unique)]) } else { json!(text) };
        out.insert("message".into(), value);
    }
    if draw.chance(80) {
        let service = draw.pick(SERVICES);
        let value = if draw.chance(15) { json!([service, "web"]) } else { json!(service) };
        out.insert("service".into(), value);
    }
    if draw.chance(70) {
        out.insert("status".into(), status(draw));
    }
    if draw.chance(60) {
        out.insert("latency".into(), json!(draw.below(1000) as i64 - 100));
    }
    if draw.chance(50) {
        out.insert("ok".into(), json!(draw.chance(50)));
    }
    if draw.chance(50) {
        out.insert(
            "trace".into(),
            json!({"id": format!("{:08x}-{}", unique * 2_654_435_761 % 0xffff_ffff, unique % 7)}),
        );
    }
    if draw.chance(30) {
        let day = 10 + draw.below(10);
        out.insert("created".into(), json!(format!("2026-10-{day}T0{}:00:00Z", draw.below(10))));
    }
    if draw.chance(50) {
        out.insert("mixed".into(), mixed(draw));
    }
    if draw.chance(60) {
        // A few in the splits of one half, many in those of the other.
        let user = match unique < docs / 2 {
            true => format!("user-{}", draw.below(5)),
            false => format!("user-{} of {}", unique * 7919 % 100_003, draw.pick(SERVICES)),
        };
        out.insert("user".into(), json!(user));
    }
    if draw.chance(30) {
        out.insert("note".into(), json!(nasty(draw, unique)));
    }
    if draw.chance(40) {
        let (a, b) = (draw.below(3), draw.below(300));
        let text = if b < 256 { format!("10.{a}.0.{b}") } else { format!("host-{b}") };
        out.insert("ip".into(), json!(text));
    }
    if draw.chance(20) {
        out.insert("nothing".into(), Json::Null);
    }
    Json::Object(out)
}

/// Batches of documents, and the documents as the naive evaluator sees them.
pub(super) fn records(docs: u64, batch_docs: u64, seed: u64) -> (Vec<Sequenced>, Vec<Doc>) {
    let draw = Draw(SeededRng::new(seed));
    let (mut batches, mut out) = (Vec::new(), Vec::new());
    let mut first = 1;
    let mut unique = 0;
    while unique < docs {
        let received = Timestamp(START_MS * NS_PER_MS);
        let mut builder = BatchBuilder::new(Tenant::default(), None, received);
        for _ in 0..batch_docs.min(docs - unique) {
            let source = document(&draw, unique, docs);
            let index = draw.pick(&["logs-a", "logs-b", "other"]);
            let id = draw.chance(20).then(|| format!("id-{unique}"));
            let text = source.to_string();
            builder.push(&IndexName::new(index), id.as_deref(), text.as_bytes()).unwrap();
            unique += 1;
            out.push(Doc::new(&source, index, id, unique));
        }
        let batch = Arc::new(builder.finish());
        let seq = WalSeq(batches.len() as u64 + 1);
        let records = batch.records().len() as u64;
        batches.push(Sequenced { seq, first_record: RecordSeq(first), batch });
        first += records;
    }
    (batches, out)
}

pub(super) fn live(batch: &Sequenced) -> Arc<LiveBatch> {
    let times = batch.batch.records().iter().map(|r| r.timestamp);
    let (from, last) = (times.clone().min().unwrap(), times.max().unwrap());
    let mut index_docs = vec![0; batch.batch.indexes().len()];
    batch.batch.records().iter().for_each(|r| index_docs[r.index as usize] += 1);
    let paths = batch.batch.paths().iter();
    let mut fields: Vec<FieldInfo> =
        paths.map(|p| FieldInfo { path: p.to_string(), ..FieldInfo::default() }).collect();
    for record in batch.batch.records() {
        for (path, value) in batch.batch.fields(record) {
            let field = &mut fields[path as usize];
            field.note(&value);
            if !field.indexes.contains(&record.index) {
                field.indexes.push(record.index);
            }
        }
    }
    Arc::new(LiveBatch {
        batch: batch.clone(),
        time: TimeRange { from, to: Timestamp(last.0 + 1) },
        fields,
        index_docs,
    })
}

fn splits(
    batches: &[Sequenced],
    dir: &Path,
    cache: &Arc<ReaderCache>,
    seed: u64,
) -> Vec<Arc<Split>> {
    // A split has several groups of rows, of no round number.
    let docs: usize = batches.iter().map(|b| b.batch.records().len()).sum();
    let roll = Roll { batches: batches.iter().map(live).collect(), checkpoint: Default::default() };
    let built = with_builder(docs / 7 + 3, dir, seed, |builder| builder.build(&roll).unwrap());
    built.into_iter().map(|built| adopted(built, cache)).collect()
}

/// Builds splits with groups of so many rows.
fn with_builder<T>(
    group_rows: usize,
    dir: &Path,
    seed: u64,
    build: impl FnOnce(&Builder<'_>) -> T,
) -> T {
    let settings = Settings { group_rows: group_rows as u32, ..test_settings() };
    let (clock, rng) = (ManualClock::at(5), SeededRng::new(seed));
    build(&Builder {
        settings: &settings,
        staging: dir,
        threads: 1,
        node: NODE,
        clock: &clock,
        rng: &rng,
    })
}

fn adopted(built: BuiltSplit, cache: &Arc<ReaderCache>) -> Arc<Split> {
    cache.adopt(&built.meta, &built.path).unwrap();
    Arc::new(Split::new(built.meta, cache.clone()))
}

/// One split of the rows of several.
fn merged(splits: &[Arc<Split>], dir: &Path, cache: &Arc<ReaderCache>, seed: u64) -> Arc<Split> {
    let docs = splits.iter().map(|split| split.meta().docs as usize).sum::<usize>();
    let inputs: Vec<_> =
        splits.iter().map(|split| (split.meta().clone(), split.open().unwrap())).collect();
    let merge = |builder: &Builder<'_>| index::merge::merge(builder, &inputs, &|| false).unwrap();
    adopted(with_builder(docs / 5 + 3, dir, seed, merge), cache)
}

impl Corpus {
    pub(super) fn new(docs: u64, batch_docs: u64, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (staging, copies) = (dir.path().join("staging"), dir.path().join("copies"));
        std::fs::create_dir_all(&staging).unwrap();
        std::fs::create_dir_all(&copies).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Arc::new(MemoryStore::new());
        // Memory for few decoded columns, so that they are read again.
        let settings = Settings { column_cache_bytes_max: 1 << 20, ..test_settings() };
        let cache = ReaderCache::new(store, runtime.handle().clone(), NODE, &copies, &settings);
        let cache = Arc::new(cache.unwrap());
        let (batches, docs) = records(docs, batch_docs, seed);
        let half = batches.len() / 2;
        let snapshot = |split: &[Sequenced], rest: &[Sequenced], seed| {
            let mut splits = splits(split, &staging, &cache, seed);
            // A second roll, so that splits overlap in time.
            splits.sort_by_key(|s| std::cmp::Reverse(s.meta().time.to));
            Snapshot {
                splits,
                live: rest.iter().map(live).collect(),
                deletions: Arc::default(),
                node: NODE,
                text_fields: vec!["message".to_owned()].into(),
            }
        };
        let none = &batches[..0];
        let mut all = snapshot(&batches[..half], none, seed + 1);
        all.splits.extend(snapshot(&batches[half..], none, seed + 2).splits);
        all.splits.sort_by_key(|s| std::cmp::Reverse(s.meta().time.to));
        // Merging leaves the splits open, which the smallest corpora are not to be.
        let merges = docs.len() >= 100;
        let merged = merges.then(|| merged(&all.splits, &staging, &cache, seed + 5));
        let merged = merged.map(|split| Snapshot { splits: vec![split], ..all.clone() });
        let mut snapshots = vec![
            snapshot(none, &batches, seed + 3),
            all,
            snapshot(&batches[..half], &batches[half..], seed + 4),
        ];
        snapshots.extend(merged);
        Self { snapshots, docs, _dir: dir, _runtime: runtime }
    }
}
