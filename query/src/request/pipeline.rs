//! Which pipeline aggregations are there? What is computed from the buckets of other aggregations,
//! with all options.

use crate::script::Script;

/// A pipeline aggregation.
#[derive(Clone, Debug)]
pub struct PipelineAgg {
    /// What to compute.
    pub kind: PipelineKind,
    /// Where the numbers are: by the name of a script's variable, otherwise without one.
    pub paths: Vec<(String, String)>,
    /// What stands for a number that is not there.
    pub gap_policy: GapPolicy,
    /// How numbers are printed: a pattern such as `0.00`.
    pub format: Option<String>,
}

/// What stands for a number that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapPolicy {
    /// Nothing is computed.
    Skip,
    /// 0.
    InsertZeros,
    /// Nothing, but a number of a bucket without records is one.
    KeepValues,
}

/// What a pipeline aggregation computes.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are Elasticsearch's")]
pub enum PipelineKind {
    /// The difference from the bucket before; for so many milliseconds as well.
    Derivative {
        unit_ms: Option<f64>,
    },
    CumulativeSum,
    CumulativeCardinality,
    /// A script over the buckets before, `window` of them.
    MovingFn {
        window: usize,
        shift: i64,
        script: Script,
    },
    MovingAvg(MovingAvgAgg),
    /// The difference from the bucket `lag` before.
    SerialDiff {
        lag: usize,
    },
    BucketScript(Script),
    BucketSelector(Script),
    /// By paths or `_key`, each with "descending".
    BucketSort {
        sort: Vec<(String, bool)>,
        from: usize,
        size: Option<usize>,
    },
    Normalize(NormalizeMethod),
    AvgBucket,
    SumBucket,
    MinBucket,
    MaxBucket,
    StatsBucket,
    ExtendedStatsBucket {
        sigma: f64,
    },
    PercentilesBucket {
        percents: Vec<f64>,
        keyed: bool,
    },
}

impl PipelineKind {
    /// Whether it stands beside the aggregation whose buckets it looks at, not in its buckets.
    pub fn is_sibling(&self) -> bool {
        matches!(
            self,
            PipelineKind::AvgBucket
                | PipelineKind::SumBucket
                | PipelineKind::MinBucket
                | PipelineKind::MaxBucket
                | PipelineKind::StatsBucket
                | PipelineKind::ExtendedStatsBucket { .. }
                | PipelineKind::PercentilesBucket { .. }
        )
    }

    /// Whether it needs buckets that follow one another, without gaps.
    pub fn needs_sequence(&self) -> bool {
        matches!(
            self,
            PipelineKind::Derivative { .. }
                | PipelineKind::CumulativeSum
                | PipelineKind::CumulativeCardinality
                | PipelineKind::MovingFn { .. }
                | PipelineKind::MovingAvg(_)
                | PipelineKind::SerialDiff { .. }
        )
    }

    /// Elasticsearch's name of it.
    pub fn name(&self) -> &'static str {
        match self {
            PipelineKind::Derivative { .. } => "derivative",
            PipelineKind::CumulativeSum => "cumulative_sum",
            PipelineKind::CumulativeCardinality => "cumulative_cardinality",
            PipelineKind::MovingFn { .. } => "moving_fn",
            PipelineKind::MovingAvg(_) => "moving_avg",
            PipelineKind::SerialDiff { .. } => "serial_diff",
            PipelineKind::BucketScript(_) => "bucket_script",
            PipelineKind::BucketSelector(_) => "bucket_selector",
            PipelineKind::BucketSort { .. } => "bucket_sort",
            PipelineKind::Normalize(_) => "normalize",
            PipelineKind::AvgBucket => "avg_bucket",
            PipelineKind::SumBucket => "sum_bucket",
            PipelineKind::MinBucket => "min_bucket",
            PipelineKind::MaxBucket => "max_bucket",
            PipelineKind::StatsBucket => "stats_bucket",
            PipelineKind::ExtendedStatsBucket { .. } => "extended_stats_bucket",
            PipelineKind::PercentilesBucket { .. } => "percentiles_bucket",
        }
    }
}

/// How `normalize` makes numbers comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Elasticsearch's")]
pub enum NormalizeMethod {
    Rescale01,
    Rescale0100,
    PercentOfSum,
    Mean,
    ZScore,
    Softmax,
}

/// `moving_avg`, which Elasticsearch had up to version 7.
#[derive(Clone, Debug, PartialEq)]
pub struct MovingAvgAgg {
    /// How many values before count.
    pub window: usize,
    /// How they count.
    pub model: MovingModel,
    /// How many buckets are foretold after the last.
    pub predict: usize,
    /// The model's parameters are chosen to fit the values.
    pub minimize: bool,
}

/// How values before count.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are Elasticsearch's")]
pub enum MovingModel {
    Simple,
    Linear,
    Ewma { alpha: f64 },
    Holt { alpha: f64, beta: f64 },
    HoltWinters(crate::script::moving::Seasons),
}
