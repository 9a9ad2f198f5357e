//! What is there, for a person? Tables as text or JSON: which columns, in which order, in which
//! units.

mod indices;
mod tables;

use axum::Router;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::pattern::glob;
use serde_json::{Map, Value as Json};

use super::call::Call;
use super::error::ApiError;
use super::lifecycle::age;
use super::params::Params;
use super::{Api, endpoint, reply};

/// Parameters of every table.
const PARAMS: [&str; 9] =
    ["v", "h", "s", "format", "bytes", "time", "help", "local", "master_timeout"];

/// What a table is called, with and without a path behind it.
const NAMES: [&str; 17] = [
    "allocation",
    "shards",
    "master",
    "nodes",
    "tasks",
    "indices",
    "segments",
    "count",
    "recovery",
    "health",
    "pending_tasks",
    "aliases",
    "thread_pool",
    "plugins",
    "fielddata",
    "nodeattrs",
    "templates",
];
/// Tables that take indexes in their path.
const OF_INDEXES: [&str; 5] = ["shards", "indices", "segments", "count", "recovery"];
/// Tables that take names in their path.
const OF_NAMES: [&str; 5] = ["allocation", "aliases", "thread_pool", "fielddata", "templates"];

pub(super) fn routes() -> Router<Api> {
    let get = MethodFilter::GET;
    let mut router = Router::new().route("/_cat", endpoint(get, "cat", list));
    for name in NAMES {
        let table = move || endpoint(get, "cat", move |api, call| answer(api, call, name));
        router = router.route(&format!("/_cat/{name}"), table());
        let part = match () {
            () if OF_INDEXES.contains(&name) => "index",
            () if OF_NAMES.contains(&name) => "name",
            () => continue,
        };
        router = router.route(&format!("/_cat/{name}/{{{part}}}"), table());
    }
    router
}

async fn list(_: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&PARAMS])?;
    let mut out = "=^.^=\n".to_owned();
    for name in NAMES {
        out.push_str(&format!("/_cat/{name}\n"));
        if OF_INDEXES.contains(&name) {
            out.push_str(&format!("/_cat/{name}/{{index}}\n"));
        }
        if OF_NAMES.contains(&name) {
            out.push_str(&format!("/_cat/{name}/{{{name}}}\n"));
        }
    }
    Ok(reply::text(out))
}

async fn answer(api: Api, call: Call, name: &'static str) -> Result<Response, ApiError> {
    match name {
        "indices" => indices::indices(api, call).await,
        name => tables::table(api, call, name).await,
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
struct Column {
    name: &'static str,
    /// Short names, between commas.
    short: &'static str,
    /// Shown when the request names no columns.
    shown: bool,
    help: &'static str,
}

const fn shown(name: &'static str, short: &'static str, help: &'static str) -> Column {
    Column { name, short, shown: true, help }
}

const fn more(name: &'static str, short: &'static str, help: &'static str) -> Column {
    Column { name, short, shown: false, help }
}

impl Column {
    fn is_called(&self, pattern: &str) -> bool {
        glob(pattern, self.name) || self.short.split(',').any(|s| !s.is_empty() && glob(pattern, s))
    }
}

/// A value of a table.
#[derive(Clone, Debug)]
enum Cell {
    Text(String),
    Number(f64),
    Bytes(u64),
    Millis(i64),
    None,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Cell::Number(number as f64)
    }
}

impl Cell {
    fn is_right(&self) -> bool {
        matches!(self, Cell::Number(_) | Cell::Bytes(_) | Cell::Millis(_))
    }

    fn print(&self, units: &Units) -> Option<String> {
        Some(match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => format!("{number}"),
            Cell::Bytes(bytes) => size(*bytes, units.bytes),
            Cell::Millis(ms) => match units.time {
                None => age(*ms),
                Some(per_ms) => format!("{}", (*ms as f64 * per_ms).floor()),
            },
            Cell::None => return None,
        })
    }

    fn number(&self) -> Option<f64> {
        match self {
            Cell::Number(number) => Some(*number),
            Cell::Bytes(bytes) => Some(*bytes as f64),
            Cell::Millis(ms) => Some(*ms as f64),
            Cell::Text(_) | Cell::None => None,
        }
    }
}

/// In what sizes and times are shown; as people read them when nothing is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Units {
    /// Bytes of the unit, as a power of 1024.
    bytes: Option<u32>,
    /// Units in a millisecond.
    time: Option<f64>,
}

impl Units {
    fn of(params: &Params) -> Result<Self, ApiError> {
        let mut out = Self::default();
        if let Some(unit) = params.get("bytes") {
            const UNITS: [&str; 6] = ["b", "kb", "mb", "gb", "tb", "pb"];
            let short = unit.trim_end_matches('b');
            let at = UNITS.iter().position(|u| *u == unit || u.trim_end_matches('b') == short);
            let at = at.ok_or_else(|| {
                let all = UNITS.join(", ");
                ApiError::illegal(format!("unknown unit [{unit}] in [bytes]: use {all}"))
            })?;
            out.bytes = Some(at as u32);
        }
        if let Some(unit) = params.get("time") {
            out.time = Some(match unit {
                "nanos" => 1e6,
                "micros" => 1e3,
                "ms" => 1.0,
                "s" => 1e-3,
                "m" => 1.0 / 60e3,
                "h" => 1.0 / 3_600e3,
                "d" => 1.0 / 86_400e3,
                _ => {
                    return Err(ApiError::illegal(format!(
                        "unknown unit [{unit}] in [time]: use nanos, micros, ms, s, m, h, d"
                    )));
                }
            });
        }
        Ok(out)
    }
}

/// As people read it, or in whole units.
fn size(bytes: u64, unit: Option<u32>) -> String {
    const UNITS: [&str; 6] = ["b", "kb", "mb", "gb", "tb", "pb"];
    if let Some(power) = unit {
        return (bytes >> (10 * power)).to_string();
    }
    let at = (0..UNITS.len() - 1).rev().find(|at| bytes >> (10 * at) > 0).unwrap_or(0);
    let tenths = u128::from(bytes) * 10 / (1 << (10 * at));
    match tenths % 10 {
        0 => format!("{}{}", tenths / 10, UNITS[at]),
        part => format!("{}.{part}{}", tenths / 10, UNITS[at]),
    }
}

/// Answers with a table, as the request wants it.
fn respond(
    call: &Call,
    columns: &[Column],
    mut rows: Vec<Vec<Cell>>,
) -> Result<Response, ApiError> {
    if call.params.flag("help")?.unwrap_or(false) {
        return Ok(reply::text(help(columns)));
    }
    let units = Units::of(&call.params)?;
    sort(columns, &mut rows, &call.params.list("s"))?;
    let chosen = choose(columns, &call.params.list("h"))?;
    let wants_json = call.accept.starts_with("application/json")
        || call.accept.starts_with("application/vnd.elasticsearch+json");
    match call.params.get("format") {
        Some("json") => json(call, &rows, &chosen, &units),
        None if wants_json => json(call, &rows, &chosen, &units),
        None | Some("text" | "txt") => {
            let head = call.params.flag("v")?.unwrap_or(false);
            Ok(reply::text(text(&rows, &chosen, (head, &units))))
        }
        Some(other) => Err(ApiError::illegal(format!(
            "the format [{other}] is not supported: use json or text"
        ))),
    }
}

fn help(columns: &[Column]) -> String {
    let width = |of: fn(&Column) -> &'static str| columns.iter().map(|c| of(c).len()).max();
    let (names, shorts) = (width(|c| c.name).unwrap_or(0), width(|c| c.short).unwrap_or(0));
    let line = |c: &Column| {
        let short = if c.short.is_empty() { "-" } else { c.short };
        format!("{:<names$} | {short:<shorts$} | {}\n", c.name, c.help)
    };
    columns.iter().map(line).collect()
}

/// The columns of the request: place, and the name that they are shown under.
fn choose(columns: &[Column], wanted: &[String]) -> Result<Vec<(usize, String)>, ApiError> {
    let of = |at: usize| (at, columns[at].name.to_owned());
    if wanted.is_empty() {
        return Ok((0..columns.len()).filter(|at| columns[*at].shown).map(of).collect());
    }
    let mut out: Vec<(usize, String)> = Vec::new();
    for pattern in wanted {
        let found: Vec<usize> =
            (0..columns.len()).filter(|at| columns[*at].is_called(pattern)).collect();
        if found.is_empty() {
            return Err(unknown(columns, pattern));
        }
        for at in found {
            let name = if pattern.contains('*') { columns[at].name } else { pattern };
            if !out.iter().any(|(known, _)| *known == at) {
                out.push((at, name.to_owned()));
            }
        }
    }
    Ok(out)
}

fn unknown(columns: &[Column], name: &str) -> ApiError {
    let all: Vec<_> = columns.iter().map(|column| column.name).collect();
    ApiError::illegal(format!("unknown column [{name}]: there are {}", all.join(", ")))
}

/// By columns, each with `:asc` or `:desc`.
fn sort(columns: &[Column], rows: &mut [Vec<Cell>], keys: &[String]) -> Result<(), ApiError> {
    let units = Units::default();
    for key in keys.iter().rev() {
        let (name, direction) = key.split_once(':').unwrap_or((key, "asc"));
        let at =
            columns.iter().position(|c| c.name == name || c.short.split(',').any(|s| s == name));
        let at = at.ok_or_else(|| unknown(columns, name))?;
        let descending = match direction {
            "asc" => false,
            "desc" => true,
            other => {
                let reason = format!("cannot sort [{other}]: use asc or desc");
                return Err(ApiError::illegal(reason));
            }
        };
        rows.sort_by(|a, b| {
            let order = match (a[at].number(), b[at].number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => a[at].print(&units).cmp(&b[at].print(&units)),
            };
            if descending { order.reverse() } else { order }
        });
    }
    Ok(())
}

fn json(
    call: &Call,
    rows: &[Vec<Cell>],
    columns: &[(usize, String)],
    units: &Units,
) -> Result<Response, ApiError> {
    let object = |row: &Vec<Cell>| {
        let cells = columns.iter().map(|(at, name)| {
            let value = row[*at].print(units).map_or(Json::Null, Json::String);
            (name.clone(), value)
        });
        Json::Object(cells.collect::<Map<_, _>>())
    };
    reply::json(call, rows.iter().map(object).collect())
}

fn text(rows: &[Vec<Cell>], columns: &[(usize, String)], (head, units): (bool, &Units)) -> String {
    let mut lines: Vec<Vec<String>> = Vec::with_capacity(rows.len() + 1);
    if head {
        lines.push(columns.iter().map(|(_, name)| name.clone()).collect());
    }
    for row in rows {
        lines.push(
            columns.iter().map(|(at, _)| row[*at].print(units).unwrap_or_default()).collect(),
        );
    }
    let width = |at: usize| lines.iter().map(|l| l[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let right: Vec<bool> =
        columns.iter().map(|(at, _)| rows.first().is_some_and(|r| r[*at].is_right())).collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (at, cell) in line.iter().enumerate() {
            let width = widths[at];
            text.push_str(&match right[at] {
                true => format!("{cell:>width$} "),
                false => format!("{cell:<width$} "),
            });
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}
