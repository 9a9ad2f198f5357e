//! How do the answers of segments become one? Counts add up, the best hits stay, buckets merge.
//!
//! Knows neither segments nor JSON.

use crate::aggregate::partial::{Partial, merge_all};
use crate::answer::{ShardFailure, Shards, Spent};
use crate::search::order::{Candidate, Order};

/// What one segment answers.
#[derive(Clone, Debug, Default)]
pub struct SegmentAnswer {
    /// How many of its records match.
    pub count: u64,
    /// Not every record was looked at: the count is a lower bound.
    pub partly: bool,
    /// Its best hits, in order.
    pub candidates: Vec<Candidate>,
    /// Its aggregations.
    pub partials: Vec<Partial>,
    /// How long it took, if that was asked.
    pub spent: Option<Box<Spent>>,
    /// The best score of its records, if that was asked.
    pub best: Option<f32>,
}

/// What several segments answer.
#[derive(Debug, Default)]
pub struct Merged {
    /// How many records match.
    pub count: u64,
    /// The best hits, in order.
    pub candidates: Vec<Candidate>,
    /// The aggregations.
    pub partials: Vec<Partial>,
    /// What was read, and what could not be.
    pub shards: Shards,
    /// Not every record was looked at: the count is a lower bound.
    pub partly: bool,
    /// The time was over before every record was looked at.
    pub timed_out: bool,
    /// How long each segment took, if that was asked.
    pub spent: Vec<Spent>,
    /// The best score of all records, if that was asked.
    pub best: Option<f32>,
}

impl Merged {
    /// Takes in a segment's answer; keeps the best `wanted` hits.
    pub fn add(&mut self, order: &Order, wanted: usize, part: SegmentAnswer) {
        self.count += part.count;
        self.partly |= part.partly;
        self.best = self.best.into_iter().chain(part.best).reduce(f32::max);
        if !part.candidates.is_empty() {
            self.candidates.extend(part.candidates);
            self.candidates.sort_by(|a, b| order.compare(a, b));
            order.keep_firsts(&mut self.candidates);
            self.candidates.truncate(wanted);
        }
        self.spent.extend(part.spent.map(|spent| *spent));
        merge_all(&mut self.partials, part.partials);
    }

    /// Notes a segment that could not be read.
    pub fn fail(&mut self, failure: ShardFailure) {
        self.partly = true;
        self.shards.failed.push(failure);
    }
}
