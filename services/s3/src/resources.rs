//! What callers must be allowed: one row for each operation that is served, with the resources and condition keys of its request.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use s3s::dto::{CopySource, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tarn_objects::{BucketName, ObjectKey, Objects, UploadName, VersionId};
use tarn_policy::Requirement;
use tarn_types::Arn;

use crate::convert::{millis, parse_tagging_header, timestamp};
use crate::errors::objects_error;

/// One operation: its class for the audit, and what it requires.
pub struct Operation {
    /// As AWS names it.
    pub name: &'static str,
    /// The IAM action that stands for it.
    pub action: &'static str,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// CloudTrail's managementEvent.
    pub management: bool,
    /// Whether what it requires is in its body: then its handler asks, once for each thing named there.
    pub asks_in_handler: bool,
    pub(crate) requirements: fn(&Objects, &Request<'_>) -> S3Result<Vec<Requirement>>,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A request as far as it is known before it is decoded.
pub(crate) struct Request<'a> {
    pub(crate) bucket: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a str,
    pub(crate) now_ms: i64,
}

const fn row(
    name: &'static str,
    action: &'static str,
    read_only: bool,
    management: bool,
    requirements: fn(&Objects, &Request<'_>) -> S3Result<Vec<Requirement>>,
) -> Operation {
    Operation { name, action, read_only, management, asks_in_handler: false, requirements }
}

const fn row_by_handler(name: &'static str, action: &'static str) -> Operation {
    Operation {
        name,
        action,
        read_only: false,
        management: false,
        asks_in_handler: true,
        requirements: |_, _| Ok(Vec::new()),
    }
}

macro_rules! on_bucket {
    ($action:literal) => {
        |_, request| Ok(vec![request.on_bucket($action)?])
    };
}

static OPERATIONS: &[Operation] = &[
    // Policies name all buckets, where they do not name everything.
    row("ListBuckets", "s3:ListAllMyBuckets", true, true, |_, _| {
        Ok(vec![Requirement::new("s3:ListAllMyBuckets", Arn::s3_bucket("*"))])
    }),
    Operation { management: true, ..row_by_handler("CreateBucket", "s3:CreateBucket") },
    row("DeleteBucket", "s3:DeleteBucket", false, true, on_bucket!("s3:DeleteBucket")),
    row("HeadBucket", "s3:ListBucket", true, true, on_bucket!("s3:ListBucket")),
    row("GetBucketLocation", "s3:GetBucketLocation", true, true, on_bucket!("s3:GetBucketLocation")),
    row("GetBucketPolicy", "s3:GetBucketPolicy", true, true, on_bucket!("s3:GetBucketPolicy")),
    row("PutBucketPolicy", "s3:PutBucketPolicy", false, true, on_bucket!("s3:PutBucketPolicy")),
    row("DeleteBucketPolicy", "s3:DeleteBucketPolicy", false, true, on_bucket!("s3:DeleteBucketPolicy")),
    row("GetBucketCors", "s3:GetBucketCORS", true, true, on_bucket!("s3:GetBucketCORS")),
    row("PutBucketCors", "s3:PutBucketCORS", false, true, on_bucket!("s3:PutBucketCORS")),
    row("DeleteBucketCors", "s3:PutBucketCORS", false, true, on_bucket!("s3:PutBucketCORS")),
    row("GetBucketWebsite", "s3:GetBucketWebsite", true, true, on_bucket!("s3:GetBucketWebsite")),
    row("PutBucketWebsite", "s3:PutBucketWebsite", false, true, on_bucket!("s3:PutBucketWebsite")),
    row("DeleteBucketWebsite", "s3:DeleteBucketWebsite", false, true, on_bucket!("s3:DeleteBucketWebsite")),
    row(
        "GetBucketMetricsConfiguration",
        "s3:GetMetricsConfiguration",
        true,
        true,
        on_bucket!("s3:GetMetricsConfiguration"),
    ),
    row(
        "PutBucketMetricsConfiguration",
        "s3:PutMetricsConfiguration",
        false,
        true,
        on_bucket!("s3:PutMetricsConfiguration"),
    ),
    row(
        "DeleteBucketMetricsConfiguration",
        "s3:PutMetricsConfiguration",
        false,
        true,
        on_bucket!("s3:PutMetricsConfiguration"),
    ),
    row(
        "ListBucketMetricsConfigurations",
        "s3:GetMetricsConfiguration",
        true,
        true,
        on_bucket!("s3:GetMetricsConfiguration"),
    ),
    row(
        "GetBucketIntelligentTieringConfiguration",
        "s3:GetIntelligentTieringConfiguration",
        true,
        true,
        on_bucket!("s3:GetIntelligentTieringConfiguration"),
    ),
    row(
        "PutBucketIntelligentTieringConfiguration",
        "s3:PutIntelligentTieringConfiguration",
        false,
        true,
        on_bucket!("s3:PutIntelligentTieringConfiguration"),
    ),
    row(
        "DeleteBucketIntelligentTieringConfiguration",
        "s3:PutIntelligentTieringConfiguration",
        false,
        true,
        on_bucket!("s3:PutIntelligentTieringConfiguration"),
    ),
    row(
        "ListBucketIntelligentTieringConfigurations",
        "s3:GetIntelligentTieringConfiguration",
        true,
        true,
        on_bucket!("s3:GetIntelligentTieringConfiguration"),
    ),
    row(
        "GetBucketInventoryConfiguration",
        "s3:GetInventoryConfiguration",
        true,
        true,
        on_bucket!("s3:GetInventoryConfiguration"),
    ),
    Operation { management: true, ..row_by_handler("PutBucketInventoryConfiguration", "s3:PutInventoryConfiguration") },
    row(
        "DeleteBucketInventoryConfiguration",
        "s3:PutInventoryConfiguration",
        false,
        true,
        on_bucket!("s3:PutInventoryConfiguration"),
    ),
    row(
        "ListBucketInventoryConfigurations",
        "s3:GetInventoryConfiguration",
        true,
        true,
        on_bucket!("s3:GetInventoryConfiguration"),
    ),
    row(
        "GetBucketAnalyticsConfiguration",
        "s3:GetAnalyticsConfiguration",
        true,
        true,
        on_bucket!("s3:GetAnalyticsConfiguration"),
    ),
    row(
        "PutBucketAnalyticsConfiguration",
        "s3:PutAnalyticsConfiguration",
        false,
        true,
        on_bucket!("s3:PutAnalyticsConfiguration"),
    ),
    row(
        "DeleteBucketAnalyticsConfiguration",
        "s3:PutAnalyticsConfiguration",
        false,
        true,
        on_bucket!("s3:PutAnalyticsConfiguration"),
    ),
    row(
        "ListBucketAnalyticsConfigurations",
        "s3:GetAnalyticsConfiguration",
        true,
        true,
        on_bucket!("s3:GetAnalyticsConfiguration"),
    ),
    row("GetBucketRequestPayment", "s3:GetBucketRequestPayment", true, true, on_bucket!("s3:GetBucketRequestPayment")),
    row("PutBucketRequestPayment", "s3:PutBucketRequestPayment", false, true, on_bucket!("s3:PutBucketRequestPayment")),
    row(
        "GetBucketAccelerateConfiguration",
        "s3:GetAccelerateConfiguration",
        true,
        true,
        on_bucket!("s3:GetAccelerateConfiguration"),
    ),
    row(
        "PutBucketAccelerateConfiguration",
        "s3:PutAccelerateConfiguration",
        false,
        true,
        on_bucket!("s3:PutAccelerateConfiguration"),
    ),
    row("GetBucketAbac", "s3:GetBucketAbac", true, true, on_bucket!("s3:GetBucketAbac")),
    row("PutBucketAbac", "s3:PutBucketAbac", false, true, on_bucket!("s3:PutBucketAbac")),
    row("GetBucketLogging", "s3:GetBucketLogging", true, true, on_bucket!("s3:GetBucketLogging")),
    row("PutBucketLogging", "s3:PutBucketLogging", false, true, on_bucket!("s3:PutBucketLogging")),
    row(
        "GetBucketNotificationConfiguration",
        "s3:GetBucketNotification",
        true,
        true,
        on_bucket!("s3:GetBucketNotification"),
    ),
    row(
        "PutBucketNotificationConfiguration",
        "s3:PutBucketNotification",
        false,
        true,
        on_bucket!("s3:PutBucketNotification"),
    ),
    row(
        "GetBucketReplication",
        "s3:GetReplicationConfiguration",
        true,
        true,
        on_bucket!("s3:GetReplicationConfiguration"),
    ),
    row(
        "PutBucketReplication",
        "s3:PutReplicationConfiguration",
        false,
        true,
        on_bucket!("s3:PutReplicationConfiguration"),
    ),
    row(
        "DeleteBucketReplication",
        "s3:PutReplicationConfiguration",
        false,
        true,
        on_bucket!("s3:PutReplicationConfiguration"),
    ),
    row("GetBucketTagging", "s3:GetBucketTagging", true, true, on_bucket!("s3:GetBucketTagging")),
    row("PutBucketTagging", "s3:PutBucketTagging", false, true, on_bucket!("s3:PutBucketTagging")),
    row("DeleteBucketTagging", "s3:PutBucketTagging", false, true, on_bucket!("s3:PutBucketTagging")),
    row("GetBucketVersioning", "s3:GetBucketVersioning", true, true, on_bucket!("s3:GetBucketVersioning")),
    row("PutBucketVersioning", "s3:PutBucketVersioning", false, true, on_bucket!("s3:PutBucketVersioning")),
    row(
        "GetObjectLockConfiguration",
        "s3:GetBucketObjectLockConfiguration",
        true,
        true,
        on_bucket!("s3:GetBucketObjectLockConfiguration"),
    ),
    row(
        "PutObjectLockConfiguration",
        "s3:PutBucketObjectLockConfiguration",
        false,
        true,
        on_bucket!("s3:PutBucketObjectLockConfiguration"),
    ),
    row(
        "GetBucketEncryption",
        "s3:GetEncryptionConfiguration",
        true,
        true,
        on_bucket!("s3:GetEncryptionConfiguration"),
    ),
    row(
        "PutBucketEncryption",
        "s3:PutEncryptionConfiguration",
        false,
        true,
        on_bucket!("s3:PutEncryptionConfiguration"),
    ),
    row(
        "DeleteBucketEncryption",
        "s3:PutEncryptionConfiguration",
        false,
        true,
        on_bucket!("s3:PutEncryptionConfiguration"),
    ),
    row("GetBucketAcl", "s3:GetBucketAcl", true, true, on_bucket!("s3:GetBucketAcl")),
    row("PutBucketAcl", "s3:PutBucketAcl", false, true, on_bucket!("s3:PutBucketAcl")),
    row("GetObjectAcl", "s3:GetObjectAcl", true, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:GetObjectAcl", "s3:GetObjectVersionAcl"))?])
    }),
    row("PutObjectAcl", "s3:PutObjectAcl", false, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:PutObjectAcl", "s3:PutObjectVersionAcl"))?])
    }),
    row(
        "GetBucketOwnershipControls",
        "s3:GetBucketOwnershipControls",
        true,
        true,
        on_bucket!("s3:GetBucketOwnershipControls"),
    ),
    row(
        "PutBucketOwnershipControls",
        "s3:PutBucketOwnershipControls",
        false,
        true,
        on_bucket!("s3:PutBucketOwnershipControls"),
    ),
    row(
        "DeleteBucketOwnershipControls",
        "s3:PutBucketOwnershipControls",
        false,
        true,
        on_bucket!("s3:PutBucketOwnershipControls"),
    ),
    row(
        "GetPublicAccessBlock",
        "s3:GetBucketPublicAccessBlock",
        true,
        true,
        on_bucket!("s3:GetBucketPublicAccessBlock"),
    ),
    row(
        "PutPublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
        false,
        true,
        on_bucket!("s3:PutBucketPublicAccessBlock"),
    ),
    row(
        "DeletePublicAccessBlock",
        "s3:PutBucketPublicAccessBlock",
        false,
        true,
        on_bucket!("s3:PutBucketPublicAccessBlock"),
    ),
    row("GetBucketPolicyStatus", "s3:GetBucketPolicyStatus", true, true, on_bucket!("s3:GetBucketPolicyStatus")),
    row(
        "GetBucketLifecycleConfiguration",
        "s3:GetLifecycleConfiguration",
        true,
        true,
        on_bucket!("s3:GetLifecycleConfiguration"),
    ),
    row(
        "PutBucketLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
        false,
        true,
        on_bucket!("s3:PutLifecycleConfiguration"),
    ),
    row(
        "DeleteBucketLifecycle",
        "s3:PutLifecycleConfiguration",
        false,
        true,
        on_bucket!("s3:PutLifecycleConfiguration"),
    ),
    row("ListObjects", "s3:ListBucket", true, false, |_, request| Ok(vec![request.listing("s3:ListBucket")?])),
    row("ListObjectsV2", "s3:ListBucket", true, false, |_, request| Ok(vec![request.listing("s3:ListBucket")?])),
    row("ListObjectVersions", "s3:ListBucketVersions", true, false, |_, request| {
        Ok(vec![request.listing("s3:ListBucketVersions")?])
    }),
    row("ListMultipartUploads", "s3:ListBucketMultipartUploads", true, false, |_, request| {
        Ok(vec![request.listing("s3:ListBucketMultipartUploads")?])
    }),
    row("GetObject", "s3:GetObject", true, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:GetObject", "s3:GetObjectVersion"))?])
    }),
    row("HeadObject", "s3:GetObject", true, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:GetObject", "s3:GetObjectVersion"))?])
    }),
    row("SelectObjectContent", "s3:GetObject", true, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:GetObject", "s3:GetObjectVersion"))?])
    }),
    row("GetObjectAttributes", "s3:GetObjectAttributes", true, false, |objects, request| {
        Ok(vec![
            request.existing(objects, request.versioned("s3:GetObject", "s3:GetObjectVersion"))?,
            request.existing(objects, request.versioned("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"))?,
        ])
    }),
    row("RestoreObject", "s3:RestoreObject", false, false, |objects, request| {
        Ok(vec![request.existing(objects, "s3:RestoreObject")?])
    }),
    row("GetObjectTagging", "s3:GetObjectTagging", true, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging"))?])
    }),
    row("GetObjectRetention", "s3:GetObjectRetention", true, false, |objects, request| {
        Ok(vec![request.existing(objects, "s3:GetObjectRetention")?])
    }),
    row_by_handler("PutObjectRetention", "s3:PutObjectRetention"),
    row("GetObjectLegalHold", "s3:GetObjectLegalHold", true, false, |objects, request| {
        Ok(vec![request.existing(objects, "s3:GetObjectLegalHold")?])
    }),
    row_by_handler("PutObjectLegalHold", "s3:PutObjectLegalHold"),
    row_by_handler("PutObjectTagging", "s3:PutObjectTagging"),
    row("DeleteObjectTagging", "s3:DeleteObjectTagging", false, false, |objects, request| {
        Ok(vec![
            request.existing(objects, request.versioned("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"))?,
        ])
    }),
    row("PutObject", "s3:PutObject", false, false, |_, request| request.put()),
    row("CreateMultipartUpload", "s3:PutObject", false, false, |_, request| request.put()),
    row("UploadPart", "s3:PutObject", false, false, |objects, request| request.of_upload(objects, request.put()?)),
    row("CompleteMultipartUpload", "s3:PutObject", false, false, |objects, request| {
        request.of_upload(objects, request.put()?)
    }),
    row("CopyObject", "s3:PutObject", false, false, |objects, request| request.copy(objects)),
    row("UploadPartCopy", "s3:PutObject", false, false, |objects, request| {
        request.of_upload(objects, request.copy(objects)?)
    }),
    row("AbortMultipartUpload", "s3:AbortMultipartUpload", false, false, |_, request| {
        Ok(vec![request.on_object("s3:AbortMultipartUpload")?])
    }),
    row("ListParts", "s3:ListMultipartUploadParts", true, false, |_, request| {
        Ok(vec![request.on_object("s3:ListMultipartUploadParts")?])
    }),
    row("DeleteObject", "s3:DeleteObject", false, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:DeleteObject", "s3:DeleteObjectVersion"))?])
    }),
    row_by_handler("DeleteObjects", "s3:DeleteObject"),
];

/// The row of an operation; without one it is not served.
pub(crate) fn operation(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

/// All operations that are served.
pub fn operations() -> &'static [Operation] {
    OPERATIONS
}

/// An object's ARN with its version, if the request names one, and the tags it has now as condition keys.
pub(crate) fn on_existing(
    objects: &Objects,
    action: &'static str,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> S3Result<Requirement> {
    // What cannot be has no tags; its operation will say so.
    let none = || Requirement::new(action, Arn::s3_object(bucket, key));
    let (Ok(of_bucket), Ok(of_key)) = (BucketName::new(bucket), ObjectKey::new(key)) else { return Ok(none()) };
    match version.map(|text| VersionId::parse(text).ok_or(text)).transpose() {
        Ok(id) => objects.on_existing(action, &of_bucket, &of_key, id.as_ref()).map_err(objects_error),
        Err(text) => Ok(none().with("s3:VersionId", text)),
    }
}

impl Request<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    fn bucket(&self) -> S3Result<&str> {
        self.bucket.ok_or_else(|| s3_error!(InvalidRequest, "The request names no bucket"))
    }

    fn key(&self) -> S3Result<&str> {
        self.key.ok_or_else(|| s3_error!(InvalidRequest, "The request names no object"))
    }

    fn on_bucket(&self, action: &'static str) -> S3Result<Requirement> {
        let mut requirement = Requirement::new(action, Arn::s3_bucket(self.bucket()?));
        self.header_keys(&mut requirement);
        Ok(requirement)
    }

    fn on_object(&self, action: &'static str) -> S3Result<Requirement> {
        let mut requirement = Requirement::new(action, Arn::s3_object(self.bucket()?, self.key()?));
        self.header_keys(&mut requirement);
        Ok(requirement)
    }

    fn existing(&self, objects: &Objects, action: &'static str) -> S3Result<Requirement> {
        let version = self.parameter("versionId");
        let mut requirement = on_existing(objects, action, self.bucket()?, self.key()?, version.as_deref())?;
        self.header_keys(&mut requirement);
        Ok(requirement)
    }

    fn versioned(&self, action: &'static str, of_version: &'static str) -> &'static str {
        if self.parameter("versionId").is_some() { of_version } else { action }
    }

    fn listing(&self, action: &'static str) -> S3Result<Requirement> {
        let mut requirement = self.on_bucket(action)?;
        // A listing without a prefix has the empty one: policies compare with it.
        requirement.context.set("s3:prefix", self.parameter("prefix").unwrap_or_default());
        for (key, parameter) in [("s3:delimiter", "delimiter"), ("s3:max-keys", "max-keys")] {
            if let Some(value) = self.parameter(parameter) {
                requirement.context.set(key, value);
            }
        }
        Ok(requirement)
    }

    fn header_keys(&self, requirement: &mut Requirement) {
        const KEYS: [(&str, &str); 17] = [
            ("s3:x-amz-acl", "x-amz-acl"),
            ("s3:x-amz-grant-read", "x-amz-grant-read"),
            ("s3:x-amz-grant-write", "x-amz-grant-write"),
            ("s3:x-amz-grant-read-acp", "x-amz-grant-read-acp"),
            ("s3:x-amz-grant-write-acp", "x-amz-grant-write-acp"),
            ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
            ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
            ("s3:x-amz-copy-source", "x-amz-copy-source"),
            ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
            ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
            ("s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"),
            ("s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"),
            ("s3:x-amz-storage-class", "x-amz-storage-class"),
            ("s3:x-amz-website-redirect-location", "x-amz-website-redirect-location"),
            ("s3:if-match", "if-match"),
            ("s3:if-none-match", "if-none-match"),
            ("s3:x-amz-object-ownership", "x-amz-object-ownership"),
        ];
        for (key, header) in KEYS {
            if let Some(value) = self.header(header) {
                requirement.context.set(key, value);
            }
        }
        if let Some(version) = self.parameter("versionId") {
            requirement.context.set("s3:VersionId", version);
        }
    }

    /// Whether an access control list is asked for in headers.
    fn asks_for_acl(&self) -> bool {
        self.header("x-amz-acl").is_some_and(|acl| !acl.is_empty())
            || self.headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"))
    }

    /// The bucket will be the caller's own, its list and its rules too. Its tags are condition keys, and stand in the body.
    pub(crate) fn create_bucket(&self, tags: &[(String, String)]) -> S3Result<Vec<Requirement>> {
        let mut requirements = vec![self.on_bucket("s3:CreateBucket")?];
        if self.header("x-amz-bucket-object-lock-enabled").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            requirements.push(self.on_bucket("s3:PutBucketObjectLockConfiguration")?.of_callers_own());
            requirements.push(self.on_bucket("s3:PutBucketVersioning")?.of_callers_own());
        }
        if self.asks_for_acl() {
            requirements.push(self.on_bucket("s3:PutBucketAcl")?.of_callers_own());
        }
        if self.header("x-amz-object-ownership").is_some() {
            requirements.push(self.on_bucket("s3:PutBucketOwnershipControls")?.of_callers_own());
        }
        if !tags.is_empty() {
            requirements.push(self.on_bucket("s3:TagResource")?.of_callers_own());
        }
        Ok(requirements.into_iter().map(|need| need.with_request_tags(tags.iter().cloned())).collect())
    }

    /// What a write that locks what it writes must be allowed besides, with the lock as condition keys of all.
    fn lock(&self, requirements: &mut Vec<Requirement>) -> S3Result<()> {
        let mode = self.header("x-amz-object-lock-mode");
        let until = self.header("x-amz-object-lock-retain-until-date");
        let legal_hold = self.header("x-amz-object-lock-legal-hold");
        if mode.is_some() || until.is_some() {
            requirements.push(self.on_object("s3:PutObjectRetention")?);
        }
        if legal_hold.is_some() {
            requirements.push(self.on_object("s3:PutObjectLegalHold")?);
        }
        // A date that is none is refused when the request is decoded.
        let until = until.and_then(|text| Timestamp::parse(TimestampFormat::DateTime, text).ok());
        for requirement in requirements {
            if let (Some(mode), Some(until)) = (mode, &until) {
                set_retention(requirement, mode, millis(until), self.now_ms);
            }
            if let Some(legal_hold) = legal_hold {
                requirement.context.set("s3:object-lock-legal-hold", legal_hold);
            }
        }
        Ok(())
    }

    fn put(&self) -> S3Result<Vec<Requirement>> {
        let mut requirements = vec![self.on_object("s3:PutObject")?];
        self.lock(&mut requirements)?;
        if self.asks_for_acl() {
            requirements.push(self.on_object("s3:PutObjectAcl")?.of_callers_own());
        }
        if let Some(header) = self.header("x-amz-tagging").filter(|header| !header.is_empty()) {
            let tags = parse_tagging_header(header)?;
            requirements.push(self.on_object("s3:PutObjectTagging")?);
            for requirement in &mut requirements {
                set_request_tags(requirement, tags.iter());
            }
        }
        Ok(requirements)
    }

    /// With what was said of the object when its upload began.
    fn of_upload(&self, objects: &Objects, mut requirements: Vec<Requirement>) -> S3Result<Vec<Requirement>> {
        let names = (BucketName::new(self.bucket()?), ObjectKey::new(self.key()?));
        let ((Ok(bucket), Ok(key)), Some(upload_id)) = (names, self.parameter("uploadId")) else {
            return Ok(requirements);
        };
        let name = UploadName { bucket, key, upload_id };
        let begun = objects.upload_condition_keys(&name).map_err(objects_error)?;
        for requirement in requirements.iter_mut().filter(|requirement| requirement.action == "s3:PutObject") {
            requirement.context = requirement.context.over(&begun);
        }
        Ok(requirements)
    }

    fn copy(&self, objects: &Objects) -> S3Result<Vec<Requirement>> {
        let Some((bucket, key, version)) = self.copy_source()? else {
            return Err(s3_error!(InvalidRequest, "The request names no copy source"));
        };
        let version = version.as_deref();
        let (read, read_tags) = if version.is_some() {
            ("s3:GetObjectVersion", "s3:GetObjectVersionTagging")
        } else {
            ("s3:GetObject", "s3:GetObjectTagging")
        };
        let source = on_existing(objects, read, &bucket, &key, version)?;
        let tagged = source.context.iter().any(|(name, _)| name.starts_with("s3:existingobjecttag/"));
        let mut requirements = vec![source];
        // Only a whole copy takes tags along; a part has none.
        let takes_tags =
            self.parameter("uploadId").is_none() && self.header("x-amz-tagging-directive") != Some("REPLACE");
        if tagged && takes_tags {
            requirements.push(on_existing(objects, read_tags, &bucket, &key, version)?);
            requirements.push(self.on_object("s3:PutObjectTagging")?);
        }
        requirements.extend(self.put()?);
        Ok(requirements)
    }

    /// Bucket, key and version of the copy source, decoded once.
    pub(crate) fn copy_source(&self) -> S3Result<Option<(String, String, Option<String>)>> {
        let Some(header) = self.header("x-amz-copy-source") else { return Ok(None) };
        match CopySource::parse(header) {
            Ok(CopySource::Bucket { bucket, key, version_id }) => {
                Ok(Some((bucket.into(), key.into(), version_id.map(Into::into))))
            }
            Ok(_) => Err(S3Error::with_message(S3ErrorCode::NotImplemented, "Access points are not implemented.")),
            Err(error) => {
                Err(s3_error!(InvalidArgument, "Copy Source must mention the source bucket and key: {error}"))
            }
        }
    }

    /// For the audit record.
    pub(crate) fn parameters(&self) -> String {
        let mut parameters = serde_json::Map::new();
        for (name, value) in [("bucketName", self.bucket), ("key", self.key)] {
            if let Some(value) = value {
                parameters.insert(name.to_owned(), value.into());
            }
        }
        for name in ["prefix", "delimiter", "max-keys", "uploadId", "partNumber", "versionId", "list-type"] {
            if let Some(value) = self.parameter(name) {
                parameters.insert(name.to_owned(), value.into());
            }
        }
        if let Some(source) = self.header("x-amz-copy-source") {
            parameters.insert("x-amz-copy-source".to_owned(), source.into());
        }
        serde_json::Value::Object(parameters).to_string()
    }

    /// For the audit record.
    pub(crate) fn arns(&self) -> Vec<String> {
        match (self.bucket, self.key) {
            (Some(bucket), Some(key)) => {
                vec![Arn::s3_object(bucket, key).to_string(), Arn::s3_bucket(bucket).to_string()]
            }
            (Some(bucket), None) => vec![Arn::s3_bucket(bucket).to_string()],
            (None, _) => Vec::new(),
        }
    }
}

/// The tags a request wants to put, as condition keys.
pub(crate) fn set_request_tags<'t>(requirement: &mut Requirement, tags: impl Iterator<Item = (&'t str, &'t str)>) {
    let mut keys = Vec::new();
    for (key, value) in tags {
        requirement.context.set(&format!("s3:RequestObjectTag/{key}"), value);
        keys.push(key.to_owned());
    }
    requirement.context.set_all("s3:RequestObjectTagKeys", keys);
}

/// The retention a request wants to set, as condition keys.
pub(crate) fn set_retention(requirement: &mut Requirement, mode: &str, until_ms: i64, now_ms: i64) {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    requirement.context.set("s3:object-lock-mode", mode);
    let mut until = Vec::new();
    if timestamp(until_ms).format(TimestampFormat::DateTime, &mut until).is_ok() {
        requirement.context.set("s3:object-lock-retain-until-date", String::from_utf8_lossy(&until).into_owned());
    }
    let days = until_ms.saturating_sub(now_ms).div_euclid(DAY_MS);
    requirement.context.set("s3:object-lock-remaining-retention-days", days.to_string());
}
