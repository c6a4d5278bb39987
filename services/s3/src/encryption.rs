//! Server-side encryption in headers: what a request wants, the key it brings, and what answers say. Knows no operation.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>
//!
//! AWS takes customers' keys over TLS only. Here they are taken over whatever the request came by: a listener on a loopback address has
//! no TLS, and who exposes one without it has exposed signatures and bytes as well.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::{S3Result, s3_error};
use tarn_objects::{CustomerKey, Encryption, EncryptionRequest, KmsEncryption};

use crate::convert::not_implemented;
use crate::errors::custom;

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KMS_KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const CUSTOMER: &str = "x-amz-server-side-encryption-customer";
const SOURCE_CUSTOMER: &str = "x-amz-copy-source-server-side-encryption-customer";
/// The only cipher that customers' keys are for.
pub(crate) const CUSTOMER_ALGORITHM: &str = "AES256";

fn text<'h>(headers: &'h HeaderMap, name: &str) -> S3Result<Option<&'h str>> {
    match headers.get(name).map(HeaderValue::to_str) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "The header {name} is not text")),
    }
}

/// The key that a request brings for its object.
pub(crate) fn customer_key(headers: &HeaderMap) -> S3Result<Option<CustomerKey>> {
    customer_key_of(headers, CUSTOMER)
}

/// The key that a request brings for the source of a copy.
pub(crate) fn source_customer_key(headers: &HeaderMap) -> S3Result<Option<CustomerKey>> {
    customer_key_of(headers, SOURCE_CUSTOMER)
}

fn customer_key_of(headers: &HeaderMap, prefix: &str) -> S3Result<Option<CustomerKey>> {
    let field = |name: &str| text(headers, &format!("{prefix}-{name}"));
    let (algorithm, key, md5) = (field("algorithm")?, field("key")?, field("key-md5")?);
    if (algorithm, key, md5) == (None, None, None) {
        return Ok(None);
    }
    // The sentences are AWS's.
    let must = "Requests specifying Server Side Encryption with Customer provided keys must provide";
    let Some(algorithm) = algorithm else {
        return Err(s3_error!(InvalidArgument, "{must} a valid encryption algorithm."));
    };
    if algorithm != CUSTOMER_ALGORITHM {
        return Err(custom(
            "InvalidEncryptionAlgorithmError",
            StatusCode::BAD_REQUEST,
            "The encryption request you specified is not valid. The valid value is AES256.".to_owned(),
        ));
    }
    let Some(key) = key else {
        return Err(s3_error!(InvalidArgument, "{must} an appropriate secret key."));
    };
    let Some(md5) = md5 else {
        return Err(s3_error!(InvalidArgument, "{must} the client calculated MD5 of the secret key."));
    };
    let key: Option<[u8; 32]> = BASE64.decode(key).ok().and_then(|bytes| bytes.try_into().ok());
    let Some(key) = key else {
        return Err(s3_error!(InvalidArgument, "The secret key was invalid for the specified algorithm."));
    };
    let md5: Option<[u8; 16]> = BASE64.decode(md5).ok().and_then(|bytes| bytes.try_into().ok());
    match md5.and_then(|md5| CustomerKey::new(&key, md5)) {
        Some(key) => Ok(Some(key)),
        None => Err(s3_error!(
            InvalidArgument,
            "The calculated MD5 hash of the key did not match the hash that was provided."
        )),
    }
}

/// How a write wants its object to be encrypted.
pub(crate) fn encryption_request(headers: &HeaderMap) -> S3Result<EncryptionRequest> {
    let (algorithm, kms_key) = (text(headers, ALGORITHM)?, text(headers, KMS_KEY_ID)?);
    let context = text(headers, CONTEXT)?;
    let bucket_key = match text(headers, BUCKET_KEY)? {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Some(_) => return Err(s3_error!(InvalidArgument, "The value of {BUCKET_KEY} must be true or false")),
    };
    let names_kms = kms_key.is_some() || context.is_some();
    if let Some(customer) = customer_key(headers)? {
        if algorithm.is_some() || names_kms {
            return Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"
            ));
        }
        return Ok(EncryptionRequest::Customer(customer));
    }
    match algorithm {
        None | Some("AES256") if names_kms => Err(s3_error!(
            InvalidArgument,
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
        )),
        None => Ok(EncryptionRequest::BucketDefault { bucket_key }),
        Some("AES256") => Ok(EncryptionRequest::Lake),
        Some("aws:kms") => Ok(EncryptionRequest::Kms {
            key: kms_key.filter(|key| !key.is_empty()).map(str::to_owned),
            context: context.map(parse_context).transpose()?.unwrap_or_default(),
            bucket_key,
        }),
        Some("aws:kms:dsse" | "aws:fsx" | "aws:backup") => {
            Err(not_implemented("x-amz-server-side-encryption other than AES256 and aws:kms"))
        }
        Some(_) => Err(s3_error!(InvalidArgument, "The encryption method specified is not supported")),
    }
}

fn parse_context(text: &str) -> S3Result<BTreeMap<String, String>> {
    let pairs = BASE64.decode(text).ok().and_then(|json| serde_json::from_slice(&json).ok());
    pairs.ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "The header {CONTEXT} shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map"
        )
    })
}

/// A read does not say how an object is encrypted: it is told.
pub(crate) fn check_read_headers(headers: &HeaderMap) -> S3Result<()> {
    for name in [ALGORITHM, KMS_KEY_ID, CONTEXT, BUCKET_KEY] {
        if headers.contains_key(name) {
            return Err(s3_error!(InvalidArgument, "{name} header is not supported for this operation."));
        }
    }
    Ok(())
}

/// The encryption context as a header carries it.
pub(crate) fn context_header(by: &KmsEncryption) -> Option<String> {
    let pairs: BTreeMap<&str, &str> = by.context.iter().collect();
    serde_json::to_vec(&pairs).ok().map(|json| BASE64.encode(json))
}

/// The MD5 of a key as a header carries it.
pub(crate) fn md5_header(customer: Option<&CustomerKey>) -> Option<String> {
    customer.map(|customer| BASE64.encode(customer.md5()))
}

/// What s3s's answer to a completion has no field for.
pub(crate) fn completion_headers(encryption: &Encryption, customer: Option<&CustomerKey>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let (Encryption::Customer(_), Some(md5)) = (encryption, md5_header(customer)) {
        headers.insert("x-amz-server-side-encryption-customer-algorithm", HeaderValue::from_static(CUSTOMER_ALGORITHM));
        if let Ok(md5) = HeaderValue::from_str(&md5) {
            headers.insert("x-amz-server-side-encryption-customer-key-md5", md5);
        }
    }
    headers
}

/// Says in one of s3s's outputs how an object is encrypted by the lake or by KMS.
macro_rules! describe_server_key {
    ($output:expr, $encryption:expr) => {
        match $encryption {
            tarn_objects::Encryption::Lake => {
                $output.server_side_encryption =
                    Some(s3s::dto::ServerSideEncryption::from_static(s3s::dto::ServerSideEncryption::AES256));
            }
            tarn_objects::Encryption::Kms(by) => {
                $output.server_side_encryption =
                    Some(s3s::dto::ServerSideEncryption::from_static(s3s::dto::ServerSideEncryption::AWS_KMS));
                $output.ssekms_key_id = Some(by.key.clone());
                $output.bucket_key_enabled = by.bucket_key.then_some(true);
            }
            tarn_objects::Encryption::Customer(_) => {}
        }
    };
}
pub(crate) use describe_server_key;

/// As `describe_server_key`, and by a customer's key.
macro_rules! describe_encryption {
    ($output:expr, $encryption:expr, $customer:expr) => {
        $crate::encryption::describe_server_key!($output, $encryption);
        if matches!($encryption, tarn_objects::Encryption::Customer(_)) {
            $output.sse_customer_algorithm = Some($crate::encryption::CUSTOMER_ALGORITHM.to_owned());
            $output.sse_customer_key_md5 = $crate::encryption::md5_header($customer);
        }
    };
}
pub(crate) use describe_encryption;

/// As `describe_encryption`, with the encryption context: what writes are told.
macro_rules! describe_new_encryption {
    ($output:expr, $encryption:expr, $customer:expr) => {
        $crate::encryption::describe_encryption!($output, $encryption, $customer);
        if let tarn_objects::Encryption::Kms(by) = $encryption {
            $output.ssekms_encryption_context = $crate::encryption::context_header(by);
        }
    };
}
pub(crate) use describe_new_encryption;

/// The key among what a write asked for.
pub(crate) fn customer_of(request: &EncryptionRequest) -> Option<CustomerKey> {
    match request {
        EncryptionRequest::Customer(customer) => Some(customer.clone()),
        EncryptionRequest::BucketDefault { .. } | EncryptionRequest::Lake | EncryptionRequest::Kms { .. } => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn requests_say_how_to_encrypt() {
        let check = |pairs: &[(&'static str, &str)], expected: &str| {
            let found = match encryption_request(&headers(pairs)) {
                Ok(EncryptionRequest::BucketDefault { bucket_key }) => format!("default {bucket_key:?}"),
                Ok(EncryptionRequest::Lake) => "lake".to_owned(),
                Ok(EncryptionRequest::Kms { key, context, bucket_key }) => {
                    format!("kms {} {context:?} {bucket_key:?}", key.unwrap_or_default())
                }
                Ok(EncryptionRequest::Customer(_)) => "customer".to_owned(),
                Err(error) => error.code().as_str().to_owned(),
            };
            assert_eq!(found, expected, "{pairs:?}");
        };
        let (algorithm, key, md5) = (
            "x-amz-server-side-encryption-customer-algorithm",
            "x-amz-server-side-encryption-customer-key",
            "x-amz-server-side-encryption-customer-key-md5",
        );
        check(&[], "default None");
        check(&[(BUCKET_KEY, "true")], "default Some(true)");
        check(&[(BUCKET_KEY, "yes")], "InvalidArgument");
        check(&[(ALGORITHM, "AES256")], "lake");
        check(&[(ALGORITHM, "aws:kms")], "kms  {} None");
        check(&[(ALGORITHM, "aws:kms"), (KMS_KEY_ID, "alias/a"), (BUCKET_KEY, "false")], "kms alias/a {} Some(false)");
        // {"a":"b"}
        check(&[(ALGORITHM, "aws:kms"), (CONTEXT, "eyJhIjoiYiJ9")], "kms  {\"a\": \"b\"} None");
        // {"a":1}, and no JSON
        check(&[(ALGORITHM, "aws:kms"), (CONTEXT, "eyJhIjoxfQ==")], "InvalidArgument");
        check(&[(ALGORITHM, "aws:kms"), (CONTEXT, "!")], "InvalidArgument");
        check(&[(ALGORITHM, "aws:kms:dsse")], "NotImplemented");
        check(&[(ALGORITHM, "aes:kms")], "InvalidArgument");
        check(&[(KMS_KEY_ID, "a")], "InvalidArgument");
        check(&[(ALGORITHM, "AES256"), (KMS_KEY_ID, "a")], "InvalidArgument");
        check(&[(algorithm, "AES256"), (key, KEY), (md5, MD5)], "customer");
        check(&[(algorithm, "AES192"), (key, KEY), (md5, MD5)], "InvalidEncryptionAlgorithmError");
        check(&[(key, KEY), (md5, MD5)], "InvalidArgument");
        check(&[(algorithm, "AES256"), (md5, MD5)], "InvalidArgument");
        check(&[(algorithm, "AES256"), (key, KEY)], "InvalidArgument");
        check(&[(algorithm, "AES256"), (key, KEY), (md5, "AAAAAAAAAAAAAAAAAAAAAA==")], "InvalidArgument");
        check(&[(algorithm, "AES256"), (key, "c2hvcnQ="), (md5, MD5)], "InvalidArgument");
        check(&[(ALGORITHM, "AES256"), (algorithm, "AES256"), (key, KEY), (md5, MD5)], "InvalidArgument");
        check(&[(KMS_KEY_ID, "a"), (algorithm, "AES256"), (key, KEY), (md5, MD5)], "InvalidArgument");
    }

    #[test]
    fn a_key_is_never_shown() {
        let given = headers(&[
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", KEY),
            ("x-amz-server-side-encryption-customer-key-md5", MD5),
        ]);
        let key = customer_key(&given).unwrap().unwrap();
        assert_eq!(md5_header(Some(&key)).as_deref(), Some(MD5));
        assert_eq!(format!("{key:?}"), "CustomerKey(..)");
    }
}
