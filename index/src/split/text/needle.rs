//! Does a slot or a whole text have what is looked for?
//!
//! Knows nothing of how frames lie but that each value of a slot has "\n" after it.

use super::{END, SAME};

/// What is looked for in slots.
pub(crate) enum Needle<'a> {
    /// A fragment of token characters; the flag: whatever the case of ASCII letters.
    Fragment(&'a str, bool),
    /// A folded token.
    Token(&'a str),
}

impl Needle<'_> {
    /// The text in lower case, when it is ASCII: what has the needle has these letters. Not when
    /// it is empty.
    pub(super) fn folded_ascii(&self) -> Option<String> {
        let (Needle::Fragment(text, _) | Needle::Token(text)) = self;
        (text.is_ascii() && !text.is_empty()).then(|| text.to_ascii_lowercase())
    }

    /// Whether what has the needle has more than so many bytes.
    pub(super) fn is_longer_than(&self, bytes: usize) -> bool {
        let (Needle::Fragment(text, _) | Needle::Token(text)) = self;
        // Other tokens can be longer than what folds to them.
        text.is_ascii() && text.len() > bytes
    }

    pub(super) fn is_in_text(&self, text: &[u8]) -> bool {
        match self {
            Needle::Fragment(fragment, false) => {
                memchr::memmem::find(text, fragment.as_bytes()).is_some()
            }
            Needle::Fragment(fragment, true) => {
                let lower = text.to_ascii_lowercase();
                memchr::memmem::find(&lower, fragment.to_ascii_lowercase().as_bytes()).is_some()
            }
            Needle::Token(token) => std::str::from_utf8(text)
                .is_ok_and(|text| model::token::tokens(text).any(|t| t == *token)),
        }
    }

    /// Calls `visit` with the place of each occurrence in a frame's body.
    pub(super) fn each_in(&self, body: &[u8], visit: &mut dyn FnMut(usize)) {
        match self {
            Needle::Fragment(fragment, fold) => {
                let letters = fragment.bytes().any(|b| b.is_ascii_alphabetic());
                if *fold && letters {
                    let fragment = fragment.to_ascii_lowercase();
                    let body = body.to_ascii_lowercase();
                    memchr::memmem::find_iter(&body, fragment.as_bytes()).for_each(visit);
                } else {
                    memchr::memmem::find_iter(body, fragment.as_bytes()).for_each(visit);
                }
            }
            // Only ASCII tokens fold to ASCII ones.
            Needle::Token(token) if token.is_ascii() => {
                let letters = token.bytes().any(|b| b.is_ascii_alphabetic());
                let folded;
                let lower = match letters {
                    true => {
                        folded = body.to_ascii_lowercase();
                        folded.as_slice()
                    }
                    false => body,
                };
                let whole = |at: usize| {
                    let before = at == 0 || matches!(lower[at - 1], END | SAME);
                    before && lower.get(at + token.len()) == Some(&END)
                };
                let finder = memchr::memmem::Finder::new(token.as_bytes());
                finder.find_iter(lower).filter(|at| whole(*at)).for_each(visit);
            }
            Needle::Token(token) => each_token(body, |at, other| {
                if model::token::fold(other) == *token {
                    visit(at);
                }
            }),
        }
    }
}

fn each_token(body: &[u8], mut visit: impl FnMut(usize, &str)) {
    let mut from = 0;
    for end in memchr::memchr_iter(END, body) {
        let start = from + usize::from(body.get(from) == Some(&SAME));
        if let Ok(token) = std::str::from_utf8(&body[start..end]) {
            visit(start, token);
        }
        from = end + 1;
    }
}
