//! Tables of date math, formats and durations.

use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    // A Friday.
    Timestamp::parse("2026-11-20T14:03:07.123456789Z").unwrap()
}

fn check(text: &str, options: (Option<&str>, Option<&str>), down: &str, up: &str) {
    let dates = Dates::at(now()).with(options.0, options.1).unwrap();
    for (rounding, want) in [(Rounding::Down, down), (Rounding::Up, up)] {
        let got = match dates.read(text, rounding) {
            Ok(at) => at.rfc3339(),
            Err(error) => error.reason,
        };
        let want = Timestamp::parse(want).map_or(want.to_owned(), |t| t.rfc3339());
        assert_eq!(got, want, "{text} {options:?} {rounding:?}");
    }
}

#[test]
fn date_math() {
    let same = |text: &str, want: &str| check(text, (None, None), want, want);
    same("now", "2026-11-20T14:03:07.123456789Z");
    same("now-15m", "2026-11-20T13:48:07.123456789Z");
    same("now-1d+2h", "2026-11-19T16:03:07.123456789Z");
    same("now-M", "2026-10-20T14:03:07.123456789Z");
    same("now+1y", "2027-11-20T14:03:07.123456789Z");
    same("now-2w", "2026-11-06T14:03:07.123456789Z");
    same("2026-01-31||+1M", "2026-02-28T00:00:00Z");
    let both = |text: &str, down: &str, up: &str| check(text, (None, None), down, up);
    both("now/s", "2026-11-20T14:03:07Z", "2026-11-20T14:03:07.999999999Z");
    both("now/m", "2026-11-20T14:03:00Z", "2026-11-20T14:03:59.999999999Z");
    both("now/h", "2026-11-20T14:00:00Z", "2026-11-20T14:59:59.999999999Z");
    both("now/d", "2026-11-20", "2026-11-20T23:59:59.999999999Z");
    both("now-1d/d", "2026-11-19", "2026-11-19T23:59:59.999999999Z");
    both("now/w", "2026-11-16", "2026-11-22T23:59:59.999999999Z");
    both("now/M", "2026-11-01", "2026-11-30T23:59:59.999999999Z");
    both("now/y", "2026-01-01", "2026-12-31T23:59:59.999999999Z");
    both("2026-11-20||+1M/d", "2026-12-20", "2026-12-20T23:59:59.999999999Z");
    both("2014-11-18||/M", "2014-11-01", "2014-11-30T23:59:59.999999999Z");
}

#[test]
fn less_than_exact_times_are_filled() {
    let both = |text: &str, down: &str, up: &str| check(text, (None, None), down, up);
    both("2026", "2026-01-01", "2026-01-01T23:59:59.999999999Z");
    both("2026-11", "2026-11-01", "2026-11-01T23:59:59.999999999Z");
    both("2026-11-20", "2026-11-20", "2026-11-20T23:59:59.999999999Z");
    both("2026-11-20T10", "2026-11-20T10:00Z", "2026-11-20T10:59:59.999999999Z");
    both("2026-11-20T10:05Z", "2026-11-20T10:05Z", "2026-11-20T10:05:59.999999999Z");
    both("2026-11-20 10:05:06", "2026-11-20T10:05:06Z", "2026-11-20T10:05:06.999999999Z");
    both("2026-11-20T10:05:06.5Z", "2026-11-20T10:05:06.5Z", "2026-11-20T10:05:06.500999999Z");
    both(
        "2026-11-20T10:05:06.123456Z",
        "2026-11-20T10:05:06.123456Z",
        "2026-11-20T10:05:06.123456Z",
    );
    both("2026-11-20T10:05:06+01:00", "2026-11-20T09:05:06Z", "2026-11-20T09:05:06.999999999Z");
    both("1700000000000", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.000999999Z");
    both("-1", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999999999Z");
    // Outside of what nanoseconds hold: the nearest that they do.
    let last = Timestamp(i64::MAX).rfc3339();
    both("9999-12-31", &last, &last);
}

#[test]
fn formats_and_zones() {
    let berlin = Some("Europe/Berlin");
    check("now/d", (None, berlin), "2026-11-19T23:00:00Z", "2026-11-20T22:59:59.999999999Z");
    check("2026-07-01", (None, berlin), "2026-06-30T22:00:00Z", "2026-07-01T21:59:59.999999999Z");
    check(
        "2026-07-01",
        (None, Some("-0230")),
        "2026-07-01T02:30:00Z",
        "2026-07-02T02:29:59.999999999Z",
    );
    // The day of the clock change has 25 hours.
    check(
        "2026-10-25||/d",
        (None, berlin),
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59.999999999Z",
    );
    check(
        "1700000000",
        (Some("epoch_second"), None),
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20.999999999Z",
    );
    check(
        "1700000000.25",
        (Some("epoch_second"), None),
        "2023-11-14T22:13:20.25Z",
        "2023-11-14T22:13:20.25Z",
    );
    check(
        "20/11/2026",
        (Some("dd/MM/yyyy||yyyy"), None),
        "2026-11-20",
        "2026-11-20T23:59:59.999999999Z",
    );
    check("2025", (Some("dd/MM/yyyy||yyyy"), None), "2025-01-01", "2025-01-01T23:59:59.999999999Z");
    check(
        "2026-11-20 14:00:00,5",
        (Some("yyyy-MM-dd HH:mm:ss,SSS"), None),
        "2026-11-20T14:00:00.5Z",
        "2026-11-20T14:00:00.500999999Z",
    );
    check("20261120", (Some("basic_date"), None), "2026-11-20", "2026-11-20T23:59:59.999999999Z");
}

#[test]
fn faults_are_named() {
    let fails =
        |text: &str, format: Option<&str>, want: &str| check(text, (format, None), want, want);
    let default = "with format [strict_date_optional_time||epoch_millis]";
    fails("yesterday", None, &format!("failed to parse date field [yesterday] {default}"));
    fails("2026-13-01", None, &format!("failed to parse date field [2026-13-01] {default}"));
    fails(
        "2026-11-20",
        Some("epoch_millis"),
        "failed to parse date field [2026-11-20] with format [epoch_millis]",
    );
    fails("now-15", None, "truncated date math [-15]");
    fails(
        "now-15x",
        None,
        "unit [x] not supported for date math [-15x]: use y, M, w, d, h, m or s",
    );
    fails(
        "now*2",
        None,
        "operator not supported for date math [*2]: expected `+`, `-` or `/`, got `*`",
    );
    fails("now/2d", None, "rounding `/` can only be used on single unit types [/2d]");
    fails("now+99999999999y", None, "date math [+99999999999y] leads out of all time");
    fails("now+30000y", None, "date math [+30000y] leads out of all time");
    let bad = |format, zone| Dates::at(now()).with(format, zone).unwrap_err().reason;
    assert_eq!(bad(Some("qqq"), None), "invalid format: [qqq]: unknown pattern letter `q`");
    assert_eq!(bad(Some("yyyy'T"), None), "invalid format: [yyyy'T]: a quote is not closed");
    assert!(bad(None, Some("Mars/Olympus")).starts_with("unknown time zone [Mars/Olympus]"));
    assert!(bad(None, Some("+99:00")).starts_with("unknown time zone [+99:00]"));
}

#[test]
fn times_are_printed_in_the_first_format() {
    let cases = [
        ("strict_date_optional_time", None, "2026-11-20T14:03:07.123Z"),
        ("strict_date_optional_time_nanos", None, "2026-11-20T14:03:07.123456789Z"),
        ("strict_date_optional_time", Some("Europe/Berlin"), "2026-11-20T15:03:07.123+01:00"),
        ("epoch_millis", None, "1795183387123"),
        ("epoch_second", None, "1795183387"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", None, "2026-11-20T14:03:07.123+0000"),
        ("d.M.yy H:m||yyyy", None, "20.11.26 14:3"),
        ("date", None, "2026-11-20"),
    ];
    for (format, zone, want) in cases {
        let zone = zone.map_or(TimeZone::UTC, |z| time_zone(z).unwrap());
        assert_eq!(Formats::parse(format).unwrap().print(now(), &zone), want, "{format}");
    }
}

#[test]
fn durations() {
    let s = 1_000_000_000;
    let cases = [
        ("15m", Some(900 * s)),
        ("1h30m", Some(5400 * s)),
        ("7d", Some(7 * 86_400 * s)),
        ("2w", Some(14 * 86_400 * s)),
        ("500ms", Some(s / 2)),
        ("", None),
        ("15", None),
        ("m", None),
        ("1.5h", None),
        ("-1h", None),
        ("99999999999999w", None),
    ];
    for (text, want) in cases {
        assert_eq!(duration(text), want, "{text}");
    }
    let values =
        [("30s", Some(30 * s)), ("-1", Some(-1)), ("0", Some(0)), ("1h30m", None), ("1w", None)];
    for (text, want) in values {
        assert_eq!(time_value(text), want, "{text}");
    }
    let dates = Dates::at(now());
    let read = |text| moment(&dates, text, Rounding::Down).map(|t| t.rfc3339());
    assert_eq!(read("15m").unwrap(), "2026-11-20T13:48:07.123456789Z");
    assert_eq!(read("2026-11-20").unwrap(), "2026-11-20T00:00:00.000Z");
    assert!(read("soon").unwrap_err().reason.starts_with("cannot read the time `soon`"));
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,30}", zone in "\\PC{0,8}", format in "\\PC{0,12}") {
        let _ = time_zone(&zone);
        let dates = Dates::at(now());
        let _ = dates.clone().with(Some(&format), None).map(|d| d.read(&text, Rounding::Up));
        let _ = moment(&dates, &text, Rounding::Up);
    }

    #[test]
    fn near_misses_never_panic(
        ns in any::<i64>(),
        text in "(now|[0-9]{4}-[0-9]{2}-[0-9]{2}\\|\\|)([+/-][0-9]{0,5}[yMwdhms]){0,4}",
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "-12:00"]),
    ) {
        let dates = Dates::at(Timestamp(ns)).with(None, Some(zone)).unwrap();
        let down = dates.read(&text, Rounding::Down);
        let up = dates.read(&text, Rounding::Up);
        if let (Ok(down), Ok(up)) = (down, up) {
            prop_assert!(down <= up || text.contains('/'));
        }
    }

    #[test]
    fn printed_times_read_back(ns in any::<i64>()) {
        let formats = Formats::parse("strict_date_optional_time_nanos").unwrap();
        let printed = formats.print(Timestamp(ns), &TimeZone::UTC);
        prop_assert_eq!(formats.read(&printed, &TimeZone::UTC, Rounding::Down), Some(Timestamp(ns)));
    }
}
