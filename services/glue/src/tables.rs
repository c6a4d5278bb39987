//! Tables on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::glue as wire;
use tarn_aws_protocol::AwsError;
use tarn_catalog::{SearchComparator, SearchFilter, SearchTables, UpdateTable};
use tarn_policy::Requirement;

use crate::Glue;
use crate::convert::Attributes;
use crate::errors::{detail, invalid, of_catalog, refuse_unbuilt};
use crate::{convert, paging, resources};

/// The most tables of a page.
const PAGE_SIZE_MAX: usize = 100;
/// The most tables of a page of a search.
const SEARCH_PAGE_SIZE_MAX: usize = 1_000;

/// The name of a table that is made or changed: it stands in the input, and may stand beside it as well.
pub(crate) fn name_of(beside: Option<&String>, input: Option<&wire::TableInput>) -> Result<String, AwsError> {
    let inside = input.and_then(|input| input.name.as_ref());
    match (inside, beside) {
        (Some(inside), Some(beside)) if inside.to_lowercase() != beside.to_lowercase() => {
            Err(invalid(format!("Name is {beside} and TableInput.Name is {inside}: they must be the same.")))
        }
        (Some(name), _) => Ok(name.clone()),
        (None, _) => {
            Err(invalid("TableInput with a Name is needed; tables cannot be made from other formats' inputs here."))
        }
    }
}

fn input_of(input: Option<wire::TableInput>) -> Result<tarn_catalog::TableInput, AwsError> {
    convert::table_input(input.unwrap_or_default())
}

pub(crate) async fn create(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::CreateTableRequest,
) -> Result<wire::CreateTableResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    refuse_unbuilt("OpenTableFormatInput", input.open_table_format_input.as_ref())?;
    let table = input_of(input.table_input)?;
    let indexes = convert::partition_indexes(input.partition_indexes);
    let database = input.database_name.unwrap_or_default();
    glue.catalog.create_table(&caller, &database, table, indexes).await.map_err(of_catalog)?;
    Ok(wire::CreateTableResponse {})
}

pub(crate) async fn get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetTableRequest,
) -> Result<wire::GetTableResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    refuse_unbuilt("QueryAsOfTime", input.query_as_of_time.as_ref())?;
    let attributes = Attributes::of(input.attributes_to_get.as_ref())?;
    let (database, name) = (input.database_name.unwrap_or_default(), input.name.unwrap_or_default());
    let table = glue.catalog.table(caller.authorized(), &database, &name).map_err(of_catalog)?;
    Ok(wire::GetTableResponse { table: Some(attributes.only(convert::table(table, caller.scope()))) })
}

fn may_see(caller: &Caller, action: &'static str, table: &tarn_catalog::Table) -> bool {
    let arn = resources::table_arn(caller.scope(), &table.database_name, table.name());
    caller.authorizer().authorize(vec![Requirement::new(action, arn)]).is_ok()
}

/// Those that the caller may see, as AWS lists them.
pub(crate) async fn list(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetTablesRequest,
) -> Result<wire::GetTablesResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    refuse_unbuilt("QueryAsOfTime", input.query_as_of_time.as_ref())?;
    let attributes = Attributes::of(input.attributes_to_get.as_ref())?;
    let after = paging::part(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let database = input.database_name.unwrap_or_default();
    let expression = input.expression.as_deref().filter(|expression| !expression.is_empty());
    let page =
        glue.catalog.tables(caller.authorized(), &database, expression, after.as_deref(), limit).map_err(of_catalog)?;
    // No other catalog is federated with this one.
    let federated = input.resource_share_type.as_deref() == Some("FEDERATED");
    let tables = page
        .items
        .into_iter()
        .filter(|table| !federated && may_see(&caller, "glue:GetTables", table))
        .map(|table| attributes.only(convert::table(table, caller.scope())));
    Ok(wire::GetTablesResponse {
        table_list: Some(tables.collect()),
        next_token: page.next.map(|next| paging::token(&[next])),
    })
}

pub(crate) async fn update(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::UpdateTableRequest,
) -> Result<wire::UpdateTableResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    refuse_unbuilt("ViewUpdateAction", input.view_update_action.as_ref())?;
    refuse_unbuilt("Force", input.force.filter(|force| *force).as_ref())?;
    refuse_unbuilt("UpdateOpenTableFormatInput", input.update_open_table_format_input.as_ref())?;
    let version_id = input
        .version_id
        .map(|text| text.parse().map_err(|_| invalid(format!("VersionId {text:?} is not a version of a table."))))
        .transpose()?;
    let update = UpdateTable {
        input: input_of(input.table_input)?,
        version_id,
        skip_archive: input.skip_archive.unwrap_or_default(),
    };
    let database = input.database_name.unwrap_or_default();
    glue.catalog.update_table(&caller, &database, update).await.map_err(of_catalog)?;
    Ok(wire::UpdateTableResponse {})
}

pub(crate) async fn delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::DeleteTableRequest,
) -> Result<wire::DeleteTableResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    let (database, name) = (input.database_name.unwrap_or_default(), input.name.unwrap_or_default());
    glue.catalog.delete_table(&caller, &database, &name).await.map_err(of_catalog)?;
    Ok(wire::DeleteTableResponse {})
}

pub(crate) async fn batch_delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchDeleteTableRequest,
) -> Result<wire::BatchDeleteTableResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    let database = input.database_name.unwrap_or_default();
    let names = input.tables_to_delete.unwrap_or_default();
    let failed = glue.catalog.delete_tables(&caller, &database, names).await.map_err(of_catalog)?;
    let errors = failed
        .into_iter()
        .map(|(name, error)| wire::TableError { table_name: Some(name), error_detail: Some(detail(error)) });
    Ok(wire::BatchDeleteTableResponse { errors: Some(errors.collect()) })
}

fn comparator(name: Option<&str>) -> SearchComparator {
    match name {
        Some("GREATER_THAN") => SearchComparator::GreaterThan,
        Some("LESS_THAN") => SearchComparator::LessThan,
        Some("GREATER_THAN_EQUALS") => SearchComparator::GreaterThanEquals,
        Some("LESS_THAN_EQUALS") => SearchComparator::LessThanEquals,
        Some(_) | None => SearchComparator::Equals,
    }
}

pub(crate) async fn search(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::SearchTablesRequest,
) -> Result<wire::SearchTablesResponse, AwsError> {
    if input.resource_share_type.as_deref().is_some_and(|share| share != "ALL") {
        return Ok(wire::SearchTablesResponse { next_token: None, table_list: Some(Vec::new()) });
    }
    let offset = match paging::part(input.next_token.as_ref())? {
        None => 0,
        Some(text) => text.parse().map_err(|_| invalid("The NextToken is not one of a search."))?,
    };
    let limit = paging::limit(input.max_results, SEARCH_PAGE_SIZE_MAX);
    let sort = input.sort_criteria.unwrap_or_default().into_iter().next();
    let filters = input.filters.unwrap_or_default().into_iter().map(|filter| SearchFilter {
        key: filter.key.unwrap_or_default(),
        value: filter.value.unwrap_or_default(),
        comparator: comparator(filter.comparator.as_deref()),
    });
    let search = SearchTables {
        text: input.search_text,
        filters: filters.collect(),
        descending: sort.as_ref().is_some_and(|sort| sort.sort.as_deref() == Some("DESC")),
        sort_by: sort.and_then(|sort| sort.field_name),
        offset,
        limit,
    };
    let scope = caller.scope().clone();
    // It reads the whole catalog.
    let found = tokio::task::spawn_blocking(move || {
        glue.catalog.search_tables(caller.authorized(), &search, |table| may_see(&caller, "glue:SearchTables", table))
    });
    let (tables, more) = found
        .await
        .map_err(|_| AwsError::internal_failure("The search did not end; try again."))?
        .map_err(of_catalog)?;
    Ok(wire::SearchTablesResponse {
        next_token: more.then(|| paging::token(&[(offset + limit).to_string()])),
        table_list: Some(tables.into_iter().map(|table| convert::table(table, &scope)).collect()),
    })
}
