//! How do queries combine? Those that hold other queries.

use serde_json::Value as Json;

use super::Reader;
use super::json::{bad, float, list, scalar};
use super::query::{object, query, unknown};
use crate::ast::{BoolQuery, Query, Scoring};
use crate::clause::{boolean, minimum};
use crate::error::QueryError;

/// The score of the last of the pinned records; the score of what is not pinned lies below.
const PINNED_SCORE: f32 = 1.701_411_8e38;

pub(super) fn constant(
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

pub(super) fn bool_query(
    reader: &mut Reader,
    body: &Json,
    depth: usize,
) -> Result<Query, QueryError> {
    reader.budget.spend(1)?;
    let mut out = BoolQuery::default();
    let mut spec = None;
    for (key, value) in object("bool", body)? {
        let (clauses, filters) = match key.as_str() {
            "must" => (&mut out.must, false),
            "filter" => (&mut out.must, true),
            "should" => (&mut out.should, false),
            "must_not" | "mustNot" => (&mut out.must_not, false),
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
            let clause = query(reader, clause, depth + 1)?;
            clauses.push(if filters { clause.constant(0.0) } else { clause });
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

pub(super) fn constant_score(
    reader: &mut Reader,
    body: &Json,
    depth: usize,
) -> Result<Query, QueryError> {
    let mut inner = None;
    for (key, value) in object("constant_score", body)? {
        match key.as_str() {
            "filter" => inner = Some(query(reader, value, depth + 1)?),
            "boost" | "_name" => {}
            _ => return Err(unknown("constant_score", key)),
        }
    }
    let inner =
        inner.ok_or_else(|| QueryError::parsing("[constant_score] requires a 'filter' element"))?;
    Ok(inner.constant(1.0))
}

pub(super) fn dis_max(reader: &mut Reader, body: &Json, depth: usize) -> Result<Query, QueryError> {
    let mut inner = Vec::new();
    let mut tie = 0.0;
    for (key, value) in object("dis_max", body)? {
        match key.as_str() {
            "queries" => {
                for clause in list(value) {
                    inner.push(query(reader, clause, depth + 1)?);
                }
            }
            "tie_breaker" => tie = tie_breaker(value)?,
            "boost" | "_name" => {}
            _ => return Err(unknown("dis_max", key)),
        }
    }
    if inner.is_empty() {
        return Err(QueryError::parsing(
            "[dis_max] requires 'queries' field with at least one clause",
        ));
    }
    Ok(Query::best_of(inner, tie))
}

/// How much the fields and queries count that are not the best one.
pub(super) fn tie_breaker(value: &Json) -> Result<f32, QueryError> {
    let tie = float(value).filter(|tie| (0.0..=1.0).contains(tie));
    Ok(tie.ok_or_else(|| bad("tie_breaker", value, "a number from 0 to 1"))? as f32)
}

pub(super) fn boosting(
    reader: &mut Reader,
    body: &Json,
    depth: usize,
) -> Result<Query, QueryError> {
    let (mut positive, mut negative, mut times) = (None, None, None);
    for (key, value) in object("boosting", body)? {
        match key.as_str() {
            "positive" => positive = Some(query(reader, value, depth + 1)?),
            "negative" => negative = Some(query(reader, value, depth + 1)?),
            "negative_boost" => {
                let number = float(value).filter(|n| *n >= 0.0);
                let number = number.ok_or_else(|| bad(key, value, "a number, 0 or more"))?;
                times = Some(number as f32);
            }
            "boost" | "_name" => {}
            _ => return Err(unknown("boosting", key)),
        }
    }
    let missing = |what: &str| {
        QueryError::parsing(format!("[boosting] query requires '{what}' query to be set'"))
    };
    let positive = positive.ok_or_else(|| missing("positive"))?;
    let negative = negative.ok_or_else(|| missing("negative"))?;
    let times = times.ok_or_else(|| {
        QueryError::parsing(
            "[boosting] query requires 'negative_boost' to be set to be a positive value'",
        )
    })?;
    Ok(positive.counted(Scoring::Less(negative, times)))
}

pub(super) fn pinned(reader: &mut Reader, body: &Json, depth: usize) -> Result<Query, QueryError> {
    let (mut organic, mut ids) = (None, Vec::new());
    for (key, value) in object("pinned", body)? {
        match key.as_str() {
            "organic" => organic = Some(query(reader, value, depth + 1)?),
            "ids" => {
                for id in list(value) {
                    ids.push(scalar(id).ok_or_else(|| bad("ids", id, "a string"))?);
                }
            }
            "docs" => {
                for doc in list(value) {
                    let id = doc.get("_id").and_then(scalar);
                    ids.push(id.ok_or_else(|| bad("docs", doc, "an object with `_id`"))?);
                }
            }
            "boost" | "_name" => {}
            _ => return Err(unknown("pinned", key)),
        }
    }
    let organic = organic.ok_or_else(|| QueryError::parsing("[pinned] requires [organic]"))?;
    if ids.is_empty() || ids.len() > 100 {
        return Err(QueryError::parsing("[pinned] requires [ids] or [docs], 1 to 100 of them"));
    }
    reader.budget.spend(ids.len())?;
    // The first is the best: each is one step of a float above the next.
    let first = PINNED_SCORE.to_bits() + ids.len() as u32;
    let mut each = vec![organic];
    for (at, id) in (0u32..).zip(ids) {
        each.push(Query::Ids(vec![id]).constant(f32::from_bits(first - at)));
    }
    Ok(Query::best_of(each, 0.0))
}
