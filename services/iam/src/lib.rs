//! tarn-service-iam
