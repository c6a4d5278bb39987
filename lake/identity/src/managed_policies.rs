//! Managed policies: those of the account, and those that AWS defines. Each has one version, `v1`.

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_types::{AccountId, Arn};

use crate::aws_managed::{self, AwsManagedPolicy};
use crate::paging::count;
use crate::records::{MANAGED_POLICIES, ManagedPolicyRecord, account_key, by_name};
use crate::user_policies::{attachment_count, parse};
use crate::users::check_path;
use crate::{
    IdKind, Identity, IdentityError, MANAGED_POLICY_SIZE_CHARS_MAX, POLICIES_PER_ACCOUNT_MAX, Page, PageRequest,
};

/// The only version of a policy.
pub const VERSION_ID: &str = "v1";

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// `arn:aws:iam::ACCOUNT:policy/PATH/NAME`; the account is `aws` for those that AWS defines.
    pub arn: Arn,
    /// `ANPA...`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// For people; cannot be changed.
    pub description: Option<String>,
    /// As it was given.
    pub document: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// How many users it is attached to.
    pub attachment_count: usize,
}

/// Whose policies to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyScope {
    /// All.
    #[default]
    All,
    /// Those that AWS defines.
    Aws,
    /// The account's own.
    Local,
}

/// What stands after the last slash.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

fn arn(account: &AccountId, record: &ManagedPolicyRecord) -> Arn {
    Arn::iam(account, format!("policy{}{}", record.path, record.name))
}

impl From<&AwsManagedPolicy> for ManagedPolicyRecord {
    fn from(policy: &AwsManagedPolicy) -> Self {
        Self {
            id: policy.id.to_owned(),
            name: policy.name.to_owned(),
            path: "/".to_owned(),
            description: Some(policy.description.to_owned()),
            document: policy.document.to_owned(),
            created_ms: 0,
        }
    }
}

/// The policy that `arn` names for `account`: one of its own, or one of AWS's.
pub(crate) fn find_policy(
    read: &impl Read,
    account: &AccountId,
    text: &str,
) -> Result<ManagedPolicyRecord, IdentityError> {
    if let Some(policy) = aws_managed::find(text) {
        return Ok(policy.into());
    }
    let missing = || IdentityError::NoSuchPolicy { arn: text.to_owned() };
    let record = read.get(MANAGED_POLICIES, &by_name(account, name_of(text)))?.ok_or_else(missing)?;
    // The name finds it; account, path and case must be right too.
    if arn(account, &record).to_string() == text { Ok(record) } else { Err(missing()) }
}

fn complete(
    read: &impl Read,
    account: &AccountId,
    arn: Arn,
    record: ManagedPolicyRecord,
) -> Result<ManagedPolicy, IdentityError> {
    let attachment_count = attachment_count(read, account, &arn)?;
    let ManagedPolicyRecord { id, name, path, description, document, created_ms } = record;
    Ok(ManagedPolicy { arn, id, name, path, description, document, created_ms, attachment_count })
}

impl Identity {
    /// Makes a managed policy of the caller's account.
    pub async fn create_policy(
        &self,
        caller: &Caller,
        name: &str,
        path: Option<&str>,
        description: Option<&str>,
        document: &str,
    ) -> Result<ManagedPolicy, IdentityError> {
        let parsed = parse(document)?;
        if parsed.size_chars() > MANAGED_POLICY_SIZE_CHARS_MAX {
            return Err(IdentityError::LimitExceeded { quota: "PolicySize", max: MANAGED_POLICY_SIZE_CHARS_MAX });
        }
        let path = path.unwrap_or("/").to_owned();
        check_path(&path)?;
        let account = caller.scope().account.clone();
        let record = ManagedPolicyRecord {
            id: self.new_id(IdKind::ManagedPolicy),
            name: name.to_owned(),
            path,
            description: description.map(str::to_owned),
            document: document.to_owned(),
            created_ms: caller.time_ms(),
        };
        self.commit(caller, move |tx| {
            let at = by_name(&account, &record.name);
            if tx.contains(MANAGED_POLICIES, &at)? {
                return Err(IdentityError::PolicyExists { name: record.name });
            }
            if count(tx, MANAGED_POLICIES, &account_key(&account), POLICIES_PER_ACCOUNT_MAX)?
                >= POLICIES_PER_ACCOUNT_MAX
            {
                return Err(IdentityError::LimitExceeded {
                    quota: "PoliciesPerAccount",
                    max: POLICIES_PER_ACCOUNT_MAX,
                });
            }
            tx.put(MANAGED_POLICIES, &at, &record)?;
            complete(tx, &account, arn(&account, &record), record)
        })
        .await
    }

    /// The policy `text` names.
    pub fn get_policy(&self, caller: &Caller, text: &str) -> Result<ManagedPolicy, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let record = find_policy(&snapshot, account, text)?;
        let arn = Arn::parse(text).map_err(|_| IdentityError::NoSuchPolicy { arn: text.to_owned() })?;
        complete(&snapshot, account, arn, record)
    }

    /// A version of the policy that `text` names: its only one.
    pub fn get_policy_version(
        &self,
        caller: &Caller,
        text: &str,
        version: &str,
    ) -> Result<ManagedPolicy, IdentityError> {
        let policy = self.get_policy(caller, text)?;
        if version == VERSION_ID {
            return Ok(policy);
        }
        Err(IdentityError::NoSuchPolicyVersion { arn: text.to_owned(), version: version.to_owned() })
    }

    /// Policies whose path begins with `path_prefix`, the account's own before those of AWS, each in the order of their names.
    pub fn list_policies(
        &self,
        caller: &Caller,
        scope: PolicyScope,
        only_attached: bool,
        path_prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<ManagedPolicy>, IdentityError> {
        let snapshot = self.store.read()?;
        let account = &caller.scope().account;
        let own = snapshot
            .prefix(MANAGED_POLICIES, &account_key(account))
            .filter(|_| scope != PolicyScope::Aws)
            .map(|item| item.map(|(key, record)| (Key::new().text("local").raw(key.as_bytes()), record)));
        let of_aws = aws_managed::ALL
            .iter()
            .filter(|_| scope != PolicyScope::Local)
            .map(|policy| Ok((Key::new().text("of-aws").text(policy.name), ManagedPolicyRecord::from(policy))));
        page.of(own.chain(of_aws), |key, record| {
            let of_aws = Key::reader(key.as_bytes()).text().as_deref() == Some("of-aws");
            let arn = if of_aws { aws_managed::arn(&record.name) } else { arn(account, &record) };
            let policy = complete(&snapshot, account, arn, record)?;
            Ok((policy.path.starts_with(path_prefix) && (!only_attached || policy.attachment_count > 0))
                .then_some(policy))
        })
    }

    /// Removes a policy of the account that is attached to nobody.
    pub async fn delete_policy(&self, caller: &Caller, text: &str) -> Result<(), IdentityError> {
        if aws_managed::find(text).is_some() {
            return Err(IdentityError::ManagedByAws { arn: text.to_owned() });
        }
        let (account, text) = (caller.scope().account.clone(), text.to_owned());
        self.commit(caller, move |tx| {
            let record = find_policy(tx, &account, &text)?;
            if attachment_count(tx, &account, &arn(&account, &record))? > 0 {
                return Err(IdentityError::PolicyAttached);
            }
            Ok(tx.delete(MANAGED_POLICIES, &by_name(&account, &record.name))?)
        })
        .await
    }
}
