//! Does what clients set up hold for writes, and after a restart?

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Answer, Server};

fn put(server: &Server, path: &str, body: Value) -> Answer {
    let headers = [("content-type", "application/json")];
    let answer = server.send("PUT", path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

/// Sends actions with one document each; gives the items.
fn bulk(server: &Server, path: &str, actions: &[Value]) -> Vec<Value> {
    let mut body = String::new();
    for action in actions {
        body.push_str(&format!("{action}\n"));
        body.push_str("{\"@timestamp\":\"2026-11-20T10:00:00Z\",\"message\":\"hello\"}\n");
    }
    let answer = server.post(path, body.as_bytes()).json();
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item.as_object().unwrap().values().next().unwrap().clone()).collect()
}

fn start(dir: &Path) -> Server {
    Server::start(dir)
}

#[test]
fn writes_go_where_names_lead_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let fields: serde_json::Map<String, Value> = (0..8_000)
        .map(|n| {
            (
                format!("some.long.name.of.a.field.of.a.module.{n}"),
                json!({"type": "keyword", "ignore_above": 1024}),
            )
        })
        .collect();
    let template = json!({
        "index_patterns": ["app-*"], "priority": 300, "data_stream": {},
        "template": {"settings": {"index.lifecycle.name": "short"}, "mappings": {"properties": fields}},
    });
    assert!(template.to_string().len() > 600_000);
    put(
        &server,
        "/_ilm/policy/short",
        json!({"policy": {"phases": {"delete": {"min_age": "90d", "actions": {"delete": {}}}}}}),
    );
    put(&server, "/_index_template/app", template);
    put(&server, "/rolled-000001", json!({"aliases": {"rolled": {"is_write_index": true}}}));
    put(&server, "/empty", json!({}));

    let create = |name: &str| json!({"create": {"_index": name}});
    let items = bulk(
        &server,
        "/_bulk",
        &[
            create("app-one"),
            json!({"index": {"_index": "app-one"}}),
            create("rolled"),
            json!({"index": {"_index": "rolled", "require_alias": true}}),
            json!({"index": {"_index": "plain", "require_alias": "true"}}),
            create("<dated-{now/y{yyyy}}>"),
            json!({"index": {"_index": "plain", "pipeline": "none-such"}}),
            json!({"index": {"_index": "plain", "pipeline": "_none"}}),
            json!({"create": {"_index": "app-two", "require_data_stream": true}}),
            json!({"create": {"_index": "plain", "require_data_stream": true}}),
        ],
    );
    let stati: Vec<u64> = items.iter().map(|i| i["status"].as_u64().unwrap()).collect();
    assert_eq!(stati, [201, 400, 201, 201, 404, 201, 400, 201, 201, 404], "{items:?}");
    let backing = items[0]["_index"].as_str().unwrap().to_owned();
    assert!(backing.starts_with(".ds-app-one-") && backing.ends_with("-000001"), "{backing}");
    assert_eq!(items[2]["_index"], "rolled-000001");
    assert!(items[5]["_index"].as_str().unwrap().starts_with("dated-20"));
    assert_eq!(items[1]["error"]["type"], "illegal_argument_exception");
    assert_eq!(items[6]["error"]["reason"], "pipeline with id [none-such] does not exist");
    let timeless = "{\"create\":{\"_index\":\"app-one\"}}\n{\"message\":\"no time\"}\n";
    let timeless = server.post("/_bulk", timeless.as_bytes()).json();
    let error = &timeless["items"][0]["create"]["error"];
    assert_eq!(error["type"], "document_parsing_exception", "{timeless}");
    assert!(error["reason"].as_str().unwrap().contains("[@timestamp] is missing"), "{timeless}");
    let one =
        server.post("/app-one/_doc", br#"{"@timestamp":"2026-11-20T10:00:00Z","message":"one"}"#);
    assert_eq!((one.status, one.json()["_index"].clone()), (201, json!(backing)));
    assert_eq!(server.post("/app-one/_rollover", b"").json()["rolled_over"], true);
    let again = bulk(&server, "/app-one/_bulk", &[json!({"create": {}})]);
    assert!(again[0]["_index"].as_str().unwrap().ends_with("-000002"), "{again:?}");

    let check = |server: &Server| {
        let count = |path: &str| {
            let answer = server.get(&format!("/{path}/_count"));
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            answer.json()["count"].as_u64().unwrap()
        };
        let counts = ["app-one", "app-*", "rolled", "empty", "plain", "_all"].map(count);
        assert_eq!(counts, [3, 4, 2, 0, 1, 8]);
        let template = server.get("/_index_template/app").json();
        let mappings = &template["index_templates"][0]["index_template"]["template"]["mappings"];
        assert_eq!(mappings["properties"].as_object().unwrap().len(), 8_000);
        let stream = server.get("/_data_stream/app-one").json();
        assert_eq!(stream["data_streams"][0]["generation"], 2);
        let caps = server.get("/app-one,plain/_field_caps?fields=*message,some.*.77").json();
        let fields = caps["fields"].as_object().unwrap();
        let names: Vec<&String> = fields.keys().collect();
        assert_eq!(names, ["message", "some.long.name.of.a.field.of.a.module.77"], "{caps}");
        assert_eq!(fields["message"]["text"]["searchable"], true);
        assert_eq!(caps["indices"].as_array().unwrap().len(), 3);
        let mapping = server.get("/plain/_mapping").json();
        let date = json!({"type": "date"});
        assert_eq!(mapping["plain"]["mappings"]["properties"]["@timestamp"], date, "{mapping}");
        let id = one.json()["_id"].as_str().unwrap().to_owned();
        let got = server.get(&format!("/{backing}/_doc/{id}")).json();
        assert_eq!(got["_source"]["message"], "one", "{got}");
    };
    check(&server);
    assert_eq!(server.stop(), Some(0));
    let server = start(dir.path());
    check(&server);
    // What was made durable a moment before a crash is there as well.
    put(&server, "/rolled-000001/_alias/late", json!({}));
    server.kill();
    let server = start(dir.path());
    check(&server);
    assert_eq!(server.get("/late/_count").json()["count"], 2);
}
