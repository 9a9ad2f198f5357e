//! Who writes the log? One thread: gathers a group, writes it, syncs once, hands each batch to
//! the sink in order, answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use model::id::{RecordSeq, WalSeq};
use model::live::{Sequenced, Sink};
use platform::telemetry::{self, Metric};
use tokio::sync::watch;

use super::log::{Log, Place};
use super::{Queued, Replayed, Settings, frame};
use crate::dedupe::Placed;
use crate::error::Refusal;

/// How often an idle writer looks for segments that can be removed.
const REMOVAL_INTERVAL: Duration = Duration::from_millis(200);
/// Room that the group buffer keeps between groups; a larger one is given back.
const BUFFER_KEEP_BYTES: usize = 8 << 20;

/// What the writer works with.
pub(crate) struct WriterEnvironment {
    pub(crate) place: Place,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) published: watch::Receiver<WalSeq>,
}

/// The state of the writer's thread.
pub(crate) struct Writer {
    queue: Receiver<Queued>,
    /// Batches that hold a slot but are not queued yet.
    coming: Arc<AtomicUsize>,
    log: Log,
    sink: Arc<dyn Sink>,
    published: watch::Receiver<WalSeq>,
    next_record: RecordSeq,
    group_bytes_max: usize,
    gather_max: Duration,
    buffer: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(
        settings: &Settings,
        environment: WriterEnvironment,
        replayed: Replayed,
        (queue, coming): (Receiver<Queued>, Arc<AtomicUsize>),
    ) -> Self {
        let WriterEnvironment { place, sink, published } = environment;
        Self {
            queue,
            coming,
            log: Log::new(place, settings.segment_bytes, replayed.sealed, replayed.next),
            sink,
            published,
            next_record: replayed.next_record,
            group_bytes_max: settings.group_bytes_max,
            gather_max: Duration::from_millis(settings.sync_interval_ms),
            buffer: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> Arc<AtomicU64> {
        self.log.bytes()
    }

    /// Runs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            match self.queue.recv_timeout(REMOVAL_INTERVAL) {
                Ok(first) => {
                    let group = self.gather(first);
                    self.step(group);
                }
                Err(RecvTimeoutError::Timeout) => self.step(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Commits a group, if there is one, and removes what is published.
    pub(crate) fn step(&mut self, group: Vec<Queued>) {
        if !group.is_empty() {
            self.commit(group);
        }
        let checkpoint = *self.published.borrow();
        self.log.drop_published(checkpoint);
    }

    /// The first batch and those that are there, or about to come within the interval. When
    /// nobody is about to come nothing is waited for.
    fn gather(&self, first: Queued) -> Vec<Queued> {
        let deadline = Instant::now() + self.gather_max;
        let mut bytes = first.encoded.frame_bytes();
        let mut group = vec![first];
        while bytes < self.group_bytes_max {
            let next = match self.queue.try_recv() {
                Ok(next) => next,
                Err(TryRecvError::Empty) if self.coming.load(Ordering::Relaxed) > 0 => {
                    match self.queue.recv_deadline(deadline) {
                        Ok(next) => next,
                        Err(_) => break,
                    }
                }
                Err(_) => break,
            };
            bytes += next.encoded.frame_bytes();
            group.push(next);
        }
        telemetry::set(Metric::WalQueueDepth, self.queue.len() as i64);
        group
    }

    fn commit(&mut self, group: Vec<Queued>) {
        self.buffer.clear();
        let (mut seq, mut record) = (self.log.next(), self.next_record);
        let mut places = Vec::with_capacity(group.len());
        for queued in &group {
            frame::write_frame(&mut self.buffer, seq, record, &queued.encoded);
            let accepted = u64::from(queued.encoded.records);
            places.push(Placed { seq, first_record: record, accepted });
            seq = seq.next();
            record = RecordSeq(record.0 + accepted);
        }
        let written = self.log.append(&self.buffer, group.len() as u64);
        if self.buffer.capacity() > BUFFER_KEEP_BYTES {
            self.buffer = Vec::new();
        }
        match written {
            Ok(()) => {
                self.next_record = record;
                for (queued, placed) in group.into_iter().zip(places) {
                    self.finish(queued, placed);
                }
            }
            Err(refusal) => group.into_iter().for_each(|queued| refuse(queued, &refusal)),
        }
    }

    fn finish(&self, queued: Queued, placed: Placed) {
        let Queued { batch, claim, answer, slot, .. } = queued;
        drop(slot);
        telemetry::count(Metric::IngestReceivedRecords, placed.accepted);
        telemetry::count(Metric::IngestReceivedBytes, batch.raw_bytes());
        let received = batch.received;
        let Placed { seq, first_record, .. } = placed;
        self.sink.apply(Sequenced { seq, first_record, batch });
        if let Some(claim) = claim {
            claim.done(placed, received);
        }
        // Nobody may be waiting any more; the batch is kept all the same.
        let _ = answer.send(Ok(placed));
    }
}

fn refuse(queued: Queued, refusal: &Refusal) {
    if let Some(claim) = queued.claim {
        claim.refused(refusal.clone());
    }
    let _ = queued.answer.send(Err(refusal.clone()));
}
