//! Block Public Access of buckets on the wire; that of accounts is S3 Control's.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};
use tarn_objects::PublicAccessBlock;

use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::operations::Call;

pub(crate) async fn get_public_access_block(
    call: &Call,
    request: S3Request<GetPublicAccessBlockInput>,
) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    let block = call.objects().public_access_block(call.proof(), &name).map_err(objects_error)?;
    Ok(S3Response::new(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_public_acls),
            block_public_policy: Some(block.block_public_policy),
            ignore_public_acls: Some(block.ignore_public_acls),
            restrict_public_buckets: Some(block.restrict_public_buckets),
        }),
    }))
}

/// A switch that is not named is off.
pub(crate) async fn put_public_access_block(
    call: &Call,
    request: S3Request<PutPublicAccessBlockInput>,
) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
    let PutPublicAccessBlockInput { bucket, public_access_block_configuration: given, .. } = request.input;
    let block = PublicAccessBlock {
        block_public_acls: given.block_public_acls.unwrap_or(false),
        ignore_public_acls: given.ignore_public_acls.unwrap_or(false),
        block_public_policy: given.block_public_policy.unwrap_or(false),
        restrict_public_buckets: given.restrict_public_buckets.unwrap_or(false),
    };
    let name = bucket_name(&bucket)?;
    call.objects().set_public_access_block(&call.caller, &name, Some(block)).await.map_err(objects_error)?;
    Ok(S3Response::new(PutPublicAccessBlockOutput {}))
}

pub(crate) async fn delete_public_access_block(
    call: &Call,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    call.objects().set_public_access_block(&call.caller, &name, None).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeletePublicAccessBlockOutput {}, http::StatusCode::NO_CONTENT))
}
