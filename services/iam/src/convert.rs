//! Between the wire's shapes and identity's: members, pages, dates, documents.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_identity::{AccessKeyStatus, AccessKeySummary, ManagedPolicy, PageRequest, User};

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

pub(crate) fn user(user: User) -> wire::User {
    wire::User {
        arn: Some(user.arn().to_string()),
        create_date: date(user.created_ms),
        path: Some(user.path),
        user_name: Some(user.name),
        user_id: Some(user.id),
        ..wire::User::default()
    }
}

pub(crate) fn status(status: AccessKeyStatus) -> String {
    match status {
        AccessKeyStatus::Active => "Active".to_owned(),
        AccessKeyStatus::Inactive => "Inactive".to_owned(),
    }
}

pub(crate) fn access_key_metadata(key: AccessKeySummary) -> wire::AccessKeyMetadata {
    wire::AccessKeyMetadata {
        user_name: Some(key.user_name),
        access_key_id: Some(key.id),
        status: Some(status(key.status)),
        create_date: date(key.created_ms),
    }
}

pub(crate) fn policy(policy: ManagedPolicy) -> wire::Policy {
    wire::Policy {
        policy_name: Some(policy.name),
        policy_id: Some(policy.id),
        arn: Some(policy.arn.to_string()),
        path: Some(policy.path),
        default_version_id: Some(VERSION_ID.to_owned()),
        attachment_count: i32::try_from(policy.attachment_count).ok(),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: policy.description,
        create_date: date(policy.created_ms),
        update_date: date(policy.created_ms),
        tags: None,
    }
}

/// The only version of every policy.
pub(crate) const VERSION_ID: &str = "v1";
