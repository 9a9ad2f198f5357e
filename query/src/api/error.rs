//! How is a failure told? Elasticsearch's error JSON, with the status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use meta::Fault;
use serde_json::{Map, Value as Json, json};

use crate::error::{ErrorKind, QueryError};

/// A failed request.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    pub(super) status: u16,
    /// Elasticsearch's name of the kind.
    pub(super) kind: &'static str,
    pub(super) reason: String,
    /// The index that is missing.
    index: Option<Box<str>>,
    /// Byte span in the query string.
    pub(super) span: Option<(usize, usize)>,
    /// The root cause, where it is another one, and what else is told.
    more: Option<Box<(Json, Map<String, Json>)>>,
}

impl ApiError {
    pub(super) fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into(), index: None, span: None, more: None }
    }

    pub(super) fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    pub(super) fn no_such_index(name: &str) -> Self {
        let reason = format!("no such index [{name}]");
        Self { index: Some(name.into()), ..Self::new(404, "index_not_found_exception", reason) }
    }

    /// A request that Elasticsearch refuses before it looks at anything.
    pub(super) fn invalid(reason: &str) -> Self {
        let reason = format!("Validation Failed: 1: {reason};");
        Self::new(400, "action_request_validation_exception", reason)
    }

    /// A scroll or point in time that is not there, or no more.
    pub(super) fn no_such_context(id: &str) -> Self {
        let root = json!({
            "type": "search_context_missing_exception",
            "reason": format!("No search context found for id [{id}]"),
        });
        let failed = json!([{ "shard": -1, "index": Json::Null, "reason": root }]);
        Self::new(404, "search_phase_execution_exception", "all shards failed")
            .in_phase("query", root, failed)
    }

    /// An error of a phase of a search, with its cause and the shards that failed.
    pub(super) fn in_phase(mut self, phase: &str, root: Json, failed_shards: Json) -> Self {
        let mut more = Map::new();
        more.insert("phase".to_owned(), phase.into());
        more.insert("grouped".to_owned(), true.into());
        more.insert("failed_shards".to_owned(), failed_shards);
        more.insert("caused_by".to_owned(), root.clone());
        self.more = Some(Box::new((root, more)));
        self
    }

    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        Self::new(500, "search_phase_execution_exception", error.to_string())
    }

    /// The value of `error`.
    pub(super) fn json(&self) -> Json {
        let mut cause = Map::new();
        cause.insert("type".to_owned(), self.kind.into());
        cause.insert("reason".to_owned(), self.reason.clone().into());
        if let Some(name) = self.index.as_deref() {
            let missing = self.kind == "index_not_found_exception";
            let resource = [("resource.type", "index_or_alias"), ("resource.id", name)];
            let about = [("index_uuid", "_na_"), ("index", name)];
            for (key, value) in resource.into_iter().filter(|_| missing).chain(about) {
                cause.insert(key.to_owned(), value.into());
            }
        }
        let mut error = Map::new();
        let root = self.more.as_ref().map_or_else(|| json!(cause), |more| more.0.clone());
        error.insert("root_cause".to_owned(), json!([root]));
        error.extend(cause);
        if let Some(more) = &self.more {
            error.extend(more.1.clone());
        }
        if let Some((from, to)) = self.span {
            error.insert("span".to_owned(), json!([from, to]));
        }
        Json::Object(error)
    }

    /// The whole body: the error with its status.
    pub(super) fn body(&self) -> Json {
        json!({ "error": self.json(), "status": self.status })
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let status = error.kind.status();
        if error.kind == ErrorKind::Internal {
            tracing::error!(reason = %error.reason, "a search failed");
        }
        Self { span: error.span, ..Self::new(status, error.kind.type_name(), error.reason) }
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let index = fault.index.map(String::into_boxed_str);
        Self { index, ..Self::new(fault.status, fault.kind, fault.reason) }
    }
}

impl ApiError {
    /// The response, as the client wants JSON.
    pub(super) fn response(&self, pretty: bool, compatible_with: Option<u8>) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = self.body();
        let text = match pretty {
            true => serde_json::to_string_pretty(&body).unwrap_or_default() + "\n",
            false => body.to_string(),
        };
        let mut response = (status, [super::reply::PRODUCT], text).into_response();
        let kind = super::reply::media_type(compatible_with);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if self.status == 429 {
            let pause = HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, pause);
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response(false, None)
    }
}
