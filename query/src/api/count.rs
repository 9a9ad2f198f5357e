//! How many match, and is that a query at all? `_count` and `_validate/query`.

use axum::response::Response;
use serde_json::json;

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::search::{QUERY_PARAMS, count_of, query_of};
use super::{Api, hits, reply};
use crate::ast::Query;
use crate::clause::show::show;
use crate::elastic::Reader;
use crate::plan::Node;
use crate::request::{Ranking, SearchRequest};

/// `GET|POST /_count`, `/{index}/_count`.
pub(super) async fn count(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["min_score", "terminate_after", "preference", "routing"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &QUERY_PARAMS, &known])?;
    let min_score = call.params.get("min_score").map(|value| {
        value.parse::<f32>().map_err(|_| {
            ApiError::illegal(format!(
                "Failed to parse float parameter [min_score] with value [{value}]"
            ))
        })
    });
    let ranking = Ranking { min_score: min_score.transpose()?, ..Ranking::default() };
    let mut reader = Reader::new(api.now(), &api.settings);
    let mut query = reader.count(&call.body)?;
    if let Some(q) = query_of(&mut reader, &call.params)? {
        query = q;
    }
    let mut request =
        SearchRequest { indexes: call.indexes.clone(), query, ranking, ..SearchRequest::default() };
    if let Some(value) = call.params.get("terminate_after") {
        request.terminate_after = count_of("terminate_after", value)? as u64;
    }
    let snapshot = api.searcher.snapshot(&api.tenant());
    indexes::aim(&api, &snapshot, &mut request, Lookup::of(&call.params)?)?;
    drop(snapshot);
    let answer = api.searcher.count(&api.tenant(), request).await?;
    hits::check_shards(&answer.shards, true)?;
    let mut out = json!({ "count": answer.count });
    if let Some(early) = answer.terminated_early {
        out["terminated_early"] = early.into();
    }
    out["_shards"] = hits::shards(&answer.shards);
    reply::json(&call, out)
}

/// `GET|POST /_validate/query`, `/{index}/_validate/query`.
pub(super) async fn validate(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["explain", "rewrite", "all_shards"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &QUERY_PARAMS, &known])?;
    let explain = call.params.flag("explain")?.unwrap_or(false)
        || call.params.flag("rewrite")?.unwrap_or(false);
    let snapshot = api.searcher.snapshot(&api.tenant());
    let names = indexes::resolve(&api, &snapshot, &call.indexes, Lookup::of(&call.params)?)?;
    drop(snapshot);
    let mut reader = Reader::new(api.now(), &api.settings);
    let mut read = || -> Result<Query, ApiError> {
        let query = reader.count(&call.body)?;
        let query = query_of(&mut reader, &call.params)?.unwrap_or(query);
        Node::of(&query)?;
        Ok(query)
    };
    let shards = json!({ "total": 1, "successful": 1, "failed": 0 });
    let out = match read() {
        Ok(query) if explain => {
            let text = described(&query);
            let each = names
                .keys()
                .map(|name| json!({ "index": name, "valid": true, "explanation": text }));
            json!({ "_shards": shards, "valid": true, "explanations": each.collect::<Vec<_>>() })
        }
        Ok(_) => json!({ "_shards": shards, "valid": true }),
        Err(error) if explain => {
            json!({ "valid": false, "error": format!("{}: {}", error.kind, error.reason) })
        }
        Err(_) => json!({ "valid": false }),
    };
    reply::json(&call, out)
}

/// A query in one line, for those who read.
pub(super) fn described(query: &Query) -> String {
    match query {
        Query::All => "*:*".to_owned(),
        query => show(query),
    }
}
