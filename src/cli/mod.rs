//! What can a person ask on the command line? One module a command, each with `Args` and `run`.
//!
//! The commands that search talk to a server over HTTP, as any other client does.

pub mod catalog;
mod client;
pub mod demo_traffic;
mod histogram;
mod line;
pub mod search;
pub mod split;
pub mod tail;
