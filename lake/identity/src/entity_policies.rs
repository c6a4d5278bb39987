//! Policies of users, groups and roles: inline ones, and attachments of managed ones. All three alike, by the id they are kept under.

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_policy::{Policy, PolicyKind};
use tarn_types::{AccountId, Arn};

use crate::entities::{entity_by_id, find_changeable, find_entity};
use crate::managed_policies::{find_policy, name_of};
use crate::paging::count;
use crate::records::{ATTACHED_TO, ATTACHMENTS, BOUNDARY_OF, INLINE_POLICIES, InlinePolicyRecord, Link, in_account};
use crate::{ATTACHED_POLICIES_MAX, ATTACHED_TO_MAX, Entity, EntityKind, Identity, IdentityError, Page, PageRequest};

/// An inline policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinePolicy {
    /// The name of the user, group or role.
    pub entity_name: String,
    /// Its own.
    pub policy_name: String,
    /// As it was put.
    pub document: String,
}

/// A managed policy as it is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedPolicy {
    /// Its ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
}

/// What a managed policy is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyUsage {
    /// It is attached.
    Attached,
    /// It is a permissions boundary.
    Boundary,
}

pub(crate) fn parse(document: &str) -> Result<Policy, IdentityError> {
    Policy::parse(document, PolicyKind::Identity).map_err(|source| IdentityError::MalformedPolicy { source })
}

/// The last text part of a key under `prefix`.
pub(crate) fn last_part(key: &Key, prefix: &Key) -> Option<String> {
    Key::reader(key.as_bytes().get(prefix.as_bytes().len()..)?).text()
}

fn attached_to(account: &AccountId, arn: &str) -> Key {
    in_account(account, arn)
}

impl Identity {
    /// Puts an inline policy, in place of one of the same name.
    pub async fn put_inline_policy(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        policy_name: &str,
        document: &str,
    ) -> Result<(), IdentityError> {
        let parsed = parse(document)?;
        let account = caller.scope().account.clone();
        let (name, policy_name, document) = (name.to_owned(), policy_name.to_owned(), document.to_owned());
        self.commit(caller, move |tx| {
            let entity = find_changeable(tx, &account, kind, &name)?;
            let of_entity = in_account(&account, &entity.id);
            let at = of_entity.clone().text(&policy_name);
            let mut size_chars = parsed.size_chars();
            for item in tx.prefix(INLINE_POLICIES, &of_entity) {
                let (key, InlinePolicyRecord { document }) = item?;
                if key != at {
                    size_chars += document.chars().filter(|c| !c.is_whitespace()).count();
                }
            }
            let size_chars_max = kind.inline_policies_size_chars_max();
            if size_chars > size_chars_max {
                return Err(IdentityError::InlinePoliciesTooLarge { kind, name: entity.name, size_chars_max });
            }
            Ok(tx.put(INLINE_POLICIES, &at, &InlinePolicyRecord { document })?)
        })
        .await
    }

    /// An inline policy.
    pub fn get_inline_policy(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        policy_name: &str,
    ) -> Result<InlinePolicy, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let entity = find_entity(&snapshot, account, kind, name)?;
        let record = snapshot.get(INLINE_POLICIES, &in_account(account, &entity.id).text(policy_name))?;
        let InlinePolicyRecord { document } =
            record.ok_or_else(|| IdentityError::NoSuchInlinePolicy { kind, policy: policy_name.to_owned() })?;
        Ok(InlinePolicy { entity_name: entity.name, policy_name: policy_name.to_owned(), document })
    }

    /// The names of inline policies.
    pub fn list_inline_policies(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        page: &PageRequest,
    ) -> Result<Page<String>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let of_entity = in_account(account, &find_entity(&snapshot, account, kind, name)?.id);
        page.of(snapshot.prefix(INLINE_POLICIES, &of_entity), |key, _| Ok(last_part(key, &of_entity)))
    }

    /// Removes an inline policy.
    pub async fn delete_inline_policy(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        policy_name: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, policy_name) = (name.to_owned(), policy_name.to_owned());
        self.commit(caller, move |tx| {
            let at = in_account(&account, &find_changeable(tx, &account, kind, &name)?.id).text(&policy_name);
            if !tx.contains(INLINE_POLICIES, &at)? {
                return Err(IdentityError::NoSuchInlinePolicy { kind, policy: policy_name });
            }
            Ok(tx.delete(INLINE_POLICIES, &at)?)
        })
        .await
    }

    /// Attaches a managed policy; again is no error.
    pub async fn attach_policy(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        arn: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, arn, since_ms) = (name.to_owned(), arn.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let entity = find_changeable(tx, &account, kind, &name)?;
            find_policy(tx, &account, &arn)?;
            let of_entity = in_account(&account, &entity.id);
            let at = of_entity.clone().text(&arn);
            if tx.contains(ATTACHMENTS, &at)? {
                return Ok(());
            }
            if count(tx, ATTACHMENTS, &of_entity, ATTACHED_POLICIES_MAX)? >= ATTACHED_POLICIES_MAX {
                let quota = kind.attached_policies_quota();
                return Err(IdentityError::LimitExceeded { quota, max: ATTACHED_POLICIES_MAX });
            }
            tx.put(ATTACHMENTS, &at, &Link { since_ms })?;
            Ok(tx.put(ATTACHED_TO, &attached_to(&account, &arn).text(&entity.id), &Link { since_ms })?)
        })
        .await
    }

    /// Detaches a managed policy.
    pub async fn detach_policy(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        arn: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (name, arn) = (name.to_owned(), arn.to_owned());
        self.commit(caller, move |tx| {
            let entity = find_changeable(tx, &account, kind, &name)?;
            let at = in_account(&account, &entity.id).text(&arn);
            if !tx.contains(ATTACHMENTS, &at)? {
                return Err(IdentityError::NotAttached { arn });
            }
            tx.delete(ATTACHMENTS, &at)?;
            Ok(tx.delete(ATTACHED_TO, &attached_to(&account, &arn).text(&entity.id))?)
        })
        .await
    }

    /// The managed policies attached, of those whose path begins with `path_prefix`.
    pub fn list_attached_policies(
        &self,
        caller: &Caller,
        kind: EntityKind,
        name: &str,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<AttachedPolicy>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let of_entity = in_account(account, &find_entity(&snapshot, account, kind, name)?.id);
        page.of(snapshot.prefix(ATTACHMENTS, &of_entity), |key, _| {
            let Some(arn) = last_part(key, &of_entity) else { return Ok(None) };
            let path_begins = arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(path_prefix));
            Ok(path_begins.then(|| AttachedPolicy { name: name_of(&arn).to_owned(), arn }))
        })
    }

    /// What a managed policy is attached to, or the boundary of, where its path begins with `path_prefix`; `None` asks for all.
    pub fn list_entities_for_policy(
        &self,
        caller: &Caller,
        arn: &str,
        kind: Option<EntityKind>,
        usage: Option<PolicyUsage>,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Entity>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        find_policy(&snapshot, account, arn)?;
        let prefix = attached_to(account, arn);
        let marked = |mark: &'static str| {
            move |item: Result<(Key, Link), tarn_metadata::StoreError>| {
                item.map(|(key, link)| (Key::new().text(mark).raw(key.as_bytes()), link))
            }
        };
        let attached = snapshot.prefix(ATTACHED_TO, &prefix).filter(|_| usage != Some(PolicyUsage::Boundary));
        let bounded = snapshot.prefix(BOUNDARY_OF, &prefix).filter(|_| usage != Some(PolicyUsage::Attached));
        let all = attached.map(marked("attached")).chain(bounded.map(marked("boundary")));
        let (as_attached, as_boundary) =
            (Key::new().text("attached").raw(prefix.as_bytes()), Key::new().text("boundary").raw(prefix.as_bytes()));
        page.of(all, |key, _| {
            let under = if key.as_bytes().starts_with(as_attached.as_bytes()) { &as_attached } else { &as_boundary };
            let Some(id) = last_part(key, under) else { return Ok(None) };
            let entity = entity_by_id(&snapshot, account, &id)?;
            Ok(entity
                .filter(|entity| kind.is_none_or(|kind| kind == entity.kind) && entity.path.starts_with(path_prefix)))
        })
    }
}

/// Whether two names of one account's policy are the same thing is decided by the ARN alone.
pub(crate) fn attachment_count(read: &impl Read, account: &AccountId, arn: &Arn) -> Result<usize, IdentityError> {
    Ok(count(read, ATTACHED_TO, &attached_to(account, &arn.to_string()), ATTACHED_TO_MAX)?)
}
