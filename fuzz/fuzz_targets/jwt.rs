//! Tokens: mangled ones, odd claims under a good signature, and key sets.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bulkhead::identity::properties::verification(input));
