//! Is a batch on disk? The write-ahead log: segments of checksummed frames, written by one
//! thread, synced by the group, replayed at start.
//!
//! Knows nothing of splits: the sink says over a watch channel up to which position everything
//! is published, and segments below it are removed.
//!
//! # On disk
//!
//! A directory of segments `wal-<first position, 16 hexadecimal digits>.log`, all numbers little
//! endian. A segment is a header of 32 bytes, then frames without gaps. See
//! `docs/formats/wal.md` for the same with an example.
//!
//! | segment header | bytes | |
//! |---|---|---|
//! | 0 | 8 | `LOGDRWAL` |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | number of the node |
//! | 16 | 8 | position of the first frame |
//! | 24 | 4 | zero |
//! | 28 | 4 | crc32c of bytes 0 to 27 |
//!
//! | frame | bytes | |
//! |---|---|---|
//! | 0 | 4 | `WALf` |
//! | 4 | 4 | crc32c of all that follows |
//! | 8 | 4 | length of the payload |
//! | 12 | 4 | flags: 1, the payload is one zstd frame |
//! | 16 | 8 | position: 1, 2, 3 … |
//! | 24 | 8 | number of the first record |
//! | 32 | 4 | number of records |
//! | 36 | 4 | length of the payload before compression |
//! | 40 | | payload |
//!
//! Payload, before compression; `number` is LEB128, `text` is a number and so many bytes,
//! `optional` is 0, or the length plus one and so many bytes:
//! tenant `text`, batch id `optional`, time of arrival (8 bytes, nanoseconds), number of indexes
//! `number`, their names `text`, number of records `number`, and for each record: index
//! `number`, `_id` `optional`, source `text`.
//!
//! # Rules
//!
//! - A frame is acknowledged after `fdatasync` of its segment, and of the directory when the
//!   segment is new.
//! - Frames of one segment whose position is not below the first position of a later segment are
//!   void: they were refused (failed sync), and the later segment took their place.
//! - Limits: a payload has less than 4 GiB before compression; a segment is closed once it
//!   passes `segment_bytes`, so it is longer by at most one group.

mod frame;
mod log;
mod payload;
mod recover;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use model::batch::Batch;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::dedupe::{Claim, Placed};
use crate::error::{IngestError, Refusal};
use crate::settings::bad;

pub(crate) use frame::Encoded;
#[cfg(feature = "sim")]
pub(crate) use frame::{segment_header, write_frame};
pub(crate) use log::Place;
pub(crate) use payload::encode;
pub use recover::{Recovered, first_segment};
pub(crate) use recover::{Replay, Replayed};
#[cfg(feature = "sim")]
pub(crate) use writer::Writer;
pub(crate) use writer::WriterEnvironment;

/// Settings of the write-ahead log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Length at which a segment is closed.
    pub segment_bytes: u64,
    /// Length of the whole log from which on requests are answered 429.
    pub bytes_max: u64,
    /// Most batches that wait for the writer.
    pub queue_batches_max: usize,
    /// Length of a group at which it is written without waiting for more.
    pub group_bytes_max: usize,
    /// How long the first batch of a group waits for others that are about to come.
    pub sync_interval_ms: u64,
    /// Free disk space below which requests are answered 507.
    pub disk_reserve_bytes: u64,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), IngestError> {
        if self.segment_bytes < 4096 {
            return Err(bad("wal.segment_bytes", "must be at least `4096`"));
        }
        if self.bytes_max < self.segment_bytes {
            return Err(bad("wal.bytes_max", "must be at least `segment_bytes`"));
        }
        if self.queue_batches_max == 0 || self.queue_batches_max > 1 << 20 {
            return Err(bad("wal.queue_batches_max", "must be from `1` to `1048576`"));
        }
        if self.group_bytes_max == 0 {
            return Err(bad("wal.group_bytes_max", "must be at least `1`"));
        }
        if self.sync_interval_ms > 1000 {
            return Err(bad("wal.sync_interval_ms", "must be at most `1000`"));
        }
        Ok(())
    }
}

/// A batch on its way to the writer.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) batch: Arc<Batch>,
    pub(crate) encoded: Encoded,
    pub(crate) claim: Option<Claim>,
    pub(crate) answer: oneshot::Sender<Result<Placed, Refusal>>,
    /// Its place in the queue, free again when the writer has taken it.
    pub(crate) slot: OwnedSemaphorePermit,
}

/// Handle of the log's writer.
#[derive(Debug)]
pub(crate) struct Wal {
    queue: Mutex<Option<crossbeam_channel::Sender<Queued>>>,
    slots: Arc<Semaphore>,
    slots_max: usize,
    slot_wait: Duration,
    coming: Arc<AtomicUsize>,
    bytes: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A place in the queue. While it is held the writer knows that a batch is about to come.
#[derive(Debug)]
pub(crate) struct Slot {
    permit: OwnedSemaphorePermit,
    coming: Coming,
}

#[derive(Debug)]
struct Coming(Arc<AtomicUsize>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Wal {
    /// Starts the writer behind what was replayed.
    pub(crate) fn start(
        settings: &Settings,
        slot_wait: Duration,
        environment: WriterEnvironment,
        replayed: Replayed,
    ) -> Result<Self, IngestError> {
        let slots_max = settings.queue_batches_max;
        let (queue, batches) = crossbeam_channel::bounded(slots_max);
        let coming = Arc::new(AtomicUsize::new(0));
        let writer =
            writer::Writer::new(settings, environment, replayed, (batches, coming.clone()));
        let bytes = writer.bytes();
        let thread = std::thread::Builder::new()
            .name("wal".into())
            .spawn(move || writer.run())
            .map_err(IngestError::Thread)?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            slots: Arc::new(Semaphore::new(slots_max)),
            slots_max,
            slot_wait,
            coming,
            bytes,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Bytes of the log on disk, kept by the writer.
    pub(crate) fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    /// Waits for a place in the queue, not longer than the settings say.
    pub(crate) async fn slot(&self) -> Result<Slot, Refusal> {
        let place = tokio::time::timeout(self.slot_wait, self.slots.clone().acquire_owned());
        let full = Refusal::QueueFull { batches_max: self.slots_max };
        let permit = place.await.map_err(|_| full)?.map_err(|_| Refusal::ShuttingDown)?;
        self.coming.fetch_add(1, Ordering::Relaxed);
        Ok(Slot { permit, coming: Coming(self.coming.clone()) })
    }

    /// Queues a batch; the answer comes when it is durable and applied, or refused.
    pub(crate) fn push(
        &self,
        slot: Slot,
        batch: Arc<Batch>,
        encoded: Encoded,
        claim: Option<Claim>,
    ) -> Result<oneshot::Receiver<Result<Placed, Refusal>>, Refusal> {
        let (answer, outcome) = oneshot::channel();
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Slot { permit, coming } = slot;
        let queued = Queued { batch, encoded, claim, answer, slot: permit };
        let sent = match &*queue {
            Some(queue) => queue.try_send(queued),
            None => return Err(Refusal::ShuttingDown),
        };
        drop(coming);
        match sent {
            Ok(()) => Ok(outcome),
            Err(crossbeam_channel::TrySendError::Full(_)) => {
                Err(Refusal::QueueFull { batches_max: self.slots_max })
            }
            Err(crossbeam_channel::TrySendError::Disconnected(_)) => Err(Self::gone()),
        }
    }

    /// Batches that wait for the writer.
    #[cfg(test)]
    pub(crate) fn queued(&self) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().map_or(0, crossbeam_channel::Sender::len)
    }

    /// What is said when the writer's thread has ended by a fault.
    pub(crate) fn gone() -> Refusal {
        Refusal::WalFailed { detail: "its thread has ended; restart the server".into() }
    }

    /// Whether the writer's thread runs.
    pub(crate) fn is_running(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|t| !t.is_finished())
    }

    /// Takes no more batches; gives the thread, which ends when the queue is empty.
    pub(crate) fn close(&self) -> Option<JoinHandle<()>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
