//! A bucket's versioning and the listing of its versions, on the wire.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{Bucket, LIST_COUNT_MAX, ListVersions, ListedVersion, VersionEntry, Versioning};

use crate::convert::{
    bucket_name, etag, is_url_encoding, kind_name, listed, page_size, shown_version, timestamp,
    version_id as parse_version,
};
use crate::errors::objects_error;
use crate::listing::prefixes;
use crate::operations::Call;
use crate::restore;

pub(crate) async fn get_bucket_versioning(
    call: &Call,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    let bucket = call.objects().bucket(call.proof(), &bucket_name(&request.input.bucket)?).map_err(objects_error)?;
    let status = match bucket.versioning {
        Versioning::Unversioned => None,
        Versioning::Enabled => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED)),
        Versioning::Suspended => Some(BucketVersioningStatus::from_static(BucketVersioningStatus::SUSPENDED)),
    };
    Ok(S3Response::new(GetBucketVersioningOutput { mfa_delete: None, status }))
}

pub(crate) async fn put_bucket_versioning(
    call: &Call,
    request: S3Request<PutBucketVersioningInput>,
) -> S3Result<S3Response<PutBucketVersioningOutput>> {
    let PutBucketVersioningInput { bucket, versioning_configuration, .. } = request.input;
    let VersioningConfiguration { mfa_delete, status } = versioning_configuration;
    match mfa_delete.as_ref().map(MFADelete::as_str) {
        None | Some(MFADelete::DISABLED) => {}
        // There are no devices: nobody can show what AWS wants to see here.
        Some(MFADelete::ENABLED) => {
            return Err(s3_error!(AccessDenied, "Mfa Authentication must be used for this request"));
        }
        Some(_) => return Err(s3_error!(MalformedXML)),
    }
    let enabled = match status.as_ref().map(BucketVersioningStatus::as_str) {
        Some(BucketVersioningStatus::ENABLED) => true,
        Some(BucketVersioningStatus::SUSPENDED) => false,
        Some(_) => return Err(s3_error!(MalformedXML)),
        None => {
            return Err(s3_error!(IllegalVersioningConfigurationException, "The Versioning element must be specified"));
        }
    };
    call.objects().put_bucket_versioning(&call.caller, &bucket_name(&bucket)?, enabled).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketVersioningOutput {}))
}

pub(crate) async fn list_object_versions(
    call: &Call,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<S3Response<ListObjectVersionsOutput>> {
    let input = request.input;
    if input.version_id_marker.is_some() && input.key_marker.as_deref().unwrap_or_default().is_empty() {
        return Err(s3_error!(InvalidArgument, "A version-id marker cannot be specified without a key marker."));
    }
    if input.version_id_marker.as_deref() == Some("") {
        return Err(s3_error!(InvalidArgument, "A version-id marker cannot be empty."));
    }
    let max_keys = page_size(input.max_keys, "max-keys", LIST_COUNT_MAX as i32)?;
    let url = is_url_encoding(input.encoding_type.as_ref().map(EncodingType::as_str))?;
    let name = bucket_name(&input.bucket)?;
    let bucket = call.objects().bucket(call.proof(), &name).map_err(objects_error)?;
    let query = ListVersions {
        bucket: name,
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone().filter(|delimiter| !delimiter.is_empty()),
        key_marker: input.key_marker.clone(),
        version_marker: parse_version(input.version_id_marker.as_deref())?,
        max_keys: usize::try_from(max_keys).unwrap_or(0),
    };
    let page = call.objects().list_object_versions(call.proof(), &query).map_err(objects_error)?;
    let (mut versions, mut delete_markers) = (Vec::new(), Vec::new());
    let restores = restore::is_asked(input.optional_object_attributes.as_ref())?;
    for found in page.versions {
        let restore = match &found.entry {
            VersionEntry::Object(version) => restore::listed(call, restores, version)?,
            VersionEntry::DeleteMarker(_) => None,
        };
        shown(call, &bucket, found, url, restore, &mut versions, &mut delete_markers);
    }
    let is_truncated = Some(page.next.is_some());
    let (next_key_marker, next_version) = page.next.unzip();
    Ok(S3Response::new(ListObjectVersionsOutput {
        versions: Some(versions),
        common_prefixes: prefixes(&page.common_prefixes, url),
        delete_markers: Some(delete_markers),
        delimiter: input.delimiter.map(|delimiter| listed(&delimiter, url)),
        encoding_type: input.encoding_type,
        is_truncated,
        key_marker: Some(listed(input.key_marker.as_deref().unwrap_or_default(), url)),
        max_keys: Some(max_keys),
        name: Some(input.bucket),
        next_version_id_marker: shown_version(next_version.flatten()),
        next_key_marker: next_key_marker.map(|next| listed(&next, url)),
        prefix: Some(listed(input.prefix.as_deref().unwrap_or_default(), url)),
        request_charged: None,
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
    }))
}

fn shown(
    call: &Call,
    bucket: &Bucket,
    found: ListedVersion,
    url: bool,
    restore_status: Option<RestoreStatus>,
    versions: &mut Vec<ObjectVersion>,
    delete_markers: &mut Vec<DeleteMarkerEntry>,
) {
    let version_id = shown_version(Some(found.entry.version_id()));
    let (is_latest, key) = (Some(found.is_latest), Some(listed(&found.key, url)));
    match found.entry {
        VersionEntry::Object(version) => versions.push(ObjectVersion {
            checksum_algorithm: version
                .checksum
                .map(|(algorithm, _)| vec![ChecksumAlgorithm::from_static(algorithm.name())]),
            checksum_type: version.checksum.map(|(_, kind)| ChecksumType::from_static(kind_name(kind))),
            e_tag: etag(&version.etag),
            is_latest,
            key,
            last_modified: Some(timestamp(version.modified_ms)),
            owner: call.owner(version.owner.as_ref().unwrap_or(&bucket.owner)),
            restore_status,
            size: i64::try_from(version.size_bytes).ok(),
            storage_class: Some(ObjectVersionStorageClass::from_static(version.class.name())),
            version_id,
        }),
        VersionEntry::DeleteMarker(marker) => delete_markers.push(DeleteMarkerEntry {
            is_latest,
            key,
            last_modified: Some(timestamp(marker.modified_ms)),
            owner: call.owner(marker.owner.as_ref().unwrap_or(&bucket.owner)),
            version_id,
        }),
    }
}
