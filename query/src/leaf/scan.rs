//! What values do these rows have? Columns read in blocks, with a look at the clock between.
//!
//! Knows no queries.

use std::fmt::Debug;
use std::ops::Bound;

use index::read::RowSet;
use tantivy_columnar::{Column, StrColumn};

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
    let mut block = Vec::with_capacity(BLOCK_ROWS);
    for row in rows.iter() {
        block.push(row);
        if block.len() == BLOCK_ROWS {
            run.check()?;
            visit(&block)?;
            block.clear();
        }
    }
    run.check()?;
    if !block.is_empty() {
        visit(&block)?;
    }
    Ok(())
}

/// Buffers of [`values_of`].
#[derive(Debug, Default)]
pub struct Buffers<T> {
    /// The row of each value.
    pub rows: Vec<u32>,
    places: Vec<u32>,
    /// The values.
    pub values: Vec<T>,
}

/// Reads the values of rising rows into `out`: pairs of row and value, rising by row.
pub fn values_of<T>(column: &Column<T>, rows: &[u32], out: &mut Buffers<T>)
where
    T: PartialOrd + Copy + Debug + Default + Send + Sync + 'static,
{
    out.rows.clear();
    out.places.clear();
    column.row_ids_for_docs(rows, &mut out.rows, &mut out.places);
    out.values.clear();
    out.values.resize(out.places.len(), T::default());
    column.values.get_vals(&out.places, &mut out.values);
}

/// Calls `visit` with each row of the set and each of its values.
///
/// # Errors
/// The search was stopped.
pub fn for_each_value<T>(
    column: &Column<T>,
    rows: &RowSet,
    run: &Run,
    mut visit: impl FnMut(u32, T),
) -> Result<(), LeafError>
where
    T: PartialOrd + Copy + Debug + Default + Send + Sync + 'static,
{
    let mut buffers = Buffers::default();
    for_each_block(rows, run, |block| {
        values_of(column, block, &mut buffers);
        for (row, value) in buffers.rows.iter().zip(&buffers.values) {
            visit(*row, *value);
        }
        Ok(())
    })
}

/// The rows of the set that have a value.
pub fn rows_with_value(column: &tantivy_columnar::ColumnIndex, rows: &RowSet) -> RowSet {
    use tantivy_columnar::ColumnIndex;
    match column {
        ColumnIndex::Full => rows.clone(),
        ColumnIndex::Empty { .. } => RowSet::none(rows.docs()),
        _ => {
            let mut out = RowSet::none(rows.docs());
            rows.iter().filter(|r| column.has_value(*r)).for_each(|r| out.insert(r));
            out
        }
    }
}

/// Calls `visit` with the term of each ordinal; `ords` are rising.
///
/// # Errors
/// The dictionary cannot be read.
pub fn terms_of(
    column: &StrColumn,
    path: &str,
    ords: &[u64],
    mut visit: impl FnMut(u64, &str),
) -> Result<(), LeafError> {
    let mut at = 0;
    column
        .dictionary()
        .sorted_ords_to_term_cb(ords, |term| {
            // A column of strings holds UTF-8; damage shows as a value that equals nothing.
            visit(ords[at], std::str::from_utf8(term).unwrap_or("\u{fffd}"));
            at += 1;
        })
        .map_err(|source| LeafError::Column { path: path.to_owned(), source })?;
    Ok(())
}

/// A set of ordinals of a dictionary.
#[derive(Debug)]
pub struct OrdSet {
    words: Vec<u64>,
    count: usize,
    low: u64,
    high: u64,
}

impl OrdSet {
    /// No ordinal of `terms`.
    pub fn none(terms: usize) -> Self {
        Self { words: vec![0; terms.div_ceil(64)], count: 0, low: u64::MAX, high: 0 }
    }

    /// Adds an ordinal.
    pub fn insert(&mut self, ord: u64) {
        if let Some(word) = self.words.get_mut(ord as usize / 64) {
            let bit = 1 << (ord % 64);
            self.count += usize::from(*word & bit == 0);
            *word |= bit;
            self.low = self.low.min(ord);
            self.high = self.high.max(ord);
        }
    }

    /// Whether the ordinal is in the set.
    pub fn contains(&self, ord: u64) -> bool {
        self.words.get(ord as usize / 64).is_some_and(|w| w >> (ord % 64) & 1 == 1)
    }

    /// The ordinals, rising.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            (0..64u64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u64 * 64 + bit)
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first and last, when there is none missing between them.
    pub fn run(&self) -> Option<(u64, u64)> {
        (self.count > 0 && self.high - self.low + 1 == self.count as u64)
            .then_some((self.low, self.high))
    }
}

/// Which terms of a dictionary to look at.
#[derive(Clone, Debug)]
pub enum TermRange {
    /// Those that begin so; with "" all.
    Prefix(String),
    /// Those that lie between.
    Between(Bound<String>, Bound<String>),
}

/// The ordinals of the terms in the range that pass.
///
/// # Errors
/// The dictionary cannot be read, or the search was stopped.
pub fn ords_where(
    column: &StrColumn,
    path: &str,
    range: &TermRange,
    run: &Run,
    mut passes: impl FnMut(&str) -> bool,
) -> Result<OrdSet, LeafError> {
    let dictionary = column.dictionary();
    let stream = match range {
        TermRange::Prefix(prefix) => dictionary.prefix_range(prefix),
        TermRange::Between(lower, upper) => {
            let stream = match lower {
                Bound::Unbounded => dictionary.range(),
                Bound::Included(term) => dictionary.range().ge(term),
                Bound::Excluded(term) => dictionary.range().gt(term),
            };
            match upper {
                Bound::Unbounded => stream,
                Bound::Included(term) => stream.le(term),
                Bound::Excluded(term) => stream.lt(term),
            }
        }
    };
    let mut stream = stream
        .into_stream()
        .map_err(|source| LeafError::Column { path: path.to_owned(), source })?;
    let mut out = OrdSet::none(column.num_terms());
    let mut seen = 0usize;
    while stream.advance() {
        if seen.is_multiple_of(BLOCK_ROWS) {
            run.check()?;
        }
        seen += 1;
        if std::str::from_utf8(stream.key()).is_ok_and(&mut passes) {
            out.insert(stream.term_ord());
        }
    }
    Ok(out)
}
