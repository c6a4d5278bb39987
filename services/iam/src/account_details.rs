//! All of an account, and which policies let somebody use a service, on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::{
    AccountDetail, AttachedPolicy, DetailKind, EntityKind, Identity, ManagedPolicy, OwnPolicies, PolicySource,
    SourcePolicy,
};

use crate::convert::{self, page, required};
use crate::errors::to_aws;

/// The model's check has refused other filters.
fn kind(filter: &str) -> Option<DetailKind> {
    match filter {
        "User" => Some(DetailKind::User),
        "Group" => Some(DetailKind::Group),
        "Role" => Some(DetailKind::Role),
        "LocalManagedPolicy" => Some(DetailKind::LocalPolicy),
        "AWSManagedPolicy" => Some(DetailKind::AwsPolicy),
        _ => None,
    }
}

fn inline(policies: Vec<(String, String)>) -> Option<Vec<wire::PolicyDetail>> {
    let detail = |(name, text): (String, String)| wire::PolicyDetail {
        policy_name: Some(name),
        policy_document: Some(convert::document(&text)),
    };
    Some(policies.into_iter().map(detail).collect())
}

fn attached(policies: Vec<AttachedPolicy>) -> Option<Vec<wire::AttachedPolicy>> {
    let one = |AttachedPolicy { name, arn }| wire::AttachedPolicy { policy_name: Some(name), policy_arn: Some(arn) };
    Some(policies.into_iter().map(one).collect())
}

fn policy(policy: ManagedPolicy) -> wire::ManagedPolicyDetail {
    let version = |version: &tarn_identity::PolicyVersion| {
        convert::version(version.clone(), Some(convert::document(&version.document)))
    };
    let versions = policy.versions.iter().map(version).collect();
    let shown = convert::policy(policy);
    wire::ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        description: shown.description,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(versions),
    }
}

fn put(detail: AccountDetail, answer: &mut wire::GetAccountAuthorizationDetailsResponse) {
    match detail {
        AccountDetail::User { user, policies: OwnPolicies { inline: own, attached: others }, groups } => {
            let shown = convert::user(user);
            answer.user_detail_list.get_or_insert_default().push(wire::UserDetail {
                path: shown.path,
                user_name: shown.user_name,
                user_id: shown.user_id,
                arn: shown.arn,
                create_date: shown.create_date,
                user_policy_list: inline(own),
                group_list: Some(groups),
                attached_managed_policies: attached(others),
                permissions_boundary: shown.permissions_boundary,
                tags: shown.tags,
            });
        }
        AccountDetail::Group { group, policies: OwnPolicies { inline: own, attached: others } } => {
            let shown = convert::group(group);
            answer.group_detail_list.get_or_insert_default().push(wire::GroupDetail {
                path: shown.path,
                group_name: shown.group_name,
                group_id: shown.group_id,
                arn: shown.arn,
                create_date: shown.create_date,
                group_policy_list: inline(own),
                attached_managed_policies: attached(others),
            });
        }
        AccountDetail::Role { role, policies: OwnPolicies { inline: own, attached: others }, instance_profiles } => {
            let shown = convert::role(role);
            let profiles = instance_profiles.into_iter().map(convert::instance_profile).collect();
            answer.role_detail_list.get_or_insert_default().push(wire::RoleDetail {
                path: shown.path,
                role_name: shown.role_name,
                role_id: shown.role_id,
                arn: shown.arn,
                create_date: shown.create_date,
                assume_role_policy_document: shown.assume_role_policy_document,
                instance_profile_list: Some(profiles),
                role_policy_list: inline(own),
                attached_managed_policies: attached(others),
                permissions_boundary: shown.permissions_boundary,
                tags: shown.tags,
                ..wire::RoleDetail::default()
            });
        }
        AccountDetail::Policy(found) => answer.policies.get_or_insert_default().push(policy(found)),
    }
}

pub(crate) async fn get(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::GetAccountAuthorizationDetailsRequest,
) -> Result<wire::GetAccountAuthorizationDetailsResponse, AwsError> {
    let kinds: Vec<DetailKind> = input.filter.iter().flatten().filter_map(|filter| kind(filter)).collect();
    let request = page(input.marker, input.max_items);
    let found = identity.account_authorization_details(&caller, &kinds, &request).map_err(to_aws)?;
    let mut answer = wire::GetAccountAuthorizationDetailsResponse {
        user_detail_list: Some(Vec::new()),
        group_detail_list: Some(Vec::new()),
        role_detail_list: Some(Vec::new()),
        policies: Some(Vec::new()),
        is_truncated: Some(found.marker.is_some()),
        marker: found.marker,
    };
    found.items.into_iter().for_each(|detail| put(detail, &mut answer));
    Ok(answer)
}

fn granting(policy: SourcePolicy) -> wire::PolicyGrantingServiceAccess {
    let is_inline = matches!(policy.source, PolicySource::Inline(_));
    // Whose it is is told of inline ones: https://docs.aws.amazon.com/IAM/latest/APIReference/API_PolicyGrantingServiceAccess.html
    let (kind, name) = policy.entity.filter(|_| is_inline).unzip();
    let kind = kind.map(|kind| match kind {
        EntityKind::User => "USER",
        EntityKind::Group => "GROUP",
        EntityKind::Role => "ROLE",
    });
    wire::PolicyGrantingServiceAccess {
        policy_name: policy.policy_name.or(Some(policy.id)),
        policy_type: Some(if is_inline { "INLINE" } else { "MANAGED" }.to_owned()),
        policy_arn: policy.arn,
        entity_type: kind.map(str::to_owned),
        entity_name: name,
    }
}

pub(crate) async fn list_granting(
    identity: Arc<Identity>,
    caller: Caller,
    input: wire::ListPoliciesGrantingServiceAccessRequest,
) -> Result<wire::ListPoliciesGrantingServiceAccessResponse, AwsError> {
    let arn = required(input.arn, "Arn")?;
    let services = required(input.service_namespaces, "ServiceNamespaces")?;
    let services = services.into_iter().map(|service| service.to_ascii_lowercase()).collect();
    let found = identity.policies_granting_service_access(&caller, &arn, services).map_err(to_aws)?;
    let entry = |(service, policies): (String, Vec<SourcePolicy>)| wire::ListPoliciesGrantingServiceAccessEntry {
        service_namespace: Some(service),
        policies: Some(policies.into_iter().map(granting).collect()),
    };
    Ok(wire::ListPoliciesGrantingServiceAccessResponse {
        policies_granting_service_access: Some(found.into_iter().map(entry).collect()),
        is_truncated: Some(false),
        marker: None,
    })
}
