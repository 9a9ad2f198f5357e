//! What do functions of times give? Rounding, parts, formats, differences.

use jiff::Timestamp as Instant;
use jiff::civil;
use jiff::tz::TimeZone;
use model::time::{Timestamp, civil_from_days, days_from_civil};

use super::{Env, Function, Kind, Mode, Prepared, Returns, simple};
use crate::dates::{Dates, Formats, Rounding};
use crate::esql::value::{Cell, Type};

const DATE: Returns = Returns::Is(Type::Date);
const DAY_MS: i64 = 86_400_000;

/// The functions.
pub(super) const TABLE: &[Function] = &[
    simple("NOW", &[], DATE, |env, _| Cell::Int(env.now.millis())),
    simple("DATE_TRUNC", &[Kind::Span, Kind::Date], DATE, truncate),
    simple("DATE_EXTRACT", &[Kind::Text, Kind::Date], Returns::Is(Type::Long), extract),
    simple("DATE_FORMAT", &[Kind::Any, Kind::Date], Returns::Is(Type::Keyword), format).optional(1),
    simple("DATE_PARSE", &[Kind::Text, Kind::Text], DATE, parse).optional(1),
    simple(
        "DATE_DIFF",
        &[Kind::Text, Kind::Date, Kind::Date],
        Returns::Is(Type::Integer),
        difference,
    )
    .mode(Mode::Single),
];

/// The wall clock of a time, in a zone.
fn civil_at(ms: i64, zone: &TimeZone) -> Option<civil::DateTime> {
    Some(zone.to_datetime(Instant::from_millisecond(ms).ok()?))
}

/// The time when a wall clock shows this.
fn instant_of(at: civil::DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_timestamp(at).ok()?.as_millisecond())
}

/// The first moment of a day, milliseconds.
fn day_start(days: i64, zone: &TimeZone) -> Option<i64> {
    if *zone == TimeZone::UTC {
        return days.checked_mul(DAY_MS);
    }
    let (year, month, day) = civil_from_days(days);
    let date = civil::Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    );
    instant_of(date.ok()?.at(0, 0, 0, 0), zone)
}

/// The day that a time lies in, counted from 1970.
fn day_of(ms: i64, zone: &TimeZone) -> Option<i64> {
    if *zone == TimeZone::UTC {
        return Some(ms.div_euclid(DAY_MS));
    }
    let date = civil_at(ms, zone)?.date();
    Some(days_from_civil(i64::from(date.year()), i64::from(date.month()), i64::from(date.day())))
}

/// Rounds a time down to a multiple of a span: a duration, or days, weeks, months.
pub fn round_to(ms: i64, span: &Cell, zone: &TimeZone) -> Option<i64> {
    match span {
        Cell::Int(width) if *width > 0 => {
            if *zone == TimeZone::UTC {
                return Some(ms - ms.rem_euclid(*width));
            }
            let offset = zone.to_offset(Instant::from_millisecond(ms).ok()?).seconds();
            let shift = i64::from(offset) * 1000;
            Some(ms - (ms + shift).rem_euclid(*width))
        }
        Cell::Period(0, days) if *days > 0 => {
            let (day, days) = (day_of(ms, zone)?, i64::from(*days));
            // Weeks begin on a Monday; 1970 began on a Thursday.
            let shift = if days % 7 == 0 { 3 } else { 0 };
            day_start(day - (day + shift).rem_euclid(days), zone)
        }
        Cell::Period(months, 0) if *months > 0 => {
            let (year, month, _) = civil_from_days(day_of(ms, zone)?);
            let total = (year - 1) * 12 + month - 1;
            let total = total - total.rem_euclid(i64::from(*months));
            let (year, month) = (total.div_euclid(12) + 1, total.rem_euclid(12) + 1);
            day_start(days_from_civil(year, month, 1), zone)
        }
        _ => None,
    }
}

fn truncate(env: &Env<'_>, args: &[Cell]) -> Cell {
    let ms = args[1].as_int().and_then(|ms| round_to(ms, &args[0], env.zone));
    ms.map_or(Cell::Null, Cell::Int)
}

/// A time some spans later, or earlier.
pub fn add_span(ms: i64, span: &Cell, sign: i64, zone: &TimeZone) -> Option<i64> {
    match span {
        Cell::Int(width) => ms.checked_add(width.checked_mul(sign)?),
        Cell::Period(months, days) => {
            let at = civil_at(ms, zone)?;
            let (months, days) = (i64::from(*months) * sign, i64::from(*days) * sign);
            let span = jiff::Span::new().try_months(months).ok()?.try_days(days).ok()?;
            instant_of(at.checked_add(span).ok()?, zone)
        }
        _ => None,
    }
}

/// Java's `ChronoField`.
fn extract(env: &Env<'_>, args: &[Cell]) -> Cell {
    let part = args[0].as_text().unwrap_or("").to_ascii_uppercase();
    let Some(ms) = args[1].as_int() else { return Cell::Null };
    field(&part, ms, env.zone).map_or(Cell::Null, Cell::Int)
}

fn field(part: &str, ms: i64, zone: &TimeZone) -> Option<i64> {
    let at = civil_at(ms, zone)?;
    let (time, date) = (at.time(), at.date());
    let (hour, minute) = (i64::from(time.hour()), i64::from(time.minute()));
    let second = i64::from(time.second());
    let ns = i64::from(time.subsec_nanosecond());
    let second_of_day = hour * 3600 + minute * 60 + second;
    Some(match part {
        "YEAR" | "YEAR_OF_ERA" => i64::from(date.year()),
        "MONTH_OF_YEAR" | "MONTH" => i64::from(date.month()),
        "PROLEPTIC_MONTH" => i64::from(date.year()) * 12 + i64::from(date.month()) - 1,
        "DAY_OF_MONTH" | "DAY" => i64::from(date.day()),
        "DAY_OF_YEAR" => i64::from(date.day_of_year()),
        "DAY_OF_WEEK" => i64::from(date.weekday().to_monday_one_offset()),
        "ALIGNED_WEEK_OF_MONTH" => (i64::from(date.day()) - 1) / 7 + 1,
        "ALIGNED_WEEK_OF_YEAR" => (i64::from(date.day_of_year()) - 1) / 7 + 1,
        "ALIGNED_DAY_OF_WEEK_IN_MONTH" => (i64::from(date.day()) - 1) % 7 + 1,
        "ALIGNED_DAY_OF_WEEK_IN_YEAR" => (i64::from(date.day_of_year()) - 1) % 7 + 1,
        "EPOCH_DAY" => day_of(ms, zone)?,
        "ERA" => i64::from(date.year() > 0),
        "AMPM_OF_DAY" => hour / 12,
        "HOUR_OF_DAY" | "HOUR" => hour,
        "CLOCK_HOUR_OF_DAY" => {
            if hour == 0 {
                24
            } else {
                hour
            }
        }
        "HOUR_OF_AMPM" => hour % 12,
        "CLOCK_HOUR_OF_AMPM" => (hour + 11) % 12 + 1,
        "MINUTE_OF_HOUR" | "MINUTE" => minute,
        "MINUTE_OF_DAY" => hour * 60 + minute,
        "SECOND_OF_MINUTE" | "SECOND" => second,
        "SECOND_OF_DAY" => second_of_day,
        "MILLI_OF_SECOND" => ns / 1_000_000,
        "MILLI_OF_DAY" => second_of_day * 1000 + ns / 1_000_000,
        "MICRO_OF_SECOND" => ns / 1000,
        "MICRO_OF_DAY" => second_of_day * 1_000_000 + ns / 1000,
        "NANO_OF_SECOND" => ns,
        "NANO_OF_DAY" => second_of_day * 1_000_000_000 + ns,
        "OFFSET_SECONDS" => {
            i64::from(zone.to_offset(Instant::from_millisecond(ms).ok()?).seconds())
        }
        "INSTANT_SECONDS" => ms.div_euclid(1000),
        // SQL's parts.
        "QUARTER" => (i64::from(date.month()) - 1) / 3 + 1,
        "ISO_WEEK_OF_YEAR" | "ISO_WEEK" => i64::from(date.iso_week_date().week()),
        _ => return None,
    })
}

fn format(env: &Env<'_>, args: &[Cell]) -> Cell {
    let Some(ms) = args.last().and_then(Cell::as_int) else { return Cell::Null };
    let Some(at) = ms.checked_mul(1_000_000).map(Timestamp) else { return Cell::Null };
    let made;
    let formats = match (env.prepared, args) {
        (Prepared::Formats(formats), _) => formats,
        (_, [_]) => {
            made = Formats::default();
            &made
        }
        (_, [format, ..]) => match format.as_text().map(Formats::parse) {
            Some(Ok(formats)) => {
                made = formats;
                &made
            }
            _ => return Cell::Null,
        },
        _ => return Cell::Null,
    };
    Cell::text(formats.print(at, env.zone))
}

fn parse(env: &Env<'_>, args: &[Cell]) -> Cell {
    let Some(text) = args.last().and_then(Cell::as_text) else { return Cell::Null };
    let formats = match (env.prepared, args) {
        (Prepared::Formats(formats), _) => formats.clone(),
        (_, [format, _]) => match format.as_text().map(Formats::parse) {
            Some(Ok(formats)) => formats,
            _ => return Cell::Null,
        },
        _ => Formats::default(),
    };
    if text.starts_with("now") || text.contains("||") {
        return Cell::Null;
    }
    let dates = Dates { now: env.now, formats, zone: env.zone.clone() };
    dates.read(text, Rounding::Down).map_or(Cell::Null, |at| Cell::Int(at.millis()))
}

/// Units of `DATE_DIFF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Some nanoseconds, by the thousandth of a millisecond.
    Fixed(i64),
    /// Days of the calendar.
    Days(i64),
    /// Months of the calendar.
    Months(i64),
}

impl Unit {
    /// The unit of a name.
    pub fn parse(name: &str) -> Option<Unit> {
        Some(match name.to_ascii_lowercase().as_str() {
            "millisecond" | "milliseconds" | "ms" => Unit::Fixed(1),
            "second" | "seconds" | "ss" | "s" => Unit::Fixed(1000),
            "minute" | "minutes" | "mi" | "n" => Unit::Fixed(60_000),
            "hour" | "hours" | "hh" => Unit::Fixed(3_600_000),
            "day" | "days" | "dd" | "d" | "dayofyear" | "dy" | "y" | "weekday" | "weekdays"
            | "dw" => Unit::Days(1),
            "week" | "weeks" | "wk" | "ww" => Unit::Days(7),
            "month" | "months" | "mm" | "m" => Unit::Months(1),
            "quarter" | "quarters" | "qq" | "q" => Unit::Months(3),
            "year" | "years" | "yyyy" | "yy" => Unit::Months(12),
            _ => return None,
        })
    }
}

fn difference(env: &Env<'_>, args: &[Cell]) -> Cell {
    let unit = args[0].as_text().unwrap_or("");
    let small = match unit.to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "mcs" => Some(1000),
        "nanosecond" | "nanoseconds" | "ns" => Some(1_000_000),
        _ => None,
    };
    let (Some(from), Some(to)) = (args[1].as_int(), args[2].as_int()) else { return Cell::Null };
    let count = match (small, Unit::parse(unit)) {
        (Some(parts), _) => to.checked_sub(from).and_then(|ms| ms.checked_mul(parts)),
        (None, Some(unit)) => whole_units(unit, from, to, env.zone),
        (None, None) => None,
    };
    match count {
        Some(count) if i32::try_from(count).is_ok() => Cell::Int(count),
        _ => Cell::Null,
    }
}

/// How many whole units lie between.
fn whole_units(unit: Unit, from: i64, to: i64, zone: &TimeZone) -> Option<i64> {
    match unit {
        Unit::Fixed(ms) => Some(to.checked_sub(from)? / ms),
        Unit::Days(days) if *zone == TimeZone::UTC => Some(to.checked_sub(from)? / (days * DAY_MS)),
        Unit::Days(_) | Unit::Months(_) => {
            let (a, b) = (civil_at(from, zone)?, civil_at(to, zone)?);
            let largest = match unit {
                Unit::Months(_) => jiff::Unit::Month,
                _ => jiff::Unit::Day,
            };
            let span = a.until((largest, b)).ok()?;
            Some(match unit {
                Unit::Months(months) => i64::from(span.get_months()) / months,
                Unit::Days(days) => i64::from(span.get_days()) / days,
                Unit::Fixed(_) => 0,
            })
        }
    }
}
