//! What do the records look like? `_mapping` and `_field_caps`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::response::Response;
use index::read::Snapshot;
use meta::state::State;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::fields::{self, FieldType, Fields};
use super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::{Api, reply};
use crate::plan::glob;

/// Deeper names stay one dotted name, so that no client or we overflow on the nesting.
const OBJECT_DEPTH_MAX: usize = 40;
/// Most fields of the mappings in one answer.
const FIELDS_MAX: usize = 500_000;

/// The fields of indexes, read off the runtime.
pub(super) async fn read_fields(
    api: &Api,
    snapshot: Snapshot,
    names: &BTreeSet<String>,
) -> Result<Fields, ApiError> {
    let (names, cache) = (names.clone(), api.fields.clone());
    let read = tokio::task::spawn_blocking(move || fields::fields(&cache, &snapshot, &names));
    read.await.map_err(|e| ApiError::internal(&e))?
}

/// The mappings of indexes: what clients declared, and the other fields that there are.
pub(super) async fn all(
    api: &Api,
    snapshot: Snapshot,
    state: &Arc<State>,
    names: &BTreeSet<String>,
) -> Result<Map<String, Json>, ApiError> {
    // An index without records has the fields that were declared.
    let known = api.known.of(&snapshot);
    let full: BTreeSet<String> =
        names.iter().filter(|name| known.stats(name).docs > 0).cloned().collect();
    let fields = read_fields(api, snapshot, &full).await?;
    let (state, names) = (state.clone(), names.clone());
    let made = tokio::task::spawn_blocking(move || {
        let mut out = Map::new();
        let mut count = 0;
        for name in names {
            let mapping = Json::Object(mapping_of(&state, &fields, &name));
            leaves(&mapping, &mut String::new(), &mut |_, _, _| count += 1);
            if count > FIELDS_MAX {
                return Err(ApiError::new(
                    429,
                    "circuit_breaking_exception",
                    format!(
                        "the mappings of these indexes have more than {FIELDS_MAX} fields \
                         together; name fewer indexes"
                    ),
                ));
            }
            out.insert(name, mapping);
        }
        Ok(out)
    });
    made.await.map_err(|e| ApiError::internal(&e))?
}

/// What clients declared of an index, and the other fields that it has.
fn mapping_of(state: &State, fields: &Fields, name: &str) -> Map<String, Json> {
    let mut out = state.mappings_of(name);
    let declared = match out.remove("properties") {
        Some(Json::Object(declared)) => declared,
        _ => Map::new(),
    };
    let properties = properties(declared, fields.of_index(name));
    if !properties.is_empty() {
        out.insert("properties".to_owned(), Json::Object(properties));
    }
    out
}

/// Declared fields, and the others of an index, as nested objects.
pub(super) fn properties<'f>(
    declared: Map<String, Json>,
    fields: impl Iterator<Item = (&'f str, FieldType)>,
) -> Map<String, Json> {
    let mut root = declared;
    fields.for_each(|(path, ty)| insert(&mut root, path, ty));
    root
}

/// `GET /_mapping`, `GET /{index}/_mapping`.
pub(super) async fn mapping(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &["local", "master_timeout", "timeout"]])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(&api, &snapshot);
    let found = indexes.found(&call.indexes, Lookup::about(&call.params)?)?;
    let names: BTreeSet<String> = found.into_keys().collect();
    let mappings = all(&api, snapshot, &indexes.state, &names).await?;
    let out = mappings.into_iter().map(|(name, m)| (name, json!({ "mappings": m })));
    reply::json(&call, Json::Object(out.collect()))
}

/// `GET /_mapping/field/{fields}`, `GET /{index}/_mapping/field/{fields}`.
pub(super) async fn field(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["local", "master_timeout", "timeout", "include_defaults"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(&api, &snapshot);
    let found = indexes.found(&call.indexes, Lookup::about(&call.params)?)?;
    let names: BTreeSet<String> = found.into_keys().collect();
    let wanted = call.part_list("fields");
    let mut out = Map::new();
    for (name, mapping) in all(&api, snapshot, &indexes.state, &names).await? {
        let mut fields = Map::new();
        leaves(&mapping, &mut String::new(), &mut |path, leaf, definition| {
            if wanted.iter().any(|w| glob(w, path)) {
                let about = json!({ "full_name": path, "mapping": { leaf: definition } });
                fields.insert(path.to_owned(), about);
            }
        });
        out.insert(name, json!({ "mappings": fields }));
    }
    reply::json(&call, Json::Object(out))
}

/// Whether the mapping that clients gave one of the indexes has a field.
pub(super) fn declares(state: &State, names: &BTreeSet<String>, field: &str) -> bool {
    names.iter().any(|name| {
        let mut found = false;
        let mapping = Json::Object(state.mappings_of(name));
        leaves(&mapping, &mut String::new(), &mut |path, _, _| found |= path == field);
        found
    })
}

/// Visits every field of a mapping that is not an object: path, last part, definition.
pub(super) fn leaves(mapping: &Json, path: &mut String, visit: &mut impl FnMut(&str, &str, &Json)) {
    for inside in ["properties", "fields"] {
        let Some(Json::Object(fields)) = mapping.get(inside) else { continue };
        for (name, definition) in fields {
            let before = path.len();
            if before > 0 {
                path.push('.');
            }
            path.push_str(name);
            if definition.get("properties").is_none() && definition.get("type").is_some() {
                visit(path, name, definition);
            }
            leaves(definition, path, visit);
            path.truncate(before);
        }
    }
}

/// Puts a field into nested objects, where it is not declared. A name that is both a value and an
/// object keeps its type; the fields inside of it then stand beside it under dotted names.
fn insert(root: &mut Map<String, Json>, path: &str, ty: FieldType) {
    let leaf = json!({ "type": ty.name() });
    let parts: Vec<&str> = path.split('.').collect();
    if parts.len() > OBJECT_DEPTH_MAX || parts.iter().any(|p| p.is_empty()) {
        root.entry(path.to_owned()).or_insert(leaf);
        return;
    }
    let mut at = root;
    for (depth, part) in parts[..parts.len() - 1].iter().enumerate() {
        let found = at.get(*part);
        let ty = found.and_then(|node| node.get("type")).and_then(Json::as_str);
        let closed = found.is_some_and(|node| node.get("enabled").is_some());
        if closed || matches!(ty, Some("flattened" | "geo_point")) {
            // What is inside of it is no field.
            return;
        }
        if ty.is_some_and(|ty| ty != "object" && ty != "nested") {
            // Paths come in order, so the value `a` is there before `a.b`.
            at.entry(parts[depth..].join(".")).or_insert(leaf);
            return;
        }
        let node = at.entry((*part).to_owned()).or_insert_with(|| json!({ "properties": {} }));
        if node.get("properties").is_none() {
            node["properties"] = json!({});
        }
        match node.get_mut("properties").and_then(Json::as_object_mut) {
            Some(inner) => at = inner,
            None => return,
        }
    }
    at.entry(parts[parts.len() - 1].to_owned()).or_insert(leaf);
}
