//! What a search may not do: go on without its client, past its time, or beyond its memory.

use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use index::read::Snapshot;
use model::batch::BatchBuilder;
use model::id::{IndexName, RecordSeq, Tenant, WalSeq};
use model::live::Sequenced;
use platform::clock::Clock;
use tokio::sync::broadcast;

use super::super::{Searcher, Settings, SnapshotSource};
use super::*;
use crate::answer::TailEvent;
use crate::error::ErrorKind;
use crate::request::{Agg, AggKind, TermsAgg};
use crate::settings::ApiSettings;

struct Source {
    snapshot: Mutex<Snapshot>,
    news: broadcast::Sender<Sequenced>,
}

impl SnapshotSource for Source {
    fn snapshot(&self, _: &Tenant) -> Snapshot {
        self.snapshot.lock().unwrap().clone()
    }

    fn subscribe(&self) -> broadcast::Receiver<Sequenced> {
        self.news.subscribe()
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        buckets_max: 1000,
        concurrent_max: 2,
        threads: 1,
        memory_bytes_max: 1 << 30,
        partial_cache_bytes_max: 0,
        tail_queue_hits_max: 2,
        timeout_ms: 10_000,
        api: ApiSettings {
            version: "8.0.0".to_owned(),
            cluster_name: "test".to_owned(),
            result_window_max: 10_000,
            query_depth_max: 20,
            clauses_max: 100,
            msearch_max: 10,
            regex_bytes_max: 1 << 20,
            body_bytes_max: 1 << 20,
            contexts: Default::default(),
        },
    }
}

fn searcher(settings: Settings, clock: Arc<dyn Clock>) -> (Searcher, Arc<Source>) {
    let source = Arc::new(Source {
        snapshot: Mutex::new(small().snapshots[2].clone()),
        news: broadcast::Sender::new(16),
    });
    (Searcher::new(source.clone(), settings, clock), source)
}

fn count_all() -> SearchRequest {
    SearchRequest { track_total: TrackTotal::All, ..SearchRequest::default() }
}

/// A clock that moves by a second with every look at it.
#[derive(Debug)]
struct Racing(ManualClock);

impl Clock for Racing {
    fn now_ns(&self) -> i64 {
        self.0.advance(1_000_000_000);
        self.0.now_ns()
    }
}

#[tokio::test]
async fn a_search_and_a_count_agree() {
    let (searcher, _) = searcher(settings(), Arc::new(ManualClock::at(5)));
    let tenant = Tenant::default();
    let all = small().docs.len() as u64;
    let answer = searcher.search(&tenant, count_all()).await.unwrap();
    assert_eq!(answer.total.unwrap().value, all);
    assert_eq!((answer.hits.len(), answer.timed_out), (10, false));
    assert!(answer.shards.total > 1 && answer.shards.failed.is_empty());
    let counted = searcher.count(&tenant, count_all()).await.unwrap();
    assert_eq!(counted.count, all);
    assert_eq!(searcher.inner.memory.used_bytes(), 0);
    let mut hits = searcher.stream(&tenant, SearchRequest::default());
    let mut streamed = 0;
    while let Some(hit) = hits.recv().await {
        hit.unwrap();
        streamed += 1;
    }
    assert_eq!(streamed, all);
}

#[tokio::test]
async fn when_the_time_is_over_there_is_what_there_is() {
    let (searcher, _) = searcher(settings(), Arc::new(Racing(ManualClock::at(0))));
    let request = SearchRequest { timeout_ms: Some(1), ..count_all() };
    let answer = searcher.search(&Tenant::default(), request.clone()).await.unwrap();
    assert!(answer.timed_out);
    assert_eq!(answer.total.unwrap().relation, crate::answer::Relation::Gte);
    let error = searcher.count(&Tenant::default(), request).await.unwrap_err();
    assert!(error.reason.contains("the time was over"), "{}", error.reason);
}

#[tokio::test]
async fn memory_is_bounded_and_comes_back() {
    let small_memory = Settings { memory_bytes_max: 10_000, ..settings() };
    let (searcher, _) = searcher(small_memory, Arc::new(ManualClock::at(5)));
    let terms = TermsAgg {
        field: "trace.id".to_owned(),
        size: 10,
        order: Vec::new(),
        min_doc_count: 1,
        missing: None,
    };
    let agg = Agg { kind: AggKind::Terms(terms), aggs: Vec::new(), meta: None };
    let request = SearchRequest { aggs: vec![("t".to_owned(), agg)], ..count_all() };
    let error = searcher.search(&Tenant::default(), request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.reason.contains("query.memory_bytes_max"), "{}", error.reason);
    assert_eq!(searcher.inner.memory.used_bytes(), 0);
    let count = searcher.count(&Tenant::default(), count_all()).await.unwrap();
    assert_eq!(count.count, small().docs.len() as u64);
}

#[tokio::test]
async fn too_many_searches_are_refused() {
    let (searcher, _) = searcher(settings(), Arc::new(ManualClock::at(5)));
    let running = searcher.inner.running.clone().acquire_many_owned(2).await.unwrap();
    let tenant = Tenant::default();
    let mut waiting: Vec<_> =
        (0..2).map(|_| Box::pin(searcher.search(&tenant, count_all()))).collect();
    for search in &mut waiting {
        assert!(matches!(futures_poll(search.as_mut()), Poll::Pending));
    }
    let error = searcher.search(&tenant, count_all()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.reason.contains("query.concurrent_max"), "{}", error.reason);
    // One that leaves makes room.
    waiting.pop();
    let mut other = Box::pin(searcher.search(&tenant, count_all()));
    assert!(matches!(futures_poll(other.as_mut()), Poll::Pending));
    drop(running);
    assert!(other.await.is_ok());
    assert!(waiting.remove(0).await.is_ok());
}

fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn a_search_without_its_client_stops() {
    let cancelled = Arc::new(AtomicBool::new(true));
    let memory = Arc::new(Memory::new(u64::MAX));
    let run = Run::new(cancelled, Arc::new(ManualClock::at(0)), i64::MAX, memory, 10);
    for snapshot in &small().snapshots {
        let error = execute(&Task::new(&count_all()).unwrap(), snapshot, &run, pool()).unwrap_err();
        assert_eq!(error.reason, "the search was cancelled");
    }
}

#[test]
fn a_split_that_cannot_be_read_is_named() {
    // The splits of a corpus whose files are gone.
    let corpus = Corpus::new(60, 30, 7);
    let snapshot = corpus.snapshots[1].clone();
    drop(corpus);
    let merged =
        execute(&Task::new(&count_all()).unwrap(), &snapshot, &free_run(), pool()).unwrap();
    assert_eq!(merged.shards.failed.len(), snapshot.splits.len());
    assert_eq!(merged.shards.failed[0].split.len(), 26);
    assert!(merged.partly && merged.count == 0);
}

#[tokio::test]
async fn a_bad_search_is_an_error() {
    let (searcher, _) = searcher(settings(), Arc::new(ManualClock::at(5)));
    let text = TextTest { text: "(".to_owned(), fold: false };
    let query = Query::field("message", Test::Regex(text));
    assert!(Searcher::check(&query).is_err());
    let request = SearchRequest { query: query.clone(), ..SearchRequest::default() };
    let error = searcher.search(&Tenant::default(), request.clone()).await.unwrap_err();
    assert!(error.reason.contains("invalid regular expression `(`"), "{}", error.reason);
    let streamed = searcher.stream(&Tenant::default(), request).recv().await.unwrap();
    assert_eq!(streamed.unwrap_err(), error);
    assert!(searcher.tail(&Tenant::default(), query, Vec::new()).recv().await.is_none());
    let after = SearchRequest { search_after: Some(Vec::new()), ..SearchRequest::default() };
    let error = searcher.search(&Tenant::default(), after).await.unwrap_err();
    assert!(error.reason.contains("`search_after` has 0 value(s)"), "{}", error.reason);
}

fn lines(tenant: &str, texts: &[&str]) -> Sequenced {
    let mut builder = BatchBuilder::new(Tenant::new(tenant), None, Timestamp(1));
    for text in texts {
        let source = json!({"message": text}).to_string();
        builder.push(&IndexName::new("logs"), None, source.as_bytes()).unwrap();
    }
    let batch = Arc::new(builder.finish());
    Sequenced { seq: WalSeq(1), first_record: RecordSeq(1), batch }
}

#[tokio::test]
async fn a_slow_follower_is_told_what_it_missed() {
    let (searcher, source) = searcher(settings(), Arc::new(ManualClock::at(5)));
    let query =
        Query::field("message", Test::Words { words: vec![vec!["error".into()]], minimum: 1 });
    let mut events = searcher.tail(&Tenant::default(), query, vec!["lo*".to_owned()]);
    source.news.send(lines("other", &["error elsewhere"])).unwrap();
    source
        .news
        .send(lines("default", &["fine", "Error 1", "error 2", "error 3", "error 4"]))
        .unwrap();
    let mut got = Vec::new();
    let all = async {
        while got.len() < 3 {
            match events.recv().await.unwrap() {
                TailEvent::Hit(hit) => got.push(hit.source.unwrap()),
                TailEvent::Dropped(n) => got.push(format!("dropped {n}")),
            }
            // The queue holds two: what does not fit is counted.
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
    assert_eq!(got, [r#"{"message":"Error 1"}"#, r#"{"message":"error 2"}"#, "dropped 2"]);
    drop(events);
}
