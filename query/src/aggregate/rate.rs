//! How much in a unit of time? `rate`, in the buckets of a date histogram.

use super::collect::{Block, Collector};
use super::partial::Partial;
use super::rounding::Rounding;
use super::stats::Stats;
use super::values::at;
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::request::{CalendarUnit, DateHistogramAgg, Interval, RateAgg};

/// A planned `rate`.
#[derive(Debug)]
pub struct RatePlan {
    /// The request.
    pub agg: RateAgg,
    scale: Scale,
}

/// Units of time in a bucket.
#[derive(Debug)]
enum Scale {
    /// Always so many.
    Fixed(f64),
    /// As many as the bucket holds: the unit's width, nanoseconds.
    ByBucket(Rounding, i64),
}

/// Months of a unit, or nanoseconds.
enum Unit {
    Months(f64),
    Nanoseconds(i64),
}

fn unit_of(interval: Interval) -> Unit {
    const HOUR_NS: i64 = 3600 * model::time::NS_PER_S;
    match interval {
        Interval::Fixed(ns) => Unit::Nanoseconds(ns),
        Interval::Calendar(unit) => match unit {
            CalendarUnit::Second => Unit::Nanoseconds(model::time::NS_PER_S),
            CalendarUnit::Minute => Unit::Nanoseconds(HOUR_NS / 60),
            CalendarUnit::Hour => Unit::Nanoseconds(HOUR_NS),
            CalendarUnit::Day => Unit::Nanoseconds(24 * HOUR_NS),
            CalendarUnit::Week => Unit::Nanoseconds(7 * 24 * HOUR_NS),
            CalendarUnit::Month => Unit::Months(1.0),
            CalendarUnit::Quarter => Unit::Months(3.0),
            CalendarUnit::Year => Unit::Months(12.0),
        },
    }
}

impl RatePlan {
    /// In the buckets of the date histogram above.
    ///
    /// # Errors
    /// There is none, or its buckets cannot be measured in the unit.
    pub fn new(agg: &RateAgg, above: Option<&DateHistogramAgg>) -> Result<Self, QueryError> {
        let above = above.ok_or_else(|| {
            QueryError::illegal(
                "The rate aggregation can only be used inside a date histogram aggregation or \
                 composite aggregation with exactly one date histogram value source",
            )
        })?;
        let scale = match agg.unit.map(|unit| (unit_of(above.interval), unit_of(unit))) {
            None => Scale::Fixed(1.0),
            Some((Unit::Nanoseconds(width), Unit::Nanoseconds(unit))) => {
                Scale::Fixed(width as f64 / unit as f64)
            }
            Some((Unit::Months(width), Unit::Months(unit))) => Scale::Fixed(width / unit),
            Some((Unit::Months(_), Unit::Nanoseconds(unit))) => {
                Scale::ByBucket(Rounding::new(above)?, unit)
            }
            Some((Unit::Nanoseconds(_), Unit::Months(_))) => {
                return Err(QueryError::illegal(
                    "Cannot use month-based rate unit with non-month based calendar interval \
                     histogram, only week, day, hour, minute and second are supported for this \
                     histogram",
                ));
            }
        };
        Ok(Self { agg: agg.clone(), scale })
    }

    /// The rate in a bucket that starts at a time.
    pub fn of(&self, stats: &Stats, start_ns: i64) -> f64 {
        let amount = match self.agg.numbers.is_none() || self.agg.counts_values {
            true => stats.count as f64,
            false => stats.property("sum").unwrap_or(0.0),
        };
        match &self.scale {
            Scale::Fixed(units) => amount / units,
            Scale::ByBucket(rounding, unit) => {
                let (from, to) = rounding.bucket(start_ns);
                amount / (to.saturating_sub(from) as f64 / *unit as f64)
            }
        }
    }
}

/// Counts records.
pub struct Records<'a> {
    counts: Vec<Stats>,
    run: &'a Run,
}

impl<'a> Records<'a> {
    /// Over one segment.
    pub fn new(run: &'a Run) -> Self {
        Self { counts: Vec::new(), run }
    }
}

impl Collector for Records<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        for parent in &block.buckets {
            at(&mut self.counts, *parent, self.run)?.count += 1;
        }
        Ok(())
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.counts.resize(parents, Stats::default());
        Ok(std::mem::take(&mut self.counts).into_iter().map(Partial::Stats).collect())
    }
}
