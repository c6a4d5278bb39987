//! Signatures in headers and queries.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_sigv4::probes::signature(bytes);
});
