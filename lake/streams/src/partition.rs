//! Which partition of which table a delivered object belongs to. Knows no delivery.

use tarn_catalog::{Catalog, PartitionInput, S3Location, Table, decode_partition_name, partition_location};
use tarn_policy::Authorized;

use crate::delivery_stream::S3Destination;
use crate::errors::StreamsError;

/// Tables looked through for one delivery.
const TABLES_MAX: usize = 10_000;
const PAGE: usize = 500;

/// A partition to be registered with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The table's database.
    pub database: String,
    /// The table.
    pub table: String,
    /// The partition.
    pub input: PartitionInput,
}

/// The partition that the object at `key` lies in, if a table's location is above it and its folders name all partition keys.
pub fn of_object(
    catalog: &Catalog,
    proof: &Authorized,
    destination: &S3Destination,
    key: &str,
) -> Result<Option<Delivered>, StreamsError> {
    if let Some(conversion) = &destination.conversion {
        let table = catalog.table(proof, &conversion.database, &conversion.table)?;
        return Ok(in_table(&conversion.database, &table, &destination.bucket, key));
    }
    if !key.contains('=') {
        return Ok(None);
    }
    let mut seen = 0;
    let mut after_database: Option<String> = None;
    loop {
        let databases = catalog.databases(proof, after_database.as_deref(), PAGE)?;
        for database in &databases.items {
            let mut after: Option<String> = None;
            loop {
                let tables = catalog.tables(proof, database.name(), None, after.as_deref(), PAGE)?;
                seen += tables.items.len();
                for table in &tables.items {
                    if let Some(found) = in_table(database.name(), table, &destination.bucket, key) {
                        return Ok(Some(found));
                    }
                }
                after = tables.next;
                if after.is_none() || seen > TABLES_MAX {
                    break;
                }
            }
        }
        after_database = databases.next;
        if after_database.is_none() || seen > TABLES_MAX {
            return Ok(None);
        }
    }
}

fn in_table(database: &str, table: &Table, bucket: &str, key: &str) -> Option<Delivered> {
    let keys: Vec<&str> = table.partition_keys().iter().map(|column| column.name.as_str()).collect();
    let location = S3Location::parse(table.location()?).ok()?.folder();
    if keys.is_empty() || location.bucket != bucket {
        return None;
    }
    let folder = key.strip_prefix(&location.prefix)?.rsplit_once('/')?.0;
    let named = decode_partition_name(folder).ok()?;
    if named.len() != keys.len() || !named.iter().zip(&keys).all(|((name, _), key)| name.eq_ignore_ascii_case(key)) {
        return None;
    }
    let values: Vec<String> = named.into_iter().map(|(_, value)| value).collect();
    let mut descriptor = table.definition.storage_descriptor.clone()?;
    descriptor.location = Some(partition_location(&location.to_string(), &keys, &values));
    let input = PartitionInput { values, storage_descriptor: Some(descriptor), ..PartitionInput::default() };
    Some(Delivered { database: database.to_owned(), table: table.name().to_owned(), input })
}
