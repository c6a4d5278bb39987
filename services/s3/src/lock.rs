//! Object lock on the wire: a bucket's configuration, retentions and legal holds of versions, and the headers that carry them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html>

use http::HeaderMap;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{
    BucketLock, BucketName, Bypass, DefaultRetention as DomainDefault, ObjectVersion, ObjectsError, Retention,
    RetentionMode, RetentionPeriod, VersionLock,
};
use tarn_policy::Requirement;
use tarn_types::Arn;

use crate::convert::{bucket_name, millis, object_key, timestamp, version_id as parse_version};
use crate::errors::objects_error;
use crate::operations::Call;
use crate::resources::{on_existing, set_retention};

/// Bodies of these requests, and payloads that are put under a lock, must carry a digest.
fn has_digest(headers: &HeaderMap) -> bool {
    headers.contains_key("content-md5")
        || headers.contains_key("x-amz-trailer")
        || headers.keys().any(|name| {
            name.as_str()
                .strip_prefix("x-amz-checksum-")
                .is_some_and(|algorithm| !matches!(algorithm, "type" | "mode" | "algorithm"))
        })
}

fn require_digest(headers: &HeaderMap) -> S3Result<()> {
    if has_digest(headers) {
        return Ok(());
    }
    Err(s3_error!(InvalidRequest, "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"))
}

/// What is put under a lock cannot be put again: that it arrived whole must be known.
pub(crate) fn check_locked_payload(
    call: &Call,
    bucket: &BucketName,
    lock: &VersionLock,
    headers: &HeaderMap,
) -> S3Result<()> {
    if has_digest(headers) {
        return Ok(());
    }
    let by_default = call.objects().bucket(call.proof(), bucket).map_err(objects_error)?.lock;
    if lock.is_none() && by_default.is_none_or(|lock| lock.default_retention.is_none()) {
        return Ok(());
    }
    Err(s3_error!(
        InvalidRequest,
        "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
    ))
}

fn mode(text: &str) -> Option<RetentionMode> {
    RetentionMode::parse(text)
}

/// The lock that a write's headers ask for.
pub(crate) fn version_lock(
    asked_mode: Option<&ObjectLockMode>,
    until: Option<&Timestamp>,
    legal_hold: Option<&ObjectLockLegalHoldStatus>,
) -> S3Result<VersionLock> {
    let retention = match (asked_mode, until) {
        (None, None) => None,
        (Some(asked), Some(until)) => match mode(asked.as_str()) {
            Some(mode) => Some(Retention { mode, until_ms: millis(until) }),
            None => return Err(s3_error!(InvalidArgument, "Unknown wormMode directive.")),
        },
        _ => {
            return Err(s3_error!(
                InvalidArgument,
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
            ));
        }
    };
    let legal_hold = match legal_hold.map(ObjectLockLegalHoldStatus::as_str) {
        None => None,
        Some("ON") => Some(true),
        Some("OFF") => Some(false),
        Some(_) => return Err(s3_error!(InvalidArgument, "Legal Hold must be either of 'ON' or 'OFF'")),
    };
    Ok(VersionLock { retention, legal_hold })
}

/// A version's lock as a reader may see it.
#[derive(Default)]
pub(crate) struct ShownLock {
    pub(crate) mode: Option<ObjectLockMode>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) legal_hold: Option<ObjectLockLegalHoldStatus>,
}

/// What of a version's lock the caller may see.
pub(crate) fn shown_lock(call: &Call, version: &ObjectVersion) -> ShownLock {
    let lock = version.lock();
    if lock.is_none() {
        return ShownLock::default();
    }
    let may = |action: &'static str| {
        let requirement = Requirement::new(action, Arn::s3_object(version.bucket().as_str(), version.key().as_str()));
        call.caller.authorizer().authorize(vec![requirement]).is_ok()
    };
    let retention = lock.retention.filter(|_| may("s3:GetObjectRetention"));
    let legal_hold = lock.legal_hold.filter(|_| may("s3:GetObjectLegalHold"));
    ShownLock {
        mode: retention.map(|retention| ObjectLockMode::from_static(retention.mode.name())),
        until: retention.map(|retention| timestamp(retention.until_ms)),
        legal_hold: legal_hold.map(status),
    }
}

fn status(on: bool) -> ObjectLockLegalHoldStatus {
    ObjectLockLegalHoldStatus::from_static(if on { "ON" } else { "OFF" })
}

/// Whether the caller asked to pass over GOVERNANCE retentions, and may.
pub(crate) fn bypass(call: &Call, asked: Option<bool>, bucket: &str, key: &str, version: Option<&str>) -> Bypass {
    if asked != Some(true) {
        return Bypass::No;
    }
    let requirement = on_existing(call.objects(), "s3:BypassGovernanceRetention", bucket, key, version);
    match requirement.ok().and_then(|requirement| call.caller.authorizer().authorize(vec![requirement]).ok()) {
        Some(_) => Bypass::Governance,
        None => Bypass::No,
    }
}

pub(crate) async fn get_object_lock_configuration(
    call: &Call,
    request: S3Request<GetObjectLockConfigurationInput>,
) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    let lock = call.objects().object_lock_configuration(call.proof(), &name).map_err(objects_error)?;
    let rule = lock.default_retention.map(|default| {
        let (days, years) = match default.period {
            RetentionPeriod::Days(days) => (i32::try_from(days).ok(), None),
            RetentionPeriod::Years(years) => (None, i32::try_from(years).ok()),
        };
        let mode = Some(ObjectLockRetentionMode::from_static(default.mode.name()));
        ObjectLockRule { default_retention: Some(DefaultRetention { days, mode, years }) }
    });
    let configuration = ObjectLockConfiguration {
        object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
        rule,
    };
    Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) }))
}

pub(crate) async fn put_object_lock_configuration(
    call: &Call,
    request: S3Request<PutObjectLockConfigurationInput>,
) -> S3Result<S3Response<PutObjectLockConfigurationOutput>> {
    require_digest(&request.headers)?;
    let input = request.input;
    if input.token.is_some() {
        return Err(s3_error!(InvalidRequest, "x-amz-bucket-object-lock-token is not valid for this bucket"));
    }
    let Some(ObjectLockConfiguration { object_lock_enabled, rule }) = input.object_lock_configuration else {
        return Err(s3_error!(MalformedXML));
    };
    if object_lock_enabled.as_ref().map(ObjectLockEnabled::as_str) != Some(ObjectLockEnabled::ENABLED) {
        return Err(s3_error!(MalformedXML));
    }
    let default_retention = rule.map(default_retention).transpose()?;
    let name = bucket_name(&input.bucket)?;
    call.objects()
        .put_object_lock_configuration(&call.caller, &name, BucketLock { default_retention })
        .await
        .map_err(objects_error)?;
    Ok(S3Response::new(PutObjectLockConfigurationOutput::default()))
}

fn default_retention(rule: ObjectLockRule) -> S3Result<DomainDefault> {
    let Some(DefaultRetention { days, mode: asked, years }) = rule.default_retention else {
        return Err(s3_error!(MalformedXML));
    };
    let Some(mode) = asked.as_ref().and_then(|asked| mode(asked.as_str())) else { return Err(s3_error!(MalformedXML)) };
    // What is below zero is no more a period than zero is.
    let count = |given: i32| u32::try_from(given).unwrap_or(0);
    let period = match (days, years) {
        (Some(days), None) => RetentionPeriod::Days(count(days)),
        (None, Some(years)) => RetentionPeriod::Years(count(years)),
        (Some(_), Some(_)) | (None, None) => return Err(s3_error!(MalformedXML)),
    };
    Ok(DomainDefault { mode, period })
}

pub(crate) async fn get_object_retention(
    call: &Call,
    request: S3Request<GetObjectRetentionInput>,
) -> S3Result<S3Response<GetObjectRetentionOutput>> {
    let input = request.input;
    let id = parse_version(input.version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    let found = call.objects().object_retention(call.proof(), &bucket, &key, id.as_ref());
    let retention = found.map_err(|error| call.hide_missing(&bucket, error))?;
    let retention = ObjectLockRetention {
        mode: Some(ObjectLockRetentionMode::from_static(retention.mode.name())),
        retain_until_date: Some(timestamp(retention.until_ms)),
    };
    Ok(S3Response::new(GetObjectRetentionOutput { retention: Some(retention) }))
}

pub(crate) async fn put_object_retention(
    call: &Call,
    request: S3Request<PutObjectRetentionInput>,
) -> S3Result<S3Response<PutObjectRetentionOutput>> {
    let input = request.input;
    let Some(ObjectLockRetention { mode: asked, retain_until_date }) = input.retention else {
        return Err(s3_error!(MalformedXML));
    };
    let mode = match asked.as_ref() {
        Some(asked) => Some(mode(asked.as_str()).ok_or_else(|| s3_error!(MalformedXML))?),
        None => None,
    };
    let retention = match (mode, retain_until_date.as_ref()) {
        (Some(mode), Some(until)) => Some(Retention { mode, until_ms: millis(until) }),
        // An empty element takes the retention away.
        (None, None) => None,
        _ => return Err(s3_error!(MalformedXML)),
    };
    // Mode and date are condition keys of the decision, and stand in the body: the question could not be put before.
    let version = input.version_id.as_deref();
    let mut requirement = on_existing(call.objects(), "s3:PutObjectRetention", &input.bucket, &input.key, version)?;
    if let Some(retention) = retention {
        set_retention(&mut requirement, retention.mode.name(), retention.until_ms, call.caller.time_ms());
    }
    let allowed = call.caller.authorizer().authorize(vec![requirement]);
    allowed.map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    require_digest(&request.headers)?;
    let id = parse_version(version)?;
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    let bypass = bypass(call, input.bypass_governance_retention, &input.bucket, &input.key, version);
    call.objects()
        .put_object_retention(&call.caller, &bucket, &key, id.as_ref(), retention, bypass)
        .await
        .map_err(|error| call.hide_missing(&bucket, error))?;
    Ok(S3Response::new(PutObjectRetentionOutput::default()))
}

pub(crate) async fn get_object_legal_hold(
    call: &Call,
    request: S3Request<GetObjectLegalHoldInput>,
) -> S3Result<S3Response<GetObjectLegalHoldOutput>> {
    let input = request.input;
    let id = parse_version(input.version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    let found = call.objects().object_legal_hold(call.proof(), &bucket, &key, id.as_ref());
    let on = found.map_err(|error| call.hide_missing(&bucket, error))?;
    let legal_hold = ObjectLockLegalHold { status: Some(status(on)) };
    Ok(S3Response::new(GetObjectLegalHoldOutput { legal_hold: Some(legal_hold) }))
}

pub(crate) async fn put_object_legal_hold(
    call: &Call,
    request: S3Request<PutObjectLegalHoldInput>,
) -> S3Result<S3Response<PutObjectLegalHoldOutput>> {
    let input = request.input;
    let given = input.legal_hold.and_then(|hold| hold.status);
    let on = match given.as_ref().map(ObjectLockLegalHoldStatus::as_str) {
        Some("ON") => true,
        Some("OFF") => false,
        Some(_) | None => return Err(s3_error!(MalformedXML)),
    };
    let version = input.version_id.as_deref();
    let mut requirement = on_existing(call.objects(), "s3:PutObjectLegalHold", &input.bucket, &input.key, version)?;
    requirement.context.set("s3:object-lock-legal-hold", if on { "ON" } else { "OFF" });
    let allowed = call.caller.authorizer().authorize(vec![requirement]);
    allowed.map_err(|denied| objects_error(ObjectsError::Denied(denied)))?;
    require_digest(&request.headers)?;
    let id = parse_version(version)?;
    let (bucket, key) = (bucket_name(&input.bucket)?, object_key(&input.key)?);
    call.objects()
        .put_object_legal_hold(&call.caller, &bucket, &key, id.as_ref(), on)
        .await
        .map_err(|error| call.hide_missing(&bucket, error))?;
    Ok(S3Response::new(PutObjectLegalHoldOutput::default()))
}
