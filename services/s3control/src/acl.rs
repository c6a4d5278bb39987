//! Access control lists of jobs on the wire: accounts by canonical id or address, groups by URI.

use tarn_aws_model::s3control as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::Identity;
use tarn_jobs::{AclParameters, CopyAcl};
use tarn_objects::{Acl, AclGrant, AclPermission, CannedAcl, Grantee};
use tarn_types::AccountId;

use crate::convert::required;
use crate::errors::{bad_request, internal};

const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// Whom `aws-exec-read` lets read.
const IMAGE_BUNDLES: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

const CANNED: [(&str, CannedAcl); 7] = [
    ("private", CannedAcl::Private),
    ("public-read", CannedAcl::PublicRead),
    ("public-read-write", CannedAcl::PublicReadWrite),
    ("aws-exec-read", CannedAcl::AwsExecRead),
    ("authenticated-read", CannedAcl::AuthenticatedRead),
    ("bucket-owner-read", CannedAcl::BucketOwnerRead),
    ("bucket-owner-full-control", CannedAcl::BucketOwnerFullControl),
];

const PERMISSIONS: [(&str, AclPermission); 5] = [
    ("FULL_CONTROL", AclPermission::FullControl),
    ("READ", AclPermission::Read),
    ("WRITE", AclPermission::Write),
    ("READ_ACP", AclPermission::ReadAcp),
    ("WRITE_ACP", AclPermission::WriteAcp),
];

fn canned(name: &str) -> Result<CannedAcl, AwsError> {
    let found = CANNED.iter().find(|(other, _)| *other == name);
    found.map(|(_, canned)| *canned).ok_or_else(|| bad_request(format!("`{name}` is no canned access control list")))
}

fn canned_out(canned: CannedAcl) -> Option<String> {
    CANNED.iter().find(|(_, other)| *other == canned).map(|(name, _)| (*name).to_owned())
}

fn account_by_id(identity: &Identity, id: &str) -> Result<AccountId, AwsError> {
    let found = identity.account_by_canonical_user_id(id).map_err(|error| internal(&error))?;
    found.map(|account| account.id).ok_or_else(|| bad_request(format!("`{id}` is no account's canonical user id")))
}

fn account_by_email(identity: &Identity, email: &str) -> Result<AccountId, AwsError> {
    let accounts = identity.accounts().map_err(|error| internal(&error))?;
    let mut having = accounts.into_iter().filter(|account| account.email.eq_ignore_ascii_case(email));
    match (having.next(), having.next()) {
        (Some(account), None) => Ok(account.id),
        (None, _) => Err(bad_request(format!("no account has the address `{email}`"))),
        (Some(_), Some(_)) => Err(bad_request(format!("more than one account has the address `{email}`"))),
    }
}

fn grantee(identity: &Identity, grantee: wire::S3Grantee) -> Result<Grantee, AwsError> {
    let identifier = required(grantee.identifier, "Identifier")?;
    match grantee.type_identifier.as_deref() {
        Some("id") if identifier == IMAGE_BUNDLES => Ok(Grantee::ImageBundles),
        Some("id") => Ok(Grantee::Account(account_by_id(identity, &identifier)?)),
        Some("emailAddress") => Ok(Grantee::Account(account_by_email(identity, &identifier)?)),
        Some("uri") => match identifier.as_str() {
            ALL_USERS => Ok(Grantee::AllUsers),
            AUTHENTICATED_USERS => Ok(Grantee::AuthenticatedUsers),
            LOG_DELIVERY => Ok(Grantee::LogDelivery),
            other => Err(bad_request(format!("`{other}` is no group"))),
        },
        Some(_) | None => Err(bad_request("TypeIdentifier must be id, emailAddress or uri")),
    }
}

fn grants(identity: &Identity, grants: Vec<wire::S3Grant>) -> Result<Acl, AwsError> {
    let grant = |grant: wire::S3Grant| {
        let name = required(grant.permission, "Permission")?;
        let permission = PERMISSIONS.iter().find(|(other, _)| *other == name).map(|(_, permission)| *permission);
        let permission = required(permission, "Permission")?;
        Ok(AclGrant { grantee: grantee(identity, required(grant.grantee, "Grantee")?)?, permission })
    };
    let grants = grants.into_iter().map(grant).collect::<Result<Vec<_>, AwsError>>()?;
    Acl::new(grants).map_err(|error| bad_request(error.to_string()))
}

fn grants_out(identity: &Identity, acl: &Acl) -> Result<Vec<wire::S3Grant>, AwsError> {
    let grantee = |grantee: &Grantee| -> Result<wire::S3Grantee, AwsError> {
        let (kind, identifier, display_name) = match grantee {
            Grantee::Account(account) => {
                let (id, name) = canonical(identity, account)?;
                ("id", id, Some(name))
            }
            Grantee::ImageBundles => ("id", IMAGE_BUNDLES.to_owned(), None),
            Grantee::AllUsers => ("uri", ALL_USERS.to_owned(), None),
            Grantee::AuthenticatedUsers => ("uri", AUTHENTICATED_USERS.to_owned(), None),
            Grantee::LogDelivery => ("uri", LOG_DELIVERY.to_owned(), None),
        };
        Ok(wire::S3Grantee { type_identifier: Some(kind.to_owned()), identifier: Some(identifier), display_name })
    };
    let grant = |grant: &AclGrant| {
        let permission = PERMISSIONS.iter().find(|(_, other)| *other == grant.permission);
        Ok(wire::S3Grant {
            grantee: Some(grantee(&grant.grantee)?),
            permission: permission.map(|(name, _)| (*name).to_owned()),
        })
    };
    acl.grants().iter().map(grant).collect()
}

/// An account's canonical id and name; of one that is gone, nothing.
fn canonical(identity: &Identity, account: &AccountId) -> Result<(String, String), AwsError> {
    let found = identity.account(account).map_err(|error| internal(&error))?;
    Ok(found.map_or_else(Default::default, |account| (account.canonical_user_id, account.name)))
}

/// The list of copies.
pub(crate) fn of_copies(
    identity: &Identity,
    canned_name: Option<String>,
    given: Option<Vec<wire::S3Grant>>,
) -> Result<CopyAcl, AwsError> {
    match (canned_name, given) {
        (None, None) => Ok(CopyAcl::Default),
        (Some(name), None) => Ok(CopyAcl::Canned(canned(&name)?)),
        (None, Some(given)) => Ok(CopyAcl::Grants(grants(identity, given)?)),
        (Some(_), Some(_)) => Err(bad_request("CannedAccessControlList and AccessControlGrants exclude each other")),
    }
}

pub(crate) fn of_copies_out(
    identity: &Identity,
    acl: &CopyAcl,
) -> Result<(Option<String>, Option<Vec<wire::S3Grant>>), AwsError> {
    Ok(match acl {
        CopyAcl::Default => (None, None),
        CopyAcl::Canned(canned) => (canned_out(*canned), None),
        CopyAcl::Grants(acl) => (None, Some(grants_out(identity, acl)?)),
    })
}

/// The list that objects get.
pub(crate) fn parameters(
    identity: &Identity,
    operation: wire::S3SetObjectAclOperation,
) -> Result<AclParameters, AwsError> {
    let policy = required(operation.access_control_policy, "AccessControlPolicy")?;
    match (policy.canned_access_control_list, policy.access_control_list) {
        (Some(name), None) => Ok(AclParameters::Canned(canned(&name)?)),
        (None, Some(list)) => {
            let owner = required(list.owner.and_then(|owner| owner.id), "Owner.ID")?;
            let acl = grants(identity, list.grants.unwrap_or_default())?;
            Ok(AclParameters::Grants { owner: account_by_id(identity, &owner)?, acl })
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(bad_request("AccessControlPolicy has one of CannedAccessControlList and AccessControlList"))
        }
    }
}

pub(crate) fn parameters_out(
    identity: &Identity,
    parameters: &AclParameters,
) -> Result<wire::S3SetObjectAclOperation, AwsError> {
    let policy = match parameters {
        AclParameters::Canned(canned) => {
            wire::S3AccessControlPolicy { canned_access_control_list: canned_out(*canned), access_control_list: None }
        }
        AclParameters::Grants { owner, acl } => {
            let (id, display_name) = canonical(identity, owner)?;
            let owner = wire::S3ObjectOwner { id: Some(id), display_name: Some(display_name) };
            let list = wire::S3AccessControlList { owner: Some(owner), grants: Some(grants_out(identity, acl)?) };
            wire::S3AccessControlPolicy { canned_access_control_list: None, access_control_list: Some(list) }
        }
    };
    Ok(wire::S3SetObjectAclOperation { access_control_policy: Some(policy) })
}
