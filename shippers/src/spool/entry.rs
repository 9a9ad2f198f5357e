//! What is a batch on disk? The format of one spool entry.
//!
//! ```text
//! 0   magic "LDSP"
//! 4   version, u16 little-endian: 1
//! 6   0, 0
//! 8   length of the header, u32
//! 12  length of the payload, u32
//! 16  CRC-32C of the bytes from 4 to 16, the header and the payload, u32
//! 20  header: JSON {id, lines, raw_bytes, source_bytes, positions}
//! …   payload: the batch's body, zstd
//! ```
//! Knows nothing of directories. An entry is at most [`ENTRY_BYTES_MAX`] long.

use serde::{Deserialize, Serialize};

use crate::file::fingerprint::Position;

const MAGIC: &[u8; 4] = b"LDSP";
const VERSION: u16 = 1;
const PREFIX_BYTES: usize = 20;
/// No entry is longer; so no damaged length makes us ask for more memory.
pub const ENTRY_BYTES_MAX: u64 = 1 << 30;

/// What is known of a batch without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The batch's id, for the server to know it again.
    pub id: String,
    /// Number of records.
    pub lines: u64,
    /// Bytes of the body before compression.
    pub raw_bytes: u64,
    /// Bytes of the lines as they stood in the files.
    pub source_bytes: u64,
    /// How far the files were read after the batch.
    pub positions: Vec<Position>,
}

/// A batch, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of its file.
    pub name: String,
    /// What is known of it.
    pub header: Header,
    /// The body, compressed by zstd.
    pub payload: Vec<u8>,
}

/// The bytes of an entry.
pub fn encode(header: &Header, payload: &[u8]) -> Vec<u8> {
    let header = serde_json::to_vec(header).expect("a header is plain data");
    let mut out = Vec::with_capacity(PREFIX_BYTES + header.len() + payload.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&(header.len() as u32).to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c(&out[4..]);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(crc, &header), payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out
}

/// Reads an entry; the error says what is wrong with it.
///
/// # Errors
/// Any damage.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Entry, String> {
    if bytes.len() < PREFIX_BYTES {
        return Err(format!("is {} bytes long, less than its prefix", bytes.len()));
    }
    if &bytes[..4] != MAGIC {
        return Err("does not begin with `LDSP`".into());
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version != VERSION {
        return Err(format!("has version {version}, not {VERSION}"));
    }
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (header_len, payload_len) = (word(8) as usize, word(12) as usize);
    let whole = PREFIX_BYTES.checked_add(header_len).and_then(|n| n.checked_add(payload_len));
    if whole != Some(bytes.len()) {
        return Err(format!("is {} bytes long, not as long as it says", bytes.len()));
    }
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[4..16]), &bytes[PREFIX_BYTES..]);
    if crc != word(16) {
        return Err("has a wrong checksum".into());
    }
    let (header, payload) = bytes[PREFIX_BYTES..].split_at(header_len);
    let header = serde_json::from_slice(header).map_err(|e| format!("has a bad header: {e}"))?;
    Ok(Entry { name: name.to_owned(), header, payload: payload.to_vec() })
}
