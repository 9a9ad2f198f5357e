//! What do new indexes begin with? Index, component and legacy templates.

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::template;
use model::meta::MetaKind;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::{Api, endpoint, reply};

/// Parameters that change no answer.
pub(super) const MASTER_PARAMS: [&str; 4] = ["master_timeout", "timeout", "local", "cause"];

pub(super) fn acknowledged(call: &Call) -> Result<Response, ApiError> {
    reply::json(call, json!({ "acknowledged": true }))
}

pub(super) fn routes() -> Router<Api> {
    let get = MethodFilter::GET;
    let post = MethodFilter::POST;
    let put = MethodFilter::PUT.or(post);
    let delete = MethodFilter::DELETE;
    let mut router = Router::new();
    for (path, kind) in [
        ("/_index_template", MetaKind::IndexTemplate),
        ("/_component_template", MetaKind::ComponentTemplate),
        ("/_template", MetaKind::LegacyTemplate),
    ] {
        let read = endpoint(get, "template", move |api, call| show(api, call, kind));
        let name = endpoint(get, "template", move |api, call| show(api, call, kind))
            .merge(endpoint(put, "template", move |api, call| set(api, call, kind)))
            .merge(endpoint(delete, "template", move |api, call| unset(api, call, kind)));
        router = router.route(path, read).route(&format!("{path}/{{name}}"), name);
    }
    router
        .route(
            "/_index_template/_simulate_index/{name}",
            endpoint(post, "template", simulate_index),
        )
        .route("/_index_template/_simulate/{name}", endpoint(post, "template", simulate))
        .route("/_index_template/_simulate", endpoint(post, "template", simulate))
}

/// A list of rows under a key, each with its name.
fn listed(found: Vec<(String, Json)>, list: &str, inside: &str) -> Json {
    let each = found.into_iter().map(|(name, body)| json!({ "name": name, inside: body }));
    json!({ list: each.collect::<Vec<_>>() })
}

async fn show(api: Api, call: Call, kind: MetaKind) -> Result<Response, ApiError> {
    let known = ["flat_settings", "include_defaults"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &known])?;
    let flat = call.params.flag("flat_settings")?.unwrap_or(false);
    let names = call.part_list("name");
    let state = api.registry.state();
    let mut found: Vec<(String, Json)> =
        state.matching(kind, &names).map(|(name, entry)| (name.to_owned(), entry.json())).collect();
    if flat {
        found.iter_mut().for_each(|(_, body)| flatten(body, kind));
    }
    let missing = names.iter().find(|n| !n.contains('*') && state.get(kind, n).is_none());
    match kind {
        MetaKind::LegacyTemplate => {
            let status = match found.is_empty() && missing.is_some() {
                true => StatusCode::NOT_FOUND,
                false => StatusCode::OK,
            };
            reply::shaped(&call, status, Json::Object(found.into_iter().collect()))
        }
        kind => {
            let (list, inside) = match kind {
                MetaKind::IndexTemplate => ("index_templates", "index_template"),
                _ => ("component_templates", "component_template"),
            };
            if let Some(name) = missing {
                let what = inside.replace('_', " ");
                let reason = format!("{what} matching [{name}] not found");
                return Err(ApiError::new(404, "resource_not_found_exception", reason));
            }
            reply::json(&call, listed(found, list, inside))
        }
    }
}

fn flatten(body: &mut Json, kind: MetaKind) {
    let at = match kind {
        MetaKind::LegacyTemplate => body.get_mut("settings"),
        _ => body.pointer_mut("/template/settings"),
    };
    if let Some(settings) = at
        && let Ok(flat) = meta::settings::Flat::plain(settings)
    {
        *settings = flat.flat();
    }
}

async fn set(api: Api, call: Call, kind: MetaKind) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["create", "order"]])?;
    let create = call.params.flag("create")?.unwrap_or(false);
    let order = match call.params.get("order") {
        None => None,
        Some(order) => Some(order.parse::<i64>().map_err(|_| {
            ApiError::illegal(format!("Failed to parse int parameter [order] with value [{order}]"))
        })?),
    };
    let (name, body) = (call.part("name").to_owned(), call.required_json()?);
    let change = move |draft: &mut meta::registry::Draft| match kind {
        MetaKind::IndexTemplate => template::put(draft, &name, body, create),
        MetaKind::ComponentTemplate => template::put_component(draft, &name, body, create),
        _ => template::put_legacy(draft, &name, body, (create, order)),
    };
    api.update(change).await?;
    acknowledged(&call)
}

async fn unset(api: Api, call: Call, kind: MetaKind) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let names = call.part_list("name");
    api.update(move |draft| template::delete(draft, kind, &names)).await?;
    acknowledged(&call)
}

/// `POST /_index_template/_simulate_index/{name}`; a template of the body is taken as there.
async fn simulate_index(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["create", "include_defaults"]])?;
    let mut draft = api.registry.draft();
    if let Some(body) = call.json()? {
        let name = "simulate_template";
        let body = template::checked(&draft, name, body)?;
        draft.put(MetaKind::IndexTemplate, name, &body)?;
    }
    let index = call.part("name");
    if draft.state().template_for(index).is_none() {
        return reply::json(&call, json!({}));
    }
    reply::json(&call, template::simulated(&draft, index, None))
}

/// `POST /_index_template/_simulate[/{name}]`: what a template, or one of the body, stands for.
async fn simulate(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &["create", "include_defaults"]])?;
    let mut draft = api.registry.draft();
    let given = call.part("name").to_owned();
    let (name, mut body) = match call.json()? {
        Some(body) => {
            let name = if given.is_empty() { "simulate_template".to_owned() } else { given };
            let body = template::checked(&draft, &name, body)?;
            (name, body)
        }
        None => {
            let found = draft.state().get(MetaKind::IndexTemplate, &given).map(|e| e.json());
            let missing = || {
                ApiError::illegal(format!(
                    "unable to simulate template [{given}] that does not exist"
                ))
            };
            let body = found.ok_or_else(missing)?;
            (given, body)
        }
    };
    // A name that no other template can mean, and that this one is first for.
    let probe = "\u{1}simulated";
    let patterns = body["index_patterns"].take();
    body["index_patterns"] = json!([probe]);
    body["priority"] = json!(i64::MAX);
    draft.put(MetaKind::IndexTemplate, &name, &body)?;
    let mut out = template::simulated(&draft, probe, Some(&name));
    let patterns: Vec<&str> =
        patterns.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let others = draft.state().templates().filter(|(own, t)| {
        *own != name
            && t.patterns.iter().any(|a| patterns.iter().any(|b| meta::pattern::overlap(a, b)))
    });
    let others = others.map(|(own, t)| json!({ "name": own, "index_patterns": t.patterns }));
    out["overlapping"] = others.collect();
    let Json::Object(out) = out else { return reply::json(&call, Json::Object(Map::new())) };
    reply::json(&call, Json::Object(out))
}
