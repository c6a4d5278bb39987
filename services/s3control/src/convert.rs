//! Between the wire and the domain: names, times, tags. Knows no operation.

use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_jobs::JobId;
use tarn_objects::{BucketName, Tags};
use tarn_types::{AccountId, Arn};

use crate::errors::{bad_request, of_bucket, of_jobs};

pub(crate) fn time(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// The model says that it is there.
pub(crate) fn required<T>(value: Option<T>, member: &str) -> Result<T, AwsError> {
    value.ok_or_else(|| bad_request(format!("{member} must be given")))
}

/// A job's id; what is none names no job.
pub(crate) fn job_id(text: Option<String>) -> Result<JobId, AwsError> {
    let text = text.unwrap_or_default();
    JobId::parse(&text).ok_or_else(|| of_jobs(tarn_jobs::JobsError::JobNotFound { job: text }))
}

/// `arn:aws:s3:::BUCKET`.
pub(crate) fn bucket_of(text: &str, member: &str) -> Result<String, AwsError> {
    match Arn::parse(text) {
        Ok(arn) if arn.service == "s3" && arn.account.is_empty() && !arn.resource.contains('/') => Ok(arn.resource),
        Ok(_) | Err(_) => Err(bad_request(format!("{member}: `{text}` is not the ARN of a bucket"))),
    }
}

/// The bucket that a request's `ResourceArn` names.
pub(crate) fn bucket_name(resource: Option<&String>) -> Result<BucketName, AwsError> {
    let text = resource.map(String::as_str).unwrap_or_default();
    BucketName::new(bucket_of(text, "ResourceArn")?).map_err(of_bucket)
}

/// `arn:aws:s3:::BUCKET/KEY`.
pub(crate) fn object_of(text: &str, member: &str) -> Result<(String, String), AwsError> {
    let split = Arn::parse(text).ok().filter(|arn| arn.service == "s3" && arn.account.is_empty());
    split
        .as_ref()
        .and_then(|arn| arn.resource.split_once('/'))
        .map(|(bucket, key)| (bucket.to_owned(), key.to_owned()))
        .ok_or_else(|| bad_request(format!("{member}: `{text}` is not the ARN of an object")))
}

pub(crate) fn bucket_arn(bucket: &str) -> Option<String> {
    Some(Arn::s3_bucket(bucket).to_string())
}

pub(crate) fn account_of(text: Option<String>, member: &str) -> Result<Option<AccountId>, AwsError> {
    let account = |text: String| AccountId::new(text).map_err(|_| bad_request(format!("{member} is no account's id")));
    text.map(account).transpose()
}

pub(crate) fn pairs(tags: Option<Vec<wire::S3Tag>>) -> Vec<(String, String)> {
    let pair = |tag: wire::S3Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    tags.unwrap_or_default().into_iter().map(pair).collect()
}

/// Tags of resources as tags of objects and jobs, which the wire calls otherwise.
pub(crate) fn s3_tags(tags: Option<Vec<wire::Tag>>) -> Option<Vec<wire::S3Tag>> {
    let tag = |wire::Tag { key, value }| wire::S3Tag { key, value };
    tags.map(|tags| tags.into_iter().map(tag).collect())
}

/// The tags that objects are to get.
pub(crate) fn object_tags(tags: Vec<wire::S3Tag>) -> Result<Tags, AwsError> {
    Tags::of_object(pairs(Some(tags))).map_err(|error| bad_request(error.to_string()))
}

pub(crate) fn tags_out(tags: &Tags) -> Vec<wire::S3Tag> {
    tags.iter().map(|(key, value)| wire::S3Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }).collect()
}
