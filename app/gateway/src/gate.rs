//! Authenticate, authorize, audit: the three questions every request is asked, in one place for all services and for S3.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;
use tarn_audit::{Answering, AuditError, Caller, EventDetails, EventDraft, EventFilter};
use tarn_policy::{Authorizer, BoundAuthorizer, Context, Denied, Principal, Requirement};
use tarn_runtime::{EntropyExt, Runtime, Timestamp};
use tarn_sigv4::{PathEncoding, Presented, Rules, SignatureError, SigningKeys};
use tarn_types::{Region, Scope, TlsSession};

use crate::conditions;
use crate::credentials::{AccessKey, AuditLog, Credentials, CredentialsError, RecordPage, Secret};
use crate::denials::{AuthorizationMessages, NotingAuthorizer};
use crate::refusal_records::{LeftOut, RefusalRecords};
use crate::signature_failures::SignatureFailures;
use crate::source::Source;

/// What is known of a request before anything of it is believed.
#[derive(Debug, Clone)]
pub struct RequestMeta {
    /// The request's id, as the caller sees it.
    pub request_id: String,
    /// When it came in.
    pub time: Timestamp,
    /// The socket's other end.
    pub peer: SocketAddr,
    /// Whether it came over TLS, to here or to a proxy that is trusted.
    pub is_secure: bool,
    /// The TLS connection that it came on, where that ends here.
    pub tls: Option<TlsSession>,
}

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GateError {
    /// The request is not signed, and the service takes none such.
    #[error("Request is missing Authentication Token")]
    Unsigned,
    /// The signature is not accepted.
    #[error("{source}")]
    Signature {
        /// Why.
        source: SignatureError,
    },
    /// There is no such key, or it may not be used.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session that the key is of is over.
    #[error("The security token included in the request is expired")]
    TokenExpired,
    /// The session token is not the key's.
    #[error("The security token included in the request is invalid")]
    TokenInvalid,
    /// Too many requests of that source had no right signature.
    #[error("Too many requests of your address could not be authenticated; wait, then check the credentials.")]
    TooManyFailures,
    /// The keys could not be read.
    #[error("{source}")]
    Credentials {
        /// Why.
        source: CredentialsError,
    },
    /// The caller may not.
    #[error("{source}")]
    Denied {
        /// What and why.
        source: Denied,
    },
}

/// What a gate is made of.
pub struct GateParts {
    /// Finds access keys.
    pub credentials: Arc<dyn Credentials>,
    /// Decides.
    pub authorizer: Arc<dyn Authorizer>,
    /// Takes refusals and reads.
    pub audit: Arc<dyn AuditLog>,
    /// Time and ids.
    pub runtime: Runtime,
    /// The region served.
    pub region: Region,
    /// How many failed signatures one source may have at a time: see `Limits`.
    pub signature_failures_count_max: u32,
    /// How many refusals of one source that proved nobody are put on record at a time: see `Limits`.
    pub refusal_records_count_max: u32,
    /// Who seals what is refused, for who may know it.
    pub messages: Arc<dyn AuthorizationMessages>,
}

/// Who stands at the door.
pub struct Gate {
    parts: GateParts,
    /// The same that decides, with a note of each no.
    noting: Arc<dyn Authorizer>,
    signing_keys: SigningKeys,
    failures: SignatureFailures,
    refusal_records: RefusalRecords,
}

/// The region that clients of global services sign for, whatever region they are set to.
const GLOBAL_SIGNING_REGION: &str = "us-east-1";
/// The global services, by their signing names. STS is global where clients use its legacy endpoint.
const GLOBAL_SERVICES: [&str; 2] = ["iam", "sts"];
/// What clients that were told the empty region sign for where a service has no region.
const NO_REGION: &str = "";

impl Gate {
    /// From its parts.
    pub fn new(parts: GateParts) -> Self {
        let failures = SignatureFailures::new(parts.signature_failures_count_max);
        let refusal_records = RefusalRecords::new(parts.refusal_records_count_max);
        let noting = Arc::new(NotingAuthorizer(parts.authorizer.clone()));
        Self { parts, noting, signing_keys: SigningKeys::default(), failures, refusal_records }
    }

    /// Time and ids.
    pub fn runtime(&self) -> &Runtime {
        &self.parts.runtime
    }

    /// The region served.
    pub fn region(&self) -> &Region {
        &self.parts.region
    }

    /// What is known of a request that comes in now from `source`.
    pub fn meta(&self, source: Source) -> RequestMeta {
        let runtime = self.runtime();
        let Source { peer, is_secure, tls } = source;
        RequestMeta { request_id: runtime.entropy.uuid().to_string(), time: runtime.now(), peer, is_secure, tls }
    }

    /// The key called `access_key_id`, if it exists and may be used, with the session token that came with it.
    pub fn access_key(&self, access_key_id: &str, session_token: Option<&str>) -> Result<AccessKey, GateError> {
        match self.parts.credentials.access_key(access_key_id, session_token, self.runtime().now()) {
            Ok(Some(key)) if key.is_active => Ok(key),
            Ok(Some(_) | None) => Err(GateError::UnknownKey),
            Err(error) => Err(of_credentials(error)),
        }
    }

    /// The secret of the key called `access_key_id`, for whom the signature is to be checked before the token is known.
    pub fn secret(&self, access_key_id: &str) -> Result<Secret, GateError> {
        let found = self.parts.credentials.secret(access_key_id).map_err(of_credentials)?;
        found.ok_or(GateError::UnknownKey)
    }

    /// Checks the signature of a request to `service` whose body has the digest `body_sha256`; `key` is the one it names.
    pub fn check_signature(
        &self,
        parts: &Parts,
        presented: &Presented,
        key: &AccessKey,
        service: &str,
        body_sha256: [u8; 32],
    ) -> Result<(), GateError> {
        let regions = [self.region().as_str(), GLOBAL_SIGNING_REGION, NO_REGION];
        let rules = Rules {
            now: self.runtime().now(),
            service,
            regions: if GLOBAL_SERVICES.contains(&service) { &regions } else { &regions[..1] },
            // S3 Control signs with S3's name, and as S3 does.
            path_encoding: if service == "s3" { PathEncoding::Once } else { PathEncoding::Twice },
        };
        presented
            .verify(parts, key.secret.expose(), &self.signing_keys, &rules, Some(body_sha256))
            .map_err(|source| GateError::Signature { source })?;
        self.used(presented, service);
        Ok(())
    }

    /// Notes that a request to `service` was signed rightly with the key it names.
    pub fn used(&self, presented: &Presented, service: &str) {
        let (id, region) = (&presented.access_key_id, &presented.scope.region);
        self.parts.credentials.used(id, self.runtime().now(), service, region);
    }

    /// The condition keys of a request by `principal`. `presented` adds those of the signature.
    pub fn context(
        &self,
        meta: &RequestMeta,
        headers: &HeaderMap,
        principal: &Principal,
        presented: Option<&Presented>,
    ) -> Context {
        let mut context = conditions::of_request(meta, headers, principal, self.region());
        if let Some(presented) = presented {
            conditions::of_signature(meta, presented, &mut context);
        }
        context
    }

    /// Where a call of `principal` happens.
    pub fn scope(&self, principal: &Principal) -> Scope {
        Scope { account: principal.account.clone(), region: self.region().clone() }
    }

    /// The draft of a call's audit record, to be completed by its caller: event name, parameters and resources are empty.
    pub fn draft(
        &self,
        meta: &RequestMeta,
        headers: &HeaderMap,
        principal: &Principal,
        event_source: String,
    ) -> EventDraft {
        EventDraft {
            id: self.runtime().entropy.bytes(),
            request_id: meta.request_id.clone(),
            time_ms: meta.time.as_millisecond(),
            event_source,
            event_name: String::new(),
            read_only: true,
            management: true,
            scope: self.scope(principal),
            principal: principal.clone(),
            source_ip: meta.peer.ip().to_canonical().to_string(),
            user_agent: conditions::claim(headers, http::header::USER_AGENT).unwrap_or_default(),
            request_parameters: "null".to_owned(),
            resources: Vec::new(),
        }
    }

    /// How a request came, for its record.
    pub fn details(&self, meta: &RequestMeta, headers: &HeaderMap) -> EventDetails {
        EventDetails {
            host: conditions::claim(headers, http::header::HOST),
            tls: meta.tls.map(|tls| (tls.version.to_owned(), tls.cipher_suite.to_owned())),
            additional: Vec::new(),
        }
    }

    /// Asks the policies; the yes is a caller with its audit record drafted. A no is not yet recorded: see `failed`.
    pub fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        context: Context,
        draft: impl Into<Arc<EventDraft>>,
    ) -> Result<Caller, GateError> {
        let authorized = self.noting.authorize(principal, requirements, &context);
        let authorized = authorized.map_err(|source| GateError::Denied { source })?;
        let bound = BoundAuthorizer::new(self.noting.clone(), principal.clone(), context);
        Ok(Caller::new(authorized, bound, draft))
    }

    /// Whether the policies allow something that is asked only for what to say of a refusal.
    pub fn may(&self, principal: &Principal, requirement: Requirement, context: &Context) -> bool {
        self.parts.authorizer.authorize(principal, vec![requirement], context).is_ok()
    }

    pub(crate) fn messages(&self) -> &dyn AuthorizationMessages {
        &*self.parts.messages
    }

    /// Events of the caller's account: see `AuditLog::search`.
    pub(crate) async fn search(
        &self,
        caller: &Caller,
        filter: EventFilter,
        marker: Option<String>,
        limit: usize,
    ) -> Result<RecordPage, AuditError> {
        self.parts.audit.search(caller.clone(), filter, marker, limit).await
    }

    /// Counts a request of `meta`'s source that did not prove who it is by; `Err` once there are too many, and then it is on record only as
    /// one of so many that were left out.
    pub fn unproven(&self, meta: &RequestMeta) -> Result<(), GateError> {
        if self.failures.count(meta.peer.ip(), meta.time) {
            return Ok(());
        }
        self.forgotten(self.refusal_records.leave_out(meta.peer.ip(), meta.time));
        Err(GateError::TooManyFailures)
    }

    /// Records that a call was refused or failed. Of callers who say nothing of who they are, so many of one source; the others are counted.
    pub fn failed(&self, draft: &EventDraft, details: &EventDetails, code: &str, message: &str) {
        let says_nothing = draft.principal.is_anonymous() && draft.principal.access_key_id.is_none();
        if says_nothing && let Ok(source) = draft.source_ip.parse() {
            let (is_for_record, forgotten) = self.refusal_records.count(source, self.runtime().now());
            self.forgotten(forgotten);
            if !is_for_record {
                return;
            }
        }
        self.record_failure(draft, details, code, message);
    }

    fn forgotten(&self, left_out: Option<LeftOut>) {
        if let Some(left_out) = left_out {
            self.record_left_out(&left_out);
        }
    }

    pub(crate) fn record_failure(&self, draft: &EventDraft, details: &EventDetails, code: &str, message: &str) {
        self.parts.audit.failed(draft, details, code, message);
    }

    pub(crate) fn refusal_records(&self) -> &RefusalRecords {
        &self.refusal_records
    }

    /// The call of `caller` begins, and what it is answered is to be on record.
    pub(crate) fn answering(&self, caller: &Caller) -> Option<Answering> {
        self.parts.audit.answering(caller.event().id)
    }

    /// Records a call that was done, unless its commit already has.
    pub fn done(&self, caller: &Caller) {
        if !caller.is_recorded() {
            self.parts.audit.done(caller.event(), caller.details());
        }
    }
}

fn of_credentials(error: CredentialsError) -> GateError {
    match error {
        CredentialsError::TokenExpired => GateError::TokenExpired,
        CredentialsError::TokenInvalid => GateError::TokenInvalid,
        source @ CredentialsError::Unreadable { .. } => GateError::Credentials { source },
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> String {
        secret.expose().to_owned()
    }
}
