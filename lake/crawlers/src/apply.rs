//! Writes what a crawl has found into the catalog: new tables, changed ones, partitions, and what is gone. Each step is a
//! transaction of its own with its own audit record; a crawl that ends in between is carried on by the next one.

use std::collections::{BTreeMap, HashSet};

use tarn_catalog::{
    CatalogError, Column, DatabaseInput, ListPartitions, PartitionInput, Table, TableInput, UpdateTable,
};

use crate::folders::{Group, Leaf};
use crate::run::Running;
use crate::tables::{self, DEPRECATED_BY_CRAWLER, UPDATED_BY_CRAWLER};
use crate::{CrawlersError, DeleteBehavior, UpdateBehavior};

/// How many partitions one transaction changes.
const PARTITIONS_AT_A_TIME: usize = 200;
/// How many tables are read at a time.
const TABLES_AT_A_TIME: usize = 100;

fn catalog_error(source: CatalogError) -> CrawlersError {
    CrawlersError::Catalog { source }
}

/// A table that the crawl has found, with where it lies.
pub(crate) struct FoundTable {
    pub(crate) group: Group,
    /// The plain name.
    pub(crate) name: String,
    pub(crate) location: String,
}

/// Locations that differ in a slash at the end are the same.
fn same_place(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

/// New columns over old ones: comments and parameters stay with the names.
fn merged_columns(old: &[Column], new: Vec<Column>, keep_old: bool) -> Vec<Column> {
    let find =
        |columns: &[Column], name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)).cloned();
    if keep_old {
        let mut columns = old.to_vec();
        columns.extend(new.into_iter().filter(|column| find(old, &column.name).is_none()));
        return columns;
    }
    let with_comment = |column: Column| match find(old, &column.name) {
        Some(found) => Column { data_type: column.data_type, name: column.name, ..found },
        None => column,
    };
    new.into_iter().map(with_comment).collect()
}

/// What readers of a table depend on, without figures that change at every crawl.
fn essence(input: &TableInput) -> impl PartialEq {
    let storage = input.storage_descriptor.clone().map(|mut storage| {
        storage.parameters = BTreeMap::new();
        storage.location = storage.location.map(|location| location.trim_end_matches('/').to_owned());
        storage
    });
    let reading = [
        "classification",
        "delimiter",
        "skip.header.line.count",
        "areColumnsQuoted",
        "compressionType",
        DEPRECATED_BY_CRAWLER,
    ];
    let parameters: Vec<Option<String>> = reading.iter().map(|key| input.parameters.get(*key).cloned()).collect();
    (storage, input.partition_keys.clone(), parameters)
}

impl Running<'_> {
    pub(crate) async fn apply(&mut self, found: Vec<FoundTable>) -> Result<(), CrawlersError> {
        self.require_database().await?;
        let mut names = HashSet::new();
        for table in found {
            if self.must_stop() {
                return Ok(());
            }
            let name = self.name_for(&table, &names)?;
            names.insert(name.clone());
            match self.apply_table(&table, &name).await {
                Ok(()) => {}
                // What is wrong with one table does not keep the others from being written.
                Err(CrawlersError::Catalog { source: CatalogError::Store { source } }) => {
                    return Err(CrawlersError::Store { source });
                }
                Err(error) => self.message(format!("table {name} at {}: {error}", table.location)),
            }
        }
        self.apply_deletes(&names).await
    }

    async fn require_database(&mut self) -> Result<(), CrawlersError> {
        let name = self.database().to_owned();
        match self.crawlers.catalog.database(&self.proof, &name) {
            Ok(_) => return Ok(()),
            Err(CatalogError::DatabaseNotFound { .. }) => {}
            Err(error) => return Err(catalog_error(error)),
        }
        let input = DatabaseInput { name, ..DatabaseInput::default() };
        let made = self.crawlers.catalog.create_database(&self.caller("CreateDatabase"), input, BTreeMap::new()).await;
        match made {
            Ok(()) | Err(CatalogError::DatabaseExists { .. }) => Ok(()),
            Err(error) => Err(catalog_error(error)),
        }
    }

    fn existing(&self, name: &str) -> Result<Option<Table>, CrawlersError> {
        match self.crawlers.catalog.table(&self.proof, self.database(), name) {
            Ok(table) => Ok(Some(table)),
            Err(CatalogError::TableNotFound { .. }) => Ok(None),
            Err(error) => Err(catalog_error(error)),
        }
    }

    /// The plain name, unless a table at another place has it.
    fn name_for(&self, found: &FoundTable, taken: &HashSet<String>) -> Result<String, CrawlersError> {
        let elsewhere = |table: &Table| !table.location().is_some_and(|location| same_place(location, &found.location));
        let free = !taken.contains(&found.name) && !self.existing(&found.name)?.as_ref().is_some_and(elsewhere);
        Ok(if free { found.name.clone() } else { tables::with_suffix(&found.name, &found.location) })
    }

    async fn apply_table(&mut self, found: &FoundTable, name: &str) -> Result<(), CrawlersError> {
        let crawler = self.crawler.definition.name.clone();
        let input = tables::table(&found.group, name.to_owned(), found.location.clone(), &crawler);
        let database = self.database().to_owned();
        let table = match self.existing(name)? {
            None => {
                let made =
                    self.crawlers.catalog.create_table(&self.caller("CreateTable"), &database, input, Vec::new()).await;
                made.map_err(catalog_error)?;
                self.summary.tables_created.push(name.to_owned());
                self.existing(name)?
            }
            Some(existing) => {
                self.update_table(&existing, input).await?;
                self.existing(name)?
            }
        };
        match table {
            Some(table) if !table.partition_keys().is_empty() => {
                self.apply_partitions(&table, &found.group, &found.location).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn update_table(&mut self, existing: &Table, new: TableInput) -> Result<(), CrawlersError> {
        let mut input = existing.definition.clone();
        let old_columns = existing.columns().to_vec();
        let keep_old = self.configuration.merge_new_columns;
        let storage = new.storage_descriptor.map(|mut storage| {
            storage.columns = merged_columns(&old_columns, storage.columns, keep_old);
            storage
        });
        input.storage_descriptor = storage;
        input.partition_keys = merged_columns(&existing.definition.partition_keys, new.partition_keys, false);
        input.parameters.extend(new.parameters);
        input.parameters.remove(DEPRECATED_BY_CRAWLER);
        if essence(&input) == essence(&existing.definition) {
            // Only figures have changed: that is no version worth keeping.
            if input != existing.definition
                && self.crawler.definition.update_behavior == UpdateBehavior::UpdateInDatabase
            {
                self.put_table(input, existing.version_id, true).await?;
            }
            return Ok(());
        }
        match self.crawler.definition.update_behavior {
            UpdateBehavior::Log => {
                self.message(format!(
                    "table {}: its schema has changed, and UpdateBehavior LOG leaves it",
                    existing.name()
                ));
                Ok(())
            }
            UpdateBehavior::UpdateInDatabase => {
                self.put_table(input, existing.version_id, false).await?;
                self.summary.tables_updated.push(existing.name().to_owned());
                Ok(())
            }
        }
    }

    async fn put_table(&self, input: TableInput, version_id: u64, skip_archive: bool) -> Result<(), CrawlersError> {
        let update = UpdateTable { input, version_id: Some(version_id), skip_archive };
        let updated = self.crawlers.catalog.update_table(&self.caller("UpdateTable"), self.database(), update).await;
        updated.map(drop).map_err(catalog_error)
    }

    fn partition(&self, table: &Table, leaf: &Leaf, location: &str) -> PartitionInput {
        let keys: Vec<String> = table.partition_keys().iter().map(|key| key.name.to_lowercase()).collect();
        let columns = if self.configuration.partitions_inherit {
            table.columns().to_vec()
        } else {
            tables::columns(&leaf.shape, &keys)
        };
        let parameters = tables::parameters(&leaf.shape, leaf.amount, &self.crawler.definition.name);
        let location = format!("{}/{}/", location.trim_end_matches('/'), leaf.path.join("/"));
        PartitionInput {
            values: leaf.partition_values(),
            storage_descriptor: Some(tables::storage(&leaf.shape, columns, location, parameters.clone())),
            parameters,
            ..PartitionInput::default()
        }
    }

    async fn apply_partitions(&mut self, table: &Table, group: &Group, location: &str) -> Result<(), CrawlersError> {
        let keys = group.partition_keys();
        let table_keys: Vec<String> = table.partition_keys().iter().map(|key| key.name.to_lowercase()).collect();
        if keys != table_keys {
            self.message(format!(
                "table {}: its partition keys are {table_keys:?}, but its folders read as {keys:?}; its partitions are left",
                table.name()
            ));
            return Ok(());
        }
        let (database, name) = (self.database().to_owned(), table.name().to_owned());
        let catalog = self.crawlers.catalog.clone();
        let mut seen = HashSet::new();
        let leaves: Vec<&Leaf> = group.leaves.iter().filter(|leaf| seen.insert(leaf.partition_values())).collect();
        for chunk in leaves.chunks(PARTITIONS_AT_A_TIME) {
            if self.must_stop() {
                return Ok(());
            }
            let inputs: Vec<PartitionInput> = chunk.iter().map(|leaf| self.partition(table, leaf, location)).collect();
            let values: Vec<Vec<String>> = inputs.iter().map(|input| input.values.clone()).collect();
            let known = catalog.partitions_by_values(&self.proof, &database, &name, &values).map_err(catalog_error)?;
            let known: BTreeMap<Vec<String>, PartitionInput> = known
                .into_iter()
                .map(|partition| (partition.definition.values.clone(), partition.definition))
                .collect();
            let (changed, new): (Vec<_>, Vec<_>) =
                inputs.into_iter().partition(|input| known.contains_key(&input.values));
            let changed: Vec<(Vec<String>, PartitionInput)> = changed
                .into_iter()
                .filter(|input| {
                    known.get(&input.values).is_some_and(|old| old.storage_descriptor != input.storage_descriptor)
                })
                .map(|input| (input.values.clone(), input))
                .collect();
            if !new.is_empty() {
                let made =
                    catalog.add_partitions_if_absent(&self.caller("BatchCreatePartition"), &database, &name, new).await;
                self.summary.partitions_created += made.map_err(catalog_error)?;
            }
            if !changed.is_empty() && self.crawler.definition.update_behavior == UpdateBehavior::UpdateInDatabase {
                let count = changed.len() as u64;
                let failed =
                    catalog.update_partitions(&self.caller("BatchUpdatePartition"), &database, &name, changed).await;
                let failed = failed.map_err(catalog_error)?;
                self.summary.partitions_updated += count - failed.len() as u64;
            }
        }
        self.delete_partitions(table, location, &seen).await
    }

    /// Partitions below the table's folder whose folders are gone. Those that lie elsewhere are somebody else's.
    async fn delete_partitions(
        &mut self,
        table: &Table,
        location: &str,
        seen: &HashSet<Vec<String>>,
    ) -> Result<(), CrawlersError> {
        if self.crawler.definition.delete_behavior != DeleteBehavior::DeleteFromDatabase
            || self.covers_failure(location)
        {
            return Ok(());
        }
        let (database, name) = (self.database().to_owned(), table.name().to_owned());
        let catalog = self.crawlers.catalog.clone();
        let below = format!("{}/", location.trim_end_matches('/'));
        let mut list =
            ListPartitions { limit: PARTITIONS_AT_A_TIME, without_columns: true, ..ListPartitions::default() };
        loop {
            let page = catalog.partitions(&self.proof, &database, &name, &list).map_err(catalog_error)?;
            let gone: Vec<Vec<String>> = page
                .partitions
                .into_iter()
                .filter(|partition| {
                    partition.location().is_some_and(|place| place.starts_with(&below))
                        && !seen.contains(partition.values())
                })
                .map(|partition| partition.definition.values)
                .collect();
            if !gone.is_empty() {
                let count = gone.len() as u64;
                let failed =
                    catalog.delete_partitions(&self.caller("BatchDeletePartition"), &database, &name, gone).await;
                self.summary.partitions_deleted += count - failed.map_err(catalog_error)?.len() as u64;
            }
            match page.next {
                Some(next) if !self.must_stop() => list.after = Some(next),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Tables that this crawler looks after, below its targets, and that it did not find again.
    async fn apply_deletes(&mut self, found: &HashSet<String>) -> Result<(), CrawlersError> {
        let (database, crawler) = (self.database().to_owned(), self.crawler.definition.name.clone());
        let catalog = self.crawlers.catalog.clone();
        let mut after: Option<String> = None;
        loop {
            let page = catalog
                .tables(&self.proof, &database, None, after.as_deref(), TABLES_AT_A_TIME)
                .map_err(catalog_error)?;
            for table in page.items {
                let own = table.definition.parameters.get(UPDATED_BY_CRAWLER) == Some(&crawler);
                let location = table.location().unwrap_or_default().to_owned();
                if !own
                    || found.contains(table.name())
                    || !self.is_below_targets(&location)
                    || self.covers_failure(&location)
                {
                    continue;
                }
                if self.must_stop() {
                    return Ok(());
                }
                let name = table.name().to_owned();
                match self.crawler.definition.delete_behavior {
                    DeleteBehavior::Log => {
                        self.message(format!(
                            "table {name}: its data at {location} is gone, and DeleteBehavior LOG leaves it"
                        ));
                    }
                    DeleteBehavior::DeleteFromDatabase => {
                        catalog
                            .delete_table(&self.caller("DeleteTable"), &database, &name)
                            .await
                            .map_err(catalog_error)?;
                        self.summary.tables_deleted.push(name);
                    }
                    DeleteBehavior::DeprecateInDatabase => {
                        if !table.definition.parameters.contains_key(DEPRECATED_BY_CRAWLER) {
                            let mut input = table.definition;
                            let now_ms = self.crawlers.now_ms();
                            input.parameters.insert(DEPRECATED_BY_CRAWLER.to_owned(), now_ms.to_string());
                            self.put_table(input, table.version_id, false).await?;
                            self.summary.tables_deleted.push(name);
                        }
                    }
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}
