//! Which forms of time are there? Reads one timestamp at a place in a line.
//!
//! Knows nothing of where in the line it is worth looking.

use super::Context;
use crate::time::{NS_PER_S, Timestamp, days_from_civil, days_in};

type Read = Option<(Timestamp, usize)>;

const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
const WEEKDAYS: &[u8; 21] = b"sunmontuewedthufrisat";
/// Numbers before this (2000-01-01) are no seconds since 1970 but something else.
const EPOCH_MIN_S: i64 = 946_684_800;
const DAY_S: i64 = 86_400;

/// A place in a line.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

#[derive(Clone, Copy, Default)]
struct Date {
    /// `None`: to be inferred.
    year: Option<i64>,
    month: i64,
    day: i64,
}

#[derive(Clone, Copy, Default)]
struct TimeOfDay {
    seconds: i64,
    ns: i64,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn eat_any(&mut self, of: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|b| of.contains(b))?;
        self.at += 1;
        Some(byte)
    }

    fn spaces(&mut self) -> Option<()> {
        let start = self.at;
        while self.at - start < 4 && self.peek() == Some(b' ') {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn digit_run(&self) -> usize {
        self.bytes[self.at..].iter().take(20).take_while(|b| b.is_ascii_digit()).count()
    }

    /// A number of `min` to `max` digits, all that stand there.
    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let run = self.digit_run();
        (min..=max).contains(&run).then(|| self.take_digits(run))
    }

    /// Exactly `count` digits, others may follow.
    fn digits(&mut self, count: usize) -> Option<i64> {
        (self.digit_run() >= count).then(|| self.take_digits(count))
    }

    fn take_digits(&mut self, count: usize) -> i64 {
        let digits = &self.bytes[self.at..self.at + count];
        self.at += count;
        digits.iter().fold(0_i64, |n, b| n.wrapping_mul(10).wrapping_add(i64::from(b - b'0')))
    }

    /// A three-letter English name of `names`, upper or lower case: its number from 0.
    fn name(&mut self, names: &[u8]) -> Option<usize> {
        let word = self.bytes.get(self.at..self.at + 3)?;
        let found = names.chunks(3).position(|n| n.eq_ignore_ascii_case(word))?;
        self.at += 3;
        (!self.peek().is_some_and(|b| b.is_ascii_alphanumeric())).then_some(found)
    }

    fn month(&mut self) -> Option<i64> {
        self.name(MONTHS).map(|m| m as i64 + 1)
    }

    /// Whether no letter or digit follows.
    fn ends_word(&self) -> bool {
        !self.peek().is_some_and(|b| b.is_ascii_alphanumeric())
    }
}

/// Forms that are only believed at the very beginning.
pub(super) fn at_line_start(line: &[u8], context: &Context) -> Read {
    let at = usize::from(matches!(line.first(), Some(b'[')));
    let cursor = Cursor { bytes: line, at };
    match cursor.peek()? {
        b'0'..=b'9' => match cursor.digit_run() {
            6 => six_and_six(cursor, context),
            _ => epoch(cursor, context),
        },
        b'I' | b'W' | b'E' | b'F' | b'D' if cursor.at == 0 => klog(cursor, context),
        _ => labelled_epoch(line, context),
    }
}

/// The forms that are known by themselves.
pub(super) fn anywhere(line: &[u8], at: usize, context: &Context) -> Read {
    let cursor = Cursor { bytes: line, at };
    if !line[at].is_ascii_digit() {
        return month_first(cursor, context);
    }
    match cursor.digit_run() {
        4 => year_first(cursor, context),
        8 => compact(cursor, context),
        2 => short_numbers(cursor, context).or_else(|| day_first(cursor, context)),
        1 => day_first(cursor, context),
        _ => None,
    }
}

/// `2026-11-20T14:03:00.123Z`, `2026/11/20 14:03:00`, `2026-11-20-14.03.00.123456`.
fn year_first(mut c: Cursor<'_>, context: &Context) -> Read {
    let year = c.number(4, 4)?;
    let separator = c.eat_any(b"-/.")?;
    let month = c.number(1, 2)?;
    c.eat(separator)?;
    let day = c.number(1, 2)?;
    let date = Date { year: Some(year), month, day };
    let colon = match c.eat_any(b"Tt _-:")? {
        b' ' => {
            let _ = c.spaces();
            b':'
        }
        b'-' => *c.bytes.get(c.at + 2).filter(|b| **b == b'.').unwrap_or(&b':'),
        _ => b':',
    };
    finish(c, date, colon, context)
}

/// `20261120T140300Z`, `20261120-14:3:0:606`, `20261120 14:03:00`.
fn compact(mut c: Cursor<'_>, context: &Context) -> Read {
    let (year, month, day) = (c.digits(4)?, c.digits(2)?, c.digits(2)?);
    let date = Date { year: Some(year), month, day };
    c.eat_any(b"T -_")?;
    if c.digit_run() == 6 {
        let time = plain_time(&mut c)?;
        let zone = zone(&mut c);
        return Some((build(date, time, zone, context)?, c.at));
    }
    finish(c, date, b':', context)
}

/// `26/11/20 14:03:00` (year first), `11-20 14:03:00.123`, `11.20 14:03:00`.
fn short_numbers(mut c: Cursor<'_>, context: &Context) -> Read {
    let first = c.number(2, 2)?;
    let separator = c.eat_any(b"/-.")?;
    let second = c.number(2, 2)?;
    let date = match c.eat(separator) {
        Some(()) => {
            let day = c.number(2, 2)?;
            Date { year: Some(century(first)), month: second, day }
        }
        None if separator != b'/' => Date { year: None, month: first, day: second },
        None => return None,
    };
    c.eat(b' ')?;
    finish(c, date, b':', context)
}

/// `20/Nov/2026:14:03:00 +0000`, `20-Nov-2026 14:03:00`, `20 Nov 2026 14:03:00`.
fn day_first(mut c: Cursor<'_>, context: &Context) -> Read {
    let day = c.number(1, 2)?;
    let separator = c.eat_any(b"/- ")?;
    let month = c.month()?;
    c.eat(separator)?;
    let year = c.number(4, 4)?;
    let _ = c.eat(b',');
    c.eat_any(b": ")?;
    finish(c, Date { year: Some(year), month, day }, b':', context)
}

/// `Nov 20 14:03:00`, `Nov 20, 2026 2:03:00 PM`, `Fri Nov 20 14:03:00 UTC 2026`, and with the
/// weekday before any other form (`Fri, 20 Nov 2026 14:03:00 GMT`).
fn month_first(c: Cursor<'_>, context: &Context) -> Read {
    let mut weekday = c;
    if weekday.name(WEEKDAYS).is_some() {
        let _ = weekday.eat(b',');
        weekday.spaces()?;
        return match weekday.peek()? {
            b'0'..=b'9' => day_first(weekday, context),
            _ => month_day(weekday, Weekday::Before, context),
        };
    }
    month_day(c, Weekday::None, context)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Weekday {
    None,
    Before,
}

fn month_day(mut c: Cursor<'_>, weekday: Weekday, context: &Context) -> Read {
    let month = c.month()?;
    c.spaces()?;
    let day = c.number(1, 2)?;
    let comma = c.eat(b',').is_some();
    c.spaces()?;
    let mut date = Date { year: None, month, day };
    if c.digit_run() == 4 {
        date.year = Some(c.take_digits(4));
        let _ = c.eat(b',');
        c.spaces()?;
    } else if comma {
        return None;
    }
    let time = clock_time(&mut c, b':')?;
    let zone = zone(&mut c);
    if weekday == Weekday::Before && date.year.is_none() {
        let mut after = c;
        if after.eat(b' ').is_some()
            && let Some(year) = after.number(4, 4).filter(|_| after.ends_word())
        {
            date.year = Some(year);
            c = after;
        }
    }
    Some((build(date, time, zone, context)?, c.at))
}

/// `261120 140300` and `261120 14:03:00`.
fn six_and_six(mut c: Cursor<'_>, context: &Context) -> Read {
    let (year, month, day) = (c.digits(2)?, c.digits(2)?, c.digits(2)?);
    let date = Date { year: Some(century(year)), month, day };
    c.spaces()?;
    if c.digit_run() == 6 {
        let time = plain_time(&mut c)?;
        return c.ends_word().then_some((build(date, time, None, context)?, c.at));
    }
    finish(c, date, b':', context)
}

/// `I1120 14:03:00.123456`.
fn klog(mut c: Cursor<'_>, context: &Context) -> Read {
    c.at += 1;
    if c.digit_run() != 4 {
        return None;
    }
    let date = Date { year: None, month: c.digits(2)?, day: c.digits(2)? };
    c.eat(b' ')?;
    finish(c, date, b':', context)
}

/// `- 1117838570 2005.06.03 …`: the second word, where a date in the third confirms it.
fn labelled_epoch(line: &[u8], context: &Context) -> Read {
    let first = line.iter().take(32).position(|b| *b == b' ')?;
    let cursor = Cursor { bytes: line, at: first + 1 };
    let (time, end) = epoch(cursor, context)?;
    let mut after = Cursor { bytes: line, at: end };
    after.eat(b' ')?;
    after.number(4, 4)?;
    let separator = after.eat_any(b".-/")?;
    after.number(2, 2)?;
    after.eat(separator)?;
    after.number(2, 2)?;
    Some((time, end))
}

/// Seconds (with or without a fraction), milli-, micro- or nanoseconds since 1970, between the
/// year 2000 and tomorrow.
fn epoch(mut c: Cursor<'_>, context: &Context) -> Read {
    let run = c.digit_run();
    let scale = match run {
        9 | 10 => NS_PER_S,
        13 => 1_000_000,
        16 => 1_000,
        19 => 1,
        _ => return None,
    };
    let mut ns = c.take_digits(run).checked_mul(scale)?;
    if run <= 10 && c.peek() == Some(b'.') {
        ns = ns.checked_add(fraction(&mut c, b".")?)?;
    }
    if !matches!(c.peek(), None | Some(b' ' | b'\t' | b']' | b',' | b':' | b'|')) {
        return None;
    }
    let tomorrow = context.now.0.saturating_add(DAY_S * NS_PER_S);
    (EPOCH_MIN_S * NS_PER_S..=tomorrow).contains(&ns).then_some((Timestamp(ns), c.at))
}

fn finish(mut c: Cursor<'_>, date: Date, colon: u8, context: &Context) -> Read {
    let time = clock_time(&mut c, colon)?;
    let zone = zone(&mut c);
    Some((build(date, time, zone, context)?, c.at))
}

/// `14:03:00`, `2:03:00 PM`, `14:03:00.123`, `14:03:00,123`, `14:3:0:606`.
fn clock_time(c: &mut Cursor<'_>, colon: u8) -> Option<TimeOfDay> {
    let mut hour = c.number(1, 2)?;
    c.eat(colon)?;
    let minute = c.number(1, 2)?;
    c.eat(colon)?;
    let second = c.number(1, 2)?;
    let ns = fraction(c, b".,:").unwrap_or(0);
    let mut half = *c;
    let _ = half.eat(b' ');
    if let (Some(letter), Some(_)) = (half.eat_any(b"AaPp"), half.eat_any(b"Mm"))
        && half.ends_word()
        && (1..=12).contains(&hour)
    {
        hour = hour % 12 + if letter.eq_ignore_ascii_case(&b'P') { 12 } else { 0 };
        *c = half;
    }
    let valid = hour <= 23 && minute <= 59 && second <= 60;
    valid.then_some(TimeOfDay { seconds: hour * 3600 + minute * 60 + second, ns })
}

/// `140300`, `140300.123`.
fn plain_time(c: &mut Cursor<'_>) -> Option<TimeOfDay> {
    let (hour, minute, second) = (c.digits(2)?, c.digits(2)?, c.digits(2)?);
    let ns = fraction(c, b".,").unwrap_or(0);
    let valid = hour <= 23 && minute <= 59 && second <= 60;
    valid.then_some(TimeOfDay { seconds: hour * 3600 + minute * 60 + second, ns })
}

/// A fraction of a second in nanoseconds; nothing is taken when no digit follows the point.
fn fraction(c: &mut Cursor<'_>, points: &[u8]) -> Option<i64> {
    let mut ahead = *c;
    ahead.eat_any(points)?;
    let run = ahead.digit_run();
    let kept = run.min(9);
    if kept == 0 {
        return None;
    }
    let value = ahead.take_digits(kept);
    ahead.at += run - kept;
    *c = ahead;
    Some(value * 10_i64.pow(9 - kept as u32))
}

/// Seconds east of UTC, where a zone stands there: `Z`, `+01:00`, `-0500`, `+01`, ` +0000`, ` UTC`.
fn zone(c: &mut Cursor<'_>) -> Option<i64> {
    let mut ahead = *c;
    let spaced = ahead.eat(b' ').is_some();
    let seconds = match ahead.peek()? {
        b'Z' | b'z' => {
            ahead.at += 1;
            0
        }
        b'U' | b'G' if matches!(ahead.bytes.get(ahead.at..ahead.at + 3), Some(b"UTC" | b"GMT")) => {
            ahead.at += 3;
            0
        }
        sign @ (b'+' | b'-') => {
            ahead.at += 1;
            numeric_zone(&mut ahead, spaced)? * if sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    if !ahead.ends_word() {
        return None;
    }
    *c = ahead;
    Some(seconds)
}

fn numeric_zone(c: &mut Cursor<'_>, spaced: bool) -> Option<i64> {
    let (hours, minutes) = match c.digit_run() {
        4 => (c.digits(2)?, c.digits(2)?),
        2 => {
            let hours = c.digits(2)?;
            match c.eat(b':') {
                Some(()) => (hours, c.number(2, 2)?),
                None if spaced => return None,
                None => (hours, 0),
            }
        }
        _ => return None,
    };
    (hours <= 18 && minutes <= 59).then_some(hours * 3600 + minutes * 60)
}

fn century(two_digits: i64) -> i64 {
    two_digits + if two_digits < 70 { 2000 } else { 1900 }
}

fn build(date: Date, time: TimeOfDay, zone: Option<i64>, context: &Context) -> Option<Timestamp> {
    let offset = zone.unwrap_or(i64::from(context.zone_offset_minutes) * 60);
    if let Some(year) = date.year {
        return instant(year, date, time, offset);
    }
    let now_s = context.now.0.div_euclid(NS_PER_S);
    let (this_year, ..) = crate::time::civil_from_days((now_s + offset).div_euclid(DAY_S));
    let latest = context.now.0.saturating_add(DAY_S * NS_PER_S);
    // Back to the leap year before last, for 29 February.
    (this_year - 8..=this_year + 1)
        .rev()
        .filter_map(|year| instant(year, date, time, offset))
        .find(|t| t.0 <= latest)
}

fn instant(year: i64, date: Date, time: TimeOfDay, offset_s: i64) -> Option<Timestamp> {
    let Date { month, day, .. } = date;
    let valid = (1970..=2261).contains(&year) && (1..=12).contains(&month) && day >= 1;
    if !valid || day > days_in(year, month) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * DAY_S + time.seconds - offset_s;
    seconds.checked_mul(NS_PER_S)?.checked_add(time.ns).map(Timestamp)
}
