//! How are records deleted over HTTP, and how far is it? `_delete_by_query` and `_tasks`.
//!
//! A deletion is a task: its records are hidden when it answers, and erased from the store
//! afterwards. Knows nothing of how that is done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::Response;
use index::read::Deletion;
use meta::names::Found;
use model::id::{IndexName, Tenant};
use model::time::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::search::{QUERY_PARAMS, query_options};
use super::{Api, reply};
use crate::elastic::{Reader, parse_json};
use crate::search::Searcher;

/// Tasks that ended badly and are remembered.
const FAILED_MAX: usize = 100;
const ACTION: &str = "indices:data/write/delete/byquery";

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The number that [`Deleting::reserve`] gave.
    pub id: u64,
    /// Whose records.
    pub tenant: Tenant,
    /// Of these indexes.
    pub indexes: Vec<IndexName>,
    /// Those that match this query, JSON; all without one.
    pub query: Option<String>,
    /// What `now` means in it.
    pub at: Timestamp,
}

/// Why nothing was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteError {
    /// It may work later.
    pub is_transient: bool,
    /// What to do about it.
    pub reason: String,
}

/// Who deletes.
pub trait Deleting: Send + Sync {
    /// A number for a deletion.
    fn reserve(&self) -> u64;
    /// Deletes: no later search sees the records. Blocks.
    ///
    /// # Errors
    /// Nothing is deleted.
    fn delete(&self, request: Delete) -> Result<Arc<Deletion>, DeleteError>;
    /// Deletions that are not finished, and some that are.
    fn deletions(&self) -> Vec<Arc<Deletion>>;
}

/// Deletions whose records are still being looked for, or that failed, by number.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Mutex<BTreeMap<u64, Begun>>>);

#[derive(Clone, Debug)]
struct Begun {
    delete: Delete,
    failed: Option<DeleteError>,
}

impl Tasks {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<u64, Begun>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, delete: &Delete) {
        self.with(|map| map.insert(delete.id, Begun { delete: delete.clone(), failed: None }));
    }

    fn end(&self, id: u64, outcome: &Result<Arc<Deletion>, DeleteError>) {
        self.with(|map| {
            match (outcome, map.get_mut(&id)) {
                (Err(error), Some(begun)) => begun.failed = Some(error.clone()),
                _ => drop(map.remove(&id)),
            }
            let failed = map.values().filter(|b| b.failed.is_some()).count();
            let oldest = map.iter().find(|(_, b)| b.failed.is_some()).map(|(id, _)| *id);
            if let (true, Some(oldest)) = (failed > FAILED_MAX, oldest) {
                map.remove(&oldest);
            }
        });
    }

    fn all(&self) -> Vec<Begun> {
        self.with(|map| map.values().cloned().collect())
    }
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        match error.is_transient {
            true => ApiError::new(503, "process_cluster_event_timeout_exception", error.reason),
            false => ApiError::new(500, "illegal_state_exception", error.reason),
        }
    }
}

/// Deletes; the task is to be seen meanwhile, and goes on when the client leaves.
pub(super) async fn run(api: &Api, delete: Delete) -> Result<Arc<Deletion>, DeleteError> {
    let (deletes, tasks) = (api.deletes.clone(), api.tasks.clone());
    tasks.begin(&delete);
    let id = delete.id;
    let done = tokio::task::spawn_blocking(move || {
        let outcome = deletes.delete(delete);
        tasks.end(id, &outcome);
        outcome
    });
    done.await.unwrap_or_else(|error| {
        let reason = format!("the deletion failed inside, see the server's log: {error}");
        Err(DeleteError { is_transient: false, reason })
    })
}

/// `POST /{index}/_delete_by_query`.
pub(super) async fn by_query(api: Api, call: Call) -> Result<Response, ApiError> {
    const KNOWN: [&str; 14] = [
        "conflicts",
        "refresh",
        "wait_for_completion",
        "slices",
        "scroll_size",
        "scroll",
        "routing",
        "preference",
        "search_type",
        "search_timeout",
        "timeout",
        "wait_for_active_shards",
        "requests_per_second",
        "request_cache",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &QUERY_PARAMS, &KNOWN, &["max_docs"]])?;
    if call.params.get("max_docs").is_some() {
        return Err(ApiError::illegal(
            "[max_docs] is not supported: a deletion takes all that matches; narrow the query",
        ));
    }
    let wait = call.params.flag("wait_for_completion")?.unwrap_or(true);
    let query = query_of(&api, &call)?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let found = Indexes::of(&api, &snapshot).found(&call.indexes, Lookup::of(&call.params)?)?;
    drop(snapshot);
    let query = Some(seen_through(query, &found).to_string());
    let indexes = found.keys().map(|name| IndexName::new(name.as_str())).collect();
    let (id, tenant) = (api.deletes.reserve(), api.tenant());
    let delete = Delete { id, tenant, indexes, query, at: api.now() };
    if !wait {
        let (api, task) = (api.clone(), task_id(&api, id));
        tokio::spawn(async move {
            if let Err(error) = run(&api, delete).await {
                tracing::warn!(deletion = id, reason = %error.reason, "a deletion failed");
            }
        });
        return reply::json(&call, json!({ "task": task }));
    }
    let started = std::time::Instant::now();
    let deletion = run(&api, delete).await?;
    let took_ms = started.elapsed().as_millis() as u64;
    reply::json(&call, response(&deletion, took_ms))
}

/// The query of the body or the URL, checked.
fn query_of(api: &Api, call: &Call) -> Result<Json, ApiError> {
    let query = match query_options(&call.params) {
        Some(options) => json!({ "query_string": options }),
        None => match call.body.is_empty() {
            true => Json::Null,
            false => match parse_json(&call.body)? {
                Json::Object(mut body) => {
                    let query = body.remove("query").unwrap_or_default();
                    if let Some(key) = body.keys().find(|key| *key != "slice") {
                        let reason = match key.as_str() {
                            "max_docs" => "[max_docs] is not supported: a deletion takes all that \
                                           matches; narrow the query"
                                .to_owned(),
                            key => format!("request does not support [{key}]"),
                        };
                        return Err(ApiError::illegal(reason));
                    }
                    query
                }
                _ => return Err(ApiError::illegal("the body must be an object with a [query]")),
            },
        },
    };
    if query.is_null() {
        let reason = "Validation Failed: 1: query is missing;";
        return Err(ApiError::new(400, "action_request_validation_exception", reason));
    }
    let read = Reader::new(api.now(), &api.settings).query(&query)?;
    Searcher::check(&read)?;
    Ok(query)
}

/// The query, for records that the aliases let through.
fn seen_through(query: Json, found: &Found) -> Json {
    if found.values().all(|meant| meant.whole) {
        return query;
    }
    let seen: Vec<Json> = found
        .iter()
        .map(|(name, meant)| {
            let index = json!({ "term": { "_index": name } });
            match meant.whole {
                true => index,
                false => json!({ "bool": {
                    "filter": index, "should": meant.filters, "minimum_should_match": 1,
                } }),
            }
        })
        .collect();
    json!({ "bool": { "filter": query, "should": seen, "minimum_should_match": 1 } })
}

/// The numbers of a deletion, as Elasticsearch counts them.
fn numbers(deletion: &Deletion) -> Map<String, Json> {
    let all = json!({
        "total": deletion.records,
        "deleted": deletion.records,
        "batches": deletion.splits,
        "version_conflicts": 0,
        "noops": 0,
        "retries": { "bulk": 0, "search": 0 },
        "throttled_millis": 0,
        "requests_per_second": -1.0,
        "throttled_until_millis": 0,
    });
    match all {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn response(deletion: &Deletion, took_ms: u64) -> Json {
    let mut out = Map::new();
    out.insert("took".to_owned(), took_ms.into());
    out.insert("timed_out".to_owned(), false.into());
    out.extend(numbers(deletion));
    out.insert("failures".to_owned(), json!([]));
    Json::Object(out)
}

fn node_id(api: &Api) -> String {
    api.registry.uuid("node")
}

fn task_id(api: &Api, id: u64) -> String {
    format!("{}:{id}", node_id(api))
}

/// Deletions whose records are being looked for: task, action, and when each began.
pub(super) fn running(api: &Api) -> Vec<(String, &'static str, Timestamp)> {
    let begun = api.tasks.all().into_iter().filter(|begun| begun.failed.is_none());
    begun.map(|begun| (task_id(api, begun.delete.id), ACTION, begun.delete.at)).collect()
}

fn names(indexes: &[IndexName]) -> String {
    indexes.iter().map(IndexName::as_str).collect::<Vec<_>>().join(", ")
}

/// What is known of a task.
struct Task {
    id: u64,
    indexes: Vec<IndexName>,
    at: Timestamp,
    deletion: Option<Arc<Deletion>>,
    failed: Option<DeleteError>,
}

impl Task {
    fn is_done(&self) -> bool {
        self.failed.is_some() || self.deletion.as_ref().is_some_and(|d| d.finished.is_some())
    }

    fn json(&self, api: &Api) -> Json {
        let end = self.deletion.as_ref().and_then(|d| d.finished).unwrap_or_else(|| api.now());
        let mut status = match &self.deletion {
            Some(deletion) => numbers(deletion),
            None => Map::new(),
        };
        // What is erased of what is hidden: the progress.
        if let Some(deletion) = &self.deletion {
            status.insert("deleted".to_owned(), deletion.erased.into());
        }
        json!({
            "node": node_id(api),
            "id": self.id,
            "type": "transport",
            "action": ACTION,
            "status": status,
            "description": format!("delete-by-query [{}]", names(&self.indexes)),
            "start_time_in_millis": self.at.millis(),
            "running_time_in_nanos": (end.0 - self.at.0).max(0),
            "cancellable": false,
            "cancelled": false,
            "headers": {},
        })
    }
}

fn all_tasks(api: &Api) -> Vec<Task> {
    let mut out: BTreeMap<u64, Task> = BTreeMap::new();
    for Begun { delete, failed } in api.tasks.all() {
        let Delete { id, indexes, at, .. } = delete;
        out.insert(id, Task { id, indexes, at, deletion: None, failed });
    }
    for deletion in api.deletes.deletions() {
        if deletion.tenant == api.tenant() {
            let (id, indexes, at) = (deletion.id, deletion.indexes.clone(), deletion.at);
            let task = Task { id, indexes, at, deletion: Some(deletion), failed: None };
            out.insert(id, task);
        }
    }
    out.into_values().collect()
}

/// `GET /_tasks`: those that run.
pub(super) async fn tasks(api: Api, call: Call) -> Result<Response, ApiError> {
    const KNOWN: [&str; 8] = [
        "actions",
        "detailed",
        "group_by",
        "node_id",
        "nodes",
        "parent_task_id",
        "timeout",
        "wait_for_completion",
    ];
    call.params.only(&call.path, &[&KNOWN])?;
    let actions = call.params.list("actions");
    let wanted =
        actions.is_empty() || actions.iter().any(|pattern| crate::plan::glob(pattern, ACTION));
    let running = all_tasks(&api).into_iter().filter(|task| wanted && !task.is_done());
    let listed: Map<String, Json> =
        running.map(|task| (task_id(&api, task.id), task.json(&api))).collect();
    match call.params.get("group_by").unwrap_or("nodes") {
        "nodes" => {
            let name = &api.settings.cluster_name;
            let node =
                json!({ "name": name, "roles": ["data", "ingest", "master"], "tasks": listed });
            let nodes = match listed.is_empty() {
                true => json!({}),
                false => json!({ node_id(&api): node }),
            };
            reply::json(&call, json!({ "nodes": nodes }))
        }
        "none" => {
            let list: Vec<Json> = listed.into_iter().map(|(_, task)| task).collect();
            reply::json(&call, json!({ "tasks": list }))
        }
        "parents" => reply::json(&call, json!({ "tasks": listed })),
        other => Err(ApiError::illegal(format!(
            "[group_by] must be nodes, parents or none, got [{other}]"
        ))),
    }
}

fn find(api: &Api, call: &Call) -> Result<Task, ApiError> {
    let text = call.part("task");
    let number = text.strip_prefix(&node_id(api)).and_then(|rest| rest.strip_prefix(':'));
    let Some(number) = number.and_then(|n| n.parse::<u64>().ok()) else {
        return Err(match text.contains(':') {
            true => no_task(text),
            false => ApiError::illegal(format!("malformed task id {text}")),
        });
    };
    let found = all_tasks(api).into_iter().find(|task| task.id == number);
    found.ok_or_else(|| no_task(text))
}

fn no_task(id: &str) -> ApiError {
    let reason = format!("task [{id}] isn't running and hasn't stored its results");
    ApiError::new(404, "resource_not_found_exception", reason)
}

/// `GET /_tasks/{task}`.
pub(super) async fn task(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["wait_for_completion", "timeout"]])?;
    let task = find(&api, &call)?;
    let mut out = Map::new();
    out.insert("completed".to_owned(), task.is_done().into());
    out.insert("task".to_owned(), task.json(&api));
    match (&task.failed, &task.deletion) {
        (Some(error), _) => {
            out.insert("error".to_owned(), ApiError::from(error.clone()).json());
        }
        (None, Some(deletion)) if task.is_done() => {
            let end = deletion.finished.unwrap_or(deletion.at);
            let took_ms = (end.millis() - deletion.at.millis()).max(0);
            out.insert("response".to_owned(), response(deletion, took_ms.unsigned_abs()));
        }
        _ => {}
    }
    reply::json(&call, Json::Object(out))
}

/// `POST /_tasks/{task}/_cancel`: what is hidden stays hidden.
pub(super) async fn cancel(api: Api, call: Call) -> Result<Response, ApiError> {
    let task = find(&api, &call)?;
    let id = task_id(&api, task.id);
    Err(ApiError::illegal(format!("task [{id}] doesn't support cancellation")))
}
