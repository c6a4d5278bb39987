//! Reads blobs back: every block is compared with the header it must have, and with its checksum unless the reader has a better one.
//! Knows nothing of writing.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tarn_disk::DiskFile;
use tokio::task::JoinHandle;

use crate::archive::{self, Container};
use crate::frame::{
    BLOCK_BYTES, BLOCK_FRAME_BYTES, FramePlace, HEADER_BYTES, Header, file_bytes, file_path, pack_path,
};
use crate::handles::{io_error, joined};
use crate::shared::Shared;
use crate::{BlobError, BlobPlace, BlobRef, PACKED_SIZE_BYTES_MAX};

/// Blocks read at once; one such chunk is read ahead of the one given out.
const CHUNK_BLOCKS: u64 = 8;

/// Whether the payloads of a file's blocks are compared with their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payloads {
    Checked,
    Unchecked,
}

/// The bytes `range` of `blob`.
pub(crate) fn read(
    shared: &Arc<Shared>,
    blob: &BlobRef,
    range: Range<u64>,
    payloads: Payloads,
) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let Range { start, end } = range;
    if start > end || end > blob.len {
        return failed(BlobError::Range { start, end, len: blob.len });
    }
    if start == end {
        return futures::stream::empty().boxed();
    }
    let (shared, blob) = (shared.clone(), blob.clone());
    match blob.place {
        BlobPlace::Empty => failed(BlobError::Missing { place: "nowhere".to_owned() }),
        BlobPlace::Volume { volume, .. } => failed(BlobError::NoVolume { volume }),
        BlobPlace::Pack { pack, offset } => futures::stream::once(async move {
            // To ask another thread for what lies in memory costs more than to take it.
            let whole = match read_packed_cached(&shared, &blob, pack, offset) {
                Some(whole) => whole,
                None => joined(tokio::task::spawn_blocking(move || read_packed(&shared, &blob, pack, offset)).await)?,
            };
            Ok(whole.slice(start as usize..end as usize))
        })
        .boxed(),
        BlobPlace::Archive { id } => {
            archive::read(Container { shared, owner: blob.owner, id, len: blob.len }, start..end)
        }
        BlobPlace::File { id } => {
            let reader = FileReader { shared, blob, id, start, end, payloads };
            let first = start / BLOCK_BYTES as u64;
            futures::stream::try_unfold(
                Some(Ahead { reader: Arc::new(reader), file: None, next: first, job: None }),
                |ahead| async {
                    match ahead {
                        Some(ahead) => ahead.chunk().await,
                        None => Ok(None),
                    }
                },
            )
            .map_ok(|slices| futures::stream::iter(slices.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
        }
    }
}

fn failed(error: BlobError) -> BoxStream<'static, Result<Bytes, BlobError>> {
    futures::stream::iter([Err(error)]).boxed()
}

/// The payload of a packed blob, whole and checked. Blocks.
pub(crate) fn read_packed(shared: &Shared, blob: &BlobRef, pack: u64, offset: u64) -> Result<Bytes, BlobError> {
    let path = pack_path(pack);
    let corrupt = |reason: String| BlobError::Corrupt { place: format!("{path} at {offset}"), reason };
    if blob.len > PACKED_SIZE_BYTES_MAX {
        return Err(corrupt(format!("a packed blob cannot have {} bytes", blob.len)));
    }
    let file = shared.handles.get(&path)?;
    let frame = file.read_vec_at(HEADER_BYTES + blob.len as usize, offset);
    let frame = frame.map_err(|error| io_error("reading", &path, &error))?;
    packed_header(shared, blob, pack, offset).check(&frame).map_err(|damage| corrupt(damage.to_string()))?;
    Ok(Bytes::from(frame).slice(HEADER_BYTES..))
}

/// As `read_packed`, if it can be had without waiting for the drive. Whatever is wrong is for `read_packed` to find and to say.
fn read_packed_cached(shared: &Shared, blob: &BlobRef, pack: u64, offset: u64) -> Option<Bytes> {
    if blob.len > PACKED_SIZE_BYTES_MAX {
        return None;
    }
    let file = shared.handles.open_already(&pack_path(pack))?;
    let mut frame = vec![0; HEADER_BYTES + blob.len as usize];
    let found = file.read_at_cached(&mut frame, offset).ok().flatten()?;
    if found != frame.len() {
        return None;
    }
    packed_header(shared, blob, pack, offset).check(&frame).ok()?;
    Some(Bytes::from(frame).slice(HEADER_BYTES..))
}

fn packed_header(shared: &Shared, blob: &BlobRef, pack: u64, offset: u64) -> Header {
    let at = FramePlace::Pack { pack, offset, group: 0 };
    Header { store: shared.store, owner: blob.owner, at, len: blob.len as u32 }
}

type Chunk = (Arc<dyn DiskFile>, Vec<Bytes>);

struct Ahead {
    reader: Arc<FileReader>,
    file: Option<Arc<dyn DiskFile>>,
    /// The first block not yet asked for.
    next: u64,
    job: Option<JoinHandle<Result<Chunk, BlobError>>>,
}

impl Ahead {
    fn ask(&mut self) {
        let first = self.next;
        if first * BLOCK_BYTES as u64 >= self.reader.end {
            return;
        }
        self.next = first + CHUNK_BLOCKS;
        let (reader, file) = (self.reader.clone(), self.file.clone());
        self.job = Some(tokio::task::spawn_blocking(move || reader.chunk(file, first)));
    }

    async fn chunk(mut self) -> Result<Option<(Vec<Bytes>, Option<Self>)>, BlobError> {
        if self.job.is_none() {
            self.ask();
        }
        let Some(job) = self.job.take() else { return Ok(None) };
        let (file, slices) = joined(job.await)?;
        self.file = Some(file);
        self.ask();
        let rest = self.job.is_some().then_some(self);
        Ok(Some((slices, rest)))
    }
}

struct FileReader {
    shared: Arc<Shared>,
    blob: BlobRef,
    id: [u8; 16],
    start: u64,
    end: u64,
    payloads: Payloads,
}

impl FileReader {
    /// Reads blocks from `first` on, as far as the range and a chunk go. The file stays the one first opened: a delete does not disturb.
    fn chunk(&self, file: Option<Arc<dyn DiskFile>>, first: u64) -> Result<Chunk, BlobError> {
        let path = file_path(&self.id);
        let file = match file {
            Some(file) => file,
            None => self.shared.handles.get(&path)?,
        };
        let block = BLOCK_BYTES as u64;
        let from = first * BLOCK_FRAME_BYTES as u64;
        let blocks_end = self.end.div_ceil(block).min(first + CHUNK_BLOCKS);
        let to = file_bytes(self.blob.len).min(blocks_end * BLOCK_FRAME_BYTES as u64);
        let bytes = file.read_vec_at(to.saturating_sub(from) as usize, from);
        let bytes = Bytes::from(bytes.map_err(|error| io_error("reading", &path, &error))?);
        let last_block = (self.blob.len - 1) / block;
        let mut slices = Vec::with_capacity(CHUNK_BLOCKS as usize);
        for number in first..blocks_end {
            let at = (number - first) as usize * BLOCK_FRAME_BYTES;
            let frame = bytes.slice(at..bytes.len().min(at + BLOCK_FRAME_BYTES));
            let begins = number * block;
            let len = (self.blob.len - begins).min(block);
            let at = FramePlace::File { id: self.id, block: number, last: number == last_block };
            let expected = Header { store: self.shared.store, owner: self.blob.owner, at, len: len as u32 };
            let sound = match self.payloads {
                Payloads::Checked => expected.check(&frame),
                Payloads::Unchecked => expected.check_header(&frame).map(|_| ()),
            };
            sound.map_err(|damage| BlobError::Corrupt {
                place: format!("{path} block {number}"),
                reason: damage.to_string(),
            })?;
            let (start, end) = (self.start.max(begins) - begins, self.end.min(begins + len) - begins);
            slices.push(frame.slice(HEADER_BYTES + start as usize..HEADER_BYTES + end as usize));
        }
        Ok((file, slices))
    }
}
