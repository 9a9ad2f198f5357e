//! Which splits are merged, and how? A pure policy, and a k-way merge of their rows.
//!
//! First form: the rows are read back as documents and built anew. Inside one tenant, time bucket
//! and retention only; a record is rewritten `rewrites_max` times at most.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use model::batch::{Batch, BatchBuilder};
use model::id::{RecordSeq, SplitId, Tenant};
use model::time::Timestamp;
use thiserror::Error;

use crate::build::{BuildError, BuiltSplit, Row};
use crate::publish::Builder;
use crate::read::{ReadError, SplitMeta, SplitReader};
use crate::settings::Settings;

/// Why a merge failed.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A split cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The merged split cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A stored document is no longer one.
    #[error("split {split}: row {row}: {reason}")]
    Document {
        /// Which split.
        split: SplitId,
        /// Which row.
        row: u32,
        /// What is wrong.
        reason: String,
    },
}

/// The next splits to merge: of one tenant, bucket, retention and number of rewrites, the oldest
/// first, as many as fit.
pub fn next_merge<'a>(splits: &[&'a SplitMeta], settings: &Settings) -> Option<Vec<&'a SplitMeta>> {
    let merge = &settings.merge;
    if merge.factor < 2 {
        return None;
    }
    type Group<'s> = BTreeMap<(u32, &'s Tenant, Timestamp, u32), Vec<&'s SplitMeta>>;
    let mut groups: Group<'_> = BTreeMap::new();
    let width = (settings.bucket_ms as i64).saturating_mul(1_000_000);
    for split in splits {
        let small = split.raw_bytes <= merge.raw_bytes_max / 2;
        let in_bucket = split.time.to.0 <= split.bucket.0.saturating_add(width);
        if split.merges < merge.rewrites_max && small && in_bucket {
            let days = split_days(split, settings);
            let key = (split.merges, &split.tenant, split.bucket, days);
            groups.entry(key).or_default().push(split);
        }
    }
    groups.into_values().find_map(|mut group| {
        group.sort_by(|a, b| (a.time.from, &a.id).cmp(&(b.time.from, &b.id)));
        let mut raw = 0;
        let fits = |s: &&SplitMeta| {
            raw += s.raw_bytes;
            raw <= merge.raw_bytes_max
        };
        let enough = group.len() >= merge.factor;
        let chosen: Vec<_> = group.into_iter().take(merge.factor * 2).take_while(fits).collect();
        (enough && chosen.len() >= 2).then_some(chosen)
    })
}

/// How many days a split's records are kept: the longest of its indexes; 0 is for ever.
pub fn split_days(split: &SplitMeta, settings: &Settings) -> u32 {
    let days = split.indexes.iter().map(|(index, _)| settings.retention.days(index));
    let days: Vec<u32> = days.collect();
    if days.contains(&0) { 0 } else { days.into_iter().max().unwrap_or(0) }
}

/// Documents that are read back at once, about.
const CHUNK_BYTES: u64 = 4 << 20;
const CHUNK_ROWS_MAX: u64 = 4096;

/// One split being read from its first row to its last.
struct Cursor {
    reader: Arc<SplitReader>,
    id: SplitId,
    chunk_rows: u32,
    rows: Range<u32>,
    batch: Arc<Batch>,
    ids: Vec<Option<String>>,
    at: u32,
}

impl Cursor {
    fn open(id: SplitId, reader: Arc<SplitReader>) -> Result<Self, MergeError> {
        let meta = &reader.footer().meta;
        let average = (meta.raw_bytes / meta.docs.max(1)).max(1);
        let chunk_rows = (CHUNK_BYTES / average).clamp(1, CHUNK_ROWS_MAX) as u32;
        let empty = BatchBuilder::new(meta.tenant.clone(), None, Timestamp(0)).finish();
        let mut out = Self {
            id,
            chunk_rows,
            rows: 0..0,
            batch: Arc::new(empty),
            ids: Vec::new(),
            at: 0,
            reader,
        };
        out.load(0)?;
        Ok(out)
    }

    fn load(&mut self, from: u32) -> Result<(), MergeError> {
        let to = from.saturating_add(self.chunk_rows).min(self.reader.docs());
        let rows: Vec<u32> = (from..to).collect();
        let tenant = self.reader.footer().meta.tenant.clone();
        let mut builder = BatchBuilder::new(tenant, None, Timestamp(0));
        self.ids.clear();
        for (row, source) in rows.iter().zip(self.reader.sources(&rows)?) {
            let index = &self.reader.indexes()[self.reader.index_ord(*row) as usize];
            let id = self.reader.client_id(*row)?;
            builder.push(index, id.as_deref(), source.as_bytes()).map_err(|e| {
                MergeError::Document { split: self.id.clone(), row: *row, reason: e.to_string() }
            })?;
            self.ids.push(id);
        }
        self.batch = Arc::new(builder.finish());
        self.rows = from..to;
        self.at = from;
        Ok(())
    }

    fn key(&self) -> Option<(Timestamp, RecordSeq)> {
        let inside = self.at < self.reader.docs();
        inside.then(|| (self.reader.timestamp(self.at), self.reader.seq(self.at)))
    }
}

/// Builds one split of the rows of several.
///
/// # Errors
/// A split is damaged, or the file cannot be written.
pub fn merge(
    builder: &Builder<'_>,
    inputs: &[(SplitMeta, Arc<SplitReader>)],
) -> Result<BuiltSplit, MergeError> {
    let mut cursors = Vec::new();
    let mut texts = builder.settings.text_fields.clone();
    for (meta, reader) in inputs {
        cursors.push(Cursor::open(meta.id.clone(), reader.clone())?);
        for path in reader.text_fields() {
            if !texts.contains(path) {
                texts.push(path.clone());
            }
        }
    }
    let first = &inputs[0].0;
    let rewrites = inputs.iter().map(|(m, _)| m.merges).max().unwrap_or(0) + 1;
    let spec = builder.spec(first.tenant.clone(), first.bucket, rewrites);
    let mut failed = None;
    let built = builder.write(spec, texts, |out| {
        let mut maps: Vec<_> = cursors.iter().map(|c| out.map(&c.batch)).collect();
        loop {
            let next =
                cursors.iter().enumerate().filter_map(|(at, c)| c.key().map(|key| (key, at))).min();
            let Some(((timestamp, seq), at)) = next else { return Ok(()) };
            let cursor = &mut cursors[at];
            let record = (cursor.at - cursor.rows.start) as usize;
            let id = cursor.ids[record].as_deref();
            let map = &maps[at];
            out.push(&Row { batch: &cursor.batch, record, timestamp, seq, id, map })?;
            cursor.at += 1;
            if cursor.at == cursor.rows.end && cursor.at < cursor.reader.docs() {
                if let Err(error) = cursor.load(cursor.at) {
                    failed = Some(error);
                    return Ok(());
                }
                maps[at] = out.map(&cursor.batch);
            }
        }
    });
    match (failed, built) {
        (None, built) => Ok(built?),
        (Some(error), built) => {
            if let Ok(built) = built {
                let _ = std::fs::remove_file(built.path);
            }
            Err(error)
        }
    }
}
