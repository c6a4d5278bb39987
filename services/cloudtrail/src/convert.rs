//! Between the wire's shapes and the domain's.

use std::collections::BTreeMap;

use tarn_aws_model::cloudtrail as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_trails::{Trail, TrailsError};

use crate::errors::trails_to_aws;

/// A time that may not have come.
pub(crate) fn timestamp(ms: Option<i64>) -> Option<Timestamp> {
    Timestamp::from_millisecond(ms?).ok()
}

/// The same as text; empty if it has not come.
pub(crate) fn text(ms: Option<i64>) -> String {
    timestamp(ms).map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// The pairs; a key that is repeated is refused.
pub(crate) fn tags(given: Option<Vec<wire::Tag>>) -> Result<BTreeMap<String, String>, AwsError> {
    let mut pairs = BTreeMap::new();
    for wire::Tag { key, value } in given.unwrap_or_default() {
        if pairs.insert(key.unwrap_or_default(), value.unwrap_or_default()).is_some() {
            return Err(trails_to_aws(TrailsError::InvalidTag { reason: "Duplicate tag keys are not allowed." }));
        }
    }
    Ok(pairs)
}

pub(crate) fn trail(trail: Trail) -> wire::Trail {
    wire::Trail {
        trail_arn: Some(trail.arn().to_string()),
        home_region: Some(trail.region.to_string()),
        has_custom_event_selectors: Some(trail.selectors != tarn_trails::EventSelectors::default()),
        has_insight_selectors: Some(false),
        is_organization_trail: Some(false),
        name: Some(trail.name),
        s3_bucket_name: Some(trail.bucket.to_string()),
        s3_key_prefix: trail.key_prefix,
        include_global_service_events: Some(trail.includes_global_services),
        is_multi_region_trail: Some(trail.is_multi_region),
        log_file_validation_enabled: Some(trail.validates),
        kms_key_id: trail.kms_key,
        recursive_logging: Some(trail.is_recursive),
        ..wire::Trail::default()
    }
}
