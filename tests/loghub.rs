//! Does the whole line hold, from files through the shipper to counts? The 16 loghub samples.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::support::{Server, corpus, shipper};

fn files(test: &str) -> Option<Vec<PathBuf>> {
    let dir = corpus(test)?.join("loghub");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .collect();
    files.sort();
    Some(files)
}

/// Ships all files once; gives what the shipper printed.
fn ship(server: &Server, state: &std::path::Path, files: &[PathBuf]) -> String {
    let mut command = shipper();
    command.arg("run").arg("--once").args(["--to", server.url(), "--index", "loghub", "--state"]);
    command.arg(state);
    for file in files {
        command.arg("--path").arg(file);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// How many lines hold the words one after the other, as `grep` would count them, word borders
/// allowed for.
fn grep_count(files: &[PathBuf], phrase: &[&str]) -> u64 {
    let tokens = |line: &str| -> Vec<String> {
        line.split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let mut count = 0;
    for file in files {
        let bytes = std::fs::read(file).unwrap();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if tokens(line).windows(phrase.len()).any(|w| w.iter().eq(phrase.iter())) {
                count += 1;
            }
        }
    }
    count
}

#[test]
fn all_lines_arrive_once_and_counts_equal_grep() {
    let Some(files) = files("loghub") else { return };
    assert_eq!(files.len(), 16);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let state = dir.path().join("state");
    let printed = ship(&server, &state, &files);
    assert!(printed.contains("32000") || printed.contains("32,000"), "{printed}");
    let phrases: [&[&str]; 7] = [
        &["failed", "password"],
        &["authentication", "failure"],
        &["receiving", "block"],
        &["connection", "broken"],
        &["parity", "error"],
        &["info"],
        &["session", "opened", "for", "user"],
    ];
    let check = |server: &Server| {
        assert_eq!(server.count(json!({ "match_all": {} })), 32_000);
        for phrase in phrases {
            let want = grep_count(&files, phrase);
            let query = json!({ "match_phrase": { "message": phrase.join(" ") } });
            assert_eq!(server.count(query), want, "{phrase:?}");
            assert!(phrase == ["info"] || want > 0, "{phrase:?} tests nothing");
        }
    };
    check(&server);
    let paths: BTreeSet<String> = files.iter().map(|f| f.display().to_string()).collect();
    let found = server.search(json!({
        "size": 0,
        "aggs": { "files": { "terms": { "field": "log.file.path", "size": 100 } } },
    }));
    let buckets = found["aggregations"]["files"]["buckets"].as_array().unwrap();
    let keys: BTreeSet<String> =
        buckets.iter().map(|b| b["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys, paths);
    assert!(buckets.iter().all(|b| b["doc_count"] == 2000), "{buckets:?}");

    // Nothing new: nothing is shipped again.
    ship(&server, &state, &files);
    check(&server);
    // Another shipper's state, but the server is another process after a stop: all published.
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(&dir.path().join("data"));
    check(&server);
}
