//! tarn-aws-model
