//! The canonical request: one spelling for all requests that mean the same.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use http::request::Parts;
use percent_encoding::percent_decode;

use crate::SignatureError;

/// How the path enters the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathEncoding {
    /// S3: as the key reads, each byte encoded once; `.` and `..` are ordinary names.
    Once,
    /// Every other service: dot segments resolved, then the sent path encoded once more.
    Twice,
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

fn encode(into: &mut Vec<u8>, bytes: &[u8], keep_slash: bool) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => into.push(byte),
            b'/' if keep_slash => into.push(byte),
            _ => into.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

/// `bytes` as a name or value of a canonical query string.
pub(crate) fn encode_query_part(bytes: &[u8]) -> String {
    let mut encoded = Vec::with_capacity(bytes.len());
    encode(&mut encoded, bytes, false);
    String::from_utf8_lossy(&encoded).into_owned()
}

/// The names and values of a query string, decoded as a form is: `+` is a space.
pub(crate) fn query_pairs(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |text: &str| percent_decode(text.replace('+', " ").as_bytes()).collect::<Vec<u8>>();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => (decode(name), decode(value)),
            None => (decode(pair), Vec::new()),
        })
        .collect()
}

fn push_path(into: &mut Vec<u8>, path: &str, encoding: PathEncoding) {
    match encoding {
        PathEncoding::Once => {
            let decoded: Vec<u8> = percent_decode(path.as_bytes()).collect();
            encode(into, if decoded.is_empty() { b"/" } else { &decoded }, true);
        }
        PathEncoding::Twice => {
            let mut segments = Vec::new();
            for segment in path.split('/') {
                match segment {
                    "" | "." => {}
                    ".." => drop(segments.pop()),
                    name => segments.push(name),
                }
            }
            for segment in &segments {
                into.push(b'/');
                encode(into, segment.as_bytes(), false);
            }
            if segments.is_empty() || path.ends_with('/') {
                into.push(b'/');
            }
        }
    }
}

fn push_query(into: &mut Vec<u8>, query: &str, without: Option<&str>) {
    let mut pairs: Vec<(String, String)> = query_pairs(query)
        .into_iter()
        .filter(|(name, _)| without.is_none_or(|without| name != without.as_bytes()))
        .map(|(name, value)| (encode_query_part(&name), encode_query_part(&value)))
        .collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            into.push(b'&');
        }
        into.extend_from_slice(name.as_bytes());
        into.push(b'=');
        into.extend_from_slice(value.as_bytes());
    }
}

fn push_header_value(into: &mut Vec<u8>, value: &[u8]) {
    for (at, word) in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            into.push(b' ');
        }
        into.extend_from_slice(word);
    }
}

/// The canonical request of `parts`. `signed_headers` is sorted and lower case; a header missing from the request is an error,
/// but for `host`, which HTTP/2 sends as the authority.
pub(crate) fn canonical_request(
    parts: &Parts,
    path_encoding: PathEncoding,
    signed_headers: &[String],
    payload: &str,
) -> Result<Vec<u8>, SignatureError> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(parts.method.as_str().as_bytes());
    text.push(b'\n');
    push_path(&mut text, parts.uri.path(), path_encoding);
    text.push(b'\n');
    push_query(&mut text, parts.uri.query().unwrap_or(""), Some("X-Amz-Signature"));
    text.push(b'\n');
    for name in signed_headers {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        let mut found = false;
        for value in parts.headers.get_all(name) {
            if found {
                text.push(b',');
            }
            push_header_value(&mut text, value.as_bytes());
            found = true;
        }
        if !found {
            match (name.as_str(), parts.uri.authority()) {
                ("host", Some(authority)) => text.extend_from_slice(authority.as_str().as_bytes()),
                _ => return Err(SignatureError::MissingHeader { name: name.clone() }),
            }
        }
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload.as_bytes());
    Ok(text)
}

/// What the signing key is applied to.
pub(crate) fn string_to_sign(amz_date: &str, scope: &str, canonical_request: &[u8]) -> String {
    format!("{}\n{amz_date}\n{scope}\n{}", crate::ALGORITHM, hex::encode(crate::sha256(canonical_request)))
}
