//! How do the clauses of a query string combine? Lucene's way, and the usual one.

use super::{Dialect, Operator, Options};
use crate::ast::{BoolQuery, Query};
use crate::clause::{boolean, minimum};
use crate::error::QueryError;

/// What stands before a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Modifier {
    None,
    Required,
    Prohibited,
}

/// A clause with what binds it to the one before.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) operator: Option<Operator>,
    pub(super) modifier: Modifier,
    /// `None`: it has no words, and is left out.
    pub(super) query: Option<Query>,
}

/// The query of a sequence of clauses; `None` when nothing is left of it.
pub(super) fn combine(
    items: Vec<Item>,
    options: &Options,
    spec: Option<&str>,
) -> Result<Option<Query>, QueryError> {
    match options.dialect {
        Dialect::Lucene => lucene(items, options.default_operator, spec),
        Dialect::Logdrive => Ok(usual(items, options.default_operator)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Occur {
    Must,
    Should,
    MustNot,
}

/// Lucene's classic parser: an `AND` makes both its sides required, all else is optional.
fn lucene(
    items: Vec<Item>,
    default: Operator,
    spec: Option<&str>,
) -> Result<Option<Query>, QueryError> {
    let mut clauses: Vec<(Occur, Query)> = Vec::new();
    for item in items {
        if let Some((occur, _)) = clauses.last_mut().filter(|(o, _)| *o != Occur::MustNot) {
            match item.operator {
                Some(Operator::And) => *occur = Occur::Must,
                Some(Operator::Or) if default == Operator::And => *occur = Occur::Should,
                _ => {}
            }
        }
        let Some(query) = item.query else { continue };
        let required = match default {
            Operator::Or => {
                item.modifier == Modifier::Required || item.operator == Some(Operator::And)
            }
            Operator::And => item.operator != Some(Operator::Or),
        };
        let occur = match (item.modifier, required) {
            (Modifier::Prohibited, _) => Occur::MustNot,
            (_, true) => Occur::Must,
            (_, false) => Occur::Should,
        };
        clauses.push((occur, query));
    }
    if clauses.is_empty() {
        return Ok(None);
    }
    let mut query = BoolQuery::default();
    for (occur, clause) in clauses {
        match occur {
            Occur::Must => query.must.push(clause),
            Occur::Should => query.should.push(clause),
            Occur::MustNot => query.must_not.push(clause),
        }
    }
    query.minimum_should = usize::from(query.must.is_empty() && !query.should.is_empty());
    if let Some(spec) = spec {
        query.minimum_should = minimum(spec, query.should.len())?.max(query.minimum_should);
    }
    Ok(Some(boolean(query)))
}

/// `NOT` binds tightest, then `AND`, then `OR`.
fn usual(items: Vec<Item>, default: Operator) -> Option<Query> {
    let mut groups: Vec<BoolQuery> = Vec::new();
    for item in items {
        let Some(query) = item.query else { continue };
        let operator = item.operator.unwrap_or(default);
        if groups.is_empty() || operator == Operator::Or {
            groups.push(BoolQuery::default());
        }
        if let Some(group) = groups.last_mut() {
            match item.modifier {
                Modifier::Prohibited => group.must_not.push(query),
                _ => group.must.push(query),
            }
        }
    }
    if groups.is_empty() {
        return None;
    }
    Some(Query::any_of(groups.into_iter().map(boolean).collect()))
}
