//! The routes over real HTTP: what clients send, and what they get back.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tests::{Bench, Running, batch, source};
use model::id::WalSeq;
use model::wire::{Ack, Receipt};

struct Server {
    _dir: tempfile::TempDir,
    running: Running,
    address: std::net::SocketAddr,
}

async fn serve(change: impl FnOnce(&mut Bench)) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path());
    change(&mut bench);
    let running = bench.start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = running.ingest.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { _dir: dir, running, address }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Checks the error form and gives "type: reason".
    fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json["status"], self.status, "{self:?}");
        assert_eq!(json["error"]["root_cause"][0]["type"], json["error"]["type"]);
        assert_eq!(json["error"]["root_cause"][0]["reason"], json["error"]["reason"]);
        let text = |key: &str| json["error"][key].as_str().unwrap().to_owned();
        format!("{}: {}", text("type"), text("reason"))
    }
}

impl Server {
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn send(&self, line: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        self.raw(&[request.as_bytes(), body].concat()).await
    }

    async fn bulk(&self, body: &str) -> Answer {
        self.send("POST /_bulk", &["Content-Type: application/x-ndjson"], body.as_bytes()).await
    }

    fn kept(&self) -> Vec<String> {
        self.running.sink.sources()
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(plain).unwrap();
    to.finish().unwrap()
}

const ONE: &str = "{\"create\":{\"_index\":\"i\"}}\n{\"message\":\"a\"}\n";

#[tokio::test]
async fn a_bulk_answer_has_elasticsearchs_bytes() {
    let server = serve(|_| {}).await;
    let answer = server.bulk(&format!("{ONE}{{\"index\":{{\"_id\":\"k\\\"\"}}}}\n{{}}\n")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let want = r#"{"took":0,"errors":false,"items":[{"create":{"_index":"i","_id":"00000abc0000000000000000","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":0,"_primary_term":1,"status":201}},{"index":{"_index":"logs","_id":"k\"","_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}]}"#;
    assert_eq!(answer.body, want);
    assert_eq!(server.kept(), [source("a"), "{}".to_owned()]);
    let put = server.send("PUT /_bulk?refresh=wait_for&timeout=1m", &[], ONE.as_bytes()).await;
    assert_eq!(put.json()["items"][0]["create"]["_seq_no"], 2);
    let into = server.send("POST /other/_bulk", &[], b"{\"index\":{}}\n{}").await;
    assert_eq!(into.json()["items"][0]["index"]["_index"], "other");
}

#[tokio::test]
async fn bad_documents_are_named_and_the_others_kept() {
    let server = serve(|_| {}).await;
    let long = format!("{{\"m\":\"{}\"}}", "x".repeat(100_000));
    let body = [
        ONE,
        "{\"create\":{\"_index\":\"i\"}}\n{\"m\":\n",
        &format!("{{\"create\":{{}}}}\n{long}\n"),
        "nonsense\n{\"m\":1}\n",
        "{\"delete\":{\"_id\":\"1\"}}\n",
        "{\"index\":{\"_index\":\"B\"}}\n{}\n",
        ONE,
        "{\"create\":{}}",
    ]
    .concat();
    let answer = server.bulk(&body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("\"errors\":true,\"items\":["), "{}", answer.body);
    let json = answer.json();
    let items = json["items"].as_array().unwrap();
    let seen: Vec<_> = items
        .iter()
        .map(|item| {
            let (op, item) = item.as_object().unwrap().iter().next().unwrap();
            format!("{op} {} {}", item["status"], item["error"]["type"].as_str().unwrap_or("-"))
        })
        .collect();
    let want = [
        "create 201 -",
        "create 400 document_parsing_exception",
        "create 400 document_parsing_exception",
        "index 400 illegal_argument_exception",
        "delete 400 illegal_argument_exception",
        "index 400 invalid_index_name_exception",
        "create 201 -",
        "create 400 illegal_argument_exception",
    ];
    assert_eq!(seen, want);
    assert!(answer.body.contains(r#"{"create":{"_index":"i","_id":null,"status":400,"error":{"type":"document_parsing_exception","reason":"[1:5] failed to parse: EOF while parsing a value"}}}"#));
    assert_eq!(server.kept(), [source("a"), source("a")]);
    // Nothing good: no place in the log, the errors all the same.
    let answer = server.bulk("{\"create\":{}}\n[]\n").await;
    assert_eq!((answer.status, answer.json()["errors"].clone()), (200, true.into()));
    assert_eq!(server.running.sink.all().len(), 1);
}

#[tokio::test]
async fn filter_path_keeps_an_item_for_every_action() {
    let server = serve(|_| {}).await;
    let body = format!("{ONE}{{\"create\":{{}}}}\n[]\n");
    let reason = "[1:1] failed to parse: document must be a JSON object, got an array";
    let failed = format!(
        r#"{{"create":{{"status":400,"error":{{"type":"document_parsing_exception","reason":"{reason}"}}}}}}"#
    );
    let cases = [
        (
            "errors,items.*.error,items.*.status",
            format!(r#"{{"errors":true,"items":[{{"create":{{"status":201}}}},{failed}]}}"#),
        ),
        (
            "items.*._index,items.*.error.type",
            r#"{"items":[{"create":{"_index":"i"}},{"create":{"_index":"logs","error":{"type":"document_parsing_exception"}}}]}"#.into(),
        ),
        ("errors,items.*.nothing", r#"{"errors":true,"items":[{"create":{}},{"create":{}}]}"#.into()),
        ("errors", r#"{"errors":true}"#.into()),
    ];
    for (filter, want) in cases {
        let line = format!("POST /_bulk?filter_path={filter}");
        assert_eq!(server.send(&line, &[], body.as_bytes()).await.body, want, "{filter}");
    }
}

#[tokio::test]
async fn single_documents_are_created() {
    let server = serve(|_| {}).await;
    let cases = [
        ("POST /i/_doc", "00000abc0000000000000000"),
        ("PUT /i/_doc/a%20b", "a b"),
        ("POST /i/_doc/c?refresh", "c"),
        ("PUT /i/_create/d?op_type=create", "d"),
        ("POST /i/_create/e?refresh=true", "e"),
    ];
    for (n, (line, id)) in cases.into_iter().enumerate() {
        let answer = server.send(line, &["Content-Type: application/json"], b"{\"m\":\n1}").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let want = format!(
            r#"{{"_index":"i","_id":"{id}","_version":1,"result":"created","_shards":{{"total":1,"successful":1,"failed":0}},"_seq_no":{n},"_primary_term":1}}"#
        );
        assert_eq!(answer.body, want);
    }
    assert_eq!(server.kept(), vec!["{\"m\":\n1}"; 5]);
    let long = format!("{{\"m\":\"{}\"}}", "x".repeat(100_000));
    let cases: [(&str, &[u8], u16, &str); 6] = [
        ("POST /i/_doc", b"", 400, "parse_exception: request body is required"),
        (
            "POST /i/_doc",
            b"[]",
            400,
            "document_parsing_exception: [1:1] failed to parse: document must be a JSON object, got an array",
        ),
        (
            "POST /i/_doc",
            b"{\"a\":\"\xff\"}",
            400,
            "document_parsing_exception: [1:7] failed to parse: invalid UTF-8 at byte 6 of the document",
        ),
        (
            "POST /i/_doc",
            long.as_bytes(),
            413,
            "content_too_long_exception: failed to parse: the document has 100008 bytes, the limit is `document_bytes_max` = 100000",
        ),
        (
            "POST /I/_doc",
            b"{}",
            400,
            "invalid_index_name_exception: Invalid index name [I], must be lowercase",
        ),
        (
            "PUT /i/_doc/a%00",
            b"{}",
            400,
            "illegal_argument_exception: id [a\\0] must not contain control characters",
        ),
    ];
    for (line, body, status, want) in cases {
        let answer = server.send(line, &[], body).await;
        assert_eq!((answer.status, &*answer.error()), (status, want));
    }
    assert_eq!(server.send("PUT /i/_doc/%ff", &[], b"{}").await.status, 400);
}

#[tokio::test]
async fn media_types_are_checked_and_echoed() {
    let server = serve(|_| {}).await;
    let good = [
        "application/json",
        "application/json; charset=utf-8",
        "application/x-ndjson",
        "APPLICATION/X-NDJSON;charset=UTF-8",
        "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
        "application/vnd.elasticsearch+x-ndjson;compatible-with=9",
        "application/vnd.elasticsearch+json;compatible-with=7",
    ];
    for media in good {
        let header = format!("Content-Type: {media}");
        let answer = server.send("POST /_bulk", &[&header], ONE.as_bytes()).await;
        assert_eq!(answer.status, 200, "{media}");
    }
    for line in ["POST /_bulk", "POST /i/_doc", "POST /api/v1/ingest"] {
        let answer = server.send(line, &["Content-Type: text/html; x=y"], ONE.as_bytes()).await;
        assert_eq!(answer.status, 406);
        let want = "media_type_header_exception: Content-Type header [text/html; x=y] is not \
                    supported; accepted are [application/json, application/x-ndjson, \
                    application/vnd.elasticsearch+json, application/vnd.elasticsearch+x-ndjson]";
        assert_eq!(answer.error(), want);
    }
    let cases = [
        (
            "application/vnd.elasticsearch+json; compatible-with=8",
            "application/vnd.elasticsearch+json;compatible-with=8",
        ),
        (
            "text/plain, application/vnd.elasticsearch+json;compatible-with=9",
            "application/vnd.elasticsearch+json;compatible-with=9",
        ),
        ("application/vnd.elasticsearch+json;compatible-with=x", "application/json"),
        ("*/*", "application/json"),
    ];
    for (accept, want) in cases {
        for body in [ONE, ""] {
            let header = format!("Accept: {accept}");
            let answer = server.send("POST /_bulk", &[&header], body.as_bytes()).await;
            assert_eq!(answer.header("content-type"), Some(want));
        }
    }
}

#[tokio::test]
async fn bodies_are_inflated_and_bombs_stop() {
    let server = serve(|_| {}).await;
    let packed = gzip(ONE.as_bytes());
    let zstd = zstd::bulk::compress(ONE.as_bytes(), 1).unwrap();
    for (encoding, body) in [("gzip", &packed), ("zstd", &zstd)] {
        let header = format!("Content-Encoding: {encoding}");
        assert_eq!(server.send("POST /_bulk", &[&header], body).await.status, 200);
    }
    let bomb = gzip(&vec![b'x'; 64 << 20]);
    let large = vec![b' '; (1 << 20) + 1];
    let cases: [(&str, &[u8], u16, &str); 6] = [
        (
            "gzip",
            &bomb,
            413,
            "content_too_long_exception: the decompressed body is larger than `body_bytes_max` = 4194304 bytes; send smaller requests",
        ),
        (
            "identity",
            &large,
            413,
            "content_too_long_exception: the request body is larger than `request_bytes_max` = 1048576 bytes; send smaller requests",
        ),
        (
            "gzip",
            ONE.as_bytes(),
            400,
            "parse_exception: the body is no valid gzip, after 0 good bytes: ",
        ),
        (
            "gzip",
            &packed[..packed.len() - 3],
            400,
            "parse_exception: the body is no valid gzip, after ",
        ),
        (
            "br",
            ONE.as_bytes(),
            415,
            "media_type_header_exception: Content-Encoding [br] is not supported; accepted are [gzip, deflate, zstd, identity], one at a time",
        ),
        ("gzip", &gzip(b""), 400, "parse_exception: request body is required"),
    ];
    for (encoding, body, status, want) in cases {
        let header = format!("Content-Encoding: {encoding}");
        let answer = server.send("POST /_bulk", &[&header], body).await;
        let error = answer.error();
        assert!(answer.status == status && error.starts_with(want), "{status} {error}");
    }
    // A body of unknown length is stopped as well.
    let mut chunked = b"POST /_bulk HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"8000\r\n");
        chunked.extend_from_slice(&[b' '; 0x8000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(server.raw(&chunked).await.status, 413);
    // Who waits for "100 continue" hears the refusal at once.
    let expect = b"POST /_bulk HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n";
    assert_eq!(server.raw(expect).await.status, 413);
    assert_eq!(server.kept(), [source("a"), source("a")]);
}

#[tokio::test]
async fn bad_requests_are_named() {
    let server = serve(|b| b.settings.documents_max = 3).await;
    let four = ONE.repeat(4);
    let cases: [(&str, &str, u16, &str); 9] = [
        ("POST /_bulk", "", 400, "parse_exception: request body is required"),
        (
            "POST /_bulk",
            "\n\n",
            400,
            "action_request_validation_exception: Validation Failed: 1: no requests added;",
        ),
        (
            "POST /_bulk?refresh=maybe",
            ONE,
            400,
            "illegal_argument_exception: Unknown value for refresh: [maybe], possible are [true, false, wait_for, ]",
        ),
        (
            "POST /_bulk?shape=round",
            ONE,
            400,
            "illegal_argument_exception: request [/_bulk] contains unrecognized parameter: [shape]",
        ),
        (
            "POST /_bulk",
            &four,
            413,
            "content_too_long_exception: the request has more than `documents_max` = 3 documents (at line 7); send it in parts",
        ),
        (
            "POST /a*/_bulk",
            ONE,
            400,
            "invalid_index_name_exception: Invalid index name [a*], must not contain",
        ),
        (
            "POST /api/v1/ingest?ack=maybe",
            "{}",
            400,
            "illegal_argument_exception: Unknown value for ack: [maybe], possible are [durable, stored]",
        ),
        (
            "POST /api/v1/ingest?ark=stored",
            "{}",
            400,
            "illegal_argument_exception: request [/api/v1/ingest] contains unrecognized parameter: [ark]",
        ),
        (
            "POST /api/v1/ingest?index=_x",
            "{}",
            400,
            "invalid_index_name_exception: Invalid index name [_x], must not start with '_', '-', or '+'",
        ),
    ];
    for (line, body, status, want) in cases {
        let answer = server.send(line, &[], body.as_bytes()).await;
        let error = answer.error();
        assert!(answer.status == status && error.starts_with(want), "{line}: {error}");
    }
    assert_eq!(server.kept(), Vec::<String>::new());
}

#[tokio::test]
async fn native_batches_are_taken_once() {
    let server = serve(|_| {}).await;
    let id = "X-Logdrive-Batch-Id: host-1/7";
    let body = b"{\"message\":\"a\"}\nbroken\n\n{\"message\":\"b\"}";
    let mut want = Receipt {
        accepted: 2,
        rejected: vec![model::wire::Rejected {
            line: 2,
            reason: "[1:1] failed to parse: expected value".into(),
        }],
        rejected_total: 1,
        duplicate: false,
    };
    for duplicate in [false, true, true] {
        want.duplicate = duplicate;
        let answer = server.send("POST /api/v1/ingest?index=app&ack=durable", &[id], body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(serde_json::from_str::<Receipt>(&answer.body).unwrap(), want);
    }
    assert_eq!(server.kept(), ["a", "b"].map(source));
    let long = format!("x-logdrive-batch-id: {}", "x".repeat(129));
    for header in [&long, "x-logdrive-batch-id: a b", "x-logdrive-batch-id:"] {
        let error = server.send("POST /api/v1/ingest", &[header], body).await.error();
        assert!(error.contains("header [x-logdrive-batch-id] must be sent once"), "{error}");
    }
    let twice = ["x-logdrive-batch-id: a", "x-logdrive-batch-id: b"];
    assert_eq!(server.send("POST /api/v1/ingest", &twice, body).await.status, 400);
    let empty = server.send("POST /api/v1/ingest", &[], b"").await;
    assert_eq!(empty.body, r#"{"accepted":0,"rejected_total":0,"duplicate":false}"#);
}

#[tokio::test]
async fn stored_waits_for_the_publication() {
    let server = serve(|b| b.settings.stored_wait_s = 1).await;
    let late =
        server.send("POST /api/v1/ingest?ack=stored", &["x-logdrive-batch-id: s"], b"{}").await;
    assert_eq!(late.status, 503);
    assert!(late.error().contains("`stored_wait_s` = 1"), "{late:?}");
    assert_eq!(late.header("retry-after"), Some("1"));
    server.running.publish.send_replace(WalSeq(1));
    let asked =
        server.send("POST /api/v1/ingest?ack=stored", &["x-logdrive-batch-id: s"], b"{}").await;
    assert_eq!(asked.json()["duplicate"], true);
    assert_eq!(server.kept(), ["{}"]);
}

#[tokio::test]
async fn whole_requests_are_refused_with_a_reason_and_a_time() {
    let full = serve(|b| {
        b.settings.wal.segment_bytes = 4096;
        b.settings.wal.bytes_max = 4096;
    })
    .await;
    let noise: String =
        (0..9000u32).map(|n| format!("{:x}", n.wrapping_mul(2_654_435_761))).collect();
    full.running.ingest.submit(batch(None, &[&noise]), Ack::Durable).await.unwrap();
    let reserve = serve(|b| b.settings.wal.disk_reserve_bytes = u64::MAX).await;
    let closing = serve(|_| {}).await;
    closing.running.ingest.begin_shutdown();
    let cases = [
        (&full, 429, "es_rejected_execution_exception: the write-ahead log holds "),
        (&reserve, 507, "cluster_block_exception: no space for the write-ahead log: "),
        (&closing, 503, "node_closed_exception: the server is shutting down"),
    ];
    for (server, status, want) in cases {
        let before = server.kept();
        for line in ["POST /_bulk", "POST /i/_doc", "POST /api/v1/ingest"] {
            let answer = server.send(line, &[], b"{\"create\":{}}\n{}\n").await;
            assert_eq!(answer.status, status, "{answer:?}");
            assert!(answer.error().starts_with(want), "{answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        assert_eq!(server.kept(), before);
        assert_eq!(server.running.ingest.check_ready().unwrap_err().status(), status);
    }
    // Publishing makes room again.
    full.running.publish.send_replace(WalSeq(1));
    let ingest = full.running.ingest.clone();
    let wait = move || crate::tests::until("room", || ingest.check_ready().is_ok());
    tokio::task::spawn_blocking(wait).await.unwrap();
    assert_eq!(full.bulk(ONE).await.status, 200);
}

#[tokio::test]
async fn a_sink_without_room_pushes_back_and_loses_nothing() {
    let server = serve(|b| {
        b.settings.wal.queue_batches_max = 2;
        b.settings.queue_wait_ms = 1;
    })
    .await;
    server.running.sink.gate.set(true);
    let refused = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let (ingest, refused) = (server.running.ingest.clone(), refused.clone());
            tokio::spawn(async move {
                let done = ingest.submit(batch(None, &[&n.to_string()]), Ack::Durable).await;
                refused.fetch_add(usize::from(done.is_err()), std::sync::atomic::Ordering::SeqCst);
                done
            })
        })
        .collect();
    let some = refused.clone();
    let wait = move || {
        crate::tests::until("a refusal", || some.load(std::sync::atomic::Ordering::SeqCst) > 0);
    };
    tokio::task::spawn_blocking(wait).await.unwrap();
    server.running.sink.gate.set(false);
    let mut accepted = 0;
    for one in tasks {
        match one.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(refusal) => {
                assert_eq!(refusal.status(), 429, "{refusal}");
                assert!(refusal.to_string().contains("`queue_batches_max` = 2"));
            }
        }
    }
    server.running.ingest.stop().await;
    assert_eq!(server.kept().len(), accepted);
    let refusal = server.running.ingest.submit(batch(None, &["x"]), Ack::Durable).await;
    assert_eq!(refusal.unwrap_err().status(), 503);
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing() {
    let server = serve(|_| {}).await;
    let head = "POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}{ONE}").as_bytes()).await.unwrap();
    drop(stream);
    assert_eq!(server.bulk(ONE).await.status, 200);
    assert_eq!(server.kept(), [source("a")]);
    let used = server.running.ingest.budget().clone();
    let wait = move || crate::tests::until("the budget is free", || used.is_free());
    tokio::task::spawn_blocking(wait).await.unwrap();
}

#[tokio::test]
async fn a_known_id_is_a_conflict_and_the_same_document_is_kept_once() {
    let server = serve(|_| {}).await;
    let create = |id: &str, n: u32| {
        format!("{{\"create\":{{\"_index\":\"a\",\"_id\":\"{id}\"}}}}\n{{\"n\":{n}}}\n")
    };
    let index = |id: &str, n: u32| create(id, n).replace("create", "index");
    let statuses = |answer: &Answer| -> Vec<u64> {
        let items = answer.json()["items"].as_array().unwrap().clone();
        let status = |item: &serde_json::Value| {
            let (_, of) = item.as_object().unwrap().iter().next().unwrap();
            of["status"].as_u64().unwrap()
        };
        items.iter().map(status).collect()
    };
    let first = server.bulk(&(create("1", 1) + &create("1", 1) + &create("2", 1))).await;
    assert_eq!(statuses(&first), [201, 409, 201]);
    assert_eq!(first.json()["errors"], true);
    let error = &first.json()["items"][1]["create"]["error"];
    assert_eq!(error["type"], "version_conflict_engine_exception");
    assert_eq!(
        error["reason"],
        "[1]: version conflict, document already exists (current version [1])"
    );
    // The whole request once more, as a shipper sends it that has heard no answer.
    let again = server.bulk(&(create("1", 1) + &create("2", 1) + &create("3", 1))).await;
    assert_eq!(statuses(&again), [409, 409, 201]);
    let same = server.bulk(&(index("1", 1) + &index("4", 1) + &index("4", 1))).await;
    assert_eq!(statuses(&same), [200, 201, 200]);
    let item = &same.json()["items"][0]["index"];
    assert_eq!((&item["result"], &item["_version"]), (&"updated".into(), &2.into()));
    // Another document under the same id is kept beside it.
    assert_eq!(statuses(&server.bulk(&index("1", 7)).await), [201]);
    assert_eq!(statuses(&server.bulk(&index("1", 7)).await), [200]);
    let single = server.send("PUT /a/_create/1", &[], b"{\"n\":1}").await;
    assert_eq!(single.status, 409);
    assert!(single.error().starts_with("version_conflict_engine_exception: [1]: version"));
    let single = server.send("PUT /a/_doc/2", &[], b"{\"n\":1}").await;
    assert_eq!((single.status, &single.json()["result"]), (200, &"updated".into()));
    assert_eq!(server.send("PUT /b/_create/1", &[], b"{\"n\":1}").await.status, 201);
    let kept = server.kept();
    let n = |n: u32| format!("{{\"n\":{n}}}");
    assert_eq!(kept, [n(1), n(1), n(1), n(1), n(7), n(1)]);
}
