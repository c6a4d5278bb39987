//! What callers must be allowed: one row for each operation that is served, with the resources and condition keys of its request.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use s3s::dto::CopySource;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tarn_objects::{BucketName, ObjectKey, Objects};
use tarn_policy::Requirement;
use tarn_types::Arn;

use crate::convert::parse_tagging_header;
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
    row("ListBuckets", "s3:ListAllMyBuckets", true, true, |_, _| Ok(vec![Requirement::any("s3:ListAllMyBuckets")])),
    row("CreateBucket", "s3:CreateBucket", false, true, on_bucket!("s3:CreateBucket")),
    row("DeleteBucket", "s3:DeleteBucket", false, true, on_bucket!("s3:DeleteBucket")),
    row("HeadBucket", "s3:ListBucket", true, true, on_bucket!("s3:ListBucket")),
    row("GetBucketLocation", "s3:GetBucketLocation", true, true, on_bucket!("s3:GetBucketLocation")),
    row("GetBucketPolicy", "s3:GetBucketPolicy", true, true, on_bucket!("s3:GetBucketPolicy")),
    row("PutBucketPolicy", "s3:PutBucketPolicy", false, true, on_bucket!("s3:PutBucketPolicy")),
    row("DeleteBucketPolicy", "s3:DeleteBucketPolicy", false, true, on_bucket!("s3:DeleteBucketPolicy")),
    row("GetBucketTagging", "s3:GetBucketTagging", true, true, on_bucket!("s3:GetBucketTagging")),
    row("PutBucketTagging", "s3:PutBucketTagging", false, true, on_bucket!("s3:PutBucketTagging")),
    row("DeleteBucketTagging", "s3:PutBucketTagging", false, true, on_bucket!("s3:PutBucketTagging")),
    row("GetBucketVersioning", "s3:GetBucketVersioning", true, true, on_bucket!("s3:GetBucketVersioning")),
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
    row("GetObjectTagging", "s3:GetObjectTagging", true, false, |objects, request| {
        Ok(vec![request.existing(objects, request.versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging"))?])
    }),
    row_by_handler("PutObjectTagging", "s3:PutObjectTagging"),
    row("DeleteObjectTagging", "s3:DeleteObjectTagging", false, false, |objects, request| {
        Ok(vec![
            request.existing(objects, request.versioned("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"))?,
        ])
    }),
    row("PutObject", "s3:PutObject", false, false, |_, request| request.put()),
    row("CreateMultipartUpload", "s3:PutObject", false, false, |_, request| request.put()),
    row("UploadPart", "s3:PutObject", false, false, |_, request| request.put()),
    row("CompleteMultipartUpload", "s3:PutObject", false, false, |_, request| request.put()),
    row("CopyObject", "s3:PutObject", false, false, |objects, request| request.copy(objects)),
    row("UploadPartCopy", "s3:PutObject", false, false, |objects, request| request.copy(objects)),
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

/// An object's ARN with the tags it has now as condition keys.
pub(crate) fn on_existing(objects: &Objects, action: &'static str, bucket: &str, key: &str) -> S3Result<Requirement> {
    let mut requirement = Requirement::new(action, Arn::s3_object(bucket, key));
    // Names that cannot be have no tags; their operation will say so.
    if let (Ok(bucket), Ok(key)) = (BucketName::new(bucket), ObjectKey::new(key)) {
        for (tag, value) in objects.condition_tags(&bucket, &key).map_err(objects_error)?.iter() {
            requirement.context.set(&format!("s3:ExistingObjectTag/{tag}"), value);
        }
    }
    Ok(requirement)
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
        let mut requirement = on_existing(objects, action, self.bucket()?, self.key()?)?;
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
        const KEYS: [(&str, &str); 12] = [
            ("s3:x-amz-acl", "x-amz-acl"),
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

    fn put(&self) -> S3Result<Vec<Requirement>> {
        let mut requirements = vec![self.on_object("s3:PutObject")?];
        if let Some(header) = self.header("x-amz-tagging").filter(|header| !header.is_empty()) {
            let tags = parse_tagging_header(header)?;
            requirements.push(self.on_object("s3:PutObjectTagging")?);
            for requirement in &mut requirements {
                set_request_tags(requirement, tags.iter());
            }
        }
        Ok(requirements)
    }

    fn copy(&self, objects: &Objects) -> S3Result<Vec<Requirement>> {
        let Some((bucket, key)) = self.copy_source()? else {
            return Err(s3_error!(InvalidRequest, "The request names no copy source"));
        };
        let versioned = self.header("x-amz-copy-source").is_some_and(|source| source.contains("?versionId="));
        let (read, read_tags) = if versioned {
            ("s3:GetObjectVersion", "s3:GetObjectVersionTagging")
        } else {
            ("s3:GetObject", "s3:GetObjectTagging")
        };
        let source = on_existing(objects, read, &bucket, &key)?;
        let tagged = source.context.iter().next().is_some();
        let mut requirements = vec![source];
        // Only a whole copy takes tags along; a part has none.
        let takes_tags =
            self.parameter("uploadId").is_none() && self.header("x-amz-tagging-directive") != Some("REPLACE");
        if tagged && takes_tags {
            requirements.push(on_existing(objects, read_tags, &bucket, &key)?);
            requirements.push(self.on_object("s3:PutObjectTagging")?);
        }
        requirements.extend(self.put()?);
        Ok(requirements)
    }

    /// Bucket and key of the copy source, decoded once.
    pub(crate) fn copy_source(&self) -> S3Result<Option<(String, String)>> {
        let Some(header) = self.header("x-amz-copy-source") else { return Ok(None) };
        match CopySource::parse(header) {
            Ok(CopySource::Bucket { bucket, key, .. }) => Ok(Some((bucket.into(), key.into()))),
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
