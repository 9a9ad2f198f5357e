//! The less common kinds of buckets: composite, multi_terms, rare_terms, adjacency_matrix,
//! auto_date_histogram and variable_width_histogram.

use std::collections::BTreeMap;

use model::time::Timestamp;
use serde_json::{Value as Json, json};

use super::buckets::{all, counts, keys, list, naive, of, one, refused, text};
use super::naive::Doc;
use super::{large, small};

/// All buckets of a composite, asked for page by page.
fn pages(corpus: &super::corpus::Corpus, sources: &Json, size: usize, subs: &Json) -> Vec<Json> {
    let mut out: Vec<Json> = Vec::new();
    let mut after = Json::Null;
    for _ in 0..500 {
        let composite = json!({"sources": sources, "size": size, "after": after});
        let body = json!({"size": 0, "aggs": {"a": {"composite": composite, "aggs": subs}}});
        let got = of(corpus, &body)["a"].take();
        let page = list(&got);
        let Some(last) = page.last() else {
            assert!(got.get("after_key").is_none(), "{got}");
            return out;
        };
        assert_eq!(got["after_key"], last["key"]);
        assert!(page.len() <= size);
        after = got["after_key"].clone();
        out.extend(page);
    }
    panic!("no end of pages of {sources}");
}

fn pair(doc: &Doc, a: &str, b: &str) -> Vec<(String, String)> {
    let values = |field: &str| {
        let mut values: Vec<String> = doc.of(field).iter().map(text).collect();
        values.sort();
        values.dedup();
        values
    };
    values(a).iter().flat_map(|x| values(b).into_iter().map(|y| (x.clone(), y))).collect()
}

fn pairs(docs: &[&Doc], a: &str, b: &str) -> BTreeMap<(String, String), u64> {
    let mut out = BTreeMap::new();
    for pair in docs.iter().flat_map(|doc| pair(doc, a, b)) {
        *out.entry(pair).or_default() += 1;
    }
    out
}

#[test]
fn composite_gives_every_combination_once_and_in_order() {
    let sources =
        json!([{"s": {"terms": {"field": "service"}}}, {"o": {"terms": {"field": "ok"}}}]);
    for subs in [json!({}), json!({"m": {"max": {"field": "latency"}}})] {
        for size in [1, 3, 100] {
            let got = pages(small(), &sources, size, &subs);
            let got: Vec<((String, String), u64)> = got
                .iter()
                .map(|b| {
                    let key = (text(&b["key"]["s"]), text(&b["key"]["o"]));
                    assert_eq!(b.get("m").is_some(), subs.get("m").is_some());
                    (key, b["doc_count"].as_u64().unwrap())
                })
                .collect();
            let want: Vec<_> = pairs(&all(small()), "service", "ok").into_iter().collect();
            assert_eq!(got, want, "{size} {subs}");
        }
    }
    // More combinations than are held at once, numbers and texts.
    let sources = json!([{"t": {"terms": {"field": "trace.id", "order": "desc"}}}, {"l": {"terms": {"field": "latency"}}}]);
    let got = pages(large(), &sources, 4000, &json!({}));
    let want = pairs(&all(large()), "trace.id", "latency");
    assert_eq!(got.len(), want.len());
    let traces: Vec<String> = got.iter().map(|b| text(&b["key"]["t"])).collect();
    assert!(traces.is_sorted_by(|a, b| a >= b));
}

#[test]
fn composite_orders_what_is_missing_and_formats_times() {
    let first = |source: Json| {
        let sources = json!([{"s": source}, {"t": {"terms": {"field": "ok"}}}]);
        let got = one(json!({"composite": {"size": 1, "sources": sources}}));
        list(&got)[0]["key"]["s"].clone()
    };
    let source = |order: &str, missing: Json| {
        first(
            json!({"terms": {"field": "service", "order": order, "missing_bucket": true, "missing_order": missing}}),
        )
    };
    assert_eq!(source("asc", Json::Null), Json::Null);
    assert_eq!(source("asc", json!("last")), "DB");
    assert_eq!(source("desc", Json::Null), "web");
    assert_eq!(source("desc", json!("first")), Json::Null);
    let days = json!([{"d": {"date_histogram": {"field": "@timestamp", "calendar_interval": "1d", "format": "yyyy-MM-dd", "time_zone": "+02:00"}}}]);
    let got = pages(small(), &days, 1, &json!({}));
    let names: Vec<String> = got.iter().map(|b| text(&b["key"]["d"])).collect();
    assert_eq!(names, ["2026-11-20"]);
    let hours = json!([{"d": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1h", "order": "desc"}}}, {"h": {"histogram": {"field": "latency", "interval": 250}}}]);
    let got = pages(small(), &hours, 4, &json!({}));
    let total: u64 = got.iter().map(|b| b["doc_count"].as_u64().unwrap()).sum();
    assert_eq!(total, naive("latency", &all(small())).values().sum::<u64>());
    assert!(got.is_sorted_by(|a, b| a["key"]["d"].as_i64() >= b["key"]["d"].as_i64()));
    assert!(got.iter().all(|b| b["key"]["h"].as_f64().unwrap() % 250.0 == 0.0));
    // In a bucket of another aggregation.
    let inner = json!({"composite": {"sources": [{"s": {"terms": {"field": "service"}}}]}});
    let got = one(json!({"terms": {"field": "ok"}, "aggs": {"c": inner}}));
    let want = pairs(&all(small()), "ok", "service");
    for bucket in list(&got) {
        for b in list(&bucket["c"]) {
            let key = (text(&bucket["key_as_string"]), text(&b["key"]["s"]));
            assert_eq!(b["doc_count"], want[&key], "{key:?}");
        }
    }
}

#[test]
fn multi_terms_count_combinations() {
    let got = one(
        json!({"multi_terms": {"terms": [{"field": "service"}, {"field": "ok"}], "size": 100}}),
    );
    let want = pairs(&all(small()), "service", "ok");
    let found: BTreeMap<(String, String), u64> = list(&got)
        .iter()
        .map(|b| {
            let key = (text(&b["key"][0]), text(&b["key"][1]));
            assert_eq!(b["key_as_string"], format!("{}|{}", key.0, key.1));
            (key, b["doc_count"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, want);
    assert!(list(&got).is_sorted_by(|a, b| a["doc_count"].as_u64() >= b["doc_count"].as_u64()));
    let nested = json!({"multi_terms": {"terms": [{"field": "service"}, {"field": "ok", "missing": false}], "order": {"m": "desc"}},
        "aggs": {"m": {"max": {"field": "latency"}}}});
    let got = one(json!({"terms": {"field": "ok"}, "aggs": {"x": nested}}));
    for bucket in list(&got) {
        let most: Vec<f64> =
            list(&bucket["x"]).iter().filter_map(|b| b["m"]["value"].as_f64()).collect();
        assert!(most.len() >= 5 && most.is_sorted_by(|a, b| a >= b), "{most:?}");
    }
    assert!(
        refused(&json!({"multi_terms": {"terms": [{"field": "a"}]}})).contains("at least 2 terms")
    );
}

#[test]
fn rare_terms_are_exact() {
    for (field, most) in [("latency", 1), ("service", 40), ("trace.id", 1)] {
        let got = one(json!({"rare_terms": {"field": field, "max_doc_count": most}}));
        let want: BTreeMap<String, u64> =
            naive(field, &all(small())).into_iter().filter(|(_, docs)| *docs <= most).collect();
        assert_eq!(counts(&got), want, "{field}");
        let order: Vec<(u64, Json)> = list(&got)
            .iter()
            .map(|b| (b["doc_count"].as_u64().unwrap(), b["key"].clone()))
            .collect();
        assert!(order.is_sorted_by(|a, b| a.0 <= b.0), "{order:?}");
    }
    let inside = one(
        json!({"terms": {"field": "ok"}, "aggs": {"r": {"rare_terms": {"field": "service", "max_doc_count": 100, "exclude": "web"}, "aggs": {"m": {"min": {"field": "latency"}}}}}}),
    );
    let want = pairs(&all(small()), "ok", "service");
    for bucket in list(&inside) {
        assert_eq!(list(&bucket["r"]).len(), 4, "{bucket}");
        for b in list(&bucket["r"]) {
            assert_eq!(b["doc_count"], want[&(text(&bucket["key_as_string"]), text(&b["key"]))]);
            assert!(b["m"].is_object());
        }
    }
    assert!(
        refused(&json!({"rare_terms": {"field": "a", "max_doc_count": 101}}))
            .contains("smaller than or equal to 100")
    );
}

#[test]
fn adjacency_matrix_counts_each_and_each_two() {
    let filters = json!({"ok": {"term": {"ok": true}}, "api": {"term": {"service": "api"}}, "none": {"match_none": {}}});
    let got = one(
        json!({"adjacency_matrix": {"filters": filters, "separator": "+"}, "aggs": {"m": {"max": {"field": "latency"}}}}),
    );
    let has = |d: &Doc, field: &str, value: Json| d.of(field).contains(&value);
    let count =
        |test: &dyn Fn(&Doc) -> bool| all(small()).into_iter().filter(|d| test(d)).count() as u64;
    let want = BTreeMap::from([
        ("api".to_owned(), count(&|d| has(d, "service", json!("api")))),
        (
            "api+ok".to_owned(),
            count(&|d| has(d, "service", json!("api")) && has(d, "ok", json!(true))),
        ),
        ("ok".to_owned(), count(&|d| has(d, "ok", json!(true)))),
    ]);
    assert_eq!(counts(&got), want);
    assert_eq!(keys(&got), ["api", "api+ok", "ok"]);
}

#[test]
fn auto_date_histogram_finds_its_interval() {
    let docs = all(small());
    for (buckets, interval, width_s) in
        [(10, "30m", 1800), (3, "3h", 10_800), (5, "1h", 3600), (300, "1m", 60), (60, "5m", 300)]
    {
        let got = one(
            json!({"auto_date_histogram": {"field": "@timestamp", "buckets": buckets}, "aggs": {"m": {"value_count": {"field": "latency"}}}}),
        );
        assert_eq!(got["interval"], interval, "{buckets}");
        let found = list(&got);
        assert!(found.len() <= buckets);
        assert!(found.windows(2).all(|w| w[1]["key"].as_i64().unwrap()
            - w[0]["key"].as_i64().unwrap()
            == width_s * 1000));
        for b in &found {
            let from = b["key"].as_i64().unwrap() * 1_000_000;
            let inside = |d: &&&Doc| d.time >= from && d.time < from + width_s * 1_000_000_000;
            assert_eq!(b["doc_count"], docs.iter().filter(inside).count());
            let valued = docs.iter().filter(inside).filter(|d| !d.of("latency").is_empty()).count();
            assert_eq!(b["m"]["value"], valued);
        }
    }
    let least = one(
        json!({"auto_date_histogram": {"field": "@timestamp", "buckets": 300, "minimum_interval": "hour", "format": "HH:mm", "time_zone": "+01:00"}}),
    );
    assert_eq!(least["interval"], "1h");
    assert_eq!(list(&least)[0]["key_as_string"], "23:00");
    let none = one(json!({"auto_date_histogram": {"field": "absent"}}));
    assert_eq!(none, json!({"buckets": [], "interval": "1s"}));
    let nested = one(
        json!({"terms": {"field": "service"}, "aggs": {"a": {"auto_date_histogram": {"field": "created", "buckets": 3}}}}),
    );
    for bucket in list(&nested) {
        assert!(list(&bucket["a"]).len() <= 3, "{bucket}");
        let first = Timestamp::parse(list(&bucket["a"])[0]["key_as_string"].as_str().unwrap());
        assert!(first.is_some());
    }
}

#[test]
fn variable_width_histogram_has_no_more_buckets_than_asked() {
    let docs = all(small());
    let got = one(
        json!({"variable_width_histogram": {"field": "latency", "buckets": 4}, "aggs": {"m": {"max": {"field": "latency"}}}}),
    );
    let found = list(&got);
    assert_eq!(found.len(), 4);
    let values: Vec<f64> = docs.iter().filter_map(|d| d.of("latency").first()?.as_f64()).collect();
    for b in &found {
        let (min, max) = (b["min"].as_f64().unwrap(), b["max"].as_f64().unwrap());
        let inside: Vec<f64> = values.iter().copied().filter(|v| min <= *v && *v <= max).collect();
        assert_eq!(b["doc_count"], inside.len());
        assert_eq!(b["m"]["value"], max);
        let mean = inside.iter().sum::<f64>() / inside.len() as f64;
        assert!((b["key"].as_f64().unwrap() - mean).abs() < 1e-6);
    }
}

#[test]
fn unknown_types_are_told_from_unsupported_ones() {
    let cases = [
        ("tems", "Unknown aggregation type [tems] did you mean [terms]?"),
        (
            "date_histgram",
            "Unknown aggregation type [date_histgram] did you mean any of [date_histogram, auto_date_histogram, histogram]?",
        ),
        ("xyzzy", "Unknown aggregation type [xyzzy]"),
        (
            "geo_bounds",
            "The aggregation type [geo_bounds] is not supported: logs have no points or shapes",
        ),
        (
            "reverse_nested",
            "The aggregation type [reverse_nested] is not supported: documents are not nested here",
        ),
        (
            "parent",
            "The aggregation type [parent] is not supported: logs are not joined with each other",
        ),
    ];
    for (ty, want) in cases {
        let got = refused(&json!({ty: {}}));
        assert!(got.starts_with(want), "{got}");
    }
}
