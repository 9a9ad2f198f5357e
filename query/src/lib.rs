//! How is a question answered? Query languages to one AST, splits and live rows to partial
//! answers, partial answers to one. Read-only.

pub mod ast;
pub mod error;
pub mod request;
