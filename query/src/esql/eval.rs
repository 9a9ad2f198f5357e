//! What does an expression give for a row? Null and several values by Elasticsearch's rules.
//!
//! Knows nothing of where rows come from.

use super::functions::{Env, add_span, convert};
use super::plan::{Call, Context, Ex};
use super::tree::{Arithmetic, Compare};
use super::value::{Cell, Type};

/// Rows by columns; a column that nobody needs is empty.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// How many rows.
    pub rows: usize,
    /// The columns.
    pub columns: Vec<Vec<Cell>>,
}

const NULL: &Cell = &Cell::Null;

impl Page {
    /// One cell; of a column that was not needed null.
    pub fn cell(&self, slot: usize, row: usize) -> &Cell {
        self.columns.get(slot).and_then(|column| column.get(row)).unwrap_or(NULL)
    }

    /// Keeps the rows that are marked.
    pub fn keep(&mut self, marks: &[bool]) {
        for column in &mut self.columns {
            if !column.is_empty() {
                let mut marks = marks.iter();
                column.retain(|_| marks.next().is_some_and(|m| *m));
            }
        }
        self.rows = marks.iter().filter(|m| **m).count();
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let column = |c: &Vec<Cell>| {
            c.len() * size_of::<Cell>() + c.iter().map(Cell::heap_bytes).sum::<usize>()
        };
        self.columns.iter().map(column).sum()
    }
}

impl Ex {
    /// Its value in a row.
    pub fn eval(&self, page: &Page, row: usize, context: &Context) -> Cell {
        let of = |e: &Ex| e.eval(page, row, context);
        match self {
            Ex::Const(cell) => cell.clone(),
            Ex::Slot(slot) => page.cell(*slot, row).clone(),
            Ex::And(list) => combine(list.iter().map(of), false),
            Ex::Or(list) => combine(list.iter().map(of), true),
            Ex::Not(e) => of(e).as_bool().map_or(Cell::Null, |v| Cell::Bool(!v)),
            Ex::Compare(op, a, b) => {
                compare(*op, (a, b), |e| borrow(e, page, row, context), context.any_value)
            }
            Ex::In(e, list) => {
                let value = of(e);
                let tests = list.iter().map(|item| {
                    let item = of(item);
                    pair(Compare::Eq, &value, &item, context.any_value)
                });
                combine(tests, true)
            }
            Ex::Arithmetic(op, ty, a, b) => {
                let (x, y) = (of(&a.0), of(&b.0));
                arithmetic((*op, *ty), (&x, a.1), (&y, b.1), context)
            }
            Ex::Negate(ty, e) => match of(e) {
                Cell::Int(v) => v.checked_neg().map_or(Cell::Null, |v| fit(v, *ty)),
                Cell::Double(v) => Cell::Double(-v),
                Cell::Period(months, days) => match (months.checked_neg(), days.checked_neg()) {
                    (Some(months), Some(days)) => Cell::Period(months, days),
                    _ => Cell::Null,
                },
                _ => Cell::Null,
            },
            Ex::Like(e, pattern) => match &*borrow(e, page, row, context) {
                Cell::Text(text) => Cell::Bool(pattern.0.matches(text)),
                Cell::Multi(list) if context.any_value => Cell::Bool(
                    list.iter().any(|c| c.as_text().is_some_and(|t| pattern.0.matches(t))),
                ),
                _ => Cell::Null,
            },
            Ex::IsNull(e) => Cell::Bool(borrow(e, page, row, context).is_null()),
            Ex::Case(list, other) => {
                let holds = |e: &Ex| of(e) == Cell::Bool(true);
                match list.iter().find(|(condition, _)| holds(condition)) {
                    Some((_, value)) => of(value),
                    None => of(other),
                }
            }
            Ex::Coalesce(list) => {
                list.iter().map(of).find(|cell| !cell.is_null()).unwrap_or(Cell::Null)
            }
            Ex::Convert(from, to, e) => match of(e) {
                Cell::Multi(list) => {
                    let each = list.iter().map(|c| convert(c, *from, *to));
                    Cell::of_list(each.filter(|c| !c.is_null()).collect())
                }
                cell => convert(&cell, *from, *to),
            },
            Ex::Call(call) => call_function(call, page, row, context),
        }
    }

    /// Whether it holds in a row.
    pub fn holds(&self, page: &Page, row: usize, context: &Context) -> bool {
        match self {
            // The first that does not hold is enough.
            Ex::And(list) => list.iter().all(|e| e.holds(page, row, context)),
            Ex::Or(list) => list.iter().any(|e| e.holds(page, row, context)),
            _ => self.eval(page, row, context) == Cell::Bool(true),
        }
    }
}

/// The value of an expression, without a copy where it stands in the row.
fn borrow<'a>(
    e: &'a Ex,
    page: &'a Page,
    row: usize,
    context: &Context,
) -> std::borrow::Cow<'a, Cell> {
    match e {
        Ex::Slot(slot) => std::borrow::Cow::Borrowed(page.cell(*slot, row)),
        Ex::Const(cell) => std::borrow::Cow::Borrowed(cell),
        _ => std::borrow::Cow::Owned(e.eval(page, row, context)),
    }
}

/// `OR` when `decisive` is true, else `AND`: one decisive value decides, otherwise null stays null.
fn combine(values: impl Iterator<Item = Cell>, decisive: bool) -> Cell {
    let mut out = Cell::Bool(!decisive);
    for value in values {
        match value.as_bool() {
            Some(v) if v == decisive => return Cell::Bool(decisive),
            Some(_) => {}
            None => out = Cell::Null,
        }
    }
    out
}

fn compare<'a>(
    op: Compare,
    (a, b): (&'a Ex, &'a Ex),
    of: impl Fn(&'a Ex) -> std::borrow::Cow<'a, Cell>,
    any_value: bool,
) -> Cell {
    pair(op, &of(a), &of(b), any_value)
}

fn pair(op: Compare, a: &Cell, b: &Cell, any_value: bool) -> Cell {
    if matches!(a, Cell::Null) || matches!(b, Cell::Null) {
        return Cell::Null;
    }
    if matches!(a, Cell::Multi(_)) || matches!(b, Cell::Multi(_)) {
        if !any_value {
            return Cell::Null;
        }
        // Not equal means that none is equal, as a negated search does.
        let (test, negated) = match op {
            Compare::Ne => (Compare::Eq, true),
            other => (other, false),
        };
        let some = a.values().iter().any(|a| b.values().iter().any(|b| passes(test, a, b)));
        return Cell::Bool(some != negated);
    }
    Cell::Bool(passes(op, a, b))
}

fn passes(op: Compare, a: &Cell, b: &Cell) -> bool {
    let order = a.order(b);
    match op {
        Compare::Eq => order.is_eq(),
        Compare::Ne => order.is_ne(),
        Compare::Lt => order.is_lt(),
        Compare::Le => order.is_le(),
        Compare::Gt => order.is_gt(),
        Compare::Ge => order.is_ge(),
    }
}

/// A whole number of a type; null where it does not fit.
fn fit(v: i64, ty: Type) -> Cell {
    if ty == Type::Integer && i32::try_from(v).is_err() { Cell::Null } else { Cell::Int(v) }
}

fn arithmetic(
    (op, ty): (Arithmetic, Type),
    (a, a_type): (&Cell, Type),
    (b, b_type): (&Cell, Type),
    context: &Context,
) -> Cell {
    if ty == Type::Date {
        let (date, span) = if a_type == Type::Date { (a, b) } else { (b, a) };
        let sign = if op == Arithmetic::Sub { -1 } else { 1 };
        let moved = date.as_int().and_then(|ms| add_span(ms, span, sign, &context.zone));
        return moved.map_or(Cell::Null, Cell::Int);
    }
    if ty == Type::Period || ty == Type::Duration {
        return spans(op, a, b);
    }
    if ty == Type::Double {
        let (Some(a), Some(b)) = (a.as_double(), b.as_double()) else { return Cell::Null };
        let v = match op {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            Arithmetic::Mod => a % b,
        };
        return if v.is_finite() { Cell::Double(v) } else { Cell::Null };
    }
    debug_assert!(a_type.is_whole() || a.is_null() || b_type.is_whole() || b.is_null());
    let (Some(a), Some(b)) = (a.as_int(), b.as_int()) else { return Cell::Null };
    let v = match op {
        Arithmetic::Add => a.checked_add(b),
        Arithmetic::Sub => a.checked_sub(b),
        Arithmetic::Mul => a.checked_mul(b),
        Arithmetic::Div => a.checked_div(b),
        Arithmetic::Mod => a.checked_rem(b),
    };
    v.map_or(Cell::Null, |v| fit(v, ty))
}

fn spans(op: Arithmetic, a: &Cell, b: &Cell) -> Cell {
    let sign = if op == Arithmetic::Sub { -1 } else { 1 };
    match (a, b) {
        (Cell::Int(a), Cell::Int(b)) => {
            let moved = b.checked_mul(sign).and_then(|b| a.checked_add(b));
            moved.map_or(Cell::Null, Cell::Int)
        }
        (Cell::Period(m, d), Cell::Period(n, e)) => {
            let sign = sign as i32;
            let months = n.checked_mul(sign).and_then(|n| m.checked_add(n));
            let days = e.checked_mul(sign).and_then(|e| d.checked_add(e));
            match (months, days) {
                (Some(months), Some(days)) => Cell::Period(months, days),
                _ => Cell::Null,
            }
        }
        _ => Cell::Null,
    }
}

fn call_function(call: &Call, page: &Page, row: usize, context: &Context) -> Cell {
    let env = Env {
        types: &call.types,
        returns: call.returns,
        prepared: &call.prepared,
        now: context.now,
        zone: &context.zone,
    };
    let mut args: Vec<Cell> = call.args.iter().map(|e| e.eval(page, row, context)).collect();
    call.function.call(&env, &mut args)
}
