//! Which pages of cells do the records of a segment make? Rows found by the search, then filtered,
//! then read.
//!
//! Columns are read only for rows that are left, and only those that somebody reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use index::read::{RowSet, Snapshot};
use model::time::{TimeRange, Timestamp};
use rayon::ThreadPool;

use super::steps::{apply, set};
use crate::aggregate::source::Segment;
use crate::ast::Query;
use crate::erase::kept_rows;
use crate::error::QueryError;
use crate::esql::eval::Page;
use crate::esql::plan::{Context, Ex, Field, FieldKind, Stage, Step};
use crate::esql::push::push;
use crate::esql::query::Scope;
use crate::esql::read::Reader;
use crate::leaf::{LeafError, LiveView, Memo, Run, SplitEval};
use crate::plan::{IndexPatterns, Node};

/// What a search runs on.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The records.
    pub snapshot: &'a Snapshot,
    /// Its limits.
    pub run: &'a Run,
    /// Its threads.
    pub pool: &'a ThreadPool,
}

/// A condition that may be left to do: the fields that must have one value for it to be done.
struct Residual {
    ex: Ex,
    exact: Option<Vec<usize>>,
}

/// The first stage of a query.
pub struct Scan<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) fields: &'a [Field],
    pub(super) steps: Vec<Step>,
    pub(super) context: &'a Context,
    /// The conditions that the search answers.
    pub(super) node: Node,
    pub(super) indexes: IndexPatterns,
    pub(super) time: TimeRange,
    residuals: Vec<Residual>,
    slots: usize,
    /// Records that were looked at.
    pub(super) found: AtomicU64,
    /// Values that were read.
    pub(super) loaded: AtomicU64,
}

/// A live batch or a split of the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) split: bool,
    pub(super) at: usize,
    /// The times of its records.
    pub(super) time: TimeRange,
}

impl<'a> Scan<'a> {
    /// Plans the first stage over records.
    ///
    /// # Errors
    /// A condition is no query.
    pub fn new(
        ground: Ground<'a>,
        fields: &'a [Field],
        stage: &Stage,
        context: &'a Context,
        scope: &Scope,
    ) -> Result<Self, QueryError> {
        let (mut steps, mut residuals, mut queries) =
            (Vec::new(), Vec::new(), vec![scope.filter.clone()]);
        for step in &stage.steps {
            let Step::Filter(ex) = step else {
                steps.push(step.clone());
                continue;
            };
            let parts = match ex {
                Ex::And(list) => list.clone(),
                other => vec![other.clone()],
            };
            for part in parts {
                let mut of_source = true;
                part.slots(&mut |slot| of_source &= fields.iter().any(|f| f.slot == slot));
                if !of_source {
                    steps.push(Step::Filter(part));
                    continue;
                }
                let pushed = push(&part, fields, context.any_value);
                queries.push(pushed.query);
                residuals.push(Residual { ex: part, exact: pushed.exact });
            }
        }
        // What is done in any case needs no second look.
        residuals.retain(|r| r.exact.as_ref().is_none_or(|fields| !fields.is_empty()));
        let query = match queries.contains(&Query::None) {
            true => Query::None,
            false => Query::all_of(queries),
        };
        let node = Node::of(&query)?;
        Ok(Self {
            ground,
            fields,
            steps,
            context,
            time: node.time(),
            node,
            indexes: scope.indexes.clone(),
            residuals,
            slots: stage.slots,
            found: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
        })
    }

    /// The segments that can hold matching records.
    pub(super) fn places(&self) -> Vec<Place> {
        let snapshot = self.ground.snapshot;
        let live = snapshot.live.iter().enumerate().filter(|(_, live)| {
            live.batch.batch.indexes().iter().any(|n| self.indexes.matches(n.as_str()))
        });
        let live = live.map(|(at, live)| Place { split: false, at, time: live.time });
        let splits = snapshot.splits.iter().enumerate().filter(|(_, split)| {
            split.meta().indexes.iter().any(|(n, _)| self.indexes.matches(n.as_str()))
        });
        let splits = splits.map(|(at, split)| Place { split: true, at, time: split.meta().time });
        let wanted = |p: &Place| !self.time.is_empty() && self.time.overlaps(&p.time);
        live.chain(splits).filter(wanted).collect()
    }

    /// Opens a segment and works in it.
    ///
    /// # Errors
    /// It cannot be read, or the work fails.
    pub(super) fn within<T>(
        &self,
        place: Place,
        work: impl FnOnce(&mut Opened<'_>) -> Result<T, LeafError>,
    ) -> Result<T, LeafError> {
        let (snapshot, run) = (self.ground.snapshot, self.ground.run);
        run.check()?;
        if place.split {
            let reader = snapshot.splits[place.at].open()?;
            let memo = Memo::default();
            let text_fields = &snapshot.text_fields;
            let eval = SplitEval { reader: &reader, text_fields, run, memo: &memo };
            let mut opened = self.opened(Segment::Split(eval));
            opened.kept = kept_rows(snapshot, &snapshot.splits[place.at], &reader)?;
            work(&mut opened)
        } else {
            let live = &snapshot.live[place.at];
            let view = LiveView::new(live, snapshot.node, &snapshot.text_fields);
            work(&mut self.opened(Segment::Live(view, run)))
        }
    }

    fn opened<'s>(&'s self, segment: Segment<'s>) -> Opened<'s> {
        let readers = self.fields.iter().map(|_| None).collect();
        Opened { scan: self, segment, readers, residuals: None, kept: None }
    }
}

/// A segment that is being read.
pub struct Opened<'s> {
    scan: &'s Scan<'s>,
    pub(super) segment: Segment<'s>,
    readers: Vec<Option<Reader<'s>>>,
    /// The conditions that are left to do here.
    residuals: Option<Vec<&'s Ex>>,
    /// The rows that are not deleted, unless that is all.
    kept: Option<Arc<RowSet>>,
}

impl<'s> Opened<'s> {
    fn reader(&mut self, at: usize) -> Result<&mut Reader<'s>, LeafError> {
        let (segment, field) = (self.segment, &self.scan.fields[at]);
        let reader = &mut self.readers[at];
        match reader {
            Some(reader) => Ok(reader),
            None => Ok(reader.insert(Reader::open(segment, field)?)),
        }
    }

    fn residuals(&mut self) -> Result<Vec<&'s Ex>, LeafError> {
        if let Some(known) = &self.residuals {
            return Ok(known.clone());
        }
        let mut out = Vec::new();
        for residual in &self.scan.residuals {
            let mut left = residual.exact.is_none();
            for slot in residual.exact.iter().flatten() {
                if let Some(at) = self.scan.fields.iter().position(|f| f.slot == *slot) {
                    left |= self.reader(at)?.may_be_multi();
                }
            }
            if left {
                out.push(&residual.ex);
            }
        }
        self.residuals = Some(out.clone());
        Ok(out)
    }

    /// The rows of the query's time that are there.
    ///
    /// # Errors
    /// The split cannot be read.
    pub(super) fn open_rows(&self, eval: SplitEval<'_>) -> Result<RowSet, LeafError> {
        let mut out = RowSet::range(eval.reader.docs(), eval.reader.rows_in(self.scan.time)?);
        if let Some(kept) = &self.kept {
            out.and(kept);
        }
        Ok(out)
    }

    /// The paths that are read when these columns are needed, and whether times are.
    pub(super) fn paths(&self, needed: &[bool]) -> (Vec<&'s str>, bool) {
        let mut wanted = needed.to_vec();
        for residual in &self.scan.residuals {
            residual.ex.slots(&mut |slot| {
                if let Some(mark) = wanted.get_mut(slot) {
                    *mark = true;
                }
            });
        }
        let (mut paths, mut times) = (Vec::new(), false);
        for field in self.scan.fields {
            if wanted.get(field.slot).copied().unwrap_or(false) {
                match &field.kind {
                    FieldKind::Path(path) => paths.push(path.as_str()),
                    FieldKind::Index => paths.push("_index"),
                    FieldKind::Time => times = true,
                    _ => {}
                }
            }
        }
        (paths, times)
    }

    fn load(&mut self, page: &mut Page, at: usize, rows: &[u32]) -> Result<(), LeafError> {
        let slot = self.scan.fields[at].slot;
        if page.columns.get(slot).is_some_and(|column| !column.is_empty()) {
            return Ok(());
        }
        let column = self.reader(at)?.load(rows)?;
        debug_assert_eq!(column.len(), rows.len());
        self.scan.loaded.fetch_add(column.len() as u64, Ordering::Relaxed);
        set(page, slot, column);
        Ok(())
    }

    /// The page of rising, distinct rows that pass, after all steps; `rows` keeps their numbers.
    ///
    /// # Errors
    /// The segment cannot be read, or a limit is reached.
    pub(super) fn page(&mut self, rows: &mut Vec<u32>, needed: &[bool]) -> Result<Page, LeafError> {
        let scan = self.scan;
        let mut page = Page { rows: rows.len(), columns: vec![Vec::new(); scan.slots] };
        for ex in self.residuals()? {
            let mut slots = Vec::new();
            ex.slots(&mut |slot| slots.push(slot));
            for at in 0..scan.fields.len() {
                if slots.contains(&scan.fields[at].slot) {
                    self.load(&mut page, at, rows)?;
                }
            }
            super::steps::filter(ex, &mut page, rows, scan.context);
            if page.rows == 0 {
                return Ok(page);
            }
        }
        scan.found.fetch_add(rows.len() as u64, Ordering::Relaxed);
        for at in 0..scan.fields.len() {
            if needed.get(scan.fields[at].slot).copied().unwrap_or(false) {
                self.load(&mut page, at, rows)?;
            }
        }
        apply(&scan.steps, &mut page, rows, (needed, scan.context));
        Ok(page)
    }

    /// The times of rising rows, nanoseconds.
    pub(super) fn times(&self, rows: &[u32]) -> Result<Vec<i64>, LeafError> {
        let mut out = Vec::with_capacity(rows.len());
        let mut distinct = rows.to_vec();
        distinct.dedup();
        if distinct.len() == rows.len() {
            self.segment.times(rows, &mut out)?;
            return Ok(out);
        }
        let mut each = Vec::with_capacity(distinct.len());
        self.segment.times(&distinct, &mut each)?;
        let mut at = 0;
        for row in rows {
            if distinct[at] != *row {
                at += 1;
            }
            out.push(each[at]);
        }
        Ok(out)
    }

    /// The number of a record.
    pub(super) fn seq(&self, row: u32) -> Result<u64, LeafError> {
        Ok(match &self.segment {
            Segment::Split(eval) => eval.reader.seq(row)?.0,
            Segment::Live(view, _) => view.seq(row).0,
        })
    }
}

/// A time that lies before or after all others.
pub(super) fn end_of(range: TimeRange, newest_first: bool) -> i64 {
    let Timestamp(at) = if newest_first { range.to } else { range.from };
    if newest_first { at.saturating_sub(1) } else { at }
}
