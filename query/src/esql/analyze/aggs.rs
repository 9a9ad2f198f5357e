//! Which aggregates does `STATS` ask for? Each once, with what is computed before and after.

use super::expr::{Typed, null};
use super::{Analyzer, Column, Fatal};
use crate::esql::plan::{AggKind, Aggregate, Breaker, Ex, Grouping, Step};
use crate::esql::tree::{Expr, ExprKind, Named, Span};
use crate::esql::value::{Cell, Type};

/// The groups of a `STATS` that is being read.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The keys: name, type, slot before.
    pub(super) keys: Vec<(String, Type, usize)>,
    aggs: Vec<Aggregate>,
    /// The slot of the condition of the aggregate that is being read.
    filter: Option<usize>,
}

/// What an aggregate takes.
enum Takes {
    Anything,
    Numbers,
    Ordered,
}

const NAMES: [&str; 23] = [
    "COUNT",
    "COUNT_DISTINCT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "MEDIAN",
    "PERCENTILE",
    "VALUES",
    "TOP",
    "STD_DEV",
    "MEDIAN_ABSOLUTE_DEVIATION",
    "WEIGHTED_AVG",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "VAR_POP",
    "VAR_SAMP",
    "SUM_OF_SQUARES",
    "FIRST",
    "LAST",
    "MAD",
    "FIRST_VALUE",
    "LAST_VALUE",
];

/// Whether this is the name of an aggregate.
pub(in crate::esql) fn is_aggregate(name: &str) -> bool {
    NAMES.iter().any(|n| n.eq_ignore_ascii_case(name))
}

impl Analyzer<'_> {
    pub(super) fn stats(&mut self, aggs: &[Named], by: &[Named], span: Span) -> Fatal<()> {
        if aggs.is_empty() && by.is_empty() {
            return self.malformed(
                span,
                "At least one aggregation or grouping expression required in [STATS]",
            );
        }
        let mut groups = Groups::default();
        for named in by {
            let (ex, ty) = self.expr(&named.expr)?;
            if ty.is_span() || ty == Type::Source {
                let what = format!("cannot group by on [{}] type", ty.name());
                self.problem(named.expr.span, what);
            }
            let slot = self.slot_of(ex);
            let ty = if ty == Type::Text { Type::Keyword } else { ty };
            groups.keys.retain(|(name, ..)| *name != named.name);
            groups.keys.push((named.name.clone(), ty, slot));
        }
        let mut after = Vec::with_capacity(aggs.len());
        for named in aggs {
            let filter = match &named.filter {
                Some(filter) => {
                    let (ex, ty) = self.expr(filter)?;
                    if !matches!(ty, Type::Boolean | Type::Null) {
                        let found = ty.name().to_ascii_uppercase();
                        let what =
                            format!("Condition expression needs to be boolean, found [{found}]");
                        self.problem(filter.span, what);
                    }
                    Some(self.slot_of(ex))
                }
                None => None,
            };
            groups.filter = filter;
            let before = groups.aggs.len();
            self.groups = Some(groups);
            let typed = self.expr(&named.expr);
            groups = self.groups.take().unwrap_or_default();
            let (ex, ty) = typed?;
            if groups.aggs.len() == before && !contains_aggregate(&named.expr) {
                let what = format!(
                    "expected an aggregate function but found [{}]",
                    self.shown(named.expr.span)
                );
                self.problem(named.expr.span, what);
            }
            after.push((named.name.clone(), ex, ty));
        }
        self.group(groups, after);
        Ok(())
    }

    /// Ends the stage; afterwards there are the results and the keys.
    fn group(&mut self, groups: Groups, after: Vec<(String, Ex, Type)>) {
        let keys: Vec<usize> = groups.keys.iter().map(|k| k.2).collect();
        let slots = keys.len() + groups.aggs.len();
        self.sort.clear();
        self.end_stage(Breaker::Stats(Grouping { keys, aggs: groups.aggs }));
        self.slots = slots;
        self.columns.clear();
        for (name, ex, ty) in after {
            let slot = self.slot_of(ex);
            self.set_column(&name, ty, slot);
        }
        for (at, (name, ty, _)) in groups.keys.into_iter().enumerate() {
            self.columns.retain(|c| c.name != name);
            self.columns.push(Column { name, ty, slot: at });
        }
    }

    /// A name among aggregates: one of the keys.
    pub(super) fn group_column(&mut self, name: &str, span: Span) -> Typed {
        let groups = self.groups.as_ref();
        let at = groups.and_then(|g| g.keys.iter().position(|(key, ..)| key == name));
        match (at, groups) {
            (Some(at), Some(groups)) => (Ex::Slot(at), groups.keys[at].1),
            _ => {
                if self.lookup(name, span).is_some() {
                    let what = format!(
                        "column [{name}] must appear in the STATS BY clause or be used in an \
                         aggregate function"
                    );
                    self.problem(span, what);
                }
                null()
            }
        }
    }

    /// The result of an aggregate; `None` when this is no aggregate's name.
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
        span: Span,
    ) -> Fatal<Option<Typed>> {
        if !is_aggregate(name) {
            return Ok(None);
        }
        let Some(groups) = self.groups.take() else {
            let what = format!(
                "aggregate function [{}] not allowed outside STATS command",
                self.shown(span)
            );
            self.problem(span, what);
            return Ok(Some(null()));
        };
        // Arguments are of the rows, not of the groups; an aggregate in them is refused above.
        let made = self.arguments(&name.to_ascii_uppercase(), args, distinct, span);
        let mut groups = groups;
        let result = made.map(|aggregate| {
            let Some(mut aggregate) = aggregate else { return null() };
            aggregate.filter = groups.filter;
            let output = aggregate.output;
            let known = groups.aggs.iter().position(|a| *a == aggregate);
            let at = known.unwrap_or_else(|| {
                groups.aggs.push(aggregate);
                groups.aggs.len() - 1
            });
            (Ex::Slot(groups.keys.len() + at), output)
        });
        self.groups = Some(groups);
        result.map(Some)
    }

    fn arguments(
        &mut self,
        name: &str,
        args: &[Expr],
        distinct: bool,
        span: Span,
    ) -> Fatal<Option<Aggregate>> {
        self.check_count(name, args.len(), span)?;
        let argument = match args.first().map(|a| &a.kind) {
            None | Some(ExprKind::Star) if name == "COUNT" => None,
            _ => Some(self.expr(&args[0])?),
        };
        let constants = match name {
            "WEIGHTED_AVG" | "FIRST" | "LAST" | "FIRST_VALUE" | "LAST_VALUE" => Vec::new(),
            _ => match self.constants(args.get(1..).unwrap_or(&[]), span)? {
                Some(list) => list,
                None => return Ok(None),
            },
        };
        let input = argument.as_ref().map_or(Type::Null, |a| a.1);
        let Some((kind, takes, output)) = self.kind(name, (input, distinct), &constants, span)
        else {
            return Ok(None);
        };
        let fits = input == Type::Null
            || match takes {
                Takes::Anything => !input.is_span() && input != Type::Source,
                Takes::Numbers => input.is_number(),
                Takes::Ordered => !input.is_span() && input != Type::Source,
            };
        if !fits {
            let which = if args.len() > 1 { "first " } else { "" };
            let wanted = match takes {
                Takes::Numbers => "numeric except unsigned_long or counter types",
                _ => "any type except unsigned_long and counter types",
            };
            let what = format!(
                "{which}argument of [{}] must be [{wanted}], found value [{}] type [{}]",
                self.shown(span),
                self.shown(args.first().map_or(span, |a| a.span)),
                input.name()
            );
            self.problem(span, what);
            return Ok(None);
        }
        let second = match (&kind, args.get(1)) {
            (AggKind::WeightedAvg | AggKind::First(_), Some(second)) => {
                let (ex, _) = self.expr(second)?;
                Some(self.slot_of(ex))
            }
            _ => None,
        };
        let slot = argument.map(|(ex, _)| self.fresh_slot(ex));
        Ok(Some(Aggregate { kind, slot, second, filter: None, input, output }))
    }

    fn check_count(&self, name: &str, count: usize, span: Span) -> Fatal<()> {
        let (least, most) = match name {
            "COUNT" => (0, 1),
            "COUNT_DISTINCT" => (1, 2),
            "PERCENTILE" | "WEIGHTED_AVG" => (2, 2),
            "TOP" => (2, 3),
            "FIRST" | "LAST" | "FIRST_VALUE" | "LAST_VALUE" => (1, 2),
            _ => (1, 1),
        };
        if !(least..=most).contains(&count) {
            let lower = name.to_ascii_lowercase();
            let words = ["zero", "one", "two", "three"];
            let expected = match least == most {
                true if least == 1 => "exactly one argument".to_owned(),
                true => format!("exactly {} arguments", words[least]),
                false => format!("{} or {} arguments", words[least], words[most]),
            };
            return self.malformed(span, &format!("error building [{lower}]: expects {expected}"));
        }
        Ok(())
    }

    /// The same column for the same plain field, so that equal aggregates are one.
    fn fresh_slot(&mut self, ex: Ex) -> usize {
        match &ex {
            Ex::Const(cell) => {
                let known = self.steps.iter().find_map(|step| match step {
                    Step::Eval(slot, Ex::Const(other)) if other == cell => Some(*slot),
                    _ => None,
                });
                known.unwrap_or_else(|| self.slot_of(ex))
            }
            _ => self.slot_of(ex),
        }
    }

    /// The values of arguments that must be constant.
    fn constants(&mut self, args: &[Expr], span: Span) -> Fatal<Option<Vec<Cell>>> {
        let mut out = Vec::with_capacity(args.len());
        for arg in args {
            match self.expr(arg)?.0 {
                Ex::Const(cell) => out.push(cell),
                _ => {
                    let what = format!(
                        "second argument of [{}] must be a constant, received [{}]",
                        self.shown(span),
                        self.shown(arg.span)
                    );
                    self.problem(span, what);
                    return Ok(None);
                }
            }
        }
        Ok(Some(out))
    }

    fn kind(
        &mut self,
        name: &str,
        (input, distinct): (Type, bool),
        constants: &[Cell],
        span: Span,
    ) -> Option<(AggKind, Takes, Type)> {
        let same = if input.is_string() { Type::Keyword } else { input };
        let sum = if input == Type::Double { Type::Double } else { Type::Long };
        let numbers = |kind: AggKind| Some((kind, Takes::Numbers, Type::Double));
        match name {
            "COUNT" if distinct => Some((AggKind::Distinct, Takes::Anything, Type::Long)),
            "COUNT" => Some((AggKind::Count, Takes::Anything, Type::Long)),
            "COUNT_DISTINCT" => Some((AggKind::Distinct, Takes::Anything, Type::Long)),
            "SUM" => Some((AggKind::Sum, Takes::Numbers, sum)),
            "AVG" => numbers(AggKind::Avg),
            "MIN" => Some((AggKind::Min, Takes::Ordered, same)),
            "MAX" => Some((AggKind::Max, Takes::Ordered, same)),
            "MEDIAN" => numbers(AggKind::Percentile(50.0)),
            "STD_DEV" => numbers(AggKind::StdDev),
            "MEDIAN_ABSOLUTE_DEVIATION" | "MAD" => numbers(AggKind::MedianDeviation),
            "STDDEV_POP" => numbers(AggKind::Property("std_deviation_population")),
            "STDDEV_SAMP" => numbers(AggKind::Property("std_deviation_sampling")),
            "VAR_POP" => numbers(AggKind::Property("variance_population")),
            "VAR_SAMP" => numbers(AggKind::Property("variance_sampling")),
            "SUM_OF_SQUARES" => numbers(AggKind::Property("sum_of_squares")),
            "WEIGHTED_AVG" => numbers(AggKind::WeightedAvg),
            "VALUES" => Some((AggKind::Values, Takes::Ordered, same)),
            "FIRST" | "FIRST_VALUE" => Some((AggKind::First(true), Takes::Anything, same)),
            "LAST" | "LAST_VALUE" => Some((AggKind::First(false), Takes::Anything, same)),
            "PERCENTILE" => match constants.first().and_then(Cell::as_double) {
                Some(p) if (0.0..=100.0).contains(&p) => numbers(AggKind::Percentile(p)),
                _ => {
                    let what = format!(
                        "second argument of [{}] must be a number from 0 to 100",
                        self.shown(span)
                    );
                    self.problem(span, what);
                    None
                }
            },
            "TOP" => self.top(constants, same, span),
            _ => None,
        }
    }

    fn top(
        &mut self,
        constants: &[Cell],
        same: Type,
        span: Span,
    ) -> Option<(AggKind, Takes, Type)> {
        let limit = constants.first().and_then(Cell::as_int).filter(|n| *n > 0);
        let order = constants.get(1).map_or(Some("asc"), Cell::as_text);
        let descending = match order.map(str::to_ascii_lowercase).as_deref() {
            Some("asc") => Some(false),
            Some("desc") => Some(true),
            _ => None,
        };
        match (limit, descending) {
            (Some(limit), Some(descending)) => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                Some((AggKind::Top(limit, descending), Takes::Ordered, same))
            }
            (None, _) => {
                let what = format!("Limit must be greater than 0 in [{}]", self.shown(span));
                self.problem(span, what);
                None
            }
            (_, None) => {
                let what =
                    format!("Invalid order value in [{}], expected [ASC, DESC]", self.shown(span));
                self.problem(span, what);
                None
            }
        }
    }
}

/// Whether an aggregate stands anywhere in an expression.
pub(crate) fn contains_aggregate(e: &Expr) -> bool {
    if let ExprKind::Call { name, .. } = &e.kind
        && is_aggregate(name)
    {
        return true;
    }
    e.kind.inner().any(contains_aggregate)
}
