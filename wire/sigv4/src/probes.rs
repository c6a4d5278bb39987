//! What fuzzers and property tests feed bytes to: each probe reads arbitrary bytes as a request and panics where what comes of it breaks a
//! rule; it tells whether they were such a thing at all. The targets are in `fuzz/`.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use jiff::Timestamp;

use crate::{PathEncoding, Payload, Presented, Rules, SignatureError, Signer, SigningKeys, sha256};

/// A probe.
pub type Probe = fn(&[u8]) -> bool;

/// Probes by their names, which their targets and folders of seeds have, too.
pub const ALL: [(&str, Probe); 1] = [("signature", signature)];

/// Whose key signs.
const SECRET: &str = "a secret that no seed has signed with";

/// A request: its method and target, a line for each header, and a body behind an empty line.
fn request(bytes: &[u8]) -> Option<(Parts, &[u8])> {
    let mut rest = bytes;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        line
    };
    let first = line();
    let (method, target) = first.split_at(first.iter().position(|byte| *byte == b' ')?);
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::try_from(target.get(1..)?).ok()?;
    loop {
        let header = line();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_at(header.iter().position(|byte| *byte == b':')?);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    Some((request.into_parts().0, rest))
}

/// A copy: parts of requests are none.
fn copied(parts: &Parts) -> Parts {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request.into_parts().0
}

/// What the server makes of the signature of `parts`, at that very time; `None` if there is none, or none that can be read.
fn verified(parts: &Parts, service: &str, body: [u8; 32]) -> Option<Result<(), SignatureError>> {
    let presented = Presented::of(parts).ok()??;
    let path_encoding = if service == "s3" { PathEncoding::Once } else { PathEncoding::Twice };
    let regions = [presented.scope.region.as_str()];
    let rules = Rules { now: presented.time, service: &presented.scope.service, regions: &regions, path_encoding };
    Some(presented.verify(parts, SECRET, &SigningKeys::default(), &rules, Some(body)).map(drop))
}

/// A request as it comes, signed in its header or in its query: nobody's signature is believed. Then what a client makes of it: that is,
/// and is no longer when something of it is changed.
pub fn signature(bytes: &[u8]) -> bool {
    let Some((parts, body)) = request(bytes) else { return false };
    let digest = sha256(body);
    for service in ["s3", "glue"] {
        if let Some(Ok(())) = verified(&parts, service, digest) {
            panic!("a signature that nobody made was believed: {parts:?}");
        }
        // what is in a signed query already is not signed again
        if parts.uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("amz")) {
            continue;
        }
        let signer = Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: bytes.len().is_multiple_of(2).then(|| "a token".to_owned()),
            region: "us-east-1".to_owned(),
            service: service.to_owned(),
        };
        let at = Timestamp::UNIX_EPOCH;
        let mut signed = copied(&parts);
        let mut presigned = copied(&parts);
        let made = [
            signer.sign(&mut signed, Payload::Sha256(digest), at).map(|_| signed),
            signer.presign(&mut presigned, 60, at).map(|_| presigned),
        ];
        for made in made.into_iter().flatten() {
            // What was signed may be no request to this server for other reasons: two signatures, headers twice or not signed.
            let Some(found) = verified(&made, service, digest) else { continue };
            assert!(!matches!(found, Err(SignatureError::Mismatch { .. })), "what a client signs is refused: {made:?}");
            if found.is_ok() {
                let mut other = copied(&made);
                other.method = Method::from_bytes(b"OTHER").unwrap_or(Method::TRACE);
                let changed = other.method != made.method;
                assert!(
                    !changed || !matches!(verified(&other, service, digest), Some(Ok(()))),
                    "another method: {made:?}"
                );
                let mut other = copied(&made);
                other.headers.insert("x-amz-added", HeaderValue::from_static("1"));
                assert!(!matches!(verified(&other, service, digest), Some(Ok(()))), "a header more: {made:?}");
            }
        }
    }
    true
}
