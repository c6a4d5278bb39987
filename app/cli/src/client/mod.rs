//! Transport: signs a call, sends it, tries again what may be tried again, and tells errors from answers. Knows no operation.

pub(crate) mod athena;
pub(crate) mod audit;
pub(crate) mod s3;
pub(crate) mod storage;
#[cfg(test)]
mod tests;
mod tls;
pub(crate) mod xml;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tarn_runtime::{EntropyExt, Runtime};
use tarn_sigv4::{Payload, Signer, sha256};

use crate::CliError;
use crate::settings::{Credentials, Settings};

/// How often a call is tried in all.
const ATTEMPTS_COUNT_MAX: u32 = 4;
/// The pause before the second attempt; it doubles from there.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause, also where the server asks for one.
const PAUSE_MAX: Duration = Duration::from_secs(10);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer's head may take: completing a large upload is slow.
const HEAD_TIME_MAX: Duration = Duration::from_secs(300);
/// How long a body may stand still.
const BODY_PAUSE_TIME_MAX: Duration = Duration::from_secs(60);
/// Longest answer that is read whole: a listing of 1,000 keys of 1,024 bytes, each byte percent-encoded.
pub(crate) const ANSWER_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What stands unencoded in a path or query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const UNRESERVED_AND_SLASH: &AsciiSet = &UNRESERVED.remove(b'/');

/// `text` for a path.
pub(crate) fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED_AND_SLASH).to_string()
}

/// `text` for a query string.
pub(crate) fn encode_query(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Talks to one server as one caller. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    settings: Settings,
    runtime: Runtime,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// For messages: `reading s3://b/k`.
    pub(crate) doing: String,
    /// The signing name.
    pub(crate) service: &'static str,
    /// The method.
    pub(crate) method: Method,
    /// Percent-encoded, with its slash.
    pub(crate) path: String,
    /// Names and values, not encoded.
    pub(crate) query: Vec<(&'static str, String)>,
    /// Headers besides those of the signature.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(service: &'static str, method: Method, path: String, doing: String) -> Self {
        Self { doing, service, method, path, query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// An answer that is no error; its body still flows.
#[derive(Debug)]
pub(crate) struct Answer {
    doing: String,
    endpoint: String,
    /// The status.
    pub(crate) status: StatusCode,
    /// The headers.
    pub(crate) headers: HeaderMap,
    body: Incoming,
}

impl Answer {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, CliError> {
        loop {
            let frame = match tokio::time::timeout(BODY_PAUSE_TIME_MAX, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(self.broke_off(&error)),
                Err(_) => return Err(self.broke_off(&"its body stands still")),
            };
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    fn broke_off(&self, reason: &dyn std::fmt::Display) -> CliError {
        CliError::Unreachable {
            doing: self.doing.clone(),
            endpoint: self.endpoint.clone(),
            reason: format!("the answer broke off: {reason}"),
        }
    }

    /// The whole body, of at most `size_bytes_max`.
    pub(crate) async fn bytes(&mut self, size_bytes_max: usize) -> Result<Bytes, CliError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > size_bytes_max {
                return Err(CliError::failed(format!(
                    "{}: the answer is longer than {size_bytes_max} bytes; is this a lake's endpoint?",
                    self.doing
                )));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// The whole body as text.
    pub(crate) async fn text(&mut self) -> Result<String, CliError> {
        let bytes = self.bytes(ANSWER_SIZE_BYTES_MAX).await?;
        String::from_utf8(bytes.into()).map_err(|_| {
            CliError::failed(format!("{}: the answer is not text; is this a lake's endpoint?", self.doing))
        })
    }
}

/// What an error answer says, of whichever protocol.
fn error_of(doing: &str, status: StatusCode, headers: &HeaderMap, body: &str) -> CliError {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (code, message, request_id) = match body.trim_start().as_bytes().first() {
        Some(b'{') => {
            let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
            let code = text("__type").map(|code| code.rsplit('#').next().unwrap_or_default().to_owned());
            (code.or_else(|| text("code")), text("message").or_else(|| text("Message")), None)
        }
        Some(b'<') => match xml::parse(body) {
            // S3 has <Error> at the root, the query protocol within <ErrorResponse>.
            Ok(root) => {
                let error = root.child("Error").unwrap_or(&root);
                let id = error.text("RequestId").or_else(|| root.text("RequestId"));
                (error.text("Code"), error.text("Message"), id)
            }
            Err(_) => (None, None, None),
        },
        Some(_) | None => (None, None, None),
    };
    let code = code.unwrap_or_else(|| match status.as_u16() {
        401 | 403 => "AccessDenied".to_owned(),
        404 => "NotFound".to_owned(),
        412 => "PreconditionFailed".to_owned(),
        _ => status.canonical_reason().unwrap_or("Error").replace(' ', ""),
    });
    let message = message.unwrap_or_else(|| {
        let plain = body.trim();
        if plain.is_empty() || plain.len() > 500 || plain.starts_with(['<', '{']) {
            match status.as_u16() {
                404 => "there is no such thing".to_owned(),
                403 => "not allowed".to_owned(),
                _ => format!("the server answered {status}"),
            }
        } else {
            plain.to_owned()
        }
    });
    let request_id = request_id
        .or_else(|| header("x-amz-request-id"))
        .or_else(|| header("x-amzn-requestid"))
        .unwrap_or_else(|| "unknown".to_owned());
    CliError::Service { doing: doing.to_owned(), code, message, status: status.as_u16(), request_id }
}

/// Whether another attempt may succeed.
fn is_passing(status: StatusCode, code: &str) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
        || matches!(code, "SlowDown" | "RequestTimeout" | "ThrottlingException" | "TooManyRequestsException")
}

impl Client {
    pub(crate) fn new(settings: Settings, runtime: Runtime) -> Result<Self, CliError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::config(&settings)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self { http, settings, runtime })
    }

    /// With what flags, environment and profiles say.
    pub(crate) fn connect(connection: &crate::Connection, variables: &crate::Variables) -> Result<Self, CliError> {
        Self::new(Settings::load(connection, variables)?, Runtime::system())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn credentials(&self) -> Result<&Credentials, CliError> {
        self.settings.credentials.as_ref().ok_or_else(|| {
            CliError::usage(
                "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or choose a --profile; \
                 on the server's machine, eval \"$(tarn env aws --data-dir DIR)\" takes root's",
            )
        })
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, CliError> {
        let credentials = self.credentials()?;
        let unsendable = |reason: String| CliError::failed(format!("{}: cannot be sent: {reason}", call.doing));
        let mut uri = format!("{}{}", self.settings.endpoint, call.path);
        for (at, (name, value)) in call.query.iter().enumerate() {
            uri.push(if at == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.push_str(&encode_query(value));
        }
        let (mut parts, ()) = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .body(())
            .map_err(|error| unsendable(error.to_string()))?
            .into_parts();
        for (name, value) in &call.headers {
            let value = HeaderValue::from_str(value).map_err(|error| unsendable(format!("{name}: {error}")))?;
            parts.headers.insert(HeaderName::from_static(name), value);
        }
        parts.headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tarn/", env!("CARGO_PKG_VERSION"))));
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(call.body.len()));
        let signer = Signer {
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
            session_token: credentials.session_token.clone(),
            region: self.settings.region.clone(),
            service: call.service.to_owned(),
        };
        // The endpoint may be plain HTTP: the body's digest is signed, so that nobody on the way can change it.
        signer
            .sign(&mut parts, Payload::Sha256(sha256(&call.body)), self.runtime.now())
            .map_err(|error| unsendable(error.to_string()))?;
        Ok(Request::from_parts(parts, Full::new(call.body.clone())))
    }

    /// Sends an unsigned GET, once.
    pub(crate) async fn get_unsigned(&self, path: &str, doing: &str) -> Result<Answer, CliError> {
        let request = Request::get(format!("{}{path}", self.settings.endpoint))
            .body(Full::new(Bytes::new()))
            .map_err(|error| CliError::failed(error.to_string()))?;
        let (status, headers, body) = self.exchange(request, doing).await?;
        Ok(Answer { doing: doing.to_owned(), endpoint: self.settings.endpoint.clone(), status, headers, body })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        doing: &str,
    ) -> Result<(StatusCode, HeaderMap, Incoming), CliError> {
        let unreachable = |reason: String| CliError::Unreachable {
            doing: doing.to_owned(),
            endpoint: self.settings.endpoint.clone(),
            reason,
        };
        match tokio::time::timeout(HEAD_TIME_MAX, self.http.request(request)).await {
            Ok(Ok(response)) => {
                let (parts, body) = response.into_parts();
                Ok((parts.status, parts.headers, body))
            }
            Ok(Err(error)) => Err(unreachable(innermost(&error))),
            Err(_) => Err(unreachable(format!("no answer in {} seconds", HEAD_TIME_MAX.as_secs()))),
        }
    }

    /// Sends `call`; an answer that is an error is an `Err`. Every call of this program may be repeated: the same bytes to the same
    /// place, or with a token that tells the server it is the same.
    pub(crate) async fn send(&self, call: Call) -> Result<Answer, CliError> {
        let mut attempt = 1;
        loop {
            let error = match self.exchange(self.request(&call)?, &call.doing).await {
                Ok((status, headers, body)) => {
                    let mut answer = Answer {
                        doing: call.doing.clone(),
                        endpoint: self.settings.endpoint.clone(),
                        status,
                        headers,
                        body,
                    };
                    if status.is_success() {
                        return Ok(answer);
                    }
                    let text = answer.text().await.unwrap_or_default();
                    let error = error_of(&call.doing, status, &answer.headers, &text);
                    let passing = matches!(&error, CliError::Service { code, .. } if is_passing(status, code));
                    if !passing || attempt == ATTEMPTS_COUNT_MAX {
                        return Err(error);
                    }
                    let asked = answer.header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
                    (error, asked.map(Duration::from_secs))
                }
                Err(error) => (error, None),
            };
            let (error, asked) = error;
            if attempt == ATTEMPTS_COUNT_MAX {
                return Err(error);
            }
            self.pause(attempt, asked).await;
            attempt += 1;
        }
    }

    /// Waits before the attempt after `attempt`: doubling, and not in step with other clients.
    pub(crate) async fn pause(&self, attempt: u32, asked: Option<Duration>) {
        let longest = PAUSE.saturating_mul(1 << attempt.min(10)).min(PAUSE_MAX);
        let share = self.runtime.entropy.u64() % 512;
        let jittered = longest.mul_f64(0.5 + share as f64 / 1024.0);
        tokio::time::sleep(asked.unwrap_or(jittered).min(PAUSE_MAX)).await;
    }

    /// By how many seconds this machine's clock is ahead of the server's, as far as a `Date` header tells.
    pub(crate) fn clock_ahead_seconds(&self, answer: &Answer) -> Option<i64> {
        let date = answer.header(DATE.as_str())?;
        let server = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        Some(self.runtime.now().as_second() - server.as_second())
    }
}

/// The last of an error's reasons: what the system said.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}
