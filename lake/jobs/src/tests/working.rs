//! Each operation, what it changes and what the report says of it; permissions; the threshold.

use tarn_objects::{
    AclGrant, AclPermission, BucketLock, CannedAcl, ChecksumAlgorithm, ChecksumKind, Grantee, ObjectMetadata,
    ObjectOwnership, RestoreStatus, RestoreTier, Retention, RetentionMode, StorageClass,
};

use super::*;

#[tokio::test]
async fn tags_are_put_and_removed() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    lake.put("b c", "2").await;
    let wanted = tags(&[("zone", "raw")]);
    let source = lake.keys_manifest(&["a", "b+c", "missing"]).await;
    let job = lake.run(JobOperation::PutObjectTagging(wanted.clone()), source.clone()).await;
    assert_eq!(job.run.status, JobStatus::Complete);
    assert_eq!((job.run.total, job.run.succeeded, job.run.failed), (3, 2, 1));
    assert_eq!(lake.head("a").tags(), &wanted);
    assert_eq!(lake.head("b c").tags(), &wanted);
    let (manifest, succeeded, failed) = lake.report(&job).await;
    assert_eq!(manifest["Format"], "Report_CSV_20180820");
    assert_eq!(
        manifest["ReportSchema"],
        "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage"
    );
    assert_eq!(succeeded, "lake-raw,a,,succeeded,200,,Successful\nlake-raw,b%20c,,succeeded,200,,Successful\n");
    assert!(failed.starts_with("lake-raw,missing,,failed,404,NoSuchKey,"), "{failed}");
    // Every change is on record as the ordinary call, and so is what became of the job.
    assert_eq!(lake.events("PutObjectTagging"), 2);
    assert_eq!(lake.events("JobStatusChanged"), 6);
    assert_eq!(lake.left_over(), 0);

    let source = lake.keys_manifest(&["a"]).await;
    let job = lake.run(JobOperation::DeleteObjectTagging, source).await;
    assert_eq!((job.run.status, job.run.succeeded), (JobStatus::Complete, 1));
    assert!(lake.head("a").tags().is_empty());
    let session = format!("arn:aws:sts::000000000000:assumed-role/batch/s3-batch-operations_{}", job.id);
    assert_eq!(lake.actors("DeleteObjectTagging"), [session]);
}

#[tokio::test]
async fn objects_are_copied_as_asked() {
    let lake = Lake::new().await;
    let request = PutObject {
        metadata: ObjectMetadata::of_type("text/plain"),
        tags: tags(&[("from", "source")]),
        ..PutObject::new(lake.bucket.clone(), key("in/a"))
    };
    lake.objects.put_object(&lake.caller(), request, body_of("bytes")).await.unwrap();
    let source = lake.keys_manifest(&["in/a"]).await;
    let copy = |change: &dyn Fn(&mut CopyParameters)| {
        let mut parameters = copy_to(&lake, "out");
        change(&mut parameters);
        JobOperation::PutObjectCopy(Box::new(parameters))
    };
    let job = lake.run(copy(&|_| {}), source.clone()).await;
    assert_eq!((job.run.status, job.run.succeeded), (JobStatus::Complete, 1), "{:?}", job.run);
    let made = lake.head("out/in/a");
    assert_eq!(lake.get("out/in/a").await.unwrap(), "bytes");
    assert_eq!(made.tags(), &tags(&[("from", "source")]));
    assert_eq!(made.metadata().content_type.as_deref(), Some("text/plain"));

    let job = lake
        .run(
            copy(&|to| {
                to.prefix = Some("other/".to_owned());
                to.tags = Some(Tags::default());
                to.class = Some(StorageClass::StandardIa);
                to.metadata = Some(ObjectMetadata::of_type("text/csv"));
                to.checksum = Some(ChecksumAlgorithm::Sha256);
                to.redirect = Some("/elsewhere".to_owned());
            }),
            source.clone(),
        )
        .await;
    assert_eq!(job.run.succeeded, 1);
    let made = lake.head("other/in/a");
    assert!(made.tags().is_empty());
    assert_eq!(made.class(), StorageClass::StandardIa);
    assert_eq!(made.metadata().content_type.as_deref(), Some("text/csv"));
    assert_eq!(made.metadata().website_redirect.as_deref(), Some("/elsewhere"));
    assert_eq!(made.checksum().map(|checksum| checksum.algorithm), Some(ChecksumAlgorithm::Sha256));

    let later_ms = lake.runtime.now().as_millisecond() + 60_000;
    let job = lake.run(copy(&|to| to.modified_since_ms = Some(later_ms)), source).await;
    assert_eq!((job.run.succeeded, job.run.failed), (0, 1));
    assert!(lake.report(&job).await.2.contains(",failed,412,PreconditionFailed,"));
}

#[tokio::test]
async fn lists_of_who_may_are_put() {
    let lake = Lake::new().await;
    let preferred = ObjectOwnership::ObjectWriter;
    lake.objects.put_ownership_controls(&lake.caller(), &lake.bucket, preferred).await.unwrap();
    lake.put("a", "1").await;
    let other = AccountId::new("111111111111").unwrap();
    let grant = AclGrant { grantee: Grantee::Account(other), permission: AclPermission::Read };
    let acl = tarn_objects::Acl::new(vec![grant]).unwrap();
    let source = lake.keys_manifest(&["a"]).await;
    let of = |owner: AccountId| JobOperation::PutObjectAcl(AclParameters::Grants { owner, acl: acl.clone() });
    let job = lake.run(of(AccountId::first()), source.clone()).await;
    assert_eq!(job.run.succeeded, 1, "{:?}", lake.report(&job).await);
    let found = lake.objects.object_acl(&proof(), &lake.bucket, &key("a"), None).unwrap();
    assert_eq!(found.acl, acl);
    // A list cannot make somebody else the owner.
    let job = lake.run(of(AccountId::new("222222222222").unwrap()), source.clone()).await;
    assert_eq!(job.run.failed, 1);
    // Block Public Access holds for jobs as for everybody.
    let public = JobOperation::PutObjectAcl(AclParameters::Canned(CannedAcl::PublicRead));
    let job = lake.run(public, source).await;
    assert!(lake.report(&job).await.2.contains(",failed,403,AccessDenied,"));
}

#[tokio::test]
async fn restores_are_asked_for() {
    let lake = Lake::new().await;
    let request = PutObject { class: StorageClass::Glacier, ..PutObject::new(lake.bucket.clone(), key("cold")) };
    lake.objects.put_object(&lake.caller(), request, body_of("cold bytes")).await.unwrap();
    lake.put("warm", "1").await;
    let source = lake.keys_manifest(&["cold", "warm"]).await;
    let operation = JobOperation::InitiateRestoreObject { days: Some(2), tier: Some(RestoreTier::Bulk) };
    let job = lake.run(operation.clone(), source.clone()).await;
    assert_eq!((job.run.succeeded, job.run.failed), (1, 1));
    assert_eq!(lake.objects.restore_status(&lake.head("cold")), Some(RestoreStatus::Ongoing));
    assert!(lake.report(&job).await.2.starts_with("lake-raw,warm,,failed,403,InvalidObjectState,"));
    let job = lake.run(operation, source).await;
    assert!(lake.report(&job).await.2.contains("lake-raw,cold,,failed,409,RestoreAlreadyInProgress,"));
}

#[tokio::test]
async fn locks_are_set_and_bypassed_by_who_may() {
    let lake = Lake::new().await;
    lake.versioned().await;
    let lock = BucketLock::default();
    lake.objects.put_object_lock_configuration(&lake.caller(), &lake.bucket, lock).await.unwrap();
    lake.put("a", "1").await;
    let source = lake.keys_manifest(&["a"]).await;
    let job = lake.run(JobOperation::PutObjectLegalHold(true), source.clone()).await;
    assert_eq!(job.run.succeeded, 1);
    assert_eq!(lake.head("a").lock().legal_hold, Some(true));
    let now_ms = lake.runtime.now().as_millisecond();
    let retention = |hours: i64, bypass: bool| JobOperation::PutObjectRetention {
        retention: Some(Retention { mode: RetentionMode::Governance, until_ms: now_ms + hours * 3_600_000 }),
        bypass_governance: Some(bypass),
    };
    let check = async |operation: JobOperation, succeeded: u64| {
        let job = lake.run(operation, source.clone()).await;
        assert_eq!((job.run.status, job.run.succeeded), (JobStatus::Complete, succeeded), "{:?}", job.run);
    };
    check(retention(10, false), 1).await;
    check(retention(5, false), 0).await;
    check(retention(5, true), 1).await;
    lake.close("s3:BypassGovernanceRetention", "/a");
    check(retention(4, true), 0).await;
    check(retention(6, true), 1).await;
}

#[tokio::test]
async fn checksums_are_told_of_and_change_nothing() {
    let lake = Lake::new().await;
    let request = PutObject { class: StorageClass::DeepArchive, ..PutObject::new(lake.bucket.clone(), key("cold")) };
    lake.objects.put_object(&lake.caller(), request, body_of("123456789")).await.unwrap();
    lake.put("empty", "").await;
    let before = lake.head("cold");
    let source = lake.keys_manifest(&["cold", "empty"]).await;
    let check = async |algorithm: &str, kind: ChecksumKind, hex: [&str; 2]| {
        let algorithm = DigestAlgorithm::parse(algorithm);
        let operation = JobOperation::ComputeObjectChecksum { algorithm, kind: Some(kind) };
        let job = lake.run(operation, source.clone()).await;
        let (_, succeeded, failed) = lake.report(&job).await;
        assert_eq!(failed, "");
        for (line, hex) in succeeded.lines().zip(hex) {
            let said = line.splitn(7, ',').last().unwrap().trim_matches('"').replace("\"\"", "\"");
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            assert_eq!(said["checksum_hex"], hex, "{line}");
        }
        assert_eq!(succeeded.lines().count(), 2);
    };
    check("CRC32", ChecksumKind::FullObject, ["CBF43926", "00000000"]).await;
    check("CRC64NVME", ChecksumKind::FullObject, ["AE8B14860A799888", "0000000000000000"]).await;
    // The MD5 of the MD5s of the parts.
    check("MD5", ChecksumKind::Composite, ["5927C5D64D94A5786F90003AA26D0159-1", "59ADB24EF3CDBE0297F05B395827453F-1"])
        .await;
    assert_eq!(lake.head("cold").id(), before.id());
    assert_eq!(lake.objects.restore_status(&lake.head("cold")), None);
}

#[tokio::test]
async fn a_job_may_what_its_role_may_when_it_acts() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    lake.put("b", "2").await;
    let source = lake.keys_manifest(&["a", "b"]).await;
    lake.close("s3:PutObjectTagging", "/b");
    let operation = JobOperation::PutObjectTagging(tags(&[("k", "v")]));
    let job = lake.run(operation.clone(), source.clone()).await;
    assert_eq!((job.run.succeeded, job.run.failed), (1, 1));
    assert!(lake.report(&job).await.2.starts_with("lake-raw,b,,failed,403,AccessDenied,"));
    assert!(lake.head("b").tags().is_empty());
    // It reads its manifest and writes its report as itself, too.
    lake.close("s3:PutObject", ".csv");
    let job = lake.run(operation.clone(), source.clone()).await;
    assert_eq!((job.run.status, job.run.succeeded), (JobStatus::Failed, 1));
    assert_eq!(job.run.failures[0].code, "ReportFailed");
    // And it is nobody once the role trusts the service no more.
    lake.close("sts:AssumeRole", "role/batch");
    let request = CreateJob {
        definition: lake.definition(operation.clone(), source.clone()),
        tags: Vec::new(),
        token: "t".to_owned(),
    };
    let refused = lake.jobs.create_job(&lake.caller(), request).await;
    assert!(matches!(refused, Err(JobsError::Invalid { .. })), "{refused:?}");
    lake.door.0.lock().pop();
    let waiting = lake.create(lake.definition(operation.clone(), source.clone())).await;
    lake.close("sts:AssumeRole", "role/batch");
    lake.work().await;
    assert_eq!(lake.job(&waiting).run.failures[0].code, "AccessDenied");
    lake.door.0.lock().pop();
    lake.close("s3:GetObject", "manifest.csv");
    let job = lake.run(operation, source).await;
    assert_eq!((job.run.status, job.run.total), (JobStatus::Failed, 0));
    assert_eq!(job.run.failures[0].code, "AccessDenied");
    assert_eq!(lake.left_over(), 0);
}

#[tokio::test]
async fn a_job_that_fails_at_most_things_is_failed() {
    let lake = Lake::new().await;
    let check = async |missing: usize, there: usize, expected: JobStatus, tried: u64| {
        let lines: String = (0..missing)
            .map(|n| format!("lake-raw,missing/{n}\n"))
            .chain((0..there).map(|_| "lake-raw,a\n".to_owned()))
            .collect();
        let source = lake.manifest(&lines).await;
        let job = lake.run(JobOperation::DeleteObjectTagging, source).await;
        assert_eq!((job.run.status, job.run.next()), (expected, tried), "{missing} {there}: {:?}", job.run.failures);
        assert_eq!(lake.left_over(), 0);
        job
    };
    lake.put("a", "1").await;
    // Fewer than a thousand tasks may all fail.
    check(999, 0, JobStatus::Complete, 999).await;
    check(500, 700, JobStatus::Complete, 1200).await;
    let job = check(1500, 500, JobStatus::Failed, 1000).await;
    assert_eq!(job.run.failures[0].code, "FailureThresholdExceeded");
    // What was tried is told of.
    assert_eq!(lake.report(&job).await.2.lines().count(), 1000);
}

#[tokio::test]
async fn reports_can_be_of_failures_only_or_none() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let source = lake.keys_manifest(&["a", "missing"]).await;
    let mut definition = lake.definition(JobOperation::DeleteObjectTagging, source);
    definition.report.as_mut().unwrap().failed_only = true;
    let id = lake.create(definition.clone()).await;
    lake.work().await;
    let (manifest, succeeded, failed) = lake.report(&lake.job(&id)).await;
    assert_eq!((manifest["Results"].as_array().unwrap().len(), succeeded.as_str()), (1, ""));
    assert_eq!(failed.lines().count(), 1);
    let before = lake.keys("").len();
    definition.report = None;
    let id = lake.create(definition.clone()).await;
    lake.work().await;
    assert_eq!((lake.job(&id).run.status, lake.keys("").len()), (JobStatus::Complete, before));
    // Whose the bucket is must be as was said.
    let owner = AccountId::new("999999999999").unwrap();
    definition.report = Some(JobReport {
        bucket: lake.bucket.to_string(),
        expected_owner: Some(owner),
        prefix: None,
        failed_only: false,
    });
    let id = lake.create(definition).await;
    lake.work().await;
    assert_eq!(lake.job(&id).run.failures[0].code, "AccessDenied");
}
