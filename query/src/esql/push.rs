//! Which rows need not be looked at? Conditions as a query that the search answers by itself.
//!
//! The query finds every row where the condition holds, and perhaps more. Where it finds no more,
//! given that the fields have one value, nothing is left to be done row by row.

use model::time::{NS_PER_MS, TimeRange, Timestamp};

use super::plan::{Ex, Field, FieldKind};
use super::tree::{Compare, Like};
use super::value::{Cell, Type};
use crate::ast::{BoolQuery, Bound, Literal, Query, TermTest, Test, TextTest};

/// A condition as a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    /// Finds the rows, and perhaps more.
    pub query: Query,
    /// It finds no more, where these fields have at most one value.
    pub exact: Option<Vec<usize>>,
}

impl Pushed {
    fn new(query: Query, exact: Option<Vec<usize>>) -> Self {
        Self { query, exact }
    }

    /// Nothing is known.
    fn all() -> Self {
        Self::new(Query::All, None)
    }
}

/// The query for a condition; `any_value`: of several values one that passes is enough.
pub fn push(ex: &Ex, fields: &[Field], any_value: bool) -> Pushed {
    Pusher { fields, any_value }.holds(ex)
}

struct Pusher<'a> {
    fields: &'a [Field],
    any_value: bool,
}

impl Pusher<'_> {
    fn field(&self, ex: &Ex) -> Option<&Field> {
        match ex {
            Ex::Slot(slot) => self.fields.iter().find(|f| f.slot == *slot),
            _ => None,
        }
    }

    /// Rows where the condition is true.
    fn holds(&self, ex: &Ex) -> Pushed {
        match ex {
            Ex::Const(Cell::Bool(true)) => Pushed::new(Query::All, Some(Vec::new())),
            Ex::Const(_) => Pushed::new(Query::None, Some(Vec::new())),
            Ex::And(list) => all(list.iter().map(|e| self.holds(e))),
            Ex::Or(list) => any(list.iter().map(|e| self.holds(e))),
            Ex::Not(inner) => self.fails(inner),
            Ex::IsNull(inner) => self.exists(inner, true),
            Ex::Slot(_) => match self.field(ex) {
                Some(Field { kind: FieldKind::Matches(query), .. }) => {
                    Pushed::new((**query).clone(), Some(Vec::new()))
                }
                Some(field) => self.equals(field, &[Cell::Bool(true)]),
                None => Pushed::all(),
            },
            Ex::Compare(op, a, b) => match (self.field(a), &**b, self.field(b), &**a) {
                (Some(field), Ex::Const(cell), _, _) => self.compared(*op, field, cell),
                (_, _, Some(field), Ex::Const(cell)) => self.compared(mirrored(*op), field, cell),
                _ => Pushed::all(),
            },
            Ex::In(value, list) => {
                let cells: Option<Vec<Cell>> = list
                    .iter()
                    .map(|e| match e {
                        Ex::Const(cell) => Some(cell.clone()),
                        _ => None,
                    })
                    .collect();
                match (self.field(value), cells) {
                    (Some(field), Some(mut cells)) => {
                        // Nothing equals null.
                        cells.retain(|c| !c.is_null());
                        self.equals(field, &cells)
                    }
                    _ => Pushed::all(),
                }
            }
            Ex::Like(text, pattern) => match self.field(text) {
                Some(field) => self.text(
                    field,
                    |text| match &pattern.1 {
                        Like::Wildcard(_) => Test::Wildcard(text),
                        Like::Regex(_) => Test::Regex(text),
                    },
                    match &pattern.1 {
                        Like::Wildcard(text) | Like::Regex(text) => text,
                    },
                ),
                None => Pushed::all(),
            },
            Ex::Call(call) if call.function.name == "STARTS_WITH" => {
                match (self.field(&call.args[0]), &call.args[1]) {
                    (Some(field), Ex::Const(Cell::Text(prefix))) => {
                        self.text(field, Test::Prefix, prefix)
                    }
                    _ => Pushed::all(),
                }
            }
            _ => Pushed::all(),
        }
    }

    /// Rows where the condition is false, and not null.
    fn fails(&self, ex: &Ex) -> Pushed {
        match ex {
            Ex::Const(Cell::Bool(false)) => Pushed::new(Query::All, Some(Vec::new())),
            Ex::Const(_) => Pushed::new(Query::None, Some(Vec::new())),
            Ex::And(list) => any(list.iter().map(|e| self.fails(e))),
            Ex::Or(list) => all(list.iter().map(|e| self.fails(e))),
            Ex::Not(inner) => self.holds(inner),
            Ex::IsNull(inner) => self.exists(inner, false),
            Ex::Slot(_) => match self.field(ex) {
                Some(Field { kind: FieldKind::Matches(query), .. }) => {
                    Pushed::new((**query).clone().negate(), Some(Vec::new()))
                }
                Some(field) => self.equals(field, &[Cell::Bool(false)]),
                None => Pushed::all(),
            },
            Ex::Compare(op, a, b) => {
                let opposite = match op {
                    Compare::Eq => Compare::Ne,
                    Compare::Ne => Compare::Eq,
                    Compare::Lt => Compare::Ge,
                    Compare::Le => Compare::Gt,
                    Compare::Gt => Compare::Le,
                    Compare::Ge => Compare::Lt,
                };
                if self.any_value && !matches!(op, Compare::Eq | Compare::Ne) {
                    // Of several values one may pass and another not.
                    return self.present(a, b);
                }
                self.holds(&Ex::Compare(opposite, a.clone(), b.clone()))
            }
            Ex::In(value, list)
                if list.iter().all(|e| matches!(e, Ex::Const(c) if !c.is_null())) =>
            {
                let found = self.holds(ex);
                self.without(value, found)
            }
            Ex::Like(text, _) => {
                let found = self.holds(ex);
                self.without(text, found)
            }
            _ => Pushed::all(),
        }
    }

    fn present(&self, a: &Ex, b: &Ex) -> Pushed {
        let field = self.field(a).or_else(|| self.field(b));
        field.and_then(exists).map_or_else(Pushed::all, |query| Pushed::new(query, None))
    }

    /// Rows that have a value, but are not among those found.
    fn without(&self, value: &Ex, found: Pushed) -> Pushed {
        let Some(present) = self.field(value).and_then(exists) else { return Pushed::all() };
        match found.exact {
            Some(fields) => Pushed::new(minus(present, found.query), Some(fields)),
            // More was found than is meant: only the presence is sure.
            None => Pushed::new(present, None),
        }
    }

    fn exists(&self, inner: &Ex, negated: bool) -> Pushed {
        let Some(query) = self.field(inner).and_then(exists) else { return Pushed::all() };
        let query = match (query, negated) {
            (Query::All, true) => Query::None,
            (query, true) => query.negate(),
            (query, false) => query,
        };
        Pushed::new(query, Some(Vec::new()))
    }

    fn compared(&self, op: Compare, field: &Field, cell: &Cell) -> Pushed {
        if cell.is_null() {
            return Pushed::new(Query::None, Some(Vec::new()));
        }
        if field.kind == FieldKind::Time {
            return match (times(op, cell), op) {
                (Some(range), Compare::Ne) => {
                    Pushed::new(Query::Time(range).negate(), Some(Vec::new()))
                }
                (Some(range), _) => Pushed::new(Query::Time(range), Some(Vec::new())),
                (None, _) => Pushed::all(),
            };
        }
        match op {
            Compare::Eq => self.equals(field, std::slice::from_ref(cell)),
            Compare::Ne => {
                let Some(present) = exists(field) else { return Pushed::all() };
                let found = self.equals(field, std::slice::from_ref(cell));
                match found.exact {
                    Some(fields) => Pushed::new(minus(present, found.query), Some(fields)),
                    None => Pushed::new(present, None),
                }
            }
            _ => self.range(op, field, cell),
        }
    }

    fn equals(&self, field: &Field, cells: &[Cell]) -> Pushed {
        let texts = || -> Option<Vec<String>> {
            cells.iter().map(|c| Some(c.as_text()?.to_owned())).collect()
        };
        match (&field.kind, texts()) {
            // A name with a star would be a pattern.
            (FieldKind::Index, Some(names)) if !names.iter().any(|n| n.contains(['*', '-'])) => {
                return Pushed::new(Query::Index(names), Some(Vec::new()));
            }
            (FieldKind::Id, Some(ids)) => {
                return Pushed::new(Query::Ids(ids), Some(Vec::new()));
            }
            _ => {}
        }
        let FieldKind::Path(path) = &field.kind else { return Pushed::all() };
        if field.mixed {
            return Pushed::all();
        }
        let literals: Option<Vec<Literal>> =
            cells.iter().map(|cell| literal(cell, field.ty)).collect();
        let Some(literals) = literals else { return Pushed::all() };
        // On a text field one word of it would do.
        let exact = field.ty != Type::Text;
        let test = match <[Literal; 1]>::try_from(literals) {
            Ok([value]) => Test::Term(TermTest { value, fold: false }),
            Err(list) if list.is_empty() => return Pushed::new(Query::None, Some(Vec::new())),
            Err(list) => Test::Terms(list),
        };
        Pushed::new(Query::field(path.clone(), test), self.exactly(exact, field))
    }

    /// Exact where the field has one value; where one of several is enough, exact everywhere.
    fn exactly(&self, exact: bool, field: &Field) -> Option<Vec<usize>> {
        exact.then(|| if self.any_value { Vec::new() } else { vec![field.slot] })
    }

    fn range(&self, op: Compare, field: &Field, cell: &Cell) -> Pushed {
        let FieldKind::Path(path) = &field.kind else { return Pushed::all() };
        if !field.ty.is_number() {
            return Pushed::all();
        }
        let Some(value) = literal(cell, field.ty) else { return Pushed::all() };
        let (lower, upper) = match op {
            Compare::Lt => (Bound::Open, Bound::Excluded(value)),
            Compare::Le => (Bound::Open, Bound::Included(value)),
            Compare::Gt => (Bound::Excluded(value), Bound::Open),
            _ => (Bound::Included(value), Bound::Open),
        };
        let query = Query::field(path.clone(), Test::Range { lower, upper });
        Pushed::new(query, self.exactly(true, field))
    }

    fn text(&self, field: &Field, test: impl Fn(TextTest) -> Test, text: &str) -> Pushed {
        let FieldKind::Path(path) = &field.kind else { return Pushed::all() };
        // A number's text may be written otherwise by the search.
        if !field.ty.is_string() || field.mixed {
            return Pushed::all();
        }
        let text = TextTest { text: text.to_owned(), fold: false };
        let exact = field.ty != Type::Text;
        Pushed::new(Query::field(path.clone(), test(text)), self.exactly(exact, field))
    }
}

/// A constant as the search compares it with a field of a type; `None` where the two differ.
fn literal(cell: &Cell, ty: Type) -> Option<Literal> {
    match (cell, ty) {
        (Cell::Int(v), Type::Long | Type::Double) if v.abs() < 1 << 53 => Some(Literal::Int(*v)),
        (Cell::Double(v), Type::Long | Type::Double) if v.abs() < 9e15 => Some(Literal::Float(*v)),
        (Cell::Bool(v), Type::Boolean) => Some(Literal::Bool(*v)),
        // A number's text may be written otherwise in a query.
        (Cell::Text(text), Type::Keyword | Type::Text) if text.parse::<f64>().is_err() => {
            Some(Literal::Text(text.to_string()))
        }
        _ => None,
    }
}

fn mirrored(op: Compare) -> Compare {
    match op {
        Compare::Lt => Compare::Gt,
        Compare::Le => Compare::Ge,
        Compare::Gt => Compare::Lt,
        Compare::Ge => Compare::Le,
        same => same,
    }
}

fn exists(field: &Field) -> Option<Query> {
    match &field.kind {
        FieldKind::Path(path) => Some(Query::field(path.clone(), Test::Exists)),
        FieldKind::Time | FieldKind::Index | FieldKind::Id | FieldKind::Source => Some(Query::All),
        FieldKind::Fixed(_) | FieldKind::Matches(_) => None,
    }
}

fn minus(present: Query, gone: Query) -> Query {
    Query::Bool(Box::new(BoolQuery {
        must: vec![present],
        must_not: vec![gone],
        ..BoolQuery::default()
    }))
}

/// The times whose milliseconds compare so; for `!=` those that do not.
fn times(op: Compare, cell: &Cell) -> Option<TimeRange> {
    let ms = cell.as_int()?;
    let from = Timestamp(ms.saturating_mul(NS_PER_MS));
    let after = Timestamp(ms.saturating_add(1).saturating_mul(NS_PER_MS));
    let all = TimeRange::ALL;
    Some(match op {
        Compare::Eq | Compare::Ne => TimeRange { from, to: after },
        Compare::Lt => TimeRange { from: all.from, to: from },
        Compare::Le => TimeRange { from: all.from, to: after },
        Compare::Gt => TimeRange { from: after, to: all.to },
        Compare::Ge => TimeRange { from, to: all.to },
    })
}

fn all(parts: impl Iterator<Item = Pushed>) -> Pushed {
    let (mut queries, mut exact) = (Vec::new(), Some(Vec::new()));
    for part in parts {
        queries.push(part.query);
        exact = joined(exact, part.exact);
    }
    match queries.contains(&Query::None) {
        true => Pushed::new(Query::None, Some(Vec::new())),
        false => Pushed::new(Query::all_of(queries), exact),
    }
}

fn any(parts: impl Iterator<Item = Pushed>) -> Pushed {
    let (mut queries, mut exact) = (Vec::new(), Some(Vec::new()));
    for part in parts {
        queries.push(part.query);
        exact = joined(exact, part.exact);
    }
    queries.retain(|q| *q != Query::None);
    match queries.contains(&Query::All) {
        true => Pushed::new(Query::All, exact),
        false => Pushed::new(Query::any_of(queries), exact),
    }
}

fn joined(a: Option<Vec<usize>>, b: Option<Vec<usize>>) -> Option<Vec<usize>> {
    let (mut a, b) = (a?, b?);
    a.extend(b);
    Some(a)
}
