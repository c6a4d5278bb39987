//! The lake's decisions with grants beside policies: what IAM allows on databases and tables, grants must allow as well. Also what the
//! catalog shows of a table: columns that somebody was not granted are not there for them.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_catalog::{CatalogError, EntityId, Table, TableGuard};
use tarn_metadata::Read;
use tarn_policy::{Authorized, Authorizer, Context, Denied, DeniedBecause, Principal, Requirement};
use tarn_types::AccountId;

use crate::access::{TableAccess, held_on_database, held_on_table};
use crate::grants::{grants_on, require_database, require_table};
use crate::keyspaces::{SHARED, shared_key};
use crate::permissions::{Permission, implies};
use crate::principals::{is_beyond_grants, names_of};
use crate::resources::Resource;
use crate::settings::{Settings, settings_in};
use crate::shared::{is_database_shared, is_table_shared};
use crate::{Formation, FormationError};

/// Asks the policies, and then the grants.
pub struct FormationAuthorizer {
    policies: Arc<dyn Authorizer>,
    formation: Formation,
}

impl FormationAuthorizer {
    /// `policies` first.
    pub fn new(policies: Arc<dyn Authorizer>, formation: Formation) -> Self {
        Self { policies, formation }
    }
}

/// What an action on a thing of the catalog needs, one of these.
enum Need<'n> {
    Catalog(Permission),
    Database(&'n str, &'static [Permission]),
    Table(&'n str, &'n str, &'static [Permission]),
    Partitions(&'n str, &'n str),
    /// To see all columns of a table that IAM alone does not decide about.
    Whole(&'n Table),
}

/// <https://docs.aws.amazon.com/lake-formation/latest/dg/lf-permissions-reference.html>
fn need(requirement: &Requirement) -> Option<Need<'_>> {
    use Permission::{Alter, CreateTable, Delete, Describe, Drop, Insert};
    let resource = requirement.resource.as_ref()?.resource.as_str();
    let action = requirement.action.strip_prefix("glue:")?;
    if let Some(place) = resource.strip_prefix("table/") {
        let (database, table) = place.split_once('/')?;
        return Some(match action {
            "CreateTable" => Need::Database(database, &[CreateTable]),
            "GetPartition" | "GetPartitions" | "BatchGetPartition" => Need::Partitions(database, table),
            "UpdateTable" | "CreatePartitionIndex" | "DeletePartitionIndex" => Need::Table(database, table, &[Alter]),
            "DeleteTable" | "BatchDeleteTable" | "DeleteTableVersion" | "BatchDeleteTableVersion" => {
                Need::Table(database, table, &[Drop])
            }
            "CreatePartition" | "BatchCreatePartition" | "UpdatePartition" | "BatchUpdatePartition" => {
                Need::Table(database, table, &[Insert, Alter])
            }
            "DeletePartition" | "BatchDeletePartition" => Need::Table(database, table, &[Delete, Alter]),
            // Reading what is said of it; and what is not known here is not more than that.
            _ => Need::Table(database, table, &[Describe]),
        });
    }
    let database = resource.strip_prefix("database/");
    match (action, database) {
        ("CreateDatabase", _) if resource == "catalog" => Some(Need::Catalog(Permission::CreateDatabase)),
        ("GetDatabase" | "GetDatabases", Some(database)) => Some(Need::Database(database, &[Describe])),
        ("UpdateDatabase", Some(database)) => Some(Need::Database(database, &[Alter])),
        ("DeleteDatabase", Some(database)) => Some(Need::Database(database, &[Drop])),
        _ => None,
    }
}

impl Formation {
    /// Whether grants allow what `need` says; what is not there is not theirs to speak of.
    fn grants_allow(&self, principal: &Principal, need: &Need<'_>) -> Result<bool, FormationError> {
        let (snapshot, account) = (self.snapshot()?, &principal.account);
        let settings = settings_in(&snapshot, account)?;
        let names = names_of(principal);
        match *need {
            Need::Catalog(permission) => {
                let said = snapshot.get(SHARED, &shared_key(account, &EntityId::default()))?;
                if said.is_none_or(|said| said.shared) || settings.is_administered_by(principal) {
                    return Ok(true);
                }
                let grants = grants_on(&snapshot, account, &Resource::Catalog, None, &names)?;
                Ok(grants.iter().any(|grant| implies(&grant.permissions, permission)))
            }
            Need::Database(database, permissions) => {
                let Some(database) = found(require_database(self, account, database))? else { return Ok(true) };
                if is_database_shared(&snapshot, account, &settings, &database)?
                    || (permissions == [Permission::Describe] && settings.is_read_by(principal))
                    || settings.is_administered_by(principal)
                {
                    return Ok(true);
                }
                let held = held_on_database(&snapshot, account, &database, &names)?;
                Ok(permissions.iter().any(|permission| held.has(*permission)))
            }
            Need::Table(database, table, permissions) => {
                let Some((of, table)) = self.governed(&snapshot, account, &settings, database, table)? else {
                    return Ok(true);
                };
                let sees = permissions == [Permission::Describe];
                if (sees && settings.is_read_by(principal)) || (!sees && settings.is_administered_by(principal)) {
                    return Ok(true);
                }
                let held = held_on_table(&snapshot, account, principal, &of, &table, &names)?;
                Ok(permissions.iter().any(|permission| held.has(*permission))
                    || (sees && self.table_access(principal, &table)? != TableAccess::None))
            }
            Need::Whole(table) => {
                if settings.is_read_by(principal) {
                    return Ok(true);
                }
                let of = require_database(self, account, &table.database_name)?;
                Ok(held_on_table(&snapshot, account, principal, &of, table, &names)?.has(Permission::Describe))
            }
            Need::Partitions(database, table) => {
                let Some((_, table)) = self.governed(&snapshot, account, &settings, database, table)? else {
                    return Ok(true);
                };
                // Partitions tell of rows: only who may see all rows, and the columns they are told by, may see them.
                Ok(settings.is_read_by(principal)
                    || match self.table_access(principal, &table)? {
                        TableAccess::Shared | TableAccess::Full => true,
                        TableAccess::Partial(cells) => cells.iter().any(|cells| {
                            let has = |name: &str| cells.columns.contains(&name.to_lowercase());
                            cells.row_filter.is_none() && table.partition_keys().iter().all(|key| has(&key.name))
                        }),
                        TableAccess::None => false,
                    })
            }
        }
    }

    /// Whether the principal may see what is said of a database, or of a table of it.
    pub(crate) fn may_see(
        &self,
        principal: &Principal,
        database: &str,
        table: Option<&str>,
    ) -> Result<bool, FormationError> {
        let describe = &[Permission::Describe];
        self.grants_allow(
            principal,
            &match table {
                None => Need::Database(database, describe),
                Some(table) => Need::Table(database, table, describe),
            },
        )
    }

    /// A table with its database, if it is there and IAM alone does not decide about it.
    fn governed(
        &self,
        read: &impl Read,
        account: &AccountId,
        settings: &Settings,
        database: &str,
        table: &str,
    ) -> Result<Option<(tarn_catalog::Database, Table)>, FormationError> {
        let Some(of) = found(require_database(self, account, database))? else { return Ok(None) };
        let Some(table) = found(require_table(self, account, database, table))? else { return Ok(None) };
        Ok((!is_table_shared(read, account, settings, &table)?).then_some((of, table)))
    }
}

/// `None` for what is not there, or cannot be: the catalog says so itself.
fn found<T>(result: Result<T, FormationError>) -> Result<Option<T>, FormationError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(FormationError::NotFound { .. } | FormationError::Catalog { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Authorizer for FormationAuthorizer {
    fn authorize(
        &self,
        principal: &Principal,
        requirements: Vec<Requirement>,
        context: &Context,
    ) -> Result<Authorized, Denied> {
        if !is_beyond_grants(principal) {
            for requirement in &requirements {
                let because = match need(requirement).map(|need| self.formation.grants_allow(principal, &need)) {
                    None | Some(Ok(true)) => continue,
                    Some(Ok(false)) => DeniedBecause::NoLakeFormationPermission,
                    Some(Err(error)) => {
                        tracing::error!(%error, "Lake Formation permissions cannot be read");
                        DeniedBecause::PoliciesUnreadable
                    }
                };
                // Policies speak first: who may not by them learns nothing of grants.
                self.policies.authorize(principal, requirements.clone(), context)?;
                return Err(Denied {
                    principal: principal.clone(),
                    action: requirement.action,
                    resource: requirement.resource.clone(),
                    because,
                });
            }
        }
        self.policies.authorize(principal, requirements, context)
    }
}

impl TableGuard for Formation {
    fn shown(&self, proof: &Authorized, table: Table) -> Result<Option<Table>, CatalogError> {
        let principal = proof.principal();
        let shown = || {
            let access = self.table_access(principal, &table)?;
            if matches!(access, TableAccess::Shared | TableAccess::Full) {
                return Ok(Some(table));
            }
            // Who may see what is said of a table as a whole sees all columns, and reads none.
            let need = Need::Whole(&table);
            if self.grants_allow(principal, &need)? {
                return Ok(Some(table));
            }
            Ok(match access {
                TableAccess::Partial(cells) => {
                    Some(table.with_columns(&cells.into_iter().flat_map(|cells| cells.columns).collect()))
                }
                TableAccess::Shared | TableAccess::Full | TableAccess::None => None,
            })
        };
        shown().map_err(|error: FormationError| CatalogError::Guarded { reason: error.to_string() })
    }

    fn check_place(&self, caller: &Caller, location: &str) -> Result<(), CatalogError> {
        let may = self.snapshot().and_then(|read| self.may_place(&read, caller.principal(), location));
        match may {
            Ok(true) => Ok(()),
            Ok(false) => Err(CatalogError::Guarded {
                reason: format!("Insufficient Lake Formation permission(s) on {location}: DATA_LOCATION_ACCESS"),
            }),
            Err(error) => Err(CatalogError::Guarded { reason: error.to_string() }),
        }
    }
}
