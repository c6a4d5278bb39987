//! Bucket policies on the wire.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::operations::Call;

pub(crate) async fn get_bucket_policy(
    call: &Call,
    request: S3Request<GetBucketPolicyInput>,
) -> S3Result<S3Response<GetBucketPolicyOutput>> {
    let policy =
        call.objects().bucket_policy(call.proof(), &bucket_name(&request.input.bucket)?).map_err(objects_error)?;
    Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
}

pub(crate) async fn put_bucket_policy(
    call: &Call,
    request: S3Request<PutBucketPolicyInput>,
) -> S3Result<S3Response<PutBucketPolicyOutput>> {
    let PutBucketPolicyInput { bucket, policy, .. } = request.input;
    call.objects().put_bucket_policy(&call.caller, &bucket_name(&bucket)?, policy).await.map_err(objects_error)?;
    Ok(S3Response::with_status(PutBucketPolicyOutput {}, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn delete_bucket_policy(
    call: &Call,
    request: S3Request<DeleteBucketPolicyInput>,
) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
    call.objects()
        .delete_bucket_policy(&call.caller, &bucket_name(&request.input.bucket)?)
        .await
        .map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketPolicyOutput {}, http::StatusCode::NO_CONTENT))
}
