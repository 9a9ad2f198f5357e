//! Which buckets of time? The options of `date_histogram` and `date_range`.

use model::time::Timestamp;
use serde_json::Value as Json;

use super::super::Reader;
use super::super::json::scalar;
use super::{Options, bucket, keys};
use crate::dates::{Dates, Rounding, time_value};
use crate::error::QueryError;
use crate::request::{CalendarUnit, DateHistogramAgg, Interval, RangeAgg};

const NS_PER_MS: i64 = 1_000_000;
const NS_PER_S: i64 = 1_000_000_000;

pub(super) fn date_histogram(
    reader: &Reader,
    o: &Options<'_>,
) -> Result<DateHistogramAgg, QueryError> {
    o.only(
        &[
            "field",
            "fixed_interval",
            "calendar_interval",
            "interval",
            "offset",
            "time_zone",
            "min_doc_count",
            "extended_bounds",
            "hard_bounds",
            "format",
            "keyed",
            "order",
            "missing",
        ],
        &["value_type"],
    )?;
    let dates = reader.dates.clone().with(o.text("format")?, o.text("time_zone")?)?;
    let extended = bounds(o, &dates, "extended_bounds", (i64::MAX, i64::MIN))?;
    let hard = bounds(o, &dates, "hard_bounds", (i64::MIN, i64::MAX))?;
    let closed = extended.filter(|(min, max)| *min != i64::MAX && *max != i64::MIN);
    let millis = |(from, to): (i64, i64)| (Timestamp(from).millis(), Timestamp(to).millis());
    keys::check_bounds(hard.map(millis), closed.map(millis))?;
    Ok(DateHistogramAgg {
        field: o.field()?,
        interval: interval(o)?,
        offset_ns: offset(o)?,
        time_zone: o.text("time_zone")?.map(str::to_owned),
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(0),
        extended_bounds: extended,
        hard_bounds: hard,
        format: o.text("format")?.map(str::to_owned),
        keyed: o.flag("keyed", false)?,
        missing: missing(o, &dates)?,
        order: keys::order_by_key(o)?,
    })
}

/// `missing` as a time, nanoseconds.
pub(super) fn missing(o: &Options<'_>, dates: &Dates) -> Result<Option<i64>, QueryError> {
    o.get("missing").map(|value| Ok(date(o, dates, "missing", value)?.0)).transpose()
}

fn calendar(text: &str) -> Option<Interval> {
    Some(Interval::Calendar(match text {
        "1m" | "minute" => CalendarUnit::Minute,
        "1h" | "hour" => CalendarUnit::Hour,
        "1d" | "day" => CalendarUnit::Day,
        "1w" | "week" => CalendarUnit::Week,
        "1M" | "month" => CalendarUnit::Month,
        "1q" | "quarter" => CalendarUnit::Quarter,
        "1y" | "year" => CalendarUnit::Year,
        // No calendar has seconds of another length.
        "1s" | "second" => return Some(Interval::Fixed(NS_PER_S)),
        _ => return None,
    }))
}

/// The unit of a `rate`.
pub(super) fn rate_unit(text: &str) -> Option<Interval> {
    Some(match calendar(text)? {
        Interval::Calendar(unit) => match unit {
            CalendarUnit::Minute => Interval::Fixed(60 * NS_PER_S),
            CalendarUnit::Hour => Interval::Fixed(3600 * NS_PER_S),
            CalendarUnit::Day => Interval::Fixed(24 * 3600 * NS_PER_S),
            CalendarUnit::Week => Interval::Fixed(7 * 24 * 3600 * NS_PER_S),
            unit => Interval::Calendar(unit),
        },
        fixed => fixed,
    })
}

/// The milliseconds of a unit by the calendar, or of a time such as `90m`.
pub(super) fn unit_ms(text: &str) -> Option<f64> {
    // As the Java library estimates a year.
    const YEAR_MS: f64 = 31_556_952_000.0;
    let ns = match rate_unit(text) {
        Some(Interval::Calendar(CalendarUnit::Month)) => return Some(YEAR_MS / 12.0),
        Some(Interval::Calendar(CalendarUnit::Quarter)) => return Some(YEAR_MS / 4.0),
        Some(Interval::Calendar(_)) => return Some(YEAR_MS),
        Some(Interval::Fixed(ns)) => ns,
        None => time_value(text)?,
    };
    (ns > 0).then_some(ns as f64 / NS_PER_MS as f64)
}

fn fixed(o: &Options<'_>, key: &str, value: &Json) -> Result<Interval, QueryError> {
    let ns = match value {
        Json::String(text) => time_value(text),
        Json::Number(n) if key == "interval" => n.as_i64().and_then(|n| n.checked_mul(NS_PER_MS)),
        _ => None,
    };
    let ns = ns.ok_or_else(|| {
        o.bad(key, value, "a number with `ms`, `s`, `m`, `h` or `d`, such as `30s`")
    })?;
    if ns < NS_PER_MS {
        return Err(QueryError::illegal(format!(
            "[{key}] must be 1ms or more for date_histogram aggregation [{}], found [{}]",
            o.name,
            scalar(value).unwrap_or_default()
        )));
    }
    Ok(Interval::Fixed(ns))
}

pub(super) fn interval(o: &Options<'_>) -> Result<Interval, QueryError> {
    match (o.get("fixed_interval"), o.get("calendar_interval"), o.get("interval")) {
        (Some(value), None, None) => fixed(o, "fixed_interval", value),
        (None, Some(value), None) => {
            let text = scalar(value).unwrap_or_default();
            calendar(&text).ok_or_else(|| {
                QueryError::illegal(format!(
                    "The supplied interval [{text}] could not be parsed as a calendar interval."
                ))
            })
        }
        (None, None, Some(value)) => match value.as_str().and_then(calendar) {
            Some(interval) => Ok(interval),
            None => fixed(o, "interval", value),
        },
        (None, None, None) => Err(QueryError::illegal(format!(
            "Invalid interval specified for date_histogram aggregation [{}]: give \
             [fixed_interval] or [calendar_interval]",
            o.name
        ))),
        _ => Err(QueryError::illegal(format!(
            "Cannot use more than one of [fixed_interval], [calendar_interval] and [interval] in \
             [{}]",
            o.name
        ))),
    }
}

pub(super) fn offset(o: &Options<'_>) -> Result<i64, QueryError> {
    let Some(value) = o.get("offset") else { return Ok(0) };
    let ns = match value {
        Json::Number(n) => n.as_i64().and_then(|n| n.checked_mul(NS_PER_MS)),
        Json::String(text) => match text.strip_prefix('-') {
            Some(rest) => time_value(rest).map(|ns| -ns),
            None => time_value(text.strip_prefix('+').unwrap_or(text)),
        },
        _ => None,
    };
    ns.ok_or_else(|| o.bad("offset", value, "a time such as `+6h` or `-30m`"))
}

/// Both ends of bounds, in nanoseconds; an end that is left out is `open`.
fn bounds(
    o: &Options<'_>,
    dates: &Dates,
    key: &str,
    open: (i64, i64),
) -> Result<Option<(i64, i64)>, QueryError> {
    let Some(json) = o.get(key) else { return Ok(None) };
    let expected = "an object with [min] and [max]";
    let map = json.as_object().ok_or_else(|| o.bad(key, json, expected))?;
    let (mut min, mut max) = (None, None);
    for (end, value) in map {
        if value.is_null() {
            continue;
        }
        let at = date(o, dates, key, value)?.0;
        match end.as_str() {
            "min" => min = Some(at),
            "max" => max = Some(at),
            _ => return Err(QueryError::parsing(format!("[{key}] unknown field [{end}]"))),
        }
    }
    match (min, max) {
        (Some(min), Some(max)) if min > max => Err(QueryError::illegal(format!(
            "[{key}.min][{}] cannot be greater than [{key}.max][{}] for aggregation [{}]",
            Timestamp(min),
            Timestamp(max),
            o.name
        ))),
        (None, None) => Ok(None),
        (min, max) => Ok(Some((min.unwrap_or(open.0), max.unwrap_or(open.1)))),
    }
}

/// A bound: a number of milliseconds, or a time with date math.
fn date(o: &Options<'_>, dates: &Dates, key: &str, value: &Json) -> Result<Timestamp, QueryError> {
    let text = scalar(value).ok_or_else(|| o.bad(key, value, "a time"))?;
    match (dates.read(&text, Rounding::Down), value) {
        (Ok(at), _) => Ok(at),
        // Numbers are milliseconds, whatever the format prints.
        (Err(_), Json::Number(n)) if n.is_i64() => {
            Ok(Timestamp::from_millis(n.as_i64().unwrap_or(0)))
        }
        (Err(error), _) => Err(error),
    }
}

pub(super) fn date_range(reader: &Reader, o: &Options<'_>) -> Result<RangeAgg, QueryError> {
    o.only(&["field", "ranges", "keyed", "format", "time_zone", "missing"], &["value_type"])?;
    let dates = reader.dates.clone().with(o.text("format")?, o.text("time_zone")?)?;
    let end = |value: &Json| {
        let at = date(o, &dates, "ranges", value)?;
        Ok(at.0 as f64 / NS_PER_MS as f64)
    };
    Ok(RangeAgg {
        field: o.field()?,
        ranges: bucket::ranges(o, end)?,
        keyed: o.flag("keyed", false)?,
        date: true,
        format: o.text("format")?.map(str::to_owned),
        time_zone: o.text("time_zone")?.map(str::to_owned),
        missing: missing(o, &dates)?.map(|ns| ns as f64 / NS_PER_MS as f64),
    })
}
