//! Batches: their header, how they are cut into sectors, and the transactions in them. Knows no file.

use bytes::{Buf, Bytes};

use super::{SECTOR_BODY_BYTES, SECTOR_BYTES, StoreId, TAG_BYTES};
use crate::store::Change;

const MAGIC: u32 = u32::from_be_bytes(*b"TBCH");
/// magic, kind, length, count, first sequence, ordinal, body's checksum, header's checksum.
pub(super) const BATCH_HEADER_BYTES: usize = 4 + 4 + 4 + 4 + 8 + 8 + 8 + 8;
/// More than the largest group: one transaction of the largest size on top of a full group, with its overhead.
pub(super) const BATCH_BODY_BYTES_MAX: usize = 192 << 20;
const REMOVED: u32 = u32::MAX;

/// What a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchKind {
    /// Transactions.
    Transactions,
    /// That the index has a durable checkpoint up to some position: an index that is older than that is not the store's.
    Checkpoint,
}

impl BatchKind {
    fn number(self) -> u32 {
        match self {
            Self::Transactions => 1,
            Self::Checkpoint => 2,
        }
    }

    fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Transactions),
            2 => Some(Self::Checkpoint),
            _ => None,
        }
    }
}

/// A batch's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(super) kind: BatchKind,
    pub(super) body_bytes: usize,
    /// Transactions in it.
    pub(super) count: u32,
    pub(super) first_sequence: u64,
    pub(super) ordinal: u64,
    pub(super) checksum: u64,
}

impl BatchHeader {
    /// Sectors it takes.
    pub(super) fn sectors(&self) -> usize {
        (BATCH_HEADER_BYTES + self.body_bytes).div_ceil(SECTOR_BODY_BYTES)
    }

    fn encode(&self, store: StoreId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BATCH_HEADER_BYTES);
        for number in [MAGIC, self.kind.number(), self.body_bytes as u32, self.count] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.first_sequence, self.ordinal, self.checksum] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = store.checksum(&[&bytes]);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header in a batch's first sector; `None` where its bytes are wrong.
    pub(super) fn decode(store: StoreId, sector: &[u8]) -> Option<Self> {
        let bytes = sector.get(TAG_BYTES..TAG_BYTES + BATCH_HEADER_BYTES)?;
        let (covered, checksum) = bytes.split_at(BATCH_HEADER_BYTES - 8);
        let mut reader = bytes;
        let magic = reader.get_u32_le();
        let kind = BatchKind::of(reader.get_u32_le());
        let body_bytes = reader.get_u32_le() as usize;
        let count = reader.get_u32_le();
        let header = Self {
            kind: kind?,
            body_bytes,
            count,
            first_sequence: reader.get_u64_le(),
            ordinal: reader.get_u64_le(),
            checksum: reader.get_u64_le(),
        };
        let sound = magic == MAGIC
            && checksum == store.checksum(&[covered]).to_le_bytes()
            && body_bytes <= BATCH_BODY_BYTES_MAX;
        sound.then_some(header)
    }
}

/// The sectors of a batch, ready to be written.
pub(super) fn seal(
    store: StoreId,
    kind: BatchKind,
    first_sequence: u64,
    count: u32,
    ordinal: u64,
    body: &[u8],
    into: &mut Vec<u8>,
) {
    let checksum = store.checksum(&[body]);
    let header = BatchHeader { kind, body_bytes: body.len(), count, first_sequence, ordinal, checksum };
    let tag = store.tag(ordinal).to_le_bytes();
    into.clear();
    into.reserve(header.sectors() * SECTOR_BYTES);
    into.extend_from_slice(&tag);
    into.extend_from_slice(&header.encode(store));
    let (first, rest) = body.split_at(body.len().min(SECTOR_BODY_BYTES - BATCH_HEADER_BYTES));
    into.extend_from_slice(first);
    for part in rest.chunks(SECTOR_BODY_BYTES) {
        into.extend_from_slice(&tag);
        into.extend_from_slice(part);
    }
    into.resize(header.sectors() * SECTOR_BYTES, 0);
}

/// What a batch's sectors come to.
pub(super) enum Unsealed {
    Body(Bytes),
    /// Some sector never arrived.
    Torn,
    /// All sectors arrived, with other bytes than were written.
    Damaged(String),
}

/// Whether a sector is `ordinal`'s, was never written, or is neither.
pub(super) enum SectorState {
    Present,
    Missing,
    Other,
}

pub(super) fn sector_state(store: StoreId, ordinal: u64, sector: &[u8]) -> SectorState {
    if sector.len() < SECTOR_BYTES || sector.iter().all(|byte| *byte == 0) {
        SectorState::Missing
    } else if sector.starts_with(&store.tag(ordinal).to_le_bytes()) {
        SectorState::Present
    } else {
        SectorState::Other
    }
}

/// Checks and joins a batch's sectors; `bytes` may be shorter than the batch at the file's end.
pub(super) fn unseal(store: StoreId, header: &BatchHeader, bytes: &[u8]) -> Unsealed {
    let mut body = Vec::with_capacity(header.sectors() * SECTOR_BODY_BYTES);
    let mut torn = bytes.len() < header.sectors() * SECTOR_BYTES;
    for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
        match sector_state(store, header.ordinal, sector) {
            SectorState::Present => body.extend_from_slice(&sector[TAG_BYTES..]),
            SectorState::Missing => torn = true,
            SectorState::Other => return Unsealed::Damaged(format!("sector {number} of the batch is not its own")),
        }
    }
    if torn {
        return Unsealed::Torn;
    }
    let body = Bytes::from(body).slice(BATCH_HEADER_BYTES..);
    let padding = body.slice(header.body_bytes..);
    let body = body.slice(..header.body_bytes);
    if padding.iter().any(|byte| *byte != 0) || header.checksum != store.checksum(&[&body]) {
        return Unsealed::Damaged("the batch has a wrong checksum".to_owned());
    }
    Unsealed::Body(body)
}

/// One transaction as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) sequence: u64,
    pub(crate) changes: Vec<Change>,
}

/// Adds one transaction to a batch's body: count, then {key length, value length, key, value} for each change.
pub(crate) fn encode_transaction(changes: &[Change], into: &mut Vec<u8>) {
    into.extend_from_slice(&(changes.len() as u32).to_le_bytes());
    for change in changes {
        into.extend_from_slice(&(change.key.len() as u32).to_le_bytes());
        into.extend_from_slice(&change.value.as_ref().map_or(REMOVED, |value| value.len() as u32).to_le_bytes());
        into.extend_from_slice(&change.key);
        into.extend_from_slice(change.value.as_deref().unwrap_or_default());
    }
}

/// The transactions in a batch's body; `None` where it does not hold `count` of them.
pub(crate) fn decode_transactions(first_sequence: u64, count: u32, mut body: Bytes) -> Option<Vec<Transaction>> {
    fn number(body: &mut Bytes) -> Option<u32> {
        (body.len() >= 4).then(|| body.get_u32_le())
    }
    fn part(body: &mut Bytes, len: u32) -> Option<Bytes> {
        (body.len() >= len as usize).then(|| body.split_to(len as usize))
    }
    let mut transactions = Vec::new();
    for index in 0..count {
        let mut changes = Vec::new();
        for _ in 0..number(&mut body)? {
            let (key, value) = (number(&mut body)?, number(&mut body)?);
            let key = part(&mut body, key)?;
            let value = if value == REMOVED { None } else { Some(part(&mut body, value)?) };
            changes.push(Change { key, value });
        }
        transactions.push(Transaction { sequence: first_sequence + u64::from(index), changes });
    }
    body.is_empty().then_some(transactions)
}
