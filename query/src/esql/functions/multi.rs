//! What do functions of several values give?

use super::math::finite;
use super::{Env, Function, Kind, Mode, Returns, TEXT_BYTES_MAX, simple};
use crate::esql::value::{Cell, Type};

const ANY: &[Kind] = &[Kind::Any];
const NUMBER: &[Kind] = &[Kind::Number];
const DOUBLE: Returns = Returns::Is(Type::Double);

/// The functions.
pub(super) const TABLE: &[Function] = &[
    raw("MV_COUNT", ANY, Returns::Is(Type::Integer), count),
    raw("MV_FIRST", ANY, Returns::First, |_, a| pick(a[0].values().first())),
    raw("MV_LAST", ANY, Returns::First, |_, a| pick(a[0].values().last())),
    raw("MV_MIN", ANY, Returns::First, |_, a| pick(a[0].values().iter().min_by(|a, b| a.order(b)))),
    raw("MV_MAX", ANY, Returns::First, |_, a| pick(a[0].values().iter().max_by(|a, b| a.order(b)))),
    raw("MV_SUM", NUMBER, Returns::First, sum),
    raw("MV_AVG", NUMBER, DOUBLE, average),
    raw("MV_MEDIAN", NUMBER, Returns::First, median),
    raw("MV_DEDUPE", ANY, Returns::First, dedupe),
    raw("MV_SORT", &[Kind::Any, Kind::Text], Returns::First, sort).optional(1),
    raw("MV_CONCAT", &[Kind::Text, Kind::Text], Returns::Is(Type::Keyword), concat),
    raw("MV_SLICE", &[Kind::Any, Kind::Whole, Kind::Whole], Returns::First, slice).optional(1),
    raw("MV_APPEND", &[Kind::Any, Kind::Same], Returns::Common, append),
    raw("MV_ZIP", &[Kind::Text, Kind::Text, Kind::Text], Returns::Is(Type::Keyword), zip)
        .optional(1),
];

const fn raw(
    name: &'static str,
    args: &'static [Kind],
    returns: Returns,
    eval: fn(&Env<'_>, &[Cell]) -> Cell,
) -> Function {
    simple(name, args, returns, eval).mode(Mode::Raw)
}

fn pick(cell: Option<&Cell>) -> Cell {
    cell.cloned().unwrap_or(Cell::Null)
}

fn count(_: &Env<'_>, args: &[Cell]) -> Cell {
    match args[0].values().len() {
        0 => Cell::Null,
        count => Cell::Int(count as i64),
    }
}

fn sum(env: &Env<'_>, args: &[Cell]) -> Cell {
    let values = args[0].values();
    if values.is_empty() {
        return Cell::Null;
    }
    if env.returns == Type::Double {
        return finite(values.iter().filter_map(Cell::as_double).sum());
    }
    let total: i128 = values.iter().filter_map(Cell::as_int).map(i128::from).sum();
    fit(total, env.returns)
}

/// A whole number of a type, null where it does not fit.
fn fit(v: i128, ty: Type) -> Cell {
    match i64::try_from(v) {
        Ok(v) if ty != Type::Integer || i32::try_from(v).is_ok() => Cell::Int(v),
        _ => Cell::Null,
    }
}

fn average(_: &Env<'_>, args: &[Cell]) -> Cell {
    let values = args[0].values();
    let total: f64 = values.iter().filter_map(Cell::as_double).sum();
    if values.is_empty() { Cell::Null } else { finite(total / values.len() as f64) }
}

fn median(env: &Env<'_>, args: &[Cell]) -> Cell {
    let mut values = args[0].values().to_vec();
    values.sort_by(Cell::order);
    let middle = values.len() / 2;
    match values.len() {
        0 => Cell::Null,
        n if n % 2 == 1 => values.swap_remove(middle),
        _ => match (&values[middle - 1], &values[middle]) {
            (Cell::Int(a), Cell::Int(b)) => {
                fit((i128::from(*a) + i128::from(*b)).div_euclid(2), env.returns)
            }
            (a, b) => match (a.as_double(), b.as_double()) {
                (Some(a), Some(b)) => finite((a + b) / 2.0),
                _ => Cell::Null,
            },
        },
    }
}

fn dedupe(_: &Env<'_>, args: &[Cell]) -> Cell {
    let mut out = args[0].values().to_vec();
    out.sort_by(Cell::order);
    out.dedup_by(|a, b| a.order(b).is_eq());
    Cell::of_list(out)
}

fn sort(_: &Env<'_>, args: &[Cell]) -> Cell {
    let mut out = args[0].values().to_vec();
    out.sort_by(Cell::order);
    match args.get(1).map(Cell::as_text) {
        None => {}
        Some(Some(order)) if order.eq_ignore_ascii_case("asc") => {}
        Some(Some(order)) if order.eq_ignore_ascii_case("desc") => out.reverse(),
        Some(_) => return Cell::Null,
    }
    Cell::of_list(out)
}

fn concat(_: &Env<'_>, args: &[Cell]) -> Cell {
    let Some(between) = args[1].as_text() else { return Cell::Null };
    let texts: Vec<&str> = args[0].values().iter().filter_map(Cell::as_text).collect();
    let bytes: usize = texts.iter().map(|t| t.len() + between.len()).sum();
    if texts.is_empty() || bytes > TEXT_BYTES_MAX {
        return Cell::Null;
    }
    Cell::text(texts.join(between))
}

/// From one place to another, both counted from 0, or from the end when below 0.
fn slice(_: &Env<'_>, args: &[Cell]) -> Cell {
    let values = args[0].values();
    let place = |cell: &Cell| {
        let at = cell.as_int()?;
        Some(if at < 0 { at.saturating_add(values.len() as i64) } else { at })
    };
    let Some(from) = place(&args[1]) else { return Cell::Null };
    let Some(to) = args.get(2).map_or(Some(from), place) else { return Cell::Null };
    let from = usize::try_from(from.max(0)).unwrap_or(usize::MAX);
    let to = usize::try_from(to.saturating_add(1).max(0)).unwrap_or(0).min(values.len());
    values.get(from..to).map_or(Cell::Null, |list| Cell::of_list(list.to_vec()))
}

fn append(_: &Env<'_>, args: &[Cell]) -> Cell {
    match args {
        [Cell::Null, _] | [_, Cell::Null] => Cell::Null,
        [a, b] => Cell::of_list([a.values(), b.values()].concat()),
        _ => Cell::Null,
    }
}

fn zip(_: &Env<'_>, args: &[Cell]) -> Cell {
    let between = args.get(2).map_or(Some(","), Cell::as_text);
    let Some(between) = between else { return Cell::Null };
    let (a, b) = (args[0].values(), args[1].values());
    let text = |list: &[Cell], at: usize| list.get(at).and_then(Cell::as_text).map(str::to_owned);
    let pairs = (0..a.len().max(b.len())).map(|at| match (text(a, at), text(b, at)) {
        (Some(a), Some(b)) => Cell::text(a + between + &b),
        (Some(one), None) | (None, Some(one)) => Cell::text(one),
        (None, None) => Cell::Null,
    });
    Cell::of_list(pairs.collect())
}
