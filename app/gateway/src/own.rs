//! The server's own paths, under `/-/`: no bucket's name can begin with `-`. Open to all, and tells nothing of the lake's content.

use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::body::{Body, full_body};
use crate::metrics::Metrics;

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Answers a request to `/-/...`, with the path's name for the metrics.
pub(crate) fn answer(parts: &Parts, metrics: &Metrics, is_ready: bool) -> (&'static str, Response<Body>) {
    const PLAIN: &str = "text/plain; charset=utf-8";
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "use GET\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return ("other", response);
    }
    match parts.uri.path() {
        "/-/health/live" => ("live", text(StatusCode::OK, PLAIN, "alive\n".to_owned())),
        "/-/health/ready" if is_ready => ("ready", text(StatusCode::OK, PLAIN, "ready\n".to_owned())),
        "/-/health/ready" => ("ready", text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready\n".to_owned())),
        "/-/metrics" => {
            const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ("metrics", text(StatusCode::OK, OPEN_METRICS, metrics.text()))
        }
        _ => {
            let message =
                "there is /-/health/live, /-/health/ready, /-/metrics, /-/audit/events and /-/storage/report\n";
            ("other", text(StatusCode::NOT_FOUND, PLAIN, message.to_owned()))
        }
    }
}
