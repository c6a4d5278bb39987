//! Which volumes a lake has: other drives and remote buckets that storage classes are mapped to. Kept by name, so that a drive that is not
//! mounted, or is another lake's, is not taken for the one that was there. Opens nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tarn_blobs::VolumeId;
use tarn_metadata::{Key, Read, Record, Store, StoreExt, Tx};

use crate::errors::ObjectsError;
use crate::keyspaces::VOLUMES;

/// A volume that the lake has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// The id of its engine.
    pub id: VolumeId,
    /// Where it was last: a directory on this machine, or the URL of a bucket.
    pub place: String,
}

impl Record for Volume {
    const VERSION: u16 = 1;
}

/// All volumes that the lake has used, by name.
pub fn volumes_used(read: &impl Read) -> Result<BTreeMap<String, Volume>, ObjectsError> {
    let mut volumes = BTreeMap::new();
    for row in read.prefix(VOLUMES, &Key::new()) {
        let (at, volume) = row?;
        volumes.insert(Key::reader(at.as_bytes()).text().unwrap_or_default(), volume);
    }
    Ok(volumes)
}

/// Keeps what a volume is and where it is now.
pub async fn keep_volume(store: &dyn Store, name: &str, volume: Volume) -> Result<(), ObjectsError> {
    let at = Key::new().text(name);
    Ok(store.write(move |tx: &mut Tx<'_>| Ok::<_, ObjectsError>(tx.put(VOLUMES, &at, &volume)?)).await?)
}
