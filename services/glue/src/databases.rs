//! Databases on the wire, and what hangs on the catalog as a whole.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::glue as wire;
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;

use crate::Glue;
use crate::errors::of_catalog;
use crate::{convert, paging, resources};

/// The most databases of a page.
const PAGE_SIZE_MAX: usize = 100;

pub(crate) async fn create(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::CreateDatabaseRequest,
) -> Result<wire::CreateDatabaseResponse, AwsError> {
    let database = convert::database_input(input.database_input)?;
    glue.catalog.create_database(&caller, database, input.tags.unwrap_or_default()).await.map_err(of_catalog)?;
    Ok(wire::CreateDatabaseResponse {})
}

pub(crate) async fn get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetDatabaseRequest,
) -> Result<wire::GetDatabaseResponse, AwsError> {
    let name = input.name.unwrap_or_default();
    let database = glue.catalog.database(caller.authorized(), &name).map_err(of_catalog)?;
    Ok(wire::GetDatabaseResponse { database: Some(convert::database(database, caller.scope())) })
}

/// Those that the caller may see, as AWS lists them.
pub(crate) async fn list(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetDatabasesRequest,
) -> Result<wire::GetDatabasesResponse, AwsError> {
    // No other account shares a database with this one.
    if input.resource_share_type.as_deref().is_some_and(|share| share != "ALL") {
        return Ok(wire::GetDatabasesResponse { database_list: Some(Vec::new()), next_token: None });
    }
    let after = paging::part(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let page = glue.catalog.databases(caller.authorized(), after.as_deref(), limit).map_err(of_catalog)?;
    let names_only = input.attributes_to_get.is_some_and(|asked| !asked.is_empty());
    let seen = page.items.into_iter().filter(|database| {
        let arn = resources::database_arn(caller.scope(), database.name());
        caller.authorizer().authorize(vec![Requirement::new("glue:GetDatabases", arn)]).is_ok()
    });
    let databases = seen.map(|database| {
        let database = convert::database(database, caller.scope());
        if names_only {
            wire::Database { name: database.name, catalog_id: database.catalog_id, ..wire::Database::default() }
        } else {
            database
        }
    });
    Ok(wire::GetDatabasesResponse {
        database_list: Some(databases.collect()),
        next_token: page.next.map(|next| paging::token(&[next])),
    })
}

pub(crate) async fn update(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::UpdateDatabaseRequest,
) -> Result<wire::UpdateDatabaseResponse, AwsError> {
    let database = convert::database_input(input.database_input)?;
    let name = input.name.unwrap_or_default();
    glue.catalog.update_database(&caller, &name, database).await.map_err(of_catalog)?;
    Ok(wire::UpdateDatabaseResponse {})
}

pub(crate) async fn delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::DeleteDatabaseRequest,
) -> Result<wire::DeleteDatabaseResponse, AwsError> {
    glue.catalog.delete_database(&caller, &input.name.unwrap_or_default()).await.map_err(of_catalog)?;
    Ok(wire::DeleteDatabaseResponse {})
}

/// Hive clients ask for them at start. There are none: no operation makes one.
pub(crate) async fn user_defined_functions(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetUserDefinedFunctionsRequest,
) -> Result<wire::GetUserDefinedFunctionsResponse, AwsError> {
    if let Some(database) = &input.database_name {
        glue.catalog.database(caller.authorized(), database).map_err(of_catalog)?;
    }
    Ok(wire::GetUserDefinedFunctionsResponse { user_defined_functions: Some(Vec::new()), next_token: None })
}

/// Whether Athena's own old catalog has been moved to Glue: there never was one here.
pub(crate) async fn catalog_import_status(
    _: Arc<Glue>,
    _: Caller,
    _: wire::GetCatalogImportStatusRequest,
) -> Result<wire::GetCatalogImportStatusResponse, AwsError> {
    let import_status =
        wire::CatalogImportStatus { import_completed: Some(true), ..wire::CatalogImportStatus::default() };
    Ok(wire::GetCatalogImportStatusResponse { import_status: Some(import_status) })
}
