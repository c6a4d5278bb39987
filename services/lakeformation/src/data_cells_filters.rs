//! Data cells filters on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_formation::CellsFilter;
use tarn_types::Scope;

use crate::LakeFormation;
use crate::convert::{columns, columns_out, name, own_catalog, required};
use crate::errors::{invalid, refuse_unbuilt, to_aws};
use crate::paging;

/// All rows, if nothing is said of them.
fn row_filter(rows: Option<wire::RowFilter>) -> Result<Option<String>, AwsError> {
    let wire::RowFilter { filter_expression, all_rows_wildcard } = rows.unwrap_or_default();
    match (filter_expression, all_rows_wildcard) {
        (Some(_), Some(_)) => Err(invalid("FilterExpression and AllRowsWildcard cannot be given together.")),
        (text, None) => Ok(text),
        (None, Some(_)) => Ok(None),
    }
}

fn filter(data: Option<wire::DataCellsFilter>, scope: &Scope) -> Result<CellsFilter, AwsError> {
    let data = required(data, "TableData")?;
    own_catalog(data.table_catalog_id.as_ref(), scope)?;
    let columns = columns(data.column_names, data.column_wildcard)?;
    Ok(CellsFilter {
        database: name(data.database_name, "DatabaseName")?,
        table: name(data.table_name, "TableName")?,
        name: required(data.name, "Name")?,
        columns: columns.ok_or_else(|| invalid("A filter has either ColumnNames or a ColumnWildcard."))?,
        row_filter: row_filter(data.row_filter)?,
        version_id: data.version_id.unwrap_or_default(),
        table_id: Default::default(),
    })
}

fn shown(filter: CellsFilter, scope: &Scope) -> wire::DataCellsFilter {
    let (column_names, column_wildcard) = columns_out(filter.columns);
    let row_filter = match filter.row_filter {
        Some(text) => wire::RowFilter { filter_expression: Some(text), all_rows_wildcard: None },
        None => wire::RowFilter { filter_expression: None, all_rows_wildcard: Some(wire::AllRowsWildcard {}) },
    };
    wire::DataCellsFilter {
        table_catalog_id: Some(scope.account.to_string()),
        database_name: Some(filter.database),
        table_name: Some(filter.table),
        name: Some(filter.name),
        row_filter: Some(row_filter),
        column_names,
        column_wildcard,
        version_id: Some(filter.version_id),
    }
}

pub(crate) async fn create(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::CreateDataCellsFilterRequest,
) -> Result<wire::CreateDataCellsFilterResponse, AwsError> {
    let filter = filter(input.table_data, caller.scope())?;
    lake.formation.create_cells_filter(&caller, filter).await.map_err(to_aws)?;
    Ok(wire::CreateDataCellsFilterResponse {})
}

pub(crate) async fn update(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::UpdateDataCellsFilterRequest,
) -> Result<wire::UpdateDataCellsFilterResponse, AwsError> {
    let filter = filter(input.table_data, caller.scope())?;
    lake.formation.update_cells_filter(&caller, filter).await.map_err(to_aws)?;
    Ok(wire::UpdateDataCellsFilterResponse {})
}

pub(crate) async fn delete(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::DeleteDataCellsFilterRequest,
) -> Result<wire::DeleteDataCellsFilterResponse, AwsError> {
    let (database, table) = (name(input.database_name, "DatabaseName")?, name(input.table_name, "TableName")?);
    let name = required(input.name, "Name")?;
    lake.formation.delete_cells_filter(&caller, &database, &table, &name).await.map_err(to_aws)?;
    Ok(wire::DeleteDataCellsFilterResponse {})
}

pub(crate) async fn get(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::GetDataCellsFilterRequest,
) -> Result<wire::GetDataCellsFilterResponse, AwsError> {
    let (database, table) = (name(input.database_name, "DatabaseName")?, name(input.table_name, "TableName")?);
    let name = required(input.name, "Name")?;
    let filter = lake.formation.cells_filter(caller.authorized(), &database, &table, &name).map_err(to_aws)?;
    Ok(wire::GetDataCellsFilterResponse { data_cells_filter: Some(shown(filter, caller.scope())) })
}

pub(crate) async fn list(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::ListDataCellsFilterRequest,
) -> Result<wire::ListDataCellsFilterResponse, AwsError> {
    let table = match input.table {
        None => None,
        Some(table) => {
            refuse_unbuilt("Table.TableWildcard", table.table_wildcard.as_ref())?;
            Some((name(table.database_name, "Table.DatabaseName")?, name(table.name, "Table.Name")?))
        }
    };
    let table = table.as_ref().map(|(database, name)| (database.as_str(), name.as_str()));
    let after = paging::after(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, paging::PAGE_SIZE_MAX);
    let page = lake.formation.cells_filters(caller.authorized(), table, after.as_deref(), limit).map_err(to_aws)?;
    Ok(wire::ListDataCellsFilterResponse {
        data_cells_filters: Some(page.items.into_iter().map(|filter| shown(filter, caller.scope())).collect()),
        next_token: paging::token(page.next),
    })
}
