//! Which buckets? The options of terms, histogram, range, filters and missing.

use serde_json::Value as Json;

use super::super::Reader;
use super::super::json::{boolean, float, list, scalar};
use super::super::query::query;
use super::Options;
use crate::error::QueryError;
use crate::request::{Agg, BucketOrder, FiltersAgg, HistogramAgg, RangeAgg, RangeBucket, TermsAgg};

pub(super) fn terms(o: &Options<'_>) -> Result<TermsAgg, QueryError> {
    o.only(
        &["field", "size", "order", "min_doc_count", "missing"],
        &[
            "shard_size",
            "shard_min_doc_count",
            "show_term_doc_count_error",
            "execution_hint",
            "collect_mode",
            "value_type",
        ],
    )?;
    let missing = o.get("missing");
    if let Some(value) = missing.filter(|v| scalar(v).is_none()) {
        return Err(o.bad("missing", value, "a string, a number or a boolean"));
    }
    let size = o.count("size", 1)?.unwrap_or(10);
    Ok(TermsAgg {
        field: o.field()?,
        size: usize::try_from(size).unwrap_or(usize::MAX),
        order: order(o)?,
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(1),
        missing: missing.cloned(),
    })
}

/// `{"_count": "desc"}`, or a list of such; the default is by count.
fn order(o: &Options<'_>) -> Result<Vec<(BucketOrder, bool)>, QueryError> {
    let Some(json) = o.get("order") else { return Ok(vec![(BucketOrder::Count, true)]) };
    let mut out = Vec::new();
    for part in list(json) {
        let expected = "an object such as `{\"_count\": \"desc\"}`";
        let map = part.as_object().ok_or_else(|| o.bad("order", part, expected))?;
        for (key, direction) in map {
            let descending = match direction.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("asc") => false,
                Some("desc") => true,
                _ => {
                    return Err(QueryError::parsing(format!(
                        "Unknown order direction [{}] in [{}]: expected `asc` or `desc`",
                        scalar(direction).unwrap_or_default(),
                        o.name
                    )));
                }
            };
            let by = match key.as_str() {
                "_count" => BucketOrder::Count,
                "_key" | "_term" | "_time" => BucketOrder::Key,
                path => BucketOrder::Metric(path.to_owned()),
            };
            out.push((by, descending));
        }
    }
    if out.is_empty() {
        return Err(QueryError::parsing(format!(
            "Must specify at least one field for [order] in [{}]",
            o.name
        )));
    }
    Ok(out)
}

/// Buckets of `date_histogram` and `histogram` come by key; no other order yet.
pub(super) fn only_by_key(o: &Options<'_>) -> Result<(), QueryError> {
    if o.get("order").is_none() || order(o)? == [(BucketOrder::Key, false)] {
        return Ok(());
    }
    Err(QueryError::parsing(format!(
        "[{}] of the aggregation [{}]: an [order] other than `{{\"_key\": \"asc\"}}` is not \
         supported in this version",
        o.ty, o.name
    )))
}

/// The paths of the order name metrics beside it.
pub(super) fn check_order(
    o: &Options<'_>,
    terms: &TermsAgg,
    inner: &[(String, Agg)],
) -> Result<(), QueryError> {
    for (by, _) in &terms.order {
        let BucketOrder::Metric(path) = by else { continue };
        let agg = inner
            .iter()
            .filter(|(name, _)| path.strip_prefix(name.as_str()).is_some_and(ends_name))
            .max_by_key(|(name, _)| name.len());
        if !agg.is_some_and(|(_, agg)| agg.kind.is_metric()) {
            return Err(QueryError::illegal(format!(
                "Invalid aggregation order path [{path}]. The aggregation [{}] has no metric of \
                 this name in its [aggs]",
                o.name
            )));
        }
    }
    Ok(())
}

fn ends_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['.', '['])
}

pub(super) fn histogram(o: &Options<'_>) -> Result<HistogramAgg, QueryError> {
    o.only(
        &["field", "interval", "offset", "min_doc_count", "extended_bounds", "keyed", "order"],
        &[],
    )?;
    only_by_key(o)?;
    let interval = o.float("interval")?.filter(|i| *i > 0.0).ok_or_else(|| {
        QueryError::illegal(format!("[interval] must be >0 for histogram aggregation [{}]", o.name))
    })?;
    let extended_bounds = match o.get("extended_bounds") {
        None => None,
        Some(bounds) => {
            let end = |key: &str| bounds.get(key).and_then(float);
            match (end("min"), end("max")) {
                (Some(min), Some(max)) if min <= max => Some((min, max)),
                _ => {
                    let expected = "an object with numbers [min] and [max], min not above max";
                    return Err(o.bad("extended_bounds", bounds, expected));
                }
            }
        }
    };
    Ok(HistogramAgg {
        field: o.field()?,
        interval,
        offset: o.float("offset")?.unwrap_or(0.0),
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(0),
        extended_bounds,
        keyed: o.flag("keyed", false)?,
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
    o.only(&["field", "ranges", "keyed"], &[])?;
    let end = |value: &Json| float(value).ok_or_else(|| o.bad("ranges", value, "numbers"));
    Ok(RangeAgg {
        field: o.field()?,
        ranges: ranges(o, end)?,
        keyed: o.flag("keyed", false)?,
        date: false,
        format: None,
    })
}

pub(super) fn filters(
    reader: &mut Reader,
    o: &Options<'_>,
    depth: usize,
) -> Result<FiltersAgg, QueryError> {
    o.only(&["filters", "other_bucket", "other_bucket_key", "keyed"], &[])?;
    if o.get("keyed").is_some_and(|v| boolean(v) == Some(false)) {
        return Err(QueryError::parsing(format!(
            "[filters] of the aggregation [{}]: [keyed] false is not supported in this version",
            o.name
        )));
    }
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
    Ok(FiltersAgg { filters, other })
}

pub(super) fn missing(o: &Options<'_>) -> Result<String, QueryError> {
    o.only(&["field"], &[])?;
    o.field()
}
