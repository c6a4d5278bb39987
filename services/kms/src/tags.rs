//! Tags of keys on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::kms as wire;
use tarn_aws_protocol::{AwsError, Unit};
use tarn_keys::kms::{Kms, KmsError};

use crate::convert::required;
use crate::errors::to_aws;

/// The pairs; a key that is repeated is refused.
pub(crate) fn tags_of(tags: Option<Vec<wire::Tag>>) -> Result<BTreeMap<String, String>, AwsError> {
    let mut pairs = BTreeMap::new();
    for tag in tags.unwrap_or_default() {
        if pairs.insert(tag.tag_key.unwrap_or_default(), tag.tag_value.unwrap_or_default()).is_some() {
            return Err(to_aws(KmsError::InvalidTag { reason: "Duplicate tag keys" }));
        }
    }
    Ok(pairs)
}

pub(crate) async fn tag(kms: Arc<Kms>, caller: Caller, input: wire::TagResourceRequest) -> Result<Unit, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    kms.tag_key(&caller, &name, tags_of(input.tags)?).await.map_err(to_aws)?;
    Ok(Unit::default())
}

pub(crate) async fn untag(kms: Arc<Kms>, caller: Caller, input: wire::UntagResourceRequest) -> Result<Unit, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    kms.untag_key(&caller, &name, input.tag_keys.unwrap_or_default()).await.map_err(to_aws)?;
    Ok(Unit::default())
}

/// A page of tags; the marker is the last tag's key.
pub(crate) async fn list(
    kms: Arc<Kms>,
    caller: Caller,
    input: wire::ListResourceTagsRequest,
) -> Result<wire::ListResourceTagsResponse, AwsError> {
    let name = required(input.key_id, "KeyId")?;
    let key = kms.key(caller.authorized(), caller.scope(), &name).map_err(to_aws)?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
    let after = |tag: &String| input.marker.as_ref().is_none_or(|marker| tag > marker);
    let mut rest = key.tags.into_iter().filter(|(tag, _)| after(tag)).peekable();
    let mut tags = Vec::new();
    while tags.len() < limit
        && let Some((tag_key, tag_value)) = rest.next()
    {
        tags.push(wire::Tag { tag_key: Some(tag_key), tag_value: Some(tag_value) });
    }
    let truncated = rest.peek().is_some();
    Ok(wire::ListResourceTagsResponse {
        next_marker: tags.last().and_then(|tag: &wire::Tag| tag.tag_key.clone()).filter(|_| truncated),
        truncated: Some(truncated),
        tags: Some(tags),
    })
}
