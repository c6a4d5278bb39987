//! tarn-cli
