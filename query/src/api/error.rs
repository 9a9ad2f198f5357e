//! How is a failure told? Elasticsearch's error JSON, with the status.

use axum::http::{StatusCode, header};
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
}

impl ApiError {
    pub(super) fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into(), index: None, span: None }
    }

    pub(super) fn illegal(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    pub(super) fn no_such_index(name: &str) -> Self {
        let reason = format!("no such index [{name}]");
        Self { index: Some(name.into()), ..Self::new(404, "index_not_found_exception", reason) }
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
        error.insert("root_cause".to_owned(), json!([cause]));
        error.extend(cause);
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

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [(header::CONTENT_TYPE, "application/json"), super::reply::PRODUCT];
        let mut response = (status, headers, self.body().to_string()).into_response();
        if self.status == 429 {
            let pause = axum::http::HeaderValue::from_static("1");
            response.headers_mut().insert(header::RETRY_AFTER, pause);
        }
        response
    }
}
