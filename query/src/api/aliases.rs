//! Which other names do indexes have? Showing, adding and taking away aliases.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::alias::{self, AliasSpec};
use meta::names::{Expand, View};
use meta::pattern::glob;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::templates::{MASTER_PARAMS, acknowledged};
use super::{Api, endpoint, made, reply};

pub(super) fn routes() -> Router<Api> {
    let (get, post) = (MethodFilter::GET, MethodFilter::POST);
    let put = MethodFilter::PUT.or(post);
    let delete = MethodFilter::DELETE;
    let all = endpoint(get, "alias", show).merge(endpoint(post, "alias", update));
    let one = || {
        endpoint(get, "alias", show)
            .merge(endpoint(put, "alias", set))
            .merge(endpoint(delete, "alias", unset))
    };
    Router::new()
        .route("/_alias", endpoint(get, "alias", show))
        .route("/_alias/{name}", endpoint(get, "alias", show))
        .route("/_aliases", all)
        .route("/{index}/_alias", endpoint(get, "alias", show))
        .route("/{index}/_alias/{name}", one())
        .route("/{index}/_aliases/{name}", one())
}

/// The aliases of an index or data stream.
pub(super) fn of(view: &View<'_>, name: &str) -> BTreeMap<String, AliasSpec> {
    match view.state.stream(name) {
        Some(stream) => stream.aliases.clone(),
        None => view.state.aliases_of(name),
    }
}

/// An object of aliases, as answers show it.
pub(super) fn object(aliases: BTreeMap<String, AliasSpec>) -> Json {
    Json::Object(aliases.into_iter().map(|(name, spec)| (name, spec.json())).collect())
}

async fn show(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let view = indexes.view();
    let mut lookup = Lookup::about(&call.params)?;
    if call.params.get("expand_wildcards").is_none() {
        lookup.expand = Expand { open: true, closed: true, hidden: true };
    }
    let found = indexes.found(&call.indexes, lookup)?;
    let wanted = call.part_list("name");
    let any = wanted.is_empty() || wanted.iter().any(|w| w == "_all" || w == "*");
    let meant = |alias: &str| {
        let mut yes = any;
        for pattern in &wanted {
            match pattern.strip_prefix('-') {
                Some(not) if glob(not, alias) => yes = false,
                Some(_) => {}
                None => yes |= glob(pattern, alias),
            }
        }
        yes
    };
    let mut out = Map::new();
    let mut seen = Vec::new();
    let mut owners: Vec<String> = found.keys().cloned().collect();
    let streams: std::collections::BTreeSet<&str> =
        found.keys().filter_map(|name| view.state.stream_of(name)).collect();
    owners.extend(streams.into_iter().map(str::to_owned));
    for name in owners {
        let mut aliases = of(&view, &name);
        aliases.retain(|alias, _| meant(alias));
        let plain = view.state.stream(&name).is_none() && wanted.is_empty();
        if !aliases.is_empty() || plain {
            seen.extend(aliases.keys().cloned());
            out.insert(name, json!({ "aliases": object(aliases) }));
        }
    }
    let explicit =
        wanted.iter().filter(|w| !w.contains('*') && !w.starts_with('-') && *w != "_all");
    let missing: Vec<&str> = explicit.filter(|w| !seen.contains(w)).map(String::as_str).collect();
    if missing.is_empty() {
        return reply::json(&call, Json::Object(out));
    }
    let what = if missing.len() == 1 { "alias" } else { "aliases" };
    let mut body = Map::new();
    body.insert("error".to_owned(), format!("{what} [{}] missing", missing.join(",")).into());
    body.insert("status".to_owned(), 404.into());
    body.extend(out);
    reply::shaped(&call, StatusCode::NOT_FOUND, Json::Object(body))
}

/// Makes the changes of an `_aliases` body.
async fn change(api: &Api, body: Json) -> Result<(), ApiError> {
    let labels = Indexes::of(api, &api.searcher.snapshot(&api.tenant())).known.names;
    // Asked without changing anything: the records must be gone before the names are.
    let gone = alias::update(&mut api.registry.draft(), &labels, body.clone())?;
    if !gone.is_empty() {
        made::delete_indices(api, gone.clone()).await?;
    }
    let labels: Vec<String> = labels.iter().filter(|l| !gone.contains(l)).cloned().collect();
    let body = match gone.is_empty() {
        true => body,
        false => without_removals(body),
    };
    if body["actions"].as_array().is_some_and(Vec::is_empty) {
        return Ok(());
    }
    api.update(move |draft| alias::update(draft, &labels, body).map(|_| ())).await
}

fn without_removals(mut body: Json) -> Json {
    if let Some(actions) = body["actions"].as_array_mut() {
        actions.retain(|action| action.get("remove_index").is_none());
    }
    body
}

async fn update(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    change(&api, call.required_json()?).await?;
    acknowledged(&call)
}

async fn set(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let body = alias::put_action(&call.indexes, call.part("name"), call.json()?)?;
    change(&api, body).await?;
    acknowledged(&call)
}

async fn unset(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    change(&api, alias::delete_action(&call.indexes, &call.part_list("name"))).await?;
    acknowledged(&call)
}
