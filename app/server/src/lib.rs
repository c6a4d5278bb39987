//! tarn-server
