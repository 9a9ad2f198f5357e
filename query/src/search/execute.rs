//! In what order are segments searched, and when is it enough? Live batches first, then splits in
//! waves, newest first, until nothing can change the answer.
//!
//! Only the waves run on the searcher's threads, so that one search never waits inside another.
//! Knows neither clients nor limits of admission.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use index::read::{LiveBatch, ReadError, RowSet, Snapshot, Split};
use model::time::{TimeRange, Timestamp};
use rayon::ThreadPool;
use rayon::prelude::*;

use super::cache::PartialCache;
use super::order::{Order, Position, Ranked};
use super::rank::Rank;
use super::split::{Share, search_split};
use super::top::top;
use crate::aggregate::{self, Plan, place_hits, source::Segment};
use crate::answer::{Relation, ShardFailure, Spent, Total};
use crate::ast::Query;
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, LiveView, Run};
use crate::merge::{Merged, SegmentAnswer};
use crate::plan::{IndexPatterns, Node};
use crate::request::{SearchRequest, Slice, TrackTotal};

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
    /// They look at every record of the indexes, whatever the query.
    pub looks_at_all: bool,
    /// The query, as it was asked.
    pub query: Query,
    /// The aggregations, as they were asked: a text that tells them from others.
    pub asked: String,
    /// What splits answered before.
    pub partials: Option<Arc<PartialCache>>,
    /// How hits are scored.
    pub rank: Rank,
    /// Which of the records that match are hits, where aggregations see the others too.
    pub post: Option<Node>,
    /// Which of the records are looked at.
    pub part: Part,
    /// Note how long each segment takes.
    pub profile: bool,
    /// How far the search is, for those who wait.
    pub progress: Option<Arc<Progress>>,
}

/// Which of the matching records a search looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part {
    /// This part of so many.
    slice: Option<Slice>,
    /// No more than so many, the newest of a segment first; 0 for all.
    at_most: u64,
}

impl Part {
    /// All of them.
    pub fn is_all(&self) -> bool {
        self.slice.is_none() && self.at_most == 0
    }

    /// Whether the number of records is bounded.
    pub fn is_bounded(&self) -> bool {
        self.at_most > 0
    }

    /// How many may still be looked at.
    fn left(&self, found: u64) -> u64 {
        if self.at_most == 0 { u64::MAX } else { self.at_most.saturating_sub(found) }
    }

    /// Whether so many are all that are looked at.
    pub fn is_over(&self, found: u64) -> bool {
        self.left(found) == 0
    }

    /// Of the rows those that are looked at when `found` were before.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn of(&self, segment: Segment<'_>, rows: RowSet, found: u64) -> Result<RowSet, LeafError> {
        if self.is_all() {
            return Ok(rows);
        }
        let left = self.left(found);
        let mut out = RowSet::none(rows.docs());
        let mut taken = 0;
        for row in rows.iter_rev() {
            if taken == left {
                break;
            }
            if let Some(slice) = self.slice {
                let seq = match &segment {
                    Segment::Split(eval) => eval.reader.seq(row)?.0,
                    Segment::Live(view, _) => view.seq(row).0,
                };
                // Numbers that follow each other are spread over all parts.
                if xxhash_rust::xxh3::xxh3_64(&seq.to_le_bytes()) % slice.max != slice.id {
                    continue;
                }
            }
            taken += 1;
            out.insert(row);
        }
        Ok(out)
    }
}

/// How far a search is.
#[derive(Debug, Default)]
pub struct Progress {
    /// Segments to look at.
    pub segments: AtomicU64,
    /// Those that were.
    pub done: AtomicU64,
    /// Matching records in them.
    pub found: AtomicU64,
}

impl Task {
    /// Plans a request.
    ///
    /// # Errors
    /// The request makes no sense.
    pub fn new(request: &SearchRequest) -> Result<Self, QueryError> {
        let mut query = request.query.clone();
        let mut post = None;
        match &request.post_filter {
            Some(filter) if request.aggs.is_empty() => {
                query = Query::all_of(vec![query, filter.clone().constant(0.0)]);
            }
            Some(filter) => post = Some(Node::of(filter)?),
            None => {}
        }
        let (rank, ranked) = Rank::of(request)?;
        let node = if ranked == Ranked::None { Node::None } else { Node::of(&query)? };
        let (slice, at_most) = (request.slice, request.terminate_after);
        let aggs = aggregate::plan(&request.aggs)?;
        Ok(Self {
            time: request.time.intersect(&node.time()),
            node,
            indexes: match &request.names {
                Some(names) => IndexPatterns::only(names.clone()),
                None => IndexPatterns::new(&request.indexes),
            },
            order: Order::new(request, ranked)?,
            wanted: request.from.saturating_add(request.size) * usize::from(request.size > 0),
            total: request.track_total,
            looks_at_all: aggregate::looks_at_all(&aggs),
            aggs,
            query,
            asked: format!(
                "{:?}{:?}{:?}{}",
                request.aggs, request.post_filter, request.ranking.min_score, rank.best
            ),
            partials: None,
            rank,
            post,
            part: Part { slice, at_most },
            profile: request.profile,
            progress: None,
        })
    }

    /// Continues after a place of the same order. What lies before it is not even looked at where
    /// neither the total nor an aggregation needs it.
    pub fn resume(&mut self, position: Position) {
        self.order.after = Some(position);
        if self.total == TrackTotal::None
            && self.aggs.is_empty()
            && let Some((from, to)) = self.order.time_after()
        {
            let after = TimeRange { from: Timestamp(from), to: Timestamp(to) };
            self.time = self.time.intersect(&after);
        }
    }

    /// Whether a segment of this time and these indexes can hold matching records.
    fn is_for<'n>(&self, time: TimeRange, mut indexes: impl Iterator<Item = &'n str>) -> bool {
        (self.looks_at_all || !self.time.is_empty() && self.time.overlaps(&time))
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

    /// Whether the search ended early, if it may.
    pub fn terminated_early(&self, merged: &Merged) -> Option<bool> {
        (self.part.at_most > 0).then(|| self.part.is_over(merged.count))
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
    if let Err(error) = task.prepare(snapshot, (run, pool)) {
        take(&mut merged, task, Err(error), None)?;
        return Ok(merged);
    }
    let live: Vec<(u32, &LiveBatch)> = (0u32..)
        .zip(snapshot.live.iter().map(Arc::as_ref))
        .filter(|(_, l)| task.is_for(l.time, l.batch.batch.indexes().iter().map(|n| n.as_str())))
        .collect();
    merged.shards.total += live.len() as u32;
    let waits = Waits(task.progress.as_deref());
    waits.opens(live.len());
    let mut rest = live.as_slice();
    while !rest.is_empty() {
        // Those that look at few records must know how many were found before.
        let wave = if task.part.at_most > 0 { 1 } else { rest.len() };
        let (now, later) = rest.split_at(wave);
        rest = later;
        let before = merged.count;
        let search = |(at, batch): &(u32, &LiveBatch)| {
            timed(task, run, "live records", || {
                search_live(task, snapshot, (*at, batch, before), run)
            })
        };
        let found: Vec<_> = pool.install(|| now.par_iter().map(search).collect());
        for part in found {
            waits.is_done(&part);
            take(&mut merged, task, part, None)?;
        }
    }
    let mut splits: Vec<(u32, &Split)> = (0u32..)
        .zip(snapshot.splits.iter().map(Arc::as_ref))
        .filter(|(_, s)| {
            task.is_for(s.meta().time, s.meta().indexes.iter().map(|(n, _)| n.as_str()))
        })
        .collect();
    merged.shards.total += splits.len() as u32;
    waits.opens(splits.len());
    match task.order.by_time() {
        Some(false) => splits.sort_by_key(|(_, s)| s.meta().time.from),
        _ => splits.sort_by_key(|(_, s)| std::cmp::Reverse(s.meta().time.to)),
    }
    let threads = pool.current_num_threads().max(1);
    let all_counts = !task.aggs.is_empty() || task.total == TrackTotal::All;
    let items = items(&splits, if all_counts && task.part.is_all() { threads } else { 1 });
    let mut rest = items.as_slice();
    while !rest.is_empty() && !merged.timed_out && !task.part.is_over(merged.count) {
        // Where everything counts, the first hits found only spare the others the search for hits.
        let at_once = all_counts && (task.wanted == 0 || rest.len() < items.len());
        let wave = match at_once {
            _ if task.part.at_most > 0 => 1,
            true => rest.len(),
            false => threads.min(rest.len()),
        };
        let (wave, later) = rest.split_at(wave);
        rest = later;
        search_wave(task, (snapshot, wave), &mut merged, (run, pool))?;
    }
    Ok(merged)
}

/// The splits, large ones in at most so many parts.
fn items<'a>(splits: &[(u32, &'a Split)], parts_max: usize) -> Vec<Item<'a>> {
    let mut out = Vec::with_capacity(splits.len());
    for (position, split) in splits {
        let parts = (split.meta().docs / PART_ROWS).clamp(1, parts_max as u64) as u32;
        let item = |part| Item { position: *position, split, part: (part, parts) };
        out.extend((0..parts).map(item));
    }
    out
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
    let counted = task.aggs.is_empty() && !task.rank.best && task.count_is_enough(merged.count);
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
        let kept = wanted == 0 && task.part.is_all() && !task.profile;
        let cache = task.partials.as_ref().filter(|_| kept);
        let cache = cache.map(|cache| (cache, task.key(item.split.meta(), item.part)));
        if let Some(known) = cache.as_ref().and_then(|(cache, key)| cache.get(key)) {
            return Ok(known);
        }
        let name = item.split.meta().id.as_str();
        let answer = timed(task, run, name, || {
            search_split(task, snapshot, (item.position, item.split), share, run)
        })?;
        if let Some((cache, key)) = cache {
            cache.keep(key, &answer);
        }
        Ok(answer)
    };
    let parts: Vec<_> = pool.install(|| wave.par_iter().with_max_len(1).map(search).collect());
    for (mut part, (item, _)) in parts.into_iter().zip(wave) {
        if let Ok(answer) = &mut part {
            place_hits(&mut answer.partials, item.position);
        }
        if item.part.0 == 0 {
            Waits(task.progress.as_deref()).is_done(&part);
        }
        take(merged, task, part, Some(item.split))?;
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
    split: Option<&Split>,
) -> Result<(), QueryError> {
    match part {
        Ok(part) => merged.add(&task.order, task.wanted, part),
        Err(LeafError::TimedOut) => merged.timed_out = true,
        Err(LeafError::Cancelled) => {
            return Err(QueryError::of(ErrorKind::Internal, "the search was cancelled"));
        }
        Err(LeafError::Query(error)) => return Err(error),
        Err(error @ LeafError::Read(_)) => {
            let failure = failure(task, split, &error);
            tracing::warn!(split = failure.split, %error, "search goes on without a split");
            merged.fail(failure);
        }
    }
    Ok(())
}

/// What is told of a split that cannot be read.
pub fn failure(task: &Task, split: Option<&Split>, error: &LeafError) -> ShardFailure {
    let names = split.map(|s| s.meta().indexes.iter().map(|(name, _)| name.as_str()));
    let index = names.and_then(|mut names| names.find(|name| task.indexes.matches(name)));
    ShardFailure {
        split: split.map_or("live records", |s| s.meta().id.as_str()).to_owned(),
        index: index.unwrap_or_default().to_owned(),
        kind: match error {
            LeafError::Read(ReadError::Damaged { .. }) => "corrupt_index_exception",
            _ => "i_o_exception",
        },
        reason: error.to_string(),
    }
}

/// Notes how long the work on a segment takes, if that is asked.
fn timed(
    task: &Task,
    run: &Run,
    name: &str,
    work: impl FnOnce() -> Result<SegmentAnswer, LeafError>,
) -> Result<SegmentAnswer, LeafError> {
    if !task.profile {
        return work();
    }
    let start = run.now_ns();
    let mut answer = work()?;
    let all_ns = run.now_ns().saturating_sub(start).max(0) as u64;
    let mut spent = answer.spent.take().unwrap_or_default();
    spent.segment = name.to_owned();
    spent.query_ns = all_ns.saturating_sub(spent.hits_ns + spent.aggs_ns);
    spent.matching = answer.count;
    answer.spent = Some(spent);
    Ok(answer)
}

/// Tells those who wait how far the search is.
struct Waits<'a>(Option<&'a Progress>);

impl Waits<'_> {
    fn opens(&self, segments: usize) {
        if let Some(progress) = self.0 {
            progress.segments.fetch_add(segments as u64, Ordering::Relaxed);
        }
    }

    fn is_done(&self, part: &Result<SegmentAnswer, LeafError>) {
        if let (Some(progress), Ok(part)) = (self.0, part) {
            progress.done.fetch_add(1, Ordering::Relaxed);
            progress.found.fetch_add(part.count, Ordering::Relaxed);
        }
    }
}

fn search_live(
    task: &Task,
    snapshot: &Snapshot,
    (position, batch, before): (u32, &LiveBatch, u64),
    run: &Run,
) -> Result<SegmentAnswer, LeafError> {
    if task.part.is_over(before) {
        return Ok(SegmentAnswer::default());
    }
    let view = LiveView::new(batch, snapshot.node, &snapshot.text_fields);
    let found = view.matching(&task.node, (task.time, &task.indexes), run)?;
    if found.is_empty() && !task.looks_at_all {
        return Ok(SegmentAnswer::default());
    }
    let of_batch = |found: Vec<u32>| {
        let mut rows = RowSet::none(batch.batch.batch.records().len() as u32);
        found.iter().for_each(|row| rows.insert(*row));
        rows
    };
    let all = match task.looks_at_all {
        true => Some(view.matching(&Node::All, (TimeRange::ALL, &task.indexes), run)?),
        false => None,
    };
    let (rows, all) = (of_batch(found), all.map(of_batch));
    let segment = Segment::Live(view, run);
    let rows = task.part.of(segment, rows, before)?;
    let segment = (segment, position);
    let mut answer = segment_answer(task, segment, (&rows, all.as_ref()), task.wanted)?;
    place_hits(&mut answer.partials, position);
    Ok(answer)
}

/// The answer of a segment, once it is known which of its rows match; and which there are, where
/// aggregations look at all.
///
/// # Errors
/// The split cannot be read, a limit is reached, or the search was stopped.
pub fn segment_answer(
    task: &Task,
    (segment, position): (Segment<'_>, u32),
    (rows, all): (&RowSet, Option<&RowSet>),
    wanted: usize,
) -> Result<SegmentAnswer, LeafError> {
    let scores = task.scores(segment, rows, wanted)?;
    let enough = match (task.rank.min_score, &scores) {
        (Some(least), Some(scores)) => Some(scores.at_least(least, rows.docs())),
        _ => None,
    };
    let rows = enough.as_ref().unwrap_or(rows);
    let filtered = match &task.post {
        Some(post) => Some(post_rows(segment, post, rows)?),
        None => None,
    };
    let hits = filtered.as_ref().unwrap_or(rows);
    let now = || if task.profile { segment.run().now_ns() } else { 0 };
    let start = now();
    let candidates = top(segment, position, hits, (&task.order, wanted), scores.as_ref())?;
    let between = now();
    let partials = match (all, rows.is_empty() || task.aggs.is_empty()) {
        (Some(all), _) => aggregate::collect_all(&task.aggs, segment, (rows, all))?,
        (None, true) => Vec::new(),
        (None, false) => aggregate::collect(&task.aggs, segment, rows)?,
    };
    let spent = task.profile.then(|| {
        Box::new(Spent {
            hits_ns: between.saturating_sub(start).max(0) as u64,
            aggs_ns: now().saturating_sub(between).max(0) as u64,
            ..Spent::default()
        })
    });
    let best = scores.filter(|_| task.rank.best).and_then(|scores| scores.best(hits));
    let count = u64::from(hits.count());
    Ok(SegmentAnswer { count, partly: false, candidates, partials, spent, best })
}

/// Of the rows those that pass the filter of the hits.
fn post_rows(segment: Segment<'_>, post: &Node, rows: &RowSet) -> Result<RowSet, LeafError> {
    let all = IndexPatterns::default();
    match segment {
        Segment::Split(eval) => eval.matching_of(post, &all, rows),
        Segment::Live(view, run) => {
            let mut out = RowSet::none(rows.docs());
            let passing = view.matching(post, (TimeRange::ALL, &all), run)?;
            passing.into_iter().for_each(|row| out.insert(row));
            out.and(rows);
            Ok(out)
        }
    }
}
