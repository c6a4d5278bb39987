//! Telling of what a job did: its lines are kept as it goes, and put as files with a manifest when it ends. Knows no operation.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html>
//!
//! AWS's schema names the error's code before the HTTP status, and its lines have them the other way round; so have these.

use bytes::Bytes;
use futures::StreamExt;
use sha1::Digest as _;
use tarn_metadata::{Read, StoreExt};
use tarn_objects::{Body, BodyError, BodyErrorKind, BucketName, EncryptionRequest, ObjectsError, body_of};

use crate::errors::JobsError;
use crate::job::{Job, JobFailure, JobReport};
use crate::jobs::Jobs;
use crate::keyspaces::{RESULTS, Results, Task, task_key};
use crate::manifest::encoded;
use crate::status::JobStatus;
use crate::task_errors::is_servers;
use crate::tasks::TaskOutcome;

const FORMAT: &str = "Report_CSV_20180820";
const SCHEMA: &str = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";

/// The lines of what a step did, if anybody wants to know.
pub(crate) fn results_of(report: Option<&JobReport>, tasks: &[Task], outcomes: &[TaskOutcome]) -> Option<Results> {
    let report = report?;
    let mut results = Results::default();
    for (task, outcome) in tasks.iter().zip(outcomes) {
        match outcome {
            Ok(said) => {
                results.succeeded_count += 1;
                if !report.failed_only {
                    push_line(&mut results.succeeded, task, "succeeded", 200, "", said);
                }
            }
            Err(failure) => {
                results.failed_count += 1;
                push_line(&mut results.failed, task, "failed", failure.status, &failure.code, &failure.reason);
            }
        }
    }
    Some(results)
}

fn push_line(lines: &mut String, task: &Task, status: &str, http_status: u16, code: &str, said: &str) {
    let Task { bucket, key, version } = task;
    let version = version.as_deref().unwrap_or_default();
    let fields = [bucket, &encoded(key), version, status, &http_status.to_string(), code, said];
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            lines.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) {
            lines.push_str(&format!("\"{}\"", field.replace('"', "\"\"")));
        } else {
            lines.push_str(field);
        }
    }
    lines.push('\n');
}

impl Jobs {
    /// Ends a job: tells of it, forgets its lists.
    pub(crate) async fn finish(&self, job: Job) -> Result<(), JobsError> {
        let job = if job.run.is_reported { job } else { self.report(job).await? };
        self.forget_tasks(&job.id, job.run.segment).await?;
        let Some(end) = job.run.status.end() else { return Ok(()) };
        self.advance(&job, move |tx, job, now_ms| job.become_status(tx, end, now_ms)).await.map(|_| ())
    }

    async fn report(&self, job: Job) -> Result<Job, JobsError> {
        // As on AWS, nothing is told where nothing was tried.
        let written = match &job.definition.report {
            Some(report) if job.run.next() > 0 => self.write_report(&job, report).await,
            Some(_) | None => Ok(()),
        };
        let failure = match written {
            Ok(()) => None,
            Err(JobsError::Failure(why)) => Some(why),
            Err(error) => return Err(error),
        };
        self.advance(&job, move |tx, job, now_ms| {
            job.run.is_reported = true;
            if let Some(why) = failure {
                job.run.failures.push(why);
                // What nobody is told of is not done.
                if job.run.status != JobStatus::Failing {
                    job.become_status(tx, JobStatus::Failing, now_ms)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn write_report(&self, job: &Job, report: &JobReport) -> Result<(), JobsError> {
        let failed = |error: ObjectsError| match is_servers(&error) {
            true => JobsError::Internal { doing: "writing a report", reason: error.to_string() },
            false => JobsError::Failure(JobFailure::new("ReportFailed", error)),
        };
        let bucket = BucketName::new(report.bucket.as_str()).map_err(failed)?;
        self.check_owner(&bucket, report.expected_owner.as_ref())?;
        let folder = match report.prefix.as_deref() {
            None => format!("job-{}", job.id),
            Some(prefix) => format!("{}/job-{}", prefix.trim_end_matches('/'), job.id),
        };
        let mut files = Vec::new();
        let wanted = [("succeeded", job.run.succeeded > 0 && !report.failed_only), ("failed", job.run.failed > 0)];
        for (status, _) in wanted.into_iter().filter(|(_, is_wanted)| *is_wanted) {
            // The same name whenever the same report is written, so that one that was cut short is replaced.
            let name = hex::encode(sha1::Sha1::digest(format!("{} {status}", job.id)));
            let key = format!("{folder}/results/{name}.csv");
            let lines = self.report_lines(job, status == "failed");
            let put = self.put_of_job(job, &bucket, &key, "text/csv", EncryptionRequest::Lake, lines, |_| {}).await;
            files.push(serde_json::json!({
                "TaskExecutionStatus": status,
                "Bucket": bucket.as_str(),
                // Under the lake's own key, the entity tag is the MD5.
                "MD5Checksum": put.map_err(failed)?.etag().to_string(),
                "Key": key,
            }));
        }
        let manifest = serde_json::json!({
            "Format": FORMAT,
            "ReportCreationDate": self.runtime.now().to_string(),
            "Results": files,
            "ReportSchema": SCHEMA,
        });
        let key = format!("{folder}/manifest.json");
        let body = body_of(manifest.to_string());
        self.put_of_job(job, &bucket, &key, "application/json", EncryptionRequest::Lake, body, |_| {})
            .await
            .map(|_| ())
            .map_err(failed)
    }

    /// The lines that were kept, step by step.
    fn report_lines(&self, job: &Job, of_failed: bool) -> Body<'static> {
        let (jobs, id, end) = (self.clone(), job.id, job.run.next());
        let read = move |at: u64| -> Result<Results, BodyError> {
            let internal = |reason: String| BodyError { kind: BodyErrorKind::Internal, reason };
            let found = jobs.store.read().and_then(|snapshot| snapshot.get(RESULTS, &task_key(&id, at)));
            found
                .map_err(|error| internal(error.to_string()))?
                .ok_or_else(|| internal("lines of the report are not there".to_owned()))
        };
        futures::stream::unfold(Some(0), move |at| {
            let next = at.filter(|at| *at < end).map(|at| (at, read(at)));
            async move {
                let (at, results) = next?;
                match results {
                    Ok(results) => {
                        let next = at + results.succeeded_count + results.failed_count;
                        let lines = if of_failed { results.failed } else { results.succeeded };
                        Some((Ok(Bytes::from(lines)), Some(next)))
                    }
                    Err(error) => Some((Err(error), None)),
                }
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_errors::TaskFailure;

    #[test]
    fn lines_are_csv() {
        let task = |key: &str, version: Option<&str>| Task {
            bucket: "lake".to_owned(),
            key: key.to_owned(),
            version: version.map(str::to_owned),
        };
        let tasks = [task("a b/c", None), task("d", Some("v1")), task("e", None)];
        let failure = TaskFailure { code: "AccessDenied".into(), status: 403, reason: "no, \"never\"".to_owned() };
        let outcomes = [Ok("Successful".to_owned()), Ok("{\"a\":1}".to_owned()), Err(failure)];
        let mut report =
            JobReport { bucket: "lake".to_owned(), expected_owner: None, prefix: None, failed_only: false };
        let failed = "lake,e,,failed,403,AccessDenied,\"no, \"\"never\"\"\"\n";
        let results = results_of(Some(&report), &tasks, &outcomes).expect("lines");
        assert_eq!(
            results.succeeded,
            "lake,a%20b/c,,succeeded,200,,Successful\nlake,d,v1,succeeded,200,,\"{\"\"a\"\":1}\"\n"
        );
        assert_eq!((results.failed.as_str(), results.succeeded_count, results.failed_count), (failed, 2, 1));
        report.failed_only = true;
        let results = results_of(Some(&report), &tasks, &outcomes).expect("lines");
        assert_eq!((results.succeeded.as_str(), results.failed.as_str(), results.succeeded_count), ("", failed, 2));
        assert_eq!(results_of(None, &tasks, &outcomes), None);
    }
}
