//! How is a time written? Elasticsearch's named formats and letter patterns, in and out.
//!
//! A list of formats, `strict_date_optional_time||epoch_millis`, is tried in order; the first
//! prints. Patterns know the letters `y u M d H m s S X Z`, quoted and plain literals.

mod print;
mod read;

use jiff::tz::TimeZone;
use model::time::{NS_PER_MS, NS_PER_S, Timestamp};

use self::print::{print_iso, print_pattern};
pub(super) use self::read::offset_seconds;
use self::read::{epoch, read_iso, read_pattern};
use super::Rounding;
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
        "strict_date_optional_time"
        | "date_optional_time"
        | "iso8601"
        | "strict_date_time"
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
