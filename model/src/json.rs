//! How does a JSON document become flat fields? A borrowing visitor over the bytes.
//!
//! Parsing is serde_json's; no tree is built. Strings without escapes stay ranges of the source.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

use crate::record::{Field, Kind, TIMESTAMP_FIELD};
use crate::time::Timestamp;

/// Why a document cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DocumentError {
    /// A byte sequence that is no UTF-8.
    #[error("invalid UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset in the document.
        at: usize,
    },
    /// Not JSON, or nested more than 128 levels deep.
    #[error("malformed JSON at line {line} column {column}: {reason}")]
    NotJson {
        /// Line in the document, from 1.
        line: usize,
        /// Column in the line, from 1.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// JSON, but no object.
    #[error("document must be a JSON object, got {got}")]
    NotObject {
        /// What it is instead.
        got: &'static str,
    },
    /// It has no time, and must have one.
    #[error("it has no `@timestamp` that is a time")]
    NoTime {
        /// Bytes of the document.
        bytes: usize,
    },
    /// The batch cannot take more.
    #[error("batch is full: more than {limit_bytes} bytes")]
    BatchFull {
        /// The batch's limit.
        limit_bytes: usize,
    },
}

/// Buffers that live as long as the builder.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    path: String,
}

pub(crate) struct Flattener<'a, 'de> {
    pub(crate) text: &'a mut String,
    /// Where the source starts in `text`.
    pub(crate) base: usize,
    pub(crate) source: &'de str,
    pub(crate) fields: &'a mut Vec<Field>,
    pub(crate) paths: &'a mut Vec<Arc<str>>,
    pub(crate) path_ids: &'a mut HashMap<Arc<str>, u32>,
    pub(crate) scratch: &'a mut Scratch,
}

impl<'de> Flattener<'_, 'de> {
    /// Reads the whole source; gives the document's own timestamp if it has a readable one.
    pub(crate) fn run(&mut self) -> Result<Option<Timestamp>, DocumentError> {
        self.scratch.path.clear();
        let first = self.source.trim_start_matches([' ', '\t', '\n', '\r']).bytes().next();
        let got = match first {
            Some(b'{') => None,
            Some(b'[') => Some("an array"),
            Some(b'"') => Some("a string"),
            Some(b't' | b'f') => Some("a boolean"),
            Some(b'n') => Some("null"),
            Some(b'-' | b'0'..=b'9') => Some("a number"),
            Some(_) => None,
            None => Some("nothing"),
        };
        if let Some(got) = got {
            return Err(DocumentError::NotObject { got });
        }
        let fields_at = self.fields.len();
        let mut de = serde_json::Deserializer::from_str(self.source);
        let walked = Walk(self).deserialize(&mut de).and_then(|()| de.end());
        walked.map_err(|e| DocumentError::NotJson {
            line: e.line(),
            column: e.column(),
            reason: reason(&e),
        })?;
        Ok(self.own_timestamp(fields_at))
    }

    fn own_timestamp(&self, fields_at: usize) -> Option<Timestamp> {
        let id = *self.path_ids.get(TIMESTAMP_FIELD)?;
        self.fields[fields_at..]
            .iter()
            .filter(|f| f.path == id)
            .find_map(|f| Timestamp::from_value(&f.value(self.text)))
    }

    fn push(&mut self, kind: Kind, payload: u64) {
        let path = self.path_id();
        self.fields.push(Field { path, kind, payload });
    }

    fn path_id(&mut self) -> u32 {
        if let Some(id) = self.path_ids.get(self.scratch.path.as_str()) {
            return *id;
        }
        let id = self.paths.len() as u32;
        let path: Arc<str> = self.scratch.path.as_str().into();
        self.paths.push(path.clone());
        self.path_ids.insert(path, id);
        id
    }

    fn push_owned(&mut self, value: &str) {
        let from = self.text.len() as u64;
        self.text.push_str(value);
        self.push(Kind::Str, from << 32 | value.len() as u64);
    }

    fn push_borrowed(&mut self, value: &'de str) {
        let offset = value.as_ptr() as usize - self.source.as_ptr() as usize;
        let from = (self.base + offset) as u64;
        self.push(Kind::Str, from << 32 | value.len() as u64);
    }
}

/// serde_json's message without its own position, which the error carries apart.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

struct Walk<'w, 'a, 'de>(&'w mut Flattener<'a, 'de>);

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(Kind::Null, 0);
        Ok(())
    }

    fn visit_bool<E>(self, v: bool) -> Result<(), E> {
        self.0.push(Kind::Bool, u64::from(v));
        Ok(())
    }

    fn visit_i64<E>(self, v: i64) -> Result<(), E> {
        self.0.push(Kind::Int, v as u64);
        Ok(())
    }

    fn visit_u64<E>(self, v: u64) -> Result<(), E> {
        match i64::try_from(v) {
            Ok(v) => self.0.push(Kind::Int, v as u64),
            Err(_) => self.0.push(Kind::Float, (v as f64).to_bits()),
        }
        Ok(())
    }

    fn visit_f64<E>(self, v: f64) -> Result<(), E> {
        self.0.push(Kind::Float, v.to_bits());
        Ok(())
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<(), E> {
        self.0.push_borrowed(v);
        Ok(())
    }

    fn visit_str<E>(self, v: &str) -> Result<(), E> {
        self.0.push_owned(v);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let parent = self.0.scratch.path.len();
        while map.next_key_seed(Key(&mut self.0.scratch.path))?.is_some() {
            map.next_value_seed(Walk(self.0))?;
            self.0.scratch.path.truncate(parent);
        }
        Ok(())
    }
}

/// Appends a key to the path.
struct Key<'p>(&'p mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, v: &str) -> Result<(), E> {
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(v);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchBuilder;
    use crate::id::{IndexName, Tenant};

    fn flat(source: &str) -> Result<Vec<(String, String)>, DocumentError> {
        let mut b = BatchBuilder::new(Tenant::default(), None, Timestamp(7));
        b.push(&IndexName::new("i"), None, source.as_bytes())?;
        let batch = b.finish();
        let record = &batch.records()[0];
        assert_eq!(batch.source(record), source);
        Ok(batch
            .fields(record)
            .map(|(p, v)| (batch.paths()[p as usize].to_string(), format!("{v:?}")))
            .collect())
    }

    #[test]
    fn nested_dotted_and_array_names_are_one_path() {
        for source in [r#"{"a":{"b":1}}"#, r#"{"a.b":1}"#, r#"{"a":[{"b":1}]}"#] {
            assert_eq!(flat(source).unwrap(), [("a.b".to_owned(), "Int(1)".to_owned())]);
        }
    }

    #[test]
    fn values_keep_their_types() {
        let got = flat(
            r#"{"n":null,"t":true,"i":-3,"f":1.5,"u":18446744073709551615,"s":"x\ny","s":["p",2]}"#,
        );
        let got: Vec<_> = got.unwrap().into_iter().map(|(p, v)| format!("{p}={v}")).collect();
        assert_eq!(
            got,
            [
                "n=Null",
                "t=Bool(true)",
                "i=Int(-3)",
                "f=Float(1.5)",
                "u=Float(1.8446744073709552e19)",
                "s=Str(\"x\\ny\")",
                "s=Str(\"p\")",
                "s=Int(2)"
            ]
        );
    }

    #[test]
    fn what_is_no_document_is_named() {
        let cases = [
            ("", "document must be a JSON object, got nothing"),
            ("[1]", "document must be a JSON object, got an array"),
            (r#"{"a":"#, "malformed JSON at line 1 column 5: EOF while parsing a value"),
            (r#"{"a":1}}"#, "malformed JSON at line 1 column 8: trailing characters"),
        ];
        for (source, want) in cases {
            assert_eq!(flat(source).unwrap_err().to_string(), want);
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
        assert!(flat(&deep).unwrap_err().to_string().contains("recursion limit"));
    }

    #[test]
    fn a_refused_document_leaves_no_trace() {
        let mut b = BatchBuilder::new(Tenant::default(), None, Timestamp(7));
        let index = IndexName::new("i");
        b.push(&index, None, br#"{"a":1}"#).unwrap();
        assert!(b.push(&index, None, br#"{"b":"x\n","c":tru}"#).is_err());
        assert_eq!(
            b.push(&index, None, b"{\"b\":\"\xff\"}"),
            Err(DocumentError::NotUtf8 { at: 6 })
        );
        b.push(&index, Some("k"), br#"{"@timestamp":"1970-01-01T00:00:01Z","d":"\u0041"}"#)
            .unwrap();
        let batch = b.finish();
        assert_eq!(batch.records().len(), 2);
        let last = &batch.records()[1];
        assert_eq!(last.timestamp, Timestamp(1_000_000_000));
        assert_eq!(last.id.as_deref(), Some("k"));
        let d = batch.path_id("d").unwrap();
        assert_eq!(batch.values(last, d).next(), Some(crate::record::Value::Str("A")));
    }
}
