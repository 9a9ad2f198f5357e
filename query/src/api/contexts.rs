//! How is a result read page by page? Scrolls, and points in time that searches name.
//!
//! A scroll goes on after the last hit that it gave, by its place in the order; nothing of the
//! pages before is kept.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use model::time::NS_PER_MS;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::kept::{Context, is_id};
use super::search::{How, Over, find, prepare, rendered};
use super::{Api, hits, reply};
use crate::answer::{SearchAnswer, Total};
use crate::ast::Query;
use crate::elastic::{Reader, Search, duration_ms, parse_json};
use crate::request::{SearchRequest, SortBy, SortKey, TrackTotal};
use crate::search::order::Position;

/// A scroll between two pages.
#[derive(Debug)]
pub(super) struct Scroll {
    search: Search,
    how: How,
    /// The last hit that was given.
    after: Option<Position>,
    /// What the first page counted.
    total: Option<Total>,
    is_over: bool,
}

impl Scroll {
    /// Goes on after a page.
    fn step(&mut self, page: &mut SearchAnswer) {
        if let Some(position) = page.position.take() {
            self.after = Some(position);
        }
        // What could not be read in time may still come: only a whole page that is short is the last.
        let whole = !page.timed_out && page.shards.failed.is_empty();
        self.is_over |= whole && page.hits.len() < self.search.request.size;
    }
}

/// How long a context is kept.
///
/// # Errors
/// The text is no time, or over the limit.
pub(super) fn keep_alive(api: &Api, name: &str, value: &Json) -> Result<u64, ApiError> {
    let ms = duration_ms(name, value)?
        .filter(|ms| *ms > 0)
        .ok_or_else(|| ApiError::illegal(format!("[{name}] must be a time above 0")))?;
    let max = api.settings.contexts.keep_alive_ms_max;
    if ms > max {
        return Err(ApiError::illegal(format!(
            "Keep alive for request ({}ms) is too large. It must be less than ({max}ms). This \
             limit can be set by changing the [query.api.contexts.keep_alive_ms_max] setting.",
            ms
        )));
    }
    Ok(ms)
}

fn keep(api: &Api, context: Context, keep_ms: u64) -> Result<String, ApiError> {
    let max = api.settings.contexts.open_max;
    let bytes_max = api.settings.contexts.bytes_max;
    let used = api.kept.contexts.sum(|other| other.bytes);
    if context.bytes > bytes_max.saturating_sub(used) {
        return Err(ApiError::new(
            429,
            "circuit_breaking_exception",
            format!(
                "the requests of open scrolls would hold more than {bytes_max} bytes (setting \
                 `query.api.contexts.bytes_max`); clear some, or ask for less"
            ),
        ));
    }
    let kept = api.kept.contexts.keep(Arc::new(context), (api.now(), keep_ms), max);
    kept.ok_or_else(|| {
        ApiError::new(
            429,
            "too_many_scroll_contexts_exception",
            format!(
                "Trying to create too many scroll contexts. Must be less than or equal to: \
                 [{max}]. This limit can be set by changing the [query.api.contexts.open_max] \
                 setting."
            ),
        )
    })
}

/// The context of an id, kept for longer if that is asked.
pub(super) fn context(api: &Api, id: &str, keep_ms: Option<u64>) -> Result<Arc<Context>, ApiError> {
    let found = api.kept.contexts.get(id, api.now(), keep_ms);
    found.ok_or_else(|| ApiError::no_such_context(id))
}

/// The first page of a scroll.
pub(super) async fn start(
    api: &Api,
    mut search: Search,
    how: How,
    (scroll, bytes): (&Json, usize),
) -> Result<String, ApiError> {
    let keep_ms = keep_alive(api, "scroll", scroll)?;
    check_scroll(&search, api.settings.result_window_max)?;
    let snapshot = prepare(api, &mut search, how.lookup).await?;
    if matches!(search.request.sort.as_slice(), [key] if key.by == SortBy::Sequence && !key.descending)
    {
        search.request.sort = vec![SortKey::new(SortBy::Scan, true)];
    }
    if !search.tracks_total {
        search.request.track_total = TrackTotal::All;
    }
    let over = Over { snapshot: snapshot.clone(), after: None, progress: None };
    let mut found = find(api, &search, over).await?;
    hits::check_shards(&found.answer.shards, how.partial)?;
    let total = found.answer.total;
    let mut state = Scroll { search: search.clone(), how, after: None, total, is_over: false };
    state.step(&mut found.answer);
    let context = Context {
        snapshot,
        within: SearchRequest::default(),
        bytes,
        scroll: Some(tokio::sync::Mutex::new(state)),
    };
    found.scroll_id = Some(keep(api, context, keep_ms)?);
    rendered(&found, &search, how)
}

fn check_scroll(search: &Search, window_max: usize) -> Result<(), ApiError> {
    let request = &search.request;
    let invalid = |reason: &str| Err(ApiError::invalid(reason));
    if request.from > 0 {
        return invalid("using [from] is not allowed in a scroll context");
    }
    if request.size == 0 {
        return invalid("[size] cannot be [0] in a scroll context");
    }
    if search.tracks_total && request.track_total != TrackTotal::All {
        return invalid("disabling [track_total_hits] is not allowed in a scroll context");
    }
    if search.pit.is_some() {
        return invalid("using [point in time] is not allowed in a scroll context");
    }
    if request.search_after.is_some() {
        return Err(ApiError::illegal("`search_after` cannot be used in a scroll context."));
    }
    if request.collapse.is_some() {
        return Err(ApiError::illegal("cannot use `collapse` in a scroll context"));
    }
    if request.size > window_max {
        return Err(ApiError::illegal(format!(
            "Batch size is too large, size must be less than or equal to: [{window_max}] but was \
             [{}]. Scroll batch sizes cost as much memory as result windows so they are \
             controlled by the setting `query.api.result_window_max`.",
            request.size
        )));
    }
    Ok(())
}

/// `GET|POST /_search/scroll`, `/_search/scroll/{id}`: the next page.
pub(super) async fn next(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["scroll", "scroll_id", "rest_total_hits_as_int"]])?;
    let asked = asked(&call, "scroll_id", &["scroll"])?;
    let [id] = asked.ids.as_slice() else {
        return Err(ApiError::invalid("scrollId is missing"));
    };
    let keep_ms = match asked.more.get("scroll") {
        Some(value) => Some(keep_alive(&api, "scroll", value)?),
        None => None,
    };
    if !is_id(id) {
        return Err(ApiError::illegal("Cannot parse scroll id"));
    }
    let context = context(&api, id, keep_ms)?;
    let Some(state) = &context.scroll else {
        return Err(ApiError::no_such_context(id));
    };
    // One page at a time: the next one begins where this one ends.
    let mut state = state.lock().await;
    let total_as_int = call.params.flag("rest_total_hits_as_int")?;
    let how = How { total_as_int: total_as_int.unwrap_or(state.how.total_as_int), ..state.how };
    let mut search = state.search.clone();
    search.request.aggs = Vec::new();
    search.request.track_total = TrackTotal::None;
    if state.is_over {
        search.request.size = 0;
        search.request.query = crate::ast::Query::None;
    }
    let over =
        Over { snapshot: context.snapshot.clone(), after: state.after.clone(), progress: None };
    let mut found = find(&api, &search, over).await?;
    hits::check_shards(&found.answer.shards, how.partial)?;
    state.step(&mut found.answer);
    found.answer.total = state.total;
    found.scroll_id = Some(id.clone());
    let text = rendered(&found, &search, how)?;
    reply::json_text(&call, text)
}

/// Ids of a request, and its other keys.
struct Asked {
    ids: Vec<String>,
    more: Map<String, Json>,
}

/// Reads ids from body, path or URL. The body's keys count before the URL's.
fn asked(call: &Call, key: &str, known: &[&str]) -> Result<Asked, ApiError> {
    let mut out = Asked { ids: Vec::new(), more: Map::new() };
    for name in known {
        if let Some(value) = call.params.get(name) {
            out.more.insert((*name).to_owned(), value.into());
        }
    }
    out.ids.extend(call.part("id").split(',').filter(|id| !id.is_empty()).map(str::to_owned));
    if out.ids.is_empty() {
        out.ids = call.params.list(key);
    }
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(out);
    }
    let Json::Object(map) = parse_json(&call.body)? else {
        return Err(ApiError::new(400, "parsing_exception", "the body must be an object"));
    };
    for (name, value) in map {
        match value {
            Json::String(id) if name == key => out.ids = vec![id],
            Json::Array(list) if name == key => {
                let ids = list.into_iter().map(|id| match id {
                    Json::String(id) => Ok(id),
                    _ => Err(ApiError::illegal(format!("{key} must be a string"))),
                });
                out.ids = ids.collect::<Result<_, _>>()?;
            }
            value if known.contains(&name.as_str()) => {
                out.more.insert(name, value);
            }
            _ => {
                return Err(ApiError::illegal(format!(
                    "Unknown parameter [{name}] in request body or parameter is of the wrong type"
                )));
            }
        }
    }
    Ok(out)
}

/// `DELETE /_search/scroll`, `/_search/scroll/{id}`.
pub(super) async fn clear(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["scroll_id"]])?;
    let asked = asked(&call, "scroll_id", &[])?;
    if asked.ids.is_empty() {
        return Err(ApiError::invalid("no scroll ids specified"));
    }
    if let Some(bad) = asked.ids.iter().find(|id| *id != "_all" && !is_id(id)) {
        return Err(ApiError::illegal(format!("Cannot parse scroll id [{bad}]")));
    }
    let freed = free(&api, &asked.ids, |context| context.scroll.is_some());
    closed(&call, freed)
}

fn free(api: &Api, ids: &[String], is: impl Fn(&Context) -> bool) -> usize {
    api.kept.sweep(api.now());
    let contexts = &api.kept.contexts;
    if ids.iter().any(|id| id == "_all") {
        return contexts.forget_where(is);
    }
    let is_one = |id: &&String| contexts.get(id, api.now(), None).is_some_and(|c| is(&c));
    ids.iter().filter(is_one).filter(|id| contexts.forget(id).is_some()).count()
}

fn closed(call: &Call, freed: usize) -> Result<Response, ApiError> {
    let status = if freed > 0 { StatusCode::OK } else { StatusCode::NOT_FOUND };
    reply::shaped(call, status, json!({ "succeeded": true, "num_freed": freed }))
}

/// `POST /{index}/_pit?keep_alive=`: opens a point in time.
pub(super) async fn open_pit(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["keep_alive", "preference", "routing", "allow_partial_search_results"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known, &["max_concurrent_shard_requests"]])?;
    if call.indexes.is_empty() {
        return Err(ApiError::invalid("[index] is not specified"));
    }
    let Some(value) = call.params.get("keep_alive") else {
        return Err(ApiError::invalid("[keep_alive] is not specified"));
    };
    let keep_ms = keep_alive(&api, "keep_alive", &value.into())?;
    if !call.body.iter().all(u8::is_ascii_whitespace) {
        read_filter(&api, &call)?;
    }
    let snapshot = api.searcher.snapshot(&api.tenant());
    let mut within = SearchRequest { indexes: call.indexes.clone(), ..SearchRequest::default() };
    indexes::aim(&api, &snapshot, &mut within, Lookup::of(&call.params)?)?;
    let segments = snapshot.live.len() + snapshot.splits.len();
    let context = Context { snapshot, within, bytes: 0, scroll: None };
    let id = keep(&api, context, keep_ms)?;
    let shards = json!({ "total": segments, "successful": segments, "skipped": 0, "failed": 0 });
    reply::json(&call, json!({ "id": id, "_shards": shards }))
}

/// `index_filter` only says which shards may be passed over: it must make sense.
fn read_filter(api: &Api, call: &Call) -> Result<(), ApiError> {
    let Json::Object(map) = parse_json(&call.body)? else {
        return Err(ApiError::new(400, "parsing_exception", "the body must be an object"));
    };
    for (key, value) in &map {
        match key.as_str() {
            "index_filter" => {
                Reader::new(api.now(), &api.settings).query(value)?;
            }
            _ => {
                let reason = format!("[open_point_in_time_request] unknown field [{key}]");
                return Err(ApiError::new(400, "x_content_parse_exception", reason));
            }
        }
    }
    Ok(())
}

/// `DELETE /_pit`: closes a point in time.
pub(super) async fn close_pit(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    let asked = asked(&call, "id", &[])?;
    if asked.ids.is_empty() {
        return Err(ApiError::illegal("Required [id]"));
    }
    let freed = free(&api, &asked.ids, |context| context.scroll.is_none());
    closed(&call, freed)
}

/// The records and indexes of a search's point in time.
pub(super) fn pit(api: &Api, search: &mut Search) -> Result<Option<Arc<Context>>, ApiError> {
    let Some(pit) = &search.pit else { return Ok(None) };
    if !search.request.indexes.is_empty() {
        return Err(ApiError::invalid(
            "[indices] cannot be used with point in time. Do not specify any index with point in \
             time.",
        ));
    }
    let max = api.settings.contexts.keep_alive_ms_max;
    if let Some(ms) = pit.keep_alive_ms {
        keep_alive(api, "keep_alive", &Json::from(ms.min(max.saturating_add(1))))?;
    }
    let context = context(api, &pit.id, pit.keep_alive_ms)?;
    if context.scroll.is_some() {
        return Err(ApiError::no_such_context(&pit.id));
    }
    let (request, within) = (&mut search.request, &context.within);
    request.indexes = within.indexes.clone();
    request.names = within.names.clone();
    let query = std::mem::replace(&mut request.query, Query::None);
    request.query = Query::all_of(vec![query, within.query.clone()]);
    Ok(Some(context))
}

/// Milliseconds since 1970.
pub(super) fn millis(at: model::time::Timestamp) -> i64 {
    at.0.div_euclid(NS_PER_MS)
}
