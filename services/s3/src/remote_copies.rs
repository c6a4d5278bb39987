//! What another S3 store is told of a copy's tags, list and lock, and what its answers say: S3's XML. Knows no HTTP and no store.

use s3s::dto::*;
use s3s::xml::{Deserialize as _, Deserializer, Serialize, Serializer};
use tarn_objects::{AclGrant, Grantee as DomainGrantee, RemoteAcl, Retention, Tags};

use crate::acl::{group, permission_name, uri_of};
use crate::convert::timestamp;
use crate::refusals::element_of;

fn document(value: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = Serializer::new(&mut bytes);
    serializer.decl().and_then(|()| value.serialize(&mut serializer)).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// The body of `PutObjectTagging`.
pub fn tagging_document(tags: &Tags) -> Result<Vec<u8>, String> {
    let tag = |(key, value): (&str, &str)| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
    document(&Tagging { tag_set: tags.iter().map(tag).collect() })
}

/// The body of `PutObjectRetention`.
pub fn retention_document(retention: &Retention) -> Result<Vec<u8>, String> {
    document(&ObjectLockRetention {
        mode: Some(ObjectLockRetentionMode::from_static(retention.mode.name())),
        retain_until_date: Some(timestamp(retention.until_ms)),
    })
}

/// The body of `PutObjectLegalHold`.
pub fn legal_hold_document(on: bool) -> Result<Vec<u8>, String> {
    let status = if on { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
    document(&ObjectLockLegalHold { status: Some(ObjectLockLegalHoldStatus::from_static(status)) })
}

/// The body of `PutObjectAcl` for a copy that is `owner_there`'s. What the owner here is granted is granted to that; what groups are
/// granted goes along. Other accounts of the lake are nobody there.
pub fn acl_document(list: &RemoteAcl, owner_there: &str) -> Result<Vec<u8>, String> {
    let owner = Owner { display_name: None, id: Some(owner_there.to_owned()) };
    let grantee = |grantee: &DomainGrantee| match grantee {
        DomainGrantee::Account(account) if *account == list.owner => Some(Grantee {
            display_name: None,
            email_address: None,
            id: Some(owner_there.to_owned()),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        }),
        DomainGrantee::Account(_) | DomainGrantee::ImageBundles => None,
        DomainGrantee::AllUsers | DomainGrantee::AuthenticatedUsers | DomainGrantee::LogDelivery => {
            uri_of(grantee).map(group)
        }
    };
    let grant = |AclGrant { grantee: to, permission }: &AclGrant| {
        let permission = Some(Permission::from_static(permission_name(*permission)));
        grantee(to).map(|grantee| Grant { grantee: Some(grantee), permission })
    };
    let grants = list.acl.grants().iter().filter_map(grant).collect();
    document(&AccessControlPolicy { grants: Some(grants), owner: Some(owner) })
}

/// Whose an object is, in an answer to `GetObjectAcl`.
pub fn owner_in_acl(bytes: &[u8]) -> Option<String> {
    let policy = AccessControlPolicy::deserialize(&mut Deserializer::new(bytes)).ok()?;
    policy.owner?.id
}

/// Code and message of an error.
pub fn error_in(bytes: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(bytes);
    let element = |name| element_of(&text, name).unwrap_or_default();
    (element("Code"), element("Message"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tarn_objects::{Acl, AclPermission, RetentionMode};
    use tarn_types::AccountId;

    use super::*;

    fn check(document: Result<Vec<u8>, String>, expected: &str) {
        let text = String::from_utf8(document.unwrap()).unwrap();
        let (declaration, body) = text.split_once("?>").unwrap();
        assert!(declaration.starts_with("<?xml"), "{declaration}");
        assert_eq!(body.trim(), expected);
    }

    #[test]
    fn changes_are_told_as_s3_takes_them() {
        let tags = Tags::of_object([("k".to_owned(), "a+b".to_owned())]).unwrap();
        check(tagging_document(&tags), "<Tagging><TagSet><Tag><Key>k</Key><Value>a+b</Value></Tag></TagSet></Tagging>");
        check(tagging_document(&Tags::default()), "<Tagging><TagSet></TagSet></Tagging>");
        let retention = Retention { mode: RetentionMode::Governance, until_ms: 1_700_000_000_000 };
        check(
            retention_document(&retention),
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2023-11-14T22:13:20.000Z</RetainUntilDate></Retention>",
        );
        check(legal_hold_document(true), "<LegalHold><Status>ON</Status></LegalHold>");
        check(legal_hold_document(false), "<LegalHold><Status>OFF</Status></LegalHold>");
    }

    #[test]
    fn lists_are_the_owners_there_and_grant_groups_what_they_grant_here() {
        let grant = |grantee, permission| AclGrant { grantee, permission };
        let owner = AccountId::first();
        let acl = Acl::new(vec![
            grant(DomainGrantee::Account(owner.clone()), AclPermission::FullControl),
            grant(DomainGrantee::Account(AccountId::new("111111111111").unwrap()), AclPermission::Read),
            grant(DomainGrantee::AllUsers, AclPermission::Read),
        ]);
        let bytes = acl_document(&RemoteAcl { owner, acl: acl.unwrap() }, "theirs").unwrap();
        let policy = AccessControlPolicy::deserialize(&mut Deserializer::new(&bytes)).unwrap();
        let told = |grant: Grant| {
            let grantee = grant.grantee.unwrap();
            (grantee.id.or(grantee.uri).unwrap(), grant.permission.unwrap().as_str().to_owned())
        };
        let grants: Vec<_> = policy.grants.unwrap().into_iter().map(told).collect();
        let all = "http://acs.amazonaws.com/groups/global/AllUsers".to_owned();
        assert_eq!(grants, [(all, "READ".to_owned()), ("theirs".to_owned(), "FULL_CONTROL".to_owned())]);
        assert_eq!(owner_in_acl(&bytes).as_deref(), Some("theirs"));
        assert_eq!(owner_in_acl(b"<Error/>"), None);
    }

    #[test]
    fn errors_are_read() {
        let error = b"<?xml version=\"1.0\"?><Error><Code>NoSuchVersion</Code><Message>a &amp; b</Message></Error>";
        assert_eq!(error_in(error), ("NoSuchVersion".to_owned(), "a & b".to_owned()));
        assert_eq!(error_in(b"\xff"), (String::new(), String::new()));
    }
}
