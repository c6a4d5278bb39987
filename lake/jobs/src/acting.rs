//! As whom a job acts: a session of its role, for each of its calls, with what that must be allowed and the record of it. Whether the role
//! still is, and still trusts the service, is asked each time.

use tarn_audit::{Caller, EventDraft};
use tarn_metadata::{StoreError, Tx};
use tarn_objects::BucketName;
use tarn_policy::{Authorized, BoundAuthorizer, Context, Denied, Principal, Requirement, ServiceRoles};
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
    /// The session of its role that a job is.
    fn session(&self, job: &Job) -> Result<Principal, Denied> {
        let (role, name) = (&job.definition.role_arn, format!("s3-batch-operations_{}", job.id));
        self.roles.assume(role, &job.scope.account, &job.arn().to_string(), &name)
    }

    /// The caller of one of the job's calls, if it may.
    pub(crate) fn caller(&self, job: &Job, call: Call) -> Result<Caller, Denied> {
        let Call { name, read_only, requirements, said } = call;
        let principal = self.session(job)?;
        let context = ServiceRoles::context(self.runtime.now(), &job.scope.region);
        let mut resources = vec![job.arn().to_string()];
        for requirement in &requirements {
            resources.extend(requirement.resource.as_ref().map(Arn::to_string));
        }
        resources.dedup();
        let authorized = self.roles.authorizer().authorize(&principal, requirements, &context)?;
        let authorizer = BoundAuthorizer::new(self.roles.authorizer().clone(), principal.clone(), context);
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
        let authorizer = BoundAuthorizer::new(self.roles.authorizer().clone(), principal, Context::new());
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
