//! Feeds `targets::wal_payload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::wal_payload(bytes));
