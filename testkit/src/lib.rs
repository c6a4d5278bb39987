//! tarn-testkit
