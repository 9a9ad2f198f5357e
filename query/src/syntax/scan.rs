//! Where does a word, phrase or bound of a query string end? Characters and escapes.
//!
//! Knows nothing of what the pieces mean.

use crate::error::QueryError;

/// A place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// A word or phrase with its escapes taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What is meant.
    pub(super) text: String,
    /// The same as a wildcard pattern: `\` before characters that were escaped.
    pub(super) pattern: String,
    /// How many of `*` and `?` are meant as wildcards.
    pub(super) wildcards: usize,
    /// Byte span.
    pub(super) span: (usize, usize),
}

pub(super) fn error(reason: impl Into<String>, span: (usize, usize)) -> QueryError {
    QueryError::parsing(reason).at(span.0, span.1)
}

impl<'a> Scan<'a> {
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Takes `token` if it comes next.
    pub(super) fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Takes a word such as `AND` if it comes next and ends there.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> bool {
        let ends = |rest: &str| {
            rest.chars().next().is_none_or(|c| c.is_whitespace() || "()\"[{".contains(c))
        };
        let found = self.rest().strip_prefix(keyword).is_some_and(ends);
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// The span of the next character, or of the end.
    pub(super) fn here(&self) -> (usize, usize) {
        (self.at, self.at + self.peek().map_or(0, char::len_utf8))
    }

    /// A word up to a space or one of `stops`; `\` takes the next character as it is.
    pub(super) fn word(&mut self, stops: &str) -> Result<Word, QueryError> {
        let from = self.at;
        let mut word =
            Word { text: String::new(), pattern: String::new(), wildcards: 0, span: (from, from) };
        while let Some(c) = self.peek() {
            if c.is_whitespace() || stops.contains(c) {
                break;
            }
            // `!=` ends a name, a plain `!` does not.
            if c == '!' && stops.contains('=') && self.rest().starts_with("!=") {
                break;
            }
            self.at += c.len_utf8();
            if c == '\\' {
                self.escaped(&mut word)?;
                continue;
            }
            if matches!(c, '*' | '?') {
                word.wildcards += 1;
            }
            word.text.push(c);
            word.pattern.push(c);
        }
        word.span.1 = self.at;
        Ok(word)
    }

    /// A phrase whose opening quote was taken.
    pub(super) fn phrase(&mut self) -> Result<Word, QueryError> {
        let from = self.at - 1;
        let mut word =
            Word { text: String::new(), pattern: String::new(), wildcards: 0, span: (from, from) };
        loop {
            let Some(c) = self.peek() else {
                return Err(error(
                    "the phrase that begins here has no closing `\"`",
                    (from, self.at),
                ));
            };
            self.at += c.len_utf8();
            match c {
                '"' => break,
                '\\' => self.escaped(&mut word)?,
                _ => word.text.push(c),
            }
        }
        word.span.1 = self.at;
        Ok(word)
    }

    fn escaped(&mut self, word: &mut Word) -> Result<(), QueryError> {
        let Some(c) = self.peek() else {
            let span = (self.at - 1, self.at);
            return Err(error("the `\\` at the end escapes nothing: write `\\\\`", span));
        };
        self.at += c.len_utf8();
        word.text.push(c);
        if matches!(c, '*' | '?' | '\\') {
            word.pattern.push('\\');
        }
        word.pattern.push(c);
        Ok(())
    }

    /// A regular expression, if one comes next: from `/` to the next bare `/` that ends a word.
    pub(super) fn regex(&mut self) -> Option<Word> {
        let rest = self.rest().strip_prefix('/')?;
        let mut previous = ' ';
        for (at, c) in rest.char_indices() {
            if c == '/' && previous != '\\' {
                let after = rest[at + 1..].chars().next();
                if at == 0 || !after.is_none_or(|c| c.is_whitespace() || ")^".contains(c)) {
                    return None;
                }
                let from = self.at;
                self.at += at + 2;
                let text = rest[..at].replace("\\/", "/");
                let span = (from, self.at);
                return Some(Word { pattern: text.clone(), text, wildcards: 0, span });
            }
            previous = if previous == '\\' { ' ' } else { c };
        }
        None
    }

    /// A run of digits and dots.
    pub(super) fn number(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }
}
