//! Compressed bytes: zstd frames of 1 MiB each, and behind them their lengths, so that a range is read from its frames alone. Comes before
//! sealing: what is compressed here is sealed as one stream. Knows no records and no storage classes.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::errors::ObjectsError;
use tarn_blobs::BlobError;

/// How a part's bytes were packed before they were sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Packing {
    /// Not at all.
    #[default]
    Raw,
    /// As frames of 1 MiB, zstd or plain, and an index.
    Frames,
}

/// Plain bytes of every frame but the last.
const FRAME_BYTES: usize = 1 << 20;
/// Bytes of a frame's entry in the index: how long it is, and in the highest bit, whether it is plain.
const ENTRY_BYTES: u64 = 4;
const PLAIN: u32 = 1 << 31;
/// A frame that would not become smaller than this many hundredths is kept plain: it is not worth the time to unpack it.
const RATIO_PERCENT_MAX: usize = 95;

/// Compresses at most as many frames at a time as there are processors: each takes some ten MiB while it is compressed.
#[derive(Clone)]
pub(crate) struct Compressing(Arc<Semaphore>);

impl Default for Compressing {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))))
    }
}

impl Compressing {
    /// `plain` as a frame, and its entry in the index.
    async fn frame(&self, plain: Bytes, level: i32) -> Result<(Bytes, u32), ObjectsError> {
        let _permit = self.0.acquire().await.map_err(|_| ObjectsError::Stopping)?;
        let compress = move || match zstd::bulk::compress(&plain, level) {
            Ok(packed) if packed.len() * 100 <= plain.len() * RATIO_PERCENT_MAX => {
                let entry = packed.len() as u32;
                (Bytes::from(packed), entry)
            }
            Ok(_) | Err(_) => {
                let entry = plain.len() as u32 | PLAIN;
                (plain, entry)
            }
        };
        tokio::task::spawn_blocking(compress).await.map_err(|_| ObjectsError::Stopping)
    }
}

/// Packs bytes that come in pieces of any size. Holds back less than a frame.
pub(crate) struct Packer {
    compressing: Compressing,
    level: i32,
    held: BytesMut,
    index: Vec<u8>,
}

impl Packer {
    pub(crate) fn new(compressing: Compressing, level: i32) -> Self {
        Self { compressing, level, held: BytesMut::new(), index: Vec::new() }
    }

    async fn frame(&mut self, plain: Bytes) -> Result<Bytes, ObjectsError> {
        let (frame, entry) = self.compressing.frame(plain, self.level).await?;
        self.index.extend_from_slice(&entry.to_le_bytes());
        Ok(frame)
    }

    /// Takes more bytes and gives the frames that are full by now.
    pub(crate) async fn push(&mut self, mut plain: &[u8]) -> Result<Vec<Bytes>, ObjectsError> {
        let mut frames = Vec::new();
        while !plain.is_empty() {
            let (now, rest) = plain.split_at(plain.len().min(FRAME_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            plain = rest;
            if self.held.len() == FRAME_BYTES {
                let full = self.held.split().freeze();
                frames.push(self.frame(full).await?);
            }
        }
        Ok(frames)
    }

    /// The last frame and the index.
    pub(crate) async fn finish(mut self) -> Result<Vec<Bytes>, ObjectsError> {
        let mut last = Vec::new();
        if !self.held.is_empty() {
            let rest = self.held.split().freeze();
            last.push(self.frame(rest).await?);
        }
        last.push(Bytes::from(self.index));
        Ok(last)
    }
}

fn corrupt(reason: &str) -> ObjectsError {
    let place = "the frames of a compressed object".to_owned();
    ObjectsError::Blob(BlobError::Corrupt { place, reason: reason.to_owned() })
}

/// Where the frames of a part are.
#[derive(Debug)]
pub(crate) struct FrameIndex {
    /// Where each begins, and whether it is plain; then the end of the last.
    frames: Vec<(u64, bool)>,
    end: u64,
    size_bytes: u64,
}

impl FrameIndex {
    /// Where the index of a part of `size_bytes` stands among its `packed_bytes`.
    pub(crate) fn range(size_bytes: u64, packed_bytes: u64) -> Result<Range<u64>, ObjectsError> {
        let index_bytes = size_bytes.div_ceil(FRAME_BYTES as u64) * ENTRY_BYTES;
        let start = packed_bytes.checked_sub(index_bytes).ok_or_else(|| corrupt("there is no room for their index"))?;
        Ok(start..packed_bytes)
    }

    /// Reads an index that begins at `end` of the packed bytes.
    pub(crate) fn parse(bytes: &[u8], end: u64, size_bytes: u64) -> Result<Self, ObjectsError> {
        let mut frames = Vec::with_capacity(bytes.len() / ENTRY_BYTES as usize);
        let mut at = 0;
        for entry in bytes.as_chunks::<{ ENTRY_BYTES as usize }>().0 {
            let entry = u32::from_le_bytes(*entry);
            frames.push((at, entry & PLAIN != 0));
            at += u64::from(entry & !PLAIN);
        }
        if at != end || frames.len() as u64 != size_bytes.div_ceil(FRAME_BYTES as u64) {
            return Err(corrupt("their index does not fit them"));
        }
        Ok(Self { frames, end, size_bytes })
    }

    /// Which packed bytes hold the plain bytes `within`, which are some.
    pub(crate) fn packed(&self, within: &Range<u64>) -> Range<u64> {
        let first = within.start / FRAME_BYTES as u64;
        let after = within.end.div_ceil(FRAME_BYTES as u64);
        self.begins(first)..self.begins(after)
    }

    fn begins(&self, frame: u64) -> u64 {
        usize::try_from(frame).ok().and_then(|frame| self.frames.get(frame)).map_or(self.end, |(begins, _)| *begins)
    }

    /// The plain bytes `within` out of `packed`, which is what `packed()` named.
    pub(crate) fn unpack(
        self,
        packed: BoxStream<'static, Result<Bytes, ObjectsError>>,
        within: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, ObjectsError>> {
        let next = within.start / FRAME_BYTES as u64;
        let unpacking = Unpacking { index: self, packed, within, next, held: BytesMut::new() };
        futures::stream::try_unfold(unpacking, |mut unpacking| async move {
            let plain = unpacking.frame().await?;
            Ok::<_, ObjectsError>(plain.map(|plain| (plain, unpacking)))
        })
        .into_stream()
        .boxed()
    }
}

struct Unpacking {
    index: FrameIndex,
    packed: BoxStream<'static, Result<Bytes, ObjectsError>>,
    within: Range<u64>,
    next: u64,
    held: BytesMut,
}

impl Unpacking {
    /// What is wanted of the next frame.
    async fn frame(&mut self) -> Result<Option<Bytes>, ObjectsError> {
        let begins = self.next * FRAME_BYTES as u64;
        if begins >= self.within.end {
            // The stream's end is asked for, because the opener of sealed bytes checks there that nothing is missing.
            return match self.packed.next().await {
                Some(Err(error)) => Err(error),
                Some(Ok(_)) => Err(corrupt("more bytes follow than the index says")),
                None => Ok(None),
            };
        }
        let len = (self.index.begins(self.next + 1) - self.index.begins(self.next)) as usize;
        let is_plain =
            usize::try_from(self.next).ok().and_then(|next| self.index.frames.get(next)).is_some_and(|it| it.1);
        let plain_bytes = (self.index.size_bytes - begins).min(FRAME_BYTES as u64) as usize;
        if len > plain_bytes {
            return Err(corrupt("a frame is longer than what it holds"));
        }
        while self.held.len() < len {
            match self.packed.next().await {
                Some(bytes) => self.held.extend_from_slice(&bytes?),
                None => return Err(corrupt("they end early")),
            }
        }
        let frame = self.held.split_to(len).freeze();
        let plain = if is_plain {
            frame
        } else {
            let unpack = move || zstd::bulk::decompress(&frame, plain_bytes);
            let unpacked = tokio::task::spawn_blocking(unpack).await.map_err(|_| ObjectsError::Stopping)?;
            Bytes::from(unpacked.map_err(|error| corrupt(&error.to_string()))?)
        };
        if plain.len() != plain_bytes {
            return Err(corrupt("a frame does not hold what it should"));
        }
        self.next += 1;
        let from = self.within.start.max(begins) - begins;
        let to = self.within.end.min(begins + plain_bytes as u64) - begins;
        Ok(Some(plain.slice(from as usize..to as usize)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn pack(plain: &[u8], piece: usize, level: i32) -> Bytes {
        let mut packer = Packer::new(Compressing::default(), level);
        let mut packed = BytesMut::new();
        for piece in plain.chunks(piece) {
            for frame in packer.push(piece).await.unwrap() {
                packed.extend_from_slice(&frame);
            }
        }
        for frame in packer.finish().await.unwrap() {
            packed.extend_from_slice(&frame);
        }
        packed.freeze()
    }

    fn index(packed: &Bytes, size_bytes: u64) -> Result<FrameIndex, ObjectsError> {
        let at = FrameIndex::range(size_bytes, packed.len() as u64)?;
        FrameIndex::parse(&packed[at.start as usize..], at.start, size_bytes)
    }

    async fn unpack(packed: &Bytes, size_bytes: u64, within: Range<u64>) -> Result<Vec<u8>, ObjectsError> {
        let index = index(packed, size_bytes)?;
        let part = index.packed(&within);
        let pieces: Vec<_> = packed[part.start as usize..part.end as usize]
            .chunks(50_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let pieces: Vec<Bytes> = index.unpack(futures::stream::iter(pieces).boxed(), within).try_collect().await?;
        Ok(pieces.concat())
    }

    /// Lines that compress, with noise that does not in every third MiB.
    fn mixed(len: usize) -> Vec<u8> {
        let mut state = 1_u64;
        (0..len)
            .map(|n| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if n >> 20 & 3 == 2 { (state >> 40) as u8 } else { b"one line of a log file, and another\n"[n % 36] }
            })
            .collect()
    }

    #[tokio::test]
    async fn ranges_are_read_from_their_frames_alone() {
        let plain = mixed((5 << 20) + 777);
        let packed = pack(&plain, 300_000, 3).await;
        // Four MiB compress, one does not.
        assert!((1 << 20..1_200_000).contains(&packed.len()), "{}", packed.len());
        let size = plain.len() as u64;
        let mib = 1_u64 << 20;
        for within in
            [0..size, 0..1, 5..mib, mib - 1..mib + 1, 2 * mib..3 * mib, 2 * mib + 9..4 * mib + 1, size - 1..size]
        {
            let found = unpack(&packed, size, within.clone()).await.unwrap();
            assert!(found == plain[within.start as usize..within.end as usize], "{within:?}");
        }
        // A range of one frame touches one frame.
        let touched = index(&packed, size).unwrap().packed(&(mib + 5..mib + 6));
        assert!(touched.end - touched.start < 1000, "{touched:?}");
    }

    #[tokio::test]
    async fn broken_frames_are_errors() {
        let plain = mixed((1 << 20) + 5);
        let packed = pack(&plain, 1 << 20, 3).await;
        let size = plain.len() as u64;
        for at in [0, 10, packed.len() - 8, packed.len() - 5, packed.len() - 1] {
            let mut broken = packed.to_vec();
            broken[at] ^= 0x41;
            let found = unpack(&broken.into(), size, 0..size).await;
            assert!(found.is_err() || found.unwrap() != plain, "{at}");
        }
        assert!(unpack(&packed, size + (1 << 20), 0..1).await.is_err());
        assert!(unpack(&packed.slice(..3), size, 0..1).await.is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_bytes_and_any_range(len in 0_usize..3 << 20, piece in 1_usize..2 << 20, a in 0.0..1.0, b in 0.0..1.0, level in 1..7) {
            let plain = mixed(len);
            let (a, b) = ((a * len as f64) as u64, (b * len as f64) as u64);
            let within = a.min(b)..a.max(b);
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                let packed = pack(&plain, piece, level).await;
                if within.start < within.end {
                    let found = unpack(&packed, len as u64, within.clone()).await.unwrap();
                    assert!(found == plain[within.start as usize..within.end as usize]);
                }
            });
        }
    }
}
