//! Whose objects are, what lists and switches let in: the facts that the authorizer gets, decided by the real evaluation.

use std::sync::Arc;

use tarn_policy::{HeldPolicies, IdentityPolicies, LakeAuthorizer, PoliciesUnreadable};
use tarn_types::Arn;

use super::*;

struct NoPolicies;

impl IdentityPolicies for NoPolicies {
    fn identity_policies(&self, _: &Principal) -> Result<HeldPolicies, PoliciesUnreadable> {
        Ok(HeldPolicies::default())
    }
}

const OTHER: &str = "111111111111";

/// Nobody, the first account's root, or another's.
fn principal(who: &str) -> Principal {
    match who {
        "nobody" => Principal::anonymous(),
        "owner" => Principal::root(AccountId::first()),
        "other" => Principal::root(AccountId::new(OTHER).unwrap()),
        "third" => Principal::root(AccountId::new("222222222222").unwrap()),
        who => panic!("{who}"),
    }
}

struct Door {
    lake: Lake,
    authorizer: Arc<LakeAuthorizer>,
}

impl Door {
    fn new() -> Self {
        let lake = Lake::new();
        let authorizer = LakeAuthorizer::new(Arc::new(NoPolicies), vec![Arc::new(lake.objects.clone())]);
        Self { lake, authorizer: Arc::new(authorizer) }
    }

    fn allows(&self, who: &str, requirement: Requirement) -> bool {
        self.authorizer.authorize(&principal(who), vec![requirement], &Context::new()).is_ok()
    }

    /// A caller who is who they are, whatever they may.
    fn caller(&self, who: &str) -> Caller {
        let principal = principal(who);
        let draft = self.lake.caller_of(principal.account.clone()).event().clone();
        let authorized = self.authorizer.authorize(&principal, vec![], &Context::new());
        // Nobody may nothing without requirements; what nobody puts is tested through a grant.
        let authorized = authorized.unwrap_or_else(|_| {
            let open = Requirement::new("s3:PutObject", Arn::s3_object("lake-raw", "k"));
            self.authorizer.authorize(&principal, vec![open], &Context::new()).unwrap()
        });
        Caller::new(authorized, BoundAuthorizer::new(self.authorizer.clone(), principal, Context::new()), draft)
    }

    async fn bucket(&self, ownership: ObjectOwnership, blocked: bool) -> BucketName {
        let name = bucket("lake-raw");
        let request =
            CreateBucket { ownership: Some(ownership), ..CreateBucket::new(name.clone(), Region::us_east_1()) };
        self.lake.objects.create_bucket(&self.caller("owner"), request).await.unwrap();
        if !blocked {
            self.lake.objects.set_public_access_block(&self.caller("owner"), &name, None).await.unwrap();
        }
        name
    }

    async fn put(&self, who: &str, name: &BucketName, acl: AclRequest) -> Result<ObjectVersion, ObjectsError> {
        let put = PutObject { acl, ..PutObject::new(name.clone(), key("k")) };
        self.lake.objects.put_object(&self.caller(who), put, body_of("bytes")).await
    }

    fn owner(&self, name: &BucketName) -> AccountId {
        self.lake.objects.object_acl(&proof(), name, &key("k"), None).unwrap().owner
    }
}

fn on_object(action: &'static str) -> Requirement {
    Requirement::new(action, Arn::s3_object("lake-raw", "k"))
}

fn on_bucket(action: &'static str) -> Requirement {
    Requirement::new(action, Arn::s3_bucket("lake-raw"))
}

fn account(who: &str) -> AccountId {
    principal(who).account
}

fn grants(lines: &[(Grantee, AclPermission)]) -> AclRequest {
    let grant = |(grantee, permission): &(Grantee, AclPermission)| AclGrant {
        grantee: grantee.clone(),
        permission: *permission,
    };
    AclRequest::Grants(Acl::new(lines.iter().map(grant).collect()).unwrap())
}

#[tokio::test]
async fn lists_of_buckets_grant_what_their_permissions_mean() {
    let door = Door::new();
    let name = door.bucket(ObjectOwnership::ObjectWriter, false).await;
    let objects = &door.lake.objects;
    let check = async |request: AclRequest, who: &str, expected: &[&'static str]| {
        objects.put_bucket_acl(&door.caller("owner"), &name, request.clone()).await.unwrap();
        let asked = [
            on_bucket("s3:ListBucket"),
            on_bucket("s3:ListBucketVersions"),
            on_object("s3:PutObject"),
            on_object("s3:DeleteObject"),
            on_bucket("s3:GetBucketAcl"),
            on_bucket("s3:PutBucketAcl"),
            on_bucket("s3:PutBucketPolicy"),
            on_object("s3:GetObject"),
        ];
        let got: Vec<_> =
            asked.into_iter().filter(|need| door.allows(who, need.clone())).map(|need| need.action).collect();
        assert_eq!(got, expected, "{who} by {request:?}");
    };
    let canned = AclRequest::Canned;
    let to_other = |permission| grants(&[(Grantee::Account(account("other")), permission)]);
    check(AclRequest::Default, "other", &[]).await;
    check(canned(CannedAcl::PublicRead), "nobody", &["s3:ListBucket", "s3:ListBucketVersions"]).await;
    check(canned(CannedAcl::AuthenticatedRead), "nobody", &[]).await;
    check(canned(CannedAcl::AuthenticatedRead), "other", &["s3:ListBucket", "s3:ListBucketVersions"]).await;
    check(canned(CannedAcl::LogDeliveryWrite), "other", &[]).await;
    let read_and_write = &["s3:ListBucket", "s3:ListBucketVersions", "s3:PutObject", "s3:DeleteObject"];
    check(canned(CannedAcl::PublicReadWrite), "nobody", read_and_write).await;
    check(to_other(AclPermission::Read), "other", &["s3:ListBucket", "s3:ListBucketVersions"]).await;
    check(to_other(AclPermission::Read), "third", &[]).await;
    check(to_other(AclPermission::Write), "other", &["s3:PutObject", "s3:DeleteObject"]).await;
    check(to_other(AclPermission::ReadAcp), "other", &["s3:GetBucketAcl"]).await;
    check(to_other(AclPermission::WriteAcp), "other", &["s3:PutBucketAcl"]).await;
    let all = [&read_and_write[..], &["s3:GetBucketAcl", "s3:PutBucketAcl"]].concat();
    check(to_other(AclPermission::FullControl), "other", &all).await;
    // The owner took its own grant away, and is still the owner.
    assert!(door.allows("owner", on_bucket("s3:PutBucketAcl")));
    // A list that is disabled grants nothing, and says that the owner has all.
    objects.put_bucket_acl(&door.caller("owner"), &name, AclRequest::Canned(CannedAcl::PublicRead)).await.unwrap();
    let enforced = ObjectOwnership::BucketOwnerEnforced;
    let refused = objects.put_ownership_controls(&door.caller("owner"), &name, enforced).await;
    assert!(matches!(refused, Err(ObjectsError::AclWithOwnershipEnforced { .. })), "{refused:?}");
    objects.put_bucket_acl(&door.caller("owner"), &name, AclRequest::Canned(CannedAcl::Private)).await.unwrap();
    objects.put_ownership_controls(&door.caller("owner"), &name, enforced).await.unwrap();
    let refused = objects.put_bucket_acl(&door.caller("owner"), &name, AclRequest::Canned(CannedAcl::Private)).await;
    assert!(matches!(refused, Err(ObjectsError::AclsDisabled { .. })), "{refused:?}");
    assert_eq!(objects.bucket_acl(&proof(), &name).unwrap().acl, Acl::private(&AccountId::first()));
}

#[tokio::test]
async fn objects_are_their_writers_unless_the_bucket_says_otherwise() {
    use ObjectOwnership::{BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter};
    let full = AclRequest::Canned(CannedAcl::BucketOwnerFullControl);
    let private = AclRequest::Canned(CannedAcl::Private);
    let spelled_out = grants(&[(Grantee::Account(AccountId::first()), AclPermission::FullControl)]);
    // Ownership, the list asked for, and whose the object is; `None`: such a list is refused.
    let check = async |ownership, acl: &AclRequest, who: &str, expected: Option<&str>| {
        let door = Door::new();
        let name = door.bucket(ownership, false).await;
        if ownership != BucketOwnerEnforced {
            let open = AclRequest::Canned(CannedAcl::PublicReadWrite);
            door.lake.objects.put_bucket_acl(&door.caller("owner"), &name, open).await.unwrap();
        }
        match (door.put(who, &name, acl.clone()).await, expected) {
            (Ok(_), Some(expected)) => assert_eq!(door.owner(&name), account(expected), "{ownership:?} {acl:?} {who}"),
            (Err(ObjectsError::AclsDisabled { .. }), None) => {}
            (outcome, _) => panic!("{ownership:?} {acl:?} {who}: {outcome:?}"),
        }
    };
    check(ObjectWriter, &AclRequest::Default, "other", Some("other")).await;
    check(ObjectWriter, &full, "other", Some("other")).await;
    check(ObjectWriter, &AclRequest::Default, "owner", Some("owner")).await;
    // AWS has an identity for nobody, whose objects even the bucket's owner cannot read; here they are the bucket's owner's.
    check(ObjectWriter, &AclRequest::Default, "nobody", Some("owner")).await;
    check(BucketOwnerPreferred, &AclRequest::Default, "other", Some("other")).await;
    check(BucketOwnerPreferred, &private, "other", Some("other")).await;
    check(BucketOwnerPreferred, &full, "other", Some("owner")).await;
    check(BucketOwnerEnforced, &AclRequest::Default, "other", Some("owner")).await;
    check(BucketOwnerEnforced, &full, "other", Some("owner")).await;
    check(BucketOwnerEnforced, &spelled_out, "other", Some("owner")).await;
    check(BucketOwnerEnforced, &private, "owner", Some("owner")).await;
    check(BucketOwnerEnforced, &private, "other", None).await;
    check(BucketOwnerEnforced, &AclRequest::Canned(CannedAcl::PublicRead), "owner", None).await;
}

#[tokio::test]
async fn an_objects_owner_decides_who_reads_it() {
    let door = Door::new();
    let name = door.bucket(ObjectOwnership::ObjectWriter, false).await;
    let objects = &door.lake.objects;
    let everyone = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":["s3:PutObject","s3:GetObject"],"Resource":"arn:aws:s3:::{name}/*"}}}}"#
    );
    objects.put_bucket_policy(&door.caller("owner"), &name, everyone, false).await.unwrap();
    let check = |who: &str, action: &'static str, expected: bool| {
        assert_eq!(door.allows(who, on_object(action)), expected, "{who} {action}");
    };
    door.put("owner", &name, AclRequest::Default).await.unwrap();
    check("nobody", "s3:GetObject", true);
    check("other", "s3:GetObject", true);
    check("other", "s3:GetObjectAcl", false);
    // The bucket's policy lets others put; it does not let others read what is not its owner's.
    door.put("other", &name, AclRequest::Default).await.unwrap();
    check("other", "s3:GetObject", true);
    check("other", "s3:PutObjectAcl", true);
    check("nobody", "s3:GetObject", false);
    check("owner", "s3:GetObject", false);
    check("owner", "s3:GetObjectAcl", false);
    check("owner", "s3:DeleteObject", true);
    check("owner", "s3:PutObject", true);
    objects
        .put_object_acl(&door.caller("other"), &name, &key("k"), None, AclRequest::Canned(CannedAcl::BucketOwnerRead))
        .await
        .unwrap();
    check("owner", "s3:GetObject", true);
    check("owner", "s3:GetObjectAcl", false);
    objects
        .put_object_acl(&door.caller("other"), &name, &key("k"), None, AclRequest::Canned(CannedAcl::PublicRead))
        .await
        .unwrap();
    check("nobody", "s3:GetObject", true);
    check("nobody", "s3:GetObjectAcl", false);
    // Once the bucket's owner owns all, the policy is enough again, and lists are as if they were not there.
    let enforced = ObjectOwnership::BucketOwnerEnforced;
    objects.put_ownership_controls(&door.caller("owner"), &name, enforced).await.unwrap();
    assert_eq!(door.owner(&name), AccountId::first());
    check("owner", "s3:GetObjectAcl", true);
    check("other", "s3:GetObjectAcl", false);
    objects.delete_ownership_controls(&door.caller("owner"), &name).await.unwrap();
    assert_eq!(door.owner(&name), account("other"));
}

#[tokio::test]
async fn public_access_is_blocked_switch_by_switch() {
    let off = PublicAccessBlock::default();
    let door = Door::new();
    let name = door.bucket(ObjectOwnership::ObjectWriter, true).await;
    let objects = &door.lake.objects;
    let owner = || door.caller("owner");
    let public_read = || AclRequest::Canned(CannedAcl::PublicRead);
    let blocked = |setting: &str, outcome: Result<(), ObjectsError>| match outcome {
        Err(ObjectsError::PublicAccessBlocked { setting: found }) => assert_eq!(found, setting),
        other => panic!("{setting}: {other:?}"),
    };
    let text = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{name}/*"}}}}"#
    );
    // A new bucket has all four.
    assert_eq!(objects.public_access_block(&proof(), &name).unwrap(), PublicAccessBlock::ALL);
    blocked("BlockPublicAcls", objects.put_bucket_acl(&owner(), &name, public_read()).await);
    blocked("BlockPublicAcls", door.put("owner", &name, public_read()).await.map(|_| ()));
    blocked("BlockPublicPolicy", objects.put_bucket_policy(&owner(), &name, text.clone(), false).await);
    door.put("owner", &name, AclRequest::Default).await.unwrap();
    blocked("BlockPublicAcls", objects.put_object_acl(&owner(), &name, &key("k"), None, public_read()).await);

    objects.set_public_access_block(&owner(), &name, None).await.unwrap();
    assert!(matches!(objects.public_access_block(&proof(), &name), Err(ObjectsError::NoSuchPublicAccessBlock { .. })));
    door.put("owner", &name, public_read()).await.unwrap();
    objects.put_bucket_acl(&owner(), &name, public_read()).await.unwrap();
    let seen = || (door.allows("nobody", on_object("s3:GetObject")), door.allows("nobody", on_bucket("s3:ListBucket")));
    let public = || objects.bucket_is_public(&proof(), &name).unwrap();
    assert_eq!((seen(), public()), ((true, true), true));
    let ignoring = PublicAccessBlock { ignore_public_acls: true, ..off };
    objects.set_public_access_block(&owner(), &name, Some(ignoring)).await.unwrap();
    assert_eq!((seen(), public()), ((false, false), false));
    // The account's switches count where the bucket's are off.
    objects.set_public_access_block(&owner(), &name, None).await.unwrap();
    objects.set_account_public_access_block(&owner(), Some(ignoring)).await.unwrap();
    assert_eq!(seen(), (false, false));
    objects.set_account_public_access_block(&door.caller("other"), Some(PublicAccessBlock::ALL)).await.unwrap();
    objects.set_account_public_access_block(&owner(), None).await.unwrap();
    assert_eq!(seen(), (true, true), "another account's switches are not this one's");

    objects.put_bucket_policy(&owner(), &name, text, false).await.unwrap();
    assert!(public());
    let restricting = PublicAccessBlock { restrict_public_buckets: true, ..off };
    objects.set_public_access_block(&owner(), &name, Some(restricting)).await.unwrap();
    assert_eq!(seen(), (false, false));
    assert!(!door.allows("other", on_object("s3:GetObject")) && door.allows("owner", on_object("s3:GetObject")));
}

#[tokio::test]
async fn new_buckets_take_only_lists_that_fit() {
    let door = Door::new();
    let objects = &door.lake.objects;
    let create = async |name: &str, ownership, canned| {
        let acl = AclRequest::Canned(canned);
        let request = CreateBucket { ownership, acl, ..CreateBucket::new(bucket(name), Region::us_east_1()) };
        objects.create_bucket(&door.caller("owner"), request).await
    };
    use CannedAcl::{LogDeliveryWrite, Private, PublicRead};
    use ObjectOwnership::ObjectWriter;
    assert!(create("lake-one", None, Private).await.is_ok());
    let refused = create("lake-two", None, PublicRead).await;
    assert!(matches!(refused, Err(ObjectsError::AclWithOwnershipEnforced { .. })), "{refused:?}");
    let refused = create("lake-two", Some(ObjectWriter), PublicRead).await;
    assert!(matches!(refused, Err(ObjectsError::PublicAclOfNewBucket { .. })), "{refused:?}");
    assert!(create("lake-two", Some(ObjectWriter), LogDeliveryWrite).await.is_ok());
    let classic =
        ObjectsOptions { object_ownership: ObjectWriter, block_public_access: false, ..ObjectsOptions::default() };
    let lake = Lake::with(classic);
    let acl = AclRequest::Canned(PublicRead);
    let request = CreateBucket { acl, ..CreateBucket::new(bucket("lake-raw"), Region::us_east_1()) };
    let public = lake.objects.create_bucket(&lake.caller(), request).await.unwrap();
    assert!(public.has_acls() && public.acl.as_ref().is_some_and(Acl::is_public));
    let again = CreateBucket { or_own: true, ..CreateBucket::new(bucket("lake-raw"), Region::us_east_1()) };
    let private = lake.objects.create_bucket(&lake.caller(), again).await.unwrap();
    assert!(!private.acl.as_ref().is_some_and(Acl::is_public));
}

#[test]
fn lists_have_limits_and_put_groups_first() {
    let grant = |grantee| AclGrant { grantee, permission: AclPermission::Read };
    let one = || grant(Grantee::Account(AccountId::first()));
    assert!(Acl::new(vec![one(); ACL_GRANTS_COUNT_MAX]).is_ok());
    assert!(matches!(Acl::new(vec![one(); ACL_GRANTS_COUNT_MAX + 1]), Err(ObjectsError::MalformedAcl { .. })));
    let acl = Acl::new(vec![one(), grant(Grantee::AllUsers)]).unwrap();
    assert_eq!(acl.grants(), [grant(Grantee::AllUsers), one()]);
    assert!(acl.is_public() && !Acl::private(&AccountId::first()).is_public());
}
