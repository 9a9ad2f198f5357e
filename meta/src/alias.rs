//! Which other names does an index have? Aliases: reading them, adding and taking them away.

use std::collections::{BTreeMap, BTreeSet};

use model::meta::{Fault, MetaKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::names::{self, Expand, Options, View};
use crate::pattern::glob;
use crate::registry::Draft;
use crate::value::{Object, boolean, object, strings, text, unknown, wrong};

/// An alias of one index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AliasSpec {
    /// Only these records are seen through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Json>,
    /// Kept; an index has one shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_routing: Option<String>,
    /// Kept; an index has one shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_routing: Option<String>,
    /// Writes to the alias go to this index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_write_index: Option<bool>,
    /// Wildcards do not mean it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_hidden: Option<bool>,
}

impl AliasSpec {
    /// Reads the body of an alias.
    ///
    /// # Errors
    /// It is not one.
    pub fn read(map: &Object) -> Result<Self, Fault> {
        let mut out = Self::default();
        for (key, value) in map {
            if !out.set(key, value)? {
                return Err(unknown("alias", key));
            }
        }
        Ok(out)
    }

    /// Takes one field; `false` if it is none of an alias.
    fn set(&mut self, key: &str, value: &Json) -> Result<bool, Fault> {
        let flag = |value: &Json| match value {
            Json::Null => Ok(None),
            value => boolean(value).map(Some).ok_or_else(|| wrong("alias", key)),
        };
        match key {
            "filter" => {
                let parsed = match value {
                    Json::String(text) => serde_json::from_str(text).ok(),
                    other => Some(other.clone()),
                };
                self.filter = match parsed {
                    Some(Json::Null) => None,
                    Some(filter @ Json::Object(_)) => Some(filter),
                    _ => return Err(wrong("alias", key)),
                };
            }
            "routing" => {
                self.index_routing = Some(text(value));
                self.search_routing = Some(text(value));
            }
            "index_routing" | "indexRouting" | "index-routing" => {
                self.index_routing = Some(text(value));
            }
            "search_routing" | "searchRouting" | "search-routing" => {
                self.search_routing = Some(text(value));
            }
            "is_write_index" => self.is_write_index = flag(value)?,
            "is_hidden" => self.is_hidden = flag(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// As Elasticsearch shows it.
    pub fn json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The aliases of a body: `{"name": {…}}`.
pub(crate) fn read_map(value: &Json) -> Result<BTreeMap<String, AliasSpec>, Fault> {
    let map = match value {
        Json::Null => return Ok(BTreeMap::new()),
        Json::Object(map) => map,
        _ => return Err(wrong("aliases", "aliases")),
    };
    map.iter()
        .map(|(name, spec)| {
            check_name(name)?;
            match spec {
                Json::Object(spec) => Ok((name.clone(), AliasSpec::read(spec)?)),
                Json::Null => Ok((name.clone(), AliasSpec::default())),
                _ => Err(wrong("aliases", name)),
            }
        })
        .collect()
}

pub(crate) fn check_name(name: &str) -> Result<(), Fault> {
    let fault = model::id::index_name_fault(name);
    // Aliases may have capital letters.
    match fault.filter(|fault| *fault != "must be lowercase") {
        None => Ok(()),
        Some(fault) => {
            let reason = format!("Invalid alias name [{name}]: {fault}");
            Err(Fault::new(400, "invalid_alias_name_exception", reason))
        }
    }
}

/// One change of `_aliases`.
#[derive(Debug)]
enum Action {
    Add { indexes: Vec<String>, aliases: Vec<String>, spec: AliasSpec },
    Remove { indexes: Vec<String>, aliases: Vec<String>, must_exist: Option<bool> },
    RemoveIndex { indexes: Vec<String> },
}

fn read_action(entry: &Json) -> Result<Action, Fault> {
    let map = object(entry.clone(), "alias_action")?;
    let Some((name, Json::Object(fields))) = map.iter().next().filter(|_| map.len() == 1) else {
        return Err(Fault::new(
            400,
            "x_content_parse_exception",
            "[1:1] [aliases] too few or too many operations declared in an element of [actions]",
        ));
    };
    let (mut indexes, mut aliases) = (Vec::new(), Vec::new());
    let (mut spec, mut must_exist) = (AliasSpec::default(), None);
    for (key, value) in fields {
        let list = || strings(value).ok_or_else(|| wrong(name, key));
        match key.as_str() {
            "index" | "indices" => indexes.extend(list()?),
            "alias" | "aliases" => aliases.extend(list()?),
            "must_exist" => must_exist = boolean(value),
            _ if name == "add" && spec.set(key, value)? => {}
            _ => return Err(unknown(name, key)),
        }
    }
    let needs = |what: &str| {
        Fault::argument(
            format!("One of [{what}] or [{what}s] is required").replace("indexs", "indices"),
        )
    };
    if indexes.is_empty() {
        return Err(needs("index"));
    }
    if aliases.is_empty() && name != "remove_index" {
        return Err(needs("alias").clone()).map_err(|mut f| {
            f.reason = "One of [alias] or [aliases] is required".to_owned();
            f
        });
    }
    match name.as_str() {
        "add" => Ok(Action::Add { indexes, aliases, spec }),
        "remove" => Ok(Action::Remove { indexes, aliases, must_exist }),
        "remove_index" => Ok(Action::RemoveIndex { indexes }),
        _ => Err(unknown("alias_action", name)),
    }
}

/// Makes the changes of `POST /_aliases`; gives the indexes to delete.
///
/// # Errors
/// An action is none, or cannot be done: then none is.
pub fn update(draft: &mut Draft, labels: &[String], body: Json) -> Result<Vec<String>, Fault> {
    let mut map = object(body, "aliases")?;
    let Some(Json::Array(actions)) = map.remove("actions") else {
        return Err(Fault::argument("No action specified"));
    };
    if actions.is_empty() {
        return Err(Fault::argument("No action specified"));
    }
    let actions = actions.iter().map(read_action).collect::<Result<Vec<_>, _>>()?;
    let mut gone = Vec::new();
    for action in &actions {
        if let Action::RemoveIndex { indexes } = action {
            gone.extend(concrete(draft, labels, indexes)?);
        }
    }
    let mut touched = BTreeSet::new();
    for action in &actions {
        match action {
            Action::Add { indexes, aliases, spec } => {
                for index in targets(draft, labels, indexes)? {
                    for alias in aliases {
                        add(draft, (labels, &gone), &index, (alias, spec))?;
                        touched.insert(alias.clone());
                    }
                }
            }
            Action::Remove { indexes, aliases, must_exist } => {
                let from = targets(draft, labels, indexes)?;
                let removed = remove(draft, &from, aliases);
                if !removed && *must_exist != Some(false) {
                    let reason = format!("aliases [{}] missing", aliases.join(","));
                    return Err(Fault::new(404, "aliases_not_found_exception", reason));
                }
            }
            Action::RemoveIndex { .. } => {}
        }
    }
    touched.iter().try_for_each(|alias| one_write_index(draft, alias))?;
    Ok(gone)
}

fn view<'a>(draft: &'a Draft, labels: &'a [String]) -> View<'a> {
    View { state: draft.state(), labels, now: draft.now() }
}

fn concrete(draft: &Draft, labels: &[String], wanted: &[String]) -> Result<Vec<String>, Fault> {
    let options = Options { allow_no_indices: false, ..Options::all() };
    let found = names::resolve(&view(draft, labels), wanted, &options)?;
    Ok(found.into_keys().collect())
}

/// Indexes and data streams, not behind aliases.
fn targets(draft: &Draft, labels: &[String], wanted: &[String]) -> Result<Vec<String>, Fault> {
    let expand = Expand { open: true, closed: true, hidden: true };
    let options = Options { allow_no_indices: false, expand, ..Options::default() };
    let view = view(draft, labels);
    let mut out = BTreeSet::new();
    for expression in wanted {
        if draft.state().stream(expression).is_some() {
            out.insert(expression.clone());
        } else if expression.contains('*') {
            let streams = draft.state().streams().map(|(name, _)| name.to_owned());
            let streams: Vec<_> = streams.filter(|name| glob(expression, name)).collect();
            let lenient = Options { allow_no_indices: !streams.is_empty(), ..options };
            let found = names::resolve(&view, std::slice::from_ref(expression), &lenient)?;
            let plain = found.into_keys().filter(|n| draft.state().stream_of(n).is_none());
            out.extend(plain.chain(streams));
        } else {
            let found = names::resolve(&view, std::slice::from_ref(expression), &options)?;
            out.extend(found.into_keys());
        }
    }
    Ok(out.into_iter().collect())
}

fn add(
    draft: &mut Draft,
    (labels, gone): (&[String], &[String]),
    target: &str,
    (alias, spec): (&str, &AliasSpec),
) -> Result<(), Fault> {
    check_name(alias)?;
    let taken = draft.state().stream(alias).is_some()
        || draft.state().index(alias).is_some_and(|i| i.created)
        || labels.binary_search_by(|l| l.as_str().cmp(alias)).is_ok();
    if taken && !gone.iter().any(|name| name == alias) {
        let reason = format!(
            "Invalid alias name [{alias}]: an index or data stream exists with the same name as \
             the alias"
        );
        return Err(Fault::new(400, "invalid_alias_name_exception", reason));
    }
    if let Some(stream) = draft.state().stream(target) {
        let mut stream = stream.clone();
        stream.aliases.insert(alias.to_owned(), spec.clone());
        return draft.put(MetaKind::DataStream, target, &stream);
    }
    if let Some(stream) = draft.state().stream_of(target) {
        return Err(Fault::argument(format!(
            "The provided expressions [{target}] match a backing index belonging to data stream \
             [{stream}]. Data stream backing indices don't support aliases."
        )));
    }
    let mut entry = draft.index_entry(target);
    entry.aliases.insert(alias.to_owned(), spec.clone());
    draft.put(MetaKind::Index, target, &entry)
}

/// Takes aliases away; whether there was one.
fn remove(draft: &mut Draft, targets: &[String], aliases: &[String]) -> bool {
    let meant = |name: &str| aliases.iter().any(|p| p == "_all" || glob(p, name));
    let mut removed = false;
    for target in targets {
        if let Some(stream) = draft.state().stream(target) {
            let mut stream = stream.clone();
            let before = stream.aliases.len();
            stream.aliases.retain(|name, _| !meant(name));
            if stream.aliases.len() < before {
                removed |= draft.put(MetaKind::DataStream, target, &stream).is_ok();
            }
            continue;
        }
        let mut entry = draft.index_entry(target);
        let before = entry.aliases.len();
        entry.aliases.retain(|name, _| !meant(name));
        if entry.aliases.len() < before {
            removed |= draft.put(MetaKind::Index, target, &entry).is_ok();
        }
    }
    removed
}

/// Fails when two indexes are the alias's write index.
pub(crate) fn one_write_index(draft: &Draft, alias: &str) -> Result<(), Fault> {
    let state = draft.state();
    let writes = |name: &&String| {
        let spec = match state.stream(name) {
            Some(stream) => stream.aliases.get(alias).cloned(),
            None => state.aliases_of(name).get(alias).cloned(),
        };
        spec.is_some_and(|spec| spec.is_write_index == Some(true))
    };
    let members = draft.members_of(alias);
    let writers: Vec<&String> = members.iter().filter(writes).collect();
    if writers.len() < 2 {
        return Ok(());
    }
    let list: Vec<&str> = writers.iter().map(|w| w.as_str()).collect();
    let reason = format!("alias [{alias}] has more than one write index [{}]", list.join(","));
    Err(Fault::new(500, "illegal_state_exception", reason))
}

/// `PUT /{index}/_alias/{name}` as an action.
pub fn put_action(indexes: &[String], alias: &str, body: Option<Json>) -> Result<Json, Fault> {
    let mut map = match body {
        None | Some(Json::Null) => Object::new(),
        Some(body) => object(body, "alias")?,
    };
    map.insert("index".to_owned(), json!(indexes));
    map.insert("alias".to_owned(), json!(alias));
    Ok(json!({ "actions": [{ "add": map }] }))
}

/// `DELETE /{index}/_alias/{name}` as an action.
pub fn delete_action(indexes: &[String], aliases: &[String]) -> Json {
    json!({ "actions": [{ "remove": { "index": indexes, "aliases": aliases } }] })
}
