use super::*;

impl Server {
    /// Documents with ids of their own.
    fn add_as(&self, index: &str, documents: &[(&str, &str)]) {
        let n = self.batches.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut batch = BatchBuilder::new(Tenant::default(), None, Timestamp(0));
        for (id, document) in documents {
            batch.push(&IndexName::new(index), Some(id), document.as_bytes()).unwrap();
        }
        self.source.0.apply(Sequenced {
            seq: WalSeq(n + 1),
            first_record: RecordSeq(n * 100),
            batch: Arc::new(batch.finish()),
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_got_by_their_id() {
    let server = Server::new();
    server
        .add_as("a", &[("1", r#"{"x": {"y": 1, "z": 2}, "m": "one"}"#), ("2", r#"{"m": "two"}"#)]);
    server.add_as("b", &[("1", r#"{"m": "other"}"#)]);
    // The same again: the newest counts.
    server.add_as("a", &[("2", r#"{"m": "two again"}"#)]);
    assert_eq!(server.call(Method::PUT, "/a/_alias/one", "").await.status, StatusCode::OK);
    assert_eq!(server.call(Method::PUT, "/a,b/_alias/both", "").await.status, StatusCode::OK);
    let cases: &[(&str, u16, Json)] = &[
        (
            "/a/_doc/1?_source_includes=x.*&_source_excludes=x.z",
            200,
            json!({
                "_index": "a", "_id": "1", "_version": 1, "_seq_no": 0, "_primary_term": 1,
                "found": true, "_source": {"x": {"y": 1}},
            }),
        ),
        (
            "/a/_doc/2",
            200,
            json!({
                "_index": "a", "_id": "2", "_version": 1, "_seq_no": 200, "_primary_term": 1,
                "found": true, "_source": {"m": "two again"},
            }),
        ),
        (
            "/one/_doc/2?_source=false",
            200,
            json!({
                "_index": "a", "_id": "2", "_version": 1, "_seq_no": 200, "_primary_term": 1, "found": true,
            }),
        ),
        ("/a/_doc/3", 404, json!({"_index": "a", "_id": "3", "found": false})),
        ("/b/_source/1", 200, json!({"m": "other"})),
    ];
    for (path, status, want) in cases {
        let reply = server.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (*status, want.clone()), "{path}");
    }
    assert_eq!(server.call(Method::HEAD, "/a/_doc/1", "").await.status, StatusCode::OK);
    assert_eq!(server.call(Method::HEAD, "/a/_doc/9", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.call(Method::HEAD, "/a/_source/9", "").await.status, StatusCode::NOT_FOUND);
    let missing = server.get("/a/_source/9").await.json();
    assert_eq!(missing["error"]["reason"], "Document not found [a]/[9]");
    assert_eq!(server.get("/none/_doc/1").await.error(), (404, "no such index [none]".to_owned()));
    assert_eq!(server.get("/both/_doc/1").await.error().0, 400);
    // Generated ids are found as well.
    let hit = server.filled_hit().await;
    let path = format!("/c/_doc/{hit}");
    assert_eq!(server.get(&path).await.json()["found"], true);
}

impl Server {
    async fn filled_hit(&self) -> String {
        self.add("c", &[r#"{"m": "generated"}"#]);
        let found = self.get("/c/_search").await.json();
        found["hits"]["hits"][0]["_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_documents_are_got_at_once() {
    let server = Server::new();
    server.add_as("a", &[("1", r#"{"m": 1, "n": 2}"#), ("2", r#"{"m": 2}"#)]);
    server.add_as("b", &[("1", r#"{"m": 3}"#)]);
    let body = json!({"docs": [
        {"_index": "a", "_id": "1", "_source": ["n"]}, {"_index": "b", "_id": 1},
        {"_index": "none", "_id": "1"}, {"_index": "a", "_id": "9"},
        {"_index": "a", "_id": "2", "_source": false},
    ]});
    let docs = server.post("/_mget", body).await.json();
    let docs = docs["docs"].as_array().unwrap();
    assert_eq!(docs[0]["_source"], json!({"n": 2}));
    assert_eq!(docs[1]["_source"], json!({"m": 3}));
    assert_eq!(docs[2]["error"]["type"], "index_not_found_exception");
    assert_eq!(docs[3], json!({"_index": "a", "_id": "9", "found": false}));
    assert!(docs[4]["found"] == true && docs[4].get("_source").is_none());
    let docs = server.post("/a/_mget", json!({"ids": ["2", "1", "2"]})).await.json();
    let got: Vec<&Json> =
        docs["docs"].as_array().unwrap().iter().map(|d| &d["_source"]["m"]).collect();
    assert_eq!(got, [2, 1, 2]);
    for bad in [
        json!({"docs": []}),
        json!({"ids": ["1"]}),
        json!({"odd": []}),
        json!({"docs": [{"_index": "a"}]}),
    ] {
        assert_eq!(server.post("/_mget", bad.clone()).await.error().0, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_told_with_what_can_be_done_with_them() {
    let server = Server::filled();
    let template = json!({"index_patterns": ["t-*"], "template": {"mappings": {"properties": {
        "ip": {"type": "ip"}, "status": {"type": "long"}, "never": {"type": "date"},
        "name": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
    }}}});
    assert_eq!(
        server.call(Method::PUT, "/_index_template/t", template).await.status,
        StatusCode::OK
    );
    server.add(
        "t-1",
        &[r#"{"@timestamp":"2020-01-01T00:00:00Z","ip":"10.0.0.1","status":"7","name":"x"}"#],
    );
    let types = |caps: &Json, field: &str| -> Vec<String> {
        let map = caps["fields"][field].as_object();
        map.map(|m| m.keys().cloned().collect()).unwrap_or_default()
    };
    let all = server.get("/_field_caps?fields=*").await.json();
    for (field, want) in [
        ("ip", vec!["ip"]),
        ("status", vec!["keyword", "long"]),
        ("never", vec!["date"]),
        ("name.raw", vec!["keyword"]),
        ("log", vec!["object"]),
        ("log.level", vec!["keyword"]),
        ("user", vec!["keyword"]),
        ("@timestamp", vec!["date"]),
        ("_index", vec!["_index"]),
    ] {
        assert_eq!(types(&all, field), want, "{field}: {}", all["fields"][field]);
    }
    assert_eq!(all["fields"]["status"]["long"]["indices"], json!(["shop", "t-1"]));
    assert_eq!(all["fields"]["name"]["text"]["aggregatable"], false);
    assert_eq!(all["fields"]["log"]["object"]["searchable"], false);
    let cases: &[(&str, &[&str])] = &[
        (
            "/t-1/_field_caps?fields=*&filters=-metadata,-parent,-multifield",
            &["@timestamp", "ip", "name", "never", "status"],
        ),
        (
            "/t-1/_field_caps?fields=*&filters=-metadata&include_empty_fields=false",
            &["@timestamp", "ip", "name", "status"],
        ),
        ("/t-1/_field_caps?fields=*&filters=%2Bmetadata", &["_id", "_index", "_source"]),
        ("/_field_caps?fields=*&types=boolean,ip", &["ip", "ok"]),
        ("/_field_caps?fields=i*,ok", &["ip", "ok"]),
        ("/none*/_field_caps?fields=*", &[]),
    ];
    for (path, want) in cases {
        let caps = server.get(path).await.json();
        let mut got: Vec<&String> = caps["fields"].as_object().unwrap().keys().collect();
        got.sort();
        assert_eq!(got, *want, "{path}");
    }
    let caps = server.get("/t-1,shop/_field_caps?fields=ip&include_unmapped=true").await.json();
    assert_eq!(caps["fields"]["ip"]["unmapped"]["indices"], json!(["shop"]));
    assert_eq!(caps["fields"]["ip"]["ip"]["indices"], json!(["t-1"]));
    let body = json!({"index_filter": {"range": {"@timestamp": {"gte": "2026-01-01T00:00:00Z"}}}});
    let caps = server.post("/_field_caps?fields=ip,status", body).await.json();
    assert_eq!(caps["indices"], json!(["audit-1", "shop"]));
    assert!(caps["fields"].get("ip").is_none());
    assert_eq!(server.get("/_field_caps?fields=*&filters=odd").await.error().0, 400);
}
