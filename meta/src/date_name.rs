//! Which name does `<logs-{now/d}>` stand for? Date math in names.
//!
//! ```text
//! name := "<" (static | "{" math ["{" format ["|" zone] "}"] "}")* ">"
//! math := "now" (("+" | "-") digits unit | "/" unit)*
//! ```

use jiff::tz::TimeZone;
use jiff::{ToSpan, ZonedDateTime};
use model::meta::Fault;
use model::time::Timestamp;

fn fault(name: &str, what: &str) -> Fault {
    let reason = format!("invalid dynamic name expression [{name}]. {what}");
    Fault::new(400, "parse_exception", reason)
}

/// The name that an expression stands for; another name as it is.
///
/// # Errors
/// The expression is malformed.
pub fn resolve(name: &str, now: Timestamp) -> Result<String, Fault> {
    let Some(inside) = name.strip_prefix('<').and_then(|n| n.strip_suffix('>')) else {
        return Ok(name.to_owned());
    };
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '{' => {
                let mut part = String::new();
                let mut depth = 1;
                for c in chars.by_ref() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    part.push(c);
                }
                if depth > 0 {
                    let what = "date math placeholder is open ended";
                    return Err(fault(inside, what));
                }
                out.push_str(&placeholder(inside, &part, now)?);
            }
            '}' => {
                let what = "invalid character at position [0]. `{` and `}` are reserved \
                            characters and should be escaped when used as part of the index name \
                            using `\\` (e.g. `\\{text\\}`)";
                return Err(fault(inside, what));
            }
            c => out.push(c),
        }
    }
    if out.is_empty() {
        return Err(fault(inside, "nothing captured"));
    }
    Ok(out)
}

fn placeholder(name: &str, part: &str, now: Timestamp) -> Result<String, Fault> {
    let (math, format) = match part.split_once('{') {
        None => (part, "yyyy.MM.dd"),
        Some((math, rest)) => {
            let format = rest.strip_suffix('}').unwrap_or(rest);
            if format.is_empty() {
                return Err(fault(name, "missing date format"));
            }
            (math, format)
        }
    };
    let (format, zone) = match format.split_once('|') {
        None => (format, TimeZone::UTC),
        Some((format, zone)) => (format, time_zone(name, zone)?),
    };
    let at = jiff::Timestamp::from_nanosecond(i128::from(now.0))
        .map_err(|e| fault(name, &e.to_string()))?
        .to_zoned_datetime(zone);
    let math = math.trim();
    let Some(steps) = math.strip_prefix("now") else {
        return Err(fault(name, &format!("date math must begin with `now`, got [{math}]")));
    };
    let at = step(name, at, steps)?;
    print(name, &at, format)
}

fn time_zone(name: &str, zone: &str) -> Result<TimeZone, Fault> {
    let unknown = || fault(name, &format!("unknown time zone [{zone}]"));
    if let Some(rest) = zone.strip_prefix(['+', '-']) {
        let digits: String = rest.chars().filter(|c| *c != ':').collect();
        let number: i32 = digits.parse().map_err(|_| unknown())?;
        let (hours, minutes) =
            if digits.len() > 2 { (number / 100, number % 100) } else { (number, 0) };
        let seconds = (hours * 60 + minutes) * 60 * if zone.starts_with('-') { -1 } else { 1 };
        let offset = jiff::tz::Offset::from_seconds(seconds).map_err(|_| unknown())?;
        return Ok(TimeZone::fixed(offset));
    }
    match zone {
        "Z" | "UTC" | "GMT" => Ok(TimeZone::UTC),
        zone => TimeZone::get(zone).map_err(|_| unknown()),
    }
}

fn step(name: &str, mut at: ZonedDateTime, mut rest: &str) -> Result<ZonedDateTime, Fault> {
    let wrong = |what: &str| fault(name, what);
    while let Some(operator) = rest.chars().next() {
        rest = &rest[operator.len_utf8()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = match &rest[..digits] {
            "" => 1,
            digits => digits.parse::<i32>().map_err(|_| wrong("number is too large"))?,
        };
        rest = &rest[digits..];
        let Some(unit) = rest.chars().next() else { return Err(wrong("truncated date math")) };
        rest = &rest[unit.len_utf8()..];
        let moved = match operator {
            '/' => round(&at, unit),
            '+' | '-' => {
                let number = i64::from(if operator == '-' { -number } else { number });
                let span = match unit {
                    'y' => Some(1.year()),
                    'M' => Some(1.month()),
                    'w' => Some(1.week()),
                    'd' => Some(1.day()),
                    'h' | 'H' => Some(1.hour()),
                    'm' => Some(1.minute()),
                    's' => Some(1.second()),
                    _ => None,
                };
                span.and_then(|s| s.checked_mul(number).ok()).and_then(|s| at.checked_add(s).ok())
            }
            other => return Err(wrong(&format!("operator not supported for date math [{other}]"))),
        };
        at = moved.ok_or_else(|| wrong(&format!("unit [{unit}] not supported for date math")))?;
    }
    Ok(at)
}

fn round(at: &ZonedDateTime, unit: char) -> Option<ZonedDateTime> {
    Some(match unit {
        'y' => at.first_of_year().ok()?.start_of_day().ok()?,
        'M' => at.first_of_month().ok()?.start_of_day().ok()?,
        'w' => {
            let back = i64::from(at.weekday().to_monday_zero_offset());
            at.checked_sub(back.days()).ok()?.start_of_day().ok()?
        }
        'd' => at.start_of_day().ok()?,
        'h' | 'H' => at.with().minute(0).second(0).subsec_nanosecond(0).build().ok()?,
        'm' => at.with().second(0).subsec_nanosecond(0).build().ok()?,
        's' => at.with().subsec_nanosecond(0).build().ok()?,
        _ => return None,
    })
}

/// Prints letters as Java's formats do: `yyyy.MM.dd`, `YYYY.ww`, `HH`, `DDD`, quoted texts.
fn print(name: &str, at: &ZonedDateTime, format: &str) -> Result<String, Fault> {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            out.extend(chars.by_ref().take_while(|c| *c != '\''));
            continue;
        }
        if !c.is_ascii_alphabetic() {
            out.push(c);
            continue;
        }
        let mut width = 1;
        while chars.next_if_eq(&c).is_some() {
            width += 1;
        }
        let year = |year: i16| if width == 2 { i64::from(year) % 100 } else { i64::from(year) };
        let week = at.date().iso_week_date();
        let value = match c {
            'y' | 'u' => year(at.year()),
            'Y' | 'x' => year(week.year()),
            'M' if width <= 2 => i64::from(at.month()),
            'w' => i64::from(week.week()),
            'e' => i64::from(week.weekday().to_monday_one_offset()),
            'd' => i64::from(at.day()),
            'D' => i64::from(at.day_of_year()),
            'H' => i64::from(at.hour()),
            'm' => i64::from(at.minute()),
            's' => i64::from(at.second()),
            'S' => i64::from(at.millisecond()),
            _ => {
                let letters: String = std::iter::repeat_n(c, width.min(8)).collect();
                return Err(fault(name, &format!("invalid date format: [{letters}] is not known")));
            }
        };
        out.push_str(&format!("{value:0width$}"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_date_math() {
        let now = Timestamp::parse("2026-03-02T22:30:45.123Z").unwrap();
        let cases = [
            ("logs", "logs"),
            ("<logs-{now/d}>", "logs-2026.03.02"),
            ("<logs-{now/d}-000001>", "logs-2026.03.02-000001"),
            ("<logs-{now/d-1d}>", "logs-2026.03.01"),
            ("<logs-{now/M}>", "logs-2026.03.01"),
            ("<logs-{now/M{yyyy.MM}}>", "logs-2026.03"),
            ("<logs-{now/M-1M{yyyy.MM}}>", "logs-2026.02"),
            ("<logs-{now{yyyy.MM.dd|+12:00}}>", "logs-2026.03.03"),
            ("<logs-{now/d{yyyy.MM.dd|Asia/Tokyo}}>", "logs-2026.03.03"),
            ("<logs-{now{YYYY.ww}}>", "logs-2026.10"),
            ("<logs-{now+2d-1h/h{yyyy-MM-dd'T'HH:mm}}>", "logs-2026-03-04T21:00"),
            ("<elastic\\{ON\\}-{now/M}>", "elastic{ON}-2026.03.01"),
            ("<logs-*>", "logs-*"),
        ];
        for (name, want) in cases {
            assert_eq!(resolve(name, now).as_deref(), Ok(want), "{name}");
        }
        for bad in ["<>", "<a-{now>", "<a-}>", "<{now/x}>", "<{now{}}>", "<{today}>", "<{now{q}}>"]
        {
            let fault = resolve(bad, now).unwrap_err();
            assert_eq!((fault.status, fault.kind), (400, "parse_exception"), "{bad}");
        }
    }
}
