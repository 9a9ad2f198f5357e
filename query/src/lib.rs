//! How is a question answered? Query languages to one AST, splits and live rows to partial
//! answers, partial answers to one. Read-only.

pub mod ast;
pub mod error;
pub mod request;
pub mod answer;
pub mod search;
pub mod settings;
pub mod test;
pub mod plan;
pub mod leaf;
pub mod aggregate;
pub mod dates;
pub mod merge;
pub mod clause;
pub mod elastic;
pub mod syntax;
pub mod api;

pub use settings::{ApiSettings, Settings};
