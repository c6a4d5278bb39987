//! Tags of delivery streams on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::firehose as wire;
use tarn_aws_protocol::AwsError;
use tarn_streams::Streams;

use crate::convert::{self, required};
use crate::errors::to_aws;

/// Tags in one answer, if the caller does not say.
const TAGS_PAGE_DEFAULT: usize = 50;

pub(crate) async fn tag(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::TagDeliveryStreamInput,
) -> Result<wire::TagDeliveryStreamOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    let add = convert::tags(required(input.tags, "Tags")?)?;
    streams.tag_delivery_stream(&caller, &name, add, Vec::new()).await.map_err(to_aws)?;
    Ok(wire::TagDeliveryStreamOutput::default())
}

pub(crate) async fn untag(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::UntagDeliveryStreamInput,
) -> Result<wire::UntagDeliveryStreamOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    let remove = required(input.tag_keys, "TagKeys")?;
    streams.tag_delivery_stream(&caller, &name, Vec::new(), remove).await.map_err(to_aws)?;
    Ok(wire::UntagDeliveryStreamOutput::default())
}

pub(crate) async fn list(
    streams: Arc<Streams>,
    caller: Caller,
    input: wire::ListTagsForDeliveryStreamInput,
) -> Result<wire::ListTagsForDeliveryStreamOutput, AwsError> {
    let name = required(input.delivery_stream_name, "DeliveryStreamName")?;
    let limit = input.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(TAGS_PAGE_DEFAULT);
    let mut tags = streams.delivery_stream(caller.authorized(), caller.scope(), &name).map_err(to_aws)?.tags;
    tags.sort();
    if let Some(after) = input.exclusive_start_tag_key {
        tags.retain(|(key, _)| *key > after);
    }
    let has_more = tags.len() > limit;
    tags.truncate(limit);
    let tag = |(key, value)| wire::Tag { key: Some(key), value: Some(value) };
    Ok(wire::ListTagsForDeliveryStreamOutput {
        tags: Some(tags.into_iter().map(tag).collect()),
        has_more_tags: Some(has_more),
    })
}
