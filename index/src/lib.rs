//! How do records become searchable objects? Live rows, splits, the catalog, merging, expiry.
//!
//! Never sees a client's request; a published split is immutable.

pub mod build;
pub mod catalog;
pub mod engine;
pub mod live;
pub mod merge;
#[cfg(feature = "sim")]
pub mod probe;
pub mod publish;
pub mod read;
pub mod settings;
pub mod split;

pub use engine::{Environment, Index, IndexError};
pub use settings::Settings;

#[cfg(test)]
mod tests;
