//! How is a refused request answered? Status, type and reason in Elasticsearch's error form.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::telemetry::{self, Metric};
use serde_json::json;

use super::media::Form;
use crate::error::Refusal;
use crate::frame::InflateError;
use crate::parse::{ItemFault, TooManyDocuments};

/// A request that is not taken.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) reason: String,
    /// The metrics' label.
    pub(super) label: &'static str,
    pub(super) retry_after_s: Option<u32>,
}

impl Failure {
    pub(super) fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        let label = match status {
            406 | 415 => "media_type",
            408 => "timeout",
            413 => "too_large",
            500.. => "internal",
            _ => "bad_request",
        };
        Self { status, kind, reason: reason.into(), label, retry_after_s: None }
    }

    /// A bad argument: 400.
    pub(super) fn argument(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    pub(super) fn too_large(reason: impl Into<String>) -> Self {
        Self::new(413, "content_too_long_exception", reason)
    }

    /// The answer; counts it.
    pub(super) fn respond(self, form: &Form) -> Response {
        telemetry::count_by(Metric::IngestRefusedRequests, "reason", self.label, 1);
        let cause = json!({ "type": self.kind, "reason": self.reason });
        let body = json!({
            "error": { "root_cause": [cause], "type": self.kind, "reason": self.reason },
            "status": self.status,
        });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body.to_string()).into_response();
        form.mark(&mut response);
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: refusal.status(),
            kind: refusal.kind(),
            reason: refusal.to_string(),
            label: refusal.label(),
            retry_after_s: refusal.retry_after_s(),
        }
    }
}

impl From<InflateError> for Failure {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::Refused(refusal) => refusal.into(),
            InflateError::TooLarge { .. } => Self::too_large(error.to_string()),
            InflateError::Corrupt { .. } => Self::new(400, "parse_exception", error.to_string()),
        }
    }
}

impl From<TooManyDocuments> for Failure {
    fn from(error: TooManyDocuments) -> Self {
        Self::too_large(error.to_string())
    }
}

impl From<ItemFault> for Failure {
    fn from(fault: ItemFault) -> Self {
        Self::new(fault.status, fault.kind, fault.reason)
    }
}
