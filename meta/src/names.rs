//! Which indexes does an expression of names mean? Names, wildcards, exclusions, date math,
//! aliases and data streams, as Elasticsearch resolves them.

use std::collections::BTreeMap;

use model::meta::Fault;
use model::time::Timestamp;
use serde_json::Value as Json;

use crate::date_name;
use crate::pattern::glob;
use crate::state::State;

/// What there is to choose from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What clients set up.
    pub state: &'a State,
    /// The indexes that have records, sorted.
    pub labels: &'a [String],
    /// What `now` means.
    pub now: Timestamp,
}

/// What wildcards mean: `expand_wildcards`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expand {
    /// Open indexes.
    pub open: bool,
    /// Closed indexes.
    pub closed: bool,
    /// Hidden ones too.
    pub hidden: bool,
}

impl Expand {
    /// Reads the values of the parameter.
    ///
    /// # Errors
    /// One is unknown.
    pub fn read<'v>(values: impl Iterator<Item = &'v str>) -> Result<Self, Fault> {
        let mut out = Expand { open: false, closed: false, hidden: false };
        for value in values {
            match value {
                "open" => out.open = true,
                "closed" => out.closed = true,
                "hidden" => out.hidden = true,
                "all" => out = Expand { open: true, closed: true, hidden: true },
                "none" => out = Expand { open: false, closed: false, hidden: false },
                other => {
                    let reason = format!("No valid expand wildcard value [{other}]");
                    return Err(Fault::argument(reason));
                }
            }
        }
        Ok(out)
    }
}

/// How expressions are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A name may be missing or closed.
    pub ignore_unavailable: bool,
    /// Wildcards may mean nothing.
    pub allow_no_indices: bool,
    /// What wildcards mean.
    pub expand: Expand,
    /// A closed index that is named is a fault.
    pub forbid_closed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ignore_unavailable: false,
            allow_no_indices: true,
            expand: Expand { open: true, closed: false, hidden: false },
            forbid_closed: false,
        }
    }
}

impl Options {
    /// All indexes, whatever their state.
    pub fn all() -> Self {
        let expand = Expand { open: true, closed: true, hidden: true };
        Self { expand, ..Self::default() }
    }
}

/// How much of an index is meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meant {
    /// All of it; the filters do not count.
    pub whole: bool,
    /// What aliases let see of it.
    pub filters: Vec<Json>,
}

/// Indexes with how much of them is meant.
pub type Found = BTreeMap<String, Meant>;

/// A name of 22 characters that an index keeps for ever: a hash (FNV-1a, 128 bits) of the
/// cluster's id and the index name.
pub fn index_uuid(cluster: &str, name: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in cluster.bytes().chain([b'/']).chain(name.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    (0..22).map(|i| LETTERS[(hash >> (i * 6) & 63) as usize] as char).collect()
}

impl View<'_> {
    /// Whether an index of exactly this name is there.
    pub fn has_index(&self, name: &str) -> bool {
        self.labels.binary_search_by(|l| l.as_str().cmp(name)).is_ok()
            || self.state.index(name).is_some_and(|i| i.created)
            || self.state.stream_of(name).is_some()
    }

    /// All indexes, in order.
    pub fn indices(&self) -> Vec<&str> {
        let mut out: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        let labels = out.len();
        out.extend(self.state.indices().filter(|(_, i)| i.created).map(|(name, _)| name));
        let streams = self.state.streams();
        out.extend(streams.flat_map(|(_, s)| s.indices.iter().map(|i| i.name.as_str())));
        if out.len() > labels {
            out.sort_unstable();
            out.dedup();
        }
        out
    }

    fn is_hidden(&self, index: &str) -> bool {
        self.state.stream_of(index).is_some() || self.state.index(index).is_some_and(|i| i.hidden())
    }

    fn is_closed(&self, index: &str) -> bool {
        self.state.index(index).is_some_and(|i| i.closed)
    }

    /// Whether wildcards may mean this index.
    fn is_wanted(&self, index: &str, pattern: &str, expand: Expand) -> bool {
        let state = if self.is_closed(index) { expand.closed } else { expand.open };
        let dotted = pattern.starts_with('.') && index.starts_with('.');
        state && (expand.hidden || dotted || !self.is_hidden(index))
    }

    /// The indexes behind an alias, each with the filter through which it is seen.
    pub fn behind(&self, alias: &str) -> Vec<(String, Option<Json>)> {
        let mut out = Vec::new();
        for target in self.state.aliases().get(alias).into_iter().flatten() {
            if let Some(stream) = self.state.stream(target) {
                let filter = stream.aliases.get(alias).and_then(|spec| spec.filter.clone());
                let backing = stream.indices.iter().map(|i| (i.name.clone(), filter.clone()));
                out.extend(backing);
            } else if self.has_index(target)
                && let Some(entry) = self.state.index(target)
            {
                let filter = entry.aliases.get(alias).and_then(|spec| spec.filter.clone());
                out.push((target.clone(), filter));
            }
        }
        if self.state.template_aliases().contains(alias) {
            for label in self.labels {
                if self.state.index(label).is_some() {
                    continue;
                }
                if let Some(spec) = self.state.aliases_of(label).get(alias) {
                    out.push((label.clone(), spec.filter.clone()));
                }
            }
        }
        out
    }

    /// Aliases that have an index, with whether wildcards mean them.
    pub fn alias_names(&self) -> Vec<(&str, bool)> {
        let given = self.state.aliases().keys().chain(self.state.template_aliases());
        let mut names: Vec<&str> = given.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let hidden = |alias: &str| {
            let of = |target: &String| match self.state.stream(target) {
                Some(stream) => stream.aliases.get(alias).cloned(),
                None => self.state.index(target).and_then(|i| i.aliases.get(alias).cloned()),
            };
            let targets = self.state.aliases().get(alias);
            targets.into_iter().flatten().filter_map(of).any(|s| s.is_hidden == Some(true))
        };
        names.into_iter().map(|name| (name, hidden(name))).collect()
    }
}

/// The expressions of a path or header, between commas.
pub fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// Whether an expression is one name, not several.
pub fn is_name(expression: &str) -> bool {
    !expression.contains('*') && !expression.starts_with('-') && expression != "_all"
}

/// The indexes that the expressions mean.
///
/// # Errors
/// A name is missing or closed, or nothing is meant, and the options do not allow it.
pub fn resolve(view: &View<'_>, expressions: &[String], options: &Options) -> Result<Found, Fault> {
    let all = ["*".to_owned()];
    let none = expressions.is_empty() || (expressions.len() == 1 && expressions[0] == "_all");
    let expressions = if none { &all[..] } else { expressions };
    let mut found = Found::new();
    let mut wild_before = false;
    for expression in expressions {
        let (excluded, text) = match expression.strip_prefix('-') {
            Some(rest) if wild_before => (true, rest),
            _ => (false, expression.as_str()),
        };
        let name = date_name::resolve(text, view.now)?;
        check_expression(&name, options)?;
        let wild = name.contains('*') || name == "_all";
        if !excluded {
            wild_before |= wild;
        }
        let mut these = Found::new();
        if wild {
            let pattern = if name == "_all" { "*" } else { &name };
            expand(view, pattern, options.expand, &mut these);
            if these.is_empty() && !options.allow_no_indices && !excluded {
                return Err(Fault::no_such_index(expression));
            }
        } else if !remote(&name) {
            one(view, &name, (options, excluded), &mut these)?;
        }
        match excluded {
            true => found.retain(|name, _| !these.contains_key(name)),
            false => these.into_iter().for_each(|(name, meant)| add(&mut found, &name, meant)),
        }
    }
    if found.is_empty() && !options.allow_no_indices {
        let shown = if none { "_all".to_owned() } else { expressions.join(",") };
        return Err(Fault::no_such_index(&shown));
    }
    Ok(found)
}

fn remote(name: &str) -> bool {
    name.contains(':')
}

fn check_expression(name: &str, options: &Options) -> Result<(), Fault> {
    if name.starts_with('_') && name != "_all" {
        return Err(Fault::index_name(name, "must not start with '_'."));
    }
    if let Some((cluster, _)) = name.split_once(':')
        && !options.ignore_unavailable
    {
        let reason = format!("no such remote cluster: [{cluster}]");
        return Err(Fault::new(404, "no_such_remote_cluster_exception", reason));
    }
    Ok(())
}

fn add(found: &mut Found, name: &str, meant: Meant) {
    let entry = found.entry(name.to_owned()).or_default();
    entry.whole |= meant.whole;
    entry.filters.extend(meant.filters);
}

fn whole() -> Meant {
    Meant { whole: true, filters: Vec::new() }
}

fn through(filter: Option<Json>) -> Meant {
    match filter {
        None => whole(),
        Some(filter) => Meant { whole: false, filters: vec![filter] },
    }
}

/// What a wildcard means.
fn expand(view: &View<'_>, pattern: &str, expand: Expand, out: &mut Found) {
    if !expand.open && !expand.closed {
        return;
    }
    for index in view.indices() {
        if glob(pattern, index) && view.is_wanted(index, pattern, expand) {
            add(out, index, whole());
        }
    }
    let shown = |name: &str, hidden: bool| {
        let dotted = pattern.starts_with('.') && name.starts_with('.');
        glob(pattern, name) && (!hidden || expand.hidden || dotted)
    };
    let open = |index: &str| if view.is_closed(index) { expand.closed } else { expand.open };
    for (name, stream) in view.state.streams() {
        if shown(name, stream.hidden) {
            let backing = stream.indices.iter().filter(|i| open(&i.name));
            backing.for_each(|i| add(out, &i.name, whole()));
        }
    }
    for (name, hidden) in view.alias_names() {
        if shown(name, hidden) {
            for (index, filter) in view.behind(name).into_iter().filter(|(i, _)| open(i)) {
                add(out, &index, through(filter));
            }
        }
    }
}

/// What a name means.
fn one(
    view: &View<'_>,
    name: &str,
    (options, excluded): (&Options, bool),
    out: &mut Found,
) -> Result<(), Fault> {
    let mut members = Vec::new();
    if view.has_index(name) {
        members.push((name.to_owned(), None));
    } else if let Some(stream) = view.state.stream(name) {
        members.extend(stream.indices.iter().map(|i| (i.name.clone(), None)));
    } else {
        members = view.behind(name);
        if members.is_empty() && !options.ignore_unavailable && !excluded {
            return Err(Fault::no_such_index(name));
        }
    }
    for (index, filter) in members {
        if options.forbid_closed && view.is_closed(&index) && !excluded {
            if options.ignore_unavailable {
                continue;
            }
            return Err(Fault {
                index: Some(index),
                ..Fault::new(400, "index_closed_exception", "closed")
            });
        }
        add(out, &index, through(filter));
    }
    Ok(())
}
