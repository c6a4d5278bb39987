//! The way to OIDC issuers, whose URLs users of the lake choose: the one place where a request could be forged to reach what only this
//! server can. A host is resolved once, and what it resolves to is connected to or nothing is; addresses that are not public, plain HTTP
//! and redirects are refused, unless the operator has named the issuer. Knows no tokens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha1::{Digest as _, Sha1};
use tarn_identity::Issuers;
use url::{Host, Origin};

/// How long a name may take to resolve.
const RESOLVE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a document may take, from connecting to its last byte.
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// The way to issuers.
pub(crate) struct OidcIssuers {
    allowed: Vec<Origin>,
    roots: OnceLock<Arc<RootCertStore>>,
}

/// The parts of the address space that are nobody's own: what is assigned for the public, and nothing within it that leads elsewhere.
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || v4.is_multicast()
        || a == 0
        // Shared between carriers and customers; protocol assignments; relays of 6to4; benchmarks; reserved.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !is_special
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    if let Some(v4) = v6.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [first, second, ..] = v6.segments();
    // Global unicast, without Teredo and the other protocol assignments, documentation, and 6to4, which carries an IPv4 address.
    (0x2000..0x4000).contains(&first)
        && !(first == 0x2001 && second < 0x0200)
        && !(first == 0x2001 && second == 0x0db8)
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

impl OidcIssuers {
    /// `allowed` are the URLs of issuers that are reached wherever they are; they were checked when the configuration was read.
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        let origins = allowed.iter().filter_map(|url| Some(Url::parse(url).ok()?.origin()));
        Self { allowed: origins.collect(), roots: OnceLock::new() }
    }

    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, String> {
        let is_allowed = self.allowed.contains(&url.origin());
        if url.scheme() != "https" && !(is_allowed && url.scheme() == "http") {
            return Err(format!("{url} is not reached by https"));
        }
        let port = url.port_or_known_default().ok_or_else(|| format!("{url} names no port"))?;
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => {
                let looking = tokio::time::timeout(RESOLVE_TIME_MAX, tokio::net::lookup_host((name, port)));
                let found = looking.await.map_err(|_| format!("the name {name} takes too long to resolve"))?;
                found.map_err(|_| format!("the name {name} does not resolve"))?.collect()
            }
            None => return Err(format!("{url} names no host")),
        };
        if addresses.is_empty() {
            return Err(format!("the host of {url} has no address"));
        }
        if !is_allowed && addresses.iter().any(|address| !is_public(address.ip())) {
            return Err(format!(
                "the host of {url} is not at a public address; the operator of this server can allow it in `oidc_issuers_allowed`"
            ));
        }
        Ok(addresses)
    }

    fn tls(&self, thumbprints: &[String]) -> Result<ClientConfig, String> {
        let roots = self.roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            let (_, refused) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if refused > 0 {
                tracing::debug!(refused, "some of the machine's certificates cannot be read");
            }
            Arc::new(roots)
        });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier { roots: roots.clone(), provider: provider.clone(), thumbprints: thumbprints.to_vec() };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        Ok(config.with_no_client_auth())
    }

    async fn get(&self, url: &str, thumbprints: &[String], size_bytes_max: usize) -> Result<Vec<u8>, String> {
        let url = Url::parse(url).map_err(|_| format!("`{url}` is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("its URL names a user".to_owned());
        }
        let addresses = self.addresses(&url).await?;
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(FETCH_TIME_MAX)
            .user_agent(concat!("tarn/", env!("CARGO_PKG_VERSION")))
            // The name is not resolved again: another answer would be another host.
            .resolve_to_addrs(url.host_str().unwrap_or_default(), &addresses)
            .use_preconfigured_tls(self.tls(thumbprints)?)
            .build()
            .map_err(|error| format!("the client for issuers cannot be made: {error}"))?;
        let lost = |error: reqwest::Error| format!("{url} could not be read: {}", error.without_url());
        let response = client.get(url.clone()).header("accept", "application/json").send().await.map_err(lost)?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("{url} answered {}", response.status()));
        }
        read(response, size_bytes_max).await.map_err(|reason| format!("{url} {reason}"))
    }
}

async fn read(mut response: Response, size_bytes_max: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| format!("broke off: {}", error.without_url()))? {
        if bytes.len() + chunk.len() > size_bytes_max {
            return Err(format!("has more than {size_bytes_max} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl Issuers for OidcIssuers {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
        thumbprints: &'a [String],
        size_bytes_max: usize,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        self.get(url, thumbprints, size_bytes_max).boxed()
    }
}

/// Trusts a certificate that a root of this machine vouches for, or one whose chain ends in a certificate with a known thumbprint: as AWS,
/// which looks at thumbprints where it does not know the authority.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html>
#[derive(Debug)]
struct Verifier {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    thumbprints: Vec<String>,
}

impl Verifier {
    fn by(&self, roots: Arc<RootCertStore>) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
        let built = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone()).build();
        built.map_err(|_| CertificateError::UnknownIssuer.into())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let known = self
            .by(self.roots.clone())
            .and_then(|known| known.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now));
        let last = intermediates.last().unwrap_or(end_entity);
        let thumbprint = hex::encode(Sha1::digest(last));
        if known.is_ok() || !self.thumbprints.iter().any(|text| text.eq_ignore_ascii_case(&thumbprint)) {
            return known;
        }
        let mut roots = RootCertStore::empty();
        roots.add(last.clone().into_owned())?;
        let known = self.by(Arc::new(roots))?;
        known.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_publics_is_public() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_public(text.parse().expect("an address")), expected, "{text}");
        };
        for text in ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00::1"]
        {
            check(text, true);
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            check(text, false);
        }
        check("::ffff:8.8.8.8", true);
    }

    #[tokio::test]
    async fn what_is_not_public_is_reached_only_where_it_is_allowed() {
        let check = async |allowed: &[&str], url: &str, expected: Result<&str, &str>| {
            let issuers = OidcIssuers::new(allowed.iter().map(|url| (*url).to_owned()).collect());
            let found = issuers.addresses(&Url::parse(url).expect("a URL")).await;
            match (&found, expected) {
                (Ok(found), Ok(address)) => assert_eq!(found[0].to_string(), address, "{url}"),
                (Err(reason), Err(words)) => assert!(reason.contains(words), "{url}: {reason}"),
                (found, _) => panic!("{url}: {found:?}"),
            }
        };
        check(&[], "https://8.8.8.8/x", Ok("8.8.8.8:443")).await;
        check(&[], "http://8.8.8.8/x", Err("https")).await;
        check(&[], "file:///etc/passwd", Err("https")).await;
        for host in
            ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:169.254.169.254]", "169.254.169.254", "localhost"]
        {
            check(&[], &format!("https://{host}:8443/x"), Err("not at a public address")).await;
        }
        let allowed = ["http://127.0.0.1:8080/realms/lake"];
        check(&allowed, "http://127.0.0.1:8080/realms/lake/certs", Ok("127.0.0.1:8080")).await;
        check(&allowed, "http://127.0.0.1:8081/realms/lake", Err("https")).await;
        check(&allowed, "https://127.0.0.1:8080/realms/lake", Err("not at a public address")).await;
    }
}
