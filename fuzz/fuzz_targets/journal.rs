//! Journals that are cut or changed, and files that are none.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inflight::fuzzing::journal(bytes));
