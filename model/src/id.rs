//! How is a thing named? Newtypes for every id, so that one is never passed for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; checks belong to the place where a client's bytes come in.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

text_id!(
    /// Whose records: splits of two tenants never mix.
    Tenant
);
text_id!(
    /// An Elasticsearch index name: a label of the stream, not a shard.
    IndexName
);
text_id!(
    /// The client's name of a batch; the same name again is the same batch, taken once.
    BatchId
);
text_id!(
    /// A split's name: 26 characters of Crockford base 32, sortable by creation time.
    SplitId
);

impl Default for Tenant {
    fn default() -> Self {
        Self::new("default")
    }
}

/// The longest batch id that is taken, in bytes.
pub const BATCH_ID_BYTES_MAX: usize = 128;

/// Position of a frame in the write-ahead log: 1, 2, 3 … without gaps; 0 is before the first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WalSeq(pub u64);

impl WalSeq {
    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Number of a record on its ingest node: unique, and rising in the order of acceptance.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RecordSeq(pub u64);

/// Number of an ingest node, drawn once per data directory; part of every generated `_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The `_id` of a record whose client gave none: 24 hexadecimal digits.
    pub fn document_id(self, seq: RecordSeq) -> String {
        format!("{:08x}{:016x}", self.0, seq.0)
    }

    /// The record that a generated `_id` names, if it is one of ours.
    pub fn parse_document_id(id: &str) -> Option<(NodeId, RecordSeq)> {
        if id.len() != 24 || !id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        let node = u32::from_str_radix(&id[..8], 16).ok()?;
        let seq = u64::from_str_radix(&id[8..], 16).ok()?;
        Some((NodeId(node), RecordSeq(seq)))
    }
}

/// Why an index name cannot be used, in Elasticsearch's words; `None` when it can.
pub fn index_name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("must not be empty");
    }
    if name == "." || name == ".." {
        return Some("must not be '.' or '..'");
    }
    if name.len() > 255 {
        return Some("index name is too long (more than 255 bytes)");
    }
    if name.starts_with(['_', '-', '+']) {
        return Some("must not start with '_', '-', or '+'");
    }
    if name.contains([' ', '"', '*', '\\', '<', '|', ',', '>', '/', '?', '#', ':'])
        || name.chars().any(char::is_control)
    {
        return Some(
            "must not contain the following characters ['\\','/','*','?','\"','<','>','|',' ',',','#',':']",
        );
    }
    if name.chars().any(char::is_uppercase) {
        return Some("must be lowercase");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_document_ids_come_back() {
        let id = NodeId(7).document_id(RecordSeq(u64::MAX - 1));
        assert_eq!(NodeId::parse_document_id(&id), Some((NodeId(7), RecordSeq(u64::MAX - 1))));
        for foreign in ["", "abc", "00000007000000000000000G", "0000000700000000000000aA"] {
            assert_eq!(NodeId::parse_document_id(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn index_names_follow_elasticsearch() {
        for good in ["logs", ".ds-logs-2026.11.20", "filebeat-8.16-2026.11.20", "a_b"] {
            assert_eq!(index_name_fault(good), None, "{good}");
        }
        for bad in ["", "..", "_all", "Logs", "a b", "a*", "x/y", "a\nb", &"x".repeat(256)] {
            assert!(index_name_fault(bad).is_some(), "{bad}");
        }
    }
}
