//! Which query is it? The dispatch by name, and the queries that hold other queries.

use serde_json::{Map, Value as Json};

use super::json::{bad, kind, list, scalar};
use super::{Reader, term, text};
use crate::ast::{BoolQuery, Query};
use crate::clause::{boolean, minimum};
use crate::error::QueryError;

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

/// The field and its options in `{"match": {"field": …}}`; boost and name may stand beside it.
pub(super) fn one_field<'a>(
    query: &str,
    json: &'a Json,
) -> Result<(&'a str, &'a Json), QueryError> {
    let map = object(query, json)?;
    let beside = |key: &str, value: &Json| {
        map.len() > 1 && matches!(key, "boost" | "_name") && scalar(value).is_some()
    };
    let mut fields = map.iter().filter(|(key, value)| !beside(key, value));
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
    match name.as_str() {
        "bool" => bool_query(reader, body, depth),
        "constant_score" => constant_score(reader, body, depth),
        "dis_max" => dis_max(reader, body, depth),
        "match_all" => constant(reader, name, body, Query::All),
        "match_none" => constant(reader, name, body, Query::None),
        "match" => text::match_query(reader, body),
        "match_phrase" => text::match_phrase(reader, body, text::Prefixed::No),
        "match_phrase_prefix" => text::match_phrase(reader, body, text::Prefixed::Last),
        "multi_match" => text::multi_match(reader, body),
        "query_string" => text::query_string(reader, body, depth),
        "simple_query_string" => text::simple_query_string(reader, body, depth),
        "term" => term::term(reader, body),
        "terms" => term::terms(reader, body),
        "range" => term::range(reader, body),
        "exists" => term::exists(reader, body),
        "prefix" => term::pattern(reader, body, crate::clause::Pattern::Prefix),
        "wildcard" => term::pattern(reader, body, crate::clause::Pattern::Wildcard),
        "regexp" => term::pattern(reader, body, crate::clause::Pattern::Regexp),
        "ids" => term::ids(reader, body),
        _ => Err(QueryError::parsing(format!("unknown query [{name}]"))),
    }
}

fn constant(
    reader: &mut Reader,
    name: &str,
    body: &Json,
    query: Query,
) -> Result<Query, QueryError> {
    reader.budget.spend(1)?;
    for key in object(name, body)?.keys() {
        if !matches!(key.as_str(), "boost" | "_name") {
            return Err(unknown(name, key));
        }
    }
    Ok(query)
}

fn bool_query(reader: &mut Reader, body: &Json, depth: usize) -> Result<Query, QueryError> {
    reader.budget.spend(1)?;
    let mut out = BoolQuery::default();
    let mut spec = None;
    for (key, value) in object("bool", body)? {
        let clauses = match key.as_str() {
            "must" | "filter" => &mut out.must,
            "should" => &mut out.should,
            "must_not" | "mustNot" => &mut out.must_not,
            "minimum_should_match" | "minimumShouldMatch" => {
                if !value.is_null() {
                    let text = scalar(value).filter(|_| !value.is_boolean());
                    let text = text.ok_or_else(|| bad(key, value, "`2`, `-1`, `75%`"))?;
                    spec = Some(text);
                }
                continue;
            }
            "boost" | "_name" | "adjust_pure_negative" | "disable_coord" => continue,
            _ => return Err(unknown("bool", key)),
        };
        for clause in list(value) {
            clauses.push(query(reader, clause, depth + 1)?);
        }
    }
    out.minimum_should = match spec {
        Some(spec) => minimum(&spec, out.should.len())?,
        None => usize::from(out.must.is_empty() && !out.should.is_empty()),
    };
    // Elasticsearch: only optional clauses, so at least one of them must match.
    if out.must.is_empty() && !out.should.is_empty() {
        out.minimum_should = out.minimum_should.max(1);
    }
    Ok(boolean(out))
}

fn constant_score(reader: &mut Reader, body: &Json, depth: usize) -> Result<Query, QueryError> {
    let mut inner = None;
    for (key, value) in object("constant_score", body)? {
        match key.as_str() {
            "filter" => inner = Some(query(reader, value, depth + 1)?),
            "boost" | "_name" => {}
            _ => return Err(unknown("constant_score", key)),
        }
    }
    inner.ok_or_else(|| QueryError::parsing("[constant_score] requires a 'filter' element"))
}

fn dis_max(reader: &mut Reader, body: &Json, depth: usize) -> Result<Query, QueryError> {
    let mut inner = Vec::new();
    for (key, value) in object("dis_max", body)? {
        match key.as_str() {
            "queries" => {
                for clause in list(value) {
                    inner.push(query(reader, clause, depth + 1)?);
                }
            }
            "tie_breaker" | "boost" | "_name" => {}
            _ => return Err(unknown("dis_max", key)),
        }
    }
    if inner.is_empty() {
        return Err(QueryError::parsing(
            "[dis_max] requires 'queries' field with at least one clause",
        ));
    }
    Ok(Query::any_of(inner))
}
