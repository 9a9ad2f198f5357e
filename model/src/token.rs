//! What is a word? The one tokenizer of indexing and of queries.
//!
//! A token is a maximal run of alphanumeric characters (Unicode) and `_`, folded to lower case.
//! A run of more than [`TOKEN_BYTES_MAX`] bytes is cut there, on both sides alike.

use std::borrow::Cow;

/// The longest token, in bytes before folding; a longer run is cut into several.
pub const TOKEN_BYTES_MAX: usize = 255;

/// Byte spans of the tokens of `text`, in order.
pub fn spans(text: &str) -> Spans<'_> {
    Spans { text, at: 0 }
}

/// The tokens of `text`, folded, in order.
pub fn tokens(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    spans(text).map(|(from, to)| fold(&text[from..to]))
}

/// Lower case by Unicode's rules; borrows where nothing changes.
///
/// The two characters that Unicode folds to ASCII letters (the Kelvin sign and the dotted capital
/// I) stay as they are: then ASCII letters of a folded text come from ASCII letters, and ASCII
/// text can be looked for in bytes without folding first.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    } else if text.contains(FOLD_TO_ASCII) {
        let parts = text.split_inclusive(FOLD_TO_ASCII).map(|part| {
            let cut = part.trim_end_matches(FOLD_TO_ASCII).len();
            part[..cut].to_lowercase() + &part[cut..]
        });
        Cow::Owned(parts.collect())
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Characters other than ASCII's whose lower case has an ASCII letter.
const FOLD_TO_ASCII: [char; 2] = ['\u{130}', '\u{212a}'];

/// Whether `c` can stand inside a token.
pub fn is_token_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Iterator over token spans; see [`spans`].
pub struct Spans<'a> {
    text: &'a str,
    at: usize,
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

impl Iterator for Spans<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        // Skip what is no token.
        while at < bytes.len() {
            if bytes[at] < 0x80 {
                if is_token_byte(bytes[at]) {
                    break;
                }
                at += 1;
            } else {
                let c = self.text[at..].chars().next()?;
                if is_token_char(c) {
                    break;
                }
                at += c.len_utf8();
            }
        }
        if at >= bytes.len() {
            self.at = at;
            return None;
        }
        let from = at;
        while at < bytes.len() {
            let width = if bytes[at] < 0x80 {
                if !is_token_byte(bytes[at]) {
                    break;
                }
                1
            } else {
                let c = self.text[at..].chars().next()?;
                if !is_token_char(c) {
                    break;
                }
                c.len_utf8()
            };
            if at + width - from > TOKEN_BYTES_MAX {
                break;
            }
            at += width;
        }
        self.at = at;
        Some((from, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<String> {
        tokens(text).map(|t| t.into_owned()).collect()
    }

    #[test]
    fn words_are_runs_of_letters_digits_and_underscores() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("--- ", &[]),
            ("Refused connection", &["refused", "connection"]),
            ("10.20.3.4:80", &["10", "20", "3", "4", "80"]),
            ("user_id=4711", &["user_id", "4711"]),
            ("Größe ÄRGER", &["größe", "ärger"]),
            ("日本 語", &["日本", "語"]),
            ("a\u{0}b", &["a", "b"]),
        ];
        for (text, want) in cases {
            assert_eq!(&all(text), want, "{text}");
        }
    }

    #[test]
    fn a_long_run_is_cut() {
        let text = "x".repeat(TOKEN_BYTES_MAX * 2 + 1);
        assert_eq!(all(&text).iter().map(String::len).collect::<Vec<_>>(), [255, 255, 1]);
    }

    #[test]
    fn ascii_letters_of_a_folded_text_were_ascii_letters() {
        for c in ('\u{80}'..=char::MAX).filter(|c| *c != '\u{130}' && *c != '\u{212a}') {
            assert!(c.to_lowercase().all(|l| !l.is_ascii()), "{c:?}");
        }
        assert_eq!(fold("A\u{130}\u{212a}\u{212a}ÄB\u{130}"), "a\u{130}\u{212a}\u{212a}äb\u{130}");
    }

    proptest! {
        #[test]
        fn spans_are_ordered_and_hold_only_token_characters(text in "\\PC{0,80}") {
            let mut last = 0;
            for (from, to) in spans(&text) {
                prop_assert!(from >= last && to > from);
                prop_assert!(text[from..to].chars().all(is_token_char));
                last = to;
            }
        }
    }
}
