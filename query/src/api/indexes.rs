//! Which indexes are there, and which does a request mean?
//!
//! An index is a label: it exists while there are records of it, or because it was made by name.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use index::read::Snapshot;
use meta::names::{Expand, Found, Options, View};
use meta::state::State;
use serde_json::Value as Json;

use super::Api;
use super::error::ApiError;
use super::params::Params;
use crate::ast::{BoolQuery, Query};
use crate::elastic::Reader;
use crate::request::SearchRequest;

use meta::names::is_name;

/// What is known of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IndexStats {
    /// Records.
    pub(super) docs: u64,
    /// Bytes of objects; of a shared split, the part that its records are of all.
    pub(super) bytes: u64,
    /// Splits, and live batches, that hold records of it.
    pub(super) segments: u64,
}

impl IndexStats {
    pub(super) fn add(&mut self, other: IndexStats) {
        self.docs += other.docs;
        self.bytes += other.bytes;
        self.segments += other.segments;
    }
}

/// What to do about indexes that are not there, and what wildcards mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup {
    /// A name without `*` may be missing.
    pub(super) ignore_unavailable: bool,
    /// Patterns may match nothing.
    pub(super) allow_no_indices: bool,
    /// What wildcards mean.
    pub(super) expand: Expand,
    /// A closed index that is named is an error.
    pub(super) forbid_closed: bool,
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            ignore_unavailable: false,
            allow_no_indices: true,
            expand: Expand { open: true, closed: false, hidden: false },
            forbid_closed: true,
        }
    }
}

/// URL parameters of [`Lookup`].
pub(super) const LOOKUP_PARAMS: [&str; 4] =
    ["ignore_unavailable", "allow_no_indices", "expand_wildcards", "ignore_throttled"];

impl Lookup {
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        Self::default().with(params)
    }

    /// For requests about indexes, not about their records: closed ones too.
    pub(super) fn about(params: &Params) -> Result<Self, ApiError> {
        Self { forbid_closed: false, ..Self::default() }.with(params)
    }

    /// The same for requests whose wildcards mean all indexes but the hidden ones.
    pub(super) fn about_all(params: &Params) -> Result<Self, ApiError> {
        let expand = Expand { open: true, closed: true, hidden: false };
        Self { forbid_closed: false, expand, ..Self::default() }.with(params)
    }

    fn with(mut self, params: &Params) -> Result<Self, ApiError> {
        if let Some(flag) = params.flag("ignore_unavailable")? {
            self.ignore_unavailable = flag;
        }
        if let Some(flag) = params.flag("allow_no_indices")? {
            self.allow_no_indices = flag;
        }
        let expand = params.list("expand_wildcards");
        if !expand.is_empty() {
            self.expand = Expand::read(expand.iter().map(String::as_str))?;
        }
        Ok(self)
    }

    fn options(self) -> Options {
        Options {
            ignore_unavailable: self.ignore_unavailable,
            allow_no_indices: self.allow_no_indices,
            expand: self.expand,
            forbid_closed: self.forbid_closed,
        }
    }
}

/// The patterns of a path or header, between commas.
pub(super) fn patterns(text: &str) -> Vec<String> {
    meta::names::split(text)
}

type Stats = BTreeMap<String, IndexStats>;

/// The indexes of the published splits, kept from one request to the next.
#[derive(Debug, Default)]
pub struct KnownIndexes(Mutex<Option<(u64, Published)>>);

#[derive(Clone, Debug, Default)]
struct Published {
    names: Arc<Vec<String>>,
    stats: Arc<Stats>,
}

/// The indexes that have records, with their numbers.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Sorted.
    pub(super) names: Arc<Vec<String>>,
    published: Arc<Stats>,
    live: Stats,
}

impl Known {
    /// The numbers of an index; zeros when it has no records.
    pub(super) fn stats(&self, name: &str) -> IndexStats {
        let mut out = self.published.get(name).copied().unwrap_or_default();
        out.add(self.live.get(name).copied().unwrap_or_default());
        out
    }
}

fn published(snapshot: &Snapshot) -> Published {
    let mut out = Stats::new();
    for split in &snapshot.splits {
        let meta = split.meta();
        for (name, docs) in &meta.indexes {
            if snapshot.is_index_deleted(split, name.as_str()) {
                continue;
            }
            let share = u128::from(meta.object_bytes) * u128::from(*docs);
            let share = share / u128::from(meta.docs.max(1));
            let bytes = u64::try_from(share).unwrap_or(u64::MAX);
            let these = IndexStats { docs: *docs, bytes, segments: 1 };
            match out.get_mut(name.as_str()) {
                Some(entry) => entry.add(these),
                None => {
                    out.insert(name.as_str().to_owned(), these);
                }
            }
        }
    }
    Published { names: Arc::new(out.keys().cloned().collect()), stats: Arc::new(out) }
}

impl KnownIndexes {
    /// Of a snapshot.
    pub(super) fn of(&self, snapshot: &Snapshot) -> Known {
        let mut hasher = DefaultHasher::new();
        for split in &snapshot.splits {
            split.meta().id.hash(&mut hasher);
            split.meta().deletions.hash(&mut hasher);
        }
        let key = hasher.finish();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let published = match &*kept {
            Some((of, known)) if *of == key => known.clone(),
            _ => {
                let fresh = published(snapshot);
                *kept = Some((key, fresh.clone()));
                fresh
            }
        };
        drop(kept);
        let mut live = Stats::new();
        for batch in &snapshot.live {
            let names = batch.batch.batch.indexes();
            for (name, docs) in names.iter().zip(&batch.index_docs).filter(|(_, docs)| **docs > 0) {
                let these = IndexStats { docs: *docs, bytes: 0, segments: 1 };
                live.entry(name.as_str().to_owned()).or_default().add(these);
            }
        }
        let mut names = published.names.clone();
        let fresh = live.keys().filter(|name| !published.stats.contains_key(*name));
        let fresh: Vec<String> = fresh.cloned().collect();
        if !fresh.is_empty() {
            let mut all: Vec<String> = names.iter().cloned().chain(fresh).collect();
            all.sort_unstable();
            names = Arc::new(all);
        }
        Known { names, published: published.stats, live }
    }
}

/// What there is to choose from, for one request.
#[derive(Debug)]
pub(super) struct Indexes {
    /// What clients set up.
    pub(super) state: Arc<State>,
    /// What has records.
    pub(super) known: Known,
    now: model::time::Timestamp,
}

impl Indexes {
    pub(super) fn of(api: &Api, snapshot: &Snapshot) -> Self {
        let state = api.registry.state();
        Self { state, known: api.known.of(snapshot), now: api.now() }
    }

    pub(super) fn view(&self) -> View<'_> {
        View { state: &self.state, labels: &self.known.names, now: self.now }
    }

    /// The indexes that the patterns mean.
    ///
    /// # Errors
    /// A name is missing, or nothing is meant, and `lookup` does not allow it.
    pub(super) fn found(&self, patterns: &[String], lookup: Lookup) -> Result<Found, ApiError> {
        Ok(meta::names::resolve(&self.view(), patterns, &lookup.options())?)
    }

    /// The same with their numbers.
    ///
    /// # Errors
    /// As [`Indexes::found`].
    pub(super) fn resolve(
        &self,
        patterns: &[String],
        lookup: Lookup,
    ) -> Result<BTreeMap<String, IndexStats>, ApiError> {
        let found = self.found(patterns, lookup)?;
        Ok(found.into_keys().map(|name| (name.clone(), self.known.stats(&name))).collect())
    }
}

/// The indexes that the patterns mean, by name.
///
/// # Errors
/// A name is missing, or nothing is meant, and `lookup` does not allow it.
pub(super) fn resolve(
    api: &Api,
    snapshot: &Snapshot,
    patterns: &[String],
    lookup: Lookup,
) -> Result<BTreeMap<String, IndexStats>, ApiError> {
    Indexes::of(api, snapshot).resolve(patterns, lookup)
}

/// Whether patterns mean what they say: only wildcards, and nothing that is set up changes them.
fn is_plain(state: &State, patterns: &[String], lookup: Lookup) -> bool {
    let mut wild = patterns.is_empty();
    let plain = patterns.iter().all(|pattern| {
        wild |= !is_name(pattern);
        let dated = pattern.contains(['<', ':']);
        let exclusion = pattern.starts_with('-');
        !dated && wild && (!is_name(pattern) || exclusion)
    });
    let leading = patterns.first().is_none_or(|first| !first.starts_with('-'));
    plain
        && leading
        && lookup.allow_no_indices
        && lookup.expand.open
        && state.streams().next().is_none()
        && state.indices().next().is_none()
        && state.aliases().is_empty()
        && state.template_aliases().is_empty()
}

/// Points a search at the indexes that its patterns mean, seen through the filters of aliases.
///
/// # Errors
/// A name is missing, or nothing is meant, and `lookup` does not allow it.
pub(super) fn aim(
    api: &Api,
    snapshot: &Snapshot,
    request: &mut SearchRequest,
    lookup: Lookup,
) -> Result<(), ApiError> {
    let state = api.registry.state();
    let patterns = &request.indexes;
    if let Some(bad) = patterns.iter().find(|p| p.starts_with('_') && *p != "_all") {
        return Err(meta::Fault::index_name(bad, "must not start with '_'.").into());
    }
    if is_plain(&state, patterns, lookup) {
        return Ok(());
    }
    let indexes = Indexes { state, known: api.known.of(snapshot), now: api.now() };
    let found = indexes.found(patterns, lookup)?;
    let filtered = found.values().any(|meant| !meant.whole);
    if filtered {
        let seen = seen_through(api, &found)?;
        let query = std::mem::replace(&mut request.query, Query::None);
        request.query = Query::Bool(Box::new(BoolQuery {
            must: vec![query, seen.constant(0.0)],
            ..BoolQuery::default()
        }));
    }
    let all = indexes.known.names.iter().all(|name| found.contains_key(name));
    if all {
        request.indexes.clear();
    } else {
        let names: HashSet<String> = found.into_keys().collect();
        request.names = Some(Arc::new(names));
    }
    Ok(())
}

/// A query for the records that are seen: all of some indexes, of others what filters let through.
fn seen_through(api: &Api, found: &Found) -> Result<Query, ApiError> {
    let whole: Vec<String> =
        found.iter().filter(|(_, meant)| meant.whole).map(|(name, _)| name.clone()).collect();
    let mut groups: BTreeMap<String, (Vec<String>, &[Json])> = BTreeMap::new();
    for (name, meant) in found.iter().filter(|(_, meant)| !meant.whole) {
        let key = meant.filters.iter().map(Json::to_string).collect::<Vec<_>>().join("\n");
        groups.entry(key).or_insert_with(|| (Vec::new(), &meant.filters)).0.push(name.clone());
    }
    let mut should = Vec::new();
    if !whole.is_empty() {
        should.push(Query::Index(whole));
    }
    for (names, filters) in groups.into_values() {
        let mut reader = Reader::new(api.now(), &api.settings);
        let any = filters.iter().map(|f| reader.query(f)).collect::<Result<Vec<_>, _>>()?;
        let any = BoolQuery { should: any, minimum_should: 1, ..BoolQuery::default() };
        should.push(Query::Bool(Box::new(BoolQuery {
            must: vec![Query::Index(names), Query::Bool(Box::new(any))],
            ..BoolQuery::default()
        })));
    }
    Ok(Query::Bool(Box::new(BoolQuery { should, minimum_should: 1, ..BoolQuery::default() })))
}
