//! How is a query in pipes asked over HTTP? `POST /_query`.

use std::time::Instant;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use index::read::Snapshot;
use jiff::tz::TimeZone;
use rayon::ThreadPool;
use serde_json::{Map, Value as Json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, Lookup};
use super::{Api, reply};
use crate::ast::Query;
use crate::clause::Limits;
use crate::dates::time_zone;
use crate::elastic::{Reader, boolean, parse_json};
use crate::esql::analyze::Settings;
use crate::esql::parse::{Dialect, Params};
use crate::esql::query::{Prepared, Scope, unknown_index};
use crate::esql::run::{Ground, Table};
use crate::esql::show;
use crate::esql::tree::Span;
use crate::leaf::Run;
use crate::plan::IndexPatterns;
use crate::request::SearchRequest;

/// Rows that a query without `LIMIT` gives.
const ROWS_DEFAULT: usize = 1_000;
/// Rows that a query gives at most.
const ROWS_MAX: usize = 10_000;

/// The shape of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    Csv { delimiter: char, header: bool },
    Tsv { header: bool },
    Text { header: bool },
}

impl Shape {
    /// As the URL's `format` says, else `Accept`.
    pub(super) fn of(call: &Call) -> Result<Self, ApiError> {
        let accept = call.accept.as_str();
        let media = accept.split([';', ',']).next().unwrap_or("").trim();
        let asked = call.params.get("format").unwrap_or(match media {
            "text/csv" => "csv",
            "text/tab-separated-values" => "tsv",
            "text/plain" => "txt",
            "application/yaml" => "yaml",
            "application/cbor" | "application/vnd.elasticsearch+cbor" => "cbor",
            "application/smile" | "application/vnd.elasticsearch+smile" => "smile",
            "application/vnd.apache.arrow.stream" => "arrow",
            _ => "json",
        });
        let header = !accept.contains("header=absent");
        let delimiter = call.params.get("delimiter");
        if delimiter.is_some() && asked != "csv" {
            return Err(ApiError::illegal("[delimiter] is only valid for format [csv]"));
        }
        Ok(match asked {
            "json" => Shape::Json,
            "csv" => {
                let mut chars = delimiter.unwrap_or(",").chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) if !matches!(c, '"' | '\n' | '\r' | '\t') => {
                        Shape::Csv { delimiter: c, header }
                    }
                    _ => {
                        return Err(ApiError::illegal(format!(
                            "illegal CSV delimiter [{}]: must be one character, not a quote, tab or \
                             line end",
                            delimiter.unwrap_or("")
                        )));
                    }
                }
            }
            "tsv" => Shape::Tsv { header },
            "txt" => Shape::Text { header },
            other => {
                return Err(ApiError::new(
                    406,
                    "media_type_header_exception",
                    format!("format [{other}] is not supported: use json, csv, tsv or txt"),
                ));
            }
        })
    }

    /// Without a line of names, where they were shown before.
    pub(super) fn without_header(self, shown: bool) -> Self {
        match self {
            Shape::Csv { delimiter, header } => Shape::Csv { delimiter, header: header && !shown },
            Shape::Tsv { header } => Shape::Tsv { header: header && !shown },
            Shape::Text { header } => Shape::Text { header: header && !shown },
            Shape::Json => Shape::Json,
        }
    }

    /// Sends a table; JSON is the caller's.
    pub(super) fn send(self, table: &Table) -> Option<Response> {
        let (kind, text) = match self {
            Shape::Json => return None,
            Shape::Csv { delimiter, header } => {
                let kind = match header {
                    true => "text/csv; charset=utf-8; header=present",
                    false => "text/csv; charset=utf-8; header=absent",
                };
                (kind, show::csv(table, delimiter, header))
            }
            Shape::Tsv { header } => {
                ("text/tab-separated-values; charset=utf-8", show::tsv(table, header))
            }
            Shape::Text { header } => ("text/plain; charset=UTF-8", show::txt(table, header)),
        };
        let headers = [(header::CONTENT_TYPE, kind)];
        Some((StatusCode::OK, headers, [reply::PRODUCT], text).into_response())
    }
}

/// What a body asks for.
pub(super) struct Asked {
    prepared: Prepared,
    text: String,
    filter: Query,
    pub(super) columnar: bool,
}

/// A boolean of a body.
pub(super) fn flag(key: &str, value: &Json) -> Result<bool, ApiError> {
    boolean(value).ok_or_else(|| {
        ApiError::illegal(format!(
            "Failed to parse value [{value}] of [{key}] as only [true] or [false] are allowed."
        ))
    })
}

pub(super) fn unknown_field(body: &str, key: &str) -> ApiError {
    ApiError::new(400, "x_content_parse_exception", format!("[{body}] unknown field [{key}]"))
}

/// The members of a body.
pub(super) fn members(call: &Call) -> Result<Map<String, Json>, ApiError> {
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::new(400, "parse_exception", "request body is required"));
    }
    match parse_json(&call.body)? {
        Json::Object(map) => Ok(map),
        _ => Err(ApiError::new(400, "parsing_exception", "the body must be an object")),
    }
}

pub(super) fn missing_query() -> ApiError {
    let reason = "Validation Failed: 1: [query] is required;";
    ApiError::new(400, "action_request_validation_exception", reason)
}

/// Limits of the clauses of a query.
pub(super) fn limits(api: &Api) -> Limits {
    Limits {
        depth_max: api.settings.query_depth_max,
        clauses_max: api.settings.clauses_max,
        regex_bytes_max: api.settings.regex_bytes_max,
    }
}

pub(super) fn asked(api: &Api, body: &Map<String, Json>) -> Result<Asked, ApiError> {
    let (mut text, mut params, mut filter) = (None, Params::default(), Query::All);
    let (mut columnar, mut zone) = (false, TimeZone::UTC);
    for (key, value) in body {
        match key.as_str() {
            "query" => text = value.as_str().map(str::to_owned),
            "params" => params = Params::read(value)?,
            "columnar" => columnar = flag(key, value)?,
            "filter" if value.is_null() => {}
            "filter" => filter = Reader::new(api.now(), &api.settings).query(value)?,
            // It only chooses the language of names of months and days, which no format prints.
            "locale" => {
                if !value.is_string() {
                    return Err(ApiError::illegal("[locale] must be a language tag"));
                }
            }
            "time_zone" => zone = time_zone(value.as_str().unwrap_or_default())?,
            // There are no other clusters to tell of.
            "include_ccs_metadata" => {
                flag(key, value)?;
            }
            "profile" if !flag(key, value)? => {}
            "tables" | "pragma" if value.as_object().is_some_and(Map::is_empty) => {}
            "profile" | "tables" | "pragma" => {
                return Err(ApiError::illegal(format!("[{key}] is not supported in this version")));
            }
            "wait_for_completion_timeout" | "keep_alive" | "keep_on_completion" => {}
            _ => return Err(unknown_field("esql/query", key)),
        }
    }
    let text = text.filter(|t| !t.trim().is_empty()).ok_or_else(missing_query)?;
    let settings = Settings {
        dialect: Dialect::Esql,
        now: api.now(),
        zone,
        rows_default: ROWS_DEFAULT,
        rows_max: ROWS_MAX,
        limits: limits(api),
        version: api.settings.version.clone(),
    };
    let prepared = Prepared::new(&text, &params, settings)?;
    Ok(Asked { prepared, text, filter, columnar })
}

/// What a query sees: the indexes that it names, and what the filter lets through.
///
/// # Errors
/// An index is not there: `Unknown index`, at a byte of the query.
pub(super) fn scope(
    api: &Api,
    snapshot: &Snapshot,
    (named, text): (Option<(&[String], Span)>, &str),
    filter: Query,
) -> Result<Scope, ApiError> {
    let Some((patterns, span)) = named else {
        return Ok(Scope { indexes: IndexPatterns::default(), filter });
    };
    let indexes = patterns.to_vec();
    let mut request = SearchRequest { indexes, query: filter, ..SearchRequest::default() };
    let lookup = Lookup { allow_no_indices: false, ..Lookup::default() };
    indexes::aim(api, snapshot, &mut request, lookup).map_err(|error| {
        match error.kind == "index_not_found_exception" {
            true => {
                let named = patterns.iter().find(|p| error.reason.contains(&format!("[{p}]")));
                let name = named.cloned().unwrap_or_else(|| patterns.join(","));
                unknown_index(text, span.0, &name).into()
            }
            false => error,
        }
    })?;
    let indexes = match &request.names {
        Some(names) => IndexPatterns::only(names.clone()),
        None => IndexPatterns::new(&request.indexes),
    };
    Ok(Scope { indexes, filter: request.query })
}

/// Answers a prepared query.
pub(super) async fn answer(api: &Api, asked: Asked) -> Result<Table, ApiError> {
    let snapshot = api.searcher.snapshot(&api.tenant());
    let Asked { prepared, text, filter, .. } = asked;
    let scope = scope(api, &snapshot, (prepared.indexes(), &text), filter)?;
    let work = move |snapshot: &Snapshot, run: &Run, pool: &ThreadPool| {
        prepared.answer(Ground { snapshot, run, pool }, &scope)
    };
    Ok(api.searcher.with_snapshot(snapshot, None, work).await?)
}

/// `POST /_query`.
pub(super) async fn query(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["format", "delimiter", "drop_null_columns", "allow_partial_results"];
    call.params.only(&call.path, &[&known])?;
    let start = Instant::now();
    let shape = Shape::of(&call)?;
    let drop_nulls = call.params.flag("drop_null_columns")?.unwrap_or(false);
    let partial = call.params.flag("allow_partial_results")?.unwrap_or(true);
    let asked = asked(&api, &members(&call)?)?;
    let columnar = asked.columnar;
    if columnar && shape != Shape::Json {
        return Err(ApiError::illegal(
            "Invalid use of [columnar] argument: cannot be used in combination with [txt, csv, \
             tsv] formats",
        ));
    }
    let table = answer(&api, asked).await?;
    if table.is_partial && !partial {
        return Err(ApiError::new(
            503,
            "search_phase_execution_exception",
            "some records could not be looked at, and [allow_partial_results] is false",
        ));
    }
    let took = start.elapsed().as_millis() as u64;
    match shape.send(&table) {
        Some(response) => Ok(response),
        None => reply::json(&call, show::esql_json(&table, took, (columnar, drop_nulls))),
    }
}
