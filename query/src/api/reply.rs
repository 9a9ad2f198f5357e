//! How is an answer sent? JSON, as the client asked for it.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value as Json;

use super::call::Call;
use super::error::ApiError;
use super::filter::filter_response;

/// Elasticsearch's clients refuse a server that does not say this.
pub(super) const PRODUCT: (HeaderName, &str) =
    (HeaderName::from_static("x-elastic-product"), "Elasticsearch");

/// Sends JSON.
pub(super) fn json(call: &Call, body: Json) -> Result<Response, ApiError> {
    shaped(call, StatusCode::OK, body)
}

/// Sends JSON with a status of its own.
pub(super) fn shaped(call: &Call, status: StatusCode, body: Json) -> Result<Response, ApiError> {
    let body = match call.params.get("filter_path") {
        Some(spec) => filter_response(body, spec),
        None => body,
    };
    let text = match call.params.flag("pretty")? {
        Some(true) => {
            serde_json::to_string_pretty(&body).map_err(|e| ApiError::internal(&e))? + "\n"
        }
        _ => body.to_string(),
    };
    Ok(raw(call, status, text))
}

/// Sends JSON text as it is, unless the client wants another shape of it.
pub(super) fn json_text(call: &Call, text: String) -> Result<Response, ApiError> {
    let shape = call.params.get("filter_path").is_some() || call.params.get("pretty").is_some();
    if !shape {
        return Ok(raw(call, StatusCode::OK, text));
    }
    let body = serde_json::from_str(&text).map_err(|e| ApiError::internal(&e))?;
    shaped(call, StatusCode::OK, body)
}

fn raw(call: &Call, status: StatusCode, text: String) -> Response {
    let mut response = (status, [PRODUCT], text).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, media_type(call.compatible_with));
    response
}

/// JSON, under Elasticsearch's own name where the client asks for that.
pub(super) fn media_type(compatible_with: Option<u8>) -> HeaderValue {
    let own = compatible_with.and_then(|version| {
        let kind = format!("application/vnd.elasticsearch+json;compatible-with={version}");
        HeaderValue::from_str(&kind).ok()
    });
    own.unwrap_or(HeaderValue::from_static("application/json"))
}

/// Sends plain text.
pub(super) fn text(text: String) -> Response {
    let kind = (header::CONTENT_TYPE, "text/plain; charset=UTF-8");
    (StatusCode::OK, [PRODUCT, kind], text).into_response()
}
