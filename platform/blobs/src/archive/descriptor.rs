//! What a container says of itself, twice, at its two ends: whose it is and how long. Readers do not need it, because their references
//! say the same; a sweep and a scrub do, because they have none.

use crate::BlobOwner;
use crate::archive::layout::{DESCRIPTOR_BYTES, second_descriptor_offset};
use crate::frame::{Damage, FramePlace, HEADER_BYTES, Header};

const PAYLOAD_BYTES: usize = DESCRIPTOR_BYTES - HEADER_BYTES;
/// Bytes of the payload that say something; the rest is zeros.
const LEN_BYTES: usize = 8;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    /// Before the groups.
    First,
    /// After them.
    Second,
}

impl Copy {
    /// Both, in their order.
    pub(crate) const ALL: [Self; 2] = [Self::First, Self::Second];

    /// Numbers that no block has.
    fn block(self) -> u64 {
        match self {
            Self::First => u64::MAX - 1,
            Self::Second => u64::MAX,
        }
    }

    /// Where it begins in a container of `len` payload bytes.
    pub(crate) fn offset(self, len: u64) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => second_descriptor_offset(len),
        }
    }
}

/// What a descriptor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Whose container.
    pub owner: BlobOwner,
    /// Its payload bytes.
    pub len: u64,
}

impl Descriptor {
    fn header(&self, store: [u8; 16], id: [u8; 16], copy: Copy) -> Header {
        let at = FramePlace::Archive { id, block: copy.block() };
        Header { store, owner: self.owner, at, len: PAYLOAD_BYTES as u32 }
    }

    /// Its bytes.
    pub(crate) fn encode(&self, store: [u8; 16], id: [u8; 16], copy: Copy) -> Vec<u8> {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[..LEN_BYTES].copy_from_slice(&self.len.to_le_bytes());
        let mut bytes = self.header(store, id, copy).encode(&payload).to_vec();
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Reads one of the two.
    pub(crate) fn parse(bytes: &[u8], store: [u8; 16], id: [u8; 16], copy: Copy) -> Result<Self, Damage> {
        let owner = Header::parse(bytes)?.owner;
        let len = bytes.get(HEADER_BYTES..).and_then(|payload| payload.first_chunk::<LEN_BYTES>());
        let found = Self { owner, len: len.map_or(0, |len| u64::from_le_bytes(*len)) };
        found.header(store, id, copy).check(bytes)?;
        Ok(found)
    }
}
