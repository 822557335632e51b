//! Where a URL leads, before and after it is sent.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::outbound::properties::aim(input));
