//! Feeds `targets::split_part`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::split_part(bytes));
