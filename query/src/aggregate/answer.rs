//! How does Elasticsearch write the answers? Merged partials to its JSON.
//!
//! Every bucket that is written is counted against the limit before it is made.

use jiff::tz::TimeZone;
use model::time::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::buckets::{HistogramBuckets, date_starts, histogram_steps, ordered};
use super::key::Key;
use super::keyed::too_many_buckets;
use super::partial::{Bucket, Partial};
use super::{DatePlan, Kind, Planned, empty, is_time_field};
use crate::dates::Formats;
use crate::error::QueryError;
use crate::request::{FiltersAgg, HistogramAgg, PercentilesAgg, RangeAgg, RangeBucket, TermsAgg};

/// The `aggregations` object.
///
/// # Errors
/// `TooManyBuckets`.
pub fn answer(
    planned: &[Planned],
    mut partials: Vec<Partial>,
    buckets_max: usize,
) -> Result<Map<String, Json>, QueryError> {
    if partials.is_empty() {
        partials = empty(planned);
    }
    Writer { left: buckets_max, buckets_max }.all(planned, partials)
}

struct Writer {
    left: usize,
    buckets_max: usize,
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

    fn all(
        &mut self,
        planned: &[Planned],
        partials: Vec<Partial>,
    ) -> Result<Map<String, Json>, QueryError> {
        let mut out = Map::new();
        for (planned, partial) in planned.iter().zip(partials) {
            let mut body = Map::new();
            if let Some(meta) = &planned.meta {
                body.insert("meta".into(), Json::Object(meta.clone()));
            }
            body.append(&mut self.one(planned, partial)?);
            out.insert(planned.name.clone(), Json::Object(body));
        }
        Ok(out)
    }

    fn one(
        &mut self,
        planned: &Planned,
        partial: Partial,
    ) -> Result<Map<String, Json>, QueryError> {
        match (&planned.kind, partial) {
            (Kind::Terms(agg), Partial::Keyed(map)) => {
                let buckets = ordered(agg, &planned.subs, map);
                self.terms(agg, planned, buckets)
            }
            (Kind::Date(plan), Partial::Keyed(map)) => {
                let buckets = map.into_iter().filter_map(|(key, bucket)| match key {
                    Key::Time(ns) => Some((ns, bucket)),
                    _ => None,
                });
                self.dates(plan, planned, buckets.collect())
            }
            (Kind::Histogram(agg), Partial::Keyed(map)) => {
                let buckets = map.into_iter().filter_map(|(key, bucket)| match key {
                    Key::Int(at) => Some((at, bucket)),
                    _ => None,
                });
                self.histogram(agg, planned, buckets.collect())
            }
            (Kind::Range(agg, formats), Partial::Slots(slots)) => {
                self.ranges((agg, formats), planned, slots)
            }
            (Kind::Filter(_), Partial::Slots(mut slots)) => {
                self.bucket(Map::new(), &planned.subs, slots.pop().unwrap_or_default())
            }
            (Kind::Filters(agg, _), Partial::Slots(slots)) => self.filters(agg, planned, slots),
            (Kind::Metric(agg), Partial::Stats(stats)) => {
                let print = |v: f64| print_millis(&Formats::default(), v);
                let print = is_time_field(&agg.field).then_some(&print as &dyn Fn(f64) -> String);
                Ok(stats.json(agg.metric, print))
            }
            (Kind::Percentiles(agg), Partial::Percentiles(mut sketch)) => {
                sketch.finish();
                Ok(percentiles(agg, |percent| sketch.percentile(percent)))
            }
            (Kind::Cardinality(_), Partial::Distinct(distinct)) => {
                let mut out = Map::new();
                out.insert("value".into(), json!(distinct.count()));
                Ok(out)
            }
            // Partials are made from the plan, so their kinds agree.
            _ => Ok(Map::new()),
        }
    }

    /// A bucket: what `head` says, the count, and the nested answers.
    fn bucket(
        &mut self,
        mut head: Map<String, Json>,
        subs: &[Planned],
        bucket: Bucket,
    ) -> Result<Map<String, Json>, QueryError> {
        self.take(1)?;
        head.insert("doc_count".into(), json!(bucket.docs));
        let partials = if bucket.subs.is_empty() { empty(subs) } else { bucket.subs };
        head.append(&mut self.all(subs, partials)?);
        Ok(head)
    }

    fn terms(
        &mut self,
        agg: &TermsAgg,
        planned: &Planned,
        buckets: Vec<(Key, Bucket)>,
    ) -> Result<Map<String, Json>, QueryError> {
        let rest: u64 = buckets.iter().skip(agg.size).map(|(_, b)| b.docs).sum();
        let mut list = Vec::new();
        for (key, bucket) in buckets.into_iter().take(agg.size) {
            let mut head = Map::new();
            head.insert("key".into(), key.json());
            let text = match key {
                Key::Bool(v) => Some(v.to_string()),
                Key::Time(ns) => Some(Timestamp(ns).rfc3339_millis()),
                _ => None,
            };
            if let Some(text) = text {
                head.insert("key_as_string".into(), text.into());
            }
            list.push(Json::Object(self.bucket(head, &planned.subs, bucket)?));
        }
        let mut out = Map::new();
        out.insert("doc_count_error_upper_bound".into(), json!(0));
        out.insert("sum_other_doc_count".into(), json!(rest));
        out.insert("buckets".into(), Json::Array(list));
        Ok(out)
    }

    fn dates(
        &mut self,
        plan: &DatePlan,
        planned: &Planned,
        buckets: HistogramBuckets,
    ) -> Result<Map<String, Json>, QueryError> {
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
            let mut head = Map::new();
            head.insert("key_as_string".into(), text.clone().into());
            head.insert("key".into(), json!(Timestamp(start).millis()));
            list.push((text, self.bucket(head, &planned.subs, bucket)?));
        }
        Ok(listed(list, agg.keyed))
    }

    fn histogram(
        &mut self,
        agg: &HistogramAgg,
        planned: &Planned,
        buckets: HistogramBuckets,
    ) -> Result<Map<String, Json>, QueryError> {
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
            let mut head = Map::new();
            head.insert("key".into(), json!(key));
            list.push((json!(key).to_string(), self.bucket(head, &planned.subs, bucket)?));
        }
        Ok(listed(list, agg.keyed))
    }

    fn ranges(
        &mut self,
        (agg, formats): (&RangeAgg, &Formats),
        planned: &Planned,
        slots: Vec<Bucket>,
    ) -> Result<Map<String, Json>, QueryError> {
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
        let mut list = Vec::new();
        for (range, bucket) in all {
            let text = |v: Option<f64>| v.map_or_else(|| "*".to_owned(), print);
            let name = match &range.key {
                Some(key) => key.clone(),
                None => format!("{}-{}", text(range.from), text(range.to)),
            };
            let mut head = Map::new();
            if !agg.keyed {
                head.insert("key".into(), name.clone().into());
            }
            for (end, value) in [("from", range.from), ("to", range.to)] {
                if let Some(value) = value {
                    head.insert(end.into(), json!(value));
                    if agg.date {
                        head.insert(format!("{end}_as_string"), print(value).into());
                    }
                }
            }
            list.push((name, self.bucket(head, &planned.subs, bucket)?));
        }
        Ok(listed(list, agg.keyed))
    }

    fn filters(
        &mut self,
        agg: &FiltersAgg,
        planned: &Planned,
        slots: Vec<Bucket>,
    ) -> Result<Map<String, Json>, QueryError> {
        let named = agg.filters.first().is_none_or(|(name, _)| name.is_some());
        let names = agg.filters.iter().map(|(name, _)| name.clone().unwrap_or_default());
        let mut list = Vec::new();
        for (name, bucket) in names.chain(agg.other.clone()).zip(slots) {
            list.push((name, self.bucket(Map::new(), &planned.subs, bucket)?));
        }
        Ok(listed(list, named))
    }
}

/// `buckets` as a list, or as an object by name.
fn listed(list: Vec<(String, Map<String, Json>)>, keyed: bool) -> Map<String, Json> {
    let buckets = if keyed {
        Json::Object(list.into_iter().map(|(name, body)| (name, Json::Object(body))).collect())
    } else {
        Json::Array(list.into_iter().map(|(_, body)| Json::Object(body)).collect())
    };
    let mut out = Map::new();
    out.insert("buckets".into(), buckets);
    out
}

fn print_millis(formats: &Formats, millis: f64) -> String {
    formats.print(Timestamp((millis * 1e6) as i64), &TimeZone::UTC)
}

fn percentiles(agg: &PercentilesAgg, value: impl Fn(f64) -> Option<f64>) -> Map<String, Json> {
    let time = is_time_field(&agg.field);
    let mut object = Map::new();
    let mut list = Vec::new();
    for percent in &agg.percents {
        let value = value(*percent);
        let text = value.filter(|_| time).map(|v| print_millis(&Formats::default(), v));
        if agg.keyed {
            let name = json!(percent).to_string();
            object.insert(name.clone(), json!(value));
            if let Some(text) = text {
                object.insert(format!("{name}_as_string"), text.into());
            }
        } else {
            let mut entry = Map::new();
            entry.insert("key".into(), json!(percent));
            entry.insert("value".into(), json!(value));
            if let Some(text) = text {
                entry.insert("value_as_string".into(), text.into());
            }
            list.push(Json::Object(entry));
        }
    }
    let mut out = Map::new();
    let values = if agg.keyed { Json::Object(object) } else { Json::Array(list) };
    out.insert("values".into(), values);
    out
}
