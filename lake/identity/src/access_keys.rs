//! Access keys: made, listed, switched on and off, removed, and looked up for every signed request.

use std::fmt;

use tarn_audit::Caller;
use tarn_keys::{KeyContext, SealedSecret, Secret};
use tarn_metadata::{Key, Read, StoreExt};
use tarn_policy::{Principal, PrincipalKind};
use tarn_runtime::EntropyExt;
use tarn_types::AccountId;

use crate::paging::count;
use crate::records::{
    ACCESS_KEYS, AccessKeyRecord, AccessKeyStatus, KeyOwner, LAST_USES, Link, USER_ACCESS_KEYS, USERS, UserRecord,
    in_account,
};
use crate::users::find_user;
use crate::{ACCESS_KEYS_PER_USER_MAX, IdKind, Identity, IdentityError, Page, PageRequest};

const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+";
const SECRET_CHARS: usize = 40;

/// An access key as signatures are checked by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// What its holder signs with.
    pub secret: Secret,
    /// Whose it is.
    pub principal: Principal,
    /// Whether it may be used.
    pub status: AccessKeyStatus,
}

/// A new access key, with the secret that is shown this once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyCreated {
    /// All but the secret.
    pub key: AccessKeySummary,
    /// The secret.
    pub secret: Secret,
}

/// An access key as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeySummary {
    /// `AKIA...`.
    pub id: String,
    /// Its user's name.
    pub user_name: String,
    /// Whether it may be used.
    pub status: AccessKeyStatus,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

/// A key whose secret is sealed, ready to be put by a transaction.
pub(crate) struct SealedKey {
    pub id: String,
    secret: SealedSecret,
    /// Whether another sealed secret is the same.
    pub same_as: Box<dyn Fn(&SealedSecret) -> bool + Send>,
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedKey({})", self.id)
    }
}

impl SealedKey {
    pub(crate) fn record(self, account: &AccountId, owner: KeyOwner, created_ms: i64) -> AccessKeyRecord {
        AccessKeyRecord {
            account: account.clone(),
            owner,
            status: AccessKeyStatus::Active,
            created_ms,
            secret: self.secret,
        }
    }
}

pub(crate) fn owner_name(account: &AccountId, owner: &KeyOwner) -> String {
    match owner {
        KeyOwner::Root => format!("the root of {account}"),
        KeyOwner::User { user_id } => format!("the user {user_id} of {account}"),
    }
}

/// A sealed secret opens for the access key that it was made for only.
fn context(access_key_id: &str) -> KeyContext {
    KeyContext::new("identity.access-key").part(access_key_id.as_bytes())
}

fn user_keys(account: &AccountId, user: &UserRecord) -> Key {
    in_account(account, &user.id)
}

impl Identity {
    pub(crate) fn seal_key(&self, id: String, secret: Secret) -> Result<(SealedKey, Secret), IdentityError> {
        let context = context(&id);
        let sealed =
            self.keys.seal_secret(secret.expose(), &context).map_err(|source| IdentityError::Keys { source })?;
        let (keys, wanted) = (self.keys.clone(), secret.clone());
        let same_as =
            Box::new(move |other: &SealedSecret| keys.open_secret(other, &context).is_ok_and(|other| other == wanted));
        Ok((SealedKey { id, secret: sealed, same_as }, secret))
    }

    pub(crate) fn random_key(&self) -> Result<(SealedKey, Secret), IdentityError> {
        let secret = Secret::new(self.runtime.entropy.text(SECRET_ALPHABET, SECRET_CHARS));
        self.seal_key(self.new_id(IdKind::AccessKey), secret)
    }

    /// Makes an access key for `user`.
    pub async fn create_access_key(&self, caller: &Caller, user: &str) -> Result<AccessKeyCreated, IdentityError> {
        let (account, user) = (caller.scope().account.clone(), user.to_owned());
        let (key, secret) = self.random_key()?;
        let now_ms = caller.time_ms();
        let summary = self
            .commit(caller, move |tx| {
                let user = find_user(tx, &account, &user)?;
                let of_user = user_keys(&account, &user);
                if count(tx, USER_ACCESS_KEYS, &of_user, ACCESS_KEYS_PER_USER_MAX)? >= ACCESS_KEYS_PER_USER_MAX {
                    return Err(IdentityError::LimitExceeded {
                        quota: "AccessKeysPerUser",
                        max: ACCESS_KEYS_PER_USER_MAX,
                    });
                }
                let id = key.id.clone();
                tx.put(USER_ACCESS_KEYS, &of_user.text(&id), &Link { since_ms: now_ms })?;
                tx.put(
                    ACCESS_KEYS,
                    &Key::new().text(&id),
                    &key.record(&account, KeyOwner::User { user_id: user.id }, now_ms),
                )?;
                Ok(AccessKeySummary { id, user_name: user.name, status: AccessKeyStatus::Active, created_ms: now_ms })
            })
            .await?;
        Ok(AccessKeyCreated { key: summary, secret })
    }

    /// The access keys of `user`.
    pub fn list_access_keys(
        &self,
        caller: &Caller,
        user: &str,
        page: &PageRequest,
    ) -> Result<Page<AccessKeySummary>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let user = find_user(&snapshot, account, user)?;
        let of_user = user_keys(account, &user);
        page.of(snapshot.prefix(USER_ACCESS_KEYS, &of_user), |key, _| {
            let Some(id) = Key::reader(key.as_bytes().get(of_user.as_bytes().len()..).unwrap_or_default()).text()
            else {
                return Ok(None);
            };
            let record = snapshot.get(ACCESS_KEYS, &Key::new().text(&id))?;
            Ok(record.map(|AccessKeyRecord { status, created_ms, .. }| AccessKeySummary {
                id,
                user_name: user.name.clone(),
                status,
                created_ms,
            }))
        })
    }

    /// Switches an access key of `user` on or off.
    pub async fn update_access_key(
        &self,
        caller: &Caller,
        user: &str,
        id: &str,
        status: AccessKeyStatus,
    ) -> Result<(), IdentityError> {
        let (account, user, id) = (caller.scope().account.clone(), user.to_owned(), id.to_owned());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &user)?;
            let mut record = key_of_user(tx, &account, &user, &id)?;
            record.status = status;
            Ok(tx.put(ACCESS_KEYS, &Key::new().text(&id), &record)?)
        })
        .await
    }

    /// Removes an access key of `user`.
    pub async fn delete_access_key(&self, caller: &Caller, user: &str, id: &str) -> Result<(), IdentityError> {
        let (account, user, removed) = (caller.scope().account.clone(), user.to_owned(), id.to_owned());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &user)?;
            key_of_user(tx, &account, &user, &removed)?;
            tx.delete(USER_ACCESS_KEYS, &user_keys(&account, &user).text(&removed))?;
            tx.delete(LAST_USES, &Key::new().text(&removed))?;
            Ok(tx.delete(ACCESS_KEYS, &Key::new().text(&removed))?)
        })
        .await?;
        self.noted.forget(id);
        Ok(())
    }

    /// The user's name that an access key of the caller's account belongs to, for calls that name none.
    pub fn user_name_of_caller(&self, caller: &Caller) -> Result<String, IdentityError> {
        match &caller.principal().kind {
            PrincipalKind::User { name, .. } => Ok(name.clone()),
            PrincipalKind::Root
            | PrincipalKind::AssumedRole { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::Anonymous => Err(IdentityError::NotAUser),
        }
    }

    /// The access key `id`, whatever its status; `None` if there is none. On the path of every signed request: from memory if it can be.
    pub fn access_key(&self, id: &str) -> Result<Option<AccessKey>, IdentityError> {
        let generation = match self.cache.access_key(id) {
            Ok(known) => return Ok(Some(known)),
            Err(generation) => generation,
        };
        if id.is_empty() || id.len() > ACCESS_KEY_ID_BYTES_MAX {
            return Ok(None);
        }
        let snapshot = self.store.read()?;
        let Some(AccessKeyRecord { account, owner, status, secret, .. }) =
            snapshot.get(ACCESS_KEYS, &Key::new().text(id))?
        else {
            return Ok(None);
        };
        let mut principal = match owner {
            KeyOwner::Root => Principal::root(account),
            KeyOwner::User { user_id } => {
                let Some(UserRecord { id, name, path, .. }) = snapshot.get(USERS, &in_account(&account, &user_id))?
                else {
                    return Ok(None);
                };
                Principal { kind: PrincipalKind::User { name, path }, account, id, access_key_id: None }
            }
        };
        principal.access_key_id = Some(id.to_owned());
        let secret = self.keys.open_secret(&secret, &context(id)).map_err(|source| IdentityError::Keys { source })?;
        let key = AccessKey { secret, principal, status };
        self.cache.keep_access_key(generation, id, &key);
        Ok(Some(key))
    }
}

/// No access key's id is longer; a longer one need not be looked for.
const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

fn key_of_user(
    read: &impl Read,
    account: &AccountId,
    user: &UserRecord,
    id: &str,
) -> Result<AccessKeyRecord, IdentityError> {
    let missing = || IdentityError::NoSuchAccessKey { id: id.to_owned() };
    let record = read.get(ACCESS_KEYS, &Key::new().text(id))?.ok_or_else(missing)?;
    let owner = KeyOwner::User { user_id: user.id.clone() };
    if record.account == *account && record.owner == owner { Ok(record) } else { Err(missing()) }
}
