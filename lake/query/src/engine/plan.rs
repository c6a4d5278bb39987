//! From a query's text to a plan: tables looked up as the caller, views opened, names and types as Trino's. Knows no sink.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider, TableProvider,
};
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext as DfContext;
use datafusion::sql::parser::Statement as DfStatement;
use futures::FutureExt;
use futures::future::BoxFuture;
use sqlparser::ast::{Query, Statement as SqlAst};
use tarn_catalog::{CatalogError, S3Location, Table};
use tarn_formation::{FormationError, TableAccess};

use super::QueryContext;
use super::failures::{failure, place};
use super::views;
use crate::errors::{ErrorName, QueryError};
use crate::rewrite;
use crate::tables::access::{Access, GrantedData};
use crate::tables::access_log_table::{self, AccessLogTable};
use crate::tables::audit_table::{self, AuditTable};
use crate::tables::batch_rows::BatchRows;
use crate::tables::guarded::{self, GuardedTable};
use crate::tables::hive_table::HiveTable;
use crate::types::trino_name;

/// The lake's one catalog, as Athena names it.
pub(crate) const CATALOG: &str = "awsdatacatalog";
/// How deep views may stand on views.
const VIEW_DEPTH_MAX: usize = 16;
/// Tables and columns that `information_schema` tells of, at most.
const INFORMATION_ROWS_MAX: usize = 100_000;
const CATALOG_PAGE: usize = 500;

/// A plan, and the session it runs in.
pub(crate) struct Planned {
    pub state: SessionState,
    pub plan: LogicalPlan,
    /// The names its columns are told with.
    pub names: Vec<String>,
}

impl Planned {
    /// What runs, and with how many rows at a time.
    pub async fn physical(self) -> DataFusionResult<(Arc<dyn ExecutionPlan>, Arc<TaskContext>)> {
        // Which has the time at which it begins.
        let mut state = DfContext::new_with_state(self.state).state();
        let plan = state.create_physical_plan(&self.plan).await?;
        if let Some(rows) = state.config().get_extension::<BatchRows>() {
            *state.config_mut() = state.config().clone().with_batch_size(rows.get());
        }
        Ok((plan, Arc::new(TaskContext::from(&state))))
    }
}

/// Plans a query; `database` is the one that bare names mean.
pub(crate) fn plan_query<'a>(
    context: &'a QueryContext,
    query: &'a Query,
    database: &'a str,
    depth: usize,
) -> BoxFuture<'a, Result<Planned, QueryError>> {
    async move {
        let names = rewrite::output_names(query);
        let mut query = query.clone();
        rewrite::hidden::reveal(&mut query);
        let lake = Arc::new(MemoryCatalogProvider::new());
        for parts in rewrite::relations(&query) {
            register(context, &lake, &parts, database, depth).await?;
        }
        plan_over(context, query, names, database, lake).await
    }
    .boxed()
}

/// Plans a query over the tables that were found for it.
async fn plan_over(
    context: &QueryContext,
    mut query: Query,
    names: Option<Vec<String>>,
    database: &str,
    lake: Arc<MemoryCatalogProvider>,
) -> Result<Planned, QueryError> {
    if lake.schema(database).is_none() {
        lake.register_schema(database, Arc::new(MemorySchemaProvider::new()))
            .map_err(|error| failure(&context.text, &error))?;
    }
    rewrite::canonical(&mut query);
    let list = Arc::new(MemoryCatalogProviderList::new());
    list.register_catalog(CATALOG.to_owned(), lake);
    let mut config = context.base.config().clone();
    config.options_mut().catalog.default_catalog = CATALOG.to_owned();
    config.options_mut().catalog.default_schema = database.to_owned();
    config.set_extension(Arc::new(BatchRows::new(config.batch_size())));
    let state = SessionStateBuilder::new_from_existing(context.base.clone())
        .with_config(config)
        .with_catalog_list(list)
        .build();
    let statement = DfStatement::Statement(Box::new(SqlAst::Query(Box::new(query))));
    let plan = state.statement_to_plan(statement).await.map_err(|error| failure(&context.text, &error))?;
    let told: Vec<String> = plan
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().split("$duplicate$").next().unwrap_or_default().to_owned())
        .collect();
    let names = names.filter(|names| names.len() == told.len()).unwrap_or(told);
    Ok(Planned { state, plan, names })
}

async fn register(
    context: &QueryContext,
    lake: &MemoryCatalogProvider,
    parts: &[String],
    database: &str,
    depth: usize,
) -> Result<(), QueryError> {
    let (database, table) = match parts {
        [table] => (database, table.as_str()),
        [database, table] => (database.as_str(), table.as_str()),
        [catalog, database, table] if catalog == CATALOG => (database.as_str(), table.as_str()),
        [catalog, ..] => {
            let message = format!("{}Catalog '{catalog}' does not exist", place(&context.text, catalog));
            return Err(QueryError::new(ErrorName::CatalogNotFound, message));
        }
        [] => return Ok(()),
    };
    let failed = |error| failure(&context.text, &error);
    let schema = match lake.schema(database) {
        Some(schema) => schema,
        None => {
            let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            lake.register_schema(database, schema.clone()).map_err(failed)?;
            schema
        }
    };
    if schema.table_exist(table) {
        return Ok(());
    }
    let provider: Arc<dyn TableProvider> = if database == "information_schema" {
        information(context, table)?
    } else if let (audit_table::DATABASE, audit_table::TABLE, Some(history)) = (database, table, &context.history) {
        Arc::new(AuditTable::open(&context.access, history.clone())?)
    } else if let (audit_table::DATABASE, access_log_table::TABLE) = (database, table) {
        Arc::new(AccessLogTable::open(&context.access)?)
    } else {
        let (table, hidden) = rewrite::hidden::revealed(table);
        granted(context, find_table(context, database, table)?, hidden, depth).await?
    };
    schema.register_table(table.to_owned(), provider).map_err(failed)?;
    Ok(())
}

/// A table of the catalog, looked up as the caller.
pub(crate) fn find_table(context: &QueryContext, database: &str, table: &str) -> Result<Table, QueryError> {
    let proof = context.access.may_read_catalog("glue:GetTable", Some(database), Some(table))?;
    context.access.catalog.table(&proof, database, table).map_err(|error| match error {
        CatalogError::DatabaseNotFound { name } => QueryError::new(
            ErrorName::SchemaNotFound,
            format!("{}Schema '{name}' does not exist", place(&context.text, &name)),
        ),
        CatalogError::TableNotFound { database, name } => {
            let message = format!("{}Table '{CATALOG}.{database}.{name}' does not exist", place(&context.text, &name));
            QueryError::new(ErrorName::TableNotFound, message)
        }
        other => QueryError::new(ErrorName::Internal, other.to_string()),
    })
}

/// The table as far as the caller may read it.
async fn granted(
    context: &QueryContext,
    table: Table,
    hidden: bool,
    depth: usize,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let (name, principal) = (format!("{}.{}", table.database_name, table.name()), context.access.caller.principal());
    let unreadable = |error: FormationError| QueryError::new(ErrorName::Internal, error.to_string());
    let refused = || {
        let message = format!("Insufficient Lake Formation permission(s): Required Select on {name}");
        QueryError::new(ErrorName::PermissionDenied, message)
    };
    // `table` has the columns that the caller may see. What it may read is told by all of them.
    let proof = context.access.may_read_catalog("glue:GetTable", Some(&table.database_name), Some(table.name()))?;
    let whole =
        context.access.catalog.whole_table(&proof, &table.database_name, table.name()).map_err(|_| refused())?;
    let cells = match context.formation.table_access(principal, &whole).map_err(unreadable)? {
        TableAccess::Shared => return provider(context, &context.access, table, hidden, depth).await,
        TableAccess::Full => None,
        TableAccess::Partial(cells) => Some(cells),
        TableAccess::None => return Err(refused()),
    };
    // Partitions that lie elsewhere are read as the caller: who may add one could otherwise point it to what others were granted.
    let data = match whole.location() {
        Some(location) if context.access.may_have_data_read() => {
            let registered = context.formation.registered(principal, location).map_err(unreadable)?;
            match registered.zip(S3Location::parse(location).ok()) {
                Some((registered, location)) => {
                    let roles = context.roles.as_ref();
                    let role =
                        registered.input.role_arn.map(|role| context.access.session_of(roles, &role)).transpose()?;
                    Some(GrantedData { folder: location.folder(), role })
                }
                None => None,
            }
        }
        Some(_) | None => None,
    };
    let access = context.access.for_granted(data);
    let Some(cells) = cells else { return provider(context, &access, whole, hidden, depth).await };
    let text = guarded::visible(&whole, &cells)?;
    let query = crate::statement::parse_query(&text).map_err(|_| refused())?;
    let (database, table_name) = (whole.database_name.clone(), whole.name().to_owned());
    let failed = |error| failure(&context.text, &error);
    let lake = Arc::new(MemoryCatalogProvider::new());
    let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
    lake.register_schema(&database, schema.clone()).map_err(failed)?;
    // What tells of files tells of rows that are left out.
    let all = provider(context, &access, whole, false, depth).await?;
    schema.register_table(table_name, all).map_err(failed)?;
    let planned = plan_over(context, *query, None, &database, lake).await?;
    Ok(Arc::new(GuardedTable::new(name, planned.plan)))
}

async fn provider(
    context: &QueryContext,
    access: &Arc<Access>,
    table: Table,
    hidden: bool,
    depth: usize,
) -> Result<Arc<dyn TableProvider>, QueryError> {
    let name = format!("{}.{}", table.database_name, table.name());
    if table.definition.table_type.as_deref() == Some("VIRTUAL_VIEW") {
        if depth >= VIEW_DEPTH_MAX {
            let message = format!("view {name} stands on more than {VIEW_DEPTH_MAX} views");
            return Err(QueryError::new(ErrorName::InvalidView, message));
        }
        let stale = |reason: String| {
            QueryError::new(
                ErrorName::InvalidView,
                format!("View '{CATALOG}.{name}' is stale or in invalid state: {reason}"),
            )
        };
        let view = views::decode(&table).map_err(stale)?;
        let query = crate::statement::parse_query(&view.original_sql).map_err(|error| stale(error.to_string()))?;
        let database = view.schema.unwrap_or_else(|| table.database_name.clone());
        let planned = plan_query(context, &query, &database, depth + 1).await.map_err(|error| match error {
            QueryError::Failed { name: ErrorName::PermissionDenied, .. } | QueryError::Cancelled => error,
            other => stale(other.to_string()),
        })?;
        return Ok(Arc::new(ViewTable::new(planned.plan, None)));
    }
    let is_iceberg =
        table.definition.parameters.get("table_type").is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"));
    if is_iceberg {
        return Err(QueryError::not_supported(format!(
            "table {name} is an Iceberg table; this engine reads tables of files"
        )));
    }
    Ok(Arc::new(HiveTable::new(access.clone(), context.footers.clone(), table, hidden)?))
}

/// `information_schema.schemata`, `tables`, `columns`: of what the caller may see.
fn information(context: &QueryContext, table: &str) -> Result<Arc<dyn TableProvider>, QueryError> {
    let internal = |error: CatalogError| QueryError::new(ErrorName::Internal, error.to_string());
    let columns: &[&str] = match table {
        "schemata" => &["catalog_name", "schema_name"],
        "tables" => &["table_catalog", "table_schema", "table_name", "table_type"],
        "columns" => &["table_catalog", "table_schema", "table_name", "column_name", "is_nullable", "data_type"],
        other => {
            let message =
                format!("{}Table '{CATALOG}.information_schema.{other}' does not exist", place(&context.text, other));
            return Err(QueryError::new(ErrorName::TableNotFound, message));
        }
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut ordinals = Vec::new();
    let proof = context.access.may_read_catalog("glue:GetDatabases", None, None)?;
    let mut after = None;
    loop {
        let page = context.access.catalog.databases(&proof, after.as_deref(), CATALOG_PAGE).map_err(internal)?;
        for database in &page.items {
            if context.access.may_read_catalog("glue:GetDatabase", Some(database.name()), None).is_err() {
                continue;
            }
            if table == "schemata" {
                rows.push(vec![CATALOG.to_owned(), database.name().to_owned()]);
                continue;
            }
            let Ok(proof) = context.access.may_read_catalog("glue:GetTables", Some(database.name()), None) else {
                continue;
            };
            let mut behind = None;
            loop {
                let tables = context
                    .access
                    .catalog
                    .tables(&proof, database.name(), None, behind.as_deref(), CATALOG_PAGE)
                    .map_err(internal)?;
                for found in &tables.items {
                    let start = [CATALOG, database.name(), found.name()].map(str::to_owned);
                    if table == "tables" {
                        let kind = if found.definition.table_type.as_deref() == Some("VIRTUAL_VIEW") {
                            "VIEW"
                        } else {
                            "BASE TABLE"
                        };
                        rows.push(start.into_iter().chain([kind.to_owned()]).collect());
                        continue;
                    }
                    for (at, column) in (1_i64..).zip(found.columns().iter().chain(found.partition_keys())) {
                        let kind = match column.hive_type() {
                            Ok(hive) => trino_name(&crate::types::arrow_of(&hive)),
                            Err(_) => column.data_type.clone().unwrap_or_default(),
                        };
                        rows.push(
                            start
                                .clone()
                                .into_iter()
                                .chain([column.name.to_lowercase(), "YES".to_owned(), kind])
                                .collect(),
                        );
                        ordinals.push(at);
                    }
                }
                if rows.len() > INFORMATION_ROWS_MAX {
                    let message = format!(
                        "information_schema.{table} has more than {INFORMATION_ROWS_MAX} rows: use SHOW instead"
                    );
                    return Err(QueryError::new(ErrorName::ExhaustedResources, message));
                }
                match tables.next {
                    Some(next) => behind = Some(next),
                    None => break,
                }
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
    let mut arrays: Vec<ArrayRef> = (0..columns.len())
        .map(|at| Arc::new(rows.iter().map(|row| row.get(at).map(String::as_str)).collect::<StringArray>()) as ArrayRef)
        .collect();
    if table == "columns" {
        fields.push(Field::new("ordinal_position", DataType::Int64, true));
        arrays.push(Arc::new(Int64Array::from(ordinals)));
    }
    let schema = Arc::new(Schema::new(fields));
    let failed = |error: datafusion::error::DataFusionError| failure(&context.text, &error);
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|error| failed(error.into()))?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]]).map_err(failed)?))
}
