//! A value in any form in any text.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::vault::properties::scrubbing(input));
