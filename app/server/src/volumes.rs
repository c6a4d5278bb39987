//! Opens the volumes that storage classes are mapped to. A volume that is not the one the lake used before, or is another lake's, is
//! refused: new bytes must not go to the mount point of a drive that is missing. Knows no objects.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tarn_blobs::{BlobError, BlobStore, LocalBlobs, LocalOptions, RemoteBlobs, VolumeId, VolumeOrigin};
use tarn_disk::{Disk, LocalDisk};
use tarn_metadata::{Store, StoreExt};
use tarn_objects::{ObjectsError, StorageClass, Volume, keep_volume, volumes_used};
use tarn_runtime::Runtime;

use crate::config::VolumeSetting;

/// Made by the engine in its directory; without it nothing was ever kept there.
const ENGINE_ID: &str = "blobs.id";

/// Why a volume cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// It is not there.
    #[error("the volume `{name}` is not at {place}: {reason}; is its drive mounted?")]
    Missing {
        /// Its name.
        name: String,
        /// Where it should be.
        place: String,
        /// What is there.
        reason: String,
    },
    /// It belongs to another lake.
    #[error("{place} holds the bytes of another lake: give the volume `{name}` a directory or bucket of its own")]
    Foreign {
        /// Its name.
        name: String,
        /// Where.
        place: String,
    },
    /// Two names for one volume.
    #[error("the volumes `{name}` and `{other}` are the same: remove one of them")]
    Twice {
        /// One name.
        name: String,
        /// The other.
        other: String,
    },
    /// A class is mapped to a volume that is not configured.
    #[error("{class} is mapped to the volume `{name}`, which has no [volumes.{name}]", class = .class.name())]
    Unknown {
        /// The class.
        class: StorageClass,
        /// The volume.
        name: String,
    },
    /// The records of the volumes.
    #[error("the volumes that were used cannot be looked up: {reason}")]
    Records {
        /// Why.
        reason: String,
    },
    /// The engine does not open.
    #[error("the volume `{name}` does not open: {reason}")]
    Broken {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The volumes of a lake, open.
#[derive(Default)]
pub(crate) struct OpenVolumes {
    /// By the ids that blobs name.
    pub(crate) engines: BTreeMap<VolumeId, Arc<dyn BlobStore>>,
    /// Those on this machine.
    pub(crate) local: Vec<LocalBlobs>,
    by_name: BTreeMap<String, VolumeId>,
}

impl OpenVolumes {
    /// Where new objects of each class go.
    pub(crate) fn classes(
        &self,
        mapped: &BTreeMap<StorageClass, String>,
    ) -> Result<BTreeMap<StorageClass, VolumeId>, VolumeError> {
        let volume_of = |(class, name): (&StorageClass, &String)| match self.by_name.get(name) {
            Some(volume) => Ok((*class, *volume)),
            None => Err(VolumeError::Unknown { class: *class, name: name.clone() }),
        };
        mapped.iter().map(volume_of).collect()
    }
}

/// A volume's engine, just opened.
struct Opened {
    engine: Arc<dyn BlobStore>,
    id: VolumeId,
    place: String,
    /// Whether it had an id already.
    was_there: bool,
    local: Option<LocalBlobs>,
}

async fn open_directory(name: &str, directory: &Path, is_new: bool, runtime: &Runtime) -> Result<Opened, VolumeError> {
    let place = directory.display().to_string();
    let broken = |reason: String| VolumeError::Broken { name: name.to_owned(), reason };
    let was_there = directory.join(ENGINE_ID).exists();
    if !was_there && !is_new {
        let reason = format!("there is no {ENGINE_ID}");
        return Err(VolumeError::Missing { name: name.to_owned(), place, reason });
    }
    let (directory, runtime) = (directory.to_owned(), runtime.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(directory).map_err(|error| error.to_string())?);
        LocalBlobs::open(disk, LocalOptions::default(), runtime).map_err(|error| error.to_string())
    });
    let opened = opening.await.map_err(|error| broken(error.to_string()))?;
    let blobs = opened.map_err(broken)?;
    Ok(Opened { id: blobs.id(), engine: Arc::new(blobs.clone()), place, was_there, local: Some(blobs) })
}

async fn open_remote(
    name: &str,
    url: &str,
    options: &BTreeMap<String, String>,
    is_new: bool,
    runtime: &Runtime,
) -> Result<Opened, VolumeError> {
    let broken = |reason: String| VolumeError::Broken { name: name.to_owned(), reason };
    let opened = RemoteBlobs::open_url(url, options, is_new, runtime.clone()).await;
    let (blobs, origin) = opened.map_err(|error| match error {
        BlobError::Missing { place } => {
            let reason = format!("there is no {place}");
            VolumeError::Missing { name: name.to_owned(), place: url.to_owned(), reason }
        }
        other => broken(other.to_string()),
    })?;
    Ok(Opened {
        id: blobs.id(),
        engine: Arc::new(blobs),
        place: url.to_owned(),
        was_there: origin == VolumeOrigin::Found,
        local: None,
    })
}

/// Opens what is configured, and remembers it.
pub(crate) async fn open(
    settings: &BTreeMap<String, VolumeSetting>,
    store: &dyn Store,
    runtime: &Runtime,
) -> Result<OpenVolumes, VolumeError> {
    let unreadable = |error: ObjectsError| VolumeError::Records { reason: error.to_string() };
    let snapshot = store.read().map_err(|error| unreadable(error.into()))?;
    let used = volumes_used(&snapshot).map_err(unreadable)?;
    drop(snapshot);
    for (name, volume) in used.iter().filter(|(name, _)| !settings.contains_key(*name)) {
        tracing::warn!(volume = %name, place = %volume.place, "a volume is not configured any more: what lies there cannot be read");
    }
    let mut volumes = OpenVolumes::default();
    for (name, setting) in settings {
        let known = used.get(name).map(|volume| volume.id);
        let opened = match setting {
            VolumeSetting::Directory { directory } => open_directory(name, directory, known.is_none(), runtime).await?,
            VolumeSetting::Remote { url, options } => open_remote(name, url, options, known.is_none(), runtime).await?,
        };
        let Opened { engine, id, place, was_there, local } = opened;
        let is_ours = match known {
            Some(known) => known == id,
            // Under another name it may have been.
            None => !was_there || used.values().any(|volume| volume.id == id),
        };
        if !is_ours {
            return Err(VolumeError::Foreign { name: name.clone(), place });
        }
        if let Some((other, _)) = volumes.by_name.iter().find(|(_, opened)| **opened == id) {
            return Err(VolumeError::Twice { name: name.clone(), other: other.clone() });
        }
        let volume = Volume { id, place };
        if used.get(name) != Some(&volume) {
            keep_volume(store, name, volume).await.map_err(unreadable)?;
        }
        volumes.by_name.insert(name.clone(), id);
        volumes.engines.insert(id, engine);
        volumes.local.extend(local);
    }
    Ok(volumes)
}
