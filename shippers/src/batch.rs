//! What is sent together? Collects records until a batch is full or old enough.
//!
//! Knows nothing of disks and servers. Holds one batch in memory, never more.

use std::collections::BTreeMap;

use model::time::Timestamp;

use crate::file::fingerprint::Position;
use crate::record::{Recorder, Source};

/// Records, and how far their files were read when they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// One JSON document a line.
    pub body: Vec<u8>,
    /// Number of records.
    pub lines: u64,
    /// Bytes of the lines as they stood in the files, without their ends.
    pub source_bytes: u64,
    /// By stream, after the last of its records in here.
    pub positions: BTreeMap<u64, Position>,
}

/// The batch that is being filled.
#[derive(Debug)]
pub struct Builder {
    recorder: Recorder,
    batch_bytes_max: usize,
    batch: Batch,
    /// When the first record came.
    opened_at: Option<Timestamp>,
}

impl Builder {
    /// An empty batch.
    pub fn new(recorder: Recorder, batch_bytes_max: usize) -> Self {
        Self { recorder, batch_bytes_max, batch: Batch::default(), opened_at: None }
    }

    /// Adds a record.
    pub fn push(&mut self, source: &Source<'_>) {
        self.opened_at.get_or_insert(source.read_at);
        self.recorder.write(&mut self.batch.body, source);
        self.batch.lines += 1;
        self.batch.source_bytes += source.bytes.len() as u64;
    }

    /// Notes how far a stream was read, when records of it were added.
    pub fn moved(&mut self, position: Position) {
        self.batch.positions.insert(position.stream, position);
    }

    /// Whether nothing more should be added.
    pub fn is_full(&self) -> bool {
        self.batch.body.len() >= self.batch_bytes_max
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.batch.lines == 0
    }

    /// Nanoseconds since the first record came.
    pub fn age_ns(&self, now: Timestamp) -> i64 {
        self.opened_at.map_or(0, |at| now.0.saturating_sub(at.0))
    }

    /// The batch; an empty one takes its place.
    pub fn take(&mut self) -> Batch {
        self.opened_at = None;
        std::mem::take(&mut self.batch)
    }
}
