//! How does a table look? Elasticsearch's JSON, CSV, TSV and text.

use std::fmt::Write;

use serde_json::{Map, Number, Value as Json, json};

use super::run::Table;
use super::value::{Cell, Type};

/// Which language's names of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// `date`.
    Esql,
    /// `datetime`.
    Sql,
}

impl Names {
    /// A type's name in `columns`.
    pub fn of(self, ty: Type) -> &'static str {
        match (ty, self) {
            (Type::Date, Names::Esql) => "date",
            (ty, _) => ty.name(),
        }
    }
}

/// One cell as JSON.
pub fn cell(cell: &Cell, ty: Type) -> Json {
    match cell {
        Cell::Null => Json::Null,
        Cell::Bool(v) => Json::Bool(*v),
        Cell::Int(v) if matches!(ty, Type::Integer | Type::Long) => Json::Number((*v).into()),
        Cell::Double(v) => Number::from_f64(*v).map_or(Json::Null, Json::Number),
        Cell::Text(text) if ty == Type::Source => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.to_string()))
        }
        Cell::Text(text) => Json::String(text.to_string()),
        Cell::Multi(list) => list.iter().map(|one| self::cell(one, ty)).collect(),
        other => Json::String(other.print(ty)),
    }
}

/// `columns`.
pub fn columns(table: &Table, names: Names) -> Json {
    let one = |(name, ty): &(String, Type)| json!({ "name": name, "type": names.of(*ty) });
    table.columns.iter().map(one).collect()
}

/// The rows, or the columns when `columnar`.
pub fn values(table: &Table, columnar: bool) -> Json {
    let typed = || table.columns.iter().zip(&table.page.columns);
    if columnar {
        let column = |((_, ty), cells): (&(String, Type), &Vec<Cell>)| -> Json {
            cells.iter().map(|c| cell(c, *ty)).collect()
        };
        return typed().map(column).collect();
    }
    let row = |row: usize| -> Json { typed().map(|((_, ty), c)| cell(&c[row], *ty)).collect() };
    (0..table.page.rows).map(row).collect()
}

/// The answer of a query as JSON.
pub fn esql_json(table: &Table, took_ms: u64, (columnar, drop_nulls): (bool, bool)) -> Json {
    let mut out = Map::new();
    out.insert("took".to_owned(), took_ms.into());
    out.insert("is_partial".to_owned(), table.is_partial.into());
    out.insert("documents_found".to_owned(), table.documents_found.into());
    out.insert("values_loaded".to_owned(), table.values_loaded.into());
    if drop_nulls {
        out.insert("all_columns".to_owned(), columns(table, Names::Esql));
        let mut kept = table.clone();
        let full: Vec<bool> =
            table.page.columns.iter().map(|c| c.iter().any(|cell| !cell.is_null())).collect();
        let mut marks = full.iter();
        kept.columns.retain(|_| marks.next().copied().unwrap_or(false));
        let mut marks = full.iter();
        kept.page.columns.retain(|_| marks.next().copied().unwrap_or(false));
        out.insert("columns".to_owned(), columns(&kept, Names::Esql));
        out.insert("values".to_owned(), values(&kept, columnar));
    } else {
        out.insert("columns".to_owned(), columns(table, Names::Esql));
        out.insert("values".to_owned(), values(table, columnar));
    }
    Json::Object(out)
}

/// One cell as text; null is nothing.
fn text(cell: &Cell, ty: Type) -> String {
    match cell {
        Cell::Null => String::new(),
        other => other.print(ty),
    }
}

/// Comma-separated values by RFC 4180.
pub fn csv(table: &Table, delimiter: char, header: bool) -> String {
    let mut out = String::new();
    let quoted = |text: &str| match text.contains([delimiter, '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let line = |out: &mut String, cells: &mut dyn Iterator<Item = String>| {
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                out.push(delimiter);
            }
            out.push_str(&quoted(&cell));
        }
        out.push_str("\r\n");
    };
    if header {
        line(&mut out, &mut table.columns.iter().map(|c| c.0.clone()));
    }
    for row in 0..table.page.rows {
        let typed = table.columns.iter().zip(&table.page.columns);
        line(&mut out, &mut typed.map(|((_, ty), cells)| text(&cells[row], *ty)));
    }
    out
}

/// Tab-separated values: tabs and line ends inside are written `\t` and `\n`.
pub fn tsv(table: &Table, header: bool) -> String {
    let mut out = String::new();
    let escaped = |text: &str| text.replace('\t', "\\t").replace('\n', "\\n");
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.map(|cell| escaped(&cell)).collect();
        out.push_str(&cells.join("\t"));
        out.push('\n');
    };
    if header {
        line(&mut table.columns.iter().map(|c| c.0.clone()));
    }
    for row in 0..table.page.rows {
        let typed = table.columns.iter().zip(&table.page.columns);
        line(&mut typed.map(|((_, ty), cells)| text(&cells[row], *ty)));
    }
    out
}

/// A table to look at.
pub fn txt(table: &Table, header: bool) -> String {
    const WIDTH_MIN: usize = 15;
    let shown: Vec<Vec<String>> = table
        .columns
        .iter()
        .zip(&table.page.columns)
        .map(|((_, ty), cells)| cells.iter().map(|c| c.print(*ty)).collect())
        .collect();
    let widths: Vec<usize> = table
        .columns
        .iter()
        .zip(&shown)
        .map(|((name, _), cells)| {
            let longest = cells.iter().map(|c| c.chars().count()).max().unwrap_or(0);
            longest.max(name.chars().count()).max(WIDTH_MIN)
        })
        .collect();
    let mut out = String::new();
    if header {
        let names: Vec<String> = table
            .columns
            .iter()
            .zip(&widths)
            .map(|((name, _), width)| format!("{name:^width$}"))
            .collect();
        let _ = writeln!(out, "{}", names.join("|"));
        let lines: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let _ = writeln!(out, "{}", lines.join("+"));
    }
    for row in 0..table.page.rows {
        let cells: Vec<String> = shown
            .iter()
            .zip(&widths)
            .map(|(cells, width)| format!("{:<width$}", cells[row]))
            .collect();
        let _ = writeln!(out, "{}", cells.join("|"));
    }
    out
}
