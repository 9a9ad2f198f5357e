//! What do functions of numbers give?

use super::{Env, Function, Kind, Returns, simple};
use crate::esql::value::{Cell, Type};

const DOUBLE: Returns = Returns::Is(Type::Double);
const ONE: &[Kind] = &[Kind::Number];
const TWO: &[Kind] = &[Kind::Number, Kind::Number];

/// The functions.
pub(super) const TABLE: &[Function] = &[
    simple("ABS", ONE, Returns::First, abs),
    simple("CEIL", ONE, Returns::First, |_, a| whole(a, f64::ceil)),
    simple("FLOOR", ONE, Returns::First, |_, a| whole(a, f64::floor)),
    simple("ROUND", &[Kind::Number, Kind::Whole], Returns::First, round).optional(1),
    simple("SQRT", ONE, DOUBLE, |_, a| one(a, f64::sqrt)),
    simple("CBRT", ONE, DOUBLE, |_, a| one(a, f64::cbrt)),
    simple("EXP", ONE, DOUBLE, |_, a| one(a, f64::exp)),
    simple("LOG10", ONE, DOUBLE, |_, a| one(a, f64::log10)),
    simple("LOG", TWO, DOUBLE, log).optional(1),
    simple("POW", TWO, DOUBLE, |_, a| two(a, f64::powf)),
    simple("HYPOT", TWO, DOUBLE, |_, a| two(a, f64::hypot)),
    simple("ATAN2", TWO, DOUBLE, |_, a| two(a, f64::atan2)),
    simple("SIN", ONE, DOUBLE, |_, a| one(a, f64::sin)),
    simple("COS", ONE, DOUBLE, |_, a| one(a, f64::cos)),
    simple("TAN", ONE, DOUBLE, |_, a| one(a, f64::tan)),
    simple("ASIN", ONE, DOUBLE, |_, a| one(a, f64::asin)),
    simple("ACOS", ONE, DOUBLE, |_, a| one(a, f64::acos)),
    simple("ATAN", ONE, DOUBLE, |_, a| one(a, f64::atan)),
    simple("SINH", ONE, DOUBLE, |_, a| one(a, f64::sinh)),
    simple("COSH", ONE, DOUBLE, |_, a| one(a, f64::cosh)),
    simple("TANH", ONE, DOUBLE, |_, a| one(a, f64::tanh)),
    simple("SIGNUM", ONE, DOUBLE, |_, a| one(a, |v| if v == 0.0 { 0.0 } else { v.signum() })),
    simple("TO_DEGREES", ONE, DOUBLE, |_, a| one(a, f64::to_degrees)),
    simple("TO_RADIANS", ONE, DOUBLE, |_, a| one(a, f64::to_radians)),
    simple("PI", &[], DOUBLE, |_, _| Cell::Double(std::f64::consts::PI)),
    simple("E", &[], DOUBLE, |_, _| Cell::Double(std::f64::consts::E)),
    simple("TAU", &[], DOUBLE, |_, _| Cell::Double(std::f64::consts::TAU)),
    simple("GREATEST", &[Kind::Any, Kind::Same], Returns::Common, |_, a| extreme(a, true))
        .optional(1)
        .variadic(),
    simple("LEAST", &[Kind::Any, Kind::Same], Returns::Common, |_, a| extreme(a, false))
        .optional(1)
        .variadic(),
    simple("$BUCKET", TWO, DOUBLE, bucket),
];

/// A double, null where it is none.
pub(super) fn finite(v: f64) -> Cell {
    if v.is_finite() { Cell::Double(v) } else { Cell::Null }
}

fn one(args: &[Cell], f: impl Fn(f64) -> f64) -> Cell {
    args[0].as_double().map_or(Cell::Null, |v| finite(f(v)))
}

fn two(args: &[Cell], f: impl Fn(f64, f64) -> f64) -> Cell {
    match (args[0].as_double(), args[1].as_double()) {
        (Some(a), Some(b)) => finite(f(a, b)),
        _ => Cell::Null,
    }
}

fn whole(args: &[Cell], f: impl Fn(f64) -> f64) -> Cell {
    match &args[0] {
        Cell::Double(v) => finite(f(*v)),
        other => other.clone(),
    }
}

fn abs(env: &Env<'_>, args: &[Cell]) -> Cell {
    match &args[0] {
        Cell::Int(v) => match v.checked_abs() {
            Some(v) if env.returns == Type::Long || i32::try_from(v).is_ok() => Cell::Int(v),
            _ => Cell::Null,
        },
        Cell::Double(v) => Cell::Double(v.abs()),
        _ => Cell::Null,
    }
}

fn round(_: &Env<'_>, args: &[Cell]) -> Cell {
    let digits = args.get(1).and_then(Cell::as_int).unwrap_or(0);
    match &args[0] {
        Cell::Int(v) if digits < 0 => {
            let Some(unit) = 10_i128.checked_pow(u32::try_from(-digits).unwrap_or(99)) else {
                return Cell::Int(0);
            };
            let size = i128::from(*v).abs();
            let rounded = (size + unit / 2) / unit * unit * i128::from(v.signum());
            i64::try_from(rounded).map_or(Cell::Null, Cell::Int)
        }
        Cell::Int(v) => Cell::Int(*v),
        Cell::Double(v) => {
            let scale = 10f64.powi(i32::try_from(digits.clamp(-400, 400)).unwrap_or(0));
            let scaled = v.abs() * scale;
            if scale == 0.0 {
                return Cell::Double(0.0);
            }
            if !scaled.is_finite() || scale.is_infinite() {
                return Cell::Double(*v);
            }
            finite((scaled + 0.5).floor() / scale * if *v < 0.0 { -1.0 } else { 1.0 })
        }
        _ => Cell::Null,
    }
}

fn log(_: &Env<'_>, args: &[Cell]) -> Cell {
    match args {
        [_] => one(args, f64::ln),
        _ => two(args, |base, v| if base == 1.0 { f64::NAN } else { v.ln() / base.ln() }),
    }
}

fn extreme(args: &[Cell], greatest: bool) -> Cell {
    let best = args.iter().reduce(|a, b| match (a.order(b).is_ge(), greatest) {
        (true, true) | (false, false) => a,
        _ => b,
    });
    best.cloned().unwrap_or(Cell::Null)
}

/// The number's bucket of a width.
fn bucket(_: &Env<'_>, args: &[Cell]) -> Cell {
    two(args, |v, width| (v / width).floor() * width)
}
