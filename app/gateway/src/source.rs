//! Where a request comes from: the socket's other end or, behind proxies that the configuration trusts, whom they name. Nobody else's
//! `X-Forwarded-For` is read.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use tarn_types::TlsSession;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Who sent it. The port is 0 where a proxy named the address.
    pub peer: SocketAddr,
    /// Whether it came over TLS to the first who is trusted.
    pub is_secure: bool,
    /// The TLS connection that it came on, where that ends here.
    pub tls: Option<TlsSession>,
}

impl From<SocketAddr> for Source {
    /// Who sent something over no TLS.
    fn from(peer: SocketAddr) -> Self {
        Self { peer, is_secure: false, tls: None }
    }
}

/// Proxies whose word is taken for whom they speak.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The source of a request with these headers that came from `peer`. Each proxy appends the address it was asked by, so the list is read
    /// from its end: the first who is not trusted is the one who asks, and what stands before is that one's own claim.
    pub(crate) fn source(&self, peer: SocketAddr, tls: Option<TlsSession>, headers: &HeaderMap) -> Source {
        let direct = Source { peer, is_secure: tls.is_some(), tls };
        if self.0.is_empty() || !self.holds(peer.ip()) {
            return direct;
        }
        let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
        let mut source = None;
        for named in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            // What cannot be read ends what can be believed.
            let named = std::str::from_utf8(named).ok();
            let Some(address) = named.and_then(|named| address(named.trim())) else { break };
            source = Some(address);
            if !self.holds(address) {
                break;
            }
        }
        let Some(address) = source else { return direct };
        let is_secure = headers
            .get_all(FORWARDED_PROTO)
            .iter()
            .next_back()
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.rsplit(',').next())
            .is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"));
        Source { peer: SocketAddr::new(address, 0), is_secure, tls: None }
    }
}

/// An address with or without a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let check = |trusted: &[&str], peer: &str, forwarded: &[&str], proto: Option<&str>, expected: (&str, bool)| {
            let proxies = TrustedProxies(trusted.iter().map(|text| text.parse().expect("a network")).collect());
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).expect("a header"));
            }
            if let Some(proto) = proto {
                headers.append(FORWARDED_PROTO, proto.parse().expect("a header"));
            }
            let found = proxies.source(peer.parse().expect("an address"), None, &headers);
            assert_eq!((found.peer.ip().to_string().as_str(), found.is_secure), expected, "{forwarded:?}");
        };
        let peer = "10.0.0.1:5";
        check(&[], peer, &["1.2.3.4"], Some("https"), ("10.0.0.1", false));
        check(&["10.9.0.0/16"], peer, &["1.2.3.4"], Some("https"), ("10.0.0.1", false));
        check(&["10.0.0.0/24"], peer, &["1.2.3.4"], Some("https"), ("1.2.3.4", true));
        check(&["10.0.0.0/24"], peer, &["1.2.3.4"], Some("http"), ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &["1.2.3.4"], Some("https, http"), ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &["1.2.3.4"], None, ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &[], Some("https"), ("10.0.0.1", false));
        // A client's own header stands before what the proxy appends.
        check(&["10.0.0.0/24"], peer, &["127.0.0.1, 1.2.3.4"], None, ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &["127.0.0.1", "1.2.3.4, 10.0.0.7"], None, ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &["1.2.3.4:80"], None, ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &["[2001:db8::1]:80"], None, ("2001:db8::1", false));
        check(&["10.0.0.0/24"], peer, &["127.0.0.1, unknown"], None, ("10.0.0.1", false));
        // What is no text is not passed over: what stands before it is the client's own claim.
        check(&["10.0.0.0/24"], peer, &["ÿ, 1.2.3.4"], None, ("1.2.3.4", false));
        check(&["10.0.0.0/24"], peer, &["127.0.0.1", "ÿ"], None, ("10.0.0.1", false));
        check(&["10.0.0.0/24"], "[::ffff:10.0.0.1]:5", &["1.2.3.4"], None, ("1.2.3.4", false));
    }
}
