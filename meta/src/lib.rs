//! What did clients set up, and what does a name mean? Templates, policies, data streams, aliases,
//! indexes and pipelines; expressions of names; where a write goes.
//!
//! Knows nothing of HTTP, of records or of splits: which indexes have records it asks [`Labels`].

pub mod alias;
pub mod cluster;
mod date_name;
pub mod indices;
pub mod lifecycle;
pub mod names;
pub mod pattern;
pub mod registry;
mod retain;
pub mod rollover;
pub mod settings;
pub mod state;
pub mod stored;
pub mod stream;
pub mod template;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub use date_name::resolve as resolve_date_name;
pub use model::meta::Fault;
pub use registry::{Labels, Registry};
pub use settings::Limits;
