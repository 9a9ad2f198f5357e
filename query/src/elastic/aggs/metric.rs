//! Which numbers? The options of the metrics: where values come from, what is told of them, and how
//! it is printed.

use serde_json::Value as Json;

use super::super::json::{float, list, scalar};
use super::super::sort::sort;
use super::{Options, dates};
use crate::error::QueryError;
use crate::request::{
    AggKind, CardinalityAgg, Metric, MetricAgg, Numbers, PercentilesAgg, RateAgg, Shape,
    StringStatsAgg, TopMetricsAgg, WeightedAvgAgg,
};
use crate::script::{Context, Script};

/// So many percents, values and fields of one aggregation at most.
const NUMBERS_MAX: usize = 1_000;
/// As many records as Elasticsearch's `index.top_metrics_max_size` has by default.
const TOP_METRICS_MAX: u64 = 10;

/// Reads a metric; nothing when the type is of another kind.
pub(super) fn read(o: &Options<'_>) -> Result<Option<AggKind>, QueryError> {
    let simple = match o.ty {
        "min" => Metric::Min,
        "max" => Metric::Max,
        "avg" => Metric::Avg,
        "sum" => Metric::Sum,
        "stats" => Metric::Stats,
        "extended_stats" => Metric::ExtendedStats,
        "value_count" => Metric::ValueCount,
        "percentiles" => return percentiles(o, Shape::Percentiles, "percents").map(Some),
        "percentile_ranks" => return percentiles(o, Shape::Ranks, "values").map(Some),
        "median_absolute_deviation" => return sketched(o, Shape::Deviation).map(Some),
        "boxplot" => return sketched(o, Shape::Boxplot).map(Some),
        "cardinality" => return cardinality(o).map(|c| Some(AggKind::Cardinality(c))),
        "weighted_avg" => return weighted_avg(o).map(|w| Some(AggKind::WeightedAvg(w))),
        "top_metrics" => return top_metrics(o).map(|t| Some(AggKind::TopMetrics(t))),
        "string_stats" => return string_stats(o).map(|s| Some(AggKind::StringStats(s))),
        "rate" => return rate(o).map(|r| Some(AggKind::Rate(r))),
        _ => return Ok(None),
    };
    metric(o, simple).map(|m| Some(AggKind::Metric(m)))
}

/// The field and the script: one of them must be there.
fn field_or_script(o: &Options<'_>) -> Result<(String, Option<Script>), QueryError> {
    let script = match o.get("script") {
        Some(json) => Some(Script::read(json, Context::Record, &[])?),
        None => None,
    };
    let field = match (o.get("field"), &script) {
        (None, Some(_)) => String::new(),
        _ => o.field()?,
    };
    Ok((field, script))
}

fn metric(o: &Options<'_>, metric: Metric) -> Result<MetricAgg, QueryError> {
    o.only(&["field", "missing", "script", "format", "sigma"], &["value_type"])?;
    let mut sigma = 2.0;
    if let Some(value) = o.get("sigma") {
        if metric != Metric::ExtendedStats {
            return Err(QueryError::parsing(format!("[{}] unknown field [sigma]", o.ty)));
        }
        sigma = self::sigma(o, value)?;
    }
    let (field, script) = field_or_script(o)?;
    let missing = match (metric, o.get("missing")) {
        // What is counted has no value.
        (Metric::ValueCount, Some(value)) if scalar(value).is_some() => Some(0.0),
        _ => o.float("missing")?,
    };
    let format = format(o)?;
    Ok(MetricAgg { metric, field, missing, script, sigma, format })
}

pub(super) fn format(o: &Options<'_>) -> Result<Option<String>, QueryError> {
    Ok(o.text("format")?.filter(|format| !format.is_empty()).map(str::to_owned))
}

pub(super) fn sigma(o: &Options<'_>, value: &Json) -> Result<f64, QueryError> {
    let sigma = float(value).ok_or_else(|| o.bad("sigma", value, "a number"))?;
    if sigma < 0.0 {
        return Err(QueryError::illegal(format!(
            "[sigma] must be greater than or equal to 0. Found [{sigma:?}] in [{}]",
            o.name
        )));
    }
    Ok(sigma)
}

/// The percents of a request, 0 to 100.
pub(super) fn percents(o: &Options<'_>) -> Result<Vec<f64>, QueryError> {
    let Some(json) = o.get("percents") else {
        return Ok(vec![1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0]);
    };
    let percents = numbers(o, "percents", json)?;
    match percents.iter().find(|percent| !(0.0..=100.0).contains(*percent)) {
        Some(percent) => Err(QueryError::illegal(format!(
            "percent must be in [0,100], got [{percent}]: [{}]",
            o.name
        ))),
        None => Ok(percents),
    }
}

fn numbers(o: &Options<'_>, key: &str, json: &Json) -> Result<Vec<f64>, QueryError> {
    let read = |value| float(value).ok_or_else(|| o.bad(key, value, "numbers"));
    let numbers = list(json).iter().map(read).collect::<Result<Vec<f64>, _>>()?;
    if numbers.len() > NUMBERS_MAX {
        return Err(too_many(o, key));
    }
    if numbers.is_empty() {
        return Err(QueryError::illegal(format!("[{key}] must not be empty: [{}]", o.name)));
    }
    Ok(numbers)
}

fn too_many(o: &Options<'_>, key: &str) -> QueryError {
    QueryError::illegal(format!("[{key}] of [{}] has more than {NUMBERS_MAX} elements", o.name))
}

/// How a sketch is to be made: ours is at least as exact as what can be asked for.
fn accuracy(o: &Options<'_>) -> Result<(), QueryError> {
    let (tdigest, hdr) = (o.get("tdigest"), o.get("hdr"));
    if tdigest.is_some() && hdr.is_some() {
        return Err(QueryError::illegal("Only one percentiles method should be declared."));
    }
    for (method, json, key) in
        [("tdigest", tdigest, "compression"), ("hdr", hdr, "number_of_significant_value_digits")]
    {
        let Some(json) = json else { continue };
        let map = json.as_object().ok_or_else(|| o.bad(method, json, "an object"))?;
        for (option, value) in map {
            let known = option == key || method == "tdigest" && option == "execution_hint";
            if !known {
                return Err(QueryError::parsing(format!("[{method}] unknown field [{option}]")));
            }
            let digits = float(value).unwrap_or(3.0);
            if method == "hdr" && !(0.0..=5.0).contains(&digits) {
                return Err(QueryError::illegal(
                    "[numberOfSignificantValueDigits] must be between 0 and 5",
                ));
            }
            if option == "compression" && (float(value).is_none() || digits < 0.0) {
                return Err(o.bad("compression", value, "a number of 0 or more"));
            }
        }
    }
    Ok(())
}

fn percentiles(o: &Options<'_>, shape: Shape, key: &str) -> Result<AggKind, QueryError> {
    o.only(
        &["field", key, "keyed", "missing", "script", "format", "tdigest", "hdr"],
        &["compression", "value_type"],
    )?;
    accuracy(o)?;
    let percents = match (shape, o.get(key)) {
        (Shape::Ranks, Some(json)) => numbers(o, key, json)?,
        (Shape::Ranks, None) => {
            return Err(QueryError::illegal(format!(
                "[values] must not be null or an empty array: [{}]",
                o.name
            )));
        }
        _ => percents(o)?,
    };
    let (field, script) = field_or_script(o)?;
    Ok(AggKind::Percentiles(PercentilesAgg {
        keyed: o.flag("keyed", true)?,
        missing: o.float("missing")?,
        format: format(o)?,
        shape,
        script,
        ..PercentilesAgg::new(field, percents)
    }))
}

/// What needs the distribution, but no percents.
fn sketched(o: &Options<'_>, shape: Shape) -> Result<AggKind, QueryError> {
    o.only(
        &["field", "missing", "script", "format", "compression"],
        &["execution_hint", "value_type"],
    )?;
    if let Some(compression) = o.float("compression")?.filter(|c| *c <= 0.0) {
        return Err(QueryError::illegal(format!(
            "[compression] must be greater than 0. Found [{compression:?}] in [{}]",
            o.name
        )));
    }
    let (field, script) = field_or_script(o)?;
    Ok(AggKind::Percentiles(PercentilesAgg {
        missing: o.float("missing")?,
        format: format(o)?,
        shape,
        script,
        ..PercentilesAgg::new(field, Vec::new())
    }))
}

fn cardinality(o: &Options<'_>) -> Result<CardinalityAgg, QueryError> {
    o.only(
        &["field", "missing", "precision_threshold"],
        &["rehash", "execution_hint", "value_type", "format"],
    )?;
    // Ours counts exactly as far as the largest threshold.
    o.count("precision_threshold", 0)?;
    let missing = o.get("missing");
    if let Some(value) = missing.filter(|v| scalar(v).is_none()) {
        return Err(o.bad("missing", value, "a string, a number or a boolean"));
    }
    Ok(CardinalityAgg { field: o.field()?, missing: missing.cloned() })
}

/// A `value` or `weight`, or the numbers of a `rate`.
fn source(name: &str, ty: &str, json: &Json) -> Result<Numbers, QueryError> {
    let o = Options::new(name, ty, json)?;
    o.only(&["field", "missing", "script"], &["value_type", "format"])?;
    let (field, script) = field_or_script(&o)?;
    Ok(Numbers { field, missing: o.float("missing")?, script })
}

fn weighted_avg(o: &Options<'_>) -> Result<WeightedAvgAgg, QueryError> {
    o.only(&["value", "weight", "format"], &["value_type"])?;
    let part = |key: &str| match o.get(key) {
        Some(json) => source(o.name, key, json),
        None => Err(QueryError::illegal(format!(
            "[{key}] is required by the aggregation [{}] of type [weighted_avg]",
            o.name
        ))),
    };
    Ok(WeightedAvgAgg { value: part("value")?, weight: part("weight")?, format: format(o)? })
}

fn top_metrics(o: &Options<'_>) -> Result<TopMetricsAgg, QueryError> {
    o.only(&["metrics", "size", "sort"], &["missing"])?;
    let none = |key: &str| {
        QueryError::illegal(format!(
            "[top_metrics] requires [{key}] in the aggregation [{}]",
            o.name
        ))
    };
    let mut metrics = Vec::new();
    for metric in list(o.get("metrics").ok_or_else(|| none("metrics"))?) {
        let field = match metric {
            Json::Object(map) => map.get("field").and_then(Json::as_str),
            _ => None,
        };
        let expected = "an object with [field], or a list of such";
        metrics.push(field.ok_or_else(|| o.bad("metrics", metric, expected))?.to_owned());
    }
    if metrics.is_empty() {
        return Err(none("metrics"));
    }
    if metrics.len() > NUMBERS_MAX {
        return Err(too_many(o, "metrics"));
    }
    let size = o.count("size", 1)?.unwrap_or(1);
    if size > TOP_METRICS_MAX {
        return Err(QueryError::illegal(format!(
            "[top_metrics.size] must not be more than [{TOP_METRICS_MAX}] but was [{size}]. This \
             limit can be set by changing the [index.top_metrics_max_size] index level setting."
        )));
    }
    let order = sort(o.get("sort").ok_or_else(|| none("sort"))?)?;
    let [key] = order.keys.as_slice() else {
        return Err(QueryError::illegal(format!(
            "[top_metrics] must have exactly one [sort] in the aggregation [{}]",
            o.name
        )));
    };
    Ok(TopMetricsAgg {
        metrics,
        size: size as usize,
        by: key.by.clone(),
        descending: key.descending,
        format: key.format.clone(),
    })
}

fn string_stats(o: &Options<'_>) -> Result<StringStatsAgg, QueryError> {
    o.only(&["field", "missing", "show_distribution", "format"], &["value_type"])?;
    Ok(StringStatsAgg {
        field: o.field()?,
        missing: o.get("missing").and_then(scalar),
        distribution: o.flag("show_distribution", false)?,
        format: format(o)?,
    })
}

fn rate(o: &Options<'_>) -> Result<RateAgg, QueryError> {
    o.only(&["field", "script", "missing", "unit", "mode", "format"], &["value_type"])?;
    let unit = match o.text("unit")? {
        None => None,
        Some(text) => Some(dates::rate_unit(text).ok_or_else(|| {
            QueryError::illegal(format!("Unsupported unit [{text}] in [{}]", o.name))
        })?),
    };
    let numbers = match (o.get("field"), o.get("script")) {
        (None, None) => None,
        _ => {
            let (field, script) = field_or_script(o)?;
            Some(Numbers { field, missing: o.float("missing")?, script })
        }
    };
    let counts_values = match o.text("mode")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("sum") => false,
        Some("value_count") => true,
        Some(other) => {
            return Err(QueryError::illegal(format!("Unsupported value [{other}] for [mode]")));
        }
    };
    if numbers.is_none() && o.get("mode").is_some() {
        return Err(QueryError::illegal(
            "The mode parameter is only supported with field or script",
        ));
    }
    Ok(RateAgg { numbers, unit, counts_values, format: format(o)? })
}
