//! How do Elasticsearch's clients send? `_bulk` for many documents, `_doc` and `_create` for one.
//!
//! Records are searchable once a request is answered, so every value of `refresh` is honoured.
//! Parameters that Elasticsearch knows and that mean nothing here are let through; others are
//! refused by name, as there.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use bytes::Bytes;
use model::batch::{Batch, BatchBuilder};
use model::id::Tenant;
use model::meta::WriteAsk;
use model::time::{NS_PER_MS, Timestamp};
use model::wire::Ack;
use platform::clock::seconds_since;
use platform::telemetry::{self, Metric};

use super::body::{TakenIn, take_in};
use super::failure::Failure;
use super::filter_path::Filter;
use super::media::Form;
use super::params::Params;
use super::reply::{self, Answered};
use crate::ids::{Claimed, Found};
use crate::parse::{self, FailedItem, Item, Limits, Op, ParsedBulk, SameItem};
use crate::{Ingest, Refusal};

const PARAMETERS: &[&str] = &[
    "_source",
    "_source_excludes",
    "_source_includes",
    "error_trace",
    "filter_path",
    "format",
    "human",
    "if_primary_term",
    "if_seq_no",
    "include_source_on_error",
    "list_executed_pipelines",
    "op_type",
    "pipeline",
    "pretty",
    "refresh",
    "require_alias",
    "require_data_stream",
    "routing",
    "timeout",
    "type",
    "version",
    "version_type",
    "wait_for_active_shards",
];

pub(super) fn routes() -> Router<Ingest> {
    Router::new()
        .route("/_bulk", post(bulk).put(bulk))
        .route("/{index}/_bulk", post(bulk_into).put(bulk_into))
        .route("/{index}/_doc", post(add))
        .route("/{index}/_doc/{id}", put(add_as).post(add_as))
        .route("/{index}/_create/{id}", put(create_as).post(create_as))
}

type PathResult<T> = Result<Path<T>, PathRejection>;

async fn bulk(State(ingest): State<Ingest>, request: Request) -> Response {
    answer(ingest, Ok(Target::Bulk { index: None }), request).await
}

async fn bulk_into(
    State(ingest): State<Ingest>,
    path: PathResult<String>,
    request: Request,
) -> Response {
    let target = named(path).map(|index| Target::Bulk { index: Some(index) });
    answer(ingest, target, request).await
}

async fn add(State(ingest): State<Ingest>, path: PathResult<String>, request: Request) -> Response {
    let target = named(path).map(|index| Target::One { op: Op::Index, index, id: None });
    answer(ingest, target, request).await
}

async fn add_as(
    State(ingest): State<Ingest>,
    path: PathResult<(String, String)>,
    request: Request,
) -> Response {
    let target = named(path).map(|(index, id)| Target::One { op: Op::Index, index, id: Some(id) });
    answer(ingest, target, request).await
}

async fn create_as(
    State(ingest): State<Ingest>,
    path: PathResult<(String, String)>,
    request: Request,
) -> Response {
    let target = named(path).map(|(index, id)| Target::One { op: Op::Create, index, id: Some(id) });
    answer(ingest, target, request).await
}

fn named<T>(path: PathResult<T>) -> Result<T, Failure> {
    path.map(|Path(names)| names).map_err(|e| Failure::argument(format!("bad path: {e}")))
}

/// Where a request's documents go.
#[derive(Debug)]
enum Target {
    Bulk { index: Option<String> },
    One { op: Op, index: String, id: Option<String> },
}

/// A request whose parameters are good.
#[derive(Debug)]
struct Asked {
    target: Target,
    filter: Filter,
    ask: WriteAsk,
    pipeline: Option<String>,
}

async fn answer(ingest: Ingest, target: Result<Target, Failure>, request: Request) -> Response {
    telemetry::count_by(Metric::IngestRequests, "protocol", "elastic", 1);
    let (parts, body) = request.into_parts();
    let form = Form::of(&parts.headers);
    let checked = target.and_then(|target| check(&parts.uri, target));
    let (asked, taken) = match take_in(&ingest, &parts.headers, body, checked).await {
        Ok(taken) => taken,
        Err(failure) => return failure.respond(&form),
    };
    let start = Instant::now();
    // In a task of its own, so that a client that hangs up does not stop it half way.
    let done = tokio::spawn(async move {
        match asked.target {
            Target::Bulk { .. } => keep_bulk(ingest, asked, taken).await,
            Target::One { .. } => keep_one(ingest, asked, taken).await,
        }
    });
    let internal = |fault: tokio::task::JoinError| Refusal::Internal { detail: fault.to_string() };
    let done = done.await.unwrap_or_else(|fault| Err(internal(fault).into()));
    telemetry::observe(Metric::IngestSeconds, seconds_since(start));
    match done {
        Err(failure) => failure.respond(&form),
        Ok((status, json)) => {
            let mut response = (status, json).into_response();
            form.mark(&mut response);
            response
        }
    }
}

fn check(uri: &axum::http::Uri, mut target: Target) -> Result<Asked, Failure> {
    let params = Params::parse(uri, PARAMETERS)?;
    params.one_of("refresh", &["true", "false", "wait_for", ""])?;
    let op_type = params.one_of("op_type", &["index", "create"])?;
    let filter = Filter::parse(params.get("filter_path"));
    let index = match &mut target {
        Target::Bulk { index } => index.as_deref(),
        Target::One { op, index, id } => {
            if let Some(fault) = id.as_deref().and_then(parse::id_fault) {
                return Err(fault.into());
            }
            if op_type == Some("create") {
                *op = Op::Create;
            }
            Some(index.as_str())
        }
    };
    // What date math stands for, and aliases, which may have capitals, are looked up later.
    let later = |name: &&str| name.starts_with('<') || name.chars().any(char::is_uppercase);
    if let Some(fault) = index.filter(|name| !later(name)).and_then(parse::index_fault) {
        return Err(fault.into());
    }
    let flag = |name: &str| -> Result<bool, Failure> {
        let value = params.one_of(name, &["true", "false", ""])?;
        Ok(value.is_some_and(|value| value != "false"))
    };
    let ask = WriteAsk {
        create: false,
        require_alias: flag("require_alias")?,
        require_data_stream: flag("require_data_stream")?,
    };
    let pipeline = params.get("pipeline").map(str::to_owned);
    Ok(Asked { target, filter, ask, pipeline })
}

fn no_body() -> Failure {
    Failure::new(400, "parse_exception", "request body is required")
}

fn limits(ingest: &Ingest) -> Limits {
    let settings = ingest.settings();
    Limits {
        document_bytes_max: settings.document_bytes_max,
        documents_max: settings.documents_max,
    }
}

fn builder(ingest: &Ingest) -> BatchBuilder {
    BatchBuilder::new(Tenant::default(), None, Timestamp(ingest.clock().now_ns()))
}

type Json = (StatusCode, Vec<u8>);

async fn keep_bulk(ingest: Ingest, asked: Asked, taken: TakenIn) -> Result<Json, Failure> {
    let start_ns = ingest.clock().now_ns();
    let filter = asked.filter.clone();
    let by = ingest.clone();
    let parsed = ingest.compute(move || parse_bulk(&by, &asked, taken)).await?;
    let (ParsedBulk { batch, items }, _permit) = parsed?;
    for item in &items {
        if let Item::Failed(failed) = item {
            telemetry::count_by(Metric::IngestRejectedRecords, "reason", failed.fault.kind, 1);
        }
    }
    let (batch, items, claimed) = only_new(&ingest, batch, items).await;
    let mut answered = keep(&ingest, batch, items).await?;
    if let Some(claimed) = claimed {
        claimed.done(&answered.batch);
    }
    answered.took_ms = (ingest.clock().now_ns() - start_ns).max(0) as u64 / NS_PER_MS as u64;
    let json = ingest.compute(move || reply::bulk(&answered, &filter)).await?;
    Ok((StatusCode::OK, json))
}

fn parse_bulk(
    ingest: &Ingest,
    asked: &Asked,
    taken: TakenIn,
) -> Result<(ParsedBulk, crate::admit::Permit), Failure> {
    let (body, permit) = taken.inflate(ingest.settings().body_bytes_max)?;
    if body.is_empty() {
        return Err(no_body());
    }
    let index = match &asked.target {
        Target::Bulk { index: Some(index) } | Target::One { index, .. } => index.as_str(),
        Target::Bulk { index: None } => &ingest.settings().default_index,
    };
    let index = Some(index).filter(|index| !index.is_empty());
    let writes = parse::Writes {
        default_index: index,
        names: ingest.names(),
        ask: asked.ask,
        pipeline: asked.pipeline.as_deref(),
    };
    let parsed = parse::bulk_to(&body, writes, &limits(ingest), builder(ingest))?;
    if parsed.items.is_empty() {
        let reason = "Validation Failed: 1: no requests added;";
        return Err(Failure::new(400, "action_request_validation_exception", reason));
    }
    Ok((parsed, permit))
}

async fn keep_one(ingest: Ingest, asked: Asked, taken: TakenIn) -> Result<Json, Failure> {
    let filter = asked.filter.clone();
    let by = ingest.clone();
    let parsed = ingest.compute(move || parse_one(&by, &asked, taken)).await?;
    let (batch, op, _permit) = parsed?;
    let items = vec![Item::Kept { op, record: 0 }];
    let (batch, mut items, claimed) = only_new(&ingest, batch, items).await;
    if let Some(Item::Failed(_)) = items.first()
        && let Some(Item::Failed(failed)) = items.pop()
    {
        return Err(failed.fault.into());
    }
    let answered = keep(&ingest, batch, items).await?;
    if let Some(claimed) = claimed {
        claimed.done(&answered.batch);
    }
    let fresh = matches!(answered.items.first(), Some(Item::Kept { .. }));
    let status = if fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, reply::document(&answered, &filter)))
}

/// Leaves out the documents that are known by their `_id`: a second creation is a conflict, and the
/// same bytes once more change nothing.
async fn only_new(
    ingest: &Ingest,
    mut batch: Batch,
    mut items: Vec<Item>,
) -> (Batch, Vec<Item>, Option<Claimed>) {
    if ingest.settings().document_ids_max == 0 || batch.records().iter().all(|r| r.id.is_none()) {
        return (batch, items, None);
    }
    let (found, claimed) = ingest.ids().claim(&batch).await;
    let mut kept = vec![true; found.len()];
    let mut next = 0;
    for item in &mut items {
        let Item::Kept { op, record } = item else { continue };
        let at = *record as usize;
        let known = match (found[at], *op) {
            (Found::Nothing, _) | (Found::Other, Op::Index) => None,
            (_, op) => Some(op),
        };
        let Some(op) = known else {
            *record = next;
            next += 1;
            continue;
        };
        kept[at] = false;
        let of = &batch.records()[at];
        let index = batch.index_of(of).to_string();
        let id = of.id.as_deref().unwrap_or_default().to_owned();
        *item = match op {
            Op::Index => Item::Same(Box::new(SameItem { op, index, id })),
            op => {
                let fault = parse::conflict(&id);
                telemetry::count_by(Metric::IngestRejectedRecords, "reason", fault.kind, 1);
                Item::Failed(Box::new(FailedItem { op, index: Some(index), id: Some(id), fault }))
            }
        };
    }
    batch.retain(&kept);
    (batch, items, Some(claimed))
}

fn parse_one(
    ingest: &Ingest,
    asked: &Asked,
    taken: TakenIn,
) -> Result<(Batch, Op, crate::admit::Permit), Failure> {
    let Target::One { op, index, id } = &asked.target else { return Err(no_body()) };
    let (body, permit): (Bytes, _) = taken.inflate(ingest.settings().body_bytes_max)?;
    if body.is_empty() {
        return Err(no_body());
    }
    if let Some(fault) = parse::too_long(body.len(), &limits(ingest)) {
        return Err(Failure::too_large(fault.reason));
    }
    // A document without an `_id` can only be created.
    let ask = WriteAsk { create: *op == Op::Create || id.is_none(), ..asked.ask };
    let names = ingest.names();
    let target = names.target(index, ask).map_err(parse::ItemFault::from)?;
    let pipeline = asked.pipeline.as_deref().filter(|name| *name != "_none");
    if let Some(missing) = pipeline.filter(|name| !names.has_pipeline(name)) {
        return Err(parse::no_pipeline(missing).into());
    }
    let mut builder = builder(ingest);
    let id = id.as_deref();
    match target.data_stream {
        true => builder.push_timed(&target.index, id, &body),
        false => builder.push(&target.index, id, &body),
    }
    .map_err(|error| parse::document_fault(&error))?;
    Ok((builder.finish(), *op, permit))
}

async fn keep(ingest: &Ingest, batch: Batch, items: Vec<Item>) -> Result<Answered, Refusal> {
    let batch = Arc::new(batch);
    let kept = ingest.submit_shared(batch.clone(), Ack::Durable).await?;
    let (node, first_record) = (ingest.node(), kept.first_record);
    Ok(Answered { batch, items, node, first_record, took_ms: 0 })
}
