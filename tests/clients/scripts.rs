//! Do the client libraries work, and the programs that are made with them? In Python and
//! JavaScript: bulk helpers, searches, scans, loggers, dumps, index management.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Once;

use serde_json::{Value, json};

use super::{Case, check, client, misses, ours, outcome, port, python, tools, works};
use crate::support::Server;

const CASES_8_9: &[Case] = &[
    works("product"),
    works("bulk"),
    works("streaming_bulk"),
    works("parallel_bulk"),
    works("compressed_bulk"),
    works("bulk_errors"),
    works("search"),
    works("errors"),
    works("conflict"),
    works("scan"),
    works("pit"),
    works("documents_by_id"),
    works("metadata"),
    works("delete_index"),
    works("delete_by_query"),
    works("sniff"),
    works("cat"),
    works("async_search"),
    works("esql"),
    works("sql"),
    works("asynchronous"),
    works("asynchronous_scan"),
];

/// Runs the cases of a Python script against a server of their own.
fn run_python(generation: &str, script: &str, cases: &[Case]) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    check(&format!("{script} ({generation})"), cases, |case| {
        let mut command = python(generation, "python");
        command.arg(ours("python").join(script)).args([server.url(), case]);
        outcome(&mut command).map(drop)
    });
}

#[test]
fn elasticsearch_py_8() {
    run_python("8", "es.py", CASES_8_9);
}

#[test]
fn elasticsearch_py_9() {
    run_python("9", "es.py", CASES_8_9);
}

#[test]
fn elasticsearch_py_7() {
    let cases = [works("bulk"), works("search"), works("errors"), works("scan")];
    run_python("7", "es7.py", &cases);
}

#[test]
fn opensearch_py() {
    run_python("7", "opensearch.py", &[works("bulk"), works("scan")]);
}

#[test]
fn elasticsearch_dsl() {
    let cases =
        [works("search"), works("aggregations"), works("facets"), works("scan"), works("document")];
    run_python("8", "dsl.py", &cases);
}

/// Node with one of our scripts, which finds its modules beside itself.
fn node(script: &str) -> Command {
    static COPIED: Once = Once::new();
    let dir = tools().join("node");
    COPIED.call_once(|| {
        for file in std::fs::read_dir(ours("node")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "mjs") {
                std::fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
            }
        }
    });
    let mut command = client("node".as_ref());
    command.arg(dir.join(script));
    command
}

#[test]
fn elasticsearch_js() {
    let cases = [
        works("product"),
        works("bulk"),
        works("search"),
        works("msearch"),
        works("errors"),
        works("compressed"),
        works("scroll"),
        works("asyncSearch"),
    ];
    for major in ["8", "9"] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path());
        check(&format!("es.mjs ({major})"), &cases, |case| {
            outcome(node("es.mjs").args([server.url(), case, major])).map(drop)
        });
    }
}

#[test]
fn loggers_of_node() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let cases = [works("pino"), works("winston"), works("winstonTemplate")];
    check("loggers.mjs", &cases, |case| {
        outcome(node("loggers.mjs").args([server.url(), case])).map(drop)
    });
}

/// The sources of an index by `_id`.
fn sources(server: &Server, index: &str) -> BTreeMap<String, Value> {
    let found = server.get(&format!("/{index}/_search?size=1000&ignore_unavailable=true")).json();
    let hits = found["hits"]["hits"].as_array().cloned().unwrap_or_default();
    let id = |hit: &Value| hit["_id"].as_str().unwrap_or_default().to_owned();
    hits.iter().map(|hit| (id(hit), hit["_source"].clone())).collect()
}

#[test]
fn elasticdump() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut body = String::new();
    for n in 0..250 {
        let document =
            json!({"@timestamp": 1_714_557_600_000_i64 + n, "n": n, "message": "ß \"x\""});
        body.push_str(&format!(
            "{{\"create\":{{\"_index\":\"dumped\",\"_id\":\"{n}\"}}}}\n{document}\n"
        ));
    }
    assert_eq!(server.post("/_bulk", body.as_bytes()).json()["errors"], false);
    let file = dir.path().join("dump.ndjson");
    let dump = |from: &str, to: &str| {
        let mut command = client("node".as_ref());
        command.arg(tools().join("node/node_modules/elasticdump/bin/elasticdump"));
        command.args(["--input", from, "--output", to, "--type", "data", "--quiet"]);
        outcome(&mut command).map(drop)
    };
    check("elasticdump", &[works("data")], |_| {
        let file = file.display().to_string();
        dump(&format!("{}/dumped", server.url()), &file)?;
        dump(&file, &format!("{}/loaded", server.url()))?;
        let (dumped, loaded) = (sources(&server, "dumped"), sources(&server, "loaded"));
        match dumped.len() == 250 && dumped == loaded {
            true => Ok(()),
            false => Err(format!("{} documents became {}", dumped.len(), loaded.len())),
        }
    });
}

#[test]
fn curator() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let config = dir.path().join("config.yaml");
    super::fill("curator/config.yaml", &config, &[("PORT", port(server.url()))]);
    for day in ["2024.05.01", "2024.05.02", "2999.01.01"] {
        let document = json!({"message": "a line"}).to_string();
        let answer = server.post(&format!("/curated-{day}/_doc"), document.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = python("8", program);
        command.arg("--config").arg(&config).args(arguments);
        outcome(&mut command).map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    // It reads the date of making of every index, also of those that came with their documents.
    const CREATED: &str = "creation_date in the settings of an index that no client made";
    let cases = [misses("show", CREATED), misses("delete", CREATED)];
    check("curator", &cases, |case| match case {
        "show" => {
            let shown = run("curator_cli", &["show-indices"])?;
            let all = ["2024.05.01", "2024.05.02", "2999.01.01"];
            match all.iter().all(|day| shown.contains(day)) {
                true => Ok(()),
                false => Err(format!("not all are shown: {shown}")),
            }
        }
        _ => {
            run("curator", &[&ours("curator/delete.yaml").display().to_string()])?;
            let left = server.get("/_cat/indices/curated-*?h=index").body;
            match left.trim() == "curated-2999.01.01" {
                true => Ok(()),
                false => Err(format!("left: {left}")),
            }
        }
    });
}
