//! What scores do rows of a segment have? The tree of scores over sets of rows, group by group.
//!
//! Knows no orders of hits and no other segments.

use std::ops::Range;

use index::read::RowSet;
use model::record::Value;

use super::bm25::{SCALE, Weight, average, idf};
use super::count::{self, Counts};
use super::functions;
use super::plan::{ScoreNode, Sum, Term, TextScore};
use super::stats::{Stats, is_text};
use crate::aggregate::source::Segment;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::test::View;

/// No score: the record does not match.
pub(super) const NO_MATCH: f32 = f32::NAN;
/// Rows of a live batch that are scored at once.
const LIVE_ROWS: u32 = 1 << 14;

/// Rows, rising, with their scores.
#[derive(Debug, Default)]
pub struct Scores {
    rows: Vec<u32>,
    scores: Vec<f32>,
}

impl Scores {
    /// The score of a row.
    pub fn of(&self, row: u32) -> f32 {
        self.rows.binary_search(&row).ok().map_or(0.0, |at| self.scores[at])
    }

    /// The best score of some of the rows.
    pub fn best(&self, of: &RowSet) -> Option<f32> {
        let scores = self.rows.iter().zip(&self.scores).filter(|(row, _)| of.contains(**row));
        scores.map(|(_, score)| *score).reduce(f32::max)
    }

    /// The rows with at least this score.
    pub fn at_least(&self, least: f32, docs: u32) -> RowSet {
        let mut out = RowSet::none(docs);
        for (row, score) in self.rows.iter().zip(&self.scores) {
            if *score >= least {
                out.insert(*row);
            }
        }
        out
    }
}

/// One segment with what scores need to know.
pub(super) struct Scoring<'a> {
    pub(super) segment: Segment<'a>,
    pub(super) stats: &'a Stats,
}

/// Rows under one step: as a set and as a list.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'r> {
    pub(super) set: &'r RowSet,
    pub(super) list: &'r [u32],
}

impl Chosen<'_> {
    /// The place of a row in the list.
    fn at(&self, row: u32) -> Option<usize> {
        self.list.binary_search(&row).ok()
    }
}

impl Scoring<'_> {
    /// The scores of rows that match.
    pub(super) fn scores(&self, node: &ScoreNode, rows: &RowSet) -> Result<Scores, LeafError> {
        let count = rows.count() as usize;
        self.segment.run().charge(count * 8)?;
        let mut out = Scores { rows: Vec::with_capacity(count), scores: Vec::with_capacity(count) };
        for run in self.runs(rows) {
            let mut set = rows.clone();
            set.clip(run);
            if set.is_empty() {
                continue;
            }
            self.segment.run().check()?;
            let list: Vec<u32> = set.iter().collect();
            let scores = self.part(node, Chosen { set: &set, list: &list }, true)?;
            out.rows.extend(list);
            out.scores.extend(scores);
        }
        Ok(out)
    }

    /// The runs of rows that are scored at once.
    fn runs(&self, rows: &RowSet) -> Vec<Range<u32>> {
        match &self.segment {
            Segment::Split(eval) => eval.reader.groups().to_vec(),
            Segment::Live(..) => (0..rows.docs())
                .step_by(LIVE_ROWS as usize)
                .map(|from| from..from.saturating_add(LIVE_ROWS).min(rows.docs()))
                .collect(),
        }
    }

    /// The rows that match.
    pub(super) fn matching(&self, node: &Node, rows: Chosen<'_>) -> Result<RowSet, LeafError> {
        match &self.segment {
            _ if matches!(node, Node::All) => Ok(rows.set.clone()),
            Segment::Split(eval) => eval.rows(node, rows.set),
            Segment::Live(view, _) => {
                let node = view.prepare(node);
                let mut out = RowSet::none(rows.set.docs());
                for row in rows.list {
                    if view.passes(&node, *row, &view.batch.records()[*row as usize]) {
                        out.insert(*row);
                    }
                }
                Ok(out)
            }
        }
    }

    /// The score of each row of the list; `sure`: all of them match.
    pub(super) fn part(
        &self,
        node: &ScoreNode,
        rows: Chosen<'_>,
        sure: bool,
    ) -> Result<Vec<f32>, LeafError> {
        match node {
            ScoreNode::Constant(constant) if sure => Ok(vec![constant.score; rows.list.len()]),
            ScoreNode::Constant(constant) => {
                let found = self.matching(&constant.node, rows)?;
                let score =
                    |row: &u32| if found.contains(*row) { constant.score } else { NO_MATCH };
                Ok(rows.list.iter().map(score).collect())
            }
            ScoreNode::Text(text) => self.text(text, rows, sure),
            ScoreNode::Sum(sum) => self.sum(sum, rows, sure),
            ScoreNode::Best(parts, tie) => {
                let parts = self.parts(parts, rows, sure && parts.len() == 1)?;
                let each = |at: usize| parts.iter().map(move |scores| scores[at]);
                Ok((0..rows.list.len()).map(|at| best(each(at), *tie)).collect())
            }
            ScoreNode::Less(inner, negative, times) => {
                let mut out = self.part(inner, rows, sure)?;
                let found = self.matching(negative, rows)?;
                for (row, score) in rows.list.iter().zip(&mut out) {
                    if found.contains(*row) {
                        *score *= times;
                    }
                }
                Ok(out)
            }
            ScoreNode::Functions(inner, list, how) => {
                let scores = self.part(inner, rows, sure)?;
                functions::apply(self, (list, how), rows, scores)
            }
        }
    }

    fn parts(
        &self,
        parts: &[ScoreNode],
        rows: Chosen<'_>,
        sure: bool,
    ) -> Result<Vec<Vec<f32>>, LeafError> {
        parts.iter().map(|part| self.part(part, rows, sure)).collect()
    }

    fn sum(&self, sum: &Sum, rows: Chosen<'_>, sure: bool) -> Result<Vec<f32>, LeafError> {
        let must = self.parts(&sum.must, rows, sure)?;
        let should = self.parts(&sum.should, rows, false)?;
        let mut denied = RowSet::none(rows.set.docs());
        if !sure {
            for node in &sum.must_not {
                denied.or(&self.matching(node, rows)?);
            }
        }
        let score = |(at, row): (usize, &u32)| {
            let each =
                |parts: &[Vec<f32>]| parts.iter().map(|scores| scores[at]).collect::<Vec<_>>();
            let (must, should) = (each(&must), each(&should));
            let found = should.iter().filter(|score| !score.is_nan()).count();
            let matches = !must.iter().any(|score| score.is_nan())
                && found >= sum.minimum
                && !denied.contains(*row);
            if sure || matches { added(&must, &should) } else { NO_MATCH }
        };
        Ok(rows.list.iter().enumerate().map(score).collect())
    }

    fn text(&self, text: &TextScore, rows: Chosen<'_>, sure: bool) -> Result<Vec<f32>, LeafError> {
        let mut out = vec![NO_MATCH; rows.list.len()];
        let mut take = |row: u32, score: f32| {
            if let Some(at) = rows.at(row) {
                out[at] = out[at].max(score);
            }
        };
        match &self.segment {
            Segment::Split(eval) => {
                let columns = eval.columns_of(&text.field)?;
                let sure = sure && columns.len() == 1;
                for (info, column, view) in columns {
                    let asked = ((info, &*column), (&text.field.test, view));
                    let found = match sure {
                        true => rows.set.clone(),
                        false => eval.column_rows(asked.0, asked.1, rows.set)?,
                    };
                    if found.is_empty() {
                        continue;
                    }
                    if !is_text(&column, view) {
                        found.iter().for_each(|row| take(row, text.boost));
                        continue;
                    }
                    let weights = self.weights(text, &info.path);
                    let visit = &mut |row: u32, counts: &Counts| take(row, words(&weights, counts));
                    count::for_each_row(&column, &text.terms, (&found, eval.run), visit)?;
                }
            }
            Segment::Live(view, _) => {
                let any = text.field.target == crate::ast::Target::Any;
                for (path, how) in view.paths_of(&text.field.target) {
                    let weights = self.weights(text, &view.batch.paths()[path as usize]);
                    for row in rows.list {
                        let record = &view.batch.records()[*row as usize];
                        let passes = |v: &Value<'_>| match any {
                            true => text.field.test.matches_any(*v, how),
                            false => text.field.test.matches(*v, how),
                        };
                        let mut passing = view.batch.values(record, path).filter(passes).peekable();
                        if passing.peek().is_none() {
                            continue;
                        }
                        let mut scalar = false;
                        let mut string = false;
                        passing.for_each(|v| match v {
                            Value::Str(_) => string = true,
                            _ => scalar = true,
                        });
                        if scalar || how == View::Keyword {
                            take(*row, text.boost);
                        }
                        if string
                            && how != View::Keyword
                            && let Some(counts) = count::of_record(view, (*row, path), &text.terms)
                        {
                            take(*row, words(&weights, &counts));
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    /// What the words of a text weigh in a field.
    pub(super) fn weights(&self, text: &TextScore, path: &str) -> Vec<Weight> {
        text.terms.iter().map(|term| self.weight(term, (text.boost, path))).collect()
    }

    fn weight(&self, term: &Term, (boost, path): (f32, &str)) -> Weight {
        let field = self.stats.field(path);
        let each = term.tokens.iter().map(|token| idf(self.stats.found(*token, path), field.docs));
        Weight {
            boost: boost * SCALE,
            idf: each.sum::<f64>() as f32,
            average: average(field.tokens, field.docs),
        }
    }
}

/// The score of a text's words.
pub(super) fn words(weights: &[Weight], counts: &Counts) -> f32 {
    let mut sum = 0.0f64;
    for at in 0..weights.len() {
        sum += f64::from(word(weights, counts, at).map_or(0.0, |(_, score)| score));
    }
    sum as f32
}

/// What one word weighs in a text, and its score, if it is there.
pub(super) fn word(weights: &[Weight], counts: &Counts, at: usize) -> Option<(Weight, f32)> {
    let (frequency, likeness) = (counts.frequency[at], counts.likeness[at]);
    let weight = Weight { boost: weights[at].boost * likeness, ..weights[at] };
    (frequency > 0.0).then(|| (weight, weight.score(frequency, counts.length)))
}

/// Scores added up as Lucene does: what must match and what may, each in double precision.
pub(super) fn added(must: &[f32], should: &[f32]) -> f32 {
    let sum = |list: &[f32]| {
        list.iter().filter(|s| !s.is_nan()).map(|s| f64::from(*s)).sum::<f64>() as f32
    };
    sum(must) + sum(should)
}

/// The best score, and so many times the others.
pub(super) fn best(scores: impl Iterator<Item = f32>, tie: f32) -> f32 {
    let (mut most, mut others) = (NO_MATCH, 0.0f64);
    for score in scores.filter(|score| !score.is_nan()) {
        if most.is_nan() || score > most {
            others += if most.is_nan() { 0.0 } else { f64::from(most) };
            most = score;
        } else {
            others += f64::from(score);
        }
    }
    (f64::from(most) + others * f64::from(tie)) as f32
}
