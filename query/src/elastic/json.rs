//! What does a JSON body hold? Reading with clear errors, lenient scalars, no doubled keys.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use crate::ast::Literal;
use crate::error::QueryError;

/// Reads one JSON value. A key that stands twice in an object is an error: the last one would
/// win in silence.
///
/// # Errors
/// It is not JSON, or nested more than 127 levels deep; the error names the place.
pub fn parse_json(body: &[u8]) -> Result<Json, QueryError> {
    let mut de = serde_json::Deserializer::from_slice(body);
    let read = Tree.deserialize(&mut de).and_then(|json| de.end().map(|()| json));
    read.map_err(|e| {
        let text = e.to_string();
        if text.starts_with("recursion limit exceeded") {
            return QueryError::parsing(format!(
                "the body is nested too deeply: more than 127 levels at line {} column {}",
                e.line(),
                e.column()
            ));
        }
        QueryError::parsing(format!("the body is no valid JSON: {text}"))
    })
}

struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Json, E> {
        Ok(Json::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Json, E> {
        Ok(Json::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Json, E> {
        Ok(Json::Number(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Json, E> {
        Ok(Number::from_f64(v).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Json, E> {
        Ok(Json::String(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = seq.next_element_seed(Tree)? {
            out.push(value);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if out.contains_key(&key) {
                let reason = format!("the key `{key}` stands twice in one object");
                return Err(serde::de::Error::custom(reason));
            }
            let value = map.next_value_seed(Tree)?;
            out.insert(key, value);
        }
        Ok(Json::Object(out))
    }
}

/// A boolean, or the text of one.
pub fn boolean(json: &Json) -> Option<bool> {
    match json {
        Json::Bool(b) => Some(*b),
        Json::String(text) => match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A whole number, also as text or with a fraction of zero.
pub(super) fn integer(json: &Json) -> Option<i64> {
    let whole = |f: f64| (f.fract() == 0.0 && f.abs() < 9e18).then_some(f as i64);
    match json {
        Json::Number(n) => n.as_i64().or_else(|| n.as_f64().and_then(whole)),
        Json::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse::<f64>().ok().and_then(whole))
        }
        _ => None,
    }
}

/// A number, also as text.
pub(super) fn float(json: &Json) -> Option<f64> {
    match json {
        Json::Number(n) => n.as_f64(),
        Json::String(text) => text.trim().parse().ok().filter(|f: &f64| f.is_finite()),
        _ => None,
    }
}

/// The text of a scalar.
pub(super) fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(n) => Some(n.to_string()),
        Json::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// A constant of a query.
pub(super) fn literal(json: &Json) -> Option<Literal> {
    Some(match json {
        Json::Bool(b) => Literal::Bool(*b),
        Json::String(text) => Literal::Text(text.clone()),
        Json::Number(n) => match n.as_i64() {
            Some(n) => Literal::Int(n),
            None => Literal::Float(n.as_f64()?),
        },
        _ => return None,
    })
}

/// What kind of value it is, for errors.
pub(super) fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The value in few words, for errors.
pub(super) fn brief(json: &Json) -> String {
    match scalar(json) {
        Some(text) if text.len() <= 80 => text,
        _ => kind(json).to_owned(),
    }
}

/// Nothing: null, false, or an empty text, list or object.
pub(super) fn is_nothing(json: &Json) -> bool {
    match json {
        Json::Null | Json::Bool(false) => true,
        Json::Array(list) => list.is_empty(),
        Json::Object(map) => map.is_empty(),
        Json::String(text) => text.is_empty() || text == "false",
        Json::Bool(true) | Json::Number(_) => false,
    }
}

/// The elements of a list, or the one value that stands for a list of one.
pub(super) fn list(json: &Json) -> &[Json] {
    match json {
        Json::Array(list) => list,
        Json::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// Strings: one, or a list of them.
pub(super) fn strings(what: &str, json: &Json) -> Result<Vec<String>, QueryError> {
    list(json)
        .iter()
        .map(|value| {
            value.as_str().map(str::to_owned).ok_or_else(|| bad(what, json, "a string or a list"))
        })
        .collect()
}

/// "cannot read [what] [value]: expected …".
pub(super) fn bad(what: &str, value: &Json, expected: &str) -> QueryError {
    QueryError::parsing(format!("cannot read [{what}] [{}]: expected {expected}", brief(value)))
}
