//! Which splits exist, and how far is the log published? One transaction answers both.
//!
//! Knows nothing of objects' contents.

#[cfg(any(test, feature = "sim"))]
pub mod conformance;
#[cfg(any(test, feature = "sim"))]
pub mod memory;
mod metadata;
pub mod rebuild;
#[cfg(feature = "sim")]
pub mod sim;
pub mod sqlite;

use model::id::{BatchId, NodeId, RecordSeq, SplitId, WalSeq};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::read::SplitMeta;
use crate::read::deletion::Deletion;

/// Why the catalog failed.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The database.
    #[error("catalog: {0}")]
    Database(#[from] rusqlite::Error),
    /// A row that cannot be read.
    #[error("catalog: {what} is damaged: {reason}")]
    Damaged {
        /// Which row.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version wrote it.
    #[error("catalog has schema {found}, this version knows {known}: use the newer version")]
    Newer {
        /// In the file.
        found: i64,
        /// Here.
        known: i64,
    },
    /// No answer: whether a change took place is not known.
    #[error("catalog: {operation}: no answer: {reason}")]
    NoAnswer {
        /// What was asked for.
        operation: &'static str,
        /// What happened.
        reason: String,
    },
    /// A split to be replaced is not there.
    #[error("catalog: split {split} to be replaced is not published")]
    Gone {
        /// Which.
        split: SplitId,
    },
}

/// A batch id that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedBatch {
    /// The client's name of it.
    pub id: BatchId,
    /// How many records it held.
    pub accepted: u64,
    /// When it came in.
    pub at: Timestamp,
}

/// How far the log is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last published frame.
    pub wal: WalSeq,
    /// The first record number that no published record has.
    pub next_record: RecordSeq,
}

/// One roll of the log.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The new splits, whose objects are stored.
    pub splits: Vec<SplitMeta>,
    /// The log is published up to here.
    pub checkpoint: Checkpoint,
    /// Batch ids that it holds.
    pub batches: Vec<PublishedBatch>,
    /// Batch ids older than this are forgotten.
    pub forget_before: Timestamp,
}

/// The list of deletions. Every method is one transaction.
pub trait Deletions {
    /// Notes a deletion, or what became of one, and what the catalog knows of splits from now on:
    /// which deletions they are waiting for. Fails as a whole when one of them is not published.
    fn delete(&self, deletion: &Deletion, splits: &[SplitMeta]) -> Result<(), CatalogError>;
    /// All deletions by their numbers; those of `forgotten` are not kept any longer.
    fn deletions(&self, forgotten: &[u64]) -> Result<Vec<Deletion>, CatalogError>;
}

/// The list of splits. Every method is one transaction.
pub trait Catalog: Deletions + Send + Sync + std::fmt::Debug {
    /// Number of this node, drawn when the catalog was made, and a unique name of it.
    fn identity(&self) -> Result<(NodeId, String), CatalogError>;
    /// All published splits.
    fn splits(&self) -> Result<Vec<SplitMeta>, CatalogError>;
    /// How far the log is published, and the batch ids that are remembered, oldest first.
    fn checkpoint(&self) -> Result<(Checkpoint, Vec<PublishedBatch>), CatalogError>;
    /// Notes splits whose objects are about to be written: garbage until they are published. Those
    /// that are published already stay so.
    fn stage(&self, splits: &[SplitId]) -> Result<(), CatalogError>;
    /// Adds the splits of a roll and moves the checkpoint. The same roll again, after an answer
    /// that was lost, changes nothing.
    fn publish(&self, roll: &Publication) -> Result<(), CatalogError>;
    /// Replaces published splits by others (or by none); the old objects become garbage. Fails
    /// as a whole when one of `old` is not published.
    fn replace(&self, old: &[SplitId], new: &[SplitMeta]) -> Result<(), CatalogError>;
    /// Objects that no published split needs; `collected` are forgotten.
    fn garbage(&self, collected: &[SplitId]) -> Result<Vec<SplitId>, CatalogError>;
}
