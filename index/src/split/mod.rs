//! What is in a split's object? Its layout, its footer, and the check of a whole object.
//!
//! ```text
//! [blocks: texts and sources, zstd frames][columns][tantivy files …][footer, zstd JSON][trailer]
//! trailer, 32 bytes: footer offset u64 | footer bytes u32 | footer crc32c u32
//!                    | format u32 = 1 | 0 u32 | "LDSPLIT1"
//! ```
//! Numbers are little-endian. Every block and section carries its crc32c in the footer; the
//! footer's own is in the trailer. `docs/formats/split.md` has every byte.

pub mod blocks;
pub mod bundle;
pub mod write;

use model::id::SplitId;
use serde::{Deserialize, Serialize};

use crate::read::{FieldInfo, ReadError, SplitMeta};

/// The format that is written.
pub const FORMAT: u32 = 1;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 32;
const MAGIC: &[u8; 8] = b"LDSPLIT1";
/// The largest footer that is read, after decompression.
const FOOTER_BYTES_MAX: usize = 256 << 20;

/// Name of the section with the columns.
pub const COLUMNS_SECTION: &str = "columns";
/// Names of the sections with tantivy's files begin so.
pub const TANTIVY_SECTION: &str = "tantivy/";

/// What the footer says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Footer {
    /// As in the catalog, with `object_bytes` 0.
    pub meta: SplitMeta,
    /// Paths of the text fields.
    pub text_fields: Vec<String>,
    /// All fields in the order of their numbers: the column of field 7 is `f7`.
    pub fields: Vec<FieldInfo>,
    /// Sections of the object.
    pub sections: Vec<Section>,
    /// Blocks of each text field.
    pub texts: Vec<Vec<Block>>,
    /// Blocks of the sources.
    pub sources: Vec<Block>,
}

/// A run of bytes of the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// First byte.
    pub offset: u64,
    /// Length.
    pub bytes: u64,
    /// Checksum.
    pub crc32c: u32,
}

/// A compressed block of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32, u32, u32, u32, u32)", into = "(u64, u32, u32, u32, u32, u32)")]
pub struct Block {
    /// First byte in the object.
    pub offset: u64,
    /// Length in the object.
    pub bytes: u32,
    /// Length after decompression.
    pub raw_bytes: u32,
    /// First row.
    pub first_row: u32,
    /// Last row.
    pub last_row: u32,
    /// Checksum of the compressed bytes.
    pub crc32c: u32,
}

impl From<(u64, u32, u32, u32, u32, u32)> for Block {
    fn from(t: (u64, u32, u32, u32, u32, u32)) -> Self {
        let (offset, bytes, raw_bytes, first_row, last_row, crc32c) = t;
        Self { offset, bytes, raw_bytes, first_row, last_row, crc32c }
    }
}

impl From<Block> for (u64, u32, u32, u32, u32, u32) {
    fn from(b: Block) -> Self {
        (b.offset, b.bytes, b.raw_bytes, b.first_row, b.last_row, b.crc32c)
    }
}

/// The key of a split's object.
pub fn object_key(id: &SplitId) -> String {
    format!("splits/{id}.split")
}

/// The split that an object key names.
pub fn split_of_key(key: &str) -> Option<SplitId> {
    let id = key.strip_prefix("splits/")?.strip_suffix(".split")?;
    (!id.is_empty() && !id.contains('/')).then(|| SplitId::new(id))
}

pub(crate) fn damaged(split: &SplitId, reason: impl Into<String>) -> ReadError {
    ReadError::Damaged { split: split.clone(), reason: reason.into() }
}

/// Reads trailer and footer of a whole object.
///
/// # Errors
/// `Damaged`, with the place.
pub fn read_footer(split: &SplitId, object: &[u8]) -> Result<Footer, ReadError> {
    let bad = |reason: String| damaged(split, reason);
    let end = object.len().checked_sub(TRAILER_BYTES).ok_or_else(|| {
        bad(format!("{} bytes are too few for a split's trailer of {TRAILER_BYTES}", object.len()))
    })?;
    let trailer = &object[end..];
    if &trailer[24..] != MAGIC {
        return Err(bad(format!("no split: bytes {}.. are not `LDSPLIT1`", end + 24)));
    }
    let number = |at: usize| {
        u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]])
    };
    let offset = u64::from(number(0)) | u64::from(number(4)) << 32;
    let (bytes, crc, format) = (number(8), number(12), number(16));
    if format != FORMAT {
        return Err(bad(format!("format {format} is not known here (1 to {FORMAT} are)")));
    }
    if number(20) != 0 {
        return Err(bad(format!("byte {} of the trailer must be 0", end + 20)));
    }
    if offset.checked_add(u64::from(bytes)) != Some(end as u64) {
        return Err(bad(format!("footer at {offset} of {bytes} bytes does not end at {end}")));
    }
    let footer = &object[offset as usize..end];
    if crc32c::crc32c(footer) != crc {
        return Err(bad(format!("footer at byte {offset}: checksum differs")));
    }
    let json = zstd::bulk::decompress(footer, FOOTER_BYTES_MAX)
        .map_err(|e| bad(format!("footer at byte {offset}: {e}")))?;
    let footer: Footer =
        serde_json::from_slice(&json).map_err(|e| bad(format!("footer at byte {offset}: {e}")))?;
    check_places(split, &footer, offset)?;
    Ok(footer)
}

/// Every section and block lies before the footer.
fn check_places(split: &SplitId, footer: &Footer, limit: u64) -> Result<(), ReadError> {
    let sections = footer.sections.iter().map(|s| (s.offset, s.bytes));
    let blocks = footer.texts.iter().flatten().chain(&footer.sources);
    for (offset, bytes) in sections.chain(blocks.map(|b| (b.offset, u64::from(b.bytes)))) {
        if offset.checked_add(bytes).is_none_or(|end| end > limit) {
            return Err(damaged(split, format!("bytes {offset}+{bytes} lie beyond the data")));
        }
    }
    Ok(())
}

/// What [`verify`] found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The footer.
    pub footer: Footer,
    /// Bytes of the object.
    pub object_bytes: u64,
    /// Everything that is wrong, with its place; empty when the object is sound.
    pub faults: Vec<String>,
}

/// Checks every byte of an object against its checksums.
///
/// # Errors
/// Trailer or footer cannot be read; faults behind them are listed in the report.
pub fn verify(object: &[u8]) -> Result<Report, ReadError> {
    let unknown = SplitId::new("(object)");
    let footer = read_footer(&unknown, object)?;
    let mut faults = Vec::new();
    let mut covered: Vec<(u64, u64)> = Vec::new();
    let blocks = footer.texts.iter().flatten().chain(&footer.sources);
    let named = blocks.map(|b| ("block".to_owned(), b.offset, u64::from(b.bytes), b.crc32c));
    let sections = footer.sections.iter().map(|s| (s.name.clone(), s.offset, s.bytes, s.crc32c));
    for (name, offset, bytes, crc) in named.chain(sections) {
        if crc32c::crc32c(&object[offset as usize..(offset + bytes) as usize]) != crc {
            faults.push(format!("{name} at bytes {offset}..{}: checksum differs", offset + bytes));
        }
        covered.push((offset, offset + bytes));
    }
    covered.sort_unstable();
    let mut at = 0;
    for (from, to) in covered {
        if from > at {
            faults.push(format!("bytes {at}..{from} belong to nothing"));
        }
        at = at.max(to);
    }
    Ok(Report { footer, object_bytes: object.len() as u64, faults })
}
