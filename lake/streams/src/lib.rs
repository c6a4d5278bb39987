//! tarn-streams
