//! How is one split read? Times, columns, texts and sources of an open object.
//!
//! Everything is checked against its checksum before it is used.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use model::id::{IndexName, NodeId, RecordSeq, SplitId};
use model::time::{TimeRange, Timestamp};

use super::chunks::ChunkCache;
use super::column::{Column, ColumnKind};
use super::core::Core;
use super::object::ObjectBytes;
use super::{FieldInfo, ReadError, RowSet, SplitMeta};
use crate::split::{self, Footer, MINUTE_NS, Place, Role, TRAILER_BYTES};

/// An open split. Rows are numbered 0 … `docs` − 1 by rising time, then by rising sequence.
#[derive(Debug)]
pub struct SplitReader {
    core: Arc<Core>,
    node: NodeId,
    indexes: Vec<IndexName>,
    /// Fields by path.
    fields: Vec<FieldInfo>,
    /// Columns of values by path.
    columns: HashMap<String, Vec<u32>>,
    index_column: u32,
    id_column: Option<u32>,
    /// The first row of each minute.
    minutes: Vec<(i64, u32)>,
    tail_bytes: u32,
}

impl SplitReader {
    /// Opens an object; `node` names the generated `_id`s.
    ///
    /// # Errors
    /// The store fails; `Damaged`, with the place in the object.
    pub fn open(
        id: SplitId,
        node: NodeId,
        object: Arc<dyn ObjectBytes>,
        cache: Arc<ChunkCache>,
    ) -> Result<Self, ReadError> {
        let (footer, tail_bytes) = read_footer(&id, &*object)?;
        let core = Arc::new(Core::open(id, object, footer, cache)?);
        let minutes = core.minutes()?;
        let mut columns: HashMap<String, Vec<u32>> = HashMap::new();
        let (mut index_column, mut id_column) = (None, None);
        for (number, info) in core.footer.columns.iter().enumerate() {
            let number = number as u32;
            match info.role {
                Role::Value => columns.entry(info.path.clone()).or_default().push(number),
                Role::Index => index_column = Some(number),
                Role::Id => id_column = Some(number),
                Role::Literal => {}
            }
        }
        let index_column = index_column.ok_or_else(|| core.bad("no column of indexes"))?;
        let mut fields = core.footer.fields.clone();
        fields.sort_by(|a, b| a.path.cmp(&b.path));
        let indexes = core.footer.meta.indexes.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self {
            core,
            node,
            indexes,
            fields,
            columns,
            index_column,
            id_column,
            minutes,
            tail_bytes,
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// What the catalog knows of the split, as the object says it.
    pub fn meta(&self) -> SplitMeta {
        SplitMeta {
            object_bytes: self.core.object.len(),
            tail_bytes: u64::from(self.tail_bytes),
            ..self.core.footer.meta.clone()
        }
    }

    /// What the object says of itself.
    pub fn footer(&self) -> &Footer {
        &self.core.footer
    }

    /// How many rows.
    pub fn docs(&self) -> u32 {
        self.core.footer.meta.docs as u32
    }

    /// The groups of rows.
    pub fn groups(&self) -> Vec<Range<u32>> {
        (0..self.core.groups()).map(|group| self.core.rows_of(group)).collect()
    }

    /// The time of a row.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn timestamp(&self, row: u32) -> Result<Timestamp, ReadError> {
        let (group, at) = self.core.place_of(row);
        let times = self.core.times(group)?;
        let at = times.get(at as usize);
        at.map(|at| Timestamp(*at)).ok_or_else(|| self.no_row(row))
    }

    /// Appends the times of `rows`.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn timestamps(&self, rows: Range<u32>, out: &mut Vec<i64>) -> Result<(), ReadError> {
        let mut from = rows.start;
        while from < rows.end {
            let (group, first) = self.core.place_of(from);
            let times = self.core.times(group)?;
            let first = first as usize;
            let last = (first + (rows.end - from) as usize).min(times.len());
            let part = times.get(first..last).filter(|p| !p.is_empty());
            out.extend_from_slice(part.ok_or_else(|| self.no_row(from))?);
            from += (last - first) as u32;
        }
        Ok(())
    }

    fn no_row(&self, row: u32) -> ReadError {
        self.core.bad(format!("there is no row {row}"))
    }

    /// The rows whose time lies in `range`: one run. Whole minutes are known without reading.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_in(&self, range: TimeRange) -> Result<Range<u32>, ReadError> {
        let from = self.first_at_or_after(range.from.0)?;
        // `TimeRange::ALL` holds the last nanosecond too.
        let to = match range.to.0 {
            i64::MAX => self.docs(),
            to => self.first_at_or_after(to)?,
        };
        Ok(from..to.max(from))
    }

    fn first_at_or_after(&self, at: i64) -> Result<u32, ReadError> {
        let minute = at.div_euclid(MINUTE_NS);
        let place = self.minutes.partition_point(|(other, _)| *other < minute);
        let Some((other, first)) = self.minutes.get(place) else { return Ok(self.docs()) };
        if *other > minute || at.rem_euclid(MINUTE_NS) == 0 {
            return Ok(*first);
        }
        let end = self.minutes.get(place + 1).map_or(self.docs(), |(_, row)| *row);
        let (mut low, mut high) = (*first, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.timestamp(middle)?.0 < at { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The number of a row's record.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn seq(&self, row: u32) -> Result<RecordSeq, ReadError> {
        let (group, at) = self.core.place_of(row);
        let seqs = self.core.seqs(group)?;
        let seq = seqs.get(at as usize);
        seq.map(|seq| RecordSeq(*seq as u64)).ok_or_else(|| self.no_row(row))
    }

    /// Position of a row's index in [`SplitReader::indexes`].
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn index_ord(&self, row: u32) -> Result<u32, ReadError> {
        let mut out = super::column::Values::default();
        self.index_column()?.ords(&[row], &mut out)?;
        out.values.first().copied().ok_or_else(|| self.no_row(row))
    }

    /// The column of the rows' indexes; ordinals are positions in [`SplitReader::indexes`].
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn index_column(&self) -> Result<Arc<Column>, ReadError> {
        Ok(self.column(self.index_column))
    }

    /// The index names of the split, sorted.
    pub fn indexes(&self) -> &[IndexName] {
        &self.indexes
    }

    pub(crate) fn column(&self, number: u32) -> Arc<Column> {
        Arc::new(Column { core: self.core.clone(), number })
    }

    /// Whether any record has an `_id` that its client gave.
    pub fn has_client_ids(&self) -> bool {
        self.id_column.is_some()
    }

    /// The `_id` that the client gave a row's record.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn client_id(&self, row: u32) -> Result<Option<String>, ReadError> {
        let Some(column) = self.id_column else { return Ok(None) };
        if row >= self.docs() {
            return Err(self.no_row(row));
        }
        let column = self.column(column);
        if column.kind() == ColumnKind::Dict {
            let mut out = super::column::Values::default();
            column.ords(&[row], &mut out)?;
            let Some(ord) = out.values.first() else { return Ok(None) };
            return Ok(Some(column.dictionary()?.get(*ord).to_owned()));
        }
        let mut out = None;
        column.for_each_text(&RowSet::range(self.docs(), row..row + 1), &mut |_, text| {
            out = Some(text.to_owned());
            false
        })?;
        Ok(out)
    }

    /// The `_id` of a row: the client's, or the generated one.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn id(&self, row: u32) -> Result<String, ReadError> {
        match self.client_id(row)? {
            Some(id) => Ok(id),
            None => Ok(self.node.document_id(self.seq(row)?)),
        }
    }

    /// The rows of the record with this `_id`: none or more.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_with_id(&self, id: &str) -> Result<Vec<u32>, ReadError> {
        let mut out = self.rows_with_client_id(id)?;
        let Some((node, seq)) = NodeId::parse_document_id(id) else { return Ok(out) };
        if node != self.node {
            return Ok(out);
        }
        for (group, info) in self.core.footer.groups.iter().enumerate() {
            if seq.0 < info.seq_range.0 || info.seq_range.1 < seq.0 {
                continue;
            }
            let group = group as u32;
            let seqs = self.core.seqs(group)?;
            let Some(at) = seqs.iter().position(|s| *s as u64 == seq.0) else { continue };
            let row = self.core.rows_of(group).start + at as u32;
            if self.client_id(row)?.is_none() {
                out.push(row);
            }
        }
        Ok(out)
    }

    fn rows_with_client_id(&self, id: &str) -> Result<Vec<u32>, ReadError> {
        let Some(column) = self.id_column else { return Ok(Vec::new()) };
        let column = self.column(column);
        let all = RowSet::all(self.docs());
        if column.kind() == ColumnKind::Dict {
            let dictionary = column.dictionary()?;
            let Ok(ord) = dictionary.find(id) else { return Ok(Vec::new()) };
            let mut wanted = vec![false; dictionary.len()];
            wanted[ord as usize] = true;
            return Ok(column.rows_with_ords(&wanted, &all)?.iter().collect());
        }
        // A token with a digit stands in a slot, or in a whole text.
        let token = model::token::tokens(id).find(|t| t.bytes().any(|b| b.is_ascii_digit()));
        let candidates = match token {
            Some(token) => column.rows_with_slot_token((&token, None), &all)?,
            None => all,
        };
        let mut out = Vec::new();
        column.for_each_text(&candidates, &mut |row, text| {
            if text == id {
                out.push(row);
            }
            true
        })?;
        Ok(out)
    }

    /// All fields, by path.
    pub fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    /// One field.
    pub fn field(&self, path: &str) -> Option<&FieldInfo> {
        let at = self.fields.binary_search_by(|f| f.path.as_str().cmp(path)).ok()?;
        self.fields.get(at)
    }

    /// The columns of a field, one per type.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn columns(&self, path: &str) -> Result<Vec<Arc<Column>>, ReadError> {
        let numbers = self.columns.get(path).map_or(&[][..], Vec::as_slice);
        Ok(numbers.iter().map(|number| self.column(*number)).collect())
    }

    /// Fetches what reading these columns in these rows needs, and with `times` the rows' times, in
    /// one wave.
    ///
    /// # Errors
    /// The store fails.
    pub fn prefetch(
        &self,
        columns: &[&Column],
        times: bool,
        rows: &RowSet,
    ) -> Result<(), ReadError> {
        let mut places: Vec<Place> = Vec::new();
        for group in 0..self.core.groups() {
            if rows.any_in(self.core.rows_of(group)) {
                if times {
                    places.push(self.core.group(group)?.times);
                }
                for column in columns {
                    self.core.places(column.number, group, &mut places);
                }
            }
        }
        self.fetch(places)
    }

    /// Fetches everything of the groups of these rows, in one wave.
    ///
    /// # Errors
    /// The store fails.
    pub fn prefetch_sources(&self, rows: &[u32]) -> Result<(), ReadError> {
        let mut groups: Vec<u32> = rows.iter().map(|row| self.core.place_of(*row).0).collect();
        groups.sort_unstable();
        groups.dedup();
        let mut places: Vec<Place> = Vec::new();
        for group in groups {
            let info = self.core.group(group)?;
            places.extend([info.times, info.seqs, info.shapes]);
            places.extend(info.chunks.iter().map(|c| c.1));
        }
        self.fetch(places)
    }

    /// Fetches everything but the tail, in one wave.
    ///
    /// # Errors
    /// The store fails.
    pub fn prefetch_all(&self) -> Result<(), ReadError> {
        // The record numbers are the last part of a group.
        let end = self.footer().groups.iter().map(|g| g.seqs.range().end).max();
        let all = 0..end.unwrap_or(0);
        self.core.object.prefetch(std::slice::from_ref(&all))
    }

    fn fetch(&self, places: Vec<Place>) -> Result<(), ReadError> {
        let mut ranges: Vec<Range<u64>> = places.iter().map(Place::range).collect();
        ranges.sort_by_key(|r| r.start);
        ranges.dedup();
        self.core.object.prefetch(&ranges)
    }
}

/// Finds and reads the footer. Both lie in the tail, which an object that is far away has at hand.
fn read_footer(id: &SplitId, object: &dyn ObjectBytes) -> Result<(Footer, u32), ReadError> {
    let len = object.len();
    let trailer = object.read(len.saturating_sub(TRAILER_BYTES as u64)..len)?;
    let trailer = split::read_trailer(id, &trailer, len)?;
    let from = trailer.footer_offset;
    let footer = object.read(from..from + u64::from(trailer.footer_bytes))?;
    Ok((split::read_footer(id, &trailer, &footer)?, trailer.tail_bytes))
}
