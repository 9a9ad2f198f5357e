//! When was a line written, and how grave is it? Finds the timestamp and the level of a log line.
//!
//! Looks at the first [`WINDOW_BYTES`] only, byte by byte, without tables or regular expressions.
//! Knows nothing of files, zones' names or the rest of the line. Forms of time, in the order of
//! the line (the first that is complete wins; a date without a time of day is not one):
//!
//! ```text
//! 2026-11-20T14:03:00.123+01:00   2026/11/20 14:03:00,123   2026-11-20-14.03.00.123456
//! 20261120T140300Z                20261120-14:3:0:606       26/11/20 14:03:00
//! 20/Nov/2026:14:03:00 +0000      20-Nov-2026 14:03:00      20 Nov 2026 14:03:00
//! Nov 20 14:03:00                 Nov 20, 2026 2:03:00 PM   Fri Nov 20 14:03:00 2026
//! 11-20 14:03:00.123              [11.20 14:03:00]
//! only where the line begins: 261120 140300, I1120 14:03:00.123456, and seconds, milliseconds,
//! microseconds or nanoseconds since 1970
//! ```

mod forms;
mod json;
mod level;
#[cfg(test)]
mod tests;

pub use level::Level;

use crate::time::Timestamp;

/// How much of a line is looked at.
pub const WINDOW_BYTES: usize = 256;

/// A timestamp that begins later in the line is part of the message.
const START_BYTES_MAX: usize = 96;

/// What a line does not say about its time.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Now: gives the year to forms without one. Such a time is at most a day in the future.
    pub now: Timestamp,
    /// Minutes east of UTC of times without a zone.
    pub zone_offset_minutes: i32,
}

/// What a line says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// When it was written.
    pub time: Option<Timestamp>,
    /// How grave it is.
    pub level: Option<Level>,
}

/// Finds the time and the level of a line; never fails. A line that is a JSON object is asked for
/// its own `@timestamp`, `timestamp`, `time` or `ts` and `level`, `severity`, `log.level`, `lvl`.
pub fn detect(line: &str, context: &Context) -> Detected {
    if line.trim_start().starts_with('{')
        && let Some(found) = json::detect(line, context)
    {
        return found;
    }
    let bytes = line.as_bytes();
    let window = &bytes[..bytes.len().min(WINDOW_BYTES)];
    let time = find_time(window, context);
    let level = level::find(window, time.as_ref().map(|t| t.end));
    Detected { time: time.map(|t| t.time), level }
}

/// Reads a text that is nothing but a time, in any of the forms.
pub(crate) fn whole(text: &str, context: &Context) -> Option<Timestamp> {
    find_time(text.trim().as_bytes(), context).filter(|t| t.start == 0).map(|t| t.time)
}

struct FoundTime {
    time: Timestamp,
    start: usize,
    end: usize,
}

fn find_time(line: &[u8], context: &Context) -> Option<FoundTime> {
    if let Some((time, end)) = forms::at_line_start(line, context) {
        return Some(FoundTime { time, start: 0, end });
    }
    let mut at = 0;
    while at < line.len().min(START_BYTES_MAX) {
        if begins_token(line, at)
            && let Some((time, end)) = forms::anywhere(line, at, context)
        {
            return Some(FoundTime { time, start: at, end });
        }
        at += 1;
    }
    None
}

/// Whether a timestamp may begin here: after a space, a bracket, a quote or the like, not inside
/// a word, a path or a number.
fn begins_token(line: &[u8], at: usize) -> bool {
    let here = line[at].is_ascii_alphanumeric();
    here && (at == 0
        || matches!(
            line[at - 1],
            b' ' | b'\t'
                | b'['
                | b'('
                | b'<'
                | b'>'
                | b'{'
                | b'"'
                | b'\''
                | b'='
                | b':'
                | b','
                | b';'
                | b'|'
                | b'#'
                | b'*'
                | b'@'
        ))
}
