//! Aggregations: every type with its options, and every error text.

use super::*;
use crate::request::{Agg, AggKind};

fn read(aggs: &Json) -> Result<Vec<(String, Agg)>, QueryError> {
    let body = json!({ "aggs": aggs }).to_string();
    Ok(reader().search(body.as_bytes())?.request.aggs)
}

/// The kind of the one aggregation, as its debug text without spaces of layout.
fn check(cases: &[(Json, &str)]) {
    for (agg, want) in cases {
        let got = read(&json!({ "x": agg })).map_or_else(
            |error| error.reason,
            |aggs| match &aggs[0].1.kind {
                AggKind::Filter(query) => format!("Filter {}", show(query)),
                AggKind::Filters(filters) => {
                    let each = filters.filters.iter().map(|(n, q)| format!("{n:?} {}", show(q)));
                    format!("{} other {:?}", each.collect::<Vec<_>>().join(", "), filters.other)
                }
                kind => format!("{kind:?}"),
            },
        );
        assert_eq!(got, *want, "{agg}");
    }
}

#[test]
fn buckets_by_value() {
    check(&[
        (
            json!({"terms": {"field": "a"}}),
            "Terms(TermsAgg { field: \"a\", size: 10, order: [(Count, true)], min_doc_count: 1, missing: None, choice: Choice { include: None, exclude: None, partition: None }, format: None, shows_error: false })",
        ),
        (
            json!({"terms": {"field": "a", "size": "2147483647", "order": {"_term": "asc"}, "min_doc_count": "0", "missing": "n/a", "shard_size": 5}}),
            "Terms(TermsAgg { field: \"a\", size: 2147483647, order: [(Key, false)], min_doc_count: 0, missing: Some(String(\"n/a\")), choice: Choice { include: None, exclude: None, partition: None }, format: None, shows_error: false })",
        ),
        (
            json!({"terms": {"field": "a", "order": [{"1[95.0]": "desc"}, {"_key": "asc"}]}, "aggs": {"1": {"percentiles": {"field": "b"}}}}),
            "Terms(TermsAgg { field: \"a\", size: 10, order: [(Metric(\"1[95.0]\"), true), (Key, false)], min_doc_count: 1, missing: None, choice: Choice { include: None, exclude: None, partition: None }, format: None, shows_error: false })",
        ),
        (
            json!({"histogram": {"field": "a", "interval": "5", "offset": 1, "min_doc_count": 1, "extended_bounds": {"min": 0, "max": "10"}, "keyed": true}}),
            "Histogram(HistogramAgg { field: \"a\", interval: 5.0, offset: 1.0, min_doc_count: 1, extended_bounds: Some((0.0, 10.0)), hard_bounds: None, keyed: true, missing: None, format: None, order: [] })",
        ),
        (
            json!({"range": {"field": "a", "ranges": [{"to": "5"}, {"key": "k", "from": 5, "to": null}]}}),
            "Range(RangeAgg { field: \"a\", ranges: [RangeBucket { key: None, from: None, to: Some(5.0) }, RangeBucket { key: Some(\"k\"), from: Some(5.0), to: None }], keyed: false, date: false, format: None, time_zone: None, missing: None })",
        ),
        (json!({"filter": {"term": {"a": 1}}}), "Filter a:=1"),
        (
            json!({"filters": {"filters": {"": {"match_all": {}}, "e": {"query_string": {"query": "error"}}}, "other_bucket": true}}),
            "Some(\"\") ALL, Some(\"e\") *:error other Some(\"_other_\")",
        ),
        (
            json!({"filters": {"filters": [{"term": {"a": 1}}], "other_bucket_key": "rest"}}),
            "None a:=1 other Some(\"rest\")",
        ),
        (json!({"missing": {"field": "a"}}), "Missing(\"a\")"),
    ]);
}

#[test]
fn buckets_by_time() {
    check(&[
        (
            json!({"date_histogram": {"field": "@timestamp", "fixed_interval": "60000ms", "min_doc_count": 0, "extended_bounds": {"min": 1700000000000_i64, "max": "1700003600000"}, "format": "epoch_millis", "time_zone": "utc"}}),
            "DateHistogram(DateHistogramAgg { field: \"@timestamp\", interval: Fixed(60000000000), offset_ns: 0, time_zone: Some(\"utc\"), min_doc_count: 0, extended_bounds: Some((1700000000000000000, 1700003600000000000)), hard_bounds: None, format: Some(\"epoch_millis\"), keyed: false, missing: None, order: [] })",
        ),
        (
            json!({"date_histogram": {"field": "t", "calendar_interval": "1M", "offset": "+6h", "time_zone": "Europe/Berlin", "hard_bounds": {"min": "now-1d/d"}, "order": {"_key": "asc"}}}),
            "DateHistogram(DateHistogramAgg { field: \"t\", interval: Calendar(Month), offset_ns: 21600000000000, time_zone: Some(\"Europe/Berlin\"), min_doc_count: 0, extended_bounds: None, hard_bounds: Some((1795042800000000000, 9223372036854775807)), format: None, keyed: false, missing: None, order: [] })",
        ),
        (
            json!({"date_histogram": {"field": "t", "interval": "hour", "offset": "-30m"}}),
            "DateHistogram(DateHistogramAgg { field: \"t\", interval: Calendar(Hour), offset_ns: -1800000000000, time_zone: None, min_doc_count: 0, extended_bounds: None, hard_bounds: None, format: None, keyed: false, missing: None, order: [] })",
        ),
        (
            json!({"date_histogram": {"field": "t", "interval": "90m", "keyed": "true", "min_doc_count": 1}}),
            "DateHistogram(DateHistogramAgg { field: \"t\", interval: Fixed(5400000000000), offset_ns: 0, time_zone: None, min_doc_count: 1, extended_bounds: None, hard_bounds: None, format: None, keyed: true, missing: None, order: [] })",
        ),
        (
            json!({"date_range": {"field": "t", "format": "yyyy-MM-dd", "ranges": [{"from": "2026-11-20", "to": "now/d"}]}}),
            "Range(RangeAgg { field: \"t\", ranges: [RangeBucket { key: None, from: Some(1795132800000.0), to: Some(1795132800000.0) }], keyed: false, date: true, format: Some(\"yyyy-MM-dd\"), time_zone: None, missing: None })",
        ),
    ]);
}

#[test]
fn metrics() {
    for (name, metric) in [
        ("min", "Min"),
        ("max", "Max"),
        ("avg", "Avg"),
        ("sum", "Sum"),
        ("stats", "Stats"),
        ("extended_stats", "ExtendedStats"),
        ("value_count", "ValueCount"),
    ] {
        let missing = if name == "value_count" { 0.0 } else { 1.5 };
        let want = format!(
            "Metric(MetricAgg {{ metric: {metric}, field: \"a\", missing: Some({missing:?}), script: None, sigma: 2.0, format: Some(\"0.0\") }})"
        );
        check(&[(json!({ name: {"field": "a", "missing": "1.5", "format": "0.0"} }), &want)]);
    }
    check(&[
        (
            json!({"percentiles": {"field": "a", "percents": ["25", 99.9], "keyed": false}}),
            "Percentiles(PercentilesAgg { field: \"a\", percents: [25.0, 99.9], keyed: false, shape: Percentiles, missing: None, script: None, format: None })",
        ),
        (
            json!({"percentiles": {"field": "a", "tdigest": {"compression": 200}}}),
            "Percentiles(PercentilesAgg { field: \"a\", percents: [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0], keyed: true, shape: Percentiles, missing: None, script: None, format: None })",
        ),
        (
            json!({"cardinality": {"field": "a", "precision_threshold": 40000}}),
            "Cardinality(CardinalityAgg { field: \"a\", missing: None })",
        ),
    ]);
}

#[test]
fn the_tree_keeps_order_names_and_meta() {
    let aggs = read(&json!({
        "9": {"terms": {"field": "a"}, "meta": {"k": [1]}, "aggregations": {"1": {"avg": {"field": "b"}}}},
        "2": {"max": {"field": "c"}},
    }))
    .unwrap();
    let names: Vec<_> = aggs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["9", "2"]);
    assert_eq!(aggs[0].1.meta, json!({"k": [1]}).as_object().cloned());
    assert_eq!(aggs[0].1.aggs[0].0, "1");
}

#[test]
fn aggregation_errors() {
    let field = "Required one of fields [field, script], but none were specified: [avg] aggregation \
                 [x] needs a [field]";
    check(&[
        (json!({"foo": {}}), "Unknown aggregation type [foo]"),
        (
            json!({"top_metrics": {"metrics": []}}),
            "[top_metrics] requires [metrics] in the aggregation [x]",
        ),
        (json!({}), "Missing definition for aggregation [x]"),
        (json!(5), "Aggregation definition for [x] must be an object, got a number"),
        (
            json!({"avg": {"field": "a"}, "sum": {"field": "a"}}),
            "Found two aggregation type definitions in [x]: [avg] and [sum]",
        ),
        (json!({"avg": []}), "[avg] of the aggregation [x] must be an object, got an array"),
        (json!({"avg": {}}), field),
        (json!({"avg": {"field": "a", "fild": 1}}), "[avg] unknown field [fild]"),
        (
            json!({"avg": {"field": "a", "script": "doc.a"}}),
            "compile error in the painless script [doc.a]: the member [a] of [doc] is not supported in this version, or does not exist",
        ),
        (
            json!({"avg": {"field": "a"}, "aggs": {"y": {"sum": {"field": "a"}}}}),
            "Aggregator [x] of type [avg] cannot accept sub-aggregations",
        ),
        (
            json!({"terms": {"field": "a", "size": 0}}),
            "[size] must be greater than 0. Found [0] in [x]",
        ),
        (
            json!({"terms": {"field": "a", "size": -3}}),
            "[size] must be greater than 0. Found [-3] in [x]",
        ),
        (
            json!({"terms": {"field": "a", "order": {"_count": "down"}}}),
            "Unknown order direction [down] in [x]: expected `asc` or `desc`",
        ),
        (
            json!({"histogram": {"field": "a", "interval": 0}}),
            "[interval] must be >0 for histogram aggregation [x]",
        ),
        (
            json!({"date_histogram": {"field": "a"}}),
            "Invalid interval specified for date_histogram aggregation [x]: give [fixed_interval] \
             or [calendar_interval]",
        ),
        (
            json!({"date_histogram": {"field": "a", "calendar_interval": "2d"}}),
            "The supplied interval [2d] could not be parsed as a calendar interval.",
        ),
        (
            json!({"date_histogram": {"field": "a", "fixed_interval": "1M"}}),
            "cannot read [fixed_interval] of [date_histogram] in [x] [1M]: expected a number with \
             `ms`, `s`, `m`, `h` or `d`, such as `30s`",
        ),
        (
            json!({"date_histogram": {"field": "a", "fixed_interval": "0s"}}),
            "[fixed_interval] must be 1ms or more for date_histogram aggregation [x], found [0s]",
        ),
        (
            json!({"date_histogram": {"field": "a", "fixed_interval": "1h", "interval": "1h"}}),
            "Cannot use more than one of [fixed_interval], [calendar_interval] and [interval] in [x]",
        ),
        (
            json!({"date_histogram": {"field": "a", "fixed_interval": "1h", "extended_bounds": {"min": 2, "max": 1}}}),
            "[extended_bounds.min][1970-01-01T00:00:00.002Z] cannot be greater than \
             [extended_bounds.max][1970-01-01T00:00:00.001Z] for aggregation [x]",
        ),
        (
            json!({"date_histogram": {"field": "a", "fixed_interval": "1h", "time_zone": "Mars"}}),
            "unknown time zone [Mars]: give an IANA name such as `Europe/Berlin`, or `+01:00`",
        ),
        (json!({"range": {"field": "a"}}), "No [ranges] specified for the [x] aggregation"),
        (json!({"range": {"field": "a", "ranges": [{"form": 1}]}}), "[range] unknown field [form]"),
        (
            json!({"percentiles": {"field": "a", "percents": [150]}}),
            "percent must be in [0,100], got [150]: [x]",
        ),
        (json!({"filters": {"filters": {}}}), "[filters] cannot be empty in [x]"),
        (json!({"filter": {"foo": {}}}), "unknown query [foo]"),
        (
            json!({"extended_stats": {"field": "a", "sigma": -1}}),
            "[sigma] must be greater than or equal to 0. Found [-1.0] in [x]",
        ),
    ]);
    let name = read(&json!({"a>b": {"avg": {"field": "a"}}})).unwrap_err();
    assert!(name.reason.starts_with("Invalid aggregation name [a>b]"), "{name}");
    let mut deep = json!({"filter": {"match_all": {}}});
    for _ in 0..40 {
        deep = json!({"filter": {"match_all": {}}, "aggs": {"x": deep}});
    }
    let deep = read(&json!({ "x": deep })).unwrap_err();
    assert!(deep.reason.starts_with("the query is nested too deeply"), "{deep}");
    let many: serde_json::Map<_, _> =
        (0..1_001).map(|i| (i.to_string(), json!({"avg": {"field": "a"}}))).collect();
    let many = read(&Json::Object(many)).unwrap_err();
    assert!(many.reason.starts_with("too many clauses"), "{many}");
}
