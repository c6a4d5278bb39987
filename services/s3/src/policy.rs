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
    let PutBucketPolicyInput { bucket, policy, confirm_remove_self_bucket_access, .. } = request.input;
    let binds_root = confirm_remove_self_bucket_access.unwrap_or(false);
    call.objects()
        .put_bucket_policy(&call.caller, &bucket_name(&bucket)?, policy, binds_root)
        .await
        .map_err(objects_error)?;
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

/// Unlike AWS, which answers NoSuchBucketPolicy then, a bucket without a policy has a status, too: its list may make it public.
pub(crate) async fn get_bucket_policy_status(
    call: &Call,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
    let is_public =
        call.objects().bucket_is_public(call.proof(), &bucket_name(&request.input.bucket)?).map_err(objects_error)?;
    Ok(S3Response::new(GetBucketPolicyStatusOutput {
        policy_status: Some(PolicyStatus { is_public: Some(is_public) }),
    }))
}
