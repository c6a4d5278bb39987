//! Managed policies and their versions: those of the account, and those that AWS defines, which have one version each.

use tarn_audit::Caller;
use tarn_metadata::{Key, Read, StoreExt};
use tarn_types::{AccountId, Arn};

use crate::aws_managed::{self, AwsManagedPolicy};
use crate::boundaries::boundary_count;
use crate::entities::{check_name, check_path};
use crate::entity_policies::{PolicyUsage, attachment_count, parse};
use crate::paging::count;
use crate::records::{MANAGED_POLICIES, ManagedPolicyRecord, PolicyVersionRecord, account_key, by_name};
use crate::tags::{check_tags, put_tags, tags_of};
use crate::{
    IdKind, Identity, IdentityError, LONG_NAME_CHARS_MAX, MANAGED_POLICY_SIZE_CHARS_MAX, POLICIES_PER_ACCOUNT_MAX,
    Page, PageRequest, Tag, VERSIONS_PER_POLICY_MAX,
};

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
    /// In the order of their numbers.
    pub versions: Vec<PolicyVersion>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
    /// When a version was last made, or put in force, milliseconds since 1970.
    pub updated_ms: i64,
    /// How many users, groups and roles it is attached to.
    pub attachment_count: usize,
    /// How many users and roles it is the boundary of.
    pub boundary_count: usize,
    /// In the order of their keys.
    pub tags: Vec<Tag>,
}

/// A version of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// `v1`.
    pub id: String,
    /// Whether it is the one in force.
    pub is_default: bool,
    /// As it was given.
    pub document: String,
    /// When it was made, milliseconds since 1970.
    pub created_ms: i64,
}

/// A policy to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPolicy {
    /// Its name.
    pub name: String,
    /// Its path; `/` if none is given.
    pub path: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Its first version.
    pub document: String,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl ManagedPolicy {
    /// The id of the version in force.
    pub fn default_version_id(&self) -> &str {
        self.versions.iter().find(|version| version.is_default).map_or("v1", |version| &version.id)
    }

    /// The version that `id` names.
    fn version(&self, id: &str) -> Result<&PolicyVersion, IdentityError> {
        let missing = || IdentityError::NoSuchPolicyVersion { arn: self.arn.to_string(), version: id.to_owned() };
        self.versions.iter().find(|version| version.id == id).ok_or_else(missing)
    }
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

pub(crate) fn arn(account: &AccountId, record: &ManagedPolicyRecord) -> Arn {
    Arn::iam(account, format!("policy{}{}", record.path, record.name))
}

impl From<&AwsManagedPolicy> for ManagedPolicyRecord {
    fn from(policy: &AwsManagedPolicy) -> Self {
        Self {
            id: policy.id.to_owned(),
            name: policy.name.to_owned(),
            path: policy.path.to_owned(),
            description: Some(policy.description.to_owned()),
            versions: vec![PolicyVersionRecord { number: 1, document: policy.document.to_owned(), created_ms: 0 }],
            default_version: 1,
            last_version: 1,
            created_ms: 0,
            updated_ms: 0,
        }
    }
}

impl ManagedPolicyRecord {
    /// The document in force.
    pub(crate) fn document(&self) -> &str {
        let default = self.versions.iter().find(|version| version.number == self.default_version);
        // A policy without its version in force is unreadable, and an unreadable policy lets nothing through.
        default.map_or("", |version| &version.document)
    }

    /// The place of the version that `id` names.
    fn version_at(&self, arn: &str, id: &str) -> Result<usize, IdentityError> {
        let missing = || IdentityError::NoSuchPolicyVersion { arn: arn.to_owned(), version: id.to_owned() };
        self.versions.iter().position(|version| version_id(version.number) == id).ok_or_else(missing)
    }
}

fn version_id(number: u32) -> String {
    format!("v{number}")
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

/// As `find_policy`, of those that the account can change.
pub(crate) fn find_own_policy(
    read: &impl Read,
    account: &AccountId,
    text: &str,
) -> Result<ManagedPolicyRecord, IdentityError> {
    if aws_managed::find(text).is_some() {
        return Err(IdentityError::ManagedByAws { arn: text.to_owned() });
    }
    find_policy(read, account, text)
}

pub(crate) fn complete(
    read: &impl Read,
    account: &AccountId,
    arn: Arn,
    record: ManagedPolicyRecord,
) -> Result<ManagedPolicy, IdentityError> {
    let attachment_count = attachment_count(read, account, &arn)?;
    let boundary_count = boundary_count(read, account, &arn)?;
    let tags = tags_of(read, account, &record.id)?;
    let ManagedPolicyRecord {
        id,
        name,
        path,
        description,
        versions,
        default_version,
        last_version: _,
        created_ms,
        updated_ms,
    } = record;
    let version = |PolicyVersionRecord { number, document, created_ms }| PolicyVersion {
        id: version_id(number),
        is_default: number == default_version,
        document,
        created_ms,
    };
    let versions = versions.into_iter().map(version).collect();
    Ok(ManagedPolicy {
        arn,
        id,
        name,
        path,
        description,
        versions,
        created_ms,
        updated_ms,
        attachment_count,
        boundary_count,
        tags,
    })
}

fn check_document(document: &str) -> Result<(), IdentityError> {
    if parse(document)?.size_chars() > MANAGED_POLICY_SIZE_CHARS_MAX {
        return Err(IdentityError::LimitExceeded { quota: "PolicySize", max: MANAGED_POLICY_SIZE_CHARS_MAX });
    }
    Ok(())
}

impl Identity {
    /// Makes a managed policy of the caller's account.
    pub async fn create_policy(&self, caller: &Caller, new: NewPolicy) -> Result<ManagedPolicy, IdentityError> {
        let NewPolicy { name, path, description, document, tags } = new;
        check_document(&document)?;
        let path = path.unwrap_or_else(|| "/".to_owned());
        check_name("policyName", &name, LONG_NAME_CHARS_MAX)?;
        check_path(&path)?;
        check_tags(&tags)?;
        let (account, created_ms) = (caller.scope().account.clone(), caller.time_ms());
        let record = ManagedPolicyRecord {
            id: self.new_id(IdKind::ManagedPolicy),
            name,
            path,
            description,
            versions: vec![PolicyVersionRecord { number: 1, document, created_ms }],
            default_version: 1,
            last_version: 1,
            created_ms,
            updated_ms: created_ms,
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
            put_tags(tx, &account, &record.id, tags)?;
            complete(tx, &account, arn(&account, &record), record)
        })
        .await
    }

    /// Changes a policy of the account by `change`, which gets its record.
    async fn change_policy<T, F>(&self, caller: &Caller, text: &str, change: F) -> Result<T, IdentityError>
    where
        T: Send + 'static,
        F: FnOnce(&mut ManagedPolicyRecord) -> Result<T, IdentityError> + Send + 'static,
    {
        let (account, text) = (caller.scope().account.clone(), text.to_owned());
        self.commit(caller, move |tx| {
            let mut record = find_own_policy(tx, &account, &text)?;
            let found = change(&mut record)?;
            tx.put(MANAGED_POLICIES, &by_name(&account, &record.name), &record)?;
            Ok(found)
        })
        .await
    }

    /// Makes a version of a policy; `set_as_default` puts it in force.
    pub async fn create_policy_version(
        &self,
        caller: &Caller,
        text: &str,
        document: &str,
        set_as_default: bool,
    ) -> Result<PolicyVersion, IdentityError> {
        check_document(document)?;
        let (document, created_ms) = (document.to_owned(), caller.time_ms());
        self.change_policy(caller, text, move |record| {
            if record.versions.len() >= VERSIONS_PER_POLICY_MAX {
                return Err(IdentityError::TooManyVersions { max: VERSIONS_PER_POLICY_MAX });
            }
            record.last_version += 1;
            let number = record.last_version;
            record.versions.push(PolicyVersionRecord { number, document: document.clone(), created_ms });
            if set_as_default {
                record.default_version = number;
            }
            record.updated_ms = created_ms;
            Ok(PolicyVersion { id: version_id(number), is_default: set_as_default, document, created_ms })
        })
        .await
    }

    /// Puts another version of a policy in force.
    pub async fn set_default_policy_version(
        &self,
        caller: &Caller,
        text: &str,
        version: &str,
    ) -> Result<(), IdentityError> {
        let (arn, version, now_ms) = (text.to_owned(), version.to_owned(), caller.time_ms());
        self.change_policy(caller, text, move |record| {
            let at = record.version_at(&arn, &version)?;
            if let Some(found) = record.versions.get(at) {
                record.default_version = found.number;
            }
            record.updated_ms = now_ms;
            Ok(())
        })
        .await
    }

    /// Removes a version of a policy that is not in force.
    pub async fn delete_policy_version(&self, caller: &Caller, text: &str, version: &str) -> Result<(), IdentityError> {
        let (arn, version) = (text.to_owned(), version.to_owned());
        self.change_policy(caller, text, move |record| {
            let at = record.version_at(&arn, &version)?;
            if version == version_id(record.default_version) {
                return Err(IdentityError::DefaultVersion);
            }
            record.versions.remove(at);
            Ok(())
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

    /// A version of the policy that `text` names.
    pub fn get_policy_version(
        &self,
        caller: &Caller,
        text: &str,
        version: &str,
    ) -> Result<PolicyVersion, IdentityError> {
        self.get_policy(caller, text)?.version(version).cloned()
    }

    /// The versions of the policy that `text` names, the newest first.
    pub fn list_policy_versions(
        &self,
        caller: &Caller,
        text: &str,
        page: &PageRequest,
    ) -> Result<Page<PolicyVersion>, IdentityError> {
        page.of_list(self.get_policy(caller, text)?.versions.into_iter().rev().collect())
    }

    /// Policies whose path begins with `path_prefix`, the account's own before those of AWS, each in the order of their names.
    pub fn list_policies(
        &self,
        caller: &Caller,
        scope: PolicyScope,
        only_attached: bool,
        usage: Option<PolicyUsage>,
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
            let arn = if of_aws { aws_managed::arn(&record.path, &record.name) } else { arn(account, &record) };
            let policy = complete(&snapshot, account, arn, record)?;
            let used = match usage {
                None | Some(PolicyUsage::Attached) => true,
                Some(PolicyUsage::Boundary) => policy.boundary_count > 0,
            };
            let attached = !only_attached || policy.attachment_count > 0;
            Ok((policy.path.starts_with(path_prefix) && attached && used).then_some(policy))
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
            let own = arn(&account, &record);
            if attachment_count(tx, &account, &own)? > 0 || boundary_count(tx, &account, &own)? > 0 {
                return Err(IdentityError::PolicyAttached);
            }
            if record.versions.len() > 1 {
                return Err(IdentityError::PolicyHasVersions);
            }
            put_tags(tx, &account, &record.id, Vec::new())?;
            Ok(tx.delete(MANAGED_POLICIES, &by_name(&account, &record.name))?)
        })
        .await
    }
}
