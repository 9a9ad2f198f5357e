//! How is an object put together? Groups of rows one after the other, then all that describes
//! them.
//!
//! Knows encoded columns, not where their values come from: a roll and a merge write alike.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use super::codec::{Packer, put_number, zigzag};
use super::filter::FilterBuilder;
use super::template::{SlotLetters, TemplateList};
use super::text::{TextData, encode};
use super::{ColumnInfo, FORMAT, Footer, GroupInfo, MAGIC, MINUTE_NS, Place, TRAILER_BYTES};
use crate::read::{FieldInfo, SplitMeta};

/// The values of one column in one group.
pub(crate) enum Chunk<'a> {
    /// Nothing is stored.
    None,
    /// Whole numbers.
    Ints(&'a [i64]),
    /// Other numbers.
    Floats(&'a [f64]),
    /// Booleans.
    Bools(&'a [bool]),
    /// Ordinals.
    Ords(&'a [u32]),
    /// Texts of a run.
    Texts(&'a TextData, Range<usize>, &'a TemplateList),
    /// Bytes of hexadecimal values, and how many bytes each has.
    Hex(&'a [u8], usize),
}

/// The rows of one group.
pub(crate) struct GroupRows<'a> {
    /// Rising.
    pub(crate) times: &'a [i64],
    /// The records' numbers.
    pub(crate) seqs: &'a [i64],
    /// The documents' shapes.
    pub(crate) shapes: &'a [u32],
}

/// Writes an object into a file.
pub(crate) struct ObjectWriter {
    file: BufWriter<File>,
    at: u64,
    packer: Packer,
    groups: Vec<GroupInfo>,
    filters: Vec<Vec<u8>>,
    filter: FilterBuilder,
    minutes: Vec<(i64, u32)>,
    group_rows: u32,
    rows: u32,
}

/// Everything that describes the groups.
pub(crate) struct Description {
    pub(crate) meta: SplitMeta,
    pub(crate) fields: Vec<FieldInfo>,
    /// Columns, each with the bytes of its dictionary or templates.
    pub(crate) columns: Vec<(ColumnInfo, Option<Vec<u8>>)>,
    pub(crate) shapes: Vec<u8>,
}

impl ObjectWriter {
    /// A new file; an error when it exists.
    pub(crate) fn create(path: &Path, level: i32, group_rows: u32) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, File::create_new(path)?),
            at: 0,
            packer: Packer::new(level)?,
            groups: Vec::new(),
            filters: Vec::new(),
            filter: FilterBuilder::default(),
            minutes: Vec::new(),
            group_rows,
            rows: 0,
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<Place> {
        let too_long = |_| io::Error::other("a part of a split is longer than 4 GiB");
        let place = Place {
            offset: self.at,
            bytes: u32::try_from(bytes.len()).map_err(too_long)?,
            crc32c: crc32c::crc32c(bytes),
        };
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(place)
    }

    fn ints(&mut self, values: impl ExactSizeIterator<Item = i64> + Clone) -> io::Result<Place> {
        let mut out = Vec::new();
        self.packer.ints(values, &mut out)?;
        self.append(&out)
    }

    /// Appends a group. Chunks come in the order of the columns' numbers.
    pub(crate) fn group<'a>(
        &mut self,
        rows: &GroupRows<'_>,
        chunks: impl Iterator<Item = Chunk<'a>>,
    ) -> io::Result<()> {
        let time = (rows.times[0], rows.times[rows.times.len() - 1]);
        self.note_minutes(rows.times);
        let times = self.ints(Deltas::of(rows.times))?;
        let shapes = self.ints(rows.shapes.iter().map(|s| i64::from(*s)))?;
        let mut info = GroupInfo {
            rows: rows.times.len() as u32,
            time,
            times,
            first_seq: rows.seqs[0] as u64,
            seq_range: least_and_most(rows.seqs),
            seqs: Place::default(),
            shapes,
            chunks: Vec::new(),
            ranges: Vec::new(),
            filter: Place::default(),
        };
        for (number, chunk) in chunks.enumerate() {
            let number = number as u32;
            let mut out = Vec::new();
            match chunk {
                Chunk::None => continue,
                Chunk::Ints(values) => {
                    let least = values.iter().min().copied();
                    let most = values.iter().max().copied();
                    info.ranges.extend(least.zip(most).map(|(a, b)| (number, a, b)));
                    self.packer.ints(values.iter().copied(), &mut out)?;
                }
                Chunk::Floats(values) => {
                    self.packer.ints(values.iter().map(|v| v.to_bits() as i64), &mut out)?;
                }
                Chunk::Bools(values) => {
                    self.packer.ints(values.iter().map(|v| i64::from(*v)), &mut out)?;
                }
                Chunk::Ords(values) => {
                    self.packer.ints(values.iter().map(|v| i64::from(*v)), &mut out)?;
                }
                Chunk::Texts(data, run, templates) => {
                    self.filter.column(number);
                    let slots = |id| templates.slots(id);
                    out = encode(data, run, &slots, &mut self.packer, &mut self.filter)?;
                }
                Chunk::Hex(bytes, width) => {
                    self.filter.column(number);
                    let mut token = Vec::with_capacity(width * 2);
                    for value in bytes.chunks_exact(width) {
                        token.clear();
                        push_hex(value, &mut token);
                        self.filter.folded(&token);
                    }
                    out.extend_from_slice(bytes);
                }
            }
            let place = self.append(&out)?;
            info.chunks.push((number, place));
        }
        info.seqs = self.ints(Deltas::of(rows.seqs))?;
        self.rows += info.rows;
        self.groups.push(info);
        let filter = self.filter.finish();
        self.filters.push(filter);
        Ok(())
    }

    fn note_minutes(&mut self, times: &[i64]) {
        let mut last = self.minutes.last().map(|m| m.0);
        for (at, time) in times.iter().enumerate() {
            let minute = time.div_euclid(MINUTE_NS);
            if last != Some(minute) {
                self.minutes.push((minute, self.rows + at as u32));
                last = Some(minute);
            }
        }
    }

    /// Appends what describes the groups, and syncs the file; gives length of object and tail.
    pub(crate) fn finish(mut self, description: Description) -> io::Result<(u64, u64)> {
        let Description { meta, fields, columns, shapes } = description;
        let tail = self.at;
        let mut infos = Vec::with_capacity(columns.len());
        for (mut info, dictionary) in columns {
            if let Some(bytes) = dictionary {
                let packed = self.packer.text(&bytes)?;
                info.dictionary = Some(self.append_packed(bytes.len(), &packed)?);
            }
            infos.push(info);
        }
        let packed = self.packer.text(&shapes)?;
        let shapes = self.append_packed(shapes.len(), &packed)?;
        let mut minutes = Vec::new();
        put_number(&mut minutes, self.minutes.len() as u64);
        let (mut minute_before, mut row_before) = (0, 0);
        for (minute, row) in &self.minutes {
            put_number(&mut minutes, zigzag(minute - minute_before));
            put_number(&mut minutes, u64::from(row - row_before));
            (minute_before, row_before) = (*minute, *row);
        }
        let minutes = self.append(&minutes)?;
        for (at, filter) in std::mem::take(&mut self.filters).into_iter().enumerate() {
            self.groups[at].filter = self.append(&filter)?;
        }
        let groups = std::mem::take(&mut self.groups);
        let group_rows = self.group_rows;
        let footer = Footer { meta, fields, columns: infos, group_rows, groups, shapes, minutes };
        let json = serde_json::to_vec(&footer).map_err(io::Error::other)?;
        let packed = self.packer.text(&json)?;
        let place = self.append(&packed)?;
        let tail = self.at - tail + TRAILER_BYTES as u64;
        let mut trailer = Vec::with_capacity(TRAILER_BYTES);
        trailer.extend_from_slice(&place.offset.to_le_bytes());
        trailer.extend_from_slice(&place.bytes.to_le_bytes());
        trailer.extend_from_slice(&place.crc32c.to_le_bytes());
        trailer.extend_from_slice(&FORMAT.to_le_bytes());
        let too_long = |_| io::Error::other("the tail of a split is longer than 4 GiB");
        trailer.extend_from_slice(&u32::try_from(tail).map_err(too_long)?.to_le_bytes());
        trailer.extend_from_slice(MAGIC);
        self.append(&trailer)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_data()?;
        Ok((self.at, tail))
    }

    /// A zstd frame with its length before compression in front.
    fn append_packed(&mut self, raw_bytes: usize, packed: &[u8]) -> io::Result<Place> {
        let mut out = Vec::with_capacity(packed.len() + 5);
        put_number(&mut out, raw_bytes as u64);
        out.extend_from_slice(packed);
        self.append(&out)
    }
}

fn least_and_most(seqs: &[i64]) -> (u64, u64) {
    let least = seqs.iter().min().copied().unwrap_or(0);
    (least as u64, seqs.iter().max().copied().unwrap_or(0) as u64)
}

/// The first number, then the difference of each to the one before.
#[derive(Clone)]
struct Deltas<'a> {
    values: &'a [i64],
    before: i64,
}

impl<'a> Deltas<'a> {
    fn of(values: &'a [i64]) -> Self {
        Self { values, before: values.first().copied().unwrap_or(0) }
    }
}

impl Iterator for Deltas<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let (first, rest) = self.values.split_first()?;
        self.values = rest;
        let out = first.wrapping_sub(self.before);
        self.before = *first;
        Some(out)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.values.len(), Some(self.values.len()))
    }
}

impl ExactSizeIterator for Deltas<'_> {}

/// Appends two digits a byte.
pub(crate) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Bytes of a sorted dictionary: how many; per string the length of what it shares with the one
/// before, and of the rest; then all rests.
pub(crate) fn dictionary_bytes<'a>(terms: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rests = Vec::new();
    put_number(&mut out, terms.len() as u64);
    let mut before: &[u8] = &[];
    for term in terms {
        let shared = before.iter().zip(term).take_while(|(a, b)| a == b).count();
        put_number(&mut out, shared as u64);
        put_number(&mut out, (term.len() - shared) as u64);
        rests.extend_from_slice(&term[shared..]);
        before = term;
    }
    out.extend_from_slice(&rests);
    out
}

/// Bytes of templates: those of their keys as a dictionary, how many values have each, then the
/// letters of each slot but the raw one's.
pub(crate) fn template_bytes(
    list: &TemplateList,
    counts: &[u64],
    letters: &SlotLetters,
) -> Vec<u8> {
    let keys = list.keys.iter().skip(1).map(|k| &**k);
    let mut out = dictionary_bytes(keys);
    for count in counts {
        put_number(&mut out, *count);
    }
    for letters in letters.0.iter().skip(1).flatten() {
        put_number(&mut out, u64::from(letters.0));
    }
    out
}

/// Bytes of shapes: how many; per shape length of the skeleton, its bytes, and the columns of its
/// values.
pub(crate) fn shape_bytes<'a>(
    shapes: impl ExactSizeIterator<Item = (&'a [u8], &'a [u32])>,
) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, shapes.len() as u64);
    for (skeleton, columns) in shapes {
        put_number(&mut out, skeleton.len() as u64);
        out.extend_from_slice(skeleton);
        put_number(&mut out, columns.len() as u64);
        columns.iter().for_each(|c| put_number(&mut out, u64::from(*c)));
    }
    out
}
