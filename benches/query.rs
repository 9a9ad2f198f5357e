//! How fast are the kinds of searches, with all that they read decoded before (warm) and with
//! nothing of the splits on the machine (cold, the objects in memory)?

mod shared;

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use index::read::cache::ReaderCache;
use index::read::{Snapshot, Split, SplitMeta};
use model::id::Tenant;
use model::live::Sequenced;
use model::time::Timestamp;
use platform::clock::ManualClock;
use platform::object_store::memory::MemoryStore;
use platform::object_store::{Body, ObjectStore};
use query::elastic::Reader;
use query::search::{Searcher, SnapshotSource};
use shared::{NODE, START_MS, access, batch, roll, with_builder};
use tokio::sync::broadcast;

const DOCS: u64 = 100_000;
const SPLITS: u64 = 3;

/// Splits whose objects lie in a store.
struct Corpus {
    settings: config::Settings,
    runtime: tokio::runtime::Runtime,
    store: Arc<MemoryStore>,
    metas: Vec<SplitMeta>,
}

struct Source {
    snapshot: Snapshot,
    news: broadcast::Sender<Sequenced>,
}

impl SnapshotSource for Source {
    fn snapshot(&self, _: &Tenant) -> Snapshot {
        self.snapshot.clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<Sequenced> {
        self.news.subscribe()
    }
}

impl Corpus {
    fn new() -> Self {
        let mut settings = config::load(None, &[]).expect("the defaults");
        // Searches are measured, not what splits are known to answer.
        settings.query.partial_cache_bytes_max = 0;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
        let store = Arc::new(MemoryStore::new());
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut metas = Vec::new();
        for n in 0..SPLITS {
            let batch = batch(n * DOCS, DOCS, access);
            let built = with_builder(&settings.index, dir.path(), n, |b| b.build(&roll(&batch)));
            for built in built.expect("splits") {
                let key = index::split::object_key(&built.meta.id);
                let body = Body::File(built.path);
                runtime.block_on(store.put(&key, body)).expect("an object");
                metas.push(built.meta);
            }
        }
        Self { settings, runtime, store, metas }
    }

    /// A searcher that has read nothing yet, with its files in `dir`.
    fn searcher(&self, dir: &Path) -> Searcher {
        let runtime = self.runtime.handle().clone();
        let cache = ReaderCache::new(self.store.clone(), runtime, NODE, dir, &self.settings.index);
        let cache = Arc::new(cache.expect("a cache"));
        let split = |meta: &SplitMeta| Arc::new(Split::new(meta.clone(), cache.clone()));
        let snapshot = Snapshot {
            splits: self.metas.iter().map(split).collect(),
            live: Vec::new(),
            deletions: Arc::default(),
            node: NODE,
            text_fields: self.settings.index.text_fields.clone().into(),
        };
        let source = Source { snapshot, news: broadcast::Sender::new(1) };
        Searcher::new(Arc::new(source), self.settings.query.clone(), Arc::new(ManualClock::at(0)))
    }

    fn search(&self, searcher: &Searcher, body: &str) -> usize {
        let now = Timestamp::from_millis(START_MS);
        let mut reader = Reader::new(now, &self.settings.query.api);
        let search = reader.search(body.as_bytes()).expect("a search");
        let tenant = Tenant::default();
        let answer = searcher.search(&tenant, search.request);
        let answer = self.runtime.block_on(answer).expect("an answer");
        assert!(answer.shards.failed.is_empty());
        answer.hits.len() + usize::from(answer.aggregations.is_some())
    }
}

/// Each kind with its body; `#` stands for a number that is another one each time, `%` for the trace
/// id of a document that is.
const KINDS: [(&str, &str); 11] = [
    ("needle", r#"{"size":20,"track_total_hits":false,"query":{"term":{"trace.id":"%"}}}"#),
    (
        "end of an id",
        r#"{"size":20,"track_total_hits":false,"query":{"wildcard":{"trace.id":"*0000#"}}}"#,
    ),
    (
        "phrase",
        r##"{"size":20,"track_total_hits":false,"query":{"match_phrase":{"message":"GET api v1 orders #"}}}"##,
    ),
    ("newest 500", r#"{"size":500,"track_total_hits":false,"sort":[{"@timestamp":"desc"}]}"#),
    ("substring", r#"{"size":0,"track_total_hits":true,"query":{"wildcard":{"message":"*#*"}}}"#),
    (
        "regex",
        r#"{"size":0,"track_total_hits":true,"query":{"regexp":{"message":".*orders.*took 1[0-9]#.*"}}}"#,
    ),
    ("common word", r#"{"size":0,"track_total_hits":true,"query":{"match":{"message":"took"}}}"#),
    (
        "histogram x terms",
        r#"{"size":0,"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"5s"},"aggs":{"l":{"terms":{"field":"kubernetes.pod.name"}}}}}}"#,
    ),
    (
        "percentiles by terms",
        r#"{"size":0,"aggs":{"p":{"terms":{"field":"kubernetes.pod.name"},"aggs":{"d":{"percentiles":{"field":"event.duration"}}}}}}"#,
    ),
    ("distinct", r#"{"size":0,"aggs":{"d":{"cardinality":{"field":"client.ip"}}}}"#),
    (
        "range x histogram",
        r#"{"size":0,"query":{"range":{"http.response.status_code":{"gte":500}}},"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"5s"}}}}"#,
    ),
];

fn body(kind: &str, number: &mut u32) -> String {
    *number = (*number * 7 + 13) % 900;
    let document = access(u64::from(*number) * (SPLITS * DOCS / 900));
    let id = document.split_once(r#""trace":{"id":""#).and_then(|(_, rest)| rest.get(..32));
    kind.replace('#', &(100 + *number).to_string()).replace('%', id.expect("a trace id"))
}

fn searches(c: &mut Criterion) {
    let corpus = Corpus::new();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let warm = corpus.searcher(dir.path());
    let mut group = c.benchmark_group("warm");
    group.sample_size(20);
    let mut number = 1;
    for (name, kind) in KINDS {
        group.bench_function(name, |b| {
            b.iter(|| corpus.search(&warm, &body(kind, &mut number)));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("cold");
    group.sample_size(10);
    for (name, kind) in KINDS {
        group.bench_function(name, |b| {
            b.iter_batched(
                || {
                    let dir = tempfile::tempdir().expect("a temporary directory");
                    (corpus.searcher(dir.path()), dir)
                },
                |(searcher, dir)| {
                    let found = corpus.search(&searcher, &body(kind, &mut number));
                    (found, searcher, dir)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, searches);
criterion_main!(benches);
