//! How is a number written by a pattern such as `#,##0.00`? As Java's `DecimalFormat` does.
//!
//! Knows digits, grouping, percent and per mille, exponents, quoted and plain affixes, and a pattern
//! of its own for numbers below zero.

use crate::error::QueryError;

/// The most digits on either side of the point.
const DIGITS_MAX: usize = 64;

/// A pattern for numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Decimal {
    prefix: String,
    suffix: String,
    /// Prefix and suffix of numbers below zero.
    negative: Option<(String, String)>,
    /// Least and most digits before the point.
    whole: (usize, usize),
    /// Least and most digits behind the point.
    fraction: (usize, usize),
    /// Digits of a group; 0 for none.
    group: usize,
    /// Least digits of the exponent.
    exponent: Option<usize>,
    factor: f64,
}

/// Affix, digits, affix.
type Parts = (String, String, String);

impl Decimal {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse(pattern: &str) -> Result<Self, QueryError> {
        let bad = || QueryError::illegal(format!("Malformed pattern \"{pattern}\""));
        let (head, tail) = cut(pattern).ok_or_else(bad)?;
        let (prefix, digits, suffix) = parts(head).ok_or_else(bad)?;
        let negative = match tail {
            None | Some("") => None,
            Some(tail) => parts(tail).map(|(prefix, _, suffix)| (prefix, suffix)),
        };
        let (number, exponent) = match digits.split_once('E') {
            Some((number, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => {
                (number, Some(zeros.len()))
            }
            Some(_) => return Err(bad()),
            None => (digits.as_str(), None),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let group = whole.rfind(',').map_or(0, |at| whole.len() - at - 1);
        let plain: String = whole.chars().filter(|c| *c != ',').collect();
        let zeros = |text: &str| text.matches('0').count();
        let optional_first = plain.trim_start_matches('#');
        let optional_last = fraction.trim_end_matches('#');
        let rising = optional_first.bytes().all(|b| b == b'0');
        if !rising
            || optional_last.bytes().any(|b| b != b'0')
            || plain.len() > DIGITS_MAX
            || fraction.len() > DIGITS_MAX
            || number.is_empty()
            || (whole.ends_with(',') && exponent.is_none())
        {
            return Err(bad());
        }
        let affixes = format!("{prefix}{suffix}");
        let factor = match () {
            () if affixes.contains('%') => 100.0,
            () if affixes.contains('\u{2030}') => 1000.0,
            () => 1.0,
        };
        let least = match zeros(&plain) {
            0 if exponent.is_none() && fraction.is_empty() => 1,
            zeros => zeros,
        };
        Ok(Self {
            prefix,
            suffix,
            negative,
            whole: (least, plain.len()),
            fraction: (zeros(fraction), fraction.len()),
            group,
            exponent,
            factor,
        })
    }

    /// Writes a number.
    pub fn print(&self, number: f64) -> String {
        if number.is_nan() {
            return "NaN".to_owned();
        }
        let size = number.abs() * self.factor;
        let digits = match () {
            () if size.is_infinite() => "\u{221e}".to_owned(),
            () if self.exponent.is_some() => self.scientific(size),
            () => self.plain(size, self.whole.0, self.fraction.1),
        };
        let below = number.is_sign_negative() && digits.bytes().any(|b| (b'1'..=b'9').contains(&b));
        match (&self.negative, below || number == f64::NEG_INFINITY) {
            (_, false) => format!("{}{digits}{}", self.prefix, self.suffix),
            (Some((prefix, suffix)), true) => format!("{prefix}{digits}{suffix}"),
            (None, true) => format!("-{}{digits}{}", self.prefix, self.suffix),
        }
    }

    fn plain(&self, size: f64, least: usize, most: usize) -> String {
        let text = format!("{size:.*}", most);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let mut fraction = fraction.to_owned();
        while fraction.len() > self.fraction.0 && fraction.ends_with('0') {
            fraction.pop();
        }
        let mut whole = whole.trim_start_matches('0').to_owned();
        while whole.len() < least {
            whole.insert(0, '0');
        }
        if whole.is_empty() && fraction.is_empty() {
            whole.push('0');
        }
        if self.group > 0 {
            let mut at = whole.len();
            while at > self.group {
                at -= self.group;
                whole.insert(at, ',');
            }
        }
        if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") }
    }

    fn scientific(&self, size: f64) -> String {
        let (least, most) = self.whole;
        let place = |size: f64| if size == 0.0 { 0 } else { size.log10().floor() as i32 };
        let by_groups = most > least && most > 1;
        let exponent_of = |size: f64| match by_groups {
            true => place(size).div_euclid(most as i32) * most as i32,
            false => place(size) - (least.max(1) as i32 - 1),
        };
        let mantissa_of = |exponent: i32| {
            let mantissa = size / 10f64.powi(exponent);
            // In groups it is the digits in all that are counted.
            let whole = (place(mantissa) + 1).max(1) as usize;
            let digits = match by_groups {
                true => (least + self.fraction.1).saturating_sub(whole),
                false => self.fraction.1,
            };
            self.plain(mantissa, least.max(1), digits)
        };
        let mut exponent = exponent_of(size);
        let mut mantissa = mantissa_of(exponent);
        let rounded: f64 = mantissa.replace(',', "").parse().unwrap_or(0.0);
        let again = exponent_of(rounded * 10f64.powi(exponent));
        if size > 0.0 && again != exponent {
            exponent = again;
            mantissa = mantissa_of(exponent);
        }
        let sign = if exponent < 0 { "-" } else { "" };
        let width = self.exponent.unwrap_or(1);
        format!("{mantissa}E{sign}{:0width$}", exponent.unsigned_abs())
    }
}

/// The pattern and that for numbers below zero; `None` when a quote is not closed.
fn cut(pattern: &str) -> Option<(&str, Option<&str>)> {
    let mut quoted = false;
    let mut found = None;
    for (at, c) in pattern.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            ';' if !quoted && found.is_none() => found = Some(at),
            _ => {}
        }
    }
    match (quoted, found) {
        (true, _) => None,
        (false, Some(at)) => Some((&pattern[..at], Some(&pattern[at + 1..]))),
        (false, None) => Some((pattern, None)),
    }
}

fn parts(pattern: &str) -> Option<Parts> {
    let (mut prefix, mut digits, mut suffix) = (String::new(), String::new(), String::new());
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        if suffix.is_empty() && matches!(c, '#' | '0' | ',' | '.') {
            digits.push(c);
            continue;
        }
        if suffix.is_empty() && !digits.is_empty() && c == 'E' {
            // An exponent needs digits: without them the pattern is refused.
            digits.push(c);
            continue;
        }
        let affix = if digits.is_empty() { &mut prefix } else { &mut suffix };
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => affix.push('\''),
            '\'' => affix.extend(chars.by_ref().take_while(|c| *c != '\'')),
            '#' | '0' | ',' | '.' | '\u{a4}' => return None,
            c => affix.push(c),
        }
    }
    (!digits.is_empty()).then_some((prefix, digits, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javas_decimal_format_writes_them() {
        let cases = [
            ("0.00", 12.345, "12.35"),
            ("0.00", 0.125, "0.12"),
            ("0.00", 12.335, "12.34"),
            ("0.00", -1.0, "-1.00"),
            ("0.00", -0.001, "0.00"),
            ("#,##0.###", 1234567.5, "1,234,567.5"),
            ("#.##", 0.5, ".5"),
            ("#.##", 0.0, "0"),
            ("#", 0.4, "0"),
            ("000", 7.0, "007"),
            ("0.0%", 0.256, "25.6%"),
            ("$#,##0.00;($#,##0.00)", -1234.5, "($1,234.50)"),
            ("0 'ms'", 12.6, "13 ms"),
            ("0.###E0", 12345.0, "1.234E4"),
            ("0.##E00", 0.00012, "1.2E-04"),
            ("##0.##E0", 12345.0, "12.3E3"),
            ("0.00", f64::INFINITY, "\u{221e}"),
            ("0.00", f64::NEG_INFINITY, "-\u{221e}"),
            ("0", f64::NAN, "NaN"),
        ];
        for (pattern, number, want) in cases {
            assert_eq!(Decimal::parse(pattern).unwrap().print(number), want, "{pattern} {number}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["", "abc", "0#", "0.#0", "0.0.0", "0 0", "'0", "0E", "#,"] {
            assert!(Decimal::parse(pattern).is_err(), "{pattern}");
        }
    }
}
