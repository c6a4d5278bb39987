//! Access control lists: what they grant, how they are asked for, and the lists of buckets and objects. Grants name accounts;
//! canonical ids and addresses are the wire's. Knows no decision: it tells the authorizer what is granted.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_metadata::Read;
use tarn_policy::{Authorized, Granted, GrantedTo, Principal};
use tarn_types::AccountId;

use crate::errors::ObjectsError;
use crate::events::{Change, EventKind, announce};
use crate::keyspaces::BUCKETS;
use crate::names::{BucketName, ObjectKey};
use crate::objects::{Objects, bucket_in};
use crate::ownership_controls::ObjectOwnership;
use crate::public_access_block::effective_block;
use crate::records::{Bucket, bucket_key};
use crate::versions::{VersionId, put_version, version_in};

/// The most grants of one list.
pub const ACL_GRANTS_COUNT_MAX: usize = 100;

/// Whom a list grants something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// An account.
    Account(AccountId),
    /// Everyone.
    AllUsers,
    /// Everyone who signs.
    AuthenticatedUsers,
    /// Whoever writes server access logs.
    LogDelivery,
    /// EC2, which reads machine images as `aws-exec-read` lets it. It has no part in a lake; the grant is kept and shown.
    ImageBundles,
}

impl Grantee {
    fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }
}

/// What a grant permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AclPermission {
    /// To list a bucket, to read an object.
    Read,
    /// To put objects into a bucket and delete them.
    Write,
    /// To read the list.
    ReadAcp,
    /// To write the list.
    WriteAcp,
    /// All of them.
    FullControl,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclGrant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: AclPermission,
}

/// A list. Groups come first: AWS documents no order, and what was written against other stores looks for one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acl(Vec<AclGrant>);

/// A list that has a name.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CannedAcl {
    /// The owner has all.
    Private,
    /// And everyone may read.
    PublicRead,
    /// And everyone may read and write.
    PublicReadWrite,
    /// And everyone who signs may read.
    AuthenticatedRead,
    /// And the bucket's owner may read.
    BucketOwnerRead,
    /// And the bucket's owner has all.
    BucketOwnerFullControl,
    /// And log delivery may write, and read the list.
    LogDeliveryWrite,
    /// And EC2 may read.
    AwsExecRead,
}

/// How a request asks for a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AclRequest {
    /// It does not: the owner has all.
    #[default]
    Default,
    /// By name.
    Canned(CannedAcl),
    /// Line by line.
    Grants(Acl),
}

impl Acl {
    /// Of these grants.
    pub fn new(mut grants: Vec<AclGrant>) -> Result<Self, ObjectsError> {
        if grants.len() > ACL_GRANTS_COUNT_MAX {
            return Err(ObjectsError::MalformedAcl { reason: "an access control list has at most 100 grants" });
        }
        grants.sort_by_key(|grant| matches!(grant.grantee, Grantee::Account(_)));
        Ok(Self(grants))
    }

    /// The owner has all.
    pub fn private(owner: &AccountId) -> Self {
        Self(vec![full_control(owner)])
    }

    /// Its lines.
    pub fn grants(&self) -> &[AclGrant] {
        &self.0
    }

    /// Whether it grants anything to everyone, or to everyone who signs.
    pub fn is_public(&self) -> bool {
        self.0.iter().any(|grant| grant.grantee.is_public())
    }
}

fn full_control(account: &AccountId) -> AclGrant {
    AclGrant { grantee: Grantee::Account(account.clone()), permission: AclPermission::FullControl }
}

impl CannedAcl {
    /// What it says of something that `owner` owns in a bucket of `bucket_owner`.
    fn acl(self, owner: &AccountId, bucket_owner: &AccountId) -> Acl {
        use AclPermission::{FullControl, Read, ReadAcp, Write};
        let bucket_owners = |permission| (Grantee::Account(bucket_owner.clone()), permission);
        let besides = match self {
            Self::Private => vec![],
            Self::PublicRead => vec![(Grantee::AllUsers, Read)],
            Self::PublicReadWrite => vec![(Grantee::AllUsers, Read), (Grantee::AllUsers, Write)],
            Self::AuthenticatedRead => vec![(Grantee::AuthenticatedUsers, Read)],
            Self::BucketOwnerRead if owner != bucket_owner => vec![bucket_owners(Read)],
            Self::BucketOwnerFullControl if owner != bucket_owner => vec![bucket_owners(FullControl)],
            Self::BucketOwnerRead | Self::BucketOwnerFullControl => vec![],
            Self::LogDeliveryWrite => vec![(Grantee::LogDelivery, Write), (Grantee::LogDelivery, ReadAcp)],
            Self::AwsExecRead => vec![(Grantee::ImageBundles, Read)],
        };
        let mut grants = vec![full_control(owner)];
        grants.extend(besides.into_iter().map(|(grantee, permission)| AclGrant { grantee, permission }));
        grants.sort_by_key(|grant| matches!(grant.grantee, Grantee::Account(_)));
        Acl(grants)
    }
}

impl AclRequest {
    /// The list of something that `owner` owns in a bucket of `bucket_owner`; `None` where only the owner has anything.
    pub(crate) fn acl(&self, owner: &AccountId, bucket_owner: &AccountId) -> Option<Acl> {
        let acl = match self {
            Self::Default => return None,
            Self::Canned(canned) => canned.acl(owner, bucket_owner),
            Self::Grants(acl) => acl.clone(),
        };
        (acl != Acl::private(owner)).then_some(acl)
    }

    /// Whether it asks for no more than that the bucket's owner has all: that is taken where lists are disabled, too.
    fn is_bucket_owners(&self, bucket_owner: &AccountId) -> bool {
        match self {
            Self::Default | Self::Canned(CannedAcl::BucketOwnerFullControl) => true,
            Self::Canned(_) => false,
            Self::Grants(acl) => *acl == Acl::private(bucket_owner),
        }
    }

    /// What it asks for where lists are disabled: nothing at all, or too much.
    fn refused_unless_bucket_owners(&self, bucket: &Bucket) -> Result<(), ObjectsError> {
        if self.is_bucket_owners(&bucket.owner) {
            return Ok(());
        }
        Err(ObjectsError::AclsDisabled { bucket: bucket.name.to_string() })
    }
}

/// Whose an object is and what its list says, once `writer` puts it into `bucket`. What nobody puts is the bucket's owner's.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>
pub(crate) fn of_new_object(
    read: &impl Read,
    bucket: &Bucket,
    request: &AclRequest,
    writer: &Principal,
) -> Result<(Option<AccountId>, Option<Acl>), ObjectsError> {
    if !bucket.has_acls() {
        // What is private to the bucket's owner is the same.
        let is_owners_private = *request == AclRequest::Canned(CannedAcl::Private)
            && !writer.is_anonymous()
            && writer.account == bucket.owner;
        if is_owners_private || request.is_bucket_owners(&bucket.owner) {
            return Ok((None, None));
        }
        return Err(ObjectsError::AclsDisabled { bucket: bucket.name.to_string() });
    }
    let given_over = bucket.ownership == Some(ObjectOwnership::BucketOwnerPreferred)
        && *request == AclRequest::Canned(CannedAcl::BucketOwnerFullControl);
    let is_bucket_owners = given_over || writer.is_anonymous() || writer.account == bucket.owner;
    let owner = (!is_bucket_owners).then(|| writer.account.clone());
    let acl = request.acl(owner.as_ref().unwrap_or(&bucket.owner), &bucket.owner);
    refuse_public(read, bucket, acl.as_ref())?;
    Ok((owner, acl))
}

fn refuse_public(read: &impl Read, bucket: &Bucket, acl: Option<&Acl>) -> Result<(), ObjectsError> {
    if acl.is_some_and(Acl::is_public) && effective_block(read, bucket)?.block_public_acls {
        return Err(ObjectsError::PublicAccessBlocked { setting: "BlockPublicAcls" });
    }
    Ok(())
}

/// Actions that a permission on a bucket stands for.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#acl-access-policy-permission-mapping>
fn bucket_actions(permission: AclPermission) -> &'static [&'static str] {
    match permission {
        AclPermission::Read => &["s3:listbucket", "s3:listbucketversions", "s3:listbucketmultipartuploads"],
        AclPermission::Write => {
            &["s3:putobject", "s3:deleteobject", "s3:abortmultipartupload", "s3:listmultipartuploadparts"]
        }
        AclPermission::ReadAcp => &["s3:getbucketacl"],
        AclPermission::WriteAcp => &["s3:putbucketacl"],
        AclPermission::FullControl => &[
            "s3:listbucket",
            "s3:listbucketversions",
            "s3:listbucketmultipartuploads",
            "s3:putobject",
            "s3:deleteobject",
            "s3:abortmultipartupload",
            "s3:listmultipartuploadparts",
            "s3:getbucketacl",
            "s3:putbucketacl",
        ],
    }
}

/// Actions that a permission on an object stands for.
fn object_actions(permission: AclPermission) -> &'static [&'static str] {
    match permission {
        AclPermission::Read => &["s3:getobject", "s3:getobjectversion", "s3:getobjecttorrent"],
        AclPermission::Write => &[],
        AclPermission::ReadAcp => &["s3:getobjectacl", "s3:getobjectversionacl"],
        AclPermission::WriteAcp => &["s3:putobjectacl", "s3:putobjectversionacl"],
        AclPermission::FullControl => &[
            "s3:getobject",
            "s3:getobjectversion",
            "s3:getobjecttorrent",
            "s3:getobjectacl",
            "s3:getobjectversionacl",
            "s3:putobjectacl",
            "s3:putobjectversionacl",
        ],
    }
}

/// The actions of which an object's owner decides; of all others the bucket's does.
const OF_OBJECTS_OWNER: [&str; 11] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTorrent",
    "s3:GetObjectVersionTorrent",
    "s3:GetObjectAcl",
    "s3:GetObjectVersionAcl",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionForReplication",
];

/// Whether an object's owner and list bear on an action.
pub(crate) fn is_of_objects_owner(action: &str) -> bool {
    OF_OBJECTS_OWNER.contains(&action)
}

/// What a bucket's list grants.
pub(crate) fn granted_by_bucket(acl: Option<&Acl>, ignore_public: bool) -> impl Iterator<Item = Granted> {
    granted(acl, ignore_public, bucket_actions)
}

/// What an object's list grants.
pub(crate) fn granted_by_object(acl: Option<&Acl>, ignore_public: bool) -> impl Iterator<Item = Granted> {
    granted(acl, ignore_public, object_actions)
}

fn granted(
    acl: Option<&Acl>,
    ignore_public: bool,
    actions: fn(AclPermission) -> &'static [&'static str],
) -> impl Iterator<Item = Granted> {
    // Without a list the owner has all, and has it as the owner.
    acl.into_iter().flat_map(Acl::grants).filter_map(move |AclGrant { grantee, permission }| {
        let to = match grantee {
            Grantee::AllUsers | Grantee::AuthenticatedUsers if ignore_public => return None,
            Grantee::AllUsers => GrantedTo::Everyone,
            Grantee::AuthenticatedUsers => GrantedTo::Authenticated,
            Grantee::Account(account) => GrantedTo::Account(account.clone()),
            Grantee::LogDelivery | Grantee::ImageBundles => return None,
        };
        Some(Granted { to, actions: actions(*permission) })
    })
}

/// Whose something is, and its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedAcl {
    /// The owner.
    pub owner: AccountId,
    /// The list.
    pub acl: Acl,
}

fn owned(owner: &AccountId, acl: Option<&Acl>) -> OwnedAcl {
    OwnedAcl { owner: owner.clone(), acl: acl.cloned().unwrap_or_else(|| Acl::private(owner)) }
}

impl Objects {
    /// A bucket's list. Where lists are disabled the owner has all.
    pub fn bucket_acl(&self, proof: &Authorized, name: &BucketName) -> Result<OwnedAcl, ObjectsError> {
        let bucket = self.bucket(proof, name)?;
        Ok(owned(&bucket.owner, bucket.acl.as_ref().filter(|_| bucket.has_acls())))
    }

    /// Replaces a bucket's list.
    pub async fn put_bucket_acl(
        &self,
        caller: &Caller,
        name: &BucketName,
        request: AclRequest,
    ) -> Result<(), ObjectsError> {
        let name = name.clone();
        caller
            .commit(&*self.store, move |tx| {
                let mut bucket = bucket_in(tx, &name)?;
                if !bucket.has_acls() {
                    return request.refused_unless_bucket_owners(&bucket);
                }
                bucket.acl = request.acl(&bucket.owner, &bucket.owner);
                refuse_public(tx, &bucket, bucket.acl.as_ref())?;
                Ok(tx.put(BUCKETS, &bucket_key(&name), &bucket)?)
            })
            .await
            .map_err(ObjectsError::from)
    }

    /// An object's list and whose it is.
    pub fn object_acl(
        &self,
        _proof: &Authorized,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> Result<OwnedAcl, ObjectsError> {
        let snapshot = self.snapshot()?;
        let bucket_record = bucket_in(&snapshot, bucket)?;
        let version = version_in(&snapshot, bucket, key, version)?;
        if !bucket_record.has_acls() {
            return Ok(owned(&bucket_record.owner, None));
        }
        Ok(owned(version.owner.as_ref().unwrap_or(&bucket_record.owner), version.acl.as_ref()))
    }

    /// Replaces an object's list. The object itself stays as it is, its time too.
    pub async fn put_object_acl(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        version: Option<&VersionId>,
        request: AclRequest,
    ) -> Result<(), ObjectsError> {
        let (name, key, version) = (bucket.clone(), key.clone(), version.copied());
        let by = self.changed_by(caller);
        caller
            .commit(&*self.store, move |tx| {
                let bucket = bucket_in(tx, &name)?;
                let mut version = version_in(tx, &name, &key, version.as_ref())?;
                if !bucket.has_acls() {
                    return request.refused_unless_bucket_owners(&bucket);
                }
                version.acl = request.acl(version.owner.as_ref().unwrap_or(&bucket.owner), &bucket.owner);
                refuse_public(tx, &bucket, version.acl.as_ref())?;
                put_version(tx, &version)?;
                announce(tx, &Change::of(EventKind::AclPut, &version, &by))
            })
            .await
            .map_err(ObjectsError::from)
    }
}
