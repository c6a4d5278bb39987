//! Temporary credentials: an access key whose secret follows from its id, and a token that says whose it is. Neither is stored.
//!
//! The secret is derived from the lake's root key and the access key's id, so that a signature can be checked before the token is read. The
//! token is what the session is, sealed under a key derived from the root key and bound to that id: it opens for no other.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use tarn_keys::{KeyContext, SealedSecret, Secret};
use tarn_metadata::{Read, Record, StoreExt, decode_record, encode_record};
use tarn_policy::{Principal, PrincipalKind, Session, SessionIssuer};
use tarn_runtime::{EntropyExt, Timestamp};
use tarn_types::{AccountId, Arn};

use crate::access_keys::user_principal;
use crate::records::{AccessKeyStatus, ROLES, in_account};
use crate::tags::tags_of;
use crate::{AccessKey, ID_ALPHABET, Identity, IdentityError, Tag};

/// What access keys of temporary credentials begin with.
const ACCESS_KEY_PREFIX: &str = "ASIA";
const ACCESS_KEY_CHARS: usize = 20;
/// 40 characters, as other secrets have.
const SECRET_BYTES: usize = 30;
/// The most bytes that a session's policies, tags and names can have: the token, a third larger, travels in a header of every request.
pub(crate) const CLAIMS_SIZE_BYTES_MAX: usize = 4_096;
/// No token is longer; a longer one need not be opened.
pub const SESSION_TOKEN_CHARS_MAX: usize = 8_192;

/// Temporary credentials as they are given, this once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCredentials {
    /// `ASIA...`.
    pub access_key_id: String,
    /// What its holder signs with.
    pub secret: Secret,
    /// What goes with every request.
    pub token: Secret,
    /// When they end, milliseconds since 1970.
    pub expires_ms: i64,
}

/// Who has temporary credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holder {
    Root,
    User {
        user_id: String,
    },
    Role {
        role_id: String,
        session_name: String,
    },
    /// Made by a user, or by root.
    Federated {
        name: String,
        user_id: Option<String>,
    },
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub account: AccountId,
    pub holder: Holder,
    pub issued_ms: i64,
    pub expires_ms: i64,
    pub policy: Option<String>,
    pub policy_arns: Vec<String>,
    pub tags: Vec<Tag>,
    pub transitive_tag_keys: Vec<String>,
    pub source_identity: Option<String>,
    pub federated_provider: Option<String>,
}

impl Record for Claims {
    const VERSION: u16 = 1;
}

#[derive(Serialize, Deserialize)]
struct Token(SealedSecret);

impl Record for Token {
    const VERSION: u16 = 1;
}

fn secret_context(access_key_id: &str) -> KeyContext {
    KeyContext::new("identity.session-secret").part(access_key_id.as_bytes())
}

fn token_context(access_key_id: &str) -> KeyContext {
    KeyContext::new("identity.session-token").part(access_key_id.as_bytes())
}

/// Whether an access key's id is of the form that temporary credentials have.
fn is_of_session(access_key_id: &str) -> bool {
    access_key_id.len() == ACCESS_KEY_CHARS
        && access_key_id
            .strip_prefix(ACCESS_KEY_PREFIX)
            .is_some_and(|rest| rest.bytes().all(|b| ID_ALPHABET.contains(&b)))
}

impl Claims {
    fn size_bytes(&self) -> usize {
        encode_record(self).map_or(usize::MAX, |bytes| bytes.len())
    }

    /// How much of the space for them they take, as AWS tells it.
    pub(crate) fn packed_percent(&self) -> u32 {
        u32::try_from(self.size_bytes().saturating_mul(100).div_ceil(CLAIMS_SIZE_BYTES_MAX)).unwrap_or(u32::MAX)
    }

    fn session(&self, issuer: Option<SessionIssuer>) -> Session {
        let Self { issued_ms, expires_ms, policy, policy_arns, .. } = self.clone();
        let Self { transitive_tag_keys, source_identity, federated_provider, .. } = self.clone();
        Session {
            issued_ms,
            expires_ms,
            issuer,
            policy,
            policy_arns,
            source_identity,
            transitive_tag_keys,
            federated_provider,
        }
    }

    /// Who asks; `None` if the user or role is gone.
    pub(crate) fn principal(&self, read: &impl Read) -> Result<Option<Principal>, IdentityError> {
        let account = &self.account;
        let (mut principal, issuer) = match &self.holder {
            Holder::Root => (Principal::root(account.clone()), None),
            Holder::User { user_id } => {
                let Some(principal) = user_principal(read, account, user_id)? else { return Ok(None) };
                (principal, None)
            }
            Holder::Role { role_id, session_name } => {
                let Some(role) = read.get(ROLES, &in_account(account, role_id))? else { return Ok(None) };
                let arn = Arn::iam(account, format!("role{}{}", role.path, role.name));
                let kind = PrincipalKind::AssumedRole { role: role.name, session: session_name.clone() };
                let mut principal = Principal::new(kind, account.clone(), format!("{role_id}:{session_name}"));
                let tags = tags_of(read, account, role_id)?;
                principal.standing.tags = Arc::new(tags.into_iter().map(|tag| (tag.key, tag.value)).collect());
                (principal, Some(SessionIssuer { id: role_id.clone(), arn }))
            }
            Holder::Federated { name, user_id } => {
                let kind = PrincipalKind::FederatedUser { name: name.clone() };
                let mut principal = Principal::new(kind, account.clone(), format!("{account}:{name}"));
                let issuer = match user_id {
                    None => None,
                    Some(user_id) => {
                        let Some(user) = user_principal(read, account, user_id)? else { return Ok(None) };
                        principal.standing.tags = user.standing.tags.clone();
                        user.arn().map(|arn| SessionIssuer { id: user_id.clone(), arn })
                    }
                };
                (principal, issuer)
            }
        };
        if !self.tags.is_empty() {
            let mut tags = (*principal.standing.tags).clone();
            // A session's tag takes the place of its role's, whatever the case of their keys.
            for Tag { key, value } in &self.tags {
                tags.retain(|known, _| !known.eq_ignore_ascii_case(key));
                tags.insert(key.clone(), value.clone());
            }
            principal.standing.tags = Arc::new(tags);
        }
        principal.standing.session = Some(Arc::new(self.session(issuer)));
        Ok(Some(principal))
    }
}

impl Identity {
    fn session_secret(&self, access_key_id: &str) -> Result<Secret, IdentityError> {
        let derived = self.keys.derived_secret::<SECRET_BYTES>(&secret_context(access_key_id));
        let derived = derived.map_err(|source| IdentityError::Keys { source })?;
        Ok(Secret::new(BASE64_STANDARD.encode(derived.expose())))
    }

    /// Makes credentials that say `claims`.
    pub(crate) fn issue(&self, claims: &Claims) -> Result<SessionCredentials, IdentityError> {
        let percent = claims.packed_percent();
        if percent > 100 {
            return Err(IdentityError::PackedPolicyTooLarge { percent });
        }
        let unreadable = |error: tarn_metadata::RecordError| IdentityError::InvalidInput { reason: error.to_string() };
        let rest = self.runtime.entropy.text(ID_ALPHABET, ACCESS_KEY_CHARS - ACCESS_KEY_PREFIX.len());
        let access_key_id = format!("{ACCESS_KEY_PREFIX}{rest}");
        let plain = encode_record(claims).map_err(unreadable)?;
        let sealed = self.keys.seal_secret(&plain, &token_context(&access_key_id));
        let token = Token(sealed.map_err(|source| IdentityError::Keys { source })?);
        let token = Secret::new(BASE64_STANDARD.encode(encode_record(&token).map_err(unreadable)?));
        let secret = self.session_secret(&access_key_id)?;
        Ok(SessionCredentials { access_key_id, secret, token, expires_ms: claims.expires_ms })
    }

    /// What `token` says, if it is this lake's and was given with `access_key_id`.
    fn open(&self, access_key_id: &str, token: &str) -> Result<Claims, IdentityError> {
        if token.len() > SESSION_TOKEN_CHARS_MAX || !is_of_session(access_key_id) {
            return Err(IdentityError::TokenInvalid);
        }
        let bytes = BASE64_STANDARD.decode(token).map_err(|_| IdentityError::TokenInvalid)?;
        let token: Token = decode_record(&bytes).map_err(|_| IdentityError::TokenInvalid)?;
        // One spelling only: a record may have more behind it.
        if encode_record(&token).map_err(|_| IdentityError::TokenInvalid)? != bytes {
            return Err(IdentityError::TokenInvalid);
        }
        let opened = self.keys.open_secret(&token.0, &token_context(access_key_id));
        let opened = opened.map_err(|_| IdentityError::TokenInvalid)?;
        decode_record(opened.expose()).map_err(|_| IdentityError::TokenInvalid)
    }

    /// The secret that requests with the key `access_key_id` are signed with, before any token is looked at; `None` if there can be no such
    /// key. On the path of every signed request.
    pub fn secret_of(&self, access_key_id: &str) -> Result<Option<Secret>, IdentityError> {
        match self.access_key(access_key_id)? {
            Some(key) => Ok((key.status == AccessKeyStatus::Active).then_some(key.secret)),
            None if is_of_session(access_key_id) => self.session_secret(access_key_id).map(Some),
            None => Ok(None),
        }
    }

    /// The temporary access key that `token` came with. What it says of users, roles and their tags is what they are now: who is gone has no
    /// session any more.
    pub fn session(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<AccessKey, IdentityError> {
        let now_ms = now.as_millisecond();
        let (key, expires_ms) = match self.cache.session(access_key_id, token) {
            Ok(known) => known,
            Err(generation) => {
                let claims = self.open(access_key_id, token)?;
                if claims.expires_ms <= now_ms {
                    return Err(IdentityError::TokenExpired);
                }
                let found = claims.principal(&self.store.read()?)?;
                let mut principal = found.ok_or(IdentityError::TokenInvalid)?;
                principal.access_key_id = Some(access_key_id.to_owned());
                let secret = self.session_secret(access_key_id)?;
                let key = AccessKey { secret, principal, status: AccessKeyStatus::Active };
                self.cache.keep_session(generation, access_key_id, token, &key, claims.expires_ms);
                (key, claims.expires_ms)
            }
        };
        if expires_ms <= now_ms { Err(IdentityError::TokenExpired) } else { Ok(key) }
    }
}
