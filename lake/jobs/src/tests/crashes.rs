//! A server that ends in the midst of a step: what was committed is not done again, and nothing is forgotten.

use tarn_objects::ListVersions;

use super::*;
use crate::keyspaces::{DONE, task_key};

fn versions(lake: &Lake, prefix: &str) -> usize {
    let request = ListVersions {
        bucket: lake.bucket.clone(),
        prefix: prefix.to_owned(),
        delimiter: None,
        key_marker: None,
        version_marker: None,
        max_keys: 1000,
    };
    lake.objects.list_object_versions(&proof(), &request).unwrap().versions.len()
}

#[tokio::test]
async fn a_copy_that_was_committed_is_not_made_again() {
    let mut lake = Lake::new().await;
    lake.versioned().await;
    for at in ["a", "b", "c"] {
        lake.put(at, "bytes").await;
    }
    let source = lake.keys_manifest(&["a", "b", "c"]).await;
    let operation = JobOperation::PutObjectCopy(Box::new(copy_to(&lake, "out")));
    let id = lake.create(lake.definition(operation, source)).await;
    lake.jobs.step().await.unwrap();
    // What a step does before it counts: then the server ends.
    let job = lake.job(&id);
    assert_eq!(job.run.status, JobStatus::Ready);
    let tasks = lake.jobs.segment(&id, 0).unwrap().unwrap().tasks;
    lake.jobs.run_task(&job, 1, &tasks[1], false).await.unwrap().unwrap();
    assert_eq!(versions(&lake, "out/"), 1);
    assert!(lake.store.read().unwrap().contains(DONE, &task_key(&id, 1)).unwrap());
    lake.restart();
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.succeeded, job.run.failed), (JobStatus::Complete, 3, 0));
    assert_eq!(versions(&lake, "out/"), 3);
    assert_eq!(lake.events("CopyObject"), 3);
    assert_eq!(lake.report(&job).await.1.lines().count(), 3);
    assert_eq!(lake.left_over(), 0);
}

#[tokio::test]
async fn a_listing_that_was_cut_short_begins_anew() {
    let mut lake = Lake::new().await;
    let lines: String = (0..5_000).map(|n| format!("lake-raw,a/{n}\n")).collect();
    let source = lake.manifest(&lines).await;
    lake.put("a/17", "1").await;
    let id = lake.create(lake.definition(JobOperation::DeleteObjectTagging, source)).await;
    // Some segments of an earlier attempt are there.
    lake.jobs.step().await.unwrap();
    assert_eq!(lake.job(&id).run.total, 5_000);
    let back = move |tx: &mut tarn_metadata::Tx<'_>| {
        let before = crate::jobs::job_in(tx, &scope(), &id)?;
        let mut job = before.clone();
        (job.run.status, job.run.total) = (JobStatus::Preparing, 0);
        job.put(tx, Some(&before))
    };
    lake.store.write(back).await.unwrap();
    lake.restart();
    lake.jobs.step().await.unwrap();
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.total, job.run.attempt), (JobStatus::Ready, 5_000, 2));
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.succeeded, job.run.failed), (JobStatus::Failed, 1, 999));
    assert_eq!(lake.left_over(), 0);
}

#[tokio::test]
async fn a_report_that_was_written_is_not_written_again() {
    let mut lake = Lake::new().await;
    lake.versioned().await;
    lake.put("a", "1").await;
    let source = lake.keys_manifest(&["a"]).await;
    let id = lake.create(lake.definition(JobOperation::DeleteObjectTagging, source)).await;
    while lake.job(&id).run.status != JobStatus::Completing {
        assert!(lake.jobs.step().await.unwrap());
    }
    let told = move |tx: &mut tarn_metadata::Tx<'_>| {
        let before = crate::jobs::job_in(tx, &scope(), &id)?;
        let mut job = before.clone();
        job.run.is_reported = true;
        job.put(tx, Some(&before))
    };
    lake.store.write(told).await.unwrap();
    lake.restart();
    lake.work().await;
    assert_eq!(lake.job(&id).run.status, JobStatus::Complete);
    assert_eq!(versions(&lake, "reports/"), 0);
    assert_eq!(lake.left_over(), 0);
}

#[tokio::test]
async fn a_replication_that_was_refused_was_not_begun() {
    let mut lake = Lake::new().await;
    lake.versioned().await;
    lake.put("a", "1").await;
    let source = lake.keys_manifest(&["a"]).await;
    let id = lake.create(lake.definition(JobOperation::ReplicateObject, source)).await;
    lake.jobs.step().await.unwrap();
    let job = lake.job(&id);
    let task = lake.jobs.segment(&id, 0).unwrap().unwrap().tasks[0].clone();
    let refused = lake.jobs.run_task(&job, 0, &task, false).await.unwrap().unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.status), ("SrcBucketReplicationConfigMissing", 400));
    // Then the server ends. The step that comes after asks anew, and does not wait for what was never asked for.
    assert!(!lake.store.read().unwrap().contains(DONE, &task_key(&id, 0)).unwrap());
    assert_eq!(lake.events("InitiateReplication"), 0);
    lake.restart();
    lake.work().await;
    let job = lake.job(&id);
    assert_eq!((job.run.status, job.run.succeeded, job.run.failed), (JobStatus::Complete, 0, 1));
    let failed = lake.report(&job).await.2;
    assert!(failed.starts_with("lake-raw,a,,failed,400,SrcBucketReplicationConfigMissing,"), "{failed}");
    assert_eq!(lake.left_over(), 0);
}
