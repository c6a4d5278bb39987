//! tarn-audit
