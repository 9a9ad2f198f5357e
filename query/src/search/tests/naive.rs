//! What is the right answer? The plainest evaluator over `serde_json` values: no batches, no
//! splits, no compiled tests.

use model::time::Timestamp;
use model::token;
use serde_json::Value as Json;

use super::corpus::NODE;
use crate::ast::{Bound, FieldQuery, Literal, Query, Target, Test};

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
    }
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
