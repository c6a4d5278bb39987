//! TLS on the listener: a certificate and its key from two files, read again when they change, without a restart. Knows no request.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ProtocolVersion, ServerConfig, ServerConnection};
use tarn_types::TlsSession;
use tokio_rustls::TlsAcceptor;

/// The files that TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the server's certificate first, then those up to an authority.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC 1.
    pub private_key: PathBuf,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or holds no such thing.
    #[error("{path} cannot be used for TLS: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The two do not make a server.
    #[error("the TLS certificate and its private key cannot be used: {source}")]
    Pair {
        /// Why.
        source: rustls::Error,
    },
}

/// When the two files last changed, as far as the file system says.
type Changed = [Option<SystemTime>; 2];

/// The certificate in use.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

/// TLS as the listener speaks it. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    changed: Arc<Mutex<Changed>>,
    files: Arc<TlsFiles>,
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let of_file = |path: &PathBuf, error: pem::Error| TlsError::File {
        path: path.clone(),
        reason: match error {
            pem::Error::NoItemsFound => "there is no such thing in it, in PEM".to_owned(),
            other => other.to_string(),
        },
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|error| of_file(&files.certificate, error))?;
    if chain.is_empty() {
        return Err(of_file(&files.certificate, pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(&files.private_key).map_err(|error| of_file(&files.private_key, error))?;
    // It refuses a key that is not the certificate's.
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|source| TlsError::Pair { source })
}

impl Tls {
    /// From its files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let changed = changed(&files);
        let current = Arc::new(Current(RwLock::new(Arc::new(load(&files)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|source| TlsError::Pair { source })?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, current, changed: Arc::new(Mutex::new(changed)), files: Arc::new(files) })
    }

    /// Reads the files again if they are not those that are in use; whether they were. On an error the certificate in use stays, and the
    /// files are not tried again until they change.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = changed(&self.files);
        {
            let mut seen = self.changed.lock();
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        *self.current.0.write() = Arc::new(load(&self.files)?);
        Ok(true)
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn changed(files: &TlsFiles) -> Changed {
    let of = |path: &PathBuf| std::fs::metadata(path).and_then(|found| found.modified()).ok();
    [of(&files.certificate), of(&files.private_key)]
}

/// What was agreed on.
pub(crate) fn session(connection: &ServerConnection) -> Option<TlsSession> {
    let version = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => return None,
    };
    let cipher_suite = match connection.negotiated_cipher_suite()?.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => return None,
    };
    Some(TlsSession { version, cipher_suite })
}

/// The first byte of a TLS connection: a record of the kind handshake.
pub(crate) const HANDSHAKE: u8 = 0x16;

/// What is said to those who speak plain HTTP where TLS is spoken.
pub(crate) const PLAIN_HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 52\r\n\r\nThis server speaks HTTPS here: use an https:// URL.\n";

/// Why a connection did not come to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("plain HTTP was spoken to the TLS listener")]
    Plain,
    #[error("the handshake took too long")]
    Slow,
    #[error("{0}")]
    Broken(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let text = std::str::from_utf8(PLAIN_HTTP_ANSWER).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
