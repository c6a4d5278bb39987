//! Users: made, found, listed, renamed, removed. Knows nothing of what they may.

use tarn_audit::Caller;
use tarn_keys::Secret;
use tarn_metadata::{Key, Read, StoreExt, Tx};
use tarn_types::{AccountId, Arn};

use crate::access_keys::SealedKey;
use crate::accounts::put_key;
use crate::boundaries::{boundary_of, put_boundary};
use crate::entities::{check_name, check_path, find_entity};
use crate::login_profiles::has_login_profile;
use crate::paging::count;
use crate::records::{
    ATTACHMENTS, INLINE_POLICIES, KeyOwner, Link, MEMBERSHIPS, USER_ACCESS_KEYS, USER_NAMES, USERS, UserNameRecord,
    UserRecord, account_key, by_name, in_account,
};
use crate::tags::{check_tags, put_tags, tags_of};
use crate::{
    EntityKind, IdKind, Identity, IdentityError, NAME_CHARS_MAX, Page, PageRequest, Tag, USERS_PER_ACCOUNT_MAX,
};

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
    /// The ARN of its permissions boundary, if it has one.
    pub boundary: Option<String>,
    /// In the order of their keys.
    pub tags: Vec<Tag>,
}

/// A user to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its path; `/` if none is given.
    pub path: Option<String>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl User {
    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::iam(&self.account, format!("user{}{}", self.path, self.name))
    }
}

/// The user whose record is `record`, with what is kept beside it.
pub(crate) fn complete_user(read: &impl Read, account: &AccountId, record: UserRecord) -> Result<User, IdentityError> {
    let UserRecord { id, name, path, created_ms } = record;
    let (boundary, tags) = (boundary_of(read, account, &id)?, tags_of(read, account, &id)?);
    Ok(User { id, name, path, account: account.clone(), created_ms, boundary, tags })
}

/// The user called `name`, whatever the case of its letters.
pub(crate) fn find_user(read: &impl Read, account: &AccountId, name: &str) -> Result<UserRecord, IdentityError> {
    let missing = || IdentityError::NoSuchEntity { kind: EntityKind::User, name: name.to_owned() };
    let UserNameRecord { user_id } = read.get(USER_NAMES, &by_name(account, name))?.ok_or_else(missing)?;
    read.get(USERS, &in_account(account, &user_id))?.ok_or_else(missing)
}

fn insert(tx: &mut Tx<'_>, account: &AccountId, user: &UserRecord) -> Result<(), IdentityError> {
    if tx.contains(USER_NAMES, &by_name(account, &user.name))? {
        return Err(IdentityError::Exists { what: "User", name: user.name.clone() });
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
        Err(IdentityError::NoSuchEntity { .. }) => {
            check_name("userName", name, NAME_CHARS_MAX)?;
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
    /// Makes a user.
    pub async fn create_user(&self, caller: &Caller, new: NewUser) -> Result<User, IdentityError> {
        let NewUser { name, path, boundary, tags } = new;
        let path = path.unwrap_or_else(|| "/".to_owned());
        check_name("userName", &name, NAME_CHARS_MAX)?;
        check_path(&path)?;
        check_tags(&tags)?;
        let account = caller.scope().account.clone();
        let user = UserRecord { id: self.new_id(IdKind::User), name, path, created_ms: caller.time_ms() };
        self.commit(caller, move |tx| {
            insert(tx, &account, &user)?;
            put_boundary(tx, &account, &user.id, boundary.as_deref(), user.created_ms)?;
            put_tags(tx, &account, &user.id, tags)?;
            complete_user(tx, &account, user)
        })
        .await
    }

    /// The user called `name`.
    pub fn get_user(&self, caller: &Caller, name: &str) -> Result<User, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        complete_user(&snapshot, account, find_user(&snapshot, account, name)?)
    }

    /// The ARN of what is called `name`, before anything is authorized: by its own spelling and path, since names are found without regard
    /// to case. At the path `/` if there is none such.
    pub fn entity_arn(&self, account: &AccountId, kind: EntityKind, name: &str) -> Result<Arn, IdentityError> {
        match find_entity(&self.store.read()?, account, kind, name) {
            Ok(entity) => Ok(entity.arn()),
            Err(IdentityError::NoSuchEntity { .. }) => Ok(Arn::iam(account, format!("{kind}/{name}"))),
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
            let user = user.filter(|user: &UserRecord| user.path.starts_with(path_prefix));
            user.map(|user| complete_user(&snapshot, account, user)).transpose()
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
        new_name.as_deref().map_or(Ok(()), |name| check_name("newUserName", name, NAME_CHARS_MAX))?;
        new_path.as_deref().map_or(Ok(()), check_path)?;
        self.commit(caller, move |tx| {
            let mut user = find_user(tx, &account, &name)?;
            if let Some(new_name) = new_name.filter(|new_name| *new_name != user.name) {
                let (old_key, new_key) = (by_name(&account, &user.name), by_name(&account, &new_name));
                if old_key != new_key && tx.contains(USER_NAMES, &new_key)? {
                    return Err(IdentityError::Exists { what: "User", name: new_name });
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
            if has_login_profile(tx, &account, &user.id)? {
                return first("delete login profile");
            }
            if count(tx, INLINE_POLICIES, &of_user, 1)? > 0 {
                return first("delete policies");
            }
            if count(tx, ATTACHMENTS, &of_user, 1)? > 0 {
                return first("detach all policies");
            }
            if count(tx, MEMBERSHIPS, &of_user, 1)? > 0 {
                return first("remove users from group");
            }
            put_boundary(tx, &account, &user.id, None, 0)?;
            put_tags(tx, &account, &user.id, Vec::new())?;
            tx.delete(USER_NAMES, &by_name(&account, &user.name))?;
            Ok(tx.delete(USERS, &of_user)?)
        })
        .await
    }
}
