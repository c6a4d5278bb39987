//! The steps of a request, in order. Knows services only as tables of rows, and S3 as an endpoint.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tarn_audit::{Caller, EventDraft};
use tarn_aws_protocol::{
    AwsError, DecodeLimits, OperationModel, Protocol, Request as WireRequest, RouteError, Routed, ServiceModel, Value,
    decode_request, encode_error, encode_response, protocol_of, route,
};
use tarn_operation::{Decoded, Kind, Service};
use tarn_policy::Principal;
use tarn_sigv4::{Presented, sha256};
use tarn_types::TlsSession;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::AccessKey;
use crate::body::{Body, BoxError, full_body, read_whole};
use crate::gate::{Gate, GateError, RequestMeta};
use crate::identify::{Asked, Services};
use crate::limits::Limits;
use crate::metrics::{Labels, Metrics};
use crate::source::TrustedProxies;
use crate::storage_report::{self, StorageReports};
use crate::{audit_events, denials, own, parameters, refusal};

/// S3: streams bodies and speaks its own XML. It must ask the same `Gate` for every operation, anonymous ones too.
pub trait S3Endpoint: Send + Sync {
    /// Answers one request. The answer's extensions may hold an `S3Operation` for metrics and access log.
    fn call(&self, request: Request<Body>, meta: RequestMeta) -> BoxFuture<'static, Response<Body>>;
}

/// The name of the operation that S3 found in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct S3Operation(pub &'static str);

/// What a gateway is made of.
pub struct GatewayParts {
    /// The three questions.
    pub gate: Arc<Gate>,
    /// The services of the table kind.
    pub services: Vec<Arc<dyn Service>>,
    /// S3, if it is served.
    pub s3: Option<Arc<dyn S3Endpoint>>,
    /// What the lake holds.
    pub storage: Arc<dyn StorageReports>,
    /// Counters.
    pub metrics: Metrics,
    /// Limits.
    pub limits: Limits,
    /// Whose word is taken for whom they speak.
    pub trusted_proxies: TrustedProxies,
    /// Whether requests can be answered now.
    pub is_ready: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// The door. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

pub(crate) struct Inner {
    gate: Arc<Gate>,
    services: Services,
    s3: Option<Arc<dyn S3Endpoint>>,
    storage: Arc<dyn StorageReports>,
    metrics: Metrics,
    limits: Limits,
    trusted_proxies: TrustedProxies,
    is_ready: Arc<dyn Fn() -> bool + Send + Sync>,
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    handlers: TaskTracker,
}

/// Bodies are counted in units of this size, so that the count fits a semaphore.
const BODY_UNIT_BYTES: usize = 1_024;

/// A request that was identified, its body read.
struct Call {
    service: Arc<dyn Service>,
    parts: Parts,
    body: Bytes,
    meta: RequestMeta,
    routed: Result<Routed, RouteError>,
    _held: Option<OwnedSemaphorePermit>,
}

impl Gateway {
    /// From its parts.
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts { gate, services, s3, storage, metrics, limits, trusted_proxies, is_ready } = parts;
        let requests = Arc::new(Semaphore::new(limits.requests_count_max));
        let bodies = Arc::new(Semaphore::new(limits.bodies_size_bytes_max / BODY_UNIT_BYTES));
        let services = Services::new(services);
        Self(Arc::new(Inner {
            gate,
            services,
            s3,
            storage,
            metrics,
            limits,
            trusted_proxies,
            is_ready,
            requests,
            bodies,
            handlers: TaskTracker::new(),
        }))
    }

    /// The services of the table kind.
    pub fn services(&self) -> &[Arc<dyn Service>] {
        self.0.services.all()
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Who stands at the door.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Ends when all handlers have ended; call when no request comes any more.
    pub async fn handlers_ended(&self) {
        self.0.handlers.close();
        self.0.handlers.wait().await;
    }

    /// Answers one request that came from `peer`, over `tls` if it was that.
    pub async fn handle(&self, request: Request<Body>, peer: SocketAddr, tls: Option<TlsSession>) -> Response<Body> {
        let inner = &self.0;
        let source = inner.trusted_proxies.source(peer, tls, request.headers());
        let peer = source.peer;
        let meta = inner.gate.meta(source);
        let line = AccessLine {
            metrics: inner.metrics.clone(),
            request_id: meta.request_id.clone(),
            peer,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            started: Instant::now(),
            labels: Labels { service: "none", operation: "none", status: 0 },
            bytes_out: 0,
        };
        inner.metrics.in_flight.inc();
        let (labels, response) = inner.answer(request, meta).await;
        line.finish_with(labels, response)
    }
}

impl Inner {
    /// Limits, then identification; what is S3's goes on there.
    async fn answer(&self, request: Request<Body>, meta: RequestMeta) -> (Labels, Response<Body>) {
        let (parts, body) = request.into_parts();
        match self.services.identify(&parts) {
            Asked::Own if parts.uri.path() == audit_events::PATH => {
                let response = audit_events::answer(&self.gate, &parts, &meta).await;
                (Labels { service: "own", operation: "audit-events", status: response.status().as_u16() }, response)
            }
            Asked::Own if parts.uri.path() == storage_report::PATH => {
                let response = storage_report::answer(&self.gate, &*self.storage, &parts, &meta).await;
                (Labels { service: "own", operation: "storage-report", status: response.status().as_u16() }, response)
            }
            Asked::Own => {
                let (operation, response) = own::answer(&parts, &self.metrics, (self.is_ready)());
                (Labels { service: "own", operation, status: response.status().as_u16() }, response)
            }
            Asked::S3 => self.call_s3(parts, body, meta).await,
            Asked::Service(service) => self.call_service(service, parts, body, meta).await,
            Asked::Unknown { signing_name } => {
                let error = AwsError::new(
                    "NotImplemented",
                    501,
                    tarn_aws_protocol::Fault::Sender,
                    format!(
                        "The service {signing_name} is not built into this server; `docs/coverage.md` lists what is."
                    ),
                );
                let protocol = protocol_of(&NOT_SERVED, &parts.headers);
                let response = encode_error(&NOT_SERVED, protocol, &error, &meta.request_id);
                (Labels { service: "unknown", operation: "none", status: 501 }, response.map(full_body))
            }
        }
    }

    async fn call_s3(&self, parts: Parts, body: Body, meta: RequestMeta) -> (Labels, Response<Body>) {
        let labels = |operation, response: &Response<Body>| Labels {
            service: "s3",
            operation,
            status: response.status().as_u16(),
        };
        let refuse = |status: u16, code: &str, message: &str| {
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{}</RequestId></Error>",
                meta.request_id
            );
            let mut response = Response::new(full_body(text));
            *response.status_mut() =
                http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/xml"));
            response
        };
        if self.has_too_many_headers(&parts) {
            let response =
                refuse(400, "RequestHeaderSectionTooLarge", "Your request header fields exceeded the maximum size.");
            return (labels("none", &response), response);
        }
        let Ok(_permit) = self.requests.clone().try_acquire_owned() else {
            let response = refuse(503, "SlowDown", "Please reduce your request rate.");
            return (labels("none", &response), response);
        };
        let Some(s3) = &self.s3 else {
            let response = refuse(501, "NotImplemented", "This server is set up without S3.");
            return (labels("none", &response), response);
        };
        let response = denials::noting(async {
            let mut response = s3.call(Request::from_parts(parts, body), meta).await;
            if response.status() == http::StatusCode::FORBIDDEN
                && let Some(message) = denials::message(self.gate.messages())
            {
                response.headers_mut().insert(denials::HEADER, message);
            }
            response
        });
        let response = response.await;
        let operation = response.extensions().get::<S3Operation>().map_or("none", |operation| operation.0);
        (labels(operation, &response), response)
    }

    /// One request to a service of the table kind: reads its body within limits, then runs the rest as a task of its own, so that
    /// a call once begun also ends, with its record, when the caller has gone.
    async fn call_service(
        &self,
        service: Arc<dyn Service>,
        parts: Parts,
        body: Body,
        meta: RequestMeta,
    ) -> (Labels, Response<Body>) {
        let model = service.model();
        let protocol = protocol_of(model, &parts.headers);
        let refuse = |error: &AwsError| {
            let response = encode_error(model, protocol, error, &meta.request_id);
            (Labels { service: model.name, operation: "none", status: error.status }, response.map(full_body))
        };
        if self.has_too_many_headers(&parts) {
            return refuse(&AwsError::sender(
                "RequestHeaderSectionTooLarge",
                "The request's headers are too large; send fewer or shorter ones.",
            ));
        }
        let Ok(_permit) = self.requests.clone().try_acquire_owned() else {
            return refuse(&refusal::busy());
        };
        // An unknown key is refused before its body takes memory.
        let presented = Presented::of(&parts).map_err(|source| GateError::Signature { source });
        let key = presented
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .map(|presented| self.gate.access_key(&presented.access_key_id, presented.session_token.as_deref()));
        let takes_unsigned = service.rows().iter().any(|row| row.access().is_unsigned);
        let unread = match (&presented, &key) {
            (Err(error), _) | (Ok(_), Some(Err(error))) => Some(error.clone()),
            (Ok(None), _) if takes_unsigned => None,
            (Ok(None), _) => Some(GateError::Unsigned),
            (Ok(Some(_)), Some(Ok(_)) | None) => None,
        };
        if let Some(error) = unread {
            let error =
                self.refuse_unread(&service, protocol, &parts, &meta, presented.ok().flatten().as_ref(), &error);
            return refuse(&error);
        }
        let signer = match (presented, key) {
            (Ok(Some(presented)), Some(Ok(key))) => Some((presented, key)),
            (Ok(_) | Err(_), _) => None,
        };
        let (body, held) = match self.read_body(protocol, &parts, body).await {
            Ok(read) => read,
            Err(error) => return refuse(&error),
        };
        self.metrics.bytes_in.inc_by(body.len() as u64);
        let routed =
            route(model, &WireRequest { method: &parts.method, uri: &parts.uri, headers: &parts.headers, body: &body });
        let operation = routed.as_ref().map_or("none", |routed| routed.operation.name);
        if signer.is_none() && !is_unsigned(&*service, &routed) {
            return refuse(&self.refuse_unread(&service, protocol, &parts, &meta, None, &GateError::Unsigned));
        }
        let request_id = meta.request_id.clone();
        let call = Call { service, parts, body, meta, routed, _held: held };
        let gate = self.gate.clone();
        let run = self.handlers.spawn(denials::noting(async move { call.run(&gate, signer.as_ref()).await }));
        let response = match run.await {
            Ok(response) => response,
            Err(ended) => {
                // The panic hook has logged what and where.
                if ended.is_panic() {
                    self.metrics.panics.inc();
                }
                let error = AwsError::internal_failure(
                    "The server failed while it answered; the request may have been done. The server's log has the request's id.",
                );
                encode_error(model, protocol, &error, &request_id)
            }
        };
        (Labels { service: model.name, operation, status: response.status().as_u16() }, response.map(full_body))
    }

    /// Records and words the refusal of a request whose body was not read.
    fn refuse_unread(
        &self,
        service: &Arc<dyn Service>,
        protocol: Protocol,
        parts: &Parts,
        meta: &RequestMeta,
        presented: Option<&Presented>,
        error: &GateError,
    ) -> AwsError {
        let model = service.model();
        if let Err(error) = self.gate.unproven(meta) {
            return refusal::of_gate(model, protocol, &error);
        }
        let routed = route(
            model,
            &WireRequest { method: &parts.method, uri: &parts.uri, headers: &parts.headers, body: &Bytes::new() },
        );
        let aws_error = refusal::of_gate(model, protocol, error);
        let draft = unauthenticated_draft(
            &self.gate,
            model,
            meta,
            parts,
            presented,
            routed.ok().map(|routed| routed.operation),
        );
        let details = self.gate.details(meta, &parts.headers);
        self.gate.failed(&draft, &details, &aws_error.code, &aws_error.message);
        log_credentials_failure(meta, error);
        aws_error
    }

    fn has_too_many_headers(&self, parts: &Parts) -> bool {
        parts.headers.len() > self.limits.header_count_max || header_size(parts) > self.limits.header_size_bytes_max
    }

    async fn read_body(
        &self,
        protocol: Protocol,
        parts: &Parts,
        body: Body,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), AwsError> {
        let size_bytes_max = match protocol {
            Protocol::Query => self.limits.body_query_size_bytes_max,
            Protocol::Json10
            | Protocol::Json11
            | Protocol::RestJson
            | Protocol::RestXml
            | Protocol::RpcV2Cbor
            | Protocol::AwsCbor11 => self.limits.body_json_size_bytes_max,
        };
        let stated = match parts.headers.get(CONTENT_LENGTH) {
            None => body.size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or(size_bytes_max),
            Some(value) => value
                .to_str()
                .ok()
                .and_then(|text| text.parse::<usize>().ok())
                .ok_or_else(|| AwsError::sender("IncompleteBody", "Content-Length is not a number of bytes."))?,
        };
        if stated > size_bytes_max {
            return Err(AwsError::request_too_large(protocol, size_bytes_max));
        }
        let units = u32::try_from(stated.div_ceil(BODY_UNIT_BYTES)).unwrap_or(u32::MAX);
        let held = match units {
            0 => None,
            units => {
                let wait = self.bodies.clone().acquire_many_owned(units);
                match tokio::time::timeout(self.limits.body_pause_time_max, wait).await {
                    Ok(Ok(held)) => Some(held),
                    Ok(Err(_)) | Err(_) => return Err(refusal::busy()),
                }
            }
        };
        let body = read_whole(body, size_bytes_max, self.limits.body_pause_time_max)
            .await
            .map_err(|error| refusal::of_body(protocol, &error))?;
        Ok((body, held))
    }
}

impl Call {
    /// Authenticate, decode, authorize, dispatch, record, encode.
    async fn run(self, gate: &Gate, signer: Option<&(Presented, AccessKey)>) -> Response<Bytes> {
        let model = self.service.model();
        let protocol = match &self.routed {
            Ok(routed) => routed.protocol,
            Err(refused) => refused.protocol,
        };
        let request_id = self.meta.request_id.clone();
        match self.steps(gate, signer).await {
            Ok((operation, value)) => encode_response(operation, protocol, &value, &request_id).unwrap_or_else(|error| {
                tracing::error!(%request_id, operation = operation.name, %error, "an answer does not fit its own shape");
                let error = AwsError::internal_failure("The server could not write its answer; report this as a defect.");
                encode_error(model, protocol, &error, &request_id)
            }),
            Err(error) => {
                let mut response = encode_error(model, protocol, &error, &request_id);
                if error.code == model.access_denied_code
                    && let Some(message) = denials::message(gate.messages())
                {
                    response.headers_mut().insert(denials::HEADER, message);
                }
                response
            }
        }
    }

    async fn steps(
        self,
        gate: &Gate,
        signer: Option<&(Presented, AccessKey)>,
    ) -> Result<(&'static OperationModel, Value), AwsError> {
        let Self { service, parts, body, meta, routed, _held } = self;
        let model = service.model();
        let protocol = routed.as_ref().map_or_else(|refused| refused.protocol, |routed| routed.protocol);

        // Authenticate: the whole body is part of what was signed. Where nobody signs, whoever did is nobody, too.
        let principal = match signer {
            _ if is_unsigned(&*service, &routed) => &Principal::anonymous(),
            None => return Err(refusal::of_gate(model, protocol, &GateError::Unsigned)),
            Some((presented, key)) => {
                if let Err(error) = gate.check_signature(&parts, presented, key, model.signing_name, sha256(&body)) {
                    if let Err(error) = gate.unproven(&meta) {
                        return Err(refusal::of_gate(model, protocol, &error));
                    }
                    let aws_error = refusal::of_gate(model, protocol, &error);
                    let operation = routed.ok().map(|routed| routed.operation);
                    let draft = unauthenticated_draft(gate, model, &meta, &parts, Some(presented), operation);
                    gate.failed(&draft, &gate.details(&meta, &parts.headers), &aws_error.code, &aws_error.message);
                    log_credentials_failure(&meta, &error);
                    return Err(aws_error);
                }
                &key.principal
            }
        };
        let mut draft = draft_of(gate, model, &meta, &parts, principal);
        let details = gate.details(&meta, &parts.headers);
        let refused = |draft: &EventDraft, error: AwsError| {
            // Who need not sign is held to the limit of those who cannot.
            if principal.is_anonymous()
                && let Err(error) = gate.unproven(&meta)
            {
                return Err(refusal::of_gate(model, protocol, &error));
            }
            gate.failed(draft, &details, &error.code, &error.message);
            Err(error)
        };

        // An operation without a row is not there.
        let operation = match routed {
            Ok(routed) => routed.operation,
            Err(RouteError { operation, error, .. }) => {
                draft.event_name = operation.unwrap_or("Unknown").to_owned();
                return refused(&draft, error);
            }
        };
        draft.event_name = operation.name.to_owned();
        let Some(row) = service.row(operation.name) else {
            return refused(&draft, AwsError::operation_not_served(model, operation.name));
        };
        let access = row.access();
        draft.read_only = access.kind == Kind::Read;
        draft.management = access.management;

        // Decode, and hold the input to the model's constraints.
        let limits = DecodeLimits { body_size_bytes_max: body.len(), ..DecodeLimits::default() };
        let request = WireRequest { method: &parts.method, uri: &parts.uri, headers: &parts.headers, body: &body };
        let input = match decode_request(operation, protocol, &request, limits) {
            Ok(input) => input,
            Err(error) => return refused(&draft, error),
        };
        draft.request_parameters = parameters::of(&input);
        let scope = gate.scope(principal);
        let decoded: Box<dyn Decoded> = match row.decode(input) {
            Ok(decoded) => decoded,
            Err(error) => return refused(&draft, error),
        };

        // Authorize all that the operation says it needs.
        let requirements = match decoded.requirements(&scope) {
            Ok(requirements) => requirements,
            Err(error) => return refused(&draft, error),
        };
        draft.resources =
            requirements.iter().filter_map(|need| need.resource.as_ref()).map(ToString::to_string).collect();
        let draft = Arc::new(draft);
        let context = gate.context(&meta, &parts.headers, principal, None);
        let caller: Caller = match gate.authorize(principal, requirements, context, draft.clone()) {
            Ok(caller) => caller.with_details(details.clone()),
            Err(error) => return refused(&draft, refusal::of_gate(model, protocol, &error)),
        };

        // Dispatch. A change has taken its record with it; what has not is recorded here.
        let answering = access.answer_on_record.then(|| gate.answering(&caller)).flatten();
        match decoded.run(caller.clone()).await {
            Ok(value) => {
                gate.done(&caller);
                if let Some(answering) = answering
                    && let Some(answer) = parameters::of_answer(&value)
                {
                    answering.answered(&caller, answer);
                }
                Ok((operation, value))
            }
            Err(error) => {
                if error.status >= 500 {
                    tracing::error!(request_id = %meta.request_id, operation = operation.name, code = %error.code, message = %error.message, "a call failed");
                }
                refused(&draft, error)
            }
        }
    }
}

/// Whether the operation that is asked for is one that nobody signs.
fn is_unsigned(service: &dyn Service, routed: &Result<Routed, RouteError>) -> bool {
    let row = routed.as_ref().ok().and_then(|routed| service.row(routed.operation.name));
    row.is_some_and(|row| row.access().is_unsigned)
}

fn draft_of(gate: &Gate, model: &ServiceModel, meta: &RequestMeta, parts: &Parts, principal: &Principal) -> EventDraft {
    gate.draft(meta, &parts.headers, principal, format!("{}.amazonaws.com", model.endpoint_prefix))
}

/// The draft for a caller who did not prove who they are: nobody, with the key they named.
fn unauthenticated_draft(
    gate: &Gate,
    model: &ServiceModel,
    meta: &RequestMeta,
    parts: &Parts,
    presented: Option<&Presented>,
    operation: Option<&'static OperationModel>,
) -> EventDraft {
    let mut principal = Principal::anonymous();
    principal.access_key_id = presented.map(|presented| presented.access_key_id.clone());
    let mut draft = draft_of(gate, model, meta, parts, &principal);
    draft.event_name = operation.map_or("Unknown", |operation| operation.name).to_owned();
    draft
}

fn log_credentials_failure(meta: &RequestMeta, error: &GateError) {
    if let GateError::Credentials { source } = error {
        tracing::error!(request_id = %meta.request_id, error = %source, "access keys cannot be read");
    }
}

fn header_size(parts: &Parts) -> usize {
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    headers + parts.uri.path_and_query().map_or(0, |path| path.as_str().len())
}

/// What answers for services that are not served: the common words of all protocols.
static NOT_SERVED: ServiceModel = ServiceModel {
    name: "unknown",
    service_id: "Unknown",
    full_name: "Unknown",
    protocol: Protocol::RestJson,
    protocols: &[Protocol::RestJson, Protocol::Json11, Protocol::Json10, Protocol::Query, Protocol::RpcV2Cbor],
    target_prefix: None,
    api_version: "",
    xml_namespace: None,
    signing_name: "",
    endpoint_prefix: "unknown",
    validation_error_code: "ValidationException",
    access_denied_code: "AccessDeniedException",
    repeats_error_code: false,
    operations: &[],
    operations_not_served: &[],
};

/// One answered request, counted and logged when its body has been sent, or dropped.
struct AccessLine {
    metrics: Metrics,
    request_id: String,
    peer: SocketAddr,
    method: http::Method,
    path: String,
    started: Instant,
    labels: Labels,
    bytes_out: u64,
}

impl AccessLine {
    fn finish_with(mut self, labels: Labels, response: Response<Body>) -> Response<Body> {
        self.labels = labels;
        self.metrics.answered(&self.labels, self.started.elapsed().as_secs_f64());
        response.map(|body| {
            use http_body_util::BodyExt;
            CountedBody { body, line: self }.boxed_unsync()
        })
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.bytes_out.inc_by(self.bytes_out);
        tracing::debug!(
            target: "tarn::access",
            request_id = %self.request_id,
            peer = %self.peer,
            service = self.labels.service,
            operation = self.labels.operation,
            status = self.labels.status,
            method = %self.method,
            path = %self.path,
            bytes = self.bytes_out,
            milliseconds = self.started.elapsed().as_secs_f64() * 1_000.0,
            "answered"
        );
    }
}

struct CountedBody {
    body: Body,
    line: AccessLine,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.line.bytes_out += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
