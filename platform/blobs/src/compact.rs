//! Gives back the room of removed packed blobs: what still lives in a mostly dead pack is appended anew, its owner takes the new
//! reference, and the old pack goes. Knows no metadata; the owner decides.
//!
//! A crash at any time leaves the old or the new reference readable: the new bytes are durable before the owner is asked to take them, and
//! the old pack is removed only at the next compaction, so that readers that just looked up the old reference still find it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::handles::blocking;
use crate::lane::Lane;
use crate::read::read_packed;
use crate::scan::PackScan;
use crate::shared::{Pack, Shared};
use crate::{BlobError, BlobPlace, CompactReport, Relocate};

/// Packs moved by one call.
const PACKS_MOVED_MAX: usize = 8;
/// So many packs below a quarter of the full size are merged; every start of the server begins a new pack.
const SMALL_PACKS_MIN: usize = 8;

/// Moves what lives in mostly dead packs. One at a time.
pub(crate) async fn compact(
    shared: &Arc<Shared>,
    lanes: &[Lane],
    relocate: &dyn Relocate,
) -> Result<CompactReport, BlobError> {
    let mut report = CompactReport::default();
    let condemned: Vec<Arc<Pack>> =
        shared.packs.lock().values().filter(|pack| pack.condemned.load(Ordering::Acquire)).cloned().collect();
    for pack in condemned {
        let job = shared.clone();
        let bytes = pack.len.load(Ordering::Acquire);
        blocking(move || job.remove_pack(pack.id)).await?;
        report.packs_removed += 1;
        report.reclaimed_bytes += bytes;
    }
    for pack in chosen(shared) {
        for lane in lanes {
            lane.seal(pack.id).await?;
        }
        if pack.open.load(Ordering::Acquire) || !empty(shared, lanes, &pack, relocate, &mut report).await? {
            continue;
        }
        pack.condemned.store(true, Ordering::Release);
        report.packs_emptied += 1;
    }
    Ok(report)
}

/// Packs worth moving: at least half dead, or small and many.
fn chosen(shared: &Shared) -> Vec<Arc<Pack>> {
    let packs: Vec<Arc<Pack>> = shared.packs.lock().values().cloned().collect();
    let mut movable: Vec<(u64, u64, Arc<Pack>)> = packs
        .into_iter()
        .filter(|pack| !pack.condemned.load(Ordering::Acquire) && !pack.damaged.load(Ordering::Acquire))
        .map(|pack| (pack.live_frame_bytes(), pack.len.load(Ordering::Acquire), pack))
        .filter(|(_, len, _)| *len > 0)
        .collect();
    movable.sort_by_key(|(live, _, pack)| (*live, pack.id));
    let is_small =
        |len: u64, pack: &Pack| len < shared.options.pack_size_bytes_max / 4 && !pack.open.load(Ordering::Acquire);
    let merge = movable.iter().filter(|(_, len, pack)| is_small(*len, pack)).count() >= SMALL_PACKS_MIN;
    movable
        .into_iter()
        .filter(|(live, len, pack)| *live * 2 < *len || merge && is_small(*len, pack))
        .map(|(_, _, pack)| pack)
        .take(PACKS_MOVED_MAX)
        .collect()
}

/// Moves all that lives in `pack`; says whether nothing is left in it.
async fn empty(
    shared: &Arc<Shared>,
    lanes: &[Lane],
    pack: &Arc<Pack>,
    relocate: &dyn Relocate,
    report: &mut CompactReport,
) -> Result<bool, BlobError> {
    let Some(lane) = lanes.first() else { return Ok(false) };
    let (job, id, len) = (shared.clone(), pack.id, pack.len.load(Ordering::Acquire));
    let mut scan = blocking(move || PackScan::begin(&job, id, len)).await?;
    let mut is_empty = true;
    loop {
        let job = shared.clone();
        let (blobs, moved) = blocking(move || Ok((scan.batch(&job)?, scan))).await?;
        scan = moved;
        if blobs.is_empty() {
            break;
        }
        for old in blobs {
            let BlobPlace::Pack { offset, .. } = old.place else { continue };
            if pack.dead.lock().contains(offset) {
                continue;
            }
            if relocate.is_live(&old) {
                let (job, blob) = (shared.clone(), old.clone());
                let payload = match blocking(move || read_packed(&job, &blob, id, offset)).await {
                    Ok(payload) => payload,
                    Err(error @ BlobError::Corrupt { .. }) => {
                        tracing::error!(%error, "a damaged blob cannot be moved; its pack stays");
                        is_empty = false;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let new = lane.append(shared, old.owner, payload, true).await?;
                if relocate.relocate(&old, new.clone()).await? {
                    report.moved += 1;
                    report.moved_bytes += old.len;
                } else {
                    mark_dead(shared, &new).await?;
                }
            }
            mark_dead(shared, &old).await?;
        }
    }
    if scan.damage_inside {
        tracing::error!(pack = id, "a pack has bytes between its blobs that are none; it stays");
        is_empty = false;
    }
    if !is_empty {
        pack.damaged.store(true, Ordering::Release);
        report.packs_damaged += 1;
    }
    Ok(is_empty)
}

async fn mark_dead(shared: &Arc<Shared>, blob: &crate::BlobRef) -> Result<(), BlobError> {
    let BlobPlace::Pack { pack, offset } = blob.place else { return Ok(()) };
    let Some(pack) = shared.pack(pack) else { return Ok(()) };
    let (job, len) = (shared.clone(), blob.len);
    blocking(move || Ok(drop(pack.mark_dead(&job, [(offset, len)])))).await
}
