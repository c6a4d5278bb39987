//! Files of tables being written: Parquet, delimited text, JSON lines; streamed into the store while they grow.
//! Knows no catalog.
//!
//! A file that is not finished is not there: its bytes are given up when its writer is dropped.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tarn_objects::{BodyError, BodyErrorKind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::text::TextColumn;
use crate::errors::{ErrorName, QueryError};
use crate::tables::access::Access;

/// A file is ended and another begun behind so many bytes.
pub(crate) const FILE_SIZE_BYTES_MAX: u64 = 1 << 30;
/// Rows of a row group, and its bytes.
const ROW_GROUP_ROWS_MAX: usize = 1_048_576;
const ROW_GROUP_SIZE_BYTES: usize = 64 << 20;
/// Chunks on their way to the store, per file.
const CHUNKS_IN_FLIGHT: usize = 4;
/// Text is handed over in chunks of about this.
const CHUNK_SIZE_BYTES: usize = 1 << 20;
const ZSTD_LEVEL: i32 = 3;

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Zstd,
}

impl Codec {
    /// By Athena's names.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "NONE" | "UNCOMPRESSED" => Self::None,
            "GZIP" => Self::Gzip,
            "SNAPPY" => Self::Snappy,
            "ZSTD" => Self::Zstd,
            _ => return None,
        })
    }
}

/// What files are written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    Parquet(Codec),
    /// Delimited: the delimiter, the NULL text, whether values are quoted as OpenCSV reads them.
    Delimited {
        delimiter: char,
        null: String,
        quoted: bool,
        codec: Codec,
    },
    Json(Codec),
}

impl Layout {
    /// What a file's name ends in; readers tell the compression of text by it.
    pub fn extension(&self) -> &'static str {
        match self {
            Self::Parquet(_) => "",
            Self::Delimited { codec, .. } | Self::Json(codec) => match codec {
                Codec::Gzip => ".gz",
                Codec::Zstd => ".zst",
                Codec::None | Codec::Snappy => "",
            },
        }
    }
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// The writing end of an object being put.
struct Upload {
    pieces: mpsc::Sender<Piece>,
    put: JoinHandle<Result<u64, QueryError>>,
    sent_bytes: u64,
}

fn gone() -> QueryError {
    QueryError::new(ErrorName::HiveFilesystemError, "the store stopped taking the file's bytes")
}

impl Upload {
    fn begin(access: Arc<Access>, bucket: String, key: String) -> Self {
        let (pieces, received) = mpsc::channel(CHUNKS_IN_FLIGHT);
        let body = futures::stream::unfold(Some(received), |received| async move {
            let mut received: mpsc::Receiver<Piece> = received?;
            match received.recv().await {
                Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(received))),
                Some(Piece::End) => None,
                // dropped before its end: nothing may become visible
                None => Some((
                    Err(BodyError { kind: BodyErrorKind::Incomplete, reason: "the query failed".to_owned() }),
                    None,
                )),
            }
        });
        let put =
            tokio::spawn(async move { access.put(&bucket, &key, "application/octet-stream", body.boxed()).await });
        Self { pieces, put, sent_bytes: 0 }
    }

    async fn send(&mut self, bytes: Bytes) -> Result<(), QueryError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sent_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        if self.pieces.send(Piece::Bytes(bytes)).await.is_ok() {
            return Ok(());
        }
        // the put has ended before its bytes: it says why
        match (&mut self.put).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Err(gone()),
        }
    }

    async fn finish(self) -> Result<u64, QueryError> {
        // a put that has failed has closed the channel, and says why below
        let _ = self.pieces.send(Piece::End).await;
        drop(self.pieces);
        self.put.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Parquet's writer wants a file it can await; it owns the upload until it is closed.
struct ParquetTarget(Arc<tokio::sync::Mutex<Option<Upload>>>, Arc<std::sync::atomic::AtomicU64>);

impl AsyncFileWriter for ParquetTarget {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, parquet::errors::Result<()>> {
        async move {
            let mut upload = self.0.lock().await;
            let upload = upload.as_mut().ok_or_else(|| ParquetError::General("the file is closed".to_owned()))?;
            self.1.fetch_add(u64::try_from(bytes.len()).unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
            upload.send(bytes).await.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, parquet::errors::Result<()>> {
        async move { Ok(()) }.boxed()
    }
}

enum Encoder {
    Parquet {
        writer: Box<AsyncArrowWriter<ParquetTarget>>,
        upload: Arc<tokio::sync::Mutex<Option<Upload>>>,
        sent: Arc<std::sync::atomic::AtomicU64>,
    },
    Text {
        upload: Upload,
        compressor: Compressor,
        layout: Layout,
        names: Vec<String>,
    },
}

enum Compressor {
    None(Vec<u8>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    fn new(codec: Codec) -> std::io::Result<Self> {
        Ok(match codec {
            Codec::None | Codec::Snappy => Self::None(Vec::new()),
            Codec::Gzip => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default())),
            Codec::Zstd => Self::Zstd(zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::None(out) => out.write_all(bytes),
            Self::Gzip(out) => out.write_all(bytes),
            Self::Zstd(out) => out.write_all(bytes),
        }
    }

    /// What has been compressed until now, if it is enough to be sent.
    fn ready(&mut self) -> Option<Bytes> {
        let out = match self {
            Self::None(out) => out,
            Self::Gzip(out) => out.get_mut(),
            Self::Zstd(out) => out.get_mut(),
        };
        (out.len() >= CHUNK_SIZE_BYTES).then(|| Bytes::from(std::mem::take(out)))
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(out) => out.finish(),
            Self::Zstd(out) => out.finish(),
        }
    }
}

/// One file being written.
pub(crate) struct FileWriter {
    encoder: Encoder,
    pub rows: u64,
}

fn parquet_failure(error: ParquetError) -> QueryError {
    let mut next = &error;
    while let ParquetError::External(inner) = next {
        if let Some(own) = inner.downcast_ref::<QueryError>() {
            return own.clone();
        }
        match inner.downcast_ref::<ParquetError>() {
            Some(inner) => next = inner,
            None => break,
        }
    }
    QueryError::new(ErrorName::Internal, format!("a Parquet file could not be written: {error}"))
}

fn io_failure(error: &std::io::Error) -> QueryError {
    QueryError::new(ErrorName::Internal, format!("a file could not be compressed: {error}"))
}

impl FileWriter {
    /// Begins a file. `schema` has no partition columns; its types are storable.
    pub fn begin(
        access: Arc<Access>,
        bucket: &str,
        key: &str,
        schema: &SchemaRef,
        layout: &Layout,
    ) -> Result<Self, QueryError> {
        let upload = Upload::begin(access, bucket.to_owned(), key.to_owned());
        let encoder = match layout {
            Layout::Parquet(codec) => {
                let compression = match codec {
                    Codec::None => Compression::UNCOMPRESSED,
                    Codec::Gzip => Compression::GZIP(parquet::basic::GzipLevel::default()),
                    Codec::Snappy => Compression::SNAPPY,
                    Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(parquet_failure)?),
                };
                let properties = WriterProperties::builder()
                    .set_compression(compression)
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
                    .set_statistics_enabled(EnabledStatistics::Page)
                    .build();
                let upload = Arc::new(tokio::sync::Mutex::new(Some(upload)));
                let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
                let target = ParquetTarget(upload.clone(), sent.clone());
                let writer =
                    AsyncArrowWriter::try_new(target, schema.clone(), Some(properties)).map_err(parquet_failure)?;
                Encoder::Parquet { writer: Box::new(writer), upload, sent }
            }
            Layout::Delimited { codec, .. } | Layout::Json(codec) => Encoder::Text {
                upload,
                compressor: Compressor::new(*codec).map_err(|error| io_failure(&error))?,
                layout: layout.clone(),
                names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            },
        };
        Ok(Self { encoder, rows: 0 })
    }

    /// Appends rows.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        self.rows += u64::try_from(batch.num_rows()).unwrap_or(0);
        match &mut self.encoder {
            Encoder::Parquet { writer, .. } => {
                writer.write(batch).await.map_err(parquet_failure)?;
                if writer.in_progress_size() > ROW_GROUP_SIZE_BYTES {
                    writer.flush().await.map_err(parquet_failure)?;
                }
                Ok(())
            }
            Encoder::Text { upload, compressor, layout, names } => {
                let text = match layout {
                    Layout::Delimited { delimiter, null, quoted, .. } => delimited(batch, *delimiter, null, *quoted),
                    Layout::Json(_) | Layout::Parquet(_) => json_lines(batch, names),
                };
                compressor.write(text.as_bytes()).map_err(|error| io_failure(&error))?;
                if let Some(ready) = compressor.ready() {
                    upload.send(ready).await?;
                }
                Ok(())
            }
        }
    }

    /// Whether the file is as large as files become.
    pub fn is_full(&self) -> bool {
        match &self.encoder {
            Encoder::Parquet { sent, .. } => sent.load(std::sync::atomic::Ordering::Relaxed) >= FILE_SIZE_BYTES_MAX,
            Encoder::Text { upload, .. } => upload.sent_bytes >= FILE_SIZE_BYTES_MAX,
        }
    }

    /// Ends the file: it is in the store when this answers.
    pub async fn finish(self) -> Result<u64, QueryError> {
        match self.encoder {
            Encoder::Parquet { writer, upload, .. } => {
                writer.close().await.map_err(parquet_failure)?;
                let upload = upload.lock().await.take();
                match upload {
                    Some(upload) => upload.finish().await,
                    None => Err(gone()),
                }
            }
            Encoder::Text { mut upload, compressor, .. } => {
                let rest = compressor.finish().map_err(|error| io_failure(&error))?;
                upload.send(rest.into()).await?;
                upload.finish().await
            }
        }
    }
}

fn text_columns(columns: &[ArrayRef]) -> Vec<TextColumn<'_>> {
    columns.iter().map(|column| TextColumn::new(column.as_ref())).collect()
}

fn delimited(batch: &RecordBatch, delimiter: char, null: &str, quoted: bool) -> String {
    let columns = text_columns(batch.columns());
    let mut out = String::with_capacity(batch.num_rows() * columns.len() * 10);
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(delimiter);
            }
            if column.is_null(row) {
                if !quoted {
                    out.push_str(null);
                }
                continue;
            }
            value.clear();
            column.write(row, &mut value);
            if quoted {
                out.push('"');
                out.push_str(&value.replace('"', "\"\""));
                out.push('"');
            } else {
                // a row is a line
                out.extend(value.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }));
            }
        }
        out.push('\n');
    }
    out
}

pub(crate) fn json_value(column: &TextColumn<'_>, row: usize) -> serde_json::Value {
    use serde_json::Value;
    if column.is_null(row) {
        return Value::Null;
    }
    match column {
        TextColumn::Boolean(array) => Value::Bool(array.value(row)),
        TextColumn::Int8(array) => array.value(row).into(),
        TextColumn::Int16(array) => array.value(row).into(),
        TextColumn::Int32(array) => array.value(row).into(),
        TextColumn::Int64(array) => array.value(row).into(),
        TextColumn::Float32(array) => {
            serde_json::Number::from_f64(f64::from(array.value(row))).map_or(Value::Null, Value::Number)
        }
        TextColumn::Float64(array) => serde_json::Number::from_f64(array.value(row)).map_or(Value::Null, Value::Number),
        TextColumn::List(array, values) => {
            let offsets = array.value_offsets();
            let at = |index: usize| offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
            Value::Array((at(row)..at(row + 1)).map(|item| json_value(values, item)).collect())
        }
        TextColumn::Map(array, keys, values) => {
            let offsets = array.value_offsets();
            let at = |index: usize| offsets.get(index).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
            let entries = (at(row)..at(row + 1)).map(|item| {
                let mut key = String::new();
                keys.write_or_null(item, &mut key);
                (key, json_value(values, item))
            });
            Value::Object(entries.collect())
        }
        TextColumn::Row(_, columns) => {
            Value::Object(columns.iter().map(|(name, column)| ((*name).to_owned(), json_value(column, row))).collect())
        }
        other => {
            let mut text = String::new();
            other.write(row, &mut text);
            Value::String(text)
        }
    }
}

fn json_lines(batch: &RecordBatch, names: &[String]) -> String {
    let columns = text_columns(batch.columns());
    let mut out = String::new();
    for row in 0..batch.num_rows() {
        let fields = names.iter().zip(&columns).map(|(name, column)| (name.clone(), json_value(column, row)));
        let object: serde_json::Map<String, serde_json::Value> = fields.filter(|(_, value)| !value.is_null()).collect();
        out.push_str(&serde_json::Value::Object(object).to_string());
        out.push('\n');
    }
    out
}

/// The type a column is written with: views of texts are plain texts in files.
pub(crate) fn written(data_type: &DataType) -> DataType {
    match crate::types::storable(data_type) {
        DataType::Utf8View => DataType::Utf8,
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(unit, None),
        other => other,
    }
}
