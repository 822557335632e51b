//! References in headers, URLs and bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::vault::properties::substitution(input));
