//! One frame: a header that says what its payload belongs to and where it stands, and checksums over both.
//! Knows bytes only: no files, no packs, no I/O.
//!
//! All header fields but the checksums follow from a `BlobRef` and a block number, so a reader compares the header with the one it
//! expects. A block that was lost (old bytes or zeros), torn, or written in another place therefore differs even if its checksums hold.

use crc_fast::CrcAlgorithm;

use crate::BlobOwner;

/// Header: fields, payload checksum, header checksum.
pub(crate) const HEADER_BYTES: usize = 88;
/// Payload bytes of every block of a file but the last.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;
/// A full block with its header.
pub(crate) const BLOCK_FRAME_BYTES: usize = HEADER_BYTES + BLOCK_BYTES;
/// Frames in a pack begin at multiples of this, so that a scan can find the next one behind damage.
pub(crate) const PACK_ALIGN_BYTES: u64 = 16;

/// Marks a frame; its last byte is the format version.
const MAGIC: [u8; 4] = *b"TNF\x01";
const FIELDS_BYTES: usize = 72;
const PAYLOAD_CRC_END: usize = 80;

/// CRC-64/NVME: it detects every burst of up to 64 bits.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// What a frame says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// The engine that wrote it: 16 random bytes, made with the data directory.
    pub store: [u8; 16],
    /// Whose payload.
    pub owner: BlobOwner,
    /// Where the frame's blob is.
    pub at: FramePlace,
    /// Payload bytes in this frame.
    pub len: u32,
}

/// Where a frame stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FramePlace {
    /// The whole of a packed blob.
    Pack {
        /// Which pack.
        pack: u64,
        /// Offset of the header in it.
        offset: u64,
        /// Where the frames begin that were synced together with this one: all before was durable when this one was written. So a scan
        /// can tell damage from a write that did not end. A reader does not know it.
        group: u64,
    },
    /// One block of a file.
    File {
        /// Which file.
        id: [u8; 16],
        /// Which block, from 0.
        block: u64,
        /// Whether it is the file's last.
        last: bool,
    },
    /// One block of an archive container, or one of its descriptors.
    Archive {
        /// Which container.
        id: [u8; 16],
        /// Which block, from 0, parity included.
        block: u64,
    },
}

/// Why bytes are not the frame that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("{found} bytes are there of {expected}")]
    Short { expected: usize, found: usize },
    #[error("there is no frame")]
    Magic,
    #[error("the header's checksum does not hold")]
    HeaderCrc,
    #[error("the payload's checksum does not hold")]
    PayloadCrc,
    #[error("the frame belongs elsewhere: {found}")]
    Misplaced { found: String },
}

impl Header {
    fn fields(&self) -> [u8; FIELDS_BYTES] {
        let (kind, last, place, block) = match self.at {
            FramePlace::Pack { pack, offset, group } => {
                (1, true, (u128::from(pack) << 64 | u128::from(offset)).to_le_bytes(), group)
            }
            FramePlace::File { id, block, last } => (2, last, id, block),
            FramePlace::Archive { id, block } => (3, false, id, block),
        };
        let mut fields = [0; FIELDS_BYTES];
        let (magic, rest) = fields.split_at_mut(4);
        magic.copy_from_slice(&MAGIC);
        rest[0] = kind;
        rest[1] = u8::from(last);
        fields[8..24].copy_from_slice(&self.store);
        fields[24..40].copy_from_slice(&self.owner.version);
        fields[40..44].copy_from_slice(&self.owner.part.to_le_bytes());
        fields[44..48].copy_from_slice(&self.len.to_le_bytes());
        fields[48..64].copy_from_slice(&place);
        fields[64..72].copy_from_slice(&block.to_le_bytes());
        fields
    }

    /// The header's bytes for `payload`.
    pub(crate) fn encode(&self, payload: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..FIELDS_BYTES].copy_from_slice(&self.fields());
        header[FIELDS_BYTES..PAYLOAD_CRC_END].copy_from_slice(&crc64(payload).to_le_bytes());
        let crc = crc64(&header[..PAYLOAD_CRC_END]);
        header[PAYLOAD_CRC_END..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// Reads a header without its payload. What it says was written as such somewhere; the caller checks that it stands here.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(Damage::Short { expected: HEADER_BYTES, found: bytes.len() });
        };
        if header[..4] != MAGIC {
            return Err(Damage::Magic);
        }
        if crc64(&header[..PAYLOAD_CRC_END]) != u64_at(header, PAYLOAD_CRC_END) {
            return Err(Damage::HeaderCrc);
        }
        let place: [u8; 16] = array_at(header, 48);
        let at = match header[4] {
            1 => {
                let both = u128::from_le_bytes(place);
                FramePlace::Pack { pack: (both >> 64) as u64, offset: both as u64, group: u64_at(header, 64) }
            }
            2 => FramePlace::File { id: place, block: u64_at(header, 64), last: header[5] != 0 },
            3 => FramePlace::Archive { id: place, block: u64_at(header, 64) },
            _ => return Err(Damage::Magic),
        };
        let owner = BlobOwner { version: array_at(header, 24), part: u32::from_le_bytes(array_at(header, 40)) };
        Ok(Self { store: array_at(header, 8), owner, at, len: u32::from_le_bytes(array_at(header, 44)) })
    }

    /// Checks that `frame` (header and payload, nothing else) is this one, whole.
    pub(crate) fn check(&self, frame: &[u8]) -> Result<(), Damage> {
        let (header, payload) = self.check_header(frame)?;
        if crc64(payload) != u64_at(header, FIELDS_BYTES) {
            return Err(Damage::PayloadCrc);
        }
        Ok(())
    }

    /// As `check`, without a look at the payload but for its length; gives the header and the payload.
    pub(crate) fn check_header<'a>(&self, frame: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Damage> {
        let expected = HEADER_BYTES + self.len as usize;
        if frame.len() != expected {
            return Err(Damage::Short { expected, found: frame.len() });
        }
        let (header, payload) = frame.split_at(HEADER_BYTES);
        let found = Self::parse(header)?;
        let mut expected = *self;
        if let (FramePlace::Pack { group: expected, .. }, FramePlace::Pack { group, .. }) = (&mut expected.at, found.at)
        {
            *expected = group;
        }
        if header[..FIELDS_BYTES] != expected.fields() {
            return Err(Damage::Misplaced { found: format!("{found:?}") });
        }
        Ok((header, payload))
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Bytes of a packed blob of `len` payload bytes on disk, with header and padding.
pub(crate) fn packed_frame_bytes(len: u64) -> u64 {
    (HEADER_BYTES as u64).saturating_add(len).checked_next_multiple_of(PACK_ALIGN_BYTES).unwrap_or(u64::MAX)
}

/// Bytes of a file of `len` payload bytes.
pub(crate) fn file_bytes(len: u64) -> u64 {
    len.saturating_add(len.div_ceil(BLOCK_BYTES as u64).saturating_mul(HEADER_BYTES as u64))
}

/// Payload bytes of a file of `bytes`, or `None` if no whole number of frames is that long.
pub(crate) fn file_payload_bytes(bytes: u64) -> Option<u64> {
    let frames = bytes.div_ceil(BLOCK_FRAME_BYTES as u64);
    let len = bytes.checked_sub(frames * HEADER_BYTES as u64)?;
    (len > 0 && file_bytes(len) == bytes).then_some(len)
}

/// A pack's path.
pub(crate) fn pack_path(pack: u64) -> String {
    format!("pack/{pack:016x}.pack")
}

/// The path of a pack's record of removed blobs.
pub(crate) fn dead_path(pack: u64) -> String {
    format!("pack/{pack:016x}.dead")
}

/// The directory of a file: one of 256, so that few directories are made and synced.
pub(crate) fn file_dir(id: &[u8; 16]) -> String {
    format!("obj/{:02x}", id[0])
}

/// A finished file's path.
pub(crate) fn file_path(id: &[u8; 16]) -> String {
    format!("obj/{:02x}/{:032x}", id[0], u128::from_be_bytes(*id))
}

/// What the name of an unfinished file ends with.
pub(crate) const UNFINISHED: &str = ".new";

/// An unfinished file's path: in the same directory, so that one sync makes its renaming durable.
pub(crate) fn unfinished_path(id: &[u8; 16]) -> String {
    format!("{}{UNFINISHED}", file_path(id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn header(at: FramePlace, len: u32) -> Header {
        Header { store: [7; 16], owner: BlobOwner { version: [9; 16], part: 3 }, at, len }
    }

    fn frame(header: &Header, payload: &[u8]) -> Vec<u8> {
        [&header.encode(payload)[..], payload].concat()
    }

    #[test]
    fn a_header_says_what_it_was_told() {
        let places = [
            FramePlace::Pack { pack: 5, offset: 4096, group: 512 },
            FramePlace::File { id: [4; 16], block: 77, last: true },
            FramePlace::File { id: [4; 16], block: 0, last: false },
            FramePlace::Archive { id: [4; 16], block: 23 },
        ];
        for at in places {
            let header = header(at, 5);
            let bytes = frame(&header, b"hello");
            assert_eq!(Header::parse(&bytes).unwrap(), header);
            assert_eq!(header.check(&bytes), Ok(()));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let header = header(FramePlace::Pack { pack: 5, offset: 4096, group: 512 }, 300);
        let payload: Vec<u8> = (0..300).map(|n| n as u8).collect();
        let whole = frame(&header, &payload);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(header.check(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(header.check(&whole[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_sound_frame_in_the_wrong_place_is_noticed() {
        let at = FramePlace::File { id: [4; 16], block: 1, last: false };
        let right = header(at, 5);
        let others = [
            Header { store: [8; 16], ..right },
            Header { owner: BlobOwner { version: [8; 16], part: 3 }, ..right },
            Header { owner: BlobOwner { version: [9; 16], part: 4 }, ..right },
            Header { at: FramePlace::File { id: [5; 16], block: 1, last: false }, ..right },
            Header { at: FramePlace::File { id: [4; 16], block: 2, last: false }, ..right },
            Header { at: FramePlace::File { id: [4; 16], block: 1, last: true }, ..right },
            Header { at: FramePlace::Pack { pack: 0, offset: 0, group: 0 }, ..right },
            Header { at: FramePlace::Archive { id: [4; 16], block: 1 }, ..right },
        ];
        for other in others {
            assert!(matches!(right.check(&frame(&other, b"hello")), Err(Damage::Misplaced { .. })), "{other:?}");
        }
    }

    #[test]
    fn lengths_follow_from_each_other() {
        for len in [
            1,
            2,
            BLOCK_BYTES as u64 - 1,
            BLOCK_BYTES as u64,
            BLOCK_BYTES as u64 + 1,
            10 * BLOCK_BYTES as u64,
            u64::from(u32::MAX),
        ] {
            assert_eq!(file_payload_bytes(file_bytes(len)), Some(len));
        }
        for bytes in
            [0, 1, HEADER_BYTES as u64, BLOCK_FRAME_BYTES as u64 + 1, BLOCK_FRAME_BYTES as u64 + HEADER_BYTES as u64]
        {
            assert_eq!(file_payload_bytes(bytes), None, "{bytes}");
        }
    }
}
