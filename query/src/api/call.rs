//! What came in? Index, parameters, headers and body of a request, read under limits.

use std::convert::Infallible;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Query, RawPathParams, Request};
use axum::http::{HeaderMap, Method, header};
use platform::inflate::{Encoding, InflateError, inflate};
use serde_json::Value as Json;

use super::Api;
use super::error::ApiError;
use super::params::Params;
use crate::elastic::parse_json;

/// A request, read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path, for errors.
    pub(super) path: String,
    /// The parts of the path that have names.
    parts: Vec<(String, String)>,
    /// The index patterns of the path; empty when it names none.
    pub(super) indexes: Vec<String>,
    pub(super) params: Params,
    /// The client wants Elasticsearch's own media type, of this major version.
    pub(super) compatible_with: Option<u8>,
    pub(super) accept: String,
    pub(super) body: Bytes,
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
        let named: Vec<(String, String)> =
            names.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let index = named.iter().find(|(name, _)| name == "index").map(|(_, value)| value.as_str());
        let indexes = super::indexes::patterns(index.unwrap_or_default());
        let Query(params) =
            Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(|e| {
                ApiError::illegal(format!("the parameters of the URL are malformed: {e}"))
            })?;
        let accept = text(&parts.headers, header::ACCEPT);
        check_format(&params, &accept)?;
        let body = read_body(&parts.headers, body, api.settings.body_bytes_max).await?;
        // Clients that cannot send a body with GET send it in the URL.
        let source = params.iter().rev().find(|(name, _)| name == "source");
        let body = match source {
            Some((_, source)) if body.is_empty() => Bytes::from(source.clone()),
            _ => body,
        };
        Ok(Self {
            method: parts.method,
            path,
            parts: named,
            indexes,
            params: Params::new(params),
            compatible_with: compatible_with(&accept),
            accept,
            body,
        })
    }
}

impl Call {
    /// A named part of the path; empty when there is none.
    pub(super) fn part(&self, name: &str) -> &str {
        let part = self.parts.iter().find(|(of, _)| of == name);
        part.map_or("", |(_, value)| value.as_str())
    }

    /// The parts between commas of a named part of the path.
    pub(super) fn part_list(&self, name: &str) -> Vec<String> {
        super::indexes::patterns(self.part(name))
    }

    /// The body as JSON, if there is one.
    ///
    /// # Errors
    /// It is not JSON.
    pub(super) fn json(&self) -> Result<Option<Json>, ApiError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        Ok(Some(parse_json(&self.body)?))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// There is none, or it is not JSON.
    pub(super) fn required_json(&self) -> Result<Json, ApiError> {
        let missing = || ApiError::new(400, "parse_exception", "request body is required");
        self.json()?.ok_or_else(missing)
    }
}

/// Forms of answers that Elasticsearch has and we have not.
const FORMATS: [&str; 3] = ["yaml", "cbor", "smile"];

/// Refuses the forms of answers that there are none of.
fn check_format(params: &[(String, String)], accept: &str) -> Result<(), ApiError> {
    let format = params.iter().rev().find(|(name, _)| name == "format").map(|(_, v)| v.as_str());
    let only =
        |kind: &str| accept.contains(kind) && !accept.contains("json") && !accept.contains("*/*");
    let wanted = match format {
        Some(format) => FORMATS.into_iter().find(|kind| *kind == format),
        None => FORMATS.into_iter().find(|kind| only(kind)),
    };
    match wanted {
        None => Ok(()),
        Some(wanted) => Err(ApiError::new(
            406,
            "media_type_header_exception",
            format!("answers in the format [{wanted}] are not supported: ask for JSON"),
        )),
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

/// The body as it was before it was compressed, within the same limit.
fn inflated(encoding: &str, body: Bytes, bytes_max: usize) -> Result<Bytes, ApiError> {
    let encoding = Encoding::parse(encoding).map_err(|name| {
        ApiError::new(
            415,
            "media_type_header_exception",
            format!(
                "Content-Encoding [{name}] is not supported; accepted are [gzip, deflate, zstd, \
                 identity], one at a time"
            ),
        )
    })?;
    let plain = inflate(encoding, body, bytes_max as u64, |_| Ok::<(), Infallible>(()));
    plain.map_err(|error| match error {
        InflateError::TooLarge { .. } => too_large(bytes_max),
        InflateError::Corrupt { .. } => ApiError::new(400, "parse_exception", error.to_string()),
        InflateError::Refused(never) => match never {},
    })
}

fn too_large(bytes_max: usize) -> ApiError {
    ApiError::new(
        413,
        "content_too_long_exception",
        format!("the body is over {bytes_max} bytes (setting `query.api.body_bytes_max`)"),
    )
}

async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    let bytes = to_bytes(body, bytes_max).await.map_err(|e| {
        if e.to_string().contains("length limit exceeded") {
            return too_large(bytes_max);
        }
        ApiError::illegal(format!("the body cannot be read: {e}"))
    })?;
    if bytes.is_empty() {
        return Ok(bytes);
    }
    let bytes = inflated(&text(headers, header::CONTENT_ENCODING), bytes, bytes_max)?;
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
