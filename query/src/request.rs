//! What does a search ask for? Query, order, page, what of the documents, aggregations.

mod buckets;
mod metric;
mod pipeline;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use model::time::TimeRange;
use serde_json::{Map, Value as Json};

use crate::ast::Query;
use crate::highlight::Highlight;
pub use buckets::*;
pub use metric::{
    CardinalityAgg, Metric, MetricAgg, Numbers, PercentilesAgg, RateAgg, Shape, StringStatsAgg,
    TopMetricsAgg, WeightedAvgAgg,
};
pub use pipeline::{
    GapPolicy, MovingAvgAgg, MovingModel, NormalizeMethod, PipelineAgg, PipelineKind,
};

/// A search, whatever language it came in.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Index patterns (`*`, a leading `-` excludes); empty means all.
    pub indexes: Vec<String>,
    /// Exactly these indexes, whatever `indexes` says.
    pub names: Option<Arc<HashSet<String>>>,
    /// Which records.
    pub query: Query,
    /// Clip to this time, besides what the query says.
    pub time: TimeRange,
    /// In what order; empty means the best score first, and of the same score the newest.
    pub sort: Vec<SortKey>,
    /// How many hits to pass over.
    pub from: usize,
    /// How many hits to return.
    pub size: usize,
    /// Continue after the hit with these sort values (the `sort` array of a hit).
    pub search_after: Option<Vec<Json>>,
    /// What of the documents.
    pub source: SourceFilter,
    /// Fields to return as `fields`.
    pub fields: Vec<FieldAndFormat>,
    /// How exact the total.
    pub track_total: TrackTotal,
    /// Aggregations by name, in the order of the request.
    pub aggs: Vec<(String, Agg)>,
    /// Add `_seq_no` and `_primary_term`/`_version` to hits when asked.
    pub version: bool,
    /// Give up after this long and answer with what there is (milliseconds).
    pub timeout_ms: Option<u64>,
    /// What of the hits is marked.
    pub highlight: Option<Highlight>,
    /// Which of the records that match are hits; aggregations see the others too.
    pub post_filter: Option<Query>,
    /// Only the first hit of each value of this field.
    pub collapse: Option<String>,
    /// Look at no more than so many matching records; 0 for all.
    pub terminate_after: u64,
    /// Only this part of the records, of so many.
    pub slice: Option<Slice>,
    /// Tell how long each segment took.
    pub profile: bool,
    /// What scores are wanted for, besides the order.
    pub ranking: Ranking,
}

/// What a search wants of scores. In an order that names no `_score` hits have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// Hits have scores although they are in another order.
    pub track: bool,
    /// The best score is told, although hits are in another order.
    pub best: bool,
    /// Hits tell why they have their scores.
    pub explain: bool,
    /// Records with a lower score do not match.
    pub min_score: Option<f32>,
    /// Hits tell the scores of the named queries that they match.
    pub named: bool,
}

/// A part of the records: each is in one of `max` parts, whatever holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which part, from 0 on.
    pub id: u64,
    /// How many there are, at least 2.
    pub max: u64,
}

impl Default for SearchRequest {
    fn default() -> Self {
        Self {
            indexes: Vec::new(),
            names: None,
            query: Query::All,
            time: TimeRange::ALL,
            sort: Vec::new(),
            from: 0,
            size: 10,
            search_after: None,
            source: SourceFilter::default(),
            fields: Vec::new(),
            track_total: TrackTotal::default(),
            aggs: Vec::new(),
            version: false,
            timeout_ms: None,
            highlight: None,
            post_filter: None,
            collapse: None,
            terminate_after: 0,
            slice: None,
            profile: false,
            ranking: Ranking::default(),
        }
    }
}

/// One key of the order.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// By what.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
    /// Records without a value come first (`missing: _first`); otherwise last.
    pub missing_first: bool,
    /// How times are printed in the hit's `sort` values.
    pub format: Option<String>,
    /// Records without a value count as if they had this one.
    pub missing: Option<Json>,
    /// Which of several values counts.
    pub mode: SortMode,
    /// What numbers are taken for.
    pub numeric: Option<NumericType>,
}

impl SortKey {
    /// A key without options.
    pub fn new(by: SortBy, descending: bool) -> Self {
        Self {
            by,
            descending,
            missing_first: false,
            format: None,
            missing: None,
            mode: SortMode::Edge,
            numeric: None,
        }
    }
}

/// Which of several values of a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortMode {
    /// The smallest when ascending, else the largest.
    Edge,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The mean of the numbers.
    Avg,
    /// The sum of the numbers.
    Sum,
    /// The middle one of the numbers.
    Median,
}

/// What the numbers of a sort key are taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum NumericType {
    Long,
    Double,
    Date,
    DateNanos,
}

/// What a sort key looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The record's time (`@timestamp`).
    Time,
    /// Order of acceptance (`_doc`, `_shard_doc`, `_seq_no`).
    Sequence,
    /// How well they match (`_score`).
    Score,
    /// A field's values: numbers before text; the smallest value when ascending, else the largest.
    Field(String),
    /// Their `_id`s, as text.
    Id,
    /// Whatever order is cheapest, the same in every page of one snapshot (`_doc` of a scroll).
    Scan,
}

/// What of a document's source is returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFilter {
    /// No `_source` at all.
    pub off: bool,
    /// Only these paths (with `*`); empty means all.
    pub includes: Vec<String>,
    /// Not these.
    pub excludes: Vec<String>,
}

/// A field (pattern) with an output format for times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAndFormat {
    /// Path or pattern.
    pub field: String,
    /// For example `strict_date_optional_time`, `epoch_millis`.
    pub format: Option<String>,
}

/// How exact the total of hits must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackTotal {
    /// Exact.
    All,
    /// Exact up to this many, then "at least".
    UpTo(u64),
    /// Not asked.
    None,
}

impl Default for TrackTotal {
    fn default() -> Self {
        TrackTotal::UpTo(10_000)
    }
}

/// An aggregation with those nested in it.
#[derive(Clone, Debug)]
pub struct Agg {
    /// What to compute.
    pub kind: AggKind,
    /// Nested, by name, in the order of the request; only under bucket aggregations.
    pub aggs: Vec<(String, Agg)>,
    /// Echoed in the answer.
    pub meta: Option<Map<String, Json>>,
}

/// The aggregations.
#[derive(Clone, Debug)]
pub enum AggKind {
    /// Buckets by value.
    Terms(TermsAgg),
    /// Buckets by time.
    DateHistogram(DateHistogramAgg),
    /// Buckets by number.
    Histogram(HistogramAgg),
    /// Buckets by ranges of a number or, for `date_range`, of time in milliseconds.
    Range(RangeAgg),
    /// One bucket of what matches.
    Filter(Query),
    /// A bucket for each query, by name (or anonymous, in order).
    Filters(FiltersAgg),
    /// One bucket of the records without the field.
    Missing(String),
    /// A number from a field's values.
    Metric(MetricAgg),
    /// Values below which given shares lie.
    Percentiles(PercentilesAgg),
    /// How many distinct values.
    Cardinality(CardinalityAgg),
    /// Any other kind of buckets, and the hits in them.
    Bucket(BucketAgg),
    /// The mean of values with weights.
    WeightedAvg(WeightedAvgAgg),
    /// Values of the records that come first in an order.
    TopMetrics(TopMetricsAgg),
    /// Lengths and letters of a field's texts.
    StringStats(StringStatsAgg),
    /// Records or numbers in a unit of time.
    Rate(RateAgg),
    /// What the buckets of other aggregations make.
    Pipeline(PipelineAgg),
}

impl AggKind {
    /// Whether it makes numbers from records, and no buckets.
    pub fn is_metric(&self) -> bool {
        matches!(
            self,
            AggKind::Metric(_)
                | AggKind::Percentiles(_)
                | AggKind::Cardinality(_)
                | AggKind::WeightedAvg(_)
                | AggKind::TopMetrics(_)
                | AggKind::StringStats(_)
                | AggKind::Rate(_)
        )
    }
}

/// `terms`.
#[derive(Clone, Debug, Default)]
pub struct TermsAgg {
    /// The field.
    pub field: String,
    /// How many buckets.
    pub size: usize,
    /// In what order: each key with "descending".
    pub order: Vec<(BucketOrder, bool)>,
    /// Only buckets with at least so many records.
    pub min_doc_count: u64,
    /// Records without the field count under this key.
    pub missing: Option<Json>,
    /// Which keys.
    pub choice: Choice,
    /// Format of the keys that are times or numbers.
    pub format: Option<String>,
    /// Buckets tell their own error.
    pub shows_error: bool,
}

/// What buckets are ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketOrder {
    /// Number of records.
    Count,
    /// The key.
    Key,
    /// A nested metric: `name`, `name.property` or `name[95.0]` as Elasticsearch writes it.
    Metric(String),
}

/// `date_histogram`.
#[derive(Clone, Debug, Default)]
pub struct DateHistogramAgg {
    /// The field.
    pub field: String,
    /// Width of a bucket.
    pub interval: Interval,
    /// Shift of the bucket borders, nanoseconds.
    pub offset_ns: i64,
    /// IANA name or `+hh:mm`; `None` is UTC.
    pub time_zone: Option<String>,
    /// Only buckets with at least so many records; 0 fills the gaps.
    pub min_doc_count: u64,
    /// Make buckets from here to here even if empty (nanoseconds, both included). An end that is
    /// not given is the other end of time, and makes no bucket.
    pub extended_bounds: Option<(i64, i64)>,
    /// Make no buckets that begin outside (nanoseconds, the end is outside).
    pub hard_bounds: Option<(i64, i64)>,
    /// Format of `key_as_string`.
    pub format: Option<String>,
    /// Buckets as an object by key.
    pub keyed: bool,
    /// Records without the field count as of this time, nanoseconds.
    pub missing: Option<i64>,
    /// In what order: each key with "descending"; by key if empty.
    pub order: Vec<(BucketOrder, bool)>,
}

/// Width of a date histogram's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// So many nanoseconds.
    Fixed(i64),
    /// One minute, hour, … of the calendar in the time zone.
    Calendar(CalendarUnit),
}

impl Default for Interval {
    fn default() -> Self {
        Interval::Calendar(CalendarUnit::Day)
    }
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum CalendarUnit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Named answers, in the order of the request: the `aggregations` object.
pub type AggAnswers = Map<String, Json>;

/// Per-index numbers, by name: for `_cat/indices` and its like.
pub type IndexCounts = BTreeMap<String, u64>;
