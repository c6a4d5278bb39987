//! What grants allow, whom, for which contexts; and who can end them.

use std::collections::BTreeSet;

use super::*;

const PLAIN: &str = "arn:aws:iam::000000000000:user/plain";

fn plain() -> Principal {
    user("000000000000", "plain")
}

fn grant(grantee: &str, operations: &[GrantOperation]) -> CreateGrant {
    let operations = operations.iter().copied().collect();
    CreateGrant { grantee: grantee.to_owned(), retiring: None, operations, constraint: None, name: None }
}

impl Lake {
    async fn grant_as(&self, who: &Principal, key: &KmsKey, request: CreateGrant) -> Result<KmsGrant, KmsError> {
        let name = key.arn().to_string();
        let mut requirement = self.kms.requirement("kms:CreateGrant", &scope_of(who), &name)?;
        request.describe(&mut requirement);
        let caller = self.caller_with(who, vec![requirement]).map_err(KmsError::Denied)?;
        self.kms.create_grant(&caller, &name, request, false).await
    }

    fn may_with(&self, who: &Principal, action: &'static str, key: &KmsKey, pairs: &[(&str, &str)]) -> bool {
        let name = key.arn().to_string();
        let mut requirement = self.kms.requirement(action, &scope_of(who), &name).expect("a requirement");
        context(pairs).describe(&mut requirement);
        self.caller_with(who, vec![requirement]).is_ok()
    }

    async fn retire_as(&self, who: &Principal, name: GrantName) -> Result<(), KmsError> {
        let requirement = self.kms.retire_requirement(&scope_of(who), &name)?;
        let caller = self.caller_with(who, vec![requirement]).map_err(KmsError::Denied)?;
        self.kms.retire_grant(&caller, name, false).await
    }
}

#[tokio::test]
async fn a_grant_allows_its_grantee_its_operations() {
    let lake = lake();
    let (key, other) = (lake.make(None).await, lake.make(None).await);
    let made = lake.grant_as(&root(), &key, grant(PLAIN, &[GrantOperation::Encrypt])).await.expect("granted");
    assert!(lake.may_with(&plain(), "kms:Encrypt", &key, &[]));
    assert!(!lake.may_with(&plain(), "kms:Decrypt", &key, &[]));
    assert!(!lake.may_with(&plain(), "kms:Encrypt", &other, &[]));
    assert!(!lake.may_with(&user("000000000000", "plainer"), "kms:Encrypt", &key, &[]));
    assert!(!lake.may_with(&user(OTHER, "plain"), "kms:Encrypt", &key, &[]));
    let caller = lake.may("kms:RevokeGrant", &key);
    assert!(matches!(lake.kms.revoke_grant(&caller, &key.id, &made.id, true).await, Err(KmsError::DryRun)));
    assert!(lake.may_with(&plain(), "kms:Encrypt", &key, &[]));
    lake.kms.revoke_grant(&caller, &key.id, &made.id, false).await.expect("revoked");
    assert!(!lake.may_with(&plain(), "kms:Encrypt", &key, &[]));
    let again = lake.kms.revoke_grant(&caller, &key.id, &made.id, false).await;
    assert!(matches!(again, Err(KmsError::NoSuchGrant { .. })));
    // Somebody of another account needs nothing else either; its account passes on what it is granted.
    let theirs = user(OTHER, "plain");
    let arn = format!("arn:aws:iam::{OTHER}:user/plain");
    lake.grant_as(&root(), &key, grant(&arn, &[GrantOperation::Decrypt])).await.expect("granted");
    assert!(lake.may_with(&theirs, "kms:Decrypt", &key, &[]));
    let account = format!("arn:aws:iam::{OTHER}:root");
    lake.grant_as(&root(), &key, grant(&account, &[GrantOperation::Encrypt])).await.expect("granted");
    assert!(lake.may_with(&user(OTHER, "allowed"), "kms:Encrypt", &key, &[]));
    assert!(!lake.may_with(&theirs, "kms:Encrypt", &key, &[]));
    for nobody in ["*", "plain", "arn:aws:s3:::bucket", "arn:aws:iam::000000000000:user/*"] {
        let refused = lake.grant_as(&root(), &key, grant(nobody, &[GrantOperation::Encrypt])).await;
        assert!(matches!(refused, Err(KmsError::InvalidGrantPrincipal { .. })), "{nobody}: {refused:?}");
    }
}

#[tokio::test]
async fn constraints_bind_the_context() {
    let lake = lake();
    let key = lake.make(None).await;
    let bound = [("a", "1"), ("B", "2")];
    type Of = fn(EncryptionContext) -> GrantConstraint;
    let check = async |of: Of, given: &[(&str, &str)], expected: bool| {
        let constraint = Some(of(context(&bound)));
        let all = [GrantOperation::Encrypt, GrantOperation::DescribeKey];
        let request = CreateGrant { constraint, ..grant(PLAIN, &all) };
        let made = lake.grant_as(&root(), &key, request).await.expect("granted");
        assert_eq!(lake.may_with(&plain(), "kms:Encrypt", &key, given), expected, "{given:?}");
        // What comes without a context is not bound to one.
        assert!(lake.may_with(&plain(), "kms:DescribeKey", &key, &[]));
        let caller = lake.may("kms:RevokeGrant", &key);
        lake.kms.revoke_grant(&caller, &key.id, &made.id, false).await.expect("revoked");
    };
    let (equals, subset): (Of, Of) =
        (GrantConstraint::EncryptionContextEquals, GrantConstraint::EncryptionContextSubset);
    check(equals, &bound, true).await;
    check(equals, &[("B", "2"), ("a", "1")], true).await;
    check(equals, &[("a", "1")], false).await;
    check(equals, &[("a", "1"), ("B", "2"), ("c", "3")], false).await;
    check(subset, &bound, true).await;
    check(subset, &[("a", "1"), ("B", "2"), ("c", "3")], true).await;
    check(subset, &[("a", "1"), ("B", "3")], false).await;
    check(subset, &[], false).await;
    // Names and values of contexts tell upper from lower case, whatever conditions of policies do.
    check(equals, &[("A", "1"), ("B", "2")], false).await;
    check(subset, &[("a", "1"), ("b", "2")], false).await;
    check(subset, &[("a", "1"), ("A", "1"), ("B", "2")], false).await;

    let hmac = CreateKey { spec: KeySpec::Hmac256, usage: Some(KeyUsage::GenerateVerifyMac), ..CreateKey::default() };
    let hmac = lake.make_as(hmac).await;
    let constraint = Some(equals(context(&bound)));
    let request = CreateGrant { constraint, ..grant(PLAIN, &[GrantOperation::GenerateMac]) };
    assert!(matches!(lake.grant_as(&root(), &hmac, request).await, Err(KmsError::Validation { .. })));
    let unfit = lake.grant_as(&root(), &hmac, grant(PLAIN, &[GrantOperation::Encrypt])).await;
    assert!(matches!(unfit, Err(KmsError::Validation { .. })));
}

#[tokio::test]
async fn what_is_granted_can_be_passed_on_but_not_more() {
    let lake = lake();
    let key = lake.make(None).await;
    let own = [GrantOperation::CreateGrant, GrantOperation::Encrypt];
    let pairs = GrantConstraint::EncryptionContextSubset(context(&[("zone", "raw")]));
    let request = CreateGrant { constraint: Some(pairs), ..grant(PLAIN, &own) };
    lake.grant_as(&root(), &key, request).await.expect("granted");
    let other = "arn:aws:iam::000000000000:user/other";
    let check = async |operations: &[GrantOperation], constraint: Option<GrantConstraint>, expected: bool| {
        let request = CreateGrant { constraint: constraint.clone(), ..grant(other, operations) };
        let found = lake.grant_as(&plain(), &key, request).await;
        assert_eq!(found.is_ok(), expected, "{operations:?} {constraint:?}: {found:?}");
    };
    let subset = |pairs: &[(&str, &str)]| Some(GrantConstraint::EncryptionContextSubset(context(pairs)));
    let equals = |pairs: &[(&str, &str)]| Some(GrantConstraint::EncryptionContextEquals(context(pairs)));
    let encrypt = [GrantOperation::Encrypt];
    check(&encrypt, subset(&[("zone", "raw")]), true).await;
    check(&encrypt, subset(&[("zone", "raw"), ("a", "1")]), true).await;
    check(&encrypt, equals(&[("zone", "raw")]), true).await;
    check(&encrypt, None, false).await;
    check(&encrypt, subset(&[("zone", "ml")]), false).await;
    check(&encrypt, equals(&[("a", "1")]), false).await;
    check(&[GrantOperation::Decrypt], subset(&[("zone", "raw")]), false).await;
    check(&[GrantOperation::Encrypt, GrantOperation::Decrypt], subset(&[("zone", "raw")]), false).await;
}

#[tokio::test]
async fn a_grant_says_who_can_retire_it() {
    let lake = lake();
    let key = lake.make(None).await;
    let retiring = user("000000000000", "retiring");
    let check = async |who: &Principal, operations: &[GrantOperation], by_token: bool, expected: bool| {
        let retiring = retiring.arn().map(|arn| arn.to_string());
        let request = CreateGrant { retiring, ..grant(PLAIN, operations) };
        let made = lake.grant_as(&root(), &key, request).await.expect("granted");
        let name = match by_token {
            true => GrantName::Token(made.token().expect("a token")),
            false => GrantName::Id { key: key.arn().to_string(), id: made.id.clone() },
        };
        let found = lake.retire_as(who, name).await;
        assert_eq!(found.is_ok(), expected, "{who:?} {operations:?}: {found:?}");
        let left = lake.kms.revoke_grant(&lake.may("kms:RevokeGrant", &key), &key.id, &made.id, false).await;
        assert_eq!(left.is_err(), expected);
    };
    let encrypt = [GrantOperation::Encrypt];
    let both = [GrantOperation::Encrypt, GrantOperation::RetireGrant];
    check(&retiring, &encrypt, true, true).await;
    check(&retiring, &encrypt, false, true).await;
    check(&plain(), &encrypt, true, false).await;
    check(&plain(), &both, true, true).await;
    check(&root(), &encrypt, false, true).await;
    check(&user("000000000000", "allowed"), &encrypt, false, true).await;
    check(&user("000000000000", "other"), &both, false, false).await;
    check(&user(OTHER, "allowed"), &both, false, false).await;
    for token in ["", "x", "AAAA"] {
        let refused = lake.retire_as(&root(), GrantName::Token(token.to_owned())).await;
        assert!(matches!(refused, Err(KmsError::InvalidGrantToken)), "{token}: {refused:?}");
    }
}

#[tokio::test]
async fn a_name_finds_the_grant_that_it_made() {
    let lake = lake();
    let key = lake.make(None).await;
    let named = CreateGrant { name: Some("n".to_owned()), ..grant(PLAIN, &[GrantOperation::Encrypt]) };
    let first = lake.grant_as(&root(), &key, named.clone()).await.expect("granted");
    assert_eq!(lake.grant_as(&root(), &key, named.clone()).await.expect("found"), first);
    let other = CreateGrant { operations: BTreeSet::from([GrantOperation::Decrypt]), ..named.clone() };
    assert_ne!(lake.grant_as(&root(), &key, other).await.expect("granted").id, first.id);
    let unnamed = CreateGrant { name: None, ..named };
    let (one, two) = (
        lake.grant_as(&root(), &key, unnamed.clone()).await.expect("granted"),
        lake.grant_as(&root(), &key, unnamed).await.expect("granted"),
    );
    assert_ne!(one.id, two.id);
    let caller = lake.may("kms:ListGrants", &key);
    let list = |id: Option<&str>, grantee: Option<&str>| {
        let page = KmsPageRequest::default();
        let found = lake.kms.list_grants(caller.authorized(), caller.scope(), &key.id, id, grantee, &page);
        found.expect("listed").items.len()
    };
    assert_eq!((list(None, None), list(Some(&one.id), None)), (4, 1));
    assert_eq!((list(None, Some(PLAIN)), list(None, Some("arn:aws:iam::000000000000:user/x"))), (4, 0));
    // Grants end with their key.
    lake.kms
        .schedule_key_deletion(&lake.may("kms:ScheduleKeyDeletion", &key), &key.id, Some(7))
        .await
        .expect("scheduled");
    lake.set_ms(7 * DAY_MS);
    assert_eq!(lake.kms.do_due().await.expect("looked"), 1);
    let left = lake.kms.snapshot().expect("read");
    let count = |grants: usize, others: [usize; 2]| (grants, others);
    assert_eq!(
        count(
            tarn_metadata::Read::prefix(&left, KMS_GRANTS, &tarn_metadata::Key::new()).count(),
            [KMS_GRANTEES, KMS_GRANT_NAMES].map(|index| tarn_metadata::Read::prefix(
                &left,
                index,
                &tarn_metadata::Key::new()
            )
            .count())
        ),
        (0, [0, 0])
    );
}

/// Grants of a key are counted without walking through them, and go in steps when the key does.
#[tokio::test]
async fn grants_are_counted_and_go_in_steps() {
    use tarn_metadata::{Key, Read as _, StoreExt as _, Tx};

    let lake = lake();
    let key = lake.make(None).await;
    let made = lake.grant_as(&root(), &key, grant(PLAIN, &[GrantOperation::Encrypt])).await.expect("granted");
    let at = records::kms_key(&key.account, &key.id);
    let count = || lake.kms.snapshot().expect("read").get(KMS_GRANT_COUNTS, &at).expect("read").map(|it| it.count);
    assert_eq!(count(), Some(1));
    let caller = lake.may("kms:RevokeGrant", &key);
    lake.kms.revoke_grant(&caller, &key.id, &made.id, false).await.expect("revoked");
    assert_eq!(count(), Some(0));
    let set = |count: Option<u32>| {
        let at = at.clone();
        lake.store.write(move |tx: &mut Tx<'_>| match count {
            Some(count) => tx.put(KMS_GRANT_COUNTS, &at, &GrantCount { count }).map_err(KmsError::from),
            None => tx.delete(KMS_GRANT_COUNTS, &at).map_err(KmsError::from),
        })
    };
    set(Some(crate::kms::grants::GRANTS_PER_KEY_MAX)).await.expect("set");
    let refused = lake.grant_as(&root(), &key, grant(PLAIN, &[GrantOperation::Encrypt])).await;
    assert!(matches!(refused, Err(KmsError::LimitExceeded { .. })), "{refused:?}");
    // Grants that are older than their count.
    let written = made.clone();
    let many = 2 * crate::kms::grants::STEP_GRANTS_MAX + 1;
    let writing = lake.store.write(move |tx: &mut Tx<'_>| {
        (0..many).try_for_each(|at| KmsGrant { id: format!("{at:064}"), ..written.clone() }.put(tx))
    });
    writing.await.expect("written");
    set(None).await.expect("set");
    lake.grant_as(&root(), &key, grant(PLAIN, &[GrantOperation::Decrypt])).await.expect("granted");
    assert_eq!(count(), Some(u32::try_from(many).expect("few") + 1));

    let caller = lake.may("kms:ScheduleKeyDeletion", &key);
    lake.kms.schedule_key_deletion(&caller, &key.id, Some(7)).await.expect("scheduled");
    lake.set_ms(7 * DAY_MS);
    // Its time has come: it cannot be called off between the steps.
    let late = lake.kms.cancel_key_deletion(&lake.may("kms:CancelKeyDeletion", &key), &key.id).await;
    assert!(matches!(late, Err(KmsError::PendingDeletion { .. })), "{late:?}");
    let before = lake.kms.snapshot().expect("read").sequence();
    assert_eq!(lake.kms.do_due().await.expect("looked"), 1);
    let left = lake.kms.snapshot().expect("read");
    assert_eq!(left.sequence().0 - before.0, 4, "three of grants, one of the key");
    assert_eq!(left.prefix(KMS_GRANTS, &Key::new()).count(), 0);
    assert_eq!((left.prefix(KMS_GRANTEES, &Key::new()).count(), count()), (0, None));
}
