//! What do the top level keys of a body ask? Page, order, source, totals.

use model::record::TIMESTAMP_FIELD;
use serde_json::Value as Json;

use super::json::{
    bad, boolean, float, integer, is_nothing, kind, list, parse_json, scalar, strings,
};
use super::{Pit, Reader, Search, Stored, aggs, collapse, highlight, sort};
use crate::ast::Query;
use crate::dates::{Formats, time_value};
use crate::error::QueryError;
use crate::request::{FieldAndFormat, Slice, SortBy, SortKey, SourceFilter, TrackTotal};

fn is_empty(body: &[u8]) -> bool {
    body.iter().all(u8::is_ascii_whitespace)
}

pub(super) fn search(reader: &mut Reader, body: &[u8]) -> Result<Search, QueryError> {
    if is_empty(body) {
        return Ok(Search::default());
    }
    let json = parse_json(body)?;
    let Json::Object(map) = &json else {
        return Err(QueryError::parsing(format!(
            "the body of a search must be an object, got {}",
            kind(&json)
        )));
    };
    of_object(reader, map)
}

/// Reads a search that is an object.
pub(super) fn of_object(
    reader: &mut Reader,
    map: &serde_json::Map<String, Json>,
) -> Result<Search, QueryError> {
    let mut search = Search::default();
    for (key, value) in map {
        take(reader, &mut search, key, value)?;
    }
    Ok(search)
}

pub(super) fn take(
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
        "_source" => {
            search.names_source = true;
            request.source = source_filter(value)?;
        }
        "fields" | "docvalue_fields" => request.fields.extend(fields(key, value)?),
        "stored_fields" if value.is_null() => {}
        "stored_fields" => search.stored = Some(stored(&strings(key, value)?)),
        "track_total_hits" => {
            search.tracks_total = true;
            request.track_total = track_total(value)?;
        }
        "aggs" | "aggregations" => {
            request.aggs.extend(aggs::aggs(reader, value, 1)?);
            search.agg_spec = Some(value.clone());
        }
        "version" => search.version = flag(key, value)?,
        "seq_no_primary_term" => search.seq_no = flag(key, value)?,
        "track_scores" => {
            request.ranking.best = flag(key, value)?;
            search.scores |= request.ranking.best;
        }
        "explain" if !value.is_null() => request.ranking.explain = flag(key, value)?,
        "include_named_queries_score" => request.ranking.named = flag(key, value)?,
        "min_score" if !value.is_null() => {
            let least = float(value).ok_or_else(|| bad(key, value, "a number"))?;
            request.ranking.min_score = Some(least as f32);
        }
        "timeout" => request.timeout_ms = timeout_ms(value)?,
        "indices_boost" | "stats" | "preference" => {}
        _ => return more(reader, search, key, value),
    }
    request.version = search.version || search.seq_no;
    request.ranking.track = search.scores;
    Ok(())
}

/// The keys that only some clients send.
fn more(
    reader: &mut Reader,
    search: &mut Search,
    key: &str,
    value: &Json,
) -> Result<(), QueryError> {
    let request = &mut search.request;
    match key {
        "terminate_after" => request.terminate_after = terminate_after(value)?,
        "profile" => request.profile = flag(key, value)?,
        "highlight" if is_nothing(value) => {}
        "highlight" => request.highlight = Some(highlight::highlight(reader, value)?),
        "post_filter" if is_nothing(value) => {}
        "post_filter" => request.post_filter = Some(reader.query(value)?),
        "collapse" if is_nothing(value) => {}
        "collapse" => collapse::collapse(reader, search, value)?,
        "slice" if is_nothing(value) => {}
        "slice" => request.slice = Some(slice(value)?),
        "pit" if is_nothing(value) => {}
        "pit" => search.pit = Some(pit(value)?),
        _ => return unknown(key, value),
    }
    Ok(())
}

/// Reads `terminate_after`, also as text.
fn terminate_after(value: &Json) -> Result<u64, QueryError> {
    let number = integer(value).ok_or_else(|| bad("terminate_after", value, "a whole number"))?;
    u64::try_from(number).map_err(|_| QueryError::illegal("terminateAfter must be > 0"))
}

/// Reads which stored fields are wanted.
pub fn stored(names: &[String]) -> Stored {
    match names {
        names if names.iter().any(|f| f == "_none_") => Stored::Nothing,
        names if names.iter().any(|f| f == "_source") => Stored::Source,
        _ => Stored::Fields,
    }
}

fn slice(value: &Json) -> Result<Slice, QueryError> {
    let Json::Object(map) = value else { return Err(bad("slice", value, "an object")) };
    let (mut id, mut max) = (None, None);
    for (key, value) in map {
        match key.as_str() {
            "id" => id = integer(value),
            "max" => max = integer(value),
            // The parts are made by the numbers of records, whatever the field.
            "field" => {}
            _ => return Err(QueryError::parsing(format!("[slice] unknown field [{key}]"))),
        }
    }
    let (Some(id), Some(max)) = (id, max) else {
        return Err(QueryError::parsing("[slice] requires whole numbers [id] and [max]"));
    };
    if id < 0 {
        return Err(QueryError::illegal("id must be greater than or equal to 0"));
    }
    if max <= 1 {
        return Err(QueryError::illegal("max must be greater than 1"));
    }
    if max <= id {
        return Err(QueryError::illegal("max must be greater than id"));
    }
    if max > SLICES_MAX {
        return Err(QueryError::illegal(format!(
            "The number of slices [{max}] is too large. It must be less than [{SLICES_MAX}]."
        )));
    }
    Ok(Slice { id: id.unsigned_abs(), max: max.unsigned_abs() })
}

/// The most parts that one scroll may have.
const SLICES_MAX: i64 = 1024;

fn pit(value: &Json) -> Result<Pit, QueryError> {
    let Json::Object(map) = value else { return Err(bad("pit", value, "an object")) };
    let mut pit = Pit { id: String::new(), keep_alive_ms: None };
    for (key, value) in map {
        match key.as_str() {
            "id" => pit.id = scalar(value).unwrap_or_default(),
            "keep_alive" => pit.keep_alive_ms = duration_ms(key, value)?,
            _ => return Err(QueryError::parsing(format!("[pit] unknown field [{key}]"))),
        }
    }
    match pit.id.is_empty() {
        true => Err(QueryError::parsing("Required [id]")),
        false => Ok(pit),
    }
}

/// Keys that Elasticsearch has and we do not are harmless while they ask for nothing.
fn unknown(key: &str, value: &Json) -> Result<(), QueryError> {
    match key {
        "suggest" | "rescore" | "knn" | "rank" | "retriever" | "sub_searches" | "ext" => {
            if is_nothing(value) {
                return Ok(());
            }
            Err(QueryError::parsing(format!(
                "[{key}] is not supported: it is for documents other than logs"
            )))
        }
        "script_fields" | "runtime_mappings" | "min_score" | "explain" => {
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
                        // Every field of a record has a mapping here.
                        "include_unmapped" => {
                            boolean(value).ok_or_else(|| bad(option, value, "true or false"))?;
                        }
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
    duration_ms("timeout", value)
}

/// Reads a time value in milliseconds; null and `-1` are none.
///
/// # Errors
/// It is no time value.
pub fn duration_ms(key: &str, value: &Json) -> Result<Option<u64>, QueryError> {
    let bad = || bad(key, value, "a time such as `30s` or `500ms`");
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

/// What body and URL say together of sources: `stored_fields` without the source hides it.
pub(super) fn settle(search: &mut Search) -> Result<(), QueryError> {
    let off = &mut search.request.source.off;
    match search.stored {
        None => {}
        Some(Stored::Nothing) if search.names_source && !*off => {
            return Err(QueryError::illegal(
                "[stored_fields] cannot be disabled if [_source] is requested",
            ));
        }
        Some(Stored::Nothing) => *off = true,
        Some(Stored::Fields) => *off |= !search.names_source,
        Some(Stored::Source) => *off = false,
    }
    // In a point in time the order always ends with the number of the record.
    let sort = &mut search.request.sort;
    let after = search.request.search_after.as_ref().map(Vec::len);
    if search.pit.is_some()
        && !sort.is_empty()
        && sort.iter().all(|key| key.by != SortBy::Sequence)
        && after.is_none_or(|after| after == sort.len() + 1)
    {
        sort.push(SortKey::new(SortBy::Sequence, false));
    }
    Ok(())
}

pub(super) fn check(search: &Search, window_max: usize) -> Result<(), QueryError> {
    let request = &search.request;
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
    if let Some(field) = &request.collapse {
        let same = |key: &SortKey| match &key.by {
            SortBy::Field(path) => path == field,
            SortBy::Time => field == TIMESTAMP_FIELD,
            _ => false,
        };
        if !matches!(request.sort.as_slice(), [key] if same(key)) {
            return Err(QueryError::illegal(
                "Cannot use [collapse] in conjunction with [search_after] unless the search is \
                 sorted on the same field. Multiple sort fields are not allowed.",
            ));
        }
    }
    Ok(())
}
