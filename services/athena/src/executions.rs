//! Executions on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_query::queries::{PRIMARY, QueriesError, StartQuery};

use crate::Athena;
use crate::convert;
use crate::errors::{of_queries, refuse_unbuilt};

pub(crate) async fn start(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::StartQueryExecutionInput,
) -> Result<wire::StartQueryExecutionOutput, AwsError> {
    refuse_unbuilt("EngineConfiguration", input.engine_configuration.as_ref())?;
    let context = input.query_execution_context.unwrap_or_default();
    let reuse = input.result_reuse_configuration.and_then(|reuse| reuse.result_reuse_by_age_configuration);
    let reuse = reuse.filter(|reuse| reuse.enabled == Some(true));
    let start = StartQuery {
        query: input.query_string.unwrap_or_default(),
        parameters: input.execution_parameters.unwrap_or_default(),
        catalog: context.catalog,
        database: context.database,
        results: convert::result_settings(input.result_configuration),
        work_group: input.work_group,
        token: input.client_request_token,
        // as long as AWS takes it without an age: <https://docs.aws.amazon.com/athena/latest/ug/reusing-query-results.html>
        reuse_max_age_minutes: reuse.map(|reuse| reuse.max_age_in_minutes.unwrap_or(60)),
    };
    let id = athena.queries.start(&caller, start).await.map_err(of_queries)?;
    Ok(wire::StartQueryExecutionOutput { query_execution_id: Some(id) })
}

pub(crate) async fn get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetQueryExecutionInput,
) -> Result<wire::GetQueryExecutionOutput, AwsError> {
    let id = input.query_execution_id.unwrap_or_default();
    let execution = athena.queries.execution(caller.authorized(), &id).map_err(of_queries)?;
    Ok(wire::GetQueryExecutionOutput { query_execution: Some(convert::query_execution(execution)) })
}

pub(crate) async fn batch_get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::BatchGetQueryExecutionInput,
) -> Result<wire::BatchGetQueryExecutionOutput, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in input.query_execution_ids.unwrap_or_default() {
        match athena.queries.execution(caller.authorized(), &id) {
            Ok(execution) => found.push(convert::query_execution(execution)),
            Err(error @ QueriesError::NotFound { .. }) => missing.push(wire::UnprocessedQueryExecutionId {
                query_execution_id: Some(id),
                error_code: Some("INVALID_INPUT".to_owned()),
                error_message: Some(error.to_string()),
            }),
            Err(error) => return Err(of_queries(error)),
        }
    }
    Ok(wire::BatchGetQueryExecutionOutput {
        query_executions: Some(found),
        unprocessed_query_execution_ids: Some(missing),
    })
}

pub(crate) async fn list(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListQueryExecutionsInput,
) -> Result<wire::ListQueryExecutionsOutput, AwsError> {
    let group = input.work_group.as_deref().unwrap_or(PRIMARY);
    let limit = convert::limit(input.max_results);
    let page = athena
        .queries
        .executions(caller.authorized(), group, input.next_token.as_deref(), limit)
        .map_err(of_queries)?;
    Ok(wire::ListQueryExecutionsOutput { query_execution_ids: Some(page.items), next_token: page.next })
}

pub(crate) async fn stop(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::StopQueryExecutionInput,
) -> Result<wire::StopQueryExecutionOutput, AwsError> {
    let id = input.query_execution_id.unwrap_or_default();
    athena.queries.stop(caller.authorized(), &id).map_err(of_queries)?;
    Ok(wire::StopQueryExecutionOutput {})
}

pub(crate) async fn runtime_statistics(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetQueryRuntimeStatisticsInput,
) -> Result<wire::GetQueryRuntimeStatisticsOutput, AwsError> {
    let id = input.query_execution_id.unwrap_or_default();
    let execution = athena.queries.execution(caller.authorized(), &id).map_err(of_queries)?;
    Ok(wire::GetQueryRuntimeStatisticsOutput {
        query_runtime_statistics: Some(convert::runtime_statistics(&execution)),
    })
}
