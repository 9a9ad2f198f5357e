//! How long are the texts of a field, and of which letters? `string_stats`.

use hashbrown::HashMap;
use serde_json::{Value as Json, json};

use super::collect::{Block, BlockValues, Collector};
use super::partial::Partial;
use super::print::Printer;
use super::source::{FieldValues, Raw};
use super::values::at;
use crate::leaf::{LeafError, Run};
use crate::tree::Object;

/// Memory of a letter with its count, about, in bytes.
const LETTER_BYTES: usize = 16;

/// Lengths and letters; both are counted in units of UTF-16, as Java has them.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    count: u64,
    total: u64,
    least: u64,
    most: u64,
    letters: HashMap<u16, u64>,
}

impl Letters {
    /// Adds a text; tells how many bytes of memory it took.
    fn add(&mut self, text: &str) -> usize {
        let (mut length, before) = (0, self.letters.len());
        for letter in text.encode_utf16() {
            length += 1;
            *self.letters.entry(letter).or_default() += 1;
        }
        self.note(1, length, (length, length));
        (self.letters.len() - before) * LETTER_BYTES
    }

    fn note(&mut self, count: u64, total: u64, (least, most): (u64, u64)) {
        self.least = if self.count == 0 { least } else { self.least.min(least) };
        self.most = self.most.max(most);
        self.count += count;
        self.total += total;
    }

    /// Adds another part.
    pub fn merge(&mut self, other: Letters) {
        if other.count == 0 {
            return;
        }
        self.note(other.count, other.total, (other.least, other.most));
        for (letter, count) in other.letters {
            *self.letters.entry(letter).or_default() += count;
        }
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.letters.len() * LETTER_BYTES + 40
    }

    /// The shares of letters, the most frequent first.
    fn shares(&self) -> Vec<(u16, f64)> {
        let mut all: Vec<(u16, u64)> = self.letters.iter().map(|(l, n)| (*l, *n)).collect();
        all.sort_by_key(|(letter, count)| (std::cmp::Reverse(*count), *letter));
        all.into_iter().map(|(letter, n)| (letter, n as f64 / self.total as f64)).collect()
    }

    fn entropy(&self) -> f64 {
        // 0.0 in the end turns a negative zero around.
        0.0 - self.shares().iter().map(|(_, share)| share * share.log2()).sum::<f64>()
    }

    /// A number by the name that Elasticsearch gives it.
    pub fn property(&self, name: &str) -> Option<f64> {
        let some = |v: f64| (self.count > 0).then_some(v);
        match name {
            "count" => Some(self.count as f64),
            "min_length" => some(self.least as f64),
            "max_length" => some(self.most as f64),
            "avg_length" => some(self.total as f64 / self.count as f64),
            "entropy" => Some(self.entropy() + 0.0),
            _ => None,
        }
    }

    /// Writes the answer.
    pub fn write(&self, distribution: bool, printer: Option<&Printer>, out: &mut Object) {
        out.push("count", self.count);
        let length = |v: u64| if self.count > 0 { json!(v) } else { Json::Null };
        out.push("min_length", length(self.least));
        out.push("max_length", length(self.most));
        for name in ["avg_length", "entropy"] {
            let value = self.property(name);
            out.push(name, json!(value));
            if let (Some(printer), Some(value), 1..) = (printer, value, self.count) {
                out.push(format!("{name}_as_string"), printer.print(value));
            }
        }
        if distribution {
            let mut shares = Object::with_capacity(self.letters.len());
            for (letter, share) in self.shares() {
                shares.push(String::from_utf16_lossy(&[letter]), share);
            }
            out.push("distribution", shares);
        }
    }
}

/// `string_stats`.
pub struct StringStats<'a> {
    values: BlockValues<'a>,
    missing: Option<&'a str>,
    letters: Vec<Letters>,
    run: &'a Run,
}

impl<'a> StringStats<'a> {
    /// Over one segment.
    pub fn new(field: FieldValues<'a>, missing: Option<&'a str>, run: &'a Run) -> Self {
        Self { values: BlockValues::new(field), missing, letters: Vec::new(), run }
    }
}

impl Collector for StringStats<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        let mut grown = 0;
        for (_, parent, values) in self.values.of_pairs(block) {
            let letters = at(&mut self.letters, parent, self.run)?;
            for (_, value) in values {
                if let Raw::Ord(ord) = value {
                    self.values.field.texts(&[*ord], |_, text| grown += letters.add(text));
                }
            }
            if let (true, Some(missing)) = (values.is_empty(), self.missing) {
                grown += letters.add(missing);
            }
        }
        self.run.charge(grown)
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.letters.resize(parents, Letters::default());
        Ok(std::mem::take(&mut self.letters).into_iter().map(Partial::Letters).collect())
    }
}
