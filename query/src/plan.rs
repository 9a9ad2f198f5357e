//! What is to be done for a query? The AST with its tests compiled and its special fields resolved.
//!
//! One plan serves every split and every live batch of a search; it knows none of them.

use std::collections::HashSet;
use std::sync::Arc;

use model::record::TIMESTAMP_FIELD;
use model::time::{TimeRange, Timestamp};

pub use model::pattern::matches_pattern as glob;

use crate::ast::{Bound, FieldQuery, Literal, Query, Target, Test};
use crate::error::QueryError;
use crate::test::compare::literal_text;
use crate::test::{Kind, ValueTest};

/// The deepest nesting of a query.
const DEPTH_MAX: usize = 256;

/// A planned query.
#[derive(Clone, Debug)]
pub enum Node {
    /// Every record.
    All,
    /// No record.
    None,
    /// Records of this time.
    Time(TimeRange),
    /// Records whose time, as text, passes.
    TimeText(ValueTest),
    /// Records with one of these `_id`s.
    Ids(Vec<String>),
    /// Records of these indexes.
    Index(IndexPatterns),
    /// Records whose index name passes.
    IndexText(ValueTest),
    /// A combination.
    Bool(Box<BoolNode>),
    /// A test of fields.
    Field(FieldNode),
}

/// A planned combination; see [`crate::ast::BoolQuery`].
#[derive(Clone, Debug)]
pub struct BoolNode {
    /// Cheapest first.
    pub must: Vec<Node>,
    /// Cheapest first.
    pub should: Vec<Node>,
    /// Cheapest first.
    pub must_not: Vec<Node>,
    /// How many of `should`.
    pub minimum_should: usize,
}

/// A planned test of fields.
#[derive(Clone, Debug)]
pub struct FieldNode {
    /// Which fields.
    pub target: Target,
    /// What a value must be.
    pub test: ValueTest,
}

impl Node {
    /// Plans a query.
    ///
    /// # Errors
    /// A pattern is none, a bound of `@timestamp` is no time, or the query is nested too deeply.
    pub fn of(query: &Query) -> Result<Node, QueryError> {
        plan(query, 0)
    }

    /// A range of time that holds every record that can match.
    pub fn time(&self) -> TimeRange {
        match self {
            Node::Time(range) => *range,
            Node::None => TimeRange { from: Timestamp(0), to: Timestamp(0) },
            Node::Bool(b) => {
                let mut out = TimeRange::ALL;
                for part in &b.must {
                    out = out.intersect(&part.time());
                }
                if b.minimum_should > 0 {
                    let parts = b.should.iter().map(Node::time).filter(|t| !t.is_empty());
                    let around = parts
                        .reduce(|a, b| TimeRange { from: a.from.min(b.from), to: a.to.max(b.to) });
                    let none = TimeRange { from: Timestamp(0), to: Timestamp(0) };
                    out = out.intersect(&around.unwrap_or(none));
                }
                out
            }
            _ => TimeRange::ALL,
        }
    }

    /// How much work the node is, compared with its siblings.
    fn cost(&self) -> u32 {
        match self {
            Node::All | Node::None | Node::Time(_) => 0,
            Node::Index(_) | Node::IndexText(_) | Node::Ids(_) => 1,
            Node::TimeText(_) => 20,
            Node::Bool(b) => {
                let parts = b.must.iter().chain(&b.should).chain(&b.must_not);
                1 + parts.map(Node::cost).max().unwrap_or(0)
            }
            Node::Field(f) => {
                let test = match f.test.kind() {
                    Kind::Terms(_) => 2,
                    Kind::Words { words, minimum } if words.len() == 1 && *minimum == 1 => 2,
                    Kind::Exists | Kind::Range { .. } | Kind::Addresses(_) => 4,
                    Kind::Words { .. } => 5,
                    Kind::Phrase { .. } => 6,
                    Kind::Pattern(_) => 12,
                    Kind::Substring(_) => 14,
                    Kind::Fuzzy(_) => 16,
                };
                match f.target {
                    Target::Path(_) => test,
                    Target::Pattern(_) => test * 2,
                    Target::Any => test * 3,
                }
            }
        }
    }
}

fn plan(query: &Query, depth: usize) -> Result<Node, QueryError> {
    if depth > DEPTH_MAX {
        return Err(QueryError::illegal(format!(
            "the query is nested more than {DEPTH_MAX} levels deep, make it flatter"
        )));
    }
    let all = |list: &[Query]| -> Result<Vec<Node>, QueryError> {
        let mut out = list.iter().map(|q| plan(q, depth + 1)).collect::<Result<Vec<_>, _>>()?;
        out.sort_by_key(Node::cost);
        Ok(out)
    };
    Ok(match query {
        Query::All => Node::All,
        Query::None => Node::None,
        Query::Time(range) => Node::Time(*range),
        Query::Ids(ids) => Node::Ids(ids.clone()),
        Query::Index(patterns) => Node::Index(IndexPatterns::new(patterns)),
        Query::Scored(scored) => plan(&scored.query, depth + 1)?,
        Query::Bool(b) => combined(BoolNode {
            must: all(&b.must)?,
            // Of clauses that need not match only the score knows.
            should: if b.minimum_should == 0 { Vec::new() } else { all(&b.should)? },
            must_not: all(&b.must_not)?,
            minimum_should: b.minimum_should,
        }),
        Query::Field(field) => plan_field(field)?,
    })
}

/// A combination, or the node that it comes to.
fn combined(mut node: BoolNode) -> Node {
    node.must.retain(|n| !matches!(n, Node::All));
    match (node.must.len(), node.should.len(), node.must_not.len()) {
        (0, 0, 0) if node.minimum_should == 0 => Node::All,
        (1, 0, 0) if node.minimum_should == 0 => node.must.swap_remove(0),
        (0, 1, 0) if node.minimum_should == 1 => node.should.swap_remove(0),
        _ => Node::Bool(Box::new(node)),
    }
}

fn plan_field(field: &FieldQuery) -> Result<Node, QueryError> {
    let test = ValueTest::new(&field.test)?;
    let Target::Path(path) = &field.target else {
        return Ok(Node::Field(FieldNode { target: field.target.clone(), test }));
    };
    match (path.as_str(), &field.test) {
        (TIMESTAMP_FIELD | "_id" | "_index" | "_seq_no" | "_source", Test::Exists) => Ok(Node::All),
        (TIMESTAMP_FIELD, Test::Range { lower, upper }) => {
            Ok(Node::Time(TimeRange { from: first_of(lower)?, to: end_of(upper)? }))
        }
        (TIMESTAMP_FIELD, Test::Term(term)) => time_term(&term.value),
        (TIMESTAMP_FIELD, Test::Terms(values)) => {
            let should = values.iter().map(time_term).collect::<Result<Vec<_>, _>>()?;
            Ok(Node::Bool(Box::new(BoolNode {
                must: Vec::new(),
                should,
                must_not: Vec::new(),
                minimum_should: 1,
            })))
        }
        (TIMESTAMP_FIELD, _) => Ok(Node::TimeText(test)),
        ("_index", _) => Ok(Node::IndexText(test)),
        ("_id", Test::Term(term)) => Ok(Node::Ids(vec![literal_text(&term.value).into_owned()])),
        ("_id", Test::Terms(values)) => {
            Ok(Node::Ids(values.iter().map(|v| literal_text(v).into_owned()).collect()))
        }
        ("_id", _) => Err(QueryError::illegal(
            "field `_id` can only be tested for whole values: use `ids`, `term` or `terms`",
        )),
        _ => Ok(Node::Field(FieldNode { target: field.target.clone(), test })),
    }
}

fn time_term(value: &Literal) -> Result<Node, QueryError> {
    let at = time_of(value)?;
    Ok(Node::Time(TimeRange { from: at, to: Timestamp(at.0.saturating_add(1)) }))
}

fn first_of(bound: &Bound) -> Result<Timestamp, QueryError> {
    match bound {
        Bound::Open => Ok(TimeRange::ALL.from),
        Bound::Included(l) => time_of(l),
        Bound::Excluded(l) => Ok(Timestamp(time_of(l)?.0.saturating_add(1))),
    }
}

fn end_of(bound: &Bound) -> Result<Timestamp, QueryError> {
    match bound {
        Bound::Open => Ok(TimeRange::ALL.to),
        Bound::Included(l) => Ok(Timestamp(time_of(l)?.0.saturating_add(1))),
        Bound::Excluded(l) => time_of(l),
    }
}

/// A bound of `@timestamp`: a time, or milliseconds since 1970.
fn time_of(literal: &Literal) -> Result<Timestamp, QueryError> {
    let at = match literal {
        Literal::Time(at, _) => Some(*at),
        Literal::Int(ms) => Some(Timestamp::from_millis(*ms)),
        Literal::Float(ms) => Some(Timestamp((ms * 1e6) as i64)),
        Literal::Text(text) => match text.parse::<i64>() {
            Ok(ms) => Some(Timestamp::from_millis(ms)),
            Err(_) => Timestamp::parse(text),
        },
        Literal::Bool(_) => None,
    };
    at.ok_or_else(|| {
        QueryError::illegal(format!(
            "failed to parse date field `{TIMESTAMP_FIELD}`: `{}` is no time; give RFC 3339 or \
             milliseconds since 1970",
            literal_text(literal)
        ))
    })
}

/// Index names by pattern: `*` any run, a leading `-` excludes; none means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexPatterns {
    include: Vec<String>,
    exclude: Vec<String>,
    /// Exactly these.
    only: Option<Arc<HashSet<String>>>,
}

impl IndexPatterns {
    /// From a request's list.
    pub fn new(patterns: &[String]) -> Self {
        let mut out = Self::default();
        for pattern in patterns {
            match pattern.strip_prefix('-') {
                Some(not) => out.exclude.push(not.to_owned()),
                None if pattern == "_all" => out.include.push("*".to_owned()),
                None => out.include.push(pattern.clone()),
            }
        }
        out
    }

    /// Exactly these names.
    pub fn only(names: Arc<HashSet<String>>) -> Self {
        Self { only: Some(names), ..Self::default() }
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        if let Some(only) = &self.only {
            return only.contains(name);
        }
        (self.include.is_empty() || self.include.iter().any(|p| glob(p, name)))
            && !self.exclude.iter().any(|p| glob(p, name))
    }

    /// Whether every name is meant.
    pub fn is_all(&self) -> bool {
        self.only.is_none()
            && self.exclude.is_empty()
            && (self.include.is_empty() || self.include.iter().any(|p| p == "*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_names() {
        let cases = [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("**", "x", true),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn a_minus_excludes() {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let patterns = IndexPatterns::new(&list(&["logs-*", "-logs-old"]));
        assert!(patterns.matches("logs-new") && !patterns.matches("logs-old"));
        assert!(!patterns.matches("other") && !patterns.is_all());
        assert!(IndexPatterns::new(&list(&["_all"])).is_all());
        assert!(IndexPatterns::new(&[]).matches("x"));
    }

    #[test]
    fn the_time_field_is_the_records_time() {
        let range = |lower: &str| {
            Node::of(&Query::field(
                "@timestamp",
                Test::Range {
                    lower: Bound::Excluded(Literal::Text(lower.into())),
                    upper: Bound::Open,
                },
            ))
        };
        let Ok(Node::Time(time)) = range("1970-01-01T00:00:01Z") else { panic!("no time") };
        assert_eq!(time, TimeRange { from: Timestamp(1_000_000_001), to: Timestamp(i64::MAX) });
        assert!(range("yesterday").unwrap_err().reason.contains("`yesterday` is no time"));
    }

    #[test]
    fn too_deep_a_query_is_refused() {
        let mut query = Query::All;
        for _ in 0..1000 {
            query = query.negate();
        }
        assert!(Node::of(&query).unwrap_err().reason.contains("nested more than"));
    }
}
