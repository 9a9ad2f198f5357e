//! Which indexes are there, for a person? `_cat/indices` as a table or JSON.

use axum::response::Response;
use serde_json::{Map, Value as Json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, IndexStats, LOOKUP_PARAMS, Lookup};
use super::{Api, reply};

/// Columns with their short names; the first ten are shown unless the request says which.
const COLUMNS: [(&str, &[&str]); 10] = [
    ("health", &["h"]),
    ("status", &["s"]),
    ("index", &["i", "idx"]),
    ("uuid", &["id"]),
    ("pri", &["p", "shards.primary", "shardsPrimary"]),
    ("rep", &["r", "shards.replica", "shardsReplica"]),
    ("docs.count", &["dc", "docsCount"]),
    ("docs.deleted", &["dd", "docsDeleted"]),
    ("store.size", &["ss", "storeSize"]),
    ("pri.store.size", &["priStoreSize"]),
];

fn column(name: &str) -> Result<usize, ApiError> {
    let at = COLUMNS.iter().position(|(full, short)| *full == name || short.contains(&name));
    at.ok_or_else(|| {
        let all: Vec<_> = COLUMNS.iter().map(|(full, _)| *full).collect();
        ApiError::illegal(format!("unknown column [{name}]: there are {}", all.join(", ")))
    })
}

/// One index: what is printed, and what is sorted by.
struct Row {
    cells: [String; COLUMNS.len()],
    stats: IndexStats,
}

/// `GET /_cat/indices`, `GET /_cat/indices/{index}`.
pub(super) async fn indices(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "v",
        "h",
        "s",
        "format",
        "bytes",
        "health",
        "pri",
        "time",
        "local",
        "master_timeout",
        "include_unloaded_segments",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let found = indexes::resolve(&api, &snapshot, &call.indexes, Lookup::about_all(&call.params)?)?;
    let unit = call.params.get("bytes");
    let mut rows = Vec::with_capacity(found.len());
    if matches!(call.params.get("health"), None | Some("green")) {
        for (name, stats) in found {
            rows.push(row(&api, name, stats, unit)?);
        }
    }
    sort(&mut rows, &call.params.list("s"))?;
    let mut columns =
        call.params.list("h").iter().map(|c| column(c)).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        columns = (0..COLUMNS.len()).collect();
    }
    let wants_json = call.accept.starts_with("application/json")
        || call.accept.starts_with("application/vnd.elasticsearch+json");
    match call.params.get("format") {
        Some("json") => json(&call, &rows, &columns),
        None if wants_json => json(&call, &rows, &columns),
        None | Some("text" | "txt") => {
            let head = call.params.flag("v")?.unwrap_or(false);
            Ok(reply::text(table(&rows, &columns, head)))
        }
        Some(other) => Err(ApiError::illegal(format!(
            "the format [{other}] is not supported: use json or text"
        ))),
    }
}

fn row(api: &Api, name: String, stats: IndexStats, unit: Option<&str>) -> Result<Row, ApiError> {
    let size = size(stats.bytes, unit)?;
    let uuid = api.registry.uuid(&name);
    let [green, open] = ["green", "open"].map(str::to_owned);
    let [one, none, deleted] = ["1", "0", "0"].map(str::to_owned);
    let docs = stats.docs.to_string();
    let cells = [green, open, name, uuid, one, none, docs, deleted, size.clone(), size];
    Ok(Row { cells, stats })
}

/// As people read it, or in whole units.
fn size(bytes: u64, unit: Option<&str>) -> Result<String, ApiError> {
    const UNITS: [&str; 6] = ["b", "kb", "mb", "gb", "tb", "pb"];
    if let Some(unit) = unit {
        let short = unit.trim_end_matches('b');
        let at = UNITS.iter().position(|u| *u == unit || u.trim_end_matches('b') == short);
        let at = at.ok_or_else(|| {
            ApiError::illegal(format!("unknown unit [{unit}] in [bytes]: use {}", UNITS.join(", ")))
        })?;
        return Ok((bytes >> (10 * at)).to_string());
    }
    let at = (0..UNITS.len() - 1).rev().find(|at| bytes >> (10 * at) > 0).unwrap_or(0);
    let tenths = u128::from(bytes) * 10 / (1 << (10 * at));
    Ok(match tenths % 10 {
        0 => format!("{}{}", tenths / 10, UNITS[at]),
        part => format!("{}.{part}{}", tenths / 10, UNITS[at]),
    })
}

/// By columns, each with `:asc` or `:desc`.
fn sort(rows: &mut [Row], keys: &[String]) -> Result<(), ApiError> {
    for key in keys.iter().rev() {
        let (name, direction) = key.split_once(':').unwrap_or((key, "asc"));
        let at = column(name)?;
        rows.sort_by(|a, b| match COLUMNS[at].0 {
            "docs.count" => a.stats.docs.cmp(&b.stats.docs),
            "store.size" | "pri.store.size" => a.stats.bytes.cmp(&b.stats.bytes),
            _ => a.cells[at].cmp(&b.cells[at]),
        });
        match direction {
            "asc" => {}
            "desc" => rows.reverse(),
            other => {
                let reason = format!("cannot sort [{other}]: use asc or desc");
                return Err(ApiError::illegal(reason));
            }
        }
    }
    Ok(())
}

fn json(call: &Call, rows: &[Row], columns: &[usize]) -> Result<Response, ApiError> {
    let object = |row: &Row| {
        let cells =
            columns.iter().map(|at| (COLUMNS[*at].0.to_owned(), row.cells[*at].clone().into()));
        Json::Object(cells.collect::<Map<_, _>>())
    };
    reply::json(call, rows.iter().map(object).collect())
}

fn table(rows: &[Row], columns: &[usize], head: bool) -> String {
    let right = |at: usize| at >= 4;
    let width = |at: usize| {
        let cells = rows.iter().map(|row| row.cells[at].chars().count()).max().unwrap_or(0);
        if head { cells.max(COLUMNS[at].0.len()) } else { cells }
    };
    let widths: Vec<usize> = columns.iter().map(|at| width(*at)).collect();
    let mut out = String::new();
    let mut line = |cell: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for (at, width) in columns.iter().zip(&widths) {
            let cell = cell(*at);
            text.push_str(&match right(*at) {
                true => format!("{cell:>width$} "),
                false => format!("{cell:<width$} "),
            });
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    if head {
        line(&|at| COLUMNS[at].0.to_owned());
    }
    for row in rows {
        line(&|at| row.cells[at].clone());
    }
    out
}
