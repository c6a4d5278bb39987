//! Tokens of grants.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_keys::probes::grant_token(bytes);
});
