//! What is set up now? All metadata of a tenant, as one value that never changes.
//!
//! Bodies are kept as text; beside it lies what is asked often. A change makes a new state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::meta::{MetaKind, MetaRow};
use serde_json::{Map, Value as Json};

use crate::alias::AliasSpec;
use crate::indices::IndexEntry;
use crate::lifecycle::Policy;
use crate::pattern::glob;
use crate::settings::Flat;
use crate::stream::DataStream;
use crate::template::{Legacy, Part, Template};

/// The one row of cluster settings.
pub(crate) const CLUSTER: &str = "settings";

/// One row, with what is asked often.
#[derive(Debug)]
pub struct Entry {
    /// The body.
    pub text: Arc<str>,
    /// How often it was set.
    pub version: u64,
    pub(crate) parsed: Parsed,
}

impl Entry {
    /// The body, read; null if it cannot be.
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(crate) enum Parsed {
    Template(Template),
    Component(Part),
    Legacy(Legacy),
    Policy(Policy),
    Stream(DataStream),
    Index(IndexEntry),
    Other,
}

impl Parsed {
    /// `None` when the body is not what the kind says.
    pub(crate) fn of(kind: MetaKind, text: &str) -> Option<Self> {
        let json = || serde_json::from_str::<Json>(text).ok();
        Some(match kind {
            MetaKind::IndexTemplate => Parsed::Template(Template::of(&json()?)?),
            MetaKind::ComponentTemplate => Parsed::Component(Part::of(json()?.get("template")?)),
            MetaKind::LegacyTemplate => Parsed::Legacy(Legacy::of(&json()?)?),
            MetaKind::LifecyclePolicy => Parsed::Policy(Policy::of(&json()?)?),
            MetaKind::DataStream => Parsed::Stream(serde_json::from_str(text).ok()?),
            MetaKind::Index => Parsed::Index(serde_json::from_str(text).ok()?),
            MetaKind::Pipeline | MetaKind::Script | MetaKind::Cluster => Parsed::Other,
        })
    }
}

type Rows = BTreeMap<String, Arc<Entry>>;

/// All metadata of a tenant.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Rises with every change.
    pub version: u64,
    rows: BTreeMap<MetaKind, Rows>,
    bytes: usize,
    count: usize,
    /// The stream of each backing index.
    backing: HashMap<String, String>,
    /// Aliases with the indexes and data streams that have them.
    aliases: BTreeMap<String, BTreeSet<String>>,
    /// Aliases that some template gives.
    template_aliases: BTreeSet<String>,
    cluster: Flat,
}

impl State {
    /// Of rows; those that cannot be read are left out and named.
    pub(crate) fn new(rows: Vec<MetaRow>) -> (Self, Vec<String>) {
        let (mut state, mut damaged) = (Self::default(), Vec::new());
        for row in rows {
            match Parsed::of(row.kind, &row.body) {
                Some(parsed) => {
                    let entry = Entry { text: row.body.into(), version: row.version, parsed };
                    state.put(row.kind, row.name, entry);
                }
                None => damaged.push(format!("{} `{}`", row.kind.as_str(), row.name)),
            }
        }
        state.derive();
        (state, damaged)
    }

    pub(crate) fn put(&mut self, kind: MetaKind, name: String, entry: Entry) {
        self.remove(kind, &name);
        self.bytes += entry.text.len() + name.len();
        self.count += 1;
        self.rows.entry(kind).or_default().insert(name, Arc::new(entry));
    }

    pub(crate) fn remove(&mut self, kind: MetaKind, name: &str) -> bool {
        let gone = self.rows.get_mut(&kind).and_then(|rows| rows.remove(name));
        if let Some(entry) = &gone {
            self.bytes -= entry.text.len() + name.len();
            self.count -= 1;
        }
        gone.is_some()
    }

    /// Works out what follows from the rows.
    pub(crate) fn derive(&mut self) {
        let (mut backing, mut aliases) = (HashMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for (name, stream) in self.streams() {
            backing.extend(stream.indices.iter().map(|i| (i.name.clone(), name.to_owned())));
            for alias in stream.aliases.keys() {
                aliases.entry(alias.clone()).or_default().insert(name.to_owned());
            }
        }
        for (name, index) in self.indices() {
            for alias in index.aliases.keys() {
                aliases.entry(alias.clone()).or_default().insert(name.to_owned());
            }
        }
        let mut given = BTreeSet::new();
        for (_, entry) in self.all(MetaKind::IndexTemplate) {
            if let Parsed::Template(template) = &entry.parsed {
                given.extend(self.parts(template).flat_map(|p| p.aliases.keys().cloned()));
            }
        }
        for (_, entry) in self.all(MetaKind::LegacyTemplate) {
            if let Parsed::Legacy(legacy) = &entry.parsed {
                given.extend(legacy.part.aliases.keys().cloned());
            }
        }
        let cluster = self.get(MetaKind::Cluster, CLUSTER).map(|e| e.json()).unwrap_or_default();
        let mut flat = Flat::plain(&cluster["persistent"]).unwrap_or_default();
        flat.overlay(&Flat::plain(&cluster["transient"]).unwrap_or_default());
        (self.backing, self.aliases, self.template_aliases) = (backing, aliases, given);
        self.cluster = flat;
    }

    /// Rows, and bytes of their bodies.
    pub fn size(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }

    /// One row.
    pub fn get(&self, kind: MetaKind, name: &str) -> Option<&Arc<Entry>> {
        self.rows.get(&kind)?.get(name)
    }

    /// All rows of a kind by name.
    pub fn all(&self, kind: MetaKind) -> impl Iterator<Item = (&str, &Arc<Entry>)> {
        let rows = self.rows.get(&kind);
        rows.into_iter().flatten().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The rows of a kind whose names one of the patterns matches.
    pub fn matching<'a>(
        &'a self,
        kind: MetaKind,
        patterns: &'a [String],
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Entry>)> {
        let wanted = |name: &str| patterns.is_empty() || patterns.iter().any(|p| glob(p, name));
        self.all(kind).filter(move |(name, _)| wanted(name))
    }

    /// The settings of the cluster.
    pub fn cluster(&self) -> &Flat {
        &self.cluster
    }

    /// Data streams by name.
    pub fn streams(&self) -> impl Iterator<Item = (&str, &DataStream)> {
        self.all(MetaKind::DataStream).filter_map(|(name, entry)| match &entry.parsed {
            Parsed::Stream(stream) => Some((name, stream)),
            _ => None,
        })
    }

    /// A data stream.
    pub fn stream(&self, name: &str) -> Option<&DataStream> {
        match &self.get(MetaKind::DataStream, name)?.parsed {
            Parsed::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// The data stream that an index belongs to.
    pub fn stream_of(&self, index: &str) -> Option<&str> {
        self.backing.get(index).map(String::as_str)
    }

    /// Indexes that clients set something of, by name.
    pub fn indices(&self) -> impl Iterator<Item = (&str, &IndexEntry)> {
        self.all(MetaKind::Index).filter_map(|(name, entry)| match &entry.parsed {
            Parsed::Index(index) => Some((name, index)),
            _ => None,
        })
    }

    /// What clients set of an index.
    pub fn index(&self, name: &str) -> Option<&IndexEntry> {
        match &self.get(MetaKind::Index, name)?.parsed {
            Parsed::Index(index) => Some(index),
            _ => None,
        }
    }

    /// A lifecycle policy.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        match &self.get(MetaKind::LifecyclePolicy, name)?.parsed {
            Parsed::Policy(policy) => Some(policy),
            _ => None,
        }
    }

    /// Index templates by name.
    pub fn templates(&self) -> impl Iterator<Item = (&str, &Template)> {
        self.all(MetaKind::IndexTemplate).filter_map(|(name, entry)| match &entry.parsed {
            Parsed::Template(template) => Some((name, template)),
            _ => None,
        })
    }

    /// The index template that holds for a new index or data stream: the one of the highest
    /// priority.
    pub fn template_for(&self, name: &str) -> Option<(&str, &Template)> {
        let matching = self.templates().filter(|(_, t)| t.patterns.iter().any(|p| glob(p, name)));
        matching.max_by_key(|(_, t)| t.priority)
    }

    /// The legacy templates that hold for a new index, lowest order first.
    pub(crate) fn legacy_for(&self, name: &str) -> Vec<(&str, &Legacy)> {
        let rows = self.all(MetaKind::LegacyTemplate);
        let mut found: Vec<_> = rows
            .filter_map(|(of, entry)| match &entry.parsed {
                Parsed::Legacy(legacy) => Some((of, legacy)),
                _ => None,
            })
            .filter(|(_, l)| l.patterns.iter().any(|p| glob(p, name)))
            .collect();
        found.sort_by_key(|(_, legacy)| legacy.order);
        found
    }

    /// The names of the legacy templates that hold for a new index.
    pub fn legacy_names(&self, name: &str) -> Vec<&str> {
        self.legacy_for(name).into_iter().map(|(own, _)| own).collect()
    }

    /// The parts of a template, from the first component to itself.
    pub(crate) fn parts<'a>(&'a self, template: &'a Template) -> impl Iterator<Item = &'a Part> {
        let component = |name: &String| match &self.get(MetaKind::ComponentTemplate, name)?.parsed {
            Parsed::Component(part) => Some(part),
            _ => None,
        };
        template.composed_of.iter().filter_map(component).chain([&template.part])
    }

    /// What the templates say of a new index: all but its mappings.
    pub fn part_for(&self, name: &str) -> Part {
        let mut out = Part::default();
        match self.template_for(name) {
            Some((_, template)) => self.parts(template).for_each(|part| out.overlay(part)),
            None => self.legacy_for(name).iter().for_each(|(_, l)| out.overlay(&l.part)),
        }
        out
    }

    /// The mappings that the templates say of a new index.
    pub fn mappings_for(&self, name: &str) -> Map<String, Json> {
        let mut out = Map::new();
        let mut add = |kind, name: &str, at: &str| {
            if let Some(Json::Object(map)) =
                self.get(kind, name).and_then(|e| e.json().pointer_mut(at).map(Json::take))
            {
                crate::template::merge_mappings(&mut out, map);
            }
        };
        match self.template_for(name) {
            Some((own, template)) => {
                for component in &template.composed_of {
                    add(MetaKind::ComponentTemplate, component, "/template/mappings");
                }
                add(MetaKind::IndexTemplate, own, "/template/mappings");
            }
            None => {
                for (own, _) in self.legacy_for(name) {
                    add(MetaKind::LegacyTemplate, own, "/mappings");
                }
            }
        }
        out
    }

    /// Whether an alias exists, as far as that does not depend on which indexes have records.
    pub fn is_alias(&self, name: &str) -> bool {
        self.aliases.contains_key(name)
    }

    /// Aliases with the indexes and data streams that were given them.
    pub fn aliases(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.aliases
    }

    /// Aliases that templates give to the indexes that they match.
    pub fn template_aliases(&self) -> &BTreeSet<String> {
        &self.template_aliases
    }

    /// The aliases of an index that exists.
    pub fn aliases_of(&self, index: &str) -> BTreeMap<String, AliasSpec> {
        if let Some(entry) = self.index(index) {
            return entry.aliases.clone();
        }
        if self.template_aliases.is_empty() || self.backing.contains_key(index) {
            return BTreeMap::new();
        }
        self.part_for(index).aliases
    }

    /// The settings of an index that exists, as it was made.
    pub fn settings_of(&self, index: &str) -> Flat {
        if let Some(entry) = self.index(index)
            && entry.created
        {
            return entry.settings();
        }
        let template = self.stream_of(index).unwrap_or(index);
        let mut out = self.part_for(template).settings;
        if template != index {
            out.0.insert("index.hidden".to_owned(), "true".into());
        }
        if let Some(entry) = self.index(index) {
            out.overlay(&entry.settings());
        }
        out.present()
    }

    /// The mappings that clients gave an index.
    pub fn mappings_of(&self, index: &str) -> Map<String, Json> {
        let entry = self.index(index);
        let mut out = match entry {
            Some(entry) if entry.created => Map::new(),
            _ => self.mappings_for(self.stream_of(index).unwrap_or(index)),
        };
        if let Some(Json::Object(own)) = entry.map(|e| e.mappings.clone()) {
            crate::template::merge_mappings(&mut out, own);
        }
        if self.backing.contains_key(index) {
            // Every document of a data stream has a time.
            let fields = out.entry("properties").or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(fields) = fields
                && !fields.contains_key("@timestamp")
            {
                fields.insert("@timestamp".to_owned(), serde_json::json!({ "type": "date" }));
            }
        }
        out
    }
}
