//! What Grafana's log view and Kibana's Discover send, and everything that they read of the answer.

use super::*;

/// Grafana's request for logs, with its volume histogram.
fn grafana(after: Option<Json>) -> Json {
    let mut body = json!({
        "size": 500,
        "query": {"bool": {"filter": [
            {"range": {"@timestamp": {"gte": 1_795_179_600_000_i64, "lte": 1_795_186_800_000_i64, "format": "epoch_millis"}}},
            {"query_string": {"analyze_wildcard": true, "query": "connection"}},
        ]}},
        "sort": {"@timestamp": {"order": "desc", "unmapped_type": "boolean"}, "_doc": {"order": "desc"}},
        "docvalue_fields": ["@timestamp"],
        "fields": [{"field": "@timestamp", "format": "strict_date_optional_time_nanos"}],
        "script_fields": {},
        "highlight": {
            "fields": {"*": {}}, "pre_tags": ["@HIGHLIGHT@"], "post_tags": ["@/HIGHLIGHT@"],
            "fragment_size": 2_147_483_647,
        },
        "aggs": {"1": {"date_histogram": {
            "field": "@timestamp", "fixed_interval": "600000ms", "min_doc_count": 0,
            "extended_bounds": {"min": 1_795_179_600_000_i64, "max": 1_795_186_800_000_i64},
            "format": "epoch_millis", "time_zone": "utc",
        }, "aggs": {}}},
    });
    if let Some(after) = after {
        body["search_after"] = after;
    }
    body
}

async fn msearch(server: &Server, body: Json) -> Json {
    let header =
        json!({"ignore_unavailable": true, "index": "shop", "search_type": "query_then_fetch"});
    let reply = server
        .call(
            Method::POST,
            "/_msearch?max_concurrent_shard_requests=5&ignore_throttled=false",
            format!("{header}\n{body}\n"),
        )
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.json()["responses"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn grafana_s_logs() {
    let server = Server::filled();
    let response = msearch(&server, grafana(None)).await;
    assert_eq!(response["status"], 200, "{response}");
    assert_eq!(response["hits"]["total"], json!({"value": 2, "relation": "eq"}));
    assert_eq!(response["hits"]["max_score"], Json::Null);
    let hits = response["hits"]["hits"].as_array().unwrap();
    let (newest, oldest) = (&hits[0], &hits[1]);
    assert_eq!(newest["_index"], "shop");
    assert!(newest["_id"].is_string());
    assert_eq!(newest["_source"]["message"], "connection closed");
    assert_eq!(newest["fields"], json!({"@timestamp": ["2026-11-20T14:20:00.000Z"]}));
    assert_eq!(
        newest["highlight"],
        json!({"message": ["@HIGHLIGHT@connection@/HIGHLIGHT@ closed"]})
    );
    assert_eq!(
        oldest["highlight"],
        json!({"message": ["@HIGHLIGHT@Connection@/HIGHLIGHT@ refused by db-1"]})
    );
    assert_eq!(newest["sort"], json!([1_795_184_400_000_i64, 2]));
    assert_eq!(response["aggregations"]["1"]["buckets"].as_array().unwrap().len(), 13);
    let context = msearch(&server, grafana(Some(newest["sort"].clone()))).await;
    assert_eq!(context["hits"]["hits"], json!([oldest]));
}

/// Kibana's request for documents, as recorded.
fn kibana() -> Json {
    json!({
        "sort": [{"@timestamp": {"order": "desc", "unmapped_type": "boolean"}}],
        "fields": [
            {"field": "*", "include_unmapped": "true"},
            {"field": "@timestamp", "format": "strict_date_optional_time"},
        ],
        "size": 500,
        "version": true,
        "script_fields": {},
        "stored_fields": ["*"],
        "runtime_mappings": {},
        "_source": false,
        "query": {"bool": {
            "must": [],
            "filter": [
                {"multi_match": {"type": "best_fields", "query": "ann", "lenient": true}},
                {"range": {"@timestamp": {
                    "format": "strict_date_optional_time",
                    "gte": "2026-11-20T13:00:00.000Z", "lte": "2026-11-20T15:00:00.000Z",
                }}},
            ],
            "should": [],
            "must_not": [],
        }},
        "highlight": {
            "pre_tags": ["@kibana-highlighted-field@"],
            "post_tags": ["@/kibana-highlighted-field@"],
            "fields": {"*": {}},
            "fragment_size": 2_147_483_647,
        },
        "track_total_hits": "false",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn kibana_s_discover() {
    let server = Server::filled();
    let path = "/shop,audit-*/_async_search?batched_reduce_size=64&ccs_minimize_roundtrips=true\
                &wait_for_completion_timeout=200ms&keep_on_completion=false&keep_alive=60000ms\
                &ignore_unavailable=true&track_total_hits=false&preference=1700000000000\
                &enable_fields_emulation=true";
    let reply = server.post(path, kibana()).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let json = reply.json();
    assert!(json.get("id").is_none());
    assert_eq!((&json["is_partial"], &json["is_running"]), (&json!(false), &json!(false)));
    for key in ["start_time_in_millis", "expiration_time_in_millis", "completion_time_in_millis"] {
        assert!(json[key].is_i64(), "{key}");
    }
    let response = &json["response"];
    assert!(response["took"].is_u64() && response["_shards"]["total"].is_u64());
    assert_eq!(response["timed_out"], false);
    assert!(response["hits"].get("total").is_none());
    let hits = response["hits"]["hits"].as_array().unwrap();
    let ids: Vec<&Json> = hits.iter().map(|hit| &hit["fields"]["message"][0]).collect();
    assert_eq!(ids, ["logout of ann", "user 4711 logged in", "login of ann"]);
    let hit = &hits[2];
    assert_eq!((&hit["_version"], &hit["_score"]), (&json!(1), &Json::Null));
    assert!(hit.get("_source").is_none() && hit["_id"].is_string());
    assert_eq!(hit["sort"], json!([1_795_183_500_000_i64]));
    assert_eq!(
        hit["fields"],
        json!({
            "@timestamp": ["2026-11-20T14:05:00.000Z"], "message": ["login of ann"],
            "user": ["ann"], "status": ["ok"],
        })
    );
    assert_eq!(
        hit["highlight"],
        json!({
            "message": ["login of @kibana-highlighted-field@ann@/kibana-highlighted-field@"],
            "user": ["@kibana-highlighted-field@ann@/kibana-highlighted-field@"],
        })
    );
    assert_eq!(
        hits[1]["fields"]["user.id"],
        json!([4711]),
        "values are arrays under their whole paths"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_fields_decide_about_the_source() {
    let server = Server::filled();
    let cases = [
        (json!({}), true, true),
        (json!({"stored_fields": ["*"]}), false, true),
        (json!({"stored_fields": "_none_"}), false, false),
        (json!({"stored_fields": ["a", "_source"]}), true, true),
        (json!({"stored_fields": ["*"], "_source": true}), true, true),
        (json!({"stored_fields": [], "_source": false}), false, true),
    ];
    for (body, source, id) in cases {
        let hit =
            server.post("/shop/_search", body.clone()).await.json()["hits"]["hits"][0].clone();
        assert_eq!(
            (hit.get("_source").is_some(), hit.get("_id").is_some()),
            (source, id),
            "{body}"
        );
    }
    let both = json!({"stored_fields": "_none_", "_source": true});
    let error = server.post("/shop/_search", both).await.error();
    assert_eq!(error.1, "[stored_fields] cannot be disabled if [_source] is requested");
    let url = "/shop/_search?stored_fields=*&docvalue_fields=status&sort=@timestamp:asc&size=1";
    let hit = server.get(url).await.json()["hits"]["hits"][0].clone();
    assert_eq!((hit.get("_source"), &hit["fields"]), (None, &json!({"status": [500]})));
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_are_collapsed_with_hits_within() {
    let server = Server::filled();
    let body = json!({
        "collapse": {"field": "status", "inner_hits": [
            {"name": "oldest", "size": 1, "sort": [{"@timestamp": "asc"}], "_source": ["message"]},
            {"name": "all", "_source": false, "fields": ["log.level"]},
        ], "max_concurrent_group_searches": 4},
        "sort": [{"@timestamp": "desc"}],
    });
    let json = server.post("/shop,audit-1/_search", body).await.json();
    assert_eq!(json["hits"]["total"]["value"], 6);
    let hits = json["hits"]["hits"].as_array().unwrap();
    let groups: Vec<_> = hits.iter().map(|hit| hit["fields"]["status"].clone()).collect();
    assert_eq!(groups, [Json::Null, json!([200]), json!(["ok"]), json!([500])]);
    let inner = &hits[1]["inner_hits"];
    assert_eq!(inner["oldest"]["hits"]["total"], json!({"value": 2, "relation": "eq"}));
    let first = &inner["oldest"]["hits"]["hits"][0];
    assert_eq!(first["_source"], json!({"message": "user 4711 logged in"}));
    assert_eq!(inner["all"]["hits"]["hits"].as_array().unwrap().len(), 2);
    assert_eq!(hits[0]["inner_hits"]["all"]["hits"]["total"]["value"], 2);
    let cases = [
        (
            json!({"collapse": {"field": "message"}}),
            "unknown type for collapse field `message`, only keywords and numbers are accepted",
        ),
        (json!({"collapse": {"field": "x"}}), "no mapping found for `x` in order to collapse on"),
        (json!({"collapse": {}}), ""),
        (
            json!({"collapse": {"field": "status", "inner_hits": {}}}),
            "inner_hits must have a [name] set for the collapse field",
        ),
        (
            json!({"collapse": {"field": "status"}, "sort": ["took"], "search_after": [1]}),
            "Cannot use [collapse] in conjunction with [search_after] unless the search is sorted \
             on the same field. Multiple sort fields are not allowed.",
        ),
    ];
    for (body, reason) in cases {
        let reply = server.post("/shop/_search", body.clone()).await;
        match reason {
            "" => assert_eq!(reply.status, StatusCode::OK, "{body}"),
            reason => assert_eq!(reply.error(), (400, reason.to_owned()), "{body}"),
        }
    }
    let pages = json!({
        "collapse": {"field": "status"}, "sort": ["status"], "search_after": [200], "size": 1,
    });
    let json = server.post("/shop/_search", pages).await.json();
    assert_eq!(json["hits"]["hits"][0]["fields"]["status"], json!([500]));
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_profiled_and_end_early() {
    let server = Server::filled();
    let json = server
        .post("/_search", json!({"profile": true, "aggs": {"m": {"max": {"field": "status"}}}}))
        .await
        .json();
    let shards = json["profile"]["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2);
    for shard in shards {
        let query = &shard["searches"][0]["query"][0];
        assert!(query["time_in_nanos"].is_u64() && query["breakdown"]["next_doc"].is_u64());
        assert_eq!(query["description"], "*:*");
        assert!(shard["searches"][0]["collector"][0]["time_in_nanos"].is_u64());
        assert!(shard["searches"][0]["rewrite_time"].is_u64());
        assert!(shard["aggregations"][0]["breakdown"].is_object());
    }
    let early = server.post("/_search", json!({"terminate_after": 2, "size": 0})).await.json();
    assert_eq!(early["terminated_early"], true);
    assert_eq!(early["hits"]["total"], json!({"value": 2, "relation": "eq"}));
    let whole = server.get("/_search?terminate_after=100").await.json();
    assert_eq!(whole["terminated_early"], false);
    let count = server.get("/_count?terminate_after=4").await.json();
    assert_eq!((&count["count"], &count["terminated_early"]), (&json!(4), &json!(true)));
    let post = json!({
        "post_filter": {"term": {"status": 200}},
        "aggs": {"n": {"value_count": {"field": "status"}}},
    });
    let json = server.post("/shop/_search", post).await.json();
    assert_eq!(json["hits"]["total"]["value"], 2);
    assert_eq!(json["aggregations"]["n"]["value"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregations_tell_their_types_when_asked() {
    let server = Server::filled();
    let body = json!({"size": 0, "aggs": {
        "levels": {"terms": {"field": "log.level"}, "aggs": {"s": {"max": {"field": "status"}}}},
        "codes": {"terms": {"field": "status"}},
        "none": {"terms": {"field": "absent"}},
        "p": {"percentiles": {"field": "status"}},
        "f": {"filter": {"match_all": {}}, "aggs": {"c": {"cardinality": {"field": "status"}}}},
    }});
    let json = server.post("/shop/_search?typed_keys=true", body.clone()).await.json();
    let aggs = &json["aggregations"];
    let names: Vec<&String> = aggs.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["sterms#levels", "lterms#codes", "umterms#none", "tdigest_percentiles#p", "filter#f"]
    );
    assert_eq!(aggs["sterms#levels"]["buckets"][0]["max#s"]["value"], 200.0);
    assert_eq!(aggs["filter#f"]["cardinality#c"]["value"], 2);
    let lines = format!("{{\"index\":\"shop\"}}\n{body}\n");
    let json = server.call(Method::POST, "/_msearch?typed_keys=true", lines).await.json();
    assert!(json["responses"][0]["aggregations"].get("sterms#levels").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_validated() {
    let server = Server::filled();
    let good = json!({"query": {"match": {"message": "a"}}});
    let json = server.post("/shop/_validate/query?explain=true", good.clone()).await.json();
    assert_eq!(json["valid"], true);
    assert_eq!(json["explanations"][0]["index"], "shop");
    assert!(json["explanations"][0]["explanation"].is_string());
    assert_eq!(json["_shards"], json!({"total": 1, "successful": 1, "failed": 0}));
    let json = server.post("/_validate/query", good).await.json();
    assert!(json.get("explanations").is_none());
    for (path, body, error) in [
        ("/_validate/query", json!({"query": {"foo": {}}}), None),
        (
            "/_validate/query?explain=true",
            json!({"query": {"foo": {}}}),
            Some("parsing_exception: unknown query [foo]"),
        ),
        ("/_validate/query?q=a+AND+(b", json!({}), None),
    ] {
        let json = server.post(path, body).await.json();
        assert_eq!((&json["valid"], json["error"].as_str()), (&json!(false), error), "{path}");
    }
    assert_eq!(server.get("/_validate/query?q=status:500").await.json()["valid"], true);
    assert_eq!(server.get("/absent/_validate/query").await.status, StatusCode::NOT_FOUND);
}
