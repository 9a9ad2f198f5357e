//! What is to be done for a query? Typed expressions over numbered columns, in stages.
//!
//! A stage is row by row until it must see all rows; only the first one looks at records.

use std::sync::Arc;

use jiff::tz::TimeZone;
use model::time::Timestamp;

use super::dissect::Dissect;
use super::functions::{Function, Prepared};
use super::grok::Grok;
use super::tree::{Arithmetic, Compare};
use super::value::{Cell, Type};
use crate::ast::Query;
use crate::test::Pattern;

/// A typed expression; columns are numbers ("slots").
#[derive(Clone, Debug)]
pub enum Ex {
    /// A constant.
    Const(Cell),
    /// A column.
    Slot(usize),
    /// All, three-valued.
    And(Vec<Ex>),
    /// One, three-valued.
    Or(Vec<Ex>),
    /// Not, three-valued.
    Not(Box<Ex>),
    /// A comparison of two values of one type.
    Compare(Compare, Box<Ex>, Box<Ex>),
    /// The first equals one of the others.
    In(Box<Ex>, Vec<Ex>),
    /// An operation that gives this type.
    Arithmetic(Arithmetic, Type, Box<(Ex, Type)>, Box<(Ex, Type)>),
    /// `-x` of this type.
    Negate(Type, Box<Ex>),
    /// A pattern; the text that it was, for the search.
    Like(Box<Ex>, Arc<(Pattern, super::tree::Like)>),
    /// No value.
    IsNull(Box<Ex>),
    /// Conditions with values, and the value when none holds.
    Case(Vec<(Ex, Ex)>, Box<Ex>),
    /// The first that is not null.
    Coalesce(Vec<Ex>),
    /// From one type to another.
    Convert(Type, Type, Box<Ex>),
    /// A function.
    Call(Arc<Call>),
}

/// A call of a function.
#[derive(Debug)]
pub struct Call {
    /// Which.
    pub function: &'static Function,
    /// The arguments.
    pub args: Vec<Ex>,
    /// Their types.
    pub types: Vec<Type>,
    /// The type of the result.
    pub returns: Type,
    /// What was made of constant arguments.
    pub prepared: Prepared,
}

impl Ex {
    /// Calls `visit` with every slot.
    pub fn slots(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Ex::Const(_) => {}
            Ex::Slot(slot) => visit(*slot),
            Ex::And(list) | Ex::Or(list) | Ex::Coalesce(list) => {
                list.iter().for_each(|e| e.slots(visit));
            }
            Ex::Not(e)
            | Ex::Negate(_, e)
            | Ex::Like(e, _)
            | Ex::IsNull(e)
            | Ex::Convert(_, _, e) => e.slots(visit),
            Ex::Compare(_, a, b) => {
                a.slots(visit);
                b.slots(visit);
            }
            Ex::Arithmetic(_, _, a, b) => {
                a.0.slots(visit);
                b.0.slots(visit);
            }
            Ex::In(e, list) => {
                e.slots(visit);
                list.iter().for_each(|e| e.slots(visit));
            }
            Ex::Case(list, other) => {
                list.iter().for_each(|(a, b)| {
                    a.slots(visit);
                    b.slots(visit);
                });
                other.slots(visit);
            }
            Ex::Call(call) => call.args.iter().for_each(|e| e.slots(visit)),
        }
    }
}

/// What expressions know besides the row.
#[derive(Clone, Debug)]
pub struct Context {
    /// What `NOW()` is.
    pub now: Timestamp,
    /// The zone of calendars.
    pub zone: TimeZone,
    /// Where several values are compared one that passes is enough (SQL), instead of null.
    pub any_value: bool,
}

/// Where a column of the source comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldKind {
    /// A field of the documents.
    Path(String),
    /// The record's time.
    Time,
    /// The name of the index.
    Index,
    /// The document's id.
    Id,
    /// The document.
    Source,
    /// Always this.
    Fixed(Cell),
    /// Whether the record matches.
    Matches(Box<Query>),
}

/// A column of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its number.
    pub slot: usize,
    /// Where it comes from.
    pub kind: FieldKind,
    /// Its type.
    pub ty: Type,
    /// Values of other kinds become texts of it.
    pub mixed: bool,
}

/// A step that looks at one row at a time. Columns that it adds begin with the slot that stands
/// first.
#[derive(Clone, Debug)]
pub enum Step {
    /// Adds a column.
    Eval(usize, Ex),
    /// Keeps the rows where it holds.
    Filter(Ex),
    /// Adds the parts of a text.
    Dissect(usize, Ex, Arc<Dissect>),
    /// Adds the named parts of a text.
    Grok(usize, Ex, Arc<Grok>),
    /// A row for each value of a column, which becomes a new column.
    Expand(usize, usize),
}

impl Step {
    /// The columns that it adds.
    pub fn adds(&self) -> std::ops::Range<usize> {
        match self {
            Step::Eval(first, _) | Step::Expand(first, _) => *first..first + 1,
            Step::Filter(_) => 0..0,
            Step::Dissect(first, _, dissect) => *first..first + dissect.names().len(),
            Step::Grok(first, _, grok) => *first..first + grok.fields().len(),
        }
    }

    /// Calls `visit` with every column that it reads.
    pub fn reads(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Step::Eval(_, ex) | Step::Filter(ex) => ex.slots(visit),
            Step::Dissect(_, ex, _) | Step::Grok(_, ex, _) => ex.slots(visit),
            Step::Expand(_, slot) => visit(*slot),
        }
    }
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// By what.
    pub slot: usize,
    /// The largest first.
    pub descending: bool,
    /// Where nulls go.
    pub nulls_first: bool,
}

/// What aggregates compute.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AggKind {
    /// Rows, or values of the argument.
    Count,
    /// About how many distinct values.
    Distinct,
    Sum,
    Avg,
    Min,
    Max,
    /// A percentile, and whether whole numbers stay doubles.
    Percentile(f64),
    StdDev,
    /// Population variance and its like (SQL), by the name of `Stats::property`.
    Property(&'static str),
    MedianDeviation,
    Values,
    /// So many of the largest or smallest.
    Top(usize, bool),
    WeightedAvg,
    /// The value of the row with the least or greatest second argument (SQL).
    First(bool),
}

/// One aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// What.
    pub kind: AggKind,
    /// Of which column; `None` of rows.
    pub slot: Option<usize>,
    /// The second column that some look at.
    pub second: Option<usize>,
    /// Only rows where this column holds.
    pub filter: Option<usize>,
    /// The type of the column.
    pub input: Type,
    /// The type of the result.
    pub output: Type,
}

/// Groups of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The columns of the key; they are the first columns afterwards.
    pub keys: Vec<usize>,
    /// The aggregates; their results are the columns after the keys.
    pub aggs: Vec<Aggregate>,
}

/// What ends a stage.
#[derive(Clone, Debug, PartialEq)]
pub enum Breaker {
    /// Groups of rows.
    Stats(Grouping),
    /// The first rows of an order; without keys the newest records, later the rows as they come.
    Top(Vec<Key>, usize),
}

/// Row by row, then all rows.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// What follows.
    pub end: Breaker,
    /// How many columns there are at its end.
    pub slots: usize,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Records.
    Records {
        /// The columns.
        fields: Vec<Field>,
    },
    /// One row.
    Row(Vec<Cell>),
}

/// A planned query.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where rows come from.
    pub source: Source,
    /// What is done with them.
    pub stages: Vec<Stage>,
    /// The columns of the answer: name, type, slot.
    pub output: Vec<(String, Type, usize)>,
    /// What expressions know.
    pub context: Context,
    /// Only records after the one of this time (nanoseconds) and number, the newest first; for
    /// queries without an order of their own.
    pub after: Option<(i64, u64)>,
}
