//! Registered locations, which AWS calls resources, on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_formation::{Location, LocationInput};
use tarn_types::Scope;

use crate::LakeFormation;
use crate::convert::{required, time};
use crate::errors::{invalid, refuse_unbuilt, refuse_unbuilt_flag, to_aws};
use crate::paging;

/// What AWS calls the role of its own that it reads data as: the lake itself here.
pub(crate) fn service_role(scope: &Scope) -> String {
    let role = "role/aws-service-role/lakeformation.amazonaws.com/AWSServiceRoleForLakeFormationDataAccess";
    format!("arn:aws:iam::{}:{role}", scope.account)
}

fn location(arn: Option<String>, role: Option<String>, scope: &Scope) -> Result<LocationInput, AwsError> {
    let arn = required(arn, "ResourceArn")?;
    Ok(LocationInput { arn, role_arn: role.filter(|role| *role != service_role(scope)) })
}

fn refuse_other_owner(owner: Option<&String>, scope: &Scope) -> Result<(), AwsError> {
    refuse_unbuilt(
        "ExpectedResourceOwnerAccount of another account",
        owner.filter(|owner| *owner != scope.account.as_str()),
    )
}

pub(crate) async fn register(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::RegisterResourceRequest,
) -> Result<wire::RegisterResourceResponse, AwsError> {
    refuse_unbuilt_flag("WithFederation", input.with_federation)?;
    refuse_unbuilt_flag("WithPrivilegedAccess", input.with_privileged_access)?;
    refuse_unbuilt_flag("HybridAccessEnabled", input.hybrid_access_enabled)?;
    refuse_other_owner(input.expected_resource_owner_account.as_ref(), caller.scope())?;
    match (input.use_service_linked_role.unwrap_or_default(), &input.role_arn) {
        (true, None) | (false, Some(_)) => {}
        (true, Some(_)) | (false, None) => {
            return Err(invalid("Give either a RoleArn or UseServiceLinkedRole."));
        }
    }
    let input = location(input.resource_arn, input.role_arn, caller.scope())?;
    lake.formation.register(&caller, input).await.map_err(to_aws)?;
    Ok(wire::RegisterResourceResponse {})
}

pub(crate) async fn update(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::UpdateResourceRequest,
) -> Result<wire::UpdateResourceResponse, AwsError> {
    refuse_unbuilt_flag("WithFederation", input.with_federation)?;
    refuse_unbuilt_flag("HybridAccessEnabled", input.hybrid_access_enabled)?;
    refuse_other_owner(input.expected_resource_owner_account.as_ref(), caller.scope())?;
    let input = location(input.resource_arn, input.role_arn, caller.scope())?;
    lake.formation.update_location(&caller, input).await.map_err(to_aws)?;
    Ok(wire::UpdateResourceResponse {})
}

pub(crate) async fn deregister(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::DeregisterResourceRequest,
) -> Result<wire::DeregisterResourceResponse, AwsError> {
    let arn = required(input.resource_arn, "ResourceArn")?;
    lake.formation.deregister(&caller, &arn).await.map_err(to_aws)?;
    Ok(wire::DeregisterResourceResponse {})
}

fn shown(location: Location, scope: &Scope) -> wire::ResourceInfo {
    wire::ResourceInfo {
        resource_arn: Some(location.arn),
        role_arn: Some(location.input.role_arn.unwrap_or_else(|| service_role(scope))),
        last_modified: time(location.modified_ms),
        with_federation: Some(false),
        hybrid_access_enabled: Some(false),
        with_privileged_access: Some(false),
        verification_status: None,
        expected_resource_owner_account: None,
    }
}

pub(crate) async fn describe(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::DescribeResourceRequest,
) -> Result<wire::DescribeResourceResponse, AwsError> {
    let arn = required(input.resource_arn, "ResourceArn")?;
    let location = lake.formation.location(caller.authorized(), &arn).map_err(to_aws)?;
    Ok(wire::DescribeResourceResponse { resource_info: Some(shown(location, caller.scope())) })
}

/// Whether a location is one of those asked for.
fn is_wanted(info: &wire::ResourceInfo, condition: &wire::FilterCondition) -> Result<bool, AwsError> {
    let text = match condition.field.as_deref() {
        Some("RESOURCE_ARN") => info.resource_arn.as_deref().unwrap_or_default(),
        Some("ROLE_ARN") => info.role_arn.as_deref().unwrap_or_default(),
        field => {
            return Err(invalid(format!("Field {} is not built into this server.", field.unwrap_or("of nothing"))));
        }
    };
    let values = condition.string_value_list.as_deref().unwrap_or_default();
    match condition.comparison_operator.as_deref() {
        Some("EQ" | "IN") => Ok(values.iter().any(|value| value == text)),
        Some("NE") => Ok(values.iter().all(|value| value != text)),
        Some("CONTAINS") => Ok(values.iter().any(|value| text.contains(value.as_str()))),
        Some("NOT_CONTAINS") => Ok(values.iter().all(|value| !text.contains(value.as_str()))),
        Some("BEGINS_WITH") => Ok(values.iter().any(|value| text.starts_with(value.as_str()))),
        other => Err(invalid(format!("ComparisonOperator {} is not one for texts.", other.unwrap_or("of no name")))),
    }
}

/// A page may be shorter than asked for, with a place to go on from, where conditions leave locations out.
pub(crate) async fn list(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::ListResourcesRequest,
) -> Result<wire::ListResourcesResponse, AwsError> {
    let after = paging::after(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, paging::PAGE_SIZE_MAX);
    let page = lake.formation.locations(caller.authorized(), after.as_deref(), limit).map_err(to_aws)?;
    let conditions = input.filter_condition_list.unwrap_or_default();
    let mut found = Vec::new();
    for location in page.items {
        let info = shown(location, caller.scope());
        let mut is_found = true;
        for condition in &conditions {
            is_found &= is_wanted(&info, condition)?;
        }
        if is_found {
            found.push(info);
        }
    }
    Ok(wire::ListResourcesResponse { resource_info_list: Some(found), next_token: paging::token(page.next) })
}
