//! What do the top level keys of a body ask? Page, order, source, totals.

use serde_json::Value as Json;

use super::json::{bad, boolean, integer, is_nothing, kind, list, parse_json, scalar, strings};
use super::{Reader, Search, aggs, sort};
use crate::ast::Query;
use crate::dates::{Formats, time_value};
use crate::error::QueryError;
use crate::request::{FieldAndFormat, SearchRequest, SourceFilter, TrackTotal};

fn is_empty(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}

pub(super) fn search(reader: &mut Reader, body: &[u8]) -> Result<Search, QueryError> {
    let mut search = Search::default();
    if is_empty(body) {
        return Ok(search);
    }
    let json = parse_json(body)?;
    let Json::Object(map) = &json else {
        return Err(QueryError::parsing(format!(
            "the body of a search must be an object, got {}",
            kind(&json)
        )));
    };
    for (key, value) in map {
        take(reader, &mut search, key, value)?;
    }
    Ok(search)
}

fn take(
    reader: &mut Reader,
    search: &mut Search,
    key: &str,
    value: &Json,
) -> Result<(), QueryError> {
    let request = &mut search.request;
    match key {
        "query" if value.is_null() => {}
        "query" => request.query = reader.query(value)?,
        "from" => request.from = count_of(key, value)?,
        "size" => request.size = count_of(key, value)?,
        "sort" => {
            let order = sort(value)?;
            search.scores |= order.keys.iter().any(|k| k.by == crate::request::SortBy::Score);
            request.sort = order.keys;
            search.sort_fields = order.must_exist;
        }
        "search_after" if value.is_null() => {}
        "search_after" => request.search_after = Some(search_after(value)?),
        "_source" => request.source = source_filter(value)?,
        "fields" | "docvalue_fields" => request.fields.extend(fields(key, value)?),
        "stored_fields" => {
            if strings(key, value)?.iter().any(|f| f == "_none_") {
                request.source.off = true;
            }
        }
        "track_total_hits" => {
            search.tracks_total = true;
            request.track_total = track_total(value)?;
        }
        "aggs" | "aggregations" => request.aggs.extend(aggs::aggs(reader, value, 1)?),
        "version" => search.version = flag(key, value)?,
        "seq_no_primary_term" => search.seq_no = flag(key, value)?,
        "track_scores" => search.scores |= flag(key, value)?,
        "timeout" => request.timeout_ms = timeout_ms(value)?,
        "terminate_after" | "indices_boost" | "stats" | "preference" => {}
        _ => return unknown(key, value),
    }
    request.version = search.version || search.seq_no;
    Ok(())
}

/// Keys that Elasticsearch has and we do not are harmless while they ask for nothing.
fn unknown(key: &str, value: &Json) -> Result<(), QueryError> {
    match key {
        "script_fields" | "runtime_mappings" | "highlight" | "collapse" | "suggest" | "rescore"
        | "knn" | "pit" | "slice" | "post_filter" | "min_score" | "explain" | "profile" | "ext"
        | "rank" | "retriever" => {
            if is_nothing(value) {
                return Ok(());
            }
            Err(QueryError::parsing(format!("[{key}] is not supported in this version")))
        }
        _ => Err(QueryError::parsing(format!("unknown key [{key}] in the body of the search"))),
    }
}

fn flag(key: &str, value: &Json) -> Result<bool, QueryError> {
    boolean(value).ok_or_else(|| bad(key, value, "true or false"))
}

/// `from` or `size`.
fn count_of(key: &str, value: &Json) -> Result<usize, QueryError> {
    let number = integer(value).ok_or_else(|| bad(key, value, "a whole number"))?;
    usize::try_from(number).map_err(|_| {
        QueryError::illegal(format!("[{key}] parameter cannot be negative, found [{number}]"))
    })
}

fn search_after(value: &Json) -> Result<Vec<Json>, QueryError> {
    let Json::Array(values) = value else {
        return Err(bad("search_after", value, "an array of sort values"));
    };
    if values.is_empty() {
        return Err(QueryError::parsing(
            "Values must contains at least one value in [search_after]",
        ));
    }
    match values.iter().find(|v| v.is_array() || v.is_object()) {
        Some(value) => Err(bad("search_after", value, "strings, numbers, booleans or null")),
        None => Ok(values.clone()),
    }
}

/// Reads `_source`: a boolean, a path, a list of paths, or includes and excludes.
///
/// # Errors
/// It is none of these.
pub fn source_filter(value: &Json) -> Result<SourceFilter, QueryError> {
    let mut filter = SourceFilter::default();
    match value {
        Json::Bool(on) => filter.off = !on,
        Json::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "includes" | "include" => filter.includes = strings(key, value)?,
                    "excludes" | "exclude" => filter.excludes = strings(key, value)?,
                    _ => {
                        return Err(QueryError::parsing(format!(
                            "unknown key [{key}] in [_source]: expected `includes` or `excludes`"
                        )));
                    }
                }
            }
        }
        Json::String(text) if text == "false" => filter.off = true,
        Json::String(text) if text == "true" => {}
        Json::String(_) | Json::Array(_) => filter.includes = strings("_source", value)?,
        _ => return Err(bad("_source", value, "a boolean, a path, a list, or an object")),
    }
    Ok(filter)
}

/// Reads `track_total_hits`: a boolean or a number, also as text.
///
/// # Errors
/// It is none of these.
pub fn track_total(value: &Json) -> Result<TrackTotal, QueryError> {
    if let Some(on) = boolean(value) {
        return Ok(if on { TrackTotal::All } else { TrackTotal::None });
    }
    match integer(value) {
        Some(-1) => Ok(TrackTotal::All),
        Some(n) if n >= 0 => Ok(TrackTotal::UpTo(n.unsigned_abs())),
        _ => Err(bad("track_total_hits", value, "true, false, or a number of 0 or more")),
    }
}

fn fields(key: &str, value: &Json) -> Result<Vec<FieldAndFormat>, QueryError> {
    list(value)
        .iter()
        .map(|field| match field {
            Json::String(field) => Ok(FieldAndFormat { field: field.clone(), format: None }),
            Json::Object(map) => {
                let mut out = FieldAndFormat { field: String::new(), format: None };
                for (option, value) in map {
                    match option.as_str() {
                        "field" => out.field = scalar(value).unwrap_or_default(),
                        "format" if value.as_str() == Some("use_field_mapping") => {}
                        "format" => out.format = value.as_str().map(str::to_owned),
                        "include_unmapped" => {}
                        _ => {
                            return Err(QueryError::parsing(format!(
                                "[{key}] unknown field [{option}]"
                            )));
                        }
                    }
                }
                if out.field.is_empty() {
                    return Err(QueryError::parsing(format!("[{key}] requires [field]")));
                }
                if let Some(format) = &out.format {
                    Formats::parse(format)?;
                }
                Ok(out)
            }
            other => Err(bad(key, other, "a field name or an object")),
        })
        .collect()
}

fn timeout_ms(value: &Json) -> Result<Option<u64>, QueryError> {
    let bad = || bad("timeout", value, "a time such as `30s` or `500ms`");
    match value {
        Json::Null => Ok(None),
        Json::Number(n) => n.as_u64().map(Some).ok_or_else(bad),
        Json::String(text) => {
            let ns = time_value(text).ok_or_else(bad)?;
            Ok(u64::try_from(ns).ok().map(|ns| ns.div_ceil(1_000_000)))
        }
        _ => Err(bad()),
    }
}

pub(super) fn count(reader: &mut Reader, body: &[u8]) -> Result<Query, QueryError> {
    if is_empty(body) {
        return Ok(Query::All);
    }
    let json = parse_json(body)?;
    let Json::Object(map) = &json else {
        return Err(QueryError::parsing(format!(
            "the body must be an object, got {}",
            kind(&json)
        )));
    };
    let mut query = Query::All;
    for (key, value) in map {
        match key.as_str() {
            "query" => query = reader.query(value)?,
            _ => return Err(QueryError::parsing(format!("request does not support [{key}]"))),
        }
    }
    Ok(query)
}

pub(super) fn check(request: &SearchRequest, window_max: usize) -> Result<(), QueryError> {
    let end = request.from.saturating_add(request.size);
    if end > window_max {
        return Err(QueryError::illegal(format!(
            "Result window is too large, from + size must be less than or equal to: \
             [{window_max}] but was [{end}]. See [search_after] for a more efficient way to \
             request large data sets. This limit can be set by the setting \
             `query.api.result_window_max`."
        )));
    }
    let Some(after) = &request.search_after else { return Ok(()) };
    if request.sort.is_empty() {
        return Err(QueryError::illegal("Sort must contain at least one field."));
    }
    if request.from > 0 {
        return Err(QueryError::illegal(
            "`from` parameter must be set to 0 when `search_after` is used.",
        ));
    }
    if after.len() != request.sort.len() {
        return Err(QueryError::illegal(format!(
            "search_after has {} value(s) but sort has {}.",
            after.len(),
            request.sort.len()
        )));
    }
    Ok(())
}
