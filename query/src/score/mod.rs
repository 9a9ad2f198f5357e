//! How well does a record match? Scores by BM25 where a query has words, else constants.
//!
//! A search that does not ask for scores has no [`Scorer`] and pays nothing. Statistics are those
//! of all records of the searched indexes: they are counted before the first hit is scored.

pub mod bm25;
mod count;
mod explain;
mod functions;
mod page;
mod plan;
mod segment;
mod stats;

use std::sync::{Arc, OnceLock};

use index::read::RowSet;
use rayon::ThreadPool;

use crate::aggregate::source::Segment;
use crate::ast::{Function, Query};
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};

pub use self::explain::Explanation;
pub use self::page::{Annotated, Asked, Named, annotate};
use self::plan::{ScoreNode, Token};
pub use self::segment::Scores;
use self::segment::{Chosen, Scoring};
use self::stats::Stats;
pub use self::stats::Whole;

/// The scores of a query.
#[derive(Debug)]
pub struct Scorer {
    node: ScoreNode,
    tokens: Vec<Token>,
    fixed: Option<f32>,
    stats: OnceLock<Stats>,
}

impl Scorer {
    /// Of a query.
    ///
    /// # Errors
    /// A pattern of the query is none.
    pub fn of(query: &Query) -> Result<Arc<Self>, QueryError> {
        let mut tokens = Vec::new();
        let node = ScoreNode::of(query, &mut tokens)?;
        let fixed = node.fixed();
        Ok(Arc::new(Self { node, tokens, fixed, stats: OnceLock::new() }))
    }

    /// The score of every record that matches, if it is the same: then nothing is computed.
    pub fn fixed(&self) -> Option<f32> {
        self.fixed
    }

    /// The fields besides those of the query that are read for scores.
    pub fn fields(&self) -> Vec<&str> {
        let mut out = Vec::new();
        fields_of(&self.node, &mut out);
        out
    }

    /// Counts what scores need to know of all records, if that has not been done.
    ///
    /// # Errors
    /// The search was stopped.
    pub fn prepare(
        &self,
        whole: Whole<'_>,
        (run, pool): (&Run, &ThreadPool),
    ) -> Result<(), LeafError> {
        if self.fixed.is_none() && self.stats.get().is_none() {
            let stats = match self.tokens.is_empty() {
                true => Stats::default(),
                false => stats::collect(&self.tokens, whole, (run, pool))?,
            };
            let _ = self.stats.set(stats);
        }
        Ok(())
    }

    /// The scores of rows that match.
    ///
    /// # Errors
    /// The split cannot be read, a limit is reached, or the search was stopped.
    pub fn scores(&self, segment: Segment<'_>, rows: &RowSet) -> Result<Scores, LeafError> {
        self.scoring(segment, &Stats::default()).scores(&self.node, rows)
    }

    fn scoring<'a>(&'a self, segment: Segment<'a>, none: &'a Stats) -> Scoring<'a> {
        Scoring { segment, stats: self.stats.get().unwrap_or(none) }
    }

    /// Why a row has its score; `None` when it does not match.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn explain(
        &self,
        segment: Segment<'_>,
        (row, docs): (u32, u32),
    ) -> Result<Option<Explanation>, LeafError> {
        let set = RowSet::range(docs, row..row + 1);
        let none = Stats::default();
        self.scoring(segment, &none).explain(&self.node, Chosen { set: &set, list: &[row] })
    }
}

fn fields_of<'n>(node: &'n ScoreNode, out: &mut Vec<&'n str>) {
    match node {
        ScoreNode::Constant(_) | ScoreNode::Text(_) => {}
        ScoreNode::Sum(sum) => {
            sum.must.iter().chain(&sum.should).for_each(|part| fields_of(part, out));
        }
        ScoreNode::Best(parts, _) => parts.iter().for_each(|part| fields_of(part, out)),
        ScoreNode::Less(inner, ..) => fields_of(inner, out),
        ScoreNode::Functions(inner, list, _) => {
            fields_of(inner, out);
            for (_, function) in list {
                if let Function::Field(factor, _) = function {
                    out.push(&factor.field);
                }
            }
        }
    }
}
