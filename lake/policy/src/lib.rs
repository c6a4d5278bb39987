//! tarn-policy
