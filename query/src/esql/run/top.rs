//! Which are the first rows of an order? Candidates by their keys, then the whole rows of the best.
//!
//! In the order of time segments are looked at as they come, and no further than it takes.

use std::cmp::Ordering;

use index::read::RowSet;
use model::time::NS_PER_MS;
use rayon::prelude::*;

use super::scan::{Opened, Place, Scan, end_of};
use super::steps::through_steps;
use crate::aggregate::source::Segment;
use crate::error::QueryError;
use crate::esql::eval::Page;
use crate::esql::plan::{FieldKind, Key, Step};
use crate::esql::value::Cell;
use crate::leaf::scan::for_each_block;
use crate::leaf::{LeafError, Run};

/// Rows whose cells are read together.
const PAGE_ROWS: usize = 512;
/// Rows of the first look into a split.
const STEP_ROWS: u32 = 4096;

/// A row that may be among the first.
#[derive(Clone, Debug)]
struct Entry {
    keys: Vec<Cell>,
    time: i64,
    seq: u64,
    place: usize,
    row: u32,
    /// Which of the rows that became of one record.
    part: u32,
    /// The row itself, where it cannot be made again from the record.
    cells: Option<Vec<Cell>>,
}

impl Entry {
    fn bytes(&self) -> usize {
        let heap =
            |list: &[Cell]| list.iter().map(|c| c.heap_bytes() + size_of::<Cell>()).sum::<usize>();
        size_of::<Self>() + heap(&self.keys) + self.cells.as_deref().map_or(0, heap)
    }
}

/// How two cells of a key compare.
pub fn by_key(key: &Key, a: &Cell, b: &Cell) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => return Ordering::Equal,
        (true, false) if key.nulls_first => return Ordering::Less,
        (true, false) => return Ordering::Greater,
        (false, true) if key.nulls_first => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Of several values the one that comes first counts.
    let (a, b) = match key.descending {
        false => (extreme(a, Ordering::Less), extreme(b, Ordering::Less)),
        true => (extreme(a, Ordering::Greater), extreme(b, Ordering::Greater)),
    };
    if key.descending { b.order(a) } else { a.order(b) }
}

fn extreme(cell: &Cell, wanted: Ordering) -> &Cell {
    let values = cell.values().iter();
    values.reduce(|best, v| if v.order(best) == wanted { v } else { best }).unwrap_or(cell)
}

/// The order of one query, and what of rows it takes to know it.
pub struct Top<'a> {
    scan: &'a Scan<'a>,
    keys: &'a [Key],
    limit: usize,
    /// The columns that order and conditions read.
    needed: Vec<bool>,
    /// The columns that are wanted in the end.
    wanted: &'a [bool],
    /// Whole rows are kept, since steps make several of one record.
    whole: bool,
    /// The first key is the time: the newest first?
    by_time: Option<bool>,
    newest_first: bool,
    /// Only records after this one.
    after: Option<(i64, u64)>,
}

/// The best rows so far.
struct Best<'t, 'a> {
    top: &'t Top<'a>,
    entries: Vec<Entry>,
    /// Nothing was added since they were last put in order.
    settled: bool,
    /// The last of as many as are wanted: what comes after it is of no account.
    bound: Option<Entry>,
    bytes: usize,
    run: &'a Run,
}

impl Drop for Best<'_, '_> {
    fn drop(&mut self) {
        self.run.release(self.bytes);
    }
}

impl Best<'_, '_> {
    fn push(&mut self, entry: Entry) -> Result<(), LeafError> {
        let bytes = entry.bytes();
        self.run.charge(bytes)?;
        self.bytes += bytes;
        self.settled = false;
        self.entries.push(entry);
        if self.entries.len() >= self.top.limit.saturating_mul(2).max(256) {
            self.settle();
        }
        Ok(())
    }

    fn settle(&mut self) {
        let top = self.top;
        self.entries.sort_by(|a, b| top.compare(a, b));
        self.entries.truncate(top.limit);
        self.settled = true;
        if self.entries.len() == top.limit {
            self.bound = self.entries.last().map(|e| Entry { cells: None, ..e.clone() });
        }
        let left: usize = self.entries.iter().map(Entry::bytes).sum();
        self.run.release(self.bytes - left);
        self.bytes = left;
    }

    /// Whether rows of this time or later in the order change nothing.
    fn is_enough(&mut self, time: i64) -> bool {
        let Some(newest_first) = self.top.by_time else { return false };
        if !self.settled && self.entries.len() >= self.top.limit {
            self.settle();
        }
        let Some(worst) = &self.bound else { return false };
        let (worst, time) = (worst.time.div_euclid(NS_PER_MS), time.div_euclid(NS_PER_MS));
        if newest_first { time < worst } else { time > worst }
    }

    /// Whether a row, the number of which is not known yet, is not among the first.
    fn leaves_out(&self, entry: &Entry) -> bool {
        let Some(bound) = &self.bound else { return false };
        let top = self.top;
        let mut order = Ordering::Equal;
        for (at, key) in top.keys.iter().enumerate() {
            order = order.then_with(|| by_key(key, &bound.keys[at], &entry.keys[at]));
        }
        let times = bound.time.cmp(&entry.time);
        order.then(if top.newest_first { times.reverse() } else { times }).is_lt()
    }
}

impl<'a> Top<'a> {
    /// The first `limit` rows; `wanted` are the columns of the result.
    pub fn new(
        scan: &'a Scan<'a>,
        keys: &'a [Key],
        limit: usize,
        wanted: &'a [bool],
        after: Option<(i64, u64)>,
    ) -> Self {
        let whole = scan.steps.iter().any(|s| matches!(s, Step::Expand(..)));
        let mut needed = vec![false; wanted.len()];
        if whole {
            needed.copy_from_slice(wanted);
        }
        for key in keys {
            if let Some(mark) = needed.get_mut(key.slot) {
                *mark = true;
            }
        }
        through_steps(&scan.steps, &mut needed);
        let is_time =
            |slot: usize| scan.fields.iter().any(|f| f.slot == slot && f.kind == FieldKind::Time);
        let by_time = match keys.first() {
            None => Some(true),
            Some(key) if is_time(key.slot) => Some(key.descending),
            Some(_) => None,
        };
        let newest_first = by_time.unwrap_or(true);
        Self { scan, keys, limit, needed, wanted, whole, by_time, newest_first, after }
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        for (at, key) in self.keys.iter().enumerate() {
            let order = by_key(key, &a.keys[at], &b.keys[at]);
            if order.is_ne() {
                return order;
            }
        }
        let times = (a.time, a.seq).cmp(&(b.time, b.seq));
        let times = if self.newest_first { times.reverse() } else { times };
        times.then(a.part.cmp(&b.part))
    }

    /// The rows, in order; segments that fail are given to `failed`.
    ///
    /// # Errors
    /// A limit is reached, or the search was stopped.
    pub fn rows(
        &self,
        mut failed: impl FnMut(&Place, LeafError) -> Result<(), QueryError>,
    ) -> Result<(Page, Vec<(i64, u64)>), QueryError> {
        let mut best = self.best();
        let mut places = self.scan.places();
        if self.limit == 0 {
            places.clear();
        }
        places.sort_by_key(|p| {
            let end = end_of(p.time, self.newest_first);
            if self.newest_first { -i128::from(end) } else { i128::from(end) }
        });
        let places: Vec<(usize, Place)> = places.into_iter().enumerate().collect();
        let pool = self.scan.ground.pool;
        let wave = match self.by_time {
            Some(_) => pool.current_num_threads().max(1),
            None => places.len().max(1),
        };
        for wave in places.chunks(wave) {
            let ends: Vec<bool> = wave
                .iter()
                .map(|(_, p)| best.is_enough(end_of(p.time, self.newest_first)))
                .collect();
            let wave: Vec<&(usize, Place)> =
                wave.iter().zip(&ends).filter(|(_, enough)| !**enough).map(|(p, _)| p).collect();
            let search = |(number, place): &&(usize, Place)| self.search(*number, *place);
            let found: Vec<_> =
                pool.install(|| wave.par_iter().with_max_len(1).map(search).collect());
            for (part, (_, place)) in found.into_iter().zip(wave) {
                match part {
                    Ok(mut part) => {
                        for entry in std::mem::take(&mut part.entries) {
                            best.push(entry).or_else(|e| failed(place, e))?;
                        }
                    }
                    Err(error) => failed(place, error)?,
                }
            }
        }
        best.settle();
        let entries = std::mem::take(&mut best.entries);
        self.whole_rows(entries, &places, failed)
    }

    fn best(&self) -> Best<'_, 'a> {
        let run = self.scan.ground.run;
        Best { top: self, entries: Vec::new(), settled: true, bound: None, bytes: 0, run }
    }

    /// The best rows of one segment.
    fn search(&self, number: usize, place: Place) -> Result<Best<'_, 'a>, LeafError> {
        self.scan.within(place, |opened| {
            let mut best = self.best();
            match opened.segment {
                Segment::Live(view, run) => {
                    let scan = self.scan;
                    let rows = view.matching(&scan.node, (scan.time, &scan.indexes), run)?;
                    for block in rows.chunks(PAGE_ROWS) {
                        run.check()?;
                        self.take(&mut best, opened, number, block)?;
                    }
                }
                Segment::Split(_) => self.search_split(&mut best, opened, number)?,
            }
            best.settle();
            Ok(best)
        })
    }

    fn search_split(
        &self,
        best: &mut Best<'_, '_>,
        opened: &mut Opened<'_>,
        number: usize,
    ) -> Result<(), LeafError> {
        let Segment::Split(eval) = opened.segment else { return Ok(()) };
        let scan = self.scan;
        let within = opened.open_rows(eval)?;
        let within = eval.possible(&scan.node, &within)?;
        let (paths, _) = opened.paths(&self.needed);
        eval.prefetch((&[&scan.node], &scan.indexes), (&paths, true), &within)?;
        if self.by_time.is_none() {
            let rows = eval.matching_of(&scan.node, &scan.indexes, &within)?;
            return for_each_block(&rows, eval.run, |block| {
                block.chunks(PAGE_ROWS).try_for_each(|b| self.take(best, opened, number, b))
            });
        }
        let (mut open, mut size) = (within.span(), STEP_ROWS);
        while !open.is_empty() {
            eval.run.check()?;
            let count = size.min(open.end - open.start);
            let step = match self.newest_first {
                true => open.end - count..open.end,
                false => open.start..open.start + count,
            };
            match self.newest_first {
                true => open.end -= count,
                false => open.start += count,
            }
            // Where little matches, the rest is better looked at as a whole.
            size = size.saturating_mul(4);
            let edge = if self.newest_first { step.end - 1 } else { step.start };
            if best.is_enough(eval.reader.timestamp(edge)?.0) {
                break;
            }
            let mut part = RowSet::range(within.docs(), step);
            part.and(&within);
            let rows = eval.matching_of(&scan.node, &scan.indexes, &part)?;
            let rows: Vec<u32> = rows.iter().collect();
            let mut blocks: Vec<&[u32]> = match self.newest_first {
                true => rows.rchunks(PAGE_ROWS).collect(),
                false => rows.chunks(PAGE_ROWS).collect(),
            };
            for block in blocks.drain(..) {
                let edge = if self.newest_first { block.last() } else { block.first() };
                if let Some(edge) = edge
                    && best.is_enough(eval.reader.timestamp(*edge)?.0)
                {
                    return Ok(());
                }
                self.take(best, opened, number, block)?;
            }
        }
        Ok(())
    }

    /// Takes the rows of a block that can be among the first.
    fn take(
        &self,
        best: &mut Best<'_, '_>,
        opened: &mut Opened<'_>,
        place: usize,
        block: &[u32],
    ) -> Result<(), LeafError> {
        let mut rows = block.to_vec();
        let page = opened.page(&mut rows, &self.needed)?;
        if page.rows == 0 {
            return Ok(());
        }
        let run = self.scan.ground.run;
        let bytes = page.bytes();
        run.charge(bytes)?;
        let times = opened.times(&rows)?;
        let mut part = 0;
        for (at, row) in rows.iter().enumerate() {
            part = if at > 0 && rows[at - 1] == *row { part + 1 } else { 0 };
            let keys = self.keys.iter().map(|key| page.cell(key.slot, at).clone()).collect();
            let mut entry =
                Entry { keys, time: times[at], seq: 0, place, row: *row, part, cells: None };
            let behind = self.after.is_some_and(|(time, _)| entry.time > time);
            if behind || best.leaves_out(&entry) {
                continue;
            }
            entry.seq = opened.seq(*row)?;
            if self.after.is_some_and(|after| (entry.time, entry.seq) >= after) {
                continue;
            }
            if self.whole {
                let slots = 0..self.wanted.len();
                entry.cells = Some(slots.map(|slot| page.cell(slot, at).clone()).collect());
            }
            best.push(entry)?;
        }
        run.release(bytes);
        Ok(())
    }

    /// The columns of the chosen rows.
    fn whole_rows(
        &self,
        entries: Vec<Entry>,
        places: &[(usize, Place)],
        mut failed: impl FnMut(&Place, LeafError) -> Result<(), QueryError>,
    ) -> Result<(Page, Vec<(i64, u64)>), QueryError> {
        let records: Vec<(i64, u64)> = match self.keys.is_empty() {
            true => entries.iter().map(|e| (e.time, e.seq)).collect(),
            false => Vec::new(),
        };
        let mut lines: Vec<Option<Vec<Cell>>> = vec![None; entries.len()];
        let mut by_place: Vec<Vec<(u32, usize)>> = vec![Vec::new(); places.len()];
        for (at, entry) in entries.into_iter().enumerate() {
            match entry.cells {
                Some(cells) => lines[at] = Some(cells),
                None => by_place[entry.place].push((entry.row, at)),
            }
        }
        for ((_, place), mut chosen) in places.iter().zip(by_place) {
            if chosen.is_empty() {
                continue;
            }
            chosen.sort_unstable();
            let read = self.scan.within(*place, |opened| self.read(opened, &chosen, &mut lines));
            if let Err(error) = read {
                failed(place, error)?;
            }
        }
        // Rows of a segment that failed are left out.
        let left = records.iter().zip(&lines).filter(|(_, line)| line.is_some());
        let left = left.map(|(record, _)| *record).collect();
        let mut page = Page { rows: 0, columns: vec![Vec::new(); self.wanted.len()] };
        for line in lines.into_iter().flatten() {
            page.rows += 1;
            for (slot, cell) in line.into_iter().enumerate() {
                if self.wanted.get(slot).copied().unwrap_or(false) {
                    page.columns[slot].push(cell);
                }
            }
        }
        Ok((page, left))
    }

    fn read(
        &self,
        opened: &mut Opened<'_>,
        chosen: &[(u32, usize)],
        lines: &mut [Option<Vec<Cell>>],
    ) -> Result<(), LeafError> {
        let run = self.scan.ground.run;
        for block in chosen.chunks(PAGE_ROWS) {
            run.check()?;
            let mut rows: Vec<u32> = block.iter().map(|c| c.0).collect();
            if let Segment::Split(eval) = opened.segment {
                let mut set = RowSet::none(eval.reader.docs());
                rows.iter().for_each(|row| set.insert(*row));
                let (paths, times) = opened.paths(self.wanted);
                eval.prefetch((&[], &self.scan.indexes), (&paths, times), &set)?;
            }
            let page = opened.page(&mut rows, self.wanted)?;
            // The result is held until it is sent.
            run.charge(page.bytes())?;
            let mut at = 0;
            for (row, line) in block {
                if rows.get(at) != Some(row) {
                    continue;
                }
                let slots = 0..self.wanted.len();
                lines[*line] = Some(slots.map(|slot| page.cell(slot, at).clone()).collect());
                at += 1;
            }
        }
        Ok(())
    }
}
