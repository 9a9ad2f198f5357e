//! Which splits are merged, and how? A pure policy, and a k-way merge of their columns.
//!
//! Columns are merged, not documents: dictionaries and templates first, then the rows group by
//! group, so that memory does not grow with the splits. Inside one tenant, time bucket and
//! retention only; a record is rewritten `rewrites_max` times at most.

mod columns;
mod rows;
mod strings;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use model::id::{IndexName, Tenant};
use model::time::{TimeRange, Timestamp};
use thiserror::Error;

use crate::build::{BuildError, BuiltSplit};
use crate::publish::Builder;
use crate::read::{FieldInfo, Origin, ReadError, SplitMeta, SplitReader};
use crate::settings::{Retention, Settings};
use crate::split::write::{Description, GroupRows, ObjectWriter, shape_bytes};
use columns::Columns;
use rows::Rows;

/// Why a merge failed.
#[derive(Debug, Error)]
pub enum MergeError {
    /// A split cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The merged split cannot be written.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It was told to stop; nothing is left of it.
    #[error("the merge was stopped")]
    Stopped,
}

/// Splits that may be merged with each other: of one tenant, bucket, retention and number of
/// rewrites.
type Groups<'s> = BTreeMap<(u32, &'s Tenant, Timestamp, Retention), Vec<&'s SplitMeta>>;

/// The groups of which there are enough for a merge.
fn groups<'s>(splits: &[&'s SplitMeta], settings: &Settings) -> Groups<'s> {
    let merge = &settings.merge;
    let mut groups: Groups<'_> = BTreeMap::new();
    if merge.factor < 2 {
        return groups;
    }
    let width = (settings.bucket_ms as i64).saturating_mul(1_000_000);
    for split in splits {
        let small = split.raw_bytes <= merge.raw_bytes_max / 2;
        let in_bucket = split.time.to.0 <= split.bucket.0.saturating_add(width);
        // What waits for deletions is written anew before.
        let waits = !split.deletions.is_empty();
        if split.merges < merge.rewrites_max && small && in_bucket && !waits {
            let kept = retention_of(split, settings);
            let key = (split.merges, &split.tenant, split.bucket, kept);
            groups.entry(key).or_default().push(split);
        }
    }
    groups.retain(|_, group| group.len() >= merge.factor);
    groups
}

/// The next splits to merge: the oldest of a group, as many as fit.
pub fn next_merge<'a>(splits: &[&'a SplitMeta], settings: &Settings) -> Option<Vec<&'a SplitMeta>> {
    let merge = &settings.merge;
    groups(splits, settings).into_values().find_map(|mut group| {
        group.sort_by(|a, b| (a.time.from, &a.id).cmp(&(b.time.from, &b.id)));
        let mut raw = 0;
        let fits = |s: &&SplitMeta| {
            raw += s.raw_bytes;
            raw <= merge.raw_bytes_max
        };
        let chosen: Vec<_> = group.into_iter().take(merge.factor).take_while(fits).collect();
        (chosen.len() >= 2).then_some(chosen)
    })
}

/// How many splits wait for a merge.
pub fn waiting(splits: &[&SplitMeta], settings: &Settings) -> usize {
    groups(splits, settings).values().map(Vec::len).sum()
}

/// How long a split is kept: as the longest of its indexes.
pub fn retention_of(split: &SplitMeta, settings: &Settings) -> Retention {
    settings.retention.of_all(split.indexes.iter().map(|(index, _)| index))
}

/// Shapes of the merged split: skeletons, and the columns of their values.
#[derive(Default)]
struct Shapes {
    ids: HashMap<Box<[u8]>, u32>,
    list: Vec<(Box<[u8]>, Vec<u32>)>,
}

impl Shapes {
    /// The merged number of each shape of an input.
    fn add(&mut self, input: &SplitReader, columns: &[u32]) -> Vec<u32> {
        let add = |shape: &crate::read::core::Shape| match self.ids.get(&shape.skeleton) {
            Some(id) => *id,
            None => {
                let id = self.list.len() as u32;
                self.ids.insert(shape.skeleton.clone(), id);
                let of = shape.columns.iter().map(|(c, _)| columns[*c as usize]).collect();
                self.list.push((shape.skeleton.clone(), of));
                id
            }
        };
        input.core().shapes.list.iter().map(add).collect()
    }

    /// How many values each shape has in each of so many columns.
    fn counts(&self, columns: usize) -> Vec<Vec<u32>> {
        let mut out = vec![vec![0; self.list.len()]; columns];
        out[columns::INDEX_COLUMN as usize].fill(1);
        for (at, (_, of)) in self.list.iter().enumerate() {
            of.iter().for_each(|column| out[*column as usize][at] += 1);
        }
        out
    }
}

/// Builds one split of the rows of several, unless `stopped` says otherwise meanwhile.
///
/// # Errors
/// A split is damaged, the file cannot be written, or the merge was stopped.
pub fn merge(
    builder: &Builder<'_>,
    inputs: &[(SplitMeta, Arc<SplitReader>)],
    stopped: &dyn Fn() -> bool,
) -> Result<BuiltSplit, MergeError> {
    let first = &inputs[0].0;
    let rewrites = inputs.iter().map(|(m, _)| m.merges).max().unwrap_or(0) + 1;
    let newest = inputs.iter().map(|(m, _)| &m.origin).max_by_key(|o| o.checkpoint);
    let origin = Origin { roll: None, ..newest.cloned().unwrap_or_default() };
    let mut spec = builder.spec(first.tenant.clone(), first.bucket, origin);
    spec.merges = rewrites;
    let path = builder.staging.join(format!("{}.split", spec.id));
    let io = |source| BuildError::Io { path: path.clone(), source };
    let readers: Vec<Arc<SplitReader>> = inputs.iter().map(|(_, r)| r.clone()).collect();
    let write = || -> Result<SplitMeta, MergeError> {
        let level = builder.settings.merged_zstd_level;
        let group_rows = builder.settings.group_rows.max(1);
        let mut out = ObjectWriter::create(&path, level, group_rows).map_err(io)?;
        let mut shapes = Shapes::default();
        let mut columns = Columns::of(&readers)?;
        let shape_maps: Vec<Vec<u32>> =
            readers.iter().zip(columns.maps()).map(|(r, map)| shapes.add(r, map)).collect();
        columns.derive(&readers, &shapes.counts(columns.len()))?;
        let mut rows = Rows::of(&readers, group_rows as usize)?;
        while let Some(group) = rows.next_group()? {
            if stopped() {
                return Err(MergeError::Stopped);
            }
            let of = group.shapes(&readers, &shape_maps)?;
            columns.load(&readers, &group.runs)?;
            let rows = GroupRows { times: &group.times, seqs: &group.seqs, shapes: &of };
            out.group(&rows, columns.chunks()).map_err(io)?;
        }
        let mut meta = SplitMeta {
            id: spec.id.clone(),
            tenant: spec.tenant.clone(),
            time: span(inputs),
            bucket: spec.bucket,
            docs: inputs.iter().map(|(m, _)| m.docs).sum(),
            raw_bytes: inputs.iter().map(|(m, _)| m.raw_bytes).sum(),
            object_bytes: 0,
            tail_bytes: 0,
            indexes: indexes(inputs),
            created: spec.created,
            merges: spec.merges,
            origin: spec.origin.clone(),
            deletions: Vec::new(),
        };
        let description = Description {
            fields: fields(&readers, &meta.indexes),
            meta: meta.clone(),
            columns: columns.finish(),
            shapes: shape_bytes(shapes.list.iter().map(|(s, c)| (&**s, c.as_slice()))),
        };
        (meta.object_bytes, meta.tail_bytes) = out.finish(description).map_err(io)?;
        Ok(meta)
    };
    match write() {
        Ok(meta) => Ok(BuiltSplit { path, meta }),
        Err(error) => {
            let _ = std::fs::remove_file(&path);
            Err(error)
        }
    }
}

fn span(inputs: &[(SplitMeta, Arc<SplitReader>)]) -> TimeRange {
    let times = inputs.iter().map(|(m, _)| m.time);
    let from = times.clone().map(|t| t.from).min().unwrap_or_default();
    TimeRange { from, to: times.map(|t| t.to).max().unwrap_or_default() }
}

/// The indexes of all inputs, sorted by name.
fn indexes(inputs: &[(SplitMeta, Arc<SplitReader>)]) -> Vec<(IndexName, u64)> {
    let mut out: BTreeMap<&str, (IndexName, u64)> = BTreeMap::new();
    for (name, docs) in inputs.iter().flat_map(|(m, _)| &m.indexes) {
        out.entry(name.as_str()).or_insert_with(|| (name.clone(), 0)).1 += docs;
    }
    out.into_values().collect()
}

fn fields(readers: &[Arc<SplitReader>], indexes: &[(IndexName, u64)]) -> Vec<FieldInfo> {
    let mut out: BTreeMap<String, FieldInfo> = BTreeMap::new();
    let place = |name: &IndexName| {
        indexes.iter().position(|(other, _)| other == name).unwrap_or_default() as u32
    };
    for reader in readers {
        let places: Vec<u32> = reader.indexes().iter().map(place).collect();
        for field in reader.fields() {
            let merged = out
                .entry(field.path.clone())
                .or_insert_with(|| FieldInfo { path: field.path.clone(), ..FieldInfo::default() });
            merged.strings += field.strings;
            merged.ints += field.ints;
            merged.floats += field.floats;
            merged.bools += field.bools;
            merged.text |= field.text;
            merged.indexes.extend(field.indexes.iter().filter_map(|i| places.get(*i as usize)));
        }
    }
    let sort = |mut field: FieldInfo| {
        field.indexes.sort_unstable();
        field.indexes.dedup();
        field
    };
    out.into_values().map(sort).collect()
}
