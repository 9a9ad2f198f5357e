//! How do indexes get old? Lifecycle policies, and what they say of an index.

use axum::Router;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::{cluster, lifecycle, stream};
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::templates::{MASTER_PARAMS, acknowledged};
use super::{Api, endpoint, reply};

pub(super) fn routes() -> Router<Api> {
    let (get, put) = (MethodFilter::GET, MethodFilter::PUT);
    let (post, delete) = (MethodFilter::POST, MethodFilter::DELETE);
    let policy = endpoint(get, "ilm", show)
        .merge(endpoint(put, "ilm", set))
        .merge(endpoint(delete, "ilm", unset));
    Router::new()
        .route("/_ilm/policy", endpoint(get, "ilm", show))
        .route("/_ilm/policy/{name}", policy)
        .route("/_ilm/status", endpoint(get, "ilm", status))
        .route("/_ilm/start", endpoint(post, "ilm", |api, call| switch(api, call, "RUNNING")))
        .route("/_ilm/stop", endpoint(post, "ilm", |api, call| switch(api, call, "STOPPED")))
        .route("/{index}/_ilm/explain", endpoint(get, "ilm", explain))
}

fn labels(api: &Api) -> std::sync::Arc<Vec<String>> {
    Indexes::of(api, &api.searcher.snapshot(&api.tenant())).known.names
}

async fn show(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let names = call.part_list("name");
    let shown = lifecycle::shown(&api.registry.state(), &labels(&api), &names)?;
    reply::json(&call, shown)
}

async fn set(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let (name, body) = (call.part("name").to_owned(), call.required_json()?);
    api.update(move |draft| lifecycle::put(draft, &name, body)).await?;
    acknowledged(&call)
}

async fn unset(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let (name, labels) = (call.part("name").to_owned(), labels(&api));
    api.update(move |draft| lifecycle::delete(draft, &labels, &name)).await?;
    acknowledged(&call)
}

async fn status(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let running = lifecycle::is_running(&api.registry.state());
    let mode = if running { "RUNNING" } else { "STOPPED" };
    reply::json(&call, json!({ "operation_mode": mode }))
}

async fn switch(api: Api, call: Call, mode: &'static str) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    api.update(move |draft| cluster::set(draft, lifecycle::MODE, mode)).await?;
    acknowledged(&call)
}

/// A span of time as Elasticsearch shows it.
pub(super) fn age(ms: i64) -> String {
    let ms_f = ms as f64;
    for (unit, size) in [("d", 86_400_000.0), ("h", 3_600_000.0), ("m", 60_000.0), ("s", 1_000.0)] {
        if ms_f >= size {
            let value = (ms_f / size * 100.0).round() / 100.0;
            return format!("{value}{unit}");
        }
    }
    format!("{ms}ms")
}

/// `GET /{index}/_ilm/explain`.
async fn explain(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["only_managed", "only_errors"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS, &known])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.found(&call.indexes, Lookup::about_all(&call.params)?)?;
    let only_managed = call.params.flag("only_managed")?.unwrap_or(false);
    let only_errors = call.params.flag("only_errors")?.unwrap_or(false);
    let (state, now) = (&indexes.state, api.now().millis());
    let mut out = Map::new();
    for name in found.into_keys() {
        let of = state.stream_of(&name).unwrap_or(&name);
        let Some(policy) = stream::policy_of(state, of) else {
            if !only_managed && !only_errors {
                out.insert(name.clone(), json!({ "index": name, "managed": false }));
            }
            continue;
        };
        let missing = state.policy(&policy).is_none();
        if only_errors && !missing {
            continue;
        }
        let mut about = json!({ "index": name, "managed": true, "policy": policy });
        if let Some(created) = super::made::created_ms(state, &name) {
            let since = (now - created).max(0);
            about["index_creation_date_millis"] = created.into();
            about["time_since_index_creation"] = age(since).into();
            about["lifecycle_date_millis"] = created.into();
            about["age"] = age(since).into();
            about["phase"] = "hot".into();
            about["phase_time_millis"] = created.into();
            about["action"] = "complete".into();
            about["action_time_millis"] = created.into();
            about["step"] = "complete".into();
            about["step_time_millis"] = created.into();
        }
        if missing {
            let reason = format!("policy [{policy}] does not exist");
            about["step"] = "ERROR".into();
            about["step_info"] = json!({ "type": "illegal_argument_exception", "reason": reason });
        }
        out.insert(name, about);
    }
    reply::json(&call, json!({ "indices": Json::Object(out) }))
}
