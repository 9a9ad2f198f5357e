//! Is the answer what the step expects? Every difference, in words.

use regex::Regex;
use serde_json::{Map, Value as Json};

use super::format::{ErrorIs, OneOrMore, Step};
use super::path::find;
use crate::support::Answer;

/// How far numbers with a fraction may be off, unless the step says otherwise.
const TOLERANCE: f64 = 1e-9;

/// What is wrong with an answer; empty when it is as expected.
pub fn differences(step: &Step, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    status(step, answer, &mut wrong);
    for (name, expected) in &step.header {
        match answer.header(&name.to_ascii_lowercase()) {
            Some(value) if text_matches(expected, value) => {}
            value => wrong.push(format!("header {name}: expected {expected}, got {value:?}")),
        }
    }
    for pattern in step.text.as_ref().map(OneOrMore::as_slice).unwrap_or_default() {
        match Regex::new(pattern) {
            Ok(regex) if regex.is_match(&answer.body) => {}
            Ok(_) => wrong.push(format!("the body does not match {pattern}")),
            Err(error) => wrong.push(format!("{pattern}: {error}")),
        }
    }
    let json = serde_json::from_str::<Json>(&answer.body).unwrap_or(Json::Null);
    let mut checks = Checks { json: &json, tolerance: step.tolerance.unwrap_or(TOLERANCE), wrong };
    checks.run(step, answer);
    checks.wrong
}

fn status(step: &Step, answer: &Answer, wrong: &mut Vec<String>) {
    match &step.status {
        Some(expected) if expected.as_slice().contains(&answer.status) => {}
        Some(expected) => {
            wrong.push(format!(
                "status: expected {:?}, got {}",
                expected.as_slice(),
                answer.status
            ));
        }
        None if (200..300).contains(&answer.status) => {}
        None => wrong.push(format!("status: expected success, got {}", answer.status)),
    }
}

/// `/…/` is a regular expression that is looked for, all else the text itself.
fn text_matches(expected: &str, found: &str) -> bool {
    match pattern(expected) {
        Some(pattern) => Regex::new(pattern).is_ok_and(|regex| regex.is_match(found)),
        None => expected == found,
    }
}

fn pattern(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/').filter(|inner| !inner.is_empty())
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(n) if n.is_f64() => "float",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn is_true(json: Option<&Json>) -> bool {
    match json {
        None | Some(Json::Null | Json::Bool(false)) => false,
        Some(Json::String(text)) => !matches!(text.as_str(), "" | "false"),
        Some(Json::Number(n)) => n.as_f64() != Some(0.0),
        Some(_) => true,
    }
}

struct Checks<'a> {
    json: &'a Json,
    tolerance: f64,
    wrong: Vec<String>,
}

impl Checks<'_> {
    fn run(&mut self, step: &Step, answer: &Answer) {
        for (path, expected) in &step.matches {
            match self.find(path) {
                Some(found) => self.same(path, expected, &found),
                None => self.wrong.push(format!("{path}: expected {expected}, it is not there")),
            }
        }
        for (path, expected) in &step.contains {
            let found = self.find(path);
            if !found.as_ref().is_some_and(|found| self.holds(found, expected)) {
                let found = found.unwrap_or(Json::Null);
                self.wrong.push(format!("{path}: expected to hold {expected}, got {found}"));
            }
        }
        for (path, expected) in &step.length {
            let length = match self.find(path) {
                Some(Json::Array(list)) => Some(list.len()),
                Some(Json::Object(map)) => Some(map.len()),
                Some(Json::String(text)) => Some(text.chars().count()),
                _ => None,
            };
            if length != Some(*expected) {
                self.wrong.push(format!("length of {path}: expected {expected}, got {length:?}"));
            }
        }
        self.presence(step);
        self.kinds(step);
        self.numbers(step);
        self.hits(step);
        if let Some(expected) = &step.error {
            self.error(expected, answer);
        }
    }

    fn find(&mut self, path: &str) -> Option<Json> {
        match find(self.json, path) {
            Ok(found) => found,
            Err(error) => {
                self.wrong.push(format!("{path} is no path: {error}"));
                None
            }
        }
    }

    fn presence(&mut self, step: &Step) {
        for (paths, what, right) in [
            (&step.is_true, "true", (|j| is_true(j)) as fn(Option<&Json>) -> bool),
            (&step.is_false, "false or absent", |j| !is_true(j)),
            (&step.exists, "there", |j| j.is_some()),
            (&step.absent, "absent", |j| j.is_none()),
        ] {
            for path in paths.as_slice() {
                let found = self.find(path);
                if !right(found.as_ref()) {
                    self.wrong.push(format!("{path}: expected {what}, got {found:?}"));
                }
            }
        }
    }

    fn kinds(&mut self, step: &Step) {
        for (path, expected) in &step.types {
            let found = self.find(path);
            let found = found.as_ref().map_or("absent", kind);
            let number = expected == "number" && matches!(found, "integer" | "float");
            if found != expected && !number {
                self.wrong.push(format!("type of {path}: expected {expected}, got {found}"));
            }
        }
        for (path, expected) in &step.keys {
            let found = self.find(path);
            let map = found.as_ref().and_then(Json::as_object);
            let keys: Option<Vec<&String>> = map.map(|map| map.keys().collect());
            if !keys.as_ref().is_some_and(|keys| keys.iter().copied().eq(expected)) {
                self.wrong.push(format!("keys of {path}: expected {expected:?}, got {keys:?}"));
            }
        }
    }

    fn numbers(&mut self, step: &Step) {
        for (each, sign, right) in [
            (&step.gt, ">", (|a, b| a > b) as fn(f64, f64) -> bool),
            (&step.gte, ">=", |a, b| a >= b),
            (&step.lt, "<", |a, b| a < b),
            (&step.lte, "<=", |a, b| a <= b),
        ] {
            for (path, bound) in each {
                let found = self.find(path).and_then(|json| json.as_f64());
                if !found.is_some_and(|found| right(found, *bound)) {
                    self.wrong.push(format!("{path}: expected {sign} {bound}, got {found:?}"));
                }
            }
        }
        for (path, near) in &step.close_to {
            let found = self.find(path).and_then(|json| json.as_f64());
            if !found.is_some_and(|found| (found - near.value).abs() <= near.error) {
                self.wrong.push(format!(
                    "{path}: expected {} ± {}, got {found:?}",
                    near.value, near.error
                ));
            }
        }
    }

    fn hits(&mut self, step: &Step) {
        if let Some(total) = step.total {
            let expected = serde_json::json!({ "value": total, "relation": "eq" });
            match self.find("hits.total") {
                Some(found) => self.same("hits.total", &expected, &found),
                None => self.wrong.push(format!("hits.total: expected {total}, it is not there")),
            }
        }
        for (expected, ordered) in [(&step.ids, true), (&step.ids_any, false)] {
            let Some(expected) = expected else { continue };
            let found = self.find("hits.hits[*]._id").unwrap_or_default();
            let list = found.as_array().map(Vec::as_slice).unwrap_or_default();
            let mut ids: Vec<&str> = list.iter().filter_map(Json::as_str).collect();
            let mut wanted: Vec<&str> = expected.iter().map(String::as_str).collect();
            if !ordered {
                ids.sort_unstable();
                wanted.sort_unstable();
            }
            if ids != wanted {
                self.wrong.push(format!("ids: expected {wanted:?}, got {ids:?}"));
            }
        }
        for (path, expected) in &step.buckets {
            let found = self.find(&format!("{path}.buckets")).unwrap_or_default();
            let pair = |key: &Json, bucket: &Json| {
                serde_json::json!([key, bucket.get("doc_count").cloned().unwrap_or_default()])
            };
            let found: Vec<Json> = match &found {
                Json::Array(list) => {
                    list.iter().map(|b| pair(b.get("key").unwrap_or(&Json::Null), b)).collect()
                }
                Json::Object(map) => map.iter().map(|(k, b)| pair(&Json::from(&**k), b)).collect(),
                _ => Vec::new(),
            };
            self.same(path, &Json::from(expected.clone()), &Json::from(found));
        }
    }

    fn error(&mut self, expected: &ErrorIs, answer: &Answer) {
        self.same("status", &answer.status.into(), &self.json["status"].clone());
        let root =
            |own: &Option<String>, of_all: &Option<String>| own.clone().or_else(|| of_all.clone());
        for (path, expected) in [
            ("error.type", expected.kind.clone()),
            ("error.reason", expected.reason.clone()),
            ("error.root_cause[0].type", root(&expected.root_type, &expected.kind)),
            ("error.root_cause[0].reason", root(&expected.root_reason, &expected.reason)),
        ] {
            match (self.find(path), expected) {
                (Some(found), Some(expected)) => self.same(path, &expected.into(), &found),
                (Some(Json::String(_)), None) => {}
                (found, expected) => {
                    self.wrong.push(format!("{path}: expected {expected:?}, got {found:?}"));
                }
            }
        }
    }

    /// Notes where two values differ.
    fn same(&mut self, path: &str, expected: &Json, found: &Json) {
        match (expected, found) {
            (Json::Object(a), Json::Object(b)) => self.same_members(path, a, b),
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
                for (at, (a, b)) in a.iter().zip(b).enumerate() {
                    self.same(&format!("{path}[{at}]"), a, b);
                }
            }
            _ if self.equal(expected, found) => {}
            _ => self.wrong.push(format!("{path}: expected {expected}, got {found}")),
        }
    }

    fn same_members(
        &mut self,
        path: &str,
        expected: &Map<String, Json>,
        found: &Map<String, Json>,
    ) {
        for (key, value) in expected {
            match found.get(key) {
                Some(found) => self.same(&format!("{path}.{key}"), value, found),
                None => self.wrong.push(format!("{path}.{key}: expected {value}, it is not there")),
            }
        }
        for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
            self.wrong.push(format!("{path}.{key}: not expected, got {value}"));
        }
    }

    fn equal(&self, expected: &Json, found: &Json) -> bool {
        match (expected, found) {
            (Json::String(expected), Json::String(found)) => text_matches(expected, found),
            (Json::Number(a), Json::Number(b)) if a.is_f64() || b.is_f64() => {
                let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
                (a - b).abs() <= self.tolerance * a.abs().max(b.abs())
            }
            (Json::Array(a), Json::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.equal(a, b))
            }
            (Json::Object(a), Json::Object(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| self.equal(a, b)))
            }
            (a, b) => a == b,
        }
    }

    /// Whether `found` has at least what `wanted` has.
    fn holds(&self, found: &Json, wanted: &Json) -> bool {
        match (found, wanted) {
            (Json::Object(found), Json::Object(wanted)) => {
                wanted.iter().all(|(k, w)| found.get(k).is_some_and(|f| self.holds(f, w)))
            }
            (Json::Array(found), Json::Array(wanted)) => {
                wanted.iter().all(|w| found.iter().any(|f| self.holds(f, w)))
            }
            (Json::Array(found), wanted) => found.iter().any(|f| self.holds(f, wanted)),
            (Json::String(found), Json::String(wanted)) => {
                text_matches(wanted, found) || found.contains(wanted)
            }
            (found, wanted) => self.equal(wanted, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that expects `expectations` of an answer with the body `body` and status 200.
    fn differ(expectations: &str, body: &str) -> Vec<String> {
        let step = format!("do: GET /\n{expectations}");
        let step: Step = serde_saphyr::from_str(&step).unwrap();
        let headers = vec![("x-elastic-product".to_owned(), "Elasticsearch".to_owned())];
        differences(&step, &Answer { status: 200, body: body.to_owned(), headers })
    }

    #[test]
    fn what_is_as_expected_passes() {
        let hits =
            r#"{"hits":{"total":{"value":2,"relation":"eq"},"hits":[{"_id":"1"},{"_id":"2"}]}}"#;
        for (expectations, body) in [
            ("match: {a.b: 1}", r#"{"a":{"b":1.0}}"#),
            ("match: {a: {b: '/^x+$/', c: [1, null]}}", r#"{"a":{"c":[1,null],"b":"xx"}}"#),
            ("match: {a: 0.3}", r#"{"a":0.30000000000000004}"#),
            ("match: {a: 100}\ntolerance: 0.01", r#"{"a":100.5}"#),
            ("contains: {a: {b: 1}}", r#"{"a":[{"b":2},{"b":1,"c":3}]}"#),
            ("length: {a: 2}", r#"{"a":[1,2]}"#),
            ("is_true: a\nis_false: [b, c]\nexists: b\nabsent: c", r#"{"a":1,"b":0}"#),
            ("type: {a: float, b: integer, c: number}", r#"{"a":1.0,"b":1,"c":1}"#),
            ("keys: {'': [b, a]}", r#"{"b":1,"a":2}"#),
            ("gt: {a: 1}\nlte: {a: 2}", r#"{"a":2}"#),
            ("close_to: {a: {value: 1, error: 0.5}}", r#"{"a":1.4}"#),
            ("total: 2\nids: ['1', '2']\nids_any: ['2', '1']", hits),
            ("buckets: {a: [[x, 1]]}", r#"{"a":{"buckets":[{"key":"x","doc_count":1}]}}"#),
            ("buckets: {a: [[x, 1]]}", r#"{"a":{"buckets":{"x":{"doc_count":1}}}}"#),
            ("header: {X-Elastic-Product: Elasticsearch}", ""),
            (r#"text: ['"errors":false', '^\{']"#, r#"{"errors":false}"#),
        ] {
            assert_eq!(differ(expectations, body), Vec::<String>::new(), "{expectations}");
        }
    }

    #[test]
    fn what_is_not_as_expected_is_told() {
        let hits = r#"{"hits":{"total":{"value":2,"relation":"gte"},"hits":[{"_id":"1"}]}}"#;
        let error = r#"{"error":{"root_cause":[{"type":"b","reason":"r"}],"type":"a","reason":"r"},"status":400}"#;
        for (expectations, body) in [
            ("match: {a.b: 1}", r#"{"a":{"b":2}}"#),
            ("match: {a.b: 1}", r#"{"a":{"b":"1"}}"#),
            ("match: {a.b: 1}", "{}"),
            ("match: {a: {b: 1}}", r#"{"a":{"b":1,"c":2}}"#),
            ("match: {a: {b: 1, c: 2}}", r#"{"a":{"b":1}}"#),
            ("match: {a: '/^x+$/'}", r#"{"a":"xy"}"#),
            ("match: {a: 0.3}", r#"{"a":0.31}"#),
            ("match: {a: [1, 2]}", r#"{"a":[2, 1]}"#),
            ("contains: {a: {b: 1}}", r#"{"a":[{"b":2}]}"#),
            ("length: {a: 2}", r#"{"a":[1]}"#),
            ("is_true: a", r#"{"a":false}"#),
            ("is_false: a", r#"{"a":[]}"#),
            ("exists: a", "{}"),
            ("absent: a", r#"{"a":null}"#),
            ("type: {a: float}", r#"{"a":1}"#),
            ("keys: {'': [b, a]}", r#"{"a":1,"b":2}"#),
            ("gt: {a: 2}", r#"{"a":2}"#),
            ("close_to: {a: {value: 1, error: 0.5}}", r#"{"a":1.6}"#),
            ("total: 2", hits),
            ("ids: ['1', '2']", hits),
            ("buckets: {a: [[x, 1]]}", r#"{"a":{"buckets":[{"key":"x","doc_count":2}]}}"#),
            ("header: {X-Elastic-Product: Other}", ""),
            ("text: '\"errors\":false'", r#"{"errors": false}"#),
            ("status: 201", "{}"),
            ("status: 200\nerror: {type: a}", error),
        ] {
            assert_ne!(differ(expectations, body), Vec::<String>::new(), "{expectations}");
        }
    }
}
