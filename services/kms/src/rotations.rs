//! Rotation of keys on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_keys::kms::{Kms, RotationKind};

use crate::convert::{date, material_id, page, required};
use crate::errors::to_aws;

pub(crate) async fn enable(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::EnableKeyRotationRequest,
) -> Result<Unit, AwsError> {
    let days = input.rotation_period_in_days.map(|days| u32::try_from(days).unwrap_or(0));
    kms.enable_key_rotation(&caller, &required(input.key_id, "KeyId")?, days).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn disable(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::DisableKeyRotationRequest,
) -> Result<Unit, AwsError> {
    kms.disable_key_rotation(&caller, &required(input.key_id, "KeyId")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

/// A rotation on demand is done when it is answered, so that none is ever under way.
pub(crate) async fn status(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::GetKeyRotationStatusRequest,
) -> Result<wire::GetKeyRotationStatusResponse, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    let key = kms.rotation_status(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    Ok(wire::GetKeyRotationStatusResponse {
        key_rotation_enabled: Some(key.rotation.is_some()),
        rotation_period_in_days: key.rotation.and_then(|rotation| i32::try_from(rotation.period_days).ok()),
        next_rotation_date: key.rotation.and_then(|rotation| date(rotation.next_ms)),
        key_id: Some(key.arn().to_string()),
        on_demand_rotation_start_date: None,
    })
}

pub(crate) async fn rotate(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::RotateKeyOnDemandRequest,
) -> Result<wire::RotateKeyOnDemandResponse, AwsError> {
    let key = kms.rotate_key_on_demand(&caller, &required(input.key_id, "KeyId")?).await.map_err(to_aws)?;
    Ok(wire::RotateKeyOnDemandResponse { key_id: Some(key.id) })
}

pub(crate) async fn list(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListKeyRotationsRequest,
) -> Result<wire::ListKeyRotationsResponse, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    let page = page(input.marker, input.limit);
    let all = input.include_key_material.as_deref() == Some("ALL_KEY_MATERIAL");
    let found = kms.list_key_rotations(caller.authorized(), caller.scope(), &name, all, &page).map_err(to_aws)?;
    let kind = |kind| match kind {
        RotationKind::Automatic => "AUTOMATIC".to_owned(),
        RotationKind::OnDemand => "ON_DEMAND".to_owned(),
    };
    let state = |is_current| if is_current { "CURRENT" } else { "NON_CURRENT" };
    let rotations = found.items.into_iter().map(|version| wire::RotationsListEntry {
        key_id: Some(name.clone()),
        key_material_id: material_id(Some(version.material)),
        key_material_state: Some(state(version.is_current).to_owned()),
        rotation_date: version.rotation.and_then(|_| date(version.since_ms)),
        rotation_type: version.rotation.map(kind),
        ..wire::RotationsListEntry::default()
    });
    Ok(wire::ListKeyRotationsResponse {
        rotations: Some(rotations.collect()),
        truncated: Some(found.marker.is_some()),
        next_marker: found.marker,
    })
}
