//! Which buckets by time? `date_histogram`, by the order of the rows where they have one.

use hashbrown::HashMap;
use model::record::Value;
use model::time::{TimeRange, Timestamp};

use super::collect::{Block, BlockValues, Buckets, Collector};
use super::keyed::{KeyTable, RawKey};
use super::partial::Partial;
use super::rounding::Rounding;
use super::source::{FieldValues, Raw, Segment};
use crate::leaf::{LeafError, Run, SplitEval};
use crate::request::DateHistogramAgg;

/// Which bucket a value lies in.
struct Starts<'a> {
    rounding: &'a Rounding,
    hard_bounds: Option<(i64, i64)>,
    /// The last bucket's start and end: most values lie in the same.
    last: (i64, i64),
}

impl<'a> Starts<'a> {
    fn new(rounding: &'a Rounding, hard_bounds: Option<(i64, i64)>) -> Self {
        Self { rounding, hard_bounds, last: (0, 0) }
    }

    fn start_of(&mut self, ns: i64) -> i64 {
        if ns < self.last.0 || ns >= self.last.1 {
            self.last = self.rounding.bucket(ns);
        }
        self.last.0
    }

    /// Whether a bucket that begins here is wanted.
    fn is_inside(&self, start: i64) -> bool {
        self.hard_bounds.is_none_or(|(from, to)| from <= start && start < to)
    }
}

/// The times that values are.
#[derive(Default)]
pub(super) struct Times {
    /// The times that strings read as, by ordinal.
    parsed: HashMap<u64, Option<i64>>,
}

impl Times {
    /// The time of a value, nanoseconds: the record's, a number since 1970, or text that reads as
    /// a time.
    pub(super) fn of(&self, value: Raw) -> Option<i64> {
        match value {
            Raw::Time(ns) => Some(ns),
            Raw::Int(v) => Timestamp::from_value(&Value::Int(v)).map(|t| t.0),
            Raw::Float(v) => Timestamp::from_value(&Value::Float(v)).map(|t| t.0),
            Raw::Ord(ord) => self.parsed.get(&ord).copied().flatten(),
            Raw::Bool(_) => None,
        }
    }

    /// Reads the texts of ordinals that were not seen before.
    pub(super) fn parse_new(
        &mut self,
        values: &BlockValues<'_>,
        block: &Block,
        run: &Run,
    ) -> Result<(), LeafError> {
        let mut new: Vec<u64> = Vec::new();
        for (_, _, values) in values.of_pairs(block) {
            for (_, value) in values {
                if let Raw::Ord(ord) = value
                    && !self.parsed.contains_key(ord)
                {
                    new.push(*ord);
                }
            }
        }
        new.sort_unstable();
        new.dedup();
        run.charge(new.len() * 32)?;
        let parsed = &mut self.parsed;
        values.field.texts(&new, |ord, text| {
            parsed.insert(ord, Timestamp::parse(text).map(|t| t.0));
        });
        Ok(())
    }
}

/// `date_histogram`.
pub struct DateHistogram<'a> {
    segment: Segment<'a>,
    values: BlockValues<'a>,
    table: KeyTable<'a>,
    times: Times,
    starts: Starts<'a>,
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
        (rounding, agg): (&'a Rounding, &DateHistogramAgg),
    ) -> Self {
        Self {
            segment,
            values: BlockValues::new(field).or(agg.missing.map(Raw::Time)),
            table: KeyTable::new(buckets, None, segment.run()),
            times: Times::default(),
            starts: Starts::new(rounding, agg.hard_bounds),
            last_rows: 0..0,
            chosen: Vec::new(),
        }
    }

    /// Rows of a split by their own time: a bucket is a run of rows.
    fn collect_ordered(&mut self, eval: SplitEval<'_>, block: &Block) -> Result<(), LeafError> {
        let mut known: Option<(u32, u32)> = None;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            if !self.last_rows.contains(row) {
                let start = self.starts.start_of(eval.reader.timestamp(*row)?.0);
                let range = TimeRange { from: Timestamp(start), to: Timestamp(self.starts.last.1) };
                self.last_rows = eval.reader.rows_in(range)?;
                known = None;
            }
            if !self.starts.is_inside(self.starts.last.0) {
                continue;
            }
            let bucket = match known {
                Some((p, bucket)) if p == *parent => bucket,
                _ => self.table.bucket(*parent, RawKey::Time(self.starts.last.0))?,
            };
            known = Some((*parent, bucket));
            self.table.buckets.add(*row, bucket)?;
        }
        Ok(())
    }

    /// Times of any field: the record's, numbers since 1970, or text that reads as a time.
    fn collect_values(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        self.times.parse_new(&self.values, block, self.segment.run())?;
        for (row, parent, values) in self.values.of_pairs(block) {
            self.chosen.clear();
            for (_, value) in values {
                let Some(ns) = self.times.of(*value) else { continue };
                let start = self.starts.start_of(ns);
                if !self.starts.is_inside(start) {
                    continue;
                }
                let bucket = self.table.bucket(parent, RawKey::Time(start))?;
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
