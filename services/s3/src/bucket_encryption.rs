//! A bucket's default encryption on the wire.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html>

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{BucketEncryption, DefaultEncryption};

use crate::convert::{bucket_name, not_implemented};
use crate::errors::objects_error;
use crate::operations::Call;

/// Every object is encrypted: where nothing was set, by the lake's own key.
pub(crate) async fn get_bucket_encryption(
    call: &Call,
    request: S3Request<GetBucketEncryptionInput>,
) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let encryption = call.objects().bucket_encryption(call.proof(), &bucket).map_err(objects_error)?;
    let (algorithm, kms_master_key_id) = match encryption.default {
        DefaultEncryption::Lake => (ServerSideEncryption::AES256, None),
        DefaultEncryption::Kms { key } => (ServerSideEncryption::AWS_KMS, key),
    };
    let by_default = ServerSideEncryptionByDefault {
        kms_master_key_id,
        sse_algorithm: ServerSideEncryption::from_static(algorithm),
    };
    let blocked = encryption.customer_keys_blocked.map(|blocked| BlockedEncryptionTypes {
        encryption_type: Some(vec![EncryptionType::from_static(if blocked {
            EncryptionType::SSE_C
        } else {
            EncryptionType::NONE
        })]),
    });
    let rule = ServerSideEncryptionRule {
        apply_server_side_encryption_by_default: Some(by_default),
        blocked_encryption_types: blocked,
        bucket_key_enabled: Some(encryption.bucket_key),
    };
    let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
    Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) }))
}

fn default_encryption(by_default: Option<ServerSideEncryptionByDefault>) -> S3Result<DefaultEncryption> {
    let Some(by_default) = by_default else { return Ok(DefaultEncryption::Lake) };
    let key = by_default.kms_master_key_id.filter(|key| !key.is_empty());
    match by_default.sse_algorithm.as_str() {
        ServerSideEncryption::AES256 if key.is_some() => Err(s3_error!(
            InvalidArgument,
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
        )),
        ServerSideEncryption::AES256 => Ok(DefaultEncryption::Lake),
        ServerSideEncryption::AWS_KMS => Ok(DefaultEncryption::Kms { key }),
        ServerSideEncryption::AWS_KMS_DSSE | ServerSideEncryption::AWS_FSX | ServerSideEncryption::AWS_BACKUP => {
            Err(not_implemented("a default encryption other than AES256 and aws:kms"))
        }
        _ => Err(s3_error!(MalformedXML)),
    }
}

/// Which kinds are blocked: SSE-C, or none.
fn customer_keys_blocked(blocked: Option<BlockedEncryptionTypes>) -> S3Result<Option<bool>> {
    let kinds = blocked.and_then(|blocked| blocked.encryption_type).unwrap_or_default();
    let mut found = None;
    for kind in &kinds {
        let blocked = match kind.as_str() {
            EncryptionType::NONE => false,
            EncryptionType::SSE_C => true,
            _ => return Err(s3_error!(MalformedXML)),
        };
        if found.replace(blocked).is_some_and(|before| before != blocked) {
            return Err(s3_error!(InvalidArgument, "NONE cannot be combined with a blocked encryption type"));
        }
    }
    Ok(found)
}

pub(crate) async fn put_bucket_encryption(
    call: &Call,
    request: S3Request<PutBucketEncryptionInput>,
) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
    let PutBucketEncryptionInput { bucket, server_side_encryption_configuration, .. } = request.input;
    let mut rules = server_side_encryption_configuration.rules;
    let (Some(rule), true) = (rules.pop(), rules.is_empty()) else {
        return Err(s3_error!(MalformedXML));
    };
    let encryption = BucketEncryption {
        default: default_encryption(rule.apply_server_side_encryption_by_default)?,
        bucket_key: rule.bucket_key_enabled.unwrap_or(false),
        customer_keys_blocked: customer_keys_blocked(rule.blocked_encryption_types)?,
    };
    let bucket = bucket_name(&bucket)?;
    call.objects().set_bucket_encryption(&call.caller, &bucket, Some(encryption)).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketEncryptionOutput {}))
}

/// From then on the lake's own key, as for a bucket that was just made.
pub(crate) async fn delete_bucket_encryption(
    call: &Call,
    request: S3Request<DeleteBucketEncryptionInput>,
) -> S3Result<S3Response<DeleteBucketEncryptionOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    call.objects().set_bucket_encryption(&call.caller, &bucket, None).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketEncryptionOutput {}, http::StatusCode::NO_CONTENT))
}
