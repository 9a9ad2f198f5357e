//! How is a time written? Elasticsearch's named formats and letter patterns, in and out.
//!
//! A list of formats, `strict_date_optional_time||epoch_millis`, is tried in order; the first
//! prints. Patterns know the letters `y u M d H m s S X Z`, quoted and plain literals.

use std::fmt::Write as _;

use jiff::civil;
use jiff::tz::TimeZone;
use model::time::{NS_PER_MS, NS_PER_S, Timestamp};

use super::{Rounding, saturate};
use crate::error::QueryError;

/// Formats to try in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formats {
    text: String,
    list: Vec<Format>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    Iso(Fraction),
    EpochMillis,
    EpochSecond,
    Pattern(Vec<Piece>),
}

/// How many digits of the second are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fraction {
    None,
    Millis,
    Nanos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Year(usize),
    Month(usize),
    Day(usize),
    Hour(usize),
    Minute(usize),
    Second(usize),
    Fraction(usize),
    Zone { zulu: bool, colon: bool },
    Literal(char),
}

/// Named formats that are letter patterns; each also exists as `strict_…`.
const NAMED: [(&str, &str); 22] = [
    ("basic_date", "yyyyMMdd"),
    ("basic_date_time", "yyyyMMdd'T'HHmmss.SSSX"),
    ("basic_date_time_no_millis", "yyyyMMdd'T'HHmmssX"),
    ("date", "yyyy-MM-dd"),
    ("year_month_day", "yyyy-MM-dd"),
    ("year_month", "yyyy-MM"),
    ("year", "yyyy"),
    ("date_hour", "yyyy-MM-dd'T'HH"),
    ("date_hour_minute", "yyyy-MM-dd'T'HH:mm"),
    ("date_hour_minute_second", "yyyy-MM-dd'T'HH:mm:ss"),
    ("date_hour_minute_second_millis", "yyyy-MM-dd'T'HH:mm:ss.SSS"),
    ("date_hour_minute_second_fraction", "yyyy-MM-dd'T'HH:mm:ss.SSS"),
    ("hour", "HH"),
    ("hour_minute", "HH:mm"),
    ("hour_minute_second", "HH:mm:ss"),
    ("hour_minute_second_millis", "HH:mm:ss.SSS"),
    ("hour_minute_second_fraction", "HH:mm:ss.SSS"),
    ("time", "HH:mm:ss.SSSXXX"),
    ("time_no_millis", "HH:mm:ssXXX"),
    ("t_time", "'T'HH:mm:ss.SSSXXX"),
    ("t_time_no_millis", "'T'HH:mm:ssXXX"),
    ("basic_time", "HHmmss.SSSX"),
];

impl Default for Formats {
    fn default() -> Self {
        Self {
            text: "strict_date_optional_time||epoch_millis".to_owned(),
            list: vec![Format::Iso(Fraction::Millis), Format::EpochMillis],
        }
    }
}

impl Formats {
    /// Reads a list of formats, separated by `||`.
    ///
    /// # Errors
    /// A format is unknown.
    pub fn parse(spec: &str) -> Result<Self, QueryError> {
        let list = spec.split("||").map(one).collect::<Result<_, _>>()?;
        Ok(Self { text: spec.to_owned(), list })
    }

    /// The list as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Prints a time in the first format.
    pub fn print(&self, at: Timestamp, zone: &TimeZone) -> String {
        match &self.list[0] {
            Format::EpochMillis => at.millis().to_string(),
            Format::EpochSecond => at.0.div_euclid(NS_PER_S).to_string(),
            Format::Iso(fraction) => print_iso(at, zone, *fraction),
            Format::Pattern(pieces) => print_pattern(at, zone, pieces),
        }
    }

    /// Reads a time in one of the formats; what it leaves out is filled by `rounding`.
    pub(super) fn read(&self, text: &str, zone: &TimeZone, to: Rounding) -> Option<Timestamp> {
        self.list.iter().find_map(|format| match format {
            Format::EpochMillis => epoch(text, NS_PER_MS, to),
            Format::EpochSecond => epoch(text, NS_PER_S, to),
            Format::Iso(_) => read_iso(text)?.instant(zone, to),
            Format::Pattern(pieces) => read_pattern(text, pieces)?.instant(zone, to),
        })
    }
}

fn one(name: &str) -> Result<Format, QueryError> {
    Ok(match name {
        "" => return Err(QueryError::illegal("invalid format: [] names no format")),
        "strict_date_optional_time" | "date_optional_time" | "iso8601" | "strict_date_time"
        | "date_time" => Format::Iso(Fraction::Millis),
        "strict_date_optional_time_nanos" => Format::Iso(Fraction::Nanos),
        "strict_date_time_no_millis" | "date_time_no_millis" => Format::Iso(Fraction::None),
        "epoch_millis" => Format::EpochMillis,
        "epoch_second" => Format::EpochSecond,
        _ => {
            let plain = name.strip_prefix("strict_").unwrap_or(name);
            let named = NAMED.iter().find(|(n, _)| *n == plain);
            Format::Pattern(pattern(named.map_or(name, |(_, letters)| letters))?)
        }
    })
}

fn pattern(text: &str) -> Result<Vec<Piece>, QueryError> {
    let bad = |what: String| QueryError::illegal(format!("invalid format: [{text}]: {what}"));
    let mut pieces = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            if chars.next_if_eq(&'\'').is_some() {
                pieces.push(Piece::Literal('\''));
                continue;
            }
            loop {
                match chars.next() {
                    Some('\'') => break,
                    Some(c) => pieces.push(Piece::Literal(c)),
                    None => return Err(bad("a quote is not closed".to_owned())),
                }
            }
            continue;
        }
        if !c.is_ascii_alphabetic() {
            if matches!(c, '[' | ']' | '{' | '}' | '#') {
                return Err(bad(format!("`{c}` is not supported")));
            }
            pieces.push(Piece::Literal(c));
            continue;
        }
        let mut width = 1;
        while chars.next_if_eq(&c).is_some() {
            width += 1;
        }
        pieces.push(match c {
            'y' | 'u' => Piece::Year(width),
            'M' if width <= 2 => Piece::Month(width),
            'd' => Piece::Day(width),
            'H' => Piece::Hour(width),
            'm' => Piece::Minute(width),
            's' => Piece::Second(width),
            'S' => Piece::Fraction(width.min(9)),
            'X' => Piece::Zone { zulu: true, colon: width >= 3 },
            'Z' => Piece::Zone { zulu: false, colon: width >= 5 },
            _ => return Err(bad(format!("unknown pattern letter `{c}`"))),
        });
    }
    Ok(pieces)
}

/// A time as far as it was given.
#[derive(Default)]
struct Partial {
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
    fn instant(&self, zone: &TimeZone, to: Rounding) -> Option<Timestamp> {
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
pub(super) fn offset_seconds(text: &str) -> Option<i32> {
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
fn read_iso(text: &str) -> Option<Partial> {
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

fn read_pattern(text: &str, pieces: &[Piece]) -> Option<Partial> {
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
fn epoch(text: &str, unit_ns: i64, to: Rounding) -> Option<Timestamp> {
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

fn civil_at(at: Timestamp, zone: &TimeZone) -> (civil::DateTime, i32) {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
    let offset = zone.to_offset(instant);
    (offset.to_datetime(instant), offset.seconds())
}

fn print_zone(out: &mut String, offset_s: i32, zulu: bool, colon: bool) {
    if offset_s == 0 && zulu {
        out.push('Z');
        return;
    }
    let sign = if offset_s < 0 { '-' } else { '+' };
    let minutes = offset_s.unsigned_abs() / 60;
    let colon = if colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60);
}

fn print_iso(at: Timestamp, zone: &TimeZone, fraction: Fraction) -> String {
    let (t, offset_s) = civil_at(at, zone);
    let mut out = String::with_capacity(36);
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    );
    let ns = t.subsec_nanosecond();
    match fraction {
        Fraction::None => {}
        Fraction::Millis => {
            let _ = write!(out, ".{:03}", ns / 1_000_000);
        }
        Fraction::Nanos => {
            let digits = format!("{ns:09}");
            let kept = digits.trim_end_matches('0').len().max(3);
            out.push('.');
            out.push_str(&digits[..kept]);
        }
    }
    print_zone(&mut out, offset_s, true, true);
    out
}

fn print_pattern(at: Timestamp, zone: &TimeZone, pieces: &[Piece]) -> String {
    let (t, offset_s) = civil_at(at, zone);
    let mut out = String::new();
    for piece in pieces {
        let _ = match piece {
            Piece::Year(2) => write!(out, "{:02}", t.year() % 100),
            Piece::Year(_) => write!(out, "{:04}", t.year()),
            Piece::Month(width) => write!(out, "{:0width$}", t.month()),
            Piece::Day(width) => write!(out, "{:0width$}", t.day()),
            Piece::Hour(width) => write!(out, "{:0width$}", t.hour()),
            Piece::Minute(width) => write!(out, "{:0width$}", t.minute()),
            Piece::Second(width) => write!(out, "{:0width$}", t.second()),
            Piece::Fraction(width) => {
                out.write_str(&format!("{:09}", t.subsec_nanosecond())[..*width])
            }
            Piece::Zone { zulu, colon } => {
                print_zone(&mut out, offset_s, *zulu, *colon);
                Ok(())
            }
            Piece::Literal(c) => out.write_char(*c),
        };
    }
    out
}
