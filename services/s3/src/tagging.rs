//! Tags of objects and buckets on the wire.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};
use tarn_objects::{ObjectsError, Tags};

use crate::convert::{bucket_name, object_key, shown_version, tag_pairs, tag_set, version_id as parse_version};
use crate::errors::objects_error;
use crate::operations::Call;
use crate::resources::{on_existing, set_request_tags};

pub(crate) async fn get_object_tagging(
    call: &Call,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<S3Response<GetObjectTaggingOutput>> {
    let GetObjectTaggingInput { bucket, key, version_id, .. } = request.input;
    let id = parse_version(version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&bucket)?, object_key(&key)?);
    let found = call.objects().head_version(call.proof(), &bucket, &key, id.as_ref());
    let version = found.map_err(|error| call.hide_missing(&bucket, error))?;
    let version_id = shown_version(version.version_id());
    Ok(S3Response::new(GetObjectTaggingOutput { tag_set: tag_set(version.tags()), version_id }))
}

pub(crate) async fn put_object_tagging(
    call: &Call,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<S3Response<PutObjectTaggingOutput>> {
    let PutObjectTaggingInput { bucket, key, tagging, version_id, .. } = request.input;
    let pairs = tag_pairs(tagging.tag_set);
    let action = if version_id.is_some() { "s3:PutObjectVersionTagging" } else { "s3:PutObjectTagging" };
    // The tags are condition keys of the decision, and stand in the body: the question could not be put before.
    let mut requirement = on_existing(call.objects(), action, &bucket, &key, version_id.as_deref())?;
    set_request_tags(&mut requirement, pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    call.caller
        .authorizer()
        .authorize(vec![requirement])
        .map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    let id = parse_version(version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&bucket)?, object_key(&key)?);
    let tags = Tags::of_object(pairs).map_err(objects_error)?;
    let put = call.objects().put_object_tags(&call.caller, &bucket, &key, id.as_ref(), tags).await;
    let version = put.map_err(|error| call.hide_missing(&bucket, error))?;
    Ok(S3Response::new(PutObjectTaggingOutput { version_id: shown_version(version) }))
}

pub(crate) async fn delete_object_tagging(
    call: &Call,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
    let DeleteObjectTaggingInput { bucket, key, version_id, .. } = request.input;
    let id = parse_version(version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&bucket)?, object_key(&key)?);
    let put = call.objects().put_object_tags(&call.caller, &bucket, &key, id.as_ref(), Tags::default()).await;
    let version = put.map_err(|error| call.hide_missing(&bucket, error))?;
    let output = DeleteObjectTaggingOutput { version_id: shown_version(version) };
    Ok(S3Response::with_status(output, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn get_bucket_tagging(
    call: &Call,
    request: S3Request<GetBucketTaggingInput>,
) -> S3Result<S3Response<GetBucketTaggingOutput>> {
    let bucket = call.objects().bucket(call.proof(), &bucket_name(&request.input.bucket)?).map_err(objects_error)?;
    if bucket.tags.is_empty() {
        return Err(objects_error(ObjectsError::NoSuchTagSet { bucket: bucket.name.to_string() }));
    }
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tag_set(&bucket.tags) }))
}

pub(crate) async fn put_bucket_tagging(
    call: &Call,
    request: S3Request<PutBucketTaggingInput>,
) -> S3Result<S3Response<PutBucketTaggingOutput>> {
    let PutBucketTaggingInput { bucket, tagging, .. } = request.input;
    let tags = Tags::of_bucket(tag_pairs(tagging.tag_set)).map_err(objects_error)?;
    call.objects().put_bucket_tags(&call.caller, &bucket_name(&bucket)?, tags).await.map_err(objects_error)?;
    Ok(S3Response::with_status(PutBucketTaggingOutput {}, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn delete_bucket_tagging(
    call: &Call,
    request: S3Request<DeleteBucketTaggingInput>,
) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    call.objects().put_bucket_tags(&call.caller, &name, Tags::default()).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketTaggingOutput {}, http::StatusCode::NO_CONTENT))
}
