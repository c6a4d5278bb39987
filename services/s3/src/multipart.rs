//! Multipart uploads on the wire.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{
    CompleteMultipartUpload, CompletedPart as DomainPart, CreateMultipartUpload, Etag, ListUploads, ObjectMetadata,
    Tags, UploadName, UploadPart, UploadRecord, parse_upload_id,
};
use tarn_types::{AccountId, Arn};

use crate::acl;
use crate::convert::{
    bucket_name, check_write_headers, checksum_algorithm, checksum_kind, etag, expected_digests, header_checksums,
    is_url_encoding, kind_name, listed, not_implemented, object_key, page_size, parse_checksum, parse_tagging_header,
    set_checksum, shown_key, shown_version, storage_class, timestamp, write_conditions,
};
use crate::encryption::{
    completion_headers, customer_key, customer_of, describe_encryption, describe_new_encryption, describe_server_key,
    encryption_request,
};
use crate::errors::objects_error;
use crate::lifecycle::{abort, expiration};
use crate::lock::version_lock;
use crate::operations::Call;
use crate::put::{body, content_encoding};

fn upload_name(bucket: &str, key: &str, upload_id: String) -> S3Result<UploadName> {
    Ok(UploadName { bucket: bucket_name(bucket)?, key: object_key(key)?, upload_id })
}

fn checksum_of(upload: &UploadRecord) -> (Option<ChecksumAlgorithm>, Option<ChecksumType>) {
    match upload.checksum {
        Some((algorithm, kind)) => {
            (Some(ChecksumAlgorithm::from_static(algorithm.name())), Some(ChecksumType::from_static(kind_name(kind))))
        }
        None => (None, None),
    }
}

pub(crate) async fn create_multipart_upload(
    call: &Call,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    check_write_headers(&request.headers)?;
    let encryption = encryption_request(&request.headers)?;
    let customer = customer_of(&encryption);
    let input = request.input;
    let algorithm =
        input.checksum_algorithm.as_ref().map(|algorithm| checksum_algorithm(algorithm.as_str())).transpose()?;
    let kind = input.checksum_type.as_ref().map(|kind| checksum_kind(kind.as_str())).transpose()?;
    if algorithm.is_none() && kind.is_some() {
        return Err(s3_error!(
            InvalidRequest,
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        ));
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
    let create = CreateMultipartUpload {
        bucket: bucket_name(&input.bucket)?,
        key: object_key(&input.key)?,
        metadata,
        tags: input.tagging.as_deref().map(parse_tagging_header).transpose()?.unwrap_or_else(Tags::default),
        class: storage_class(input.storage_class.as_ref().map(StorageClass::as_str))?,
        checksum: algorithm.map(|algorithm| (algorithm, kind)),
        encryption,
        lock: version_lock(
            input.object_lock_mode.as_ref(),
            input.object_lock_retain_until_date.as_ref(),
            input.object_lock_legal_hold_status.as_ref(),
        )?,
        acl: acl::of_object(call, input.acl.as_ref().map(ObjectCannedACL::as_str), &request.headers)?,
    };
    let upload = call.objects().create_multipart_upload(&call.caller, create).await.map_err(objects_error)?;
    let (checksum_algorithm, checksum_type) = checksum_of(&upload);
    let (abort_date, abort_rule_id) = abort(call, &upload)?;
    let mut output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: shown_key(input.key),
        checksum_algorithm,
        checksum_type,
        upload_id: Some(upload.upload_id()),
        abort_date,
        abort_rule_id,
        ..CreateMultipartUploadOutput::default()
    };
    describe_new_encryption!(output, &upload.encryption, customer.as_ref());
    Ok(S3Response::new(output))
}

pub(crate) async fn upload_part(
    call: &Call,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    check_write_headers(&request.headers)?;
    let expected = expected_digests(&request.headers, request.trailing_headers)?;
    let given = expected.named();
    let customer = customer_key(&request.headers)?;
    let input = request.input;
    let part = UploadPart {
        upload: upload_name(&input.bucket, &input.key, input.upload_id)?,
        number: u32::try_from(input.part_number).unwrap_or(0),
        content_length: input.content_length.and_then(|length| u64::try_from(length).ok()),
        expected,
        customer_key: customer.clone(),
    };
    let upload = call.objects().multipart_upload(call.proof(), &part.upload);
    let part = call.objects().upload_part(&call.caller, part, body(input.body)).await.map_err(objects_error)?;
    let encryption = upload.map_err(objects_error)?.encryption;
    let mut output = UploadPartOutput { e_tag: etag(&Etag::Md5(part.md5)), ..Default::default() };
    describe_encryption!(output, &encryption, customer.as_ref());
    let answered = part.checksums.iter().find(|checksum| given == Some(checksum.algorithm)).or(part.checksums.first());
    if let Some(checksum) = answered {
        set_checksum!(output, checksum.algorithm, checksum.to_string());
    }
    Ok(S3Response::new(output))
}

/// A part's checksums as a completion repeats them.
fn completed_part(part: CompletedPart) -> S3Result<DomainPart> {
    use tarn_objects::ChecksumAlgorithm as Algorithm;
    let unserved = [
        &part.checksum_md5,
        &part.checksum_sha512,
        &part.checksum_xxhash128,
        &part.checksum_xxhash3,
        &part.checksum_xxhash64,
    ];
    if unserved.iter().any(|checksum| checksum.is_some()) {
        return Err(not_implemented("this checksum algorithm"));
    }
    let number = part.part_number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let Some(etag) = part.e_tag.filter(|_| number > 0) else {
        return Err(s3_error!(MalformedXML, "Each part has a PartNumber and an ETag"));
    };
    let mut checksums = Vec::new();
    for (algorithm, text) in [
        (Algorithm::Crc32, part.checksum_crc32),
        (Algorithm::Crc32c, part.checksum_crc32c),
        (Algorithm::Crc64Nvme, part.checksum_crc64nvme),
        (Algorithm::Sha1, part.checksum_sha1),
        (Algorithm::Sha256, part.checksum_sha256),
    ] {
        if let Some(text) = text {
            checksums.push(parse_checksum(algorithm, &text)?);
        }
    }
    Ok(DomainPart { number, etag: etag.into_value(), checksums })
}

pub(crate) async fn complete_multipart_upload(
    call: &Call,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let checksums = header_checksums(&request.headers)?;
    let customer = customer_key(&request.headers)?;
    let input = request.input;
    let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if parts.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part"));
    }
    let complete = CompleteMultipartUpload {
        upload: upload_name(&input.bucket, &input.key, input.upload_id)?,
        parts: parts.into_iter().map(completed_part).collect::<S3Result<_>>()?,
        checksums,
        kind: input.checksum_type.as_ref().map(|kind| checksum_kind(kind.as_str())).transpose()?,
        size_bytes: input.mpu_object_size.and_then(|size| u64::try_from(size).ok()),
        conditions: write_conditions(input.if_match.as_ref(), input.if_none_match.as_ref()),
        customer_key: customer.clone(),
    };
    let bucket = complete.upload.bucket.clone();
    let completed = call.objects().complete_multipart_upload(&call.caller, complete).await;
    let version = completed.map_err(|error| call.hide_missing(&bucket, error))?;
    let mut output = CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, listed(&input.key, true))),
        bucket: Some(input.bucket),
        key: shown_key(input.key),
        e_tag: etag(version.etag()),
        version_id: shown_version(version.own_version_id()),
        expiration: expiration(call, &version)?,
        ..CompleteMultipartUploadOutput::default()
    };
    describe_server_key!(output, version.encryption());
    if let Some(checksum) = version.checksum() {
        set_checksum!(output, checksum.algorithm, checksum.to_string());
        output.checksum_type = Some(ChecksumType::from_static(kind_name(checksum.kind)));
    }
    Ok(S3Response::with_headers(output, completion_headers(version.encryption(), customer.as_ref())))
}

pub(crate) async fn abort_multipart_upload(
    call: &Call,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let input = request.input;
    if input.if_match_initiated_time.is_some() {
        return Err(not_implemented("x-amz-if-match-initiated-time"));
    }
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    call.objects()
        .abort_multipart_upload(&call.caller, &bucket, &key, &input.upload_id)
        .await
        .map_err(objects_error)?;
    Ok(S3Response::with_status(AbortMultipartUploadOutput::default(), http::StatusCode::NO_CONTENT))
}

pub(crate) async fn list_parts(
    call: &Call,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let input = request.input;
    let max_parts = page_size(input.max_parts, "max-parts", 1000)?;
    let after = match input.part_number_marker {
        None => 0,
        Some(marker) => {
            u32::try_from(marker).map_err(|_| s3_error!(InvalidArgument, "part-number-marker must not be negative"))?
        }
    };
    let name = upload_name(&input.bucket, &input.key, input.upload_id)?;
    let count_max = usize::try_from(max_parts).unwrap_or(0);
    let page = call.objects().list_parts(call.proof(), &name, after, count_max).map_err(objects_error)?;
    let (checksum_algorithm, checksum_type) = checksum_of(&page.upload);
    let parts = page.parts.iter().map(|part| {
        let mut entry = Part {
            e_tag: etag(&Etag::Md5(part.md5)),
            last_modified: Some(timestamp(part.modified_ms)),
            part_number: i32::try_from(part.number).ok(),
            size: i64::try_from(part.size_bytes).ok(),
            ..Part::default()
        };
        if let Some(checksum) = part.checksums.first() {
            set_checksum!(entry, checksum.algorithm, checksum.to_string());
        }
        entry
    });
    let bucket = call.objects().bucket(call.proof(), &name.bucket).map_err(objects_error)?;
    let (abort_date, abort_rule_id) = abort(call, &page.upload)?;
    Ok(S3Response::new(ListPartsOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        key: shown_key(input.key),
        checksum_algorithm,
        checksum_type,
        initiator: initiator(call, &page.upload),
        is_truncated: Some(page.next.is_some()),
        max_parts: Some(max_parts),
        next_part_number_marker: page.parts.last().and_then(|part| i32::try_from(part.number).ok()),
        owner: call.owner_in(&bucket, page.upload.owner.as_ref()),
        part_number_marker: Some(input.part_number_marker.unwrap_or(0)),
        parts: Some(parts.collect()),
        storage_class: Some(StorageClass::from_static(page.upload.class.name())),
        upload_id: Some(name.upload_id),
        ..ListPartsOutput::default()
    }))
}

/// An account is shown as an owner is, a user by its ARN and name.
fn initiator(call: &Call, upload: &UploadRecord) -> Option<Initiator> {
    let arn = Arn::parse(&upload.initiator).ok()?;
    match AccountId::new(arn.account.clone()) {
        Ok(account) if arn.resource == "root" => {
            let Owner { display_name, id } = call.owner(&account)?;
            Some(Initiator { display_name, id })
        }
        Ok(_) | Err(_) => Some(Initiator {
            display_name: upload.initiator.rsplit('/').next().map(str::to_owned),
            id: Some(upload.initiator.clone()),
        }),
    }
}

pub(crate) async fn list_multipart_uploads(
    call: &Call,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let input = request.input;
    let max_uploads = page_size(input.max_uploads, "max-uploads", 1000)?;
    let url = is_url_encoding(input.encoding_type.as_ref().map(EncodingType::as_str))?;
    let upload_id_marker =
        match input.upload_id_marker.as_deref().filter(|marker| !marker.is_empty() && input.key_marker.is_some()) {
            None => None,
            Some(marker) => {
                Some(parse_upload_id(marker).ok_or_else(|| s3_error!(InvalidArgument, "Invalid uploadId marker"))?)
            }
        };
    let name = bucket_name(&input.bucket)?;
    let query = ListUploads {
        bucket: name.clone(),
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        key_marker: input.key_marker.clone(),
        upload_id_marker,
        max_uploads: usize::try_from(max_uploads).unwrap_or(0),
    };
    let page = call.objects().list_multipart_uploads(call.proof(), &query).map_err(objects_error)?;
    let bucket = call.objects().bucket(call.proof(), &name).map_err(objects_error)?;
    let uploads = page.uploads.iter().map(|upload| {
        let (checksum_algorithm, checksum_type) = checksum_of(upload);
        MultipartUpload {
            checksum_algorithm,
            checksum_type,
            initiated: Some(timestamp(upload.initiated_ms)),
            initiator: initiator(call, upload),
            key: Some(listed(upload.key.as_str(), url)),
            owner: call.owner_in(&bucket, upload.owner.as_ref()),
            storage_class: Some(StorageClass::from_static(upload.class.name())),
            upload_id: Some(upload.upload_id()),
        }
    });
    let prefixes: Vec<_> =
        page.common_prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(listed(prefix, url)) }).collect();
    let (next_key_marker, next_id) = match &page.next {
        Some((key, id)) => (Some(listed(key, url)), id.as_ref().map(hex_of)),
        None => (None, None),
    };
    Ok(S3Response::new(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        uploads: Some(uploads.collect()),
        common_prefixes: (!prefixes.is_empty()).then_some(prefixes),
        delimiter: input.delimiter.map(|delimiter| listed(&delimiter, url)),
        encoding_type: input.encoding_type,
        is_truncated: Some(page.next.is_some()),
        key_marker: Some(listed(input.key_marker.as_deref().unwrap_or_default(), url)),
        max_uploads: Some(max_uploads),
        next_key_marker,
        next_upload_id_marker: next_id,
        prefix: Some(listed(input.prefix.as_deref().unwrap_or_default(), url)),
        upload_id_marker: input.upload_id_marker,
        ..ListMultipartUploadsOutput::default()
    }))
}

fn hex_of(id: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*id))
}
