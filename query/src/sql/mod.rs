//! How is a question in SQL answered? Statements to the commands of ES|QL, then its plan and engine.
//!
//! Knows nothing of HTTP.

mod expr;
pub mod lower;
pub mod statement;

use model::time::TimeRange;

use self::lower::{is_plain, lower};
use self::statement::{Select, Statement};
use crate::error::QueryError;
use crate::esql::analyze::{Schema, Settings};
use crate::esql::eval::Page;
use crate::esql::parse::Params;
use crate::esql::query::{Prepared, Scope};
use crate::esql::run::{Ground, Table};
use crate::esql::schema::schema;
use crate::esql::tree::Span;
use crate::esql::value::{Cell, Type};

/// Rows of an order or of groups that can be paged through.
pub const ROWS_MAX: usize = 65_535;

/// A statement that is read.
#[derive(Clone, Debug)]
pub struct Sql {
    text: String,
    statement: Statement,
    settings: Settings,
}

/// Which rows of the answer are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// How many rows were given before.
    pub passed: usize,
    /// The record that was given last, where rows come as the records do.
    pub after: Option<(i64, u64)>,
    /// How many rows are wanted now.
    pub size: usize,
}

/// Some rows, and where the next ones begin.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The rows.
    pub table: Table,
    /// What is asked next; `None` when these were the last.
    pub next: Option<Window>,
}

impl Sql {
    /// Reads a statement.
    ///
    /// # Errors
    /// It is malformed; the error has line and column.
    pub fn new(text: &str, params: &Params, settings: Settings) -> Result<Self, QueryError> {
        let statement = statement::parse(text, params)?;
        Ok(Self { text: text.to_owned(), statement, settings })
    }

    /// The index patterns that it names, with their place.
    pub fn indexes(&self) -> Option<(&[String], Span)> {
        match &self.statement {
            Statement::Select(select) => {
                select.from.as_ref().map(|(names, span)| (&names[..], *span))
            }
            Statement::Columns(names, span) => Some((names, *span)),
            Statement::Tables(_) => None,
        }
    }

    /// The patterns of `SHOW TABLES`; none means all.
    pub fn tables(&self) -> Option<Vec<String>> {
        match &self.statement {
            Statement::Tables(pattern) => {
                let parts = pattern.iter().flat_map(|p| p.split(','));
                Some(parts.map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// The text of the statement.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Answers it; `SHOW TABLES` is not asked here.
    ///
    /// # Errors
    /// Names or types do not fit the data, a limit is reached, or the search was stopped.
    pub fn answer(
        &self,
        ground: Ground<'_>,
        scope: &Scope,
        window: Window,
    ) -> Result<Rows, QueryError> {
        match &self.statement {
            Statement::Select(select) => self.select(select, (ground, scope), window),
            Statement::Tables(_) => Ok(cut(Table::default(), window)),
            Statement::Columns(..) => {
                let schema = schema(ground.snapshot, &scope.indexes, TimeRange::ALL)?;
                Ok(cut(columns(&schema), window))
            }
        }
    }

    fn select(
        &self,
        select: &Select,
        (ground, scope): (Ground<'_>, &Scope),
        window: Window,
    ) -> Result<Rows, QueryError> {
        let schema = match &select.from {
            Some(_) => schema(ground.snapshot, &scope.indexes, scope.time()?)?,
            None => Schema::default(),
        };
        let plain = is_plain(select);
        let left = select.limit.unwrap_or(usize::MAX).saturating_sub(window.passed);
        let wanted = window.size.min(left);
        // One more tells whether there are more.
        let more = usize::from(left > wanted);
        let limit = if plain { wanted + more } else { window.passed + wanted + more };
        if limit > ROWS_MAX + 1 {
            return Err(QueryError::illegal(format!(
                "an order or groups can be paged through up to [{ROWS_MAX}] rows: add a LIMIT, or \
                 conditions"
            )));
        }
        let lowered = lower(&self.text, select, &schema, limit)?;
        let settings = Settings { rows_max: usize::MAX, ..self.settings.clone() };
        let prepared = Prepared::of_commands(&self.text, lowered.commands, settings);
        let after = window.after.filter(|_| plain);
        let mut table = prepared.answer_after(ground, scope, after)?;
        for (column, name) in table.columns.iter_mut().zip(lowered.names) {
            column.0 = name;
        }
        if !plain {
            return Ok(cut(table, Window { size: wanted, ..window }));
        }
        let more = table.page.rows > wanted && wanted > 0;
        let last = table.records.get(wanted.wrapping_sub(1)).copied();
        truncate(&mut table.page, wanted);
        let next = more.then(|| Window { passed: window.passed + wanted, after: last, ..window });
        Ok(Rows { table, next })
    }
}

fn truncate(page: &mut Page, rows: usize) {
    page.columns.iter_mut().for_each(|column| column.truncate(rows));
    page.rows = page.rows.min(rows);
}

/// The window of a table that is there as a whole.
fn cut(mut table: Table, window: Window) -> Rows {
    let passed = window.passed.min(table.page.rows);
    for column in &mut table.page.columns {
        column.drain(..passed.min(column.len()));
    }
    table.page.rows -= passed;
    let more = table.page.rows > window.size && window.size > 0;
    truncate(&mut table.page, window.size);
    let next = more.then(|| Window { passed: passed + window.size, ..window });
    Rows { table, next }
}

fn table_of(names: &[&str], rows: Vec<Vec<String>>) -> Table {
    let mut table = Table::default();
    table.page.rows = rows.len();
    for (at, name) in names.iter().enumerate() {
        table.columns.push(((*name).to_owned(), Type::Keyword));
        table.page.columns.push(rows.iter().map(|row| Cell::text(row[at].as_str())).collect());
    }
    table
}

/// The answer of `SHOW TABLES` with these names.
pub fn tables(names: &[String], window: Window) -> Rows {
    let row = |name: &String| ["logdrive", name, "TABLE", "INDEX"].map(str::to_owned).to_vec();
    cut(table_of(&["catalog", "name", "type", "kind"], names.iter().map(row).collect()), window)
}

/// `DESCRIBE`: every field, and the objects that hold them.
fn columns(schema: &Schema) -> Table {
    let mut rows: std::collections::BTreeMap<String, [&str; 2]> = Default::default();
    for field in &schema.fields {
        for (at, _) in field.path.match_indices('.') {
            rows.entry(field.path[..at].to_owned()).or_insert(["STRUCT", "object"]);
        }
        let sql = match field.ty {
            Type::Boolean => "BOOLEAN",
            Type::Integer => "INTEGER",
            Type::Long => "BIGINT",
            Type::Double => "DOUBLE",
            Type::Date => "TIMESTAMP",
            Type::Ip => "IP",
            _ => "VARCHAR",
        };
        rows.insert(field.path.clone(), [sql, field.ty.name()]);
    }
    let row = |(path, [sql, mapping]): (String, [&str; 2])| {
        vec![path, sql.to_owned(), mapping.to_owned()]
    };
    table_of(&["column", "type", "mapping"], rows.into_iter().map(row).collect())
}
