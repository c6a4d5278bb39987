//! Listings of objects on the wire: versions 1 and 2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{Bucket as DomainBucket, LIST_COUNT_MAX, ListObjects, ListedObject, Listing};

use crate::convert::{bucket_name, etag, is_url_encoding, kind_name, listed, page_size, timestamp};
use crate::errors::objects_error;
use crate::operations::Call;
use crate::restore;

const PAGE_COUNT_MAX: i32 = LIST_COUNT_MAX as i32;

struct Page {
    listing: Listing,
    bucket: DomainBucket,
    url: bool,
    max_keys: i32,
}

struct Asked<'a> {
    bucket: &'a str,
    prefix: Option<&'a str>,
    delimiter: Option<&'a str>,
    start_after: Option<String>,
    max_keys: Option<i32>,
    encoding: Option<&'a EncodingType>,
}

fn page(call: &Call, asked: Asked<'_>) -> S3Result<Page> {
    let max_keys = page_size(asked.max_keys, "maxKeys", PAGE_COUNT_MAX)?;
    let url = is_url_encoding(asked.encoding.map(EncodingType::as_str))?;
    let name = bucket_name(asked.bucket)?;
    let bucket = call.objects().bucket(call.proof(), &name).map_err(objects_error)?;
    let query = ListObjects {
        bucket: name,
        prefix: asked.prefix.unwrap_or_default().to_owned(),
        delimiter: asked.delimiter.filter(|delimiter| !delimiter.is_empty()).map(str::to_owned),
        start_after: asked.start_after,
        max_keys: usize::try_from(max_keys).unwrap_or(0),
    };
    let listing = call.objects().list_objects(call.proof(), &query).map_err(objects_error)?;
    Ok(Page { listing, bucket, url, max_keys })
}

fn object(found: ListedObject, url: bool, owner: Option<Owner>, restore_status: Option<RestoreStatus>) -> Object {
    let version = found.version;
    Object {
        checksum_algorithm: version
            .checksum
            .map(|(algorithm, _)| vec![ChecksumAlgorithm::from_static(algorithm.name())]),
        checksum_type: version.checksum.map(|(_, kind)| ChecksumType::from_static(kind_name(kind))),
        e_tag: etag(&version.etag),
        key: Some(listed(&found.key, url)),
        last_modified: Some(timestamp(version.modified_ms)),
        owner,
        restore_status,
        size: i64::try_from(version.size_bytes).ok(),
        storage_class: Some(ObjectStorageClass::from_static(version.class.name())),
    }
}

/// Most objects are the bucket's owner's, who was looked up before.
fn owner_of(call: &Call, bucket: &DomainBucket, bucket_owner: &Option<Owner>, found: &ListedObject) -> Option<Owner> {
    match &found.version.owner {
        None => bucket_owner.clone(),
        owner => call.owner_in(bucket, owner.as_ref()),
    }
}

pub(crate) fn prefixes(prefixes: &[String], url: bool) -> Option<CommonPrefixList> {
    let prefixes: Vec<_> = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(listed(prefix, url)) }).collect();
    (!prefixes.is_empty()).then_some(prefixes)
}

/// An empty delimiter is none.
fn shown_delimiter(delimiter: Option<String>, url: bool) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty()).map(|delimiter| listed(&delimiter, url))
}

pub(crate) async fn list_objects(
    call: &Call,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let asked = Asked {
        bucket: &input.bucket,
        prefix: input.prefix.as_deref(),
        delimiter: input.delimiter.as_deref(),
        start_after: input.marker.clone(),
        max_keys: input.max_keys,
        encoding: input.encoding_type.as_ref(),
    };
    let Page { listing, bucket, url, max_keys } = page(call, asked)?;
    let owner = call.owner(&bucket.owner);
    let common_prefixes = prefixes(&listing.common_prefixes, url);
    let is_truncated = Some(listing.next.is_some());
    // Without a delimiter the last key is the marker, and AWS does not repeat it.
    let next_marker = listing
        .next
        .filter(|_| input.delimiter.as_ref().is_some_and(|delimiter| !delimiter.is_empty()))
        .map(|next| listed(&next, url));
    let restores = restore::is_asked(input.optional_object_attributes.as_ref())?;
    let contents = listing.objects.into_iter().map(|found| {
        let restore = restore::listed(call, restores, &found.version)?;
        let owner = owner_of(call, &bucket, &owner, &found);
        Ok(object(found, url, owner, restore))
    });
    let contents = contents.collect::<S3Result<_>>()?;
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket),
        // Version 1 encodes all but the prefix, and its clients decode all but the prefix.
        prefix: Some(input.prefix.unwrap_or_default()),
        marker: Some(listed(input.marker.as_deref().unwrap_or_default(), url)),
        max_keys: Some(max_keys),
        is_truncated,
        contents: Some(contents),
        common_prefixes,
        delimiter: shown_delimiter(input.delimiter, url),
        next_marker,
        encoding_type: input.encoding_type,
        request_charged: None,
    }))
}

pub(crate) async fn list_objects_v2(
    call: &Call,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let start_after = match &input.continuation_token {
        Some(token) if !token.is_empty() => Some(open_token(token)?),
        // An empty one is a beginning.
        Some(_) | None => input.start_after.clone(),
    };
    let asked = Asked {
        bucket: &input.bucket,
        prefix: input.prefix.as_deref(),
        delimiter: input.delimiter.as_deref(),
        start_after,
        max_keys: input.max_keys,
        encoding: input.encoding_type.as_ref(),
    };
    let Page { listing, bucket, url, max_keys } = page(call, asked)?;
    let owner = if input.fetch_owner == Some(true) { call.owner(&bucket.owner) } else { None };
    let key_count = i32::try_from(listing.objects.len() + listing.common_prefixes.len()).ok();
    let restores = restore::is_asked(input.optional_object_attributes.as_ref())?;
    let contents = listing.objects.into_iter().map(|found| {
        let restore = restore::listed(call, restores, &found.version)?;
        let owner = owner.as_ref().and_then(|_| owner_of(call, &bucket, &owner, &found));
        Ok(object(found, url, owner, restore))
    });
    let contents = contents.collect::<S3Result<Vec<_>>>()?;
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(listed(input.prefix.as_deref().unwrap_or_default(), url)),
        max_keys: Some(max_keys),
        key_count,
        continuation_token: input.continuation_token,
        is_truncated: Some(listing.next.is_some()),
        next_continuation_token: listing.next.map(|next| BASE64.encode(next)),
        contents: (!contents.is_empty()).then_some(contents),
        common_prefixes: prefixes(&listing.common_prefixes, url),
        delimiter: shown_delimiter(input.delimiter, url),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|start| listed(&start, url)),
        request_charged: None,
    }))
}

fn open_token(token: &str) -> S3Result<String> {
    let refused = || s3_error!(InvalidArgument, "The continuation token provided is incorrect");
    let bytes = BASE64.decode(token).map_err(|_| refused())?;
    String::from_utf8(bytes).ok().filter(|key| !key.is_empty()).ok_or_else(refused)
}
