//! Why does a document match a query, and with which score? `_explain`.

use axum::response::Response;
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::hits;
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::search::{QUERY_PARAMS, query_of};
use super::{Api, reply};
use crate::answer::Hit;
use crate::ast::{BoolQuery, Query};
use crate::elastic::Reader;
use crate::request::{Ranking, SearchRequest, SourceFilter, TrackTotal};
use crate::score::Explanation;

/// `GET|POST /{index}/_explain/{id}`.
pub(super) async fn explain(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "_source",
        "_source_includes",
        "_source_excludes",
        "stored_fields",
        "preference",
        "routing",
        "realtime",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &QUERY_PARAMS, &known])?;
    let Some(id) = call.path.rsplit('/').next().map(decoded) else {
        return Err(ApiError::illegal("`_explain` needs the id of a document"));
    };
    let mut reader = Reader::new(api.now(), &api.settings);
    let given = !call.body.iter().all(u8::is_ascii_whitespace);
    let query = match query_of(&mut reader, &call.params)? {
        Some(query) => query,
        None if given => reader.count(&call.body)?,
        None => {
            return Err(ApiError::new(
                400,
                "action_request_validation_exception",
                "Validation Failed: 1: query is missing;",
            ));
        }
    };
    let is_it = Query::Ids(vec![id.clone()]).constant(0.0);
    let both = BoolQuery { must: vec![is_it.clone(), query], ..BoolQuery::default() };
    let found = first(&api, &call, Query::Bool(Box::new(both))).await?;
    let hit = match found {
        Some(hit) => Some((hit, true)),
        None => first(&api, &call, is_it).await?.map(|hit| (hit, false)),
    };
    let Some((hit, matched)) = hit else {
        let index = call.indexes.first().cloned().unwrap_or_default();
        let body = json!({ "_index": index, "_id": id, "matched": false });
        return reply::shaped(&call, axum::http::StatusCode::NOT_FOUND, body);
    };
    let explanation = match hit.said.explanation.as_ref().map(Explanation::json) {
        Some(explanation) if matched => without_id(explanation),
        _ => json!({ "value": 0.0, "description": "no matching clause", "details": [] }),
    };
    let body = json!({
        "_index": hit.index.as_str(), "_id": hit.id, "matched": matched,
        "explanation": explanation,
    });
    reply::json(&call, body)
}

/// The first hit of a query, with its explanation.
async fn first(api: &Api, call: &Call, query: Query) -> Result<Option<Hit>, ApiError> {
    let mut request = SearchRequest {
        indexes: call.indexes.clone(),
        query,
        size: 1,
        track_total: TrackTotal::None,
        ranking: Ranking { explain: true, ..Ranking::default() },
        source: SourceFilter { off: true, ..SourceFilter::default() },
        ..SearchRequest::default()
    };
    let snapshot = api.searcher.snapshot(&api.tenant());
    indexes::aim(api, &snapshot, &mut request, Lookup::of(&call.params)?)?;
    drop(snapshot);
    let answer = api.searcher.search(&api.tenant(), request).await?;
    hits::check_shards(&answer.shards, false)?;
    Ok(answer.hits.into_iter().next())
}

/// The explanation of the query itself, which stands beside that of the id.
fn without_id(explanation: Json) -> Json {
    let own = explanation["details"].as_array().and_then(|details| details.last()).cloned();
    own.unwrap_or(explanation)
}

/// The text with `%2F` and its like read.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
