//! Which parts of a JSON value are kept? `_source` filters, and `filter_path` of a response.

use serde_json::{Map, Value as Json};

use crate::plan::glob;
use crate::request::SourceFilter;

/// The document with only the wanted paths. `*` matches any run of characters, dots too.
pub(crate) fn filter_source(document: Json, filter: &SourceFilter) -> Json {
    let Json::Object(map) = document else { return document };
    let all = filter.includes.is_empty();
    Json::Object(source_object(map, filter, &mut String::new(), all))
}

fn source_object(
    map: Map<String, Json>,
    filter: &SourceFilter,
    path: &mut String,
    included: bool,
) -> Map<String, Json> {
    let mut out = Map::new();
    for (key, value) in map {
        let parent = path.len();
        if parent > 0 {
            path.push('.');
        }
        path.push_str(&key);
        if let Some(value) = source_value(value, filter, path, included) {
            out.insert(key, value);
        }
        path.truncate(parent);
    }
    out
}

/// What is kept of the value at a path.
fn source_value(
    value: Json,
    filter: &SourceFilter,
    path: &mut String,
    included: bool,
) -> Option<Json> {
    let path_matches = |patterns: &[String]| patterns.iter().any(|p| glob(p, path));
    if path_matches(&filter.excludes) {
        return None;
    }
    let included = included || path_matches(&filter.includes);
    if included && filter.excludes.is_empty() {
        return Some(value);
    }
    source_inside(value, filter, path, included)
}

fn source_inside(
    value: Json,
    filter: &SourceFilter,
    path: &mut String,
    included: bool,
) -> Option<Json> {
    match value {
        Json::Object(map) => {
            let kept = source_object(map, filter, path, included);
            (included || !kept.is_empty()).then_some(Json::Object(kept))
        }
        Json::Array(list) => {
            let kept: Vec<Json> = list
                .into_iter()
                .filter_map(|element| source_inside(element, filter, path, included))
                .collect();
            (included || !kept.is_empty()).then_some(Json::Array(kept))
        }
        scalar => included.then_some(scalar),
    }
}

/// The response with only the wanted paths: parts between dots, `*` within a part, `**` over
/// parts, a leading `-` for what is not wanted.
pub(super) fn filter_response(json: Json, spec: &str) -> Json {
    let (mut includes, mut excludes) = (Vec::new(), Vec::new());
    for path in spec.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match path.strip_prefix('-') {
            Some(path) => excludes.push(path.split('.').collect::<Vec<_>>()),
            None => includes.push(path.split('.').collect::<Vec<_>>()),
        }
    }
    let includes: Vec<&[&str]> = includes.iter().map(Vec::as_slice).collect();
    let excludes: Vec<&[&str]> = excludes.iter().map(Vec::as_slice).collect();
    let all = includes.is_empty();
    response_value(json, &includes, &excludes, all).unwrap_or_else(|| Json::Object(Map::new()))
}

/// What is left of the patterns below `key`, each once; a pattern that ends there is empty.
fn below<'a>(patterns: &[&'a [&'a str]], key: &str) -> Vec<&'a [&'a str]> {
    let mut out: Vec<&'a [&'a str]> = Vec::new();
    // Without this, each `**` would double what follows at every level.
    let mut push = |rest: &'a [&'a str]| {
        if !out.contains(&rest) {
            out.push(rest);
        }
    };
    for pattern in patterns {
        match pattern {
            ["**", rest @ ..] => {
                push(pattern);
                if let [first, rest @ ..] = rest
                    && glob(first, key)
                {
                    push(rest);
                }
            }
            [first, rest @ ..] if glob(first, key) => push(rest),
            _ => {}
        }
    }
    out
}

fn response_value(
    json: Json,
    includes: &[&[&str]],
    excludes: &[&[&str]],
    included: bool,
) -> Option<Json> {
    let ends = |patterns: &[&[&str]]| patterns.iter().any(|p| matches!(p, [] | ["**"]));
    if ends(excludes) {
        return None;
    }
    let included = included || ends(includes);
    match json {
        Json::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map {
                let (inner, outer) = (below(includes, &key), below(excludes, &key));
                if let Some(value) = response_value(value, &inner, &outer, included) {
                    out.insert(key, value);
                }
            }
            (included || !out.is_empty()).then_some(Json::Object(out))
        }
        Json::Array(list) => {
            let kept: Vec<Json> = list
                .into_iter()
                .filter_map(|element| response_value(element, includes, excludes, included))
                .collect();
            (included || !kept.is_empty()).then_some(Json::Array(kept))
        }
        scalar => included.then_some(scalar),
    }
}
