//! Aggregations over live batches, splits and both, against the plainest way to compute them.

use std::collections::BTreeMap;

use model::time::{NS_PER_MS, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use index::read::RowSet;

use super::naive::Doc;
use super::{answer, large, matching, query, small};
use crate::aggregate;
use crate::aggregate::partial::{Partial, merge_all};
use crate::aggregate::source::Segment;
use crate::ast::{Query, Test};
use crate::error::ErrorKind;
use crate::leaf::LiveView;
use crate::plan::{IndexPatterns, Node};
use crate::request::*;
use crate::script::{Context, Script};

fn at(kind: AggKind, aggs: Vec<(String, Agg)>) -> Agg {
    Agg { kind, aggs, meta: None }
}

fn field() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "service",
        "status",
        "latency",
        "ok",
        "message",
        "trace.id",
        "mixed",
        "user",
        "note",
        "@timestamp",
        "_index",
        "absent",
    ])
    .prop_map(str::to_owned)
}

fn script(source: &str) -> Option<Script> {
    Some(Script::read(&json!(source), Context::Record, &[]).unwrap())
}

/// The scripts of metrics: of each value, and of each record.
const OF_VALUE: &str = "_value * 2 + 1";
const OF_RECORD: &str = "doc['latency'].size() == 0 ? null : doc['latency'].value * 2";

fn scripted() -> impl Strategy<Value = AggKind> {
    let metrics = prop::sample::select(vec![Metric::Sum, Metric::Max, Metric::Stats]);
    (metrics, prop::option::of(field()), prop::option::of(Just(7.0))).prop_map(
        |(metric, field, missing)| {
            let source = if field.is_some() { OF_VALUE } else { OF_RECORD };
            let script = script(source);
            let of = MetricAgg::new(metric, field.unwrap_or_default());
            AggKind::Metric(MetricAgg { missing, script, ..of })
        },
    )
}

fn rarer() -> impl Strategy<Value = AggKind> {
    let weights = prop::sample::select(vec!["latency", "ok", "absent"]);
    let missing = || prop::option::of(Just(3.0));
    let shapes = prop::sample::select(vec![Shape::Ranks, Shape::Deviation, Shape::Boxplot]);
    let by = prop::sample::select(vec!["@timestamp", "latency", "status", "mixed"]);
    prop_oneof![
        scripted(),
        (field(), weights, missing(), missing()).prop_map(|(field, weight, a, b)| {
            let of =
                |field: &str, missing| Numbers { field: field.to_owned(), missing, script: None };
            let (value, weight) = (of(&field, a), of(weight, b));
            AggKind::WeightedAvg(WeightedAvgAgg { value, weight, format: None })
        }),
        (field(), shapes, missing()).prop_map(|(field, shape, missing)| {
            let of = PercentilesAgg::new(field, vec![-5.0, 0.0, 200.0, 203.5, 1e13]);
            AggKind::Percentiles(PercentilesAgg { shape, missing, ..of })
        }),
        (field(), prop::sample::select(vec![json!("zzz"), json!(5), json!(true)])).prop_map(
            |(field, missing)| AggKind::Cardinality(CardinalityAgg {
                field,
                missing: Some(missing)
            })
        ),
        (field(), prop::option::of(Just("none".to_owned())), any::<bool>()).prop_map(
            |(field, missing, distribution)| {
                AggKind::StringStats(StringStatsAgg { field, missing, distribution, format: None })
            }
        ),
        (prop::collection::vec(field(), 1..3), 1usize..4, by, any::<bool>()).prop_map(
            |(metrics, size, by, descending)| {
                let by = match by {
                    "@timestamp" => SortBy::Time,
                    path => SortBy::Field(path.to_owned()),
                };
                AggKind::TopMetrics(TopMetricsAgg { metrics, size, by, descending, format: None })
            }
        ),
    ]
}

fn metric() -> impl Strategy<Value = Agg> {
    let metrics = prop::sample::select(vec![
        Metric::Min,
        Metric::Max,
        Metric::Avg,
        Metric::Sum,
        Metric::Stats,
        Metric::ValueCount,
    ]);
    prop_oneof![
        rarer().prop_map(|kind| at(kind, Vec::new())),
        (metrics, field(), prop::option::of(Just(7.0))).prop_map(|(metric, field, missing)| {
            at(AggKind::Metric(MetricAgg { missing, ..MetricAgg::new(metric, field) }), Vec::new())
        }),
        field().prop_map(|f| at(AggKind::Cardinality(CardinalityAgg::new(f)), Vec::new())),
        (field(), any::<bool>()).prop_map(|(field, keyed)| {
            let percents = vec![0.0, 25.0, 50.0, 99.0];
            at(
                AggKind::Percentiles(PercentilesAgg {
                    keyed,
                    ..PercentilesAgg::new(field, percents)
                }),
                Vec::new(),
            )
        }),
    ]
}

fn bucket() -> impl Strategy<Value = AggKind> {
    let ranges =
        prop::collection::vec((prop::option::of(-50i32..500), prop::option::of(-50i32..500)), 1..4);
    prop_oneof![
        4 => (field(), 1usize..6, any::<bool>(), 1u64..4, prop::option::of(Just(json!("none")))).prop_map(
            |(field, size, by_key, min_doc_count, missing)| {
                let order = if by_key { vec![(BucketOrder::Key, false)] } else { Vec::new() };
                AggKind::Terms(TermsAgg { field, size, order, min_doc_count, missing, ..TermsAgg::default() })
            }
        ),
        3 => (1i64..100, 0u64..3, -30i64..30, prop::sample::select(vec!["@timestamp", "@timestamp", "created"])).prop_map(
            |(minutes, min_doc_count, offset, field)| {
                let wide = if field == "created" { 60 } else { 1 };
                AggKind::DateHistogram(DateHistogramAgg {
                    field: field.to_owned(),
                    interval: Interval::Fixed(minutes * wide * 60_000 * NS_PER_MS),
                    offset_ns: offset * 60_000 * NS_PER_MS,
                    time_zone: None,
                    min_doc_count,
                    extended_bounds: None,
                    hard_bounds: None,
                    format: None,
                    keyed: false,
                    ..DateHistogramAgg::default()
                })
            }
        ),
        2 => (field(), 1u32..200, 0u64..3, 0u32..10).prop_filter_map("wide", |(field, interval, min, offset)| {
            (field != "@timestamp").then(|| AggKind::Histogram(HistogramAgg {
                field,
                interval: f64::from(interval) / 2.0,
                offset: f64::from(offset),
                min_doc_count: min,
                extended_bounds: None,
                keyed: false,
                ..HistogramAgg::default()
            }))
        }),
        1 => (field(), ranges, any::<bool>()).prop_map(|(field, ranges, keyed)| {
            let ranges = ranges.into_iter().enumerate().map(|(i, (from, to))| RangeBucket {
                key: Some(format!("r{i}")),
                from: from.map(f64::from),
                to: to.map(f64::from),
            });
            AggKind::Range(RangeAgg { field, ranges: ranges.collect(), keyed, ..RangeAgg::default() })
        }),
        1 => query().prop_map(AggKind::Filter),
        1 => (query(), query(), any::<bool>()).prop_map(|(a, b, other)| AggKind::Filters(FiltersAgg {
            filters: vec![(Some("a".into()), a), (Some("b".into()), b)],
            other: other.then(|| "rest".to_owned()),
            keyed: true,
        })),
        1 => field().prop_map(AggKind::Missing),
    ]
}

fn tree() -> impl Strategy<Value = Agg> {
    let leaf = prop_oneof![metric(), bucket().prop_map(|kind| at(kind, Vec::new()))];
    leaf.prop_recursive(3, 8, 3, |inner| {
        (bucket(), prop::collection::vec(inner, 0..3)).prop_map(|(kind, subs)| {
            let named = subs.into_iter().enumerate().map(|(i, agg)| (format!("sub{i}"), agg));
            at(kind, named.collect())
        })
    })
}

/// A key with its place in the order of keys.
type Named = BTreeMap<(u8, i64, String), (Json, Vec<usize>)>;

fn numbers(doc: &Doc, field: &str) -> Vec<f64> {
    let number = |v: &Json| match v {
        Json::Bool(b) => Some(f64::from(u8::from(*b))),
        v => v.as_f64(),
    };
    doc.of(field).iter().filter_map(number).collect()
}

fn times(doc: &Doc, field: &str) -> Vec<i64> {
    match field {
        "@timestamp" => vec![doc.time],
        _ => doc
            .of(field)
            .iter()
            .filter_map(|v| Timestamp::parse(v.as_str()?).map(|t| t.0))
            .collect(),
    }
}

/// A value that has the same form for the same number.
fn canonical(value: &Json) -> Json {
    match value.as_f64() {
        Some(v) if v.fract() == 0.0 => json!(v as i64),
        _ => value.clone(),
    }
}

fn naive_all(aggs: &[(String, Agg)], docs: &[&Doc]) -> Map<String, Json> {
    aggs.iter().map(|(name, agg)| (name.clone(), naive(agg, docs))).collect()
}

fn bucket_json(mut head: Json, agg: &Agg, docs: &[&Doc]) -> Json {
    head["doc_count"] = json!(docs.len());
    head.as_object_mut().unwrap().append(&mut naive_all(&agg.aggs, docs));
    head
}

fn naive(agg: &Agg, docs: &[&Doc]) -> Json {
    let chosen = |places: &[usize]| places.iter().map(|at| docs[*at]).collect::<Vec<_>>();
    match &agg.kind {
        AggKind::Terms(terms) => {
            let mut named = Named::new();
            for (at, doc) in docs.iter().enumerate() {
                let mut values = doc.of(&terms.field);
                if values.is_empty() {
                    values.extend(terms.missing.clone());
                }
                let mut seen = Vec::new();
                for value in values.iter().map(canonical) {
                    if !seen.contains(&value) {
                        named
                            .entry(place(&value))
                            .or_insert((value.clone(), Vec::new()))
                            .1
                            .push(at);
                        seen.push(value);
                    }
                }
            }
            naive_terms(agg, terms, named, docs)
        }
        AggKind::DateHistogram(date) => {
            let Interval::Fixed(width) = date.interval else { panic!("only fixed") };
            let step = |ns: i64| (ns - date.offset_ns).div_euclid(width);
            let places = by_step(docs, |d| times(d, &date.field).into_iter().map(step).collect());
            let mut list = Vec::new();
            for (at, places) in filled(places, date.min_doc_count) {
                let start = Timestamp(at * width + date.offset_ns);
                let head = json!({"key": start.millis(), "key_as_string": start.rfc3339_millis()});
                list.push(bucket_json(head, agg, &chosen(&places)));
            }
            json!({"buckets": list})
        }
        AggKind::Histogram(h) => {
            let step = |v: f64| ((v - h.offset) / h.interval).floor() as i64;
            let places = by_step(docs, |d| numbers(d, &h.field).into_iter().map(step).collect());
            let mut list = Vec::new();
            for (at, places) in filled(places, h.min_doc_count) {
                let head = json!({"key": at as f64 * h.interval + h.offset});
                list.push(bucket_json(head, agg, &chosen(&places)));
            }
            json!({"buckets": list})
        }
        AggKind::Range(range) => naive_ranges(agg, range, docs),
        AggKind::Filter(query) => {
            let inside: Vec<&Doc> = docs.iter().filter(|d| d.matches(query)).copied().collect();
            bucket_json(json!({}), agg, &inside)
        }
        AggKind::Filters(filters) => {
            let mut out = Map::new();
            for (name, query) in &filters.filters {
                let inside: Vec<&Doc> = docs.iter().filter(|d| d.matches(query)).copied().collect();
                out.insert(name.clone().unwrap(), bucket_json(json!({}), agg, &inside));
            }
            if let Some(other) = &filters.other {
                let none = |d: &&&Doc| !filters.filters.iter().any(|(_, q)| d.matches(q));
                let rest: Vec<&Doc> = docs.iter().filter(none).copied().collect();
                out.insert(other.clone(), bucket_json(json!({}), agg, &rest));
            }
            json!({"buckets": out})
        }
        AggKind::Missing(field) => {
            let none: Vec<&Doc> = docs.iter().filter(|d| d.of(field).is_empty()).copied().collect();
            bucket_json(json!({}), agg, &none)
        }
        AggKind::Metric(metric) => naive_metric(metric, docs),
        AggKind::Cardinality(cardinality) => {
            let values = |doc: &&Doc| {
                let values = doc.of(&cardinality.field);
                let missing = cardinality.missing.iter().filter(|_| values.is_empty()).cloned();
                missing.chain(values.clone()).collect::<Vec<Json>>()
            };
            let values = docs.iter().flat_map(values);
            let mut all: Vec<String> = values.map(|v| canonical(&v).to_string()).collect();
            all.sort();
            all.dedup();
            json!({"value": all.len()})
        }
        AggKind::Percentiles(p) => match p.shape {
            Shape::Percentiles => naive_percentiles(p, docs),
            _ => naive_distribution(p, docs),
        },
        AggKind::WeightedAvg(w) => naive_weighted(w, docs),
        AggKind::StringStats(strings) => naive_strings(strings, docs),
        AggKind::TopMetrics(top) => naive_top(top, docs),
        kind => panic!("{kind:?} is tested in a module of its own"),
    }
}

fn place(value: &Json) -> (u8, i64, String) {
    match value {
        Json::Bool(b) => (0, i64::from(*b), String::new()),
        Json::String(text) => (2, 0, text.clone()),
        v => (1, (v.as_f64().unwrap() * 10.0) as i64, String::new()),
    }
}

fn naive_terms(agg: &Agg, terms: &TermsAgg, named: Named, docs: &[&Doc]) -> Json {
    let mut all: Vec<(Json, Vec<usize>)> = named.into_values().collect();
    all.retain(|(_, places)| places.len() as u64 >= terms.min_doc_count);
    if terms.order.is_empty() {
        all.sort_by_key(|(_, places)| std::cmp::Reverse(places.len()));
    }
    let rest: usize = all.iter().skip(terms.size).map(|(_, places)| places.len()).sum();
    let mut list = Vec::new();
    for (value, places) in all.iter().take(terms.size) {
        let head = match (value, terms.field.as_str()) {
            (Json::Bool(b), _) => json!({"key": i64::from(*b), "key_as_string": b.to_string()}),
            (Json::Number(ms), "@timestamp") => {
                let at = Timestamp(ms.as_i64().unwrap() * NS_PER_MS);
                json!({"key": ms, "key_as_string": at.rfc3339_millis()})
            }
            (value, _) => json!({"key": value}),
        };
        let inside: Vec<&Doc> = places.iter().map(|at| docs[*at]).collect();
        list.push(bucket_json(head, agg, &inside));
    }
    json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": rest, "buckets": list})
}

fn by_step(docs: &[&Doc], steps: impl Fn(&Doc) -> Vec<i64>) -> BTreeMap<i64, Vec<usize>> {
    let mut out: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, doc) in docs.iter().enumerate() {
        let mut steps = steps(doc);
        steps.sort_unstable();
        steps.dedup();
        for step in steps {
            out.entry(step).or_default().push(at);
        }
    }
    out
}

fn filled(mut steps: BTreeMap<i64, Vec<usize>>, least: u64) -> BTreeMap<i64, Vec<usize>> {
    let ends = (steps.keys().next().copied(), steps.keys().next_back().copied());
    if let (0, (Some(first), Some(last))) = (least, ends) {
        for at in first..=last {
            steps.entry(at).or_default();
        }
    }
    steps.retain(|_, places| places.len() as u64 >= least);
    steps
}

fn naive_ranges(agg: &Agg, range: &RangeAgg, docs: &[&Doc]) -> Json {
    let mut ranges: Vec<&RangeBucket> = range.ranges.iter().collect();
    ranges.sort_by(|a, b| {
        let ends = |r: &RangeBucket| (r.from.unwrap_or(-1e9), r.to.unwrap_or(1e9));
        ends(a).partial_cmp(&ends(b)).unwrap()
    });
    let (mut list, mut object) = (Vec::new(), Map::new());
    for r in ranges {
        let inside = |d: &&&Doc| {
            numbers(d, &range.field)
                .iter()
                .any(|v| r.from.is_none_or(|f| *v >= f) && r.to.is_none_or(|t| *v < t))
        };
        let inside: Vec<&Doc> = docs.iter().filter(inside).copied().collect();
        let mut head = json!({});
        if !range.keyed {
            head["key"] = json!(r.key);
        }
        r.from.iter().for_each(|f| head["from"] = json!(f));
        r.to.iter().for_each(|t| head["to"] = json!(t));
        let bucket = bucket_json(head, agg, &inside);
        object.insert(r.key.clone().unwrap(), bucket.clone());
        list.push(bucket);
    }
    if range.keyed { json!({"buckets": object}) } else { json!({"buckets": list}) }
}

fn naive_metric(metric: &MetricAgg, docs: &[&Doc]) -> Json {
    let time = metric.field == "@timestamp";
    let mut values = Vec::new();
    let mut count = 0;
    for doc in docs {
        let mut found = match (metric.field.as_str(), &metric.script) {
            (field, Some(_)) if !field.is_empty() => {
                numbers(doc, field).into_iter().map(|v| v * 2.0 + 1.0).collect()
            }
            (_, Some(_)) => numbers(doc, "latency").into_iter().map(|v| v * 2.0).collect(),
            (field, None) => numbers(doc, field),
        };
        let counted = match metric.metric {
            Metric::ValueCount => doc.of(&metric.field).len(),
            _ => found.len(),
        };
        if counted == 0 {
            found.extend(metric.missing);
        }
        count += counted.max(found.len());
        values.extend(found);
    }
    let sum: f64 = values.iter().sum();
    let least = values.iter().copied().reduce(f64::min);
    let most = values.iter().copied().reduce(f64::max);
    let mean = least.map(|_| sum / values.len() as f64);
    let print = |v: f64| Timestamp((v * 1e6) as i64).rfc3339_millis();
    let one = |v: Option<f64>| match v {
        Some(v) if time => json!({"value": v, "value_as_string": print(v)}),
        v => json!({"value": v}),
    };
    match metric.metric {
        Metric::Min => one(least),
        Metric::Max => one(most),
        Metric::Avg => one(mean),
        Metric::Sum => one(Some(sum)),
        Metric::ValueCount => json!({"value": count}),
        _ => {
            let mut out =
                json!({"count": count, "min": least, "max": most, "avg": mean, "sum": sum});
            if time && count > 0 {
                for (name, v) in [("min", least), ("max", most), ("avg", mean), ("sum", Some(sum))]
                {
                    v.into_iter().for_each(|v| out[format!("{name}_as_string")] = json!(print(v)));
                }
            }
            out
        }
    }
}

fn naive_percentiles(p: &PercentilesAgg, docs: &[&Doc]) -> Json {
    let mut values: Vec<f64> = docs.iter().flat_map(|d| numbers(d, &p.field)).collect();
    values.sort_by(f64::total_cmp);
    let (mut object, mut list) = (Map::new(), Vec::new());
    for percent in &p.percents {
        let value = (!values.is_empty()).then(|| {
            let at = percent / 100.0 * (values.len() - 1) as f64;
            let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
            low + (high - low) * at.fract()
        });
        let text = value
            .filter(|_| p.field == "@timestamp")
            .map(|v| Timestamp((v * 1e6) as i64).rfc3339_millis());
        let name = json!(percent).to_string();
        let mut entry = json!({"key": percent, "value": value});
        if let Some(text) = text {
            entry["value_as_string"] = json!(text);
            object.insert(format!("{name}_as_string"), json!(text));
        }
        object.insert(name, json!(value));
        list.push(entry);
    }
    if p.keyed { json!({"values": object}) } else { json!({"values": list}) }
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let at = share * (values.len() - 1) as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// The share of values below, as Elasticsearch's sorted digest has it.
fn naive_rank(values: &[f64], v: f64) -> f64 {
    let n = values.len() as f64;
    let below = values.iter().filter(|x| **x < v).count();
    let same = values.iter().filter(|x| **x == v).count() as f64;
    let rank = match below {
        0 if v < values[0] => 0.0,
        0 if same == n => n - 0.5 * (same - 1.0),
        0 => 0.5 * same,
        below if below as f64 == n => n,
        below if below as f64 + same == n => n - 0.5 * same,
        below if same > 0.0 => below as f64 - 0.5 + 0.5 * same,
        below => {
            let (low, high) = (values[below - 1], values[below]);
            below as f64 - 0.5 + (v - low) / (high - low)
        }
    };
    rank / n
}

fn naive_distribution(p: &PercentilesAgg, docs: &[&Doc]) -> Json {
    let mut values = Vec::new();
    for doc in docs {
        let found = numbers(doc, &p.field);
        values.extend(if found.is_empty() { p.missing } else { None });
        values.extend(found);
    }
    values.sort_by(f64::total_cmp);
    let some = (!values.is_empty()).then_some(&values);
    let time = p.field == "@timestamp";
    match p.shape {
        Shape::Ranks => {
            let mut object = Map::new();
            for v in &p.percents {
                let rank = some.map(|values| 100.0 * naive_rank(values, *v));
                object.insert(json!(v).to_string(), json!(rank));
            }
            json!({ "values": object })
        }
        Shape::Deviation => {
            let deviation = some.map(|values| {
                let median = quantile(values, 0.5);
                let mut around: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
                around.sort_by(f64::total_cmp);
                quantile(&around, 0.5)
            });
            json!({ "value": deviation })
        }
        _ => {
            let Some(values) = some else {
                return json!({"min": "Infinity", "max": "-Infinity", "q1": "NaN", "q2": "NaN",
                    "q3": "NaN", "lower": "NaN", "upper": "NaN"});
            };
            let at = |share| quantile(values, share);
            let (q1, q3) = (at(0.25), at(0.75));
            let reach = 1.5 * (q3 - q1);
            let inside: Vec<f64> =
                values.iter().copied().filter(|v| q1 - reach <= *v && *v <= q3 + reach).collect();
            let (lower, upper) = (inside[0], inside[inside.len() - 1]);
            let mut out = json!({"min": at(0.0), "max": at(1.0), "q1": q1, "q2": at(0.5),
                "q3": q3, "lower": lower, "upper": upper});
            if time {
                for (name, v) in out.as_object().unwrap().clone() {
                    let text = Timestamp((v.as_f64().unwrap() * 1e6) as i64).rfc3339_millis();
                    out[format!("{name}_as_string")] = json!(text);
                }
            }
            out
        }
    }
}

fn naive_weighted(w: &WeightedAvgAgg, docs: &[&Doc]) -> Json {
    let (mut values, mut weights, mut any) = (0.0, 0.0, false);
    for doc in docs {
        let of = |n: &Numbers| {
            let found = numbers(doc, &n.field);
            if found.is_empty() { n.missing.into_iter().collect() } else { found }
        };
        for weight in of(&w.weight) {
            for value in of(&w.value) {
                values += value * weight;
                weights += weight;
                any = true;
            }
        }
    }
    let mean = (any && weights != 0.0).then(|| values / weights);
    match mean.filter(|_| w.value.field == "@timestamp") {
        Some(ms) => {
            json!({"value": ms, "value_as_string": Timestamp((ms * 1e6) as i64).rfc3339_millis()})
        }
        None => json!({ "value": mean }),
    }
}

fn naive_strings(strings: &StringStatsAgg, docs: &[&Doc]) -> Json {
    let mut texts: Vec<Vec<u16>> = Vec::new();
    for doc in docs {
        let values = doc.of(&strings.field);
        let missing = strings.missing.iter().filter(|_| values.is_empty());
        texts.extend(missing.map(|text| text.encode_utf16().collect()));
        texts.extend(values.iter().filter_map(Json::as_str).map(|t| t.encode_utf16().collect()));
    }
    let letters: Vec<u16> = texts.concat();
    let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
    letters.iter().for_each(|letter| *counts.entry(*letter).or_default() += 1);
    let share = |n: &u64| *n as f64 / letters.len() as f64;
    let entropy: f64 = counts.values().map(|n| -share(n) * share(n).log2()).sum();
    let mean = (!texts.is_empty()).then(|| letters.len() as f64 / texts.len() as f64);
    let mut out = json!({
        "count": texts.len(),
        "min_length": texts.iter().map(Vec::len).min(),
        "max_length": texts.iter().map(Vec::len).max(),
        "avg_length": mean,
        "entropy": entropy,
    });
    if strings.distribution {
        let name = |letter: &u16| String::from_utf16_lossy(&[*letter]);
        // Halves of a pair have one name; the last in the order of the answer counts.
        let mut order: Vec<_> = counts.iter().collect();
        order.sort_by_key(|(letter, n)| (std::cmp::Reverse(**n), **letter));
        let all = order.into_iter().map(|(letter, n)| (name(letter), json!(share(n))));
        out["distribution"] = Json::Object(all.collect());
    }
    out
}

fn naive_top(top: &TopMetricsAgg, docs: &[&Doc]) -> Json {
    let place = |doc: &Doc| match &top.by {
        SortBy::Field(path) => {
            let found = numbers(doc, path).into_iter();
            found.reduce(if top.descending { f64::max } else { f64::min })
        }
        _ => Some(Timestamp(doc.time).millis() as f64),
    };
    let mut placed: Vec<(f64, &Doc)> = docs.iter().filter_map(|d| Some((place(d)?, *d))).collect();
    placed.sort_by(|(a, x), (b, y)| {
        let order = if top.descending { b.total_cmp(a) } else { a.total_cmp(b) };
        order.then((y.time, y.seq).cmp(&(x.time, x.seq)))
    });
    let shown = |doc: &Doc, field: &str| {
        let values = doc.of(field);
        let found = numbers(doc, field);
        match values.as_slice() {
            [ms] if field == "@timestamp" => {
                json!(Timestamp(ms.as_i64().unwrap() * NS_PER_MS).rfc3339_millis())
            }
            [one] => one.clone(),
            _ if found.is_empty() => json!(values.iter().filter_map(Json::as_str).min()),
            _ => json!(found.iter().sum::<f64>() / found.len() as f64),
        }
    };
    let entries = placed.iter().take(top.size).map(|(place, doc)| {
        let sort = match &top.by {
            SortBy::Time => json!(Timestamp((place * 1e6) as i64).rfc3339_millis()),
            _ => json!(place),
        };
        let metrics: Map<String, Json> =
            top.metrics.iter().map(|field| (field.clone(), shown(doc, field))).collect();
        json!({"sort": [sort], "metrics": metrics})
    });
    json!({ "top": entries.collect::<Vec<_>>() })
}

/// Equal but for the last digits of doubles and the order of an object's names.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w)))
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Number(a), Json::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
        }
        (Json::String(a), Json::String(b)) if a != b => {
            // A mean of times is printed in milliseconds, which may round either way.
            match (Timestamp::parse(a), Timestamp::parse(b)) {
                (Some(a), Some(b)) => (a.0 - b.0).abs() <= 1000 * NS_PER_MS,
                _ => false,
            }
        }
        _ => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_aggregation_counts_what_it_says(query in query(), agg in tree()) {
        let aggs = vec![("top".to_owned(), agg)];
        let want = Json::Object(naive_all(&aggs, &matching(small(), &query)));
        let request = SearchRequest { query, size: 0, aggs, ..SearchRequest::default() };
        for (layout, snapshot) in small().snapshots.iter().enumerate() {
            let got = answer(snapshot, &request).unwrap().aggregations.unwrap().into_json();
            let got = Json::Object(got);
            prop_assert!(same(&got, &want), "layout {layout}\n got {got:#}\nwant {want:#}");
        }
    }
}

/// Aggregations over records enough for dictionaries and texts of both kinds.
fn shallow() -> impl Strategy<Value = Agg> {
    let leaf = prop_oneof![metric(), bucket().prop_map(|kind| at(kind, Vec::new()))];
    (bucket(), prop::collection::vec(leaf, 0..2)).prop_map(|(kind, subs)| {
        let named = subs.into_iter().enumerate().map(|(i, agg)| (format!("sub{i}"), agg));
        at(kind, named.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn every_aggregation_counts_what_it_says_in_much(query in query(), agg in shallow()) {
        let aggs = vec![("top".to_owned(), agg)];
        let want = Json::Object(naive_all(&aggs, &matching(large(), &query)));
        let request = SearchRequest { query, size: 0, aggs, ..SearchRequest::default() };
        for (layout, snapshot) in large().snapshots.iter().enumerate() {
            let got = Json::Object(answer(snapshot, &request).unwrap().aggregations.unwrap().into_json());
            prop_assert!(same(&got, &want), "layout {layout}\n got {got:#}\nwant {want:#}");
        }
    }
}

/// What each live batch knows of the aggregations.
fn parts(planned: &[aggregate::Planned], query: &Query) -> Vec<Vec<Partial>> {
    let (run, node) = (super::free_run(), Node::of(query).unwrap());
    let snapshot = &small().snapshots[0];
    let parts = snapshot.live.iter().map(|batch| {
        let view = LiveView::new(batch, snapshot.node, &snapshot.text_fields);
        let all = IndexPatterns::default();
        let found = view.matching(&node, (model::time::TimeRange::ALL, &all), &run).unwrap();
        let mut rows = RowSet::none(batch.batch.batch.records().len() as u32);
        found.into_iter().for_each(|row| rows.insert(row));
        aggregate::collect(planned, Segment::Live(view, &run), &rows).unwrap()
    });
    parts.collect()
}

proptest! {
    #[test]
    fn merging_in_any_grouping_is_the_same(
        query in query(),
        agg in tree(),
        choices in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
    ) {
        let planned = aggregate::plan(&[("a".to_owned(), agg)]).unwrap();
        let mut parts = parts(&planned, &query);
        let mut whole = Vec::new();
        for part in &parts {
            merge_all(&mut whole, part.clone());
        }
        for (a, b) in choices {
            if parts.len() > 1 {
                let part = parts.swap_remove(a.index(parts.len()));
                let at = b.index(parts.len());
                merge_all(&mut parts[at], part);
            }
        }
        prop_assert_eq!(parts.len(), 1);
        let grouped = aggregate::answer(&planned, parts.remove(0), usize::MAX).unwrap();
        prop_assert_eq!(grouped, aggregate::answer(&planned, whole, usize::MAX).unwrap());
    }
}

fn date(interval: Interval, change: impl Fn(&mut DateHistogramAgg)) -> AggKind {
    let mut out = DateHistogramAgg {
        field: "@timestamp".to_owned(),
        interval,
        offset_ns: 0,
        time_zone: None,
        min_doc_count: 0,
        extended_bounds: None,
        hard_bounds: None,
        format: None,
        keyed: false,
        ..DateHistogramAgg::default()
    };
    change(&mut out);
    AggKind::DateHistogram(out)
}

fn ask(kind: AggKind, aggs: Vec<(String, Agg)>) -> Vec<Result<Json, crate::error::QueryError>> {
    let request = SearchRequest {
        size: 0,
        aggs: vec![("a".to_owned(), at(kind, aggs))],
        ..SearchRequest::default()
    };
    let get = |mut m: Map<String, Json>| m.remove("a").unwrap();
    small()
        .snapshots
        .iter()
        .map(|s| answer(s, &request).map(|a| get(a.aggregations.unwrap().into_json())))
        .collect()
}

#[test]
fn too_many_buckets_are_refused_at_once() {
    let year = 365 * 86_400_000 * NS_PER_MS;
    let start = super::START_MS * NS_PER_MS;
    let metric = MetricAgg::new(Metric::Sum, "latency");
    let inner = || vec![("m".to_owned(), at(AggKind::Metric(metric.clone()), Vec::new()))];
    let cases = [
        date(Interval::Fixed(NS_PER_MS), |_| {}),
        date(Interval::Fixed(1), |_| {}),
        date(Interval::Calendar(CalendarUnit::Minute), |d| {
            d.extended_bounds = Some((start - 100 * year, start));
        }),
        AggKind::Histogram(HistogramAgg {
            field: "latency".to_owned(),
            interval: 1e-6,
            offset: 0.0,
            min_doc_count: 0,
            extended_bounds: None,
            keyed: false,
            ..HistogramAgg::default()
        }),
        AggKind::Histogram(HistogramAgg {
            field: "absent".to_owned(),
            interval: 1.0,
            offset: 0.0,
            min_doc_count: 0,
            extended_bounds: Some((0.0, 1e9)),
            keyed: false,
            ..HistogramAgg::default()
        }),
    ];
    for kind in cases {
        for got in ask(kind.clone(), inner()) {
            let error = got.expect_err(&format!("{kind:?}"));
            assert_eq!(error.kind, ErrorKind::TooManyBuckets);
            assert!(error.reason.contains("query.buckets_max"), "{}", error.reason);
        }
    }
}

#[test]
fn bounds_zones_and_names_of_date_buckets() {
    let hour = 3_600_000 * NS_PER_MS;
    let start = super::START_MS * NS_PER_MS;
    let kind = date(Interval::Fixed(hour), |d| {
        d.extended_bounds = Some((start - 2 * hour, start + 5 * hour));
        d.hard_bounds = Some((start + hour, start + 2 * hour - 1));
        d.time_zone = Some("+01:00".to_owned());
        d.format = Some("yyyy-MM-dd HH:mm".to_owned());
    });
    for got in ask(kind, Vec::new()) {
        let got = got.unwrap();
        let buckets = got["buckets"].as_array().unwrap();
        assert_eq!(buckets.len(), 8);
        assert_eq!(buckets[0]["key_as_string"], "2026-11-19 21:00");
        let full: Vec<_> = buckets.iter().filter(|b| b["doc_count"] != 0).collect();
        assert_eq!(full.len(), 1);
        assert_eq!(full[0]["key"], super::START_MS + 3_600_000);
    }
    let kind = date(Interval::Calendar(CalendarUnit::Day), |d| d.keyed = true);
    for got in ask(kind, Vec::new()) {
        let got = got.unwrap();
        let names: Vec<_> = got["buckets"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["2026-11-19T00:00:00.000Z", "2026-11-20T00:00:00.000Z"]);
    }
}

#[test]
fn terms_are_ordered_by_nested_numbers() {
    let stats = MetricAgg::new(Metric::Stats, "latency");
    let p = PercentilesAgg::new("latency", vec![95.0]);
    let terms = |path: &str| {
        AggKind::Terms(TermsAgg {
            field: "service".to_owned(),
            size: 10,
            order: vec![(BucketOrder::Metric(path.to_owned()), true)],
            min_doc_count: 1,
            ..TermsAgg::default()
        })
    };
    let subs = || {
        vec![
            ("s".to_owned(), at(AggKind::Metric(stats.clone()), Vec::new())),
            ("p".to_owned(), at(AggKind::Percentiles(p.clone()), Vec::new())),
        ]
    };
    type Get = fn(&Json) -> f64;
    let cases: [(&str, Get); 2] = [
        ("s.avg", |b| b["s"]["avg"].as_f64().unwrap()),
        ("p[95.0]", |b| b["p"]["values"]["95.0"].as_f64().unwrap()),
    ];
    for (path, get) in cases {
        for got in ask(terms(path), subs()) {
            let got = got.unwrap();
            let numbers: Vec<f64> = got["buckets"].as_array().unwrap().iter().map(get).collect();
            assert!(numbers.len() > 3 && numbers.is_sorted_by(|a, b| a >= b), "{path} {numbers:?}");
        }
    }
    for got in ask(terms("s.nothing"), subs()) {
        assert!(got.unwrap_err().reason.contains("order path [s.nothing]"));
    }
}

#[test]
fn ranges_of_times_have_elasticsearchs_names() {
    let from = super::START_MS as f64;
    let kind = AggKind::Range(RangeAgg {
        field: "@timestamp".to_owned(),
        ranges: vec![
            RangeBucket { key: None, from: Some(from), to: None },
            RangeBucket { key: None, from: None, to: Some(from) },
        ],
        date: true,
        ..RangeAgg::default()
    });
    for got in ask(kind, Vec::new()) {
        assert_eq!(
            got.unwrap(),
            json!({"buckets": [
                {"key": "*-2026-11-19T22:00:00.000Z", "to": from, "to_as_string": "2026-11-19T22:00:00.000Z", "doc_count": 0},
                {"key": "2026-11-19T22:00:00.000Z-*", "from": from, "from_as_string": "2026-11-19T22:00:00.000Z",
                 "doc_count": small().docs.len()},
            ]})
        );
    }
    let kind = AggKind::Range(RangeAgg {
        field: "latency".to_owned(),
        ranges: vec![RangeBucket { key: None, from: None, to: Some(100.0) }],
        keyed: true,
        ..RangeAgg::default()
    });
    for got in ask(kind, Vec::new()) {
        assert!(got.unwrap()["buckets"]["*-100.0"]["doc_count"].as_u64().unwrap() > 0);
    }
}

#[test]
fn extended_stats_and_meta_are_complete() {
    let metric = MetricAgg::new(Metric::ExtendedStats, "latency");
    let mut agg = at(AggKind::Metric(metric), Vec::new());
    agg.meta = Some(Map::from_iter([("color".to_owned(), json!("blue"))]));
    let values: Vec<f64> = small().docs.iter().flat_map(|d| numbers(d, "latency")).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    let request = SearchRequest {
        size: 0,
        query: Query::field("latency", Test::Exists),
        aggs: vec![("e".to_owned(), agg)],
        ..SearchRequest::default()
    };
    for snapshot in &small().snapshots {
        let got =
            Json::Object(answer(snapshot, &request).unwrap().aggregations.unwrap().into_json());
        let got = &got["e"];
        assert_eq!(got["meta"]["color"], "blue");
        let near =
            |name: &Json, want: f64| (name.as_f64().unwrap() - want).abs() < want.abs() * 1e-9;
        assert!(near(&got["variance"], variance), "{got}");
        assert!(near(&got["std_deviation_bounds"]["upper"], mean + 2.0 * variance.sqrt()), "{got}");
    }
}
