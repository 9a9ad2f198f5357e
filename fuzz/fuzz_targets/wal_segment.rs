//! Feeds `targets::wal_segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::wal_segment(bytes));
