//! What do all buckets of an aggregation make together? `avg_bucket` and its like.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use super::path::{key_of, resolve};
use super::{Stage, finite};
use crate::aggregate::stats::Stats;
use crate::error::{ErrorKind, QueryError};
use crate::request::{Metric, PipelineKind};
use crate::tree::{Object, Tree};

/// The answer of a pipeline beside the aggregation that its path begins with.
pub(super) fn compute(stage: &Stage, bucket: &Object) -> Result<Object, QueryError> {
    let values = collect(stage, bucket)?;
    let mut stats = Stats::default();
    values.iter().for_each(|(_, value)| stats.add(*value));
    Ok(match &stage.agg.kind {
        PipelineKind::SumBucket => stage.value(stats.property("sum").unwrap_or(0.0)),
        PipelineKind::MinBucket => extreme(stage, &values, Ordering::Less),
        PipelineKind::MaxBucket => extreme(stage, &values, Ordering::Greater),
        PipelineKind::StatsBucket => written(stage, &stats, Metric::Stats, 2.0),
        PipelineKind::ExtendedStatsBucket { sigma } => {
            written(stage, &stats, Metric::ExtendedStats, *sigma)
        }
        PipelineKind::PercentilesBucket { percents, keyed } => {
            percentiles(stage, values, (percents, *keyed))
        }
        // Only siblings come here.
        _ => stage.value(stats.property("avg").unwrap_or(f64::NAN)),
    })
}

/// The numbers of the buckets, with their keys.
fn collect(stage: &Stage, bucket: &Object) -> Result<Vec<(String, f64)>, QueryError> {
    let Some((_, path)) = stage.paths.first() else { return Ok(Vec::new()) };
    let (mut here, mut rest) = (bucket, path.as_slice());
    // Through single buckets, and buckets of many that the path names.
    let buckets = loop {
        let Some((name, later)) = rest.split_first() else { return Err(not_multi(stage)) };
        let Some(Tree::Object(body)) = here.get(name) else { return Err(not_multi(stage)) };
        rest = later;
        if body.get("doc_count").is_some() {
            here = body;
            continue;
        }
        let Some(buckets) = body.get("buckets") else { return Err(not_multi(stage)) };
        let key = rest.first().and_then(|key| key.strip_prefix('\'')?.strip_suffix('\''));
        let Some(key) = key else { break buckets };
        rest = &rest[1..];
        let named = each(buckets).into_iter().find(|(name, _)| name == key);
        let Some((_, bucket)) = named else { return Ok(Vec::new()) };
        here = bucket;
    };
    let mut out = Vec::new();
    for (key, bucket) in each(buckets) {
        if let Some(value) = resolve(bucket, rest, stage.agg.gap_policy)?
            && !value.is_nan()
        {
            out.push((key, value));
        }
    }
    Ok(out)
}

fn not_multi(stage: &Stage) -> QueryError {
    QueryError::of(
        ErrorKind::Validation,
        format!(
            "Validation Failed: 1: The first aggregation in buckets_path must be a multi-bucket \
             aggregation for aggregation [{}];",
            stage.name
        ),
    )
}

/// The buckets with their keys.
fn each(buckets: &Tree) -> Vec<(String, &Object)> {
    match buckets {
        Tree::Object(named) => named
            .members()
            .filter_map(|(name, tree)| match tree {
                Tree::Object(bucket) => Some((name.to_owned(), bucket)),
                _ => None,
            })
            .collect(),
        Tree::List(list) => list
            .iter()
            .filter_map(|tree| match tree {
                Tree::Object(bucket) => Some((key_of(bucket).unwrap_or_default(), bucket)),
                _ => None,
            })
            .collect(),
        Tree::Json(_) | Tree::Later(_) => Vec::new(),
    }
}

/// The least or the largest, and the keys of the buckets that have it.
fn extreme(stage: &Stage, values: &[(String, f64)], wanted: Ordering) -> Object {
    let mut best = f64::NAN;
    let mut keys: Vec<&str> = Vec::new();
    for (key, value) in values {
        match value.partial_cmp(&best) {
            Some(Ordering::Equal) => keys.push(key),
            Some(order) if order != wanted => {}
            _ => {
                best = *value;
                keys = vec![key];
            }
        }
    }
    let mut body = stage.value(best);
    body.push("keys", json!(keys));
    body
}

fn written(stage: &Stage, stats: &Stats, metric: Metric, sigma: f64) -> Object {
    let mut body = stage.body();
    let print = stage.format.as_ref().map(|format| |v: f64| format.print(v));
    let print = print.as_ref().map(|print| print as &dyn Fn(f64) -> String);
    stats.write(metric, (print, sigma), &mut body);
    body
}

/// The value whose place is next to each percent.
fn percentiles(
    stage: &Stage,
    values: Vec<(String, f64)>,
    (percents, keyed): (&[f64], bool),
) -> Object {
    let mut values: Vec<f64> = values.into_iter().map(|(_, value)| value).collect();
    values.sort_by(f64::total_cmp);
    let value = |percent: f64| match values.len().checked_sub(1) {
        Some(last) => values[((percent / 100.0 * last as f64 + 0.5).floor() as usize).min(last)],
        None => f64::NAN,
    };
    let text = |value: f64| {
        stage.format.as_ref().filter(|_| value.is_finite()).map(|format| format.print(value))
    };
    let mut body = stage.body();
    if keyed {
        let mut object = Object::with_capacity(percents.len());
        for percent in percents {
            let (name, value) = (json!(percent).to_string(), value(*percent));
            if object.get(&name).is_some() {
                continue;
            }
            object.push(name.clone(), finite(value));
            if let Some(text) = text(value) {
                object.push(format!("{name}_as_string"), text);
            }
        }
        body.push("values", object);
    } else {
        let entries = percents.iter().map(|percent| {
            let value = value(*percent);
            let mut entry = Object::with_capacity(3);
            entry.push("key", json!(percent));
            entry.push("value", finite(value));
            if let Some(text) = text(value) {
                entry.push(format!("{}_as_string", json!(percent)), Json::String(text));
            }
            Tree::Object(entry)
        });
        body.push("values", Tree::List(entries.collect()));
    }
    body
}
