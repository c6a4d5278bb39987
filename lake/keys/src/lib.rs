//! tarn-keys
