//! Does a query make sense? Names to columns, types, and the plan of its stages.
//!
//! All problems are told at once, as Elasticsearch does. Knows the schema, but no records.

mod aggs;
mod bucket;
mod expr;
mod names;
mod text;

use std::sync::Arc;

use jiff::tz::TimeZone;
use model::record::TIMESTAMP_FIELD;
use model::time::Timestamp;

pub(crate) use aggs::contains_aggregate;

use super::dissect::Dissect;
use super::eval::Page;
use super::grok::Grok;
use super::parse::{Dialect, place};
use super::plan::{Breaker, Context, Ex, Field, FieldKind, Key, Program, Source, Stage, Step};
use super::tree::{Command, CommandKind, Expr, Named, SortItem, Span};
use super::value::{Cell, Type};
use crate::clause::Limits;
use crate::error::{ErrorKind, QueryError};

/// The fields of the indexes that a query names, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// The fields.
    pub fields: Vec<SchemaField>,
}

/// A field of the indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaField {
    /// Its path.
    pub path: String,
    /// The type that holds all of its values.
    pub ty: Type,
    /// Values of other kinds become texts of it.
    pub mixed: bool,
}

/// What a query is planned with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which language.
    pub dialect: Dialect,
    /// What `NOW()` is.
    pub now: Timestamp,
    /// The zone of calendars.
    pub zone: TimeZone,
    /// How many rows are given when the query does not say.
    pub rows_default: usize,
    /// How many rows are given at most.
    pub rows_max: usize,
    /// Limits of full text queries.
    pub limits: Limits,
    /// The version that `SHOW INFO` tells.
    pub version: String,
}

#[derive(Clone, Debug)]
struct Column {
    name: String,
    ty: Type,
    slot: usize,
}

/// Plans one query.
struct Analyzer<'q> {
    text: &'q str,
    settings: &'q Settings,
    context: Context,
    fields: Vec<Field>,
    columns: Vec<Column>,
    problems: Vec<(usize, String)>,
    slots: usize,
    steps: Vec<Step>,
    stages: Vec<Stage>,
    sort: Vec<Key>,
    row: Vec<Cell>,
    /// Rows come from records.
    of_records: bool,
    /// Aggregates are allowed: the groups so far.
    groups: Option<aggs::Groups>,
}

/// A problem that ends the analysis at once.
type Fatal<T> = Result<T, QueryError>;

/// Plans commands.
///
/// # Errors
/// A `verification_exception` with every problem, or a limit is reached.
pub fn analyze(
    text: &str,
    commands: &[Command],
    schema: &Schema,
    settings: &Settings,
) -> Result<Program, QueryError> {
    let context = Context {
        now: settings.now,
        zone: settings.zone.clone(),
        any_value: settings.dialect == Dialect::Sql,
    };
    let mut analyzer = Analyzer {
        text,
        settings,
        context,
        fields: Vec::new(),
        columns: Vec::new(),
        problems: Vec::new(),
        slots: 0,
        steps: Vec::new(),
        stages: Vec::new(),
        sort: Vec::new(),
        row: Vec::new(),
        of_records: false,
        groups: None,
    };
    for command in commands {
        analyzer.command(command, schema)?;
        // What follows would only repeat the problem.
        if !analyzer.problems.is_empty() {
            return Err(analyzer.error());
        }
    }
    analyzer.finish()
}

impl<'q> Analyzer<'q> {
    fn error(&self) -> QueryError {
        let count = self.problems.len();
        let mut reason = format!("Found {count} problem{}", if count == 1 { "" } else { "s" });
        for (at, what) in &self.problems {
            reason.push_str(&format!("\n{}: {what}", place(self.text, *at)));
        }
        QueryError::of(ErrorKind::Verification, reason)
    }

    fn problem(&mut self, span: Span, what: impl Into<String>) {
        let problem = (span.0, what.into());
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// A `parsing_exception` at a place.
    fn malformed<T>(&self, span: Span, what: &str) -> Fatal<T> {
        Err(super::parse::lexer::error_at(self.text, span, what))
    }

    fn shown(&self, span: Span) -> &'q str {
        self.text.get(span.0..span.1).unwrap_or("")
    }

    fn new_slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    fn command(&mut self, command: &Command, schema: &Schema) -> Fatal<()> {
        match &command.kind {
            CommandKind::From { metadata, .. } => {
                self.of_records = true;
                self.from(schema, metadata);
            }
            CommandKind::Row(fields) => {
                for named in fields {
                    let (ex, ty) = self.expr(&named.expr)?;
                    // Later fields see the earlier ones.
                    let columns = self.row.iter().map(|cell| vec![cell.clone()]).collect();
                    let cell = ex.eval(&Page { rows: 1, columns }, 0, &self.context);
                    let slot = self.new_slot();
                    self.row.push(cell);
                    self.set_column(&named.name, ty, slot);
                }
            }
            CommandKind::ShowInfo => {
                for (name, value) in
                    [("version", self.settings.version.as_str()), ("date", ""), ("hash", "")]
                {
                    let slot = self.new_slot();
                    self.row.push(Cell::text(value));
                    self.set_column(name, Type::Keyword, slot);
                }
            }
            CommandKind::Where(condition) => {
                let (ex, ty) = self.expr(condition)?;
                if !matches!(ty, Type::Boolean | Type::Null) {
                    let found = ty.name().to_ascii_uppercase();
                    let what = format!("Condition expression needs to be boolean, found [{found}]");
                    self.problem(condition.span, what);
                }
                self.steps.push(Step::Filter(ex));
            }
            CommandKind::Eval(fields) => self.eval(fields)?,
            CommandKind::Stats { aggs, by } => self.stats(aggs, by, command.span)?,
            CommandKind::Sort(items) => self.order(items)?,
            CommandKind::Limit(count) => self.limit(*count),
            CommandKind::Keep(names) => self.keep(names),
            CommandKind::Drop(names) => self.drop(names),
            CommandKind::Rename(pairs) => self.rename(pairs),
            CommandKind::Dissect(expr, pattern, separator) => {
                self.dissect(expr, pattern, separator, command.span)?;
            }
            CommandKind::Grok(expr, patterns) => self.grok(expr, patterns, command.span)?,
            CommandKind::Expand(name, span) => self.expand(name, *span),
        }
        Ok(())
    }

    fn from(&mut self, schema: &Schema, metadata: &[(String, Span)]) {
        for SchemaField { path, ty, mixed } in &schema.fields {
            let kind = match path.as_str() {
                TIMESTAMP_FIELD => FieldKind::Time,
                _ => FieldKind::Path(path.clone()),
            };
            let slot = self.source_field(kind, *ty);
            self.fields[slot].mixed = *mixed;
            self.columns.push(Column { name: path.clone(), ty: *ty, slot });
        }
        for (name, span) in metadata {
            let (kind, ty) = match name.as_str() {
                "_id" => (FieldKind::Id, Type::Keyword),
                "_index" => (FieldKind::Index, Type::Keyword),
                "_source" => (FieldKind::Source, Type::Source),
                "_version" => (FieldKind::Fixed(Cell::Int(1)), Type::Long),
                "_index_mode" => (FieldKind::Fixed(Cell::text("standard")), Type::Keyword),
                "_ignored" => (FieldKind::Fixed(Cell::Null), Type::Keyword),
                "_score" => {
                    self.problem(
                        *span,
                        "metadata field [_score] is not supported: no query of \
                                         ES|QL scores here",
                    );
                    continue;
                }
                _ => {
                    self.problem(*span, format!("unsupported metadata field [{name}]"));
                    continue;
                }
            };
            let slot = self.source_field(kind, ty);
            self.set_column(name, ty, slot);
        }
    }

    /// The slot of a column of the source.
    fn source_field(&mut self, kind: FieldKind, ty: Type) -> usize {
        let slot = self.new_slot();
        self.fields.push(Field { slot, kind, ty, mixed: false });
        slot
    }

    /// A column under a name; one that had it is gone.
    fn set_column(&mut self, name: &str, ty: Type, slot: usize) {
        self.columns.retain(|c| c.name != name);
        self.columns.push(Column { name: name.to_owned(), ty, slot });
    }

    /// The slot of a value, computed by a step unless it is a column.
    fn slot_of(&mut self, ex: Ex) -> usize {
        match ex {
            Ex::Slot(slot) => slot,
            ex => {
                let slot = self.new_slot();
                self.steps.push(Step::Eval(slot, ex));
                slot
            }
        }
    }

    fn eval(&mut self, fields: &[Named]) -> Fatal<()> {
        for named in fields {
            let (ex, ty) = self.expr(&named.expr)?;
            if ty.is_span() {
                let what = format!(
                    "EVAL does not support type [{}] as the return data type of expression [{}]",
                    ty.name(),
                    self.shown(named.expr.span)
                );
                self.problem(named.expr.span, what);
            }
            let slot = self.slot_of(ex);
            self.set_column(&named.name, ty, slot);
        }
        Ok(())
    }

    fn order(&mut self, items: &[SortItem]) -> Fatal<()> {
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let (ex, ty) = self.expr(&item.expr)?;
            if ty == Type::Source {
                self.problem(item.expr.span, "cannot sort on _source");
            }
            let slot = self.slot_of(ex);
            keys.push(Key { slot, descending: item.descending, nulls_first: item.nulls_first });
        }
        // Rows that are equal stay in the order that they were in.
        keys.append(&mut self.sort);
        self.sort = keys;
        Ok(())
    }

    fn limit(&mut self, count: usize) {
        let end = Breaker::Top(std::mem::take(&mut self.sort), count);
        self.end_stage(end);
    }

    fn end_stage(&mut self, end: Breaker) {
        let steps = std::mem::take(&mut self.steps);
        self.stages.push(Stage { steps, end, slots: self.slots });
    }

    fn dissect(&mut self, expr: &Expr, pattern: &str, separator: &str, span: Span) -> Fatal<()> {
        let text = self.text_to_take_apart("Dissect", expr)?;
        let dissect = match Dissect::new(pattern, separator) {
            Ok(dissect) => Arc::new(dissect),
            Err(why) => return self.malformed(span, &why),
        };
        let first = self.slots;
        for name in dissect.names() {
            let slot = self.new_slot();
            self.set_column(name, Type::Keyword, slot);
        }
        self.steps.push(Step::Dissect(first, text, dissect));
        Ok(())
    }

    fn grok(&mut self, expr: &Expr, patterns: &[String], span: Span) -> Fatal<()> {
        let text = self.text_to_take_apart("Grok", expr)?;
        let grok = match Grok::new(patterns) {
            Ok(grok) => Arc::new(grok),
            Err(why) => return self.malformed(span, &why),
        };
        let first = self.slots;
        for (name, ty) in grok.fields() {
            let slot = self.new_slot();
            self.set_column(name, *ty, slot);
        }
        self.steps.push(Step::Grok(first, text, grok));
        Ok(())
    }

    fn text_to_take_apart(&mut self, command: &str, expr: &Expr) -> Fatal<Ex> {
        let (ex, ty) = self.expr(expr)?;
        if !ty.is_string() && ty != Type::Null {
            let what = format!(
                "{command} only supports KEYWORD or TEXT values, found expression [{}] type [{}]",
                self.shown(expr.span),
                ty.name().to_ascii_uppercase()
            );
            self.problem(expr.span, what);
        }
        Ok(ex)
    }

    fn expand(&mut self, name: &str, span: Span) {
        let Some(column) = self.lookup(name, span) else { return };
        let slot = self.new_slot();
        self.steps.push(Step::Expand(slot, column.slot));
        if let Some(shown) = self.columns.iter_mut().find(|c| c.name == name) {
            shown.slot = slot;
        }
    }

    fn finish(mut self) -> Result<Program, QueryError> {
        let pending = !self.steps.is_empty() || !self.sort.is_empty();
        let limited =
            !pending && self.stages.last().is_some_and(|s| matches!(s.end, Breaker::Top(..)));
        match self.stages.last_mut() {
            Some(Stage { end: Breaker::Top(_, count), .. }) if limited => {
                *count = (*count).min(self.settings.rows_max);
            }
            _ => {
                // A limit may stand earlier: it is what the query says.
                let said = self.stages.iter().any(|s| matches!(s.end, Breaker::Top(..)));
                let rows = if said { self.settings.rows_max } else { self.settings.rows_default };
                self.limit(rows);
            }
        }
        if !self.problems.is_empty() {
            return Err(self.error());
        }
        let source = match self.of_records {
            true => Source::Records { fields: self.fields },
            false => Source::Row(self.row),
        };
        let output = self.columns.into_iter().map(|c| (c.name, c.ty, c.slot)).collect();
        Ok(Program { source, stages: self.stages, output, context: self.context, after: None })
    }
}
