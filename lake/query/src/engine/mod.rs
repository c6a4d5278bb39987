//! Runs statements: each as its caller, cancellable, within the engine's memory, with its result left as files.
//! Knows no execution's state: who started it keeps that.

mod ddl;
pub(crate) mod failures;
mod plan;
pub mod results;
mod show;
mod spill;
mod steps;
pub(crate) mod views;
mod writes;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{FunctionRegistry, SendableRecordBatchStream};
use datafusion::physical_plan::{displayable, execute_stream};
use datafusion::prelude::SessionConfig;
use parking_lot::Mutex;
use tarn_audit::{Caller, EventHistory};
use tarn_catalog::{Catalog, S3Location};
use tarn_formation::Formation;
use tarn_objects::Objects;
use tarn_policy::ServiceRoles;
use tarn_runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::errors::{ErrorName, QueryError};
use crate::rewrite::semantics::{TrinoArithmetic, TrinoCasts, TrinoTypes};
use crate::rewrite::unnest::UnnestPlanner;
use crate::sinks::metadata;
use crate::statement::{ResultFile, SqlStatement, Statement, StatementKind};
use crate::tables::access::Access;
use crate::tables::parquet::FooterCache;
use crate::types::{ColumnInfo, storable};
use failures::failure;
use plan::{Planned, plan_query};
use spill::SealedSpill;
pub use spill::SpillUsage;

/// Footers kept, bytes.
const FOOTER_CACHE_SIZE_BYTES_MAX: usize = 256 << 20;
/// How many of the largest consumers an out-of-memory message names.
const CONSUMERS_NAMED: usize = 3;

/// What the engine may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory that all running queries may hold together, bytes.
    pub memory_size_bytes: usize,
    /// Where queries spill to, sealed; made if it is not there, and closed to all but its owner.
    pub spill_directory: PathBuf,
    /// The most bytes that all running queries may have spilled together.
    pub spill_size_bytes_max: u64,
    /// Into how many streams a query's work is split.
    pub partitions: usize,
    /// Rows that are worked on at a time.
    pub batch_rows: usize,
}

impl EngineOptions {
    /// A good part of a machine with so many cores, spilling under `spill_directory`.
    pub fn new(spill_directory: PathBuf, cores: usize, memory_size_bytes: usize) -> Self {
        Self {
            memory_size_bytes,
            spill_directory,
            spill_size_bytes_max: 100 << 30,
            partitions: (cores * 4).clamp(4, 64),
            batch_rows: 16_384,
        }
    }
}

/// Where and as what a statement runs.
#[derive(Debug, Clone)]
pub struct SessionContext {
    /// The execution's id: names the result.
    pub query_id: String,
    /// The catalog of the execution context, if it names one.
    pub catalog: Option<String>,
    /// What bare table names are looked up in; `default` if the execution context names none.
    pub database: String,
    /// Under which the result is put: `s3://bucket/prefix/`.
    pub output_location: S3Location,
}

/// How far a running statement is. Shared with whoever watches it.
#[derive(Debug, Default, Clone)]
pub struct Progress {
    pub(crate) scanned_bytes: Arc<AtomicU64>,
}

impl Progress {
    /// Bytes read of tables until now.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes.load(Ordering::Relaxed)
    }
}

/// What a statement came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The result's columns.
    pub columns: Vec<ColumnInfo>,
    /// Rows inserted; 0 of a SELECT, `None` of a DDL without a count.
    pub update_count: Option<u64>,
    /// Where the result file is, or would be if the statement has none.
    pub output: S3Location,
    /// The list of files written, if there is one.
    pub manifest: Option<S3Location>,
    /// Rows of the result.
    pub rows: u64,
    /// Bytes of the result file.
    pub output_bytes: u64,
    /// Bytes read of tables.
    pub scanned_bytes: u64,
    /// Planning time, milliseconds.
    pub planning_ms: u64,
    /// The whole time in the engine, milliseconds.
    pub execution_ms: u64,
}

/// The engine. One per server; cheap to share.
pub struct Engine {
    objects: Arc<Objects>,
    catalog: Arc<Catalog>,
    formation: Formation,
    runtime: Runtime,
    footers: Arc<FooterCache>,
    spill: Arc<SealedSpill>,
    base: SessionState,
    history: Option<Arc<dyn EventHistory>>,
    roles: Option<ServiceRoles>,
}

/// What all parts of one running statement share.
pub(crate) struct QueryContext {
    pub access: Arc<Access>,
    pub formation: Formation,
    pub footers: Arc<FooterCache>,
    /// What `system.audit` is read from.
    pub history: Option<Arc<dyn EventHistory>>,
    /// What registered locations may name.
    pub roles: Option<ServiceRoles>,
    pub base: SessionState,
    pub text: Arc<str>,
    pub database: String,
    pub query_id: String,
    /// The output location as a folder.
    pub output: S3Location,
    /// Objects written that are taken back if the statement fails.
    pub written: Mutex<Vec<(String, String)>>,
    pub planning_ms: AtomicU64,
}

/// A finished statement before its result's metadata is written.
pub(crate) struct Done {
    pub columns: Vec<ColumnInfo>,
    pub update_type: Option<&'static str>,
    pub update_count: Option<u64>,
    pub rows: u64,
    pub output_bytes: u64,
    pub manifest: Option<String>,
    /// The text of a `.txt` result.
    pub text: Option<String>,
    /// Whether `.metadata` is written beside the result.
    pub metadata: bool,
}

impl Done {
    /// A text result with these columns.
    pub fn lines(columns: &[&str], lines: &[String]) -> Self {
        Self {
            columns: columns.iter().map(|name| ColumnInfo::hive_string(name)).collect(),
            update_type: None,
            update_count: None,
            rows: u64::try_from(lines.len()).unwrap_or(0),
            output_bytes: 0,
            manifest: None,
            text: Some(lines.join("\n")),
            metadata: true,
        }
    }

    /// A definition was changed; there is nothing to tell.
    pub fn nothing() -> Self {
        Self::lines(&[], &[])
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Engine {
    /// Over the lake's objects and catalog, as far as grants let each caller.
    pub fn new(
        objects: Arc<Objects>,
        catalog: Arc<Catalog>,
        formation: Formation,
        runtime: Runtime,
        options: &EngineOptions,
    ) -> Result<Self, QueryError> {
        let internal =
            |error: &datafusion::error::DataFusionError| QueryError::new(ErrorName::Internal, error.to_string());
        let spill = SealedSpill::new(&options.spill_directory, options.spill_size_bytes_max, runtime.clone()).map_err(
            |error| {
                let message = format!("{} cannot be made for spilling: {error}", options.spill_directory.display());
                QueryError::new(ErrorName::Internal, message)
            },
        )?;
        let spill = Arc::new(spill);
        let named = NonZeroUsize::new(CONSUMERS_NAMED).unwrap_or(NonZeroUsize::MIN);
        let pool = TrackConsumersPool::new(GreedyMemoryPool::new(options.memory_size_bytes), named);
        let disk = DiskManagerBuilder::default().with_temp_file_factory(spill.clone());
        let environment: Arc<RuntimeEnv> = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| internal(&error))?;
        let mut config = SessionConfig::new()
            .with_target_partitions(options.partitions)
            .with_batch_size(options.batch_rows)
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let settings = config.options_mut();
        settings.sql_parser.default_null_ordering = "nulls_last".to_owned();
        settings.execution.time_zone = Some("UTC".to_owned());
        settings.execution.parquet.coerce_int96 = Some("ms".to_owned());
        settings.execution.parquet.binary_as_string = false;
        settings.execution.parquet.pushdown_filters = false;
        let mut base = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(environment)
            .with_default_features()
            .with_type_planner(Arc::new(TrinoTypes))
            .with_physical_optimizer_rule(Arc::new(steps::ShortSteps))
            .build();
        crate::functions::register(&mut base).map_err(|error| internal(&error))?;
        base.register_function_rewrite(Arc::new(TrinoCasts)).map_err(|error| internal(&error))?;
        base.register_function_rewrite(Arc::new(TrinoArithmetic)).map_err(|error| internal(&error))?;
        base.register_relation_planner(Arc::new(UnnestPlanner)).map_err(|error| internal(&error))?;
        let footers = Arc::new(FooterCache::new(FOOTER_CACHE_SIZE_BYTES_MAX));
        Ok(Self { objects, catalog, formation, runtime, footers, spill, base, history: None, roles: None })
    }

    /// With the lake's events as the table `system.audit`.
    #[must_use]
    pub fn with_history(self, history: Arc<dyn EventHistory>) -> Self {
        Self { history: Some(history), ..self }
    }

    /// With the roles that registered locations may name, of the service that keeps grants.
    #[must_use]
    pub fn with_roles(self, roles: ServiceRoles) -> Self {
        Self { roles: Some(roles), ..self }
    }

    /// How much running queries have spilled to disk.
    pub fn spill_usage(&self) -> SpillUsage {
        self.spill.usage()
    }

    /// Runs `statement` to its end as `caller`. Its result is in the output location when this answers `Ok`; when it answers
    /// `Err`, what it wrote is gone again. Statements on prepared statements are not for the engine (`Statement::prepared`).
    pub async fn run(
        &self,
        caller: &Caller,
        statement: &Statement,
        session: SessionContext,
        cancel: CancellationToken,
        progress: &Progress,
    ) -> Result<Outcome, QueryError> {
        let started = Instant::now();
        let access = Arc::new(Access::new(
            caller.clone(),
            self.objects.clone(),
            self.catalog.clone(),
            self.runtime.clone(),
            progress.scanned_bytes.clone(),
        ));
        if let Some(catalog) = session
            .catalog
            .as_deref()
            .filter(|catalog| !catalog.is_empty() && !catalog.eq_ignore_ascii_case(plan::CATALOG))
        {
            return Err(QueryError::new(ErrorName::CatalogNotFound, format!("Catalog '{catalog}' does not exist")));
        }
        let database = if session.database.is_empty() { "default".to_owned() } else { session.database.to_lowercase() };
        let context = QueryContext {
            access: access.clone(),
            formation: self.formation.clone(),
            footers: self.footers.clone(),
            history: self.history.clone(),
            roles: self.roles.clone(),
            base: self.base.clone(),
            text: statement.text().into(),
            database,
            query_id: session.query_id.clone(),
            output: session.output_location.folder(),
            written: Mutex::default(),
            planning_ms: AtomicU64::new(0),
        };
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(QueryError::Cancelled),
            ended = self.finish(&context, statement) => ended,
        };
        match ended {
            Ok(mut outcome) => {
                outcome.scanned_bytes = progress.scanned_bytes();
                outcome.planning_ms = context.planning_ms.load(Ordering::Relaxed);
                outcome.execution_ms = elapsed_ms(started);
                Ok(outcome)
            }
            Err(error) => {
                let written = std::mem::take(&mut *context.written.lock());
                if !written.is_empty() {
                    access.take_back(&written).await;
                }
                Err(error)
            }
        }
    }

    async fn finish(&self, context: &QueryContext, statement: &Statement) -> Result<Outcome, QueryError> {
        let file = statement.result_file();
        let key = format!("{}{}", context.output.prefix, file.name(&context.query_id));
        let done = match statement.kind() {
            StatementKind::Sql(sql) => run_sql(context, sql, &key).await,
            StatementKind::Hive(hive) => match ddl::run(context, hive).await {
                Ok(done) => Ok(done),
                Err(error) => {
                    let reason = error.to_string();
                    let told = if reason.starts_with("FAILED: ") { reason } else { format!("FAILED: {reason}") };
                    // the reason of the failure itself is what matters
                    let _ = results::put_bytes(context, &key, "application/octet-stream", told.into_bytes()).await;
                    Err(error)
                }
            },
            StatementKind::Prepared(_) => {
                return Err(QueryError::not_supported("a statement on prepared statements is run by who keeps them"));
            }
        }?;
        let mut output_bytes = done.output_bytes;
        if let Some(text) = &done.text {
            output_bytes =
                results::put_bytes(context, &key, "application/octet-stream", text.clone().into_bytes()).await?;
        }
        if done.metadata {
            let bytes = metadata::encode(&context.query_id, done.update_type, done.update_count, &done.columns);
            results::put_bytes(context, &format!("{key}.metadata"), "application/octet-stream", bytes).await?;
        }
        let at = |key: String| S3Location { bucket: context.output.bucket.clone(), prefix: key };
        let update_count = match file {
            ResultFile::Csv => done.update_count.or(Some(0)),
            ResultFile::Txt | ResultFile::Bare | ResultFile::Tables => done.update_count,
        };
        Ok(Outcome {
            columns: done.columns,
            update_count,
            output: at(key),
            manifest: done.manifest.map(at),
            rows: done.rows,
            output_bytes,
            scanned_bytes: 0,
            planning_ms: 0,
            execution_ms: 0,
        })
    }
}

/// Plans and starts a query.
pub(crate) async fn start(context: &QueryContext, planned: Planned) -> Result<SendableRecordBatchStream, QueryError> {
    let failed = |error| failure(&context.text, &error);
    let (plan, task) = planned.physical().await.map_err(failed)?;
    execute_stream(plan, task).map_err(failed)
}

/// The columns a plan's result is told with.
pub(crate) fn columns_of(planned: &Planned) -> Vec<ColumnInfo> {
    let fields = planned.plan.schema().fields();
    planned.names.iter().zip(fields).map(|(name, field)| ColumnInfo::of(name, &storable(field.data_type()))).collect()
}

async fn run_sql(context: &QueryContext, statement: &SqlStatement, key: &str) -> Result<Done, QueryError> {
    let planning = Instant::now();
    let note_planning = || context.planning_ms.store(elapsed_ms(planning), Ordering::Relaxed);
    match statement {
        SqlStatement::Query(query) => {
            let planned = plan_query(context, query, &context.database, 0).await?;
            let mut columns = columns_of(&planned);
            // a bare NULL is told as unknown
            for (column, field) in columns.iter_mut().zip(planned.plan.schema().fields()) {
                if field.data_type().is_null() {
                    *column = ColumnInfo::of(&column.name, field.data_type());
                }
            }
            let stream = start(context, planned).await?;
            note_planning();
            let (rows, output_bytes) = results::write_csv(context, key, &columns, stream).await?;
            Ok(Done {
                columns,
                update_type: None,
                update_count: None,
                rows,
                output_bytes,
                manifest: None,
                text: None,
                metadata: true,
            })
        }
        SqlStatement::Insert { table, columns, query } => writes::insert(context, table, columns, query, key).await,
        SqlStatement::CreateTableAs(create) => writes::create_table_as(context, create, key).await,
        SqlStatement::Unload { query, location, properties } => {
            writes::unload(context, query, location, properties, key).await
        }
        SqlStatement::CreateView { name, or_replace, comment, text, query } => {
            ddl::create_view(context, name, *or_replace, comment.clone(), text, query).await
        }
        SqlStatement::Explain { analyze, json, statement } => explain(context, *analyze, *json, statement).await,
        SqlStatement::ShowFunctions { like } => {
            let mut names = crate::functions::names();
            names.extend(context.base.scalar_functions().keys().cloned());
            names.extend(context.base.aggregate_functions().keys().cloned());
            names.extend(context.base.window_functions().keys().cloned());
            names.retain(|name| !name.contains('.') && like.as_deref().is_none_or(|like| show::sql_like(like, name)));
            names.sort();
            names.dedup();
            let mut text = String::from("\"Function\"\n");
            for name in &names {
                text.push_str(&format!("\"{name}\"\n"));
            }
            let rows = u64::try_from(names.len()).unwrap_or(0);
            let columns = vec![ColumnInfo::of("Function", &arrow::datatypes::DataType::Utf8)];
            Ok(Done {
                columns,
                update_type: None,
                update_count: None,
                rows,
                output_bytes: 0,
                manifest: None,
                text: Some(text),
                metadata: true,
            })
        }
        SqlStatement::Refused { what } => Err(QueryError::not_supported(format!(
            "Modifying Hive table rows is only supported for transactional tables ({what})"
        ))),
    }
}

async fn explain(
    context: &QueryContext,
    analyze: bool,
    json: bool,
    statement: &SqlStatement,
) -> Result<Done, QueryError> {
    let query = match statement {
        SqlStatement::Query(query) | SqlStatement::Insert { query, .. } | SqlStatement::Unload { query, .. } => query,
        SqlStatement::CreateTableAs(create) => &create.query,
        SqlStatement::CreateView { query, .. } => query,
        SqlStatement::Explain { .. } | SqlStatement::ShowFunctions { .. } | SqlStatement::Refused { .. } => {
            return Err(QueryError::not_supported("EXPLAIN explains queries"));
        }
    };
    let failed = |error| failure(&context.text, &error);
    let planned = plan_query(context, query, &context.database, 0).await?;
    let (plan, task) = planned.physical().await.map_err(failed)?;
    let text = if analyze {
        let mut stream = execute_stream(plan.clone(), task).map_err(failed)?;
        while let Some(batch) = futures::StreamExt::next(&mut stream).await {
            batch.map_err(failed)?;
        }
        datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan.as_ref())
            .indent(true)
            .to_string()
    } else {
        displayable(plan.as_ref()).indent(false).to_string()
    };
    let lines: Vec<String> = if json {
        vec![serde_json::json!({ "plan": text.lines().collect::<Vec<_>>() }).to_string()]
    } else {
        std::iter::once("Query Plan".to_owned()).chain(text.lines().map(str::to_owned)).collect()
    };
    let mut done = Done::lines(&["Query Plan"], &lines);
    done.columns = vec![ColumnInfo::of("Query Plan", &arrow::datatypes::DataType::Utf8)];
    Ok(done)
}
