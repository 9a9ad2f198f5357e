//! How do scores enter a search? Whether they are wanted at all, for its order, for who has enough,
//! and for what is said of hits.
//!
//! Knows no segments but through [`Scorer`].

use std::sync::Arc;

use index::read::{RowSet, Snapshot};
use rayon::ThreadPool;

use super::execute::Task;
use super::order::{Candidate, Ranked, SortValue};
use crate::aggregate::source::Segment;
use crate::answer::Hit;
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, Run};
use crate::merge::Merged;
use crate::request::{SearchRequest, SortBy};
use crate::score::{Asked, Named, Scorer, Scores, Whole, annotate};

/// What a search wants of scores.
#[derive(Debug, Default)]
pub struct Rank {
    /// How hits are scored, if that is asked.
    pub scorer: Option<Arc<Scorer>>,
    /// Records with a lower score do not match, where scores differ.
    pub min_score: Option<f32>,
    /// The best score of all is told, although another order finds the first hits sooner.
    pub best: bool,
    explain: bool,
    named: Vec<Named>,
    named_scores: bool,
}

impl Rank {
    /// Of a request, with how it enters the order of hits.
    ///
    /// # Errors
    /// A pattern of the query is none.
    pub fn of(request: &SearchRequest) -> Result<(Self, Ranked), QueryError> {
        let ranking = &request.ranking;
        let scored = request.sort.is_empty()
            || ranking.track
            || ranking.explain
            || request.sort.iter().any(|key| key.by == SortBy::Score);
        let scorer = match request.size > 0 && scored || ranking.min_score.is_some() {
            true => Some(Scorer::of(&request.query)?),
            false => None,
        };
        let mut min_score = ranking.min_score;
        let ranked = match scorer.as_ref().map(|scorer| scorer.fixed()) {
            Some(None) => Ranked::ByScore,
            fixed => {
                let score = fixed.flatten().unwrap_or(0.0);
                match min_score.take().is_some_and(|least| score < least) {
                    true => Ranked::None,
                    false => Ranked::Same(score),
                }
            }
        };
        let named = if request.size > 0 { Named::of(&request.query)? } else { Vec::new() };
        let (explain, named_scores) = (ranking.explain, ranking.named);
        let best = ranking.best && !request.sort.is_empty() && ranked == Ranked::ByScore;
        Ok((Self { scorer, min_score, best, explain, named, named_scores }, ranked))
    }

    /// Whether every record that matches is scored.
    pub fn scores_all(&self) -> bool {
        self.best || self.min_score.is_some()
    }
}

impl Task {
    /// Counts what scores need to know of all records.
    ///
    /// # Errors
    /// The search was stopped.
    pub fn prepare(&self, snapshot: &Snapshot, on: (&Run, &ThreadPool)) -> Result<(), LeafError> {
        let named = self.rank.named.iter().filter(|_| self.rank.named_scores).map(Named::scorer);
        let mut all = self.rank.scorer.as_deref().into_iter().chain(named);
        let known = self.partials.as_deref();
        let whole = Whole { indexes: &self.indexes, snapshot, known };
        all.try_for_each(|scorer| scorer.prepare(whole, on))
    }

    /// The scores of rows that match, where hits are in their order or must have enough.
    ///
    /// # Errors
    /// The split cannot be read, a limit is reached, or the search was stopped.
    pub fn scores(
        &self,
        segment: Segment<'_>,
        rows: &RowSet,
        wanted: usize,
    ) -> Result<Option<Scores>, LeafError> {
        let needed = wanted > 0 && self.order.has_score() || self.rank.scores_all();
        match self.rank.scorer.as_ref().filter(|scorer| needed && scorer.fixed().is_none()) {
            Some(scorer) if !rows.is_empty() => scorer.scores(segment, rows).map(Some),
            _ => Ok(None),
        }
    }

    /// Says of the hits of a page what is asked besides their documents; tells whether the time
    /// was over before that.
    ///
    /// # Errors
    /// A limit is reached, or the search was stopped.
    pub fn say(
        &self,
        (snapshot, run): (&Snapshot, &Run),
        candidates: &[Candidate],
        hits: &mut [Hit],
    ) -> Result<bool, QueryError> {
        let asked = Asked {
            scorer: self.rank.scorer.as_deref().map(|scorer| (scorer, self.rank.explain)),
            named: (&self.rank.named, self.rank.named_scores),
        };
        let said = match annotate(asked, snapshot, candidates, run) {
            Ok(said) => said,
            Err(LeafError::TimedOut) => return Ok(true),
            Err(LeafError::Query(error)) => return Err(error),
            Err(error) => return Err(QueryError::of(ErrorKind::Internal, error.to_string())),
        };
        // A hit whose split could not be read is missing.
        let mut said = candidates.iter().map(|candidate| candidate.seq).zip(said);
        for hit in hits {
            if let Some((_, said)) = said.by_ref().find(|(seq, _)| *seq == hit.seq.0) {
                *hit.said = said;
            }
        }
        Ok(false)
    }

    /// The best score, when scores are the order of hits.
    pub fn max_score(&self, merged: &Merged) -> Option<f32> {
        if self.rank.best {
            return merged.best;
        }
        let first = merged.candidates.first()?;
        match self.rank.scorer.as_ref()?.fixed() {
            Some(score) => Some(score),
            None => match &first.first {
                SortValue::Number(score) if self.order.keys[0].by == SortBy::Score => {
                    Some(score.as_f64() as f32)
                }
                _ => None,
            },
        }
    }
}
