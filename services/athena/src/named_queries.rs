//! Named queries on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_query::queries::{CreateNamedQuery, NamedQuery, PRIMARY, QueriesError};

use crate::Athena;
use crate::convert;
use crate::errors::of_queries;

fn named_query(query: NamedQuery) -> wire::NamedQuery {
    wire::NamedQuery {
        name: Some(query.name),
        description: query.description,
        database: Some(query.database),
        query_string: Some(query.query),
        named_query_id: Some(query.id),
        work_group: Some(query.work_group),
    }
}

pub(crate) async fn create(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::CreateNamedQueryInput,
) -> Result<wire::CreateNamedQueryOutput, AwsError> {
    let create = CreateNamedQuery {
        name: input.name.unwrap_or_default(),
        description: input.description,
        database: input.database.unwrap_or_default(),
        query: input.query_string.unwrap_or_default(),
        work_group: input.work_group,
        token: input.client_request_token,
    };
    let id = athena.queries.create_named_query(&caller, create).await.map_err(of_queries)?;
    Ok(wire::CreateNamedQueryOutput { named_query_id: Some(id) })
}

pub(crate) async fn get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetNamedQueryInput,
) -> Result<wire::GetNamedQueryOutput, AwsError> {
    let id = input.named_query_id.unwrap_or_default();
    let query = athena.queries.named_query(caller.authorized(), &id).map_err(of_queries)?;
    Ok(wire::GetNamedQueryOutput { named_query: Some(named_query(query)) })
}

pub(crate) async fn batch_get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::BatchGetNamedQueryInput,
) -> Result<wire::BatchGetNamedQueryOutput, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in input.named_query_ids.unwrap_or_default() {
        match athena.queries.named_query(caller.authorized(), &id) {
            Ok(query) => found.push(named_query(query)),
            Err(error @ QueriesError::NotFound { .. }) => missing.push(wire::UnprocessedNamedQueryId {
                named_query_id: Some(id),
                error_code: Some("INVALID_INPUT".to_owned()),
                error_message: Some(error.to_string()),
            }),
            Err(error) => return Err(of_queries(error)),
        }
    }
    Ok(wire::BatchGetNamedQueryOutput { named_queries: Some(found), unprocessed_named_query_ids: Some(missing) })
}

pub(crate) async fn list(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListNamedQueriesInput,
) -> Result<wire::ListNamedQueriesOutput, AwsError> {
    let group = input.work_group.as_deref().unwrap_or(PRIMARY);
    let limit = convert::limit(input.max_results);
    let page = athena
        .queries
        .named_queries(caller.authorized(), group, input.next_token.as_deref(), limit)
        .map_err(of_queries)?;
    Ok(wire::ListNamedQueriesOutput { named_query_ids: Some(page.items), next_token: page.next })
}

pub(crate) async fn update(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::UpdateNamedQueryInput,
) -> Result<wire::UpdateNamedQueryOutput, AwsError> {
    let (id, name) = (input.named_query_id.unwrap_or_default(), input.name.unwrap_or_default());
    let text = input.query_string.unwrap_or_default();
    athena.queries.update_named_query(&caller, &id, name, input.description, text).await.map_err(of_queries)?;
    Ok(wire::UpdateNamedQueryOutput {})
}

pub(crate) async fn delete(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::DeleteNamedQueryInput,
) -> Result<wire::DeleteNamedQueryOutput, AwsError> {
    let id = input.named_query_id.unwrap_or_default();
    athena.queries.delete_named_query(&caller, &id).await.map_err(of_queries)?;
    Ok(wire::DeleteNamedQueryOutput {})
}
