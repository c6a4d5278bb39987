//! Tags of Batch Operations jobs on the wire.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::AwsError;

use crate::S3Control;
use crate::convert::{job_id, pairs, tags_out};
use crate::errors::of_jobs;

pub(crate) async fn get(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::GetJobTaggingRequest,
) -> Result<wire::GetJobTaggingResult, AwsError> {
    let id = job_id(input.job_id)?;
    let job = control.jobs.job(caller.authorized(), caller.scope(), &id).map_err(of_jobs)?;
    Ok(wire::GetJobTaggingResult { tags: Some(tags_out(&job.tags)) })
}

pub(crate) async fn put(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::PutJobTaggingRequest,
) -> Result<wire::PutJobTaggingResult, AwsError> {
    let id = job_id(input.job_id)?;
    control.jobs.put_job_tags(&caller, &id, pairs(input.tags)).await.map_err(of_jobs)?;
    Ok(wire::PutJobTaggingResult::default())
}

pub(crate) async fn delete(
    control: Arc<S3Control>,
    caller: Caller,
    input: wire::DeleteJobTaggingRequest,
) -> Result<wire::DeleteJobTaggingResult, AwsError> {
    let id = job_id(input.job_id)?;
    control.jobs.put_job_tags(&caller, &id, Vec::new()).await.map_err(of_jobs)?;
    Ok(wire::DeleteJobTaggingResult::default())
}
