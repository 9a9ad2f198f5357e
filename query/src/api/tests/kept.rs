//! Scrolls, points in time and asynchronous searches: pages, lives, limits and errors.

use model::time::NS_PER_S;

use super::*;

/// Messages of a page.
fn messages(json: &Json) -> Vec<String> {
    let hits = json["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{json}"));
    hits.iter().map(|hit| hit["_source"]["message"].as_str().unwrap().to_owned()).collect()
}

/// Root cause and status of an error of a phase.
fn root(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    assert_eq!(json["status"], reply.status.as_u16(), "{json}");
    (reply.status.as_u16(), json["error"]["root_cause"][0]["type"].as_str().unwrap().to_owned())
}

async fn all_pages(server: &Server, path: &str, body: Json) -> Vec<String> {
    let first = server.post(path, body).await.json();
    let id = first["_scroll_id"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned();
    let mut got = messages(&first);
    loop {
        let next =
            server.post("/_search/scroll", json!({"scroll": "1m", "scroll_id": id})).await.json();
        assert_eq!(next["hits"]["total"], first["hits"]["total"]);
        assert_eq!(next["_scroll_id"], id.as_str());
        assert!(next.get("aggregations").is_none());
        let page = messages(&next);
        if page.is_empty() {
            break;
        }
        got.extend(page);
    }
    let cleared = server.call(Method::DELETE, "/_search/scroll", json!({"scroll_id": id})).await;
    assert_eq!(cleared.json(), json!({"succeeded": true, "num_freed": 1}));
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scroll_gives_every_record_once_and_none_that_came_later() {
    let server = Server::filled();
    let bodies = [
        json!({"size": 2, "sort": "_doc"}),
        json!({"size": 4, "sort": ["_doc"], "query": {"match_all": {}}}),
        json!({"size": 1}),
        json!({"size": 6}),
        json!({"size": 2, "sort": [{"@timestamp": {"order": "asc"}}]}),
        json!({"size": 2, "sort": ["status", "@timestamp"], "aggs": {"m": {"max": {"field": "status"}}}}),
    ];
    for body in bodies {
        let mut got = all_pages(&server, "/_all/_search?scroll=5m", body.clone()).await;
        got.sort();
        assert_eq!(got.len(), 6, "{body}");
        got.dedup();
        assert_eq!(got.len(), 6, "{body}");
    }
    let first = server.post("/shop/_search?scroll=1m&size=2", json!({})).await.json();
    server.add("shop", &[r#"{"@timestamp":"2026-11-20T13:00:00Z","message":"late"}"#]);
    assert_eq!(first["hits"]["total"]["value"], 3);
    let id = first["_scroll_id"].as_str().unwrap();
    // The forms of old clients.
    let next = server.get(&format!("/_search/scroll?scroll=1m&scroll_id={id}")).await.json();
    assert_eq!(messages(&next), ["Connection refused by db-1"]);
    let over = server.get(&format!("/_search/scroll/{id}")).await.json();
    assert_eq!(messages(&over), Vec::<String>::new());
    let cleared =
        server.call(Method::DELETE, "/_search/scroll", json!({"scroll_id": [id, id]})).await;
    assert_eq!(cleared.json()["num_freed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_of_a_scroll_are_the_whole() {
    let server = Server::filled();
    let mut got = Vec::new();
    for id in 0..3 {
        let body = json!({"size": 1, "slice": {"id": id, "max": 3}, "sort": "_doc"});
        got.extend(all_pages(&server, "/_all/_search?scroll=1m", body).await);
    }
    got.sort();
    got.dedup();
    assert_eq!(got.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn scrolls_end_and_are_bounded() {
    let server = Server::filled();
    let open = async || server.post("/_search?scroll=1m", json!({"size": 1})).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(open().await.json()["_scroll_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(root(&open().await), (429, "too_many_scroll_contexts_exception".to_owned()));
    server.clock.advance(50 * NS_PER_S);
    // Asked for, it lives longer than the others.
    let kept = json!({"scroll": "1m", "scroll_id": ids[0]});
    assert_eq!(server.post("/_search/scroll", kept.clone()).await.status, StatusCode::OK);
    server.clock.advance(50 * NS_PER_S);
    assert_eq!(server.post("/_search/scroll", kept).await.status, StatusCode::OK);
    let gone = server.post("/_search/scroll", json!({"scroll_id": ids[1]})).await;
    assert_eq!(root(&gone), (404, "search_context_missing_exception".to_owned()));
    let json = gone.json();
    assert_eq!(json["error"]["type"], "search_phase_execution_exception");
    assert!(json["error"]["failed_shards"][0]["reason"]["reason"].is_string());
    let all = server.call(Method::DELETE, "/_search/scroll/_all", "").await;
    assert_eq!(all.json(), json!({"succeeded": true, "num_freed": 1}));
    let none = server.call(Method::DELETE, &format!("/_search/scroll/{}", ids[0]), "").await;
    assert_eq!((none.status, none.json()["num_freed"].clone()), (StatusCode::NOT_FOUND, json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scroll_cannot_do_is_refused() {
    let server = Server::filled();
    let invalid = |what: &str| format!("Validation Failed: 1: {what};");
    let cases = [
        (
            "/_search?scroll=1m",
            json!({"from": 1}),
            invalid("using [from] is not allowed in a scroll context"),
        ),
        (
            "/_search?scroll=1m",
            json!({"size": 0}),
            invalid("[size] cannot be [0] in a scroll context"),
        ),
        (
            "/_search?scroll=1m",
            json!({"track_total_hits": false}),
            invalid("disabling [track_total_hits] is not allowed in a scroll context"),
        ),
        (
            "/_search",
            json!({"slice": {"id": 0, "max": 2}}),
            invalid("[slice] can only be used with [scroll] or [point-in-time] requests"),
        ),
        (
            "/_search?scroll=1m",
            json!({"slice": {"id": 2, "max": 2}}),
            "max must be greater than id".to_owned(),
        ),
        (
            "/_search?scroll=1m",
            json!({"collapse": {"field": "status"}}),
            "cannot use `collapse` in a scroll context".to_owned(),
        ),
        (
            "/_search?scroll=x",
            json!({}),
            "cannot read [scroll] [x]: expected a time such as `30s` or `500ms`".to_owned(),
        ),
        ("/_search/scroll", json!({"scroll_id": "abc"}), "Cannot parse scroll id".to_owned()),
        ("/_search/scroll", json!({}), invalid("scrollId is missing")),
        (
            "/_search/scroll",
            json!({"id": "x"}),
            "Unknown parameter [id] in request body or parameter is of the wrong type".to_owned(),
        ),
    ];
    for (path, body, reason) in cases {
        let reply = server.post(path, body.clone()).await;
        assert_eq!(reply.error(), (400, reason), "{path} {body}");
    }
    let long = server.post("/_search?scroll=48h", json!({})).await.error().1;
    assert!(long.contains("is too large. It must be less than"), "{long}");
    let window = server.post("/_search?scroll=1m", json!({"size": 501})).await;
    assert_eq!(window.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_in_time_sees_the_same_records() {
    let server = Server::filled();
    let opened = server.post("/shop/_pit?keep_alive=1m", json!({})).await.json();
    assert!(opened["_shards"]["total"].is_u64());
    let id = opened["id"].as_str().unwrap().to_owned();
    server.add("shop", &[r#"{"@timestamp":"2026-11-20T14:30:00Z","message":"late"}"#]);
    let mut body = json!({
        "size": 2, "sort": [{"@timestamp": "desc"}], "pit": {"id": id, "keep_alive": "2m"},
    });
    let first = server.post("/_search", body.clone()).await.json();
    assert_eq!(first["pit_id"], id.as_str());
    assert_eq!(messages(&first), ["connection closed", "user 4711 logged in"]);
    let sort = first["hits"]["hits"][1]["sort"].clone();
    assert_eq!(sort.as_array().unwrap().len(), 2, "the number of the record ends the order");
    body["search_after"] = sort;
    let second = server.post("/_search", body.clone()).await.json();
    assert_eq!(messages(&second), ["Connection refused by db-1"]);
    body["search_after"] = second["hits"]["hits"][0]["sort"].clone();
    body["slice"] = json!({"id": 0, "max": 2});
    assert_eq!(messages(&server.post("/_search", body.clone()).await.json()).len(), 0);
    let with_index = server.post("/shop/_search", json!({"pit": {"id": id}})).await.error();
    assert!(with_index.1.contains("[indices] cannot be used with point in time"), "{with_index:?}");
    let line = format!("{{}}\n{}\n", json!({"pit": {"id": id}, "size": 5}));
    let multi = server.call(Method::POST, "/_msearch", line).await.json();
    assert_eq!(messages(&multi["responses"][0]).len(), 3);
    let closed = server.call(Method::DELETE, "/_pit", json!({"id": id})).await;
    assert_eq!(closed.json(), json!({"succeeded": true, "num_freed": 1}));
    let again = server.call(Method::DELETE, "/_pit", json!({"id": id})).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let gone = server.post("/_search", json!({"pit": {"id": id}})).await;
    assert_eq!(root(&gone), (404, "search_context_missing_exception".to_owned()));
    let cases = [
        ("/shop/_pit", "[keep_alive] is not specified"),
        ("/_pit?keep_alive=1m", "[index] is not specified"),
    ];
    for (path, reason) in cases {
        let error = server.post(path, json!({})).await.error();
        assert_eq!(error, (400, format!("Validation Failed: 1: {reason};")));
    }
    assert_eq!(server.post("/absent/_pit?keep_alive=1m", json!({})).await.error().0, 404);
    let opened = server.post("/shop/_pit?keep_alive=1m", json!({})).await.json();
    server.clock.advance(61 * NS_PER_S);
    let gone = server.post("/_search", json!({"pit": {"id": opened["id"]}})).await;
    assert_eq!(root(&gone).0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asynchronous_search_is_kept_and_deleted() {
    let server = Server::filled();
    let path =
        "/shop/_async_search?keep_on_completion=true&wait_for_completion_timeout=10s&keep_alive=5m";
    let body = json!({"size": 1, "aggs": {"m": {"max": {"field": "status"}}}});
    let first = server.post(path, body).await.json();
    assert_eq!((&first["is_partial"], &first["is_running"]), (&json!(false), &json!(false)));
    assert_eq!(first["response"]["hits"]["total"]["value"], 3);
    let id = first["id"].as_str().unwrap().to_owned();
    let again = server
        .get(&format!("/_async_search/{id}?wait_for_completion_timeout=1s&keep_alive=10m"))
        .await
        .json();
    assert_eq!(again["response"], first["response"]);
    let span = again["expiration_time_in_millis"].as_i64().unwrap()
        - first["expiration_time_in_millis"].as_i64().unwrap();
    assert_eq!(span, 300_000);
    let status = server.get(&format!("/_async_search/status/{id}")).await.json();
    assert_eq!((&status["completion_status"], &status["is_running"]), (&json!(200), &json!(false)));
    assert_eq!(status["_shards"]["successful"], 1);
    assert!(status.get("response").is_none());
    let filtered =
        server.get(&format!("/_async_search/{id}?filter_path=response.hits.total")).await;
    let filtered = filtered.json();
    assert_eq!(filtered["response"]["hits"], json!({"total": {"value": 3, "relation": "eq"}}));
    let deleted = server.call(Method::DELETE, &format!("/_async_search/{id}"), "").await;
    assert_eq!(deleted.json(), json!({"acknowledged": true}));
    for method in [Method::GET, Method::DELETE] {
        let gone = server.call(method, &format!("/_async_search/{id}"), "").await;
        assert_eq!(
            (gone.status, root(&gone).1),
            (StatusCode::NOT_FOUND, "resource_not_found_exception".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asynchronous_searches_fail_end_and_are_bounded() {
    let server = Server::filled();
    let at_once = "/_async_search?keep_on_completion=true&wait_for_completion_timeout=10s";
    let failed =
        server.post("/absent/_async_search?wait_for_completion_timeout=10s", json!({})).await;
    assert_eq!(failed.status, StatusCode::NOT_FOUND);
    assert_eq!(failed.json()["error"]["type"], "index_not_found_exception");
    assert_eq!(failed.json()["is_running"], false);
    let parse = server.post("/_async_search", json!({"query": {"foo": {}}})).await.error();
    assert_eq!(parse, (400, "unknown query [foo]".to_owned()));
    let short = server.post("/_async_search?keep_alive=1s", json!({})).await.error();
    assert!(short.1.contains("must be greater or equals than 1 minute"), "{short:?}");
    // Nobody waits: the answer may be there or not, and is soon.
    let submitted = server
        .post("/_async_search?wait_for_completion_timeout=0&keep_on_completion=true", json!({}))
        .await
        .json();
    let id = submitted["id"].as_str().unwrap_or_else(|| panic!("{submitted}")).to_owned();
    assert!(submitted["response"]["hits"]["hits"].is_array());
    let done = server.get(&format!("/_async_search/{id}?wait_for_completion_timeout=30s")).await;
    assert_eq!(done.json()["response"]["hits"]["total"]["value"], 6);
    for _ in 0..2 {
        assert_eq!(server.post(at_once, json!({})).await.status, StatusCode::OK);
    }
    let over = server.post(at_once, json!({})).await;
    assert_eq!(over.error().0, 429);
    server.clock.advance(6 * 86_400 * NS_PER_S);
    assert_eq!(server.post(at_once, json!({})).await.status, StatusCode::OK);
    assert_eq!(server.get(&format!("/_async_search/{id}")).await.status, StatusCode::NOT_FOUND);
}
