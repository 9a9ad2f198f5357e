//! Which query is it? The dispatch by name, and the options that all queries have.

use serde_json::{Map, Value as Json};

use super::json::{bad, float, kind, scalar};
use super::{Reader, compound, function, term, text};
use crate::ast::Query;
use crate::error::QueryError;

/// The names of the queries that can be asked.
const NAMES: [&str; 26] = [
    "bool",
    "boosting",
    "combined_fields",
    "constant_score",
    "dis_max",
    "exists",
    "function_score",
    "fuzzy",
    "ids",
    "match",
    "match_all",
    "match_bool_prefix",
    "match_none",
    "match_phrase",
    "match_phrase_prefix",
    "multi_match",
    "pinned",
    "prefix",
    "query_string",
    "range",
    "regexp",
    "simple_query_string",
    "term",
    "terms",
    "terms_set",
    "wildcard",
];

/// Queries of Elasticsearch that logs have no use for, with the reason.
fn refused(name: &str) -> Option<&'static str> {
    Some(match name {
        "geo_bounding_box" | "geo_distance" | "geo_grid" | "geo_polygon" | "geo_shape"
        | "shape" => "there are no fields of places or shapes",
        "nested" => "arrays of objects are not kept apart, ask for their fields by `a.b`",
        "has_child" | "has_parent" | "parent_id" => "records have neither parents nor children",
        "knn" | "sparse_vector" | "text_expansion" | "weighted_tokens" | "semantic" => {
            "there are no fields of vectors"
        }
        "rank_feature" | "distance_feature" | "rule" | "rule_query" => {
            "records are ranked by their text alone, sort by the field instead"
        }
        "script" | "script_score" | "percolate" | "wrapper" => {
            "nothing that is run is stored or sent"
        }
        "more_like_this" => "ask for the words by `match` with `minimum_should_match`",
        "intervals" | "span_containing" | "span_field_masking" | "span_first" | "span_gap"
        | "span_multi" | "span_near" | "span_not" | "span_or" | "span_term" | "span_within"
        | "field_masking_span" => "ask for words near each other by `match_phrase` with `slop`",
        _ => return None,
    })
}

/// `[range] query does not support [gtee]`.
pub(super) fn unknown(query: &str, key: &str) -> QueryError {
    QueryError::parsing(format!("[{query}] query does not support [{key}]"))
}

/// An option that Elasticsearch has and we do not.
pub(super) fn unsupported(query: &str, key: &str) -> QueryError {
    QueryError::parsing(format!("[{query}] query: [{key}] is not supported in this version"))
}

pub(super) fn object<'a>(query: &str, json: &'a Json) -> Result<&'a Map<String, Json>, QueryError> {
    json.as_object().ok_or_else(|| {
        QueryError::parsing(format!(
            "[{query}] query malformed, expected an object, got {}",
            kind(json)
        ))
    })
}

/// Whether a key stands beside the field and says something of the query.
fn is_beside(map: &Map<String, Json>, key: &str, value: &Json) -> bool {
    map.len() > 1 && matches!(key, "boost" | "_name") && scalar(value).is_some()
}

/// The field and its options in `{"match": {"field": …}}`; boost and name may stand beside it.
pub(super) fn one_field<'a>(
    query: &str,
    json: &'a Json,
) -> Result<(&'a str, &'a Json), QueryError> {
    let map = object(query, json)?;
    let mut fields = map.iter().filter(|(key, value)| !is_beside(map, key, value));
    let Some((field, value)) = fields.next() else {
        return Err(QueryError::parsing(format!("[{query}] query malformed, no field specified")));
    };
    if let Some((other, _)) = fields.next() {
        return Err(QueryError::parsing(format!(
            "[{query}] query doesn't support multiple fields, found [{field}] and [{other}]"
        )));
    }
    Ok((field, value))
}

pub(super) fn query(reader: &mut Reader, json: &Json, depth: usize) -> Result<Query, QueryError> {
    reader.budget.nest(depth)?;
    let Some(map) = json.as_object() else {
        return Err(QueryError::parsing(format!(
            "[_na] query malformed, must start with start_object, got {}",
            kind(json)
        )));
    };
    let mut keys = map.iter();
    let Some((name, body)) = keys.next() else {
        return Err(QueryError::illegal("query malformed, empty clause found"));
    };
    if let Some((other, _)) = keys.next() {
        return Err(QueryError::parsing(format!(
            "[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME] [{other}]"
        )));
    }
    let query = dispatch(reader, (name, body), depth)?;
    let (boost, label) = common(name, body)?;
    Ok(query.times(boost).named(label))
}

fn dispatch(
    reader: &mut Reader,
    (name, body): (&str, &Json),
    depth: usize,
) -> Result<Query, QueryError> {
    use crate::clause::Pattern;
    match name {
        "bool" => compound::bool_query(reader, body, depth),
        "boosting" => compound::boosting(reader, body, depth),
        "constant_score" => compound::constant_score(reader, body, depth),
        "dis_max" => compound::dis_max(reader, body, depth),
        "function_score" => function::function_score(reader, body, depth),
        "pinned" => compound::pinned(reader, body, depth),
        "match_all" => compound::constant(reader, name, body, Query::All),
        "match_none" => compound::constant(reader, name, body, Query::None),
        "match" => text::match_query(reader, body),
        "match_bool_prefix" => text::match_bool_prefix(reader, body),
        "match_phrase" => text::match_phrase(reader, body, text::Prefixed::No),
        "match_phrase_prefix" => text::match_phrase(reader, body, text::Prefixed::Last),
        "multi_match" => text::multi_match(reader, body),
        "combined_fields" => text::combined_fields(reader, body),
        "query_string" => text::query_string(reader, body, depth),
        "simple_query_string" => text::simple_query_string(reader, body, depth),
        "term" => term::term(reader, body),
        "terms" => term::terms(reader, body),
        "terms_set" => term::terms_set(reader, body),
        "range" => term::range(reader, body),
        "exists" => term::exists(reader, body),
        "prefix" => term::pattern(reader, body, Pattern::Prefix),
        "wildcard" => term::pattern(reader, body, Pattern::Wildcard),
        "regexp" => term::pattern(reader, body, Pattern::Regexp),
        "fuzzy" => term::fuzzy(reader, body),
        "ids" => term::ids(reader, body),
        _ => Err(no_query(name)),
    }
}

/// `boost` and `_name`, which every query has: with the field's options, or with its own.
fn common(query: &str, body: &Json) -> Result<(f32, Option<String>), QueryError> {
    let (mut boost, mut label) = (1.0, None);
    let Some(map) = body.as_object() else { return Ok((boost, label)) };
    let by_field = matches!(
        query,
        "match"
            | "match_bool_prefix"
            | "match_phrase"
            | "match_phrase_prefix"
            | "term"
            | "terms"
            | "terms_set"
            | "range"
            | "prefix"
            | "wildcard"
            | "regexp"
            | "fuzzy"
    );
    let mut take = |key: &str, value: &Json| -> Result<(), QueryError> {
        match key {
            "boost" if !value.is_null() => boost = boost_of(query, value)?,
            "_name" => label = scalar(value),
            _ => {}
        }
        Ok(())
    };
    for (key, value) in map {
        match value.as_object() {
            _ if !by_field || is_beside(map, key, value) => take(key, value)?,
            Some(options) if query != "terms" => {
                for (key, value) in options {
                    take(key, value)?;
                }
            }
            _ => {}
        }
    }
    Ok((boost, label))
}

/// A `boost`: a number, 0 or more.
pub(super) fn boost_of(query: &str, value: &Json) -> Result<f32, QueryError> {
    let boost = float(value).ok_or_else(|| bad("boost", value, "a number"))? as f32;
    if boost < 0.0 || !boost.is_finite() {
        return Err(QueryError::illegal(format!(
            "negative [boost] are not allowed in [{query}], use a value between 0 and 1 to deboost"
        )));
    }
    Ok(boost)
}

fn no_query(name: &str) -> QueryError {
    if let Some(reason) = refused(name) {
        return QueryError::parsing(format!("[{name}] query is not supported for logs: {reason}"));
    }
    let mut near: Vec<(f32, &str)> = NAMES
        .iter()
        .map(|known| (likeness(name, known), *known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let names: Vec<&str> = near.iter().map(|(_, known)| *known).collect();
    let hint = match names.as_slice() {
        [] => String::new(),
        [one] => format!(" did you mean [{one}]?"),
        many => format!(" did you mean any of [{}]?", many.join(", ")),
    };
    let shown: String = name.chars().take(100).collect();
    QueryError::parsing(format!("unknown query [{shown}]{hint}"))
}

/// One less the edits' share of the longer name.
fn likeness(a: &str, b: &str) -> f32 {
    let longest = a.chars().count().max(b.chars().count());
    if longest > 64 {
        return 0.0;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, d) in b.chars().enumerate() {
            let change = corner + usize::from(c != d);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    1.0 - row.last().map_or(0.0, |edits| *edits as f32) / longest.max(1) as f32
}
