//! S3 Control: what S3 keeps for an account rather than for a bucket, and S3 Batch Operations, over `tarn-objects` and `tarn-jobs`. It
//! signs with S3's name; the gateway tells it from S3 by its paths and by the account that every request names.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html>

mod acl;
mod convert;
mod errors;
mod job_operations;
mod job_tagging;
mod jobs;
mod manifests;
mod public_access_block;
mod resources;
mod tags;

use std::sync::Arc;

use tarn_aws_model::s3control::{SERVICE, operations as op};
use tarn_identity::Identity;
use tarn_jobs::Jobs;
use tarn_objects::Objects;
use tarn_operation::{Access, Table};

/// What S3 Control is over.
pub struct S3Control {
    objects: Objects,
    jobs: Jobs,
    identity: Arc<Identity>,
}

/// S3 Control over `objects` and `jobs`; `identity` knows accounts by the names that access control lists call them by.
pub fn service(objects: Objects, jobs: Jobs, identity: Arc<Identity>) -> Table<S3Control> {
    Table::new(&SERVICE, Arc::new(S3Control { objects, jobs, identity }))
        .with::<op::GetPublicAccessBlock, _, _>(
            Access::read("s3:GetAccountPublicAccessBlock"),
            resources::get_public_access_block,
            public_access_block::get,
        )
        .with::<op::PutPublicAccessBlock, _, _>(
            Access::write("s3:PutAccountPublicAccessBlock"),
            resources::put_public_access_block,
            public_access_block::put,
        )
        .with::<op::DeletePublicAccessBlock, _, _>(
            Access::write("s3:PutAccountPublicAccessBlock"),
            resources::delete_public_access_block,
            public_access_block::delete,
        )
        .with::<op::CreateJob, _, _>(Access::write("s3:CreateJob"), resources::create_job, jobs::create)
        .with::<op::DescribeJob, _, _>(Access::read("s3:DescribeJob"), resources::describe_job, jobs::describe)
        .with::<op::ListJobs, _, _>(Access::read("s3:ListJobs"), resources::list_jobs, jobs::list)
        .with::<op::UpdateJobPriority, _, _>(
            Access::write("s3:UpdateJobPriority"),
            resources::update_job_priority,
            jobs::update_priority,
        )
        .with::<op::UpdateJobStatus, _, _>(
            Access::write("s3:UpdateJobStatus"),
            resources::update_job_status,
            jobs::update_status,
        )
        .with::<op::GetJobTagging, _, _>(Access::read("s3:GetJobTagging"), resources::get_job_tagging, job_tagging::get)
        .with::<op::PutJobTagging, _, _>(
            Access::write("s3:PutJobTagging"),
            resources::put_job_tagging,
            job_tagging::put,
        )
        .with::<op::DeleteJobTagging, _, _>(
            Access::write("s3:DeleteJobTagging"),
            resources::delete_job_tagging,
            job_tagging::delete,
        )
        .with::<op::ListTagsForResource, _, _>(
            Access::read("s3:ListTagsForResource"),
            resources::list_tags_for_resource,
            tags::list,
        )
        .with::<op::TagResource, _, _>(Access::write("s3:TagResource"), resources::tag_resource, tags::tag)
        .with::<op::UntagResource, _, _>(Access::write("s3:UntagResource"), resources::untag_resource, tags::untag)
}
