//! Between the wire's small shapes and the streams': members, dates, tags, names of buckets.

use tarn_aws_model::firehose as wire;
use tarn_aws_protocol::{AwsError, Timestamp};

use crate::errors::invalid;

/// The most tags of a stream.
const TAGS_COUNT_MAX: usize = 50;
const BUCKET_ARN_BEGIN: &str = "arn:aws:s3:::";

/// The model's check has refused requests without required members; what slips through is refused here.
pub(crate) fn required<T>(member: Option<T>, name: &str) -> Result<T, AwsError> {
    member.ok_or_else(|| invalid(format!("{name} is required.")))
}

/// An instant of milliseconds since 1970.
pub(crate) fn date(ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms).ok()
}

/// The bucket that a BucketARN names.
pub(crate) fn bucket(arn: &str) -> Result<&str, AwsError> {
    arn.strip_prefix(BUCKET_ARN_BEGIN)
        .ok_or_else(|| invalid(format!("BucketARN {arn} is not valid: it begins with {BUCKET_ARN_BEGIN}")))
}

/// The ARN of a bucket.
pub(crate) fn bucket_arn(bucket: &str) -> String {
    format!("{BUCKET_ARN_BEGIN}{bucket}")
}

/// Keys and values; a key may be there once, and AWS's own begin with `aws:`.
pub(crate) fn tags(tags: Vec<wire::Tag>) -> Result<Vec<(String, String)>, AwsError> {
    let mut found: Vec<(String, String)> = Vec::with_capacity(tags.len());
    for tag in tags {
        let key = required(tag.key, "Tag.Key")?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!("The tag key {key} begins with aws:, which is AWS's own; use another.")));
        }
        if found.iter().any(|(other, _)| *other == key) {
            return Err(invalid(format!("The tag key {key} is there twice.")));
        }
        found.push((key, tag.value.unwrap_or_default()));
    }
    if found.len() > TAGS_COUNT_MAX {
        return Err(invalid(format!("A stream has at most {TAGS_COUNT_MAX} tags.")));
    }
    Ok(found)
}
