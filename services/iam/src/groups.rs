//! Groups on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::Identity;

use crate::convert::{self, page, path_prefix, required};
use crate::errors::to_aws;

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateGroupRequest,
) -> Result<wire::CreateGroupResponse, AwsError> {
    let name = required(input.group_name, "GroupName")?;
    let group = identity.create_group(&caller, &name, input.path.as_deref()).await.map_err(to_aws)?;
    Ok(wire::CreateGroupResponse { group: Some(convert::group(group)) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetGroupRequest,
) -> Result<wire::GetGroupResponse, AwsError> {
    let name = required(input.group_name, "GroupName")?;
    let (group, users) = identity.get_group(&caller, &name, &page(input.marker, input.max_items)).map_err(to_aws)?;
    Ok(wire::GetGroupResponse {
        group: Some(convert::group(group)),
        users: Some(users.items.into_iter().map(convert::listed_user).collect()),
        is_truncated: Some(users.marker.is_some()),
        marker: users.marker,
    })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListGroupsRequest,
) -> Result<wire::ListGroupsResponse, AwsError> {
    let request = page(input.marker, input.max_items);
    let found = identity.list_groups(&caller, path_prefix(&input.path_prefix), &request).map_err(to_aws)?;
    Ok(wire::ListGroupsResponse {
        groups: Some(found.items.into_iter().map(convert::group).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn update(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateGroupRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.group_name, "GroupName")?;
    let (new_name, new_path) = (input.new_group_name.as_deref(), input.new_path.as_deref());
    identity.update_group(&caller, &name, new_name, new_path).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteGroupRequest,
) -> Result<Unit, AwsError> {
    identity.delete_group(&caller, &required(input.group_name, "GroupName")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn add_user(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::AddUserToGroupRequest,
) -> Result<Unit, AwsError> {
    let (group, user) = (required(input.group_name, "GroupName")?, required(input.user_name, "UserName")?);
    identity.add_user_to_group(&caller, &group, &user).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn remove_user(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::RemoveUserFromGroupRequest,
) -> Result<Unit, AwsError> {
    let (group, user) = (required(input.group_name, "GroupName")?, required(input.user_name, "UserName")?);
    identity.remove_user_from_group(&caller, &group, &user).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn list_for_user(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListGroupsForUserRequest,
) -> Result<wire::ListGroupsForUserResponse, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let found = identity.list_groups_for_user(&caller, &user, &page(input.marker, input.max_items)).map_err(to_aws)?;
    Ok(wire::ListGroupsForUserResponse {
        groups: Some(found.items.into_iter().map(convert::group).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}
