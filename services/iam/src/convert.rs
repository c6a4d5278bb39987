//! Between the wire's shapes and identity's: members, pages, dates, documents.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_identity::{
    AccessKeyStatus, AccessKeySummary, Group, InstanceProfile, ManagedPolicy, PageRequest, PolicyVersion, Role, Tag,
    User,
};

/// Everything that RFC 3986 does not leave bare: clients undo it for documents.
const DOCUMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The model's check has refused requests without required members; what slips through is refused here.
pub(crate) fn required<T>(member: Option<T>, name: &str) -> Result<T, AwsError> {
    member.ok_or_else(|| AwsError::validation(&wire::SERVICE, format!("{name} is required.")))
}

pub(crate) fn page(marker: Option<String>, max_items: Option<i32>) -> PageRequest {
    PageRequest { marker, items_max: max_items.and_then(|items| usize::try_from(items).ok()) }
}

pub(crate) fn date(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

pub(crate) fn document(text: &str) -> String {
    utf8_percent_encode(text, DOCUMENT).to_string()
}

pub(crate) fn path_prefix(prefix: &Option<String>) -> &str {
    prefix.as_deref().unwrap_or("/")
}

pub(crate) fn tags(tags: Option<Vec<wire::Tag>>) -> Vec<Tag> {
    let tag = |tag: wire::Tag| Tag { key: tag.key.unwrap_or_default(), value: tag.value.unwrap_or_default() };
    tags.into_iter().flatten().map(tag).collect()
}

pub(crate) fn wire_tags(tags: Vec<Tag>) -> Vec<wire::Tag> {
    tags.into_iter().map(|Tag { key, value }| wire::Tag { key: Some(key), value: Some(value) }).collect()
}

/// Members that AWS leaves out where there is nothing to say.
fn some_tags(tags: Vec<Tag>) -> Option<Vec<wire::Tag>> {
    (!tags.is_empty()).then(|| wire_tags(tags))
}

fn boundary(arn: Option<String>) -> Option<wire::AttachedPermissionsBoundary> {
    arn.map(|arn| wire::AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".to_owned()),
        permissions_boundary_arn: Some(arn),
    })
}

pub(crate) fn user(user: User) -> wire::User {
    wire::User {
        arn: Some(user.arn().to_string()),
        create_date: date(user.created_ms),
        path: Some(user.path),
        user_name: Some(user.name),
        user_id: Some(user.id),
        permissions_boundary: boundary(user.boundary),
        tags: some_tags(user.tags),
        ..wire::User::default()
    }
}

/// Lists tell neither tags nor boundaries: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListUsers.html>
pub(crate) fn listed_user(listed: User) -> wire::User {
    wire::User { permissions_boundary: None, tags: None, ..user(listed) }
}

pub(crate) fn group(group: Group) -> wire::Group {
    wire::Group {
        arn: Some(group.arn().to_string()),
        create_date: date(group.created_ms),
        path: Some(group.path),
        group_name: Some(group.name),
        group_id: Some(group.id),
    }
}

pub(crate) fn role(role: Role) -> wire::Role {
    wire::Role {
        arn: Some(role.arn().to_string()),
        create_date: date(role.created_ms),
        path: Some(role.path),
        role_name: Some(role.name),
        role_id: Some(role.id),
        assume_role_policy_document: Some(document(&role.trust_policy)),
        description: Some(role.description),
        max_session_duration: i32::try_from(role.session_seconds_max).ok(),
        permissions_boundary: boundary(role.boundary),
        tags: some_tags(role.tags),
        ..wire::Role::default()
    }
}

/// Lists tell neither tags nor boundaries: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html>
pub(crate) fn listed_role(listed: Role) -> wire::Role {
    wire::Role { permissions_boundary: None, tags: None, ..role(listed) }
}

pub(crate) fn instance_profile(profile: InstanceProfile) -> wire::InstanceProfile {
    wire::InstanceProfile {
        arn: Some(profile.arn().to_string()),
        create_date: date(profile.created_ms),
        path: Some(profile.path),
        instance_profile_name: Some(profile.name),
        instance_profile_id: Some(profile.id),
        roles: Some(profile.role.into_iter().map(listed_role).collect()),
        tags: some_tags(profile.tags),
    }
}

/// Lists tell no tags.
pub(crate) fn listed_instance_profile(listed: InstanceProfile) -> wire::InstanceProfile {
    wire::InstanceProfile { tags: None, ..instance_profile(listed) }
}

pub(crate) fn status(status: AccessKeyStatus) -> String {
    match status {
        AccessKeyStatus::Active => "Active".to_owned(),
        AccessKeyStatus::Inactive => "Inactive".to_owned(),
    }
}

pub(crate) fn access_key_metadata(key: AccessKeySummary) -> wire::AccessKeyMetadata {
    wire::AccessKeyMetadata {
        user_name: key.user_name,
        access_key_id: Some(key.id),
        status: Some(status(key.status)),
        create_date: date(key.created_ms),
    }
}

pub(crate) fn policy(policy: ManagedPolicy) -> wire::Policy {
    wire::Policy {
        default_version_id: Some(policy.default_version_id().to_owned()),
        policy_name: Some(policy.name),
        policy_id: Some(policy.id),
        arn: Some(policy.arn.to_string()),
        path: Some(policy.path),
        attachment_count: i32::try_from(policy.attachment_count).ok(),
        permissions_boundary_usage_count: i32::try_from(policy.boundary_count).ok(),
        is_attachable: Some(true),
        description: policy.description,
        create_date: date(policy.created_ms),
        update_date: date(policy.updated_ms),
        tags: Some(wire_tags(policy.tags)),
    }
}

/// Lists and new versions come without documents.
pub(crate) fn version(version: PolicyVersion, document: Option<String>) -> wire::PolicyVersion {
    wire::PolicyVersion {
        document,
        version_id: Some(version.id),
        is_default_version: Some(version.is_default),
        create_date: date(version.created_ms),
    }
}
