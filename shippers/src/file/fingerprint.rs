//! Which content is this? Fingerprints of a file's beginning and of what was read last.
//!
//! A stream of lines is known by its content, not by its path or inode: by the hash of its first
//! [`HEAD_BYTES_MAX`] read bytes and of the last [`TAIL_BYTES_MAX`] bytes before its offset. Where
//! a file agrees with both, it is the same stream. Knows nothing of paths and rotation.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// Bytes at the beginning of a file that tell it from others.
pub const HEAD_BYTES_MAX: usize = 1024;
/// Bytes before the offset that must be there again.
pub const TAIL_BYTES_MAX: usize = 256;

/// Length and hash (FNV-1a, 64 bits) of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes.
    pub bytes: u32,
    /// Their hash.
    pub hash: u64,
}

impl Fingerprint {
    /// Of no bytes at all.
    pub const EMPTY: Fingerprint = Fingerprint { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 };

    /// Of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = Self::EMPTY;
        bytes.iter().for_each(|b| out.push(*b));
        out
    }

    /// As if `bytes` had followed, up to [`HEAD_BYTES_MAX`].
    pub fn extend(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES_MAX.saturating_sub(self.bytes as usize);
        bytes.iter().take(room).for_each(|b| self.push(*b));
    }

    /// Whether `head`, the beginning of some content, begins with these bytes.
    pub fn is_prefix_of(&self, head: &[u8]) -> bool {
        head.get(..self.bytes as usize).is_some_and(|h| Self::of(h) == *self)
    }

    fn push(&mut self, byte: u8) {
        self.bytes += 1;
        self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// Which file of the file system; a hint only, for inodes are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Node {
    /// Device; changes over a restart on some systems.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Birth in nanoseconds since 1970; 0 where the file system does not say.
    pub born_ns: i64,
}

impl Node {
    /// Whether both are probably the same file.
    pub fn same(&self, other: &Node) -> bool {
        let known = self.born_ns != 0 && other.born_ns != 0;
        self.ino == other.ino
            && if known { self.born_ns == other.born_ns } else { self.dev == other.dev }
    }
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stat {
    /// Which file.
    pub node: Node,
    /// Bytes.
    pub size: u64,
    /// Last write, nanoseconds since 1970.
    pub modified_ns: i64,
}

/// Within this time of the last write a file may change again without a new time stamp.
const RACY_NS: i64 = 1_000_000_000;

impl Stat {
    /// Of an open file or a path.
    pub fn of(meta: &Metadata) -> Self {
        let born = meta.created().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let born_ns = born.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0);
        let node = Node { dev: meta.dev(), ino: meta.ino(), born_ns };
        let modified_ns =
            meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { node, size: meta.size(), modified_ns }
    }

    /// Whether a file that is `self` now has surely not changed since it was `seen`, at `now_ns`.
    pub fn unchanged_since(&self, seen: &Stat, now_ns: i64) -> bool {
        self == seen && now_ns.saturating_sub(self.modified_ns) > RACY_NS
    }
}

/// How far a stream was read, and how to find it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The stream; random, never used again.
    pub stream: u64,
    /// Path at the first read.
    pub path: String,
    /// (Uncompressed) bytes that were read.
    pub offset: u64,
    /// The first bytes that were read.
    pub head: Fingerprint,
    /// The last bytes that were read.
    pub tail: Fingerprint,
    /// The file that held it last.
    pub node: Node,
    /// A compressed file that was read to its end: what it was then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Stat>,
}

/// How a file's content compares with a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The same stream; the bytes before the offset.
    Same(Vec<u8>),
    /// It ends before the offset; nothing contradicts.
    Shorter,
    /// Another content.
    Different,
}

/// Compares an uncompressed file with a position.
///
/// # Errors
/// What the file system says.
pub fn compare(file: &File, position: &Position) -> io::Result<Match> {
    let head = read_at(file, 0, position.head.bytes as usize)?;
    if head.len() < position.head.bytes as usize {
        return Ok(Match::Shorter);
    }
    if Fingerprint::of(&head) != position.head {
        return Ok(Match::Different);
    }
    if file.metadata()?.size() < position.offset {
        return Ok(Match::Shorter);
    }
    let wanted = position.tail.bytes as usize;
    let tail = read_at(file, position.offset - wanted as u64, wanted)?;
    if tail.len() < wanted {
        return Ok(Match::Shorter);
    }
    Ok(if Fingerprint::of(&tail) == position.tail { Match::Same(tail) } else { Match::Different })
}

/// Up to `len` bytes from `offset`; fewer only at the end of the file.
///
/// # Errors
/// What the file system says.
pub fn read_at(file: &File, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; len];
    let filled = fill_at(file, offset, &mut out)?;
    out.truncate(filled);
    Ok(out)
}

/// Fills `buffer` from `offset`; less only at the end of the file.
///
/// # Errors
/// What the file system says.
pub fn fill_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
