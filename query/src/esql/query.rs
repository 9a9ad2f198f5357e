//! What does it take to answer an ES|QL text? Everything in order, on one snapshot.

use index::read::Snapshot;
use model::time::{TimeRange, Timestamp};

use super::analyze::{Settings, analyze};
use super::parse::{Params, parse, place};
use super::plan::Program;
use super::run::{Ground, Table, run};
use super::schema::schema;
use super::tree::{Command, CommandKind};
use crate::ast::Query;
use crate::error::{ErrorKind, QueryError};
use crate::plan::{IndexPatterns, Node};

/// A query that is read, but knows no schema yet.
#[derive(Clone, Debug)]
pub struct Prepared {
    text: String,
    commands: Vec<Command>,
    /// Which records there are at all.
    filter: Query,
    settings: Settings,
}

impl Prepared {
    /// Reads a query.
    ///
    /// # Errors
    /// It is malformed; the error has line and column.
    pub fn new(
        text: &str,
        params: &Params,
        filter: Query,
        settings: Settings,
    ) -> Result<Self, QueryError> {
        let commands = parse(text, params)?;
        Ok(Self { text: text.to_owned(), commands, filter, settings })
    }

    /// Commands that another language was lowered to.
    pub fn of_commands(
        text: &str,
        commands: Vec<Command>,
        filter: Query,
        settings: Settings,
    ) -> Self {
        Self { text: text.to_owned(), commands, filter, settings }
    }

    /// The index patterns of `FROM`.
    fn indexes(&self) -> Option<&[String]> {
        match &self.commands.first()?.kind {
            CommandKind::From { patterns, .. } => Some(patterns),
            _ => None,
        }
    }

    /// Answers it.
    ///
    /// # Errors
    /// Names or types do not fit the data, a limit is reached, or the search was stopped.
    pub fn answer(&self, ground: Ground<'_>) -> Result<Table, QueryError> {
        let program = self.plan(ground.snapshot)?;
        run(&program, &self.filter, ground)
    }

    /// Answers it with records after one of this time and number alone.
    ///
    /// # Errors
    /// As [`Prepared::answer`].
    pub fn answer_after(
        &self,
        ground: Ground<'_>,
        after: Option<(i64, u64)>,
    ) -> Result<Table, QueryError> {
        let program = Program { after, ..self.plan(ground.snapshot)? };
        let until = |(time, _): (i64, u64)| {
            let to = Timestamp(time.saturating_add(1));
            Query::Time(TimeRange { from: TimeRange::ALL.from, to })
        };
        let filter = match after {
            Some(after) => Query::all_of(vec![self.filter.clone(), until(after)]),
            None => self.filter.clone(),
        };
        run(&program, &filter, ground)
    }

    /// Plans it over the fields that there are.
    ///
    /// # Errors
    /// Names or types do not fit the data.
    pub fn plan(&self, snapshot: &Snapshot) -> Result<Program, QueryError> {
        let none = Vec::new();
        let indexes = self.indexes().unwrap_or(&none);
        if self.indexes().is_some() {
            let at = self.commands.first().map_or(0, |c| c.span.0);
            check_indexes(snapshot, indexes, (&self.text, at))?;
        }
        // Only splits of this time are opened, unless a field is missing then.
        let time = Node::of(&self.filter)?.time();
        let of_time = |time: TimeRange| match self.indexes() {
            Some(indexes) => schema(snapshot, indexes, time),
            None => Ok(Default::default()),
        };
        let planned = analyze(&self.text, &self.commands, &of_time(time)?, &self.settings);
        match planned {
            Err(error) if error.kind == ErrorKind::Verification && time != TimeRange::ALL => {
                analyze(&self.text, &self.commands, &of_time(TimeRange::ALL)?, &self.settings)
            }
            other => other,
        }
    }
}

/// Fails when an index that is named is not there, or none is meant.
///
/// # Errors
/// `Unknown index`, at this byte of the query.
pub fn check_indexes(
    snapshot: &Snapshot,
    indexes: &[String],
    (text, at): (&str, usize),
) -> Result<(), QueryError> {
    let patterns = IndexPatterns::new(indexes);
    let splits = snapshot.splits.iter().flat_map(|s| s.meta().indexes.iter().map(|(n, _)| n));
    let live = snapshot.live.iter().flat_map(|l| l.batch.batch.indexes());
    let mut missing: Vec<&str> = indexes
        .iter()
        .map(String::as_str)
        .filter(|p| !p.contains('*') && !p.starts_with('-') && *p != "_all")
        .collect();
    let mut some = false;
    for name in splits.chain(live) {
        missing.retain(|m| *m != name.as_str());
        some |= patterns.matches(name.as_str());
    }
    let unknown = match missing.first() {
        Some(name) => (*name).to_owned(),
        None if !some => indexes.join(","),
        None => return Ok(()),
    };
    let reason = format!("Found 1 problem\n{}: Unknown index [{unknown}]", place(text, at));
    Err(QueryError::of(ErrorKind::Verification, reason))
}
