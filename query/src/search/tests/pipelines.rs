//! Bodies as dashboards send them: pipelines, scripts and metrics over live batches and splits.

use std::collections::BTreeSet;

use model::time::Timestamp;
use serde_json::{Value as Json, json};

use super::{START_MS, answer, api_settings, small};
use crate::elastic::Reader;
use crate::error::QueryError;

/// The answers of each layout.
fn asked(aggs: &Json) -> Vec<Result<Json, QueryError>> {
    let mut reader = Reader::new(Timestamp(0), &api_settings());
    let body = json!({"size": 0, "aggs": aggs}).to_string();
    let request = match reader.search(body.as_bytes()) {
        Ok(search) => search.request,
        Err(error) => return vec![Err(error)],
    };
    let get =
        |snapshot| Ok(Json::Object(answer(snapshot, &request)?.aggregations.unwrap().into_json()));
    small().snapshots.iter().map(get).collect()
}

/// The one answer that all layouts give.
fn ask(aggs: &Json) -> Json {
    let mut all = asked(aggs).into_iter().map(|got| got.unwrap_or_else(|e| panic!("{aggs} {e}")));
    let first = all.next().unwrap();
    all.for_each(|other| assert_eq!(other, first, "{aggs}"));
    first
}

fn buckets<'j>(answer: &'j Json, name: &str) -> &'j [Json] {
    answer[name]["buckets"].as_array().unwrap()
}

/// Grafana's date histogram: one bucket of five minutes after the other.
fn panel(aggs: Json) -> Json {
    json!({"2": {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "300000ms", "min_doc_count": 0,
            "extended_bounds": {"min": START_MS, "max": (START_MS + 14_400_000).to_string()},
            "format": "epoch_millis", "time_zone": "utc"},
        "aggs": aggs,
    }})
}

#[test]
fn grafanas_metrics() {
    let got = ask(&panel(json!({
        "1": {"avg": {"field": "latency", "missing": "7"}},
        "3": {"sum": {"field": "latency", "script": "_value * 2"}},
        "4": {"sum": {"field": "latency"}},
        "5": {"extended_stats": {"field": "latency", "sigma": "3"}},
        "6": {"percentiles": {"field": "latency", "percents": ["25", "50", "75", "95", "99"]}},
        "7": {"cardinality": {"field": "service", "precision_threshold": "100"}},
        "8": {"top_metrics": {"metrics": [{"field": "latency"}], "size": "1", "sort": [{"@timestamp": "desc"}]}},
        "9": {"rate": {"unit": "minute"}},
        "10": {"rate": {"field": "latency", "unit": "hour", "mode": "sum"}},
        "11": {"rate": {"field": "service", "mode": "value_count"}},
        "12": {"max": {"field": "@timestamp"}},
    })));
    let number = |json: &Json| json.as_f64().unwrap();
    let mut seen = 0;
    for bucket in buckets(&got, "2") {
        assert_eq!(bucket["key_as_string"], bucket["key"].to_string());
        assert_eq!(number(&bucket["3"]["value"]), 2.0 * number(&bucket["4"]["value"]));
        assert_eq!(number(&bucket["9"]["value"]), number(&bucket["doc_count"]) / 5.0);
        assert_eq!(number(&bucket["10"]["value"]), number(&bucket["4"]["value"]) * 12.0);
        if bucket["5"]["count"] == 0 {
            assert_eq!(bucket["5"]["std_deviation_bounds"]["upper_sampling"], Json::Null);
            assert_eq!(bucket["6"]["values"]["25.0"], Json::Null);
            continue;
        }
        seen += 1;
        let stats = &bucket["5"];
        let upper = number(&stats["avg"]) + 3.0 * number(&stats["std_deviation"]);
        assert!((number(&stats["std_deviation_bounds"]["upper"]) - upper).abs() < 1e-6);
        if stats["count"] == 1 {
            assert_eq!(stats["variance_sampling"], "NaN");
        }
        assert!(bucket["6"]["values"]["95.0"].is_number());
        assert!(bucket["8"]["top"][0]["sort"][0].as_str().unwrap().ends_with('Z'));
        assert!(bucket["12"]["value_as_string"].is_string());
    }
    assert!(seen > 10);
}

#[test]
fn grafanas_pipelines() {
    let got = ask(&panel(json!({
        "3": {"moving_avg": {"buckets_path": "1", "window": "5", "model": "holt_winters", "minimize": false, "predict": null,
            "settings": {"alpha": "0.5", "beta": "0.7", "gamma": null, "period": "2"}}},
        "4": {"moving_fn": {"buckets_path": "1", "window": "5", "script": "MovingFunctions.unweightedAvg(values)", "shift": "1"}},
        "5": {"derivative": {"buckets_path": "1", "unit": "1m"}},
        "6": {"serial_diff": {"buckets_path": "_count", "lag": "2"}},
        "7": {"cumulative_sum": {"buckets_path": "1", "format": "0.0"}},
        "8": {"bucket_script": {"buckets_path": {"var1": "1", "var2": "_count"}, "script": "params.var1 * params.var2"}},
        "9": {"bucket_script": {"buckets_path": {"var1": "1"}, "script": {"source": "var1 * 100", "lang": "expression"}}},
        "11": {"derivative": {"buckets_path": "10[95.0]"}},
        "12": {"cumulative_sum": {"buckets_path": "13.std_deviation"}},
        "1": {"sum": {"field": "latency"}},
        "10": {"percentiles": {"field": "latency", "percents": ["95"]}},
        "13": {"extended_stats": {"field": "latency"}},
    })));
    let list = buckets(&got, "2");
    assert_eq!(list.len(), 49);
    let mut sum = 0.0;
    for (at, bucket) in list.iter().enumerate() {
        let latency = bucket["1"]["value"].as_f64().unwrap();
        sum += latency;
        assert_eq!(bucket["7"], json!({"value": sum, "value_as_string": format!("{sum:.1}")}));
        let docs = bucket["doc_count"].as_f64().unwrap();
        if docs > 0.0 {
            assert_eq!(bucket["8"]["value"], latency * docs);
            assert_eq!(bucket["9"]["value"], latency * 100.0);
        } else {
            assert!(bucket.get("8").is_none() && bucket.get("9").is_none());
        }
        if at >= 2 {
            let before = list[at - 2]["doc_count"].as_f64().unwrap();
            assert_eq!(bucket["6"]["value"], docs - before);
        }
        if at >= 1 && docs > 0.0 && list[at - 1]["doc_count"] != 0 {
            let rise = latency - list[at - 1]["1"]["value"].as_f64().unwrap();
            assert_eq!(bucket["5"], json!({"value": rise, "normalized_value": rise / 5.0}));
        }
        assert!(at == 0 || bucket["11"].get("value").is_some());
        assert!(bucket["12"]["value"].is_number());
    }
    assert!(list.iter().filter(|b| b.get("3").is_some()).count() > 10);
    assert!(list.iter().filter(|b| b["4"]["value"].is_number()).count() > 10);
}

#[test]
fn grafana_orders_terms_by_numbers_inside() {
    let cases = [
        ("1", json!({"avg": {"field": "latency"}})),
        ("1[95.0]", json!({"percentiles": {"field": "latency", "percents": ["95"]}})),
        ("1.std_deviation", json!({"extended_stats": {"field": "latency"}})),
        ("1.std_upper", json!({"extended_stats": {"field": "latency", "sigma": 1}})),
        ("1", json!({"median_absolute_deviation": {"field": "latency"}})),
        ("1[q3]", json!({"boxplot": {"field": "latency"}})),
        (
            "1.latency",
            json!({"top_metrics": {"metrics": {"field": "latency"}, "sort": {"latency": "desc"}}}),
        ),
        (
            "1",
            json!({"weighted_avg": {"value": {"field": "latency"}, "weight": {"field": "ok", "missing": 2}}}),
        ),
        ("1.avg_length", json!({"string_stats": {"field": "message"}})),
    ];
    for (path, metric) in cases {
        let got = ask(
            &json!({"3": {"terms": {"field": "service", "size": "500", "order": {path: "desc"}, "min_doc_count": "1"}, "aggs": {"1": metric}}}),
        );
        let number = |bucket: &Json| {
            let body = &bucket["1"];
            let name = path.trim_start_matches('1').trim_matches(['.', '[', ']']);
            let found = match name {
                "" => &body["value"],
                "95.0" => &body["values"]["95.0"],
                "std_upper" => &body["std_deviation_bounds"]["upper"],
                "latency" => &body["top"][0]["metrics"]["latency"],
                name => &body[name],
            };
            found.as_f64().unwrap()
        };
        let numbers: Vec<f64> = buckets(&got, "3").iter().map(number).collect();
        assert!(numbers.len() > 3 && numbers.is_sorted_by(|a, b| a >= b), "{path} {numbers:?}");
    }
}

#[test]
fn kibanas_census() {
    let got = ask(&json!({"0": {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "30m", "time_zone": "UTC", "extended_bounds": {"min": START_MS, "max": START_MS + 14_400_000}},
        "aggs": {
            "1-bucket": {"filter": {"bool": {"must": [], "filter": [{"exists": {"field": "latency"}}], "should": [], "must_not": []}}, "aggs": {"1-metric": {"max": {"field": "latency"}}}},
            "count": {"bucket_script": {"buckets_path": {"count": "_count"}, "script": {"source": "count * 1", "lang": "expression"}, "gap_policy": "skip"}},
            "smooth": {"moving_fn": {"buckets_path": "_count", "window": 5, "script": "MovingFunctions.unweightedAvg(values)"}},
            "max": {"cumulative_sum": {"buckets_path": "1-bucket>1-metric"}},
            "c": {"cardinality": {"field": "trace.id"}},
            "p": {"percentiles": {"field": "latency", "percents": [50], "hdr": {"number_of_significant_value_digits": 3}}},
        },
        "meta": {"timeField": "@timestamp"},
    }}));
    assert_eq!(got["0"]["meta"], json!({"timeField": "@timestamp"}));
    let list = buckets(&got, "0");
    assert_eq!(list.len(), 9);
    for bucket in list {
        assert_eq!(bucket["count"]["value"], bucket["doc_count"].as_f64().unwrap());
        assert!(bucket["max"]["value"].is_number());
        let names: Vec<_> = bucket.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["key_as_string", "key", "doc_count", "1-bucket", "c", "p", "count", "smooth", "max"]
        );
    }
    assert_eq!(list[0]["smooth"]["value"], Json::Null);
    assert_eq!(list[1]["smooth"]["value"], list[0]["doc_count"].as_f64().unwrap());
}

#[test]
fn distinct_values_add_up_over_buckets() {
    let got = ask(&panel(json!({
        "c": {"cardinality": {"field": "user"}},
        "sum": {"cumulative_cardinality": {"buckets_path": "c", "format": "0.0"}, "meta": {"m": 1}},
        "rise": {"derivative": {"buckets_path": "sum"}},
    })));
    let mut seen = BTreeSet::new();
    for bucket in buckets(&got, "2") {
        let from = bucket["key"].as_i64().unwrap();
        let inside = |d: &&super::Doc| (from..from + 300_000).contains(&Timestamp(d.time).millis());
        for doc in small().docs.iter().filter(inside) {
            seen.extend(doc.of("user").iter().map(Json::to_string));
        }
        let want = json!({"meta": {"m": 1}, "value": seen.len(), "value_as_string": format!("{}.0", seen.len())});
        assert_eq!(bucket["sum"], want);
    }
    assert!(seen.len() > 20);
}

#[test]
fn rates_by_the_calendar() {
    let monthly = |rate: Json| {
        json!({"m": {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}, "aggs": {
            "s": {"terms": {"field": "service"}, "aggs": {"r": rate}}}}})
    };
    for (unit, share) in
        [("day", 30.0), ("month", 1.0), ("year", 1.0 / 12.0), ("quarter", 1.0 / 3.0)]
    {
        let got = ask(&monthly(json!({"rate": {"unit": unit, "format": "0.00"}})));
        let bucket = &buckets(&got["m"]["buckets"][0], "s")[0];
        let want = bucket["doc_count"].as_f64().unwrap() / share;
        assert!((bucket["r"]["value"].as_f64().unwrap() - want).abs() < 1e-9, "{unit} {bucket}");
        assert_eq!(bucket["r"]["value_as_string"], format!("{want:.2}"));
    }
    // The buckets of another histogram inside do not matter, wherever they end.
    let end = START_MS + 90 * 86_400_000;
    let got = ask(
        &json!({"m": {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}, "aggs": {
            "d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1d", "extended_bounds": {"min": START_MS, "max": end}}},
            "r": {"rate": {"unit": "day"}},
        }}}),
    );
    let bucket = &buckets(&got, "m")[0];
    assert_eq!(bucket["r"]["value"], bucket["doc_count"].as_f64().unwrap() / 30.0);
    let refused = [
        (
            json!({"r": {"rate": {"unit": "day"}}}),
            "The rate aggregation can only be used inside a date histogram",
        ),
        (panel(json!({"r": {"rate": {"unit": "month"}}})), "Cannot use month-based rate unit"),
        (panel(json!({"r": {"rate": {"unit": "fortnight"}}})), "Unsupported unit [fortnight]"),
        (
            panel(json!({"r": {"rate": {"mode": "sum"}}})),
            "The mode parameter is only supported with field or script",
        ),
    ];
    for (aggs, want) in refused {
        let error = asked(&aggs).remove(0).unwrap_err();
        assert!(error.reason.starts_with(want), "{}", error.reason);
    }
}

#[test]
fn scripts_of_records_and_formats() {
    let got = ask(&json!({
        "all": {"sum": {"script": {"source": "doc['latency'].size() == 0 ? 0 : doc['latency'].value * params.f", "params": {"f": 1.5}}, "format": "#,##0.0"}},
        "plain": {"sum": {"field": "latency"}},
        "lucene": {"max": {"script": {"source": "doc['latency'].value + 1000", "lang": "expression"}}},
        "hours": {"max": {"script": "doc['@timestamp'].value.getHour()"}},
        "texts": {"max": {"script": "doc['service'].size() > 0 ? doc['service'].value.length() : 0"}},
        "stats": {"stats": {"field": "absent", "format": "0.00"}},
        "last": {"max": {"field": "@timestamp", "format": "yyyy-MM-dd"}},
        "p": {"percentiles": {"field": "latency", "percents": [50], "format": "0.000"}},
    }));
    let (all, plain) =
        (got["all"]["value"].as_f64().unwrap(), got["plain"]["value"].as_f64().unwrap());
    assert_eq!(all, plain * 1.5);
    assert!(got["all"]["value_as_string"].as_str().unwrap().contains(','));
    assert_eq!(got["hours"]["value"], 23.0);
    assert_eq!(got["texts"]["value"], 7.0);
    assert!(got["lucene"]["value"].as_f64().unwrap() > 1000.0);
    assert_eq!(
        got["stats"],
        json!({"count": 0, "min": null, "max": null, "avg": null, "sum": 0.0})
    );
    assert_eq!(got["last"]["value_as_string"], "2026-11-20");
    let p = &got["p"]["values"];
    assert_eq!(p["50.0_as_string"], format!("{:.3}", p["50.0"].as_f64().unwrap()));
    let broken =
        asked(&json!({"a": {"avg": {"script": "doc['latency'].value"}}})).remove(0).unwrap_err();
    assert_eq!(broken.kind.type_name(), "script_exception");
    assert!(broken.reason.contains("A document doesn't have a value for a field!"), "{broken}");
}

#[test]
fn metrics_that_cannot_be_computed_are_refused() {
    let cases = [
        (
            json!({"geo_bounds": {"field": "l"}}),
            "The aggregation type [geo_bounds] is not supported: logs have no points or shapes",
        ),
        (
            json!({"scripted_metric": {}}),
            "The aggregation type [scripted_metric] is not supported: no scripts are run over documents; use metrics and [bucket_script]",
        ),
        (
            json!({"t_test": {}}),
            "The aggregation type [t_test] is not supported: it is a statistic that is not made for logs",
        ),
        (
            json!({"matrix_stats": {"fields": []}}),
            "The aggregation type [matrix_stats] is not supported: it is a statistic that is not made for logs",
        ),
        (
            json!({"top_metrics": {"metrics": {"field": "a"}, "sort": "b", "size": 11}}),
            "[top_metrics.size] must not be more than [10] but was [11]. This limit can be set by changing the [index.top_metrics_max_size] index level setting.",
        ),
        (
            json!({"percentile_ranks": {"field": "a"}}),
            "[values] must not be null or an empty array: [a]",
        ),
        (
            json!({"percentiles": {"field": "a", "hdr": {"digits": 1}}}),
            "[hdr] unknown field [digits]",
        ),
        (
            json!({"percentiles": {"field": "a", "hdr": {"number_of_significant_value_digits": 9}}}),
            "[numberOfSignificantValueDigits] must be between 0 and 5",
        ),
        (
            json!({"weighted_avg": {"value": {"field": "a"}}}),
            "[weight] is required by the aggregation [a] of type [weighted_avg]",
        ),
        (
            json!({"weighted_avg": {"value": {"field": "latency"}, "weight": {"field": "status"}}}),
            "Encountered more than one weight for a single document. Use a script to combine multiple weights-per-doc into a single value.",
        ),
        (json!({"avg": {"field": "a", "format": "0#"}}), "Malformed pattern \"0#\""),
        (
            json!({"percentiles": {"field": "a", "percents": vec![1; 2000]}}),
            "[percents] of [a] has more than 1000 elements",
        ),
    ];
    for (agg, want) in cases {
        for got in asked(&json!({ "a": agg })) {
            assert_eq!(got.unwrap_err().reason, want, "{agg}");
        }
    }
}
