//! `_query` and `_sql` over HTTP: forms of answers, options, errors.

use super::*;

async fn ask(server: &Server, path: &str, body: Json) -> Json {
    let reply = server.post(path, body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    reply.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_elasticsearch_s_form() {
    let server = Server::filled();
    let query = "FROM shop | WHERE status == 200 | SORT @timestamp | KEEP @timestamp, status, took";
    let json = ask(&server, "/_query", json!({ "query": query })).await;
    assert!(json["took"].is_u64());
    assert_eq!(json["is_partial"], false);
    assert_eq!(json["documents_found"], 2);
    assert_eq!(
        json["columns"],
        json!([
            {"name": "@timestamp", "type": "date"}, {"name": "status", "type": "long"},
            {"name": "took", "type": "double"},
        ])
    );
    let rows =
        json!([["2026-11-20T14:10:00.000Z", 200, null], ["2026-11-20T14:20:00.000Z", 200, null],]);
    assert_eq!(json["values"], rows);
    let body = json!({ "query": query, "columnar": true });
    let json = ask(&server, "/_query?drop_null_columns=true", body).await;
    assert_eq!(json["all_columns"].as_array().unwrap().len(), 3);
    assert_eq!(json["columns"].as_array().unwrap().len(), 2);
    assert_eq!(json["values"][1], json!([200, 200]));
    let all = ask(&server, "/_query", json!({ "query": "FROM shop | LIMIT 0" })).await;
    let names: Vec<&str> =
        all["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let want =
        ["@timestamp", "log.level", "message", "ok", "status", "took", "user.id", "user.name"];
    assert_eq!(names, want);
    assert_eq!(all["columns"][2]["type"], "text");
    assert_eq!(all["values"], json!([]));
    // A field of several kinds is text.
    let mixed = ask(&server, "/_query", json!({ "query": "FROM * | STATS BY status" })).await;
    assert_eq!(mixed["columns"], json!([{"name": "status", "type": "keyword"}]));
    assert_eq!(mixed["values"], json!([["200"], ["500"], ["ok"], [null]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_as_text() {
    let server = Server::filled();
    let body = json!({"query": "ROW a = \"x,\\\"y\\\"\", b = null, c = [1, 2]"});
    let csv = server.post("/_query?format=csv", body.clone()).await;
    assert_eq!(csv.text, "a,b,c\r\n\"x,\"\"y\"\"\",,\"[1, 2]\"\r\n");
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8; header=present");
    let tsv = server.post("/_query?format=tsv", json!({"query": "ROW a = \"x\\ty\", b = 1"})).await;
    assert_eq!(tsv.text, "a\tb\nx\\ty\t1\n");
    let txt = server.post("/_query?format=txt", json!({"query": "ROW a = 1"})).await;
    assert_eq!(txt.text, "       a       \n---------------\n1              \n");
    let request = Request::builder()
        .method(Method::POST)
        .uri("/_query")
        .header("accept", "text/csv")
        .header("content-type", "application/json")
        .body(Body::from(json!({"query": "ROW a = 1"}).to_string()))
        .unwrap();
    assert_eq!(server.send(request).await.text, "a\r\n1\r\n");
    let yaml = server.post("/_query?format=yaml", json!({"query": "ROW a = 1"})).await;
    assert_eq!(yaml.status, StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_params_are_obeyed() {
    let server = Server::filled();
    let body = json!({
        "query": "FROM * | WHERE message : ?word | STATS c = COUNT(*)",
        "params": [{"word": "ann"}],
        "filter": {"range": {"@timestamp": {"gte": "2026-11-20T14:20:00Z"}}},
        "locale": "en",
    });
    assert_eq!(ask(&server, "/_query", body).await["values"], json!([[1]]));
    // A field that is outside of the filter's time is known all the same.
    let body = json!({
        "query": "FROM * | WHERE took IS NULL | STATS c = COUNT(*)",
        "filter": {"range": {"@timestamp": {"gte": "2030-01-01"}}},
    });
    assert_eq!(ask(&server, "/_query", body).await["values"], json!([[0]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_elasticsearch_s_form() {
    let server = Server::filled();
    let cases = [
        (
            json!({"query": "FROM shop | EVAL a = nope"}),
            "verification_exception",
            "Found 1 problem\nline 1:22: Unknown column [nope]",
        ),
        (
            json!({"query": "FROM absent"}),
            "verification_exception",
            "Found 1 problem\nline 1:1: Unknown index [absent]",
        ),
        (
            json!({"query": "FROM shop |"}),
            "parsing_exception",
            "line 1:12: mismatched input '<EOF>'",
        ),
        (
            json!({}),
            "action_request_validation_exception",
            "Validation Failed: 1: [query] is required;",
        ),
        (
            json!({"query": "ROW a = 1", "nope": 1}),
            "x_content_parse_exception",
            "[esql/query] unknown field [nope]",
        ),
        (
            json!({"query": "ROW a = 1", "profile": true}),
            "illegal_argument_exception",
            "[profile] is not supported",
        ),
    ];
    for (body, kind, reason) in cases {
        let reply = server.post("/_query", body.clone()).await;
        assert_eq!(reply.json()["error"]["type"], kind, "{body}");
        let (status, got) = reply.error();
        assert_eq!(status, 400);
        assert!(got.starts_with(reason), "{got}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_answered_page_by_page() {
    let server = Server::filled();
    let body =
        json!({"query": "SELECT message, \"@timestamp\" AS t FROM \"*\" LIMIT 5", "fetch_size": 2});
    let first = ask(&server, "/_sql", body).await;
    assert_eq!(
        first["columns"],
        json!([{"name": "message", "type": "text"}, {"name": "t", "type": "datetime"}])
    );
    assert_eq!(first["rows"][0], json!(["logout of ann", "2026-11-20T14:25:00.000Z"]));
    let mut rows = first["rows"].as_array().unwrap().len();
    let mut cursor = first["cursor"].clone();
    while cursor.is_string() {
        let next = ask(&server, "/_sql", json!({ "cursor": cursor })).await;
        assert!(next.get("columns").is_none());
        rows += next["rows"].as_array().unwrap().len();
        cursor = next["cursor"].clone();
    }
    assert_eq!(rows, 5);
    let closed = ask(&server, "/_sql/close", json!({ "cursor": first["cursor"] })).await;
    assert_eq!(closed, json!({"succeeded": true}));
    let bad = server.post("/_sql", json!({"cursor": "zz"})).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let tables = ask(&server, "/_sql", json!({"query": "SHOW TABLES"})).await;
    assert_eq!(
        tables["rows"],
        json!([["logdrive", "audit-1", "TABLE", "INDEX"], ["logdrive", "shop", "TABLE", "INDEX"]])
    );
    let described = ask(&server, "/_sql", json!({"query": "DESCRIBE shop"})).await;
    let rows = described["rows"].as_array().unwrap();
    assert!(rows.contains(&json!(["user", "STRUCT", "object"])), "{described}");
    assert!(rows.contains(&json!(["@timestamp", "TIMESTAMP", "datetime"])), "{described}");
    let csv = server
        .post(
            "/_sql?format=csv",
            json!({"query": "SELECT COUNT(*) AS c FROM shop WHERE status = 200"}),
        )
        .await;
    assert_eq!(csv.text, "c\r\n2\r\n");
    let error = server.post("/_sql", json!({"query": "SELECT nope FROM shop"})).await;
    assert_eq!(error.error().1, "Found 1 problem\nline 1:8: Unknown column [nope]");
    let error = server.post("/_sql", json!({"query": "SELEC 1"})).await;
    assert!(error.error().1.starts_with("line 1:1: mismatched input 'SELEC'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_answered_later() {
    let server = Server::filled();
    let query = "FROM shop | STATS c = COUNT(*)";
    let now = ask(&server, "/_query/async", json!({ "query": query })).await;
    assert_eq!((&now["is_running"], &now["values"]), (&json!(false), &json!([[3]])));
    assert!(now.get("id").is_none());
    let body = json!({ "query": query, "keep_on_completion": true, "keep_alive": "5m",
        "wait_for_completion_timeout": "30s" });
    let kept = ask(&server, "/_query/async", body).await;
    let path = format!("/_query/async/{}", kept["id"].as_str().unwrap());
    let again = server.get(&path).await.json();
    assert_eq!((&again["id"], &again["values"]), (&kept["id"], &json!([[3]])));
    let gone = server.call(Method::DELETE, &path, "").await;
    assert_eq!(gone.json(), json!({"acknowledged": true}));
    assert_eq!(server.get(&path).await.status, StatusCode::NOT_FOUND);
    let bad = server.post("/_query/async", json!({"query": "FROM shop | KEEP nope"})).await;
    assert_eq!(bad.json()["error"]["type"], "verification_exception");
}

/// The blocks of a document between fences, with their languages.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            out.push((language.to_owned(), body.join("\n")));
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_documents_hold() {
    let blocks = blocks(include_str!("../../../../docs/esql.md"));
    let server = Server::new();
    let mut asked = 0;
    for (at, (language, body)) in blocks.iter().enumerate() {
        let (path, rows) = match language.as_str() {
            "ndjson" => {
                server.add("shop", &body.lines().collect::<Vec<_>>());
                continue;
            }
            "esql" => ("/_query", "values"),
            "sql" => ("/_sql", "rows"),
            _ => continue,
        };
        let got = ask(&server, path, json!({ "query": body })).await;
        let want: Json = serde_json::from_str(&blocks[at + 1].1).unwrap();
        assert_eq!(got["columns"], want["columns"], "{body}");
        assert_eq!(got[rows], want[rows], "{body}");
        asked += 1;
    }
    assert!(asked >= 10, "{asked} examples were found");
}
