//! Reading objects on the wire: GET, HEAD and attributes.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use http::StatusCode;
use s3s::dto::*;
use s3s::stream::{ByteStream, RemainingLength};
use s3s::{S3Request, S3Response, S3Result, StdError, s3_error};
use tarn_objects::{CustomerKey, ObjectVersion, ObjectsError};

use crate::convert::{
    bucket_name, byte_range, etag, http_date, kind_name, millis, object_key, page_size, read_conditions,
    restore_header, set_checksum, shown_version, storage_class_header, timestamp, version_id as parse_version,
};
use crate::encryption::{check_read_headers, customer_key, describe_encryption};
use crate::errors::objects_error;
use crate::lifecycle::expiration;
use crate::lock::shown_lock;
use crate::operations::Call;
use crate::replication;

/// Up to this size a body is read before the head is sent, so that both go out in one write and a read error is an answer.
const INLINE_SIZE_BYTES_MAX: u64 = 128 << 10;

/// Bytes on their way to the caller.
struct Download {
    stream: Mutex<BoxStream<'static, Result<Bytes, ObjectsError>>>,
    left_bytes: u64,
}

impl Stream for Download {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = this.stream.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx);
        polled.map(|next| {
            next.map(|bytes| match bytes {
                Ok(bytes) => {
                    this.left_bytes = this.left_bytes.saturating_sub(bytes.len() as u64);
                    Ok(bytes)
                }
                Err(error) => {
                    tracing::error!(%error, "an object could not be read to its end; the connection is broken off");
                    Err(error.into())
                }
            })
        })
    }
}

impl ByteStream for Download {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left_bytes).unwrap_or(usize::MAX))
    }
}

/// Which of an object's bytes a request wants, and how the answer says so.
struct Wanted {
    range: std::ops::Range<u64>,
    content_range: Option<String>,
    parts_count: Option<i32>,
    is_whole: bool,
    /// The number of the part that was asked for, of an object that has several.
    part: Option<usize>,
}

fn wanted(version: &ObjectVersion, range: Option<Range>, part_number: Option<i32>) -> S3Result<Wanted> {
    let size = version.size_bytes();
    let range = match (range, part_number) {
        (Some(_), Some(_)) => {
            return Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"));
        }
        (Some(range), None) => Some(byte_range(range).resolve(size).map_err(objects_error)?),
        (None, Some(number)) => {
            let number = u32::try_from(number).ok().filter(|number| (1..=10_000).contains(number));
            let Some(number) = number else {
                return Err(s3_error!(
                    InvalidArgument,
                    "Part number must be an integer between 1 and 10000, inclusive"
                ));
            };
            Some(version.part_range(number).map_err(objects_error)?)
        }
        (None, None) => None,
    };
    let content_range = range
        .as_ref()
        .filter(|range| !range.is_empty())
        .map(|range| format!("bytes {}-{}/{size}", range.start, range.end - 1));
    let parts_count =
        part_number.filter(|_| version.is_multipart()).and_then(|_| i32::try_from(version.parts().len()).ok());
    let is_whole = range.as_ref().is_none_or(|range| *range == (0..size));
    let part = part_number.filter(|_| version.is_multipart()).and_then(|number| usize::try_from(number).ok());
    Ok(Wanted { range: range.unwrap_or(0..size), content_range, parts_count, is_whole, part })
}

macro_rules! describe {
    ($output:ident, $call:ident, $version:ident, $wanted:ident, $customer:expr, $checksums:expr) => {{
        let metadata = $version.metadata();
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: metadata.cache_control.clone(),
            content_disposition: metadata.content_disposition.clone(),
            content_encoding: metadata.content_encoding.clone(),
            content_language: metadata.content_language.clone(),
            content_length: i64::try_from($wanted.range.end - $wanted.range.start).ok(),
            content_range: $wanted.content_range.clone(),
            content_type: Some(metadata.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())),
            e_tag: etag($version.etag()),
            expires: metadata.expires.clone(),
            last_modified: Some(timestamp($version.modified_ms())),
            metadata: (!metadata.user.is_empty()).then(|| metadata.user.clone().into_iter().collect()),
            parts_count: $wanted.parts_count,
            replication_status: replication::status($call, &$version)?,
            restore: restore_header($call.objects().restore_status(&$version)),
            storage_class: storage_class_header($version.class()),
            tag_count: i32::try_from($version.tags().len()).ok().filter(|count| *count > 0),
            version_id: shown_version($version.version_id()),
            website_redirect_location: metadata.website_redirect.clone(),
            ..$output::default()
        };
        describe_encryption!(output, $version.encryption(), $customer);
        let shown = shown_lock($call, &$version);
        output.object_lock_mode = shown.mode;
        output.object_lock_retain_until_date = shown.until;
        output.object_lock_legal_hold_status = shown.legal_hold;
        if $checksums && let Some((checksum, kind)) = shown_checksum(&$version, &$wanted) {
            set_checksum!(output, checksum.algorithm, checksum.to_string());
            output.checksum_type = Some(ChecksumType::from_static(kind_name(kind)));
        }
        output
    }};
}

/// The checksum of what is answered, and the kind of the object's: a part has one of its own, and one of the whole says nothing of a range.
fn shown_checksum(
    version: &ObjectVersion,
    wanted: &Wanted,
) -> Option<(tarn_objects::Checksum, tarn_objects::ChecksumKind)> {
    let whole = version.checksum()?;
    let part = wanted.part.and_then(|number| version.parts().get(number.checked_sub(1)?));
    match part {
        Some(part) => Some((tarn_objects::Checksum::full(whole.algorithm, part.checksum.clone()?), whole.kind)),
        None => wanted.is_whole.then(|| (whole.clone(), whole.kind)),
    }
}

fn find(call: &Call, bucket: &str, key: &str, version_id: Option<&str>) -> S3Result<ObjectVersion> {
    let id = parse_version(version_id)?;
    let bucket = bucket_name(bucket)?;
    call.objects()
        .head_version(call.proof(), &bucket, &object_key(key)?, id.as_ref())
        .map_err(|error| call.hide_missing(&bucket, error))
}

/// Whether the answer is to have the checksum.
fn checksums(mode: Option<&ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED)
}

/// What tells of an object needs its customer's key, if it has one; what tells of its bytes needs all that reading them does.
fn check_key(
    call: &Call,
    version: &ObjectVersion,
    customer: Option<&CustomerKey>,
    tells_of_bytes: bool,
) -> S3Result<()> {
    if tells_of_bytes {
        call.objects().unlock(call.caller.authorizer(), version, customer).map(|_| ()).map_err(objects_error)
    } else {
        call.objects().check_customer_key(version, customer).map_err(objects_error)
    }
}

/// Only who signed a request may say what headers its answer has.
fn check_overrides(call: &Call, uri: &http::Uri) -> S3Result<()> {
    let overrides = uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("response-"));
    if overrides && call.caller.principal().is_anonymous() {
        return Err(s3_error!(
            InvalidRequest,
            "Request specific response headers cannot be used for anonymous GET requests."
        ));
    }
    Ok(())
}

pub(crate) async fn get_object(
    call: &Call,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    check_read_headers(&request.headers)?;
    let customer = customer_key(&request.headers)?;
    check_overrides(call, &request.uri)?;
    let input = request.input;
    let version = find(call, &input.bucket, &input.key, input.version_id.as_deref())?;
    let version =
        call.objects().unlock(call.caller.authorizer(), &version, customer.as_ref()).map_err(objects_error)?;
    read_conditions(
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
        input.if_modified_since.as_ref(),
        input.if_unmodified_since.as_ref(),
    )
    .check_read(version.etag(), version.modified_ms())
    .map_err(objects_error)?;
    let wanted = wanted(&version, input.range, input.part_number)?;
    call.objects().check_readable(&version).map_err(objects_error)?;
    let checksums = checksums(input.checksum_mode.as_ref());
    let mut output = describe!(GetObjectOutput, call, version, wanted, customer.as_ref(), checksums);
    if input.version_id.is_none() {
        output.expiration = expiration(call, &version)?;
    }
    let size_bytes = wanted.range.end - wanted.range.start;
    let mut stream = call.objects().read(call.proof(), &version, wanted.range.clone());
    let blob = if size_bytes <= INLINE_SIZE_BYTES_MAX {
        let mut chunks: Vec<Bytes> = Vec::new();
        while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
            chunks.push(bytes.map_err(objects_error)?);
        }
        let whole = if chunks.len() == 1 { chunks.pop().unwrap_or_default() } else { chunks.concat().into() };
        StreamingBlob::from_bytes(whole)
    } else {
        StreamingBlob::new(Download { stream: Mutex::new(stream), left_bytes: size_bytes })
    };
    output.body = Some(blob);
    let partial = wanted.content_range.is_some();
    Ok(S3Response::with_status(output, if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK }))
}

pub(crate) async fn head_object(
    call: &Call,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    check_read_headers(&request.headers)?;
    let customer = customer_key(&request.headers)?;
    check_overrides(call, &request.uri)?;
    let input = request.input;
    let version = find(call, &input.bucket, &input.key, input.version_id.as_deref())?;
    check_key(call, &version, customer.as_ref(), checksums(input.checksum_mode.as_ref()))?;
    read_conditions(
        input.if_match.as_ref(),
        input.if_none_match.as_ref(),
        input.if_modified_since.as_ref(),
        input.if_unmodified_since.as_ref(),
    )
    .check_read(version.etag(), version.modified_ms())
    .map_err(objects_error)?;
    let wanted = wanted(&version, input.range, input.part_number)?;
    let checksums = checksums(input.checksum_mode.as_ref());
    let mut output = describe!(HeadObjectOutput, call, version, wanted, customer.as_ref(), checksums);
    if input.version_id.is_none() {
        output.expiration = expiration(call, &version)?;
    }
    let expires = input.response_expires.as_ref().and_then(|expires| http_date(millis(expires)));
    let expires = expires.and_then(|date| date.to_str().ok().map(str::to_owned));
    for (header, given) in [
        (&mut output.cache_control, input.response_cache_control),
        (&mut output.content_disposition, input.response_content_disposition),
        (&mut output.content_encoding, input.response_content_encoding),
        (&mut output.content_language, input.response_content_language),
        (&mut output.content_type, input.response_content_type),
        (&mut output.expires, expires),
    ] {
        if given.is_some() {
            *header = given;
        }
    }
    output.archive_status = version.tier().archive_name().map(ArchiveStatus::from_static);
    let partial = wanted.content_range.is_some();
    Ok(S3Response::with_status(output, if partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK }))
}

pub(crate) async fn get_object_attributes(
    call: &Call,
    request: S3Request<GetObjectAttributesInput>,
) -> S3Result<S3Response<GetObjectAttributesOutput>> {
    check_read_headers(&request.headers)?;
    let customer = customer_key(&request.headers)?;
    let input = request.input;
    let version = find(call, &input.bucket, &input.key, input.version_id.as_deref())?;
    check_key(call, &version, customer.as_ref(), false)?;
    let mut wants = [false; 5];
    if input.object_attributes.is_empty() {
        return Err(s3_error!(InvalidArgument, "The x-amz-object-attributes header names no attribute"));
    }
    // Some clients repeat the header, others join its values.
    for attribute in input.object_attributes.iter().flat_map(|attribute| attribute.as_str().split(',')) {
        let names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];
        match names.iter().position(|name| *name == attribute.trim()) {
            Some(at) => wants[at] = true,
            None => return Err(s3_error!(InvalidArgument, "Invalid attribute name specified.")),
        }
    }
    let [wants_etag, wants_checksum, wants_parts, wants_class, wants_size] = wants;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(timestamp(version.modified_ms())),
        e_tag: etag(version.etag()).filter(|_| wants_etag),
        storage_class: wants_class.then(|| StorageClass::from_static(version.class().name())),
        object_size: i64::try_from(version.size_bytes()).ok().filter(|_| wants_size),
        version_id: shown_version(version.version_id()),
        ..GetObjectAttributesOutput::default()
    };
    if let Some(found) = version.checksum().filter(|_| wants_checksum) {
        let mut checksum = Checksum::default();
        set_checksum!(checksum, found.algorithm, found.to_string());
        checksum.checksum_type = Some(ChecksumType::from_static(kind_name(found.kind)));
        output.checksum = Some(checksum);
    }
    if wants_parts && version.is_multipart() {
        output.object_parts = Some(attributes_of_parts(&version, input.max_parts, input.part_number_marker)?);
    }
    Ok(S3Response::new(output))
}

fn is_composite(checksum: &tarn_objects::Checksum) -> bool {
    checksum.kind == tarn_objects::ChecksumKind::Composite
}

fn attributes_of_parts(
    version: &ObjectVersion,
    max_parts: Option<i32>,
    marker: Option<i32>,
) -> S3Result<GetObjectAttributesParts> {
    let max_parts = page_size(max_parts, "max-parts", 1000)?;
    let after = u32::try_from(marker.unwrap_or(0))
        .map_err(|_| s3_error!(InvalidArgument, "part-number-marker must not be negative"))?;
    let mut rest = version.parts().iter().filter(|part| part.number > after).peekable();
    let mut parts = Vec::new();
    while parts.len() < usize::try_from(max_parts).unwrap_or(0)
        && let Some(part) = rest.next()
    {
        let mut entry = ObjectPart {
            part_number: i32::try_from(part.number).ok(),
            size: i64::try_from(part.size_bytes).ok(),
            ..ObjectPart::default()
        };
        // A part's checksum is shown only where that of the whole is made of the parts'.
        if let (Some(whole), Some(value)) = (version.checksum().filter(|whole| is_composite(whole)), &part.checksum) {
            let text = tarn_objects::Checksum::full(whole.algorithm, value.clone()).to_string();
            set_checksum!(entry, whole.algorithm, text);
        }
        parts.push(entry);
    }
    Ok(GetObjectAttributesParts {
        is_truncated: Some(rest.peek().is_some()),
        max_parts: Some(max_parts),
        next_part_number_marker: parts.last().and_then(|part| part.part_number),
        part_number_marker: Some(marker.unwrap_or(0)),
        parts: Some(parts),
        total_parts_count: i32::try_from(version.parts().len()).ok(),
    })
}
