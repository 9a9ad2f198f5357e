//! Feeds `targets::bulk`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::bulk(bytes));
