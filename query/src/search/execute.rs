//! In what order are segments searched, and when is it enough? Live batches first, then splits in
//! waves, newest first, until nothing can change the answer.
//!
//! Only the waves run on the searcher's threads, so that one search never waits inside another.
//! Knows neither clients nor limits of admission.

use std::sync::Arc;

use index::read::{LiveBatch, RowSet, Snapshot, Split};
use model::time::TimeRange;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::cache::PartialCache;
use super::order::Order;
use super::split::{Share, search_split};
use super::top::top;
use crate::aggregate::{self, Plan, source::Segment};
use crate::answer::{Relation, Total};
use crate::ast::Query;
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, LiveView, Run};
use crate::merge::{Merged, SegmentAnswer};
use crate::plan::{IndexPatterns, Node};
use crate::request::{SearchRequest, TrackTotal};

/// A planned search.
#[derive(Debug)]
pub struct Task {
    /// The query.
    pub node: Node,
    /// The indexes.
    pub indexes: IndexPatterns,
    /// A range that holds every matching record.
    pub time: TimeRange,
    /// The order of hits.
    pub order: Order,
    /// How many of the first hits are wanted.
    pub wanted: usize,
    /// How exact the total must be.
    pub total: TrackTotal,
    /// The aggregations.
    pub aggs: Plan,
    /// The query, as it was asked.
    pub query: Query,
    /// The indexes and the aggregations, as they were asked: a text that tells them from others.
    pub asked: String,
    /// What splits answered before.
    pub partials: Option<Arc<PartialCache>>,
}

impl Task {
    /// Plans a request.
    ///
    /// # Errors
    /// The request makes no sense.
    pub fn new(request: &SearchRequest) -> Result<Self, QueryError> {
        let node = Node::of(&request.query)?;
        Ok(Self {
            time: request.time.intersect(&node.time()),
            node,
            indexes: IndexPatterns::new(&request.indexes),
            order: Order::new(request)?,
            wanted: request.from.saturating_add(request.size) * usize::from(request.size > 0),
            total: request.track_total,
            aggs: aggregate::plan(&request.aggs)?,
            query: request.query.clone(),
            asked: format!("{:?}{:?}", request.indexes, request.aggs),
            partials: None,
        })
    }

    /// Whether a segment of this time and these indexes can hold matching records.
    fn is_for<'n>(&self, time: TimeRange, mut indexes: impl Iterator<Item = &'n str>) -> bool {
        !self.time.is_empty()
            && self.time.overlaps(&time)
            && indexes.any(|n| self.indexes.matches(n))
    }

    /// Whether more matching records change nothing but an exact total.
    pub fn count_is_enough(&self, count: u64) -> bool {
        match self.total {
            TrackTotal::All => false,
            TrackTotal::UpTo(enough) => count > enough,
            TrackTotal::None => true,
        }
    }

    /// The total of the answer.
    pub fn total(&self, merged: &Merged) -> Option<Total> {
        let exact = if merged.partly || merged.timed_out { Relation::Gte } else { Relation::Eq };
        match self.total {
            TrackTotal::None => None,
            TrackTotal::UpTo(enough) if merged.count > enough => {
                Some(Total { value: enough, relation: Relation::Gte })
            }
            _ => Some(Total { value: merged.count, relation: exact }),
        }
    }
}

/// Searches a snapshot.
///
/// # Errors
/// A limit is reached, or the search was cancelled. What cannot be read is noted, not an error.
pub fn execute(
    task: &Task,
    snapshot: &Snapshot,
    run: &Run,
    pool: &ThreadPool,
) -> Result<Merged, QueryError> {
    let mut merged = Merged::default();
    let live: Vec<(u32, &LiveBatch)> = (0u32..)
        .zip(snapshot.live.iter().map(Arc::as_ref))
        .filter(|(_, l)| task.is_for(l.time, l.batch.batch.indexes().iter().map(|n| n.as_str())))
        .collect();
    merged.shards.total += live.len() as u32;
    let search = |(at, batch): &(u32, &LiveBatch)| search_live(task, snapshot, (*at, batch), run);
    let found: Vec<_> = pool.install(|| live.par_iter().map(search).collect());
    for part in found {
        take(&mut merged, task, part, "live records")?;
    }
    let mut splits: Vec<(u32, &Split)> = (0u32..)
        .zip(snapshot.splits.iter().map(Arc::as_ref))
        .filter(|(_, s)| {
            task.is_for(s.meta().time, s.meta().indexes.iter().map(|(n, _)| n.as_str()))
        })
        .collect();
    merged.shards.total += splits.len() as u32;
    match task.order.by_time() {
        Some(false) => splits.sort_by_key(|(_, s)| s.meta().time.from),
        _ => splits.sort_by_key(|(_, s)| std::cmp::Reverse(s.meta().time.to)),
    }
    let threads = pool.current_num_threads().max(1);
    let all_counts = !task.aggs.is_empty() || task.total == TrackTotal::All;
    let mut items: Vec<Item<'_>> = Vec::with_capacity(splits.len());
    for (position, split) in splits {
        let parts = match all_counts {
            true => (split.meta().docs / PART_ROWS).clamp(1, threads as u64) as u32,
            false => 1,
        };
        items.extend((0..parts).map(|part| Item { position, split, part: (part, parts) }));
    }
    let mut rest = items.as_slice();
    while !rest.is_empty() && !merged.timed_out {
        // Where everything counts, the first hits found only spare the others the search for hits.
        let at_once = all_counts && (task.wanted == 0 || rest.len() < items.len());
        let (wave, later) =
            rest.split_at(if at_once { rest.len() } else { threads.min(rest.len()) });
        rest = later;
        search_wave(task, (snapshot, wave), &mut merged, (run, pool))?;
    }
    Ok(merged)
}

/// A split, or a part of it: number and count.
#[derive(Clone, Copy)]
struct Item<'a> {
    position: u32,
    split: &'a Split,
    part: (u32, u32),
}

/// Parts of a split have so many rows at least: what is planned for a split is planned for each.
const PART_ROWS: u64 = if cfg!(test) { 16 } else { 1 << 17 };

fn search_wave(
    task: &Task,
    (snapshot, wave): (&Snapshot, &[Item<'_>]),
    merged: &mut Merged,
    (run, pool): (&Run, &ThreadPool),
) -> Result<(), QueryError> {
    let counted = task.aggs.is_empty() && task.count_is_enough(merged.count);
    let wave: Vec<(Item<'_>, bool)> = wave
        .iter()
        .map(|item| (*item, improves(task, merged, item.split)))
        .filter(|(_, improves)| *improves || !counted)
        .collect();
    merged.partly |= counted;
    let found = merged.count;
    let search = |(item, hits): &(Item<'_>, bool)| {
        let wanted = if *hits { task.wanted } else { 0 };
        let share = Share { wanted, found, part: item.part };
        let cache = task.partials.as_ref().filter(|_| wanted == 0);
        let cache = cache.map(|cache| (cache, task.key(item.split.meta(), item.part)));
        if let Some(known) = cache.as_ref().and_then(|(cache, key)| cache.get(key)) {
            return Ok(known);
        }
        let answer = search_split(task, snapshot, (item.position, item.split), share, run)?;
        if let Some((cache, key)) = cache {
            cache.keep(key, &answer);
        }
        Ok(answer)
    };
    let parts: Vec<_> = pool.install(|| wave.par_iter().with_max_len(1).map(search).collect());
    for (part, (item, _)) in parts.into_iter().zip(wave) {
        take(merged, task, part, item.split.meta().id.as_str())?;
    }
    Ok(())
}

/// Whether a split can have one of the wanted hits.
fn improves(task: &Task, merged: &Merged, split: &Split) -> bool {
    let time = split.meta().time;
    if merged.candidates.len() < task.wanted {
        return true;
    }
    merged.candidates.last().is_some_and(|worst| {
        task.order.can_improve(worst, time.from.0, time.to.0.saturating_sub(1))
    })
}

fn take(
    merged: &mut Merged,
    task: &Task,
    part: Result<SegmentAnswer, LeafError>,
    name: &str,
) -> Result<(), QueryError> {
    match part {
        Ok(part) => merged.add(&task.order, task.wanted, part),
        Err(LeafError::TimedOut) => merged.timed_out = true,
        Err(LeafError::Cancelled) => {
            return Err(QueryError::of(ErrorKind::Internal, "the search was cancelled"));
        }
        Err(LeafError::Query(error)) => return Err(error),
        Err(error @ LeafError::Read(_)) => {
            tracing::warn!(split = name, %error, "search goes on without a split");
            merged.fail(name.to_owned(), error.to_string());
        }
    }
    Ok(())
}

fn search_live(
    task: &Task,
    snapshot: &Snapshot,
    (position, batch): (u32, &LiveBatch),
    run: &Run,
) -> Result<SegmentAnswer, LeafError> {
    let view = LiveView::new(batch, snapshot.node, &snapshot.text_fields);
    let found = view.matching(&task.node, (task.time, &task.indexes), run)?;
    if found.is_empty() {
        return Ok(SegmentAnswer::default());
    }
    let mut rows = RowSet::none(batch.batch.batch.records().len() as u32);
    found.iter().for_each(|row| rows.insert(*row));
    segment_answer(task, (Segment::Live(view, run), position), &rows, task.wanted)
}

/// The answer of a segment, once it is known which of its rows match.
///
/// # Errors
/// The split cannot be read, a limit is reached, or the search was stopped.
pub fn segment_answer(
    task: &Task,
    (segment, position): (Segment<'_>, u32),
    rows: &RowSet,
    wanted: usize,
) -> Result<SegmentAnswer, LeafError> {
    Ok(SegmentAnswer {
        count: u64::from(rows.count()),
        partly: false,
        candidates: top(segment, position, rows, (&task.order, wanted))?,
        partials: match rows.is_empty() || task.aggs.is_empty() {
            true => Vec::new(),
            false => aggregate::collect(&task.aggs, segment, rows)?,
        },
    })
}
