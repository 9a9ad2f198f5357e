//! What is a data stream? A name for a row of backing indexes, the last of which is written to.

use std::collections::BTreeMap;

use model::meta::{Fault, MetaKind};
use model::time::{Timestamp, civil_from_days};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::alias::AliasSpec;
use crate::pattern::glob;
use crate::registry::Draft;
use crate::state::State;
use crate::value::{boolean, duration_ms, text, unknown, wrong};

/// Most backing indexes of one data stream.
const GENERATIONS_MAX: u64 = 999_999;

/// A data stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataStream {
    /// Number of the newest backing index.
    pub generation: u64,
    /// The template that it was made of.
    pub template: String,
    /// The oldest first.
    pub indices: Vec<Backing>,
    /// Its aliases.
    #[serde(default)]
    pub aliases: BTreeMap<String, AliasSpec>,
    /// Wildcards do not mean it.
    #[serde(default)]
    pub hidden: bool,
    /// Its own lifecycle; without it the template's.
    #[serde(default)]
    pub lifecycle: Option<Json>,
}

/// One index of a data stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backing {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds.
    pub created_ms: i64,
}

impl DataStream {
    /// Where documents go.
    pub fn write_index(&self) -> Option<&str> {
        self.indices.last().map(|i| i.name.as_str())
    }
}

/// The name of a backing index.
pub fn backing_name(stream: &str, now: Timestamp, generation: u64) -> String {
    let (year, month, day) = civil_from_days(now.millis().div_euclid(86_400_000));
    format!(".ds-{stream}-{year:04}.{month:02}.{day:02}-{generation:06}")
}

/// A lifecycle of data streams in its normal form.
///
/// # Errors
/// It makes no sense.
pub fn lifecycle(value: &Json) -> Result<Json, Fault> {
    let Json::Object(map) = value else { return Err(wrong("data_stream_lifecycle", "lifecycle")) };
    let mut out = json!({ "enabled": true });
    for (key, value) in map {
        match key.as_str() {
            "enabled" => {
                out["enabled"] =
                    boolean(value).ok_or_else(|| wrong("data_stream_lifecycle", key))?.into();
            }
            "data_retention" if value.is_null() => {}
            "data_retention" => {
                let given = text(value);
                if duration_ms(&given).is_none_or(|ms| ms < 0) {
                    return Err(Fault::argument(format!(
                        "failed to parse setting [data_retention] with value [{given}] as a time \
                         value: unit is missing or unrecognized"
                    )));
                }
                out["data_retention"] = given.into();
            }
            "downsampling" if value.is_null() => {}
            "downsampling" => {
                return Err(Fault::argument(
                    "[downsampling] is not supported: log records are kept as they are",
                ));
            }
            _ => return Err(unknown("data_stream_lifecycle", key)),
        }
    }
    Ok(out)
}

fn check_name(name: &str) -> Result<(), Fault> {
    match model::id::index_name_fault(name) {
        None => Ok(()),
        Some(fault) => Err(Fault::argument(format!("data_stream [{name}] {fault}"))),
    }
}

/// `PUT /_data_stream/{name}`, and the first write to one.
///
/// # Errors
/// There is no template for it, or the name is taken.
pub fn create(draft: &mut Draft, name: &str) -> Result<(), Fault> {
    let state = draft.state();
    if state.stream(name).is_some() {
        let reason = format!("data_stream [{name}] already exists");
        return Err(Fault::new(400, "resource_already_exists_exception", reason));
    }
    check_name(name)?;
    if state.index(name).is_some_and(|i| i.created) || state.is_alias(name) {
        return Err(Fault::argument(format!(
            "data stream [{name}] conflicts with existing index or alias"
        )));
    }
    let Some((template, found)) = state.template_for(name) else {
        return Err(Fault::argument(format!(
            "no matching index template found for data stream [{name}]"
        )));
    };
    let Some(options) = found.stream else {
        return Err(Fault::argument(format!(
            "matching index template [{template}] for data stream [{name}] has no data stream \
             template"
        )));
    };
    let (template, now) = (template.to_owned(), draft.now());
    let backing = Backing { name: backing_name(name, now, 1), created_ms: now.millis() };
    let stream = DataStream {
        generation: 1,
        template,
        indices: vec![backing],
        aliases: state.part_for(name).aliases,
        hidden: options.hidden,
        lifecycle: None,
    };
    draft.put(MetaKind::DataStream, name, &stream)
}

/// Begins a new backing index; gives the old and the new one.
///
/// # Errors
/// There are too many.
pub fn roll(draft: &mut Draft, name: &str) -> Result<(String, String), Fault> {
    let Some(stream) = draft.state().stream(name) else { return Err(Fault::no_such_index(name)) };
    let mut stream = stream.clone();
    if stream.generation >= GENERATIONS_MAX {
        return Err(Fault::argument(format!("data stream [{name}] has too many backing indices")));
    }
    let now = draft.now();
    let old = stream.write_index().unwrap_or_default().to_owned();
    stream.generation += 1;
    let new = backing_name(name, now, stream.generation);
    stream.indices.push(Backing { name: new.clone(), created_ms: now.millis() });
    draft.put(MetaKind::DataStream, name, &stream)?;
    Ok((old, new))
}

/// The name of the next backing index.
pub fn next_name(stream: &DataStream, name: &str, now: Timestamp) -> String {
    backing_name(name, now, stream.generation + 1)
}

/// The data streams that a list of names means.
///
/// # Errors
/// One that is named is not there.
pub fn find<'a>(
    state: &'a State,
    wanted: &[String],
    hidden: bool,
) -> Result<Vec<(&'a str, &'a DataStream)>, Fault> {
    if let Some(name) =
        wanted.iter().find(|n| !n.contains('*') && *n != "_all" && state.stream(n).is_none())
    {
        return Err(Fault::no_such_index(name));
    }
    let matches = |pattern: &String, name: &str, stream: &DataStream| {
        let wild = pattern.contains('*') || pattern == "_all";
        let shown = !stream.hidden || hidden || pattern.starts_with('.');
        (!wild || shown) && (pattern == "_all" || glob(pattern, name))
    };
    let all = ["*".to_owned()];
    let wanted = if wanted.is_empty() { &all[..] } else { wanted };
    Ok(state
        .streams()
        .filter(|(name, stream)| wanted.iter().any(|p| matches(p, name, stream)))
        .collect())
}

/// The lifecycle policy of an index or data stream of this name.
pub fn policy_of(state: &State, name: &str) -> Option<String> {
    state.settings_of(name).get("index.lifecycle.name").map(str::to_owned)
}

/// The lifecycle of a data stream: its own, else its template's.
pub fn lifecycle_of(state: &State, name: &str) -> Option<Json> {
    let stream = state.stream(name)?;
    stream.lifecycle.clone().or_else(|| state.part_for(name).lifecycle)
}

/// A data stream as `GET /_data_stream` shows it; `uuid` names indexes.
pub fn shown(state: &State, name: &str, uuid: &dyn Fn(&str) -> String) -> Json {
    let Some(stream) = state.stream(name) else { return Json::Null };
    let policy = policy_of(state, name);
    let lifecycle = lifecycle_of(state, name);
    let managed = match (&policy, &lifecycle) {
        (Some(_), _) => "Index Lifecycle Management",
        (None, Some(own)) if own["enabled"] != false => "Data stream lifecycle",
        _ => "Unmanaged",
    };
    let with_policy = |map: &mut Map<String, Json>| {
        if let Some(policy) = &policy {
            map.insert("ilm_policy".to_owned(), policy.clone().into());
        }
    };
    let index = |backing: &Backing| {
        let mut out = Map::new();
        out.insert("index_name".to_owned(), backing.name.clone().into());
        out.insert("index_uuid".to_owned(), uuid(&backing.name).into());
        out.insert("prefer_ilm".to_owned(), true.into());
        with_policy(&mut out);
        out.insert("managed_by".to_owned(), managed.into());
        Json::Object(out)
    };
    let mut out = Map::new();
    out.insert("name".to_owned(), name.into());
    out.insert("timestamp_field".to_owned(), json!({ "name": "@timestamp" }));
    out.insert("indices".to_owned(), stream.indices.iter().map(index).collect());
    out.insert("generation".to_owned(), stream.generation.into());
    let template = state.template_for(name);
    let own = template.and_then(|(t, _)| state.get(MetaKind::IndexTemplate, t));
    if let Some(meta) = own.and_then(|entry| entry.json().get("_meta").cloned()) {
        out.insert("_meta".to_owned(), meta);
    }
    out.insert("status".to_owned(), "GREEN".into());
    let template = template.map_or(stream.template.as_str(), |(t, _)| t);
    out.insert("template".to_owned(), template.into());
    if let Some(lifecycle) = lifecycle {
        out.insert("lifecycle".to_owned(), lifecycle);
    }
    with_policy(&mut out);
    out.insert("next_generation_managed_by".to_owned(), managed.into());
    out.insert("prefer_ilm".to_owned(), true.into());
    out.insert("hidden".to_owned(), stream.hidden.into());
    for key in ["system", "allow_custom_routing", "replicated", "rollover_on_write"] {
        out.insert(key.to_owned(), false.into());
    }
    Json::Object(out)
}
