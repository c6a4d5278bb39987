//! Definitions: databases, tables, partitions and views made, changed and dropped in the catalog. Knows no rows.

use std::collections::BTreeMap;

use sqlparser::ast::Query;
use tarn_catalog::{
    CatalogError, Column, DatabaseInput, HIVE_DEFAULT_PARTITION, ListPartitions, Parameters, Partition, PartitionInput,
    S3Location, SerdeInfo, SortColumn, StorageDescriptor, Table, TableInput, UpdateTable, decode_partition_name,
    encode_partition_name,
};

use super::plan::{find_table, plan_query};
use super::{Done, QueryContext, show, views};
use crate::errors::{ErrorName, QueryError};
use crate::hive::statements::{
    ColumnDefinition, CreateTable, HiveStatement, PartitionCondition, PartitionSpec, StoredAs, TableName,
};
use crate::statement::SqlName;
use crate::tables::format;

/// Partitions are added and deleted in batches of this.
const PARTITION_BATCH: usize = 1000;

/// A failure of a Hive statement: its reason is said as Hive says it.
pub(super) fn hive_failure(message: impl Into<String>) -> QueryError {
    QueryError::new(ErrorName::HiveDdl, message)
}

fn execution(kind: &str, error: &CatalogError) -> QueryError {
    hive_failure(format!(
        "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. {kind}(message:{error})"
    ))
}

pub(super) fn catalog_failure(error: &CatalogError) -> QueryError {
    match error {
        CatalogError::DatabaseNotFound { name } => {
            hive_failure(format!("SemanticException [Error 10072]: Database does not exist: {name}"))
        }
        CatalogError::TableNotFound { database, name } => {
            hive_failure(format!("SemanticException [Error 10001]: Table not found {database}.{name}"))
        }
        CatalogError::DatabaseExists { .. }
        | CatalogError::TableExists { .. }
        | CatalogError::PartitionExists { .. } => execution("AlreadyExistsException", error),
        CatalogError::PartitionNotFound { .. } => hive_failure(format!("SemanticException [Error 10006]: {error}")),
        CatalogError::Store { .. } => QueryError::new(ErrorName::Internal, error.to_string()),
        other => execution("InvalidInputException", other),
    }
}

impl QueryContext {
    pub(super) fn database_of<'a>(&'a self, table: &'a TableName) -> &'a str {
        table.database.as_deref().unwrap_or(&self.database)
    }

    pub(super) fn table(&self, name: &TableName) -> Result<Table, QueryError> {
        let database = self.database_of(name);
        let proof = self.access.may_read_catalog("glue:GetTable", Some(database), Some(&name.table))?;
        self.access.catalog.table(&proof, database, &name.table).map_err(|error| catalog_failure(&error))
    }
}

fn is_absent(error: &CatalogError) -> bool {
    matches!(error, CatalogError::TableNotFound { .. } | CatalogError::DatabaseNotFound { .. })
}

/// Runs a statement of the Hive grammar.
pub(super) async fn run(context: &QueryContext, statement: &HiveStatement) -> Result<Done, QueryError> {
    let access = &context.access;
    let catalog = &access.catalog;
    match statement {
        HiveStatement::CreateDatabase { name, if_not_exists, comment, location, properties } => {
            let caller = access.may_change_catalog("glue:CreateDatabase", "CreateDatabase", name, None)?;
            let input = DatabaseInput {
                name: name.clone(),
                description: comment.clone(),
                location_uri: location.clone(),
                parameters: properties.iter().cloned().collect(),
            };
            match catalog.create_database(&caller, input, BTreeMap::new()).await {
                Err(CatalogError::DatabaseExists { .. }) if *if_not_exists => Ok(Done::nothing()),
                Err(error) => Err(catalog_failure(&error)),
                Ok(()) => Ok(Done::nothing()),
            }
        }
        HiveStatement::DropDatabase { name, if_exists, cascade } => {
            let proof = access.may_read_catalog("glue:GetTables", Some(name), None)?;
            match catalog.tables(&proof, name, None, None, 1) {
                Err(CatalogError::DatabaseNotFound { .. }) if *if_exists => return Ok(Done::nothing()),
                Err(error) => return Err(catalog_failure(&error)),
                Ok(page) if !page.items.is_empty() && !*cascade => {
                    return Err(hive_failure(format!(
                        "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. InvalidOperationException(message:Database {name} is not empty. One or more tables exist.)"
                    )));
                }
                Ok(_) => {}
            }
            let caller = access.may_change_catalog("glue:DeleteDatabase", "DeleteDatabase", name, None)?;
            catalog.delete_database(&caller, name).await.map_err(|error| catalog_failure(&error))?;
            Ok(Done::nothing())
        }
        HiveStatement::SetDatabaseProperties { name, properties } => {
            let proof = access.may_read_catalog("glue:GetDatabase", Some(name), None)?;
            let mut input = catalog.database(&proof, name).map_err(|error| catalog_failure(&error))?.definition;
            input.parameters.extend(properties.iter().cloned());
            let caller = access.may_change_catalog("glue:UpdateDatabase", "UpdateDatabase", name, None)?;
            catalog.update_database(&caller, name, input).await.map_err(|error| catalog_failure(&error))?;
            Ok(Done::nothing())
        }
        HiveStatement::CreateTable(create) => create_table(context, create).await,
        HiveStatement::DropTable { name, if_exists } => drop_table(context, name, *if_exists, false).await,
        HiveStatement::DropView { name, if_exists } => drop_table(context, name, *if_exists, true).await,
        HiveStatement::AddPartitions { table, if_not_exists, partitions } => add_partitions(context, table, *if_not_exists, partitions).await,
        HiveStatement::DropPartitions { table, if_exists, partitions } => drop_partitions(context, table, *if_exists, partitions).await,
        HiveStatement::RenamePartition { table, from, to } => {
            let found = context.table(table)?;
            let partition = partition_of(context, &found, from)?;
            let values = values_of(&found, to)?;
            let mut input = partition.definition.clone();
            input.values = values;
            change_partition(context, &found, partition.values().to_vec(), input).await
        }
        HiveStatement::AddColumns { table, columns } => {
            alter(context, table, |input| {
                let storage = input.storage_descriptor.get_or_insert_default();
                for column in columns {
                    if storage.columns.iter().chain(&input.partition_keys).any(|present| present.name.eq_ignore_ascii_case(&column.name)) {
                        return Err(hive_failure(format!(
                            "Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Duplicate column name: {}",
                            column.name
                        )));
                    }
                    storage.columns.push(catalog_column(column));
                }
                Ok(())
            })
            .await
        }
        HiveStatement::ReplaceColumns { table, columns } => {
            alter(context, table, |input| {
                input.storage_descriptor.get_or_insert_default().columns = columns.iter().map(catalog_column).collect();
                Ok(())
            })
            .await
        }
        HiveStatement::ChangeColumn { table, column, to } => {
            alter(context, table, |input| {
                let columns = &mut input.storage_descriptor.get_or_insert_default().columns;
                match columns.iter_mut().find(|present| present.name.eq_ignore_ascii_case(column)) {
                    Some(present) => {
                        *present = catalog_column(to);
                        Ok(())
                    }
                    None => Err(hive_failure(format!("SemanticException [Error 10002]: Invalid column reference {column}"))),
                }
            })
            .await
        }
        HiveStatement::SetTableProperties { table, properties } => {
            alter(context, table, |input| {
                input.parameters.extend(properties.iter().cloned());
                Ok(())
            })
            .await
        }
        HiveStatement::SetLocation { table, partition: None, location } => {
            check_location(location)?;
            alter(context, table, |input| {
                input.storage_descriptor.get_or_insert_default().location = Some(location.clone());
                Ok(())
            })
            .await
        }
        HiveStatement::SetLocation { table, partition: Some(spec), location } => {
            check_location(location)?;
            let found = context.table(table)?;
            let partition = partition_of(context, &found, spec)?;
            let mut input = partition.definition.clone();
            input.storage_descriptor.get_or_insert_default().location = Some(location.clone());
            change_partition(context, &found, partition.values().to_vec(), input).await
        }
        HiveStatement::RenameTable { .. } => {
            Err(QueryError::not_supported("ALTER TABLE RENAME is not supported for Hive tables: make a new table over the same location"))
        }
        HiveStatement::Repair { table } => repair(context, table).await,
        other => show::run(context, other),
    }
}

fn check_location(location: &str) -> Result<S3Location, QueryError> {
    S3Location::parse(location).map_err(|error| hive_failure(format!("SemanticException {error}")))
}

fn catalog_column(column: &ColumnDefinition) -> Column {
    Column { comment: column.comment.clone(), ..Column::new(column.name.clone(), column.data_type.clone()) }
}

/// Where the caller's tables are described: SerDe and formats of a declared table.
fn storage_of(create: &CreateTable) -> Result<StorageDescriptor, QueryError> {
    let unknown =
        |what: &str| hive_failure(format!("SemanticException Unrecognized file format in STORED AS clause: '{what}'"));
    let declared = create.row_format.serde.as_deref();
    let (serde, input, output) = match &create.stored_as {
        StoredAs::Unsaid => (declared.unwrap_or(format::LAZY_SIMPLE), format::TEXT_INPUT, format::TEXT_OUTPUT),
        StoredAs::Format(name) => match name.as_str() {
            "TEXTFILE" => (declared.unwrap_or(format::LAZY_SIMPLE), format::TEXT_INPUT, format::TEXT_OUTPUT),
            "JSONFILE" => (declared.unwrap_or(format::OPENX_JSON), format::TEXT_INPUT, format::TEXT_OUTPUT),
            "PARQUET" | "PARQUETFILE" => {
                (declared.unwrap_or(format::PARQUET), format::PARQUET_INPUT, format::PARQUET_OUTPUT)
            }
            "ORC" | "AVRO" | "RCFILE" | "SEQUENCEFILE" | "ION" => {
                return Err(QueryError::not_supported(format!(
                    "STORED AS {name}: this engine reads and writes PARQUET, TEXTFILE and JSON"
                )));
            }
            other => return Err(unknown(other)),
        },
        StoredAs::Classes { input, output } => {
            (declared.unwrap_or(format::LAZY_SIMPLE), input.as_str(), output.as_str())
        }
    };
    let (input, output) = match (serde, &create.stored_as) {
        (format::PARQUET, StoredAs::Unsaid) => (format::PARQUET_INPUT, format::PARQUET_OUTPUT),
        _ => (input, output),
    };
    let mut parameters: Parameters = create.row_format.properties.iter().cloned().collect();
    parameters.entry("serialization.format".to_owned()).or_insert_with(|| "1".to_owned());
    Ok(StorageDescriptor {
        columns: create.columns.iter().map(catalog_column).collect(),
        location: create.location.clone(),
        input_format: Some(input.to_owned()),
        output_format: Some(output.to_owned()),
        number_of_buckets: create.bucket_count.unwrap_or(-1),
        serde_info: Some(SerdeInfo { name: None, serialization_library: Some(serde.to_owned()), parameters }),
        bucket_columns: create.bucket_columns.clone(),
        sort_columns: create
            .sort_columns
            .iter()
            .map(|(column, ascending)| SortColumn { column: column.clone(), ascending: *ascending })
            .collect(),
        ..StorageDescriptor::default()
    })
}

async fn create_table(context: &QueryContext, create: &CreateTable) -> Result<Done, QueryError> {
    let database = context.database_of(&create.name);
    let Some(location) = create.location.as_deref() else {
        return Err(hive_failure(
            "SemanticException No location was specified for table. An S3 location must be specified",
        ));
    };
    check_location(location)?;
    if create.properties.iter().any(|(key, value)| key == "table_type" && value.eq_ignore_ascii_case("iceberg")) {
        return Err(QueryError::not_supported(
            "Iceberg tables are not supported yet by this engine: make an external table of Parquet files",
        ));
    }
    if !create.external {
        return Err(hive_failure("SemanticException Only external tables can be made: write CREATE EXTERNAL TABLE"));
    }
    if create.columns.is_empty() {
        return Err(hive_failure("SemanticException Table has no columns: name at least one"));
    }
    let mut parameters: Parameters = create.properties.iter().cloned().collect();
    parameters.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
    parameters.insert("transient_lastDdlTime".to_owned(), (context.access.runtime.now().as_second()).to_string());
    if let Some(comment) = &create.comment {
        parameters.insert("comment".to_owned(), comment.clone());
    }
    let input = TableInput {
        name: create.name.table.clone(),
        storage_descriptor: Some(storage_of(create)?),
        partition_keys: create.partition_columns.iter().map(catalog_column).collect(),
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        owner: Some("hadoop".to_owned()),
        parameters,
        ..TableInput::default()
    };
    let caller =
        context.access.may_change_catalog("glue:CreateTable", "CreateTable", database, Some(&create.name.table))?;
    match context.access.catalog.create_table(&caller, database, input, Vec::new()).await {
        Err(CatalogError::TableExists { .. }) if create.if_not_exists => Ok(Done::nothing()),
        Err(error) => Err(catalog_failure(&error)),
        Ok(()) => Ok(Done::nothing()),
    }
}

async fn drop_table(context: &QueryContext, name: &TableName, if_exists: bool, view: bool) -> Result<Done, QueryError> {
    let database = context.database_of(name);
    let proof = context.access.may_read_catalog("glue:GetTable", Some(database), Some(&name.table))?;
    let found = match context.access.catalog.table(&proof, database, &name.table) {
        Err(error) if if_exists && is_absent(&error) => return Ok(Done::nothing()),
        Err(error) => return Err(catalog_failure(&error)),
        Ok(found) => found,
    };
    let is_view = found.definition.table_type.as_deref() == Some("VIRTUAL_VIEW");
    match (view, is_view) {
        (true, false) => {
            return Err(hive_failure("SemanticException [Error 10002]: Cannot drop a base table with DROP VIEW"));
        }
        (false, true) => {
            return Err(hive_failure("SemanticException [Error 10001]: Cannot drop a view with DROP TABLE"));
        }
        _ => {}
    }
    let caller = context.access.may_change_catalog("glue:DeleteTable", "DeleteTable", database, Some(&name.table))?;
    context
        .access
        .catalog
        .delete_table(&caller, database, &name.table)
        .await
        .map_err(|error| catalog_failure(&error))?;
    Ok(Done::nothing())
}

async fn alter(
    context: &QueryContext,
    name: &TableName,
    change: impl FnOnce(&mut TableInput) -> Result<(), QueryError>,
) -> Result<Done, QueryError> {
    let found = context.table(name)?;
    let mut input = found.definition.clone();
    change(&mut input)?;
    let caller = context.access.may_change_catalog(
        "glue:UpdateTable",
        "UpdateTable",
        &found.database_name,
        Some(&name.table),
    )?;
    let update = UpdateTable { input, version_id: Some(found.version_id), skip_archive: false };
    context
        .access
        .catalog
        .update_table(&caller, &found.database_name, update)
        .await
        .map_err(|error| catalog_failure(&error))?;
    Ok(Done::nothing())
}

/// A spec's values in the order of the table's keys.
fn values_of(table: &Table, spec: &PartitionSpec) -> Result<Vec<String>, QueryError> {
    let keys = table.partition_keys();
    let value = |key: &Column| {
        let found = spec.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key.name));
        let missing = || {
            hive_failure(format!(
                "SemanticException [Error 10006]: Partition not found: a value for {} is missing",
                key.name
            ))
        };
        let value = found.map(|(_, value)| value.clone()).ok_or_else(missing)?;
        Ok(if value.is_empty() { HIVE_DEFAULT_PARTITION.to_owned() } else { value })
    };
    if spec.len() != keys.len() {
        return Err(hive_failure(format!(
            "SemanticException [Error 10006]: table {}.{} has {} partition columns, the statement names {}",
            table.database_name,
            table.name(),
            keys.len(),
            spec.len()
        )));
    }
    keys.iter().map(value).collect()
}

fn partition_of(context: &QueryContext, table: &Table, spec: &PartitionSpec) -> Result<Partition, QueryError> {
    let values = values_of(table, spec)?;
    let proof = context.access.may_read_catalog("glue:GetPartition", Some(&table.database_name), Some(table.name()))?;
    context
        .access
        .catalog
        .partition(&proof, &table.database_name, table.name(), &values)
        .map_err(|error| catalog_failure(&error))
}

async fn change_partition(
    context: &QueryContext,
    table: &Table,
    values: Vec<String>,
    input: PartitionInput,
) -> Result<Done, QueryError> {
    let (database, name) = (table.database_name.as_str(), table.name());
    let caller = context.access.may_change_catalog("glue:UpdatePartition", "UpdatePartition", database, Some(name))?;
    let failed = context.access.catalog.update_partitions(&caller, database, name, vec![(values, input)]).await;
    match failed.map_err(|error| catalog_failure(&error))?.pop() {
        Some((_, error)) => Err(catalog_failure(&error)),
        None => Ok(Done::nothing()),
    }
}

/// A partition of `table` at its usual or another place.
pub(super) fn partition_input(table: &Table, values: Vec<String>, location: Option<String>) -> PartitionInput {
    let mut storage = table.definition.storage_descriptor.clone().unwrap_or_default();
    let names: Vec<&String> = table.partition_keys().iter().map(|key| &key.name).collect();
    let usual = || tarn_catalog::partition_location(table.location().unwrap_or_default(), &names, &values);
    storage.location = Some(location.unwrap_or_else(usual));
    PartitionInput { values, storage_descriptor: Some(storage), ..PartitionInput::default() }
}

async fn add_partitions(
    context: &QueryContext,
    name: &TableName,
    if_not_exists: bool,
    partitions: &[(PartitionSpec, Option<String>)],
) -> Result<Done, QueryError> {
    let table = context.table(name)?;
    let mut inputs = Vec::with_capacity(partitions.len());
    for (spec, location) in partitions {
        if let Some(location) = location {
            check_location(location)?;
        }
        inputs.push(partition_input(&table, values_of(&table, spec)?, location.clone()));
    }
    let caller = context.access.may_change_catalog(
        "glue:BatchCreatePartition",
        "BatchCreatePartition",
        &table.database_name,
        Some(&name.table),
    )?;
    let catalog = &context.access.catalog;
    if if_not_exists {
        catalog
            .add_partitions_if_absent(&caller, &table.database_name, &name.table, inputs)
            .await
            .map_err(|error| catalog_failure(&error))?;
        return Ok(Done::nothing());
    }
    let failed = catalog
        .create_partitions(&caller, &table.database_name, &name.table, inputs)
        .await
        .map_err(|error| catalog_failure(&error))?;
    match failed.into_iter().next() {
        Some((_, error)) => Err(catalog_failure(&error)),
        None => Ok(Done::nothing()),
    }
}

async fn drop_partitions(
    context: &QueryContext,
    name: &TableName,
    if_exists: bool,
    conditions: &[Vec<PartitionCondition>],
) -> Result<Done, QueryError> {
    let table = context.table(name)?;
    let mut values = Vec::new();
    for all in conditions {
        let terms: Vec<String> = all
            .iter()
            .map(|condition| {
                let key = table.partition_keys().iter().find(|key| key.name.eq_ignore_ascii_case(&condition.column));
                let Some(key) = key else {
                    return Err(hive_failure(format!(
                        "SemanticException [Error 10002]: {} is no partition column",
                        condition.column
                    )));
                };
                let quoted = match key.hive_type() {
                    Ok(
                        tarn_catalog::HiveType::TinyInt
                        | tarn_catalog::HiveType::SmallInt
                        | tarn_catalog::HiveType::Int
                        | tarn_catalog::HiveType::BigInt,
                    ) => condition.value.clone(),
                    _ => format!("'{}'", condition.value.replace('\'', "''")),
                };
                Ok(format!("{} {} {quoted}", key.name, condition.operator))
            })
            .collect::<Result<_, QueryError>>()?;
        let found = list(context, &table, Some(terms.join(" AND ")))?;
        if found.is_empty() && !if_exists {
            return Err(hive_failure(format!(
                "SemanticException [Error 10006]: Partition not found ({})",
                terms.join(", ")
            )));
        }
        values.extend(found.into_iter().map(|partition| partition.definition.values));
    }
    let caller = context.access.may_change_catalog(
        "glue:BatchDeletePartition",
        "BatchDeletePartition",
        &table.database_name,
        Some(&name.table),
    )?;
    for batch in values.chunks(PARTITION_BATCH) {
        let catalog = &context.access.catalog;
        catalog
            .delete_partitions(&caller, &table.database_name, &name.table, batch.to_vec())
            .await
            .map_err(|error| catalog_failure(&error))?;
    }
    Ok(Done::nothing())
}

/// All partitions for which `expression` holds.
pub(super) fn list(
    context: &QueryContext,
    table: &Table,
    expression: Option<String>,
) -> Result<Vec<Partition>, QueryError> {
    let proof =
        context.access.may_read_catalog("glue:GetPartitions", Some(&table.database_name), Some(table.name()))?;
    let mut request = ListPartitions { expression, limit: PARTITION_BATCH, ..ListPartitions::default() };
    let mut found = Vec::new();
    loop {
        let page = context
            .access
            .catalog
            .partitions(&proof, &table.database_name, table.name(), &request)
            .map_err(|error| catalog_failure(&error))?;
        found.extend(page.partitions);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// `MSCK REPAIR TABLE`: adds what lies in `key=value` folders under the table and is not known; takes nothing away.
async fn repair(context: &QueryContext, name: &TableName) -> Result<Done, QueryError> {
    let table = context.table(name)?;
    let keys = table.partition_keys();
    if keys.is_empty() {
        return Ok(Done::nothing());
    }
    let base = check_location(table.location().unwrap_or_default())?.folder();
    let known: std::collections::HashSet<Vec<String>> =
        list(context, &table, None)?.into_iter().map(|partition| partition.definition.values).collect();
    let mut missing: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for file in context.access.list(&base)? {
        let below = file.key.get(base.prefix.len()..).unwrap_or_default();
        let folders: Vec<&str> = below.split('/').take(keys.len()).collect();
        if folders.len() < keys.len() || below.split('/').count() <= keys.len() {
            continue;
        }
        let Ok(pairs) = decode_partition_name(&folders.join("/")) else { continue };
        let fits = pairs.iter().zip(keys).all(|((name, _), key)| name.eq_ignore_ascii_case(&key.name));
        let values: Vec<String> = pairs.into_iter().map(|(_, value)| value).collect();
        if fits && !known.contains(&values) {
            missing
                .entry(values)
                .or_insert_with(|| format!("s3://{}/{}{}/", base.bucket, base.prefix, folders.join("/")));
        }
    }
    if missing.is_empty() {
        return Ok(Done::nothing());
    }
    let names: Vec<&String> = keys.iter().map(|key| &key.name).collect();
    let spelled: Vec<String> = missing.keys().map(|values| encode_partition_name(&names, values)).collect();
    let mut lines = vec![format!(
        "Partitions not in metastore:\t{}",
        spelled.iter().map(|name| format!("{}:{name}", table.name())).collect::<Vec<_>>().join("\t")
    )];
    lines.extend(spelled.iter().map(|name| format!("Repair: Added partition to metastore {}:{name}", table.name())));
    let inputs: Vec<PartitionInput> =
        missing.into_iter().map(|(values, location)| partition_input(&table, values, Some(location))).collect();
    let caller = context.access.may_change_catalog(
        "glue:BatchCreatePartition",
        "BatchCreatePartition",
        &table.database_name,
        Some(&name.table),
    )?;
    for batch in inputs.chunks(PARTITION_BATCH) {
        let catalog = &context.access.catalog;
        catalog
            .add_partitions_if_absent(&caller, &table.database_name, &name.table, batch.to_vec())
            .await
            .map_err(|error| catalog_failure(&error))?;
    }
    let mut done = Done::lines(&[], &lines);
    done.columns = vec![crate::types::ColumnInfo::hive_string("result")];
    Ok(done)
}

/// `CREATE [OR REPLACE] VIEW`: planned once, so that a view that stands cannot be nonsense.
pub(super) async fn create_view(
    context: &QueryContext,
    name: &SqlName,
    or_replace: bool,
    comment: Option<String>,
    text: &str,
    query: &Query,
) -> Result<Done, QueryError> {
    let planned = plan_query(context, query, &context.database, 0).await?;
    let columns: Vec<_> = planned
        .names
        .iter()
        .zip(planned.plan.schema().fields())
        .map(|(name, field)| (name.to_lowercase(), crate::types::storable(field.data_type())))
        .collect();
    let database = name.database.as_deref().unwrap_or(&context.database);
    let mut input = views::encode(&name.name, &context.database, text, &columns);
    input.description = comment;
    let catalog = &context.access.catalog;
    let caller = context.access.may_change_catalog("glue:CreateTable", "CreateTable", database, Some(&name.name))?;
    match catalog.create_table(&caller, database, input.clone(), Vec::new()).await {
        Ok(()) => return Ok(Done::nothing()),
        Err(CatalogError::TableExists { .. }) => {}
        Err(CatalogError::DatabaseNotFound { name }) => {
            return Err(QueryError::new(ErrorName::SchemaNotFound, format!("Schema '{name}' does not exist")));
        }
        Err(error) => return Err(QueryError::new(ErrorName::Internal, error.to_string())),
    }
    let present = find_table(context, database, &name.name)?;
    let is_view = present.definition.table_type.as_deref() == Some("VIRTUAL_VIEW");
    if !or_replace || !is_view {
        let what = if is_view { "View" } else { "Table" };
        return Err(QueryError::new(
            ErrorName::TableAlreadyExists,
            format!("{what} already exists: '{database}.{}'", name.name),
        ));
    }
    let caller = context.access.may_change_catalog("glue:UpdateTable", "UpdateTable", database, Some(&name.name))?;
    let update = UpdateTable { input, version_id: Some(present.version_id), skip_archive: false };
    catalog
        .update_table(&caller, database, update)
        .await
        .map_err(|error| QueryError::new(ErrorName::Internal, error.to_string()))?;
    Ok(Done::nothing())
}
