//! What is found? `_search`: the request from body and URL, the search, and the hits within hits.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::response::Response;
use index::read::Snapshot;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::hits::{self, Presentation};
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::params::Params;
use super::{Api, contexts, fields, mapping, reply};
use crate::answer::SearchAnswer;
use crate::ast::{Literal, Query, TermTest, Test};
use crate::elastic::{self, Reader, Search};
use crate::request::TrackTotal;
use crate::search::order::Position;
use crate::search::{Place, Progress};

/// Parameters of `q`.
pub(super) const QUERY_PARAMS: [&str; 6] =
    ["q", "df", "default_operator", "analyzer", "analyze_wildcard", "lenient"];
/// Parameters that choose how Elasticsearch runs a search, and change no answer.
pub(super) const HARMLESS: [&str; 12] = [
    "preference",
    "routing",
    "request_cache",
    "batched_reduce_size",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "ccs_minimize_roundtrips",
    "search_type",
    "enable_fields_emulation",
    "include_named_queries_score",
    "min_compatible_shard_node",
    "force_synthetic_source",
];
const SEARCH_PARAMS: [&str; 23] = [
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
    "include_named_queries_score",
    "scroll",
    "allow_partial_search_results",
    "stats",
    "terminate_after",
];
/// Parameters that say what of the source is wanted.
const SOURCE_PARAMS: [&str; 5] =
    ["_source", "_source_includes", "_source_include", "_source_excludes", "_source_exclude"];
/// All parameters of a search.
pub(super) const SEARCH_LISTS: [&[&str]; 4] =
    [&LOOKUP_PARAMS, &QUERY_PARAMS, &HARMLESS, &SEARCH_PARAMS];

/// `GET|POST /_search`, `/{index}/_search`.
pub(super) async fn search(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &SEARCH_LISTS)?;
    let (search, how) = read(&api, &call)?;
    let text = match call.params.get("scroll") {
        Some(scroll) => {
            let scroll = (&scroll.into(), call.body.len());
            contexts::start(&api, search, how, scroll).await?
        }
        None => run(&api, search, how).await?,
    };
    reply::json_text(&call, text)
}

/// `GET|POST /_search/template`, `/{index}/_search/template`.
pub(super) async fn template(api: Api, mut call: Call) -> Result<Response, ApiError> {
    call.body = elastic::rendered(&call.body)?.into();
    search(api, call).await
}

/// `GET|POST /_render/template`: what a template becomes.
pub(super) async fn render(_: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    let output = elastic::parse_json(&elastic::rendered(&call.body)?)?;
    reply::json(&call, json!({ "template_output": output }))
}

/// The search that a call asks for, checked.
///
/// # Errors
/// Body or URL make no sense.
pub(super) fn read(api: &Api, call: &Call) -> Result<(Search, How), ApiError> {
    let mut reader = Reader::new(api.now(), &api.settings);
    let mut search = reader.search(&call.body)?;
    apply(&mut reader, &mut search, &call.params)?;
    search.request.indexes = call.indexes.clone();
    let flag = |name: &str| call.params.flag(name);
    let how = How {
        lookup: Lookup::of(&call.params)?,
        total_as_int: flag("rest_total_hits_as_int")?.unwrap_or(false),
        partial: flag("allow_partial_search_results")?.unwrap_or(true),
        typed_keys: flag("typed_keys")?.unwrap_or(false),
        status: None,
    };
    check_search_type(call.params.get("search_type"))?;
    for name in ["routing", "preference"] {
        if search.pit.is_some() && call.params.get(name).is_some() {
            let reason = format!("[{name}] cannot be used with point in time");
            return Err(ApiError::invalid(&reason));
        }
    }
    if search.request.slice.is_some() && search.pit.is_none() && call.params.get("scroll").is_none()
    {
        return Err(ApiError::invalid(
            "[slice] can only be used with [scroll] or [point-in-time] requests",
        ));
    }
    settle(&reader, &mut search, how)?;
    Ok((search, how))
}

/// Scores are the same either way.
pub(super) fn check_search_type(name: Option<&str>) -> Result<(), ApiError> {
    match name {
        None | Some("query_then_fetch" | "dfs_query_then_fetch") => Ok(()),
        Some(other) => Err(ApiError::illegal(format!("No search type for [{other}]"))),
    }
}

/// What can only be settled when body and URL are together.
///
/// # Errors
/// They do not fit together.
pub(super) fn settle(reader: &Reader, search: &mut Search, how: How) -> Result<(), ApiError> {
    reader.settle(search)?;
    if how.total_as_int && !search.tracks_total {
        search.request.track_total = TrackTotal::All;
    }
    if let (true, TrackTotal::UpTo(up_to)) = (how.total_as_int, search.request.track_total) {
        return Err(ApiError::illegal(format!(
            "[rest_total_hits_as_int] cannot be used if the tracking of total hits is not \
             accurate, got {up_to}"
        )));
    }
    Ok(reader.check(search)?)
}

/// How a search is run and shown, besides what it asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) lookup: Lookup,
    pub(super) total_as_int: bool,
    /// An answer without the splits that cannot be read is better than none.
    pub(super) partial: bool,
    /// The names of aggregations tell their types.
    pub(super) typed_keys: bool,
    pub(super) status: Option<u16>,
}

/// What a search is run over.
pub(super) struct Over {
    pub(super) snapshot: Snapshot,
    pub(super) after: Option<Position>,
    pub(super) progress: Option<Arc<Progress>>,
}

/// What was found.
pub(super) struct Found {
    pub(super) answer: SearchAnswer,
    /// For each hit, its further hits by name.
    pub(super) inner: Vec<Vec<(String, SearchAnswer)>>,
    pub(super) scroll_id: Option<String>,
}

/// Runs a search and shows its answer.
pub(super) async fn run(api: &Api, mut search: Search, how: How) -> Result<String, ApiError> {
    let snapshot = prepare(api, &mut search, how.lookup).await?;
    let found = find(api, &search, Over { snapshot, after: None, progress: None }).await?;
    hits::check_shards(&found.answer.shards, how.partial)?;
    rendered(&found, &search, how)
}

/// The response to a search.
pub(super) fn rendered(found: &Found, search: &Search, how: How) -> Result<String, ApiError> {
    hits::render(found, &presentation(search, how))
}

fn presentation(search: &Search, how: How) -> Presentation<'_> {
    let sorted = !search.request.sort.is_empty();
    Presentation {
        source: search.request.source.clone(),
        ids: search.stored != Some(elastic::Stored::Nothing),
        version: search.version,
        seq_no: search.seq_no,
        scores: !sorted || search.scores,
        max_score: !sorted || search.request.ranking.best,
        total_as_int: how.total_as_int,
        pit_id: search.pit.as_ref().map(|pit| pit.id.as_str()),
        inner: search
            .inner_hits
            .iter()
            .map(|(_, inner)| presentation(inner, How { status: None, ..how }))
            .collect(),
        typed: search.agg_spec.as_ref().filter(|_| how.typed_keys),
        profiled: search.request.profile.then_some(&search.request),
        status: how.status,
        named_scores: search.request.ranking.named,
    }
}

/// The records to search; fails when an index or a field that the search names is not there.
pub(super) async fn prepare(
    api: &Api,
    search: &mut Search,
    lookup: Lookup,
) -> Result<Snapshot, ApiError> {
    api.kept.sweep(api.now());
    let patterns = match &search.pit {
        Some(_) => Vec::new(),
        None => search.request.indexes.clone(),
    };
    let snapshot = match contexts::pit(api, search)? {
        Some(context) => context.snapshot.clone(),
        None => {
            let snapshot = api.searcher.snapshot(&api.tenant());
            indexes::aim(api, &snapshot, &mut search.request, lookup)?;
            snapshot
        }
    };
    let collapse = search.request.collapse.clone();
    if let Some(field) = collapse.as_ref().filter(|f| snapshot.text_fields.contains(f)) {
        return Err(ApiError::illegal(format!(
            "unknown type for collapse field `{field}`, only keywords and numbers are accepted"
        )));
    }
    let mut paths = search.sort_fields.clone();
    search.inner_hits.iter().for_each(|(_, inner)| paths.extend_from_slice(&inner.sort_fields));
    let sorts = paths.len();
    paths.extend(collapse);
    if paths.is_empty() {
        return Ok(snapshot);
    }
    let names: BTreeSet<String> = match &search.request.names {
        Some(names) => names.iter().cloned().collect(),
        None => {
            let found = indexes::resolve(api, &snapshot, &patterns, lookup)?;
            found.into_keys().collect()
        }
    };
    let look = {
        let (cache, snapshot, state) = (api.fields.clone(), snapshot.clone(), api.registry.state());
        let mut paths = paths.clone();
        move || {
            // What clients have declared is there, also before a record has it.
            loop {
                let missing = fields::missing_field(&cache, &snapshot, &names, &paths)?;
                if !mapping::declares(&state, &names, &missing) {
                    return Some(missing);
                }
                paths.retain(|path| *path != missing);
            }
        }
    };
    let missing = tokio::task::spawn_blocking(look).await.map_err(|e| ApiError::internal(&e))?;
    match missing {
        Some(field) if paths[..sorts].contains(&field) => Err(ApiError::new(
            400,
            "query_shard_exception",
            format!("No mapping found for [{field}] in order to sort on"),
        )),
        Some(field) => Err(ApiError::illegal(format!(
            "no mapping found for `{field}` in order to collapse on"
        ))),
        None => Ok(snapshot),
    }
}

/// Runs a search, and those for the hits within its hits.
pub(super) async fn find(api: &Api, search: &Search, over: Over) -> Result<Found, ApiError> {
    let tenant = api.tenant();
    let place = |after, progress| Place {
        tenant: &tenant,
        snapshot: Some(over.snapshot.clone()),
        after,
        progress,
    };
    let first = place(over.after.clone(), over.progress.clone());
    let begun = api.now();
    let mut answer = api.searcher.search_in(first, search.request.clone()).await?;
    let mut inner = Vec::new();
    if let (Some(field), false) = (&search.request.collapse, search.inner_hits.is_empty()) {
        for hit in &answer.hits {
            // All of them together have the time of one search.
            let spent_ms = (api.now().0 - begun.0).max(0) as u64 / 1_000_000;
            if spent_ms > api.searcher.timeout_ms(&search.request) {
                answer.timed_out = true;
                break;
            }
            let value = hit.fields.as_ref().and_then(|f| f.get(field)).map(|v| &v[0]);
            let mut lists = Vec::with_capacity(search.inner_hits.len());
            for (name, one) in &search.inner_hits {
                let mut request = one.request.clone();
                request.indexes = search.request.indexes.clone();
                request.names = search.request.names.clone();
                request.query = Query::all_of(vec![
                    search.request.query.clone(),
                    group(field, value).constant(0.0),
                ]);
                request.post_filter = search.request.post_filter.clone();
                let found = api.searcher.search_in(place(None, None), request).await?;
                lists.push((name.clone(), found));
            }
            inner.push(lists);
        }
    }
    Ok(Found { answer, inner, scroll_id: None })
}

/// The records of the same value of a field.
fn group(field: &str, value: Option<&Json>) -> Query {
    let literal = match value {
        Some(Json::Bool(v)) => Literal::Bool(*v),
        Some(Json::String(text)) => Literal::Text(text.clone()),
        Some(Json::Number(n)) => match n.as_i64() {
            Some(n) => Literal::Int(n),
            None => Literal::Float(n.as_f64().unwrap_or_default()),
        },
        _ => return Query::field(field, Test::Exists).negate(),
    };
    Query::field(field, Test::Term(TermTest { value: literal, fold: false }))
}

/// The query of `q`.
pub(super) fn query_of(
    reader: &mut Reader,
    params: &Params,
) -> Result<Option<crate::ast::Query>, ApiError> {
    let Some(options) = query_options(params) else { return Ok(None) };
    Ok(Some(reader.query_string(&options)?))
}

/// `q` with its options, as those of a `query_string`.
pub(super) fn query_options(params: &Params) -> Option<Json> {
    let q = params.get("q")?;
    let mut options = Map::new();
    options.insert("query".to_owned(), q.into());
    let given = [("df", "default_field"), ("default_operator", "default_operator")];
    for (name, option) in given.into_iter().chain([("lenient", "lenient")]) {
        if let Some(value) = params.get(name) {
            options.insert(option.to_owned(), value.into());
        }
    }
    Some(Json::Object(options))
}

/// The query of the URL alone: all records when it names none.
pub(super) fn query_of_url(api: &Api, params: &Params) -> Result<crate::ast::Query, ApiError> {
    let mut reader = Reader::new(api.now(), &api.settings);
    Ok(query_of(&mut reader, params)?.unwrap_or(crate::ast::Query::All))
}

/// What the URL asks for goes over what the body does.
fn apply(reader: &mut Reader, search: &mut Search, params: &Params) -> Result<(), ApiError> {
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
    if let Some(value) = params.get("terminate_after") {
        request.terminate_after = count_of("terminate_after", value)? as u64;
    }
    apply_source(search, params)?;
    let request = &mut search.request;
    if let Some(value) = params.get("timeout") {
        let ns = crate::dates::time_value(value)
            .ok_or_else(|| ApiError::illegal(format!("cannot read [timeout] [{value}]")))?;
        request.timeout_ms = u64::try_from(ns).ok().map(|ns| ns.div_ceil(1_000_000));
    }
    search.version |= params.flag("version")?.unwrap_or(false);
    search.seq_no |= params.flag("seq_no_primary_term")?.unwrap_or(false);
    request.ranking.best |= params.flag("track_scores")?.unwrap_or(false);
    search.scores |= request.ranking.best;
    let ranking = &mut search.request.ranking;
    ranking.track = search.scores;
    ranking.explain |= params.flag("explain")?.unwrap_or(false);
    ranking.named |= params.flag("include_named_queries_score")?.unwrap_or(false);
    let request = &mut search.request;
    request.version = search.version || search.seq_no;
    Ok(())
}

fn apply_source(search: &mut Search, params: &Params) -> Result<(), ApiError> {
    search.names_source |= SOURCE_PARAMS.iter().any(|name| params.get(name).is_some());
    if params.get("stored_fields").is_some() {
        search.stored = Some(elastic::stored(&params.list("stored_fields")));
    }
    let request = &mut search.request;
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
    for field in params.list("docvalue_fields") {
        request.fields.push(crate::request::FieldAndFormat { field, format: None });
    }
    Ok(())
}

pub(super) fn count_of(name: &str, value: &str) -> Result<usize, ApiError> {
    match value.trim().parse::<i64>() {
        Ok(number) => usize::try_from(number).map_err(|_| {
            ApiError::illegal(format!("[{name}] parameter cannot be negative, found [{number}]"))
        }),
        Err(_) => Err(ApiError::illegal(format!(
            "Failed to parse int parameter [{name}] with value [{value}]"
        ))),
    }
}
