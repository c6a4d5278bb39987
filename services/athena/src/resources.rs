//! What each operation's callers must be allowed: `athena:*` on a workgroup or a data catalog, and Glue's permissions for what is read
//! of the catalog: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html>.
//!
//! An execution is permitted by its workgroup; one that is not there by `primary`, so that a refusal does not tell which it was.

use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;
use tarn_query::queries::{PRIMARY, QueriesError, work_group_arn};
use tarn_types::{Arn, Scope};

use crate::Athena;
use crate::convert;
use crate::errors::of_queries;
use crate::tags::Tagged;

type Needs = Result<Vec<Requirement>, AwsError>;

fn on_work_group(action: &'static str, scope: &Scope, name: Option<&String>) -> Needs {
    let name = name.map_or(PRIMARY, String::as_str);
    Ok(vec![Requirement::new(action, work_group_arn(scope, name))])
}

fn on_found(action: &'static str, scope: &Scope, found: Result<Option<String>, QueriesError>) -> Needs {
    on_work_group(action, scope, found.map_err(of_queries)?.as_ref())
}

fn execution(athena: &Athena, action: &'static str, scope: &Scope, id: Option<&String>) -> Needs {
    let id = id.map_or("", String::as_str);
    on_found(action, scope, athena.queries.work_group_of_execution(&scope.account, id))
}

fn named(athena: &Athena, action: &'static str, scope: &Scope, id: Option<&String>) -> Needs {
    let id = id.map_or("", String::as_str);
    on_found(action, scope, athena.queries.work_group_of_named_query(&scope.account, id))
}

/// All that are asked for, each once.
fn all<'a>(ids: Option<&'a Vec<String>>, needs_of: impl Fn(Option<&'a String>) -> Needs) -> Needs {
    let mut needs: Vec<Requirement> = Vec::new();
    for id in ids.into_iter().flatten() {
        for need in needs_of(Some(id))? {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
    }
    if needs.is_empty() { needs_of(None) } else { Ok(needs) }
}

macro_rules! on_work_groups {
    ($($function:ident $input:ident $action:literal $member:ident;)*) => {
        $(pub(crate) fn $function(_: &Athena, input: &wire::$input, scope: &Scope) -> Needs {
            on_work_group($action, scope, input.$member.as_ref())
        })*
    };
}

on_work_groups! {
    start_query_execution StartQueryExecutionInput "athena:StartQueryExecution" work_group;
    list_query_executions ListQueryExecutionsInput "athena:ListQueryExecutions" work_group;
    get_work_group GetWorkGroupInput "athena:GetWorkGroup" work_group;
    update_work_group UpdateWorkGroupInput "athena:UpdateWorkGroup" work_group;
    delete_work_group DeleteWorkGroupInput "athena:DeleteWorkGroup" work_group;
    create_prepared_statement CreatePreparedStatementInput "athena:CreatePreparedStatement" work_group;
    get_prepared_statement GetPreparedStatementInput "athena:GetPreparedStatement" work_group;
    batch_get_prepared_statement BatchGetPreparedStatementInput "athena:BatchGetPreparedStatement" work_group;
    list_prepared_statements ListPreparedStatementsInput "athena:ListPreparedStatements" work_group;
    update_prepared_statement UpdatePreparedStatementInput "athena:UpdatePreparedStatement" work_group;
    delete_prepared_statement DeletePreparedStatementInput "athena:DeletePreparedStatement" work_group;
    create_named_query CreateNamedQueryInput "athena:CreateNamedQuery" work_group;
    list_named_queries ListNamedQueriesInput "athena:ListNamedQueries" work_group;
}

macro_rules! on_executions {
    ($($function:ident $input:ident $action:literal;)*) => {
        $(pub(crate) fn $function(athena: &Athena, input: &wire::$input, scope: &Scope) -> Needs {
            execution(athena, $action, scope, input.query_execution_id.as_ref())
        })*
    };
}

on_executions! {
    get_query_execution GetQueryExecutionInput "athena:GetQueryExecution";
    stop_query_execution StopQueryExecutionInput "athena:StopQueryExecution";
    get_query_runtime_statistics GetQueryRuntimeStatisticsInput "athena:GetQueryRuntimeStatistics";
    get_query_results GetQueryResultsInput "athena:GetQueryResults";
}

pub(crate) fn batch_get_query_execution(
    athena: &Athena,
    input: &wire::BatchGetQueryExecutionInput,
    scope: &Scope,
) -> Needs {
    let action = "athena:BatchGetQueryExecution";
    all(input.query_execution_ids.as_ref(), |id| execution(athena, action, scope, id))
}

pub(crate) fn get_named_query(athena: &Athena, input: &wire::GetNamedQueryInput, scope: &Scope) -> Needs {
    named(athena, "athena:GetNamedQuery", scope, input.named_query_id.as_ref())
}

pub(crate) fn update_named_query(athena: &Athena, input: &wire::UpdateNamedQueryInput, scope: &Scope) -> Needs {
    named(athena, "athena:UpdateNamedQuery", scope, input.named_query_id.as_ref())
}

pub(crate) fn delete_named_query(athena: &Athena, input: &wire::DeleteNamedQueryInput, scope: &Scope) -> Needs {
    named(athena, "athena:DeleteNamedQuery", scope, input.named_query_id.as_ref())
}

pub(crate) fn batch_get_named_query(athena: &Athena, input: &wire::BatchGetNamedQueryInput, scope: &Scope) -> Needs {
    all(input.named_query_ids.as_ref(), |id| named(athena, "athena:BatchGetNamedQuery", scope, id))
}

/// Workgroups that the caller may not see are left out of the answer.
pub(crate) fn list_work_groups(_: &Athena, _: &wire::ListWorkGroupsInput, _: &Scope) -> Needs {
    Ok(vec![Requirement::any("athena:ListWorkGroups")])
}

pub(crate) fn list_engine_versions(_: &Athena, _: &wire::ListEngineVersionsInput, _: &Scope) -> Needs {
    Ok(vec![Requirement::any("athena:ListEngineVersions")])
}

pub(crate) fn list_data_catalogs(_: &Athena, _: &wire::ListDataCatalogsInput, _: &Scope) -> Needs {
    Ok(vec![Requirement::any("athena:ListDataCatalogs")])
}

fn tagged(action: &'static str, scope: &Scope, arn: Option<&String>) -> Needs {
    let tagged = Tagged::of(arn.map_or("", String::as_str), scope)?;
    Ok(vec![Requirement::new(action, tagged.arn(scope))])
}

pub(crate) fn create_work_group(_: &Athena, input: &wire::CreateWorkGroupInput, scope: &Scope) -> Needs {
    with_tags(on_work_group("athena:CreateWorkGroup", scope, input.name.as_ref())?, input.tags.as_ref())
}

pub(crate) fn tag_resource(_: &Athena, input: &wire::TagResourceInput, scope: &Scope) -> Needs {
    with_tags(tagged("athena:TagResource", scope, input.resource_arn.as_ref())?, input.tags.as_ref())
}

fn with_tags(needs: Vec<Requirement>, tags: Option<&Vec<wire::Tag>>) -> Needs {
    let tags = convert::tags(tags.cloned());
    Ok(needs.into_iter().map(|need| need.with_request_tags(tags.clone())).collect())
}

pub(crate) fn untag_resource(_: &Athena, input: &wire::UntagResourceInput, scope: &Scope) -> Needs {
    let mut needs = tagged("athena:UntagResource", scope, input.resource_arn.as_ref())?;
    for need in &mut needs {
        need.context.set_all("aws:TagKeys", input.tag_keys.iter().flatten().cloned());
    }
    Ok(needs)
}

pub(crate) fn list_tags_for_resource(_: &Athena, input: &wire::ListTagsForResourceInput, scope: &Scope) -> Needs {
    tagged("athena:ListTagsForResource", scope, input.resource_arn.as_ref())
}

pub(crate) fn data_catalog_arn(scope: &Scope, name: &str) -> Arn {
    Arn::regional("athena", &scope.region, &scope.account, format!("datacatalog/{name}"))
}

fn glue(scope: &Scope, resource: String) -> Arn {
    Arn::regional("glue", &scope.region, &scope.account, resource)
}

/// Names in ARNs are folded as the catalog folds them.
pub(crate) fn database_arn(scope: &Scope, database: &str) -> Arn {
    glue(scope, format!("database/{}", database.to_lowercase()))
}

/// Names in ARNs are folded as the catalog folds them.
pub(crate) fn table_arn(scope: &Scope, database: &str, table: &str) -> Arn {
    glue(scope, format!("table/{}/{}", database.to_lowercase(), table.to_lowercase()))
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn on_catalog(
    action: &'static str,
    glue_action: &'static str,
    scope: &Scope,
    catalog: &Option<String>,
) -> Vec<Requirement> {
    vec![
        Requirement::new(action, data_catalog_arn(scope, text(catalog))),
        Requirement::new(glue_action, glue(scope, "catalog".to_owned())),
    ]
}

pub(crate) fn get_data_catalog(_: &Athena, input: &wire::GetDataCatalogInput, scope: &Scope) -> Needs {
    Ok(vec![Requirement::new("athena:GetDataCatalog", data_catalog_arn(scope, text(&input.name)))])
}

/// Databases that the caller may not see are left out of the answer.
pub(crate) fn list_databases(_: &Athena, input: &wire::ListDatabasesInput, scope: &Scope) -> Needs {
    Ok(on_catalog("athena:ListDatabases", "glue:GetDatabases", scope, &input.catalog_name))
}

pub(crate) fn get_database(_: &Athena, input: &wire::GetDatabaseInput, scope: &Scope) -> Needs {
    let mut needs = on_catalog("athena:GetDatabase", "glue:GetDatabase", scope, &input.catalog_name);
    needs.push(Requirement::new("glue:GetDatabase", database_arn(scope, text(&input.database_name))));
    Ok(needs)
}

/// Tables that the caller may not see are left out of the answer.
pub(crate) fn list_table_metadata(_: &Athena, input: &wire::ListTableMetadataInput, scope: &Scope) -> Needs {
    let mut needs = on_catalog("athena:ListTableMetadata", "glue:GetTables", scope, &input.catalog_name);
    needs.push(Requirement::new("glue:GetTables", database_arn(scope, text(&input.database_name))));
    Ok(needs)
}

pub(crate) fn get_table_metadata(_: &Athena, input: &wire::GetTableMetadataInput, scope: &Scope) -> Needs {
    let (database, table) = (text(&input.database_name), text(&input.table_name));
    let mut needs = on_catalog("athena:GetTableMetadata", "glue:GetTable", scope, &input.catalog_name);
    needs.push(Requirement::new("glue:GetTable", database_arn(scope, database)));
    needs.push(Requirement::new("glue:GetTable", table_arn(scope, database, table)));
    Ok(needs)
}
