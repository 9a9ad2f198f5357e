//! How is a question asked over HTTP? Elasticsearch's search API and our own.
//!
//! The only module of the crate that knows axum and the JSON of responses. Each endpoint is a
//! function from a [`call::Call`] to a response; [`endpoint`] counts them all alike. The time of
//! a search is measured where it runs.

mod admin;
mod aliases;
mod call;
mod caps;
mod cat;
mod cluster;
mod documents;
mod error;
mod fields;
mod filter;
mod hits;
mod indexes;
mod lifecycle;
mod made;
mod mapping;
mod native;
mod nodes;
mod params;
mod pipelines;
mod reply;
mod search;
mod stats;
mod stream;
mod streams;
mod templates;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use meta::registry::Draft;
use meta::{Fault, Registry};
use model::id::{IndexName, Tenant};
use model::time::Timestamp;
use platform::clock::Clock;
use platform::telemetry::{self, Metric};

use self::call::Call;
use self::error::ApiError;
pub use self::fields::FieldCache;
pub use self::indexes::KnownIndexes;
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
    /// What clients set up.
    pub registry: Arc<Registry>,
    /// Deletes the records of indexes; without it indexes that have records cannot be deleted.
    pub deleter: Option<Arc<dyn DeleteIndex>>,
    /// The indexes of the published splits.
    pub known: Arc<KnownIndexes>,
    /// The fields of the published splits.
    pub fields: Arc<FieldCache>,
    /// Where and since when the server runs.
    pub node: Arc<NodeInfo>,
}

/// Deletes the records of whole indexes.
pub trait DeleteIndex: Send + Sync {
    /// Deletes all records of these indexes that were accepted until now; blocks. They are found
    /// by no search that begins after this has returned.
    ///
    /// # Errors
    /// Why they could not be deleted.
    fn delete_index(&self, tenant: &Tenant, names: &[IndexName]) -> Result<(), String>;
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
        let answer = match call {
            Ok(call) => handler(api, call).await,
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            telemetry::count_by(Metric::SearchErrors, "type", error.kind, 1);
            error.into_response()
        })
    })
}

/// The routes of searching. Paths with an index name it `{index}`, as ingest's routes do.
pub fn router(api: Api) -> Router {
    let get = MethodFilter::GET;
    let both = MethodFilter::GET.or(MethodFilter::POST);
    let mut router = Router::new()
        .route("/", endpoint(get, "root", cluster::root))
        .route("/_license", endpoint(get, "license", cluster::license))
        .route("/_cluster/health", endpoint(get, "health", cluster::health))
        .route("/_cluster/health/{index}", endpoint(get, "health", cluster::health))
        .route("/api/v1/search", endpoint(get, "export", native::search))
        .route("/api/v1/histogram", endpoint(get, "histogram", native::histogram))
        .route("/api/v1/tail", endpoint(get, "tail", native::tail));
    for prefix in ["", "/{index}"] {
        let at = |name: &str| format!("{prefix}/{name}");
        router = router
            .route(&at("_search"), endpoint(both, "search", search::search))
            .route(&at("_count"), endpoint(both, "count", search::count))
            .route(&at("_msearch"), endpoint(both, "msearch", search::msearch))
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
