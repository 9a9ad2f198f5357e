//! What do the steps of a stage make of a page? Row by row, columns that nobody reads left out.

use crate::esql::eval::Page;
use crate::esql::plan::{Breaker, Context, Ex, Stage, Step};
use crate::esql::value::Cell;

/// Which columns are read: by what ends a stage, by its steps, and by what comes later.
pub fn needed(stages: &[Stage], output: &[(String, super::Type, usize)]) -> Vec<Vec<bool>> {
    let mut out = vec![Vec::new(); stages.len()];
    let mut after: Vec<usize> = output.iter().map(|column| column.2).collect();
    for (at, stage) in stages.iter().enumerate().rev() {
        let mut marks = vec![false; stage.slots];
        let mut mark = |slot: usize| {
            if let Some(mark) = marks.get_mut(slot) {
                *mark = true;
            }
        };
        match &stage.end {
            Breaker::Top(keys, _) => {
                after.iter().for_each(|slot| mark(*slot));
                keys.iter().for_each(|key| mark(key.slot));
            }
            Breaker::Stats(grouping) => {
                grouping.keys.iter().for_each(|slot| mark(*slot));
                for agg in &grouping.aggs {
                    [agg.slot, agg.second, agg.filter].into_iter().flatten().for_each(&mut mark);
                }
            }
        }
        through_steps(&stage.steps, &mut marks);
        after = (0..marks.len()).filter(|slot| marks[*slot]).collect();
        out[at] = marks;
    }
    out
}

/// Adds what the steps read to make the marked columns.
pub fn through_steps(steps: &[Step], marks: &mut [bool]) {
    for step in steps.iter().rev() {
        let wanted = match step {
            Step::Filter(_) | Step::Expand(..) => true,
            step => step.adds().any(|slot| marks.get(slot).copied().unwrap_or(false)),
        };
        if wanted {
            step.reads(&mut |slot| {
                if let Some(mark) = marks.get_mut(slot) {
                    *mark = true;
                }
            });
        }
    }
}

/// Does the steps; `rows` are numbers of the rows, which follow them.
pub fn apply(
    steps: &[Step],
    page: &mut Page,
    rows: &mut Vec<u32>,
    (needed, context): (&[bool], &Context),
) {
    for step in steps {
        if page.rows == 0 {
            return;
        }
        match step {
            Step::Filter(ex) => filter(ex, page, rows, context),
            Step::Expand(slot, from) => expand(page, rows, (*slot, *from), needed),
            step if !step.adds().any(|slot| needed.get(slot).copied().unwrap_or(false)) => {}
            Step::Eval(slot, ex) => {
                let column = (0..page.rows).map(|row| ex.eval(page, row, context)).collect();
                set(page, *slot, column);
            }
            Step::Dissect(first, ex, dissect) => {
                let parts = |text: &str| dissect.parts(text);
                take_apart(page, (*first, dissect.names().len()), (ex, context), parts);
            }
            Step::Grok(first, ex, grok) => {
                let parts = |text: &str| grok.parts(text);
                take_apart(page, (*first, grok.fields().len()), (ex, context), parts);
            }
        }
    }
}

/// Puts a column in its place.
pub fn set(page: &mut Page, slot: usize, column: Vec<Cell>) {
    if page.columns.len() <= slot {
        page.columns.resize(slot + 1, Vec::new());
    }
    page.columns[slot] = column;
}

/// Keeps the rows where a condition holds.
pub fn filter(ex: &Ex, page: &mut Page, rows: &mut Vec<u32>, context: &Context) {
    let marks: Vec<bool> = (0..page.rows).map(|row| ex.holds(page, row, context)).collect();
    if marks.iter().all(|m| *m) {
        return;
    }
    page.keep(&marks);
    let mut marks = marks.into_iter();
    rows.retain(|_| marks.next().unwrap_or(false));
}

fn expand(page: &mut Page, rows: &mut Vec<u32>, (slot, from): (usize, usize), needed: &[bool]) {
    let counts: Vec<usize> =
        (0..page.rows).map(|row| page.cell(from, row).values().len().max(1)).collect();
    let total = counts.iter().sum();
    let mut column = Vec::with_capacity(total);
    for row in 0..page.rows {
        match page.cell(from, row) {
            Cell::Multi(list) => column.extend_from_slice(list),
            one => column.push(one.clone()),
        }
    }
    if total != page.rows {
        for (at, cells) in page.columns.iter_mut().enumerate() {
            if cells.is_empty() || !needed.get(at).copied().unwrap_or(false) {
                cells.clear();
                continue;
            }
            let pairs = std::mem::take(cells).into_iter().zip(&counts);
            *cells = pairs.flat_map(|(cell, n)| std::iter::repeat_n(cell, *n)).collect();
        }
        let pairs = std::mem::take(rows).into_iter().zip(&counts);
        *rows = pairs.flat_map(|(row, n)| std::iter::repeat_n(row, *n)).collect();
        page.rows = total;
    }
    set(page, slot, column);
}

/// Adds the parts of a text; of several texts the parts of all.
fn take_apart(
    page: &mut Page,
    (first, count): (usize, usize),
    (ex, context): (&Ex, &Context),
    parts: impl Fn(&str) -> Option<Vec<Cell>>,
) {
    let mut columns = vec![Vec::with_capacity(page.rows); count];
    for row in 0..page.rows {
        let cell = ex.eval(page, row, context);
        let found: Vec<Vec<Cell>> =
            cell.values().iter().filter_map(|c| parts(c.as_text()?)).collect();
        for (at, column) in columns.iter_mut().enumerate() {
            let values = found.iter().flat_map(|parts| parts[at].values().iter().cloned());
            column.push(Cell::of_list(values.collect()));
        }
    }
    for (at, column) in columns.into_iter().enumerate() {
        set(page, first + at, column);
    }
}
