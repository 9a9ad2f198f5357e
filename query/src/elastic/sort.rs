//! In what order? All forms of `sort`.

use serde_json::Value as Json;

use super::json::{bad, brief, kind, list};
use crate::dates::Formats;
use crate::error::QueryError;
use crate::request::{NumericType, SortBy, SortKey, SortMode};

/// The keys of an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SortOrder {
    /// The keys; empty when the order is only `_score`.
    pub keys: Vec<SortKey>,
    /// Fields that must exist: those without `unmapped_type`.
    pub must_exist: Vec<String>,
}

/// Reads `sort`: a field, an object of fields, or a list of both.
///
/// # Errors
/// It is malformed, or has an option that is unknown or not supported.
pub fn sort(json: &Json) -> Result<SortOrder, QueryError> {
    let mut out = SortOrder::default();
    for key in list(json) {
        match key {
            Json::String(field) => out.push(field, &Json::Null)?,
            Json::Object(fields) => {
                for (field, options) in fields {
                    out.push(field, options)?;
                }
            }
            other => {
                return Err(QueryError::parsing(format!(
                    "malformed sort format, expected a field name or an object, got {}",
                    kind(other)
                )));
            }
        }
    }
    // By score alone is no order at all: all scores are equal.
    if matches!(&out.keys[..], [SortKey { by: SortBy::Score, descending: true, .. }]) {
        out.keys.clear();
    }
    Ok(out)
}

impl SortOrder {
    fn push(&mut self, field: &str, options: &Json) -> Result<(), QueryError> {
        let by = match field {
            "@timestamp" => SortBy::Time,
            "_doc" | "_shard_doc" | "_seq_no" => SortBy::Sequence,
            "_score" => SortBy::Score,
            "_id" => SortBy::Id,
            "_geo_distance" => {
                return Err(QueryError::illegal(
                    "sorting by [_geo_distance] is not supported: logs have no geo points",
                ));
            }
            "_script" => {
                return Err(QueryError::illegal(
                    "sorting by [_script] is not supported: sort by fields",
                ));
            }
            field => SortBy::Field(field.to_owned()),
        };
        let descending = by == SortBy::Score;
        let mut key = SortKey::new(by, descending);
        let mut unmapped = false;
        match options {
            Json::Null => {}
            Json::String(order) => key.descending = descends(&Json::String(order.clone()))?,
            Json::Object(options) => {
                for (option, value) in options {
                    unmapped |= option == "unmapped_type" && !value.is_null();
                    key.take(field, option, value)?;
                }
            }
            other => return Err(bad(field, other, "`asc`, `desc` or an object of options")),
        }
        if let (SortBy::Field(path), false) = (&key.by, unmapped)
            && path != "_index"
        {
            self.must_exist.push(path.clone());
        }
        self.keys.push(key);
        Ok(())
    }
}

fn descends(value: &Json) -> Result<bool, QueryError> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        _ => Err(bad("order", value, "`asc` or `desc`")),
    }
}

impl SortKey {
    fn take(&mut self, field: &str, option: &str, value: &Json) -> Result<(), QueryError> {
        match option {
            "order" => self.descending = descends(value)?,
            "missing" => {
                (self.missing_first, self.missing) = match value {
                    Json::String(text) if text == "_first" => (true, None),
                    Json::String(text) if text == "_last" => (false, None),
                    Json::Null => (false, None),
                    Json::Array(_) | Json::Object(_) => {
                        return Err(bad("missing", value, "`_first`, `_last` or a value"));
                    }
                    value => (false, Some(value.clone())),
                };
            }
            "format" => {
                let format = value.as_str().ok_or_else(|| bad("format", value, "a string"))?;
                Formats::parse(format)?;
                self.format = Some(format.to_owned());
            }
            "mode" => self.mode = mode(value)?,
            "numeric_type" => self.numeric = numeric_type(value)?,
            "unmapped_type" | "ignore_unmapped" => {}
            "nested" | "nested_path" | "nested_filter" => {
                return Err(QueryError::parsing(format!(
                    "[{option}] of the sort on [{field}] is not supported in this version"
                )));
            }
            _ => {
                return Err(QueryError::parsing(format!(
                    "[field_sort] unknown field [{option}] in the sort on [{field}]"
                )));
            }
        }
        Ok(())
    }
}

fn mode(value: &Json) -> Result<SortMode, QueryError> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("min") => Ok(SortMode::Min),
        Some("max") => Ok(SortMode::Max),
        Some("avg") => Ok(SortMode::Avg),
        Some("sum") => Ok(SortMode::Sum),
        Some("median") => Ok(SortMode::Median),
        _ => Err(QueryError::illegal(format!("Unknown SortMode [{}]", brief(value)))),
    }
}

fn numeric_type(value: &Json) -> Result<Option<NumericType>, QueryError> {
    match value.as_str() {
        None if value.is_null() => Ok(None),
        Some("long") => Ok(Some(NumericType::Long)),
        Some("double") => Ok(Some(NumericType::Double)),
        Some("date") => Ok(Some(NumericType::Date)),
        Some("date_nanos") => Ok(Some(NumericType::DateNanos)),
        _ => Err(QueryError::illegal(format!(
            "invalid value for [numeric_type], must be [long, double, date, date_nanos], got {}",
            brief(value)
        ))),
    }
}
