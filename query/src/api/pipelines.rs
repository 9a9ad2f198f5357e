//! What is kept for clients as it is? Ingest pipelines, scripts and the cluster's settings.

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::{cluster, stored};
use model::meta::MetaKind;
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::templates::{MASTER_PARAMS, acknowledged};
use super::{Api, endpoint, reply};

pub(super) fn routes() -> Router<Api> {
    let (get, delete) = (MethodFilter::GET, MethodFilter::DELETE);
    let put = MethodFilter::PUT;
    let both = put.or(MethodFilter::POST);
    let pipeline = endpoint(get, "pipeline", show)
        .merge(endpoint(put, "pipeline", set))
        .merge(endpoint(delete, "pipeline", unset));
    let script = endpoint(get, "script", show_script)
        .merge(endpoint(both, "script", set_script))
        .merge(endpoint(delete, "script", unset_script));
    let settings = endpoint(get, "cluster_settings", settings).merge(endpoint(
        put,
        "cluster_settings",
        change,
    ));
    Router::new()
        .route("/_ingest/pipeline", endpoint(get, "pipeline", show))
        .route("/_ingest/pipeline/{name}", pipeline)
        .route("/_scripts/{name}", script)
        .route("/_cluster/settings", settings)
}

async fn show(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["summary"]])?;
    let summary = call.params.flag("summary")?.unwrap_or(false);
    let names = call.part_list("name");
    let state = api.registry.state();
    let found = state.matching(MetaKind::Pipeline, &names).map(|(name, entry)| {
        let body = if summary { json!({}) } else { entry.json() };
        (name.to_owned(), body)
    });
    let found: serde_json::Map<String, Json> = found.collect();
    let named = names.iter().any(|name| !name.contains('*'));
    let status = if found.is_empty() && named { StatusCode::NOT_FOUND } else { StatusCode::OK };
    reply::shaped(&call, status, Json::Object(found))
}

async fn set(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["if_version"]])?;
    let (name, body) = (call.part("name").to_owned(), call.required_json()?);
    api.update(move |draft| stored::put_pipeline(draft, &name, body)).await?;
    acknowledged(&call)
}

async fn unset(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let name = call.part("name").to_owned();
    api.update(move |draft| stored::delete_pipelines(draft, &name)).await?;
    acknowledged(&call)
}

async fn show_script(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let id = call.part("name");
    match api.registry.state().get(MetaKind::Script, id) {
        Some(entry) => {
            reply::json(&call, json!({ "_id": id, "found": true, "script": entry.json() }))
        }
        None => {
            let body = json!({ "_id": id, "found": false });
            reply::shaped(&call, StatusCode::NOT_FOUND, body)
        }
    }
}

async fn set_script(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["context"]])?;
    let (id, body) = (call.part("name").to_owned(), call.required_json()?);
    api.update(move |draft| stored::put_script(draft, &id, body)).await?;
    acknowledged(&call)
}

async fn unset_script(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let id = call.part("name").to_owned();
    api.update(move |draft| {
        if draft.state().get(MetaKind::Script, &id).is_none() {
            let reason = format!("stored script [{id}] does not exist and cannot be deleted");
            return Err(meta::Fault::new(404, "resource_not_found_exception", reason));
        }
        draft.delete(MetaKind::Script, &id);
        Ok(())
    })
    .await?;
    acknowledged(&call)
}

/// `GET /_cluster/settings`.
async fn settings(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["flat_settings", "include_defaults"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &known])?;
    let flat = call.params.flag("flat_settings")?.unwrap_or(false);
    let mut body = cluster::shown(&api.registry.state(), flat);
    if call.params.flag("include_defaults")?.unwrap_or(false) {
        let defaults = json!({
            "action.auto_create_index": "true",
            "action.destructive_requires_name": "true",
            "cluster.name": api.settings.cluster_name,
            "cluster.max_shards_per_node": "1000",
            "stack.templates.enabled": "true",
            "indices.lifecycle.history_index_enabled": "false",
        });
        let defaults = meta::settings::Flat::plain(&defaults)?;
        body["defaults"] = if flat { defaults.flat() } else { defaults.nested() };
    }
    reply::json(&call, body)
}

async fn change(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["flat_settings"]])?;
    let body = call.required_json()?;
    let changed = api.update(move |draft| cluster::put(draft, body)).await?;
    reply::json(&call, changed)
}
