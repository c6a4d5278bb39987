//! Object Ownership on the wire.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::ObjectOwnership as DomainOwnership;

use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::operations::Call;

/// From S3's spelling.
pub(crate) fn parse(text: &str) -> S3Result<DomainOwnership> {
    DomainOwnership::parse(text).ok_or_else(|| s3_error!(InvalidArgument, "Invalid x-amz-object-ownership: {text}"))
}

pub(crate) async fn get_bucket_ownership_controls(
    call: &Call,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    let ownership = call.objects().ownership_controls(call.proof(), &name).map_err(objects_error)?;
    let rule = OwnershipControlsRule { object_ownership: ObjectOwnership::from_static(ownership.name()) };
    Ok(S3Response::new(GetBucketOwnershipControlsOutput {
        ownership_controls: Some(OwnershipControls { rules: vec![rule] }),
    }))
}

pub(crate) async fn put_bucket_ownership_controls(
    call: &Call,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
    let PutBucketOwnershipControlsInput { bucket, ownership_controls, .. } = request.input;
    let [rule] = ownership_controls.rules.as_slice() else {
        return Err(s3_error!(MalformedXML, "Ownership controls have exactly one rule"));
    };
    let ownership = DomainOwnership::parse(rule.object_ownership.as_str())
        .ok_or_else(|| s3_error!(MalformedXML, "Unknown ObjectOwnership: {}", rule.object_ownership.as_str()))?;
    call.objects()
        .put_ownership_controls(&call.caller, &bucket_name(&bucket)?, ownership)
        .await
        .map_err(objects_error)?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
}

pub(crate) async fn delete_bucket_ownership_controls(
    call: &Call,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    call.objects().delete_ownership_controls(&call.caller, &name).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketOwnershipControlsOutput {}, http::StatusCode::NO_CONTENT))
}
