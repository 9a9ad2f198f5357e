//! Feeds `targets::search_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::search_body(bytes));
