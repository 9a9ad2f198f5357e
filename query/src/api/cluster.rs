//! Who answers here? The endpoints that clients ask before they search.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, Indexes, LOOKUP_PARAMS, Lookup};
use super::{Api, reply};

/// Elasticsearch tells when it was built; we do not.
pub(super) const BUILD_DATE: &str = "1970-01-01T00:00:00.000Z";

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
                "build_date": BUILD_DATE,
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

/// Whether a number of nodes or shards is what is waited for: `3`, `>=3`, `ge(3)`.
fn is_reached(text: &str, number: u64) -> Option<bool> {
    let text = text.trim();
    let of = |rest: &str| rest.trim().trim_end_matches(')').parse::<u64>().ok();
    for (sign, word, holds) in [
        (">=", "ge(", (|a, b| a >= b) as fn(u64, u64) -> bool),
        ("<=", "le(", |a, b| a <= b),
        (">", "gt(", |a, b| a > b),
        ("<", "lt(", |a, b| a < b),
    ] {
        if let Some(rest) = text.strip_prefix(sign).or_else(|| text.strip_prefix(word)) {
            return of(rest).map(|wanted| holds(number, wanted));
        }
    }
    of(text).map(|wanted| number == wanted)
}

/// Whether all that a request waits for is there. What is not will not come: there is one node, and
/// every index is whole.
fn waits_are_over(call: &Call, shards: u64) -> Result<bool, ApiError> {
    let mut over = true;
    if let Some(nodes) = call.params.get("wait_for_nodes") {
        over &= is_reached(nodes, 1)
            .ok_or_else(|| ApiError::illegal(format!("cannot read [wait_for_nodes] [{nodes}]")))?;
    }
    match call.params.get("wait_for_active_shards") {
        None | Some("all") => {}
        Some(text) => {
            let wanted = text
                .parse::<u64>()
                .map_err(|_| ApiError::illegal(format!("cannot parse ActiveShardCount[{text}]")))?;
            over &= shards >= wanted;
        }
    }
    match call.params.get("wait_for_status").map(str::to_ascii_lowercase).as_deref() {
        None | Some("green" | "yellow" | "red") => {}
        Some(other) => {
            return Err(ApiError::illegal(format!("unknown cluster health status [{other}]")));
        }
    }
    match call.params.get("wait_for_events").map(str::to_ascii_lowercase).as_deref() {
        None | Some("immediate" | "urgent" | "high" | "normal" | "low" | "languid") => {}
        Some(other) => {
            return Err(ApiError::illegal(format!("No enum constant for priority [{other}]")));
        }
    }
    call.params.flag("wait_for_no_initializing_shards")?;
    call.params.flag("wait_for_no_relocating_shards")?;
    Ok(over)
}

/// `GET /_cluster/health`, `GET /_cluster/health/{index}`.
pub(super) async fn health(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "level",
        "local",
        "master_timeout",
        "return_200_for_cluster_health_timeout",
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
    let indexes = Indexes::of(&api, &snapshot);
    // A missing index is no error here: Elasticsearch waits for it, then says so.
    let mut lookup = Lookup { ignore_unavailable: true, ..Lookup::about_all(&call.params)? };
    if call.indexes.is_empty() {
        lookup.expand.hidden = true;
    }
    let found = indexes.found(&call.indexes, lookup)?;
    let view = indexes.view();
    let is_there = |name: &String| {
        view.has_index(name)
            || indexes.state.stream(name).is_some()
            || !view.behind(name).is_empty()
    };
    let missing = call.indexes.iter().any(|name| {
        let dated = meta::resolve_date_name(name, api.now());
        meta::names::is_name(name) && !dated.as_ref().is_ok_and(is_there)
    });
    let waited = missing || !waits_are_over(&call, found.len() as u64)?;
    let quiet = call.params.flag("return_200_for_cluster_health_timeout")?.unwrap_or(false);
    let status = match waited && !quiet {
        true => StatusCode::REQUEST_TIMEOUT,
        false => StatusCode::OK,
    };
    let mut body = json!({
        "cluster_name": api.settings.cluster_name,
        "status": if missing { "red" } else { "green" },
        "timed_out": waited,
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
        let each = found.keys().map(|name| (name.clone(), health_of_index()));
        body["indices"] = Json::Object(each.collect());
    }
    reply::shaped(&call, status, body)
}

fn health_of_index() -> Json {
    json!({
        "status": "green",
        "number_of_shards": 1,
        "number_of_replicas": 0,
        "active_primary_shards": 1,
        "active_shards": 1,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
    })
}

/// `POST|GET /_refresh`, `/{index}/_refresh`: all that is acknowledged is searchable already.
pub(super) async fn refresh(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let found = indexes::resolve(&api, &snapshot, &call.indexes, Lookup::about(&call.params)?)?;
    let shards = json!({ "total": found.len(), "successful": found.len(), "failed": 0 });
    reply::json(&call, json!({ "_shards": shards }))
}
