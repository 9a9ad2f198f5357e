//! What holds for every response? The product header, unknown routes, health and metrics.
//!
//! Knows no protocol of its own: the parts bring their routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use platform::telemetry;

/// Whether the server takes requests: not before recovery, not after the stop began.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Changes what `/readyz` says.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }
}

/// All routes of the server.
pub fn router(parts: Router, readiness: Readiness) -> Router {
    let health = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness);
    parts
        .merge(health)
        .fallback(no_handler)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(name_product))
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.0.load(Ordering::Acquire) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: starting or stopping\n").into_response()
    }
}

async fn metrics() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, telemetry::render("logdrive_")).into_response()
}

/// Elasticsearch's clients refuse a server that does not say this, on errors too.
async fn name_product(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let name = HeaderValue::from_static("Elasticsearch");
    response.headers_mut().insert("x-elastic-product", name);
    response
}

fn refusal(status: StatusCode, kind: &str, reason: String) -> Response {
    let cause = serde_json::json!({ "type": kind, "reason": reason });
    let body = serde_json::json!({
        "error": { "root_cause": [cause], "type": kind, "reason": reason },
        "status": status.as_u16(),
    });
    (status, Json(body)).into_response()
}

async fn no_handler(method: Method, uri: Uri) -> Response {
    let reason = format!("no handler found for uri [{uri}] and method [{method}]");
    refusal(StatusCode::BAD_REQUEST, "illegal_argument_exception", reason)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let reason = format!("Incorrect HTTP method for uri [{uri}] and method [{method}]");
    refusal(StatusCode::METHOD_NOT_ALLOWED, "illegal_argument_exception", reason)
}
