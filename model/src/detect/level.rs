//! How grave is a line? Finds the word, the key or the sign that says so.
//!
//! Upper-case words count where they stand alone; other spellings only where their place shows
//! that they are meant: after `level=`, in brackets, right after the time, before a colon. Knows
//! nothing of what the rest of the line means: a status of 500 is not a level.

/// How grave a line is, in the names of syslog and of the common loggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `trace`
    Trace,
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `notice`
    Notice,
    /// `warn`
    Warn,
    /// `error`
    Error,
    /// `critical`
    Critical,
    /// `alert`
    Alert,
    /// `fatal`
    Fatal,
    /// `panic`
    Panic,
    /// `emergency`
    Emergency,
}

const NAMES: &[(&[u8], Level)] = &[
    (b"INFO", Level::Info),
    (b"INFORMATION", Level::Info),
    (b"ERROR", Level::Error),
    (b"ERR", Level::Error),
    (b"SEVERE", Level::Error),
    (b"WARN", Level::Warn),
    (b"WARNING", Level::Warn),
    (b"DEBUG", Level::Debug),
    (b"TRACE", Level::Trace),
    (b"VERBOSE", Level::Trace),
    (b"NOTICE", Level::Notice),
    (b"FATAL", Level::Fatal),
    (b"CRITICAL", Level::Critical),
    (b"CRIT", Level::Critical),
    (b"ALERT", Level::Alert),
    (b"EMERG", Level::Emergency),
    (b"EMERGENCY", Level::Emergency),
    (b"PANIC", Level::Panic),
];

/// A bare word that begins later is part of the message.
const WORD_START_MAX: usize = 128;

impl Level {
    /// The name in lower case, as `log.level` holds it.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Notice => "notice",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
            Level::Alert => "alert",
            Level::Fatal => "fatal",
            Level::Panic => "panic",
            Level::Emergency => "emergency",
        }
    }

    /// The level of a name in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
    }

    /// The level of a syslog severity (the last three bits of a priority).
    pub fn from_syslog(severity: u8) -> Self {
        match severity & 7 {
            0 => Level::Emergency,
            1 => Level::Alert,
            2 => Level::Critical,
            3 => Level::Error,
            4 => Level::Warn,
            5 => Level::Notice,
            6 => Level::Info,
            _ => Level::Debug,
        }
    }

    /// The level of a number in a JSON line (bunyan, pino: 10 to 60).
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            10 => Some(Level::Trace),
            20 => Some(Level::Debug),
            30 => Some(Level::Info),
            40 => Some(Level::Warn),
            50 => Some(Level::Error),
            60 => Some(Level::Fatal),
            _ => None,
        }
    }
}

/// The level of a line whose time, if it has one, ends at `time_end`.
pub(super) fn find(line: &[u8], time_end: Option<usize>) -> Option<Level> {
    key_value(line)
        .or_else(|| klog(line))
        .or_else(|| logcat(line, time_end?))
        .or_else(|| word(line, time_end.unwrap_or(0)))
        .or_else(|| priority(line))
}

/// `level=info`, `lvl=warn`, `severity="ERROR"`, `"level":"info"`.
fn key_value(line: &[u8]) -> Option<Level> {
    for (at, byte) in line.iter().enumerate() {
        if !matches!(byte, b'=' | b':') {
            continue;
        }
        let key = &line[..at];
        let key = key.strip_suffix(b"\"").unwrap_or(key);
        if !["level", "lvl", "severity", "loglevel"].iter().any(|k| ends_with_word(key, k)) {
            continue;
        }
        let value = &line[at + 1..];
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let word = &value[..word_len(value)];
        if let Some(level) = Level::from_name(word) {
            return Some(level);
        }
    }
    None
}

fn ends_with_word(text: &[u8], word: &str) -> bool {
    let Some(start) = text.len().checked_sub(word.len()) else { return false };
    text[start..].eq_ignore_ascii_case(word.as_bytes())
        && (start == 0 || !text[start - 1].is_ascii_alphanumeric())
}

fn word_len(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
}

/// `I1120 14:03:00.123456`.
fn klog(line: &[u8]) -> Option<Level> {
    let digits = line.get(1..5)?.iter().all(u8::is_ascii_digit);
    if !digits || line.get(5) != Some(&b' ') || line.get(8) != Some(&b':') {
        return None;
    }
    letter(line[0]).filter(|_| b"IWEFD".contains(&line[0]))
}

/// Android's `03-17 16:13:38.811  1702  2395 D Tag: …` and `03-17 16:13:38.811 D/Tag( 1702): …`.
fn logcat(line: &[u8], time_end: usize) -> Option<Level> {
    let date = line.get(..5)?;
    if date[2] != b'-' || !date[0].is_ascii_digit() {
        return None;
    }
    let mut rest = line.get(time_end..)?.trim_ascii_start();
    for _ in 0..2 {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        rest = rest[digits..].trim_ascii_start();
    }
    matches!(rest.get(1), Some(b' ' | b'/')).then(|| letter(rest[0]))?
}

fn letter(letter: u8) -> Option<Level> {
    match letter {
        b'V' => Some(Level::Trace),
        b'D' => Some(Level::Debug),
        b'I' => Some(Level::Info),
        b'W' => Some(Level::Warn),
        b'E' => Some(Level::Error),
        b'F' | b'A' => Some(Level::Fatal),
        _ => None,
    }
}

/// The first word of the line that is meant as a level.
fn word(line: &[u8], time_end: usize) -> Option<Level> {
    let mut at = 0;
    while at < line.len().min(WORD_START_MAX) {
        if !line[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let len = word_len(&line[at..]);
        let end = at + len;
        let alone = (at == 0 || opens(line[at - 1])) && line.get(end).is_none_or(|b| closes(*b));
        if alone && (3..=11).contains(&len) {
            let level = Level::from_name(&line[at..end]);
            if level.is_some() && is_meant(line, at, end, time_end) {
                return level;
            }
        }
        at = end;
    }
    None
}

fn opens(before: u8) -> bool {
    matches!(before, b' ' | b'\t' | b'[' | b'(' | b'<' | b'|' | b':' | b'*' | b'-' | b'"' | b'\'')
}

fn closes(after: u8) -> bool {
    matches!(
        after,
        b' ' | b'\t' | b']' | b')' | b'>' | b'|' | b':' | b',' | b'*' | b'-' | b'"' | b'\'' | b';'
    )
}

fn is_meant(line: &[u8], at: usize, end: usize, time_end: usize) -> bool {
    if line[at..end].iter().all(u8::is_ascii_uppercase) {
        return true;
    }
    let bracketed = at > 0
        && matches!(
            (line[at - 1], line.get(end)),
            (b'[', Some(b']' | b':'))
                | (b'(', Some(b')'))
                | (b'<', Some(b'>'))
                | (b'|', Some(b'|'))
        );
    let after_time = time_end > 0
        && at >= time_end
        && line[time_end..at].iter().all(|b| matches!(b, b' ' | b'\t' | b',' | b'-' | b']' | b'['));
    let before_colon = line.get(end) == Some(&b':')
        && (at == 0 || line[..at].ends_with(b": ") || line[..at].ends_with(b"] "));
    bracketed || after_time || before_colon
}

/// Syslog's `<34>` at the start.
fn priority(line: &[u8]) -> Option<Level> {
    let rest = line.strip_prefix(b"<")?;
    let digits = rest.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if !(1..=3).contains(&digits) || rest.get(digits) != Some(&b'>') {
        return None;
    }
    let value = rest[..digits].iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0'));
    (value <= 191).then(|| Level::from_syslog((value & 7) as u8))
}
