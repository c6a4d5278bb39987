//! Aliases on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_keys::kms::Kms;

use crate::convert::{date, page, required};
use crate::errors::to_aws;

pub(crate) async fn create(kms: Arc<Kms>, caller: Caller, input: wire::CreateAliasRequest) -> Result<Unit, AwsError> {
    let (name, target) = (required(input.alias_name, "AliasName")?, required(input.target_key_id, "TargetKeyId")?);
    kms.create_alias(&caller, &name, &target).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn update(kms: Arc<Kms>, caller: Caller, input: wire::UpdateAliasRequest) -> Result<Unit, AwsError> {
    let (name, target) = (required(input.alias_name, "AliasName")?, required(input.target_key_id, "TargetKeyId")?);
    kms.update_alias(&caller, &name, &target).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn delete(kms: Arc<Kms>, caller: Caller, input: wire::DeleteAliasRequest) -> Result<Unit, AwsError> {
    kms.delete_alias(&caller, &required(input.alias_name, "AliasName")?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn list(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListAliasesRequest,
) -> Result<wire::ListAliasesResponse, AwsError> {
    let page = page(input.marker, input.limit);
    let found =
        kms.list_aliases(caller.authorized(), caller.scope(), input.key_id.as_deref(), &page).map_err(to_aws)?;
    let aliases = found.items.into_iter().map(|alias| wire::AliasListEntry {
        alias_arn: Some(alias.arn().to_string()),
        alias_name: Some(alias.name),
        target_key_id: Some(alias.key_id),
        creation_date: date(alias.created_ms),
        last_updated_date: date(alias.updated_ms),
    });
    Ok(wire::ListAliasesResponse {
        aliases: Some(aliases.collect()),
        truncated: Some(found.marker.is_some()),
        next_marker: found.marker,
    })
}
