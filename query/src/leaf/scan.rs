//! What values do these rows have? Columns read in blocks, with a look at the clock between.
//!
//! Knows no queries.

use std::ops::Range;

use index::read::{Column, ReadError, RowSet, SplitReader, Values};

use super::run::{LeafError, Run};

/// Rows read at once.
pub const BLOCK_ROWS: usize = 4096;

/// Calls `visit` with blocks of at most [`BLOCK_ROWS`] rows of the set, rising.
///
/// # Errors
/// The search was stopped, or `visit` failed.
pub fn for_each_block(
    rows: &RowSet,
    run: &Run,
    mut visit: impl FnMut(&[u32]) -> Result<(), LeafError>,
) -> Result<(), LeafError> {
    const STEP: u32 = BLOCK_ROWS as u32;
    let mut block = Vec::with_capacity(2 * BLOCK_ROWS);
    let span = rows.span();
    let mut from = span.start;
    run.check()?;
    while from < span.end {
        let to = from.saturating_add(STEP).min(span.end);
        rows.extend_into(from..to, &mut block);
        while block.len() >= BLOCK_ROWS {
            run.check()?;
            visit(&block[..BLOCK_ROWS])?;
            block.drain(..BLOCK_ROWS);
        }
        from = match rows.first_from(to) {
            Some(next) => next,
            None => break,
        };
    }
    run.check()?;
    if !block.is_empty() {
        visit(&block)?;
    }
    Ok(())
}

/// A way to read values of a column.
pub type Read<T> = fn(&Column, &[u32], &mut Values<T>) -> Result<(), ReadError>;

/// Calls `visit` with each row of the set and each of its values.
///
/// # Errors
/// The split cannot be read, or the search was stopped.
pub fn for_each_value<T: Copy + Default>(
    column: &Column,
    read: Read<T>,
    (rows, run): (&RowSet, &Run),
    mut visit: impl FnMut(u32, T),
) -> Result<(), LeafError> {
    let mut values = Values::default();
    for_each_block(rows, run, |block| {
        values.rows.clear();
        values.values.clear();
        read(column, block, &mut values)?;
        for (row, value) in values.rows.iter().zip(&values.values) {
            visit(*row, *value);
        }
        Ok(())
    })
}

/// Appends the times of rising rows, nanoseconds.
///
/// # Errors
/// The split cannot be read.
pub fn times_of(reader: &SplitReader, rows: &[u32], out: &mut Vec<i64>) -> Result<(), ReadError> {
    let Some(run) = run_of(rows) else { return Ok(()) };
    if run.len() == rows.len() {
        return reader.timestamps(run, out);
    }
    if run.len() < rows.len() * 8 {
        let mut all = Vec::with_capacity(run.len());
        reader.timestamps(run.clone(), &mut all)?;
        out.extend(rows.iter().map(|row| all[(row - run.start) as usize]));
        return Ok(());
    }
    for row in rows {
        out.push(reader.timestamp(*row)?.0);
    }
    Ok(())
}

/// The smallest run that holds rising rows.
fn run_of(rows: &[u32]) -> Option<Range<u32>> {
    Some(*rows.first()?..rows.last()? + 1)
}
