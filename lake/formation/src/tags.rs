//! LF-tags: what they are, what has them, and expressions of them.
//! <https://docs.aws.amazon.com/lake-formation/latest/dg/tag-based-access-control.html>

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_catalog::{EntityId, Table};
use tarn_metadata::{Key, Read, Record, Tx};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::grants::{has_on_catalog, has_on_tag, require_database, require_table};
use crate::keyspaces::{RESOURCE_TAGS, TAGS, account_key, tagged_key};
use crate::permissions::Permission;
use crate::resources::Resource;
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

/// Whether a thing of any kind has the tag with one of `values`.
fn is_used(
    read: &impl Read,
    account: &AccountId,
    key: &str,
    values: Option<&BTreeSet<String>>,
) -> Result<bool, FormationError> {
    for entry in read.prefix(RESOURCE_TAGS, &account_key(account)) {
        let pair = entry?.1.pair;
        if pair.key == key && values.is_none_or(|values| values.contains(&pair.value)) {
            return Ok(true);
        }
    }
    Ok(false)
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
        self.commit(caller, move |tx| {
            has_on_catalog(tx, &account, &principal, Permission::CreateLfTag)?;
            let at = account_key(&account).text(&key);
            if tx.contains(TAGS, &at)? {
                return Err(FormationError::AlreadyExists { what: format!("LF-tag {key}") });
            }
            if tx.prefix(TAGS, &account_key(&account)).count() >= TAGS_MAX {
                return Err(FormationError::Limit { what: "LF-tags", limit: TAGS_MAX });
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
            if !remove.is_empty() && is_used(tx, &account, &key, Some(&remove))? {
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

    /// Deletes an LF-tag, also where things have it.
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
            tx.delete(TAGS, &account_key(&account).text(&key))?;
            Ok(())
        })
        .await
    }

    /// An LF-tag.
    pub fn tag(&self, proof: &Authorized, key: &str) -> Result<LfTag, FormationError> {
        require_tag(&self.snapshot()?, &proof.principal().account, &check_key(key)?)
    }

    /// Up to `limit` LF-tags in the order of their keys, those behind `after`.
    pub fn tags(&self, proof: &Authorized, after: Option<&[u8]>, limit: usize) -> Result<Page<LfTag>, FormationError> {
        let snapshot = self.snapshot()?;
        crate::grants::page(&snapshot, TAGS, &account_key(&proof.principal().account), after, limit, |_| Ok(true))
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
        self.commit(caller, move |tx| {
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
        self.commit(caller, move |tx| {
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

    /// The LF-tags of a database, or of a table and its columns.
    pub fn tags_of(&self, proof: &Authorized, resource: &Resource) -> Result<ResourceTags, FormationError> {
        let (snapshot, account) = (self.snapshot()?, &proof.principal().account);
        let Some(name) = resource.database() else {
            return Err(FormationError::invalid("LF-tags are on databases, tables and columns."));
        };
        let database = require_database(self, account, name)?;
        let of_database = database_tags(&snapshot, account, &database)?;
        let Some(table) = resource.table() else {
            return Ok(ResourceTags { database: pairs(of_database), ..ResourceTags::default() });
        };
        let table = require_table(self, account, name, table)?;
        let (of_table, of_columns) = table_tags(&snapshot, account, &database, &table)?;
        let columns = of_columns.into_iter().map(|(name, tags)| (name, pairs(tags))).collect();
        Ok(ResourceTags { database: pairs(of_database), table: pairs(of_table), columns })
    }
}
