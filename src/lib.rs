//! Who talks to whom? Wires the parts into one server, and holds the command line.
//!
//! The only crate that knows all parts; each part knows only its neighbours' interfaces.

pub mod cli;
pub mod http;
pub mod server;
