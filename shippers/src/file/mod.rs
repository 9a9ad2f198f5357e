//! How are files followed through growth, renames, truncation and compression?
//!
//! [`tailer::Tailer`] finds files by patterns ([`glob`]), knows streams of lines by their content
//! ([`fingerprint`]) and reads them in turns into a batch. Knows nothing of spools and servers.

pub mod fingerprint;
pub mod glob;
mod gzip;
mod kin;
mod lines;
mod stream;
pub mod tailer;
