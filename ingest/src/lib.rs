//! How do bytes become durable records? Listen, frame, parse, admit, log.
//!
//! Knows nothing of splits or queries: a durable batch goes to a
//! [`model::live::Sink`], and the position up to which batches are published comes back over a
//! watch channel.
//!
//! ```text
//! listen (HTTP) -> admit (budget, disk, log size) -> frame (inflate, lines) -> parse (Batch)
//!     -> dedupe (batch ids) -> wal (group commit, fdatasync) -> Sink -> answer
//! ```

mod admit;
mod dedupe;
mod error;
mod frame;
mod ids;
mod listen;
pub mod parse;
#[cfg(feature = "sim")]
pub mod probe;
mod service;
mod settings;
#[cfg(feature = "sim")]
mod step;
#[cfg(test)]
mod tests;
pub mod wal;

pub use dedupe::KnownBatch;
pub use error::{IngestError, Refusal};
pub use ids::{KnownDocument, content_hash};
pub use service::{Environment, Ingest, Submitted};
pub use settings::Settings;
#[cfg(feature = "sim")]
pub use step::SteppedIngest;
pub use wal::Recovered;
