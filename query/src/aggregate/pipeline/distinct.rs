//! How many distinct values up to a bucket? `cumulative_cardinality`, which needs the values
//! themselves: they are added up before the answer is written.

use hashbrown::HashMap;

use super::{Row, Stage};
use crate::aggregate::cardinality::Distinct;
use crate::aggregate::key::Key;
use crate::aggregate::partial::{Bucket, Partial};
use crate::aggregate::{Plan, Planned};
use crate::request::PipelineKind;
use crate::tree::{Object, Tree};

fn adding(plan: &Plan) -> impl Iterator<Item = &Stage> {
    plan.stages.iter().filter(|s| matches!(s.agg.kind, PipelineKind::CumulativeCardinality))
}

/// Gives every bucket the number of distinct values in it and those before, after its other
/// aggregations.
pub(in super::super) fn cumulate(plan: &Plan, partials: &mut [Partial]) {
    for (planned, partial) in plan.iter().zip(partials) {
        if !planned.subs.has_stages() {
            continue;
        }
        match partial {
            Partial::Keyed(map) => {
                map.values_mut().for_each(|bucket| cumulate(&planned.subs, &mut bucket.subs));
                cumulate_keyed(planned, map);
            }
            Partial::Slots(list) => {
                list.iter_mut().for_each(|bucket| cumulate(&planned.subs, &mut bucket.subs));
            }
            _ => {}
        }
    }
}

fn cumulate_keyed(planned: &Planned, map: &mut HashMap<Key, Bucket>) {
    let wanted: Vec<Option<usize>> = adding(&planned.subs)
        .map(|stage| {
            let name = stage.paths.first().and_then(|(_, path)| path.first())?;
            planned.subs.iter().position(|sub| sub.name == *name)
        })
        .collect();
    if wanted.is_empty() {
        return;
    }
    let mut buckets: Vec<(&Key, &mut Bucket)> = map.iter_mut().collect();
    buckets.sort_by_key(|(key, _)| *key);
    let mut sums = vec![Distinct::default(); wanted.len()];
    for (_, bucket) in buckets {
        for (sum, at) in sums.iter_mut().zip(&wanted) {
            if let Some(Partial::Distinct(distinct)) = at.and_then(|at| bucket.subs.get(at)) {
                sum.merge(distinct.clone());
            }
            sum.settle();
        }
        bucket.subs.extend(sums.iter().map(|sum| Partial::Number(sum.count())));
    }
}

/// Writes what [`cumulate`] added to a bucket.
pub(in super::super) fn write_cumulated(
    plan: &Plan,
    partials: impl Iterator<Item = Partial>,
    out: &mut Object,
) {
    for (stage, partial) in adding(plan).zip(partials) {
        if let Partial::Number(number) = partial {
            out.push(stage.name.clone(), Tree::from(number));
        }
    }
}

/// Makes answers of the numbers; a bucket without records has the number of the one before.
pub(super) fn carry(stage: &Stage, rows: &mut [Row]) {
    let mut last = 0;
    for row in rows {
        let mut body = stage.body();
        match row.bucket.get_mut(&stage.name) {
            Some(written) => {
                if let Tree::Json(number) = written {
                    last = number.as_u64().unwrap_or(last);
                }
                finish(stage, &mut body, last);
                *written = body.into();
            }
            None => {
                finish(stage, &mut body, last);
                row.bucket.push(stage.name.clone(), body);
            }
        }
    }
}

fn finish(stage: &Stage, body: &mut Object, value: u64) {
    body.push("value", value);
    if let Some(format) = &stage.format {
        body.push("value_as_string", format.print(value as f64));
    }
}
