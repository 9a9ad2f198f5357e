//! What came in? Index, parameters, headers and body of a request, read under limits.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Query, RawPathParams, Request};
use axum::http::{HeaderMap, Method, header};

use super::Api;
use super::error::ApiError;
use super::params::Params;

/// A request, read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path, for errors.
    pub(super) path: String,
    /// The index patterns of the path; empty when it names none.
    pub(super) indexes: Vec<String>,
    /// The other parts of the path, by name.
    pub(super) path_values: Vec<(String, String)>,
    pub(super) params: Params,
    /// The client wants Elasticsearch's own media type, of this major version.
    pub(super) compatible_with: Option<u8>,
    pub(super) accept: String,
    pub(super) body: Bytes,
}

impl Call {
    /// A part of the path by its name in the route.
    pub(super) fn path_value(&self, name: &str) -> Option<&str> {
        let found = self.path_values.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl FromRequest<Api> for Call {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let names = <RawPathParams as axum::extract::FromRequestParts<Api>>::from_request_parts(
            &mut parts, api,
        )
        .await
        .map_err(|_| ApiError::illegal(format!("the path `{path}` is not valid UTF-8")))?;
        let index = names.iter().find(|(name, _)| *name == "index").map(|(_, value)| value);
        let indexes = super::indexes::patterns(index.unwrap_or_default());
        let path_values = names.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let path_values = path_values.collect();
        let Query(params) =
            Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|e| {
                ApiError::illegal(format!("the parameters of the URL are malformed: {e}"))
            })?;
        let accept = text(&parts.headers, header::ACCEPT);
        let body = read_body(&parts.headers, body, api.settings.body_bytes_max).await?;
        Ok(Self {
            method: parts.method,
            path,
            indexes,
            path_values,
            params: Params::new(params),
            compatible_with: compatible_with(&accept),
            accept,
            body,
        })
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
}

/// The major version of `application/vnd.elasticsearch+json; compatible-with=8`.
fn compatible_with(accept: &str) -> Option<u8> {
    let (_, rest) = accept.split_once("application/vnd.elasticsearch+json")?;
    let (_, version) = rest.split_once("compatible-with=")?;
    version.bytes().next().filter(u8::is_ascii_digit).map(|b| b - b'0')
}

async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let bytes = to_bytes(body, bytes_max).await.map_err(|e| {
        if e.to_string().contains("length limit exceeded") {
            return ApiError::new(
                413,
                "content_too_long_exception",
                format!("the body is over {bytes_max} bytes (setting `query.api.body_bytes_max`)"),
            );
        }
        ApiError::illegal(format!("the body cannot be read: {e}"))
    })?;
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let encoding = text(headers, header::CONTENT_ENCODING);
    if !matches!(encoding.as_str(), "" | "identity") {
        return Err(ApiError::new(
            415,
            "illegal_argument_exception",
            format!("Content-Encoding [{encoding}] is not supported for searches: send it plain"),
        ));
    }
    let kind = text(headers, header::CONTENT_TYPE);
    let media = kind.split(';').next().unwrap_or_default().trim();
    let json = media.is_empty()
        || media == "application/json"
        || media == "application/x-ndjson"
        || media.starts_with("application/vnd.elasticsearch+");
    if !json {
        return Err(ApiError::new(
            406,
            "media_type_header_exception",
            format!("Content-Type header [{media}] is not supported: send application/json"),
        ));
    }
    Ok(bytes)
}
