//! What is the document of this `_id`? `_doc`, `_source` and `_mget`.

use std::collections::{BTreeMap, HashMap};

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::MethodFilter;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::filter::filter_source;
use super::indexes::{self, Indexes, Lookup};
use super::params::Params;
use super::{Api, endpoint, reply};
use crate::answer::Hit;
use crate::ast::Query;
use crate::request::{SearchRequest, SortBy, SortKey, SourceFilter, TrackTotal};

const PARAMS: [&str; 13] = [
    "_source",
    "_source_includes",
    "_source_excludes",
    "_source_include",
    "_source_exclude",
    "stored_fields",
    "preference",
    "realtime",
    "refresh",
    "routing",
    "version",
    "version_type",
    "force_synthetic_source",
];

pub(super) fn routes() -> Router<Api> {
    let get = MethodFilter::GET;
    let both = get.or(MethodFilter::POST);
    Router::new()
        .route("/{index}/_doc/{id}", endpoint(get, "get", document))
        .route("/{index}/_source/{id}", endpoint(get, "get", source))
        .route("/_mget", endpoint(both, "mget", several))
        .route("/{index}/_mget", endpoint(both, "mget", several))
}

/// What of the source the URL wants.
fn filter_of(params: &Params) -> SourceFilter {
    let mut out = SourceFilter::default();
    match params.get("_source") {
        None | Some("true" | "") => {}
        Some("false") => out.off = true,
        Some(_) => out.includes = params.list("_source"),
    }
    for name in ["_source_includes", "_source_include"] {
        out.includes.extend(params.list(name));
    }
    for name in ["_source_excludes", "_source_exclude"] {
        out.excludes.extend(params.list(name));
    }
    out
}

/// What of the source an item wants.
fn filter_of_item(value: &Json) -> Result<SourceFilter, ApiError> {
    let mut out = SourceFilter::default();
    let list = |value: &Json| -> Vec<String> {
        match value {
            Json::String(text) => vec![text.clone()],
            Json::Array(list) => list.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    match value {
        Json::Bool(on) => out.off = !on,
        Json::String(text) if text == "false" => out.off = true,
        Json::String(text) if text == "true" => {}
        Json::String(_) | Json::Array(_) => out.includes = list(value),
        Json::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "includes" | "include" => out.includes = list(value),
                    "excludes" | "exclude" => out.excludes = list(value),
                    _ => {
                        let reason = format!("unknown field [{key}] of [_source]");
                        return Err(ApiError::new(400, "parsing_exception", reason));
                    }
                }
            }
        }
        _ => return Err(ApiError::illegal("[_source] must be a boolean, a string or a list")),
    }
    Ok(out)
}

/// The newest record of each `_id` in the indexes that a name means.
async fn find(
    api: &Api,
    index: &str,
    ids: Vec<String>,
) -> Result<(String, HashMap<String, Hit>), ApiError> {
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(api, &snapshot);
    let patterns = [index.to_owned()];
    let found = indexes.found(&patterns, Lookup::default())?;
    let only = match found.len() {
        1 => found.keys().next().cloned().unwrap_or_default(),
        _ => index.to_owned(),
    };
    if found.len() > 1 && indexes.state.stream(index).is_none() {
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        return Err(ApiError::illegal(format!(
            "alias [{index}] has more than one index associated with it [{}], can't execute a \
             single index op",
            names.join(", ")
        )));
    }
    let newest = SortKey::new(SortBy::Sequence, true);
    let mut request = SearchRequest {
        indexes: patterns.to_vec(),
        size: ids.len(),
        query: Query::Ids(ids),
        sort: vec![newest],
        track_total: TrackTotal::None,
        ..SearchRequest::default()
    };
    indexes::aim(api, &snapshot, &mut request, Lookup::default())?;
    drop(snapshot);
    let answer = api.searcher.search(&api.tenant(), request).await?;
    super::hits::check_shards(&answer.shards, false)?;
    let mut out = HashMap::new();
    for hit in answer.hits {
        out.entry(hit.id.clone()).or_insert(hit);
    }
    Ok((only, out))
}

/// The source, filtered.
fn source_of(hit: &Hit, filter: &SourceFilter) -> Result<Json, ApiError> {
    let text = hit.source.as_deref().unwrap_or("{}");
    let document = serde_json::from_str(text).map_err(|e| ApiError::internal(&e))?;
    Ok(filter_source(document, filter))
}

/// A document as answers show it; `index` is told where it is not found.
fn shown(
    (index, id): (&str, &str),
    hit: Option<&Hit>,
    filter: &SourceFilter,
) -> Result<Json, ApiError> {
    let mut out = Map::new();
    let index = hit.map_or(index, |hit| hit.index.as_str());
    out.insert("_index".to_owned(), index.into());
    out.insert("_id".to_owned(), id.into());
    if let Some(hit) = hit {
        out.insert("_version".to_owned(), 1.into());
        out.insert("_seq_no".to_owned(), hit.seq.0.into());
        out.insert("_primary_term".to_owned(), 1.into());
    }
    out.insert("found".to_owned(), hit.is_some().into());
    if let Some(hit) = hit.filter(|_| !filter.off) {
        out.insert("_source".to_owned(), source_of(hit, filter)?);
    }
    Ok(Json::Object(out))
}

/// `GET|HEAD /{index}/_doc/{id}`.
async fn document(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&PARAMS])?;
    check_version(&call.params)?;
    let (index, id) = (call.part("index"), call.part("id"));
    let mut filter = filter_of(&call.params);
    if call.params.get("stored_fields").is_some() && call.params.get("_source").is_none() {
        filter.off = true;
    }
    let (only, found) = find(&api, index, vec![id.to_owned()]).await?;
    let hit = found.get(id);
    let status = if hit.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    reply::shaped(&call, status, shown((&only, id), hit, &filter)?)
}

/// Every document has version 1.
fn check_version(params: &Params) -> Result<(), ApiError> {
    match params.get("version") {
        None | Some("1") => Ok(()),
        Some(other) => Err(ApiError::new(
            409,
            "version_conflict_engine_exception",
            format!(
                "version conflict, current version [1] is different than the one provided [{other}]"
            ),
        )),
    }
}

/// `GET|HEAD /{index}/_source/{id}`.
async fn source(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&PARAMS])?;
    check_version(&call.params)?;
    let (index, id) = (call.part("index"), call.part("id"));
    let filter = filter_of(&call.params);
    if filter.off {
        let reason = "Validation Failed: 1: fetching source can not be disabled;";
        return Err(ApiError::new(400, "action_request_validation_exception", reason));
    }
    let (only, found) = find(&api, index, vec![id.to_owned()]).await?;
    let Some(hit) = found.get(id) else {
        let reason = format!("Document not found [{only}]/[{id}]");
        return Err(ApiError::new(404, "resource_not_found_exception", reason));
    };
    match call.method == Method::HEAD {
        true => reply::json(&call, json!({})),
        false => reply::json(&call, source_of(hit, &filter)?),
    }
}

/// One document that a `_mget` wants.
struct Item {
    index: String,
    id: String,
    filter: SourceFilter,
}

fn items(call: &Call) -> Result<Vec<Item>, ApiError> {
    let Json::Object(body) = call.required_json()? else {
        let reason = "unexpected token, expected an object";
        return Err(ApiError::new(400, "parsing_exception", reason));
    };
    let default = call.part("index");
    let filter = filter_of(&call.params);
    let mut out = Vec::new();
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    for (key, value) in &body {
        let list = value.as_array().ok_or_else(|| {
            let reason = format!("[{key}] must be a list");
            ApiError::new(400, "parsing_exception", reason)
        })?;
        match key.as_str() {
            "ids" => {
                for id in list.iter().filter_map(text) {
                    out.push(Item { index: default.to_owned(), id, filter: filter.clone() });
                }
            }
            "docs" => {
                for item in list {
                    out.push(one(item, default, &filter)?);
                }
            }
            _ => {
                let reason =
                    format!("unknown key [{key}] for a START_ARRAY, expected [docs] or [ids]");
                return Err(ApiError::new(400, "parsing_exception", reason));
            }
        }
    }
    let wrong = |what: &str| {
        let reason = format!("Validation Failed: 1: {what};");
        Err(ApiError::new(400, "action_request_validation_exception", reason))
    };
    if out.is_empty() {
        return wrong("no documents to get");
    }
    if out.iter().any(|item| item.index.is_empty()) {
        return wrong("index is missing for doc 0");
    }
    Ok(out)
}

fn one(item: &Json, default: &str, filter: &SourceFilter) -> Result<Item, ApiError> {
    let Json::Object(map) = item else {
        let reason = "docs array element should include an object";
        return Err(ApiError::new(400, "parsing_exception", reason));
    };
    let mut out = Item { index: default.to_owned(), id: String::new(), filter: filter.clone() };
    for (key, value) in map {
        match (key.as_str(), value) {
            ("_index", Json::String(index)) => out.index.clone_from(index),
            ("_id", Json::String(id)) => out.id.clone_from(id),
            ("_id", Json::Number(id)) => out.id = id.to_string(),
            ("_source", value) => out.filter = filter_of_item(value)?,
            (
                "routing" | "_routing" | "stored_fields" | "version" | "version_type" | "_type",
                _,
            ) => {}
            _ => {
                let reason = format!("unknown parameter [{key}] of a document to get");
                return Err(ApiError::new(400, "parsing_exception", reason));
            }
        }
    }
    if out.id.is_empty() {
        let reason = "Validation Failed: 1: id is missing for doc 0;";
        return Err(ApiError::new(400, "action_request_validation_exception", reason));
    }
    Ok(out)
}

/// `GET|POST /_mget`, `/{index}/_mget`: a search for each index.
async fn several(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&PARAMS])?;
    let items = items(&call)?;
    let most = api.settings.result_window_max;
    if items.len() > most {
        return Err(ApiError::illegal(format!(
            "[_mget] of {} documents: at most {most} (setting `query.api.result_window_max`)",
            items.len()
        )));
    }
    let mut by_index: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for item in &items {
        by_index.entry(&item.index).or_default().push(item.id.clone());
    }
    let mut found = BTreeMap::new();
    for (index, ids) in by_index {
        found.insert(index, find(&api, index, ids).await);
    }
    let mut docs = Vec::with_capacity(items.len());
    for item in &items {
        docs.push(match &found[item.index.as_str()] {
            Ok((only, hits)) => shown((only, &item.id), hits.get(&item.id), &item.filter)?,
            Err(error) => json!({ "_index": item.index, "_id": item.id, "error": error.json() }),
        });
    }
    reply::json(&call, json!({ "docs": docs }))
}
