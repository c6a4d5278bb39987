//! Prepared statements on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_query::queries::{PreparedStatement, QueriesError};

use crate::Athena;
use crate::convert;
use crate::errors::of_queries;

fn prepared_statement(work_group: &str, statement: PreparedStatement) -> wire::PreparedStatement {
    wire::PreparedStatement {
        statement_name: Some(statement.name),
        query_statement: Some(statement.query),
        work_group_name: Some(work_group.to_owned()),
        description: statement.description,
        last_modified_time: convert::date(statement.modified_ms),
    }
}

pub(crate) async fn create(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::CreatePreparedStatementInput,
) -> Result<wire::CreatePreparedStatementOutput, AwsError> {
    let (group, name) = (input.work_group.unwrap_or_default(), input.statement_name.unwrap_or_default());
    let query = input.query_statement.unwrap_or_default();
    athena
        .queries
        .create_prepared_statement(&caller, &group, &name, query, input.description)
        .await
        .map_err(of_queries)?;
    Ok(wire::CreatePreparedStatementOutput {})
}

pub(crate) async fn get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetPreparedStatementInput,
) -> Result<wire::GetPreparedStatementOutput, AwsError> {
    let (group, name) = (input.work_group.unwrap_or_default(), input.statement_name.unwrap_or_default());
    let statement = athena.queries.prepared_statement(caller.authorized(), &group, &name).map_err(of_queries)?;
    Ok(wire::GetPreparedStatementOutput { prepared_statement: Some(prepared_statement(&group, statement)) })
}

pub(crate) async fn batch_get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::BatchGetPreparedStatementInput,
) -> Result<wire::BatchGetPreparedStatementOutput, AwsError> {
    let group = input.work_group.unwrap_or_default();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in input.prepared_statement_names.unwrap_or_default() {
        match athena.queries.prepared_statement(caller.authorized(), &group, &name) {
            Ok(statement) => found.push(prepared_statement(&group, statement)),
            Err(error @ QueriesError::NotFound { what: "PreparedStatement", .. }) => {
                missing.push(wire::UnprocessedPreparedStatementName {
                    statement_name: Some(name),
                    error_code: Some("STATEMENT_NOT_FOUND".to_owned()),
                    error_message: Some(error.to_string()),
                });
            }
            Err(error) => return Err(of_queries(error)),
        }
    }
    Ok(wire::BatchGetPreparedStatementOutput {
        prepared_statements: Some(found),
        unprocessed_prepared_statement_names: Some(missing),
    })
}

pub(crate) async fn list(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListPreparedStatementsInput,
) -> Result<wire::ListPreparedStatementsOutput, AwsError> {
    let group = input.work_group.unwrap_or_default();
    let limit = convert::limit(input.max_results);
    let page = athena
        .queries
        .prepared_statements(caller.authorized(), &group, input.next_token.as_deref(), limit)
        .map_err(of_queries)?;
    let summary = |statement: PreparedStatement| wire::PreparedStatementSummary {
        statement_name: Some(statement.name),
        last_modified_time: convert::date(statement.modified_ms),
    };
    Ok(wire::ListPreparedStatementsOutput {
        prepared_statements: Some(page.items.into_iter().map(summary).collect()),
        next_token: page.next,
    })
}

pub(crate) async fn update(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::UpdatePreparedStatementInput,
) -> Result<wire::UpdatePreparedStatementOutput, AwsError> {
    let (group, name) = (input.work_group.unwrap_or_default(), input.statement_name.unwrap_or_default());
    let query = input.query_statement.unwrap_or_default();
    athena
        .queries
        .update_prepared_statement(&caller, &group, &name, query, input.description)
        .await
        .map_err(of_queries)?;
    Ok(wire::UpdatePreparedStatementOutput {})
}

pub(crate) async fn delete(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::DeletePreparedStatementInput,
) -> Result<wire::DeletePreparedStatementOutput, AwsError> {
    let (group, name) = (input.work_group.unwrap_or_default(), input.statement_name.unwrap_or_default());
    athena.queries.delete_prepared_statement(&caller, &group, &name).await.map_err(of_queries)?;
    Ok(wire::DeletePreparedStatementOutput {})
}
