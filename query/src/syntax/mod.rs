//! What does a query string ask? Lucene's `query_string` and our own language, by one parser.
//!
//! The two differ in [`Options`] only: what stands between two words, how `AND` and `OR` bind,
//! and a few forms that only ours has. Knows neither JSON nor HTTP.
//!
//! ```text
//! query   := clause ((("AND" | "&&") | ("OR" | "||"))? clause)*
//! clause  := ("+" | "-" | "!" | "NOT")* (field ":")? value boost?
//! value   := "(" query ")" | phrase ("~" digits)? | "/" regex "/" | range | compare
//!          | word ("~" number?)?
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
use crate::clause::{Budget, Clauses, Edits, Limits, Mismatch};
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

/// What a word without a field asks of several fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// The best field counts.
    Best,
    /// All fields count.
    Most,
    /// The best field; words are phrases.
    Phrase,
    /// The best field; words are phrases whose last token needs only begin so.
    PhrasePrefix,
    /// All fields count; the last token needs only begin so.
    BoolPrefix,
}

/// The operators of a `simple_query_string`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u16);

#[allow(missing_docs, reason = "the names say it")]
impl Flags {
    pub const ALL: Self = Self(0xffff);
    pub const AND: Self = Self(1);
    pub const NOT: Self = Self(2);
    pub const OR: Self = Self(4);
    pub const PREFIX: Self = Self(8);
    pub const PHRASE: Self = Self(16);
    pub const PRECEDENCE: Self = Self(32);
    pub const ESCAPE: Self = Self(64);
    pub const WHITESPACE: Self = Self(128);
    pub const FUZZY: Self = Self(256);
    pub const NEAR: Self = Self(512);

    /// Whether an operator is one.
    pub fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }
}

/// How a query string is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which language.
    pub dialect: Dialect,
    /// The operator that is left out.
    pub default_operator: Operator,
    /// The fields of clauses that name none, and how much each counts.
    pub fields: Vec<(Target, f32)>,
    /// What a word asks of them.
    pub kind: Fields,
    /// How much the lesser of them count.
    pub tie: f32,
    /// How near a word with `~` must be that names no number.
    pub edits: Edits,
    /// A word may begin with `*` or `?`.
    pub leading_wildcard: bool,
    /// Phrases ask the field with this at the end of its name.
    pub quote_suffix: Option<String>,
    /// The operators of a `simple_query_string`.
    pub flags: Flags,
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
            fields: vec![(Target::Any, 1.0)],
            kind: Fields::Best,
            tie: 0.0,
            edits: Edits::auto(),
            leading_wildcard: true,
            quote_suffix: None,
            flags: Flags::ALL,
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
