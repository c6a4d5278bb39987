//! Restores and moves between classes, through the calls: what is readable when, what stays the same, and that no byte is left behind.

use tarn_metadata::Read;

use super::classes::{lines, put_in};
use super::*;
use crate::keyspaces::{PART_OWNERS, RESTORE_EXPIRIES, RESTORE_QUEUE};

const DAY: i64 = 1_000;

fn short_days() -> (Lake, Arc<tarn_runtime::FixedClock>) {
    let lake = Lake::with(ObjectsOptions { day_ms: DAY, part_size_bytes_min: 1, ..ObjectsOptions::default() });
    let clock = lake.clock.clone();
    (lake, clock)
}

async fn restore(
    lake: &Lake,
    name: &BucketName,
    days: Option<u32>,
    tier: RestoreTier,
) -> Result<RestoreOutcome, ObjectsError> {
    let request = RestoreObject { bucket: name.clone(), key: key("a"), version: None, days, tier };
    lake.objects.restore_object(&lake.caller(), request).await
}

async fn restore_all(lake: &Lake) {
    while lake.objects.restore_waiting().await.unwrap().0 > 0 {}
}

fn status(lake: &Lake, name: &BucketName) -> Option<RestoreStatus> {
    let version = lake.objects.head_object(&proof(), name, &key("a")).unwrap();
    let status = lake.objects.restore_status(&version);
    assert_eq!(lake.objects.listed_restore_status(&version.id()).unwrap(), status);
    status
}

fn rows(lake: &Lake) -> (usize, usize) {
    let snapshot = lake.store.read().unwrap();
    (snapshot.prefix(RESTORE_QUEUE, &Key::new()).count(), snapshot.prefix(RESTORE_EXPIRIES, &Key::new()).count())
}

async fn upload(lake: &Lake, name: &BucketName, class: StorageClass) -> (ObjectVersion, Bytes) {
    let request = CreateMultipartUpload {
        bucket: name.clone(),
        key: key("a"),
        metadata: ObjectMetadata::default(),
        tags: Tags::default(),
        class,
        checksum: None,
        encryption: EncryptionRequest::default(),
        lock: VersionLock::default(),
        acl: AclRequest::default(),
    };
    let upload = lake.objects.create_multipart_upload(&lake.caller(), request).await.unwrap();
    let upload = UploadName { bucket: name.clone(), key: key("a"), upload_id: upload.upload_id() };
    let mut parts = Vec::new();
    for (number, len) in [(1, 1_100_000), (2, 70_000)] {
        let part = UploadPart {
            upload: upload.clone(),
            number,
            content_length: None,
            expected: ExpectedDigests::default(),
            customer_key: None,
        };
        let part = lake.objects.upload_part(&lake.caller(), part, body_of(lines(len))).await.unwrap();
        parts.push(CompletedPart { number, etag: Etag::Md5(part.md5).to_string(), checksums: Vec::new() });
    }
    let complete = CompleteMultipartUpload {
        upload,
        parts,
        checksums: Vec::new(),
        kind: None,
        size_bytes: None,
        conditions: WriteConditions::default(),
        customer_key: None,
    };
    let version = lake.objects.complete_multipart_upload(&lake.caller(), complete).await.unwrap();
    (version, [lines(1_100_000), lines(70_000)].concat().into())
}

#[tokio::test]
async fn a_restored_copy_is_read_until_it_expires() {
    let (lake, clock) = short_days();
    let name = lake.bucket("lake-raw").await;
    for in_parts in [false, true] {
        let bytes = if in_parts {
            upload(&lake, &name, StorageClass::Glacier).await.1
        } else {
            put_in(&lake, &name, "a", StorageClass::Glacier, lines(40_000)).await;
            lines(40_000)
        };
        lake.collect().await;
        let archived = lake.blobs.count();
        assert_eq!(status(&lake, &name), None);
        assert_eq!(restore(&lake, &name, Some(2), RestoreTier::Standard).await.unwrap(), RestoreOutcome::Accepted);
        assert_eq!((status(&lake, &name), rows(&lake)), (Some(RestoreStatus::Ongoing), (1, 0)));
        assert!(matches!(lake.get(&name, "a").await, Err(ObjectsError::InvalidObjectState { .. })));
        let again = restore(&lake, &name, Some(9), RestoreTier::Standard).await;
        assert!(matches!(again, Err(ObjectsError::RestoreInProgress)), "{again:?}");
        restore_all(&lake).await;
        let now_ms = lake.runtime.now().as_millisecond();
        let expires_ms = now_ms + 2 * DAY;
        assert_eq!((status(&lake, &name), rows(&lake)), (Some(RestoreStatus::Done { expires_ms }), (0, 1)));
        assert_eq!(lake.get(&name, "a").await.unwrap(), bytes);
        // Neither a sweep nor the collector takes the copy for something left behind.
        assert_eq!(lake.objects.sweep().await.unwrap().removed, 0);
        lake.collect().await;
        assert_eq!(lake.blobs.count(), 2 * archived);
        assert_eq!(restore(&lake, &name, Some(5), RestoreTier::Bulk).await.unwrap(), RestoreOutcome::Prolonged);
        let expires_ms = now_ms + 5 * DAY;
        assert_eq!((status(&lake, &name), rows(&lake)), (Some(RestoreStatus::Done { expires_ms }), (0, 1)));
        clock.set(Timestamp::from_millisecond(expires_ms - 1).unwrap());
        assert_eq!(lake.objects.drop_expired_copies().await.unwrap(), 0);
        assert_eq!(lake.get(&name, "a").await.unwrap(), bytes);
        // A reader that began keeps what it reads.
        let reading = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
        let mut stream = lake.objects.read(&proof(), &reading, 0..bytes.len() as u64);
        clock.set(Timestamp::from_millisecond(expires_ms).unwrap());
        assert!(matches!(lake.get(&name, "a").await, Err(ObjectsError::InvalidObjectState { .. })));
        assert_eq!(lake.objects.drop_expired_copies().await.unwrap(), 1);
        lake.collect().await;
        let mut found = Vec::new();
        while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
            found.extend_from_slice(&bytes.unwrap());
        }
        assert!(found == bytes);
        drop((stream, reading));
        lake.collect().await;
        assert_eq!((lake.blobs.count(), status(&lake, &name), rows(&lake)), (archived, None, (0, 0)));
        // What is archived is still there, and whose parts they are is still known.
        assert_eq!(lake.objects.sweep().await.unwrap().removed, 0);
        assert_eq!(restore(&lake, &name, Some(1), RestoreTier::Bulk).await.unwrap(), RestoreOutcome::Accepted);
        restore_all(&lake).await;
        assert_eq!(lake.get(&name, "a").await.unwrap(), bytes);
        lake.delete(&name, "a").await;
        lake.collect().await;
        assert_eq!(lake.blobs.count(), 0);
        assert_eq!(lake.store.read().unwrap().prefix(PART_OWNERS, &Key::new()).count(), 0);
        clock.set(Timestamp::from_millisecond(expires_ms + 9 * DAY).unwrap());
        assert_eq!(lake.objects.drop_expired_copies().await.unwrap(), 1);
        assert_eq!(rows(&lake), (0, 0));
    }
}

#[tokio::test]
async fn restores_are_refused_as_on_aws() {
    let (lake, _) = short_days();
    let name = lake.bucket("lake-raw").await;
    for class in StorageClass::ALL {
        put_in(&lake, &name, "a", class, lines(10)).await;
        let asked = restore(&lake, &name, Some(1), RestoreTier::Expedited).await;
        match class {
            StorageClass::Glacier => assert_eq!(asked.unwrap(), RestoreOutcome::Accepted),
            StorageClass::DeepArchive => {
                assert!(matches!(asked, Err(ObjectsError::InvalidRequest { .. })), "{asked:?}")
            }
            _ => assert!(matches!(asked, Err(ObjectsError::InvalidObjectState { .. })), "{asked:?}"),
        }
    }
    for days in [None, Some(0), Some(40_000)] {
        assert!(restore(&lake, &name, days, RestoreTier::Standard).await.is_err(), "{days:?}");
    }
    assert_eq!(restore(&lake, &name, Some(1), RestoreTier::Bulk).await.unwrap(), RestoreOutcome::Accepted);
    // Only a faster tier changes what is under way.
    assert!(matches!(restore(&lake, &name, Some(1), RestoreTier::Bulk).await, Err(ObjectsError::RestoreInProgress)));
    assert_eq!(restore(&lake, &name, Some(1), RestoreTier::Standard).await.unwrap(), RestoreOutcome::Accepted);
    // One row for it, one of the object that was replaced.
    assert_eq!(rows(&lake), (2, 0));
    restore_all(&lake).await;
    assert_eq!(rows(&lake), (0, 1));
}

#[tokio::test]
async fn a_version_moves_between_all_classes_and_stays_itself() {
    let (lake, _) = short_days();
    let name = lake.bucket("lake-raw").await;
    for in_parts in [false, true] {
        let (version, bytes) = if in_parts {
            upload(&lake, &name, StorageClass::Standard).await
        } else {
            (put_in(&lake, &name, "a", StorageClass::Standard, lines(2_500_000)).await, lines(2_500_000))
        };
        let (id, etag, modified_ms) = (version.id(), *version.etag(), version.modified_ms());
        let checksum = version.checksum().cloned();
        let parts = version.parts().len();
        drop(version);
        let classes = [
            StorageClass::StandardIa,
            StorageClass::OnezoneIa,
            StorageClass::GlacierInstant,
            StorageClass::Standard,
            StorageClass::ReducedRedundancy,
            StorageClass::Glacier,
            StorageClass::DeepArchive,
            StorageClass::IntelligentTiering,
            StorageClass::Standard,
        ];
        for class in classes {
            assert!(lake.objects.transition(&id, class).await.unwrap(), "{class:?}");
            assert!(!lake.objects.transition(&id, class).await.unwrap(), "{class:?} again");
            let moved = lake.objects.head_object(&proof(), &name, &key("a")).unwrap();
            assert_eq!((moved.id(), *moved.etag(), moved.modified_ms()), (id, etag, modified_ms));
            assert_eq!((moved.class(), moved.checksum()), (class, checksum.as_ref()));
            let listed = lake.objects.list_objects(&proof(), &ListObjects::new(name.clone(), "")).unwrap();
            assert_eq!(listed.objects[0].version.class, class);
            if !class.may_need_restore() || class == StorageClass::IntelligentTiering {
                assert!(lake.get(&name, "a").await.unwrap() == bytes, "{class:?}");
            }
            drop(moved);
            lake.collect().await;
            assert_eq!(lake.blobs.count(), parts, "{class:?}");
            assert_eq!(lake.objects.sweep().await.unwrap().removed, 0, "{class:?}");
        }
        lake.delete(&name, "a").await;
        lake.collect().await;
        assert_eq!(lake.blobs.count(), 0);
        assert_eq!(lake.store.read().unwrap().prefix(PART_OWNERS, &Key::new()).count(), 0);
        assert!(!lake.objects.transition(&id, StorageClass::Glacier).await.unwrap());
    }
}

#[tokio::test]
async fn a_reader_is_not_disturbed_by_a_move() {
    let (lake, _) = short_days();
    let name = lake.bucket("lake-raw").await;
    let version = put_in(&lake, &name, "a", StorageClass::Standard, lines(3_000_000)).await;
    let mut stream = lake.objects.read(&proof(), &version, 0..3_000_000);
    lake.objects.transition(&version.id(), StorageClass::Glacier).await.unwrap();
    lake.collect().await;
    let mut found = Vec::new();
    while let Some(bytes) = futures::StreamExt::next(&mut stream).await {
        found.extend_from_slice(&bytes.unwrap());
    }
    assert!(found == lines(3_000_000));
}
