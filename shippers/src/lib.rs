//! How does a line leave a machine? Files are followed, lines become records, records become
//! batches that are durable here before they are sent, and leave the spool on the server's receipt.
//!
//! Knows nothing of how the server keeps or searches them.

pub mod batch;
pub mod file;
pub mod record;
pub mod run;
pub mod send;
pub mod settings;
pub mod settings_file;
pub mod spool;
#[cfg(test)]
mod tests;
