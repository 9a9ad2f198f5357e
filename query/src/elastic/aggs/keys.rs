//! Which keys, how many, in what order? The options that `terms` shares with its like.

use serde_json::Value as Json;

use super::super::json::{float, integer, list, scalar};
use super::Options;
use crate::ast::TextTest;
use crate::error::QueryError;
use crate::request::{BucketOrder, Choice, ChoiceOf, TermsAgg};

pub(super) fn terms(o: &Options<'_>) -> Result<TermsAgg, QueryError> {
    o.only(
        &[
            "field",
            "size",
            "order",
            "min_doc_count",
            "missing",
            "include",
            "exclude",
            "format",
            "show_term_doc_count_error",
            "value_type",
        ],
        &["shard_size", "shard_min_doc_count", "execution_hint", "collect_mode"],
    )?;
    Ok(TermsAgg {
        field: o.field()?,
        size: size(o, 10)?,
        order: order(o)?,
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(1),
        missing: missing_key(o)?,
        choice: choice(o)?,
        format: o.text("format")?.map(str::to_owned),
        shows_error: o.flag("show_term_doc_count_error", false)?,
    })
}

pub(super) fn size(o: &Options<'_>, default: u64) -> Result<usize, QueryError> {
    Ok(usize::try_from(o.count("size", 1)?.unwrap_or(default)).unwrap_or(usize::MAX))
}

/// `missing` as a key, of the kind that `value_type` names.
pub(super) fn missing_key(o: &Options<'_>) -> Result<Option<Json>, QueryError> {
    let number = match o.text("value_type")? {
        None | Some("string" | "keyword" | "date" | "ip" | "boolean") => false,
        Some("long" | "integer" | "short" | "byte" | "unsigned_long") => true,
        Some("double" | "float" | "number" | "numeric") => true,
        Some(other) => {
            return Err(QueryError::parsing(format!(
                "[{}] failed to parse field [value_type]: Unknown value type [{other}]",
                o.ty
            )));
        }
    };
    let Some(value) = o.get("missing") else { return Ok(None) };
    if scalar(value).is_none() {
        return Err(o.bad("missing", value, "a string, a number or a boolean"));
    }
    match value.as_str().filter(|_| number).map(|text| (text, text.parse::<i64>())) {
        None => Ok(Some(value.clone())),
        Some((_, Ok(whole))) => Ok(Some(whole.into())),
        Some(_) => float(value)
            .map(|number| Some(number.into()))
            .ok_or_else(|| o.bad("missing", value, "a number, as [value_type] says")),
    }
}

/// The longest expression, in bytes.
const REGEX_BYTES_MAX: usize = 1000;
/// The most values of a list.
const VALUES_MAX: usize = 65_536;

/// `include` and `exclude`.
pub(super) fn choice(o: &Options<'_>) -> Result<Choice, QueryError> {
    let mut out = Choice { exclude: chosen(o, "exclude")?, ..Choice::default() };
    let Some(Json::Object(share)) = o.get("include") else {
        out.include = chosen(o, "include")?;
        return Ok(out);
    };
    let known = ["partition", "num_partitions"];
    if let Some(key) = share.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(QueryError::parsing(format!(
            "Unknown parameter in Include/Exclude clause: {key}"
        )));
    }
    if out.exclude.is_some() {
        return Err(QueryError::illegal(
            "Cannot specify any excludes when using a partition-based include",
        ));
    }
    let number = |key: &str| {
        let value = share.get(key).and_then(integer).ok_or_else(|| {
            QueryError::illegal(format!("Missing [{key}] parameter for partition-based include"))
        })?;
        u32::try_from(value).map_err(|_| {
            QueryError::illegal(format!(
                "[{key}] must be 0 or more in [{}], found [{value}]",
                o.name
            ))
        })
    };
    let (partition, count) = (number("partition")?, number("num_partitions")?);
    if partition >= count {
        return Err(QueryError::illegal(format!(
            "Partition must be >=0 and < numPartition which is {count}"
        )));
    }
    Ok(Choice { partition: Some((partition, count)), ..out })
}

fn chosen(o: &Options<'_>, key: &str) -> Result<Option<ChoiceOf>, QueryError> {
    Ok(match o.get(key) {
        None => None,
        Some(Json::String(text)) if text.len() > REGEX_BYTES_MAX => {
            return Err(QueryError::illegal(format!(
                "The length of regex [{}] used in the [{key}] clause of [{}] has exceeded the \
                 allowed maximum of [{REGEX_BYTES_MAX}]",
                text.len(),
                o.name
            )));
        }
        Some(Json::String(text)) => {
            Some(ChoiceOf::Pattern(TextTest { text: text.clone(), fold: false }))
        }
        Some(Json::Array(list)) if list.len() > VALUES_MAX => {
            return Err(QueryError::illegal(format!(
                "[{key}] of [{}] has [{}] values, more than [{VALUES_MAX}]",
                o.name,
                list.len()
            )));
        }
        Some(Json::Array(list)) => match list.iter().find(|v| scalar(v).is_none()) {
            Some(value) => return Err(o.bad(key, value, "strings, numbers or booleans")),
            None => Some(ChoiceOf::Values(list.clone())),
        },
        Some(other) => {
            return Err(o.bad(key, other, "an expression, a list of values, or a partition"));
        }
    })
}

/// `{"_count": "desc"}`, or a list of such; the default is by count.
pub(super) fn order(o: &Options<'_>) -> Result<Vec<(BucketOrder, bool)>, QueryError> {
    let Some(json) = o.get("order") else { return Ok(vec![(BucketOrder::Count, true)]) };
    let mut out = Vec::new();
    for part in list(json) {
        let expected = "an object such as `{\"_count\": \"desc\"}`";
        let map = part.as_object().ok_or_else(|| o.bad("order", part, expected))?;
        for (key, direction) in map {
            out.push((order_by(key), direction_of(o, direction)?));
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

fn order_by(key: &str) -> BucketOrder {
    match key {
        "_count" => BucketOrder::Count,
        "_key" | "_term" | "_time" => BucketOrder::Key,
        path => BucketOrder::Metric(path.to_owned()),
    }
}

/// Whether the largest come first.
pub(super) fn direction_of(o: &Options<'_>, direction: &Json) -> Result<bool, QueryError> {
    match direction.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        _ => Err(QueryError::parsing(format!(
            "Unknown order direction [{}] in [{}]: expected `asc` or `desc`",
            scalar(direction).unwrap_or_default(),
            o.name
        ))),
    }
}

/// The order of buckets that come by key.
pub(super) fn order_by_key(o: &Options<'_>) -> Result<Vec<(BucketOrder, bool)>, QueryError> {
    let order = if o.get("order").is_some() { order(o)? } else { Vec::new() };
    Ok(if order == [(BucketOrder::Key, false)] { Vec::new() } else { order })
}

/// Both ends of bounds of numbers; an end that is left out is `open`.
pub(super) fn bounds(
    o: &Options<'_>,
    key: &str,
    open: (f64, f64),
) -> Result<Option<(f64, f64)>, QueryError> {
    let Some(json) = o.get(key) else { return Ok(None) };
    let map = json.as_object().ok_or_else(|| o.bad(key, json, "an object with [min] and [max]"))?;
    let (mut min, mut max) = (None, None);
    for (end, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let number = Some(float(value).ok_or_else(|| o.bad(key, value, "numbers"))?);
        match end.as_str() {
            "min" => min = number,
            "max" => max = number,
            _ => return Err(QueryError::parsing(format!("[{key}] unknown field [{end}]"))),
        }
    }
    match (min, max) {
        (None, None) => Ok(None),
        (Some(min), Some(max)) if min > max => Err(QueryError::illegal(format!(
            "[{key}.min][{min}] cannot be greater than [{key}.max][{max}] for aggregation [{}]",
            o.name
        ))),
        (min, max) => Ok(Some((min.unwrap_or(open.0), max.unwrap_or(open.1)))),
    }
}

/// Extended bounds must lie inside of hard ones.
pub(super) fn check_bounds<T: PartialOrd + std::fmt::Display>(
    hard: Option<(T, T)>,
    extended: Option<(T, T)>,
) -> Result<(), QueryError> {
    match (hard, extended) {
        (Some((from, to)), Some((min, max))) if min < from || max > to => {
            Err(QueryError::illegal(format!(
                "Extended bounds have to be inside hard bounds, hard bounds: [{from}--{to}], \
                 extended bounds: [{min}--{max}]"
            )))
        }
        _ => Ok(()),
    }
}
