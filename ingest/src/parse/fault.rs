//! Why can a document not be kept? The faults of single documents, in Elasticsearch's words.

use std::borrow::Cow;

use model::json::DocumentError;
use thiserror::Error;

/// Limits of what is parsed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest document, in bytes.
    pub document_bytes_max: u64,
    /// Most documents in a request.
    pub documents_max: usize,
}

/// The request holds too many documents; none is kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the request has more than `documents_max` = {documents_max} documents (at line {line}); \
     send it in parts"
)]
pub struct TooManyDocuments {
    /// The setting.
    pub documents_max: usize,
    /// Where the limit was passed.
    pub line: u64,
}

/// Why one document is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct ItemFault {
    /// HTTP status of the item.
    pub status: u16,
    /// Elasticsearch's name of the error.
    pub kind: &'static str,
    /// What is wrong and where.
    pub reason: String,
}

impl ItemFault {
    pub(crate) fn argument(reason: String) -> Self {
        Self { status: 400, kind: "illegal_argument_exception", reason }
    }

    fn document(reason: String) -> Self {
        Self { status: 400, kind: "document_parsing_exception", reason }
    }
}

impl From<model::meta::Fault> for ItemFault {
    fn from(fault: model::meta::Fault) -> Self {
        Self { status: fault.status, kind: fault.kind, reason: fault.reason }
    }
}

/// Longest `_id` that Elasticsearch takes, in bytes.
const ID_BYTES_MAX: usize = 512;
/// Most bytes of a client's text in a reason.
const ECHO_BYTES_MAX: usize = 256;

/// A client's text for a reason, shortened when it is long.
pub(crate) fn clip(text: &str) -> Cow<'_, str> {
    if text.len() <= ECHO_BYTES_MAX {
        return Cow::Borrowed(text);
    }
    let end = (0..=ECHO_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

pub(crate) fn document_fault(error: &DocumentError) -> ItemFault {
    ItemFault::document(match error {
        DocumentError::NotUtf8 { at } => {
            format!("[1:{}] failed to parse: invalid UTF-8 at byte {at} of the document", at + 1)
        }
        DocumentError::NotJson { line, column, reason } => {
            format!("[{line}:{column}] failed to parse: {}", clip(reason))
        }
        DocumentError::NotObject { got } => {
            format!("[1:1] failed to parse: document must be a JSON object, got {got}")
        }
        DocumentError::NoTime { bytes } => format!(
            "[1:{bytes}] failed to parse: data stream timestamp field [@timestamp] is missing"
        ),
        DocumentError::BatchFull { .. } => format!("failed to parse: {error}"),
    })
}

/// The fault of a document that is created a second time.
pub(crate) fn conflict(id: &str) -> ItemFault {
    ItemFault {
        status: 409,
        kind: "version_conflict_engine_exception",
        reason: format!(
            "[{}]: version conflict, document already exists (current version [1])",
            clip(id)
        ),
    }
}

/// The fault of a document over the limit.
pub(crate) fn too_long(bytes: usize, limits: &Limits) -> Option<ItemFault> {
    (bytes as u64 > limits.document_bytes_max).then(|| {
        ItemFault::document(format!(
            "failed to parse: the document has {bytes} bytes, the limit is \
             `document_bytes_max` = {}",
            limits.document_bytes_max
        ))
    })
}

/// The fault of an index name, if it has one.
pub(crate) fn index_fault(name: &str) -> Option<ItemFault> {
    model::id::index_name_fault(name).map(|fault| ItemFault {
        status: 400,
        kind: "invalid_index_name_exception",
        reason: format!("Invalid index name [{}], {fault}", clip(name)),
    })
}

/// The fault of a pipeline that is not there.
pub(crate) fn no_pipeline(name: &str) -> ItemFault {
    ItemFault::argument(format!("pipeline with id [{}] does not exist", clip(name)))
}

/// The fault of an `_id`, if it has one. Control characters are refused because they would let
/// a client's text look like a frame of the write-ahead log; see its layout.
pub(crate) fn id_fault(id: &str) -> Option<ItemFault> {
    let reason = if id.is_empty() {
        "if _id is specified it must not be empty".to_owned()
    } else if id.len() > ID_BYTES_MAX {
        format!(
            "id [{}] is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {}",
            clip(id),
            id.len()
        )
    } else if id.chars().any(char::is_control) {
        format!("id [{}] must not contain control characters", clip(id).escape_debug())
    } else {
        return None;
    };
    Some(ItemFault::argument(reason))
}
