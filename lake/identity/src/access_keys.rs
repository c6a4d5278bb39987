//! Access keys: made, listed, switched on and off, removed, and looked up for every signed request.

use std::fmt;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_keys::{KeyContext, SealedSecret, Secret};
use tarn_metadata::{Key, Read, StoreExt};
use tarn_policy::{Principal, PrincipalKind};
use tarn_runtime::EntropyExt;
use tarn_types::AccountId;

use crate::entity_policies::last_part;
use crate::paging::count;
use crate::records::{
    ACCESS_KEYS, ACCOUNTS, AccessKeyRecord, AccessKeyStatus, KeyOwner, LAST_USES, Link, USER_ACCESS_KEYS, USERS,
    UserRecord, account_key, in_account,
};
use crate::tags::tags_of;
use crate::users::find_user;
use crate::{ACCESS_KEYS_PER_USER_MAX, IdKind, Identity, IdentityError, Page, PageRequest, Tag};

const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+";
const SECRET_CHARS: usize = 40;

/// Whose access keys are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyHolder {
    /// The account's root.
    Root,
    /// A user, by name.
    User(String),
}

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
    /// Its user's name; `None` for root.
    pub user_name: Option<String>,
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

/// An existing holder of keys.
struct Holder {
    owner: KeyOwner,
    user_name: Option<String>,
    /// What the links to its keys begin with.
    keys: Key,
}

fn find_holder(read: &impl Read, account: &AccountId, holder: &KeyHolder) -> Result<Holder, IdentityError> {
    Ok(match holder {
        KeyHolder::Root => Holder { owner: KeyOwner::Root, user_name: None, keys: root_keys(account) },
        KeyHolder::User(name) => {
            let UserRecord { id, name, .. } = find_user(read, account, name)?;
            let keys = in_account(account, &id);
            Holder { owner: KeyOwner::User { user_id: id }, user_name: Some(name), keys }
        }
    })
}

/// Root's keys are linked under the account's own id.
pub(crate) fn root_keys(account: &AccountId) -> Key {
    in_account(account, account.as_str())
}

/// The key that the configuration gives root is the way back into the account.
fn check_not_configured(read: &impl Read, account: &AccountId, id: &str) -> Result<(), IdentityError> {
    let configured = read.get(ACCOUNTS, &account_key(account))?.and_then(|account| account.root_access_key_id);
    if configured.as_deref() == Some(id) {
        return Err(IdentityError::ConfiguredKey { id: id.to_owned() });
    }
    Ok(())
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

    /// Makes an access key for `holder`.
    pub async fn create_access_key(
        &self,
        caller: &Caller,
        holder: &KeyHolder,
    ) -> Result<AccessKeyCreated, IdentityError> {
        let (account, holder) = (caller.scope().account.clone(), holder.clone());
        let (key, secret) = self.random_key()?;
        let now_ms = caller.time_ms();
        let summary = self
            .commit(caller, move |tx| {
                let Holder { owner, user_name, keys } = find_holder(tx, &account, &holder)?;
                if count(tx, USER_ACCESS_KEYS, &keys, ACCESS_KEYS_PER_USER_MAX)? >= ACCESS_KEYS_PER_USER_MAX {
                    return Err(IdentityError::LimitExceeded {
                        quota: "AccessKeysPerUser",
                        max: ACCESS_KEYS_PER_USER_MAX,
                    });
                }
                let id = key.id.clone();
                tx.put(USER_ACCESS_KEYS, &keys.text(&id), &Link { since_ms: now_ms })?;
                tx.put(ACCESS_KEYS, &Key::new().text(&id), &key.record(&account, owner, now_ms))?;
                Ok(AccessKeySummary { id, user_name, status: AccessKeyStatus::Active, created_ms: now_ms })
            })
            .await?;
        Ok(AccessKeyCreated { key: summary, secret })
    }

    /// The access keys of `holder`.
    pub fn list_access_keys(
        &self,
        caller: &Caller,
        holder: &KeyHolder,
        page: &PageRequest,
    ) -> Result<Page<AccessKeySummary>, IdentityError> {
        let snapshot = self.store.read()?;
        let Holder { user_name, keys, .. } = find_holder(&snapshot, &caller.scope().account, holder)?;
        page.of(snapshot.prefix(USER_ACCESS_KEYS, &keys), |key, _| {
            let Some(id) = last_part(key, &keys) else { return Ok(None) };
            let record = snapshot.get(ACCESS_KEYS, &Key::new().text(&id))?;
            Ok(record.map(|AccessKeyRecord { status, created_ms, .. }| AccessKeySummary {
                id,
                user_name: user_name.clone(),
                status,
                created_ms,
            }))
        })
    }

    /// Switches an access key of `holder` on or off.
    pub async fn update_access_key(
        &self,
        caller: &Caller,
        holder: &KeyHolder,
        id: &str,
        status: AccessKeyStatus,
    ) -> Result<(), IdentityError> {
        let (account, holder, id) = (caller.scope().account.clone(), holder.clone(), id.to_owned());
        self.commit(caller, move |tx| {
            let holder = find_holder(tx, &account, &holder)?;
            let mut record = key_of(tx, &account, &holder, &id)?;
            if status == AccessKeyStatus::Inactive {
                check_not_configured(tx, &account, &id)?;
            }
            record.status = status;
            Ok(tx.put(ACCESS_KEYS, &Key::new().text(&id), &record)?)
        })
        .await
    }

    /// Removes an access key of `holder`.
    pub async fn delete_access_key(&self, caller: &Caller, holder: &KeyHolder, id: &str) -> Result<(), IdentityError> {
        let (account, holder, removed) = (caller.scope().account.clone(), holder.clone(), id.to_owned());
        self.commit(caller, move |tx| {
            let holder = find_holder(tx, &account, &holder)?;
            key_of(tx, &account, &holder, &removed)?;
            check_not_configured(tx, &account, &removed)?;
            tx.delete(USER_ACCESS_KEYS, &holder.keys.text(&removed))?;
            tx.delete(LAST_USES, &Key::new().text(&removed))?;
            Ok(tx.delete(ACCESS_KEYS, &Key::new().text(&removed))?)
        })
        .await?;
        self.noted.forget(id);
        Ok(())
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
                let Some(principal) = user_principal(&snapshot, &account, &user_id)? else { return Ok(None) };
                principal
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

/// The user that `user_id` names, as it asks.
pub(crate) fn user_principal(
    read: &impl Read,
    account: &AccountId,
    user_id: &str,
) -> Result<Option<Principal>, IdentityError> {
    let Some(UserRecord { id, name, path, .. }) = read.get(USERS, &in_account(account, user_id))? else {
        return Ok(None);
    };
    let tags = tags_of(read, account, &id)?.into_iter().map(|Tag { key, value }| (key, value)).collect();
    let mut principal = Principal::new(PrincipalKind::User { name, path }, account.clone(), id);
    principal.standing.tags = Arc::new(tags);
    Ok(Some(principal))
}

fn key_of(read: &impl Read, account: &AccountId, holder: &Holder, id: &str) -> Result<AccessKeyRecord, IdentityError> {
    let missing = || IdentityError::NoSuchAccessKey { id: id.to_owned() };
    let record = read.get(ACCESS_KEYS, &Key::new().text(id))?.ok_or_else(missing)?;
    if record.account == *account && record.owner == holder.owner { Ok(record) } else { Err(missing()) }
}
