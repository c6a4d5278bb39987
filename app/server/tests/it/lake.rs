//! A lake's first start, its second, and starts that must be refused.

use tarn_objects::BucketName;
use tarn_policy::Authorized;
use tarn_server::{Lake, LakeError};
use tarn_types::AccountId;

use crate::callers::{open, options};

fn has_bucket(lake: &Lake, name: &str) -> bool {
    let proof = Authorized::internal("test", AccountId::first());
    lake.objects.bucket(&proof, &BucketName::new(name).expect("a name")).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_is_made_once_and_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = open(folder.path()).await;
    assert!(lake.first_start.is_some());
    for zone in ["lake-raw", "lake-processed", "lake-analytics", "lake-ml"] {
        assert!(has_bucket(&lake, zone), "{zone}");
    }
    let busy = Lake::open(options(folder.path())).await;
    assert!(matches!(busy, Err(LakeError::Directory { .. })), "one process at a time");
    lake.close().await.expect("closed");
    let again = open(folder.path()).await;
    assert!(again.first_start.is_none());
    assert!(has_bucket(&again, "lake-raw"));
    again.close().await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_and_root_credentials_are_as_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut without = options(folder.path());
    without.zones = false;
    without.root = None;
    let lake = Lake::open(without).await.expect("opened");
    assert!(!has_bucket(&lake, "lake-raw"));
    let file = lake.first_start.as_ref().and_then(|first| first.root.file.clone()).expect("made and kept");
    assert!(file.ends_with("root-credentials"));
    lake.close().await.expect("closed");

    let mut twice = options(&folder.path().join("other"));
    twice.tables.accounts.push(tarn_server::AccountSetting {
        id: AccountId::new("000000000001").expect("an id"),
        ..twice.tables.accounts[0].clone()
    });
    let last = twice.tables.accounts[1].clone();
    twice.tables.accounts.push(last);
    assert!(matches!(Lake::open(twice).await, Err(LakeError::Account { .. })));
}
