//! How does Elasticsearch write the answers? Merged partials to its JSON.
//!
//! Every bucket that is written is counted against the limit before it is made.

use jiff::tz::TimeZone;
use model::time::Timestamp;
use serde_json::{Value as Json, json};

use super::buckets::{HistogramBuckets, date_starts, histogram_steps, ordered};
use super::key::Key;
use super::keyed::too_many_buckets;
use super::partial::{Bucket, Partial};
use super::{DatePlan, Kind, Plan, Planned, empty, metric, pipeline};
use crate::dates::Formats;
use crate::error::QueryError;
use crate::request::{FiltersAgg, HistogramAgg, RangeAgg, RangeBucket, TermsAgg};
use crate::tree::{Object, Tree};

/// The `aggregations` object.
///
/// # Errors
/// `TooManyBuckets`.
pub fn answer(
    planned: &Plan,
    mut partials: Vec<Partial>,
    buckets_max: usize,
) -> Result<Object, QueryError> {
    if partials.is_empty() {
        partials = empty(planned);
    }
    let has_stages = planned.has_stages();
    if has_stages {
        pipeline::cumulate(planned, &mut partials);
    }
    let mut out = Writer { left: buckets_max, buckets_max, start_ns: 0 }.all(planned, partials)?;
    if has_stages {
        pipeline::run(planned, &mut out, buckets_max)?;
    }
    Ok(out)
}

struct Writer {
    left: usize,
    buckets_max: usize,
    /// The start of the date histogram's bucket that is written.
    start_ns: i64,
}

impl Writer {
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
            (Kind::Terms(agg), Partial::Keyed(map)) => {
                let buckets = ordered(agg, &planned.subs, map);
                self.terms(agg, planned, buckets, out)?;
            }
            (Kind::Date(plan), Partial::Keyed(map)) => {
                let buckets = map.into_iter().filter_map(|(key, bucket)| match key {
                    Key::Time(ns) => Some((ns, bucket)),
                    _ => None,
                });
                out.push("buckets", self.dates(plan, planned, buckets.collect())?);
            }
            (Kind::Histogram(agg), Partial::Keyed(map)) => {
                let buckets = map.into_iter().filter_map(|(key, bucket)| match key {
                    Key::Int(at) => Some((at, bucket)),
                    _ => None,
                });
                out.push("buckets", self.histogram(agg, planned, buckets.collect())?);
            }
            (Kind::Range(agg, formats), Partial::Slots(slots)) => {
                out.push("buckets", self.ranges((agg, formats), planned, slots)?);
            }
            (Kind::Filter(_), Partial::Slots(mut slots)) => {
                self.bucket(out, &planned.subs, slots.pop().unwrap_or_default())?;
            }
            (Kind::Filters(agg, _), Partial::Slots(slots)) => {
                out.push("buckets", self.filters(agg, planned, slots)?);
            }
            (_, partial) => metric::write(planned, partial, self.start_ns, out),
        }
        Ok(())
    }

    /// Adds to a bucket's head its count and the nested answers.
    fn bucket(&mut self, head: &mut Object, subs: &Plan, bucket: Bucket) -> Result<(), QueryError> {
        self.take(1)?;
        head.push("doc_count", bucket.docs);
        let partials = if bucket.subs.is_empty() { empty(subs) } else { bucket.subs };
        self.add_all(subs, partials, head)
    }

    fn terms(
        &mut self,
        agg: &TermsAgg,
        planned: &Planned,
        buckets: Vec<(Key, Bucket)>,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let rest: u64 = buckets.iter().skip(agg.size).map(|(_, b)| b.docs).sum();
        let mut list = Vec::with_capacity(buckets.len().min(agg.size));
        for (key, bucket) in buckets.into_iter().take(agg.size) {
            let mut head = Object::with_capacity(2 + planned.subs.len());
            head.push("key", key.json());
            let text = match key {
                Key::Bool(v) => Some(v.to_string()),
                Key::Time(ns) => Some(Timestamp(ns).rfc3339_millis()),
                _ => None,
            };
            if let Some(text) = text {
                head.push("key_as_string", text);
            }
            self.bucket(&mut head, &planned.subs, bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("doc_count_error_upper_bound", 0);
        out.push("sum_other_doc_count", rest);
        out.push("buckets", Tree::List(list));
        Ok(())
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
        let mut list = Vec::with_capacity(starts.len());
        for start in starts {
            let bucket = buckets.remove(&start).unwrap_or_default();
            if bucket.docs < agg.min_doc_count {
                continue;
            }
            let text = plan.print(start);
            let mut head = Object::with_capacity(3 + planned.subs.len());
            head.push("key_as_string", text.clone());
            head.push("key", Timestamp(start).millis());
            self.start_ns = start;
            self.bucket(&mut head, &planned.subs, bucket)?;
            list.push((text, head));
        }
        Ok(listed(list, agg.keyed))
    }

    fn histogram(
        &mut self,
        agg: &HistogramAgg,
        planned: &Planned,
        buckets: HistogramBuckets,
    ) -> Result<Tree, QueryError> {
        let mut buckets = buckets;
        let steps = histogram_steps(agg, &buckets, self.left)
            .ok_or_else(|| too_many_buckets(self.buckets_max))?;
        let mut list = Vec::with_capacity(steps.len());
        for at in steps {
            let bucket = buckets.remove(&at).unwrap_or_default();
            if bucket.docs < agg.min_doc_count {
                continue;
            }
            let key = at as f64 * agg.interval + agg.offset;
            let mut head = Object::with_capacity(2 + planned.subs.len());
            head.push("key", key);
            self.bucket(&mut head, &planned.subs, bucket)?;
            list.push((json!(key).to_string(), head));
        }
        Ok(listed(list, agg.keyed))
    }

    fn ranges(
        &mut self,
        (agg, formats): (&RangeAgg, &Formats),
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
        let print = |v: f64| {
            if agg.date { print_millis(formats, v) } else { json!(v).to_string() }
        };
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
                    if agg.date {
                        head.push(as_string, print(value));
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
            self.bucket(&mut body, &planned.subs, bucket)?;
            list.push((name, body));
        }
        Ok(listed(list, named))
    }
}

/// `buckets` as a list, or as an object by name.
fn listed(list: Vec<(String, Object)>, keyed: bool) -> Tree {
    match keyed {
        true => {
            let members = list.into_iter().map(|(name, body)| (name.into(), body.into()));
            Tree::Object(members.collect())
        }
        false => Tree::List(list.into_iter().map(|(_, body)| body.into()).collect()),
    }
}

fn print_millis(formats: &Formats, millis: f64) -> String {
    formats.print(Timestamp((millis * 1e6) as i64), &TimeZone::UTC)
}
