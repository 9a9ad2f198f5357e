//! To which number does a path lead? From a bucket through its aggregations: `a>b['key']>c.prop`.

use serde_json::Value as Json;

use super::invalid;
use crate::error::QueryError;
use crate::request::GapPolicy;
use crate::tree::{Object, Tree};

/// The parts of a path: names, keys of buckets in quotes, and at the end a property or percent.
///
/// # Errors
/// A part is malformed.
pub(super) fn parse(path: &str) -> Result<Vec<String>, QueryError> {
    let elements: Vec<&str> = path.split('>').map(str::trim).filter(|e| !e.is_empty()).collect();
    let Some(last) = elements.len().checked_sub(1) else {
        return Err(invalid(format!("Invalid path [{path}]: it is empty")));
    };
    let mut out = Vec::with_capacity(elements.len() + 1);
    for (at, element) in elements.into_iter().enumerate() {
        let bad = || invalid(format!("Invalid path element [{element}] in path [{path}]"));
        if let Some(open) = element.rfind('[') {
            let inner = element[open + 1..].strip_suffix(']').filter(|inner| !inner.is_empty());
            let inner = inner.filter(|_| open > 0).ok_or_else(bad)?;
            out.push(element[..open].to_owned());
            out.push(inner.to_owned());
        } else if let (true, Some(dot)) = (at == last, element.rfind('.')) {
            if dot == 0 || dot + 1 == element.len() {
                return Err(bad());
            }
            out.push(element[..dot].to_owned());
            out.push(element[dot + 1..].to_owned());
        } else {
            out.push(element.to_owned());
        }
    }
    Ok(out)
}

/// What stands at the end of a path.
pub(super) enum Found<'a> {
    /// A number; not a number where there is none.
    Number(f64),
    /// The key of a bucket that is text.
    Text,
    /// An aggregation.
    Body(&'a Object),
    /// One thing of each bucket.
    Each,
    /// Nothing of that name in this bucket.
    Nothing,
}

type Looked<'a> = Result<Found<'a>, QueryError>;

/// Looks in a bucket.
pub(super) fn in_bucket<'a>(bucket: &'a Object, path: &[String]) -> Looked<'a> {
    match path {
        [] => Ok(Found::Body(bucket)),
        [name] if name == "_count" => Ok(member(bucket, "doc_count")),
        [name] if name == "_key" => Ok(member(bucket, "key")),
        [name, rest @ ..] => match bucket.get(name) {
            Some(Tree::Object(body)) => in_body(name, body, rest),
            _ => Ok(Found::Nothing),
        },
    }
}

/// Looks in the body of an aggregation.
fn in_body<'a>(name: &str, body: &'a Object, path: &[String]) -> Looked<'a> {
    let Some((first, rest)) = path.split_first() else { return Ok(Found::Body(body)) };
    if body.get("doc_count").is_some() {
        if first == "_count" && rest.is_empty() {
            return Ok(member(body, "doc_count"));
        }
        return match body.get(first) {
            Some(Tree::Object(inner)) => in_body(first, inner, rest),
            _ => Err(QueryError::illegal(format!(
                "Cannot find an aggregation named [{first}] in [{name}]"
            ))),
        };
    }
    if let Some(buckets) = body.get("buckets") {
        if first == "_bucket_count" {
            return Ok(Found::Number(count(buckets) as f64));
        }
        let quoted = first.strip_prefix('\'').and_then(|key| key.strip_suffix('\''));
        return match quoted {
            None => Ok(Found::Each),
            Some(key) => match bucket_of(buckets, key) {
                Some(bucket) => in_bucket(bucket, rest),
                None => Ok(Found::Nothing),
            },
        };
    }
    if !rest.is_empty() {
        return Err(not_supported(name, path));
    }
    property(body, first).map(Found::Number).ok_or_else(|| not_supported(name, path))
}

fn not_supported(name: &str, path: &[String]) -> QueryError {
    QueryError::illegal(format!("path not supported for [{name}]: [{}]", path.join(", ")))
}

fn count(buckets: &Tree) -> usize {
    match buckets {
        Tree::Object(named) => named.len(),
        Tree::List(list) => list.len(),
        Tree::Json(_) | Tree::Later(_) => 0,
    }
}

/// The bucket of a key, as it is printed.
fn bucket_of<'a>(buckets: &'a Tree, key: &str) -> Option<&'a Object> {
    let as_object = |tree: &'a Tree| match tree {
        Tree::Object(bucket) => Some(bucket),
        _ => None,
    };
    match buckets {
        Tree::Object(named) => named.get(key).and_then(as_object),
        Tree::List(list) => {
            list.iter().filter_map(as_object).find(|bucket| key_of(bucket).as_deref() == Some(key))
        }
        Tree::Json(_) | Tree::Later(_) => None,
    }
}

/// The key of a bucket, as it is printed.
pub(super) fn key_of(bucket: &Object) -> Option<String> {
    let text = |tree: &Tree| match tree {
        Tree::Json(Json::String(text)) => Some(text.clone()),
        Tree::Json(json) => Some(json.to_string()),
        _ => None,
    };
    let key = bucket.get("key_as_string").or_else(|| bucket.get("key"));
    key.and_then(text)
}

fn member<'a>(object: &'a Object, name: &str) -> Found<'a> {
    match object.get(name) {
        Some(Tree::Json(Json::String(_))) => Found::Text,
        Some(tree) => number(tree).map_or(Found::Nothing, Found::Number),
        None => Found::Nothing,
    }
}

/// A number; null and `"NaN"` are none.
fn number(tree: &Tree) -> Option<f64> {
    match tree {
        Tree::Json(Json::Null) => Some(f64::NAN),
        Tree::Json(Json::Number(n)) => n.as_f64(),
        Tree::Json(Json::String(text)) => {
            matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity").then_some(f64::NAN)
        }
        Tree::Json(Json::Bool(v)) => Some(f64::from(u8::from(*v))),
        _ => None,
    }
}

/// A number of a metric by the name that Elasticsearch gives it.
fn property(body: &Object, name: &str) -> Option<f64> {
    if let Some(values) = body.get("values") {
        return percent(values, name.parse().ok()?);
    }
    if let Some(bound) = name.strip_prefix("std_") {
        let bound = bound.strip_suffix("_bounds").unwrap_or(bound);
        if bound.starts_with("upper") || bound.starts_with("lower") {
            return inner(body.get("std_deviation_bounds")?, bound);
        }
    }
    if let Some(Tree::List(top)) = body.get("top") {
        let Some(Tree::Object(first)) = top.first() else { return Some(f64::NAN) };
        return inner(first.get("metrics")?, name);
    }
    body.get(name).and_then(number)
}

fn inner(tree: &Tree, name: &str) -> Option<f64> {
    match tree {
        Tree::Object(object) => object.get(name).and_then(number),
        Tree::Json(json) => match json.get(name)? {
            Json::Null => Some(f64::NAN),
            value => Some(value.as_f64().unwrap_or(f64::NAN)),
        },
        Tree::List(_) | Tree::Later(_) => None,
    }
}

/// The value of a percent that was asked for.
fn percent(values: &Tree, percent: f64) -> Option<f64> {
    match values {
        Tree::Object(named) => {
            let mut found = named.members().filter(|(name, _)| name.parse() == Ok(percent));
            found.next().and_then(|(_, value)| number(value))
        }
        Tree::List(list) => list.iter().find_map(|entry| match entry {
            Tree::Object(entry) if entry.get("key").and_then(number) == Some(percent) => {
                entry.get("value").and_then(number)
            }
            _ => None,
        }),
        Tree::Json(_) | Tree::Later(_) => None,
    }
}

/// The number of a bucket at the end of a path, by the gap policy; none where an aggregation of the
/// path is not in this bucket.
///
/// # Errors
/// The path leads to something else.
pub(super) fn resolve(
    bucket: &Object,
    path: &[String],
    gaps: GapPolicy,
) -> Result<Option<f64>, QueryError> {
    const MUST: &str = "buckets_path must reference either a number value or a single value \
                        numeric metric aggregation";
    let last = path.last().map_or("", String::as_str);
    let value = match in_bucket(bucket, path)? {
        Found::Number(value) => value,
        Found::Nothing => return Ok(None),
        Found::Text => {
            return Err(invalid(format!("{MUST}, got: [String] at aggregation [{last}]")));
        }
        Found::Each => {
            return Err(invalid(format!("{MUST}, got: [Object[]] at aggregation [{last}]")));
        }
        Found::Body(body) => match body.get("value").and_then(number) {
            Some(value) => value,
            None if body.get("buckets").is_none() && body.get("doc_count").is_none() => {
                return Err(invalid(format!(
                    "{MUST}, but [{last}] contains multiple values. Please specify which to \
                     use."
                )));
            }
            None => {
                return Err(invalid(format!("{MUST}, got: [a bucket] at aggregation [{last}]")));
            }
        },
    };
    let records = match member(bucket, "doc_count") {
        Found::Number(docs) => docs,
        _ => 1.0,
    };
    let of_count = path.len() == 1 && last == "_count";
    let gap = !value.is_finite() || records == 0.0 && !of_count;
    Ok(Some(match gaps {
        _ if !gap => value,
        GapPolicy::Skip => f64::NAN,
        GapPolicy::InsertZeros => 0.0,
        GapPolicy::KeepValues if value.is_finite() => value,
        GapPolicy::KeepValues => f64::NAN,
    }))
}
