//! Archive containers: one blob in a file of its own, with Reed-Solomon parity laid beside its blocks, so that rot is repaired on read and
//! by a paced scrub. For what lies long and is read seldom. Knows nothing of compression, encryption and storage classes.
//!
//!     arc/<xx>/<id>         containers: descriptor, groups of blocks, descriptor
//!     arc/<xx>/<id>.new     containers being written
//!     arc/scrubbed          when the last scrub ended, milliseconds since 1970; a hint
//!
//! **Invariant:** damage of 4 KiB in a row, anywhere in a container, is repaired and never told to a reader.

mod code;
mod descriptor;
mod layout;
mod read;
mod scrub;
#[cfg(test)]
mod tests;
mod write;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::frame::UNFINISHED;

pub(crate) use layout::container_bytes;
pub(crate) use read::{Container, read};
pub(crate) use scrub::look;
pub use scrub::{ArchiveScrubber, ScrubReport};
pub(crate) use write::ArchiveWriter;

/// The directory of a container: one of 256.
pub(crate) fn container_dir(id: &[u8; 16]) -> String {
    format!("arc/{:02x}", id[0])
}

/// A finished container's path.
pub(crate) fn container_path(id: &[u8; 16]) -> String {
    format!("arc/{:02x}/{:032x}", id[0], u128::from_be_bytes(*id))
}

/// An unfinished container's path.
pub(crate) fn unfinished_container_path(id: &[u8; 16]) -> String {
    format!("{}{UNFINISHED}", container_path(id))
}

/// What was found and done in archive containers since the start, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArchiveCounts {
    /// Bytes that scrubs have read.
    pub scrubbed_bytes: u64,
    /// Passes of the scrub over all containers.
    pub scrubs: u64,
    /// Blocks and descriptors that were damaged and have been written anew.
    pub repaired_blocks: u64,
    /// How often a group was found with more damage than its parity repairs.
    pub lost_groups: u64,
}

/// The counters, and which containers must not be written any more.
#[derive(Default)]
pub(crate) struct Archives {
    scrubbed_bytes: AtomicU64,
    scrubs: AtomicU64,
    repaired_blocks: AtomicU64,
    lost_groups: AtomicU64,
    left_alone: Mutex<HashSet<[u8; 16]>>,
}

/// Containers remembered as not to be written: beyond this many, none is written any more.
const LEFT_ALONE_COUNT_MAX: usize = 4096;

impl Archives {
    pub(crate) fn counts(&self) -> ArchiveCounts {
        ArchiveCounts {
            scrubbed_bytes: self.scrubbed_bytes.load(Ordering::Relaxed),
            scrubs: self.scrubs.load(Ordering::Relaxed),
            repaired_blocks: self.repaired_blocks.load(Ordering::Relaxed),
            lost_groups: self.lost_groups.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn repaired(&self, blocks: usize) {
        self.repaired_blocks.fetch_add(blocks as u64, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self) {
        self.lost_groups.fetch_add(1, Ordering::Relaxed);
    }

    fn scrubbed(&self, bytes: u64) {
        self.scrubbed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn pass_ended(&self) {
        self.scrubs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn may_rewrite(&self, id: &[u8; 16]) -> bool {
        let left_alone = self.left_alone.lock();
        left_alone.len() < LEFT_ALONE_COUNT_MAX && !left_alone.contains(id)
    }

    pub(crate) fn leave_alone(&self, id: [u8; 16]) {
        self.left_alone.lock().insert(id);
    }
}
