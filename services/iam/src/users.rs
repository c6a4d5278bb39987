//! Users on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{EntityKind, Identity, NewUser};
use tarn_policy::PrincipalKind;
use tarn_types::Arn;

use crate::convert::{self, page, path_prefix, required, tags};
use crate::errors::to_aws;
use crate::resources::own_user;

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateUserRequest,
) -> Result<wire::CreateUserResponse, AwsError> {
    let new = NewUser {
        name: required(input.user_name, "UserName")?,
        path: input.path,
        boundary: input.permissions_boundary,
        tags: tags(input.tags),
    };
    let user = identity.create_user(&caller, new).await.map_err(to_aws)?;
    Ok(wire::CreateUserResponse { user: Some(convert::user(user)) })
}

/// Root, asked for itself, is what the account is: it has neither name nor path.
fn root(identity: &Identity, caller: &Caller) -> Result<wire::GetUserResponse, AwsError> {
    let account = &caller.scope().account;
    let created_ms = identity.account(account).map_err(to_aws)?.map(|account| account.created_ms);
    let user = wire::User {
        user_id: Some(account.to_string()),
        arn: Some(Arn::iam(account, "root").to_string()),
        create_date: created_ms.and_then(convert::date),
        ..wire::User::default()
    };
    Ok(wire::GetUserResponse { user: Some(user) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetUserRequest,
) -> Result<wire::GetUserResponse, AwsError> {
    if input.user_name.is_none() && caller.principal().kind == PrincipalKind::Root {
        return root(&identity, &caller);
    }
    let name = own_user(&identity, &caller, "iam:GetUser", input.user_name)?;
    let user = identity.get_user(&caller, &name).map_err(to_aws)?;
    Ok(wire::GetUserResponse { user: Some(convert::user(user)) })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListUsersRequest,
) -> Result<wire::ListUsersResponse, AwsError> {
    let request = page(input.marker, input.max_items);
    let found = identity.list_users(&caller, path_prefix(&input.path_prefix), &request).map_err(to_aws)?;
    Ok(wire::ListUsersResponse {
        users: Some(found.items.into_iter().map(convert::listed_user).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn update(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateUserRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.user_name, "UserName")?;
    let (new_name, new_path) = (input.new_user_name.as_deref(), input.new_path.as_deref());
    identity.update_user(&caller, &name, new_name, new_path).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteUserRequest,
) -> Result<Unit, AwsError> {
    identity.delete_user(&caller, &required(input.user_name, "UserName")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn put_boundary(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::PutUserPermissionsBoundaryRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.user_name, "UserName")?;
    let arn = required(input.permissions_boundary, "PermissionsBoundary")?;
    identity.put_boundary(&caller, EntityKind::User, &name, &arn).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete_boundary(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteUserPermissionsBoundaryRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.user_name, "UserName")?;
    identity.delete_boundary(&caller, EntityKind::User, &name).await.map_err(to_aws)?;
    Ok(Unit::default())
}
