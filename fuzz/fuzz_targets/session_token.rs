//! Tokens of temporary credentials.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_identity::probes::session_token(bytes);
});
