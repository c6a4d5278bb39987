//! The settings of an account's lake: its administrators, and whether IAM alone decides about what is made from now on.
//! <https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_DataLakeSettings.html>

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record};
use tarn_policy::{Authorized, Principal};
use tarn_types::AccountId;

use crate::keyspaces::{SETTINGS, account_key};
use crate::permissions::Permission;
use crate::principals::{IAM_ALLOWED_PRINCIPALS, LakePrincipal, is_beyond_grants, names_of};
use crate::{ADMINISTRATORS_MAX, Formation, FormationError};

/// How many changes of the defaults are remembered.
const CHANGES_MAX: usize = 1_000;

/// What is granted on each new database or table.
pub type DefaultPermissions = BTreeMap<String, BTreeSet<Permission>>;

/// Since when IAM alone decides about new things, or no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Since {
    time_ms: i64,
    shared: bool,
}

/// What is set for an account's lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// May grant everything, and see what is there. ARNs of users and roles.
    pub administrators: BTreeSet<String>,
    /// May see everything and grant nothing.
    pub read_only_administrators: BTreeSet<String>,
    /// On each new database.
    pub database_defaults: DefaultPermissions,
    /// On each new table.
    pub table_defaults: DefaultPermissions,
    /// Free.
    pub parameters: BTreeMap<String, String>,
    /// Whether who may read all of a table is given credentials for its data.
    pub allow_full_table_external_data_access: bool,
    pub(crate) database_changes: Vec<Since>,
    pub(crate) table_changes: Vec<Since>,
}

impl Record for Settings {
    const VERSION: u16 = 1;
}

impl Default for Settings {
    fn default() -> Self {
        let defaults = DefaultPermissions::from([(IAM_ALLOWED_PRINCIPALS.to_owned(), [Permission::All].into())]);
        Self {
            administrators: BTreeSet::new(),
            read_only_administrators: BTreeSet::new(),
            database_defaults: defaults.clone(),
            table_defaults: defaults,
            parameters: BTreeMap::new(),
            allow_full_table_external_data_access: false,
            database_changes: Vec::new(),
            table_changes: Vec::new(),
        }
    }
}

fn shares(defaults: &DefaultPermissions) -> bool {
    defaults.get(IAM_ALLOWED_PRINCIPALS).is_some_and(|permissions| permissions.contains(&Permission::All))
}

fn shared_at(changes: &[Since], time_ms: i64) -> bool {
    changes.iter().rev().find(|since| since.time_ms <= time_ms).is_none_or(|since| since.shared)
}

/// Takes down that the defaults changed, if that changes who decides.
fn note(changes: &mut Vec<Since>, defaults: &DefaultPermissions, time_ms: i64) -> Result<(), FormationError> {
    let shared = shares(defaults);
    if changes.last().is_none_or(|last| last.shared) != shared {
        if changes.len() == CHANGES_MAX {
            return Err(FormationError::Limit { what: "Changes of the default permissions", limit: CHANGES_MAX });
        }
        changes.push(Since { time_ms, shared });
    }
    Ok(())
}

fn check(defaults: &DefaultPermissions) -> Result<(), FormationError> {
    for (principal, permissions) in defaults {
        if principal != IAM_ALLOWED_PRINCIPALS || permissions.iter().any(|permission| *permission != Permission::All) {
            return Err(FormationError::invalid("Default permissions can be ALL for IAM_ALLOWED_PRINCIPALS, or none."));
        }
    }
    Ok(())
}

/// A user or role of the account; the account itself may be named, and always is one.
fn check_administrator(account: &AccountId, name: &str) -> Result<(), FormationError> {
    let is_account = name == format!("arn:aws:iam::{account}:root");
    if is_account || (name.starts_with("arn:") && LakePrincipal::parse(account, name).is_ok()) {
        return Ok(());
    }
    Err(FormationError::InvalidPrincipal { principal: name.to_owned() })
}

impl Settings {
    /// Whether IAM alone decides about a database that was made then, unless something else was said of it.
    pub(crate) fn shares_database_of(&self, time_ms: i64) -> bool {
        shared_at(&self.database_changes, time_ms)
    }

    /// The same of a table.
    pub(crate) fn shares_table_of(&self, time_ms: i64) -> bool {
        shared_at(&self.table_changes, time_ms)
    }

    /// Whether the principal is an administrator of the lake. Its account always is.
    pub(crate) fn is_administered_by(&self, principal: &Principal) -> bool {
        is_beyond_grants(principal) || names_of(principal).iter().any(|name| self.administrators.contains(name))
    }

    /// Whether the principal may see all that is set.
    pub(crate) fn is_read_by(&self, principal: &Principal) -> bool {
        self.is_administered_by(principal)
            || names_of(principal).iter().any(|name| self.read_only_administrators.contains(name))
    }
}

pub(crate) fn settings_in(read: &impl Read, account: &AccountId) -> Result<Settings, FormationError> {
    Ok(read.get(SETTINGS, &account_key(account))?.unwrap_or_default())
}

impl Formation {
    /// The settings of the proof's account.
    pub fn settings(&self, proof: &Authorized) -> Result<Settings, FormationError> {
        settings_in(&self.snapshot()?, &proof.principal().account)
    }

    /// Sets them anew. Who may do so by IAM can make themselves an administrator: AWS guards it no further.
    pub async fn put_settings(&self, caller: &Caller, change: Settings) -> Result<(), FormationError> {
        check(&change.database_defaults)?;
        check(&change.table_defaults)?;
        if change.administrators.len().max(change.read_only_administrators.len()) > ADMINISTRATORS_MAX {
            return Err(FormationError::Limit { what: "Data lake administrators", limit: ADMINISTRATORS_MAX });
        }
        let (account, now) = (caller.scope().account.clone(), self.now_ms());
        for name in change.administrators.iter().chain(&change.read_only_administrators) {
            check_administrator(&account, name)?;
        }
        self.commit(caller, move |tx| {
            let found = settings_in(tx, &account)?;
            let mut settings =
                Settings { database_changes: found.database_changes, table_changes: found.table_changes, ..change };
            note(&mut settings.database_changes, &settings.database_defaults, now)?;
            note(&mut settings.table_changes, &settings.table_defaults, now)?;
            Ok(tx.put(SETTINGS, &account_key(&account), &settings)?)
        })
        .await
    }
}
