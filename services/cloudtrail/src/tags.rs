//! Tags of trails on the wire. Other resources of CloudTrail that could have tags are not here.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::cloudtrail::{self as wire, errors as of_cloudtrail};
use tarn_aws_protocol::AwsError;
use tarn_trails::TrailsError;
use tarn_types::Arn;

use crate::CloudTrail;
use crate::convert;
use crate::errors::trails_to_aws;

/// ARNs of one call.
const RESOURCES_COUNT_MAX: usize = 20;

/// The ARN of a trail, whole.
fn resource(id: Option<String>) -> Result<String, AwsError> {
    let id = id.unwrap_or_default();
    match Arn::parse(&id) {
        Ok(arn) if arn.service == "cloudtrail" && !arn.resource.starts_with("trail/") => {
            let message = "Only trails have tags on this server.";
            Err(AwsError::modelled(&of_cloudtrail::RESOURCE_TYPE_NOT_SUPPORTED_EXCEPTION, message))
        }
        Ok(_) => Ok(id),
        Err(_) => Err(trails_to_aws(TrailsError::InvalidArn { arn: id })),
    }
}

/// Here a trail that is not there is a resource.
fn to_aws(error: TrailsError) -> AwsError {
    match error {
        TrailsError::NoSuchTrail { .. } => {
            AwsError::modelled(&of_cloudtrail::RESOURCE_NOT_FOUND_EXCEPTION, error.to_string())
        }
        error => trails_to_aws(error),
    }
}

pub(crate) async fn add(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::AddTagsRequest,
) -> Result<wire::AddTagsResponse, AwsError> {
    let (name, tags) = (resource(input.resource_id)?, convert::tags(input.tags_list)?);
    state.trails.add_tags(&caller, &name, tags).await.map_err(to_aws)?;
    Ok(wire::AddTagsResponse::default())
}

pub(crate) async fn remove(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::RemoveTagsRequest,
) -> Result<wire::RemoveTagsResponse, AwsError> {
    let name = resource(input.resource_id)?;
    let tags = input.tags_list.unwrap_or_default().into_iter();
    let tags = tags.map(|wire::Tag { key, value }| (key.unwrap_or_default(), value)).collect();
    state.trails.remove_tags(&caller, &name, tags).await.map_err(to_aws)?;
    Ok(wire::RemoveTagsResponse::default())
}

pub(crate) async fn list(
    state: Arc<CloudTrail>,
    caller: Caller,
    input: wire::ListTagsRequest,
) -> Result<wire::ListTagsResponse, AwsError> {
    // What one call may name is one page: no token was ever given.
    if input.next_token.is_some() {
        return Err(trails_to_aws(TrailsError::InvalidToken));
    }
    let ids = input.resource_id_list.unwrap_or_default();
    if ids.len() > RESOURCES_COUNT_MAX {
        let message = format!("ResourceIdList has at most {RESOURCES_COUNT_MAX} ARNs.");
        return Err(AwsError::validation(&wire::SERVICE, message));
    }
    let mut resource_tag_list = Vec::new();
    for id in ids {
        let id = resource(Some(id))?;
        let tags = state.trails.tags(caller.authorized(), caller.scope(), &id).map_err(to_aws)?;
        let tags = tags.into_iter().map(|(key, value)| wire::Tag { key: Some(key), value: Some(value) });
        resource_tag_list.push(wire::ResourceTag { resource_id: Some(id), tags_list: Some(tags.collect()) });
    }
    Ok(wire::ListTagsResponse { resource_tag_list: Some(resource_tag_list), next_token: None })
}
