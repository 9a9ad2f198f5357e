//! What does a `simple_query_string` ask? Elasticsearch's forgiving language without fields.
//!
//! `+` and, `|` or, `-` not, `"…"` phrase with `~slop`, `word*` prefix, `word~` nearly, parentheses. What makes
//! no sense is left out, as Elasticsearch does; only limits are errors.

use model::token;

use super::lower::{edits, quoted};
use super::scan::{Scan, Word};
use super::{Flags, Operator, Options};
use crate::ast::{BoolQuery, Query, Target, TextTest};
use crate::clause::{Clauses, Needed, Pattern, boolean, minimum};
use crate::error::QueryError;

/// Reads a `simple_query_string` at a depth of nesting that is already used.
///
/// # Errors
/// It is over a limit.
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
                '+' | '|' | '-' if self.operates(c) => {
                    self.scan.at += 1;
                    match c {
                        '-' => negated = !negated,
                        '+' => next = Some(Operator::And),
                        _ => next = Some(Operator::Or),
                    }
                    continue;
                }
                ')' if self.operates(c) => {
                    self.scan.at += 1;
                    if group {
                        return Ok((join(clauses, bound_by), true));
                    }
                    continue;
                }
                '(' if self.operates(c) => {
                    self.scan.at += 1;
                    let before = self.scan;
                    let (query, closed) = self.sequence(depth + 1, true)?;
                    if !closed {
                        // A lone `(` says nothing. What follows it was read to the end.
                        self.scan = Scan { at: self.scan.text.len(), ..before };
                    }
                    query
                }
                '"' if self.operates(c) => self.phrase()?,
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

    /// Whether a character is an operator.
    fn operates(&self, c: char) -> bool {
        let flag = match c {
            '+' => Flags::AND,
            '|' => Flags::OR,
            '-' => Flags::NOT,
            '"' => Flags::PHRASE,
            _ => Flags::PRECEDENCE,
        };
        self.options.flags.has(flag)
    }

    fn any(
        &mut self,
        mut make: impl FnMut(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
    ) -> Result<Option<Query>, QueryError> {
        let fields = &self.options.fields;
        let each = fields
            .iter()
            .map(|(field, boost)| make(self.clauses, field.clone()).map(|q| q.times(*boost)));
        let each = each.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Query::best_of(each, 1.0)))
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
        if self.options.flags.has(Flags::NEAR) && self.scan.take("~") {
            slop = self.scan.number().parse().unwrap_or(slop);
        }
        if token::spans(&word.text).next().is_none() {
            return Ok(None);
        }
        let suffix = self.options.quote_suffix.as_deref();
        self.any(|c, f| c.phrase(quoted(f, suffix), &word.text, (slop, false)))
    }

    fn word(&mut self) -> Result<Option<Query>, QueryError> {
        let flags = self.options.flags;
        let stops: String = "\"|+()".chars().filter(|c| self.operates(*c)).collect();
        let Some(word) = self.next_word(&stops) else { return Ok(None) };
        if let Some((text, distance)) = word.text.rsplit_once('~')
            && flags.has(Flags::FUZZY)
            && distance.bytes().all(|b| b.is_ascii_digit())
            && token::spans(text).next().is_some()
        {
            let edits = edits(distance, text, &self.options.edits)?;
            let how = (Some(&edits), false);
            return self.any(|c, f| c.loose_words(f, text, &Needed::All, how));
        }
        let prefix = flags.has(Flags::PREFIX);
        if word.pattern == "*" && prefix {
            return self.any(|c, f| match f {
                Target::Any => Ok(Query::All),
                f => c.exists(f).map(|query| query.constant(1.0)),
            });
        }
        if prefix && word.pattern.ends_with('*') && !word.pattern.ends_with("\\*") {
            let text = word.text[..word.text.len() - 1].to_owned();
            let text = TextTest { text, fold: true };
            return self.any(|c, f| c.pattern(f, Pattern::Prefix, text.clone()));
        }
        if token::spans(&word.text).next().is_none() {
            return Ok(None);
        }
        self.any(|c, f| c.words(f, &word.text, &Needed::All))
    }

    /// A word; one that has no operators in it and does not end at spaces is all of the text.
    fn next_word(&mut self, stops: &str) -> Option<Word> {
        let flags = self.options.flags;
        if flags.has(Flags::ESCAPE) && flags.has(Flags::WHITESPACE) {
            // A `\` at the very end is no escape.
            let word = self.scan.word(stops).ok();
            if word.is_none() {
                self.scan.at = self.scan.text.len();
            }
            return word;
        }
        let from = self.scan.at;
        let mut out =
            Word { text: String::new(), pattern: String::new(), wildcards: 0, span: (from, from) };
        while let Some(c) = self.scan.peek() {
            if c.is_whitespace() && flags.has(Flags::WHITESPACE) || stops.contains(c) {
                break;
            }
            self.scan.at += c.len_utf8();
            let next = match c {
                '\\' if flags.has(Flags::ESCAPE) => self.scan.peek(),
                _ => None,
            };
            if let Some(next) = next {
                self.scan.at += next.len_utf8();
                out.pattern.push('\\');
            }
            let c = next.unwrap_or(c);
            out.text.push(c);
            out.pattern.push(c);
        }
        Some(out)
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
