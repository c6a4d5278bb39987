//! Partitions of a table: made, changed, listed by a predicate. Knows nothing of how a predicate is evaluated.

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::{Read, Record, Tx};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::keyspaces::{PARTITIONS, partition_key};
use crate::tables::require_table;
use crate::{
    Catalog, CatalogError, EntityName, PARTITION_VALUE_CHARACTERS_MAX, PARTITION_VALUES_SIZE_BYTES_MAX, Parameters,
    PartitionExpression, StorageDescriptor, Table,
};

/// What a caller says of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartitionInput {
    /// One for each key, in order.
    pub values: Vec<String>,
    /// Milliseconds since 1970.
    pub last_access_time_ms: Option<i64>,
    /// Milliseconds since 1970.
    pub last_analyzed_time_ms: Option<i64>,
    /// Where its data is and how to read it.
    pub storage_descriptor: Option<StorageDescriptor>,
    /// Free.
    pub parameters: Parameters,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Milliseconds since 1970.
    pub creation_time_ms: i64,
    /// What was said of it.
    pub definition: PartitionInput,
}

impl Record for Partition {
    const VERSION: u16 = 1;
}

impl Partition {
    /// Its values, one for each key of the table.
    pub fn values(&self) -> &[String] {
        &self.definition.values
    }

    /// Where its data is.
    pub fn location(&self) -> Option<&str> {
        self.definition.storage_descriptor.as_ref()?.location.as_deref()
    }
}

/// One of several parts into which all partitions are split, so that a client can read them in parallel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionSegment {
    /// From 0.
    pub number: u32,
    /// How many there are; at least 1.
    pub total: u32,
}

/// Which partitions to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPartitions {
    /// `year = 2013 AND month IN (1, 2)`; all without one.
    pub expression: Option<String>,
    /// Only this part of them.
    pub segment: Option<PartitionSegment>,
    /// Those behind the partition with these values.
    pub after: Option<Vec<String>>,
    /// The most of a page.
    pub limit: usize,
    /// Leave the columns out of their storage descriptors.
    pub without_columns: bool,
}

/// Partitions in the order of their values, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPage {
    /// What was found; may be less than asked for although there is more.
    pub partitions: Vec<Partition>,
    /// Pass it as `after`, if there may be more.
    pub next: Option<Vec<String>>,
}

fn check_values(table: &Table, values: &[String]) -> Result<(), CatalogError> {
    let keys = table.partition_keys().len();
    if values.len() != keys || keys == 0 {
        return Err(CatalogError::PartitionValueCount {
            database: table.database_name.clone(),
            table: table.name().to_owned(),
            keys,
            values: values.len(),
        });
    }
    let refused = |value: &String| CatalogError::PartitionValue {
        value: value.chars().take(PARTITION_VALUE_CHARACTERS_MAX).collect(),
        characters_max: PARTITION_VALUE_CHARACTERS_MAX,
        size_bytes_max: PARTITION_VALUES_SIZE_BYTES_MAX,
    };
    let mut size_bytes = 0;
    for value in values {
        size_bytes += value.len();
        if value.is_empty()
            || value.chars().count() > PARTITION_VALUE_CHARACTERS_MAX
            || size_bytes > PARTITION_VALUES_SIZE_BYTES_MAX
        {
            return Err(refused(value));
        }
    }
    Ok(())
}

fn not_found(table: &Table, values: Vec<String>) -> CatalogError {
    CatalogError::PartitionNotFound { database: table.database_name.clone(), table: table.name().to_owned(), values }
}

/// Adds a partition. `false`: it was there.
fn create_in(tx: &mut Tx<'_>, table: &Table, now_ms: i64, input: PartitionInput) -> Result<bool, CatalogError> {
    check_values(table, &input.values)?;
    let key = partition_key(&table.id, &input.values);
    if tx.contains(PARTITIONS, &key)? {
        return Ok(false);
    }
    tx.put(PARTITIONS, &key, &Partition { creation_time_ms: now_ms, definition: input })?;
    Ok(true)
}

/// Changes a partition; with other values in `input`, moves it.
fn update_in(tx: &mut Tx<'_>, table: &Table, values: &[String], mut input: PartitionInput) -> Result<(), CatalogError> {
    check_values(table, values)?;
    if input.values.is_empty() {
        input.values = values.to_vec();
    }
    check_values(table, &input.values)?;
    let key = partition_key(&table.id, values);
    let found = tx.get(PARTITIONS, &key)?.ok_or_else(|| not_found(table, values.to_vec()))?;
    let moved = partition_key(&table.id, &input.values);
    if moved != key {
        if tx.contains(PARTITIONS, &moved)? {
            return Err(exists(table, input.values));
        }
        tx.delete(PARTITIONS, &key)?;
    }
    Ok(tx.put(PARTITIONS, &moved, &Partition { definition: input, ..found })?)
}

fn delete_in(tx: &mut Tx<'_>, table: &Table, values: &[String]) -> Result<(), CatalogError> {
    check_values(table, values)?;
    let key = partition_key(&table.id, values);
    if !tx.contains(PARTITIONS, &key)? {
        return Err(not_found(table, values.to_vec()));
    }
    Ok(tx.delete(PARTITIONS, &key)?)
}

fn exists(table: &Table, values: Vec<String>) -> CatalogError {
    CatalogError::PartitionExists { database: table.database_name.clone(), table: table.name().to_owned(), values }
}

/// One entry's outcome: what concerns only the entry is kept aside, what concerns the store ends the batch.
fn keep(
    outcome: Result<(), CatalogError>,
    values: Vec<String>,
    failed: &mut Vec<(Vec<String>, CatalogError)>,
) -> Result<(), CatalogError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(CatalogError::Store { source }) => Err(CatalogError::Store { source }),
        Err(error) => {
            failed.push((values, error));
            Ok(())
        }
    }
}

impl Catalog {
    /// Makes partitions; returns those that it could not, by their values, each with why.
    pub async fn create_partitions(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        inputs: Vec<PartitionInput>,
    ) -> Result<Vec<(Vec<String>, CatalogError)>, CatalogError> {
        let now_ms = self.now_ms();
        self.change_partitions(caller, database, table, move |tx, table| {
            let mut failed = Vec::new();
            for input in inputs {
                let values = input.values.clone();
                let outcome = create_in(tx, table, now_ms, input)
                    .and_then(|made| if made { Ok(()) } else { Err(exists(table, values.clone())) });
                keep(outcome, values, &mut failed)?;
            }
            Ok(failed)
        })
        .await
    }

    /// Makes partitions unless they are there; returns how many it made.
    pub async fn add_partitions_if_absent(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        inputs: Vec<PartitionInput>,
    ) -> Result<u64, CatalogError> {
        let now_ms = self.now_ms();
        self.change_partitions(caller, database, table, move |tx, table| {
            let mut made = 0;
            for input in inputs {
                made += u64::from(create_in(tx, table, now_ms, input)?);
            }
            Ok(made)
        })
        .await
    }

    /// As `add_partitions_if_absent` for one, inside a transaction of somebody else: a delivery registers what it delivered.
    pub fn add_partition_if_absent_in(
        &self,
        tx: &mut Tx<'_>,
        account: &AccountId,
        database: &str,
        table: &str,
        input: PartitionInput,
    ) -> Result<bool, CatalogError> {
        let table = require_table(tx, account, &EntityName::database(database)?, &EntityName::table(table)?)?;
        create_in(tx, &table, self.now_ms(), input)
    }

    /// Changes partitions, named by their values; returns those that it could not, each with why.
    pub async fn update_partitions(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        entries: Vec<(Vec<String>, PartitionInput)>,
    ) -> Result<Vec<(Vec<String>, CatalogError)>, CatalogError> {
        self.change_partitions(caller, database, table, move |tx, table| {
            let mut failed = Vec::new();
            for (values, input) in entries {
                let outcome = update_in(tx, table, &values, input);
                keep(outcome, values, &mut failed)?;
            }
            Ok(failed)
        })
        .await
    }

    /// Deletes partitions; returns those that it could not, each with why.
    pub async fn delete_partitions(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        values: Vec<Vec<String>>,
    ) -> Result<Vec<(Vec<String>, CatalogError)>, CatalogError> {
        self.change_partitions(caller, database, table, move |tx, table| {
            let mut failed = Vec::new();
            for values in values {
                let outcome = delete_in(tx, table, &values);
                keep(outcome, values, &mut failed)?;
            }
            Ok(failed)
        })
        .await
    }

    async fn change_partitions<T: Send + 'static>(
        &self,
        caller: &Caller,
        database: &str,
        table: &str,
        change: impl FnOnce(&mut Tx<'_>, &Table) -> Result<T, CatalogError> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (database, table) = (EntityName::database(database)?, EntityName::table(table)?);
        let account = caller.scope().account.clone();
        self.commit(caller, move |tx| {
            let table = require_table(tx, &account, &database, &table)?;
            change(tx, &table)
        })
        .await
    }

    /// A partition.
    pub fn partition(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        values: &[String],
    ) -> Result<Partition, CatalogError> {
        let snapshot = self.snapshot()?;
        let table = require_table(
            &snapshot,
            &proof.principal().account,
            &EntityName::database(database)?,
            &EntityName::table(table)?,
        )?;
        check_values(&table, values)?;
        snapshot.get(PARTITIONS, &partition_key(&table.id, values))?.ok_or_else(|| not_found(&table, values.to_vec()))
    }

    /// Those of the partitions that there are, in the order asked for.
    pub fn partitions_by_values(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        values: &[Vec<String>],
    ) -> Result<Vec<Partition>, CatalogError> {
        let snapshot = self.snapshot()?;
        let table = require_table(
            &snapshot,
            &proof.principal().account,
            &EntityName::database(database)?,
            &EntityName::table(table)?,
        )?;
        let mut found = Vec::new();
        for values in values {
            check_values(&table, values)?;
            found.extend(snapshot.get(PARTITIONS, &partition_key(&table.id, values))?);
        }
        Ok(found)
    }

    /// One page of a table's partitions in the order of their values.
    pub fn partitions(
        &self,
        proof: &Authorized,
        database: &str,
        table: &str,
        list: &ListPartitions,
    ) -> Result<PartitionPage, CatalogError> {
        let snapshot = self.snapshot()?;
        let table = require_table(
            &snapshot,
            &proof.principal().account,
            &EntityName::database(database)?,
            &EntityName::table(table)?,
        )?;
        let expression = list
            .expression
            .as_deref()
            .map(|text| PartitionExpression::parse(text, table.partition_keys()))
            .transpose()
            .map_err(|source| CatalogError::Expression { source })?;
        let mut page = crate::partition_scan::scan(&snapshot, &table, expression.as_ref(), list)?;
        if list.without_columns {
            for partition in &mut page.partitions {
                if let Some(storage) = &mut partition.definition.storage_descriptor {
                    storage.columns.clear();
                }
            }
        }
        Ok(page)
    }
}
