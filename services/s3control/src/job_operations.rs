//! What a job does, between the wire and the domain. What is not built is refused with the name of it.

use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::{AwsError, Timestamp};
use tarn_identity::Identity;
use tarn_jobs::{CopyParameters, DigestAlgorithm, JobOperation, MetadataDirective, OutputEncryption};
use tarn_objects::{
    BucketName, ChecksumAlgorithm, ChecksumKind, ObjectMetadata, RestoreTier, Retention, RetentionMode, StorageClass,
    VersionLock,
};

use crate::acl;
use crate::convert::{bucket_arn, bucket_of, object_tags, required, tags_out, time};
use crate::errors::{bad_request, not_implemented, refuse_unbuilt};

/// As HTTP writes dates.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// The one operation that is asked for.
pub(crate) fn operation(identity: &Identity, given: wire::JobOperation) -> Result<JobOperation, AwsError> {
    refuse_unbuilt("LambdaInvoke", given.lambda_invoke.as_ref())?;
    refuse_unbuilt("S3UpdateObjectEncryption", given.s3_update_object_encryption.as_ref())?;
    let wire::JobOperation {
        lambda_invoke: _,
        s3_put_object_copy,
        s3_put_object_acl,
        s3_put_object_tagging,
        s3_delete_object_tagging,
        s3_initiate_restore_object,
        s3_put_object_legal_hold,
        s3_put_object_retention,
        s3_replicate_object,
        s3_compute_object_checksum,
        s3_update_object_encryption: _,
    } = given;
    let mut found = Vec::new();
    if let Some(given) = s3_put_object_copy {
        found.push(JobOperation::PutObjectCopy(Box::new(copy(identity, given)?)));
    }
    if let Some(given) = s3_put_object_acl {
        found.push(JobOperation::PutObjectAcl(acl::parameters(identity, given)?));
    }
    if let Some(given) = s3_put_object_tagging {
        found.push(JobOperation::PutObjectTagging(object_tags(given.tag_set.unwrap_or_default())?));
    }
    if s3_delete_object_tagging.is_some() {
        found.push(JobOperation::DeleteObjectTagging);
    }
    if let Some(given) = s3_initiate_restore_object {
        found.push(restore(given)?);
    }
    if let Some(given) = s3_put_object_legal_hold {
        let status = given.legal_hold.and_then(|hold| hold.status);
        found.push(JobOperation::PutObjectLegalHold(legal_hold(&required(status, "LegalHold.Status")?)?));
    }
    if let Some(given) = s3_put_object_retention {
        found.push(retention(given)?);
    }
    if let Some(given) = s3_compute_object_checksum {
        found.push(checksum(given)?);
    }
    if s3_replicate_object.is_some() {
        found.push(JobOperation::ReplicateObject);
    }
    match (found.pop(), found.pop()) {
        (Some(operation), None) => Ok(operation),
        (None, _) | (Some(_), Some(_)) => Err(bad_request("Operation must name exactly one operation")),
    }
}

fn legal_hold(status: &str) -> Result<bool, AwsError> {
    match status {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        other => Err(bad_request(format!("a legal hold is ON or OFF, not `{other}`"))),
    }
}

fn legal_hold_out(on: bool) -> String {
    if on { "ON" } else { "OFF" }.to_owned()
}

fn mode(name: &str) -> Result<RetentionMode, AwsError> {
    RetentionMode::parse(name).ok_or_else(|| bad_request(format!("`{name}` is no mode of a retention")))
}

fn retention_of(given_mode: Option<String>, until: Option<Timestamp>) -> Result<Option<Retention>, AwsError> {
    match (given_mode, until) {
        (None, None) => Ok(None),
        (Some(name), Some(until)) => Ok(Some(Retention { mode: mode(&name)?, until_ms: until.as_millisecond() })),
        (Some(_), None) | (None, Some(_)) => Err(bad_request("a retention has both a mode and a date")),
    }
}

fn restore(given: wire::S3InitiateRestoreObjectOperation) -> Result<JobOperation, AwsError> {
    let tier = match given.glacier_job_tier.as_deref() {
        None => None,
        Some("STANDARD") => Some(RestoreTier::Standard),
        Some("BULK") => Some(RestoreTier::Bulk),
        Some(other) => return Err(bad_request(format!("GlacierJobTier: `{other}` is not STANDARD or BULK"))),
    };
    let days = match given.expiration_in_days {
        None => None,
        Some(days) => match u32::try_from(days) {
            Ok(days) if days > 0 => Some(days),
            Ok(_) | Err(_) => return Err(bad_request("ExpirationInDays is 1 or more")),
        },
    };
    Ok(JobOperation::InitiateRestoreObject { days, tier })
}

fn retention(given: wire::S3SetObjectRetentionOperation) -> Result<JobOperation, AwsError> {
    let retention = required(given.retention, "Retention")?;
    refuse_unbuilt("EventHold", retention.event_hold.as_ref())?;
    refuse_unbuilt("EventHoldDuration", retention.event_hold_duration.as_ref())?;
    Ok(JobOperation::PutObjectRetention {
        retention: retention_of(retention.mode, retention.retain_until_date)?,
        bypass_governance: given.bypass_governance_retention,
    })
}

fn checksum(given: wire::S3ComputeObjectChecksumOperation) -> Result<JobOperation, AwsError> {
    let algorithm = match given.checksum_algorithm {
        None => None,
        Some(name) => Some(
            DigestAlgorithm::parse(&name).ok_or_else(|| not_implemented(&format!("the checksum algorithm {name}")))?,
        ),
    };
    let kind = match given.checksum_type.as_deref() {
        None => None,
        Some("FULL_OBJECT") => Some(ChecksumKind::FullObject),
        Some("COMPOSITE") => Some(ChecksumKind::Composite),
        Some(other) => return Err(bad_request(format!("ChecksumType: `{other}` is not FULL_OBJECT or COMPOSITE"))),
    };
    let of = algorithm.unwrap_or(DigestAlgorithm::Object(ChecksumAlgorithm::Crc64Nvme));
    if kind.is_some_and(|kind| !of.allows(kind)) {
        return Err(bad_request(format!("{} has no COMPOSITE type", of.name())));
    }
    Ok(JobOperation::ComputeObjectChecksum { algorithm, kind })
}

fn copy(identity: &Identity, given: wire::S3CopyObjectOperation) -> Result<CopyParameters, AwsError> {
    let wire::S3CopyObjectOperation {
        target_resource,
        canned_access_control_list,
        access_control_grants,
        metadata_directive,
        annotation_directive,
        modified_since_constraint,
        new_object_metadata,
        new_object_tagging,
        redirect_location,
        requester_pays,
        storage_class,
        un_modified_since_constraint,
        sse_aws_kms_key_id,
        target_key_prefix,
        object_lock_legal_hold_status,
        object_lock_mode,
        object_lock_retain_until_date,
        bucket_key_enabled,
        checksum_algorithm,
        object_lock_event_hold,
        object_lock_event_hold_duration,
    } = given;
    refuse_unbuilt("AnnotationDirective", annotation_directive.as_ref())?;
    refuse_unbuilt("ObjectLockEventHold", object_lock_event_hold.as_ref())?;
    refuse_unbuilt("ObjectLockEventHoldDuration", object_lock_event_hold_duration.as_ref())?;
    let bucket = bucket_of(&required(target_resource, "TargetResource")?, "TargetResource")?;
    let directive = match metadata_directive.as_deref() {
        None => None,
        Some("COPY") => Some(MetadataDirective::Copy),
        Some("REPLACE") => Some(MetadataDirective::Replace),
        Some(other) => return Err(bad_request(format!("MetadataDirective: `{other}` is not COPY or REPLACE"))),
    };
    let new = new_object_metadata.unwrap_or_default();
    let encryption = encryption(new.sse_algorithm.as_deref(), sse_aws_kms_key_id)?;
    if bucket_key_enabled == Some(true) && encryption == Some(OutputEncryption::Lake) {
        return Err(bad_request("BucketKeyEnabled is for encryption by KMS"));
    }
    let class = |name: String| StorageClass::parse(&name).map_err(|error| bad_request(error.to_string()));
    let algorithm = |name: String| {
        ChecksumAlgorithm::parse(&name).ok_or_else(|| not_implemented(&format!("the checksum algorithm {name}")))
    };
    Ok(CopyParameters {
        bucket: BucketName::new(bucket).map_err(|error| bad_request(error.to_string()))?,
        prefix: target_key_prefix,
        acl: acl::of_copies(identity, canned_access_control_list, access_control_grants)?,
        metadata_directive: directive,
        metadata: metadata(directive, new)?,
        tags: new_object_tagging.map(object_tags).transpose()?,
        redirect: redirect_location,
        requester_pays,
        class: storage_class.map(class).transpose()?,
        modified_since_ms: modified_since_constraint.map(Timestamp::as_millisecond),
        unmodified_since_ms: un_modified_since_constraint.map(Timestamp::as_millisecond),
        encryption,
        bucket_key: bucket_key_enabled,
        lock: VersionLock {
            retention: retention_of(object_lock_mode, object_lock_retain_until_date)?,
            legal_hold: object_lock_legal_hold_status.as_deref().map(legal_hold).transpose()?,
        },
        checksum: checksum_algorithm.map(algorithm).transpose()?,
    })
}

fn encryption(algorithm: Option<&str>, kms_key: Option<String>) -> Result<Option<OutputEncryption>, AwsError> {
    match (algorithm, kms_key) {
        (None, None) => Ok(None),
        (Some("AES256"), None) => Ok(Some(OutputEncryption::Lake)),
        (Some("AES256"), Some(_)) => Err(bad_request("SSEAwsKmsKeyId is for encryption by KMS")),
        (Some("KMS") | None, key) => Ok(Some(OutputEncryption::Kms { key })),
        (Some(other), _) => Err(bad_request(format!("SSEAlgorithm: `{other}` is not AES256 or KMS"))),
    }
}

/// What copies carry instead of what their sources do; what the encryption is stands in the same structure, and says nothing of that.
fn metadata(
    directive: Option<MetadataDirective>,
    new: wire::S3ObjectMetadata,
) -> Result<Option<ObjectMetadata>, AwsError> {
    for (member, is_given) in [
        ("ContentLength", new.content_length.is_some()),
        ("ContentMD5", new.content_md5.is_some()),
        ("RequesterCharged", new.requester_charged.is_some()),
    ] {
        if is_given {
            return Err(bad_request(format!("NewObjectMetadata: {member} is deprecated; leave it out")));
        }
    }
    let metadata = ObjectMetadata {
        content_type: new.content_type,
        content_encoding: new.content_encoding,
        content_language: new.content_language,
        content_disposition: new.content_disposition,
        cache_control: new.cache_control,
        expires: new.http_expires_date.map(|date| date.strftime(HTTP_DATE).to_string()),
        user: new
            .user_metadata
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect(),
        website_redirect: None,
    };
    let says = metadata != ObjectMetadata::default();
    match directive {
        Some(MetadataDirective::Replace) => Ok(Some(metadata)),
        Some(MetadataDirective::Copy) if says => {
            Err(bad_request("NewObjectMetadata has no place in copies with the MetadataDirective COPY"))
        }
        None if says => Ok(Some(metadata)),
        Some(MetadataDirective::Copy) | None => Ok(None),
    }
}

/// As `operation`, back.
pub(crate) fn operation_out(identity: &Identity, operation: &JobOperation) -> Result<wire::JobOperation, AwsError> {
    let mut out = wire::JobOperation::default();
    match operation {
        JobOperation::PutObjectCopy(parameters) => out.s3_put_object_copy = Some(copy_out(identity, parameters)?),
        JobOperation::PutObjectAcl(parameters) => {
            out.s3_put_object_acl = Some(acl::parameters_out(identity, parameters)?);
        }
        JobOperation::PutObjectTagging(tags) => {
            out.s3_put_object_tagging = Some(wire::S3SetObjectTaggingOperation { tag_set: Some(tags_out(tags)) });
        }
        JobOperation::DeleteObjectTagging => {
            out.s3_delete_object_tagging = Some(wire::S3DeleteObjectTaggingOperation::default());
        }
        JobOperation::InitiateRestoreObject { days, tier } => {
            let tier = tier.map(|tier| match tier {
                RestoreTier::Expedited | RestoreTier::Standard => "STANDARD".to_owned(),
                RestoreTier::Bulk => "BULK".to_owned(),
            });
            out.s3_initiate_restore_object = Some(wire::S3InitiateRestoreObjectOperation {
                expiration_in_days: days.and_then(|days| i32::try_from(days).ok()),
                glacier_job_tier: tier,
            });
        }
        JobOperation::PutObjectLegalHold(on) => {
            let legal_hold = wire::S3ObjectLockLegalHold { status: Some(legal_hold_out(*on)) };
            out.s3_put_object_legal_hold = Some(wire::S3SetObjectLegalHoldOperation { legal_hold: Some(legal_hold) });
        }
        JobOperation::PutObjectRetention { retention, bypass_governance } => {
            let retention = wire::S3Retention {
                mode: retention.map(|retention| retention.mode.name().to_owned()),
                retain_until_date: retention.and_then(|retention| time(retention.until_ms)),
                ..wire::S3Retention::default()
            };
            out.s3_put_object_retention = Some(wire::S3SetObjectRetentionOperation {
                bypass_governance_retention: *bypass_governance,
                retention: Some(retention),
            });
        }
        JobOperation::ComputeObjectChecksum { algorithm, kind } => {
            let kind = kind.map(|kind| match kind {
                ChecksumKind::FullObject => "FULL_OBJECT".to_owned(),
                ChecksumKind::Composite => "COMPOSITE".to_owned(),
            });
            out.s3_compute_object_checksum = Some(wire::S3ComputeObjectChecksumOperation {
                checksum_algorithm: algorithm.map(|algorithm| algorithm.name().to_owned()),
                checksum_type: kind,
            });
        }
        JobOperation::ReplicateObject => {
            out.s3_replicate_object = Some(wire::S3ReplicateObjectOperation::default());
        }
    }
    Ok(out)
}

fn copy_out(identity: &Identity, copy: &CopyParameters) -> Result<wire::S3CopyObjectOperation, AwsError> {
    let (canned_access_control_list, access_control_grants) = acl::of_copies_out(identity, &copy.acl)?;
    let (sse_algorithm, sse_aws_kms_key_id) = match &copy.encryption {
        None => (None, None),
        Some(OutputEncryption::Lake) => (Some("AES256".to_owned()), None),
        Some(OutputEncryption::Kms { key }) => (Some("KMS".to_owned()), key.clone()),
    };
    let new = copy.metadata.clone().unwrap_or_default();
    let new_object_metadata = wire::S3ObjectMetadata {
        cache_control: new.cache_control,
        content_disposition: new.content_disposition,
        content_encoding: new.content_encoding,
        content_language: new.content_language,
        content_type: new.content_type,
        user_metadata: Some(new.user).filter(|user| !user.is_empty()),
        http_expires_date: new.expires.as_deref().and_then(parse_http_date),
        sse_algorithm,
        ..wire::S3ObjectMetadata::default()
    };
    Ok(wire::S3CopyObjectOperation {
        target_resource: bucket_arn(copy.bucket.as_str()),
        canned_access_control_list,
        access_control_grants,
        metadata_directive: copy.metadata_directive.map(|directive| match directive {
            MetadataDirective::Copy => "COPY".to_owned(),
            MetadataDirective::Replace => "REPLACE".to_owned(),
        }),
        modified_since_constraint: copy.modified_since_ms.and_then(time),
        new_object_metadata: Some(new_object_metadata).filter(|new| *new != wire::S3ObjectMetadata::default()),
        new_object_tagging: copy.tags.as_ref().map(tags_out),
        redirect_location: copy.redirect.clone(),
        requester_pays: copy.requester_pays,
        storage_class: copy.class.map(|class| class.name().to_owned()),
        un_modified_since_constraint: copy.unmodified_since_ms.and_then(time),
        sse_aws_kms_key_id,
        target_key_prefix: copy.prefix.clone(),
        object_lock_legal_hold_status: copy.lock.legal_hold.map(legal_hold_out),
        object_lock_mode: copy.lock.retention.map(|retention| retention.mode.name().to_owned()),
        object_lock_retain_until_date: copy.lock.retention.and_then(|retention| time(retention.until_ms)),
        bucket_key_enabled: copy.bucket_key,
        checksum_algorithm: copy.checksum.map(|algorithm| algorithm.name().to_owned()),
        ..wire::S3CopyObjectOperation::default()
    })
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::strtime::parse(HTTP_DATE, text).ok()?.to_datetime().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}
