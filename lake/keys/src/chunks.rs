//! The cipher of stored bytes: chunks of 64 KiB under AES-256-GCM, each with a tag and nothing else, so that a range is arithmetic.
//!
//! The nonce is the chunk's number and whether it is the last (the STREAM construction, <https://eprint.iacr.org/2015/189>); the
//! version's id and the part's number are authenticated with every chunk. No bytes at all are one empty last chunk.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tarn_runtime::{Entropy, EntropyExt};
use zeroize::Zeroizing;

use crate::KeysError;

/// Bytes of a chunk before sealing; only the last has fewer.
pub const CHUNK_BYTES: usize = 65_536;
/// Bytes that sealing adds to a chunk.
pub const TAG_BYTES: usize = 16;
/// Bytes of a full sealed chunk.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

const CHUNK: u64 = CHUNK_BYTES as u64;
const TAG: u64 = TAG_BYTES as u64;
const SEALED_CHUNK: u64 = SEALED_CHUNK_BYTES as u64;
const AAD_BYTES: usize = 20;

/// How many bytes `plain_bytes` bytes have when sealed.
pub const fn sealed_len(plain_bytes: u64) -> u64 {
    let chunks = if plain_bytes == 0 { 1 } else { plain_bytes.div_ceil(CHUNK) };
    plain_bytes.saturating_add(chunks.saturating_mul(TAG))
}

/// How many bytes were sealed into `sealed_bytes` bytes; an error if no number of bytes seals to that.
pub const fn plain_len(sealed_bytes: u64) -> Result<u64, KeysError> {
    let refused = Err(KeysError::SealedLength { size_bytes: sealed_bytes });
    if sealed_bytes < TAG {
        return refused;
    }
    let chunks = sealed_bytes.div_ceil(SEALED_CHUNK);
    let plain = sealed_bytes.saturating_sub(chunks * TAG);
    if sealed_len(plain) == sealed_bytes { Ok(plain) } else { refused }
}

/// The key of one part of one version. Cheap to clone.
#[derive(Clone)]
pub struct PartKey {
    key: Arc<LessSafeKey>,
    aad: [u8; AAD_BYTES],
}

impl fmt::Debug for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartKey(..)")
    }
}

fn nonce(index: u64, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&index.to_be_bytes());
    nonce[NONCE_LEN - 1] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

impl PartKey {
    pub(crate) fn new(key: &[u8; 32], part: u32, version: [u8; 16]) -> Result<Self, KeysError> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| KeysError::Library { doing: "making a part key" })?;
        let mut aad = [0; AAD_BYTES];
        aad[..16].copy_from_slice(&version);
        aad[16..].copy_from_slice(&part.to_be_bytes());
        Ok(Self { key: Arc::new(LessSafeKey::new(key)), aad })
    }

    /// A fresh key for bytes that nobody reads after this process: it is random, and kept nowhere else.
    pub fn ephemeral(entropy: &dyn Entropy) -> Result<Self, KeysError> {
        let key = Zeroizing::new(entropy.bytes());
        Self::new(&key, 0, [0; 16])
    }

    /// Seals chunk `index`. Each index must be sealed once, with the same bytes if ever again: the key's safety rests on it.
    pub fn seal_chunk(&self, index: u64, last: bool, plain: &[u8]) -> Result<Bytes, KeysError> {
        let mut out = BytesMut::with_capacity(plain.len() + TAG_BYTES);
        self.seal_into(index, last, plain, &mut out)?;
        Ok(out.freeze())
    }

    fn seal_into(&self, index: u64, last: bool, plain: &[u8], out: &mut BytesMut) -> Result<(), KeysError> {
        if plain.len() > CHUNK_BYTES {
            return Err(KeysError::ChunkTooLarge { size_bytes: plain.len(), size_bytes_max: CHUNK_BYTES });
        }
        let start = out.len();
        out.extend_from_slice(plain);
        let chunk = out.get_mut(start..).unwrap_or_default();
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(index, last), Aad::from(self.aad), chunk)
            .map_err(|_| KeysError::Library { doing: "sealing a chunk" })?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens chunk `index`; `last` says whether it must be the part's last.
    pub fn open_chunk(&self, index: u64, last: bool, sealed: &[u8]) -> Result<Bytes, KeysError> {
        let mut chunk = BytesMut::from(sealed);
        self.open_in_place(index, last, &mut chunk)?;
        Ok(chunk.freeze())
    }

    fn open_in_place(&self, index: u64, last: bool, chunk: &mut BytesMut) -> Result<(), KeysError> {
        let opened = self.key.open_in_place(nonce(index, last), Aad::from(self.aad), chunk);
        let plain_bytes = opened.map_err(|_| KeysError::NotAuthentic { what: "a chunk of stored bytes" })?.len();
        chunk.truncate(plain_bytes);
        Ok(())
    }
}

/// Seals bytes that come in pieces of any size. Holds back at most one chunk, since only the end tells which is the last.
#[derive(Debug)]
pub struct SealWriter {
    key: PartKey,
    index: u64,
    held: BytesMut,
}

impl SealWriter {
    /// Begins a part.
    pub fn new(key: PartKey) -> Self {
        Self { key, index: 0, held: BytesMut::new() }
    }

    /// Takes more bytes and gives what is sealed by now; may be nothing.
    pub fn push(&mut self, mut plain: &[u8]) -> Result<Bytes, KeysError> {
        let full = (self.held.len() + plain.len()).saturating_sub(1) / CHUNK_BYTES;
        let mut out = BytesMut::with_capacity(full * SEALED_CHUNK_BYTES);
        while self.held.len() + plain.len() > CHUNK_BYTES {
            let (now, rest) = plain.split_at(CHUNK_BYTES - self.held.len());
            if self.held.is_empty() {
                self.key.seal_into(self.index, false, now, &mut out)?;
            } else {
                self.held.extend_from_slice(now);
                self.key.seal_into(self.index, false, &self.held, &mut out)?;
                self.held.clear();
            }
            self.index += 1;
            plain = rest;
        }
        self.held.extend_from_slice(plain);
        Ok(out.freeze())
    }

    /// The last chunk. Without it the part does not open.
    pub fn finish(self) -> Result<Bytes, KeysError> {
        self.key.seal_chunk(self.index, true, &self.held)
    }
}

/// Opens a range: says which sealed bytes to fetch, and what makes of them exactly the bytes of `range`.
/// `sealed_bytes` is the length of the whole sealed part.
pub fn open_range(key: PartKey, sealed_bytes: u64, range: Range<u64>) -> Result<(Range<u64>, RangeOpener), KeysError> {
    let size_bytes = plain_len(sealed_bytes)?;
    if range.start > range.end || range.end > size_bytes {
        return Err(KeysError::Range { start: range.start, end: range.end, size_bytes });
    }
    let last = sealed_len(size_bytes).div_ceil(SEALED_CHUNK).saturating_sub(1);
    let (first, end) = if size_bytes == 0 {
        (0, 1)
    } else if range.is_empty() {
        (0, 0)
    } else {
        (range.start / CHUNK, (range.end - 1) / CHUNK + 1)
    };
    let sealed = first * SEALED_CHUNK..(end * SEALED_CHUNK).min(sealed_bytes);
    let opener = RangeOpener {
        key,
        index: first,
        end,
        last,
        held: BytesMut::new(),
        sealed_left: sealed.end - sealed.start,
        skip: usize::try_from(range.start - (first * CHUNK).min(range.start)).unwrap_or(0),
        plain_left: range.end - range.start,
    };
    Ok((sealed, opener))
}

/// Opens the sealed bytes of a range as they come, in pieces of any size. Gives out only bytes whose chunk is authentic.
#[derive(Debug)]
pub struct RangeOpener {
    key: PartKey,
    index: u64,
    end: u64,
    last: u64,
    held: BytesMut,
    sealed_left: u64,
    skip: usize,
    plain_left: u64,
}

impl RangeOpener {
    /// Takes more sealed bytes and gives the plain bytes known by now; may be nothing.
    pub fn push(&mut self, mut sealed: &[u8]) -> Result<Bytes, KeysError> {
        let mut out = BytesMut::new();
        self.sealed_left = self
            .sealed_left
            .checked_sub(sealed.len() as u64)
            .ok_or(KeysError::NotAuthentic { what: "a range of stored bytes" })?;
        while self.index < self.end {
            let wanted = SEALED_CHUNK_BYTES - self.held.len();
            let (now, rest) = sealed.split_at(wanted.min(sealed.len()));
            if self.held.is_empty() {
                let coming = self.sealed_left.saturating_add(sealed.len() as u64);
                self.held.reserve(usize::try_from(coming).unwrap_or(usize::MAX).min(SEALED_CHUNK_BYTES));
            }
            self.held.extend_from_slice(now);
            sealed = rest;
            if self.held.len() < SEALED_CHUNK_BYTES && self.sealed_left > 0 {
                break;
            }
            self.key.open_in_place(self.index, self.index == self.last, &mut self.held)?;
            self.index += 1;
            // Pieces are mostly no longer than a chunk: then what was opened is given out where it is.
            if out.is_empty() {
                out = std::mem::take(&mut self.held);
            } else {
                out.extend_from_slice(&self.held);
                self.held.clear();
            }
        }
        let skip = self.skip.min(out.len());
        self.skip -= skip;
        let mut out = out.freeze().split_off(skip);
        out.truncate(usize::try_from(self.plain_left).unwrap_or(usize::MAX));
        self.plain_left -= out.len() as u64;
        Ok(out)
    }

    /// Says whether all of the range came.
    pub fn finish(self) -> Result<(), KeysError> {
        if self.sealed_left == 0 && self.plain_left == 0 && self.index == self.end {
            Ok(())
        } else {
            Err(KeysError::NotAuthentic { what: "a range of stored bytes" })
        }
    }
}

/// The plain bytes of a stream of sealed bytes; a stream that ends early ends in an error.
pub fn open_stream<S, E>(opener: RangeOpener, sealed: S) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: From<KeysError> + Send,
{
    futures::stream::unfold(Some((opener, sealed)), |state| async move {
        let (mut opener, mut sealed) = state?;
        loop {
            match sealed.next().await {
                Some(Ok(bytes)) => match opener.push(&bytes) {
                    Ok(plain) if plain.is_empty() => {}
                    Ok(plain) => return Some((Ok(plain), Some((opener, sealed)))),
                    Err(error) => return Some((Err(error.into()), None)),
                },
                Some(Err(error)) => return Some((Err(error), None)),
                None => return opener.finish().err().map(|error| (Err(error.into()), None)),
            }
        }
    })
}

/// The sealed bytes of a stream of plain bytes. An error of the stream ends it without a last chunk.
pub fn seal_stream<S, E>(key: PartKey, plain: S) -> impl Stream<Item = Result<Bytes, E>> + Send
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: From<KeysError> + Send,
{
    futures::stream::unfold(Some((SealWriter::new(key), plain)), |state| async move {
        let (mut writer, mut plain) = state?;
        loop {
            match plain.next().await {
                Some(Ok(bytes)) => match writer.push(&bytes) {
                    Ok(sealed) if sealed.is_empty() => {}
                    Ok(sealed) => return Some((Ok(sealed), Some((writer, plain)))),
                    Err(error) => return Some((Err(error.into()), None)),
                },
                Some(Err(error)) => return Some((Err(error), None)),
                None => return Some((writer.finish().map_err(E::from), None)),
            }
        }
    })
}
