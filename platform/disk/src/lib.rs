//! tarn-disk
