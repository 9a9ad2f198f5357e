//! How do records become searchable objects? Live rows, splits, the catalog, merging, expiry.
//!
//! Never sees a client's request; a published split is immutable.

pub mod read;
