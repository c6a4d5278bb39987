//! tarn-crawlers
