//! Databases, tables and partitions between the wire and the catalog. What the catalog has no meaning for is refused.

use tarn_aws_model::glue as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_catalog as catalog;
use tarn_types::Scope;

use crate::errors::{invalid, refuse_unbuilt, refuse_unbuilt_list};

/// Lake Formation's name for everybody whom IAM allows: the only default permission that means nothing more than IAM.
const IAM_ALLOWED_PRINCIPALS: &str = "IAM_ALLOWED_PRINCIPALS";

/// Milliseconds since 1970, on the wire.
pub(crate) fn time(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

fn time_ms(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_millisecond)
}

pub(crate) fn column(column: wire::Column) -> catalog::Column {
    let wire::Column { name, r#type, comment, parameters } = column;
    catalog::Column {
        name: name.unwrap_or_default(),
        data_type: r#type,
        comment,
        parameters: parameters.unwrap_or_default(),
    }
}

fn column_out(column: catalog::Column) -> wire::Column {
    let catalog::Column { name, data_type, comment, parameters } = column;
    wire::Column {
        name: Some(name),
        r#type: data_type,
        comment,
        parameters: Some(parameters).filter(|map| !map.is_empty()),
    }
}

fn columns(columns: Option<Vec<wire::Column>>) -> Vec<catalog::Column> {
    columns.unwrap_or_default().into_iter().map(column).collect()
}

fn columns_out(columns: Vec<catalog::Column>) -> Option<Vec<wire::Column>> {
    Some(columns.into_iter().map(column_out).collect())
}

fn storage(storage: wire::StorageDescriptor) -> Result<catalog::StorageDescriptor, AwsError> {
    let wire::StorageDescriptor {
        columns: storage_columns,
        location,
        additional_locations,
        input_format,
        output_format,
        compressed,
        number_of_buckets,
        serde_info,
        bucket_columns,
        sort_columns,
        parameters,
        skewed_info,
        stored_as_sub_directories,
        schema_reference,
    } = storage;
    refuse_unbuilt("SchemaReference", schema_reference.as_ref())?;
    Ok(catalog::StorageDescriptor {
        columns: columns(storage_columns),
        location,
        additional_locations: additional_locations.unwrap_or_default(),
        input_format,
        output_format,
        compressed: compressed.unwrap_or_default(),
        number_of_buckets: number_of_buckets.unwrap_or_default(),
        serde_info: serde_info.map(|serde| catalog::SerdeInfo {
            name: serde.name,
            serialization_library: serde.serialization_library,
            parameters: serde.parameters.unwrap_or_default(),
        }),
        bucket_columns: bucket_columns.unwrap_or_default(),
        sort_columns: sort_columns
            .unwrap_or_default()
            .into_iter()
            .map(|order| catalog::SortColumn {
                column: order.column.unwrap_or_default(),
                ascending: order.sort_order == Some(1),
            })
            .collect(),
        parameters: parameters.unwrap_or_default(),
        skewed_info: skewed_info.map(|skewed| catalog::SkewedInfo {
            column_names: skewed.skewed_column_names.unwrap_or_default(),
            column_values: skewed.skewed_column_values.unwrap_or_default(),
            column_value_location_maps: skewed.skewed_column_value_location_maps.unwrap_or_default(),
        }),
        stored_as_sub_directories: stored_as_sub_directories.unwrap_or_default(),
    })
}

fn storage_out(storage: catalog::StorageDescriptor) -> wire::StorageDescriptor {
    let catalog::StorageDescriptor {
        columns,
        location,
        additional_locations,
        input_format,
        output_format,
        compressed,
        number_of_buckets,
        serde_info,
        bucket_columns,
        sort_columns,
        parameters,
        skewed_info,
        stored_as_sub_directories,
    } = storage;
    wire::StorageDescriptor {
        columns: columns_out(columns),
        location,
        additional_locations: Some(additional_locations).filter(|locations| !locations.is_empty()),
        input_format,
        output_format,
        compressed: Some(compressed),
        number_of_buckets: Some(number_of_buckets),
        serde_info: serde_info.map(|serde| wire::SerDeInfo {
            name: serde.name,
            serialization_library: serde.serialization_library,
            parameters: Some(serde.parameters),
        }),
        bucket_columns: Some(bucket_columns),
        sort_columns: Some(
            sort_columns
                .into_iter()
                .map(|order| wire::Order { column: Some(order.column), sort_order: Some(i32::from(order.ascending)) })
                .collect(),
        ),
        parameters: Some(parameters),
        skewed_info: skewed_info.map(|skewed| wire::SkewedInfo {
            skewed_column_names: Some(skewed.column_names),
            skewed_column_values: Some(skewed.column_values),
            skewed_column_value_location_maps: Some(skewed.column_value_location_maps),
        }),
        stored_as_sub_directories: Some(stored_as_sub_directories),
        schema_reference: None,
    }
}

pub(crate) fn database_input(input: Option<wire::DatabaseInput>) -> Result<catalog::DatabaseInput, AwsError> {
    let wire::DatabaseInput {
        name,
        description,
        location_uri,
        parameters,
        create_table_default_permissions,
        target_database,
        federated_database,
    } = input.unwrap_or_default();
    refuse_unbuilt("TargetDatabase", target_database.as_ref())?;
    refuse_unbuilt("FederatedDatabase", federated_database.as_ref())?;
    if create_table_default_permissions.is_some_and(|given| given != default_permissions()) {
        return Err(invalid(format!(
            "CreateTableDefaultPermissions other than ALL for {IAM_ALLOWED_PRINCIPALS} are not built into this server; leave them out."
        )));
    }
    Ok(catalog::DatabaseInput {
        name: name.unwrap_or_default(),
        description,
        location_uri,
        parameters: parameters.unwrap_or_default(),
    })
}

fn default_permissions() -> Vec<wire::PrincipalPermissions> {
    let principal = wire::DataLakePrincipal { data_lake_principal_identifier: Some(IAM_ALLOWED_PRINCIPALS.to_owned()) };
    vec![wire::PrincipalPermissions { principal: Some(principal), permissions: Some(vec!["ALL".to_owned()]) }]
}

pub(crate) fn database(database: catalog::Database, scope: &Scope) -> wire::Database {
    let catalog::DatabaseInput { name, description, location_uri, parameters } = database.definition;
    wire::Database {
        name: Some(name),
        description,
        location_uri,
        parameters: Some(parameters).filter(|parameters| !parameters.is_empty()),
        create_time: time(database.create_time_ms),
        create_table_default_permissions: Some(default_permissions()),
        catalog_id: Some(scope.account.to_string()),
        ..wire::Database::default()
    }
}

pub(crate) fn table_input(input: wire::TableInput) -> Result<catalog::TableInput, AwsError> {
    let wire::TableInput {
        name,
        description,
        owner,
        last_access_time,
        last_analyzed_time,
        retention,
        storage_descriptor,
        partition_keys,
        view_original_text,
        view_expanded_text,
        table_type,
        parameters,
        target_table,
        federated_table,
        view_definition,
    } = input;
    refuse_unbuilt("TargetTable", target_table.as_ref())?;
    refuse_unbuilt("FederatedTable", federated_table.as_ref())?;
    refuse_unbuilt("ViewDefinition", view_definition.as_ref())?;
    Ok(catalog::TableInput {
        name: name.unwrap_or_default(),
        description,
        owner,
        last_access_time_ms: time_ms(last_access_time),
        last_analyzed_time_ms: time_ms(last_analyzed_time),
        retention_days: retention.unwrap_or_default(),
        storage_descriptor: storage_descriptor.map(storage).transpose()?,
        partition_keys: columns(partition_keys),
        view_original_text,
        view_expanded_text,
        table_type,
        parameters: parameters.unwrap_or_default(),
    })
}

pub(crate) fn partition_indexes(indexes: Option<Vec<wire::PartitionIndex>>) -> Vec<catalog::PartitionIndex> {
    let index = |index: wire::PartitionIndex| catalog::PartitionIndex {
        name: index.index_name.unwrap_or_default(),
        keys: index.keys.unwrap_or_default(),
    };
    indexes.unwrap_or_default().into_iter().map(index).collect()
}

pub(crate) fn table(table: catalog::Table, scope: &Scope) -> wire::Table {
    let catalog::TableInput {
        name,
        description,
        owner,
        last_access_time_ms,
        last_analyzed_time_ms,
        retention_days,
        storage_descriptor,
        partition_keys,
        view_original_text,
        view_expanded_text,
        table_type,
        parameters,
    } = table.definition;
    wire::Table {
        name: Some(name),
        database_name: Some(table.database_name),
        description,
        owner,
        create_time: time(table.create_time_ms),
        update_time: time(table.update_time_ms),
        last_access_time: last_access_time_ms.and_then(time),
        last_analyzed_time: last_analyzed_time_ms.and_then(time),
        retention: Some(retention_days),
        storage_descriptor: storage_descriptor.map(storage_out),
        partition_keys: columns_out(partition_keys),
        view_original_text,
        view_expanded_text,
        table_type,
        parameters: Some(parameters),
        created_by: Some(table.created_by),
        is_registered_with_lake_formation: Some(false),
        catalog_id: Some(scope.account.to_string()),
        version_id: Some(table.version_id.to_string()),
        is_multi_dialect_view: Some(false),
        ..wire::Table::default()
    }
}

pub(crate) fn partition_input(input: wire::PartitionInput) -> Result<catalog::PartitionInput, AwsError> {
    let wire::PartitionInput { values, last_access_time, storage_descriptor, parameters, last_analyzed_time } = input;
    Ok(catalog::PartitionInput {
        values: values.unwrap_or_default(),
        last_access_time_ms: time_ms(last_access_time),
        last_analyzed_time_ms: time_ms(last_analyzed_time),
        storage_descriptor: storage_descriptor.map(storage).transpose()?,
        parameters: parameters.unwrap_or_default(),
    })
}

pub(crate) fn partition(partition: catalog::Partition, database: &str, table: &str, scope: &Scope) -> wire::Partition {
    let catalog::PartitionInput { values, last_access_time_ms, last_analyzed_time_ms, storage_descriptor, parameters } =
        partition.definition;
    wire::Partition {
        values: Some(values),
        database_name: Some(database.to_lowercase()),
        table_name: Some(table.to_lowercase()),
        creation_time: time(partition.creation_time_ms),
        last_access_time: last_access_time_ms.and_then(time),
        storage_descriptor: storage_descriptor.map(storage_out),
        parameters: Some(parameters).filter(|parameters| !parameters.is_empty()),
        last_analyzed_time: last_analyzed_time_ms.and_then(time),
        catalog_id: Some(scope.account.to_string()),
    }
}

/// Which of the things that a list may leave out were asked for.
pub(crate) struct Attributes {
    all: bool,
    table_type: bool,
}

impl Attributes {
    pub(crate) fn of(asked: Option<&Vec<String>>) -> Result<Self, AwsError> {
        let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
            return Ok(Self { all: true, table_type: true });
        };
        let latest: Vec<&String> = asked.iter().filter(|name| *name == "LATEST_ICEBERG_METADATA").collect();
        refuse_unbuilt_list("AttributesToGet LATEST_ICEBERG_METADATA", Some(&latest))?;
        let has = |wanted: &str| asked.iter().any(|name| name == wanted);
        Ok(Self { all: has("DEFAULT"), table_type: has("TABLE_TYPE") })
    }

    pub(crate) fn only(&self, table: wire::Table) -> wire::Table {
        if self.all {
            return table;
        }
        wire::Table {
            name: table.name,
            database_name: table.database_name,
            table_type: table.table_type.filter(|_| self.table_type),
            catalog_id: table.catalog_id,
            ..wire::Table::default()
        }
    }
}
