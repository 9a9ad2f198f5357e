//! What does a clause about a field mean? The lowering that all query languages share.
//!
//! Words become tokens, times become time ranges, `_index` and `_id` their own queries. Knows
//! no syntax: neither JSON nor query strings.

mod budget;
mod fuzziness;
mod minimum;
pub(crate) mod show;
#[cfg(test)]
mod tests;
mod time;

use model::token;

use crate::ast::{
    BoolQuery, FieldQuery, FuzzyTest, Literal, Query, Scoring, Target, TermTest, Test, TextTest,
};
use crate::dates::{Dates, Rounding};
use crate::error::QueryError;
use crate::test::address::Addresses;

pub use self::budget::{Budget, Limits};
pub use self::fuzziness::Edits;
pub use self::minimum::minimum;

/// What to do with a value that a field of this type cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// An error.
    Fail,
    /// It matches nothing (`lenient`).
    NoMatch,
}

/// How many of the words must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// One.
    Any,
    /// All.
    All,
    /// By Elasticsearch's `minimum_should_match`: `2`, `-1`, `75%`, `2<75%`.
    Spec(String),
}

/// The two ends of a range; the flag says whether the value belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// Lower end.
    pub lower: Option<(Literal, bool)>,
    /// Upper end.
    pub upper: Option<(Literal, bool)>,
}

/// Kinds of text patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The beginning.
    Prefix,
    /// With `*` and `?`.
    Wildcard,
    /// A regular expression.
    Regexp,
}

impl Pattern {
    /// Elasticsearch's name of the query.
    pub fn name(self) -> &'static str {
        match self {
            Pattern::Prefix => "prefix",
            Pattern::Wildcard => "wildcard",
            Pattern::Regexp => "regexp",
        }
    }
}

/// What one clause needs to know besides its own text.
#[derive(Debug)]
pub struct Clauses<'a> {
    /// How times are read.
    pub dates: &'a Dates,
    /// What to do with a value that does not fit.
    pub mismatch: Mismatch,
    /// What is left of the limits.
    pub budget: &'a mut Budget,
}

/// The fields that a name with a boost (`message^2`) means, and the boost.
pub fn weighted(field: &str) -> (Target, f32) {
    match field.rsplit_once('^') {
        Some((name, boost)) => match boost.parse::<f32>() {
            Ok(boost) if boost.is_finite() && boost >= 0.0 => (target(name), boost),
            _ => (target(field), 1.0),
        },
        None => (target(field), 1.0),
    }
}

/// The fields that a name of a query means: `*` is any.
pub fn target(field: &str) -> Target {
    match field {
        "*" | "_all" => Target::Any,
        name if name.contains('*') => Target::Pattern(name.to_owned()),
        name => Target::Path(name.to_owned()),
    }
}

/// Fields that are no fields of the document.
enum Special {
    Index,
    Id,
    Time,
}

fn special(target: &Target) -> Option<Special> {
    match target {
        Target::Path(path) => match path.as_str() {
            "_index" => Some(Special::Index),
            "_id" => Some(Special::Id),
            "@timestamp" => Some(Special::Time),
            _ => None,
        },
        _ => None,
    }
}

fn test(target: Target, test: Test) -> Query {
    Query::Field(FieldQuery { target, test })
}

/// Combines clauses; trivial cases become the clause itself.
pub fn boolean(mut query: BoolQuery) -> Query {
    if query.should.is_empty() && query.minimum_should > 0 {
        return Query::None;
    }
    if query.minimum_should == 0 {
        // Optional clauses only score; what matches nothing never does.
        query.should.retain(|q| *q != Query::None);
    }
    if query.must.len() > 1 {
        // A filter that lets all through says nothing; `match_all` counts 1.
        query.must.retain(|q| !is_idle(q));
    }
    match (query.must.len(), query.should.len(), query.must_not.is_empty()) {
        (0, 0, true) => Query::All,
        (1, 0, true) => query.must.swap_remove(0),
        (0, _, true) if query.minimum_should == 1 => Query::any_of(query.should),
        (0, 0, false) => Query::Bool(Box::new(query)).constant(0.0),
        _ => Query::Bool(Box::new(query)),
    }
}

fn is_idle(query: &Query) -> bool {
    let Query::Scored(scored) = query else { return false };
    let idle = scored.scoring == Scoring::Constant(0.0) && scored.name.is_none();
    idle && scored.query == Query::All
}

/// So many of the clauses as are needed.
pub fn combined(each: Vec<Query>, needed: &Needed) -> Result<Query, QueryError> {
    if each.is_empty() {
        return Ok(Query::None);
    }
    Ok(match needed {
        Needed::All => boolean(BoolQuery { must: each, ..BoolQuery::default() }),
        Needed::Any => Query::any_of(each),
        Needed::Spec(spec) => {
            let minimum_should = minimum(spec, each.len())?.max(1);
            boolean(BoolQuery { should: each, minimum_should, ..BoolQuery::default() })
        }
    })
}

/// The text of a literal, as a client would write it.
pub fn text_of(value: &Literal) -> String {
    match value {
        Literal::Bool(b) => b.to_string(),
        Literal::Int(n) => n.to_string(),
        Literal::Float(f) => f.to_string(),
        Literal::Text(text) | Literal::Time(_, text) => text.clone(),
    }
}

fn folded(text: &str) -> Vec<String> {
    token::tokens(text).map(|t| t.into_owned()).collect()
}

/// A number whose tokens are not its text (`-5`, `1.5`), so that words alone would miss it.
fn odd_number(text: &str) -> Option<Literal> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    if plain || !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.')) {
        return None;
    }
    match text.parse::<i64>() {
        Ok(n) => Some(Literal::Int(n)),
        Err(_) => text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Literal::Float),
    }
}

/// With `words` also the number that the text is, if the words do not say it.
fn or_number(target: Target, text: &str, words: Test) -> Query {
    match odd_number(text) {
        Some(value) => {
            let number = Test::Term(TermTest { value, fold: false });
            Query::best_of(vec![test(target.clone(), words), test(target, number)], 0.0)
        }
        None => test(target, words),
    }
}

impl Clauses<'_> {
    /// There is a value.
    pub fn exists(&mut self, target: Target) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        if special(&target).is_some() {
            return Ok(Query::All);
        }
        // The name of an object means the fields inside of it.
        let inside = match &target {
            Target::Path(path) => Some(Target::Pattern(format!("{path}.*"))),
            _ => None,
        };
        let targets = [Some(target), inside].into_iter().flatten();
        let each: Vec<Query> = targets.map(|t| test(t, Test::Exists)).collect();
        Ok(if each.len() > 1 { Query::any_of(each).constant(1.0) } else { Query::any_of(each) })
    }

    /// The words of `text`, each a phrase of its tokens. Text without tokens matches nothing.
    pub fn words(
        &mut self,
        target: Target,
        text: &str,
        needed: &Needed,
    ) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        if special(&target).is_some() {
            return self.value(target, Literal::Text(text.to_owned()), false);
        }
        if Addresses::of_term(text.trim()).is_some() && text.contains('/') {
            let value = Literal::Text(text.trim().to_owned());
            let network = test(target.clone(), Test::Term(TermTest { value, fold: false }));
            let words = Test::Phrase { tokens: folded(text), prefix: false, slop: 0 };
            return Ok(Query::best_of(vec![test(target, words), network], 0.0));
        }
        let words: Vec<Vec<String>> =
            text.split_whitespace().map(folded).filter(|w| !w.is_empty()).collect();
        self.budget.spend(words.len())?;
        if words.is_empty() {
            return Ok(Query::None);
        }
        let minimum = match needed {
            Needed::Any => 1,
            Needed::All => words.len(),
            Needed::Spec(spec) => minimum(spec, words.len())?.max(1),
        };
        Ok(or_number(target, text, Test::Words { words, minimum }))
    }

    /// The words of `text`, each as near as the edits say. Of the last one the beginning is
    /// enough when `prefix`.
    pub fn loose_words(
        &mut self,
        target: Target,
        text: &str,
        needed: &Needed,
        (edits, prefix): (Option<&Edits>, bool),
    ) -> Result<Query, QueryError> {
        if special(&target).is_some() || edits.is_none() && !prefix {
            return self.words(target, text, needed);
        }
        let words: Vec<Vec<String>> =
            text.split_whitespace().map(folded).filter(|w| !w.is_empty()).collect();
        self.budget.spend(1 + words.len())?;
        let count = words.len();
        let each = words.into_iter().enumerate().map(|(at, mut word)| {
            if prefix && at + 1 == count {
                return Test::Phrase { tokens: word, prefix: true, slop: 0 };
            }
            let near = edits.filter(|_| word.len() == 1).and_then(|e| e.of(&word[0]));
            match near {
                Some((edits, how)) => Test::Fuzzy(FuzzyTest {
                    text: word.swap_remove(0),
                    edits,
                    prefix: how.prefix,
                    transpositions: how.transpositions,
                    token: true,
                }),
                None => Test::Words { words: vec![word], minimum: 1 },
            }
        });
        let each: Vec<Query> = each.map(|one| test(target.clone(), one)).collect();
        combined(each, needed)
    }

    /// Nearly equal to a value.
    pub fn fuzzy(
        &mut self,
        target: Target,
        text: &str,
        edits: &Edits,
    ) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        if special(&target).is_some() {
            return match self.mismatch {
                Mismatch::NoMatch => Ok(Query::None),
                Mismatch::Fail => Err(QueryError::illegal(format!(
                    "Can only use fuzzy queries on keyword and text fields - not on [{}]",
                    name(&target)
                ))),
            };
        }
        let value = || Literal::Text(text.to_owned());
        Ok(match edits.of(text) {
            None => test(target, Test::Term(TermTest { value: value(), fold: false })),
            Some((most, edits)) => test(
                target,
                Test::Fuzzy(FuzzyTest {
                    text: text.to_owned(),
                    edits: most,
                    prefix: edits.prefix,
                    transpositions: edits.transpositions,
                    token: false,
                }),
            ),
        })
    }

    /// The tokens of `text` one after the other; `prefix`: the last needs only begin so.
    pub fn phrase(
        &mut self,
        target: Target,
        text: &str,
        (slop, prefix): (u32, bool),
    ) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        if special(&target).is_some() && !prefix {
            return self.value(target, Literal::Text(text.to_owned()), false);
        }
        let tokens = folded(text);
        self.budget.spend(tokens.len())?;
        if tokens.is_empty() {
            return Ok(Query::None);
        }
        Ok(or_number(target, text, Test::Phrase { tokens, prefix, slop }))
    }

    /// Equal to a value.
    pub fn term(
        &mut self,
        target: Target,
        value: Literal,
        fold: bool,
    ) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        self.value(target, value, fold)
    }

    fn value(&mut self, target: Target, value: Literal, fold: bool) -> Result<Query, QueryError> {
        Ok(match special(&target) {
            Some(Special::Index) => Query::Index(vec![text_of(&value)]),
            Some(Special::Id) => Query::Ids(vec![text_of(&value)]),
            // As much of time as the value leaves open: a day, a millisecond.
            Some(Special::Time) => {
                let ends = Ends { lower: Some((value.clone(), true)), upper: Some((value, true)) };
                return self.time(&ends);
            }
            None => test(target, Test::Term(TermTest { value, fold })),
        })
    }

    /// Equal to one of several values.
    pub fn terms(&mut self, target: Target, values: Vec<Literal>) -> Result<Query, QueryError> {
        self.budget.spend(values.len().max(1))?;
        if values.is_empty() {
            return Ok(Query::None);
        }
        // Networks are terms of their own.
        let is_network =
            |v: &Literal| matches!(v, Literal::Text(t) if Addresses::of_term(t).is_some());
        if special(&target).is_none() && values.iter().any(is_network) {
            let (networks, rest): (Vec<_>, Vec<_>) = values.into_iter().partition(is_network);
            let term = |value| test(target.clone(), Test::Term(TermTest { value, fold: false }));
            let mut each: Vec<Query> = networks.into_iter().map(term).collect();
            if !rest.is_empty() {
                each.push(test(target.clone(), Test::Terms(rest)));
            }
            return Ok(Query::any_of(each).constant(1.0));
        }
        Ok(match special(&target) {
            Some(Special::Index) => Query::Index(values.iter().map(text_of).collect()),
            Some(Special::Id) => Query::Ids(values.iter().map(text_of).collect()),
            Some(Special::Time) => {
                let each = values.into_iter().map(|v| self.value(target.clone(), v, false));
                Query::any_of(each.collect::<Result<_, _>>()?)
            }
            None => test(target, Test::Terms(values)),
        })
    }

    /// Between two ends.
    pub fn range(&mut self, target: Target, ends: &Ends) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        match special(&target) {
            Some(Special::Time) => return self.time(ends),
            Some(Special::Index | Special::Id) => {
                return Err(QueryError::illegal(format!(
                    "field [{}] does not support range queries",
                    name(&target)
                )));
            }
            None => {}
        }
        if ends.lower.is_none() && ends.upper.is_none() {
            return Ok(test(target, Test::Exists));
        }
        let lower = self.bound(&ends.lower, Rounding::Down)?;
        let upper = self.bound(&ends.upper, Rounding::Up)?;
        Ok(test(target, Test::Range { lower, upper }))
    }

    /// A text pattern.
    pub fn pattern(
        &mut self,
        target: Target,
        kind: Pattern,
        text: TextTest,
    ) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        let limit = self.budget.limits.regex_bytes_max;
        if text.text.len() > limit {
            return Err(QueryError::illegal(format!(
                "the length of the pattern [{}] of the [{}] query is over the allowed maximum \
                 of [{limit}] bytes (setting `query.api.regex_bytes_max`)",
                text.text.len(),
                kind.name()
            )));
        }
        match (special(&target), kind) {
            (None, _) => {}
            (Some(Special::Index), Pattern::Wildcard) if !text.text.contains(['?', '\\']) => {
                return Ok(Query::Index(vec![text.text]));
            }
            (Some(Special::Index), Pattern::Prefix) if !text.text.contains('*') => {
                return Ok(Query::Index(vec![format!("{}*", text.text)]));
            }
            (Some(_), _) if self.mismatch == Mismatch::NoMatch => return Ok(Query::None),
            (Some(_), _) => {
                return Err(QueryError::illegal(format!(
                    "can only use {} queries on keyword and text fields - not on [{}]",
                    kind.name(),
                    name(&target)
                )));
            }
        }
        Ok(test(
            target,
            match kind {
                Pattern::Prefix => Test::Prefix(text),
                Pattern::Wildcard => Test::Wildcard(text),
                Pattern::Regexp => Test::Regex(text),
            },
        ))
    }

    /// The text anywhere, in any case.
    pub fn substring(&mut self, target: Target, text: &str) -> Result<Query, QueryError> {
        self.budget.spend(1)?;
        match special(&target) {
            Some(Special::Index) => Ok(Query::Index(vec![format!("*{text}*")])),
            Some(_) => Err(QueryError::illegal(format!(
                "can only search for a part of keyword and text fields - not of [{}]",
                name(&target)
            ))),
            None => {
                let text = TextTest { text: text.to_owned(), fold: true };
                Ok(test(target, Test::Substring(text)))
            }
        }
    }
}

fn name(target: &Target) -> &str {
    match target {
        Target::Path(path) | Target::Pattern(path) => path,
        Target::Any => "*",
    }
}
