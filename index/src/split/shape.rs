//! What of a document is the same in many? Everything but its values: keys, their order, spacing.
//!
//! A skeleton is the document with each value replaced by a mark that says how it is put back.
//! `null`, empty objects and empty arrays stay in the skeleton. Rendering a skeleton with its
//! values gives the very bytes back; what would not is kept as a literal beside its value.

use std::fmt::Write;

use model::batch::Batch;
use model::record::{Record, TIMESTAMP_FIELD, Value};
use model::time::Timestamp;

/// A string without anything that its plain JSON form would change.
pub(crate) const STRING: u8 = 0x01;
/// A whole number as Rust prints it.
pub(crate) const INT: u8 = 0x02;
/// Another number as `ryu` prints it.
pub(crate) const FLOAT: u8 = 0x03;
/// `true` or `false`.
pub(crate) const BOOL: u8 = 0x04;
/// A value and, in a column of its own, the literal as it came.
pub(crate) const LITERAL: u8 = 0x05;
/// The record's own time; the byte after it says in which form.
pub(crate) const TIME: u8 = 0x06;
/// At the start: the client gave an `_id`.
pub(crate) const CLIENT_ID: u8 = 0x07;

/// Takes a document apart: its skeleton into `skeleton`, and of each value but `null`, in order, its
/// mark, its literal and itself to `visit`. `false` when values and document do not fit, which is a fault of the parser.
pub(crate) fn take_apart<'a>(
    batch: &'a Batch,
    record: &Record,
    has_id: bool,
    skeleton: &mut Vec<u8>,
    mut visit: impl FnMut(u8, &'a str, Value<'a>),
) -> bool {
    let source = batch.source(record);
    let bytes = source.as_bytes();
    skeleton.clear();
    if has_id {
        skeleton.push(CLIENT_ID);
    }
    let mut fields = batch.fields(record);
    let (mut at, mut copied) = (0, 0);
    let mut time_taken = record.timestamp_inferred;
    while at < bytes.len() {
        let from = at;
        match bytes[at] {
            b'"' => {
                let Some(end) = string_end(bytes, at) else { return false };
                at = end;
                if is_key(bytes, at) {
                    continue;
                }
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                at += bytes[at..]
                    .iter()
                    .position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
                    .unwrap_or(bytes.len() - at);
            }
            _ => {
                at += 1;
                continue;
            }
        }
        let Some((path, value)) = fields.next() else { return false };
        if value == Value::Null {
            continue;
        }
        let literal = &source[from..at];
        skeleton.extend_from_slice(&bytes[copied..from]);
        copied = at;
        let is_time = !time_taken && *batch.paths()[path as usize] == *TIMESTAMP_FIELD;
        if let Some(form) = is_time.then(|| time_form(literal, record.timestamp)).flatten() {
            time_taken = true;
            skeleton.extend_from_slice(&[TIME, form]);
            visit(TIME, literal, value);
            continue;
        }
        let mark = mark_of(value, literal);
        skeleton.push(mark);
        if mark == LITERAL {
            skeleton.push(kind_of(value));
        }
        visit(mark, literal, value);
    }
    skeleton.extend_from_slice(&bytes[copied..]);
    fields.next().is_none()
}

/// The position after a string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Whether the string that ends at `at` is a key.
fn is_key(bytes: &[u8], at: usize) -> bool {
    bytes[at..].iter().find(|b| !b.is_ascii_whitespace()) == Some(&b':')
}

fn kind_of(value: Value<'_>) -> u8 {
    match value {
        Value::Null => b'n',
        Value::Bool(_) => b'b',
        Value::Int(_) => b'i',
        Value::Float(_) => b'f',
        Value::Str(_) => b's',
    }
}

fn mark_of(value: Value<'_>, literal: &str) -> u8 {
    let same = |mark: u8, same: bool| if same { mark } else { LITERAL };
    match value {
        Value::Null => LITERAL,
        Value::Bool(_) => BOOL,
        Value::Int(n) => {
            // JSON has no leading zeros; what is left is `-0`, and forms with a fraction.
            let plain = literal.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            same(INT, plain && (n != 0 || literal == "0"))
        }
        Value::Float(f) => {
            let mut buffer = ryu::Buffer::new();
            same(FLOAT, f.is_finite() && buffer.format_finite(f) == literal)
        }
        Value::Str(text) => {
            let plain = literal.len() == text.len() + 2;
            same(STRING, plain || json_string(text) == literal)
        }
    }
}

/// A string as JSON, in the one form that is put back.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json_string(text, &mut out);
    out
}

fn push_json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        copied = at + 1;
        if short.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// Bit of a time's form: `+00:00` instead of `Z`.
const OFFSET_FORM: u8 = 0x10;

/// The form that gives the literal back from the time.
fn time_form(literal: &str, at: Timestamp) -> Option<u8> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let (rest, zone) = match inner.strip_suffix('Z') {
        Some(rest) => (rest, 0),
        None => (inner.strip_suffix("+00:00")?, OFFSET_FORM),
    };
    let digits = match rest.len().checked_sub(19)? {
        0 => 0,
        1 => return None,
        n if n <= 10 => n as u8 - 1,
        _ => return None,
    };
    // A mark may not be a byte that the skeleton's JSON could hold: forms begin at 0x40.
    let form = 0x40 | zone | digits;
    let mut buffer = String::with_capacity(40);
    push_time(form, at, &mut buffer);
    (buffer == literal).then_some(form)
}

/// Writes a time in its form.
pub(crate) fn push_time(form: u8, at: Timestamp, out: &mut String) {
    let digits = usize::from(form & 0x0f).min(9);
    let (seconds, nanos) = (at.0.div_euclid(1_000_000_000), at.0.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = model::time::civil_from_days(days);
    out.push('"');
    if (0..10_000).contains(&year) {
        push_digits(out, year as u64, 4);
    } else {
        let _ = write!(out, "{year}");
    }
    for (before, number) in [
        ('-', month as u64),
        ('-', day as u64),
        ('T', second as u64 / 3600),
        (':', second as u64 / 60 % 60),
        (':', second as u64 % 60),
    ] {
        out.push(before);
        push_digits(out, number, 2);
    }
    if digits > 0 {
        out.push('.');
        push_digits(out, nanos as u64 / 10u64.pow(9 - digits as u32), digits);
    }
    out.push_str(if form & OFFSET_FORM == 0 { "Z\"" } else { "+00:00\"" });
}

fn push_digits(out: &mut String, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend(digits[..width].iter().map(|d| char::from(*d)));
}

/// What stands in a skeleton, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Bytes as they are.
    Plain(String),
    /// The record's time in a form.
    Time(u8),
    /// A value: its mark; for a literal the kind of its value.
    Value(u8),
}

impl Part {
    /// How many columns it takes a value of.
    pub(crate) fn columns(&self) -> usize {
        match self {
            Part::Plain(_) | Part::Time(_) => 0,
            Part::Value(LITERAL) => 2,
            Part::Value(_) => 1,
        }
    }
}

/// Takes a skeleton to its parts, and tells whether a client's `_id` goes with it; `None` when it
/// is none.
pub(crate) fn parts(skeleton: &[u8]) -> Option<(bool, Vec<Part>)> {
    let (has_id, mut rest) = match skeleton.split_first() {
        Some((&CLIENT_ID, rest)) => (true, rest),
        _ => (false, skeleton),
    };
    let mut out = Vec::new();
    while let Some(at) = rest.iter().position(|b| (STRING..=TIME).contains(b)) {
        if at > 0 {
            out.push(Part::Plain(std::str::from_utf8(&rest[..at]).ok()?.to_owned()));
        }
        let mark = rest[at];
        rest = &rest[at + 1..];
        if mark == TIME || mark == LITERAL {
            let (next, after) = rest.split_first()?;
            rest = after;
            out.push(if mark == TIME { Part::Time(*next) } else { Part::Value(LITERAL) });
        } else {
            out.push(Part::Value(mark));
        }
    }
    if !rest.is_empty() {
        out.push(Part::Plain(std::str::from_utf8(rest).ok()?.to_owned()));
    }
    Some((has_id, out))
}

/// Writes a value by its mark.
pub(crate) fn push_value(value: Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(v) => out.push_str(if v { "true" } else { "false" }),
        Value::Int(v) => out.push_str(itoa::Buffer::new().format(v)),
        Value::Float(v) => out.push_str(ryu::Buffer::new().format_finite(v)),
        Value::Str(text) => push_json_string(text, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::batch::BatchBuilder;
    use model::id::{IndexName, Tenant};
    use proptest::prelude::*;

    fn apart(source: &str) -> (Vec<u8>, String) {
        let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(7));
        builder.push(&IndexName::new("i"), None, source.as_bytes()).unwrap();
        let batch = builder.finish();
        let record = &batch.records()[0];
        let mut skeleton = Vec::new();
        let mut leaves = Vec::new();
        let fits = take_apart(&batch, record, false, &mut skeleton, |mark, literal, value| {
            if mark != TIME {
                leaves.push((mark, literal, value));
            }
        });
        assert!(fits, "{source}");
        let (_, parts) = parts(&skeleton).unwrap();
        let mut out = String::new();
        let mut leaves = leaves.into_iter();
        for part in parts {
            match part {
                Part::Plain(text) => out.push_str(&text),
                Part::Time(form) => push_time(form, record.timestamp, &mut out),
                Part::Value(mark) => {
                    let (own, literal, value) = leaves.next().unwrap();
                    assert_eq!(own, mark);
                    match mark {
                        LITERAL => out.push_str(literal),
                        _ => push_value(value, &mut out),
                    }
                }
            }
        }
        assert!(leaves.next().is_none());
        (skeleton, out)
    }

    #[test]
    fn documents_come_back_to_the_byte() {
        let cases = [
            r#"{}"#,
            r#" {"a" : 1 , "b":[ ] , "c":{} ,"d":[1,-0,0,1.0,1.50,1e5,1E-3,18446744073709551615] }"#,
            r#"{"@timestamp":"2026-11-20T00:00:00.123Z","x":"\u00e9\/é\\\"\n\u0001\b"}"#,
            r#"{"@timestamp":"2026-11-20T00:00:00Z","@timestamp":"2026-11-20T00:00:00Z"}"#,
            r#"{"@timestamp":"2026-11-20T01:00:00+01:00","t":true,"f":false,"n":null}"#,
            r#"{"@timestamp":"2026-11-20T00:00:00.000+00:00"}"#,
            r#"{"@timestamp":1763596800123,"a\"b:":"c:","":{"":[[["x"],2],{"y":null}]}}"#,
            "{\"a\":\"\u{7f}\u{2028}日本\"\n,\r\n\t\"b\":[[],[{}]]}\n ",
        ];
        for source in cases {
            assert_eq!(apart(source).1, source);
        }
    }

    #[test]
    fn alike_documents_share_a_skeleton() {
        let of = |source: &str| apart(source).0;
        let first = of(r#"{"@timestamp":"2026-11-20T00:00:00.123Z","n":1,"s":"x","b":true}"#);
        assert_eq!(
            first,
            of(r#"{"@timestamp":"2027-01-02T03:04:05.999Z","n":-77,"s":"long","b":false}"#)
        );
        assert_ne!(first, of(r#"{"@timestamp":"2026-11-20T00:00:00Z","n":1,"s":"x","b":true}"#));
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| format!("{f:?}")),
            "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
            "([^\"\\\\\\x00-\\x1f]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-fA-F]{2}){0,12}"
                .prop_map(|s| format!("\"{s}\"")),
        ];
        let space = prop_oneof![Just(""), Just(" "), Just("\n\t")];
        leaf.prop_recursive(3, 24, 5, move |inner| {
            let key = "[a-c@.\"\\\\]{0,2}".prop_map(|k| json_string(&k));
            let member = (key, space.clone(), inner.clone())
                .prop_map(|(k, s, v)| format!("{s}{k}{s}:{s}{v}{s}"));
            prop_oneof![
                prop::collection::vec(member, 0..5).prop_map(|m| format!("{{{}}}", m.join(","))),
                prop::collection::vec(inner, 0..5).prop_map(|m| format!("[{}]", m.join(" , "))),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_document_comes_back(value in json()) {
            let source = format!("{{\"v\":{value}}}");
            if serde_json::from_str::<serde_json::Value>(&source).is_ok() {
                prop_assert_eq!(apart(&source).1, source);
            }
        }

        #[test]
        fn strings_are_written_as_serde_writes_them(text in any::<String>()) {
            prop_assert_eq!(json_string(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
