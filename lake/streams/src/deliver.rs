//! Delivering: a plan is committed, its object is put, its chunks are removed with the registration of their partition.
//! Every step may be repeated after a crash. Knows no format.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf, Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use jiff::Timestamp;
use tarn_audit::{Caller, EventDraft};
use tarn_catalog::CatalogError;
use tarn_keys::open_range;
use tarn_metadata::{Key, Read, Snapshot, StoreExt};
use tarn_objects::{Body, BodyError, BodyErrorKind, BucketName, ObjectKey, PutObject};
use tarn_policy::{Authorized, BoundAuthorizer, Context, Principal, PrincipalKind, Requirement, ServiceRoles};
use tarn_runtime::{EntropyExt, Worker, WorkerOutcome};
use tokio::sync::mpsc;

use crate::convert::{self, Converter, Misfit};
use crate::delivery_stream::{Conversion, DeliveryStream, DeliveryStreamStatus};
use crate::encode::{Encoder, extension};
use crate::errors::StreamsError;
use crate::keyspaces::{
    CHUNKS, Chunk, ChunkPlace, DELIVERERS, GARBAGE, Garbage, PLANS, Plan, STREAMS, chunk_key, deliverer_key,
    read_chunk_key, stream_key,
};
use crate::partition;
use crate::prefix::{Prefix, PrefixKind, time_zone};
use crate::{Buffer, Streams};

/// The service that delivers, in audit records.
const SERVICE: &str = "firehose.amazonaws.com";
/// The error-output-type of records that are not what the table's schema asks for.
const FORMAT_CONVERSION_FAILED: &str = "format-conversion-failed";
/// Codes of records for whose conversion there is no table, or none that serves.
const ENTITY_NOT_FOUND: &str = "DataFormatConversion.EntityNotFound";
const INVALID_SCHEMA: &str = "DataFormatConversion.InvalidSchema";
const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Pieces of an object between its encoder and its put; each is about `PIECE_BYTES`.
const PIECES_MAX: usize = 8;
const PIECE_BYTES: usize = 256 << 10;
/// Chunks removed and blobs dropped in one transaction.
const CHUNKS_IN_TRANSACTION_MAX: usize = 5_000;
/// Garbage removed in one round.
const GARBAGE_IN_ROUND_MAX: usize = 256;

/// A record on its way, with when it came.
struct Arrived {
    record: Bytes,
    arrival_ms: i64,
}

impl Streams {
    /// Delivers everything that is due now; how many deliveries were done. Failures are kept per stream and tried again later.
    pub async fn deliver_due(self: &Arc<Self>) -> usize {
        let now_ms = self.now_ms();
        let due: Vec<DeliveryStream> = self.due(now_ms);
        let delivered = futures::stream::iter(due.into_iter().map(|stream| {
            let streams = self.clone();
            async move { streams.deliver_one(stream).await }
        }))
        .buffer_unordered(self.options.deliveries_max.max(1));
        delivered.filter(|delivered| futures::future::ready(*delivered)).count().await
    }

    /// The streams whose buffers are full, old or to be drained; each is marked as being delivered.
    fn due(&self, now_ms: i64) -> Vec<DeliveryStream> {
        let Ok(snapshot) = self.store.read() else { return Vec::new() };
        let mut due = Vec::new();
        for buffer in self.buffers.lock().values_mut() {
            let Some(oldest_ms) = buffer.oldest_ms else { continue };
            if buffer.delivering || now_ms < buffer.not_before_ms {
                continue;
            }
            let Ok(Some(stream)) = snapshot.get(STREAMS, &stream_key(&buffer.scope, &buffer.name)) else { continue };
            if is_due(buffer, &stream, oldest_ms, now_ms) {
                buffer.delivering = true;
                due.push(stream);
            }
        }
        due
    }

    async fn deliver_one(self: &Arc<Self>, stream: DeliveryStream) -> bool {
        let outcome = self.deliver(&stream).await;
        let mut buffers = self.buffers.lock();
        let Some(buffer) = buffers.get_mut(&stream.id) else { return outcome.is_ok() };
        buffer.delivering = false;
        match outcome {
            Ok(()) => {
                buffer.retry_pause = Duration::ZERO;
                buffer.not_before_ms = 0;
                buffer.no_table_since_ms = None;
                true
            }
            Err(error) => {
                if let StreamsError::NoTable { .. } = error {
                    let now_ms = self.now_ms();
                    buffer.no_table_since_ms.get_or_insert(now_ms);
                }
                let first = buffer.retry_pause.is_zero();
                let pause = if first { RETRY_PAUSE_FIRST } else { buffer.retry_pause * 2 };
                buffer.retry_pause = pause.min(self.options.retry_pause_max);
                let pause_ms = i64::try_from(buffer.retry_pause.as_millis()).unwrap_or(i64::MAX);
                buffer.not_before_ms = self.now_ms().saturating_add(pause_ms);
                // Said once: the records stay, and the pause grows.
                if first {
                    tracing::info!(stream = %stream.name, %error, "a delivery failed and will be tried again");
                }
                false
            }
        }
    }

    async fn deliver(self: &Arc<Self>, stream: &DeliveryStream) -> Result<(), StreamsError> {
        let Some(plan) = self.plan(stream).await? else { return self.recount(stream) };
        let bucket = BucketName::new(&plan.stream.destination.bucket).map_err(refused)?;
        match self.objects.bucket_owner(&bucket).map_err(refused)? {
            Some(owner) if owner == plan.stream.scope.account => {}
            Some(_) | None => {
                let reason = format!("the bucket `{bucket}` does not exist or belongs to another account");
                return Err(StreamsError::Invalid { reason });
            }
        }
        let delivered = match &plan.stream.destination.conversion {
            None => self.deliver_raw(&plan, bucket).await?,
            Some(_) => self.deliver_converted(&plan, bucket).await?,
        };
        self.settle(plan, delivered).await
    }

    /// The plan that is under way, or a new one over the oldest chunks; `None` if there are no chunks.
    async fn plan(&self, stream: &DeliveryStream) -> Result<Option<Plan>, StreamsError> {
        let at = Key::new().raw(&stream.id);
        let snapshot = self.store.read()?;
        if let Some(plan) = snapshot.get(PLANS, &at)? {
            return Ok(Some(plan));
        }
        let mut range: Option<(u64, u64, i64)> = None;
        let mut bytes = 0;
        for pair in snapshot.prefix(CHUNKS, &at) {
            let (key, chunk) = pair?;
            let Some((_, sequence)) = read_chunk_key(&key) else { continue };
            range = Some(match range {
                None => (sequence, sequence, chunk.arrival_ms),
                Some((first, _, oldest_ms)) => (first, sequence, oldest_ms.min(chunk.arrival_ms)),
            });
            bytes += chunk.payload_bytes;
            if bytes >= stream.destination.buffering.size_bytes {
                break;
            }
        }
        let Some((first, last, oldest_ms)) = range else { return Ok(None) };
        let plan = Plan { first, last, oldest_ms, stream: stream.clone() };
        let kept = plan.clone();
        self.store.write(move |tx| tx.put(PLANS, &at, &kept)).await.map_err(tarn_store)?;
        Ok(Some(plan))
    }

    /// The object's key: the same whenever the same plan is delivered.
    fn object_key(plan: &Plan, kind: PrefixKind) -> Result<String, StreamsError> {
        let destination = &plan.stream.destination;
        let (text, error_type, which) = match kind {
            PrefixKind::Data => (&destination.prefix, "", "Prefix"),
            PrefixKind::Error => (&destination.error_output_prefix, FORMAT_CONVERSION_FAILED, "ErrorOutputPrefix"),
        };
        let wrong = |source| StreamsError::Prefix { which, source };
        let prefix = Prefix::parse(text, kind).map_err(wrong)?;
        let zone = time_zone(&destination.time_zone).map_err(wrong)?;
        let at = Timestamp::from_millisecond(plan.oldest_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let name = u128::from_be_bytes(plan.stream.id) ^ (u128::from(plan.first) << 32) ^ u128::from(plan.first);
        let hex = format!("{name:032x}");
        let random = hex.get(..11).unwrap_or(&hex);
        let folder = prefix.expand(at, &zone, random, error_type);
        let time = at.to_zoned(zone).strftime("%Y-%m-%d-%H-%M-%S").to_string();
        let part = |from, to| hex.get(from..to).unwrap_or_default();
        let uuid = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
        let DeliveryStream { name: stream, version, .. } = &plan.stream;
        let extension = if kind == PrefixKind::Data { extension(destination) } else { "" };
        Ok(format!("{folder}{stream}-{version}-{time}-{uuid}{extension}"))
    }

    async fn deliver_raw(self: &Arc<Self>, plan: &Plan, bucket: BucketName) -> Result<Option<String>, StreamsError> {
        let key = Self::object_key(plan, PrefixKind::Data)?;
        let (pieces, body) = mpsc::channel(PIECES_MAX);
        let (streams, planned) = (self.clone(), plan.clone());
        let encoding = tokio::spawn(async move {
            let encoded = streams.encode(&planned, &pieces).await;
            if encoded.is_err() {
                // Else the put would take the end of the pieces for the end of the object.
                let _ = pieces.send(Err(cut_short())).await;
            }
            encoded
        });
        let put = self.put(&plan.stream, bucket, &key, body_of_channel(body)).await;
        encoding.await.map_err(failed)??;
        put?;
        Ok(Some(key))
    }

    /// Gives the plan's records to a put; ends early if the put has gone.
    async fn encode(&self, plan: &Plan, pieces: &mpsc::Sender<Result<Bytes, BodyError>>) -> Result<(), StreamsError> {
        let mut encoder = Encoder::new(plan.stream.destination.compression).map_err(failed)?;
        let delimiter = plan.stream.destination.delimiter.clone().unwrap_or_default();
        let snapshot = self.store.read()?;
        let mut at = plan.first;
        while let Some((next, arrived)) = self.next_records(&snapshot, plan, at).await? {
            for Arrived { record, .. } in arrived {
                encoder.push(&record).map_err(failed)?;
                encoder.push(&delimiter).map_err(failed)?;
            }
            let piece = encoder.take();
            if !piece.is_empty() && pieces.send(Ok(piece)).await.is_err() {
                return Ok(());
            }
            at = next;
        }
        // The put may have failed and gone.
        let _ = pieces.send(Ok(encoder.finish().map_err(failed)?)).await;
        Ok(())
    }

    async fn deliver_converted(
        self: &Arc<Self>,
        plan: &Plan,
        bucket: BucketName,
    ) -> Result<Option<String>, StreamsError> {
        let Some(conversion) = plan.stream.destination.conversion.clone() else { return Ok(None) };
        let schema = match self.schema(&plan.stream, &conversion) {
            Ok(schema) => schema,
            Err(StreamsError::NoTable { code, reason }) if self.looked_long_enough(plan) => {
                return self.deliver_unconverted(plan, bucket, &conversion, code, reason).await;
            }
            Err(error) => return Err(error),
        };
        let (records, mut arriving) = mpsc::channel::<Option<Vec<Arrived>>>(2);
        let (pieces, body) = mpsc::channel(PIECES_MAX);
        let (error_pieces, error_body) = mpsc::channel(PIECES_MAX);
        let (streams, planned) = (self.clone(), plan.clone());
        let reading = tokio::spawn(async move {
            let read = streams.read_all(&planned, &records).await;
            // Without this mark, the converter would take the end of the records for the end of the file.
            if read.is_ok() {
                let _ = records.send(None).await;
            }
            read
        });
        let ended_ms = self.now_ms();
        let schema_of = SchemaOf::new(plan, &conversion);
        let converting = tokio::task::spawn_blocking(move || -> Result<(), StreamsError> {
            let reason = |reason: String| StreamsError::Internal { doing: "converting records", reason };
            let mut converter = Converter::new(schema, &conversion, ChannelWriter::new(pieces)).map_err(reason)?;
            let mut errors = ChannelWriter::new(error_pieces);
            loop {
                let arrived = match arriving.blocking_recv() {
                    Some(Some(arrived)) => arrived,
                    Some(None) => break,
                    None => return Err(reason("the records could not be read to their end".to_owned())),
                };
                for Arrived { record, arrival_ms } in arrived {
                    converter.push(&record, arrival_ms).map_err(reason)?;
                }
                for misfit in converter.take_misfits() {
                    write_misfit(&mut errors, &misfit, &schema_of, ended_ms).map_err(failed)?;
                }
            }
            let (rows, misfits, file) = converter.finish().map_err(reason)?;
            for misfit in misfits {
                write_misfit(&mut errors, &misfit, &schema_of, ended_ms).map_err(failed)?;
            }
            // A file without rows is no delivery.
            if rows > 0 {
                file.end();
            }
            errors.end();
            Ok(())
        });
        let key = Self::object_key(plan, PrefixKind::Data)?;
        let error_key = Self::object_key(plan, PrefixKind::Error)?;
        let data = self.put_unless_empty(&plan.stream, bucket.clone(), &key, body);
        let errors = self.put_unless_empty(&plan.stream, bucket, &error_key, error_body);
        let (data, errors) = futures::join!(data, errors);
        reading.await.map_err(failed)??;
        converting.await.map_err(failed)??;
        errors?;
        Ok(data?.then_some(key))
    }

    /// What the table says Parquet is made of.
    fn schema(&self, stream: &DeliveryStream, conversion: &Conversion) -> Result<SchemaRef, StreamsError> {
        let proof = Authorized::internal(SERVICE, stream.scope.account.clone());
        let version = conversion.version_id.as_deref().filter(|version| *version != "LATEST");
        let no_table = |code, reason| StreamsError::NoTable { code, reason };
        let table = self.catalog.table_version(&proof, &conversion.database, &conversion.table, version);
        let table = table.map_err(|error| match error {
            CatalogError::DatabaseNotFound { .. }
            | CatalogError::TableNotFound { .. }
            | CatalogError::TableVersionNotFound { .. } => no_table(ENTITY_NOT_FOUND, error.to_string()),
            error => error.into(),
        })?;
        convert::schema(table.columns()).map_err(|reason| no_table(INVALID_SCHEMA, reason))
    }

    /// Whether the table of the plan's stream has been looked for as long as it should be.
    fn looked_long_enough(&self, plan: &Plan) -> bool {
        let buffers = self.buffers.lock();
        let since_ms = buffers.get(&plan.stream.id).and_then(|buffer| buffer.no_table_since_ms);
        let max_ms = i64::try_from(self.options.table_retry_max.as_millis()).unwrap_or(i64::MAX);
        since_ms.is_some_and(|since_ms| self.now_ms().saturating_sub(since_ms) >= max_ms)
    }

    /// Puts the plan's records to the error prefix, as they came: there is nothing to convert them by.
    async fn deliver_unconverted(
        self: &Arc<Self>,
        plan: &Plan,
        bucket: BucketName,
        conversion: &Conversion,
        code: &'static str,
        reason: String,
    ) -> Result<Option<String>, StreamsError> {
        let key = Self::object_key(plan, PrefixKind::Error)?;
        let (schema_of, ended_ms) = (SchemaOf::new(plan, conversion), self.now_ms());
        let (pieces, body) = mpsc::channel(PIECES_MAX);
        let (streams, planned) = (self.clone(), plan.clone());
        let writing = tokio::spawn(async move {
            let written = async {
                let snapshot = streams.store.read()?;
                let mut at = planned.first;
                while let Some((next, arrived)) = streams.next_records(&snapshot, &planned, at).await? {
                    let mut piece = Vec::new();
                    for Arrived { record, arrival_ms } in arrived {
                        let misfit = Misfit { record, arrival_ms, code, reason: reason.clone() };
                        write_misfit(&mut piece, &misfit, &schema_of, ended_ms).map_err(failed)?;
                    }
                    if pieces.send(Ok(piece.into())).await.is_err() {
                        break;
                    }
                    at = next;
                }
                Ok::<_, StreamsError>(())
            };
            let written = written.await;
            if written.is_err() {
                // Else the put would take the end of the pieces for the end of the object.
                let _ = pieces.send(Err(cut_short())).await;
            }
            written
        });
        let put = self.put_unless_empty(&plan.stream, bucket, &key, body).await;
        writing.await.map_err(failed)??;
        put?;
        let stream = &plan.stream.name;
        tracing::info!(%stream, %key, code, "records could not be converted and went to the error prefix");
        Ok(None)
    }

    /// Gives the plan's records to a converter; ends early if it has gone.
    async fn read_all(&self, plan: &Plan, records: &mpsc::Sender<Option<Vec<Arrived>>>) -> Result<(), StreamsError> {
        let snapshot = self.store.read()?;
        let mut at = plan.first;
        while let Some((next, arrived)) = self.next_records(&snapshot, plan, at).await? {
            if records.send(Some(arrived)).await.is_err() {
                break;
            }
            at = next;
        }
        Ok(())
    }

    async fn put_unless_empty(
        &self,
        stream: &DeliveryStream,
        bucket: BucketName,
        key: &str,
        mut pieces: mpsc::Receiver<Result<Bytes, BodyError>>,
    ) -> Result<bool, StreamsError> {
        let Some(first) = pieces.recv().await else { return Ok(false) };
        let body = futures::stream::iter([first]).chain(body_of_channel(pieces)).boxed();
        self.put(stream, bucket, key, body).await?;
        Ok(true)
    }

    /// Puts an object as whoever the stream delivers as, if they may.
    async fn put(
        &self,
        stream: &DeliveryStream,
        bucket: BucketName,
        key: &str,
        body: Body<'_>,
    ) -> Result<(), StreamsError> {
        let key = ObjectKey::new(key).map_err(refused)?;
        let caller = self.caller(stream, &bucket, &key)?;
        self.objects.put_object(&caller, PutObject::new(bucket, key), body).await.map_err(refused)?;
        Ok(())
    }

    /// The records of the next chunk of the plan at or after `at`, and where to go on.
    async fn next_records(
        &self,
        snapshot: &Snapshot,
        plan: &Plan,
        at: u64,
    ) -> Result<Option<(u64, Vec<Arrived>)>, StreamsError> {
        let (from, to) = (chunk_key(plan.stream.id, at), chunk_key(plan.stream.id, plan.last));
        let range = (std::ops::Bound::Included(&from), std::ops::Bound::Included(&to));
        let Some(pair) = snapshot.range(CHUNKS, range.0, range.1).next() else { return Ok(None) };
        let (key, chunk) = pair?;
        let next = read_chunk_key(&key).map_or(u64::MAX, |(_, sequence)| sequence.saturating_add(1));
        Ok(Some((next, self.open_chunk(&plan.stream, &chunk).await?)))
    }

    async fn open_chunk(&self, stream: &DeliveryStream, chunk: &Chunk) -> Result<Vec<Arrived>, StreamsError> {
        let sealed: Bytes = match &chunk.place {
            ChunkPlace::Inline(sealed) => Bytes::from(sealed.clone()),
            ChunkPlace::Blob(blob) => {
                let pieces: Vec<Bytes> = self.blobs.read(blob, 0..blob.len).try_collect().await?;
                pieces.concat().into()
            }
        };
        let plain_bytes = chunk.payload_bytes + 4 * u64::from(chunk.records);
        let key = self.stream_key(stream)?.part(0, chunk.version)?;
        let (range, mut opener) = open_range(key, sealed.len() as u64, 0..plain_bytes)?;
        let sealed = sealed.get(range.start as usize..range.end as usize).unwrap_or_default();
        let mut plain = opener.push(sealed)?;
        opener.finish()?;
        let mut arrived = Vec::with_capacity(chunk.records as usize);
        while plain.len() >= 4 {
            let len = plain.get_u32() as usize;
            if len > plain.len() {
                let reason = "a record is longer than its chunk".to_owned();
                return Err(StreamsError::Internal { doing: "opening records", reason });
            }
            arrived.push(Arrived { record: plain.split_to(len), arrival_ms: chunk.arrival_ms });
        }
        Ok(arrived)
    }

    /// Removes what was delivered and registers its partition: all in one transaction, the last of several if there is much to remove.
    async fn settle(&self, plan: Plan, delivered: Option<String>) -> Result<(), StreamsError> {
        let account = plan.stream.scope.account.clone();
        let partition = match delivered {
            None => None,
            Some(key) => {
                let proof = Authorized::internal(SERVICE, account.clone());
                partition::of_object(&self.catalog, &proof, &plan.stream.destination, &key)?
            }
        };
        let catalog = self.catalog.clone();
        let plan = Arc::new(plan);
        let mut partition = partition;
        loop {
            let (plan_tx, catalog, partition_tx, account) =
                (plan.clone(), catalog.clone(), partition.take(), account.clone());
            let more = self
                .store
                .write(move |tx| {
                    let plan = &*plan_tx;
                    if let Some(partition) = partition_tx {
                        let partition::Delivered { database, table, input } = partition;
                        catalog.add_partition_if_absent_in(tx, &account, &database, &table, input)?;
                    }
                    let (from, to) = (chunk_key(plan.stream.id, plan.first), chunk_key(plan.stream.id, plan.last));
                    let range = (std::ops::Bound::Included(&from), std::ops::Bound::Included(&to));
                    let chunks: Vec<(Key, Chunk)> =
                        tx.range(CHUNKS, range.0, range.1).take(CHUNKS_IN_TRANSACTION_MAX).collect::<Result<_, _>>()?;
                    for (key, chunk) in &chunks {
                        tx.delete(CHUNKS, key)?;
                        if let Some(blob) = chunk.blob() {
                            GARBAGE.push(tx, &Garbage { blob: blob.clone() })?;
                        }
                    }
                    let more = chunks.len() == CHUNKS_IN_TRANSACTION_MAX;
                    if !more {
                        tx.delete(PLANS, &Key::new().raw(&plan.stream.id))?;
                        Self::forget_if_drained(tx, &plan.stream)?;
                    }
                    Ok::<_, StreamsError>(more)
                })
                .await?;
            if !more {
                break;
            }
        }
        self.recount(&plan.stream)?;
        Ok(())
    }

    /// Counts a stream's buffer anew after a delivery.
    fn recount(&self, stream: &DeliveryStream) -> Result<(), StreamsError> {
        let mut buffers = self.buffers.lock();
        let snapshot = self.store.read()?;
        let Some(buffer) = buffers.get_mut(&stream.id) else { return Ok(()) };
        (buffer.bytes, buffer.records, buffer.oldest_ms) = (0, 0, None);
        buffer.counted = snapshot.sequence().0;
        for pair in snapshot.prefix(CHUNKS, &Key::new().raw(&stream.id)) {
            buffer.add(&pair?.1);
        }
        if snapshot.get(STREAMS, &stream_key(&stream.scope, &stream.name))?.is_none_or(|now| now.id != stream.id) {
            buffers.remove(&stream.id);
        }
        Ok(())
    }

    /// Gives back the room of delivered chunks; whether there may be more.
    pub async fn collect_garbage(&self) -> Result<bool, StreamsError> {
        let entries = GARBAGE.pending(&self.store.read()?, GARBAGE_IN_ROUND_MAX)?;
        let more = entries.len() == GARBAGE_IN_ROUND_MAX;
        let mut done = Vec::with_capacity(entries.len());
        for entry in entries {
            self.blobs.delete(&entry.effect.blob).await?;
            done.push(entry.id);
        }
        if !done.is_empty() {
            let forget = move |tx: &mut tarn_metadata::Tx<'_>| done.into_iter().try_for_each(|id| GARBAGE.done(tx, id));
            self.store.write(forget).await.map_err(tarn_store)?;
        }
        Ok(more)
    }

    /// Whoever made the stream or changed its destination last, if the policies of today let them put this object.
    fn caller(&self, stream: &DeliveryStream, bucket: &BucketName, key: &ObjectKey) -> Result<Caller, StreamsError> {
        let deliverer = self.store.read()?.get(DELIVERERS, &deliverer_key(stream.id))?;
        // Streams of older servers have none.
        let root = || Principal::root(stream.scope.account.clone());
        let principal = deliverer.map_or_else(root, |deliverer| deliverer.principal);
        let context = of_delivery(stream, &principal, self.runtime.now());
        let needs = vec![Requirement::new("s3:PutObject", key.arn(bucket))];
        let authorized = self.authorizer.authorize(&principal, needs, &context).map_err(StreamsError::Denied)?;
        let authorizer = BoundAuthorizer::new(self.authorizer.clone(), principal.clone(), context);
        let id: [u8; 16] = self.runtime.entropy.bytes();
        let event = EventDraft {
            id,
            request_id: self.runtime.entropy.uuid().to_string(),
            time_ms: self.now_ms(),
            event_source: "s3.amazonaws.com".to_owned(),
            event_name: "PutObject".to_owned(),
            read_only: false,
            management: false,
            scope: stream.scope.clone(),
            principal,
            source_ip: SERVICE.to_owned(),
            user_agent: SERVICE.to_owned(),
            request_parameters:
                serde_json::json!({ "bucketName": bucket.as_str(), "key": key.as_str(), "deliveryStream": stream.name })
                    .to_string(),
            resources: vec![stream.arn().to_string(), key.arn(bucket).to_string()],
        };
        Ok(Caller::new(authorized, authorizer, event))
    }

    /// Milliseconds until the next buffer is due, if any waits.
    fn next_due_ms(&self) -> Option<i64> {
        let now_ms = self.now_ms();
        let snapshot = self.store.read().ok()?;
        let buffers = self.buffers.lock();
        let waits = buffers.values().filter(|buffer| !buffer.delivering).filter_map(|buffer| {
            let oldest_ms = buffer.oldest_ms?;
            let stream = snapshot.get(STREAMS, &stream_key(&buffer.scope, &buffer.name)).ok()??;
            if is_due(buffer, &stream, oldest_ms, now_ms) {
                return Some(buffer.not_before_ms - now_ms);
            }
            Some(oldest_ms.saturating_add(interval_ms(&stream)).max(buffer.not_before_ms) - now_ms)
        });
        waits.min()
    }
}

fn interval_ms(stream: &DeliveryStream) -> i64 {
    i64::from(stream.destination.buffering.interval_seconds) * 1_000
}

fn is_due(buffer: &Buffer, stream: &DeliveryStream, oldest_ms: i64, now_ms: i64) -> bool {
    buffer.bytes >= stream.destination.buffering.size_bytes
        || now_ms.saturating_sub(oldest_ms) >= interval_ms(stream)
        || stream.status == DeliveryStreamStatus::Deleting
}

/// The condition keys of a delivery.
fn of_delivery(stream: &DeliveryStream, principal: &Principal, now: Timestamp) -> Context {
    let mut context = ServiceRoles::context(now, &stream.scope.region)
        .with("aws:PrincipalAccount", principal.account.as_str())
        .with("aws:PrincipalIsAWSService", "false")
        .with("aws:ViaAWSService", "true")
        .with("aws:SourceArn", stream.arn().to_string())
        .with("aws:SourceAccount", stream.scope.account.as_str());
    context.set_all("aws:CalledVia", [SERVICE.to_owned()]);
    if let Some(arn) = principal.arn() {
        context.set("aws:PrincipalArn", arn.to_string());
    }
    if let PrincipalKind::User { name, .. } = &principal.kind {
        context.set("aws:username", name.clone());
    }
    context.set("aws:userid", principal.id.clone());
    context
}

fn failed(error: impl std::fmt::Display) -> StreamsError {
    StreamsError::Internal { doing: "delivering", reason: error.to_string() }
}

fn refused(error: tarn_objects::ObjectsError) -> StreamsError {
    StreamsError::Internal { doing: "putting the object", reason: error.to_string() }
}

fn tarn_store(error: tarn_metadata::WriteError<tarn_metadata::StoreError>) -> StreamsError {
    match error {
        tarn_metadata::WriteError::Refused(error) | tarn_metadata::WriteError::Store(error) => error.into(),
    }
}

/// What a put is told when there is no end to come: it then keeps nothing.
fn cut_short() -> BodyError {
    BodyError { kind: BodyErrorKind::Internal, reason: "the delivery failed before its end".to_owned() }
}

fn body_of_channel(pieces: mpsc::Receiver<Result<Bytes, BodyError>>) -> Body<'static> {
    futures::stream::unfold(pieces, |mut pieces| async move { pieces.recv().await.map(|piece| (piece, pieces)) })
        .boxed()
}

/// Gives what is written to it to a put, piece by piece. Dropped without `end`, the put fails and nothing is kept.
struct ChannelWriter {
    buffer: BytesMut,
    pieces: mpsc::Sender<Result<Bytes, BodyError>>,
    begun: bool,
    ended: bool,
}

impl ChannelWriter {
    fn new(pieces: mpsc::Sender<Result<Bytes, BodyError>>) -> Self {
        Self { buffer: BytesMut::new(), pieces, begun: false, ended: false }
    }

    fn send(&mut self) -> std::io::Result<()> {
        self.begun = true;
        let piece = self.buffer.split().freeze();
        self.pieces.blocking_send(Ok(piece)).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn end(mut self) {
        if !self.buffer.is_empty() {
            // The put may have failed and gone; it tells why.
            let _ = self.send();
        }
        self.ended = true;
    }
}

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for ChannelWriter {
    fn drop(&mut self) {
        if self.begun && !self.ended {
            let _ = self.pieces.blocking_send(Err(cut_short()));
        }
    }
}

/// The table an error document names.
struct SchemaOf {
    catalog_id: String,
    region: String,
    database: String,
    table: String,
    version_id: String,
}

impl SchemaOf {
    fn new(plan: &Plan, conversion: &Conversion) -> Self {
        Self {
            catalog_id: plan.stream.scope.account.to_string(),
            region: plan.stream.scope.region.to_string(),
            database: conversion.database.clone(),
            table: conversion.table.clone(),
            version_id: conversion.version_id.clone().unwrap_or_else(|| "LATEST".to_owned()),
        }
    }
}

/// One line in Firehose's own form.
/// <https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html>
fn write_misfit(into: &mut impl Write, misfit: &Misfit, schema: &SchemaOf, ended_ms: i64) -> std::io::Result<()> {
    let document = serde_json::json!({
        "attemptsMade": 1,
        "arrivalTimestamp": misfit.arrival_ms,
        "lastErrorCode": misfit.code,
        "lastErrorMessage": misfit.reason,
        "attemptEndingTimestamp": ended_ms,
        "rawData": BASE64.encode(&misfit.record),
        "sequenceNumber": null,
        "subSequenceNumber": null,
        "dataCatalogTable": {
            "catalogId": schema.catalog_id,
            "databaseName": schema.database,
            "tableName": schema.table,
            "region": schema.region,
            "versionId": schema.version_id,
            "catalogArn": null,
        },
    });
    writeln!(into, "{document}")
}

/// Delivers in the background.
pub struct DeliveryWorker {
    streams: Arc<Streams>,
}

impl DeliveryWorker {
    /// For `streams`.
    pub fn new(streams: Arc<Streams>) -> Self {
        Self { streams }
    }
}

impl Worker for DeliveryWorker {
    fn name(&self) -> String {
        "firehose-delivery".to_owned()
    }

    fn work(&self) -> BoxFuture<'_, WorkerOutcome> {
        async move {
            let delivered = self.streams.deliver_due().await;
            match self.streams.collect_garbage().await {
                Ok(false) if delivered == 0 => WorkerOutcome::Idle,
                Ok(_) => WorkerOutcome::Busy,
                Err(error) => WorkerOutcome::Failed { reason: error.to_string() },
            }
        }
        .boxed()
    }

    fn wait(&self) -> BoxFuture<'_, ()> {
        async move {
            let woken = self.streams.wake.notified();
            match self.streams.next_due_ms() {
                None => woken.await,
                Some(wait_ms) => {
                    let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
                    tokio::select! { () = woken => {}, () = tokio::time::sleep(wait) => {} }
                }
            }
        }
        .boxed()
    }
}
