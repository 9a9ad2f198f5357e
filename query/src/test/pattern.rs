//! How is a wildcard or a Lucene expression matched? By one compiled expression, and by the
//! pieces of text that every match must hold.
//!
//! Knows no fields; the pieces let a split pass over rows that cannot match.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::automaton::Automaton;
use crate::ast::TextTest;
use crate::error::QueryError;

/// The most memory of one compiled expression, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Any text, in an expression.
const GAP: &str = ".*";
/// The longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 10_000;

/// A piece of text that every match holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The text, in the pattern's case.
    pub text: String,
    /// Other text may stand directly before it.
    pub open_left: bool,
    /// Other text may stand directly after it.
    pub open_right: bool,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    matcher: Matcher,
    /// It ignores case.
    pub folds: bool,
    /// What every match must hold.
    pub pieces: Vec<Piece>,
    /// It matches exactly the texts that hold the pieces in this order, the first at the beginning
    /// and the last at the end where they are not open.
    pub only_pieces: bool,
}

#[derive(Clone, Debug)]
enum Matcher {
    Regex(Regex),
    /// What the `regex` crate cannot say: not, and.
    Automaton(Arc<Automaton>),
}

impl Pattern {
    /// Whether the whole text matches (for a substring: holds it).
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Regex(regex) => regex.is_match(text),
            Matcher::Automaton(automaton) => automaton.matches(text),
        }
    }

    /// Whether it matches exactly the texts that hold the only piece anywhere.
    pub fn is_fragment(&self) -> bool {
        let [piece] = self.pieces.as_slice() else { return false };
        self.only_pieces && piece.open_left && piece.open_right
    }

    /// Text that begins so.
    pub fn prefix(test: &TextTest) -> Result<Self, QueryError> {
        let pieces = vec![Piece { text: test.text.clone(), open_left: false, open_right: true }];
        let body = format!("^{}", literal(test, &test.text));
        let regex = compile("prefix", test, &body)?;
        Ok(Self { folds: test.fold, matcher: Matcher::Regex(regex), pieces, only_pieces: true })
    }

    /// Text that holds this.
    pub fn substring(test: &TextTest) -> Result<Self, QueryError> {
        let pieces = vec![Piece { text: test.text.clone(), open_left: true, open_right: true }];
        let regex = compile("substring", test, &literal(test, &test.text))?;
        Ok(Self { folds: test.fold, matcher: Matcher::Regex(regex), pieces, only_pieces: true })
    }

    /// `*`, `?` and `\`.
    pub fn wildcard(test: &TextTest) -> Result<Self, QueryError> {
        let mut out = Builder { folds: test.fold, ..Builder::default() };
        let mut chars = test.text.chars();
        while let Some(c) = chars.next() {
            match c {
                '*' => out.any(".*"),
                '?' => out.any("."),
                '\\' => out.literal(chars.next().unwrap_or('\\')),
                c => out.literal(c),
            }
        }
        let pieces = out.finish();
        Self::anchored("wildcard", test, (out.body, pieces))
    }

    /// Lucene's regular expressions.
    pub fn regex(test: &TextTest) -> Result<Self, QueryError> {
        check_length("regular expression", test)?;
        let invalid = |reason: String| {
            QueryError::illegal(format!("invalid regular expression `{}`: {reason}", test.text))
        };
        if lucene::combines(&test.text) {
            let automaton = Automaton::new(&test.text, test.fold).map_err(invalid)?;
            let matcher = Matcher::Automaton(Arc::new(automaton));
            return Ok(Self { folds: test.fold, matcher, pieces: Vec::new(), only_pieces: false });
        }
        let mut translation = lucene::Translation::new(&test.text, test.fold);
        translation.run().map_err(invalid)?;
        let (body, pieces) = translation.finish();
        if body.contains('|') {
            let regex = compile("regular expression", test, &format!("^(?:{body})$"))?;
            let matcher = Matcher::Regex(regex);
            return Ok(Self { folds: test.fold, matcher, pieces, only_pieces: false });
        }
        Self::anchored("regular expression", test, (body, pieces))
    }

    fn anchored(
        what: &str,
        test: &TextTest,
        (body, pieces): (String, Vec<Piece>),
    ) -> Result<Self, QueryError> {
        let mut expected = String::new();
        for piece in &pieces {
            if piece.open_left && !expected.ends_with(GAP) {
                expected.push_str(GAP);
            }
            expected.push_str(&literal(test, &piece.text));
            if piece.open_right {
                expected.push_str(GAP);
            }
        }
        let only_pieces = !pieces.is_empty() && body == expected;
        let regex = compile(what, test, &unanchored(body))?;
        let matcher = Matcher::Regex(regex);
        Ok(Self { folds: test.fold, matcher, pieces, only_pieces })
    }
}

/// The expression that matches this text.
fn literal(test: &TextTest, text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    text.chars().for_each(|c| push_literal(c, test.fold, &mut out));
    out
}

/// Whatever the case, an ASCII letter matches only ASCII letters: Unicode counts a long s as an
/// `s` and the Kelvin sign as a `k`.
fn push_literal(c: char, fold: bool, out: &mut String) {
    match c {
        's' | 'S' if fold => out.push_str("(?-i:[sS])"),
        'k' | 'K' if fold => out.push_str("(?-i:[kK])"),
        c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
    }
}

/// Anchors at both ends, where no leading or trailing "anything" makes that needless: without
/// anchors the search for a literal is many times as fast.
fn unanchored(body: String) -> String {
    let mut inner = body.as_str();
    let head = inner.strip_prefix(".*").filter(|r| !r.starts_with(['?', '*', '+', '{']));
    let from = if head.is_some() { "" } else { "^" };
    inner = head.unwrap_or(inner);
    let tail = inner.strip_suffix(".*").filter(|r| !r.ends_with('\\'));
    let to = if tail.is_some() { "" } else { "$" };
    inner = tail.unwrap_or(inner);
    format!("{from}{inner}{to}")
}

fn check_length(what: &str, test: &TextTest) -> Result<(), QueryError> {
    if test.text.len() > PATTERN_BYTES_MAX {
        return Err(QueryError::illegal(format!(
            "{what} of {} bytes is too long, at most {PATTERN_BYTES_MAX} are allowed",
            test.text.len()
        )));
    }
    Ok(())
}

fn compile(what: &str, test: &TextTest, body: &str) -> Result<Regex, QueryError> {
    check_length(what, test)?;
    RegexBuilder::new(body)
        .dot_matches_new_line(true)
        .case_insensitive(test.fold)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .nest_limit(100)
        .build()
        .map_err(|e| {
            let reason = match e {
                regex::Error::CompiledTooBig(_) => {
                    "it is too complex; make its repetitions smaller".to_owned()
                }
                e => e.to_string().lines().last().unwrap_or("not an expression").to_owned(),
            };
            QueryError::illegal(format!("invalid {what} `{}`: {reason}", test.text))
        })
}

/// Writes an expression and notes the pieces of literal text.
#[derive(Debug, Default)]
struct Builder {
    folds: bool,
    body: String,
    pieces: Vec<Piece>,
    run: String,
    run_open: bool,
}

impl Builder {
    fn literal(&mut self, c: char) {
        push_literal(c, self.folds, &mut self.body);
        self.run.push(c);
    }

    fn any(&mut self, body: &str) {
        self.cut(true);
        // Two stars in a row are one, and a pattern of stars compiles fast.
        if !(body == ".*" && self.body.ends_with(".*") && !self.body.ends_with("\\.*")) {
            self.body.push_str(body);
        }
    }

    /// Ends the run of literal text; `open`: something that is not literal follows.
    fn cut(&mut self, open: bool) {
        if !self.run.is_empty() {
            self.pieces.push(Piece {
                text: std::mem::take(&mut self.run),
                open_left: self.run_open,
                open_right: open,
            });
        }
        self.run_open = open;
    }

    fn finish(&mut self) -> Vec<Piece> {
        self.cut(false);
        std::mem::take(&mut self.pieces)
    }
}

/// A number as runs of digits.
pub(super) type Digits = Vec<(char, char)>;

/// The numbers of `n-m` as alternatives of runs of digits. With as many digits in both, numbers
/// have so many, else any leading zeros may stand before them: that is the flag.
pub(super) fn interval(body: &str) -> Result<(bool, Vec<Digits>), String> {
    const DIGITS_MAX: usize = 18;
    let bad = || "an interval must be `<n-m>` of two numbers".to_owned();
    let (low, high) = body.split_once('-').ok_or_else(bad)?;
    if low.len().max(high.len()) > DIGITS_MAX {
        return Err(format!("numbers of an interval have at most {DIGITS_MAX} digits"));
    }
    let (mut from, mut to) =
        (low.parse::<u64>().map_err(|_| bad())?, high.parse::<u64>().map_err(|_| bad())?);
    if from > to {
        std::mem::swap(&mut from, &mut to);
    }
    let width = if low.len() == high.len() { low.len() } else { 1 };
    let mut out = Vec::new();
    while from <= to {
        // The longest run of numbers that differ in their last digits only.
        let mut size = 1u64;
        while from.is_multiple_of(size * 10)
            && from.saturating_add(size * 10 - 1) <= to
            && size < 10u64.pow(DIGITS_MAX as u32 - 1)
            && (from > 0 || width > size.ilog10() as usize + 1)
        {
            size *= 10;
        }
        let digit = (from / size) % 10;
        let steps = ((to - from + 1) / size).min(10 - digit);
        let last = from + size * steps - 1;
        let text = |n: u64| format!("{n:0width$}");
        let (first_text, last_text) = (text(from), text(last));
        if first_text.len() != last_text.len() {
            return Err(bad());
        }
        out.push(first_text.chars().zip(last_text.chars()).collect());
        from = last + 1;
    }
    Ok((low.len() != high.len(), out))
}

mod lucene {
    //! Lucene's syntax in the words of the `regex` crate.

    use std::iter::Peekable;
    use std::str::Chars;

    use super::{Builder, Piece, push_literal};

    pub(super) struct Translation<'a> {
        chars: Peekable<Chars<'a>>,
        out: Builder,
        /// Where the last atom begins in `out.body`, and whether it is repeated already.
        atom: Option<(usize, bool)>,
        groups: Vec<usize>,
        alternatives: bool,
    }

    impl<'a> Translation<'a> {
        pub(super) fn new(text: &'a str, folds: bool) -> Self {
            Self {
                chars: text.chars().peekable(),
                out: Builder { folds, ..Builder::default() },
                atom: None,
                groups: Vec::new(),
                alternatives: false,
            }
        }

        pub(super) fn finish(mut self) -> (String, Vec<Piece>) {
            let pieces = self.out.finish();
            let pieces = if self.alternatives { Vec::new() } else { pieces };
            (self.out.body, pieces)
        }

        pub(super) fn run(&mut self) -> Result<(), String> {
            while let Some(c) = self.chars.next() {
                match c {
                    '\\' => self.escape()?,
                    '"' => self.quoted()?,
                    '[' => self.class()?,
                    '(' => {
                        self.out.cut(true);
                        self.groups.push(self.out.body.len());
                        self.out.body.push_str("(?:");
                        self.atom = None;
                    }
                    ')' => self.close()?,
                    '|' => {
                        self.out.cut(true);
                        self.alternatives |= self.groups.is_empty();
                        self.out.body.push('|');
                        self.atom = None;
                    }
                    '*' | '+' | '?' | '{' => self.repeat(c)?,
                    '.' => self.set("."),
                    '@' => self.set("(?:.*)"),
                    // No text at all matches it.
                    '#' => self.set("[a&&b]"),
                    '<' => self.interval()?,
                    c => self.literal(c),
                }
            }
            match self.groups.is_empty() {
                true => Ok(()),
                false => Err("`(` is not closed".to_owned()),
            }
        }

        /// `<n-m>`.
        fn interval(&mut self) -> Result<(), String> {
            let mut body = String::new();
            loop {
                match self.chars.next() {
                    Some('>') => break,
                    Some(c) if c.is_ascii_digit() || c == '-' => body.push(c),
                    _ => {
                        return Err("`<` must be `<n-m>`; for the character write `\\<`".to_owned());
                    }
                }
            }
            let (zeros, alternatives) = super::interval(&body)?;
            let mut out = String::from(if zeros { "(?:0*(?:" } else { "(?:(?:" });
            for (at, alternative) in alternatives.into_iter().enumerate() {
                if at > 0 {
                    out.push('|');
                }
                for (from, to) in alternative {
                    match from == to {
                        true => out.push(from),
                        false => out.push_str(&format!("[{from}-{to}]")),
                    }
                }
            }
            out.push_str("))");
            self.set(&out);
            Ok(())
        }

        fn literal(&mut self, c: char) {
            self.atom = Some((self.out.body.len(), false));
            if self.groups.is_empty() {
                self.out.literal(c);
            } else {
                push_literal(c, self.out.folds, &mut self.out.body);
            }
        }

        fn set(&mut self, body: &str) {
            self.out.cut(true);
            self.atom = Some((self.out.body.len(), false));
            self.out.body.push_str(body);
        }

        fn escape(&mut self) -> Result<(), String> {
            match self.chars.next() {
                None => return Err("`\\` at the end escapes nothing".to_owned()),
                Some('d') => self.set("[0-9]"),
                Some('D') => self.set("[^0-9]"),
                Some('w') => self.set("[0-9A-Za-z_]"),
                Some('W') => self.set("[^0-9A-Za-z_]"),
                Some('s') => self.set(r"[ \t\n\r]"),
                Some('S') => self.set(r"[^ \t\n\r]"),
                Some(c) => self.literal(c),
            }
            Ok(())
        }

        fn quoted(&mut self) -> Result<(), String> {
            self.out.cut(true);
            let from = self.out.body.len();
            self.out.body.push_str("(?:");
            loop {
                match self.chars.next() {
                    None => return Err("`\"` is not closed".to_owned()),
                    Some('"') => break self.out.body.push(')'),
                    Some(c) => {
                        push_literal(c, self.out.folds, &mut self.out.body);
                    }
                }
            }
            self.atom = Some((from, false));
            Ok(())
        }

        fn class(&mut self) -> Result<(), String> {
            let mut body = String::from("[");
            if self.chars.next_if_eq(&'^').is_some() {
                body.push('^');
            }
            let mut first = true;
            loop {
                match self.chars.next() {
                    None => return Err("`[` is not closed".to_owned()),
                    Some(']') if !first => break,
                    Some('-') => body.push('-'),
                    Some('\\') => match self.chars.next() {
                        None => return Err("`[` is not closed".to_owned()),
                        Some('d') => body.push_str("0-9"),
                        Some('w') => body.push_str("0-9A-Za-z_"),
                        Some('s') => body.push_str(r" \t\n\r"),
                        Some(c) => in_class(&mut body, c),
                    },
                    Some(c) => in_class(&mut body, c),
                }
                first = false;
            }
            body.push(']');
            self.set(&body);
            Ok(())
        }

        fn close(&mut self) -> Result<(), String> {
            let from = self.groups.pop().ok_or("`)` closes nothing")?;
            self.out.cut(true);
            self.out.body.push(')');
            self.atom = Some((from, false));
            Ok(())
        }

        fn repeat(&mut self, c: char) -> Result<(), String> {
            let Some((from, again)) = self.atom else {
                return Err(format!("`{c}` has nothing to repeat"));
            };
            // The last character may be missing in a match: it belongs to no piece.
            self.out.run.pop();
            self.out.cut(true);
            if again {
                // `a+?` is an optional `a+` there, but a lazy one here.
                self.out.body.insert_str(from, "(?:");
                self.out.body.push(')');
            }
            self.out.body.push(c);
            if c == '{' {
                loop {
                    match self.chars.next() {
                        Some('}') => break self.out.body.push('}'),
                        Some(c) if c.is_ascii_digit() || c == ',' => self.out.body.push(c),
                        _ => return Err("`{` must be `{n}`, `{n,}` or `{n,m}`".to_owned()),
                    }
                }
            }
            self.atom = Some((from, true));
            Ok(())
        }
    }

    /// Whether the expression has `~` or `&` outside of quotes and classes.
    pub(super) fn combines(text: &str) -> bool {
        let mut chars = text.chars();
        let (mut quoted, mut class) = (false, None);
        while let Some(c) = chars.next() {
            match (c, quoted, class) {
                ('\\', false, _) => drop(chars.next()),
                ('"', _, None) => quoted = !quoted,
                ('[', false, None) => class = Some(0),
                // A `]` that comes first is one of the class.
                ('^', false, Some(0)) => {}
                (']', false, Some(1..)) => class = None,
                (_, false, Some(at)) => class = Some(at + 1),
                ('~' | '&', false, None) => return true,
                _ => {}
            }
        }
        false
    }

    fn in_class(body: &mut String, c: char) {
        if c.is_ascii_punctuation() {
            body.push('\\');
        }
        body.push(c);
    }
}
