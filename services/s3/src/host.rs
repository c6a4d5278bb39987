//! Virtual-hosted style: which bucket a host name means. Unknown hosts are path style, so that a proxy's name does no harm.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// The domains under which buckets are names of their own; longest first.
#[derive(Debug, Clone)]
pub(crate) struct Domains(Vec<String>);

impl Domains {
    /// `localhost` and `s3.localhost` besides those given.
    pub(crate) fn new(configured: &[String]) -> Self {
        let mut domains: Vec<String> = configured.iter().map(|domain| domain.to_ascii_lowercase()).collect();
        domains.extend(["localhost".to_owned(), "s3.localhost".to_owned()]);
        domains.sort_by_key(|domain| std::cmp::Reverse(domain.len()));
        domains.dedup();
        Self(domains)
    }

    /// Whether a request to `path` on `host` names an object, and not a bucket or nothing.
    pub(crate) fn names_object(&self, host: &str, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        match self.bucket(host) {
            Some(_) => !path.is_empty(),
            None => path.split_once('/').is_some_and(|(_, key)| !key.is_empty()),
        }
    }

    /// The bucket whose website a host name means: `BUCKET.s3-website.DOMAIN`, with the region after a hyphen or a dot, or without.
    pub(crate) fn website_bucket<'h>(&self, host: &'h str, region: &str) -> Option<&'h str> {
        let host = without_port(host);
        let labels = [format!(".s3-website-{region}"), format!(".s3-website.{region}"), ".s3-website".to_owned()];
        // A website's host stands beside that of S3, not below it.
        let domains = self.0.iter().flat_map(|domain| [Some(domain.as_str()), domain.strip_prefix("s3.")]);
        domains.flatten().find_map(|domain| {
            let front = strip_domain(host, domain)?.strip_suffix('.')?;
            labels.iter().find_map(|label| {
                let at = front.len().checked_sub(label.len()).filter(|at| *at > 0)?;
                front.get(at..).filter(|end| end.eq_ignore_ascii_case(label))?;
                front.get(..at)
            })
        })
    }

    /// The bucket that a host name means.
    pub(crate) fn bucket<'h>(&self, host: &'h str) -> Option<&'h str> {
        let host = without_port(host);
        for domain in &self.0 {
            match strip_domain(host, domain) {
                Some("") => return None,
                Some(front) => {
                    if let Some(bucket) = front.strip_suffix('.').filter(|bucket| !bucket.is_empty()) {
                        return Some(bucket);
                    }
                }
                None => {}
            }
        }
        None
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What stands before `domain`.
fn strip_domain<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    let at = host.len().checked_sub(domain.len())?;
    host.get(at..).filter(|end| end.eq_ignore_ascii_case(domain))?;
    host.get(..at)
}

impl S3Host for Domains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match self.bucket(host) {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_name_websites() {
        let domains = Domains::new(&["s3.example.com".to_owned()]);
        let check = |host: &str, expected: Option<&str>| {
            assert_eq!(domains.website_bucket(host, "eu-west-1"), expected, "{host}");
        };
        check("docs.s3-website.localhost:9000", Some("docs"));
        check("docs.s3-website-eu-west-1.localhost", Some("docs"));
        check("docs.s3-website.eu-west-1.localhost", Some("docs"));
        check("a.b.S3-Website-eu-west-1.example.com", Some("a.b"));
        check("docs.s3-website-us-east-1.localhost", None);
        check("docs.localhost", None);
        check("s3-website.localhost", None);
        check("docs.s3-website.elsewhere.org", None);
        check("", None);
    }

    #[test]
    fn hosts_name_buckets_under_known_domains_only() {
        let domains = Domains::new(&["lake.example.com".to_owned()]);
        let check = |host: &str, expected: Option<&str>| assert_eq!(domains.bucket(host), expected, "{host}");
        check("localhost:9000", None);
        check("s3.localhost:9000", None);
        check("lake-raw.localhost:9000", Some("lake-raw"));
        check("lake-raw.s3.localhost", Some("lake-raw"));
        check("a.b.LocalHost", Some("a.b"));
        check("lake.example.com", None);
        check("x.lake.example.com:443", Some("x"));
        check("xlake.example.com", None);
        check("127.0.0.1:9000", None);
        check("[::1]:9000", None);
        check("proxy.internal", None);
        check("", None);
        let check = |host: &str, path: &str, expected: bool| {
            assert_eq!(domains.names_object(host, path), expected, "{host}{path}");
        };
        check("localhost:9000", "/", false);
        check("localhost:9000", "/lake-raw", false);
        check("localhost:9000", "/lake-raw/", false);
        check("localhost:9000", "/lake-raw//", true);
        check("localhost:9000", "/lake-raw/a/b", true);
        check("lake-raw.localhost", "/", false);
        check("lake-raw.localhost", "/a", true);
    }
}
