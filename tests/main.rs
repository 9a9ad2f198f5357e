//! Whole-process tests: the real programs on free ports, real clients, real servers.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail by panicking")]

mod bad_input;
mod clients;
mod crash;
mod disk_full;
mod es_compat;
mod fuzz_corpus;
mod indices;
mod loghub;
mod metadata;
mod replay;
mod shipper_rotation;
mod sim;
mod stores;
mod support;
mod tidy;
