//! How is a question asked over HTTP? Elasticsearch's search API and our own.
//!
//! The only module of the crate that knows axum and the JSON of responses. Each endpoint is a
//! function from a [`call::Call`] to a response; [`endpoint`] counts them all alike. The time of
//! a search is measured where it runs.

mod admin;
mod aliases;
mod background;
mod call;
mod caps;
mod cat;
mod cluster;
mod contexts;
mod count;
pub mod delete;
mod documents;
mod error;
mod esql;
mod esql_async;
mod explain;
mod fields;
pub(crate) mod filter;
mod hits;
mod indexes;
mod kept;
mod lifecycle;
mod made;
mod mapping;
mod msearch;
mod native;
mod nodes;
mod params;
mod pipelines;
mod reply;
mod search;
mod sql;
mod stats;
mod stream;
mod streams;
mod templates;
#[cfg(test)]
mod tests;
mod typed;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use meta::registry::Draft;
use meta::{Fault, Registry};
use model::id::Tenant;
use model::time::Timestamp;
use platform::clock::Clock;
use platform::telemetry::{self, Metric};

use self::call::Call;
use self::error::ApiError;
pub use self::fields::FieldCache;
pub use self::indexes::KnownIndexes;
pub use self::kept::Kept;
pub use self::nodes::NodeInfo;
use crate::search::Searcher;
pub use crate::settings::ApiSettings as Settings;

/// What the endpoints share.
#[derive(Clone)]
pub struct Api {
    /// Answers the searches.
    pub searcher: Searcher,
    /// What `now` means.
    pub clock: Arc<dyn Clock>,
    /// Limits, and what clients are told.
    pub settings: Settings,
    /// The id that clients are told.
    pub cluster_uuid: String,
    /// Deletes records.
    pub deletes: Arc<dyn delete::Deleting>,
    /// Deletions that have begun.
    pub tasks: delete::Tasks,
    /// What clients set up.
    pub registry: Arc<Registry>,
    /// The indexes of the published splits.
    pub known: Arc<KnownIndexes>,
    /// Scrolls, points in time and asynchronous searches.
    pub kept: Kept,
    /// The fields of the published splits.
    pub fields: Arc<FieldCache>,
    /// Where and since when the server runs.
    pub node: Arc<NodeInfo>,
}

impl Api {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ns())
    }

    /// The unique name of the node: there is one.
    fn node_id(&self) -> String {
        self.registry.uuid("node")
    }

    /// Changes what is set up, off the async runtime.
    async fn update<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, ApiError> {
        let registry = self.registry.clone();
        let done = tokio::task::spawn_blocking(move || registry.update(change)).await;
        Ok(done.map_err(|error| ApiError::internal(&error))??)
    }

    /// Whose records: there is one tenant until requests name theirs.
    fn tenant(&self) -> Tenant {
        Tenant::default()
    }
}

type Answer = Result<Response, ApiError>;

/// An endpoint: reads the call, runs `handler`, counts it under `name`.
fn endpoint<F, A>(methods: MethodFilter, name: &'static str, handler: F) -> MethodRouter<Api>
where
    F: Fn(Api, Call) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    on(methods, move |State(api): State<Api>, call: Result<Call, ApiError>| async move {
        telemetry::count_by(Metric::SearchRequests, "endpoint", name, 1);
        let (mut pretty, mut compatible_with) = (false, None);
        let answer = match call {
            Ok(call) => {
                pretty = matches!(call.params.flag("pretty"), Ok(Some(true)));
                compatible_with = call.compatible_with;
                handler(api, call).await
            }
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            telemetry::count_by(Metric::SearchErrors, "type", error.kind, 1);
            error.response(pretty, compatible_with)
        })
    })
}

/// The routes of searching. Paths with an index name it `{index}`, as ingest's routes do.
pub fn router(api: Api) -> Router {
    let (get, post, delete) = (MethodFilter::GET, MethodFilter::POST, MethodFilter::DELETE);
    let both = MethodFilter::GET.or(MethodFilter::POST);
    let mut router = Router::new()
        .route("/", endpoint(get, "root", cluster::root))
        .route("/_license", endpoint(get, "license", cluster::license))
        .route("/_cluster/health", endpoint(get, "health", cluster::health))
        .route("/_cluster/health/{index}", endpoint(get, "health", cluster::health))
        .route("/{index}/_delete_by_query", endpoint(post, "delete_by_query", delete::by_query))
        .route("/_tasks", endpoint(get, "tasks", delete::tasks))
        .route("/_tasks/{task}", endpoint(get, "tasks", delete::task))
        .route("/_tasks/{task}/_cancel", endpoint(post, "tasks", delete::cancel))
        .route("/{index}/_explain/{id}", endpoint(both, "explain", explain::explain))
        .route("/_query", endpoint(post, "esql", esql::query))
        .route("/_query/async", endpoint(post, "esql_async", esql_async::submit))
        .route("/_query/async/{id}", endpoint(get, "esql_async", esql_async::get))
        .route("/_query/async/{id}", endpoint(delete, "esql_async", background::delete))
        .route("/_sql", endpoint(both, "sql", sql::query))
        .route("/_sql/close", endpoint(post, "sql", sql::close))
        .route("/api/v1/search", endpoint(get, "export", native::search))
        .route("/api/v1/histogram", endpoint(get, "histogram", native::histogram))
        .route("/api/v1/tail", endpoint(get, "tail", native::tail));
    for path in ["/_search/scroll", "/_search/scroll/{id}"] {
        router = router
            .route(path, endpoint(both, "scroll", contexts::next))
            .route(path, endpoint(delete, "clear_scroll", contexts::clear));
    }
    router = router
        .route("/_render/template", endpoint(both, "render", search::render))
        .route("/_pit", endpoint(delete, "close_pit", contexts::close_pit))
        .route("/_pit", endpoint(post, "open_pit", contexts::open_pit))
        .route("/{index}/_pit", endpoint(post, "open_pit", contexts::open_pit))
        .route("/_async_search/status/{id}", endpoint(get, "async_search", background::status))
        .route("/_async_search/{id}", endpoint(get, "async_search", background::get))
        .route("/_async_search/{id}", endpoint(delete, "async_search", background::delete));
    for prefix in ["", "/{index}"] {
        let at = |name: &str| format!("{prefix}/{name}");
        router = router
            .route(&at("_search"), endpoint(both, "search", search::search))
            .route(&at("_count"), endpoint(both, "count", count::count))
            .route(&at("_validate/query"), endpoint(both, "validate", count::validate))
            .route(&at("_msearch"), endpoint(both, "msearch", msearch::msearch))
            .route(&at("_search/template"), endpoint(both, "search", search::template))
            .route(&at("_msearch/template"), endpoint(both, "msearch", msearch::template))
            .route(&at("_async_search"), endpoint(post, "async_search", background::submit))
            .route(&at("_mapping"), endpoint(get, "mapping", mapping::mapping))
            .route(&at("_mappings"), endpoint(get, "mapping", mapping::mapping))
            .route(&at("_mapping/field/{fields}"), endpoint(get, "mapping", mapping::field))
            .route(&at("_field_caps"), endpoint(both, "field_caps", caps::field_caps))
            .route(&at("_refresh"), endpoint(both, "refresh", cluster::refresh));
    }
    let set_up = templates::routes()
        .merge(lifecycle::routes())
        .merge(streams::routes())
        .merge(aliases::routes())
        .merge(pipelines::routes())
        .merge(made::routes())
        .merge(cat::routes())
        .merge(nodes::routes())
        .merge(stats::routes())
        .merge(admin::routes())
        .merge(documents::routes());
    router.merge(set_up).with_state(api)
}
