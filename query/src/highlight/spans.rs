//! Where in a text does a test match? Byte spans of words, phrases, patterns, or the whole value.
//!
//! Knows no documents. What matches at all is [`crate::test`]'s to say; this says where.

use std::collections::HashSet;

use model::record::Value;
use model::token::{fold, spans};

use crate::ast::{FieldQuery, Target, Test};
use crate::error::QueryError;
use crate::plan::glob;
use crate::test::compare::literal_text;
use crate::test::phrase::{Tokenized, token_begins, token_is};
use crate::test::{Kind, ValueTest, View};

/// One test of a query.
#[derive(Debug)]
pub struct Leaf {
    target: Target,
    test: ValueTest,
    /// The constants of a test for equality and the words of one token, folded.
    terms: HashSet<String>,
    /// The words of several tokens, each once.
    phrases: HashSet<Vec<String>>,
    /// The text that is looked for anywhere.
    within: Option<regex::Regex>,
}

impl Leaf {
    /// Of a query's test.
    ///
    /// # Errors
    /// A pattern is none.
    pub fn new(field: &FieldQuery) -> Result<Self, QueryError> {
        let test = ValueTest::new(&field.test)?;
        let terms = match test.kind() {
            Kind::Terms(terms) => {
                let exact = terms.iter().map(|t| (literal_text(&t.value), t.fold));
                // A token is folded: it equals a constant that is so too, or one that ignores case.
                let fits = exact.filter(|(text, folds)| *folds || fold(text) == *text);
                fits.map(|(text, _)| fold(&text).into_owned()).collect()
            }
            Kind::Words { words, .. } => {
                words.iter().filter(|word| word.len() == 1).flatten().cloned().collect()
            }
            _ => HashSet::new(),
        };
        let phrases = match test.kind() {
            Kind::Words { words, .. } => {
                words.iter().filter(|word| word.len() > 1).cloned().collect()
            }
            _ => HashSet::new(),
        };
        let within = match &field.test {
            Test::Substring(text) if !text.text.is_empty() => {
                let literal = regex::escape(&text.text);
                regex::RegexBuilder::new(&literal).case_insensitive(text.fold).build().ok()
            }
            _ => None,
        };
        Ok(Self { target: field.target.clone(), test, terms, phrases, within })
    }

    /// Whether the test looks at the field of this path.
    pub fn is_for(&self, path: &str) -> bool {
        match &self.target {
            Target::Path(own) => own == path,
            Target::Pattern(pattern) => glob(pattern, path),
            Target::Any => true,
        }
    }

    /// Whether the test names the very path.
    pub fn is_of(&self, path: &str) -> bool {
        matches!(&self.target, Target::Path(own) if own == path)
    }

    /// Calls `mark` with each span that matches, of a field looked at in this way. `joined`: the
    /// words of a phrase are one span.
    pub fn spans(
        &self,
        text: &str,
        (view, joined): (View, bool),
        mark: &mut dyn FnMut(usize, usize),
    ) {
        if text.is_empty() {
            return;
        }
        if view != View::Text && self.test.matches(Value::Str(text), View::Keyword) {
            match &self.within {
                Some(within) => substring(text, within, mark),
                None => mark(0, text.len()),
            }
            return;
        }
        if view == View::Keyword {
            return;
        }
        match self.test.kind() {
            Kind::Exists | Kind::Range { .. } | Kind::Addresses(_) => {}
            Kind::Terms(_) | Kind::Pattern(_) | Kind::Fuzzy(_) if view != View::Text => {}
            Kind::Terms(_) => self.tokens(text, mark, |token| self.terms.contains(&*fold(token))),
            Kind::Fuzzy(fuzzy) => self.tokens(text, mark, |token| fuzzy.matches(&fold(token))),
            Kind::Pattern(pattern) => {
                self.tokens(text, mark, |token| pattern.matches(&fold(token)));
            }
            Kind::Words { .. } => {
                let tokens: Vec<(usize, usize)> = spans(text).collect();
                for (from, to) in &tokens {
                    if self.terms.contains(&*fold(&text[*from..*to])) {
                        mark(*from, *to);
                    }
                }
                // A word of several tokens is one word to whoever asked for it.
                let phrases = self.phrases.iter();
                phrases.for_each(|word| phrase(text, &tokens, (word, false), (true, mark)));
            }
            Kind::Phrase { tokens: want, prefix, slop } => {
                let tokens: Vec<(usize, usize)> = spans(text).collect();
                if *slop == 0 || want.len() < 2 {
                    phrase(text, &tokens, (want, *prefix), (joined, mark));
                } else if Tokenized::new(text).sloppy(want, *prefix, *slop) {
                    for (at, word) in want.iter().enumerate() {
                        let prefix = *prefix && at + 1 == want.len();
                        let word = std::slice::from_ref(word);
                        phrase(text, &tokens, (word, prefix), (true, mark));
                    }
                }
            }
            Kind::Substring(_) => {
                if let Some(within) = &self.within {
                    substring(text, within, mark);
                }
            }
        }
    }

    /// Marks the tokens that pass, or the whole text where only that does.
    fn tokens(
        &self,
        text: &str,
        mark: &mut dyn FnMut(usize, usize),
        passes: impl Fn(&str) -> bool,
    ) {
        let mut found = false;
        for (from, to) in spans(text) {
            if passes(&text[from..to]) {
                found = true;
                mark(from, to);
            }
        }
        if !found && self.test.matches(Value::Str(text), View::Keyword) {
            mark(0, text.len());
        }
    }
}

/// Marks each place where the tokens stand one after the other.
fn phrase(
    text: &str,
    tokens: &[(usize, usize)],
    (want, prefix): (&[String], bool),
    (joined, mark): (bool, &mut dyn FnMut(usize, usize)),
) {
    if want.is_empty() {
        return;
    }
    for window in tokens.windows(want.len()) {
        let fits = window.iter().zip(want).enumerate().all(|(at, ((from, to), want_one))| {
            let token = &text[*from..*to];
            match prefix && at + 1 == want.len() {
                true => token_begins(token, want_one),
                false => token_is(token, want_one),
            }
        });
        match (fits, window) {
            (true, [first, .., last]) if joined => mark(first.0, last.1),
            (true, _) => window.iter().for_each(|(from, to)| mark(*from, *to)),
            (false, _) => {}
        }
    }
}

/// Marks each place of a text, from left to right.
fn substring(text: &str, want: &regex::Regex, mark: &mut dyn FnMut(usize, usize)) {
    want.find_iter(text).for_each(|m| mark(m.start(), m.end()));
}
