//! How a connection is protected, as logs and policies name it. Knows no library of TLS.

/// A TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsSession {
    /// `TLSv1.3`.
    pub version: &'static str,
    /// As OpenSSL names it, which is how AWS's logs do: `TLS_AES_128_GCM_SHA256`, `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher_suite: &'static str,
}

impl TlsSession {
    /// The version alone, as conditions of policies compare it: `1.3`.
    pub fn version_number(&self) -> &'static str {
        self.version.strip_prefix("TLSv").unwrap_or(self.version)
    }
}
