//! Groups of users: made, found, listed, renamed, removed, and who is in them. Knows nothing of what they may.

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt};
use tarn_types::{AccountId, Arn};

use crate::entities::{check_name, check_path, find_entity};
use crate::entity_policies::last_part;
use crate::paging::count;
use crate::records::{
    ATTACHMENTS, GROUP_MEMBERS, GROUP_NAMES, GROUPS, GroupRecord, INLINE_POLICIES, Link, MEMBERSHIPS, NameRecord,
    USERS, account_key, by_name, in_account,
};
use crate::users::complete_user;
use crate::{
    EntityKind, GROUPS_PER_ACCOUNT_MAX, GROUPS_PER_USER_MAX, IdKind, Identity, IdentityError, NAME_CHARS_MAX, Page,
    PageRequest, User,
};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `AGPA...`; never used again for another.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

impl Group {
    pub(crate) fn new(account: &AccountId, record: GroupRecord) -> Self {
        let GroupRecord { id, name, path, created_ms } = record;
        Self { id, name, path, account: account.clone(), created_ms }
    }

    /// `arn:aws:iam::ACCOUNT:group/PATH/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::iam(&self.account, format!("group{}{}", self.path, self.name))
    }
}

fn find_group(read: &impl Read, account: &AccountId, name: &str) -> Result<GroupRecord, IdentityError> {
    let missing = || IdentityError::NoSuchEntity { kind: EntityKind::Group, name: name.to_owned() };
    let NameRecord { id } = read.get(GROUP_NAMES, &by_name(account, name))?.ok_or_else(missing)?;
    read.get(GROUPS, &in_account(account, &id))?.ok_or_else(missing)
}

impl Identity {
    /// Makes a group at `path` (`/` if none is given).
    pub async fn create_group(&self, caller: &Caller, name: &str, path: Option<&str>) -> Result<Group, IdentityError> {
        let path = path.unwrap_or("/").to_owned();
        check_name("groupName", name, NAME_CHARS_MAX)?;
        check_path(&path)?;
        let account = caller.scope().account.clone();
        let group =
            GroupRecord { id: self.new_id(IdKind::Group), name: name.to_owned(), path, created_ms: caller.time_ms() };
        self.commit(caller, move |tx| {
            let at = by_name(&account, &group.name);
            if tx.contains(GROUP_NAMES, &at)? {
                return Err(IdentityError::Exists { what: "Group", name: group.name });
            }
            if count(tx, GROUPS, &account_key(&account), GROUPS_PER_ACCOUNT_MAX)? >= GROUPS_PER_ACCOUNT_MAX {
                return Err(IdentityError::LimitExceeded { quota: "GroupsPerAccount", max: GROUPS_PER_ACCOUNT_MAX });
            }
            tx.put(GROUP_NAMES, &at, &NameRecord { id: group.id.clone() })?;
            tx.put(GROUPS, &in_account(&account, &group.id), &group)?;
            Ok(Group::new(&account, group))
        })
        .await
    }

    /// The group called `name`, and some of its users.
    pub fn get_group(
        &self,
        caller: &Caller,
        name: &str,
        page: &PageRequest,
    ) -> Result<(Group, Page<User>), IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let group = find_group(&snapshot, account, name)?;
        let members = in_account(account, &group.id);
        let users = page.of(snapshot.prefix(GROUP_MEMBERS, &members), |key, _| {
            let Some(user_id) = last_part(key, &members) else { return Ok(None) };
            let user = snapshot.get(USERS, &in_account(account, &user_id))?;
            user.map(|user| complete_user(&snapshot, account, user)).transpose()
        })?;
        Ok((Group::new(account, group), users))
    }

    /// Groups whose path begins with `path_prefix`, in the order of their names.
    pub fn list_groups(
        &self,
        caller: &Caller,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Group>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        page.of(snapshot.prefix(GROUP_NAMES, &account_key(account)), |_, NameRecord { id }| {
            let group = snapshot.get(GROUPS, &in_account(account, &id))?;
            Ok(group.filter(|group| group.path.starts_with(path_prefix)).map(|group| Group::new(account, group)))
        })
    }

    /// Gives a group another name or path. Its id, users and policies stay.
    pub async fn update_group(
        &self,
        caller: &Caller,
        name: &str,
        new_name: Option<&str>,
        new_path: Option<&str>,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, new_name, new_path) = (name.to_owned(), new_name.map(str::to_owned), new_path.map(str::to_owned));
        new_name.as_deref().map_or(Ok(()), |name| check_name("newGroupName", name, NAME_CHARS_MAX))?;
        new_path.as_deref().map_or(Ok(()), check_path)?;
        self.commit(caller, move |tx| {
            let mut group = find_group(tx, &account, &name)?;
            if let Some(new_name) = new_name.filter(|new_name| *new_name != group.name) {
                let (old_key, new_key) = (by_name(&account, &group.name), by_name(&account, &new_name));
                if old_key != new_key && tx.contains(GROUP_NAMES, &new_key)? {
                    return Err(IdentityError::Exists { what: "Group", name: new_name });
                }
                tx.delete(GROUP_NAMES, &old_key)?;
                tx.put(GROUP_NAMES, &new_key, &NameRecord { id: group.id.clone() })?;
                group.name = new_name;
            }
            if let Some(new_path) = new_path {
                group.path = new_path;
            }
            Ok(tx.put(GROUPS, &in_account(&account, &group.id), &group)?)
        })
        .await
    }

    /// Removes a group that has neither users nor policies.
    pub async fn delete_group(&self, caller: &Caller, name: &str) -> Result<(), IdentityError> {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let group = find_group(tx, &account, &name)?;
            let of_group = in_account(&account, &group.id);
            let first = |first| Err(IdentityError::DeleteConflict { first });
            if count(tx, GROUP_MEMBERS, &of_group, 1)? > 0 {
                return first("remove users from group");
            }
            if count(tx, INLINE_POLICIES, &of_group, 1)? > 0 {
                return first("delete policies");
            }
            if count(tx, ATTACHMENTS, &of_group, 1)? > 0 {
                return first("detach all policies");
            }
            tx.delete(GROUP_NAMES, &by_name(&account, &group.name))?;
            Ok(tx.delete(GROUPS, &of_group)?)
        })
        .await
    }

    /// Puts a user into a group; again is no error.
    pub async fn add_user_to_group(&self, caller: &Caller, group: &str, user: &str) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (group, user, since_ms) = (group.to_owned(), user.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let group = find_entity(tx, &account, EntityKind::Group, &group)?;
            let user = find_entity(tx, &account, EntityKind::User, &user)?;
            let of_user = in_account(&account, &user.id);
            let at = of_user.clone().text(&group.id);
            if tx.contains(MEMBERSHIPS, &at)? {
                return Ok(());
            }
            if count(tx, MEMBERSHIPS, &of_user, GROUPS_PER_USER_MAX)? >= GROUPS_PER_USER_MAX {
                return Err(IdentityError::LimitExceeded { quota: "GroupsPerUser", max: GROUPS_PER_USER_MAX });
            }
            tx.put(MEMBERSHIPS, &at, &Link { since_ms })?;
            Ok(tx.put(GROUP_MEMBERS, &in_account(&account, &group.id).text(&user.id), &Link { since_ms })?)
        })
        .await
    }

    /// Takes a user out of a group.
    pub async fn remove_user_from_group(&self, caller: &Caller, group: &str, user: &str) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (group, user) = (group.to_owned(), user.to_owned());
        self.commit(caller, move |tx| {
            let group = find_entity(tx, &account, EntityKind::Group, &group)?;
            let user = find_entity(tx, &account, EntityKind::User, &user)?;
            let at = in_account(&account, &user.id).text(&group.id);
            if !tx.contains(MEMBERSHIPS, &at)? {
                return Err(IdentityError::NotInGroup { user: user.name, group: group.name });
            }
            tx.delete(MEMBERSHIPS, &at)?;
            Ok(tx.delete(GROUP_MEMBERS, &in_account(&account, &group.id).text(&user.id))?)
        })
        .await
    }

    /// The groups that a user is in.
    pub fn list_groups_for_user(
        &self,
        caller: &Caller,
        user: &str,
        page: &PageRequest,
    ) -> Result<Page<Group>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let of_user = in_account(account, &find_entity(&snapshot, account, EntityKind::User, user)?.id);
        page.of(snapshot.prefix(MEMBERSHIPS, &of_user), |key, _| {
            let Some(group_id) = last_part(key, &of_user) else { return Ok(None) };
            let group = snapshot.get(GROUPS, &in_account(account, &group_id))?;
            Ok(group.map(|group| Group::new(account, group)))
        })
    }
}
