//! What does a query look like in one short line? For explanations, profiles, and the tables of
//! tests.

use crate::ast::{Bound, FieldQuery, Literal, Query, Scored, Scoring, Target, Test, TextTest};

/// What matches.
pub(crate) fn show(query: &Query) -> String {
    written(query, false)
}

/// What matches, and how it counts.
#[cfg(test)]
pub(crate) fn show_scored(query: &Query) -> String {
    written(query, true)
}

fn scored(scored: &Scored) -> String {
    let query = written(&scored.query, true);
    let query = match &scored.scoring {
        Scoring::Times(times) if *times == 1.0 => query,
        Scoring::Times(times) => format!("{query}^{times}"),
        Scoring::Constant(score) => format!("#{score}{query}"),
        Scoring::Best(tie) if *tie == 0.0 => format!("best{query}"),
        Scoring::Best(tie) => format!("best{query}~{tie}"),
        Scoring::Less(negative, times) => format!("{query}^{times} if {}", written(negative, true)),
        Scoring::Functions(functions) => format!("{query} by {functions:?}"),
    };
    match &scored.name {
        Some(name) => format!("<{name}>{query}"),
        None => query,
    }
}

fn written(query: &Query, scores: bool) -> String {
    match query {
        Query::All => "ALL".to_owned(),
        Query::None => "NONE".to_owned(),
        Query::Bool(b)
            if !scores && b.must.iter().any(|q| *q.plain() == Query::All)
                || !scores && b.minimum_should == 0 && !b.should.is_empty() =>
        {
            let mut b = b.as_ref().clone();
            b.must.retain(|q| *q.plain() != Query::All);
            if b.minimum_should == 0 {
                b.should.clear();
            }
            match (b.must.as_slice(), b.should.is_empty() && b.must_not.is_empty()) {
                ([], true) => "ALL".to_owned(),
                ([one], true) => written(one, false),
                _ => written(&Query::Bool(Box::new(b)), false),
            }
        }
        Query::Bool(b) => {
            let list = |sign: &str, queries: &[Query]| {
                queries.iter().map(|q| format!("{sign}{}", written(q, scores))).collect::<Vec<_>>()
            };
            let mut parts = list("+", &b.must);
            parts.extend(list("", &b.should));
            parts.extend(list("-", &b.must_not));
            let minimum = match (b.minimum_should, b.should.is_empty()) {
                (0, true) | (1, false) => String::new(),
                (n, _) => format!("~{n}"),
            };
            format!("({}){minimum}", parts.join(" "))
        }
        Query::Field(field) => show_field(field),
        Query::Time(range) => format!("time[{} {})", range.from, range.to),
        Query::Ids(ids) => format!("ids{ids:?}"),
        Query::Index(patterns) => format!("index{patterns:?}"),
        Query::Scored(s) if scores => scored(s),
        Query::Scored(s) => written(&s.query, scores),
    }
}

fn text(t: &TextTest) -> String {
    format!("{}{}", t.text, if t.fold { "/i" } else { "" })
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Bool(b) => b.to_string(),
        Literal::Int(n) => n.to_string(),
        Literal::Float(f) => format!("{f:?}"),
        Literal::Text(text) => format!("'{text}'"),
        Literal::Time(at, text) => format!("{at}'{text}'"),
    }
}

fn bound(bound: &Bound) -> String {
    match bound {
        Bound::Open => "*".to_owned(),
        Bound::Included(value) => format!("={}", literal(value)),
        Bound::Excluded(value) => literal(value),
    }
}

fn show_field(field: &FieldQuery) -> String {
    let target = match &field.target {
        Target::Path(path) => path.clone(),
        Target::Pattern(pattern) => format!("<{pattern}>"),
        Target::Any => "*".to_owned(),
    };
    let test = match &field.test {
        Test::Exists => "exists".to_owned(),
        Test::Term(t) => format!("={}{}", literal(&t.value), if t.fold { "/i" } else { "" }),
        Test::Terms(values) => {
            format!("in[{}]", values.iter().map(literal).collect::<Vec<_>>().join(" "))
        }
        Test::Words { words, minimum } => {
            let words: Vec<_> = words.iter().map(|w| w.join("_")).collect();
            match minimum {
                1 => words.join("|"),
                n if *n == words.len() => words.join("&"),
                n => format!("{}~{n}", words.join("|")),
            }
        }
        Test::Phrase { tokens, prefix, slop } => {
            let star = if *prefix { "*" } else { "" };
            let slop = if *slop > 0 { format!("~{slop}") } else { String::new() };
            format!("\"{}{star}\"{slop}", tokens.join(" "))
        }
        Test::Range { lower, upper } => format!("[{} {}]", bound(lower), bound(upper)),
        Test::Prefix(t) => format!("prefix {}", text(t)),
        Test::Wildcard(t) => format!("wildcard {}", text(t)),
        Test::Regex(t) => format!("regex {}", text(t)),
        Test::Substring(t) => format!("part {}", text(t)),
        Test::Fuzzy(f) => {
            let rest = match (f.prefix, f.transpositions) {
                (0, true) => String::new(),
                (prefix, swaps) => format!(",{prefix},{swaps}"),
            };
            format!("{}{}~{}{rest}", if f.token { "" } else { "fuzzy " }, f.text, f.edits)
        }
    };
    format!("{target}:{test}")
}
