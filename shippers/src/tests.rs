//! The parts together: real files, a real spool, a server that speaks the receipt protocol.

mod every_line_once;
mod rotation;
mod sending;
mod server;
mod world;
