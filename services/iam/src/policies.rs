//! Managed policies and their versions on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_identity::{Entity, EntityKind, Identity, NewPolicy, PolicyScope, PolicyUsage};

use crate::convert::{self, page, path_prefix, required, tags};
use crate::errors::to_aws;

const ARN: &str = "PolicyArn";

pub(crate) async fn create(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreatePolicyRequest,
) -> Result<wire::CreatePolicyResponse, AwsError> {
    let new = NewPolicy {
        name: required(input.policy_name, "PolicyName")?,
        path: input.path,
        description: input.description,
        document: required(input.policy_document, "PolicyDocument")?,
        tags: tags(input.tags),
    };
    let policy = identity.create_policy(&caller, new).await.map_err(to_aws)?;
    Ok(wire::CreatePolicyResponse { policy: Some(convert::policy(policy)) })
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetPolicyRequest,
) -> Result<wire::GetPolicyResponse, AwsError> {
    let policy = identity.get_policy(&caller, &required(input.policy_arn, ARN)?).map_err(to_aws)?;
    Ok(wire::GetPolicyResponse { policy: Some(convert::policy(policy)) })
}

pub(crate) async fn create_version(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::CreatePolicyVersionRequest,
) -> Result<wire::CreatePolicyVersionResponse, AwsError> {
    let arn = required(input.policy_arn, ARN)?;
    let document = required(input.policy_document, "PolicyDocument")?;
    let set_as_default = input.set_as_default.unwrap_or(false);
    let made = identity.create_policy_version(&caller, &arn, &document, set_as_default).await.map_err(to_aws)?;
    Ok(wire::CreatePolicyVersionResponse { policy_version: Some(convert::version(made, None)) })
}

pub(crate) async fn get_version(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetPolicyVersionRequest,
) -> Result<wire::GetPolicyVersionResponse, AwsError> {
    let arn = required(input.policy_arn, ARN)?;
    let version_id = required(input.version_id, "VersionId")?;
    let version = identity.get_policy_version(&caller, &arn, &version_id).map_err(to_aws)?;
    let document = convert::document(&version.document);
    Ok(wire::GetPolicyVersionResponse { policy_version: Some(convert::version(version, Some(document))) })
}

pub(crate) async fn list_versions(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListPolicyVersionsRequest,
) -> Result<wire::ListPolicyVersionsResponse, AwsError> {
    let arn = required(input.policy_arn, ARN)?;
    let found = identity.list_policy_versions(&caller, &arn, &page(input.marker, input.max_items)).map_err(to_aws)?;
    Ok(wire::ListPolicyVersionsResponse {
        versions: Some(found.items.into_iter().map(|version| convert::version(version, None)).collect()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn set_default_version(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::SetDefaultPolicyVersionRequest,
) -> Result<Unit, AwsError> {
    let (arn, version) = (required(input.policy_arn, ARN)?, required(input.version_id, "VersionId")?);
    identity.set_default_policy_version(&caller, &arn, &version).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete_version(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeletePolicyVersionRequest,
) -> Result<Unit, AwsError> {
    let (arn, version) = (required(input.policy_arn, ARN)?, required(input.version_id, "VersionId")?);
    identity.delete_policy_version(&caller, &arn, &version).await.map_err(to_aws)?;
    Ok(Unit::default())
}

fn usage(filter: &Option<String>) -> Option<PolicyUsage> {
    match filter.as_deref() {
        Some("PermissionsBoundary") => Some(PolicyUsage::Boundary),
        Some(_) => Some(PolicyUsage::Attached),
        None => None,
    }
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
    let (only_attached, usage) = (input.only_attached.unwrap_or(false), usage(&input.policy_usage_filter));
    let request = page(input.marker, input.max_items);
    let found = identity
        .list_policies(&caller, scope, only_attached, usage, path_prefix(&input.path_prefix), &request)
        .map_err(to_aws)?;
    // The list tells neither descriptions nor tags: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
    let listed = |policy| wire::Policy { description: None, tags: None, ..convert::policy(policy) };
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
    let arn = required(input.policy_arn, ARN)?;
    let kind = match input.entity_filter.as_deref() {
        Some("User") => Some(EntityKind::User),
        Some("Group") => Some(EntityKind::Group),
        Some("Role") => Some(EntityKind::Role),
        Some(_) | None => None,
    };
    let (usage, request) = (usage(&input.policy_usage_filter), page(input.marker, input.max_items));
    let found = identity
        .list_entities_for_policy(&caller, &arn, kind, usage, path_prefix(&input.path_prefix), &request)
        .map_err(to_aws)?;
    let (mut users, mut groups, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    for Entity { kind, id, name, .. } in found.items {
        let (id, name) = (Some(id), Some(name));
        match kind {
            EntityKind::User => users.push(wire::PolicyUser { user_name: name, user_id: id }),
            EntityKind::Group => groups.push(wire::PolicyGroup { group_name: name, group_id: id }),
            EntityKind::Role => roles.push(wire::PolicyRole { role_name: name, role_id: id }),
        }
    }
    Ok(wire::ListEntitiesForPolicyResponse {
        policy_groups: Some(groups),
        policy_users: Some(users),
        policy_roles: Some(roles),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    })
}

pub(crate) async fn delete(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::DeletePolicyRequest,
) -> Result<Unit, AwsError> {
    identity.delete_policy(&caller, &required(input.policy_arn, ARN)?).await.map_err(to_aws)?;
    Ok(Unit::default())
}
