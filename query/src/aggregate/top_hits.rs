//! Which records of a bucket come first? `top_hits`.
//!
//! Segments give the places of the first hits of each bucket; only those that are in the answer are
//! read, when it is known which buckets are.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;

use super::Planned;
use super::answer::Writer;
use super::collect::{Block, Collector};
use super::more::{At, More, Role};
use super::partial::Partial;
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::plan::Node;
use crate::request::{SortBy, TopHitsAgg};
use crate::search::order::{Candidate, Order, Place, Ranked};
use crate::search::top::{Best, CANDIDATE_BYTES, SortReader};
use crate::tree::{Object, Tree};

/// The first hits of one bucket, as far as is known.
#[derive(Clone, Debug)]
pub struct Hits {
    order: Arc<Order>,
    wanted: usize,
    /// How many records are in the bucket.
    pub total: u64,
    /// The first of them, in order.
    pub list: Vec<Candidate>,
}

impl Hits {
    /// Takes in the hits of another part.
    pub fn merge(&mut self, other: Hits) {
        self.total += other.total;
        self.list.extend(other.list);
        self.list.sort_by(|a, b| self.order.compare(a, b));
        self.list.truncate(self.wanted);
    }

    /// Bytes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        64 + self.list.len() * CANDIDATE_BYTES
    }
}

/// Says in which segment the hits lie: a segment's partials do not know its position.
pub fn place_hits(partials: &mut [Partial], position: u32) {
    for partial in partials {
        match partial {
            Partial::Hits(hits) => {
                for candidate in &mut hits.list {
                    let (Place::Live(at, _) | Place::Split(at, _)) = &mut candidate.place;
                    *at = position;
                }
            }
            Partial::Keyed(map) => {
                map.values_mut().for_each(|bucket| place_hits(&mut bucket.subs, position));
            }
            Partial::Slots(list) => {
                list.iter_mut().for_each(|bucket| place_hits(&mut bucket.subs, position));
            }
            _ => {}
        }
    }
}

/// The hits of a bucket of the answer that are to be read.
#[derive(Debug)]
pub struct Pending {
    /// What is wanted of them.
    pub agg: Arc<TopHitsAgg>,
    /// Their order.
    pub order: Arc<Order>,
    /// How many records are in the bucket.
    pub total: u64,
    /// The hits, in order.
    pub list: Vec<Candidate>,
    /// Where the answer goes.
    pub to: Arc<OnceLock<Tree>>,
}

/// A planned `top_hits`.
#[derive(Debug)]
pub(super) struct TopHits {
    agg: Arc<TopHitsAgg>,
    order: Arc<Order>,
    wanted: usize,
}

impl TopHits {
    /// Of a request.
    ///
    /// # Errors
    /// A format is unknown.
    pub(super) fn new(agg: &TopHitsAgg) -> Result<Self, QueryError> {
        Ok(Self {
            order: Arc::new(Order::new(&agg.request, Ranked::Same(1.0))?),
            wanted: agg.request.from.saturating_add(agg.request.size),
            agg: Arc::new(agg.clone()),
        })
    }

    fn none(&self) -> Hits {
        Hits { order: self.order.clone(), wanted: self.wanted, total: 0, list: Vec::new() }
    }
}

impl More for TopHits {
    fn role(&self) -> Role {
        Role::Leaf
    }

    fn empty(&self, _: &[Planned]) -> Partial {
        Partial::Hits(Box::new(self.none()))
    }

    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.extend(self.order.keys.iter().filter_map(|key| match &key.by {
            SortBy::Field(path) => Some(path.as_str()),
            _ => None,
        }));
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        Ok(Some(Box::new(Firsts {
            plan: self,
            reader: SortReader::open(at.segment, &self.order, 0)?,
            parents: Vec::new(),
            rows: HashMap::new(),
            run: at.run(),
        })))
    }

    fn write(
        &self,
        writer: &mut Writer,
        _: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Hits(hits) = partial else { return Ok(()) };
        let Hits { total, mut list, .. } = *hits;
        let to = Arc::new(OnceLock::new());
        writer.pending.push(Pending {
            agg: self.agg.clone(),
            order: self.order.clone(),
            total: writer.scaled(total),
            list: list.split_off(self.agg.request.from.min(list.len())),
            to: to.clone(),
        });
        out.push("hits", Tree::Later(to));
        Ok(())
    }
}

/// The first rows of each bucket above.
struct Firsts<'a> {
    plan: &'a TopHits,
    reader: SortReader<'a>,
    parents: Vec<Option<(u64, Best<'a>)>>,
    /// The rows of a block by bucket above.
    rows: HashMap<u32, Vec<u32>>,
    run: &'a Run,
}

impl Collector for Firsts<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.rows.clear();
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            self.rows.entry(*parent).or_default().push(*row);
        }
        let plan = self.plan;
        for (parent, rows) in &self.rows {
            let at = *parent as usize;
            if at >= self.parents.len() {
                self.run.charge((at + 1 - self.parents.len()) * CANDIDATE_BYTES)?;
                self.parents.resize_with(at + 1, || None);
            }
            if self.parents[at].is_none() {
                // The hits, and their sort values beside them.
                self.run.charge(plan.wanted * 2 * CANDIDATE_BYTES)?;
            }
            let first = || (0, Best::new(&plan.order, plan.wanted));
            let (total, best) = self.parents[at].get_or_insert_with(first);
            *total += rows.len() as u64;
            if plan.wanted > 0 {
                self.reader.take(rows, best)?;
                best.settle();
            }
        }
        Ok(())
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.parents.resize_with(parents, || None);
        let mut out = Vec::with_capacity(parents);
        for found in std::mem::take(&mut self.parents) {
            let mut hits = self.plan.none();
            if let Some((total, best)) = found {
                hits.total = total;
                hits.list = best.finish();
                self.reader.resolve(&mut hits.list);
            }
            out.push(Partial::Hits(Box::new(hits)));
        }
        Ok(out)
    }
}
