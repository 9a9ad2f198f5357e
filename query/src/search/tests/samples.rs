//! `top_hits`, significance, samplers, categories and addresses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::buckets::{all, asked, list, naive, of, one, refused, text};
use super::naive::Doc;
use super::{large, small};

#[test]
fn top_hits_are_the_first_of_each_bucket() {
    let hits = json!({"top_hits": {"size": 2, "from": 1, "sort": [{"latency": "desc"}, {"@timestamp": "asc"}], "_source": ["latency", "service"], "seq_no_primary_term": true, "version": true}});
    let got = one(json!({"terms": {"field": "service"}, "aggs": {"h": hits}}));
    for bucket in list(&got) {
        let key = bucket["key"].clone();
        let mut docs: Vec<&Doc> =
            all(small()).into_iter().filter(|d| d.of("service").contains(&key)).collect();
        docs.sort_by_key(|d| {
            let latency = d.of("latency").first().and_then(Json::as_i64).unwrap_or(i64::MIN);
            (std::cmp::Reverse(latency), d.time / 1_000_000, d.seq)
        });
        let hits = &bucket["h"]["hits"];
        assert_eq!(hits["total"], json!({"value": docs.len(), "relation": "eq"}));
        assert_eq!(hits["max_score"], Json::Null);
        let found: Vec<(String, u64, Json)> = hits["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|h| {
                assert_eq!(
                    (&h["_version"], &h["_primary_term"], &h["_score"]),
                    (&json!(1), &json!(1), &Json::Null)
                );
                assert!(
                    h["_source"]
                        .as_object()
                        .unwrap()
                        .keys()
                        .all(|k| k == "latency" || k == "service")
                );
                (text(&h["_id"]), h["_seq_no"].as_u64().unwrap(), h["sort"][0].clone())
            })
            .collect();
        let want: Vec<(String, u64, Json)> = docs[1..3]
            .iter()
            .map(|d| (d.id.clone(), d.seq, d.of("latency").first().cloned().unwrap_or(Json::Null)))
            .collect();
        assert_eq!(found, want, "{key}");
    }
}

#[test]
fn top_hits_without_an_order_are_scored_and_the_newest_first() {
    let got = of(
        large(),
        &json!({"size": 0, "query": {"term": {"service": "api"}}, "aggs": {"a": {"top_hits": {}}}}),
    );
    let hits = got["a"]["hits"]["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 3);
    let total = large().docs.iter().filter(|d| d.of("service").contains(&json!("api"))).count();
    assert_eq!(got["a"]["hits"]["total"]["value"], total);
    assert!(hits.iter().all(|h| h.get("sort").is_none() && h["_source"].is_object()));
    let fields = json!({"top_hits": {"size": 1, "_source": false, "fields": ["service"], "docvalue_fields": ["@timestamp"]}});
    let got = one(json!({"filter": {"term": {"ok": true}}, "aggs": {"h": fields}}));
    let hit = &got["h"]["hits"]["hits"][0];
    assert!(hit.get("_source").is_none() && hit["fields"]["@timestamp"].is_array(), "{hit}");
    let none = of(
        small(),
        &json!({"size": 0, "query": {"match_none": {}}, "aggs": {"a": {"top_hits": {}}}}),
    );
    assert_eq!(
        none["a"]["hits"],
        json!({"total": {"value": 0, "relation": "eq"}, "max_score": null, "hits": []})
    );
    assert!(
        refused(&json!({"top_hits": {"size": 101}}))
            .starts_with("Top hits result window is too large")
    );
    assert!(refused(&json!({"top_hits": {"explain": true}})).contains("[explain]"));
    assert!(
        refused(&json!({"top_hits": {}, "aggs": {"x": {"max": {"field": "a"}}}}))
            .contains("cannot accept sub-aggregations")
    );
}

#[test]
fn significant_terms_compare_with_all_records() {
    let query = json!({"term": {"service": "api"}});
    let agg = json!({"significant_terms": {"field": "service", "min_doc_count": 1, "percentage": {}}, "aggs": {"m": {"max": {"field": "latency"}}}});
    let got = of(large(), &json!({"size": 0, "query": query, "aggs": {"a": agg}}));
    let inside: Vec<&Doc> =
        large().docs.iter().filter(|d| d.of("service").contains(&json!("api"))).collect();
    let (here, everywhere) = (naive("service", &inside), naive("service", &all(large())));
    assert_eq!(
        (&got["a"]["doc_count"], &got["a"]["bg_count"]),
        (&json!(inside.len()), &json!(large().docs.len()))
    );
    let buckets = list(&got["a"]);
    assert_eq!(buckets[0]["key"], "api");
    for b in &buckets {
        let key = text(&b["key"]);
        assert_eq!(
            (&b["doc_count"], &b["bg_count"]),
            (&json!(here[&key]), &json!(everywhere[&key]))
        );
        let score = here[&key] as f64 / everywhere[&key] as f64;
        assert!((b["score"].as_f64().unwrap() - score).abs() < 1e-9 && b["m"].is_object());
    }
    let filtered = json!({"significant_terms": {"field": "service", "background_filter": {"term": {"ok": true}}, "min_doc_count": 1}});
    let got = of(
        small(),
        &json!({"size": 0, "query": query, "aggs": {"t": {"terms": {"field": "ok"}, "aggs": {"a": filtered}}}}),
    );
    let ok = small().docs.iter().filter(|d| d.of("ok").contains(&json!(true))).count();
    for bucket in list(&got["t"]) {
        assert_eq!(bucket["a"]["doc_count"], bucket["doc_count"]);
        assert_eq!(bucket["a"]["bg_count"], ok);
    }
}

#[test]
fn significant_text_looks_at_words() {
    let query = json!({"match": {"message": "timeout"}});
    let agg = json!({"significant_text": {"field": "message", "size": 3, "min_doc_count": 2, "chi_square": {}}});
    let got = of(small(), &json!({"size": 0, "query": query, "aggs": {"a": agg}}));
    let has = |d: &&'static Doc| {
        d.of("message")
            .iter()
            .any(|m| m.as_str().is_some_and(|m| model::token::tokens(m).any(|t| t == "timeout")))
    };
    let count = all(small()).into_iter().filter(|d| has(d)).count();
    let first = &list(&got["a"])[0];
    assert_eq!(
        (&first["key"], &first["doc_count"], &first["bg_count"]),
        (&json!("timeout"), &json!(count), &json!(count))
    );
    let once = json!({"significant_text": {"field": "message", "filter_duplicate_text": true, "include": "t.*", "percentage": {}}});
    for got in asked(small(), &json!({"size": 0, "query": query, "aggs": {"a": once}})) {
        assert!(list(&got.unwrap()["a"]).iter().all(|b| text(&b["key"]).starts_with('t')));
    }
    assert!(
        refused(&json!({"significant_terms": {"field": "a", "script_heuristic": {"script": "1"}}}))
            .contains("[script_heuristic]")
    );
    assert!(
        refused(&json!({"significant_terms": {"field": "a", "jlh": {}, "gnd": {}}}))
            .contains("names two measures")
    );
}

#[test]
fn samplers_take_no_more_than_asked_of_each_segment() {
    let sampler = json!({"sampler": {"shard_size": 3}, "aggs": {"c": {"value_count": {"field": "@timestamp"}}}});
    let diverse = json!({"diversified_sampler": {"field": "service", "shard_size": 50, "max_docs_per_value": 2}, "aggs": {"t": {"terms": {"field": "service"}}}});
    let nested = json!({"terms": {"field": "ok"}, "aggs": {"s": {"sampler": {"shard_size": 1}}}});
    let body = json!({"size": 0, "aggs": {"s": sampler, "d": diverse, "n": nested}});
    for (layout, got) in asked(small(), &body).into_iter().enumerate() {
        let got = got.unwrap();
        let segments =
            small().snapshots[layout].live.len() + small().snapshots[layout].splits.len() * 2;
        let taken = got["s"]["doc_count"].as_u64().unwrap() as usize;
        assert!((3..=3 * segments).contains(&taken), "{layout}: {taken} of {segments}");
        assert_eq!(got["s"]["c"]["value"], taken);
        for b in list(&got["d"]["t"]) {
            assert!(b["doc_count"].as_u64().unwrap() as usize <= 4 * segments, "{b}");
        }
        for b in list(&got["n"]) {
            assert!(
                (1..=segments).contains(&(b["s"]["doc_count"].as_u64().unwrap() as usize)),
                "{b}"
            );
        }
    }
}

#[test]
fn random_samples_are_the_same_in_every_layout_and_counts_stand_for_all() {
    let aggs = json!({"t": {"terms": {"field": "service"}}, "s": {"sum": {"field": "latency"}}, "c": {"value_count": {"field": "latency"}}, "a": {"avg": {"field": "latency"}}});
    let agg = json!({"random_sampler": {"probability": 0.5, "seed": 42}, "aggs": aggs});
    let got = of(large(), &json!({"size": 0, "aggs": {"r": agg}}))["r"].clone();
    assert_eq!((&got["seed"], &got["probability"]), (&json!(42), &json!(0.5)));
    let sampled = got["doc_count"].as_u64().unwrap() as f64;
    let docs = large().docs.len() as f64;
    assert!((sampled - docs / 2.0).abs() < docs * 0.05, "{sampled} of {docs}");
    for (key, count) in naive("service", &all(large())) {
        let bucket = list(&got["t"]).into_iter().find(|b| text(&b["key"]) == key).unwrap();
        let found = bucket["doc_count"].as_u64().unwrap();
        assert!(
            found % 2 == 0 && (found as f64 - count as f64).abs() < count as f64 * 0.1,
            "{key} {found} {count}"
        );
    }
    let whole = one(
        json!({"random_sampler": {"probability": 1}, "aggs": {"t": {"terms": {"field": "service"}}}}),
    );
    assert_eq!(whole["doc_count"], small().docs.len());
    assert!(
        refused(&json!({"random_sampler": {"probability": 0.7}}))
            .contains("must be between 0.0 and 0.5 or exactly 1.0")
    );
    assert!(refused(&json!({"filter": {"match_all": {}}, "aggs": {"r": {"random_sampler": {"probability": 0.1}}}})).contains("can only be used at the top level"));
}

#[test]
fn categories_count_every_text_with_words_once() {
    let got = one(
        json!({"categorize_text": {"field": "service", "size": 100}, "aggs": {"m": {"max": {"field": "latency"}}}}),
    );
    let found: BTreeMap<String, u64> =
        list(&got).iter().map(|b| (text(&b["key"]), b["doc_count"].as_u64().unwrap())).collect();
    // `DB` is hexadecimal, and so no word.
    let keys: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["api", "db-1", "web", "Web API"].into_iter().filter(|k| *k != "db-1").collect()
    );
    assert_eq!(found["api"], naive("service", &all(small()))["api"]);
    let first = &list(&got)[0];
    assert_eq!(first["regex"], format!(".*?{}.*?", text(&first["key"])));
    assert!(first["m"].is_object() && first["max_matching_length"].as_u64().unwrap() >= 3);
    let loose = of(
        large(),
        &json!({"size": 0, "aggs": {"a": {"categorize_text": {"field": "user", "similarity_threshold": 20, "categorization_filters": ["user-\\d+"]}}}}),
    );
    assert!(!list(&loose["a"]).is_empty());
    assert!(
        refused(&json!({"categorize_text": {"field": "a", "categorization_filters": ["("]}}))
            .contains("invalid regular expression [(]")
    );
}

#[test]
fn addresses_lie_in_ranges_and_networks() {
    // No record has an address: the missing one stands for all.
    let docs = small().docs.len();
    let ranges = json!([{"to": "10.0.0.5"}, {"from": "10.0.0.5", "key": "high"}, {"mask": "10.0.0.0/25"}, {"mask": "10.0.0.127/25", "key": "named"}]);
    let got =
        one(json!({"ip_range": {"field": "absent", "missing": "10.0.0.9", "ranges": ranges}}));
    assert_eq!(
        got["buckets"],
        json!([
            {"key": "*-10.0.0.5", "to": "10.0.0.5", "doc_count": 0},
            {"key": "10.0.0.0/25", "from": "10.0.0.0", "to": "10.0.0.128", "doc_count": docs},
            {"key": "named", "from": "10.0.0.0", "to": "10.0.0.128", "doc_count": docs},
            {"key": "high", "from": "10.0.0.5", "doc_count": docs},
        ])
    );
    let keyed =
        one(json!({"ip_range": {"field": "service", "keyed": true, "ranges": [{"mask": "::/0"}]}}));
    assert_eq!(keyed["buckets"]["::/0"]["doc_count"], 0);
    assert_eq!(
        one(json!({"ip_prefix": {"field": "service", "prefix_length": 8}})),
        json!({"buckets": []})
    );
    assert!(
        refused(&json!({"ip_range": {"field": "a", "ranges": [{"to": "10.0"}]}}))
            .contains("'10.0' is not an IP string literal.")
    );
    assert!(
        refused(&json!({"ip_prefix": {"field": "a", "prefix_length": 33}}))
            .contains("must be in range [0, 32]")
    );
}
