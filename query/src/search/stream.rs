//! How is every hit given, however many? Segments are merged by time, a page of sources at a time.
//!
//! Holds one bit a row of the splits whose time is being read, never the records themselves.

use std::collections::BinaryHeap;
use std::sync::Arc;

use index::read::{RowSet, Snapshot, SplitReader};
use model::time::TimeRange;
use tokio::sync::mpsc::Sender;

use super::execute::Task;
use super::order::{Candidate, Order, Place, SortValue};
use super::page::{Wanted, page};
use crate::answer::Hit;
use crate::erase::kept_rows;
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, LiveView, Memo, Run, SplitEval};

/// Hits whose sources are read together.
const PAGE_HITS: usize = 256;
/// Rows that are taken out of a set at once.
const READY_ROWS: usize = 4096;
/// Memory of a live record that waits for its turn, in bytes.
const WAITING_BYTES: usize = 32;

/// A segment that is being read.
enum Cursor {
    /// Time, number and position of records, the next at the end.
    Live(u32, Vec<(i64, u64, u32)>),
    /// The rows that are left, and those that are next, the first at the end.
    Split { position: u32, reader: Arc<SplitReader>, rows: RowSet, ready: Vec<u32> },
}

/// The next record of a cursor; the heap gives the greatest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    /// Time and number, negated when the oldest come first.
    time: i128,
    seq: i128,
    cursor: usize,
}

/// What is yet to be opened.
enum Pending {
    Live(u32),
    Split(u32),
}

/// Streams the hits of a snapshot.
pub struct Stream<'a> {
    task: &'a Task,
    snapshot: &'a Snapshot,
    run: &'a Run,
    wanted: &'a Wanted,
    newest_first: bool,
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Next>,
}

impl<'a> Stream<'a> {
    /// Of a planned search.
    pub fn new(task: &'a Task, snapshot: &'a Snapshot, run: &'a Run, wanted: &'a Wanted) -> Self {
        let newest_first = task.order.by_time().unwrap_or(true);
        Self {
            task,
            snapshot,
            run,
            wanted,
            newest_first,
            cursors: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }

    /// Sends every hit, then ends; also when the receiver is gone.
    pub fn send_all(mut self, to: &Sender<Result<Hit, QueryError>>) {
        if let Err(error) = self.run_through(to)
            && !matches!(error, LeafError::Cancelled)
        {
            let _ = to.blocking_send(Err(match error {
                LeafError::Query(error) => error,
                error => QueryError::of(ErrorKind::Internal, error.to_string()),
            }));
        }
    }

    fn run_through(&mut self, to: &Sender<Result<Hit, QueryError>>) -> Result<(), LeafError> {
        let mut pending = self.pending();
        let mut chosen = Vec::with_capacity(PAGE_HITS);
        loop {
            self.run.check()?;
            while let Some((time, _)) = pending.last()
                && self.heap.peek().is_none_or(|next| self.may_come_first(*time, next))
            {
                if let Some((_, pending)) = pending.pop() {
                    self.open(&pending)?;
                }
            }
            let Some(next) = self.heap.pop() else { break };
            chosen.push(self.candidate(next.cursor)?);
            self.advance(next.cursor)?;
            if chosen.len() == PAGE_HITS {
                self.send(&mut chosen, to)?;
            }
        }
        self.send(&mut chosen, to)
    }

    /// Segments with their times, the first to be read at the end.
    fn pending(&self) -> Vec<(TimeRange, Pending)> {
        let live = (0u32..).zip(&self.snapshot.live).map(|(at, l)| (l.time, Pending::Live(at)));
        let splits =
            (0u32..).zip(&self.snapshot.splits).map(|(at, s)| (s.meta().time, Pending::Split(at)));
        let mut out: Vec<_> =
            live.chain(splits).filter(|(time, _)| self.task.time.overlaps(time)).collect();
        if self.newest_first {
            out.sort_by_key(|(time, _)| time.to);
        } else {
            out.sort_by_key(|(time, _)| std::cmp::Reverse(time.from));
        }
        out
    }

    fn may_come_first(&self, time: TimeRange, next: &Next) -> bool {
        if self.newest_first {
            i128::from(time.to.0) >= next.time
        } else {
            -i128::from(time.from.0) >= next.time
        }
    }

    fn open(&mut self, pending: &Pending) -> Result<(), LeafError> {
        let task = self.task;
        let cursor = match pending {
            Pending::Live(position) => {
                let batch = &self.snapshot.live[*position as usize];
                let view = LiveView::new(batch, self.snapshot.node, &self.snapshot.text_fields);
                let rows = view.matching(&task.node, (task.time, &task.indexes), self.run)?;
                self.run.charge(rows.len() * WAITING_BYTES)?;
                let records = view.batch.records();
                let mut list: Vec<_> = rows
                    .iter()
                    .map(|row| (records[*row as usize].timestamp.0, view.seq(*row).0, *row))
                    .collect();
                list.sort_unstable();
                if !self.newest_first {
                    list.reverse();
                }
                Cursor::Live(*position, list)
            }
            Pending::Split(position) => {
                let split = &self.snapshot.splits[*position as usize];
                let reader = split.open()?;
                let text_fields = &self.snapshot.text_fields;
                let memo = Memo::default();
                let eval = SplitEval { reader: &reader, text_fields, run: self.run, memo: &memo };
                let mut rows = eval.matching(&task.node, task.time, &task.indexes)?;
                if let Some(kept) = kept_rows(self.snapshot, split, &reader)? {
                    rows.and(&kept);
                }
                self.run.charge(rows.docs() as usize / 8)?;
                let mut cursor =
                    Cursor::Split { position: *position, reader, rows, ready: Vec::new() };
                cursor.refill(self.newest_first);
                cursor
            }
        };
        self.cursors.push(cursor);
        self.queue(self.cursors.len() - 1)
    }

    fn queue(&mut self, cursor: usize) -> Result<(), LeafError> {
        let sign = if self.newest_first { 1 } else { -1 };
        let next = match &self.cursors[cursor] {
            Cursor::Live(_, list) => list.last().map(|(time, seq, _)| (*time, *seq)),
            Cursor::Split { reader, ready, .. } => match ready.last() {
                Some(row) => Some((reader.timestamp(*row)?.0, reader.seq(*row)?.0)),
                None => None,
            },
        };
        if let Some((time, seq)) = next {
            let (time, seq) = (i128::from(time) * sign, i128::from(seq) * sign);
            self.heap.push(Next { time, seq, cursor });
        }
        Ok(())
    }

    fn candidate(&self, cursor: usize) -> Result<Candidate, LeafError> {
        let (time, seq, place) = match &self.cursors[cursor] {
            Cursor::Live(position, list) => {
                let (time, seq, row) = list.last().copied().unwrap_or_default();
                (time, seq, Place::Live(*position, row))
            }
            Cursor::Split { position, reader, ready, .. } => {
                let row = ready.last().copied().unwrap_or_default();
                (reader.timestamp(row)?.0, reader.seq(row)?.0, Place::Split(*position, row))
            }
        };
        let first = match self.task.order.by_time() {
            Some(_) => self.task.order.keys[0].time(time),
            None => SortValue::Missing,
        };
        let rest = self.task.order.keys[1..].iter().map(|_| SortValue::Missing).collect();
        Ok(Candidate { first, rest, time, seq, place, group: None })
    }

    fn advance(&mut self, cursor: usize) -> Result<(), LeafError> {
        let newest_first = self.newest_first;
        let freed = self.cursors[cursor].step(newest_first);
        self.run.release(freed);
        self.queue(cursor)
    }

    fn send(
        &self,
        chosen: &mut Vec<Candidate>,
        to: &Sender<Result<Hit, QueryError>>,
    ) -> Result<(), LeafError> {
        let mut failed = None;
        let order: &Order = &self.task.order;
        let hits = page(self.snapshot, chosen, (order, self.wanted), |_, error| {
            failed.get_or_insert(error);
        });
        chosen.clear();
        if let Some(error) = failed {
            return Err(error);
        }
        for hit in hits {
            if to.blocking_send(Ok(hit)).is_err() {
                return Err(LeafError::Cancelled);
            }
        }
        Ok(())
    }
}

impl Cursor {
    /// Takes the next rows of a split out of the set.
    fn refill(&mut self, newest_first: bool) {
        let Cursor::Split { rows, ready, .. } = self else { return };
        if newest_first {
            ready.extend(rows.iter_rev().take(READY_ROWS));
        } else {
            ready.extend(rows.iter().take(READY_ROWS));
        }
        ready.iter().for_each(|row| rows.remove(*row));
        ready.reverse();
        if ready.is_empty() {
            // Nothing is left: let go of the split.
            *self = Cursor::Live(0, Vec::new());
        }
    }

    /// Goes on after a record was taken; tells how much memory is free now, in bytes.
    fn step(&mut self, newest_first: bool) -> usize {
        match self {
            Cursor::Live(_, list) => {
                list.pop();
                WAITING_BYTES
            }
            Cursor::Split { ready, .. } => {
                ready.pop();
                if ready.is_empty() {
                    self.refill(newest_first);
                }
                0
            }
        }
    }
}
