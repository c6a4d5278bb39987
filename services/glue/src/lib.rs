//! Glue: the Data Catalog and crawlers over `tarn-catalog` and `tarn-crawlers`. Knows the wire's shapes and Glue's errors; keeps
//! nothing itself.
//!
//! One file for each resource; `resources` says what each operation's callers must be allowed.

mod convert;
mod crawler_convert;
mod crawlers;
mod crawls;
mod databases;
mod errors;
mod paging;
mod partitions;
mod resources;
mod table_versions;
mod tables;
mod tags;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tarn_aws_model::glue::{SERVICE, operations as op};
use tarn_catalog::Catalog;
use tarn_crawlers::Crawlers;
use tarn_operation::{Access, Table};

/// What Glue's operations work on.
pub struct Glue {
    pub(crate) catalog: Catalog,
    pub(crate) crawlers: Crawlers,
}

/// Glue over `catalog` and `crawlers`.
pub fn service(catalog: Catalog, crawlers: Crawlers) -> Table<Glue> {
    let table = Table::new(&SERVICE, Arc::new(Glue { catalog, crawlers }));
    crawler_rows(partition_rows(table_rows(database_rows(table))))
}

macro_rules! rows {
    ($function:ident: $($operation:ident $access:ident $requirements:ident $handler:path;)*) => {
        fn $function(table: Table<Glue>) -> Table<Glue> {
            table $(.with::<op::$operation, _, _>(
                Access::$access(concat!("glue:", stringify!($operation))),
                resources::$requirements,
                $handler,
            ))*
        }
    };
}

rows! { database_rows:
    CreateDatabase write create_database databases::create;
    GetDatabase read get_database databases::get;
    GetDatabases read get_databases databases::list;
    UpdateDatabase write update_database databases::update;
    DeleteDatabase write delete_database databases::delete;
    GetUserDefinedFunctions read get_user_defined_functions databases::user_defined_functions;
    GetCatalogImportStatus read get_catalog_import_status databases::catalog_import_status;
    TagResource write tag_resource tags::tag;
    UntagResource write untag_resource tags::untag;
    GetTags read get_tags tags::get;
}

rows! { table_rows:
    CreateTable write create_table tables::create;
    GetTable read get_table tables::get;
    GetTables read get_tables tables::list;
    UpdateTable write update_table tables::update;
    DeleteTable write delete_table tables::delete;
    BatchDeleteTable write batch_delete_table tables::batch_delete;
    SearchTables read search_tables tables::search;
    GetTableVersion read get_table_version table_versions::get;
    GetTableVersions read get_table_versions table_versions::list;
    DeleteTableVersion write delete_table_version table_versions::delete;
    BatchDeleteTableVersion write batch_delete_table_version table_versions::batch_delete;
}

rows! { partition_rows:
    CreatePartition write create_partition partitions::create;
    GetPartition read get_partition partitions::get;
    GetPartitions read get_partitions partitions::list;
    UpdatePartition write update_partition partitions::update;
    DeletePartition write delete_partition partitions::delete;
    BatchCreatePartition write batch_create_partition partitions::batch_create;
    BatchDeletePartition write batch_delete_partition partitions::batch_delete;
    BatchGetPartition read batch_get_partition partitions::batch_get;
    BatchUpdatePartition write batch_update_partition partitions::batch_update;
    GetPartitionIndexes read get_partition_indexes partitions::indexes;
}

rows! { crawler_rows:
    CreateCrawler write create_crawler crawlers::create;
    GetCrawler read get_crawler crawlers::get;
    GetCrawlers read get_crawlers crawlers::list;
    ListCrawlers read list_crawlers crawlers::list_names;
    BatchGetCrawlers read batch_get_crawlers crawlers::batch_get;
    UpdateCrawler write update_crawler crawlers::update;
    DeleteCrawler write delete_crawler crawlers::delete;
    StartCrawler write start_crawler crawlers::start;
    StopCrawler write stop_crawler crawlers::stop;
    GetCrawlerMetrics read get_crawler_metrics crawls::metrics;
    ListCrawls read list_crawls crawls::list;
}
