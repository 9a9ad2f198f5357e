//! Which buckets by condition? `range`, `date_range`, `filter`, `filters` and `missing`.

use hashbrown::HashMap;
use index::read::RowSet;
use model::record::Value;
use model::time::Timestamp;

use super::collect::{Block, BlockValues, Buckets, Collector};
use super::partial::Partial;
use super::source::{FieldValues, Raw, Segment};
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::request::{RangeAgg, RangeBucket};

/// Splits the buckets of `slots` a bucket above.
pub(super) fn finish_slots(
    buckets: &mut Buckets<'_>,
    slots: usize,
    parents: usize,
) -> Result<Vec<Partial>, LeafError> {
    buckets.grow(slots * parents)?;
    let mut all = buckets.finish()?.into_iter();
    Ok((0..parents).map(|_| Partial::Slots(all.by_ref().take(slots).collect())).collect())
}

/// `range` and `date_range`.
pub struct Ranges<'a> {
    values: BlockValues<'a>,
    buckets: Buckets<'a>,
    ranges: &'a [RangeBucket],
    date: bool,
    parsed: HashMap<u64, Option<f64>>,
}

impl<'a> Ranges<'a> {
    /// Over one segment.
    pub fn new(agg: &'a RangeAgg, field: FieldValues<'a>, buckets: Buckets<'a>) -> Self {
        Self {
            values: BlockValues::new(field).or(agg.missing.map(|v| match agg.date {
                true => Raw::Time((v * 1e6) as i64),
                false => Raw::Float(v),
            })),
            buckets,
            ranges: &agg.ranges,
            date: agg.date,
            parsed: HashMap::new(),
        }
    }

    fn parse_new(&mut self, block: &Block) {
        let mut new: Vec<u64> = Vec::new();
        for (_, _, values) in self.values.of_pairs(block) {
            new.extend(values.iter().filter_map(|(_, v)| match v {
                Raw::Ord(ord) if !self.parsed.contains_key(ord) => Some(*ord),
                _ => None,
            }));
        }
        new.sort_unstable();
        new.dedup();
        let parsed = &mut self.parsed;
        self.values.field.texts(&new, |ord, text| {
            parsed.insert(ord, Timestamp::parse(text).map(|t| t.0 as f64 / 1e6));
        });
    }
}

impl Collector for Ranges<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        if self.date {
            self.parse_new(block);
        }
        let slots = self.ranges.len() as u32;
        for (row, parent, values) in self.values.of_pairs(block) {
            self.buckets.grow((parent as usize + 1) * slots as usize)?;
            for (slot, range) in self.ranges.iter().enumerate() {
                let inside = values.iter().any(|(_, value)| {
                    let number =
                        if self.date { time(*value, &self.parsed) } else { value.number() };
                    number.is_some_and(|v| {
                        range.from.is_none_or(|from| v >= from) && range.to.is_none_or(|to| v < to)
                    })
                });
                if inside {
                    self.buckets.add(row, parent * slots + slot as u32)?;
                }
            }
        }
        self.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        finish_slots(&mut self.buckets, self.ranges.len(), parents)
    }
}

/// Milliseconds since 1970 of a value.
fn time(value: Raw, parsed: &HashMap<u64, Option<f64>>) -> Option<f64> {
    let of = |v: Value<'_>| Timestamp::from_value(&v).map(|t| t.0 as f64 / 1e6);
    match value {
        Raw::Time(ns) => Some(ns as f64 / 1e6),
        Raw::Int(v) => of(Value::Int(v)),
        Raw::Float(v) => of(Value::Float(v)),
        Raw::Ord(ord) => parsed.get(&ord).copied().flatten(),
        Raw::Bool(_) => None,
    }
}

/// Rows that pass a query.
pub enum Passing {
    /// Of a split.
    Split(RowSet),
    /// Of a live batch, by position.
    Live(Vec<bool>),
    /// All.
    All,
}

impl Passing {
    /// Asks the query for `rows`.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn of(segment: &Segment<'_>, node: &Node, rows: &RowSet) -> Result<Self, LeafError> {
        match segment {
            Segment::Split(eval) => Ok(Passing::Split(eval.rows(node, rows)?)),
            Segment::Live(view, _) => {
                let node = view.prepare(node);
                let records = view.batch.records();
                let mut out = vec![false; records.len()];
                for row in rows.iter() {
                    out[row as usize] = view.passes(&node, row, &records[row as usize]);
                }
                Ok(Passing::Live(out))
            }
        }
    }

    /// Whether a row passes.
    pub fn contains(&self, row: u32) -> bool {
        match self {
            Passing::All => true,
            Passing::Split(rows) => rows.contains(row),
            Passing::Live(rows) => rows[row as usize],
        }
    }
}

/// `filter`, `filters` and `missing`.
pub struct Filters<'a> {
    filters: Vec<Passing>,
    /// A last bucket of what no filter takes.
    other: bool,
    buckets: Buckets<'a>,
}

impl<'a> Filters<'a> {
    /// Over one segment.
    pub fn new(filters: Vec<Passing>, other: bool, buckets: Buckets<'a>) -> Self {
        Self { filters, other, buckets }
    }

    fn slots(&self) -> usize {
        self.filters.len() + usize::from(self.other)
    }
}

impl Collector for Filters<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        let slots = self.slots() as u32;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            self.buckets.grow((*parent as usize + 1) * slots as usize)?;
            let mut taken = false;
            for (slot, filter) in self.filters.iter().enumerate() {
                if filter.contains(*row) {
                    taken = true;
                    self.buckets.add(*row, parent * slots + slot as u32)?;
                }
            }
            if self.other && !taken {
                self.buckets.add(*row, parent * slots + slots - 1)?;
            }
        }
        self.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let slots = self.slots();
        finish_slots(&mut self.buckets, slots, parents)
    }
}
