//! Templates of addresses, headers and bodies, and items that are put into them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| inflight_connectors::fuzzing::template(bytes));
