//! How is a question answered? Query languages to one AST, splits and live rows to partial
//! answers, partial answers to one. Read-only.

pub mod aggregate;
pub mod answer;
pub mod api;
pub mod ast;
pub mod clause;
pub mod dates;
pub mod elastic;
pub mod erase;
pub mod error;
pub mod esql;
pub mod highlight;
pub mod leaf;
pub mod merge;
pub mod plan;
pub mod request;
pub mod score;
pub mod script;
pub mod search;
pub mod settings;
pub mod sql;
pub mod syntax;
pub mod test;
pub mod tree;

pub use settings::{ApiSettings, Settings};
