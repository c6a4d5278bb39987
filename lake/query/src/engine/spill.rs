//! What queries spill: sealed, in files that no name leads to, within a quota. Knows no rows: bytes come, bytes are given back.
//!
//! A file is sealed as an object's part is (`lake/keys`): full chunks of 64 KiB and a last one, each bound to its place, under a key
//! that is made for the file and kept in memory only. It is unlinked as soon as it is open, so that the end of the process is the end
//! of its bytes, however the process ends.
//!
//! A file may be read while it is written. What is written and does not fill a chunk yet is kept in memory, where readers find it:
//! every byte is readable once it is written, and a flush has nothing to do. A reader who has read all waits for more, and only a
//! finished file ends. The engine takes an end between two batches for the end of all batches, so a file whose writer went away
//! unfinished is an error, and never an end.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SpillFile, SpillWriter, TempFileFactory};
use futures::Stream;
use parking_lot::Mutex;
use tarn_keys::{CHUNK_BYTES, KeysError, PartKey, SEALED_CHUNK_BYTES};
use tarn_runtime::{EntropyExt, Runtime};

use crate::errors::{ErrorName, QueryError};

/// Chunks that are read and opened in one go.
const CHUNKS_PER_READ: u64 = 4;
const CHUNK: u64 = CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = SEALED_CHUNK_BYTES as u64;

/// How much is spilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillUsage {
    /// Bytes on disk now.
    pub size_bytes: u64,
    /// Bytes ever written.
    pub written_bytes: u64,
}

/// Makes the files that queries spill to.
pub(crate) struct SealedSpill {
    directory: PathBuf,
    runtime: Runtime,
    quota: Arc<Quota>,
}

struct Quota {
    size_bytes_max: u64,
    size_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

impl Quota {
    fn take(&self, bytes: u64) -> std::result::Result<(), QueryError> {
        let within = |size: u64| size.checked_add(bytes).filter(|size| *size <= self.size_bytes_max);
        match self.size_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_) => {
                self.written_bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(_) => Err(QueryError::new(
                ErrorName::ExhaustedResources,
                format!(
                    "running queries may spill {} bytes to disk together, and that is used up (read fewer rows or columns, or run fewer queries at a time)",
                    self.size_bytes_max
                ),
            )),
        }
    }

    fn give_back(&self, bytes: u64) {
        self.size_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn internal(message: String) -> QueryError {
    QueryError::new(ErrorName::Internal, message)
}

/// What the disk said, or that it is full.
fn disk_error(doing: &str, error: &io::Error) -> QueryError {
    let message = format!("{doing} a file that a query spills to failed: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            QueryError::new(ErrorName::ExhaustedResources, message)
        }
        _ => internal(message),
    }
}

fn damaged(error: &KeysError) -> QueryError {
    internal(format!("what a query has spilled cannot be read back: {error}"))
}

impl SealedSpill {
    /// Spills into `directory`, which is made, and which only its owner may enter from now on.
    pub fn new(directory: &Path, size_bytes_max: u64, runtime: Runtime) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        std::fs::set_permissions(directory, Permissions::from_mode(0o700))?;
        let quota = Quota { size_bytes_max, size_bytes: AtomicU64::new(0), written_bytes: AtomicU64::new(0) };
        Ok(Self { directory: directory.to_owned(), runtime, quota: Arc::new(quota) })
    }

    /// How much is spilled now.
    pub fn usage(&self) -> SpillUsage {
        SpillUsage {
            size_bytes: self.quota.size_bytes.load(Ordering::Relaxed),
            written_bytes: self.quota.written_bytes.load(Ordering::Relaxed),
        }
    }

    fn open(&self) -> io::Result<File> {
        let path = self.directory.join(format!("{}.spill", self.runtime.entropy.uuid().simple()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(file)
    }

    fn create(&self) -> std::result::Result<Arc<Sealed>, QueryError> {
        let file = self.open().map_err(|error| disk_error("making", &error))?;
        let key = PartKey::ephemeral(self.runtime.entropy.as_ref()).map_err(|error| damaged(&error))?;
        Ok(Arc::new(Sealed { file, key, quota: self.quota.clone(), state: Mutex::default() }))
    }
}

impl TempFileFactory for SealedSpill {
    fn create_temp_file(&self, _description: &str) -> Result<Arc<dyn SpillFile>> {
        Ok(Arc::new(Spilled(self.create().map_err(external)?)))
    }
}

/// One file, shared by its writer and its readers.
struct Sealed {
    file: File,
    key: PartKey,
    quota: Arc<Quota>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Chunks on disk; the last one too, once the file is finished.
    chunks: u64,
    /// Behind the chunks on disk: what is written and not sealed yet. Empty once the file is finished.
    tail: Vec<u8>,
    /// Plain bytes written.
    size_bytes: u64,
    /// Sealed bytes on disk.
    sealed_bytes: u64,
    writer: Writing,
    waiting: Vec<Waker>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Writing {
    #[default]
    NotBegun,
    Open,
    Finished,
    /// The writer went away or failed before the end.
    Broken,
}

impl State {
    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.quota.give_back(self.state.get_mut().sealed_bytes);
    }
}

impl Sealed {
    /// Seals a chunk of the tail to disk.
    fn write_chunk(&self, state: &mut State, last: bool) -> std::result::Result<(), QueryError> {
        let sealed = self.key.seal_chunk(state.chunks, last, &state.tail).map_err(|error| damaged(&error))?;
        let size = sealed.len() as u64;
        self.quota.take(size)?;
        if let Err(error) = self.file.write_all_at(&sealed, state.chunks * SEALED_CHUNK) {
            self.quota.give_back(size);
            return Err(disk_error("writing", &error));
        }
        state.chunks += 1;
        state.sealed_bytes += size;
        state.tail.clear();
        Ok(())
    }

    fn append(&self, mut bytes: &[u8]) -> std::result::Result<(), QueryError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.writer != Writing::Open {
            return Err(internal("a file that a query spills to is written after its end".to_owned()));
        }
        while !bytes.is_empty() {
            // a full chunk is sealed when more comes: only the end tells which is the last
            if state.tail.len() == CHUNK_BYTES {
                self.write_chunk(state, false).inspect_err(|_| state.writer = Writing::Broken)?;
            }
            let (now, rest) = bytes.split_at(bytes.len().min(CHUNK_BYTES - state.tail.len()));
            state.tail.extend_from_slice(now);
            state.size_bytes += now.len() as u64;
            bytes = rest;
        }
        state.wake();
        Ok(())
    }

    fn end(&self, finished: bool) -> std::result::Result<(), QueryError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.writer != Writing::Open {
            return Ok(());
        }
        let ended = if finished { self.write_chunk(state, true) } else { Ok(()) };
        state.writer = if finished && ended.is_ok() { Writing::Finished } else { Writing::Broken };
        state.tail = Vec::new();
        state.wake();
        ended
    }

    /// Reads and opens the chunks from `first` on. Blocks.
    fn read_chunks(&self, first: u64, count: u64, last: Option<u64>, sealed_bytes: u64) -> Result<VecDeque<Bytes>> {
        let start = first * SEALED_CHUNK;
        let size = (count * SEALED_CHUNK).min(sealed_bytes.saturating_sub(start));
        let mut sealed = vec![0; usize::try_from(size).unwrap_or_default()];
        self.file.read_exact_at(&mut sealed, start).map_err(|error| external(disk_error("reading", &error)))?;
        (first..first + count)
            .zip(sealed.chunks(SEALED_CHUNK_BYTES))
            .map(|(index, chunk)| self.key.open_chunk(index, last == Some(index), chunk))
            .collect::<std::result::Result<_, KeysError>>()
            .map_err(|error| external(damaged(&error)))
    }
}

/// What stands behind a place in a file.
enum Behind {
    /// These chunks on disk: the first, how many, which is the file's last, and how many sealed bytes there are.
    Chunks(u64, u64, Option<u64>, u64),
    /// Bytes that are not sealed yet.
    Plain(Bytes),
    End,
}

impl Sealed {
    /// What stands at `at`; waits while the writer may still write it.
    fn behind(&self, at: u64, context: &std::task::Context<'_>) -> Poll<Result<Behind>> {
        let mut state = self.state.lock();
        let first = at / CHUNK;
        if at < state.size_bytes && first < state.chunks {
            let last = (state.writer == Writing::Finished).then(|| state.chunks - 1);
            let count = CHUNKS_PER_READ.min(state.chunks - first);
            return Poll::Ready(Ok(Behind::Chunks(first, count, last, state.sealed_bytes)));
        }
        if at < state.size_bytes
            && let Some(new) = state.tail.get(usize::try_from(at % CHUNK).unwrap_or(usize::MAX)..)
            && !new.is_empty()
        {
            return Poll::Ready(Ok(Behind::Plain(Bytes::copy_from_slice(new))));
        }
        match state.writer {
            Writing::Finished if at == state.size_bytes => Poll::Ready(Ok(Behind::End)),
            Writing::NotBegun | Writing::Open => {
                if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
            Writing::Finished | Writing::Broken => Poll::Ready(Err(external(internal(
                "what a query has spilled ends before its end: the file was not written whole".to_owned(),
            )))),
        }
    }
}

/// A reader: where it is, and what it has opened ahead.
struct Reader {
    sealed: Arc<Sealed>,
    at: u64,
    ready: VecDeque<Bytes>,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.ready.is_empty() {
            match std::future::poll_fn(|context| self.sealed.behind(self.at, context)).await? {
                Behind::End => return Ok(None),
                Behind::Plain(bytes) => self.ready.push_back(bytes),
                Behind::Chunks(first, count, last, sealed_bytes) => {
                    let sealed = self.sealed.clone();
                    // the disk may be slow: not on a thread that runs queries
                    let read =
                        tokio::task::spawn_blocking(move || sealed.read_chunks(first, count, last, sealed_bytes)).await;
                    self.ready = read.map_err(|error| DataFusionError::External(Box::new(error)))??;
                    // the beginning of the first may be read already, from memory
                    if let Some(chunk) = self.ready.front_mut() {
                        let skip = usize::try_from(self.at % CHUNK).unwrap_or(usize::MAX);
                        *chunk = chunk.split_off(skip.min(chunk.len()));
                    }
                }
            }
        }
        let next = self.ready.pop_front();
        self.at += next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(next)
    }
}

/// The engine's handle of a file.
struct Spilled(Arc<Sealed>);

impl SpillFile for Spilled {
    fn size(&self) -> Option<u64> {
        Some(self.0.state.lock().size_bytes)
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let reader = Reader { sealed: self.0.clone(), at: 0, ready: VecDeque::new() };
        Ok(Box::pin(futures::stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|bytes| (bytes, reader)))
        })))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        let mut state = self.0.state.lock();
        if state.writer != Writing::NotBegun {
            return Err(external(internal("a file that a query spills to has two writers".to_owned())));
        }
        state.writer = Writing::Open;
        Ok(Box::new(SealingWriter(self.0.clone())))
    }
}

/// Seals what is written. Without `finish` the file has no end.
struct SealingWriter(Arc<Sealed>);

impl Write for SealingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    /// What is written is readable already.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for SealingWriter {
    fn finish(&mut self) -> Result<()> {
        self.0.end(true).map_err(external)
    }
}

impl Drop for SealingWriter {
    fn drop(&mut self) {
        // an unfinished file is broken; who reads it is told
        let _ = self.0.end(false);
    }
}

#[cfg(test)]
mod tests;
