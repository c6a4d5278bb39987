//! Who pays, acceleration and tags in policies, on the wire.

use s3s::dto::*;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use tarn_objects::Acceleration;

use crate::convert::bucket_name;
use crate::errors::objects_error;
use crate::operations::Call;

fn malformed() -> S3Error {
    S3Error::new(S3ErrorCode::MalformedXML)
}

pub(crate) async fn get_bucket_request_payment(
    call: &Call,
    request: S3Request<GetBucketRequestPaymentInput>,
) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
    let payer = call.objects().bucket_payer(call.proof(), &bucket_name(&request.input.bucket)?);
    let payer = match payer.map_err(objects_error)? {
        tarn_objects::Payer::BucketOwner => Payer::BUCKET_OWNER,
        tarn_objects::Payer::Requester => Payer::REQUESTER,
    };
    Ok(S3Response::new(GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(payer)) }))
}

pub(crate) async fn put_bucket_request_payment(
    call: &Call,
    request: S3Request<PutBucketRequestPaymentInput>,
) -> S3Result<S3Response<PutBucketRequestPaymentOutput>> {
    let payer = match request.input.request_payment_configuration.payer.as_str() {
        Payer::BUCKET_OWNER => tarn_objects::Payer::BucketOwner,
        Payer::REQUESTER => tarn_objects::Payer::Requester,
        _ => return Err(malformed()),
    };
    let bucket = bucket_name(&request.input.bucket)?;
    call.objects().put_bucket_payer(&call.caller, &bucket, payer).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketRequestPaymentOutput {}))
}

pub(crate) async fn get_bucket_accelerate_configuration(
    call: &Call,
    request: S3Request<GetBucketAccelerateConfigurationInput>,
) -> S3Result<S3Response<GetBucketAccelerateConfigurationOutput>> {
    let found = call.objects().bucket_acceleration(call.proof(), &bucket_name(&request.input.bucket)?);
    let status = found.map_err(objects_error)?.map(|acceleration| match acceleration {
        Acceleration::Enabled => BucketAccelerateStatus::ENABLED,
        Acceleration::Suspended => BucketAccelerateStatus::SUSPENDED,
    });
    let status = status.map(BucketAccelerateStatus::from_static);
    Ok(S3Response::new(GetBucketAccelerateConfigurationOutput { request_charged: None, status }))
}

pub(crate) async fn put_bucket_accelerate_configuration(
    call: &Call,
    request: S3Request<PutBucketAccelerateConfigurationInput>,
) -> S3Result<S3Response<PutBucketAccelerateConfigurationOutput>> {
    let status = request.input.accelerate_configuration.status;
    let acceleration = match status.as_ref().map(BucketAccelerateStatus::as_str) {
        Some(BucketAccelerateStatus::ENABLED) => Acceleration::Enabled,
        Some(BucketAccelerateStatus::SUSPENDED) => Acceleration::Suspended,
        _ => return Err(malformed()),
    };
    let bucket = bucket_name(&request.input.bucket)?;
    call.objects().put_bucket_acceleration(&call.caller, &bucket, acceleration).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketAccelerateConfigurationOutput {}))
}

pub(crate) async fn get_bucket_abac(
    call: &Call,
    request: S3Request<GetBucketAbacInput>,
) -> S3Result<S3Response<GetBucketAbacOutput>> {
    let abac = call.objects().bucket_abac(call.proof(), &bucket_name(&request.input.bucket)?);
    let status = match abac.map_err(objects_error)? {
        tarn_objects::Abac::Enabled => BucketAbacStatus::ENABLED,
        tarn_objects::Abac::Disabled => BucketAbacStatus::DISABLED,
    };
    let abac_status = AbacStatus { status: Some(BucketAbacStatus::from_static(status)) };
    Ok(S3Response::new(GetBucketAbacOutput { abac_status: Some(abac_status) }))
}

pub(crate) async fn put_bucket_abac(
    call: &Call,
    request: S3Request<PutBucketAbacInput>,
) -> S3Result<S3Response<PutBucketAbacOutput>> {
    let abac = match request.input.abac_status.status.as_ref().map(BucketAbacStatus::as_str) {
        Some(BucketAbacStatus::ENABLED) => tarn_objects::Abac::Enabled,
        Some(BucketAbacStatus::DISABLED) => tarn_objects::Abac::Disabled,
        _ => return Err(malformed()),
    };
    let bucket = bucket_name(&request.input.bucket)?;
    call.objects().put_bucket_abac(&call.caller, &bucket, abac).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketAbacOutput {}))
}
