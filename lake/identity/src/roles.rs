//! Roles: made, found, listed, changed, removed, and whom each trusts with a session. Knows nothing of what they may.

use tarn_audit::Caller;
use tarn_metadata::{Read, StoreExt, Tx};
use tarn_policy::{Policy, PolicyError, PolicyKind, PolicyProblem};
use tarn_types::{AccountId, Arn};

use crate::boundaries::{boundary_of, put_boundary};
use crate::entities::{check_name, check_path, entity_by_id, find_entity};
use crate::paging::count;
use crate::records::{
    ACCOUNTS, ATTACHMENTS, INLINE_POLICIES, NameRecord, ROLE_NAMES, ROLE_PROFILES, ROLES, RoleRecord, TrustedRecord,
    account_key, by_name, in_account,
};
use crate::service_linked_roles;
use crate::tags::{check_tags, put_tags, tags_of};
use crate::{
    Entity, EntityKind, IdKind, Identity, IdentityError, NAME_CHARS_MAX, Page, PageRequest, ROLES_PER_ACCOUNT_MAX,
    SESSION_SECONDS_DEFAULT, SESSION_SECONDS_MAX, TRUST_POLICY_SIZE_CHARS_MAX, Tag,
};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `AROA...`; never used again for another.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The account it belongs to.
    pub account: AccountId,
    /// For people; may be empty.
    pub description: String,
    /// Who may have a session of it, as it was given.
    pub trust_policy: String,
    /// The longest that a session may be.
    pub session_seconds_max: u32,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// The ARN of its permissions boundary, if it has one.
    pub boundary: Option<String>,
    /// In the order of their keys.
    pub tags: Vec<Tag>,
}

/// A role to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRole {
    /// Its name.
    pub name: String,
    /// Its path; `/` if none is given.
    pub path: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Who may have a session of it.
    pub trust_policy: String,
    /// The longest that a session may be; an hour if it is not said.
    pub session_seconds_max: Option<u32>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl Role {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::iam(&self.account, format!("role{}{}", self.path, self.name))
    }
}

/// The role called `name`, whatever the case of its letters.
pub(crate) fn find_role(read: &impl Read, account: &AccountId, name: &str) -> Result<RoleRecord, IdentityError> {
    let missing = || IdentityError::NoSuchEntity { kind: EntityKind::Role, name: name.to_owned() };
    let NameRecord { id } = read.get(ROLE_NAMES, &by_name(account, name))?.ok_or_else(missing)?;
    read.get(ROLES, &in_account(account, &id))?.ok_or_else(missing)
}

/// The role that `arn` names, with the account that owns it.
pub(crate) fn role_by_arn(read: &impl Read, arn: &Arn) -> Result<Option<(AccountId, RoleRecord)>, IdentityError> {
    let (Ok(account), Some(name)) = (AccountId::new(arn.account.clone()), arn.resource.rsplit('/').next()) else {
        return Ok(None);
    };
    let role = match find_role(read, &account, name) {
        Ok(role) => role,
        Err(IdentityError::NoSuchEntity { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    // The name finds it; path and case must be right too.
    let is_it = *arn == Arn::iam(&account, format!("role{}{}", role.path, role.name));
    Ok(is_it.then_some((account, role)))
}

pub(crate) fn complete_role(read: &impl Read, account: &AccountId, record: RoleRecord) -> Result<Role, IdentityError> {
    let RoleRecord { id, name, path, description, trust_policy, trusted: _, session_seconds_max, created_ms } = record;
    let (boundary, tags) = (boundary_of(read, account, &id)?, tags_of(read, account, &id)?);
    Ok(Role {
        id,
        name,
        path,
        account: account.clone(),
        description,
        trust_policy,
        session_seconds_max,
        created_ms,
        boundary,
        tags,
    })
}

fn malformed(problem: PolicyProblem) -> IdentityError {
    IdentityError::MalformedPolicy { source: PolicyError { kind: PolicyKind::Trust, problem, position: None } }
}

fn parse_trust(document: &str) -> Result<Policy, IdentityError> {
    let parsed =
        Policy::parse(document, PolicyKind::Trust).map_err(|source| IdentityError::MalformedPolicy { source })?;
    if parsed.size_chars() > TRUST_POLICY_SIZE_CHARS_MAX {
        return Err(IdentityError::LimitExceeded { quota: "ACLSizePerRole", max: TRUST_POLICY_SIZE_CHARS_MAX });
    }
    Ok(parsed)
}

/// The user or role that an ARN names, if it is there.
pub(crate) fn named(read: &impl Read, arn: &Arn) -> Result<Option<Entity>, IdentityError> {
    let Ok(account) = AccountId::new(arn.account.clone()) else { return Ok(None) };
    let kind = if arn.resource.starts_with("role/") { EntityKind::Role } else { EntityKind::User };
    let name = arn.resource.rsplit('/').next().unwrap_or_default();
    match find_entity(read, &account, kind, name) {
        Ok(entity) => Ok(Some(entity).filter(|entity| entity.arn() == *arn)),
        Err(IdentityError::NoSuchEntity { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The users and roles that a trust policy of a role in `own` names, by their ids. All that it names must exist.
fn trusted(read: &impl Read, own: &AccountId, policy: &Policy) -> Result<Vec<TrustedRecord>, IdentityError> {
    let unknown = |found: String| malformed(PolicyProblem::Principal { found });
    for account in policy.named_accounts().filter(|account| *account != own) {
        if read.get(ACCOUNTS, &account_key(account))?.is_none() {
            return Err(unknown(format!("arn:aws:iam::{account}:root")));
        }
    }
    let mut trusted: Vec<TrustedRecord> = Vec::new();
    for arn in policy.named_arns().filter(|arn| arn.service == "iam") {
        let Entity { account, id, .. } = named(read, arn)?.ok_or_else(|| unknown(arn.to_string()))?;
        trusted.push(TrustedRecord { arn: arn.to_string(), account, id });
    }
    Ok(trusted)
}

impl RoleRecord {
    /// Its trust policy as it is decided by: users and roles that it named are meant by their ids, whatever they are called now, and
    /// whoever came later by one of their names is not.
    pub(crate) fn trust(&self, read: &impl Read) -> Result<Policy, IdentityError> {
        let policy = parse_trust(&self.trust_policy)?;
        let mut now: Vec<(String, Option<Arn>)> = Vec::new();
        for TrustedRecord { arn, account, id } in &self.trusted {
            now.push((arn.clone(), entity_by_id(read, account, id)?.map(|entity| entity.arn())));
        }
        Ok(policy.with_names(|arn| match now.iter().find(|(named, _)| *named == arn.to_string()) {
            Some((_, current)) => current.clone(),
            None => Some(arn.clone()),
        }))
    }
}

/// Removes a role that nothing hangs on.
pub(crate) fn remove(tx: &mut Tx<'_>, account: &AccountId, role: &RoleRecord) -> Result<(), IdentityError> {
    let of_role = in_account(account, &role.id);
    let first = |first| Err(IdentityError::DeleteConflict { first });
    if count(tx, ROLE_PROFILES, &of_role, 1)? > 0 {
        return first("remove roles from instance profile");
    }
    if count(tx, INLINE_POLICIES, &of_role, 1)? > 0 {
        return first("delete policies");
    }
    if count(tx, ATTACHMENTS, &of_role, 1)? > 0 {
        return first("detach all policies");
    }
    put_boundary(tx, account, &role.id, None, 0)?;
    put_tags(tx, account, &role.id, Vec::new())?;
    tx.delete(ROLE_NAMES, &by_name(account, &role.name))?;
    Ok(tx.delete(ROLES, &of_role)?)
}

/// Refuses changes of a service's role.
pub(crate) fn check_unprotected(path: &str, name: &str) -> Result<(), IdentityError> {
    if path.starts_with(service_linked_roles::PATH) {
        return Err(IdentityError::ProtectedRole { name: name.to_owned() });
    }
    Ok(())
}

fn check_session_seconds(seconds: u32) -> Result<(), IdentityError> {
    if (SESSION_SECONDS_DEFAULT..=SESSION_SECONDS_MAX).contains(&seconds) {
        return Ok(());
    }
    Err(IdentityError::InvalidInput {
        reason: format!(
            "The MaxSessionDuration must be {SESSION_SECONDS_DEFAULT} to {SESSION_SECONDS_MAX} seconds, not {seconds}."
        ),
    })
}

fn insert(tx: &mut Tx<'_>, account: &AccountId, role: &RoleRecord) -> Result<(), IdentityError> {
    let at = by_name(account, &role.name);
    if tx.contains(ROLE_NAMES, &at)? {
        return Err(IdentityError::Exists { what: "Role", name: role.name.clone() });
    }
    if count(tx, ROLES, &account_key(account), ROLES_PER_ACCOUNT_MAX)? >= ROLES_PER_ACCOUNT_MAX {
        return Err(IdentityError::LimitExceeded { quota: "RolesPerAccount", max: ROLES_PER_ACCOUNT_MAX });
    }
    tx.put(ROLE_NAMES, &at, &NameRecord { id: role.id.clone() })?;
    Ok(tx.put(ROLES, &in_account(account, &role.id), role)?)
}

impl Identity {
    /// Makes a role.
    pub async fn create_role(&self, caller: &Caller, new: NewRole) -> Result<Role, IdentityError> {
        if new.path.as_deref().is_some_and(|path| path.starts_with(service_linked_roles::PATH)) {
            let reason = format!("The path {} is for the roles of services.", service_linked_roles::PATH);
            return Err(IdentityError::InvalidInput { reason });
        }
        self.insert_role(caller, new).await
    }

    /// As `create_role`, also where the roles of services are.
    pub(crate) async fn insert_role(&self, caller: &Caller, new: NewRole) -> Result<Role, IdentityError> {
        let NewRole { name, path, description, trust_policy, session_seconds_max, boundary, tags } = new;
        let path = path.unwrap_or_else(|| "/".to_owned());
        let session_seconds_max = session_seconds_max.unwrap_or(SESSION_SECONDS_DEFAULT);
        check_name("roleName", &name, NAME_CHARS_MAX)?;
        check_path(&path)?;
        check_tags(&tags)?;
        check_session_seconds(session_seconds_max)?;
        let policy = parse_trust(&trust_policy)?;
        let account = caller.scope().account.clone();
        let mut role = RoleRecord {
            id: self.new_id(IdKind::Role),
            name,
            path,
            description: description.unwrap_or_default(),
            trust_policy,
            trusted: Vec::new(),
            session_seconds_max,
            created_ms: caller.time_ms(),
        };
        self.commit(caller, move |tx| {
            role.trusted = trusted(tx, &account, &policy)?;
            insert(tx, &account, &role)?;
            put_boundary(tx, &account, &role.id, boundary.as_deref(), role.created_ms)?;
            put_tags(tx, &account, &role.id, tags)?;
            complete_role(tx, &account, role)
        })
        .await
    }

    /// The role called `name`.
    pub fn get_role(&self, caller: &Caller, name: &str) -> Result<Role, IdentityError> {
        let (account, snapshot) = (&caller.scope().account, self.store.read()?);
        complete_role(&snapshot, account, find_role(&snapshot, account, name)?)
    }

    /// Roles whose path begins with `path_prefix`, in the order of their names.
    pub fn list_roles(
        &self,
        caller: &Caller,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Role>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        page.of(snapshot.prefix(ROLE_NAMES, &account_key(account)), |_, NameRecord { id }| {
            let role = snapshot.get(ROLES, &in_account(account, &id))?;
            let role = role.filter(|role: &RoleRecord| role.path.starts_with(path_prefix));
            role.map(|role| complete_role(&snapshot, account, role)).transpose()
        })
    }

    /// Gives a role another description or longest session.
    pub async fn update_role(
        &self,
        caller: &Caller,
        name: &str,
        description: Option<String>,
        session_seconds_max: Option<u32>,
    ) -> Result<Role, IdentityError> {
        session_seconds_max.map_or(Ok(()), check_session_seconds)?;
        self.change_role(caller, name, move |_, role| {
            if let Some(description) = description {
                role.description = description;
            }
            role.session_seconds_max = session_seconds_max.unwrap_or(role.session_seconds_max);
            Ok(())
        })
        .await
    }

    /// Says anew who may have a session of a role. Sessions that there are go on.
    pub async fn update_trust_policy(&self, caller: &Caller, name: &str, document: &str) -> Result<(), IdentityError> {
        let (policy, document) = (parse_trust(document)?, document.to_owned());
        let account = caller.scope().account.clone();
        self.change_role(caller, name, move |tx, role| {
            role.trusted = trusted(tx, &account, &policy)?;
            role.trust_policy = document;
            Ok(())
        })
        .await
        .map(|_| ())
    }

    async fn change_role<F>(&self, caller: &Caller, name: &str, change: F) -> Result<Role, IdentityError>
    where
        F: FnOnce(&mut Tx<'_>, &mut RoleRecord) -> Result<(), IdentityError> + Send + 'static,
    {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let mut role = find_role(tx, &account, &name)?;
            check_unprotected(&role.path, &role.name)?;
            change(tx, &mut role)?;
            tx.put(ROLES, &in_account(&account, &role.id), &role)?;
            complete_role(tx, &account, role)
        })
        .await
    }

    /// Removes a role that has no policies and is in no instance profile. Its sessions end with it.
    pub async fn delete_role(&self, caller: &Caller, name: &str) -> Result<(), IdentityError> {
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let role = find_role(tx, &account, &name)?;
            check_unprotected(&role.path, &role.name)?;
            remove(tx, &account, &role)
        })
        .await
    }
}
