//! Does the same pipeline hold on local objects and on a real S3 server?

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use index::read::SplitMeta;
use index::read::cache::ReaderCache;
use model::id::{NodeId, SplitId, Tenant};
use model::time::{TimeRange, Timestamp};
use platform::object_store::counting::Counting;
use platform::object_store::s3::S3Store;
use platform::object_store::{Body, Kind, ObjectStore, Settings, conformance};
use serde_json::json;

use crate::support::{Dice, Server, request, wait_until};

/// A running `rclone serve s3`; killed when dropped.
struct S3 {
    child: Child,
    port: u16,
}

const KEY: &str = "logdrive-test-key";
const SECRET: &str = "logdrive-test-secret";

/// The program: installed by `cargo xtask test`, or anywhere in the path.
fn rclone() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/rclone");
    match std::env::var_os("LOGDRIVE_TEST_RCLONE") {
        Some(path) => path.into(),
        None if installed.exists() => installed,
        None => "rclone".into(),
    }
}

impl S3 {
    fn start(dir: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_on(dir, port, KEY)
    }

    fn start_on(dir: &Path, port: u16, key: &str) -> Self {
        std::fs::create_dir_all(dir.join("logs-bucket")).unwrap();
        let child = Command::new(rclone())
            .args(["serve", "s3", "--addr", &format!("127.0.0.1:{port}")])
            .args(["--auth-key", &format!("{key},{SECRET}"), "--config", "/dev/null"])
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rclone is not installed: run the tests with `cargo xtask test`");
        let s3 = Self { child, port };
        let url = format!("http://127.0.0.1:{port}/");
        wait_until("rclone to serve", 60, || request("GET", &url, &[], None).status != 0);
        s3
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LOGDRIVE_STORE__KIND", "s3".to_owned()),
            ("LOGDRIVE_STORE__BUCKET", "logs-bucket".to_owned()),
            ("LOGDRIVE_STORE__PREFIX", "prod".to_owned()),
            ("LOGDRIVE_STORE__REGION", "us-east-1".to_owned()),
            ("LOGDRIVE_STORE__ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("LOGDRIVE_STORE__PATH_STYLE", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(dir: &Path, store: &[(&'static str, String)]) -> Server {
    let mut settings = store.to_vec();
    settings.push(("LOGDRIVE_INDEX__MERGE__FACTOR", "4".to_owned()));
    start_as(dir, &settings)
}

/// The same with merges as the settings say.
fn start_as(dir: &Path, settings: &[(&'static str, String)]) -> Server {
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
    settings.push(("LOGDRIVE_INDEX__ROLL_AGE_MS", "300"));
    settings.push(("LOGDRIVE_INDEX__MERGE__INTERVAL_MS", "50"));
    Server::start_with(dir, &settings)
}

fn send(server: &Server, batch: u32) {
    let mut body = String::new();
    for n in 0..100 {
        let level = if n % 10 == 0 { "error" } else { "info" };
        body.push_str(&format!(
            "{{\"@timestamp\":\"2026-11-20T10:{batch:02}:{:02}Z\",\"message\":\"request {n} of batch {batch} done\",\"log\":{{\"level\":\"{level}\"}},\"took\":{n}}}\n",
            n % 60
        ));
    }
    let id = format!("batch-{batch}");
    let headers = [("content-type", "application/x-ndjson"), ("x-logdrive-batch-id", id.as_str())];
    // The second time is a retry: known, nothing is stored twice.
    for duplicate in [false, true] {
        let path = "/api/v1/ingest?index=stored&ack=stored";
        let answer = server.send("POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        let receipt = answer.json();
        assert_eq!(receipt["accepted"], 100, "{receipt}");
        assert_eq!(receipt["duplicate"], duplicate, "{receipt}");
    }
}

fn check(server: &Server, batches: u64) {
    assert_eq!(server.count(json!({ "match_all": {} })), batches * 100);
    assert_eq!(server.count(json!({ "term": { "log.level": "error" } })), batches * 10);
    let phrase = json!({ "match_phrase": { "message": "of batch 3 done" } });
    assert_eq!(server.count(phrase), 100);
    let found = server.search(json!({
        "size": 2,
        "query": { "range": { "took": { "gte": 98 } } },
        "aggs": {
            "m": { "date_histogram": { "field": "@timestamp", "fixed_interval": "1m" } },
            "l": { "terms": { "field": "log.level" }, "aggs": { "t": { "max": { "field": "took" } } } },
        },
    }));
    assert_eq!(found["hits"]["total"]["value"], batches * 2, "{found}");
    let minutes = found["aggregations"]["m"]["buckets"].as_array().unwrap();
    assert_eq!(minutes.len() as u64, batches, "{found}");
    assert_eq!(found["aggregations"]["l"]["buckets"][0]["t"]["value"], 99.0, "{found}");
}

/// Ingest, publish, merge, stop, start, forget every local copy, start again.
fn pipeline(store: &[(&'static str, String)]) {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), store);
    for batch in 0..6 {
        send(&server, batch);
    }
    check(&server, 6);
    assert!(server.metric("logdrive_published_records_total") >= 600.0);
    wait_until("a merge", 60, || server.metric("logdrive_merged_splits_total") >= 4.0);
    check(&server, 6);
    assert_eq!(server.stop(), Some(0));
    let cache = dir.path().join("cache");
    for entry in std::fs::read_dir(&cache).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let server = start(dir.path(), store);
    check(&server, 6);
    send(&server, 6);
    check(&server, 7);
    server.kill();
    let server = start(dir.path(), store);
    check(&server, 7);
}

#[test]
fn on_local_objects() {
    pipeline(&[]);
}

#[test]
fn on_a_real_s3_server() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::start(dir.path());
    pipeline(&s3.settings());
}

#[test]
fn a_bucket_that_is_gone_for_a_while_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let objects = dir.path().join("s3");
    let s3 = S3::start(&objects);
    let settings = s3.settings();
    let data = dir.path().join("data");
    let server = start(&data, &settings);
    send(&server, 3);
    drop(s3);
    let body =
        b"{\"create\":{\"_index\":\"stored\"}}\n{\"message\":\"while the bucket is away\"}\n";
    assert_eq!(server.post("/_bulk", body).status, 200);
    let away = json!({ "match": { "message": "away" } });
    assert_eq!(server.count(away.clone()), 1, "live records answer without the bucket");
    // The bucket never comes back for this process: the log keeps what is not published.
    server.kill();
    let s3 = S3::start(&objects);
    let server = start(&data, &s3.settings());
    assert_eq!(server.count(away), 1);
    wait_until("publication", 60, || server.metric("logdrive_live_records") == 0.0);
    assert_eq!(server.count(json!({ "match_all": {} })), 101);
}

#[test]
fn an_object_that_is_missing_is_named_and_the_rest_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, data) = (dir.path().join("s3"), dir.path().join("data"));
    let s3 = S3::start(&objects);
    let mut settings = s3.settings();
    settings.push(("LOGDRIVE_INDEX__MERGE__FACTOR", "0".to_owned()));
    let server = start_as(&data, &settings);
    for batch in 0..3 {
        send(&server, batch);
    }
    assert_eq!(server.stop(), Some(0));
    for entry in std::fs::read_dir(data.join("cache")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let port = s3.port;
    drop(s3);
    let splits = std::fs::read_dir(objects.join("logs-bucket/prod/splits")).unwrap();
    let mut splits: Vec<PathBuf> = splits.map(|entry| entry.unwrap().path()).collect();
    splits.sort();
    assert_eq!(splits.len(), 3);
    std::fs::remove_file(&splits[1]).unwrap();
    let gone = splits[1].file_stem().unwrap().to_str().unwrap();
    let _s3 = S3::start_on(&objects, port, KEY);
    let server = start_as(&data, &settings);
    let found = server.search(json!({ "track_total_hits": true }));
    assert_eq!(found["hits"]["total"], json!({ "value": 200, "relation": "gte" }), "{found}");
    assert_eq!(found["_shards"]["failed"], 1, "{found}");
    let failure = &found["_shards"]["failures"][0];
    assert_eq!(failure["index"], "stored", "{found}");
    let reason = failure["reason"]["reason"].as_str().unwrap();
    assert!(reason.contains(gone) && reason.contains("does not exist"), "{reason}");
}

#[test]
fn credentials_that_are_renewed_in_their_file_are_used() {
    let dir = tempfile::tempdir().unwrap();
    let (objects, data) = (dir.path().join("s3"), dir.path().join("data"));
    let file = dir.path().join("credentials");
    let write = |key: &str| {
        let text =
            format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {SECRET}\n");
        std::fs::write(&file, text).unwrap();
    };
    write(KEY);
    let s3 = S3::start(&objects);
    let mut settings = s3.settings();
    settings.retain(|(name, _)| !name.starts_with("AWS_"));
    settings.push(("AWS_SHARED_CREDENTIALS_FILE", file.display().to_string()));
    settings.push(("AWS_EC2_METADATA_DISABLED", "true".to_owned()));
    let server = start(&data, &settings);
    send(&server, 0);
    // The old key is no longer good.
    let port = s3.port;
    drop(s3);
    let _s3 = S3::start_on(&objects, port, "renewed-key");
    let body = b"{\"create\":{\"_index\":\"stored\"}}\n{\"message\":\"with another key\"}\n";
    assert_eq!(server.post("/_bulk", body).status, 200);
    wait_until("a refusal", 60, || server.log().contains("AWS_ACCESS_KEY_ID"));
    assert_eq!(server.metric("logdrive_live_records"), 1.0);
    write("renewed-key");
    wait_until("publication", 60, || server.metric("logdrive_live_records") == 0.0);
    assert_eq!(server.count(json!({ "match_all": {} })), 101);
}

/// Stands between a client and a server, and holds back all requests while told to.
struct Proxy {
    port: u16,
    held: Arc<(Mutex<bool>, Condvar)>,
}

impl Proxy {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let held: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let gate = held.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let (answers, back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let gate = gate.clone();
                std::thread::spawn(move || pass(client, server, Some(&gate)));
                std::thread::spawn(move || pass(answers, back, None));
            }
        });
        Self { port, held }
    }

    fn hold(&self, held: bool) {
        *self.held.0.lock().unwrap() = held;
        self.held.1.notify_all();
    }
}

/// Passes on what comes until one side closes.
fn pass(mut from: TcpStream, mut to: TcpStream, gate: Option<&(Mutex<bool>, Condvar)>) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if let Some((held, moved)) = gate {
            drop(moved.wait_while(held.lock().unwrap(), |held| *held).unwrap());
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_store_that_stalls_lets_ingest_go_on_up_to_the_limit_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::start(&dir.path().join("s3"));
    let proxy = Proxy::start(s3.port);
    let mut settings = s3.settings();
    settings.retain(|(name, _)| *name != "LOGDRIVE_STORE__ENDPOINT");
    settings.extend([
        ("LOGDRIVE_STORE__ENDPOINT", format!("http://127.0.0.1:{}", proxy.port)),
        ("LOGDRIVE_STORE__REQUEST_TIMEOUT_MS", "1000".to_owned()),
        ("LOGDRIVE_STORE__RETRIES_MAX", "1".to_owned()),
        ("LOGDRIVE_INDEX__ROLL_RAW_BYTES", "100000".to_owned()),
        ("LOGDRIVE_INGEST__WAL__SEGMENT_BYTES", "65536".to_owned()),
        ("LOGDRIVE_INGEST__WAL__BYTES_MAX", "400000".to_owned()),
    ]);
    let server = start(&dir.path().join("data"), &settings);
    send(&server, 0);
    proxy.hold(true);
    let mut dice = Dice(7);
    let mut bulk = || {
        let mut body = String::new();
        for _ in 0..100 {
            // What zstd makes little of.
            let words: String = (0..12).map(|_| format!("{:016x}", dice.roll(u64::MAX))).collect();
            body.push_str(&format!("{{\"create\":{{}}}}\n{{\"message\":\"{words}\"}}\n"));
        }
        body
    };
    let mut acked = 0;
    let refused = loop {
        let answer = server.post("/stalled/_bulk", bulk().as_bytes());
        if answer.status != 200 {
            break answer;
        }
        assert_eq!(answer.json()["errors"], false);
        acked += 100;
        assert!(acked < 100_000, "the log grows without bound");
    };
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("`bytes_max` = 400000"), "{}", refused.body);
    assert!(server.metric("logdrive_wal_bytes") >= 400_000.0);
    assert!(acked >= 1_000, "only {acked} were taken");
    let all = json!({ "match_all": {} });
    assert_eq!(server.count(all.clone()), acked + 100, "all is searchable meanwhile");
    proxy.hold(false);
    wait_until("publication", 120, || server.metric("logdrive_live_records") == 0.0);
    assert_eq!(server.count(all.clone()), acked + 100);
    let again = bulk();
    wait_until("room", 60, || server.post("/stalled/_bulk", again.as_bytes()).status == 200);
    assert_eq!(server.count(all), acked + 200);
    assert_eq!(server.stop(), Some(0));
}

fn s3_settings(s3: &S3, prefix: &str) -> Settings {
    Settings {
        kind: Kind::S3,
        dir: PathBuf::new(),
        bucket: "logs-bucket".to_owned(),
        prefix: prefix.to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: format!("http://127.0.0.1:{}", s3.port),
        path_style: true,
        connect_timeout_ms: 5_000,
        request_timeout_ms: 30_000,
        transfer_bytes_per_s_min: 100_000,
        retries_max: 0,
        retry_pause_first_ms: 1,
        retry_pause_max_ms: 1,
    }
}

/// The settings of the index that ship.
fn index_settings() -> index::Settings {
    config::load(None, &[]).unwrap().index
}

#[test]
fn ranges_of_a_split_come_from_a_real_s3_server_in_as_few_requests_as_promised() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::start(dir.path());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(S3Store::with_keys(&s3_settings(&s3, ""), KEY, SECRET));
    let counting = Arc::new(Counting::new(Arc::new(store)));
    let mut dice = Dice(3);
    let object: Vec<u8> = (0..6_000_000).map(|_| dice.roll(256) as u8).collect();
    let meta = SplitMeta {
        id: SplitId::new("01SPLIT"),
        tenant: Tenant::default(),
        time: TimeRange { from: Timestamp(0), to: Timestamp(1) },
        bucket: Timestamp(0),
        docs: 1,
        raw_bytes: 1,
        object_bytes: object.len() as u64,
        tail_bytes: 200_000,
        indexes: Vec::new(),
        created: Timestamp(0),
        merges: 0,
        origin: index::read::Origin::default(),
        deletions: Vec::new(),
    };
    let key = index::split::object_key(&meta.id);
    let body = Body::Bytes(object.clone().into());
    runtime.block_on(counting.put(&key, body)).unwrap();
    let cache_dir = dir.path().join("cache");
    std::fs::create_dir(&cache_dir).unwrap();
    let open = || {
        let (store, handle) = (counting.clone(), runtime.handle().clone());
        ReaderCache::new(store, handle, NodeId(1), &cache_dir, &index_settings()).unwrap()
    };
    let gets = || counting.counts().now().gets;
    let cache = open();
    let split = cache.object(&meta).unwrap();
    assert_eq!(gets(), 1, "the tail");
    assert!(*split.read(5_800_000..6_000_000).unwrap() == object[5_800_000..]);
    let ranges = [10..90, 1_000_000..1_100_000, 1_140_000..1_150_000, 4_000_000..4_000_001];
    split.prefetch(&ranges).unwrap();
    assert_eq!(gets(), 4, "three ranges in one wave: two of the four are near each other");
    for range in ranges {
        let wanted = &object[range.start as usize..range.end as usize];
        assert!(*split.read(range).unwrap() == *wanted);
    }
    assert_eq!(gets(), 4);
    assert!(*split.read(0..6_000_000).unwrap() == object);
    drop((split, cache));
    let before = gets();
    let cache = open();
    let split = cache.object(&meta).unwrap();
    assert!(*split.read(0..6_000_000).unwrap() == object);
    assert_eq!(gets(), before, "after a restart all of it is on disk");
}

#[test]
fn our_store_conforms_on_a_real_s3_server() {
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::start(dir.path());
    let settings = s3_settings(&s3, "below/here");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        conformance::check(&S3Store::with_keys(&settings, KEY, SECRET).await).await;
        let stranger = S3Store::with_keys(&settings, "stranger", SECRET).await;
        let refused = stranger.list("").await.unwrap_err();
        assert!(refused.to_string().contains("AWS_ACCESS_KEY_ID"), "{refused}");
    });
}

/// What a search for one trace id fetches, when nothing of the splits lies on this machine: their
/// ends, then what the filters leave, at most three requests a split.
#[test]
fn a_cold_needle_takes_three_requests_a_split() {
    const SPLITS: u32 = 3;
    let dir = tempfile::tempdir().unwrap();
    let s3 = S3::start(&dir.path().join("s3"));
    let data = dir.path().join("data");
    let mut settings = s3.settings();
    settings.push(("LOGDRIVE_INDEX__MERGE__FACTOR", "0".to_owned()));
    // A slow machine is no reason to ask twice here.
    settings.push(("LOGDRIVE_INDEX__REMOTE__HEDGE_PERCENT_MAX", "0".to_owned()));
    let server = start_as(&data, &settings);
    let mut dice = Dice(11);
    let mut needles = Vec::new();
    for split in 0..SPLITS {
        let mut needle = String::new();
        let mut body = String::new();
        for n in 0..20_000 {
            let trace = format!("{:016x}{:016x}", dice.roll(u64::MAX), dice.roll(u64::MAX));
            body.push_str(&format!(
                "{{\"@timestamp\":\"2026-11-20T10:{split:02}:{:02}.{n:06}Z\",\"message\":\"request {n} took {} ms\",\"trace\":{{\"id\":\"{trace}\"}},\"pod\":\"api-{}\",\"took\":{}}}\n",
                n % 60, dice.roll(5000), dice.roll(40), dice.roll(1_000_000)
            ));
            needle = trace;
        }
        let headers = [("content-type", "application/x-ndjson")];
        let path = "/api/v1/ingest?index=cold&ack=stored";
        let answer = server.send("POST", path, &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        needles.push(needle);
    }
    assert_eq!(server.metric("logdrive_splits"), f64::from(SPLITS));
    assert_eq!(server.stop(), Some(0));
    std::fs::remove_dir_all(data.join("cache")).unwrap();
    let server = start_as(&data, &settings);
    let gets = || server.metric("logdrive_object_store_requests_total{operation=\"get\"}");
    let waves = || server.metric("logdrive_read_waves_total");
    let find = |needle: &str| {
        let found = server.search(json!({ "query": { "term": { "trace.id": needle } } }));
        assert_eq!(found["hits"]["total"]["value"], 1, "{found}");
        assert_eq!(found["hits"]["hits"][0]["_source"]["trace"]["id"], json!(needle), "{found}");
    };
    let before = gets();
    find(&needles[2]);
    let taken = gets() - before;
    // The end of each, and of the one that has it what tells the row, and the row.
    assert!(taken >= 1.0 && taken <= f64::from(SPLITS + 2), "{taken} requests");
    // Now the ends of all splits are here. Of those that cannot have it nothing is asked, and the
    // one that has it is waited for twice: for what tells the row, and for the row.
    let before = waves();
    find(&needles[0]);
    let waited = waves() - before;
    assert!((1.0..=2.0).contains(&waited), "waited {waited} times");
    let before = gets();
    assert_eq!(server.count(json!({ "term": { "trace.id": needles[2] } })), 1);
    assert_eq!(gets(), before, "what was fetched is not fetched again");
}
