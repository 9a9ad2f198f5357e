//! The options of buckets and the less common kinds, as their JSON asks for them: the same over live
//! batches, splits and both, and what the plainest way to compute them gives.

use std::collections::{BTreeMap, BTreeSet};

use model::time::{NS_PER_MS, Timestamp};
use serde_json::{Value as Json, json};

use super::corpus::Corpus;
use super::naive::Doc;
use super::{answer, api_settings, large, small};
use crate::elastic::Reader;
use crate::error::QueryError;

const NOW: &str = "2026-11-20T14:00:00Z";

pub(super) fn asked(corpus: &Corpus, body: &Json) -> Vec<Result<Json, QueryError>> {
    let mut reader = Reader::new(Timestamp::parse(NOW).unwrap(), &api_settings());
    let request = match reader.search(body.to_string().as_bytes()) {
        Ok(search) => search.request,
        Err(error) => return vec![Err(error)],
    };
    let one = |snapshot| {
        let answer = answer(snapshot, &request)?;
        Ok(Json::Object(answer.aggregations.unwrap().into_json()))
    };
    corpus.snapshots.iter().map(one).collect()
}

/// The aggregations of a body, which are the same in every layout.
pub(super) fn of(corpus: &Corpus, body: &Json) -> Json {
    let mut all = asked(corpus, body).into_iter().map(|got| got.unwrap_or_else(|e| panic!("{e}")));
    let first = all.next().unwrap();
    for (at, other) in all.enumerate() {
        assert_eq!(other, first, "layout {} of {body}", at + 1);
    }
    first
}

/// The one aggregation of all records of the small corpus.
pub(super) fn one(agg: Json) -> Json {
    of(small(), &json!({"size": 0, "aggs": {"a": agg}}))["a"].take()
}

/// The reason why a body is refused.
pub(super) fn refused(agg: &Json) -> String {
    let body = json!({"size": 0, "aggs": {"a": agg}});
    let mut errors = asked(small(), &body).into_iter().map(|got| got.expect_err("no error"));
    errors.next().unwrap().reason
}

pub(super) fn list(answer: &Json) -> Vec<Json> {
    answer["buckets"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

pub(super) fn keys(answer: &Json) -> Vec<String> {
    list(answer).iter().map(|b| text(&b["key"])).collect()
}

pub(super) fn counts(answer: &Json) -> BTreeMap<String, u64> {
    list(answer).iter().map(|b| (text(&b["key"]), b["doc_count"].as_u64().unwrap())).collect()
}

pub(super) fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How many of the records have each value.
pub(super) fn naive(field: &str, docs: &[&Doc]) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for doc in docs {
        let values: BTreeSet<String> = doc.of(field).iter().map(text).collect();
        values.into_iter().for_each(|value| *out.entry(value).or_default() += 1);
    }
    out
}

pub(super) fn all(corpus: &'static Corpus) -> Vec<&'static Doc> {
    corpus.docs.iter().collect()
}

#[test]
fn terms_are_included_excluded_and_cut_into_partitions() {
    let whole = naive("service", &all(small()));
    type Case = (Json, fn(&str) -> bool);
    let cases: [Case; 6] = [
        (json!({"include": "[aw].*"}), |k| k.starts_with(['a', 'w'])),
        (json!({"exclude": ".*b.*"}), |k| !k.contains('b')),
        (json!({"include": "[aw].*", "exclude": "api"}), |k| k == "web"),
        (json!({"include": ["api", "DB"]}), |k| k == "api" || k == "DB"),
        (json!({"exclude": ["api"]}), |k| k != "api"),
        (json!({"include": ["none"]}), |_| false),
    ];
    for (options, wanted) in cases {
        for subs in [
            json!({}),
            json!({"m": {"max": {"field": "latency"}}}),
            json!({"t": {"terms": {"field": "ok"}}}),
        ] {
            let mut terms = options.clone();
            terms["field"] = json!("service");
            let got = one(json!({"terms": terms, "aggs": subs}));
            let want: BTreeMap<_, _> =
                whole.iter().filter(|(k, _)| wanted(k)).map(|(k, v)| (k.clone(), *v)).collect();
            assert_eq!(counts(&got), want, "{terms} {subs}");
        }
    }
    for field in ["service", "trace.id", "latency"] {
        let whole = naive(field, &all(small()));
        let mut got = BTreeMap::new();
        for partition in 0..3 {
            let include = json!({"partition": partition, "num_partitions": 3});
            let part = one(json!({"terms": {"field": field, "size": 1000, "include": include}}));
            got.extend(counts(&part));
        }
        assert_eq!(got, whole, "{field}");
    }
    let missing =
        one(json!({"terms": {"field": "service", "missing": "none", "include": ["none"]}}));
    let without = small().docs.iter().filter(|d| d.of("service").is_empty()).count();
    assert_eq!(missing["buckets"], json!([{"key": "none", "doc_count": without}]));
    let numbers = one(json!({"terms": {"field": "status", "include": [404, "200"]}}));
    assert_eq!(
        keys(&numbers).into_iter().collect::<BTreeSet<_>>(),
        ["200", "404"].map(str::to_owned).into()
    );
}

#[test]
fn terms_without_records_are_those_of_all_records() {
    let whole = naive("service", &all(small()));
    // A query of one service, at a time when there are no records, or of nothing.
    let queries = [
        json!({"term": {"service": "api"}}),
        json!({"range": {"@timestamp": {"lt": "2000-01-01"}}}),
        json!({"match_none": {}}),
    ];
    for query in queries {
        let terms =
            json!({"terms": {"field": "service", "min_doc_count": 0, "order": {"_key": "asc"}}});
        let date = json!({"date_histogram": {"field": "@timestamp", "fixed_interval": "1h"}, "aggs": {"t": terms}});
        let got = of(small(), &json!({"size": 0, "query": query, "aggs": {"a": terms, "d": date}}));
        assert_eq!(keys(&got["a"]), whole.keys().cloned().collect::<Vec<_>>(), "{query}");
        for hour in list(&got["d"]) {
            assert_eq!(list(&hour["t"]).len(), whole.len());
        }
        let docs: Vec<&Doc> = match query.get("term") {
            Some(_) => {
                small().docs.iter().filter(|d| d.of("service").contains(&json!("api"))).collect()
            }
            None => Vec::new(),
        };
        let found = naive("service", &docs);
        for (key, count) in counts(&got["a"]) {
            assert_eq!(count, found.get(&key).copied().unwrap_or(0), "{key} {query}");
        }
    }
    let chosen = one(json!({"terms": {"field": "service", "min_doc_count": 0, "include": "w.*"}}));
    assert_eq!(keys(&chosen), ["web"]);
}

#[test]
fn terms_are_ordered_and_written_as_asked() {
    let deep = json!({"terms": {"field": "service", "order": [{"f>m.avg": "asc"}, {"_term": "desc"}], "show_term_doc_count_error": true},
        "aggs": {"f": {"filter": {"exists": {"field": "latency"}}, "aggs": {"m": {"stats": {"field": "latency"}}}}}});
    let got = one(deep);
    let averages: Vec<f64> =
        list(&got).iter().map(|b| b["f"]["m"]["avg"].as_f64().unwrap()).collect();
    assert!(averages.len() == 5 && averages.is_sorted(), "{averages:?}");
    assert!(list(&got).iter().all(|b| b["doc_count_error_upper_bound"] == 0), "{got}");
    let by_count = one(
        json!({"terms": {"field": "service", "order": {"f": "asc"}}, "aggs": {"f": {"filter": {"term": {"ok": true}}}}}),
    );
    let alone: Vec<u64> =
        list(&by_count).iter().map(|b| b["f"]["doc_count"].as_u64().unwrap()).collect();
    assert!(alone.is_sorted(), "{alone:?}");
    let first = Timestamp(small().docs.iter().map(|d| d.time).min().unwrap());
    let times = one(
        json!({"terms": {"field": "@timestamp", "format": "yyyy-MM-dd HH:mm", "size": 1, "order": {"_key": "asc"}}}),
    );
    let printed = first.rfc3339_millis()[..16].replace('T', " ");
    assert_eq!(list(&times)[0]["key_as_string"], printed);
    let numbers = one(
        json!({"terms": {"field": "latency", "format": "0.0 'ms'", "size": 1, "order": {"_key": "asc"}, "missing": "5000", "value_type": "long"}}),
    );
    let bucket = list(&numbers)[0].clone();
    assert_eq!(bucket["key_as_string"], format!("{}.0 ms", bucket["key"]));
    let last = one(
        json!({"terms": {"field": "latency", "size": 1, "order": {"_key": "desc"}, "missing": "5000", "value_type": "long"}}),
    );
    assert_eq!(list(&last)[0]["key"], 5000);
    let many = one(json!({"terms": {"field": "trace.id", "size": 2147483647}}));
    assert_eq!(
        (list(&many).len(), &many["sum_other_doc_count"]),
        (naive("trace.id", &all(small())).len(), &json!(0))
    );
}

#[test]
fn histograms_are_bounded_ordered_filled_and_written_as_asked() {
    let docs = all(small());
    let values = |d: &Doc| d.of("latency").first().map_or(-100, |v| v.as_i64().unwrap());
    let mut want = BTreeMap::new();
    for doc in &docs {
        let key = values(doc).div_euclid(100) * 100;
        if (0..=500).contains(&key) {
            *want.entry(format!("{key}.0")).or_insert(0u64) += 1;
        }
    }
    let agg = |change: Json| {
        let mut out = json!({"field": "latency", "interval": 100, "missing": -100});
        out.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        one(json!({"histogram": out, "aggs": {"m": {"max": {"field": "latency"}}}}))
    };
    assert_eq!(counts(&agg(json!({"hard_bounds": {"min": 0, "max": "500"}}))), want);
    let whole = agg(json!({}));
    let missing = docs.iter().filter(|d| values(d) < 0).count();
    assert_eq!(list(&whole)[0]["doc_count"], missing);
    let by_count = list(&agg(json!({"order": {"_count": "desc"}})));
    assert!(by_count.is_sorted_by(|a, b| a["doc_count"].as_u64() >= b["doc_count"].as_u64()));
    let by_key = agg(json!({"order": {"_key": "desc"}, "format": "#,##0.00", "offset": 0.5}));
    let first = &list(&by_key)[0];
    assert_eq!((&first["key"], &first["key_as_string"]), (&json!(800.5), &json!("800.50")));
    let keyed = agg(json!({"keyed": true, "format": "0'ms'"}));
    assert!(keyed["buckets"]["0ms"]["doc_count"].as_u64() > Some(0), "{keyed}");
    let extended = agg(json!({"extended_bounds": {"max": 1500}}));
    assert_eq!(list(&extended).last().unwrap()["key"], 1500.0);
}

#[test]
fn date_histograms_take_missing_order_and_bounds() {
    let docs = all(small());
    let without = docs.iter().filter(|d| d.of("created").is_empty()).count() as u64;
    let agg = |change: Json| {
        let mut out = json!({"field": "created", "calendar_interval": "day", "min_doc_count": 1});
        out.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        one(json!({"date_histogram": out}))
    };
    let missing = agg(json!({"missing": "2020-02-03"}));
    assert_eq!(
        list(&missing)[0],
        json!({"key": 1_580_688_000_000_i64, "key_as_string": "2020-02-03T00:00:00.000Z", "doc_count": without})
    );
    let full = list(&agg(json!({})));
    let ordered = list(&agg(json!({"order": [{"_count": "desc"}, {"_key": "desc"}]})));
    assert!(ordered.is_sorted_by(|a, b| (a["doc_count"].as_u64(), a["key"].as_i64())
        >= (b["doc_count"].as_u64(), b["key"].as_i64())));
    assert_eq!(ordered.len(), full.len());
    // The end of hard bounds is outside, and it is buckets that lie inside or not.
    let bounded = agg(json!({"hard_bounds": {"min": "2026-10-12", "max": "2026-10-14"}}));
    let days: Vec<String> =
        list(&bounded).iter().map(|b| text(&b["key_as_string"])[..10].to_owned()).collect();
    assert_eq!(days, ["2026-10-12", "2026-10-13"]);
    let later = agg(json!({"min_doc_count": 0, "extended_bounds": {"max": "2026-10-25"}}));
    assert_eq!(list(&later).last().unwrap()["key_as_string"], "2026-10-25T00:00:00.000Z");
    let refused_options = json!({"date_histogram": {"field": "created", "calendar_interval": "day",
        "hard_bounds": {"max": "2026-10-14"}, "extended_bounds": {"min": "2026-10-01", "max": "2026-10-20"}}});
    assert!(refused(&refused_options).starts_with("Extended bounds have to be inside hard bounds"));
}

#[test]
fn date_histograms_keep_to_the_clock_of_their_zone() {
    // The clocks of Berlin go back from three to two on 2026-10-25.
    let starts = |options: Json| -> Vec<String> {
        let mut agg = json!({"field": "absent", "time_zone": "Europe/Berlin"});
        agg.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        list(&one(json!({"date_histogram": agg})))
            .iter()
            .map(|b| text(&b["key_as_string"]))
            .collect()
    };
    let bounds = |min: &str, max: &str| json!({"min": min, "max": max});
    let days = starts(
        json!({"calendar_interval": "1d", "extended_bounds": bounds("2026-10-24", "2026-10-26")}),
    );
    assert_eq!(
        days,
        [
            "2026-10-24T00:00:00.000+02:00",
            "2026-10-25T00:00:00.000+02:00",
            "2026-10-26T00:00:00.000+01:00"
        ]
    );
    let hours = starts(
        json!({"fixed_interval": "1h", "extended_bounds": bounds("2026-10-25T01:00", "2026-10-25T03:00")}),
    );
    assert_eq!(
        hours,
        [
            "2026-10-25T01:00:00.000+02:00",
            "2026-10-25T02:00:00.000+02:00",
            "2026-10-25T02:00:00.000+01:00",
            "2026-10-25T03:00:00.000+01:00",
        ]
    );
    // They go forward from two to three on 2026-03-29.
    let spring = starts(
        json!({"calendar_interval": "hour", "extended_bounds": bounds("2026-03-29T01:00", "2026-03-29T04:00")}),
    );
    assert_eq!(spring.len(), 3, "{spring:?}");
    let months = starts(
        json!({"calendar_interval": "month", "format": "yyyy-MM", "extended_bounds": bounds("2026-02", "2026-04")}),
    );
    assert_eq!(months, ["2026-02", "2026-03", "2026-04"]);
}

#[test]
fn ranges_and_filters_take_missing_formats_zones_and_lists() {
    let docs = all(small());
    let low = docs
        .iter()
        .filter(|d| d.of("latency").first().is_none_or(|v| v.as_i64().unwrap() < 100))
        .count();
    let got = one(
        json!({"range": {"field": "latency", "missing": 0, "format": "0.0", "ranges": [{"to": 100}, {"from": 100, "key": "slow"}]}}),
    );
    assert_eq!(
        list(&got)[0],
        json!({"key": "*-100.0", "to": 100.0, "to_as_string": "100.0", "doc_count": low})
    );
    assert_eq!(list(&got)[1]["key"], "slow");
    let got = one(
        json!({"date_range": {"field": "created", "missing": "2026-10-01 12:00 +02:00", "time_zone": "Europe/Berlin", "format": "yyyy-MM-dd HH:mm XXX",
        "ranges": [{"to": "2026-10-02 00:00 +02:00"}]}}),
    );
    let without = docs.iter().filter(|d| d.of("created").is_empty()).count();
    assert_eq!(
        list(&got)[0],
        json!({"key": "*-2026-10-02 00:00 +02:00", "to": 1_790_892_000_000.0, "to_as_string": "2026-10-02 00:00 +02:00", "doc_count": without})
    );
    let ok = docs.iter().filter(|d| d.of("ok").contains(&json!(true))).count();
    let filters = json!({"filters": {"keyed": false, "filters": {"ok": {"term": {"ok": true}}}, "other_bucket": true}});
    assert_eq!(
        one(filters)["buckets"],
        json!([{"key": "ok", "doc_count": ok}, {"key": "_other_", "doc_count": docs.len() - ok}])
    );
}

#[test]
fn global_looks_at_all_records_and_stands_alone() {
    let query = json!({"bool": {"filter": [{"term": {"service": "api"}}, {"range": {"@timestamp": {"gte": "2026-11-20"}}}]}});
    let aggs = json!({
        "g": {"global": {}, "aggs": {"t": {"terms": {"field": "service"}}}, "meta": {"a": 1}},
        "t": {"terms": {"field": "service"}},
    });
    let got = of(large(), &json!({"size": 0, "query": query, "aggs": aggs}));
    assert_eq!(got["g"]["doc_count"], large().docs.len());
    assert_eq!(got["g"]["meta"], json!({"a": 1}));
    assert_eq!(counts(&got["g"]["t"]), naive("service", &all(large())));
    let late: Vec<&Doc> = large()
        .docs
        .iter()
        .filter(|d| {
            d.of("service").contains(&json!("api")) && d.time >= 1_795_132_800_000 * NS_PER_MS
        })
        .collect();
    assert_eq!(counts(&got["t"]), naive("service", &late));
    let inside = json!({"terms": {"field": "service"}, "aggs": {"g": {"global": {}}}});
    assert!(
        refused(&inside)
            .contains("Global aggregations can only be defined as top level aggregations")
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases = [
        (json!({"terms": {"field": "a", "include": "("}}), "invalid regular expression"),
        (
            json!({"terms": {"field": "a", "include": {"partition": 3, "num_partitions": 3}}}),
            "Partition must be >=0 and < numPartition which is 3",
        ),
        (json!({"terms": {"field": "a", "include": {"partition": 3}}}), "Missing [num_partitions]"),
        (
            json!({"terms": {"field": "a", "exclude": "x", "include": {"partition": 0, "num_partitions": 3}}}),
            "Cannot specify any excludes",
        ),
        (
            json!({"terms": {"field": "a", "value_type": "colour"}}),
            "[terms] failed to parse field [value_type]",
        ),
        (
            json!({"terms": {"field": "a", "order": {"y": "desc"}}}),
            "Invalid aggregation order path [y]. The provided aggregation [y] either does not exist",
        ),
        (
            json!({"histogram": {"field": "a", "interval": 1, "order": {"y": "desc"}}}),
            "Invalid aggregation order path [y].",
        ),
    ];
    for (agg, want) in cases {
        let got = refused(&agg);
        assert!(got.starts_with(want), "{agg}: {got}");
    }
}
