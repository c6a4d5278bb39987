//! tarn-service-s3
