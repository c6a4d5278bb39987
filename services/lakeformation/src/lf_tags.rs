//! LF-tags on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::lakeformation as wire;
use tarn_aws_protocol::AwsError;
use tarn_formation::{FormationError, LfTag};
use tarn_types::Scope;

use crate::LakeFormation;
use crate::convert::required;
use crate::errors::{invalid, to_aws};
use crate::paging;

/// The most tags of a page: the model bounds the list.
const PAGE_SIZE_MAX: usize = 50;

pub(crate) async fn create(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::CreateLFTagRequest,
) -> Result<wire::CreateLFTagResponse, AwsError> {
    let key = required(input.tag_key, "TagKey")?;
    let values = input.tag_values.unwrap_or_default();
    lake.formation.create_tag(&caller, &key, &values).await.map_err(|error| match error {
        // The operation declares no AlreadyExistsException.
        FormationError::AlreadyExists { what } => invalid(format!("{what} already exists.")),
        other => to_aws(other),
    })?;
    Ok(wire::CreateLFTagResponse {})
}

pub(crate) async fn update(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::UpdateLFTagRequest,
) -> Result<wire::UpdateLFTagResponse, AwsError> {
    let key = required(input.tag_key, "TagKey")?;
    let (add, remove) = (input.tag_values_to_add.unwrap_or_default(), input.tag_values_to_delete.unwrap_or_default());
    lake.formation.update_tag(&caller, &key, &add, &remove).await.map_err(to_aws)?;
    Ok(wire::UpdateLFTagResponse {})
}

pub(crate) async fn delete(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::DeleteLFTagRequest,
) -> Result<wire::DeleteLFTagResponse, AwsError> {
    lake.formation.delete_tag(&caller, &required(input.tag_key, "TagKey")?).await.map_err(to_aws)?;
    Ok(wire::DeleteLFTagResponse {})
}

pub(crate) async fn get(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::GetLFTagRequest,
) -> Result<wire::GetLFTagResponse, AwsError> {
    let tag = lake.formation.tag(caller.authorized(), &required(input.tag_key, "TagKey")?).map_err(to_aws)?;
    let wire::LFTagPair { catalog_id, tag_key, tag_values } = shown(tag, caller.scope());
    Ok(wire::GetLFTagResponse { catalog_id, tag_key, tag_values })
}

fn shown(tag: LfTag, scope: &Scope) -> wire::LFTagPair {
    wire::LFTagPair {
        catalog_id: Some(scope.account.to_string()),
        tag_key: Some(tag.key),
        tag_values: Some(tag.values.into_iter().collect()),
    }
}

pub(crate) async fn list(
    lake: Arc<LakeFormation>,
    caller: Caller,
    input: wire::ListLFTagsRequest,
) -> Result<wire::ListLFTagsResponse, AwsError> {
    // No other account shares its tags with this one.
    if input.resource_share_type.as_deref() == Some("FOREIGN") {
        return Ok(wire::ListLFTagsResponse { lf_tags: None, next_token: None });
    }
    let after = paging::after(input.next_token.as_ref())?;
    let limit = paging::limit(input.max_results, PAGE_SIZE_MAX);
    let page = lake.formation.tags(caller.authorized(), after.as_deref(), limit).map_err(to_aws)?;
    let tags: Vec<_> = page.items.into_iter().map(|tag| shown(tag, caller.scope())).collect();
    Ok(wire::ListLFTagsResponse { lf_tags: Some(tags), next_token: paging::token(page.next) })
}
