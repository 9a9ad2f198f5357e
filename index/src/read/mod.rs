//! What can a query see? A consistent snapshot: published splits and live batches.
//!
//! A record is in exactly one of the two. Everything here is immutable and cheap to share.

pub mod cache;
pub mod chunks;
pub mod column;
pub(crate) mod core;
pub mod deletion;
mod dictionary;
pub mod object;
pub(crate) mod positions;
pub mod reader;
pub mod remote;
pub mod rows;
mod source;
pub mod text;

use std::sync::Arc;

use model::id::{IndexName, NodeId, SplitId, Tenant};
use model::live::Sequenced;
use model::record::Value;
use model::time::{TimeRange, Timestamp};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::catalog::Checkpoint;

pub use crate::split::template::{Letters, abuts};
pub use cache::Split;
pub use column::{Column, ColumnKind, Dictionary, Templates, Values};
pub use deletion::{DeletedRows, Deletion};
pub use object::{MappedObject, ObjectBytes};
pub use reader::SplitReader;
pub use remote::RemoteObject;
pub use rows::RowSet;
pub use text::Verdict;

/// What a query sees, from its first to its last step.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Published splits, newest first (by the end of their time).
    pub splits: Vec<Arc<Split>>,
    /// Batches not yet published, in the order of acceptance.
    pub live: Vec<Arc<LiveBatch>>,
    /// Deletions that splits still wait for (`SplitMeta::deletions`): what they take is not seen.
    pub deletions: Arc<[Arc<Deletion>]>,
    /// Names the generated `_id`s of live records.
    pub node: NodeId,
    /// Paths of the text fields (setting `index.text_fields`), for live records.
    pub text_fields: Arc<[String]>,
}

/// A batch that is searchable in memory.
#[derive(Debug)]
pub struct LiveBatch {
    /// The records with their numbers.
    pub batch: Sequenced,
    /// From the first record's time to just after the last one's.
    pub time: TimeRange,
    /// What fields there are.
    pub fields: Vec<FieldInfo>,
    /// Records per position of `Batch::indexes`.
    pub index_docs: Vec<u64>,
}

/// A field of a split or batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInfo {
    /// Dotted path.
    pub path: String,
    /// How many string values.
    pub strings: u64,
    /// How many whole numbers.
    pub ints: u64,
    /// How many other numbers.
    pub floats: u64,
    /// How many booleans.
    pub bools: u64,
    /// The settings name it as a text field.
    pub text: bool,
    /// Positions (in the list of indexes of the split or batch) of the indexes that have it.
    pub indexes: Vec<u32>,
}

impl FieldInfo {
    /// Counts a value.
    pub fn note(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.bools += 1,
            Value::Int(_) => self.ints += 1,
            Value::Float(_) => self.floats += 1,
            Value::Str(_) => self.strings += 1,
        }
    }
}

/// What the catalog knows of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitMeta {
    /// Its name.
    pub id: SplitId,
    /// Whose.
    pub tenant: Tenant,
    /// From the first record's time to just after the last one's.
    pub time: TimeRange,
    /// Start of the time bucket that it lies in.
    pub bucket: Timestamp,
    /// Records.
    pub docs: u64,
    /// Bytes of the documents as they came in.
    pub raw_bytes: u64,
    /// Bytes of the object.
    pub object_bytes: u64,
    /// The last so many bytes of the object are what every reader needs: footer, dictionaries,
    /// filters. 0 when that is not known.
    #[serde(default)]
    pub tail_bytes: u64,
    /// Index names with their records, in the order of their numbers in the split.
    pub indexes: Vec<(IndexName, u64)>,
    /// When it was made.
    pub created: Timestamp,
    /// How many times its records were rewritten by merges.
    pub merges: u32,
    /// Where its records come from.
    #[serde(default)]
    pub origin: Origin,
    /// The deletions that take some of its records; it will be written anew without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deletions: Vec<u64>,
}

/// Where a split's records come from: enough to make a lost catalog anew from the objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The node that took them in.
    pub node: NodeId,
    /// How far the log was published with it, or with the last of those that it was merged of.
    pub checkpoint: Checkpoint,
    /// The roll that it is a part of, and how many parts that has; none after a merge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roll: Option<(SplitId, u32)>,
}

/// Why a split cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The object store failed; the query may answer without this split.
    #[error("split {split}: {source}")]
    Store {
        /// Which.
        split: SplitId,
        /// What the store said.
        source: platform::object_store::StoreError,
    },
    /// The object is damaged or not a split.
    #[error("split {split}: {reason}")]
    Damaged {
        /// Which.
        split: SplitId,
        /// What is wrong, with the place in the object.
        reason: String,
    },
}
