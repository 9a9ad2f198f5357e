//! How is a time printed? In a zone, as ISO 8601 or by letters.

use std::fmt::Write as _;

use jiff::civil;
use jiff::tz::TimeZone;
use model::time::Timestamp;

use super::{Fraction, Piece};

fn civil_at(at: Timestamp, zone: &TimeZone) -> (civil::DateTime, i32) {
    let instant = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
    let offset = zone.to_offset(instant);
    (offset.to_datetime(instant), offset.seconds())
}

fn print_zone(out: &mut String, offset_s: i32, zulu: bool, colon: bool) {
    if offset_s == 0 && zulu {
        out.push('Z');
        return;
    }
    let sign = if offset_s < 0 { '-' } else { '+' };
    let minutes = offset_s.unsigned_abs() / 60;
    let colon = if colon { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60);
}

pub(super) fn print_iso(at: Timestamp, zone: &TimeZone, fraction: Fraction) -> String {
    let (t, offset_s) = civil_at(at, zone);
    let mut out = String::with_capacity(36);
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    );
    let ns = t.subsec_nanosecond();
    match fraction {
        Fraction::None => {}
        Fraction::Millis => {
            let _ = write!(out, ".{:03}", ns / 1_000_000);
        }
        Fraction::Nanos => {
            let digits = format!("{ns:09}");
            let kept = digits.trim_end_matches('0').len().max(3);
            out.push('.');
            out.push_str(&digits[..kept]);
        }
    }
    print_zone(&mut out, offset_s, true, true);
    out
}

pub(super) fn print_pattern(at: Timestamp, zone: &TimeZone, pieces: &[Piece]) -> String {
    let (t, offset_s) = civil_at(at, zone);
    let mut out = String::new();
    for piece in pieces {
        let _ = match piece {
            Piece::Year(2) => write!(out, "{:02}", t.year() % 100),
            Piece::Year(_) => write!(out, "{:04}", t.year()),
            Piece::Month(width) => write!(out, "{:0width$}", t.month()),
            Piece::Day(width) => write!(out, "{:0width$}", t.day()),
            Piece::Hour(width) => write!(out, "{:0width$}", t.hour()),
            Piece::Minute(width) => write!(out, "{:0width$}", t.minute()),
            Piece::Second(width) => write!(out, "{:0width$}", t.second()),
            Piece::Fraction(width) => {
                out.write_str(&format!("{:09}", t.subsec_nanosecond())[..*width])
            }
            Piece::Zone { zulu, colon } => {
                print_zone(&mut out, offset_s, *zulu, *colon);
                Ok(())
            }
            Piece::Literal(c) => out.write_char(*c),
        };
    }
    out
}
