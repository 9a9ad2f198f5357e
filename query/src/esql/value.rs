//! What is a value of a table? Types, cells, their order and their text.
//!
//! The type of a column is known before its first row; a cell need not say it.

use std::cmp::Ordering;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use model::time::Timestamp;

/// The type of a column or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Type {
    Null,
    Boolean,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    Double,
    Keyword,
    Text,
    /// Milliseconds since 1970.
    Date,
    Ip,
    /// A document as JSON.
    Source,
    /// Days, weeks, months, years; only in constants.
    Period,
    /// Milliseconds to hours; only in constants.
    Duration,
}

impl Type {
    /// Elasticsearch's name.
    pub fn name(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Boolean => "boolean",
            Type::Integer => "integer",
            Type::Long => "long",
            Type::Double => "double",
            Type::Keyword => "keyword",
            Type::Text => "text",
            Type::Date => "datetime",
            Type::Ip => "ip",
            Type::Source => "_source",
            Type::Period => "date_period",
            Type::Duration => "time_duration",
        }
    }

    /// The type of a name, as casts write it.
    pub fn parse(name: &str) -> Option<Type> {
        Some(match name.to_ascii_lowercase().as_str() {
            "null" => Type::Null,
            "boolean" | "bool" => Type::Boolean,
            "integer" | "int" => Type::Integer,
            "long" => Type::Long,
            "double" => Type::Double,
            "keyword" | "string" | "text" => Type::Keyword,
            "datetime" | "date" => Type::Date,
            "ip" => Type::Ip,
            "date_period" => Type::Period,
            "time_duration" => Type::Duration,
            _ => return None,
        })
    }

    /// Whole or not.
    pub fn is_number(self) -> bool {
        matches!(self, Type::Integer | Type::Long | Type::Double)
    }

    /// A whole number.
    pub fn is_whole(self) -> bool {
        matches!(self, Type::Integer | Type::Long)
    }

    /// Text of any kind.
    pub fn is_string(self) -> bool {
        matches!(self, Type::Keyword | Type::Text)
    }

    /// A span of time.
    pub fn is_span(self) -> bool {
        matches!(self, Type::Period | Type::Duration)
    }

    /// The type that holds the values of both: the wider number, any string is a keyword.
    pub fn common(self, other: Type) -> Option<Type> {
        Some(match (self, other) {
            (a, b) if a == b => a,
            (Type::Null, other) | (other, Type::Null) => other,
            (a, b) if a.is_string() && b.is_string() => Type::Keyword,
            (a, b) if a.is_number() && b.is_number() => {
                if a == Type::Double || b == Type::Double {
                    Type::Double
                } else {
                    Type::Long
                }
            }
            _ => return None,
        })
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number; of a date milliseconds, of a duration as well.
    Int(i64),
    /// Another number.
    Double(f64),
    /// Text.
    Text(Arc<str>),
    /// An address, version 4 as the mapped one of version 6.
    Ip([u8; 16]),
    /// Months and days.
    Period(i32, i32),
    /// Two or more values.
    Multi(Arc<[Cell]>),
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<Arc<str>>) -> Cell {
        Cell::Text(text.into())
    }

    /// None, one or several values.
    pub fn of_list(mut list: Vec<Cell>) -> Cell {
        match list.len() {
            0 => Cell::Null,
            1 => list.pop().unwrap_or(Cell::Null),
            _ => Cell::Multi(list.into()),
        }
    }

    /// The values, none of them null or several.
    pub fn values(&self) -> &[Cell] {
        match self {
            Cell::Null => &[],
            Cell::Multi(list) => list,
            one => std::slice::from_ref(one),
        }
    }

    /// Nothing is there.
    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// The text of a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of a whole number.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Cell::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// The number of any number.
    pub fn as_double(&self) -> Option<f64> {
        match self {
            Cell::Int(v) => Some(*v as f64),
            Cell::Double(v) => Some(*v),
            _ => None,
        }
    }

    /// True and false.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Cell::Bool(v) => Some(*v),
            _ => None,
        }
    }

    /// Bytes in memory, beside the cell itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Cell::Text(text) => text.len() + 16,
            Cell::Multi(list) => {
                list.iter().map(|c| c.heap_bytes() + size_of::<Cell>()).sum::<usize>() + 16
            }
            _ => 0,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Cell::Null => 9,
            Cell::Bool(_) => 0,
            Cell::Int(_) | Cell::Double(_) => 1,
            Cell::Text(_) => 2,
            Cell::Ip(_) => 3,
            Cell::Period(..) => 4,
            Cell::Multi(_) => 5,
        }
    }

    /// A total order; of one type the natural one. Null comes last.
    pub fn order(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Int(a), Cell::Int(b)) => a.cmp(b),
            (Cell::Double(a), Cell::Double(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Cell::Int(a), Cell::Double(b)) => (*a as f64).total_cmp(&(b + 0.0)),
            (Cell::Double(a), Cell::Int(b)) => (a + 0.0).total_cmp(&(*b as f64)),
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
            (Cell::Ip(a), Cell::Ip(b)) => a.cmp(b),
            (Cell::Period(a, b), Cell::Period(c, d)) => (a, b).cmp(&(c, d)),
            (Cell::Multi(a), Cell::Multi(b)) => {
                let firsts = a.iter().zip(b.iter()).map(|(a, b)| a.order(b));
                firsts.fold(Ordering::Equal, Ordering::then).then(a.len().cmp(&b.len()))
            }
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    /// The text that `TO_STRING` gives one value of this type.
    pub fn print(&self, ty: Type) -> String {
        match self {
            Cell::Null => "null".to_owned(),
            Cell::Bool(v) => v.to_string(),
            Cell::Int(v) if ty == Type::Date => print_date(*v),
            Cell::Int(v) if ty == Type::Duration => format!("PT{}S", *v as f64 / 1000.0),
            Cell::Int(v) => v.to_string(),
            Cell::Double(v) => print_double(*v),
            Cell::Text(text) => text.to_string(),
            Cell::Ip(bytes) => print_ip(bytes),
            Cell::Period(months, days) => format!("P{months}M{days}D"),
            Cell::Multi(list) => {
                let mut out = "[".to_owned();
                for (at, cell) in list.iter().enumerate() {
                    let _ = write!(out, "{}{}", if at > 0 { ", " } else { "" }, cell.print(ty));
                }
                out + "]"
            }
        }
    }
}

/// A date as Elasticsearch prints it.
pub fn print_date(ms: i64) -> String {
    match ms.checked_mul(1_000_000) {
        Some(ns) => Timestamp(ns).rfc3339_millis(),
        None => {
            // Beyond what nanoseconds hold.
            let days = ms.div_euclid(86_400_000);
            let (year, month, day) = model::time::civil_from_days(days);
            let rest = Timestamp(ms.rem_euclid(86_400_000) * 1_000_000).rfc3339_millis();
            let sign = if year > 9999 { "+" } else { "" };
            format!("{sign}{year:04}-{month:02}-{day:02}{}", &rest[10..])
        }
    }
}

/// A double as Java prints it.
pub fn print_double(v: f64) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    if v.is_infinite() {
        return if v > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = v.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{v:E}");
        return match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        };
    }
    if v.fract() == 0.0 { format!("{v:.1}") } else { v.to_string() }
}

/// The bytes of an address.
pub fn parse_ip(text: &str) -> Option<[u8; 16]> {
    Some(match text.trim().parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    })
}

/// The text of an address.
pub fn print_ip(bytes: &[u8; 16]) -> String {
    let v6 = std::net::Ipv6Addr::from(*bytes);
    match v6.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        None => v6.to_string(),
    }
}
