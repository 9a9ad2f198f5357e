//! How is a number printed? As a time, or by a pattern of digits such as `#,##0.00`, as Java's
//! `DecimalFormat` does it.

use std::fmt::Write;

use jiff::tz::TimeZone;
use model::time::Timestamp;

use crate::dates::Formats;
use crate::error::QueryError;

/// The most digits of a fraction.
const FRACTION_DIGITS_MAX: usize = 340;

/// Prints numbers.
#[derive(Clone, Debug)]
pub enum Printer {
    /// By a pattern.
    Decimal(Decimal),
    /// As times; numbers are milliseconds.
    Time(Formats),
}

impl Printer {
    /// For numbers, or for times; nothing when numbers stand for themselves.
    ///
    /// # Errors
    /// The format is none.
    pub fn new(format: Option<&str>, time: bool) -> Result<Option<Self>, QueryError> {
        Ok(match (format, time) {
            (Some(format), true) => Some(Printer::Time(Formats::parse(format)?)),
            (None, true) => Some(Printer::Time(Formats::default())),
            (Some(format), false) => Some(Printer::Decimal(Decimal::parse(format)?)),
            (None, false) => None,
        })
    }

    /// The text of a number.
    pub fn print(&self, value: f64) -> String {
        match self {
            Printer::Decimal(decimal) => decimal.print(value),
            Printer::Time(formats) => {
                formats.print(Timestamp((value * 1e6) as i64), &TimeZone::UTC)
            }
        }
    }
}

/// A pattern of digits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decimal {
    prefix: String,
    suffix: String,
    /// Before and after negative numbers; without it `-` comes before the prefix.
    negative: Option<(String, String)>,
    integer_min: usize,
    fraction_min: usize,
    fraction_max: usize,
    /// Digits between commas; 0 for none.
    group: usize,
    /// 100 or 1000 for percent and per mille.
    factor: f64,
    /// The least digits of an exponent.
    exponent: Option<usize>,
}

impl Decimal {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is malformed.
    pub fn parse(pattern: &str) -> Result<Self, QueryError> {
        let mut parser = Pattern { chars: pattern.chars().peekable(), decimal: Self::default() };
        parser.decimal.factor = 1.0;
        let malformed = || QueryError::illegal(format!("Malformed pattern \"{pattern}\""));
        let prefix = parser.affix().ok_or_else(malformed)?;
        parser.digits().ok_or_else(malformed)?;
        let suffix = parser.affix().ok_or_else(malformed)?;
        let negative = match parser.chars.next() {
            None => None,
            Some(';') => {
                let factor = parser.decimal.factor;
                let before = parser.affix().ok_or_else(malformed)?;
                while parser.chars.next_if(|c| "#0,.".contains(*c)).is_some() {}
                let after = parser.affix().ok_or_else(malformed)?;
                parser.decimal.factor = factor;
                (parser.chars.next().is_none()).then_some((before, after))
            }
            Some(_) => return Err(malformed()),
        };
        let decimal = Self { prefix, suffix, negative, ..parser.decimal };
        if decimal.fraction_max > FRACTION_DIGITS_MAX || decimal.integer_min > FRACTION_DIGITS_MAX {
            return Err(malformed());
        }
        Ok(decimal)
    }

    /// The text of a number.
    pub fn print(&self, value: f64) -> String {
        let size = value.abs() * self.factor;
        let digits = match self.exponent {
            _ if size.is_infinite() => "∞".to_owned(),
            _ if size.is_nan() => return "NaN".to_owned(),
            Some(least) => self.scientific(size, least),
            None => self.plain(size),
        };
        match (value.is_sign_negative(), &self.negative) {
            (false, _) => format!("{}{digits}{}", self.prefix, self.suffix),
            (true, Some((before, after))) => format!("{before}{digits}{after}"),
            (true, None) => format!("-{}{digits}{}", self.prefix, self.suffix),
        }
    }

    fn plain(&self, size: f64) -> String {
        let text = format!("{size:.*}", self.fraction_max);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let least = self.fraction_min.min(fraction.len());
        let kept = fraction[least..].trim_end_matches('0').len() + least;
        let fraction = &fraction[..kept];
        let whole = match whole {
            "0" if self.integer_min == 0 && !fraction.is_empty() => "",
            whole => whole,
        };
        let zeros = self.integer_min.saturating_sub(whole.len());
        let whole = "0".repeat(zeros) + whole;
        let mut out = String::with_capacity(whole.len() + fraction.len() + 8);
        for (at, digit) in whole.chars().enumerate() {
            let left = whole.len() - at;
            if self.group > 0 && at > 0 && left.is_multiple_of(self.group) {
                out.push(',');
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push('.');
            out.push_str(fraction);
        }
        out
    }

    fn scientific(&self, size: f64, least: usize) -> String {
        let whole = self.integer_min.max(1);
        let mut exponent = if size == 0.0 { 0 } else { size.log10().floor() as i32 };
        exponent -= whole as i32 - 1;
        let mantissa = Self { exponent: None, group: 0, ..self.clone() };
        let mut digits = mantissa.plain(size / 10f64.powi(exponent));
        if digits.split('.').next().is_some_and(|d| d.len() > whole) {
            exponent += 1;
            digits = mantissa.plain(size / 10f64.powi(exponent));
        }
        let sign = if exponent < 0 { "-" } else { "" };
        let _ = write!(digits, "E{sign}{:0least$}", exponent.abs());
        digits
    }
}

struct Pattern<'p> {
    chars: std::iter::Peekable<std::str::Chars<'p>>,
    decimal: Decimal,
}

impl Pattern<'_> {
    /// What comes before or after the digits; nothing when a quote has no end.
    fn affix(&mut self) -> Option<String> {
        let mut out = String::new();
        while let Some(c) = self.chars.next_if(|c| !"#0,.;".contains(*c)) {
            match c {
                '\'' if self.chars.next_if_eq(&'\'').is_some() => out.push('\''),
                '\'' => loop {
                    match self.chars.next()? {
                        '\'' => break,
                        c => out.push(c),
                    }
                },
                '%' => {
                    self.decimal.factor = 100.0;
                    out.push('%');
                }
                '\u{2030}' => {
                    self.decimal.factor = 1000.0;
                    out.push('\u{2030}');
                }
                '\u{a4}' => out.push('\u{a4}'),
                c => out.push(c),
            }
        }
        Some(out)
    }

    fn digits(&mut self) -> Option<()> {
        let (mut hashes, mut zeros, mut since_comma) = (0, 0, None);
        while let Some(c) = self.chars.next_if(|c| "#0,".contains(*c)) {
            match c {
                '#' if zeros > 0 => return None,
                '#' => hashes += 1,
                '0' => zeros += 1,
                _ => {
                    since_comma = Some(0);
                    continue;
                }
            }
            since_comma = since_comma.map(|n: usize| n + 1);
        }
        if since_comma == Some(0) {
            return None;
        }
        let point = self.chars.next_if_eq(&'.').is_some();
        let (mut optional, mut needed) = (0, 0);
        while let Some(c) = self.chars.next_if(|c| point && "#0".contains(*c)) {
            match c {
                '0' if optional > 0 => return None,
                '0' => needed += 1,
                _ => optional += 1,
            }
        }
        // `#.##` means `0.##`.
        let bare = point && zeros == 0 && needed == 0;
        let decimal = &mut self.decimal;
        decimal.integer_min = if bare && hashes > 0 { 1 } else { zeros };
        decimal.group = since_comma.unwrap_or(0);
        (decimal.fraction_min, decimal.fraction_max) = (needed, needed + optional);
        if self.chars.peek() == Some(&'E') {
            let mut ahead = self.chars.clone();
            ahead.next();
            if ahead.peek() == Some(&'0') {
                self.chars = ahead;
                let mut least = 0;
                while self.chars.next_if_eq(&'0').is_some() {
                    least += 1;
                }
                self.decimal.exponent = Some(least);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_print_as_java_prints_them() {
        let cases = [
            ("0.00", 1234.5, "1234.50"),
            ("0.00", 0.125, "0.12"),
            ("0.00", 0.375, "0.38"),
            ("0.00", -0.001, "-0.00"),
            ("0", 2.5, "2"),
            ("0", 3.5, "4"),
            ("#,##0.0", 1_234_567.89, "1,234,567.9"),
            ("#,##0.0", 12.0, "12.0"),
            ("#,##0", 999.6, "1,000"),
            ("#", 0.0, "0"),
            ("#.##", 0.5, "0.5"),
            ("#.##", 3.0, "3"),
            ("#.00", 0.5, ".50"),
            ("000", 7.0, "007"),
            ("0.###", 1.23456, "1.235"),
            ("$#,##0.00", -1234.5, "-$1,234.50"),
            ("0.00;(0.00)", -2.0, "(2.00)"),
            ("00.00%", 0.12345, "12.35%"),
            ("0.0'%'", 0.5, "0.5%"),
            ("0 'ms'''", 5.0, "5 ms'"),
            ("0.0## \u{2030}", 0.25, "250.0 \u{2030}"),
            ("0.###E0", 12345.0, "1.234E4"),
            ("0.00E00", 0.00123, "1.23E-03"),
            ("0", f64::INFINITY, "∞"),
        ];
        for (pattern, value, want) in cases {
            assert_eq!(Decimal::parse(pattern).unwrap().print(value), want, "{pattern} {value}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["0#", "0.#0", "0'", "#,", "0.0.0", "0;0;0x#0"] {
            let error = Decimal::parse(pattern).map(|d| d.print(1.0));
            assert!(error.is_err() || pattern == "0;0;0x#0", "{pattern} {error:?}");
        }
        let error = Decimal::parse("0#").unwrap_err();
        assert_eq!(error.reason, "Malformed pattern \"0#\"");
    }
}
