//! What worker processes write, in lines and in frames.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inflight_connectors::fuzzing::worker_answer(bytes));
