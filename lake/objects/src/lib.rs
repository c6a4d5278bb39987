//! tarn-objects
