//! What a job does to each object, and with which parameters. Plain data; the doing is in `tasks.rs`.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-operations.html>

use serde::{Deserialize, Serialize};
use tarn_objects::{
    Acl, AclRequest, BucketName, CannedAcl, ChecksumAlgorithm, ChecksumKind, EncryptionRequest, ObjectMetadata,
    RestoreTier, Retention, StorageClass, Tags, VersionLock,
};
use tarn_types::AccountId;

use crate::job::OutputEncryption;

/// What is done to each object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobOperation {
    /// It is copied.
    PutObjectCopy(Box<CopyParameters>),
    /// Its access control list is replaced.
    PutObjectAcl(AclParameters),
    /// Its tags are replaced.
    PutObjectTagging(Tags),
    /// Its tags are removed.
    DeleteObjectTagging,
    /// A copy that can be read is asked for.
    InitiateRestoreObject {
        /// For how many days; none for INTELLIGENT_TIERING.
        days: Option<u32>,
        /// How soon; `Standard`, if its user did not say.
        tier: Option<RestoreTier>,
    },
    /// Its legal hold is set or released.
    PutObjectLegalHold(bool),
    /// Its retention is set or removed.
    PutObjectRetention {
        /// The retention; none removes it.
        retention: Option<Retention>,
        /// Whether GOVERNANCE retentions are passed over; nothing if its user did not say.
        bypass_governance: Option<bool>,
    },
    /// A checksum of it is computed and told in the report.
    ComputeObjectChecksum {
        /// Which; CRC-64/NVME, if its user did not say.
        algorithm: Option<DigestAlgorithm>,
        /// Over all bytes or over the parts; all bytes, if its user did not say.
        kind: Option<ChecksumKind>,
    },
    /// It is copied by its bucket's replication rules, whenever it was put.
    ReplicateObject,
}

/// Checksums that a job computes: those that objects can carry, and two more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DigestAlgorithm {
    /// One that objects can carry.
    Object(ChecksumAlgorithm),
    /// MD5.
    Md5,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object(algorithm) => algorithm.name(),
            Self::Md5 => "MD5",
            Self::Sha512 => "SHA512",
        }
    }

    /// From S3's spelling.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "MD5" => Some(Self::Md5),
            "SHA512" => Some(Self::Sha512),
            name => ChecksumAlgorithm::parse(name).map(Self::Object),
        }
    }

    /// Whether there is such a checksum over parts.
    pub fn allows(self, kind: ChecksumKind) -> bool {
        kind == ChecksumKind::FullObject || self != Self::Object(ChecksumAlgorithm::Crc64Nvme)
    }
}

/// A list that objects get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclParameters {
    /// By its name.
    Canned(CannedAcl),
    /// Line by line.
    Grants {
        /// Whose the objects must be: a list cannot make somebody else the owner.
        owner: AccountId,
        /// The lines.
        acl: Acl,
    },
}

impl AclParameters {
    pub(crate) fn request(&self) -> AclRequest {
        match self {
            Self::Canned(canned) => AclRequest::Canned(*canned),
            Self::Grants { acl, .. } => AclRequest::Grants(acl.clone()),
        }
    }
}

/// The list of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CopyAcl {
    /// Its owner has all.
    #[default]
    Default,
    /// By its name.
    Canned(CannedAcl),
    /// Line by line.
    Grants(Acl),
}

/// How and where objects are copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyParameters {
    /// Into which bucket.
    pub bucket: BucketName,
    /// Into which folder of it.
    pub prefix: Option<String>,
    /// Who may do what with the copies.
    pub acl: CopyAcl,
    /// `COPY` or `REPLACE`, if its user said.
    pub metadata_directive: Option<MetadataDirective>,
    /// What the copies carry, where that is not what the sources do.
    pub metadata: Option<ObjectMetadata>,
    /// The copies' tags, where they are not the sources'.
    pub tags: Option<Tags>,
    /// Where a website is to lead whoever asks for a copy.
    pub redirect: Option<String>,
    /// Whether the job's account pays where requesters do.
    pub requester_pays: Option<bool>,
    /// The copies' class.
    pub class: Option<StorageClass>,
    /// Only what was modified since, milliseconds since 1970.
    pub modified_since_ms: Option<i64>,
    /// Only what was not modified since, milliseconds since 1970.
    pub unmodified_since_ms: Option<i64>,
    /// What the copies are encrypted by, where the bucket is not to say.
    pub encryption: Option<OutputEncryption>,
    /// With a bucket key or without.
    pub bucket_key: Option<bool>,
    /// What is to keep the copies.
    pub lock: VersionLock,
    /// The checksum they carry.
    pub checksum: Option<ChecksumAlgorithm>,
}

/// Whose metadata a copy carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetadataDirective {
    /// The source's.
    Copy,
    /// Its own.
    Replace,
}

impl CopyParameters {
    /// The key of a copy. A folder's name ends with a slash.
    pub(crate) fn target_key(&self, key: &str) -> String {
        match self.prefix.as_deref() {
            None => key.to_owned(),
            Some(prefix) if prefix.ends_with('/') => format!("{prefix}{key}"),
            Some(prefix) => format!("{prefix}/{key}"),
        }
    }

    pub(crate) fn acl_request(&self) -> AclRequest {
        match &self.acl {
            CopyAcl::Default => AclRequest::Default,
            CopyAcl::Canned(canned) => AclRequest::Canned(*canned),
            CopyAcl::Grants(acl) => AclRequest::Grants(acl.clone()),
        }
    }

    pub(crate) fn encryption_request(&self) -> EncryptionRequest {
        match &self.encryption {
            None => EncryptionRequest::BucketDefault { bucket_key: self.bucket_key },
            Some(encryption) => encryption.request(self.bucket_key),
        }
    }
}

impl OutputEncryption {
    pub(crate) fn request(&self, bucket_key: Option<bool>) -> EncryptionRequest {
        match self {
            Self::Lake => EncryptionRequest::Lake,
            Self::Kms { key } => {
                EncryptionRequest::Kms { key: key.clone(), context: std::collections::BTreeMap::new(), bucket_key }
            }
        }
    }
}

impl JobOperation {
    /// As S3 names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PutObjectCopy(_) => "S3PutObjectCopy",
            Self::PutObjectAcl(_) => "S3PutObjectAcl",
            Self::PutObjectTagging(_) => "S3PutObjectTagging",
            Self::DeleteObjectTagging => "S3DeleteObjectTagging",
            Self::InitiateRestoreObject { .. } => "S3InitiateRestoreObject",
            Self::PutObjectLegalHold(_) => "S3PutObjectLegalHold",
            Self::PutObjectRetention { .. } => "S3PutObjectRetention",
            Self::ComputeObjectChecksum { .. } => "S3ComputeObjectChecksum",
            Self::ReplicateObject => "S3ReplicateObject",
        }
    }
}
