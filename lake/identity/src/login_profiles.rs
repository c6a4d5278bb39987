//! Passwords of users for the console, and what the account asks of passwords. A password is kept as its Argon2id hash only.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html>

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_keys::Secret;
use tarn_metadata::{Read, StoreExt, Tx};
use tarn_policy::PrincipalKind;
use tarn_runtime::EntropyExt;
use tarn_types::AccountId;
use tokio::sync::Semaphore;

use crate::records::{
    LOGIN_PROFILES, LoginProfileRecord, PASSWORD_POLICIES, PasswordPolicyRecord, PasswordRecord, account_key,
    in_account,
};
use crate::users::find_user;
use crate::{Identity, IdentityError};

/// What a hash costs: memory and passes, as OWASP's password storage page has them for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const HASH_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// Earlier passwords that a policy can forbid.
pub const PASSWORDS_REMEMBERED_MAX: u32 = 24;
const PASSWORD_CHARS_MAX: usize = 128;
const MS_PER_DAY: i64 = 86_400_000;
/// What AWS counts as symbols.
const SYMBOLS: &str = "!@#$%^&*()_+-=[]{}|'";

/// A user's way into the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginProfile {
    /// The user.
    pub user_name: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When its password was set, milliseconds since 1970.
    pub changed_ms: i64,
    /// Whether the user must choose another password.
    pub reset_required: bool,
}

/// What an account asks of passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// Characters.
    pub length_min: u32,
    /// Whether one must not be a letter or digit.
    pub needs_symbols: bool,
    /// Whether one must be a digit.
    pub needs_numbers: bool,
    /// Whether one must be a capital letter.
    pub needs_uppercase: bool,
    /// Whether one must be a small letter.
    pub needs_lowercase: bool,
    /// Whether users change their own.
    pub users_may_change: bool,
    /// After how many days it must be changed.
    pub age_days_max: Option<u32>,
    /// How many earlier ones must not be used again.
    pub remembered: Option<u32>,
    /// Whether a user whose password is too old needs an administrator.
    pub hard_expiry: Option<bool>,
}

/// What is asked where an account has no policy: <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html#default-policy-details>
const DEFAULT_LENGTH_MIN: usize = 8;
const DEFAULT_KINDS_MIN: usize = 3;

fn violation(reason: impl Into<String>) -> IdentityError {
    IdentityError::PasswordPolicyViolation { reason: reason.into() }
}

fn check_password(policy: Option<&PasswordPolicy>, user: &str, password: &Secret) -> Result<(), IdentityError> {
    let password = std::str::from_utf8(password.expose()).map_err(|_| violation("Password must be text"))?;
    let has = |is: fn(char) -> bool| password.chars().any(is);
    let kinds = [
        ("an uppercase character (A-Z)", has(|c| c.is_ascii_uppercase())),
        ("a lowercase character (a-z)", has(|c| c.is_ascii_lowercase())),
        ("a number (0-9)", has(|c| c.is_ascii_digit())),
        ("a symbol (! @ # $ % ^ & * ( ) _ + - = [ ] { } | ')", has(|c| SYMBOLS.contains(c))),
    ];
    let length = password.chars().count();
    if length > PASSWORD_CHARS_MAX {
        return Err(violation(format!("Password has more than {PASSWORD_CHARS_MAX} characters")));
    }
    let length_min = policy.map_or(DEFAULT_LENGTH_MIN, |policy| policy.length_min as usize);
    if length < length_min {
        return Err(violation(format!("Password should have a minimum length of {length_min}")));
    }
    match policy {
        Some(policy) => {
            let needed = [policy.needs_uppercase, policy.needs_lowercase, policy.needs_numbers, policy.needs_symbols];
            for ((kind, has), needed) in kinds.into_iter().zip(needed) {
                if needed && !has {
                    return Err(violation(format!("Password should have at least one of {kind}")));
                }
            }
        }
        None if kinds.iter().filter(|(_, has)| *has).count() < DEFAULT_KINDS_MIN => {
            return Err(violation(
                "Password should have at least three of these: an uppercase character, a lowercase character, a number, a symbol",
            ));
        }
        None if password.eq_ignore_ascii_case(user) => return Err(violation("Password must not be the user's name")),
        None => {}
    }
    Ok(())
}

/// Costs tens of milliseconds of a core: never on a thread that answers requests.
fn hash(password: &Secret, salt: &[u8], memory_kib: u32, passes: u32) -> Result<Vec<u8>, IdentityError> {
    let failed = |error: argon2::Error| IdentityError::Hash { reason: error.to_string() };
    let params = Params::new(memory_kib, passes, 1, Some(HASH_BYTES)).map_err(failed)?;
    let mut hash = vec![0; HASH_BYTES];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password.expose(), salt, &mut hash).map_err(failed)?;
    Ok(hash)
}

impl PasswordRecord {
    fn is_of(&self, password: &Secret) -> Result<bool, IdentityError> {
        let found = hash(password, &self.salt, self.memory_kib, self.passes)?;
        // All bytes are compared, so that the time it takes tells nothing.
        let differing = found.iter().zip(&self.hash).fold(0, |differing, (a, b)| differing | (a ^ b));
        Ok(found.len() == self.hash.len() && differing == 0)
    }
}

/// Hashes that are made at once, in all: each takes 19 MiB and a core.
const HASHES_COUNT_MAX: usize = 4;
static HASHING: Semaphore = Semaphore::const_new(HASHES_COUNT_MAX);

async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IdentityError> + Send + 'static,
) -> Result<T, IdentityError> {
    let permit = HASHING.acquire().await.map_err(|error| IdentityError::Hash { reason: error.to_string() })?;
    let held = move || {
        let _permit = permit;
        work()
    };
    match tokio::task::spawn_blocking(held).await {
        Ok(done) => done,
        Err(error) => Err(IdentityError::Hash { reason: error.to_string() }),
    }
}

fn policy_of(read: &impl Read, account: &AccountId) -> Result<Option<PasswordPolicy>, IdentityError> {
    Ok(read.get(PASSWORD_POLICIES, &account_key(account))?.map(|PasswordPolicyRecord { policy }| policy))
}

fn complete(user_name: String, record: &LoginProfileRecord) -> LoginProfile {
    LoginProfile {
        user_name,
        created_ms: record.created_ms,
        changed_ms: record.changed_ms,
        reset_required: record.reset_required,
    }
}

/// When the password of a user was set, and when it must be changed; `None` if there is no password.
pub(crate) fn password_times(
    read: &impl Read,
    account: &AccountId,
    user_id: &str,
) -> Result<Option<(i64, Option<i64>)>, IdentityError> {
    let Some(LoginProfileRecord { changed_ms, .. }) = read.get(LOGIN_PROFILES, &in_account(account, user_id))? else {
        return Ok(None);
    };
    let age = policy_of(read, account)?.and_then(|policy| policy.age_days_max);
    Ok(Some((changed_ms, age.map(|days| changed_ms + i64::from(days) * MS_PER_DAY))))
}

pub(crate) fn has_login_profile(tx: &Tx<'_>, account: &AccountId, user_id: &str) -> Result<bool, IdentityError> {
    Ok(tx.contains(LOGIN_PROFILES, &in_account(account, user_id))?)
}

impl Identity {
    fn no_profile(name: &str) -> IdentityError {
        IdentityError::NoSuchLoginProfile { user: name.to_owned() }
    }

    async fn hashed(&self, password: &Secret) -> Result<PasswordRecord, IdentityError> {
        let salt = self.runtime.entropy.bytes::<SALT_BYTES>().to_vec();
        let password = password.clone();
        apart(move || {
            let hash = hash(&password, &salt, MEMORY_KIB, PASSES)?;
            Ok(PasswordRecord { salt, hash, memory_kib: MEMORY_KIB, passes: PASSES })
        })
        .await
    }

    /// Gives a user a password.
    pub async fn create_login_profile(
        &self,
        caller: &Caller,
        name: &str,
        password: Secret,
        reset_required: bool,
    ) -> Result<LoginProfile, IdentityError> {
        let account = caller.scope().account.clone();
        check_password(policy_of(&self.store.read()?, &account)?.as_ref(), name, &password)?;
        let (password, name, now_ms) = (self.hashed(&password).await?, name.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &name)?;
            let at = in_account(&account, &user.id);
            if tx.contains(LOGIN_PROFILES, &at)? {
                return Err(IdentityError::LoginProfileExists { user: user.name });
            }
            let (created_ms, changed_ms, previous) = (now_ms, now_ms, Vec::new());
            let record = LoginProfileRecord { created_ms, changed_ms, reset_required, password, previous };
            tx.put(LOGIN_PROFILES, &at, &record)?;
            Ok(complete(user.name, &record))
        })
        .await
    }

    /// A user's way into the console.
    pub fn get_login_profile(&self, caller: &Caller, name: &str) -> Result<LoginProfile, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        let user = find_user(&snapshot, account, name)?;
        let found = snapshot.get(LOGIN_PROFILES, &in_account(account, &user.id))?;
        found.map(|record| complete(user.name, &record)).ok_or_else(|| Self::no_profile(name))
    }

    /// Gives a user another password, or says whether it must choose another.
    pub async fn update_login_profile(
        &self,
        caller: &Caller,
        name: &str,
        password: Option<Secret>,
        reset_required: Option<bool>,
    ) -> Result<(), IdentityError> {
        self.put_password(caller, name, password, reset_required, None).await
    }

    /// Gives the calling user another password in place of `old`.
    pub async fn change_password(&self, caller: &Caller, old: Secret, new: Secret) -> Result<(), IdentityError> {
        let PrincipalKind::User { name, .. } = &caller.principal().kind else {
            return Err(IdentityError::NotAUser);
        };
        let name = name.clone();
        self.put_password(caller, &name, Some(new), Some(false), Some(old)).await
    }

    /// Sets a password if `old`, where it is given, is the one that there is.
    async fn put_password(
        &self,
        caller: &Caller,
        name: &str,
        password: Option<Secret>,
        reset_required: Option<bool>,
        old: Option<Secret>,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (policy, known) = {
            let snapshot = self.store.read()?;
            let user = find_user(&snapshot, &account, name)?;
            let known = snapshot.get(LOGIN_PROFILES, &in_account(&account, &user.id))?;
            (policy_of(&snapshot, &account)?, known.ok_or_else(|| Self::no_profile(name))?)
        };
        if let Some(old) = old {
            let current = known.password.clone();
            if !apart(move || current.is_of(&old)).await? {
                return Err(IdentityError::WrongPassword);
            }
        }
        let remembered = policy.as_ref().and_then(|policy| policy.remembered).unwrap_or(0) as usize;
        let new = match &password {
            None => None,
            Some(password) => {
                check_password(policy.as_ref(), name, password)?;
                let earlier: Vec<_> =
                    std::iter::once(&known.password).chain(&known.previous).take(remembered).cloned().collect();
                let again = password.clone();
                if apart(move || earlier.iter().try_fold(false, |used, earlier| Ok(used || earlier.is_of(&again)?)))
                    .await?
                {
                    return Err(violation(format!("Password was one of the last {remembered}")));
                }
                Some(self.hashed(password).await?)
            }
        };
        let (name, now_ms) = (name.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &name)?;
            let at = in_account(&account, &user.id);
            let mut record = tx.get(LOGIN_PROFILES, &at)?.ok_or_else(|| Self::no_profile(&name))?;
            // Somebody else set one meanwhile: that was not what was checked.
            if record.password != known.password {
                return Err(IdentityError::PasswordChangedMeanwhile { user: user.name });
            }
            if let Some(new) = new {
                record.previous.insert(0, std::mem::replace(&mut record.password, new));
                record.previous.truncate(PASSWORDS_REMEMBERED_MAX as usize);
                record.changed_ms = now_ms;
            }
            record.reset_required = reset_required.unwrap_or(record.reset_required);
            Ok(tx.put(LOGIN_PROFILES, &at, &record)?)
        })
        .await
    }

    /// Takes a user's way into the console.
    pub async fn delete_login_profile(&self, caller: &Caller, name: &str) -> Result<(), IdentityError> {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let at = in_account(&account, &find_user(tx, &account, &name)?.id);
            if !tx.contains(LOGIN_PROFILES, &at)? {
                return Err(Self::no_profile(&name));
            }
            Ok(tx.delete(LOGIN_PROFILES, &at)?)
        })
        .await
    }

    /// What the account asks of passwords.
    pub fn password_policy(&self, account: &AccountId) -> Result<Option<PasswordPolicy>, IdentityError> {
        policy_of(&self.store.read()?, account)
    }

    /// As `password_policy`, for a caller who asks for the one that there is.
    pub fn get_password_policy(&self, caller: &Caller) -> Result<PasswordPolicy, IdentityError> {
        let account = &caller.scope().account;
        self.password_policy(account)?.ok_or_else(|| IdentityError::NoPasswordPolicy { account: account.clone() })
    }

    /// Says what the account asks of passwords, in place of what it asked.
    pub async fn put_password_policy(&self, caller: &Caller, policy: PasswordPolicy) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            Ok(tx.put(PASSWORD_POLICIES, &account_key(&account), &PasswordPolicyRecord { policy })?)
        })
        .await
    }

    /// Goes back to what is asked without a policy.
    pub async fn delete_password_policy(&self, caller: &Caller) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let at = account_key(&account);
            if !tx.contains(PASSWORD_POLICIES, &at)? {
                return Err(IdentityError::NoPasswordPolicy { account });
            }
            Ok(tx.delete(PASSWORD_POLICIES, &at)?)
        })
        .await
    }
}
