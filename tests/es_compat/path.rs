//! Which value does a path mean? `hits.hits[0]._id`, `a\.b`, `buckets[key=error]`, `hits[*]._id`.

use serde_json::Value as Json;

/// One part of a path.
#[derive(Debug, PartialEq)]
enum Part {
    Name(String),
    At(usize),
    /// The first element whose member is this text.
    With(String, String),
    /// All elements.
    All,
}

/// Cuts a path at dots and brackets; a backslash takes the next character as it is.
fn parts(path: &str) -> Result<Vec<Part>, String> {
    let mut out = Vec::new();
    let mut name = String::new();
    let mut open = false;
    let mut chars = path.chars();
    let end = |name: &mut String, out: &mut Vec<Part>, open: bool| {
        if open || !name.is_empty() {
            out.push(Part::Name(std::mem::take(name)));
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.extend(chars.next()),
            '.' => {
                end(&mut name, &mut out, open);
                open = false;
            }
            '[' => {
                end(&mut name, &mut out, false);
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                out.push(match (inside.as_str(), inside.split_once('=')) {
                    ("*", _) => Part::All,
                    (_, Some((key, value))) => Part::With(key.to_owned(), value.to_owned()),
                    (number, None) => {
                        Part::At(number.parse().map_err(|_| format!("`[{number}]` in `{path}`"))?)
                    }
                });
            }
            c => name.push(c),
        }
    }
    end(&mut name, &mut out, open);
    Ok(out)
}

/// The value at a path, or `None`; the empty path is the whole.
pub fn find(json: &Json, path: &str) -> Result<Option<Json>, String> {
    Ok(follow(json, &parts(path)?))
}

fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

fn follow(json: &Json, parts: &[Part]) -> Option<Json> {
    let Some((first, rest)) = parts.split_first() else { return Some(json.clone()) };
    match (first, json) {
        (Part::Name(name), Json::Object(map)) => follow(map.get(name)?, rest),
        (Part::Name(name), Json::Array(list)) => {
            follow(list.get(name.parse::<usize>().ok()?)?, rest)
        }
        (Part::At(at), Json::Array(list)) => follow(list.get(*at)?, rest),
        (Part::With(key, value), Json::Array(list)) => {
            let has = |one: &&Json| one.get(key).is_some_and(|found| text(found) == *value);
            follow(list.iter().find(has)?, rest)
        }
        (Part::All, Json::Array(list)) => {
            Some(list.iter().map(|one| follow(one, rest).unwrap_or(Json::Null)).collect())
        }
        (Part::All, Json::Object(map)) => {
            Some(map.values().map(|one| follow(one, rest).unwrap_or(Json::Null)).collect())
        }
        _ => None,
    }
}

#[test]
fn paths_find_values() {
    let json = serde_json::json!({
        "hits": {"hits": [{"_id": "1", "a.b": 2}, {"_id": "2", "x": {"": 3}}]},
        "buckets": [{"key": "error", "n": 1}, {"key": 7, "n": 2}],
    });
    let cases = [
        ("hits.hits[1]._id", Some(serde_json::json!("2"))),
        ("hits.hits.0._id", Some(serde_json::json!("1"))),
        (r"hits.hits[0].a\.b", Some(serde_json::json!(2))),
        ("hits.hits[*]._id", Some(serde_json::json!(["1", "2"]))),
        ("buckets[key=error].n", Some(serde_json::json!(1))),
        ("buckets[key=7].n", Some(serde_json::json!(2))),
        ("buckets[key=warn].n", None),
        ("hits.none", None),
        ("hits.hits[2]", None),
        ("", Some(json.clone())),
    ];
    for (path, expected) in cases {
        assert_eq!(find(&json, path).unwrap(), expected, "{path}");
    }
    assert!(find(&json, "hits[x]").is_err());
}
