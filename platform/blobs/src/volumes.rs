//! Several engines as one: the main one, and volumes on other drives or in remote buckets. A blob says in its place which volume it is
//! in, so it is found wherever new blobs go meanwhile. Knows no classes and no configuration.
//!
//! **Invariant:** a blob that names a volume is never looked for in another.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};

use crate::{
    BlobError, BlobForm, BlobOwner, BlobPlace, BlobRef, BlobStore, BlobUsage, BlobWriter, CompactReport, Relocate,
    SweepReport, VolumeId, VolumePlace,
};

/// The main engine and its volumes.
#[derive(Clone)]
pub struct Volumes {
    main: Arc<dyn BlobStore>,
    others: Arc<BTreeMap<VolumeId, Arc<dyn BlobStore>>>,
}

impl BlobRef {
    /// As callers keep it, where it lies in `volume`.
    fn on(self, volume: VolumeId) -> Self {
        let place = match self.place {
            BlobPlace::Pack { pack, offset } => VolumePlace::Pack { pack, offset },
            BlobPlace::File { id } => VolumePlace::File { id },
            BlobPlace::Archive { id } => VolumePlace::Archive { id },
            // No bytes lie nowhere; a volume has no volumes.
            BlobPlace::Empty | BlobPlace::Volume { .. } => return self,
        };
        Self { place: BlobPlace::Volume { volume, place }, ..self }
    }

    /// As the volume's engine knows it, and the volume; nothing for the main engine's.
    fn within(&self) -> Option<(VolumeId, Self)> {
        let BlobPlace::Volume { volume, place } = self.place else { return None };
        let place = match place {
            VolumePlace::Pack { pack, offset } => BlobPlace::Pack { pack, offset },
            VolumePlace::File { id } => BlobPlace::File { id },
            VolumePlace::Archive { id } => BlobPlace::Archive { id },
        };
        Some((volume, Self { place, ..self.clone() }))
    }
}

impl Volumes {
    /// Over engines by their ids.
    pub fn new(main: Arc<dyn BlobStore>, others: BTreeMap<VolumeId, Arc<dyn BlobStore>>) -> Self {
        Self { main, others: Arc::new(others) }
    }

    fn volume(&self, id: VolumeId) -> Result<&Arc<dyn BlobStore>, BlobError> {
        self.others.get(&id).ok_or(BlobError::NoVolume { volume: id })
    }

    /// Who has a blob, and as what.
    fn engine_of(&self, blob: &BlobRef) -> Result<(&dyn BlobStore, BlobRef), BlobError> {
        match blob.within() {
            None => Ok((&*self.main, blob.clone())),
            Some((volume, blob)) => Ok((&**self.volume(volume)?, blob)),
        }
    }
}

/// A volume's writer, whose result says where it is.
struct OnVolume {
    volume: VolumeId,
    writer: Box<dyn BlobWriter>,
}

impl BlobWriter for OnVolume {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), BlobError>> {
        self.writer.write(bytes)
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<BlobRef, BlobError>> {
        let Self { volume, writer } = *self;
        async move { Ok(writer.finish().await?.on(volume)) }.boxed()
    }
}

/// A volume's references, as their owner keeps them.
struct RelocateOn<'r> {
    volume: VolumeId,
    owner: &'r dyn Relocate,
}

impl Relocate for RelocateOn<'_> {
    fn is_live(&self, blob: &BlobRef) -> bool {
        self.owner.is_live(&blob.clone().on(self.volume))
    }

    fn relocate<'a>(&'a self, old: &'a BlobRef, new: BlobRef) -> BoxFuture<'a, Result<bool, BlobError>> {
        async move { self.owner.relocate(&old.clone().on(self.volume), new.on(self.volume)).await }.boxed()
    }
}

impl BlobStore for Volumes {
    fn create_as(
        &self,
        owner: BlobOwner,
        len_hint: Option<u64>,
        form: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        self.main.create_as(owner, len_hint, form)
    }

    fn create_on(
        &self,
        volume: VolumeId,
        owner: BlobOwner,
        len_hint: Option<u64>,
        form: BlobForm,
    ) -> BoxFuture<'_, Result<Box<dyn BlobWriter>, BlobError>> {
        async move {
            let writer = self.volume(volume)?.create_as(owner, len_hint, form).await?;
            Ok::<Box<dyn BlobWriter>, _>(Box::new(OnVolume { volume, writer }))
        }
        .boxed()
    }

    fn read(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        match self.engine_of(blob) {
            Ok((engine, blob)) => engine.read(&blob, range),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    fn read_unchecked(&self, blob: &BlobRef, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        match self.engine_of(blob) {
            Ok((engine, blob)) => engine.read_unchecked(&blob, range),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    fn delete(&self, blob: &BlobRef) -> BoxFuture<'_, Result<(), BlobError>> {
        let Some((volume, blob)) = blob.within() else { return self.main.delete(blob) };
        async move { self.volume(volume)?.delete(&blob).await }.boxed()
    }

    fn sweep<'a>(
        &'a self,
        is_live: &'a (dyn Fn(&BlobRef) -> bool + Send + Sync),
    ) -> BoxFuture<'a, Result<SweepReport, BlobError>> {
        async move {
            let mut sum = self.main.sweep(is_live).await?;
            for (volume, engine) in self.others.iter() {
                let is_live = |blob: &BlobRef| is_live(&blob.clone().on(*volume));
                let SweepReport { removed, removed_bytes, unreadable } = engine.sweep(&is_live).await?;
                sum.removed += removed;
                sum.removed_bytes += removed_bytes;
                sum.unreadable += unreadable;
            }
            Ok(sum)
        }
        .boxed()
    }

    fn compact<'a>(&'a self, relocate: &'a dyn Relocate) -> BoxFuture<'a, Result<CompactReport, BlobError>> {
        async move {
            let mut sum = self.main.compact(relocate).await?;
            for (volume, engine) in self.others.iter() {
                let relocate = RelocateOn { volume: *volume, owner: relocate };
                let CompactReport { packs_removed, reclaimed_bytes, moved, moved_bytes, packs_emptied, packs_damaged } =
                    engine.compact(&relocate).await?;
                sum.packs_removed += packs_removed;
                sum.reclaimed_bytes += reclaimed_bytes;
                sum.moved += moved;
                sum.moved_bytes += moved_bytes;
                sum.packs_emptied += packs_emptied;
                sum.packs_damaged += packs_damaged;
            }
            Ok(sum)
        }
        .boxed()
    }

    fn usage(&self) -> BlobUsage {
        let mut sum = self.main.usage();
        for engine in self.others.values() {
            let BlobUsage { stored_bytes, live_bytes, files, packs, archives } = engine.usage();
            sum.stored_bytes += stored_bytes;
            sum.live_bytes += live_bytes;
            sum.files += files;
            sum.packs += packs;
            sum.archives += archives;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::TryStreamExt;

    use super::*;
    use crate::MemoryBlobs;
    use crate::contract;

    const SLOW: VolumeId = VolumeId([7; 16]);
    const OWNER: BlobOwner = BlobOwner { version: [1; 16], part: 0 };

    fn volumes() -> (Volumes, MemoryBlobs, MemoryBlobs) {
        let (main, slow) = (MemoryBlobs::new(), MemoryBlobs::new());
        let others = BTreeMap::from([(SLOW, Arc::new(slow.clone()) as Arc<dyn BlobStore>)]);
        (Volumes::new(Arc::new(main.clone()), others), main, slow)
    }

    #[tokio::test]
    async fn the_main_engine_keeps_the_contract() {
        contract::all(&volumes().0).await;
    }

    #[tokio::test]
    async fn a_blob_on_a_volume_is_read_swept_and_deleted_there() {
        let (volumes, main, slow) = volumes();
        let bytes = contract::pattern(3, 300_000);
        let mut writer = volumes.create_on(SLOW, OWNER, None, BlobForm::Hot).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        let blob = writer.finish().await.unwrap();
        assert_eq!((main.count(), slow.count()), (0, 1));
        let read: Vec<Bytes> = volumes.read(&blob, 0..blob.len).try_collect().await.unwrap();
        assert_eq!(read.concat(), bytes);
        assert_eq!(volumes.sweep(&|found| *found == blob).await.unwrap().removed, 0);
        // Where its volume is not there, it is nowhere else.
        let alone = Volumes::new(Arc::new(main), BTreeMap::new());
        let refused = alone.read(&blob, 0..blob.len).try_collect::<Vec<Bytes>>().await;
        assert!(matches!(refused, Err(BlobError::NoVolume { volume: SLOW })), "{refused:?}");
        assert!(matches!(alone.delete(&blob).await, Err(BlobError::NoVolume { .. })));
        volumes.delete(&blob).await.unwrap();
        assert_eq!(slow.count(), 0);
        let empty = volumes.create_on(SLOW, OWNER, None, BlobForm::Hot).await.unwrap().finish().await.unwrap();
        assert_eq!(empty.place, BlobPlace::Empty);
    }
}
