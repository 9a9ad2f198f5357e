//! How does a body come in? Within the limits, the budget and a time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use super::failure::Failure;
use super::media;
use crate::Ingest;
use crate::admit::Permit;
use crate::frame::{Encoding, inflate};
use crate::parse::clip;

/// How long the rest of a refused body is read, so that the client hears the answer.
const DISCARD_MAX: Duration = Duration::from_secs(5);
/// Room that is made for a body before its bytes are there.
const RESERVE_BYTES_MAX: u64 = 1 << 20;

/// A body as it was sent.
#[derive(Debug)]
pub(super) struct TakenIn {
    body: Bytes,
    encoding: Encoding,
    permit: Permit,
}

impl TakenIn {
    /// The plain bytes, with the permit that covers both forms. CPU work.
    pub(super) fn inflate(self, limit_bytes: u64) -> Result<(Bytes, Permit), Failure> {
        let Self { body, encoding, mut permit } = self;
        let plain = inflate(encoding, body, limit_bytes, |by| permit.grow(by))?;
        Ok((plain, permit))
    }
}

/// Reads a body, unless something forbids it beforehand. What `checked` holds is given back.
pub(super) async fn take_in<T>(
    ingest: &Ingest,
    headers: &HeaderMap,
    body: Body,
    checked: Result<T, Failure>,
) -> Result<(T, TakenIn), Failure> {
    let mut stream = body.into_data_stream();
    let taken = match checked.and_then(|t| Ok((t, check(ingest, headers)?))) {
        Ok((t, encoding)) => read(ingest, headers, &mut stream, encoding).await.map(|b| (t, b)),
        Err(failure) => Err(failure),
    };
    // A client that waits for "100 continue" has sent nothing and reads the answer at once.
    if taken.is_err() && !headers.contains_key(header::EXPECT) {
        discard(&mut stream, ingest.settings().request_bytes_max).await;
    }
    taken
}

fn check(ingest: &Ingest, headers: &HeaderMap) -> Result<Encoding, Failure> {
    media::check_content_type(headers)?;
    let encoding = match headers.get(header::CONTENT_ENCODING) {
        None => Encoding::Identity,
        Some(value) => {
            let text = String::from_utf8_lossy(value.as_bytes());
            Encoding::parse(&text).map_err(|name| {
                let reason = format!(
                    "Content-Encoding [{}] is not supported; accepted are [gzip, deflate, zstd, \
                     identity], one at a time",
                    clip(&name)
                );
                Failure::new(415, "media_type_header_exception", reason)
            })?
        }
    };
    let announced = content_length(headers);
    if announced > ingest.settings().request_bytes_max {
        return Err(too_large(ingest));
    }
    ingest.check_door(announced)?;
    Ok(encoding)
}

fn content_length(headers: &HeaderMap) -> u64 {
    let value = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    value.and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn too_large(ingest: &Ingest) -> Failure {
    Failure::too_large(format!(
        "the request body is larger than `request_bytes_max` = {} bytes; send smaller requests",
        ingest.settings().request_bytes_max
    ))
}

async fn read(
    ingest: &Ingest,
    headers: &HeaderMap,
    stream: &mut BodyDataStream,
    encoding: Encoding,
) -> Result<TakenIn, Failure> {
    let timeout_s = ingest.settings().body_timeout_s;
    let limit = ingest.settings().request_bytes_max;
    let mut permit = ingest.budget().permit();
    let reserve = content_length(headers).min(RESERVE_BYTES_MAX);
    let mut body = BytesMut::with_capacity(reserve as usize);
    let reading = async {
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|e| {
                Failure::new(400, "parse_exception", format!("the body broke off: {e}"))
            })?;
            if (body.len() + piece.len()) as u64 > limit {
                return Err(too_large(ingest));
            }
            permit.grow(piece.len() as u64)?;
            body.extend_from_slice(&piece);
        }
        Ok(())
    };
    match timeout(Duration::from_secs(timeout_s), reading).await {
        Ok(done) => done?,
        Err(_) => {
            let reason =
                format!("the body did not come within `body_timeout_s` = {timeout_s} seconds");
            return Err(Failure::new(408, "timeout_exception", reason));
        }
    }
    Ok(TakenIn { body: body.freeze(), encoding, permit })
}

/// Reads on without keeping anything: many clients read no answer before all is sent.
async fn discard(stream: &mut BodyDataStream, bytes_max: u64) {
    let mut bytes = 0;
    let reading = async {
        while let Some(Ok(piece)) = stream.next().await {
            bytes += piece.len() as u64;
            if bytes > bytes_max {
                break;
            }
        }
    };
    let _ = timeout(DISCARD_MAX, reading).await;
}
