//! What can be set about ingest? Limits of requests, of documents and of what is remembered.

use serde::Deserialize;

use crate::error::IngestError;
use crate::wal;

/// Settings of the ingest tier. Every key is required; the shipped file holds the defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Largest request body as sent, before decompression; over it: 413.
    pub request_bytes_max: u64,
    /// Largest request body after decompression; over it: 413.
    pub body_bytes_max: u64,
    /// Largest single document; over it: that document is rejected.
    pub document_bytes_max: u64,
    /// Most documents in one request; over it: 413.
    pub documents_max: usize,
    /// Bytes of all requests being taken in, as sent and inflated; over it: 429. A request
    /// larger than this is let in when it is alone.
    pub in_flight_bytes_max: u64,
    /// How long a client may take to send a body; after it: 408.
    pub body_timeout_s: u64,
    /// How long a batch waits for room in the queue of the write-ahead log; after it: 429.
    pub queue_wait_ms: u64,
    /// How long an answer waits for `ack=stored`; after it: 503.
    pub stored_wait_s: u64,
    /// The index of documents that name none; empty: they are rejected.
    pub default_index: String,
    /// Most batch ids that are remembered, the newest.
    pub batch_ids_max: usize,
    /// How long a batch id is remembered.
    pub batch_id_window_s: u64,
    /// Most documents with an `_id` of their own that are remembered, the newest; 0: none.
    pub document_ids_max: usize,
    /// How long such a document is remembered.
    pub document_id_window_s: u64,
    /// The write-ahead log.
    pub wal: wal::Settings,
}

impl Settings {
    /// Looks for values that cannot work.
    ///
    /// # Errors
    /// The first such value, by its key.
    pub fn check(&self) -> Result<(), IngestError> {
        let positive: [(&str, u64); 9] = [
            ("request_bytes_max", self.request_bytes_max),
            ("body_bytes_max", self.body_bytes_max),
            ("document_bytes_max", self.document_bytes_max),
            ("documents_max", self.documents_max as u64),
            ("in_flight_bytes_max", self.in_flight_bytes_max),
            ("body_timeout_s", self.body_timeout_s),
            ("stored_wait_s", self.stored_wait_s),
            ("batch_ids_max", self.batch_ids_max as u64),
            ("batch_id_window_s", self.batch_id_window_s),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(bad(key, "must be at least 1"));
        }
        if self.body_bytes_max > model::batch::BATCH_TEXT_BYTES_MAX as u64 / 2 {
            return Err(bad("body_bytes_max", "must be at most 1 GiB (`1073741824`)"));
        }
        if self.batch_id_window_s > 366 * 86_400 {
            return Err(bad("batch_id_window_s", "must be at most a year (`31622400`)"));
        }
        if !self.default_index.is_empty()
            && let Some(fault) = model::id::index_name_fault(&self.default_index)
        {
            return Err(bad("default_index", fault));
        }
        self.wal.check()
    }
}

pub(crate) fn bad(key: &str, fault: &str) -> IngestError {
    IngestError::Settings { key: key.to_owned(), fault: fault.to_owned() }
}
