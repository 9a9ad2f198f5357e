//! How are the bytes of one split's object read? One trait, and the object that is a local file.
//!
//! Knows nothing of what the bytes mean. Objects in a bucket are in [`super::remote`].

use std::ops::Range;

use bytes::Bytes;
use model::id::SplitId;
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
    /// Whether bytes come over the network, and may come again.
    fn is_fetched(&self) -> bool;
    /// The bytes of a range; blocks. Zero-copy when mapped.
    ///
    /// # Errors
    /// `Damaged` when the range lies outside the object, `Store` when the store failed.
    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError>;
    /// Fetches ranges that are about to be read, coalesced and in one wave; a no-op when local.
    ///
    /// # Errors
    /// As for [`ObjectBytes::read`]; what arrived before the failure is kept.
    fn prefetch(&self, ranges: &[Range<u64>]) -> Result<(), ReadError>;
}

/// An object that is a mapped file.
#[derive(Clone, Debug)]
pub struct MappedObject {
    split: SplitId,
    bytes: Bytes,
}

impl MappedObject {
    /// The object of `split` in a mapped file.
    pub fn new(split: SplitId, mapped: Mapped) -> Self {
        Self { split, bytes: Bytes::from_owner(mapped) }
    }
}

impl ObjectBytes for MappedObject {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn is_fetched(&self) -> bool {
        false
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        check_inside(&self.split, &range, self.len())?;
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }

    fn prefetch(&self, ranges: &[Range<u64>]) -> Result<(), ReadError> {
        ranges.iter().try_for_each(|range| check_inside(&self.split, range, self.len()))
    }
}

/// Refuses a range outside an object of `len` bytes: whoever asked for it read the place from the
/// object itself, so the object is damaged.
pub(super) fn check_inside(split: &SplitId, range: &Range<u64>, len: u64) -> Result<(), ReadError> {
    if range.start <= range.end && range.end <= len {
        return Ok(());
    }
    let reason = format!("bytes {}..{} lie outside the {len} bytes", range.start, range.end);
    Err(ReadError::Damaged { split: split.clone(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_object_gives_its_bytes_and_names_what_is_outside() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"0123456789").unwrap();
        let mapped = Mapped::open(file.path()).unwrap();
        let object = MappedObject::new(SplitId::new("S"), mapped.clone());
        let read = object.read(2..5).unwrap();
        assert_eq!(read, "234");
        assert_eq!(read.as_ptr(), mapped[2..].as_ptr(), "nothing is copied");
        assert_eq!(object.read(10..10).unwrap(), "");
        object.prefetch(&[0..10, 3..4]).unwrap();
        drop(object);
        assert_eq!(read, "234", "bytes outlive the object");
        let object = MappedObject::new(SplitId::new("S"), mapped);
        #[expect(clippy::reversed_empty_ranges, reason = "what a damaged footer may say")]
        let bad = [0..11, 11..12, 7..3, u64::MAX - 1..u64::MAX];
        for range in bad {
            let error = object.read(range.clone()).unwrap_err().to_string();
            let names = format!("split S: bytes {}..{} lie outside", range.start, range.end);
            assert!(error.starts_with(&names), "{error}");
            assert!(object.prefetch(&[range]).is_err());
        }
    }
}
