//! Partitions on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::glue as wire;
use tarn_aws_protocol::AwsError;
use tarn_catalog::{CatalogError, ListPartitions, PartitionSegment};

use crate::Glue;
use crate::errors::{detail, invalid, of_catalog, refuse_unbuilt};
use crate::{convert, paging};

/// The most partitions of a page.
const PAGE_SIZE_MAX: usize = 1_000;

fn names(database: Option<String>, table: Option<String>) -> (String, String) {
    (database.unwrap_or_default(), table.unwrap_or_default())
}

fn values_of(lists: Option<Vec<wire::PartitionValueList>>) -> Vec<Vec<String>> {
    lists.unwrap_or_default().into_iter().map(|list| list.values.unwrap_or_default()).collect()
}

fn inputs_of(inputs: Option<Vec<wire::PartitionInput>>) -> Result<Vec<tarn_catalog::PartitionInput>, AwsError> {
    inputs.unwrap_or_default().into_iter().map(convert::partition_input).collect()
}

type Failed = Vec<(Vec<String>, CatalogError)>;

fn errors(failed: Failed) -> Option<Vec<wire::PartitionError>> {
    let error =
        |(values, error)| wire::PartitionError { partition_values: Some(values), error_detail: Some(detail(error)) };
    Some(failed.into_iter().map(error).collect())
}

/// A batch of one fails as a whole.
fn first(failed: Failed) -> Result<(), AwsError> {
    failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(of_catalog(error)))
}

pub(crate) async fn create(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::CreatePartitionRequest,
) -> Result<wire::CreatePartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let partition = convert::partition_input(input.partition_input.unwrap_or_default())?;
    let made = glue.catalog.create_partitions(&caller, &database, &table, vec![partition]).await;
    first(made.map_err(of_catalog)?)?;
    Ok(wire::CreatePartitionResponse {})
}

pub(crate) async fn batch_create(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchCreatePartitionRequest,
) -> Result<wire::BatchCreatePartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let partitions = inputs_of(input.partition_input_list)?;
    let made = glue.catalog.create_partitions(&caller, &database, &table, partitions).await;
    Ok(wire::BatchCreatePartitionResponse { errors: errors(made.map_err(of_catalog)?) })
}

pub(crate) async fn get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetPartitionRequest,
) -> Result<wire::GetPartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let values = input.partition_values.unwrap_or_default();
    let found = glue.catalog.partition(caller.authorized(), &database, &table, &values).map_err(of_catalog)?;
    Ok(wire::GetPartitionResponse { partition: Some(convert::partition(found, &database, &table, caller.scope())) })
}

pub(crate) async fn batch_get(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchGetPartitionRequest,
) -> Result<wire::BatchGetPartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let values = values_of(input.partitions_to_get);
    let found =
        glue.catalog.partitions_by_values(caller.authorized(), &database, &table, &values).map_err(of_catalog)?;
    let partitions = found.into_iter().map(|found| convert::partition(found, &database, &table, caller.scope()));
    Ok(wire::BatchGetPartitionResponse { partitions: Some(partitions.collect()), unprocessed_keys: Some(Vec::new()) })
}

fn segment(segment: Option<wire::Segment>) -> Result<Option<PartitionSegment>, AwsError> {
    let Some(wire::Segment { segment_number, total_segments }) = segment else {
        return Ok(None);
    };
    let number = segment_number.and_then(|number| u32::try_from(number).ok());
    let total = total_segments.and_then(|total| u32::try_from(total).ok());
    match (number, total) {
        (Some(number), Some(total)) if number < total => Ok(Some(PartitionSegment { number, total })),
        _ => Err(invalid("SegmentNumber must be 0 or more, and less than TotalSegments.")),
    }
}

pub(crate) async fn list(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetPartitionsRequest,
) -> Result<wire::GetPartitionsResponse, AwsError> {
    refuse_unbuilt("TransactionId", input.transaction_id.as_ref())?;
    refuse_unbuilt("QueryAsOfTime", input.query_as_of_time.as_ref())?;
    let (database, table) = names(input.database_name, input.table_name);
    let list = ListPartitions {
        expression: input.expression.filter(|expression| !expression.trim().is_empty()),
        segment: segment(input.segment)?,
        after: paging::parts(input.next_token.as_ref())?,
        limit: paging::limit(input.max_results, PAGE_SIZE_MAX),
        without_columns: input.exclude_column_schema.unwrap_or_default(),
    };
    // It may look at very many keys.
    let scanned = tokio::task::spawn_blocking(move || {
        let page = glue.catalog.partitions(caller.authorized(), &database, &table, &list)?;
        let convert = |found| convert::partition(found, &database, &table, caller.scope());
        let partitions: Vec<wire::Partition> = page.partitions.into_iter().map(convert).collect();
        Ok::<_, CatalogError>((partitions, page.next))
    });
    let (partitions, next) = scanned
        .await
        .map_err(|_| AwsError::internal_failure("The list did not end; try again."))?
        .map_err(of_catalog)?;
    Ok(wire::GetPartitionsResponse { partitions: Some(partitions), next_token: next.map(|next| paging::token(&next)) })
}

pub(crate) async fn update(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::UpdatePartitionRequest,
) -> Result<wire::UpdatePartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let partition = convert::partition_input(input.partition_input.unwrap_or_default())?;
    let entries = vec![(input.partition_value_list.unwrap_or_default(), partition)];
    first(glue.catalog.update_partitions(&caller, &database, &table, entries).await.map_err(of_catalog)?)?;
    Ok(wire::UpdatePartitionResponse {})
}

pub(crate) async fn batch_update(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchUpdatePartitionRequest,
) -> Result<wire::BatchUpdatePartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let entry = |entry: wire::BatchUpdatePartitionRequestEntry| {
        let values = entry.partition_value_list.unwrap_or_default();
        Ok((values, convert::partition_input(entry.partition_input.unwrap_or_default())?))
    };
    let entries = input.entries.unwrap_or_default().into_iter().map(entry).collect::<Result<Vec<_>, AwsError>>()?;
    let failed = glue.catalog.update_partitions(&caller, &database, &table, entries).await.map_err(of_catalog)?;
    let failure = |(values, error)| wire::BatchUpdatePartitionFailureEntry {
        partition_value_list: Some(values),
        error_detail: Some(detail(error)),
    };
    Ok(wire::BatchUpdatePartitionResponse { errors: Some(failed.into_iter().map(failure).collect()) })
}

pub(crate) async fn delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::DeletePartitionRequest,
) -> Result<wire::DeletePartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let values = vec![input.partition_values.unwrap_or_default()];
    first(glue.catalog.delete_partitions(&caller, &database, &table, values).await.map_err(of_catalog)?)?;
    Ok(wire::DeletePartitionResponse {})
}

pub(crate) async fn batch_delete(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::BatchDeletePartitionRequest,
) -> Result<wire::BatchDeletePartitionResponse, AwsError> {
    let (database, table) = names(input.database_name, input.table_name);
    let values = values_of(input.partitions_to_delete);
    let failed = glue.catalog.delete_partitions(&caller, &database, &table, values).await.map_err(of_catalog)?;
    Ok(wire::BatchDeletePartitionResponse { errors: errors(failed) })
}

/// All partitions are kept in the order of their keys, so an index is active as soon as it is named.
pub(crate) async fn indexes(
    glue: Arc<Glue>,
    caller: Caller,
    input: wire::GetPartitionIndexesRequest,
) -> Result<wire::GetPartitionIndexesResponse, AwsError> {
    let (database, name) = names(input.database_name, input.table_name);
    let table = glue.catalog.table(caller.authorized(), &database, &name).map_err(of_catalog)?;
    let key = |key: &String| wire::KeySchemaElement {
        name: Some(key.clone()),
        r#type: table
            .partition_keys()
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(key))
            .map(|column| column.data_type.clone().unwrap_or_else(|| "string".to_owned())),
    };
    let descriptors = table.partition_indexes.iter().map(|index| wire::PartitionIndexDescriptor {
        index_name: Some(index.name.clone()),
        keys: Some(index.keys.iter().map(key).collect()),
        index_status: Some("ACTIVE".to_owned()),
        backfill_errors: None,
    });
    Ok(wire::GetPartitionIndexesResponse {
        partition_index_descriptor_list: Some(descriptors.collect()),
        next_token: None,
    })
}
