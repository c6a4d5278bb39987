//! Workgroups: what queries are counted, limited and put by. Every account has `primary`. Knows no query.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use super::keyspaces::{BY_WORK_GROUP, NAMED_BY_WORK_GROUP, PREPARED_STATEMENTS, WORK_GROUPS, account_key, name_key};
use super::output::check_settings;
use super::records::ResultSettings;
use super::tags::check_tags;
use super::{Listed, Queries, QueriesError, WORK_GROUP_NAME_CHARACTERS_MAX, WORK_GROUPS_MAX, page_len};

/// The workgroup that every account has.
pub const PRIMARY: &str = "primary";
/// The least limit of bytes: <https://docs.aws.amazon.com/athena/latest/APIReference/API_WorkGroupConfiguration.html>
const BYTES_SCANNED_CUTOFF_MIN: i64 = 10_000_000;
/// Records that are removed with a workgroup in one transaction.
const CONTENT_REMOVED_MAX: usize = 20_000;

/// What a workgroup says of its queries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkGroupConfiguration {
    /// Where results are put.
    pub results: ResultSettings,
    /// Whether the caller's own settings are overruled.
    pub enforce: bool,
    /// Kept and told; there is no place that metrics are published to but the server's own.
    pub publish_metrics: bool,
    /// The most bytes a query may read.
    pub bytes_scanned_cutoff: Option<i64>,
    /// Kept and told: there are no requesters that pay.
    pub requester_pays: bool,
    /// `AUTO`, or the engine's name.
    pub engine_version: Option<String>,
    /// Kept and told: all results are encrypted.
    pub minimum_encryption: bool,
}

/// A workgroup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkGroup {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it takes queries.
    pub is_enabled: bool,
    /// What it says of its queries.
    pub configuration: WorkGroupConfiguration,
    /// Milliseconds since 1970; `None` of a `primary` that nobody has used.
    pub created_ms: Option<i64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Record for WorkGroup {
    const VERSION: u16 = 1;
}

impl WorkGroup {
    fn primary() -> Self {
        Self {
            name: PRIMARY.to_owned(),
            description: None,
            is_enabled: true,
            configuration: WorkGroupConfiguration::default(),
            created_ms: None,
            tags: BTreeMap::new(),
        }
    }
}

/// What is to change of a workgroup.
pub struct UpdateWorkGroup {
    /// The new description.
    pub description: Option<String>,
    /// Whether it takes queries.
    pub is_enabled: Option<bool>,
    /// Changes the configuration.
    pub configure: Box<dyn FnOnce(&mut WorkGroupConfiguration) + Send>,
}

fn not_found(name: &str) -> QueriesError {
    QueriesError::NotFound { what: "WorkGroup", name: name.to_owned() }
}

/// The workgroup, or that there is none.
pub(super) fn work_group_in(read: &impl Read, account: &AccountId, name: &str) -> Result<WorkGroup, QueriesError> {
    match read.get(WORK_GROUPS, &name_key(account, name))? {
        Some(group) => Ok(group),
        None if name == PRIMARY => Ok(WorkGroup::primary()),
        None => Err(not_found(name)),
    }
}

/// Gives `primary` its record, and with it the time of its creation, if it has none yet.
pub(super) fn keep_primary(tx: &mut Tx<'_>, account: &AccountId, now_ms: i64) -> Result<(), QueriesError> {
    let key = name_key(account, PRIMARY);
    if !tx.contains(WORK_GROUPS, &key)? {
        tx.put(WORK_GROUPS, &key, &WorkGroup { created_ms: Some(now_ms), ..WorkGroup::primary() })?;
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), QueriesError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > WORK_GROUP_NAME_CHARACTERS_MAX || !name.chars().all(legal) {
        return Err(QueriesError::invalid(format!(
            "WorkGroup name {name:?} is not valid: it has 1 to {WORK_GROUP_NAME_CHARACTERS_MAX} of a-z, A-Z, 0-9, `.`, `_` and `-`"
        )));
    }
    Ok(())
}

/// Versions of the engine that can be asked for; there is one, under two names.
pub const ENGINE_VERSIONS: [&str; 2] = ["AUTO", "Athena engine version 3"];

fn check(configuration: &WorkGroupConfiguration) -> Result<(), QueriesError> {
    check_settings(&configuration.results)?;
    if configuration.bytes_scanned_cutoff.is_some_and(|bytes| bytes < BYTES_SCANNED_CUTOFF_MIN) {
        return Err(QueriesError::invalid(format!(
            "BytesScannedCutoffPerQuery must be at least {BYTES_SCANNED_CUTOFF_MIN}"
        )));
    }
    match configuration.engine_version.as_deref() {
        None => Ok(()),
        Some(version) if ENGINE_VERSIONS.contains(&version) => Ok(()),
        Some(version) => Err(QueriesError::invalid(format!(
            "Engine version {version:?} does not exist; use {}",
            ENGINE_VERSIONS.join(" or ")
        ))),
    }
}

impl Queries {
    /// Makes a workgroup.
    pub async fn create_work_group(
        &self,
        caller: &Caller,
        name: &str,
        description: Option<String>,
        configuration: WorkGroupConfiguration,
        tags: BTreeMap<String, String>,
    ) -> Result<(), QueriesError> {
        check_name(name)?;
        check(&configuration)?;
        check_tags(&tags)?;
        let group = WorkGroup {
            name: name.to_owned(),
            description,
            is_enabled: true,
            configuration,
            created_ms: Some(self.now_ms()),
            tags,
        };
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let key = name_key(&account, &group.name);
            if group.name == PRIMARY || tx.contains(WORK_GROUPS, &key)? {
                return Err(QueriesError::Exists { what: "WorkGroup", name: group.name });
            }
            if tx.prefix(WORK_GROUPS, &account_key(&account)).take(WORK_GROUPS_MAX).count() >= WORK_GROUPS_MAX {
                return Err(QueriesError::Limit { what: "WorkGroups", limit: WORK_GROUPS_MAX });
            }
            Ok(tx.put(WORK_GROUPS, &key, &group)?)
        })
        .await
    }

    /// A workgroup.
    pub fn work_group(&self, proof: &Authorized, name: &str) -> Result<WorkGroup, QueriesError> {
        work_group_in(&self.snapshot()?, &proof.principal().account, name)
    }

    /// Workgroups by name.
    pub fn work_groups(
        &self,
        proof: &Authorized,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Listed<WorkGroup>, QueriesError> {
        let account = &proof.principal().account;
        let snapshot = self.snapshot()?;
        let prefix = account_key(account);
        let (end, limit) = (prefix.after_prefix(), page_len(limit));
        let start = after.map(|after| name_key(account, after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let range = snapshot.range(WORK_GROUPS, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded));
        let mut items = Vec::new();
        for pair in range.take(limit + 1) {
            items.push(pair?.1);
        }
        // One that is not kept yet stands where its name does.
        let is_kept = snapshot.contains(WORK_GROUPS, &name_key(account, PRIMARY))?;
        if !is_kept && after.is_none_or(|after| after < PRIMARY) {
            let at = items.partition_point(|group| group.name.as_str() < PRIMARY);
            if at <= limit {
                items.insert(at, WorkGroup::primary());
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|group| group.name.clone());
        Ok(Listed { items, next })
    }

    /// Changes a workgroup.
    pub async fn update_work_group(
        &self,
        caller: &Caller,
        name: &str,
        update: UpdateWorkGroup,
    ) -> Result<(), QueriesError> {
        self.change_work_group(caller, name, move |group| {
            let UpdateWorkGroup { description, is_enabled, configure } = update;
            configure(&mut group.configuration);
            check(&group.configuration)?;
            group.description = description.or(group.description.take());
            group.is_enabled = is_enabled.unwrap_or(group.is_enabled);
            Ok(())
        })
        .await
    }

    pub(super) async fn change_work_group(
        &self,
        caller: &Caller,
        name: &str,
        change: impl FnOnce(&mut WorkGroup) -> Result<(), QueriesError> + Send + 'static,
    ) -> Result<(), QueriesError> {
        let (account, name, now_ms) = (caller.scope().account.clone(), name.to_owned(), self.now_ms());
        self.commit(caller, move |tx| {
            let mut group = work_group_in(tx, &account, &name)?;
            group.created_ms = group.created_ms.or(Some(now_ms));
            change(&mut group)?;
            Ok(tx.put(WORK_GROUPS, &name_key(&account, &name), &group)?)
        })
        .await
    }

    /// Deletes a workgroup, with what is in it if `recursive`. Results stay.
    pub async fn delete_work_group(&self, caller: &Caller, name: &str, recursive: bool) -> Result<(), QueriesError> {
        if name == PRIMARY {
            return Err(QueriesError::invalid("The primary WorkGroup cannot be deleted"));
        }
        let (account, name) = (caller.scope().account.clone(), name.to_owned());
        self.commit(caller, move |tx| {
            let key = name_key(&account, &name);
            if !tx.contains(WORK_GROUPS, &key)? {
                return Err(not_found(&name));
            }
            let take = CONTENT_REMOVED_MAX + 1;
            let prepared = tx.prefix(PREPARED_STATEMENTS, &key).take(take).collect::<Result<Vec<_>, _>>()?;
            let named = tx.prefix(NAMED_BY_WORK_GROUP, &key).take(take).collect::<Result<Vec<_>, _>>()?;
            let executions = tx.prefix(BY_WORK_GROUP, &key).take(take).collect::<Result<Vec<_>, _>>()?;
            let count = prepared.len() + named.len() + executions.len();
            if count > 0 && !recursive {
                return Err(QueriesError::WorkGroupNotEmpty { name });
            }
            if count > CONTENT_REMOVED_MAX {
                return Err(QueriesError::Limit {
                    what: "What is deleted with a WorkGroup",
                    limit: CONTENT_REMOVED_MAX,
                });
            }
            for (key, _) in prepared {
                tx.delete(PREPARED_STATEMENTS, &key)?;
            }
            for (key, _) in named {
                if let Some(id) = last_part(key.as_bytes()) {
                    super::named_queries::remove_in(tx, &account, &id)?;
                }
            }
            for (key, _) in executions {
                let mut reader = tarn_metadata::Key::reader(key.as_bytes());
                if let (Some(_), Some(_), Some(_), Some(id)) =
                    (reader.text(), reader.text(), reader.u64_descending(), reader.text())
                {
                    super::pool::remove_in(tx, &account, &id)?;
                }
            }
            Ok(tx.delete(WORK_GROUPS, &key)?)
        })
        .await
    }
}

/// The third text of a key.
pub(super) fn last_part(key: &[u8]) -> Option<String> {
    let mut reader = tarn_metadata::Key::reader(key);
    reader.text()?;
    reader.text()?;
    reader.text()
}
