//! Values of conditions.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_policy::probes::condition(bytes);
});
