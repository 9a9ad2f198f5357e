//! Where do the bytes of an object come from? A border that hides maps, caches and remote stores.

use std::ops::Range;

use bytes::Bytes;
use platform::disk::Mapped;

use super::ReadError;

/// The bytes of one immutable object.
pub trait ObjectBytes: Send + Sync + std::fmt::Debug {
    /// Length of the object.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a range; blocks. Zero-copy when mapped.
    ///
    /// # Errors
    /// The store fails, or the range does not lie in the object.
    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError>;

    /// Fetches ranges that are about to be read, coalesced and in one wave; a no-op when local.
    ///
    /// # Errors
    /// The store fails.
    fn prefetch(&self, ranges: &[Range<u64>]) -> Result<(), ReadError>;
}

/// An object in a mapped file.
#[derive(Debug)]
pub struct MappedObject {
    split: model::id::SplitId,
    bytes: Bytes,
}

impl MappedObject {
    /// Of a map; `split` names it in errors.
    pub fn new(split: model::id::SplitId, map: Mapped) -> Self {
        Self { split, bytes: Bytes::from_owner(map) }
    }
}

impl ObjectBytes for MappedObject {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        if range.start > range.end || range.end > self.bytes.len() as u64 {
            let reason = format!("bytes {}..{} lie beyond the object", range.start, range.end);
            return Err(crate::split::damaged(&self.split, reason));
        }
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }

    fn prefetch(&self, _ranges: &[Range<u64>]) -> Result<(), ReadError> {
        Ok(())
    }
}
