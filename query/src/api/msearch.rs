//! What do several searches find at once? `_msearch`: each fails for itself.

use std::time::Instant;

use axum::response::Response;
use meta::names::Expand;
use tokio::task::JoinSet;

use super::call::Call;
use super::error::ApiError;
use super::indexes::{LOOKUP_PARAMS, Lookup};
use super::search::{HARMLESS, How, count_of, run, settle};
use super::{Api, reply};
use crate::elastic::{MultiSearch, Reader, rendered, split_msearch};
use crate::error::QueryError;

/// How many searches of one `_msearch` run at once, unless it says less.
const MSEARCH_CONCURRENT: usize = 4;

/// `GET|POST /_msearch`, `/{index}/_msearch`. An error of one search is in its own place.
pub(super) async fn msearch(api: Api, call: Call) -> Result<Response, ApiError> {
    let searches = split_msearch(&call.body, api.settings.msearch_max)?;
    several(api, call, searches).await
}

/// `GET|POST /_msearch/template`, `/{index}/_msearch/template`.
pub(super) async fn template(api: Api, call: Call) -> Result<Response, ApiError> {
    let searches = split_msearch(&call.body, api.settings.msearch_max)?;
    let filled = searches.into_iter().map(|search| {
        let mut search = search?;
        search.body = rendered(&search.body)?;
        Ok(search)
    });
    let filled = filled.collect();
    several(api, call, filled).await
}

async fn several(
    api: Api,
    call: Call,
    searches: Vec<Result<MultiSearch, QueryError>>,
) -> Result<Response, ApiError> {
    let known = ["max_concurrent_searches", "rest_total_hits_as_int", "typed_keys"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &HARMLESS, &known])?;
    let start = Instant::now();
    let how = How {
        lookup: Lookup::of(&call.params)?,
        total_as_int: call.params.flag("rest_total_hits_as_int")?.unwrap_or(false),
        typed_keys: call.params.flag("typed_keys")?.unwrap_or(false),
        partial: true,
        status: Some(200),
    };
    let concurrent = match call.params.get("max_concurrent_searches") {
        Some(value) => match count_of("max_concurrent_searches", value)? {
            0 => return Err(ApiError::illegal("maxConcurrentSearchRequests must be positive")),
            n => n.min(MSEARCH_CONCURRENT),
        },
        None => MSEARCH_CONCURRENT,
    };
    let mut answers = vec![String::new(); searches.len()];
    // Dropped with this future, and the searches with it.
    let mut running = JoinSet::new();
    let mut waiting = searches.into_iter().enumerate();
    loop {
        while running.len() < concurrent
            && let Some((at, search)) = waiting.next()
        {
            let (api, paths) = (api.clone(), call.indexes.clone());
            running.spawn(async move { (at, one(&api, search, paths, how).await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((at, answer))) => answers[at] = answer,
            Some(Err(e)) => {
                return Err(ApiError::internal(&e));
            }
        }
    }
    let took = start.elapsed().as_millis();
    let text = format!("{{\"took\":{took},\"responses\":[{}]}}", answers.join(","));
    reply::json_text(&call, text)
}

/// One search of several: its response, or its error.
async fn one(
    api: &Api,
    search: Result<MultiSearch, QueryError>,
    path_indexes: Vec<String>,
    mut how: How,
) -> String {
    let answer = async {
        let multi = search?;
        let mut reader = Reader::new(api.now(), &api.settings);
        let mut search = reader.search(&multi.body)?;
        search.request.indexes =
            if multi.indexes.is_empty() { path_indexes } else { multi.indexes };
        let ignore = multi.ignore_unavailable.unwrap_or(how.lookup.ignore_unavailable);
        let allow = multi.allow_no_indices.unwrap_or(how.lookup.allow_no_indices);
        let expand = match multi.expand_wildcards.is_empty() {
            true => how.lookup.expand,
            false => Expand::read(multi.expand_wildcards.iter().map(String::as_str))?,
        };
        how.lookup =
            Lookup { ignore_unavailable: ignore, allow_no_indices: allow, expand, ..how.lookup };
        how.partial = multi.partial.unwrap_or(how.partial);
        settle(&reader, &mut search, how)?;
        run(api, search, how).await
    };
    let answer: Result<String, ApiError> = answer.await;
    answer.unwrap_or_else(|error| error.body().to_string())
}
