//! What can a query see? A consistent snapshot: published splits and live batches.
//!
//! A record is in exactly one of the two. Everything here is immutable and cheap to share.

pub mod rows;

use std::ops::Range;
use std::sync::Arc;

use model::id::{IndexName, NodeId, RecordSeq, SplitId, Tenant};
use model::live::Sequenced;
use model::time::{TimeRange, Timestamp};
use serde::{Deserialize, Serialize};
use tantivy_columnar::DynamicColumn;
use thiserror::Error;

pub use rows::RowSet;

/// What a query sees, from its first to its last step.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Published splits, newest first (by the end of their time).
    pub splits: Vec<Arc<Split>>,
    /// Batches not yet published, in the order of acceptance.
    pub live: Vec<Arc<LiveBatch>>,
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
    /// How many string values; they are tokens and text when `text`, otherwise a column.
    pub strings: u64,
    /// How many whole numbers.
    pub ints: u64,
    /// How many other numbers.
    pub floats: u64,
    /// How many booleans.
    pub bools: u64,
    /// A text field: its strings are in the text store, not in a column.
    pub text: bool,
    /// Positions (in the list of indexes of the split or batch) of the indexes that have it.
    pub indexes: Vec<u32>,
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
    /// Index names with their records, by name.
    pub indexes: Vec<(IndexName, u64)>,
    /// When it was made.
    pub created: Timestamp,
    /// How many times its records were rewritten by merges.
    pub merges: u32,
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

/// Which tokens: those of one text field, or those of all other strings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenClass {
    /// The text field at this position of [`SplitReader::text_fields`].
    Text(usize),
    /// All strings of the columns, whatever their path.
    Columns,
}

/// A published split.
#[derive(Debug)]
pub struct Split {
    meta: SplitMeta,
}

impl Split {
    /// What the catalog knows.
    pub fn meta(&self) -> &SplitMeta {
        &self.meta
    }

    /// Opens it for reading, or gives the open reader; blocks on the object store. Not for the
    /// async runtime.
    ///
    /// # Errors
    /// The object cannot be had, or is damaged.
    pub fn open(&self) -> Result<Arc<SplitReader>, ReadError> {
        unreachable!()
    }
}

/// An open split. Rows are numbered 0 … `docs` − 1 by rising time, then by rising sequence.
#[derive(Debug)]
pub struct SplitReader {}

impl SplitReader {
    /// How many rows.
    pub fn docs(&self) -> u32 {
        unreachable!()
    }

    /// The time of a row.
    pub fn timestamp(&self, _row: u32) -> Timestamp {
        unreachable!()
    }

    /// The times of `rows`, into `out` (which is as long).
    pub fn timestamps(&self, _rows: Range<u32>, _out: &mut [i64]) {
        unreachable!()
    }

    /// The rows whose time lies in `range`: one run, by binary search.
    pub fn rows_in(&self, _range: TimeRange) -> Range<u32> {
        unreachable!()
    }

    /// The number of a row's record.
    pub fn seq(&self, _row: u32) -> RecordSeq {
        unreachable!()
    }

    /// Position of a row's index in [`SplitReader::indexes`].
    pub fn index_ord(&self, _row: u32) -> u32 {
        unreachable!()
    }

    /// The index names of the split.
    pub fn indexes(&self) -> &[IndexName] {
        unreachable!()
    }

    /// The `_id` of a row: the client's, or the generated one.
    pub fn id(&self, _row: u32) -> Result<String, ReadError> {
        unreachable!()
    }

    /// The rows of the record with this `_id`: none or more.
    pub fn rows_with_id(&self, _id: &str) -> Result<Vec<u32>, ReadError> {
        unreachable!()
    }

    /// All fields, by path.
    pub fn fields(&self) -> &[FieldInfo] {
        unreachable!()
    }

    /// One field.
    pub fn field(&self, _path: &str) -> Option<&FieldInfo> {
        unreachable!()
    }

    /// Paths of the text fields; the positions are those of [`TokenClass::Text`].
    pub fn text_fields(&self) -> &[String] {
        unreachable!()
    }

    /// The columns of a field, one per type (`I64`, `F64`, `Bool`, `Str`; numbers of both kinds
    /// in one field are one `F64` or `I64` column). Text fields have none for their strings.
    pub fn columns(&self, _path: &str) -> Result<Vec<DynamicColumn>, ReadError> {
        unreachable!()
    }

    /// How many rows hold the folded token; cheap.
    pub fn token_docs(&self, _class: TokenClass, _token: &str) -> Result<u32, ReadError> {
        unreachable!()
    }

    /// The rows that hold the folded token.
    pub fn token_rows(&self, _class: TokenClass, _token: &str) -> Result<RowSet, ReadError> {
        unreachable!()
    }

    /// Calls `visit` with every token that begins with `prefix` until it says `false`.
    pub fn for_each_token(
        &self,
        _class: TokenClass,
        _prefix: &str,
        _visit: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), ReadError> {
        unreachable!()
    }

    /// Calls `visit` with each string value of the text field in `rows`, in rising order, until
    /// it says `false`. Decodes only the blocks that hold such rows.
    pub fn for_each_text(
        &self,
        _text_field: usize,
        _rows: &RowSet,
        _visit: &mut dyn FnMut(u32, &str) -> bool,
    ) -> Result<(), ReadError> {
        unreachable!()
    }

    /// The very bytes of the documents in `rows` (any order, each decoded block used once).
    pub fn sources(&self, _rows: &[u32]) -> Result<Vec<String>, ReadError> {
        unreachable!()
    }
}
