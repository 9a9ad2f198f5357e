//! What of queries in pipes that take longer than a client waits? `_query/async`: started, asked
//! for, deleted.
//!
//! They are kept among the asynchronous searches, and count with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::Response;
use serde_json::{Map, Value as Json, json};

use super::background::{Background, check_size, spawn};
use super::call::Call;
use super::contexts::keep_alive;
use super::error::ApiError;
use super::esql::{Shape, answer, asked, flag, members};
use super::{Api, reply};
use crate::dates::time_value;
use crate::esql::show;
use crate::search::Progress;

/// How long a client waits that does not say.
const WAIT_MS: u64 = 1_000;
/// How long an answer is kept when the client does not say: five days.
const KEEP_MS: u64 = 5 * 86_400_000;

/// A time in milliseconds.
fn time_ms(name: &str, value: &Json) -> Result<u64, ApiError> {
    let ns = value.as_str().and_then(time_value).ok_or_else(|| {
        ApiError::illegal(format!(
            "failed to parse setting [{name}] with value [{value}] as a time value: unit is \
             missing or unrecognized"
        ))
    })?;
    Ok(u64::try_from(ns).unwrap_or(0).div_ceil(1_000_000))
}

/// What a submit says besides the query.
struct Keeping {
    wait_ms: u64,
    keep_ms: u64,
    keep: bool,
}

impl Keeping {
    fn of(api: &Api, body: &Map<String, Json>) -> Result<Self, ApiError> {
        let wait = body.get("wait_for_completion_timeout");
        let keep = body.get("keep_on_completion");
        Ok(Self {
            wait_ms: wait.map_or(Ok(WAIT_MS), |v| time_ms("wait_for_completion_timeout", v))?,
            keep_ms: match body.get("keep_alive") {
                Some(value) => keep_alive(api, "keep_alive", value)?,
                None => KEEP_MS.min(api.settings.contexts.keep_alive_ms_max),
            },
            keep: keep.map_or(Ok(false), |v| flag("keep_on_completion", v))?,
        })
    }
}

/// `POST /_query/async`.
pub(super) async fn submit(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["format", "drop_null_columns", "allow_partial_results"];
    call.params.only(&call.path, &[&known])?;
    if Shape::of(&call)? != Shape::Json {
        return Err(ApiError::illegal("an asynchronous query is answered as [json] only"));
    }
    let drop_nulls = call.params.flag("drop_null_columns")?.unwrap_or(false);
    let body = members(&call)?;
    let keeping = Keeping::of(&api, &body)?;
    let asked = asked(&api, &body)?;
    let (task_api, columnar) = (api.clone(), asked.columnar);
    let work = async move {
        let start = Instant::now();
        let table = answer(&task_api, asked).await?;
        let took = start.elapsed().as_millis() as u64;
        let text = show::esql_json(&table, took, (columnar, drop_nulls)).to_string();
        check_size(&task_api, &text)?;
        Ok(text)
    };
    let background = spawn(&api, Arc::new(Progress::default()), call.body.len(), work);
    background.wait(Duration::from_millis(keeping.wait_ms)).await;
    let is_done = background.done.borrow().is_some();
    if is_done && !keeping.keep {
        return shown(&call, None, &background);
    }
    let max = api.settings.contexts.async_max;
    let id = api.kept.answers.keep(background.clone(), (api.now(), keeping.keep_ms), max);
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
    shown(&call, Some(&id), &background)
}

/// `GET /_query/async/{id}`.
pub(super) async fn get(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["wait_for_completion_timeout", "keep_alive", "drop_null_columns", "format"];
    call.params.only(&call.path, &[&known])?;
    let keep_ms = match call.params.get("keep_alive") {
        Some(value) => Some(keep_alive(&api, "keep_alive", &value.into())?),
        None => None,
    };
    let wait_ms = match call.params.get("wait_for_completion_timeout") {
        Some(value) => time_ms("wait_for_completion_timeout", &value.into())?,
        None => 0,
    };
    let id = call.part("id");
    let found = api.kept.answers.get(id, api.now(), keep_ms);
    let background = found.ok_or_else(|| ApiError::new(404, "resource_not_found_exception", id))?;
    background.wait(Duration::from_millis(wait_ms)).await;
    shown(&call, Some(id), &background)
}

/// The answer, or that there is none yet.
fn shown(call: &Call, id: Option<&str>, background: &Background) -> Result<Response, ApiError> {
    let done = background.done.borrow().clone();
    let mut head = Map::new();
    if let Some(id) = id {
        head.insert("id".to_owned(), id.into());
    }
    head.insert("is_running".to_owned(), done.is_none().into());
    let Some((_, outcome)) = done else {
        head.insert("columns".to_owned(), json!([]));
        head.insert("values".to_owned(), json!([]));
        return reply::json(call, Json::Object(head));
    };
    match outcome.as_ref() {
        Ok(text) => {
            let head = Json::Object(head).to_string();
            // The members of the answer follow those of the head.
            let text = format!("{},{}", &head[..head.len() - 1], &text[1..]);
            reply::json_text(call, text)
        }
        Err(error) => Err(error.clone()),
    }
}
