//! What signatures of version 2 may be used for. Old clients still make them, and boto3 presigns by them unless it is told otherwise;
//! s3s computes them. Version 2 signs no query parameters but those it lists, so nothing else may come with it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>

use http::header::{AUTHORIZATION, DATE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request as HttpRequest, StatusCode, Uri};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::convert::millis;
use crate::resources::{Operation, Request};
use crate::signing;

/// How long a presigned URL may be valid, seconds: seven days, as with version 4.
const PRESIGNED_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;
/// How far a request's date may be from now, seconds.
const SKEW_SECONDS_MAX: i64 = 15 * 60;

/// Parameters that version 2 signs: part of what the signature is for.
const SIGNED: [&str; 28] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "restore",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
    "storageClass",
];
/// Parameters of listings: they choose what of a listing is shown, to somebody who may see all of it.
const OF_LISTINGS: [&str; 10] = [
    "prefix",
    "delimiter",
    "marker",
    "max-keys",
    "encoding-type",
    "key-marker",
    "version-id-marker",
    "upload-id-marker",
    "max-uploads",
    "max-parts",
];
/// What makes a URL presigned.
const OF_PRESIGNED: [&str; 4] = ["AWSAccessKeyId", "Signature", "Expires", "x-amz-security-token"];

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("AWS ")
}

/// Whether the request carries a signature of version 2.
pub(crate) fn is_used(request: &Request<'_>) -> bool {
    request.parameter("Signature").is_some() || authorization(request.headers).is_some()
}

/// Refuses what a signature of version 2 is not enough for.
pub(crate) fn check(request: &Request<'_>, operation: &Operation, now_seconds: i64) -> S3Result<()> {
    let refused = || {
        s3_error!(
            InvalidRequest,
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    };
    let mut names: Vec<&str> =
        request.query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    names.retain(|name| !name.is_empty());
    names.sort_unstable();
    // Of a parameter that stands twice nothing is signed.
    if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(refused());
    }
    if authorization(request.headers).is_some() {
        let is_good = |name: &&str| {
            SIGNED.contains(name) || OF_LISTINGS.contains(name) || name.starts_with("response-") || *name == "x-id"
        };
        return if names.iter().all(is_good) { Ok(()) } else { Err(refused()) };
    }
    // A presigned URL goes from hand to hand: only to read and write whole objects.
    let is_good = |name: &&str| OF_PRESIGNED.contains(name) || name.starts_with("response-") || *name == "versionId";
    let is_whole_object = matches!(operation.name, "GetObject" | "HeadObject" | "PutObject");
    if !is_whole_object || !names.iter().all(is_good) {
        return Err(refused());
    }
    let expires = request.parameter("Expires").and_then(|text| text.parse::<i64>().ok()).ok_or_else(refused)?;
    if expires.saturating_sub(now_seconds) > PRESIGNED_SECONDS_MAX {
        return Err(s3_error!(AccessDenied, "A presigned URL is valid for at most seven days"));
    }
    Ok(())
}

/// Readies a request that is signed by version 2 in its header: its form and its date are what S3 wants them to be, and the path of a
/// bucket is as it was signed. Other requests are left alone.
pub(crate) fn ready<B>(request: &mut HttpRequest<B>, now_ms: i64) -> S3Result<()> {
    let Some(credential) = authorization(request.headers()) else { return Ok(()) };
    if credential.split_once(':').is_none_or(|(id, signature)| id.is_empty() || signature.is_empty()) {
        return Err(s3_error!(
            InvalidArgument,
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        ));
    }
    let no_date = || s3_error!(AccessDenied, "AWS authentication requires a valid Date or x-amz-date header");
    let header = request.headers().get("x-amz-date").or_else(|| request.headers().get(DATE));
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let time_ms = match signing::parse(text) {
        Some(time) => millis(&time),
        // The form of version 4, `20261126T120000Z`, is taken too.
        None => text.parse::<tarn_runtime::Timestamp>().map_err(|_| no_date())?.as_millisecond(),
    };
    if time_ms < 0 {
        return Err(no_date());
    }
    if (time_ms - now_ms).abs() > SKEW_SECONDS_MAX * 1000 {
        let mut error = S3Error::with_message(
            S3ErrorCode::RequestTimeTooSkewed,
            "The difference between the request time and the current time is too large.",
        );
        error.set_status_code(StatusCode::FORBIDDEN);
        return Err(error);
    }
    sign_bucket_path(request);
    Ok(())
}

/// Clients sign `/bucket/` where they ask for `/bucket`.
fn sign_bucket_path<B>(request: &mut HttpRequest<B>) {
    let path = request.uri().path();
    if path.len() < 2 || path[1..].contains('/') {
        return;
    }
    let with_slash = match request.uri().query() {
        Some(query) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    };
    let mut parts = request.uri().clone().into_parts();
    if let Ok(path_and_query) = PathAndQuery::try_from(with_slash) {
        parts.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn request(path: &str, headers: &[(&str, &str)]) -> HttpRequest<()> {
        let mut request = HttpRequest::put(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    #[test]
    fn dates_and_form_are_checked_before_anything_is_computed() {
        let check = |authorization: &str, date: (&str, &str), expected: Option<(&str, u16)>| {
            let mut request = request("/bucket", &[("authorization", authorization), date]);
            let found = ready(&mut request, NOW_MS).err();
            let code = found
                .as_ref()
                .map(|error| (error.code().as_str().to_owned(), error.status_code().map(|status| status.as_u16())));
            let expected = expected.map(|(code, status)| (code.to_owned(), Some(status)));
            assert_eq!(code, expected, "{authorization} {date:?}");
        };
        let good = "AWS AKIA1:c2lnbmF0dXJl";
        check(good, ("date", "Tue, 14 Nov 2023 22:13:20 GMT"), None);
        check(good, ("x-amz-date", "Tue, 14 Nov 2023 22:20:20 GMT"), None);
        check(good, ("x-amz-date", "20231114T221320Z"), None);
        check(good, ("x-other", ""), Some(("AccessDenied", 403)));
        check(good, ("x-amz-date", "Bad Date"), Some(("AccessDenied", 403)));
        check(good, ("x-amz-date", ""), Some(("AccessDenied", 403)));
        check(good, ("x-amz-date", "Fri, 07 Jul 1950 21:53:04 GMT"), Some(("AccessDenied", 403)));
        check(good, ("date", "Tue, 14 Nov 2023 21:13:20 GMT"), Some(("RequestTimeTooSkewed", 403)));
        check(good, ("date", "Fri, 14 Nov 2031 22:13:20 GMT"), Some(("RequestTimeTooSkewed", 403)));
        check("AWS HAHAHA", ("date", "Tue, 14 Nov 2023 22:13:20 GMT"), Some(("InvalidArgument", 400)));
        // Others are not looked at.
        check("AWS4-HMAC-SHA256 x", ("date", "never"), None);
    }

    #[test]
    fn the_path_of_a_bucket_is_as_it_was_signed() {
        let check = |path: &str, expected: &str| {
            let date = ("date", "Tue, 14 Nov 2023 22:13:20 GMT");
            let mut request = request(path, &[("authorization", "AWS AKIA1:c2ln"), date]);
            ready(&mut request, NOW_MS).expect("good");
            assert_eq!(request.uri().to_string(), expected);
        };
        check("/", "/");
        check("/bucket", "/bucket/");
        check("/bucket?cors", "/bucket/?cors");
        check("/bucket/", "/bucket/");
        check("/bucket/key", "/bucket/key");
    }
}
