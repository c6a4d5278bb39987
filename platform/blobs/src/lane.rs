//! Appends small blobs to packs: one thread per lane, which writes all that wait and makes them durable with one sync.
//! Knows nothing of large blobs or of who reads.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tarn_disk::{DiskFile, OpenMode};
use tokio::sync::{mpsc, oneshot};

use crate::frame::{FramePlace, Header, PACK_ALIGN_BYTES, pack_path, packed_frame_bytes};
use crate::handles::io_error;
use crate::shared::{Pack, Shared};
use crate::{BlobError, BlobOwner, BlobPlace, BlobRef};

/// Blobs that wait for one lane; more make their writers wait.
const QUEUE_BLOBS_MAX: usize = 256;
/// Payload bytes written and synced together.
const GROUP_BYTES_MAX: usize = 4 << 20;

enum Command {
    Append(Append),
    /// Appends no more to the open pack if it is this one.
    Seal {
        pack: u64,
        done: oneshot::Sender<()>,
    },
}

struct Append {
    owner: BlobOwner,
    payload: Bytes,
    /// Whether it may use the room kept free for giving back room.
    from_reserve: bool,
    reply: oneshot::Sender<Result<BlobRef, BlobError>>,
}

/// The way to one lane's thread, which starts with the first blob and ends with the engine.
#[derive(Default)]
pub(crate) struct Lane(OnceLock<mpsc::Sender<Command>>);

impl Lane {
    fn sender(&self, shared: &Arc<Shared>) -> Result<mpsc::Sender<Command>, BlobError> {
        if let Some(sender) = self.0.get() {
            return Ok(sender.clone());
        }
        let (sender, commands) = mpsc::channel(QUEUE_BLOBS_MAX);
        if self.0.set(sender).is_ok() {
            let thread = Thread { shared: shared.clone(), open: None, bytes: Vec::new() };
            std::thread::Builder::new()
                .name("pack-writer".to_owned())
                .spawn(move || thread.run(commands))
                .map_err(|error| io_error("starting", "the pack writer", &error))?;
        }
        self.0.get().cloned().ok_or_else(ended)
    }

    /// Stores a blob durably; `from_reserve` is for moving blobs, which gives back room in the end.
    pub(crate) async fn append(
        &self,
        shared: &Arc<Shared>,
        owner: BlobOwner,
        payload: Bytes,
        from_reserve: bool,
    ) -> Result<BlobRef, BlobError> {
        let (reply, answer) = oneshot::channel();
        self.sender(shared)?
            .send(Command::Append(Append { owner, payload, from_reserve, reply }))
            .await
            .map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Lets no more be appended to `pack`.
    pub(crate) async fn seal(&self, pack: u64) -> Result<(), BlobError> {
        let Some(sender) = self.0.get() else { return Ok(()) };
        let (done, answer) = oneshot::channel();
        sender.send(Command::Seal { pack, done }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}

fn ended() -> BlobError {
    BlobError::Io {
        doing: "appending to a pack".to_owned(),
        reason: "the pack writer has ended; start the server again".to_owned(),
    }
}

struct Open {
    pack: Arc<Pack>,
    file: Arc<dyn DiskFile>,
    len: u64,
}

struct Thread {
    shared: Arc<Shared>,
    open: Option<Open>,
    bytes: Vec<u8>,
}

impl Thread {
    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut group = Vec::new();
        while let Some(command) = commands.blocking_recv() {
            let mut next = Some(command);
            let mut group_bytes = 0;
            while let Some(command) = next.take() {
                match command {
                    Command::Append(append) => {
                        group_bytes += append.payload.len();
                        group.push(append);
                    }
                    Command::Seal { pack, done } => {
                        self.append(&mut group);
                        if self.open.as_ref().is_some_and(|open| open.pack.id == pack) {
                            self.seal();
                        }
                        // Nobody waits any more if the compaction was dropped.
                        let _ = done.send(());
                    }
                }
                if group_bytes < GROUP_BYTES_MAX {
                    next = commands.try_recv().ok();
                }
            }
            self.append(&mut group);
        }
        self.seal();
    }

    fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            open.pack.open.store(false, Ordering::Release);
        }
    }

    fn append(&mut self, group: &mut Vec<Append>) {
        if group.is_empty() {
            return;
        }
        let frames_bytes = group.iter().map(|append| packed_frame_bytes(append.payload.len() as u64)).sum();
        let from_reserve = group.iter().all(|append| append.from_reserve);
        if let Err(error) = self.shared.check_room(frames_bytes, from_reserve) {
            for append in group.drain(..) {
                let _ = append.reply.send(Err(error.clone()));
            }
            return;
        }
        match self.append_all(group) {
            Ok(places) => {
                for (append, offset) in group.drain(..).zip(places.1) {
                    let blob = BlobRef {
                        owner: append.owner,
                        len: append.payload.len() as u64,
                        place: BlobPlace::Pack { pack: places.0, offset },
                    };
                    // A writer that was dropped while waiting leaves an orphan for the sweep.
                    let _ = append.reply.send(Ok(blob));
                }
            }
            Err(error) => {
                // What the pack holds behind its last durable frame is unknown: it is never written again.
                let abandoned = self.open.take();
                for append in group.drain(..) {
                    let _ = append.reply.send(Err(error.clone()));
                }
                if let Some(open) = abandoned {
                    open.pack.open.store(false, Ordering::Release);
                    if open.len == 0
                        && let Err(error) = self.shared.remove_pack(open.pack.id)
                    {
                        tracing::warn!(%error, "an empty pack could not be removed");
                    }
                }
            }
        }
    }

    fn append_all(&mut self, group: &[Append]) -> Result<(u64, Vec<u64>), BlobError> {
        if self.open.as_ref().is_some_and(|open| open.len >= self.shared.options.pack_size_bytes_max) {
            self.seal();
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(begin(&self.shared)?),
        };
        self.bytes.clear();
        let mut offsets = Vec::with_capacity(group.len());
        let mut payload_bytes = 0;
        for append in group {
            let offset = open.len + self.bytes.len() as u64;
            let len = append.payload.len() as u32;
            let header = Header {
                store: self.shared.store,
                owner: append.owner,
                at: FramePlace::Pack { pack: open.pack.id, offset, group: open.len },
                len,
            };
            self.bytes.extend_from_slice(&header.encode(&append.payload));
            self.bytes.extend_from_slice(&append.payload);
            self.bytes.resize(self.bytes.len().next_multiple_of(PACK_ALIGN_BYTES as usize), 0);
            payload_bytes += u64::from(len);
            offsets.push(offset);
        }
        let path = pack_path(open.pack.id);
        open.file.write_all_at(&self.bytes, open.len).map_err(|error| io_error("appending to", &path, &error))?;
        open.file.sync_data().map_err(|error| io_error("syncing", &path, &error))?;
        if open.len == 0 {
            self.shared.sync_dir("pack")?;
        }
        open.len += self.bytes.len() as u64;
        open.pack.payload_bytes.fetch_add(payload_bytes, Ordering::AcqRel);
        open.pack.len.store(open.len, Ordering::Release);
        Ok((open.pack.id, offsets))
    }
}

fn begin(shared: &Shared) -> Result<Open, BlobError> {
    let id = u64::from_le_bytes(shared.new_id());
    let path = pack_path(id);
    let file = shared.disk.open(&path, OpenMode::CreateNew).map_err(|error| io_error("making", &path, &error))?;
    let pack = Arc::new(Pack::new(id, 0, true));
    shared.packs.lock().insert(id, pack.clone());
    Ok(Open { pack, file, len: 0 })
}
