//! Instance profiles on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::Identity;

use crate::convert::{self, page, path_prefix, required, tags};
use crate::errors::to_aws;

const NAME: &str = "InstanceProfileName";

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateInstanceProfileRequest,
) -> Result<wire::CreateInstanceProfileResponse, AwsError> {
    let name = required(input.instance_profile_name, NAME)?;
    let made = identity.create_instance_profile(&caller, &name, input.path.as_deref(), tags(input.tags)).await;
    let profile = convert::instance_profile(made.map_err(to_aws)?);
    Ok(wire::CreateInstanceProfileResponse { instance_profile: Some(profile) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetInstanceProfileRequest,
) -> Result<wire::GetInstanceProfileResponse, AwsError> {
    let name = required(input.instance_profile_name, NAME)?;
    let profile = identity.get_instance_profile(&caller, &name).map_err(to_aws)?;
    Ok(wire::GetInstanceProfileResponse { instance_profile: Some(convert::instance_profile(profile)) })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListInstanceProfilesRequest,
) -> Result<wire::ListInstanceProfilesResponse, AwsError> {
    let request = page(input.marker, input.max_items);
    let found = identity.list_instance_profiles(&caller, path_prefix(&input.path_prefix), &request).map_err(to_aws)?;
    Ok(wire::ListInstanceProfilesResponse {
        instance_profiles: Some(found.items.into_iter().map(convert::listed_instance_profile).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn list_for_role(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListInstanceProfilesForRoleRequest,
) -> Result<wire::ListInstanceProfilesForRoleResponse, AwsError> {
    let role = required(input.role_name, "RoleName")?;
    let request = page(input.marker, input.max_items);
    let found = identity.list_instance_profiles_for_role(&caller, &role, &request).map_err(to_aws)?;
    Ok(wire::ListInstanceProfilesForRoleResponse {
        instance_profiles: Some(found.items.into_iter().map(convert::listed_instance_profile).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteInstanceProfileRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.instance_profile_name, NAME)?;
    identity.delete_instance_profile(&caller, &name).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn add_role(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::AddRoleToInstanceProfileRequest,
) -> Result<Unit, AwsError> {
    let (name, role) = (required(input.instance_profile_name, NAME)?, required(input.role_name, "RoleName")?);
    identity.add_role_to_instance_profile(&caller, &name, &role).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn remove_role(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::RemoveRoleFromInstanceProfileRequest,
) -> Result<Unit, AwsError> {
    let (name, role) = (required(input.instance_profile_name, NAME)?, required(input.role_name, "RoleName")?);
    identity.remove_role_from_instance_profile(&caller, &name, &role).await.map_err(to_aws)?;
    Ok(Unit::default())
}
