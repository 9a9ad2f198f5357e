//! Is nothing lost and nothing doubled when a shipper is refused? The retries of Filebeat, Vector,
//! Fluent Bit and the others: the whole request again after a 429, halves of it after a 413.

use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use crate::support::{Answer, Server, wait_until};

const BEATS: &str = "/_bulk?filter_path=errors,items.*.error,items.*.status";

/// Events of a shipper, numbered.
fn events(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let mut body = String::new();
    for n in numbers {
        let event = json!({"@timestamp": 1_714_557_600_000_i64 + n as i64, "n": n, "message": "x".repeat(100)});
        body.push_str(&format!("{{\"create\":{{\"_index\":\"filebeat-8.17.0\"}}}}\n{event}\n"));
    }
    body.into_bytes()
}

fn send(server: &Server, path: &str, body: &[u8]) -> Answer {
    let headers = [("content-type", "application/json; charset=UTF-8")];
    server.send("POST", path, &headers, body)
}

/// Every number from 0 on is there once.
fn check_once(server: &Server, count: usize) {
    let body = json!({
        "size": 0, "track_total_hits": true,
        "aggs": {"n": {"cardinality": {"field": "n"}}},
    });
    let found = server.search(body);
    assert_eq!(found["hits"]["total"]["value"], count, "{found}");
    assert_eq!(found["aggregations"]["n"]["value"], count, "{found}");
}

#[test]
fn a_request_that_is_refused_with_429_is_sent_again_whole() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("LOGDRIVE_INGEST__IN_FLIGHT_BYTES_MAX", "60000")];
    let server = Server::start_with(dir.path(), &settings);
    // Another client takes up the room and does not go on.
    let address = server.url().trim_start_matches("http://");
    let mut slow = TcpStream::connect(address).unwrap();
    let head = format!("POST /_bulk HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100000\r\n\r\n");
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&[b' '; 50_000]).unwrap();
    wait_until("the room to be taken", 60, || {
        server.metric("logdrive_ingest_in_flight_bytes") >= 50_000.0
    });
    let body = events(0..100);
    for path in [BEATS, "/_bulk?timeout=60s", "/_bulk"] {
        let answer = send(&server, path, &body);
        assert_eq!(answer.status, 429, "{}", answer.body);
        assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"));
        assert!(answer.header("retry-after").is_some_and(|s| s.parse::<u32>().is_ok()));
        let error = answer.json();
        assert_eq!(error["status"], 429);
        assert_eq!(error["error"]["type"], "es_rejected_execution_exception", "{error}");
        assert!(error["error"]["root_cause"][0]["reason"].is_string(), "{error}");
    }
    // Nothing of what was refused is there.
    check_once(&server, 0);
    drop(slow);
    let mut taken = None;
    wait_until("the room to be free", 60, || {
        let answer = send(&server, BEATS, &body);
        let done = answer.status == 200;
        taken = done.then_some(answer);
        done
    });
    let items = vec!["{\"create\":{\"status\":201}}"; 100].join(",");
    assert_eq!(taken.unwrap().body, format!("{{\"errors\":false,\"items\":[{items}]}}"));
    check_once(&server, 100);
}

#[test]
fn a_request_that_is_too_large_is_sent_again_in_halves() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("LOGDRIVE_INGEST__REQUEST_BYTES_MAX", "10000")];
    let server = Server::start_with(dir.path(), &settings);
    // As Beats do: each part that is refused is cut in two.
    let mut todo = Vec::from([0..100, 100..200]);
    let mut refused = 0;
    while let Some(part) = todo.pop() {
        let answer = send(&server, BEATS, &events(part.clone()));
        match answer.status {
            200 => {
                assert!(answer.body.starts_with("{\"errors\":false,\"items\":["), "{}", answer.body)
            }
            413 => {
                refused += 1;
                assert_eq!(answer.json()["status"], 413, "{}", answer.body);
                let middle = part.start + part.len() / 2;
                todo.extend([part.start..middle, middle..part.end]);
            }
            other => panic!("{other} {}", answer.body),
        }
    }
    assert!(refused > 1, "{refused}");
    check_once(&server, 200);
}

#[test]
fn a_response_is_as_short_as_fluent_bit_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut body = String::new();
    for n in 0..2000 {
        body.push_str(&format!(
            "{{\"create\":{{\"_index\":\"fluent-bit\",\"_type\":\"_doc\"}}}}\n{{\"n\":{n}}}\n"
        ));
    }
    let answer = send(&server, "/_bulk", body.as_bytes());
    assert_eq!(answer.status, 200);
    // Its buffer holds 512 KB; what it looks for in a longer answer stands in the beginning.
    assert!(answer.body.len() < 512 << 10, "{} bytes", answer.body.len());
    let (head, _) = answer.body.split_at(60);
    assert!(head.contains("\"errors\":false,\"items\":["), "{head}");
    check_once(&server, 2000);
}
