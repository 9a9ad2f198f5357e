//! The routes over live records and a real searcher: requests in, responses out.

mod admin;
mod clients;
mod documents;
mod esql;
mod kept;
mod native;
mod score;
mod set_up;
mod shape;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use index::live::{Limits, Live};
use index::read::Snapshot;
use model::batch::BatchBuilder;
use model::id::{IndexName, NodeId, RecordSeq, WalSeq};
use model::live::{Sequenced, Sink};
use model::meta::{MetaChange, MetaError, MetaRow, MetaStore};
use platform::clock::ManualClock;
use serde_json::{Value as Json, json};
use tokio::sync::broadcast;
use tower::ServiceExt;

use super::*;
use crate::search::SnapshotSource;

struct Source(Live);

impl SnapshotSource for Source {
    fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        self.0.snapshot(tenant)
    }

    fn subscribe(&self) -> broadcast::Receiver<Sequenced> {
        self.0.subscribe()
    }
}

/// Deletes nothing.
struct Nobody;

impl delete::Deleting for Nobody {
    fn reserve(&self) -> u64 {
        7
    }

    fn delete(
        &self,
        request: delete::Delete,
    ) -> Result<Arc<index::read::Deletion>, delete::DeleteError> {
        let reason = format!("nobody deletes {:?}", request.indexes);
        Err(delete::DeleteError { is_transient: true, reason })
    }

    fn deletions(&self) -> Vec<Arc<index::read::Deletion>> {
        Vec::new()
    }
}

/// Metadata that is kept in memory alone.
#[derive(Debug)]
struct Forgetful;

impl MetaStore for Forgetful {
    fn load(&self, _: &Tenant) -> Result<Vec<MetaRow>, MetaError> {
        Ok(Vec::new())
    }

    fn change(&self, _: &Tenant, _: &[MetaChange]) -> Result<(), MetaError> {
        Ok(())
    }
}

struct Server {
    router: Router,
    registry: Arc<Registry>,
    source: Arc<Source>,
    clock: Arc<ManualClock>,
    batches: std::sync::atomic::AtomicU64,
}

struct Reply {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Status and reason of an error.
    fn error(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16(), "{json}");
        assert_eq!(json["error"]["root_cause"][0]["type"], json["error"]["type"], "{json}");
        (self.status.as_u16(), json["error"]["reason"].as_str().unwrap().to_owned())
    }
}

impl Server {
    fn new() -> Self {
        let limits =
            Limits { roll_raw_bytes: 1 << 30, roll_age_ns: i64::MAX, memory_bytes_max: 1 << 30 };
        let text_fields: Arc<[String]> = vec!["message".to_owned()].into();
        let live = Live::new(Vec::new(), Default::default(), limits, NodeId(1), text_fields);
        let source = Arc::new(Source(live));
        let now = Timestamp::parse("2026-11-20T15:00:00Z").unwrap();
        let manual = Arc::new(ManualClock::at(now.0));
        let clock: Arc<dyn Clock> = manual.clone();
        let settings = crate::Settings {
            buckets_max: 1_000,
            concurrent_max: 8,
            threads: 1,
            memory_bytes_max: 64 << 20,
            partial_cache_bytes_max: 1 << 20,
            tail_queue_hits_max: 100,
            timeout_ms: 60_000,
            api: Settings {
                version: "8.17.0".to_owned(),
                cluster_name: "logdrive".to_owned(),
                result_window_max: 500,
                query_depth_max: 30,
                clauses_max: 1_000,
                msearch_max: 10,
                regex_bytes_max: 1_000,
                body_bytes_max: 100_000,
                contexts: crate::settings::ContextSettings {
                    open_max: 3,
                    keep_alive_ms_max: 86_400_000,
                    async_max: 3,
                    bytes_max: 100_000,
                },
            },
        };
        let limits = meta::Limits { entries_max: 1_000, bytes_max: 4 << 20 };
        let uuid = "uuid-of-the-cluster-00";
        let registry = Registry::open(Arc::new(Forgetful), limits, clock.clone(), uuid);
        let registry = Arc::new(registry.unwrap());
        let api = Api {
            searcher: Searcher::new(source.clone(), settings.clone(), clock.clone()),
            clock,
            settings: settings.api,
            cluster_uuid: "uuid-of-the-cluster-00".to_owned(),
            deletes: Arc::new(Nobody),
            tasks: delete::Tasks::default(),
            registry: registry.clone(),
            known: Arc::default(),
            kept: Default::default(),
            fields: Arc::default(),
            node: Arc::new(NodeInfo {
                data_dir: std::env::temp_dir(),
                http_address: "127.0.0.1:9200".to_owned(),
                started: Timestamp(now.0 - 90_000_000_000),
            }),
        };
        Self { router: router(api), registry, source, clock: manual, batches: Default::default() }
    }

    /// A server with six documents of two indexes.
    fn filled() -> Self {
        let server = Self::new();
        server.add("shop", &[
            r#"{"@timestamp":"2026-11-20T14:00:00Z","message":"Connection refused by db-1","log.level":"error","status":500,"took":1.5,"ok":false}"#,
            r#"{"@timestamp":"2026-11-20T14:10:00Z",  "message":"user 4711 logged in","log":{"level":"info"},"status":200,"user":{"id":4711,"name":"ann"}}"#,
            r#"{"@timestamp":"2026-11-20T14:20:00Z","message":"connection closed","log.level":"info","status":200}"#,
        ]);
        server.add("audit-1", &[
            r#"{"@timestamp":"2026-11-20T14:05:00Z","message":"login of ann","user":"ann","status":"ok"}"#,
            "{\"@timestamp\":\"2026-11-20T14:15:00Z\",\n \"message\":\"login of bob\"}",
            r#"{"@timestamp":"2026-11-20T14:25:00Z","message":"logout of ann"}"#,
        ]);
        server
    }

    fn add(&self, index: &str, documents: &[&str]) {
        let n = self.batches.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut batch = BatchBuilder::new(Tenant::default(), None, Timestamp(0));
        for document in documents {
            batch.push(&IndexName::new(index), None, document.as_bytes()).unwrap();
        }
        self.source.0.apply(Sequenced {
            seq: WalSeq(n + 1),
            first_record: RecordSeq(n * 100),
            batch: Arc::new(batch.finish()),
        });
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-elastic-product"], "Elasticsearch");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, text }
    }

    async fn call(&self, method: Method, path: &str, body: impl ToString) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, "").await
    }

    async fn post(&self, path: &str, body: Json) -> Reply {
        self.call(Method::POST, path, body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_greeted_as_elasticsearch_does() {
    let server = Server::filled();
    let root = server.get("/").await.json();
    assert_eq!(root["version"]["number"], "8.17.0");
    assert_eq!(root["version"]["build_flavor"], "default");
    assert_eq!(root["version"]["minimum_wire_compatibility_version"], "7.17.0");
    assert_eq!(root["tagline"], "You Know, for Search");
    assert_eq!(root["cluster_uuid"], "uuid-of-the-cluster-00");
    assert_eq!(server.call(Method::HEAD, "/", "").await.status, StatusCode::OK);
    let license = server.get("/_license?human=false").await.json();
    assert_eq!(license["license"]["status"], "active");
    let health = server.get("/_cluster/health?wait_for_status=yellow&timeout=30s").await.json();
    assert_eq!((&health["status"], &health["active_shards"]), (&json!("green"), &json!(2)));
    let absent = server.get("/_cluster/health/absent").await;
    assert_eq!(absent.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(absent.json()["timed_out"], true);
    let levels = server.get("/_cluster/health/shop?level=indices").await.json();
    assert_eq!(levels["indices"]["shop"]["status"], "green");
    let vnd = Request::get("/")
        .header("accept", "application/vnd.elasticsearch+json; compatible-with=8")
        .body(Body::empty())
        .unwrap();
    let vnd = server.send(vnd).await;
    let kind = "application/vnd.elasticsearch+json;compatible-with=8";
    assert_eq!(vnd.headers["content-type"], kind);
    assert_eq!(server.get("/").await.headers["content-type"], "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_have_elasticsearch_s_form() {
    let server = Server::filled();
    let reply = server.post("/shop/_search", json!({"size": 2})).await;
    // The source is spliced in byte for byte, with its two spaces.
    assert!(reply.text.contains(r#""_source":{"@timestamp":"2026-11-20T14:10:00Z",  "message""#));
    let json = reply.json();
    assert!(json["took"].is_u64());
    assert_eq!(json["timed_out"], false);
    assert_eq!(json["_shards"]["failed"], 0);
    assert_eq!(json["hits"]["total"], json!({"value": 3, "relation": "eq"}));
    assert_eq!(json["hits"]["max_score"], 1.0);
    let hits = json["hits"]["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 2);
    assert_eq!(hits[0]["_source"]["message"], "connection closed");
    assert_eq!(hits[0]["_index"], "shop");
    assert_eq!(hits[0]["_score"], 1.0);
    assert!(hits[0].get("sort").is_none() && hits[0].get("_version").is_none());

    let body = json!({
        "sort": [{"@timestamp": "asc"}], "_source": ["user.*", "status"], "version": true,
        "seq_no_primary_term": true, "track_total_hits": false,
    });
    let json = server.post("/shop/_search", body).await.json();
    assert!(json["hits"].get("total").is_none());
    assert_eq!(json["hits"]["max_score"], Json::Null);
    let hit = &json["hits"]["hits"][1];
    assert_eq!(hit["_score"], Json::Null);
    assert_eq!(hit["_source"], json!({"status": 200, "user": {"id": 4711, "name": "ann"}}));
    assert_eq!(hit["sort"], json!([1_795_183_800_000_i64]));
    assert_eq!(
        (&hit["_version"], &hit["_seq_no"], &hit["_primary_term"]),
        (&json!(1), &json!(1), &json!(1))
    );
    let off = server.post("/shop/_search", json!({"_source": false})).await.json();
    assert!(off["hits"]["hits"][0].get("_source").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_say_what_bodies_do() {
    let server = Server::filled();
    let cases = [
        ("/_search?q=connection", 2),
        ("/_search?q=login+ann&default_operator=AND", 1),
        ("/_search?q=ann&df=user", 1),
        ("/shop,audit-*/_search", 6),
        ("/_all/_search?size=0", 6),
        ("/*,-shop/_search", 3),
        ("/absent*/_search", 0),
        ("/absent,shop/_search?ignore_unavailable=true", 3),
        ("/_search?q=%40timestamp:[2026-11-20T14:10:00Z+TO+2026-11-20T14:20:00Z]", 3),
        (
            "/_search?source=%7B%22query%22%3A%7B%22term%22%3A%7B%22status%22%3A500%7D%7D%7D&source_content_type=application/json",
            1,
        ),
        ("/_search?q=status:500&preference=x&max_concurrent_shard_requests=5&pretty", 1),
    ];
    for (path, total) in cases {
        let reply = server.get(path).await;
        assert_eq!(reply.json()["hits"]["total"]["value"], total, "{path}: {}", reply.text);
        let count =
            path.replace("_search", "_count").replace("&max_concurrent_shard_requests=5", "");
        let count = count.replace("?size=0", "");
        assert_eq!(server.get(&count).await.json()["count"], total, "{count}");
    }
    let one = "/shop/_search?size=1&from=1&sort=@timestamp:asc&_source_includes=message&rest_total_hits_as_int=true";
    let json = server.get(one).await.json();
    assert_eq!(json["hits"]["total"], 3);
    assert_eq!(json["hits"]["hits"][0]["_source"], json!({"message": "user 4711 logged in"}));
    let filtered =
        server.get("/shop/_search?filter_path=hits.total.value,hits.hits._index,-hits.max*").await;
    let shop = json!({"_index": "shop"});
    let want = json!({"hits": {"total": {"value": 3}, "hits": [shop, shop, shop]}});
    assert_eq!(filtered.json(), want);
    // An empty body with a type, as one client sends it.
    assert_eq!(server.call(Method::POST, "/shop/_count", "").await.json()["count"], 3);
    let query = json!({"query": {"match_phrase": {"message": "Connection Refused"}}});
    assert_eq!(server.post("/_count", query).await.json()["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregations_are_answered() {
    let server = Server::filled();
    let body = json!({"size": 0, "aggs": {"levels": {"terms": {"field": "log.level"}}}});
    let json = server.post("/shop/_search", body).await.json();
    assert_eq!(json["hits"]["hits"], json!([]));
    let buckets = json["aggregations"]["levels"]["buckets"].as_array().unwrap();
    let counts: Vec<_> =
        buckets.iter().map(|b| (b["key"].clone(), b["doc_count"].clone())).collect();
    assert_eq!(counts, [(json!("info"), json!(2)), (json!("error"), json!(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_elasticsearch_s_form() {
    let server = Server::filled();
    let cases = [
        ("/absent/_search", json!({}), 404, "no such index [absent]"),
        ("/shop,absent/_count", json!({}), 404, "no such index [absent]"),
        ("/absent*/_search?allow_no_indices=false", json!({}), 404, "no such index [absent*]"),
        (
            "/_search",
            json!({"sort": ["no.such"]}),
            400,
            "No mapping found for [no.such] in order to sort on",
        ),
        ("/_search", json!({"size": -1}), 400, "[size] parameter cannot be negative, found [-1]"),
        ("/_search?size=-1", json!({}), 400, "[size] parameter cannot be negative, found [-1]"),
        ("/_search?size=x", json!({}), 400, "Failed to parse int parameter [size] with value [x]"),
        ("/_search", json!({"query": {"foo": {}}}), 400, "unknown query [foo]"),
        ("/_search", json!({"aggs": {"a": {"foo": {}}}}), 400, "Unknown aggregation type [foo]"),
        (
            "/_search?sizes=1",
            json!({}),
            400,
            "request [/_search] contains unrecognized parameter: [sizes]",
        ),
        (
            "/_search?a=1&b=2&pretty",
            json!({}),
            400,
            "request [/_search] contains unrecognized parameters: [a], [b]",
        ),
        ("/_count", json!({"size": 1}), 400, "request does not support [size]"),
        (
            "/_search?ignore_unavailable=maybe",
            json!({}),
            400,
            "Failed to parse value [maybe] of [ignore_unavailable] as only [true] or [false] are allowed.",
        ),
        ("/_field_caps", json!({}), 400, "specified fields can't be null or empty"),
    ];
    for (path, body, status, reason) in cases {
        let reply = server.post(path, body).await;
        assert_eq!(reply.error(), (status, reason.to_owned()), "{path}");
    }
    let missing = server.get("/absent/_search").await.json();
    assert_eq!(missing["error"]["type"], "index_not_found_exception");
    assert_eq!(missing["error"]["index"], "absent");
    let unmapped = json!({"sort": [{"no.such": {"unmapped_type": "long"}}]});
    assert_eq!(server.post("/_search", unmapped).await.status, StatusCode::OK);
    let known = json!({"sort": ["user.id", "log.level.keyword", "status"]});
    assert_eq!(server.post("/_search", known).await.status, StatusCode::OK);
    let span = json!({"query": {"query_string": {"query": "a AND (b"}}});
    assert_eq!(server.post("/_search", span).await.json()["error"]["span"], json!([6, 7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_and_must_be_json() {
    let server = Server::filled();
    let big = server.call(Method::POST, "/_search", "x".repeat(100_001)).await;
    assert_eq!(big.error().0, 413);
    let send = async |name: &str, value: &str| {
        let request = Request::post("/_search").header(name, value).body(Body::from("{}")).unwrap();
        server.send(request).await.error()
    };
    let (status, reason) = send("content-type", "text/html; charset=utf-8").await;
    assert_eq!(status, 406);
    assert_eq!(reason, "Content-Type header [text/html] is not supported: send application/json");
    assert_eq!(send("content-encoding", "br").await.0, 415);
    assert_eq!(send("content-encoding", "gzip").await.0, 400);
    assert_eq!(send("accept", "application/yaml").await.0, 406);
    assert_eq!(server.get("/_search?format=yaml").await.error().0, 406);
    assert_eq!(server.get("/_search?format=json").await.status, StatusCode::OK);
    let body = r#"{"query":{"term":{"status":500}}}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, body.as_bytes()).unwrap();
    let zstd = zstd::bulk::compress(body.as_bytes(), 1).unwrap();
    let bomb = zstd::bulk::compress(&vec![b' '; 1 << 20], 1).unwrap();
    for (encoding, body, status) in
        [("gzip", gzip.finish().unwrap(), 200), ("zstd", zstd, 200), ("zstd", bomb, 413)]
    {
        let request = Request::post("/_search")
            .header("content-encoding", encoding)
            .header("content-type", "application/vnd.elasticsearch+json; compatible-with=8")
            .body(Body::from(body))
            .unwrap();
        let reply = server.send(request).await;
        assert_eq!(reply.status.as_u16(), status, "{encoding}");
        if status == 200 {
            assert_eq!(reply.json()["hits"]["total"]["value"], 1);
        }
    }
    let pretty = server.get("/absent/_search?pretty").await;
    assert!(pretty.text.starts_with("{\n  \"error\""), "{}", pretty.text);
    let broken = server.call(Method::POST, "/_search", "{\"query\":").await.error();
    assert_eq!(broken.0, 400);
    let path = Request::get("/%ff/_search").body(Body::empty()).unwrap();
    assert_eq!(server.send(path).await.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_searches_fail_each_for_itself() {
    let server = Server::filled();
    let body = concat!(
        "{\"index\":\"shop\",\"ignore_unavailable\":true,\"search_type\":\"query_then_fetch\"}\n",
        "{\"size\":0}\n",
        "{\"index\":[\"absent\"]}\n{}\n",
        "{}\n{\"query\":{\"foo\":{}}}\n",
        "{\"index\":\"absent\",\"ignore_unavailable\":true}\n{}\n",
        "{}\n{\"size\":1,\"query\":{\"match\":{\"message\":\"login\"}}}\n",
        "{}\nnot json\n",
    );
    for path in ["/_msearch?max_concurrent_shard_requests=5", "/_msearch?max_concurrent_searches=1"]
    {
        let reply = server.call(Method::POST, path, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let json = reply.json();
        let responses = json["responses"].as_array().unwrap();
        let statuses: Vec<_> = responses.iter().map(|r| r["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [200, 404, 400, 200, 200, 400]);
        assert_eq!(responses[0]["hits"]["total"]["value"], 3);
        assert_eq!(responses[1]["error"]["reason"], "no such index [absent]");
        assert_eq!(responses[2]["error"]["root_cause"][0]["reason"], "unknown query [foo]");
        assert_eq!(responses[3]["hits"]["total"]["value"], 0);
        assert_eq!(responses[4]["hits"]["total"]["value"], 2);
    }
    let path = server.call(Method::POST, "/audit-1/_msearch", "{}\n{}\n").await.json();
    assert_eq!(path["responses"][0]["hits"]["total"]["value"], 3);
    assert_eq!(server.call(Method::POST, "/_msearch", "").await.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_and_field_lists() {
    let server = Server::filled();
    let mapping = server.get("/shop/_mapping").await.json();
    assert_eq!(
        mapping["shop"]["mappings"]["properties"],
        json!({
            "@timestamp": {"type": "date"},
            "log": {"properties": {"level": {"type": "keyword"}}},
            "message": {"type": "text"},
            "ok": {"type": "boolean"},
            "status": {"type": "long"},
            "took": {"type": "double"},
            "user": {"properties": {"id": {"type": "long"}, "name": {"type": "keyword"}}},
        })
    );
    let all = server.get("/_mapping").await.json();
    assert_eq!(all["audit-1"]["mappings"]["properties"]["user"]["type"], "keyword");
    let caps = server.get("/_field_caps?fields=st*,@timestamp,_id").await.json();
    assert_eq!(caps["indices"], json!(["audit-1", "shop"]));
    assert_eq!(caps["fields"]["@timestamp"]["date"]["aggregatable"], true);
    assert_eq!(caps["fields"]["status"]["long"]["indices"], json!(["shop"]));
    assert_eq!(caps["fields"]["status"]["keyword"]["indices"], json!(["audit-1"]));
    assert_eq!(caps["fields"]["_id"]["_id"]["metadata_field"], true);
    assert!(caps["fields"].get("message").is_none());
    let body = json!({"fields": ["message"], "index_filter": {"match_all": {}}});
    let body = server.post("/shop/_field_caps", body).await.json();
    assert_eq!(body["fields"]["message"]["text"]["aggregatable"], false);
    let bad = server.post("/_field_caps?fields=a", json!({"feilds": 1})).await.error();
    assert_eq!(bad, (400, "[field_caps] unknown field [feilds]".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_told_truthfully() {
    let server = Server::filled();
    assert_eq!(server.call(Method::HEAD, "/shop", "").await.status, StatusCode::OK);
    assert_eq!(server.call(Method::HEAD, "/absent", "").await.status, StatusCode::NOT_FOUND);
    let about = server.get("/shop").await.json();
    let uuid = about["shop"]["settings"]["index"]["uuid"].as_str().unwrap().to_owned();
    assert_eq!(uuid.len(), 22);
    assert_eq!(server.post("/shop/_refresh", json!({})).await.json()["_shards"]["failed"], 0);
    assert_eq!(server.post("/absent/_refresh", json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/_nothing").await.error().0, 400);
    let cat =
        server.get("/_cat/indices?h=health,status,index,pri,rep,docs.count&s=index:desc").await;
    assert_eq!(cat.text, "green open shop    1 0 3\ngreen open audit-1 1 0 3\n");
    let head = server.get("/_cat/indices/sh*?v").await.text;
    let head: Vec<Vec<&str>> = head.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(
        head,
        [
            vec![
                "health",
                "status",
                "index",
                "uuid",
                "pri",
                "rep",
                "docs.count",
                "docs.deleted",
                "store.size",
                "pri.store.size",
                "dataset.size"
            ],
            vec!["green", "open", "shop", &uuid, "1", "0", "3", "0", "0b", "0b", "0b"],
        ]
    );
    let json = server.get("/_cat/indices?format=json&bytes=kb&h=i,store.size").await.json();
    assert_eq!(json[0], json!({"i": "audit-1", "store.size": "0"}));
    assert!(server.get("/_cat/indices?h=x").await.error().1.starts_with("unknown column [x]"));
    assert!(server.get("/_cat/indices?bytes=x").await.error().1.starts_with("unknown unit [x]"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_records_answers() {
    let server = Server::new();
    let json = server.post("/_search", json!({"sort": ["any"]})).await.json();
    assert_eq!(json["hits"]["total"]["value"], 0);
    assert_eq!(json["hits"]["max_score"], Json::Null);
    assert_eq!(server.get("/_mapping").await.json(), json!({}));
    assert_eq!(server.get("/_cat/indices").await.text, "");
    assert_eq!(server.get("/_count").await.json()["count"], 0);
}
