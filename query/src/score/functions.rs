//! What do functions make of a score? `function_score`: weights, fields, chance.

use super::segment::{Chosen, Scoring};
use crate::aggregate::source::{FieldValues, Segment};
use crate::ast::{FieldFactor, Function, Functions, Join};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;

/// The new scores of rows.
pub(super) fn apply(
    scoring: &Scoring<'_>,
    (list, how): (&[(Node, Function)], &Functions),
    rows: Chosen<'_>,
    mut scores: Vec<f32>,
) -> Result<Vec<f32>, LeafError> {
    // For each row the numbers of the functions that match it, with their weights.
    let mut found: Vec<Vec<(f64, f64)>> = vec![Vec::new(); rows.list.len()];
    for (node, function) in list {
        let matching = scoring.matching(node, rows)?;
        let (values, weight) = values(scoring, function, rows)?;
        for ((row, value), found) in rows.list.iter().zip(values).zip(&mut found) {
            if matching.contains(*row) {
                let value = value.map_err(LeafError::Query)?;
                found.push((value * f64::from(weight), f64::from(weight)));
            }
        }
    }
    for (score, found) in scores.iter_mut().zip(found) {
        let factor = joined(&found, how.join).min(f64::from(how.most));
        let old = f64::from(*score);
        *score = match how.boost {
            _ if score.is_nan() => continue,
            Join::Multiply | Join::First => old * factor,
            Join::Replace => factor,
            Join::Sum => old + factor,
            Join::Average => (old + factor) / 2.0,
            Join::Max => old.max(factor),
            Join::Min => old.min(factor),
        } as f32;
    }
    Ok(scores)
}

/// One number of several; 1 of none.
fn joined(found: &[(f64, f64)], how: Join) -> f64 {
    let mut each = found.iter().map(|(value, _)| *value);
    let Some(first) = each.next() else { return 1.0 };
    match how {
        Join::Multiply | Join::Replace => each.fold(first, |a, b| a * b),
        Join::Sum => each.fold(first, |a, b| a + b),
        Join::Average => {
            let weights: f64 = found.iter().map(|(_, weight)| weight).sum();
            if weights == 0.0 { 0.0 } else { each.fold(first, |a, b| a + b) / weights }
        }
        Join::First => first,
        Join::Max => each.fold(first, f64::max),
        Join::Min => each.fold(first, f64::min),
    }
}

type Answers = Vec<Result<f64, QueryError>>;

/// The numbers of a function for the rows, and its weight.
fn values(
    scoring: &Scoring<'_>,
    function: &Function,
    rows: Chosen<'_>,
) -> Result<(Answers, f32), LeafError> {
    Ok(match function {
        Function::Weight(weight) => (rows.list.iter().map(|_| Ok(1.0)).collect(), *weight),
        Function::Random(seed, weight) => {
            let mut out = Vec::with_capacity(rows.list.len());
            for row in rows.list {
                let seq = match &scoring.segment {
                    Segment::Split(eval) => eval.reader.seq(*row)?.0,
                    Segment::Live(view, _) => view.seq(*row).0,
                };
                let hash = xxhash_rust::xxh3::xxh3_64_with_seed(&seq.to_le_bytes(), *seed);
                out.push(Ok((hash >> 40) as f64 / (1u64 << 24) as f64));
            }
            (out, *weight)
        }
        Function::Field(factor, weight) => (field_values(scoring, factor, rows)?, *weight),
    })
}

fn field_values(
    scoring: &Scoring<'_>,
    factor: &FieldFactor,
    rows: Chosen<'_>,
) -> Result<Answers, LeafError> {
    let mut field = FieldValues::open(scoring.segment, &factor.field)?;
    let mut loaded = Vec::new();
    field.load(rows.list, &mut loaded)?;
    let mut loaded = loaded.into_iter().peekable();
    let mut out = Vec::with_capacity(rows.list.len());
    for row in rows.list {
        let mut value = None;
        while let Some((_, raw)) = loaded.next_if(|v| v.0 == *row) {
            // Of several values the smallest counts.
            let number = raw.number();
            value = match (value, number) {
                (Some(a), Some(b)) => Some(f64::min(a, b)),
                (a, b) => a.or(b),
            };
        }
        out.push(match value.or(factor.missing) {
            Some(value) => modified(value * factor.factor, factor),
            None => Err(QueryError::illegal(format!(
                "Missing value for field [{}]: give [missing]",
                factor.field
            ))),
        });
    }
    Ok(out)
}

fn modified(value: f64, factor: &FieldFactor) -> Result<f64, QueryError> {
    let result = match factor.modifier.as_str() {
        "log" => value.log10(),
        "log1p" => (value + 1.0).log10(),
        "log2p" => (value + 2.0).log10(),
        "ln" => value.ln(),
        "ln1p" => value.ln_1p(),
        "ln2p" => (value + 2.0).ln(),
        "square" => value * value,
        "sqrt" => value.sqrt(),
        "reciprocal" => 1.0 / value,
        _ => value,
    };
    match result.is_finite() && result >= 0.0 {
        true => Ok(result),
        false => Err(QueryError::illegal(format!(
            "field value function must not produce negative scores, but got: [{result}] for field \
             value: [{value}] of [{}]",
            factor.field
        ))),
    }
}
