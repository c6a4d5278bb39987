//! Between the wire's shapes and the domain's: members, pages, dates, contexts.

use std::collections::BTreeMap;

use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_keys::kms::{EncryptionContext, KeyManager, KeyState, KmsError, KmsKey, KmsPageRequest};

use crate::errors::to_aws;

/// The only algorithm and the only kind of key.
pub(crate) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// The model's check has refused requests without required members; what slips through is refused here.
pub(crate) fn required<T>(member: Option<T>, name: &str) -> Result<T, AwsError> {
    member.ok_or_else(|| AwsError::validation(&wire::SERVICE, format!("{name} is required.")))
}

/// Input that AWS takes and this server has no meaning for is refused, not dropped.
pub(crate) fn refuse_unbuilt<T>(what: &'static str, value: Option<&T>) -> Result<(), AwsError> {
    match value {
        None => Ok(()),
        Some(_) => Err(to_aws(KmsError::Unsupported { what })),
    }
}

/// Only what is symmetric is served.
pub(crate) fn require_symmetric(algorithm: &Option<String>) -> Result<(), AwsError> {
    match algorithm.as_deref() {
        None | Some(SYMMETRIC) => Ok(()),
        Some(_) => Err(to_aws(KmsError::Unsupported { what: "a key or an algorithm that is not symmetric" })),
    }
}

/// Grants are not built: a token of one cannot have been given out here. Dry runs would need them answered too.
pub(crate) fn require_plain(grant_tokens: &Option<Vec<String>>, dry_run: Option<bool>) -> Result<(), AwsError> {
    refuse_unbuilt("GrantTokens", grant_tokens.as_ref().filter(|tokens| !tokens.is_empty()))?;
    refuse_unbuilt("DryRun", dry_run.filter(|dry_run| *dry_run).as_ref())
}

pub(crate) fn context(pairs: Option<BTreeMap<String, String>>) -> Result<EncryptionContext, AwsError> {
    EncryptionContext::new(pairs.unwrap_or_default()).map_err(to_aws)
}

pub(crate) fn page(marker: Option<String>, limit: Option<i32>) -> KmsPageRequest {
    KmsPageRequest { marker, items_max: limit.and_then(|limit| usize::try_from(limit).ok()) }
}

pub(crate) fn date(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

pub(crate) fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Enabled => "Enabled",
        KeyState::Disabled => "Disabled",
        KeyState::PendingDeletion { .. } => "PendingDeletion",
    }
}

pub(crate) fn metadata(key: KmsKey) -> wire::KeyMetadata {
    let deletion_ms = match key.state {
        KeyState::PendingDeletion { deletion_ms } => Some(deletion_ms),
        KeyState::Enabled | KeyState::Disabled => None,
    };
    let manager = match key.manager {
        KeyManager::Aws => "AWS",
        KeyManager::Customer => "CUSTOMER",
    };
    wire::KeyMetadata {
        aws_account_id: Some(key.account.to_string()),
        arn: Some(key.arn().to_string()),
        creation_date: date(key.created_ms),
        enabled: Some(key.state == KeyState::Enabled),
        description: Some(key.description),
        key_usage: Some("ENCRYPT_DECRYPT".to_owned()),
        key_state: Some(state_name(key.state).to_owned()),
        deletion_date: deletion_ms.and_then(date),
        origin: Some("AWS_KMS".to_owned()),
        key_manager: Some(manager.to_owned()),
        customer_master_key_spec: Some(SYMMETRIC.to_owned()),
        key_spec: Some(SYMMETRIC.to_owned()),
        encryption_algorithms: Some(vec![SYMMETRIC.to_owned()]),
        multi_region: Some(false),
        key_id: Some(key.id),
        ..wire::KeyMetadata::default()
    }
}
