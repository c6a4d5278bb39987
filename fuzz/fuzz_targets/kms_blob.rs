//! Ciphertexts of KMS.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tarn_keys::probes::kms_blob(bytes);
});
