//! Versions of tables on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::glue as wire;
use tarn_aws_protocol::AwsError;
use tarn_types::Scope;

use crate::Glue;
use crate::errors::{detail, invalid, of_catalog};
use crate::{convert, paging};

/// The most versions of a page.
const PAGE_SIZE_MAX: usize = 100;

fn version(table: tarn_catalog::Table, scope: &Scope) -> wire::TableVersion {
    let version_id = Some(table.version_id.to_string());
    wire::TableVersion { table: Some(convert::table(table, scope)), version_id }
}

pub(crate) async fn get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetTableVersionRequest,
) -> Result<wire::GetTableVersionResponse, AwsError> {
    let (database, table) = (input.database_name.unwrap_or_default(), input.table_name.unwrap_or_default());
    let found = glue.catalog.table_version(caller.authorized(), &database, &table, input.version_id.as_deref());
    Ok(wire::GetTableVersionResponse { table_version: Some(version(found.map_err(of_catalog)?, caller.scope())) })
}

pub(crate) async fn list(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetTableVersionsRequest,
) -> Result<wire::GetTableVersionsResponse, AwsError> {
    let (database, table) = (input.database_name.unwrap_or_default(), input.table_name.unwrap_or_default());
    let after = paging::part(input.next_token.as_ref())?
        .map(|text| text.parse().map_err(|_| invalid("The NextToken is not one of a list of versions.")))
        .transpose()?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let page = glue.catalog.table_versions(caller.authorized(), &database, &table, after, limit).map_err(of_catalog)?;
    Ok(wire::GetTableVersionsResponse {
        table_versions: Some(page.items.into_iter().map(|table| version(table, caller.scope())).collect()),
        next_token: page.next.map(|next| paging::token(&[next])),
    })
}

pub(crate) async fn delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::DeleteTableVersionRequest,
) -> Result<wire::DeleteTableVersionResponse, AwsError> {
    let (database, table) = (input.database_name.unwrap_or_default(), input.table_name.unwrap_or_default());
    let ids = vec![input.version_id.unwrap_or_default()];
    let failed = glue.catalog.delete_table_versions(&caller, &database, &table, ids).await.map_err(of_catalog)?;
    match failed.into_iter().next() {
        Some((_, error)) => Err(of_catalog(error)),
        None => Ok(wire::DeleteTableVersionResponse {}),
    }
}

pub(crate) async fn batch_delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchDeleteTableVersionRequest,
) -> Result<wire::BatchDeleteTableVersionResponse, AwsError> {
    let (database, table) = (input.database_name.unwrap_or_default(), input.table_name.unwrap_or_default());
    let ids = input.version_ids.unwrap_or_default();
    let failed = glue.catalog.delete_table_versions(&caller, &database, &table, ids).await.map_err(of_catalog)?;
    let errors = failed.into_iter().map(|(version_id, error)| wire::TableVersionError {
        table_name: Some(table.clone()),
        version_id: Some(version_id),
        error_detail: Some(detail(error)),
    });
    Ok(wire::BatchDeleteTableVersionResponse { errors: Some(errors.collect()) })
}
