use model::time::Timestamp;
use serde_json::{Value as Json, json};

use super::*;
use crate::elastic::Reader;
use crate::search::tests::api_settings;

fn tree(json: &Json) -> Tree {
    match json {
        Json::Object(map) => {
            Tree::Object(map.iter().map(|(k, v)| (Cow::from(k.clone()), tree(v))).collect())
        }
        Json::Array(list) => Tree::List(list.iter().map(tree).collect()),
        other => Tree::Json(other.clone()),
    }
}

fn planned(aggs: &Json) -> Result<Plan, QueryError> {
    let mut reader = Reader::new(Timestamp(0), &api_settings());
    let search = reader.search(json!({ "aggs": aggs }).to_string().as_bytes())?;
    crate::aggregate::plan(&search.request.aggs)
}

/// What the pipelines add to an answer that is written.
fn ran(aggs: &Json, answer: &Json) -> Result<Json, QueryError> {
    let Tree::Object(mut object) = tree(answer) else { panic!("{answer}") };
    run(&planned(aggs)?, &mut object, 1000)?;
    Ok(Json::Object(object.into_json()))
}

/// A histogram by hours; `v` is a sum in each bucket, without records where it is null.
fn hours(values: &[Option<f64>]) -> Json {
    let bucket = |(at, value): (usize, &Option<f64>)| {
        json!({
            "key_as_string": format!("h{at}"),
            "key": at as i64 * 3_600_000,
            "doc_count": if value.is_some() { at + 1 } else { 0 },
            "v": {"value": value},
        })
    };
    json!({"h": {"buckets": values.iter().enumerate().map(bucket).collect::<Vec<_>>()}})
}

/// One pipeline in the buckets of the histogram: its answer in each bucket, `-` for none.
fn in_hours(pipeline: &Json, values: &[Option<f64>]) -> Result<Vec<Json>, QueryError> {
    let aggs = json!({"h": {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
        "aggs": {"p": pipeline, "v": {"max": {"field": "x"}}},
    }});
    let answer = ran(&aggs, &hours(values))?;
    let buckets = answer["h"]["buckets"].as_array().unwrap().clone();
    Ok(buckets
        .into_iter()
        .map(|mut bucket| bucket.as_object_mut().unwrap().remove("p").unwrap_or_else(|| json!("-")))
        .collect())
}

const SOME: [Option<f64>; 5] = [Some(1.0), Some(4.0), None, Some(9.0), Some(7.0)];

fn value(v: impl Into<Json>) -> Json {
    json!({"value": v.into()})
}

#[test]
fn each_bucket_gets_its_number() {
    let (none, null) = (json!("-"), value(Json::Null));
    let v = |v: f64| value(v);
    let cases: Vec<(Json, Vec<Json>)> = vec![
        (
            json!({"derivative": {"buckets_path": "v"}}),
            vec![none.clone(), v(3.0), null.clone(), null.clone(), v(-2.0)],
        ),
        (
            json!({"derivative": {"buckets_path": "v", "gap_policy": "insert_zeros"}}),
            vec![none.clone(), v(3.0), v(-4.0), v(9.0), v(-2.0)],
        ),
        (
            json!({"derivative": {"buckets_path": "_count"}}),
            vec![none.clone(), v(1.0), v(-2.0), v(4.0), v(1.0)],
        ),
        (
            json!({"cumulative_sum": {"buckets_path": "v"}}),
            vec![v(1.0), v(5.0), v(5.0), v(14.0), v(21.0)],
        ),
        (
            json!({"serial_diff": {"buckets_path": "v", "lag": "2"}}),
            vec![none.clone(), none.clone(), none.clone(), v(5.0), none.clone()],
        ),
        (
            json!({"moving_fn": {"buckets_path": "v", "window": 2, "script": "MovingFunctions.sum(values)"}}),
            vec![v(0.0), v(1.0), none.clone(), v(5.0), v(13.0)],
        ),
        (
            json!({"moving_fn": {"buckets_path": "v", "window": 3, "shift": 1, "script": "MovingFunctions.unweightedAvg(values)"}}),
            vec![v(1.0), v(2.5), none.clone(), v(14.0 / 3.0), v(20.0 / 3.0)],
        ),
        (
            json!({"moving_fn": {"buckets_path": "v", "window": 3, "script": "MovingFunctions.unweightedAvg(values)", "gap_policy": "insert_zeros"}}),
            vec![null.clone(), v(1.0), v(2.5), v(5.0 / 3.0), v(13.0 / 3.0)],
        ),
        (
            json!({"moving_avg": {"buckets_path": "v", "window": 2}}),
            vec![none.clone(), v(1.0), none.clone(), v(2.5), v(6.5)],
        ),
        (
            json!({"moving_avg": {"buckets_path": "v", "window": "5", "model": "ewma", "settings": {"alpha": "0.5"}}}),
            vec![none.clone(), v(1.0), none.clone(), v(2.5), v(5.75)],
        ),
        (
            json!({"moving_avg": {"buckets_path": "v", "model": "linear"}}),
            vec![none.clone(), v(0.5), none.clone(), v(9.0 / 4.0), v(36.0 / 7.0)],
        ),
        (
            json!({"bucket_script": {"buckets_path": {"count": "_count"}, "script": {"source": "count * 1", "lang": "expression"}, "gap_policy": "skip"}}),
            vec![v(1.0), v(2.0), v(0.0), v(4.0), v(5.0)],
        ),
        (
            json!({"bucket_script": {"buckets_path": {"a": "v", "n": "_count"}, "script": "params.a / params.n * params.k"}}),
            vec![],
        ),
        (
            json!({"bucket_script": {"buckets_path": {"a": "v", "n": "_count"}, "script": {"source": "params.a / params.n * params.k", "params": {"k": 2}}}}),
            vec![v(2.0), v(4.0), none.clone(), v(4.5), v(2.8)],
        ),
        (
            json!({"bucket_script": {"buckets_path": "v", "script": "params._value > 3 ? 1 : 0", "gap_policy": "insert_zeros"}}),
            vec![v(0.0), v(1.0), v(0.0), v(1.0), v(1.0)],
        ),
        (
            json!({"normalize": {"buckets_path": "v", "method": "percent_of_sum", "format": "0.0%"}}),
            vec![
                json!({"value": 1.0 / 21.0, "value_as_string": "4.8%"}),
                json!({"value": 4.0 / 21.0, "value_as_string": "19.0%"}),
                null.clone(),
                json!({"value": 9.0 / 21.0, "value_as_string": "42.9%"}),
                json!({"value": 7.0 / 21.0, "value_as_string": "33.3%"}),
            ],
        ),
        (
            json!({"normalize": {"buckets_path": "v", "method": "rescale_0_1"}}),
            vec![v(0.0), v(0.375), null.clone(), v(1.0), v(0.75)],
        ),
        (
            json!({"normalize": {"buckets_path": "v", "method": "rescale_0_100"}}),
            vec![v(0.0), v(37.5), null.clone(), v(100.0), v(75.0)],
        ),
        (
            json!({"normalize": {"buckets_path": "v", "method": "mean"}}),
            vec![v(-4.25 / 8.0), v(-1.25 / 8.0), null.clone(), v(3.75 / 8.0), v(1.75 / 8.0)],
        ),
    ];
    for (pipeline, want) in cases {
        match in_hours(&pipeline, &SOME) {
            Ok(got) => assert_eq!(got, want, "{pipeline}"),
            // Without `k` there is nothing to multiply with.
            Err(error) => {
                assert!(want.is_empty() && error.reason.contains("null"), "{pipeline} {error}");
            }
        }
    }
}

#[test]
fn derivatives_in_a_unit_and_with_a_format() {
    let pipeline = json!({"derivative": {"buckets_path": "v", "unit": "30m", "format": "0.0"}});
    let got = in_hours(&pipeline, &SOME).unwrap();
    let want = json!({"value": 3.0, "value_as_string": "3.0", "normalized_value": 1.5, "normalized_value_as_string": "1.5"});
    assert_eq!(got[1], want);
    assert_eq!(got[2], json!({"value": null, "normalized_value": null}));
    let day = json!({"derivative": {"buckets_path": "v", "unit": "day"}});
    assert_eq!(in_hours(&day, &SOME).unwrap()[1]["normalized_value"], 72.0);
}

#[test]
fn the_other_methods_of_normalize() {
    let values =
        [Some(2.0), Some(4.0), Some(4.0), Some(4.0), Some(5.0), Some(5.0), Some(7.0), Some(9.0)];
    let score = json!({"normalize": {"buckets_path": "v", "method": "z-score"}});
    let got = in_hours(&score, &values).unwrap();
    assert_eq!(got[0], value(-1.5));
    assert_eq!(got[7], value(2.0));
    let soft = json!({"normalize": {"buckets_path": "v", "method": "softmax"}});
    let got = in_hours(&soft, &[Some(0.0), Some(0.0)]).unwrap();
    assert_eq!(got, [value(0.5), value(0.5)]);
}

#[test]
fn moving_averages_foretell_buckets() {
    let rising: Vec<_> = (1..=6).map(|v| Some(f64::from(v))).collect();
    let holt = json!({"moving_avg": {"buckets_path": "v", "window": 10, "model": "holt", "predict": 2,
        "settings": {"alpha": 1, "beta": 1}}});
    let got = in_hours(&holt, &rising).unwrap();
    assert_eq!(got.len(), 8);
    assert_eq!(got[6..], [value(6.0), value(7.0)]);
    let winters = json!({"moving_avg": {"buckets_path": "v", "window": 10, "model": "holt_winters",
        "minimize": false, "settings": {"period": 2, "type": "mult"}}});
    let seasons: Vec<_> = [1.0, 2.0, 1.0, 2.0, 1.0, 2.0].map(Some).to_vec();
    let got = in_hours(&winters, &seasons).unwrap();
    assert_eq!(got[..4], [json!("-"), json!("-"), json!("-"), json!("-")]);
    let near = |got: &Json, want: f64| (got["value"].as_f64().unwrap() - want).abs() < 0.35;
    assert!(near(&got[4], 1.0) && near(&got[5], 2.0), "{got:?}");
    let fitted = json!({"moving_avg": {"buckets_path": "v", "window": 3, "model": "ewma", "minimize": true}});
    let got = in_hours(&fitted, &rising).unwrap();
    // Nothing but the last value foretells a line best.
    assert_eq!(got[5], value(5.0));
    let answer = ran(
        &json!({"h": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
            "aggs": {"v": {"max": {"field": "x"}}, "p": {"moving_avg": {"buckets_path": "v", "predict": 1}}}}}),
        &hours(&[Some(3.0)]),
    )
    .unwrap();
    assert_eq!(
        answer["h"]["buckets"][1],
        json!({"key_as_string": "1970-01-01T01:00:00.000Z", "key": 3_600_000, "doc_count": 0, "p": {"value": 3.0}})
    );
}

#[test]
fn buckets_are_chosen_and_sorted() {
    let cases = [
        (
            json!({"bucket_selector": {"buckets_path": {"a": "v"}, "script": "params.a > 3"}}),
            vec![1, 3, 4],
        ),
        (
            json!({"bucket_selector": {"buckets_path": "v", "script": {"source": "_value < 8", "lang": "expression"}, "gap_policy": "insert_zeros"}}),
            vec![0, 1, 2, 4],
        ),
        (
            json!({"bucket_selector": {"buckets_path": {"n": "_count"}, "script": "params.n != 0 && !(params['n'] == 4)"}}),
            vec![0, 1, 4],
        ),
        (json!({"bucket_sort": {"sort": [{"v": {"order": "desc"}}]}}), vec![3, 4, 1, 0]),
        (json!({"bucket_sort": {"sort": {"v": "asc"}, "size": 2}}), vec![0, 1]),
        (json!({"bucket_sort": {"sort": ["v"], "from": 1, "size": "2"}}), vec![1, 4]),
        (
            json!({"bucket_sort": {"sort": [{"v": "asc"}], "gap_policy": "insert_zeros"}}),
            vec![2, 0, 1, 4, 3],
        ),
        (json!({"bucket_sort": {"sort": [{"_key": {"order": "desc"}}], "size": 2}}), vec![4, 3]),
        (json!({"bucket_sort": {"from": 4}}), vec![4]),
        (json!({"bucket_sort": {"from": 9}}), vec![]),
        (json!({"bucket_sort": {"sort": [{"_count": "desc"}, {"v": "asc"}], "size": 1}}), vec![4]),
    ];
    for (pipeline, want) in cases {
        let aggs = json!({"h": {
            "date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
            "aggs": {"p": pipeline, "v": {"max": {"field": "x"}}},
        }});
        let answer = ran(&aggs, &hours(&SOME)).unwrap();
        let keys: Vec<i64> = answer["h"]["buckets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bucket| bucket["key"].as_i64().unwrap() / 3_600_000)
            .collect();
        assert_eq!(keys, want, "{pipeline}");
    }
}

#[test]
fn siblings_look_at_all_buckets() {
    let cases = [
        (json!({"avg_bucket": {"buckets_path": "h>v"}}), value(5.25)),
        (json!({"avg_bucket": {"buckets_path": "h>v", "gap_policy": "insert_zeros"}}), value(4.2)),
        (
            json!({"sum_bucket": {"buckets_path": "h>v.value", "format": "#,##0.00"}}),
            json!({"value": 21.0, "value_as_string": "21.00"}),
        ),
        (json!({"sum_bucket": {"buckets_path": "h>_count"}}), value(12.0)),
        (json!({"sum_bucket": {"buckets_path": "h._count"}}), value(12.0)),
        (json!({"min_bucket": {"buckets_path": "h>v"}}), json!({"value": 1.0, "keys": ["h0"]})),
        (json!({"max_bucket": {"buckets_path": ["h>v"]}}), json!({"value": 9.0, "keys": ["h3"]})),
        (
            json!({"stats_bucket": {"buckets_path": "h>v"}}),
            json!({"count": 4, "min": 1.0, "max": 9.0, "avg": 5.25, "sum": 21.0}),
        ),
        (
            json!({"percentiles_bucket": {"buckets_path": "h>v", "percents": ["25", 50, 99.9]}}),
            json!({"values": {"25.0": 4.0, "50.0": 7.0, "99.9": 9.0}}),
        ),
        (
            json!({"percentiles_bucket": {"buckets_path": "h>v", "percents": [50], "keyed": false}}),
            json!({"values": [{"key": 50.0, "value": 7.0}]}),
        ),
    ];
    for (pipeline, want) in cases {
        let aggs = json!({
            "p": pipeline,
            "h": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"v": {"max": {"field": "x"}}}},
        });
        assert_eq!(ran(&aggs, &hours(&SOME)).unwrap()["p"], want, "{pipeline}");
    }
    let aggs = json!({
        "p": {"extended_stats_bucket": {"buckets_path": "h>v", "sigma": 1}},
        "h": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"v": {"max": {"field": "x"}}}},
    });
    let got = &ran(&aggs, &hours(&[Some(2.0), Some(4.0)])).unwrap()["p"];
    assert_eq!(got["variance"], 1.0);
    assert_eq!(got["std_deviation_bounds"]["upper"], 4.0);
    assert_eq!(got["std_deviation_bounds"]["lower_population"], 2.0);
}

#[test]
fn without_buckets_there_are_nulls() {
    let cases = [
        ("avg_bucket", json!({"value": null})),
        ("sum_bucket", json!({"value": 0.0})),
        ("min_bucket", json!({"value": null, "keys": []})),
        ("stats_bucket", json!({"count": 0, "min": null, "max": null, "avg": null, "sum": 0.0})),
    ];
    for (ty, want) in cases {
        let aggs = json!({
            "h": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"v": {"max": {"field": "x"}}}},
            "p": {ty: {"buckets_path": "h>v"}},
        });
        assert_eq!(ran(&aggs, &json!({"h": {"buckets": []}})).unwrap()["p"], want, "{ty}");
    }
}

#[test]
fn paths_lead_through_properties_keys_and_single_buckets() {
    let bucket = json!({
        "key": "web",
        "doc_count": 3,
        "1": {"values": {"25.0": 10.0, "95.0": 20.0}},
        "2": {"count": 3, "avg": 2.0, "std_deviation": 0.5, "std_deviation_bounds": {"upper": 3.0, "lower": 1.0}},
        "f": {"doc_count": 2, "m": {"value": 7.0}},
        "t": {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [
            {"key": "a", "doc_count": 1, "m": {"value": 1.0}},
            {"key": "b", "doc_count": 2, "m": {"value": 5.0}},
        ]},
        "n": {"buckets": {"x": {"doc_count": 4}, "y": {"doc_count": 6}}},
        "top": {"top": [{"sort": [1], "metrics": {"bytes": 42}}]},
    });
    let metric = json!({"max": {"field": "x"}});
    let aggs = |path: &str| {
        json!({"s": {"terms": {"field": "service"}, "aggs": {
            "1": {"percentiles": {"field": "x"}},
            "2": {"extended_stats": {"field": "x"}},
            "f": {"filter": {"match_all": {}}, "aggs": {"m": metric}},
            "t": {"terms": {"field": "y"}, "aggs": {"m": metric}},
            "n": {"filters": {"filters": {"x": {"match_all": {}}}}},
            "p": {"bucket_script": {"buckets_path": {"v": path}, "script": "params.v"}},
        }}})
    };
    let cases = [
        ("1[95.0]", Ok(20.0)),
        ("1[25]", Ok(10.0)),
        ("1.95", Ok(20.0)),
        ("2.std_deviation", Ok(0.5)),
        ("2[std_upper]", Ok(3.0)),
        ("f>m", Ok(7.0)),
        ("f>m.value", Ok(7.0)),
        ("f>_count", Ok(2.0)),
        ("f._count", Ok(2.0)),
        ("t._bucket_count", Ok(2.0)),
        ("t['b']>m", Ok(5.0)),
        ("n['y']>_count", Ok(6.0)),
        ("t['c']>m", Err("-")),
        ("2", Err("but [2] contains multiple values. Please specify which to use.")),
        ("2.nothing", Err("path not supported for [2]: [nothing]")),
        ("1[50.0]", Err("path not supported for [1]: [50.0]")),
        ("t>m", Err("got: [Object[]] at aggregation [m]")),
        ("_key", Err("got: [String] at aggregation [_key]")),
        ("none", Err("No aggregation found for path [none]")),
        ("f>none", Err("No aggregation [none] found for path [f>none]")),
        ("2[", Err("Invalid path element [2[] in path [2[]")),
    ];
    for (path, want) in cases {
        let answer = ran(&aggs(path), &json!({"s": {"buckets": [bucket]}}));
        let got = answer.map(|answer| answer["s"]["buckets"][0]["p"]["value"].clone());
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, json!(want), "{path}"),
            (Ok(got), Err(want)) => assert!(want == "-" && got.is_null(), "{path} {got}"),
            (Err(error), Err(want)) => {
                assert!(error.reason.ends_with(want), "{path} {}", error.reason);
            }
            (Err(error), Ok(_)) => panic!("{path} {error}"),
        }
    }
}

#[test]
fn pipelines_wait_for_one_another_in_any_order() {
    let aggs = json!({"h": {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "1h"},
        "aggs": {
            "third": {"bucket_script": {"buckets_path": {"a": "second"}, "script": "params.a * 10"}},
            "second": {"derivative": {"buckets_path": "first"}, "meta": {"color": "red"}},
            "first": {"cumulative_sum": {"buckets_path": "v"}},
            "v": {"max": {"field": "x"}},
        },
    }});
    let answer = ran(&aggs, &hours(&[Some(1.0), Some(2.0), Some(4.0)])).unwrap();
    let bucket = &answer["h"]["buckets"][2];
    let names: Vec<_> = bucket.as_object().unwrap().keys().collect();
    assert_eq!(names, ["key_as_string", "key", "doc_count", "v", "first", "second", "third"]);
    assert_eq!(bucket["third"], value(40.0));
    assert_eq!(bucket["second"], json!({"meta": {"color": "red"}, "value": 4.0}));
    assert_eq!(answer["h"]["buckets"][0].get("second"), None);
}

#[test]
fn siblings_stand_in_buckets_too() {
    let aggs = json!({"s": {"terms": {"field": "service"}, "aggs": {
        "h": {"histogram": {"field": "x", "interval": 5}, "aggs": {"v": {"max": {"field": "x"}}}},
        "best": {"max_bucket": {"buckets_path": "h>v"}},
        "order": {"bucket_sort": {"sort": [{"best": {"order": "desc"}}]}},
    }}});
    let bucket = |key: &str, v: f64| {
        json!({"key": key, "doc_count": 1, "h": {"buckets": [
        {"key": 0.0, "doc_count": 1, "v": {"value": v}}, {"key": 5.0, "doc_count": 1, "v": {"value": v}}]}})
    };
    let answer = json!({"s": {"buckets": [bucket("a", 1.0), bucket("b", 2.0)]}});
    let got = ran(&aggs, &answer).unwrap();
    assert_eq!(got["s"]["buckets"][0]["key"], "b");
    assert_eq!(got["s"]["buckets"][0]["best"], json!({"value": 2.0, "keys": ["0.0", "5.0"]}));
}

#[test]
fn named_buckets_stay_named() {
    let aggs = json!({"f": {"filters": {"filters": {"a": {"match_all": {}}, "b": {"match_all": {}}}}, "aggs": {
        "twice": {"bucket_script": {"buckets_path": {"n": "_count"}, "script": "params.n * 2"}},
        "some": {"bucket_selector": {"buckets_path": {"n": "twice"}, "script": "params.n > 5"}},
    }}, "most": {"max_bucket": {"buckets_path": "f>_count"}}});
    let answer = json!({"f": {"buckets": {"a": {"doc_count": 2}, "b": {"doc_count": 4}}}});
    assert_eq!(
        ran(&aggs, &answer).unwrap(),
        json!({"f": {"buckets": {"b": {"doc_count": 4, "twice": {"value": 8.0}}}},
               "most": {"value": 4.0, "keys": ["b"]}})
    );
}

#[test]
fn misplaced_pipelines_are_refused() {
    let top = |pipeline: Json| json!({"p": pipeline});
    let inside = |pipeline: Json| json!({"s": {"terms": {"field": "a"}, "aggs": {"p": pipeline}}});
    let cases = [
        (
            top(json!({"derivative": {"buckets_path": "v"}})),
            "Validation Failed: 1: derivative aggregation [p] must have a histogram, date_histogram or auto_date_histogram as parent;",
        ),
        (
            inside(json!({"moving_fn": {"buckets_path": "_count", "window": 1, "script": "1"}})),
            "Validation Failed: 1: moving_fn aggregation [p] must have a histogram, date_histogram or auto_date_histogram as parent;",
        ),
        (
            top(json!({"bucket_script": {"buckets_path": {}, "script": "1"}})),
            "Validation Failed: 1: bucket_script aggregation [p] must be declared inside of another aggregation;",
        ),
        (
            top(json!({"avg_bucket": {"buckets_path": "x>y"}})),
            "Validation Failed: 1: buckets_path aggregation does not exist for aggregation [p]: x>y;",
        ),
        (
            inside(json!({"bucket_script": {"buckets_path": {"a": "p"}, "script": "1"}})),
            "Cyclical dependency found with pipeline aggregator [p]",
        ),
        (
            json!({"h": {"histogram": {"field": "a", "interval": 1, "min_doc_count": 1}, "aggs": {"p": {"derivative": {"buckets_path": "_count"}}}}}),
            "Validation Failed: 1: parent histogram of derivative aggregation [p] must have min_doc_count of 0;",
        ),
        (
            json!({"m": {"max": {"field": "a"}}, "p": {"avg_bucket": {"buckets_path": "m"}}}),
            "Validation Failed: 1: The first aggregation in buckets_path must be a multi-bucket aggregation for aggregation [p];",
        ),
        (
            json!({"f": {"filter": {"match_all": {}}, "aggs": {"p": {"bucket_script": {"buckets_path": {}, "script": "1"}}}}}),
            "Expected a multi bucket aggregation but got [f] for aggregation [p]",
        ),
        (
            inside(json!({"bucket_sort": {}})),
            "Validation Failed: 1: [p] is configured to perform nothing. Please set either of [sort, size, from] to use bucket_sort;",
        ),
        (
            inside(json!({"derivative": {"buckets_path": "v", "gap_policy": "x"}})),
            "Invalid gap policy: [x], accepted values: [insert_zeros, skip, keep_values]",
        ),
        (inside(json!({"normalize": {"buckets_path": "v", "method": "x"}})), "invalid method [x]"),
        (
            inside(json!({"bucket_script": {"buckets_path": {}, "script": "foo"}})),
            "compile error in the painless script [foo]: cannot resolve symbol [foo]",
        ),
        (
            json!({"h": {"histogram": {"field": "a", "interval": 1}, "aggs": {"p": {"cumulative_cardinality": {"buckets_path": "_count"}}}}}),
            "buckets_path must reference a cardinality aggregation",
        ),
    ];
    let answer = json!({"m": {"value": 1.0}, "f": {"doc_count": 1}});
    for (aggs, want) in cases {
        let error = ran(&aggs, &answer).unwrap_err();
        assert!(error.reason.starts_with(want), "{aggs}\n{}", error.reason);
    }
}
