//! What numbers do the rows of each bucket make, when every row is in one bucket at most? Blocks of
//! rows with their buckets, and lists of numbers by bucket.

use index::read::Values;

use super::partial::Partial;
use super::percentiles::Sketch;
use super::source::{FieldValues, Segment};
use super::stats::Stats;
use super::{Kind, Planned};
use crate::leaf::{LeafError, SplitEval};
use crate::request::Metric;

/// The bucket of a row that is in none.
pub(super) const NONE: u32 = u32::MAX;

/// One aggregation of a field's numbers, for each of a number of buckets.
pub(super) struct Sink<'a> {
    eval: SplitEval<'a>,
    field: FieldValues<'a>,
    numbers: Values<f64>,
    of: Lists,
}

enum Lists {
    Stats(Vec<Stats>),
    Sketches(Vec<Sketch>),
}

impl<'a> Sink<'a> {
    /// Whether an aggregation is one of those.
    pub(super) fn takes(planned: &Planned) -> bool {
        match &planned.kind {
            Kind::Metric(agg) => {
                agg.metric != Metric::ValueCount && agg.missing.is_none() && agg.script.is_none()
            }
            Kind::Percentiles(agg) => agg.missing.is_none() && agg.script.is_none(),
            _ => false,
        }
    }

    /// For an aggregation of numbers; `None` when it is another.
    ///
    /// # Errors
    /// The split cannot be read, or the memory limit is reached.
    pub(super) fn of(
        planned: &Planned,
        eval: SplitEval<'a>,
        buckets: usize,
    ) -> Result<Option<Self>, LeafError> {
        let (path, of) = match &planned.kind {
            Kind::Metric(agg) if Self::takes(planned) => {
                eval.run.charge(buckets * size_of::<Stats>())?;
                (&agg.field, Lists::Stats(vec![Stats::default(); buckets]))
            }
            Kind::Percentiles(agg) if Self::takes(planned) => {
                eval.run.charge(buckets * size_of::<Sketch>())?;
                (&agg.field, Lists::Sketches(vec![Sketch::default(); buckets]))
            }
            _ => return Ok(None),
        };
        let field = FieldValues::open(Segment::Split(eval), path)?;
        Ok(Some(Self { eval, field, numbers: Values::default(), of }))
    }

    /// Takes in rising rows and the bucket of each.
    ///
    /// # Errors
    /// The split cannot be read, or the memory limit is reached.
    pub(super) fn add(&mut self, rows: &[u32], buckets: &[u32]) -> Result<(), LeafError> {
        let numbers = &mut self.numbers;
        self.field.load_numbers(rows, numbers)?;
        match &mut self.of {
            Lists::Stats(list) => for_each(rows, buckets, numbers, |bucket, number| {
                if let Some(stats) = list.get_mut(bucket as usize) {
                    stats.add(number);
                }
            }),
            Lists::Sketches(list) => {
                let mut grown = 0;
                for_each(rows, buckets, numbers, |bucket, number| {
                    if let Some(sketch) = list.get_mut(bucket as usize) {
                        grown += sketch.add(number);
                    }
                });
                self.eval.run.charge(grown)?;
            }
        }
        Ok(())
    }

    /// What is known of each bucket.
    pub(super) fn finish(self) -> Vec<Partial> {
        match self.of {
            Lists::Stats(list) => list.into_iter().map(Partial::Stats).collect(),
            Lists::Sketches(list) => list.into_iter().map(Partial::Percentiles).collect(),
        }
    }
}

/// Calls `visit` with the bucket of each number's row.
fn for_each(rows: &[u32], buckets: &[u32], numbers: &Values<f64>, mut visit: impl FnMut(u32, f64)) {
    if numbers.rows == rows {
        buckets.iter().zip(&numbers.values).for_each(|(bucket, number)| visit(*bucket, *number));
        return;
    }
    let mut at = 0;
    for (row, number) in numbers.rows.iter().zip(&numbers.values) {
        while rows.get(at).is_some_and(|other| other < row) {
            at += 1;
        }
        if let Some(bucket) = buckets.get(at) {
            visit(*bucket, *number);
        }
    }
}

/// The value of each row, or [`NONE`], from pairs of some of the rows with a value each.
pub(super) fn spread(rows: &[u32], some: &Values<u32>, out: &mut Vec<u32>) {
    out.clear();
    if some.rows == rows {
        out.extend_from_slice(&some.values);
        return;
    }
    let mut at = 0;
    for row in rows {
        while some.rows.get(at).is_some_and(|other| other < row) {
            at += 1;
        }
        out.push(match some.rows.get(at) == Some(row) {
            true => some.values[at],
            false => NONE,
        });
    }
}
