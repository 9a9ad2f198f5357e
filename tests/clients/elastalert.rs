//! Does ElastAlert2 raise its alerts? Five kinds of rules over an hour of lines, run as its users
//! run it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{check, fill, misses, ours, outcome, port, python};
use crate::support::Server;

/// The kinds of rules, which are also their names and files.
const RULES: [&str; 5] = ["frequency", "spike", "new_term", "cardinality", "metric_aggregation"];
const START_MS: i64 = 1_714_557_600_000;
const MINUTE_MS: i64 = 60_000;

/// An hour of lines, with one thing for each rule to find in its last half.
fn lines() -> Vec<Value> {
    let mut out = Vec::new();
    let mut line = |minute: i64, second: i64, more: Value| {
        let at = START_MS + minute * MINUTE_MS + second * 1000;
        let mut document = json!({
            "@timestamp": at, "level": "info", "service": "other", "user": "anna", "host": "web-1",
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

fn send(server: &Server) {
    let mut body = String::new();
    for document in lines() {
        body.push_str(&format!("{{\"create\":{{\"_index\":\"app-1\"}}}}\n{document}\n"));
    }
    assert_eq!(server.post("/_bulk?refresh=true", body.as_bytes()).json()["errors"], false);
}

/// The alerts that the rules raised, by name.
fn run(server: &Server, dir: &Path) -> Result<BTreeSet<String>, String> {
    let at = dir.display().to_string();
    let values = [("DIR", &*at), ("PORT", port(server.url()))];
    let config = dir.join("config.yaml");
    fill("elastalert/config.yaml", &config, &values);
    std::fs::create_dir_all(dir.join("rules")).unwrap();
    for rule in RULES {
        let file = format!("{rule}.yaml");
        assert!(ours("elastalert").join(&file).exists());
        fill(&format!("elastalert/{file}"), &dir.join("rules").join(&file), &values);
    }
    let mut create = python("7", "elastalert-create-index");
    create.args(["--config"]).arg(&config).current_dir(dir);
    outcome(&mut create)?;
    let mut alert = python("7", "elastalert");
    alert.arg("--config").arg(&config).args(["--verbose", "--start", "2024-05-01T10:30:00+00:00"]);
    alert.args(["--end", "2024-05-01T11:00:00+00:00"]).current_dir(dir);
    let said = outcome(&mut alert)?;
    let raised = std::fs::read_to_string(dir.join("alerts")).unwrap_or_default();
    let found = RULES.iter().filter(|rule| server_knows(server, rule));
    let found: BTreeSet<String> = found.map(|rule| (*rule).to_owned()).collect();
    if raised.is_empty() {
        return Err(format!("no alert\n{}", String::from_utf8_lossy(&said.stderr)));
    }
    Ok(found)
}

/// Whether ElastAlert2 has written down that it sent an alert of a rule.
fn server_knows(server: &Server, rule: &str) -> bool {
    let query = json!({"query": {"bool": {"filter": [
        {"term": {"rule_name": rule}}, {"term": {"alert_sent": true}},
    ]}}});
    let answer = server.post("/elastalert_status*/_count", query.to_string().as_bytes());
    answer.json()["count"].as_u64().is_some_and(|count| count > 0)
}

#[test]
fn elastalert2_raises_alerts() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(data.path());
    send(&server);
    check("elastalert2", &[misses("rules", "PUT of an index, scroll")], |_| {
        let raised = run(&server, dir.path())?;
        let wanted: BTreeSet<String> = RULES.map(str::to_owned).into();
        match raised == wanted {
            true => Ok(()),
            false => Err(format!("raised: {raised:?}")),
        }
    });
}
