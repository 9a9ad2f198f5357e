//! Where do immutable objects lie? A bucket, a directory or memory, behind one trait.
//!
//! Keys are relative paths with `/` between parts (`[A-Za-z0-9._-]` within one). An object is
//! written whole or not at all, and never changed.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod counting;
#[cfg(feature = "conformance")]
pub mod faulty;
mod key;
#[cfg(feature = "object-store")]
pub mod local;
pub mod memory;
#[cfg(feature = "object-store")]
mod open;
#[cfg(feature = "object-store")]
pub mod retrying;
#[cfg(feature = "s3")]
pub mod s3;

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;

pub use key::{KEY_BYTES_MAX, check_key, check_prefix};
#[cfg(feature = "object-store")]
pub use open::{Kind, Settings, open};

/// A boxed future, as the trait's methods return it.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What to write.
#[derive(Clone, Debug)]
pub enum Body {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A finished file: it stays where it is, and nobody writes to it any more (the local store
    /// may keep the very file under a second name). It may be removed afterwards.
    File(PathBuf),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
}

/// Why an operation failed. `Transient` may be tried again as it is.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No such object.
    #[error("object `{key}` does not exist")]
    NotFound {
        /// The key.
        key: String,
    },
    /// `put_if_absent` found an object.
    #[error("object `{key}` exists already")]
    Exists {
        /// The key.
        key: String,
    },
    /// The range lies outside the object.
    #[error("bytes {from}..{to} lie outside object `{key}`")]
    Range {
        /// The key.
        key: String,
        /// First byte asked for.
        from: u64,
        /// First byte after.
        to: u64,
    },
    /// The store refuses for good: credentials, permissions, no such bucket, a full disk.
    #[error("{operation} `{key}` refused: {reason}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// The key.
        key: String,
        /// The store's words, and what to do.
        reason: String,
    },
    /// Throttled, timed out, disconnected, short body: may pass.
    #[error("{operation} `{key}` failed: {reason}")]
    Transient {
        /// What was tried.
        operation: &'static str,
        /// The key.
        key: String,
        /// What happened.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Transient { .. })
    }

    pub(crate) fn refused(
        operation: &'static str,
        key: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        StoreError::Refused { operation, key: key.into(), reason: reason.into() }
    }

    #[cfg(feature = "object-store")]
    pub(crate) fn transient(
        operation: &'static str,
        key: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        StoreError::Transient { operation, key: key.into(), reason: reason.into() }
    }
}

/// A store of immutable objects. Every call is cancelled by dropping its future.
pub trait ObjectStore: Send + Sync + fmt::Debug {
    /// The bytes of an object, or of a part of it.
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes>;
    /// Writes an object, over an older one of that key.
    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()>;
    /// Writes an object if there is none of that key.
    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()>;
    /// All objects whose key begins with `prefix`, by key.
    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>>;
    /// Removes an object; fine when there is none.
    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()>;
    /// The file that holds the object, where there is one: it can be mapped instead of read.
    fn local_path(&self, key: &str) -> Option<PathBuf>;
    /// Where the objects lie, for people: `s3://bucket/prefix`, a directory, `memory`.
    fn describe(&self) -> String;
}
