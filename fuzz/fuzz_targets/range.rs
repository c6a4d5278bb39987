//! `Range` headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_service_s3::probes::range(bytes);
});
