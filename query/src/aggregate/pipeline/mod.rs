//! What do the buckets of other aggregations make? A stage over the written answer: pipelines in
//! buckets change or add to each of them, those beside an aggregation look at all its buckets.
//!
//! Knows neither records nor partials, but for the distinct values that add up over buckets.

mod distinct;
mod normalize;
mod parents;
mod path;
mod plan;
mod predict;
mod siblings;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::{Map, Value as Json, json};

use super::print::Decimal;
use super::{Plan, Planned};
use crate::error::{ErrorKind, QueryError};
use crate::request::PipelineAgg;
use crate::tree::{Object, Tree};
pub(super) use distinct::{cumulate, write_cumulated};
pub(super) use plan::stages;

/// A planned pipeline aggregation.
#[derive(Debug)]
pub struct Stage {
    name: String,
    agg: PipelineAgg,
    /// The parts of each path, with the name of its variable.
    paths: Vec<(String, Vec<String>)>,
    format: Option<Decimal>,
    meta: Option<Map<String, Json>>,
}

/// A bucket, with its name where buckets have names.
struct Row {
    name: Cow<'static, str>,
    bucket: Object,
}

/// What all pipelines of an answer share.
struct Shared {
    /// The steps of scripts.
    steps: Cell<u64>,
    /// Buckets that may be added.
    buckets_max: usize,
}

/// Computes the pipelines of an answer.
///
/// # Errors
/// A path leads to no number, a script fails, or there are too many buckets.
pub(super) fn run(plan: &Plan, answer: &mut Object, buckets_max: usize) -> Result<(), QueryError> {
    let shared = Shared { steps: Cell::new(0), buckets_max };
    nested(plan, answer, &shared)?;
    for stage in &plan.stages {
        let body = siblings::compute(stage, answer)?;
        answer.push(stage.name.clone(), body);
    }
    Ok(())
}

/// The pipelines of the aggregations in a bucket.
fn nested(plan: &Plan, bucket: &mut Object, shared: &Shared) -> Result<(), QueryError> {
    for planned in plan.iter().filter(|planned| planned.answered().has_stages()) {
        let Some(Tree::Object(body)) = bucket.get_mut(&planned.name) else { continue };
        if body.get("doc_count").is_some() {
            single(planned, body, shared)?;
        } else if let Some(buckets) = body.get_mut("buckets") {
            let (mut rows, keyed) = take(buckets);
            multi(planned, &mut rows, shared)?;
            *buckets = put(rows, keyed);
        }
    }
    Ok(())
}

/// Those in the one bucket of an aggregation.
fn single(planned: &Planned, body: &mut Object, shared: &Shared) -> Result<(), QueryError> {
    nested(planned.answered(), body, shared)?;
    for stage in &planned.answered().stages {
        if !stage.agg.kind.is_sibling() {
            return Err(QueryError::illegal(format!(
                "Expected a multi bucket aggregation but got [{}] for aggregation [{}]",
                planned.name, stage.name
            )));
        }
        let result = siblings::compute(stage, body)?;
        body.push(stage.name.clone(), result);
    }
    Ok(())
}

/// Those in the buckets of an aggregation.
fn multi(planned: &Planned, rows: &mut Vec<Row>, shared: &Shared) -> Result<(), QueryError> {
    for row in rows.iter_mut() {
        nested(planned.answered(), &mut row.bucket, shared)?;
    }
    for stage in &planned.answered().stages {
        if stage.agg.kind.is_sibling() {
            for row in rows.iter_mut() {
                let body = siblings::compute(stage, &row.bucket)?;
                row.bucket.push(stage.name.clone(), body);
            }
        } else {
            parents::apply(stage, planned, rows, shared)?;
        }
    }
    Ok(())
}

/// The buckets, and whether they have names.
fn take(buckets: &mut Tree) -> (Vec<Row>, bool) {
    let object = |tree| match tree {
        Tree::Object(bucket) => bucket,
        _ => Object::default(),
    };
    match std::mem::replace(buckets, Tree::Json(Json::Null)) {
        Tree::Object(named) => {
            let rows = named.into_iter().map(|(name, tree)| Row { name, bucket: object(tree) });
            (rows.collect(), true)
        }
        Tree::List(list) => {
            let rows = list.into_iter().map(|tree| Row { name: "".into(), bucket: object(tree) });
            (rows.collect(), false)
        }
        Tree::Json(_) | Tree::Later(_) => (Vec::new(), false),
    }
}

fn put(rows: Vec<Row>, keyed: bool) -> Tree {
    match keyed {
        true => Tree::Object(rows.into_iter().map(|row| (row.name, row.bucket.into())).collect()),
        false => Tree::List(rows.into_iter().map(|row| row.bucket.into()).collect()),
    }
}

impl Stage {
    /// The body of an answer, without members.
    fn body(&self) -> Object {
        let mut body = Object::with_capacity(2);
        if let Some(meta) = &self.meta {
            body.push("meta", Json::Object(meta.clone()));
        }
        body
    }

    /// Adds a number by its name, null where it is none, and how it is printed.
    fn number(&self, body: &mut Object, name: &'static str, value: f64) {
        body.push(name, finite(value));
        if let (Some(format), true) = (&self.format, value.is_finite()) {
            body.push(format!("{name}_as_string"), format.print(value));
        }
    }

    /// An answer of one number.
    fn value(&self, value: f64) -> Object {
        let mut body = self.body();
        self.number(&mut body, "value", value);
        body
    }
}

/// A double; null when it is not finite.
fn finite(value: f64) -> Json {
    if value.is_finite() { json!(value) } else { Json::Null }
}

fn invalid(reason: impl Into<String>) -> QueryError {
    QueryError::of(ErrorKind::Aggregation, reason)
}
