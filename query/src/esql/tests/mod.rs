//! Queries over constants, over documents, and against the plainest evaluation.

mod parsing;
pub(crate) mod rows;
