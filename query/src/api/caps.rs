//! What can be done with which field? `_field_caps`: declared fields and those that records have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::response::Response;
use index::read::Snapshot;
use meta::state::State;
use model::time::TimeRange;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::fields::{Bits, Fields};
use super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::{Api, mapping, reply};
use crate::elastic::{Reader, parse_json};
use crate::plan::{Node, glob};

/// What a request wants to know.
#[derive(Debug, Default)]
struct Asked {
    patterns: Vec<String>,
    types: Vec<String>,
    unmapped: bool,
    /// Fields too that no record has.
    empty: bool,
    parents: bool,
    multi_fields: bool,
    nested: bool,
    /// `Some(true)`: metadata fields alone; `Some(false)`: none of them.
    metadata: Option<bool>,
    /// The time of the records that the request is about.
    time: Option<TimeRange>,
}

impl Asked {
    fn of(api: &Api, call: &Call) -> Result<Self, ApiError> {
        let mut out = Self {
            patterns: call.params.list("fields"),
            types: call.params.list("types"),
            unmapped: call.params.flag("include_unmapped")?.unwrap_or(false),
            empty: call.params.flag("include_empty_fields")?.unwrap_or(true),
            parents: true,
            multi_fields: true,
            nested: true,
            ..Self::default()
        };
        for filter in call.params.list("filters") {
            match filter.as_str() {
                "+metadata" | " metadata" | "metadata" => out.metadata = Some(true),
                "-metadata" => out.metadata = Some(false),
                "-parent" => out.parents = false,
                "-nested" => out.nested = false,
                "-multifield" => out.multi_fields = false,
                other => {
                    let reason = format!("Unknown field caps filter [{other}]");
                    return Err(ApiError::illegal(reason));
                }
            }
        }
        if !call.body.iter().all(u8::is_ascii_whitespace) {
            out.read(api, parse_json(&call.body)?)?;
        }
        if out.patterns.is_empty() {
            return Err(ApiError::illegal("specified fields can't be null or empty"));
        }
        Ok(out)
    }

    fn read(&mut self, api: &Api, body: Json) -> Result<(), ApiError> {
        let Json::Object(map) = body else {
            return Err(ApiError::illegal("the body of _field_caps must be an object"));
        };
        for (key, value) in &map {
            match (key.as_str(), value) {
                ("fields", Json::String(field)) => self.patterns.push(field.clone()),
                ("fields", Json::Array(list)) => {
                    let names = list.iter().filter_map(Json::as_str);
                    self.patterns.extend(names.map(str::to_owned));
                }
                // It may only thin out the indexes; its time does.
                ("index_filter", query) => {
                    let query = Reader::new(api.now(), &api.settings).query(query)?;
                    self.time = Some(Node::of(&query)?.time());
                }
                ("runtime_mappings", Json::Object(map)) if map.is_empty() => {}
                _ => {
                    let reason = format!("[field_caps] unknown field [{key}]");
                    return Err(ApiError::new(400, "parsing_exception", reason));
                }
            }
        }
        Ok(())
    }

    fn wants(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| glob(pattern, path))
    }
}

/// The indexes that have records of a time.
fn within(snapshot: &Snapshot, time: TimeRange) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut add = |name: &str| {
        if !out.contains(name) {
            out.insert(name.to_owned());
        }
    };
    for split in snapshot.splits.iter().filter(|s| s.meta().time.overlaps(&time)) {
        split.meta().indexes.iter().for_each(|(name, _)| add(name.as_str()));
    }
    for live in snapshot.live.iter().filter(|l| l.time.overlaps(&time)) {
        live.batch.batch.indexes().iter().for_each(|name| add(name.as_str()));
    }
    out
}

/// A field that clients declared, or that objects make.
#[derive(Clone, Debug)]
struct Declared {
    path: String,
    ty: String,
    multi_field: bool,
}

/// `GET|POST /_field_caps`, `/{index}/_field_caps`.
pub(super) async fn field_caps(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["fields", "include_unmapped", "filters", "types", "include_empty_fields"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let asked = Asked::of(&api, &call)?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(&api, &snapshot);
    let found = indexes.found(&call.indexes, Lookup::of(&call.params)?)?;
    let mut names: BTreeSet<String> = found.into_keys().collect();
    if let Some(time) = asked.time.filter(|time| *time != TimeRange::ALL) {
        let there = within(&snapshot, time);
        names.retain(|name| there.contains(name));
    }
    let full: BTreeSet<String> =
        names.iter().filter(|name| indexes.known.stats(name).docs > 0).cloned().collect();
    let fields = mapping::read_fields(&api, snapshot, &full).await?;
    let state = indexes.state;
    let body = tokio::task::spawn_blocking(move || answer(&asked, &state, &fields, names)).await;
    reply::json(&call, body.map_err(|e| ApiError::internal(&e))??)
}

type ByType = BTreeMap<String, Bits>;

/// Most names of indexes that are listed beside fields.
const LISTED_MAX: usize = 1_000_000;

fn answer(
    asked: &Asked,
    state: &State,
    fields: &Fields,
    names: BTreeSet<String>,
) -> Result<Json, ApiError> {
    let names: Vec<String> = names.into_iter().collect();
    let all = match asked.metadata {
        Some(true) => BTreeMap::new(),
        _ => gather(asked, state, fields, &names),
    };
    let mut out = Map::new();
    let mut listed = 0;
    for (path, types) in &all {
        let caps = capabilities(asked, types, &names);
        listed +=
            caps.values().filter_map(|c| c["indices"].as_array()).map(Vec::len).sum::<usize>();
        if listed > LISTED_MAX {
            return Err(ApiError::new(
                429,
                "circuit_breaking_exception",
                format!(
                    "the fields of {} indexes have so many different types that more than \
                     {LISTED_MAX} names would be listed; name fewer indexes or fields",
                    names.len()
                ),
            ));
        }
        if !caps.is_empty() {
            out.insert(path.clone(), Json::Object(caps));
        }
    }
    if asked.metadata != Some(false) {
        for (name, searched, aggregated) in
            [("_id", true, false), ("_index", true, true), ("_source", false, false)]
        {
            let typed = asked.types.is_empty() || asked.types.iter().any(|ty| ty == name);
            if typed && asked.wants(name) && !names.is_empty() {
                let caps = json!({
                    "type": name, "metadata_field": true, "searchable": searched,
                    "aggregatable": aggregated,
                });
                out.insert(name.to_owned(), json!({ name: caps }));
            }
        }
    }
    Ok(json!({ "indices": names, "fields": out }))
}

/// Deeper objects are not told: a name may be nothing but dots.
const PARENTS_MAX: usize = 40;

/// Fields with their types, and the indexes that have them so.
struct Gathering<'a> {
    asked: &'a Asked,
    names: &'a [String],
    all: BTreeMap<String, ByType>,
    /// The indexes whose fields of a path are declared.
    taken: HashMap<String, Bits>,
}

/// What is declared goes before what is found.
fn gather(
    asked: &Asked,
    state: &State,
    fields: &Fields,
    names: &[String],
) -> BTreeMap<String, ByType> {
    let at: Vec<Option<usize>> =
        fields.names.iter().map(|name| names.binary_search(name).ok()).collect();
    let same = fields.names == *names;
    let widen = |bits: &Bits| {
        if same {
            return bits.clone();
        }
        let mut out = Bits::new(names.len());
        bits.each(fields.names.len()).filter_map(|i| at[i]).for_each(|i| out.set(i));
        out
    };
    let found: HashMap<&str, Bits> = match asked.empty {
        true => HashMap::new(),
        false => fields
            .paths
            .iter()
            .map(|(path, types)| {
                let mut bits = Bits::new(names.len());
                types.iter().for_each(|(_, of)| bits.add(&widen(of)));
                (&**path, bits)
            })
            .collect(),
    };
    let mut out = Gathering { asked, names, all: BTreeMap::new(), taken: HashMap::new() };
    for group in groups(state, names) {
        for field in declared(state, names, &group) {
            out.add_declared(&field, &group, found.get(field.path.as_str()));
        }
    }
    for (path, types) in &fields.paths {
        for (ty, bits) in types {
            out.add_found(fields, path, (ty.name(), widen(bits)));
        }
    }
    out.all
}

impl Gathering<'_> {
    fn add(&mut self, path: &str, ty: &str, bits: &Bits) {
        if !self.all.contains_key(path) {
            self.all.insert(path.to_owned(), ByType::new());
        }
        if let Some(types) = self.all.get_mut(path) {
            types.entry(ty.to_owned()).or_insert_with(|| Bits::new(self.names.len())).add(bits);
        }
    }

    fn add_declared(&mut self, field: &Declared, group: &Bits, found: Option<&Bits>) {
        let asked = self.asked;
        let skipped = (field.multi_field && !asked.multi_fields)
            || (field.ty == "object" && !asked.parents)
            || (field.ty == "nested" && !(asked.parents && asked.nested));
        let mut of = group.clone();
        if !asked.empty && field.ty != "object" {
            let mut empty = group.clone();
            if let Some(found) = found {
                empty.take_out(found);
            }
            of.take_out(&empty);
        }
        if !skipped && !of.is_empty() && asked.wants(&field.path) {
            self.add(&field.path, &field.ty, &of);
        }
        let count = self.names.len();
        self.taken.entry(field.path.clone()).or_insert_with(|| Bits::new(count)).add(group);
    }

    fn add_found(&mut self, fields: &Fields, path: &str, (ty, mut bits): (&str, Bits)) {
        if let Some(taken) = self.taken.get(path) {
            bits.take_out(taken);
        }
        if bits.is_empty() {
            return;
        }
        if self.asked.wants(path) {
            self.add(path, ty, &bits);
        }
        if !self.asked.parents || path.bytes().filter(|b| *b == b'.').count() > PARENTS_MAX {
            return;
        }
        for (dot, _) in path.match_indices('.').filter(|(dot, _)| *dot > 0) {
            let parent = &path[..dot];
            let is_field = self.taken.contains_key(parent) || has_path(fields, parent);
            if !is_field && self.asked.wants(parent) {
                self.add(parent, "object", &bits);
            }
        }
    }
}

fn has_path(fields: &Fields, path: &str) -> bool {
    fields.paths.binary_search_by(|(known, _)| (**known).cmp(path)).is_ok()
}

/// Indexes whose declared fields are the same: those of one template, which is read once.
fn groups(state: &State, names: &[String]) -> Vec<Bits> {
    let mut groups: HashMap<String, Bits> = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        let of = state.stream_of(name).unwrap_or(name);
        let key = match (state.index(name), state.template_for(of)) {
            (Some(_), _) => format!("i{name}"),
            (None, Some((template, _))) => format!("t{template}"),
            // Legacy templates may differ by name.
            (None, None) => format!("l{}", state.legacy_names(of).join(",")),
        };
        groups.entry(key).or_insert_with(|| Bits::new(names.len())).set(at);
    }
    groups.into_values().collect()
}

/// The fields that clients declared of a group of indexes.
fn declared(state: &State, names: &[String], group: &Bits) -> Vec<Declared> {
    let mut list = Vec::new();
    if let Some(first) = group.each(names.len()).next() {
        let mapping = Json::Object(state.mappings_of(&names[first]));
        visit(&mapping, &mut String::new(), false, &mut list);
    }
    list
}

fn visit(mapping: &Json, path: &mut String, multi_field: bool, out: &mut Vec<Declared>) {
    for (inside, multi) in [("properties", multi_field), ("fields", true)] {
        let Some(Json::Object(fields)) = mapping.get(inside) else { continue };
        for (name, definition) in fields {
            let before = path.len();
            if before > 0 {
                path.push('.');
            }
            path.push_str(name);
            let ty = match definition.get("type").and_then(Json::as_str) {
                Some("match_only_text" | "search_as_you_type") => "text",
                Some("wildcard" | "constant_keyword") => "keyword",
                Some(ty) => ty,
                None => "object",
            };
            out.push(Declared { path: path.clone(), ty: ty.to_owned(), multi_field: multi });
            visit(definition, path, multi, out);
            path.truncate(before);
        }
    }
}

/// One entry per type; where there are several, each names its indexes.
fn capabilities(asked: &Asked, types: &ByType, names: &[String]) -> Map<String, Json> {
    let mut missing = Bits::new(names.len());
    if asked.unmapped {
        (0..names.len()).for_each(|at| missing.set(at));
        types.values().for_each(|bits| missing.take_out(bits));
    }
    let several = types.len() + usize::from(!missing.is_empty()) > 1;
    let listed =
        |bits: &Bits| -> Vec<&String> { bits.each(names.len()).map(|at| &names[at]).collect() };
    let mut out = Map::new();
    for (ty, bits) in types {
        if !asked.types.is_empty() && !asked.types.contains(ty) {
            continue;
        }
        let object = matches!(ty.as_str(), "object" | "nested");
        let mut caps = json!({
            "type": ty,
            "metadata_field": false,
            "searchable": !object,
            "aggregatable": !object && ty != "text",
        });
        if several {
            caps["indices"] = json!(listed(bits));
        }
        out.insert(ty.clone(), caps);
    }
    if !missing.is_empty() && !out.is_empty() {
        let caps = json!({
            "type": "unmapped", "metadata_field": false, "searchable": false,
            "aggregatable": false, "indices": listed(&missing),
        });
        out.insert("unmapped".to_owned(), caps);
    }
    out
}
