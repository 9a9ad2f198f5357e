//! How do kinds of buckets that live in files of their own take part? What each has to tell, and the
//! choice among them.

use std::fmt::Debug;

use hashbrown::HashMap;
use index::read::RowSet;

use super::answer::Writer;
use super::collect::{Block, Buckets, Collector};
use super::partial::{Bucket, Partial};
use super::source::{FieldValues, Segment};
use super::{Kind, Planned, collectors, empty};
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::plan::Node;
use crate::tree::Object;

/// What an aggregation is to those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It makes buckets.
    Buckets,
    /// It makes buckets of those of an aggregation that is nested in it for that.
    Around,
    /// It makes one bucket.
    Single,
    /// It makes one bucket of all records, whatever the query.
    Whole,
    /// It counts all records for another aggregation and is not in the answer.
    Hidden,
    /// It makes no buckets.
    Leaf,
}

/// A planned aggregation in a file of its own.
pub(super) trait More: Debug + Send + Sync {
    /// What it is to those around it.
    fn role(&self) -> Role {
        Role::Buckets
    }

    /// What is known when no record was looked at.
    fn empty(&self, subs: &[Planned]) -> Partial {
        match self.role() {
            Role::Single | Role::Whole => one_bucket(0, empty(subs)),
            _ => Partial::Keyed(HashMap::new()),
        }
    }

    /// Adds the fields and queries that it reads.
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, nodes: &mut Vec<&'p Node>);

    /// The counts of all records that it needs; they will be at this place.
    ///
    /// # Errors
    /// They cannot be planned.
    fn background(&mut self, _at: usize) -> Result<Option<Planned>, QueryError> {
        Ok(None)
    }

    /// Takes in blocks of rows; `None` when it needs all rows of a bucket at once.
    ///
    /// # Errors
    /// The split cannot be read, or a limit is reached.
    fn collector<'a>(
        &'a self,
        _at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        Ok(None)
    }

    /// What is known of all rows; `None` when they are to be taken in in blocks.
    ///
    /// # Errors
    /// The split cannot be read, a limit is reached, or the search was stopped.
    fn over(&self, _at: &At<'_, '_>) -> Result<Option<Partial>, LeafError> {
        Ok(None)
    }

    /// Writes the answer.
    ///
    /// # Errors
    /// There are too many buckets.
    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError>;
}

/// Where an aggregation is collected.
pub(super) struct At<'a, 'r> {
    pub(super) planned: &'a Planned,
    pub(super) segment: Segment<'a>,
    /// The rows that can come.
    pub(super) rows: &'r RowSet,
}

impl<'a> At<'a, '_> {
    /// The search.
    pub(super) fn run(&self) -> &'a Run {
        self.segment.run()
    }

    /// The values of a field.
    pub(super) fn field(&self, path: &str) -> Result<FieldValues<'a>, LeafError> {
        FieldValues::open(self.segment, path)
    }

    /// Buckets with the nested aggregations in them.
    pub(super) fn nested(&self) -> Result<Buckets<'a>, LeafError> {
        let subs = collectors(&self.planned.subs, self.segment, self.rows)?;
        Ok(Buckets::new(subs, self.run()))
    }

    /// One bucket of these rows.
    pub(super) fn bucket_of(&self, rows: &RowSet) -> Result<Partial, LeafError> {
        let subs = match self.planned.subs.is_empty() {
            true => Vec::new(),
            false => super::collect(&self.planned.subs, self.segment, rows)?,
        };
        Ok(one_bucket(u64::from(rows.count()), subs))
    }

    /// A collector for an aggregation.
    pub(super) fn collector(
        self,
        more: &'a dyn More,
    ) -> Result<Box<dyn Collector + 'a>, LeafError> {
        Ok(match more.collector(&self)? {
            Some(collector) => collector,
            None => Box::new(Deferred {
                more,
                planned: self.planned,
                segment: self.segment,
                parents: Vec::new(),
            }),
        })
    }
}

/// The partial of a kind that makes one bucket.
pub(super) fn one_bucket(docs: u64, subs: Vec<Partial>) -> Partial {
    Partial::Slots(vec![Bucket { docs, subs }])
}

/// Keeps the rows of each bucket above until all have come.
struct Deferred<'a> {
    more: &'a dyn More,
    planned: &'a Planned,
    segment: Segment<'a>,
    parents: Vec<Vec<u32>>,
}

impl Collector for Deferred<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.segment.run().charge(block.rows.len() * size_of::<u32>())?;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            let parent = *parent as usize;
            if parent >= self.parents.len() {
                self.segment.run().charge((parent + 1 - self.parents.len()) * 24)?;
                self.parents.resize(parent + 1, Vec::new());
            }
            self.parents[parent].push(*row);
        }
        Ok(())
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let mut out = Vec::with_capacity(parents);
        for parent in 0..parents {
            let found = match self.parents.get(parent) {
                Some(list) => {
                    let mut rows = RowSet::none(self.segment.docs());
                    list.iter().for_each(|row| rows.insert(*row));
                    let at = At { planned: self.planned, segment: self.segment, rows: &rows };
                    self.more.over(&at)?
                }
                None => None,
            };
            out.push(found.unwrap_or_else(|| self.more.empty(&self.planned.subs)));
        }
        Ok(out)
    }
}

/// Adds, behind the aggregations of a request, those that count all records for them.
///
/// # Errors
/// They cannot be planned.
pub(super) fn add_backgrounds(planned: &mut Vec<Planned>) -> Result<(), QueryError> {
    let mut found = Vec::new();
    gather(planned, &mut found)?;
    planned.append(&mut found);
    Ok(())
}

fn gather(planned: &mut [Planned], found: &mut Vec<Planned>) -> Result<(), QueryError> {
    for plan in planned {
        match &mut plan.kind {
            Kind::Terms(terms) if terms.agg.min_doc_count == 0 => {
                terms.background = Some(found.len());
                found.push(Planned::hidden(terms.of_all()?));
            }
            Kind::More(more) => found.extend(more.background(found.len())?),
            _ => {}
        }
        gather(&mut plan.subs.list, found)?;
    }
    Ok(())
}
