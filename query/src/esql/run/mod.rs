//! What is the answer of a planned query? Stage after stage, the first one over records.
//!
//! Knows neither languages nor HTTP.

mod scan;
mod steps;
mod top;

use std::sync::atomic::Ordering;

use rayon::prelude::*;

use self::scan::{Opened, Place, Scan};
use self::steps::{apply, needed};
use self::top::{Top, by_key};
use super::eval::Page;
use super::plan::{Breaker, Grouping, Program, Source, Stage};
use super::query::Scope;
use super::stats::Groups;
use super::value::{Cell, Type};
use crate::aggregate::source::Segment;
use crate::error::{ErrorKind, QueryError};
use crate::leaf::LeafError;
use crate::leaf::scan::for_each_block;
pub use scan::Ground;

/// Rows whose cells are read together.
const PAGE_ROWS: usize = 2048;

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Names and types.
    pub columns: Vec<(String, Type)>,
    /// The cells, by columns.
    pub page: Page,
    /// Records that were looked at one by one.
    pub documents_found: u64,
    /// Values that were read of them.
    pub values_loaded: u64,
    /// Some records could not be looked at.
    pub is_partial: bool,
    /// Time and number of the record of each row, of queries without an order of their own.
    pub records: Vec<(i64, u64)>,
}

/// Answers a query over the records of a scope.
///
/// # Errors
/// A limit is reached, or the search was stopped. What cannot be read is noted, not an error.
pub fn run(program: &Program, scope: &Scope, ground: Ground<'_>) -> Result<Table, QueryError> {
    let marks = needed(&program.stages, &program.output);
    let mut table = Table::default();
    let mut stages = program.stages.iter().zip(&marks);
    let mut page = match &program.source {
        Source::Row(cells) => {
            Page { rows: 1, columns: cells.iter().map(|cell| vec![cell.clone()]).collect() }
        }
        Source::Records { fields } => {
            let Some((stage, marks)) = stages.next() else { return Ok(table) };
            let scan = Scan::new(ground, fields, stage, &program.context, scope)?;
            let page = match &stage.end {
                Breaker::Top(keys, limit) => {
                    let top = Top::new(&scan, keys, *limit, marks, program.after);
                    let (page, records) =
                        top.rows(|place, error| fail(&mut table.is_partial, place, error))?;
                    table.records = records;
                    scan.found.store(page.rows as u64, Ordering::Relaxed);
                    page
                }
                Breaker::Stats(grouping) => stats(&scan, grouping, marks, &mut table.is_partial)?,
            };
            table.documents_found = scan.found.into_inner();
            table.values_loaded = scan.loaded.into_inner();
            page
        }
    };
    for (stage, marks) in stages {
        page = in_memory(stage, page, (marks, program), ground).map_err(stopped)?;
    }
    for (name, ty, slot) in &program.output {
        table.columns.push((name.clone(), *ty));
        let column = page.columns.get(*slot).filter(|c| c.len() == page.rows);
        table.page.columns.push(match column {
            Some(column) => column.clone(),
            None => vec![Cell::Null; page.rows],
        });
    }
    table.page.rows = page.rows;
    Ok(table)
}

/// A segment that fails is left out, unless the query as a whole fails.
fn fail(partial: &mut bool, place: &Place, error: LeafError) -> Result<(), QueryError> {
    match error {
        LeafError::TimedOut => {
            *partial = true;
            Ok(())
        }
        LeafError::Read(error) => {
            tracing::warn!(?place, %error, "a query goes on without a segment");
            *partial = true;
            Ok(())
        }
        error => Err(stopped(error)),
    }
}

fn stopped(error: LeafError) -> QueryError {
    match error {
        LeafError::Query(error) => error,
        error => QueryError::of(ErrorKind::Internal, error.to_string()),
    }
}

/// The groups of all records.
fn stats(
    scan: &Scan<'_>,
    grouping: &Grouping,
    marks: &[bool],
    partial: &mut bool,
) -> Result<Page, QueryError> {
    let (run, pool) = (scan.ground.run, scan.ground.pool);
    let places = scan.places();
    let group = |place: &Place| {
        scan.within(*place, |opened| {
            let mut groups = Groups::new(grouping);
            each_page(scan, opened, marks, |page| groups.add(&page, run))?;
            Ok(groups)
        })
    };
    let mut all = Groups::new(grouping);
    // A wave at a time, so that not all groups of all segments are held at once.
    for wave in places.chunks(pool.current_num_threads().max(1) * 2) {
        let found: Vec<_> = pool.install(|| wave.par_iter().with_max_len(1).map(group).collect());
        for (part, place) in found.into_iter().zip(wave) {
            match part {
                Ok(part) => all.merge(part, run).map_err(stopped)?,
                Err(error) => fail(partial, place, error)?,
            }
        }
    }
    Ok(all.finish())
}

/// Every page of a segment.
fn each_page(
    scan: &Scan<'_>,
    opened: &mut Opened<'_>,
    marks: &[bool],
    mut visit: impl FnMut(Page) -> Result<(), LeafError>,
) -> Result<(), LeafError> {
    let run = scan.ground.run;
    let mut take = |opened: &mut Opened<'_>, block: &[u32]| {
        for block in block.chunks(PAGE_ROWS) {
            let mut rows = block.to_vec();
            let page = opened.page(&mut rows, marks)?;
            let bytes = page.bytes();
            run.charge(bytes)?;
            visit(page)?;
            run.release(bytes);
        }
        Ok(())
    };
    match opened.segment {
        Segment::Live(view, run) => {
            let rows = view.matching(&scan.node, (scan.time, &scan.indexes), run)?;
            for block in rows.chunks(PAGE_ROWS) {
                run.check()?;
                take(opened, block)?;
            }
            Ok(())
        }
        Segment::Split(eval) => {
            let within = opened.open_rows(eval)?;
            let within = eval.possible(&scan.node, &within)?;
            let (paths, times) = opened.paths(marks);
            eval.prefetch((&[&scan.node], &scan.indexes), (&paths, times), &within)?;
            let rows = eval.matching_of(&scan.node, &scan.indexes, &within)?;
            for_each_block(&rows, eval.run, |block| take(opened, block))
        }
    }
}

/// A stage over rows that are there already.
fn in_memory(
    stage: &Stage,
    mut page: Page,
    (marks, program): (&[bool], &Program),
    ground: Ground<'_>,
) -> Result<Page, LeafError> {
    let run = ground.run;
    run.check()?;
    let mut rows: Vec<u32> = (0..page.rows as u32).collect();
    let before = page.bytes();
    apply(&stage.steps, &mut page, &mut rows, (marks, &program.context));
    run.charge(page.bytes().saturating_sub(before))?;
    run.check()?;
    match &stage.end {
        Breaker::Stats(grouping) => {
            let mut groups = Groups::new(grouping);
            groups.add(&page, run)?;
            Ok(groups.finish())
        }
        Breaker::Top(keys, limit) => {
            let mut order: Vec<usize> = (0..page.rows).collect();
            order.sort_by(|a, b| {
                let parts = keys
                    .iter()
                    .map(|key| by_key(key, page.cell(key.slot, *a), page.cell(key.slot, *b)));
                parts.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            });
            order.truncate(*limit);
            for column in page.columns.iter_mut().filter(|c| !c.is_empty()) {
                *column = order.iter().map(|row| column[*row].clone()).collect();
            }
            page.rows = order.len();
            Ok(page)
        }
    }
}
