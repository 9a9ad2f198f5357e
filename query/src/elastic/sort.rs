//! In what order? All forms of `sort`.

use serde_json::Value as Json;

use super::json::{bad, kind, list};
use crate::dates::Formats;
use crate::error::QueryError;
use crate::request::{SortBy, SortKey};

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
            "_geo_distance" | "_script" | "_id" | "_index" => {
                return Err(QueryError::illegal(format!(
                    "sorting by [{field}] is not supported in this version"
                )));
            }
            field => SortBy::Field(field.to_owned()),
        };
        let descending = by == SortBy::Score;
        let mut key = SortKey { by, descending, missing_first: false, format: None };
        let mut unmapped = false;
        match options {
            Json::Null => {}
            Json::String(order) => key.descending = descends(&Json::String(order.clone()))?,
            Json::Object(options) => {
                for (option, value) in options {
                    unmapped |= option == "unmapped_type" && !value.is_null();
                    key.take(field, option, value)?;
                }
                check_mode(field, &key, options.get("mode"))?;
            }
            other => return Err(bad(field, other, "`asc`, `desc` or an object of options")),
        }
        if let (SortBy::Field(path), false) = (&key.by, unmapped) {
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
                self.missing_first = match value.as_str() {
                    Some("_first") => true,
                    Some("_last") => false,
                    _ => return Err(bad("missing", value, "`_first` or `_last`")),
                };
            }
            "format" => {
                let format = value.as_str().ok_or_else(|| bad("format", value, "a string"))?;
                Formats::parse(format)?;
                self.format = Some(format.to_owned());
            }
            "unmapped_type" | "numeric_type" | "mode" => {}
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

/// Of several values the smallest counts when ascending, else the largest; nothing else yet.
fn check_mode(field: &str, key: &SortKey, mode: Option<&Json>) -> Result<(), QueryError> {
    let Some(mode) = mode else { return Ok(()) };
    let ours = if key.descending { "max" } else { "min" };
    match mode.as_str() {
        Some(mode) if mode.eq_ignore_ascii_case(ours) => Ok(()),
        _ => Err(QueryError::parsing(format!(
            "[mode] of the sort on [{field}] must be [{ours}] in this version"
        ))),
    }
}
