//! Delivery streams as resources: made, described, changed, deleted. Knows nothing of their records.

use serde::{Deserialize, Serialize};
use tarn_audit::Caller;
use tarn_keys::{KeyContext, SealedDataKey};
use tarn_metadata::{Read, StoreExt, Tx};
use tarn_policy::Authorized;
use tarn_runtime::EntropyExt;
use tarn_types::{Arn, Scope};

use crate::errors::StreamsError;
use crate::keyspaces::{
    CHUNKS, DELIVERERS, Deliverer, GARBAGE, Garbage, PLANS, STREAMS, StreamId, deliverer_key, stream_key, streams_of,
};
use crate::prefix::{Prefix, PrefixKind, time_zone};
use crate::{Buffer, STREAMS_MAX, Streams};
use tarn_metadata::Key;

/// How long deleting may take in one transaction: chunks removed at a time.
const DELETE_CHUNKS_MAX: usize = 1_000;

/// What a stream is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryStreamStatus {
    /// Takes records.
    Active,
    /// Takes no more; what it holds is being delivered.
    Deleting,
}

/// When a buffer is delivered: whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferingHints {
    /// Bytes of records.
    pub size_bytes: u64,
    /// Age of the oldest record.
    pub interval_seconds: u32,
}

/// How delivered objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not.
    Uncompressed,
    /// gzip, `.gz`.
    Gzip,
    /// zstd, `.zst`: Tarn's own.
    Zstd,
}

/// How Parquet pages are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParquetCompression {
    /// Not.
    Uncompressed,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
}

/// How records are read as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JsonInput {
    /// The OpenX deserializer.
    OpenX {
        /// Keys are lower-cased.
        case_insensitive: bool,
        /// Dots in keys become underscores.
        dots_to_underscores: bool,
        /// Column to JSON key.
        mappings: Vec<(String, String)>,
    },
    /// Hive's deserializer.
    Hive {
        /// Further patterns of timestamps; `millis` is the number of milliseconds.
        timestamp_formats: Vec<String>,
    },
}

/// From JSON records to Parquet by a table's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The table's database.
    pub database: String,
    /// The table.
    pub table: String,
    /// A version of the table; `None` is the latest.
    pub version_id: Option<String>,
    /// Role recorded for reading the schema.
    pub role_arn: String,
    /// How records are read.
    pub input: JsonInput,
    /// Compression of pages.
    pub compression: ParquetCompression,
    /// Whether columns of few values are written through a dictionary.
    pub dictionary: bool,
    /// Row group size, bytes.
    pub block_size_bytes: u64,
    /// Page size, bytes.
    pub page_size_bytes: u64,
}

/// Where and how a stream delivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Destination {
    /// The bucket.
    pub bucket: String,
    /// Recorded. The stream delivers as whoever made it or changed its destination last; the role's policies take effect with roles.
    pub role_arn: String,
    /// As given.
    pub prefix: String,
    /// As given.
    pub error_output_prefix: String,
    /// When to deliver.
    pub buffering: BufferingHints,
    /// Of the object.
    pub compression: Compression,
    /// Put behind every record.
    pub delimiter: Option<Vec<u8>>,
    /// To Parquet.
    pub conversion: Option<Conversion>,
    /// Instead of what the format implies.
    pub file_extension: Option<String>,
    /// IANA name; empty is UTC.
    pub time_zone: String,
    /// Whether it was configured by ExtendedS3DestinationConfiguration.
    pub extended: bool,
}

/// A delivery stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStream {
    /// Names it for its whole life.
    pub id: StreamId,
    /// Its account and region.
    pub scope: Scope,
    /// Its name in them.
    pub name: String,
    /// What it is doing.
    pub status: DeliveryStreamStatus,
    /// Grows with every change of the destination; begins at 1.
    pub version: u64,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Milliseconds since 1970.
    pub updated_ms: Option<i64>,
    /// Where it delivers.
    pub destination: S3Destination,
    /// Tags in order.
    pub tags: Vec<(String, String)>,
    /// Its records are sealed with this.
    pub data_key: SealedDataKey,
}

impl DeliveryStream {
    /// `arn:aws:firehose:REGION:ACCOUNT:deliverystream/NAME`.
    pub fn arn(&self) -> Arn {
        Self::arn_of(&self.scope, &self.name)
    }

    /// As `arn`, before there is a stream.
    pub fn arn_of(scope: &Scope, name: &str) -> Arn {
        Arn::regional("firehose", &scope.region, &scope.account, format!("deliverystream/{name}"))
    }
}

/// What a stream is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDeliveryStream {
    /// 1 to 64 of `a-zA-Z0-9_.-`.
    pub name: String,
    /// Where it delivers.
    pub destination: S3Destination,
    /// Tags.
    pub tags: Vec<(String, String)>,
}

/// A change of a stream's destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateDestination {
    /// The stream.
    pub name: String,
    /// The version the caller has seen.
    pub version: String,
    /// The whole new destination.
    pub destination: S3Destination,
}

impl Streams {
    /// Makes a stream; it takes records at once.
    pub async fn create_delivery_stream(
        &self,
        caller: &Caller,
        request: CreateDeliveryStream,
    ) -> Result<DeliveryStream, StreamsError> {
        let CreateDeliveryStream { name, destination, tags } = request;
        let legal = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
            return Err(StreamsError::Invalid {
                reason: "a delivery stream's name is 1 to 64 of a-z, A-Z, 0-9, `_`, `.` and `-`".to_owned(),
            });
        }
        self.check_destination(caller, &destination)?;
        let id: StreamId = self.runtime.entropy.bytes();
        let (_, data_key) = self.keys.data_key(&key_context(id))?;
        let stream = DeliveryStream {
            id,
            scope: caller.scope().clone(),
            name,
            status: DeliveryStreamStatus::Active,
            version: 1,
            created_ms: caller.time_ms(),
            updated_ms: None,
            destination,
            tags,
            data_key,
        };
        let (made, deliverer) = (stream.clone(), Deliverer { principal: caller.principal().clone() });
        caller
            .commit(&*self.store, move |tx| {
                let key = stream_key(&stream.scope, &stream.name);
                if tx.contains(STREAMS, &key)? {
                    let account = stream.scope.account.to_string();
                    return Err(StreamsError::StreamExists { name: stream.name, account });
                }
                if tx.prefix(STREAMS, &streams_of(&stream.scope)).take(STREAMS_MAX).count() == STREAMS_MAX {
                    return Err(StreamsError::TooManyStreams { streams_max: STREAMS_MAX });
                }
                tx.put(DELIVERERS, &deliverer_key(stream.id), &deliverer)?;
                tx.put(STREAMS, &key, &stream)?;
                Ok(())
            })
            .await?;
        self.buffers.lock().insert(made.id, Buffer::new(&made));
        Ok(made)
    }

    /// The stream of that name.
    pub fn delivery_stream(
        &self,
        proof: &Authorized,
        scope: &Scope,
        name: &str,
    ) -> Result<DeliveryStream, StreamsError> {
        let _ = proof;
        let found = self.store.read()?.get(STREAMS, &stream_key(scope, name))?;
        found.ok_or_else(|| not_found(scope, name))
    }

    /// Up to `limit` names after `after`, and whether there are more.
    pub fn delivery_streams(
        &self,
        proof: &Authorized,
        scope: &Scope,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<String>, bool), StreamsError> {
        let _ = proof;
        let snapshot = self.store.read()?;
        let mut names = Vec::new();
        for pair in snapshot.prefix(STREAMS, &streams_of(scope)) {
            let (_, stream) = pair?;
            if after.is_none_or(|after| stream.name.as_str() > after) {
                names.push(stream.name);
            }
            if names.len() > limit {
                break;
            }
        }
        let more = names.len() > limit;
        names.truncate(limit);
        Ok((names, more))
    }

    /// Replaces the destination if `request.version` is the current one.
    pub async fn update_destination(&self, caller: &Caller, request: UpdateDestination) -> Result<(), StreamsError> {
        self.check_destination(caller, &request.destination)?;
        let (scope, now_ms) = (caller.scope().clone(), caller.time_ms());
        let deliverer = Deliverer { principal: caller.principal().clone() };
        caller
            .commit(&*self.store, move |tx| {
                let mut stream = active(tx, &scope, &request.name)?;
                if stream.version.to_string() != request.version {
                    return Err(StreamsError::VersionMismatch { given: request.version, current: stream.version });
                }
                stream.destination = request.destination;
                stream.version += 1;
                stream.updated_ms = Some(now_ms);
                tx.put(DELIVERERS, &deliverer_key(stream.id), &deliverer)?;
                tx.put(STREAMS, &stream_key(&scope, &request.name), &stream)?;
                Ok(())
            })
            .await?;
        self.wake.notify_one();
        Ok(())
    }

    /// Sets the tags in `add` and removes those named in `remove`.
    pub async fn tag_delivery_stream(
        &self,
        caller: &Caller,
        name: &str,
        add: Vec<(String, String)>,
        remove: Vec<String>,
    ) -> Result<(), StreamsError> {
        const TAGS_MAX: usize = 50;
        let (scope, name) = (caller.scope().clone(), name.to_owned());
        caller
            .commit(&*self.store, move |tx| {
                let mut stream = active(tx, &scope, &name)?;
                stream.tags.retain(|(key, _)| !remove.contains(key) && !add.iter().any(|(added, _)| added == key));
                stream.tags.extend(add);
                if stream.tags.len() > TAGS_MAX {
                    return Err(StreamsError::Invalid { reason: format!("a stream has at most {TAGS_MAX} tags") });
                }
                tx.put(STREAMS, &stream_key(&scope, &name), &stream)?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// Stops taking records; what the stream holds is delivered, then it is gone. With `force`, gone at once, with all it holds.
    pub async fn delete_delivery_stream(&self, caller: &Caller, name: &str, force: bool) -> Result<(), StreamsError> {
        let (scope, owned) = (caller.scope().clone(), name.to_owned());
        let stream = caller
            .commit(&*self.store, move |tx| {
                let mut stream = active(tx, &scope, &owned)?;
                stream.status = DeliveryStreamStatus::Deleting;
                let key = stream_key(&scope, &owned);
                let holds = tx.prefix(CHUNKS, &Key::new().raw(&stream.id)).next().transpose()?.is_some();
                if force || !holds {
                    tx.delete(STREAMS, &key)?;
                    tx.delete(DELIVERERS, &deliverer_key(stream.id))?;
                } else {
                    tx.put(STREAMS, &key, &stream)?;
                }
                Ok::<_, StreamsError>(stream)
            })
            .await?;
        if force {
            self.drop_chunks(stream.id).await?;
        } else {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Removes a stream's record once nothing of it is left. Part of a delivery's last transaction.
    pub(crate) fn forget_if_drained(tx: &mut Tx<'_>, stream: &DeliveryStream) -> Result<(), StreamsError> {
        let key = stream_key(&stream.scope, &stream.name);
        let Some(now) = tx.get(STREAMS, &key)? else { return Ok(()) };
        let drained = tx.prefix(CHUNKS, &Key::new().raw(&stream.id)).next().transpose()?.is_none();
        if drained && now.id == stream.id && now.status == DeliveryStreamStatus::Deleting {
            tx.delete(STREAMS, &key)?;
            tx.delete(DELIVERERS, &deliverer_key(stream.id))?;
        }
        Ok(())
    }

    pub(crate) async fn drop_chunks(&self, id: StreamId) -> Result<(), StreamsError> {
        loop {
            let left = self
                .store
                .write(move |tx| {
                    let chunks: Vec<_> =
                        tx.prefix(CHUNKS, &Key::new().raw(&id)).take(DELETE_CHUNKS_MAX).collect::<Result<_, _>>()?;
                    for (key, chunk) in &chunks {
                        tx.delete(CHUNKS, key)?;
                        if let Some(blob) = chunk.blob() {
                            GARBAGE.push(tx, &Garbage { blob: blob.clone() })?;
                        }
                    }
                    tx.delete(PLANS, &Key::new().raw(&id))?;
                    Ok::<_, StreamsError>(chunks.len())
                })
                .await?;
            if left < DELETE_CHUNKS_MAX {
                break;
            }
        }
        self.buffers.lock().remove(&id);
        self.data_keys.lock().remove(&id);
        Ok(())
    }

    /// Refuses a destination that could never be delivered to.
    fn check_destination(&self, caller: &Caller, destination: &S3Destination) -> Result<(), StreamsError> {
        if caller.principal().is_narrowed() {
            return Err(StreamsError::Invalid {
                reason: "deliveries go on after this session, whose policies they could not be narrowed by: call as a user, or with a session \
                         that no policy narrows"
                    .to_owned(),
            });
        }
        let invalid = |reason: String| Err(StreamsError::Invalid { reason });
        let prefix = |text: &str, kind, which| {
            Prefix::parse(text, kind).map_err(|source| StreamsError::Prefix { which, source })
        };
        prefix(&destination.prefix, PrefixKind::Data, "Prefix")?;
        prefix(&destination.error_output_prefix, PrefixKind::Error, "ErrorOutputPrefix")?;
        time_zone(&destination.time_zone).map_err(|source| StreamsError::Prefix { which: "CustomTimeZone", source })?;
        let BufferingHints { size_bytes, interval_seconds } = destination.buffering;
        if !(1 << 20..=128 << 20).contains(&size_bytes) || interval_seconds > 900 {
            return invalid("BufferingHints: SizeInMBs is 1 to 128 and IntervalInSeconds 0 to 900".to_owned());
        }
        if let Some(conversion) = &destination.conversion {
            if size_bytes < 64 << 20 {
                return invalid("BufferingHints: SizeInMBs is at least 64 with data format conversion".to_owned());
            }
            if destination.compression != Compression::Uncompressed {
                return invalid(
                    "CompressionFormat must be UNCOMPRESSED with data format conversion: the serializer compresses"
                        .to_owned(),
                );
            }
            let table = self.catalog.table(caller.authorized(), &conversion.database, &conversion.table)?;
            for column in table.columns() {
                let hive = column.hive_type().map_err(|error| StreamsError::Invalid { reason: error.to_string() })?;
                crate::convert::arrow_type(&hive).map_err(|reason| StreamsError::Invalid { reason })?;
            }
        }
        Ok(())
    }
}

/// What a stream's data key is bound to.
pub(crate) fn key_context(id: StreamId) -> KeyContext {
    KeyContext::new("delivery-stream").part(&id)
}

pub(crate) fn not_found(scope: &Scope, name: &str) -> StreamsError {
    StreamsError::StreamNotFound { name: name.to_owned(), account: scope.account.to_string() }
}

/// The stream, if it takes changes and records.
pub(crate) fn active(read: &impl Read, scope: &Scope, name: &str) -> Result<DeliveryStream, StreamsError> {
    let stream = read.get(STREAMS, &stream_key(scope, name))?.ok_or_else(|| not_found(scope, name))?;
    match stream.status {
        DeliveryStreamStatus::Active => Ok(stream),
        DeliveryStreamStatus::Deleting => Err(StreamsError::StreamDeleting { name: name.to_owned() }),
    }
}
