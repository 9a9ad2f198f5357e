//! What does `now-1d/d` mean? Anchor, then steps and roundings from left to right.
//!
//! ```text
//! text   := "now" step* | date ["||" step*]
//! step   := ("+" | "-") digits? unit | "/" unit
//! unit   := "y" | "M" | "w" | "d" | "h" | "H" | "m" | "s"
//! ```

use jiff::{Span, ToSpan, ZonedDateTime};

use super::{Dates, Rounding, saturate};
use crate::error::QueryError;
use model::time::Timestamp;

pub(super) fn read(dates: &Dates, text: &str, to: Rounding) -> Result<Timestamp, QueryError> {
    let unreadable = |anchor: &str| {
        QueryError::parsing(format!(
            "failed to parse date field [{anchor}] with format [{}]",
            dates.formats.text()
        ))
    };
    if let Some(math) = text.strip_prefix("now") {
        return apply(dates, dates.now, math, to);
    }
    match text.split_once("||") {
        // Missing parts of the anchor are filled only where no math follows, as Elasticsearch
        // does: `2026-11-20||/M` rounds the month, not the day.
        Some((anchor, math)) => {
            let at = dates.formats.read(anchor, &dates.zone, Rounding::Down);
            apply(dates, at.ok_or_else(|| unreadable(anchor))?, math, to)
        }
        None => dates.formats.read(text, &dates.zone, to).ok_or_else(|| unreadable(text)),
    }
}

fn apply(dates: &Dates, at: Timestamp, math: &str, to: Rounding) -> Result<Timestamp, QueryError> {
    if math.is_empty() {
        return Ok(at);
    }
    let outside = || QueryError::parsing(format!("date math [{math}] leads out of all time"));
    let mut time = jiff::Timestamp::from_nanosecond(i128::from(at.0))
        .map_err(|_| outside())?
        .to_zoned_datetime(dates.zone.clone());
    let mut rest = math;
    while let Some(operator) = rest.chars().next() {
        if !matches!(operator, '+' | '-' | '/') {
            return Err(QueryError::parsing(format!(
                "operator not supported for date math [{math}]: expected `+`, `-` or `/`, got \
                 `{operator}`"
            )));
        }
        rest = &rest[1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = match &rest[..digits] {
            "" => 1,
            digits => digits.parse::<i32>().map_err(|_| outside())?,
        };
        rest = &rest[digits..];
        let unit = rest
            .chars()
            .next()
            .ok_or_else(|| QueryError::parsing(format!("truncated date math [{math}]")))?;
        rest = &rest[unit.len_utf8()..];
        let step = step(unit).ok_or_else(|| {
            QueryError::parsing(format!(
                "unit [{unit}] not supported for date math [{math}]: use y, M, w, d, h, m or s"
            ))
        })?;
        time = if operator == '/' {
            if digits > 0 {
                return Err(QueryError::parsing(format!(
                    "rounding `/` can only be used on single unit types [{math}]"
                )));
            }
            round(&time, unit, step, to).ok_or_else(outside)?
        } else {
            let number = if operator == '-' { -i64::from(number) } else { i64::from(number) };
            let span = step.checked_mul(number).map_err(|_| outside())?;
            time.checked_add(span).map_err(|_| outside())?
        };
    }
    Ok(saturate(time.timestamp().as_nanosecond()))
}

fn step(unit: char) -> Option<Span> {
    Some(match unit {
        'y' => 1.year(),
        'M' => 1.month(),
        'w' => 1.week(),
        'd' => 1.day(),
        'h' | 'H' => 1.hour(),
        'm' => 1.minute(),
        's' => 1.second(),
        _ => return None,
    })
}

fn round(time: &ZonedDateTime, unit: char, step: Span, to: Rounding) -> Option<ZonedDateTime> {
    let day = || time.start_of_day().ok();
    let start = match unit {
        'y' => time.first_of_year().ok()?.start_of_day().ok()?,
        'M' => time.first_of_month().ok()?.start_of_day().ok()?,
        'w' => {
            let back = i64::from(time.weekday().to_monday_zero_offset());
            time.checked_sub(back.days()).ok()?.start_of_day().ok()?
        }
        'd' => day()?,
        'm' => time.with().second(0).subsec_nanosecond(0).build().ok()?,
        's' => time.with().subsec_nanosecond(0).build().ok()?,
        _ => time.with().minute(0).second(0).subsec_nanosecond(0).build().ok()?,
    };
    match to {
        Rounding::Down => Some(start),
        Rounding::Up => start.checked_add(step).ok()?.checked_sub(1.nanosecond()).ok(),
    }
}
