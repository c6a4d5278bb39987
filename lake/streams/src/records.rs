//! Taking records: sealed, made durable and counted before the producer is answered.

use bytes::{BufMut, Bytes, BytesMut};
use tarn_audit::Caller;
use tarn_blobs::BlobOwner;
use tarn_keys::{DataKey, SealWriter};
use tarn_metadata::StoreExt;
use tarn_runtime::EntropyExt;

use crate::delivery_stream::{DeliveryStream, active, key_context};
use crate::errors::StreamsError;
use crate::keyspaces::{CHUNKS, Chunk, ChunkPlace, chunk_key};
use crate::{BATCH_RECORDS_MAX, BATCH_SIZE_BYTES_MAX, Buffer, INLINE_SIZE_BYTES_MAX, RECORD_SIZE_BYTES_MAX, Streams};

/// Names a record that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordId(pub String);

/// How many of the first `records` may be taken: each of them while the backlog before it is not over its limit.
fn room_for(records: &[Bytes], backlog_bytes_max: u64, mut backlog_bytes: u64) -> usize {
    let mut count = 0;
    for record in records {
        if backlog_bytes > backlog_bytes_max {
            break;
        }
        backlog_bytes = backlog_bytes.saturating_add(record.len() as u64);
        count += 1;
    }
    count
}

impl Streams {
    /// Takes records, in their order, as long as the stream's backlog has room; those behind are refused one by one. When this returns, what
    /// was taken survives a power cut and will be delivered at least once. A batch of which nothing can be taken is refused as a whole.
    pub async fn put_records(
        &self,
        caller: &Caller,
        name: &str,
        mut records: Vec<Bytes>,
    ) -> Result<Vec<Result<RecordId, StreamsError>>, StreamsError> {
        let payload_bytes: usize = records.iter().map(Bytes::len).sum();
        if records.is_empty() || records.len() > BATCH_RECORDS_MAX {
            return Err(StreamsError::Invalid { reason: format!("a batch has 1 to {BATCH_RECORDS_MAX} records") });
        }
        if records.iter().any(|record| record.len() > RECORD_SIZE_BYTES_MAX) || payload_bytes > BATCH_SIZE_BYTES_MAX {
            return Err(StreamsError::Invalid {
                reason: format!(
                    "a record has at most {RECORD_SIZE_BYTES_MAX} bytes and a batch {BATCH_SIZE_BYTES_MAX}"
                ),
            });
        }
        let stream = active(&self.store.read()?, caller.scope(), name)?;
        let backlog_bytes = self.buffers.lock().get(&stream.id).map_or(0, |buffer| buffer.bytes);
        let full = StreamsError::Backlog { name: name.to_owned(), backlog_bytes };
        let count = records.len();
        records.truncate(room_for(&records, self.options.backlog_bytes_max, backlog_bytes));
        if records.is_empty() {
            return Err(full);
        }
        let payload_bytes: usize = records.iter().map(Bytes::len).sum();
        let version: [u8; 16] = self.runtime.entropy.bytes();
        let mut seal = SealWriter::new(self.stream_key(&stream)?.part(0, version)?);
        let mut plain = BytesMut::with_capacity(payload_bytes + 4 * records.len());
        for record in &records {
            // Checked above: a record's length fits.
            plain.put_u32(u32::try_from(record.len()).unwrap_or(u32::MAX));
            plain.extend_from_slice(record);
        }
        let mut sealed = BytesMut::from(seal.push(&plain)?);
        sealed.extend_from_slice(&seal.finish()?);
        let place = if sealed.len() <= INLINE_SIZE_BYTES_MAX {
            ChunkPlace::Inline(sealed.to_vec())
        } else {
            let mut writer = self.blobs.create(BlobOwner { version, part: 0 }, Some(sealed.len() as u64)).await?;
            writer.write(sealed.freeze()).await?;
            ChunkPlace::Blob(writer.finish().await?)
        };
        let arrival_ms = self.now_ms();
        let records_count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let chunk = Chunk { arrival_ms, records: records_count, payload_bytes: payload_bytes as u64, version, place };
        let (id, scope, owned, kept) = (stream.id, caller.scope().clone(), name.to_owned(), chunk.clone());
        let sequence = caller
            .commit(&*self.store, move |tx| {
                // Deleted, or deleted and made again, since it was read: these records were sealed for another stream.
                if active(tx, &scope, &owned)?.id != id {
                    return Err(StreamsError::StreamDeleting { name: owned });
                }
                let sequence = tx.sequence().0;
                tx.put(CHUNKS, &chunk_key(id, sequence), &kept)?;
                Ok(sequence)
            })
            .await?;
        let due = {
            let mut buffers = self.buffers.lock();
            let buffer = buffers.entry(id).or_insert_with(|| Buffer::new(&stream));
            let first = buffer.oldest_ms.is_none();
            // A recount after the commit has seen this chunk already.
            if sequence > buffer.counted {
                buffer.add(&chunk);
            }
            first || buffer.bytes >= stream.destination.buffering.size_bytes
        };
        if due {
            self.wake.notify_one();
        }
        let version = u128::from_be_bytes(version);
        let taken = records.len();
        let entry = |at| match at < taken {
            true => Ok(RecordId(format!("{sequence:020}{at:03}{version:032x}"))),
            false => Err(full.clone()),
        };
        Ok((0..count).map(entry).collect())
    }

    pub(crate) fn stream_key(&self, stream: &DeliveryStream) -> Result<DataKey, StreamsError> {
        if let Some(key) = self.data_keys.lock().get(&stream.id) {
            return Ok(key.clone());
        }
        let key = self.keys.open_data_key(&stream.data_key, &key_context(stream.id))?;
        self.data_keys.lock().insert(stream.id, key.clone());
        Ok(key)
    }
}
