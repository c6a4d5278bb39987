//! What a request presents as its signature, read and bounded but not yet believed.

use http::request::Parts;
use http::{HeaderMap, Uri};
use jiff::Timestamp;

use crate::canonical::query_pairs;
use crate::{ALGORITHM, PRESIGNED_SECONDS_MAX, SIGNED_HEADERS_COUNT_MAX, SignatureError, parse_amz_date};

/// Where the signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the Authorization header.
    Header,
    /// In the query string.
    Presigned {
        /// For how long from its time, seconds.
        expires_seconds: u32,
    },
}

/// What a credential is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialScope {
    /// `20260102`.
    pub date: String,
    /// `us-east-1`.
    pub region: String,
    /// The signing name, such as `glue`.
    pub service: String,
}

impl CredentialScope {
    pub(crate) fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

/// What the signature says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// Nothing is said: the body's own digest is signed.
    Digest,
    /// The digest is stated and signed.
    Sha256([u8; 32]),
    /// The body is not covered.
    Unsigned,
    /// aws-chunked, each chunk signed.
    SignedChunks {
        /// Whether signed trailing headers follow.
        trailer: bool,
    },
    /// aws-chunked with trailing headers, the chunks not signed.
    UnsignedChunksWithTrailer,
}

impl Payload {
    /// Reads `x-amz-content-sha256`.
    pub fn parse(text: &str) -> Result<Self, SignatureError> {
        Ok(match text {
            "UNSIGNED-PAYLOAD" => Self::Unsigned,
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Self::SignedChunks { trailer: false },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Self::SignedChunks { trailer: true },
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Self::UnsignedChunksWithTrailer,
            digest => Self::Sha256(parse_digest(digest).ok_or_else(|| {
                SignatureError::malformed("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- value or 64 lower-case hexadecimal digits.")
            })?),
        })
    }

    /// As it stands in the canonical request. `body_sha256` is used where nothing is stated.
    pub(crate) fn text(self, body_sha256: [u8; 32]) -> String {
        match self {
            Self::Digest => hex::encode(body_sha256),
            Self::Sha256(digest) => hex::encode(digest),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Self::SignedChunks { trailer: false } => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Self::SignedChunks { trailer: true } => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
            Self::UnsignedChunksWithTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }
}

/// What a request presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Where the signature stands.
    pub form: Form,
    /// Whose key.
    pub access_key_id: String,
    /// What the credential is good for.
    pub scope: CredentialScope,
    /// When it was signed.
    pub time: Timestamp,
    /// Sorted, lower case.
    pub signed_headers: Vec<String>,
    /// The token of temporary credentials.
    pub session_token: Option<String>,
    /// What is said of the body.
    pub payload: Payload,
    pub(crate) amz_date: String,
    pub(crate) signature: [u8; 32],
}

impl Presented {
    /// What `parts` presents; `None` if it is not signed at all.
    pub fn of(parts: &Parts) -> Result<Option<Self>, SignatureError> {
        Self::of_request(&parts.uri, &parts.headers)
    }

    /// What a request with this target and these headers presents; `None` if it is not signed at all.
    pub fn of_request(uri: &Uri, headers: &HeaderMap) -> Result<Option<Self>, SignatureError> {
        let query = uri.query().unwrap_or("");
        let pairs = if query.contains("X-Amz-") { query_pairs(query) } else { Vec::new() };
        let in_query = pairs.iter().any(|(name, _)| name == b"X-Amz-Signature" || name == b"X-Amz-Algorithm");
        let in_header = headers.contains_key(http::header::AUTHORIZATION);
        match (in_header, in_query) {
            (false, false) => Ok(None),
            (true, true) => Err(SignatureError::SignedTwice),
            (true, false) => Self::of_header(headers).map(Some),
            (false, true) => Self::of_query(headers, &pairs).map(Some),
        }
    }

    fn of_header(headers: &HeaderMap) -> Result<Self, SignatureError> {
        let text = single(headers, "authorization")?.unwrap_or_default();
        let (algorithm, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
        check_algorithm(algorithm)?;
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim().split_once('=').ok_or_else(|| {
                SignatureError::malformed(format!(
                    "Authorization header requires 'name=value' pairs, got `{}`.",
                    part.trim()
                ))
            })?;
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                other => {
                    return Err(SignatureError::malformed(format!(
                        "Authorization header has an unknown parameter `{other}`."
                    )));
                }
            };
            if slot.replace(value).is_some() {
                return Err(SignatureError::malformed(format!("Authorization header repeats its '{name}' parameter.")));
            }
        }
        let need = |slot: Option<&str>, name: &str| {
            slot.filter(|value| !value.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| SignatureError::malformed(format!("Authorization header requires '{name}' parameter.")))
        };
        let (access_key_id, scope) = parse_credential(&need(credential, "Credential")?)?;
        let signed_headers = parse_signed_headers(&need(signed_headers, "SignedHeaders")?)?;
        let signature = parse_signature(&need(signature, "Signature")?)?;
        let (amz_date, time) = match (single(headers, "x-amz-date")?, single(headers, "date")?) {
            (Some(text), _) => (
                text.to_owned(),
                parse_amz_date(text).ok_or_else(|| {
                    SignatureError::malformed(format!("X-Amz-Date must read like 20260102T030405Z, got `{text}`."))
                })?,
            ),
            (None, Some(text)) => {
                let time = jiff::fmt::rfc2822::parse(text)
                    .map(|zoned| zoned.timestamp())
                    .map_err(|_| SignatureError::malformed(format!("Date must be an HTTP date, got `{text}`.")))?;
                (crate::format_amz_date(time), time)
            }
            (None, None) => {
                return Err(SignatureError::malformed(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                ));
            }
        };
        let payload = single(headers, "x-amz-content-sha256")?.map_or(Ok(Payload::Digest), Payload::parse)?;
        let session_token = single(headers, "x-amz-security-token")?.map(str::to_owned);
        Ok(Self {
            form: Form::Header,
            access_key_id,
            scope,
            time,
            signed_headers,
            session_token,
            payload,
            amz_date,
            signature,
        })
    }

    fn of_query(headers: &HeaderMap, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, SignatureError> {
        let find = |name: &str| -> Result<Option<String>, SignatureError> {
            let mut found = pairs.iter().filter(|(n, _)| n.as_slice() == name.as_bytes());
            let Some((_, value)) = found.next() else { return Ok(None) };
            if found.next().is_some() {
                return Err(SignatureError::malformed(format!("The query parameter {name} stands more than once.")));
            }
            let text = String::from_utf8(value.clone())
                .map_err(|_| SignatureError::malformed(format!("The query parameter {name} is not UTF-8.")))?;
            Ok(Some(text))
        };
        let need = |name: &str| {
            find(name)?.ok_or_else(|| {
                SignatureError::malformed(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
                )
            })
        };
        check_algorithm(&need("X-Amz-Algorithm")?)?;
        let (access_key_id, scope) = parse_credential(&need("X-Amz-Credential")?)?;
        let amz_date = need("X-Amz-Date")?;
        let time = parse_amz_date(&amz_date).ok_or_else(|| {
            SignatureError::malformed(format!("X-Amz-Date must read like 20260102T030405Z, got `{amz_date}`."))
        })?;
        let expires = need("X-Amz-Expires")?;
        let expires_seconds = expires
            .parse::<u32>()
            .ok()
            .filter(|_| expires.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| SignatureError::malformed("X-Amz-Expires should be a number."))?;
        if expires_seconds > PRESIGNED_SECONDS_MAX {
            return Err(SignatureError::malformed(format!(
                "X-Amz-Expires must be less than a week (in seconds) that is {PRESIGNED_SECONDS_MAX}"
            )));
        }
        let signed_headers = parse_signed_headers(&need("X-Amz-SignedHeaders")?)?;
        let signature = parse_signature(&need("X-Amz-Signature")?)?;
        let payload = match find("X-Amz-Content-Sha256")? {
            Some(text) => Payload::parse(&text)?,
            None => match single(headers, "x-amz-content-sha256")? {
                Some(text) if signed_headers.iter().any(|name| name == "x-amz-content-sha256") => Payload::parse(text)?,
                Some(_) | None => Payload::Unsigned,
            },
        };
        let session_token = find("X-Amz-Security-Token")?;
        Ok(Self {
            form: Form::Presigned { expires_seconds },
            access_key_id,
            scope,
            time,
            signed_headers,
            session_token,
            payload,
            amz_date,
            signature,
        })
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), SignatureError> {
    if algorithm == ALGORITHM {
        Ok(())
    } else {
        Err(SignatureError::Algorithm { algorithm: algorithm.chars().take(64).collect() })
    }
}

/// The header's one value; an error if it stands twice or is not visible ASCII.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(SignatureError::malformed(format!("The header {name} stands more than once.")));
    }
    let text = value
        .to_str()
        .map_err(|_| SignatureError::malformed(format!("The header {name} holds bytes that are not ASCII.")))?;
    Ok(Some(text.trim()))
}

/// `AKID/20260102/us-east-1/s3/aws4_request`; the id itself may hold slashes, so the scope is read from the end.
pub(crate) fn parse_credential(text: &str) -> Result<(String, CredentialScope), SignatureError> {
    let wrong = || {
        SignatureError::malformed(
            "Credential must have exactly 5 slash-delimited elements: access-key-id/date/region/service/aws4_request.",
        )
    };
    let mut parts = text.rsplitn(5, '/');
    let mut next = || parts.next().ok_or_else(wrong);
    // The region may be empty: whether one is needed is for `Rules` to say.
    let (terminator, service, region, date, id) = (next()?, next()?, next()?, next()?, next()?);
    if terminator != "aws4_request" {
        return Err(SignatureError::Scope {
            part: "terminator",
            expected: "aws4_request".to_owned(),
            found: terminator.to_owned(),
        });
    }
    let word = |part: &str| {
        part.len() <= 64 && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    };
    if date.len() != 8
        || !date.bytes().all(|b| b.is_ascii_digit())
        || !word(region)
        || !word(service)
        || service.is_empty()
        || id.is_empty()
        || id.len() > 128
        || !id.is_ascii()
    {
        return Err(wrong());
    }
    Ok((
        id.to_owned(),
        CredentialScope { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() },
    ))
}

fn parse_signed_headers(text: &str) -> Result<Vec<String>, SignatureError> {
    let names: Vec<String> = text.split(';').map(str::to_ascii_lowercase).collect();
    if names.len() > SIGNED_HEADERS_COUNT_MAX {
        return Err(SignatureError::malformed(format!(
            "SignedHeaders names more than {SIGNED_HEADERS_COUNT_MAX} headers."
        )));
    }
    if !names.is_sorted_by(|a, b| a < b) {
        return Err(SignatureError::malformed("SignedHeaders must be sorted and name each header once."));
    }
    if !names.iter().any(|name| name == "host") {
        return Err(SignatureError::UnsignedHeader { name: "host".to_owned() });
    }
    Ok(names)
}

fn parse_signature(text: &str) -> Result<[u8; 32], SignatureError> {
    parse_digest(text)
        .ok_or_else(|| SignatureError::malformed("The signature must be 64 lower-case hexadecimal digits."))
}

pub(crate) fn parse_digest(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}
