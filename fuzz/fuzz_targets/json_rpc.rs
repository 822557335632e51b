//! Messages and inputs of callers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::mcp::properties::reading(input));
