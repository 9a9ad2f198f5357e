//! Which numbers pass a test? Constants and bounds read once, ranges of whole numbers found by a
//! column's own search.
//!
//! Knows no strings. What is not said here in a short form the test itself decides.

use std::ops::RangeInclusive;

use index::read::{Column, RowSet};
use model::record::Value;

use super::rows::SplitEval;
use super::run::LeafError;
use super::scan::for_each_value;
use crate::ast::{Bound, Literal, TermTest};
use crate::test::compare::{Number, literal_number};
use crate::test::{Kind, ValueTest, View, word_number};

/// The most runs of numbers that are looked for one by one.
const RUNS_MAX: usize = 16;

impl SplitEval<'_> {
    /// The rows of `within` with a whole number that passes.
    pub(crate) fn int_rows(
        &self,
        column: &Column,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        if let Some(runs) = int_runs(test.kind()) {
            let mut open = within.clone();
            for run in runs.into_iter().filter(|run| !run.is_empty()) {
                self.run.check()?;
                let found = column.rows_in_int_range(run, &open)?;
                open.and_not(&found);
                out.or(&found);
            }
            return Ok(out);
        }
        for_each_value(column, Column::ints, (within, self.run), |row, v| {
            if test.matches(Value::Int(v), view) {
                out.insert(row);
            }
        })?;
        Ok(out)
    }

    /// The rows of `within` with a number that is not whole, or too large for one, that passes.
    pub(crate) fn float_rows(
        &self,
        column: &Column,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        let range = number_range(test.kind());
        for_each_value(column, Column::floats, (within, self.run), |row, v| {
            let passes = match &range {
                Some((lower, upper)) => lower.holds(v, true) && upper.holds(v, false),
                None => test.matches(Value::Float(v), view),
            };
            if passes {
                out.insert(row);
            }
        })?;
        Ok(out)
    }
}

/// One end of a range of numbers.
enum End {
    Open,
    Included(Number),
    Excluded(Number),
}

impl End {
    /// Whether the number lies on the right side of it.
    fn holds(&self, v: f64, lower: bool) -> bool {
        let (end, included) = match self {
            End::Open => return true,
            End::Included(end) => (end, true),
            End::Excluded(end) => (end, false),
        };
        let order = Number::Float(v).cmp(end);
        let order = if lower { order } else { order.reverse() };
        order.is_gt() || included && order.is_eq()
    }
}

/// The range that a test asks numbers for, when its bounds are numbers.
fn number_range(kind: &Kind) -> Option<(End, End)> {
    let end = |bound: &Bound| match bound {
        Bound::Open => Some(End::Open),
        Bound::Included(l) => literal_number(l).map(End::Included),
        Bound::Excluded(l) => literal_number(l).map(End::Excluded),
    };
    match kind {
        Kind::Range { lower, upper } => Some((end(lower)?, end(upper)?)),
        _ => None,
    }
}

/// The whole numbers that pass, when they are a few runs.
fn int_runs(kind: &Kind) -> Option<Vec<RangeInclusive<i64>>> {
    match kind {
        Kind::Terms(terms) if terms.len() <= RUNS_MAX => terms.iter().map(term_run).collect(),
        Kind::Range { lower, upper } => Some(vec![least(lower)?..=greatest(upper)?]),
        Kind::Words { words, minimum: 1 } if words.len() <= RUNS_MAX => {
            let runs: Option<Vec<_>> = words.iter().map(|word| word_runs(word)).collect();
            Some(runs?.into_iter().flatten().collect())
        }
        Kind::Phrase { tokens, prefix: false, .. } => word_runs(tokens),
        _ => None,
    }
}

fn term_run(term: &TermTest) -> Option<RangeInclusive<i64>> {
    match (literal_number(&term.value), &term.value) {
        (Some(Number::Int(v)), _) => Some(v..=v),
        (Some(Number::Float(v)), _) if v.fract() != 0.0 => Some(none()),
        // Text that reads as no number is not the text of a number.
        (None, Literal::Text(_) | Literal::Bool(_)) => Some(none()),
        _ => None,
    }
}

/// A word has no sign: a number and its negative both are it.
fn word_runs(word: &[String]) -> Option<Vec<RangeInclusive<i64>>> {
    match word_number(word) {
        None => Some(Vec::new()),
        Some(Number::Int(v)) => match v.checked_neg() {
            Some(negative) => Some(vec![v..=v, negative..=negative]),
            None => Some(vec![v..=v]),
        },
        Some(Number::Float(v)) if v.fract() != 0.0 => Some(Vec::new()),
        Some(Number::Float(_)) => None,
    }
}

fn none() -> RangeInclusive<i64> {
    RangeInclusive::new(1, 0)
}

/// The limit of a bound, and whether it belongs to the range; `None` when there is none.
fn limit(bound: &Bound) -> Option<(&Literal, bool)> {
    match bound {
        Bound::Open => None,
        Bound::Included(literal) => Some((literal, true)),
        Bound::Excluded(literal) => Some((literal, false)),
    }
}

/// The least whole number above the bound; `None` when the bound is no number.
fn least(bound: &Bound) -> Option<i64> {
    let Some((literal, included)) = limit(bound) else { return Some(i64::MIN) };
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
    let Some((literal, included)) = limit(bound) else { return Some(i64::MAX) };
    match literal_number(literal)? {
        Number::Int(v) if included => Some(v),
        Number::Int(v) => v.checked_sub(1),
        Number::Float(v) if v.abs() < 9e15 => {
            Some(v.floor() as i64 - i64::from(!included && v.fract() == 0.0))
        }
        Number::Float(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ast::Test;

    fn literal() -> impl Strategy<Value = Literal> {
        prop_oneof![
            (-5i64..5).prop_map(Literal::Int),
            prop::sample::select(vec![i64::MIN, i64::MAX, i64::MAX - 1]).prop_map(Literal::Int),
            prop::sample::select(vec![-1.5, 2.0, 1e300, 9.3e18, -0.0]).prop_map(Literal::Float),
            prop::sample::select(vec!["3", "-2.0", "x", "", "2.5", "007", "1e2", "1e400"])
                .prop_map(|t| Literal::Text(t.to_owned())),
            any::<bool>().prop_map(Literal::Bool),
        ]
    }

    fn bound() -> impl Strategy<Value = Bound> {
        prop_oneof![
            Just(Bound::Open),
            literal().prop_map(Bound::Included),
            literal().prop_map(Bound::Excluded),
        ]
    }

    fn test() -> impl Strategy<Value = Test> {
        let word = prop::collection::vec(
            prop::sample::select(vec!["3", "2", "0", "x", "9223372036854775808", "00"])
                .prop_map(str::to_owned),
            0..3,
        );
        prop_oneof![
            (bound(), bound()).prop_map(|(lower, upper)| Test::Range { lower, upper }),
            prop::collection::vec(literal(), 0..4).prop_map(Test::Terms),
            prop::collection::vec(word.clone(), 1..3)
                .prop_map(|words| Test::Words { words, minimum: 1 }),
            word.prop_map(|tokens| Test::Phrase { tokens, prefix: false, slop: 0 }),
        ]
    }

    proptest! {
        #[test]
        fn short_forms_say_what_the_test_says(test in test(), near in -6i64..6) {
            let compiled = ValueTest::new(&test).unwrap();
            for v in [near, i64::MIN, i64::MAX, near * 1_000_000_007] {
                if let Some(runs) = int_runs(compiled.kind()) {
                    let want = compiled.matches(Value::Int(v), View::Column);
                    prop_assert_eq!(runs.iter().any(|r| r.contains(&v)), want, "{} {:?}", v, test);
                }
                if let Some((lower, upper)) = number_range(compiled.kind()) {
                    for v in [v as f64, near as f64 / 2.0, -0.0] {
                        let want = compiled.matches(Value::Float(v), View::Column);
                        let got = lower.holds(v, true) && upper.holds(v, false);
                        prop_assert_eq!(got, want, "{} {:?}", v, test);
                    }
                }
            }
        }
    }
}
