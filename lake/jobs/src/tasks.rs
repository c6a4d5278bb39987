//! One task: one object, one ordinary call, with the permissions and the record of that call. Knows no batch and no report.

use tarn_audit::Caller;
use tarn_metadata::Key;
use tarn_objects::{
    AclPermission, AclRequest, BucketName, Bypass, CannedAcl, CopyObject, ObjectKey, ObjectsError, ReadConditions,
    RestoreObject, RestoreTier, Retention, Tags, VersionId, WriteConditions,
};
use tarn_policy::{Denied, Requirement};

use crate::acting::{Call, mark};
use crate::errors::JobsError;
use crate::job::{Job, OutputEncryption};
use crate::jobs::Jobs;
use crate::keyspaces::{Task, task_key};
use crate::operation::{AclParameters, CopyAcl, CopyParameters, JobOperation, MetadataDirective};
use crate::task_errors::{TaskFailure, is_servers};

/// What a task came to: what its line in the report says.
pub(crate) type TaskOutcome = Result<String, TaskFailure>;

/// What is said of a task that was done, where there is nothing more to say.
pub(crate) const SUCCESSFUL: &str = "Successful";

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// An object, named as the lake names it.
pub(crate) struct Target {
    pub(crate) bucket: BucketName,
    pub(crate) key: ObjectKey,
    pub(crate) version: Option<VersionId>,
}

impl Target {
    fn of(task: &Task) -> Result<Self, ObjectsError> {
        let version =
            match task.version.as_deref() {
                None => None,
                Some("") => {
                    return Err(ObjectsError::InvalidRequest {
                    reason:
                        "the manifest has a field for versions, and it is empty here: write `null` for the null version"
                            .to_owned(),
                });
                }
                Some(text) => Some(VersionId::parse(text).ok_or_else(|| ObjectsError::NoSuchVersion {
                    key: task.key.clone(),
                    version_id: text.to_owned(),
                })?),
            };
        Ok(Self { bucket: BucketName::new(task.bucket.as_str())?, key: ObjectKey::new(task.key.as_str())?, version })
    }

    pub(crate) fn version(&self) -> Option<&VersionId> {
        self.version.as_ref()
    }

    fn versioned(&self, action: &'static str, of_version: &'static str) -> &'static str {
        if self.version.is_some() { of_version } else { action }
    }

    /// For the record.
    pub(crate) fn said(&self) -> serde_json::Value {
        let mut said = serde_json::json!({ "bucketName": self.bucket.as_str(), "key": self.key.as_str() });
        if let (Some(version), Some(said)) = (&self.version, said.as_object_mut()) {
            said.insert("versionId".to_owned(), version.to_string().into());
        }
        said
    }
}

impl Jobs {
    /// Does task `number`. An error is the server's: then the task is neither done nor failed.
    ///
    /// `is_begun`: its effect is committed, and what is to be waited for may not be over.
    pub(crate) async fn run_task(
        &self,
        job: &Job,
        number: u64,
        task: &Task,
        is_begun: bool,
    ) -> Result<TaskOutcome, JobsError> {
        let at = task_key(&job.id, number);
        let outcome = match Target::of(task) {
            Ok(target) if job.definition.operation == JobOperation::ReplicateObject => {
                self.replicate(job, at, target, is_begun).await
            }
            Ok(target) => self.act(job, at, target).await.map(|said| Some(Ok(said))),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => Err(JobsError::Waiting),
            Err(error) if is_servers(&error) => Err(JobsError::Internal { doing: "a task", reason: error.to_string() }),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn act(&self, job: &Job, at: Key, target: Target) -> Result<String, ObjectsError> {
        match &job.definition.operation {
            JobOperation::PutObjectCopy(parameters) => self.copy(job, at, target, parameters).await?,
            JobOperation::PutObjectAcl(parameters) => self.put_acl(job, at, target, parameters).await?,
            JobOperation::PutObjectTagging(tags) => self.put_tags(job, at, target, tags.clone()).await?,
            JobOperation::DeleteObjectTagging => self.delete_tags(job, at, target).await?,
            JobOperation::InitiateRestoreObject { days, tier } => {
                self.restore(job, at, target, *days, tier.unwrap_or_default()).await?;
            }
            JobOperation::PutObjectLegalHold(on) => self.put_legal_hold(job, at, target, *on).await?,
            JobOperation::PutObjectRetention { retention, bypass_governance } => {
                self.put_retention(job, at, target, *retention, *bypass_governance == Some(true)).await?;
            }
            JobOperation::ComputeObjectChecksum { algorithm, kind } => {
                return self.compute_checksum(job, target, *algorithm, *kind).await;
            }
            // It is waited for: `run_task` does it.
            JobOperation::ReplicateObject => {}
        }
        Ok(SUCCESSFUL.to_owned())
    }

    fn marked(&self, job: &Job, at: Key, call: Call) -> Result<Caller, ObjectsError> {
        Ok(self.caller(job, call).map_err(ObjectsError::Denied)?.beside(mark(at)))
    }

    fn simple(
        &self,
        job: &Job,
        at: Key,
        name: &'static str,
        target: &Target,
        needs: Requirement,
    ) -> Result<Caller, ObjectsError> {
        self.marked(job, at, Call { name, read_only: false, requirements: vec![needs], said: target.said() })
    }

    async fn put_tags(&self, job: &Job, at: Key, target: Target, tags: Tags) -> Result<(), ObjectsError> {
        let action = target.versioned("s3:PutObjectTagging", "s3:PutObjectVersionTagging");
        let mut needs = self.objects.on_existing(action, &target.bucket, &target.key, target.version())?;
        set_request_tags(&mut needs, &tags);
        let caller = self.simple(job, at, "PutObjectTagging", &target, needs)?;
        self.objects.put_object_tags(&caller, &target.bucket, &target.key, target.version(), tags).await.map(|_| ())
    }

    async fn delete_tags(&self, job: &Job, at: Key, target: Target) -> Result<(), ObjectsError> {
        let action = target.versioned("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging");
        let needs = self.objects.on_existing(action, &target.bucket, &target.key, target.version())?;
        let caller = self.simple(job, at, "DeleteObjectTagging", &target, needs)?;
        let none = Tags::default();
        self.objects.put_object_tags(&caller, &target.bucket, &target.key, target.version(), none).await.map(|_| ())
    }

    async fn put_acl(
        &self,
        job: &Job,
        at: Key,
        target: Target,
        parameters: &AclParameters,
    ) -> Result<(), ObjectsError> {
        let action = target.versioned("s3:PutObjectAcl", "s3:PutObjectVersionAcl");
        let mut needs = self.objects.on_existing(action, &target.bucket, &target.key, target.version())?;
        let request = parameters.request();
        set_acl(&mut needs, &request);
        let caller = self.simple(job, at, "PutObjectAcl", &target, needs)?;
        if let AclParameters::Grants { owner, .. } = parameters {
            let of = self.objects.object_acl(caller.authorized(), &target.bucket, &target.key, target.version())?;
            if of.owner != *owner {
                return Err(ObjectsError::MalformedAcl { reason: "an access control list cannot change the owner" });
            }
        }
        self.objects.put_object_acl(&caller, &target.bucket, &target.key, target.version(), request).await
    }

    async fn restore(
        &self,
        job: &Job,
        at: Key,
        target: Target,
        days: Option<u32>,
        tier: RestoreTier,
    ) -> Result<(), ObjectsError> {
        let needs = self.objects.on_existing("s3:RestoreObject", &target.bucket, &target.key, target.version())?;
        let caller = self.simple(job, at, "RestoreObject", &target, needs)?;
        let Target { bucket, key, version } = target;
        self.objects.restore_object(&caller, RestoreObject { bucket, key, version, days, tier }).await.map(|_| ())
    }

    async fn put_legal_hold(&self, job: &Job, at: Key, target: Target, on: bool) -> Result<(), ObjectsError> {
        let mut needs =
            self.objects.on_existing("s3:PutObjectLegalHold", &target.bucket, &target.key, target.version())?;
        needs.context.set("s3:object-lock-legal-hold", if on { "ON" } else { "OFF" });
        let caller = self.simple(job, at, "PutObjectLegalHold", &target, needs)?;
        self.objects.put_object_legal_hold(&caller, &target.bucket, &target.key, target.version(), on).await
    }

    async fn put_retention(
        &self,
        job: &Job,
        at: Key,
        target: Target,
        retention: Option<Retention>,
        bypass_governance: bool,
    ) -> Result<(), ObjectsError> {
        let mut needs =
            self.objects.on_existing("s3:PutObjectRetention", &target.bucket, &target.key, target.version())?;
        if let Some(retention) = retention {
            set_retention(&mut needs, retention, self.now_ms());
        }
        let caller = self.simple(job, at, "PutObjectRetention", &target, needs)?;
        // To ask for a bypass without being allowed one is no error where none is needed.
        let bypass = if bypass_governance {
            let needs = self.objects.on_existing(
                "s3:BypassGovernanceRetention",
                &target.bucket,
                &target.key,
                target.version(),
            )?;
            match caller.authorizer().authorize(vec![needs]) {
                Ok(_) => Bypass::Governance,
                Err(Denied { .. }) => Bypass::No,
            }
        } else {
            Bypass::No
        };
        let Target { bucket, key, version } = &target;
        self.objects.put_object_retention(&caller, bucket, key, version.as_ref(), retention, bypass).await
    }

    async fn copy(&self, job: &Job, at: Key, source: Target, to: &CopyParameters) -> Result<(), ObjectsError> {
        let key = ObjectKey::new(to.target_key(source.key.as_str()))?;
        self.check_payer(job, &source.bucket, to)?;
        self.check_payer(job, &to.bucket, to)?;
        let requirements = self.copy_requirements(&source, to, &key)?;
        let copy_source = format!("{}/{}", source.bucket, source.key);
        let said = serde_json::json!({
            "bucketName": to.bucket.as_str(), "key": key.as_str(), "x-amz-copy-source": copy_source,
        });
        let caller = self.marked(job, at, Call { name: "CopyObject", read_only: false, requirements, said })?;
        let copy = CopyObject {
            source_bucket: source.bucket,
            source_key: source.key,
            source_version: source.version,
            source_conditions: ReadConditions {
                if_modified_since_ms: to.modified_since_ms,
                if_unmodified_since_ms: to.unmodified_since_ms,
                ..ReadConditions::default()
            },
            bucket: to.bucket.clone(),
            key,
            metadata: to.metadata.clone(),
            website_redirect: to.redirect.clone(),
            tags: to.tags.clone(),
            class: to.class,
            checksum: to.checksum,
            conditions: WriteConditions::default(),
            encryption: to.encryption_request(),
            source_customer_key: None,
            lock: to.lock,
            acl: to.acl_request(),
        };
        self.objects.copy_object(&caller, copy).await.map(|_| ())
    }

    /// Where the requester pays, other accounts must say that they do.
    fn check_payer(&self, job: &Job, bucket: &BucketName, to: &CopyParameters) -> Result<(), ObjectsError> {
        if to.requester_pays == Some(true) || !self.objects.is_requester_pays(bucket)? {
            return Ok(());
        }
        if self.objects.bucket_owner(bucket)?.as_ref() == Some(&job.scope.account) {
            return Ok(());
        }
        let reason = format!("in the bucket `{bucket}` the requester pays: set RequesterPays");
        Err(ObjectsError::InvalidRequest { reason })
    }

    fn copy_requirements(
        &self,
        source: &Target,
        to: &CopyParameters,
        key: &ObjectKey,
    ) -> Result<Vec<Requirement>, ObjectsError> {
        let Target { bucket, key: source_key, version } = source;
        let version = version.as_ref();
        let mut read = self.objects.on_existing(
            source.versioned("s3:GetObject", "s3:GetObjectVersion"),
            bucket,
            source_key,
            version,
        )?;
        read.context.set("s3:x-amz-copy-source", format!("{bucket}/{source_key}"));
        let is_tagged = !self.objects.condition_tags(bucket, source_key, version)?.is_empty();
        let mut requirements = vec![read];
        if is_tagged && to.tags.is_none() {
            let action = source.versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging");
            requirements.push(self.objects.on_existing(action, bucket, source_key, version)?);
        }
        let on_target = |action| Requirement::new(action, key.arn(&to.bucket));
        let mut put = vec![on_target("s3:PutObject")];
        if to.lock.retention.is_some() {
            put.push(on_target("s3:PutObjectRetention"));
        }
        if to.lock.legal_hold.is_some() {
            put.push(on_target("s3:PutObjectLegalHold"));
        }
        if to.acl != CopyAcl::Default {
            put.push(on_target("s3:PutObjectAcl").of_callers_own());
        }
        if to.tags.as_ref().map_or(is_tagged, |tags| !tags.is_empty()) {
            put.push(on_target("s3:PutObjectTagging"));
        }
        for requirement in &mut put {
            self.set_copy_keys(requirement, source, to);
        }
        requirements.extend(put);
        Ok(requirements)
    }

    /// The condition keys that the headers of such a copy are.
    fn set_copy_keys(&self, requirement: &mut Requirement, source: &Target, to: &CopyParameters) {
        requirement.context.set("s3:x-amz-copy-source", format!("{}/{}", source.bucket, source.key));
        if let Some(tags) = to.tags.as_ref().filter(|tags| !tags.is_empty()) {
            set_request_tags(requirement, tags);
        }
        set_acl(requirement, &to.acl_request());
        if let Some(directive) = to.metadata_directive {
            let name = match directive {
                MetadataDirective::Copy => "COPY",
                MetadataDirective::Replace => "REPLACE",
            };
            requirement.context.set("s3:x-amz-metadata-directive", name);
        }
        if let Some(class) = to.class {
            requirement.context.set("s3:x-amz-storage-class", class.name());
        }
        if let Some(redirect) = &to.redirect {
            requirement.context.set("s3:x-amz-website-redirect-location", redirect.clone());
        }
        if let Some(encryption) = &to.encryption {
            set_encryption(requirement, encryption);
        }
        if let Some(retention) = to.lock.retention {
            set_retention(requirement, retention, self.now_ms());
        }
        if let Some(on) = to.lock.legal_hold {
            requirement.context.set("s3:object-lock-legal-hold", if on { "ON" } else { "OFF" });
        }
    }
}

pub(crate) fn set_encryption(requirement: &mut Requirement, encryption: &OutputEncryption) {
    match encryption {
        OutputEncryption::Lake => requirement.context.set("s3:x-amz-server-side-encryption", "AES256"),
        OutputEncryption::Kms { key } => {
            requirement.context.set("s3:x-amz-server-side-encryption", "aws:kms");
            if let Some(key) = key {
                requirement.context.set("s3:x-amz-server-side-encryption-aws-kms-key-id", key.clone());
            }
        }
    }
}

fn set_request_tags(requirement: &mut Requirement, tags: &Tags) {
    for (key, value) in tags.iter() {
        requirement.context.set(&format!("s3:RequestObjectTag/{key}"), value);
    }
    requirement.context.set_all("s3:RequestObjectTagKeys", tags.iter().map(|(key, _)| key.to_owned()));
}

fn set_retention(requirement: &mut Requirement, retention: Retention, now_ms: i64) {
    requirement.context.set("s3:object-lock-mode", retention.mode.name());
    if let Ok(until) = tarn_runtime::Timestamp::from_millisecond(retention.until_ms) {
        requirement.context.set("s3:object-lock-retain-until-date", until.to_string());
    }
    let days = retention.until_ms.saturating_sub(now_ms).div_euclid(DAY_MS);
    requirement.context.set("s3:object-lock-remaining-retention-days", days.to_string());
}

/// A list by its name is a condition key as it is. Of grants it is told that they are there: whom a policy names by another name than the
/// account's number is not found, and what it allows by that is not allowed.
fn set_acl(requirement: &mut Requirement, acl: &AclRequest) {
    match acl {
        AclRequest::Default => {}
        AclRequest::Canned(canned) => requirement.context.set("s3:x-amz-acl", canned_name(*canned)),
        AclRequest::Grants(acl) => {
            for grant in acl.grants() {
                let key = match grant.permission {
                    AclPermission::Read => "s3:x-amz-grant-read",
                    AclPermission::Write => "s3:x-amz-grant-write",
                    AclPermission::ReadAcp => "s3:x-amz-grant-read-acp",
                    AclPermission::WriteAcp => "s3:x-amz-grant-write-acp",
                    AclPermission::FullControl => "s3:x-amz-grant-full-control",
                };
                requirement.context.set(key, format!("{:?}", grant.grantee));
            }
        }
    }
}

/// As S3 spells it.
fn canned_name(canned: CannedAcl) -> &'static str {
    match canned {
        CannedAcl::Private => "private",
        CannedAcl::PublicRead => "public-read",
        CannedAcl::PublicReadWrite => "public-read-write",
        CannedAcl::AuthenticatedRead => "authenticated-read",
        CannedAcl::BucketOwnerRead => "bucket-owner-read",
        CannedAcl::BucketOwnerFullControl => "bucket-owner-full-control",
        CannedAcl::LogDeliveryWrite => "log-delivery-write",
        CannedAcl::AwsExecRead => "aws-exec-read",
    }
}
