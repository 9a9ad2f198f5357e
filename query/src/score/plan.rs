//! What makes the score of a record? A tree beside the query's own: constants, texts, sums.
//!
//! Boosts are multiplied into the leaves. Knows no records and no statistics.

use crate::ast::{
    BoolQuery, FieldQuery, Function, Functions, FuzzyTest, Query, Scored, Scoring, Target, Test,
};
use crate::error::QueryError;
use crate::plan::{FieldNode, Node};
use crate::test::ValueTest;
use crate::test::fuzzy::Fuzzy;

/// How a record's score is made. A record that a part does not match gets nothing of it.
#[derive(Debug)]
pub enum ScoreNode {
    /// The same for every record that matches.
    Constant(Constant),
    /// By the words of a text.
    Text(TextScore),
    /// The parts that match added up.
    Sum(Sum),
    /// The best part, and so many times the others.
    Best(Vec<ScoreNode>, f32),
    /// So many times as much where the other query matches.
    Less(Box<ScoreNode>, Node, f32),
    /// By functions.
    Functions(Box<ScoreNode>, Vec<(Node, Function)>, Functions),
}

/// A constant score.
#[derive(Debug)]
pub struct Constant {
    /// What must match.
    pub node: Node,
    /// The score.
    pub score: f32,
    /// The query in few words.
    pub label: String,
}

/// Scores that add up; see [`crate::ast::BoolQuery`].
#[derive(Debug)]
pub struct Sum {
    /// All of these match.
    pub must: Vec<ScoreNode>,
    /// Of these so many.
    pub should: Vec<ScoreNode>,
    /// None of these.
    pub must_not: Vec<Node>,
    /// How many.
    pub minimum: usize,
}

/// A text that is looked at for words.
#[derive(Debug)]
pub struct TextScore {
    /// The test of the query: only what passes it is scored.
    pub field: FieldNode,
    /// The words, or the one phrase.
    pub terms: Vec<Term>,
    /// How much they count.
    pub boost: f32,
}

/// A word or phrase that is counted in texts.
#[derive(Debug)]
pub struct Term {
    /// What is counted.
    pub how: Counted,
    /// Its tokens among those that statistics are wanted of.
    pub tokens: Vec<usize>,
    /// In few words.
    pub label: String,
}

/// What is counted in a text.
#[derive(Debug)]
pub enum Counted {
    /// Folded tokens one after the other, up to so many moves apart; of the last the beginning is
    /// enough where the flag says so.
    Phrase(Vec<String>, bool, u32),
    /// Tokens near to one.
    Near(Fuzzy),
}

/// A token whose statistics are wanted: in which fields, and which texts have it.
pub type Token = FieldNode;

impl ScoreNode {
    /// Plans the score of a query; adds the tokens whose statistics it needs.
    ///
    /// # Errors
    /// A pattern of the query is none.
    pub fn of(query: &Query, tokens: &mut Vec<Token>) -> Result<Self, QueryError> {
        build(query, 1.0, tokens)
    }

    /// The score that every record that matches has, if it is the same.
    pub fn fixed(&self) -> Option<f32> {
        match self {
            ScoreNode::Constant(constant) => Some(constant.score),
            ScoreNode::Sum(sum) => {
                let must = total(&sum.must)?;
                let all = sum.minimum >= sum.should.len();
                let idle = sum.should.iter().all(|part| part.fixed() == Some(0.0));
                match all || idle {
                    true => Some(must + total(&sum.should)?),
                    false => None,
                }
            }
            ScoreNode::Best(parts, tie) => {
                let first = parts.first()?.fixed()?;
                let same = parts.iter().all(|part| part.fixed() == Some(first));
                (same && *tie == 0.0).then_some(first)
            }
            ScoreNode::Text(_) | ScoreNode::Less(..) | ScoreNode::Functions(..) => None,
        }
    }
}

fn total(parts: &[ScoreNode]) -> Option<f32> {
    let each = parts.iter().map(|part| part.fixed().map(f64::from));
    each.sum::<Option<f64>>().map(|sum| sum as f32)
}

fn build(query: &Query, boost: f32, tokens: &mut Vec<Token>) -> Result<ScoreNode, QueryError> {
    Ok(match query {
        Query::Bool(query) => ScoreNode::Sum(sum(query, boost, tokens)?),
        Query::Scored(scored) => scored_node(scored, boost, tokens)?,
        Query::Field(field) => match terms(field, tokens)? {
            Some(terms) => {
                let target = field.target.clone();
                let field = FieldNode { target, test: ValueTest::new(&field.test)? };
                ScoreNode::Text(TextScore { field, terms, boost })
            }
            None => constant(query, boost)?,
        },
        _ => constant(query, boost)?,
    })
}

fn constant(query: &Query, score: f32) -> Result<ScoreNode, QueryError> {
    Ok(ScoreNode::Constant(Constant { node: Node::of(query)?, score, label: label(query) }))
}

fn sum(query: &BoolQuery, boost: f32, tokens: &mut Vec<Token>) -> Result<Sum, QueryError> {
    let mut all = |list: &[Query]| {
        list.iter().map(|query| build(query, boost, tokens)).collect::<Result<Vec<_>, _>>()
    };
    let mut out = Sum {
        must: all(&query.must)?,
        should: all(&query.should)?,
        must_not: query.must_not.iter().map(Node::of).collect::<Result<_, _>>()?,
        minimum: query.minimum_should,
    };
    let nothing = query.must.is_empty() && query.should.is_empty() && query.must_not.is_empty();
    if nothing {
        out.must.push(constant(&Query::All, boost)?);
    }
    Ok(out)
}

fn scored_node(
    scored: &Scored,
    boost: f32,
    tokens: &mut Vec<Token>,
) -> Result<ScoreNode, QueryError> {
    let inner = &scored.query;
    Ok(match &scored.scoring {
        Scoring::Times(times) => build(inner, boost * times, tokens)?,
        Scoring::Constant(score) => constant(inner, boost * score)?,
        Scoring::Best(tie) => match inner {
            Query::Bool(query) if query.must.is_empty() && query.must_not.is_empty() => {
                let parts = query.should.iter().map(|query| build(query, boost, tokens));
                ScoreNode::Best(parts.collect::<Result<_, _>>()?, *tie)
            }
            inner => build(inner, boost, tokens)?,
        },
        Scoring::Less(negative, times) => {
            let inner = Box::new(build(inner, boost, tokens)?);
            ScoreNode::Less(inner, Node::of(negative)?, *times)
        }
        Scoring::Functions(functions) => {
            let each = functions
                .list
                .iter()
                .map(|(query, function)| Ok((Node::of(query)?, function.clone())));
            let each = each.collect::<Result<_, QueryError>>()?;
            let inner = Box::new(build(inner, boost, tokens)?);
            ScoreNode::Functions(inner, each, functions.clone())
        }
    })
}

/// The words that a test of a field counts, if texts are scored by it.
fn terms(field: &FieldQuery, tokens: &mut Vec<Token>) -> Result<Option<Vec<Term>>, QueryError> {
    if let Target::Path(path) = &field.target
        && path.ends_with(".keyword")
    {
        return Ok(None);
    }
    let mut token = |test: Test| -> Result<usize, QueryError> {
        let test = ValueTest::new(&test)?;
        tokens.push(FieldNode { target: field.target.clone(), test });
        Ok(tokens.len() - 1)
    };
    let mut phrase = |words: &[String], prefix: bool, slop: u32| -> Result<Term, QueryError> {
        let mut each = Vec::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            let prefix = prefix && at + 1 == words.len();
            each.push(token(match prefix {
                true => Test::Phrase { tokens: vec![word.clone()], prefix, slop: 0 },
                false => Test::Words { words: vec![vec![word.clone()]], minimum: 1 },
            })?);
        }
        let star = if prefix { "*" } else { "" };
        let label = match words {
            [word] => format!("{word}{star}"),
            _ => format!("\"{}{star}\"", words.join(" ")),
        };
        Ok(Term { how: Counted::Phrase(words.to_vec(), prefix, slop), tokens: each, label })
    };
    Ok(Some(match &field.test {
        Test::Words { words, .. } => {
            words.iter().map(|word| phrase(word, false, 0)).collect::<Result<_, _>>()?
        }
        Test::Phrase { tokens, prefix, slop } => vec![phrase(tokens, *prefix, *slop)?],
        Test::Fuzzy(test @ FuzzyTest { token: true, .. }) => vec![Term {
            how: Counted::Near(Fuzzy::new(test)),
            tokens: vec![token(field.test.clone())?],
            label: format!("{}~{}", test.text, test.edits),
        }],
        _ => return Ok(None),
    }))
}

/// A query in few words, as explanations show it.
fn label(query: &Query) -> String {
    match query {
        Query::All => "*:*".to_owned(),
        Query::None => "MatchNoDocsQuery".to_owned(),
        Query::Time(range) => format!("@timestamp:[{} TO {}}}", range.from, range.to),
        Query::Ids(ids) => format!("_id:[{}]", ids.join(" ")),
        Query::Index(names) => format!("_index:[{}]", names.join(" ")),
        Query::Scored(scored) => label(&scored.query),
        Query::Field(field) => {
            let name = match &field.target {
                Target::Path(path) | Target::Pattern(path) => path,
                Target::Any => "*",
            };
            format!("{name}:{}", test_label(&field.test))
        }
        Query::Bool(b) => {
            let signed = |sign: &'static str, list: &[Query]| -> Vec<String> {
                list.iter().map(|query| format!("{sign}{}", label(query))).collect()
            };
            let mut parts = signed("+", &b.must);
            parts.extend(signed("", &b.should));
            parts.extend(signed("-", &b.must_not));
            format!("({})", parts.join(" "))
        }
    }
}

fn test_label(test: &Test) -> String {
    use crate::ast::Bound;
    use crate::test::compare::literal_text;
    let end = |bound: &Bound| match bound {
        Bound::Open => "*".to_owned(),
        Bound::Included(value) | Bound::Excluded(value) => literal_text(value).into_owned(),
    };
    match test {
        Test::Exists => "*".to_owned(),
        Test::Term(term) => literal_text(&term.value).into_owned(),
        Test::Terms(values) => {
            let values: Vec<_> = values.iter().take(16).map(literal_text).collect();
            format!("({})", values.join(" "))
        }
        Test::Words { words, .. } => {
            let words: Vec<String> = words.iter().map(|word| word.join(" ")).collect();
            format!("({})", words.join(" "))
        }
        Test::Phrase { tokens, .. } => format!("\"{}\"", tokens.join(" ")),
        Test::Range { lower, upper } => {
            let open = if matches!(lower, Bound::Excluded(_)) { '{' } else { '[' };
            let close = if matches!(upper, Bound::Excluded(_)) { '}' } else { ']' };
            format!("{open}{} TO {}{close}", end(lower), end(upper))
        }
        Test::Prefix(text) => format!("{}*", text.text),
        Test::Wildcard(text) => text.text.clone(),
        Test::Regex(text) => format!("/{}/", text.text),
        Test::Substring(text) => format!("*{}*", text.text),
        Test::Fuzzy(fuzzy) => format!("{}~{}", fuzzy.text, fuzzy.edits),
    }
}
