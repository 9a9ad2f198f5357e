//! Which buckets by time? `date_histogram`, by the order of the rows where they have one.

use hashbrown::HashMap;
use model::record::Value;
use model::time::{TimeRange, Timestamp};

use super::collect::{Block, BlockValues, Buckets, Collector};
use super::keyed::{KeyTable, RawKey};
use super::partial::Partial;
use super::rounding::Rounding;
use super::source::{FieldValues, Raw, Segment};
use crate::leaf::{LeafError, SplitEval};

/// Which bucket a value lies in.
struct Times<'a> {
    rounding: &'a Rounding,
    hard_bounds: Option<(i64, i64)>,
    /// The last bucket's start and end: most values lie in the same.
    last: (i64, i64),
    /// The times that strings read as, by ordinal.
    parsed: HashMap<u64, Option<i64>>,
}

impl Times<'_> {
    fn start_of(&mut self, ns: i64) -> i64 {
        if ns < self.last.0 || ns >= self.last.1 {
            self.last = self.rounding.bucket(ns);
        }
        self.last.0
    }

    fn is_inside(&self, ns: i64) -> bool {
        self.hard_bounds.is_none_or(|(from, to)| from <= ns && ns <= to)
    }

    fn of(&self, value: Raw) -> Option<i64> {
        let ns = match value {
            Raw::Time(ns) => Some(ns),
            Raw::Int(v) => Timestamp::from_value(&Value::Int(v)).map(|t| t.0),
            Raw::Float(v) => Timestamp::from_value(&Value::Float(v)).map(|t| t.0),
            Raw::Ord(ord) => self.parsed.get(&ord).copied().flatten(),
            Raw::Bool(_) => None,
        };
        ns.filter(|ns| self.is_inside(*ns))
    }
}

/// `date_histogram`.
pub struct DateHistogram<'a> {
    segment: Segment<'a>,
    values: BlockValues<'a>,
    table: KeyTable<'a>,
    times: Times<'a>,
    /// The rows of the last bucket, where rows are ordered by time.
    last_rows: std::ops::Range<u32>,
    chosen: Vec<u32>,
}

impl<'a> DateHistogram<'a> {
    /// Over one segment.
    pub fn new(
        segment: Segment<'a>,
        field: FieldValues<'a>,
        buckets: Buckets<'a>,
        (rounding, hard_bounds): (&'a Rounding, Option<(i64, i64)>),
    ) -> Self {
        Self {
            segment,
            values: BlockValues::new(field),
            table: KeyTable::new(buckets, None, segment.run()),
            times: Times { rounding, hard_bounds, last: (0, 0), parsed: HashMap::new() },
            last_rows: 0..0,
            chosen: Vec::new(),
        }
    }

    /// Rows of a split by their own time: a bucket is a run of rows.
    fn collect_ordered(&mut self, eval: SplitEval<'_>, block: &Block) -> Result<(), LeafError> {
        let mut known: Option<(u32, u32)> = None;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            if !self.last_rows.contains(row) {
                let start = self.times.start_of(eval.reader.timestamp(*row)?.0);
                let range = TimeRange { from: Timestamp(start), to: Timestamp(self.times.last.1) };
                self.last_rows = eval.reader.rows_in(range)?;
                known = None;
            }
            if self.times.hard_bounds.is_some()
                && !self.times.is_inside(eval.reader.timestamp(*row)?.0)
            {
                continue;
            }
            let bucket = match known {
                Some((p, bucket)) if p == *parent => bucket,
                _ => self.table.bucket(*parent, RawKey::Time(self.times.last.0))?,
            };
            known = Some((*parent, bucket));
            self.table.buckets.add(*row, bucket)?;
        }
        Ok(())
    }

    /// Times of any field: the record's, numbers since 1970, or text that reads as a time.
    fn collect_values(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        self.parse_new(block)?;
        for (row, parent, values) in self.values.of_pairs(block) {
            self.chosen.clear();
            for (_, value) in values {
                let Some(ns) = self.times.of(*value) else { continue };
                let key = RawKey::Time(self.times.start_of(ns));
                let bucket = self.table.bucket(parent, key)?;
                if !self.chosen.contains(&bucket) {
                    self.chosen.push(bucket);
                }
            }
            for bucket in &self.chosen {
                self.table.buckets.add(row, *bucket)?;
            }
        }
        Ok(())
    }

    /// Reads the texts of ordinals that were not seen before.
    fn parse_new(&mut self, block: &Block) -> Result<(), LeafError> {
        let mut new: Vec<u64> = Vec::new();
        for (_, _, values) in self.values.of_pairs(block) {
            for (_, value) in values {
                if let Raw::Ord(ord) = value
                    && !self.times.parsed.contains_key(ord)
                {
                    new.push(*ord);
                }
            }
        }
        new.sort_unstable();
        new.dedup();
        self.segment.run().charge(new.len() * 32)?;
        let parsed = &mut self.times.parsed;
        self.values.field.texts(&new, |ord, text| {
            parsed.insert(ord, Timestamp::parse(text).map(|t| t.0));
        });
        Ok(())
    }
}

impl Collector for DateHistogram<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        match self.segment {
            Segment::Split(eval) if self.values.field.is_time() => {
                self.collect_ordered(eval, block)?;
            }
            _ => self.collect_values(block)?,
        }
        self.table.check_count(block.buckets.iter().copied().max().unwrap_or(0))?;
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.table.finish(parents, None, None)
    }
}
