//! STS: who the caller is, and temporary credentials, over `tarn-identity`. Knows the wire's shapes and STS's errors; keeps nothing.

mod authorization_message;
mod convert;
mod errors;
mod identity;
mod resources;
mod sessions;

use std::sync::Arc;

use tarn_aws_model::sts::{SERVICE, operations as op};
use tarn_identity::Identity;
use tarn_operation::{Access, Table};

/// Who one is needs no permission: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
const CALLER_IDENTITY: Access = Access { iam_action: None, ..Access::read("sts:GetCallerIdentity") };
/// Nor do credentials as which one can do no more than one can: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>
const SESSION_TOKEN: Access = Access { iam_action: None, ..Access::session("sts:GetSessionToken") };

/// STS over `identity`.
pub fn service(identity: Arc<Identity>) -> Table<Identity> {
    Table::new(&SERVICE, identity)
        .with::<op::GetCallerIdentity, _, _>(CALLER_IDENTITY, resources::nothing, identity::get_caller_identity)
        .with::<op::GetAccessKeyInfo, _, _>(
            Access::read("sts:GetAccessKeyInfo"),
            resources::get_access_key_info,
            identity::get_access_key_info,
        )
        .with::<op::DecodeAuthorizationMessage, _, _>(
            Access::read("sts:DecodeAuthorizationMessage"),
            resources::decode_authorization_message,
            authorization_message::decode_authorization_message,
        )
        .with::<op::AssumeRole, _, _>(Access::session("sts:AssumeRole"), resources::assume_role, sessions::assume_role)
        .with::<op::AssumeRoleWithWebIdentity, _, _>(
            Access::unsigned("sts:AssumeRoleWithWebIdentity"),
            resources::assume_role_with_web_identity,
            sessions::assume_role_with_web_identity,
        )
        .with::<op::GetSessionToken, _, _>(SESSION_TOKEN, resources::nothing, sessions::get_session_token)
        .with::<op::GetFederationToken, _, _>(
            Access::session("sts:GetFederationToken"),
            resources::get_federation_token,
            sessions::get_federation_token,
        )
}

#[cfg(test)]
mod tests;
