//! How does each service write its lines? One function a format; times are UTC.

use jiff::tz::TimeZone;

fn zoned(at_ns: i64) -> jiff::ZonedDateTime {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or_default();
    at.to_zoned_datetime(TimeZone::UTC)
}

fn strftime(at_ns: i64, format: &str) -> String {
    zoned(at_ns).strftime(format).to_string()
}

/// `2026-11-20T14:03:11.123Z` with so many digits after the point.
pub(super) fn rfc3339(at_ns: i64, digits: u8) -> String {
    match digits {
        0 => strftime(at_ns, "%Y-%m-%dT%H:%M:%SZ"),
        3 => strftime(at_ns, "%Y-%m-%dT%H:%M:%S%.3fZ"),
        6 => strftime(at_ns, "%Y-%m-%dT%H:%M:%S%.6fZ"),
        _ => strftime(at_ns, "%Y-%m-%dT%H:%M:%S%.9fZ"),
    }
}

/// `20/Nov/2026:14:03:11 +0000`, as in web servers' access logs.
pub(super) fn clf_time(at_ns: i64) -> String {
    strftime(at_ns, "%d/%b/%Y:%H:%M:%S +0000")
}

/// Logback: `2026-11-20 14:03:11,123 ERROR [thread] logger - message`.
pub(super) fn logback(at_ns: i64, level: &str, thread: u64, logger: &str, message: &str) -> String {
    let time = strftime(at_ns, "%Y-%m-%d %H:%M:%S");
    let ms = at_ns.rem_euclid(1_000_000_000) / 1_000_000;
    format!("{time},{ms:03} {level:<5} [http-nio-8080-exec-{thread}] {logger} - {message}")
}

/// Python's logging: `2026-11-20 14:03:11,123 - logger - LEVEL - message`.
pub(super) fn python(at_ns: i64, level: &str, logger: &str, message: &str) -> String {
    let time = strftime(at_ns, "%Y-%m-%d %H:%M:%S");
    let ms = at_ns.rem_euclid(1_000_000_000) / 1_000_000;
    format!("{time},{ms:03} - {logger} - {level} - {message}")
}

/// klog: `I1120 14:03:11.123456       1 file.go:42] message`.
pub(super) fn klog(at_ns: i64, level: char, place: &str, message: &str) -> String {
    format!("{level}{}       1 {place}] {message}", strftime(at_ns, "%m%d %H:%M:%S%.6f"))
}

/// Rails: `I, [2026-11-20T14:03:11.123456 #4312]  INFO -- : [request] message`.
pub(super) fn rails(at_ns: i64, level: &str, request: &str, message: &str) -> String {
    let time = strftime(at_ns, "%Y-%m-%dT%H:%M:%S%.6f");
    let letter = level.chars().next().unwrap_or('I');
    format!("{letter}, [{time} #4312] {level:>5} -- : [{request}] {message}")
}

/// Syslog of RFC 5424 with structured data; facility local0.
pub(super) fn syslog(at_ns: i64, severity: u8, kind: &str, data: &str, message: &str) -> String {
    let priority = 16 * 8 + severity;
    let time = rfc3339(at_ns, 3);
    format!("<{priority}>1 {time} inv-2 inventory 712 {kind} [shop@32473 {data}] {message}")
}

/// CRI: `2026-11-20T14:03:11.123456789Z stdout F message`.
pub(super) fn cri(at_ns: i64, stream: &str, message: &str) -> String {
    format!("{} {stream} F {message}", rfc3339(at_ns, 9))
}

/// PostgreSQL's stderr log: `2026-11-20 14:03:11.123 UTC [4312] user@db LEVEL:  message`.
pub(super) fn postgres(at_ns: i64, process: u64, level: &str, message: &str) -> String {
    let time = strftime(at_ns, "%Y-%m-%d %H:%M:%S%.3f");
    format!("{time} UTC [{process}] shop@shop {level}:  {message}")
}

/// A value of logfmt, in quotes where it needs them.
pub(super) fn logfmt_value(value: &str) -> String {
    match value.contains([' ', '"', '=']) {
        true => format!("{value:?}"),
        false => value.to_owned(),
    }
}

/// The day and time that a certificate names in Java's words: `Fri Nov 20 14:03:11 UTC 2026`.
pub(super) fn java_date(at_ns: i64) -> String {
    strftime(at_ns, "%a %b %d %H:%M:%S UTC %Y")
}
