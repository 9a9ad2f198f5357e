//! What does the end of a range mean? Times where they are meant, and the record's own time.

use model::time::{TimeRange, Timestamp};

use super::{Clauses, Ends, Mismatch, text_of};
use crate::ast::{Bound, Literal, Query};
use crate::dates::{Formats, Rounding};
use crate::error::QueryError;

impl Clauses<'_> {
    /// One end; `including` is how a time is rounded when the end belongs to the range.
    pub(super) fn bound(
        &self,
        end: &Option<(Literal, bool)>,
        including: Rounding,
    ) -> Result<Bound, QueryError> {
        let Some((value, included)) = end else { return Ok(Bound::Open) };
        let rounding = rounding(including, *included);
        let value = self.time_literal(value, rounding)?;
        Ok(if *included { Bound::Included(value) } else { Bound::Excluded(value) })
    }

    /// The literal, as a time where it is surely meant as one.
    fn time_literal(&self, value: &Literal, rounding: Rounding) -> Result<Literal, QueryError> {
        let text = text_of(value);
        let number = matches!(value, Literal::Int(_) | Literal::Float(_) | Literal::Bool(_));
        let default = self.dates.formats == Formats::default();
        let math = !number && (text.starts_with("now") || text.contains("||"));
        let looks = !number && text.len() >= 10 && text.as_bytes()[4] == b'-';
        if !(math || looks || !default) {
            return Ok(value.clone());
        }
        match self.dates.read(&text, rounding) {
            Ok(at) => Ok(Literal::Time(at, text)),
            // Text may begin so; what the client gives a format for may not.
            Err(error) if !default && self.mismatch == Mismatch::Fail => Err(error),
            Err(_) => Ok(value.clone()),
        }
    }

    /// A range of the record's own time.
    pub(super) fn time(&mut self, ends: &Ends) -> Result<Query, QueryError> {
        let mut range = TimeRange::ALL;
        let mut empty = false;
        for (end, including) in [(&ends.lower, Rounding::Down), (&ends.upper, Rounding::Up)] {
            let Some((value, included)) = end else { continue };
            let at = match self.dates.read(&text_of(value), rounding(including, *included)) {
                Ok(at) => at,
                Err(_) if self.mismatch == Mismatch::NoMatch => return Ok(Query::None),
                Err(error) => return Err(error),
            };
            // `gt` starts after the instant, `lte` ends after it.
            let after = match including {
                Rounding::Down => !*included,
                Rounding::Up => *included,
            };
            empty |= at.0 == i64::MAX && after && including == Rounding::Down;
            let at = if after { Timestamp(at.0.saturating_add(1)) } else { at };
            match including {
                Rounding::Down => range.from = at,
                Rounding::Up => range.to = at,
            }
        }
        Ok(if empty || range.is_empty() {
            Query::None
        } else if range == TimeRange::ALL {
            Query::All
        } else {
            Query::Time(range)
        })
    }
}

fn rounding(including: Rounding, included: bool) -> Rounding {
    match (including, included) {
        (Rounding::Down, true) | (Rounding::Up, false) => Rounding::Down,
        (Rounding::Down, false) | (Rounding::Up, true) => Rounding::Up,
    }
}
