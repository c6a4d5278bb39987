//! A table of the catalog as DataFusion scans it: partitions pruned before anything is listed, files grouped, formats lowered.
//! Knows no statement.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use tarn_catalog::{HIVE_DEFAULT_PARTITION, HiveType, ListPartitions, S3Location, StorageDescriptor, Table};

use super::access::{Access, LakeFile};
use super::batch_rows::BatchRows;
use super::format::{FileFormat, file_format};
use super::parquet::{AnyCaseColumns, FooterCache, LakeReaders};
use super::projection::{PROJECTED_PARTITIONS_MAX, Projection, Value};
use super::text::{TextColumn, TextFile, TextPartition};
use super::values::{TextRules, ValueBuilder};
use crate::errors::{ErrorName, QueryError};
use crate::rewrite::hidden::HIDDEN_COLUMNS;
use crate::types::arrow_of;

/// Partitions are read from the catalog in pages of this.
const PARTITION_PAGE: usize = 1000;
/// Footers are read before planning, for row counts and the rows of a batch, of at most so many files.
const STATISTICS_FILES_MAX: usize = 1024;

/// A table of files.
#[derive(Debug)]
pub(crate) struct HiveTable {
    access: Arc<Access>,
    footers: Arc<FooterCache>,
    table: Arc<Table>,
    format: FileFormat,
    file_schema: SchemaRef,
    partition_fields: Vec<FieldRef>,
    /// Columns that tell of the file a row is in; none unless the query asks for them.
    hidden_fields: Vec<FieldRef>,
    projection: Option<Projection>,
    schema: SchemaRef,
}

struct Part {
    location: S3Location,
    values: Arc<Vec<ScalarValue>>,
    format: FileFormat,
}

fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl HiveTable {
    /// Reads what the catalog says of `table`; `hidden` says whether it has the columns that tell of files.
    pub fn new(access: Arc<Access>, footers: Arc<FooterCache>, table: Table, hidden: bool) -> Result<Self, QueryError> {
        let name = format!("{}.{}", table.database_name, table.name());
        let empty = StorageDescriptor::default();
        let storage = table.definition.storage_descriptor.as_ref().unwrap_or(&empty);
        let format = file_format(&name, storage, &table.definition.parameters)?;
        let field = |column: &tarn_catalog::Column| {
            let hive = column.hive_type().map_err(|error| {
                QueryError::new(
                    ErrorName::HiveInvalidMetadata,
                    format!("column {} of table {name}: {error}", column.name),
                )
            })?;
            Ok(Field::new(column.name.to_lowercase(), arrow_of(&hive), true))
        };
        let file_fields = table.columns().iter().map(field).collect::<Result<Vec<_>, QueryError>>()?;
        let partition_fields: Vec<FieldRef> = table
            .partition_keys()
            .iter()
            .map(field)
            .map(|field| field.map(Arc::new))
            .collect::<Result<_, QueryError>>()?;
        let mut names = HashSet::new();
        for field in file_fields.iter().chain(partition_fields.iter().map(AsRef::as_ref)) {
            if !names.insert(field.name().clone()) {
                let message = format!("table {name} has the column {} twice", field.name());
                return Err(QueryError::new(ErrorName::HiveInvalidMetadata, message));
            }
        }
        let hidden_fields: Vec<FieldRef> = if hidden {
            let types = [DataType::Utf8View, DataType::Int64, arrow_of(&HiveType::TimestampWithTimeZone)];
            HIDDEN_COLUMNS.iter().zip(types).map(|(name, kind)| Arc::new(Field::new(*name, kind, true))).collect()
        } else {
            Vec::new()
        };
        let now_ms = access.runtime.now().as_millisecond();
        let projection = Projection::of(&name, &table.definition.parameters, &partition_fields, now_ms)?;
        let mut all = file_fields.clone();
        all.extend(partition_fields.iter().chain(&hidden_fields).map(|field| field.as_ref().clone()));
        Ok(Self {
            access,
            footers,
            table: Arc::new(table),
            format,
            file_schema: Arc::new(Schema::new(file_fields)),
            partition_fields,
            hidden_fields,
            projection,
            schema: Arc::new(Schema::new(all)),
        })
    }

    fn name(&self) -> String {
        format!("{}.{}", self.table.database_name, self.table.name())
    }

    fn location(&self, text: Option<&str>) -> Result<S3Location, QueryError> {
        let Some(text) = text else {
            return Err(QueryError::new(
                ErrorName::HiveInvalidMetadata,
                format!("table {} has no location", self.name()),
            ));
        };
        S3Location::parse(text)
            .map_err(|error| QueryError::new(ErrorName::HiveInvalidMetadata, format!("table {}: {error}", self.name())))
    }

    fn partition_values(&self, values: &[String]) -> Result<Vec<ScalarValue>, QueryError> {
        self.partition_fields
            .iter()
            .zip(values)
            .map(|(field, text)| partition_value(field, text, &self.name()))
            .collect()
    }

    /// The partitions that may hold rows for `filters`.
    fn parts(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<Part>, DataFusionError> {
        let storage = self.table.definition.storage_descriptor.as_ref();
        if self.partition_fields.is_empty() {
            let location = self.location(storage.and_then(|storage| storage.location.as_deref())).map_err(external)?;
            return Ok(vec![Part { location, values: Arc::default(), format: self.format.clone() }]);
        }
        let on_partitions = on_columns(filters, &self.partition_fields);
        if let Some(projection) = &self.projection {
            return self.projected_parts(state, projection, &on_partitions);
        }
        let proof = self
            .access
            .may_read_catalog("glue:GetPartitions", Some(&self.table.database_name), Some(self.table.name()))
            .map_err(external)?;
        let mut list = ListPartitions {
            expression: catalog_expression(&on_partitions, &self.partition_fields),
            limit: PARTITION_PAGE,
            ..ListPartitions::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self
                .access
                .catalog
                .partitions(&proof, &self.table.database_name, self.table.name(), &list)
                .map_err(|error| external(QueryError::new(ErrorName::Internal, error.to_string())))?;
            found.extend(page.partitions);
            match page.next {
                Some(next) => list.after = Some(next),
                None => break,
            }
        }
        let mut values = Vec::with_capacity(found.len());
        for partition in &found {
            values.push(self.partition_values(partition.values()).map_err(external)?);
        }
        let kept = matching(state, &self.partition_fields, &on_partitions, &values)?;
        let mut parts = Vec::new();
        for ((partition, values), keep) in found.iter().zip(values).zip(kept) {
            if !keep {
                continue;
            }
            let location = match partition.location() {
                Some(location) => self.location(Some(location)),
                None => {
                    let names: Vec<&String> = self.table.partition_keys().iter().map(|key| &key.name).collect();
                    let base = storage.and_then(|storage| storage.location.as_deref()).unwrap_or_default();
                    self.location(Some(&tarn_catalog::partition_location(base, &names, partition.values())))
                }
            }
            .map_err(external)?;
            let own = partition.definition.storage_descriptor.as_ref().filter(|own| own.serde_info.is_some());
            let format = match own {
                Some(own) => file_format(&self.name(), own, &self.table.definition.parameters).map_err(external)?,
                None => self.format.clone(),
            };
            parts.push(Part { location, values: Arc::new(values), format });
        }
        Ok(parts)
    }

    /// The partitions that the table's properties tell, as far as `filters` leave them.
    fn projected_parts(
        &self,
        state: &dyn Session,
        projection: &Projection,
        filters: &[Expr],
    ) -> DataFusionResult<Vec<Part>> {
        let mut columns: Vec<Vec<Value>> = Vec::with_capacity(self.partition_fields.len());
        let mut count = 1_usize;
        for (at, field) in self.partition_fields.iter().enumerate() {
            let values = projection.values(at, filters).map_err(external)?;
            let fields = std::slice::from_ref(field);
            let rows: Vec<Vec<ScalarValue>> = values.iter().map(|(_, value)| vec![value.clone()]).collect();
            let kept = matching(state, fields, &on_columns(filters, fields), &rows)?;
            columns.push(values.into_iter().zip(kept).filter_map(|(value, keep)| keep.then_some(value)).collect());
            count = count.saturating_mul(columns.last().map_or(0, Vec::len));
        }
        if count > PROJECTED_PARTITIONS_MAX {
            return Err(external(QueryError::new(
                ErrorName::ExhaustedResources,
                format!(
                    "table {} is projected to {count} partitions, more than {PROJECTED_PARTITIONS_MAX}: narrow the WHERE clause",
                    self.name()
                ),
            )));
        }
        let mut rows: Vec<Vec<&Value>> = vec![Vec::new()];
        for values in &columns {
            rows = rows
                .into_iter()
                .flat_map(|row| values.iter().map(move |value| row.iter().copied().chain([value]).collect()))
                .collect();
        }
        let scalars: Vec<Vec<ScalarValue>> =
            rows.iter().map(|row| row.iter().map(|(_, value)| value.clone()).collect()).collect();
        let kept = matching(state, &self.partition_fields, filters, &scalars)?;
        let names: Vec<&String> = self.table.partition_keys().iter().map(|key| &key.name).collect();
        let storage = self.table.definition.storage_descriptor.as_ref();
        let base = storage.and_then(|storage| storage.location.as_deref()).unwrap_or_default();
        let mut parts = Vec::new();
        for ((row, values), keep) in rows.iter().zip(scalars).zip(kept) {
            if keep {
                let texts: Vec<&String> = row.iter().map(|(text, _)| text).collect();
                let location =
                    projection.location(row).unwrap_or_else(|| tarn_catalog::partition_location(base, &names, &texts));
                let location = self.location(Some(&location)).map_err(external)?;
                parts.push(Part { location, values: Arc::new(values), format: self.format.clone() });
            }
        }
        Ok(parts)
    }

    /// The values that are the same for all rows of a file: its partition's, and what the hidden columns tell of it.
    fn values_of(&self, partition: &Arc<Vec<ScalarValue>>, file: &LakeFile) -> Arc<Vec<ScalarValue>> {
        if self.hidden_fields.is_empty() {
            return partition.clone();
        }
        let mut values = partition.as_ref().clone();
        values.push(ScalarValue::Utf8View(Some(file.uri())));
        values.push(ScalarValue::Int64(i64::try_from(file.size_bytes).ok()));
        values.push(ScalarValue::TimestampMillisecond(Some(file.modified_ms), Some("UTC".into())));
        Arc::new(values)
    }

    /// The partition's files that may hold rows for `filters`, each with its values.
    fn files(
        &self,
        state: &dyn Session,
        part: &Part,
        filters: &[Expr],
    ) -> DataFusionResult<Vec<(LakeFile, Arc<Vec<ScalarValue>>)>> {
        let files = self.access.list(&part.location).map_err(external)?.into_iter();
        let files: Vec<_> = files.map(|file| (self.values_of(&part.values, &file), file)).collect();
        let fields: Vec<FieldRef> = self.partition_fields.iter().chain(&self.hidden_fields).cloned().collect();
        let on_files = if self.hidden_fields.is_empty() { Vec::new() } else { on_columns(filters, &fields) };
        let rows: Vec<Vec<ScalarValue>> = if on_files.is_empty() {
            vec![Vec::new(); files.len()]
        } else {
            files.iter().map(|(values, _)| values.as_ref().clone()).collect()
        };
        let kept = matching(state, &fields, &on_files, &rows)?;
        Ok(files.into_iter().zip(kept).filter_map(|((values, file), keep)| keep.then_some((file, values))).collect())
    }

    async fn parquet_plan(
        &self,
        state: &dyn Session,
        parts: &[(LakeFile, Arc<Vec<ScalarValue>>)],
        projection: Option<&Vec<usize>>,
        has_filters: bool,
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let readers = Arc::new(LakeReaders {
            access: self.access.clone(),
            footers: self.footers.clone(),
            schema: self.file_schema.clone(),
            with_indexes: has_filters || limit.is_some(),
        });
        let file_fields = self.file_schema.fields();
        let wanted: Vec<&FieldRef> = match projection {
            Some(projection) => projection.iter().filter_map(|at| file_fields.get(*at)).collect(),
            None => file_fields.iter().collect(),
        };
        let is_wanted = |name: &str| wanted.iter().any(|field| field.name().eq_ignore_ascii_case(name));
        let rows = || Arc::new(BatchRows::new(state.config().batch_size()));
        let batch_rows = state.config().get_extension::<BatchRows>().unwrap_or_else(rows);
        let mut files = Vec::with_capacity(parts.len());
        let mut total = (parts.len() <= STATISTICS_FILES_MAX).then_some((0_usize, 0_usize));
        for (file, values) in parts {
            let mut partitioned = PartitionedFile::new(object_path(file), file.size_bytes)
                .with_partition_values(values.as_ref().clone())
                .with_extension(file.clone());
            if let Some((rows, bytes)) = &mut total {
                let mut reader = readers.reader(file.clone());
                let at_most = reader.batch_rows(batch_rows.get(), is_wanted).await;
                batch_rows.at_most(at_most.map_err(DataFusionError::from)?);
                let footer = reader.footer().await.map_err(DataFusionError::from)?;
                let footer = footer.metadata();
                let mut statistics = DFParquetMetadata::statistics_from_parquet_metadata(footer, &self.file_schema)?;
                // Columns spelt otherwise would be told as all NULL.
                let descriptor = footer.file_metadata().schema_descr();
                if descriptor.root_schema().get_fields().iter().any(|field| field.name().to_lowercase() != field.name())
                {
                    let rows = statistics.num_rows;
                    statistics = Statistics::new_unknown(&self.file_schema);
                    statistics.num_rows = rows;
                }
                *rows += statistics.num_rows.get_value().copied().unwrap_or(0);
                *bytes += statistics.total_byte_size.get_value().copied().unwrap_or(0);
                partitioned = partitioned.with_statistics(Arc::new(statistics));
            }
            files.push(partitioned);
        }
        let partitions = state.config().target_partitions();
        let mut options = state.config_options().execution.parquet.clone();
        options.pushdown_filters = false;
        let table_schema = TableSchema::builder(self.file_schema.clone())
            .with_table_partition_cols(
                self.partition_fields.iter().chain(&self.hidden_fields).cloned().collect::<Vec<_>>(),
            )
            .build();
        let source = ParquetSource::new(table_schema)
            .with_table_parquet_options(datafusion::config::TableParquetOptions {
                global: options,
                ..Default::default()
            })
            .with_parquet_file_reader_factory(readers);
        let mut statistics = Statistics::new_unknown(&self.schema);
        if let Some((rows, bytes)) = total {
            statistics =
                Statistics::try_merge_iter(files.iter().filter_map(|file| file.statistics.as_deref()), &self.schema)?;
            statistics.num_rows = Precision::Exact(rows);
            statistics.total_byte_size = Precision::Inexact(bytes);
        }
        let groups = FileGroup::new(files).split_files(partitions);
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(AnyCaseColumns)))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn text_plan(
        &self,
        state: &dyn Session,
        parts: Vec<TextFile>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let in_files = self.file_schema.fields().len();
        let mut columns = Vec::with_capacity(wanted.len());
        for index in wanted {
            columns.push(match self.schema.fields().get(*index) {
                Some(field) if *index < in_files => TextColumn::Field {
                    index: *index,
                    name: field.name().clone(),
                    data_type: field.data_type().clone(),
                },
                _ => TextColumn::Partition { index: index - in_files },
            });
        }
        let schema = Arc::new(self.schema.project(wanted)?);
        let columns = Arc::new(columns);
        let count = state.config().target_partitions().clamp(1, parts.len().max(1));
        // the largest first, each to the group with the least bytes
        let mut groups: Vec<(u64, Vec<TextFile>)> = vec![(0, Vec::new()); count];
        let mut parts = parts;
        if limit.is_none() {
            parts.sort_by_key(|part| std::cmp::Reverse(part.file.size_bytes));
        }
        for part in parts {
            if let Some(group) = groups.iter_mut().min_by_key(|(size, _)| *size) {
                group.0 += part.file.size_bytes;
                group.1.push(part);
            }
        }
        let streams: Vec<Arc<dyn PartitionStream>> = groups
            .into_iter()
            .map(|(_, files)| {
                Arc::new(TextPartition {
                    access: self.access.clone(),
                    schema: schema.clone(),
                    columns: columns.clone(),
                    files,
                }) as Arc<dyn PartitionStream>
            })
            .collect();
        Ok(Arc::new(StreamingTableExec::try_new(schema, streams, None, [], false, limit)?))
    }
}

/// A path that shows where the file is; it is not read through.
fn object_path(file: &LakeFile) -> String {
    format!("{}/{}", file.bucket, file.key.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
}

/// The filters that can be told from these columns alone.
fn on_columns(filters: &[Expr], fields: &[FieldRef]) -> Vec<Expr> {
    let names: HashSet<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    let told = |filter: &&Expr| {
        let columns = filter.column_refs();
        !columns.is_empty()
            && columns.iter().all(|column| names.contains(column.name.as_str()))
            && !filter.is_volatile()
    };
    filters.iter().filter(told).cloned().collect()
}

/// Evaluates the filters over rows of values.
fn matching(
    state: &dyn Session,
    fields: &[FieldRef],
    filters: &[Expr],
    values: &[Vec<ScalarValue>],
) -> DataFusionResult<Vec<bool>> {
    let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(vec![true; values.len()]) };
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let columns: Vec<ArrayRef> = (0..fields.len())
        .map(|at| ScalarValue::iter_to_array(values.iter().filter_map(|row| row.get(at).cloned())))
        .collect::<DataFusionResult<_>>()?;
    let batch = RecordBatch::try_new(schema.clone(), columns)?;
    // filters name columns as `table.column`
    let filter = strip_qualifiers(filter)?;
    let predicate = state.create_physical_expr(filter, &DFSchema::try_from(schema)?)?;
    let kept = predicate.evaluate(&batch)?.into_array(values.len())?;
    Ok(kept.as_boolean().iter().map(|keep| keep.unwrap_or(false)).collect())
}

fn strip_qualifiers(filter: Expr) -> DataFusionResult<Expr> {
    use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
    filter
        .transform(|expr| {
            Ok(match expr {
                Expr::Column(column) if column.relation.is_some() => {
                    Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(column.name)))
                }
                other => Transformed::no(other),
            })
        })
        .data()
}

/// A partition's value as its column's type.
fn partition_value(field: &Field, text: &str, table: &str) -> Result<ScalarValue, QueryError> {
    let bad = || {
        let message = format!(
            "Invalid partition value '{text}' for {} partition key: {} of table {table}",
            crate::types::trino_name(field.data_type()),
            field.name()
        );
        QueryError::new(ErrorName::HiveInvalidPartitionValue, message)
    };
    if text == HIVE_DEFAULT_PARTITION {
        return ScalarValue::try_from(field.data_type()).map_err(|_| bad());
    }
    let mut builder = ValueBuilder::new(field.data_type()).ok_or_else(bad)?;
    builder.append_text(text, TextRules::Hive, "", &[]).map_err(|_| bad())?;
    let array = builder.finish().ok_or_else(bad)?;
    ScalarValue::try_from_array(&array, 0).map_err(|_| bad())
}

/// What of the filters the catalog's own predicate language says: equalities and orders of text keys, to prune by range.
fn catalog_expression(filters: &[Expr], fields: &[FieldRef]) -> Option<String> {
    let terms: Vec<String> = filters.iter().filter_map(|filter| catalog_term(filter, fields)).collect();
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

fn catalog_term(filter: &Expr, fields: &[FieldRef]) -> Option<String> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    if *op == Operator::And {
        return match (catalog_term(left, fields), catalog_term(right, fields)) {
            (Some(left), Some(right)) => Some(format!("{left} AND {right}")),
            (one, other) => one.or(other),
        };
    }
    let (Expr::Column(column), Expr::Literal(literal, _)) = (left.as_ref(), right.as_ref()) else { return None };
    let field = fields.iter().find(|field| field.name() == &column.name)?;
    if *op != Operator::Eq || !matches!(field.data_type(), DataType::Utf8View | DataType::Utf8) {
        return None;
    }
    let text = match literal {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)) => text,
        _ => return None,
    };
    let plain = field.name().chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.contains(['\'', '\\']);
    plain.then(|| format!("{} = '{text}'", field.name()))
}

#[async_trait]
impl TableProvider for HiveTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let mut parquet = Vec::new();
        let mut text = Vec::new();
        for part in self.parts(state, filters)? {
            let files = self.files(state, &part, filters)?;
            match part.format {
                FileFormat::Parquet => parquet.extend(files),
                FileFormat::Text(format) => {
                    let format = Arc::new(format);
                    text.extend(files.into_iter().map(|(file, partition_values)| TextFile {
                        file,
                        format: format.clone(),
                        partition_values,
                    }));
                }
            }
        }
        let mut filtered = filters.iter().flat_map(Expr::column_refs);
        let has_filters = filtered.any(|column| self.file_schema.index_of(&column.name).is_ok());
        match (!parquet.is_empty(), !text.is_empty()) {
            (false, false) => {
                let schema = match projection {
                    Some(projection) => Arc::new(self.schema.project(projection)?),
                    None => self.schema.clone(),
                };
                Ok(Arc::new(EmptyExec::new(schema)))
            }
            (true, false) => self.parquet_plan(state, &parquet, projection, has_filters, limit).await,
            (false, true) => self.text_plan(state, text, projection, limit),
            (true, true) => {
                let columns = self.parquet_plan(state, &parquet, projection, has_filters, limit).await?;
                UnionExec::try_new(vec![columns, self.text_plan(state, text, projection, limit)?])
            }
        }
    }
}
