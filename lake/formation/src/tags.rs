//! LF-tags: what they are, what has them, and expressions of them.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/tag-based-access-control.html>

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_catalog::{Catalog, CatalogError, EntityId, Table, TableGuard};
use tarn_metadata::{Key, Read, Record, Tx};
use tarn_policy::{Authorized, Principal};
use tarn_types::AccountId;

use crate::access::column_names;
use crate::grants::{
    Known, Rights, catalog_proof, change_parts, grants_on, has_on_catalog, has_on_tag, require_database, require_table,
};
use crate::keyspaces::{GRANTS, RESOURCE_TAGS, TAGS, account_key, resource_key, tagged_key};
use crate::permissions::{Permission, allowed_on};
use crate::principals::names_of;
use crate::resources::{Resource, TagPolicyKind};
use crate::settings::settings_in;
use crate::{Formation, FormationError, Page, RESOURCE_TAGS_MAX, TAG_VALUES_MAX, TAGS_MAX};

/// An LF-tag and the values it can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LfTag {
    /// In lower case.
    pub key: String,
    /// In lower case.
    pub values: BTreeSet<String>,
}

impl Record for LfTag {
    const VERSION: u16 = 1;
}

/// A tag on a thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TagPair {
    /// The tag.
    pub key: String,
    /// Its one value there.
    pub value: String,
}

/// A tag on a thing, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TagRecord {
    pub(crate) pair: TagPair,
    /// Of which database or table: another of its name has no tags.
    pub(crate) id: EntityId,
}

impl Record for TagRecord {
    const VERSION: u16 = 1;
}

/// The tags of a thing and of those above and below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceTags {
    /// Of the database.
    pub database: Vec<TagPair>,
    /// Of the table, those of its database as well.
    pub table: Vec<TagPair>,
    /// Of the columns that have some of their own.
    pub columns: BTreeMap<String, Vec<TagPair>>,
}

/// Tags of which all must be there, each with one of these values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TagExpression(BTreeMap<String, BTreeSet<String>>);

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A tag's key or value as it is kept.
fn check_word(what: &str, text: &str, characters_max: usize) -> Result<String, FormationError> {
    let word = folded(text);
    let count = word.chars().count();
    if count == 0 || count > characters_max || word.chars().any(char::is_control) {
        return Err(FormationError::invalid(format!("{what} {text:?} must have 1 to {characters_max} characters.")));
    }
    Ok(word)
}

fn check_key(text: &str) -> Result<String, FormationError> {
    check_word("LF-tag key", text, 128)
}

fn check_value(text: &str) -> Result<String, FormationError> {
    check_word("LF-tag value", text, 256)
}

impl TagExpression {
    /// From keys and their values.
    pub fn new(terms: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Self, FormationError> {
        let mut found = BTreeMap::new();
        for (key, values) in terms {
            let values = values.iter().map(|value| check_value(value)).collect::<Result<BTreeSet<_>, _>>()?;
            if values.is_empty() || found.insert(check_key(&key)?, values).is_some() {
                return Err(FormationError::invalid(format!("LF-tag {key:?} must stand once, with values.")));
            }
        }
        if found.is_empty() || found.len() > RESOURCE_TAGS_MAX {
            return Err(FormationError::invalid(format!("An expression has 1 to {RESOURCE_TAGS_MAX} LF-tags.")));
        }
        Ok(Self(found))
    }

    /// None: for keys of the store, where it does not matter.
    pub(crate) fn any() -> Self {
        Self(BTreeMap::new())
    }

    /// Keys and their values, in order.
    pub fn terms(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.0.iter().map(|(key, values)| (key.as_str(), values))
    }

    /// One text for each expression.
    pub(crate) fn canonical(&self) -> String {
        let mut text = String::new();
        for (key, values) in &self.0 {
            text.push_str(&format!("{key:?}={values:?};"));
        }
        text
    }

    /// Whether a thing with these tags is meant.
    pub(crate) fn holds(&self, tags: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, values)| {
            tags.get(key).is_some_and(|value| values.contains(value) || values.contains(ANY_VALUE))
        })
    }
}

/// Stands for all values of a tag.
const ANY_VALUE: &str = "*";

/// The tags right on one thing.
fn own_tags(read: &impl Read, prefix: &Key, id: EntityId) -> Result<BTreeMap<String, String>, FormationError> {
    let mut found = BTreeMap::new();
    for entry in read.prefix(RESOURCE_TAGS, prefix) {
        let (_, TagRecord { pair, id: of }) = entry?;
        if of == id {
            found.insert(pair.key, pair.value);
        }
    }
    Ok(found)
}

/// The tags of a database.
pub(crate) fn database_tags(
    read: &impl Read,
    account: &AccountId,
    database: &tarn_catalog::Database,
) -> Result<BTreeMap<String, String>, FormationError> {
    own_tags(read, &tagged_key(account, database.name(), None, None), database.id())
}

/// The tags of a table, its database's among them, and of each column that has its own, its table's among them.
pub(crate) fn table_tags(
    read: &impl Read,
    account: &AccountId,
    database: &tarn_catalog::Database,
    table: &Table,
) -> Result<(BTreeMap<String, String>, BTreeMap<String, BTreeMap<String, String>>), FormationError> {
    let mut of_table = database_tags(read, account, database)?;
    of_table.extend(own_tags(read, &tagged_key(account, database.name(), Some(table.name()), None), table.id())?);
    let mut of_columns = BTreeMap::new();
    for column in table.columns().iter().chain(table.partition_keys()) {
        let name = column.name.to_lowercase();
        let own = own_tags(read, &tagged_key(account, database.name(), Some(table.name()), Some(&name)), table.id())?;
        if !own.is_empty() {
            let mut tags = of_table.clone();
            tags.extend(own);
            of_columns.insert(name, tags);
        }
    }
    Ok((of_table, of_columns))
}

fn pairs(tags: BTreeMap<String, String>) -> Vec<TagPair> {
    tags.into_iter().map(|(key, value)| TagPair { key, value }).collect()
}

pub(crate) fn require_tag(read: &impl Read, account: &AccountId, key: &str) -> Result<LfTag, FormationError> {
    read.get(TAGS, &account_key(account).text(key))?.ok_or_else(|| FormationError::not_found(format!("LF-tag {key}")))
}

/// What tags are put on: a database, a table, or columns of a table.
struct Target {
    prefixes: Vec<Key>,
    id: EntityId,
    name: String,
}

fn target(formation: &Formation, account: &AccountId, resource: &Resource) -> Result<Target, FormationError> {
    let name = resource.to_string();
    match resource {
        Resource::Database { name: database } => {
            let found = require_database(formation, account, database)?;
            Ok(Target { prefixes: vec![tagged_key(account, database, None, None)], id: found.id(), name })
        }
        Resource::Table { database, name: table } => {
            let found = require_table(formation, account, database, table)?;
            Ok(Target { prefixes: vec![tagged_key(account, database, Some(table), None)], id: found.id(), name })
        }
        Resource::Columns { database, table, columns: crate::Columns::Named(names) } => {
            let found = require_table(formation, account, database, table)?;
            let known: BTreeSet<String> =
                found.columns().iter().chain(found.partition_keys()).map(|column| column.name.to_lowercase()).collect();
            if let Some(unknown) = names.iter().find(|name| !known.contains(*name)) {
                return Err(FormationError::not_found(format!("Column {unknown} of {database}.{table}")));
            }
            let prefixes =
                names.iter().map(|column| tagged_key(account, database, Some(table), Some(column))).collect();
            Ok(Target { prefixes, id: found.id(), name })
        }
        Resource::Columns { .. }
        | Resource::Catalog
        | Resource::AllTables { .. }
        | Resource::Location { .. }
        | Resource::CellsFilter { .. }
        | Resource::Tag { .. }
        | Resource::TagPolicy { .. } => {
            Err(FormationError::invalid("LF-tags are put on a database, a table, or named columns of a table."))
        }
    }
}

/// Whether a thing that is there has the tag with one of `values`. What is on things that are gone is forgotten: as on AWS, a table takes
/// its tags with it.
fn is_used(tx: &mut Tx<'_>, account: &AccountId, key: &str, values: &BTreeSet<String>) -> Result<bool, FormationError> {
    let mut gone = Vec::new();
    let mut used = false;
    for entry in tx.prefix(RESOURCE_TAGS, &account_key(account)) {
        let (at, TagRecord { pair, id }) = entry?;
        if pair.key == key && values.contains(&pair.value) {
            if is_there(tx, account, &at, id)? {
                used = true;
                break;
            }
            gone.push(at);
        }
    }
    for at in gone {
        tx.delete(RESOURCE_TAGS, &at)?;
    }
    Ok(used)
}

/// Whether what a tag was put on is still that database, table or column.
fn is_there(read: &impl Read, account: &AccountId, at: &Key, id: EntityId) -> Result<bool, FormationError> {
    let there = |error: CatalogError| match FormationError::from(error) {
        FormationError::NotFound { .. } => Ok(false),
        error => Err(error),
    };
    let mut parts = Key::reader(at.as_bytes());
    let (_, database, table, column) = (parts.text(), parts.text(), parts.text(), parts.text());
    let (Some(database), Some(table), Some(column)) = (database, table, column) else { return Ok(false) };
    if table.is_empty() {
        return Catalog::database_in(read, account, &database).map_or_else(there, |found| Ok(found.id() == id));
    }
    Catalog::table_in(read, account, &database, &table).map_or_else(there, |found| {
        Ok(found.id() == id && (column.is_empty() || column_names(&found).contains(&column)))
    })
}

impl Formation {
    /// Makes an LF-tag. Its maker may do everything with it, as an administrator may.
    pub async fn create_tag(&self, caller: &Caller, key: &str, values: &[String]) -> Result<(), FormationError> {
        let key = check_key(key)?;
        let values = values.iter().map(|value| check_value(value)).collect::<Result<BTreeSet<_>, _>>()?;
        if values.is_empty() || values.len() > TAG_VALUES_MAX {
            return Err(FormationError::invalid(format!("An LF-tag has 1 to {TAG_VALUES_MAX} values.")));
        }
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let now = self.now_ms();
        self.commit(caller, move |tx| {
            has_on_catalog(tx, &account, &principal, Permission::CreateLfTag)?;
            let at = account_key(&account).text(&key);
            if tx.contains(TAGS, &at)? {
                return Err(FormationError::AlreadyExists { what: format!("LF-tag {key}") });
            }
            if tx.prefix(TAGS, &account_key(&account)).count() >= TAGS_MAX {
                return Err(FormationError::Limit { what: "LF-tags", limit: TAGS_MAX });
            }
            if !settings_in(tx, &account)?.is_administered_by(&principal) {
                grant_to_maker(tx, &account, &principal, &key, now)?;
            }
            Ok(tx.put(TAGS, &at, &LfTag { key, values })?)
        })
        .await
    }

    /// Adds values to an LF-tag, and takes away some that nothing has.
    pub async fn update_tag(
        &self,
        caller: &Caller,
        key: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<(), FormationError> {
        let key = check_key(key)?;
        let add = add.iter().map(|value| check_value(value)).collect::<Result<BTreeSet<_>, _>>()?;
        let remove = remove.iter().map(|value| check_value(value)).collect::<Result<BTreeSet<_>, _>>()?;
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        self.commit(caller, move |tx| {
            has_on_tag(tx, &account, &principal, &key, None, Permission::Alter)?;
            let mut tag = require_tag(tx, &account, &key)?;
            if !remove.is_empty() && is_used(tx, &account, &key, &remove)? {
                return Err(FormationError::invalid(format!("A value of LF-tag {key} is in use.")));
            }
            tag.values.extend(add);
            tag.values.retain(|value| !remove.contains(value));
            if tag.values.is_empty() || tag.values.len() > TAG_VALUES_MAX {
                return Err(FormationError::invalid(format!("An LF-tag has 1 to {TAG_VALUES_MAX} values.")));
            }
            Ok(tx.put(TAGS, &account_key(&account).text(&key), &tag)?)
        })
        .await
    }

    /// Deletes an LF-tag, also where things have it, with the grants of it and by it: one of the same key is another.
    pub async fn delete_tag(&self, caller: &Caller, key: &str) -> Result<(), FormationError> {
        let key = check_key(key)?;
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        self.commit(caller, move |tx| {
            has_on_tag(tx, &account, &principal, &key, None, Permission::Drop)?;
            require_tag(tx, &account, &key)?;
            let mut gone = Vec::new();
            for entry in tx.prefix(RESOURCE_TAGS, &account_key(&account)) {
                let (at, found) = entry?;
                if found.pair.key == key {
                    gone.push(at);
                }
            }
            for at in gone {
                tx.delete(RESOURCE_TAGS, &at)?;
            }
            delete_grants(tx, &account, &key)?;
            tx.delete(TAGS, &account_key(&account).text(&key))?;
            Ok(())
        })
        .await
    }

    /// An LF-tag that the proof's principal may see.
    pub fn tag(&self, proof: &Authorized, key: &str) -> Result<LfTag, FormationError> {
        let (snapshot, key) = (self.snapshot()?, check_key(key)?);
        if !sees_tag(&snapshot, proof.principal(), &key)? {
            let on = format!("LF-tag {key}");
            return Err(FormationError::Insufficient { required: Permission::Describe.name().to_owned(), on });
        }
        require_tag(&snapshot, &proof.principal().account, &key)
    }

    /// Up to `limit` LF-tags that the proof's principal may see, in the order of their keys, those behind `after`.
    pub fn tags(&self, proof: &Authorized, after: Option<&[u8]>, limit: usize) -> Result<Page<LfTag>, FormationError> {
        let (snapshot, principal) = (self.snapshot()?, proof.principal());
        let keep = |tag: &LfTag| sees_tag(&snapshot, principal, &tag.key);
        crate::grants::page(&snapshot, TAGS, &account_key(&principal.account), after, limit, keep)
    }

    /// Puts LF-tags on a thing; returns those that could not be, each with why.
    pub async fn add_tags_to(
        &self,
        caller: &Caller,
        resource: &Resource,
        tags: Vec<(String, String)>,
    ) -> Result<Vec<(TagPair, FormationError)>, FormationError> {
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let Target { prefixes, id, name } = target(self, &account, resource)?;
        let (formation, on) = (self.clone(), resource.clone());
        self.commit(caller, move |tx| {
            formation.may_tag(tx, &account, &principal, on)?;
            let mut failed = Vec::new();
            for (key, value) in tags {
                let pair = TagPair { key: folded(&key), value: folded(&value) };
                let put = |tx: &mut Tx<'_>| {
                    let tag = require_tag(tx, &account, &pair.key)?;
                    has_on_tag(tx, &account, &principal, &pair.key, Some(&pair.value), Permission::Associate)?;
                    if !tag.values.contains(&pair.value) {
                        return Err(FormationError::not_found(format!("Value {} of LF-tag {}", pair.value, pair.key)));
                    }
                    for prefix in &prefixes {
                        let at = prefix.clone().text(&pair.key);
                        if !tx.contains(RESOURCE_TAGS, &at)? && own_tags(tx, prefix, id)?.len() >= RESOURCE_TAGS_MAX {
                            return Err(FormationError::invalid(format!(
                                "{name} has {RESOURCE_TAGS_MAX} LF-tags already."
                            )));
                        }
                        tx.put(RESOURCE_TAGS, &at, &TagRecord { pair: pair.clone(), id })?;
                    }
                    Ok(())
                };
                match put(tx) {
                    Ok(()) => {}
                    Err(FormationError::Store { source }) => return Err(FormationError::Store { source }),
                    Err(error) => failed.push((pair, error)),
                }
            }
            Ok(failed)
        })
        .await
    }

    /// Takes LF-tags off a thing; returns those that could not be, each with why.
    pub async fn remove_tags_from(
        &self,
        caller: &Caller,
        resource: &Resource,
        tags: Vec<(String, String)>,
    ) -> Result<Vec<(TagPair, FormationError)>, FormationError> {
        let (account, principal) = (caller.scope().account.clone(), caller.principal().clone());
        let Target { prefixes, .. } = target(self, &account, resource)?;
        let (formation, on) = (self.clone(), resource.clone());
        self.commit(caller, move |tx| {
            formation.may_tag(tx, &account, &principal, on)?;
            let mut failed = Vec::new();
            for (key, value) in tags {
                let pair = TagPair { key: folded(&key), value: folded(&value) };
                if let Err(error) =
                    has_on_tag(tx, &account, &principal, &pair.key, Some(&pair.value), Permission::Associate)
                {
                    failed.push((pair, error));
                    continue;
                }
                for prefix in &prefixes {
                    let at = prefix.clone().text(&pair.key);
                    if tx.get(RESOURCE_TAGS, &at)?.is_some_and(|found| found.pair == pair) {
                        tx.delete(RESOURCE_TAGS, &at)?;
                    } else {
                        let what = format!("LF-tag {}={} on it", pair.key, pair.value);
                        failed.push((pair.clone(), FormationError::not_found(what)));
                    }
                }
            }
            Ok(failed)
        })
        .await
    }

    /// The columns of a table that the proof's principal may see.
    fn columns_seen(&self, proof: &Authorized, table: &Table) -> Result<BTreeSet<String>, FormationError> {
        Ok(self.shown(proof, table.clone())?.map(|shown| column_names(&shown)).unwrap_or_default())
    }

    /// The LF-tags of a database, or of a table and those of its columns that the proof's principal may see: those right on them alone if
    /// `is_own_only`, otherwise those they inherit too.
    pub fn tags_of(
        &self,
        proof: &Authorized,
        resource: &Resource,
        is_own_only: bool,
    ) -> Result<ResourceTags, FormationError> {
        let (snapshot, account) = (self.snapshot()?, &proof.principal().account);
        let Some(name) = resource.database() else {
            return Err(FormationError::invalid("LF-tags are on databases, tables and columns."));
        };
        let database = require_database(self, account, name)?;
        let table = resource.table().map(|table| require_table(self, account, name, table)).transpose()?;
        if !self.may_see(proof.principal(), database.name(), table.as_ref().map(Table::name))? {
            let (required, on) = (Permission::Describe.name().to_owned(), resource.to_string());
            return Err(FormationError::Insufficient { required, on });
        }
        let of_database = database_tags(&snapshot, account, &database)?;
        let Some(table) = table else {
            return Ok(ResourceTags { database: pairs(of_database), ..ResourceTags::default() });
        };
        let seen = self.columns_seen(proof, &table)?;
        if is_own_only {
            let mut own = own_table_tags(&snapshot, account, &table)?;
            own.columns.retain(|name, _| seen.contains(name));
            return Ok(own);
        }
        let (of_table, mut of_columns) = table_tags(&snapshot, account, &database, &table)?;
        of_columns.retain(|name, _| seen.contains(name));
        let columns = of_columns.into_iter().map(|(name, tags)| (name, pairs(tags))).collect();
        Ok(ResourceTags { database: pairs(of_database), table: pairs(of_table), columns })
    }

    /// Up to `limit` databases that have such tags and that the proof's principal may see, those behind `after`, with their tags.
    pub fn databases_by_tags(
        &self,
        proof: &Authorized,
        expression: &TagExpression,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<(String, Vec<TagPair>)>, FormationError> {
        let (snapshot, principal) = (self.snapshot()?, proof.principal());
        let mut found = Vec::new();
        let mut at = place(after)?.map(|(database, _)| database);
        loop {
            let page = self.catalog.databases(&catalog_proof(&principal.account), at.as_deref(), SEARCH_STEP)?;
            for database in page.items {
                let tags = database_tags(&snapshot, &principal.account, &database)?;
                if expression.holds(&tags) && self.may_see(principal, database.name(), None)? {
                    if found.len() == limit {
                        return Ok(Page { items: found, next: at.map(|name| place_after(&name, "")) });
                    }
                    found.push((database.name().to_owned(), pairs(tags)));
                }
                at = Some(database.name().to_owned());
            }
            if page.next.is_none() {
                return Ok(Page { items: found, next: None });
            }
        }
    }

    /// Up to `limit` tables that have such tags, or columns that do, and that the proof's principal may see, those behind `after`: database,
    /// table and tags. Columns that it may not see are as if they were not there.
    pub fn tables_by_tags(
        &self,
        proof: &Authorized,
        expression: &TagExpression,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<(String, String, ResourceTags)>, FormationError> {
        let (snapshot, principal) = (self.snapshot()?, proof.principal());
        let (account, of_catalog) = (&principal.account, catalog_proof(&principal.account));
        let mut found = Vec::new();
        // The database to go on in, and the table behind which.
        let (mut database_at, mut table_at) = match place(after)? {
            None => (None, None),
            Some((database, table)) => (Some(database), Some(table)),
        };
        loop {
            let database = match (&database_at, &table_at) {
                (Some(name), Some(_)) => match require_database(self, account, name) {
                    Ok(database) => Some(database),
                    // It is gone meanwhile.
                    Err(FormationError::NotFound { .. }) => {
                        table_at = None;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
                (after, _) => self.catalog.databases(&of_catalog, after.as_deref(), 1)?.items.pop(),
            };
            let Some(database) = database else { return Ok(Page { items: found, next: None }) };
            let name = database.name().to_owned();
            let mut behind = table_at.take().filter(|table| !table.is_empty());
            loop {
                let page = self.catalog.tables(&of_catalog, &name, None, behind.as_deref(), SEARCH_STEP)?;
                for table in page.items {
                    let (of_table, mut of_columns) = table_tags(&snapshot, account, &database, &table)?;
                    let mut is_meant =
                        expression.holds(&of_table) || of_columns.values().any(|tags| expression.holds(tags));
                    if is_meant && !of_columns.is_empty() {
                        let seen = self.columns_seen(proof, &table)?;
                        of_columns.retain(|name, _| seen.contains(name));
                        is_meant =
                            expression.holds(&of_table) || of_columns.values().any(|tags| expression.holds(tags));
                    }
                    if is_meant && self.may_see(principal, &name, Some(table.name()))? {
                        if found.len() == limit {
                            let next = place_after(&name, behind.as_deref().unwrap_or_default());
                            return Ok(Page { items: found, next: Some(next) });
                        }
                        let columns = of_columns.into_iter().map(|(name, tags)| (name, pairs(tags))).collect();
                        let of_database = pairs(database_tags(&snapshot, account, &database)?);
                        let tags = ResourceTags { database: of_database, table: pairs(of_table), columns };
                        found.push((name.clone(), table.name().to_owned(), tags));
                    }
                    behind = Some(table.name().to_owned());
                }
                if page.next.is_none() {
                    break;
                }
            }
            database_at = Some(name);
        }
    }
}

/// Databases or tables that a search looks at in one step.
const SEARCH_STEP: usize = 100;

/// Where a search goes on: behind a table of a database, or behind a database. Names have no NUL.
fn place_after(database: &str, table: &str) -> Vec<u8> {
    format!("{database}\0{table}").into_bytes()
}

fn place(after: Option<&[u8]>) -> Result<Option<(String, String)>, FormationError> {
    let Some(after) = after else { return Ok(None) };
    std::str::from_utf8(after)
        .ok()
        .and_then(|text| text.split_once('\0'))
        .map(|(database, table)| Some((database.to_owned(), table.to_owned())))
        .ok_or_else(|| FormationError::invalid("The place to go on from is not one of this search."))
}

/// The tags right on a table and right on its columns.
fn own_table_tags(read: &impl Read, account: &AccountId, table: &Table) -> Result<ResourceTags, FormationError> {
    let of = |column: Option<&str>| {
        let prefix = tagged_key(account, &table.database_name, Some(table.name()), column);
        own_tags(read, &prefix, table.id()).map(pairs)
    };
    let mut columns = BTreeMap::new();
    for name in column_names(table) {
        let tags = of(Some(&name))?;
        if !tags.is_empty() {
            columns.insert(name, tags);
        }
    }
    Ok(ResourceTags { database: Vec::new(), table: of(None)?, columns })
}

/// Whether somebody may see a tag: with any right on any of its values.
fn sees_tag(read: &impl Read, principal: &Principal, key: &str) -> Result<bool, FormationError> {
    let account = &principal.account;
    if settings_in(read, account)?.is_read_by(principal) {
        return Ok(true);
    }
    let tag = Resource::Tag { key: key.to_owned(), values: BTreeSet::new() };
    Ok(!grants_on(read, account, &tag, None, &names_of(principal))?.is_empty())
}

/// Who makes a tag may do everything with it, and let others.
fn grant_to_maker(
    tx: &mut Tx<'_>,
    account: &AccountId,
    principal: &Principal,
    key: &str,
    now: i64,
) -> Result<(), FormationError> {
    // The first of its names is its own.
    let Some(name) = names_of(principal).into_iter().next() else { return Ok(()) };
    let resource = Resource::Tag { key: key.to_owned(), values: [ANY_VALUE.to_owned()].into() };
    let known = Known { resource, id: None, table: None, database: None };
    let all: BTreeSet<Permission> = allowed_on(&known.resource).iter().copied().collect();
    let rights = Rights { permissions: all.clone(), grantable: all };
    change_parts(tx, account, &known, &name, (&rights, &BTreeSet::new()), true, now)
}

/// Takes away all grants of a tag, and those by expressions that name it.
fn delete_grants(tx: &mut Tx<'_>, account: &AccountId, key: &str) -> Result<(), FormationError> {
    let tag = Resource::Tag { key: key.to_owned(), values: BTreeSet::new() };
    let policy = |kind| Resource::TagPolicy { kind, expression: TagExpression::any() };
    let mut gone = Vec::new();
    for place in [tag, policy(TagPolicyKind::Database), policy(TagPolicyKind::Table)] {
        for entry in tx.prefix(GRANTS, &resource_key(account, &place)) {
            let (at, grant) = entry?;
            let names_it = match &grant.resource {
                Resource::TagPolicy { expression, .. } => expression.0.contains_key(key),
                _ => true,
            };
            if names_it {
                gone.push(at);
            }
        }
    }
    for at in gone {
        tx.delete(GRANTS, &at)?;
    }
    Ok(())
}
