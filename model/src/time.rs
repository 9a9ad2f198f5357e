//! When? Timestamps in nanoseconds, ranges, RFC 3339 in and out.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::record::Value;

/// Nanoseconds since 1970-01-01T00:00:00Z: the years 1677 to 2262.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

/// Nanoseconds in a second.
pub const NS_PER_S: i64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const NS_PER_MS: i64 = 1_000_000;

/// A half-open range of time: `from` is in it, `to` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeRange {
    /// First instant.
    pub from: Timestamp,
    /// First instant after.
    pub to: Timestamp,
}

impl TimeRange {
    /// All of time.
    pub const ALL: TimeRange = TimeRange { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX) };

    /// Whether `at` lies in the range. The last nanosecond of time belongs to `ALL`.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && (at < self.to || self.to.0 == i64::MAX)
    }

    /// Whether the two have an instant in common.
    pub fn overlaps(&self, other: &TimeRange) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// What lies in both; empty (`from >= to`) when nothing does.
    pub fn intersect(&self, other: &TimeRange) -> TimeRange {
        TimeRange { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// Whether no instant lies in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

impl Timestamp {
    /// From milliseconds since 1970; saturates.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(NS_PER_MS))
    }

    /// Milliseconds since 1970, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(NS_PER_MS)
    }

    /// What a document's `@timestamp` says: RFC 3339 text, or a number by magnitude
    /// (seconds, milliseconds, microseconds, nanoseconds since 1970), also as text.
    pub fn from_value(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Str(text) => Self::parse(text),
            Value::Int(n) => Self::from_magnitude(*n),
            Value::Float(f) if f.is_finite() => Self::from_float(*f),
            _ => None,
        }
    }

    fn from_float(f: f64) -> Option<Self> {
        let scale = match f.abs() {
            v if v < 1e11 => NS_PER_S,
            v if v < 1e14 => NS_PER_MS,
            v if v < 1e17 => 1_000,
            v if v < 9.2e18 => 1,
            _ => return None,
        };
        // Whole and fraction apart: together they would not fit a double's 53 bits.
        let whole = (f.trunc() as i64).checked_mul(scale)?;
        whole.checked_add((f.fract() * scale as f64).round() as i64).map(Self)
    }

    fn from_magnitude(n: i64) -> Option<Self> {
        let scale = match n.unsigned_abs() {
            v if v < 100_000_000_000 => NS_PER_S,
            v if v < 100_000_000_000_000 => NS_PER_MS,
            v if v < 100_000_000_000_000_000 => 1_000,
            _ => 1,
        };
        n.checked_mul(scale).map(Self)
    }

    /// Reads `strict_date_optional_time_nanos` (RFC 3339, also without time, seconds or zone;
    /// `T` or a space; `.` or `,` before the fraction; `Z`, `+hh:mm`, `+hhmm`, `+hh`), or a number
    /// since 1970. No zone means UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() >= 10 && bytes[4] == b'-' {
            return parse_rfc3339(bytes);
        }
        if bytes.is_empty() || bytes.len() > 24 {
            return None;
        }
        if let Ok(n) = text.parse::<i64>() {
            return Self::from_magnitude(n);
        }
        let numeric = |b: &u8| b.is_ascii_digit() || *b == b'.' || *b == b'-';
        if bytes.iter().all(numeric) {
            return text.parse::<f64>().ok().and_then(Self::from_float);
        }
        None
    }

    /// `2026-11-20T14:03:00.123Z`: milliseconds, or the full nanoseconds where there are any.
    pub fn rfc3339(self) -> String {
        let ns = self.0.rem_euclid(NS_PER_S);
        self.rfc3339_digits(if ns % NS_PER_MS == 0 { 3 } else { 9 })
    }

    /// RFC 3339 in UTC with milliseconds: `strict_date_time`.
    pub fn rfc3339_millis(self) -> String {
        self.rfc3339_digits(3)
    }

    fn rfc3339_digits(self, digits: usize) -> String {
        let (seconds, ns) = (self.0.div_euclid(NS_PER_S), self.0.rem_euclid(NS_PER_S));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        let mut out = String::with_capacity(30);
        let _ = write!(
            out,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        let _ = match digits {
            3 => write!(out, "{:03}Z", ns / NS_PER_MS),
            _ => write!(out, "{ns:09}Z"),
        };
        out
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<i64> {
    let mut out = 0;
    for b in bytes.get(at..at + count)? {
        if !b.is_ascii_digit() {
            return None;
        }
        out = out * 10 + i64::from(b - b'0');
    }
    Some(out)
}

/// Date, then optional time, then optional zone; every byte is used.
fn parse_rfc3339(bytes: &[u8]) -> Option<Timestamp> {
    let (year, month, day) = (digits(bytes, 0, 4)?, digits(bytes, 5, 2)?, digits(bytes, 8, 2)?);
    if bytes[7] != b'-' || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let mut at = 10;
    let (mut seconds, mut ns) = (0, 0);
    if let Some(b'T' | b't' | b' ') = bytes.get(at) {
        let (hour, minute) = (digits(bytes, 11, 2)?, digits(bytes, 14, 2)?);
        if bytes[13] != b':' || hour > 24 || minute > 59 {
            return None;
        }
        seconds = hour * 3600 + minute * 60;
        at = 16;
        if bytes.get(at) == Some(&b':') {
            let second = digits(bytes, 17, 2)?;
            if second > 60 {
                return None;
            }
            seconds += second;
            at = 19;
            (ns, at) = fraction(bytes, at)?;
        }
    }
    let offset = zone(&bytes[at..])?;
    let days = days_from_civil(year, month, day);
    let total = days * 86_400 + seconds - offset;
    total.checked_mul(NS_PER_S)?.checked_add(ns).map(Timestamp)
}

fn fraction(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    if !matches!(bytes.get(at), Some(b'.' | b',')) {
        return Some((0, at));
    }
    let start = at + 1;
    let mut end = start;
    let mut ns = 0;
    while let Some(b) = bytes.get(end).filter(|b| b.is_ascii_digit()) {
        if end - start < 9 {
            ns = ns * 10 + i64::from(b - b'0');
        }
        end += 1;
    }
    if end == start {
        return None;
    }
    for _ in end - start..9 {
        ns *= 10;
    }
    Some((ns, end))
}

/// Seconds east of UTC of a zone suffix; none means UTC.
fn zone(bytes: &[u8]) -> Option<i64> {
    let sign = match bytes {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = match bytes.len() {
        3 => (digits(bytes, 1, 2)?, 0),
        5 => (digits(bytes, 1, 2)?, digits(bytes, 3, 2)?),
        6 if bytes[3] == b':' => (digits(bytes, 1, 2)?, digits(bytes, 4, 2)?),
        _ => return None,
    };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days of a month of the proleptic Gregorian calendar.
pub fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a civil date (H. Hinnant, "chrono-compatible low-level date algorithms").
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Civil date (year, month, day) of days since 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc3339_in_all_its_forms() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01", Some(0)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1970-01-01 00:00:00.5", Some(500_000_000)),
            ("1970-01-01T00:00:00,000000001Z", Some(1)),
            ("1970-01-01T00:00:00.0000000019Z", Some(1)),
            ("1970-01-01T00:01Z", Some(60 * NS_PER_S)),
            ("1969-12-31T23:59:59.999Z", Some(-1_000_000)),
            ("2024-02-29T00:00:00-0230", Some(1_709_173_800 * NS_PER_S)),
            ("2023-02-29", None),
            ("2023-13-01", None),
            ("2023-01-01T", None),
            ("2023-01-01T10:00:00.Z", None),
            ("2023-01-01T10:00:00Zx", None),
            ("9999-01-01", None),
            ("1700000000", Some(1_700_000_000 * NS_PER_S)),
            ("1700000000.25", Some(1_700_000_000 * NS_PER_S + 250_000_000)),
            ("1700000000123", Some(1_700_000_000_123 * NS_PER_MS)),
            ("", None),
            ("now", None),
        ];
        for (text, want) in cases {
            assert_eq!(Timestamp::parse(text).map(|t| t.0), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_time_reads_back(ns in any::<i64>()) {
            let t = Timestamp(ns);
            prop_assert_eq!(Timestamp::parse(&t.rfc3339()), Some(t));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
        }

        #[test]
        fn near_misses_never_panic(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]?[0-9:.,Z+-]{0,24}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
