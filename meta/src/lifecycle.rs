//! When does an index get old? Lifecycle policies: kept as they are, the delete phase obeyed.

use model::meta::{Fault, MetaKind};
use serde_json::{Map, Value as Json, json};

use crate::registry::Draft;
use crate::state::State;
use crate::value::{duration_ms, object, text, unknown, wrong};

/// What of a policy is obeyed.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Records go after so many milliseconds.
    pub delete_after_ms: Option<i64>,
}

const PHASES: [&str; 5] = ["hot", "warm", "cold", "frozen", "delete"];

impl Policy {
    pub(crate) fn of(body: &Json) -> Option<Self> {
        let delete = &body["policy"]["phases"]["delete"];
        let deletes = delete["actions"].get("delete").is_some();
        let min_age = delete["min_age"].as_str().and_then(duration_ms);
        Some(Self { delete_after_ms: min_age.filter(|_| deletes) })
    }
}

/// `PUT /_ilm/policy/{name}`.
///
/// # Errors
/// It makes no sense.
pub fn put(draft: &mut Draft, name: &str, body: Json) -> Result<(), Fault> {
    if name.contains([',', ' ']) || name.starts_with('_') || name.len() > 255 {
        let reason = format!(
            "invalid policy name [{name}]: must not start with '_', contain ',' or ' ', or be \
             longer than 255 bytes"
        );
        return Err(Fault::argument(reason));
    }
    let mut map = object(body, "put_lifecycle_request")?;
    if let Some(key) = map.keys().find(|key| *key != "policy") {
        return Err(unknown("put_lifecycle_request", key));
    }
    let policy = map.remove("policy").ok_or_else(|| Fault::argument("Required [policy]"))?;
    let policy = normal(policy)?;
    let modified = draft.now().rfc3339_millis();
    let body = json!({ "modified_date": modified, "policy": policy });
    draft.put(MetaKind::LifecyclePolicy, name, &body)
}

fn normal(policy: Json) -> Result<Json, Fault> {
    let map = object(policy, "lifecycle_policy")?;
    let mut out = Map::new();
    let Some(phases) = map.get("phases") else {
        return Err(Fault::argument("Required [phases]"));
    };
    let Json::Object(phases) = phases else { return Err(wrong("lifecycle_policy", "phases")) };
    let mut shown = Map::new();
    for name in phases.keys() {
        if !PHASES.contains(&name.as_str()) {
            let reason = format!("Timeseries lifecycle does not support phase [{name}]");
            return Err(Fault::argument(reason));
        }
    }
    for name in PHASES {
        if let Some(phase) = phases.get(name) {
            shown.insert(name.to_owned(), normal_phase(name, phase)?);
        }
    }
    out.insert("phases".to_owned(), Json::Object(shown));
    for (key, value) in map {
        match key.as_str() {
            "phases" => {}
            "_meta" if value.is_object() => {
                out.insert(key, value);
            }
            "deprecated" => {
                out.insert(key, value);
            }
            _ => return Err(unknown("lifecycle_policy", &key)),
        }
    }
    Ok(Json::Object(out))
}

fn normal_phase(name: &str, phase: &Json) -> Result<Json, Fault> {
    let Json::Object(phase) = phase else { return Err(wrong("phase", name)) };
    if let Some(key) = phase.keys().find(|k| !["min_age", "actions"].contains(&k.as_str())) {
        return Err(unknown("phase", key));
    }
    let min_age = phase.get("min_age").map_or_else(|| "0ms".to_owned(), text);
    if duration_ms(&min_age).is_none_or(|ms| ms < 0) {
        return Err(Fault::argument(format!(
            "failed to parse setting [min_age] with value [{min_age}] as a time value: unit is \
             missing or unrecognized"
        )));
    }
    let mut actions = match phase.get("actions") {
        None | Some(Json::Null) => Map::new(),
        Some(Json::Object(actions)) => actions.clone(),
        Some(_) => return Err(wrong("phase", "actions")),
    };
    let allowed: &[&str] = match name {
        "hot" => &[
            "set_priority",
            "unfollow",
            "rollover",
            "readonly",
            "downsample",
            "shrink",
            "forcemerge",
            "searchable_snapshot",
        ],
        "warm" => &[
            "set_priority",
            "unfollow",
            "readonly",
            "downsample",
            "allocate",
            "migrate",
            "shrink",
            "forcemerge",
        ],
        "cold" => &[
            "set_priority",
            "unfollow",
            "readonly",
            "downsample",
            "searchable_snapshot",
            "allocate",
            "migrate",
        ],
        "frozen" => &["unfollow", "searchable_snapshot"],
        _ => &["wait_for_snapshot", "delete"],
    };
    for (action, value) in &mut actions {
        if !allowed.contains(&action.as_str()) {
            let reason = format!("invalid action [{action}] defined in phase [{name}]");
            return Err(Fault::argument(reason));
        }
        if action == "delete"
            && let Json::Object(options) = value
            && options.is_empty()
        {
            options.insert("delete_searchable_snapshot".to_owned(), true.into());
        }
    }
    Ok(json!({ "min_age": min_age, "actions": actions }))
}

/// Whether policies are carried out.
pub fn is_running(state: &State) -> bool {
    state.cluster().get(MODE) != Some("STOPPED")
}

/// The setting that stands for `_ilm/start` and `_ilm/stop`.
pub const MODE: &str = "indices.lifecycle.operation_mode";

/// The policies of these names; all if there are none.
///
/// # Errors
/// One that is named is not there.
pub fn shown(state: &State, labels: &[String], names: &[String]) -> Result<Json, Fault> {
    if let Some(name) =
        names.iter().find(|n| !n.contains('*') && state.policy(n).is_none() && *n != "_all")
    {
        return Err(not_found(name));
    }
    let mut out = Map::new();
    let all: Vec<String> = names.iter().filter(|n| *n != "_all").cloned().collect();
    for (name, entry) in state.matching(MetaKind::LifecyclePolicy, &all) {
        let body = entry.json();
        let policy = json!({
            "version": entry.version,
            "modified_date": body["modified_date"],
            "policy": body["policy"],
            "in_use_by": in_use(state, labels, name),
        });
        out.insert(name.to_owned(), policy);
    }
    Ok(Json::Object(out))
}

fn not_found(name: &str) -> Fault {
    let reason = format!("Lifecycle policy not found: {name}");
    Fault::new(404, "resource_not_found_exception", reason)
}

fn in_use(state: &State, labels: &[String], policy: &str) -> Json {
    let uses = |name: &str| crate::stream::policy_of(state, name).as_deref() == Some(policy);
    let created = state.indices().filter(|(_, i)| i.created).map(|(name, _)| name.to_owned());
    let streams: Vec<&str> = state.streams().map(|(n, _)| n).filter(|n| uses(n)).collect();
    let mut indices: Vec<String> =
        created.chain(labels.iter().cloned()).filter(|name| uses(name)).collect();
    for (name, stream) in state.streams() {
        if streams.contains(&name) {
            indices.extend(stream.indices.iter().map(|i| i.name.clone()));
        }
    }
    indices.sort_unstable();
    indices.dedup();
    let key = "index.lifecycle.name";
    let names = |part: &crate::template::Part| part.settings.get(key) == Some(policy);
    let templates: Vec<&str> = state
        .templates()
        .filter(|(_, t)| state.parts(t).any(names))
        .map(|(name, _)| name)
        .collect();
    json!({ "indices": indices, "data_streams": streams, "composable_templates": templates })
}

/// `DELETE /_ilm/policy/{name}`.
///
/// # Errors
/// It is not there, or in use.
pub fn delete(draft: &mut Draft, labels: &[String], name: &str) -> Result<(), Fault> {
    if draft.state().policy(name).is_none() {
        return Err(not_found(name));
    }
    let used = in_use(draft.state(), labels, name);
    if let Some(list) = used["indices"].as_array().filter(|list| !list.is_empty()) {
        let list: Vec<&str> = list.iter().filter_map(Json::as_str).collect();
        return Err(Fault::argument(format!(
            "Cannot delete policy [{name}]. It is in use by one or more indices: [{}]",
            list.join(", ")
        )));
    }
    draft.delete(MetaKind::LifecyclePolicy, name);
    Ok(())
}
