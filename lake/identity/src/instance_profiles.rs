//! Instance profiles: names under which a machine is given a role. Kept as records, since clients that manage roles expect them; nothing
//! here hands their credentials to machines.

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt};
use tarn_types::{AccountId, Arn};

use crate::entities::{check_name, check_path};
use crate::entity_policies::last_part;
use crate::paging::count;
use crate::records::{
    INSTANCE_PROFILES, InstanceProfileRecord, Link, ROLE_PROFILES, ROLES, account_key, by_name, in_account,
};
use crate::roles::{complete_role, find_role};
use crate::tags::{check_tags, put_tags, tags_of};
use crate::{
    INSTANCE_PROFILES_PER_ACCOUNT_MAX, IdKind, Identity, IdentityError, LONG_NAME_CHARS_MAX, Page, PageRequest, Role,
    Tag,
};

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceProfile {
    /// `AIPA...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// Its role, if it has one.
    pub role: Option<Role>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// In the order of their keys.
    pub tags: Vec<Tag>,
}

impl InstanceProfile {
    /// `arn:aws:iam::ACCOUNT:instance-profile/PATH/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::iam(&self.account, format!("instance-profile{}{}", self.path, self.name))
    }
}

pub(crate) fn find_instance_profile(
    read: &impl Read,
    account: &AccountId,
    name: &str,
) -> Result<InstanceProfileRecord, IdentityError> {
    let found = read.get(INSTANCE_PROFILES, &by_name(account, name))?;
    found.ok_or_else(|| IdentityError::NoSuchInstanceProfile { name: name.to_owned() })
}

pub(crate) fn complete(
    read: &impl Read,
    account: &AccountId,
    record: InstanceProfileRecord,
) -> Result<InstanceProfile, IdentityError> {
    let InstanceProfileRecord { id, name, path, role_id, created_ms } = record;
    let role = match role_id {
        None => None,
        Some(role_id) => read.get(ROLES, &in_account(account, &role_id))?,
    };
    let role = role.map(|role| complete_role(read, account, role)).transpose()?;
    let tags = tags_of(read, account, &id)?;
    Ok(InstanceProfile { id, name, path, account: account.clone(), role, created_ms, tags })
}

impl Identity {
    /// Makes an instance profile without a role.
    pub async fn create_instance_profile(
        &self,
        caller: &Caller,
        name: &str,
        path: Option<&str>,
        tags: Vec<Tag>,
    ) -> Result<InstanceProfile, IdentityError> {
        let path = path.unwrap_or("/").to_owned();
        check_name("instanceProfileName", name, LONG_NAME_CHARS_MAX)?;
        check_path(&path)?;
        check_tags(&tags)?;
        let account = caller.scope().account.clone();
        let profile = InstanceProfileRecord {
            id: self.new_id(IdKind::InstanceProfile),
            name: name.to_owned(),
            path,
            role_id: None,
            created_ms: caller.time_ms(),
        };
        self.commit(caller, move |tx| {
            let at = by_name(&account, &profile.name);
            if tx.contains(INSTANCE_PROFILES, &at)? {
                return Err(IdentityError::Exists { what: "Instance Profile", name: profile.name });
            }
            let max = INSTANCE_PROFILES_PER_ACCOUNT_MAX;
            if count(tx, INSTANCE_PROFILES, &account_key(&account), max)? >= max {
                return Err(IdentityError::LimitExceeded { quota: "InstanceProfilesPerAccount", max });
            }
            tx.put(INSTANCE_PROFILES, &at, &profile)?;
            put_tags(tx, &account, &profile.id, tags)?;
            complete(tx, &account, profile)
        })
        .await
    }

    /// The instance profile called `name`.
    pub fn get_instance_profile(&self, caller: &Caller, name: &str) -> Result<InstanceProfile, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        complete(&snapshot, account, find_instance_profile(&snapshot, account, name)?)
    }

    /// Its ARN before anything is authorized; at the path `/` if there is none such.
    pub fn instance_profile_arn(&self, account: &AccountId, name: &str) -> Result<Arn, IdentityError> {
        let (path, name) = match find_instance_profile(&self.store.read()?, account, name) {
            Ok(profile) => (profile.path, profile.name),
            Err(IdentityError::NoSuchInstanceProfile { .. }) => ("/".to_owned(), name.to_owned()),
            Err(error) => return Err(error),
        };
        Ok(Arn::iam(account, format!("instance-profile{path}{name}")))
    }

    /// Instance profiles whose path begins with `path_prefix`, in the order of their names.
    pub fn list_instance_profiles(
        &self,
        caller: &Caller,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<InstanceProfile>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        page.of(snapshot.prefix(INSTANCE_PROFILES, &account_key(account)), |_, profile| {
            let matching = profile.path.starts_with(path_prefix);
            matching.then(|| complete(&snapshot, account, profile)).transpose()
        })
    }

    /// The instance profiles that have a role.
    pub fn list_instance_profiles_for_role(
        &self,
        caller: &Caller,
        role: &str,
        page: &PageRequest,
    ) -> Result<Page<InstanceProfile>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let of_role = in_account(account, &find_role(&snapshot, account, role)?.id);
        page.of(snapshot.prefix(ROLE_PROFILES, &of_role), |key, _| {
            let Some(name) = last_part(key, &of_role) else { return Ok(None) };
            let profile = snapshot.get(INSTANCE_PROFILES, &by_name(account, &name))?;
            profile.map(|profile| complete(&snapshot, account, profile)).transpose()
        })
    }

    /// Gives an instance profile its one role.
    pub async fn add_role_to_instance_profile(
        &self,
        caller: &Caller,
        name: &str,
        role: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, role, since_ms) = (name.to_owned(), role.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let mut profile = find_instance_profile(tx, &account, &name)?;
            let role = find_role(tx, &account, &role)?;
            if profile.role_id.is_some() {
                return Err(IdentityError::LimitExceeded { quota: "InstanceSessionsPerInstanceProfile", max: 1 });
            }
            profile.role_id = Some(role.id.clone());
            let lower = profile.name.to_lowercase();
            tx.put(ROLE_PROFILES, &in_account(&account, &role.id).text(&lower), &Link { since_ms })?;
            Ok(tx.put(INSTANCE_PROFILES, &by_name(&account, &profile.name), &profile)?)
        })
        .await
    }

    /// Takes an instance profile its role.
    pub async fn remove_role_from_instance_profile(
        &self,
        caller: &Caller,
        name: &str,
        role: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, role) = (name.to_owned(), role.to_owned());
        self.commit(caller, move |tx| {
            let mut profile = find_instance_profile(tx, &account, &name)?;
            let found = find_role(tx, &account, &role)?;
            if profile.role_id.as_deref() != Some(&found.id) {
                return Err(IdentityError::NoSuchEntity { kind: crate::EntityKind::Role, name: role });
            }
            profile.role_id = None;
            tx.delete(ROLE_PROFILES, &in_account(&account, &found.id).text(&profile.name.to_lowercase()))?;
            Ok(tx.put(INSTANCE_PROFILES, &by_name(&account, &profile.name), &profile)?)
        })
        .await
    }

    /// Removes an instance profile that has no role.
    pub async fn delete_instance_profile(&self, caller: &Caller, name: &str) -> Result<(), IdentityError> {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let profile = find_instance_profile(tx, &account, &name)?;
            if profile.role_id.is_some() {
                return Err(IdentityError::DeleteConflict { first: "remove roles from instance profile" });
            }
            put_tags(tx, &account, &profile.id, Vec::new())?;
            Ok(tx.delete(INSTANCE_PROFILES, &by_name(&account, &profile.name))?)
        })
        .await
    }
}
