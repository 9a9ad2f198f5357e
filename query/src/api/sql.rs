//! How is a statement asked over HTTP? `POST /_sql` and `POST /_sql/close`.
//!
//! A cursor holds the whole request with the place where the next rows begin; nothing is kept here.

use std::fmt::Write;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use index::read::Snapshot;
use jiff::tz::TimeZone;
use model::time::Timestamp;
use rayon::ThreadPool;
use serde_json::{Map, Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::esql::{Shape, flag, limits, members, missing_query, scope, unknown_field};
use super::indexes::{self, Lookup};
use super::{Api, reply};
use crate::ast::Query;
use crate::dates::{time_value, time_zone};
use crate::elastic::Reader;
use crate::esql::parse::{Dialect, Params};
use crate::esql::run::{Ground, Table};
use crate::esql::show;
use crate::esql::value::{Cell, Type};
use crate::leaf::Run;
use crate::sql::{ROWS_MAX, Rows, Sql, Window, tables};

/// Rows of a page that does not say.
const FETCH_ROWS: usize = 1_000;
/// The longest cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 64 << 10;

type Members = Map<String, Json>;

/// A request, as it came or out of a cursor.
struct Asked {
    /// The members that say which rows there are, to be asked again.
    body: Map<String, Json>,
    sql: Sql,
    filter: Query,
    window: Window,
    columnar: bool,
    /// Of several values the first is shown, instead of an error.
    lenient: bool,
    timeout_ms: Option<u64>,
    /// The request is a cursor's: columns were shown before.
    continued: bool,
}

fn text_of<'j>(key: &str, value: &'j Json) -> Result<&'j str, ApiError> {
    value.as_str().ok_or_else(|| ApiError::illegal(format!("[{key}] must be a text")))
}

/// The members of a body, as far as they are read.
#[derive(Default)]
struct Read {
    text: Option<String>,
    params: Params,
    filter: Option<Query>,
    zone: Option<TimeZone>,
    columnar: bool,
    lenient: bool,
    size: usize,
    timeout_ms: Option<u64>,
}

impl Read {
    fn member(&mut self, api: &Api, key: &str, value: &Json) -> Result<(), ApiError> {
        match key {
            "query" => self.text = Some(text_of(key, value)?.to_owned()),
            "params" => self.params = Params::read(value)?,
            "filter" if value.is_null() => {}
            "filter" => self.filter = Some(Reader::new(api.now(), &api.settings).query(value)?),
            "columnar" => self.columnar = flag(key, value)?,
            "field_multi_value_leniency" => self.lenient = flag(key, value)?,
            "time_zone" => self.zone = Some(time_zone(text_of(key, value)?)?),
            "fetch_size" => {
                let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
                self.size = match number.and_then(|n| usize::try_from(n).ok()) {
                    Some(n) if (1..=ROWS_MAX).contains(&n) => n,
                    _ => {
                        return Err(ApiError::illegal(format!(
                            "[fetch_size] must be a number from 1 to {ROWS_MAX}, got [{value}]"
                        )));
                    }
                };
            }
            "request_timeout" => {
                let ns = time_value(text_of(key, value)?).filter(|ns| *ns >= 0);
                let ns = ns.ok_or_else(|| ApiError::illegal(format!("cannot read [{key}]")))?;
                self.timeout_ms = u64::try_from(ns).ok().map(|ns| ns.div_ceil(1_000_000));
            }
            "mode" if value.as_str().is_some_and(|m| m.eq_ignore_ascii_case("plain")) => {}
            "mode" => {
                return Err(ApiError::illegal(format!(
                    "[mode] [{value}] is not supported: use plain"
                )));
            }
            // They change nothing: frozen indices there are none, a cursor keeps nothing open,
            // identifiers and clients are of no account.
            "page_timeout"
            | "index_include_frozen"
            | "client_id"
            | "version"
            | "allow_partial_search_results" => {}
            "binary_format"
            | "keep_on_completion"
            | "runtime_mappings"
            | "catalog"
            | "wait_for_completion_timeout"
            | "keep_alive" => match value {
                Json::Bool(false) | Json::Null => {}
                Json::Object(map) if map.is_empty() => {}
                _ => {
                    return Err(ApiError::illegal(format!(
                        "[{key}] is not supported in this version"
                    )));
                }
            },
            _ => return Err(unknown_field("sql/query", key)),
        }
        Ok(())
    }
}

fn asked(api: &Api, body: Map<String, Json>) -> Result<Asked, ApiError> {
    let mut body = body;
    let mut continued = false;
    let mut place = Map::new();
    if let Some(cursor) = body.remove("cursor") {
        let (inner, at) = open_cursor(text_of("cursor", &cursor)?)?;
        // Only the form of the answer is the new request's.
        for (key, value) in inner {
            body.entry(key).or_insert(value);
        }
        (continued, place) = (true, at);
    }
    let mut read = Read { size: FETCH_ROWS, ..Read::default() };
    for (key, value) in &body {
        read.member(api, key, value)?;
    }
    let Read { text, params, filter, zone, columnar, lenient, size, timeout_ms } = read;
    let zone = zone.unwrap_or(TimeZone::UTC);
    let filter = filter.unwrap_or(Query::All);
    let text = text.filter(|t| !t.trim().is_empty()).ok_or_else(missing_query)?;
    let number = |key: &str| place.get(key).and_then(Json::as_i64);
    let now = number("now").map_or_else(|| api.now(), Timestamp);
    let settings = crate::esql::analyze::Settings {
        dialect: Dialect::Sql,
        now,
        zone,
        rows_default: ROWS_MAX,
        rows_max: usize::MAX,
        limits: limits(api),
        version: api.settings.version.clone(),
    };
    let after = match (number("time"), number("seq").and_then(|n| u64::try_from(n).ok())) {
        (Some(time), Some(seq)) => Some((time, seq)),
        _ => None,
    };
    let passed = number("passed").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let window = Window { passed, after, size };
    let sql = Sql::new(&text, &params, settings)?;
    body.retain(|key, _| {
        let kept = [
            "query",
            "params",
            "filter",
            "time_zone",
            "fetch_size",
            "columnar",
            "field_multi_value_leniency",
        ];
        kept.contains(&key.as_str())
    });
    body.insert("now".to_owned(), now.0.into());
    Ok(Asked { body, sql, filter, window, columnar, lenient, timeout_ms, continued })
}

/// The request of a cursor, and its place.
fn open_cursor(cursor: &str) -> Result<(Members, Members), ApiError> {
    let bad = || ApiError::illegal("Unknown cursor: it is none of ours, or was cut");
    if cursor.len() > CURSOR_BYTES_MAX || !cursor.len().is_multiple_of(2) || !cursor.is_ascii() {
        return Err(bad());
    }
    let bytes: Option<Vec<u8>> = (0..cursor.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(cursor.get(at..at + 2)?, 16).ok())
        .collect();
    let json = bytes.and_then(|b| serde_json::from_slice::<Json>(&b).ok()).ok_or_else(bad)?;
    let (Json::Object(mut body), Some(_)) = (json.clone(), json.get("query")) else {
        return Err(bad());
    };
    let mut place = Map::new();
    for key in ["now", "time", "seq", "passed"] {
        if let Some(value) = body.remove(key) {
            place.insert(key.to_owned(), value);
        }
    }
    Ok((body, place))
}

/// The cursor of the next rows.
fn cursor(mut body: Map<String, Json>, next: Window) -> Result<String, ApiError> {
    body.insert("passed".to_owned(), next.passed.into());
    if let Some((time, seq)) = next.after {
        body.insert("time".to_owned(), time.into());
        body.insert("seq".to_owned(), seq.into());
    }
    let text = Json::Object(body).to_string();
    if text.len() * 2 > CURSOR_BYTES_MAX {
        return Err(ApiError::illegal(format!(
            "the request is too long for a cursor of [{CURSOR_BYTES_MAX}] bytes: add a LIMIT of \
             [fetch_size] rows"
        )));
    }
    let mut out = String::with_capacity(text.len() * 2);
    text.bytes().for_each(|b| {
        let _ = write!(out, "{b:02x}");
    });
    Ok(out)
}

/// Several values are an error in SQL, or the first one of them is taken.
fn one_value_each(table: &mut Table, lenient: bool) -> Result<(), ApiError> {
    for ((name, _), column) in table.columns.iter().zip(&mut table.page.columns) {
        for cell in column {
            if let Cell::Multi(list) = cell {
                if !lenient {
                    return Err(ApiError::illegal(format!(
                        "Arrays (returned by [{name}]) are not supported: set \
                         [field_multi_value_leniency] to true to get the first value"
                    )));
                }
                *cell = list.first().cloned().unwrap_or(Cell::Null);
            }
        }
    }
    Ok(())
}

/// `GET|POST /_sql`.
pub(super) async fn query(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["format", "delimiter"]])?;
    let shape = Shape::of(&call)?;
    let Asked { body, sql, filter, window, columnar, lenient, timeout_ms, continued } =
        asked(&api, members(&call)?)?;
    if columnar && shape != Shape::Json {
        return Err(ApiError::illegal(
            "Invalid use of [columnar] argument: cannot be used in combination with [txt, csv, \
             tsv] formats",
        ));
    }
    let snapshot = api.searcher.snapshot(&api.tenant());
    let rows = match sql.tables() {
        Some(patterns) => {
            let found = indexes::resolve(&api, &snapshot, &patterns, Lookup::default())?;
            tables(&found.into_keys().collect::<Vec<_>>(), window)
        }
        None => {
            let scope = scope(&api, &snapshot, (sql.indexes(), sql.text()), filter)?;
            let work = move |snapshot: &Snapshot, run: &Run, pool: &ThreadPool| {
                sql.answer(Ground { snapshot, run, pool }, &scope, window)
            };
            api.searcher.with_snapshot(snapshot, timeout_ms, work).await?
        }
    };
    let Rows { mut table, next } = rows;
    one_value_each(&mut table, lenient)?;
    if table.is_partial {
        return Err(ApiError::new(
            503,
            "search_phase_execution_exception",
            "some records could not be looked at: the time was over, or a split cannot be read",
        ));
    }
    let next = next.map(|next| cursor(body, next)).transpose()?;
    if let Some(mut response) = shape.without_header(continued).send(&table) {
        if let Some(Ok(next)) = next.map(|n| HeaderValue::from_str(&n)) {
            response.headers_mut().insert(HeaderName::from_static("cursor"), next);
        }
        return Ok(response);
    }
    let mut out = Map::new();
    if !continued {
        out.insert("columns".to_owned(), columns(&table));
    }
    let name = if columnar { "values" } else { "rows" };
    out.insert(name.to_owned(), show::values(&table, columnar));
    if let Some(next) = next {
        out.insert("cursor".to_owned(), next.into());
    }
    reply::json(&call, Json::Object(out))
}

fn columns(table: &Table) -> Json {
    let ty = |ty: Type| if ty == Type::Null { "null" } else { show::Names::Sql.of(ty) };
    table.columns.iter().map(|(name, t)| json!({ "name": name, "type": ty(*t) })).collect()
}

/// `POST /_sql/close`: there is nothing to close.
pub(super) async fn close(_: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    let body = members(&call)?;
    for key in body.keys() {
        if !matches!(key.as_str(), "cursor" | "mode" | "client_id" | "version") {
            return Err(unknown_field("sql/close_cursor", key));
        }
    }
    let Some(cursor) = body.get("cursor").and_then(Json::as_str) else {
        let reason = "Validation Failed: 1: [cursor] is required;";
        return Err(ApiError::new(400, "action_request_validation_exception", reason));
    };
    open_cursor(cursor)?;
    reply::json(&call, json!({ "succeeded": true }))
}
