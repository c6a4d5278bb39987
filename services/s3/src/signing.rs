//! When and for which region a request was signed. Signatures of version 4 may date themselves by `Date`, where s3s wants `x-amz-date`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use http::header::{AUTHORIZATION, DATE};
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use s3s::dto::{Timestamp, TimestampFormat};

use crate::convert::millis;

/// The header that s3s reads. It need not be signed: the time is part of what is signed, whichever header it stands in.
pub(crate) const AMZ_DATE: &str = "x-amz-date";

/// A date as HTTP writes it, or as mail does: clients in Python write `-0000` where HTTP has `GMT`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let http = text.strip_suffix("-0000").or_else(|| text.strip_suffix("+0000")).map(|front| format!("{front}GMT"));
    Timestamp::parse(TimestampFormat::HttpDate, http.as_deref().unwrap_or(text)).ok()
}

/// Whether a signature of version 4 is for no region: `Credential=AKID/20260102//s3/aws4_request`.
pub(crate) fn is_regionless(headers: &HeaderMap, query: &str) -> bool {
    const END: &str = "//s3/aws4_request";
    if let Some(text) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        let credential = text.strip_prefix("AWS4-HMAC-SHA256").and_then(|text| text.split_once("Credential="));
        return credential.is_some_and(|(_, text)| text.split(',').next().unwrap_or_default().trim().ends_with(END));
    }
    let credential = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-Credential="));
    credential.is_some_and(|text| percent_decode_str(text).decode_utf8_lossy().ends_with(END))
}

/// Says in `x-amz-date` what `Date` says, in requests that are signed by version 4 and have no other date.
pub(crate) fn complete(headers: &mut HeaderMap) {
    let is_version_4 = headers.get(AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"));
    if !is_version_4 || headers.contains_key(AMZ_DATE) {
        return;
    }
    let date = headers.get(DATE).and_then(|value| value.to_str().ok());
    let Some(time) = date.and_then(parse) else { return };
    let Ok(time) = tarn_runtime::Timestamp::from_millisecond(millis(&time)) else { return };
    if let Ok(value) = HeaderValue::from_str(&time.strftime("%Y%m%dT%H%M%SZ").to_string()) {
        headers.insert(AMZ_DATE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_may_be_left_out() {
        let check = |authorization: &'static str, query: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            if !authorization.is_empty() {
                headers.insert(AUTHORIZATION, HeaderValue::from_static(authorization));
            }
            assert_eq!(is_regionless(&headers, query), expected, "{authorization} {query}");
        };
        check("AWS4-HMAC-SHA256 Credential=AKID/20260102//s3/aws4_request, SignedHeaders=host, Signature=00", "", true);
        check("AWS4-HMAC-SHA256 Credential=AKID/20260102/us-east-1/s3/aws4_request,SignedHeaders=host", "", false);
        check("AWS4-HMAC-SHA256 SignedHeaders=//s3/aws4_request,Credential=AKID/20260102/x/s3/aws4_request", "", false);
        check("AWS AKID:c2ln", "X-Amz-Credential=AKID%2F20260102%2F%2Fs3%2Faws4_request", false);
        check("", "X-Amz-Credential=AKID%2F20260102%2F%2Fs3%2Faws4_request&X-Amz-Expires=60", true);
        check("", "X-Amz-Credential=AKID%2F20260102%2Feu-west-1%2Fs3%2Faws4_request", false);
        check("", "prefix=//s3/aws4_request", false);
    }

    #[test]
    fn a_date_is_enough() {
        let check = |given: &[(&'static str, &'static str)], expected: Option<&str>| {
            let mut headers: HeaderMap = given
                .iter()
                .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
                .collect();
            complete(&mut headers);
            let found = headers.get(AMZ_DATE).map(|value| value.to_str().expect("text"));
            assert_eq!(found, expected, "{given:?}");
        };
        let signed = ("authorization", "AWS4-HMAC-SHA256 Credential=x");
        let date = ("date", "Tue, 14 Nov 2023 22:13:20 GMT");
        check(&[signed, date], Some("20231114T221320Z"));
        check(&[signed, ("date", "Tue, 14 Nov 2023 22:13:20 -0000")], Some("20231114T221320Z"));
        check(&[signed, ("date", "Tue, 14 Nov 2023 22:13:20 +0100")], None);
        check(&[signed, date, ("x-amz-date", "20231114T221321Z")], Some("20231114T221321Z"));
        check(&[signed, ("date", "yesterday")], None);
        check(&[("authorization", "AWS a:b"), date], None);
        check(&[date], None);
    }
}
