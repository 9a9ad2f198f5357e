//! What can go wrong for a whole batch, or for the whole of ingest? Faults of single documents
//! are in `parse`.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why ingest cannot start.
#[derive(Debug, Error)]
pub enum IngestError {
    /// A setting that cannot work.
    #[error("ingest setting `{key}`: {fault}")]
    Settings {
        /// The key.
        key: String,
        /// What it must be.
        fault: String,
    },
    /// The directory of the write-ahead log, or a file in it, cannot be read.
    #[error("cannot read the write-ahead log `{path}`; the directory must exist and be readable")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// What was replayed cannot be made durable.
    #[error("cannot sync the write-ahead log `{path}`; check the disk, then start again")]
    Sync {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A segment that another node wrote.
    #[error(
        "`{path}` was written by node {found:08x}, but this is node {ours:08x}; \
         move the segments of the other node out of the directory"
    )]
    ForeignNode {
        /// The segment.
        path: PathBuf,
        /// The node in its header.
        found: u32,
        /// This node.
        ours: u32,
    },
    /// A segment of a format that this version does not know.
    #[error("`{path}` has format version {found}, which is newer than this program; upgrade it")]
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The operating system gives no thread.
    #[error("cannot start the thread of the write-ahead log")]
    Thread(#[source] io::Error),
}

/// Why a whole batch is not taken. Nothing of it is kept; sending it again may succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Too many bytes of requests are being taken in.
    #[error(
        "too many requests at once: {used_bytes} bytes are being taken in, the limit is \
         `in_flight_bytes_max` = {limit_bytes}; send again later"
    )]
    InFlightFull {
        /// Bytes in flight.
        used_bytes: u64,
        /// The setting.
        limit_bytes: u64,
    },
    /// The queue of the write-ahead log had no room for too long.
    #[error(
        "the queue of the write-ahead log is full (`queue_batches_max` = {batches_max}); \
         send again later"
    )]
    QueueFull {
        /// The setting.
        batches_max: usize,
    },
    /// The write-ahead log has reached its size limit.
    #[error(
        "the write-ahead log holds {bytes} bytes, the limit is `bytes_max` = {limit_bytes}: \
         publishing lags behind; send again later"
    )]
    WalFull {
        /// Bytes of the log.
        bytes: u64,
        /// The setting.
        limit_bytes: u64,
    },
    /// The disk has no room.
    #[error("no space for the write-ahead log: {detail}; free disk space, then send again")]
    NoSpace {
        /// What is short.
        detail: String,
    },
    /// The write-ahead log cannot be written for another reason.
    #[error("the write-ahead log cannot be written: {detail}; send again later")]
    WalFailed {
        /// What the file system says.
        detail: String,
    },
    /// A fault of this program; nothing of the batch is kept.
    #[error("internal fault: {detail}")]
    Internal {
        /// What is known of it.
        detail: String,
    },
    /// The batch is larger than a frame of the log can be.
    #[error(
        "the batch has {bytes} bytes, a frame of the log holds {limit_bytes}; send it in parts"
    )]
    TooLarge {
        /// Bytes of the batch.
        bytes: u64,
        /// What a frame can hold.
        limit_bytes: u64,
    },
    /// The server is going down.
    #[error("the server is shutting down; send again to another node, or later")]
    ShuttingDown,
    /// The batch is durable, but was not published in time for `ack=stored`.
    #[error(
        "the batch is on this server's disk but was not published within `stored_wait_s` = \
         {waited_s}; send it again under the same batch id to ask again"
    )]
    NotStored {
        /// The setting.
        waited_s: u64,
    },
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::InFlightFull { .. } | Self::QueueFull { .. } | Self::WalFull { .. } => 429,
            Self::NoSpace { .. } => 507,
            Self::TooLarge { .. } => 413,
            Self::Internal { .. } => 500,
            Self::WalFailed { .. } | Self::ShuttingDown | Self::NotStored { .. } => 503,
        }
    }

    /// The error type, in Elasticsearch's names.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InFlightFull { .. } | Self::QueueFull { .. } | Self::WalFull { .. } => {
                "es_rejected_execution_exception"
            }
            Self::NoSpace { .. } => "cluster_block_exception",
            Self::TooLarge { .. } => "content_too_long_exception",
            Self::Internal { .. } => "exception",
            Self::WalFailed { .. } | Self::NotStored { .. } => "unavailable_shards_exception",
            Self::ShuttingDown => "node_closed_exception",
        }
    }

    /// The value of the label `reason` in the metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::InFlightFull { .. } => "in_flight_full",
            Self::QueueFull { .. } => "queue_full",
            Self::WalFull { .. } => "wal_full",
            Self::NoSpace { .. } => "no_space",
            Self::WalFailed { .. } => "wal_failed",
            Self::TooLarge { .. } => "too_large",
            Self::Internal { .. } => "internal",
            Self::ShuttingDown => "shutting_down",
            Self::NotStored { .. } => "not_stored",
        }
    }

    /// When to try again, in seconds; `None` when trying again as it is cannot help.
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::InFlightFull { .. } | Self::QueueFull { .. } | Self::NotStored { .. } => Some(1),
            Self::WalFull { .. } | Self::WalFailed { .. } | Self::ShuttingDown => Some(5),
            Self::NoSpace { .. } => Some(10),
            Self::TooLarge { .. } | Self::Internal { .. } => None,
        }
    }

    /// What a failed write or sync means for the batches in it.
    pub(crate) fn from_io(what: &str, error: &io::Error) -> Self {
        let detail = format!("{what}: {error}");
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::NoSpace { detail },
            _ => Self::WalFailed { detail },
        }
    }
}
