//! Which strings of a dictionary pass a test? By search in its order where the test allows it, by
//! the strings that hold a fragment, else by a look at each.
//!
//! Knows no rows.

use std::ops::Range;

use index::read::Dictionary;
use model::record::Value;

use super::run::{LeafError, Run};
use super::scan::BLOCK_ROWS;
use crate::ast::{Bound, Literal, TermTest};
use crate::test::compare::{literal_number, literal_text};
use crate::test::{Kind, Pattern, ValueTest, View};

/// Dictionaries up to this many strings are tested string by string.
const SMALL_DICTIONARY_TERMS: usize = 64;

/// The ordinals of a dictionary that pass a test.
#[derive(Debug)]
pub(crate) struct Ords {
    /// By ordinal.
    pub(crate) wanted: Vec<bool>,
    /// How many.
    pub(crate) count: usize,
}

impl Ords {
    fn none(terms: usize) -> Self {
        Self { wanted: vec![false; terms], count: 0 }
    }

    fn insert(&mut self, ord: u32) {
        if let Some(wanted) = self.wanted.get_mut(ord as usize) {
            self.count += usize::from(!*wanted);
            *wanted = true;
        }
    }
}

/// Asks the test of the strings.
///
/// # Errors
/// The search was stopped.
pub(crate) fn passing_ords(
    dictionary: &Dictionary,
    (test, view): (&ValueTest, View),
    run: &Run,
) -> Result<Ords, LeafError> {
    let mut out = Ords::none(dictionary.len());
    if let (Kind::Terms(terms), true) = (test.kind(), view != View::Text)
        && terms.iter().all(is_exact)
    {
        for term in terms {
            dictionary.find(&literal_text(&term.value)).into_iter().for_each(|o| out.insert(o));
        }
        return Ok(out);
    }
    let mut seen = 0usize;
    let mut look = |ord: u32, out: &mut Ords| -> Result<(), LeafError> {
        seen += 1;
        if seen.is_multiple_of(BLOCK_ROWS) {
            run.check()?;
        }
        if test.matches(Value::Str(dictionary.get(ord)), view) {
            out.insert(ord);
        }
        Ok(())
    };
    let range = range_of(dictionary, test.kind(), view);
    if range.len() > SMALL_DICTIONARY_TERMS
        && let Some(fragments) = fragments(test.kind())
    {
        let mut stopped = Ok(());
        for fragment in fragments {
            dictionary.for_each_containing(&fragment, &mut |ord| {
                if stopped.is_ok() {
                    stopped = look(ord, &mut out);
                }
            });
        }
        stopped?;
        return Ok(out);
    }
    for ord in range {
        look(ord, &mut out)?;
    }
    Ok(out)
}

/// Whether a string equals the constant only when it is the very same text.
fn is_exact(term: &TermTest) -> bool {
    !term.fold && !matches!(term.value, Literal::Time(..))
}

/// The part of a dictionary that a passing string lies in.
fn range_of(dictionary: &Dictionary, kind: &Kind, view: View) -> Range<u32> {
    let all = 0..dictionary.len() as u32;
    match kind {
        Kind::Range { lower, upper } => {
            let from = match text_of(lower) {
                Some(text) => dictionary.find(&text).unwrap_or_else(|at| at),
                None => all.start,
            };
            let to = match text_of(upper) {
                Some(text) => dictionary.find(&text).map_or_else(|at| at, |at| at + 1),
                None => all.end,
            };
            from..to.max(from)
        }
        Kind::Pattern(pattern) if view != View::Text => match exact_prefix(pattern) {
            "" => all,
            prefix => dictionary.prefix(prefix),
        },
        _ => all,
    }
}

/// The text of a bound; times and numbers are not in the dictionary's order.
fn text_of(bound: &Bound) -> Option<String> {
    match bound {
        Bound::Open => None,
        Bound::Included(l) | Bound::Excluded(l) => {
            let text = !matches!(l, Literal::Time(..)) && literal_number(l).is_none();
            text.then(|| literal_text(l).into_owned())
        }
    }
}

fn exact_prefix(pattern: &Pattern) -> &str {
    match pattern.pieces.first() {
        Some(piece) if !piece.open_left && !pattern.folds => &piece.text,
        _ => "",
    }
}

/// Folded ASCII fragments of which each passing string holds one, whatever the case.
fn fragments(kind: &Kind) -> Option<Vec<String>> {
    match kind {
        Kind::Words { words, minimum } if *minimum == words.len() => {
            longest(words.iter().flatten().map(String::as_str)).map(|one| vec![one])
        }
        Kind::Words { words, .. } if words.len() <= 8 => {
            words.iter().map(|word| longest(word.iter().map(String::as_str))).collect()
        }
        Kind::Phrase { tokens, .. } => {
            longest(tokens.iter().map(String::as_str)).map(|one| vec![one])
        }
        Kind::Terms(terms) if terms.len() <= 8 => {
            let one = |term: &TermTest| match term.value {
                Literal::Time(..) => None,
                ref value => longest(std::iter::once(&*literal_text(value))),
            };
            terms.iter().map(one).collect()
        }
        Kind::Pattern(pattern) | Kind::Substring(pattern) => {
            let runs = pattern.pieces.iter().flat_map(|p| p.text.split(|c: char| !c.is_ascii()));
            longest(runs).map(|one| vec![one])
        }
        _ => None,
    }
}

/// The longest text of ASCII characters, folded.
fn longest<'t>(texts: impl Iterator<Item = &'t str>) -> Option<String> {
    let ascii = texts.filter(|text| text.is_ascii() && !text.is_empty());
    ascii.max_by_key(|text| text.len()).map(str::to_ascii_lowercase)
}
