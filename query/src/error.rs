//! What was wrong with a question? One error type with Elasticsearch's type names and statuses.

use thiserror::Error;

/// Why a search cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct QueryError {
    /// Coarse kind: decides Elasticsearch's `type` and the HTTP status.
    pub kind: ErrorKind,
    /// What is wrong, where, and what would be right.
    pub reason: String,
    /// Byte span in the query string, for a caret under the place.
    pub span: Option<(usize, usize)>,
}

/// Kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The body or query string cannot be read: `parsing_exception`, 400.
    Parsing,
    /// It can be read, but a value makes no sense: `illegal_argument_exception`, 400.
    IllegalArgument,
    /// More buckets than `query.buckets_max`: `too_many_buckets_exception`, 400.
    TooManyBuckets,
    /// A named index does not exist: `index_not_found_exception`, 404.
    IndexNotFound,
    /// Over a limit of memory or of searches at once: `circuit_breaking_exception`, 429.
    Overloaded,
    /// A script cannot be read or run: `script_exception`, 400.
    Script,
    /// A request does not fit together: `action_request_validation_exception`, 400.
    Validation,
    /// A path leads to no number: `aggregation_execution_exception`, 400.
    Aggregation,
    /// The answer could not be computed: `search_phase_execution_exception`, 500.
    Internal,
    /// It can be read, but names or types do not fit the data: `verification_exception`, 400.
    Verification,
}

impl ErrorKind {
    /// Elasticsearch's name of the kind.
    pub fn type_name(self) -> &'static str {
        match self {
            ErrorKind::Parsing => "parsing_exception",
            ErrorKind::IllegalArgument => "illegal_argument_exception",
            ErrorKind::TooManyBuckets => "too_many_buckets_exception",
            ErrorKind::IndexNotFound => "index_not_found_exception",
            ErrorKind::Overloaded => "circuit_breaking_exception",
            ErrorKind::Script => "script_exception",
            ErrorKind::Validation => "action_request_validation_exception",
            ErrorKind::Aggregation => "aggregation_execution_exception",
            ErrorKind::Internal => "search_phase_execution_exception",
            ErrorKind::Verification => "verification_exception",
        }
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::Parsing
            | ErrorKind::IllegalArgument
            | ErrorKind::TooManyBuckets
            | ErrorKind::Script
            | ErrorKind::Validation
            | ErrorKind::Aggregation
            | ErrorKind::Verification => 400,
            ErrorKind::IndexNotFound => 404,
            ErrorKind::Overloaded => 429,
            ErrorKind::Internal => 500,
        }
    }
}

impl QueryError {
    /// A `parsing_exception`.
    pub fn parsing(reason: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Parsing, reason: reason.into(), span: None }
    }

    /// An `illegal_argument_exception`.
    pub fn illegal(reason: impl Into<String>) -> Self {
        Self { kind: ErrorKind::IllegalArgument, reason: reason.into(), span: None }
    }

    /// The same with another kind.
    pub fn of(kind: ErrorKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), span: None }
    }

    /// The same, pointing at bytes of the query string.
    pub fn at(mut self, from: usize, to: usize) -> Self {
        self.span = Some((from, to));
        self
    }
}
