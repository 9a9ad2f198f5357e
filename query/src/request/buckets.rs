//! What do buckets ask for? The options of histograms, ranges and filters, of composite, samplers,
//! significance and their like.

use serde_json::Value as Json;

use super::{BucketOrder, CalendarUnit, Interval, SearchRequest};
use crate::ast::{Query, TextTest};

/// Which keys may be buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Only these.
    pub include: Option<ChoiceOf>,
    /// Not these.
    pub exclude: Option<ChoiceOf>,
    /// Only those of a share by hash: number and count of shares.
    pub partition: Option<(u32, u32)>,
}

/// A set of keys.
#[derive(Clone, Debug, PartialEq)]
pub enum ChoiceOf {
    /// These.
    Values(Vec<Json>),
    /// Those that match as a whole.
    Pattern(TextTest),
}

/// The kinds of buckets that are told in this module.
#[derive(Clone, Debug)]
pub enum BucketAgg {
    /// Every combination of values, page by page.
    Composite(CompositeAgg),
    /// The most frequent combinations of values.
    MultiTerms(MultiTermsAgg),
    /// The values that are rare.
    RareTerms(RareTermsAgg),
    /// One bucket of all records, whatever the query.
    Global,
    /// What matches each query, and each two of them.
    Adjacency(AdjacencyAgg),
    /// Buckets of time of a width that gives about so many.
    AutoDate(AutoDateAgg),
    /// Buckets by number where the numbers lie.
    VariableWidth(VariableWidthAgg),
    /// The first hits of each bucket.
    TopHits(Box<TopHitsAgg>),
    /// Values, or words of a text, that are more frequent here than elsewhere.
    Significant(SignificantAgg),
    /// One bucket of some records of each segment.
    Sampler(SamplerAgg),
    /// One bucket of a share of the records.
    RandomSampler(RandomSamplerAgg),
    /// Texts that differ in numbers and a few words only.
    Categorize(CategorizeAgg),
    /// Buckets by ranges of addresses.
    IpRange(IpRangeAgg),
    /// Buckets by the first bits of addresses.
    IpPrefix(IpPrefixAgg),
}

/// `composite`.
#[derive(Clone, Debug)]
pub struct CompositeAgg {
    /// What makes the key, by name.
    pub sources: Vec<(String, CompositeSource)>,
    /// How many buckets.
    pub size: usize,
    /// Only buckets after this key.
    pub after: Option<Vec<(String, Json)>>,
}

/// One part of a composite key.
#[derive(Clone, Debug)]
pub struct CompositeSource {
    /// The field.
    pub field: String,
    /// How its values become keys.
    pub by: CompositeBy,
    /// Largest first.
    pub descending: bool,
    /// Records without the field have a key as well: null.
    pub missing_bucket: bool,
    /// Null comes first, or last; by default first when ascending.
    pub missing_first: Option<bool>,
    /// Format of times.
    pub format: Option<String>,
}

/// How values become keys.
#[derive(Clone, Debug)]
pub enum CompositeBy {
    /// As they are.
    Terms,
    /// Rounded to multiples of this width.
    Histogram(f64),
    /// Rounded to buckets of time.
    Date {
        /// Width of a bucket.
        interval: Interval,
        /// Shift of the bucket borders, nanoseconds.
        offset_ns: i64,
        /// IANA name or `+hh:mm`; `None` is UTC.
        time_zone: Option<String>,
    },
}

/// `multi_terms`.
#[derive(Clone, Debug)]
pub struct MultiTermsAgg {
    /// The fields.
    pub terms: Vec<MultiTerm>,
    /// How many buckets.
    pub size: usize,
    /// In what order: each key with "descending".
    pub order: Vec<(BucketOrder, bool)>,
    /// Only buckets with at least so many records.
    pub min_doc_count: u64,
    /// Buckets tell their own error.
    pub shows_error: bool,
}

/// One field of `multi_terms`.
#[derive(Clone, Debug)]
pub struct MultiTerm {
    /// The field.
    pub field: String,
    /// Records without the field count under this key.
    pub missing: Option<Json>,
    /// Format of times and numbers.
    pub format: Option<String>,
}

/// `rare_terms`.
#[derive(Clone, Debug)]
pub struct RareTermsAgg {
    /// The field.
    pub field: String,
    /// Only buckets with at most so many records.
    pub max_doc_count: u64,
    /// Which keys.
    pub choice: Choice,
    /// Records without the field count under this key.
    pub missing: Option<Json>,
    /// Format of times and numbers.
    pub format: Option<String>,
}

/// `adjacency_matrix`.
#[derive(Clone, Debug)]
pub struct AdjacencyAgg {
    /// The queries by name, in the order of names.
    pub filters: Vec<(String, Query)>,
    /// Stands between two names.
    pub separator: String,
}

/// `auto_date_histogram`.
#[derive(Clone, Debug)]
pub struct AutoDateAgg {
    /// The field.
    pub field: String,
    /// About how many buckets: never more.
    pub buckets: usize,
    /// Not narrower than this.
    pub minimum: Option<CalendarUnit>,
    /// IANA name or `+hh:mm`; `None` is UTC.
    pub time_zone: Option<String>,
    /// Format of `key_as_string`.
    pub format: Option<String>,
    /// Records without the field count as of this time, nanoseconds.
    pub missing: Option<i64>,
}

/// `variable_width_histogram`.
#[derive(Clone, Debug)]
pub struct VariableWidthAgg {
    /// The field.
    pub field: String,
    /// How many buckets at most.
    pub buckets: usize,
    /// Records without the field count as this.
    pub missing: Option<f64>,
}

/// `top_hits`.
#[derive(Clone, Debug)]
pub struct TopHitsAgg {
    /// Page, order, source and fields.
    pub request: SearchRequest,
    /// Hits show `_version`.
    pub version: bool,
    /// Hits show `_seq_no` and `_primary_term`.
    pub seq_no: bool,
    /// Hits show a `_score` although they are sorted.
    pub scores: bool,
}

/// `significant_terms` and `significant_text`.
#[derive(Clone, Debug)]
pub struct SignificantAgg {
    /// The field.
    pub field: String,
    /// Words of the field's texts, not whole values.
    pub words: bool,
    /// How many buckets.
    pub size: usize,
    /// Only buckets with at least so many records.
    pub min_doc_count: u64,
    /// Which keys.
    pub choice: Choice,
    /// What the records are compared with; all records otherwise.
    pub background: Option<Query>,
    /// How significance is measured.
    pub heuristic: Heuristic,
    /// Texts that stood before do not count again.
    pub filter_duplicates: bool,
}

/// A measure of significance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heuristic {
    /// `jlh`.
    Jlh,
    /// `chi_square`.
    ChiSquare {
        /// Terms that are rarer here than elsewhere count as well.
        negatives: bool,
        /// The background holds the records.
        superset: bool,
    },
    /// `mutual_information`.
    MutualInformation {
        /// Terms that are rarer here than elsewhere count as well.
        negatives: bool,
        /// The background holds the records.
        superset: bool,
    },
    /// `gnd`.
    Gnd {
        /// The background holds the records.
        superset: bool,
    },
    /// `percentage`.
    Percentage,
}

/// `sampler` and `diversified_sampler`.
#[derive(Clone, Debug)]
pub struct SamplerAgg {
    /// How many records of each segment.
    pub shard_size: usize,
    /// At most so many records with the same value of a field.
    pub diverse: Option<(String, usize)>,
}

/// `random_sampler`.
#[derive(Clone, Debug)]
pub struct RandomSamplerAgg {
    /// The share of records.
    pub probability: f64,
    /// Which records.
    pub seed: i64,
}

/// `categorize_text`.
#[derive(Clone, Debug)]
pub struct CategorizeAgg {
    /// The field.
    pub field: String,
    /// How many buckets.
    pub size: usize,
    /// Only buckets with at least so many records.
    pub min_doc_count: u64,
    /// How much of two texts must be the same, in percent.
    pub similarity: f64,
    /// What matches is left out of the texts.
    pub filters: Vec<String>,
    /// Words after so many do not tell texts apart.
    pub tokens_max: usize,
}

/// `ip_range`.
#[derive(Clone, Debug)]
pub struct IpRangeAgg {
    /// The field.
    pub field: String,
    /// The ranges.
    pub ranges: Vec<IpRange>,
    /// Buckets as an object by key.
    pub keyed: bool,
    /// Records without the field count as of this address.
    pub missing: Option<u128>,
}

/// One range of addresses; those of IPv4 are mapped into IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpRange {
    /// Its key, if the request names one.
    pub key: Option<String>,
    /// Lower end, in the range.
    pub from: Option<u128>,
    /// Upper end, not in the range.
    pub to: Option<u128>,
}

/// `ip_prefix`.
#[derive(Clone, Debug)]
pub struct IpPrefixAgg {
    /// The field.
    pub field: String,
    /// Bits of the prefix.
    pub length: u8,
    /// Addresses of IPv6, not of IPv4.
    pub is_ipv6: bool,
    /// Keys end in `/` and the length.
    pub append_length: bool,
    /// Only buckets with at least so many records.
    pub min_doc_count: u64,
    /// Buckets as an object by key.
    pub keyed: bool,
}

/// `histogram`.
#[derive(Clone, Debug, Default)]
pub struct HistogramAgg {
    /// The field.
    pub field: String,
    /// Width of a bucket, above 0.
    pub interval: f64,
    /// Shift of the bucket borders.
    pub offset: f64,
    /// Only buckets with at least so many records; 0 fills the gaps.
    pub min_doc_count: u64,
    /// Make buckets from here to here even if empty. An end that is not given is the other end of
    /// all numbers, and makes no bucket.
    pub extended_bounds: Option<(f64, f64)>,
    /// Make no buckets outside (both included).
    pub hard_bounds: Option<(f64, f64)>,
    /// Buckets as an object by key.
    pub keyed: bool,
    /// Records without the field count as this.
    pub missing: Option<f64>,
    /// Format of `key_as_string`.
    pub format: Option<String>,
    /// In what order: each key with "descending"; by key if empty.
    pub order: Vec<(BucketOrder, bool)>,
}

/// `range` and `date_range`.
#[derive(Clone, Debug, Default)]
pub struct RangeAgg {
    /// The field.
    pub field: String,
    /// The ranges: `from` is in, `to` is not.
    pub ranges: Vec<RangeBucket>,
    /// Buckets as an object by key.
    pub keyed: bool,
    /// Bounds are milliseconds since 1970 and printed as times.
    pub date: bool,
    /// Format of the printed times or numbers.
    pub format: Option<String>,
    /// Zone of the printed times: IANA name or `+hh:mm`; `None` is UTC.
    pub time_zone: Option<String>,
    /// Records without the field count as this.
    pub missing: Option<f64>,
}

/// One range of a `range` aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeBucket {
    /// Its key, if the request names one.
    pub key: Option<String>,
    /// Lower end, in the range.
    pub from: Option<f64>,
    /// Upper end, not in the range.
    pub to: Option<f64>,
}

/// `filters`.
#[derive(Clone, Debug)]
pub struct FiltersAgg {
    /// The queries, with names if they have any.
    pub filters: Vec<(Option<String>, Query)>,
    /// A bucket of what none matches, under this name.
    pub other: Option<String>,
    /// Buckets of named queries are an object by name.
    pub keyed: bool,
}
