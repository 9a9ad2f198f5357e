//! Which values? The queries that look at whole values: term, terms, range, exists, patterns.

use serde_json::Value as Json;

use super::json::{bad, boolean, kind, list, literal, scalar};
use super::query::{object, one_field, unknown, unsupported};
use super::{Reader, path};
use crate::ast::{Literal, Query, TextTest};
use crate::clause::{Ends, Mismatch, Pattern, target};
use crate::error::QueryError;

fn flag(key: &str, value: &Json) -> Result<bool, QueryError> {
    boolean(value).ok_or_else(|| bad(key, value, "true or false"))
}

fn value_of(query: &str, value: &Json) -> Result<Literal, QueryError> {
    literal(value).ok_or_else(|| match value {
        Json::Array(_) => {
            QueryError::parsing(format!("[{query}] query does not support array of values"))
        }
        Json::Null => QueryError::illegal(format!("value cannot be null in [{query}] query")),
        _ => bad(query, value, "a string, a number or a boolean"),
    })
}

pub(super) fn term(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, value) = one_field("term", body)?;
    let mut fold = false;
    let mut found = None;
    match value {
        Json::Object(options) => {
            for (key, value) in options {
                match key.as_str() {
                    "value" | "term" => found = Some(value_of("term", value)?),
                    "case_insensitive" => fold = flag(key, value)?,
                    "boost" | "_name" => {}
                    _ => return Err(unknown("term", key)),
                }
            }
        }
        value => found = Some(value_of("term", value)?),
    }
    let value = found.ok_or_else(|| {
        QueryError::illegal(format!("value cannot be null: [term] query on [{field}] has no value"))
    })?;
    reader.with(|c| c.term(path(field), value, fold))
}

pub(super) fn terms(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, value) = one_field("terms", body)?;
    let Json::Array(values) = value else {
        return Err(match value {
            Json::Object(_) => unsupported("terms", "terms lookup"),
            _ => QueryError::parsing(format!(
                "[terms] query requires an array of values for [{field}], got {}",
                kind(value)
            )),
        });
    };
    let values = values.iter().map(|v| value_of("terms", v)).collect::<Result<Vec<_>, _>>()?;
    reader.with(|c| c.terms(path(field), values))
}

pub(super) fn range(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, options) = one_field("range", body)?;
    let mut ends = Ends::default();
    let (mut include_lower, mut include_upper) = (None, None);
    let (mut format, mut zone) = (None, None);
    for (key, value) in object("range", options)? {
        let end = || match value {
            Json::Null => Ok(None),
            value => value_of("range", value).map(Some),
        };
        match key.as_str() {
            "gte" | "ge" => ends.lower = end()?.map(|v| (v, true)),
            "gt" => ends.lower = end()?.map(|v| (v, false)),
            "lte" | "le" => ends.upper = end()?.map(|v| (v, true)),
            "lt" => ends.upper = end()?.map(|v| (v, false)),
            "from" => ends.lower = end()?.map(|v| (v, true)),
            "to" => ends.upper = end()?.map(|v| (v, true)),
            "include_lower" => include_lower = Some(flag(key, value)?),
            "include_upper" => include_upper = Some(flag(key, value)?),
            "format" => format = value.as_str(),
            "time_zone" => zone = value.as_str(),
            "relation" | "boost" | "_name" => {}
            _ => return Err(unknown("range", key)),
        }
    }
    for (end, include) in [(&mut ends.lower, include_lower), (&mut ends.upper, include_upper)] {
        if let (Some((_, included)), Some(include)) = (end, include) {
            *included = include;
        }
    }
    let dates = reader.dates.clone().with(format, zone)?;
    reader.clauses(&dates, Mismatch::Fail).range(path(field), &ends)
}

pub(super) fn exists(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let mut field = None;
    for (key, value) in object("exists", body)? {
        match key.as_str() {
            "field" => {
                field = Some(value.as_str().ok_or_else(|| bad("field", value, "a string"))?);
            }
            "boost" | "_name" => {}
            _ => return Err(unknown("exists", key)),
        }
    }
    let field =
        field.ok_or_else(|| QueryError::parsing("[exists] must be provided with a [field]"))?;
    reader.with(|c| c.exists(target(field)))
}

pub(super) fn pattern(
    reader: &mut Reader,
    body: &Json,
    kind: Pattern,
) -> Result<Query, QueryError> {
    let name = kind.name();
    let (field, value) = one_field(name, body)?;
    let mut fold = false;
    let mut text = None;
    match value {
        Json::Object(options) => {
            for (key, value) in options {
                match (key.as_str(), kind) {
                    ("value", _) | ("wildcard", Pattern::Wildcard) => text = scalar(value),
                    ("prefix", Pattern::Prefix) => text = scalar(value),
                    ("case_insensitive", _) => fold = flag(key, value)?,
                    ("flags" | "flags_value" | "max_determinized_states", Pattern::Regexp) => {}
                    ("boost" | "_name" | "rewrite", _) => {}
                    _ => return Err(unknown(name, key)),
                }
            }
        }
        value => text = scalar(value),
    }
    let text = text.ok_or_else(|| {
        QueryError::illegal(format!(
            "value cannot be null: [{name}] query on [{field}] has no text"
        ))
    })?;
    reader.with(|c| c.pattern(path(field), kind, TextTest { text, fold }))
}

pub(super) fn ids(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let mut found = None;
    for (key, value) in object("ids", body)? {
        match key.as_str() {
            "values" => {
                let each = list(value).iter().map(|v| {
                    scalar(v).ok_or_else(|| bad("values", v, "a string")).map(Literal::Text)
                });
                found = Some(each.collect::<Result<Vec<_>, _>>()?);
            }
            "type" | "boost" | "_name" => {}
            _ => return Err(unknown("ids", key)),
        }
    }
    let values = found.ok_or_else(|| QueryError::parsing("[ids] requires providing [values]"))?;
    reader.with(|c| c.terms(path("_id"), values))
}
