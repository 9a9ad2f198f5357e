//! How does a log record look on a terminal? Time, level, service, message: one line, in colour.
//!
//! What comes from logs is shown, never obeyed: control characters are escaped.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use model::time::Timestamp;
use serde_json::Value as Json;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    On,
    Off,
}

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";

const TIME_PATHS: [&str; 2] = ["@timestamp", "timestamp"];
const LEVEL_PATHS: [&str; 4] = ["log.level", "level", "severity_text", "severity"];
const SERVICE_PATHS: [&str; 4] =
    ["service.name", "kubernetes.container.name", "log.file.path", "host.name"];
const MESSAGE_PATHS: [&str; 5] = ["message", "msg", "body", "event.original", "log"];

/// One hit as text, without a line end at its end.
pub(super) fn render(source: &Json, zone: &TimeZone, colour: Colour) -> String {
    let level = first(source, &LEVEL_PATHS).unwrap_or_default();
    let service = first(source, &SERVICE_PATHS).unwrap_or_default();
    let service = service.rsplit('/').next().unwrap_or_default();
    let message = first(source, &MESSAGE_PATHS).unwrap_or_else(|| source.to_string());
    let time = first(source, &TIME_PATHS).unwrap_or_default();
    let mut out = String::new();
    paint(&mut out, &local_time(&time, zone), DIM, colour);
    let level_text = format!(" {:<5}", escaped(&level).to_uppercase());
    paint(&mut out, &level_text, level_colour(&level), colour);
    if !service.is_empty() {
        paint(&mut out, &format!(" {}", escaped(service)), CYAN, colour);
    }
    for (n, line) in message.trim_end().lines().enumerate() {
        out.push_str(if n == 0 { "  " } else { "\n    " });
        out.push_str(&escaped(line));
    }
    out
}

/// Surrounds `text` by the colour, if colours are on.
pub(super) fn paint(out: &mut String, text: &str, code: &str, colour: Colour) {
    match colour {
        Colour::On if !code.is_empty() => {
            let _ = write!(out, "{code}{text}{RESET}");
        }
        _ => out.push_str(text),
    }
}

/// The colour of a level.
pub(super) fn level_colour(level: &str) -> &'static str {
    match level.to_ascii_lowercase().as_str() {
        "emerg" | "emergency" | "alert" | "crit" | "critical" | "fatal" | "panic" | "error"
        | "err" | "severe" => RED,
        "warn" | "warning" => YELLOW,
        "info" | "notice" | "information" => GREEN,
        "debug" | "trace" | "verbose" => DIM,
        _ => "",
    }
}

/// The first of the dotted paths that has a value, as text.
fn first(source: &Json, paths: &[&str]) -> Option<String> {
    let found = paths.iter().find_map(|path| lookup(source, path))?;
    match found {
        Json::String(text) => Some(text.clone()),
        Json::Null | Json::Object(_) => None,
        other => Some(other.to_string()),
    }
}

/// The value at a dotted path, whether its names are nested or dotted.
fn lookup<'a>(value: &'a Json, path: &str) -> Option<&'a Json> {
    let object = value.as_object()?;
    if let Some(found) = object.get(path) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(at, _)| lookup(object.get(&path[..at])?, &path[at + 1..]))
}

/// A time of a document in the reader's time zone, to the millisecond; as it is if it is none.
fn local_time(text: &str, zone: &TimeZone) -> String {
    let at = Timestamp::parse(text)
        .and_then(|at| jiff::Timestamp::from_nanosecond(i128::from(at.0)).ok());
    match at {
        Some(at) => {
            at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
        }
        None => escaped(text),
    }
}

/// The text with what a terminal would obey made visible.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if c.is_control() || is_direction(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder what stands around them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(source: Json, expected: &str) {
        assert_eq!(render(&source, &TimeZone::UTC, Colour::Off), expected);
    }

    #[test]
    fn hits_are_read_from_nested_and_dotted_names() {
        let time = "2026-11-20T14:03:11.123456Z";
        let expected = "2026-11-20 14:03:11.123 ERROR checkout  payment failed";
        check(
            json!({"@timestamp": time, "log": {"level": "error"}, "service": {"name": "checkout"},
                   "message": "payment failed"}),
            expected,
        );
        check(
            json!({"@timestamp": time, "log.level": "error", "service.name": "checkout",
                   "message": "payment failed\n"}),
            expected,
        );
        check(
            json!({"@timestamp": time, "log": {"file.path": "/var/log/app/cart.log"}, "msg": "x"}),
            "2026-11-20 14:03:11.123       cart.log  x",
        );
        check(json!({"a": 1}), "        {\"a\":1}");
        check(
            json!({"@timestamp": time, "level": "warn", "message": "one\n  at two"}),
            "2026-11-20 14:03:11.123 WARN   one\n      at two",
        );
    }

    #[test]
    fn logs_cannot_command_the_terminal() {
        check(json!({"message": "a\x1b[2Jb\u{202e}c"}), "        a\\u{1b}[2Jb\\u{202e}c");
    }

    #[test]
    fn levels_are_coloured_only_when_asked() {
        let source = json!({"level": "ERROR", "message": "m"});
        assert!(render(&source, &TimeZone::UTC, Colour::On).contains("\x1b[31m ERROR\x1b[0m"));
        assert!(!render(&source, &TimeZone::UTC, Colour::Off).contains('\x1b'));
    }
}
