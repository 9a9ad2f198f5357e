//! What is found? `_search`, `_count` and `_msearch`.

use std::time::Instant;

use axum::response::Response;
use meta::names::Expand;
use serde_json::{Map, Value as Json, json};
use tokio::task::JoinSet;

use super::call::Call;
use super::error::ApiError;
use super::hits::{self, Presentation};
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::params::Params;
use super::{Api, fields, reply};
use crate::elastic::{self, MultiSearch, Reader, Search, split_msearch};
use crate::request::{SearchRequest, TrackTotal};

/// Parameters of `q`.
const QUERY_PARAMS: [&str; 6] =
    ["q", "df", "default_operator", "analyzer", "analyze_wildcard", "lenient"];
/// Parameters that choose how Elasticsearch runs a search, and change no answer.
const HARMLESS: [&str; 12] = [
    "preference",
    "routing",
    "request_cache",
    "batched_reduce_size",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "ccs_minimize_roundtrips",
    "search_type",
    "enable_fields_emulation",
    "terminate_after",
    "min_compatible_shard_node",
    "force_synthetic_source",
];
const SEARCH_PARAMS: [&str; 21] = [
    "size",
    "from",
    "sort",
    "_source",
    "_source_includes",
    "_source_excludes",
    "_source_include",
    "_source_exclude",
    "stored_fields",
    "docvalue_fields",
    "track_total_hits",
    "track_scores",
    "rest_total_hits_as_int",
    "typed_keys",
    "timeout",
    "version",
    "seq_no_primary_term",
    "explain",
    "scroll",
    "allow_partial_search_results",
    "stats",
];
/// How many searches of one `_msearch` run at once, unless it says less.
const MSEARCH_CONCURRENT: usize = 4;

/// `GET|POST /_search`, `/{index}/_search`.
pub(super) async fn search(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &QUERY_PARAMS, &HARMLESS, &SEARCH_PARAMS])?;
    let mut reader = Reader::new(api.now(), &api.settings);
    let mut search = reader.search(&call.body)?;
    apply(&mut reader, &mut search, &call.params)?;
    search.request.indexes = call.indexes.clone();
    let partial = call.params.flag("allow_partial_search_results")?.unwrap_or(true);
    let how = How {
        lookup: Lookup::of(&call.params)?,
        total_as_int: call.params.flag("rest_total_hits_as_int")?.unwrap_or(false),
        partial,
        status: None,
    };
    reader.check(&search)?;
    let text = run(&api, search, how).await?;
    reply::json_text(&call, text)
}

/// How a search is run and shown, besides what it asks.
#[derive(Clone, Copy)]
struct How {
    lookup: Lookup,
    total_as_int: bool,
    /// An answer without the splits that cannot be read is better than none.
    partial: bool,
    status: Option<u16>,
}

async fn run(api: &Api, mut search: Search, how: How) -> Result<String, ApiError> {
    check_names(api, &mut search, how.lookup).await?;
    if how.total_as_int && !search.tracks_total {
        search.request.track_total = TrackTotal::All;
    }
    let sorted = !search.request.sort.is_empty();
    let presentation = Presentation {
        source: search.request.source.clone(),
        version: search.version,
        seq_no: search.seq_no,
        scores: !sorted || search.scores,
        max_score: !sorted,
        total_as_int: how.total_as_int,
        status: how.status,
    };
    let answer = api.searcher.search(&api.tenant(), search.request).await?;
    hits::check_shards(&answer.shards, how.partial)?;
    hits::render(&answer, &presentation)
}

/// Points the search at its indexes; fails when an index or a sort field that it names is not
/// there.
async fn check_names(api: &Api, search: &mut Search, lookup: Lookup) -> Result<(), ApiError> {
    let snapshot = api.searcher.snapshot(&api.tenant());
    let patterns = search.request.indexes.clone();
    indexes::aim(api, &snapshot, &mut search.request, lookup)?;
    if search.sort_fields.is_empty() {
        return Ok(());
    }
    let found = indexes::resolve(api, &snapshot, &patterns, lookup)?;
    let paths = search.sort_fields.clone();
    let names = found.into_keys().collect();
    let cache = api.fields.clone();
    let missing = tokio::task::spawn_blocking(move || {
        fields::missing_field(&cache, &snapshot, &names, &paths)
    });
    let missing = missing.await.map_err(|e| ApiError::internal(&e))?;
    match missing {
        Some(field) => Err(ApiError::new(
            400,
            "query_shard_exception",
            format!("No mapping found for [{field}] in order to sort on"),
        )),
        None => Ok(()),
    }
}

/// `q` with its options, as those of a `query_string`.
fn query_of(reader: &mut Reader, params: &Params) -> Result<Option<crate::ast::Query>, ApiError> {
    let Some(q) = params.get("q") else { return Ok(None) };
    let mut options = Map::new();
    options.insert("query".to_owned(), q.into());
    let given = [("df", "default_field"), ("default_operator", "default_operator")];
    for (name, option) in given.into_iter().chain([("lenient", "lenient")]) {
        if let Some(value) = params.get(name) {
            options.insert(option.to_owned(), value.into());
        }
    }
    Ok(Some(reader.query_string(&Json::Object(options))?))
}

/// The query of the URL alone: all records when it names none.
pub(super) fn query_of_url(api: &Api, params: &Params) -> Result<crate::ast::Query, ApiError> {
    let mut reader = Reader::new(api.now(), &api.settings);
    Ok(query_of(&mut reader, params)?.unwrap_or(crate::ast::Query::All))
}

/// What the URL asks for goes over what the body does.
fn apply(reader: &mut Reader, search: &mut Search, params: &Params) -> Result<(), ApiError> {
    for (name, remedy) in [
        ("scroll", "; use `sort` with `search_after`, or GET /api/v1/search, which has no cap"),
        ("explain", ""),
        ("typed_keys", ""),
    ] {
        if params.get(name).is_some_and(|value| value != "false") {
            let reason = format!("[{name}] is not supported in this version{remedy}");
            return Err(ApiError::illegal(reason));
        }
    }
    if let Some(query) = query_of(reader, params)? {
        search.request.query = query;
    }
    let request = &mut search.request;
    for (name, into) in [("size", &mut request.size), ("from", &mut request.from)] {
        if let Some(value) = params.get(name) {
            *into = count_of(name, value)?;
        }
    }
    if params.get("sort").is_some() {
        let keys = params.list("sort").into_iter().map(|key| match key.rsplit_once(':') {
            Some((field, order)) => json!({ field: order }),
            None => json!(key),
        });
        let order = elastic::sort(&keys.collect())?;
        search.scores |= order.keys.iter().any(|k| k.by == crate::request::SortBy::Score);
        request.sort = order.keys;
        search.sort_fields = order.must_exist;
    }
    if let Some(value) = params.get("track_total_hits") {
        search.tracks_total = true;
        request.track_total = elastic::track_total(&value.into())?;
    }
    apply_source(request, params)?;
    if let Some(value) = params.get("timeout") {
        let ns = crate::dates::time_value(value)
            .ok_or_else(|| ApiError::illegal(format!("cannot read [timeout] [{value}]")))?;
        request.timeout_ms = u64::try_from(ns).ok().map(|ns| ns.div_ceil(1_000_000));
    }
    search.version |= params.flag("version")?.unwrap_or(false);
    search.seq_no |= params.flag("seq_no_primary_term")?.unwrap_or(false);
    search.scores |= params.flag("track_scores")?.unwrap_or(false);
    request.version = search.version || search.seq_no;
    Ok(())
}

fn apply_source(request: &mut SearchRequest, params: &Params) -> Result<(), ApiError> {
    match params.get("_source") {
        Some("true" | "") => request.source = Default::default(),
        Some("false") => request.source.off = true,
        Some(_) => request.source.includes = params.list("_source"),
        None => {}
    }
    for name in ["_source_includes", "_source_include"] {
        request.source.includes.extend(params.list(name));
    }
    for name in ["_source_excludes", "_source_exclude"] {
        request.source.excludes.extend(params.list(name));
    }
    if params.list("stored_fields").iter().any(|f| f == "_none_") {
        request.source.off = true;
    }
    for field in params.list("docvalue_fields") {
        request.fields.push(crate::request::FieldAndFormat { field, format: None });
    }
    Ok(())
}

fn count_of(name: &str, value: &str) -> Result<usize, ApiError> {
    match value.trim().parse::<i64>() {
        Ok(number) => usize::try_from(number).map_err(|_| {
            ApiError::illegal(format!("[{name}] parameter cannot be negative, found [{number}]"))
        }),
        Err(_) => Err(ApiError::illegal(format!(
            "Failed to parse int parameter [{name}] with value [{value}]"
        ))),
    }
}

/// `GET|POST /_count`, `/{index}/_count`.
pub(super) async fn count(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["min_score", "terminate_after", "preference", "routing"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &QUERY_PARAMS, &known])?;
    if call.params.get("min_score").is_some() {
        return Err(ApiError::illegal("[min_score] is not supported in this version"));
    }
    let mut reader = Reader::new(api.now(), &api.settings);
    let mut query = reader.count(&call.body)?;
    if let Some(q) = query_of(&mut reader, &call.params)? {
        query = q;
    }
    let mut request =
        SearchRequest { indexes: call.indexes.clone(), query, ..SearchRequest::default() };
    let snapshot = api.searcher.snapshot(&api.tenant());
    indexes::aim(&api, &snapshot, &mut request, Lookup::of(&call.params)?)?;
    drop(snapshot);
    let answer = api.searcher.count(&api.tenant(), request).await?;
    hits::check_shards(&answer.shards, true)?;
    let shards = hits::shards(&answer.shards);
    reply::json(&call, json!({ "count": answer.count, "_shards": shards }))
}

/// `GET|POST /_msearch`, `/{index}/_msearch`. An error of one search is in its own place.
pub(super) async fn msearch(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "max_concurrent_searches",
        "rest_total_hits_as_int",
        "typed_keys",
        "include_named_queries_score",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &HARMLESS, &known])?;
    if call.params.flag("typed_keys")? == Some(true) {
        return Err(ApiError::illegal("[typed_keys] is not supported in this version"));
    }
    let start = Instant::now();
    let searches = split_msearch(&call.body, api.settings.msearch_max)?;
    let lookup = Lookup::of(&call.params)?;
    let total_as_int = call.params.flag("rest_total_hits_as_int")?.unwrap_or(false);
    let concurrent = match call.params.get("max_concurrent_searches") {
        Some(value) => count_of("max_concurrent_searches", value)?.clamp(1, MSEARCH_CONCURRENT),
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
            running
                .spawn(async move { (at, one(&api, search, paths, (lookup, total_as_int)).await) });
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
    search: Result<MultiSearch, crate::error::QueryError>,
    path_indexes: Vec<String>,
    (lookup, total_as_int): (Lookup, bool),
) -> String {
    let answer = async {
        let multi = search?;
        let mut reader = Reader::new(api.now(), &api.settings);
        let mut search = reader.search(&multi.body)?;
        reader.check(&search)?;
        search.request.indexes =
            if multi.indexes.is_empty() { path_indexes } else { multi.indexes };
        let expand = match multi.expand_wildcards.is_empty() {
            true => lookup.expand,
            false => Expand::read(multi.expand_wildcards.iter().map(String::as_str))?,
        };
        let lookup = Lookup {
            expand,
            ignore_unavailable: multi.ignore_unavailable.unwrap_or(lookup.ignore_unavailable),
            allow_no_indices: multi.allow_no_indices.unwrap_or(lookup.allow_no_indices),
            ..lookup
        };
        let how = How { lookup, total_as_int, partial: true, status: Some(200) };
        run(api, search, how).await
    };
    let answer: Result<String, ApiError> = answer.await;
    answer.unwrap_or_else(|error| error.body().to_string())
}
