//! What is in a `.gz` file? Reads it once, from its beginning, in bounded memory.
//!
//! Offsets are those of the uncompressed content. Knows nothing of lines.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;

use super::fingerprint::{Fingerprint, HEAD_BYTES_MAX, Match, Position};

/// How the content ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a valid trailer.
    Complete,
    /// In the middle: still being written, or cut off.
    Incomplete,
    /// With something that is not gzip.
    Damaged(String),
}

/// A reader inside a compressed file.
pub struct GzipReader {
    decoder: MultiGzDecoder<BufReader<File>>,
    /// Uncompressed bytes that were decoded but not taken.
    pending: Vec<u8>,
    end: Option<End>,
}

impl std::fmt::Debug for GzipReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GzipReader({} bytes pending, end {:?})", self.pending.len(), self.end)
    }
}

impl GzipReader {
    /// At the beginning of `file`, wherever it was read before.
    pub fn new(mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let decoder = MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, file));
        Ok(Self { decoder, pending: Vec::new(), end: None })
    }

    /// Decodes until `wanted` bytes are pending or the content ends; gives the pending bytes and
    /// how the content ended, if they reach there.
    pub fn peek(&mut self, wanted: usize) -> (&[u8], Option<&End>) {
        let mut buffer = vec![0; 64 * 1024];
        while self.pending.len() < wanted && self.end.is_none() {
            match self.decoder.read(&mut buffer) {
                Ok(0) => self.end = Some(End::Complete),
                Ok(n) => self.pending.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.end = Some(End::Incomplete);
                }
                Err(e) => self.end = Some(End::Damaged(e.to_string())),
            }
        }
        (&self.pending, self.end.as_ref())
    }

    /// Takes the first `count` pending bytes.
    pub fn consume(&mut self, count: usize) {
        self.pending.drain(..count);
    }

    /// Compares the content with a position, and goes there when it is the same.
    pub fn seek_to(&mut self, position: &Position) -> Match {
        let head_len = position.head.bytes as usize;
        let (head, _) = self.peek(head_len);
        if head.len() < head_len {
            return Match::Shorter;
        }
        if !position.head.is_prefix_of(head) {
            return Match::Different;
        }
        let tail_len = position.tail.bytes as usize;
        let mut skip = position.offset - tail_len as u64;
        while skip > 0 {
            let (pending, _) = self.peek(1);
            let step = pending.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            if step == 0 {
                return Match::Shorter;
            }
            self.consume(step);
            skip -= step as u64;
        }
        let (pending, _) = self.peek(tail_len);
        let Some(tail) = pending.get(..tail_len).map(<[u8]>::to_vec) else {
            return Match::Shorter;
        };
        if Fingerprint::of(&tail) != position.tail {
            return Match::Different;
        }
        self.consume(tail_len);
        Match::Same(tail)
    }
}

/// The first uncompressed bytes, up to [`HEAD_BYTES_MAX`].
///
/// # Errors
/// What the file system says, or that this is not gzip.
pub fn head(file: File) -> io::Result<Vec<u8>> {
    let mut reader = GzipReader::new(file)?;
    let (pending, end) = reader.peek(HEAD_BYTES_MAX);
    if let (true, Some(End::Damaged(reason))) = (pending.is_empty(), end) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason.clone()));
    }
    Ok(pending[..pending.len().min(HEAD_BYTES_MAX)].to_vec())
}
