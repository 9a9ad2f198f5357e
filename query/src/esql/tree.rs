//! What does a query say? Commands and expressions as they were written, with their places.
//!
//! Both languages are read into this; nothing in it is resolved or checked yet.

use super::value::{Cell, Type};

/// Bytes of the query: from, to.
pub type Span = (usize, usize);

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
    /// How deeply it is nested.
    pub depth: u32,
}

/// The forms of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Literal(Cell, Type),
    /// A field or a computed column.
    Column(String),
    /// `*` as an argument.
    Star,
    /// A function; `DISTINCT` before its arguments (SQL).
    Call {
        /// Its name as written.
        name: String,
        /// Its arguments.
        args: Vec<Expr>,
        /// Over distinct values.
        distinct: bool,
    },
    /// `-x`.
    Negate(Box<Expr>),
    /// `NOT x`.
    Not(Box<Expr>),
    /// All of these.
    And(Vec<Expr>),
    /// One of these.
    Or(Vec<Expr>),
    /// `a < b`.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// `a + b`.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// `a IN (…)`.
    In(Box<Expr>, Vec<Expr>),
    /// A pattern over the whole text.
    Like(Box<Expr>, Like),
    /// `a IS NULL`.
    IsNull(Box<Expr>),
    /// `a::type`.
    Cast(Box<Expr>, Type),
}

/// Patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Like {
    /// `*`, `?` and `\`.
    Wildcard(String),
    /// Lucene's regular expressions.
    Regex(String),
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Operations of numbers and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

impl Arithmetic {
    /// The sign.
    pub fn sign(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Sub => "-",
            Arithmetic::Mul => "*",
            Arithmetic::Div => "/",
            Arithmetic::Mod => "%",
        }
    }
}

/// An expression with the name of its column.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The expression.
    pub expr: Expr,
    /// Of aggregates: only over rows where this holds.
    pub filter: Option<Expr>,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct SortItem {
    /// By what.
    pub expr: Expr,
    /// The largest first.
    pub descending: bool,
    /// Where nulls go.
    pub nulls_first: bool,
}

/// A step of a query, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What.
    pub kind: CommandKind,
    /// Where.
    pub span: Span,
}

/// The steps.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandKind {
    /// `FROM`.
    From {
        /// Index patterns.
        patterns: Vec<String>,
        /// Metadata columns, with their places.
        metadata: Vec<(String, Span)>,
    },
    /// `ROW`.
    Row(Vec<Named>),
    /// `SHOW INFO`.
    ShowInfo,
    /// `WHERE`.
    Where(Expr),
    /// `EVAL`.
    Eval(Vec<Named>),
    /// `STATS … BY …`.
    Stats {
        /// The aggregates.
        aggs: Vec<Named>,
        /// The groups.
        by: Vec<Named>,
    },
    /// `SORT`.
    Sort(Vec<SortItem>),
    /// `LIMIT`.
    Limit(usize),
    /// `KEEP`: names or patterns.
    Keep(Vec<(String, Span)>),
    /// `DROP`: names or patterns.
    Drop(Vec<(String, Span)>),
    /// `RENAME`: old and new names.
    Rename(Vec<(String, String, Span)>),
    /// `DISSECT`: text, pattern, separator of appended parts.
    Dissect(Expr, String, String),
    /// `GROK`: text, patterns.
    Grok(Expr, Vec<String>),
    /// `MV_EXPAND`.
    Expand(String, Span),
}

impl Expr {
    /// An expression at a place.
    pub fn new(kind: ExprKind, span: Span) -> Self {
        let depth = kind.inner().map(|e| e.depth).max().unwrap_or(0) + 1;
        Self { kind, span, depth }
    }
}

impl ExprKind {
    /// The expressions inside.
    pub fn inner(&self) -> impl Iterator<Item = &Expr> {
        let (one, two, list): (Option<&Expr>, Option<&Expr>, &[Expr]) = match self {
            ExprKind::Literal(..) | ExprKind::Column(_) | ExprKind::Star => (None, None, &[]),
            ExprKind::Call { args, .. } => (None, None, args),
            ExprKind::Negate(e)
            | ExprKind::Not(e)
            | ExprKind::Like(e, _)
            | ExprKind::IsNull(e)
            | ExprKind::Cast(e, _) => (Some(e), None, &[]),
            ExprKind::And(list) | ExprKind::Or(list) => (None, None, list),
            ExprKind::Compare(_, a, b) | ExprKind::Arithmetic(_, a, b) => (Some(a), Some(b), &[]),
            ExprKind::In(e, list) => (Some(e), None, list),
        };
        one.into_iter().chain(two).chain(list)
    }
}
