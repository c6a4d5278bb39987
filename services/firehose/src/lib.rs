//! tarn-service-firehose
