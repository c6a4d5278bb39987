//! tarn-service-athena
