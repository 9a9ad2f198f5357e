//! Is every bad input a clear error, with nothing else lost and the server well?

use std::io::Write;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn well(server: &Server) {
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/_cluster/health").json()["status"], "green");
}

/// The reason of an error in Elasticsearch's form.
fn reason(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"));
    let body = answer.json();
    assert_eq!(body["status"], status, "{body}");
    assert!(body["error"]["type"].is_string(), "{body}");
    assert_eq!(body["error"]["root_cause"][0]["type"], body["error"]["type"], "{body}");
    body["error"]["reason"].as_str().unwrap().to_owned()
}

fn statuses(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.starts_with("{\"took\":"), "{}", answer.body);
    let items = answer.json()["items"].as_array().unwrap().clone();
    let status = |item: &Value| {
        let (_, result) = item.as_object().unwrap().iter().next().unwrap();
        result["status"].as_u64().unwrap()
    };
    items.iter().map(status).collect()
}

#[test]
fn the_other_documents_of_a_batch_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut body = Vec::new();
    let mut line = |bytes: &[u8]| {
        body.extend_from_slice(bytes);
        body.push(b'\n');
    };
    line(br#"{"create":{"_index":"good"}}"#);
    line(br#"{"message":"first"}"#);
    line(br#"{"create":{"_index":"good"}}"#);
    line(br#"{"message":"not closed"#);
    line(br#"{"index":{"_index":"good","_type":"_doc","_id":null,"attempts":0}}"#);
    line(br#"{"message":"second"}"#);
    line(br#"{"explode":{"_index":"good"}}"#);
    line(br#"{"message":"of an unknown action"}"#);
    line(br#"{"create":{"_index":"good"}}"#);
    line(b"{\"message\":\"bad \xff byte\"}");
    line(br#"{"create":{"_index":"BAD NAME"}}"#);
    line(br#"{"message":"bad index"}"#);
    line(br#"{"create":{"_index":"good"}}"#);
    line(br#"[1,2]"#);
    line(br#"{"create":{"_index":"good"}}"#);
    line(br#"{"message":"third"}"#);
    line(br#"{"create":{"_index":"good"}}"#);
    let answer = server.post("/_bulk?refresh=true", &body);
    assert_eq!(statuses(&answer), [201, 400, 201, 400, 400, 400, 400, 201, 400], "{}", answer.body);
    assert!(answer.json()["errors"] == true);
    assert_eq!(server.count(json!({ "match_all": {} })), 3);
    let huge = format!(
        "{{\"create\":{{\"_index\":\"good\"}}}}\n{{\"message\":\"{}\"}}\n{{\"create\":{{\"_index\":\"good\"}}}}\n{{\"message\":\"fourth\"}}\n",
        "x".repeat(50 << 20)
    );
    let answer = server.post("/_bulk", huge.as_bytes());
    let got = statuses(&answer);
    assert!((400..500).contains(&got[0]) && got[1] == 201, "{}", answer.body);
    assert_eq!(server.count(json!({ "match_all": {} })), 4);
    well(&server);
}

#[test]
fn what_cannot_be_a_request_is_refused_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.post("/logs/_bulk", b"{\"create\":{}}\n{\"message\":\"one line\",\"n\":1}\n");
    reason(&server.post("/_bulk", b""), 400);
    let html = [("content-type", "text/html")];
    assert!(reason(&server.send("POST", "/_bulk", &html, b"{}\n"), 406).contains("text/html"));

    // A gzip bomb: 4 GiB of nothing in some megabytes.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..4096 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
    reason(&server.send("POST", "/_bulk", &gzip, &bomb), 413);
    reason(&server.send("POST", "/_bulk", &gzip, b"no gzip at all"), 400);

    let search = |body: Value| server.post("/_search", body.to_string().as_bytes());
    let cases = [
        (json!({ "size": -1 }), "-1"),
        (json!({ "from": -5 }), "-5"),
        (json!({ "sort": [{ "no.such.field": "asc" }] }), "no.such.field"),
        (json!({ "query": { "explode": {} } }), "explode"),
        (json!({ "aggs": { "a": { "explode": {} } } }), "explode"),
        (json!({ "query": { "range": { "n": { "gtee": 1 } } } }), "gtee"),
        (json!({ "no_such_key": 1 }), "no_such_key"),
        (
            json!({ "size": 0, "aggs": { "h": { "date_histogram": {
                "field": "@timestamp", "fixed_interval": "1ms",
                "extended_bounds": { "min": 0, "max": 1_000_000_000_000i64 } } } } }),
            "bucket",
        ),
        (
            json!({ "size": 0, "aggs": { "h": { "histogram": {
                "field": "n", "interval": 1e-9,
                "extended_bounds": { "min": 0, "max": 1 }, "min_doc_count": 0 } } } }),
            "bucket",
        ),
        (json!({ "query": { "regexp": { "message": "(" } } }), "("),
        (json!({ "query": { "query_string": { "query": "a AND (b" } } }), "query"),
    ];
    for (body, named) in cases {
        let reason = reason(&search(body.clone()), 400);
        assert!(reason.to_lowercase().contains(named), "{body}: {reason}");
    }
    let deep = format!(
        "{{\"query\":{}{{\"match_all\":{{}}}}{}}}",
        "{\"bool\":{\"must\":[".repeat(10_000),
        "]}}".repeat(10_000)
    );
    reason(&server.post("/_search", deep.as_bytes()), 400);
    let parens = json!({ "query": { "query_string": { "query": format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000)) } } });
    reason(&search(parens), 400);
    reason(&server.post("/_search", b"{\"query\":"), 400);
    reason(&server.post("/_search", b"\xff\xfe"), 400);
    reason(&server.get("/_search?no_such_parameter=1"), 400);
    reason(&server.get("/absent/_search"), 404);
    reason(&server.get("/_no_such_endpoint"), 400);
    well(&server);
    assert_eq!(server.count(json!({ "match_all": {} })), 1);
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Server::start(dir.path());
    let Err(said) = Server::try_start(dir.path(), &[]) else { panic!("it started") };
    assert!(said.contains("in use by another server"), "{said}");
    assert!(said.contains("--data-dir"), "{said}");
}

#[test]
fn a_wrong_setting_names_file_line_key_and_the_nearest_known_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my.toml");
    std::fs::write(&file, "[server]\nlisten = \"127.0.0.1:0\"\n\n[index]\nroll_age_mss = 5\n")
        .unwrap();
    let output =
        crate::support::logdrive().args(["server", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in ["my.toml:5", "index.roll_age_mss", "index.roll_age_ms`"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let Err(said) = Server::try_start(dir.path(), &[("LOGDRIVE_INDEX__ROLL_AGE_MS", "soon")])
    else {
        panic!("it started")
    };
    assert!(said.contains("LOGDRIVE_INDEX__ROLL_AGE_MS"), "{said}");
}
