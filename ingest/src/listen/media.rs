//! Which media types come in and go out? Elasticsearch's, with and without their version.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::failure::Failure;
use crate::parse::clip;

const ACCEPTED: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "application/vnd.elasticsearch+json",
    "application/vnd.elasticsearch+x-ndjson",
];

/// Refuses a body of a type that is no JSON. No type is fine.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or("").trim();
    if essence.is_empty() || ACCEPTED.iter().any(|a| essence.eq_ignore_ascii_case(a)) {
        return Ok(());
    }
    Err(Failure::new(
        406,
        "media_type_header_exception",
        format!(
            "Content-Type header [{}] is not supported; accepted are [{}]",
            clip(&text),
            ACCEPTED.join(", ")
        ),
    ))
}

/// The form of an answer.
#[derive(Clone, Debug)]
pub(super) struct Form(HeaderValue);

impl Form {
    /// Plain JSON, or the versioned type that the client asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let version = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(asked_version);
        let plain = HeaderValue::from_static("application/json");
        Self(version.map_or(plain, |n| {
            let text = format!("application/vnd.elasticsearch+json;compatible-with={n}");
            HeaderValue::try_from(text).expect("the text is visible ASCII")
        }))
    }

    pub(super) fn mark(&self, response: &mut Response) {
        response.headers_mut().insert(header::CONTENT_TYPE, self.0.clone());
    }
}

fn asked_version(media: &str) -> Option<u8> {
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next()?;
    if !essence.eq_ignore_ascii_case("application/vnd.elasticsearch+json")
        && !essence.eq_ignore_ascii_case("application/vnd.elasticsearch+x-ndjson")
    {
        return None;
    }
    parts.find_map(|p| p.strip_prefix("compatible-with=")?.parse().ok())
}
