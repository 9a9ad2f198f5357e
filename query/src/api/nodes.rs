//! How does the node do? `_nodes`, its statistics, and those of the cluster.

use std::path::PathBuf;

use axum::Router;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::pattern::glob;
use model::time::Timestamp;
use platform::machine::{self, Machine};
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{IndexStats, Indexes};
use super::{Api, endpoint, reply};

/// Where and since when the server runs.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// Where its files lie.
    pub data_dir: PathBuf,
    /// Address and port of the HTTP interface.
    pub http_address: String,
    /// When it started.
    pub started: Timestamp,
}

impl NodeInfo {
    /// The address without its port.
    pub(super) fn ip(&self) -> &str {
        self.http_address.rsplit_once(':').map_or("", |(ip, _)| ip.trim_matches(['[', ']']))
    }

    pub(super) fn port(&self) -> &str {
        self.http_address.rsplit_once(':').map_or("", |(_, port)| port)
    }
}

const PARAMS: [&str; 8] = [
    "timeout",
    "flat_settings",
    "level",
    "types",
    "groups",
    "fields",
    "completion_fields",
    "fielddata_fields",
];
const INFO: [&str; 12] = [
    "settings",
    "os",
    "process",
    "jvm",
    "thread_pool",
    "transport",
    "http",
    "plugins",
    "ingest",
    "aggregations",
    "indices",
    "remote_cluster_server",
];
const STATS: [&str; 13] = [
    "indices",
    "os",
    "process",
    "jvm",
    "thread_pool",
    "fs",
    "transport",
    "http",
    "breaker",
    "script",
    "discovery",
    "ingest",
    "adaptive_selection",
];

pub(super) fn routes() -> Router<Api> {
    let get = MethodFilter::GET;
    let info = || endpoint(get, "nodes", info);
    let stats = || endpoint(get, "nodes", stats);
    Router::new()
        .route("/_nodes", info())
        .route("/_nodes/{node}", info())
        .route("/_nodes/{node}/{metric}", info())
        .route("/_nodes/stats", stats())
        .route("/_nodes/stats/{metric}", stats())
        .route("/_nodes/{node}/stats", stats())
        .route("/_nodes/{node}/stats/{metric}", stats())
        .route("/_cluster/stats", endpoint(get, "cluster", cluster_stats))
}

/// Whether a list of nodes means this one.
fn is_meant(api: &Api, nodes: &[String]) -> bool {
    let name = &api.settings.cluster_name;
    nodes.is_empty()
        || nodes.iter().any(|n| {
            matches!(n.as_str(), "_all" | "_local" | "_master" | "data:true" | "master:true")
                || glob(n, name)
                || *n == api.node_id()
                || glob(n, api.node.ip())
        })
}

/// The answer with one node, or none.
fn nodes(api: &Api, meant: bool, node: Map<String, Json>) -> Json {
    let mut all = Map::new();
    if meant {
        all.insert(api.node_id(), Json::Object(node));
    }
    let count = all.len();
    json!({
        "_nodes": { "total": count, "successful": count, "failed": 0 },
        "cluster_name": api.settings.cluster_name,
        "nodes": all,
    })
}

fn named(api: &Api) -> Map<String, Json> {
    let Json::Object(out) = json!({
        "name": api.settings.cluster_name,
        "transport_address": api.node.http_address,
        "host": api.node.ip(),
        "ip": api.node.ip(),
    }) else {
        return Map::new();
    };
    out
}

const ROLES: [&str; 4] = ["data", "data_content", "ingest", "master"];

/// `GET /_nodes`, `/_nodes/{node or metric}`, `/_nodes/{node}/{metric}`.
async fn info(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&PARAMS])?;
    let (mut which, mut metrics) = (call.part_list("node"), call.part_list("metric"));
    // One part alone names metrics, if there are such.
    if metrics.is_empty() && which.iter().all(|n| INFO.contains(&n.as_str()) || n == "_none") {
        metrics = std::mem::take(&mut which);
    }
    let shown =
        |metric: &str| metrics.is_empty() || metrics.iter().any(|m| m == metric || m == "_all");
    let mut node = named(&api);
    node.insert("version".into(), api.settings.version.clone().into());
    node.insert("build_flavor".into(), "default".into());
    node.insert("build_type".into(), "logdrive".into());
    node.insert("build_hash".into(), env!("CARGO_PKG_VERSION").into());
    node.insert("roles".into(), json!(ROLES));
    node.insert("attributes".into(), json!({}));
    let machine = machine::now();
    let parts = [
        (
            "settings",
            json!({
                "cluster": { "name": api.settings.cluster_name },
                "node": { "name": api.settings.cluster_name },
            }),
        ),
        (
            "os",
            json!({
                "name": std::env::consts::OS, "arch": std::env::consts::ARCH,
                "available_processors": machine.cores, "allocated_processors": machine.cores,
            }),
        ),
        (
            "process",
            json!({ "refresh_interval_in_millis": 1000, "id": std::process::id(), "mlockall": false }),
        ),
        (
            "http",
            json!({
                "bound_address": [api.node.http_address],
                "publish_address": api.node.http_address,
                "max_content_length_in_bytes": api.settings.body_bytes_max,
            }),
        ),
        ("plugins", json!([])),
        ("ingest", json!({ "processors": [] })),
    ];
    for (name, part) in parts {
        if shown(name) {
            node.insert(name.to_owned(), part);
        }
    }
    let meant = is_meant(&api, &which);
    reply::json(&call, nodes(&api, meant, node))
}

fn all_indexes(api: &Api) -> (usize, IndexStats) {
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(api, &snapshot);
    let mut total = IndexStats::default();
    let view = indexes.view();
    let names = view.indices();
    names.iter().for_each(|name| total.add(indexes.known.stats(name)));
    total.segments = (snapshot.splits.len() + snapshot.live.len()) as u64;
    (names.len(), total)
}

fn memory(machine: &Machine) -> Json {
    let used = machine.memory_bytes.saturating_sub(machine.available_bytes);
    let percent = |part: u64| (part * 100).checked_div(machine.memory_bytes).unwrap_or(0);
    json!({
        "total_in_bytes": machine.memory_bytes,
        "adjusted_total_in_bytes": machine.memory_bytes,
        "free_in_bytes": machine.available_bytes,
        "used_in_bytes": used,
        "free_percent": percent(machine.available_bytes),
        "used_percent": percent(used),
    })
}

fn disk(api: &Api) -> Json {
    let (total, free) = machine::space(&api.node.data_dir);
    json!({ "total_in_bytes": total, "free_in_bytes": free, "available_in_bytes": free })
}

/// `GET /_nodes/stats`, `/_nodes/{node}/stats/{metric}`.
async fn stats(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(
        &call.path,
        &[&PARAMS, &["include_segment_file_sizes", "include_unloaded_segments"]],
    )?;
    let metrics = call.part_list("metric");
    if let Some(bad) = metrics.iter().find(|m| !STATS.contains(&m.as_str()) && *m != "_all") {
        return Err(ApiError::illegal(format!(
            "request [{}] contains unrecognized metric: [{bad}]",
            call.path
        )));
    }
    let shown =
        |metric: &str| metrics.is_empty() || metrics.iter().any(|m| m == metric || m == "_all");
    let machine = machine::now();
    let now = api.now().millis();
    let mut node = Map::new();
    node.insert("timestamp".into(), now.into());
    node.extend(named(&api));
    node.insert("roles".into(), json!(ROLES));
    node.insert("attributes".into(), json!({}));
    if shown("indices") {
        let (_, total) = all_indexes(&api);
        node.insert("indices".into(), super::stats::numbers(total));
    }
    let parts = stat_parts(&api, &machine, now);
    for (name, part) in parts {
        if shown(name) {
            node.insert(name.to_owned(), part);
        }
    }
    let meant = is_meant(&api, &call.part_list("node"));
    reply::json(&call, nodes(&api, meant, node))
}

/// The statistics of the machine and the process.
fn stat_parts(api: &Api, machine: &Machine, now: i64) -> [(&'static str, Json); 5] {
    let [one, five, fifteen] = machine.load;
    let busy = (one / machine.cores as f64 * 100.0).clamp(0.0, 100.0) as u64;
    let (running, waiting) = api.searcher.load();
    let uptime = (now - api.node.started.millis()).max(0);
    [
        (
            "os",
            json!({
                "timestamp": now,
                "cpu": { "percent": busy, "load_average": { "1m": one, "5m": five, "15m": fifteen } },
                "mem": memory(machine),
            }),
        ),
        (
            "process",
            json!({
                "timestamp": now,
                "open_file_descriptors": machine.open_files,
                "max_file_descriptors": machine.open_files_max,
                "cpu": { "percent": busy, "total_in_millis": machine.cpu_ms },
                "mem": { "total_virtual_in_bytes": machine.process_virtual_bytes },
            }),
        ),
        (
            "jvm",
            json!({
                "timestamp": now,
                "uptime_in_millis": uptime,
                "mem": {
                    "heap_used_in_bytes": machine.process_bytes,
                    "heap_used_percent": (machine.process_bytes * 100).checked_div(machine.memory_bytes).unwrap_or(0),
                    "heap_committed_in_bytes": machine.process_bytes,
                    "heap_max_in_bytes": machine.memory_bytes,
                },
            }),
        ),
        (
            "thread_pool",
            json!({
                "search": { "threads": machine.cores, "queue": waiting, "active": running },
            }),
        ),
        ("fs", json!({ "timestamp": now, "total": disk(api), "data": [data_path(api)] })),
    ]
}

fn data_path(api: &Api) -> Json {
    let mut out = json!({ "path": api.node.data_dir.display().to_string() });
    if let (Some(out), Json::Object(disk)) = (out.as_object_mut(), disk(api)) {
        out.extend(disk);
    }
    out
}

/// `GET /_cluster/stats`.
async fn cluster_stats(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&PARAMS, &["include_remotes"]])?;
    let (count, total) = all_indexes(&api);
    let machine = machine::now();
    let uptime = (api.now().millis() - api.node.started.millis()).max(0);
    let mut indices = json!({
        "count": count,
        "shards": { "total": count, "primaries": count, "replication": 0.0 },
    });
    if let (Some(indices), Json::Object(numbers)) =
        (indices.as_object_mut(), super::stats::numbers(total))
    {
        indices.extend(numbers);
    }
    reply::json(
        &call,
        json!({
            "_nodes": { "total": 1, "successful": 1, "failed": 0 },
            "cluster_name": api.settings.cluster_name,
            "cluster_uuid": api.cluster_uuid,
            "timestamp": api.now().millis(),
            "status": "green",
            "indices": indices,
            "nodes": {
                "count": { "total": 1, "data": 1, "data_content": 1, "ingest": 1, "master": 1 },
                "versions": [api.settings.version],
                "os": {
                    "available_processors": machine.cores,
                    "allocated_processors": machine.cores,
                    "names": [{ "name": std::env::consts::OS, "count": 1 }],
                    "mem": memory(&machine),
                },
                "process": {
                    "cpu": { "percent": 0 },
                    "open_file_descriptors": {
                        "min": machine.open_files, "max": machine.open_files,
                        "avg": machine.open_files,
                    },
                },
                "jvm": {
                    "max_uptime_in_millis": uptime,
                    "mem": {
                        "heap_used_in_bytes": machine.process_bytes,
                        "heap_max_in_bytes": machine.memory_bytes,
                    },
                },
                "fs": disk(&api),
                "plugins": [],
            },
        }),
    )
}
