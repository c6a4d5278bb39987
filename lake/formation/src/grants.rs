//! Grants: who has what on which thing, who may give it on, and the giving and taking of it.
//! <https://docs.aws.amazon.com/lake-formation/latest/APIReference/API_GrantPermissions.html>

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_catalog::{Catalog, Database, EntityId, Table};
use tarn_metadata::{Key, Keyspace, Read, Record, Tx};
use tarn_policy::{Authorized, Principal};
use tarn_types::AccountId;

use crate::access::{held_on_database, held_on_table};
use crate::keyspaces::{CELLS_FILTERS, GRANTS, SHARED, account_key, filters_key, grant_key, resource_key, shared_key};
use crate::permissions::{Permission, allowed_on, implies};
use crate::principals::{IAM_ALLOWED_PRINCIPALS, LakePrincipal, is_beyond_grants, names_of};
use crate::resources::{Columns, Resource, ResourceKind};
use crate::settings::settings_in;
use crate::shared::{Shared, is_database_shared, is_table_shared};
use crate::tags::require_tag;
use crate::{BATCH_ENTRIES_MAX, DECISION_GRANTS_MAX, Formation, FormationError, Page, SERVICE};

/// Tables of a database that one call says something of.
const TABLES_PER_CALL_MAX: usize = 10_000;

/// What one principal has on one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// On what.
    pub resource: Resource,
    /// Who.
    pub principal: String,
    /// What.
    pub permissions: BTreeSet<Permission>,
    /// What of it may be given on.
    pub grantable: BTreeSet<Permission>,
    /// Of which database or table: the grant is void for another of its name.
    pub(crate) id: Option<EntityId>,
    /// Milliseconds since 1970.
    pub updated_ms: i64,
}

impl Record for Grant {
    const VERSION: u16 = 1;
}

/// What is to be given or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// To or from whom, in AWS's form.
    pub principal: String,
    /// On what.
    pub resource: Resource,
    /// What.
    pub permissions: BTreeSet<Permission>,
    /// The right to give it on.
    pub grantable: BTreeSet<Permission>,
}

/// Which grants to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListGrants {
    /// To whom.
    pub principal: Option<String>,
    /// On what. A table stands for its columns and filters too.
    pub resource: Option<Resource>,
    /// On things of which kind.
    pub kind: Option<ResourceKind>,
    /// Behind this one.
    pub after: Option<Vec<u8>>,
    /// At most so many.
    pub limit: usize,
}

pub(crate) fn catalog_proof(account: &AccountId) -> Authorized {
    Authorized::internal(SERVICE, account.clone())
}

pub(crate) fn require_database(
    formation: &Formation,
    account: &AccountId,
    name: &str,
) -> Result<Database, FormationError> {
    Ok(formation.catalog.database(&catalog_proof(account), name)?)
}

pub(crate) fn require_table(
    formation: &Formation,
    account: &AccountId,
    database: &str,
    name: &str,
) -> Result<Table, FormationError> {
    Ok(formation.catalog.whole_table(&catalog_proof(account), database, name)?)
}

/// One page of a range of records, those that `keep` takes.
pub(crate) fn page<R: Record>(
    read: &impl Read,
    keyspace: Keyspace<R>,
    prefix: &Key,
    after: Option<&[u8]>,
    limit: usize,
    keep: impl Fn(&R) -> Result<bool, FormationError>,
) -> Result<Page<R>, FormationError> {
    let start = after.map(|after| Key::from(after.to_vec()));
    // What is handed in is not believed: a page never leaves its account.
    let from = match &start {
        Some(start) if start.as_bytes().starts_with(prefix.as_bytes()) => Bound::Excluded(start),
        Some(_) => return Err(FormationError::invalid("The place to go on from is not one of this list.")),
        None => Bound::Included(prefix),
    };
    let end = prefix.after_prefix();
    let mut items = Vec::new();
    let mut last = None;
    for entry in read.range(keyspace, from, end.as_ref().map_or(Bound::Unbounded, Bound::Excluded)) {
        let (key, record) = entry?;
        if !keep(&record)? {
            continue;
        }
        if items.len() == limit {
            return Ok(Page { items, next: last });
        }
        last = Some(key.as_bytes().to_vec());
        items.push(record);
    }
    Ok(Page { items, next: None })
}

/// All grants on a thing that are made to one of `names`.
pub(crate) fn grants_on(
    read: &impl Read,
    account: &AccountId,
    resource: &Resource,
    id: Option<EntityId>,
    names: &[String],
) -> Result<Vec<Grant>, FormationError> {
    let mut found = Vec::new();
    for name in names {
        for entry in read.prefix(GRANTS, &resource_key(account, resource).text(name)) {
            let grant = entry?.1;
            if grant.id == id {
                if found.len() == DECISION_GRANTS_MAX {
                    return Err(FormationError::Limit { what: "Grants on one resource", limit: DECISION_GRANTS_MAX });
                }
                found.push(grant);
            }
        }
    }
    Ok(found)
}

fn insufficient(permission: Permission, on: impl ToString) -> FormationError {
    FormationError::Insufficient { required: permission.name().to_owned(), on: on.to_string() }
}

/// Refuses who is not an administrator and has no such grant on the catalog.
pub(crate) fn has_on_catalog(
    read: &impl Read,
    account: &AccountId,
    principal: &Principal,
    permission: Permission,
) -> Result<(), FormationError> {
    if settings_in(read, account)?.is_administered_by(principal) {
        return Ok(());
    }
    let grants = grants_on(read, account, &Resource::Catalog, None, &names_of(principal))?;
    match grants.iter().any(|grant| implies(&grant.permissions, permission)) {
        true => Ok(()),
        false => Err(insufficient(permission, Resource::Catalog)),
    }
}

/// Refuses who is not an administrator and has no such grant on the tag (with `value`, or with all values).
pub(crate) fn has_on_tag(
    read: &impl Read,
    account: &AccountId,
    principal: &Principal,
    key: &str,
    value: Option<&str>,
    permission: Permission,
) -> Result<(), FormationError> {
    if settings_in(read, account)?.is_administered_by(principal) {
        return Ok(());
    }
    let tag = Resource::Tag { key: key.to_owned(), values: BTreeSet::new() };
    let grants = grants_on(read, account, &tag, None, &names_of(principal))?;
    let has = |grant: &Grant| {
        let of_value = match (&grant.resource, value) {
            (Resource::Tag { values, .. }, Some(value)) => values.contains(value) || values.contains("*"),
            (Resource::Tag { values, .. }, None) => values.contains("*"),
            _ => false,
        };
        of_value && implies(&grant.permissions, permission)
    };
    if grants.iter().any(has) { Ok(()) } else { Err(insufficient(permission, tag)) }
}

/// A thing that is there, with the id that its grants hold for.
pub(crate) struct Known {
    pub(crate) resource: Resource,
    pub(crate) id: Option<EntityId>,
    pub(crate) table: Option<(Database, Table)>,
    pub(crate) database: Option<Database>,
}

impl Formation {
    /// Reads names as the catalog does, and refuses what is not there.
    fn known(&self, read: &impl Read, account: &AccountId, resource: Resource) -> Result<Known, FormationError> {
        let fold = |columns: Columns| match columns {
            Columns::Named(names) => Columns::Named(names.iter().map(|name| name.to_lowercase()).collect()),
            Columns::AllBut(names) => Columns::AllBut(names.iter().map(|name| name.to_lowercase()).collect()),
        };
        let resource = match resource {
            Resource::Database { name } => Resource::Database { name: name.to_lowercase() },
            Resource::Table { database, name } => {
                Resource::Table { database: database.to_lowercase(), name: name.to_lowercase() }
            }
            Resource::AllTables { database } => Resource::AllTables { database: database.to_lowercase() },
            Resource::Columns { database, table, columns } => Resource::Columns {
                database: database.to_lowercase(),
                table: table.to_lowercase(),
                columns: fold(columns),
            },
            Resource::CellsFilter { database, table, name } => {
                Resource::CellsFilter { database: database.to_lowercase(), table: table.to_lowercase(), name }
            }
            Resource::Tag { key, values } => Resource::Tag {
                key: key.to_lowercase(),
                values: values.iter().map(|value| value.to_lowercase()).collect(),
            },
            // As locations are registered.
            Resource::Location { arn } => Resource::Location { arn: arn.trim_end_matches('/').to_owned() },
            Resource::Catalog | Resource::TagPolicy { .. } => resource,
        };
        match &resource {
            Resource::Tag { key, values } => {
                let tag = require_tag(read, account, key)?;
                if let Some(unknown) = values.iter().find(|value| *value != "*" && !tag.values.contains(*value)) {
                    return Err(FormationError::not_found(format!("Value {unknown} of LF-tag {key}")));
                }
            }
            Resource::TagPolicy { expression, .. } => {
                for (key, values) in expression.terms() {
                    let tag = require_tag(read, account, key)?;
                    if let Some(unknown) = values.iter().find(|value| *value != "*" && !tag.values.contains(*value)) {
                        return Err(FormationError::not_found(format!("Value {unknown} of LF-tag {key}")));
                    }
                }
            }
            Resource::Location { arn } => crate::locations::check(arn)?,
            Resource::Catalog
            | Resource::Database { .. }
            | Resource::Table { .. }
            | Resource::AllTables { .. }
            | Resource::Columns { .. }
            | Resource::CellsFilter { .. } => {}
        }
        let Some(database) = resource.database() else {
            return Ok(Known { resource, id: None, table: None, database: None });
        };
        let database = Catalog::database_in(read, account, database)?;
        let Some(name) = resource.table() else {
            return Ok(Known { id: Some(database.id()), database: Some(database), resource, table: None });
        };
        let table = Catalog::table_in(read, account, database.name(), name)?;
        match &resource {
            Resource::Columns { columns, .. } => {
                let known = crate::access::column_names(&table);
                if let Some(unknown) = columns.unknown(&known) {
                    return Err(FormationError::not_found(format!("Column {unknown} of {}.{name}", database.name())));
                }
            }
            Resource::CellsFilter { name: filter, .. } => {
                let at = filters_key(account, database.name(), name).text(filter);
                if read.get(CELLS_FILTERS, &at)?.is_none_or(|found| found.table_id != table.id()) {
                    return Err(FormationError::not_found(resource.to_string()));
                }
            }
            _ => {}
        }
        Ok(Known { id: Some(table.id()), resource, table: Some((database.clone(), table)), database: Some(database) })
    }

    /// Refuses who may not give or take such permissions on that.
    fn may_grant(
        &self,
        read: &impl Read,
        account: &AccountId,
        by: &Principal,
        known: &Known,
        permissions: &BTreeSet<Permission>,
    ) -> Result<(), FormationError> {
        let settings = settings_in(read, account)?;
        if settings.is_administered_by(by) {
            return Ok(());
        }
        let names = names_of(by);
        let mut held = BTreeSet::new();
        for grant in grants_on(read, account, &known.resource, known.id, &names)? {
            let covers = match (&grant.resource, &known.resource) {
                (Resource::Columns { columns: have, .. }, Resource::Columns { columns: Columns::Named(want), .. }) => {
                    want.iter().all(|column| have.has(column))
                }
                (Resource::Tag { values: have, .. }, Resource::Tag { values: want, .. }) => {
                    have.contains("*") || want.is_subset(have)
                }
                (have, want) => have == want,
            };
            if covers {
                held.extend(grant.grantable);
            }
        }
        match (&known.table, &known.database) {
            (Some((database, table)), _) => {
                held.extend(held_on_table(read, account, by, database, table, &names)?.grantable);
            }
            // What may be given on of a database is nothing of its tables.
            (None, Some(database)) if matches!(known.resource, Resource::Database { .. }) => {
                held.extend(held_on_database(read, account, database, &names)?.grantable);
            }
            (None, _) => {}
        }
        match permissions.iter().find(|permission| !held.contains(permission) && !held.contains(&Permission::All)) {
            None => Ok(()),
            Some(missing) => Err(insufficient(*missing, format!("{} with the right to grant it on", known.resource))),
        }
    }

    /// Refuses who may not say what a thing is: its maker may, and who may give on all that can be had of it.
    /// <https://docs.aws.amazon.com/lake-formation/latest/dg/TBAC-assigning-tags.html>
    pub(crate) fn may_tag(
        &self,
        read: &impl Read,
        account: &AccountId,
        by: &Principal,
        resource: Resource,
    ) -> Result<(), FormationError> {
        let known = self.known(read, account, resource)?;
        // Columns are tagged by who may tag the table.
        let whole = match (known.resource.database(), known.resource.table()) {
            (Some(database), Some(name)) => Resource::Table { database: database.to_owned(), name: name.to_owned() },
            _ => known.resource.clone(),
        };
        let all = allowed_on(&whole).iter().copied().filter(|permission| *permission != Permission::All).collect();
        self.may_grant(read, account, by, &Known { resource: whole, ..known }, &all)
    }

    /// Gives what `entry` says.
    pub async fn grant(&self, caller: &Caller, entry: Entry) -> Result<(), FormationError> {
        self.change_single(caller, entry, true).await
    }

    /// Takes what `entry` says; the right to give it on goes with a permission.
    pub async fn revoke(&self, caller: &Caller, entry: Entry) -> Result<(), FormationError> {
        self.change_single(caller, entry, false).await
    }

    async fn change_single(&self, caller: &Caller, entry: Entry, is_grant: bool) -> Result<(), FormationError> {
        let (account, by) = (caller.scope().account.clone(), caller.principal().clone());
        let (formation, now) = (self.clone(), self.now_ms());
        self.commit(caller, move |tx| formation.change_one(tx, &account, &by, entry, is_grant, now)).await
    }

    /// Gives or takes what all `entries` say; returns those that could not be, by their place, each with why.
    pub async fn change(
        &self,
        caller: &Caller,
        entries: Vec<Entry>,
        is_grant: bool,
    ) -> Result<Vec<(usize, FormationError)>, FormationError> {
        if entries.len() > BATCH_ENTRIES_MAX {
            return Err(FormationError::Limit { what: "Entries of one batch", limit: BATCH_ENTRIES_MAX });
        }
        let (account, by) = (caller.scope().account.clone(), caller.principal().clone());
        let (formation, now) = (self.clone(), self.now_ms());
        self.commit(caller, move |tx| {
            let mut failed = Vec::new();
            for (at, entry) in entries.into_iter().enumerate() {
                match formation.change_one(tx, &account, &by, entry, is_grant, now) {
                    Ok(()) => {}
                    Err(FormationError::Store { source }) => return Err(FormationError::Store { source }),
                    Err(error) => failed.push((at, error)),
                }
            }
            Ok(failed)
        })
        .await
    }

    fn change_one(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        by: &Principal,
        entry: Entry,
        is_grant: bool,
        now: i64,
    ) -> Result<(), FormationError> {
        let Entry { principal, resource, permissions, grantable } = entry;
        let principal = LakePrincipal::parse(account, &principal)?;
        let known = self.known(tx, account, resource)?;
        let all: BTreeSet<Permission> = permissions.union(&grantable).copied().collect();
        if all.is_empty() {
            return Err(FormationError::invalid("Permissions must not be empty."));
        }
        let allowed = allowed_on(&known.resource);
        if let Some(wrong) = all.iter().find(|permission| !allowed.contains(permission)) {
            let reason = format!(
                "Permissions modification is invalid: {} cannot be granted on {}.",
                wrong.name(),
                known.resource
            );
            return Err(FormationError::invalid(reason));
        }
        self.may_grant(tx, account, by, &known, &all)?;
        if principal.as_str() == IAM_ALLOWED_PRINCIPALS {
            return self.share(tx, account, &known, &permissions, is_grant);
        }
        if matches!(&known.resource, Resource::Columns { columns: Columns::Named(_), .. } | Resource::Tag { .. }) {
            let wanted = Rights { permissions: all, grantable };
            return change_parts(tx, account, &known, principal.as_str(), (&wanted, &permissions), is_grant, now);
        }
        let key = grant_key(account, &known.resource, principal.as_str());
        let found = tx.get(GRANTS, &key)?.filter(|found| found.id == known.id);
        if is_grant {
            let mut grant = found.unwrap_or_else(|| Grant {
                resource: known.resource.clone(),
                principal: principal.as_str().to_owned(),
                permissions: BTreeSet::new(),
                grantable: BTreeSet::new(),
                id: known.id,
                updated_ms: now,
            });
            grant.permissions.extend(all);
            grant.grantable.extend(grantable);
            grant.updated_ms = now;
            return Ok(tx.put(GRANTS, &key, &grant)?);
        }
        let nothing = || nothing_revoked(principal.as_str(), &known.resource);
        let mut grant = found.ok_or_else(nothing)?;
        if permissions.union(&grantable).any(|permission| !grant.permissions.contains(permission)) {
            return Err(nothing());
        }
        grant.permissions.retain(|permission| !permissions.contains(permission));
        grant.grantable.retain(|permission| !permissions.contains(permission) && !grantable.contains(permission));
        grant.updated_ms = now;
        if grant.permissions.is_empty() {
            tx.delete(GRANTS, &key)?;
            return Ok(());
        }
        Ok(tx.put(GRANTS, &key, &grant)?)
    }

    /// Lets IAM alone decide about a thing, or no more.
    fn share(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        known: &Known,
        permissions: &BTreeSet<Permission>,
        shared: bool,
    ) -> Result<(), FormationError> {
        let wanted = match &known.resource {
            Resource::Catalog => Permission::CreateDatabase,
            _ => Permission::All,
        };
        if *permissions != BTreeSet::from([wanted]) {
            return Err(FormationError::invalid(format!(
                "IAM_ALLOWED_PRINCIPALS has {} on {}, or nothing.",
                wanted.name(),
                known.resource
            )));
        }
        let said = |tx: &mut Tx<'_>, id: EntityId| tx.put(SHARED, &shared_key(account, &id), &Shared { shared });
        match (&known.resource, &known.table, &known.database) {
            (Resource::Catalog, ..) => said(tx, EntityId::default())?,
            (Resource::Database { .. }, _, Some(database)) => said(tx, database.id())?,
            (Resource::Table { .. }, Some((_, table)), _) => said(tx, table.id())?,
            (Resource::AllTables { .. }, _, Some(of)) => {
                let tables = Catalog::tables_in(tx, of, TABLES_PER_CALL_MAX)?;
                if tables.next.is_some() {
                    return Err(FormationError::Limit { what: "Tables of one call", limit: TABLES_PER_CALL_MAX });
                }
                for table in tables.items {
                    said(tx, table.id())?;
                }
            }
            (on, ..) => {
                return Err(FormationError::invalid(format!("IAM_ALLOWED_PRINCIPALS has nothing on {on}.")));
            }
        }
        Ok(())
    }

    /// Grants, in the order of what they are on. Who is no administrator sees its own.
    pub fn grants(&self, proof: &Authorized, list: &ListGrants) -> Result<Page<Grant>, FormationError> {
        let (snapshot, principal) = (self.snapshot()?, proof.principal());
        let account = &principal.account;
        let settings = settings_in(&snapshot, account)?;
        let own = (!settings.is_read_by(principal)).then(|| names_of(principal));
        let ids: RefCell<BTreeMap<(String, Option<String>), Option<EntityId>>> = RefCell::default();
        let is_there = |grant: &Grant| {
            let Some(database) = grant.resource.database() else { return true };
            let key = (database.to_owned(), grant.resource.table().map(str::to_owned));
            let id = *ids.borrow_mut().entry(key).or_insert_with_key(|(database, table)| match table {
                Some(table) => require_table(self, account, database, table).ok().map(|table| table.id()),
                None => require_database(self, account, database).ok().map(|database| database.id()),
            });
            id == grant.id
        };
        let resource = list.resource.clone().map(|resource| self.known(&snapshot, account, resource)).transpose()?;
        let keep = |grant: &Grant| {
            let of_principal = list.principal.as_ref().is_none_or(|asked| *asked == grant.principal)
                && own.as_ref().is_none_or(|own| own.contains(&grant.principal));
            let of_resource = resource.as_ref().is_none_or(|asked| is_of(grant, &asked.resource))
                && list.kind.is_none_or(|kind| kind.has(&grant.resource));
            Ok(of_principal && of_resource && is_there(grant))
        };
        let mut found = page(&snapshot, GRANTS, &account_key(account), list.after.as_deref(), list.limit, keep)?;
        // What IAM alone decides about is a grant as well, and no record.
        let of_iam = list.principal.as_deref().is_none_or(|asked| asked == IAM_ALLOWED_PRINCIPALS);
        if let (Some(asked), true, None) = (&resource, of_iam && own.is_none(), &list.after) {
            let shared = match (&asked.table, &asked.database) {
                (Some((_, table)), _) => is_table_shared(&snapshot, account, &settings, table)?,
                (None, Some(database)) if matches!(asked.resource, Resource::Database { .. }) => {
                    is_database_shared(&snapshot, account, &settings, database)?
                }
                _ => false,
            };
            let of_kind = list.kind.is_none_or(|kind| kind.has(&asked.resource));
            if shared && of_kind && !matches!(asked.resource, Resource::Columns { .. } | Resource::CellsFilter { .. }) {
                found.items.insert(
                    0,
                    Grant {
                        resource: asked.resource.clone(),
                        principal: IAM_ALLOWED_PRINCIPALS.to_owned(),
                        permissions: [Permission::All].into(),
                        grantable: BTreeSet::new(),
                        id: asked.id,
                        updated_ms: self.now_ms(),
                    },
                );
            }
        }
        Ok(found)
    }

    /// Whether the principal may make tables that point to `location`, an S3 URL: it has access to the registered location, if it is in one.
    pub(crate) fn may_place(
        &self,
        read: &impl Read,
        principal: &Principal,
        location: &str,
    ) -> Result<bool, FormationError> {
        let account = &principal.account;
        let Some(registered) = crate::locations::covering(read, account, location)? else { return Ok(true) };
        if is_beyond_grants(principal) || settings_in(read, account)?.is_administered_by(principal) {
            return Ok(true);
        }
        // A grant on a location above is one on those below it.
        for place in crate::locations::above(&registered.arn) {
            let grants = grants_on(read, account, &Resource::Location { arn: place }, None, &names_of(principal))?;
            if grants.iter().any(|grant| grant.permissions.contains(&Permission::DataLocationAccess)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a grant is on that, or on a part of the table that it is.
fn is_of(grant: &Grant, asked: &Resource) -> bool {
    match (asked, &grant.resource) {
        (Resource::Table { database, name }, part) => part.database() == Some(database) && part.table() == Some(name),
        (Resource::Columns { database, table, .. }, Resource::Columns { database: d, table: t, .. }) => {
            (database, table) == (d, t)
        }
        (Resource::Tag { key, .. }, Resource::Tag { key: found, .. }) => key == found,
        (asked, found) => asked == found,
    }
}

fn nothing_revoked(principal: &str, on: &Resource) -> FormationError {
    FormationError::invalid(format!("No permissions revoked. Grantee {principal} does not have them on {on}."))
}

/// What one column, or one value of a tag, is granted with.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rights {
    pub(crate) permissions: BTreeSet<Permission>,
    pub(crate) grantable: BTreeSet<Permission>,
}

/// Gives or takes named columns of a table or values of a tag. Those that a principal has with the same rights are one grant; others are
/// others, so that what one column may be given on with says nothing of the next.
pub(crate) fn change_parts(
    tx: &mut Tx<'_>,
    account: &AccountId,
    known: &Known,
    principal: &str,
    (wanted, revoked): (&Rights, &BTreeSet<Permission>),
    is_grant: bool,
    now: i64,
) -> Result<(), FormationError> {
    let prefix = grant_key(account, &known.resource, principal);
    let mut parts: BTreeMap<String, Rights> = BTreeMap::new();
    let mut before = Vec::new();
    for entry in tx.prefix(GRANTS, &prefix) {
        let (key, grant) = entry?;
        let Some(names) = named_parts(&grant.resource) else { continue };
        if grant.id == known.id {
            let Grant { permissions, grantable, .. } = &grant;
            parts.extend(
                names.iter().map(|name| {
                    (name.clone(), Rights { permissions: permissions.clone(), grantable: grantable.clone() })
                }),
            );
        }
        before.push((key, grant));
    }
    for name in named_parts(&known.resource).into_iter().flatten() {
        if is_grant {
            let rights = parts.entry(name.clone()).or_default();
            rights.permissions.extend(&wanted.permissions);
            rights.grantable.extend(&wanted.grantable);
            continue;
        }
        let nothing = || nothing_revoked(principal, &known.resource);
        let rights = parts.get_mut(name).ok_or_else(nothing)?;
        if !wanted.permissions.is_subset(&rights.permissions) {
            return Err(nothing());
        }
        rights.permissions.retain(|permission| !revoked.contains(permission));
        rights.grantable.retain(|permission| !revoked.contains(permission) && !wanted.grantable.contains(permission));
    }
    let mut groups: BTreeMap<Rights, BTreeSet<String>> = BTreeMap::new();
    for (name, rights) in parts.into_iter().filter(|(_, rights)| !rights.permissions.is_empty()) {
        groups.entry(rights).or_default().insert(name);
    }
    for (key, _) in &before {
        tx.delete(GRANTS, key)?;
    }
    for (Rights { permissions, grantable }, names) in groups {
        let words = |set: &BTreeSet<Permission>| set.iter().map(|one| one.name()).collect::<Vec<_>>().join(",");
        let key = prefix.clone().text(&words(&permissions)).text(&words(&grantable));
        let resource = with_parts(&known.resource, names);
        let is_as_before = |grant: &&(Key, Grant)| {
            (&grant.1.resource, &grant.1.permissions, &grant.1.grantable) == (&resource, &permissions, &grantable)
        };
        let updated_ms = before.iter().find(is_as_before).map_or(now, |(_, grant)| grant.updated_ms);
        let principal = principal.to_owned();
        let grant = Grant { resource, principal, permissions, grantable, id: known.id, updated_ms };
        tx.put(GRANTS, &key, &grant)?;
    }
    Ok(())
}

/// The named columns, or the values of a tag.
fn named_parts(resource: &Resource) -> Option<&BTreeSet<String>> {
    match resource {
        Resource::Columns { columns: Columns::Named(names), .. } | Resource::Tag { values: names, .. } => Some(names),
        Resource::Columns { columns: Columns::AllBut(_), .. }
        | Resource::Catalog
        | Resource::Database { .. }
        | Resource::Table { .. }
        | Resource::AllTables { .. }
        | Resource::Location { .. }
        | Resource::CellsFilter { .. }
        | Resource::TagPolicy { .. } => None,
    }
}

fn with_parts(resource: &Resource, names: BTreeSet<String>) -> Resource {
    let mut resource = resource.clone();
    if let Resource::Columns { columns: Columns::Named(of), .. } | Resource::Tag { values: of, .. } = &mut resource {
        *of = names;
    }
    resource
}
