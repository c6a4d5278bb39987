//! The rows of a Parquet file as values of JSON. Knows no expression.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use serde_json::Value as Json;
use tarn_objects::{ObjectVersion, Objects};
use tarn_parquet::{Footer, read_footer};
use tarn_policy::Authorized;

use super::Counters;
use crate::tables::parquet::check;
use tarn_objects::select::{SelectError, SelectErrorName};

/// Rows that are read at a time, or fewer that are large.
const BATCH_ROWS: usize = 1024;
/// How much of the file's end is read at first.
const FOOTER_PREFETCH_SIZE_BYTES: u64 = 64 << 10;

struct Reader {
    objects: Arc<Objects>,
    proof: Authorized,
    version: ObjectVersion,
    counters: Arc<Counters>,
    footer: Option<Arc<Footer>>,
}

/// Bytes as they are, to read the footer from.
struct Unchecked<'a>(&'a mut Reader);

impl MetadataFetch for Unchecked<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.0.range(range).boxed()
    }
}

fn outside(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Reader {
    async fn range(&mut self, range: Range<u64>) -> parquet::errors::Result<Bytes> {
        if range.start > range.end || range.end > self.version.size_bytes() {
            return Err(ParquetError::EOF(format!("bytes {} to {} are asked for", range.start, range.end)));
        }
        let pieces: Vec<Bytes> =
            self.objects.read(&self.proof, &self.version, range).try_collect().await.map_err(outside)?;
        let bytes = Bytes::from(pieces.concat());
        self.counters.scan(bytes.len());
        self.counters.processed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    async fn footer(&mut self) -> parquet::errors::Result<Arc<Footer>> {
        if let Some(footer) = &self.footer {
            return Ok(footer.clone());
        }
        let size_bytes = self.version.size_bytes();
        let footer = read_footer(Unchecked(self), size_bytes, FOOTER_PREFETCH_SIZE_BYTES).await.map_err(outside)?;
        Ok(self.footer.insert(Arc::new(footer)).clone())
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let from = range.start;
            let bytes = self.range(range).await?;
            let footer = self.footer().await?;
            check(footer, from, bytes.clone()).await.map_err(outside)?;
            Ok(bytes)
        }
        .boxed()
    }

    /// Without page indexes: rows are not chosen by them.
    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move { Ok(self.footer().await?.metadata().clone()) }.boxed()
    }
}

fn failed(error: impl std::fmt::Display) -> SelectError {
    SelectError::new(SelectErrorName::ParquetParsingError, format!("The object cannot be read as Parquet: {error}"))
}

/// The rows of `version`, batch by batch.
pub(super) fn rows(
    objects: Arc<Objects>,
    proof: Authorized,
    version: ObjectVersion,
    counters: Arc<Counters>,
) -> BoxStream<'static, Result<Vec<Json>, SelectError>> {
    let mut reader = Reader { objects, proof, version, counters, footer: None };
    let opened = async move {
        let footer = reader.footer().await.map_err(failed)?;
        let batch_rows = footer.batch_rows(BATCH_ROWS, |_| true).map_err(failed)?;
        let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(failed)?;
        Ok(builder.with_batch_size(batch_rows).build().map_err(failed)?.map(|batch| {
            let batch = batch.map_err(failed)?;
            let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(Vec::new());
            writer.write(&batch).and_then(|()| writer.finish()).map_err(failed)?;
            let lines = writer.into_inner();
            let values = serde_json::Deserializer::from_slice(&lines).into_iter();
            values.collect::<Result<Vec<Json>, _>>().map_err(failed)
        }))
    };
    futures::stream::once(opened).try_flatten().boxed()
}
