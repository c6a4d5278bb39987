//! tarn-aws-protocol
