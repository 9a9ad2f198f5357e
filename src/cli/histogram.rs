//! How are matching lines spread over time? A histogram in text, by level.

use std::io::Write;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::client::Client;
use super::line::{Colour, escaped, level_colour, paint};
use super::search::Args;

const ROWS_MAX: &str = "40";
const BAR_CELLS: u64 = 40;
const LEVEL: &str = "log.level";

/// One row: start in milliseconds, lines, lines by level.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    from_ms: i64,
    lines: u64,
    levels: Vec<(String, u64)>,
}

/// Rows and the width of each.
struct Histogram {
    interval_ms: u64,
    rows: Vec<Row>,
}

/// Prints bars.
pub(super) fn print(
    client: &Client,
    args: &Args,
    colour: Colour,
    out: &mut impl Write,
) -> Result<()> {
    let histogram = ask(client, args)?;
    if histogram.rows.is_empty() {
        writeln!(out, "no line matches `{}`", args.query)?;
        return Ok(());
    }
    let zone = TimeZone::system();
    let most = histogram.rows.iter().map(|row| row.lines).max().unwrap_or(0);
    for row in &histogram.rows {
        writeln!(out, "{}", render(row, most, &zone, colour))?;
    }
    let lines: u64 = histogram.rows.iter().map(|row| row.lines).sum();
    writeln!(out, "{lines} lines, {} a row", width(histogram.interval_ms))?;
    Ok(())
}

/// Prints one JSON object a row.
pub(super) fn print_json(client: &Client, args: &Args, out: &mut impl Write) -> Result<()> {
    for row in ask(client, args)?.rows {
        let levels: serde_json::Map<String, Json> =
            row.levels.into_iter().map(|(level, lines)| (level, lines.into())).collect();
        let at = utc(row.from_ms);
        writeln!(out, "{}", json!({"time": at, "lines": row.lines, "levels": levels}))?;
    }
    Ok(())
}

fn ask(client: &Client, args: &Args) -> Result<Histogram> {
    let mut parameters = args.parameters();
    parameters.extend([("buckets", ROWS_MAX), ("by", LEVEL)]);
    let answer = client.get("/api/v1/histogram", &parameters, &args.query)?;
    let buckets = answer["buckets"].as_array();
    let buckets = buckets.context("the answer holds no buckets; is this a Logdrive server?")?;
    let interval_ms = answer["interval_ms"].as_u64().unwrap_or(0);
    Ok(Histogram { interval_ms, rows: buckets.iter().map(row).collect() })
}

fn row(bucket: &Json) -> Row {
    let levels = bucket["by"].as_array().map(Vec::as_slice).unwrap_or_default();
    let level = |b: &Json| {
        let key = b["key"].as_str().map_or_else(|| b["key"].to_string(), str::to_owned);
        (key, b["count"].as_u64().unwrap_or(0))
    };
    let mut levels: Vec<(String, u64)> = levels.iter().map(level).collect();
    levels.sort_by_key(|(level, _)| rank(level));
    let from_ms = bucket["time_ms"].as_f64().unwrap_or(0.0) as i64;
    Row { from_ms, lines: bucket["count"].as_u64().unwrap_or(0), levels }
}

/// A width of rows as people say it.
fn width(ms: u64) -> String {
    let seconds = ms / 1000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let fits = units.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// The gravest first.
fn rank(level: &str) -> u8 {
    match level.to_ascii_lowercase().as_str() {
        "emerg" | "emergency" | "alert" | "panic" => 0,
        "crit" | "critical" | "fatal" => 1,
        "error" | "err" | "severe" => 2,
        "warn" | "warning" => 3,
        "notice" => 4,
        "info" | "information" => 5,
        "debug" => 6,
        _ => 7,
    }
}

fn render(row: &Row, most: u64, zone: &TimeZone, colour: Colour) -> String {
    let at = jiff::Timestamp::from_millisecond(row.from_ms).unwrap_or_default();
    let at = at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut out = format!("{at} {:>9} ", row.lines);
    let mut drawn = 0;
    let mut counted = 0;
    for (level, lines) in &row.levels {
        counted += lines;
        // What was seen at all is seen in the bar, too.
        let end = cells(counted, most).max(drawn + u64::from(*lines > 0 && drawn < BAR_CELLS));
        paint(&mut out, &"█".repeat((end - drawn) as usize), level_colour(level), colour);
        drawn = end;
    }
    let end = cells(row.lines, most).max(drawn);
    out.push_str(&"█".repeat((end - drawn) as usize));
    out.push_str(&" ".repeat(BAR_CELLS.saturating_sub(end) as usize));
    for (level, lines) in &row.levels {
        out.push_str("  ");
        paint(&mut out, &format!("{} {lines}", escaped(level)), level_colour(level), colour);
    }
    out.truncate(out.trim_end().len());
    out
}

fn cells(lines: u64, most: u64) -> u64 {
    (lines * BAR_CELLS).div_ceil(most.max(1))
}

fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_said_in_the_largest_unit() {
        for (s, expected) in [(1, "1s"), (90, "90s"), (120, "2m"), (7_200, "2h"), (86_400, "1d")] {
            assert_eq!(width(s * 1000), expected);
        }
    }

    #[test]
    fn bars_are_scaled_and_ordered_by_gravity() {
        let bucket = json!({"time_ms": 1_000, "count": 100, "by": [
            {"key": "info", "count": 89}, {"key": "error", "count": 1},
            {"key": "warn", "count": 10},
        ]});
        let row = row(&bucket);
        assert_eq!(
            row.levels.iter().map(|l| l.0.as_str()).collect::<Vec<_>>(),
            ["error", "warn", "info"]
        );
        let text = render(&row, 200, &TimeZone::UTC, Colour::Off);
        let bar = "█".repeat(20) + &" ".repeat(20);
        assert_eq!(text, format!("1970-01-01 00:00:01       100 {bar}  error 1  warn 10  info 89"));
        let coloured = render(&row, 200, &TimeZone::UTC, Colour::On);
        assert!(coloured.contains("\x1b[31m█\x1b[0m\x1b[33m██\x1b[0m"), "{coloured:?}");
    }

    #[test]
    fn levels_that_no_field_names_are_drawn_too() {
        let row = row(&json!({"time_ms": 0, "count": 10}));
        let text = render(&row, 10, &TimeZone::UTC, Colour::Off);
        assert!(text.ends_with(&"█".repeat(40)), "{text}");
    }
}
