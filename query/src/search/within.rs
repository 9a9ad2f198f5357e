//! What do the first hits of a bucket look like? The hits of `top_hits`, read when the buckets of the
//! answer are known.

use std::collections::BTreeMap;

use index::read::Snapshot;
use serde_json::{Value as Json, json};

use super::order::Place;
use super::page::{Wanted, page};
use crate::aggregate::Pending;
use crate::answer::Hit;
use crate::api::filter::filter_source;
use crate::ast::Query;
use crate::error::{ErrorKind, QueryError};
use crate::highlight::Highlighter;
use crate::leaf::{LeafError, Run};
use crate::request::{SortBy, TopHitsAgg};
use crate::tree::{Object, Tree};

/// Memory of a hit beside its source, about, in bytes.
const HIT_BYTES: usize = 256;

/// Reads the hits and puts them into the answer. A split that cannot be read any more leaves out its
/// hits and is given to `failed`.
///
/// # Errors
/// A format is unknown, a limit is reached, or the search was stopped.
pub fn fill(
    (pending, query): (Vec<Pending>, &Query),
    snapshot: &Snapshot,
    run: &Run,
    failed: &mut dyn FnMut(u32, LeafError),
) -> Result<(), QueryError> {
    prefetch(&pending, snapshot, failed);
    for hits in pending {
        let request = &hits.agg.request;
        let wanted = Wanted::new(request)?;
        let marks = match &request.highlight {
            Some(highlight) => Some(Highlighter::new(highlight, query)?),
            None => None,
        };
        let mut found = page(snapshot, &hits.list, (&hits.order, &wanted), &mut *failed);
        if let Some(marks) = &marks {
            marks.apply(&mut found, &snapshot.text_fields, run).map_err(stopped)?;
        }
        wanted.finish(&mut found);
        let bytes = found.iter().map(|hit| HIT_BYTES + hit.source.as_ref().map_or(0, String::len));
        run.charge(bytes.sum()).and_then(|()| run.check()).map_err(stopped)?;
        let _ = hits.to.set(shown(&found, hits.total, &hits.agg));
    }
    Ok(())
}

fn stopped(error: LeafError) -> QueryError {
    match error {
        LeafError::Query(error) => error,
        error => QueryError::of(ErrorKind::Internal, error.to_string()),
    }
}

/// Has the records of all buckets read together.
fn prefetch(pending: &[Pending], snapshot: &Snapshot, failed: &mut dyn FnMut(u32, LeafError)) {
    let mut splits: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for candidate in pending.iter().flat_map(|hits| &hits.list) {
        if let Place::Split(split, row) = candidate.place {
            splits.entry(split).or_default().push(row);
        }
    }
    for (split, mut rows) in splits {
        rows.sort_unstable();
        rows.dedup();
        let open = snapshot.splits[split as usize].open();
        if let Err(error) = open.and_then(|reader| reader.prefetch_sources(&rows)) {
            failed(split, error.into());
        }
    }
}

/// `hits` of one bucket.
fn shown(hits: &[Hit], total: u64, agg: &TopHitsAgg) -> Tree {
    let request = &agg.request;
    let sorted = !request.sort.is_empty();
    let by_score = request.sort.first().is_some_and(|key| key.by == SortBy::Score);
    let scores = !sorted || by_score || agg.scores;
    let mut out = Object::with_capacity(3);
    out.push("total", json!({"value": total, "relation": "eq"}));
    out.push("max_score", if scores && !hits.is_empty() { json!(1.0) } else { Json::Null });
    let list = hits.iter().map(|hit| one(hit, agg, scores).into()).collect();
    out.push("hits", Tree::List(list));
    out.into()
}

fn one(hit: &Hit, agg: &TopHitsAgg, scores: bool) -> Object {
    let mut out = Object::with_capacity(8);
    out.push("_index", hit.index.as_str());
    out.push("_id", hit.id.as_str());
    if agg.version {
        out.push("_version", 1);
    }
    if agg.seq_no {
        out.push("_seq_no", hit.seq.0);
        out.push("_primary_term", 1);
    }
    out.push("_score", if scores { json!(1.0) } else { Json::Null });
    let filter = &agg.request.source;
    let source = hit.source.as_ref().and_then(|text| serde_json::from_str::<Json>(text).ok());
    if let Some(source) = source.filter(|_| !filter.off) {
        let all = filter.includes.is_empty() && filter.excludes.is_empty();
        out.push("_source", if all { source } else { filter_source(source, filter) });
    }
    if let Some(fields) = &hit.fields {
        out.push("fields", Json::Object(fields.clone()));
    }
    if let Some(highlight) = &hit.highlight {
        out.push("highlight", Json::Object((**highlight).clone()));
    }
    if !hit.sort.is_empty() {
        out.push("sort", hit.sort.clone());
    }
    out
}
