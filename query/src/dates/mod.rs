//! What instant does a text of a question mean? Date math, formats, time zones, durations.
//!
//! Follows Elasticsearch: `now-15m`, `now/d`, `2026-11-20||+1M/d`, and bounds that round down
//! (`gte`, `lt`) or up to the last nanosecond (`gt`, `lte`). Knows nothing of fields.

mod duration;
mod format;
mod math;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use model::time::Timestamp;

pub use duration::{duration, time_value};
pub use format::Formats;

use crate::error::QueryError;

/// Where an instant lands that is given less exactly than in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// On the first nanosecond: for `gte` and `lt`.
    Down,
    /// On the last nanosecond: for `gt` and `lte`.
    Up,
}

/// How the times of one clause are written.
#[derive(Clone, Debug)]
pub struct Dates {
    /// What `now` means.
    pub now: Timestamp,
    /// The formats to try, in order.
    pub formats: Formats,
    /// The zone of times without one, and of rounding.
    pub zone: TimeZone,
}

impl Dates {
    /// The default formats, in UTC.
    pub fn at(now: Timestamp) -> Self {
        Self { now, formats: Formats::default(), zone: TimeZone::UTC }
    }

    /// The same with the formats of a `format` option and the zone of a `time_zone` option.
    ///
    /// # Errors
    /// The format or the zone is unknown.
    pub fn with(mut self, format: Option<&str>, zone: Option<&str>) -> Result<Self, QueryError> {
        if let Some(format) = format {
            self.formats = Formats::parse(format)?;
        }
        if let Some(zone) = zone {
            self.zone = time_zone(zone)?;
        }
        Ok(self)
    }

    /// Reads a time with its date math. Instants outside of 1677 to 2262 become the nearest one
    /// inside.
    ///
    /// # Errors
    /// The text is no time in these formats, or the math is malformed; the error names it.
    pub fn read(&self, text: &str, rounding: Rounding) -> Result<Timestamp, QueryError> {
        math::read(self, text, rounding)
    }
}

/// A zone by IANA name (any case), `Z`, or offset (`+01:00`, `+0100`, `+01`).
///
/// # Errors
/// There is no such zone.
pub fn time_zone(name: &str) -> Result<TimeZone, QueryError> {
    if name.eq_ignore_ascii_case("z") || name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    let zone = if name.starts_with(['+', '-']) {
        let seconds = format::offset_seconds(name);
        seconds.and_then(|s| jiff::tz::Offset::from_seconds(s).ok()).map(TimeZone::fixed)
    } else {
        TimeZone::get(name).ok()
    };
    zone.ok_or_else(|| {
        QueryError::illegal(format!(
            "unknown time zone [{name}]: give an IANA name such as `Europe/Berlin`, or `+01:00`"
        ))
    })
}

/// A moment of the native interface: a span before now (`15m`), or a time with date math.
///
/// # Errors
/// The text is neither.
pub fn moment(dates: &Dates, text: &str, rounding: Rounding) -> Result<Timestamp, QueryError> {
    match duration(text) {
        Some(ns) => Ok(Timestamp(dates.now.0.saturating_sub(ns))),
        None => dates.read(text, rounding).map_err(|_| {
            QueryError::illegal(format!(
                "cannot read the time `{text}`: give a span before now (`15m`, `1h30m`, `7d`), a \
                 date (`2026-11-20`, `2026-11-20T14:00:00Z`) or date math (`now-1d/d`)"
            ))
        }),
    }
}

fn saturate(ns: i128) -> Timestamp {
    Timestamp(ns.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}
