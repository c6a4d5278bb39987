//! tarn-types
