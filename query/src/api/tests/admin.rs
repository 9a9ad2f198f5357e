use super::*;

/// Words of each line of a table.
fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

async fn server() -> Server {
    let server = Server::filled();
    for (method, path, body) in [
        ("PUT", "/shop/_alias/all", json!({"filter": {"match_all": {}}, "routing": "1"})),
        (
            "PUT",
            "/_index_template/tpl",
            json!({"index_patterns": ["x-*", "y"], "priority": 7, "version": 3}),
        ),
        ("PUT", "/_data_stream/logs-app-prod", Json::Null),
    ] {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = server.call(method.parse().unwrap(), path, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    }
    server
}

const BACKING: &str = ".ds-logs-app-prod-2026.11.20-000001";

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_printed_as_there() {
    let server = server().await;
    let cases: &[(&str, &[&[&str]])] = &[
        (
            "aliases?v",
            &[
                &["alias", "index", "filter", "routing.index", "routing.search", "is_write_index"],
                &["all", "shop", "*", "1", "1", "-"],
            ],
        ),
        ("aliases/no*", &[]),
        (
            "health?h=epoch,timestamp,cluster,status,node.total,shards,active_shards_percent",
            &[&["1795186800", "15:00:00", "logdrive", "green", "1", "3", "100.0%"]],
        ),
        ("count?h=count", &[&["6"]]),
        ("count/shop?h=count", &[&["3"]]),
        ("count/shop?h=count&q=connection", &[&["2"]]),
        ("master?h=ip,node", &[&["127.0.0.1", "logdrive"]]),
        (
            "nodes?h=ip,port,name,node.role,master,uptime&time=s",
            &[&["127.0.0.1", "9200", "logdrive", "dim", "*", "90"]],
        ),
        (
            "shards?h=index,shard,prirep,state,docs&s=docs:desc,index",
            &[
                &["audit-1", "0", "p", "STARTED", "3"],
                &["shop", "0", "p", "STARTED", "3"],
                &[BACKING, "0", "p", "STARTED", "0"],
            ],
        ),
        ("shards/.ds-*?h=index,docs", &[&[BACKING, "0"]]),
        ("allocation?h=shards,ip,node", &[&["3", "127.0.0.1", "logdrive"]]),
        (
            "templates/t*?v",
            &[
                &["name", "index_patterns", "order", "version", "composed_of"],
                &["tpl", "[x-*,", "y]", "7", "3", "[]"],
            ],
        ),
        (
            "thread_pool/search?h=node_name,name,active,queue,rejected",
            &[&["logdrive", "search", "0", "0", "0"]],
        ),
        ("recovery", &[]),
        ("pending_tasks?v", &[&["insertOrder", "timeInQueue", "priority", "source"]]),
        ("plugins", &[]),
        ("nodeattrs", &[]),
        ("segments", &[]),
        (
            "indices?h=i,doc*&s=i",
            &[&[BACKING, "0", "0"], &["audit-1", "3", "0"], &["shop", "3", "0"]],
        ),
        ("indices/*?expand_wildcards=all&h=index&s=index", &[&[BACKING], &["audit-1"], &["shop"]]),
        ("indices?health=red", &[]),
    ];
    for (path, want) in cases {
        let reply = server.get(&format!("/_cat/{path}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
        assert_eq!(words(&reply.text), *want, "{path}");
    }
    let list = server.get("/_cat").await.text;
    assert!(list.starts_with("=^.^=\n") && list.contains("/_cat/indices/{index}\n"), "{list}");
    let help = server.get("/_cat/health?help").await.text;
    assert!(help.contains("epoch") && help.contains("| t,time"), "{help}");
    let json = server.get("/_cat/nodes?format=json&h=name,m,cpu").await.json();
    assert_eq!((&json[0]["name"], &json[0]["m"]), (&json!("logdrive"), &json!("*")));
    assert!(json[0]["cpu"].is_string(), "{json}");
    for bad in ["nodes?time=x", "nodes?s=x", "nodes?format=xml", "nodes?odd=1", "count/none"] {
        assert!(server.get(&format!("/_cat/{bad}")).await.error().0 >= 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_tells_of_itself() {
    let server = server().await;
    type Case<'a> = (&'a str, u16, &'a [(&'a str, Json)]);
    let cases: &[Case<'_>] = &[
        (
            "/_cluster/health?wait_for_status=yellow&wait_for_nodes=%3E%3D1&timeout=30s",
            200,
            &[("/status", json!("green")), ("/timed_out", json!(false))],
        ),
        ("/_cluster/health?wait_for_nodes=%3E%3D2", 408, &[("/timed_out", json!(true))]),
        ("/_cluster/health?wait_for_nodes=ge(1)&wait_for_active_shards=all", 200, &[]),
        (
            "/_cluster/health?wait_for_active_shards=9&return_200_for_cluster_health_timeout",
            200,
            &[("/timed_out", json!(true))],
        ),
        ("/_cluster/health?wait_for_status=blue", 400, &[]),
        ("/_cluster/health/logs-app-prod", 200, &[("/active_shards", json!(1))]),
        ("/_cluster/health/all,nothing", 408, &[("/status", json!("red"))]),
        (
            "/_cluster/stats",
            200,
            &[
                ("/indices/docs/count", json!(6)),
                ("/indices/count", json!(3)),
                ("/nodes/count/total", json!(1)),
            ],
        ),
        (
            "/_cluster/state/metadata,version/shop",
            200,
            &[
                ("/metadata/indices/shop/aliases", json!(["all"])),
                ("/metadata/indices/shop/state", json!("open")),
                ("/routing_table", Json::Null),
            ],
        ),
        ("/_cluster/pending_tasks", 200, &[("/tasks", json!([]))]),
        (
            "/_stats",
            200,
            &[
                ("/_all/primaries/docs/count", json!(6)),
                ("/indices/shop/primaries/docs/count", json!(3)),
                ("/indices/shop/status", json!("open")),
            ],
        ),
        (
            "/shop/_stats/docs?level=cluster",
            200,
            &[
                (
                    "/_all/total",
                    json!({"docs": {"count": 3, "deleted": 0, "total_size_in_bytes": 0}}),
                ),
                ("/indices", Json::Null),
            ],
        ),
        ("/none/_stats", 404, &[]),
        (
            "/_resolve/index/*",
            200,
            &[
                ("/indices/0/name", json!("audit-1")),
                ("/indices/1", json!({"name": "shop", "aliases": ["all"], "attributes": ["open"]})),
                ("/aliases/0", json!({"name": "all", "indices": ["shop"]})),
                ("/data_streams/0/backing_indices", json!([BACKING])),
            ],
        ),
        ("/_resolve/index/none", 404, &[]),
        ("/_xpack", 200, &[("/license/status", json!("active"))]),
        ("/_xpack/usage", 200, &[("/data_streams/data_streams", json!(1))]),
        ("/_security/_authenticate", 200, &[("/authentication_type", json!("anonymous"))]),
        ("/_remote/info", 200, &[("", json!({}))]),
    ];
    for (path, status, places) in cases {
        let reply = server.get(path).await;
        assert_eq!(reply.status.as_u16(), *status, "{path}: {}", reply.text);
        for (place, want) in *places {
            let json = reply.json();
            assert_eq!(
                json.pointer(place).unwrap_or(&Json::Null),
                want,
                "{place} of {path}: {json}"
            );
        }
    }
    for path in ["/_nodes/http", "/_nodes/_all/http", "/_nodes", "/_nodes/_local/http"] {
        let json = server.get(path).await.json();
        let node = json["nodes"].as_object().unwrap().values().next().unwrap();
        assert_eq!(node["http"]["publish_address"], "127.0.0.1:9200", "{path}");
        assert_eq!(node["roles"][0], "data", "{path}");
        assert_eq!(node.get("os").is_some(), path == "/_nodes", "{path}");
    }
    assert_eq!(server.get("/_nodes/absent/http").await.json()["_nodes"]["total"], 0);
    let stats = server.get("/_nodes/stats").await.json();
    let node = stats["nodes"].as_object().unwrap().values().next().unwrap();
    assert_eq!(node["indices"]["docs"]["count"], 6);
    assert_eq!(node["jvm"]["uptime_in_millis"], 90_000);
    assert!(node["fs"]["total"]["total_in_bytes"].as_u64().unwrap() > 0);
    let only = server.get("/_nodes/_local/stats/fs").await.json();
    let node = only["nodes"].as_object().unwrap().values().next().unwrap();
    assert!(node.get("fs").is_some() && node.get("os").is_none());
    assert_eq!(server.get("/_nodes/stats/odd").await.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why() {
    let server = server().await;
    for path in
        ["/_flush", "/shop/_flush", "/_refresh", "/_forcemerge?max_num_segments=1", "/_cache/clear"]
    {
        let reply = server.post(path, json!({})).await;
        assert_eq!(reply.json()["_shards"]["failed"], 0, "{path}");
    }
    for path in ["/_reindex", "/shop/_update/1", "/shop/_update_by_query", "/shop/_clone/other"] {
        let (status, reason) = server.post(path, json!({})).await.error();
        assert_eq!(status, 400, "{path}");
        assert!(reason.contains("immutable"), "{path}: {reason}");
    }
    let body = json!({"analyzer": "standard", "text": "Ünit 42-a \u{1f600} café"});
    let tokens = server.post("/_analyze", body).await.json();
    let shown: Vec<(&str, u64, u64)> = tokens["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| {
            let number = |key: &str| t[key].as_u64().unwrap();
            (t["token"].as_str().unwrap(), number("start_offset"), number("end_offset"))
        })
        .collect();
    assert_eq!(shown, [("ünit", 0, 4), ("42", 5, 7), ("a", 8, 9), ("café", 13, 17)]);
    assert_eq!(tokens["tokens"][1]["type"], "<NUM>");
    let body = json!({"analyzer": "keyword", "text": ["a b", "c"]});
    let tokens = server.post("/shop/_analyze", body).await.json();
    assert_eq!(
        (&tokens["tokens"][0]["token"], &tokens["tokens"][1]["start_offset"]),
        (&json!("a b"), &json!(4))
    );
    for bad in [json!({"text": "a", "analyzer": "french"}), json!({"analyzer": "standard"})] {
        assert_eq!(server.post("/_analyze", bad).await.error().0, 400);
    }
}
