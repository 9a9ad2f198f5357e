//! What is set for the whole cluster? Persistent and transient settings.

use model::meta::{Fault, MetaKind};
use serde_json::{Value as Json, json};

use crate::registry::Draft;
use crate::settings::Flat;
use crate::state::{CLUSTER, State};
use crate::value::object;

/// Beginnings of settings that Elasticsearch's clusters have.
const KNOWN: [&str; 26] = [
    "action.",
    "archived.",
    "bootstrap.",
    "breaker.",
    "cluster.",
    "data_streams.",
    "discovery.",
    "gateway.",
    "http.",
    "indices.",
    "ingest.",
    "logger.",
    "network.",
    "node.",
    "path.",
    "persistent_tasks.",
    "plugins.",
    "remote.",
    "reindex.",
    "repositories.",
    "script.",
    "search.",
    "slm.",
    "stack.",
    "thread_pool.",
    "xpack.",
];

fn both(state: &State) -> (Flat, Flat) {
    let body = state.get(MetaKind::Cluster, CLUSTER).map(|e| e.json()).unwrap_or_default();
    let flat = |key: &str| Flat::plain(&body[key]).unwrap_or_default();
    (flat("persistent"), flat("transient"))
}

/// `PUT /_cluster/settings`; gives what changed.
///
/// # Errors
/// A setting is unknown or of no use.
pub fn put(draft: &mut Draft, body: Json) -> Result<Json, Fault> {
    let map = object(body, "cluster_update_settings_request")?;
    let (mut persistent, mut transient) = both(draft.state());
    let mut answer = json!({ "acknowledged": true, "persistent": {}, "transient": {} });
    let mut given = 0;
    for (key, value) in &map {
        let into = match key.as_str() {
            "persistent" => &mut persistent,
            "transient" => &mut transient,
            _ => return Err(crate::value::unknown("cluster_update_settings_request", key)),
        };
        let change = Flat::plain(value)?;
        for (name, value) in &change.0 {
            given += 1;
            check(key, name, value)?;
        }
        into.overlay(&change);
        answer[key] = change.present().nested();
    }
    if given == 0 {
        let reason = "Validation Failed: 1: no settings to update;";
        return Err(Fault::new(400, "action_request_validation_exception", reason));
    }
    let body = json!({ "persistent": persistent.flat(), "transient": transient.flat() });
    draft.put(MetaKind::Cluster, CLUSTER, &body)?;
    Ok(answer)
}

fn check(kind: &str, name: &str, value: &Json) -> Result<(), Fault> {
    if !KNOWN.iter().any(|known| name.starts_with(known)) {
        let reason = format!("{kind} setting [{name}], not recognized");
        return Err(Fault::argument(reason));
    }
    let flags = ["action.destructive_requires_name", "stack.templates.enabled"];
    if flags.contains(&name)
        && !value.is_null()
        && !matches!(value.as_str(), Some("true" | "false"))
    {
        return Err(Fault::argument(format!(
            "Failed to parse value {value} as only [true] or [false] are allowed."
        )));
    }
    Ok(())
}

/// `GET /_cluster/settings`.
pub fn shown(state: &State, flat: bool) -> Json {
    let (persistent, transient) = both(state);
    match flat {
        true => json!({ "persistent": persistent.flat(), "transient": transient.flat() }),
        false => json!({ "persistent": persistent.nested(), "transient": transient.nested() }),
    }
}

/// Sets one persistent setting.
///
/// # Errors
/// It cannot be kept.
pub fn set(draft: &mut Draft, name: &str, value: &str) -> Result<(), Fault> {
    let (mut persistent, transient) = both(draft.state());
    persistent.0.insert(name.to_owned(), value.into());
    let body = json!({ "persistent": persistent.flat(), "transient": transient.flat() });
    draft.put(MetaKind::Cluster, CLUSTER, &body)
}

/// Whether indexes can be deleted by wildcards.
pub fn destructive_requires_name(state: &State) -> bool {
    state.cluster().get("action.destructive_requires_name") != Some("false")
}
