//! Which buckets? The options of histogram, range, filters and missing.

use serde_json::Value as Json;

use super::super::Reader;
use super::super::json::{float, scalar};
use super::super::query::query;
use super::{Options, keys};
use crate::error::QueryError;
use crate::request::{FiltersAgg, HistogramAgg, RangeAgg, RangeBucket};

pub(super) fn histogram(o: &Options<'_>) -> Result<HistogramAgg, QueryError> {
    o.only(
        &[
            "field",
            "interval",
            "offset",
            "min_doc_count",
            "extended_bounds",
            "hard_bounds",
            "keyed",
            "order",
            "missing",
            "format",
        ],
        &["value_type"],
    )?;
    let interval = o.float("interval")?.filter(|i| *i > 0.0).ok_or_else(|| {
        QueryError::illegal(format!("[interval] must be >0 for histogram aggregation [{}]", o.name))
    })?;
    let extended = keys::bounds(o, "extended_bounds", (f64::INFINITY, f64::NEG_INFINITY))?;
    let hard_bounds = keys::bounds(o, "hard_bounds", (f64::NEG_INFINITY, f64::INFINITY))?;
    let closed = extended.filter(|(min, max)| min.is_finite() && max.is_finite());
    keys::check_bounds(hard_bounds, closed)?;
    Ok(HistogramAgg {
        field: o.field()?,
        interval,
        offset: o.float("offset")?.unwrap_or(0.0),
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(0),
        extended_bounds: extended,
        hard_bounds,
        keyed: o.flag("keyed", false)?,
        missing: o.float("missing")?,
        format: o.text("format")?.map(str::to_owned),
        order: keys::order_by_key(o)?,
    })
}

/// The ranges of `range` and `date_range`; `end` reads one end.
pub(super) fn ranges(
    o: &Options<'_>,
    mut end: impl FnMut(&Json) -> Result<f64, QueryError>,
) -> Result<Vec<RangeBucket>, QueryError> {
    let none =
        || QueryError::illegal(format!("No [ranges] specified for the [{}] aggregation", o.name));
    let json = o.get("ranges").ok_or_else(none)?;
    let Json::Array(list) = json else { return Err(o.bad("ranges", json, "an array")) };
    if list.is_empty() {
        return Err(none());
    }
    let mut out = Vec::with_capacity(list.len());
    for range in list {
        let map = range.as_object().ok_or_else(|| o.bad("ranges", range, "objects"))?;
        let mut bucket = RangeBucket { key: None, from: None, to: None };
        for (key, value) in map {
            match key.as_str() {
                "key" => bucket.key = scalar(value),
                "from" if !value.is_null() => bucket.from = Some(end(value)?),
                "to" if !value.is_null() => bucket.to = Some(end(value)?),
                "from" | "to" => {}
                _ => {
                    return Err(QueryError::parsing(format!("[{}] unknown field [{key}]", o.ty)));
                }
            }
        }
        out.push(bucket);
    }
    Ok(out)
}

pub(super) fn range(o: &Options<'_>) -> Result<RangeAgg, QueryError> {
    o.only(&["field", "ranges", "keyed", "missing", "format"], &["value_type"])?;
    let end = |value: &Json| float(value).ok_or_else(|| o.bad("ranges", value, "numbers"));
    Ok(RangeAgg {
        field: o.field()?,
        ranges: ranges(o, end)?,
        keyed: o.flag("keyed", false)?,
        missing: o.float("missing")?,
        format: o.text("format")?.map(str::to_owned),
        ..RangeAgg::default()
    })
}

pub(super) fn filters(
    reader: &mut Reader,
    o: &Options<'_>,
    depth: usize,
) -> Result<FiltersAgg, QueryError> {
    o.only(&["filters", "other_bucket", "other_bucket_key", "keyed"], &[])?;
    let mut filters = Vec::new();
    match o.get("filters") {
        Some(Json::Object(named)) => {
            for (name, filter) in named {
                filters.push((Some(name.clone()), query(reader, filter, depth + 1)?));
            }
        }
        Some(Json::Array(anonymous)) => {
            for filter in anonymous {
                filters.push((None, query(reader, filter, depth + 1)?));
            }
        }
        Some(other) => return Err(o.bad("filters", other, "an object or an array of queries")),
        None => {}
    }
    if filters.is_empty() {
        return Err(QueryError::illegal(format!("[filters] cannot be empty in [{}]", o.name)));
    }
    let key = o.text("other_bucket_key")?;
    let other = o.flag("other_bucket", key.is_some())?;
    let other = other.then(|| key.unwrap_or("_other_").to_owned());
    Ok(FiltersAgg { filters, other, keyed: o.flag("keyed", true)? })
}

pub(super) fn missing(o: &Options<'_>) -> Result<String, QueryError> {
    o.only(&["field"], &[])?;
    o.field()
}
