//! How long is `1h30m`? Durations of the native interface, and Elasticsearch's time values.

const UNITS_NS: [(&str, i64); 13] = [
    ("nanos", 1),
    ("ns", 1),
    ("micros", 1_000),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("H", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("D", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
    ("W", 604_800_000_000_000),
];

fn unit_ns(unit: &str) -> Option<i64> {
    UNITS_NS.iter().find(|(name, _)| *name == unit).map(|(_, ns)| *ns)
}

/// One number with its unit at the start of `text`: nanoseconds, and what follows.
fn part(text: &str) -> Option<(i64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let rest = &text[digits..];
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let ns = text[..digits].parse::<i64>().ok()?.checked_mul(unit_ns(&rest[..letters])?)?;
    Some((ns, &rest[letters..]))
}

/// Nanoseconds of a duration of one or more parts: `15m`, `1h30m`, `7d`, `500ms`, `2w`.
/// `None` when it is none, or too long.
pub fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let (ns, after) = part(rest)?;
        total = total.checked_add(ns)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Nanoseconds of an Elasticsearch time value: one part, whole, without weeks; `0` and `-1` need
/// no unit. `None` when it is none.
pub fn time_value(text: &str) -> Option<i64> {
    let text = text.trim();
    match text {
        "0" => return Some(0),
        "-1" => return Some(-1),
        _ => {}
    }
    match part(text)? {
        (ns, "") if !text.ends_with(['w', 'W']) => Some(ns),
        _ => None,
    }
}
