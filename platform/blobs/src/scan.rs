//! Walks a pack's frames without knowing what is in it. Knows headers only, no payloads.

use std::sync::Arc;

use tarn_disk::DiskFile;

use crate::frame::{FramePlace, HEADER_BYTES, Header, PACK_ALIGN_BYTES, pack_path, packed_frame_bytes};
use crate::handles::io_error;
use crate::shared::Shared;
use crate::{BlobError, BlobPlace, BlobRef, PACKED_SIZE_BYTES_MAX};

/// Bytes read at once while walking.
const WINDOW_BYTES: usize = 256 << 10;
/// Frames given out at once.
const BATCH_FRAMES_MAX: usize = 1024;

/// A place in a pack, and what was met on the way there.
pub(crate) struct PackScan {
    pack: u64,
    file: Arc<dyn DiskFile>,
    end: u64,
    next: u64,
    window: Vec<u8>,
    window_at: u64,
    /// The first bytes that are no frame.
    damage_at: Option<u64>,
    /// All before it was durable once, as the frames met say.
    durable_to: u64,
}

impl PackScan {
    /// Begins at the front; `end` bytes are walked.
    pub(crate) fn begin(shared: &Shared, pack: u64, end: u64) -> Result<Self, BlobError> {
        let file = shared.handles.get(&pack_path(pack))?;
        Ok(Self { pack, file, end, next: 0, window: Vec::new(), window_at: 0, damage_at: None, durable_to: 0 })
    }

    fn header_at(&mut self, offset: u64) -> Result<Option<Header>, BlobError> {
        let within =
            |window_at: u64, len: usize| offset >= window_at && offset + HEADER_BYTES as u64 <= window_at + len as u64;
        if !within(self.window_at, self.window.len()) {
            let wanted = (self.end - offset).min(WINDOW_BYTES as u64) as usize;
            self.window.resize(wanted, 0);
            self.window_at = offset;
            let path = pack_path(self.pack);
            self.file.read_exact_at(&mut self.window, offset).map_err(|error| {
                self.window.clear();
                io_error("reading", &path, &error)
            })?;
        }
        let at = (offset - self.window_at) as usize;
        Ok(self.window.get(at..).and_then(|bytes| Header::parse(bytes).ok()))
    }

    /// The next frames' blobs, in order; none at the end. A frame's payload is not checked.
    pub(crate) fn batch(&mut self, shared: &Shared) -> Result<Vec<BlobRef>, BlobError> {
        let mut blobs = Vec::new();
        while blobs.len() < BATCH_FRAMES_MAX && self.next.saturating_add(HEADER_BYTES as u64) <= self.end {
            let offset = self.next;
            let (pack, room) = (self.pack, self.end - offset);
            let found = self.header_at(offset)?.and_then(|header| match header.at {
                FramePlace::Pack { pack: of, offset: at, group } if (of, at) == (pack, offset) && group <= offset => {
                    let len = u64::from(header.len);
                    let fits = len <= PACKED_SIZE_BYTES_MAX && packed_frame_bytes(len) <= room;
                    (header.store == shared.store && fits).then_some((header, group))
                }
                FramePlace::Pack { .. } | FramePlace::File { .. } | FramePlace::Archive { .. } => None,
            });
            let Some((header, group)) = found else {
                self.damage_at.get_or_insert(offset);
                self.next += PACK_ALIGN_BYTES;
                continue;
            };
            self.durable_to = self.durable_to.max(group);
            let len = u64::from(header.len);
            self.next += packed_frame_bytes(len);
            blobs.push(BlobRef { owner: header.owner, len, place: BlobPlace::Pack { pack: self.pack, offset } });
        }
        Ok(blobs)
    }

    /// Whether bytes met so far that are no frame were one once. Others may be what a crash left of a write.
    pub(crate) fn has_damage(&self) -> bool {
        self.damage_at.is_some_and(|at| at < self.durable_to)
    }
}
