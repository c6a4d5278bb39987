//! What every answer carries: request ids in headers and error bodies.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use s3s::{Body, S3Error};

/// Carries an element of `InvalidObjectState` from the error to its body; callers never see it.
pub(crate) const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-tarn-error-storage-class");
/// Likewise.
pub(crate) const ACCESS_TIER: HeaderName = HeaderName::from_static("x-tarn-error-access-tier");
/// Carries a 202 from a handler to its answer: s3s keeps only the headers of what a handler says. Callers never see it.
pub(crate) const ACCEPTED: HeaderName = HeaderName::from_static("x-tarn-accepted");

/// Errors that s3s could not render itself.
pub(crate) fn internal_error() -> Response<Body> {
    let message = "We encountered an internal error. Please try again.";
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message, "")
}

/// The answer to a request of which nothing came any more.
pub(crate) fn too_slow() -> Response<Body> {
    let message = "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
    let mut response = error(StatusCode::BAD_REQUEST, "RequestTimeout", message, "");
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An error of what s3s does not answer. `more` is XML.
pub(crate) fn error(status: StatusCode, code: &str, message: &str, more: &str) -> Response<Body> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>{more}</Error>",
        escape(message)
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// An error as S3 writes it.
pub(crate) fn of_error(error: &S3Error) -> Response<Body> {
    let code = error.code();
    let status = error.status_code().or_else(|| code.status_code()).unwrap_or(StatusCode::BAD_REQUEST);
    written(code.as_str(), status, error.message().unwrap_or(code.as_str()))
}

/// Whether s3s could not answer for `reason`.
pub(crate) fn failed_for(response: &Response<Body>, reason: &str) -> bool {
    let bytes = response.status().is_server_error().then(|| response.body().bytes()).flatten().unwrap_or_default();
    std::str::from_utf8(&bytes).is_ok_and(|text| text.contains(reason))
}

/// A listing that XML cannot hold.
pub(crate) fn not_in_xml() -> Response<Body> {
    let message = "The answer would hold a key with a character that XML 1.0 cannot; ask with encoding-type=url.";
    written("InvalidArgument", StatusCode::BAD_REQUEST, message)
}

fn written(code: &str, status: StatusCode, message: &str) -> Response<Body> {
    let message = escaped(message);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Text for XML; what it cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, character| {
        match character {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '\t' | '\n' => all.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => all.push('\u{fffd}'),
            other => all.push(other),
        }
        all
    })
}

/// Text as XML and HTML carry it, in attributes, too.
pub(crate) fn escape(text: &str) -> String {
    escaped(text).replace('"', "&quot;")
}

/// Adds the request's ids.
pub(crate) fn complete(mut response: Response<Body>, request_id: &str, is_head: bool, path: &str) -> Response<Body> {
    let host_id = host_id(request_id);
    for (name, value) in [("x-amz-request-id", request_id), ("x-amz-id-2", &host_id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    if response.headers_mut().remove(ACCEPTED).is_some() {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    let elements: String = [(STORAGE_CLASS, "StorageClass"), (ACCESS_TIER, "AccessTier")]
        .into_iter()
        .filter_map(|(header, element)| {
            let value = response.headers_mut().remove(header)?;
            Some(format!("<{element}>{}</{element}>", value.to_str().ok()?))
        })
        .collect();
    if is_head {
        // s3s leaves the bytes of an error in place and trusts the HTTP server to hold them back.
        *response.body_mut() = Body::empty();
        return response;
    }
    // An error with headers of its own comes without a type.
    let is_xml = response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind == "application/xml");
    if is_xml && (response.status().is_client_error() || response.status().is_server_error()) {
        return with_ids(response, request_id, &host_id, path, &elements);
    }
    response
}

/// S3's second id says which of its hosts answered; here it is the first one again, in its own form.
pub fn host_id(request_id: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(request_id)
}

fn with_ids(
    mut response: Response<Body>,
    request_id: &str,
    host_id: &str,
    path: &str,
    elements: &str,
) -> Response<Body> {
    const END: &str = "</Error>";
    let Some(bytes) = response.body().bytes() else { return response };
    let Some(front) = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_suffix(END)) else { return response };
    let front = front.split("<RequestId>").next().unwrap_or(front);
    let resource = escaped(path);
    let body = format!(
        "{front}{elements}<Resource>{resource}</Resource><RequestId>{request_id}</RequestId><HostId>{host_id}</HostId>{END}"
    );
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    *response.body_mut() = Body::from(body);
    response
}
