//! What did clients say of an index? Made by name, with settings, mappings and aliases.
//!
//! An index that nobody made is a label of records; what templates say of it is looked up.

use std::collections::BTreeMap;

use model::meta::{Fault, MetaKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::alias::{self, AliasSpec};
use crate::registry::Draft;
use crate::settings::Flat;
use crate::template::merge_mappings;
use crate::value::object;

/// What clients set of an index.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct IndexEntry {
    /// It was made by name and exists without records; otherwise it exists while it has some.
    pub created: bool,
    /// When, in milliseconds.
    pub created_ms: i64,
    /// Its aliases.
    #[serde(default)]
    pub aliases: BTreeMap<String, AliasSpec>,
    /// Its settings, flat.
    #[serde(default)]
    pub(crate) settings: Map<String, Json>,
    /// Its mappings.
    #[serde(default)]
    pub mappings: Json,
    /// It answers no searches.
    #[serde(default)]
    pub closed: bool,
    /// When each of its aliases was rolled over to another index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rolled_ms: BTreeMap<String, i64>,
}

impl IndexEntry {
    /// Its settings.
    pub fn settings(&self) -> Flat {
        Flat(self.settings.clone().into_iter().collect())
    }

    /// Sets them.
    pub fn set_settings(&mut self, settings: Flat) {
        self.settings = settings.0.into_iter().collect();
    }

    /// Wildcards do not mean it unless they ask for hidden ones.
    pub fn hidden(&self) -> bool {
        self.settings.get("index.hidden").and_then(Json::as_str) == Some("true")
    }
}

/// Fails when no index can be made under a name.
pub(crate) fn check_free(draft: &Draft, labels: &[String], name: &str) -> Result<(), Fault> {
    if let Some(fault) = model::id::index_name_fault(name) {
        return Err(Fault::index_name(name, fault));
    }
    let state = draft.state();
    let exists = state.index(name).is_some_and(|i| i.created)
        || state.stream_of(name).is_some()
        || labels.binary_search_by(|l| l.as_str().cmp(name)).is_ok();
    if exists {
        let uuid = draft.uuid(name);
        let reason = format!("index [{name}/{uuid}] already exists");
        return Err(Fault {
            index: Some(name.to_owned()),
            ..Fault::new(400, "resource_already_exists_exception", reason)
        });
    }
    if state.stream(name).is_some() {
        return Err(Fault::index_name(name, "already exists as data stream"));
    }
    if !draft.members_of(name).is_empty() {
        return Err(Fault::index_name(name, "already exists as alias"));
    }
    Ok(())
}

/// `PUT /{index}`: makes an index.
///
/// # Errors
/// The name cannot be used, or the body makes no sense.
pub fn create(
    draft: &mut Draft,
    labels: &[String],
    name: &str,
    body: Option<Json>,
) -> Result<(), Fault> {
    check_free(draft, labels, name)?;
    if let Some((template, found)) = draft.state().template_for(name)
        && found.stream.is_some()
    {
        return Err(Fault::argument(format!(
            "cannot create index with name [{name}], because it matches with template \
             [{template}] that creates data streams only, use create data stream api instead"
        )));
    }
    let part = draft.state().part_for(name);
    let mut entry = IndexEntry {
        created: true,
        created_ms: draft.now().millis(),
        mappings: Json::Object(draft.state().mappings_for(name)),
        ..IndexEntry::default()
    };
    let mut settings = part.settings.clone();
    entry.aliases = part.aliases;
    for (key, value) in body.map(|b| object(b, "index")).transpose()?.unwrap_or_default() {
        match key.as_str() {
            "settings" => settings.overlay(&Flat::of_index(&value)?),
            "mappings" => {
                let own = mappings(value)?;
                if let Json::Object(all) = &mut entry.mappings {
                    merge_mappings(all, own);
                }
            }
            "aliases" => entry.aliases.extend(alias::read_map(&value)?),
            // A body of settings alone, as old clients send it.
            _ => {
                let reason = format!("unknown key [{key}] for create index");
                return Err(Fault::new(400, "parse_exception", reason));
            }
        }
    }
    settings = settings.present();
    check_settings(&settings)?;
    for key in ["number_of_shards", "number_of_replicas"] {
        let (key, default) = (format!("index.{key}"), "1");
        settings.0.entry(key).or_insert_with(|| default.into());
    }
    entry.set_settings(settings);
    let aliases: Vec<String> = entry.aliases.keys().cloned().collect();
    for alias in &aliases {
        if alias == name {
            let reason = format!(
                "Invalid alias name [{alias}]: an index or data stream exists with the same name \
                 as the alias"
            );
            return Err(Fault::new(400, "invalid_alias_name_exception", reason));
        }
    }
    draft.put(MetaKind::Index, name, &entry)?;
    aliases.iter().try_for_each(|alias| alias::one_write_index(draft, alias))
}

/// Settings whose values are numbers above zero.
const COUNTS: [&str; 2] = ["index.number_of_shards", "index.number_of_replicas"];

pub(crate) fn check_settings(settings: &Flat) -> Result<(), Fault> {
    for key in COUNTS {
        let Some(value) = settings.get(key) else { continue };
        let least = i64::from(key == COUNTS[0]);
        match value.parse::<i64>() {
            Ok(number) if number >= least => {}
            Ok(number) => {
                return Err(Fault::argument(format!(
                    "Failed to parse value [{number}] for setting [{key}] must be >= {least}"
                )));
            }
            Err(_) => {
                let reason = format!("Failed to parse value [{value}] for setting [{key}]");
                return Err(Fault::argument(reason));
            }
        }
    }
    Ok(())
}

/// Types of fields that Elasticsearch has.
const TYPES: [&str; 41] = [
    "alias",
    "binary",
    "boolean",
    "byte",
    "completion",
    "constant_keyword",
    "counted_keyword",
    "date",
    "date_nanos",
    "date_range",
    "dense_vector",
    "double",
    "double_range",
    "flattened",
    "float",
    "float_range",
    "geo_point",
    "geo_shape",
    "half_float",
    "histogram",
    "aggregate_metric_double",
    "integer",
    "integer_range",
    "ip",
    "ip_range",
    "join",
    "keyword",
    "long",
    "long_range",
    "match_only_text",
    "nested",
    "object",
    "passthrough",
    "scaled_float",
    "search_as_you_type",
    "short",
    "sparse_vector",
    "text",
    "token_count",
    "unsigned_long",
    "wildcard",
];
/// Types that plugins bring, or that are rare.
const MORE_TYPES: [&str; 9] = [
    "version",
    "shape",
    "point",
    "percolator",
    "rank_feature",
    "rank_features",
    "semantic_text",
    "murmur3",
    "annotated_text",
];

fn is_type(name: &str) -> bool {
    TYPES.contains(&name) || MORE_TYPES.contains(&name)
}

/// The deepest nesting of a mapping.
const DEPTH_MAX: usize = 100;

/// The mappings of a body: without the type that old clients wrap them in, checked.
///
/// # Errors
/// A field has a type that does not exist, or the mapping is no object.
pub fn mappings(value: Json) -> Result<Map<String, Json>, Fault> {
    let mut map = match value {
        Json::Null => Map::new(),
        Json::Object(map) => map,
        _ => {
            let reason = "Failed to parse mapping: expected an object";
            return Err(Fault::new(400, "mapper_parsing_exception", reason));
        }
    };
    if map.len() == 1
        && let Some(Json::Object(inner)) = map.get_mut("_doc")
    {
        map = std::mem::take(inner);
    }
    const ROOT: [&str; 16] = [
        "properties",
        "dynamic",
        "dynamic_templates",
        "date_detection",
        "numeric_detection",
        "dynamic_date_formats",
        "_source",
        "_routing",
        "_meta",
        "runtime",
        "enabled",
        "_data_stream_timestamp",
        "_field_names",
        "_size",
        "subobjects",
        "_default_",
    ];
    if let Some(key) = map.keys().find(|key| !ROOT.contains(&key.as_str())) {
        let found = &map[key];
        let reason = format!(
            "Failed to parse mapping: Root mapping definition has unsupported parameters:  [{key} \
             : {found}]"
        );
        return Err(Fault::new(400, "mapper_parsing_exception", reason));
    }
    check_properties(&map, 0)?;
    Ok(map)
}

fn check_properties(map: &Map<String, Json>, depth: usize) -> Result<(), Fault> {
    let fault = |reason: String| {
        Err(Fault::new(
            400,
            "mapper_parsing_exception",
            format!("Failed to parse mapping: {reason}"),
        ))
    };
    if depth > DEPTH_MAX {
        return fault(format!("Limit of mapping depth [{DEPTH_MAX}] has been exceeded"));
    }
    for inside in ["properties", "fields"] {
        let fields = match map.get(inside) {
            None => continue,
            Some(Json::Object(fields)) => fields,
            Some(Json::Array(list)) if list.is_empty() => continue,
            Some(_) => return fault(format!("Expected map for property [{inside}]")),
        };
        for (name, field) in fields {
            let Json::Object(field) = field else {
                return fault(format!(
                    "Expected map for property [{inside}] on field [{name}] but got a value"
                ));
            };
            match field.get("type") {
                Some(Json::String(ty)) if !is_type(ty) => {
                    return fault(format!("No handler for type [{ty}] declared on field [{name}]"));
                }
                None if inside == "fields" || field.is_empty() => {
                    return fault(format!("No type specified for field [{name}]"));
                }
                _ => {}
            }
            check_properties(field, depth + 1)?;
        }
    }
    Ok(())
}
