//! tarn-operation
