//! One audit event. Fields follow CloudTrail's record, version 1.11, so that a trail can be written from it later:
//! <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>

use serde::{Deserialize, Serialize};
use tarn_metadata::{Key, Keyspace, Record, RecordError, StoreError, Tx, decode_form};
use tarn_policy::{Principal, PrincipalKind, Session, SessionIssuer};
use tarn_types::{AccountId, Scope};

/// All events, by account, time (milliseconds) and id.
pub const EVENTS: Keyspace<Event> = Keyspace::new(0x0300, "audit.events");

/// Names an event: a UUID's bytes.
pub type EventId = [u8; 16];

/// What is known of a call before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// Names the event.
    pub id: EventId,
    /// The request's own id, as the caller saw it.
    pub request_id: String,
    /// When it came in, milliseconds since 1970.
    pub time_ms: i64,
    /// `s3.amazonaws.com`.
    pub event_source: String,
    /// `PutObject`.
    pub event_name: String,
    /// Whether the operation changes nothing.
    pub read_only: bool,
    /// Control plane (true) or data plane: CloudTrail's managementEvent.
    pub management: bool,
    /// Where it happened.
    pub scope: Scope,
    /// Who asked.
    pub principal: Principal,
    /// The socket peer.
    pub source_ip: String,
    /// As sent; cut at 1,024 bytes.
    pub user_agent: String,
    /// The input without secrets and payloads, as JSON text; `null` if there is none.
    pub request_parameters: String,
    /// ARNs of the resources it names.
    pub resources: Vec<String>,
}

/// How a call came, as far as its record tells of it besides who asked what from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDetails {
    /// The host as the client named it.
    pub host: Option<String>,
    /// The TLS version and cipher suite, where the connection ended here.
    pub tls: Option<(String, String)>,
    /// What the service says besides, as texts by name: `SignatureVersion`, `AuthenticationMethod`, ...
    pub additional: Vec<(String, String)>,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused or failed.
    Failure {
        /// `AccessDenied`.
        code: String,
        /// What the caller was told.
        message: String,
    },
}

/// A kept event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Names the event.
    pub id: EventId,
    /// The request's own id.
    pub request_id: String,
    /// Milliseconds since 1970.
    pub time_ms: i64,
    /// `s3.amazonaws.com`.
    pub event_source: String,
    /// `PutObject`.
    pub event_name: String,
    /// Whether the operation changes nothing.
    pub read_only: bool,
    /// Control plane or data plane.
    pub management: bool,
    /// Where it happened.
    pub scope: Scope,
    /// Who asked.
    pub principal: Principal,
    /// The socket peer.
    pub source_ip: String,
    /// As sent.
    pub user_agent: String,
    /// JSON text.
    pub request_parameters: String,
    /// ARNs.
    pub resources: Vec<String>,
    /// What it came to.
    pub outcome: Outcome,
    /// What is known of the temporary credentials it was signed with, if it was.
    pub session: Option<SessionContext>,
    /// How it came, if it was a request.
    pub details: EventDetails,
    /// What it was answered, as JSON text. Not kept here but beside the event, see `ANSWERS`; known of events that were read back.
    #[serde(skip)]
    pub response_elements: Option<String>,
}

/// CloudTrail's sessionContext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionContext {
    /// When the credentials were given, milliseconds since 1970.
    pub issued_ms: i64,
    /// The role that the session is of, or the user that made it for another.
    pub issuer: Option<SessionIssuer>,
    /// Who vouched for whom the credentials were given.
    pub federated_provider: Option<String>,
    /// Whom the caller said it acts for.
    pub source_identity: Option<String>,
}

impl From<&Session> for SessionContext {
    fn from(session: &Session) -> Self {
        let Session { issued_ms, issuer, federated_provider, source_identity, .. } = session;
        Self {
            issued_ms: *issued_ms,
            issuer: issuer.clone(),
            federated_provider: federated_provider.clone(),
            source_identity: source_identity.clone(),
        }
    }
}

impl Record for Event {
    const VERSION: u16 = 3;

    fn migrate(version: u16, bytes: &[u8]) -> Result<Self, RecordError> {
        match version {
            1 => decode_form::<EventV1>(bytes).map(Into::into),
            2 => decode_form::<EventV2>(bytes).map(Into::into),
            found => Err(RecordError::Version { found, known: Self::VERSION }),
        }
    }
}

/// Until there were temporary credentials.
#[derive(Deserialize)]
struct EventV1 {
    id: EventId,
    request_id: String,
    time_ms: i64,
    event_source: String,
    event_name: String,
    read_only: bool,
    management: bool,
    scope: Scope,
    principal: Principal,
    source_ip: String,
    user_agent: String,
    request_parameters: String,
    resources: Vec<String>,
    outcome: Outcome,
}

impl From<EventV1> for Event {
    fn from(old: EventV1) -> Self {
        let EventV1 {
            id,
            request_id,
            time_ms,
            event_source,
            event_name,
            read_only,
            management,
            scope,
            principal,
            source_ip,
            user_agent,
            request_parameters,
            resources,
            outcome,
        } = old;
        Self {
            id,
            request_id,
            time_ms,
            event_source,
            event_name,
            read_only,
            management,
            scope,
            principal,
            source_ip,
            user_agent,
            request_parameters,
            resources,
            outcome,
            session: None,
            details: EventDetails::default(),
            response_elements: None,
        }
    }
}

/// Until it was known how a request came: the first form, and the session behind it.
#[derive(Deserialize)]
struct EventV2 {
    first: EventV1,
    session: Option<SessionContext>,
}

impl From<EventV2> for Event {
    fn from(EventV2 { first, session }: EventV2) -> Self {
        Self { session, ..first.into() }
    }
}

impl EventDraft {
    /// The event it becomes.
    pub fn into_event(self, outcome: Outcome) -> Event {
        let Self {
            id,
            request_id,
            time_ms,
            event_source,
            event_name,
            read_only,
            management,
            scope,
            principal,
            source_ip,
            user_agent,
            request_parameters,
            resources,
        } = self;
        let session = principal.standing.session.as_deref().map(SessionContext::from);
        Event {
            id,
            request_id,
            time_ms,
            event_source,
            event_name,
            read_only,
            management,
            scope,
            session,
            principal,
            source_ip,
            user_agent,
            request_parameters,
            resources,
            outcome,
            details: EventDetails::default(),
            response_elements: None,
        }
    }
}

/// Writes the record of what a worker could not do, in the transaction that says what becomes of it.
pub fn put_failure(tx: &mut Tx<'_>, draft: EventDraft, code: &str, message: &str) -> Result<(), StoreError> {
    let event = draft.into_event(Outcome::Failure { code: code.to_owned(), message: message.to_owned() });
    event.record(tx)
}

/// Who asked, in one word; `None` for nobody.
pub fn user_name(principal: &Principal) -> Option<&str> {
    match &principal.kind {
        PrincipalKind::Root => Some("root"),
        PrincipalKind::User { name, .. } => Some(name),
        PrincipalKind::AssumedRole { session, .. } => Some(session),
        PrincipalKind::Service { name } | PrincipalKind::FederatedUser { name } => Some(name),
        PrincipalKind::WebIdentity { subject, .. } => Some(subject),
        PrincipalKind::Anonymous => None,
    }
}

/// What kind of identity asked, in trails' words.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html>
pub fn user_kind(principal: &Principal) -> &'static str {
    match &principal.kind {
        PrincipalKind::Root => "Root",
        PrincipalKind::User { .. } => "IAMUser",
        PrincipalKind::AssumedRole { .. } => "AssumedRole",
        PrincipalKind::Service { .. } => "AWSService",
        PrincipalKind::FederatedUser { .. } => "FederatedUser",
        PrincipalKind::WebIdentity { .. } => "WebIdentityUser",
        PrincipalKind::Anonymous => "Unknown",
    }
}

/// Where an event is kept: those of an account in the order of their time.
pub(crate) fn event_key(account: &AccountId, time_ms: i64, id: &EventId) -> Key {
    Key::new().text(account.as_str()).u64(u64::try_from(time_ms).unwrap_or(0)).raw(id)
}

impl Event {
    /// Its id in the form of a UUID.
    pub fn id_text(&self) -> String {
        let digits = hex::encode(self.id);
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    /// Where it is kept.
    pub fn key(&self) -> Key {
        event_key(&self.scope.account, self.time_ms, &self.id)
    }
}
