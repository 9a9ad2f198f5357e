//! What does an Elasticsearch body ask? JSON to the one AST and [`SearchRequest`].
//!
//! What is not known is an error that names it, in Elasticsearch's words where it has some; what
//! is known but not supported says so. Scalars are lenient: numbers and booleans may be text.
//! Knows nothing of HTTP, and nothing of which indexes and fields exist.

mod aggs;
mod body;
mod collapse;
mod highlight;
mod json;
mod msearch;
mod query;
mod sort;
mod template;
mod term;
#[cfg(test)]
mod tests;
mod text;

use model::time::Timestamp;
use serde_json::Value as Json;

use crate::ast::{Query, Target};
use crate::clause::{Budget, Clauses, Limits, Mismatch};
use crate::dates::Dates;
use crate::error::QueryError;
use crate::request::SearchRequest;
use crate::settings::ApiSettings;

pub use body::{duration_ms, source_filter, stored, track_total};
pub use json::{boolean, parse_json};
pub use msearch::{MultiSearch, split_msearch};
pub use sort::{SortOrder, sort};
pub use template::rendered;

/// A search as its body asks for it.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What to compute.
    pub request: SearchRequest,
    /// Hits show `_version`.
    pub version: bool,
    /// Hits show `_seq_no` and `_primary_term`.
    pub seq_no: bool,
    /// Hits show a `_score` although they are sorted.
    pub scores: bool,
    /// The body says how exact the total must be.
    pub tracks_total: bool,
    /// Sort fields that must exist: those without `unmapped_type`.
    pub sort_fields: Vec<String>,
    /// The body says what of the source is wanted.
    pub names_source: bool,
    /// Which of the stored fields are wanted, if the body says so.
    pub stored: Option<Stored>,
    /// Further hits of each value of the field that collapses hits.
    pub inner_hits: Vec<(String, Search)>,
    /// The context that is searched, instead of the records of now.
    pub pit: Option<Pit>,
    /// The aggregations as they came, for the types of their answers.
    pub agg_spec: Option<Json>,
}

/// What `stored_fields` asks for. No field is stored but the source and the metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// `_none_`: neither source nor metadata.
    Nothing,
    /// Fields, none of which is the source.
    Fields,
    /// The source too.
    Source,
}

/// A point in time that is searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pit {
    /// Its id.
    pub id: String,
    /// It lives so much longer from now on, milliseconds.
    pub keep_alive_ms: Option<u64>,
}

/// Reads bodies; one for each request.
#[derive(Debug)]
pub struct Reader {
    dates: Dates,
    budget: Budget,
    result_window_max: usize,
}

impl Reader {
    /// A reader for which `now` is now.
    pub fn new(now: Timestamp, settings: &ApiSettings) -> Self {
        let limits = Limits {
            depth_max: settings.query_depth_max,
            clauses_max: settings.clauses_max,
            regex_bytes_max: settings.regex_bytes_max,
        };
        Self::with_limits(now, limits, settings.result_window_max)
    }

    /// A reader with limits of its own.
    pub fn with_limits(now: Timestamp, limits: Limits, result_window_max: usize) -> Self {
        Self { dates: Dates::at(now), budget: Budget::new(limits), result_window_max }
    }

    /// Reads a `_search` body; an empty one asks for everything.
    ///
    /// # Errors
    /// It is malformed, unknown, or over a limit.
    pub fn search(&mut self, body: &[u8]) -> Result<Search, QueryError> {
        body::search(self, body)
    }

    /// Reads a `_count` or other body of which only `query` is known.
    ///
    /// # Errors
    /// It is malformed, unknown, or over a limit.
    pub fn count(&mut self, body: &[u8]) -> Result<Query, QueryError> {
        body::count(self, body)
    }

    /// Reads a query.
    ///
    /// # Errors
    /// It is malformed, unknown, or over a limit.
    pub fn query(&mut self, json: &Json) -> Result<Query, QueryError> {
        query::query(self, json, 1)
    }

    /// Reads the URL's `q` with its options, as the options of a `query_string`.
    ///
    /// # Errors
    /// It is malformed or over a limit.
    pub fn query_string(&mut self, options: &Json) -> Result<Query, QueryError> {
        text::query_string(self, options, 1)
    }

    /// Settles what body and URL say together of sources; once, when both are read.
    ///
    /// # Errors
    /// The source is wanted, and nothing at all.
    pub fn settle(&self, search: &mut Search) -> Result<(), QueryError> {
        body::settle(search)
    }

    /// Checks what can only be checked when body and URL are together: page and `search_after`.
    ///
    /// # Errors
    /// The page is outside of the window, or does not fit `search_after`.
    pub fn check(&self, search: &Search) -> Result<(), QueryError> {
        body::check(search, self.result_window_max)
    }

    fn clauses<'a>(&'a mut self, dates: &'a Dates, mismatch: Mismatch) -> Clauses<'a> {
        Clauses { dates, mismatch, budget: &mut self.budget }
    }

    /// Makes clauses with the default formats.
    fn with<T>(&mut self, make: impl FnOnce(&mut Clauses<'_>) -> T) -> T {
        let mut clauses =
            Clauses { dates: &self.dates, mismatch: Mismatch::Fail, budget: &mut self.budget };
        make(&mut clauses)
    }
}

fn path(field: &str) -> Target {
    Target::Path(field.to_owned())
}
