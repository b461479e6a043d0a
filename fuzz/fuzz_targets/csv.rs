//! CSV files, in pieces and as a whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inflight_connectors::fuzzing::csv(bytes));
