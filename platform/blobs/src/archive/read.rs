//! Reads containers, and mends what it finds damaged: from the blocks of a group that are whole, the others follow.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tarn_disk::{DiskFile, OpenMode};
use tokio::task::JoinHandle;

use crate::archive::code::Code;
use crate::archive::container_path;
use crate::archive::layout::{GROUP_PAYLOAD_BYTES, Group, group};
use crate::archive::write::{frame, header};
use crate::frame::HEADER_BYTES;
use crate::handles::{io_error, joined};
use crate::shared::Shared;
use crate::{BlobError, BlobOwner};

/// A container as it must be.
#[derive(Clone)]
pub(crate) struct Container {
    pub shared: Arc<Shared>,
    pub owner: BlobOwner,
    pub id: [u8; 16],
    pub len: u64,
}

/// A group after all its blocks were looked at.
pub(crate) struct Mended {
    /// Its blocks of payload.
    pub payload: Vec<Bytes>,
    /// How many blocks were damaged. They are whole again, on the disk too unless it refused.
    pub damaged: usize,
}

impl Container {
    pub(crate) fn path(&self) -> String {
        container_path(&self.id)
    }

    pub(crate) fn open(&self) -> Result<Arc<dyn DiskFile>, BlobError> {
        self.shared.handles.get(&self.path())
    }

    /// The payload blocks `wanted` of a group. Blocks.
    fn blocks(&self, file: &dyn DiskFile, group: &Group, wanted: Range<usize>) -> Result<Vec<Bytes>, BlobError> {
        match self.sound_blocks(file, group, wanted.clone()) {
            Some(blocks) => Ok(blocks),
            None => Ok(self.mend(file, group)?.payload.drain(wanted).collect()),
        }
    }

    /// The blocks `wanted`, if none of them is damaged.
    fn sound_blocks(&self, file: &dyn DiskFile, group: &Group, wanted: Range<usize>) -> Option<Vec<Bytes>> {
        let mut bytes = vec![0; wanted.len() * group.frame_bytes()];
        file.read_exact_at(&mut bytes, group.frame_offset(wanted.start)).ok()?;
        let bytes = Bytes::from(bytes);
        let sound = |(n, index): (usize, usize)| {
            let frame = bytes.slice(n * group.frame_bytes()..(n + 1) * group.frame_bytes());
            header(self.shared.store, self.owner, self.id, group, index).check(&frame).ok()?;
            Some(frame.slice(HEADER_BYTES..))
        };
        wanted.enumerate().map(sound).collect()
    }

    /// Reads all blocks of a group, each by itself, so that a sector that cannot be read costs its own block only; works out those that
    /// are damaged, and writes them anew. Blocks.
    pub(crate) fn mend(&self, file: &dyn DiskFile, group: &Group) -> Result<Mended, BlobError> {
        let mut blocks: Vec<Option<Bytes>> = Vec::with_capacity(group.blocks());
        let mut first_damage = None;
        for index in 0..group.blocks() {
            let mut bytes = vec![0; group.frame_bytes()];
            let found = match file.read_exact_at(&mut bytes, group.frame_offset(index)) {
                Err(error) => Err(error.to_string()),
                Ok(()) => header(self.shared.store, self.owner, self.id, group, index)
                    .check(&bytes)
                    .map_err(|damage| damage.to_string()),
            };
            match found {
                Ok(()) => blocks.push(Some(Bytes::from(bytes).slice(HEADER_BYTES..))),
                Err(reason) => {
                    first_damage.get_or_insert((index, reason));
                    blocks.push(None);
                }
            }
        }
        let Some((first, reason)) = first_damage else {
            return Ok(Mended { payload: blocks.into_iter().take(group.data).flatten().collect(), damaged: 0 });
        };
        let missing: Vec<usize> =
            blocks.iter().enumerate().filter_map(|(index, block)| block.is_none().then_some(index)).collect();
        let place = format!("{} block {}", self.path(), group.first_block + first as u64);
        if missing.len() > group.parity {
            self.shared.archives.lost();
            let reason = format!(
                "{} of the {} blocks of its group are damaged, and parity repairs only {}; the first: {reason}",
                missing.len(),
                group.blocks(),
                group.parity
            );
            return Err(BlobError::Corrupt { place, reason });
        }
        let left: Vec<Option<&[u8]>> = blocks.iter().map(Option::as_deref).collect();
        let recovered = Code::new(group.data, group.parity)?.recover(&left, &missing, group.block_bytes)?;
        tracing::warn!(%place, %reason, blocks = missing.len(), "damage in an archive container is repaired from its parity");
        let frames: Vec<(u64, Vec<u8>)> = missing
            .iter()
            .zip(&recovered)
            .map(|(index, block)| {
                let bytes = frame(self.shared.store, self.owner, self.id, group, *index, block);
                (group.frame_offset(*index), bytes)
            })
            .collect();
        self.rewrite(&frames);
        let damaged = missing.len();
        for (index, block) in missing.into_iter().zip(recovered) {
            if let Some(place) = blocks.get_mut(index) {
                *place = Some(Bytes::from(block));
            }
        }
        Ok(Mended { payload: blocks.into_iter().take(group.data).flatten().collect(), damaged })
    }

    /// Writes what was repaired to where it must stand, durably. What cannot be written is repaired again at each read.
    pub(crate) fn rewrite(&self, pieces: &[(u64, Vec<u8>)]) {
        if !self.shared.archives.may_rewrite(&self.id) {
            return;
        }
        let path = self.path();
        let written = self.shared.disk.open(&path, OpenMode::ReadWrite).and_then(|file| {
            pieces.iter().try_for_each(|(offset, bytes)| file.write_all_at(bytes, *offset))?;
            file.sync_data()
        });
        match written {
            Ok(()) => self.shared.archives.repaired(pieces.len()),
            Err(error) => {
                // After a failed sync it is unknown what is on the disk, and the file must not be written again.
                self.shared.archives.leave_alone(self.id);
                tracing::error!(%path, error = %io_error("repairing", &path, &error), "a repair could not be written; it stays in memory");
            }
        }
    }
}

/// The bytes `range` of a container, which is not empty and lies inside of it.
pub(crate) fn read(container: Container, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let next_group = range.start / GROUP_PAYLOAD_BYTES as u64;
    let ahead = Ahead { container, range, file: None, next_group, job: None };
    futures::stream::try_unfold(Some(ahead), |ahead| async {
        match ahead {
            Some(ahead) => ahead.group().await,
            None => Ok(None),
        }
    })
    .map_ok(|slices| futures::stream::iter(slices.into_iter().map(Ok)))
    .try_flatten()
    .boxed()
}

type Slices = (Arc<dyn DiskFile>, Vec<Bytes>);

/// A reader that has asked for one group more than it gave out.
struct Ahead {
    container: Container,
    range: Range<u64>,
    file: Option<Arc<dyn DiskFile>>,
    next_group: u64,
    job: Option<JoinHandle<Result<Slices, BlobError>>>,
}

impl Ahead {
    fn ask(&mut self) {
        let group = group(self.container.len, self.next_group);
        if group.payload_start >= self.range.end {
            return;
        }
        self.next_group += 1;
        let (container, file, range) = (self.container.clone(), self.file.clone(), self.range.clone());
        self.job = Some(tokio::task::spawn_blocking(move || {
            // The file stays the one first opened: a delete does not disturb.
            let file = match file {
                Some(file) => file,
                None => container.open()?,
            };
            let slices = slices(&container, &*file, &group, &range)?;
            Ok((file, slices))
        }));
    }

    async fn group(mut self) -> Result<Option<(Vec<Bytes>, Option<Self>)>, BlobError> {
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

/// What of `range` lies in `group`.
fn slices(
    container: &Container,
    file: &dyn DiskFile,
    group: &Group,
    range: &Range<u64>,
) -> Result<Vec<Bytes>, BlobError> {
    let ends = group.payload_start + group.payload_bytes as u64;
    let from = (range.start.max(group.payload_start) - group.payload_start) as usize;
    let to = (range.end.min(ends) - group.payload_start) as usize;
    let wanted = from / group.block_bytes..to.div_ceil(group.block_bytes);
    let first = wanted.start;
    let blocks = container.blocks(file, group, wanted)?;
    let cut = |(n, block): (usize, Bytes)| {
        let begins = (first + n) * group.block_bytes;
        block.slice(from.max(begins) - begins..to.min(begins + group.block_bytes) - begins)
    };
    Ok(blocks.into_iter().enumerate().map(cut).collect())
}
