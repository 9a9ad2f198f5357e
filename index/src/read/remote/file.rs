//! What does a file of the cache look like, and is it whole?
//!
//! A piece of an object: `[bytes][first byte u64][object's length u64][crc32c u32]["LDCACHE1"]`,
//! numbers little-endian, the checksum over all before it. It is written under a temporary name
//! and renamed, not synced: what a power loss tears has the wrong length or checksum, and every
//! file is checked when it is mapped. A whole object has no such trailer; it is synced before it
//! gets its name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use model::id::SplitId;
use platform::disk::Mapped;

use super::spans::Span;

const MAGIC: &[u8; 8] = b"LDCACHE1";
/// Bytes after the piece.
pub(super) const TRAILER_BYTES: u64 = 28;

/// What a file of the cache holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) split: SplitId,
    pub(super) form: Form,
}

/// Which part of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// All of it.
    Whole,
    /// A range.
    Part(Span),
    /// The tail, pinned.
    Tail(Span),
}

impl Name {
    /// The file's name.
    pub(super) fn text(&self) -> String {
        let Self { split, form } = self;
        match form {
            Form::Whole => format!("{split}.split"),
            Form::Part(span) => format!("{split}.{}-{}.range", span.start, span.end),
            Form::Tail(span) => format!("{split}.{}-{}.tail", span.start, span.end),
        }
    }

    /// Reads a file's name; `None` for what the cache does not write.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (rest, extension) = text.rsplit_once('.')?;
        let (split, form) = match extension {
            "split" => (rest, Form::Whole),
            "range" | "tail" => {
                let (split, span) = rest.rsplit_once('.')?;
                let (start, end) = span.split_once('-')?;
                let span = start.parse().ok()?..end.parse().ok()?;
                match extension {
                    _ if span.is_empty() => return None,
                    "tail" => (split, Form::Tail(span)),
                    _ => (split, Form::Part(span)),
                }
            }
            _ => return None,
        };
        let name = Self { split: SplitId::new(split), form };
        (!split.is_empty() && name.text() == text).then_some(name)
    }
}

/// Writes a piece of an object of `object_bytes`, by way of `temporary`.
///
/// # Errors
/// What the file system says; nothing is left behind.
pub(super) fn write(
    path: &Path,
    temporary: &Path,
    (span, object_bytes): (&Span, u64),
    piece: &[u8],
) -> io::Result<()> {
    let mut trailer = Vec::with_capacity(TRAILER_BYTES as usize);
    trailer.extend_from_slice(&span.start.to_le_bytes());
    trailer.extend_from_slice(&object_bytes.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(piece), &trailer);
    trailer.extend_from_slice(&crc.to_le_bytes());
    trailer.extend_from_slice(MAGIC);
    let written = File::create(temporary)
        .and_then(|mut file| {
            file.write_all(piece)?;
            file.write_all(&trailer)
        })
        .and_then(|()| fs::rename(temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(temporary);
    }
    written
}

/// Maps a piece after checking it.
///
/// # Errors
/// `InvalidData`, with what is wrong; otherwise what the file system says.
pub(super) fn open_piece(path: &Path, span: &Span, object_bytes: u64) -> io::Result<Bytes> {
    let bad = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let length = span.end - span.start;
    let found = fs::metadata(path)?.len();
    if found != length + TRAILER_BYTES {
        return Err(bad(format!("{found} bytes instead of {}", length + TRAILER_BYTES)));
    }
    let file = Bytes::from_owner(Mapped::open(path)?);
    // The file may have become another one in between.
    if file.len() as u64 != found {
        return Err(bad(format!("{} bytes instead of {found}", file.len())));
    }
    let (body, trailer) = file.split_at(length as usize);
    let number = |at: usize| {
        trailer[at..at + 8].iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte))
    };
    let crc = crc32c::crc32c_append(crc32c::crc32c(body), &trailer[..16]);
    if &trailer[20..] != MAGIC || trailer[16..20] != crc.to_le_bytes() {
        return Err(bad("checksum differs".to_owned()));
    }
    if (number(0), number(8)) != (span.start, object_bytes) {
        let reason = format!("from byte {} of an object of {}", number(0), number(8));
        return Err(bad(format!("{reason} instead of {} of {object_bytes}", span.start)));
    }
    Ok(file.slice(..length as usize))
}

/// Maps a whole object of `object_bytes`.
///
/// # Errors
/// `InvalidData` when it has another length; otherwise what the file system says.
pub(super) fn open_whole(path: &Path, object_bytes: u64) -> io::Result<Mapped> {
    let mapped = Mapped::open(path)?;
    if mapped.len() as u64 != object_bytes {
        let reason = format!("{} bytes instead of {object_bytes}", mapped.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(mapped)
}

/// Moves a finished file to `path`, synced first: under that name lies nothing torn.
///
/// # Errors
/// What the file system says.
pub(super) fn keep_whole(finished: &Path, path: &Path) -> io::Result<()> {
    File::open(finished)?.sync_data()?;
    fs::rename(finished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is() {
        for name in ["01A.split", "01A.0-65536.range", "01A.7-9.tail", "a.b-c.5-6.range"] {
            let parsed = Name::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(parsed.text(), name);
        }
        let others = ["", ".split", "x", "x.part", "x.0-1.range.3.tmp", "x.1-1.range", "x.5.tail"];
        for name in others.into_iter().chain(["x.+1-2.range", "x.01-2.tail", "x.-1-2.range"]) {
            assert_eq!(Name::parse(name), None, "{name}");
        }
    }

    #[test]
    fn any_cut_and_any_flipped_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (path, temporary) = (dir.path().join("a"), dir.path().join("t"));
        let piece: Vec<u8> = (0..100).collect();
        write(&path, &temporary, (&(50..150), 1000), &piece).unwrap();
        assert!(!temporary.exists());
        assert_eq!(open_piece(&path, &(50..150), 1000).unwrap(), piece);
        assert!(open_piece(&path, &(51..151), 1000).is_err(), "another place");
        assert!(open_piece(&path, &(50..150), 1001).is_err(), "another object");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let damaged = dir.path().join("damaged");
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&damaged, &bytes).unwrap();
            assert!(open_piece(&damaged, &(50..150), 1000).is_err(), "bit in byte {at}");
            fs::write(&damaged, &whole[..at]).unwrap();
            assert!(open_piece(&damaged, &(50..150), 1000).is_err(), "cut at {at}");
            // What a file system without a journal of data leaves: the length, but zeros.
            bytes.clone_from(&whole);
            bytes[at..].fill(0);
            fs::write(&damaged, &bytes).unwrap();
            assert!(open_piece(&damaged, &(50..150), 1000).is_err(), "zeros from {at}");
        }
        assert!(write(&dir.path().join("no/dir"), &temporary, (&(0..1), 1), b"x").is_err());
        assert!(!temporary.exists(), "nothing is left of a failed write");
    }
}
