//! What does a search answer? Hits, totals, aggregations, and which splits could not be read.
//!
//! Knows nothing of HTTP, and nothing of how the answer was found.

use model::id::{IndexName, RecordSeq};
use model::time::Timestamp;
use serde_json::{Map, Value as Json};

use crate::score::Annotated;
use crate::search::order::Position;
use crate::tree::Object;

/// The answer to a search.
#[derive(Clone, Debug, Default)]
pub struct SearchAnswer {
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// The search's time ran out: the answer is of what was read until then.
    pub timed_out: bool,
    /// How many records match, if that was asked.
    pub total: Option<Total>,
    /// The page of hits, in order.
    pub hits: Vec<Hit>,
    /// The best score, when scores are the order.
    pub max_score: Option<f32>,
    /// Answers of the aggregations by name, if there are any.
    pub aggregations: Option<Object>,
    /// What was read, and what could not be.
    pub shards: Shards,
    /// Whether the search ended at `terminate_after`, if it has one.
    pub terminated_early: Option<bool>,
    /// Where the last hit lies in the order, for those who continue after it.
    pub position: Option<Position>,
    /// How long each segment took, if that was asked.
    pub profile: Vec<Spent>,
}

/// How long a segment took, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Its name.
    pub segment: String,
    /// Finding the records that match.
    pub query_ns: u64,
    /// Choosing the hits.
    pub hits_ns: u64,
    /// Aggregating.
    pub aggs_ns: u64,
    /// How many records matched.
    pub matching: u64,
}

/// How many records match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The number.
    pub value: u64,
    /// Whether it is exact.
    pub relation: Relation,
}

/// What a total says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Exactly so many.
    Eq,
    /// At least so many.
    Gte,
}

/// One record of the answer.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Its index.
    pub index: IndexName,
    /// Its `_id`.
    pub id: String,
    /// Its number in the order of acceptance.
    pub seq: RecordSeq,
    /// Its time.
    pub timestamp: Timestamp,
    /// The very text of the document, unfiltered; `None` when the request wants no source.
    pub source: Option<String>,
    /// Its values of the sort keys; empty when the request names none.
    pub sort: Vec<Json>,
    /// The `fields` that the request asks for.
    pub fields: Option<Map<String, Json>>,
    /// The marked pieces of its fields.
    pub highlight: Option<Box<Map<String, Json>>>,
    /// Its score, and what it matches.
    pub said: Box<Annotated>,
}

/// Splits and live batches that were read.
#[derive(Clone, Debug, Default)]
pub struct Shards {
    /// How many the search looked at, with those that failed.
    pub total: u32,
    /// Those that could not be read; the answer is without them.
    pub failed: Vec<ShardFailure>,
}

/// A split that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardFailure {
    /// Its name.
    pub split: String,
    /// The first of its indexes.
    pub index: String,
    /// Elasticsearch's name of the kind of failure.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
}

/// The answer to a count.
#[derive(Clone, Debug, Default)]
pub struct CountAnswer {
    /// How many records match.
    pub count: u64,
    /// What was read, and what could not be.
    pub shards: Shards,
    /// Whether the count ended at `terminate_after`, if it has one.
    pub terminated_early: Option<bool>,
}

/// What a client that follows new lines is sent.
#[derive(Clone, Debug)]
pub enum TailEvent {
    /// A new record that matches.
    Hit(Hit),
    /// So many records that match were left out since the last event: the client is too slow.
    Dropped(u64),
}
