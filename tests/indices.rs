//! Are thousands of indexes as cheap as one? An index is a label: it costs no memory, no split.

use serde_json::{Value, json};

use crate::support::{Server, wait_until};

const INDEXES: usize = 2000;
const ROUNDS: usize = 20;
const LIVE_BYTES_MAX: usize = 16 << 20;

fn settings() -> Vec<(&'static str, String)> {
    vec![
        ("LOGDRIVE_INDEX__LIVE_MEMORY_BYTES_MAX", LIVE_BYTES_MAX.to_string()),
        ("LOGDRIVE_INDEX__ROLL_RAW_BYTES", (2 << 20).to_string()),
        ("LOGDRIVE_INDEX__ROLL_AGE_MS", "500".to_owned()),
    ]
}

/// One document for each index.
fn round(number: usize) -> String {
    let mut body = String::new();
    for index in 0..INDEXES {
        body.push_str(&format!("{{\"create\":{{\"_index\":\"team-{index:04}\"}}}}\n"));
        body.push_str(&format!(
            "{{\"n\":{number},\"team\":\"t{index}\",\"message\":\"line {number} of the service of team {index}, \
             with as many words as a line has\",\"status\":{}}}\n",
            200 + index % 7
        ));
    }
    body
}

#[test]
fn two_thousand_indexes_written_at_once_stay_within_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let server = Server::start_with(dir.path(), &settings);
    let first = json!({"n": 0, "message": "a line of an index that was written once"}).to_string();
    let only = format!("{{\"create\":{{\"_index\":\"only-once\"}}}}\n{first}\n");
    assert_eq!(server.post("/_bulk", only.as_bytes()).json()["errors"], false);
    wait_until("the first split", 60, || server.metric("logdrive_splits") >= 1.0);
    for number in 0..ROUNDS {
        let answer = server.post("/_bulk", round(number).as_bytes());
        assert_eq!(answer.json()["errors"], false, "{}", answer.body);
        let live = server.metric("logdrive_live_bytes");
        assert!(live <= LIVE_BYTES_MAX as f64, "{live} bytes of live records");
    }
    wait_until("all is published", 120, || server.metric("logdrive_live_records") == 0.0);
    // Neither a split nor memory for each index.
    let splits = server.metric("logdrive_splits");
    assert!(splits <= 2.0 * ROUNDS as f64, "{splits} splits");
    let peak = server.peak_memory_bytes();
    assert!(peak < (LIVE_BYTES_MAX as u64) + (200 << 20), "{peak} bytes resident at the most");
    for index in [0, 7, 999, INDEXES - 1] {
        let name = format!("team-{index:04}");
        let found = server.get(&format!("/{name}/_search?size=100&track_total_hits=true")).json();
        assert_eq!(found["hits"]["total"]["value"], ROUNDS, "{name}");
        let hits = found["hits"]["hits"].as_array().unwrap();
        assert!(hits.iter().all(|hit| hit["_index"] == name.as_str()), "{name}");
    }
    let by_index = server.search(json!({
        "size": 0, "track_total_hits": true,
        "aggs": {"i": {"terms": {"field": "_index", "size": INDEXES + 10}}},
    }));
    let buckets = by_index["aggregations"]["i"]["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), INDEXES + 1);
    let full = |b: &&Value| b["doc_count"] == ROUNDS;
    assert_eq!(buckets.iter().filter(full).count(), INDEXES);
    // A search looks at the splits that hold its indexes only.
    let shards = |path: &str| server.get(path).json()["_shards"]["total"].as_u64().unwrap();
    assert!(shards("/only-once/_search") < shards("/_all/_search"));
}
