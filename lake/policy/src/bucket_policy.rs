//! What S3 refuses in a bucket's policy when it is put: actions it does not have, actions on what they are not for, condition keys it does not
//! have, resources outside of the bucket. Knows no request.
//!
//! The names are those of <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use tarn_types::Arn;

use crate::condition::Condition;
use crate::document::{Policy, Statement};
use crate::errors::{PolicyError, PolicyProblem};
use crate::pattern::Pattern;

/// On objects.
const OBJECT_ACTIONS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "InitiateReplication",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
    "UpdateObjectEncryption",
];

/// On the bucket.
const BUCKET_ACTIONS: &[&str] = &[
    "CreateBucket",
    "CreateBucketMetadataTableConfiguration",
    "DeleteBucket",
    "DeleteBucketMetadataTableConfiguration",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAbac",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketMetadataTableConfiguration",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListTagsForResource",
    "PauseReplication",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAbac",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
    "TagResource",
    "UntagResource",
    "UpdateBucketMetadataInventoryTableConfiguration",
    "UpdateBucketMetadataJournalTableConfiguration",
];

/// On neither: accounts, access points, jobs and others.
const OTHER_ACTIONS: &[&str] = &[
    "AssociateAccessGrantsIdentityCenter",
    "CreateAccessGrant",
    "CreateAccessGrantsInstance",
    "CreateAccessGrantsLocation",
    "CreateAccessPoint",
    "CreateAccessPointForObjectLambda",
    "CreateJob",
    "CreateMultiRegionAccessPoint",
    "CreateStorageLensGroup",
    "DeleteAccessGrant",
    "DeleteAccessGrantsInstance",
    "DeleteAccessGrantsInstanceResourcePolicy",
    "DeleteAccessGrantsLocation",
    "DeleteAccessPoint",
    "DeleteAccessPointForObjectLambda",
    "DeleteAccessPointPolicy",
    "DeleteAccessPointPolicyForObjectLambda",
    "DeleteJobTagging",
    "DeleteMultiRegionAccessPoint",
    "DeleteStorageLensConfiguration",
    "DeleteStorageLensConfigurationTagging",
    "DeleteStorageLensGroup",
    "DescribeJob",
    "DescribeMultiRegionAccessPointOperation",
    "DissociateAccessGrantsIdentityCenter",
    "GetAccessGrant",
    "GetAccessGrantsInstance",
    "GetAccessGrantsInstanceForPrefix",
    "GetAccessGrantsInstanceResourcePolicy",
    "GetAccessGrantsLocation",
    "GetAccessPoint",
    "GetAccessPointConfigurationForObjectLambda",
    "GetAccessPointForObjectLambda",
    "GetAccessPointPolicy",
    "GetAccessPointPolicyForObjectLambda",
    "GetAccessPointPolicyStatus",
    "GetAccessPointPolicyStatusForObjectLambda",
    "GetAccountPublicAccessBlock",
    "GetDataAccess",
    "GetJobTagging",
    "GetMultiRegionAccessPoint",
    "GetMultiRegionAccessPointPolicy",
    "GetMultiRegionAccessPointPolicyStatus",
    "GetMultiRegionAccessPointRoutes",
    "GetStorageLensConfiguration",
    "GetStorageLensConfigurationTagging",
    "GetStorageLensDashboard",
    "GetStorageLensGroup",
    "ListAccessGrants",
    "ListAccessGrantsInstances",
    "ListAccessGrantsLocations",
    "ListAccessPoints",
    "ListAccessPointsForObjectLambda",
    "ListAllMyBuckets",
    "ListCallerAccessGrants",
    "ListJobs",
    "ListMultiRegionAccessPoints",
    "ListStorageLensConfigurations",
    "ListStorageLensGroups",
    "PutAccessGrantsInstanceResourcePolicy",
    "PutAccessPointConfigurationForObjectLambda",
    "PutAccessPointPolicy",
    "PutAccessPointPolicyForObjectLambda",
    "PutAccessPointPublicAccessBlock",
    "PutAccountPublicAccessBlock",
    "PutJobTagging",
    "PutMultiRegionAccessPointPolicy",
    "PutStorageLensConfiguration",
    "PutStorageLensConfigurationTagging",
    "SubmitMultiRegionAccessPointRoutes",
    "UpdateAccessGrantsLocation",
    "UpdateJobPriority",
    "UpdateJobStatus",
    "UpdateStorageLensGroup",
];

/// Those of S3, in lower case; one that ends in `/` has a name behind it.
const CONDITION_KEYS: &[&str] = &[
    "accessgrantscope",
    "accessgrantsinstancearn",
    "accessgrantslocationscope",
    "accesspointnetworkorigin",
    "accesspointtag/",
    "authtype",
    "buckettag/",
    "dataaccesspointaccount",
    "dataaccesspointarn",
    "delimiter",
    "destinationregion",
    "existingjoboperation",
    "existingjobpriority",
    "existingobjecttag/",
    "if-match",
    "if-none-match",
    "inventoryaccessibleoptionalfields",
    "isreplicationpauserequest",
    "jobsuspendedcause",
    "locationconstraint",
    "max-keys",
    "object-lock-legal-hold",
    "object-lock-mode",
    "object-lock-remaining-retention-days",
    "object-lock-retain-until-date",
    "objectcreationoperation",
    "prefix",
    "requestjoboperation",
    "requestjobpriority",
    "requestobjecttag/",
    "requestobjecttagkeys",
    "resourceaccount",
    "signatureage",
    "signatureversion",
    "tlsversion",
    "versionid",
    "x-amz-acl",
    "x-amz-bucket-namespace",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

impl Policy {
    /// Refuses a bucket's policy that speaks of anything but `bucket` (`arn:aws:s3:::NAME`) and what is in it, or of it in words that mean
    /// nothing there.
    pub fn check_of_bucket(&self, bucket: &Arn) -> Result<(), PolicyError> {
        let bucket = bucket.to_string();
        let problem = self.resources_outside(&bucket).or_else(|| {
            let of_statements = self.statements.iter().map(|statement| statement.problem_on(&bucket));
            of_statements.into_iter().flatten().next()
        });
        match problem {
            None => Ok(()),
            Some(problem) => Err(PolicyError { kind: self.kind, problem, position: None }),
        }
    }

    fn resources_outside(&self, bucket: &str) -> Option<PolicyProblem> {
        let inside = |text: &str| {
            let fixed = text.split(['*', '?']).next().unwrap_or_default();
            let wild = fixed.len() < text.len();
            text == bucket
                || text.strip_prefix(bucket).is_some_and(|rest| rest.starts_with('/'))
                || (wild && bucket.starts_with(fixed))
                || (wild && fixed.strip_prefix(bucket).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        let found = self.resource_texts.iter().find(|text| !inside(text))?;
        Some(PolicyProblem::Resource { found: found.clone() })
    }
}

impl Statement {
    fn problem_on(&self, bucket: &str) -> Option<PolicyProblem> {
        self.action_problem(bucket).or_else(|| {
            let unknown = self.conditions.iter().map(Condition::key).find(|key| !is_condition_key(key))?;
            Some(PolicyProblem::ConditionKey { found: unknown.to_owned() })
        })
    }

    /// What is left out by name is no matter: the rest is meant.
    fn action_problem(&self, bucket: &str) -> Option<PolicyProblem> {
        let objects = format!("{bucket}/");
        let resources = &self.resources;
        let on_bucket = resources.negated || resources.patterns.iter().any(|pattern| pattern.can_be(bucket));
        let on_objects = resources.negated || resources.patterns.iter().any(|pattern| pattern.can_begin(&objects));
        for pattern in self.actions.patterns.iter().filter(|_| !self.actions.negated) {
            let (of_objects, of_bucket) = (is_among(pattern, OBJECT_ACTIONS), is_among(pattern, BUCKET_ACTIONS));
            let found = pattern.to_string();
            if !of_objects && !of_bucket && !is_among(pattern, OTHER_ACTIONS) {
                return Some(PolicyProblem::Action { found });
            }
            if !(of_objects && on_objects || of_bucket && on_bucket) {
                return Some(PolicyProblem::ActionWithoutResource { found });
            }
        }
        None
    }
}

fn is_among(pattern: &Pattern, actions: &[&str]) -> bool {
    actions.iter().any(|action| pattern.can_be(&format!("s3:{}", action.to_ascii_lowercase())))
}

/// Keys of other vendors are not S3's to know.
fn is_condition_key(key: &str) -> bool {
    let Some(name) = key.strip_prefix("s3:") else { return true };
    CONDITION_KEYS.iter().any(|known| match known.strip_suffix('/') {
        Some(kind) => name.split_once('/').is_some_and(|(found, tag)| found == kind && !tag.is_empty()),
        None => name == *known,
    })
}
