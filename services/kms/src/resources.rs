//! What each operation's callers must be allowed.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>

use std::collections::BTreeMap;

use tarn_aws_model::kms as wire;
use tarn_aws_protocol::AwsError;
use tarn_keys::kms::Kms;
use tarn_policy::Requirement;
use tarn_types::Scope;

use crate::convert::{context, required};
use crate::errors::to_aws;
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

pub(crate) fn create_key(_: &Kms, input: &wire::CreateKeyRequest, scope: &Scope) -> Requirements {
    let mut requirement = Requirement::any("kms:CreateKey").with("kms:CallerAccount", scope.account.as_str());
    requirement.context.set("kms:KeySpec", input.key_spec.as_deref().unwrap_or("SYMMETRIC_DEFAULT"));
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

pub(crate) fn encrypt(kms: &Kms, input: &wire::EncryptRequest, scope: &Scope) -> Requirements {
    on_key_for(kms, scope, "kms:Encrypt", &input.key_id, &input.encryption_context)
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
    Ok(vec![of_ciphertext(kms, scope, "kms:Decrypt", name, blob, &input.encryption_context)?])
}

pub(crate) fn re_encrypt(kms: &Kms, input: &wire::ReEncryptRequest, scope: &Scope) -> Requirements {
    let (name, blob) = (&input.source_key_id, &input.ciphertext_blob);
    let from = of_ciphertext(kms, scope, "kms:ReEncryptFrom", name, blob, &input.source_encryption_context)?;
    let mut to = key(kms, scope, "kms:ReEncryptTo", &input.destination_key_id)?;
    context(input.destination_encryption_context.clone())?.describe(&mut to);
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
