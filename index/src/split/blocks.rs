//! How are texts and sources kept? In blocks of rows, each one zstd frame.
//!
//! A block before compression: header bytes u32 | header (LEB128 numbers) | body.
//! Text block: per value (row − row before, bytes); the body is the values one after the other.
//! Source block: per row (bytes, holes, per hole (offset, text field)); the body is the documents
//! without their holes. A hole is where a text field's first value stood as a JSON string: it is
//! put back from the text store, so the text is kept once and the document comes back to the byte.

use std::io;

use super::Block;
use super::write::SectionWriter;

/// Appends a number in LEB128.
pub(crate) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads a number in LEB128; `None` at the end or when it is too long.
pub(crate) fn take_number(from: &mut &[u8]) -> Option<u64> {
    let mut out = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = from.split_first()?;
        *from = rest;
        out |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

/// Gathers rows into blocks.
struct BlockWriter {
    block_bytes: usize,
    level: i32,
    header: Vec<u8>,
    body: Vec<u8>,
    first_row: u32,
    last_row: u32,
    empty: bool,
    done: Vec<Block>,
}

impl BlockWriter {
    fn new(block_bytes: usize, level: i32) -> Self {
        Self {
            block_bytes,
            level,
            header: Vec::new(),
            body: Vec::new(),
            first_row: 0,
            last_row: 0,
            empty: true,
            done: Vec::new(),
        }
    }

    /// Ends the block when it is full, before `row` is added; says whether a new one begins.
    fn begin_row(&mut self, row: u32, out: &mut SectionWriter) -> io::Result<bool> {
        if self.body.len() >= self.block_bytes && row != self.last_row {
            self.flush(out)?;
        }
        let fresh = self.empty;
        if fresh {
            self.first_row = row;
            self.empty = false;
        }
        Ok(fresh)
    }

    fn flush(&mut self, out: &mut SectionWriter) -> io::Result<()> {
        if self.empty {
            return Ok(());
        }
        let mut raw = Vec::with_capacity(4 + self.header.len() + self.body.len());
        raw.extend_from_slice(&(self.header.len() as u32).to_le_bytes());
        raw.extend_from_slice(&self.header);
        raw.extend_from_slice(&self.body);
        let packed = out.compress(&raw, self.level)?;
        let offset = out.append(&packed)?;
        self.done.push(Block {
            offset,
            bytes: packed.len() as u32,
            raw_bytes: raw.len() as u32,
            first_row: self.first_row,
            last_row: self.last_row,
            crc32c: crc32c::crc32c(&packed),
        });
        self.header.clear();
        self.body.clear();
        self.empty = true;
        Ok(())
    }
}

/// Writes the values of one text field.
pub struct TextWriter(BlockWriter);

impl TextWriter {
    /// A store with blocks of about `block_bytes`.
    pub fn new(block_bytes: usize, level: i32) -> Self {
        Self(BlockWriter::new(block_bytes, level))
    }

    /// Adds a value; rows never fall.
    pub fn push(&mut self, row: u32, text: &str, out: &mut SectionWriter) -> io::Result<()> {
        let fresh = self.0.begin_row(row, out)?;
        let before = if fresh { self.0.first_row } else { self.0.last_row };
        put_number(&mut self.0.header, u64::from(row - before));
        put_number(&mut self.0.header, text.len() as u64);
        self.0.body.extend_from_slice(text.as_bytes());
        self.0.last_row = row;
        Ok(())
    }

    /// Writes what is left; gives the blocks.
    pub fn finish(mut self, out: &mut SectionWriter) -> io::Result<Vec<Block>> {
        self.0.flush(out)?;
        Ok(self.0.done)
    }
}

/// A place in a document from which a text was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Byte of the document where the JSON string, with its quotes, begins.
    pub at: u32,
    /// Its length in the document.
    pub bytes: u32,
    /// Position of the text field.
    pub text_field: u32,
}

/// Writes the documents.
pub struct SourceWriter(BlockWriter);

impl SourceWriter {
    /// A store with blocks of about `block_bytes`.
    pub fn new(block_bytes: usize, level: i32) -> Self {
        Self(BlockWriter::new(block_bytes, level))
    }

    /// Adds the next row's document, without its holes (rising, not overlapping).
    pub fn push(
        &mut self,
        row: u32,
        source: &str,
        holes: &[Hole],
        out: &mut SectionWriter,
    ) -> io::Result<()> {
        self.0.begin_row(row, out)?;
        let holes_bytes: usize = holes.iter().map(|h| h.bytes as usize).sum();
        put_number(&mut self.0.header, (source.len() - holes_bytes) as u64);
        put_number(&mut self.0.header, holes.len() as u64);
        let (mut at, mut kept) = (0, 0);
        for hole in holes {
            let part = &source.as_bytes()[at..hole.at as usize];
            kept += part.len();
            put_number(&mut self.0.header, kept as u64);
            put_number(&mut self.0.header, u64::from(hole.text_field));
            self.0.body.extend_from_slice(part);
            at = (hole.at + hole.bytes) as usize;
        }
        self.0.body.extend_from_slice(&source.as_bytes()[at..]);
        self.0.last_row = row;
        Ok(())
    }

    /// Writes what is left; gives the blocks.
    pub fn finish(mut self, out: &mut SectionWriter) -> io::Result<Vec<Block>> {
        self.0.flush(out)?;
        Ok(self.0.done)
    }
}

/// A decompressed block.
pub struct OpenBlock {
    raw: Vec<u8>,
    header_bytes: usize,
}

impl OpenBlock {
    /// Checks and decompresses a block; the error says what is wrong.
    pub fn open(object: &[u8], block: &Block) -> Result<Self, String> {
        let place = format!("block at byte {}", block.offset);
        let from = usize::try_from(block.offset).map_err(|_| place.clone())?;
        let packed = from
            .checked_add(block.bytes as usize)
            .and_then(|to| object.get(from..to))
            .ok_or_else(|| format!("{place}: outside the object"))?;
        if crc32c::crc32c(packed) != block.crc32c {
            return Err(format!("{place}: checksum differs"));
        }
        let raw = zstd::bulk::decompress(packed, block.raw_bytes as usize)
            .map_err(|e| format!("{place}: {e}"))?;
        let header_bytes = match raw.get(..4) {
            Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]) as usize,
            _ => return Err(format!("{place}: too short")),
        };
        if 4 + header_bytes > raw.len() {
            return Err(format!("{place}: header is longer than the block"));
        }
        Ok(Self { raw, header_bytes })
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.raw[4..].split_at(self.header_bytes)
    }

    /// Calls `visit` with (row, value) of a text block until it says `false`; `None` when the
    /// block is malformed.
    pub fn texts(&self, first_row: u32, visit: &mut dyn FnMut(u32, &str) -> bool) -> Option<bool> {
        let (mut header, mut body) = self.parts();
        let mut row = first_row;
        while !header.is_empty() {
            row = row.checked_add(u32::try_from(take_number(&mut header)?).ok()?)?;
            let bytes = usize::try_from(take_number(&mut header)?).ok()?;
            let text = body.get(..bytes)?;
            body = &body[bytes..];
            if !visit(row, std::str::from_utf8(text).ok()?) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The documents of a source block, from its first row on; `None` when it is malformed.
    pub fn sources(&self) -> Option<Vec<StoredSource<'_>>> {
        let (mut header, mut body) = self.parts();
        let mut out = Vec::new();
        while !header.is_empty() {
            let bytes = usize::try_from(take_number(&mut header)?).ok()?;
            let mut holes = Vec::new();
            for _ in 0..take_number(&mut header)? {
                let at = usize::try_from(take_number(&mut header)?).ok()?;
                let text_field = usize::try_from(take_number(&mut header)?).ok()?;
                if at > bytes || holes.last().is_some_and(|(last, _)| *last > at) {
                    return None;
                }
                holes.push((at, text_field));
            }
            let kept = body.get(..bytes)?;
            body = &body[bytes..];
            out.push(StoredSource { kept, holes });
        }
        Some(out)
    }
}

/// A document as it lies in a block.
pub struct StoredSource<'a> {
    kept: &'a [u8],
    /// (offset in the kept bytes, text field).
    pub holes: Vec<(usize, usize)>,
}

impl StoredSource<'_> {
    /// The document; `texts` holds the text of each hole.
    pub fn restore(&self, texts: &[&str]) -> Option<String> {
        let mut out = Vec::with_capacity(self.kept.len() + 64);
        let mut at = 0;
        for ((hole, _), text) in self.holes.iter().zip(texts) {
            out.extend_from_slice(self.kept.get(at..*hole)?);
            serde_json::to_writer(&mut out, text).ok()?;
            at = *hole;
        }
        out.extend_from_slice(self.kept.get(at..)?);
        String::from_utf8(out).ok()
    }
}
