//! How does our own shipper send? `POST /api/v1/ingest`; see [`model::wire`].

use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use model::batch::BatchBuilder;
use model::id::{BATCH_ID_BYTES_MAX, BatchId, IndexName, Tenant};
use model::meta::WriteAsk;
use model::time::Timestamp;
use model::wire::{Ack, BATCH_ID_HEADER, INGEST_PATH, Receipt};
use platform::clock::seconds_since;
use platform::telemetry::{self, Metric};

use super::body::{TakenIn, take_in};
use super::failure::Failure;
use super::media::Form;
use super::params::Params;
use crate::admit::Permit;
use crate::parse::{self, Limits, ParsedLines, clip};
use crate::{Ingest, Refusal};

pub(super) fn routes() -> Router<Ingest> {
    Router::new().route(INGEST_PATH, post(ingest))
}

/// What the headers and parameters of a batch say.
#[derive(Debug)]
struct Asked {
    index: IndexName,
    ack: Ack,
    batch_id: Option<BatchId>,
}

async fn ingest(State(ingest): State<Ingest>, request: Request) -> Response {
    telemetry::count_by(Metric::IngestRequests, "protocol", "native", 1);
    let (parts, body) = request.into_parts();
    let form = Form::of(&parts.headers);
    let checked = check(&ingest, &parts.uri, &parts.headers);
    let (asked, taken) = match take_in(&ingest, &parts.headers, body, checked).await {
        Ok(taken) => taken,
        Err(failure) => return failure.respond(&form),
    };
    let start = Instant::now();
    // In a task of its own, so that a client that hangs up does not stop it half way.
    let done = tokio::spawn(keep(ingest, asked, taken))
        .await
        .unwrap_or_else(|fault| Err(Refusal::Internal { detail: fault.to_string() }.into()));
    telemetry::observe(Metric::IngestSeconds, seconds_since(start));
    let json = match done.map(|receipt| serde_json::to_vec(&receipt)) {
        Ok(Ok(json)) => json,
        Ok(Err(error)) => return Failure::new(500, "exception", error.to_string()).respond(&form),
        Err(failure) => return failure.respond(&form),
    };
    let mut response = (StatusCode::OK, json).into_response();
    form.mark(&mut response);
    response
}

fn check(ingest: &Ingest, uri: &Uri, headers: &HeaderMap) -> Result<Asked, Failure> {
    let params = Params::parse(uri, &["index", "ack"])?;
    let ack = match params.one_of("ack", &["durable", "stored"])? {
        Some("stored") => Ack::Stored,
        _ => Ack::Durable,
    };
    let index = params.get("index").unwrap_or(&ingest.settings().default_index);
    if let Some(fault) = parse::index_fault(index) {
        return Err(fault.into());
    }
    Ok(Asked { index: IndexName::new(index), ack, batch_id: batch_id(headers)? })
}

fn batch_id(headers: &HeaderMap) -> Result<Option<BatchId>, Failure> {
    let mut values = headers.get_all(BATCH_ID_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    let visible = bytes.iter().all(u8::is_ascii_graphic);
    if bytes.is_empty() || bytes.len() > BATCH_ID_BYTES_MAX || !visible || values.next().is_some() {
        return Err(Failure::argument(format!(
            "header [{BATCH_ID_HEADER}] must be sent once, with 1 to {BATCH_ID_BYTES_MAX} visible \
             ASCII characters, got [{}] ({} bytes)",
            clip(&String::from_utf8_lossy(bytes)).escape_debug(),
            bytes.len()
        )));
    }
    Ok(Some(BatchId::new(&*String::from_utf8_lossy(bytes))))
}

async fn keep(ingest: Ingest, asked: Asked, taken: TakenIn) -> Result<Receipt, Failure> {
    let Asked { index, ack, batch_id } = asked;
    let by = ingest.clone();
    let parsed = ingest.compute(move || parse_body(&by, &index, batch_id, taken)).await?;
    let (ParsedLines { batch, rejected, rejected_total }, _permit) = parsed?;
    if rejected_total > 0 {
        let reason = "document_parsing_exception";
        telemetry::count_by(Metric::IngestRejectedRecords, "reason", reason, rejected_total);
    }
    let kept = ingest.submit_shared(batch.into(), ack).await?;
    let (accepted, duplicate) = (kept.accepted, kept.duplicate);
    Ok(Receipt { accepted, rejected, rejected_total, duplicate })
}

fn parse_body(
    ingest: &Ingest,
    index: &IndexName,
    batch_id: Option<BatchId>,
    taken: TakenIn,
) -> Result<(ParsedLines, Permit), Failure> {
    let settings = ingest.settings();
    let limits = Limits {
        document_bytes_max: settings.document_bytes_max,
        documents_max: settings.documents_max,
    };
    let (body, permit) = taken.inflate(settings.body_bytes_max)?;
    let ask = WriteAsk { create: true, ..WriteAsk::default() };
    let target = ingest.names().target(index.as_str(), ask).map_err(parse::ItemFault::from)?;
    let received = Timestamp(ingest.clock().now_ns());
    let builder = BatchBuilder::new(Tenant::default(), batch_id, received);
    Ok((parse::lines(&body, &target.index, &limits, builder)?, permit))
}
