//! Replication configurations on the wire, and how a version stands with them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html>

use s3s::dto::{
    AccessControlTranslation, DeleteBucketReplicationInput, DeleteBucketReplicationOutput, DeleteMarkerReplication,
    DeleteMarkerReplicationStatus, Destination, EncryptionConfiguration, ExistingObjectReplication,
    ExistingObjectReplicationStatus, GetBucketReplicationInput, GetBucketReplicationOutput, Metrics, MetricsStatus,
    OwnerOverride, PutBucketReplicationInput, PutBucketReplicationOutput, ReplicaModifications,
    ReplicaModificationsStatus, ReplicationRuleAndOperator, ReplicationRuleStatus, ReplicationTime,
    ReplicationTimeStatus, ReplicationTimeValue, SourceSelectionCriteria, SseKmsEncryptedObjects,
    SseKmsEncryptedObjectsStatus, StorageClass, Tag,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use tarn_objects::{
    FilterForm, ObjectVersion, ObjectsError, ReplicationConfiguration, ReplicationDestination, ReplicationFilter,
    ReplicationRule, ReplicationStatus,
};
use tarn_types::AccountId;

use crate::convert::{bucket_name, storage_class, tag_pairs};
use crate::errors::objects_error;
use crate::operations::Call;

/// The only number of minutes that S3 takes.
const MINUTES: i32 = 15;

pub(crate) async fn put_bucket_replication(
    call: &Call,
    request: S3Request<PutBucketReplicationInput>,
) -> S3Result<S3Response<PutBucketReplicationOutput>> {
    let PutBucketReplicationInput { bucket, replication_configuration, .. } = request.input;
    let rules = replication_configuration.rules.into_iter().map(rule_of_wire).collect::<S3Result<_>>()?;
    let configuration = ReplicationConfiguration::new(replication_configuration.role, rules);
    let remote = call.inner.remote_buckets.clone();
    let is_remote = move |owner: &AccountId, arn: &str| remote.as_ref().is_some_and(|remote| remote.has(owner, arn));
    let bucket = bucket_name(&bucket)?;
    let put = call.objects().put_bucket_replication(&call.caller, &bucket, configuration, is_remote).await;
    put.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketReplicationOutput {}))
}

pub(crate) async fn get_bucket_replication(
    call: &Call,
    request: S3Request<GetBucketReplicationInput>,
) -> S3Result<S3Response<GetBucketReplicationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    let ReplicationConfiguration { role, rules, .. } =
        call.objects().bucket_replication(call.proof(), &bucket).map_err(objects_error)?;
    let rules = rules.into_iter().map(rule_to_wire).collect();
    Ok(S3Response::new(GetBucketReplicationOutput {
        replication_configuration: Some(s3s::dto::ReplicationConfiguration { role, rules }),
    }))
}

pub(crate) async fn delete_bucket_replication(
    call: &Call,
    request: S3Request<DeleteBucketReplicationInput>,
) -> S3Result<S3Response<DeleteBucketReplicationOutput>> {
    let bucket = bucket_name(&request.input.bucket)?;
    call.objects().delete_bucket_replication(&call.caller, &bucket).await.map_err(objects_error)?;
    Ok(S3Response::with_status(DeleteBucketReplicationOutput {}, http::StatusCode::NO_CONTENT))
}

/// `x-amz-replication-status` of a version.
pub(crate) fn status(call: &Call, version: &ObjectVersion) -> S3Result<Option<s3s::dto::ReplicationStatus>> {
    use s3s::dto::ReplicationStatus as Wire;
    let status = call.objects().replication_status(version).map_err(objects_error)?;
    Ok(status.map(|status| {
        Wire::from_static(match status {
            ReplicationStatus::Pending => Wire::PENDING,
            ReplicationStatus::Completed => Wire::COMPLETED,
            ReplicationStatus::Failed => Wire::FAILED,
            ReplicationStatus::Replica => Wire::REPLICA,
        })
    }))
}

fn malformed() -> S3Error {
    S3Error::new(S3ErrorCode::MalformedXML)
}

fn refused(reason: &str) -> S3Error {
    objects_error(ObjectsError::InvalidRequest { reason: reason.to_owned() })
}

/// All of these are on or off.
fn is_on(status: &str) -> S3Result<bool> {
    match status {
        "Enabled" => Ok(true),
        "Disabled" => Ok(false),
        _ => Err(malformed()),
    }
}

fn on(is_on: bool) -> &'static str {
    if is_on { "Enabled" } else { "Disabled" }
}

fn rule_of_wire(rule: s3s::dto::ReplicationRule) -> S3Result<ReplicationRule> {
    let filter = match (rule.filter, rule.prefix) {
        (Some(filter), None) => filter_of_wire(filter)?,
        (None, prefix) => ReplicationFilter { form: FilterForm::Prefix, prefix, tags: Vec::new() },
        (Some(_), Some(_)) => return Err(malformed()),
    };
    if rule.existing_object_replication.as_ref().is_some_and(|existing| existing.status.as_str() == "Enabled") {
        return Err(refused(
            "ExistingObjectReplication cannot be enabled: versions that were there before are not replicated",
        ));
    }
    let criteria = rule.source_selection_criteria;
    let kms = criteria.as_ref().and_then(|criteria| criteria.sse_kms_encrypted_objects.as_ref());
    let changes = criteria.as_ref().and_then(|criteria| criteria.replica_modifications.as_ref());
    let markers = rule.delete_marker_replication.and_then(|markers| markers.status);
    Ok(ReplicationRule {
        id: rule.id.unwrap_or_default(),
        priority: rule.priority,
        is_enabled: is_on(rule.status.as_str())?,
        filter,
        delete_markers: markers.map(|status| is_on(status.as_str())).transpose()?,
        kms_objects: kms.map(|kms| is_on(kms.status.as_str())).transpose()?,
        replica_changes: changes.map(|changes| is_on(changes.status.as_str())).transpose()?,
        says_existing: rule.existing_object_replication.is_some(),
        destination: destination_of_wire(rule.destination)?,
    })
}

fn filter_of_wire(filter: s3s::dto::ReplicationRuleFilter) -> S3Result<ReplicationFilter> {
    let pairs = |tags: Vec<Tag>| tag_pairs(tags);
    match (filter.and, filter.prefix, filter.tag) {
        (Some(and), None, None) => {
            let tags = pairs(and.tags.unwrap_or_default());
            Ok(ReplicationFilter { form: FilterForm::And, prefix: and.prefix, tags })
        }
        (None, prefix, None) => Ok(ReplicationFilter { form: FilterForm::Plain, prefix, tags: Vec::new() }),
        (None, None, Some(tag)) => {
            Ok(ReplicationFilter { form: FilterForm::Plain, prefix: None, tags: pairs(vec![tag]) })
        }
        _ => Err(malformed()),
    }
}

fn fifteen(time: Option<&ReplicationTimeValue>) -> S3Result<()> {
    match time.map(|time| time.minutes) {
        None | Some(Some(MINUTES)) => Ok(()),
        Some(_) => Err(refused("The number of minutes is 15")),
    }
}

fn destination_of_wire(destination: Destination) -> S3Result<ReplicationDestination> {
    let translation = destination.access_control_translation.as_ref().map(|given| given.owner.as_str());
    if translation.is_some_and(|owner| owner != OwnerOverride::DESTINATION) {
        return Err(malformed());
    }
    if let Some(time) = &destination.replication_time {
        fifteen(Some(&time.time))?;
    }
    let metrics = destination.metrics.as_ref();
    fifteen(metrics.and_then(|metrics| metrics.event_threshold.as_ref()))?;
    let time = destination.replication_time.as_ref();
    let class = destination.storage_class.as_ref().map(|class| storage_class(Some(class.as_str()))).transpose()?;
    Ok(ReplicationDestination {
        is_given_over: translation.is_some(),
        account: destination.account.map(AccountId::new).transpose().map_err(|_| malformed())?,
        class,
        kms_key: destination.encryption_configuration.and_then(|encryption| encryption.replica_kms_key_id),
        time_control: time.map(|time| is_on(time.status.as_str())).transpose()?,
        metrics: metrics.map(|metrics| is_on(metrics.status.as_str())).transpose()?,
        has_threshold: metrics.is_some_and(|metrics| metrics.event_threshold.is_some()),
        bucket: destination.bucket,
    })
}

fn tags_to_wire(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

fn rule_to_wire(rule: ReplicationRule) -> s3s::dto::ReplicationRule {
    let ReplicationRule {
        id,
        priority,
        is_enabled,
        filter,
        delete_markers,
        kms_objects,
        replica_changes,
        says_existing,
        destination,
    } = rule;
    let tags = tags_to_wire(&filter.tags);
    let (filter, prefix) = match filter.form {
        FilterForm::Prefix => (None, filter.prefix),
        FilterForm::Plain => {
            let tag = tags.into_iter().next();
            (Some(s3s::dto::ReplicationRuleFilter { prefix: filter.prefix, tag, ..Default::default() }), None)
        }
        FilterForm::And => {
            let and = ReplicationRuleAndOperator { prefix: filter.prefix, tags: Some(tags) };
            (Some(s3s::dto::ReplicationRuleFilter { and: Some(and), ..Default::default() }), None)
        }
    };
    let criteria = (kms_objects.is_some() || replica_changes.is_some()).then(|| SourceSelectionCriteria {
        replica_modifications: replica_changes
            .map(|changes| ReplicaModifications { status: ReplicaModificationsStatus::from_static(on(changes)) }),
        sse_kms_encrypted_objects: kms_objects
            .map(|kms| SseKmsEncryptedObjects { status: SseKmsEncryptedObjectsStatus::from_static(on(kms)) }),
    });
    s3s::dto::ReplicationRule {
        delete_marker_replication: delete_markers.map(|markers| DeleteMarkerReplication {
            status: Some(DeleteMarkerReplicationStatus::from_static(on(markers))),
        }),
        destination: destination_to_wire(destination),
        existing_object_replication: says_existing
            .then(|| ExistingObjectReplication { status: ExistingObjectReplicationStatus::from_static("Disabled") }),
        filter,
        id: Some(id),
        prefix,
        priority,
        source_selection_criteria: criteria,
        status: ReplicationRuleStatus::from_static(on(is_enabled)),
    }
}

fn destination_to_wire(destination: ReplicationDestination) -> Destination {
    let minutes = || ReplicationTimeValue { minutes: Some(MINUTES) };
    Destination {
        access_control_translation: destination
            .is_given_over
            .then(|| AccessControlTranslation { owner: OwnerOverride::from_static(OwnerOverride::DESTINATION) }),
        account: destination.account.map(|account| account.to_string()),
        bucket: destination.bucket,
        encryption_configuration: destination
            .kms_key
            .map(|key| EncryptionConfiguration { replica_kms_key_id: Some(key) }),
        metrics: destination.metrics.map(|metrics| Metrics {
            event_threshold: destination.has_threshold.then(minutes),
            status: MetricsStatus::from_static(on(metrics)),
        }),
        replication_time: destination
            .time_control
            .map(|time| ReplicationTime { status: ReplicationTimeStatus::from_static(on(time)), time: minutes() }),
        storage_class: destination.class.map(|class| StorageClass::from_static(class.name())),
    }
}
