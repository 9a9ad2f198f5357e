//! What values of a field do these rows have? One form for columns, texts, live records and times.
//!
//! Strings are numbers ("ordinals") of the segment until somebody needs their text.

use std::collections::HashMap;
use std::sync::Arc;

use index::read::{Column, ColumnKind, Dictionary, RowSet, Values};
use model::record::{TIMESTAMP_FIELD, Value};
use model::time::Timestamp;

use super::cardinality::hash_text;
use super::keyed::RawKey;
use crate::leaf::scan::{Read, times_of};
use crate::leaf::{LeafError, LiveView, Run, SplitEval};
use crate::plan::Node;

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

    /// How many rows it has.
    pub fn docs(&self) -> u32 {
        match self {
            Segment::Split(eval) => eval.reader.docs(),
            Segment::Live(view, _) => view.batch.records().len() as u32,
        }
    }

    /// The number of a row's record.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn seq(&self, row: u32) -> Result<u64, LeafError> {
        Ok(match self {
            Segment::Split(eval) => eval.reader.seq(row)?.0,
            Segment::Live(view, _) => view.seq(row).0,
        })
    }

    /// The rows that match a query.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn passing(&self, node: &Node, rows: &RowSet) -> Result<RowSet, LeafError> {
        match self {
            Segment::Split(eval) => eval.rows(node, rows),
            Segment::Live(view, _) => {
                let node = view.prepare(node);
                let records = view.batch.records();
                let mut out = RowSet::none(rows.docs());
                let passes = |row: &u32| view.passes(&node, *row, &records[*row as usize]);
                rows.iter().filter(passes).for_each(|row| out.insert(row));
                Ok(out)
            }
        }
    }

    /// Appends the times of rising rows, nanoseconds.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn times(&self, rows: &[u32], out: &mut Vec<i64>) -> Result<(), LeafError> {
        match self {
            Segment::Split(eval) => times_of(eval.reader, rows, out)?,
            Segment::Live(view, _) => {
                let records = view.batch.records();
                out.extend(rows.iter().map(|row| records[*row as usize].timestamp.0));
            }
        }
        Ok(())
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

/// A column of strings with its dictionary.
#[derive(Clone)]
pub struct Dict {
    /// The ordinals of the rows.
    pub column: Arc<Column>,
    /// The strings.
    pub dictionary: Arc<Dictionary>,
}

#[derive(Clone)]
enum Part<'a> {
    Bool(Arc<Column>),
    Int(Arc<Column>),
    Float(Arc<Column>),
    Dict(Dict),
    Text(Arc<Column>),
    Live(LiveView<'a>, u32),
    LiveIndex(LiveView<'a>),
    Time,
}

/// The values of one field of a segment.
pub struct FieldValues<'a> {
    segment: Segment<'a>,
    parts: Vec<Part<'a>>,
    /// Strings that have no dictionary of their own get one here.
    strings: Interned<'a>,
    /// A set of rows, empty between calls.
    wanted: Option<RowSet>,
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
            ("_index", Segment::Live(view, _)) => parts.push(Part::LiveIndex(*view)),
            ("_index", Segment::Split(eval)) => parts.push(part(eval.reader.index_column()?)?),
            (_, Segment::Live(view, _)) => {
                parts.extend(view.resolve(path).map(|(id, _)| Part::Live(*view, id)));
            }
            (_, Segment::Split(eval)) => {
                if let Some((info, _)) = eval.resolve(path) {
                    for column in eval.reader.columns(&info.path)? {
                        parts.push(part(column)?);
                    }
                }
            }
        }
        let strings = Interned { run: segment.run(), seen: HashMap::new(), list: Vec::new() };
        Ok(Self { segment, parts, strings, wanted: None })
    }

    /// Whether the segment has no value of the field.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether these are the records' times.
    pub fn is_time(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Time])
    }

    /// The dictionary, when all values are strings of it.
    pub fn dict(&self) -> Option<&Dict> {
        match self.parts.as_slice() {
            [Part::Dict(dict)] => Some(dict),
            _ => None,
        }
    }

    /// The column, when all values are strings without a dictionary.
    pub fn text(&self) -> Option<&Arc<Column>> {
        match self.parts.as_slice() {
            [Part::Text(column)] => Some(column),
            _ => None,
        }
    }

    fn dictionary(&self) -> Option<&Dictionary> {
        self.parts.iter().find_map(|p| match p {
            Part::Dict(dict) => Some(&*dict.dictionary),
            _ => None,
        })
    }

    /// How many ordinals there are at most, when the strings have a dictionary.
    pub fn terms(&self) -> Option<usize> {
        self.dictionary().map(Dictionary::len)
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
            Part::Bool(column) => {
                read(column, Column::bools, rows, |r, v| out.push((r, Raw::Bool(v))))
            }
            Part::Int(column) => {
                read(column, Column::ints, rows, |r, v| out.push((r, Raw::Int(v))))
            }
            Part::Float(column) => {
                read(column, Column::floats, rows, |r, v| out.push((r, Raw::Float(v))))
            }
            Part::Dict(dict) => read(&dict.column, Column::ords, rows, |r, v| {
                out.push((r, Raw::Ord(u64::from(v))));
            }),
            Part::Text(column) => {
                let (strings, wanted) = (&mut self.strings, &mut self.wanted);
                each_text(column, (rows, wanted, &self.segment), |row, text| {
                    out.push((row, Raw::Ord(strings.ord(text)?)));
                    Ok(())
                })
            }
            Part::Live(view, path) => {
                for (row, value) in live_values(view, *path, rows) {
                    let raw = match value {
                        Value::Null => continue,
                        Value::Bool(v) => Raw::Bool(v),
                        Value::Int(v) => Raw::Int(v),
                        Value::Float(v) => Raw::Float(v),
                        Value::Str(text) => Raw::Ord(self.strings.ord(text)?),
                    };
                    out.push((row, raw));
                }
                Ok(())
            }
            Part::LiveIndex(view) => {
                for row in rows {
                    let record = &view.batch.records()[*row as usize];
                    let ord = self.strings.ord(view.batch.index_of(record).as_str())?;
                    out.push((*row, Raw::Ord(ord)));
                }
                Ok(())
            }
            Part::Time => {
                let mut times = Vec::with_capacity(rows.len());
                self.segment.times(rows, &mut times)?;
                out.extend(rows.iter().zip(times).map(|(row, ns)| (*row, Raw::Time(ns))));
                Ok(())
            }
        }
    }

    /// The numbers of rising, distinct rows, as [`Raw::number`] gives them.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn load_numbers(&mut self, rows: &[u32], out: &mut Values<f64>) -> Result<(), LeafError> {
        out.rows.clear();
        out.values.clear();
        let mut push = |row: u32, v: f64| {
            out.rows.push(row);
            out.values.push(v);
        };
        match self.parts.as_slice() {
            [Part::Dict(_) | Part::Text(_) | Part::LiveIndex(_)] => Ok(()),
            [Part::Int(column)] => read(column, Column::ints, rows, |r, v| push(r, v as f64)),
            [Part::Float(column)] => Ok(column.floats(rows, out)?),
            _ => {
                let mut all = Vec::new();
                // Strings are no numbers and need no ordinals.
                for at in 0..self.parts.len() {
                    if !self.parts[at].is_of_strings() {
                        self.load_part(at, rows, &mut all)?;
                    }
                }
                if self.parts.len() > 1 {
                    all.sort_by_key(|v| v.0);
                }
                all.iter()
                    .for_each(|(row, raw)| raw.number().into_iter().for_each(|v| push(*row, v)));
                Ok(())
            }
        }
    }

    /// Hashes of the values of rising, distinct rows, the same for the same value everywhere.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn load_hashes(
        &mut self,
        rows: &[u32],
        out: &mut Vec<(u32, u64)>,
    ) -> Result<(), LeafError> {
        out.clear();
        let mut raws = Vec::new();
        for at in 0..self.parts.len() {
            match &self.parts[at] {
                Part::Text(column) => {
                    each_text(column, (rows, &mut self.wanted, &self.segment), |row, text| {
                        out.push((row, hash_text(text)));
                        Ok(())
                    })?;
                }
                Part::Dict(dict) => read(&dict.column, Column::ords, rows, |row, ord| {
                    out.push((row, hash_text(dict.dictionary.get(ord))));
                })?,
                Part::Live(view, path) => {
                    for (row, value) in live_values(view, *path, rows) {
                        let raw = match value {
                            Value::Null => continue,
                            Value::Str(text) => {
                                out.push((row, hash_text(text)));
                                continue;
                            }
                            Value::Bool(v) => Raw::Bool(v),
                            Value::Int(v) => Raw::Int(v),
                            Value::Float(v) => Raw::Float(v),
                        };
                        out.extend(RawKey::from(raw).hash().map(|hash| (row, hash)));
                    }
                }
                Part::LiveIndex(view) => out.extend(rows.iter().map(|row| {
                    let record = &view.batch.records()[*row as usize];
                    (*row, hash_text(view.batch.index_of(record).as_str()))
                })),
                _ => {
                    raws.clear();
                    self.load_part(at, rows, &mut raws)?;
                    out.extend(
                        raws.iter()
                            .filter_map(|(row, raw)| Some((*row, RawKey::from(*raw).hash()?))),
                    );
                }
            }
        }
        if self.parts.len() > 1 {
            out.sort_by_key(|v| v.0);
        }
        Ok(())
    }

    /// Calls `visit` with the strings of rising, distinct rows, which get no ordinals.
    ///
    /// # Errors
    /// The split cannot be read, or `visit` failed.
    pub fn each_string(
        &mut self,
        rows: &[u32],
        visit: &mut dyn FnMut(u32, &str) -> Result<(), LeafError>,
    ) -> Result<(), LeafError> {
        for part in &self.parts {
            match part {
                Part::Text(column) => {
                    each_text(column, (rows, &mut self.wanted, &self.segment), &mut *visit)?;
                }
                Part::Dict(dict) => {
                    let mut values = Values::default();
                    dict.column.ords(rows, &mut values)?;
                    for (row, ord) in values.rows.iter().zip(&values.values) {
                        visit(*row, dict.dictionary.get(*ord))?;
                    }
                }
                Part::Live(view, path) => {
                    for (row, value) in live_values(view, *path, rows) {
                        if let Value::Str(text) = value {
                            visit(row, text)?;
                        }
                    }
                }
                Part::LiveIndex(view) => {
                    for row in rows {
                        let record = &view.batch.records()[*row as usize];
                        visit(*row, view.batch.index_of(record).as_str())?;
                    }
                }
                Part::Bool(_) | Part::Int(_) | Part::Float(_) | Part::Time => {}
            }
        }
        Ok(())
    }

    /// Calls `visit` with the text of each ordinal.
    pub fn texts(&self, ords: &[u64], mut visit: impl FnMut(u64, &str)) {
        match self.dictionary() {
            Some(dictionary) => {
                for ord in ords {
                    visit(*ord, dictionary.get(u32::try_from(*ord).unwrap_or(u32::MAX)));
                }
            }
            None => {
                for ord in ords {
                    if let Some(text) = self.strings.list.get(*ord as usize) {
                        visit(*ord, text);
                    }
                }
            }
        }
    }

    /// The ordinal range that a text lies in: its ordinal, or that of the next text, and whether
    /// it is there. Only for strings with a dictionary.
    pub fn place(&self, text: &str) -> Option<(u64, bool)> {
        Some(match self.dictionary()?.find(text) {
            Ok(ord) => (u64::from(ord), true),
            Err(next) => (u64::from(next), false),
        })
    }
}

impl Part<'_> {
    fn is_of_strings(&self) -> bool {
        matches!(self, Part::Dict(_) | Part::Text(_) | Part::LiveIndex(_))
    }
}

fn part<'a>(column: Arc<Column>) -> Result<Part<'a>, LeafError> {
    Ok(match column.kind() {
        ColumnKind::Bool => Part::Bool(column),
        ColumnKind::Int => Part::Int(column),
        ColumnKind::Float => Part::Float(column),
        ColumnKind::Text => Part::Text(column),
        ColumnKind::Dict => {
            let dictionary = column.dictionary()?;
            Part::Dict(Dict { column, dictionary })
        }
    })
}

/// Calls `visit` with the values of rising rows.
fn read<T: Copy + Default>(
    column: &Column,
    read: Read<T>,
    rows: &[u32],
    mut visit: impl FnMut(u32, T),
) -> Result<(), LeafError> {
    let mut values = Values::default();
    read(column, rows, &mut values)?;
    values.rows.iter().zip(&values.values).for_each(|(row, value)| visit(*row, *value));
    Ok(())
}

/// Calls `visit` with the texts of rising rows.
fn each_text(
    column: &Column,
    (rows, wanted, segment): (&[u32], &mut Option<RowSet>, &Segment<'_>),
    mut visit: impl FnMut(u32, &str) -> Result<(), LeafError>,
) -> Result<(), LeafError> {
    let Segment::Split(eval) = segment else { return Ok(()) };
    let wanted = wanted.get_or_insert_with(|| RowSet::none(eval.reader.docs()));
    rows.iter().for_each(|row| wanted.insert(*row));
    let mut failed = Ok(());
    let read = column.for_each_text(wanted, &mut |row, text| {
        failed = visit(row, text);
        failed.is_ok()
    });
    rows.iter().for_each(|row| wanted.remove(*row));
    read?;
    failed
}

fn live_values<'v>(
    view: &LiveView<'v>,
    path: u32,
    rows: &'v [u32],
) -> impl Iterator<Item = (u32, Value<'v>)> + use<'v> {
    let batch = view.batch;
    rows.iter().flat_map(move |row| {
        let record = &batch.records()[*row as usize];
        batch.values(record, path).map(move |value| (*row, value))
    })
}

/// Strings numbered as they come.
struct Interned<'a> {
    run: &'a Run,
    seen: HashMap<Arc<str>, u64>,
    list: Vec<Arc<str>>,
}

impl Interned<'_> {
    fn ord(&mut self, text: &str) -> Result<u64, LeafError> {
        if let Some(ord) = self.seen.get(text) {
            return Ok(*ord);
        }
        self.run.charge(text.len() + 80)?;
        let ord = self.list.len() as u64;
        let text: Arc<str> = text.into();
        self.list.push(text.clone());
        self.seen.insert(text, ord);
        Ok(ord)
    }
}
