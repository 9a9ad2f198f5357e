//! How is an object put together? Appended to a file, section by section, with checksums.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::{FORMAT, Footer, MAGIC, Section};

/// Writes an object into a file.
pub struct SectionWriter {
    file: BufWriter<File>,
    at: u64,
    sections: Vec<Section>,
    compressor: Option<(i32, zstd::bulk::Compressor<'static>)>,
}

impl SectionWriter {
    /// A new file; an error when it exists.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, File::create_new(path)?),
            at: 0,
            sections: Vec::new(),
            compressor: None,
        })
    }

    /// Compresses with one compressor that is kept.
    pub fn compress(&mut self, raw: &[u8], level: i32) -> io::Result<Vec<u8>> {
        match &mut self.compressor {
            Some((l, compressor)) if *l == level => compressor.compress(raw),
            slot => {
                let mut compressor = zstd::bulk::Compressor::new(level)?;
                let out = compressor.compress(raw);
                *slot = Some((level, compressor));
                out
            }
        }
    }

    /// Appends bytes; gives their offset.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.at;
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(at)
    }

    /// Appends a section.
    pub fn section(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let offset = self.append(bytes)?;
        self.sections.push(Section {
            name: name.to_owned(),
            offset,
            bytes: bytes.len() as u64,
            crc32c: crc32c::crc32c(bytes),
        });
        Ok(())
    }

    /// Appends footer and trailer, and syncs the file; gives the length of the object.
    pub fn finish(mut self, mut footer: Footer) -> io::Result<u64> {
        footer.sections = std::mem::take(&mut self.sections);
        let json = serde_json::to_vec(&footer).map_err(io::Error::other)?;
        let packed = self.compress(&json, 3)?;
        let offset = self.append(&packed)?;
        let mut trailer = Vec::with_capacity(super::TRAILER_BYTES);
        trailer.extend_from_slice(&offset.to_le_bytes());
        trailer.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        trailer.extend_from_slice(&crc32c::crc32c(&packed).to_le_bytes());
        trailer.extend_from_slice(&FORMAT.to_le_bytes());
        trailer.extend_from_slice(&0u32.to_le_bytes());
        trailer.extend_from_slice(MAGIC);
        self.append(&trailer)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_data()?;
        Ok(self.at)
    }
}
