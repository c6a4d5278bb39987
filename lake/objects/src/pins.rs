//! What must not be deleted just now: versions that are being read, and blobs that are written but not yet committed.
//! Knows no records.
//!
//! A reader looks a version up in a snapshot and then pins it. Between the two it stands in an *epoch*: the collector of dead
//! blobs leaves alone what died after the oldest epoch, so that no blob disappears between look-up and pin.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tarn_metadata::Sequence;

use crate::records::VersionUuid;

#[derive(Default)]
struct Held {
    epochs: BTreeMap<u64, usize>,
    versions: HashMap<VersionUuid, usize>,
    in_flight: HashMap<VersionUuid, usize>,
}

/// The registry; one for all of `Objects`.
#[derive(Default)]
pub(crate) struct Pins {
    held: Mutex<Held>,
    /// A sequence that every snapshot taken from now on has reached.
    floor: AtomicU64,
}

fn release<K: Ord + Clone>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn release_id(counts: &mut HashMap<VersionUuid, usize>, id: &VersionUuid) {
    if let Some(count) = counts.get_mut(id) {
        *count -= 1;
        if *count == 0 {
            counts.remove(id);
        }
    }
}

impl Pins {
    /// Enters an epoch; take the snapshot after it, and drop it after the pin.
    pub(crate) fn enter(self: &Arc<Self>) -> Epoch {
        let mut held = self.held.lock();
        let at = self.floor.load(Ordering::Acquire);
        *held.epochs.entry(at).or_default() += 1;
        Epoch { pins: self.clone(), at }
    }

    /// Notes that a snapshot had reached `sequence`.
    pub(crate) fn saw(&self, sequence: Sequence) {
        self.floor.fetch_max(sequence.0, Ordering::AcqRel);
    }

    /// Keeps a version's blobs until the pin is dropped.
    pub(crate) fn pin(self: &Arc<Self>, id: VersionUuid) -> Pin {
        *self.held.lock().versions.entry(id).or_default() += 1;
        Pin { pins: self.clone(), id }
    }

    /// Marks blobs owned by `id` as written and not yet committed.
    pub(crate) fn in_flight(self: &Arc<Self>, id: VersionUuid) -> InFlight {
        *self.held.lock().in_flight.entry(id).or_default() += 1;
        InFlight { pins: self.clone(), id }
    }

    /// Whether blobs of `version` that died at `sequence` may be deleted now.
    pub(crate) fn may_delete(&self, version: &VersionUuid, died: Sequence) -> bool {
        let held = self.held.lock();
        held.epochs.keys().next().is_none_or(|oldest| died.0 <= *oldest) && !held.versions.contains_key(version)
    }

    /// Whether blobs owned by `id` may be about to be committed.
    pub(crate) fn is_in_flight(&self, id: &VersionUuid) -> bool {
        self.held.lock().in_flight.contains_key(id)
    }

    /// Whether `id` is being read.
    pub(crate) fn is_pinned(&self, id: &VersionUuid) -> bool {
        self.held.lock().versions.contains_key(id)
    }
}

pub(crate) struct Epoch {
    pins: Arc<Pins>,
    at: u64,
}

impl Drop for Epoch {
    fn drop(&mut self) {
        release(&mut self.pins.held.lock().epochs, &self.at);
    }
}

/// While it lives, the version's blobs stay.
pub(crate) struct Pin {
    pins: Arc<Pins>,
    id: VersionUuid,
}

impl Drop for Pin {
    fn drop(&mut self) {
        release_id(&mut self.pins.held.lock().versions, &self.id);
    }
}

/// While it lives, a sweep leaves the blobs of its owner alone.
pub(crate) struct InFlight {
    pins: Arc<Pins>,
    id: VersionUuid,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        release_id(&mut self.pins.held.lock().in_flight, &self.id);
    }
}
