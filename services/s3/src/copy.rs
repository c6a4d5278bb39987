//! Copies on the wire: of objects, and of ranges into uploads.

use http::HeaderMap;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{
    BucketName, ByteRange, CopiedObject, CopiedPart, CopyObject, ObjectKey, ObjectMetadata, Tags, UploadName,
    UploadPartCopy, VersionId,
};

use crate::acl;
use crate::convert::{
    bucket_name, check_write_headers, checksum_algorithm, etag, kind_name, not_implemented, object_key,
    parse_tagging_header, read_conditions, set_checksum, shown_version, storage_class, timestamp,
    version_id as parse_version, write_conditions,
};
use crate::encryption::{
    customer_key, customer_of, describe_encryption, describe_new_encryption, encryption_request, source_customer_key,
};
use crate::errors::objects_error;
use crate::lifecycle::expiration;
use crate::lock::version_lock;
use crate::operations::Call;
use crate::put::content_encoding;

pub(crate) fn source(copy_source: &CopySource) -> S3Result<(BucketName, ObjectKey, Option<VersionId>)> {
    match copy_source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket_name(bucket)?, object_key(key)?, parse_version(version_id.as_deref())?))
        }
        _ => Err(not_implemented("copies from access points")),
    }
}

/// `COPY` (or nothing) is false, `REPLACE` true.
fn replaces(headers: &HeaderMap, name: &str) -> S3Result<bool> {
    match headers.get(name).map(http::HeaderValue::as_bytes) {
        None | Some(b"COPY") => Ok(false),
        Some(b"REPLACE") => Ok(true),
        Some(_) => Err(s3_error!(InvalidArgument, "Unknown directive in {name}: use COPY or REPLACE")),
    }
}

pub(crate) async fn copy_object(
    call: &Call,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let headers = &request.headers;
    check_write_headers(headers)?;
    let (replace_metadata, replace_tags) =
        (replaces(headers, "x-amz-metadata-directive")?, replaces(headers, "x-amz-tagging-directive")?);
    let (encryption, source_customer_key) = (encryption_request(headers)?, source_customer_key(headers)?);
    let customer = customer_of(&encryption);
    let input = request.input;
    if input.annotation_directive.is_some() {
        return Err(not_implemented("object annotations"));
    }
    let (source_bucket, source_key, source_version) = source(&input.copy_source)?;
    let metadata = replace_metadata.then(|| ObjectMetadata {
        content_type: input.content_type,
        content_encoding: content_encoding(input.content_encoding),
        content_language: input.content_language,
        content_disposition: input.content_disposition,
        cache_control: input.cache_control,
        expires: input.expires,
        user: input.metadata.unwrap_or_default().into_iter().collect(),
        website_redirect: None,
    });
    let tags = match (replace_tags, input.tagging.as_deref()) {
        (true, tagging) => Some(tagging.map(parse_tagging_header).transpose()?.unwrap_or_else(Tags::default)),
        (false, None) => None,
        (false, Some(_)) => {
            return Err(s3_error!(InvalidArgument, "x-amz-tagging needs x-amz-tagging-directive: REPLACE"));
        }
    };
    let class = input.storage_class.as_ref().map(|class| storage_class(Some(class.as_str()))).transpose()?;
    let checksum =
        input.checksum_algorithm.as_ref().map(|algorithm| checksum_algorithm(algorithm.as_str())).transpose()?;
    let copy = CopyObject {
        source_bucket: source_bucket.clone(),
        source_key,
        source_version,
        source_conditions: read_conditions(
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
            input.copy_source_if_modified_since.as_ref(),
            input.copy_source_if_unmodified_since.as_ref(),
        ),
        bucket: bucket_name(&input.bucket)?,
        key: object_key(&input.key)?,
        metadata,
        website_redirect: input.website_redirect_location,
        tags,
        class,
        checksum,
        conditions: write_conditions(input.if_match.as_ref(), input.if_none_match.as_ref()),
        lock: version_lock(
            input.object_lock_mode.as_ref(),
            input.object_lock_retain_until_date.as_ref(),
            input.object_lock_legal_hold_status.as_ref(),
        )?,
        encryption,
        source_customer_key,
        acl: acl::of_object(call, input.acl.as_ref().map(ObjectCannedACL::as_str), headers)?,
    };
    let copied = call.objects().copy_object(&call.caller, copy).await;
    let CopiedObject { version, source_version } = copied.map_err(|error| call.hide_missing(&source_bucket, error))?;
    let mut result = CopyObjectResult {
        e_tag: etag(version.etag()),
        last_modified: Some(timestamp(version.modified_ms())),
        ..CopyObjectResult::default()
    };
    if let Some(checksum) = version.checksum() {
        set_checksum!(result, checksum.algorithm, checksum.to_string());
        result.checksum_type = Some(ChecksumType::from_static(kind_name(checksum.kind)));
    }
    let mut output = CopyObjectOutput {
        copy_object_result: Some(result),
        copy_source_version_id: shown_version(source_version),
        version_id: shown_version(version.own_version_id()),
        expiration: expiration(call, &version)?,
        ..CopyObjectOutput::default()
    };
    describe_new_encryption!(output, version.encryption(), customer.as_ref());
    Ok(S3Response::new(output))
}

pub(crate) async fn upload_part_copy(
    call: &Call,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    check_write_headers(&request.headers)?;
    let (customer, source_customer_key) = (customer_key(&request.headers)?, source_customer_key(&request.headers)?);
    let input = request.input;
    let (source_bucket, source_key, source_version) = source(&input.copy_source)?;
    let source_range = input.copy_source_range.as_deref().map(copy_range).transpose()?;
    let copy = UploadPartCopy {
        source_bucket: source_bucket.clone(),
        source_key,
        source_version,
        source_conditions: read_conditions(
            input.copy_source_if_match.as_ref(),
            input.copy_source_if_none_match.as_ref(),
            input.copy_source_if_modified_since.as_ref(),
            input.copy_source_if_unmodified_since.as_ref(),
        ),
        source_range,
        upload: UploadName {
            bucket: bucket_name(&input.bucket)?,
            key: object_key(&input.key)?,
            upload_id: input.upload_id,
        },
        number: u32::try_from(input.part_number).unwrap_or(0),
        customer_key: customer.clone(),
        source_customer_key,
    };
    let encryption = call.objects().multipart_upload(call.proof(), &copy.upload).map_err(objects_error)?.encryption;
    let copied = call.objects().upload_part_copy(&call.caller, copy).await;
    let CopiedPart { part, source_version } = copied.map_err(|error| call.hide_missing(&source_bucket, error))?;
    let mut result = CopyPartResult {
        e_tag: etag(&tarn_objects::Etag::Md5(part.md5)),
        last_modified: Some(timestamp(part.modified_ms)),
        ..CopyPartResult::default()
    };
    if let Some(checksum) = part.checksums.first() {
        set_checksum!(result, checksum.algorithm, checksum.to_string());
    }
    let mut output = UploadPartCopyOutput {
        copy_part_result: Some(result),
        copy_source_version_id: shown_version(source_version),
        ..UploadPartCopyOutput::default()
    };
    describe_encryption!(output, &encryption, customer.as_ref());
    Ok(S3Response::new(output))
}

/// `bytes=FIRST-LAST`: both ends must be given.
fn copy_range(text: &str) -> S3Result<ByteRange> {
    let parsed = text.strip_prefix("bytes=").and_then(|range| {
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(ByteRange::FromTo { first, last })
    });
    parsed.ok_or_else(|| {
        s3_error!(InvalidArgument, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
    })
}
