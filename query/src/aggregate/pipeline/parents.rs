//! What does each bucket get from those around it, and which stay? The pipelines within buckets.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::path::resolve;
use super::{Row, Shared, Stage, finite, normalize, predict};
use crate::aggregate::Planned;
use crate::error::QueryError;
use crate::request::{GapPolicy, PipelineKind};
use crate::script::{Env, Script, Value};
use crate::tree::{Object, Tree};

/// Computes a pipeline over the buckets that it is in.
pub(super) fn apply(
    stage: &Stage,
    parent: &Planned,
    rows: &mut Vec<Row>,
    shared: &Shared,
) -> Result<(), QueryError> {
    match &stage.agg.kind {
        PipelineKind::Derivative { unit_ms } => derivative(stage, rows, *unit_ms),
        PipelineKind::CumulativeSum => cumulative_sum(stage, rows),
        PipelineKind::CumulativeCardinality => {
            super::distinct::carry(stage, rows);
            Ok(())
        }
        PipelineKind::MovingFn { window, shift, script } => {
            moving_fn(stage, rows, (*window, *shift, script), shared)
        }
        PipelineKind::MovingAvg(agg) => predict::moving_avg(stage, agg, (parent, rows), shared),
        PipelineKind::SerialDiff { lag } => serial_diff(stage, rows, *lag),
        PipelineKind::BucketScript(script) => bucket_script(stage, rows, script, shared),
        PipelineKind::BucketSelector(script) => bucket_selector(stage, rows, script, shared),
        PipelineKind::BucketSort { sort, from, size } => {
            bucket_sort(stage, rows, sort, (*from, *size))
        }
        PipelineKind::Normalize(method) => normalize::apply(stage, rows, *method),
        // Siblings are computed elsewhere.
        _ => Ok(()),
    }
}

/// The number of each bucket.
pub(super) fn numbers(
    stage: &Stage,
    rows: &[Row],
    gaps: GapPolicy,
) -> Result<Vec<Option<f64>>, QueryError> {
    let Some((_, path)) = stage.paths.first() else { return Ok(vec![None; rows.len()]) };
    rows.iter().map(|row| resolve(&row.bucket, path, gaps)).collect()
}

fn add(stage: &Stage, row: &mut Row, body: Object) {
    row.bucket.push(stage.name.clone(), body);
}

fn key(row: &Row) -> f64 {
    match row.bucket.get("key") {
        Some(Tree::Json(Json::Number(n))) => n.as_f64().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

fn derivative(stage: &Stage, rows: &mut [Row], unit_ms: Option<f64>) -> Result<(), QueryError> {
    let values = numbers(stage, rows, stage.agg.gap_policy)?;
    let mut last: Option<(f64, f64)> = None;
    for (row, value) in rows.iter_mut().zip(values) {
        let key = key(row);
        if let (Some((last_key, last)), Some(value)) = (last, value) {
            let rise = value - last;
            let mut body = stage.value(rise);
            if let Some(unit) = unit_ms {
                let width = (key - last_key) / unit;
                let normalized = if width > 0.0 { rise / width } else { rise };
                body.push("normalized_value", finite(normalized));
                if let (Some(format), true) = (&stage.format, normalized.is_finite()) {
                    body.push("normalized_value_as_string", format.print(normalized));
                }
            }
            add(stage, row, body);
        }
        last = value.map(|value| (key, value));
    }
    Ok(())
}

fn cumulative_sum(stage: &Stage, rows: &mut [Row]) -> Result<(), QueryError> {
    let values = numbers(stage, rows, GapPolicy::InsertZeros)?;
    let mut sum = 0.0;
    for (row, value) in rows.iter_mut().zip(values) {
        sum += value.filter(|value| value.is_finite()).unwrap_or(0.0);
        add(stage, row, stage.value(sum));
    }
    Ok(())
}

fn serial_diff(stage: &Stage, rows: &mut [Row], lag: usize) -> Result<(), QueryError> {
    let values = numbers(stage, rows, stage.agg.gap_policy)?;
    for (at, row) in rows.iter_mut().enumerate().skip(lag) {
        if let (Some(value), Some(before)) = (values[at], values[at - lag]) {
            let rise = value - before;
            if !rise.is_nan() {
                add(stage, row, stage.value(rise));
            }
        }
    }
    Ok(())
}

fn moving_fn(
    stage: &Stage,
    rows: &mut [Row],
    (window, shift, script): (usize, i64, &Script),
    shared: &Shared,
) -> Result<(), QueryError> {
    let all = numbers(stage, rows, stage.agg.gap_policy)?;
    let there = |value: &Option<f64>| value.filter(|value| !value.is_nan());
    let values: Vec<f64> = all.iter().filter_map(there).collect();
    let inside = |at: i64| at.clamp(0, values.len() as i64) as usize;
    let mut at = 0i64;
    for (row, value) in rows.iter_mut().zip(&all) {
        if there(value).is_none() {
            continue;
        }
        let to = at.saturating_add(shift);
        let from = to.saturating_sub(i64::try_from(window).unwrap_or(i64::MAX));
        let mut env = Env::new(&shared.steps);
        let (from, to) = (inside(from), inside(to));
        env.window = &values[from.min(to)..to];
        let result = script.number(&env)?.unwrap_or(0.0);
        add(stage, row, stage.value(result));
        at += 1;
    }
    Ok(())
}

/// Names with their numbers.
type Variables<'s> = Vec<(&'s str, Option<f64>)>;

/// The variables of a script in a bucket; none when the gap policy passes over the bucket.
fn variables<'s>(
    stage: &'s Stage,
    bucket: &Object,
    skips: bool,
) -> Result<Option<Variables<'s>>, QueryError> {
    let gaps = stage.agg.gap_policy;
    let mut out = Vec::with_capacity(stage.paths.len());
    for (name, path) in &stage.paths {
        let value = resolve(bucket, path, gaps)?;
        if skips && gaps != GapPolicy::InsertZeros && value.is_none_or(f64::is_nan) {
            return Ok(None);
        }
        out.push((name.as_str(), value));
    }
    Ok(Some(out))
}

fn in_env<T>(
    variables: &[(&str, Option<f64>)],
    shared: &Shared,
    run: impl FnOnce(&Env<'_>) -> T,
) -> T {
    let variable = |name: &str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| value.map_or(Value::Null, Value::Float))
    };
    run(&Env { variable: &variable, ..Env::new(&shared.steps) })
}

fn bucket_script(
    stage: &Stage,
    rows: &mut [Row],
    script: &Script,
    shared: &Shared,
) -> Result<(), QueryError> {
    for row in rows {
        let Some(variables) = variables(stage, &row.bucket, true)? else { continue };
        if let Some(result) = in_env(&variables, shared, |env| script.number(env))? {
            add(stage, row, stage.value(result));
        }
    }
    Ok(())
}

fn bucket_selector(
    stage: &Stage,
    rows: &mut Vec<Row>,
    script: &Script,
    shared: &Shared,
) -> Result<(), QueryError> {
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        let variables = variables(stage, &row.bucket, false)?.unwrap_or_default();
        if in_env(&variables, shared, |env| script.decides(env))? {
            kept.push(row);
        }
    }
    *rows = kept;
    Ok(())
}

/// A value that buckets are sorted by.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Number(f64),
    Text(String),
}

impl Place {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Place::Number(a), Place::Number(b)) => a.total_cmp(b),
            (Place::Text(a), Place::Text(b)) => a.cmp(b),
            (Place::Number(_), Place::Text(_)) => Ordering::Less,
            (Place::Text(_), Place::Number(_)) => Ordering::Greater,
        }
    }
}

fn bucket_sort(
    stage: &Stage,
    rows: &mut Vec<Row>,
    sort: &[(String, bool)],
    (from, size): (usize, Option<usize>),
) -> Result<(), QueryError> {
    if !sort.is_empty() {
        let mut placed = Vec::with_capacity(rows.len());
        for row in rows.drain(..) {
            let places = places(stage, &row, sort)?;
            // A bucket without any of the values is a gap.
            if places.iter().any(Option::is_some) {
                placed.push((places, row));
            }
        }
        placed.sort_by(|(a, _), (b, _)| {
            for ((a, b), (_, descending)) in a.iter().zip(b).zip(sort) {
                let order = match (a, b) {
                    (None, None) => Ordering::Equal,
                    (None, Some(_)) => return Ordering::Greater,
                    (Some(_), None) => return Ordering::Less,
                    (Some(a), Some(b)) if *descending => b.compare(a),
                    (Some(a), Some(b)) => a.compare(b),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
            Ordering::Equal
        });
        rows.extend(placed.into_iter().map(|(_, row)| row));
    }
    rows.drain(..from.min(rows.len()));
    rows.truncate(size.unwrap_or(usize::MAX));
    Ok(())
}

fn places(
    stage: &Stage,
    row: &Row,
    sort: &[(String, bool)],
) -> Result<Vec<Option<Place>>, QueryError> {
    let mut paths = stage.paths.iter();
    let mut out = Vec::with_capacity(sort.len());
    for (name, _) in sort {
        out.push(match name.as_str() {
            "_key" => match row.bucket.get("key") {
                Some(Tree::Json(Json::Number(n))) => n.as_f64().map(Place::Number),
                Some(Tree::Json(Json::String(text))) => Some(Place::Text(text.clone())),
                _ => Some(Place::Text(row.name.to_string())),
            },
            _ => match paths.next() {
                Some((_, path)) => resolve(&row.bucket, path, stage.agg.gap_policy)?
                    .filter(|value| !value.is_nan())
                    .map(Place::Number),
                None => None,
            },
        });
    }
    Ok(out)
}
