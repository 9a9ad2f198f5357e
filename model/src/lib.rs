//! What is a log? Pure values: the record, its fields, ids, time, the bounded batch, tokens.
//!
//! Knows nothing of disks, sockets, clocks or HTTP: no I/O, no async.

pub mod batch;
pub mod detect;
pub mod id;
pub mod json;
pub mod live;
pub mod meta;
pub mod pattern;
pub mod record;
pub mod time;
pub mod token;
pub mod wire;
