//! What is in a file of scenarios? The types of its YAML, and what must hold in each file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// A file of `tests/es_compat`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Rows of `docs/elasticsearch.md` that the steps show together.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Properties that a server with mappings must be told, beside those of every file.
    #[serde(default)]
    pub mappings: Map<String, Json>,
    /// Documents that are there before the first step.
    #[serde(default)]
    pub docs: Documents,
    pub steps: Vec<Step>,
}

/// Documents of the file's own index, or of several by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Documents {
    Own(Vec<Map<String, Json>>),
    Named(BTreeMap<String, Vec<Map<String, Json>>>),
}

impl Default for Documents {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

/// Which server a step is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Only {
    /// Ours, where it answers otherwise than Elasticsearch on purpose.
    Logdrive,
    /// Elasticsearch: what it answers where we do not.
    Elasticsearch,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Gzip,
    Deflate,
    Zstd,
}

/// One or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

impl<T> Default for OneOrMore<T> {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

/// What an error must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorIs {
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub reason: Option<String>,
    /// Of the first root cause, where it is not that of the error itself.
    pub root_type: Option<String>,
    pub root_reason: Option<String>,
}

/// A number and how far from it is still right.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Near {
    pub value: f64,
    pub error: f64,
}

/// A request and what its answer must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub covers: OneOrMore<String>,
    pub only: Option<Only>,
    /// Ask again until everything holds.
    #[serde(default)]
    pub until: bool,

    /// `METHOD /path?parameters`.
    #[serde(rename = "do")]
    pub call: String,
    #[serde(default)]
    pub params: Map<String, Json>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<Json>,
    pub ndjson: Option<Vec<Json>>,
    pub raw: Option<String>,
    pub encoding: Option<Encoding>,

    pub status: Option<OneOrMore<u16>>,
    #[serde(default)]
    pub header: BTreeMap<String, String>,
    /// A regular expression that the body's text must match.
    pub text: Option<OneOrMore<String>>,
    pub error: Option<ErrorIs>,
    #[serde(default, rename = "match")]
    pub matches: Map<String, Json>,
    /// Members that an object, or an element that a list, must hold at least.
    #[serde(default)]
    pub contains: Map<String, Json>,
    #[serde(default)]
    pub length: BTreeMap<String, usize>,
    #[serde(default)]
    pub is_true: OneOrMore<String>,
    #[serde(default)]
    pub is_false: OneOrMore<String>,
    #[serde(default)]
    pub exists: OneOrMore<String>,
    #[serde(default)]
    pub absent: OneOrMore<String>,
    #[serde(default, rename = "type")]
    pub types: BTreeMap<String, String>,
    #[serde(default)]
    pub keys: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub gt: BTreeMap<String, f64>,
    #[serde(default)]
    pub gte: BTreeMap<String, f64>,
    #[serde(default)]
    pub lt: BTreeMap<String, f64>,
    #[serde(default)]
    pub lte: BTreeMap<String, f64>,
    #[serde(default)]
    pub close_to: BTreeMap<String, Near>,
    /// `hits.total` is this value, exactly counted.
    pub total: Option<u64>,
    /// The `_id`s of the hits in their order.
    pub ids: Option<Vec<String>>,
    /// The `_id`s of the hits in any order.
    pub ids_any: Option<Vec<String>>,
    /// By path of an aggregation: its buckets as `[key, doc_count]`, in order.
    #[serde(default)]
    pub buckets: BTreeMap<String, Vec<Json>>,
    /// How far numbers with a fraction may be off, as a part of them.
    pub tolerance: Option<f64>,
    /// Names for values of the answer, for later steps.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
}

impl Step {
    /// Whether the step expects that the request is refused.
    pub fn refused(&self) -> bool {
        let statuses = self.status.as_ref().map(OneOrMore::as_slice).unwrap_or_default();
        !statuses.is_empty() && statuses.iter().all(|status| *status >= 400)
    }

    fn checks_something(&self) -> bool {
        self.status.is_some()
            || self.text.is_some()
            || self.error.is_some()
            || self.total.is_some()
            || self.ids.is_some()
            || self.ids_any.is_some()
            || !self.header.is_empty()
            || !self.matches.is_empty()
            || !self.contains.is_empty()
            || !self.length.is_empty()
            || !self.buckets.is_empty()
            || !self.keys.is_empty()
            || !self.types.is_empty()
            || !self.close_to.is_empty()
            || [&self.gt, &self.gte, &self.lt, &self.lte].iter().any(|c| !c.is_empty())
            || [&self.is_true, &self.is_false, &self.exists, &self.absent]
                .iter()
                .any(|paths| !paths.as_slice().is_empty())
    }
}

impl File {
    /// What holds in every file.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.is_empty() {
            return Err("there are no steps".to_owned());
        }
        for (at, step) in self.steps.iter().enumerate() {
            let bodies = [step.body.is_some(), step.ndjson.is_some(), step.raw.is_some()];
            if bodies.iter().filter(|there| **there).count() > 1 {
                return Err(format!("step {}: one of `body`, `ndjson`, `raw`", at + 1));
            }
            if !step.call.contains(" /") {
                return Err(format!("step {}: `do` is `METHOD /path`", at + 1));
            }
            if step.error.is_some() && !step.refused() {
                return Err(format!("step {}: an `error` needs its `status`", at + 1));
            }
            if !step.checks_something() && step.set.is_empty() {
                return Err(format!("step {}: it expects nothing", at + 1));
            }
        }
        Ok(())
    }
}
