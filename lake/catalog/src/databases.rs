//! Databases of a catalog. Knows that tables hang on a database's id; knows no table.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::keyspaces::{DATABASES, PURGES, account_key, database_key};
use crate::purge::Purge;
use crate::{Catalog, CatalogError, EntityId, EntityName, Page, Parameters, TAGS_MAX};

/// What a caller says of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabaseInput {
    /// Folded to lower case.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Where new tables are put unless they say otherwise.
    pub location_uri: Option<String>,
    /// Free.
    pub parameters: Parameters,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub(crate) id: EntityId,
    /// Milliseconds since 1970.
    pub create_time_ms: i64,
    /// What was said of it.
    pub definition: DatabaseInput,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Record for Database {
    const VERSION: u16 = 1;
}

impl Database {
    /// Names it for as long as it exists.
    pub fn id(&self) -> EntityId {
        self.id
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.definition.name
    }
}

/// The database, or that there is none.
pub(crate) fn require_database(
    read: &impl Read,
    account: &AccountId,
    name: &EntityName,
) -> Result<Database, CatalogError> {
    read.get(DATABASES, &database_key(account, name))?
        .ok_or_else(|| CatalogError::DatabaseNotFound { name: name.to_string() })
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), CatalogError> {
    if tags.len() > TAGS_MAX {
        return Err(CatalogError::Limit { what: "Tags of a resource", limit: TAGS_MAX as u64 });
    }
    Ok(())
}

impl Catalog {
    /// Makes a database.
    pub async fn create_database(
        &self,
        caller: &Caller,
        mut input: DatabaseInput,
        tags: BTreeMap<String, String>,
    ) -> Result<(), CatalogError> {
        let name = EntityName::database(&input.name)?;
        check_tags(&tags)?;
        input.name = name.to_string();
        let database = Database { id: self.entity_id(), create_time_ms: self.now_ms(), definition: input, tags };
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let key = database_key(&account, &name);
            if tx.contains(DATABASES, &key)? {
                return Err(CatalogError::DatabaseExists { name: name.to_string() });
            }
            Ok(tx.put(DATABASES, &key, &database)?)
        })
        .await
    }

    /// Says something else of a database. Its name stays.
    pub async fn update_database(
        &self,
        caller: &Caller,
        name: &str,
        mut input: DatabaseInput,
    ) -> Result<(), CatalogError> {
        let name = EntityName::database(name)?;
        let renamed = EntityName::database(&input.name)?;
        if renamed != name {
            return Err(CatalogError::Renamed {
                what: "Database",
                name: name.to_string(),
                renamed: renamed.to_string(),
            });
        }
        input.name = name.to_string();
        self.change_database(caller, name, move |database| {
            database.definition = input;
            Ok(())
        })
        .await
    }

    /// Adds tags to a database, and removes others.
    pub async fn tag_database(
        &self,
        caller: &Caller,
        name: &str,
        add: BTreeMap<String, String>,
        remove: Vec<String>,
    ) -> Result<(), CatalogError> {
        let name = EntityName::database(name)?;
        self.change_database(caller, name, move |database| {
            database.tags.extend(add);
            database.tags.retain(|key, _| !remove.contains(key));
            check_tags(&database.tags)
        })
        .await
    }

    async fn change_database(
        &self,
        caller: &Caller,
        name: EntityName,
        change: impl FnOnce(&mut Database) -> Result<(), CatalogError> + Send + 'static,
    ) -> Result<(), CatalogError> {
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let mut database = require_database(tx, &account, &name)?;
            change(&mut database)?;
            Ok(tx.put(DATABASES, &database_key(&account, &name), &database)?)
        })
        .await
    }

    /// Deletes a database with all its tables. They are gone at once; their rows are removed in the background.
    pub async fn delete_database(&self, caller: &Caller, name: &str) -> Result<(), CatalogError> {
        let name = EntityName::database(name)?;
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let database = require_database(tx, &account, &name)?;
            tx.delete(DATABASES, &database_key(&account, &name))?;
            PURGES.push(tx, &Purge::Database { id: database.id })?;
            Ok(())
        })
        .await?;
        self.purge.notify_one();
        Ok(())
    }

    /// A database.
    pub fn database(&self, proof: &Authorized, name: &str) -> Result<Database, CatalogError> {
        require_database(&self.snapshot()?, &proof.principal().account, &EntityName::database(name)?)
    }

    /// Up to `limit` databases in the order of their names, those behind `after`.
    pub fn databases(
        &self,
        proof: &Authorized,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<Database>, CatalogError> {
        let snapshot = self.snapshot()?;
        let prefix = account_key(&proof.principal().account);
        let end = prefix.after_prefix();
        let start = after.map(|after| prefix.clone().text(after));
        let from = start.as_ref().map_or(Bound::Included(&prefix), Bound::Excluded);
        let to = end.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        page(snapshot.range(DATABASES, from, to), limit, |database| database.name().to_owned())
    }

    /// As `create_database` inside a transaction of somebody else: the lake's own set-up at first start. `false`: it was there.
    pub fn create_database_if_absent_in(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        mut input: DatabaseInput,
    ) -> Result<bool, CatalogError> {
        let name = EntityName::database(&input.name)?;
        input.name = name.to_string();
        let key = database_key(account, &name);
        if tx.contains(DATABASES, &key)? {
            return Ok(false);
        }
        let database =
            Database { id: self.entity_id(), create_time_ms: self.now_ms(), definition: input, tags: BTreeMap::new() };
        tx.put(DATABASES, &key, &database)?;
        Ok(true)
    }
}

/// One page of a range: reads one record more than asked for, to tell whether there are more.
pub(crate) fn page<R: Record>(
    range: tarn_metadata::Range<'_, R>,
    limit: usize,
    name: impl Fn(&R) -> String,
) -> Result<Page<R>, CatalogError> {
    let mut items = Vec::new();
    for pair in range {
        if items.len() == limit {
            let next = items.last().map(&name);
            return Ok(Page { items, next });
        }
        items.push(pair?.1);
    }
    Ok(Page { items, next: None })
}
