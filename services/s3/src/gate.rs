//! What S3 asks of the gateway: secrets, decisions, audit. The gateway implements it, so that all services have one way in.

use std::net::SocketAddr;

use http::{HeaderMap, Method, Uri};
use tarn_audit::Caller;
use tarn_policy::{Context, Requirement};
use tarn_runtime::Timestamp;
use tarn_types::{AccountId, TlsSession};

use crate::resources::Operation;

/// What is known of a request before anything of it is believed.
#[derive(Debug, Clone)]
pub struct CallMeta {
    /// The request's id, as the caller sees it.
    pub request_id: String,
    /// When it came in.
    pub time: Timestamp,
    /// The socket's other end.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub is_secure: bool,
    /// The TLS connection that it came on, where that ends here and not at a proxy.
    pub tls: Option<TlsSession>,
}

/// Who signed a browser's form: its signature is genuine, its session token is not yet checked.
#[derive(Clone)]
pub struct FormCredentials {
    /// The access key it was signed with.
    pub access_key_id: String,
    /// The token that came with it.
    pub session_token: Option<String>,
    /// Whether by version 4.
    pub is_version_4: bool,
}

impl std::fmt::Debug for FormCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FormCredentials({})", self.access_key_id)
    }
}

/// A request whose signature was checked (or that has none), and what it wants.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The request as it arrived.
    pub meta: &'a CallMeta,
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The access key it was signed with; the signature is genuine. `None`: it is not signed.
    pub access_key_id: Option<&'a str>,
    /// Set for a browser's form, whose credentials are no headers.
    pub form: Option<&'a FormCredentials>,
    /// The operation.
    pub operation: &'static Operation,
    /// Parameters for the audit record, JSON.
    pub parameters: String,
    /// ARNs for the audit record.
    pub resources: Vec<String>,
    /// What the caller must be allowed.
    pub requirements: Vec<Requirement>,
    /// Condition keys of a signature that only S3 knows: of version 2, and of forms.
    pub signature_keys: Context,
    /// What is not there of what the request is about; asked only where it is refused.
    pub absence: Absence<'a>,
}

/// What of a request's target is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// The bucket. Everybody may know, as everybody may try to make it.
    Bucket,
    /// The object. Who is allowed this, to list it, may know.
    Key(Requirement),
}

/// Finds out whether something is not there.
#[derive(Clone, Copy)]
pub struct Absence<'a>(pub(crate) &'a (dyn Fn() -> Option<Absent> + Send + Sync));

impl Absence<'_> {
    /// What is not there, if something is not.
    pub fn find(&self) -> Option<Absent> {
        (self.0)()
    }
}

impl std::fmt::Debug for Absence<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Absence")
    }
}

/// An account as S3 shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalUser {
    /// Its id in lists and listings.
    pub id: String,
    /// For people.
    pub display_name: String,
}

/// A request that was refused before the gate was asked about it, or for what the gate does not record.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The request as it arrived.
    pub meta: &'a CallMeta,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The access key it names.
    pub access_key_id: Option<&'a str>,
    /// Whether that key's signature is right; otherwise whoever sent it is nobody.
    pub is_genuine: bool,
    /// What it asks for; `Unknown` if it is no operation.
    pub operation: &'a str,
    /// Whether that changes nothing.
    pub read_only: bool,
    /// CloudTrail's managementEvent.
    pub management: bool,
    /// Parameters for the audit record, JSON.
    pub parameters: String,
    /// ARNs for the audit record.
    pub resources: Vec<String>,
    /// The error's code.
    pub code: &'a str,
    /// What the caller was told.
    pub message: &'a str,
}

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateRefusal {
    /// There is no such access key, or it may not be used.
    UnknownKey,
    /// The session token is missing, or is not the key's.
    InvalidToken,
    /// The session is over.
    ExpiredToken,
    /// Policies say no.
    Denied {
        /// What and why, for the caller.
        message: String,
    },
    /// Policies say no, and there is no such bucket.
    NoSuchBucket,
    /// Policies say no, and there is no such object, which the caller may know.
    NoSuchKey,
    /// The source sent too many requests without a right signature.
    SlowDown {
        /// For the caller.
        message: String,
    },
    /// Keys or policies could not be read.
    Unavailable {
        /// For the log.
        reason: String,
    },
}

/// The gateway's questions, as S3 asks them.
pub trait S3Gate: Send + Sync + 'static {
    /// The secret that a request by this key must be signed with.
    fn secret(&self, access_key_id: &str) -> Result<String, GateRefusal>;
    /// Checks the session token, asks the policies, and drafts the audit record. A no of the policies is recorded before this returns.
    fn authorize(&self, asked: Asked<'_>) -> Result<Caller, GateRefusal>;
    /// Counts a request that names a key and has no right signature; `Err` once its source sent too many, and then it is not for the record.
    fn unproven(&self, meta: &CallMeta) -> Result<(), GateRefusal>;
    /// Records a refusal that `authorize` has not recorded.
    fn refused(&self, refused: Refused<'_>);
    /// Records that an authorized call failed.
    fn failed(&self, caller: &Caller, code: &str, message: &str);
    /// Records a call that was done, unless its commit has.
    fn done(&self, caller: &Caller);
    /// How S3 shows an account.
    fn canonical_user(&self, account: &AccountId) -> CanonicalUser;
    /// The account that S3 calls `id`, if there is one.
    fn account_of_canonical_user(&self, id: &str) -> Result<Option<AccountId>, GateRefusal>;
    /// The accounts that have this address.
    fn accounts_of_email(&self, email: &str) -> Result<Vec<AccountId>, GateRefusal>;
}
