//! What callers must be allowed. The account asked about must be the caller's own; actions on its settings have no resource to name.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use tarn_aws_model::s3control as wire;
use tarn_aws_model::s3control::SERVICE;
use tarn_aws_protocol::AwsError;
use tarn_jobs::{Job, JobId};
use tarn_policy::Requirement;
use tarn_types::{Arn, Scope};

use crate::S3Control;
use crate::convert::{bucket_name, s3_tags};
use crate::errors::of_jobs;
use crate::jobs::AWAITING_CONFIRMATION;

/// Whom a job's role is passed to.
const BATCH_OPERATIONS: &str = "batchoperations.s3.amazonaws.com";

type Requirements = Result<Vec<Requirement>, AwsError>;

fn own_account(account: Option<&String>, scope: &Scope) -> Result<(), AwsError> {
    match account {
        Some(account) if *account == scope.account.as_str() => Ok(()),
        Some(_) | None => Err(AwsError::access_denied(&SERVICE, "Access Denied: an account is for its own identities")),
    }
}

fn of_own_account(action: &'static str, account: Option<&String>, scope: &Scope) -> Requirements {
    own_account(account, scope)?;
    Ok(vec![Requirement::any(action)])
}

pub(crate) fn get_public_access_block(
    _: &S3Control,
    input: &wire::GetPublicAccessBlockRequest,
    scope: &Scope,
) -> Requirements {
    of_own_account("s3:GetAccountPublicAccessBlock", input.account_id.as_ref(), scope)
}

pub(crate) fn put_public_access_block(
    _: &S3Control,
    input: &wire::PutPublicAccessBlockRequest,
    scope: &Scope,
) -> Requirements {
    of_own_account("s3:PutAccountPublicAccessBlock", input.account_id.as_ref(), scope)
}

pub(crate) fn delete_public_access_block(
    _: &S3Control,
    input: &wire::DeletePublicAccessBlockRequest,
    scope: &Scope,
) -> Requirements {
    of_own_account("s3:PutAccountPublicAccessBlock", input.account_id.as_ref(), scope)
}

fn set_request_tags(requirement: &mut Requirement, tags: Option<&Vec<wire::S3Tag>>) {
    let Some(tags) = tags else { return };
    for tag in tags {
        if let Some(key) = &tag.key {
            requirement.context.set(&format!("aws:RequestTag/{key}"), tag.value.clone().unwrap_or_default());
        }
    }
    requirement.context.set_all("aws:TagKeys", tags.iter().filter_map(|tag| tag.key.clone()));
}

/// As the wire names the operation that is asked for.
fn operation_name(operation: &wire::JobOperation) -> Option<&'static str> {
    let given = [
        ("LambdaInvoke", operation.lambda_invoke.is_some()),
        ("S3PutObjectCopy", operation.s3_put_object_copy.is_some()),
        ("S3PutObjectAcl", operation.s3_put_object_acl.is_some()),
        ("S3PutObjectTagging", operation.s3_put_object_tagging.is_some()),
        ("S3DeleteObjectTagging", operation.s3_delete_object_tagging.is_some()),
        ("S3InitiateRestoreObject", operation.s3_initiate_restore_object.is_some()),
        ("S3PutObjectLegalHold", operation.s3_put_object_legal_hold.is_some()),
        ("S3PutObjectRetention", operation.s3_put_object_retention.is_some()),
        ("S3ReplicateObject", operation.s3_replicate_object.is_some()),
        ("S3ComputeObjectChecksum", operation.s3_compute_object_checksum.is_some()),
        ("S3UpdateObjectEncryption", operation.s3_update_object_encryption.is_some()),
    ];
    given.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
}

pub(crate) fn create_job(_: &S3Control, input: &wire::CreateJobRequest, scope: &Scope) -> Requirements {
    own_account(input.account_id.as_ref(), scope)?;
    let mut create = Requirement::any("s3:CreateJob");
    if let Some(priority) = input.priority {
        create.context.set("s3:RequestJobPriority", priority.to_string());
    }
    if let Some(name) = input.operation.as_ref().and_then(operation_name) {
        create.context.set("s3:RequestJobOperation", name);
    }
    set_request_tags(&mut create, input.tags.as_ref());
    let mut requirements = vec![create];
    if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        let mut tag = Requirement::new("s3:PutJobTagging", Job::arn_of(scope, "*"));
        set_request_tags(&mut tag, input.tags.as_ref());
        requirements.push(tag);
    }
    // What is no ARN is refused by the handler.
    if let Some(Ok(role)) = input.role_arn.as_deref().map(Arn::parse) {
        requirements.push(Requirement::new("iam:PassRole", role).with("iam:PassedToService", BATCH_OPERATIONS));
    }
    Ok(requirements)
}

/// `action` on a job, with what policies may ask of it.
fn on_job(
    control: &S3Control,
    action: &'static str,
    account: Option<&String>,
    id: Option<&String>,
    scope: &Scope,
) -> Result<Requirement, AwsError> {
    own_account(account, scope)?;
    let text = id.cloned().unwrap_or_default();
    let mut requirement = Requirement::new(action, Job::arn_of(scope, &text));
    let Some(id) = JobId::parse(&text) else { return Ok(requirement) };
    if let Some(job) = control.jobs.condition_job(scope, &id).map_err(of_jobs)? {
        requirement.context.set("s3:ExistingJobPriority", job.definition.priority.to_string());
        requirement.context.set("s3:ExistingJobOperation", job.definition.operation.name());
        for (key, value) in job.tags.iter() {
            requirement.context.set(&format!("aws:ResourceTag/{key}"), value);
        }
        if job.run.status == tarn_jobs::JobStatus::Suspended {
            requirement.context.set("s3:JobSuspendedCause", AWAITING_CONFIRMATION);
        }
    }
    Ok(requirement)
}

pub(crate) fn describe_job(control: &S3Control, input: &wire::DescribeJobRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_job(control, "s3:DescribeJob", input.account_id.as_ref(), input.job_id.as_ref(), scope)?])
}

pub(crate) fn list_jobs(_: &S3Control, input: &wire::ListJobsRequest, scope: &Scope) -> Requirements {
    of_own_account("s3:ListJobs", input.account_id.as_ref(), scope)
}

pub(crate) fn update_job_priority(
    control: &S3Control,
    input: &wire::UpdateJobPriorityRequest,
    scope: &Scope,
) -> Requirements {
    let mut requirement =
        on_job(control, "s3:UpdateJobPriority", input.account_id.as_ref(), input.job_id.as_ref(), scope)?;
    if let Some(priority) = input.priority {
        requirement.context.set("s3:RequestJobPriority", priority.to_string());
    }
    Ok(vec![requirement])
}

pub(crate) fn update_job_status(
    control: &S3Control,
    input: &wire::UpdateJobStatusRequest,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_job(control, "s3:UpdateJobStatus", input.account_id.as_ref(), input.job_id.as_ref(), scope)?])
}

pub(crate) fn get_job_tagging(control: &S3Control, input: &wire::GetJobTaggingRequest, scope: &Scope) -> Requirements {
    Ok(vec![on_job(control, "s3:GetJobTagging", input.account_id.as_ref(), input.job_id.as_ref(), scope)?])
}

pub(crate) fn put_job_tagging(control: &S3Control, input: &wire::PutJobTaggingRequest, scope: &Scope) -> Requirements {
    let mut requirement = on_job(control, "s3:PutJobTagging", input.account_id.as_ref(), input.job_id.as_ref(), scope)?;
    set_request_tags(&mut requirement, input.tags.as_ref());
    Ok(vec![requirement])
}

pub(crate) fn delete_job_tagging(
    control: &S3Control,
    input: &wire::DeleteJobTaggingRequest,
    scope: &Scope,
) -> Requirements {
    Ok(vec![on_job(control, "s3:DeleteJobTagging", input.account_id.as_ref(), input.job_id.as_ref(), scope)?])
}

/// `action` on a bucket.
fn on_bucket(
    action: &'static str,
    account: Option<&String>,
    resource: Option<&String>,
    scope: &Scope,
) -> Result<Requirement, AwsError> {
    own_account(account, scope)?;
    let name = bucket_name(resource)?;
    Ok(Requirement::new(action, Arn::s3_bucket(name.as_str())))
}

pub(crate) fn list_tags_for_resource(
    _: &S3Control,
    input: &wire::ListTagsForResourceRequest,
    scope: &Scope,
) -> Requirements {
    let (account, resource) = (input.account_id.as_ref(), input.resource_arn.as_ref());
    Ok(vec![on_bucket("s3:ListTagsForResource", account, resource, scope)?])
}

pub(crate) fn tag_resource(_: &S3Control, input: &wire::TagResourceRequest, scope: &Scope) -> Requirements {
    let (account, resource) = (input.account_id.as_ref(), input.resource_arn.as_ref());
    let mut requirement = on_bucket("s3:TagResource", account, resource, scope)?;
    set_request_tags(&mut requirement, s3_tags(input.tags.clone()).as_ref());
    Ok(vec![requirement])
}

pub(crate) fn untag_resource(_: &S3Control, input: &wire::UntagResourceRequest, scope: &Scope) -> Requirements {
    let (account, resource) = (input.account_id.as_ref(), input.resource_arn.as_ref());
    let mut requirement = on_bucket("s3:UntagResource", account, resource, scope)?;
    requirement.context.set_all("aws:TagKeys", input.tag_keys.iter().flatten().cloned());
    Ok(vec![requirement])
}
