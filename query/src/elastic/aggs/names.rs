//! What was meant by the name of an aggregation that is none? And which are none here.

use crate::error::QueryError;

/// The names of Elasticsearch's aggregations.
const NAMES: [&str; 77] = [
    "adjacency_matrix",
    "auto_date_histogram",
    "avg",
    "avg_bucket",
    "boxplot",
    "bucket_correlation",
    "bucket_count_ks_test",
    "bucket_script",
    "bucket_selector",
    "bucket_sort",
    "cardinality",
    "categorize_text",
    "change_point",
    "children",
    "composite",
    "cumulative_cardinality",
    "cumulative_sum",
    "date_histogram",
    "date_range",
    "derivative",
    "diversified_sampler",
    "extended_stats",
    "extended_stats_bucket",
    "filter",
    "filters",
    "frequent_item_sets",
    "geo_bounds",
    "geo_centroid",
    "geo_distance",
    "geo_line",
    "geohash_grid",
    "geohex_grid",
    "geotile_grid",
    "global",
    "histogram",
    "inference",
    "ip_prefix",
    "ip_range",
    "matrix_stats",
    "max",
    "max_bucket",
    "median_absolute_deviation",
    "min",
    "min_bucket",
    "missing",
    "moving_avg",
    "moving_fn",
    "moving_percentiles",
    "multi_terms",
    "nested",
    "normalize",
    "parent",
    "percentile_ranks",
    "percentiles",
    "percentiles_bucket",
    "random_sampler",
    "range",
    "rare_terms",
    "rate",
    "reverse_nested",
    "sampler",
    "scripted_metric",
    "serial_diff",
    "significant_terms",
    "significant_text",
    "stats",
    "stats_bucket",
    "string_stats",
    "sum",
    "sum_bucket",
    "t_test",
    "terms",
    "time_series",
    "top_hits",
    "top_metrics",
    "value_count",
    "variable_width_histogram",
];

/// The error of an aggregation that is none of ours.
pub(super) fn unknown(ty: &str) -> QueryError {
    let why = match ty {
        _ if ty.starts_with("geo") || ty.starts_with("cartesian") => {
            "logs have no points or shapes"
        }
        "scripted_metric" => "no scripts are run over documents; use metrics and [bucket_script]",
        "nested" | "reverse_nested" => {
            "documents are not nested here: the values of inner objects are values of the document"
        }
        "children" | "parent" => "logs are not joined with each other",
        "matrix_stats"
        | "time_series"
        | "frequent_item_sets"
        | "bucket_correlation"
        | "bucket_count_ks_test"
        | "change_point"
        | "inference"
        | "t_test" => "it is a statistic that is not made for logs",
        _ if NAMES.contains(&ty) => "it is not in this version",
        _ => return QueryError::parsing(suggestion(ty)),
    };
    QueryError::illegal(format!("The aggregation type [{ty}] is not supported: {why}"))
}

fn suggestion(ty: &str) -> String {
    let near = |name: &str| {
        let longest = ty.chars().count().max(name.chars().count()).max(1);
        1.0 - distance(ty, name) as f64 / longest as f64
    };
    let mut found: Vec<(f64, &str)> = NAMES.iter().map(|name| (near(name), *name)).collect();
    found.retain(|(near, _)| *near > 0.5);
    found.sort_by(|(a, name), (b, other)| b.total_cmp(a).then(name.cmp(other)));
    let names: Vec<&str> = found.into_iter().map(|(_, name)| name).collect();
    match names.as_slice() {
        [] => format!("Unknown aggregation type [{ty}]"),
        [one] => format!("Unknown aggregation type [{ty}] did you mean [{one}]?"),
        many => {
            format!("Unknown aggregation type [{ty}] did you mean any of [{}]?", many.join(", "))
        }
    }
}

/// How many letters must change to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // Names longer than any of ours are far from all.
    for (at, x) in a.chars().take(256).enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (to, y) in b.iter().enumerate() {
            let same = corner + usize::from(x != *y);
            corner = row[to + 1];
            row[to + 1] = same.min(corner + 1).min(row[to] + 1);
        }
    }
    row[b.len()] + a.chars().count().saturating_sub(256)
}
