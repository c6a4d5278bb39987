//! Reading the files of inventories whose columns have names, Parquet and ORC: any part of them, from the store, on a thread of its own.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use md5::Digest as _;
use tarn_audit::Caller;
use tarn_inventory::{FileBytes, ListedKey, ReadError, read_orc, read_parquet};
use tarn_objects::{ObjectVersion, Objects};
use tarn_policy::Authorized;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::errors::JobsError;
use crate::job::JobFailure;
use crate::jobs::Jobs;
use crate::keyspaces::Task;
use crate::manifest::NamedFormat;
use crate::prepare::{BATCHES_COUNT_MAX, UNREADABLE, check_md5, stopped};
use crate::segments::SegmentWriter;

/// An object, read from a thread that may wait.
struct StoredFile {
    objects: Objects,
    proof: Authorized,
    version: ObjectVersion,
    handle: Handle,
}

impl FileBytes for StoredFile {
    fn size_bytes(&self) -> u64 {
        self.version.size_bytes()
    }

    fn read(&self, from: u64, size_bytes: u64) -> std::io::Result<Bytes> {
        let range: Range<u64> = from..from.saturating_add(size_bytes);
        let mut pieces = self.objects.read(&self.proof, &self.version, range);
        let reading = async {
            let mut whole = BytesMut::new();
            while let Some(piece) = pieces.next().await {
                whole.extend_from_slice(&piece.map_err(std::io::Error::other)?);
            }
            Ok::<_, std::io::Error>(whole.freeze())
        };
        self.handle.block_on(reading)
    }
}

impl Jobs {
    /// Lists the keys in a file.
    pub(crate) async fn read_named(
        &self,
        caller: &Caller,
        version: ObjectVersion,
        (format, has_versions): (NamedFormat, bool),
        md5: Option<String>,
        writer: &mut SegmentWriter<'_>,
    ) -> Result<(), JobsError> {
        // A file is read in no order, so its digest is taken before.
        if md5.is_some() {
            let mut digest = md5::Md5::new();
            let mut pieces = self.objects.read(caller.authorized(), &version, 0..version.size_bytes());
            while let Some(piece) = pieces.next().await {
                digest.update(&piece.map_err(|error| JobsError::of_objects(UNREADABLE, error))?);
            }
            let name = format!("{}/{}", version.bucket(), version.key());
            check_md5(&name, md5.as_deref(), &hex::encode(digest.finalize()))?;
        }
        let file = StoredFile {
            objects: self.objects.clone(),
            proof: caller.authorized().clone(),
            version,
            handle: Handle::current(),
        };
        let (tasks, mut taken) = mpsc::channel::<Vec<Task>>(BATCHES_COUNT_MAX);
        let parsing = tokio::task::spawn_blocking(move || {
            let task = |listed: ListedKey| Task { bucket: listed.bucket, key: listed.key, version: listed.version };
            let mut take = |keys: Vec<ListedKey>| tasks.blocking_send(keys.into_iter().map(task).collect()).is_ok();
            match format {
                NamedFormat::Orc => read_orc(Arc::new(file), has_versions, &mut take),
                NamedFormat::Parquet => read_parquet(Arc::new(file), has_versions, &mut take),
            }
        });
        while let Some(batch) = taken.recv().await {
            for task in batch {
                writer.push(task).await?;
            }
        }
        match parsing.await.map_err(stopped)? {
            Ok(()) | Err(ReadError::NotWanted) => Ok(()),
            Err(ReadError::Unreadable(reason)) => Err(JobsError::Failure(JobFailure::new(UNREADABLE, reason))),
        }
    }
}
