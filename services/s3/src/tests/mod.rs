//! Signed requests through the whole endpoint, in process, over a lake in memory.
#![allow(clippy::unwrap_used)]

mod access;
mod acl;
mod conversation;
mod cors;
mod payloads;
mod probes;
mod strange;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tarn_audit::{Caller, EventDraft};
use tarn_blobs::MemoryBlobs;
use tarn_keys::Keys;
use tarn_metadata::MemoryStore;
use tarn_objects::{Objects, ObjectsOptions};
use tarn_policy::{
    Authorizer, BoundAuthorizer, HeldPolicies, IdentityPolicies, LakeAuthorizer, PoliciesUnreadable, Policy,
    PolicyKind, Principal, PrincipalKind, Requirement,
};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_sigv4::{Payload, Signer};
use tarn_types::{AccountId, Region, Scope};

use crate::{Absent, Asked, CallMeta, CanonicalUser, GateRefusal, Refused, S3Api, S3Gate, S3Options};

pub(crate) const ROOT: &str = "AKIAROOT0000000000000";
pub(crate) const USER: &str = "AKIAUSER0000000000000";
/// Root of another account.
pub(crate) const STRANGER: &str = "AKIASTRANGER000000000";
const SECRET: &str = "secret+of/everyone";

/// Users' policies, set by tests.
#[derive(Default)]
pub(crate) struct Users(Mutex<BTreeMap<String, Arc<Policy>>>);

impl Users {
    pub fn set(&self, name: &str, statements: &str) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let policy = Policy::parse(&text, PolicyKind::Identity).unwrap();
        self.0.lock().unwrap().insert(name.to_owned(), Arc::new(policy));
    }
}

struct UserPolicies(Arc<Users>);

impl IdentityPolicies for UserPolicies {
    fn identity_policies(&self, principal: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        match &principal.kind {
            PrincipalKind::User { name, .. } => {
                let own = self.0.0.lock().unwrap().get(name).cloned().into_iter().collect();
                Ok(HeldPolicies { identity: own, ..HeldPolicies::default() })
            }
            _ => Ok(HeldPolicies::default()),
        }
    }
}

/// A gate over the lake's real evaluation.
pub(crate) struct Gate {
    runtime: Runtime,
    authorizer: Arc<dyn Authorizer>,
    /// (operation, code) of each refusal and failure.
    pub failures: Mutex<Vec<(String, String)>>,
}

impl Gate {
    fn principal(access_key_id: Option<&str>) -> Principal {
        let account = AccountId::first();
        match access_key_id {
            None => Principal::anonymous(),
            Some(ROOT) => Principal::root(account),
            Some(STRANGER) => Principal::root(AccountId::new("111111111111").unwrap()),
            Some(key) => {
                let kind = PrincipalKind::User { name: "ada".to_owned(), path: "/".to_owned() };
                Principal { access_key_id: Some(key.to_owned()), ..Principal::new(kind, account, "AIDAADA") }
            }
        }
    }
}

impl S3Gate for Gate {
    fn secret(&self, access_key_id: &str) -> Result<String, GateRefusal> {
        match access_key_id {
            ROOT | USER | STRANGER => Ok(SECRET.to_owned()),
            _ => Err(GateRefusal::UnknownKey),
        }
    }

    fn authorize(&self, asked: Asked<'_>) -> Result<Caller, GateRefusal> {
        let form_token = asked.form.and_then(|form| form.session_token.as_ref());
        if asked.headers.contains_key("x-amz-security-token") || form_token.is_some() {
            return Err(GateRefusal::InvalidToken);
        }
        let principal = Self::principal(asked.access_key_id);
        let context = asked.signature_keys.with("aws:SourceIp", asked.meta.peer.ip().to_string());
        let event = EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: asked.meta.request_id.clone(),
            time_ms: asked.meta.time.as_millisecond(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: asked.operation.name.to_owned(),
            read_only: asked.operation.read_only,
            management: asked.operation.management,
            scope: Scope { account: principal.account.clone(), region: Region::us_east_1() },
            principal: principal.clone(),
            source_ip: asked.meta.peer.ip().to_string(),
            user_agent: String::new(),
            request_parameters: asked.parameters,
            resources: asked.resources,
        };
        match self.authorizer.authorize(&principal, asked.requirements, &context) {
            Ok(authorized) => {
                let bound = BoundAuthorizer::new(self.authorizer.clone(), principal, context);
                Ok(Caller::new(authorized, bound, event))
            }
            Err(denied) => {
                let may_list =
                    |list: &Requirement| self.authorizer.authorize(&principal, vec![list.clone()], &context).is_ok();
                match asked.absence.find() {
                    Some(Absent::Bucket) => return Err(GateRefusal::NoSuchBucket),
                    Some(Absent::Key(list)) if may_list(&list) => return Err(GateRefusal::NoSuchKey),
                    Some(Absent::Key(_)) | None => {}
                }
                self.failures.lock().unwrap().push((event.event_name, "AccessDenied".to_owned()));
                Err(GateRefusal::Denied { message: denied.to_string() })
            }
        }
    }

    fn unproven(&self, _meta: &CallMeta) -> Result<(), GateRefusal> {
        Ok(())
    }

    fn refused(&self, refused: Refused<'_>) {
        self.failures.lock().unwrap().push((refused.operation.to_owned(), refused.code.to_owned()));
    }

    fn failed(&self, caller: &Caller, code: &str, _: &str) {
        self.failures.lock().unwrap().push((caller.event().event_name.clone(), code.to_owned()));
    }

    fn done(&self, _: &Caller) {}

    fn canonical_user(&self, account: &AccountId) -> CanonicalUser {
        CanonicalUser { id: format!("canonical-{account}"), display_name: format!("name of {account}") }
    }

    fn account_of_canonical_user(&self, id: &str) -> Result<Option<AccountId>, GateRefusal> {
        Ok(id.strip_prefix("canonical-").and_then(|id| AccountId::new(id).ok()))
    }

    fn accounts_of_email(&self, email: &str) -> Result<Vec<AccountId>, GateRefusal> {
        let account = |id| AccountId::new(id).unwrap();
        Ok(match email {
            "stranger@example.com" => vec![account("111111111111")],
            "both@example.com" => vec![account("111111111111"), AccountId::first()],
            _ => vec![],
        })
    }
}

pub(crate) struct Server {
    pub api: S3Api,
    pub gate: Arc<Gate>,
    pub users: Arc<Users>,
    pub objects: Objects,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What stands in the first element `name`.
    pub fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text().split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `200`, or status and error code.
    pub fn outcome(&self) -> String {
        match self.element("Code").filter(|_| !self.status.is_success()) {
            Some(code) => format!("{} {code}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
        }
    }
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub method: Method,
    pub target: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

pub(crate) fn ask(method: Method, target: impl Into<String>) -> Ask {
    Ask { method, target: target.into(), headers: Vec::new(), body: Bytes::new() }
}

impl Ask {
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn request(&self) -> Request<Bytes> {
        let mut request =
            Request::builder().method(self.method.clone()).uri(format!("http://localhost:9000{}", self.target));
        request = request.header("host", "localhost:9000").header("content-length", self.body.len());
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(self.body.clone()).unwrap()
    }
}

pub(crate) fn signer(access_key_id: &str) -> Signer {
    Signer {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: None,
        region: "us-east-1".to_owned(),
        service: "s3".to_owned(),
    }
}

/// s3s looks at the machine's clock, and so must those who sign for it.
pub(crate) fn now() -> Timestamp {
    Runtime::system().now()
}

impl Server {
    pub fn new() -> Self {
        Self::with(S3Options::default())
    }

    pub fn with(api_options: S3Options) -> Self {
        let runtime = Runtime::system();
        let keys = Arc::new(Keys::ephemeral(&runtime).unwrap());
        let options = ObjectsOptions { part_size_bytes_min: 5, ..ObjectsOptions::default() };
        let objects =
            Objects::new(Arc::new(MemoryStore::new()), Arc::new(MemoryBlobs::new()), keys, runtime.clone(), options);
        let users = Arc::new(Users::default());
        let authorizer: Arc<dyn Authorizer> =
            Arc::new(LakeAuthorizer::new(Arc::new(UserPolicies(users.clone())), vec![Arc::new(objects.clone())]));
        let gate = Arc::new(Gate { runtime, authorizer, failures: Mutex::default() });
        let api_options = S3Options { selector: Some(Arc::new(OneRow)), ..api_options };
        let api = S3Api::new(objects.clone(), gate.clone(), api_options);
        Self { api, gate, users, objects }
    }

    pub async fn with_bucket() -> Self {
        let server = Self::new();
        assert_eq!(server.root(ask(Method::PUT, "/lake-raw")).await.outcome(), "200");
        server
    }

    pub async fn send(&self, request: Request<Bytes>) -> Answer {
        let meta = CallMeta {
            request_id: "0f5d1f9e-request".to_owned(),
            time: now(),
            peer: "127.0.0.1:50000".parse().unwrap(),
            is_secure: false,
            tls: None,
        };
        let response: Response<s3s::Body> = self.api.call(request.map(s3s::Body::from), meta).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn signed(&self, access_key_id: &str, ask: Ask) -> Answer {
        let (mut parts, body) = ask.request().into_parts();
        let digest = Payload::Sha256(tarn_sigv4::sha256(&body));
        signer(access_key_id).sign(&mut parts, digest, now()).unwrap();
        self.send(Request::from_parts(parts, body)).await
    }

    pub async fn root(&self, ask: Ask) -> Answer {
        self.signed(ROOT, ask).await
    }

    pub async fn user(&self, ask: Ask) -> Answer {
        self.signed(USER, ask).await
    }

    pub async fn anonymous(&self, ask: Ask) -> Answer {
        self.send(ask.request()).await
    }
}

/// Selects one row, whatever it is asked.
#[derive(Debug)]
struct OneRow;

impl tarn_objects::select::Selector for OneRow {
    fn select(
        &self,
        _: &tarn_policy::Authorized,
        _: &tarn_objects::ObjectVersion,
        _: tarn_objects::select::SelectRequest,
    ) -> Result<tarn_objects::select::Selecting, tarn_objects::select::SelectError> {
        use futures::StreamExt;
        use tarn_objects::select::{SelectUsage, Selected};
        let usage = SelectUsage { scanned_bytes: 5, processed_bytes: 5, returned_bytes: 4 };
        let selected = [Ok(Selected::Records("row\n".into(), usage)), Ok(Selected::End(usage))];
        Ok(futures::stream::iter(selected).boxed())
    }
}
