//! What somebody has on a database or table, whichever way it was granted, and which cells of a table they may read.

use std::collections::{BTreeMap, BTreeSet};

use tarn_catalog::{Database, S3Location, Table};
use tarn_metadata::Read;
use tarn_policy::{Authorized, Principal, PrincipalKind};
use tarn_types::AccountId;

use crate::grants::{Grant, grants_on, require_database, require_table};
use crate::keyspaces::{CELLS_FILTERS, filters_key};
use crate::locations::Location;
use crate::permissions::{Permission, implies};
use crate::principals::{is_beyond_grants, names_of};
use crate::resources::{Columns, Resource, TagPolicyKind};
use crate::settings::settings_in;
use crate::shared::is_table_shared;
use crate::tags::{database_tags, table_tags};
use crate::{Formation, FormationError};

/// Columns that may be read in some rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// Partition keys among them; in lower case.
    pub columns: BTreeSet<String>,
    /// In which rows, as SQL says it; in all if there is none.
    pub row_filter: Option<String>,
}

/// What may be read of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAccess {
    /// IAM alone decides about it.
    Shared,
    /// All.
    Full,
    /// These cells: those of all together.
    Partial(Vec<Cells>),
    /// Nothing.
    None,
}

/// A table's data, for which credentials can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableData {
    /// Where it is: a bucket and the prefix of a folder in it, which has no character that means something in a policy.
    pub folder: S3Location,
    /// The role that it is read as; the lake's own if there is none.
    pub role_arn: Option<String>,
}

/// Characters that mean something in a policy's resources.
const POLICY_CHARACTERS: [char; 3] = ['*', '?', '$'];

/// What was granted, of any kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) permissions: BTreeSet<Permission>,
    pub(crate) grantable: BTreeSet<Permission>,
}

impl Held {
    fn add(&mut self, grant: Grant) {
        self.permissions.extend(grant.permissions);
        self.grantable.extend(grant.grantable);
    }

    pub(crate) fn has(&self, permission: Permission) -> bool {
        implies(&self.permissions, permission)
    }
}

/// A table's columns, partition keys among them, in lower case.
pub(crate) fn column_names(table: &Table) -> BTreeSet<String> {
    table.columns().iter().chain(table.partition_keys()).map(|column| column.name.to_lowercase()).collect()
}

/// Grants by LF-tags of databases or tables.
fn tag_policies(
    read: &impl Read,
    account: &AccountId,
    kind: TagPolicyKind,
    names: &[String],
) -> Result<Vec<Grant>, FormationError> {
    // The expression of the example does not matter: all grants of a kind lie together.
    let any = Resource::TagPolicy { kind, expression: crate::TagExpression::any() };
    grants_on(read, account, &any, None, names)
}

fn holds(grant: &Grant, tags: &BTreeMap<String, String>) -> bool {
    matches!(&grant.resource, Resource::TagPolicy { expression, .. } if expression.holds(tags))
}

pub(crate) fn held_on_database(
    read: &impl Read,
    account: &AccountId,
    database: &Database,
    names: &[String],
) -> Result<Held, FormationError> {
    let mut held = Held::default();
    let resource = Resource::Database { name: database.name().to_owned() };
    grants_on(read, account, &resource, Some(database.id()), names)?.into_iter().for_each(|grant| held.add(grant));
    let policies = tag_policies(read, account, TagPolicyKind::Database, names)?;
    if !policies.is_empty() {
        let tags = database_tags(read, account, database)?;
        policies.into_iter().filter(|grant| holds(grant, &tags)).for_each(|grant| held.add(grant));
    }
    Ok(held)
}

/// Whether `principal` is who made the table: who makes one may do everything with it.
fn is_maker(principal: &Principal, table: &Table) -> bool {
    let Some(arn) = principal.arn() else { return false };
    match &principal.kind {
        PrincipalKind::User { .. } => table.created_by == arn.to_string(),
        // Any session of the role.
        PrincipalKind::AssumedRole { role, .. } => {
            let front = format!("arn:aws:sts::{}:assumed-role/{role}/", principal.account);
            table.created_by.starts_with(&front)
        }
        PrincipalKind::Root
        | PrincipalKind::Service { .. }
        | PrincipalKind::Anonymous
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::WebIdentity { .. } => false,
    }
}

/// What was granted on the table as a whole.
pub(crate) fn held_on_table(
    read: &impl Read,
    account: &AccountId,
    principal: &Principal,
    database: &Database,
    table: &Table,
    names: &[String],
) -> Result<Held, FormationError> {
    let mut held = Held::default();
    if is_maker(principal, table) {
        held.permissions.insert(Permission::All);
        held.grantable.insert(Permission::All);
        return Ok(held);
    }
    let own = Resource::Table { database: table.database_name.clone(), name: table.name().to_owned() };
    let all = Resource::AllTables { database: table.database_name.clone() };
    grants_on(read, account, &own, Some(table.id()), names)?.into_iter().for_each(|grant| held.add(grant));
    grants_on(read, account, &all, Some(database.id()), names)?.into_iter().for_each(|grant| held.add(grant));
    let policies = tag_policies(read, account, TagPolicyKind::Table, names)?;
    if !policies.is_empty() {
        let (of_table, of_columns) = table_tags(read, account, database, table)?;
        for grant in policies {
            // Reading is a matter of columns where some have tags of their own.
            let everywhere = of_columns.values().all(|tags| holds(&grant, tags));
            if holds(&grant, &of_table) {
                let mut grant = grant;
                if !everywhere {
                    grant.permissions.remove(&Permission::Select);
                    grant.grantable.remove(&Permission::Select);
                    if grant.permissions.remove(&Permission::All) {
                        grant.permissions.extend(WITHOUT_SELECT);
                    }
                    if grant.grantable.remove(&Permission::All) {
                        grant.grantable.extend(WITHOUT_SELECT);
                    }
                }
                held.add(grant);
            }
        }
    }
    Ok(held)
}

/// What Super on a table is where it is not reading.
const WITHOUT_SELECT: [Permission; 5] =
    [Permission::Alter, Permission::Drop, Permission::Delete, Permission::Insert, Permission::Describe];

/// The cells of a table that were granted in parts.
fn cells_of(
    read: &impl Read,
    account: &AccountId,
    database: &Database,
    table: &Table,
    names: &[String],
) -> Result<Vec<Cells>, FormationError> {
    let known = column_names(table);
    let chosen = |columns: &Columns| known.iter().filter(|name| columns.has(name)).cloned().collect::<BTreeSet<_>>();
    let mut found = Vec::new();
    let place = (table.database_name.clone(), table.name().to_owned());
    let of_columns = Resource::Columns {
        database: place.0.clone(),
        table: place.1.clone(),
        columns: Columns::Named(BTreeSet::new()),
    };
    for grant in grants_on(read, account, &of_columns, Some(table.id()), names)? {
        if let Resource::Columns { columns, .. } = &grant.resource {
            found.push(Cells { columns: chosen(columns), row_filter: None });
        }
    }
    let of_filter = Resource::CellsFilter { database: place.0, table: place.1, name: String::new() };
    for grant in grants_on(read, account, &of_filter, Some(table.id()), names)? {
        let Resource::CellsFilter { database, table: of, name } = &grant.resource else { continue };
        let filter = read.get(CELLS_FILTERS, &filters_key(account, database, of).text(name))?;
        if let Some(filter) = filter.filter(|filter| filter.table_id == table.id()) {
            found.push(Cells { columns: chosen(&filter.columns), row_filter: filter.row_filter });
        }
    }
    let policies = tag_policies(read, account, TagPolicyKind::Table, names)?;
    if !policies.is_empty() {
        let (of_table, of_columns) = table_tags(read, account, database, table)?;
        for grant in policies.iter().filter(|grant| implies(&grant.permissions, Permission::Select)) {
            let columns: BTreeSet<String> =
                known.iter().filter(|name| holds(grant, of_columns.get(*name).unwrap_or(&of_table))).cloned().collect();
            found.push(Cells { columns, row_filter: None });
        }
    }
    // What may be read in all rows is one.
    let (everywhere, mut some_rows): (Vec<Cells>, Vec<Cells>) =
        found.into_iter().partition(|cells| cells.row_filter.is_none());
    let columns: BTreeSet<String> = everywhere.into_iter().flat_map(|cells| cells.columns).collect();
    some_rows.push(Cells { columns, row_filter: None });
    some_rows.retain(|cells| !cells.columns.is_empty());
    some_rows.dedup();
    Ok(some_rows)
}

impl Formation {
    /// What `principal` may read of `table`, which is told whole.
    pub fn table_access(&self, principal: &Principal, table: &Table) -> Result<TableAccess, FormationError> {
        let (snapshot, account) = (self.snapshot()?, &principal.account);
        let settings = settings_in(&snapshot, account)?;
        if is_table_shared(&snapshot, account, &settings, table)? {
            return Ok(TableAccess::Shared);
        }
        if is_beyond_grants(principal) {
            return Ok(TableAccess::Full);
        }
        let names = names_of(principal);
        let database = require_database(self, account, &table.database_name)?;
        let held = held_on_table(&snapshot, account, principal, &database, table, &names)?;
        if held.permissions.contains(&Permission::Select) || held.permissions.contains(&Permission::All) {
            return Ok(TableAccess::Full);
        }
        let cells = cells_of(&snapshot, account, &database, table, &names)?;
        let known = column_names(table);
        if cells.iter().any(|cells| cells.row_filter.is_none() && cells.columns == known) {
            return Ok(TableAccess::Full);
        }
        Ok(if cells.is_empty() { TableAccess::None } else { TableAccess::Partial(cells) })
    }

    /// The data of a table, for who may do all that `wanted` says with the whole of it: credentials know of files, not of columns and rows.
    /// <https://docs.aws.amazon.com/lake-formation/latest/dg/using-cred-vending.html>
    pub fn table_data(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        wanted: &BTreeSet<Permission>,
    ) -> Result<TableData, FormationError> {
        let (snapshot, principal) = (self.snapshot()?, proof.principal());
        let account = &principal.account;
        let on = format!("table {database}.{table}");
        let insufficient =
            |required: &str| FormationError::Insufficient { required: required.to_owned(), on: on.clone() };
        if !settings_in(&snapshot, account)?.allow_full_table_external_data_access {
            return Err(insufficient("AllowFullTableExternalDataAccess in the settings of the data lake"));
        }
        let names = names_of(principal);
        let of = require_database(self, account, database)?;
        let table = require_table(self, account, database, table)?;
        match self.table_access(principal, &table)? {
            TableAccess::Full => {}
            TableAccess::Partial(_) => return Err(FormationError::PartialAccess { table: on }),
            // Where IAM alone decides, everybody reads with rights of their own.
            TableAccess::Shared | TableAccess::None => return Err(insufficient(Permission::Select.name())),
        }
        let held = held_on_table(&snapshot, account, principal, &of, &table, &names)?;
        for permission in wanted {
            match permission {
                Permission::Select => {}
                Permission::Insert | Permission::Delete => {
                    if !is_beyond_grants(principal) && !held.has(*permission) {
                        return Err(insufficient(permission.name()));
                    }
                }
                other => {
                    let reason = format!("Credentials are given for SELECT, INSERT and DELETE, not {}.", other.name());
                    return Err(FormationError::invalid(reason));
                }
            }
        }
        let location = table.definition.storage_descriptor.as_ref().and_then(|storage| storage.location.as_deref());
        let place = location.and_then(|location| S3Location::parse(location).ok());
        let Some(place) = place.filter(|place| !place.prefix.contains(POLICY_CHARACTERS)) else {
            return Err(FormationError::invalid(format!("Credentials cannot be limited to the location of {on}.")));
        };
        let folder = place.folder();
        match crate::locations::covering(&snapshot, account, &folder.to_string())? {
            Some(registered) => Ok(TableData { folder, role_arn: registered.input.role_arn }),
            None => Err(FormationError::invalid(format!("The location of {on} is not registered."))),
        }
    }

    /// Whether `principal` may do so with `table` as a whole.
    pub fn may(&self, principal: &Principal, table: &Table, permission: Permission) -> Result<bool, FormationError> {
        let (snapshot, account) = (self.snapshot()?, &principal.account);
        let settings = settings_in(&snapshot, account)?;
        if is_beyond_grants(principal) || is_table_shared(&snapshot, account, &settings, table)? {
            return Ok(true);
        }
        let (names, database) = (names_of(principal), require_database(self, account, &table.database_name)?);
        Ok(held_on_table(&snapshot, account, principal, &database, table, &names)?.has(permission))
    }

    /// The registered location that `location`, an S3 URL, is in: its data is read for those who were granted its table.
    pub fn registered(&self, principal: &Principal, location: &str) -> Result<Option<Location>, FormationError> {
        crate::locations::covering(&self.snapshot()?, &principal.account, location)
    }
}
