//! Which indexes are there, and which does a request mean?
//!
//! An index is a label: it exists while there are records of it.

use std::collections::BTreeMap;

use index::read::Snapshot;

use super::error::ApiError;
use super::params::Params;
use crate::plan::IndexPatterns;

/// What is known of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IndexStats {
    /// Records.
    pub(super) docs: u64,
    /// Bytes of objects; of a shared split, the part that its records are of all.
    pub(super) bytes: u64,
}

/// What to do about indexes that are not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup {
    /// A name without `*` may be missing.
    pub(super) ignore_unavailable: bool,
    /// Patterns may match nothing.
    pub(super) allow_no_indices: bool,
}

/// URL parameters of [`Lookup`].
pub(super) const LOOKUP_PARAMS: [&str; 4] =
    ["ignore_unavailable", "allow_no_indices", "expand_wildcards", "ignore_throttled"];

impl Lookup {
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            ignore_unavailable: params.flag("ignore_unavailable")?.unwrap_or(false),
            allow_no_indices: params.flag("allow_no_indices")?.unwrap_or(true),
        })
    }
}

/// The patterns of a path or header, between commas.
pub(super) fn patterns(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// All indexes with their numbers.
pub(super) fn stats(snapshot: &Snapshot) -> BTreeMap<String, IndexStats> {
    let mut out: BTreeMap<String, IndexStats> = BTreeMap::new();
    for split in &snapshot.splits {
        let meta = split.meta();
        for (name, docs) in &meta.indexes {
            if snapshot.is_index_deleted(split, name.as_str()) {
                continue;
            }
            let entry = out.entry(name.as_str().to_owned()).or_default();
            entry.docs += docs;
            let share = u128::from(meta.object_bytes) * u128::from(*docs);
            let share = share / u128::from(meta.docs.max(1));
            entry.bytes += u64::try_from(share).unwrap_or(u64::MAX);
        }
    }
    for live in &snapshot.live {
        let names = live.batch.batch.indexes();
        for (name, docs) in names.iter().zip(&live.index_docs) {
            if *docs > 0 {
                out.entry(name.as_str().to_owned()).or_default().docs += docs;
            }
        }
    }
    out
}

/// The indexes that the patterns mean, by name.
///
/// # Errors
/// A name is missing, or nothing is meant, and `lookup` does not allow it.
pub(super) fn resolve(
    snapshot: &Snapshot,
    patterns: &[String],
    lookup: Lookup,
) -> Result<BTreeMap<String, IndexStats>, ApiError> {
    let mut found = stats(snapshot);
    if !lookup.ignore_unavailable
        && let Some(name) = patterns.iter().find(|p| is_name(p) && !found.contains_key(*p))
    {
        return Err(ApiError::no_such_index(name));
    }
    let meant = IndexPatterns::new(patterns);
    found.retain(|name, _| meant.matches(name));
    if found.is_empty() && !lookup.allow_no_indices {
        let shown = if patterns.is_empty() { "_all".to_owned() } else { patterns.join(",") };
        return Err(ApiError::no_such_index(&shown));
    }
    Ok(found)
}

/// Fails as [`resolve`] does; looks at no index where nothing can be missing.
///
/// # Errors
/// A name is missing, or nothing is meant, and `lookup` does not allow it.
pub(super) fn check(
    snapshot: &Snapshot,
    patterns: &[String],
    lookup: Lookup,
) -> Result<(), ApiError> {
    if lookup.allow_no_indices
        && (lookup.ignore_unavailable || !patterns.iter().any(|p| is_name(p)))
    {
        return Ok(());
    }
    resolve(snapshot, patterns, lookup).map(|_| ())
}

/// One index by its own name, not a pattern.
pub(super) fn is_name(pattern: &str) -> bool {
    !pattern.contains('*') && !pattern.starts_with('-') && pattern != "_all"
}
