//! Policies of users: inline ones, attachments of managed ones, and both together for decisions.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_policy::{IdentityPolicies, PoliciesUnreadable, Policy, PolicyKind, Principal, PrincipalKind};
use tarn_types::{AccountId, Arn};

use crate::managed_policies::{find_policy, name_of};
use crate::paging::count;
use crate::records::{
    ATTACHED_TO, ATTACHMENTS, INLINE_POLICIES, InlinePolicyRecord, Link, USERS, UserRecord, in_account,
};
use crate::users::find_user;
use crate::{
    ATTACHED_POLICIES_PER_USER_MAX, INLINE_POLICIES_SIZE_CHARS_MAX, Identity, IdentityError, Page, PageRequest, User,
    aws_managed,
};

/// A user's inline policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinePolicy {
    /// The user's name.
    pub user_name: String,
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

pub(crate) fn parse(document: &str) -> Result<Policy, IdentityError> {
    Policy::parse(document, PolicyKind::Identity).map_err(|source| IdentityError::MalformedPolicy { source })
}

/// The last text part of a key under `prefix`.
fn last_part(key: &Key, prefix: &Key) -> Option<String> {
    Key::reader(key.as_bytes().get(prefix.as_bytes().len()..)?).text()
}

fn attached_to(account: &AccountId, arn: &str) -> Key {
    in_account(account, arn)
}

impl Identity {
    /// Puts an inline policy of a user, in place of one of the same name.
    pub async fn put_user_policy(
        &self,
        caller: &Caller,
        user: &str,
        policy_name: &str,
        document: &str,
    ) -> Result<(), IdentityError> {
        let parsed = parse(document)?;
        let account = caller.scope().account.clone();
        let (user, policy_name, document) = (user.to_owned(), policy_name.to_owned(), document.to_owned());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &user)?;
            let of_user = in_account(&account, &user.id);
            let at = of_user.clone().text(&policy_name);
            let mut size_chars = parsed.size_chars();
            for item in tx.prefix(INLINE_POLICIES, &of_user) {
                let (key, InlinePolicyRecord { document }) = item?;
                if key != at {
                    size_chars += document.chars().filter(|c| !c.is_whitespace()).count();
                }
            }
            if size_chars > INLINE_POLICIES_SIZE_CHARS_MAX {
                return Err(IdentityError::InlinePoliciesTooLarge {
                    user: user.name,
                    size_chars_max: INLINE_POLICIES_SIZE_CHARS_MAX,
                });
            }
            Ok(tx.put(INLINE_POLICIES, &at, &InlinePolicyRecord { document })?)
        })
        .await
    }

    /// A user's inline policy.
    pub fn get_user_policy(
        &self,
        caller: &Caller,
        user: &str,
        policy_name: &str,
    ) -> Result<InlinePolicy, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let user = find_user(&snapshot, account, user)?;
        let record = snapshot.get(INLINE_POLICIES, &in_account(account, &user.id).text(policy_name))?;
        let InlinePolicyRecord { document } =
            record.ok_or_else(|| IdentityError::NoSuchUserPolicy { policy: policy_name.to_owned() })?;
        Ok(InlinePolicy { user_name: user.name, policy_name: policy_name.to_owned(), document })
    }

    /// The names of a user's inline policies.
    pub fn list_user_policies(
        &self,
        caller: &Caller,
        user: &str,
        page: &PageRequest,
    ) -> Result<Page<String>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let of_user = in_account(account, &find_user(&snapshot, account, user)?.id);
        page.of(snapshot.prefix(INLINE_POLICIES, &of_user), |key, _| Ok(last_part(key, &of_user)))
    }

    /// Removes a user's inline policy.
    pub async fn delete_user_policy(
        &self,
        caller: &Caller,
        user: &str,
        policy_name: &str,
    ) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (user, policy_name) = (user.to_owned(), policy_name.to_owned());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &user)?;
            let at = in_account(&account, &user.id).text(&policy_name);
            if !tx.contains(INLINE_POLICIES, &at)? {
                return Err(IdentityError::NoSuchUserPolicy { policy: policy_name });
            }
            Ok(tx.delete(INLINE_POLICIES, &at)?)
        })
        .await
    }

    /// Attaches a managed policy to a user; again is no error.
    pub async fn attach_user_policy(&self, caller: &Caller, user: &str, arn: &str) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (user, arn, now_ms) = (user.to_owned(), arn.to_owned(), caller.time_ms());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &user)?;
            find_policy(tx, &account, &arn)?;
            let of_user = in_account(&account, &user.id);
            let at = of_user.clone().text(&arn);
            if tx.contains(ATTACHMENTS, &at)? {
                return Ok(());
            }
            if count(tx, ATTACHMENTS, &of_user, ATTACHED_POLICIES_PER_USER_MAX)? >= ATTACHED_POLICIES_PER_USER_MAX {
                return Err(IdentityError::LimitExceeded {
                    quota: "PoliciesPerUser",
                    max: ATTACHED_POLICIES_PER_USER_MAX,
                });
            }
            tx.put(ATTACHMENTS, &at, &Link { since_ms: now_ms })?;
            Ok(tx.put(ATTACHED_TO, &attached_to(&account, &arn).text(&user.id), &Link { since_ms: now_ms })?)
        })
        .await
    }

    /// Detaches a managed policy from a user.
    pub async fn detach_user_policy(&self, caller: &Caller, user: &str, arn: &str) -> Result<(), IdentityError> {
        let account = caller.scope().account.clone();
        let (user, arn) = (user.to_owned(), arn.to_owned());
        self.commit(caller, move |tx| {
            let user = find_user(tx, &account, &user)?;
            let at = in_account(&account, &user.id).text(&arn);
            if !tx.contains(ATTACHMENTS, &at)? {
                return Err(IdentityError::NotAttached { arn });
            }
            tx.delete(ATTACHMENTS, &at)?;
            Ok(tx.delete(ATTACHED_TO, &attached_to(&account, &arn).text(&user.id))?)
        })
        .await
    }

    /// The managed policies attached to a user, of those whose path begins with `path_prefix`.
    pub fn list_attached_user_policies(
        &self,
        caller: &Caller,
        user: &str,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<AttachedPolicy>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let of_user = in_account(account, &find_user(&snapshot, account, user)?.id);
        page.of(snapshot.prefix(ATTACHMENTS, &of_user), |key, _| {
            let Some(arn) = last_part(key, &of_user) else { return Ok(None) };
            let path_begins = arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(path_prefix));
            Ok(path_begins.then(|| AttachedPolicy { name: name_of(&arn).to_owned(), arn }))
        })
    }

    /// The users that a managed policy is attached to, of those whose path begins with `path_prefix`.
    pub fn list_users_for_policy(
        &self,
        caller: &Caller,
        arn: &str,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<User>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        find_policy(&snapshot, account, arn)?;
        let prefix = attached_to(account, arn);
        page.of(snapshot.prefix(ATTACHED_TO, &prefix), |key, _| {
            let Some(user_id) = last_part(key, &prefix) else { return Ok(None) };
            let user: Option<UserRecord> = snapshot.get(USERS, &in_account(account, &user_id))?;
            Ok(user.filter(|user| user.path.starts_with(path_prefix)).map(
                |UserRecord { id, name, path, created_ms }| User {
                    id,
                    name,
                    path,
                    account: account.clone(),
                    created_ms,
                },
            ))
        })
    }

    fn load_policies(&self, account: &AccountId, user_id: &str) -> Result<Vec<Arc<Policy>>, IdentityError> {
        let snapshot = self.store.read()?;
        let of_user = in_account(account, user_id);
        let mut policies = Vec::new();
        for item in snapshot.prefix(INLINE_POLICIES, &of_user) {
            policies.push(Arc::new(parse(&item?.1.document)?));
        }
        for item in snapshot.prefix(ATTACHMENTS, &of_user) {
            let (key, _) = item?;
            let Some(arn) = last_part(&key, &of_user) else { continue };
            policies.push(match aws_managed::find(&arn) {
                Some(of_aws) => of_aws.parsed()?,
                None => Arc::new(parse(&find_policy(&snapshot, account, &arn)?.document)?),
            });
        }
        Ok(policies)
    }
}

/// Whether two names of one account's policy are the same thing is decided by the ARN alone.
pub(crate) fn attachment_count(read: &impl Read, account: &AccountId, arn: &Arn) -> Result<usize, IdentityError> {
    Ok(count(read, ATTACHED_TO, &attached_to(account, &arn.to_string()), crate::USERS_PER_ACCOUNT_MAX)?)
}

impl IdentityPolicies for Identity {
    /// A policy that cannot be read makes all unreadable: one left out could be the one that denies.
    fn identity_policies(&self, principal: &Principal) -> Result<Vec<Arc<Policy>>, PoliciesUnreadable> {
        match &principal.kind {
            PrincipalKind::User { .. } => {}
            PrincipalKind::Root
            | PrincipalKind::AssumedRole { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::Anonymous => return Ok(Vec::new()),
        }
        let generation = match self.cache.policies(&principal.account, &principal.id) {
            Ok(known) => return Ok(known.to_vec()),
            Err(generation) => generation,
        };
        let policies = self
            .load_policies(&principal.account, &principal.id)
            .map_err(|error| PoliciesUnreadable { reason: error.to_string() })?;
        self.cache.keep_policies(generation, &principal.account, &principal.id, &policies.clone().into());
        Ok(policies)
    }
}
