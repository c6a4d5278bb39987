//! Parameters that s3s passes over or cannot answer: refused in S3's words before anything is done. Knows no values of their own.

use http::HeaderValue;
use s3s::{S3Result, s3_error};

use crate::resources::Request;

/// Headers of the answer that the caller may set.
const RESPONSE_HEADERS: [&str; 6] = [
    "response-content-type",
    "response-content-language",
    "response-expires",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
];

/// Checks the parameters of a call to `operation`.
pub(crate) fn check(operation: &str, request: &Request<'_>) -> S3Result<()> {
    if operation == "ListObjects" && request.parameter("list-type").is_some() {
        // Version 2 is an operation of its own.
        return Err(s3_error!(InvalidArgument, "list-type must be 2"));
    }
    if operation == "GetObject" {
        for name in RESPONSE_HEADERS {
            let value = request.parameter(name);
            if value.is_some_and(|value| HeaderValue::from_str(&value).is_err()) {
                return Err(s3_error!(InvalidArgument, "{name} holds characters that no header can"));
            }
        }
    }
    Ok(())
}
