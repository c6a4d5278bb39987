//! PutObject: headers and a streamed body to a domain put.

use futures::StreamExt;
use s3s::dto::*;
use s3s::stream::aws_chunked_stream::AwsChunkedStreamError;
use s3s::stream::upload_stream::UploadStreamError;
use s3s::{BodySizeLimitExceeded, S3ErrorCode, S3Request, S3Response, S3Result};
use tarn_objects::{Body, BodyError, BodyErrorKind, EventKind, ObjectMetadata, PutObject, Tags};

use crate::acl;
use crate::convert::{
    bucket_name, check_write_headers, etag, expected_digests, kind_name, object_key, parse_tagging_header,
    set_checksum, shown_version, storage_class, write_conditions,
};
use crate::encryption::{customer_of, describe_new_encryption, encryption_request};
use crate::lifecycle::expiration;
use crate::lock::{check_locked_payload, version_lock};
use crate::operations::Call;
use crate::post::{FileError, Posted};

/// A streamed body with the domain's errors.
pub(crate) fn body(blob: Option<StreamingBlob>) -> Body<'static> {
    match blob {
        None => futures::stream::empty().boxed(),
        Some(blob) => blob.map(|bytes| bytes.map_err(|error| body_error(&*error))).boxed(),
    }
}

/// Finds what kind of failure it was under the wrappers that s3s puts around it.
fn body_error(error: &(dyn std::error::Error + 'static)) -> BodyError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let kind = if let Some(error) = error.downcast_ref::<AwsChunkedStreamError>() {
            match (error, error.to_s3_error_code()) {
                (AwsChunkedStreamError::Underlying(_), _) => None,
                (_, S3ErrorCode::SignatureDoesNotMatch) => Some(BodyErrorKind::SignatureMismatch),
                (_, S3ErrorCode::EntityTooLarge) => Some(BodyErrorKind::TooLarge),
                (AwsChunkedStreamError::Incomplete, _) => Some(BodyErrorKind::Incomplete),
                (_, _) => Some(BodyErrorKind::Malformed),
            }
        } else if let Some(error) = error.downcast_ref::<UploadStreamError>() {
            match error {
                UploadStreamError::Underlying(_) => None,
                UploadStreamError::Sha256Mismatch => Some(BodyErrorKind::Sha256Mismatch),
                UploadStreamError::LengthMismatch | UploadStreamError::Incomplete => Some(BodyErrorKind::Incomplete),
            }
        } else if let Some(error) = error.downcast_ref::<FileError>() {
            match error {
                FileError::TooLarge => Some(BodyErrorKind::TooLarge),
                FileError::TooSmall => Some(BodyErrorKind::TooSmall),
                FileError::Incomplete => Some(BodyErrorKind::Incomplete),
                FileError::Underlying(_) => None,
            }
        } else if error.is::<BodySizeLimitExceeded>() {
            Some(BodyErrorKind::TooLarge)
        } else {
            None
        };
        if let Some(kind) = kind {
            return BodyError { kind, reason: error.to_string() };
        }
        cause = error.source();
    }
    // Everything else is the connection: the caller went away.
    BodyError { kind: BodyErrorKind::Incomplete, reason: error.to_string() }
}

/// `aws-chunked` was how the body travelled, not what it is. What else is said stays as it was written.
pub(crate) fn content_encoding(header: Option<String>) -> Option<String> {
    let header = header?;
    let is_travel = |part: &str| part.trim().eq_ignore_ascii_case("aws-chunked");
    if header.split(',').any(is_travel) {
        let kept: Vec<&str> =
            header.split(',').filter(|part| !is_travel(part)).map(str::trim).filter(|part| !part.is_empty()).collect();
        return (!kept.is_empty()).then(|| kept.join(","));
    }
    Some(header).filter(|header| !header.trim().is_empty())
}

pub(crate) async fn put_object(
    call: &Call,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    check_write_headers(&request.headers)?;
    let expected = expected_digests(&request.headers, request.trailing_headers)?;
    let encryption = encryption_request(&request.headers)?;
    let customer = customer_of(&encryption);
    let is_form = request.extensions.get::<Posted>().is_some();
    let created = if is_form { EventKind::CreatedPost } else { EventKind::CreatedPut };
    let input = request.input;
    let acl = acl::of_object(call, input.acl.as_ref().map(ObjectCannedACL::as_str), &request.headers)?;
    if input.acl.is_some() && !request.headers.contains_key("x-amz-acl") {
        acl::require_put(call, &input.bucket, &input.key)?;
    }
    let metadata = ObjectMetadata {
        content_type: input.content_type,
        content_encoding: content_encoding(input.content_encoding),
        content_language: input.content_language,
        content_disposition: input.content_disposition,
        cache_control: input.cache_control,
        expires: input.expires,
        user: input.metadata.unwrap_or_default().into_iter().collect(),
        website_redirect: input.website_redirect_location,
    };
    let put = PutObject {
        content_length: input.content_length.and_then(|length| u64::try_from(length).ok()),
        metadata,
        tags: input.tagging.as_deref().map(parse_tagging_header).transpose()?.unwrap_or_else(Tags::default),
        class: storage_class(input.storage_class.as_ref().map(StorageClass::as_str))?,
        expected,
        conditions: write_conditions(input.if_match.as_ref(), input.if_none_match.as_ref()),
        lock: version_lock(
            input.object_lock_mode.as_ref(),
            input.object_lock_retain_until_date.as_ref(),
            input.object_lock_legal_hold_status.as_ref(),
        )?,
        encryption,
        acl,
        created,
        ..PutObject::new(bucket_name(&input.bucket)?, object_key(&input.key)?)
    };
    check_locked_payload(call, &put.bucket, &put.lock, &request.headers)?;
    let bucket = put.bucket.clone();
    let stored = call.objects().put_object(&call.caller, put, body(input.body)).await;
    let version = stored.map_err(|error| call.hide_missing(&bucket, error))?;
    let mut output = PutObjectOutput {
        e_tag: etag(version.etag()),
        version_id: shown_version(version.own_version_id()),
        expiration: expiration(call, &version)?,
        ..PutObjectOutput::default()
    };
    describe_new_encryption!(output, version.encryption(), customer.as_ref());
    if let Some(checksum) = version.checksum() {
        set_checksum!(output, checksum.algorithm, checksum.to_string());
        output.checksum_type = Some(ChecksumType::from_static(kind_name(checksum.kind)));
    }
    Ok(S3Response::new(output))
}
