//! Tags of buckets, by which Terraform's provider reads and changes them. Other resources that AWS tags so are not here.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::AwsError;
use tarn_objects::{Bucket, BucketName, ObjectsError};

use crate::S3Control;
use crate::convert::{bucket_name, pairs, s3_tags};
use crate::errors::of_bucket;

/// The bucket, if it is of the account that is asked about.
fn bucket(control: &S3Control, caller: &Caller, name: &BucketName) -> Result<Bucket, AwsError> {
    let bucket = control.objects.bucket(caller.authorized(), name).map_err(of_bucket)?;
    match bucket.owner == caller.scope().account {
        true => Ok(bucket),
        false => Err(of_bucket(ObjectsError::NoSuchBucket { bucket: name.to_string() })),
    }
}

pub(crate) async fn list(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::ListTagsForResourceRequest,
) -> Result<wire::ListTagsForResourceResult, AwsError> {
    let bucket = bucket(&control, &caller, &bucket_name(input.resource_arn.as_ref())?)?;
    let tag = |(key, value): (&str, &str)| wire::Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
    Ok(wire::ListTagsForResourceResult { tags: Some(bucket.tags.iter().map(tag).collect()) })
}

pub(crate) async fn tag(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::TagResourceRequest,
) -> Result<wire::TagResourceResult, AwsError> {
    let name = bucket(&control, &caller, &bucket_name(input.resource_arn.as_ref())?)?.name;
    control.objects.tag_bucket(&caller, &name, pairs(s3_tags(input.tags))).await.map_err(of_bucket)?;
    Ok(wire::TagResourceResult::default())
}

pub(crate) async fn untag(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::UntagResourceRequest,
) -> Result<wire::UntagResourceResult, AwsError> {
    let name = bucket(&control, &caller, &bucket_name(input.resource_arn.as_ref())?)?.name;
    control.objects.untag_bucket(&caller, &name, input.tag_keys.unwrap_or_default()).await.map_err(of_bucket)?;
    Ok(wire::UntagResourceResult::default())
}
