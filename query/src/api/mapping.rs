//! What do the records look like? `_mapping` and `_field_caps`.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::fields::{self, FieldType, Fields};
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::{Api, reply};
use crate::elastic::{Reader, parse_json};
use crate::plan::glob;

/// Deeper names stay one dotted name, so that no client or we overflow on the nesting.
const OBJECT_DEPTH_MAX: usize = 40;

/// The fields of the indexes that a call means, read off the runtime.
async fn read(api: &Api, call: &Call) -> Result<(Vec<String>, Fields), ApiError> {
    let lookup = Lookup::of(&call.params)?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let found = indexes::resolve(&snapshot, &call.indexes, lookup)?;
    let names: BTreeSet<String> = found.into_keys().collect();
    let read = tokio::task::spawn_blocking(move || {
        let fields = fields::fields(&snapshot, &names)?;
        Ok((names.into_iter().collect(), fields))
    });
    read.await.map_err(|e| ApiError::internal(&e))?
}

/// `GET /_mapping`, `GET /{index}/_mapping`.
pub(super) async fn mapping(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &["local", "master_timeout", "timeout"]])?;
    let (names, fields) = read(&api, &call).await?;
    let mut out = Map::new();
    for name in names {
        let mapping = json!({ "mappings": { "properties": properties(&fields, &name) } });
        out.insert(name, mapping);
    }
    reply::json(&call, Json::Object(out))
}

/// The fields of an index as nested objects. A name that is both a value and an object keeps its
/// type; the fields inside of it then stand beside it under dotted names.
pub(super) fn properties(fields: &Fields, index: &str) -> Map<String, Json> {
    let mut root = Map::new();
    for (path, types) in fields {
        if let Some(ty) = types.get(index) {
            insert(&mut root, path, *ty);
        }
    }
    root
}

fn insert(root: &mut Map<String, Json>, path: &str, ty: FieldType) {
    let leaf = json!({ "type": ty.name() });
    let parts: Vec<&str> = path.split('.').collect();
    if parts.len() > OBJECT_DEPTH_MAX || parts.iter().any(|p| p.is_empty()) {
        root.insert(path.to_owned(), leaf);
        return;
    }
    let mut at = root;
    for (depth, part) in parts[..parts.len() - 1].iter().enumerate() {
        let value = at.get(*part).is_some_and(|node| node.get("type").is_some());
        if value {
            // Paths come in order, so the value `a` is there before `a.b`.
            at.insert(parts[depth..].join("."), leaf);
            return;
        }
        let node = at.entry((*part).to_owned()).or_insert_with(|| json!({ "properties": {} }));
        match node.get_mut("properties").and_then(Json::as_object_mut) {
            Some(inner) => at = inner,
            None => return,
        }
    }
    at.insert(parts[parts.len() - 1].to_owned(), leaf);
}

/// `GET|POST /_field_caps`, `/{index}/_field_caps`.
pub(super) async fn field_caps(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["fields", "include_unmapped", "filters", "types", "include_empty_fields"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let mut patterns = call.params.list("fields");
    if !call.body.iter().all(u8::is_ascii_whitespace) {
        patterns.extend(body_fields(&api, &call)?);
    }
    if patterns.is_empty() {
        return Err(ApiError::illegal("specified fields can't be null or empty"));
    }
    let types = call.params.list("types");
    let (names, fields) = read(&api, &call).await?;
    let mut out = Map::new();
    for (path, by_index) in &fields {
        if !patterns.iter().any(|p| glob(p, path)) {
            continue;
        }
        let caps = capabilities(by_index, &types);
        if !caps.is_empty() {
            out.insert(path.clone(), Json::Object(caps));
        }
    }
    for name in ["_id", "_index", "_source"] {
        if types.is_empty() && patterns.iter().any(|p| glob(p, name)) {
            let searched = name != "_source";
            let caps = json!({
                "type": name, "metadata_field": true, "searchable": searched, "aggregatable": false,
            });
            out.insert(name.to_owned(), json!({ name: caps }));
        }
    }
    reply::json(&call, json!({ "indices": names, "fields": out }))
}

/// The field patterns of a body; its `index_filter` must be a query, and leaves nothing out.
fn body_fields(api: &Api, call: &Call) -> Result<Vec<String>, ApiError> {
    let Json::Object(map) = parse_json(&call.body)? else {
        return Err(ApiError::illegal("the body of _field_caps must be an object"));
    };
    let mut out = Vec::new();
    for (key, value) in &map {
        match (key.as_str(), value) {
            ("fields", Json::String(field)) => out.push(field.clone()),
            ("fields", Json::Array(list)) => {
                out.extend(list.iter().filter_map(Json::as_str).map(str::to_owned));
            }
            // It may only thin out the indexes; to leave none out is always right.
            ("index_filter", query) => {
                Reader::new(api.now(), &api.settings).query(query)?;
            }
            ("runtime_mappings", Json::Object(map)) if map.is_empty() => {}
            _ => {
                let reason = format!("[field_caps] unknown field [{key}]");
                return Err(ApiError::new(400, "parsing_exception", reason));
            }
        }
    }
    Ok(out)
}

/// One entry per type; where there are several, each names its indexes.
fn capabilities(by_index: &BTreeMap<String, FieldType>, wanted: &[String]) -> Map<String, Json> {
    let mut by_type: BTreeMap<FieldType, Vec<&str>> = BTreeMap::new();
    for (index, ty) in by_index {
        by_type.entry(*ty).or_default().push(index);
    }
    let several = by_type.len() > 1;
    let mut out = Map::new();
    for (ty, indexes) in by_type {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == ty.name()) {
            continue;
        }
        let mut caps = json!({
            "type": ty.name(),
            "metadata_field": false,
            "searchable": true,
            "aggregatable": ty != FieldType::Text,
        });
        if several {
            caps["indices"] = json!(indexes);
        }
        out.insert(ty.name().to_owned(), caps);
    }
    out
}
