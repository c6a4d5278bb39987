//! Events as JSON: S3's own records, and EventBridge's form of them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tarn_objects::{AccessTier, Event, EventDetails, EventKind, TestEvent};
use tarn_runtime::Timestamp;

use crate::answer::host_id;

/// What of a key stands unencoded in a record, besides spaces, which become `+`.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'*').remove(b' ');

fn time(ms: i64, form: &str) -> String {
    Timestamp::from_millisecond(ms).map(|time| time.strftime(form).to_string()).unwrap_or_default()
}

fn in_milliseconds(ms: i64) -> String {
    time(ms, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

fn in_seconds(ms: i64) -> String {
    time(ms, "%Y-%m-%dT%H:%M:%SZ")
}

fn tier_name(tier: AccessTier) -> &'static str {
    tier.archive_name().unwrap_or("FREQUENT_ACCESS")
}

/// AWS writes the lowest version that has what a kind tells.
fn version(kind: EventKind) -> &'static str {
    match kind {
        EventKind::CreatedPut
        | EventKind::CreatedPost
        | EventKind::CreatedCopy
        | EventKind::CreatedInParts
        | EventKind::Removed
        | EventKind::Marked
        | EventKind::RestoreAsked
        | EventKind::Restored
        | EventKind::Lost => "2.1",
        EventKind::ReplicationFailed
        | EventKind::ReplicationLate
        | EventKind::ReplicatedLate
        | EventKind::ReplicationUntracked => "2.2",
        EventKind::TagsPut
        | EventKind::TagsRemoved
        | EventKind::AclPut
        | EventKind::RestoreExpired
        | EventKind::Expired
        | EventKind::ExpiredMarked
        | EventKind::Moved
        | EventKind::Tiered => "2.3",
    }
}

/// One of the `Records` of a notification. `owner` is the canonical user id of the bucket's owner.
pub fn event_record(event: &Event, owner: &str) -> Value {
    let key = utf8_percent_encode(event.key.as_str(), KEY).to_string().replace(' ', "+");
    let mut object = json!({ "key": key });
    if let Some(size_bytes) = event.size_bytes {
        object["size"] = json!(size_bytes);
    }
    if let Some(etag) = &event.etag {
        object["eTag"] = json!(etag);
    }
    if let Some(version) = &event.version {
        object["versionId"] = json!(version);
    }
    object["sequencer"] = json!(event.sequencer());
    let mut record = json!({
        "eventVersion": version(event.kind),
        "eventSource": "aws:s3",
        "awsRegion": event.region.as_str(),
        "eventTime": in_milliseconds(event.time_ms),
        "eventName": event.kind.name(),
        "userIdentity": { "principalId": event.principal },
        "requestParameters": { "sourceIPAddress": event.source_ip },
        "responseElements": { "x-amz-request-id": event.request_id, "x-amz-id-2": host_id(&event.request_id) },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.configuration_id,
            "bucket": {
                "name": event.bucket.as_str(),
                "ownerIdentity": { "principalId": owner },
                "arn": event.bucket.arn().to_string(),
            },
            "object": object,
        },
    });
    match &event.details {
        EventDetails::None => {}
        EventDetails::Restore { class, expires_ms } => {
            // Only of a restore that is done is there something to tell.
            if let (EventKind::Restored | EventKind::RestoreExpired, Some(expires_ms)) = (event.kind, expires_ms) {
                record["glacierEventData"] = json!({
                    "restoreEventData": {
                        "lifecycleRestorationExpiryTime": in_milliseconds(*expires_ms),
                        "lifecycleRestoreStorageClass": class.name(),
                    },
                });
            }
        }
        EventDetails::Class { class } => {
            record["lifecycleEventData"] =
                json!({ "transitionEventData": { "destinationStorageClass": class.name() } });
        }
        EventDetails::Tier { tier } => {
            record["intelligentTieringEventData"] = json!({ "destinationAccessTier": tier_name(*tier) });
        }
        EventDetails::Replication { rule, destination, requested_ms, failure } => {
            let mut data = json!({
                "replicationRuleId": rule,
                "destinationBucket": destination,
                "s3Operation": "OBJECT_PUT",
                "requestTime": in_milliseconds(*requested_ms),
            });
            match failure {
                Some(reason) => data["failureReason"] = json!(reason),
                None => data["threshold"] = json!(REPLICATION_THRESHOLD_SECONDS),
            }
            record["replicationEventData"] = data;
        }
    }
    record
}

/// The only threshold that S3 has.
const REPLICATION_THRESHOLD_SECONDS: u32 = 15 * 60;

/// What a destination is sent when it is configured.
pub fn test_event_record(test: &TestEvent) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": in_milliseconds(test.time_ms),
        "Bucket": test.bucket.as_str(),
        "RequestId": test.request_id,
        "HostId": host_id(&test.request_id),
    })
}

/// EventBridge's name of a kind, and what S3 says of why.
fn on_the_bus(kind: EventKind) -> Option<(&'static str, Option<&'static str>, Option<&'static str>)> {
    const PERMANENTLY: Option<&str> = Some("Permanently Deleted");
    const MARKED: Option<&str> = Some("Delete Marker Created");
    const BY_RULE: Option<&str> = Some("Lifecycle Expiration");
    Some(match kind {
        EventKind::CreatedPut => ("Object Created", Some("PutObject"), None),
        EventKind::CreatedPost => ("Object Created", Some("POST Object"), None),
        EventKind::CreatedCopy => ("Object Created", Some("CopyObject"), None),
        EventKind::CreatedInParts => ("Object Created", Some("CompleteMultipartUpload"), None),
        EventKind::Removed => ("Object Deleted", Some("DeleteObject"), PERMANENTLY),
        EventKind::Marked => ("Object Deleted", Some("DeleteObject"), MARKED),
        EventKind::Expired => ("Object Deleted", BY_RULE, PERMANENTLY),
        EventKind::ExpiredMarked => ("Object Deleted", BY_RULE, MARKED),
        EventKind::TagsPut => ("Object Tags Added", None, None),
        EventKind::TagsRemoved => ("Object Tags Deleted", None, None),
        EventKind::AclPut => ("Object ACL Updated", None, None),
        EventKind::RestoreAsked => ("Object Restore Initiated", None, None),
        EventKind::Restored => ("Object Restore Completed", None, None),
        EventKind::RestoreExpired => ("Object Restore Expired", None, None),
        EventKind::Moved => ("Object Storage Class Changed", None, None),
        EventKind::Tiered => ("Object Access Tier Changed", None, None),
        EventKind::ReplicationFailed
        | EventKind::ReplicationLate
        | EventKind::ReplicatedLate
        | EventKind::ReplicationUntracked
        | EventKind::Lost => return None,
    })
}

/// An event as EventBridge has it; nothing of kinds that it is not told of.
pub fn event_bridge_record(event: &Event) -> Option<Value> {
    let (detail_type, reason, deletion_type) = on_the_bus(event.kind)?;
    let mut object = json!({ "key": event.key.as_str() });
    if let Some(size_bytes) = event.size_bytes {
        object["size"] = json!(size_bytes);
    }
    if let Some(etag) = &event.etag {
        object["etag"] = json!(etag);
    }
    if let Some(version) = &event.version {
        object["version-id"] = json!(version);
    }
    object["sequencer"] = json!(event.sequencer());
    let requester = event.requester.as_ref().map_or(event.principal.as_str(), |account| account.as_str());
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": event.bucket.as_str() },
        "object": object,
        "request-id": event.request_id,
        "requester": requester,
    });
    // What the lake does by itself comes from nowhere.
    if event.requester.is_some() {
        detail["source-ip-address"] = json!(event.source_ip);
    }
    for (name, value) in [("reason", reason), ("deletion-type", deletion_type)] {
        if let Some(value) = value {
            detail[name] = json!(value);
        }
    }
    match &event.details {
        EventDetails::None | EventDetails::Replication { .. } => {}
        EventDetails::Restore { class, expires_ms } => {
            if let Some(expires_ms) = expires_ms.filter(|_| event.kind == EventKind::Restored) {
                detail["restore-expiry-time"] = json!(in_seconds(expires_ms));
            }
            detail["source-storage-class"] = json!(class.name());
        }
        EventDetails::Class { class } => detail["destination-storage-class"] = json!(class.name()),
        EventDetails::Tier { tier } => detail["destination-access-tier"] = json!(tier_name(*tier)),
    }
    Some(json!({
        "version": "0",
        "id": id_of(event),
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": event.owner.as_str(),
        "time": in_seconds(event.time_ms),
        "region": event.region.as_str(),
        "resources": [event.bucket.arn().to_string()],
        "detail": detail,
    }))
}

/// A UUID that an event keeps when it is delivered again.
fn id_of(event: &Event) -> String {
    let digest = tarn_sigv4::sha256(format!("{}/{}", event.bucket, event.sequencer()).as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-8{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tarn_objects::{BucketName, ObjectKey, StorageClass};
    use tarn_types::{AccountId, Region};

    use super::*;

    fn event(kind: EventKind, details: EventDetails) -> Event {
        Event {
            kind,
            bucket: BucketName::new("lake-raw").unwrap(),
            owner: AccountId::first(),
            region: Region::us_east_1(),
            key: ObjectKey::new("in/größe 1+2.csv").unwrap(),
            sequence: 0x2a,
            position: 1,
            time_ms: 1_700_000_000_123,
            principal: "AWS:AIDA1".to_owned(),
            requester: Some(AccountId::first()),
            source_ip: "127.0.0.1".to_owned(),
            request_id: "R".to_owned(),
            version: None,
            size_bytes: Some(3),
            etag: Some("e".to_owned()),
            configuration_id: "c".to_owned(),
            details,
        }
    }

    #[test]
    fn records_have_s3s_form() {
        let record = event_record(&event(EventKind::CreatedPut, EventDetails::None), "owner");
        assert_eq!(
            record,
            json!({
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2023-11-14T22:13:20.123Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": { "principalId": "AWS:AIDA1" },
                "requestParameters": { "sourceIPAddress": "127.0.0.1" },
                "responseElements": { "x-amz-request-id": "R", "x-amz-id-2": "Ug==" },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "c",
                    "bucket": {
                        "name": "lake-raw",
                        "ownerIdentity": { "principalId": "owner" },
                        "arn": "arn:aws:s3:::lake-raw",
                    },
                    "object": {
                        "key": "in/gr%C3%B6%C3%9Fe+1%2B2.csv",
                        "size": 3,
                        "eTag": "e",
                        "sequencer": "000000000000002A0001",
                    },
                },
            })
        );
        let check = |kind: EventKind, details: EventDetails, version: &str, pointer: &str, expected: &str| {
            let record = event_record(&event(kind, details), "owner");
            assert_eq!(record["eventVersion"], version, "{kind:?}");
            assert_eq!(record.pointer(pointer).and_then(Value::as_str), Some(expected), "{kind:?} {record}");
        };
        let class = StorageClass::Glacier;
        let restored = EventDetails::Restore { class, expires_ms: Some(1_700_000_000_000) };
        let place = "/glacierEventData/restoreEventData/";
        check(
            EventKind::Restored,
            restored.clone(),
            "2.1",
            &format!("{place}lifecycleRestorationExpiryTime"),
            "2023-11-14T22:13:20.000Z",
        );
        check(EventKind::RestoreExpired, restored, "2.3", &format!("{place}lifecycleRestoreStorageClass"), "GLACIER");
        let moved = "/lifecycleEventData/transitionEventData/destinationStorageClass";
        check(EventKind::Moved, EventDetails::Class { class }, "2.3", moved, "GLACIER");
        let tiered = EventDetails::Tier { tier: AccessTier::DeepArchive };
        let place = "/intelligentTieringEventData/destinationAccessTier";
        check(EventKind::Tiered, tiered, "2.3", place, "DEEP_ARCHIVE_ACCESS");
        let late = EventDetails::Replication {
            rule: "r".to_owned(),
            destination: "arn:aws:s3:::b".to_owned(),
            requested_ms: 0,
            failure: Some("Dst_PutObjNotPermitted".to_owned()),
        };
        let place = "/replicationEventData/failureReason";
        check(EventKind::ReplicationFailed, late, "2.2", place, "Dst_PutObjNotPermitted");
    }

    #[test]
    fn the_bus_has_its_own_form() {
        let record = event_bridge_record(&event(EventKind::Marked, EventDetails::None)).unwrap();
        assert_eq!(record["detail-type"], "Object Deleted");
        assert_eq!(record["time"], "2023-11-14T22:13:20Z");
        assert_eq!(record["detail"]["object"]["key"], "in/größe 1+2.csv");
        assert_eq!(record["detail"]["deletion-type"], "Delete Marker Created");
        assert_eq!(record["detail"]["requester"], "000000000000");
        let id = record["id"].as_str().unwrap();
        assert_eq!((id.len(), id.split('-').count()), (36, 5), "{id}");
        assert!(event_bridge_record(&event(EventKind::ReplicationFailed, EventDetails::None)).is_none());
    }
}
