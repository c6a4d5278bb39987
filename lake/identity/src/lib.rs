//! tarn-identity
