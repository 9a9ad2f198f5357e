//! How is a query in pipes answered? ES|QL, and the plan and engine that SQL shares.
//!
//! Text → commands ([`parse`]) → a checked plan over the schema ([`analyze`]) → a table ([`run`]).
//! Conditions that the search knows are its work ([`push`]); the rest is done row by row over
//! columns, in memory that is charged to the search.

pub mod analyze;
pub mod dissect;
pub mod eval;
pub mod functions;
pub mod grok;
pub mod parse;
pub mod plan;
pub mod push;
pub mod query;
pub mod read;
pub mod run;
pub mod schema;
pub mod show;
pub mod stats;
#[cfg(test)]
pub(crate) mod tests;
pub mod tree;
pub mod value;
