//! Managed policies on the wire. Each has one version.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{Identity, ManagedPolicy, PolicyScope};

use crate::convert::{self, page, path_prefix, required};
use crate::errors::{refuse_unbuilt, to_aws};

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreatePolicyRequest,
) -> Result<wire::CreatePolicyResponse, AwsError> {
    refuse_unbuilt("Tags", input.tags.as_ref().filter(|tags| !tags.is_empty()))?;
    let name = required(input.policy_name, "PolicyName")?;
    let document = required(input.policy_document, "PolicyDocument")?;
    let (path, description) = (input.path.as_deref(), input.description.as_deref());
    let policy = identity.create_policy(&caller, &name, path, description, &document).await.map_err(to_aws)?;
    Ok(wire::CreatePolicyResponse { policy: Some(convert::policy(policy)) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetPolicyRequest,
) -> Result<wire::GetPolicyResponse, AwsError> {
    let policy = identity.get_policy(&caller, &required(input.policy_arn, "PolicyArn")?).map_err(to_aws)?;
    Ok(wire::GetPolicyResponse { policy: Some(convert::policy(policy)) })
}

/// Lists of versions come without documents.
fn version(policy: &ManagedPolicy, document: Option<String>) -> wire::PolicyVersion {
    wire::PolicyVersion {
        document,
        version_id: Some(convert::VERSION_ID.to_owned()),
        is_default_version: Some(true),
        create_date: convert::date(policy.created_ms),
    }
}

pub(crate) async fn get_version(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetPolicyVersionRequest,
) -> Result<wire::GetPolicyVersionResponse, AwsError> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let version_id = required(input.version_id, "VersionId")?;
    let policy = identity.get_policy_version(&caller, &arn, &version_id).map_err(to_aws)?;
    let document = convert::document(&policy.document);
    Ok(wire::GetPolicyVersionResponse { policy_version: Some(version(&policy, Some(document))) })
}

pub(crate) async fn list_versions(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListPolicyVersionsRequest,
) -> Result<wire::ListPolicyVersionsResponse, AwsError> {
    let policy = identity.get_policy(&caller, &required(input.policy_arn, "PolicyArn")?).map_err(to_aws)?;
    Ok(wire::ListPolicyVersionsResponse {
        versions: Some(vec![version(&policy, None)]),
        is_truncated: Some(false),
        marker: None,
    })
}

/// No policy is used as a boundary, so that a list of those is empty.
fn only_boundaries(usage: &Option<String>) -> bool {
    usage.as_deref() == Some("PermissionsBoundary")
}

pub(crate) async fn list(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListPoliciesRequest,
) -> Result<wire::ListPoliciesResponse, AwsError> {
    let scope = match input.scope.as_deref() {
        Some("AWS") => PolicyScope::Aws,
        Some("Local") => PolicyScope::Local,
        Some(_) | None => PolicyScope::All,
    };
    let only_attached = input.only_attached.unwrap_or(false);
    let request = page(input.marker, input.max_items);
    let mut found = identity
        .list_policies(&caller, scope, only_attached, path_prefix(&input.path_prefix), &request)
        .map_err(to_aws)?;
    if only_boundaries(&input.policy_usage_filter) {
        (found.items, found.marker) = (Vec::new(), None);
    }
    // The list tells neither descriptions nor tags: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
    let listed = |policy| wire::Policy { description: None, ..convert::policy(policy) };
    Ok(wire::ListPoliciesResponse {
        policies: Some(found.items.into_iter().map(listed).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn list_entities(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListEntitiesForPolicyRequest,
) -> Result<wire::ListEntitiesForPolicyResponse, AwsError> {
    let arn = required(input.policy_arn, "PolicyArn")?;
    let request = page(input.marker, input.max_items);
    let mut found =
        identity.list_users_for_policy(&caller, &arn, path_prefix(&input.path_prefix), &request).map_err(to_aws)?;
    let others_only = input.entity_filter.as_deref().is_some_and(|kind| kind != "User");
    if others_only || only_boundaries(&input.policy_usage_filter) {
        (found.items, found.marker) = (Vec::new(), None);
    }
    let attached = |user: tarn_identity::User| wire::PolicyUser { user_name: Some(user.name), user_id: Some(user.id) };
    Ok(wire::ListEntitiesForPolicyResponse {
        policy_groups: Some(Vec::new()),
        policy_users: Some(found.items.into_iter().map(attached).collect()),
        policy_roles: Some(Vec::new()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeletePolicyRequest,
) -> Result<Unit, AwsError> {
    identity.delete_policy(&caller, &required(input.policy_arn, "PolicyArn")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}
