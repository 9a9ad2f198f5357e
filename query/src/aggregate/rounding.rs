//! Where does the bucket of an instant begin and end? Fixed and calendar intervals in a zone.
//!
//! Knows only time.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan};
use model::time::NS_PER_S;

use crate::dates::time_zone;
use crate::error::QueryError;
use crate::request::{CalendarUnit, DateHistogramAgg, Interval};

/// Rounds instants, nanoseconds since 1970, down to the start of their bucket.
#[derive(Clone, Debug)]
pub struct Rounding {
    interval: Interval,
    offset_ns: i64,
    /// The zone of the borders.
    pub zone: TimeZone,
    utc: bool,
}

impl Rounding {
    /// Of a date histogram.
    ///
    /// # Errors
    /// The interval is not above 0, or there is no such zone.
    pub fn new(agg: &DateHistogramAgg) -> Result<Self, QueryError> {
        if let Interval::Fixed(ns) = agg.interval
            && ns <= 0
        {
            return Err(QueryError::illegal(
                "the interval of a `date_histogram` must be above 0, for example `1m`",
            ));
        }
        let zone = agg.time_zone.as_deref().map_or(Ok(TimeZone::UTC), time_zone)?;
        Ok(Self::in_zone(agg.interval, agg.offset_ns, zone))
    }

    /// Of an interval, whose borders are shifted, in a zone.
    pub fn in_zone(interval: Interval, offset_ns: i64, zone: TimeZone) -> Self {
        let utc = zone == TimeZone::UTC;
        Self { interval, offset_ns, zone, utc }
    }

    /// The start of the bucket that holds `ns`, and of the one after it.
    pub fn bucket(&self, ns: i64) -> (i64, i64) {
        let at = ns.saturating_sub(self.offset_ns);
        let (from, to) = match self.interval {
            Interval::Fixed(width) => self.fixed(at, width),
            Interval::Calendar(CalendarUnit::Second) => self.fixed(at, NS_PER_S),
            Interval::Calendar(CalendarUnit::Minute) => self.fixed(at, 60 * NS_PER_S),
            Interval::Calendar(CalendarUnit::Hour) => self.fixed(at, 3600 * NS_PER_S),
            Interval::Calendar(unit) => self.calendar(at, unit).unwrap_or((at, i64::MAX)),
        };
        (from.saturating_add(self.offset_ns), to.saturating_add(self.offset_ns))
    }

    /// The least width of a bucket, nanoseconds: to bound how many there can be.
    pub fn width_min(&self) -> i64 {
        let hours = match self.interval {
            Interval::Fixed(ns) => return ns,
            Interval::Calendar(CalendarUnit::Second) => return NS_PER_S,
            Interval::Calendar(CalendarUnit::Minute) => return 60 * NS_PER_S,
            Interval::Calendar(CalendarUnit::Hour) => 1,
            Interval::Calendar(CalendarUnit::Day) => 22,
            Interval::Calendar(CalendarUnit::Week) => 6 * 24,
            Interval::Calendar(CalendarUnit::Month) => 27 * 24,
            Interval::Calendar(CalendarUnit::Quarter) => 88 * 24,
            Interval::Calendar(CalendarUnit::Year) => 364 * 24,
        };
        hours * 3600 * NS_PER_S
    }

    fn zone_offset(&self, at: i64) -> i64 {
        if self.utc {
            return 0;
        }
        match Instant::from_nanosecond(i128::from(at)) {
            Ok(at) => i64::from(self.zone.to_offset(at).seconds()) * NS_PER_S,
            Err(_) => 0,
        }
    }

    /// Multiples of the width on the clock of the zone.
    fn fixed(&self, at: i64, width: i64) -> (i64, i64) {
        let shift = self.zone_offset(at);
        let into = at.saturating_add(shift).rem_euclid(width);
        let mut from = at.saturating_sub(into);
        let before = self.zone_offset(from);
        let round = |at: i64, shift: i64| at.saturating_add(shift).rem_euclid(width) == 0;
        if before != shift && !round(from, before) {
            // The clock was moved inside the bucket: begin where it showed the round time.
            let moved = from.saturating_add(shift - before);
            if moved <= at {
                from = moved;
            }
        }
        let mut to = at.saturating_add(width - into);
        let after = self.zone_offset(to);
        if after != shift && !round(to, after) {
            let moved = to.saturating_add(shift - after);
            if moved > at && self.zone_offset(moved) == after {
                to = moved;
            }
        }
        (from, to)
    }

    fn calendar(&self, at: i64, unit: CalendarUnit) -> Option<(i64, i64)> {
        let day = self.zone.to_datetime(Instant::from_nanosecond(i128::from(at)).ok()?).date();
        let (first, span) = match unit {
            CalendarUnit::Week => {
                let back = i64::from(day.weekday().since(Weekday::Monday));
                (day.checked_sub(back.days()).ok()?, 1.week())
            }
            CalendarUnit::Month => (day.first_of_month(), 1.month()),
            CalendarUnit::Quarter => {
                let month = (day.month() - 1) / 3 * 3 + 1;
                (jiff::civil::date(day.year(), month, 1), 3.months())
            }
            CalendarUnit::Year => (day.first_of_year(), 1.year()),
            CalendarUnit::Second
            | CalendarUnit::Minute
            | CalendarUnit::Hour
            | CalendarUnit::Day => (day, 1.day()),
        };
        let ns = |day: Date| {
            let midnight = self.zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
            i64::try_from(midnight.ok()?.as_nanosecond()).ok()
        };
        let to = first.checked_add(span).ok().and_then(ns).unwrap_or(i64::MAX);
        Some((ns(first)?, to))
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn rounding(interval: Interval, zone: &str, offset_ns: i64) -> Rounding {
        Rounding { interval, offset_ns, zone: time_zone(zone).unwrap(), utc: zone == "UTC" }
    }

    fn ns(text: &str) -> i64 {
        Timestamp::parse(text).unwrap().0
    }

    #[test]
    fn borders() {
        use CalendarUnit::{Day, Hour, Month, Quarter, Week, Year};
        let hours = |n: i64| Interval::Fixed(n * 3600 * NS_PER_S);
        let unit = Interval::Calendar;
        let cases = [
            (
                hours(1),
                "UTC",
                "2026-11-20T14:03:00Z",
                "2026-11-20T14:00:00Z",
                "2026-11-20T15:00:00Z",
            ),
            (hours(24), "UTC", "1969-12-31T23:00:00Z", "1969-12-31", "1970-01-01"),
            (
                hours(24),
                "+01:00",
                "2026-11-20T23:30:00Z",
                "2026-11-20T23:00:00Z",
                "2026-11-21T23:00:00Z",
            ),
            (
                unit(Day),
                "Europe/Berlin",
                "2026-03-29T10:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                unit(Day),
                "Europe/Berlin",
                "2026-10-25T10:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                unit(Hour),
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-25T00:00:00Z",
                "2026-10-25T01:00:00Z",
            ),
            (
                unit(Hour),
                "Europe/Berlin",
                "2026-10-25T01:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T02:00:00Z",
            ),
            (
                unit(Hour),
                "+05:30",
                "2026-10-25T01:10:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ),
            (unit(Week), "UTC", "2026-11-22T10:00:00Z", "2026-11-16", "2026-11-23"),
            (unit(Month), "UTC", "2024-02-29T10:00:00Z", "2024-02-01", "2024-03-01"),
            (unit(Quarter), "UTC", "2026-12-31T10:00:00Z", "2026-10-01", "2027-01-01"),
            (
                unit(Year),
                "America/New_York",
                "2026-01-01T03:00:00Z",
                "2025-01-01T05:00:00Z",
                "2026-01-01T05:00:00Z",
            ),
        ];
        for (interval, zone, at, from, to) in cases {
            let got = rounding(interval, zone, 0).bucket(ns(at));
            assert_eq!(got, (ns(from), ns(to)), "{interval:?} {zone} {at}");
        }
        let shifted = rounding(unit(Day), "UTC", 6 * 3600 * NS_PER_S);
        assert_eq!(shifted.bucket(ns("2026-11-20T05:00:00Z")).0, ns("2026-11-19T06:00:00Z"));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_instants(
            at in -2_000_000_000i64..4_000_000_000,
            fixed in prop::option::of(1i64..200_000),
            unit in 0usize..7,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "+05:45"]),
        ) {
            use CalendarUnit::{Day, Hour, Minute, Month, Quarter, Week, Year};
            let interval = match fixed {
                Some(s) => Interval::Fixed(s * NS_PER_S),
                None => Interval::Calendar([Minute, Hour, Day, Week, Month, Quarter, Year][unit]),
            };
            let at = at * NS_PER_S;
            let (from, to) = rounding(interval, zone, 0).bucket(at);
            prop_assert!(from <= at && at < to, "{from} {at} {to}");
        }
    }
}
