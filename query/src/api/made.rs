//! Which indexes did clients make by name? Making, showing, changing and deleting them.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::Method;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::names::is_name;
use meta::pattern::glob;
use meta::settings::Flat;
use meta::state::State;
use meta::template::merge_mappings;
use meta::{Fault, cluster, indices};
use model::id::IndexName;
use model::meta::MetaKind;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::delete::{self, Delete};
use super::error::ApiError;
use super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::templates::{MASTER_PARAMS, acknowledged};
use super::{Api, aliases, endpoint, mapping, reply};

pub(super) fn routes() -> Router<Api> {
    let (get, put) = (MethodFilter::GET, MethodFilter::PUT);
    let post = MethodFilter::POST;
    let index = endpoint(get, "index", show).merge(endpoint(put, "index", create)).merge(endpoint(
        MethodFilter::DELETE,
        "index",
        remove,
    ));
    let both = put.or(post);
    let mut router = Router::new()
        .route("/{index}", index)
        .route("/{index}/_open", endpoint(post, "index", |api, call| switch(api, call, false)))
        .route("/{index}/_close", endpoint(post, "index", |api, call| switch(api, call, true)))
        .route("/_settings/{name}", endpoint(get, "settings", settings))
        .route("/{index}/_settings/{name}", endpoint(get, "settings", settings));
    for path in ["/_settings", "/{index}/_settings"] {
        let both = endpoint(get, "settings", settings).merge(endpoint(put, "settings", set));
        router = router.route(path, both);
    }
    for path in ["/{index}/_mapping", "/{index}/_mappings"] {
        router = router.route(path, endpoint(both, "mapping", put_mapping));
    }
    router
}

/// When an index was made, if that is known.
pub(super) fn created_ms(state: &State, name: &str) -> Option<i64> {
    if let Some(index) = state.index(name).filter(|index| index.created) {
        return Some(index.created_ms);
    }
    let stream = state.stream(state.stream_of(name)?)?;
    stream.indices.iter().find(|i| i.name == name).map(|i| i.created_ms)
}

/// The settings of an index, with those that the server gives it.
pub(super) fn settings_of(api: &Api, state: &State, name: &str) -> Flat {
    let mut flat = state.settings_of(name);
    let mut give = |key: &str, value: String| {
        flat.0.entry(format!("index.{key}")).or_insert_with(|| value.into());
    };
    give("number_of_shards", "1".to_owned());
    give("number_of_replicas", "0".to_owned());
    give("provided_name", name.to_owned());
    give("uuid", api.registry.uuid(name));
    give("version.created", "8521000".to_owned());
    if let Some(created) = created_ms(state, name) {
        give("creation_date", created.to_string());
    }
    flat
}

/// `GET /{index}`, `HEAD /{index}`.
async fn show(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["features", "flat_settings", "include_defaults"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &MASTER_PARAMS, &known])?;
    if let Some(name) = call.indexes.iter().find(|n| n.starts_with('_') && *n != "_all") {
        return Err(ApiError::illegal(format!(
            "no handler found for uri [/{name}] and method [{}]",
            call.method
        )));
    }
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(&api, &snapshot);
    let found = indexes.found(&call.indexes, Lookup::about(&call.params)?)?;
    if call.method == Method::HEAD {
        let empty = found.is_empty() && !call.indexes.is_empty();
        let missing = || ApiError::no_such_index(&call.indexes.join(","));
        return if empty { Err(missing()) } else { reply::json(&call, json!({})) };
    }
    let names: BTreeSet<String> = found.into_keys().collect();
    let features = call.params.list("features");
    let shown = |feature: &str| features.is_empty() || features.iter().any(|f| f == feature);
    let flat = call.params.flag("flat_settings")?.unwrap_or(false);
    let mut mappings = match shown("mappings") {
        true => mapping::all(&api, snapshot, &indexes.state, &names).await?,
        false => Map::new(),
    };
    let mut out = Map::new();
    for name in names {
        let mut about = Map::new();
        if shown("aliases") {
            about.insert("aliases".into(), aliases::object(aliases::of(&indexes.view(), &name)));
        }
        if let Some(mapping) = mappings.remove(&name) {
            about.insert("mappings".to_owned(), mapping);
        }
        if shown("settings") {
            let settings = settings_of(&api, &indexes.state, &name);
            let settings = if flat { settings.flat() } else { settings.nested() };
            about.insert("settings".to_owned(), settings);
        }
        if let Some(stream) = indexes.state.stream_of(&name) {
            about.insert("data_stream".to_owned(), stream.into());
        }
        out.insert(name, Json::Object(about));
    }
    reply::json(&call, Json::Object(out))
}

/// `PUT /{index}`.
async fn create(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["wait_for_active_shards", "include_type_name"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &known])?;
    let given = call.part("index").to_owned();
    let name = meta::resolve_date_name(&given, api.now())?;
    let labels = Indexes::of(&api, &api.searcher.snapshot(&api.tenant())).known.names;
    let (body, made) = (call.json()?, name.clone());
    api.update(move |draft| {
        indices::create(draft, &labels, &name, body)?;
        if given != name {
            let mut entry = draft.index_entry(&name);
            let mut settings = entry.settings();
            settings.0.insert("index.provided_name".to_owned(), given.into());
            entry.set_settings(settings);
            draft.put(MetaKind::Index, &name, &entry)?;
        }
        Ok(())
    })
    .await?;
    let body = json!({ "acknowledged": true, "shards_acknowledged": true, "index": made });
    reply::json(&call, body)
}

/// Deletes the records of indexes, if they have any.
pub(super) async fn delete_records(api: &Api, names: Vec<String>) -> Result<(), ApiError> {
    let known = Indexes::of(api, &api.searcher.snapshot(&api.tenant())).known;
    let full: Vec<String> = names.into_iter().filter(|n| known.stats(n).docs > 0).collect();
    if full.is_empty() {
        return Ok(());
    }
    let indexes = full.into_iter().map(IndexName::new).collect();
    let (id, tenant) = (api.deletes.reserve(), api.tenant());
    delete::run(api, Delete { id, tenant, indexes, query: None, at: api.now() }).await?;
    Ok(())
}

/// Deletes indexes: first their records, then what was set of them.
pub(super) async fn delete_indices(api: &Api, names: Vec<String>) -> Result<(), ApiError> {
    let state = api.registry.state();
    for name in &names {
        let Some(of) = state.stream_of(name) else { continue };
        if state.stream(of).and_then(|s| s.write_index()) == Some(name) {
            return Err(ApiError::illegal(format!(
                "index [{name}] is the write index for data stream [{of}] and cannot be deleted"
            )));
        }
    }
    delete_records(api, names.clone()).await?;
    api.update(move |draft| {
        for name in &names {
            draft.delete(MetaKind::Index, name);
            let of = draft.state().stream_of(name).map(str::to_owned);
            let Some(of) = of else { continue };
            let Some(mut stream) = draft.state().stream(&of).cloned() else { continue };
            stream.indices.retain(|i| i.name != *name);
            draft.put(MetaKind::DataStream, &of, &stream)?;
        }
        Ok(())
    })
    .await
}

/// `DELETE /{index}`.
async fn remove(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &MASTER_PARAMS])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let wild = call.indexes.is_empty() || call.indexes.iter().any(|name| !is_name(name));
    if wild && cluster::destructive_requires_name(&indexes.state) {
        return Err(ApiError::illegal("Wildcard expressions or all indices are not allowed"));
    }
    let view = indexes.view();
    let mut lookup = Lookup::about_all(&call.params)?;
    let mut names = BTreeSet::new();
    for expression in &call.indexes {
        let name = meta::resolve_date_name(expression, api.now())?;
        if is_name(&name) && !view.has_index(&name) {
            if lookup.ignore_unavailable {
                continue;
            }
            if !view.behind(&name).is_empty() {
                return Err(ApiError::illegal(format!(
                    "The provided expression [{name}] matches an alias, specify the corresponding \
                     concrete indices instead."
                )));
            }
            return Err(ApiError::no_such_index(&name));
        }
    }
    lookup.ignore_unavailable = true;
    let plain: Vec<String> = view.indices().into_iter().map(str::to_owned).collect();
    let found = indexes.found(&call.indexes, lookup)?;
    // Wildcards mean indexes here, not what lies behind aliases and data streams.
    let named = |name: &str| call.indexes.iter().any(|e| e == name || e.starts_with('<'));
    let matched =
        |name: &str| call.indexes.iter().any(|e| e == "_all" || (e.contains('*') && glob(e, name)));
    names.extend(found.into_keys().filter(|n| plain.contains(n) && (named(n) || matched(n))));
    let names: Vec<String> =
        names.into_iter().filter(|n| named(n) || indexes.state.stream_of(n).is_none()).collect();
    delete_indices(&api, names).await?;
    acknowledged(&call)
}

/// `POST /{index}/_open`, `POST /{index}/_close`.
async fn switch(api: Api, call: Call, closed: bool) -> Result<Response, ApiError> {
    let known = ["wait_for_active_shards"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &MASTER_PARAMS, &known])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.found(&call.indexes, Lookup::about_all(&call.params)?)?;
    let names: Vec<String> = found.into_keys().collect();
    let changed = names.clone();
    api.update(move |draft| {
        for name in &changed {
            let mut entry = draft.index_entry(name);
            if entry.closed != closed {
                entry.closed = closed;
                draft.put(MetaKind::Index, name, &entry)?;
            }
        }
        Ok(())
    })
    .await?;
    let mut body = json!({ "acknowledged": true, "shards_acknowledged": true });
    if closed {
        let each = names.into_iter().map(|name| (name, json!({ "closed": true })));
        body["indices"] = Json::Object(each.collect());
    }
    reply::json(&call, body)
}

/// `GET /_settings`, `/{index}/_settings[/{name}]`.
async fn settings(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["flat_settings", "include_defaults"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &MASTER_PARAMS, &known])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.found(&call.indexes, Lookup::about_all(&call.params)?)?;
    let flat = call.params.flag("flat_settings")?.unwrap_or(false);
    let defaults = call.params.flag("include_defaults")?.unwrap_or(false);
    let wanted = call.part_list("name");
    let shown = |settings: Flat| if flat { settings.flat() } else { settings.nested() };
    let mut out = Map::new();
    for name in found.into_keys() {
        let mut settings = settings_of(&api, &indexes.state, &name);
        if !wanted.is_empty() {
            settings.0.retain(|key, _| wanted.iter().any(|w| w == "_all" || glob(w, key)));
            if settings.0.is_empty() {
                continue;
            }
        }
        let mut about = json!({ "settings": shown(settings) });
        if defaults {
            let given = json!({ "refresh_interval": "1s", "hidden": "false" });
            about["defaults"] = shown(Flat::of_index(&given)?);
        }
        out.insert(name, about);
    }
    reply::json(&call, Json::Object(out))
}

/// `PUT /{index}/_settings`.
async fn set(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["flat_settings", "preserve_existing", "reopen"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &MASTER_PARAMS, &known])?;
    let mut body = call.required_json()?;
    if let Some(inner) = body.get_mut("settings").filter(|s| s.is_object()) {
        body = inner.take();
    }
    let change = Flat::of_index(&body)?;
    let preserve = call.params.flag("preserve_existing")?.unwrap_or(false);
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.found(&call.indexes, Lookup::about_all(&call.params)?)?;
    api.update(move |draft| {
        for name in found.keys() {
            if change.0.contains_key("index.number_of_shards") {
                let uuid = draft.uuid(name);
                return Err(Fault::argument(format!(
                    "Can't update non dynamic settings [[index.number_of_shards]] for open \
                     indices [[{name}/{uuid}]]"
                )));
            }
            let mut entry = draft.index_entry(name);
            let mut settings = entry.settings();
            let mut own = change.clone();
            if preserve {
                let before = draft.state().settings_of(name);
                own.0.retain(|key, _| !before.0.contains_key(key));
            }
            settings.overlay(&own);
            entry.set_settings(settings);
            draft.put(MetaKind::Index, name, &entry)?;
        }
        Ok(())
    })
    .await?;
    acknowledged(&call)
}

/// `PUT /{index}/_mapping`.
async fn put_mapping(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["write_index_only", "include_type_name"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &MASTER_PARAMS, &known])?;
    let body = indices::mappings(call.required_json()?)?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.found(&call.indexes, Lookup::about_all(&call.params)?)?;
    api.update(move |draft| {
        for name in found.keys() {
            let before = draft.state().mappings_of(name);
            check_types(&before, &body, "")?;
            let mut entry = draft.index_entry(name);
            let mut own = match std::mem::take(&mut entry.mappings) {
                Json::Object(own) => own,
                _ => Map::new(),
            };
            merge_mappings(&mut own, body.clone());
            entry.mappings = Json::Object(own);
            draft.put(MetaKind::Index, name, &entry)?;
        }
        Ok(())
    })
    .await?;
    acknowledged(&call)
}

/// Fails when a field would get another type.
fn check_types(
    before: &Map<String, Json>,
    after: &Map<String, Json>,
    path: &str,
) -> Result<(), Fault> {
    let fields = |map: &Map<String, Json>| match map.get("properties") {
        Some(Json::Object(fields)) => Some(fields.clone()),
        _ => None,
    };
    let (Some(old), Some(new)) = (fields(before), fields(after)) else { return Ok(()) };
    for (name, field) in &new {
        let (Some(Json::Object(was)), Json::Object(field)) = (old.get(name), field) else {
            continue;
        };
        let own = format!("{path}{name}");
        let of = |map: &Map<String, Json>| match map.get("type").and_then(Json::as_str) {
            Some(ty) => ty.to_owned(),
            None => "object".to_owned(),
        };
        let (was_type, is_type) = (of(was), of(field));
        if was_type != is_type {
            return Err(Fault::argument(format!(
                "mapper [{own}] cannot be changed from type [{was_type}] to [{is_type}]"
            )));
        }
        check_types(was, field, &format!("{own}."))?;
    }
    Ok(())
}
