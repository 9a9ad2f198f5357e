//! Which rows of a column pass a test? Strings by their dictionary, numbers by their values.
//!
//! Knows neither text fields nor combinations of queries.

use std::ops::Bound as StdBound;

use index::read::{RowSet, TokenClass};
use model::record::Value;
use model::token::{fold, spans, tokens};
use tantivy_columnar::{Column, DynamicColumn, StrColumn};

use super::rows::SplitEval;
use super::run::LeafError;
use super::scan::{OrdSet, TermRange, for_each_value, ords_where, rows_with_value, terms_of};
use crate::ast::{Bound, Literal, TermTest};
use crate::test::compare::{Number, literal_number, literal_text};
use crate::test::{Kind, Pattern, ValueTest, View};

/// Dictionaries up to this many terms are tested term by term, whatever the rows.
const SMALL_DICTIONARY_TERMS: usize = 4096;

impl SplitEval<'_> {
    /// The rows of `within` in which one value of the column passes.
    pub(crate) fn column_rows(
        &self,
        path: &str,
        column: &DynamicColumn,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if matches!(test.kind(), Kind::Exists) {
            return Ok(rows_with_value(column.column_index(), within));
        }
        let mut out = RowSet::none(within.docs());
        match column {
            DynamicColumn::Str(column) => {
                return self.string_rows(path, column, (test, view), within);
            }
            DynamicColumn::Bool(column) => for_each_value(column, within, self.run, |row, v| {
                if test.matches(Value::Bool(v), view) {
                    out.insert(row);
                }
            })?,
            DynamicColumn::I64(column) => return self.int_rows(column, (test, view), within),
            DynamicColumn::F64(column) => for_each_value(column, within, self.run, |row, v| {
                if test.matches(Value::Float(v), view) {
                    out.insert(row);
                }
            })?,
            DynamicColumn::U64(column) => for_each_value(column, within, self.run, |row, v| {
                let v = i64::try_from(v).map_or(Value::Float(v as f64), Value::Int);
                if test.matches(v, view) {
                    out.insert(row);
                }
            })?,
            // The builder writes no other kinds.
            DynamicColumn::IpAddr(_) | DynamicColumn::DateTime(_) | DynamicColumn::Bytes(_) => {}
        }
        Ok(out)
    }

    fn int_rows(
        &self,
        column: &Column<i64>,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        if let Some((low, high)) = int_range(test.kind()) {
            if low <= high {
                self.rows_in_value_range(column, low..=high, within, &mut out)?;
            }
            return Ok(out);
        }
        for_each_value(column, within, self.run, |row, v| {
            if test.matches(Value::Int(v), view) {
                out.insert(row);
            }
        })?;
        Ok(out)
    }

    /// The rows of `within` with a value in the range, by the column's own search when the rows
    /// are many.
    fn rows_in_value_range<T>(
        &self,
        column: &Column<T>,
        range: std::ops::RangeInclusive<T>,
        within: &RowSet,
        out: &mut RowSet,
    ) -> Result<(), LeafError>
    where
        T: PartialOrd + Copy + std::fmt::Debug + Default + Send + Sync + 'static,
    {
        let span = within.span();
        if within.count() < (span.end - span.start) / 16 {
            return for_each_value(column, within, self.run, |row, v| {
                if range.contains(&v) {
                    out.insert(row);
                }
            });
        }
        let mut found = Vec::new();
        let mut from = span.start;
        while from < span.end {
            self.run.check()?;
            let to = (from + (1 << 16)).min(span.end);
            found.clear();
            column.get_docids_for_value_range(range.clone(), from..to, &mut found);
            found.iter().for_each(|row| out.insert(*row));
            from = to;
        }
        out.and(within);
        Ok(())
    }

    fn string_rows(
        &self,
        path: &str,
        column: &StrColumn,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if let Some(ords) = exact_ords(path, column, test.kind())? {
            if ords.is_empty() {
                return Ok(RowSet::none(within.docs()));
            }
            let narrowed = self.narrow(test.kind(), column.num_terms(), within)?;
            return self.rows_with_ords(column, &ords, narrowed.as_ref().unwrap_or(within));
        }
        let narrowed = self.narrow(test.kind(), column.num_terms(), within)?;
        let within = narrowed.as_ref().unwrap_or(within);
        let passes = |term: &str| test.matches(Value::Str(term), view);
        let terms = column.num_terms();
        if terms > SMALL_DICTIONARY_TERMS && (within.count() as usize) < terms / 4 {
            return self.verify_rows(path, column, within, passes);
        }
        let ords = ords_where(column, path, &term_range(test.kind()), self.run, passes)?;
        if ords.is_empty() {
            return Ok(RowSet::none(within.docs()));
        }
        self.rows_with_ords(column, &ords, within)
    }

    /// Fewer rows than `within`, if the split's tokens tell so.
    fn narrow(
        &self,
        kind: &Kind,
        terms: usize,
        within: &RowSet,
    ) -> Result<Option<RowSet>, LeafError> {
        if terms <= SMALL_DICTIONARY_TERMS || within.count() < 1024 {
            return Ok(None);
        }
        self.candidates(TokenClass::Columns, kind, within)
    }

    fn rows_with_ords(
        &self,
        column: &StrColumn,
        ords: &OrdSet,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        match ords.run() {
            Some((low, high)) => {
                self.rows_in_value_range(column.ords(), low..=high, within, &mut out)?;
            }
            None => for_each_value(column.ords(), within, self.run, |row, ord| {
                if ords.contains(ord) {
                    out.insert(row);
                }
            })?,
        }
        Ok(out)
    }

    /// Tests only the terms that the rows have.
    fn verify_rows(
        &self,
        path: &str,
        column: &StrColumn,
        within: &RowSet,
        passes: impl Fn(&str) -> bool,
    ) -> Result<RowSet, LeafError> {
        let mut pairs = Vec::new();
        for_each_value(column.ords(), within, self.run, |row, ord| pairs.push((row, ord)))?;
        let mut distinct: Vec<u64> = pairs.iter().map(|p| p.1).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut ords = OrdSet::none(column.num_terms());
        terms_of(column, path, &distinct, |ord, term| {
            if passes(term) {
                ords.insert(ord);
            }
        })?;
        let mut out = RowSet::none(within.docs());
        pairs.iter().filter(|p| ords.contains(p.1)).for_each(|p| out.insert(p.0));
        Ok(out)
    }
}

/// The ordinals of exact constants, when that is all that the test asks.
fn exact_ords(path: &str, column: &StrColumn, kind: &Kind) -> Result<Option<OrdSet>, LeafError> {
    let Kind::Terms(terms) = kind else { return Ok(None) };
    if !terms.iter().all(is_exact) {
        return Ok(None);
    }
    let mut out = OrdSet::none(column.num_terms());
    for term in terms {
        let found = column
            .dictionary()
            .term_ord(literal_text(&term.value).as_bytes())
            .map_err(|source| LeafError::Column { path: path.to_owned(), source })?;
        found.into_iter().for_each(|ord| out.insert(ord));
    }
    Ok(Some(out))
}

/// Whether a string equals the constant only when it is the very same text.
pub(crate) fn is_exact(term: &TermTest) -> bool {
    !term.fold && !matches!(term.value, Literal::Time(..))
}

/// The part of a dictionary that a passing term can lie in.
fn term_range(kind: &Kind) -> TermRange {
    let text = |bound: &Bound| match bound {
        Bound::Included(l) => StdBound::Included(literal_text(l).into_owned()),
        Bound::Excluded(l) => StdBound::Excluded(literal_text(l).into_owned()),
        Bound::Open => StdBound::Unbounded,
    };
    // Times and numbers are not in the dictionary's order.
    let is_text = |b: &Bound| match b {
        Bound::Included(l) | Bound::Excluded(l) => {
            !matches!(l, Literal::Time(..)) && literal_number(l).is_none()
        }
        Bound::Open => true,
    };
    match kind {
        Kind::Range { lower, upper } if is_text(lower) && is_text(upper) => {
            let (lower, upper) = (text(lower), text(upper));
            let empty = match (&lower, &upper) {
                (
                    StdBound::Included(a) | StdBound::Excluded(a),
                    StdBound::Included(b) | StdBound::Excluded(b),
                ) => a > b,
                _ => false,
            };
            // The test itself says that nothing lies between; the dictionary must not be asked.
            if empty { TermRange::Prefix(String::new()) } else { TermRange::Between(lower, upper) }
        }
        Kind::Pattern(pattern) => TermRange::Prefix(exact_prefix(pattern)),
        _ => TermRange::Prefix(String::new()),
    }
}

fn exact_prefix(pattern: &Pattern) -> String {
    match pattern.pieces.first() {
        Some(piece) if !piece.open_left && !pattern.folds => piece.text.clone(),
        _ => String::new(),
    }
}

/// The whole numbers that pass, when they are one run.
fn int_range(kind: &Kind) -> Option<(i64, i64)> {
    match kind {
        Kind::Terms(terms) => match terms.as_slice() {
            [term] => match literal_number(&term.value)? {
                Number::Int(v) => Some((v, v)),
                Number::Float(_) => None,
            },
            _ => None,
        },
        Kind::Range { lower, upper } => Some((least(lower)?, greatest(upper)?)),
        _ => None,
    }
}

/// The least whole number above the bound; `None` when the bound is no number.
fn least(bound: &Bound) -> Option<i64> {
    let (literal, included) = match bound {
        Bound::Open => return Some(i64::MIN),
        Bound::Included(l) => (l, true),
        Bound::Excluded(l) => (l, false),
    };
    match literal_number(literal)? {
        Number::Int(v) if included => Some(v),
        Number::Int(v) => v.checked_add(1),
        Number::Float(v) if v.abs() < 9e15 => {
            Some(v.ceil() as i64 + i64::from(!included && v.fract() == 0.0))
        }
        Number::Float(_) => None,
    }
}

/// The greatest whole number below the bound; `None` when the bound is no number.
fn greatest(bound: &Bound) -> Option<i64> {
    let (literal, included) = match bound {
        Bound::Open => return Some(i64::MAX),
        Bound::Included(l) => (l, true),
        Bound::Excluded(l) => (l, false),
    };
    match literal_number(literal)? {
        Number::Int(v) if included => Some(v),
        Number::Int(v) => v.checked_sub(1),
        Number::Float(v) if v.abs() < 9e15 => {
            Some(v.floor() as i64 - i64::from(!included && v.fract() == 0.0))
        }
        Number::Float(_) => None,
    }
}

/// The folded tokens that every text equal to the constant holds; `None` when that is not sure.
pub(crate) fn term_tokens(term: &TermTest) -> Option<Vec<String>> {
    if matches!(term.value, Literal::Time(..)) {
        return None;
    }
    let text = literal_text(&term.value);
    if term.fold && !text.is_ascii() {
        return None;
    }
    Some(tokens(&text).map(|t| t.into_owned()).collect())
}

/// The tokens of a piece of text with whether each is whole on its left and right.
pub(crate) fn piece_tokens(piece: &crate::test::Piece) -> Vec<(String, bool, bool)> {
    // A longer run is cut where the whole text begins it, which a piece does not know.
    let text = if piece.text.len() < 200 { piece.text.as_str() } else { "" };
    spans(text)
        .filter(|(from, to)| piece.text[*from..*to].is_ascii())
        .map(|(from, to)| {
            let left = from > 0 || !piece.open_left;
            let right = to < piece.text.len() || !piece.open_right;
            (fold(&piece.text[from..to]).into_owned(), left, right)
        })
        .collect()
}
