//! tarn-service-sts
