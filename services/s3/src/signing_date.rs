//! When a request was signed. Signatures of version 4 may date themselves by `Date`, where s3s wants `x-amz-date`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use http::header::{AUTHORIZATION, DATE};
use http::{HeaderMap, HeaderValue};
use s3s::dto::{Timestamp, TimestampFormat};

use crate::convert::millis;

/// The header that s3s reads. It need not be signed: the time is part of what is signed, whichever header it stands in.
pub(crate) const AMZ_DATE: &str = "x-amz-date";

/// A date as HTTP writes it, or as mail does: clients in Python write `-0000` where HTTP has `GMT`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let http = text.strip_suffix("-0000").or_else(|| text.strip_suffix("+0000")).map(|front| format!("{front}GMT"));
    Timestamp::parse(TimestampFormat::HttpDate, http.as_deref().unwrap_or(text)).ok()
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
