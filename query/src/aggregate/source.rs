//! What values of a field do these rows have? One form for columns, texts, live records and times.
//!
//! Strings are numbers ("ordinals") of the segment until somebody needs their text.

use std::collections::HashMap;

use index::read::RowSet;
use model::record::{TIMESTAMP_FIELD, Value};
use model::time::Timestamp;
use tantivy_columnar::{Column, DynamicColumn, StrColumn};

use crate::leaf::scan::{Buffers, OrdSet, terms_of, values_of};
use crate::leaf::{LeafError, LiveView, Run, SplitEval};

/// A split or live batch under one search.
#[derive(Clone, Copy)]
pub enum Segment<'a> {
    /// A split.
    Split(SplitEval<'a>),
    /// A live batch.
    Live(LiveView<'a>, &'a Run),
}

impl<'a> Segment<'a> {
    /// The search.
    pub fn run(&self) -> &'a Run {
        match self {
            Segment::Split(eval) => eval.run,
            Segment::Live(_, run) => run,
        }
    }

    /// The time of a row.
    pub fn timestamp(&self, row: u32) -> Timestamp {
        match self {
            Segment::Split(eval) => eval.reader.timestamp(row),
            Segment::Live(view, _) => view.batch.records()[row as usize].timestamp,
        }
    }
}

/// A value as the segment has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string, by its ordinal in the segment.
    Ord(u64),
    /// The record's time, nanoseconds.
    Time(i64),
}

impl Raw {
    /// The number that aggregations of numbers see: booleans as 0 and 1, times in milliseconds.
    pub fn number(self) -> Option<f64> {
        match self {
            Raw::Bool(v) => Some(f64::from(u8::from(v))),
            Raw::Int(v) => Some(v as f64),
            Raw::Float(v) => Some(v),
            Raw::Time(ns) => Some(Timestamp(ns).millis() as f64),
            Raw::Ord(_) => None,
        }
    }
}

enum Part<'a> {
    Bool(Column<bool>),
    Int(Column<i64>),
    Unsigned(Column<u64>),
    Float(Column<f64>),
    Str(StrColumn),
    Text(usize),
    Live(LiveView<'a>, u32),
    Time,
    Index,
}

/// The values of one field of a segment.
pub struct FieldValues<'a> {
    segment: Segment<'a>,
    path: String,
    parts: Vec<Part<'a>>,
    /// Strings that have no dictionary of their own get one here.
    seen: HashMap<Box<str>, u64>,
    strings: Vec<Box<str>>,
}

impl<'a> FieldValues<'a> {
    /// Opens a field; one that the segment has not gives no values.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn open(segment: Segment<'a>, path: &str) -> Result<Self, LeafError> {
        let mut parts = Vec::new();
        match (path, &segment) {
            (TIMESTAMP_FIELD, _) => parts.push(Part::Time),
            ("_index", _) => parts.push(Part::Index),
            (_, Segment::Live(view, _)) => {
                parts.extend(view.resolve(path).map(|(id, _)| Part::Live(*view, id)));
            }
            (_, Segment::Split(eval)) => {
                if let Some((info, _)) = eval.resolve(path) {
                    if info.text {
                        parts.extend(eval.text_position(&info.path).map(Part::Text));
                    }
                    for column in eval.reader.columns(&info.path)? {
                        parts.extend(part(column));
                    }
                }
            }
        }
        Ok(Self {
            segment,
            path: path.to_owned(),
            parts,
            seen: HashMap::new(),
            strings: Vec::new(),
        })
    }

    /// Whether the segment has no value of the field.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether these are the records' times.
    pub fn is_time(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Time])
    }

    /// How many ordinals there are at most, when the strings have a dictionary.
    pub fn terms(&self) -> Option<usize> {
        self.parts.iter().find_map(|p| match p {
            Part::Str(column) => Some(column.num_terms()),
            _ => None,
        })
    }

    /// The values of rising, distinct rows: pairs of row and value, rising by row.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn load(&mut self, rows: &[u32], out: &mut Vec<(u32, Raw)>) -> Result<(), LeafError> {
        out.clear();
        for at in 0..self.parts.len() {
            self.load_part(at, rows, out)?;
        }
        if self.parts.len() > 1 {
            out.sort_by_key(|v| v.0);
        }
        Ok(())
    }

    fn load_part(
        &mut self,
        at: usize,
        rows: &[u32],
        out: &mut Vec<(u32, Raw)>,
    ) -> Result<(), LeafError> {
        match &self.parts[at] {
            Part::Bool(column) => read(column, rows, out, Raw::Bool),
            Part::Int(column) => read(column, rows, out, Raw::Int),
            Part::Unsigned(column) => read(column, rows, out, |v| match i64::try_from(v) {
                Ok(v) => Raw::Int(v),
                Err(_) => Raw::Float(v as f64),
            }),
            Part::Float(column) => read(column, rows, out, Raw::Float),
            Part::Str(column) => read(column.ords(), rows, out, Raw::Ord),
            Part::Text(position) => {
                let position = *position;
                self.load_texts(position, rows, out)?;
            }
            Part::Live(view, path) => {
                let (view, path) = (*view, *path);
                for row in rows {
                    let record = &view.batch.records()[*row as usize];
                    for value in view.batch.values(record, path) {
                        let raw = match value {
                            Value::Null => continue,
                            Value::Bool(v) => Raw::Bool(v),
                            Value::Int(v) => Raw::Int(v),
                            Value::Float(v) => Raw::Float(v),
                            Value::Str(text) => Raw::Ord(self.intern(text)?),
                        };
                        out.push((*row, raw));
                    }
                }
            }
            Part::Time => {
                let segment = self.segment;
                out.extend(rows.iter().map(|row| (*row, Raw::Time(segment.timestamp(*row).0))));
            }
            Part::Index => self.load_indexes(rows, out)?,
        }
        Ok(())
    }

    fn load_indexes(&mut self, rows: &[u32], out: &mut Vec<(u32, Raw)>) -> Result<(), LeafError> {
        let segment = self.segment;
        for row in rows {
            let ord = match &segment {
                Segment::Split(eval) => {
                    let at = eval.reader.index_ord(*row) as usize;
                    self.intern(eval.reader.indexes()[at].as_str())?
                }
                Segment::Live(view, _) => {
                    let record = &view.batch.records()[*row as usize];
                    self.intern(view.batch.index_of(record).as_str())?
                }
            };
            out.push((*row, Raw::Ord(ord)));
        }
        Ok(())
    }

    fn load_texts(
        &mut self,
        position: usize,
        rows: &[u32],
        out: &mut Vec<(u32, Raw)>,
    ) -> Result<(), LeafError> {
        let Segment::Split(eval) = self.segment else { return Ok(()) };
        let mut wanted = RowSet::none(eval.reader.docs());
        rows.iter().for_each(|row| wanted.insert(*row));
        let mut failed = Ok(());
        eval.reader.for_each_text(position, &wanted, &mut |row, text| {
            match self.intern(text) {
                Ok(ord) => out.push((row, Raw::Ord(ord))),
                Err(error) => failed = Err(error),
            }
            failed.is_ok()
        })?;
        failed
    }

    fn intern(&mut self, text: &str) -> Result<u64, LeafError> {
        if let Some(ord) = self.seen.get(text) {
            return Ok(*ord);
        }
        self.segment.run().charge(2 * text.len() + 64)?;
        let ord = self.strings.len() as u64;
        self.strings.push(text.into());
        self.seen.insert(text.into(), ord);
        Ok(ord)
    }

    /// Calls `visit` with the text of each ordinal; `ords` are rising and distinct.
    ///
    /// # Errors
    /// The dictionary cannot be read.
    pub fn texts(&self, ords: &[u64], mut visit: impl FnMut(u64, &str)) -> Result<(), LeafError> {
        for part in &self.parts {
            if let Part::Str(column) = part {
                return terms_of(column, &self.path, ords, visit);
            }
        }
        for ord in ords {
            if let Some(text) = self.strings.get(*ord as usize) {
                visit(*ord, text);
            }
        }
        Ok(())
    }

    /// The ordinal range that a text lies in: its ordinal, or that of the next text, and whether
    /// it is there. Only for strings with a dictionary.
    ///
    /// # Errors
    /// The dictionary cannot be read.
    pub fn place(&self, text: &str) -> Result<Option<(u64, bool)>, LeafError> {
        use tantivy_columnar::TermOrdHit;
        for part in &self.parts {
            if let Part::Str(column) = part {
                let hit = column
                    .dictionary()
                    .term_ord_or_next(text)
                    .map_err(|source| LeafError::Column { path: self.path.clone(), source })?;
                return Ok(Some(match hit {
                    TermOrdHit::Exact(ord) => (ord, true),
                    TermOrdHit::Next(ord) => (ord, false),
                }));
            }
        }
        Ok(None)
    }

    /// A set that can hold the ordinals of a dictionary.
    pub fn ord_set(&self) -> Option<OrdSet> {
        self.terms().map(OrdSet::none)
    }
}

fn part<'a>(column: DynamicColumn) -> Option<Part<'a>> {
    match column {
        DynamicColumn::Bool(column) => Some(Part::Bool(column)),
        DynamicColumn::I64(column) => Some(Part::Int(column)),
        DynamicColumn::U64(column) => Some(Part::Unsigned(column)),
        DynamicColumn::F64(column) => Some(Part::Float(column)),
        DynamicColumn::Str(column) => Some(Part::Str(column)),
        DynamicColumn::IpAddr(_) | DynamicColumn::DateTime(_) | DynamicColumn::Bytes(_) => None,
    }
}

fn read<T>(column: &Column<T>, rows: &[u32], out: &mut Vec<(u32, Raw)>, raw: impl Fn(T) -> Raw)
where
    T: PartialOrd + Copy + std::fmt::Debug + Default + Send + Sync + 'static,
{
    let mut buffers = Buffers::default();
    values_of(column, rows, &mut buffers);
    out.extend(buffers.rows.iter().zip(&buffers.values).map(|(row, v)| (*row, raw(*v))));
}
