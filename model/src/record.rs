//! What is a record? One document: its time, its index label, its exact source, its fields.
//!
//! Fields are flat: `{"a":{"b":1}}`, `{"a.b":1}` and `{"a":[{"b":1}]}` all give the path `a.b`.
//! A path may hold several values (arrays) of several types; types are per value.

use crate::time::Timestamp;

/// One field value, as read back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number without fraction that fits 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string, unescaped.
    Str(&'a str),
}

impl Value<'_> {
    /// The number of an `Int` or `Float`.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            _ => None,
        }
    }
}

/// A record inside its batch: ranges into the batch's buffers.
#[derive(Clone, Debug)]
pub struct Record {
    /// Nanoseconds since 1970: the document's `@timestamp`, or when it came in.
    pub timestamp: Timestamp,
    /// The document had no readable `@timestamp`; `timestamp` is the time of arrival.
    pub timestamp_inferred: bool,
    /// Position in the batch's list of indexes.
    pub index: u32,
    /// The client's `_id`, if it gave one.
    pub id: Option<Box<str>>,
    /// Bytes of the document in the batch's text: start, end.
    pub(crate) source: (u32, u32),
    /// The document's fields in the batch's list: start, end.
    pub(crate) fields: (u32, u32),
}

/// A stored field value: 16 bytes, strings as ranges into the batch's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) path: u32,
    pub(crate) kind: Kind,
    pub(crate) payload: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Str,
}

impl Field {
    pub(crate) fn value<'a>(&self, text: &'a str) -> Value<'a> {
        match self.kind {
            Kind::Null => Value::Null,
            Kind::Bool => Value::Bool(self.payload != 0),
            Kind::Int => Value::Int(self.payload as i64),
            Kind::Float => Value::Float(f64::from_bits(self.payload)),
            Kind::Str => {
                let from = (self.payload >> 32) as usize;
                let to = from + (self.payload & 0xffff_ffff) as usize;
                Value::Str(&text[from..to])
            }
        }
    }
}

/// The field that holds a record's time.
pub const TIMESTAMP_FIELD: &str = "@timestamp";
/// The field that holds a line's text.
pub const MESSAGE_FIELD: &str = "message";
