//! How does a value of one type become one of another? The `TO_…` functions and casts.

use std::sync::LazyLock;

use model::time::Timestamp;

use super::{Env, Function, Kind, Mode, Returns, simple};
use crate::dates::{Dates, Rounding};
use crate::esql::parse::expr::span_of;
use crate::esql::value::{Cell, Type, parse_ip};

const ANY: &[Kind] = &[Kind::Any];
const PLAIN: &[Kind] = &[Kind::Plain];

/// The functions.
pub(super) const TABLE: &[Function] = &[
    to("TO_STRING", ANY, Type::Keyword),
    to("TO_BOOLEAN", PLAIN, Type::Boolean),
    to("TO_INTEGER", PLAIN, Type::Integer),
    to("TO_LONG", PLAIN, Type::Long),
    to("TO_DOUBLE", PLAIN, Type::Double),
    to("TO_DATETIME", PLAIN, Type::Date),
    to("TO_IP", ANY, Type::Ip),
];

const fn to(name: &'static str, args: &'static [Kind], ty: Type) -> Function {
    simple(name, args, Returns::Is(ty), each).mode(Mode::Each)
}

fn each(env: &Env<'_>, args: &[Cell]) -> Cell {
    convert(&args[0], env.types.first().copied().unwrap_or(Type::Null), env.returns)
}

/// One value as another type; null where it cannot be.
pub fn convert(cell: &Cell, from: Type, to: Type) -> Cell {
    if from == to {
        return cell.clone();
    }
    match (to, cell) {
        (_, Cell::Null) => Cell::Null,
        (Type::Keyword | Type::Text, Cell::Text(_)) => cell.clone(),
        (Type::Keyword | Type::Text, cell) => Cell::text(cell.print(from)),
        (Type::Boolean, Cell::Bool(_)) => cell.clone(),
        (Type::Boolean, Cell::Int(v)) => Cell::Bool(*v != 0),
        (Type::Boolean, Cell::Double(v)) => Cell::Bool(*v != 0.0),
        (Type::Boolean, Cell::Text(text)) => Cell::Bool(text.eq_ignore_ascii_case("true")),
        (Type::Integer, cell) => match whole(cell) {
            Some(v) if i32::try_from(v).is_ok() => Cell::Int(v),
            _ => Cell::Null,
        },
        (Type::Long, cell) => whole(cell).map_or(Cell::Null, Cell::Int),
        (Type::Double, Cell::Text(text)) => match text.trim().parse::<f64>() {
            Ok(v) if v.is_finite() => Cell::Double(v),
            _ => Cell::Null,
        },
        (Type::Double, Cell::Bool(v)) => Cell::Double(f64::from(u8::from(*v))),
        (Type::Double, cell) => cell.as_double().map_or(Cell::Null, Cell::Double),
        (Type::Date, Cell::Text(text)) => parse_date(text).map_or(Cell::Null, Cell::Int),
        (Type::Date, cell) => whole(cell).map_or(Cell::Null, Cell::Int),
        (Type::Ip, Cell::Text(text)) => parse_ip(text).map_or(Cell::Null, Cell::Ip),
        _ => Cell::Null,
    }
}

/// Rounded to the nearest, halves up, as Java does.
fn whole(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Int(v) => Some(*v),
        Cell::Bool(v) => Some(i64::from(*v)),
        Cell::Double(v) => rounded(*v),
        Cell::Text(text) => {
            let text = text.trim();
            text.parse::<i64>().ok().or_else(|| rounded(text.parse::<f64>().ok()?))
        }
        _ => None,
    }
}

fn rounded(v: f64) -> Option<i64> {
    let v = (v + 0.5).floor();
    (v.is_finite() && (-9.3e18..9.3e18).contains(&v) && v >= i64::MIN as f64 && v < i64::MAX as f64)
        .then_some(v as i64)
}

/// Milliseconds of an ISO date.
fn parse_date(text: &str) -> Option<i64> {
    static ISO: LazyLock<Option<Dates>> = LazyLock::new(|| {
        Dates::at(Timestamp(0)).with(Some("strict_date_optional_time"), None).ok()
    });
    // Date math is none of this language.
    if text.contains("||") || text.starts_with("now") {
        return None;
    }
    Some(ISO.as_ref()?.read(text.trim(), Rounding::Down).ok()?.millis())
}

/// A constant text where another type is wanted: dates, addresses, booleans, spans. `None` when it
/// cannot be one.
pub fn literal_to(text: &str, ty: Type) -> Option<Cell> {
    let cell = match ty {
        Type::Date | Type::Ip => convert(&Cell::text(text), Type::Keyword, ty),
        Type::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Cell::Bool(true),
            "false" => Cell::Bool(false),
            _ => Cell::Null,
        },
        Type::Period | Type::Duration => {
            let (count, unit) = text.trim().split_once(char::is_whitespace)?;
            let (cell, of) = span_of(count.parse().ok()?, unit.trim())?;
            return (of == ty).then_some(cell);
        }
        _ => return None,
    };
    (!cell.is_null()).then_some(cell)
}
