//! Which searches are in a `_msearch` body? Pairs of lines: a header and a search.

use serde_json::Value as Json;

use super::json::{boolean, list, parse_json};
use crate::error::QueryError;

/// One search of a `_msearch` body, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiSearch {
    /// Index patterns; empty when the header names none.
    pub indexes: Vec<String>,
    /// Missing indexes are no error; `None` when the header does not say.
    pub ignore_unavailable: Option<bool>,
    /// Patterns that match no index are no error; `None` when the header does not say.
    pub allow_no_indices: Option<bool>,
    /// What wildcards mean; empty when the header does not say.
    pub expand_wildcards: Vec<String>,
    /// An answer without what cannot be read is good enough; `None` when the header does not say.
    pub partial: Option<bool>,
    /// The body of the search.
    pub body: Vec<u8>,
}

/// Splits a `_msearch` body; a malformed pair is an error of that pair alone.
///
/// # Errors
/// There is no search in it, a header has no body, or there are more than `searches_max`.
pub fn split_msearch(
    body: &[u8],
    searches_max: usize,
) -> Result<Vec<Result<MultiSearch, QueryError>>, QueryError> {
    let body = body.trim_ascii_end();
    let mut lines = body.split(|b| *b == b'\n').take_while(|_| !body.is_empty());
    let mut out = Vec::new();
    while let Some(header) = lines.next() {
        let Some(body) = lines.next() else {
            return Err(QueryError::illegal(
                "the last search of the body has a header but no search: each search is two \
                 lines",
            ));
        };
        if out.len() == searches_max {
            return Err(QueryError::illegal(format!(
                "more than {searches_max} searches in one request (setting \
                 `query.api.msearch_max`)"
            )));
        }
        out.push(read(header, body));
    }
    if out.is_empty() {
        return Err(QueryError::illegal("Validation Failed: 1: no requests added;"));
    }
    Ok(out)
}

fn read(header: &[u8], body: &[u8]) -> Result<MultiSearch, QueryError> {
    let mut search = MultiSearch {
        indexes: Vec::new(),
        ignore_unavailable: None,
        allow_no_indices: None,
        expand_wildcards: Vec::new(),
        partial: None,
        body: body.to_vec(),
    };
    if header.iter().all(u8::is_ascii_whitespace) {
        return Ok(search);
    }
    let Json::Object(map) = parse_json(header)? else {
        return Err(QueryError::parsing("the header of a search must be an object"));
    };
    for (key, value) in &map {
        match key.as_str() {
            "index" | "indices" => {
                for name in list(value) {
                    let name = name.as_str().ok_or_else(|| {
                        QueryError::parsing("[index] of the header must be a string or a list")
                    })?;
                    search.indexes.extend(name.split(',').map(str::to_owned));
                }
            }
            "ignore_unavailable" => search.ignore_unavailable = boolean(value),
            "allow_no_indices" => search.allow_no_indices = boolean(value),
            "expand_wildcards" => {
                for name in list(value).iter().filter_map(|v| v.as_str()) {
                    search.expand_wildcards.extend(name.split(',').map(str::to_owned));
                }
            }
            "allow_partial_search_results" => search.partial = boolean(value),
            "search_type"
            | "preference"
            | "routing"
            | "request_cache"
            | "ignore_throttled"
            | "ccs_minimize_roundtrips"
            | "type"
            | "types"
            | "max_concurrent_shard_requests" => {}
            _ => {
                return Err(QueryError::illegal(format!(
                    "key [{key}] is not supported in the metadata section"
                )));
            }
        }
    }
    Ok(search)
}
