//! Which bucket and key a request names, for what is answered before or beside s3s: preflights, browsers' posts, websites.

use http::header::HOST;
use http::{Request, Uri};
use percent_encoding::percent_decode_str;

use crate::host::Domains;

/// A bucket and a key as they stand in host and path, decoded once and not yet checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
}

/// The host a request was sent to, with its port.
pub(crate) fn host_of<B>(request: &Request<B>) -> &str {
    let header = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    header.or_else(|| request.uri().authority().map(http::uri::Authority::as_str)).unwrap_or_default()
}

impl Target {
    /// What `request` names.
    pub(crate) fn of<B>(domains: &Domains, request: &Request<B>) -> Self {
        Self::at(domains.bucket(host_of(request)), request.uri())
    }

    /// What `uri` names at a host that means `host_bucket`, if any.
    pub(crate) fn at(host_bucket: Option<&str>, uri: &Uri) -> Self {
        let path = percent_decode_str(uri.path()).decode_utf8_lossy();
        let path = path.strip_prefix('/').unwrap_or(&path);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match host_bucket {
            Some(bucket) => Self { bucket: Some(bucket.to_owned()), key: some(path) },
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                Self { bucket: some(bucket), key: some(key) }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn host_or_path_name_the_bucket() {
        let domains = Domains::new(&[]);
        let check = |host: &str, path: &str, bucket: Option<&str>, key: Option<&str>| {
            let request = Request::builder().uri(path).header(HOST, host).body(()).unwrap();
            let expected = Target { bucket: bucket.map(str::to_owned), key: key.map(str::to_owned) };
            assert_eq!(Target::of(&domains, &request), expected, "{host} {path}");
        };
        check("localhost:9000", "/", None, None);
        check("localhost:9000", "/lake-raw", Some("lake-raw"), None);
        check("localhost:9000", "/lake-raw/", Some("lake-raw"), None);
        check("localhost:9000", "/lake-raw/a%20b/c?x=y", Some("lake-raw"), Some("a b/c"));
        check("lake-raw.localhost", "/", Some("lake-raw"), None);
        check("lake-raw.localhost", "/a/b", Some("lake-raw"), Some("a/b"));
    }
}
