//! Which numbers have the rows of a block? Those of a field, with a stand-in for none, or what a
//! script makes of each.

use std::cell::Cell;

use index::read::Values;

use super::collect::{Block, distinct};
use super::source::{FieldValues, Raw, Segment};
use crate::leaf::LeafError;
use crate::request::Numbers;
use crate::script::{Env, Script, Value};

/// Numbers for blocks of rows, with their buffers.
pub struct BlockNumbers<'a> {
    field: Option<FieldValues<'a>>,
    script: Option<Scripted<'a>>,
    missing: Option<f64>,
    rows: Vec<u32>,
    numbers: Values<f64>,
    made: Values<f64>,
}

/// Where the numbers come from.
#[derive(Clone, Copy)]
pub struct From<'a> {
    /// The field; empty when a script alone gives the values.
    pub field: &'a str,
    /// Records without the field count as this.
    pub missing: Option<f64>,
    /// Makes a number of each value, or of each record when there is no field.
    pub script: Option<&'a Script>,
}

impl<'a> std::convert::From<&'a Numbers> for From<'a> {
    fn from(numbers: &'a Numbers) -> Self {
        let Numbers { field, missing, script } = numbers;
        Self { field, missing: *missing, script: script.as_ref() }
    }
}

impl<'a> BlockNumbers<'a> {
    /// Opens the fields.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn open(segment: Segment<'a>, from: From<'a>) -> Result<Self, LeafError> {
        let field = match from.field {
            "" => None,
            path => Some(FieldValues::open(segment, path)?),
        };
        let script = from.script.map(|script| Scripted::open(segment, script)).transpose()?;
        let (numbers, made) = (Values::default(), Values::default());
        Ok(Self { field, script, missing: from.missing, rows: Vec::new(), numbers, made })
    }

    /// The numbers of a block's rows.
    ///
    /// # Errors
    /// The split cannot be read, or the script fails.
    pub fn load(&mut self, block: &Block) -> Result<&Values<f64>, LeafError> {
        distinct(&block.rows, &mut self.rows);
        if let Some(field) = &mut self.field {
            field.load_numbers(&self.rows, &mut self.numbers)?;
        }
        if let Some(script) = &mut self.script {
            script.load(&self.rows)?;
            clear(&mut self.made);
            if self.field.is_some() {
                for (row, number) in self.numbers.rows.iter().zip(&self.numbers.values) {
                    script.push(*row, Value::Float(*number), &mut self.made)?;
                }
            } else {
                for row in &self.rows {
                    script.push(*row, Value::Null, &mut self.made)?;
                }
            }
            std::mem::swap(&mut self.numbers, &mut self.made);
        }
        if let Some(missing) = self.missing {
            self.fill(missing);
        }
        Ok(&self.numbers)
    }

    /// Gives rows without a number the stand-in.
    fn fill(&mut self, missing: f64) {
        clear(&mut self.made);
        let mut at = 0;
        for row in &self.rows {
            let from = at;
            while self.numbers.rows.get(at) == Some(row) {
                self.made.rows.push(*row);
                self.made.values.push(self.numbers.values[at]);
                at += 1;
            }
            if from == at {
                self.made.rows.push(*row);
                self.made.values.push(missing);
            }
        }
        std::mem::swap(&mut self.numbers, &mut self.made);
    }
}

fn clear<T>(values: &mut Values<T>) {
    values.rows.clear();
    values.values.clear();
}

/// A script with the fields that it looks at.
pub struct Scripted<'a> {
    script: &'a Script,
    fields: Vec<Looked<'a>>,
    steps: Cell<u64>,
}

/// A field of a script, and its values for the rows of a block.
struct Looked<'a> {
    field: FieldValues<'a>,
    values: Vec<(u32, Raw)>,
}

impl<'a> Scripted<'a> {
    fn open(segment: Segment<'a>, script: &'a Script) -> Result<Self, LeafError> {
        let open = |path: &String| {
            Ok(Looked { field: FieldValues::open(segment, path)?, values: Vec::new() })
        };
        let fields = script.fields().iter().map(open).collect::<Result<_, LeafError>>()?;
        Ok(Self { script, fields, steps: Cell::new(0) })
    }

    fn load(&mut self, rows: &[u32]) -> Result<(), LeafError> {
        // Every row can do as much as a script can.
        self.steps.set(0);
        self.fields.iter_mut().try_for_each(|f| f.field.load(rows, &mut f.values))
    }

    /// Runs the script for a row, and a value of it.
    fn push(&self, row: u32, current: Value, out: &mut Values<f64>) -> Result<(), LeafError> {
        let doc = |at: usize| self.fields.get(at).map_or((Value::Null, 0), |f| f.first(row));
        let env = Env { doc: &doc, current, ..Env::new(&self.steps) };
        if let Some(number) = self.script.number(&env).map_err(LeafError::Query)? {
            out.rows.push(row);
            out.values.push(number);
        }
        Ok(())
    }
}

impl Looked<'_> {
    /// The least value of a row, and how many it has.
    fn first(&self, row: u32) -> (Value, usize) {
        let from = self.values.partition_point(|(other, _)| *other < row);
        let rest = &self.values[from..];
        let of_row = &rest[..rest.partition_point(|(other, _)| *other == row)];
        let values = of_row.iter().map(|(_, raw)| self.value(*raw));
        let least = values.reduce(|a, b| if before(&b, &a) { b } else { a });
        (least.unwrap_or(Value::Null), of_row.len())
    }

    fn value(&self, raw: Raw) -> Value {
        match raw {
            Raw::Bool(v) => Value::Bool(v),
            Raw::Int(v) => Value::Int(v),
            Raw::Float(v) => Value::Float(v),
            Raw::Time(ns) => Value::Time(ns),
            Raw::Ord(ord) => {
                let mut out = Value::Null;
                self.field.texts(&[ord], |_, text| out = Value::Text(text.into()));
                out
            }
        }
    }
}

/// Whether a value comes before another: numbers come before text.
fn before(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a < b,
        (Value::Text(_), _) => false,
        (_, Value::Text(_)) => true,
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a < b,
            _ => false,
        },
    }
}
