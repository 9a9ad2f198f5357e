//! Does an acknowledged document survive kill -9, exactly once?

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::{Dice, Server, logdrive, request, wait_until};

/// Every document by its number, and how often it is there.
fn numbers(server: &Server) -> HashMap<u64, u32> {
    let answer = server.get("/api/v1/search?q=*&index=crash*");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut out = HashMap::new();
    for line in answer.body.lines() {
        let hit: Value = serde_json::from_str(line).unwrap();
        let n = hit["_source"]["n"].as_u64().unwrap_or_else(|| panic!("{line}"));
        *out.entry(n).or_insert(0) += 1;
    }
    out
}

/// Sends batches until the server is gone; gives the numbers that were acknowledged, and moves
/// `next` beyond all that were sent.
fn load(url: &str, next: &mut u64, acknowledged: &Mutex<Vec<u64>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut body = String::new();
        let numbers: Vec<u64> = (*next..*next + 40).collect();
        for n in &numbers {
            body.push_str("{\"create\":{}}\n");
            body.push_str(&format!(
                "{{\"n\":{n},\"message\":\"document number {n} of the load\"}}\n"
            ));
        }
        *next += 40;
        let headers = [("content-type", "application/x-ndjson")];
        let url = format!("{url}/crash/_bulk");
        let answer = request("POST", &url, &headers, Some(body.as_bytes()));
        if answer.status == 0 {
            return;
        }
        if answer.status == 200 {
            let reply = answer.json();
            assert_eq!(reply["errors"], false, "{reply}");
            acknowledged.lock().unwrap().extend(&numbers);
        }
    }
}

fn check(server: &Server, acknowledged: &[u64]) {
    let found = numbers(server);
    for n in acknowledged {
        let times = found.get(n).copied().unwrap_or(0);
        assert_eq!(times, 1, "acknowledged document {n} is there {times} times");
    }
    let doubled = found.iter().find(|(_, times)| **times > 1);
    assert_eq!(doubled, None, "a document is there twice");
}

/// Loses the catalog, and makes it anew from the objects.
fn lose_the_catalog(dir: &Path) {
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        if dir.join(name).exists() {
            std::fs::remove_file(dir.join(name)).unwrap();
        }
    }
    let mut command = logdrive();
    let command = command.args(["catalog", "rebuild", "--data-dir"]).arg(dir);
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}

fn settings() -> [(&'static str, &'static str); 5] {
    // Small and fast, so that kills fall into rolls, publishing, merges and log rotation too.
    [
        ("LOGDRIVE_INDEX__ROLL_RAW_BYTES", "60000"),
        ("LOGDRIVE_INDEX__ROLL_AGE_MS", "200"),
        ("LOGDRIVE_INDEX__MERGE__FACTOR", "3"),
        ("LOGDRIVE_INDEX__MERGE__INTERVAL_MS", "20"),
        ("LOGDRIVE_INGEST__WAL__SEGMENT_BYTES", "100000"),
    ]
}

/// One run: load from two senders, then kill -9 after so many acknowledged batches.
fn run_and_kill(
    dir: &Path,
    next: &mut u64,
    acknowledged: &Arc<Mutex<Vec<u64>>>,
    kill_after: usize,
) {
    let server = Server::start_with(dir, &settings());
    check(&server, &acknowledged.lock().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let before = acknowledged.lock().unwrap().len();
    let senders: Vec<_> = (0..2)
        .map(|sender| {
            let (url, acknowledged, stop) =
                (server.url().to_owned(), acknowledged.clone(), stop.clone());
            let mut from = *next + sender * 1_000_000;
            std::thread::spawn(move || {
                load(&url, &mut from, &acknowledged, &stop);
                from
            })
        })
        .collect();
    wait_until("batches to be acknowledged", 60, || {
        acknowledged.lock().unwrap().len() >= before + kill_after * 40
    });
    server.kill();
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        *next = (*next).max(sender.join().unwrap());
    }
}

#[test]
fn every_acknowledged_document_is_there_exactly_once_after_fifty_kills() {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(0x5eed_cafe);
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut next = 0;
    for round in 0..50 {
        let kill_after = 1 + dice.roll(25) as usize;
        run_and_kill(dir.path(), &mut next, &acknowledged, kill_after);
        if round % 7 == 3 {
            lose_the_catalog(dir.path());
        }
        if round % 10 == 5 {
            // An orderly stop in between, so that both ways of ending meet.
            let server = Server::start_with(dir.path(), &settings());
            assert_eq!(server.stop(), Some(0), "SIGTERM ends with success");
        }
    }
    let server = Server::start_with(dir.path(), &settings());
    check(&server, &acknowledged.lock().unwrap());
    assert_eq!(server.stop(), Some(0));
    // All is published now: the log has nothing left to replay.
    let server = Server::start_with(dir.path(), &settings());
    assert!(server.log().contains("recovered   0 records"), "{}", server.log());
    check(&server, &acknowledged.lock().unwrap());
}
