//! How is one split searched? Counted without rows where it can be, step by step where the first
//! hits are enough, else as a whole.
//!
//! Knows no other segments but by how much is found already.

use std::ops::Range;

use index::read::{RowSet, Snapshot, Split, SplitReader};

use super::execute::{Task, segment_answer};
use super::top::top;
use crate::aggregate::{self, source::Segment};
use crate::ast::Target;
use crate::erase::kept_rows;
use crate::leaf::{Count, LeafError, Memo, Run, SplitEval};
use crate::merge::SegmentAnswer;
use crate::plan::Node;
use crate::request::{SortBy, TrackTotal};

/// What a search wants of a split, and has found elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Hits wanted; 0 when the split can have none of the first.
    pub wanted: usize,
    /// Matching records found before.
    pub found: u64,
    /// Which part of the rows, and of how many: (0, 1) for all.
    pub part: (u32, u32),
}

/// Searches the split at a position of the snapshot.
///
/// # Errors
/// The split cannot be read, a limit is reached, or the search was stopped.
pub fn search_split(
    task: &Task,
    snapshot: &Snapshot,
    (position, split): (u32, &Split),
    share: Share,
    run: &Run,
) -> Result<SegmentAnswer, LeafError> {
    run.check()?;
    let reader = split.open()?;
    let memo = Memo::default();
    let text_fields = &snapshot.text_fields;
    let eval = SplitEval { reader: &reader, text_fields, run, memo: &memo };
    let kept = kept_rows(snapshot, split, &reader)?;
    if task.looks_at_all {
        return search_all(task, (eval, position), kept.as_deref(), share);
    }
    let mut within = RowSet::range(reader.docs(), reader.rows_in(task.time)?);
    if let Some(kept) = kept {
        within.and(&kept);
    }
    if within.is_empty() {
        return Ok(SegmentAnswer::default());
    }
    let by_steps = task.aggs.is_empty()
        && !task.rank.scores_all()
        && (share.wanted == 0 || task.order.by_time().is_some());
    let counted = match by_steps && task.part.is_all() {
        true => known_count(task, &eval, &within)?,
        false => None,
    };
    let known = match &counted {
        Some(Count::Known(count)) => Some(*count),
        _ => None,
    };
    if let (Some(count), 0) = (known, share.wanted) {
        let count = if share.part.0 == 0 { count } else { 0 };
        return Ok(SegmentAnswer { count, ..SegmentAnswer::default() });
    }
    let steps =
        by_steps && (known.is_some() || task.total != TrackTotal::All || task.part.is_bounded());
    let at_once = steps || counted.is_some() && share.wanted == 0;
    if share.part.1 > 1 {
        if at_once && share.part.0 > 0 {
            // The first part answers for all.
            return Ok(SegmentAnswer::default());
        }
        if !at_once {
            within.and(&RowSet::range(reader.docs(), part_of(share.part, &reader)));
        }
        if within.is_empty() {
            return Ok(SegmentAnswer::default());
        }
    }
    let within = eval.possible(&task.node, &within)?;
    if within.is_empty() {
        return Ok(SegmentAnswer::default());
    }
    let (fields, nodes) = task.reads();
    let times = share.wanted > 0;
    eval.prefetch((&nodes, &task.indexes), (&fields, times), &within)?;
    if let (Some(Count::Slots(sure, column, plan)), 0) = (&counted, share.wanted) {
        let count = sure + eval.slot_count(column, plan)?;
        return Ok(SegmentAnswer { count, ..SegmentAnswer::default() });
    }
    if steps {
        return Steps { task, eval, position, share, known }.search(&within);
    }
    search_rows(task, (eval, position), &within, share)
}

/// Searches some rows of a split as a whole.
fn search_rows(
    task: &Task,
    (eval, position): (SplitEval<'_>, u32),
    within: &RowSet,
    share: Share,
) -> Result<SegmentAnswer, LeafError> {
    let rows = eval.matching_of(&task.node, &task.indexes, within)?;
    let segment = Segment::Split(eval);
    let rows = task.part.of(segment, rows, share.found)?;
    segment_answer(task, (segment, position), (&rows, None), share.wanted)
}

/// Searches a part of a split for aggregations that look at every record.
fn search_all(
    task: &Task,
    (eval, position): (SplitEval<'_>, u32),
    kept: Option<&RowSet>,
    share: Share,
) -> Result<SegmentAnswer, LeafError> {
    let reader = eval.reader;
    let mut part = RowSet::range(reader.docs(), part_of(share.part, reader));
    kept.into_iter().for_each(|kept| part.and(kept));
    let (fields, nodes) = task.reads();
    eval.prefetch((&nodes, &task.indexes), (&fields, share.wanted > 0), &part)?;
    let all = eval.matching_of(&Node::All, &task.indexes, &part)?;
    let mut rows = all.clone();
    rows.clip(if task.time.is_empty() { 0..0 } else { reader.rows_in(task.time)? });
    let rows = eval.rows(&task.node, &rows)?;
    let segment = Segment::Split(eval);
    let rows = task.part.of(segment, rows, share.found)?;
    segment_answer(task, (segment, position), (&rows, Some(&all)), share.wanted)
}

/// The rows of a part: whole groups, about the same number in each part.
fn part_of((number, parts): (u32, u32), reader: &SplitReader) -> Range<u32> {
    let groups = reader.groups();
    let border = |part: u32| {
        let group = (groups.len() as u64 * u64::from(part)).div_ceil(u64::from(parts));
        groups.get(group as usize).map_or(reader.docs(), |rows| rows.start)
    };
    border(number)..border(number + 1)
}

impl Task {
    /// The fields that are read beside the query, and the queries.
    fn reads(&self) -> (Vec<&str>, Vec<&Node>) {
        let (mut fields, mut nodes) = (Vec::new(), vec![&self.node]);
        nodes.extend(&self.post);
        aggregate::reads(&self.aggs, &mut fields, &mut nodes);
        fields.extend(self.order.collapse.as_deref());
        for key in &self.order.keys {
            if let SortBy::Field(path) = &key.by {
                fields.push(path);
            }
        }
        if let Some(scorer) = &self.rank.scorer {
            fields.extend(scorer.fields());
        }
        (fields, nodes)
    }
}

/// Looks at some rows at a time, in the order of hits, until it is enough.
struct Steps<'a> {
    task: &'a Task,
    eval: SplitEval<'a>,
    position: u32,
    share: Share,
    /// How many match in all, if that is known.
    known: Option<u64>,
}

impl Steps<'_> {
    fn search(&self, within: &RowSet) -> Result<SegmentAnswer, LeafError> {
        let task = self.task;
        let mut out = SegmentAnswer::default();
        let newest_first = task.order.by_time() != Some(false);
        let mut steps = steps(within.span(), newest_first).into_iter();
        while let Some(step) = steps.next() {
            let mut open = RowSet::range(within.docs(), step.clone());
            open.and(within);
            let rows = self.eval.matching_of(&task.node, &task.indexes, &open)?;
            let segment = Segment::Split(self.eval);
            let rows = task.part.of(segment, rows, self.share.found + out.count)?;
            out.count += u64::from(rows.count());
            let scores = task.scores(segment, &rows, self.share.wanted)?;
            let wanted = (&task.order, self.share.wanted);
            let best = top(segment, self.position, &rows, wanted, scores.as_ref())?;
            out.candidates.extend(best);
            out.candidates.sort_by(|a, b| task.order.compare(a, b));
            task.order.keep_firsts(&mut out.candidates);
            out.candidates.truncate(self.share.wanted);
            if task.part.is_over(self.share.found + out.count) {
                break;
            }
            if steps.len() > 0 && self.is_enough(&out, &step, newest_first)? {
                out.partly = self.known.is_none();
                break;
            }
            if out.count == 0 && steps.len() > 1 {
                // What matches is rare: filters and templates tell more of all rows at once.
                let span = within.span();
                let rest = match newest_first {
                    true => span.start..step.start,
                    false => step.end..span.end,
                };
                steps = vec![rest].into_iter();
            }
        }
        out.count = self.known.unwrap_or(out.count);
        Ok(out)
    }

    /// Whether what lies beyond a step changes nothing.
    fn is_enough(
        &self,
        found: &SegmentAnswer,
        step: &Range<u32>,
        newest_first: bool,
    ) -> Result<bool, LeafError> {
        if self.known.is_none() && !self.task.count_is_enough(self.share.found + found.count) {
            return Ok(false);
        }
        if found.candidates.len() < self.share.wanted {
            return Ok(false);
        }
        let Some(worst) = found.candidates.last() else { return Ok(true) };
        let reader = self.eval.reader;
        let (oldest, newest) = match newest_first {
            true => (i64::MIN, reader.timestamp(step.start.saturating_sub(1))?.0),
            false => (reader.timestamp(step.end)?.0, i64::MAX),
        };
        Ok(!self.task.order.can_improve(worst, oldest, newest))
    }
}

/// Rows of the first step.
const STEP_ROWS: u32 = 4096;

/// Runs that make up a span, each three times as long as all before it.
fn steps(span: Range<u32>, newest_first: bool) -> Vec<Range<u32>> {
    let mut out = Vec::new();
    let (mut open, mut size) = (span, STEP_ROWS);
    while !open.is_empty() {
        let size_now = size.min(open.end - open.start);
        if newest_first {
            out.push(open.end - size_now..open.end);
            open.end -= size_now;
        } else {
            out.push(open.start..open.start + size_now);
            open.start += size_now;
        }
        size = size.saturating_mul(if size == STEP_ROWS { 3 } else { 4 });
    }
    out
}

/// How many match, when the split knows it without reading rows, or nearly.
fn known_count(
    task: &Task,
    eval: &SplitEval<'_>,
    within: &RowSet,
) -> Result<Option<Count>, LeafError> {
    let known = |count: u64| Ok(Some(Count::Known(count)));
    if !eval.reader.indexes().iter().all(|n| task.indexes.matches(n.as_str())) {
        return Ok(None);
    }
    match beside_time(&task.node) {
        Node::All => known(u64::from(within.count())),
        Node::None => known(0),
        Node::Field(field) if within.count() == within.docs() => {
            let Target::Path(path) = &field.target else { return Ok(None) };
            let Some((info, view)) = eval.resolve(path) else { return known(0) };
            match eval.reader.columns(&info.path)?.as_slice() {
                [column] => eval.count_of((info, column), (&field.test, view)),
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}

/// The query without what the time of the search says already.
fn beside_time(node: &Node) -> &Node {
    match node {
        Node::Time(range) if !range.is_empty() => &Node::All,
        Node::Bool(b) if b.should.is_empty() && b.must_not.is_empty() && b.minimum_should == 0 => {
            let mut rest = b.must.iter().filter(|n| !matches!(n, Node::Time(_)));
            match (rest.next(), rest.next()) {
                (None, _) => &Node::All,
                (Some(one), None) => beside_time(one),
                _ => node,
            }
        }
        _ => node,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_grow_from_the_end_that_comes_first() {
        type Case = (Range<u32>, bool, &'static [(u32, u32)]);
        let cases: [Case; 5] = [
            (5..20_000, true, &[(15_904, 20_000), (3616, 15_904), (5, 3616)]),
            (5..20_000, false, &[(5, 4101), (4101, 16_389), (16_389, 20_000)]),
            (0..70_000, false, &[(0, 4096), (4096, 16_384), (16_384, 65_536), (65_536, 70_000)]),
            (1..2, true, &[(1, 2)]),
            (7..7, true, &[]),
        ];
        for (span, newest_first, want) in cases {
            let got = steps(span.clone(), newest_first);
            let got: Vec<(u32, u32)> = got.into_iter().map(|step| (step.start, step.end)).collect();
            assert_eq!(got, want, "{span:?}");
        }
    }
}
