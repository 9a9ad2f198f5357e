//! Of which words does a script consist? Numbers, strings, names and signs, with their places.

use crate::error::QueryError;

/// A word of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string without its quotes.
    Text(String),
    /// A name or keyword.
    Name(String),
    /// An operator or bracket.
    Sign(&'static str),
    /// Nothing more.
    End,
}

/// The longest first.
const SIGNS: &[&str] = &[
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "?:", "?.", "+=", "-=", "*=", "/=", "++",
    "--", "->", "<<", ">>", "=~", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[",
    "]", "{", "}", ",", ".", ";", "=", "&", "|", "^", "~",
];

/// Cuts a source into words, each with its place in bytes.
///
/// # Errors
/// A character begins no word, or a string has no end.
pub fn tokens(source: &str) -> Result<Vec<(Token, usize)>, QueryError> {
    let bytes = source.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        let Some(first) = rest.chars().next() else { break };
        let from = at;
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(inner) = rest.strip_prefix("/*") {
            let end = inner.find("*/").ok_or_else(|| bad("the comment has no end", from, rest))?;
            at += end + 4;
        } else if first.is_ascii_digit()
            || first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            let (token, len) = number(rest).ok_or_else(|| bad("invalid number", from, rest))?;
            out.push((token, from));
            at += len;
        } else if first == '\'' || first == '"' {
            let (text, len) =
                string(rest, first).ok_or_else(|| bad("the string has no end", from, rest))?;
            out.push((Token::Text(text), from));
            at += len;
        } else if first.is_ascii_alphabetic() || first == '_' || first == '$' {
            let len = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            out.push((Token::Name(rest[..len].to_owned()), from));
            at += len;
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| {
                let what = format!("unexpected character [{first}]");
                QueryError::parsing(what).at(from, from + first.len_utf8())
            })?;
            out.push((Token::Sign(sign), from));
            at += sign.len();
        }
    }
    out.push((Token::End, source.len()));
    Ok(out)
}

fn bad(what: &str, from: usize, rest: &str) -> QueryError {
    QueryError::parsing(format!("{what} at offset {from}")).at(from, from + rest.len())
}

/// A number and its length: `1`, `1L`, `1.5`, `.5`, `1e9`, `2.5f`, `0x1F`.
fn number(rest: &str) -> Option<(Token, usize)> {
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let len = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        return Some((Token::Int(i64::from_str_radix(&hex[..len], 16).ok()?), len + 2));
    }
    let digits = |from: usize| from + rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut len = digits(0);
    let mut whole = true;
    if rest[len..].starts_with('.') && !rest[len + 1..].starts_with(|c: char| c.is_alphabetic()) {
        whole = false;
        len = digits(len + 1);
    }
    if rest[len..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
        let end = digits(len + 1 + sign);
        if end == len + 1 + sign {
            return None;
        }
        whole = false;
        len = end;
    }
    let text = &rest[..len];
    let (token, suffix) = match rest[len..].chars().next() {
        Some('l' | 'L') if whole => (Token::Int(text.parse().ok()?), 1),
        Some('d' | 'D' | 'f' | 'F') => (Token::Float(text.parse().ok()?), 1),
        _ if whole => (Token::Int(text.parse().ok()?), 0),
        _ => (Token::Float(text.parse().ok()?), 0),
    };
    let len = len + suffix;
    let glued = rest[len..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (!glued).then_some((token, len))
}

/// A string and the length of it with its quotes.
fn string(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            c if c == quote => return Some((out, at + 1)),
            c => out.push(c),
        }
    }
    None
}
