//! Who answers a search? The [`Searcher`]: a pool of threads over one snapshot a search.
//!
//! It admits, cancels and bounds searches; what a query or an aggregation means it does not know.

mod cache;
pub mod document;
mod execute;
pub mod order;
mod page;
mod rank;
mod split;
mod stream;
mod tail;
#[cfg(test)]
pub(crate) mod tests;
pub mod top;
mod within;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use index::read::Snapshot;
use model::id::Tenant;
use model::live::Sequenced;
use model::time::NS_PER_MS;
use platform::clock::Clock;
use platform::telemetry::{self, Metric};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};

use crate::aggregate;
use crate::answer::{CountAnswer, Hit, SearchAnswer, TailEvent};
use crate::ast::Query;
use crate::error::{ErrorKind, QueryError};
use crate::highlight::Highlighter;
use crate::leaf::{LeafError, Memory, Run};
use crate::plan::{IndexPatterns, Node};
use crate::request::{SearchRequest, SortBy, SortKey, TrackTotal};
pub use crate::settings::Settings;
pub use cache::PartialCache;
pub use execute::Progress;
use execute::{Task, execute, failure};
use order::Position;
use page::{Wanted, page};

/// How many hits of a stream wait for the client.
const STREAM_QUEUE_HITS: usize = 256;

/// Where snapshots and new records come from.
pub trait SnapshotSource: Send + Sync {
    /// What a query of this tenant sees now.
    fn snapshot(&self, tenant: &Tenant) -> Snapshot;

    /// New batches of all tenants, as they become searchable.
    fn subscribe(&self) -> broadcast::Receiver<Sequenced>;
}

/// Answers searches. Cheap to clone; all clones share threads and limits.
#[derive(Clone)]
pub struct Searcher {
    inner: Arc<Inner>,
}

struct Inner {
    source: Arc<dyn SnapshotSource>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    pool: Option<Arc<rayon::ThreadPool>>,
    memory: Arc<Memory>,
    partials: Option<Arc<PartialCache>>,
    running: Arc<Semaphore>,
    streaming: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What a search looks at.
#[derive(Debug)]
pub struct Place<'a> {
    /// Whose records.
    pub tenant: &'a Tenant,
    /// These and no others; without it, those of now.
    pub snapshot: Option<Snapshot>,
    /// Only hits that come after this.
    pub after: Option<Position>,
    /// Where to tell how far the search is.
    pub progress: Option<Arc<Progress>>,
}

impl<'a> Place<'a> {
    /// All that there is now.
    pub fn now(tenant: &'a Tenant) -> Self {
        Self { tenant, snapshot: None, after: None, progress: None }
    }
}

/// Sets the flag when the client leaves.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Counts a search while it waits.
struct Waiting<'a>(&'a AtomicUsize, Counted);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Shows a search that waits or runs in the metrics.
struct Counted;

impl Counted {
    fn new() -> Self {
        telemetry::shift(Metric::SearchQueueDepth, 1);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        telemetry::shift(Metric::SearchQueueDepth, -1);
    }
}

impl Searcher {
    /// A searcher with threads of its own.
    pub fn new(
        source: Arc<dyn SnapshotSource>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Searcher {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(settings.threads)
            .thread_name(|at| format!("search-{at}"))
            .build()
            .inspect_err(|error| tracing::error!(%error, "no threads to search with"))
            .ok()
            .map(Arc::new);
        let permits = settings.concurrent_max.clamp(1, Semaphore::MAX_PERMITS);
        Searcher {
            inner: Arc::new(Inner {
                source,
                clock,
                pool,
                memory: Arc::new(Memory::new(settings.memory_bytes_max)),
                partials: (settings.partial_cache_bytes_max > 0)
                    .then(|| Arc::new(PartialCache::new(settings.partial_cache_bytes_max))),
                running: Arc::new(Semaphore::new(permits)),
                streaming: Arc::new(Semaphore::new(permits)),
                waiting: AtomicUsize::new(0),
                settings,
            }),
        }
    }

    /// What a query of this tenant sees now.
    pub fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        self.inner.source.snapshot(tenant)
    }

    /// How many searches run, and how many wait for their turn.
    pub fn load(&self) -> (u64, u64) {
        let free = self.inner.running.available_permits();
        let all = self.inner.settings.concurrent_max.clamp(1, Semaphore::MAX_PERMITS);
        let waiting = self.inner.waiting.load(Ordering::Relaxed);
        (all.saturating_sub(free) as u64, waiting as u64)
    }

    /// How long a search may take, in milliseconds.
    pub fn timeout_ms(&self, request: &SearchRequest) -> u64 {
        self.inner.settings.timeout_ms.min(request.timeout_ms.unwrap_or(u64::MAX))
    }

    /// Whether a query can be searched for: [`Searcher::tail`] and [`Searcher::stream`] cannot
    /// answer with an error status any more.
    ///
    /// # Errors
    /// A pattern or bound of it makes no sense.
    pub fn check(query: &Query) -> Result<(), QueryError> {
        Node::of(query).map(|_| ())
    }

    /// Answers a search. Dropping the future cancels the work.
    ///
    /// # Errors
    /// The request makes no sense, or a limit is reached.
    pub async fn search(
        &self,
        tenant: &Tenant,
        request: SearchRequest,
    ) -> Result<SearchAnswer, QueryError> {
        self.search_in(Place::now(tenant), request).await
    }

    /// Answers a search over what the place says. Dropping the future cancels the work.
    ///
    /// # Errors
    /// The request makes no sense, or a limit is reached.
    pub async fn search_in(
        &self,
        place: Place<'_>,
        request: SearchRequest,
    ) -> Result<SearchAnswer, QueryError> {
        let started = self.inner.clock.now_ns();
        let mut task = Task::new(&request)?;
        task.partials = self.inner.partials.clone();
        task.progress = place.progress;
        if let Some(after) = place.after {
            task.resume(after);
        }
        let wanted = Wanted::new(&request)?;
        let marks = match &request.highlight {
            Some(highlight) => Some(Highlighter::new(highlight, &request.query)?),
            None => None,
        };
        let permit = self.inner.admit().await?;
        let snapshot = place.snapshot.unwrap_or_else(|| self.snapshot(place.tenant));
        let timeout_ms = request.timeout_ms;
        let work = move |run: &Run, pool: &rayon::ThreadPool| {
            answer(&snapshot, (&task, request.from), (&wanted, marks.as_ref()), run, pool)
        };
        let mut answer = self.inner.work(permit, timeout_ms, work).await?;
        let took_ns = (self.inner.clock.now_ns() - started).max(0);
        telemetry::observe(Metric::SearchSeconds, took_ns as f64 / 1e9);
        answer.took_ms = (took_ns / NS_PER_MS) as u64;
        Ok(answer)
    }

    /// Counts what matches. Dropping the future cancels the work.
    ///
    /// # Errors
    /// The request makes no sense, or a limit is reached.
    pub async fn count(
        &self,
        tenant: &Tenant,
        request: SearchRequest,
    ) -> Result<CountAnswer, QueryError> {
        let request = SearchRequest {
            size: 0,
            from: 0,
            sort: Vec::new(),
            search_after: None,
            aggs: Vec::new(),
            highlight: None,
            collapse: None,
            track_total: TrackTotal::All,
            ..request
        };
        let answer = self.search(tenant, request).await?;
        if answer.timed_out {
            return Err(QueryError::of(
                ErrorKind::Internal,
                "the time was over before everything was counted; count a shorter time",
            ));
        }
        let count = answer.total.map_or(0, |t| t.value);
        let terminated_early = answer.terminated_early;
        Ok(CountAnswer { count, shards: answer.shards, terminated_early })
    }

    /// Works on a snapshot under the limits of a search. Dropping the future cancels the work.
    ///
    /// # Errors
    /// A limit is reached, or the work fails.
    pub async fn with_snapshot<T: Send + 'static>(
        &self,
        snapshot: Snapshot,
        timeout_ms: Option<u64>,
        work: impl FnOnce(&Snapshot, &Run, &rayon::ThreadPool) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let started = self.inner.clock.now_ns();
        let permit = self.inner.admit().await?;
        let work = move |run: &Run, pool: &rayon::ThreadPool| work(&snapshot, run, pool);
        let done = self.inner.work(permit, timeout_ms, work).await;
        let took_ns = (self.inner.clock.now_ns() - started).max(0);
        telemetry::observe(Metric::SearchSeconds, took_ns as f64 / 1e9);
        done
    }

    /// Every hit in time order (the newest first unless the request sorts by rising time),
    /// without a cap and in bounded memory; `from` and `size` are not looked at. Must be called
    /// on a tokio runtime.
    pub fn stream(
        &self,
        tenant: &Tenant,
        request: SearchRequest,
    ) -> mpsc::Receiver<Result<Hit, QueryError>> {
        let (to, from) = mpsc::channel(STREAM_QUEUE_HITS);
        let inner = self.inner.clone();
        let tenant = tenant.clone();
        let Ok(permit) = self.inner.streaming.clone().try_acquire_owned() else {
            let _ = to.try_send(Err(inner.overloaded()));
            return from;
        };
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let request = in_time_order(request);
            let planned = Task::new(&request).and_then(|t| Ok((t, Wanted::new(&request)?)));
            match planned {
                Err(error) => {
                    let _ = to.blocking_send(Err(error));
                }
                Ok((task, wanted)) => {
                    let snapshot = inner.source.snapshot(&tenant);
                    let run = inner.run(Arc::default(), i64::MAX);
                    stream::Stream::new(&task, &snapshot, &run, &wanted).send_all(&to);
                }
            }
        });
        from
    }

    /// New records that match, as they come in. A client that reads too slowly loses some, and is
    /// told how many. A query that [`Searcher::check`] refuses gives nothing. Must be called on a
    /// tokio runtime.
    pub fn tail(
        &self,
        tenant: &Tenant,
        query: Query,
        indexes: Vec<String>,
    ) -> mpsc::Receiver<TailEvent> {
        let (to, from) = mpsc::channel(self.inner.settings.tail_queue_hits_max.max(1));
        if let Ok(node) = Node::of(&query) {
            let news = self.inner.source.subscribe();
            let snapshot = self.snapshot(tenant);
            let tail = tail::Tail {
                tenant: tenant.clone(),
                node,
                indexes: IndexPatterns::new(&indexes),
                ids: snapshot.node,
                text_fields: snapshot.text_fields.clone(),
                run: self.inner.run(Arc::default(), i64::MAX),
            };
            tokio::spawn(tail::follow(tail, news, to));
        }
        from
    }
}

/// Searches, reads the page, marks it and answers the aggregations.
fn answer(
    snapshot: &Snapshot,
    (task, from): (&Task, usize),
    (wanted, marks): (&Wanted, Option<&Highlighter>),
    run: &Run,
    pool: &rayon::ThreadPool,
) -> Result<SearchAnswer, QueryError> {
    let mut merged = execute(task, snapshot, run, pool)?;
    let max_score = task.max_score(&merged);
    let candidates = merged.candidates.split_off(from.min(merged.candidates.len()));
    let mut failed = Vec::new();
    let mut hits = page(snapshot, &candidates, (&task.order, wanted), |split, error| {
        failed.push(failure(task, Some(&snapshot.splits[split as usize]), &error));
    });
    failed.into_iter().for_each(|failure| merged.fail(failure));
    match marks.map(|marks| marks.apply(&mut hits, &snapshot.text_fields, run)) {
        None | Some(Ok(())) => {}
        Some(Err(LeafError::TimedOut)) => merged.timed_out = true,
        Some(Err(LeafError::Query(error))) => return Err(error),
        Some(Err(error)) => return Err(QueryError::of(ErrorKind::Internal, error.to_string())),
    }
    merged.timed_out |= task.say((snapshot, run), &candidates, &mut hits)?;
    wanted.finish(&mut hits);
    let partials = std::mem::take(&mut merged.partials);
    let aggregations = match task.aggs.is_empty() {
        true => None,
        false => {
            let max = run.buckets_max;
            let (answer, pending) = aggregate::answer_with_hits(&task.aggs, partials, max)?;
            within::fill((pending, &task.query), snapshot, run, &mut |split, error| {
                merged.fail(failure(task, Some(&snapshot.splits[split as usize]), &error));
            })?;
            Some(answer)
        }
    };
    Ok(SearchAnswer {
        took_ms: 0,
        timed_out: merged.timed_out,
        total: task.total(&merged),
        hits,
        max_score,
        aggregations,
        terminated_early: task.terminated_early(&merged),
        position: candidates.last().map(|last| task.order.position(last)),
        shards: merged.shards,
        profile: merged.spent,
    })
}

/// A stream does not wait for the best hits.
fn in_time_order(mut request: SearchRequest) -> SearchRequest {
    if request.sort.is_empty() {
        request.sort.push(SortKey::new(SortBy::Time, true));
    }
    request
}

impl Inner {
    fn overloaded(&self) -> QueryError {
        QueryError::of(
            ErrorKind::Overloaded,
            format!(
                "too many searches at once: {} run and as many wait (`query.concurrent_max`); try \
                 again later",
                self.settings.concurrent_max
            ),
        )
    }

    fn run(&self, cancelled: Arc<AtomicBool>, deadline_ns: i64) -> Run {
        let (clock, memory) = (self.clock.clone(), self.memory.clone());
        Run::new(cancelled, clock, deadline_ns, memory, self.settings.buckets_max)
    }

    /// Waits for a turn; refuses when too many wait already.
    async fn admit(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting, Counted::new());
        if before >= self.settings.concurrent_max {
            return Err(self.overloaded());
        }
        self.running.clone().acquire_owned().await.map_err(|_| self.overloaded())
    }

    /// Works off the async runtime; the permit is held until the work has really ended.
    async fn work<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        timeout_ms: Option<u64>,
        work: impl FnOnce(&Run, &rayon::ThreadPool) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let internal = |what: &str| QueryError::of(ErrorKind::Internal, what);
        let Some(pool) = self.pool.clone() else {
            return Err(internal("there are no threads to search with, see the log"));
        };
        let limit = self.settings.timeout_ms.min(timeout_ms.unwrap_or(u64::MAX));
        let limit_ns = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(NS_PER_MS);
        let cancelled = Arc::new(AtomicBool::new(false));
        let run = self.run(cancelled.clone(), self.clock.now_ns().saturating_add(limit_ns));
        let _cancel = CancelOnDrop(cancelled);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let _running = Counted::new();
            work(&run, &pool)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a search panicked");
            Err(internal("the search failed inside; see the server's log"))
        })
    }
}
