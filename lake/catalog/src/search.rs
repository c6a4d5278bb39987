//! Finds tables by what is said of them, in all databases. Reads each table of the catalog; keeps no index.

use tarn_metadata::Read;
use tarn_policy::Authorized;

use crate::keyspaces::{DATABASES, TABLES, account_key, entity_key};
use crate::{Catalog, CatalogError, Table};

/// The most tables that one search may find.
const FOUND_MAX: usize = 10_000;

/// How a filter compares. Only times have an order; all else is equal or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchComparator {
    /// The same.
    Equals,
    /// Later.
    GreaterThan,
    /// Earlier.
    LessThan,
    /// Not earlier.
    GreaterThanEquals,
    /// Not later.
    LessThanEquals,
}

/// One thing that a table must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchFilter {
    /// `Name`, `DatabaseName`, `Description`, `Owner`, `TableType`, `CreateTime`, `UpdateTime`, or a parameter.
    pub key: String,
    /// What it is compared to.
    pub value: String,
    /// How.
    pub comparator: SearchComparator,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchTables {
    /// A part of any text of the table, without regard to case; in double quotes, all of it.
    pub text: Option<String>,
    /// All of these.
    pub filters: Vec<SearchFilter>,
    /// `Name`, `DatabaseName`, `CreateTime` or `UpdateTime`; without it, by database and name.
    pub sort_by: Option<String>,
    /// From the last to the first.
    pub descending: bool,
    /// Pass so many by.
    pub offset: usize,
    /// The most to find.
    pub limit: usize,
}

fn texts(table: &Table) -> Vec<&str> {
    let definition = &table.definition;
    let mut texts = vec![table.name(), &table.database_name];
    texts.extend(definition.description.as_deref());
    texts.extend(definition.owner.as_deref());
    texts.extend(definition.table_type.as_deref());
    texts.extend(table.location());
    for column in table.columns().iter().chain(table.partition_keys()) {
        texts.push(&column.name);
        texts.extend(column.comment.as_deref());
    }
    for (key, value) in &definition.parameters {
        texts.push(key);
        texts.push(value);
    }
    texts
}

fn has_text(table: &Table, wanted: &str) -> bool {
    let exact = wanted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match exact {
        Some(exact) => texts(table).contains(&exact),
        None => {
            let wanted = wanted.to_lowercase();
            texts(table).iter().any(|text| text.to_lowercase().contains(&wanted))
        }
    }
}

fn passes(table: &Table, filter: &SearchFilter) -> bool {
    let equal = |text: Option<&str>| text.is_some_and(|text| text.eq_ignore_ascii_case(&filter.value));
    match filter.key.to_ascii_lowercase().as_str() {
        "name" => equal(Some(table.name())),
        "databasename" => equal(Some(&table.database_name)),
        "description" => equal(table.definition.description.as_deref()),
        "owner" => equal(table.definition.owner.as_deref()),
        "tabletype" => equal(table.definition.table_type.as_deref()),
        "createtime" => time_passes(table.create_time_ms, filter),
        "updatetime" => time_passes(table.update_time_ms, filter),
        _ => equal(table.definition.parameters.get(&filter.key).map(String::as_str)),
    }
}

/// Seconds since 1970, or a time in ISO 8601.
fn time_passes(time_ms: i64, filter: &SearchFilter) -> bool {
    let seconds = filter.value.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000));
    let Some(wanted) =
        seconds.or_else(|| filter.value.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond))
    else {
        return false;
    };
    match filter.comparator {
        SearchComparator::Equals => time_ms == wanted,
        SearchComparator::GreaterThan => time_ms > wanted,
        SearchComparator::LessThan => time_ms < wanted,
        SearchComparator::GreaterThanEquals => time_ms >= wanted,
        SearchComparator::LessThanEquals => time_ms <= wanted,
    }
}

impl Catalog {
    /// The tables that are as `search` says, and whether there are more. `may_see` is asked for each database.
    pub fn search_tables(
        &self,
        proof: &Authorized,
        search: &SearchTables,
        may_see: impl Fn(&Table) -> bool,
    ) -> Result<(Vec<Table>, bool), CatalogError> {
        let snapshot = self.snapshot()?;
        let mut found = Vec::new();
        for database in snapshot.prefix(DATABASES, &account_key(&proof.principal().account)) {
            for table in snapshot.prefix(TABLES, &entity_key(&database?.1.id)) {
                let Some(table) = self.shown(proof, table?.1)? else { continue };
                let wanted = search.text.as_deref().is_none_or(|text| has_text(&table, text));
                if wanted && search.filters.iter().all(|filter| passes(&table, filter)) && may_see(&table) {
                    if found.len() == FOUND_MAX {
                        return Err(CatalogError::Limit {
                            what: "Tables found by one search; search for something narrower",
                            limit: FOUND_MAX as u64,
                        });
                    }
                    found.push(table);
                }
            }
        }
        match search.sort_by.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("name") => found.sort_by(|a, b| a.name().cmp(b.name())),
            Some("databasename") => found.sort_by(|a, b| a.database_name.cmp(&b.database_name)),
            Some("createtime") => found.sort_by_key(|table| table.create_time_ms),
            Some("updatetime") => found.sort_by_key(|table| table.update_time_ms),
            Some(_) | None => {}
        }
        if search.descending {
            found.reverse();
        }
        let more = found.len() > search.offset.saturating_add(search.limit);
        Ok((found.into_iter().skip(search.offset).take(search.limit).collect(), more))
    }
}
