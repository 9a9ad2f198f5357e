//! What names a bucket? A value of a field, in one form whatever it was read from.

use std::cmp::Ordering;

use model::time::Timestamp;
use serde_json::{Number as JsonNumber, Value as Json};

use crate::test::compare::Number;

/// The key of a bucket; equal values of different kinds of number are one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A boolean.
    Bool(bool),
    /// A whole number, or the number of a histogram's bucket.
    Int(i64),
    /// The bits of any other number.
    Float(u64),
    /// A time, nanoseconds since 1970.
    Time(i64),
    /// Text.
    Str(Box<str>),
    /// No value.
    Null,
    /// Several keys together.
    Tuple(Box<[Key]>),
}

impl Key {
    /// The key of a double.
    pub fn float(v: f64) -> Self {
        if v.fract() == 0.0 && v.abs() < 9_007_199_254_740_992.0 {
            Key::Int(v as i64)
        } else {
            Key::Float(v.to_bits())
        }
    }

    /// The key of a time: its millisecond.
    pub fn time(at: Timestamp) -> Self {
        Key::Time(at.0 - at.0.rem_euclid(model::time::NS_PER_MS))
    }

    /// Bytes of its text.
    pub fn bytes(&self) -> usize {
        self.heap_bytes()
    }

    /// The key that a JSON constant names.
    pub fn of_json(value: &Json) -> Self {
        match value {
            Json::Bool(v) => Key::Bool(*v),
            Json::Number(n) => match n.as_i64() {
                Some(v) => Key::Int(v),
                None => Key::float(n.as_f64().unwrap_or(0.0)),
            },
            Json::String(text) => Key::Str(text.as_str().into()),
            other => Key::Str(other.to_string().into()),
        }
    }

    /// As the answer's `key`.
    pub fn json(&self) -> Json {
        match self {
            Key::Bool(v) => Json::from(u8::from(*v)),
            Key::Int(v) => Json::from(*v),
            Key::Float(bits) => {
                JsonNumber::from_f64(f64::from_bits(*bits)).map_or(Json::Null, Json::Number)
            }
            Key::Time(ns) => Json::from(Timestamp(*ns).millis()),
            Key::Str(text) => Json::from(&**text),
            Key::Null => Json::Null,
            Key::Tuple(keys) => keys.iter().map(Key::json).collect(),
        }
    }

    /// Memory of the key beyond itself, in bytes.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Key::Str(text) => text.len(),
            Key::Tuple(keys) => keys.iter().map(|k| size_of::<Key>() + k.heap_bytes()).sum(),
            _ => 0,
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Key::Bool(v) => Some(Number::Int(i64::from(*v))),
            Key::Int(v) | Key::Time(v) => Some(Number::Int(*v)),
            Key::Float(bits) => Some(Number::Float(f64::from_bits(*bits))),
            Key::Str(_) | Key::Null | Key::Tuple(_) => None,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Bool(_) => 0,
            Key::Int(_) | Key::Float(_) => 1,
            Key::Time(_) => 2,
            Key::Str(_) => 3,
            Key::Tuple(_) => 4,
            Key::Null => 5,
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| match (self, other) {
            (Key::Str(a), Key::Str(b)) => a.cmp(b),
            (Key::Tuple(a), Key::Tuple(b)) => a.cmp(b),
            _ => self.number().cmp(&other.number()),
        })
    }
}
