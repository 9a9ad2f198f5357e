//! Which records of a published split are deleted although it still holds them?
//!
//! A deletion is noted in the catalog and hides its records at once; the splits that hold some are
//! written anew without them afterwards. Knows no query language: what a deletion's query means
//! says [`DeletedRows`].

use std::sync::Arc;

use model::id::{IndexName, Tenant};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::{RowSet, Snapshot, Split, SplitReader};

/// Records that are deleted: those of these indexes that match, in the splits that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Its number, rising by time, never used twice.
    pub id: u64,
    /// Whose records.
    pub tenant: Tenant,
    /// Of these indexes.
    pub indexes: Vec<IndexName>,
    /// Those that match this query (JSON of Elasticsearch's query language); all without one.
    pub query: Option<String>,
    /// When it was asked for: what `now` means in the query.
    pub at: Timestamp,
    /// How many records it hid.
    pub records: u64,
    /// In how many splits.
    pub splits: u64,
    /// How many of its records are erased from the store.
    #[serde(default)]
    pub erased: u64,
    /// When the last split without them was published; `None` while some still hold them.
    #[serde(default)]
    pub finished: Option<Timestamp>,
}

impl Deletion {
    /// Whether it takes all records of an index.
    pub fn takes_index(&self, index: &str) -> bool {
        self.query.is_none() && self.indexes.iter().any(|name| name.as_str() == index)
    }
}

/// Says which rows a deletion means.
pub trait DeletedRows: Send + Sync + std::fmt::Debug {
    /// The rows of the split that the deletion takes; `text_fields` are those of the settings.
    ///
    /// # Errors
    /// The split cannot be read, or the deletion's query not be understood: the reason.
    fn deleted_rows(
        &self,
        deletion: &Deletion,
        reader: &SplitReader,
        text_fields: &[String],
    ) -> Result<RowSet, String>;
}

impl Snapshot {
    /// The rows of a split that no deletion takes, or `None` where that is all.
    ///
    /// # Errors
    /// What `says` says.
    pub fn kept_rows(
        &self,
        split: &Split,
        reader: &SplitReader,
        says: &dyn DeletedRows,
    ) -> Result<Option<Arc<RowSet>>, String> {
        split.kept_rows(|| {
            let mut kept = RowSet::all(reader.docs());
            let marks = &split.meta().deletions;
            for deletion in self.deletions.iter().filter(|d| marks.contains(&d.id)) {
                kept.and_not(&says.deleted_rows(deletion, reader, &self.text_fields)?);
            }
            Ok(kept)
        })
    }

    /// Whether all records of an index in a split are deleted.
    pub fn is_index_deleted(&self, split: &Split, index: &str) -> bool {
        let marks = &split.meta().deletions;
        !marks.is_empty()
            && self.deletions.iter().any(|d| marks.contains(&d.id) && d.takes_index(index))
    }
}

/// Understands deletions of whole indexes only: for tests, and for programs without searches.
#[derive(Clone, Copy, Debug, Default)]
pub struct WholeIndexes;

impl DeletedRows for WholeIndexes {
    fn deleted_rows(
        &self,
        deletion: &Deletion,
        reader: &SplitReader,
        _: &[String],
    ) -> Result<RowSet, String> {
        if let Some(query) = &deletion.query {
            return Err(format!("nobody here understands the query `{query}`"));
        }
        rows_of_indexes(&deletion.indexes, reader).map_err(|error| error.to_string())
    }
}

/// The rows of these indexes.
///
/// # Errors
/// The split cannot be read.
pub fn rows_of_indexes(
    indexes: &[IndexName],
    reader: &SplitReader,
) -> Result<RowSet, super::ReadError> {
    let wanted: Vec<bool> = reader.indexes().iter().map(|name| indexes.contains(name)).collect();
    let all = RowSet::all(reader.docs());
    match (wanted.contains(&true), wanted.contains(&false)) {
        (false, _) => Ok(RowSet::none(reader.docs())),
        (true, false) => Ok(all),
        (true, true) => reader.index_column()?.rows_with_ords(&wanted, &all),
    }
}
