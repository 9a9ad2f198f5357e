//! Which metrics are there? What is computed from the values of records, with all options.

use serde_json::Value as Json;

use super::{Interval, SortBy};
use crate::script::Script;

/// `min`, `max`, `avg`, `sum`, `stats`, `extended_stats`, `value_count`.
#[derive(Clone, Debug)]
pub struct MetricAgg {
    /// Which.
    pub metric: Metric,
    /// The field; empty when a script alone gives the values.
    pub field: String,
    /// Records without the field count as this.
    pub missing: Option<f64>,
    /// Makes a number of each value, or of each record when there is no field.
    pub script: Option<Script>,
    /// How many deviations the bounds of `extended_stats` lie off the mean.
    pub sigma: f64,
    /// How numbers, or times, are printed.
    pub format: Option<String>,
}

impl MetricAgg {
    /// Of a field's values as they are.
    pub fn new(metric: Metric, field: impl Into<String>) -> Self {
        let field = field.into();
        Self { metric, field, missing: None, script: None, sigma: 2.0, format: None }
    }
}

/// The metrics of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Metric {
    Min,
    Max,
    Avg,
    Sum,
    Stats,
    ExtendedStats,
    ValueCount,
}

/// What is told of how a field's numbers are distributed.
#[derive(Clone, Debug)]
pub struct PercentilesAgg {
    /// The field; empty when a script alone gives the values.
    pub field: String,
    /// The percents, 0 to 100; of `percentile_ranks` the values.
    pub percents: Vec<f64>,
    /// Values as an object by percent, otherwise a list.
    pub keyed: bool,
    /// What of the distribution.
    pub shape: Shape,
    /// Records without the field count as this.
    pub missing: Option<f64>,
    /// Makes a number of each value, or of each record when there is no field.
    pub script: Option<Script>,
    /// How numbers, or times, are printed.
    pub format: Option<String>,
}

impl PercentilesAgg {
    /// The `percentiles` of a field's values as they are.
    pub fn new(field: impl Into<String>, percents: Vec<f64>) -> Self {
        Self {
            field: field.into(),
            percents,
            keyed: true,
            shape: Shape::Percentiles,
            missing: None,
            script: None,
            format: None,
        }
    }
}

/// What is told of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The values below which given shares lie: `percentiles`.
    Percentiles,
    /// The shares that lie below given values: `percentile_ranks`.
    Ranks,
    /// The median of the distances from the median: `median_absolute_deviation`.
    Deviation,
    /// Quartiles and whiskers: `boxplot`.
    Boxplot,
}

/// `cardinality`.
#[derive(Clone, Debug)]
pub struct CardinalityAgg {
    /// The field.
    pub field: String,
    /// Records without the field count as this value.
    pub missing: Option<Json>,
}

impl CardinalityAgg {
    /// Of a field's values as they are.
    pub fn new(field: impl Into<String>) -> Self {
        Self { field: field.into(), missing: None }
    }
}

/// `weighted_avg`.
#[derive(Clone, Debug)]
pub struct WeightedAvgAgg {
    /// The values.
    pub value: Numbers,
    /// The weight of each record's values.
    pub weight: Numbers,
    /// How the mean is printed.
    pub format: Option<String>,
}

/// Where numbers come from.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The field; empty when a script alone gives the values.
    pub field: String,
    /// Records without the field count as this.
    pub missing: Option<f64>,
    /// Makes a number of each value, or of each record when there is no field.
    pub script: Option<Script>,
}

/// `top_metrics`.
#[derive(Clone, Debug)]
pub struct TopMetricsAgg {
    /// The fields whose values are shown.
    pub metrics: Vec<String>,
    /// How many records.
    pub size: usize,
    /// What decides which records come first.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
    /// How times are printed.
    pub format: Option<String>,
}

/// `string_stats`.
#[derive(Clone, Debug)]
pub struct StringStatsAgg {
    /// The field.
    pub field: String,
    /// Records without the field count as this text.
    pub missing: Option<String>,
    /// Tell how often each letter comes.
    pub distribution: bool,
    /// How numbers are printed.
    pub format: Option<String>,
}

/// `rate`.
#[derive(Clone, Debug)]
pub struct RateAgg {
    /// The numbers; records are counted without.
    pub numbers: Option<Numbers>,
    /// The unit of time: months, quarters and years by the calendar, others of fixed width; without
    /// it the interval of the histogram.
    pub unit: Option<Interval>,
    /// Whether values are counted instead of added.
    pub counts_values: bool,
    /// How the rate is printed.
    pub format: Option<String>,
}
