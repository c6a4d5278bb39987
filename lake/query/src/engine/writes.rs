//! CREATE TABLE AS, INSERT and UNLOAD: a query's rows as files, then their table and partitions; all of it or nothing.
//! Knows no result file but the list of what was written.
//!
//! Rows for partitioned places are sorted by partition first (the sort spills), so that one file is open at a time and there is
//! no limit to the number of partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, partition};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast as cast_expr, col};
use datafusion::physical_plan::execute_stream_partitioned;
use futures::StreamExt;
use sqlparser::ast::Query;
use tarn_catalog::{
    CatalogError, Column, HIVE_DEFAULT_PARTITION, Parameters, PartitionInput, S3Location, SerdeInfo, StorageDescriptor,
    TableInput, encode_partition_name,
};
use tarn_formation::Permission;
use tarn_runtime::EntropyExt;

use super::ddl::{self, partition_input};
use super::failures::failure;
use super::plan::{Planned, find_table, plan_query};
use super::{Done, QueryContext, results, start};
use crate::errors::{ErrorName, QueryError};
use crate::sinks::files::{Codec, FileWriter, Layout, written};
use crate::sinks::text::TextColumn;
use crate::statement::{CreateTableAs, Property, SqlName};
use crate::tables::format::{self, FileFormat, RowFormat, file_format};
use crate::types::{arrow_of, hive_of};

/// Partitions are registered in batches of this.
const PARTITION_BATCH: usize = 1000;

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(ErrorName::InvalidTableProperty, message)
}

/// What `WITH (...)` of CREATE TABLE AS and UNLOAD says.
struct Options {
    layout: Layout,
    partitioned_by: Vec<String>,
    external_location: Option<String>,
}

fn text_of(key: &str, value: &Property) -> Result<String, QueryError> {
    match value {
        Property::Text(text) => Ok(text.clone()),
        Property::Number(text) => Ok(text.clone()),
        Property::Boolean(value) => Ok(value.to_string()),
        Property::List(_) => Err(invalid(format!("Invalid value for property '{key}': a text is expected"))),
    }
}

fn options(properties: &[(String, Property)], unload: bool) -> Result<Options, QueryError> {
    let (mut format, mut codec, mut delimiter) = (None, None, None);
    let (mut partitioned_by, mut external_location) = (Vec::new(), None);
    for (key, value) in properties {
        match key.as_str() {
            "format" => format = Some(text_of(key, value)?.to_ascii_uppercase()),
            "compression" | "write_compression" | "parquet_compression" => {
                let text = text_of(key, value)?;
                codec = Some(Codec::parse(&text).ok_or_else(|| {
                    invalid(format!(
                        "Unable to set property '{key}' to [{text}]: this engine writes NONE, GZIP, SNAPPY and ZSTD"
                    ))
                })?);
            }
            "field_delimiter" => delimiter = text_of(key, value)?.chars().next(),
            "partitioned_by" => match value {
                Property::List(names) => partitioned_by = names.iter().map(|name| name.to_lowercase()).collect(),
                _ => return Err(invalid("Invalid value for property 'partitioned_by': write ARRAY['column']")),
            },
            "external_location" | "location" if !unload => external_location = Some(text_of(key, value)?),
            "table_type" if text_of(key, value)?.eq_ignore_ascii_case("hive") => {}
            "is_external" if *value == Property::Boolean(true) => {}
            "table_type" | "is_external" => {
                return Err(QueryError::not_supported(
                    "Iceberg tables are not supported yet by this engine: leave table_type out",
                ));
            }
            "bucketed_by" | "bucket_count" => {
                return Err(QueryError::not_supported(
                    "bucketed tables are not written by this engine: leave bucketed_by and bucket_count out",
                ));
            }
            other => return Err(invalid(format!("'{other}' does not exist"))),
        }
    }
    let codec = codec.unwrap_or(Codec::Gzip);
    let layout = match format.as_deref() {
        None if unload => return Err(invalid("UNLOAD needs a format: write WITH (format = 'PARQUET')")),
        None | Some("PARQUET") => Layout::Parquet(codec),
        Some("TEXTFILE" | "TEXT" | "CSV") => {
            let delimiter = delimiter.unwrap_or(if unload { ',' } else { '\u{1}' });
            Layout::Delimited { delimiter, null: "\\N".to_owned(), quoted: false, codec: text_codec(codec)? }
        }
        Some("JSON") => Layout::Json(text_codec(codec)?),
        Some(other) => {
            return Err(QueryError::not_supported(format!(
                "format {other}: this engine writes PARQUET, TEXTFILE and JSON"
            )));
        }
    };
    Ok(Options { layout, partitioned_by, external_location })
}

fn text_codec(codec: Codec) -> Result<Codec, QueryError> {
    if codec == Codec::Snappy {
        Err(QueryError::not_supported("SNAPPY for text files: this engine writes GZIP, ZSTD and NONE"))
    } else {
        Ok(codec)
    }
}

/// Where rows go.
struct Target {
    base: S3Location,
    layout: Layout,
    /// Columns in files.
    schema: SchemaRef,
    /// The last columns of the rows, by name.
    partition_columns: Vec<String>,
    /// Places of partitions that are not under the base.
    places: std::collections::HashMap<Vec<String>, S3Location>,
}

/// What was written.
#[derive(Default)]
struct Written {
    rows: u64,
    files: Vec<String>,
    partitions: BTreeSet<Vec<String>>,
}

/// The plan with its columns renamed and cast, and sorted by the partition columns.
fn prepared(
    planned: Planned,
    names: &[String],
    types: &[DataType],
    partition_count: usize,
    text: &str,
) -> Result<Planned, QueryError> {
    let failed = |error: datafusion::error::DataFusionError| failure(text, &error);
    let columns = planned.plan.schema().columns();
    let fields = planned.plan.schema().fields().clone();
    let projected: Vec<Expr> = columns
        .into_iter()
        .zip(fields.iter())
        .zip(names.iter().zip(types))
        .map(|((column, field), (name, wanted))| {
            let expr = Expr::Column(column);
            let expr = if field.data_type() == wanted { expr } else { cast_expr(expr, wanted.clone()) };
            expr.alias(name)
        })
        .collect();
    let mut builder = LogicalPlanBuilder::from(planned.plan).project(projected).map_err(failed)?;
    if partition_count > 0 {
        let keys = names.iter().skip(names.len() - partition_count);
        let order = keys.map(|name| col(datafusion::common::Column::new_unqualified(name)).sort(true, false));
        builder = builder.sort(order).map_err(failed)?;
    }
    let plan = builder.build().map_err(failed)?;
    Ok(Planned { plan, names: names.to_vec(), state: planned.state })
}

fn file_key(context: &QueryContext, folder: &S3Location, layout: &Layout) -> String {
    let unique = context.access.runtime.entropy.uuid().simple();
    format!("{}{}_{unique}{}", folder.prefix, context.query_id.replace('-', "_"), layout.extension())
}

/// Writes one stream's rows; with partitions they come sorted.
async fn write_stream(
    context: &QueryContext,
    target: &Target,
    mut stream: SendableRecordBatchStream,
) -> Result<Written, QueryError> {
    let mut written = Written::default();
    let mut open: Option<(Vec<String>, FileWriter)> = None;
    let file_columns = target.schema.fields().len();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| failure(&context.text, &error))?;
        if batch.num_rows() == 0 {
            continue;
        }
        let (stored, keys) = batch.columns().split_at(file_columns.min(batch.num_columns()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let stored = RecordBatch::try_new_with_options(target.schema.clone(), stored.to_vec(), &options)
            .map_err(|error| failure(&context.text, &error.into()))?;
        let ranges = if keys.is_empty() {
            std::iter::once(0..batch.num_rows()).collect()
        } else {
            partition(keys).map_err(|error| failure(&context.text, &error.into()))?.ranges()
        };
        for range in ranges {
            let values = partition_values(keys, range.start);
            if let Some((current, writer)) = open.take_if(|(current, writer)| *current != values || writer.is_full()) {
                let _ = current;
                written.rows += writer.rows;
                writer.finish().await?;
            }
            if open.is_none() {
                let folder = match target.places.get(&values) {
                    Some(place) => place.clone(),
                    None if values.is_empty() => target.base.clone(),
                    None => S3Location {
                        bucket: target.base.bucket.clone(),
                        prefix: format!(
                            "{}{}/",
                            target.base.prefix,
                            encode_partition_name(&target.partition_columns, &values)
                        ),
                    },
                };
                let key = file_key(context, &folder, &target.layout);
                context.written.lock().push((folder.bucket.clone(), key.clone()));
                written.files.push(format!("s3://{}/{key}", folder.bucket));
                if !values.is_empty() {
                    written.partitions.insert(values.clone());
                }
                let writer =
                    FileWriter::begin(context.access.clone(), &folder.bucket, &key, &target.schema, &target.layout)?;
                open = Some((values, writer));
            }
            if let Some((_, writer)) = &mut open {
                writer.write(&stored.slice(range.start, range.len())).await?;
            }
        }
    }
    if let Some((_, writer)) = open {
        written.rows += writer.rows;
        writer.finish().await?;
    }
    Ok(written)
}

fn partition_values(keys: &[ArrayRef], row: usize) -> Vec<String> {
    keys.iter()
        .map(|key| {
            let storable = crate::types::storable(key.data_type());
            let key = if storable == *key.data_type() {
                key.clone()
            } else {
                cast(key, &storable).unwrap_or_else(|_| key.clone())
            };
            let column = TextColumn::new(key.as_ref());
            let mut text = String::new();
            if !column.is_null(row) {
                column.write(row, &mut text);
            }
            if text.is_empty() { HIVE_DEFAULT_PARTITION.to_owned() } else { text }
        })
        .collect()
}

/// Runs the query and writes its rows: one stream with partitions, as many as the plan has without.
async fn write(context: &QueryContext, planned: Planned, target: &Target) -> Result<Written, QueryError> {
    if !target.partition_columns.is_empty() {
        return write_stream(context, target, start(context, planned).await?).await;
    }
    let failed = |error| failure(&context.text, &error);
    let (plan, task) = planned.physical().await.map_err(failed)?;
    let streams = execute_stream_partitioned(plan, task).map_err(failed)?;
    let all =
        futures::future::try_join_all(streams.into_iter().map(|stream| write_stream(context, target, stream))).await?;
    let mut written = Written::default();
    for one in all {
        written.rows += one.rows;
        written.files.extend(one.files);
    }
    Ok(written)
}

/// Puts the list of written files beside the result.
async fn put_manifest(context: &QueryContext, key: &str, written: &Written) -> Result<Option<String>, QueryError> {
    if written.files.is_empty() {
        return Ok(None);
    }
    let manifest = format!("{key}-manifest.csv");
    let mut text = written.files.join("\n");
    text.push('\n');
    results::put_bytes(context, &manifest, "application/octet-stream", text.into_bytes()).await?;
    Ok(Some(manifest))
}

fn done(written: &Written, update_type: &'static str, manifest: Option<String>) -> Done {
    let rows_column = crate::types::ColumnInfo::of("rows", &DataType::Int64);
    Done {
        columns: vec![rows_column],
        update_type: Some(update_type),
        update_count: Some(written.rows),
        rows: written.rows,
        output_bytes: 0,
        manifest,
        text: None,
        metadata: true,
    }
}

/// Checks names: each has one, none twice; and that partition columns stand last, in their order.
fn check_names(names: &[String], partitioned_by: &[String]) -> Result<(), QueryError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.as_str()) {
            return Err(QueryError::new(
                ErrorName::SyntaxError,
                format!("Column name '{name}' specified more than once"),
            ));
        }
    }
    for name in partitioned_by {
        if !seen.contains(name.as_str()) {
            return Err(QueryError::new(
                ErrorName::ColumnNotFound,
                format!("Partition column '{name}' is not a column of the query"),
            ));
        }
    }
    if partitioned_by.len() >= names.len() && !partitioned_by.is_empty() {
        return Err(invalid("Table contains only partition columns"));
    }
    if names.get(names.len() - partitioned_by.len()..) != Some(partitioned_by) {
        return Err(QueryError::new(
            ErrorName::HiveInvalidMetadata,
            format!(
                "Partition keys must be the last columns in the table and in the same order as the table properties: [{}]",
                partitioned_by.join(", ")
            ),
        ));
    }
    Ok(())
}

fn file_schema(names: &[String], types: &[DataType], partition_count: usize) -> SchemaRef {
    let kept = names.len() - partition_count;
    Arc::new(Schema::new(
        names.iter().zip(types).take(kept).map(|(name, kind)| Field::new(name, kind.clone(), true)).collect::<Vec<_>>(),
    ))
}

/// `CREATE TABLE ... AS`.
pub(super) async fn create_table_as(
    context: &QueryContext,
    create: &CreateTableAs,
    key: &str,
) -> Result<Done, QueryError> {
    let database = create.name.database.as_deref().unwrap_or(&context.database);
    let name = create.name.name.as_str();
    let options = options(&create.properties, false)?;
    // the permission is asked for before anything runs
    let caller = context.access.may_change_catalog("glue:CreateTable", "CreateTable", database, Some(name))?;
    let proof = context.access.may_read_catalog("glue:GetTable", Some(database), Some(name))?;
    match context.access.catalog.table(&proof, database, name) {
        Ok(_) if create.if_not_exists => return Ok(done(&Written::default(), "CREATE TABLE", None)),
        Ok(_) => {
            let message = format!("Destination table '{database}.{name}' already exists");
            return Err(QueryError::new(ErrorName::TableAlreadyExists, message));
        }
        Err(CatalogError::TableNotFound { .. }) => {}
        Err(CatalogError::DatabaseNotFound { name }) => {
            return Err(QueryError::new(ErrorName::SchemaNotFound, format!("Schema '{name}' does not exist")));
        }
        Err(error) => return Err(QueryError::new(ErrorName::Internal, error.to_string())),
    }
    let base = match &options.external_location {
        Some(location) => {
            S3Location::parse(location).map_err(|error| invalid(format!("external_location: {error}")))?.folder()
        }
        None => S3Location { bucket: context.output.bucket.clone(), prefix: format!("{key}/") },
    };
    if !context.access.is_empty(&base)? {
        let message = format!(
            "Target directory for table '{database}.{name}' already exists: {base}. You may need to manually clean the data at location '{base}' before retrying. Athena will not delete data in your account."
        );
        return Err(QueryError::new(ErrorName::HivePathAlreadyExists, message));
    }
    let planned = plan_query(context, &create.query, &context.database, 0).await?;
    let names: Vec<String> = planned.names.iter().map(|name| name.to_lowercase()).collect();
    check_names(&names, &options.partitioned_by)?;
    let types: Vec<DataType> = planned.plan.schema().fields().iter().map(|field| written(field.data_type())).collect();
    let mut columns = Vec::with_capacity(names.len());
    for (name, data_type) in names.iter().zip(&types) {
        let Some(hive) = hive_of(data_type) else {
            let message = format!("Unsupported Hive type: {} (column {name})", crate::types::trino_name(data_type));
            return Err(QueryError::not_supported(message));
        };
        columns.push(Column::new(name.clone(), hive.to_string()));
    }
    let count = options.partitioned_by.len();
    let target = Target {
        base: base.clone(),
        layout: options.layout.clone(),
        schema: file_schema(&names, &types, count),
        partition_columns: options.partitioned_by.clone(),
        places: std::collections::HashMap::new(),
    };
    let written = if create.with_data {
        write(context, prepared(planned, &names, &types, count, &context.text)?, &target).await?
    } else {
        Written::default()
    };
    let partition_keys = columns.split_off(columns.len() - count);
    let input = TableInput {
        name: name.to_owned(),
        description: create.comment.clone(),
        storage_descriptor: Some(storage_of(&options.layout, columns, &base)),
        partition_keys,
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        owner: Some("hadoop".to_owned()),
        parameters: table_parameters(context, &options.layout),
        ..TableInput::default()
    };
    let catalog = &context.access.catalog;
    catalog.create_table(&caller, database, input, Vec::new()).await.map_err(|error| match error {
        CatalogError::TableExists { .. } => QueryError::new(ErrorName::TableAlreadyExists, error.to_string()),
        other => QueryError::new(ErrorName::Internal, other.to_string()),
    })?;
    let finished = async {
        if !written.partitions.is_empty() {
            let table = find_table(context, database, name)?;
            let inputs =
                written.partitions.iter().map(|values| partition_input(&table, values.clone(), None)).collect();
            register(context, database, name, inputs).await?;
        }
        put_manifest(context, key, &written).await
    }
    .await;
    match finished {
        Ok(manifest) => Ok(done(&written, "CREATE TABLE", manifest)),
        Err(error) => {
            // the table must not stand without its rows
            let undo = context.access.may_change_catalog("glue:CreateTable", "DeleteTable", database, Some(name))?;
            if let Err(error) = catalog.delete_table(&undo, database, name).await {
                tracing::warn!(%error, "a table whose rows were not written could not be deleted");
            }
            Err(error)
        }
    }
}

async fn register(
    context: &QueryContext,
    database: &str,
    name: &str,
    inputs: Vec<PartitionInput>,
) -> Result<(), QueryError> {
    let caller =
        context.access.may_change_catalog("glue:BatchCreatePartition", "BatchCreatePartition", database, Some(name))?;
    for batch in inputs.chunks(PARTITION_BATCH) {
        context
            .access
            .catalog
            .add_partitions_if_absent(&caller, database, name, batch.to_vec())
            .await
            .map_err(|error| QueryError::new(ErrorName::Internal, error.to_string()))?;
    }
    Ok(())
}

fn storage_of(layout: &Layout, columns: Vec<Column>, base: &S3Location) -> StorageDescriptor {
    let (input, output, serde, parameters) = match layout {
        Layout::Parquet(_) => (format::PARQUET_INPUT, format::PARQUET_OUTPUT, format::PARQUET, Parameters::new()),
        Layout::Json(_) => (format::TEXT_INPUT, format::TEXT_OUTPUT, format::OPENX_JSON, Parameters::new()),
        Layout::Delimited { delimiter, .. } => (
            format::TEXT_INPUT,
            format::TEXT_OUTPUT,
            format::LAZY_SIMPLE,
            Parameters::from([
                ("field.delim".to_owned(), delimiter.to_string()),
                ("serialization.format".to_owned(), delimiter.to_string()),
            ]),
        ),
    };
    StorageDescriptor {
        columns,
        location: Some(base.to_string()),
        input_format: Some(input.to_owned()),
        output_format: Some(output.to_owned()),
        serde_info: Some(SerdeInfo { name: None, serialization_library: Some(serde.to_owned()), parameters }),
        ..StorageDescriptor::default()
    }
}

fn table_parameters(context: &QueryContext, layout: &Layout) -> Parameters {
    let mut parameters = Parameters::from([
        ("EXTERNAL".to_owned(), "TRUE".to_owned()),
        ("has_encrypted_data".to_owned(), "false".to_owned()),
        ("transient_lastDdlTime".to_owned(), context.access.runtime.now().as_second().to_string()),
    ]);
    if let Layout::Parquet(codec) = layout {
        let name = match codec {
            Codec::None => "NONE",
            Codec::Gzip => "GZIP",
            Codec::Snappy => "SNAPPY",
            Codec::Zstd => "ZSTD",
        };
        parameters.insert("parquet.compression".to_owned(), name.to_owned());
    }
    parameters
}

/// `INSERT INTO`.
pub(super) async fn insert(
    context: &QueryContext,
    name: &SqlName,
    columns: &[String],
    query: &Query,
    key: &str,
) -> Result<Done, QueryError> {
    let database = name.database.as_deref().unwrap_or(&context.database);
    let table = find_table(context, database, &name.name)?;
    // Files are no change of the catalog, where grants are asked for otherwise. Who may add rows sees all columns.
    let may = context.formation.may(context.access.caller.principal(), &table, Permission::Insert);
    if !may.map_err(|error| QueryError::new(ErrorName::Internal, error.to_string()))? {
        let message = format!("Insufficient Lake Formation permission(s): Required Insert on {database}.{}", name.name);
        return Err(QueryError::new(ErrorName::PermissionDenied, message));
    }
    if table.definition.table_type.as_deref() == Some("VIRTUAL_VIEW") {
        return Err(QueryError::not_supported("Inserting into views is not supported"));
    }
    let storage = table.definition.storage_descriptor.clone().unwrap_or_default();
    let full = format!("{database}.{}", name.name);
    let codec = table
        .definition
        .parameters
        .get("parquet.compression")
        .or_else(|| table.definition.parameters.get("write.compression"));
    let codec = codec.and_then(|text| Codec::parse(text)).unwrap_or(Codec::Gzip);
    let layout = match file_format(&full, &storage, &table.definition.parameters)? {
        FileFormat::Parquet => Layout::Parquet(codec),
        FileFormat::Text(text) => match text.rows {
            RowFormat::LazySimple { delimiter, null, .. } => {
                Layout::Delimited { delimiter: char::from(delimiter), null, quoted: false, codec: Codec::Gzip }
            }
            RowFormat::OpenCsv { delimiter, .. } => Layout::Delimited {
                delimiter: char::from(delimiter),
                null: String::new(),
                quoted: true,
                codec: Codec::Gzip,
            },
            RowFormat::Json { .. } => Layout::Json(Codec::Gzip),
        },
    };
    let all: Vec<&Column> = table.columns().iter().chain(table.partition_keys()).collect();
    let mut names = Vec::with_capacity(all.len());
    let mut types = Vec::with_capacity(all.len());
    for column in &all {
        let hive =
            column.hive_type().map_err(|error| QueryError::new(ErrorName::HiveInvalidMetadata, error.to_string()))?;
        names.push(column.name.to_lowercase());
        types.push(written(&arrow_of(&hive)));
    }
    let planned = plan_query(context, query, &context.database, 0).await?;
    let given = if columns.is_empty() { names.clone() } else { columns.to_vec() };
    if given.len() != planned.names.len() {
        let shown = |names: &[String]| names.join(", ");
        let message = format!(
            "Insert query has mismatched column types: Table: [{}], Query: [{}]",
            shown(&given),
            shown(&planned.names)
        );
        return Err(QueryError::new(ErrorName::TypeMismatch, message));
    }
    for column in &given {
        if !names.contains(column) {
            return Err(QueryError::new(
                ErrorName::ColumnNotFound,
                format!("Insert column name does not exist in target table: {column}"),
            ));
        }
    }
    // the query's columns in the table's order; those not given are NULL
    let failed = |error: datafusion::error::DataFusionError| failure(&context.text, &error);
    let present = planned.plan.schema().columns();
    let ordered: Vec<Expr> = names
        .iter()
        .zip(&types)
        .map(|(name, kind)| match given.iter().position(|given| given == name).and_then(|at| present.get(at)) {
            Some(column) => cast_expr(Expr::Column(column.clone()), kind.clone()).alias(name),
            None => cast_expr(Expr::Literal(datafusion::common::ScalarValue::Null, None), kind.clone()).alias(name),
        })
        .collect();
    let plan =
        LogicalPlanBuilder::from(planned.plan).project(ordered).and_then(LogicalPlanBuilder::build).map_err(failed)?;
    let planned = Planned { plan, names: names.clone(), state: planned.state };
    let partition_columns: Vec<String> = table.partition_keys().iter().map(|key| key.name.to_lowercase()).collect();
    let mut places = std::collections::HashMap::new();
    for partition in if partition_columns.is_empty() { Vec::new() } else { ddl::list(context, &table, None)? } {
        if let Some(Ok(place)) = partition.location().map(S3Location::parse) {
            places.insert(partition.values().to_vec(), place.folder());
        }
    }
    let location = table.location().unwrap_or_default();
    let base = S3Location::parse(location)
        .map_err(|error| QueryError::new(ErrorName::HiveInvalidMetadata, error.to_string()))?
        .folder();
    let target = Target {
        base,
        layout,
        schema: file_schema(&names, &types, partition_columns.len()),
        partition_columns,
        places,
    };
    let count = target.partition_columns.len();
    let written = write(context, prepared(planned, &names, &types, count, &context.text)?, &target).await?;
    let new: Vec<PartitionInput> = written
        .partitions
        .iter()
        .filter(|values| !target.places.contains_key(*values))
        .map(|values| partition_input(&table, values.clone(), None))
        .collect();
    let manifest = put_manifest(context, key, &written).await?;
    if !new.is_empty() {
        register(context, database, &name.name, new).await?;
    }
    Ok(done(&written, "INSERT", manifest))
}

/// `UNLOAD (query) TO 's3://...'`.
pub(super) async fn unload(
    context: &QueryContext,
    query: &Query,
    location: &str,
    properties: &[(String, Property)],
    key: &str,
) -> Result<Done, QueryError> {
    let options = options(properties, true)?;
    let base = S3Location::parse(location).map_err(|error| invalid(error.to_string()))?.folder();
    if !context.access.is_empty(&base)? {
        let message =
            format!("Target directory for UNLOAD already exists: {base}. Remove what is there, or write elsewhere.");
        return Err(QueryError::new(ErrorName::HivePathAlreadyExists, message));
    }
    let planned = plan_query(context, query, &context.database, 0).await?;
    let names: Vec<String> = planned.names.iter().map(|name| name.to_lowercase()).collect();
    check_names(&names, &options.partitioned_by)?;
    let types: Vec<DataType> = planned.plan.schema().fields().iter().map(|field| written(field.data_type())).collect();
    let count = options.partitioned_by.len();
    let target = Target {
        base,
        layout: options.layout,
        schema: file_schema(&names, &types, count),
        partition_columns: options.partitioned_by,
        places: std::collections::HashMap::new(),
    };
    let written = write(context, prepared(planned, &names, &types, count, &context.text)?, &target).await?;
    let manifest = put_manifest(context, key, &written).await?;
    Ok(done(&written, "UNLOAD", manifest))
}
