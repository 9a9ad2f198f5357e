//! How large are the indexes? `_stats`, `_resolve`, and the small state of the cluster.

use axum::Router;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::names::{Expand, View, is_name};
use meta::pattern::glob;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{IndexStats, Indexes, LOOKUP_PARAMS, Lookup};
use super::{Api, aliases, endpoint, made, reply};

pub(super) fn routes() -> Router<Api> {
    let get = MethodFilter::GET;
    let both = get.or(MethodFilter::POST);
    let mut router = Router::new()
        .route("/_resolve/index/{index}", endpoint(get, "resolve", resolve))
        .route("/_cluster/state", endpoint(get, "cluster", state))
        .route("/_cluster/state/{metric}", endpoint(get, "cluster", state))
        .route("/_cluster/state/{metric}/{index}", endpoint(get, "cluster", state))
        .route("/_cluster/pending_tasks", endpoint(get, "cluster", pending));
    for path in ["/_stats", "/{index}/_stats"] {
        router = router
            .route(path, endpoint(both, "stats", stats))
            .route(&format!("{path}/{{metric}}"), endpoint(both, "stats", stats));
    }
    router
}

/// The numbers of an index, or of all.
pub(super) fn numbers(stats: IndexStats) -> Json {
    json!({
        "docs": { "count": stats.docs, "deleted": 0, "total_size_in_bytes": stats.bytes },
        "store": {
            "size_in_bytes": stats.bytes,
            "total_data_set_size_in_bytes": stats.bytes,
            "reserved_in_bytes": 0,
        },
        "segments": { "count": stats.segments, "memory_in_bytes": 0 },
    })
}

const METRICS: [&str; 17] = [
    "_all",
    "docs",
    "store",
    "indexing",
    "get",
    "search",
    "merge",
    "refresh",
    "flush",
    "warmer",
    "query_cache",
    "fielddata",
    "completion",
    "segments",
    "translog",
    "request_cache",
    "recovery",
];

/// `GET /_stats`, `/{index}/_stats[/{metric}]`.
async fn stats(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "level",
        "fields",
        "groups",
        "completion_fields",
        "fielddata_fields",
        "forbid_closed_indices",
        "include_segment_file_sizes",
        "include_unloaded_segments",
        "metric",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let metrics = call.part_list("metric");
    if let Some(bad) = metrics.iter().find(|m| !METRICS.contains(&m.as_str())) {
        let reason = format!("request [{}] contains unrecognized metric: [{bad}]", call.path);
        return Err(ApiError::illegal(reason));
    }
    let shown = |name: &str| metrics.is_empty() || metrics.iter().any(|m| m == name || m == "_all");
    let of = |stats: IndexStats| {
        let mut out = numbers(stats);
        if let Some(out) = out.as_object_mut() {
            out.retain(|name, _| shown(name));
        }
        out
    };
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.resolve(&call.indexes, Lookup::about_all(&call.params)?)?;
    let mut total = IndexStats::default();
    found.values().for_each(|stats| total.add(*stats));
    let shards = json!({ "total": found.len(), "successful": found.len(), "failed": 0 });
    let mut body = json!({
        "_shards": shards, "_all": { "primaries": of(total), "total": of(total) },
    });
    let level = call.params.get("level").unwrap_or("indices");
    if !matches!(level, "cluster" | "indices" | "shards") {
        return Err(ApiError::illegal(format!(
            "level parameter must be one of [cluster] or [indices] or [shards] but was [{level}]"
        )));
    }
    if level != "cluster" {
        let each = found.into_iter().map(|(name, stats)| {
            let closed = indexes.state.index(&name).is_some_and(|index| index.closed);
            let mut about = json!({
                "uuid": api.registry.uuid(&name),
                "health": "green",
                "status": if closed { "close" } else { "open" },
                "primaries": of(stats),
                "total": of(stats),
            });
            if level == "shards" {
                let mut shard = of(stats);
                shard["routing"] =
                    json!({ "state": "STARTED", "primary": true, "node": api.node_id() });
                about["shards"] = json!({ "0": [shard] });
            }
            (name, about)
        });
        body["indices"] = Json::Object(each.collect());
    }
    reply::json(&call, body)
}

/// An index as `_resolve` shows it.
fn resolved(view: &View<'_>, name: &str, hidden: bool) -> Json {
    let (state, entry) = (view.state, view.state.index(name));
    let aliases: Vec<String> = aliases::of(view, name).into_keys().collect();
    let closed = entry.is_some_and(|entry| entry.closed);
    let mut attributes = vec![if closed { "closed" } else { "open" }];
    if hidden {
        attributes.insert(0, "hidden");
    }
    let mut about = Map::new();
    about.insert("name".to_owned(), name.into());
    if !aliases.is_empty() {
        about.insert("aliases".to_owned(), json!(aliases));
    }
    about.insert("attributes".to_owned(), json!(attributes));
    if let Some(stream) = state.stream_of(name) {
        about.insert("data_stream".to_owned(), stream.into());
    }
    Json::Object(about)
}

/// `GET /_resolve/index/{names}`.
async fn resolve(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &["mode"]])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let (view, state) = (indexes.view(), &indexes.state);
    let mut lookup = Lookup { forbid_closed: false, ..Lookup::of(&call.params)? };
    if call.params.get("expand_wildcards").is_none() {
        lookup.expand = Expand { open: true, closed: false, hidden: false };
    }
    let found = indexes.found(&call.indexes, lookup)?;
    let mut named = Vec::new();
    for expression in &call.indexes {
        named.push(meta::resolve_date_name(expression, api.now())?);
    }
    let meant = |name: &str, hidden: bool| {
        named.iter().any(|n| {
            let pattern = if n == "_all" { "*" } else { n };
            glob(pattern, name) && (is_name(n) || !hidden || lookup.expand.hidden)
        })
    };
    let mut indices = Vec::new();
    for name in found.keys().filter(|name| named.iter().any(|n| n == "_all" || glob(n, name))) {
        let entry = state.index(name);
        let hidden = state.stream_of(name).is_some() || entry.is_some_and(|e| e.hidden());
        if hidden && !lookup.expand.hidden && !named.iter().any(|n| n == name || n.starts_with('.'))
        {
            continue;
        }
        indices.push(resolved(&view, name, hidden));
    }
    let names = view.alias_names();
    let shown = names.iter().filter(|(name, hidden)| meant(name, *hidden));
    let with_members = shown.filter_map(|(name, _)| {
        let of_streams = state.aliases().get(*name).into_iter().flatten();
        let of_streams = of_streams.filter(|n| state.stream(n).is_some()).cloned();
        let behind = view.behind(name).into_iter().map(|(index, _)| index);
        let mut members: Vec<String> =
            behind.filter(|index| state.stream_of(index).is_none()).chain(of_streams).collect();
        members.sort_unstable();
        (!members.is_empty()).then(|| json!({ "name": name, "indices": members }))
    });
    let aliases: Vec<Json> = with_members.collect();
    let streams = state.streams().filter(|(name, stream)| meant(name, stream.hidden));
    let streams: Vec<Json> = streams
        .map(|(name, stream)| {
            let backing: Vec<&str> = stream.indices.iter().map(|i| i.name.as_str()).collect();
            let aliases: Vec<&String> = stream.aliases.keys().collect();
            let mut about =
                json!({ "name": name, "backing_indices": backing, "timestamp_field": "@timestamp" });
            if !aliases.is_empty() {
                about["aliases"] = json!(aliases);
            }
            about
        })
        .collect();
    reply::json(&call, json!({ "indices": indices, "aliases": aliases, "data_streams": streams }))
}

/// `GET /_cluster/state[/{metric}[/{index}]]`: what a cluster of one node has of it.
async fn state(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "flat_settings",
        "local",
        "master_timeout",
        "wait_for_metadata_version",
        "wait_for_timeout",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let metrics = call.part_list("metric");
    let shown = |name: &str| metrics.is_empty() || metrics.iter().any(|m| m == name || m == "_all");
    let found = indexes.found(&call.indexes, Lookup::about_all(&call.params)?)?;
    let mut body = Map::new();
    body.insert("cluster_name".to_owned(), api.settings.cluster_name.clone().into());
    body.insert("cluster_uuid".to_owned(), api.cluster_uuid.clone().into());
    if shown("version") {
        body.insert("version".to_owned(), (indexes.state.version + 1).into());
        let uuid = api.registry.uuid(&format!("state {}", indexes.state.version));
        body.insert("state_uuid".to_owned(), uuid.into());
    }
    if shown("master_node") {
        body.insert("master_node".to_owned(), api.node_id().into());
    }
    if shown("blocks") {
        body.insert("blocks".to_owned(), json!({}));
    }
    if shown("nodes") {
        let node = json!({
            "name": api.settings.cluster_name,
            "transport_address": api.node.http_address,
            "attributes": {},
            "roles": ["data", "data_content", "ingest", "master"],
        });
        body.insert("nodes".to_owned(), json!({ api.node_id(): node }));
    }
    if shown("metadata") {
        let flat = call.params.flag("flat_settings")?.unwrap_or(false);
        let view = indexes.view();
        let each = found.keys().map(|name| {
            let settings = made::settings_of(&api, &indexes.state, name);
            let closed = indexes.state.index(name).is_some_and(|index| index.closed);
            let aliases: Vec<String> = aliases::of(&view, name).into_keys().collect();
            let about = json!({
                "state": if closed { "close" } else { "open" },
                "settings": if flat { settings.flat() } else { settings.nested() },
                "aliases": aliases,
            });
            (name.clone(), about)
        });
        let each: Map<String, Json> = each.collect();
        let metadata = json!({ "cluster_uuid": api.cluster_uuid, "indices": each });
        body.insert("metadata".to_owned(), metadata);
    }
    if shown("routing_table") {
        let each = found.keys().map(|name| {
            let shard = json!({
                "state": "STARTED", "primary": true, "node": api.node_id(),
                "relocating_node": Json::Null, "shard": 0, "index": name,
            });
            (name.clone(), json!({ "shards": { "0": [shard] } }))
        });
        let each: Map<String, Json> = each.collect();
        body.insert("routing_table".to_owned(), json!({ "indices": each }));
    }
    reply::json(&call, Json::Object(body))
}

/// `GET /_cluster/pending_tasks`: changes are made at once.
async fn pending(_: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["local", "master_timeout"]])?;
    reply::json(&call, json!({ "tasks": [] }))
}
