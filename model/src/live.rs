//! What is handed from ingest to index? A sequenced batch, and the trait of its receiver.

use std::sync::Arc;

use crate::batch::Batch;
use crate::id::{RecordSeq, WalSeq};

/// A batch with its place in the write-ahead log.
#[derive(Clone, Debug)]
pub struct Sequenced {
    /// The frame that holds the batch.
    pub seq: WalSeq,
    /// Number of the batch's first record; the others follow without gaps.
    pub first_record: RecordSeq,
    /// The records.
    pub batch: Arc<Batch>,
}

/// Receiver of durable batches. Called in rising `seq`, each position once.
pub trait Sink: Send + Sync {
    /// Makes the batch searchable. May block while the receiver has no room: that is the
    /// back-pressure of the pipeline.
    fn apply(&self, batch: Sequenced);
}
