//! What is the right answer? The plainest evaluator over `serde_json` values: no batches, no
//! splits, no compiled tests.

use model::time::Timestamp;
use model::token;
use serde_json::Value as Json;

use super::corpus::NODE;
use crate::ast::{Bound, FieldQuery, FuzzyTest, Literal, Query, Target, Test};

#[derive(Clone, Debug)]
pub(super) struct Doc {
    pub(super) index: String,
    pub(super) id: String,
    pub(super) seq: u64,
    pub(super) time: i64,
    pub(super) source: String,
    pub(super) values: Vec<(String, Json)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Look {
    Text,
    Column,
    Keyword,
}

impl Doc {
    pub(super) fn new(source: &Json, index: &str, id: Option<String>, seq: u64) -> Self {
        let mut values = Vec::new();
        flatten("", source, &mut values);
        let time = values.iter().find(|(p, _)| p == "@timestamp").unwrap().1.as_str().unwrap();
        Self {
            index: index.to_owned(),
            id: id.unwrap_or_else(|| NODE.document_id(model::id::RecordSeq(seq))),
            seq,
            time: Timestamp::parse(time).unwrap().0,
            source: source.to_string(),
            values,
        }
    }

    /// The values of a path; `@timestamp` in milliseconds.
    pub(super) fn of(&self, path: &str) -> Vec<Json> {
        match path {
            "@timestamp" => vec![Timestamp(self.time).millis().into()],
            "_index" => vec![self.index.as_str().into()],
            _ => {
                let path = path.strip_suffix(".keyword").unwrap_or(path);
                self.values.iter().filter(|(p, _)| p == path).map(|(_, v)| v.clone()).collect()
            }
        }
    }

    pub(super) fn matches(&self, query: &Query) -> bool {
        match query {
            Query::All => true,
            Query::None => false,
            Query::Time(range) => range.from.0 <= self.time && self.time < range.to.0,
            Query::Ids(ids) => ids.contains(&self.id),
            Query::Index(patterns) => patterns.iter().any(|p| star(p, &self.index)),
            Query::Bool(b) => {
                b.must.iter().all(|q| self.matches(q))
                    && !b.must_not.iter().any(|q| self.matches(q))
                    && b.should.iter().filter(|q| self.matches(q)).count() >= b.minimum_should
            }
            Query::Field(field) => self.matches_field(field),
            Query::Scored(scored) => self.matches(&scored.query),
        }
    }

    fn matches_field(&self, field: &FieldQuery) -> bool {
        let look = |path: &str| if path == "message" { Look::Text } else { Look::Column };
        let rest = self.values.iter().filter(|(p, _)| p != "@timestamp");
        let pattern = matches!(
            field.test,
            Test::Prefix(_) | Test::Wildcard(_) | Test::Regex(_) | Test::Substring(_)
        );
        match &field.target {
            Target::Path(path) if path == "@timestamp" => {
                let Test::Range { lower, upper } = &field.test else { return true };
                in_range(lower, upper, |l| match l {
                    Literal::Time(t, _) => self.time.cmp(&t.0),
                    other => panic!("{other:?}"),
                })
            }
            Target::Path(path) => match path.strip_suffix(".keyword") {
                Some(base) => self.of(base).iter().any(|v| passes(&field.test, v, Look::Keyword)),
                None => self.of(path).iter().any(|v| passes(&field.test, v, look(path))),
            },
            Target::Pattern(pattern) => {
                field.test == Test::Exists && star(pattern, "@timestamp")
                    || rest
                        .clone()
                        .any(|(p, v)| star(pattern, p) && passes(&field.test, v, look(p)))
            }
            Target::Any => {
                field.test == Test::Exists
                    || rest.clone().any(|(p, v)| {
                        (!pattern || v.is_string()) && passes(&field.test, v, look(p))
                    })
            }
        }
    }
}

fn flatten(path: &str, value: &Json, out: &mut Vec<(String, Json)>) {
    match value {
        Json::Null => {}
        Json::Array(list) => list.iter().for_each(|v| flatten(path, v, out)),
        Json::Object(map) => map.iter().for_each(|(k, v)| {
            let path = if path.is_empty() { k.clone() } else { format!("{path}.{k}") };
            flatten(&path, v, out);
        }),
        leaf => out.push((path.to_owned(), leaf.clone())),
    }
}

/// `*` only.
pub(super) fn star(pattern: &str, text: &str) -> bool {
    glob(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>(), false)
}

fn glob(pattern: &[char], text: &[char], question: bool) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|at| glob(rest, &text[at..], question)),
        Some(('?', rest)) if question => !text.is_empty() && glob(rest, &text[1..], question),
        Some((c, rest)) => text.first() == Some(c) && glob(rest, &text[1..], question),
    }
}

fn text_of(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Number(n) => match n.as_i64() {
            Some(v) => v.to_string(),
            None => n.as_f64().unwrap().to_string(),
        },
        other => other.to_string(),
    }
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Bool(v) => v.to_string(),
        Literal::Int(v) => v.to_string(),
        Literal::Float(v) => v.to_string(),
        Literal::Text(text) | Literal::Time(_, text) => text.clone(),
    }
}

fn tokens(text: &str) -> Vec<String> {
    token::tokens(text).map(|t| t.into_owned()).collect()
}

/// Whole value, or on a text field one token.
fn whole(value: &Json, look: Look, passes: impl Fn(&str) -> bool) -> bool {
    let text = text_of(value);
    passes(&text)
        || look == Look::Text && value.is_string() && tokens(&text).iter().any(|t| passes(t))
}

fn equals(value: &Json, literal: &Literal, fold: bool, look: Look) -> bool {
    let want = literal_text(literal);
    match value {
        Json::String(_) => whole(value, look, |t| t == want || fold && lower(t) == lower(&want)),
        Json::Number(n) => want.parse::<f64>().is_ok_and(|w| w == n.as_f64().unwrap()),
        other => *other == Json::Bool(want == "true") && (want == "true" || want == "false"),
    }
}

fn is_word(value: &Json, word: &[String]) -> bool {
    match value {
        Json::Number(n) => {
            word.len() < 3
                && word.join(".").parse::<f64>().is_ok_and(|w| w == n.as_f64().unwrap().abs())
        }
        other => word == [other.to_string()],
    }
}

fn holds(tokens: &[String], word: &[String]) -> bool {
    !word.is_empty() && tokens.windows(word.len()).any(|w| w == word)
}

/// Every choice of distinct places.
fn sloppy(tokens: &[String], want: &[String], chosen: &mut Vec<i64>, slop: i64) -> bool {
    if chosen.len() == want.len() {
        let moved: Vec<i64> = chosen.iter().enumerate().map(|(i, p)| p - i as i64).collect();
        return !want.is_empty()
            && moved.iter().max().unwrap() - moved.iter().min().unwrap() <= slop;
    }
    for at in 0..tokens.len() {
        if tokens[at] == want[chosen.len()] && !chosen.contains(&(at as i64)) {
            chosen.push(at as i64);
            if sloppy(tokens, want, chosen, slop) {
                return true;
            }
            chosen.pop();
        }
    }
    false
}

fn in_range(lower: &Bound, upper: &Bound, order: impl Fn(&Literal) -> std::cmp::Ordering) -> bool {
    let low = match lower {
        Bound::Open => true,
        Bound::Included(l) => order(l).is_ge(),
        Bound::Excluded(l) => order(l).is_gt(),
    };
    let high = match upper {
        Bound::Open => true,
        Bound::Included(l) => order(l).is_le(),
        Bound::Excluded(l) => order(l).is_lt(),
    };
    low && high
}

fn order(value: &Json, literal: &Literal) -> std::cmp::Ordering {
    match (value, literal) {
        (Json::Number(n), Literal::Time(bound, _)) => {
            let v = match n.as_i64() {
                Some(v) => model::record::Value::Int(v),
                None => model::record::Value::Float(n.as_f64().unwrap()),
            };
            Timestamp::from_value(&v).unwrap().cmp(bound)
        }
        (Json::Number(n), literal) => match literal_text(literal).parse::<f64>() {
            Ok(bound) => n.as_f64().unwrap().total_cmp(&bound),
            Err(_) => text_of(value).cmp(&literal_text(literal)),
        },
        (Json::String(text), literal)
            if !matches!(literal, Literal::Time(..))
                && literal_text(literal).parse::<f64>().is_ok_and(f64::is_finite) =>
        {
            let bound = literal_text(literal).parse::<f64>().unwrap();
            text.parse::<f64>().unwrap_or(f64::NAN).total_cmp(&bound)
        }
        (Json::String(text), Literal::Time(bound, printed)) => match Timestamp::parse(text) {
            Some(at) => at.cmp(bound),
            None => text.cmp(printed),
        },
        _ => text_of(value).cmp(&literal_text(literal)),
    }
}

/// A string that is no number does not lie in a range of numbers.
fn comparable(value: &Json, bound: &Bound) -> bool {
    let (Bound::Included(l) | Bound::Excluded(l)) = bound else { return true };
    let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    !value.is_string() || !number(&literal_text(l)) || number(&text_of(value))
}

fn passes(test: &Test, value: &Json, look: Look) -> bool {
    let string = value.is_string();
    let text = text_of(value);
    match test {
        Test::Exists => true,
        Test::Term(t) if network(&t.value).is_some() => {
            let (at, bits) = network(&t.value).unwrap();
            text == literal_text(&t.value)
                || string && address(&text).is_some_and(|v| v >> (32 - bits) == at >> (32 - bits))
        }
        Test::Term(t) => equals(value, &t.value, t.fold, look),
        Test::Terms(list) => list.iter().any(|l| equals(value, l, false, look)),
        Test::Words { words, minimum } => {
            let found = if !string {
                words.iter().filter(|w| is_word(value, w)).count()
            } else if look == Look::Keyword {
                return words.len() >= *minimum
                    && !words.concat().is_empty()
                    && tokens(&text) == words.concat();
            } else {
                words.iter().filter(|w| holds(&tokens(&text), w)).count()
            };
            found >= *minimum
        }
        Test::Phrase { tokens: want, prefix, slop } => {
            if *prefix {
                let have = tokens(&text);
                let (last, before) = want.split_last().unwrap();
                let fits = |w: &[String]| {
                    w[..before.len()] == *before && w[before.len()].starts_with(last.as_str())
                };
                let mut windows = have.windows(want.len());
                return match string && look != Look::Keyword {
                    true => windows.any(fits),
                    false => have.len() == want.len() && fits(&have),
                };
            }
            match (string, look) {
                (false, _) => is_word(value, want),
                (true, Look::Keyword) => !want.is_empty() && tokens(&text) == *want,
                _ => sloppy(&tokens(&text), want, &mut Vec::new(), i64::from(*slop)),
            }
        }
        Test::Range { lower, upper } if is_address(lower) || is_address(upper) => {
            let order = |l: &Literal| match (address(&text), address(&literal_text(l))) {
                (Some(v), Some(bound)) if string => v.cmp(&bound),
                _ => panic!("no address"),
            };
            string && address(&text).is_some() && in_range(lower, upper, order)
        }
        Test::Range { lower, upper } => {
            comparable(value, lower)
                && comparable(value, upper)
                && in_range(lower, upper, |l| order(value, l))
        }
        Test::Prefix(t) => {
            whole(value, look, |v| folded(v, t.fold).starts_with(&folded(&t.text, t.fold)))
        }
        Test::Wildcard(t) => whole(value, look, |v| {
            let chars = |s: &str| folded(s, t.fold).chars().collect::<Vec<_>>();
            glob(&chars(&t.text), &chars(v), true)
        }),
        Test::Regex(t) => {
            let regex = regex::RegexBuilder::new(&format!("^(?:{})$", t.text))
                .case_insensitive(t.fold)
                .dot_matches_new_line(true)
                .build()
                .unwrap();
            whole(value, look, |v| regex.is_match(v))
        }
        Test::Substring(t) => folded(&text, t.fold).contains(&folded(&t.text, t.fold)),
        Test::Fuzzy(f) => match (string, f.token, look) {
            (false, true, _) => is_word(value, std::slice::from_ref(&f.text)),
            (false, false, _) => equals(value, &Literal::Text(f.text.clone()), false, look),
            (true, true, Look::Keyword) => {
                let all = tokens(&text);
                all.len() == 1 && near(f, &all[0])
            }
            (true, true, _) => tokens(&text).iter().any(|t| near(f, t)),
            (true, false, _) => whole(value, look, |t| near(f, t)),
        },
    }
}

/// An address of IPv4.
fn address(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split('.').collect();
    let part = |p: &&str| p.parse::<u8>().ok().filter(|n| n.to_string() == **p).map(u64::from);
    let parts: Option<Vec<u64>> = parts.iter().map(part).collect();
    parts.filter(|p| p.len() == 4).map(|p| p.iter().fold(0, |all, p| all << 8 | p))
}

fn network(literal: &Literal) -> Option<(u64, u64)> {
    let text = literal_text(literal);
    let (at, bits) = text.split_once('/')?;
    Some((address(at)?, bits.parse().ok()?))
}

fn is_address(bound: &Bound) -> bool {
    let (Bound::Included(l) | Bound::Excluded(l)) = bound else { return false };
    address(&literal_text(l)).is_some()
}

/// Edits by the plainest recursion over the table of all beginnings.
fn near(fuzzy: &FuzzyTest, text: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (fuzzy.text.chars().collect(), text.chars().collect());
    let prefix = fuzzy.prefix.min(a.len());
    if b.len() < prefix || a[..prefix] != b[..prefix] {
        return false;
    }
    let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let change = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = change.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if fuzzy.transpositions && swapped {
                        best = best.min(table[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    table[a.len()][b.len()] <= usize::from(fuzzy.edits)
}

fn folded(text: &str, fold: bool) -> String {
    if fold { lower(text) } else { text.to_owned() }
}

/// Lower case, but no other letter becomes one of ASCII.
fn lower(text: &str) -> String {
    let one = |c: char| match c {
        '\u{130}' | '\u{212a}' => c.to_string(),
        c => c.to_lowercase().to_string(),
    };
    text.chars().map(one).collect()
}
