//! Listing what a job is to work on: a manifest that its user put, or what `generate.rs` finds in a bucket. Knows no operation.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use md5::Digest as _;
use parking_lot::Mutex;
use tarn_audit::Caller;
use tarn_metadata::Tx;
use tarn_objects::{
    Body, BodyError, BodyErrorKind, BucketName, EncryptionRequest, ObjectKey, ObjectMetadata, ObjectVersion,
    ObjectsError, PutObject, VersionId, body_of,
};
use tarn_policy::Requirement;
use tokio::sync::mpsc;

use crate::acting::Call;
use crate::errors::JobsError;
use crate::job::{Job, JobFailure, Manifest, ManifestFormat, ManifestLocation, ManifestOutput, TaskSource};
use crate::jobs::{Jobs, job_in};
use crate::keyspaces::{Segment, Task};
use crate::manifest::{Columns, Inventory, InventoryForm, encoded, read_lines};
use crate::segments::SegmentWriter;
use crate::status::JobStatus;
use crate::tasks::set_encryption;

/// The largest `manifest.json`, bytes.
const INVENTORY_SIZE_BYTES_MAX: u64 = 16 << 20;
/// Pieces of a manifest between its reader and its parser; each has up to 1 MiB.
const PIECES_COUNT_MAX: usize = 2;
/// Batches of tasks between the parser and the store.
pub(crate) const BATCHES_COUNT_MAX: usize = 4;

pub(crate) fn failure(code: &str, reason: impl std::fmt::Display) -> JobsError {
    JobsError::Failure(JobFailure::new(code, reason))
}

/// What a manifest that cannot be read fails the job with.
pub(crate) const UNREADABLE: &str = "ManifestUnreadable";

impl Jobs {
    /// Lists the tasks of a job that is new, or whose listing was cut short; then it is ready, or waits for its user's word.
    pub(crate) async fn prepare(&self, job: Job) -> Result<(), JobsError> {
        let job = self.begin(job).await?;
        self.forget_tasks(&job.id, 0).await?;
        match self.list_tasks(&job).await {
            Ok((total, generated)) => self.prepared(&job, total, generated).await,
            Err(JobsError::Failure(why)) => self.fail(&job, why).await,
            Err(error) => Err(error),
        }
    }

    async fn begin(&self, job: Job) -> Result<Job, JobsError> {
        self.advance(&job, |tx, job, now_ms| {
            if job.run.status == JobStatus::New {
                job.become_status(tx, JobStatus::Preparing, now_ms)?;
            }
            job.run.attempt = job.run.attempt.saturating_add(1);
            (job.run.generated, job.run.segment) = (None, 0);
            Ok(())
        })
        .await
    }

    async fn list_tasks(&self, job: &Job) -> Result<(u64, Option<ManifestLocation>), JobsError> {
        let mut writer = SegmentWriter::new(self, job.clone());
        let (total, output) = match &job.definition.source {
            TaskSource::Manifest(manifest) => {
                self.read_manifest(job, manifest, &mut writer).await?;
                (writer.finish().await?, None)
            }
            TaskSource::Generator(generator) => {
                self.generate(job, generator, &mut writer).await?;
                (writer.finish().await?, generator.output.as_ref())
            }
        };
        if total == 0 {
            return Err(failure("ManifestEmpty", "there is no object to work on"));
        }
        match output {
            None => Ok((total, None)),
            Some(output) => Ok((total, Some(self.put_manifest(job, output).await?))),
        }
    }

    async fn prepared(&self, job: &Job, total: u64, generated: Option<ManifestLocation>) -> Result<(), JobsError> {
        self.advance(job, move |tx, job, now_ms| {
            (job.run.total, job.run.generated) = (total, generated);
            let next = match job.definition.confirmation_required {
                Some(true) => JobStatus::Suspended,
                Some(false) | None => JobStatus::Ready,
            };
            job.become_status(tx, next, now_ms)
        })
        .await
        .map(|_| ())
    }

    /// Fails the job for `why`: what it did is still told of.
    pub(crate) async fn fail(&self, job: &Job, why: JobFailure) -> Result<(), JobsError> {
        self.advance(job, move |tx, job, now_ms| {
            job.run.failures.push(why);
            job.become_status(tx, JobStatus::Failing, now_ms)
        })
        .await
        .map(|_| ())
    }

    /// Changes a job as the controller, with the record of it. Nothing is changed if somebody else changed its status since `seen`.
    pub(crate) async fn advance(
        &self,
        seen: &Job,
        change: impl FnOnce(&mut Tx<'_>, &mut Job, i64) -> Result<(), JobsError> + Send + 'static,
    ) -> Result<Job, JobsError> {
        let (scope, id, status, now_ms) = (seen.scope.clone(), seen.id, seen.run.status, self.now_ms());
        let said = serde_json::json!({ "jobId": id.to_string(), "previousStatus": status.name() });
        let change = move |tx: &mut Tx<'_>| {
            let before = job_in(tx, &scope, &id).map_err(|_| JobsError::Overtaken)?;
            if before.run.status != status {
                return Err(JobsError::Overtaken);
            }
            let mut job = before.clone();
            change(tx, &mut job, now_ms)?;
            job.put(tx, Some(&before))?;
            Ok::<_, JobsError>(job)
        };
        Ok(self.controller(seen, said).commit(&*self.store, change).await?)
    }

    // ---- a list that its user put

    async fn read_manifest(
        &self,
        job: &Job,
        manifest: &Manifest,
        writer: &mut SegmentWriter<'_>,
    ) -> Result<(), JobsError> {
        let ManifestLocation { bucket, key, version, etag } = &manifest.location;
        let version = match version.as_deref() {
            None => None,
            Some(text) => Some(
                VersionId::parse(text)
                    .ok_or_else(|| failure(UNREADABLE, format!("the manifest has no version `{text}`")))?,
            ),
        };
        let (caller, found) = self.open(job, bucket, key, version.as_ref())?;
        if !found.etag().matches(etag) {
            let reason = format!("the manifest's entity tag is {} and not {etag}: it was changed", found.etag());
            return Err(failure("ManifestChanged", reason));
        }
        match &manifest.format {
            ManifestFormat::Csv(fields) => {
                let columns = Columns::of_fields(fields).map_err(JobsError::Failure)?;
                self.read_file(&caller, found, columns, false, None, writer).await
            }
            ManifestFormat::Inventory => {
                let json = self.objects.read_whole(caller.authorized(), &found, INVENTORY_SIZE_BYTES_MAX).await;
                let json = json.map_err(|error| JobsError::of_objects(UNREADABLE, error))?;
                let Inventory { bucket, form, files } = Inventory::parse(&json).map_err(JobsError::Failure)?;
                for file in files {
                    let (caller, found) = self.open(job, &bucket, &file.key, None)?;
                    match &form {
                        InventoryForm::Csv(columns) => {
                            let is_gzip = file.key.ends_with(".gz");
                            self.read_file(&caller, found, columns.clone(), is_gzip, file.md5, writer).await?;
                        }
                        InventoryForm::Named { format, has_versions } => {
                            self.read_named(&caller, found, (*format, *has_versions), file.md5, writer).await?;
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Something that the job is to read, if it may.
    fn open(
        &self,
        job: &Job,
        bucket: &str,
        key: &str,
        version: Option<&VersionId>,
    ) -> Result<(Caller, ObjectVersion), JobsError> {
        let named = || -> Result<_, ObjectsError> {
            let (bucket, key) = (BucketName::new(bucket)?, ObjectKey::new(key)?);
            let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
            let needs = self.objects.on_existing(action, &bucket, &key, version)?;
            Ok((bucket, key, needs))
        };
        let (bucket, key, needs) = named().map_err(|error| JobsError::of_objects(UNREADABLE, error))?;
        let said = serde_json::json!({ "bucketName": bucket.as_str(), "key": key.as_str() });
        let call = Call { name: "GetObject", read_only: true, requirements: vec![needs], said };
        let caller = self.caller(job, call).map_err(JobsError::of_denied)?;
        let found = self
            .objects
            .head_version(caller.authorized(), &bucket, &key, version)
            .and_then(|found| self.objects.unlock(caller.authorizer(), &found, None))
            .map_err(|error| JobsError::of_objects(UNREADABLE, error))?;
        Ok((caller, found))
    }

    /// Reads a file of lines to its end.
    async fn read_file(
        &self,
        caller: &Caller,
        version: ObjectVersion,
        columns: Columns,
        is_gzip: bool,
        md5: Option<String>,
        writer: &mut SegmentWriter<'_>,
    ) -> Result<(), JobsError> {
        let name = format!("{}/{}", version.bucket(), version.key());
        let mut bytes = self.objects.read(caller.authorized(), &version, 0..version.size_bytes());
        let (pieces, incoming) = mpsc::channel(PIECES_COUNT_MAX);
        let pumping = tokio::spawn(async move {
            let mut digest = md5::Md5::new();
            let mut failed = None;
            while let Some(piece) = bytes.next().await {
                let piece = match piece {
                    Ok(piece) => piece,
                    Err(error) => {
                        let _ = pieces.send(Err(JobFailure::new(UNREADABLE, &error))).await;
                        failed = Some(error);
                        break;
                    }
                };
                digest.update(&piece);
                if pieces.send(Ok(piece)).await.is_err() {
                    break;
                }
            }
            (hex::encode(digest.finalize()), failed)
        });
        let (tasks, mut taken) = mpsc::channel(BATCHES_COUNT_MAX);
        let parsing = tokio::task::spawn_blocking(move || read_lines(incoming, is_gzip, &columns, &tasks));
        while let Some(batch) = taken.recv().await {
            for task in batch {
                writer.push(task).await?;
            }
        }
        let parsed = parsing.await.map_err(stopped)?;
        let (computed, failed) = pumping.await.map_err(stopped)?;
        if let Some(error) = failed {
            return Err(JobsError::of_objects(UNREADABLE, error));
        }
        parsed.map_err(JobsError::Failure)?;
        check_md5(&name, md5.as_deref(), &computed)
    }

    /// Puts the list that was made, as an inventory that can be the manifest of another job.
    async fn put_manifest(&self, job: &Job, output: &ManifestOutput) -> Result<ManifestLocation, JobsError> {
        const FAILED: &str = "ManifestOutputFailed";
        let of = |error| JobsError::of_objects(FAILED, error);
        let bucket = BucketName::new(output.bucket.as_str()).map_err(of)?;
        self.check_owner(&bucket, output.expected_owner.as_ref())?;
        let folder = match output.prefix.as_deref() {
            None => format!("job-{}/manifest", job.id),
            Some(prefix) => format!("{}/job-{}/manifest", prefix.trim_end_matches('/'), job.id),
        };
        let first = self.segment(&job.id, 0)?.unwrap_or_default();
        let source = first.tasks.first().map(|task| task.bucket.clone()).unwrap_or_default();
        let is_versioned = first.tasks.first().is_some_and(|task| task.version.is_some());
        let data_key = format!("{folder}/data/{}.csv.gz", job.id);
        let digest = Arc::new(Mutex::new(md5::Md5::new()));
        let lines = self.manifest_lines(job, digest.clone());
        let data = self.put_output(job, &bucket, &data_key, output, "application/gzip", lines).await?;
        let md5 = std::mem::take(&mut *digest.lock()).finalize();
        let json = serde_json::json!({
            "sourceBucket": source,
            "destinationBucket": bucket.arn().to_string(),
            "version": "2021-11-30",
            "creationTimestamp": self.now_ms().to_string(),
            "fileFormat": "CSV",
            "fileSchema": if is_versioned { "Bucket, Key, VersionId" } else { "Bucket, Key" },
            "files": [{ "key": data_key, "size": data.size_bytes(), "MD5checksum": hex::encode(md5) }],
        });
        let key = format!("{folder}/manifest.json");
        let put = self.put_output(job, &bucket, &key, output, "application/json", body_of(json.to_string())).await?;
        let version = put.own_version_id().map(|version| version.to_string());
        Ok(ManifestLocation { bucket: bucket.to_string(), key, version, etag: put.etag().to_string() })
    }

    async fn put_output(
        &self,
        job: &Job,
        bucket: &BucketName,
        key: &str,
        output: &ManifestOutput,
        content_type: &str,
        body: Body<'_>,
    ) -> Result<ObjectVersion, JobsError> {
        let encryption = output.encryption.as_ref();
        let request = encryption.map_or_else(EncryptionRequest::default, |encryption| encryption.request(None));
        self.put_of_job(job, bucket, key, content_type, request, body, |needs| {
            if let Some(encryption) = encryption {
                set_encryption(needs, encryption);
            }
        })
        .await
        .map_err(|error| JobsError::of_objects("ManifestOutputFailed", error))
    }

    /// Puts what the job itself has to say.
    pub(crate) async fn put_of_job(
        &self,
        job: &Job,
        bucket: &BucketName,
        key: &str,
        content_type: &str,
        encryption: EncryptionRequest,
        body: Body<'_>,
        set_keys: impl FnOnce(&mut Requirement),
    ) -> Result<ObjectVersion, ObjectsError> {
        let key = ObjectKey::new(key)?;
        let mut needs = Requirement::new("s3:PutObject", key.arn(bucket));
        set_keys(&mut needs);
        let said = serde_json::json!({ "bucketName": bucket.as_str(), "key": key.as_str() });
        let call = Call { name: "PutObject", read_only: false, requirements: vec![needs], said };
        let caller = self.caller(job, call).map_err(ObjectsError::Denied)?;
        let request = PutObject {
            metadata: ObjectMetadata::of_type(content_type),
            encryption,
            ..PutObject::new(bucket.clone(), key)
        };
        self.objects.put_object(&caller, request, body).await
    }

    /// The job's tasks as gzipped lines; `digest` takes what is put.
    fn manifest_lines(&self, job: &Job, digest: Arc<Mutex<md5::Md5>>) -> Body<'static> {
        let (jobs, id) = (self.clone(), job.id);
        let begun = Some((0_u64, GzEncoder::new(Vec::new(), Compression::fast())));
        futures::stream::unfold(begun, move |state| {
            let (jobs, digest) = (jobs.clone(), digest.clone());
            async move {
                let (at, mut gzip) = state?;
                let written = (|| -> Result<_, JobsError> {
                    let failed = |error: std::io::Error| JobsError::Internal {
                        doing: "writing a manifest",
                        reason: error.to_string(),
                    };
                    match jobs.segment(&id, at)? {
                        Some(segment) => {
                            gzip.write_all(csv_of(&segment).as_bytes()).map_err(failed)?;
                            let piece = std::mem::take(gzip.get_mut());
                            Ok((piece, Some((at + segment.tasks.len() as u64, gzip))))
                        }
                        None => Ok((gzip.finish().map_err(failed)?, None)),
                    }
                })();
                match written {
                    Ok((piece, next)) => {
                        digest.lock().update(&piece);
                        Some((Ok(Bytes::from(piece)), next))
                    }
                    Err(error) => {
                        let kind = BodyErrorKind::Internal;
                        Some((Err(BodyError { kind, reason: error.to_string() }), None))
                    }
                }
            }
        })
        .boxed()
    }
}

/// Whether a file is the one that its list speaks of.
pub(crate) fn check_md5(name: &str, said: Option<&str>, computed: &str) -> Result<(), JobsError> {
    match said {
        Some(md5) if !md5.eq_ignore_ascii_case(computed) => {
            Err(failure("ManifestChanged", format!("the MD5 of {name} is {computed} and should be {md5}")))
        }
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn stopped(ended: tokio::task::JoinError) -> JobsError {
    // Read again it would end in the same way.
    if ended.is_panic() {
        let reason = "it cannot be read: a defect of the server, whose log says more".to_owned();
        return failure(UNREADABLE, reason);
    }
    JobsError::Internal { doing: "reading a manifest", reason: "the server is stopping".to_owned() }
}

/// A segment as an inventory's lines: every field quoted, keys encoded.
fn csv_of(segment: &Segment) -> String {
    let mut lines = String::new();
    for Task { bucket, key, version } in &segment.tasks {
        lines.push_str(&format!("\"{bucket}\",\"{}\"", encoded(key)));
        if let Some(version) = version {
            lines.push_str(&format!(",\"{version}\""));
        }
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manifest_that_ends_its_reader_fails_the_job() {
        async fn check(reader: tokio::task::JoinHandle<()>, expected: &str) {
            let found = match reader.await.map_err(stopped) {
                Err(JobsError::Failure(why)) => format!("{}: {}", why.code, why.reason),
                Err(JobsError::Internal { doing, reason }) => format!("{doing}: {reason}"),
                found => format!("{found:?}"),
            };
            assert!(found.starts_with(expected), "{found}\nnot\n{expected}");
        }
        let panics = tokio::task::spawn_blocking(|| assert_eq!(1, 2, "as a manifest could make it"));
        check(panics, "ManifestUnreadable: it cannot be read: a defect of the server").await;
        // a job that is cut short by its server's end is read again
        let waits = tokio::spawn(std::future::pending());
        waits.abort();
        check(waits, "reading a manifest: the server is stopping").await;
    }
}
