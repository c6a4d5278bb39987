//! Wire to domain and back: names, times, checksums, headers, tags. Knows no operation.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::dto::{ETag, ETagCondition, Owner, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use tarn_objects::{
    BucketName, ByteRange, Checksum, ChecksumAlgorithm, ChecksumKind, Etag, EtagCondition, ExpectedDigests, ObjectKey,
    ReadConditions, RestoreStatus, StorageClass, Tags, VersionId, WriteConditions,
};

use crate::errors::objects_error;
use crate::gate::CanonicalUser;

/// Milliseconds since 1970 as the wire's time.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    let since = Duration::from_millis(ms.unsigned_abs());
    let time =
        if ms < 0 { SystemTime::UNIX_EPOCH.checked_sub(since) } else { SystemTime::UNIX_EPOCH.checked_add(since) };
    Timestamp::from(time.unwrap_or(SystemTime::UNIX_EPOCH))
}

/// The wire's time as milliseconds since 1970.
pub(crate) fn millis(time: &Timestamp) -> i64 {
    let mut text = Vec::new();
    if time.format(TimestampFormat::EpochSeconds, &mut text).is_err() {
        return 0;
    }
    let seconds: f64 = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (seconds * 1000.0) as i64
}

/// Milliseconds since 1970 as an HTTP date.
pub(crate) fn http_date(ms: i64) -> Option<HeaderValue> {
    let mut text = Vec::new();
    timestamp(ms).format(TimestampFormat::HttpDate, &mut text).ok()?;
    HeaderValue::from_bytes(&text).ok()
}

pub(crate) fn bucket_name(name: &str) -> S3Result<BucketName> {
    BucketName::new(name).map_err(objects_error)
}

pub(crate) fn object_key(key: &str) -> S3Result<ObjectKey> {
    ObjectKey::new(key).map_err(objects_error)
}

pub(crate) fn etag(etag: &Etag) -> Option<ETag> {
    Some(ETag::Strong(etag.to_string()))
}

pub(crate) fn owner(user: CanonicalUser) -> Owner {
    Owner { display_name: Some(user.display_name), id: Some(user.id) }
}

fn etag_condition(condition: &ETagCondition) -> EtagCondition {
    match condition {
        ETagCondition::Any => EtagCondition::Any,
        ETagCondition::ETag(tag) => EtagCondition::OneOf(vec![tag.value().to_owned()]),
    }
}

/// The conditions of a read, or of a copy's source.
pub(crate) fn read_conditions(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    if_modified_since: Option<&Timestamp>,
    if_unmodified_since: Option<&Timestamp>,
) -> ReadConditions {
    ReadConditions {
        if_match: if_match.map(etag_condition),
        if_none_match: if_none_match.map(etag_condition),
        if_modified_since_ms: if_modified_since.map(millis),
        if_unmodified_since_ms: if_unmodified_since.map(millis),
    }
}

/// The conditions of a write: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
pub(crate) fn write_conditions(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> WriteConditions {
    WriteConditions { if_none_match: if_none_match.map(etag_condition), if_match: if_match.map(etag_condition) }
}

pub(crate) fn if_match(condition: Option<&ETagCondition>) -> Option<EtagCondition> {
    condition.map(etag_condition)
}

/// A header's range.
pub(crate) fn byte_range(range: s3s::dto::Range) -> ByteRange {
    match range {
        s3s::dto::Range::Int { first, last: Some(last) } => ByteRange::FromTo { first, last },
        s3s::dto::Range::Int { first, last: None } => ByteRange::From { first },
        s3s::dto::Range::Suffix { length } => ByteRange::Last { size_bytes: length },
    }
}

/// S3's own answer to what is not built.
pub(crate) fn not_implemented(what: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::NotImplemented,
        format!("A header you provided implies functionality that is not implemented: {what}."),
    )
}

/// The class a request names; STANDARD where it names none.
pub(crate) fn storage_class(class: Option<&str>) -> S3Result<StorageClass> {
    class.map_or(Ok(StorageClass::default()), |class| StorageClass::parse(class).map_err(objects_error))
}

/// The header that tells an object's class: every one but STANDARD.
pub(crate) fn storage_class_header(class: StorageClass) -> Option<s3s::dto::StorageClass> {
    (class != StorageClass::Standard).then(|| s3s::dto::StorageClass::from_static(class.name()))
}

/// `x-amz-restore`: where a restore stands.
pub(crate) fn restore_header(status: Option<RestoreStatus>) -> Option<String> {
    match status? {
        RestoreStatus::Ongoing => Some("ongoing-request=\"true\"".to_owned()),
        RestoreStatus::Done { expires_ms } => {
            let date = http_date(expires_ms)?;
            Some(format!("ongoing-request=\"false\", expiry-date=\"{}\"", date.to_str().ok()?))
        }
    }
}

/// Headers of a write that ask for what is not built are refused, never ignored.
pub(crate) fn check_write_headers(headers: &HeaderMap) -> S3Result<()> {
    const REFUSED: [&str; 1] = ["x-amz-write-offset-bytes"];
    for name in headers.keys() {
        if let Some(refused) = REFUSED.iter().find(|refused| name.as_str().starts_with(**refused)) {
            return Err(not_implemented(refused.trim_end_matches('-')));
        }
    }
    Ok(())
}

/// The version that a request names, if it names one.
pub(crate) fn version_id(version_id: Option<&str>) -> S3Result<Option<VersionId>> {
    match version_id {
        None => Ok(None),
        Some("") => Err(s3_error!(InvalidArgument, "Version id cannot be the empty string")),
        Some(text) => match VersionId::parse(text) {
            Some(id) => Ok(Some(id)),
            None => Err(s3_error!(InvalidArgument, "Invalid version id specified")),
        },
    }
}

/// A version as answers name it.
pub(crate) fn shown_version(version: Option<VersionId>) -> Option<String> {
    version.map(|version| version.to_string())
}

/// Tags as `x-amz-tagging` carries them: a query string.
pub(crate) fn parse_tagging_header(header: &str) -> S3Result<Tags> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| s3_error!(InvalidArgument, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates."))
    };
    let mut pairs = Vec::new();
    for pair in header.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode(key)?, decode(value)?));
    }
    Tags::of_object(pairs).map_err(objects_error)
}

/// Tags as XML carries them.
pub(crate) fn tag_pairs(tags: Vec<s3s::dto::Tag>) -> Vec<(String, String)> {
    tags.into_iter().map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect()
}

pub(crate) fn tag_set(tags: &Tags) -> Vec<s3s::dto::Tag> {
    tags.iter().map(|(key, value)| s3s::dto::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }).collect()
}

/// Letters that `encoding-type=url` leaves as they are.
const URL_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// A key as a listing shows it.
pub(crate) fn listed(text: &str, url: bool) -> String {
    if url { utf8_percent_encode(text, URL_ENCODED).to_string() } else { text.to_owned() }
}

pub(crate) fn is_url_encoding(encoding: Option<&str>) -> S3Result<bool> {
    match encoding {
        None => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
    }
}

/// `max-keys` and its kin: not negative, and at most `count_max`.
pub(crate) fn page_size(given: Option<i32>, name: &str, count_max: i32) -> S3Result<i32> {
    match given {
        None => Ok(count_max),
        Some(given) if given < 0 => {
            Err(s3_error!(InvalidArgument, "Argument {name} must be an integer between 0 and 2147483647"))
        }
        Some(given) => Ok(given.min(count_max)),
    }
}

pub(crate) fn md5(text: Option<&str>) -> S3Result<Option<[u8; 16]>> {
    let Some(text) = text else { return Ok(None) };
    match BASE64.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(md5) => Ok(Some(md5)),
        None => Err(S3Error::new(S3ErrorCode::InvalidDigest)),
    }
}

pub(crate) fn checksum_algorithm(name: &str) -> S3Result<ChecksumAlgorithm> {
    ChecksumAlgorithm::parse(name).ok_or_else(|| match name {
        "MD5" | "SHA512" | "XXHASH64" | "XXHASH3" | "XXHASH128" => not_implemented("this checksum algorithm"),
        _ => s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"),
    })
}

pub(crate) fn checksum_kind(name: &str) -> S3Result<ChecksumKind> {
    match name {
        "FULL_OBJECT" => Ok(ChecksumKind::FullObject),
        "COMPOSITE" => Ok(ChecksumKind::Composite),
        _ => Err(s3_error!(InvalidRequest, "Value for x-amz-checksum-type header is invalid.")),
    }
}

pub(crate) fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// A checksum's text as it stands in a header or in XML.
pub(crate) fn parse_checksum(algorithm: ChecksumAlgorithm, text: &str) -> S3Result<Checksum> {
    Checksum::parse(algorithm, text).ok_or_else(|| {
        s3_error!(
            InvalidRequest,
            "Value for x-amz-checksum-{} header is invalid.",
            algorithm.name().to_ascii_lowercase()
        )
    })
}

/// The checksum headers of a request.
pub(crate) fn header_checksums(headers: &HeaderMap) -> S3Result<Vec<Checksum>> {
    let mut checksums = Vec::new();
    for (name, value) in headers {
        let Some(algorithm) = name.as_str().strip_prefix("x-amz-checksum-") else { continue };
        if matches!(algorithm, "algorithm" | "type" | "mode") {
            continue;
        }
        let algorithm = checksum_algorithm(&algorithm.to_ascii_uppercase())?;
        let text = value.to_str().map_err(|_| s3_error!(InvalidRequest, "A checksum header is not text."))?;
        checksums.push(parse_checksum(algorithm, text)?);
    }
    if checksums.len() > 1 {
        return Err(s3_error!(
            InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        ));
    }
    Ok(checksums)
}

/// A key as an answer shows it beside what was asked for: left out where XML cannot hold it, since the caller has it already.
pub(crate) fn shown_key(key: String) -> Option<String> {
    let in_xml =
        |c: char| !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    key.chars().all(in_xml).then_some(key)
}

/// All that the caller says of the bytes: `Content-MD5`, checksum headers, and the checksum that a trailer will bring. s3s checks
/// the signatures of chunks and trailer; that the checksum is that of the bytes is for us to see.
pub(crate) fn expected_digests(headers: &HeaderMap, trailing: Option<TrailingHeaders>) -> S3Result<ExpectedDigests> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let checksums = header_checksums(headers)?;
    let mut expected = ExpectedDigests { md5: md5(text("content-md5"))?, checksums, trailer: None, algorithm: None };
    if let Some(announced) = text("x-amz-trailer") {
        let name = announced.trim().to_ascii_lowercase();
        let Some(algorithm) = name.strip_prefix("x-amz-checksum-") else {
            return Err(s3_error!(InvalidRequest, "The value specified in the x-amz-trailer header is not supported"));
        };
        let algorithm = checksum_algorithm(&algorithm.to_ascii_uppercase())?;
        let Some(trailing) = trailing else {
            return Err(s3_error!(InvalidRequest, "x-amz-trailer was sent with a body that has no trailer"));
        };
        let read = move || trailing.read(|trailer| trailer.get(&name)?.to_str().ok().map(str::to_owned)).flatten();
        expected.trailer = Some((algorithm, Box::new(read)));
    }
    if let Some(named) = text("x-amz-sdk-checksum-algorithm") {
        let algorithm = checksum_algorithm(&named.to_ascii_uppercase())?;
        if expected.checksums.is_empty() && expected.trailer.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
            ));
        }
        expected.algorithm = Some(algorithm);
    }
    Ok(expected)
}

/// Sets the field of a checksum's algorithm in one of s3s's outputs.
macro_rules! set_checksum {
    ($output:expr, $algorithm:expr, $text:expr) => {
        match $algorithm {
            tarn_objects::ChecksumAlgorithm::Crc32 => $output.checksum_crc32 = Some($text),
            tarn_objects::ChecksumAlgorithm::Crc32c => $output.checksum_crc32c = Some($text),
            tarn_objects::ChecksumAlgorithm::Crc64Nvme => $output.checksum_crc64nvme = Some($text),
            tarn_objects::ChecksumAlgorithm::Sha1 => $output.checksum_sha1 = Some($text),
            tarn_objects::ChecksumAlgorithm::Sha256 => $output.checksum_sha256 = Some($text),
        }
    };
}
pub(crate) use set_checksum;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tagging_headers_are_query_strings() {
        let check = |header: &str, expected: Option<&[(&str, &str)]>| {
            let found = parse_tagging_header(header).ok();
            let found: Option<Vec<(&str, &str)>> = found.as_ref().map(|tags| tags.iter().collect());
            assert_eq!(found.as_deref(), expected, "{header}");
        };
        check("", Some(&[]));
        check("a=b&c=d", Some(&[("a", "b"), ("c", "d")]));
        check("a=b+c%2Bd", Some(&[("a", "b c+d")]));
        check("a", Some(&[("a", "")]));
        check("a=b&a=c", None);
        check("a=%ff", None);
    }

    #[test]
    fn times_go_there_and_back() {
        for ms in [0, 1_700_000_000_000, 1_700_000_000_123] {
            assert_eq!(millis(&timestamp(ms)) / 1000, ms / 1000);
        }
        assert_eq!(http_date(1_700_000_000_000).unwrap().to_str().unwrap(), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert_eq!(listed("a b/ü+*", true), "a%20b/%C3%BC%2B*");
    }
}
