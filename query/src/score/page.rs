//! What is said of the hits of a page besides their sources? Scores, the named queries that they
//! match, and why they have their scores.
//!
//! Looks only at the records of the page, grouped by segment.

use std::collections::BTreeMap;

use index::read::{RowSet, Snapshot};

use super::{Explanation, Scorer};
use crate::aggregate::source::Segment;
use crate::ast::Query;
use crate::error::QueryError;
use crate::leaf::{LeafError, LiveView, Memo, Run, SplitEval};
use crate::plan::Node;
use crate::search::order::{Candidate, Place};

/// What is said of a hit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotated {
    /// Its score.
    pub score: Option<f32>,
    /// The named queries that it matches, with the score of each.
    pub matched: Vec<(String, f32)>,
    /// Why it has its score.
    pub explanation: Option<Explanation>,
}

/// A query that has a name.
#[derive(Debug)]
pub struct Named {
    name: String,
    node: Node,
    scorer: std::sync::Arc<Scorer>,
}

impl Named {
    /// The queries with names in a query.
    ///
    /// # Errors
    /// A pattern of the query is none.
    pub fn of(query: &Query) -> Result<Vec<Named>, QueryError> {
        let mut out = Vec::new();
        collect(query, &mut out)?;
        Ok(out)
    }

    /// How its scores are made.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }
}

fn collect(query: &Query, out: &mut Vec<Named>) -> Result<(), QueryError> {
    match query {
        Query::Bool(b) => {
            for part in b.must.iter().chain(&b.should).chain(&b.must_not) {
                collect(part, out)?;
            }
        }
        Query::Scored(scored) => {
            if let Some(name) = &scored.name {
                let (node, scorer) = (Node::of(&scored.query)?, Scorer::of(&scored.query)?);
                out.push(Named { name: name.clone(), node, scorer });
            }
            collect(&scored.query, out)?;
        }
        _ => {}
    }
    Ok(())
}

/// What to say of hits.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Their scores, and why they have them where the flag says so.
    pub scorer: Option<(&'a Scorer, bool)>,
    /// The named queries that they match; with their scores where the flag says so.
    pub named: (&'a [Named], bool),
}

/// What is said of the hits, in their order.
///
/// # Errors
/// A limit is reached or the search was stopped; of a split that cannot be read nothing is said.
pub fn annotate(
    asked: Asked<'_>,
    snapshot: &Snapshot,
    candidates: &[Candidate],
    run: &Run,
) -> Result<Vec<Annotated>, LeafError> {
    let mut out = vec![Annotated::default(); candidates.len()];
    if let (Some((scorer, false)), [], Some(score)) =
        (asked.scorer, asked.named.0, asked.scorer.and_then(|(s, _)| s.fixed()))
    {
        let _ = scorer;
        out.iter_mut().for_each(|hit| hit.score = Some(score));
        return Ok(out);
    }
    if asked.scorer.is_none() && asked.named.0.is_empty() {
        return Ok(out);
    }
    // By segment the places of its hits.
    let mut places: BTreeMap<(bool, u32), Vec<(u32, usize)>> = BTreeMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let (segment, row) = match candidate.place {
            Place::Live(batch, row) => ((false, batch), row),
            Place::Split(split, row) => ((true, split), row),
        };
        places.entry(segment).or_default().push((row, at));
    }
    for ((is_split, number), mut hits) in places {
        hits.sort_unstable();
        let mut say =
            |segment: Segment<'_>, docs: u32| one(asked, segment, (docs, &hits), &mut out);
        let said = match is_split {
            true => snapshot.splits[number as usize].open().map_err(LeafError::from).and_then(
                |reader| {
                    let (memo, text_fields) = (Memo::default(), &*snapshot.text_fields);
                    let eval = SplitEval { reader: &reader, text_fields, run, memo: &memo };
                    say(Segment::Split(eval), reader.docs())
                },
            ),
            false => {
                let batch = &snapshot.live[number as usize];
                let view = LiveView::new(batch, snapshot.node, &snapshot.text_fields);
                say(Segment::Live(view, run), view.batch.records().len() as u32)
            }
        };
        match said {
            Ok(()) | Err(LeafError::Read(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// Says it of the hits of one segment: rows, rising, with the hits' places.
fn one(
    asked: Asked<'_>,
    segment: Segment<'_>,
    (docs, hits): (u32, &[(u32, usize)]),
    out: &mut [Annotated],
) -> Result<(), LeafError> {
    let mut rows = RowSet::none(docs);
    hits.iter().for_each(|(row, _)| rows.insert(*row));
    if let Some((scorer, explain)) = asked.scorer {
        let scores = scorer.scores(segment, &rows)?;
        for (row, at) in hits {
            out[*at].score = Some(scores.of(*row));
            if explain {
                out[*at].explanation = scorer.explain(segment, (*row, docs))?;
            }
        }
    }
    for named in asked.named.0 {
        let matching = match &segment {
            Segment::Split(eval) => eval.rows(&named.node, &rows)?,
            Segment::Live(view, _) => {
                let node = view.prepare(&named.node);
                let mut found = RowSet::none(docs);
                for (row, _) in hits {
                    if view.passes(&node, *row, &view.batch.records()[*row as usize]) {
                        found.insert(*row);
                    }
                }
                found
            }
        };
        let scores = match asked.named.1 {
            true => Some(named.scorer.scores(segment, &matching)?),
            false => None,
        };
        for (row, at) in hits.iter().filter(|(row, _)| matching.contains(*row)) {
            let score = scores.as_ref().map_or(0.0, |scores| scores.of(*row));
            out[*at].matched.push((named.name.clone(), score));
        }
    }
    Ok(())
}
