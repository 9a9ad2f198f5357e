//! How wide is a bucket when only their number is given? `BUCKET`.

use jiff::tz::TimeZone;

use super::expr::{ORDINALS, Typed, null};
use super::{Analyzer, Fatal};
use crate::esql::functions::{self, add_span, round_to};
use crate::esql::plan::Ex;
use crate::esql::tree::{Expr, Span};
use crate::esql::value::{Cell, Type};

/// What people take as the width of a bucket of time, widest first.
const WIDTHS: [Cell; 19] = [
    Cell::Period(12, 0),
    Cell::Period(1, 0),
    Cell::Period(0, 7),
    Cell::Period(0, 1),
    Cell::Int(12 * 3_600_000),
    Cell::Int(3 * 3_600_000),
    Cell::Int(3_600_000),
    Cell::Int(30 * 60_000),
    Cell::Int(10 * 60_000),
    Cell::Int(5 * 60_000),
    Cell::Int(60_000),
    Cell::Int(30_000),
    Cell::Int(10_000),
    Cell::Int(5_000),
    Cell::Int(1_000),
    Cell::Int(100),
    Cell::Int(50),
    Cell::Int(10),
    Cell::Int(1),
];

/// The narrowest width that makes at most so many buckets between two times.
fn date_width(count: i64, from: i64, to: i64, zone: &TimeZone) -> Cell {
    let mut best = &WIDTHS[0];
    for width in &WIDTHS[1..] {
        if !is_enough(width, count, (from, to), zone) {
            break;
        }
        best = width;
    }
    best.clone()
}

fn is_enough(width: &Cell, count: i64, (from, to): (i64, i64), zone: &TimeZone) -> bool {
    let Some(mut at) = round_to(from, width, zone) else { return false };
    if let Cell::Int(width) = width {
        let needed =
            (i128::from(to) - i128::from(at) + i128::from(*width) - 1) / i128::from(*width);
        return needed.max(1) <= i128::from(count);
    }
    for _ in 0..count {
        match add_span(at, width, 1, zone) {
            Some(next) => at = next,
            None => return false,
        }
        if at >= to {
            return true;
        }
    }
    false
}

/// The round width that makes at most so many buckets between two numbers.
fn number_width(count: f64, from: f64, to: f64) -> f64 {
    let precise = (to - from) / count;
    let power = 10f64.powf(precise.log10().ceil());
    if precise < power / 2.0 { power / 2.0 } else { power }
}

impl Analyzer<'_> {
    /// `BUCKET(field, width)` or `BUCKET(field, count, from, to)`.
    pub(super) fn bucket(&mut self, args: &[Expr], span: Span) -> Fatal<Typed> {
        if !matches!(args.len(), 2 | 4) {
            return self.malformed(span, "error building [bucket]: expects two or four arguments");
        }
        let field = self.expr(&args[0])?;
        let date = field.1 == Type::Date;
        let mut rest = Vec::new();
        for (at, arg) in args[1..].iter().enumerate() {
            let typed = self.expr(arg)?;
            let typed = if date && at > 0 { self.adapted(typed, Type::Date, arg) } else { typed };
            match typed {
                (Ex::Const(cell), ty) => rest.push((cell, ty)),
                _ => {
                    let what = format!(
                        "{} argument of [{}] must be a constant, received [{}]",
                        ORDINALS[at + 1],
                        self.shown(span),
                        self.shown(arg.span)
                    );
                    self.problem(span, what);
                    return Ok(null());
                }
            }
        }
        let width = match (rest.as_slice(), date) {
            ([(span, ty)], true) if ty.is_span() => Some((span.clone(), *ty)),
            ([(width, ty)], false) if ty.is_number() => Some((width.clone(), *ty)),
            ([(Cell::Int(count), _), (Cell::Int(from), _), (Cell::Int(to), _)], true)
                if *count > 0 =>
            {
                let width = date_width(*count, *from, *to, &self.context.zone);
                let ty = if matches!(width, Cell::Int(_)) { Type::Duration } else { Type::Period };
                Some((width, ty))
            }
            ([(count, _), (from, _), (to, _)], false) => {
                match (count.as_double(), from.as_double(), to.as_double()) {
                    (Some(count), Some(from), Some(to)) if count > 0.0 && from < to => {
                        Some((Cell::Double(number_width(count, from, to)), Type::Double))
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        let positive = |cell: &Cell| match cell {
            Cell::Period(months, days) => {
                (*months > 0) != (*days > 0) && *months >= 0 && *days >= 0
            }
            cell => cell.as_double().is_some_and(|v| v > 0.0),
        };
        let Some((cell, ty)) = width.filter(|w| positive(&w.0)) else {
            let what = format!(
                "[{}] needs a field of numbers or times with a width above 0, or a number of \
                 buckets above 0 with two ends of the field's type",
                self.shown(span)
            );
            self.problem(span, what);
            return Ok(null());
        };
        let width = (Ex::Const(cell), ty);
        let (name, typed) =
            if date { ("DATE_TRUNC", vec![width, field]) } else { ("$BUCKET", vec![field, width]) };
        match functions::find(name) {
            Some(function) => self.build(function, typed, (args, span)),
            None => Ok(null()),
        }
    }
}
