//! How large may a query be? Depth and clauses, counted while it is read.

use crate::error::QueryError;

/// Limits of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep it may be nested.
    pub depth_max: usize,
    /// How many clauses it may have: queries, words and values of `terms`.
    pub clauses_max: usize,
    /// The longest regular expression, in bytes.
    pub regex_bytes_max: usize,
}

/// What is left of the limits while a query is read.
#[derive(Clone, Debug)]
pub struct Budget {
    pub(super) limits: Limits,
    clauses: usize,
}

impl Budget {
    /// All of `limits`.
    pub fn new(limits: Limits) -> Self {
        Self { limits, clauses: 0 }
    }

    /// Takes room for clauses.
    ///
    /// # Errors
    /// There is none left.
    pub fn spend(&mut self, clauses: usize) -> Result<(), QueryError> {
        self.clauses = self.clauses.saturating_add(clauses);
        if self.clauses > self.limits.clauses_max {
            return Err(QueryError::illegal(format!(
                "too many clauses: the query has more than {} (setting \
                 `query.api.clauses_max`)",
                self.limits.clauses_max
            )));
        }
        Ok(())
    }

    /// Checks a depth of nesting.
    ///
    /// # Errors
    /// It is too deep.
    pub fn nest(&self, depth: usize) -> Result<(), QueryError> {
        if depth > self.limits.depth_max {
            return Err(QueryError::illegal(format!(
                "the query is nested too deeply: more than {} levels (setting \
                 `query.api.query_depth_max`)",
                self.limits.depth_max
            )));
        }
        Ok(())
    }
}
