//! What is in a split's object? Its layout, and how its footer is found and checked.
//!
//! ```text
//! [groups of rows: chunks of columns …][dictionaries, templates, shapes, minutes, filters]
//! [footer, zstd JSON][trailer]
//! trailer, 32 bytes: footer offset u64 | footer bytes u32 | footer crc32c u32
//!                    | format u32 = 2 | tail bytes u32 | "LDSPLIT1"
//! ```
//! Numbers are little-endian. Every part carries its crc32c in the footer; the footer's own is in
//! the trailer. The tail is all that lies behind the groups. `docs/formats/split.md` has every
//! byte.

pub mod codec;
pub(crate) mod filter;
pub(crate) mod shape;
pub(crate) mod template;
pub(crate) mod text;
pub mod write;

use model::id::SplitId;
use model::record::Value;
use serde::{Deserialize, Serialize};

use crate::read::{FieldInfo, ReadError, SplitMeta};

/// The format that is written.
pub const FORMAT: u32 = 3;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 32;
/// Nanoseconds of a minute.
pub(crate) const MINUTE_NS: i64 = 60_000_000_000;
const MAGIC: &[u8; 8] = b"LDSPLIT1";
/// The largest footer that is read, after decompression.
const FOOTER_BYTES_MAX: usize = 256 << 20;

/// What the footer says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Footer {
    /// As in the catalog, with `object_bytes` 0.
    pub meta: SplitMeta,
    /// All fields.
    pub fields: Vec<FieldInfo>,
    /// All columns, in the order of their numbers.
    pub columns: Vec<ColumnInfo>,
    /// Rows of a group; the last group may have fewer.
    pub group_rows: u32,
    /// The groups of rows, in order.
    pub groups: Vec<GroupInfo>,
    /// The shapes of documents.
    pub shapes: Place,
    /// The first row of each minute.
    pub minutes: Place,
}

/// What a column is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The values of a field.
    Value,
    /// The literals of a field's values, where the values do not give them back.
    Literal,
    /// The records' indexes.
    Index,
    /// The `_id`s that clients gave.
    Id,
}

/// How a column is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Whole numbers.
    Int,
    /// The bits of other numbers.
    Float,
    /// Booleans.
    Bool,
    /// Ordinals of a sorted dictionary; no chunks when it has one string.
    Dict,
    /// The dictionary and, for each ordinal of the column `leader`, its own.
    Derived,
    /// Templates and slots.
    Text,
    /// Lower-case hexadecimal digits, two a byte, all of one length.
    Hex,
}

/// What type the values of a column have; a field has one column for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Bool,
    Int,
    Float,
    Str,
}

impl Type {
    /// Of a value.
    pub(crate) fn of(value: Value<'_>) -> Type {
        match value {
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Float(_) => Type::Float,
            Value::Str(_) | Value::Null => Type::Str,
        }
    }

    /// Of values that are kept so.
    pub(crate) fn of_encoding(encoding: Encoding) -> Type {
        match encoding {
            Encoding::Bool => Type::Bool,
            Encoding::Int => Type::Int,
            Encoding::Float => Type::Float,
            Encoding::Dict | Encoding::Derived | Encoding::Text | Encoding::Hex => Type::Str,
        }
    }
}

/// A column of the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// Path of the field; "" for indexes and ids.
    pub path: String,
    /// What it is of.
    pub role: Role,
    /// How it is kept.
    pub encoding: Encoding,
    /// How many values.
    pub values: u64,
    /// Strings of the dictionary, templates, or digits of a hexadecimal value.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub terms: u32,
    /// The column that a derived one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<u32>,
    /// Its dictionary or templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<Place>,
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// A group of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// How many rows.
    pub rows: u32,
    /// Time of the first and of the last row, nanoseconds.
    pub time: (i64, i64),
    /// The times.
    pub times: Place,
    /// The number of the first row's record.
    pub first_seq: u64,
    /// The least and the greatest number of a record.
    pub seq_range: (u64, u64),
    /// The numbers of the records.
    pub seqs: Place,
    /// The shape of each row.
    pub shapes: Place,
    /// The chunks of the columns that have values here, by number of the column.
    pub chunks: Vec<(u32, Place)>,
    /// Least and greatest value of columns of whole numbers, by number of the column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<(u32, i64, i64)>,
    /// The filter over the tokens of texts.
    pub filter: Place,
}

/// A run of bytes of the object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32, u32)", into = "(u64, u32, u32)")]
pub struct Place {
    /// First byte.
    pub offset: u64,
    /// Length.
    pub bytes: u32,
    /// Checksum.
    pub crc32c: u32,
}

impl Place {
    /// The bytes' range.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.offset..self.offset + u64::from(self.bytes)
    }
}

impl From<(u64, u32, u32)> for Place {
    fn from((offset, bytes, crc32c): (u64, u32, u32)) -> Self {
        Self { offset, bytes, crc32c }
    }
}

impl From<Place> for (u64, u32, u32) {
    fn from(p: Place) -> Self {
        (p.offset, p.bytes, p.crc32c)
    }
}

impl Footer {
    /// Every part of the object, with a name.
    pub fn places(&self) -> Vec<(String, Place)> {
        let mut out = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            out.push((format!("group {number}: times"), group.times));
            out.push((format!("group {number}: record numbers"), group.seqs));
            out.push((format!("group {number}: shapes"), group.shapes));
            for (column, place) in &group.chunks {
                out.push((format!("group {number}: column {}", self.column_name(*column)), *place));
            }
            out.push((format!("group {number}: filter"), group.filter));
        }
        for (number, column) in self.columns.iter().enumerate() {
            let name = self.column_name(number as u32);
            out.extend(column.dictionary.map(|p| (format!("dictionary of column {name}"), p)));
        }
        out.push(("shapes".to_owned(), self.shapes));
        out.push(("minutes".to_owned(), self.minutes));
        out
    }

    fn column_name(&self, column: u32) -> String {
        match self.columns.get(column as usize) {
            Some(info) => match info.role {
                Role::Value => format!("`{}`", info.path),
                Role::Literal => format!("`{}` (literals)", info.path),
                Role::Index => "`_index`".to_owned(),
                Role::Id => "`_id`".to_owned(),
            },
            None => format!("{column}"),
        }
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

/// What the trailer says: where footer and tail lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// First byte of the footer.
    pub footer_offset: u64,
    /// Length of the footer.
    pub footer_bytes: u32,
    /// Checksum of the footer.
    pub footer_crc32c: u32,
    /// Length of everything behind the groups, trailer and footer included.
    pub tail_bytes: u32,
}

/// Reads the last [`TRAILER_BYTES`] of an object of `object_bytes`.
///
/// # Errors
/// `Damaged`, with the place.
pub fn read_trailer(
    split: &SplitId,
    trailer: &[u8],
    object_bytes: u64,
) -> Result<Trailer, ReadError> {
    let bad = |reason: String| damaged(split, reason);
    let end = match object_bytes.checked_sub(TRAILER_BYTES as u64) {
        Some(end) if trailer.len() == TRAILER_BYTES => end,
        _ => {
            let reason = format!("{object_bytes} bytes are too few for a trailer of 32");
            return Err(bad(reason));
        }
    };
    if &trailer[24..] != MAGIC {
        return Err(bad(format!("no split: bytes {}.. are not `LDSPLIT1`", end + 24)));
    }
    let number = |at: usize| {
        u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]])
    };
    let footer_offset = u64::from(number(0)) | u64::from(number(4)) << 32;
    let (footer_bytes, footer_crc32c, format) = (number(8), number(12), number(16));
    let tail_bytes = number(20);
    if format != FORMAT {
        return Err(bad(format!("format {format} is not known here, only {FORMAT} is")));
    }
    if footer_offset.checked_add(u64::from(footer_bytes)) != Some(end) {
        let reason = format!("footer at {footer_offset} of {footer_bytes} bytes does not end at");
        return Err(bad(format!("{reason} {end}")));
    }
    let behind = end - footer_offset + TRAILER_BYTES as u64;
    if u64::from(tail_bytes) < behind || u64::from(tail_bytes) > object_bytes {
        return Err(bad(format!("a tail of {tail_bytes} bytes cannot be")));
    }
    Ok(Trailer { footer_offset, footer_bytes, footer_crc32c, tail_bytes })
}

/// Reads a footer that the trailer speaks of.
///
/// # Errors
/// `Damaged`, with the place.
pub fn read_footer(split: &SplitId, trailer: &Trailer, footer: &[u8]) -> Result<Footer, ReadError> {
    let offset = trailer.footer_offset;
    let bad = |reason: String| damaged(split, format!("footer at byte {offset}: {reason}"));
    if crc32c::crc32c(footer) != trailer.footer_crc32c {
        return Err(bad("checksum differs".to_owned()));
    }
    let json = zstd::bulk::decompress(footer, FOOTER_BYTES_MAX).map_err(|e| bad(e.to_string()))?;
    let footer: Footer = serde_json::from_slice(&json).map_err(|e| bad(e.to_string()))?;
    check(&footer, offset).map_err(bad)?;
    // The record numbers are the last part of a group.
    let behind = footer.groups.last().map_or(0, |group| group.seqs.range().end);
    let end = offset + u64::from(trailer.footer_bytes) + TRAILER_BYTES as u64;
    if behind + u64::from(trailer.tail_bytes) != end {
        let tail = trailer.tail_bytes;
        return Err(bad(format!("the tail has {} bytes, not {tail}", end - behind)));
    }
    Ok(footer)
}

/// Everything lies before the footer, and the numbers fit each other.
fn check(footer: &Footer, limit: u64) -> Result<(), String> {
    for (name, place) in footer.places() {
        if place.offset.checked_add(u64::from(place.bytes)).is_none_or(|end| end > limit) {
            return Err(format!("{name} lies beyond the data"));
        }
    }
    let rows: u64 = footer.groups.iter().map(|g| u64::from(g.rows)).sum();
    if rows != footer.meta.docs || rows > u64::from(u32::MAX) {
        return Err(format!("{} records but {rows} rows", footer.meta.docs));
    }
    let full = footer.groups.len().saturating_sub(1);
    let each = footer.group_rows;
    if footer.groups[..full].iter().any(|g| g.rows != each)
        || footer.groups.last().is_some_and(|g| g.rows > each || g.rows == 0)
    {
        return Err(format!("a group has not {each} rows"));
    }
    for (number, column) in footer.columns.iter().enumerate() {
        let leader = column.leader.map(|at| footer.columns.get(at as usize).map(|c| c.encoding));
        let fits = match column.encoding {
            Encoding::Derived => leader == Some(Some(Encoding::Dict)),
            _ => leader.is_none(),
        };
        let needs = matches!(column.encoding, Encoding::Dict | Encoding::Derived | Encoding::Text);
        if !fits || needs != column.dictionary.is_some() {
            return Err(format!("column {} makes no sense", footer.column_name(number as u32)));
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
    /// Bytes behind the groups.
    pub tail_bytes: u64,
    /// Everything that is wrong, with its place; empty when the object is sound.
    pub faults: Vec<String>,
}

/// Checks every byte of an object against its checksums.
///
/// # Errors
/// Trailer or footer cannot be read; faults behind them are listed in the report.
pub fn verify(object: &[u8]) -> Result<Report, ReadError> {
    let unknown = SplitId::new("(object)");
    let from = object.len().saturating_sub(TRAILER_BYTES);
    let trailer = read_trailer(&unknown, &object[from..], object.len() as u64)?;
    let end = trailer.footer_offset as usize + trailer.footer_bytes as usize;
    let footer = read_footer(&unknown, &trailer, &object[trailer.footer_offset as usize..end])?;
    let mut faults = Vec::new();
    let mut covered: Vec<(u64, u64)> = Vec::new();
    for (name, place) in footer.places() {
        let range = place.range();
        if crc32c::crc32c(&object[range.start as usize..range.end as usize]) != place.crc32c {
            faults
                .push(format!("{name} at bytes {}..{}: checksum differs", range.start, range.end));
        }
        covered.push((range.start, range.end));
    }
    covered.push((trailer.footer_offset, object.len() as u64));
    covered.sort_unstable();
    let mut at = 0;
    for (from, to) in covered {
        if from > at {
            faults.push(format!("bytes {at}..{from} belong to nothing"));
        }
        at = at.max(to);
    }
    let tail_bytes = u64::from(trailer.tail_bytes);
    Ok(Report { footer, object_bytes: object.len() as u64, tail_bytes, faults })
}
