//! Users' passwords on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{Identity, LoginProfile, Secret};

use crate::convert::{date, required};
use crate::errors::to_aws;
use crate::resources::{may_change_password, own_user};

fn wire_profile(profile: LoginProfile) -> wire::LoginProfile {
    wire::LoginProfile {
        user_name: Some(profile.user_name),
        create_date: date(profile.created_ms),
        password_reset_required: Some(profile.reset_required),
    }
}

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreateLoginProfileRequest,
) -> Result<wire::CreateLoginProfileResponse, AwsError> {
    let password = Secret::new(required(input.password, "Password")?);
    let name = own_user(&identity, &caller, "iam:CreateLoginProfile", input.user_name)?;
    let reset_required = input.password_reset_required.unwrap_or(false);
    let made = identity.create_login_profile(&caller, &name, password, reset_required).await.map_err(to_aws)?;
    Ok(wire::CreateLoginProfileResponse { login_profile: Some(wire_profile(made)) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetLoginProfileRequest,
) -> Result<wire::GetLoginProfileResponse, AwsError> {
    let name = own_user(&identity, &caller, "iam:GetLoginProfile", input.user_name)?;
    let found = identity.get_login_profile(&caller, &name).map_err(to_aws)?;
    Ok(wire::GetLoginProfileResponse { login_profile: Some(wire_profile(found)) })
}

pub(crate) async fn update(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::UpdateLoginProfileRequest,
) -> Result<Unit, AwsError> {
    let name = required(input.user_name, "UserName")?;
    let password = input.password.map(Secret::new);
    identity.update_login_profile(&caller, &name, password, input.password_reset_required).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteLoginProfileRequest,
) -> Result<Unit, AwsError> {
    let name = own_user(&identity, &caller, "iam:DeleteLoginProfile", input.user_name)?;
    identity.delete_login_profile(&caller, &name).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn change_password(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ChangePasswordRequest,
) -> Result<Unit, AwsError> {
    may_change_password(&identity, &caller)?;
    let old = Secret::new(required(input.old_password, "OldPassword")?);
    let new = Secret::new(required(input.new_password, "NewPassword")?);
    identity.change_password(&caller, old, new).await.map_err(to_aws)?;
    Ok(Unit::default())
}
