//! Batch Operations jobs on the wire: made, described, listed, changed.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::AwsError;
use tarn_jobs::{CreateJob, Job, JobDefinition, JobStatus, LIST_JOBS_COUNT_MAX, ListJobs, RequestedStatus, TaskSource};
use tarn_types::Arn;

use crate::S3Control;
use crate::convert::{job_id, pairs, required, time};
use crate::errors::{bad_request, of_jobs};
use crate::job_operations::{operation, operation_out};
use crate::manifests;

/// Why a job waits that was asked to.
pub(crate) const AWAITING_CONFIRMATION: &str = "AwaitingConfirmation";

pub(crate) async fn create(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::CreateJobRequest,
) -> Result<wire::CreateJobResult, AwsError> {
    let role_arn =
        Arn::parse(&required(input.role_arn, "RoleArn")?).map_err(|error| bad_request(format!("RoleArn: {error}")))?;
    if role_arn.account != caller.scope().account.as_str() {
        return Err(bad_request("RoleArn must name a role of the account"));
    }
    let definition = JobDefinition {
        description: input.description,
        operation: operation(&control.identity, required(input.operation, "Operation")?)?,
        source: manifests::source(input.manifest, input.manifest_generator)?,
        report: manifests::report(input.report)?,
        priority: priority(input.priority)?,
        role_arn,
        confirmation_required: input.confirmation_required,
    };
    let token = required(input.client_request_token, "ClientRequestToken")?;
    let request = CreateJob { definition, tags: pairs(input.tags), token };
    let id = control.jobs.create_job(&caller, request).await.map_err(of_jobs)?;
    Ok(wire::CreateJobResult { job_id: Some(id.to_string()) })
}

fn priority(priority: Option<i32>) -> Result<u32, AwsError> {
    u32::try_from(required(priority, "Priority")?).map_err(|_| bad_request("Priority is not negative"))
}

fn priority_out(priority: u32) -> Option<i32> {
    i32::try_from(priority).ok()
}

fn progress(job: &Job) -> wire::JobProgressSummary {
    let count = |count: u64| i64::try_from(count).ok();
    wire::JobProgressSummary {
        total_number_of_tasks: count(job.run.total),
        number_of_tasks_succeeded: count(job.run.succeeded),
        number_of_tasks_failed: count(job.run.failed),
        timers: Some(wire::JobTimers { elapsed_time_in_active_seconds: Some(job.run.active_ms / 1_000) }),
    }
}

pub(crate) async fn describe(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::DescribeJobRequest,
) -> Result<wire::DescribeJobResult, AwsError> {
    let id = job_id(input.job_id)?;
    let job = control.jobs.job(caller.authorized(), caller.scope(), &id).map_err(of_jobs)?;
    let (manifest, manifest_generator) = match &job.definition.source {
        TaskSource::Manifest(manifest) => (Some(manifests::manifest_out(manifest)), None),
        TaskSource::Generator(generator) => (None, Some(manifests::generator_out(generator))),
    };
    let failures = job.run.failures.iter().map(|failure| wire::JobFailure {
        failure_code: Some(failure.code.clone()),
        failure_reason: Some(failure.reason.clone()),
    });
    let descriptor = wire::JobDescriptor {
        job_id: Some(job.id.to_string()),
        confirmation_required: Some(job.definition.confirmation_required.unwrap_or(false)),
        description: job.definition.description.clone(),
        job_arn: Some(job.arn().to_string()),
        status: Some(job.run.status.name().to_owned()),
        manifest,
        operation: Some(operation_out(&control.identity, &job.definition.operation)?),
        priority: priority_out(job.definition.priority),
        progress_summary: Some(progress(&job)),
        status_update_reason: job.run.status_reason.clone(),
        failure_reasons: Some(failures.collect()),
        report: Some(manifests::report_out(job.definition.report.as_ref())),
        creation_time: time(job.created_ms),
        termination_date: job.run.terminated_ms.and_then(time),
        role_arn: Some(job.definition.role_arn.to_string()),
        suspended_date: job.run.suspended_ms.and_then(time),
        suspended_cause: job.run.suspended_ms.map(|_| AWAITING_CONFIRMATION.to_owned()),
        manifest_generator,
        generated_manifest_descriptor: job.run.generated.as_ref().map(manifests::generated_out),
    };
    Ok(wire::DescribeJobResult { job: Some(descriptor) })
}

pub(crate) async fn list(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::ListJobsRequest,
) -> Result<wire::ListJobsResult, AwsError> {
    let status = |name: String| {
        JobStatus::parse(&name).ok_or_else(|| bad_request(format!("JobStatuses: `{name}` is no status of a job")))
    };
    let statuses = input.job_statuses.unwrap_or_default().into_iter().map(status).collect::<Result<_, _>>()?;
    let count_max = input.max_results.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let request = ListJobs { statuses, after: input.next_token, count_max: count_max.unwrap_or(LIST_JOBS_COUNT_MAX) };
    let page = control.jobs.list_jobs(caller.authorized(), caller.scope(), &request).map_err(of_jobs)?;
    let listed = page.jobs.iter().map(|job| wire::JobListDescriptor {
        job_id: Some(job.id.to_string()),
        description: job.definition.description.clone(),
        operation: Some(job.definition.operation.name().to_owned()),
        priority: priority_out(job.definition.priority),
        status: Some(job.run.status.name().to_owned()),
        creation_time: time(job.created_ms),
        termination_date: job.run.terminated_ms.and_then(time),
        progress_summary: Some(progress(job)),
    });
    Ok(wire::ListJobsResult { jobs: Some(listed.collect()), next_token: page.next })
}

pub(crate) async fn update_priority(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::UpdateJobPriorityRequest,
) -> Result<wire::UpdateJobPriorityResult, AwsError> {
    let (id, priority) = (job_id(input.job_id)?, priority(input.priority)?);
    let updated = control.jobs.update_job_priority(&caller, &id, priority).await;
    updated.map_err(|error| match error {
        // This operation knows no JobStatusException.
        tarn_jobs::JobsError::Status { .. } => bad_request(error.to_string()),
        error => of_jobs(error),
    })?;
    Ok(wire::UpdateJobPriorityResult { job_id: Some(id.to_string()), priority: priority_out(priority) })
}

pub(crate) async fn update_status(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::UpdateJobStatusRequest,
) -> Result<wire::UpdateJobStatusResult, AwsError> {
    let id = job_id(input.job_id)?;
    let request = match input.requested_job_status.as_deref() {
        Some("Ready") => RequestedStatus::Ready,
        Some("Cancelled") => RequestedStatus::Cancelled,
        Some(_) | None => return Err(bad_request("RequestedJobStatus is Cancelled or Ready")),
    };
    let reason = input.status_update_reason;
    let status = control.jobs.update_job_status(&caller, &id, request, reason.clone()).await.map_err(of_jobs)?;
    Ok(wire::UpdateJobStatusResult {
        job_id: Some(id.to_string()),
        status: Some(status.name().to_owned()),
        status_update_reason: reason,
    })
}
