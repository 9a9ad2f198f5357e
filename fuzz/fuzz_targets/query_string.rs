//! Feeds `targets::query_string`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::query_string(bytes));
