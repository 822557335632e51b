//! Entries of `allowed_hosts`, and what they permit.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::outbound::properties::permission(input));
