//! Splits against a simple model: what goes in comes out, by every way of reading.

use std::collections::BTreeSet;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::batch::{Batch, BatchBuilder};
use model::id::{IndexName, NodeId, RecordSeq, Tenant, WalSeq};
use model::live::Sequenced;
use model::record::Value;
use model::time::{TimeRange, Timestamp};
use model::token;
use platform::clock::ManualClock;
use platform::disk::Mapped;
use platform::rng::SeededRng;
use proptest::prelude::*;

use crate::build::BuiltSplit;
use crate::catalog::Checkpoint;
use crate::live::{Roll, summarise};
use crate::merge;
use crate::publish::Builder;
use crate::read::chunks::ChunkCache;
use crate::read::object::MappedObject;
use crate::read::{
    Column, ColumnKind, FieldInfo, ReadError, RowSet, SplitMeta, SplitReader, Templates, Values,
    Verdict,
};
use crate::settings::{Settings, test_settings};
use crate::split;

const NODE: NodeId = NodeId(9);

fn batch(docs: &[(String, Option<String>, &str)], received: i64) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(received));
    for (source, id, index) in docs {
        builder.push(&IndexName::new(*index), id.as_deref(), source.as_bytes()).unwrap();
    }
    Arc::new(builder.finish())
}

fn roll(batches: Vec<Arc<Batch>>) -> Roll {
    let mut first = 1;
    let mut out = Vec::new();
    for (at, batch) in batches.into_iter().enumerate() {
        let records = batch.records().len() as u64;
        let seq = WalSeq(at as u64 + 1);
        out.push(Arc::new(summarise(Sequenced { seq, first_record: RecordSeq(first), batch })));
        first += records;
    }
    Roll { batches: out, checkpoint: Checkpoint::default() }
}

fn build(settings: &Settings, dir: &Path, roll: &Roll, threads: usize) -> Vec<BuiltSplit> {
    let (clock, rng) = (ManualClock::at(5), SeededRng::new(dir.as_os_str().len() as u64));
    let builder = Builder { settings, staging: dir, threads, node: NODE, clock: &clock, rng: &rng };
    builder.build(roll).unwrap()
}

fn open(built: &BuiltSplit) -> SplitReader {
    open_path(built, &built.path).unwrap()
}

fn open_path(built: &BuiltSplit, path: &Path) -> Result<SplitReader, ReadError> {
    let id = built.meta.id.clone();
    let object = MappedObject::new(id.clone(), Mapped::open(path).unwrap());
    SplitReader::open(id, NODE, Arc::new(object), Arc::new(ChunkCache::new(1 << 20)))
}

/// What a record is, read back by every way there is.
#[derive(Debug, PartialEq)]
struct Seen {
    time: i64,
    seq: u64,
    source: String,
    id: String,
    index: String,
    /// path → values, printed, sorted.
    values: BTreeMap<String, Vec<String>>,
}

fn expected(roll: &Roll) -> Vec<Seen> {
    let mut out = Vec::new();
    for live in &roll.batches {
        let batch = &live.batch.batch;
        for (number, record) in batch.records().iter().enumerate() {
            let seq = live.batch.first_record.0 + number as u64;
            let mut seen = Seen {
                time: record.timestamp.0,
                seq,
                source: batch.source(record).to_owned(),
                id: record
                    .id
                    .as_deref()
                    .map_or_else(|| NODE.document_id(RecordSeq(seq)), str::to_owned),
                index: batch.index_of(record).to_string(),
                values: BTreeMap::new(),
            };
            for (path, value) in batch.fields(record) {
                let path = batch.paths()[path as usize].to_string();
                if path == "@timestamp" || value == Value::Null {
                    continue;
                }
                seen.values.entry(path).or_default().push(printed(&value));
            }
            seen.values.values_mut().for_each(|v| v.sort());
            out.push(seen);
        }
    }
    out.sort_by_key(|s| (s.time, s.seq));
    out
}

fn printed(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => format!("s:{text}"),
        Value::Bool(b) => format!("b:{b}"),
        other => format!("n:{:?}", other.as_f64().unwrap_or(f64::NAN)),
    }
}

/// All values of a column: row, printed.
fn column_values(column: &Column, docs: u32) -> Vec<(u32, String)> {
    let rows: Vec<u32> = (0..docs).collect();
    fn pairs<T: Copy>(values: Values<T>, print: impl Fn(T) -> String) -> Vec<(u32, String)> {
        let print = |(row, value): (&u32, &T)| (*row, print(*value));
        values.rows.iter().zip(&values.values).map(print).collect()
    }
    match column.kind() {
        ColumnKind::Int => {
            let mut out = Values::default();
            column.ints(&rows, &mut out).unwrap();
            pairs(out, |n| format!("n:{:?}", n as f64))
        }
        ColumnKind::Float => {
            let mut out = Values::default();
            column.floats(&rows, &mut out).unwrap();
            pairs(out, |n| format!("n:{n:?}"))
        }
        ColumnKind::Bool => {
            let mut out = Values::default();
            column.bools(&rows, &mut out).unwrap();
            pairs(out, |b| format!("b:{b}"))
        }
        ColumnKind::Dict => {
            let mut out = Values::default();
            column.ords(&rows, &mut out).unwrap();
            let dictionary = column.dictionary().unwrap();
            let mut counts = vec![0; dictionary.len()];
            column.count_ords(0..docs, &mut counts).unwrap();
            for (ord, count) in counts.into_iter().enumerate() {
                assert_eq!(
                    count as usize,
                    out.values.iter().filter(|o| **o as usize == ord).count()
                );
            }
            pairs(out, |ord| format!("s:{}", dictionary.get(ord)))
        }
        ColumnKind::Text => {
            let mut out = Vec::new();
            let visit = &mut |row, text: &str| {
                out.push((row, format!("s:{text}")));
                true
            };
            column.for_each_text(&RowSet::all(docs), visit).unwrap();
            check_texts(column, docs, &out);
            out
        }
    }
}

/// In any order, all texts of some rows are told, and no others.
fn check_texts(column: &Column, docs: u32, all: &[(u32, String)]) {
    for from in [0, docs / 3] {
        let rows = RowSet::range(docs, from..docs);
        let mut told = BTreeSet::new();
        let visit = &mut |text: &[u8]| {
            told.insert(format!("s:{}", std::str::from_utf8(text).unwrap()));
            true
        };
        column.for_texts(&rows, visit).unwrap();
        let want = all.iter().filter(|(row, _)| *row >= from).map(|(_, text)| text.clone());
        assert_eq!(told, want.collect::<BTreeSet<_>>());
    }
}

/// The rows of a text column with a token, by templates and slots.
fn word_rows(column: &Column, token: &str, docs: u32) -> RowSet {
    let templates = column.templates().unwrap();
    let digit = token.bytes().any(|b| b.is_ascii_digit());
    let verdict = |id: u32| {
        if id == Templates::RAW {
            return Verdict::Maybe;
        }
        let fixed = templates.pieces(id).any(|p| token::tokens(p).any(|t| t == token));
        match (fixed, digit && templates.pieces(id).count() > 1) {
            (true, _) => Verdict::All,
            (false, true) => Verdict::Maybe,
            (false, false) => Verdict::None,
        }
    };
    let verdicts: Vec<Verdict> = (0..templates.len() as u32).map(verdict).collect();
    let (mut sure, maybe) = column.rows_by_template(&verdicts, &RowSet::all(docs)).unwrap();
    sure.or(&column.rows_with_slot_token((token, None), &maybe).unwrap());
    sure
}

/// Every way of searching a column finds what its values say.
fn check_searches(reader: &SplitReader, column: &Column) {
    let docs = reader.docs();
    let values = column_values(column, docs);
    assert_eq!(values.len() as u64, column.len());
    let some: Vec<u32> = (0..docs).filter(|row| row % 3 != 1).collect();
    let mut within = RowSet::none(docs);
    some.iter().for_each(|row| within.insert(*row));
    let rows = |passes: &dyn Fn(&str) -> bool| {
        let mut out = RowSet::none(docs);
        values.iter().filter(|(_, v)| passes(&v[2..])).for_each(|(row, _)| out.insert(*row));
        out
    };
    let inside = |mut set: RowSet| {
        set.and(&within);
        set
    };
    assert_eq!(column.rows_with_value(&within).unwrap(), inside(rows(&|_| true)));
    match column.kind() {
        ColumnKind::Int => {
            let number = |v: &str| v.parse::<f64>().unwrap() as i64;
            for (_, value) in &values {
                let n = number(&value[2..]);
                let range = n.saturating_sub(10)..=n;
                let want = inside(rows(&|v| range.contains(&number(v))));
                assert_eq!(column.rows_in_int_range(range.clone(), &within).unwrap(), want);
            }
        }
        ColumnKind::Dict => {
            let dictionary = column.dictionary().unwrap();
            for step in 1..4 {
                let wanted: Vec<bool> = (0..dictionary.len()).map(|o| o % step == 0).collect();
                let want = rows(&|v| wanted[dictionary.find(v).unwrap() as usize]);
                assert_eq!(column.rows_with_ords(&wanted, &within).unwrap(), inside(want));
            }
        }
        ColumnKind::Text => {
            for (_, value) in &values {
                for token in token::tokens(&value[2..]) {
                    let want = rows(&|v| token::tokens(v).any(|t| t == token));
                    assert_eq!(word_rows(column, &token, docs), want, "{token}");
                    let fragment: String = token.chars().skip(1).take(2).collect();
                    let found = column.rows_with_slot_fragment(&fragment, true, &within).unwrap();
                    let fold = |v: &str| v.to_ascii_lowercase();
                    let most = inside(rows(&|v| fold(v).contains(&fold(&fragment))));
                    let mut beyond = found.clone();
                    beyond.and_not(&most);
                    assert!(beyond.is_empty());
                    let digits = fragment.bytes().any(|b| b.is_ascii_digit());
                    assert!(!digits || found == most, "{fragment}");
                }
            }
        }
        ColumnKind::Float | ColumnKind::Bool => {}
    }
}

fn read_back(reader: &SplitReader) -> Vec<Seen> {
    let docs = reader.docs();
    let rows: Vec<u32> = (0..docs).rev().collect();
    let mut sources = reader.sources(&rows).unwrap();
    sources.reverse();
    let mut out: Vec<Seen> = (0..docs)
        .map(|row| Seen {
            time: reader.timestamp(row).unwrap().0,
            seq: reader.seq(row).unwrap().0,
            source: std::mem::take(&mut sources[row as usize]),
            id: reader.id(row).unwrap(),
            index: reader.indexes()[reader.index_ord(row).unwrap() as usize].to_string(),
            values: BTreeMap::new(),
        })
        .collect();
    for field in reader.fields() {
        for column in reader.columns(&field.path).unwrap() {
            check_searches(reader, &column);
            for (row, value) in column_values(&column, docs) {
                let values = &mut out[row as usize].values;
                values.entry(field.path.clone()).or_default().push(value);
            }
        }
    }
    for seen in &mut out {
        seen.values.values_mut().for_each(|v| v.sort());
    }
    out
}

fn small_groups() -> Settings {
    Settings {
        group_rows: 8,
        column_value_bytes_max: 64,
        text_fields: vec!["message".to_owned(), "error.stack".to_owned()],
        ..test_settings()
    }
}

fn document() -> impl Strategy<Value = (String, Option<String>, &'static str)> {
    let text = prop_oneof![
        "[a-c]{1,3}( [a-c0-9_]{1,4}){0,6}",
        Just("GET /api \"quoted\" \\ back\tslash and more text".to_owned()),
        Just("x".repeat(300)),
        "\\PC{0,30}",
        "[a-f0-9]{16}",
        "(id|ID)=[A-C][0-9]{1,2}(\n|\u{0}|ä|K)?[a-c]?",
        Just(format!("{}1{} z9", "y".repeat(254), "y".repeat(300))),
        Just(String::new()),
    ];
    let value = prop_oneof![
        text.clone().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        (-1e6f64..1e6).prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        Just(serde_json::json!([])),
        Just(serde_json::json!({"deep": ["a b", 1, {"er": "z"}]})),
    ];
    let field = prop_oneof![
        Just("message"),
        Just("error.stack"),
        Just("a"),
        Just("a.b"),
        Just("n\u{0}ul"),
        Just("")
    ];
    (
        prop::collection::vec((field, value), 0..6),
        prop::option::of(0i64..5),
        prop::option::of("[a-z]{1,4}"),
        prop_oneof![Just("i1"), Just("i2"), Just("i3")],
        any::<bool>(),
    )
        .prop_map(|(fields, day, id, index, spaced)| {
            // Written by hand: keys may repeat, and spacing must come back.
            let gap = if spaced { " " } else { "" };
            let mut parts = Vec::new();
            if let Some(day) = day {
                parts.push(format!("\"@timestamp\":{gap}\"2026-11-2{day}T10:00:0{day}Z\""));
            }
            for (key, value) in fields {
                let key = serde_json::Value::from(key);
                parts.push(format!("{key}:{gap}{value}"));
            }
            (format!("{{{gap}{}{gap}}}", parts.join(&format!(",{gap}"))), id, index)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(
        batches in prop::collection::vec(prop::collection::vec(document(), 1..12), 1..5),
        threads in 1usize..3,
    ) {
        let settings = small_groups();
        let dir = tempfile::tempdir().unwrap();
        let received = Timestamp::parse("2026-11-21T00:00:00Z").unwrap().0;
        let roll = roll(batches.iter().map(|b| batch(b, received)).collect());
        let want = expected(&roll);
        let built = build(&settings, dir.path(), &roll, threads);
        let mut got = Vec::new();
        let mut inputs = Vec::new();
        for split in &built {
            let reader = open(split);
            let width = settings.bucket_ms as i64 * 1_000_000;
            prop_assert!(split.meta.time.from >= split.meta.bucket);
            prop_assert!(split.meta.time.to.0 <= split.meta.bucket.0 + width);
            prop_assert!(split.meta.indexes.iter().all(|(_, docs)| *docs > 0));
            let values = |f: &FieldInfo| f.strings + f.ints + f.floats + f.bools;
            prop_assert!(reader.fields().iter().all(|f| values(f) > 0 && !f.indexes.is_empty()));
            prop_assert!(split::verify(&std::fs::read(&split.path).unwrap()).unwrap().faults.is_empty());
            got.extend(read_back(&reader));
            inputs.push((split.meta.clone(), Arc::new(reader)));
        }
        got.sort_by_key(|s| (s.time, s.seq));
        prop_assert_eq!(&got, &want);

        // The same rows, merged into one split of whatever buckets.
        let (clock, rng) = (ManualClock::at(6), SeededRng::new(77));
        let builder = Builder { settings: &settings, staging: dir.path(), threads, node: NODE, clock: &clock, rng: &rng };
        let merged = merge::merge(&builder, &inputs, &|| false).unwrap();
        prop_assert_eq!(merged.meta.docs as usize, want.len());
        let reader = open(&merged);
        let got = read_back(&reader);
        prop_assert_eq!(&got, &want);
        for from in -1..6i64 {
            let day = Timestamp::parse("2026-11-20T10:00:00Z").unwrap().0 + from * 86_401_000_000_000;
            let range = TimeRange { from: Timestamp(day), to: Timestamp(day + 86_401_000_000_000) };
            let rows = reader.rows_in(range).unwrap();
            let count = want.iter().filter(|s| range.contains(Timestamp(s.time))).count();
            prop_assert_eq!(rows.len(), count);
        }
    }

    #[test]
    fn any_flipped_byte_is_found_and_nothing_panics(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let settings = small_groups();
        let dir = tempfile::tempdir().unwrap();
        let docs: Vec<_> = (0..20)
            .map(|n| (format!(r#"{{"message":"line {n} of a longer text","n":{n},"k":"v{n}"}}"#), None, "i1"))
            .collect();
        let built = build(&settings, dir.path(), &roll(vec![batch(&docs, 1)]), 1);
        let mut bytes = std::fs::read(&built[0].path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let sound = split::verify(&bytes).is_ok_and(|r| r.faults.is_empty());
        prop_assert!(!sound, "byte {} bit {}", at, bit);
        let path = dir.path().join("damaged");
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(reader) = open_path(&built[0], &path) {
            // The flipped byte lies in a part that is checked when it is read.
            let rows: Vec<u32> = (0..reader.docs()).collect();
            let all = RowSet::all(reader.docs());
            let texts = reader.columns("message").unwrap();
            let read = [
                reader.sources(&rows).err(),
                rows.iter().find_map(|row| reader.seq(*row).err()),
                reader.index_column().unwrap().dictionary().err(),
                texts[0].rows_with_slot_token(("3", None), &all).err(),
            ];
            prop_assert!(read.iter().any(Option::is_some), "byte {}", at);
        }
    }
}

#[test]
fn a_torn_object_is_an_error_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let docs = vec![(r#"{"message":"one line of text","n":1}"#.to_owned(), None, "i1")];
    let built = build(&test_settings(), dir.path(), &roll(vec![batch(&docs, 1)]), 1);
    let bytes = std::fs::read(&built[0].path).unwrap();
    for len in 0..bytes.len() {
        assert!(split::verify(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn stray_times_do_not_make_a_split_each() {
    let settings = Settings { buckets_per_roll_max: 8, ..test_settings() };
    let dir = tempfile::tempdir().unwrap();
    let docs: Vec<_> = (0..200)
        .map(|n| (format!(r#"{{"@timestamp":{},"n":{n}}}"#, n * 40 * 86_400), None, "i1"))
        .collect();
    let built = build(&settings, dir.path(), &roll(vec![batch(&docs, 1)]), 1);
    assert!(built.len() <= 8, "{}", built.len());
    assert_eq!(built.iter().map(|b| b.meta.docs).sum::<u64>(), 200);
}

/// Splits of documents that take turns in time: as rolls of the same minutes from several senders.
fn splits_in_turns(dir: &Path, splits: i64, docs: i64) -> Vec<(SplitMeta, Arc<SplitReader>)> {
    let mut out = Vec::new();
    for split in 0..splits {
        let docs: Vec<_> = (0..docs)
            .map(|n| {
                let at = 1_790_000_000_000 + n * splits + split;
                let text =
                    format!("{{\"@timestamp\":{at},\"message\":\"request {n} took {at} ms\"}}");
                (text, None, "i1")
            })
            .collect();
        // The length of its name is the seed of the splits' names.
        let dir = dir.join("d".repeat(split as usize + 1));
        std::fs::create_dir(&dir).unwrap();
        let built = build(&small_groups(), &dir, &roll(vec![batch(&docs, 1)]), 1);
        out.extend(built.iter().map(|b| (b.meta.clone(), Arc::new(open(b)))));
    }
    out
}

#[test]
fn a_merge_decodes_each_text_once_however_the_inputs_lie_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = splits_in_turns(dir.path(), 4, 200);
    let groups: usize = inputs.iter().map(|(_, reader)| reader.groups().len()).sum();
    let (clock, rng, settings) = (ManualClock::at(6), SeededRng::new(77), small_groups());
    let staging = dir.path();
    let builder =
        Builder { settings: &settings, staging, threads: 1, node: NODE, clock: &clock, rng: &rng };
    let opened = || crate::split::text::FRAMES_OPENED.with(std::cell::Cell::get);
    let before = opened();
    let merged = merge::merge(&builder, &inputs, &|| false).unwrap();
    assert_eq!(merged.meta.docs, 800);
    let opened = opened() - before;
    // Both halves of three frames, for the eight rows of each group of each input.
    assert!(opened <= 6 * groups as u64, "{opened} halves of frames of {groups} groups");
}

#[test]
fn a_merge_that_is_stopped_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = splits_in_turns(dir.path(), 2, 50);
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    let (before, asked) = (files(), std::cell::Cell::new(0));
    let (clock, rng, settings) = (ManualClock::at(6), SeededRng::new(77), small_groups());
    let staging = dir.path();
    let builder =
        Builder { settings: &settings, staging, threads: 1, node: NODE, clock: &clock, rng: &rng };
    let stopped = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let merged = merge::merge(&builder, &inputs, &stopped);
    assert!(matches!(merged, Err(merge::MergeError::Stopped)));
    assert_eq!((files(), asked.get()), (before, 4));
}
