//! Which numbers? The options of the metrics, percentiles and cardinality.

use super::super::json::{float, list};
use super::Options;
use crate::error::QueryError;
use crate::request::{Metric, MetricAgg, PercentilesAgg};

pub(super) fn metric_of(ty: &str) -> Option<Metric> {
    Some(match ty {
        "min" => Metric::Min,
        "max" => Metric::Max,
        "avg" => Metric::Avg,
        "sum" => Metric::Sum,
        "stats" => Metric::Stats,
        "extended_stats" => Metric::ExtendedStats,
        "value_count" => Metric::ValueCount,
        _ => return None,
    })
}

pub(super) fn metric(o: &Options<'_>, metric: Metric) -> Result<MetricAgg, QueryError> {
    o.only(&["field", "missing", "sigma"], &["value_type"])?;
    if let Some(value) = o.get("sigma") {
        if metric != Metric::ExtendedStats {
            return Err(QueryError::parsing(format!("[{}] unknown field [sigma]", o.ty)));
        }
        if float(value) != Some(2.0) {
            return Err(o.bad("sigma", value, "2: others are not supported in this version"));
        }
    }
    Ok(MetricAgg { metric, field: o.field()?, missing: o.float("missing")? })
}

pub(super) fn percentiles(o: &Options<'_>) -> Result<PercentilesAgg, QueryError> {
    o.only(&["field", "percents", "keyed"], &["tdigest", "compression"])?;
    let percents = match o.get("percents") {
        None => vec![1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0],
        Some(json) => {
            let mut percents = Vec::new();
            for value in list(json) {
                let percent = float(value).ok_or_else(|| o.bad("percents", value, "numbers"))?;
                if !(0.0..=100.0).contains(&percent) {
                    return Err(QueryError::illegal(format!(
                        "percent must be in [0,100], got [{percent}]: [{}]",
                        o.name
                    )));
                }
                percents.push(percent);
            }
            percents
        }
    };
    if percents.is_empty() {
        return Err(QueryError::illegal(format!("[percents] must not be empty: [{}]", o.name)));
    }
    Ok(PercentilesAgg { field: o.field()?, percents, keyed: o.flag("keyed", true)? })
}

pub(super) fn cardinality(o: &Options<'_>) -> Result<String, QueryError> {
    o.only(&["field", "precision_threshold"], &["rehash", "execution_hint"])?;
    o.count("precision_threshold", 0)?;
    o.field()
}
