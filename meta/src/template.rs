//! What does a new index begin with? Index templates of components, and legacy templates.
//!
//! Bodies are kept in Elasticsearch's normalised form: as it shows them.

use std::collections::BTreeMap;

use model::meta::{Fault, MetaKind};
use serde_json::{Map, Value as Json, json};

use crate::alias::{self, AliasSpec};
use crate::indices::{check_settings, mappings};
use crate::pattern::{glob, overlap};
use crate::registry::Draft;
use crate::settings::Flat;
use crate::stream;
use crate::value::{Object, boolean, object, strings, unknown, whole, wrong};

/// What a template, or a component of one, sets: all but its mappings.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Settings.
    pub settings: Flat,
    /// Aliases.
    pub aliases: BTreeMap<String, AliasSpec>,
    /// The lifecycle of its data streams.
    pub lifecycle: Option<Json>,
}

impl Part {
    pub(crate) fn of(body: &Json) -> Self {
        Self {
            settings: Flat::plain(&body["settings"]).unwrap_or_default(),
            aliases: alias::read_map(&body["aliases"]).unwrap_or_default(),
            lifecycle: body.get("lifecycle").filter(|l| l.is_object()).cloned(),
        }
    }

    pub(crate) fn overlay(&mut self, other: &Part) {
        self.settings.overlay(&other.settings);
        self.aliases.extend(other.aliases.clone());
        if other.lifecycle.is_some() {
            self.lifecycle.clone_from(&other.lifecycle);
        }
    }
}

/// How data streams of a template are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// Wildcards do not mean them.
    pub hidden: bool,
}

/// An index template.
#[derive(Clone, Debug)]
pub struct Template {
    /// Which names.
    pub patterns: Vec<String>,
    /// The highest that matches holds.
    pub priority: i64,
    /// Its names are data streams.
    pub stream: Option<StreamOptions>,
    /// Component templates, the last over the first.
    pub composed_of: Vec<String>,
    /// Whether a write may make the index, whatever `action.auto_create_index` says.
    pub allow_auto_create: Option<bool>,
    pub(crate) part: Part,
}

impl Template {
    pub(crate) fn of(body: &Json) -> Option<Self> {
        let list = |key: &str| body.get(key).and_then(strings);
        Some(Self {
            patterns: list("index_patterns")?,
            priority: body.get("priority").and_then(whole).unwrap_or(0),
            stream: body.get("data_stream").filter(|d| d.is_object()).map(|d| StreamOptions {
                hidden: d.get("hidden").and_then(boolean).unwrap_or(false),
            }),
            composed_of: list("composed_of").unwrap_or_default(),
            allow_auto_create: body.get("allow_auto_create").and_then(boolean),
            part: Part::of(body.get("template").unwrap_or(&Json::Null)),
        })
    }
}

/// A legacy template.
#[derive(Clone, Debug)]
pub struct Legacy {
    /// Which names.
    pub patterns: Vec<String>,
    /// Higher ones go over lower ones.
    pub order: i64,
    pub(crate) part: Part,
}

impl Legacy {
    pub(crate) fn of(body: &Json) -> Option<Self> {
        Some(Self {
            patterns: body.get("index_patterns").and_then(strings)?,
            order: body.get("order").and_then(whole).unwrap_or(0),
            part: Part::of(body),
        })
    }
}

/// Lays mappings over others: objects are joined, dynamic templates by name.
pub fn merge_mappings(into: &mut Map<String, Json>, over: Map<String, Json>) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(Json::Object(old)), Json::Object(new)) => {
                // A field of another type is another field.
                let another = new.contains_key("type") && old.get("type") != new.get("type");
                if another { *old = new } else { merge_mappings(old, new) }
            }
            (Some(Json::Array(old)), Json::Array(new)) if key == "dynamic_templates" => {
                for rule in new {
                    let name = rule.as_object().and_then(|r| r.keys().next().cloned());
                    let same = |old: &&mut Json| match (&name, old.as_object()) {
                        (Some(name), Some(old)) => old.contains_key(name),
                        _ => false,
                    };
                    match old.iter_mut().find(same) {
                        Some(place) => *place = rule,
                        None => old.push(rule),
                    }
                }
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn invalid(name: &str, cause: &str) -> Fault {
    let reason = format!("index_template [{name}] invalid, cause [{cause}]");
    Fault::new(400, "invalid_index_template_exception", reason)
}

/// Fails when a name or a pattern of a template cannot be used.
fn check_names(name: &str, patterns: &[String]) -> Result<(), Fault> {
    let mut wrong = Vec::new();
    if name.contains(' ') {
        wrong.push("name must not contain a space".to_owned());
    }
    if name.contains(',') {
        wrong.push("name must not contain a ','".to_owned());
    }
    if name.contains('#') {
        wrong.push("name must not contain a '#'".to_owned());
    }
    if name.contains('*') {
        wrong.push("name must not contain a '*'".to_owned());
    }
    if name.starts_with('_') {
        wrong.push("name must not start with '_'".to_owned());
    }
    if name.chars().any(char::is_uppercase) {
        wrong.push("name must be lower cased".to_owned());
    }
    for pattern in patterns {
        if pattern.contains(' ') {
            wrong.push(format!("index_patterns [{pattern}] must not contain a space"));
        }
        if pattern.contains(',') {
            wrong.push(format!("index_pattern [{pattern}] must not contain a ','"));
        }
        if pattern.contains('#') {
            wrong.push(format!("index_pattern [{pattern}] must not contain a '#'"));
        }
        if pattern.contains(':') {
            wrong.push(format!("index_pattern [{pattern}] must not contain a ':'"));
        }
        if pattern.starts_with('_') {
            wrong.push(format!("index_pattern [{pattern}] must not start with '_'"));
        }
        let odd = ['\\', '/', '?', '"', '<', '>', '|'];
        if pattern.contains(odd) {
            wrong.push(format!(
                "index_pattern [{pattern}] must not contain the following characters \
                 ['\\','/','*','?','\"','<','>','|',' ',',']"
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let list = wrong.iter().enumerate().map(|(at, w)| format!(" {}: {w};", at + 1));
    Err(invalid(name, &format!("Validation Failed:{}", list.collect::<String>())))
}

/// The inner `template` of a body, normalised.
fn inner(value: &Json) -> Result<Json, Fault> {
    let map = match value {
        Json::Object(map) => map,
        _ => return Err(wrong("index_template", "template")),
    };
    let mut out = Map::new();
    for key in map.keys() {
        if !["settings", "mappings", "aliases", "lifecycle", "data_stream_options"]
            .contains(&key.as_str())
        {
            return Err(unknown("template", key));
        }
    }
    if let Some(settings) = map.get("settings").filter(|s| !s.is_null()) {
        let flat = Flat::of_index(settings)?;
        check_settings(&flat)?;
        out.insert("settings".to_owned(), flat.nested());
    }
    if let Some(own) = map.get("mappings").filter(|m| !m.is_null()) {
        out.insert("mappings".to_owned(), Json::Object(mappings(own.clone())?));
    }
    if let Some(aliases) = map.get("aliases").filter(|a| !a.is_null()) {
        let aliases = alias::read_map(aliases)?;
        let shown = aliases.iter().map(|(name, spec)| (name.clone(), spec.json()));
        out.insert("aliases".to_owned(), Json::Object(shown.collect()));
    }
    if let Some(lifecycle) = map.get("lifecycle").filter(|l| !l.is_null()) {
        out.insert("lifecycle".to_owned(), stream::lifecycle(lifecycle)?);
    }
    Ok(Json::Object(out))
}

/// A component template in its normal form.
///
/// # Errors
/// The body makes no sense.
fn component(body: Json) -> Result<Json, Fault> {
    let map = object(body, "component_template")?;
    let mut out = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "template" => {
                out.insert(key, inner(&value)?);
            }
            "version" => {
                let version = whole(&value).ok_or_else(|| wrong("component_template", &key))?;
                out.insert(key, version.into());
            }
            "_meta" if value.is_object() => {
                out.insert(key, value);
            }
            "deprecated" => {
                let flag = boolean(&value).ok_or_else(|| wrong("component_template", &key))?;
                out.insert(key, flag.into());
            }
            "allow_auto_create" => {}
            _ => return Err(unknown("component_template", &key)),
        }
    }
    if !out.contains_key("template") {
        return Err(Fault::argument("Required [template]"));
    }
    Ok(ordered(out, &["template", "version", "_meta", "deprecated"]))
}

/// An index template in its normal form.
///
/// # Errors
/// The body makes no sense.
pub fn normal(body: Json) -> Result<Json, Fault> {
    let map = object(body, "index_template")?;
    let mut out = Map::new();
    out.insert("composed_of".to_owned(), json!([]));
    for (key, value) in map {
        let fault = || wrong("index_template", &key);
        let kept = match key.as_str() {
            "index_patterns" => json!(strings(&value).ok_or_else(fault)?),
            "template" if value.is_null() => continue,
            "template" => inner(&value)?,
            "composed_of" | "ignore_missing_component_templates" => {
                json!(strings(&value).ok_or_else(fault)?)
            }
            "priority" | "version" => {
                let number = whole(&value).ok_or_else(fault)?;
                if number < 0 && key == "priority" {
                    return Err(Fault::argument("index template priority must be >= 0"));
                }
                number.into()
            }
            "_meta" if value.is_object() => value,
            "data_stream" => match &value {
                Json::Null => continue,
                Json::Object(options) => data_stream(options)?,
                _ => return Err(fault()),
            },
            "allow_auto_create" | "deprecated" => boolean(&value).ok_or_else(fault)?.into(),
            _ => return Err(unknown("index_template", &key)),
        };
        out.insert(key, kept);
    }
    match out.get("index_patterns").and_then(Json::as_array) {
        None => return Err(Fault::argument("Required [index_patterns]")),
        Some(list) if list.is_empty() => {
            let reason = "Validation Failed: 1: index patterns are missing;";
            return Err(Fault::new(400, "action_request_validation_exception", reason));
        }
        Some(_) => {}
    }
    Ok(ordered(
        out,
        &[
            "index_patterns",
            "template",
            "composed_of",
            "priority",
            "version",
            "_meta",
            "data_stream",
            "allow_auto_create",
            "ignore_missing_component_templates",
            "deprecated",
        ],
    ))
}

fn data_stream(options: &Object) -> Result<Json, Fault> {
    let mut out = json!({ "hidden": false, "allow_custom_routing": false });
    for (key, value) in options {
        match key.as_str() {
            "hidden" | "allow_custom_routing" => {
                out[key] = boolean(value).ok_or_else(|| wrong("data_stream_template", key))?.into();
            }
            "timestamp_field" | "index_mode" | "failure_store" => {}
            _ => return Err(unknown("data_stream_template", key)),
        }
    }
    Ok(out)
}

fn ordered(mut map: Object, keys: &[&str]) -> Json {
    let taken = keys.iter().filter_map(|key| Some(((*key).to_owned(), map.remove(*key)?)));
    Json::Object(taken.collect())
}

/// Fails when the components of a template are not there.
fn check_components(draft: &Draft, name: &str, template: &Json) -> Result<(), Fault> {
    let list = |key: &str| template.get(key).and_then(strings).unwrap_or_default();
    let ignored = list("ignore_missing_component_templates");
    let missing: Vec<String> = list("composed_of")
        .into_iter()
        .filter(|c| draft.state().get(MetaKind::ComponentTemplate, c).is_none())
        .filter(|c| !ignored.contains(c))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(invalid(
        name,
        &format!(
            "index template [{name}] specifies component templates [{}] that do not exist",
            missing.join(", ")
        ),
    ))
}

/// Fails when another template of the same priority can match the same names.
fn check_priority(draft: &Draft, name: &str, template: &Template) -> Result<(), Fault> {
    let overlaps = |other: &Template| {
        other.priority == template.priority
            && other.patterns.iter().any(|a| template.patterns.iter().any(|b| overlap(a, b)))
    };
    let others: Vec<_> =
        draft.state().templates().filter(|(n, o)| *n != name && overlaps(o)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = others.iter().map(|(n, _)| *n).collect();
    let patterns: Vec<String> =
        others.iter().map(|(n, o)| format!("{n} => [{}]", o.patterns.join(", "))).collect();
    let given = template.patterns.join(", ");
    let priority = template.priority;
    Err(Fault::argument(format!(
        "index template [{name}] has index patterns [{given}] matching patterns from existing \
         templates [{}] with patterns ({}) that have the same priority [{priority}], multiple \
         index templates may not match during index creation, please use a different priority",
        names.join(","),
        patterns.join(",")
    )))
}

/// A checked index template, as it would be kept.
///
/// # Errors
/// The body makes no sense, or not beside the others.
pub fn checked(draft: &Draft, name: &str, body: Json) -> Result<Json, Fault> {
    let body = normal(body)?;
    let Some(template) = Template::of(&body) else { return Err(wrong("index_template", name)) };
    check_names(name, &template.patterns)?;
    check_components(draft, name, &body)?;
    check_priority(draft, name, &template)?;
    Ok(body)
}

/// `PUT /_index_template/{name}`.
///
/// # Errors
/// It makes no sense, or exists when it is to be created.
pub fn put(draft: &mut Draft, name: &str, body: Json, create: bool) -> Result<(), Fault> {
    if create && draft.state().get(MetaKind::IndexTemplate, name).is_some() {
        return Err(Fault::argument(format!("index template [{name}] already exists")));
    }
    let body = checked(draft, name, body)?;
    if body.get("data_stream").is_none() {
        let streams = draft.state().streams().filter(|(_, s)| s.template == name);
        let used: Vec<&str> = streams.map(|(n, _)| n).collect();
        if !used.is_empty() {
            return Err(Fault::argument(format!(
                "composable template [{name}] with index patterns {} would cause data streams \
                 [{}] to no longer match a data stream template",
                body["index_patterns"],
                used.join(", ")
            )));
        }
    }
    draft.put(MetaKind::IndexTemplate, name, &body)
}

/// `PUT /_component_template/{name}`.
///
/// # Errors
/// It makes no sense, or exists when it is to be created.
pub fn put_component(draft: &mut Draft, name: &str, body: Json, create: bool) -> Result<(), Fault> {
    if create && draft.state().get(MetaKind::ComponentTemplate, name).is_some() {
        return Err(Fault::argument(format!("component template [{name}] already exists")));
    }
    check_names(name, &[])?;
    draft.put(MetaKind::ComponentTemplate, name, &component(body)?)
}

/// `PUT /_template/{name}`.
///
/// # Errors
/// It makes no sense, or exists when it is to be created.
pub fn put_legacy(
    draft: &mut Draft,
    name: &str,
    body: Json,
    (create, order): (bool, Option<i64>),
) -> Result<(), Fault> {
    if create && draft.state().get(MetaKind::LegacyTemplate, name).is_some() {
        return Err(Fault::argument(format!("index_template [{name}] already exists")));
    }
    let map = object(body, "template")?;
    let mut out = json!({
        "order": order.unwrap_or(0), "index_patterns": [], "settings": {}, "mappings": {},
        "aliases": {},
    });
    for (key, value) in map {
        let fault =
            || Fault::argument(format!("Malformed [{key}] value, should be a string or a list"));
        match key.as_str() {
            "index_patterns" | "template" => {
                out["index_patterns"] = json!(strings(&value).ok_or_else(fault)?);
            }
            "order" => {
                out["order"] = order.or_else(|| whole(&value)).ok_or_else(fault)?.into();
            }
            "version" => out["version"] = whole(&value).ok_or_else(fault)?.into(),
            "settings" => {
                let flat = Flat::of_index(&value)?;
                check_settings(&flat)?;
                out["settings"] = flat.nested();
            }
            "mappings" => out["mappings"] = Json::Object(mappings(value)?),
            "aliases" => {
                let read = alias::read_map(&value)?;
                let shown = read.iter().map(|(name, spec)| (name.clone(), spec.json()));
                out["aliases"] = Json::Object(shown.collect());
            }
            _ => {
                let reason = format!("unknown key [{key}] in the template ");
                return Err(Fault::new(400, "parse_exception", reason));
            }
        }
    }
    let patterns = strings(&out["index_patterns"]).unwrap_or_default();
    if patterns.is_empty() {
        let reason = "Validation Failed: 1: index patterns are missing;";
        return Err(Fault::new(400, "action_request_validation_exception", reason));
    }
    check_names(name, &patterns)?;
    let keys = ["order", "version", "index_patterns", "settings", "mappings", "aliases"];
    let Json::Object(out) = out else { return Ok(()) };
    draft.put(MetaKind::LegacyTemplate, name, &ordered(out, &keys))
}

/// Takes out templates of a kind by name or pattern.
///
/// # Errors
/// A name is missing, or the template is in use.
pub fn delete(draft: &mut Draft, kind: MetaKind, names: &[String]) -> Result<(), Fault> {
    let found: Vec<String> =
        draft.state().matching(kind, names).map(|(name, _)| name.to_owned()).collect();
    let missing: Vec<&str> = names
        .iter()
        .filter(|n| !(found.iter().any(|f| glob(n, f)) || n.contains('*') || *n == "_all"))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let list = missing.join(",");
        return Err(match kind {
            MetaKind::ComponentTemplate => Fault::new(404, "resource_not_found_exception", list),
            _ => {
                let reason = format!("index_template [{list}] missing");
                Fault::new(404, "index_template_missing_exception", reason)
            }
        });
    }
    for name in &found {
        check_unused(draft, kind, name)?;
    }
    found.iter().for_each(|name| draft.delete(kind, name));
    Ok(())
}

fn check_unused(draft: &Draft, kind: MetaKind, name: &str) -> Result<(), Fault> {
    let state = draft.state();
    match kind {
        MetaKind::ComponentTemplate => {
            let using = state.templates().filter(|(_, t)| t.composed_of.iter().any(|c| c == name));
            let using: Vec<&str> = using.map(|(n, _)| n).collect();
            if !using.is_empty() {
                return Err(Fault::argument(format!(
                    "component templates [{name}] cannot be removed as they are still in use by \
                     index templates [{}]",
                    using.join(", ")
                )));
            }
        }
        MetaKind::IndexTemplate => {
            let holds = |stream: &str| state.template_for(stream).is_some_and(|(n, _)| n == name);
            let using: Vec<&str> = state.streams().map(|(n, _)| n).filter(|n| holds(n)).collect();
            if !using.is_empty() {
                return Err(Fault::argument(format!(
                    "unable to remove composable templates [{name}] as they are in use by a data \
                     streams [{}]",
                    using.join(", ")
                )));
            }
        }
        _ => {}
    }
    Ok(())
}

/// What an index of this name would begin with: `_simulate_index`.
pub fn simulated(draft: &Draft, name: &str, template: Option<&str>) -> Json {
    let state = draft.state();
    let part = state.part_for(name);
    let holds = template
        .map(str::to_owned)
        .or_else(|| state.template_for(name).map(|(own, _)| own.to_owned()));
    let aliases = part.aliases.iter().map(|(n, spec)| (n.clone(), spec.json()));
    let mut inside = json!({
        "settings": part.settings.present().nested(),
        "mappings": state.mappings_for(name),
        "aliases": Json::Object(aliases.collect()),
    });
    if let Some(lifecycle) = part.lifecycle {
        inside["lifecycle"] = lifecycle;
    }
    let others = state.templates().filter(|(own, t)| {
        Some(*own) != holds.as_deref() && t.patterns.iter().any(|p| glob(p, name))
    });
    let overlapping: Vec<Json> = others
        .map(|(own, t)| json!({ "name": own, "index_patterns": t.patterns }))
        .chain(
            state
                .legacy_for(name)
                .iter()
                .map(|(own, l)| json!({ "name": own, "index_patterns": l.patterns })),
        )
        .collect();
    json!({ "template": inside, "overlapping": overlapping })
}

/// Templates that are there from the start, as Elasticsearch's are.
pub(crate) fn built_in() -> [(&'static str, Json); 3] {
    let template = |kind: &str, managed: &str| {
        json!({
            "index_patterns": [format!("{kind}-*-*")],
            "template": { "settings": {}, "mappings": {}, "aliases": {} },
            "composed_of": [],
            "priority": 100,
            "version": 1,
            "_meta": { "description": managed, "managed": true },
            "data_stream": { "hidden": false, "allow_custom_routing": false },
            "allow_auto_create": true,
        })
    };
    [
        ("logs", template("logs", "default logs template")),
        ("metrics", template("metrics", "default metrics template")),
        ("synthetics", template("synthetics", "default synthetics template")),
    ]
}
