//! Which documents with an `_id` of their own were published lately? Read once, at the start, for
//! those who must know them again.

use model::id::IndexName;
use model::time::Timestamp;

use super::{IndexError, Inner};
use crate::read::Split;

/// Rows that are read at once.
const CHUNK_ROWS: u32 = 4096;

/// A published document with an `_id` that its client gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentDocument {
    /// Its index.
    pub index: IndexName,
    /// Its `_id`.
    pub id: String,
    /// Its very bytes.
    pub source: String,
    /// When its split was made.
    pub at: Timestamp,
}

impl Inner {
    /// Calls `visit` with the documents of splits made since then, at most so many.
    pub(super) fn recent_documents(
        &self,
        since: Timestamp,
        documents_max: usize,
        visit: &mut dyn FnMut(RecentDocument),
    ) -> Result<(), IndexError> {
        let mut splits = self.live.splits();
        splits.retain(|split| split.meta().created >= since);
        splits.sort_by_key(|split| std::cmp::Reverse(split.meta().created));
        let mut left = documents_max;
        for split in splits {
            if left == 0 {
                break;
            }
            left -= self.documents_of(&split, left, visit)?;
        }
        Ok(())
    }

    /// The newest documents of a split; gives how many.
    fn documents_of(
        &self,
        split: &Split,
        most: usize,
        visit: &mut dyn FnMut(RecentDocument),
    ) -> Result<usize, IndexError> {
        let reader = split.open()?;
        if !reader.has_client_ids() {
            return Ok(0);
        }
        // What is deleted may come again.
        let deletions = self.live.deletions();
        let gone = self.all_deleted_rows(split.meta(), &deletions, &reader)?;
        let (mut end, mut count) = (reader.docs(), 0);
        while end > 0 && count < most {
            let from = end.saturating_sub(CHUNK_ROWS);
            let rows: Vec<u32> = (from..end).filter(|row| !gone.contains(*row)).collect();
            for (row, source) in rows.iter().zip(reader.sources(&rows)?) {
                let Some(id) = reader.client_id(*row)? else { continue };
                let index = reader.indexes().get(reader.index_ord(*row)? as usize);
                if let Some(index) = index.cloned() {
                    visit(RecentDocument { index, id, source, at: split.meta().created });
                    count += 1;
                }
            }
            end = from;
        }
        Ok(count.min(most))
    }
}
