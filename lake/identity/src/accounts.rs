//! Accounts and their roots: made and kept in step with the configuration at the server's start.

use tarn_audit::{EventDraft, Outcome};
use tarn_keys::Secret;
use tarn_metadata::{Read, StoreExt, Tx, WriteError};
use tarn_policy::Principal;
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Region, Scope};

use crate::access_keys::{SealedKey, owner_name, root_keys};
use crate::records::{
    ACCESS_KEYS, ACCOUNTS, AccessKeyStatus, AccountRecord, KeyOwner, Link, USER_ACCESS_KEYS, account_key,
};
use crate::{IdKind, Identity, IdentityError};

/// An access key that somebody chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsConfig {
    /// 3 to 128 letters, digits, `_`, `-` or `.`.
    pub access_key_id: String,
    /// At least 8 characters.
    pub secret_access_key: Secret,
}

/// A user that must exist, with an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// Its name.
    pub name: String,
    /// Its access key.
    pub credentials: CredentialsConfig,
}

/// An account that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfig {
    /// Its id.
    pub id: AccountId,
    /// For people.
    pub name: String,
    /// For people.
    pub email: String,
    /// What S3 calls it; random if none is given.
    pub canonical_user_id: Option<String>,
    /// Root's access key. If none is given and there is none yet, one is made.
    pub root: Option<CredentialsConfig>,
    /// Its users; others may exist besides.
    pub users: Vec<UserConfig>,
}

/// What an account has after `bootstrap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrapped {
    /// The account.
    pub account: AccountId,
    /// Whether it was made now.
    pub is_new: bool,
    /// Root's access key.
    pub root_access_key_id: String,
    /// Root's secret, if it was made now: to be shown and kept by whoever starts the server; it cannot be had again.
    pub root_secret_access_key: Option<Secret>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// For people.
    pub name: String,
    /// For people.
    pub email: String,
    /// What S3 calls it: 64 hexadecimal digits unless configured otherwise.
    pub canonical_user_id: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl From<AccountRecord> for Account {
    fn from(record: AccountRecord) -> Self {
        let AccountRecord { id, name, email, canonical_user_id, created_ms, root_access_key_id: _ } = record;
        Self { id, name, email, canonical_user_id, created_ms }
    }
}

const ACCESS_KEY_ID_CHARS_MIN: usize = 3;
const ACCESS_KEY_ID_CHARS_MAX: usize = 128;
const SECRET_CHARS_MIN: usize = 8;

impl CredentialsConfig {
    fn check(&self) -> Result<(), IdentityError> {
        let id = &self.access_key_id;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(ACCESS_KEY_ID_CHARS_MIN..=ACCESS_KEY_ID_CHARS_MAX).contains(&id.len()) || !id.bytes().all(legal) {
            return Err(IdentityError::InvalidInput {
                reason: format!("The access key id `{id}` is not 3 to 128 letters, digits, `_`, `-` or `.`."),
            });
        }
        match self.secret_access_key.expose_text() {
            Some(secret) if secret.chars().count() >= SECRET_CHARS_MIN => Ok(()),
            Some(_) | None => Err(IdentityError::InvalidInput {
                reason: format!(
                    "The secret of the access key {id} has fewer than {SECRET_CHARS_MIN} characters: give a longer one."
                ),
            }),
        }
    }
}

impl Identity {
    /// Makes `accounts` exist as configured: safe to repeat, one transaction. Credentials that are given are put in place of other ones.
    pub async fn bootstrap(
        &self,
        region: &Region,
        accounts: Vec<AccountConfig>,
    ) -> Result<Vec<Bootstrapped>, IdentityError> {
        let mut plans = Vec::new();
        for config in accounts {
            let root = match &config.root {
                Some(credentials) => Some(self.configured_key(credentials)?),
                None => None,
            };
            let users = config
                .users
                .iter()
                .map(|user| Ok((user.name.clone(), self.new_id(IdKind::User), self.configured_key(&user.credentials)?)))
                .collect::<Result<Vec<_>, IdentityError>>()?;
            let fallback = self.random_key()?;
            let canonical = self.runtime.entropy.bytes::<32>().map(|byte| format!("{byte:02x}")).concat();
            let record = AccountRecord {
                id: config.id.clone(),
                name: config.name,
                email: config.email,
                canonical_user_id: config.canonical_user_id.unwrap_or(canonical),
                created_ms: self.runtime.now().as_millisecond(),
                root_access_key_id: None,
            };
            let event = self.bootstrap_event(region, &config.id);
            plans.push((record, root, fallback, users, event));
        }
        let now_ms = self.runtime.now().as_millisecond();
        let done = self
            .store
            .write(move |tx| {
                let mut done = Vec::new();
                for (record, root, fallback, users, event) in plans {
                    let (bootstrapped, root_changed) = put_account(tx, record, root, fallback, now_ms)?;
                    let mut changed = root_changed;
                    for (name, user_id, key) in users {
                        changed |=
                            crate::users::put_configured(tx, &bootstrapped.account, &name, user_id, key, now_ms)?;
                    }
                    if changed {
                        let event = event.into_event(Outcome::Success);
                        event.record(tx)?;
                    }
                    done.push(bootstrapped);
                }
                Ok::<_, IdentityError>(done)
            })
            .await;
        self.cache.forget();
        done.map_err(|error| match error {
            WriteError::Refused(error) => error,
            WriteError::Store(source) => IdentityError::Store { source },
        })
    }

    fn bootstrap_event(&self, region: &Region, account: &AccountId) -> EventDraft {
        EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.runtime.now().as_millisecond(),
            event_source: "iam.amazonaws.com".to_owned(),
            event_name: "ConfigureAccount".to_owned(),
            read_only: false,
            management: true,
            scope: Scope { account: account.clone(), region: region.clone() },
            principal: Principal::service(account.clone(), "iam.amazonaws.com"),
            source_ip: "iam.amazonaws.com".to_owned(),
            user_agent: "iam.amazonaws.com".to_owned(),
            request_parameters: "null".to_owned(),
            resources: vec![tarn_types::Arn::iam(account, "root").to_string()],
        }
    }

    fn configured_key(&self, credentials: &CredentialsConfig) -> Result<(SealedKey, Secret), IdentityError> {
        credentials.check()?;
        self.seal_key(credentials.access_key_id.clone(), credentials.secret_access_key.clone())
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> Result<Vec<Account>, IdentityError> {
        let snapshot = self.store.read()?;
        let accounts = snapshot.prefix(ACCOUNTS, &tarn_metadata::Key::new());
        accounts.map(|item| Ok(Account::from(item?.1))).collect()
    }

    /// The account `id`, if there is one.
    pub fn account(&self, id: &AccountId) -> Result<Option<Account>, IdentityError> {
        Ok(self.store.read()?.get(ACCOUNTS, &account_key(id))?.map(Account::from))
    }

    /// The account that S3 calls `canonical_user_id`, if there is one.
    pub fn account_by_canonical_user_id(&self, canonical_user_id: &str) -> Result<Option<Account>, IdentityError> {
        Ok(self.accounts()?.into_iter().find(|account| account.canonical_user_id == canonical_user_id))
    }
}

fn put_account(
    tx: &mut Tx<'_>,
    fresh: AccountRecord,
    root: Option<(SealedKey, Secret)>,
    fallback: (SealedKey, Secret),
    now_ms: i64,
) -> Result<(Bootstrapped, bool), IdentityError> {
    let id = fresh.id.clone();
    let known = tx.get(ACCOUNTS, &account_key(&id))?;
    let is_new = known.is_none();
    let mut account = known.unwrap_or_else(|| fresh.clone());
    let before = account.clone();
    account.name = fresh.name;
    account.email = fresh.email;
    let (key, shown) = match (root, &account.root_access_key_id) {
        (Some((key, _)), _) => (Some(key), None),
        (None, Some(_)) => (None, None),
        (None, None) => (Some(fallback.0), Some(fallback.1)),
    };
    let mut changed = is_new;
    if let Some(key) = key {
        if let Some(old) = account.root_access_key_id.as_ref().filter(|old| **old != key.id) {
            tx.delete(ACCESS_KEYS, &tarn_metadata::Key::new().text(old))?;
            tx.delete(USER_ACCESS_KEYS, &root_keys(&id).text(old))?;
        }
        account.root_access_key_id = Some(key.id.clone());
        changed |= put_key(tx, &id, KeyOwner::Root, key, now_ms)?;
    }
    // Roots of lakes that were made before root's keys were listed have no link yet.
    if let Some(key_id) = &account.root_access_key_id {
        let link = root_keys(&id).text(key_id);
        if !tx.contains(USER_ACCESS_KEYS, &link)? {
            tx.put(USER_ACCESS_KEYS, &link, &Link { since_ms: now_ms })?;
        }
    }
    if is_new || account != before {
        tx.put(ACCOUNTS, &account_key(&id), &account)?;
        changed = true;
    }
    let root_access_key_id = account.root_access_key_id.unwrap_or_default();
    Ok((Bootstrapped { account: id, is_new, root_access_key_id, root_secret_access_key: shown }, changed))
}

/// Puts a configured key; says whether anything was changed. A key that is there with another secret is replaced.
pub(crate) fn put_key(
    tx: &mut Tx<'_>,
    account: &AccountId,
    owner: KeyOwner,
    key: SealedKey,
    now_ms: i64,
) -> Result<bool, IdentityError> {
    let at = tarn_metadata::Key::new().text(&key.id);
    if let Some(known) = tx.get(ACCESS_KEYS, &at)? {
        if known.account != *account || known.owner != owner {
            return Err(IdentityError::AccessKeyTaken {
                id: key.id,
                wanted: owner_name(account, &owner),
                owner: owner_name(&known.account, &known.owner),
            });
        }
        // Whether it is the same secret can only be told by opening it.
        if (key.same_as)(&known.secret) && known.status == AccessKeyStatus::Active {
            return Ok(false);
        }
    }
    tx.put(ACCESS_KEYS, &at, &key.record(account, owner, now_ms))?;
    Ok(true)
}
