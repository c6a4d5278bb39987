//! Groups, boundaries, tags, versions, instance profiles and providers; and records of older forms.

use tarn_metadata::{Record, decode_record};

use super::*;
use crate::records::{ManagedPolicyRecord, ManagedPolicyRecordV1};

const GROUP: EntityKind = EntityKind::Group;

fn page() -> PageRequest {
    PageRequest::default()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

fn may(lake: &Lake, user: &User, action: &'static str) -> bool {
    let needs = Requirement::new(action, Arn::new("glue", "us-east-1", "000000000000", "table/raw/t"));
    let principal = Principal::user(user.account.clone(), &user.name, &user.id);
    lake.authorizer.authorize(&principal, vec![needs], &Context::new()).is_ok()
}

#[tokio::test]
async fn groups_give_their_users_what_they_have() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.user("ada").await;
    let group = identity.create_group(&caller, "Readers", Some("/lab/")).await.expect("group");
    assert_eq!(group.arn().to_string(), "arn:aws:iam::000000000000:group/lab/Readers");
    check(identity.create_group(&caller, "readers", None).await, Err("Group with name readers already exists."));
    check(identity.add_user_to_group(&caller, "none", "ada").await, Err("The group with name none cannot be found."));
    check(identity.remove_user_from_group(&caller, "Readers", "ada").await, Err("is not in the group"));
    for _ in 0..2 {
        check(identity.add_user_to_group(&caller, "readers", "ADA").await, Ok(()));
    }
    assert!(!may(&lake, &ada, "glue:GetTable"));
    identity.put_inline_policy(&caller, GROUP, "readers", "p", ALLOW_ALL).await.expect("policy");
    assert!(may(&lake, &ada, "glue:GetTable"), "a group's policy is its users'");
    let deny = identity.create_policy(&caller, new_policy("deny", None, &ALLOW_ALL.replace("Allow", "Deny"))).await;
    let deny = deny.expect("policy").arn.to_string();
    identity.attach_policy(&caller, GROUP, "Readers", &deny).await.expect("attached");
    assert!(!may(&lake, &ada, "glue:GetTable"), "its denials too");
    identity.detach_policy(&caller, GROUP, "Readers", &deny).await.expect("detached");

    identity.update_group(&caller, "Readers", Some("Writers"), Some("/")).await.expect("renamed");
    let (found, users) = identity.get_group(&caller, "writers", &page()).expect("group");
    assert_eq!((found.id, users.items), (group.id, vec![ada.clone()]));
    assert_eq!(identity.list_groups_for_user(&caller, "ada", &page()).expect("groups").items.len(), 1);
    check(identity.delete_user(&caller, "ada").await, Err("must remove users from group first"));
    check(identity.delete_group(&caller, "Writers").await, Err("must remove users from group first"));
    identity.remove_user_from_group(&caller, "Writers", "ada").await.expect("removed");
    assert!(!may(&lake, &ada, "glue:GetTable"));
    check(identity.delete_group(&caller, "Writers").await, Err("must delete policies first"));
    identity.delete_inline_policy(&caller, GROUP, "Writers", "p").await.expect("policy");
    check(identity.delete_group(&caller, "Writers").await, Ok(()));
    check(identity.list_groups(&caller, "/", &page()).map(|page| assert!(page.items.is_empty())), Ok(()));
    for number in 0..GROUPS_PER_USER_MAX {
        let name = format!("g{number}");
        identity.create_group(&caller, &name, None).await.expect("group");
        identity.add_user_to_group(&caller, &name, "ada").await.expect("added");
    }
    identity.create_group(&caller, "one-more", None).await.expect("group");
    check(identity.add_user_to_group(&caller, "one-more", "ada").await, Err("quota for GroupsPerUser: 10"));
}

#[tokio::test]
async fn a_boundary_is_the_most_that_is_allowed() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let tables = identity
        .create_policy(&caller, new_policy("tables", None, &ALLOW_ALL.replace("\"*\",\"R", "\"glue:GetTable\",\"R")));
    let tables = tables.await.expect("policy").arn.to_string();
    let new = NewUser { boundary: Some(tables.clone()), ..new_user("ada", None) };
    let ada = identity.create_user(&caller, new).await.expect("user");
    assert!(!may(&lake, &ada, "glue:GetTable"), "a boundary gives nothing");
    identity.put_inline_policy(&caller, USER, "ada", "p", ALLOW_ALL).await.expect("policy");
    assert!(may(&lake, &ada, "glue:GetTable") && !may(&lake, &ada, "glue:DeleteTable"));
    check(identity.delete_policy(&caller, &tables).await, Err("attached to entities"));
    let held = identity.list_entities_for_policy(&caller, &tables, None, Some(PolicyUsage::Boundary), "/", &page());
    assert_eq!(held.expect("entities").items.len(), 1);
    let attached = identity.list_entities_for_policy(&caller, &tables, None, Some(PolicyUsage::Attached), "/", &page());
    assert_eq!(attached.expect("entities").items.len(), 0);
    identity.delete_boundary(&caller, USER, "ada").await.expect("taken away");
    assert!(may(&lake, &ada, "glue:DeleteTable"));
    check(identity.delete_boundary(&caller, USER, "ada").await, Err("has no permissions boundary"));
    check(
        identity.put_boundary(&caller, USER, "ada", "arn:aws:iam::000000000000:policy/no").await,
        Err("not attachable"),
    );
    identity.put_boundary(&caller, USER, "ada", &tables).await.expect("set");
    identity.delete_inline_policy(&caller, USER, "ada", "p").await.expect("removed");
    identity.delete_user(&caller, "ada").await.expect("deleted");
    check(identity.delete_policy(&caller, &tables).await, Ok(()));
}

#[tokio::test]
async fn policies_have_versions_of_which_one_is_in_force() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let ada = lake.user("ada").await;
    let arn =
        identity.create_policy(&caller, new_policy("own", None, ALLOW_ALL)).await.expect("policy").arn.to_string();
    identity.attach_policy(&caller, USER, "ada", &arn).await.expect("attached");
    assert!(may(&lake, &ada, "glue:GetTable"));
    let deny = ALLOW_ALL.replace("Allow", "Deny");
    let second = identity.create_policy_version(&caller, &arn, &deny, false).await.expect("version");
    assert_eq!((second.id.as_str(), second.is_default), ("v2", false));
    assert!(may(&lake, &ada, "glue:GetTable"), "it is not in force yet");
    identity.set_default_policy_version(&caller, &arn, "v2").await.expect("in force");
    assert!(!may(&lake, &ada, "glue:GetTable"));
    check(identity.delete_policy_version(&caller, &arn, "v2").await, Err("Cannot delete the default version"));
    check(identity.set_default_policy_version(&caller, &arn, "v9").await, Err("version v9 does not exist"));
    for _ in 2..VERSIONS_PER_POLICY_MAX {
        identity.create_policy_version(&caller, &arn, ALLOW_ALL, true).await.expect("version");
    }
    check(identity.create_policy_version(&caller, &arn, ALLOW_ALL, true).await, Err("can have up to 5 versions"));
    check(identity.delete_policy_version(&caller, &arn, "v1").await, Ok(()));
    let sixth = identity.create_policy_version(&caller, &arn, ALLOW_ALL, false).await.expect("version");
    assert_eq!(sixth.id, "v6", "numbers are not used again");
    let listed = identity.list_policy_versions(&caller, &arn, &page()).expect("versions").items;
    assert_eq!(listed.iter().map(|version| version.id.as_str()).collect::<Vec<_>>(), ["v6", "v5", "v4", "v3", "v2"]);
    identity.detach_policy(&caller, USER, "ada", &arn).await.expect("detached");
    check(identity.delete_policy(&caller, &arn).await, Err("more than one version"));
    check(
        identity.create_policy_version(&caller, "arn:aws:iam::aws:policy/ReadOnlyAccess", ALLOW_ALL, true).await,
        Err("managed by AWS"),
    );
}

#[tokio::test]
async fn tags_are_held_to_their_rules() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    lake.user("ada").await;
    let ada = || Taggable::User("ada".to_owned());
    let list = || identity.list_tags(&caller, &ada(), &page()).expect("tags").items;
    identity.tag(&caller, ada(), vec![tag("b", "1"), tag("a", "")]).await.expect("tagged");
    identity.tag(&caller, ada(), vec![tag("B", "2")]).await.expect("tagged");
    assert_eq!(list(), [tag("B", "2"), tag("a", "")]);
    check(identity.tag(&caller, ada(), vec![tag("x", "1"), tag("X", "2")]).await, Err("Duplicate tag keys"));
    for (key, value) in [("", "v"), (&*"k".repeat(129), "v"), ("k", &*"v".repeat(257)), ("aws:k", "v"), ("k<", "v")] {
        check(identity.tag(&caller, ada(), vec![tag(key, value)]).await, Err("ag"));
    }
    let many = (0..50).map(|number| tag(&format!("k{number}"), "v")).collect();
    check(identity.tag(&caller, ada(), many).await, Err("TagsPerResource: 50"));
    identity.untag(&caller, ada(), vec!["b".to_owned(), "none".to_owned()]).await.expect("untagged");
    assert_eq!(list(), [tag("a", "")]);
    check(identity.tag(&caller, Taggable::Role("none".to_owned()), vec![]).await, Err("The role with name none"));
    identity.delete_user(&caller, "ada").await.expect("deleted");
    lake.user("ada").await;
    assert_eq!(list(), [], "another of that name has none");
}

#[tokio::test]
async fn instance_profiles_hold_one_role() {
    let lake = lake();
    lake.identity.bootstrap(&Region::us_east_1(), vec![config(None, &[])]).await.expect("bootstrap");
    let (identity, caller) = (&lake.identity, lake.caller());
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = NewRole { name: "r".to_owned(), trust_policy: trust.to_owned(), ..NewRole::default() };
    identity.create_role(&caller, role).await.expect("role");
    let profile = identity.create_instance_profile(&caller, "p", None, vec![]).await.expect("profile");
    assert!(profile.id.starts_with("AIPA") && profile.role.is_none());
    identity.add_role_to_instance_profile(&caller, "P", "R").await.expect("added");
    check(identity.add_role_to_instance_profile(&caller, "p", "r").await, Err("Cannot exceed quota"));
    let of_role = identity.list_instance_profiles_for_role(&caller, "r", &page()).expect("profiles").items;
    assert_eq!(of_role[0].role.as_ref().map(|role| role.name.as_str()), Some("r"));
    check(identity.delete_role(&caller, "r").await, Err("must remove roles from instance profile first"));
    check(identity.delete_instance_profile(&caller, "p").await, Err("must remove roles from instance profile first"));
    identity.remove_role_from_instance_profile(&caller, "p", "r").await.expect("removed");
    check(identity.delete_instance_profile(&caller, "p").await, Ok(()));
    check(identity.delete_role(&caller, "r").await, Ok(()));
}

#[tokio::test]
async fn providers_are_named_by_their_url() {
    let lake = lake();
    let (identity, caller) = (&lake.identity, lake.caller());
    let new = |url: &str| NewOidcProvider { url: url.to_owned(), ..NewOidcProvider::default() };
    let made = identity.create_oidc_provider(&caller, new("https://idp.example.com/lake")).await.expect("provider");
    let arn = made.arn.to_string();
    assert_eq!(arn, "arn:aws:iam::000000000000:oidc-provider/idp.example.com/lake");
    check(identity.create_oidc_provider(&caller, new("https://idp.example.com/lake/")).await, Err("already exists"));
    for url in ["idp.example.com", "https://", "ftp://a", "https://a?b", "https://a b", "https:///x"] {
        check(identity.create_oidc_provider(&caller, new(url)).await, Err("Invalid Open ID Connect Provider URL"));
    }
    for _ in 0..2 {
        identity.add_oidc_client_id(&caller, &arn, "a".to_owned()).await.expect("added");
    }
    assert_eq!(identity.get_oidc_provider(&caller, &arn).expect("provider").client_ids, ["a"]);
    check(identity.update_oidc_thumbprints(&caller, &arn, vec!["x".to_owned()]).await, Err("has 40 characters"));
    identity.remove_oidc_client_id(&caller, &arn, "a".to_owned()).await.expect("removed");
    assert_eq!(identity.list_oidc_providers(&caller).expect("list"), [made.arn]);
    let foreign = lake.caller_in(account("111111111111"), "Test");
    check(identity.get_oidc_provider(&foreign, &arn), Err("not found"));
    identity.delete_oidc_provider(&caller, &arn).await.expect("deleted");
    check(identity.delete_oidc_provider(&caller, &arn).await, Err("not found"));
}

#[tokio::test]
async fn roots_configured_key_stays() {
    let lake = lake();
    let accounts = vec![config(Some(("admin", "admin-secret")), &[])];
    lake.identity.bootstrap(&Region::us_east_1(), accounts).await.expect("bootstrap");
    let (identity, caller) = (&lake.identity, lake.caller());
    check(identity.delete_access_key(&caller, &KeyHolder::Root, "admin").await, Err("configuration gives root"));
    let off = identity.update_access_key(&caller, &KeyHolder::Root, "admin", AccessKeyStatus::Inactive).await;
    check(off, Err("configuration gives root"));
    let made = identity.create_access_key(&caller, &KeyHolder::Root).await.expect("another");
    let listed = identity.list_access_keys(&caller, &KeyHolder::Root, &page()).expect("keys").items;
    assert_eq!(listed.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), [made.key.id.as_str(), "admin"]);
    assert_eq!(identity.access_key(&made.key.id).expect("lookup").expect("key").principal.kind, PrincipalKind::Root);
    check(identity.create_access_key(&caller, &KeyHolder::Root).await, Err("AccessKeysPerUser: 2"));
    check(identity.delete_access_key(&caller, &of("none"), &made.key.id).await, Err("The user with name none"));
    identity.delete_access_key(&caller, &KeyHolder::Root, &made.key.id).await.expect("deleted");
    assert_eq!(identity.access_key(&made.key.id).expect("lookup"), None);
}

/// As a server before versions wrote it.
const POLICY_V1: &str = "000105414e504158036f776e032f782f010164557b2256657273696f6e223a22323031322d31302d3137222c2253746174656d656e74223a5b7b22456666656374223a22416c6c6f77222c22416374696f6e223a222a222c225265736f75726365223a222a227d5d7d0a";

#[test]
fn policies_of_the_older_form_are_read() {
    assert_eq!(ManagedPolicyRecord::VERSION, 2);
    let bytes: Vec<u8> = POLICY_V1
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hexadecimal"))
        .collect();
    let record: ManagedPolicyRecord = decode_record(&bytes).expect("readable");
    let old = ManagedPolicyRecordV1 {
        id: "ANPAX".to_owned(),
        name: "own".to_owned(),
        path: "/x/".to_owned(),
        description: Some("d".to_owned()),
        document: ALLOW_ALL.to_owned(),
        created_ms: 5,
    };
    assert_eq!(record, old.into());
    assert_eq!((record.document(), record.default_version, record.last_version), (ALLOW_ALL, 1, 1));
}
