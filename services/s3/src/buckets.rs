//! Buckets on the wire.

use http::{HeaderMap, HeaderValue};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{CreateBucket, ListBuckets, ObjectsError, Tags};
use tarn_types::Region;

use crate::convert::{bucket_name, not_implemented, page_size, tag_pairs, timestamp};
use crate::errors::objects_error;
use crate::operations::Call;
use crate::resources::Request;
use crate::{acl, ownership_controls};

/// The only region without a location constraint.
const DEFAULT_REGION: &str = "us-east-1";

fn location(region: &Region) -> Option<BucketLocationConstraint> {
    (region.as_str() != DEFAULT_REGION).then(|| BucketLocationConstraint::from(region.to_string()))
}

pub(crate) async fn list_buckets(
    call: &Call,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let ListBucketsInput { bucket_region, continuation_token, max_buckets, prefix, .. } = request.input;
    let region = match bucket_region {
        Some(region) => Some(Region::new(region).map_err(|error| s3_error!(InvalidArgument, "{error}"))?),
        None => None,
    };
    let owner = call.caller.principal().account.clone();
    if max_buckets.is_some_and(|max| max < 1) {
        return Err(s3_error!(InvalidArgument, "Argument max-buckets must be an integer between 1 and 10000"));
    }
    let count_max = usize::try_from(page_size(max_buckets, "max-buckets", 10_000)?).unwrap_or(0);
    let query = ListBuckets {
        owner: owner.clone(),
        prefix: prefix.clone().unwrap_or_default(),
        region,
        after: continuation_token,
        count_max,
    };
    let page = call.objects().list_buckets(call.proof(), &query).map_err(objects_error)?;
    let buckets = page.buckets.into_iter().map(|bucket| Bucket {
        bucket_arn: Some(bucket.name.arn().to_string()),
        bucket_region: Some(bucket.region.to_string()),
        creation_date: Some(timestamp(bucket.created_ms)),
        name: Some(bucket.name.into()),
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token: page.next,
        owner: call.owner(&owner),
        prefix,
    }))
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
pub(crate) async fn create_bucket(
    call: &Call,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let headers = &request.headers;
    let input = request.input;
    let served = call.inner.region.as_str();
    let (constraint, tags) = match input.create_bucket_configuration {
        Some(configuration) => {
            if configuration.bucket.is_some() || configuration.location.is_some() {
                return Err(not_implemented("directory buckets"));
            }
            (configuration.location_constraint, configuration.tags.unwrap_or_default())
        }
        None => (None, Vec::new()),
    };
    let tags = tag_pairs(tags);
    let now_ms = call.caller.time_ms();
    let needs = Request { bucket: Some(&input.bucket), key: None, headers, query: "", now_ms }.create_bucket(&tags)?;
    let allowed = call.caller.authorizer().authorize(needs);
    allowed.map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    let acl = acl::of_bucket(call, input.acl.as_ref().map(BucketCannedACL::as_str), headers)?;
    let ownership = input.object_ownership.as_ref().map(|text| ownership_controls::parse(text.as_str())).transpose()?;
    match constraint.as_ref().map(BucketLocationConstraint::as_str) {
        // A body without a constraint means us-east-1 on AWS; a lake has one region, and means that.
        None | Some("") => {}
        // AWS refuses the name of its own default region here; s3fs sends it all the same, and it can mean nothing else.
        Some(asked) if asked == served => {}
        Some("EU") if served == "eu-west-1" => {}
        Some(asked) => {
            return Err(s3_error!(
                IllegalLocationConstraintException,
                "The {asked} location constraint is incompatible for the region specific endpoint this request was sent to; it serves {served}."
            ));
        }
    }
    let name = bucket_name(&input.bucket)?;
    let tags = Tags::of_bucket(tags).map_err(objects_error)?;
    let lock = input.object_lock_enabled_for_bucket == Some(true);
    // As AWS still answers where it began, and nowhere else: 200, and the bucket's list is as new.
    let or_own = served == DEFAULT_REGION;
    let create =
        CreateBucket { tags, lock, ownership, acl, or_own, ..CreateBucket::new(name, call.inner.region.clone()) };
    let bucket = call.objects().create_bucket(&call.caller, create).await.map_err(objects_error)?;
    Ok(S3Response::new(CreateBucketOutput {
        bucket_arn: Some(bucket.name.arn().to_string()),
        location: Some(format!("/{}", bucket.name)),
    }))
}

pub(crate) async fn delete_bucket(
    call: &Call,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    call.objects().delete_bucket(&call.caller, &name).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketOutput {}, http::StatusCode::NO_CONTENT))
}

pub(crate) async fn head_bucket(
    call: &Call,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    let bucket = call.objects().bucket(call.proof(), &bucket_name(&request.input.bucket)?).map_err(objects_error)?;
    let mut headers = HeaderMap::new();
    if let Ok(region) = HeaderValue::from_str(bucket.region.as_str()) {
        headers.insert("x-amz-bucket-region", region);
    }
    let output = HeadBucketOutput { bucket_region: Some(bucket.region.to_string()), ..HeadBucketOutput::default() };
    Ok(S3Response::with_headers(output, headers))
}

pub(crate) async fn get_bucket_location(
    call: &Call,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    let bucket = call.objects().bucket(call.proof(), &bucket_name(&request.input.bucket)?).map_err(objects_error)?;
    Ok(S3Response::new(GetBucketLocationOutput { location_constraint: location(&bucket.region) }))
}
