//! Policies of all kinds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_policy::probes::policy(bytes);
});
