//! S3 and the gateway made known to each other: S3's questions go to the gateway's gate, the gateway's S3 requests to S3.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use tarn_audit::Caller;
use tarn_gateway::{AccessKey, Body, Gate, GateError, RequestMeta, S3Endpoint, S3Operation, full_body};
use tarn_identity::{Account, Identity, IdentityError};
use tarn_policy::{Denied, DeniedBecause, Principal, Requirement};
use tarn_service_s3::{Absence, Absent, Asked, CallMeta, CanonicalUser, GateRefusal, Refused, S3Api, S3Body, S3Gate};
use tarn_sigv4::Presented;
use tarn_types::AccountId;

tokio::task_local! {
    /// The operation that S3 found in the request that this task answers.
    static OPERATION: Cell<&'static str>;
}

/// S3 in audit records.
const EVENT_SOURCE: &str = "s3.amazonaws.com";

/// The gateway as S3 asks it.
pub(crate) struct Doorkeeper {
    pub(crate) gate: Arc<Gate>,
    pub(crate) identity: Arc<Identity>,
}

fn refusal(error: &GateError) -> GateRefusal {
    match error {
        GateError::UnknownKey | GateError::Unsigned => GateRefusal::UnknownKey,
        GateError::TooManyFailures => GateRefusal::SlowDown { message: error.to_string() },
        GateError::TokenInvalid => GateRefusal::InvalidToken,
        GateError::TokenExpired => GateRefusal::ExpiredToken,
        GateError::Denied { source } => GateRefusal::Denied { message: source.to_string() },
        GateError::Signature { source } => GateRefusal::Denied { message: source.to_string() },
        GateError::Credentials { source } => GateRefusal::Unavailable { reason: source.to_string() },
    }
}

fn meta(meta: &CallMeta) -> RequestMeta {
    let CallMeta { request_id, time, peer, is_secure, tls } = meta.clone();
    RequestMeta { request_id, time, peer, is_secure, tls }
}

/// What S3's records say of a request besides.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-understanding-s3-entries.html>
fn additional(meta: &RequestMeta, uri: &Uri, headers: &HeaderMap, is_form: bool) -> Vec<(String, String)> {
    let query = uri.query().unwrap_or_default();
    let header = headers.get(http::header::AUTHORIZATION).map(http::HeaderValue::as_bytes).unwrap_or_default();
    let signed = if header.starts_with(b"AWS4") {
        Some(("SigV4", "AuthHeader"))
    } else if header.starts_with(b"AWS ") {
        Some(("SigV2", "AuthHeader"))
    } else if query.contains("X-Amz-Signature=") {
        Some(("SigV4", "QueryString"))
    } else if query.contains("Signature=") {
        Some(("SigV2", "QueryString"))
    } else if is_form {
        Some(("SigV4", "HtmlForm"))
    } else {
        None
    };
    let length = |name: &str| Some(headers.get(name)?.to_str().ok()?.parse::<u64>().ok()?.to_string());
    // Of a body in chunks, what is in them.
    let received = length("x-amz-decoded-content-length").or_else(|| length("content-length"));
    let pairs = [
        ("SignatureVersion", signed.map(|(version, _)| version.to_owned())),
        ("CipherSuite", meta.tls.map(|tls| tls.cipher_suite.to_owned())),
        ("bytesTransferredIn", Some(received.unwrap_or_else(|| "0".to_owned()))),
        ("AuthenticationMethod", signed.map(|(_, method)| method.to_owned())),
        ("x-amz-id-2", Some(tarn_service_s3::host_id(&meta.request_id))),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

impl Doorkeeper {
    /// Who asks: s3s has checked the signature of the key that is named.
    fn key(&self, asked: &Asked<'_>, presented: Option<&Presented>) -> Result<Option<AccessKey>, GateRefusal> {
        let Some(id) = asked.access_key_id else { return Ok(None) };
        let token = match asked.form {
            Some(form) => form.session_token.as_deref(),
            None => presented.and_then(|presented| presented.session_token.as_deref()),
        };
        let key = self.gate.access_key(id, token).map_err(|error| refusal(&error))?;
        if let Some(presented) = presented {
            self.gate.used(presented, "s3");
        }
        Ok(Some(key))
    }
}

impl S3Gate for Doorkeeper {
    fn secret(&self, access_key_id: &str) -> Result<String, GateRefusal> {
        self.gate.secret(access_key_id).map(|secret| secret.expose().to_owned()).map_err(|error| refusal(&error))
    }

    fn authorize(&self, asked: Asked<'_>) -> Result<Caller, GateRefusal> {
        // Outside of a request through the gateway (a test of S3 alone) nobody counts.
        let _ = OPERATION.try_with(|operation| operation.set(asked.operation.name));
        let presented = Presented::of_request(asked.uri, asked.headers).ok().flatten();
        let principal = match self.key(&asked, presented.as_ref())? {
            Some(key) => key.principal,
            None => Principal::anonymous(),
        };
        let meta = meta(asked.meta);
        let context = self.gate.context(&meta, asked.headers, &principal, presented.as_ref());
        let context = asked.signature_keys.over(&context);
        let mut draft = self.gate.draft(&meta, asked.headers, &principal, EVENT_SOURCE.to_owned());
        draft.event_name = asked.operation.name.to_owned();
        draft.read_only = asked.operation.read_only;
        draft.management = asked.operation.management;
        draft.request_parameters = asked.parameters;
        draft.resources = asked.resources;
        let draft = Arc::new(draft);
        let mut details = self.gate.details(&meta, asked.headers);
        details.additional = additional(&meta, asked.uri, asked.headers, asked.form.is_some());
        let authorized = self.gate.authorize(&principal, asked.requirements, context.clone(), draft.clone());
        let error = match authorized {
            Ok(caller) => return Ok(caller.with_details(details)),
            Err(error) => error,
        };
        let may = |list: &Requirement| self.gate.may(&principal, list.clone(), &context);
        let (code, refused) = told(&error, asked.absence, may);
        self.gate.failed(&draft, &details, code, &error.to_string());
        Err(refused)
    }

    fn unproven(&self, call: &CallMeta) -> Result<(), GateRefusal> {
        self.gate.unproven(&meta(call)).map_err(|error| refusal(&error))
    }

    fn refused(&self, refused: Refused<'_>) {
        let named = refused.access_key_id.map(str::to_owned);
        let genuine = refused.access_key_id.filter(|_| refused.is_genuine);
        let token = Presented::of_request(refused.uri, refused.headers).ok().flatten();
        let token = token.as_ref().and_then(|presented| presented.session_token.as_deref());
        let principal = match genuine.and_then(|id| self.gate.access_key(id, token).ok()) {
            Some(key) => key.principal,
            None => Principal { access_key_id: named, ..Principal::anonymous() },
        };
        let mut draft = self.gate.draft(&meta(refused.meta), refused.headers, &principal, EVENT_SOURCE.to_owned());
        draft.event_name = refused.operation.to_owned();
        draft.read_only = refused.read_only;
        draft.management = refused.management;
        draft.request_parameters = refused.parameters;
        draft.resources = refused.resources;
        let mut details = self.gate.details(&meta(refused.meta), refused.headers);
        details.additional = additional(&meta(refused.meta), refused.uri, refused.headers, false);
        self.gate.failed(&draft, &details, refused.code, refused.message);
    }

    fn failed(&self, caller: &Caller, code: &str, message: &str) {
        self.gate.failed(caller.event(), caller.details(), code, message);
    }

    fn done(&self, caller: &Caller) {
        self.gate.done(caller);
    }

    fn canonical_user(&self, account: &AccountId) -> CanonicalUser {
        // An account that is gone owns nothing that anybody can name.
        match self.identity.account(account).ok().flatten() {
            Some(account) => CanonicalUser { id: account.canonical_user_id, display_name: account.name },
            None => CanonicalUser { id: String::new(), display_name: String::new() },
        }
    }

    fn account_of_canonical_user(&self, id: &str) -> Result<Option<AccountId>, GateRefusal> {
        let found = self.identity.account_by_canonical_user_id(id).map_err(|error| unavailable(&error))?;
        Ok(found.map(|account| account.id))
    }

    fn accounts_of_email(&self, email: &str) -> Result<Vec<AccountId>, GateRefusal> {
        let accounts = self.identity.accounts().map_err(|error| unavailable(&error))?;
        let has_it = |account: &Account| account.email.eq_ignore_ascii_case(email);
        Ok(accounts.into_iter().filter(has_it).map(|account| account.id).collect())
    }
}

fn unavailable(error: &IdentityError) -> GateRefusal {
    GateRefusal::Unavailable { reason: error.to_string() }
}

/// What a refused caller is told: that something is not there, if they may know, or that they may not. An explicit no stays one.
fn told(error: &GateError, absence: Absence<'_>, may: impl Fn(&Requirement) -> bool) -> (&'static str, GateRefusal) {
    let implicit = matches!(
        error,
        GateError::Denied {
            source: Denied {
                because: DeniedBecause::NothingAllows
                    | DeniedBecause::NoResourcePolicyAllows
                    | DeniedBecause::NoBoundaryAllows
                    | DeniedBecause::NoSessionPolicyAllows
                    | DeniedBecause::NoServiceControlPolicyAllows
                    | DeniedBecause::NoResourceControlPolicyAllows,
                ..
            }
        }
    );
    match absence.find().filter(|_| implicit) {
        Some(Absent::Bucket) => ("NoSuchBucket", GateRefusal::NoSuchBucket),
        Some(Absent::Key(list)) if may(&list) => ("NoSuchKey", GateRefusal::NoSuchKey),
        Some(Absent::Key(_)) | None => ("AccessDenied", refusal(error)),
    }
}

/// S3 as the gateway calls it.
pub(crate) struct S3Door(pub(crate) Arc<S3Api>);

impl S3Endpoint for S3Door {
    fn call(&self, request: Request<Body>, meta: RequestMeta) -> BoxFuture<'static, Response<Body>> {
        let api = self.0.clone();
        let RequestMeta { request_id, time, peer, is_secure, tls } = meta;
        let meta = CallMeta { request_id: request_id.clone(), time, peer, is_secure, tls };
        let answering = async move {
            let request = request.map(S3Body::http_body_unsync);
            let answer = AssertUnwindSafe(api.call(request, meta)).catch_unwind().await;
            let mut response = match answer {
                Ok(response) => response.map(|body| body.boxed_unsync()),
                // The panic hook has logged what and where.
                Err(_) => internal_error(&request_id),
            };
            response.extensions_mut().insert(S3Operation(OPERATION.get().get()));
            response
        };
        OPERATION.scope(Cell::new("none"), answering).boxed()
    }
}

fn internal_error(request_id: &str) -> Response<Body> {
    let mut response = Response::new(full_body(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code><Message>The server failed while it answered; its log has the request's id.</Message><RequestId>{request_id}</RequestId></Error>"
    )));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
