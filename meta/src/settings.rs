//! How are settings of indexes and clusters written? Flat inside, nested outside, values as text.
//!
//! And what of this crate can be set: [`Limits`].

use std::collections::BTreeMap;

use model::meta::Fault;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::value::{Object, text};

/// Limits of what clients may set up; the shipped configuration file holds the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Templates, policies, data streams, indexes and the like, all together.
    pub entries_max: usize,
    /// Bytes of all their bodies.
    pub bytes_max: usize,
}

/// Settings: a value, or a list of values, by dotted key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flat(pub BTreeMap<String, Json>);

impl Flat {
    /// The settings of a body; keys of indexes get their prefix `index.`.
    ///
    /// # Errors
    /// The body is no object.
    pub fn of_index(body: &Json) -> Result<Self, Fault> {
        let Flat(map) = Self::plain(body)?;
        let prefixed = map.into_iter().map(|(key, value)| {
            let bare = key.starts_with("index.") || key == "*" || key == "index";
            (if bare { key } else { format!("index.{key}") }, value)
        });
        Ok(Self(prefixed.collect()))
    }

    /// The settings of a body as they are.
    ///
    /// # Errors
    /// The body is no object.
    pub fn plain(body: &Json) -> Result<Self, Fault> {
        let mut out = BTreeMap::new();
        match body {
            Json::Object(map) => flatten(&mut String::new(), map, &mut out),
            Json::Null => {}
            _ => return Err(Fault::new(400, "parse_exception", "settings must be an object")),
        }
        Ok(Self(out))
    }

    /// A single value as text.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Json::as_str)
    }

    /// Takes the values of `other`; null takes one out.
    pub fn overlay(&mut self, other: &Flat) {
        for (key, value) in &other.0 {
            match value {
                Json::Null => {
                    let inside = format!("{key}.");
                    self.0.retain(|k, _| k != key && !k.starts_with(&inside));
                }
                value => {
                    self.0.insert(key.clone(), value.clone());
                }
            }
        }
    }

    /// Without the nulls.
    pub fn present(mut self) -> Self {
        self.0.retain(|_, value| !value.is_null());
        self
    }

    /// As one object with dotted keys.
    pub fn flat(&self) -> Json {
        Json::Object(self.0.clone().into_iter().collect())
    }

    /// As nested objects.
    pub fn nested(&self) -> Json {
        let mut root = Map::new();
        for (key, value) in &self.0 {
            insert(&mut root, key, value);
        }
        Json::Object(root)
    }
}

fn flatten(path: &mut String, map: &Object, out: &mut BTreeMap<String, Json>) {
    for (key, value) in map {
        let before = path.len();
        if before > 0 {
            path.push('.');
        }
        path.push_str(key);
        match value {
            Json::Object(inner) => flatten(path, inner, out),
            Json::Null => {
                out.insert(path.clone(), Json::Null);
            }
            Json::Array(list) => {
                let texts = list.iter().map(|v| Json::String(text(v)));
                out.insert(path.clone(), texts.collect());
            }
            scalar => {
                out.insert(path.clone(), Json::String(text(scalar)));
            }
        }
        path.truncate(before);
    }
}

/// Puts a value under a dotted key; where a part of the way is a value already, the rest of the key
/// stays dotted.
fn insert(root: &mut Object, key: &str, value: &Json) {
    let mut at = root;
    let mut rest = key;
    while let Some((first, after)) = rest.split_once('.') {
        let node = at.entry(first.to_owned()).or_insert_with(|| Json::Object(Map::new()));
        if !node.is_object() {
            break;
        }
        match at.get_mut(first).and_then(Json::as_object_mut) {
            Some(inner) => at = inner,
            None => return,
        }
        rest = after;
    }
    at.insert(rest.to_owned(), value.clone());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_nested_under_index_with_values_as_text() {
        let body = json!({
            "number_of_shards": 1, "index.refresh_interval": "5s", "index": {"hidden": true},
            "index.query.default_field": ["a", 1], "lifecycle": {"name": "p"},
        });
        let flat = Flat::of_index(&body).unwrap();
        assert_eq!(
            flat.nested(),
            json!({"index": {
                "hidden": "true", "lifecycle": {"name": "p"}, "number_of_shards": "1",
                "query": {"default_field": ["a", "1"]}, "refresh_interval": "5s",
            }})
        );
        assert_eq!(flat.flat()["index.number_of_shards"], "1");
        let conflict = Flat::plain(&json!({"a": 1, "a.b": 2})).unwrap();
        assert_eq!(conflict.nested(), json!({"a": "1", "a.b": "2"}));
    }

    #[test]
    fn null_takes_a_setting_out() {
        let mut flat = Flat::of_index(&json!({"a": {"b": 1, "c": 2}, "d": 3})).unwrap();
        flat.overlay(&Flat::of_index(&json!({"a": null, "d": 4})).unwrap());
        assert_eq!(flat.flat(), json!({"index.d": "4"}));
    }
}
