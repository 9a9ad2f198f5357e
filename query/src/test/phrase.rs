//! Do these tokens stand in that text? Words, phrases with slop, and prefixes, ignoring case.
//!
//! The tokens asked for are folded already; the text is as it came.

use model::token::{fold, spans};

use super::fuzzy::Fuzzy;

/// How many ways of a sloppy phrase with repeated words are tried before it counts as found.
const SLOP_STEPS_MAX: usize = 20_000;

/// Whether a token of a text folds to `want`.
pub fn token_is(token: &str, want: &str) -> bool {
    if token.is_ascii() { token.eq_ignore_ascii_case(want) } else { fold(token) == want }
}

/// Whether a token of a text begins with `want` when it is folded.
pub fn token_begins(token: &str, want: &str) -> bool {
    if token.is_ascii() {
        token.len() >= want.len()
            && token.as_bytes()[..want.len()].eq_ignore_ascii_case(want.as_bytes())
    } else {
        fold(token).starts_with(want)
    }
}

/// A text cut into tokens.
pub struct Tokenized<'a> {
    text: &'a str,
    spans: Vec<(usize, usize)>,
}

impl<'a> Tokenized<'a> {
    /// Cuts the text.
    pub fn new(text: &'a str) -> Self {
        Self { text, spans: spans(text).collect() }
    }

    fn token(&self, at: usize) -> &'a str {
        let (from, to) = self.spans[at];
        &self.text[from..to]
    }

    /// How many of `words` stand in the text.
    pub fn words(&self, words: &[Vec<String>]) -> usize {
        words.iter().filter(|w| self.phrase(w, false)).count()
    }

    /// Whether the tokens stand one right after the other; the last may be a beginning.
    pub fn phrase(&self, want: &[String], prefix: bool) -> bool {
        if want.is_empty() || want.len() > self.spans.len() {
            return false;
        }
        (0..=self.spans.len() - want.len()).any(|at| self.phrase_at(at, want, prefix))
    }

    /// How many tokens the text has.
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// At how many places the tokens stand one right after the other.
    pub fn occurrences(&self, want: &[String], prefix: bool) -> u32 {
        if want.is_empty() || want.len() > self.spans.len() {
            return 0;
        }
        let places = 0..=self.spans.len() - want.len();
        places.filter(|at| self.phrase_at(*at, want, prefix)).count() as u32
    }

    /// How often tokens are near a text, and the edits of the nearest.
    pub fn near(&self, fuzzy: &Fuzzy) -> Option<(u32, u8)> {
        let edits = (0..self.spans.len()).filter_map(|at| fuzzy.edits(&fold(self.token(at))));
        edits.fold(None, |found, edits| {
            let (count, least) = found.unwrap_or((0, edits));
            Some((count + 1, least.min(edits)))
        })
    }

    /// How often the tokens stand up to `slop` moves apart, each place counting the less the
    /// farther apart they are (Lucene's sloppy frequency).
    pub fn sloppy_frequency(&self, want: &[String], prefix: bool, slop: u32) -> f32 {
        let mut places: Vec<Vec<i64>> = Vec::with_capacity(want.len());
        for (i, w) in want.iter().enumerate() {
            let last = prefix && i + 1 == want.len();
            let fits = |at: &usize| {
                let token = self.token(*at);
                if last { token_begins(token, w) } else { token_is(token, w) }
            };
            let found = (0..self.spans.len()).filter(fits).map(|p| p as i64 - i as i64);
            places.push(found.collect());
        }
        if places.iter().any(Vec::is_empty) {
            return 0.0;
        }
        let mut at = vec![0usize; places.len()];
        let (mut frequency, slop) = (0.0f32, i64::from(slop));
        loop {
            let here = |at: &[usize]| -> (i64, usize, i64) {
                let each = places.iter().zip(at).map(|(list, at)| list[*at]);
                let least = each.clone().zip(0..).min().unwrap_or((0, 0));
                (least.0, least.1, each.max().unwrap_or(0))
            };
            let (low, which, high) = here(&at);
            // The first of the tokens moves on while that brings it nearer.
            let mut nearest = high - low;
            let rest = places.iter().zip(&at).enumerate().filter(|(i, _)| *i != which);
            let next = rest.map(|(_, (list, at))| list[*at]).min().unwrap_or(low);
            loop {
                at[which] += 1;
                match places[which].get(at[which]) {
                    Some(place) if *place <= next => nearest = nearest.min(high - place),
                    _ => break,
                }
            }
            if nearest <= slop {
                frequency += 1.0 / (1.0 + nearest as f32);
            }
            if at[which] == places[which].len() {
                return frequency;
            }
        }
    }

    /// Whether these are all the tokens of the text.
    pub fn is_exactly<'w>(&self, want: impl Iterator<Item = &'w String>, prefix: bool) -> bool {
        let want: Vec<String> = want.cloned().collect();
        !want.is_empty() && want.len() == self.spans.len() && self.phrase_at(0, &want, prefix)
    }

    fn phrase_at(&self, at: usize, want: &[String], prefix: bool) -> bool {
        want.iter().enumerate().all(|(i, w)| {
            let token = self.token(at + i);
            if prefix && i + 1 == want.len() { token_begins(token, w) } else { token_is(token, w) }
        })
    }

    /// The same with up to `slop` moves of tokens.
    pub fn sloppy(&self, want: &[String], prefix: bool, slop: u32) -> bool {
        if want.is_empty() || want.len() > self.spans.len() {
            return false;
        }
        let mut places: Vec<Vec<i64>> = Vec::with_capacity(want.len());
        for (i, w) in want.iter().enumerate() {
            let last = prefix && i + 1 == want.len();
            let fits = |at: &usize| {
                let token = self.token(*at);
                if last { token_begins(token, w) } else { token_is(token, w) }
            };
            let found: Vec<i64> = (0..self.spans.len()).filter(fits).map(|p| p as i64).collect();
            if found.is_empty() {
                return false;
            }
            places.push(found);
        }
        sloppy(places, slop) != Sloppiness::Apart
    }
}

/// Whether tokens can be chosen near enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sloppiness {
    /// No choice lies within the slop.
    Apart,
    /// One does.
    Near,
    /// There are too many choices to tell.
    Unknown,
}

/// Whether a place can be chosen for each token so that they lie within the slop.
pub fn sloppy(places: Vec<Vec<i64>>, slop: u32) -> Sloppiness {
    let mut search = Sloppy { places, slop: i64::from(slop), chosen: Vec::new(), steps: 0 };
    match search.from(i64::MAX, i64::MIN) {
        false => Sloppiness::Apart,
        true if search.steps > SLOP_STEPS_MAX => Sloppiness::Unknown,
        true => Sloppiness::Near,
    }
}

/// Chooses a place for each token so that the places, less their order, lie within `slop`.
struct Sloppy {
    places: Vec<Vec<i64>>,
    slop: i64,
    chosen: Vec<i64>,
    steps: usize,
}

impl Sloppy {
    fn from(&mut self, low: i64, high: i64) -> bool {
        let i = self.chosen.len();
        if i == self.places.len() {
            return true;
        }
        for at in 0..self.places[i].len() {
            let place = self.places[i][at];
            let moved = place - i as i64;
            let (l, h) = (low.min(moved), high.max(moved));
            if h - l > self.slop || self.chosen.contains(&place) {
                continue;
            }
            self.steps += 1;
            if self.steps > SLOP_STEPS_MAX {
                return true;
            }
            self.chosen.push(place);
            if self.from(l, h) {
                return true;
            }
            self.chosen.pop();
        }
        false
    }
}
