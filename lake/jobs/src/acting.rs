//! As whom a job acts: the caller of each of its calls, with what it must be allowed and the record of it.
//!
//! Until there are roles, a job acts as who made it, by their policies as they are when it acts; the role is kept and shown.

use tarn_audit::{Caller, EventDraft};
use tarn_metadata::{StoreError, Tx};
use tarn_objects::{BucketName, ObjectKey, ObjectsError, VersionId};
use tarn_policy::{Authorized, BoundAuthorizer, Context, Denied, Principal, PrincipalKind, Requirement};
use tarn_runtime::EntropyExt;
use tarn_types::{AccountId, Arn};

use crate::errors::JobsError;
use crate::job::{Job, JobFailure};
use crate::jobs::Jobs;

/// Who works, in audit records and policies.
pub(crate) const SERVICE: &str = "batchoperations.s3.amazonaws.com";

/// One call that a job is to make.
pub(crate) struct Call {
    /// As S3 names it.
    pub(crate) name: &'static str,
    /// Whether it changes nothing.
    pub(crate) read_only: bool,
    /// What it must be allowed.
    pub(crate) requirements: Vec<Requirement>,
    /// For the record.
    pub(crate) said: serde_json::Value,
}

impl Jobs {
    /// The condition keys of what a job does.
    fn context(&self, job: &Job, principal: &Principal) -> Context {
        let now = self.runtime.now();
        let mut context = Context::new()
            .with("aws:PrincipalAccount", principal.account.as_str())
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:ViaAWSService", "true")
            .with("aws:SecureTransport", "true")
            .with("aws:CurrentTime", now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .with("aws:EpochTime", now.as_second().to_string())
            .with("aws:RequestedRegion", job.scope.region.as_str())
            .with("aws:SourceArn", job.arn().to_string())
            .with("aws:SourceAccount", job.scope.account.as_str())
            .with("aws:userid", principal.id.clone());
        context.set_all("aws:CalledVia", [SERVICE.to_owned()]);
        if let Some(arn) = principal.arn() {
            context.set("aws:PrincipalArn", arn.to_string());
        }
        if let PrincipalKind::User { name, .. } = &principal.kind {
            context.set("aws:username", name.clone());
        }
        context
    }

    /// The caller of one of the job's calls, if it may.
    pub(crate) fn caller(&self, job: &Job, call: Call) -> Result<Caller, Denied> {
        let Call { name, read_only, mut requirements, said } = call;
        let principal = job.creator.clone();
        let context = self.context(job, &principal);
        let mut resources = vec![job.arn().to_string()];
        for requirement in &mut requirements {
            // What cannot be read of a bucket's tags is not there: then no policy that asks for them allows.
            let _ = self.set_bucket_tags(requirement);
            resources.extend(requirement.resource.as_ref().map(Arn::to_string));
        }
        resources.dedup();
        let authorized = self.authorizer.authorize(&principal, requirements, &context)?;
        let authorizer = BoundAuthorizer::new(self.authorizer.clone(), principal.clone(), context);
        let mut event = self.draft(job, name, principal, said);
        event.read_only = read_only;
        event.management = false;
        event.resources = resources;
        Ok(Caller::new(authorized, authorizer, event))
    }

    /// The controller itself, for what becomes of the job.
    pub(crate) fn controller(&self, job: &Job, said: serde_json::Value) -> Caller {
        let principal = Principal::service(job.scope.account.clone(), SERVICE);
        let event = self.draft(job, "JobStatusChanged", principal.clone(), said);
        let authorizer = BoundAuthorizer::new(self.authorizer.clone(), principal, Context::new());
        Caller::new(Authorized::internal(SERVICE, job.scope.account.clone()), authorizer, event)
    }

    fn draft(&self, job: &Job, name: &str, principal: Principal, said: serde_json::Value) -> EventDraft {
        EventDraft {
            id: self.runtime.entropy.bytes(),
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: name.to_owned(),
            read_only: false,
            management: true,
            scope: job.scope.clone(),
            principal,
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters: said.to_string(),
            resources: vec![job.arn().to_string()],
        }
    }

    /// Where a bucket lets policies speak of its tags, they find them.
    fn set_bucket_tags(&self, requirement: &mut Requirement) -> Result<(), ObjectsError> {
        let Some(resource) = &requirement.resource else { return Ok(()) };
        let (bucket, is_object) = match resource.resource.split_once('/') {
            Some((bucket, _)) => (BucketName::new(bucket)?, true),
            None => (BucketName::new(resource.resource.as_str())?, false),
        };
        for (tag, value) in self.objects.condition_bucket_tags(&bucket)?.iter() {
            requirement.context.set(&format!("s3:BucketTag/{tag}"), value);
            if !is_object {
                requirement.context.set(&format!("aws:ResourceTag/{tag}"), value);
            }
        }
        Ok(())
    }

    /// `action` on what is at a key now: its version and its tags are condition keys.
    pub(crate) fn on_existing(
        &self,
        action: &'static str,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<Requirement, ObjectsError> {
        let mut requirement = Requirement::new(action, key.arn(bucket));
        if let Some(version) = version {
            requirement.context.set("s3:VersionId", version.to_string());
        }
        for (tag, value) in self.objects.condition_tags(bucket, key, version)?.iter() {
            requirement.context.set(&format!("s3:ExistingObjectTag/{tag}"), value);
        }
        Ok(requirement)
    }

    /// Fails the job if the bucket is not that account's.
    pub(crate) fn check_owner(&self, bucket: &BucketName, expected: Option<&AccountId>) -> Result<(), JobsError> {
        let Some(expected) = expected else { return Ok(()) };
        let owner = self.objects.bucket_owner(bucket).map_err(|error| JobsError::of_objects("AccessDenied", error))?;
        if owner.as_ref() == Some(expected) {
            return Ok(());
        }
        let reason = format!("the bucket `{bucket}` is not of the account {expected}, which it was expected to be of");
        Err(JobsError::Failure(JobFailure::new("AccessDenied", reason)))
    }
}

/// Writes beside an effect that a task is done.
pub(crate) fn mark(at: tarn_metadata::Key) -> impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + Sync + 'static {
    move |tx| tx.put(crate::keyspaces::DONE, &at, &crate::keyspaces::Done {})
}
