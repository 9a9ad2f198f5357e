//! What do the lines say? Bulk actions with their documents, or one document a line, into a
//! [`model::batch::Batch`]. A document that cannot be kept is a fault of its own; the others of
//! the request are kept.
//!
//! Knows nothing of HTTP; the faults are in Elasticsearch's words because its clients read them.

mod action;
mod bulk;
mod fault;
mod lines;

#[cfg(test)]
mod tests;

pub use action::Op;
pub use bulk::{FailedItem, Item, ParsedBulk, SameItem, Writes, bulk, bulk_to};
pub use fault::{ItemFault, Limits, TooManyDocuments};
pub(crate) use fault::{
    clip, conflict, document_fault, id_fault, index_fault, no_pipeline, too_long,
};
pub use lines::{ParsedLines, lines};
