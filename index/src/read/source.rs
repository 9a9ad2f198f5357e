//! What were the very bytes of a document? A shape filled with the values of a row.

use std::collections::HashMap;
use std::sync::Arc;

use model::record::Value;
use model::time::Timestamp;

use super::ReadError;
use super::chunks::{Decoded, Scalar};
use super::column::{ColumnKind, Dictionary, Places};
use super::core::Shape;
use super::reader::SplitReader;
use super::text::GroupTexts;
use crate::split::shape::{LITERAL, Part, push_time, push_value};

/// Of so many rows of a group the values are read one by one, without decoding those of the others.
const FEW_ROWS: usize = 4;

/// The columns of a group that were opened.
struct GroupValues<'a> {
    reader: &'a SplitReader,
    group: u32,
    few: bool,
    columns: HashMap<u32, OpenColumn>,
    text: Vec<u8>,
}

struct OpenColumn {
    /// Not of few rows.
    places: Option<Places>,
    /// Not of few rows, and not of texts.
    values: Option<Decoded>,
    dictionary: Option<Arc<Dictionary>>,
    texts: Option<GroupTexts>,
}

impl SplitReader {
    /// The very bytes of the documents in `rows`, which come in any order.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn sources(&self, rows: &[u32]) -> Result<Vec<String>, ReadError> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|at| rows[*at]);
        let mut out = vec![String::new(); rows.len()];
        let group_of = |at: usize| self.core().place_of(rows[at]).0;
        for of_group in order.chunk_by(|a, b| group_of(*a) == group_of(*b)) {
            let mut values = GroupValues {
                reader: self,
                group: group_of(of_group[0]),
                few: of_group.len() <= FEW_ROWS,
                columns: HashMap::new(),
                text: Vec::new(),
            };
            for at in of_group {
                out[*at] = values.source(rows[*at])?;
            }
        }
        Ok(out)
    }
}

impl GroupValues<'_> {
    fn source(&mut self, row: u32) -> Result<String, ReadError> {
        let core = self.reader.core();
        let shapes = core.row_shapes(self.group)?;
        let (_, in_group) = core.place_of(row);
        if in_group as usize >= shapes.len() {
            return Err(core.bad(format!("there is no row {row}")));
        }
        let shape: &Shape = &core.shapes.list[shapes.get(in_group as usize) as usize];
        let at = self.reader.timestamp(row)?;
        // The first column is that of the client's `_id`, where there is one.
        let values: usize = shape.parts.iter().map(Part::columns).sum();
        let mut columns = shape.columns[shape.columns.len() - values..].iter();
        let mut out = String::with_capacity(512);
        let mut next = || columns.next().copied().ok_or_else(|| core.bad("a shape lacks columns"));
        for part in &shape.parts {
            match part {
                Part::Plain(text) => out.push_str(text),
                Part::Time(form) => push_time(*form, Timestamp(at.0), &mut out),
                Part::Value(LITERAL) => {
                    next()?;
                    let place = next()?;
                    self.push(place, in_group, &mut out, true)?;
                }
                Part::Value(_) => {
                    let place = next()?;
                    self.push(place, in_group, &mut out, false)?;
                }
            }
        }
        Ok(out)
    }

    fn push(
        &mut self,
        (column, place): (u32, u32),
        row: u32,
        out: &mut String,
        plain: bool,
    ) -> Result<(), ReadError> {
        if !self.columns.contains_key(&column) {
            let open = self.open(column)?;
            self.columns.insert(column, open);
        }
        let core = self.reader.core();
        let lacking = || core.bad(format!("column {column} lacks a value of row {row}"));
        let open = self.columns.get(&column).ok_or_else(lacking)?;
        let first = match &open.places {
            Some(places) => places.of(row).start,
            None => core.first_value(column, self.group, row)?,
        };
        let at = first + place as usize;
        let value = match (&open.texts, &open.values) {
            (Some(texts), _) => Value::Str(texts.text(at, &mut self.text)?),
            (None, values) => {
                let found = match values {
                    Some(values) => values.one(at),
                    None => core.number_at(column, self.group, at)?,
                };
                match found.ok_or_else(lacking)? {
                    Scalar::Int(v) => Value::Int(v),
                    Scalar::Float(v) => Value::Float(v),
                    Scalar::Bool(v) => Value::Bool(v),
                    Scalar::Ord(ord) => {
                        Value::Str(open.dictionary.as_ref().ok_or_else(lacking)?.get(ord))
                    }
                }
            }
        };
        match value {
            Value::Str(text) if plain => out.push_str(text),
            value => push_value(value, out),
        }
        Ok(())
    }

    fn open(&self, number: u32) -> Result<OpenColumn, ReadError> {
        let core = self.reader.core();
        let column = self.reader.column(number);
        let texts = match column.kind() {
            ColumnKind::Text => Some(column.group_texts(self.group)?),
            _ => None,
        };
        let dictionary = match column.kind() {
            ColumnKind::Dict => Some(core.dictionary(number)?),
            _ => None,
        };
        let places = match (self.few, core.is_full(number)) {
            (true, _) => None,
            (false, true) => Some(Places::Full),
            (false, false) => core.positions(number, self.group)?.map(Places::Some),
        };
        let values = match self.few || texts.is_some() {
            true => None,
            false => Some(core.values(number, self.group)?),
        };
        Ok(OpenColumn { places, values, dictionary, texts })
    }
}
