//! Where does a word of a query end? Tokens of ES|QL and SQL, read as they are asked for.
//!
//! Knows no grammar; index patterns and name patterns are read by rules of their own.

use crate::error::QueryError;
use crate::esql::tree::Span;

/// Which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// ES|QL.
    Esql,
    /// SQL.
    Sql,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// The end.
    End,
    /// A word: a keyword or a name.
    Word(String),
    /// A name in quotes.
    Name(String),
    /// A text.
    Text(String),
    /// Digits, a point, an exponent.
    Number(String),
    /// `?` with the name or number after it.
    Param(String),
    /// A sign.
    Sign(&'static str),
}

const SIGNS: [&str; 28] = [
    "::", "==", "!=", "<>", "<=", ">=", "=~", "|", "=", "<", ">", "+", "-", "*", "/", "%", "(",
    ")", "[", "]", ",", ".", ":", ";", "{", "}", "^", "&",
];

/// Reads tokens; cheap to copy, so that a parser can look ahead.
#[derive(Clone, Copy, Debug)]
pub struct Lexer<'q> {
    /// The query.
    pub text: &'q str,
    /// Where the next token is looked for.
    pub at: usize,
    dialect: Dialect,
}

/// `line 1:8` of a place.
pub fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!("line {line}:{column}")
}

/// An error of syntax at a place.
pub fn error_at(text: &str, (from, to): Span, what: &str) -> QueryError {
    QueryError::parsing(format!("{}: {what}", place(text, from))).at(from, to)
}

impl<'q> Lexer<'q> {
    /// At the beginning.
    pub fn new(text: &'q str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    fn rest(&self) -> &'q str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Passes over white space and comments.
    pub fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let line = match self.dialect {
                Dialect::Esql => "//",
                Dialect::Sql => "--",
            };
            if trimmed.starts_with(line) {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                self.at += trimmed.find("*/").map_or(trimmed.len(), |end| end + 2);
            } else {
                return;
            }
        }
    }

    /// The next token and its place.
    ///
    /// # Errors
    /// A quote is not closed, or a character begins no token.
    pub fn take(&mut self) -> Result<(Token, Span), QueryError> {
        self.skip_space();
        let from = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, (from, from))) };
        let token = match first {
            '"' if self.dialect == Dialect::Sql => Token::Name(self.quoted('"', from)?),
            '"' => Token::Text(self.text_literal(from)?),
            '\'' if self.dialect == Dialect::Sql => Token::Text(self.quoted('\'', from)?),
            '`' => Token::Name(self.quoted('`', from)?),
            '0'..='9' => Token::Number(self.number(rest)),
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                Token::Number(self.number(rest))
            }
            '?' => {
                let name = word_end(&rest[1..]);
                self.at += 1 + name;
                Token::Param(rest[1..=name].to_owned())
            }
            c if c.is_alphabetic() || c == '_' || c == '@' => {
                let end = c.len_utf8() + word_end(&rest[c.len_utf8()..]);
                self.at += end;
                Token::Word(rest[..end].to_owned())
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Token::Sign(sign)
                }
                None => {
                    let what = format!("token recognition error at: '{first}'");
                    return Err(error_at(self.text, (from, from + first.len_utf8()), &what));
                }
            },
        };
        Ok((token, (from, self.at)))
    }

    /// The next token, which stays.
    ///
    /// # Errors
    /// As [`Lexer::take`].
    pub fn peek(&self) -> Result<(Token, Span), QueryError> {
        let mut copy = *self;
        copy.take()
    }

    fn number(&mut self, rest: &str) -> String {
        let bytes = rest.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(0);
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
            || bytes.get(end) == Some(&b'.')
                && !bytes.get(end + 1).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'.')
        {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(end + 1 + sign);
            if after > end + 1 + sign {
                end = after;
            }
        }
        self.at += end;
        rest[..end].to_owned()
    }

    /// Up to the closing quote; two of them stand for one.
    fn quoted(&mut self, quote: char, from: usize) -> Result<String, QueryError> {
        let mut out = String::new();
        let mut chars = self.text[from + 1..].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != quote {
                out.push(c);
                continue;
            }
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                    out.push(quote);
                }
                _ => {
                    self.at = from + 1 + at + 1;
                    return Ok(out);
                }
            }
        }
        Err(self.unclosed(from))
    }

    fn unclosed(&self, from: usize) -> QueryError {
        let shown: String = self.text[from..].chars().take(60).collect();
        let what = format!("token recognition error at: '{shown}'");
        error_at(self.text, (from, self.text.len()), &what)
    }

    /// `"…"` with escapes, or `"""…"""` without.
    fn text_literal(&mut self, from: usize) -> Result<String, QueryError> {
        let body = &self.text[from..];
        if let Some(inner) = body.strip_prefix("\"\"\"") {
            let Some(mut end) = inner.find("\"\"\"") else { return Err(self.unclosed(from)) };
            // Up to two more quotes belong to the text.
            while inner[end + 3..].starts_with('"') && inner[end..].len() > 3 {
                end += 1;
            }
            self.at = from + 3 + end + 3;
            return Ok(inner[..end].to_owned());
        }
        let mut out = String::new();
        let mut chars = body[1..].char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = from + 1 + at + 1;
                    return Ok(out);
                }
                '\n' | '\r' => break,
                '\\' => {
                    let after = chars.next();
                    out.push(match after.map(|(_, c)| c) {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some(c @ ('"' | '\\')) => c,
                        _ => {
                            let place = from + 1 + at;
                            let shown: String = self.text[place..].chars().take(2).collect();
                            let what = format!("token recognition error at: '{shown}'");
                            return Err(error_at(self.text, (place, place + 1), &what));
                        }
                    });
                }
                c => out.push(c),
            }
        }
        Err(self.unclosed(from))
    }

    /// One pattern of `FROM`, in quotes or not.
    ///
    /// # Errors
    /// There is none.
    pub fn source(&mut self) -> Result<(String, Span), QueryError> {
        self.skip_space();
        let from = self.at;
        let rest = self.rest();
        if rest.starts_with('"') {
            let text = self.text_literal(from)?;
            return Ok((text, (from, self.at)));
        }
        let stops = |c: char| {
            c.is_whitespace()
                || matches!(c, '|' | ',' | '"' | '=' | '[' | ']' | '/' | '`' | '(' | ')')
        };
        let end = rest.find(stops).unwrap_or(rest.len());
        if end == 0 {
            let shown = rest.chars().next().map_or("<EOF>".to_owned(), |c| c.to_string());
            let what =
                format!("mismatched input '{shown}' expecting {{QUOTED_STRING, UNQUOTED_SOURCE}}");
            return Err(error_at(self.text, (from, from + 1), &what));
        }
        self.at += end;
        Ok((rest[..end].to_owned(), (from, self.at)))
    }

    /// A name with dots, quotes and, where `stars` are allowed, `*`; `None` when there is none.
    ///
    /// # Errors
    /// A quote is not closed.
    pub fn name(&mut self, stars: bool) -> Result<Option<(String, Span)>, QueryError> {
        self.skip_space();
        let from = self.at;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with('`') {
                out.push_str(&self.quoted('`', self.at)?);
            } else {
                let end = rest
                    .find(|c: char| {
                        !(c.is_alphanumeric()
                            || matches!(c, '_' | '@')
                            || stars && matches!(c, '*' | '-') && !(c == '-' && out.is_empty()))
                    })
                    .unwrap_or(rest.len());
                out.push_str(&rest[..end]);
                self.at += end;
                if end == 0 && !(stars && rest.starts_with('`')) {
                    break;
                }
            }
            let rest = self.rest();
            let next = rest.strip_prefix('.').and_then(|r| r.chars().next());
            if next.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '`' | '*')) {
                out.push('.');
                self.at += 1;
            } else if !(stars && rest.starts_with('`')) {
                break;
            }
        }
        Ok((!out.is_empty()).then_some((out, (from, self.at))))
    }
}

/// Where the letters, digits and underscores at the beginning end.
fn word_end(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
}
