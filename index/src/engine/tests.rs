//! The running index against a list: every record exactly once, whatever the store does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use model::batch::BatchBuilder;
use model::id::{BatchId, IndexName, RecordSeq, SplitId};
use platform::clock::ManualClock;
use platform::object_store::memory::MemoryStore;
use platform::object_store::{Body, ObjectInfo, StoreFuture};
use platform::rng::SeededRng;

use super::*;
use crate::catalog::sqlite::SqliteCatalog;
use crate::read::deletion::WholeIndexes;
use crate::read::{RowSet, SplitMeta, SplitReader};
use crate::settings::{MergeSettings, RetentionRule, test_settings};
use crate::split::object_key;

/// A store in memory that refuses when told to, or every n-th time.
#[derive(Debug, Default)]
struct FlakyStore {
    inner: MemoryStore,
    down: AtomicBool,
    fail_every: AtomicU64,
    calls: AtomicU64,
}

impl FlakyStore {
    fn fails(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let every = self.fail_every.load(Ordering::SeqCst);
        self.down.load(Ordering::SeqCst) || (every > 0 && call.is_multiple_of(every))
    }

    fn refuse<'a, T>(&self, key: &str) -> StoreFuture<'a, T> {
        let key = key.to_owned();
        let reason = "told to".to_owned();
        Box::pin(async { Err(StoreError::Transient { operation: "test", key, reason }) })
    }
}

impl ObjectStore for FlakyStore {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        if self.fails() { self.refuse(key) } else { self.inner.get(key, range) }
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        if self.fails() { self.refuse(key) } else { self.inner.put(key, body) }
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        if self.fails() { self.refuse(key) } else { self.inner.put_if_absent(key, body) }
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        self.inner.list(prefix)
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        if self.fails() { self.refuse(key) } else { self.inner.delete(key) }
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn describe(&self) -> String {
        "flaky".to_owned()
    }
}

/// Understands the query `n`: the documents whose number is a multiple of n.
#[derive(Debug)]
struct Multiples;

impl DeletedRows for Multiples {
    fn deleted_rows(
        &self,
        deletion: &Deletion,
        reader: &SplitReader,
        text_fields: &[String],
    ) -> Result<RowSet, String> {
        let whole = Deletion { query: None, ..deletion.clone() };
        let mut out = WholeIndexes.deleted_rows(&whole, reader, text_fields)?;
        let Some(query) = &deletion.query else { return Ok(out) };
        let divisor: u64 = query.parse().map_err(|_| format!("`{query}` is no number"))?;
        let rows: Vec<u32> = out.iter().collect();
        let sources = reader.sources(&rows).map_err(|error| error.to_string())?;
        for (row, source) in rows.iter().zip(sources) {
            if !number(&source).is_multiple_of(divisor) {
                out.remove(*row);
            }
        }
        Ok(out)
    }
}

fn number(source: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_str(source).unwrap();
    json["n"].as_u64().unwrap()
}

struct Bench {
    runtime: tokio::runtime::Runtime,
    store: Arc<FlakyStore>,
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

const NOON: i64 = 1_795_262_400_000_000_000;

impl Bench {
    fn new() -> Self {
        Self {
            runtime: tokio::runtime::Runtime::new().unwrap(),
            store: Arc::default(),
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(NOON)),
        }
    }

    fn open(&self, settings: Settings) -> Index {
        let dir: &Path = self.dir.path();
        let rng = Arc::new(SeededRng::new(self.store.calls.load(Ordering::SeqCst) + 3));
        let catalog = SqliteCatalog::open(&dir.join("catalog.sqlite"), &*rng).unwrap();
        let env = Environment {
            dir: dir.to_owned(),
            catalog: Arc::new(catalog),
            store: self.store.clone(),
            runtime: self.runtime.handle().clone(),
            clock: self.clock.clone(),
            rng,
            threads: 2,
            batch_id_window_ms: 3_600_000,
            deleted_rows: Arc::new(Multiples),
        };
        let index = Index::open(settings, env).unwrap();
        index.start().unwrap();
        index
    }
}

fn settings() -> Settings {
    let merge = MergeSettings {
        factor: 3,
        raw_bytes_max: 1 << 20,
        rewrites_max: 2,
        memory_bytes_max: 1 << 20,
        threads: 2,
        backlog_max: 0,
        interval_ms: 1,
    };
    Settings { roll_raw_bytes: 2000, merge, ..test_settings() }
}

/// Batch `n` holds the documents `10 n` to `10 n + 9`; frames and records are numbered to match.
fn feed(index: &Index, n: u64, index_name: &str, received: i64) {
    let id = Some(BatchId::new(format!("batch-{n}")));
    let mut builder = BatchBuilder::new(Tenant::default(), id, Timestamp(received));
    for k in n * 10..n * 10 + 10 {
        let source = format!(r#"{{"n":{k},"message":"document number {k} of the test"}}"#);
        builder.push(&IndexName::new(index_name), None, source.as_bytes()).unwrap();
    }
    index.sink().apply(Sequenced {
        seq: WalSeq(n + 1),
        first_record: RecordSeq(n * 10),
        batch: Arc::new(builder.finish()),
    });
}

/// How often each document is in a snapshot.
fn seen(index: &Index) -> BTreeMap<u64, u32> {
    let snapshot = index.snapshot(&Tenant::default());
    let mut sources = Vec::new();
    for live in &snapshot.live {
        let batch = &live.batch.batch;
        sources.extend(batch.records().iter().map(|r| batch.source(r).to_owned()));
    }
    for split in &snapshot.splits {
        let reader = split.open().unwrap();
        let kept = snapshot.kept_rows(split, &reader, &Multiples).unwrap();
        let rows: Vec<u32> = match kept {
            Some(kept) => kept.iter().collect(),
            None => (0..reader.docs()).collect(),
        };
        sources.extend(reader.sources(&rows).unwrap());
    }
    let mut out = BTreeMap::new();
    for source in sources {
        *out.entry(number(&source)).or_insert(0) += 1;
    }
    out
}

fn check(index: &Index, batches: u64) {
    let want: BTreeMap<u64, u32> = (0..batches * 10).map(|n| (n, 1)).collect();
    assert_eq!(seen(index), want);
}

fn wait_published(index: &Index, seq: u64) {
    let published = index.published();
    while published.borrow().0 < seq {
        index.flush();
        std::thread::yield_now();
    }
}

#[test]
fn every_record_is_seen_once_while_the_store_fails_now_and_then() {
    let bench = Bench::new();
    bench.store.fail_every.store(3, Ordering::SeqCst);
    let index = bench.open(settings());
    for n in 0..40 {
        feed(&index, n, "logs", NOON + n as i64);
        if n % 7 == 0 {
            bench.store.fail_every.store(0, Ordering::SeqCst);
            check(&index, n + 1);
            bench.store.fail_every.store(3, Ordering::SeqCst);
        }
    }
    wait_published(&index, 40);
    bench.store.fail_every.store(0, Ordering::SeqCst);
    check(&index, 40);
    index.stop();
    drop(index);
    let index = bench.open(settings());
    assert_eq!(index.checkpoint().wal, WalSeq(40));
    assert_eq!(index.checkpoint().next_record, RecordSeq(400));
    assert_eq!(index.known_batches().len(), 40);
    check(&index, 40);
}

#[test]
fn a_store_that_is_down_holds_records_in_memory_and_makes_ingest_wait() {
    let bench = Bench::new();
    bench.store.down.store(true, Ordering::SeqCst);
    let small = Settings { live_memory_bytes_max: 20_000, ..settings() };
    let index = bench.open(small);
    let fed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..60 {
                feed(&index, n, "logs", NOON);
                fed.store(n + 1, Ordering::SeqCst);
            }
        });
        // Memory is full: the sender stands still.
        let memory = || {
            let live = index.snapshot(&Tenant::default()).live;
            live.iter().map(|b| b.batch.batch.memory_bytes()).sum::<u64>()
        };
        while memory() < 15_000 {
            std::thread::yield_now();
        }
        assert!(fed.load(Ordering::SeqCst) < 60 && memory() <= 20_000);
        assert_eq!(index.published().borrow().0, 0);
        bench.store.down.store(false, Ordering::SeqCst);
        while fed.load(Ordering::SeqCst) < 60 {
            std::thread::yield_now();
        }
    });
    wait_published(&index, 60);
    check(&index, 60);
    index.stop();
}

#[test]
fn what_was_stored_but_not_published_is_collected_at_the_next_start() {
    let bench = Bench::new();
    let index = bench.open(settings());
    for n in 0..5 {
        feed(&index, n, "logs", NOON);
    }
    wait_published(&index, 5);
    index.stop();
    drop(index);
    // As a crash between the object and the transaction leaves it.
    let rng = SeededRng::new(1);
    let catalog = SqliteCatalog::open(&bench.dir.path().join("catalog.sqlite"), &rng).unwrap();
    let orphan = SplitId::new("0ORPHAN");
    catalog.stage(std::slice::from_ref(&orphan)).unwrap();
    let key = object_key(&orphan);
    let body = Body::Bytes(Bytes::from_static(b"half"));
    bench.runtime.block_on(bench.store.put(&key, body)).unwrap();
    drop(catalog);
    let index = bench.open(settings());
    let gone = || bench.runtime.block_on(bench.store.get(&key, None)).is_err();
    while !gone() {
        std::thread::yield_now();
    }
    check(&index, 5);
    index.stop();
}

#[test]
fn merged_and_expired_objects_go_when_no_query_holds_them() {
    let bench = Bench::new();
    let mut settings = settings();
    settings.retention.rules =
        vec![RetentionRule { indexes: "short-*".to_owned(), days: Some(1), bytes_max: 0 }];
    let index = bench.open(settings);
    for n in 0..30 {
        feed(&index, n, if n % 2 == 0 { "logs" } else { "short-1" }, NOON);
        wait_published(&index, n + 1);
    }
    let objects = || bench.runtime.block_on(bench.store.list("splits/")).unwrap().len();
    // Merging leaves fewer splits than were published, and their objects only.
    while index.split_count() > 12 || objects() > index.split_count() {
        std::thread::yield_now();
    }
    check(&index, 30);
    let held = index.snapshot(&Tenant::default());
    bench.clock.advance(3 * 86_400_000_000_000);
    let only_logs = |index: &Index| seen(index).keys().all(|n| (n / 10) % 2 == 0);
    while !only_logs(&index) {
        std::thread::yield_now();
    }
    assert_eq!(seen(&index).len(), 150);
    // The older snapshot still reads everything.
    let mut docs = 0;
    for split in &held.splits {
        docs += split.open().unwrap().docs();
    }
    assert_eq!(docs, 300);
    drop(held);
    while objects() > index.split_count() {
        std::thread::yield_now();
    }
    index.stop();
}

#[test]
fn the_oldest_objects_go_when_the_newer_ones_have_the_bytes() {
    const DAY: i64 = 86_400_000_000_000;
    let bench = Bench::new();
    let mut settings = settings();
    settings.merge.factor = 0;
    let index = bench.open(settings.clone());
    for n in 0..12 {
        let name = ["keep", "debug-a", "debug-b"][n as usize % 3];
        feed(&index, n, name, NOON + (n as i64 / 3) * DAY);
        index.flush();
        wait_published(&index, n + 1);
    }
    let sizes = |index: &Index| -> Vec<(i64, u64)> {
        let snapshot = index.snapshot(&Tenant::default());
        let metas = snapshot.splits.iter().map(|s| s.meta().clone());
        let debug = |m: &SplitMeta| m.indexes.iter().all(|(i, _)| i.as_str().starts_with("debug"));
        metas.filter(debug).map(|m| (m.time.from.0, m.object_bytes)).collect()
    };
    let mut before = sizes(&index);
    before.sort_unstable_by_key(|(from, _)| std::cmp::Reverse(*from));
    assert_eq!(before.len(), 8);
    index.stop();
    drop(index);
    // The three newest alone have it: the fourth is what tips over, the others go.
    let bytes_max = before[..3].iter().map(|(_, bytes)| bytes).sum();
    let rule = RetentionRule { indexes: "debug-*".to_owned(), days: None, bytes_max };
    settings.retention.rules = vec![rule];
    let index = bench.open(settings);
    while index.split_count() > 4 + 3 {
        std::thread::yield_now();
    }
    let mut left = sizes(&index);
    left.sort_unstable_by_key(|(from, _)| std::cmp::Reverse(*from));
    assert_eq!(
        left.iter().map(|s| s.0).collect::<Vec<_>>(),
        before[..3].iter().map(|s| s.0).collect::<Vec<_>>()
    );
    // Those of no rule are all there.
    let kept = seen(&index).keys().filter(|n| (*n / 10) % 3 == 0).count();
    assert_eq!(kept, 40);
    let objects = || bench.runtime.block_on(bench.store.list("splits/")).unwrap().len();
    while objects() > index.split_count() {
        std::thread::yield_now();
    }
    index.stop();
}

#[test]
fn publishing_waits_for_merges_when_too_many_splits_wait() {
    const BACKLOG_MAX: usize = 6;
    let bench = Bench::new();
    let mut settings = settings();
    settings.merge.backlog_max = BACKLOG_MAX;
    // The merger itself looks once, and then never again.
    settings.merge.threads = 1;
    settings.merge.interval_ms = 3_600_000;
    let index = bench.open(settings.clone());
    let groups = settings.merge.rewrites_max as usize + 1;
    let most = BACKLOG_MAX + 1 + groups * (settings.merge.factor - 1);
    for n in 0..40 {
        feed(&index, n, "logs", NOON);
        index.flush();
        wait_published(&index, n + 1);
        let splits = index.split_count();
        // What was merged twice stays.
        let finished = n as usize / settings.merge.factor.pow(settings.merge.rewrites_max);
        assert!(splits <= most + finished, "{splits} splits after {n} rolls");
    }
    check(&index, 40);
    index.stop();
}

fn delete(index: &Index, name: &str, query: Option<u64>) -> Arc<Deletion> {
    let query = query.map(|divisor| divisor.to_string());
    let (tenant, at) = (Tenant::default(), Timestamp(NOON));
    let indexes = vec![IndexName::new(name)];
    let id = index.reserve_deletion();
    index.delete(DeleteRequest { id, tenant, indexes, query, at }).unwrap()
}

fn wait_erased(index: &Index) {
    while index.deletions().iter().any(|d| d.finished.is_none()) {
        std::thread::yield_now();
    }
}

/// The numbers that are left, each once.
fn check_left(index: &Index, batches: u64, is_left: impl Fn(u64) -> bool) {
    let want: BTreeMap<u64, u32> =
        (0..batches * 10).filter(|n| is_left(*n)).map(|n| (n, 1)).collect();
    assert_eq!(seen(index), want);
}

#[test]
fn what_is_deleted_is_gone_at_once_then_from_the_store_and_nothing_else_goes() {
    for merging in [true, false] {
        let bench = Bench::new();
        let mut settings = settings();
        settings.merge.factor = if merging { 3 } else { 0 };
        let index = bench.open(settings.clone());
        let even = |n: u64| (n / 10).is_multiple_of(2);
        for n in 0..20 {
            feed(&index, n, if n % 2 == 0 { "logs" } else { "audit" }, NOON);
            if n % 3 == 0 {
                wait_published(&index, n + 1);
            }
        }
        // Some of it is still live.
        let held = index.snapshot(&Tenant::default());
        let first = delete(&index, "logs", Some(3));
        assert_eq!(
            first.records,
            (0..200).filter(|n| even(*n) && n.is_multiple_of(3)).count() as u64
        );
        check_left(&index, 20, |n| !(even(n) && n.is_multiple_of(3)));
        // What comes later stays, whatever it is.
        feed(&index, 20, "logs", NOON);
        let kept = |n: u64| n >= 200 || !(even(n) && n.is_multiple_of(3));
        check_left(&index, 21, kept);
        let second = delete(&index, "audit", None);
        assert_eq!((second.id, second.records), (first.id + 1, 100));
        check_left(&index, 21, |n| kept(n) && even(n));
        // The same again takes nothing.
        assert_eq!(delete(&index, "audit", None).records, 0);
        index.stop();
        drop(index);
        let index = bench.open(settings);
        check_left(&index, 21, |n| kept(n) && even(n));
        wait_erased(&index);
        check_left(&index, 21, |n| kept(n) && even(n));
        let deletions = index.deletions();
        assert!(deletions.iter().all(|d| d.erased == d.records), "{deletions:?}");
        let snapshot = index.snapshot(&Tenant::default());
        assert!(snapshot.splits.iter().all(|s| s.meta().deletions.is_empty()));
        let names = snapshot.splits.iter().flat_map(|s| &s.meta().indexes);
        assert!(names.clone().all(|(name, _)| name.as_str() == "logs"));
        let docs: u64 = names.map(|(_, docs)| docs).sum();
        assert_eq!(docs as usize, seen(&index).len());
        drop((snapshot, held));
        // No object holds any of it.
        let objects = || bench.runtime.block_on(bench.store.list("splits/")).unwrap().len();
        while objects() > index.split_count() {
            std::thread::yield_now();
        }
        index.stop();
    }
}

#[test]
fn a_query_sees_what_was_there_when_it_began_while_it_is_deleted_and_erased() {
    let bench = Bench::new();
    let index = bench.open(settings());
    for n in 0..6 {
        feed(&index, n, "logs", NOON);
    }
    wait_published(&index, 6);
    let held = index.snapshot(&Tenant::default());
    delete(&index, "logs", None);
    assert!(seen(&index).is_empty());
    wait_erased(&index);
    // Splits without a record left are dropped, but their objects stay while they are read.
    assert_eq!(index.split_count(), 0);
    let mut docs = 0;
    for split in &held.splits {
        let reader = split.open().unwrap();
        assert!(held.kept_rows(split, &reader, &Multiples).unwrap().is_none());
        let rows: Vec<u32> = (0..reader.docs()).collect();
        docs += reader.sources(&rows).unwrap().len();
    }
    assert_eq!(docs, 60);
    drop(held);
    while !bench.runtime.block_on(bench.store.list("splits/")).unwrap().is_empty() {
        std::thread::yield_now();
    }
    index.stop();
}

#[test]
fn deletions_that_cannot_be_are_refused_and_delete_nothing() {
    let bench = Bench::new();
    let settings = Settings { deletions_max: 1, deletion_wait_ms: 100, ..settings() };
    let index = bench.open(settings);
    feed(&index, 0, "logs", NOON);
    let request = |query: Option<&str>| DeleteRequest {
        id: index.reserve_deletion(),
        tenant: Tenant::default(),
        indexes: vec![IndexName::new("logs")],
        query: query.map(str::to_owned),
        at: Timestamp(NOON),
    };
    bench.store.down.store(true, Ordering::SeqCst);
    let error = index.delete(request(None)).unwrap_err();
    assert!(matches!(error, IndexError::NotPublished { waited_ms: 100 }), "{error}");
    bench.store.down.store(false, Ordering::SeqCst);
    wait_published(&index, 1);
    let error = index.delete(request(Some("x"))).unwrap_err();
    assert!(error.to_string().contains("`x` is no number"), "{error}");
    check(&index, 1);
    // The store cannot be written: the first one does not end.
    bench.store.fail_every.store(1, Ordering::SeqCst);
    delete(&index, "logs", Some(2));
    let error = index.delete(request(Some("3"))).unwrap_err();
    assert!(matches!(error, IndexError::TooManyDeletions { waiting: 1 }), "{error}");
    bench.store.fail_every.store(0, Ordering::SeqCst);
    wait_erased(&index);
    check_left(&index, 1, |n| n % 2 == 1);
    index.stop();
}

#[test]
fn recent_documents_are_those_with_an_id_that_are_not_deleted() {
    let bench = Bench::new();
    let index = bench.open(settings());
    for n in 0..4 {
        let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(NOON));
        for k in n * 10..n * 10 + 10 {
            let id = (k % 2 == 0).then(|| format!("id-{k}"));
            let source = format!(r#"{{"n":{k}}}"#);
            builder.push(&IndexName::new("logs"), id.as_deref(), source.as_bytes()).unwrap();
        }
        index.sink().apply(Sequenced {
            seq: WalSeq(n + 1),
            first_record: RecordSeq(n * 10),
            batch: Arc::new(builder.finish()),
        });
    }
    wait_published(&index, 4);
    let recent = |since: i64, most: usize| {
        let mut out = Vec::new();
        index
            .recent_documents(Timestamp(since), most, &mut |document| {
                assert_eq!(document.id, format!("id-{}", number(&document.source)));
                out.push(number(&document.source));
            })
            .unwrap();
        out.sort_unstable();
        out
    };
    let even: Vec<u64> = (0..40).filter(|n| n % 2 == 0).collect();
    assert_eq!(recent(NOON, 100), even);
    assert!(!recent(NOON, 1).is_empty() && recent(NOON + 1, 100).is_empty());
    // Not written anew: the store refuses.
    bench.store.fail_every.store(1, Ordering::SeqCst);
    delete(&index, "logs", Some(4));
    let left: Vec<u64> = even.into_iter().filter(|n| n % 4 != 0).collect();
    assert_eq!(recent(NOON, 100), left);
    bench.store.fail_every.store(0, Ordering::SeqCst);
    wait_erased(&index);
    assert_eq!(recent(NOON, 100), left);
    index.stop();
}
