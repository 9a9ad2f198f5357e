//! Can the texts of a template pass a test? What its static text tells, without reading a slot.
//!
//! A text is its template's pieces with one token, which has an ASCII digit, in each slot between
//! them; the tokens of the pieces have none. Knows no columns and no rows.

use std::borrow::Cow;

use index::read::{Letters, abuts};
use model::token::{TOKEN_BYTES_MAX, fold, is_token_char, tokens};

use crate::test::Piece;
use crate::test::phrase::{Sloppiness, sloppy, token_begins};

/// What is known of the texts of a template under a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// None passes.
    None,
    /// All pass.
    All,
    /// Those pass that have what is looked for in a slot.
    Slots,
    /// Some may; they must be read.
    Read,
}

/// The static text around slots.
#[derive(Clone, Debug)]
pub(crate) struct Template<'t> {
    pieces: Vec<&'t str>,
    /// What letters stand in each slot.
    letters: Vec<Letters>,
    raw: bool,
    abuts: bool,
}

/// A token of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item<'t> {
    /// Folded.
    Static(Cow<'t, str>),
    Slot(Letters),
}

impl<'t> Template<'t> {
    /// Of its pieces, and the letters of the slots between them.
    pub(crate) fn new(pieces: impl Iterator<Item = &'t str>, letters: Vec<Letters>) -> Self {
        let pieces: Vec<&str> = pieces.collect();
        let abuts = abuts(&pieces);
        Self { pieces, letters, raw: false, abuts }
    }

    /// The template of texts that are kept whole.
    pub(crate) fn raw() -> Self {
        Self { pieces: vec!["", ""], letters: Vec::new(), raw: true, abuts: false }
    }

    /// Whether nothing is known of its texts.
    pub(crate) fn is_raw(&self) -> bool {
        self.raw
    }

    /// Whether a slot touches another token: text can then cross its border.
    pub(crate) fn abuts(&self) -> bool {
        self.abuts
    }

    /// The whole text, when there is no slot.
    pub(crate) fn text(&self) -> Option<&'t str> {
        match self.pieces.as_slice() {
            [text] => Some(text),
            _ => None,
        }
    }

    /// The static text.
    pub(crate) fn pieces(&self) -> &[&'t str] {
        &self.pieces
    }

    /// Whether the folded token is one of the static text.
    pub(crate) fn holds_token(&self, token: &str) -> bool {
        !self.raw && self.pieces.iter().any(|piece| holds_token(piece, token))
    }

    /// What is known of texts that hold the folded token.
    pub(crate) fn token(&self, token: &str) -> Known {
        match self.raw {
            true => Known::Slots,
            false if self.holds_token(token) => Known::All,
            false if has_digit(token) && self.a_slot_may_hold([token]) => Known::Slots,
            false => Known::None,
        }
    }

    /// Whether one slot can hold all of these.
    pub(crate) fn a_slot_may_hold<'f>(
        &self,
        fragments: impl IntoIterator<Item = &'f str> + Clone,
    ) -> bool {
        let holds = |l: &Letters| fragments.clone().into_iter().all(|f| l.may_hold(f));
        self.raw || self.letters.iter().any(holds)
    }

    /// The tokens, static or not; those of a raw template are unknown.
    fn items(&self) -> Vec<Item<'t>> {
        let mut out = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                out.push(Item::Slot(self.letters[at - 1]));
            }
            out.extend(tokens(piece).map(Item::Static));
        }
        out
    }

    /// What is known of texts with these folded tokens one after the other.
    pub(crate) fn phrase(&self, want: &[String], prefix: bool) -> Known {
        if want.is_empty() {
            return Known::None;
        }
        if self.raw {
            return Known::Read;
        }
        let whole = &want[..want.len() - usize::from(prefix)];
        if whole.iter().any(|w| !has_digit(w) && !self.holds_token(w)) {
            return Known::None;
        }
        let items = self.items();
        let mut out = Known::None;
        for window in items.windows(want.len()) {
            match aligned(window, want, prefix) {
                Known::All => return Known::All,
                Known::None => {}
                other => out = other,
            }
        }
        out
    }

    /// What is known of texts whose tokens are exactly these.
    pub(crate) fn exactly(&self, want: &[String], prefix: bool) -> Known {
        if want.is_empty() {
            return Known::None;
        }
        if self.raw {
            return Known::Read;
        }
        let items = self.items();
        if items.len() == want.len() { aligned(&items, want, prefix) } else { Known::None }
    }

    /// What is known of texts with these folded tokens near each other.
    pub(crate) fn sloppy(&self, want: &[String], prefix: bool, slop: u32) -> Known {
        if want.is_empty() {
            return Known::None;
        }
        if self.raw {
            return Known::Read;
        }
        let items = self.items();
        let (mut possible, mut sure) = (Vec::new(), Vec::new());
        for (i, w) in want.iter().enumerate() {
            let begins = prefix && i + 1 == want.len();
            let (mut may, mut must) = (Vec::new(), Vec::new());
            for (at, item) in (0i64..).zip(&items) {
                match fits(item, w, begins) {
                    Known::All => {
                        may.push(at);
                        must.push(at);
                    }
                    Known::None => {}
                    _ => may.push(at),
                }
            }
            if may.is_empty() {
                return Known::None;
            }
            possible.push(may);
            sure.push(must);
        }
        if want.len() > items.len() || sloppy(possible, slop) == Sloppiness::Apart {
            return Known::None;
        }
        let all =
            sure.iter().all(|places| !places.is_empty()) && sloppy(sure, slop) == Sloppiness::Near;
        if all { Known::All } else { Known::Read }
    }

    /// Whether a text can hold the piece of a pattern; `folds`: whatever the case.
    pub(crate) fn can_hold(&self, piece: &Piece, folds: bool) -> bool {
        if self.raw || self.abuts {
            return true;
        }
        let find = Find { template: self, open_right: piece.open_right, folds };
        let want = piece.text.as_str();
        if !piece.open_left {
            return find.follows(0, 0, want);
        }
        let run = token_run(want);
        for (at, text) in self.pieces.iter().enumerate() {
            // From inside of the slot before, or from its beginning.
            if at > 0 && !run.is_empty() && find.leaves_slot(at, run, want) {
                return true;
            }
            if text.char_indices().any(|(from, _)| find.follows(at, from, want)) {
                return true;
            }
        }
        want.is_empty()
    }
}

/// How the tokens lie to as many items.
fn aligned(items: &[Item<'_>], want: &[String], prefix: bool) -> Known {
    let mut out = Known::All;
    for (i, (item, w)) in items.iter().zip(want).enumerate() {
        match fits(item, w, prefix && i + 1 == want.len()) {
            Known::All => {}
            Known::None => return Known::None,
            _ => out = Known::Read,
        }
    }
    out
}

fn fits(item: &Item<'_>, want: &str, begins: bool) -> Known {
    let fits = match item {
        Item::Static(token) if begins => token_begins(token, want),
        Item::Static(token) => token == want,
        Item::Slot(letters) if (begins || has_digit(want)) && letters.may_hold(want) => {
            return Known::Read;
        }
        Item::Slot(_) => false,
    };
    if fits { Known::All } else { Known::None }
}

/// Looks for a piece of a pattern in a template whose slots touch no token.
struct Find<'a, 't> {
    template: &'a Template<'t>,
    open_right: bool,
    folds: bool,
}

impl Find<'_, '_> {
    /// Whether `want` can go on from a place in the static text.
    fn follows(&self, mut at: usize, mut from: usize, mut want: &str) -> bool {
        let pieces = &self.template.pieces;
        let last = pieces.len() - 1;
        loop {
            let text = &pieces[at][from..];
            let (mut have, mut wanted) = (text.chars(), want.chars());
            let rest = loop {
                let rest = wanted.as_str();
                let Some(w) = wanted.next() else {
                    return self.open_right || at == last && have.as_str().is_empty();
                };
                let Some(c) = have.next() else { break rest };
                if !self.same(c, w) {
                    return false;
                }
            };
            let run = token_run(rest);
            if at == last || run.is_empty() || !self.template.letters[at].may_hold(run) {
                return false;
            }
            if run.len() == rest.len() {
                return self.open_right || self.ends_after(at) && has_digit(run);
            }
            if !has_digit(run) {
                return false;
            }
            (at, from, want) = (at + 1, 0, &rest[run.len()..]);
        }
    }

    /// Whether `want`, which begins with `run` in the slot before a piece, can go on.
    fn leaves_slot(&self, at: usize, run: &str, want: &str) -> bool {
        if !self.template.letters[at - 1].may_hold(run) {
            return false;
        }
        match run.len() == want.len() {
            true => self.open_right || self.ends_after(at - 1),
            false => self.follows(at, 0, &want[run.len()..]),
        }
    }

    /// Whether the text ends with the slot after a piece.
    fn ends_after(&self, at: usize) -> bool {
        let pieces = &self.template.pieces;
        at + 2 == pieces.len() && pieces[at + 1].is_empty()
    }

    fn same(&self, a: char, b: char) -> bool {
        match self.folds {
            false => a == b,
            true if a.is_ascii() && b.is_ascii() => a.eq_ignore_ascii_case(&b),
            // Other letters have cases of many kinds: the text itself will tell.
            true => true,
        }
    }
}

/// Whether a token has an ASCII digit.
pub(crate) fn has_digit(token: &str) -> bool {
    token.bytes().any(|b| b.is_ascii_digit())
}

/// The token characters that a text begins with.
fn token_run(text: &str) -> &str {
    let end = text.char_indices().find(|(_, c)| !is_token_char(*c));
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// Whether the folded token is one of the text.
fn holds_token(text: &str, token: &str) -> bool {
    let Some(first) = token.bytes().next() else { return false };
    if !token.is_ascii() || text.len() > TOKEN_BYTES_MAX {
        return tokens(text).any(|t| t == token);
    }
    let bytes = text.as_bytes();
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), bytes).any(|from| {
        let to = from + token.len();
        // An ASCII character begins at `from`, and where the token is found one ends at `to`.
        bytes.get(from..to).is_some_and(|found| found.eq_ignore_ascii_case(token.as_bytes()))
            && !text[..from].chars().next_back().is_some_and(is_token_char)
            && !text[to..].chars().next().is_some_and(is_token_char)
    })
}

/// The static text and the slots of a text, cut as columns cut it.
pub(crate) fn cut(text: &str) -> Vec<&str> {
    let (mut out, mut from) = (Vec::new(), 0);
    for (start, end) in model::token::spans(text) {
        if has_digit(&text[start..end]) {
            out.push(&text[from..start]);
            from = end;
        }
    }
    out.push(&text[from..]);
    out
}

/// The folded tokens of a text.
pub(crate) fn folded_tokens(text: &str) -> Vec<String> {
    tokens(text).map(Cow::into_owned).collect()
}

/// Whether a text is one token, and folded.
pub(crate) fn is_folded_token(text: &str) -> bool {
    let mut spans = model::token::spans(text);
    spans.next() == Some((0, text.len())) && spans.next().is_none() && fold(text) == text
}

#[cfg(test)]
mod tests;
