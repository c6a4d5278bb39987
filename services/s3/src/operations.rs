//! The s3s trait, one line per operation: take the caller the gate let in, run the handler, tell the audit how it ended.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tarn_audit::Caller;
use tarn_objects::{Bucket, BucketName, Objects, ObjectsError};
use tarn_policy::{Authorized, Requirement};
use tarn_types::{AccountId, Arn};

use crate::api::Inner;
use crate::errors::objects_error;
use crate::refusals::Record;
use crate::{
    acl, bucket_encryption, buckets, copy, cors, delete, get, intelligent_tiering, inventory, lifecycle, listing, lock,
    logging, metrics, multipart, notification, ownership_controls, policy, public_access_block, put, replication,
    request_payment, restore, select, tagging, versioning, website,
};

pub(crate) struct Handlers(pub(crate) Arc<Inner>);

/// A call that the gate let in. A handler can have none otherwise.
pub(crate) struct Call {
    pub(crate) inner: Arc<Inner>,
    pub(crate) caller: Caller,
    record: Record,
}

impl Call {
    /// The caller that `access.rs` left with the request: without one, nobody decided.
    fn of<I>(handlers: &Handlers, request: &mut S3Request<I>) -> S3Result<Self> {
        match request.extensions.remove::<Caller>() {
            Some(caller) => {
                let record = request.extensions.get::<Record>().cloned().unwrap_or_default();
                Ok(Self { inner: handlers.0.clone(), caller, record })
            }
            None => Err(s3_error!(AccessDenied)),
        }
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.inner.objects
    }

    pub(crate) fn proof(&self) -> &Authorized {
        self.caller.authorized()
    }

    /// Tells the audit how it ended.
    fn ended<O>(&self, outcome: S3Result<S3Response<O>>) -> S3Result<S3Response<O>> {
        self.record.done();
        match &outcome {
            Ok(_) => self.inner.gate.done(&self.caller),
            // Not modified is an answer, not a failure.
            Err(error) if error.status_code().is_some_and(|status| status.is_redirection()) => {
                self.inner.gate.done(&self.caller)
            }
            Err(error) => {
                self.inner.gate.failed(&self.caller, error.code().as_str(), error.message().unwrap_or_default());
            }
        }
        outcome
    }

    /// That a key is missing is told only to those who may list the bucket; others learn no more than that they may not.
    pub(crate) fn hide_missing(&self, bucket: &BucketName, error: ObjectsError) -> s3s::S3Error {
        if let ObjectsError::NoSuchKey { key, .. }
        | ObjectsError::NoSuchVersion { key, .. }
        | ObjectsError::IsDeleteMarker { key, .. } = &error
        {
            let list = to_list(bucket.as_str(), key);
            if self.caller.authorizer().authorize(vec![list]).is_err() {
                return s3_error!(AccessDenied, "Access Denied");
            }
        }
        objects_error(error)
    }

    pub(crate) fn owner(&self, account: &AccountId) -> Option<Owner> {
        Some(crate::convert::owner(self.inner.gate.canonical_user(account)))
    }

    /// The owner of something in `bucket`; `None` is the bucket's.
    pub(crate) fn owner_in(&self, bucket: &Bucket, owner: Option<&AccountId>) -> Option<Owner> {
        self.owner(owner.filter(|_| bucket.has_acls()).unwrap_or(&bucket.owner))
    }
}

/// What lets one know that there is no object at `key`: to list it.
pub(crate) fn to_list(bucket: &str, key: &str) -> Requirement {
    Requirement::new("s3:ListBucket", Arn::s3_bucket(bucket)).with("s3:prefix", key)
}

macro_rules! operations {
    ($($method:ident($input:ident) -> $output:ident = $handler:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Handlers {
            $(async fn $method(&self, mut request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let call = Call::of(self, &mut request)?;
                let outcome = $handler(&call, request).await;
                call.ended(outcome)
            })*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list_buckets;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create_bucket;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets::delete_bucket;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head_bucket;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::get_bucket_location;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = versioning::get_bucket_versioning;
    put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput = versioning::put_bucket_versioning;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput = bucket_encryption::get_bucket_encryption;
    put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput = bucket_encryption::put_bucket_encryption;
    delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput = bucket_encryption::delete_bucket_encryption;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = acl::get_bucket_acl;
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = acl::put_bucket_acl;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = acl::get_object_acl;
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput = acl::put_object_acl;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput = ownership_controls::get_bucket_ownership_controls;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput = ownership_controls::put_bucket_ownership_controls;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput = ownership_controls::delete_bucket_ownership_controls;
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput = public_access_block::get_public_access_block;
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput = public_access_block::put_public_access_block;
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput = public_access_block::delete_public_access_block;
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput = policy::get_bucket_policy_status;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = cors::get_bucket_cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = cors::put_bucket_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = cors::delete_bucket_cors;
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput = website::get_bucket_website;
    put_bucket_website(PutBucketWebsiteInput) -> PutBucketWebsiteOutput = website::put_bucket_website;
    delete_bucket_website(DeleteBucketWebsiteInput) -> DeleteBucketWebsiteOutput = website::delete_bucket_website;
    get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput = metrics::get_bucket_metrics_configuration;
    put_bucket_metrics_configuration(PutBucketMetricsConfigurationInput) -> PutBucketMetricsConfigurationOutput = metrics::put_bucket_metrics_configuration;
    delete_bucket_metrics_configuration(DeleteBucketMetricsConfigurationInput) -> DeleteBucketMetricsConfigurationOutput = metrics::delete_bucket_metrics_configuration;
    list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput = metrics::list_bucket_metrics_configurations;
    get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput) -> GetBucketIntelligentTieringConfigurationOutput = intelligent_tiering::get_bucket_intelligent_tiering_configuration;
    put_bucket_intelligent_tiering_configuration(PutBucketIntelligentTieringConfigurationInput) -> PutBucketIntelligentTieringConfigurationOutput = intelligent_tiering::put_bucket_intelligent_tiering_configuration;
    delete_bucket_intelligent_tiering_configuration(DeleteBucketIntelligentTieringConfigurationInput) -> DeleteBucketIntelligentTieringConfigurationOutput = intelligent_tiering::delete_bucket_intelligent_tiering_configuration;
    list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput = intelligent_tiering::list_bucket_intelligent_tiering_configurations;
    get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput = inventory::get_bucket_inventory_configuration;
    put_bucket_inventory_configuration(PutBucketInventoryConfigurationInput) -> PutBucketInventoryConfigurationOutput = inventory::put_bucket_inventory_configuration;
    delete_bucket_inventory_configuration(DeleteBucketInventoryConfigurationInput) -> DeleteBucketInventoryConfigurationOutput = inventory::delete_bucket_inventory_configuration;
    list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput = inventory::list_bucket_inventory_configurations;
    get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput = metrics::get_bucket_analytics_configuration;
    put_bucket_analytics_configuration(PutBucketAnalyticsConfigurationInput) -> PutBucketAnalyticsConfigurationOutput = metrics::put_bucket_analytics_configuration;
    delete_bucket_analytics_configuration(DeleteBucketAnalyticsConfigurationInput) -> DeleteBucketAnalyticsConfigurationOutput = metrics::delete_bucket_analytics_configuration;
    list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput = metrics::list_bucket_analytics_configurations;
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput = request_payment::get_bucket_request_payment;
    put_bucket_request_payment(PutBucketRequestPaymentInput) -> PutBucketRequestPaymentOutput = request_payment::put_bucket_request_payment;
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput = request_payment::get_bucket_accelerate_configuration;
    put_bucket_accelerate_configuration(PutBucketAccelerateConfigurationInput) -> PutBucketAccelerateConfigurationOutput = request_payment::put_bucket_accelerate_configuration;
    get_bucket_abac(GetBucketAbacInput) -> GetBucketAbacOutput = request_payment::get_bucket_abac;
    put_bucket_abac(PutBucketAbacInput) -> PutBucketAbacOutput = request_payment::put_bucket_abac;
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = logging::get_bucket_logging;
    put_bucket_logging(PutBucketLoggingInput) -> PutBucketLoggingOutput = logging::put_bucket_logging;
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput = notification::get_bucket_notification_configuration;
    put_bucket_notification_configuration(PutBucketNotificationConfigurationInput) -> PutBucketNotificationConfigurationOutput = notification::put_bucket_notification_configuration;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput = replication::get_bucket_replication;
    put_bucket_replication(PutBucketReplicationInput) -> PutBucketReplicationOutput = replication::put_bucket_replication;
    delete_bucket_replication(DeleteBucketReplicationInput) -> DeleteBucketReplicationOutput = replication::delete_bucket_replication;
    get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput = policy::get_bucket_policy;
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = policy::put_bucket_policy;
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput = policy::delete_bucket_policy;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = tagging::get_bucket_tagging;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = tagging::put_bucket_tagging;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = tagging::delete_bucket_tagging;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput = lifecycle::get_bucket_lifecycle_configuration;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput) -> PutBucketLifecycleConfigurationOutput = lifecycle::put_bucket_lifecycle_configuration;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput = lifecycle::delete_bucket_lifecycle;
    list_objects(ListObjectsInput) -> ListObjectsOutput = listing::list_objects;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listing::list_objects_v2;
    list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput = versioning::list_object_versions;
    get_object(GetObjectInput) -> GetObjectOutput = get::get_object;
    head_object(HeadObjectInput) -> HeadObjectOutput = get::head_object;
    select_object_content(SelectObjectContentInput) -> SelectObjectContentOutput = select::select_object_content;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = get::get_object_attributes;
    put_object(PutObjectInput) -> PutObjectOutput = put::put_object;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy::copy_object;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete::delete_object;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete::delete_objects;
    restore_object(RestoreObjectInput) -> RestoreObjectOutput = restore::restore_object;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tagging::get_object_tagging;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tagging::put_object_tagging;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tagging::delete_object_tagging;
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput = lock::get_object_lock_configuration;
    put_object_lock_configuration(PutObjectLockConfigurationInput) -> PutObjectLockConfigurationOutput = lock::put_object_lock_configuration;
    get_object_retention(GetObjectRetentionInput) -> GetObjectRetentionOutput = lock::get_object_retention;
    put_object_retention(PutObjectRetentionInput) -> PutObjectRetentionOutput = lock::put_object_retention;
    get_object_legal_hold(GetObjectLegalHoldInput) -> GetObjectLegalHoldOutput = lock::get_object_legal_hold;
    put_object_legal_hold(PutObjectLegalHoldInput) -> PutObjectLegalHoldOutput = lock::put_object_legal_hold;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = multipart::create_multipart_upload;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart::upload_part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copy::upload_part_copy;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = multipart::complete_multipart_upload;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort_multipart_upload;
    list_parts(ListPartsInput) -> ListPartsOutput = multipart::list_parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = multipart::list_multipart_uploads;
}
