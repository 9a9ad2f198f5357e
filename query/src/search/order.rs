//! Which hit comes first? Sort keys, their values, and where `search_after` continues.
//!
//! Knows no splits: values come from whoever has the record.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use model::time::{NS_PER_MS, Timestamp};
use serde_json::{Number as JsonNumber, Value as Json};

use crate::dates::Formats;
use crate::error::QueryError;
use crate::request::{SearchRequest, SortBy, SortKey};
use crate::test::compare::Number;

/// The value of a sort key.
#[derive(Clone, Debug, PartialEq)]
pub enum SortValue {
    /// The record has none.
    Missing,
    /// A number; times are milliseconds or, where the key says so, nanoseconds.
    Number(Number),
    /// A place in a dictionary: comes before or after others of the same split only.
    Place(u64),
    /// Text.
    Text(Box<str>),
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Position of the live batch in the snapshot, and of the record in it.
    Live(u32, u32),
    /// Position of the split in the snapshot, and the row in it.
    Split(u32, u32),
}

/// A record that may become a hit.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its value of the first sort key.
    pub first: SortValue,
    /// Its values of the others.
    pub rest: Vec<SortValue>,
    /// Its time, nanoseconds.
    pub time: i64,
    /// Its number.
    pub seq: u64,
    /// Where it is.
    pub place: Place,
}

/// One planned sort key.
#[derive(Debug)]
pub struct KeyPlan {
    /// By what.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
    missing_first: bool,
    formats: Option<Formats>,
    /// Nanoseconds in the unit of a time key's values.
    unit_ns: i64,
}

/// The order of a search.
#[derive(Debug)]
pub struct Order {
    /// At least one.
    pub keys: Vec<KeyPlan>,
    /// The request named an order: hits carry their `sort` values.
    named: bool,
    /// Records must come after these values.
    pub after: Option<Vec<SortValue>>,
}

impl Order {
    /// Of a request.
    ///
    /// # Errors
    /// A format is unknown, or `search_after` does not fit the sort keys.
    pub fn new(request: &SearchRequest) -> Result<Self, QueryError> {
        let newest =
            SortKey { by: SortBy::Time, descending: true, missing_first: false, format: None };
        let named = !request.sort.is_empty();
        let sort = if named { request.sort.as_slice() } else { std::slice::from_ref(&newest) };
        let keys = sort.iter().map(KeyPlan::new).collect::<Result<Vec<_>, _>>()?;
        let after = match &request.search_after {
            None => None,
            Some(values) if values.len() == keys.len() => {
                Some(keys.iter().zip(values).map(|(key, value)| key.read(value)).collect::<Result<
                    Vec<_>,
                    _,
                >>(
                )?)
            }
            Some(values) => {
                return Err(QueryError::illegal(format!(
                    "`search_after` has {} value(s) but `sort` has {}; give one for each, as the \
                     `sort` of the last hit has them",
                    values.len(),
                    keys.len()
                )));
            }
        };
        Ok(Self { keys, named, after })
    }

    /// Whether time is what decides first, and whether the newest come first.
    pub fn by_time(&self) -> Option<bool> {
        (self.keys[0].by == SortBy::Time).then_some(self.keys[0].descending)
    }

    /// How two candidates of one segment, or two with texts, lie; the tie-break included.
    pub fn compare(&self, a: &Candidate, b: &Candidate) -> Ordering {
        let keys = self.keys[0].compare(&a.first, &b.first).then_with(|| {
            let pairs = self.keys[1..].iter().zip(a.rest.iter().zip(&b.rest));
            pairs
                .map(|(key, (a, b))| key.compare(a, b))
                .find(|o| *o != Ordering::Equal)
                .unwrap_or(Ordering::Equal)
        });
        keys.then_with(|| {
            let tie = a.time.cmp(&b.time).then(a.seq.cmp(&b.seq));
            if self.by_time() == Some(false) { tie } else { tie.reverse() }
        })
    }

    /// Whether the candidate comes after the values given.
    pub fn is_after(&self, candidate: &Candidate, after: &[SortValue]) -> bool {
        let values = std::iter::once(&candidate.first).chain(&candidate.rest);
        let mut pairs = self.keys.iter().zip(values.zip(after));
        let found = pairs.find_map(|(key, (value, after))| {
            Some(key.compare(value, after)).filter(|o| *o != Ordering::Equal)
        });
        found == Some(Ordering::Greater)
    }

    /// Whether a record of a time up to `newest` from `oldest` on could come before `worst`.
    pub fn can_improve(&self, worst: &Candidate, oldest: i64, newest: i64) -> bool {
        match self.by_time() {
            None => true,
            Some(true) => newest.div_euclid(NS_PER_MS) >= worst.time.div_euclid(NS_PER_MS),
            Some(false) => oldest.div_euclid(NS_PER_MS) <= worst.time.div_euclid(NS_PER_MS),
        }
    }

    /// The run of time in which records can come after the values given.
    pub fn time_after(&self) -> Option<(i64, i64)> {
        let descending = self.by_time()?;
        let SortValue::Number(Number::Int(at)) = self.after.as_ref()?.first()? else { return None };
        let unit = self.keys[0].unit_ns;
        // With more keys the same instant can still hold some that come after.
        let same = i64::from(self.keys.len() > 1);
        Some(if descending {
            (i64::MIN, at.saturating_add(same).saturating_mul(unit))
        } else {
            (at.saturating_add(1 - same).saturating_mul(unit), i64::MAX)
        })
    }

    /// The `sort` array of a hit.
    pub fn json(&self, candidate: &Candidate) -> Vec<Json> {
        if !self.named {
            return Vec::new();
        }
        let values = std::iter::once(&candidate.first).chain(&candidate.rest);
        self.keys.iter().zip(values).map(|(key, value)| key.json(value)).collect()
    }
}

impl KeyPlan {
    fn new(key: &SortKey) -> Result<Self, QueryError> {
        let formats = key.format.as_deref().map(Formats::parse).transpose()?;
        let nanos = key.format.as_deref().is_some_and(|f| f.contains("nanos"));
        Ok(Self {
            by: key.by.clone(),
            descending: key.descending,
            missing_first: key.missing_first,
            formats,
            unit_ns: if nanos { 1 } else { NS_PER_MS },
        })
    }

    /// The value of a time key.
    pub fn time(&self, ns: i64) -> SortValue {
        SortValue::Number(Number::Int(ns.div_euclid(self.unit_ns)))
    }

    /// How two values lie, in the direction of the key.
    pub fn compare(&self, a: &SortValue, b: &SortValue) -> Ordering {
        use SortValue::{Missing, Number, Place, Text};
        let absent = if self.missing_first { Ordering::Less } else { Ordering::Greater };
        let order = match (a, b) {
            (Missing, Missing) => return Ordering::Equal,
            (Missing, _) => return absent,
            (_, Missing) => return absent.reverse(),
            (Number(a), Number(b)) => a.cmp(b),
            (Number(_), _) => Ordering::Less,
            (_, Number(_)) => Ordering::Greater,
            (Place(a), Place(b)) => a.cmp(b),
            (Text(a), Text(b)) => a.cmp(b),
            // Places are resolved to texts before segments meet.
            (Place(_), Text(_)) => Ordering::Less,
            (Text(_), Place(_)) => Ordering::Greater,
        };
        if self.descending { order.reverse() } else { order }
    }

    fn read(&self, value: &Json) -> Result<SortValue, QueryError> {
        let number = |n: &JsonNumber| match n.as_i64() {
            Some(v) => Number::Int(v),
            None => Number::Float(n.as_f64().unwrap_or(0.0)),
        };
        let bad = || {
            QueryError::illegal(format!(
                "`search_after` value `{value}` does not fit the sort key; give the `sort` values \
                 of a hit"
            ))
        };
        match (&self.by, value) {
            (_, Json::Null) => Ok(SortValue::Missing),
            (SortBy::Time, Json::Number(n)) => {
                let ms = n.as_i64().ok_or_else(bad)?;
                let in_unit = ms.saturating_mul(NS_PER_MS) / self.unit_ns;
                Ok(SortValue::Number(Number::Int(in_unit)))
            }
            (SortBy::Time, Json::String(text)) => match text.parse::<i64>() {
                Ok(ms) => Ok(self.time(Timestamp::from_millis(ms).0)),
                Err(_) => Timestamp::parse(text).map(|t| self.time(t.0)).ok_or_else(bad),
            },
            (SortBy::Sequence | SortBy::Score | SortBy::Field(_), Json::Number(n)) => {
                Ok(SortValue::Number(number(n)))
            }
            (SortBy::Field(_), Json::String(text)) => Ok(SortValue::Text(text.as_str().into())),
            (SortBy::Field(_), Json::Bool(v)) => Ok(SortValue::Number(Number::Int(i64::from(*v)))),
            _ => Err(bad()),
        }
    }

    fn json(&self, value: &SortValue) -> Json {
        match (value, &self.by) {
            (SortValue::Missing | SortValue::Place(_), _) => Json::Null,
            (SortValue::Number(Number::Int(at)), SortBy::Time) => match &self.formats {
                Some(formats) => {
                    let at = Timestamp(at.saturating_mul(self.unit_ns));
                    Json::from(formats.print(at, &TimeZone::UTC))
                }
                None => Json::from(at.saturating_mul(self.unit_ns).div_euclid(NS_PER_MS)),
            },
            (SortValue::Number(_), SortBy::Score) => Json::from(1.0),
            (SortValue::Number(Number::Int(v)), _) => Json::from(*v),
            (SortValue::Number(Number::Float(v)), _) => Json::from(*v),
            (SortValue::Text(text), _) => Json::from(&**text),
        }
    }
}
