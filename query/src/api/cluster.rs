//! Who answers here? The endpoints that clients ask before they search.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::{Api, reply};

/// `GET /`, `HEAD /`.
pub(super) async fn root(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    let major = api.settings.version.split('.').next().unwrap_or("8");
    let (wire, index) = match major.parse::<u32>() {
        Ok(major) if major > 0 => (format!("{}.17.0", major - 1), format!("{}.0.0", major - 1)),
        _ => ("7.17.0".to_owned(), "7.0.0".to_owned()),
    };
    reply::json(
        &call,
        json!({
            "name": api.settings.cluster_name,
            "cluster_name": api.settings.cluster_name,
            "cluster_uuid": api.cluster_uuid,
            "version": {
                "number": api.settings.version,
                "build_flavor": "default",
                "build_type": "logdrive",
                "build_hash": env!("CARGO_PKG_VERSION"),
                "build_date": "1970-01-01T00:00:00.000Z",
                "build_snapshot": false,
                "lucene_version": "9.12.0",
                "minimum_wire_compatibility_version": wire,
                "minimum_index_compatibility_version": index,
            },
            "tagline": "You Know, for Search",
        }),
    )
}

/// `GET /_license`.
pub(super) async fn license(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["local", "accept_enterprise"]])?;
    reply::json(
        &call,
        json!({
            "license": {
                "status": "active",
                "uid": api.cluster_uuid,
                "type": "basic",
                "issue_date": "1970-01-01T00:00:00.000Z",
                "issue_date_in_millis": 0,
                "max_nodes": Json::Null,
                "issued_to": api.settings.cluster_name,
                "issuer": "logdrive",
                "start_date_in_millis": -1,
            },
        }),
    )
}

/// `GET /_cluster/health`, `GET /_cluster/health/{index}`. What it waits for is always there.
pub(super) async fn health(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "level",
        "local",
        "master_timeout",
        "timeout",
        "wait_for_active_shards",
        "wait_for_events",
        "wait_for_no_initializing_shards",
        "wait_for_no_relocating_shards",
        "wait_for_nodes",
        "wait_for_status",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    // A missing index is no error here: Elasticsearch waits for it, then says so.
    let lookup = Lookup { ignore_unavailable: true, ..Lookup::about_all(&call.params)? };
    let found = indexes::resolve(&api, &snapshot, &call.indexes, lookup)?;
    let missing =
        call.indexes.iter().any(|name| indexes::is_name(name) && !found.contains_key(name));
    let status = if missing { StatusCode::REQUEST_TIMEOUT } else { StatusCode::OK };
    let mut body = json!({
        "cluster_name": api.settings.cluster_name,
        "status": if missing { "red" } else { "green" },
        "timed_out": missing,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": found.len(),
        "active_shards": found.len(),
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    });
    if matches!(call.params.get("level"), Some("indices" | "shards")) {
        let each = found.keys().map(|name| {
            let health = json!({
                "status": "green",
                "number_of_shards": 1,
                "number_of_replicas": 0,
                "active_primary_shards": 1,
                "active_shards": 1,
                "relocating_shards": 0,
                "initializing_shards": 0,
                "unassigned_shards": 0,
            });
            (name.clone(), health)
        });
        body["indices"] = Json::Object(each.collect());
    }
    reply::shaped(&call, status, body)
}

/// `POST|GET /_refresh`, `/{index}/_refresh`: all that is acknowledged is searchable already.
pub(super) async fn refresh(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let found = indexes::resolve(&api, &snapshot, &call.indexes, Lookup::about(&call.params)?)?;
    let shards = json!({ "total": found.len(), "successful": found.len(), "failed": 0 });
    reply::json(&call, json!({ "_shards": shards }))
}
