//! What the gateway asks of those who keep access keys and audit records. Knows neither store.

use std::fmt;

use futures::future::BoxFuture;
use tarn_audit::{Answering, AuditError, Caller, EventDetails, EventDraft, EventFilter, EventId};
use tarn_policy::Principal;
use tarn_runtime::Timestamp;

/// A secret access key. Not shown, not logged.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for signing only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// An access key as it is known.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// What its holder signs with.
    pub secret: Secret,
    /// Whose it is.
    pub principal: Principal,
    /// Whether it may be used.
    pub is_active: bool,
}

/// Why a key is not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The keys could not be read.
    #[error("access keys cannot be read: {reason}")]
    Unreadable {
        /// For the log.
        reason: String,
    },
    /// The session is over.
    #[error("the session is over")]
    TokenExpired,
    /// The token is not the key's, or whose session it was is gone.
    #[error("the session token is not valid")]
    TokenInvalid,
}

/// Finds access keys. On the path of every request: answers from memory.
pub trait Credentials: Send + Sync {
    /// The key called `access_key_id`, if there is one. Temporary keys come with a session token, others must have none.
    fn access_key(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<AccessKey>, CredentialsError>;
    /// The secret of the key called `access_key_id`, if there can be one and it may be used: for whom a signature is to be checked before
    /// the token is known. It says nothing of who asks; `access_key` does.
    fn secret(&self, access_key_id: &str) -> Result<Option<Secret>, CredentialsError>;
    /// A request was signed with that key, and rightly. Must not wait.
    fn used(&self, access_key_id: &str, time: Timestamp, service: &str, region: &str);
}

/// Takes what is not recorded by a change's own commit. Must not block: it is called while a caller waits.
pub trait AuditLog: Send + Sync {
    /// A call was refused or failed.
    fn failed(&self, draft: &EventDraft, details: &EventDetails, code: &str, message: &str);
    /// A call was done that committed nothing: kept if a trail asks for it.
    fn done(&self, draft: &EventDraft, details: &EventDetails);
    /// A call begins whose answer is to be on record; `None` where no records are kept.
    fn answering(&self, id: EventId) -> Option<Answering>;
    /// Events of the caller's account, newest first: at most `limit` of those that `filter` takes, after `marker`.
    fn search(
        &self,
        caller: Caller,
        filter: EventFilter,
        marker: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<RecordPage, AuditError>>;
}

/// Some events as CloudTrail writes them, and where the next page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordPage {
    /// Each a JSON object.
    pub records: Vec<String>,
    /// Where the next page begins, if there may be one.
    pub marker: Option<String>,
}
