//! Which buckets are in the answer, and in what order? Orders of terms, and the gaps of histograms.

use std::cmp::Ordering;

use hashbrown::HashMap;

use super::key::Key;
use super::partial::{Bucket, Partial};
use super::{DatePlan, Planned, metric};
use crate::request::{BucketOrder, HistogramAgg};

/// Buckets of a histogram by start or number.
pub(super) type HistogramBuckets = HashMap<i64, Bucket>;

/// Buckets in the order asked for: by default the fullest first, then by key.
pub(super) fn ordered(
    order: &[(BucketOrder, bool)],
    subs: &[Planned],
    list: Vec<(Key, Bucket)>,
) -> Vec<(Key, Bucket)> {
    let by_count = [(BucketOrder::Count, true)];
    let order = if order.is_empty() { &by_count } else { order };
    let mut out: Vec<(Vec<Option<f64>>, Key, Bucket)> = list
        .into_iter()
        .map(|(key, mut bucket)| {
            let numbers = order
                .iter()
                .map(|(by, _)| match by {
                    BucketOrder::Metric(path) => order_value(subs, &mut bucket.subs, path),
                    _ => None,
                })
                .collect();
            (numbers, key, bucket)
        })
        .collect();
    out.sort_by(|a, b| {
        for (at, (by, descending)) in order.iter().enumerate() {
            let found = match by {
                BucketOrder::Count => a.2.docs.cmp(&b.2.docs),
                BucketOrder::Key => a.1.cmp(&b.1),
                BucketOrder::Metric(_) => match (a.0[at], b.0[at]) {
                    (Some(x), Some(y)) => x.total_cmp(&y),
                    // No number comes last, in either direction.
                    (Some(_), None) => return Ordering::Less,
                    (None, Some(_)) => return Ordering::Greater,
                    (None, None) => Ordering::Equal,
                },
            };
            let found = if *descending { found.reverse() } else { found };
            if found != Ordering::Equal {
                return found;
            }
        }
        a.1.cmp(&b.1)
    });
    out.into_iter().map(|(_, key, bucket)| (key, bucket)).collect()
}

/// An order's path: names of single-bucket aggregations with `>` between, then a metric with
/// `.property` or `[percent]`.
fn find<'p>(subs: &'p [Planned], path: &'p str) -> Option<(usize, &'p Planned, &'p str)> {
    let at = subs
        .iter()
        .enumerate()
        .filter(|(_, p)| {
            path.strip_prefix(p.name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '>']))
        })
        .max_by_key(|(_, p)| p.name.len())?
        .0;
    Some((at, &subs[at], &path[subs[at].name.len()..]))
}

/// Whether the path leads to a number.
pub(super) fn order_is_known(subs: &[Planned], path: &str) -> bool {
    let Some((_, planned, rest)) = find(subs, path) else { return false };
    match &planned.kind {
        _ if planned.is_single() => match rest.strip_prefix('>') {
            Some(inner) => order_is_known(&planned.subs, inner),
            None => rest.is_empty() || rest == "._count" || rest == ".doc_count",
        },
        kind => metric::has_number(kind, rest),
    }
}

fn order_value(subs: &[Planned], partials: &mut [Partial], path: &str) -> Option<f64> {
    let (at, planned, rest) = find(subs, path)?;
    match (&planned.kind, partials.get_mut(at)?) {
        (_, Partial::Slots(slots)) if planned.is_single() => {
            let bucket = slots.first_mut()?;
            match rest.strip_prefix('>') {
                Some(inner) => order_value(&planned.subs, &mut bucket.subs, inner),
                None => Some(bucket.docs as f64),
            }
        }
        (_, partial) => metric::number(planned, partial, rest),
    }
}

/// The starts of a date histogram's buckets, rising; `None` when there would be more than `max`.
pub(super) fn date_starts(
    plan: &DatePlan,
    buckets: &HistogramBuckets,
    max: usize,
) -> Option<Vec<i64>> {
    let mut starts: Vec<i64> = buckets.keys().copied().collect();
    starts.sort_unstable();
    if plan.agg.min_doc_count > 0 {
        return (starts.len() <= max).then_some(starts);
    }
    let (mut first, mut last) = match (starts.first(), starts.last()) {
        (Some(first), Some(last)) => (Some(*first), Some(*last)),
        _ => (None, None),
    };
    if let Some((from, to)) = plan.agg.extended_bounds {
        let start = |at: i64| plan.rounding.bucket(at).0;
        (first, last) = extended((first, last), (from, to), (i64::MIN, i64::MAX), start);
    }
    let (Some(first), Some(last)) = (first, last) else { return Some(starts) };
    let most = i128::from(last) - i128::from(first);
    // Buckets of a calendar can be twice as wide as the least: count those that remain.
    if most / i128::from(plan.rounding.width_min()) / 2 > max as i128 {
        return None;
    }
    let mut out = Vec::new();
    let mut at = first;
    while at <= last {
        if out.len() == max {
            return None;
        }
        out.push(at);
        let next = plan.rounding.bucket(at).1;
        if next <= at {
            break;
        }
        at = next;
    }
    // A start that the steps missed (the clock was moved) still has its bucket.
    out.extend(starts);
    out.sort_unstable();
    out.dedup();
    Some(out)
}

/// The numbers of a histogram's buckets, rising; `None` when there would be more than `max`.
pub(super) fn histogram_steps(
    agg: &HistogramAgg,
    buckets: &HistogramBuckets,
    max: usize,
) -> Option<Vec<i64>> {
    let mut steps: Vec<i64> = buckets.keys().copied().collect();
    steps.sort_unstable();
    if agg.min_doc_count > 0 {
        return (steps.len() <= max).then_some(steps);
    }
    let (mut first, mut last) = match (steps.first(), steps.last()) {
        (Some(first), Some(last)) => (Some(*first), Some(*last)),
        _ => (None, None),
    };
    if let Some((from, to)) = agg.extended_bounds {
        let step = |v: f64| ((v - agg.offset) / agg.interval).floor() as i64;
        (first, last) =
            extended((first, last), (from, to), (f64::NEG_INFINITY, f64::INFINITY), step);
    }
    let (Some(first), Some(last)) = (first, last) else { return Some(steps) };
    if i128::from(last) - i128::from(first) >= max as i128 {
        return None;
    }
    Some((first..=last).collect())
}

/// First and last bucket when there must be buckets from here to here; an end that is the other end
/// of all values asks for none.
fn extended<T: PartialEq>(
    (first, last): (Option<i64>, Option<i64>),
    (from, to): (T, T),
    (least, most): (T, T),
    bucket: impl Fn(T) -> i64,
) -> (Option<i64>, Option<i64>) {
    let from = (from != most).then(|| bucket(from));
    let to = (to != least).then(|| bucket(to));
    let first = first.into_iter().chain(from).min();
    let last = last.into_iter().chain(to).max();
    (first.or(last), last.or(first))
}
