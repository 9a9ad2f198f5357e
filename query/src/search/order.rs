//! Which hit comes first? Sort keys, their values, and where `search_after` continues.
//!
//! Knows no splits: values come from whoever has the record.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use model::time::{NS_PER_MS, Timestamp};
use serde_json::{Number as JsonNumber, Value as Json};

use crate::dates::{Dates, Formats, Rounding};
use crate::error::QueryError;
use crate::request::{NumericType, SearchRequest, SortBy, SortKey, SortMode};
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
    /// Its value of the field that collapses hits.
    pub group: Option<Box<Group>>,
}

/// A value that only one hit may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// None: all records without one are one group.
    Missing,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, by its bits.
    Float(u64),
    /// A time, nanoseconds.
    Time(i64),
    /// A string, by its number in the segment.
    Ord(u64),
    /// A string.
    Text(Box<str>),
}

/// A place in an order: whoever continues after it sees every later record once.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// The values of the sort keys.
    pub values: Vec<SortValue>,
    /// The time and the number of the record, which tell equals apart.
    pub tie: Option<(i64, u64)>,
}

/// One planned sort key.
#[derive(Debug)]
pub struct KeyPlan {
    /// By what.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
    /// What records without a value count as.
    pub missing: Option<SortValue>,
    /// Which of several values counts.
    pub mode: SortMode,
    missing_first: bool,
    formats: Option<Formats>,
    /// Nanoseconds in the unit of a time key's values.
    unit_ns: i64,
    /// Times are shown in their unit, not in milliseconds.
    shows_unit: bool,
    numeric: Option<NumericType>,
}

/// The order of a search.
#[derive(Debug)]
pub struct Order {
    /// At least one.
    pub keys: Vec<KeyPlan>,
    /// The request named an order: hits carry their `sort` values.
    named: bool,
    /// Any order would do: hits show their numbers.
    scan: bool,
    /// Records must come after this.
    pub after: Option<Position>,
    /// Only the first hit of each value of this field.
    pub collapse: Option<String>,
    /// The score of every record, unless scores are computed.
    pub score: f32,
}

/// How the scores of a search enter its order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ranked {
    /// They are the same for all records.
    Same(f32),
    /// They differ.
    ByScore,
    /// None is high enough.
    None,
}

impl Order {
    /// Of a request.
    ///
    /// # Errors
    /// A format is unknown, or `search_after` does not fit the sort keys.
    pub fn new(request: &SearchRequest, ranked: Ranked) -> Result<Self, QueryError> {
        let by = if ranked == Ranked::ByScore { SortBy::Score } else { SortBy::Time };
        let scans = matches!(request.sort.as_slice(), [key] if key.by == SortBy::Scan);
        let newest = SortKey::new(if scans { SortBy::Time } else { by }, true);
        let named = !request.sort.is_empty();
        let scan = matches!(request.sort.as_slice(), [key] if key.by == SortBy::Scan);
        let by_keys = named && !scan;
        let sort = if by_keys { request.sort.as_slice() } else { std::slice::from_ref(&newest) };
        let keys = sort.iter().map(KeyPlan::new).collect::<Result<Vec<_>, _>>()?;
        let after = match &request.search_after {
            None => None,
            Some(values) if values.len() == keys.len() => {
                let values = keys.iter().zip(values).map(|(key, value)| key.read(value));
                Some(Position { values: values.collect::<Result<_, QueryError>>()?, tie: None })
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
        let collapse = request.collapse.clone();
        let score = if let Ranked::Same(score) = ranked { score } else { 0.0 };
        Ok(Self { keys, named, scan, after, collapse, score })
    }

    /// Whether a key is the score.
    pub fn has_score(&self) -> bool {
        self.keys.iter().any(|key| key.by == SortBy::Score)
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
        keys.then_with(|| self.tie((a.time, a.seq), (b.time, b.seq)))
    }

    /// How two records lie that are equal by all keys, by their times and numbers.
    fn tie(&self, a: (i64, u64), b: (i64, u64)) -> Ordering {
        if self.by_time() == Some(false) { a.cmp(&b) } else { b.cmp(&a) }
    }

    /// Keeps the first of each group; the candidates are in order.
    pub fn keep_firsts(&self, candidates: &mut Vec<Candidate>) {
        if self.collapse.is_some() {
            let mut seen = std::collections::HashSet::with_capacity(candidates.len());
            candidates.retain(|candidate| match &candidate.group {
                Some(group) => seen.insert(group.clone()),
                None => true,
            });
        }
    }

    /// The field that collapses hits, and the hit's value of it.
    pub fn group(&self, candidate: &Candidate) -> Option<(&str, Json)> {
        let value = match candidate.group.as_deref()? {
            Group::Missing | Group::Ord(_) => return None,
            Group::Bool(v) => Json::from(*v),
            Group::Int(v) => Json::from(*v),
            Group::Float(bits) => Json::from(f64::from_bits(*bits)),
            Group::Time(ns) => Json::from(Formats::default().print(Timestamp(*ns), &TimeZone::UTC)),
            Group::Text(text) => Json::from(&**text),
        };
        Some((self.collapse.as_deref()?, value))
    }

    /// Whether the candidate comes after the place given.
    pub fn is_after(&self, candidate: &Candidate, after: &Position) -> bool {
        let values = std::iter::once(&candidate.first).chain(&candidate.rest);
        let mut pairs = self.keys.iter().zip(values.zip(&after.values));
        let found = pairs.find_map(|(key, (value, after))| {
            Some(key.compare(value, after)).filter(|o| *o != Ordering::Equal)
        });
        match (found, after.tie) {
            (Some(order), _) => order == Ordering::Greater,
            (None, Some(tie)) => self.tie((candidate.time, candidate.seq), tie).is_gt(),
            (None, None) => false,
        }
    }

    /// Where a candidate with its texts lies.
    pub fn position(&self, candidate: &Candidate) -> Position {
        let values = std::iter::once(&candidate.first).chain(&candidate.rest).cloned();
        Position { values: values.collect(), tie: Some((candidate.time, candidate.seq)) }
    }

    /// The last record that was seen, where time and number alone are the order.
    pub fn seen(&self) -> Option<(i64, u64)> {
        self.by_time().filter(|_| self.keys.len() == 1)?;
        self.after.as_ref()?.tie
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
        let after = self.after.as_ref()?;
        let SortValue::Number(Number::Int(at)) = after.values.first()? else { return None };
        let unit = self.keys[0].unit_ns;
        // With more keys the same instant can still hold some that come after.
        let same = i64::from(self.keys.len() > 1 || after.tie.is_some());
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
        if self.scan {
            return vec![Json::from(candidate.seq)];
        }
        let values = std::iter::once(&candidate.first).chain(&candidate.rest);
        self.keys.iter().zip(values).map(|(key, value)| key.json(value)).collect()
    }
}

impl KeyPlan {
    fn new(key: &SortKey) -> Result<Self, QueryError> {
        let formats = key.format.as_deref().map(Formats::parse).transpose()?;
        let nanos = key.format.as_deref().is_some_and(|f| f.contains("nanos"));
        let shows_unit = key.numeric == Some(NumericType::DateNanos);
        let mut out = Self {
            by: key.by.clone(),
            descending: key.descending,
            missing: None,
            mode: key.mode,
            missing_first: key.missing_first,
            formats,
            unit_ns: if nanos || shows_unit { 1 } else { NS_PER_MS },
            shows_unit,
            numeric: key.numeric,
        };
        if let Some(missing) = &key.missing {
            out.missing = Some(out.cast(out.read(missing)?));
        }
        Ok(out)
    }

    /// A value as the type that the key takes numbers for.
    pub fn cast(&self, value: SortValue) -> SortValue {
        match (self.numeric, value) {
            (Some(NumericType::Long), SortValue::Number(Number::Float(v))) => {
                SortValue::Number(Number::Int(v as i64))
            }
            (Some(NumericType::Double), SortValue::Number(v)) => {
                SortValue::Number(Number::Float(v.as_f64()))
            }
            (_, value) => value,
        }
    }

    /// Whether values are read as they are: the first in the key's direction counts.
    pub fn is_plain(&self) -> bool {
        self.mode == SortMode::Edge && self.numeric.is_none()
    }

    /// Whether `b` counts before `a`, by the mode.
    pub fn counts_before(&self, a: &SortValue, b: &SortValue) -> bool {
        let order = self.compare(a, b);
        match self.mode {
            SortMode::Min if self.descending => order.is_lt(),
            SortMode::Max if !self.descending => order.is_lt(),
            _ => order.is_gt(),
        }
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
                let at = n.as_i64().ok_or_else(bad)?;
                let given_ns = if self.shows_unit { self.unit_ns } else { NS_PER_MS };
                let in_unit = at.saturating_mul(given_ns) / self.unit_ns;
                Ok(SortValue::Number(Number::Int(in_unit)))
            }
            (SortBy::Time, Json::String(text)) if self.formats.is_some() => {
                let formats = self.formats.clone().unwrap_or_default();
                let dates = Dates { now: Timestamp(0), formats, zone: TimeZone::UTC };
                let read = dates.read(text, Rounding::Down);
                let read = read.ok().or_else(|| Timestamp::parse(text));
                read.map(|at| self.time(at.0)).ok_or_else(bad)
            }
            (SortBy::Time, Json::String(text)) => match text.parse::<i64>() {
                Ok(at) if self.shows_unit => Ok(self.time(at)),
                Ok(ms) => Ok(self.time(Timestamp::from_millis(ms).0)),
                Err(_) => Timestamp::parse(text).map(|t| self.time(t.0)).ok_or_else(bad),
            },
            (SortBy::Sequence | SortBy::Score | SortBy::Field(_), Json::Number(n)) => {
                Ok(SortValue::Number(number(n)))
            }
            (SortBy::Sequence, Json::String(text)) => {
                text.parse().map(|v| SortValue::Number(Number::Int(v))).map_err(|_| bad())
            }
            (SortBy::Field(_) | SortBy::Id, Json::String(text)) => {
                Ok(SortValue::Text(text.as_str().into()))
            }
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
                None if self.shows_unit => Json::from(*at),
                None => Json::from(at.saturating_mul(self.unit_ns).div_euclid(NS_PER_MS)),
            },
            (SortValue::Number(score), SortBy::Score) => Json::from(score.as_f64()),
            (SortValue::Number(Number::Int(v)), _) => Json::from(*v),
            (SortValue::Number(Number::Float(v)), _) => Json::from(*v),
            (SortValue::Text(text), _) => Json::from(&**text),
        }
    }
}
