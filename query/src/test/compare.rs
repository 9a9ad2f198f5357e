//! How do a value and a constant of a query compare? Numbers, times and text, in total orders.
//!
//! Knows no fields and no documents.

use std::borrow::Cow;
use std::cmp::Ordering;

use model::record::Value;
use model::time::Timestamp;

use crate::ast::Literal;

/// A number of either kind; the order is exact also between the kinds.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number of 64 bits.
    Int(i64),
    /// Any other.
    Float(f64),
}

impl Number {
    /// The number of a value, if it is one.
    pub fn of(value: Value<'_>) -> Option<Number> {
        match value {
            Value::Int(v) => Some(Number::Int(v)),
            Value::Float(v) => Some(Number::Float(v)),
            _ => None,
        }
    }

    /// Reads decimal text; not `inf`, `nan` or hexadecimal.
    pub fn parse(text: &str) -> Option<Number> {
        let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
        if text.is_empty() || text.len() > 40 || !text.bytes().all(numeric) {
            return None;
        }
        if let Ok(v) = text.parse::<i64>() {
            return Some(Number::Int(v));
        }
        text.parse::<f64>().ok().filter(|v| v.is_finite()).map(Number::Float)
    }

    /// As a double.
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(v) => v as f64,
            Number::Float(v) => v,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(&b),
            // Adding 0.0 makes the two zeros one.
            (Number::Float(a), Number::Float(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Number::Int(a), Number::Float(b)) => int_to_float(a, b),
            (Number::Float(a), Number::Int(b)) => int_to_float(b, a).reverse(),
        }
    }
}

/// Exact: a 64-bit number does not always fit a double.
fn int_to_float(a: i64, b: f64) -> Ordering {
    if b.is_nan() || b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    a.cmp(&(b.trunc() as i64)).then_with(|| 0.0f64.total_cmp(&(b.fract() + 0.0)))
}

/// The text of a constant.
pub fn literal_text(literal: &Literal) -> Cow<'_, str> {
    match literal {
        Literal::Bool(true) => "true".into(),
        Literal::Bool(false) => "false".into(),
        Literal::Int(v) => v.to_string().into(),
        Literal::Float(v) => v.to_string().into(),
        Literal::Text(text) | Literal::Time(_, text) => text.into(),
    }
}

/// The number that a constant is or reads as.
pub fn literal_number(literal: &Literal) -> Option<Number> {
    match literal {
        Literal::Bool(_) => None,
        Literal::Int(v) => Some(Number::Int(*v)),
        Literal::Float(v) => Some(Number::Float(*v)),
        Literal::Text(text) | Literal::Time(_, text) => Number::parse(text),
    }
}

/// The boolean that a constant is or reads as.
pub fn literal_bool(literal: &Literal) -> Option<bool> {
    match literal {
        Literal::Bool(v) => Some(*v),
        Literal::Text(text) => match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a number or boolean, as patterns see it.
pub fn scalar_text(value: Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Str(v) => v.to_owned(),
    }
}

/// Whether a value that is no string equals the constant.
pub fn scalar_equals(value: Value<'_>, literal: &Literal) -> bool {
    match value {
        Value::Bool(v) => literal_bool(literal) == Some(v),
        Value::Int(_) | Value::Float(_) => scalar_order(value, literal) == Ordering::Equal,
        _ => false,
    }
}

/// How a value that is no string lies to the constant.
pub fn scalar_order(value: Value<'_>, literal: &Literal) -> Ordering {
    if let (Value::Bool(v), Some(l)) = (value, literal_bool(literal)) {
        return v.cmp(&l);
    }
    if let Some(number) = Number::of(value) {
        if let Some(bound) = literal_number(literal) {
            return number.cmp(&bound);
        }
        if let (Literal::Time(bound, _), Some(at)) = (literal, Timestamp::from_value(&value)) {
            return at.cmp(bound);
        }
    }
    scalar_text(value).as_str().cmp(literal_text(literal).as_ref())
}

/// How a string lies to the constant: as times where both are, as numbers where the constant is
/// one, otherwise as text. `None` when the constant is a number and the string is not.
pub fn text_order(text: &str, literal: &Literal) -> Option<Ordering> {
    if let Literal::Time(bound, _) = literal
        && let Some(at) = Timestamp::parse(text)
    {
        return Some(at.cmp(bound));
    }
    if let Some(bound) = literal_number(literal) {
        return Number::parse(text).map(|number| number.cmp(&bound));
    }
    Some(text.cmp(literal_text(literal).as_ref()))
}
