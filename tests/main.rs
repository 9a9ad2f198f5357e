//! Whole-process tests: the real programs on free ports, real clients, real servers.

mod bad_input;
mod crash;
mod loghub;
mod stores;
mod support;
mod tidy;
