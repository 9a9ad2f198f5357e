//! How are the parts of an object found, checked and decoded? Shared by a reader and its columns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use model::id::SplitId;

use super::ReadError;
use super::chunks::{ChunkCache, Decoded, Part, Scalar};
use super::dictionary::{Dictionary, Templates};
use super::object::ObjectBytes;
use super::positions::Positions;
use crate::split::codec::{
    FRAME_BYTES_MAX, Ords, take_bytes, take_ints, take_number, take_ords, take_up_to, take_value,
    unpack,
};
use crate::split::shape::{Part as ShapePart, parts};
use crate::split::text::{Frame, Order, TextChunk};
use crate::split::{ColumnInfo, Encoding, Footer, GroupInfo, Place, Role, damaged};

/// An open object.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) id: SplitId,
    pub(crate) object: Arc<dyn ObjectBytes>,
    pub(crate) footer: Footer,
    pub(crate) shapes: Shapes,
    cache: Arc<ChunkCache>,
    number: u64,
    /// What was checked, by group: the filter, and the chunk of each column.
    checked: Box<[Box<[AtomicBool]>]>,
}

/// A shape of documents.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) parts: Vec<ShapePart>,
    /// The columns of its values, each with its place among the values of the row in that column.
    pub(crate) columns: Vec<(u32, u32)>,
    pub(crate) skeleton: Box<[u8]>,
}

/// The shapes of a split, and what they tell of its columns.
#[derive(Debug)]
pub(crate) struct Shapes {
    pub(crate) list: Vec<Shape>,
    /// How many values each shape has; columns with the same counts share an entry.
    signatures: Vec<Vec<u32>>,
    /// The signature of each column.
    of_column: Vec<u32>,
}

impl Shape {
    /// Reads shape number `at`, and counts its values for each column.
    fn read(bytes: &mut &[u8], at: usize, counts: &mut [Vec<u32>]) -> Option<Self> {
        let len = take_up_to(bytes, bytes.len())?;
        let skeleton = take_bytes(bytes, len)?;
        let (has_id, parts) = parts(skeleton)?;
        let values = take_up_to(bytes, bytes.len())?;
        let mut columns = Vec::with_capacity(values);
        for _ in 0..values {
            let column = take_up_to(bytes, counts.len().checked_sub(1)?)?;
            let count = counts[column].get_mut(at)?;
            columns.push((column as u32, *count));
            *count += 1;
        }
        let wanted: usize = parts.iter().map(ShapePart::columns).sum();
        let fits = wanted + usize::from(has_id) == values;
        fits.then(|| Self { parts, columns, skeleton: skeleton.into() })
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.cache.forget(self.number);
    }
}

impl Shapes {
    /// Reads shapes whose columns are below `columns`.
    fn read(mut bytes: &[u8], footer: &Footer) -> Option<Self> {
        let bytes = &mut bytes;
        let columns = footer.columns.len();
        let count = take_up_to(bytes, bytes.len())?;
        let mut list = Vec::with_capacity(count);
        let mut counts = vec![vec![0u32; count]; columns];
        for (column, info) in footer.columns.iter().enumerate() {
            if info.role == Role::Index {
                counts[column].fill(1);
            }
        }
        for at in 0..count {
            list.push(Shape::read(bytes, at, &mut counts)?);
        }
        let mut signatures: Vec<Vec<u32>> = Vec::new();
        let mut of_column = Vec::with_capacity(columns);
        let mut known = hashbrown::HashMap::new();
        for counts in counts {
            let id = *known.entry(counts.clone()).or_insert_with(|| {
                signatures.push(counts);
                signatures.len() as u32 - 1
            });
            of_column.push(id);
        }
        Some(Self { list, signatures, of_column })
    }

    /// How many values each shape has in a column.
    pub(crate) fn counts(&self, column: u32) -> &[u32] {
        &self.signatures[self.of_column[column as usize] as usize]
    }
}

impl Core {
    /// Takes an object whose footer was read.
    pub(crate) fn open(
        id: SplitId,
        object: Arc<dyn ObjectBytes>,
        footer: Footer,
        cache: Arc<ChunkCache>,
    ) -> Result<Self, ReadError> {
        let number = cache.reader();
        let mut core = Self {
            shapes: Shapes { list: Vec::new(), signatures: Vec::new(), of_column: Vec::new() },
            id,
            object,
            footer,
            cache,
            number,
            checked: Box::default(),
        };
        let flags = |g: &GroupInfo| (0..=g.chunks.len()).map(|_| AtomicBool::new(false)).collect();
        core.checked = core.footer.groups.iter().map(flags).collect();
        let shapes = core.packed("shapes", &core.footer.shapes)?;
        core.shapes = Shapes::read(&shapes, &core.footer)
            .ok_or_else(|| core.bad_at("shapes", &core.footer.shapes))?;
        Ok(core)
    }

    pub(crate) fn bad(&self, reason: impl std::fmt::Display) -> ReadError {
        damaged(&self.id, reason.to_string())
    }

    pub(crate) fn bad_at(&self, what: &str, place: &Place) -> ReadError {
        self.bad(format!("{what} at byte {}: malformed", place.offset))
    }

    /// The checked bytes of a part.
    pub(crate) fn bytes(&self, what: &str, place: &Place) -> Result<Bytes, ReadError> {
        if place.bytes == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.object.read(place.range())?;
        if crc32c::crc32c(&bytes) != place.crc32c {
            return Err(self.bad(format!("{what} at byte {}: checksum differs", place.offset)));
        }
        Ok(bytes)
    }

    /// The bytes of a part of a group that is asked for often: they are checked once.
    fn bytes_once(
        &self,
        (group, flag): (u32, usize),
        what: &str,
        place: &Place,
    ) -> Result<Bytes, ReadError> {
        let checked = self.checked.get(group as usize).and_then(|flags| flags.get(flag));
        match checked {
            Some(checked) if checked.load(Relaxed) && place.bytes > 0 => {
                self.object.read(place.range())
            }
            checked => {
                let bytes = self.bytes(what, place)?;
                checked.into_iter().for_each(|checked| checked.store(true, Relaxed));
                Ok(bytes)
            }
        }
    }

    /// The filter of a group.
    pub(crate) fn filter(&self, group: u32) -> Result<Bytes, ReadError> {
        self.bytes_once((group, 0), "filter", &self.group(group)?.filter)
    }

    /// The bytes of a column in a group; `None` when it has none there. Those of an object that is
    /// fetched are checked whenever they come: they may have come anew.
    fn chunk(&self, column: u32, group: u32) -> Result<Option<(Place, Bytes)>, ReadError> {
        let chunks = &self.group(group)?.chunks;
        let Ok(at) = chunks.binary_search_by_key(&column, |c| c.0) else { return Ok(None) };
        let place = chunks[at].1;
        let what = format!("column {column} of group {group}");
        let bytes = match self.object.is_fetched() {
            true => self.bytes(&what, &place)?,
            false => self.bytes_once((group, 1 + at), &what, &place)?,
        };
        Ok(Some((place, bytes)))
    }

    /// The content of a compressed part.
    pub(crate) fn packed(&self, what: &str, place: &Place) -> Result<Vec<u8>, ReadError> {
        let bytes = self.bytes(what, place)?;
        let mut rest = &bytes[..];
        let raw = take_up_to(&mut rest, FRAME_BYTES_MAX * 4);
        let out = raw.and_then(|raw| unpack(rest, raw));
        out.ok_or_else(|| self.bad_at(what, place))
    }

    pub(crate) fn group(&self, group: u32) -> Result<&GroupInfo, ReadError> {
        let info = self.footer.groups.get(group as usize);
        info.ok_or_else(|| self.bad(format!("there is no group {group}")))
    }

    pub(crate) fn column(&self, column: u32) -> &ColumnInfo {
        &self.footer.columns[column as usize]
    }

    fn part(
        &self,
        part: Part,
        decode: impl FnOnce() -> Result<Decoded, ReadError>,
    ) -> Result<Decoded, ReadError> {
        self.cache.get(self.number, part, decode)
    }

    /// The times of a group.
    pub(crate) fn times(&self, group: u32) -> Result<Arc<Vec<i64>>, ReadError> {
        let found = self.part(Part::Times(group), || {
            let info = self.group(group)?;
            self.deltas("times", &info.times, info.time.0, info.rows)
        })?;
        self.as_ints(found)
    }

    /// The record numbers of a group.
    pub(crate) fn seqs(&self, group: u32) -> Result<Arc<Vec<i64>>, ReadError> {
        let found = self.part(Part::Seqs(group), || {
            let info = self.group(group)?;
            self.deltas("record numbers", &info.seqs, info.first_seq as i64, info.rows)
        })?;
        self.as_ints(found)
    }

    fn as_ints(&self, found: Decoded) -> Result<Arc<Vec<i64>>, ReadError> {
        match found {
            Decoded::Ints(list) => Ok(list),
            _ => Err(self.bad("a cached part is of another kind")),
        }
    }

    fn deltas(
        &self,
        what: &str,
        place: &Place,
        first: i64,
        rows: u32,
    ) -> Result<Decoded, ReadError> {
        let bytes = self.bytes(what, place)?;
        let list = take_ints(&mut &bytes[..], rows as usize).filter(|l| l.len() == rows as usize);
        let mut list = list.ok_or_else(|| self.bad_at(what, place))?;
        let mut sum = first;
        for value in &mut list {
            sum = sum.wrapping_add(*value);
            *value = sum;
        }
        Ok(Decoded::Ints(Arc::new(list)))
    }

    /// The shape of each row of a group.
    pub(crate) fn row_shapes(&self, group: u32) -> Result<Arc<Ords>, ReadError> {
        let found = self.part(Part::Shapes(group), || {
            let info = self.group(group)?;
            let bytes = self.bytes("shapes", &info.shapes)?;
            let limit = self.shapes.list.len() as u64;
            let list = take_ords(&mut &bytes[..], info.rows as usize, limit);
            let list = list.filter(|l| l.len() == info.rows as usize);
            Ok(Decoded::Ords(Arc::new(list.ok_or_else(|| self.bad_at("shapes", &info.shapes))?)))
        })?;
        match found {
            Decoded::Ords(list) => Ok(list),
            _ => Err(self.bad("a cached part is of another kind")),
        }
    }

    /// Where the values of a group's rows lie; `None` when each row has one.
    pub(crate) fn positions(
        &self,
        column: u32,
        group: u32,
    ) -> Result<Option<Arc<Positions>>, ReadError> {
        if self.is_full(column) {
            return Ok(None);
        }
        let counts = self.shapes.counts(column);
        let signature = self.shapes.of_column[column as usize];
        let found = self.part(Part::Positions(signature, group), || {
            let shapes = self.row_shapes(group)?;
            Ok(Decoded::Positions(Arc::new(Positions::of(&shapes, counts))))
        })?;
        match found {
            Decoded::Positions(positions) => Ok(Some(positions)),
            _ => Err(self.bad("a cached part is of another kind")),
        }
    }

    /// Whether each row has one value of the column.
    pub(crate) fn is_full(&self, column: u32) -> bool {
        self.shapes.counts(column).iter().all(|count| *count == 1)
    }

    /// How many values of the column a group has.
    pub(crate) fn value_count(&self, column: u32, group: u32) -> Result<usize, ReadError> {
        Ok(match self.positions(column, group)? {
            None => self.group(group)?.rows as usize,
            Some(positions) => positions.count(),
        })
    }

    fn place(&self, column: u32, group: u32) -> Result<Option<Place>, ReadError> {
        let chunks = &self.group(group)?.chunks;
        let found = chunks.binary_search_by_key(&column, |c| c.0);
        Ok(found.ok().map(|at| chunks[at].1))
    }

    /// The places that reading a column in a group needs.
    pub(crate) fn places(&self, column: u32, group: u32, out: &mut Vec<Place>) {
        let Ok(info) = self.group(group) else { return };
        let read = self.column(column).leader.unwrap_or(column);
        if let Ok(Some(place)) = self.place(read, group) {
            out.push(place);
        }
        if self.shapes.counts(column).iter().any(|count| *count != 1) {
            out.push(info.shapes);
        }
    }

    /// The values of a column in a group.
    pub(crate) fn values(&self, column: u32, group: u32) -> Result<Decoded, ReadError> {
        self.part(Part::Values(column, group), || self.decode(column, group))
    }

    fn decode(&self, column: u32, group: u32) -> Result<Decoded, ReadError> {
        let info = self.column(column);
        let count = self.value_count(column, group)?;
        if info.encoding == Encoding::Derived {
            return self.follow(column, group);
        }
        if info.encoding == Encoding::Dict && info.terms <= 1 {
            return Ok(Decoded::Ords(Arc::new(Ords::Narrow(vec![0; count]))));
        }
        let Some((place, bytes)) = self.chunk(column, group)? else {
            return match count {
                0 => Ok(empty(info)),
                _ => Err(self.bad(format!("column {column} of group {group} is missing"))),
            };
        };
        let rest = &mut &bytes[..];
        let fits = |len: usize| (len == count).then_some(());
        let decoded = match info.encoding {
            Encoding::Int => take_ints(rest, count)
                .and_then(|l| fits(l.len()).map(|()| Decoded::Ints(Arc::new(l)))),
            Encoding::Float => take_ints(rest, count).and_then(|l| {
                fits(l.len())?;
                let floats = l.into_iter().map(|bits| f64::from_bits(bits as u64));
                Some(Decoded::Floats(Arc::new(floats.collect())))
            }),
            Encoding::Bool => take_ords(rest, count, 2).and_then(|l| {
                fits(l.len())?;
                let bools = (0..l.len()).map(|at| l.get(at) == 1);
                Some(Decoded::Bools(Arc::new(bools.collect())))
            }),
            Encoding::Dict | Encoding::Derived => take_ords(rest, count, u64::from(info.terms))
                .and_then(|l| fits(l.len()).map(|()| Decoded::Ords(Arc::new(l)))),
            Encoding::Text => TextChunk::open(&bytes, count, info.terms as usize)
                .and_then(|l| fits(l.ids().len()).map(|()| Decoded::Text(Arc::new(l)))),
            Encoding::Hex => {
                let width = info.terms as usize / 2;
                let fits = width > 0 && bytes.len() == width * count;
                fits.then(|| Decoded::Hex(bytes.clone(), width))
            }
        };
        decoded.ok_or_else(|| self.bad_at(&format!("column {column} of group {group}"), &place))
    }

    /// One number or ordinal of a column in a group, without decoding the others; `None` for
    /// columns of texts.
    pub(crate) fn number_at(
        &self,
        column: u32,
        group: u32,
        at: usize,
    ) -> Result<Option<Scalar>, ReadError> {
        let info = self.column(column);
        let lacking = || self.bad(format!("column {column} of group {group} lacks value {at}"));
        if let Some(found) = self.cache.peek(self.number, Part::Values(column, group)) {
            return found.one(at).ok_or_else(lacking).map(Some);
        }
        match info.encoding {
            Encoding::Text | Encoding::Hex => return Ok(None),
            Encoding::Derived => {
                let leader = info.leader.unwrap_or_default();
                let lead = self.number_at(leader, group, at)?;
                let Some(Scalar::Ord(lead)) = lead else { return Err(lacking()) };
                let ord = self.derivation(column)?.get(lead as usize).copied();
                let ord = ord.filter(|ord| *ord != u32::MAX).unwrap_or(0);
                return Ok(Some(Scalar::Ord(ord)));
            }
            Encoding::Dict if info.terms <= 1 => return Ok(Some(Scalar::Ord(0))),
            _ => {}
        }
        let (_, bytes) = self.chunk(column, group)?.ok_or_else(lacking)?;
        let value = take_value(&bytes, at).ok_or_else(lacking)?;
        let found = match info.encoding {
            Encoding::Int => Some(Scalar::Int(value)),
            Encoding::Float => Some(Scalar::Float(f64::from_bits(value as u64))),
            Encoding::Bool => (0..2).contains(&value).then_some(Scalar::Bool(value == 1)),
            _ => u32::try_from(value).ok().filter(|ord| *ord < info.terms).map(Scalar::Ord),
        };
        found.ok_or_else(lacking).map(Some)
    }

    /// Where the values of one row of a group begin, without sorting out those of the others.
    pub(crate) fn first_value(
        &self,
        column: u32,
        group: u32,
        row: u32,
    ) -> Result<usize, ReadError> {
        if self.is_full(column) {
            return Ok(row as usize);
        }
        let counts = self.shapes.counts(column);
        let signature = self.shapes.of_column[column as usize];
        let found = self.cache.peek(self.number, Part::Positions(signature, group));
        if let Some(Decoded::Positions(positions)) = found {
            return Ok(positions.before(row));
        }
        Ok(self.row_shapes(group)?.sum_before(row as usize, counts))
    }

    /// Half of a frame of texts.
    pub(crate) fn half(
        &self,
        (column, group): (u32, u32),
        at: usize,
        open: impl FnOnce() -> Option<Frame>,
    ) -> Option<Arc<Frame>> {
        let found = self.part(Part::Frame(column, group, at as u32), || {
            let frame = open().ok_or_else(|| self.bad("a frame of texts is malformed"))?;
            Ok(Decoded::Frame(Arc::new(frame)))
        });
        match found {
            Ok(Decoded::Frame(frame)) => Some(frame),
            _ => None,
        }
    }

    /// Texts by template.
    pub(crate) fn text_order(&self, (column, group): (u32, u32), chunk: &TextChunk) -> Arc<Order> {
        let found =
            self.part(Part::Order(column, group), || Ok(Decoded::Order(Arc::new(chunk.order()))));
        match found {
            Ok(Decoded::Order(order)) => order,
            _ => Arc::new(chunk.order()),
        }
    }

    /// A derived column's ordinal for each of its leader's; `u32::MAX` where there is none.
    pub(crate) fn derivation(&self, column: u32) -> Result<Vec<u32>, ReadError> {
        let info = self.column(column);
        let terms = info.leader.map_or(0, |leader| self.column(leader).terms) as usize;
        let place = info.dictionary.unwrap_or_default();
        let bytes = self.packed("dictionary", &place)?;
        let map = bytes.len().checked_sub(terms * 4).map(|from| &bytes[from..]);
        let map = map.ok_or_else(|| self.bad_at("dictionary", &place))?;
        let map: Vec<u32> =
            map.as_chunks::<4>().0.iter().map(|ord| u32::from_le_bytes(*ord)).collect();
        if map.iter().any(|ord| *ord >= info.terms && *ord != u32::MAX) {
            return Err(self.bad_at("dictionary", &place));
        }
        Ok(map)
    }

    /// The ordinals of a derived column, from those of its leader.
    fn follow(&self, column: u32, group: u32) -> Result<Decoded, ReadError> {
        let info = self.column(column);
        let Decoded::Ords(leads) = self.values(info.leader.unwrap_or_default(), group)? else {
            return Err(self.bad("a derived column follows no dictionary"));
        };
        let map = self.derivation(column)?;
        let of = |at: usize| match map.get(leads.get(at) as usize) {
            Some(&u32::MAX) | None => 0,
            Some(ord) => *ord,
        };
        let count = leads.len();
        Ok(Decoded::Ords(Arc::new(match info.terms {
            0..=256 => Ords::Narrow((0..count).map(|at| of(at) as u8).collect()),
            257..=65536 => Ords::Middle((0..count).map(|at| of(at) as u16).collect()),
            _ => Ords::Wide((0..count).map(of).collect()),
        })))
    }

    /// The dictionary of a column.
    pub(crate) fn dictionary(&self, column: u32) -> Result<Arc<Dictionary>, ReadError> {
        let found = self.part(Part::Dictionary(column), || {
            let info = self.column(column);
            let place = info.dictionary.unwrap_or_default();
            let bytes = self.packed("dictionary", &place)?;
            let read = Dictionary::read(&mut &bytes[..], info.terms as usize)
                .filter(|d| d.len() == info.terms as usize);
            let read = read.ok_or_else(|| self.bad_at("dictionary", &place))?;
            Ok(Decoded::Dictionary(Arc::new(read)))
        })?;
        match found {
            Decoded::Dictionary(dictionary) => Ok(dictionary),
            _ => Err(self.bad("a cached part is of another kind")),
        }
    }

    /// The templates of a column.
    pub(crate) fn templates(&self, column: u32) -> Result<Arc<Templates>, ReadError> {
        let found = self.part(Part::Templates(column), || {
            let info = self.column(column);
            if info.encoding == Encoding::Hex {
                return Ok(Decoded::Templates(Arc::new(Templates::one_slot(info.values))));
            }
            let place = info.dictionary.unwrap_or_default();
            let bytes = self.packed("templates", &place)?;
            let read = Templates::read(&mut &bytes[..], info.terms as usize)
                .filter(|t| t.len() == info.terms as usize);
            let read = read.ok_or_else(|| self.bad_at("templates", &place))?;
            Ok(Decoded::Templates(Arc::new(read)))
        })?;
        match found {
            Decoded::Templates(templates) => Ok(templates),
            _ => Err(self.bad("a cached part is of another kind")),
        }
    }

    /// The first row of each minute: minute since 1970, row.
    pub(crate) fn minutes(&self) -> Result<Vec<(i64, u32)>, ReadError> {
        let place = self.footer.minutes;
        let bytes = self.bytes("minutes", &place)?;
        let read = || {
            let rest = &mut &bytes[..];
            let count = take_up_to(rest, rest.len())?;
            let mut out = Vec::with_capacity(count);
            let (mut minute, mut row) = (0i64, 0u32);
            for _ in 0..count {
                minute = minute.checked_add(crate::split::codec::unzigzag(take_number(rest)?))?;
                row = row.checked_add(u32::try_from(take_number(rest)?).ok()?)?;
                out.push((minute, row));
            }
            Some(out)
        };
        read().ok_or_else(|| self.bad_at("minutes", &place))
    }

    /// How many groups there are.
    pub(crate) fn groups(&self) -> u32 {
        self.footer.groups.len() as u32
    }

    /// The group of a row, and the row in it.
    pub(crate) fn place_of(&self, row: u32) -> (u32, u32) {
        let each = self.footer.group_rows.max(1);
        (row / each, row % each)
    }

    /// The rows of a group.
    pub(crate) fn rows_of(&self, group: u32) -> std::ops::Range<u32> {
        let from = group * self.footer.group_rows;
        from..from + self.footer.groups.get(group as usize).map_or(0, |g| g.rows)
    }
}

fn empty(info: &ColumnInfo) -> Decoded {
    match info.encoding {
        Encoding::Int => Decoded::Ints(Arc::default()),
        Encoding::Float => Decoded::Floats(Arc::default()),
        Encoding::Bool => Decoded::Bools(Arc::default()),
        Encoding::Dict | Encoding::Derived => Decoded::Ords(Arc::new(Ords::Narrow(Vec::new()))),
        Encoding::Hex | Encoding::Text => Decoded::Hex(Bytes::new(), 1),
    }
}
