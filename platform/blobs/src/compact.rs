//! Gives back the room of removed packed blobs: what still lives in a mostly dead pack is appended anew, its owner takes the new
//! reference, and the old pack goes. Knows no metadata; the owner decides.
//!
//! A crash at any time leaves the old or the new reference readable: the new bytes are durable before the owner is asked to take them, and
//! the old pack is removed only at the next compaction, so that readers that just looked up the old reference still find it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::{StreamExt, TryStreamExt};

use crate::handles::blocking;
use crate::lane::Lane;
use crate::read::read_packed;
use crate::scan::PackScan;
use crate::shared::{Pack, Shared};
use crate::{BlobError, BlobPlace, BlobRef, CompactReport, Relocate};

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
        if pack.open.load(Ordering::Acquire) {
            continue;
        }
        match empty(shared, lanes, &pack, relocate, &mut report).await {
            Ok(true) => {
                pack.condemned.store(true, Ordering::Release);
                report.packs_emptied += 1;
            }
            // An unreadable pack must not keep the others from being moved.
            Ok(false) | Err(BlobError::Corrupt { .. } | BlobError::Missing { .. }) => {
                pack.damaged.store(true, Ordering::Release);
                report.packs_damaged += 1;
            }
            Err(error) => return Err(error),
        }
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

/// What became of one blob of a pack that is being emptied.
enum Outcome {
    /// Nobody names it here any more; payload bytes that were moved.
    Gone(Option<u64>),
    /// It cannot be read.
    Stays,
}

/// Moves all that lives in `pack`; says whether nothing is left in it. What was marked as removed is asked for again: the marks choose
/// packs, but only the owner of the references can give up bytes.
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
        let moves = blobs.into_iter().map(|old| move_one(shared, lane, relocate, old));
        let mut outcomes = futures::stream::iter(moves).buffered(shared.options.moves_at_once.max(1));
        let mut gone = Vec::new();
        while let Some((old, outcome)) = outcomes.try_next().await? {
            match (outcome, old.place) {
                (Outcome::Gone(moved), BlobPlace::Pack { offset, .. }) => {
                    report.moved += u64::from(moved.is_some());
                    report.moved_bytes += moved.unwrap_or(0);
                    gone.push((offset, old.len));
                }
                (Outcome::Stays, _)
                | (
                    _,
                    BlobPlace::Empty | BlobPlace::File { .. } | BlobPlace::Archive { .. } | BlobPlace::Volume { .. },
                ) => is_empty = false,
            }
        }
        let (job, marked) = (shared.clone(), pack.clone());
        blocking(move || Ok(marked.mark_dead(&job, gone))).await?;
    }
    if scan.has_damage() {
        tracing::error!(pack = id, "a pack has bytes between its blobs that are no blob any more; it stays");
        is_empty = false;
    }
    Ok(is_empty)
}

async fn move_one(
    shared: &Arc<Shared>,
    lane: &Lane,
    relocate: &dyn Relocate,
    old: BlobRef,
) -> Result<(BlobRef, Outcome), BlobError> {
    let BlobPlace::Pack { pack, offset } = old.place else { return Ok((old, Outcome::Stays)) };
    if !relocate.is_live(&old) {
        return Ok((old, Outcome::Gone(None)));
    }
    let (job, blob) = (shared.clone(), old.clone());
    let payload = match blocking(move || read_packed(&job, &blob, pack, offset)).await {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(%error, "a blob cannot be moved; its pack stays");
            return Ok((old, Outcome::Stays));
        }
    };
    let new = lane.append(shared, old.owner, payload, true).await?;
    if relocate.relocate(&old, new.clone()).await? {
        let len = old.len;
        return Ok((old, Outcome::Gone(Some(len))));
    }
    if let BlobPlace::Pack { pack, offset } = new.place
        && let Some(pack) = shared.pack(pack)
    {
        let job = shared.clone();
        blocking(move || Ok(pack.mark_dead(&job, [(offset, new.len)]))).await?;
    }
    Ok((old, Outcome::Gone(None)))
}
