//! How is a text read as a time? Parts that are given, and what fills those that are not.

use jiff::civil;
use jiff::tz::TimeZone;
use model::time::{NS_PER_MS, NS_PER_S, Timestamp};

use super::Piece;
use crate::dates::{Rounding, saturate};

/// A time as far as it was given.
#[derive(Default)]
pub(super) struct Partial {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    /// Nanoseconds and the number of digits given.
    fraction: Option<(i64, usize)>,
    offset_s: Option<i32>,
}

impl Partial {
    pub(super) fn instant(&self, zone: &TimeZone, to: Rounding) -> Option<Timestamp> {
        let up = to == Rounding::Up;
        let fill = |given: Option<i64>, last: i64| given.unwrap_or(if up { last } else { 0 });
        let ns = match self.fraction {
            // Up to milliseconds are meant whole, as a `date` field of Elasticsearch keeps them.
            Some((ns, digits)) if up && digits <= 3 => ns - ns % NS_PER_MS + NS_PER_MS - 1,
            Some((ns, _)) => ns,
            None => fill(None, NS_PER_S - 1),
        };
        let date = civil::DateTime::new(
            i16::try_from(self.year.unwrap_or(1970)).ok()?,
            i8::try_from(self.month.unwrap_or(1)).ok()?,
            i8::try_from(self.day.unwrap_or(1)).ok()?,
            i8::try_from(fill(self.hour, 23)).ok()?,
            i8::try_from(fill(self.minute, 59)).ok()?,
            i8::try_from(fill(self.second, 59)).ok()?,
            i32::try_from(ns).ok()?,
        )
        .ok()?;
        let at = match self.offset_s {
            Some(seconds) => jiff::tz::Offset::from_seconds(seconds).ok()?.to_timestamp(date),
            None => zone.to_timestamp(date),
        };
        // Only the first and last days of what a calendar can hold fail here.
        let Ok(at) = at else {
            return Some(Timestamp(if date.year() > 0 { i64::MAX } else { i64::MIN }));
        };
        Some(saturate(at.as_nanosecond()))
    }
}

/// Takes numbers and characters from the front of a text.
struct Scan<'a> {
    rest: &'a str,
}

impl Scan<'_> {
    /// `min` to `max` digits.
    fn number(&mut self, min: usize, max: usize) -> Option<(i64, usize)> {
        let bytes = self.rest.as_bytes();
        let count = bytes.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
        if count < min {
            return None;
        }
        let value = self.rest[..count].parse().ok()?;
        self.rest = &self.rest[count..];
        Some((value, count))
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Digits of the second: nanoseconds, and how many digits.
    fn fraction(&mut self) -> Option<(i64, usize)> {
        let (value, count) = self.number(1, 9)?;
        let ns = (count..9).fold(value, |ns, _| ns * 10);
        // Digits past the ninth are less than a nanosecond.
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii_digit());
        Some((ns, count))
    }

    fn zone(&mut self) -> Option<i32> {
        let seconds = offset_seconds(self.rest)?;
        self.rest = "";
        Some(seconds)
    }
}

/// Seconds east of UTC: `Z`, `+hh`, `+hhmm`, `+hh:mm`.
pub(in crate::dates) fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes() {
        [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => (1, &text[1..]),
        [b'-', ..] => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = match (digits.len(), digits.as_bytes().get(2)) {
        (2, _) => (digits, "0"),
        (4, Some(_)) if digits.is_ascii() => digits.split_at(2),
        (5, Some(b':')) => (&digits[..2], &digits[3..]),
        _ => return None,
    };
    let number = |text: &str| -> Option<i32> {
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// `yyyy[-MM[-dd[THH[:mm[:ss[.fraction]]]]]][zone]`; a space may stand for the `T`.
pub(super) fn read_iso(text: &str) -> Option<Partial> {
    let mut scan = Scan { rest: text };
    let mut out = Partial { year: Some(scan.number(4, 4)?.0), ..Partial::default() };
    if scan.take('-') {
        out.month = Some(scan.number(2, 2)?.0);
        if scan.take('-') {
            out.day = Some(scan.number(2, 2)?.0);
        }
    }
    if out.day.is_some() && (scan.take('T') || scan.take('t') || scan.take(' ')) {
        out.hour = Some(scan.number(2, 2)?.0);
        if scan.take(':') {
            out.minute = Some(scan.number(2, 2)?.0);
            if scan.take(':') {
                out.second = Some(scan.number(2, 2)?.0);
                if scan.take('.') || scan.take(',') {
                    out.fraction = Some(scan.fraction()?);
                }
            }
        }
    }
    if !scan.rest.is_empty() {
        out.hour?;
        out.offset_s = Some(scan.zone()?);
    }
    Some(out)
}

pub(super) fn read_pattern(text: &str, pieces: &[Piece]) -> Option<Partial> {
    let mut scan = Scan { rest: text };
    let mut out = Partial::default();
    for piece in pieces {
        let number = |scan: &mut Scan<'_>, width: usize| {
            scan.number(width, width.max(2)).map(|(value, _)| value)
        };
        match piece {
            Piece::Year(2) => out.year = Some(2000 + scan.number(2, 2)?.0),
            Piece::Year(_) => out.year = Some(scan.number(4, 4)?.0),
            Piece::Month(width) => out.month = Some(number(&mut scan, *width)?),
            Piece::Day(width) => out.day = Some(number(&mut scan, *width)?),
            Piece::Hour(width) => out.hour = Some(number(&mut scan, *width)?),
            Piece::Minute(width) => out.minute = Some(number(&mut scan, *width)?),
            Piece::Second(width) => out.second = Some(number(&mut scan, *width)?),
            Piece::Fraction(_) => out.fraction = Some(scan.fraction()?),
            Piece::Zone { .. } => out.offset_s = Some(scan.zone()?),
            Piece::Literal(c) => {
                if !scan.take(*c) {
                    return None;
                }
            }
        }
    }
    scan.rest.is_empty().then_some(out)
}

/// A whole number of units, with an optional fraction, since 1970.
pub(super) fn epoch(text: &str, unit_ns: i64, to: Rounding) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let units: i64 = whole.parse().ok().filter(|_| !whole.starts_with('+'))?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || (fraction.is_empty() && text.contains('.'))
    {
        return None;
    }
    let start = i128::from(units) * i128::from(unit_ns);
    if fraction.is_empty() {
        let fill = if to == Rounding::Up { i128::from(unit_ns - 1) } else { 0 };
        return Some(saturate(start + fill));
    }
    let mut part = 0_i128;
    let mut scale = i128::from(unit_ns);
    for digit in fraction.bytes().take(9) {
        scale /= 10;
        part += i128::from(digit - b'0') * scale;
    }
    Some(saturate(if negative { start - part } else { start + part }))
}
