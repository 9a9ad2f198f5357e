//! Which hits are shown together? `collapse` with its `inner_hits`.

use serde_json::{Map, Value as Json};

use super::json::{bad, integer, list};
use super::{Reader, Search, body};
use crate::error::QueryError;

/// How many hits of each value are shown, unless the request says otherwise.
const INNER_HITS: usize = 3;

/// Reads `collapse` into a search.
///
/// # Errors
/// It is malformed, or has an option that is unknown or not supported.
pub(super) fn collapse(
    reader: &mut Reader,
    search: &mut Search,
    json: &Json,
) -> Result<(), QueryError> {
    let Json::Object(map) = json else { return Err(bad("collapse", json, "an object")) };
    for (key, value) in map {
        match key.as_str() {
            "field" => {
                let field = value.as_str().ok_or_else(|| bad("field", value, "a field name"))?;
                search.request.collapse = Some(field.to_owned());
            }
            "inner_hits" => {
                for one in list(value) {
                    let inner = inner_hits(reader, one)?;
                    if search.inner_hits.iter().any(|(name, _)| *name == inner.0) {
                        return Err(QueryError::illegal(format!(
                            "[inner_hits] already contains an entry for key [{}]",
                            inner.0
                        )));
                    }
                    search.inner_hits.push(inner);
                }
            }
            "max_concurrent_group_searches" => match integer(value) {
                Some(n) if n >= 1 => {}
                _ => {
                    return Err(QueryError::illegal(
                        "maxConcurrentGroupRequests` must be positive",
                    ));
                }
            },
            _ => {
                return Err(QueryError::parsing(format!("[collapse] unknown field [{key}]")));
            }
        }
    }
    match search.request.collapse {
        Some(_) => Ok(()),
        None => Err(QueryError::illegal("Required [field]")),
    }
}

fn inner_hits(reader: &mut Reader, json: &Json) -> Result<(String, Search), QueryError> {
    let Json::Object(map) = json else { return Err(bad("inner_hits", json, "an object")) };
    let mut name = None;
    let mut rest = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "name" => name = value.as_str().map(str::to_owned),
            "ignore_unmapped" => {}
            "collapse" if !value.is_null() => {
                return Err(QueryError::parsing(
                    "[collapse] inside of [inner_hits] is not supported in this version",
                ));
            }
            "from"
            | "size"
            | "sort"
            | "_source"
            | "fields"
            | "docvalue_fields"
            | "highlight"
            | "version"
            | "seq_no_primary_term"
            | "stored_fields"
            | "script_fields"
            | "track_scores"
            | "explain" => {
                rest.insert(key.clone(), value.clone());
            }
            _ => {
                return Err(QueryError::parsing(format!("[inner_hits] unknown field [{key}]")));
            }
        }
    }
    let name = name.ok_or_else(|| {
        QueryError::illegal("inner_hits must have a [name] set for the collapse field")
    })?;
    let mut search = body::of_object(reader, &rest)?;
    if !rest.contains_key("size") {
        search.request.size = INNER_HITS;
    }
    reader.settle(&mut search)?;
    reader.check(&search)?;
    Ok((name, search))
}
