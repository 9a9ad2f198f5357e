//! What does a query look like in one short line? For explanations, profiles, and the tables of
//! tests.

use crate::ast::{Bound, FieldQuery, Literal, Query, Target, Test, TextTest};

/// The query in one line.
pub(crate) fn show(query: &Query) -> String {
    match query {
        Query::All => "ALL".to_owned(),
        Query::None => "NONE".to_owned(),
        Query::Bool(b) => {
            let list = |sign: &str, queries: &[Query]| {
                queries.iter().map(|q| format!("{sign}{}", show(q))).collect::<Vec<_>>()
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
    };
    format!("{target}:{test}")
}
