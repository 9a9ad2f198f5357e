//! Which queries match together? `adjacency_matrix`.

use super::Planned;
use super::answer::Writer;
use super::collect::{Block, Collector};
use super::key::Key;
use super::keyed::{KeyTable, RawKey};
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::slots::Passing;
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::request::AdjacencyAgg;
use crate::tree::{Object, Tree};

/// A planned `adjacency_matrix`.
#[derive(Debug)]
pub(super) struct Adjacency {
    names: Vec<String>,
    nodes: Vec<Node>,
    separator: String,
}

impl Adjacency {
    /// Of a request.
    ///
    /// # Errors
    /// A query makes no sense.
    pub(super) fn new(agg: &AdjacencyAgg) -> Result<Self, QueryError> {
        let nodes = agg.filters.iter().map(|(_, query)| Node::of(query));
        Ok(Self {
            names: agg.filters.iter().map(|(name, _)| name.clone()).collect(),
            nodes: nodes.collect::<Result<_, _>>()?,
            separator: agg.separator.clone(),
        })
    }

    /// The name of a filter, or of two.
    fn name(&self, cell: i64) -> String {
        let count = self.names.len() as i64;
        let (a, b) = (cell / count.max(1), cell % count.max(1));
        let name = |at: i64| self.names.get(at as usize).map_or("", String::as_str);
        match a == b {
            true => name(a).to_owned(),
            false => format!("{}{}{}", name(a), self.separator, name(b)),
        }
    }
}

impl More for Adjacency {
    fn reads<'p>(&'p self, _: &mut Vec<&'p str>, nodes: &mut Vec<&'p Node>) {
        nodes.extend(&self.nodes);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        let passing = self.nodes.iter().map(|node| Passing::of(&at.segment, node, at.rows));
        Ok(Some(Box::new(Matrix {
            passing: passing.collect::<Result<_, _>>()?,
            table: KeyTable::new(at.nested()?, None, at.run()),
            found: Vec::new(),
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
        let named = map.into_iter().filter_map(|(key, bucket)| match key {
            Key::Int(cell) => Some((self.name(cell), bucket)),
            _ => None,
        });
        let mut named: Vec<(String, Bucket)> = named.collect();
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut list = Vec::with_capacity(named.len());
        for (name, bucket) in named {
            let mut head = Object::with_capacity(2 + planned.subs.len());
            head.push("key", name);
            writer.bucket(&mut head, &planned.subs, bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}

/// Buckets by one filter and by two.
struct Matrix<'a> {
    passing: Vec<Passing>,
    table: KeyTable<'a>,
    found: Vec<i64>,
}

impl Collector for Matrix<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        let count = self.passing.len() as i64;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            self.found.clear();
            let passing = (0..count).zip(&self.passing).filter(|(_, p)| p.contains(*row));
            self.found.extend(passing.map(|(at, _)| at));
            for (at, a) in self.found.iter().enumerate() {
                for b in &self.found[at..] {
                    let bucket = self.table.bucket(*parent, RawKey::Int(a * count + b))?;
                    self.table.buckets.add(*row, bucket)?;
                }
            }
        }
        self.table.check_count(block.buckets.iter().copied().max().unwrap_or(0))?;
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.table.finish(parents, None, None)
    }
}
