//! Results on the wire: rows of texts with their columns' types.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_query::ColumnInfo;

use crate::Athena;
use crate::convert;
use crate::errors::{invalid, of_queries};

fn column(column: ColumnInfo) -> wire::ColumnInfo {
    wire::ColumnInfo {
        catalog_name: Some("hive".to_owned()),
        schema_name: Some(String::new()),
        table_name: Some(String::new()),
        name: Some(column.name.clone()),
        label: Some(column.name),
        r#type: Some(column.type_name),
        precision: i32::try_from(column.precision).ok(),
        scale: i32::try_from(column.scale).ok(),
        nullable: Some("UNKNOWN".to_owned()),
        case_sensitive: Some(column.case_sensitive),
    }
}

fn row(values: Vec<Option<String>>) -> wire::Row {
    wire::Row { data: Some(values.into_iter().map(|value| wire::Datum { var_char_value: value }).collect()) }
}

pub(crate) async fn get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetQueryResultsInput,
) -> Result<wire::GetQueryResultsOutput, AwsError> {
    if input.query_result_type.as_deref().is_some_and(|kind| kind != "DATA_ROWS") {
        return Err(invalid("QueryResultType DATA_MANIFEST is not built into this server; leave it out."));
    }
    let id = input.query_execution_id.unwrap_or_default();
    let rows_max = convert::limit(input.max_results);
    let page = athena.queries.results(&caller, &id, input.next_token.as_deref(), rows_max).await.map_err(of_queries)?;
    Ok(wire::GetQueryResultsOutput {
        update_count: page.update_count.and_then(|count| i64::try_from(count).ok()),
        result_set: Some(wire::ResultSet {
            rows: Some(page.rows.into_iter().map(row).collect()),
            result_set_metadata: Some(wire::ResultSetMetadata {
                column_info: Some(page.columns.into_iter().map(column).collect()),
            }),
        }),
        next_token: page.next,
    })
}
