//! Which pipelines? The options of the aggregations that work on the buckets of others.

use serde_json::Value as Json;

use super::super::json::{float, list, scalar};
use super::metric::{format, percents, sigma};
use super::{Options, dates};
use crate::error::QueryError;
use crate::request::{
    GapPolicy, MovingAvgAgg, MovingModel, NormalizeMethod, PipelineAgg, PipelineKind,
};
use crate::script::moving::Seasons;
use crate::script::{Context, Script};

/// Options that every pipeline has.
const COMMON: [&str; 3] = ["buckets_path", "gap_policy", "format"];

/// Reads a pipeline aggregation; nothing when the type is of another kind.
pub(super) fn read(o: &Options<'_>) -> Result<Option<PipelineAgg>, QueryError> {
    let only = |own: &[&str]| only(o, own);
    let kind = match o.ty {
        "derivative" => {
            only(&["unit"])?;
            PipelineKind::Derivative { unit_ms: unit(o)? }
        }
        "cumulative_sum" => {
            only(&[])?;
            PipelineKind::CumulativeSum
        }
        "cumulative_cardinality" => {
            only(&[])?;
            PipelineKind::CumulativeCardinality
        }
        "moving_fn" => {
            only(&["window", "shift", "script"])?;
            moving_fn(o)?
        }
        "moving_avg" => {
            only(&["window", "model", "predict", "settings", "minimize"])?;
            PipelineKind::MovingAvg(moving_avg(o)?)
        }
        "serial_diff" => {
            only(&["lag"])?;
            PipelineKind::SerialDiff { lag: positive(o, "lag", 1)? }
        }
        "bucket_script" => {
            only(&["script"])?;
            PipelineKind::BucketScript(script(o, &paths(o)?)?)
        }
        "bucket_selector" => {
            only(&["script"])?;
            PipelineKind::BucketSelector(script(o, &paths(o)?)?)
        }
        "bucket_sort" => {
            o.only(&["sort", "from", "size", "gap_policy"], &[])?;
            bucket_sort(o)?
        }
        "normalize" => {
            only(&["method"])?;
            PipelineKind::Normalize(method(o)?)
        }
        _ => match sibling(o)? {
            Some(kind) => kind,
            None => return Ok(None),
        },
    };
    let paths = match &kind {
        PipelineKind::BucketSort { sort, .. } => {
            let by_path = sort.iter().filter(|(path, _)| path != "_key");
            by_path.map(|(path, _)| (String::new(), path.clone())).collect()
        }
        PipelineKind::BucketScript(_) | PipelineKind::BucketSelector(_) => paths(o)?,
        _ => vec![(String::new(), path(o)?)],
    };
    Ok(Some(PipelineAgg { gap_policy: gap_policy(o)?, format: format(o)?, paths, kind }))
}

/// Fails on options that are neither common ones nor its own.
fn only(o: &Options<'_>, own: &[&str]) -> Result<(), QueryError> {
    let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
    o.only(&known, &[])
}

/// Those that stand beside the aggregation whose buckets they look at.
fn sibling(o: &Options<'_>) -> Result<Option<PipelineKind>, QueryError> {
    Ok(Some(match o.ty {
        "avg_bucket" | "sum_bucket" | "min_bucket" | "max_bucket" | "stats_bucket" => {
            only(o, &[])?;
            match o.ty {
                "avg_bucket" => PipelineKind::AvgBucket,
                "sum_bucket" => PipelineKind::SumBucket,
                "min_bucket" => PipelineKind::MinBucket,
                "max_bucket" => PipelineKind::MaxBucket,
                _ => PipelineKind::StatsBucket,
            }
        }
        "extended_stats_bucket" => {
            only(o, &["sigma"])?;
            let sigma = o.get("sigma").map_or(Ok(2.0), |value| sigma(o, value))?;
            PipelineKind::ExtendedStatsBucket { sigma }
        }
        "percentiles_bucket" => {
            only(o, &["percents", "keyed"])?;
            let (percents, keyed) = (percents(o)?, o.flag("keyed", true)?);
            PipelineKind::PercentilesBucket { percents, keyed }
        }
        _ => return Ok(None),
    }))
}

fn gap_policy(o: &Options<'_>) -> Result<GapPolicy, QueryError> {
    Ok(match o.text("gap_policy")? {
        None | Some("skip") => GapPolicy::Skip,
        Some("insert_zeros") => GapPolicy::InsertZeros,
        Some("keep_values") => GapPolicy::KeepValues,
        Some(other) => {
            return Err(QueryError::parsing(format!(
                "Invalid gap policy: [{other}], accepted values: [insert_zeros, skip, keep_values]"
            )));
        }
    })
}

/// A single path; a list of one is one as well.
fn path(o: &Options<'_>) -> Result<String, QueryError> {
    let json = o.get("buckets_path").ok_or_else(|| no_path(o))?;
    match list(json) {
        [Json::String(path)] => Ok(path.clone()),
        _ => Err(QueryError::of(
            crate::error::ErrorKind::Validation,
            format!(
                "Validation Failed: 1: buckets_path must contain a single entry for aggregation \
                 [{}];",
                o.name
            ),
        )),
    }
}

fn no_path(o: &Options<'_>) -> QueryError {
    QueryError::illegal(format!(
        "Required one of fields [buckets_path], but none were specified: [{}] aggregation [{}]",
        o.ty, o.name
    ))
}

/// Paths by the names of variables; a path without a name is `_value`, a list `_value0`, …
fn paths(o: &Options<'_>) -> Result<Vec<(String, String)>, QueryError> {
    let json = o.get("buckets_path").ok_or_else(|| no_path(o))?;
    let text = |value: &Json| {
        value.as_str().map(str::to_owned).ok_or_else(|| o.bad("buckets_path", value, "a path"))
    };
    match json {
        Json::Object(map) => {
            map.iter().map(|(name, path)| Ok((name.clone(), text(path)?))).collect()
        }
        Json::Array(all) => {
            let named = all.iter().enumerate();
            named.map(|(at, path)| Ok((format!("_value{at}"), text(path)?))).collect()
        }
        one => Ok(vec![("_value".to_owned(), text(one)?)]),
    }
}

fn script(o: &Options<'_>, paths: &[(String, String)]) -> Result<Script, QueryError> {
    let names: Vec<&str> = paths.iter().map(|(name, _)| name.as_str()).collect();
    let json = o.get("script").ok_or_else(|| no_script(o))?;
    Script::read(json, Context::Bucket, &names)
}

fn no_script(o: &Options<'_>) -> QueryError {
    QueryError::parsing(format!("Missing required field [script] for [{}] [{}]", o.ty, o.name))
}

fn positive(o: &Options<'_>, key: &str, default: usize) -> Result<usize, QueryError> {
    match o.whole(key)? {
        None => Ok(default),
        Some(n) => usize::try_from(n).ok().filter(|n| *n > 0).ok_or_else(|| {
            QueryError::illegal(format!(
                "[{key}] must be a positive, non-zero integer in [{}], got [{n}]",
                o.name
            ))
        }),
    }
}

/// The milliseconds of a unit: `1d`, `day`, `90m`; those of a month are a twelfth of a year's.
fn unit(o: &Options<'_>) -> Result<Option<f64>, QueryError> {
    let Some(text) = o.text("unit")? else { return Ok(None) };
    let ms = dates::unit_ms(text).ok_or_else(|| {
        QueryError::illegal(format!(
            "failed to parse setting [DerivativePipelineAggregationBuilder.unit] with value \
             [{text}] as a time value: unit is missing or unrecognized"
        ))
    })?;
    Ok(Some(ms))
}

fn moving_fn(o: &Options<'_>) -> Result<PipelineKind, QueryError> {
    if o.get("window").is_none() {
        return Err(QueryError::illegal(format!("Required [window] in [moving_fn] [{}]", o.name)));
    }
    let json = o.get("script").ok_or_else(|| no_script(o))?;
    Ok(PipelineKind::MovingFn {
        window: positive(o, "window", 1)?,
        shift: o.whole("shift")?.unwrap_or(0),
        script: Script::read(json, Context::Window, &[])?,
    })
}

fn moving_avg(o: &Options<'_>) -> Result<MovingAvgAgg, QueryError> {
    let window = positive(o, "window", 5)?;
    let name = o.text("model")?.unwrap_or("simple");
    let none = serde_json::Map::new();
    let settings = match o.get("settings") {
        None => &none,
        Some(json) => json.as_object().ok_or_else(|| o.bad("settings", json, "an object"))?,
    };
    let known: &[&str] = match name {
        "ewma" => &["alpha"],
        "holt" => &["alpha", "beta"],
        "holt_winters" => &["alpha", "beta", "gamma", "period", "type", "pad"],
        "simple" | "linear" => &[],
        _ => {
            return Err(QueryError::parsing(format!(
                "Unknown MovAvgModel [{name}] for aggregation [{}]",
                o.name
            )));
        }
    };
    let share = |key: &str, default: f64| match settings.get(key).filter(|v| !v.is_null()) {
        None => Ok(default),
        Some(value) => float(value).filter(|v| (0.0..=1.0).contains(v)).ok_or_else(|| {
            QueryError::parsing(format!(
                "Parameter [{key}] must be between 0-1 inclusive. Provided value was [{}] \
                     instead.",
                scalar(value).unwrap_or_default()
            ))
        }),
    };
    if let Some(key) = settings.keys().find(|key| !known.contains(&key.as_str())) {
        // Grafana sends all settings, with null for those that a model has not.
        if settings.get(key).is_some_and(|v| !v.is_null()) {
            return Err(QueryError::parsing(format!(
                "Unexpected settings for the [{name}] moving average in [{}]: [{key}]",
                o.name
            )));
        }
    }
    let (alpha, beta) = (share("alpha", 0.3)?, share("beta", 0.1)?);
    let model = match name {
        "linear" => MovingModel::Linear,
        "ewma" => MovingModel::Ewma { alpha },
        "holt" => MovingModel::Holt { alpha, beta },
        "holt_winters" => {
            let gamma = share("gamma", 0.3)?;
            let settings = Options { map: settings, ..Options::new(o.name, o.ty, o.json)? };
            MovingModel::HoltWinters(seasons(&settings, window, [alpha, beta, gamma])?)
        }
        _ => MovingModel::Simple,
    };
    let plain = matches!(model, MovingModel::Simple | MovingModel::Linear);
    let minimize = o.flag("minimize", name == "holt_winters")?;
    if minimize && plain {
        return Err(QueryError::illegal(format!("The [{name}] model cannot be minimized.")));
    }
    let predict = if o.get("predict").is_some() { positive(o, "predict", 0)? } else { 0 };
    Ok(MovingAvgAgg { window, model, predict, minimize })
}

fn seasons(
    settings: &Options<'_>,
    window: usize,
    [alpha, beta, gamma]: [f64; 3],
) -> Result<Seasons, QueryError> {
    let period = positive(settings, "period", 1)?;
    let multiplicative = match settings.text("type")? {
        None | Some("add") => false,
        Some("mult") => true,
        Some(other) => {
            return Err(QueryError::parsing(format!(
                "Unknown seasonality type [{other}]: expected `add` or `mult`"
            )));
        }
    };
    if window / 2 < period {
        return Err(QueryError::parsing(format!(
            "Field [window] must be at least twice as large as the period when using \
             Holt-Winters.  Value provided was [{window}], which is less than (2*period) == {}",
            period.saturating_mul(2)
        )));
    }
    let pad = settings.flag("pad", multiplicative)?;
    Ok(Seasons { alpha, beta, gamma, period, multiplicative, pad })
}

fn bucket_sort(o: &Options<'_>) -> Result<PipelineKind, QueryError> {
    let mut sort = Vec::new();
    for part in o.get("sort").map_or(&[][..], list) {
        match part {
            Json::String(path) => sort.push((path.clone(), false)),
            Json::Object(map) => {
                for (path, order) in map {
                    let order = match order {
                        Json::Object(options) => options.get("order").unwrap_or(&Json::Null),
                        other => other,
                    };
                    let descending = match order.as_str().map(str::to_ascii_lowercase).as_deref() {
                        Some("desc") => true,
                        Some("asc") => false,
                        None if order.is_null() => false,
                        _ => return Err(o.bad("sort", order, "`asc` or `desc`")),
                    };
                    sort.push((path.clone(), descending));
                }
            }
            other => return Err(o.bad("sort", other, "paths, or objects with orders by path")),
        }
    }
    let from = o.whole("from")?.unwrap_or(0);
    let from = usize::try_from(from).map_err(|_| {
        QueryError::illegal(format!("[from] must be a non-negative integer: [{from}]"))
    })?;
    let size = if o.get("size").is_some() { Some(positive(o, "size", 1)?) } else { None };
    if sort.is_empty() && size.is_none() && from == 0 {
        return Err(QueryError::of(
            crate::error::ErrorKind::Validation,
            format!(
                "Validation Failed: 1: [{}] is configured to perform nothing. Please set either of \
                 [sort, size, from] to use bucket_sort;",
                o.name
            ),
        ));
    }
    Ok(PipelineKind::BucketSort { sort, from, size })
}

fn method(o: &Options<'_>) -> Result<NormalizeMethod, QueryError> {
    Ok(match o.text("method")? {
        Some("rescale_0_1") => NormalizeMethod::Rescale01,
        Some("rescale_0_100") => NormalizeMethod::Rescale0100,
        Some("percent_of_sum") => NormalizeMethod::PercentOfSum,
        Some("mean") => NormalizeMethod::Mean,
        Some("z-score") => NormalizeMethod::ZScore,
        Some("softmax") => NormalizeMethod::Softmax,
        Some(other) => {
            return Err(QueryError::illegal(format!("invalid method [{other}]")));
        }
        None => {
            return Err(QueryError::illegal(format!(
                "Required [method] in [normalize] [{}]",
                o.name
            )));
        }
    })
}
