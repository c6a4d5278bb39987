//! New material under an old name, asked for and by itself; and records of older servers.

use std::collections::BTreeMap;

use tarn_metadata::{decode_record, encode_record};

use super::*;

#[tokio::test]
async fn ciphertexts_of_every_version_open() {
    let lake = lake();
    let key = lake.make(None).await;
    let none = context(&[]);
    let mut sealed = vec![lake.encrypt(&key.id, b"secret", &none).expect("encrypted")];
    for _ in 0..3 {
        lake.kms.rotate_key_on_demand(&lake.may("kms:RotateKeyOnDemand", &key), &key.id).await.expect("rotated");
        sealed.push(lake.encrypt(&key.id, b"secret", &none).expect("encrypted"));
    }
    let mut materials = Vec::new();
    for sealed in &sealed {
        let opened = lake.decrypt(None, &sealed.blob, &none).expect("opened");
        assert_eq!((opened.plaintext.expose(), opened.material), (&b"secret"[..], sealed.material));
        materials.push(sealed.material);
    }
    materials.dedup();
    assert_eq!(materials.len(), 4, "each by material of its own");
    let caller = lake.may("kms:ListKeyRotations", &key);
    let list = |with_first, marker: Option<String>| {
        let page = KmsPageRequest { marker, items_max: Some(2) };
        lake.kms.list_key_rotations(caller.authorized(), caller.scope(), &key.id, with_first, &page).expect("listed")
    };
    let first = list(true, None);
    let rest = list(true, first.marker.clone());
    let all: Vec<_> = first.items.iter().chain(&rest.items).collect();
    assert_eq!(all.iter().map(|version| Some(version.material)).collect::<Vec<_>>(), materials);
    assert_eq!(all.iter().map(|version| version.is_current).collect::<Vec<_>>(), [false, false, false, true]);
    assert_eq!(all.first().map(|version| version.rotation), Some(None));
    assert_eq!(list(false, None).items.len() + list(false, list(false, None).marker).items.len(), 3);
}

#[tokio::test]
async fn rotations_on_demand_have_a_limit() {
    let lake = lake();
    let key = lake.make(None).await;
    let caller = lake.may("kms:RotateKeyOnDemand", &key);
    for _ in 0..25 {
        lake.kms.rotate_key_on_demand(&caller, &key.id).await.expect("rotated");
    }
    let refused = lake.kms.rotate_key_on_demand(&caller, &key.id).await;
    assert!(matches!(refused, Err(KmsError::LimitExceeded { count_max: 25, .. })), "{refused:?}");
}

#[tokio::test]
async fn keys_rotate_when_their_time_has_come() {
    let lake = lake();
    let (key, still) = (lake.make(None).await, lake.make(None).await);
    let enable =
        async |days| lake.kms.enable_key_rotation(&lake.may("kms:EnableKeyRotation", &key), &key.id, days).await;
    for days in [0, 89, 2_561] {
        assert!(matches!(enable(Some(days)).await, Err(KmsError::Validation { .. })), "{days}");
    }
    enable(Some(90)).await.expect("enabled");
    let version = || lake.kms.key(lake.may("kms:DescribeKey", &key).authorized(), &scope_of(&root()), &key.id);
    let check = async |at_ms: i64, due: usize, expected: u32| {
        lake.set_ms(at_ms);
        assert_eq!(lake.kms.do_due().await.expect("looked"), due, "at {at_ms}");
        assert_eq!(version().expect("there").version, expected, "at {at_ms}");
    };
    let period_ms = 90 * DAY_MS;
    check(period_ms - 1, 0, 1).await;
    check(period_ms, 1, 2).await;
    check(period_ms, 0, 2).await;
    check(2 * period_ms, 1, 3).await;
    // A key that is disabled waits.
    lake.kms.disable_key(&lake.may("kms:DisableKey", &key), &key.id).await.expect("disabled");
    check(3 * period_ms, 0, 3).await;
    lake.kms.enable_key(&lake.may("kms:EnableKey", &key), &key.id).await.expect("enabled");
    check(3 * period_ms, 1, 4).await;
    lake.kms.disable_key_rotation(&lake.may("kms:DisableKeyRotation", &key), &key.id).await.expect("disabled");
    check(9 * period_ms, 0, 4).await;
    let still = lake.kms.key(lake.may("kms:DescribeKey", &still).authorized(), &scope_of(&root()), &still.id);
    assert_eq!(still.expect("there").version, 1);
    // A service's key rotates every year, whatever anybody says.
    let managed = lake.kms.managed_key(&scope_of(&root()), "s3").await.expect("made");
    lake.set_ms(9 * period_ms + 365 * DAY_MS);
    assert_eq!(lake.kms.do_due().await.expect("looked"), 1);
    assert_eq!(lake.kms.managed_key(&scope_of(&root()), "s3").await.expect("there").version, managed.version + 1);
}

#[tokio::test]
async fn only_symmetric_keys_made_here_rotate() {
    let lake = lake();
    for request in [
        CreateKey { spec: KeySpec::Hmac256, usage: Some(KeyUsage::GenerateVerifyMac), ..CreateKey::default() },
        CreateKey { spec: KeySpec::EccNistP256, usage: Some(KeyUsage::SignVerify), ..CreateKey::default() },
        CreateKey { origin: KeyOrigin::External, ..CreateKey::default() },
    ] {
        let key = lake.make_as(request).await;
        for refused in [
            lake.kms.enable_key_rotation(&lake.may("kms:EnableKeyRotation", &key), &key.id, None).await,
            lake.kms.rotate_key_on_demand(&lake.may("kms:RotateKeyOnDemand", &key), &key.id).await.map(|_| ()),
        ] {
            assert!(matches!(refused, Err(KmsError::UnsupportedForKey { .. })), "{refused:?}");
        }
    }
}

/// Version 1, as it was written before keys had kinds.
const KEY_V1: &str = "00012430303030303030302d303030302d343030302d383030302d3030303030303030303030310c3030303030303030303030300975732d\
    656173742d310280f0b252000164027b7dd00f010161013103";
const MATERIAL_V1: &str = "0001d00f010001020304050607000000000000000000000000000000000000000000000000000000000000000000000000000000\
    00000000000000000003616263";

#[test]
fn records_of_version_1_are_read() {
    let stored = |fixture: &str| hex::decode(fixture.replace(char::is_whitespace, "")).expect("hexadecimal");
    let expected = KmsKey {
        id: "00000000-0000-4000-8000-000000000001".to_owned(),
        account: first(),
        region: Region::us_east_1(),
        state: KeyState::PendingDeletion { deletion_ms: DAY_MS },
        manager: KeyManager::Aws,
        description: "d".to_owned(),
        policy: "{}".to_owned(),
        created_ms: 1_000,
        tags: BTreeMap::from([("a".to_owned(), "1".to_owned())]),
        version: 3,
        spec: KeySpec::SymmetricDefault,
        usage: KeyUsage::EncryptDecrypt,
        origin: KeyOrigin::AwsKms,
        rotation: Some(RotationSchedule { period_days: 365, next_ms: 1_000 + 365 * DAY_MS }),
        imported: None,
    };
    assert_eq!(decode_record::<KmsKey>(&stored(KEY_V1)).expect("read"), expected);
    assert_eq!(decode_record::<KmsKey>(&encode_record(&expected).expect("written")).expect("read"), expected);
    let material = decode_record::<KeyMaterial>(&stored(MATERIAL_V1)).expect("read");
    assert_eq!((material.created_ms, material.rotation), (1_000, None));
    // Today's form ends with what version 1 did not have.
    let mut today = stored(MATERIAL_V1);
    today.splice(..2, [0, 2]);
    today.push(0);
    assert_eq!(encode_record(&material).expect("written"), today);
}
