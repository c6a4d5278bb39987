//! Classes on volumes, through the calls.

use std::collections::BTreeMap;

use tarn_blobs::{BlobError, BlobStore, Volumes};

use super::classes::{lines, put_in};
use super::*;
use crate::keyspaces::DEAD_BLOBS;

const SLOW: tarn_blobs::VolumeId = tarn_blobs::VolumeId([7; 16]);

#[tokio::test]
async fn a_volume_that_is_not_there_keeps_nothing_else_from_being_deleted() {
    let class_volumes = BTreeMap::from([(StorageClass::StandardIa, SLOW)]);
    let options = ObjectsOptions { class_volumes, ..ObjectsOptions::default() };
    let mut lake = Lake::with(options.clone());
    let slow = MemoryBlobs::new();
    let main: Arc<dyn BlobStore> = Arc::new(lake.blobs.clone());
    let (store, keys, runtime) = (lake.store.clone(), lake.objects.keys.clone(), lake.runtime.clone());
    let over = |others| {
        let blobs = Arc::new(Volumes::new(main.clone(), others));
        Objects::new(store.clone(), blobs, keys.clone(), runtime.clone(), options.clone())
    };
    lake.objects = over(BTreeMap::from([(SLOW, Arc::new(slow.clone()) as Arc<dyn BlobStore>)]));
    let name = lake.bucket("lake-raw").await;
    put_in(&lake, &name, "cold", StorageClass::StandardIa, lines(1000)).await;
    lake.put(&name, "hot", "hot").await;
    assert_eq!((lake.blobs.count(), slow.count()), (1, 1));

    let with_volume = std::mem::replace(&mut lake.objects, over(BTreeMap::new()));
    let refused = lake.get(&name, "cold").await;
    assert!(matches!(refused, Err(ObjectsError::Blob(BlobError::NoVolume { volume: SLOW }))), "{refused:?}");
    lake.delete(&name, "cold").await;
    lake.delete(&name, "hot").await;
    assert_eq!(lake.objects.collect_dead_blobs().await.unwrap(), 1);
    assert_eq!((lake.blobs.count(), slow.count()), (0, 1));
    let stuck = lake.objects.collect_dead_blobs().await;
    assert!(matches!(stuck, Err(ObjectsError::Blob(BlobError::NoVolume { .. }))), "{stuck:?}");

    // More than a batch of them in front, and what comes after is reached.
    let ahead = DEAD_BLOBS.pending(&lake.store.read().unwrap(), 1).unwrap().remove(0).effect;
    for _ in 0..1100 {
        let effect = ahead.clone();
        lake.store.write(move |tx| DEAD_BLOBS.push(tx, &effect).map(drop)).await.unwrap();
    }
    lake.put(&name, "hot", "hot").await;
    lake.delete(&name, "hot").await;
    for _ in 0..3 {
        drop(lake.objects.collect_dead_blobs().await);
    }
    assert_eq!(lake.blobs.count(), 0);

    lake.objects = with_volume;
    lake.collect().await;
    assert_eq!(slow.count(), 0);
    assert!(DEAD_BLOBS.pending(&lake.store.read().unwrap(), 1).unwrap().is_empty());
}
