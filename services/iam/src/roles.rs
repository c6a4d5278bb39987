//! Roles on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{EntityKind, Identity, NewRole};

use crate::convert::{self, page, path_prefix, required, tags};
use crate::errors::to_aws;

fn seconds(duration: Option<i32>) -> Option<u32> {
    duration.and_then(|seconds| u32::try_from(seconds).ok())
}

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateRoleRequest,
) -> Result<wire::CreateRoleResponse, AwsError> {
    let new = NewRole {
        name: required(input.role_name, "RoleName")?,
        path: input.path,
        description: input.description,
        trust_policy: required(input.assume_role_policy_document, "AssumeRolePolicyDocument")?,
        session_seconds_max: seconds(input.max_session_duration),
        boundary: input.permissions_boundary,
        tags: tags(input.tags),
    };
    let role = identity.create_role(&caller, new).await.map_err(to_aws)?;
    Ok(wire::CreateRoleResponse { role: Some(convert::role(role)) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetRoleRequest,
) -> Result<wire::GetRoleResponse, AwsError> {
    let role = identity.get_role(&caller, &required(input.role_name, "RoleName")?).map_err(to_aws)?;
    Ok(wire::GetRoleResponse { role: Some(convert::role(role)) })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListRolesRequest,
) -> Result<wire::ListRolesResponse, AwsError> {
    let request = page(input.marker, input.max_items);
    let found = identity.list_roles(&caller, path_prefix(&input.path_prefix), &request).map_err(to_aws)?;
    Ok(wire::ListRolesResponse {
        roles: Some(found.items.into_iter().map(convert::listed_role).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn update(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateRoleRequest,
) -> Result<wire::UpdateRoleResponse, AwsError> {
    let name = required(input.role_name, "RoleName")?;
    let duration = seconds(input.max_session_duration);
    identity.update_role(&caller, &name, input.description, duration).await.map_err(to_aws)?;
    Ok(wire::UpdateRoleResponse {})
}

pub(crate) async fn update_description(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateRoleDescriptionRequest,
) -> Result<wire::UpdateRoleDescriptionResponse, AwsError> {
    let name = required(input.role_name, "RoleName")?;
    let description = required(input.description, "Description")?;
    let role = identity.update_role(&caller, &name, Some(description), None).await.map_err(to_aws)?;
    Ok(wire::UpdateRoleDescriptionResponse { role: Some(convert::role(role)) })
}

pub(crate) async fn update_trust_policy(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateAssumeRolePolicyRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.role_name, "RoleName")?;
    let document = required(input.policy_document, "PolicyDocument")?;
    identity.update_trust_policy(&caller, &name, &document).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteRoleRequest,
) -> Result<Unit, AwsError> {
    identity.delete_role(&caller, &required(input.role_name, "RoleName")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn put_boundary(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::PutRolePermissionsBoundaryRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.role_name, "RoleName")?;
    let arn = required(input.permissions_boundary, "PermissionsBoundary")?;
    identity.put_boundary(&caller, EntityKind::Role, &name, &arn).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete_boundary(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteRolePermissionsBoundaryRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.role_name, "RoleName")?;
    identity.delete_boundary(&caller, EntityKind::Role, &name).await.map_err(to_aws)?;
    Ok(Unit::default())
}
