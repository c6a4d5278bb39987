//! Users: made, found, listed, renamed, removed. Knows nothing of what they may.

use tarn_audit::Caller;
use tarn_keys::Secret;
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_types::{AccountId, Arn};

use crate::access_keys::SealedKey;
use crate::accounts::put_key;
use crate::paging::count;
use crate::records::{
    ATTACHMENTS, INLINE_POLICIES, KeyOwner, Link, USER_ACCESS_KEYS, USER_NAMES, USERS, UserNameRecord, UserRecord,
    account_key, by_name, in_account,
};
use crate::{IdKind, Identity, IdentityError, Page, PageRequest, USERS_PER_ACCOUNT_MAX};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `AIDA...`; never used again for another.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its path: `/`, or something that begins and ends in it.
    pub path: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl User {
    fn new(account: &AccountId, record: UserRecord) -> Self {
        let UserRecord { id, name, path, created_ms } = record;
        Self { id, name, path, account: account.clone(), created_ms }
    }

    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::iam(&self.account, format!("user{}{}", self.path, self.name))
    }
}

/// The user called `name`.
pub(crate) fn find_user(read: &impl Read, account: &AccountId, name: &str) -> Result<UserRecord, IdentityError> {
    let missing = || IdentityError::NoSuchUser { name: name.to_owned() };
    let UserNameRecord { user_id } = read.get(USER_NAMES, &by_name(account, name))?.ok_or_else(missing)?;
    // Names are found as they are written, though they are unique without regard to case.
    read.get(USERS, &in_account(account, &user_id))?.filter(|user| user.name == name).ok_or_else(missing)
}

fn check_name(name: &str) -> Result<(), IdentityError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(());
    }
    Err(IdentityError::InvalidInput { reason: "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have at most 64.".to_owned() })
}

pub(crate) fn check_path(path: &str) -> Result<(), IdentityError> {
    let legal = path.len() <= 512
        && path.starts_with('/')
        && path.ends_with('/')
        && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    // A colon or a wildcard in a path would make an ARN that policies read otherwise.
    if legal && !path.contains([':', '*', '?', '$', '{', '}']) {
        return Ok(());
    }
    Err(IdentityError::InvalidInput { reason: "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.".to_owned() })
}

fn insert(tx: &mut Tx<'_>, account: &AccountId, user: &UserRecord) -> Result<(), IdentityError> {
    if tx.contains(USER_NAMES, &by_name(account, &user.name))? {
        return Err(IdentityError::UserExists { name: user.name.clone() });
    }
    if count(tx, USERS, &account_key(account), USERS_PER_ACCOUNT_MAX)? >= USERS_PER_ACCOUNT_MAX {
        return Err(IdentityError::LimitExceeded { quota: "UsersPerAccount", max: USERS_PER_ACCOUNT_MAX });
    }
    tx.put(USER_NAMES, &by_name(account, &user.name), &UserNameRecord { user_id: user.id.clone() })?;
    Ok(tx.put(USERS, &in_account(account, &user.id), user)?)
}

/// Makes a configured user exist with its access key; says whether anything was changed.
pub(crate) fn put_configured(
    tx: &mut Tx<'_>,
    account: &AccountId,
    name: &str,
    fresh_id: String,
    (key, _): (SealedKey, Secret),
    now_ms: i64,
) -> Result<bool, IdentityError> {
    let (user, is_new) = match find_user(tx, account, name) {
        Ok(user) => (user, false),
        Err(IdentityError::NoSuchUser { .. }) => {
            check_name(name)?;
            let user = UserRecord { id: fresh_id, name: name.to_owned(), path: "/".to_owned(), created_ms: now_ms };
            insert(tx, account, &user)?;
            (user, true)
        }
        Err(error) => return Err(error),
    };
    let link = in_account(account, &user.id).text(&key.id);
    if !tx.contains(USER_ACCESS_KEYS, &link)? {
        tx.put(USER_ACCESS_KEYS, &link, &Link { since_ms: now_ms })?;
    }
    let key_changed = put_key(tx, account, KeyOwner::User { user_id: user.id }, key, now_ms)?;
    Ok(is_new || key_changed)
}

impl Identity {
    /// Makes a user at `path` (`/` if none is given).
    pub async fn create_user(&self, caller: &Caller, name: &str, path: Option<&str>) -> Result<User, IdentityError> {
        let path = path.unwrap_or("/").to_owned();
        check_name(name)?;
        check_path(&path)?;
        let account = caller.scope().account.clone();
        let user =
            UserRecord { id: self.new_id(IdKind::User), name: name.to_owned(), path, created_ms: caller.time_ms() };
        self.commit(caller, move |tx| {
            insert(tx, &account, &user)?;
            Ok(User::new(&account, user))
        })
        .await
    }

    /// The user called `name`.
    pub fn get_user(&self, caller: &Caller, name: &str) -> Result<User, IdentityError> {
        let account = &caller.scope().account;
        Ok(User::new(account, find_user(&self.store.read()?, account, name)?))
    }

    /// The path of the user called `name`, for its ARN before anything is authorized; `/` if there is no such user.
    pub fn user_path(&self, account: &AccountId, name: &str) -> Result<String, IdentityError> {
        match find_user(&self.store.read()?, account, name) {
            Ok(user) => Ok(user.path),
            Err(IdentityError::NoSuchUser { .. }) => Ok("/".to_owned()),
            Err(error) => Err(error),
        }
    }

    /// Users whose path begins with `path_prefix`, in the order of their names.
    pub fn list_users(
        &self,
        caller: &Caller,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<User>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        page.of(snapshot.prefix(USER_NAMES, &account_key(account)), |_, UserNameRecord { user_id }| {
            let user = snapshot.get(USERS, &in_account(account, &user_id))?;
            Ok(user.filter(|user| user.path.starts_with(path_prefix)).map(|user| User::new(account, user)))
        })
    }

    /// Gives a user another name or path. Its id, keys and policies stay.
    pub async fn update_user(
        &self,
        caller: &Caller,
        name: &str,
        new_name: Option<&str>,
        new_path: Option<&str>,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, new_name, new_path) = (name.to_owned(), new_name.map(str::to_owned), new_path.map(str::to_owned));
        new_name.as_deref().map_or(Ok(()), check_name)?;
        new_path.as_deref().map_or(Ok(()), check_path)?;
        self.commit(caller, move |tx| {
            let mut user = find_user(tx, &account, &name)?;
            if let Some(new_name) = new_name.filter(|new_name| *new_name != name) {
                let (old_key, new_key) = (by_name(&account, &name), by_name(&account, &new_name));
                if old_key != new_key && tx.contains(USER_NAMES, &new_key)? {
                    return Err(IdentityError::UserExists { name: new_name });
                }
                tx.delete(USER_NAMES, &old_key)?;
                tx.put(USER_NAMES, &new_key, &UserNameRecord { user_id: user.id.clone() })?;
                user.name = new_name;
            }
            if let Some(new_path) = new_path {
                user.path = new_path;
            }
            Ok(tx.put(USERS, &in_account(&account, &user.id), &user)?)
        })
        .await
    }

    /// Removes a user that has neither keys nor policies.
    pub async fn delete_user(&self, caller: &Caller, name: &str) -> Result<(), IdentityError> {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &name)?;
            let of_user: Key = in_account(&account, &user.id);
            let first = |first| Err(IdentityError::DeleteConflict { first });
            if count(tx, USER_ACCESS_KEYS, &of_user, 1)? > 0 {
                return first("delete access keys");
            }
            if count(tx, INLINE_POLICIES, &of_user, 1)? > 0 {
                return first("delete policies");
            }
            if count(tx, ATTACHMENTS, &of_user, 1)? > 0 {
                return first("detach all policies");
            }
            tx.delete(USER_NAMES, &by_name(&account, &name))?;
            Ok(tx.delete(USERS, &of_user)?)
        })
        .await
    }
}
