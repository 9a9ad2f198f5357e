//! What does the rest of the server see of ingest? Start with replay, submit, stop.
//!
//! Ties the parts together; each rule lives in its own module.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use model::batch::Batch;
use model::id::{NodeId, RecordSeq, WalSeq};
use model::live::Sink;
use model::meta::{PlainNames, WriteNames};
use model::wire::Ack;
use platform::clock::Clock;
use platform::disk::Disk;
use platform::telemetry::{self, Metric};
use tokio::sync::{Semaphore, watch};

use crate::admit::{Budget, Door};
use crate::dedupe::{Begin, Claim, Dedupe, KnownBatch, Placed};
use crate::error::{IngestError, Refusal};
use crate::ids::{DocumentIds, KnownDocument, Noting};
use crate::settings::Settings;
use crate::wal::{self, Recovered, Replayed, Wal, WriterEnvironment};

/// What ingest needs from the rest of the server.
pub struct Environment {
    /// Directory of the write-ahead log; it exists.
    pub wal_dir: PathBuf,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// This node; part of every generated `_id`.
    pub node: NodeId,
    /// Where durable batches go.
    pub sink: Arc<dyn Sink>,
    /// Everything up to here was published before this start.
    pub checkpoint: WalSeq,
    /// The catalog knows no record with this number or a higher one.
    pub next_record: RecordSeq,
    /// Everything up to its value is published.
    pub published: watch::Receiver<WalSeq>,
    /// Batch ids that were published before this start.
    pub known_batches: Vec<KnownBatch>,
    /// Documents with an `_id` that were published shortly before this start, in any order.
    pub known_documents: Vec<KnownDocument>,
}

/// A batch that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its frame in the write-ahead log; 0 for an empty batch, and for a known batch that was
    /// published before this start.
    pub seq: WalSeq,
    /// Number of its first record.
    pub first_record: RecordSeq,
    /// Documents that are kept.
    pub accepted: u64,
    /// The batch id was known: nothing was stored now.
    pub duplicate: bool,
}

/// The ingest tier; cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    node: NodeId,
    published: watch::Receiver<WalSeq>,
    dedupe: Arc<Dedupe>,
    ids: Arc<DocumentIds>,
    budget: Arc<Budget>,
    door: Door,
    wal: Wal,
    names: OnceLock<Arc<dyn WriteNames>>,
    /// CPU work at the same time: as many as there are cores.
    cores: Semaphore,
    shutting_down: AtomicBool,
}

/// What the last run left.
pub(crate) struct Recovery {
    pub(crate) dedupe: Arc<Dedupe>,
    pub(crate) ids: Arc<DocumentIds>,
    pub(crate) writer: WriterEnvironment,
    pub(crate) replayed: Replayed,
}

/// Replays the write-ahead log into the sink; gives what the writer goes on with.
pub(crate) fn recover(
    settings: &Settings,
    environment: Environment,
) -> Result<Recovery, IngestError> {
    let Environment { wal_dir, disk, node, sink, published, .. } = environment;
    let dedupe = Dedupe::new(settings.batch_ids_max, settings.batch_id_window_s);
    for known in &environment.known_batches {
        let (seq, first_record) = (WalSeq(0), RecordSeq(0));
        let placed = Placed { seq, first_record, accepted: known.accepted };
        dedupe.insert(&known.id, placed, known.at.0);
    }
    let from = (environment.checkpoint, environment.next_record);
    let place = wal::Place { disk, dir: wal_dir, node };
    let ids = DocumentIds::new(settings.document_ids_max, settings.document_id_window_s);
    let mut known = environment.known_documents;
    known.sort_by_key(|document| document.at);
    known.iter().for_each(|document| ids.insert(document));
    let noting = Noting { ids: &ids, sink: &*sink };
    let replayed = wal::Replay::new(place.clone(), from, &dedupe, &noting).run()?;
    let writer = WriterEnvironment { place, sink, published };
    Ok(Recovery { dedupe, ids, writer, replayed })
}

impl Ingest {
    /// Replays the write-ahead log into the sink, then starts its writer. Blocks.
    ///
    /// # Errors
    /// A setting that cannot work, or a log that cannot be read. Damage is no error: it is
    /// reported in [`Recovered`].
    pub fn start(
        settings: Settings,
        environment: Environment,
    ) -> Result<(Self, Recovered), IngestError> {
        settings.check()?;
        let (wal_dir, disk) = (environment.wal_dir.clone(), environment.disk.clone());
        let (clock, node) = (environment.clock.clone(), environment.node);
        let published = environment.published.clone();
        let Recovery { dedupe, ids, writer, mut replayed } = recover(&settings, environment)?;
        let report = std::mem::take(&mut replayed.report);
        let slot_wait = Duration::from_millis(settings.queue_wait_ms);
        let wal = Wal::start(&settings.wal, slot_wait, writer, replayed)?;
        let door = Door {
            disk,
            clock: clock.clone(),
            wal_dir,
            reserve_bytes: settings.wal.disk_reserve_bytes,
            wal_bytes: wal.bytes(),
            wal_bytes_max: settings.wal.bytes_max,
            free: Mutex::new(None),
        };
        let inner = Inner {
            budget: Budget::new(settings.in_flight_bytes_max),
            cores: Semaphore::new(std::thread::available_parallelism().map_or(1, |n| n.get())),
            shutting_down: AtomicBool::new(false),
            settings,
            clock,
            node,
            published,
            dedupe,
            ids,
            door,
            wal,
            names: OnceLock::new(),
        };
        Ok((Self { inner: Arc::new(inner) }, report))
    }

    /// Keeps a batch: durable and searchable when this returns, published as well when `ack` is
    /// [`Ack::Stored`]. An empty batch needs no place in the log.
    ///
    /// # Errors
    /// The batch is not kept (except [`Refusal::NotStored`]); it may be sent again.
    pub async fn submit(&self, batch: Batch, ack: Ack) -> Result<Submitted, Refusal> {
        let done = self.submit_shared(Arc::new(batch), ack).await;
        if let Err(refusal) = &done {
            telemetry::count_by(Metric::IngestRefusedRequests, "reason", refusal.label(), 1);
        }
        done
    }

    /// As [`Ingest::submit`], for callers that keep the batch and count refusals themselves.
    pub(crate) async fn submit_shared(
        &self,
        batch: Arc<Batch>,
        ack: Ack,
    ) -> Result<Submitted, Refusal> {
        let Inner { dedupe, clock, .. } = &*self.inner;
        self.check_open()?;
        if batch.records().is_empty() {
            return Ok(submitted(Placed::default(), false));
        }
        let (placed, duplicate) = match dedupe.begin(batch.id.as_ref(), clock.now_ns()) {
            Begin::Fresh(claim) => (self.write(batch, claim).await?, false),
            Begin::Done(placed) => (placed, true),
            Begin::Running(mut outcome) => match outcome.wait_for(Option::is_some).await {
                Ok(outcome) => (outcome.clone().unwrap_or_else(|| Err(Wal::gone()))?, true),
                Err(_) => return Err(Wal::gone()),
            },
        };
        if duplicate {
            telemetry::count(Metric::IngestDuplicateBatches, 1);
        }
        if ack == Ack::Stored {
            self.wait_stored(placed.seq).await?;
        }
        Ok(submitted(placed, duplicate))
    }

    async fn write(&self, batch: Arc<Batch>, claim: Option<Claim>) -> Result<Placed, Refusal> {
        let wal = &self.inner.wal;
        let written = async {
            self.inner.door.check()?;
            let slot = wal.slot().await?;
            let of = batch.clone();
            let encoded = self.compute(move || wal::encode(&of)).await??;
            Ok::<_, Refusal>((slot, encoded))
        };
        let (slot, encoded) = match written.await {
            Ok(ready) => ready,
            Err(refusal) => {
                if let Some(claim) = claim {
                    claim.refused(refusal.clone());
                }
                return Err(refusal);
            }
        };
        wal.push(slot, batch, encoded, claim)?.await.map_err(|_| Wal::gone())?
    }

    async fn wait_stored(&self, seq: WalSeq) -> Result<(), Refusal> {
        let waited_s = self.inner.settings.stored_wait_s;
        let mut published = self.inner.published.clone();
        let stored = published.wait_for(|p| *p >= seq);
        match tokio::time::timeout(Duration::from_secs(waited_s), stored).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Refusal::ShuttingDown),
            Err(_) => Err(Refusal::NotStored { waited_s }),
        }
    }

    /// Runs CPU work beside the async runtime, as much at once as there are cores.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let fault = |detail: String| Refusal::Internal { detail };
        let _core = self.inner.cores.acquire().await.map_err(|e| fault(e.to_string()))?;
        tokio::task::spawn_blocking(work).await.map_err(|e| fault(e.to_string()))
    }

    /// Refuses once the shutdown has begun.
    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        if self.inner.shutting_down.load(Ordering::Acquire) {
            return Err(Refusal::ShuttingDown);
        }
        Ok(())
    }

    /// What must hold before a body is read.
    pub(crate) fn check_door(&self, announced_bytes: u64) -> Result<(), Refusal> {
        self.check_open()?;
        self.inner.door.check()?;
        self.inner.budget.check(announced_bytes)
    }

    /// Tells who knows what the names of writes mean; once. Without it every name is an index.
    pub fn set_names(&self, names: Arc<dyn WriteNames>) {
        let _ = self.inner.names.set(names);
    }

    pub(crate) fn names(&self) -> &dyn WriteNames {
        self.inner.names.get().map_or(&PlainNames, |names| &**names)
    }

    /// Forgets the documents of indexes whose records are deleted: they may come again.
    pub fn forget_documents(&self, indexes: &[model::id::IndexName]) {
        self.inner.ids.forget(indexes);
    }

    pub(crate) fn ids(&self) -> &Arc<DocumentIds> {
        &self.inner.ids
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.inner.budget
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    pub(crate) fn node(&self) -> NodeId {
        self.inner.node
    }

    /// The HTTP routes of ingest.
    pub fn router(&self) -> axum::Router {
        crate::listen::router(self.clone())
    }

    /// Whether batches can be taken now, for readiness.
    ///
    /// # Errors
    /// Why they would be refused.
    pub fn check_ready(&self) -> Result<(), Refusal> {
        if !self.inner.wal.is_running() {
            return Err(if self.check_open().is_ok() {
                Wal::gone()
            } else {
                Refusal::ShuttingDown
            });
        }
        self.check_open()?;
        self.inner.door.check()
    }

    /// From now on requests are refused; those that are in are finished.
    pub fn begin_shutdown(&self) {
        self.inner.shutting_down.store(true, Ordering::Release);
    }

    /// Writes what is queued and ends the writer. Waiters for [`Ack::Stored`] go on waiting for
    /// the publication.
    pub async fn stop(&self) {
        self.begin_shutdown();
        if let Some(thread) = self.inner.wal.close() {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the thread of the write-ahead log ended by a fault");
            }
        }
    }
}

#[cfg(test)]
impl Ingest {
    pub(crate) fn queued(&self) -> usize {
        self.inner.wal.queued()
    }
}

pub(crate) fn submitted(placed: Placed, duplicate: bool) -> Submitted {
    let Placed { seq, first_record, accepted } = placed;
    Submitted { seq, first_record, accepted, duplicate }
}
