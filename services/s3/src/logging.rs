//! Server access logging on the wire: where a bucket's requests are written down, and the line of each request.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HOST, REFERER, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Frame, SizeHint};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;
use s3s::{Body, S3Request, S3Response, S3Result, StdError, s3_error};
use tarn_audit::Caller;
use tarn_objects::{AccessLine, LogKeyFormat, LoggingConfiguration, Objects};
use tarn_policy::PrincipalKind;
use tarn_types::TlsSession;
use tokio::time::Instant;

use crate::answer;
use crate::api::Inner;
use crate::convert::{bucket_name, not_implemented};
use crate::errors::objects_error;
use crate::gate::{CallMeta, S3Gate};
use crate::operations::Call;
use crate::target::Target;

/// Letters of a key that a line has as they are.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

tokio::task_local! {
    /// Who the request of this task is by, as the line names them.
    static REQUESTER: RefCell<Option<String>>;
}

pub(crate) async fn get_bucket_logging(
    call: &Call,
    request: S3Request<GetBucketLoggingInput>,
) -> S3Result<S3Response<GetBucketLoggingOutput>> {
    let found = call.objects().bucket_logging(call.proof(), &bucket_name(&request.input.bucket)?);
    let logging_enabled = found.map_err(objects_error)?.map(|logging| {
        let partitioned = |source| TargetObjectKeyFormat {
            partitioned_prefix: Some(PartitionedPrefix {
                partition_date_source: Some(PartitionDateSource::from_static(source)),
            }),
            simple_prefix: None,
        };
        let format = logging.key_format.map(|format| match format {
            LogKeyFormat::Simple => {
                TargetObjectKeyFormat { partitioned_prefix: None, simple_prefix: Some(SimplePrefix {}) }
            }
            LogKeyFormat::PartitionedByEventTime => partitioned(PartitionDateSource::EVENT_TIME),
            LogKeyFormat::PartitionedByDeliveryTime => partitioned(PartitionDateSource::DELIVERY_TIME),
        });
        LoggingEnabled {
            target_bucket: logging.target_bucket.into(),
            target_grants: None,
            target_object_key_format: format,
            target_prefix: logging.target_prefix,
        }
    });
    Ok(S3Response::new(GetBucketLoggingOutput { logging_enabled }))
}

pub(crate) async fn put_bucket_logging(
    call: &Call,
    request: S3Request<PutBucketLoggingInput>,
) -> S3Result<S3Response<PutBucketLoggingOutput>> {
    let PutBucketLoggingInput { bucket, bucket_logging_status, .. } = request.input;
    let logging = bucket_logging_status.logging_enabled.map(of_wire).transpose()?;
    let bucket = bucket_name(&bucket)?;
    call.objects().put_bucket_logging(&call.caller, &bucket, logging).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketLoggingOutput {}))
}

fn of_wire(wire: LoggingEnabled) -> S3Result<LoggingConfiguration> {
    if wire.target_grants.is_some_and(|grants| !grants.is_empty()) {
        return Err(not_implemented("TargetGrants"));
    }
    let key_format = match wire.target_object_key_format {
        None => None,
        Some(TargetObjectKeyFormat { partitioned_prefix: Some(_), simple_prefix: Some(_) }) => {
            return Err(s3_error!(MalformedXML));
        }
        Some(TargetObjectKeyFormat { partitioned_prefix: Some(partitioned), .. }) => {
            match partitioned.partition_date_source.as_ref().map(PartitionDateSource::as_str) {
                None | Some(PartitionDateSource::DELIVERY_TIME) => Some(LogKeyFormat::PartitionedByDeliveryTime),
                Some(PartitionDateSource::EVENT_TIME) => Some(LogKeyFormat::PartitionedByEventTime),
                Some(_) => return Err(s3_error!(MalformedXML)),
            }
        }
        Some(TargetObjectKeyFormat { simple_prefix: Some(_), .. }) => Some(LogKeyFormat::Simple),
        Some(_) => return Err(s3_error!(MalformedXML)),
    };
    let target_bucket = bucket_name(&wire.target_bucket)
        .map_err(|_| s3_error!(InvalidTargetBucketForLogging, "The target bucket for logging does not exist"))?;
    Ok(LoggingConfiguration { target_bucket, target_prefix: wire.target_prefix, key_format })
}

/// Tells the line of the request that this task answers who it is by.
pub(crate) fn note_requester(gate: &dyn S3Gate, caller: &Caller) {
    let _ = REQUESTER.try_with(|requester| {
        let principal = caller.principal();
        let name = match principal.kind {
            PrincipalKind::Anonymous | PrincipalKind::WebIdentity { .. } => return,
            PrincipalKind::Root => Some(gate.canonical_user(&principal.account).id),
            PrincipalKind::User { .. }
            | PrincipalKind::AssumedRole { .. }
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::Service { .. } => principal.arn().map(|arn| arn.to_string()),
        };
        *requester.borrow_mut() = name;
    });
}

/// A request whose line will be written.
pub(crate) struct Logged {
    objects: Objects,
    bucket: tarn_objects::BucketName,
    time_ms: i64,
    started: Instant,
    /// Everything before the status.
    front: Vec<String>,
    /// What the line says of the request's headers, in its order.
    referer: String,
    user_agent: String,
    signature: &'static str,
    authentication: &'static str,
    tls: Option<TlsSession>,
    host: String,
    host_id: String,
    put_size_bytes: Option<u64>,
    is_head: bool,
    /// Access point, whether a list was needed; and, if asked for, the region that the request came from. None is known here.
    unknown: &'static str,
    requester: Option<String>,
}

/// Which of S3's names an operation has in lines.
fn operation(method: &Method, target: &Target, query: &str, headers: &HeaderMap, is_website: bool) -> String {
    // What a parameter of the query makes of a request; the first that is there decides.
    const RESOURCES: [(&str, &str); 28] = [
        ("acl", "ACL"),
        ("policyStatus", "BUCKETPOLICYSTATUS"),
        ("policy", "BUCKETPOLICY"),
        ("cors", "CORS"),
        ("website", "WEBSITE"),
        ("logging", "LOGGING_STATUS"),
        ("notification", "NOTIFICATION"),
        ("lifecycle", "LIFECYCLE"),
        ("location", "LOCATION"),
        ("versioning", "VERSIONING"),
        ("versions", "BUCKETVERSIONS"),
        ("encryption", "ENCRYPTION"),
        ("requestPayment", "REQUEST_PAYMENT"),
        ("accelerate", "ACCELERATE"),
        ("replication", "REPLICATION"),
        ("inventory", "INVENTORY"),
        ("metrics", "METRICS"),
        ("analytics", "ANALYTICS"),
        ("publicAccessBlock", "PUBLIC_ACCESS_BLOCK"),
        ("ownershipControls", "OWNERSHIP_CONTROLS"),
        ("object-lock", "OBJECT_LOCK_CONFIGURATION"),
        ("retention", "OBJECT_LOCK_RETENTION"),
        ("legal-hold", "OBJECT_LOCK_LEGALHOLD"),
        ("attributes", "OBJECT_ATTRIBUTES"),
        ("restore", "OBJECT"),
        ("uploads", "UPLOADS"),
        ("delete", "MULTI_OBJECT_DELETE"),
        ("select", "OBJECT"),
    ];
    if is_website {
        return format!("WEBSITE.{method}.OBJECT");
    }
    if *method == Method::OPTIONS {
        return "REST.OPTIONS.PREFLIGHT".to_owned();
    }
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let is_copy = *method == Method::PUT && headers.contains_key("x-amz-copy-source");
    let verb = if is_copy { "COPY" } else { method.as_str() };
    let resource = match (&target.key, RESOURCES.iter().find(|(name, _)| has(name))) {
        (_, Some((_, resource))) => *resource,
        (Some(_), None) if has("tagging") => "OBJECT_TAGGING",
        (None, None) if has("tagging") => "TAGGING",
        (Some(_), None) if has("partNumber") && has("uploadId") => "PART",
        (Some(_), None) if has("uploadId") => "UPLOAD",
        (Some(_), None) => "OBJECT",
        // A form is an object's upload.
        (None, None) if *method == Method::POST => "OBJECT",
        (None, None) => "BUCKET",
    };
    format!("REST.{verb}.{resource}")
}

fn quoted(headers: &HeaderMap, name: http::HeaderName) -> String {
    let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    format!("\"{}\"", text.map_or_else(|| "-".to_owned(), |text| text.replace('"', "%22")))
}

fn dash(text: Option<String>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

impl Logged {
    /// `None`: nobody asked for the bucket's requests to be written down.
    pub(crate) fn of(
        inner: &Inner,
        target: &Target,
        request: &Request<Body>,
        meta: &CallMeta,
        is_website: bool,
    ) -> Option<Self> {
        let bucket = bucket_name(target.bucket.as_deref()?).ok()?;
        let owner = inner.objects.logged_bucket(&bucket).ok().flatten()?;
        let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
        let time = meta.time.strftime("[%d/%b/%Y:%H:%M:%S +0000]").to_string();
        let key = target.key.as_ref().map(|key| utf8_percent_encode(key, KEY).to_string());
        let uri = request.uri().path_and_query().map_or("/", |path| path.as_str()).replace('"', "%22");
        let front = vec![
            inner.gate.canonical_user(&owner).id,
            bucket.to_string(),
            time,
            meta.peer.ip().to_canonical().to_string(),
            // The requester, once they are known.
            String::new(),
            meta.request_id.clone(),
            operation(request.method(), target, query, headers, is_website),
            dash(key),
            format!("\"{} {uri} {:?}\"", request.method(), request.version()),
        ];
        let header = headers.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
        let (signature, authentication) = if header.starts_with(b"AWS4") {
            ("SigV4", "AuthHeader")
        } else if header.starts_with(b"AWS ") {
            ("SigV2", "AuthHeader")
        } else if query.contains("X-Amz-Signature=") {
            ("SigV4", "QueryString")
        } else if query.contains("Signature=") {
            ("SigV2", "QueryString")
        } else {
            ("-", "-")
        };
        let text = |name: http::HeaderName| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let is_put = *request.method() == Method::PUT && target.key.is_some();
        Some(Self {
            objects: inner.objects.clone(),
            bucket,
            time_ms: meta.time.as_millisecond(),
            started: Instant::now(),
            front,
            referer: quoted(headers, REFERER),
            user_agent: quoted(headers, USER_AGENT),
            signature,
            authentication,
            tls: meta.tls,
            host: dash(text(HOST)),
            host_id: answer::host_id(&meta.request_id),
            put_size_bytes: text(CONTENT_LENGTH).filter(|_| is_put).and_then(|length| length.parse().ok()),
            is_head: *request.method() == Method::HEAD,
            unknown: if inner.access_log_source_region { "- - -" } else { "- -" },
            requester: None,
        })
    }

    /// Runs `answering` so that the gate's decision can say who asks.
    pub(crate) async fn watch<F: Future<Output = Response<Body>>>(&mut self, answering: F) -> Response<Body> {
        let watched = REQUESTER.scope(RefCell::new(None), async {
            let response = answering.await;
            (response, REQUESTER.with(RefCell::take))
        });
        let (response, requester) = watched.await;
        self.requester = requester;
        response
    }

    /// Has the line written when the answer has been sent, or dropped.
    pub(crate) fn finish(self, response: Response<Body>) -> Response<Body> {
        let status = response.status();
        let headers = response.headers();
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let failed = status.is_client_error() || status.is_server_error();
        let code = failed.then(|| error_code(&response)).flatten();
        let length =
            text(CONTENT_LENGTH.as_str()).or_else(|| response.body().bytes().map(|bytes| bytes.len().to_string()));
        let whole =
            text(CONTENT_RANGE.as_str()).and_then(|range| range.rsplit_once('/').map(|(_, size)| size.to_owned()));
        let is_read =
            self.front.get(6).is_some_and(|name| name.ends_with("GET.OBJECT") || name.ends_with("HEAD.OBJECT"));
        let size = match self.put_size_bytes {
            Some(size) => Some(size.to_string()),
            None => whole.or(length).filter(|_| is_read),
        };
        let Self { mut front, requester, .. } = self;
        if let Some(place) = front.get_mut(4) {
            *place = dash(requester);
        }
        let line = Line {
            objects: self.objects,
            bucket: self.bucket,
            time_ms: self.time_ms,
            started: self.started,
            turned_ms: self.started.elapsed().as_millis(),
            bytes_sent: 0,
            is_head: self.is_head,
            front: front.join(" "),
            status: format!("{} {}", status.as_u16(), dash(code)),
            size: dash(size.filter(|_| !failed)),
            end: [
                self.referer,
                self.user_agent,
                dash(text("x-amz-version-id")),
                self.host_id,
                self.signature.to_owned(),
                self.tls.map_or("-", |tls| tls.cipher_suite).to_owned(),
                self.authentication.to_owned(),
                self.host,
                self.tls.map_or("-", |tls| tls.version).to_owned(),
                self.unknown.to_owned(),
            ]
            .join(" "),
        };
        response.map(|body| Body::http_body_unsync(Counted { body, line }))
    }
}

fn error_code(response: &Response<Body>) -> Option<String> {
    if let Some(code) = response.headers().get("x-amz-error-code") {
        return code.to_str().ok().map(str::to_owned);
    }
    let body = response.body().bytes()?;
    let text = std::str::from_utf8(&body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.to_owned())
}

/// A line, written when it is dropped.
struct Line {
    objects: Objects,
    bucket: tarn_objects::BucketName,
    time_ms: i64,
    started: Instant,
    turned_ms: u128,
    bytes_sent: u64,
    is_head: bool,
    front: String,
    status: String,
    size: String,
    end: String,
}

impl Drop for Line {
    fn drop(&mut self) {
        let sent = dash((self.bytes_sent > 0 && !self.is_head).then(|| self.bytes_sent.to_string()));
        let total_ms = self.started.elapsed().as_millis();
        let text =
            format!("{} {} {sent} {} {total_ms} {} {}", self.front, self.status, self.size, self.turned_ms, self.end);
        self.objects.record_access(AccessLine { bucket: self.bucket.clone(), time_ms: self.time_ms, text });
    }
}

struct Counted {
    body: Body,
    line: Line,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.line.bytes_sent = self.line.bytes_sent.saturating_add(data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_names() {
        let check = |method: Method, key: Option<&str>, query: &str, expected: &str| {
            let target = Target { bucket: Some("b".to_owned()), key: key.map(str::to_owned) };
            assert_eq!(operation(&method, &target, query, &HeaderMap::new(), false), expected);
        };
        check(Method::GET, Some("k"), "", "REST.GET.OBJECT");
        check(Method::HEAD, Some("k"), "", "REST.HEAD.OBJECT");
        check(Method::PUT, Some("k"), "tagging", "REST.PUT.OBJECT_TAGGING");
        check(Method::PUT, Some("k"), "partNumber=1&uploadId=u", "REST.PUT.PART");
        check(Method::POST, Some("k"), "uploads", "REST.POST.UPLOADS");
        check(Method::POST, Some("k"), "uploadId=u", "REST.POST.UPLOAD");
        check(Method::GET, None, "list-type=2&prefix=acl", "REST.GET.BUCKET");
        check(Method::GET, None, "versioning", "REST.GET.VERSIONING");
        check(Method::PUT, None, "logging=", "REST.PUT.LOGGING_STATUS");
        check(Method::POST, None, "delete", "REST.POST.MULTI_OBJECT_DELETE");
        check(Method::OPTIONS, Some("k"), "", "REST.OPTIONS.PREFLIGHT");
    }
}
