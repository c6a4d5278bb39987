//! Keys on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_keys::kms::{CreateKey, KeyOrigin, KeySpec, KeyUsage, Kms};

use crate::convert::{check_tokens, date, metadata, named, page, refuse_unbuilt, required, state_name};
use crate::errors::to_aws;
use crate::resources::key_spec_of;
use crate::tags::tags_of;

pub(crate) async fn create(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::CreateKeyRequest,
) -> Result<wire::CreateKeyResponse, AwsError> {
    refuse_unbuilt("CustomKeyStoreId", input.custom_key_store_id.as_ref())?;
    refuse_unbuilt("XksKeyId", input.xks_key_id.as_ref())?;
    refuse_unbuilt("MultiRegion", input.multi_region.filter(|multi_region| *multi_region).as_ref())?;
    let spec = named(KeySpec::of, key_spec_of(&input)?, "a key of this KeySpec")?;
    let usage = input.key_usage.as_deref().map(|name| named(KeyUsage::of, name, "a key for this KeyUsage"));
    let origin = input.origin.as_deref().map(|name| named(KeyOrigin::of, name, "material from this Origin"));
    let request = CreateKey {
        spec,
        usage: usage.transpose()?,
        origin: origin.transpose()?.unwrap_or(KeyOrigin::AwsKms),
        description: input.description.unwrap_or_default(),
        policy: input.policy,
        tags: tags_of(input.tags)?,
        bypass_lockout_check: input.bypass_policy_lockout_safety_check.unwrap_or(false),
    };
    let key = kms.create_key(&caller, request).await.map_err(to_aws)?;
    Ok(wire::CreateKeyResponse { key_metadata: Some(metadata(&kms, key)?) })
}

pub(crate) async fn describe(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::DescribeKeyRequest,
) -> Result<wire::DescribeKeyResponse, AwsError> {
    check_tokens(&kms, &input.grant_tokens)?;
    let name = required(input.key_id, "KeyId")?;
    let key = kms.key(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    Ok(wire::DescribeKeyResponse { key_metadata: Some(metadata(&kms, key)?) })
}

pub(crate) async fn list(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListKeysRequest,
) -> Result<wire::ListKeysResponse, AwsError> {
    let foreign = |owners: &&Vec<String>| owners.iter().any(|owner| owner != "SELF");
    refuse_unbuilt("ResourceOwners other than SELF", input.resource_owners.as_ref().filter(foreign))?;
    let page = page(input.marker, input.limit);
    let found = kms.list_keys(caller.authorized(), caller.scope(), &page).map_err(to_aws)?;
    let keys = found
        .items
        .into_iter()
        .map(|key| wire::KeyListEntry { key_arn: Some(key.arn().to_string()), key_id: Some(key.id) });
    Ok(wire::ListKeysResponse {
        keys: Some(keys.collect()),
        truncated: Some(found.marker.is_some()),
        next_marker: found.marker,
    })
}

pub(crate) async fn update_description(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::UpdateKeyDescriptionRequest,
) -> Result<Unit, AwsError> {
    let (name, text) = (required(input.key_id, "KeyId")?, required(input.description, "Description")?);
    kms.update_key_description(&caller, &name, text).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn enable(kms: Arc<Kms>, caller: Caller, input: wire::EnableKeyRequest) -> Result<Unit, AwsError> {
    kms.enable_key(&caller, &required(input.key_id, "KeyId")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn disable(kms: Arc<Kms>, caller: Caller, input: wire::DisableKeyRequest) -> Result<Unit, AwsError> {
    kms.disable_key(&caller, &required(input.key_id, "KeyId")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn schedule_deletion(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ScheduleKeyDeletionRequest,
) -> Result<wire::ScheduleKeyDeletionResponse, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    let days = input.pending_window_in_days.map(|days| u32::try_from(days).unwrap_or(0));
    let (key, deletion_ms) = kms.schedule_key_deletion(&caller, &name, days).await.map_err(to_aws)?;
    Ok(wire::ScheduleKeyDeletionResponse {
        key_id: Some(key.arn().to_string()),
        deletion_date: date(deletion_ms),
        key_state: Some(state_name(key.state).to_owned()),
        pending_window_in_days: Some(
            input.pending_window_in_days.unwrap_or(tarn_keys::kms::PENDING_DAYS_DEFAULT as i32),
        ),
    })
}

pub(crate) async fn cancel_deletion(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::CancelKeyDeletionRequest,
) -> Result<wire::CancelKeyDeletionResponse, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    let key = kms.cancel_key_deletion(&caller, &name).await.map_err(to_aws)?;
    Ok(wire::CancelKeyDeletionResponse { key_id: Some(key.arn().to_string()) })
}
