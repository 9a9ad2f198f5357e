use super::*;
use proptest::prelude::*;

/// 2026-11-20T15:00:00Z
const NOW: &str = "2026-11-20T15:00:00Z";

fn context(now: &str) -> Context {
    Context { now: Timestamp::parse(now).expect("a time"), zone_offset_minutes: 0 }
}

fn check(line: &str, want_time: &str, want_level: &str) {
    let found = detect(line, &context(NOW));
    let time = found.time.map(Timestamp::rfc3339).unwrap_or_default();
    let level = found.level.map(Level::as_str).unwrap_or_default();
    assert_eq!((time.as_str(), level), (want_time, want_level), "{line}");
}

#[test]
fn common_forms() {
    for (line, time, level) in [
        ("2026-11-20T14:03:00Z hello", "2026-11-20T14:03:00.000Z", ""),
        ("2026-11-20T14:03:00.123456789+01:00 INFO x", "2026-11-20T13:03:00.123456789Z", "info"),
        ("2026-11-20 14:03:00,123 ERROR [main] x", "2026-11-20T14:03:00.123Z", "error"),
        ("2026-11-20 14:03:00.123 UTC [77] LOG:  x", "2026-11-20T14:03:00.123Z", ""),
        ("2026-11-20 14:03:00-0500 WARNING x", "2026-11-20T19:03:00.000Z", "warn"),
        ("2026/11/20 14:03:00 [error] 7#7: *1 open()", "2026-11-20T14:03:00.000Z", "error"),
        ("2026.11.20 14:03:00.5 [ 1 ] <Debug> x", "2026-11-20T14:03:00.500Z", "debug"),
        (
            r#"10.0.0.1 - - [20/Nov/2026:14:03:00 +0100] "GET / HTTP/1.1" 500 12"#,
            "2026-11-20T13:03:00.000Z",
            "",
        ),
        ("Nov 20 14:03:00 host app[1]: error: x", "2026-11-20T14:03:00.000Z", "error"),
        ("<34>Nov  9 14:03:00 host su: failed", "2026-11-09T14:03:00.000Z", "critical"),
        ("<165>1 2026-11-20T14:03:00.003Z host app - x", "2026-11-20T14:03:00.003Z", "notice"),
        ("Nov 20 2026 14:03:00: %ASA-6-302013: x", "2026-11-20T14:03:00.000Z", ""),
        ("Nov 20, 2026 2:03:00 PM com.x.Y run", "2026-11-20T14:03:00.000Z", ""),
        ("[Sun Dec 04 04:47:44 2005] [notice] x", "2005-12-04T04:47:44.000Z", "notice"),
        ("Fri Nov 20 14:03:00 UTC 2026 up", "2026-11-20T14:03:00.000Z", ""),
        ("Fri, 20 Nov 2026 14:03:00 GMT x", "2026-11-20T14:03:00.000Z", ""),
        ("1:M 20 Nov 2026 14:03:00.123 * Ready", "2026-11-20T14:03:00.123Z", ""),
        ("20-Nov-2026 14:03:00.123 INFO [main] x", "2026-11-20T14:03:00.123Z", "info"),
        ("17/06/09 20:10:40 INFO x", "2017-06-09T20:10:40.000Z", "info"),
        ("081109 203615 148 INFO dfs.DataNode x", "2008-11-09T20:36:15.000Z", "info"),
        ("2005-06-03-15.42.50.363779 R02 x", "2005-06-03T15:42:50.363779000Z", ""),
        ("1700000000 start", "2023-11-14T22:13:20.000Z", ""),
        ("1700000000.250 180 10.0.0.1 TCP_MISS", "2023-11-14T22:13:20.250Z", ""),
        ("1700000000123 start", "2023-11-14T22:13:20.123Z", ""),
        ("20171223-22:15:29:606|Step_LSC|30", "2017-12-23T22:15:29.606Z", ""),
        ("20171224-1:2:35:789|Step_LSC|30", "2017-12-24T01:02:35.789Z", ""),
        ("20261120T140300Z x", "2026-11-20T14:03:00.000Z", ""),
        ("03-17 16:13:38.811  1702  2395 D Window: x", "2026-03-17T16:13:38.811Z", "debug"),
        ("[10.30 16:49:06] chrome.exe - x", "2026-10-30T16:49:06.000Z", ""),
        ("I1120 14:03:00.123456       1 main.go:5] x", "2026-11-20T14:03:00.123456000Z", "info"),
        ("- 1117838570 2005.06.03 R02 RAS KERNEL INFO x", "2005-06-03T22:42:50.000Z", "info"),
        (
            "nova.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova x",
            "2017-05-16T00:00:00.008Z",
            "info",
        ),
        ("2016-09-28 04:30:30, Info      CBS    Loaded", "2016-09-28T04:30:30.000Z", "info"),
        ("time=2026-11-20T14:03:00Z level=warn msg=x", "2026-11-20T14:03:00.000Z", "warn"),
        ("level=\"Error\" msg=x", "", "error"),
        ("[FATAL] x", "", "fatal"),
        ("warning: unused", "", "warn"),
    ] {
        check(line, time, level);
    }
}

#[test]
fn json_lines_are_asked_for_their_own_fields() {
    for (line, time, level) in [
        (
            r#"{"msg":"2001-01-01T00:00:00Z","ts":1700000000.5,"level":"warning"}"#,
            "2023-11-14T22:13:20.500Z",
            "warn",
        ),
        (
            r#"{"time":"x","@timestamp":"2026-11-20T14:03:00Z","log":{"level":"ERROR","a":[1]}}"#,
            "2026-11-20T14:03:00.000Z",
            "error",
        ),
        (r#"{"level":30,"time":1700000000123,"msg":"x"}"#, "2023-11-14T22:13:20.123Z", "info"),
        (r#"{"ts":"Nov 20 14:03:00","log":"text"}"#, "2026-11-20T14:03:00.000Z", ""),
        (r#"{"time":0.25,"msg":"INFO 2026-11-20T14:03:00Z"}"#, "", ""),
        // Cut off, so not JSON: read like any other line.
        (r#"{"time":"2026-11-20T14:03:00Z","level":"inf"#, "2026-11-20T14:03:00.000Z", ""),
    ] {
        check(line, time, level);
    }
}

#[test]
fn what_only_looks_like_a_time_or_a_level() {
    for line in [
        "",
        "plain words",
        "no error found, all info given",
        "2026-11-20 only a date",
        "2026-13-20 14:03:00 no such month",
        "2026-02-29 14:03:00 no such day",
        "2026-11-20 25:03:00 no such hour",
        "version 10.20 16:4:99",
        "call 1234567890 now",
        "9999999999 too far",
        "INFORMATIVE text",
        "march 5 is a date",
        "/var/log/2026-11-20T14:03:00Z.log",
        "[12345.678901] usb 1-1: new device",
    ] {
        check(line, "", "");
    }
}

#[test]
fn a_year_is_inferred_and_never_far_in_the_future() {
    for (now, line, want) in [
        ("2026-01-01T00:10:00Z", "Dec 31 23:59:59 x", "2025-12-31T23:59:59.000Z"),
        ("2025-12-31T23:59:50Z", "Jan  1 00:00:10 x", "2026-01-01T00:00:10.000Z"),
        ("2026-06-01T00:00:00Z", "Jun  2 00:00:00 x", "2026-06-02T00:00:00.000Z"),
        ("2026-06-01T00:00:00Z", "Jun  2 00:00:01 x", "2025-06-02T00:00:01.000Z"),
        ("2026-06-01T00:00:00Z", "Feb 29 12:00:00 x", "2024-02-29T12:00:00.000Z"),
    ] {
        let found = detect(line, &context(now)).time.map(Timestamp::rfc3339);
        assert_eq!(found.as_deref(), Some(want), "{line} at {now}");
    }
}

#[test]
fn a_setting_gives_the_zone_where_the_line_has_none() {
    let mut context = context(NOW);
    context.zone_offset_minutes = 120;
    for (line, want) in [
        ("2026-11-20 14:03:00 x", "2026-11-20T12:03:00.000Z"),
        ("2026-11-20 14:03:00Z x", "2026-11-20T14:03:00.000Z"),
        (r#"{"time":"2026-11-20 14:03:00"}"#, "2026-11-20T12:03:00.000Z"),
        ("1700000000 x", "2023-11-14T22:13:20.000Z"),
    ] {
        let found = detect(line, &context).time.map(Timestamp::rfc3339);
        assert_eq!(found.as_deref(), Some(want), "{line}");
    }
}

proptest! {
    #[test]
    fn any_line_is_read_without_panic(line in "\\PC{0,300}") {
        let _ = detect(&line, &context(NOW));
    }

    #[test]
    fn near_misses_are_read_without_panic(
        line in "[IWE<\\[{]?[0-9]{1,20}[-/. :T]?([0-9]{1,4}|Nov)[-/. :]?[0-9]{1,20}[-/. :,+0-9ZAPM]{0,40}"
    ) {
        let _ = detect(&line, &context(NOW));
    }

    #[test]
    fn every_instant_is_found_where_a_logger_puts_it(ns in 0_i64..4_000_000_000_000_000_000) {
        let t = Timestamp(ns);
        let line = format!("{} INFO x", t.rfc3339());
        prop_assert_eq!(detect(&line, &context(NOW)).time, Some(t));
    }
}
