//! tarn-blobs
