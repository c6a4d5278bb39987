//! Access control lists beside policies: what a grant lets in, what it does not, and what wins over it.

use super::*;

const READ: &[&str] = &["s3:getobject"];

struct Place<'a> {
    owner: &'a str,
    policy: Option<Policy>,
    grants: Vec<Granted>,
    only_denies: bool,
    only_for: Option<&'a str>,
}

fn place(owner: &str) -> Place<'_> {
    Place { owner, policy: None, grants: Vec::new(), only_denies: false, only_for: None }
}

fn granted(to: GrantedTo) -> Vec<Granted> {
    vec![Granted { to, actions: READ }]
}

fn ask(principal: &Principal, own: &[&str], place: &Place<'_>, of_callers_own: bool) -> Option<DeniedBecause> {
    let own: Vec<_> = own
        .iter()
        .map(|effect| identity(&one(&format!(r#""Effect":"{effect}","Action":"s3:Get*","Resource":"*""#))))
        .collect();
    let only_for = place.only_for.map(account);
    let question = Question {
        principal,
        action: "s3:GetObject",
        resource: Some(&Arn::s3_object("b", "k")),
        resource_owner: Some(&account(place.owner)),
        own: &Context::new(),
        request: &Context::new(),
        of_callers_own,
        is_supposed: false,
    };
    let sets = PolicySets {
        identity: &own,
        resource: place.policy.as_ref(),
        grants: &place.grants,
        resource_only_denies: place.only_denies,
        only_for: only_for.as_ref(),
        ..PolicySets::default()
    };
    decide(&question, &sets).refused
}

fn policy(effect: &str) -> Option<Policy> {
    Some(resource(&one(&format!(
        r#""Effect":"{effect}","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#
    ))))
}

#[test]
fn grants_let_in_whom_they_name() {
    use DeniedBecause::*;
    let (ada, eve) = (user(OWNER, "ada"), user(OTHER, "eve"));
    let (root, stranger, anonymous) =
        (Principal::root(account(OWNER)), Principal::root(account(OTHER)), Principal::anonymous());
    let everyone = || granted(GrantedTo::Everyone);
    let signed = || granted(GrantedTo::Authenticated);
    let other = || granted(GrantedTo::Account(account(OTHER)));
    let owner = || granted(GrantedTo::Account(account(OWNER)));
    let check = |grants: &dyn Fn() -> Vec<Granted>, principal: &Principal, own: &[&str], expected| {
        let place = Place { grants: grants(), ..place(OWNER) };
        assert_eq!(ask(principal, own, &place, false), expected, "{principal:?} own {own:?} {:?}", place.grants);
    };
    check(&everyone, &anonymous, &[], None);
    check(&everyone, &stranger, &[], None);
    check(&everyone, &ada, &[], None);
    check(&everyone, &ada, &["Deny"], Some(IdentityPolicy));
    // Another account's user needs that account's word too.
    check(&everyone, &eve, &[], Some(NothingAllows));
    check(&everyone, &eve, &["Allow"], None);
    check(&signed, &anonymous, &[], Some(NothingAllows));
    check(&signed, &stranger, &[], None);
    check(&signed, &eve, &["Allow"], None);
    check(&other, &stranger, &[], None);
    check(&other, &eve, &[], Some(NothingAllows));
    check(&other, &eve, &["Allow"], None);
    check(&other, &anonymous, &[], Some(NothingAllows));
    // The owner's own grant lets in its root, who is in anyway, and none of its users.
    check(&owner, &root, &[], None);
    check(&owner, &ada, &[], Some(NothingAllows));
    check(&owner, &stranger, &[], Some(NoResourcePolicyAllows));
    // Somebody who is named needs nothing else, of whichever account.
    let named = |arn: &'static str| move || granted(GrantedTo::named(arn).expect("a principal"));
    let (to_ada, to_eve) = (named("arn:aws:iam::111111111111:user/ada"), named("arn:aws:iam::222222222222:user/eve"));
    check(&to_ada, &ada, &[], None);
    check(&to_ada, &ada, &["Deny"], Some(IdentityPolicy));
    check(&to_ada, &eve, &["Allow"], Some(NoResourcePolicyAllows));
    check(&to_eve, &eve, &[], None);
    check(&to_eve, &user(OTHER, "eva"), &[], Some(NothingAllows));
    check(&to_eve, &anonymous, &[], Some(NothingAllows));
    // A grant of something else is none.
    let write = || vec![Granted { to: GrantedTo::Everyone, actions: &["s3:putobject"] }];
    check(&write, &anonymous, &[], Some(NothingAllows));
}

#[test]
fn denials_and_restrictions_win_over_grants() {
    use DeniedBecause::*;
    let (root, stranger, anonymous) =
        (Principal::root(account(OWNER)), Principal::root(account(OTHER)), Principal::anonymous());
    let denied = Place { policy: policy("Deny"), grants: granted(GrantedTo::Everyone), ..place(OWNER) };
    for principal in [&root, &stranger, &anonymous] {
        assert_eq!(ask(principal, &[], &denied, false), Some(ResourcePolicy), "{principal:?}");
        assert_eq!(ask(principal, &[], &denied, true), Some(ResourcePolicy), "{principal:?}");
    }
    let restricted =
        Place { policy: policy("Allow"), grants: granted(GrantedTo::Everyone), only_for: Some(OWNER), ..place(OWNER) };
    assert_eq!(ask(&anonymous, &[], &restricted, false), Some(PublicPolicyRestricted));
    assert_eq!(ask(&stranger, &[], &restricted, false), Some(PublicPolicyRestricted));
    assert_eq!(ask(&root, &[], &restricted, false), None);
    assert_eq!(ask(&user(OWNER, "ada"), &[], &restricted, false), None);
    assert_eq!(ask(&Principal::service(account(OWNER), "glue.amazonaws.com"), &[], &restricted, false), None);
}

#[test]
fn what_lies_in_anothers_place_is_its_owners() {
    use DeniedBecause::*;
    let (owner, writer, anonymous) =
        (Principal::root(account(OWNER)), Principal::root(account(OTHER)), Principal::anonymous());
    // The object is OTHER's, the bucket and its policy OWNER's: that policy cannot give the object away.
    let theirs = Place { policy: policy("Allow"), only_denies: true, ..place(OTHER) };
    assert_eq!(ask(&writer, &[], &theirs, false), None);
    assert_eq!(ask(&owner, &[], &theirs, false), Some(NoResourcePolicyAllows));
    assert_eq!(ask(&anonymous, &[], &theirs, false), Some(NothingAllows));
    let shared = Place { grants: granted(GrantedTo::Account(account(OWNER))), ..theirs };
    assert_eq!(ask(&owner, &[], &shared, false), None);
    let denied = Place { policy: policy("Deny"), only_denies: true, ..place(OTHER) };
    assert_eq!(ask(&writer, &[], &denied, false), Some(ResourcePolicy));

    // What will be the caller's own asks the caller's account only.
    assert_eq!(ask(&writer, &[], &place(OWNER), false), Some(NoResourcePolicyAllows));
    assert_eq!(ask(&writer, &[], &place(OWNER), true), None);
    assert_eq!(ask(&user(OTHER, "eve"), &[], &place(OWNER), true), Some(NothingAllows));
    assert_eq!(ask(&user(OTHER, "eve"), &["Allow"], &place(OWNER), true), None);
    assert_eq!(ask(&anonymous, &[], &place(OWNER), true), None);
}

#[test]
fn root_gets_back_unless_it_gave_that_up() {
    let locked = resource(
        r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}}"#,
    );
    for binds_root in [false, true] {
        let question = Question {
            principal: &Principal::root(account(OWNER)),
            action: "s3:PutBucketPolicy",
            resource: Some(&Arn::s3_bucket("b")),
            resource_owner: Some(&account(OWNER)),
            own: &Context::new(),
            request: &Context::new(),
            of_callers_own: false,
            is_supposed: false,
        };
        let sets = PolicySets { resource: Some(&locked), binds_root, ..PolicySets::default() };
        assert_eq!(decide(&question, &sets).is_allowed(), !binds_root);
    }
}
