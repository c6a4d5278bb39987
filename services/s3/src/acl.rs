//! Access control lists on the wire: canned, in headers, in XML; accounts by canonical id or address, groups by URI.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>

use http::HeaderMap;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tarn_objects::{Acl, AclGrant, AclPermission, AclRequest, CannedAcl, Grantee as DomainGrantee, OwnedAcl};
use tarn_policy::Requirement;
use tarn_types::{AccountId, Arn};

use crate::convert::{bucket_name, object_key};
use crate::errors::{objects_error, refusal_error};
use crate::gate::CanonicalUser;
use crate::operations::Call;

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// Whom `aws-exec-read` lets read.
const IMAGE_BUNDLES: (&str, &str) = ("6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c", "za-team");

/// Headers that grant, and what.
const GRANT_HEADERS: [(&str, AclPermission); 5] = [
    ("x-amz-grant-read", AclPermission::Read),
    ("x-amz-grant-write", AclPermission::Write),
    ("x-amz-grant-read-acp", AclPermission::ReadAcp),
    ("x-amz-grant-write-acp", AclPermission::WriteAcp),
    ("x-amz-grant-full-control", AclPermission::FullControl),
];

/// The list that a request for a bucket asks for in its headers.
pub(crate) fn of_bucket(call: &Call, canned: Option<&str>, headers: &HeaderMap) -> S3Result<AclRequest> {
    let canned = match canned.filter(|text| !text.is_empty()) {
        None => None,
        Some("private") => Some(CannedAcl::Private),
        Some("public-read") => Some(CannedAcl::PublicRead),
        Some("public-read-write") => Some(CannedAcl::PublicReadWrite),
        Some("authenticated-read") => Some(CannedAcl::AuthenticatedRead),
        Some("log-delivery-write") => Some(CannedAcl::LogDeliveryWrite),
        Some("aws-exec-read") => Some(CannedAcl::AwsExecRead),
        // S3 ignores these on buckets: the owner has all in any case.
        Some("bucket-owner-read" | "bucket-owner-full-control") => Some(CannedAcl::Private),
        Some(other) => {
            return Err(s3_error!(InvalidArgument, "`{other}` is not a canned access control list of buckets"));
        }
    };
    asked(call, canned, headers)
}

/// The list that a request for an object asks for in its headers, or in the fields of a form.
pub(crate) fn of_object(call: &Call, canned: Option<&str>, headers: &HeaderMap) -> S3Result<AclRequest> {
    let canned = match canned.filter(|text| !text.is_empty()) {
        None => None,
        Some("private") => Some(CannedAcl::Private),
        Some("public-read") => Some(CannedAcl::PublicRead),
        Some("public-read-write") => Some(CannedAcl::PublicReadWrite),
        Some("authenticated-read") => Some(CannedAcl::AuthenticatedRead),
        Some("bucket-owner-read") => Some(CannedAcl::BucketOwnerRead),
        Some("bucket-owner-full-control") => Some(CannedAcl::BucketOwnerFullControl),
        Some("aws-exec-read") => Some(CannedAcl::AwsExecRead),
        Some(other) => {
            return Err(s3_error!(InvalidArgument, "`{other}` is not a canned access control list of objects"));
        }
    };
    asked(call, canned, headers)
}

fn asked(call: &Call, canned: Option<CannedAcl>, headers: &HeaderMap) -> S3Result<AclRequest> {
    let mut grants = Vec::new();
    for (name, permission) in GRANT_HEADERS {
        for value in headers.get_all(name) {
            let text = value.to_str().map_err(|_| s3_error!(InvalidArgument, "{name} is not text"))?;
            for grantee in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                grants.push(AclGrant { grantee: header_grantee(call, grantee)?, permission });
            }
        }
    }
    match (canned, grants.is_empty()) {
        (None, true) => Ok(AclRequest::Default),
        (Some(canned), true) => Ok(AclRequest::Canned(canned)),
        (None, false) => Ok(AclRequest::Grants(Acl::new(grants).map_err(objects_error)?)),
        (Some(_), false) => {
            Err(s3_error!(InvalidRequest, "Specifying both Canned ACLs and Header Grants is not allowed"))
        }
    }
}

/// `id="..."`, `emailAddress="..."` or `uri="..."`; the quotes may be missing.
fn header_grantee(call: &Call, text: &str) -> S3Result<DomainGrantee> {
    let (kind, value) = text
        .split_once('=')
        .ok_or_else(|| s3_error!(InvalidArgument, "Argument format not recognized: `{text}` is not type=\"value\""))?;
    let value = value.trim().trim_matches('"');
    match kind.trim().to_ascii_lowercase().as_str() {
        "id" => by_id(call, value),
        "emailaddress" => by_email(call, value),
        "uri" => by_uri(value),
        other => Err(s3_error!(InvalidArgument, "Argument format not recognized: `{other}` names no kind of grantee")),
    }
}

fn by_id(call: &Call, id: &str) -> S3Result<DomainGrantee> {
    if id == IMAGE_BUNDLES.0 {
        return Ok(DomainGrantee::ImageBundles);
    }
    match call.inner.gate.account_of_canonical_user(id).map_err(refusal_error)? {
        Some(account) => Ok(DomainGrantee::Account(account)),
        None => Err(s3_error!(InvalidArgument, "Invalid id: `{id}` is no account's canonical user id")),
    }
}

fn by_email(call: &Call, email: &str) -> S3Result<DomainGrantee> {
    match call.inner.gate.accounts_of_email(email).map_err(refusal_error)?.as_slice() {
        [account] => Ok(DomainGrantee::Account(account.clone())),
        [] => Err(s3_error!(UnresolvableGrantByEmailAddress)),
        [_, _, ..] => Err(s3_error!(AmbiguousGrantByEmailAddress)),
    }
}

fn by_uri(uri: &str) -> S3Result<DomainGrantee> {
    match uri {
        ALL_USERS => Ok(DomainGrantee::AllUsers),
        AUTHENTICATED_USERS => Ok(DomainGrantee::AuthenticatedUsers),
        LOG_DELIVERY => Ok(DomainGrantee::LogDelivery),
        other => Err(s3_error!(InvalidArgument, "Invalid group uri: `{other}`")),
    }
}

fn malformed(reason: &str) -> s3s::S3Error {
    s3_error!(
        MalformedACLError,
        "The XML you provided was not well-formed or did not validate against our published schema: {reason}"
    )
}

/// A list in XML, for something that `owner` owns: a list cannot make somebody else the owner.
fn of_policy(call: &Call, policy: AccessControlPolicy, owner: &AccountId) -> S3Result<AclRequest> {
    let named = policy.owner.and_then(|owner| owner.id).ok_or_else(|| malformed("it names no owner"))?;
    if named != call.inner.gate.canonical_user(owner).id {
        return Err(s3_error!(AccessDenied, "An access control list cannot change the owner"));
    }
    let grant = |grant: Grant| {
        let grantee = grant.grantee.ok_or_else(|| malformed("a grant has no grantee"))?;
        let grantee = match (grantee.type_.as_str(), grantee.id, grantee.email_address, grantee.uri) {
            (Type::CANONICAL_USER, Some(id), _, _) => by_id(call, &id)?,
            (Type::AMAZON_CUSTOMER_BY_EMAIL, _, Some(email), _) => by_email(call, &email)?,
            (Type::GROUP, _, _, Some(uri)) => by_uri(&uri)?,
            (_, _, _, _) => return Err(malformed("a grantee is not what its type says")),
        };
        let permission = match grant.permission.as_ref().map(Permission::as_str) {
            Some(Permission::READ) => AclPermission::Read,
            Some(Permission::WRITE) => AclPermission::Write,
            Some(Permission::READ_ACP) => AclPermission::ReadAcp,
            Some(Permission::WRITE_ACP) => AclPermission::WriteAcp,
            Some(Permission::FULL_CONTROL) => AclPermission::FullControl,
            Some(_) | None => return Err(malformed("a grant has no known permission")),
        };
        Ok(AclGrant { grantee, permission })
    };
    let grants = policy.grants.unwrap_or_default().into_iter().map(grant).collect::<S3Result<Vec<_>>>()?;
    Ok(AclRequest::Grants(Acl::new(grants).map_err(objects_error)?))
}

/// One list is asked for: in headers or in the body.
fn one(
    call: &Call,
    headers: AclRequest,
    body: Option<AccessControlPolicy>,
    owner: impl FnOnce() -> S3Result<AccountId>,
) -> S3Result<AclRequest> {
    match (headers, body) {
        (AclRequest::Default, Some(policy)) => of_policy(call, policy, &owner()?),
        (AclRequest::Default, None) => {
            Err(s3_error!(MissingSecurityHeader, "Your request was missing a required header: x-amz-acl"))
        }
        (headers, None) => Ok(headers),
        (_, Some(_)) => Err(s3_error!(UnexpectedContent)),
    }
}

/// Asks for what a form's `acl` needs; a header's was asked for with the request.
pub(crate) fn require_put(call: &Call, bucket: &str, key: &str) -> S3Result<()> {
    let requirement = Requirement::new("s3:PutObjectAcl", Arn::s3_object(bucket, key)).of_callers_own();
    call.caller
        .authorizer()
        .authorize(vec![requirement])
        .map(|_| ())
        .map_err(|denied| objects_error(tarn_objects::ObjectsError::Denied(denied)))
}

/// The URI of a group.
pub(crate) fn uri_of(grantee: &DomainGrantee) -> Option<&'static str> {
    match grantee {
        DomainGrantee::AllUsers => Some(ALL_USERS),
        DomainGrantee::AuthenticatedUsers => Some(AUTHENTICATED_USERS),
        DomainGrantee::LogDelivery => Some(LOG_DELIVERY),
        DomainGrantee::Account(_) | DomainGrantee::ImageBundles => None,
    }
}

pub(crate) fn group(uri: &str) -> Grantee {
    Grantee {
        display_name: None,
        email_address: None,
        id: None,
        type_: Type::from_static(Type::GROUP),
        uri: Some(uri.to_owned()),
    }
}

pub(crate) fn permission_name(permission: AclPermission) -> &'static str {
    match permission {
        AclPermission::Read => Permission::READ,
        AclPermission::Write => Permission::WRITE,
        AclPermission::ReadAcp => Permission::READ_ACP,
        AclPermission::WriteAcp => Permission::WRITE_ACP,
        AclPermission::FullControl => Permission::FULL_CONTROL,
    }
}

fn grantee(call: &Call, grantee: &DomainGrantee) -> Grantee {
    let user = |user: CanonicalUser| Grantee {
        display_name: Some(user.display_name),
        email_address: None,
        id: Some(user.id),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    match grantee {
        DomainGrantee::Account(account) => user(call.inner.gate.canonical_user(account)),
        DomainGrantee::AllUsers => group(ALL_USERS),
        DomainGrantee::AuthenticatedUsers => group(AUTHENTICATED_USERS),
        DomainGrantee::LogDelivery => group(LOG_DELIVERY),
        DomainGrantee::ImageBundles => {
            user(CanonicalUser { id: IMAGE_BUNDLES.0.to_owned(), display_name: IMAGE_BUNDLES.1.to_owned() })
        }
    }
}

fn grants(call: &Call, acl: &Acl) -> Option<Vec<Grant>> {
    let grant = |grant: &AclGrant| Grant {
        grantee: Some(grantee(call, &grant.grantee)),
        permission: Some(Permission::from_static(permission_name(grant.permission))),
    };
    Some(acl.grants().iter().map(grant).collect())
}

pub(crate) async fn get_bucket_acl(
    call: &Call,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    let name = bucket_name(&request.input.bucket)?;
    let OwnedAcl { owner, acl } = call.objects().bucket_acl(call.proof(), &name).map_err(objects_error)?;
    Ok(S3Response::new(GetBucketAclOutput { grants: grants(call, &acl), owner: call.owner(&owner) }))
}

pub(crate) async fn put_bucket_acl(
    call: &Call,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<S3Response<PutBucketAclOutput>> {
    let PutBucketAclInput { bucket, acl, access_control_policy, .. } = request.input;
    let name = bucket_name(&bucket)?;
    let headers = of_bucket(call, acl.as_ref().map(BucketCannedACL::as_str), &request.headers)?;
    let owner = || Ok(call.objects().bucket_acl(call.proof(), &name).map_err(objects_error)?.owner);
    let acl = one(call, headers, access_control_policy, owner)?;
    call.objects().put_bucket_acl(&call.caller, &name, acl).await.map_err(objects_error)?;
    Ok(S3Response::new(PutBucketAclOutput {}))
}

pub(crate) async fn get_object_acl(
    call: &Call,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let GetObjectAclInput { bucket, key, version_id, .. } = request.input;
    let version = crate::convert::version_id(version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&bucket)?, object_key(&key)?);
    let OwnedAcl { owner, acl } = call
        .objects()
        .object_acl(call.proof(), &bucket, &key, version.as_ref())
        .map_err(|error| call.hide_missing(&bucket, error))?;
    Ok(S3Response::new(GetObjectAclOutput {
        grants: grants(call, &acl),
        owner: call.owner(&owner),
        request_charged: None,
    }))
}

pub(crate) async fn put_object_acl(
    call: &Call,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<S3Response<PutObjectAclOutput>> {
    let PutObjectAclInput { bucket, key, version_id, acl, access_control_policy, .. } = request.input;
    let version = crate::convert::version_id(version_id.as_deref())?;
    let (bucket, key) = (bucket_name(&bucket)?, object_key(&key)?);
    let hidden = |error| call.hide_missing(&bucket, error);
    let headers = of_object(call, acl.as_ref().map(ObjectCannedACL::as_str), &request.headers)?;
    let owner = || Ok(call.objects().object_acl(call.proof(), &bucket, &key, version.as_ref()).map_err(hidden)?.owner);
    let acl = one(call, headers, access_control_policy, owner)?;
    call.objects().put_object_acl(&call.caller, &bucket, &key, version.as_ref(), acl).await.map_err(hidden)?;
    Ok(S3Response::new(PutObjectAclOutput { request_charged: None }))
}
