//! Policies of users on the wire: inline ones and attachments.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::Identity;

use crate::convert::{document, page, path_prefix, required};
use crate::errors::to_aws;

pub(crate) async fn put(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::PutUserPolicyRequest,
) -> Result<Unit, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let policy = required(input.policy_name, "PolicyName")?;
    let document = required(input.policy_document, "PolicyDocument")?;
    identity.put_user_policy(&caller, &user, &policy, &document).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetUserPolicyRequest,
) -> Result<wire::GetUserPolicyResponse, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let policy = required(input.policy_name, "PolicyName")?;
    let found = identity.get_user_policy(&caller, &user, &policy).map_err(to_aws)?;
    Ok(wire::GetUserPolicyResponse {
        user_name: Some(found.user_name),
        policy_name: Some(found.policy_name),
        policy_document: Some(document(&found.document)),
    })
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListUserPoliciesRequest,
) -> Result<wire::ListUserPoliciesResponse, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let found = identity.list_user_policies(&caller, &user, &page(input.marker, input.max_items)).map_err(to_aws)?;
    Ok(wire::ListUserPoliciesResponse {
        policy_names: Some(found.items),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeleteUserPolicyRequest,
) -> Result<Unit, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let policy = required(input.policy_name, "PolicyName")?;
    identity.delete_user_policy(&caller, &user, &policy).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn attach(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::AttachUserPolicyRequest,
) -> Result<Unit, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let arn = required(input.policy_arn, "PolicyArn")?;
    identity.attach_user_policy(&caller, &user, &arn).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn detach(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DetachUserPolicyRequest,
) -> Result<Unit, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let arn = required(input.policy_arn, "PolicyArn")?;
    identity.detach_user_policy(&caller, &user, &arn).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn list_attached(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListAttachedUserPoliciesRequest,
) -> Result<wire::ListAttachedUserPoliciesResponse, AwsError> {
    let user = required(input.user_name, "UserName")?;
    let request = page(input.marker, input.max_items);
    let found = identity
        .list_attached_user_policies(&caller, &user, path_prefix(&input.path_prefix), &request)
        .map_err(to_aws)?;
    let attached = |policy: tarn_identity::AttachedPolicy| wire::AttachedPolicy {
        policy_name: Some(policy.name),
        policy_arn: Some(policy.arn),
    };
    Ok(wire::ListAttachedUserPoliciesResponse {
        attached_policies: Some(found.items.into_iter().map(attached).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}
