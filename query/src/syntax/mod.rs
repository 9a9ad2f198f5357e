//! What does a query string ask? Lucene's `query_string` and our own language, by one parser.
//!
//! The two differ in [`Options`] only: what stands between two words, how `AND` and `OR` bind,
//! and a few forms that only ours has. Knows neither JSON nor HTTP.
//!
//! ```text
//! query   := clause ((("AND" | "&&") | ("OR" | "||"))? clause)*
//! clause  := ("+" | "-" | "!" | "NOT")* (field ":")? value boost?
//! value   := "(" query ")" | phrase ("~" digits)? | "/" regex "/" | range | compare | word
//! range   := ("[" | "{") bound "TO" bound ("]" | "}")
//! compare := (">" | ">=" | "<" | "<=") (word | phrase)
//! boost   := "^" number
//! ours    := field ("=" | "!=" | compare) value
//! ```

mod combine;
mod lower;
mod parser;
mod scan;
mod simple;
#[cfg(test)]
mod tests;

use crate::ast::{Query, Target};
use crate::clause::{Budget, Clauses, Limits, Mismatch};
use crate::dates::Dates;
use crate::error::QueryError;

pub use simple::parse as parse_simple;

/// Which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Elasticsearch's `query_string`: Lucene's classic parser, with its own idea of how `AND`
    /// and `OR` combine.
    Lucene,
    /// Ours: `AND` binds tighter than `OR`; `field=value` is exact; `*text*` crosses words.
    Logdrive,
}

/// What stands between two clauses without an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Both must match.
    And,
    /// One is enough.
    Or,
}

/// How a query string is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which language.
    pub dialect: Dialect,
    /// The operator that is left out.
    pub default_operator: Operator,
    /// The fields of clauses that name none.
    pub fields: Vec<Target>,
    /// Slop of phrases that name none.
    pub phrase_slop: u32,
    /// `minimum_should_match` of the outermost clauses.
    pub minimum_should: Option<String>,
}

impl Options {
    /// Elasticsearch's `query_string` with its defaults, over any field.
    pub fn lucene() -> Self {
        Self {
            dialect: Dialect::Lucene,
            default_operator: Operator::Or,
            fields: vec![Target::Any],
            phrase_slop: 0,
            minimum_should: None,
        }
    }

    /// Our own language.
    pub fn logdrive() -> Self {
        Self { dialect: Dialect::Logdrive, default_operator: Operator::And, ..Self::lucene() }
    }
}

/// Reads a query string at a depth of nesting that is already used.
///
/// # Errors
/// It is malformed, or over a limit; the error has the byte span.
pub fn parse(
    text: &str,
    options: &Options,
    clauses: &mut Clauses<'_>,
    depth: usize,
) -> Result<Query, QueryError> {
    parser::parse(text, options, clauses, depth)
}

/// Reads a search of our own language; an empty one means everything.
///
/// # Errors
/// It is malformed, or over a limit; the error has the byte span.
pub fn parse_search(text: &str, dates: &Dates, limits: Limits) -> Result<Query, QueryError> {
    let mut budget = Budget::new(limits);
    let mut clauses = Clauses { dates, mismatch: Mismatch::Fail, budget: &mut budget };
    parse(text, &Options::logdrive(), &mut clauses, 0)
}
