//! What were the very bytes of a document? A shape filled with the values of a row.

use std::collections::HashMap;
use std::sync::Arc;

use model::record::Value;
use model::time::Timestamp;

use super::ReadError;
use super::chunks::Decoded;
use super::column::{Dictionary, Places};
use super::core::Shape;
use super::reader::SplitReader;
use super::text::GroupTexts;
use crate::split::shape::{LITERAL, Part, push_time, push_value};

/// The columns of a group that were opened.
struct GroupValues<'a> {
    reader: &'a SplitReader,
    group: u32,
    columns: HashMap<u32, OpenColumn>,
    text: Vec<u8>,
}

struct OpenColumn {
    places: Places,
    values: Decoded,
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
        let mut open: Option<GroupValues<'_>> = None;
        for at in order {
            let row = rows[at];
            let (group, _) = self.core().place_of(row);
            if open.as_ref().is_none_or(|o| o.group != group) {
                open = None;
            }
            let values = open.get_or_insert_with(|| GroupValues {
                reader: self,
                group,
                columns: HashMap::new(),
                text: Vec::new(),
            });
            out[at] = values.source(row)?;
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
        let at = open.places.of(row).start + place as usize;
        let value = match &open.values {
            Decoded::Ints(list) => Value::Int(*list.get(at).ok_or_else(lacking)?),
            Decoded::Floats(list) => Value::Float(*list.get(at).ok_or_else(lacking)?),
            Decoded::Bools(list) => Value::Bool(*list.get(at).ok_or_else(lacking)?),
            Decoded::Ords(list) if at < list.len() => {
                let dictionary = open.dictionary.as_ref().ok_or_else(lacking)?;
                Value::Str(dictionary.get(list.get(at)))
            }
            Decoded::Text(_) | Decoded::Hex(..) => {
                let texts = open.texts.as_ref().ok_or_else(lacking)?;
                Value::Str(texts.text(at, &mut self.text)?)
            }
            _ => return Err(lacking()),
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
        let places = match core.positions(number, self.group)? {
            None => Places::Full,
            Some(positions) => Places::Some(positions),
        };
        let values = core.values(number, self.group)?;
        let dictionary = match values {
            Decoded::Ords(_) => Some(core.dictionary(number)?),
            _ => None,
        };
        let texts = match values {
            Decoded::Text(_) | Decoded::Hex(..) => Some(column.group_texts(self.group)?),
            _ => None,
        };
        Ok(OpenColumn { places, values, dictionary, texts })
    }
}
