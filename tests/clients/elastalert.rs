//! Does ElastAlert2 raise its alerts? Five kinds of rules over an hour of lines, run as its users
//! run it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{fill, outcome, port, python, tools};
use crate::support::{Server, wait_until};

/// The kinds of rules, which are also their names and files.
const RULES: [&str; 5] = ["frequency", "spike", "new_term", "cardinality", "metric_aggregation"];
const MINUTE_S: i64 = 60;
/// What tells the alert of each rule, in the match that it hands to its command.
const TELLS: [&str; 5] = [
    "\"service\": \"payment\"",
    "\"spike_count\": ",
    "\"user\": \"mallory\"",
    "\"service\": \"login\"",
    "\"metric_bytes_avg\": 50000.0",
];

/// The hour before `now`, with one thing for each rule to find in its last half.
fn lines(now: Timestamp) -> Vec<Value> {
    let start_s = (now.as_second() - 60 * MINUTE_S) / MINUTE_S * MINUTE_S;
    let mut out = Vec::new();
    let mut line = |minute: i64, second: i64, more: Value| {
        let at = Timestamp::from_second(start_s + minute * MINUTE_S + second).unwrap();
        let mut document = json!({
            "@timestamp": at.to_string(), "level": "info", "service": "other", "user": "anna", "host": "web-1",
            "bytes": 100, "message": "served",
        });
        for (key, value) in more.as_object().unwrap() {
            document[key] = value.clone();
        }
        out.push(document);
    };
    for minute in 0..60 {
        line(minute, 0, json!({}));
        // One payment fails a minute; in one minute eight do.
        let failures = if minute == 40 { 8 } else { 1 };
        for second in 0..failures {
            line(minute, second, json!({"service": "payment", "level": "error"}));
        }
        // The checkouts are five times as many from one minute on.
        for second in 0..if minute >= 40 { 10 } else { 2 } {
            line(minute, second, json!({"service": "checkout"}));
        }
        line(minute, 7, json!({"service": "login", "host": "web-1"}));
    }
    for host in 0..8 {
        line(45, host, json!({"service": "login", "host": format!("web-{host}")}));
    }
    line(50, 0, json!({"user": "mallory"}));
    for second in 0..30 {
        line(52, second, json!({"service": "export", "bytes": 50_000}));
    }
    out
}

fn send(server: &Server, now: Timestamp) {
    let mut body = String::new();
    for document in lines(now) {
        body.push_str(&format!("{{\"create\":{{\"_index\":\"app-1\"}}}}\n{document}\n"));
    }
    assert_eq!(server.post("/_bulk?refresh=true", body.as_bytes()).json()["errors"], false);
}

/// A running ElastAlert2; ended when dropped.
struct ElastAlert(Child);

impl Drop for ElastAlert {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it over the last half hour, with all rules.
fn start(server: &Server, dir: &Path, now: Timestamp) -> ElastAlert {
    let at = dir.display().to_string();
    let values = [("DIR", &*at), ("PORT", port(server.url()))];
    let config = dir.join("config.yaml");
    fill("elastalert/config.yaml", &config, &values);
    std::fs::create_dir_all(dir.join("rules")).unwrap();
    for rule in RULES {
        let file = format!("{rule}.yaml");
        fill(&format!("elastalert/{file}"), &dir.join("rules").join(&file), &values);
    }
    let mut create = python("7", "elastalert-create-index");
    create.arg("--config").arg(&config).current_dir(dir);
    outcome(&mut create).unwrap_or_else(|error| panic!("{error}"));
    let from = Timestamp::from_second(now.as_second() - 30 * MINUTE_S).unwrap();
    let said = File::create(dir.join("said")).unwrap();
    let mut alert = Command::new(tools().join("python-7/bin/elastalert"));
    alert.arg("--config").arg(&config).args(["--verbose", "--start", &from.to_string()]);
    alert.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    ElastAlert(alert.spawn().unwrap())
}

/// The rules of which ElastAlert2 has written down that it sent an alert.
fn alerted(server: &Server) -> BTreeSet<String> {
    let query = json!({"size": 100, "query": {"term": {"alert_sent": true}}});
    let path = "/elastalert_status*/_search?ignore_unavailable=true";
    let found = server.post(path, query.to_string().as_bytes()).json();
    let hits = found["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.iter().filter_map(|hit| hit["_source"]["rule_name"].as_str().map(str::to_owned)).collect()
}

#[test]
fn elastalert2_raises_alerts() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(data.path());
    let now = Timestamp::now();
    send(&server, now);
    let running = start(&server, dir.path(), now);
    let wanted: BTreeSet<String> = RULES.map(str::to_owned).into();
    wait_until("an alert of each rule", 120, || alerted(&server) == wanted);
    drop(running);
    let alerts = std::fs::read_to_string(dir.path().join("alerts")).unwrap();
    for (rule, told) in RULES.iter().zip(TELLS) {
        assert!(alerts.contains(told), "{rule}: {alerts}");
    }
    let said = std::fs::read_to_string(dir.path().join("said")).unwrap();
    assert!(!said.contains("ERROR"), "{said}");
}
