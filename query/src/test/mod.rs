//! Does a value pass a test? The one meaning of every test: live rows, dictionaries, numbers and
//! texts are all asked here.
//!
//! Knows values, not documents: with several values in a field the caller asks for each.

pub mod address;
mod automaton;
pub mod compare;
pub mod fuzzy;
mod pattern;
pub(crate) mod phrase;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};

use model::record::Value;
use model::token::{fold, tokens};

use crate::ast::{Bound, Literal, TermTest, Test};
use crate::error::QueryError;
use address::Addresses;
use compare::{literal_number, literal_text, scalar_equals, scalar_order, scalar_text, text_order};
use fuzzy::Fuzzy;
pub use pattern::{Pattern, Piece};
use phrase::Tokenized;

/// How a field's strings are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// A text field: tokens, and the whole value.
    Text,
    /// Any other string: the whole value, with tokens for words and phrases.
    Column,
    /// `.keyword`: whole values only, also for words and phrases.
    Keyword,
}

/// A compiled test.
#[derive(Clone, Debug)]
pub struct ValueTest {
    kind: Kind,
    id: u64,
}

/// The forms of a compiled test.
#[derive(Clone, Debug)]
pub enum Kind {
    /// There is a value.
    Exists,
    /// Equals one of these.
    Terms(Vec<TermTest>),
    /// Holds at least `minimum` of the words.
    Words {
        /// Each a phrase of folded tokens.
        words: Vec<Vec<String>>,
        /// How many.
        minimum: usize,
    },
    /// Holds the tokens in this order.
    Phrase {
        /// The folded tokens.
        tokens: Vec<String>,
        /// The last need only begin so.
        prefix: bool,
        /// How many moves.
        slop: u32,
    },
    /// Lies between.
    Range {
        /// Lower end.
        lower: Bound,
        /// Upper end.
        upper: Bound,
    },
    /// Matches as a whole, or on a text field one token does.
    Pattern(Pattern),
    /// Holds the text.
    Substring(Pattern),
    /// Is an address of a network or range.
    Addresses(Addresses),
    /// Is nearly a text.
    Fuzzy(Fuzzy),
}

impl ValueTest {
    /// Compiles a test.
    ///
    /// # Errors
    /// A pattern is no pattern, or too complex; the error names it.
    pub fn new(test: &Test) -> Result<Self, QueryError> {
        let kind = match test {
            Test::Exists => Kind::Exists,
            Test::Term(term) => match addresses_of(&term.value) {
                Some(addresses) => Kind::Addresses(addresses),
                None => Kind::Terms(vec![term.clone()]),
            },
            Test::Terms(values) => Kind::Terms(
                values.iter().map(|v| TermTest { value: v.clone(), fold: false }).collect(),
            ),
            Test::Words { words, minimum } => {
                Kind::Words { words: words.clone(), minimum: (*minimum).max(1) }
            }
            Test::Phrase { tokens, prefix, slop } => {
                Kind::Phrase { tokens: tokens.clone(), prefix: *prefix, slop: *slop }
            }
            Test::Range { lower, upper } => match Addresses::of_range(lower, upper) {
                Some(addresses) => Kind::Addresses(addresses),
                None => Kind::Range { lower: lower.clone(), upper: upper.clone() },
            },
            Test::Prefix(text) => Kind::Pattern(Pattern::prefix(text)?),
            Test::Wildcard(text) => Kind::Pattern(Pattern::wildcard(text)?),
            Test::Regex(text) => Kind::Pattern(Pattern::regex(text)?),
            Test::Substring(text) => Kind::Substring(Pattern::substring(text)?),
            Test::Fuzzy(test) => Kind::Fuzzy(Fuzzy::new(test)),
        };
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Ok(Self { kind, id: NEXT.fetch_add(1, AtomicOrdering::Relaxed) })
    }

    /// The same only for clones: what was found out about a test can be kept under it.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The compiled form.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether the value passes.
    pub fn matches(&self, value: Value<'_>, view: View) -> bool {
        match value {
            Value::Null => false,
            Value::Str(text) => self.matches_text(text, view),
            scalar => self.matches_scalar(scalar),
        }
    }

    fn matches_text(&self, text: &str, view: View) -> bool {
        match &self.kind {
            Kind::Exists => true,
            Kind::Terms(terms) => terms.iter().any(|t| {
                term_is(t, text)
                    || view == View::Text && tokens(text).any(|token| term_is(t, &token))
            }),
            Kind::Words { words, minimum } => {
                let text = Tokenized::new(text);
                match view {
                    View::Keyword => {
                        words.len() >= *minimum && text.is_exactly(words.iter().flatten(), false)
                    }
                    _ => text.words(words) >= *minimum,
                }
            }
            Kind::Phrase { tokens, prefix, slop } => {
                let text = Tokenized::new(text);
                match (view, slop) {
                    (View::Keyword, _) => text.is_exactly(tokens.iter(), *prefix),
                    (_, 0) => text.phrase(tokens, *prefix),
                    _ => text.sloppy(tokens, *prefix, *slop),
                }
            }
            Kind::Range { lower, upper } => between(lower, upper, |l| text_order(text, l)),
            Kind::Pattern(pattern) => {
                pattern.matches(text)
                    || view == View::Text && tokens(text).any(|token| pattern.matches(&token))
            }
            Kind::Substring(pattern) => pattern.matches(text),
            Kind::Addresses(addresses) => addresses.matches(text),
            Kind::Fuzzy(fuzzy) => fuzzy_matches(fuzzy, text, view),
        }
    }

    fn matches_scalar(&self, value: Value<'_>) -> bool {
        match &self.kind {
            Kind::Exists => true,
            Kind::Terms(terms) => terms.iter().any(|t| scalar_equals(value, &t.value)),
            Kind::Words { words, minimum } => {
                words.iter().filter(|w| scalar_is_word(value, w)).count() >= *minimum
            }
            Kind::Phrase { tokens, prefix: true, .. } => {
                Tokenized::new(&scalar_text(value)).is_exactly(tokens.iter(), true)
            }
            Kind::Phrase { tokens, .. } => scalar_is_word(value, tokens),
            Kind::Range { lower, upper } => between(lower, upper, |l| Some(scalar_order(value, l))),
            Kind::Pattern(pattern) | Kind::Substring(pattern) => {
                pattern.matches(&scalar_text(value))
            }
            Kind::Addresses(_) => false,
            Kind::Fuzzy(fuzzy) if fuzzy.test.token => {
                scalar_is_word(value, std::slice::from_ref(&fuzzy.test.text))
            }
            Kind::Fuzzy(fuzzy) => scalar_equals(value, &Literal::Text(fuzzy.test.text.clone())),
        }
    }

    /// Whether a number could pass, asked for any field: patterns look at strings only there.
    pub fn wants_numbers(&self) -> bool {
        match &self.kind {
            Kind::Exists | Kind::Range { .. } => true,
            Kind::Terms(terms) => terms.iter().any(|t| {
                literal_number(&t.value).is_some() || matches!(t.value, Literal::Time(..))
            }),
            Kind::Words { words, .. } => words.iter().any(|w| word_number(w).is_some()),
            Kind::Phrase { tokens, .. } => word_number(tokens).is_some(),
            Kind::Fuzzy(fuzzy) => compare::Number::parse(&fuzzy.test.text).is_some(),
            Kind::Pattern(_) | Kind::Substring(_) | Kind::Addresses(_) => false,
        }
    }

    /// Whether a boolean could pass, asked for any field.
    pub fn wants_bools(&self) -> bool {
        let passes = |v| self.matches_scalar(Value::Bool(v));
        !matches!(self.kind, Kind::Pattern(_) | Kind::Substring(_) | Kind::Addresses(_))
            && (passes(true) || passes(false))
    }

    /// Whether the value passes when any field was asked for.
    pub fn matches_any(&self, value: Value<'_>, view: View) -> bool {
        let pattern = matches!(self.kind, Kind::Pattern(_) | Kind::Substring(_));
        (!pattern || matches!(value, Value::Str(_))) && self.matches(value, view)
    }
}

fn addresses_of(value: &Literal) -> Option<Addresses> {
    match value {
        Literal::Text(text) => Addresses::of_term(text),
        _ => None,
    }
}

fn fuzzy_matches(fuzzy: &Fuzzy, text: &str, view: View) -> bool {
    match (fuzzy.test.token, view) {
        (true, View::Keyword) => {
            let mut all = tokens(text);
            all.next().is_some_and(|one| fuzzy.matches(&one)) && all.next().is_none()
        }
        (true, _) => tokens(text).any(|token| fuzzy.matches(&token)),
        (false, View::Text) => {
            fuzzy.matches(text) || tokens(text).any(|token| fuzzy.matches(&token))
        }
        (false, _) => fuzzy.matches(text),
    }
}

/// Whether the bounds hold, by how the value lies to each.
fn between(lower: &Bound, upper: &Bound, order: impl Fn(&Literal) -> Option<Ordering>) -> bool {
    let above = match lower {
        Bound::Open => true,
        Bound::Included(l) => order(l).is_some_and(Ordering::is_ge),
        Bound::Excluded(l) => order(l).is_some_and(Ordering::is_gt),
    };
    above
        && match upper {
            Bound::Open => true,
            Bound::Included(l) => order(l).is_some_and(Ordering::is_le),
            Bound::Excluded(l) => order(l).is_some_and(Ordering::is_lt),
        }
}

/// Whether a string equals the constant; times also when they are written differently.
pub(crate) fn term_is(term: &TermTest, text: &str) -> bool {
    let want: Cow<'_, str> = literal_text(&term.value);
    if term.fold && fold(text) == fold(&want) || text == want {
        return true;
    }
    matches!(term.value, Literal::Time(..))
        && text_order(text, &term.value) == Some(Ordering::Equal)
}

/// The number that a word of tokens reads as: `10 5` was `10.5`.
pub(crate) fn word_number(word: &[String]) -> Option<compare::Number> {
    match word {
        [one] => compare::Number::parse(one),
        [whole, fraction] => compare::Number::parse(&format!("{whole}.{fraction}")),
        _ => None,
    }
}

/// Whether a number or boolean is the word. A word has no sign: the tokenizer drops it.
fn scalar_is_word(value: Value<'_>, word: &[String]) -> bool {
    match value {
        Value::Bool(v) => matches!(word, [one] if one == if v { "true" } else { "false" }),
        Value::Int(_) | Value::Float(_) => {
            let (Some(v), Some(w)) = (compare::Number::of(value), word_number(word)) else {
                return false;
            };
            match v {
                compare::Number::Int(v) => {
                    w == compare::Number::Int(v)
                        || v.checked_neg().is_some_and(|v| w == compare::Number::Int(v))
                }
                compare::Number::Float(v) => w == compare::Number::Float(v.abs()),
            }
        }
        _ => false,
    }
}
