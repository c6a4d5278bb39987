//! Where tasks come from: manifests of both kinds, and buckets' keys.

use std::io::Write;

use md5::Digest as _;

use futures::FutureExt;
use futures::future::BoxFuture;
use tarn_objects::{
    RemoteBuckets, RemoteChange, RemoteCopy, RemoteError, ReplicationConfiguration, ReplicationDestination,
    ReplicationFilter, ReplicationRule, ReplicationStatus,
};

use super::*;
use crate::job::EncryptionFilter;

const TAG: fn() -> JobOperation = || JobOperation::PutObjectTagging(tags(&[("seen", "yes")]));

#[tokio::test]
async fn a_manifest_must_be_the_one_that_was_meant() {
    let lake = Lake::new().await;
    lake.put("a", "1").await;
    let check = async |source: TaskSource, code: &str| {
        let job = lake.run(TAG(), source).await;
        assert_eq!((job.run.status, job.run.total), (JobStatus::Failed, 0));
        assert_eq!(job.run.failures[0].code, code, "{:?}", job.run.failures);
        assert_eq!(lake.left_over(), 0);
        assert!(lake.keys("reports").is_empty());
    };
    let old = lake.keys_manifest(&["a"]).await;
    lake.keys_manifest(&["a", "b"]).await;
    check(old, "ManifestChanged").await;
    let empty = lake.manifest("").await;
    check(empty, "ManifestEmpty").await;
    let broken = lake.manifest("lake-raw,a\nlake-raw\n").await;
    check(broken, "ManifestInvalid").await;
    let TaskSource::Manifest(mut manifest) = lake.keys_manifest(&["a"]).await else { panic!() };
    manifest.location.key = "missing.csv".to_owned();
    check(TaskSource::Manifest(manifest), "ManifestUnreadable").await;
}

#[tokio::test]
async fn versions_are_worked_on_by_name() {
    let lake = Lake::new().await;
    lake.put("a", "null").await;
    lake.versioned().await;
    let first = lake.put("a", "first").await;
    lake.put("a", "second").await;
    let name = first.version_id().unwrap();
    let TaskSource::Manifest(mut manifest) =
        lake.manifest(&format!("lake-raw,a,{name}\nlake-raw,a,null\nlake-raw,a,\nlake-raw,a,nope\n")).await
    else {
        panic!()
    };
    manifest.format = ManifestFormat::Csv(vec![ManifestField::Bucket, ManifestField::Key, ManifestField::VersionId]);
    let job = lake.run(TAG(), TaskSource::Manifest(manifest)).await;
    assert_eq!((job.run.succeeded, job.run.failed), (2, 2));
    let of = |version: tarn_objects::VersionId| {
        lake.objects.head_version(&proof(), &lake.bucket, &key("a"), Some(&version)).unwrap().tags().len()
    };
    assert_eq!((of(name), of(tarn_objects::VersionId::Null), lake.head("a").tags().len()), (1, 1, 0));
    let failed = lake.report(&job).await.2;
    assert!(failed.contains("lake-raw,a,,failed,400,InvalidRequest,"), "{failed}");
    assert!(failed.contains("lake-raw,a,nope,failed,404,NoSuchVersion,"), "{failed}");
}

#[tokio::test]
async fn an_inventory_is_a_manifest() {
    let lake = Lake::new().await;
    for at in ["a", "b c", "d"] {
        lake.put(at, "1").await;
    }
    let gzip = |lines: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(lines.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let files = [gzip("\"lake-raw\",\"a\",\"3\"\n\"lake-raw\",\"b+c\",\"3\"\n"), gzip("\"lake-raw\",\"d\",\"3\"\n")];
    let mut listed = Vec::new();
    for (at, bytes) in files.iter().enumerate() {
        let name = format!("lists/data/{at}.csv.gz");
        lake.put(&name, bytes.clone()).await;
        let md5 = hex::encode(md5::Md5::digest(bytes));
        listed.push(serde_json::json!({ "key": name, "size": bytes.len(), "MD5checksum": md5 }));
    }
    let source = async |files: &[serde_json::Value]| {
        let json = serde_json::json!({
            "sourceBucket": "lake-raw", "destinationBucket": "arn:aws:s3:::lake-raw", "version": "2016-11-30",
            "creationTimestamp": "1514944800000", "fileFormat": "CSV", "fileSchema": "Bucket, Key, Size", "files": files,
        });
        let put = lake.put("lists/manifest.json", json.to_string()).await;
        let location = ManifestLocation {
            bucket: "lake-raw".to_owned(),
            key: "lists/manifest.json".to_owned(),
            version: None,
            etag: put.etag().quoted(),
        };
        TaskSource::Manifest(Manifest { format: ManifestFormat::Inventory, location })
    };
    let job = lake.run(TAG(), source(&listed).await).await;
    assert_eq!((job.run.status, job.run.total, job.run.succeeded), (JobStatus::Complete, 3, 3), "{:?}", job.run);
    listed[1]["MD5checksum"] = "00000000000000000000000000000000".into();
    let job = lake.run(TAG(), source(&listed).await).await;
    assert_eq!(job.run.failures[0].code, "ManifestChanged");
    assert_eq!(lake.left_over(), 0);
}

#[tokio::test]
async fn a_buckets_keys_are_filtered() {
    let lake = Lake::new().await;
    let start_ms = lake.runtime.now().as_millisecond();
    for (at, size) in [("in/a.csv", 1), ("in/b.json", 10), ("in/deep/c.csv", 100), ("out/d.csv", 1000)] {
        lake.put(at, vec![b'x'; size]).await;
        lake.clock.advance(std::time::Duration::from_secs(10));
    }
    let check = async |change: &dyn Fn(&mut GeneratorFilter), expected: &[&str]| {
        let mut filter = GeneratorFilter { prefixes: vec!["in".to_owned()], ..GeneratorFilter::default() };
        change(&mut filter);
        let generator = ManifestGenerator {
            bucket: lake.bucket.to_string(),
            expected_owner: Some(AccountId::first()),
            filter: filter.clone(),
            output: None,
        };
        let mut definition = lake.definition(JobOperation::DeleteObjectTagging, TaskSource::Generator(generator));
        definition.report.as_mut().unwrap().prefix = Some("reports".to_owned());
        let id = lake.create(definition).await;
        lake.work().await;
        let job = lake.job(&id);
        if expected.is_empty() {
            assert_eq!(job.run.failures[0].code, "ManifestEmpty", "{filter:?}");
            return;
        }
        let (_, succeeded, _) = lake.report(&job).await;
        let keys: Vec<&str> = succeeded.lines().map(|line| line.split(',').nth(1).unwrap()).collect();
        assert_eq!(keys, expected, "{filter:?}");
    };
    check(&|_| {}, &["in/a.csv", "in/b.json", "in/deep/c.csv"]).await;
    check(&|filter| filter.suffixes = vec![".csv".to_owned()], &["in/a.csv", "in/deep/c.csv"]).await;
    check(&|filter| filter.substrings = vec!["deep".to_owned()], &["in/deep/c.csv"]).await;
    check(&|filter| filter.prefixes = vec!["in/b".to_owned(), "out".to_owned()], &["in/b.json", "out/d.csv"]).await;
    check(&|filter| filter.larger_than_bytes = Some(1), &["in/b.json", "in/deep/c.csv"]).await;
    check(&|filter| filter.smaller_than_bytes = Some(10), &["in/a.csv"]).await;
    check(&|filter| filter.created_after_ms = Some(start_ms), &["in/b.json", "in/deep/c.csv"]).await;
    check(&|filter| filter.created_before_ms = Some(start_ms + 10_000), &["in/a.csv"]).await;
    check(&|filter| filter.classes = vec![tarn_objects::StorageClass::Glacier], &[]).await;
    check(&|filter| filter.encryption = Some(EncryptionFilter::Lake), &["in/a.csv", "in/b.json", "in/deep/c.csv"])
        .await;
    check(&|filter| filter.encryption = Some(EncryptionFilter::Kms { key: None, bucket_key: None }), &[]).await;
    check(&|filter| filter.encryption = Some(EncryptionFilter::None { name: "NOT-SSE".to_owned() }), &[]).await;
}

#[tokio::test]
async fn a_list_that_was_made_can_be_the_next_jobs_manifest() {
    let lake = Lake::new().await;
    lake.versioned().await;
    lake.put("in/a", "1").await;
    lake.put("in/b c", "2").await;
    let filter = GeneratorFilter { prefixes: vec!["in/".to_owned()], ..GeneratorFilter::default() };
    let output = ManifestOutput {
        bucket: lake.bucket.to_string(),
        expected_owner: Some(AccountId::first()),
        prefix: Some("lists".to_owned()),
        encryption: Some(OutputEncryption::Lake),
    };
    let generator =
        |filter, output| ManifestGenerator { bucket: lake.bucket.to_string(), expected_owner: None, filter, output };
    let job = lake.run(TAG(), TaskSource::Generator(generator(filter, Some(output)))).await;
    assert_eq!((job.run.status, job.run.succeeded), (JobStatus::Complete, 2), "{:?}", job.run);
    let location = job.run.generated.unwrap();
    assert!(location.key.starts_with("lists/job-") && location.key.ends_with("/manifest.json"), "{}", location.key);
    let job = lake
        .run(
            JobOperation::DeleteObjectTagging,
            TaskSource::Manifest(Manifest { format: ManifestFormat::Inventory, location }),
        )
        .await;
    assert_eq!((job.run.status, job.run.succeeded, job.run.failed), (JobStatus::Complete, 2, 0), "{:?}", job.run);
    assert!(lake.head("in/b c").tags().is_empty());
    // Copies into the bucket that is listed are not listed.
    let job = lake
        .run(
            JobOperation::PutObjectCopy(Box::new(copy_to(&lake, "in/copies"))),
            TaskSource::Generator(generator(
                GeneratorFilter { prefixes: vec!["in/".to_owned()], ..GeneratorFilter::default() },
                None,
            )),
        )
        .await;
    assert_eq!(job.run.succeeded, 2);
    assert_eq!(lake.keys("in/"), ["in/a", "in/b c", "in/copies/in/a", "in/copies/in/b c"]);
    lake.close("s3:PutInventoryConfiguration", "lake-raw");
    let job = lake.run(TAG(), TaskSource::Generator(generator(GeneratorFilter::default(), None))).await;
    assert_eq!(job.run.failures[0].code, "AccessDenied");
}

/// No bucket is elsewhere.
struct Nowhere;

impl RemoteBuckets for Nowhere {
    fn has(&self, _: &AccountId, _: &str) -> bool {
        false
    }

    fn put<'a>(&'a self, _: &'a str, _: RemoteCopy) -> BoxFuture<'a, Result<Option<String>, RemoteError>> {
        async { Err(RemoteError::Gone) }.boxed()
    }

    fn change<'a>(
        &'a self,
        _: &'a str,
        _: &'a ObjectKey,
        _: &'a str,
        _: RemoteChange,
    ) -> BoxFuture<'a, Result<(), RemoteError>> {
        async { Err(RemoteError::Gone) }.boxed()
    }

    fn delete<'a>(&'a self, _: &'a str, _: &'a ObjectKey) -> BoxFuture<'a, Result<(), RemoteError>> {
        async { Err(RemoteError::Gone) }.boxed()
    }
}

fn rule_to(target: &BucketName) -> ReplicationRule {
    ReplicationRule {
        id: "in".to_owned(),
        priority: Some(1),
        is_enabled: true,
        filter: ReplicationFilter { prefix: Some("in/".to_owned()), ..ReplicationFilter::default() },
        delete_markers: Some(false),
        kms_objects: None,
        replica_changes: None,
        says_existing: false,
        destination: ReplicationDestination {
            bucket: target.arn().to_string(),
            account: None,
            is_given_over: false,
            class: None,
            kms_key: None,
            time_control: None,
            metrics: None,
            has_threshold: false,
        },
    }
}

#[tokio::test]
async fn versions_are_filtered_by_replication() {
    let lake = Lake::new().await;
    let target = BucketName::new("lake-copies").unwrap();
    lake.objects.create_bucket(&lake.caller(), CreateBucket::new(target.clone(), Region::us_east_1())).await.unwrap();
    for bucket in [&lake.bucket, &target] {
        lake.objects.put_bucket_versioning(&lake.caller(), bucket, true).await.unwrap();
    }
    let list = async |bucket: &BucketName, eligible: Option<bool>, statuses: &[Option<ReplicationStatus>]| {
        let filter = GeneratorFilter {
            eligible_for_replication: eligible,
            replication_statuses: statuses.to_vec(),
            ..GeneratorFilter::default()
        };
        let generator = ManifestGenerator { bucket: bucket.to_string(), expected_owner: None, filter, output: None };
        // One that changes nothing, so that nothing is to be replicated anew.
        let operation = JobOperation::ComputeObjectChecksum { algorithm: None, kind: None };
        let job = lake.run(operation, TaskSource::Generator(generator)).await;
        if job.run.status == JobStatus::Failed {
            return vec![job.run.failures[0].code.clone()];
        }
        let succeeded = lake.report(&job).await.1;
        let lines = succeeded.lines().map(|line| line.split(',').nth(1).unwrap().to_owned());
        let keys: Vec<String> = lines.filter(|key| !key.starts_with("reports/")).collect();
        keys
    };
    lake.put("in/old", "1").await;
    lake.put("in/old", "2").await;
    assert_eq!(list(&lake.bucket, Some(true), &[]).await, ["ManifestUnreadable"]);
    let role = "arn:aws:iam::000000000000:role/batch".to_owned();
    let rules = ReplicationConfiguration::new(role, vec![rule_to(&target)]);
    lake.objects.put_bucket_replication(&lake.caller(), &lake.bucket, rules, |_, _| false).await.unwrap();
    let lanes = lake.objects.replicators(lake.door.clone(), lake.identity.clone(), Arc::new(Nowhere));
    lake.put("in/done", "1").await;
    lake.put("out/a", "1").await;
    lake.close("s3:ReplicateObject", "in/refused");
    lake.put("in/refused", "1").await;
    while lanes[0].replicate_next().await.unwrap() {}

    let (completed, failed) = (Some(ReplicationStatus::Completed), Some(ReplicationStatus::Failed));
    let eligible = ["in/done", "in/old", "in/old", "in/refused"];
    assert_eq!(list(&lake.bucket, Some(true), &[]).await, eligible);
    assert_eq!(list(&lake.bucket, None, &[completed]).await, ["in/done"]);
    assert_eq!(list(&lake.bucket, None, &[failed]).await, ["in/refused"]);
    assert_eq!(list(&lake.bucket, Some(true), &[None]).await, ["in/old", "in/old"]);
    assert_eq!(list(&lake.bucket, Some(false), &[None]).await, ["in/old", "in/old", "out/a"]);
    assert_eq!(list(&lake.bucket, None, &[failed, completed]).await, ["in/done", "in/refused"]);
    assert_eq!(list(&target, None, &[Some(ReplicationStatus::Replica)]).await, ["in/done"]);
    assert_eq!(list(&target, None, &[None]).await, ["ManifestEmpty"]);
    // Without them it is objects that are listed, as they are now.
    assert_eq!(list(&lake.bucket, Some(false), &[]).await, ["in/done", "in/old", "in/refused", "out/a"]);
    lake.close("s3:GetReplicationConfiguration", "lake-raw");
    assert_eq!(list(&lake.bucket, Some(true), &[]).await, ["AccessDenied"]);
}
