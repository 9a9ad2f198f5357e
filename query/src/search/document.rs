//! What values does a document have, by path? Its source, flattened; and the `fields` of a hit.
//!
//! Knows no splits: the source is all there is of a record.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use model::record::TIMESTAMP_FIELD;
use model::time::Timestamp;
use serde_json::{Map, Value as Json};

use crate::dates::Formats;
use crate::error::QueryError;
use crate::plan::glob;
use crate::request::FieldAndFormat;

/// The values of a document by path, in the order of the source.
#[derive(Debug, Default)]
pub struct Document {
    fields: Vec<(String, Vec<Json>)>,
    places: HashMap<String, usize>,
}

impl Document {
    /// Reads a source; one that is damaged has no fields.
    pub fn parse(source: &str) -> Self {
        let mut out = Self::default();
        if let Ok(source) = serde_json::from_str::<Json>(source) {
            out.flatten(&mut String::new(), source);
        }
        out
    }

    /// Path and values, never none.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[Json])> {
        self.fields.iter().map(|(path, values)| (path.as_str(), values.as_slice()))
    }

    /// The values of a path.
    pub fn get(&self, path: &str) -> Option<&[Json]> {
        self.places.get(path).map(|at| self.fields[*at].1.as_slice())
    }

    fn flatten(&mut self, path: &mut String, value: Json) {
        match value {
            Json::Null => {}
            Json::Array(list) => list.into_iter().for_each(|v| self.flatten(path, v)),
            Json::Object(map) => {
                for (key, value) in map {
                    let before = path.len();
                    if before > 0 {
                        path.push('.');
                    }
                    path.push_str(&key);
                    self.flatten(path, value);
                    path.truncate(before);
                }
            }
            leaf => match self.places.get(path.as_str()) {
                Some(at) => self.fields[*at].1.push(leaf),
                None => {
                    self.places.insert(path.clone(), self.fields.len());
                    self.fields.push((path.clone(), vec![leaf]));
                }
            },
        }
    }
}

/// What `fields` and `docvalue_fields` ask for, with the formats read.
pub type WantedFields = Vec<(FieldAndFormat, Option<Formats>)>;

/// Reads the formats.
///
/// # Errors
/// One is unknown.
pub fn wanted_fields(fields: &[FieldAndFormat]) -> Result<WantedFields, QueryError> {
    let read = |field: &FieldAndFormat| {
        Ok((field.clone(), field.format.as_deref().map(Formats::parse).transpose()?))
    };
    fields.iter().map(read).collect()
}

/// What a hit has besides its source.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// `_index`.
    pub index: &'a str,
    /// `_id`.
    pub id: &'a str,
    /// `_seq_no`.
    pub seq: u64,
    /// `@timestamp`.
    pub timestamp: Timestamp,
}

/// The `fields` of a hit: every value of every path that a pattern names, as arrays.
pub fn fields(document: &Document, meta: Meta<'_>, wanted: &WantedFields) -> Map<String, Json> {
    let mut out = Map::new();
    for (field, formats) in wanted {
        let name = field.field.as_str();
        let special = match name {
            "_index" => Some(Json::from(meta.index)),
            "_id" => Some(Json::from(meta.id)),
            "_seq_no" => Some(Json::from(meta.seq)),
            "_version" => Some(Json::from(1)),
            _ => None,
        };
        if let Some(value) = special {
            out.insert(name.to_owned(), Json::Array(vec![value]));
            continue;
        }
        if glob(name, TIMESTAMP_FIELD) {
            let text = match formats {
                Some(formats) => formats.print(meta.timestamp, &TimeZone::UTC),
                None => Formats::default().print(meta.timestamp, &TimeZone::UTC),
            };
            out.insert(TIMESTAMP_FIELD.into(), Json::Array(vec![text.into()]));
        }
        let mut add = |name: &str, path: &str, values: &[Json]| {
            if path != TIMESTAMP_FIELD {
                let values = values.iter().map(|v| printed(v, formats.as_ref())).collect();
                out.insert(name.to_owned(), Json::Array(values));
            }
        };
        if name.contains('*') {
            for (path, values) in document.fields().filter(|(path, _)| glob(name, path)) {
                add(path, path, values);
            }
        } else if let Some(values) = document.get(name) {
            add(name, name, values);
        } else if let Some(base) = name.strip_suffix(".keyword")
            && let Some(values) = document.get(base)
        {
            add(name, base, values);
        }
    }
    out
}

/// A time in the format asked for; any other value as it is.
fn printed(value: &Json, formats: Option<&Formats>) -> Json {
    let at = match (formats, value) {
        (Some(_), Json::String(text)) => Timestamp::parse(text),
        _ => None,
    };
    match (formats, at) {
        (Some(formats), Some(at)) => formats.print(at, &TimeZone::UTC).into(),
        _ => value.clone(),
    }
}
