//! How are values of clients' bodies read? Leniently, as Elasticsearch does.

use model::meta::Fault;
use serde_json::{Map, Value as Json};

pub(crate) type Object = Map<String, Json>;

/// `true`, `false`, and both as strings.
pub(crate) fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(b) => Some(*b),
        Json::String(text) if text == "true" => Some(true),
        Json::String(text) if text == "false" => Some(false),
        _ => None,
    }
}

/// A whole number, also as a string.
pub(crate) fn whole(value: &Json) -> Option<i64> {
    match value {
        Json::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64)),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A string or a list of strings.
pub(crate) fn strings(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::String(text) => Some(vec![text.clone()]),
        Json::Array(list) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// A scalar as Elasticsearch's settings keep it.
pub(crate) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The object of a body; `what` names it in the fault.
pub(crate) fn object(value: Json, what: &str) -> Result<Object, Fault> {
    match value {
        Json::Object(map) => Ok(map),
        _ => Err(Fault::new(
            400,
            "x_content_parse_exception",
            format!("[1:1] Expected START_OBJECT for [{what}]"),
        )),
    }
}

/// A field that nobody knows.
pub(crate) fn unknown(what: &str, field: &str) -> Fault {
    let reason = format!("[1:1] [{what}] unknown field [{field}]");
    Fault::new(400, "x_content_parse_exception", reason)
}

/// A field whose value is of the wrong type.
pub(crate) fn wrong(what: &str, field: &str) -> Fault {
    let reason = format!("[1:1] [{what}] failed to parse field [{field}]");
    Fault::new(400, "x_content_parse_exception", reason)
}

/// A duration such as `30d`, `12h`, `500ms`, `0`, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if text == "0" || text == "-1" {
        return text.parse().ok();
    }
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().ok()?;
    let unit = match unit.trim() {
        "nanos" => 1e-6,
        "micros" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" | "H" => 3_600e3,
        "d" => 86_400e3,
        _ => return None,
    };
    Some((number * unit) as i64)
}

/// A size such as `50gb`, in bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().ok()?;
    let power = match unit {
        "" | "b" => 0,
        "k" | "kb" => 1,
        "m" | "mb" => 2,
        "g" | "gb" => 3,
        "t" | "tb" => 4,
        "p" | "pb" => 5,
        _ => return None,
    };
    Some((number * (1u64 << (10 * power)) as f64) as u64)
}
