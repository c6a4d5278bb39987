//! What a list tells of each version: looked up a page at a time, from what is in the bucket then. Knows no file format.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tarn_identity::{Identity, IdentityError};
use tarn_objects::{
    AccessTier, AclPermission, Bucket, CurrentVersion, Encryption, Grantee, InventoryField, InventoryPlace,
    InventoryRun, InventoryVersions, ListObjects, ListVersions, ListedVersion, ObjectKey, ObjectVersion, Objects,
    ObjectsError, OwnedAcl, ReplicationStatus, StorageClass, VersionEntry, VersionId,
};
use tarn_policy::Authorized;
use tarn_types::AccountId;

use crate::columns::{Cell, Column};

/// The version of what is said of access control lists.
const ACL_VERSION: &str = "2022-11-10";
const GROUPS: &str = "http://acs.amazonaws.com/groups";

/// Rows could not be looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowsError {
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// What rows are looked up in.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) objects: Objects,
    pub(crate) identity: std::sync::Arc<Identity>,
    pub(crate) proof: Authorized,
}

/// Some rows.
pub(crate) struct Page {
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The last version that was looked at.
    pub(crate) after: Option<InventoryPlace>,
    /// Whether there is none after it.
    pub(crate) is_last: bool,
}

fn texts(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn or_nothing(text: Option<&str>) -> Cell {
    text.map_or(Cell::Nothing, texts)
}

/// Whether the listing alone does not tell it.
fn needs_record(field: InventoryField) -> bool {
    match field {
        InventoryField::Size
        | InventoryField::LastModifiedDate
        | InventoryField::ETag
        | InventoryField::StorageClass
        | InventoryField::IsMultipartUploaded
        | InventoryField::ChecksumAlgorithm
        | InventoryField::ObjectOwner => false,
        InventoryField::ReplicationStatus
        | InventoryField::EncryptionStatus
        | InventoryField::ObjectLockRetainUntilDate
        | InventoryField::ObjectLockMode
        | InventoryField::ObjectLockLegalHoldStatus
        | InventoryField::IntelligentTieringAccessTier
        | InventoryField::BucketKeyStatus
        | InventoryField::ObjectAccessControlList
        | InventoryField::LifecycleExpirationDate => true,
    }
}

/// As reports name tiers, which is not how configurations do.
fn tier_name(version: &ObjectVersion) -> Option<&'static str> {
    (version.class() == StorageClass::IntelligentTiering).then(|| match version.tier() {
        AccessTier::Frequent => "FREQUENT",
        AccessTier::Infrequent => "INFREQUENT",
        AccessTier::ArchiveInstant => "ARCHIVE_INSTANT_ACCESS",
        AccessTier::Archive => "ARCHIVE",
        AccessTier::DeepArchive => "DEEP_ARCHIVE",
    })
}

fn permission_name(permission: AclPermission) -> &'static str {
    match permission {
        AclPermission::Read => "READ",
        AclPermission::Write => "WRITE",
        AclPermission::ReadAcp => "READ_ACP",
        AclPermission::WriteAcp => "WRITE_ACP",
        AclPermission::FullControl => "FULL_CONTROL",
    }
}

impl Source {
    /// The rows after those that the list has.
    pub(crate) fn page(
        &self,
        run: &InventoryRun,
        columns: &[Column],
        after: Option<&InventoryPlace>,
        count_max: usize,
    ) -> Result<Page, RowsError> {
        let bucket = self.objects.bucket(&self.proof, &run.bucket)?;
        let prefix = run.configuration.prefix.clone().unwrap_or_default();
        let (listed, is_last) = match run.configuration.versions {
            InventoryVersions::All => {
                let request = ListVersions {
                    bucket: run.bucket.clone(),
                    prefix,
                    delimiter: None,
                    key_marker: after.map(|place| place.key.clone()),
                    version_marker: after.and_then(|place| VersionId::parse(place.version.as_deref()?)),
                    max_keys: count_max,
                };
                let listing = self.objects.list_object_versions(&self.proof, &request)?;
                (listing.versions, listing.next.is_none())
            }
            InventoryVersions::Current => {
                let request = ListObjects {
                    start_after: after.map(|place| place.key.clone()),
                    max_keys: count_max,
                    ..ListObjects::new(run.bucket.clone(), prefix)
                };
                let listing = self.objects.list_objects(&self.proof, &request)?;
                let listed = listing.objects.into_iter().map(|listed| ListedVersion {
                    key: listed.key,
                    entry: VersionEntry::Object(listed.version),
                    is_latest: true,
                    noncurrent_since_ms: None,
                });
                (listed.collect(), listing.next.is_none())
            }
        };
        let place = |listed: &ListedVersion| InventoryPlace {
            key: listed.key.clone(),
            version: match run.configuration.versions {
                InventoryVersions::All => Some(listed.entry.version_id().to_string()),
                InventoryVersions::Current => None,
            },
        };
        let after = listed.last().map(place).or_else(|| after.cloned());
        let mut rows = Vec::with_capacity(listed.len());
        for listed in &listed {
            rows.extend(self.row(&bucket, columns, listed)?);
        }
        Ok(Page { rows, after, is_last })
    }

    /// Nothing if the version is gone since it was listed.
    fn row(&self, bucket: &Bucket, columns: &[Column], listed: &ListedVersion) -> Result<Option<Vec<Cell>>, RowsError> {
        let needs = |column: &Column| matches!(column, Column::Field(field) if needs_record(*field));
        let id = listed.entry.version_id();
        let found = match &listed.entry {
            VersionEntry::Object(_) if columns.iter().any(needs) => {
                let key = ObjectKey::new(listed.key.as_str())?;
                match self.objects.head_version(&self.proof, &bucket.name, &key, Some(&id)) {
                    Ok(version) => Some(version),
                    Err(ObjectsError::NoSuchVersion { .. } | ObjectsError::NoSuchKey { .. }) => return Ok(None),
                    Err(error) => return Err(error.into()),
                }
            }
            VersionEntry::Object(_) | VersionEntry::DeleteMarker(_) => None,
        };
        let mut row = Vec::with_capacity(columns.len());
        for column in columns {
            row.push(match column {
                Column::Bucket => texts(bucket.name.as_str()),
                Column::Key => texts(listed.key.as_str()),
                // As on AWS, a null version has no id here.
                Column::VersionId if id == VersionId::Null => Cell::Nothing,
                Column::VersionId => texts(id.to_string()),
                Column::IsLatest => Cell::Flag(listed.is_latest),
                Column::IsDeleteMarker => Cell::Flag(matches!(listed.entry, VersionEntry::DeleteMarker(_))),
                Column::Field(field) => match &listed.entry {
                    VersionEntry::DeleteMarker(marker) => match field {
                        InventoryField::LastModifiedDate => Cell::Time(marker.modified_ms),
                        InventoryField::ObjectOwner => self.owner(bucket, marker.owner.as_ref())?,
                        _ => Cell::Nothing,
                    },
                    VersionEntry::Object(version) => match &found {
                        Some(found) if needs_record(*field) => self.told_by_record(*field, found, listed.is_latest)?,
                        Some(_) | None => self.told_by_listing(*field, bucket, version)?,
                    },
                },
            });
        }
        Ok(Some(row))
    }

    fn told_by_listing(
        &self,
        field: InventoryField,
        bucket: &Bucket,
        version: &CurrentVersion,
    ) -> Result<Cell, RowsError> {
        Ok(match field {
            InventoryField::Size => Cell::Number(i64::try_from(version.size_bytes).unwrap_or(i64::MAX)),
            InventoryField::LastModifiedDate => Cell::Time(version.modified_ms),
            InventoryField::ETag => texts(version.etag.to_string()),
            InventoryField::StorageClass => texts(version.class.name()),
            InventoryField::IsMultipartUploaded => {
                Cell::Flag(matches!(version.etag, tarn_objects::Etag::Multipart { .. }))
            }
            InventoryField::ChecksumAlgorithm => or_nothing(version.checksum.map(|(algorithm, _)| algorithm.name())),
            InventoryField::ObjectOwner => self.owner(bucket, version.owner.as_ref())?,
            _ => Cell::Nothing,
        })
    }

    fn told_by_record(
        &self,
        field: InventoryField,
        version: &ObjectVersion,
        is_latest: bool,
    ) -> Result<Cell, RowsError> {
        let lock = version.lock();
        Ok(match field {
            InventoryField::ReplicationStatus => {
                or_nothing(self.objects.replication_status(version)?.map(|status| match status {
                    ReplicationStatus::Pending => "PENDING",
                    ReplicationStatus::Completed => "COMPLETED",
                    ReplicationStatus::Failed => "FAILED",
                    ReplicationStatus::Replica => "REPLICA",
                }))
            }
            InventoryField::EncryptionStatus => texts(match version.encryption() {
                Encryption::Lake => "SSE-S3",
                Encryption::Kms(_) => "SSE-KMS",
                Encryption::Customer(_) => "SSE-C",
            }),
            InventoryField::ObjectLockRetainUntilDate => {
                lock.retention.map_or(Cell::Nothing, |retention| Cell::Time(retention.until_ms))
            }
            InventoryField::ObjectLockMode => or_nothing(lock.retention.map(|retention| retention.mode.name())),
            InventoryField::ObjectLockLegalHoldStatus => texts(match lock.legal_hold {
                Some(true) => "ON",
                Some(false) | None => "OFF",
            }),
            InventoryField::IntelligentTieringAccessTier => or_nothing(tier_name(version)),
            InventoryField::BucketKeyStatus => texts(match version.encryption() {
                Encryption::Kms(kms) if kms.bucket_key => "ENABLED",
                Encryption::Lake | Encryption::Kms(_) | Encryption::Customer(_) => "DISABLED",
            }),
            InventoryField::ObjectAccessControlList => self.acl(version)?,
            InventoryField::LifecycleExpirationDate if is_latest => {
                let end = self.objects.lifecycle_end(&self.proof, version)?;
                end.map_or(Cell::Nothing, |end| Cell::Time(end.at_ms))
            }
            _ => Cell::Nothing,
        })
    }

    fn canonical_id(&self, account: &AccountId) -> Result<Option<String>, RowsError> {
        Ok(self.identity.account(account)?.map(|account| account.canonical_user_id))
    }

    fn owner(&self, bucket: &Bucket, owner: Option<&AccountId>) -> Result<Cell, RowsError> {
        let owner = owner.filter(|_| bucket.has_acls()).unwrap_or(&bucket.owner);
        Ok(self.canonical_id(owner)?.map_or(Cell::Nothing, Cell::Text))
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/objectacl.html>
    fn acl(&self, version: &ObjectVersion) -> Result<Cell, RowsError> {
        let id = version.own_version_id().unwrap_or(VersionId::Null);
        let OwnedAcl { acl, .. } =
            match self.objects.object_acl(&self.proof, version.bucket(), version.key(), Some(&id)) {
                Ok(owned) => owned,
                Err(ObjectsError::NoSuchVersion { .. } | ObjectsError::NoSuchKey { .. }) => return Ok(Cell::Nothing),
                Err(error) => return Err(error.into()),
            };
        let mut grants = Vec::new();
        for grant in acl.grants() {
            let permission = permission_name(grant.permission);
            let group = |name: &str| serde_json::json!({ "uri": format!("{GROUPS}/{name}"), "permission": permission, "type": "Group" });
            grants.push(match &grant.grantee {
                Grantee::AllUsers => group("global/AllUsers"),
                Grantee::AuthenticatedUsers => group("global/AuthenticatedUsers"),
                Grantee::LogDelivery => group("s3/LogDelivery"),
                Grantee::ImageBundles => continue,
                Grantee::Account(account) => match self.canonical_id(account)? {
                    Some(id) => {
                        serde_json::json!({ "canonicalId": id, "permission": permission, "type": "CanonicalUser" })
                    }
                    None => continue,
                },
            });
        }
        let said = serde_json::json!({ "version": ACL_VERSION, "status": "AVAILABLE", "grants": grants });
        Ok(texts(BASE64.encode(said.to_string())))
    }
}
