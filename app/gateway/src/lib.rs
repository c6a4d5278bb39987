//! tarn-gateway
