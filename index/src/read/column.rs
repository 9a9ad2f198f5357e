//! What values does a field have in a split? Numbers, dictionaries and texts, read in groups of
//! rows.
//!
//! A field has one column for each type that its values have. Knows no queries.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::chunks::Decoded;
use super::core::Core;
pub use super::dictionary::{Dictionary, Templates};
use super::positions::Positions;
use super::{ReadError, RowSet};
use crate::split::Encoding;
use crate::split::codec::Ords;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// Whole numbers.
    Int,
    /// Other numbers.
    Float,
    /// Booleans.
    Bool,
    /// Strings with a sorted dictionary; a value is an ordinal of it.
    Dict,
    /// Strings without a dictionary: templates and what stands in their slots.
    Text,
}

/// One column of a split.
#[derive(Clone, Debug)]
pub struct Column {
    pub(super) core: Arc<Core>,
    pub(super) number: u32,
}

/// Buffers of the readers of values: pairs of row and value, rising by row.
#[derive(Debug, Default)]
pub struct Values<T> {
    /// The row of each value.
    pub rows: Vec<u32>,
    /// The values.
    pub values: Vec<T>,
}

impl<T> Values<T> {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.values.clear();
    }
}

/// Where the values of a group's rows lie.
pub(super) enum Places {
    /// Row n has value n.
    Full,
    /// As the positions say.
    Some(Arc<Positions>),
}

impl Places {
    /// The values of a row, counted from the group's first.
    pub(super) fn of(&self, row: u32) -> Range<usize> {
        match self {
            Places::Full => row as usize..row as usize + 1,
            Places::Some(positions) => positions.of_row(row),
        }
    }

    /// The row of a value.
    pub(super) fn row(&self, value: u32) -> u32 {
        match self {
            Places::Full => value,
            Places::Some(positions) => positions.row(value),
        }
    }

    /// Marks the rows of a group that begins with row `base` and has a value that passes.
    pub(super) fn mark(
        &self,
        (base, values): (u32, usize),
        passes: impl Fn(usize) -> bool,
        out: &mut RowSet,
    ) {
        match self {
            Places::Full => out.insert_where(base, values, passes),
            Places::Some(positions) => positions.mark(base, passes, out),
        }
    }
}

impl Column {
    /// What it holds.
    pub fn kind(&self) -> ColumnKind {
        match self.core.column(self.number).encoding {
            Encoding::Int => ColumnKind::Int,
            Encoding::Float => ColumnKind::Float,
            Encoding::Bool => ColumnKind::Bool,
            Encoding::Dict | Encoding::Derived => ColumnKind::Dict,
            Encoding::Text | Encoding::Hex => ColumnKind::Text,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> u64 {
        self.core.column(self.number).values
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every row has exactly one value.
    pub fn is_full(&self) -> bool {
        self.core.is_full(self.number)
    }

    /// Whether no row has more than one value.
    pub fn is_single(&self) -> bool {
        self.core.shapes.counts(self.number).iter().all(|count| *count <= 1)
    }

    fn places(&self, group: u32) -> Result<Places, ReadError> {
        Ok(match self.core.positions(self.number, group)? {
            None => Places::Full,
            Some(positions) => Places::Some(positions),
        })
    }

    /// Calls `visit` for each group that has rows of the set, with its number and rows.
    fn for_each_group(
        &self,
        within: &RowSet,
        mut visit: impl FnMut(u32, Range<u32>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        for group in 0..self.core.groups() {
            let rows = self.core.rows_of(group);
            if within.any_in(rows.clone()) {
                visit(group, rows)?;
            }
        }
        Ok(())
    }

    /// The rows of `within` that have a value.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_with_value(&self, within: &RowSet) -> Result<RowSet, ReadError> {
        if self.is_full() {
            return Ok(within.clone());
        }
        let mut out = RowSet::none(within.docs());
        self.for_each_group(within, |group, rows| {
            let places = self.places(group)?;
            for row in within.iter_in(rows.clone()) {
                if !places.of(row - rows.start).is_empty() {
                    out.insert(row);
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Calls `visit` with row and value number of each value of rising rows, group by group;
    /// `open` gives what `visit` needs of a group.
    fn read<D, T>(
        &self,
        rows: &[u32],
        out: &mut Values<T>,
        open: impl Fn(u32) -> Result<D, ReadError>,
        get: impl Fn(&D, usize) -> T,
    ) -> Result<(), ReadError> {
        let mut rows = rows;
        while let Some(first) = rows.first() {
            let (group, _) = self.core.place_of(*first);
            let Range { start: base, end } = self.core.rows_of(group);
            let count = rows.partition_point(|row| *row < end);
            if count == 0 {
                return Err(self.core.bad(format!("there is no row {first}")));
            }
            let data = open(group)?;
            out.rows.reserve(count);
            out.values.reserve(count);
            match self.places(group)? {
                Places::Full => {
                    out.rows.extend_from_slice(&rows[..count]);
                    let values = rows[..count].iter().map(|row| get(&data, (row - base) as usize));
                    out.values.extend(values);
                }
                places @ Places::Some(_) => {
                    for row in &rows[..count] {
                        for value in places.of(row - base) {
                            out.rows.push(*row);
                            out.values.push(get(&data, value));
                        }
                    }
                }
            }
            rows = &rows[count..];
        }
        Ok(())
    }

    fn other_kind(&self) -> ReadError {
        let info = self.core.column(self.number);
        self.core.bad(format!("column `{}` is of another kind: {:?}", info.path, info.encoding))
    }

    /// Reads the whole numbers of rising rows (kind `Int`), appending to `out`.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn ints(&self, rows: &[u32], out: &mut Values<i64>) -> Result<(), ReadError> {
        let open = |group| match self.core.values(self.number, group)? {
            Decoded::Ints(list) => Ok(list),
            _ => Err(self.other_kind()),
        };
        self.read(rows, out, open, |list, at| list[at])
    }

    /// Reads the numbers of rising rows (kind `Float`), appending to `out`.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn floats(&self, rows: &[u32], out: &mut Values<f64>) -> Result<(), ReadError> {
        let open = |group| match self.core.values(self.number, group)? {
            Decoded::Floats(list) => Ok(list),
            _ => Err(self.other_kind()),
        };
        self.read(rows, out, open, |list, at| list[at])
    }

    /// Reads the booleans of rising rows (kind `Bool`), appending to `out`.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn bools(&self, rows: &[u32], out: &mut Values<bool>) -> Result<(), ReadError> {
        let open = |group| match self.core.values(self.number, group)? {
            Decoded::Bools(list) => Ok(list),
            _ => Err(self.other_kind()),
        };
        self.read(rows, out, open, |list, at| list[at])
    }

    fn group_ords(&self, group: u32) -> Result<Arc<Ords>, ReadError> {
        match self.core.values(self.number, group)? {
            Decoded::Ords(list) => Ok(list),
            _ => Err(self.other_kind()),
        }
    }

    /// Reads the ordinals of rising rows (kind `Dict`), appending to `out`.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn ords(&self, rows: &[u32], out: &mut Values<u32>) -> Result<(), ReadError> {
        self.read(rows, out, |group| self.group_ords(group), |list, at| list.get(at))
    }

    /// The rows of `within` with a whole number in the range (kind `Int`); groups whose least and
    /// greatest value lie outside are not read.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_in_int_range(
        &self,
        range: RangeInclusive<i64>,
        within: &RowSet,
    ) -> Result<RowSet, ReadError> {
        let mut out = RowSet::none(within.docs());
        self.for_each_group(within, |group, rows| {
            let ranges = &self.core.group(group)?.ranges;
            let known = ranges.iter().find(|r| r.0 == self.number);
            let Some((_, least, most)) = known else { return Ok(()) };
            if most < range.start() || range.end() < least {
                return Ok(());
            }
            let Decoded::Ints(list) = self.core.values(self.number, group)? else {
                return Err(self.other_kind());
            };
            let places = self.places(group)?;
            places.mark((rows.start, list.len()), |at| range.contains(&list[at]), &mut out);
            Ok(())
        })?;
        out.and(within);
        Ok(out)
    }
}

impl Column {
    /// The rows of `within` with an ordinal that is marked in `wanted`, which is as long as the
    /// dictionary (kind `Dict`).
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn rows_with_ords(&self, wanted: &[bool], within: &RowSet) -> Result<RowSet, ReadError> {
        let mut out = RowSet::none(within.docs());
        if !wanted.contains(&true) {
            return Ok(out);
        }
        if !wanted.contains(&false) {
            return self.rows_with_value(within);
        }
        self.for_each_group(within, |group, rows| {
            let list = self.group_ords(group)?;
            let places = self.places(group)?;
            match &*list {
                // A lookup without a check of bounds in the hot loop.
                Ords::Narrow(list) => {
                    let mut table = [false; 256];
                    let known = wanted.len().min(256);
                    table[..known].copy_from_slice(&wanted[..known]);
                    let passes = |at: usize| table[usize::from(list[at])];
                    places.mark((rows.start, list.len()), passes, &mut out);
                }
                list => {
                    let passes = |at| wanted.get(list.get(at) as usize).copied().unwrap_or(false);
                    places.mark((rows.start, list.len()), passes, &mut out);
                }
            }
            Ok(())
        })?;
        out.and(within);
        Ok(out)
    }

    /// Adds 1 to `counts[ordinal]` for each value of the rows of a run (kind `Dict`); `counts` is
    /// as long as the dictionary.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn count_ords(&self, rows: Range<u32>, counts: &mut [u64]) -> Result<(), ReadError> {
        let mut from = rows.start;
        while from < rows.end {
            let (group, _) = self.core.place_of(from);
            let run = self.core.rows_of(group);
            let to = rows.end.min(run.end);
            if to <= from {
                break;
            }
            let list = self.group_ords(group)?;
            let places = self.places(group)?;
            let first = places.of(from - run.start).start;
            let last = places.of(to - 1 - run.start).end;
            list.count(first..last, counts);
            from = to;
        }
        Ok(())
    }

    /// The dictionary (kind `Dict`).
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn dictionary(&self) -> Result<Arc<Dictionary>, ReadError> {
        self.core.dictionary(self.number)
    }

    /// The templates (kind `Text`).
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn templates(&self) -> Result<Arc<Templates>, ReadError> {
        self.core.templates(self.number)
    }
}
