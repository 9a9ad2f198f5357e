//! Which pieces of a text are shown, and how are they written? Sentences or words around the
//! marks, the best of them, with tags.
//!
//! Follows Lucene's unified highlighter: a piece begins with the sentence of its first mark and
//! takes in the sentences after it while it stays short enough; one that is too long by itself is
//! cut at words around the mark. Sizes are in characters there and in bytes here.

use super::{Boundary, Kind, Options};
use crate::leaf::{LeafError, Run};

/// The size that asks for the whole value.
const WHOLE: usize = i32::MAX as usize;
/// The longest that a character becomes in HTML.
const ESCAPE_BYTES: usize = 6;

/// What matches in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where it begins, in bytes.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// Which test of the query matches.
    pub term: usize,
}

/// A value of a field with its marks, rising and apart.
pub struct Value<'a> {
    /// The text.
    pub text: &'a str,
    /// What matches.
    pub marks: Vec<Mark>,
}

/// The marks in order; those that overlap become one.
pub fn merged(mut marks: Vec<Mark>) -> Vec<Mark> {
    marks.sort_by_key(|m| (m.from, std::cmp::Reverse(m.to)));
    let mut out: Vec<Mark> = Vec::with_capacity(marks.len());
    for mark in marks {
        match out.last_mut() {
            Some(last) if mark.from < last.to => last.to = last.to.max(mark.to),
            _ => out.push(mark),
        }
    }
    out
}

/// A piece of a value.
struct Piece {
    value: usize,
    from: usize,
    to: usize,
    /// Its marks, by position.
    marks: std::ops::Range<usize>,
    score: f64,
}

/// The pieces of a field's values, as they are shown.
///
/// # Errors
/// They would be too large.
pub fn pieces(
    values: &[Value<'_>],
    options: &Options,
    run: &Run,
) -> Result<Vec<String>, LeafError> {
    if values.iter().all(|v| v.marks.is_empty()) {
        return Ok(no_match(values, options));
    }
    let whole = options.fragments == 0 || options.fragment_size >= WHOLE;
    let mut found = Vec::new();
    let mut before = 0;
    let length = values.iter().map(|v| v.text.len() + 1).sum::<usize>();
    for (at, value) in values.iter().enumerate() {
        let first = found.len();
        if !value.marks.is_empty() {
            match whole {
                true => found.push(Piece {
                    value: at,
                    from: 0,
                    to: value.text.len(),
                    marks: 0..value.marks.len(),
                    score: 0.0,
                }),
                false => cut(at, value, options, &mut found),
            }
        }
        for piece in &mut found[first..] {
            piece.score = score(value, piece, before, length);
        }
        before += value.text.len() + 1;
    }
    if options.fragments > 0 || options.by_score {
        // The sort is stable: of equals the first comes first.
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    if options.fragments > 0 {
        found.truncate(options.fragments);
    }
    if !options.by_score {
        found.sort_by_key(|p| (p.value, p.from));
    }
    let longest = |tags: &[String]| tags.iter().map(String::len).max().unwrap_or(0);
    let tags = longest(&options.pre_tags) + longest(&options.post_tags);
    let escapes = if options.html { ESCAPE_BYTES } else { 1 };
    let mut out = Vec::with_capacity(found.len());
    for piece in &found {
        run.charge((piece.to - piece.from) * escapes + piece.marks.len().saturating_mul(tags))?;
        out.push(written(&values[piece.value], piece, options));
    }
    Ok(out)
}

/// The beginning of the first value, up to the end of a word.
fn no_match(values: &[Value<'_>], options: &Options) -> Vec<String> {
    let first = values.iter().map(|v| v.text).find(|text| !text.is_empty());
    let (Some(text), true) = (first, options.no_match_size > 0) else { return Vec::new() };
    let size = text.char_indices().nth(options.no_match_size).map_or(text.len(), |c| c.0);
    let end = if size < text.len() { word_after(text, size) } else { text.len() };
    vec![escaped(text[..end].trim(), options.html)]
}

fn cut(at: usize, value: &Value<'_>, options: &Options, out: &mut Vec<Piece>) {
    let sentences = match options.boundary {
        Boundary::Sentence => sentence_ends(value.text),
        Boundary::Word => Vec::new(),
    };
    let mut next = 0;
    let mut end_before = 0;
    while let Some(mark) = value.marks.get(next) {
        let (from, to) = match options.boundary {
            Boundary::Sentence => {
                window(value.text, &sentences, mark, (options.fragment_size, end_before))
            }
            Boundary::Word => (mark.from, mark.to),
        };
        let to = to.max(mark.to);
        let inside = value.marks[next..].iter().take_while(|m| m.from < to).count().max(1);
        let to = value.marks[next + inside - 1].to.max(to);
        out.push(Piece { value: at, from, to, marks: next..next + inside, score: 0.0 });
        next += inside;
        end_before = to;
    }
}

/// The run of text around a mark that is at most about `size` long and begins after the last one.
fn window(
    text: &str,
    ends: &[usize],
    mark: &Mark,
    (size, end_before): (usize, usize),
) -> (usize, usize) {
    let at = ends.partition_point(|end| *end <= mark.from);
    let start = if at == 0 { 0 } else { ends[at - 1] }.max(end_before);
    let mut end = ends.get(at).copied().unwrap_or(text.len());
    for next in ends[(at + 1).min(ends.len())..].iter().chain(std::iter::once(&text.len())) {
        if next - start > size {
            break;
        }
        end = end.max(*next);
    }
    if end - start <= size {
        return (start, end);
    }
    let mut from = start;
    if mark.from.saturating_sub(size) > from {
        from = from.max(word_before(text, mark.from - size));
    }
    let left = size.saturating_sub(mark.from - from);
    if mark.from + left < end {
        end = end.min(word_after(text, mark.from + left));
    }
    (from, end)
}

/// Where sentences end: after a full stop and spaces, or at the end of a line.
fn sentence_ends(text: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().peekable();
    let (mut stop, mut spaced) = (None, false);
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        match c {
            '\n' | '\u{85}' | '\u{2029}' => {
                out.push(end);
                (stop, spaced) = (None, false);
                continue;
            }
            '.' | '!' | '?' | '。' | '！' | '？' => (stop, spaced) = (Some(c), false),
            '"' | '\'' | ')' | ']' | '}' | '”' | '’' if !spaced => {}
            c if c.is_whitespace() => spaced = stop.is_some(),
            _ => (stop, spaced) = (None, false),
        }
        if let (Some(mark), true, Some((_, next))) = (stop, spaced, chars.peek())
            && !next.is_whitespace()
            && !(mark == '.' && next.is_lowercase())
        {
            out.push(end);
            (stop, spaced) = (None, false);
        }
    }
    out
}

fn is_word_end(text: &str, at: usize) -> bool {
    let word = |c: char| c == '_' || c.is_alphanumeric();
    text.is_char_boundary(at)
        && !(text[..at].chars().next_back().is_some_and(word)
            && text[at..].chars().next().is_some_and(word))
}

/// The first border of words after a place.
fn word_after(text: &str, at: usize) -> usize {
    (at + 1..text.len()).find(|at| is_word_end(text, *at)).unwrap_or(text.len())
}

/// The last border of words before a place.
fn word_before(text: &str, at: usize) -> usize {
    (0..at.min(text.len())).rev().find(|at| is_word_end(text, *at)).unwrap_or(0)
}

/// Lucene's score of a piece: its terms by how rare they are in the field, and how early it comes.
fn score(value: &Value<'_>, piece: &Piece, before: usize, length: usize) -> f64 {
    const K1: f64 = 1.2;
    const B: f64 = 0.75;
    const PIVOT: f64 = 87.0;
    let marks = &value.marks[piece.marks.clone()];
    let word = |m: &Mark| &value.text[m.from..m.to];
    let long = (piece.to - piece.from) as f64;
    let mut out = 0.0;
    for (at, mark) in marks.iter().enumerate() {
        if marks[..at].iter().any(|m| word(m).eq_ignore_ascii_case(word(mark))) {
            continue;
        }
        let same = |m: &&Mark| word(m).eq_ignore_ascii_case(word(mark));
        // Few words repeat so often that more of them would change the order.
        let total = value.marks.iter().take(256).filter(same).count() as f64;
        let here = marks.iter().take(256).filter(same).count() as f64;
        let docs = 1.0 + length as f64 / PIVOT;
        let weight = (K1 + 1.0) * (1.0 + (docs + 0.5) / (total + 0.5)).ln();
        out += weight * here / (here + K1 * ((1.0 - B) + B * long / PIVOT));
        if at >= 256 {
            break;
        }
    }
    out * (1.0 + 1.0 / (PIVOT + (before + piece.from) as f64).ln())
}

fn written(value: &Value<'_>, piece: &Piece, options: &Options) -> String {
    let text = value.text;
    let tag = |tags: &[String], term: usize| match (options.kind, tags.len()) {
        (_, 0) => String::new(),
        (Kind::Fvh, n) => tags[term % n].clone(),
        _ => tags[0].clone(),
    };
    let mut out = String::with_capacity(piece.to - piece.from + 32);
    let mut at = piece.from;
    for mark in &value.marks[piece.marks.clone()] {
        out.push_str(&escaped(&text[at..mark.from.max(at)], options.html));
        out.push_str(&tag(&options.pre_tags, mark.term));
        out.push_str(&escaped(&text[mark.from.max(at)..mark.to], options.html));
        out.push_str(&tag(&options.post_tags, mark.term));
        at = mark.to;
    }
    out.push_str(&escaped(&text[at..piece.to.max(at)], options.html));
    out.trim().to_owned()
}

fn escaped(text: &str, html: bool) -> String {
    if !html {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '"' => out.push_str("&quot;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#x27;"),
            '/' => out.push_str("&#x2F;"),
            c => out.push(c),
        }
    }
    out
}
