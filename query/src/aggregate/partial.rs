//! What is known of an aggregation after a part of the records? Counts and sketches that merge.
//!
//! Merging is associative and has no order; knows neither where the records came from nor how an
//! answer looks.

use hashbrown::HashMap;

use super::cardinality::Distinct;
use super::key::Key;
use super::leading::Leaders;
use super::letters::Letters;
use super::percentiles::Sketch;
use super::stats::Stats;
use super::top_hits::Hits;
use super::weighted::Weighted;

/// What one aggregation knows.
#[derive(Clone, Debug)]
pub enum Partial {
    /// Buckets by key.
    Keyed(HashMap<Key, Bucket>),
    /// Buckets by position in the request.
    Slots(Vec<Bucket>),
    /// Numbers of a field.
    Stats(Stats),
    /// The distribution of a field's numbers.
    Percentiles(Sketch),
    /// The distinct values of a field.
    Distinct(Distinct),
    /// Values with weights.
    Weighted(Weighted),
    /// The records that come first.
    Leaders(Leaders),
    /// Lengths and letters of texts.
    Letters(Letters),
    /// A number that was made of others; there is nothing to merge any more.
    Number(u64),
    /// The first hits.
    Hits(Box<Hits>),
}

/// What one bucket knows.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Records in it.
    pub docs: u64,
    /// Its nested aggregations, in the order of the request.
    pub subs: Vec<Partial>,
}

impl Bucket {
    /// Takes in another part of the same bucket.
    pub fn merge(&mut self, other: Bucket) {
        self.docs += other.docs;
        if self.subs.is_empty() {
            self.subs = other.subs;
        } else {
            merge_all(&mut self.subs, other.subs);
        }
    }
}

impl Partial {
    /// Takes in what another part knows of the same aggregation.
    pub fn merge(&mut self, other: Partial) {
        match (self, other) {
            (Partial::Keyed(a), Partial::Keyed(mut b)) => {
                if b.len() > a.len() {
                    std::mem::swap(a, &mut b);
                }
                for (key, bucket) in b {
                    a.entry(key).or_default().merge(bucket);
                }
            }
            (Partial::Slots(a), Partial::Slots(b)) => {
                if a.is_empty() {
                    *a = b;
                } else {
                    a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b));
                }
            }
            (Partial::Stats(a), Partial::Stats(b)) => a.merge(&b),
            (Partial::Percentiles(a), Partial::Percentiles(b)) => a.merge(b),
            (Partial::Distinct(a), Partial::Distinct(b)) => a.merge(b),
            (Partial::Hits(a), Partial::Hits(b)) => a.merge(*b),
            (Partial::Weighted(a), Partial::Weighted(b)) => a.merge(&b),
            (Partial::Leaders(a), Partial::Leaders(b)) => a.merge(b),
            (Partial::Letters(a), Partial::Letters(b)) => a.merge(b),
            // Both sides were made from one plan.
            _ => {}
        }
    }

    /// Bytes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        const BUCKET_BYTES: usize = 96;
        let of = |bucket: &Bucket| {
            BUCKET_BYTES + bucket.subs.iter().map(Partial::memory_bytes).sum::<usize>()
        };
        match self {
            Partial::Keyed(map) => map.iter().map(|(key, bucket)| key.bytes() + of(bucket)).sum(),
            Partial::Slots(list) => list.iter().map(of).sum(),
            Partial::Stats(_) => size_of::<Stats>(),
            Partial::Percentiles(sketch) => sketch.memory_bytes(),
            Partial::Distinct(distinct) => distinct.memory_bytes(),
            Partial::Weighted(_) => size_of::<Weighted>(),
            Partial::Leaders(leaders) => leaders.memory_bytes(),
            Partial::Letters(letters) => letters.memory_bytes(),
            Partial::Number(_) => size_of::<u64>(),
            Partial::Hits(hits) => hits.memory_bytes(),
        }
    }

    /// The buckets, by whatever they are ordered.
    pub fn buckets(&self) -> usize {
        match self {
            Partial::Keyed(map) => map.len(),
            Partial::Slots(list) => list.len(),
            _ => 0,
        }
    }
}

/// Merges lists of the same aggregations.
pub fn merge_all(a: &mut Vec<Partial>, b: Vec<Partial>) {
    if a.is_empty() {
        *a = b;
    } else {
        a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b));
    }
}
