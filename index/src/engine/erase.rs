//! How do deleted records go? Hidden in one step of the catalog, then erased split by split.
//!
//! A deletion first has everything published that was accepted before it, so that only splits hold
//! its records. It marks those that do; whatever replaces a marked split before it is written anew
//! inherits the mark. Knows no query language.

use std::sync::Arc;
use std::time::Duration;

use model::batch::BatchBuilder;
use model::id::{IndexName, RecordSeq, Tenant};
use model::time::Timestamp;
use platform::telemetry::{self, Metric};

use super::keep::Replacement;
use super::{IndexError, Inner, lock};
use crate::build::{BuildError, BuiltSplit, Row, SplitSpec};
use crate::read::chunks::ChunkCache;
use crate::read::{Deletion, Origin, RowSet, Split, SplitMeta, SplitReader};

/// Rows that are read at once while a split is written anew.
const CHUNK_ROWS: usize = 4096;
/// Finished deletions that are remembered.
const FINISHED_MAX: usize = 1000;

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// Its number, of [`crate::Index::reserve_deletion`].
    pub id: u64,
    /// Whose records.
    pub tenant: Tenant,
    /// Of these indexes.
    pub indexes: Vec<IndexName>,
    /// Those that match this query; all without one. See [`Deletion::query`].
    pub query: Option<String>,
    /// What `now` means in the query.
    pub at: Timestamp,
}

/// How many records of each deletion, by its number.
type Counts = Vec<(u64, u64)>;

/// Splits with some of a deletion's records, as they are and as they will be known.
struct Marked {
    splits: Vec<Arc<Split>>,
    metas: Vec<SplitMeta>,
    records: u64,
}

impl Inner {
    /// Hides the records of a request from all later snapshots; they are erased afterwards. Blocks
    /// until what was accepted before is published.
    pub(super) fn delete(&self, request: DeleteRequest) -> Result<Arc<Deletion>, IndexError> {
        self.publish_all()?;
        let _changing = lock(&self.changing);
        self.settle()?;
        let known = lock(&self.erasing).known.clone();
        let waiting = known.iter().filter(|d| d.finished.is_none()).count();
        if waiting >= self.settings.deletions_max {
            return Err(IndexError::TooManyDeletions { waiting });
        }
        let mut deletion = Deletion {
            id: request.id,
            tenant: request.tenant,
            indexes: request.indexes,
            query: request.query,
            at: request.at,
            records: 0,
            splits: 0,
            erased: 0,
            finished: None,
        };
        let marked = self.mark(&deletion)?;
        deletion.records = marked.records;
        deletion.splits = marked.splits.len() as u64;
        deletion.finished = marked.splits.is_empty().then(|| self.now());
        let deletion = Arc::new(deletion);
        match self.env.catalog.delete(&deletion, &marked.metas) {
            Ok(()) => self.hide(deletion.clone(), &marked.splits),
            Err(error) => {
                // Whether it took place is learned before anything else changes.
                lock(&self.erasing).unsettled.push((deletion, marked.splits));
                return Err(error.into());
            }
        }
        telemetry::count(Metric::DeletedRecords, deletion.records);
        tracing::info!(
            deletion = deletion.id,
            records = deletion.records,
            splits = deletion.splits,
            "deleted; the splits will be written anew"
        );
        Ok(deletion)
    }

    /// Waits until nothing that was accepted before is live any more.
    fn publish_all(&self) -> Result<(), IndexError> {
        let Some(newest) = self.live.newest_batch() else { return Ok(()) };
        self.live.flush();
        let mut published = self.live.published();
        let wait = Duration::from_millis(self.settings.deletion_wait_ms);
        let waited = self.env.runtime.block_on(async {
            let done = published.wait_for(|position| *position >= newest);
            tokio::time::timeout(wait, done).await.is_ok()
        });
        match waited {
            true => Ok(()),
            false => Err(IndexError::NotPublished { waited_ms: self.settings.deletion_wait_ms }),
        }
    }

    /// The splits that hold records of the deletion.
    fn mark(&self, deletion: &Deletion) -> Result<Marked, IndexError> {
        let mut out = Marked { splits: Vec::new(), metas: Vec::new(), records: 0 };
        for split in self.live.splits() {
            let meta = split.meta();
            let named = meta.indexes.iter().any(|(name, _)| deletion.indexes.contains(name));
            if meta.tenant != deletion.tenant || !named {
                continue;
            }
            let reader = split.open()?;
            let mut rows = self.deleted_rows(deletion, &reader)?;
            if !meta.deletions.is_empty() {
                let deletions = self.live.deletions();
                rows.and_not(&self.all_deleted_rows(meta, &deletions, &reader)?);
            }
            if rows.is_empty() {
                continue;
            }
            out.records += u64::from(rows.count());
            let mut meta = meta.clone();
            meta.deletions.push(deletion.id);
            out.metas.push(meta);
            out.splits.push(split);
        }
        Ok(out)
    }

    fn deleted_rows(
        &self,
        deletion: &Deletion,
        reader: &SplitReader,
    ) -> Result<RowSet, IndexError> {
        self.env
            .deleted_rows
            .deleted_rows(deletion, reader, &self.settings.text_fields)
            .map_err(|reason| IndexError::Deletion { id: deletion.id, reason })
    }

    /// What all deletions of a split take.
    pub(super) fn all_deleted_rows(
        &self,
        meta: &SplitMeta,
        deletions: &[Arc<Deletion>],
        reader: &SplitReader,
    ) -> Result<RowSet, IndexError> {
        let mut out = RowSet::none(reader.docs());
        for deletion in deletions.iter().filter(|d| meta.deletions.contains(&d.id)) {
            out.or(&self.deleted_rows(deletion, reader)?);
        }
        Ok(out)
    }

    /// Makes a deletion that the catalog has hold for searches.
    fn hide(&self, deletion: Arc<Deletion>, splits: &[Arc<Split>]) {
        let mut erasing = lock(&self.erasing);
        let place = erasing.known.partition_point(|other| other.id < deletion.id);
        erasing.known.insert(place, deletion.clone());
        let mut keeping = lock(&self.keeping);
        let marked: Vec<Arc<Split>> = splits
            .iter()
            .map(|split| {
                keeping.renewed.push((split.meta().id.clone(), Arc::downgrade(split)));
                let mut deletions = split.meta().deletions.clone();
                deletions.push(deletion.id);
                Arc::new(split.waiting_for(deletions))
            })
            .collect();
        drop(keeping);
        self.live.change_deletions(erasing.waited_for(), marked);
    }

    /// Learns what became of deletions to which no answer came. Called before anything changes.
    pub(super) fn settle_deletions(&self) -> Result<(), IndexError> {
        let unsettled = std::mem::take(&mut lock(&self.erasing).unsettled);
        if unsettled.is_empty() {
            return Ok(());
        }
        match self.env.catalog.deletions(&[]) {
            Ok(found) => {
                for (deletion, splits) in unsettled {
                    if found.iter().any(|other| other.id == deletion.id) {
                        self.hide(deletion, &splits);
                    }
                }
                Ok(())
            }
            Err(error) => {
                lock(&self.erasing).unsettled.extend(unsettled);
                Err(error.into())
            }
        }
    }

    /// Writes one split anew that waits for deletions; whether there was one.
    pub(super) fn erase_once(&self) -> Result<bool, IndexError> {
        self.settle_all()?;
        let claimed = self.claim(|keeping, metas| {
            let readable = |m: &&&SplitMeta| !keeping.is_unmergeable(&m.id);
            let waits = |m: &&&SplitMeta| !m.deletions.is_empty();
            let next = metas.iter().filter(readable).find(waits);
            next.map(|meta| meta.id.clone()).into_iter().collect()
        });
        let Some(split) = claimed.first() else {
            // Splits may also have gone in a change whose answer came late.
            if !self.live.deletions().is_empty() {
                let _changing = lock(&self.changing);
                self.finish_deletions(&[])?;
            }
            return Ok(false);
        };
        let meta = split.meta().clone();
        let erased = self.without_deleted(split);
        drop(claimed);
        match erased {
            Ok((new, counts)) => {
                self.replace(Replacement { old: vec![meta.id], new, applied: meta.deletions })?;
                self.note_erased(&counts)?;
                Ok(true)
            }
            Err(error) => {
                self.release(std::slice::from_ref(&meta.id));
                self.note_unreadable(&error);
                Err(error)
            }
        }
    }

    /// Stored splits with the rows of one that no deletion takes, and how many each deletion took.
    fn without_deleted(&self, split: &Split) -> Result<(Vec<BuiltSplit>, Counts), IndexError> {
        let meta = split.meta();
        let chunks = Arc::new(ChunkCache::new(self.settings.merge.memory_bytes_max));
        let reader = split.open_with(chunks)?;
        reader.prefetch_all()?;
        let mut kept = RowSet::all(reader.docs());
        let mut counts = Vec::new();
        for deletion in self.live.deletions().iter().filter(|d| meta.deletions.contains(&d.id)) {
            let before = kept.count();
            kept.and_not(&self.deleted_rows(deletion, &reader)?);
            counts.push((deletion.id, u64::from(before - kept.count())));
        }
        let mut new = Vec::new();
        let mut rows = kept.iter().peekable();
        while rows.peek().is_some() {
            match self.write_anew(meta, &reader, &mut rows) {
                Ok(built) => new.push(built),
                Err(error) => {
                    self.discard(&new);
                    return Err(error);
                }
            }
        }
        if let Err(error) = self.store(&new) {
            self.discard(&new);
            return Err(error);
        }
        Ok((new, counts))
    }

    /// A split of the next rows, as many as fit in one.
    fn write_anew(
        &self,
        meta: &SplitMeta,
        reader: &SplitReader,
        rows: &mut dyn Iterator<Item = u32>,
    ) -> Result<BuiltSplit, IndexError> {
        let staging = self.env.dir.join("staging");
        let builder = self.builder(&staging);
        let origin = Origin { roll: None, ..meta.origin.clone() };
        // It may be merged once more, so that the parts come together again.
        let merges = meta.merges.min(self.settings.merge.rewrites_max.saturating_sub(1));
        let spec = builder.spec(meta.tenant.clone(), meta.bucket, origin);
        let spec = SplitSpec { merges, ..spec };
        let mut failed = None;
        let built = builder.write(spec, |out| {
            let mut raw_bytes = 0;
            while raw_bytes < self.settings.roll_raw_bytes {
                let chunk: Vec<u32> = rows.take(CHUNK_ROWS).collect();
                if chunk.is_empty() {
                    break;
                }
                match push_rows(out, meta, reader, &chunk) {
                    Ok(bytes) => raw_bytes += bytes,
                    Err(PushError::Build(error)) => return Err(error),
                    Err(PushError::Index(error)) => {
                        let seq = RecordSeq(0);
                        failed = Some(error);
                        return Err(BuildError::Document { seq });
                    }
                }
                if self.live.is_stopping() {
                    failed = Some(crate::merge::MergeError::Stopped.into());
                    return Err(BuildError::Document { seq: RecordSeq(0) });
                }
            }
            Ok(())
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(built?),
        }
    }

    /// Notes what was erased, which deletions are done, and forgets the oldest.
    fn note_erased(&self, counts: &[(u64, u64)]) -> Result<(), IndexError> {
        let _changing = lock(&self.changing);
        let erased: u64 = counts.iter().map(|(_, rows)| rows).sum();
        telemetry::count(Metric::ErasedRecords, erased);
        let mut changed = Vec::new();
        {
            let mut erasing = lock(&self.erasing);
            for deletion in &mut erasing.known {
                if let Some((_, rows)) = counts.iter().find(|(id, _)| *id == deletion.id) {
                    let mut noted = Deletion::clone(deletion);
                    noted.erased += rows;
                    *deletion = Arc::new(noted);
                    changed.push(deletion.id);
                }
            }
        }
        self.finish_deletions(&changed)
    }

    /// Finishes deletions that no split waits for; `changed` are saved too.
    pub(super) fn finish_deletions(&self, changed: &[u64]) -> Result<(), IndexError> {
        let splits = self.live.splits();
        let waited = |id: u64| splits.iter().any(|split| split.meta().deletions.contains(&id));
        let (mut save, now) = (Vec::new(), self.now());
        let forget: Vec<u64> = {
            let mut erasing = lock(&self.erasing);
            for deletion in &mut erasing.known {
                if deletion.finished.is_none() && !waited(deletion.id) {
                    // Erased or expired: none of its records is left.
                    *deletion = Arc::new(Deletion {
                        finished: Some(now),
                        erased: deletion.records,
                        ..Deletion::clone(deletion)
                    });
                    save.push(deletion.clone());
                } else if changed.contains(&deletion.id) {
                    save.push(deletion.clone());
                }
            }
            // The newest stays, so that no number is used twice.
            let finished = erasing.known.iter().filter(|d| d.finished.is_some()).count();
            let over = finished.saturating_sub(FINISHED_MAX);
            let oldest = erasing.known.iter().filter(|d| d.finished.is_some()).take(over);
            let forget: Vec<u64> = oldest.map(|d| d.id).collect();
            erasing.known.retain(|d| !forget.contains(&d.id));
            self.live.change_deletions(erasing.waited_for(), Vec::new());
            forget
        };
        for deletion in &save {
            self.env.catalog.delete(deletion, &[])?;
        }
        if !forget.is_empty() {
            self.env.catalog.deletions(&forget)?;
        }
        Ok(())
    }
}

/// What the steps of erasing remember.
#[derive(Default)]
pub(super) struct Erasing {
    /// All deletions, the oldest first.
    pub(super) known: Vec<Arc<Deletion>>,
    /// The last number that was given away.
    reserved: u64,
    /// Those to which the catalog gave no answer, with the splits that they mark.
    unsettled: Vec<(Arc<Deletion>, Vec<Arc<Split>>)>,
}

impl Erasing {
    /// As the catalog has them.
    pub(super) fn new(known: Vec<Deletion>) -> Self {
        let reserved = known.iter().map(|d| d.id).max().unwrap_or(0);
        Self { known: known.into_iter().map(Arc::new).collect(), reserved, unsettled: Vec::new() }
    }

    pub(super) fn reserve(&mut self) -> u64 {
        self.reserved += 1;
        self.reserved
    }

    /// The deletions that splits may wait for.
    pub(super) fn waited_for(&self) -> Vec<Arc<Deletion>> {
        self.known.iter().filter(|deletion| deletion.finished.is_none()).cloned().collect()
    }
}

enum PushError {
    Build(BuildError),
    Index(IndexError),
}

/// Adds rows of a split to another; gives the bytes of their documents.
fn push_rows(
    out: &mut crate::build::SplitBuilder,
    meta: &SplitMeta,
    reader: &SplitReader,
    rows: &[u32],
) -> Result<u64, PushError> {
    let read = |error: crate::read::ReadError| PushError::Index(error.into());
    let sources = reader.sources(rows).map_err(read)?;
    let mut batch = BatchBuilder::new(meta.tenant.clone(), None, Timestamp(0));
    for (row, source) in rows.iter().zip(&sources) {
        let index = reader.index_ord(*row).map_err(read)? as usize;
        let id = reader.client_id(*row).map_err(read)?;
        let seq = reader.seq(*row).map_err(read)?;
        let name = reader.indexes().get(index).cloned();
        let name = name.unwrap_or_else(|| IndexName::new(""));
        batch
            .push(&name, id.as_deref(), source.as_bytes())
            .map_err(|_| PushError::Build(BuildError::Document { seq }))?;
    }
    let batch = Arc::new(batch.finish());
    let map = out.map(&batch);
    for (record, row) in rows.iter().enumerate() {
        let id = batch.records()[record].id.as_deref();
        let timestamp = reader.timestamp(*row).map_err(read)?;
        let seq = reader.seq(*row).map_err(read)?;
        let row = Row { batch: &batch, record, timestamp, seq, id, map: &map };
        out.push(&row).map_err(PushError::Build)?;
    }
    Ok(batch.raw_bytes())
}
