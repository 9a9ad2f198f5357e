//! What of searches that take longer than a client waits? `_async_search`: started, asked for,
//! deleted.
//!
//! The search runs as a task of its own; its answer is kept as text. Deleting it cancels it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use model::time::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::call::Call;
use super::contexts::{keep_alive, millis};
use super::error::ApiError;
use super::search::{How, Over, SEARCH_LISTS, find, prepare, read, rendered};
use super::{Api, hits, reply};
use crate::dates::time_value;
use crate::elastic::Search;
use crate::search::Progress;

/// How long a client waits that does not say.
const WAIT_MS: u64 = 1_000;
/// How long an answer is kept when the client does not say: five days.
const KEEP_MS: u64 = 5 * 86_400_000;
/// The shortest that an answer may be kept.
const KEEP_MS_MIN: u64 = 60_000;
/// Parameters of a submit, besides those of a search.
const PARAMS: [&str; 3] = ["wait_for_completion_timeout", "keep_on_completion", "keep_alive"];

/// What came of a search.
pub(super) type Outcome = Result<String, ApiError>;

/// A search that runs, or its answer.
#[derive(Debug)]
pub(super) struct Background {
    started: Timestamp,
    progress: Arc<Progress>,
    pub(super) done: watch::Receiver<Option<(Timestamp, Arc<Outcome>)>>,
    task: Mutex<Option<AbortHandle>>,
    /// Bytes of the request.
    request_bytes: usize,
}

impl Drop for Background {
    fn drop(&mut self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
    }
}

impl Background {
    /// Bytes of the answer, or of the request as long as there is none.
    fn bytes(&self) -> usize {
        match &*self.done.borrow() {
            Some((_, outcome)) => outcome.as_ref().as_ref().map_or(0, String::len),
            None => self.request_bytes,
        }
    }

    /// Waits for the end, but not longer than this.
    pub(super) async fn wait(&self, limit: Duration) {
        let mut done = self.done.clone();
        let _ = tokio::time::timeout(limit, done.wait_for(Option::is_some)).await;
    }
}

fn start(api: &Api, search: Search, how: How, request_bytes: usize) -> Arc<Background> {
    let progress = Arc::new(Progress::default());
    let (task_api, task_progress) = (api.clone(), progress.clone());
    let work = async move { run(&task_api, search, how, task_progress).await };
    spawn(api, progress, request_bytes, work)
}

/// Lets work go on without a client.
pub(super) fn spawn(
    api: &Api,
    progress: Arc<Progress>,
    request_bytes: usize,
    work: impl Future<Output = Outcome> + Send + 'static,
) -> Arc<Background> {
    let (ended, done) = watch::channel(None);
    let task_api = api.clone();
    let task = tokio::spawn(async move {
        let outcome = work.await;
        let _ = ended.send(Some((task_api.now(), Arc::new(outcome))));
    });
    let task = Mutex::new(Some(task.abort_handle()));
    Arc::new(Background { started: api.now(), progress, done, task, request_bytes })
}

async fn run(
    api: &Api,
    mut search: Search,
    how: How,
    progress: Arc<Progress>,
) -> Result<String, ApiError> {
    let snapshot = prepare(api, &mut search, how.lookup).await?;
    let over = Over { snapshot, after: None, progress: Some(progress) };
    let found = find(api, &search, over).await?;
    hits::check_shards(&found.answer.shards, how.partial)?;
    let text = rendered(&found, &search, how)?;
    check_size(api, &text)?;
    Ok(text)
}

/// Fails when an answer is too long to be kept beside the others.
pub(super) fn check_size(api: &Api, text: &str) -> Result<(), ApiError> {
    let max = api.settings.contexts.bytes_max;
    let used = api.kept.answers.sum(Background::bytes);
    if text.len() > max.saturating_sub(used) {
        return Err(ApiError::illegal(format!(
            "Can't store an async search response of {} bytes beside {used} bytes of others. \
             This limit can be set by changing the [query.api.contexts.bytes_max] setting.",
            text.len()
        )));
    }
    Ok(())
}

fn time_ms(call: &Call, name: &str, otherwise: u64) -> Result<u64, ApiError> {
    let Some(value) = call.params.get(name) else { return Ok(otherwise) };
    let ns = time_value(value).ok_or_else(|| {
        ApiError::illegal(format!(
            "failed to parse setting [{name}] with value [{value}] as a time value: unit is \
             missing or unrecognized"
        ))
    })?;
    Ok(u64::try_from(ns).unwrap_or(0).div_ceil(1_000_000))
}

/// `POST /_async_search`, `/{index}/_async_search`.
pub(super) async fn submit(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&SEARCH_LISTS.concat(), &PARAMS])?;
    if call.params.get("scroll").is_some() {
        return Err(ApiError::invalid("[scroll] queries are not supported"));
    }
    let wait_ms = time_ms(&call, "wait_for_completion_timeout", WAIT_MS)?;
    let keep_ms = match call.params.get("keep_alive") {
        Some(value) => keep_alive(&api, "keep_alive", &value.into())?,
        None => KEEP_MS.min(api.settings.contexts.keep_alive_ms_max),
    };
    if keep_ms < KEEP_MS_MIN {
        return Err(ApiError::invalid(&format!(
            "[keep_alive] must be greater or equals than 1 minute, got: {}",
            call.params.get("keep_alive").unwrap_or_default()
        )));
    }
    let keep = call.params.flag("keep_on_completion")?.unwrap_or(false);
    let (search, how) = read(&api, &call)?;
    let background = start(&api, search, how, call.body.len());
    background.wait(Duration::from_millis(wait_ms)).await;
    let is_done = background.done.borrow().is_some();
    if is_done && !keep {
        let expires = Timestamp(api.now().0.saturating_add(keep_ms as i64 * 1_000_000));
        return shown(&call, None, &background, expires);
    }
    let max = api.settings.contexts.async_max;
    let id = api.kept.answers.keep(background.clone(), (api.now(), keep_ms), max);
    let id = id.ok_or_else(|| {
        ApiError::new(
            429,
            "es_rejected_execution_exception",
            format!(
                "too many asynchronous searches run or are kept, at most [{max}] may (setting \
                 `query.api.contexts.async_max`); delete some, or try again later"
            ),
        )
    })?;
    let expires = api.kept.answers.expires(&id).unwrap_or(api.now());
    shown(&call, Some(&id), &background, expires)
}

fn missing(id: &str) -> ApiError {
    ApiError::new(404, "resource_not_found_exception", id)
}

/// `GET /_async_search/{id}`.
pub(super) async fn get(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params
        .only(&call.path, &[&["wait_for_completion_timeout", "keep_alive", "typed_keys"]])?;
    let keep_ms = match call.params.get("keep_alive") {
        Some(value) => Some(keep_alive(&api, "keep_alive", &value.into())?),
        None => None,
    };
    let wait_ms = time_ms(&call, "wait_for_completion_timeout", 0)?;
    let id = call.part("id");
    let background = api.kept.answers.get(id, api.now(), keep_ms).ok_or_else(|| missing(id))?;
    background.wait(Duration::from_millis(wait_ms)).await;
    let expires = api.kept.answers.expires(id).ok_or_else(|| missing(id))?;
    shown(&call, Some(id), &background, expires)
}

/// `GET /_async_search/status/{id}`.
pub(super) async fn status(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["keep_alive"]])?;
    let keep_ms = match call.params.get("keep_alive") {
        Some(value) => Some(keep_alive(&api, "keep_alive", &value.into())?),
        None => None,
    };
    let id = call.part("id");
    let background = api.kept.answers.get(id, api.now(), keep_ms).ok_or_else(|| missing(id))?;
    let expires = api.kept.answers.expires(id).ok_or_else(|| missing(id))?;
    let mut out = head(Some(id), &background, expires);
    out.insert("_shards".to_owned(), progress(&background));
    if let Some((at, outcome)) = &*background.done.borrow() {
        let status = outcome.as_ref().as_ref().map_or_else(|error| error.status, |_| 200);
        out.insert("completion_time_in_millis".to_owned(), millis(*at).into());
        out.insert("completion_status".to_owned(), status.into());
    }
    reply::json(&call, Json::Object(out))
}

/// `DELETE /_async_search/{id}`.
pub(super) async fn delete(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    let id = call.part("id");
    let background = api.kept.answers.forget(id).ok_or_else(|| missing(id))?;
    // Whoever waits for it holds it too.
    let task = background.task.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(task) = task {
        task.abort();
    }
    reply::json(&call, json!({ "acknowledged": true }))
}

fn progress(background: &Background) -> Json {
    let total = background.progress.segments.load(Ordering::Relaxed);
    let done = background.progress.done.load(Ordering::Relaxed).min(total);
    json!({ "total": total, "successful": done, "skipped": 0, "failed": 0 })
}

/// What every answer begins with.
fn head(id: Option<&str>, background: &Background, expires: Timestamp) -> Map<String, Json> {
    let mut out = Map::new();
    if let Some(id) = id {
        out.insert("id".to_owned(), id.into());
    }
    let (running, failed) = match &*background.done.borrow() {
        Some((_, outcome)) => (false, outcome.is_err()),
        None => (true, false),
    };
    out.insert("is_partial".to_owned(), (running || failed).into());
    out.insert("is_running".to_owned(), running.into());
    out.insert("start_time_in_millis".to_owned(), millis(background.started).into());
    out.insert("expiration_time_in_millis".to_owned(), millis(expires).into());
    out
}

#[derive(serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    head: Map<String, Json>,
    response: Box<RawValue>,
}

fn shown(
    call: &Call,
    id: Option<&str>,
    background: &Background,
    expires: Timestamp,
) -> Result<Response, ApiError> {
    let mut head = head(id, background, expires);
    let done = background.done.borrow().clone();
    let response = match &done {
        Some((at, outcome)) => {
            head.insert("completion_time_in_millis".to_owned(), millis(*at).into());
            match outcome.as_ref() {
                Ok(text) => text.clone(),
                Err(error) => {
                    head.insert("error".to_owned(), error.json());
                    let status = StatusCode::from_u16(error.status);
                    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    return reply::shaped(call, status, Json::Object(head));
                }
            }
        }
        None => {
            let found = background.progress.found.load(Ordering::Relaxed);
            json!({
                "took": 0,
                "timed_out": false,
                "_shards": progress(background),
                "hits": {
                    "total": { "value": found, "relation": "gte" }, "max_score": null, "hits": [],
                },
            })
            .to_string()
        }
    };
    let response = RawValue::from_string(response).map_err(|e| ApiError::internal(&e))?;
    let text = serde_json::to_string(&Shown { head, response });
    reply::json_text(call, text.map_err(|e| ApiError::internal(&e))?)
}
