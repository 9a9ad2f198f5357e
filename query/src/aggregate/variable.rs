//! Where do the numbers lie? `variable_width_histogram`: buckets around what is close together.
//!
//! Exact while a segment has few thousand different numbers; beyond that, numbers that differ in
//! their last digits count as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;

use super::Planned;
use super::answer::Writer;
use super::collect::{Block, BlockValues, Collector};
use super::key::Key;
use super::keyed::{KeyTable, RawKey};
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::source::Raw;
use super::stats::Stats;
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::plan::Node;
use crate::request::VariableWidthAgg;
use crate::tree::{Object, Tree};

/// New numbers of a bucket above before numbers are cut more.
const NUMBERS_MAX: u32 = 8192;
/// Bits that are cut at a time.
const BITS: u32 = 4;
/// All bits behind the point are cut.
const LEVEL_MAX: u32 = 13;

/// A number without its last bits.
fn cut(number: f64, level: u32) -> u64 {
    let bits = (number + 0.0).to_bits();
    bits >> (level * BITS) << (level * BITS)
}

/// A planned `variable_width_histogram`.
#[derive(Debug)]
pub(super) struct VariableWidth {
    agg: VariableWidthAgg,
}

impl VariableWidth {
    /// Of a request.
    pub(super) fn new(agg: &VariableWidthAgg) -> Self {
        Self { agg: agg.clone() }
    }
}

/// What lies close together.
#[derive(Debug)]
struct Cluster {
    min: f64,
    max: f64,
    sum: f64,
    count: f64,
    bucket: Bucket,
}

impl Cluster {
    fn of(stats: &Stats, bucket: Bucket) -> Option<Self> {
        let number = |name: &str| stats.property(name);
        let (min, max, sum) = (number("min")?, number("max")?, number("sum")?);
        Some(Self { min, max, sum, count: stats.count as f64, bucket })
    }

    fn center(&self) -> f64 {
        self.sum / self.count
    }

    fn merge(&mut self, other: Cluster) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.count += other.count;
        self.bucket.merge(other.bucket);
    }
}

/// A gap between two neighbours, the narrowest first, then the one of the lesser numbers.
#[derive(PartialEq)]
struct Gap {
    width: f64,
    left: usize,
    right: usize,
    /// How often the two have changed.
    changes: (u32, u32),
}

impl Eq for Gap {}

impl PartialOrd for Gap {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Gap {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.width.total_cmp(&other.width).then(self.left.cmp(&other.left))
    }
}

/// Joins the two neighbours that are closest until there are few enough.
fn join(list: Vec<Cluster>, most: usize) -> Vec<Cluster> {
    let mut left = list.len();
    let mut list: Vec<Option<Cluster>> = list.into_iter().map(Some).collect();
    let count = list.len();
    let mut next: Vec<usize> = (1..=count).collect();
    let mut before: Vec<Option<usize>> = (0..count).map(|at| at.checked_sub(1)).collect();
    let mut changes = vec![0u32; count];
    let gap = |list: &[Option<Cluster>], changes: &[u32], left: usize, right: usize| {
        let (a, b) = (list.get(left)?.as_ref()?, list.get(right)?.as_ref()?);
        let changes = (changes[left], changes[right]);
        Some(Reverse(Gap { width: b.center() - a.center(), left, right, changes }))
    };
    let mut heap: BinaryHeap<_> =
        (1..count).filter_map(|at| gap(&list, &changes, at - 1, at)).collect();
    while left > most.max(1) {
        let Some(Reverse(found)) = heap.pop() else { break };
        let (a, b) = (found.left, found.right);
        if list[b].is_none() || (changes[a], changes[b]) != found.changes {
            continue;
        }
        if let (Some(other), Some(one)) = (list[b].take(), list[a].as_mut()) {
            one.merge(other);
        }
        left -= 1;
        changes[a] += 1;
        changes[b] += 1;
        next[a] = next[b];
        if let Some(later) = before.get_mut(next[a]) {
            *later = Some(a);
        }
        heap.extend(gap(&list, &changes, a, next[a]));
        heap.extend(before[a].and_then(|earlier| gap(&list, &changes, earlier, a)));
    }
    list.into_iter().flatten().collect()
}

impl More for VariableWidth {
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.push(&self.agg.field);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        Ok(Some(Box::new(Numbers {
            values: BlockValues::new(at.field(&self.agg.field)?)
                .or(self.agg.missing.map(Raw::Float)),
            table: KeyTable::new(at.nested()?, None, at.run()),
            stats: Vec::new(),
            parents: Vec::new(),
            chosen: Vec::new(),
            run: at.run(),
        })))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Keyed(map) = partial else { return Ok(()) };
        let mut all = Vec::with_capacity(map.len());
        for (key, bucket) in map {
            let Key::Tuple(parts) = key else { continue };
            let [Key::Int(level), Key::Float(bits)] = &*parts else { continue };
            all.push((*level as u32, f64::from_bits(*bits), bucket));
        }
        let level = all.iter().map(|(level, ..)| *level).max().unwrap_or(0);
        let mut groups: HashMap<u64, Bucket> = HashMap::new();
        for (_, number, bucket) in all {
            groups.entry(cut(number, level)).or_default().merge(bucket);
        }
        let mut clusters: Vec<Cluster> = groups
            .into_values()
            .filter_map(|mut bucket| match bucket.subs.pop() {
                Some(Partial::Stats(stats)) => Cluster::of(&stats, bucket),
                _ => None,
            })
            .collect();
        clusters.sort_by(|a, b| a.center().total_cmp(&b.center()));
        let mut list = Vec::new();
        for cluster in join(clusters, self.agg.buckets) {
            let mut head = Object::with_capacity(4 + planned.subs.len());
            head.push("min", cluster.min);
            head.push("key", cluster.center());
            head.push("max", cluster.max);
            writer.bucket(&mut head, &planned.subs, cluster.bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}

/// How much the numbers of a bucket above are cut, and how many were new since.
#[derive(Clone, Copy, Default)]
struct Cutting {
    level: u32,
    new: u32,
}

/// Buckets by number.
struct Numbers<'a> {
    values: BlockValues<'a>,
    table: KeyTable<'a>,
    stats: Vec<Stats>,
    parents: Vec<Cutting>,
    chosen: Vec<u32>,
    run: &'a Run,
}

impl Collector for Numbers<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        for (row, parent, values) in self.values.of_pairs(block) {
            let at = parent as usize;
            if at >= self.parents.len() {
                self.run.charge((at + 1 - self.parents.len()) * size_of::<Cutting>())?;
                self.parents.resize(at + 1, Cutting::default());
            }
            self.chosen.clear();
            for number in values.iter().filter_map(|(_, value)| value.number()) {
                let cutting = &mut self.parents[at];
                let key = RawKey::Float(cut(number, cutting.level));
                let bucket = self.table.bucket(parent, key)?;
                if bucket as usize >= self.stats.len() {
                    self.run.charge(size_of::<Stats>())?;
                    self.stats.push(Stats::default());
                    cutting.new += 1;
                    if cutting.new > NUMBERS_MAX && cutting.level < LEVEL_MAX {
                        *cutting = Cutting { level: cutting.level + 1, new: 0 };
                    }
                }
                self.stats[bucket as usize].add(number);
                if !self.chosen.contains(&bucket) {
                    self.chosen.push(bucket);
                }
            }
            let buckets = &mut self.table.buckets;
            self.chosen.iter().try_for_each(|bucket| buckets.add(row, *bucket))?;
        }
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let mut out: Vec<HashMap<Key, Bucket>> = (0..parents).map(|_| HashMap::new()).collect();
        let list = self.table.finish_list(None, None)?;
        for ((parent, key, mut bucket), stats) in list.into_iter().zip(&self.stats) {
            let Key::Float(bits) = key else { continue };
            bucket.subs.push(Partial::Stats(*stats));
            let level = self.parents.get(parent as usize).map_or(0, |cutting| cutting.level);
            let bits = cut(f64::from_bits(bits), level);
            let key = Key::Tuple([Key::Int(i64::from(level)), Key::Float(bits)].into());
            out[parent as usize].entry(key).or_default().merge(bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_are_joined_first() {
        let cluster =
            |v: &f64| Cluster { min: *v, max: *v, sum: *v, count: 1.0, bucket: Bucket::default() };
        type Case = (&'static [f64], usize, &'static [(f64, f64)]);
        let cases: [Case; 4] = [
            (&[1.0, 2.0, 10.0, 11.5, 50.0], 3, &[(1.0, 2.0), (10.0, 11.5), (50.0, 50.0)]),
            (&[1.0, 2.0, 10.0, 11.5, 50.0], 2, &[(1.0, 11.5), (50.0, 50.0)]),
            (&[1.0, 2.0], 5, &[(1.0, 1.0), (2.0, 2.0)]),
            (&[], 2, &[]),
        ];
        for (numbers, most, want) in cases {
            let joined = join(numbers.iter().map(cluster).collect(), most);
            let got: Vec<(f64, f64)> = joined.iter().map(|c| (c.min, c.max)).collect();
            assert_eq!(got, want, "{numbers:?} {most}");
        }
    }
}
