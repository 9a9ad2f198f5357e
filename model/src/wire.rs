//! What do a shipper and a server say to each other? The native ingest protocol, version 1.
//!
//! A shipper sends `POST /api/v1/ingest` with one JSON document a line ([`CONTENT_TYPE`]),
//! compressed by `zstd` or `gzip` (`Content-Encoding`) or not, under a batch id of its own
//! ([`BATCH_ID_HEADER`]). The query parameters `index` (default `logs`) and `ack`
//! (`durable` or `stored`) hold for the whole batch. The same batch id again is answered from
//! what is known of the first, and nothing is stored twice. Answers are [`Receipt`]s.

use serde::{Deserialize, Serialize};

/// Where batches go.
pub const INGEST_PATH: &str = "/api/v1/ingest";
/// Header with the client's name of the batch, at most 128 bytes of visible ASCII.
pub const BATCH_ID_HEADER: &str = "x-logdrive-batch-id";
/// The media type of the body.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// When a batch is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ack {
    /// It is on the server's disk (`fdatasync` has returned).
    #[default]
    Durable,
    /// It is in a published split in the object store.
    Stored,
}

/// The answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Documents that are kept.
    pub accepted: u64,
    /// Lines that can never be kept, one entry each (the first 100).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// How many lines were rejected in all.
    #[serde(default)]
    pub rejected_total: u64,
    /// The batch id was known: nothing was stored by this request.
    #[serde(default)]
    pub duplicate: bool,
}

/// One line that was not kept, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Line of the body, from 1.
    pub line: u64,
    /// What is wrong, and where.
    pub reason: String,
}
