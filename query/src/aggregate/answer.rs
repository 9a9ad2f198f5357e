//! How does Elasticsearch write the answers? Merged partials to its JSON.
//!
//! Every bucket that is written is counted against the limit before it is made.

use model::time::Timestamp;
use serde_json::{Value as Json, json};

use super::buckets::{HistogramBuckets, date_starts, histogram_steps, ordered};
use super::choice::KeyFormat;
use super::key::Key;
use super::keyed::too_many_buckets;
use super::partial::{Bucket, Partial};
use super::top_hits::Pending;
use super::{DatePlan, Kind, Plan, Planned, empty, metric, pipeline};
use crate::error::QueryError;
use crate::request::{BucketOrder, FiltersAgg, HistogramAgg, RangeAgg, RangeBucket};
use crate::tree::{Object, Tree};

/// The `aggregations` object.
///
/// # Errors
/// `TooManyBuckets`.
pub fn answer(
    planned: &Plan,
    partials: Vec<Partial>,
    buckets_max: usize,
) -> Result<Object, QueryError> {
    answer_with_hits(planned, partials, buckets_max).map(|(answer, _)| answer)
}

/// The `aggregations` object, and the hits that are to be read for it.
///
/// # Errors
/// `TooManyBuckets`.
pub fn answer_with_hits(
    planned: &Plan,
    mut partials: Vec<Partial>,
    buckets_max: usize,
) -> Result<(Object, Vec<Pending>), QueryError> {
    if partials.is_empty() {
        partials = empty(planned);
    }
    let shown = planned.iter().position(Planned::is_hidden).unwrap_or(planned.len());
    let hidden = partials.split_off(shown.min(partials.len()));
    let backgrounds = hidden.into_iter().map(|partial| match partial {
        Partial::Slots(mut slots) => slots.pop().unwrap_or_default(),
        _ => Bucket::default(),
    });
    let mut writer = Writer {
        left: buckets_max,
        buckets_max,
        backgrounds: backgrounds.collect(),
        scale: 1.0,
        pending: Vec::new(),
        start_ns: 0,
    };
    let has_stages = planned.has_stages();
    if has_stages {
        pipeline::cumulate(planned, &mut partials);
    }
    let mut out = writer.all(planned, partials)?;
    if has_stages {
        pipeline::run(planned, &mut out, buckets_max)?;
    }
    Ok((out, writer.pending))
}

/// Writes answers.
pub(super) struct Writer {
    left: usize,
    buckets_max: usize,
    /// What is known of all records, for the aggregations that need it.
    pub(super) backgrounds: Vec<Bucket>,
    /// Counts of a sample stand for so many times as many.
    pub(super) scale: f64,
    /// Hits that are to be read.
    pub(super) pending: Vec<Pending>,
    /// The start of the date histogram's bucket that is written.
    start_ns: i64,
}

impl Writer {
    /// A count, of all records when it is of a sample.
    pub(super) fn scaled(&self, count: u64) -> u64 {
        match self.scale == 1.0 {
            true => count,
            false => (count as f64 * self.scale).round() as u64,
        }
    }

    fn take(&mut self, buckets: usize) -> Result<(), QueryError> {
        match self.left.checked_sub(buckets) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(too_many_buckets(self.buckets_max)),
        }
    }

    fn all(&mut self, planned: &Plan, partials: Vec<Partial>) -> Result<Object, QueryError> {
        let mut out = Object::with_capacity(planned.len());
        self.add_all(planned, partials, &mut out)?;
        Ok(out)
    }

    fn add_all(
        &mut self,
        plan: &Plan,
        partials: Vec<Partial>,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        // Their own names differ; one may be that of a member of the bucket.
        let head = out.len();
        let mut partials = partials.into_iter();
        for (planned, partial) in plan.iter().zip(partials.by_ref()) {
            let mut body = Object::default();
            if let Some(meta) = &planned.meta {
                body.push("meta", Json::Object(meta.clone()));
            }
            self.one(planned, partial, &mut body)?;
            out.put(head, planned.name.clone(), body);
        }
        pipeline::write_cumulated(plan, partials, out);
        Ok(())
    }

    fn one(
        &mut self,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        match (&planned.kind, partial) {
            (Kind::Terms(plan), Partial::Keyed(map)) => self.terms(plan, planned, map, out)?,
            (Kind::More(more), partial) => more.write(self, planned, partial, out)?,
            (Kind::Date(plan), Partial::Keyed(map)) => {
                let buckets = map.into_iter().filter_map(|(key, bucket)| match key {
                    Key::Time(ns) => Some((ns, bucket)),
                    _ => None,
                });
                out.push("buckets", self.dates(plan, planned, buckets.collect())?);
            }
            (Kind::Histogram(agg, format), Partial::Keyed(map)) => {
                let buckets = map.into_iter().filter_map(|(key, bucket)| match key {
                    Key::Int(at) => Some((at, bucket)),
                    _ => None,
                });
                out.push("buckets", self.histogram((agg, format), planned, buckets.collect())?);
            }
            (Kind::Range(agg, format), Partial::Slots(slots)) => {
                out.push("buckets", self.ranges((agg, format), planned, slots)?);
            }
            (Kind::Filter(_), partial) => self.single(planned, partial, out)?,
            (Kind::Filters(agg, _), Partial::Slots(slots)) => {
                out.push("buckets", self.filters(agg, planned, slots)?);
            }
            (_, partial) => {
                let partial = match partial {
                    Partial::Stats(stats) => Partial::Stats(stats.times(self.scale)),
                    other => other,
                };
                metric::write(planned, partial, self.start_ns, out);
            }
        }
        Ok(())
    }

    /// The answer of a kind that makes one bucket.
    pub(super) fn single(
        &mut self,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Slots(mut slots) = partial else { return Ok(()) };
        self.bucket(out, &planned.subs, slots.pop().unwrap_or_default())
    }

    /// Adds to a bucket's head its count and the nested answers.
    pub(super) fn bucket(
        &mut self,
        head: &mut Object,
        subs: &Plan,
        bucket: Bucket,
    ) -> Result<(), QueryError> {
        self.counted(head, (subs, Vec::new()), bucket)
    }

    /// The same, with members between the count and the nested answers.
    pub(super) fn counted(
        &mut self,
        head: &mut Object,
        (subs, extra): (&Plan, Vec<(&'static str, Tree)>),
        bucket: Bucket,
    ) -> Result<(), QueryError> {
        self.take(1)?;
        head.push("doc_count", self.scaled(bucket.docs));
        extra.into_iter().for_each(|(name, value)| head.push(name, value));
        self.nested(subs, bucket, head)
    }

    /// Adds the nested answers.
    pub(super) fn nested(
        &mut self,
        subs: &Plan,
        bucket: Bucket,
        head: &mut Object,
    ) -> Result<(), QueryError> {
        let partials = if bucket.subs.is_empty() { empty(subs) } else { bucket.subs };
        self.add_all(subs, partials, head)
    }

    fn dates(
        &mut self,
        plan: &DatePlan,
        planned: &Planned,
        buckets: HistogramBuckets,
    ) -> Result<Tree, QueryError> {
        let (agg, mut buckets) = (&plan.agg, buckets);
        let starts = date_starts(plan, &buckets, self.left)
            .ok_or_else(|| too_many_buckets(self.buckets_max))?;
        let all = starts.into_iter().map(|s| (s, buckets.remove(&s).unwrap_or_default()));
        let all = all.filter(|(_, bucket)| bucket.docs >= agg.min_doc_count);
        let all = self.in_order(&agg.order, planned, all.collect());
        let mut list = Vec::with_capacity(all.len());
        for (start, bucket) in all {
            let text = plan.print(start);
            let mut head = Object::with_capacity(3 + planned.subs.len());
            head.push("key_as_string", text.clone());
            head.push("key", Timestamp(start).millis());
            let outer = std::mem::replace(&mut self.start_ns, start);
            self.bucket(&mut head, &planned.subs, bucket)?;
            self.start_ns = outer;
            list.push((text, head));
        }
        Ok(listed(list, agg.keyed))
    }

    fn histogram(
        &mut self,
        (agg, format): (&HistogramAgg, &KeyFormat),
        planned: &Planned,
        buckets: HistogramBuckets,
    ) -> Result<Tree, QueryError> {
        let mut buckets = buckets;
        let steps = histogram_steps(agg, &buckets, self.left)
            .ok_or_else(|| too_many_buckets(self.buckets_max))?;
        let all = steps.into_iter().map(|s| (s, buckets.remove(&s).unwrap_or_default()));
        let all = all.filter(|(_, bucket)| bucket.docs >= agg.min_doc_count);
        let all = self.in_order(&agg.order, planned, all.collect());
        let mut list = Vec::with_capacity(all.len());
        for (at, bucket) in all {
            let key = at as f64 * agg.interval + agg.offset;
            let mut head = Object::with_capacity(2 + planned.subs.len());
            head.push("key", key);
            let text = format.number(key);
            text.iter().for_each(|text| head.push("key_as_string", text.clone()));
            self.bucket(&mut head, &planned.subs, bucket)?;
            list.push((text.unwrap_or_else(|| json!(key).to_string()), head));
        }
        Ok(listed(list, agg.keyed))
    }

    /// Buckets by number in the order asked for; they come by key.
    fn in_order(
        &self,
        order: &[(BucketOrder, bool)],
        planned: &Planned,
        list: Vec<(i64, Bucket)>,
    ) -> Vec<(i64, Bucket)> {
        if order.is_empty() || order == [(BucketOrder::Key, false)] {
            return list;
        }
        let list = list.into_iter().map(|(at, bucket)| (Key::Int(at), bucket)).collect();
        let at = |key: Key| if let Key::Int(at) = key { at } else { 0 };
        let list = ordered(order, &planned.subs, list).into_iter();
        list.map(|(key, bucket)| (at(key), bucket)).collect()
    }

    fn ranges(
        &mut self,
        (agg, format): (&RangeAgg, &KeyFormat),
        planned: &Planned,
        slots: Vec<Bucket>,
    ) -> Result<Tree, QueryError> {
        let mut all: Vec<(&RangeBucket, Bucket)> = agg.ranges.iter().zip(slots).collect();
        // Elasticsearch orders ranges by their ends, whatever the request's order.
        let end = |v: Option<f64>, open: f64| v.unwrap_or(open);
        all.sort_by(|(a, _), (b, _)| {
            end(a.from, f64::NEG_INFINITY)
                .total_cmp(&end(b.from, f64::NEG_INFINITY))
                .then(end(a.to, f64::INFINITY).total_cmp(&end(b.to, f64::INFINITY)))
        });
        let written = |v: f64| match agg.date {
            true => Some(format.time((v * 1e6) as i64)),
            false => format.number(v),
        };
        let print = |v: f64| written(v).unwrap_or_else(|| json!(v).to_string());
        let mut list = Vec::with_capacity(all.len());
        for (range, bucket) in all {
            let text = |v: Option<f64>| v.map_or_else(|| "*".to_owned(), print);
            let name = match &range.key {
                Some(key) => key.clone(),
                None => format!("{}-{}", text(range.from), text(range.to)),
            };
            let mut head = Object::default();
            if !agg.keyed {
                head.push("key", name.clone());
            }
            let ends = [("from", "from_as_string", range.from), ("to", "to_as_string", range.to)];
            for (end, as_string, value) in ends {
                if let Some(value) = value {
                    head.push(end, value);
                    if let Some(text) = written(value) {
                        head.push(as_string, text);
                    }
                }
            }
            self.bucket(&mut head, &planned.subs, bucket)?;
            list.push((name, head));
        }
        Ok(listed(list, agg.keyed))
    }

    fn filters(
        &mut self,
        agg: &FiltersAgg,
        planned: &Planned,
        slots: Vec<Bucket>,
    ) -> Result<Tree, QueryError> {
        let named = agg.filters.first().is_none_or(|(name, _)| name.is_some());
        let names = agg.filters.iter().map(|(name, _)| name.clone().unwrap_or_default());
        let mut list = Vec::new();
        for (name, bucket) in names.chain(agg.other.clone()).zip(slots) {
            let mut body = Object::default();
            if named && !agg.keyed {
                body.push("key", name.clone());
            }
            self.bucket(&mut body, &planned.subs, bucket)?;
            list.push((name, body));
        }
        Ok(listed(list, named && agg.keyed))
    }
}

/// `buckets` as a list, or as an object by name.
pub(super) fn listed(list: Vec<(String, Object)>, keyed: bool) -> Tree {
    match keyed {
        true => {
            let members = list.into_iter().map(|(name, body)| (name.into(), body.into()));
            Tree::Object(members.collect())
        }
        false => Tree::List(list.into_iter().map(|(_, body)| body.into()).collect()),
    }
}
