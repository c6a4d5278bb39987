//! What each operation's callers must be allowed. A call on a table needs its permission on the catalog, the database and the
//! table: <https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html>. Names in ARNs are folded as the catalog
//! folds them, so that `Raw` is not a way around a policy on `raw`.

use tarn_aws_model::glue::{self as wire, SERVICE};
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;
use tarn_types::{Arn, Scope};

use crate::Glue;
use crate::tags::Tagged;

type Needs = Result<Vec<Requirement>, AwsError>;

fn arn(scope: &Scope, resource: impl Into<String>) -> Arn {
    Arn::regional("glue", &scope.region, &scope.account, resource)
}

pub(crate) fn database_arn(scope: &Scope, database: &str) -> Arn {
    arn(scope, format!("database/{}", database.to_lowercase()))
}

pub(crate) fn table_arn(scope: &Scope, database: &str, table: &str) -> Arn {
    arn(scope, format!("table/{}/{}", database.to_lowercase(), table.to_lowercase()))
}

fn crawler_arn(scope: &Scope, name: &str) -> Arn {
    arn(scope, format!("crawler/{name}"))
}

/// Another account's catalog needs that account's permission, which is given with a resource policy: there are none here.
fn own_catalog(scope: &Scope, catalog_id: Option<&String>) -> Result<(), AwsError> {
    match catalog_id {
        Some(id) if id != scope.account.as_str() => Err(AwsError::access_denied(
            &SERVICE,
            format!("Catalog {id} is not of account {}; no other account's catalog can be used.", scope.account),
        )),
        Some(_) | None => Ok(()),
    }
}

fn on_catalog(action: &'static str, scope: &Scope, catalog_id: Option<&String>) -> Needs {
    own_catalog(scope, catalog_id)?;
    Ok(vec![Requirement::new(action, arn(scope, "catalog"))])
}

fn on_database(action: &'static str, scope: &Scope, catalog_id: Option<&String>, database: &str) -> Needs {
    let mut needs = on_catalog(action, scope, catalog_id)?;
    needs.push(Requirement::new(action, database_arn(scope, database)));
    Ok(needs)
}

fn on_table(action: &'static str, scope: &Scope, catalog_id: Option<&String>, database: &str, table: &str) -> Needs {
    let mut needs = on_database(action, scope, catalog_id, database)?;
    needs.push(Requirement::new(action, table_arn(scope, database, table)));
    Ok(needs)
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

macro_rules! on_tables {
    ($($function:ident $input:ident $action:literal $table:ident;)*) => {
        $(pub(crate) fn $function(_: &Glue, input: &wire::$input, scope: &Scope) -> Needs {
            on_table($action, scope, input.catalog_id.as_ref(), text(&input.database_name), text(&input.$table))
        })*
    };
}

on_tables! {
    get_table GetTableRequest "glue:GetTable" name;
    delete_table DeleteTableRequest "glue:DeleteTable" name;
    get_table_version GetTableVersionRequest "glue:GetTableVersion" table_name;
    get_table_versions GetTableVersionsRequest "glue:GetTableVersions" table_name;
    delete_table_version DeleteTableVersionRequest "glue:DeleteTableVersion" table_name;
    batch_delete_table_version BatchDeleteTableVersionRequest "glue:BatchDeleteTableVersion" table_name;
    create_partition CreatePartitionRequest "glue:CreatePartition" table_name;
    get_partition GetPartitionRequest "glue:GetPartition" table_name;
    get_partitions GetPartitionsRequest "glue:GetPartitions" table_name;
    update_partition UpdatePartitionRequest "glue:UpdatePartition" table_name;
    delete_partition DeletePartitionRequest "glue:DeletePartition" table_name;
    batch_create_partition BatchCreatePartitionRequest "glue:BatchCreatePartition" table_name;
    batch_delete_partition BatchDeletePartitionRequest "glue:BatchDeletePartition" table_name;
    batch_get_partition BatchGetPartitionRequest "glue:BatchGetPartition" table_name;
    batch_update_partition BatchUpdatePartitionRequest "glue:BatchUpdatePartition" table_name;
    get_partition_indexes GetPartitionIndexesRequest "glue:GetPartitionIndexes" table_name;
}

/// The name stands in the input, and may be given beside it.
pub(crate) fn create_table(_: &Glue, input: &wire::CreateTableRequest, scope: &Scope) -> Needs {
    let name = crate::tables::name_of(input.name.as_ref(), input.table_input.as_ref())?;
    on_table("glue:CreateTable", scope, input.catalog_id.as_ref(), text(&input.database_name), &name)
}

pub(crate) fn update_table(_: &Glue, input: &wire::UpdateTableRequest, scope: &Scope) -> Needs {
    let name = crate::tables::name_of(input.name.as_ref(), input.table_input.as_ref())?;
    on_table("glue:UpdateTable", scope, input.catalog_id.as_ref(), text(&input.database_name), &name)
}

pub(crate) fn batch_delete_table(_: &Glue, input: &wire::BatchDeleteTableRequest, scope: &Scope) -> Needs {
    let database = text(&input.database_name);
    let mut needs = on_database("glue:BatchDeleteTable", scope, input.catalog_id.as_ref(), database)?;
    for table in input.tables_to_delete.iter().flatten() {
        needs.push(Requirement::new("glue:BatchDeleteTable", table_arn(scope, database, table)));
    }
    Ok(needs)
}

/// The tables that the caller may not see are left out of the answer.
pub(crate) fn get_tables(_: &Glue, input: &wire::GetTablesRequest, scope: &Scope) -> Needs {
    on_database("glue:GetTables", scope, input.catalog_id.as_ref(), text(&input.database_name))
}

/// The tables that the caller may not see are left out of the answer.
pub(crate) fn search_tables(_: &Glue, input: &wire::SearchTablesRequest, scope: &Scope) -> Needs {
    on_catalog("glue:SearchTables", scope, input.catalog_id.as_ref())
}

pub(crate) fn create_database(_: &Glue, input: &wire::CreateDatabaseRequest, scope: &Scope) -> Needs {
    let name = input.database_input.as_ref().and_then(|input| input.name.as_deref()).unwrap_or_default();
    let needs = on_database("glue:CreateDatabase", scope, input.catalog_id.as_ref(), name)?;
    Ok(needs.into_iter().map(|need| need.with_request_tags(input.tags.clone().unwrap_or_default())).collect())
}

pub(crate) fn get_database(_: &Glue, input: &wire::GetDatabaseRequest, scope: &Scope) -> Needs {
    on_database("glue:GetDatabase", scope, input.catalog_id.as_ref(), text(&input.name))
}

/// The databases that the caller may not see are left out of the answer.
pub(crate) fn get_databases(_: &Glue, input: &wire::GetDatabasesRequest, scope: &Scope) -> Needs {
    on_catalog("glue:GetDatabases", scope, input.catalog_id.as_ref())
}

pub(crate) fn update_database(_: &Glue, input: &wire::UpdateDatabaseRequest, scope: &Scope) -> Needs {
    on_database("glue:UpdateDatabase", scope, input.catalog_id.as_ref(), text(&input.name))
}

/// All tables and functions go with it.
pub(crate) fn delete_database(_: &Glue, input: &wire::DeleteDatabaseRequest, scope: &Scope) -> Needs {
    let database = text(&input.name);
    let mut needs = on_table("glue:DeleteDatabase", scope, input.catalog_id.as_ref(), database, "*")?;
    let functions = arn(scope, format!("userDefinedFunction/{}/*", database.to_lowercase()));
    needs.push(Requirement::new("glue:DeleteDatabase", functions));
    Ok(needs)
}

pub(crate) fn get_user_defined_functions(
    _: &Glue,
    input: &wire::GetUserDefinedFunctionsRequest,
    scope: &Scope,
) -> Needs {
    let (action, catalog_id) = ("glue:GetUserDefinedFunctions", input.catalog_id.as_ref());
    match &input.database_name {
        Some(database) => on_database(action, scope, catalog_id, database),
        None => on_catalog(action, scope, catalog_id),
    }
}

pub(crate) fn get_catalog_import_status(_: &Glue, input: &wire::GetCatalogImportStatusRequest, scope: &Scope) -> Needs {
    on_catalog("glue:GetCatalogImportStatus", scope, input.catalog_id.as_ref())
}

fn on_tagged(action: &'static str, scope: &Scope, resource_arn: &Option<String>) -> Result<Requirement, AwsError> {
    let tagged = Tagged::of(text(resource_arn), scope)?;
    Ok(match tagged {
        Tagged::Database(name) => Requirement::new(action, database_arn(scope, &name)),
        Tagged::Crawler(name) => Requirement::new(action, crawler_arn(scope, &name)),
    })
}

pub(crate) fn tag_resource(_: &Glue, input: &wire::TagResourceRequest, scope: &Scope) -> Needs {
    let need = on_tagged("glue:TagResource", scope, &input.resource_arn)?;
    Ok(vec![need.with_request_tags(input.tags_to_add.clone().unwrap_or_default())])
}

pub(crate) fn untag_resource(_: &Glue, input: &wire::UntagResourceRequest, scope: &Scope) -> Needs {
    let mut need = on_tagged("glue:UntagResource", scope, &input.resource_arn)?;
    need.context.set_all("aws:TagKeys", input.tags_to_remove.clone().unwrap_or_default());
    Ok(vec![need])
}

pub(crate) fn get_tags(_: &Glue, input: &wire::GetTagsRequest, scope: &Scope) -> Needs {
    Ok(vec![on_tagged("glue:GetTags", scope, &input.resource_arn)?])
}

/// A crawler acts with a role: who names it must be allowed to pass it on.
fn pass_role(scope: &Scope, role: &str) -> Requirement {
    let role = Arn::parse(role).unwrap_or_else(|_| Arn::iam(&scope.account, format!("role/{role}")));
    Requirement::new("iam:PassRole", role).with("iam:PassedToService", "glue.amazonaws.com")
}

pub(crate) fn create_crawler(_: &Glue, input: &wire::CreateCrawlerRequest, scope: &Scope) -> Needs {
    own_catalog(scope, input.catalog_id.as_ref())?;
    let need = Requirement::new("glue:CreateCrawler", crawler_arn(scope, text(&input.name)));
    let mut needs =
        vec![need.with_request_tags(input.tags.clone().unwrap_or_default()), pass_role(scope, text(&input.role))];
    needs.extend(input.targets.iter().flat_map(read_targets));
    Ok(needs)
}

/// A crawler reads with its account's rights, so whoever points it somewhere must be allowed to read there: otherwise a sample of
/// what one may not read would stand in a table that one may.
fn read_targets(targets: &wire::CrawlerTargets) -> Vec<Requirement> {
    let paths = targets.s3_targets.iter().flatten().filter_map(|target| target.path.as_deref());
    let locations = paths.filter_map(|path| tarn_catalog::S3Location::parse(path).ok());
    locations
        .flat_map(|location| {
            [
                Requirement::new("s3:ListBucket", Arn::s3_bucket(&location.bucket)).with("s3:prefix", &location.prefix),
                Requirement::new("s3:GetObject", Arn::s3_object(&location.bucket, &format!("{}*", location.prefix))),
            ]
        })
        .collect()
}

pub(crate) fn update_crawler(_: &Glue, input: &wire::UpdateCrawlerRequest, scope: &Scope) -> Needs {
    own_catalog(scope, input.catalog_id.as_ref())?;
    let mut needs = vec![Requirement::new("glue:UpdateCrawler", crawler_arn(scope, text(&input.name)))];
    needs.extend(input.role.as_deref().map(|role| pass_role(scope, role)));
    needs.extend(input.targets.iter().flat_map(read_targets));
    Ok(needs)
}

macro_rules! on_crawlers {
    ($($function:ident $input:ident $action:literal $name:ident;)*) => {
        $(pub(crate) fn $function(_: &Glue, input: &wire::$input, scope: &Scope) -> Needs {
            Ok(vec![Requirement::new($action, crawler_arn(scope, text(&input.$name)))])
        })*
    };
}

on_crawlers! {
    get_crawler GetCrawlerRequest "glue:GetCrawler" name;
    delete_crawler DeleteCrawlerRequest "glue:DeleteCrawler" name;
    start_crawler StartCrawlerRequest "glue:StartCrawler" name;
    stop_crawler StopCrawlerRequest "glue:StopCrawler" name;
    list_crawls ListCrawlsRequest "glue:ListCrawls" crawler_name;
}

pub(crate) fn get_crawlers(_: &Glue, _: &wire::GetCrawlersRequest, _: &Scope) -> Needs {
    Ok(vec![Requirement::any("glue:GetCrawlers")])
}

pub(crate) fn list_crawlers(_: &Glue, _: &wire::ListCrawlersRequest, _: &Scope) -> Needs {
    Ok(vec![Requirement::any("glue:ListCrawlers")])
}

pub(crate) fn get_crawler_metrics(_: &Glue, _: &wire::GetCrawlerMetricsRequest, _: &Scope) -> Needs {
    Ok(vec![Requirement::any("glue:GetCrawlerMetrics")])
}

pub(crate) fn batch_get_crawlers(_: &Glue, input: &wire::BatchGetCrawlersRequest, scope: &Scope) -> Needs {
    let names: Vec<_> = input.crawler_names.iter().flatten().collect();
    if names.is_empty() {
        return Ok(vec![Requirement::any("glue:BatchGetCrawlers")]);
    }
    Ok(names.into_iter().map(|name| Requirement::new("glue:BatchGetCrawlers", crawler_arn(scope, name))).collect())
}
