//! Block Public Access of an account.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::s3control::errors::NO_SUCH_PUBLIC_ACCESS_BLOCK_CONFIGURATION;
use tarn_aws_model::s3control::{
    DeletePublicAccessBlockRequest, GetPublicAccessBlockOutput, GetPublicAccessBlockRequest,
    PublicAccessBlockConfiguration, PutPublicAccessBlockRequest,
};
use tarn_aws_protocol::{AwsError, Unit};
use tarn_objects::PublicAccessBlock;

use crate::S3Control;
use crate::errors::to_aws;

pub(crate) async fn get(
    control: Arc<S3Control>,
    caller: Caller,
    _: GetPublicAccessBlockRequest,
) -> Result<GetPublicAccessBlockOutput, AwsError> {
    let account = caller.scope().account.clone();
    let found = control.objects.account_public_access_block(caller.authorized(), &account).map_err(to_aws)?;
    let block = found.ok_or_else(|| {
        AwsError::modelled(
            &NO_SUCH_PUBLIC_ACCESS_BLOCK_CONFIGURATION,
            "The public access block configuration was not found",
        )
    })?;
    Ok(GetPublicAccessBlockOutput {
        public_access_block_configuration: Some(PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_public_acls),
            ignore_public_acls: Some(block.ignore_public_acls),
            block_public_policy: Some(block.block_public_policy),
            restrict_public_buckets: Some(block.restrict_public_buckets),
        }),
    })
}

/// A switch that is not named is off.
pub(crate) async fn put(
    control: Arc<S3Control>,
    caller: Caller,
    input: PutPublicAccessBlockRequest,
) -> Result<Unit, AwsError> {
    let given = input.public_access_block_configuration.unwrap_or_default();
    let block = PublicAccessBlock {
        block_public_acls: given.block_public_acls.unwrap_or(false),
        ignore_public_acls: given.ignore_public_acls.unwrap_or(false),
        block_public_policy: given.block_public_policy.unwrap_or(false),
        restrict_public_buckets: given.restrict_public_buckets.unwrap_or(false),
    };
    control.objects.set_account_public_access_block(&caller, Some(block)).await.map_err(to_aws)?;
    Ok(Unit {})
}

pub(crate) async fn delete(
    control: Arc<S3Control>,
    caller: Caller,
    _: DeletePublicAccessBlockRequest,
) -> Result<Unit, AwsError> {
    control.objects.set_account_public_access_block(&caller, None).await.map_err(to_aws)?;
    Ok(Unit {})
}
