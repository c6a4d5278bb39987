//! tarn-service-glue
