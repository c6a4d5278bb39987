//! Reading every byte of records that wait for delivery, to see whether it is as it was written. Needs no key and no server.

use std::collections::HashMap;

use futures::TryStreamExt;
use tarn_blobs::{BlobError, BlobStore};
use tarn_metadata::{Key, Read};

use crate::errors::StreamsError;
use crate::keyspaces::{CHUNKS, STREAMS, StreamId, read_chunk_key};

/// Records that were taken together and are not as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedChunk {
    /// Their stream's name; empty if the stream is gone.
    pub stream: String,
    /// The transaction that took them.
    pub sequence: u64,
    /// How many records.
    pub records: u32,
    /// What was found, and in which file.
    pub reason: String,
}

/// Reads the bytes of every chunk that `read` names; how many chunks have bytes of their own, and which of them are damaged.
pub async fn verify_chunks(read: &impl Read, blobs: &dyn BlobStore) -> Result<(u64, Vec<DamagedChunk>), StreamsError> {
    let mut names: HashMap<StreamId, String> = HashMap::new();
    for pair in read.prefix(STREAMS, &Key::new()) {
        let (_, stream) = pair?;
        names.insert(stream.id, stream.name);
    }
    let (mut count, mut damaged) = (0, Vec::new());
    for pair in read.prefix(CHUNKS, &Key::new()) {
        let (key, chunk) = pair?;
        let (Some((id, sequence)), Some(blob)) = (read_chunk_key(&key), chunk.blob()) else { continue };
        count += 1;
        match blobs.read(blob, 0..blob.len).try_for_each(|_| futures::future::ready(Ok(()))).await {
            Ok(()) => {}
            Err(error @ (BlobError::Corrupt { .. } | BlobError::Missing { .. } | BlobError::Io { .. })) => {
                let stream = names.get(&id).cloned().unwrap_or_default();
                damaged.push(DamagedChunk { stream, sequence, records: chunk.records, reason: error.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok((count, damaged))
}
