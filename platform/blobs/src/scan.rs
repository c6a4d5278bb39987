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
    /// Whether bytes that are no frame were met since the last frame.
    in_damage: bool,
    /// Whether a frame was found behind bytes that are none: then those are damage, and no torn end.
    pub damage_inside: bool,
}

impl PackScan {
    /// Begins at the front; `end` bytes are walked.
    pub(crate) fn begin(shared: &Shared, pack: u64, end: u64) -> Result<Self, BlobError> {
        let file = shared.handles.get(&pack_path(pack))?;
        Ok(Self { pack, file, end, next: 0, window: Vec::new(), window_at: 0, in_damage: false, damage_inside: false })
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
            let here = FramePlace::Pack { pack: self.pack, offset };
            let header = self.header_at(offset)?.filter(|header| {
                let len = u64::from(header.len);
                header.store == shared.store
                    && header.at == here
                    && len <= PACKED_SIZE_BYTES_MAX
                    && packed_frame_bytes(len) <= self.end - offset
            });
            let Some(header) = header else {
                self.in_damage = true;
                self.next += PACK_ALIGN_BYTES;
                continue;
            };
            self.damage_inside |= std::mem::take(&mut self.in_damage);
            let len = u64::from(header.len);
            self.next += packed_frame_bytes(len);
            blobs.push(BlobRef { owner: header.owner, len, place: BlobPlace::Pack { pack: self.pack, offset } });
        }
        Ok(blobs)
    }
}
