//! What is the mean of values with weights? `weighted_avg`.

use index::read::Values;

use super::collect::{Block, Collector, each_pair};
use super::numbers::BlockNumbers;
use super::partial::Partial;
use super::stats::Sum;
use super::values::at;
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};

/// Sums of weighted values and of weights.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weighted {
    values: Sum,
    weights: Sum,
    any: bool,
}

impl Weighted {
    fn add(&mut self, value: f64, weight: f64) {
        self.values.add(value * weight);
        self.weights.add(weight);
        self.any = true;
    }

    /// Adds another part.
    pub fn merge(&mut self, other: &Weighted) {
        self.values.merge(&other.values);
        self.weights.merge(&other.weights);
        self.any |= other.any;
    }

    /// The mean; none without values, or where the weights are 0 together.
    pub fn mean(&self) -> Option<f64> {
        let mean = self.values.value() / self.weights.value();
        Some(mean).filter(|mean| self.any && mean.is_finite())
    }
}

/// `weighted_avg`.
pub struct WeightedAvg<'a> {
    values: BlockNumbers<'a>,
    weights: BlockNumbers<'a>,
    pairs: Values<(f64, f64)>,
    means: Vec<Weighted>,
    run: &'a Run,
}

impl<'a> WeightedAvg<'a> {
    /// Over one segment.
    pub fn new(values: BlockNumbers<'a>, weights: BlockNumbers<'a>, run: &'a Run) -> Self {
        Self { values, weights, pairs: Values::default(), means: Vec::new(), run }
    }
}

impl Collector for WeightedAvg<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        let (values, weights) = (self.values.load(block)?, self.weights.load(block)?);
        self.pairs.rows.clear();
        self.pairs.values.clear();
        let mut at_weight = 0;
        for (row, value) in values.rows.iter().zip(&values.values) {
            while weights.rows.get(at_weight).is_some_and(|other| other < row) {
                at_weight += 1;
            }
            if weights.rows.get(at_weight) != Some(row) {
                continue;
            }
            if weights.rows.get(at_weight + 1) == Some(row) {
                return Err(LeafError::Query(QueryError::illegal(
                    "Encountered more than one weight for a single document. Use a script to \
                     combine multiple weights-per-doc into a single value.",
                )));
            }
            self.pairs.rows.push(*row);
            self.pairs.values.push((*value, weights.values[at_weight]));
        }
        let (means, run) = (&mut self.means, self.run);
        each_pair(block, &self.pairs, |_, parent, pairs| {
            let mean = at(means, parent, run)?;
            pairs.iter().for_each(|(value, weight)| mean.add(*value, *weight));
            Ok(())
        })
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.means.resize(parents, Weighted::default());
        Ok(std::mem::take(&mut self.means).into_iter().map(Partial::Weighted).collect())
    }
}
