//! What does it take to answer an ES|QL text? Everything in order, on one snapshot.

use index::read::Snapshot;
use model::time::{TimeRange, Timestamp};

use super::analyze::{Settings, analyze};
use super::parse::{Params, parse, place};
use super::plan::Program;
use super::run::{Ground, Table, run};
use super::schema::schema;
use super::tree::{Command, CommandKind, Span};
use crate::ast::Query;
use crate::error::{ErrorKind, QueryError};
use crate::plan::{IndexPatterns, Node};

/// Which records a query sees at all.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Their indexes.
    pub indexes: IndexPatterns,
    /// What they must match.
    pub filter: Query,
}

impl Scope {
    /// A range of time that holds all of them.
    ///
    /// # Errors
    /// The filter makes no sense.
    pub fn time(&self) -> Result<TimeRange, QueryError> {
        Ok(Node::of(&self.filter)?.time())
    }
}

/// A query that is read, but knows no schema yet.
#[derive(Clone, Debug)]
pub struct Prepared {
    text: String,
    commands: Vec<Command>,
    settings: Settings,
}

impl Prepared {
    /// Reads a query.
    ///
    /// # Errors
    /// It is malformed; the error has line and column.
    pub fn new(text: &str, params: &Params, settings: Settings) -> Result<Self, QueryError> {
        let commands = parse(text, params)?;
        Ok(Self { text: text.to_owned(), commands, settings })
    }

    /// Commands that another language was lowered to.
    pub fn of_commands(text: &str, commands: Vec<Command>, settings: Settings) -> Self {
        Self { text: text.to_owned(), commands, settings }
    }

    /// The index patterns of `FROM`, with their place.
    pub fn indexes(&self) -> Option<(&[String], Span)> {
        match &self.commands.first()? {
            Command { kind: CommandKind::From { patterns, .. }, span } => Some((patterns, *span)),
            _ => None,
        }
    }

    /// Answers it.
    ///
    /// # Errors
    /// Names or types do not fit the data, a limit is reached, or the search was stopped.
    pub fn answer(&self, ground: Ground<'_>, scope: &Scope) -> Result<Table, QueryError> {
        run(&self.plan(ground.snapshot, scope)?, scope, ground)
    }

    /// Answers it with records after one of this time and number alone.
    ///
    /// # Errors
    /// As [`Prepared::answer`].
    pub fn answer_after(
        &self,
        ground: Ground<'_>,
        scope: &Scope,
        after: Option<(i64, u64)>,
    ) -> Result<Table, QueryError> {
        let program = Program { after, ..self.plan(ground.snapshot, scope)? };
        let until = |(time, _): (i64, u64)| {
            let to = Timestamp(time.saturating_add(1));
            Query::Time(TimeRange { from: TimeRange::ALL.from, to })
        };
        let filter = match after {
            Some(after) => Query::all_of(vec![scope.filter.clone(), until(after)]),
            None => scope.filter.clone(),
        };
        run(&program, &Scope { filter, ..scope.clone() }, ground)
    }

    /// Plans it over the fields that there are.
    ///
    /// # Errors
    /// Names or types do not fit the data.
    pub fn plan(&self, snapshot: &Snapshot, scope: &Scope) -> Result<Program, QueryError> {
        // Only splits of this time are opened, unless a field is missing then.
        let time = scope.time()?;
        let of_time = |time: TimeRange| match self.indexes() {
            Some(_) => schema(snapshot, &scope.indexes, time),
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

/// What is said when an index is not there, that is named at a byte of the query.
pub fn unknown_index(text: &str, at: usize, name: &str) -> QueryError {
    let reason = format!("Found 1 problem\n{}: Unknown index [{name}]", place(text, at));
    QueryError::of(ErrorKind::Verification, reason)
}
