//! What does a `simple_query_string` ask? Elasticsearch's forgiving language without fields.
//!
//! `+` and, `|` or, `-` not, `"…"` phrase with `~slop`, `word*` prefix, parentheses. What makes
//! no sense is left out, as Elasticsearch does; only limits and fuzzy terms are errors.

use model::token;

use super::scan::{Scan, error};
use super::{Operator, Options};
use crate::ast::{BoolQuery, Query, Target, TextTest};
use crate::clause::{Clauses, Needed, Pattern, boolean, minimum};
use crate::error::QueryError;

/// Reads a `simple_query_string` at a depth of nesting that is already used.
///
/// # Errors
/// It is over a limit, or has fuzzy terms.
pub fn parse(
    text: &str,
    options: &Options,
    clauses: &mut Clauses<'_>,
    depth: usize,
) -> Result<Query, QueryError> {
    let mut simple = Simple { scan: Scan { text, at: 0 }, options, clauses };
    let (query, _) = simple.sequence(depth, false)?;
    let Some(query) = query else { return Ok(Query::None) };
    match (query, &options.minimum_should) {
        (Query::Bool(mut query), Some(spec)) if query.must.is_empty() => {
            query.minimum_should = minimum(spec, query.should.len())?.max(1);
            Ok(boolean(*query))
        }
        (query, _) => Ok(query),
    }
}

struct Simple<'a, 'b, 'c> {
    scan: Scan<'a>,
    options: &'a Options,
    clauses: &'b mut Clauses<'c>,
}

impl Simple<'_, '_, '_> {
    /// Clauses up to the end or the `)` of an open group: from left to right, a change of
    /// operator wraps what came before. Also says whether the group was closed.
    fn sequence(&mut self, depth: usize, group: bool) -> Result<(Option<Query>, bool), QueryError> {
        self.clauses.budget.nest(depth)?;
        let mut clauses: Vec<Query> = Vec::new();
        let mut bound_by = self.options.default_operator;
        let mut next = None;
        let mut negated = false;
        loop {
            self.scan.skip_space();
            let Some(c) = self.scan.peek() else { break };
            let found = match c {
                '+' | '|' | '-' => {
                    self.scan.at += 1;
                    match c {
                        '-' => negated = !negated,
                        '+' => next = Some(Operator::And),
                        _ => next = Some(Operator::Or),
                    }
                    continue;
                }
                ')' => {
                    self.scan.at += 1;
                    if group {
                        return Ok((join(clauses, bound_by), true));
                    }
                    continue;
                }
                '(' => {
                    self.scan.at += 1;
                    let before = self.scan;
                    let (query, closed) = self.sequence(depth + 1, true)?;
                    if !closed {
                        // A lone `(` says nothing. What follows it was read to the end.
                        self.scan = Scan { at: self.scan.text.len(), ..before };
                    }
                    query
                }
                '"' => self.phrase()?,
                _ => self.word()?,
            };
            let Some(mut query) = found else { continue };
            if std::mem::take(&mut negated) {
                query = query.negate();
            }
            let operator = next.take().unwrap_or(self.options.default_operator);
            if clauses.len() > 1 && operator != bound_by {
                clauses = join(std::mem::take(&mut clauses), bound_by).into_iter().collect();
            }
            if !clauses.is_empty() {
                bound_by = operator;
            }
            clauses.push(query);
        }
        Ok((join(clauses, bound_by), false))
    }

    fn any(
        &mut self,
        mut make: impl FnMut(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
    ) -> Result<Option<Query>, QueryError> {
        let fields = &self.options.fields;
        let each: Result<Vec<_>, _> =
            fields.iter().map(|f| make(self.clauses, f.clone())).collect();
        each.map(|each| Some(Query::any_of(each)))
    }

    fn phrase(&mut self) -> Result<Option<Query>, QueryError> {
        self.scan.at += 1;
        let start = self.scan;
        let Ok(word) = self.scan.phrase() else {
            // Without its end, the quote is left out.
            self.scan = start;
            return Ok(None);
        };
        let mut slop = self.options.phrase_slop;
        if self.scan.take("~") {
            slop = self.scan.number().parse().unwrap_or(slop);
        }
        if token::spans(&word.text).next().is_none() {
            return Ok(None);
        }
        self.any(|c, f| c.phrase(f, &word.text, (slop, false)))
    }

    fn word(&mut self) -> Result<Option<Query>, QueryError> {
        let from = self.scan.at;
        let word = match self.scan.word("\"|+()") {
            Ok(word) => word,
            // A `\` at the very end.
            Err(_) => {
                self.scan.at = self.scan.text.len();
                return Ok(None);
            }
        };
        if let Some((_, distance)) = word.text.rsplit_once('~')
            && distance.bytes().all(|b| b.is_ascii_digit())
            && distance != "0"
        {
            let reason = "fuzzy terms (`~`) are not supported in this version: use wildcards";
            return Err(error(reason, (from, self.scan.at)));
        }
        if word.pattern == "*" {
            return self.any(|c, f| match f {
                Target::Any => Ok(Query::All),
                f => c.exists(f),
            });
        }
        if word.pattern.ends_with('*') && !word.pattern.ends_with("\\*") {
            let text = word.text[..word.text.len() - 1].to_owned();
            let text = TextTest { text, fold: true };
            return self.any(|c, f| c.pattern(f, Pattern::Prefix, text.clone()));
        }
        if token::spans(&word.text).next().is_none() {
            return Ok(None);
        }
        self.any(|c, f| c.words(f, &word.text, &Needed::All))
    }
}

fn join(clauses: Vec<Query>, operator: Operator) -> Option<Query> {
    if clauses.is_empty() {
        return None;
    }
    Some(match operator {
        Operator::And => boolean(BoolQuery { must: clauses, ..BoolQuery::default() }),
        Operator::Or => Query::any_of(clauses),
    })
}
