//! Athena: executions, workgroups, saved statements and what clients ask of the catalog, over `tarn-query` and `tarn-catalog`. Knows
//! the wire's shapes and Athena's errors; keeps nothing itself and runs nothing.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod convert;
mod errors;
mod executions;
mod metadata;
mod named_queries;
mod prepared_statements;
mod resources;
mod results;
mod tags;
mod work_groups;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_aws_model::athena::{SERVICE, operations as op};
use tarn_catalog::Catalog;
use tarn_operation::{Access, Table};
use tarn_query::queries::Queries;

/// What Athena's operations work on.
pub struct Athena {
    pub(crate) queries: Queries,
    pub(crate) catalog: Arc<Catalog>,
}

/// Athena over `queries` and `catalog`.
pub fn service(queries: Queries, catalog: Arc<Catalog>) -> Table<Athena> {
    let table = Table::new(&SERVICE, Arc::new(Athena { queries, catalog }));
    metadata_rows(saved_rows(work_group_rows(execution_rows(table))))
}

macro_rules! rows {
    ($function:ident: $($operation:ident $access:ident $requirements:ident $handler:path;)*) => {
        fn $function(table: Table<Athena>) -> Table<Athena> {
            table $(.with::<op::$operation, _, _>(
                Access::$access(concat!("athena:", stringify!($operation))),
                resources::$requirements,
                $handler,
            ))*
        }
    };
}

rows! { execution_rows:
    StartQueryExecution write start_query_execution executions::start;
    GetQueryExecution read get_query_execution executions::get;
    BatchGetQueryExecution read batch_get_query_execution executions::batch_get;
    ListQueryExecutions read list_query_executions executions::list;
    StopQueryExecution write stop_query_execution executions::stop;
    GetQueryRuntimeStatistics read get_query_runtime_statistics executions::runtime_statistics;
    GetQueryResults read get_query_results results::get;
}

rows! { work_group_rows:
    CreateWorkGroup write create_work_group work_groups::create;
    GetWorkGroup read get_work_group work_groups::get;
    ListWorkGroups read list_work_groups work_groups::list;
    UpdateWorkGroup write update_work_group work_groups::update;
    DeleteWorkGroup write delete_work_group work_groups::delete;
    ListEngineVersions read list_engine_versions work_groups::engine_versions;
    TagResource write tag_resource tags::tag;
    UntagResource write untag_resource tags::untag;
    ListTagsForResource read list_tags_for_resource tags::list;
}

rows! { saved_rows:
    CreatePreparedStatement write create_prepared_statement prepared_statements::create;
    GetPreparedStatement read get_prepared_statement prepared_statements::get;
    BatchGetPreparedStatement read batch_get_prepared_statement prepared_statements::batch_get;
    ListPreparedStatements read list_prepared_statements prepared_statements::list;
    UpdatePreparedStatement write update_prepared_statement prepared_statements::update;
    DeletePreparedStatement write delete_prepared_statement prepared_statements::delete;
    CreateNamedQuery write create_named_query named_queries::create;
    GetNamedQuery read get_named_query named_queries::get;
    BatchGetNamedQuery read batch_get_named_query named_queries::batch_get;
    ListNamedQueries read list_named_queries named_queries::list;
    UpdateNamedQuery write update_named_query named_queries::update;
    DeleteNamedQuery write delete_named_query named_queries::delete;
}

rows! { metadata_rows:
    ListDataCatalogs read list_data_catalogs metadata::list_data_catalogs;
    GetDataCatalog read get_data_catalog metadata::get_data_catalog;
    ListDatabases read list_databases metadata::list_databases;
    GetDatabase read get_database metadata::get_database;
    ListTableMetadata read list_table_metadata metadata::list_tables;
    GetTableMetadata read get_table_metadata metadata::get_table;
}
