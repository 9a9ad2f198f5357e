//! What do functions of text give?

use ::regex::{Regex, RegexBuilder};

use super::{Env, Function, Kind, Prepared, Returns, TEXT_BYTES_MAX, simple};
use crate::esql::value::{Cell, Type};

const TEXT: Returns = Returns::Is(Type::Keyword);
const BOOL: Returns = Returns::Is(Type::Boolean);
const WHOLE: Returns = Returns::Is(Type::Integer);
const ONE: &[Kind] = &[Kind::Text];
const TWO: &[Kind] = &[Kind::Text, Kind::Text];

/// The functions.
pub(super) const TABLE: &[Function] = &[
    simple("LENGTH", ONE, WHOLE, |_, a| count(a, |t| t.chars().count())),
    simple("BYTE_LENGTH", ONE, WHOLE, |_, a| count(a, str::len)),
    simple("BIT_LENGTH", ONE, WHOLE, |_, a| count(a, |t| t.len() * 8)),
    simple("TO_LOWER", ONE, TEXT, |_, a| with(a, |t| t.to_lowercase())),
    simple("TO_UPPER", ONE, TEXT, |_, a| with(a, |t| t.to_uppercase())),
    simple("TRIM", ONE, TEXT, |_, a| with(a, |t| t.trim().to_owned())),
    simple("LTRIM", ONE, TEXT, |_, a| with(a, |t| t.trim_start().to_owned())),
    simple("RTRIM", ONE, TEXT, |_, a| with(a, |t| t.trim_end().to_owned())),
    simple("REVERSE", ONE, TEXT, |_, a| with(a, |t| t.chars().rev().collect())),
    simple("STARTS_WITH", TWO, BOOL, |_, a| both(a, |t, p| t.starts_with(p))),
    simple("ENDS_WITH", TWO, BOOL, |_, a| both(a, |t, p| t.ends_with(p))),
    simple("CONCAT", TWO, TEXT, concat).variadic(),
    simple("SUBSTRING", &[Kind::Text, Kind::Whole, Kind::Whole], TEXT, substring).optional(1),
    simple("LEFT", &[Kind::Text, Kind::Whole], TEXT, left),
    simple("RIGHT", &[Kind::Text, Kind::Whole], TEXT, right),
    simple("LOCATE", &[Kind::Text, Kind::Text, Kind::Whole], WHOLE, locate).optional(1),
    simple("REPLACE", &[Kind::Text, Kind::Text, Kind::Text], TEXT, replace),
    simple("SPLIT", TWO, TEXT, split),
    simple("REPEAT", &[Kind::Text, Kind::Whole], TEXT, repeat),
    simple("SPACE", &[Kind::Whole], TEXT, |_, a| spaces(a)),
    simple("TO_BASE64", ONE, TEXT, |_, a| with(a, base64)),
    simple("FROM_BASE64", ONE, TEXT, |_, a| unbase64(a)),
    simple("CIDR_MATCH", &[Kind::Ip, Kind::Text], BOOL, cidr_match).variadic(),
    simple("IP_PREFIX", &[Kind::Ip, Kind::Whole, Kind::Whole], Returns::Is(Type::Ip), ip_prefix),
];

fn text(args: &[Cell], at: usize) -> &str {
    args.get(at).and_then(Cell::as_text).unwrap_or("")
}

fn number(args: &[Cell], at: usize) -> Option<i64> {
    args.get(at).and_then(Cell::as_int)
}

fn with(args: &[Cell], f: impl Fn(&str) -> String) -> Cell {
    Cell::text(f(text(args, 0)))
}

fn count(args: &[Cell], f: impl Fn(&str) -> usize) -> Cell {
    Cell::Int(f(text(args, 0)) as i64)
}

fn both(args: &[Cell], f: impl Fn(&str, &str) -> bool) -> Cell {
    Cell::Bool(f(text(args, 0), text(args, 1)))
}

fn concat(_: &Env<'_>, args: &[Cell]) -> Cell {
    let bytes: usize = (0..args.len()).map(|at| text(args, at).len()).sum();
    if bytes > TEXT_BYTES_MAX {
        return Cell::Null;
    }
    Cell::text((0..args.len()).map(|at| text(args, at)).collect::<String>())
}

/// Characters from a place, counted from 1, or from the end when below 0.
fn substring(_: &Env<'_>, args: &[Cell]) -> Cell {
    let text = text(args, 0);
    let start = number(args, 1).unwrap_or(0);
    let length = number(args, 2).unwrap_or(i64::MAX);
    if length < 0 {
        return Cell::Null;
    }
    let first = match start {
        0 => 0,
        n if n > 0 => usize::try_from(n - 1).unwrap_or(usize::MAX),
        n => {
            let back = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(back)
        }
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Cell::text(text.chars().skip(first).take(length).collect::<String>())
}

fn left(_: &Env<'_>, args: &[Cell]) -> Cell {
    let count = usize::try_from(number(args, 1).unwrap_or(0)).unwrap_or(0);
    Cell::text(text(args, 0).chars().take(count).collect::<String>())
}

fn right(_: &Env<'_>, args: &[Cell]) -> Cell {
    let text = text(args, 0);
    let count = usize::try_from(number(args, 1).unwrap_or(0)).unwrap_or(0);
    let skip = text.chars().count().saturating_sub(count);
    Cell::text(text.chars().skip(skip).collect::<String>())
}

/// The place of a text in another, counted from 1; 0 when it is not there.
fn locate(_: &Env<'_>, args: &[Cell]) -> Cell {
    let (text, wanted) = (text(args, 0), text(args, 1));
    let skip = usize::try_from(number(args, 2).unwrap_or(1).max(1) - 1).unwrap_or(0);
    let from = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
    if skip > text.chars().count() {
        return Cell::Int(0);
    }
    Cell::Int(match text[from..].find(wanted) {
        Some(at) => text[..from + at].chars().count() as i64 + 1,
        None => 0,
    })
}

/// The pattern of `REPLACE`, as Java writes it.
///
/// # Errors
/// It is none; the error says why.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(1 << 20).build();
    built.map_err(|e| e.to_string())
}

fn replace(env: &Env<'_>, args: &[Cell]) -> Cell {
    let made;
    let regex = match env.prepared {
        Prepared::Regex(regex) => regex,
        _ => match regex(text(args, 1)) {
            Ok(regex) => {
                made = regex;
                &made
            }
            Err(_) => return Cell::Null,
        },
    };
    // `$1` stands for a group, `\$` for the sign: Java's rules, in this crate's words.
    let mut with = String::new();
    let mut chars = text(args, 2).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => with.push_str("$$"),
                Some(c) => with.push(c),
                None => return Cell::Null,
            },
            '$' => {
                let mut group = String::new();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    group.push(digit);
                }
                if group.parse::<usize>().map_or(true, |n| n >= regex.captures_len()) {
                    return Cell::Null;
                }
                with.push_str(&format!("${{{group}}}"));
            }
            c => with.push(c),
        }
    }
    let text = text(args, 0);
    let places = text.len().saturating_add(1).saturating_mul(with.len());
    if places > TEXT_BYTES_MAX && regex.find_iter(text).count() * with.len() > TEXT_BYTES_MAX {
        return Cell::Null;
    }
    Cell::text(regex.replace_all(text, with.as_str()).into_owned())
}

fn split(_: &Env<'_>, args: &[Cell]) -> Cell {
    let (text, between) = (text(args, 0), text(args, 1));
    if between.is_empty() {
        return Cell::of_list(text.chars().map(|c| Cell::text(c.to_string())).collect());
    }
    Cell::of_list(text.split(between).map(Cell::text).collect())
}

fn repeat(_: &Env<'_>, args: &[Cell]) -> Cell {
    let text = text(args, 0);
    match usize::try_from(number(args, 1).unwrap_or(-1)) {
        Ok(count) if count.saturating_mul(text.len()) <= TEXT_BYTES_MAX => {
            Cell::text(text.repeat(count))
        }
        _ => Cell::Null,
    }
}

fn spaces(args: &[Cell]) -> Cell {
    match usize::try_from(number(args, 0).unwrap_or(-1)) {
        Ok(count) if count <= TEXT_BYTES_MAX => Cell::text(" ".repeat(count)),
        _ => Cell::Null,
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 4 / 3 + 4);
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |bits, b| bits << 8 | u32::from(*b));
        let bits = bits << (8 * (3 - part.len()));
        for digit in 0..4 {
            match digit <= part.len() {
                true => out.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize])),
                false => out.push('='),
            }
        }
    }
    out
}

fn unbase64(args: &[Cell]) -> Cell {
    let text = text(args, 0).trim_end_matches('=');
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::with_capacity(text.len()));
    for b in text.bytes() {
        let Some(digit) = ALPHABET.iter().position(|a| *a == b) else { return Cell::Null };
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    String::from_utf8(out).map_or(Cell::Null, Cell::text)
}

/// The address and the length of a block such as `10.0.0.0/8`.
fn block(text: &str) -> Option<([u8; 16], u32)> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let bytes = crate::esql::value::parse_ip(address)?;
    let (base, most) = if address.contains(':') { (0, 128) } else { (96, 32) };
    let length = if length.is_empty() { most } else { length.parse::<u32>().ok()? };
    (length <= most).then_some((bytes, base + length))
}

fn masked(bytes: &[u8; 16], length: u32) -> u128 {
    let bits = u128::from_be_bytes(*bytes);
    if length == 0 { 0 } else { bits & (u128::MAX << (128 - length.min(128))) }
}

fn cidr_match(_: &Env<'_>, args: &[Cell]) -> Cell {
    let Cell::Ip(ip) = &args[0] else { return Cell::Null };
    Cell::Bool((1..args.len()).any(|at| {
        block(text(args, at)).is_some_and(|(base, len)| masked(ip, len) == masked(&base, len))
    }))
}

fn ip_prefix(_: &Env<'_>, args: &[Cell]) -> Cell {
    let (Cell::Ip(ip), Some(v4), Some(v6)) = (&args[0], number(args, 1), number(args, 2)) else {
        return Cell::Null;
    };
    let is_v4 = std::net::Ipv6Addr::from(*ip).to_ipv4_mapped().is_some();
    let (base, length, most) = if is_v4 { (96, v4, 32) } else { (0, v6, 128) };
    if !(0..=most).contains(&length) {
        return Cell::Null;
    }
    Cell::Ip(masked(ip, base + length as u32).to_be_bytes())
}
