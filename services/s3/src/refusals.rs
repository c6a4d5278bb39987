//! Refusals on record: what s3s answers itself, before the gate was asked or after it said yes, is told to the audit here. Owns how far the
//! record of one request has come, and the name of what was asked for. Knows not how records are kept.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, Response, Uri};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3, S3Result, s3_error};
use tarn_audit::Caller;

use crate::answer;
use crate::errors::refusal_error;
use crate::gate::{CallMeta, Refused, S3Gate};
use crate::host::Domains;
use crate::resources::{self, operation};

/// How far the record of one request has come. Travels with the request; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    /// Nobody has decided. The key is one whose signature was right.
    #[default]
    Undecided,
    Signed {
        access_key_id: String,
    },
    /// The gate let it in; nobody has said how it ended.
    Admitted(Box<Caller>),
    /// It is on record, or needs none.
    Done,
}

impl Record {
    /// The signature of this key was right.
    pub(crate) fn signed(&self, access_key_id: &str) {
        *self.0.lock() = State::Signed { access_key_id: access_key_id.to_owned() };
    }

    /// The gate let the caller in.
    pub(crate) fn admitted(&self, caller: &Caller) {
        *self.0.lock() = State::Admitted(Box::new(caller.clone()));
    }

    /// Somebody has recorded it.
    pub(crate) fn done(&self) {
        *self.0.lock() = State::Done;
    }
}

/// A request's head, kept until it is answered: s3s takes the request itself.
pub(crate) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    record: Record,
}

impl Head {
    /// Of `request`, which then carries the record's state.
    pub(crate) fn keep(request: &mut Request<Body>) -> Self {
        let record = Record::default();
        request.extensions_mut().insert(record.clone());
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            record,
        }
    }

    /// The key that the request says it is signed with, believed or not.
    fn claimed_key(&self) -> Option<String> {
        let of_scope = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
        if let Some(header) = self.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            if let Some((_, rest)) = header.split_once("Credential=") {
                return Some(of_scope(rest));
            }
            return header.strip_prefix("AWS ").and_then(|rest| rest.split(':').next()).map(str::to_owned);
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        self.uri.query()?.split('&').find_map(|pair| match pair.split_once('=')? {
            ("X-Amz-Credential", value) => Some(of_scope(&decoded(value))),
            ("AWSAccessKeyId", value) => Some(decoded(value)),
            _ => None,
        })
    }
}

/// What a request asks for, as far as it can be told.
#[derive(Debug, Clone)]
struct Asked {
    name: String,
    read_only: bool,
    management: bool,
    parameters: String,
    resources: Vec<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            name: "Unknown".to_owned(),
            read_only: true,
            management: true,
            parameters: "null".to_owned(),
            resources: Vec::new(),
        }
    }
}

/// Longest error code and message that are read out of an answer.
const ERROR_SIZE_BYTES_MAX: usize = 16 << 10;

/// Tells the audit of refusals that nobody else has.
#[derive(Clone)]
pub(crate) struct Refusals {
    gate: Arc<dyn S3Gate>,
    namer: S3Service,
}

impl Refusals {
    pub(crate) fn new(gate: Arc<dyn S3Gate>, domains: &[String]) -> Self {
        let mut builder = S3ServiceBuilder::new(Nothing);
        builder.set_host(Domains::new(domains));
        builder.set_auth(Namer);
        builder.set_access(Namer);
        Self { gate, namer: builder.build() }
    }

    /// Call with each answer; gives back what is to be answered. Refusals that are on record already cost a look.
    pub(crate) async fn record(&self, head: Head, meta: &CallMeta, response: Response<Body>) -> Response<Body> {
        if !response.status().is_client_error() && !response.status().is_server_error() {
            return response;
        }
        let state = std::mem::replace(&mut *head.record.0.lock(), State::Done);
        let (access_key_id, is_genuine) = match state {
            State::Done => return response,
            State::Admitted(caller) => {
                let (code, message) = error_of(&response);
                self.gate.failed(&caller, &code, &message);
                return response;
            }
            State::Signed { access_key_id } => (Some(access_key_id), true),
            State::Undecided => (head.claimed_key(), false),
        };
        if access_key_id.is_some()
            && !is_genuine
            && let Err(refusal) = self.gate.unproven(meta)
        {
            return answer::of_error(&refusal_error(refusal));
        }
        let Asked { name, read_only, management, parameters, resources } = self.asked(&head).await;
        let (code, message) = error_of(&response);
        self.gate.refused(Refused {
            meta,
            uri: &head.uri,
            headers: &head.headers,
            access_key_id: access_key_id.as_deref(),
            is_genuine,
            operation: &name,
            read_only,
            management,
            parameters,
            resources,
            code: &code,
            message: &message,
        });
        response
    }

    /// What the head asks for. s3s tells an operation only to those whose signature is right: so it is asked again without one, by a service
    /// that refuses everything.
    async fn asked(&self, head: &Head) -> Asked {
        let found = Arc::new(Mutex::new(Asked::default()));
        let query = head.uri.query().unwrap_or_default();
        let unsigned: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.starts_with("X-Amz-") && !SIGNATURE_V2.contains(&pair.split('=').next().unwrap_or("")))
            .collect();
        let target = match unsigned.is_empty() {
            true => head.uri.path().to_owned(),
            false => format!("{}?{}", head.uri.path(), unsigned.join("&")),
        };
        let mut request = Request::new(Body::empty());
        let Ok(uri) = target.parse() else { return Asked::default() };
        (*request.method_mut(), *request.uri_mut()) = (head.method.clone(), uri);
        request.headers_mut().clone_from(&head.headers);
        for name in ["authorization", "content-length", "content-type", "x-amz-content-sha256"] {
            request.headers_mut().remove(name);
        }
        request.extensions_mut().insert(found.clone());
        // It refuses; what matters is what it was asked.
        let _ = self.namer.call(request).await;
        found.lock().clone()
    }
}

const SIGNATURE_V2: [&str; 3] = ["AWSAccessKeyId", "Signature", "Expires"];

/// Code and message of an error's body; the status's own name where there is no body.
fn error_of(response: &Response<Body>) -> (String, String) {
    let status = response.status();
    let bytes = response.body().bytes().unwrap_or_default();
    let text = std::str::from_utf8(bytes.get(..ERROR_SIZE_BYTES_MAX).unwrap_or(&bytes)).unwrap_or_default();
    let code =
        element_of(text, "Code").unwrap_or_else(|| status.canonical_reason().unwrap_or("Error").replace(' ', ""));
    (code, element_of(text, "Message").unwrap_or_default())
}

/// The text of the first element of a name.
pub(crate) fn element_of(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inside, _)| unescaped(inside))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

/// Does nothing: it is never reached.
struct Nothing;

impl S3 for Nothing {}

/// Writes down what is asked, and refuses it.
struct Namer;

#[async_trait::async_trait]
impl S3Auth for Namer {
    async fn get_secret_key(&self, _: &str) -> S3Result<SecretKey> {
        Err(s3_error!(InvalidAccessKeyId))
    }
}

#[async_trait::async_trait]
impl S3Access for Namer {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let request = resources::Request {
            bucket: cx.s3_path().get_bucket_name(),
            key: cx.s3_path().get_object_key(),
            headers: cx.headers(),
            query: cx.uri().query().unwrap_or_default(),
            now_ms: 0,
        };
        let name = cx.s3_op().name();
        let row = operation(name);
        let asked = Asked {
            name: name.to_owned(),
            read_only: row.is_none_or(|row| row.read_only),
            management: row.is_none_or(|row| row.management),
            parameters: request.parameters(),
            resources: request.arns(),
        };
        if let Some(found) = cx.extensions_mut().get::<Arc<Mutex<Asked>>>() {
            *found.lock() = asked;
        }
        Err(s3_error!(AccessDenied))
    }
}
