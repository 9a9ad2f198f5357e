//! What does a search template become? Mustache with parameters: variables, sections, inverted
//! sections, `toJson` and `join`.
//!
//! Strings are escaped as JSON wants them, so that a parameter never ends the text that it stands
//! in. What is made is bounded.

use serde_json::{Map, Value as Json};

use super::json::{bad, kind, parse_json, scalar};
use crate::error::QueryError;

/// The largest search that a template may become, in bytes.
const BYTES_MAX: usize = 1 << 20;
/// How deep sections may be nested.
const DEPTH_MAX: usize = 32;
/// How often the parts of a template are written.
const STEPS_MAX: usize = 100_000;

/// The body of the search that the body of a template request asks for.
///
/// # Errors
/// It is malformed, has no source of its own, or becomes too large.
pub fn rendered(body: &[u8]) -> Result<Vec<u8>, QueryError> {
    let json = parse_json(body)?;
    let Json::Object(map) = &json else {
        return Err(bad("template", &json, "an object"));
    };
    let (mut source, mut params) = (None, Json::Object(Map::new()));
    for (key, value) in map {
        match key.as_str() {
            "source" | "inline" => {
                source = Some(match value {
                    Json::String(text) => text.clone(),
                    Json::Object(_) => value.to_string(),
                    other => {
                        return Err(QueryError::parsing(format!(
                            "[source] of a template must be a string or an object, got {}",
                            kind(other)
                        )));
                    }
                });
            }
            "params" if value.is_object() => params = value.clone(),
            "params" if value.is_null() => {}
            "id" => {
                return Err(QueryError::illegal(format!(
                    "unable to find script [{}] in cluster state: stored templates are not \
                     supported, give the [source]",
                    scalar(value).unwrap_or_default()
                )));
            }
            "explain" | "profile" if value == &Json::Bool(false) => {}
            "lang" => {}
            _ => {
                return Err(QueryError::parsing(format!(
                    "[search_template] unknown field [{key}]"
                )));
            }
        }
    }
    let Some(source) = source else {
        return Err(QueryError::illegal("template is missing"));
    };
    let parts = parsed(&source)?;
    let mut writer = Writer { out: String::new(), steps: 0 };
    writer.parts(&parts, &mut vec![&params])?;
    Ok(writer.out.into_bytes())
}

#[derive(Debug)]
enum Part<'t> {
    Text(&'t str),
    Variable(&'t str),
    Section { name: &'t str, inverted: bool, parts: Vec<Part<'t>> },
}

/// Reads a template.
fn parsed(source: &str) -> Result<Vec<Part<'_>>, QueryError> {
    let mut open: Vec<(&str, bool, Vec<Part<'_>>)> = Vec::new();
    let mut now = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find("{{") {
        if at > 0 {
            now.push(Part::Text(&rest[..at]));
        }
        let triple = rest[at..].starts_with("{{{");
        let (from, close) = if triple { (at + 3, "}}}") } else { (at + 2, "}}") };
        let Some(length) = rest[from..].find(close) else {
            return Err(QueryError::parsing("a `{{` of the template is not closed"));
        };
        let tag = rest[from..from + length].trim();
        rest = &rest[from + length + close.len()..];
        match tag.chars().next() {
            Some(sign @ ('#' | '^')) => {
                if open.len() >= DEPTH_MAX {
                    return Err(QueryError::parsing(format!(
                        "sections of the template are nested more than {DEPTH_MAX} levels deep"
                    )));
                }
                open.push((tag[1..].trim(), sign == '^', std::mem::take(&mut now)));
            }
            Some('/') => {
                let name = tag[1..].trim();
                let section = open.pop().filter(|(other, ..)| {
                    *other == name || other.split_whitespace().next() == Some(name)
                });
                let Some((name, inverted, before)) = section else {
                    return Err(QueryError::parsing(format!(
                        "the section [{name}] of the template ends where it is not open"
                    )));
                };
                let parts = std::mem::replace(&mut now, before);
                now.push(Part::Section { name, inverted, parts });
            }
            Some('!') | None => {}
            Some('&') => now.push(Part::Variable(tag[1..].trim())),
            Some('>' | '=') => {
                return Err(QueryError::parsing(format!(
                    "[{tag}] of the template is not supported"
                )));
            }
            Some(_) => now.push(Part::Variable(tag)),
        }
    }
    if let Some((name, ..)) = open.last() {
        return Err(QueryError::parsing(format!(
            "the section [{name}] of the template is not closed"
        )));
    }
    now.push(Part::Text(rest));
    Ok(now)
}

struct Writer {
    out: String,
    steps: usize,
}

impl Writer {
    fn parts(&mut self, parts: &[Part<'_>], scopes: &mut Vec<&Json>) -> Result<(), QueryError> {
        for part in parts {
            self.steps += 1;
            if self.steps > STEPS_MAX || self.out.len() > BYTES_MAX {
                return Err(QueryError::illegal(format!(
                    "the template becomes a search of more than {BYTES_MAX} bytes"
                )));
            }
            match part {
                Part::Text(text) => self.out.push_str(text),
                Part::Variable(name) => {
                    if let Some(value) = found(scopes, name) {
                        self.out.push_str(&escaped(value));
                    }
                }
                Part::Section { name, inverted: false, parts } => {
                    self.section(name, parts, scopes)?;
                }
                Part::Section { name, inverted: true, parts } => {
                    if !found(scopes, name).is_some_and(is_true) {
                        self.parts(parts, scopes)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn section(
        &mut self,
        name: &str,
        parts: &[Part<'_>],
        scopes: &mut Vec<&Json>,
    ) -> Result<(), QueryError> {
        let mut words = name.split_whitespace();
        match words.next() {
            Some("toJson") => {
                let value = argument(parts).and_then(|name| found(scopes, name));
                self.out.push_str(&value.unwrap_or(&Json::Null).to_string());
                return Ok(());
            }
            Some("join") => {
                let delimiter = words.next().and_then(|word| word.strip_prefix("delimiter="));
                let delimiter = delimiter.map_or(",", |d| d.trim_matches(['\'', '"']));
                let value = argument(parts).and_then(|name| found(scopes, name));
                if let Some(Json::Array(list)) = value {
                    let words: Vec<String> = list.iter().map(escaped).collect();
                    self.out.push_str(&words.join(delimiter));
                } else if let Some(value) = value {
                    self.out.push_str(&escaped(value));
                }
                return Ok(());
            }
            _ => {}
        }
        match found(scopes, name) {
            Some(Json::Array(list)) => {
                for one in list {
                    scopes.push(one);
                    self.parts(parts, scopes)?;
                    scopes.pop();
                }
            }
            Some(value) if is_true(value) => {
                scopes.push(value);
                self.parts(parts, scopes)?;
                scopes.pop();
            }
            _ => {}
        }
        Ok(())
    }
}

/// The name that stands in a function's section.
fn argument<'t>(parts: &[Part<'t>]) -> Option<&'t str> {
    match parts {
        [Part::Text(name)] => Some(name.trim()),
        _ => None,
    }
}

fn is_true(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Array(list) => !list.is_empty(),
        Json::String(text) => !text.is_empty(),
        _ => true,
    }
}

/// The value of a name, of the innermost scope that has it.
fn found<'a>(scopes: &[&'a Json], name: &str) -> Option<&'a Json> {
    if name == "." {
        return scopes.last().copied();
    }
    scopes.iter().rev().find_map(|scope| {
        let mut value = *scope;
        for part in name.split('.') {
            value = match part.parse::<usize>() {
                Ok(at) if value.is_array() => value.get(at)?,
                _ => value.get(part)?,
            };
        }
        Some(value)
    })
}

/// A value as it stands inside of a JSON text: strings without their quotes.
fn escaped(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => {
            let quoted = Json::from(text.as_str()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(source: &Json, params: Json) -> Result<String, QueryError> {
        let body = json!({ "source": source, "params": params }).to_string();
        rendered(body.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn templates_are_filled() {
        let params = json!({
            "a": "x\"y", "n": 5, "list": ["p", "q"], "on": true, "off": false, "o": {"k": 1},
            "rows": [{"v": 1}, {"v": 2}],
        });
        let cases = [
            (json!("{\"size\": {{n}}}"), "{\"size\": 5}"),
            (json!({"match": {"f": "{{a}}"}}), "{\"match\":{\"f\":\"x\\\"y\"}}"),
            (json!("{{#toJson}}list{{/toJson}}"), "[\"p\",\"q\"]"),
            (json!("{{#join}}list{{/join}}"), "p,q"),
            (json!("{{#join delimiter='||'}}list{{/join delimiter='||'}}"), "p||q"),
            (
                json!("{{#on}}1{{/on}}{{#off}}2{{/off}}{{^off}}3{{/off}}{{^absent}}4{{/absent}}"),
                "134",
            ),
            (json!("{{#list}}[{{.}}]{{/list}}"), "[p][q]"),
            (json!("{{#rows}}{{v}}{{n}};{{/rows}}"), "15;25;"),
            (json!("{{o.k}}{{list.1}}{{! nothing }}{{{n}}}"), "1q5"),
        ];
        for (source, want) in cases {
            assert_eq!(render(&source, params.clone()).unwrap(), want, "{source}");
        }
    }

    #[test]
    fn what_is_malformed_or_grows_is_refused() {
        let cases = [
            (json!("{{a"), "a `{{` of the template is not closed"),
            (json!("{{#a}}"), "the section [a] of the template is not closed"),
            (json!("{{/a}}"), "the section [a] of the template ends where it is not open"),
            (json!("{{>a}}"), "[>a] of the template is not supported"),
            (json!(3), "[source] of a template must be a string or an object, got a number"),
        ];
        for (source, want) in cases {
            assert_eq!(render(&source, json!({})).unwrap_err().reason, want, "{source}");
        }
        let many = json!({ "l": vec![0; 1000] });
        let loops = json!("{{#l}}{{#l}}{{#l}}x{{/l}}{{/l}}{{/l}}");
        assert!(render(&loops, many).unwrap_err().reason.contains("more than"));
        let deep = json!("{{#a}}".repeat(40));
        assert!(render(&deep, json!({})).unwrap_err().reason.contains("nested more than"));
        let stored = rendered(br#"{"id": "x"}"#).unwrap_err();
        assert!(stored.reason.starts_with("unable to find script [x]"));
    }
}
