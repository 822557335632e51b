//! Any text as `provider-config.yaml`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::config::properties::reading(input));
