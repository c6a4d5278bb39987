//! Workgroups on the wire, and the engine's versions.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::athena as wire;
use tarn_aws_protocol::AwsError;
use tarn_policy::Requirement;
use tarn_query::queries::{ENGINE_VERSIONS, UpdateWorkGroup, WorkGroup, work_group_arn};

use crate::Athena;
use crate::convert;
use crate::errors::of_queries;

fn state(group: &WorkGroup) -> Option<String> {
    Some(if group.is_enabled { "ENABLED" } else { "DISABLED" }.to_owned())
}

fn work_group(group: WorkGroup) -> wire::WorkGroup {
    let state = state(&group);
    let configuration = group.configuration;
    wire::WorkGroup {
        name: Some(group.name),
        state,
        configuration: Some(wire::WorkGroupConfiguration {
            result_configuration: Some(convert::result_configuration(configuration.results)),
            enforce_work_group_configuration: Some(configuration.enforce),
            publish_cloud_watch_metrics_enabled: Some(configuration.publish_metrics),
            bytes_scanned_cutoff_per_query: configuration.bytes_scanned_cutoff,
            requester_pays_enabled: Some(configuration.requester_pays),
            engine_version: Some(convert::engine_version(configuration.engine_version.as_deref())),
            enable_minimum_encryption_configuration: Some(configuration.minimum_encryption),
            ..wire::WorkGroupConfiguration::default()
        }),
        // left out when empty, but not of the list
        description: group.description.filter(|description| !description.is_empty()),
        creation_time: group.created_ms.and_then(convert::date),
        identity_center_application_arn: None,
    }
}

fn summary(group: WorkGroup) -> wire::WorkGroupSummary {
    wire::WorkGroupSummary {
        state: state(&group),
        name: Some(group.name),
        description: Some(group.description.unwrap_or_default()),
        creation_time: group.created_ms.and_then(convert::date),
        engine_version: Some(convert::engine_version(group.configuration.engine_version.as_deref())),
        identity_center_application_arn: None,
    }
}

pub(crate) async fn create(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::CreateWorkGroupInput,
) -> Result<wire::CreateWorkGroupOutput, AwsError> {
    let (name, tags) = (input.name.unwrap_or_default(), convert::tags(input.tags));
    let configuration = convert::work_group_configuration(input.configuration)?;
    athena
        .queries
        .create_work_group(&caller, &name, input.description, configuration, tags)
        .await
        .map_err(of_queries)?;
    Ok(wire::CreateWorkGroupOutput {})
}

pub(crate) async fn get(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::GetWorkGroupInput,
) -> Result<wire::GetWorkGroupOutput, AwsError> {
    let name = input.work_group.unwrap_or_default();
    let group = athena.queries.work_group(caller.authorized(), &name).map_err(of_queries)?;
    Ok(wire::GetWorkGroupOutput { work_group: Some(work_group(group)) })
}

/// Those that the caller may see.
pub(crate) async fn list(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::ListWorkGroupsInput,
) -> Result<wire::ListWorkGroupsOutput, AwsError> {
    let limit = convert::limit(input.max_results);
    let page =
        athena.queries.work_groups(caller.authorized(), input.next_token.as_deref(), limit).map_err(of_queries)?;
    let seen = page.items.into_iter().filter(|group| {
        let arn = work_group_arn(caller.scope(), &group.name);
        caller.authorizer().authorize(vec![Requirement::new("athena:GetWorkGroup", arn)]).is_ok()
    });
    Ok(wire::ListWorkGroupsOutput { work_groups: Some(seen.map(summary).collect()), next_token: page.next })
}

pub(crate) async fn update(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::UpdateWorkGroupInput,
) -> Result<wire::UpdateWorkGroupOutput, AwsError> {
    let update = UpdateWorkGroup {
        description: input.description,
        is_enabled: input.state.map(|state| state == "ENABLED"),
        configure: convert::configuration_updates(input.configuration_updates)?,
    };
    let name = input.work_group.unwrap_or_default();
    athena.queries.update_work_group(&caller, &name, update).await.map_err(of_queries)?;
    Ok(wire::UpdateWorkGroupOutput {})
}

pub(crate) async fn delete(
    athena: Arc<Athena>,
    caller: Caller,
    input: wire::DeleteWorkGroupInput,
) -> Result<wire::DeleteWorkGroupOutput, AwsError> {
    let (name, recursive) = (input.work_group.unwrap_or_default(), input.recursive_delete_option.unwrap_or(false));
    athena.queries.delete_work_group(&caller, &name, recursive).await.map_err(of_queries)?;
    Ok(wire::DeleteWorkGroupOutput {})
}

/// One page: there are few.
pub(crate) async fn engine_versions(
    _: Arc<Athena>,
    _: Caller,
    _: wire::ListEngineVersionsInput,
) -> Result<wire::ListEngineVersionsOutput, AwsError> {
    let versions = ENGINE_VERSIONS.iter().map(|version| convert::engine_version(Some(version))).collect();
    Ok(wire::ListEngineVersionsOutput { engine_versions: Some(versions), next_token: None })
}
