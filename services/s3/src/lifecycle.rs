//! Lifecycle configurations on the wire, and the headers that tell what a rule will end.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>

use s3s::dto::{
    AbortDate, AbortIncompleteMultipartUpload, AbortRuleId, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    ExpirationStatus, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration, NoncurrentVersionTransition,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, Tag, Transition,
    TransitionDefaultMinimumObjectSize, TransitionStorageClass,
};
use s3s::{S3Request, S3Response, S3Result};
use tarn_objects::{
    FilterForm, LifecycleConfiguration, LifecycleEnd, LifecycleExpiration, LifecycleFilter, LifecycleRule,
    LifecycleTime, LifecycleTransition, NoncurrentExpiration, NoncurrentTransition, ObjectVersion, ObjectsError,
    StorageClass, TransitionMinimum, UploadRecord,
};

use crate::convert::{bucket_name, http_date, millis, storage_class, tag_pairs, timestamp};
use crate::errors::objects_error;
use crate::operations::Call;

pub(crate) async fn put_bucket_lifecycle_configuration(
    call: &Call,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let PutBucketLifecycleConfigurationInput {
        bucket,
        lifecycle_configuration,
        transition_default_minimum_object_size,
        ..
    } = request.input;
    let rules = lifecycle_configuration.map(|configuration| configuration.rules).unwrap_or_default();
    let configuration = LifecycleConfiguration {
        rules: rules.into_iter().map(rule_of_wire).collect::<S3Result<_>>()?,
        transition_minimum: minimum_of_wire(transition_default_minimum_object_size.as_ref())?,
    };
    let minimum = minimum_to_wire(configuration.transition_minimum);
    let put = call.objects().put_bucket_lifecycle(&call.caller, &bucket_name(&bucket)?, configuration).await;
    put.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size: Some(minimum) }))
}

pub(crate) async fn get_bucket_lifecycle_configuration(
    call: &Call,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let LifecycleConfiguration { rules, transition_minimum } =
        call.objects().bucket_lifecycle(call.proof(), &bucket).map_err(objects_error)?;
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(rules.into_iter().map(rule_to_wire).collect()),
        transition_default_minimum_object_size: Some(minimum_to_wire(transition_minimum)),
    }))
}

pub(crate) async fn delete_bucket_lifecycle(
    call: &Call,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    call.objects().delete_bucket_lifecycle(&call.caller, &bucket).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketLifecycleOutput {}, http::StatusCode::NO_CONTENT))
}

/// `x-amz-expiration` of an object that is the latest version.
pub(crate) fn expiration(call: &Call, version: &ObjectVersion) -> S3Result<Option<String>> {
    let end = call.objects().lifecycle_end(call.proof(), version).map_err(objects_error)?;
    Ok(end.and_then(|LifecycleEnd { at_ms, rule }| {
        let date = http_date(at_ms)?;
        let rule = percent_encoding::utf8_percent_encode(&rule, RULE_ID_ENCODED);
        Some(format!("expiry-date=\"{}\", rule-id=\"{rule}\"", date.to_str().ok()?))
    }))
}

/// `x-amz-abort-date` and `x-amz-abort-rule-id` of an upload.
pub(crate) fn abort(call: &Call, upload: &UploadRecord) -> S3Result<(Option<AbortDate>, Option<AbortRuleId>)> {
    let end = call.objects().lifecycle_end_of_upload(call.proof(), upload).map_err(objects_error)?;
    Ok(end.map_or((None, None), |LifecycleEnd { at_ms, rule }| (Some(timestamp(at_ms)), Some(rule))))
}

/// What of a rule's id cannot stand in a header between quotes.
const RULE_ID_ENCODED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b'"').add(b'%');

fn malformed(reason: &str) -> s3s::S3Error {
    objects_error(ObjectsError::MalformedConfiguration { reason: reason.to_owned() })
}

fn minimum_of_wire(minimum: Option<&TransitionDefaultMinimumObjectSize>) -> S3Result<TransitionMinimum> {
    match minimum.map(TransitionDefaultMinimumObjectSize::as_str) {
        None | Some(TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K) => {
            Ok(TransitionMinimum::AllClasses128K)
        }
        Some(TransitionDefaultMinimumObjectSize::VARIES_BY_STORAGE_CLASS) => Ok(TransitionMinimum::VariesByClass),
        Some(other) => Err(objects_error(ObjectsError::InvalidArgument {
            name: "x-amz-transition-default-minimum-object-size",
            value: other.to_owned(),
            reason: "it is all_storage_classes_128K or varies_by_storage_class",
        })),
    }
}

fn minimum_to_wire(minimum: TransitionMinimum) -> TransitionDefaultMinimumObjectSize {
    TransitionDefaultMinimumObjectSize::from_static(match minimum {
        TransitionMinimum::AllClasses128K => TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
        TransitionMinimum::VariesByClass => TransitionDefaultMinimumObjectSize::VARIES_BY_STORAGE_CLASS,
    })
}

/// A count that the wire has signed.
fn count<T: TryFrom<W>, W: ToString + Copy>(name: &'static str, value: W) -> S3Result<T> {
    T::try_from(value).map_err(|_| {
        let reason = "it must not be negative";
        objects_error(ObjectsError::InvalidArgument { name, value: value.to_string(), reason })
    })
}

pub(crate) fn rule_of_wire(rule: s3s::dto::LifecycleRule) -> S3Result<LifecycleRule> {
    let s3s::dto::LifecycleRule {
        abort_incomplete_multipart_upload,
        expiration,
        filter,
        id,
        noncurrent_version_expiration,
        noncurrent_version_transitions,
        prefix,
        status,
        transitions,
    } = rule;
    let is_enabled = match status.as_str() {
        ExpirationStatus::ENABLED => true,
        ExpirationStatus::DISABLED => false,
        _ => return Err(malformed("a rule's Status is Enabled or Disabled")),
    };
    let filter = match (filter, prefix) {
        (Some(filter), None) => filter_of_wire(filter)?,
        (None, Some(prefix)) => LifecycleFilter { form: FilterForm::Prefix, ..LifecycleFilter::of_prefix(&prefix) },
        (Some(_), Some(_)) | (None, None) => return Err(malformed("a rule has either a Filter or a Prefix")),
    };
    let abort_uploads_days = match abort_incomplete_multipart_upload {
        None => None,
        Some(AbortIncompleteMultipartUpload { days_after_initiation: Some(days) }) => {
            Some(count("DaysAfterInitiation", days)?)
        }
        Some(_) => return Err(malformed("AbortIncompleteMultipartUpload needs DaysAfterInitiation")),
    };
    Ok(LifecycleRule {
        id: id.unwrap_or_default(),
        is_enabled,
        filter,
        expiration: expiration.map(expiration_of_wire).transpose()?,
        noncurrent_expiration: noncurrent_version_expiration.map(noncurrent_of_wire).transpose()?,
        transitions: transitions.unwrap_or_default().into_iter().map(transition_of_wire).collect::<S3Result<_>>()?,
        noncurrent_transitions: noncurrent_version_transitions
            .unwrap_or_default()
            .into_iter()
            .map(noncurrent_transition_of_wire)
            .collect::<S3Result<_>>()?,
        abort_uploads_days,
    })
}

fn filter_of_wire(filter: LifecycleRuleFilter) -> S3Result<LifecycleFilter> {
    let LifecycleRuleFilter { and, object_size_greater_than, object_size_less_than, prefix, tag } = filter;
    let size = |name, size: Option<i64>| size.map(|size| count(name, size)).transpose();
    let Some(and) = and else {
        return Ok(LifecycleFilter {
            form: FilterForm::Plain,
            prefix,
            tags: tag_pairs(tag.into_iter().collect()),
            size_bytes_above: size("ObjectSizeGreaterThan", object_size_greater_than)?,
            size_bytes_below: size("ObjectSizeLessThan", object_size_less_than)?,
        });
    };
    let beside = prefix.is_some() || tag.is_some();
    if beside || object_size_greater_than.is_some() || object_size_less_than.is_some() {
        return Err(malformed("a Filter has nothing beside its And"));
    }
    let LifecycleRuleAndOperator { object_size_greater_than, object_size_less_than, prefix, tags } = and;
    Ok(LifecycleFilter {
        form: FilterForm::And,
        prefix,
        tags: tag_pairs(tags.unwrap_or_default()),
        size_bytes_above: size("ObjectSizeGreaterThan", object_size_greater_than)?,
        size_bytes_below: size("ObjectSizeLessThan", object_size_less_than)?,
    })
}

fn time_of_wire(date: Option<s3s::dto::Date>, days: Option<i32>) -> S3Result<Option<LifecycleTime>> {
    match (date, days) {
        (Some(date), None) => Ok(Some(LifecycleTime::DateMs(millis(&date)))),
        (None, Some(days)) => Ok(Some(LifecycleTime::Days(count("Days", days)?))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(malformed("an action has either a Date or Days")),
    }
}

fn expiration_of_wire(expiration: s3s::dto::LifecycleExpiration) -> S3Result<LifecycleExpiration> {
    let s3s::dto::LifecycleExpiration { date, days, expired_object_delete_marker } = expiration;
    match (time_of_wire(date, days)?, expired_object_delete_marker) {
        (Some(time), None | Some(false)) => Ok(LifecycleExpiration::At(time)),
        (None, Some(true)) => Ok(LifecycleExpiration::DeleteMarkers),
        _ => Err(malformed("an Expiration has either a Date, or Days, or ExpiredObjectDeleteMarker")),
    }
}

fn noncurrent_of_wire(expiration: NoncurrentVersionExpiration) -> S3Result<NoncurrentExpiration> {
    let NoncurrentVersionExpiration { newer_noncurrent_versions, noncurrent_days } = expiration;
    let days = noncurrent_days.ok_or_else(|| malformed("NoncurrentVersionExpiration needs NoncurrentDays"))?;
    Ok(NoncurrentExpiration {
        days: count("NoncurrentDays", days)?,
        newer_versions: newer_noncurrent_versions.map(|newer| count("NewerNoncurrentVersions", newer)).transpose()?,
    })
}

fn class_of_wire(class: Option<TransitionStorageClass>) -> S3Result<StorageClass> {
    let class = class.ok_or_else(|| malformed("a transition needs a StorageClass"))?;
    match storage_class(Some(class.as_str())) {
        Ok(class) if class != StorageClass::Standard => Ok(class),
        _ => Err(malformed("objects are not moved to this StorageClass")),
    }
}

fn transition_of_wire(transition: Transition) -> S3Result<LifecycleTransition> {
    let Transition { date, days, storage_class } = transition;
    let at = time_of_wire(date, days)?.ok_or_else(|| malformed("a transition needs a Date or Days"))?;
    Ok(LifecycleTransition { at, class: class_of_wire(storage_class)? })
}

fn noncurrent_transition_of_wire(transition: NoncurrentVersionTransition) -> S3Result<NoncurrentTransition> {
    let NoncurrentVersionTransition { newer_noncurrent_versions, noncurrent_days, storage_class } = transition;
    let days = noncurrent_days.ok_or_else(|| malformed("NoncurrentVersionTransition needs NoncurrentDays"))?;
    Ok(NoncurrentTransition {
        days: count("NoncurrentDays", days)?,
        class: class_of_wire(storage_class)?,
        newer_versions: newer_noncurrent_versions.map(|newer| count("NewerNoncurrentVersions", newer)).transpose()?,
    })
}

/// What fits into the wire's signed numbers came from them.
fn days_to_wire(count: u32) -> Option<i32> {
    i32::try_from(count).ok()
}

pub(crate) fn rule_to_wire(rule: LifecycleRule) -> s3s::dto::LifecycleRule {
    let LifecycleRule {
        id,
        is_enabled,
        filter,
        expiration,
        noncurrent_expiration,
        transitions,
        noncurrent_transitions,
        abort_uploads_days,
    } = rule;
    let status = if is_enabled { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
    let (filter, prefix) = filter_to_wire(filter);
    let transition = |LifecycleTransition { at, class }| {
        let (date, days) = time_to_wire(at);
        Transition { date, days, storage_class: Some(TransitionStorageClass::from_static(class.name())) }
    };
    let noncurrent_transition = |NoncurrentTransition { days, class, newer_versions }| NoncurrentVersionTransition {
        newer_noncurrent_versions: newer_versions.and_then(days_to_wire),
        noncurrent_days: days_to_wire(days),
        storage_class: Some(TransitionStorageClass::from_static(class.name())),
    };
    s3s::dto::LifecycleRule {
        abort_incomplete_multipart_upload: abort_uploads_days
            .map(|days| AbortIncompleteMultipartUpload { days_after_initiation: days_to_wire(days) }),
        expiration: expiration.map(|expiration| match expiration {
            LifecycleExpiration::At(at) => {
                let (date, days) = time_to_wire(at);
                s3s::dto::LifecycleExpiration { date, days, expired_object_delete_marker: None }
            }
            LifecycleExpiration::DeleteMarkers => s3s::dto::LifecycleExpiration {
                expired_object_delete_marker: Some(true),
                ..s3s::dto::LifecycleExpiration::default()
            },
        }),
        filter,
        id: Some(id),
        noncurrent_version_expiration: noncurrent_expiration.map(|expiration| NoncurrentVersionExpiration {
            newer_noncurrent_versions: expiration.newer_versions.and_then(days_to_wire),
            noncurrent_days: days_to_wire(expiration.days),
        }),
        noncurrent_version_transitions: (!noncurrent_transitions.is_empty())
            .then(|| noncurrent_transitions.into_iter().map(noncurrent_transition).collect()),
        prefix,
        status: ExpirationStatus::from_static(status),
        transitions: (!transitions.is_empty()).then(|| transitions.into_iter().map(transition).collect()),
    }
}

fn time_to_wire(time: LifecycleTime) -> (Option<s3s::dto::Date>, Option<i32>) {
    match time {
        LifecycleTime::DateMs(date_ms) => (Some(timestamp(date_ms)), None),
        LifecycleTime::Days(days) => (None, days_to_wire(days)),
    }
}

fn filter_to_wire(filter: LifecycleFilter) -> (Option<LifecycleRuleFilter>, Option<String>) {
    let LifecycleFilter { form, prefix, tags, size_bytes_above, size_bytes_below } = filter;
    let object_size_greater_than = size_bytes_above.and_then(|size| i64::try_from(size).ok());
    let object_size_less_than = size_bytes_below.and_then(|size| i64::try_from(size).ok());
    let mut tags: Vec<Tag> = tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
    match form {
        FilterForm::Prefix => (None, prefix),
        FilterForm::Plain => {
            let filter = LifecycleRuleFilter {
                and: None,
                object_size_greater_than,
                object_size_less_than,
                prefix,
                tag: tags.pop(),
            };
            (Some(filter), None)
        }
        FilterForm::And => {
            let and = LifecycleRuleAndOperator {
                object_size_greater_than,
                object_size_less_than,
                prefix,
                tags: (!tags.is_empty()).then_some(tags),
            };
            (Some(LifecycleRuleFilter { and: Some(and), ..LifecycleRuleFilter::default() }), None)
        }
    }
}
