//! Between the wire's shapes and the domain's: members, pages, dates, contexts.

use std::collections::BTreeMap;

use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_keys::kms::{
    EncryptionAlgorithm, EncryptionContext, KeyManager, KeyState, KeyUsage, Kms, KmsError, KmsKey, KmsPageRequest,
    MacAlgorithm, MaterialId, SigningAlgorithm,
};

use crate::errors::to_aws;

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

/// The value that a name of the model's list is; the list has values that this server does not.
pub(crate) fn named<T>(of: fn(&str) -> Option<T>, name: &str, what: &'static str) -> Result<T, AwsError> {
    of(name).ok_or_else(|| to_aws(KmsError::Unsupported { what }))
}

/// How a request encrypts or decrypts.
pub(crate) fn algorithm(name: Option<&str>) -> Result<EncryptionAlgorithm, AwsError> {
    match name {
        None => Ok(EncryptionAlgorithm::SymmetricDefault),
        Some(name) => named(EncryptionAlgorithm::of, name, "this encryption algorithm"),
    }
}

/// Grants work as soon as they are made; their tokens are looked at all the same.
pub(crate) fn check_tokens(kms: &Kms, tokens: &Option<Vec<String>>) -> Result<(), AwsError> {
    kms.check_grant_tokens(tokens.as_deref().unwrap_or_default()).map_err(to_aws)
}

/// The answer, unless it was only asked whether there would be one.
pub(crate) fn answer<T>(dry_run: Option<bool>, output: T) -> Result<T, AwsError> {
    if dry_run.unwrap_or(false) { Err(to_aws(KmsError::DryRun)) } else { Ok(output) }
}

pub(crate) fn material_id(id: Option<MaterialId>) -> Option<String> {
    // 64 hexadecimal digits.
    id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The names of a list, if it has any.
pub(crate) fn names<T: Copy>(values: &[T], name: fn(T) -> &'static str) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.iter().map(|value| name(*value).to_owned()).collect())
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
        KeyState::PendingImport => "PendingImport",
    }
}

/// What keys agree by.
pub(crate) fn agreement_algorithms(usage: KeyUsage) -> Option<Vec<String>> {
    (usage == KeyUsage::KeyAgreement).then(|| vec!["ECDH".to_owned()])
}

pub(crate) fn metadata(kms: &Kms, key: KmsKey) -> Result<wire::KeyMetadata, AwsError> {
    let deletion_ms = match key.state {
        KeyState::PendingDeletion { deletion_ms } => Some(deletion_ms),
        KeyState::Enabled | KeyState::Disabled | KeyState::PendingImport => None,
    };
    let manager = match key.manager {
        KeyManager::Aws => "AWS",
        KeyManager::Customer => "CUSTOMER",
    };
    let has_material = key.state != KeyState::PendingImport;
    let imported = key.imported.filter(|_| has_material);
    let expires = |valid_to_ms: Option<i64>| match valid_to_ms {
        Some(_) => "KEY_MATERIAL_EXPIRES".to_owned(),
        None => "KEY_MATERIAL_DOES_NOT_EXPIRE".to_owned(),
    };
    Ok(wire::KeyMetadata {
        aws_account_id: Some(key.account.to_string()),
        arn: Some(key.arn().to_string()),
        creation_date: date(key.created_ms),
        enabled: Some(key.state == KeyState::Enabled),
        key_usage: Some(key.usage.name().to_owned()),
        key_state: Some(state_name(key.state).to_owned()),
        deletion_date: deletion_ms.and_then(date),
        valid_to: imported.and_then(|imported| imported.valid_to_ms).and_then(date),
        expiration_model: imported.map(|imported| expires(imported.valid_to_ms)),
        origin: Some(key.origin.name().to_owned()),
        key_manager: Some(manager.to_owned()),
        customer_master_key_spec: Some(key.spec.name().to_owned()),
        key_spec: Some(key.spec.name().to_owned()),
        encryption_algorithms: names(key.spec.encryption_algorithms(key.usage), EncryptionAlgorithm::name),
        signing_algorithms: names(key.spec.signing_algorithms(key.usage), SigningAlgorithm::name),
        mac_algorithms: names(key.spec.mac_algorithms(), MacAlgorithm::name),
        key_agreement_algorithms: agreement_algorithms(key.usage),
        multi_region: Some(false),
        current_key_material_id: material_id(kms.current_material_id(&key).map_err(to_aws)?),
        description: Some(key.description),
        key_id: Some(key.id),
        ..wire::KeyMetadata::default()
    })
}
