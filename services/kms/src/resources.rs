//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>

use std::collections::BTreeMap;

use tarn_aws_model::kms::{self as wire, SERVICE};
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::Kms;
use tarn_policy::Requirement;
use tarn_types::Scope;

use crate::convert::{context, required};
use crate::errors::to_aws;
use crate::grants::{grant_name, grant_of};
use crate::tags::tags_of;

type Requirements = Result<Vec<Requirement>, AwsError>;

fn key(kms: &Kms, scope: &Scope, action: &'static str, name: &Option<String>) -> Result<Requirement, AwsError> {
    kms.requirement(action, scope, required(name.as_deref(), "KeyId")?).map_err(to_aws)
}

fn on_key(kms: &Kms, scope: &Scope, action: &'static str, name: &Option<String>) -> Requirements {
    Ok(vec![key(kms, scope, action, name)?])
}

fn on_key_for(
    kms: &Kms,
    scope: &Scope,
    action: &'static str,
    name: &Option<String>,
    pairs: &Option<BTreeMap<String, String>>,
) -> Requirements {
    let mut requirement = key(kms, scope, action, name)?;
    context(pairs.clone())?.describe(&mut requirement);
    Ok(vec![requirement])
}

fn set_request_tags(requirement: &mut Requirement, tags: impl Iterator<Item = (String, String)>) {
    let mut names = Vec::new();
    for (tag, value) in tags {
        requirement.context.set(&format!("aws:RequestTag/{tag}"), value);
        names.push(tag);
    }
    requirement.context.set_all("aws:TagKeys", names);
}

/// Which kind of key is asked for: `CustomerMasterKeySpec` is the same member under its old name.
pub(crate) fn key_spec_of(input: &wire::CreateKeyRequest) -> Result<&str, AwsError> {
    match (input.key_spec.as_deref(), input.customer_master_key_spec.as_deref()) {
        (Some(new), Some(old)) if new != old => {
            Err(AwsError::validation(&SERVICE, "KeySpec and CustomerMasterKeySpec differ; give one of them."))
        }
        (new, old) => Ok(new.or(old).unwrap_or("SYMMETRIC_DEFAULT")),
    }
}

pub(crate) fn create_key(_: &Kms, input: &wire::CreateKeyRequest, scope: &Scope) -> Requirements {
    let mut requirement = Requirement::any("kms:CreateKey").with("kms:CallerAccount", scope.account.as_str());
    requirement.context.set("kms:KeySpec", key_spec_of(input)?);
    requirement.context.set("kms:KeyUsage", input.key_usage.as_deref().unwrap_or("ENCRYPT_DECRYPT"));
    requirement.context.set("kms:KeyOrigin", input.origin.as_deref().unwrap_or("AWS_KMS"));
    let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    requirement.context.set("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string());
    let tags = tags_of(input.tags.clone())?;
    if !tags.is_empty() {
        set_request_tags(&mut requirement, tags.into_iter());
    }
    Ok(vec![requirement])
}

pub(crate) fn describe_key(kms: &Kms, input: &wire::DescribeKeyRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:DescribeKey", &input.key_id)
}

pub(crate) fn list_keys(_: &Kms, _: &wire::ListKeysRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("kms:ListKeys")])
}

pub(crate) fn enable_key(kms: &Kms, input: &wire::EnableKeyRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:EnableKey", &input.key_id)
}

pub(crate) fn disable_key(kms: &Kms, input: &wire::DisableKeyRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:DisableKey", &input.key_id)
}

pub(crate) fn schedule_key_deletion(
    kms: &Kms,
    input: &wire::ScheduleKeyDeletionRequest,
    scope: &Scope,
) -> Requirements {
    let mut requirement = key(kms, scope, "kms:ScheduleKeyDeletion", &input.key_id)?;
    let days = input.pending_window_in_days.unwrap_or(30);
    requirement.context.set("kms:ScheduleKeyDeletionPendingWindowInDays", days.to_string());
    Ok(vec![requirement])
}

pub(crate) fn cancel_key_deletion(kms: &Kms, input: &wire::CancelKeyDeletionRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:CancelKeyDeletion", &input.key_id)
}

/// On the alias and on each key that it names, now and afterwards.
fn on_alias(
    kms: &Kms,
    scope: &Scope,
    action: &'static str,
    name: &Option<String>,
    target: Option<&Option<String>>,
    moves: bool,
) -> Requirements {
    let name = required(name.as_deref(), "AliasName")?;
    let mut requirements = vec![kms.alias_requirement(action, scope, name)];
    if moves && let Some(before) = kms.alias_target(scope, name).map_err(to_aws)? {
        requirements.push(kms.requirement(action, scope, &before).map_err(to_aws)?);
    }
    if let Some(target) = target {
        requirements.push(key(kms, scope, action, target)?);
    }
    Ok(requirements)
}

pub(crate) fn update_key_description(
    kms: &Kms,
    input: &wire::UpdateKeyDescriptionRequest,
    scope: &Scope,
) -> Requirements {
    on_key(kms, scope, "kms:UpdateKeyDescription", &input.key_id)
}

pub(crate) fn enable_key_rotation(kms: &Kms, input: &wire::EnableKeyRotationRequest, scope: &Scope) -> Requirements {
    let mut requirement = key(kms, scope, "kms:EnableKeyRotation", &input.key_id)?;
    let days = input.rotation_period_in_days.unwrap_or(365);
    requirement.context.set("kms:RotationPeriodInDays", days.to_string());
    Ok(vec![requirement])
}

pub(crate) fn disable_key_rotation(kms: &Kms, input: &wire::DisableKeyRotationRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:DisableKeyRotation", &input.key_id)
}

pub(crate) fn get_key_rotation_status(
    kms: &Kms,
    input: &wire::GetKeyRotationStatusRequest,
    scope: &Scope,
) -> Requirements {
    on_key(kms, scope, "kms:GetKeyRotationStatus", &input.key_id)
}

pub(crate) fn rotate_key_on_demand(kms: &Kms, input: &wire::RotateKeyOnDemandRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:RotateKeyOnDemand", &input.key_id)
}

pub(crate) fn list_key_rotations(kms: &Kms, input: &wire::ListKeyRotationsRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:ListKeyRotations", &input.key_id)
}

/// With condition keys that have a value where the request has one.
fn with(mut requirement: Requirement, keys: &[(&str, &Option<String>)]) -> Requirements {
    for (key, value) in keys {
        if let Some(value) = value {
            requirement.context.set(key, value.clone());
        }
    }
    Ok(vec![requirement])
}

pub(crate) fn get_parameters_for_import(
    kms: &Kms,
    input: &wire::GetParametersForImportRequest,
    scope: &Scope,
) -> Requirements {
    let requirement = key(kms, scope, "kms:GetParametersForImport", &input.key_id)?;
    let keys =
        [("kms:WrappingAlgorithm", &input.wrapping_algorithm), ("kms:WrappingKeySpec", &input.wrapping_key_spec)];
    with(requirement, &keys)
}

pub(crate) fn import_key_material(kms: &Kms, input: &wire::ImportKeyMaterialRequest, scope: &Scope) -> Requirements {
    let requirement = key(kms, scope, "kms:ImportKeyMaterial", &input.key_id)?;
    let model = input.expiration_model.clone().or_else(|| Some("KEY_MATERIAL_EXPIRES".to_owned()));
    let valid_to = input.valid_to.map(|time| time.as_second().to_string());
    with(requirement, &[("kms:ExpirationModel", &model), ("kms:ValidTo", &valid_to)])
}

pub(crate) fn delete_imported_key_material(
    kms: &Kms,
    input: &wire::DeleteImportedKeyMaterialRequest,
    scope: &Scope,
) -> Requirements {
    on_key(kms, scope, "kms:DeleteImportedKeyMaterial", &input.key_id)
}

pub(crate) fn create_grant(kms: &Kms, input: &wire::CreateGrantRequest, scope: &Scope) -> Requirements {
    let mut requirement = key(kms, scope, "kms:CreateGrant", &input.key_id)?;
    grant_of(input)?.describe(&mut requirement);
    Ok(vec![requirement])
}

/// No caller is a service of AWS.
fn on_grants(kms: &Kms, scope: &Scope, action: &'static str, name: &Option<String>) -> Requirements {
    Ok(vec![key(kms, scope, action, name)?.with("kms:GrantIsForAWSResource", "false")])
}

pub(crate) fn list_grants(kms: &Kms, input: &wire::ListGrantsRequest, scope: &Scope) -> Requirements {
    on_grants(kms, scope, "kms:ListGrants", &input.key_id)
}

pub(crate) fn revoke_grant(kms: &Kms, input: &wire::RevokeGrantRequest, scope: &Scope) -> Requirements {
    on_grants(kms, scope, "kms:RevokeGrant", &input.key_id)
}

pub(crate) fn retire_grant(kms: &Kms, input: &wire::RetireGrantRequest, scope: &Scope) -> Requirements {
    Ok(vec![kms.retire_requirement(scope, &grant_name(input)?).map_err(to_aws)?])
}

pub(crate) fn list_retirable_grants(_: &Kms, _: &wire::ListRetirableGrantsRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("kms:ListRetirableGrants")])
}

pub(crate) fn generate_mac(kms: &Kms, input: &wire::GenerateMacRequest, scope: &Scope) -> Requirements {
    let requirement = key(kms, scope, "kms:GenerateMac", &input.key_id)?;
    with(requirement, &[("kms:MacAlgorithm", &input.mac_algorithm)])
}

pub(crate) fn verify_mac(kms: &Kms, input: &wire::VerifyMacRequest, scope: &Scope) -> Requirements {
    let requirement = key(kms, scope, "kms:VerifyMac", &input.key_id)?;
    with(requirement, &[("kms:MacAlgorithm", &input.mac_algorithm)])
}

/// As on AWS, a message is raw if nothing else is said.
fn message_type(given: &Option<String>) -> Option<String> {
    given.clone().or_else(|| Some("RAW".to_owned()))
}

pub(crate) fn sign(kms: &Kms, input: &wire::SignRequest, scope: &Scope) -> Requirements {
    let requirement = key(kms, scope, "kms:Sign", &input.key_id)?;
    let message_type = message_type(&input.message_type);
    with(requirement, &[("kms:SigningAlgorithm", &input.signing_algorithm), ("kms:MessageType", &message_type)])
}

pub(crate) fn verify(kms: &Kms, input: &wire::VerifyRequest, scope: &Scope) -> Requirements {
    let requirement = key(kms, scope, "kms:Verify", &input.key_id)?;
    let message_type = message_type(&input.message_type);
    with(requirement, &[("kms:SigningAlgorithm", &input.signing_algorithm), ("kms:MessageType", &message_type)])
}

pub(crate) fn get_public_key(kms: &Kms, input: &wire::GetPublicKeyRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:GetPublicKey", &input.key_id)
}

pub(crate) fn derive_shared_secret(kms: &Kms, input: &wire::DeriveSharedSecretRequest, scope: &Scope) -> Requirements {
    let requirement = key(kms, scope, "kms:DeriveSharedSecret", &input.key_id)?;
    with(requirement, &[("kms:KeyAgreementAlgorithm", &input.key_agreement_algorithm)])
}

pub(crate) fn generate_data_key_pair(
    kms: &Kms,
    input: &wire::GenerateDataKeyPairRequest,
    scope: &Scope,
) -> Requirements {
    let mut requirement = key(kms, scope, "kms:GenerateDataKeyPair", &input.key_id)?;
    context(input.encryption_context.clone())?.describe(&mut requirement);
    with(requirement, &[("kms:DataKeyPairSpec", &input.key_pair_spec)])
}

pub(crate) fn generate_data_key_pair_without_plaintext(
    kms: &Kms,
    input: &wire::GenerateDataKeyPairWithoutPlaintextRequest,
    scope: &Scope,
) -> Requirements {
    let mut requirement = key(kms, scope, "kms:GenerateDataKeyPairWithoutPlaintext", &input.key_id)?;
    context(input.encryption_context.clone())?.describe(&mut requirement);
    with(requirement, &[("kms:DataKeyPairSpec", &input.key_pair_spec)])
}

pub(crate) fn create_alias(kms: &Kms, input: &wire::CreateAliasRequest, scope: &Scope) -> Requirements {
    on_alias(kms, scope, "kms:CreateAlias", &input.alias_name, Some(&input.target_key_id), false)
}

pub(crate) fn update_alias(kms: &Kms, input: &wire::UpdateAliasRequest, scope: &Scope) -> Requirements {
    on_alias(kms, scope, "kms:UpdateAlias", &input.alias_name, Some(&input.target_key_id), true)
}

pub(crate) fn delete_alias(kms: &Kms, input: &wire::DeleteAliasRequest, scope: &Scope) -> Requirements {
    on_alias(kms, scope, "kms:DeleteAlias", &input.alias_name, None, true)
}

pub(crate) fn list_aliases(_: &Kms, _: &wire::ListAliasesRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("kms:ListAliases")])
}

/// What is meant where a request names no algorithm.
fn with_algorithm(requirement: Requirement, algorithm: &Option<String>) -> Requirement {
    requirement.with("kms:EncryptionAlgorithm", algorithm.as_deref().unwrap_or("SYMMETRIC_DEFAULT"))
}

pub(crate) fn encrypt(kms: &Kms, input: &wire::EncryptRequest, scope: &Scope) -> Requirements {
    let requirements = on_key_for(kms, scope, "kms:Encrypt", &input.key_id, &input.encryption_context)?;
    Ok(requirements.into_iter().map(|needed| with_algorithm(needed, &input.encryption_algorithm)).collect())
}

fn of_ciphertext(
    kms: &Kms,
    scope: &Scope,
    action: &'static str,
    name: &Option<String>,
    blob: &Option<bytes::Bytes>,
    pairs: &Option<BTreeMap<String, String>>,
) -> Result<Requirement, AwsError> {
    let blob = required(blob.as_deref(), "CiphertextBlob")?;
    let context = context(pairs.clone())?;
    kms.decrypt_requirement(action, scope, name.as_deref(), blob, &context).map_err(to_aws)
}

pub(crate) fn decrypt(kms: &Kms, input: &wire::DecryptRequest, scope: &Scope) -> Requirements {
    let (name, blob) = (&input.key_id, &input.ciphertext_blob);
    let requirement = of_ciphertext(kms, scope, "kms:Decrypt", name, blob, &input.encryption_context)?;
    Ok(vec![with_algorithm(requirement, &input.encryption_algorithm)])
}

pub(crate) fn re_encrypt(kms: &Kms, input: &wire::ReEncryptRequest, scope: &Scope) -> Requirements {
    let (name, blob) = (&input.source_key_id, &input.ciphertext_blob);
    let from = of_ciphertext(kms, scope, "kms:ReEncryptFrom", name, blob, &input.source_encryption_context)?;
    let mut to = key(kms, scope, "kms:ReEncryptTo", &input.destination_key_id)?;
    context(input.destination_encryption_context.clone())?.describe(&mut to);
    let from = with_algorithm(from, &input.source_encryption_algorithm);
    let to = with_algorithm(to, &input.destination_encryption_algorithm);
    let same = (from.resource == to.resource).to_string();
    Ok([from, to].map(|requirement| requirement.with("kms:ReEncryptOnSameKey", same.clone())).to_vec())
}

pub(crate) fn generate_data_key(kms: &Kms, input: &wire::GenerateDataKeyRequest, scope: &Scope) -> Requirements {
    on_key_for(kms, scope, "kms:GenerateDataKey", &input.key_id, &input.encryption_context)
}

pub(crate) fn generate_data_key_without_plaintext(
    kms: &Kms,
    input: &wire::GenerateDataKeyWithoutPlaintextRequest,
    scope: &Scope,
) -> Requirements {
    on_key_for(kms, scope, "kms:GenerateDataKeyWithoutPlaintext", &input.key_id, &input.encryption_context)
}

pub(crate) fn generate_random(_: &Kms, _: &wire::GenerateRandomRequest, _: &Scope) -> Requirements {
    Ok(vec![Requirement::any("kms:GenerateRandom")])
}

pub(crate) fn get_key_policy(kms: &Kms, input: &wire::GetKeyPolicyRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:GetKeyPolicy", &input.key_id)
}

pub(crate) fn put_key_policy(kms: &Kms, input: &wire::PutKeyPolicyRequest, scope: &Scope) -> Requirements {
    let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
    let requirement = key(kms, scope, "kms:PutKeyPolicy", &input.key_id)?;
    Ok(vec![requirement.with("kms:BypassPolicyLockoutSafetyCheck", bypass.to_string())])
}

pub(crate) fn list_key_policies(kms: &Kms, input: &wire::ListKeyPoliciesRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:ListKeyPolicies", &input.key_id)
}

pub(crate) fn tag_resource(kms: &Kms, input: &wire::TagResourceRequest, scope: &Scope) -> Requirements {
    let mut requirement = key(kms, scope, "kms:TagResource", &input.key_id)?;
    set_request_tags(&mut requirement, tags_of(input.tags.clone())?.into_iter());
    Ok(vec![requirement])
}

pub(crate) fn untag_resource(kms: &Kms, input: &wire::UntagResourceRequest, scope: &Scope) -> Requirements {
    let mut requirement = key(kms, scope, "kms:UntagResource", &input.key_id)?;
    requirement.context.set_all("aws:TagKeys", input.tag_keys.clone().unwrap_or_default());
    Ok(vec![requirement])
}

pub(crate) fn list_resource_tags(kms: &Kms, input: &wire::ListResourceTagsRequest, scope: &Scope) -> Requirements {
    on_key(kms, scope, "kms:ListResourceTags", &input.key_id)
}
