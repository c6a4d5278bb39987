//! Tokens of identity providers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_identity::probes::oidc_token(bytes);
});
