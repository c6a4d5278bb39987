//! Parquet files of the lake: footers kept, bytes read in process, columns found whatever their case. Knows no table.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use lru::LruCache;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use tarn_objects::VersionUuid;
use tarn_parquet::{Footer, ReadError, read_footer, read_footer_with_indexes};

use super::access::{Access, LakeFile, OpenFile};
use crate::errors::{ErrorName, QueryError};
use crate::types::trino_name;

/// How much of a file's end is read at first: most footers with their page index fit.
const FOOTER_PREFETCH_SIZE_BYTES: u64 = 512 << 10;

/// Footers of files, by the identity of their bytes: never stale. Bounded.
pub(crate) struct FooterCache {
    inner: Mutex<Footers>,
    size_bytes_max: usize,
}

struct Footers {
    kept: LruCache<VersionUuid, Kept>,
    size_bytes: usize,
}

struct Kept {
    footer: Arc<Footer>,
    /// Whether it was read with page indexes. They are in its metadata then, or the file has none that can be.
    with_indexes: bool,
    /// What it takes.
    size_bytes: usize,
}

impl std::fmt::Debug for FooterCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FooterCache({} bytes at most)", self.size_bytes_max)
    }
}

impl FooterCache {
    pub fn new(size_bytes_max: usize) -> Self {
        Self { inner: Mutex::new(Footers { kept: LruCache::unbounded(), size_bytes: 0 }), size_bytes_max }
    }

    fn get(&self, id: &VersionUuid, with_indexes: bool) -> Option<Arc<Footer>> {
        let mut inner = self.inner.lock();
        inner.kept.get(id).filter(|kept| kept.with_indexes || !with_indexes).map(|kept| kept.footer.clone())
    }

    /// In the place of what was kept of the file.
    fn put(&self, id: VersionUuid, footer: &Arc<Footer>, with_indexes: bool) {
        let size_bytes = footer.memory_size();
        // One must not push out all others.
        if size_bytes > self.size_bytes_max / 8 {
            return;
        }
        let mut inner = self.inner.lock();
        inner.size_bytes += size_bytes;
        if let Some(old) = inner.kept.put(id, Kept { footer: footer.clone(), with_indexes, size_bytes }) {
            inner.size_bytes = inner.size_bytes.saturating_sub(old.size_bytes);
        }
        while inner.size_bytes > self.size_bytes_max {
            match inner.kept.pop_lru() {
                Some((_, old)) => inner.size_bytes = inner.size_bytes.saturating_sub(old.size_bytes),
                None => break,
            }
        }
    }
}

/// Makes readers over the lake.
#[derive(Debug)]
pub(crate) struct LakeReaders {
    pub access: Arc<Access>,
    pub footers: Arc<FooterCache>,
    /// The table's columns that are in files.
    pub schema: SchemaRef,
    /// Whether the query may leave out pages. What is read must agree with the page indexes, so they are had from the first or not at all.
    pub with_indexes: bool,
}

impl LakeReaders {
    /// A reader of `file`; opened at the first byte.
    pub fn reader(&self, file: LakeFile) -> LakeReader {
        LakeReader {
            access: self.access.clone(),
            footers: self.footers.clone(),
            schema: self.schema.clone(),
            with_indexes: self.with_indexes,
            file,
            open: None,
            footer: None,
        }
    }
}

impl ParquetFileReaderFactory for LakeReaders {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        match file.extension::<LakeFile>() {
            Some(file) => Ok(Box::new(self.reader(file.clone()))),
            None => Err(datafusion::error::DataFusionError::Internal(format!(
                "{} is no file of the lake",
                file.object_meta.location
            ))),
        }
    }
}

/// Reads one file.
pub(crate) struct LakeReader {
    access: Arc<Access>,
    footers: Arc<FooterCache>,
    schema: SchemaRef,
    with_indexes: bool,
    file: LakeFile,
    open: Option<OpenFile>,
    footer: Option<Arc<Footer>>,
}

/// Bytes as they are, to read the footer from.
struct Unchecked<'a>(&'a mut LakeReader);

impl MetadataFetch for Unchecked<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.0.range(range).boxed()
    }
}

fn outside(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Looks at bytes of a file from a place on by what its footer says, on a thread that may be kept: some codecs take as long to count as to
/// unpack, and a few bytes of Brotli can become 1 GiB.
pub(crate) async fn check(footer: Arc<Footer>, from: u64, bytes: Bytes) -> Result<(), ReadError> {
    let checked = tokio::task::spawn_blocking(move || footer.check(from, &bytes)).await;
    Ok(checked.map_err(|error| ReadError::Bytes(outside(error)))??)
}

impl LakeReader {
    fn opened(&mut self) -> Result<OpenFile, ParquetError> {
        if let Some(open) = &self.open {
            return Ok(open.clone());
        }
        let open = self.access.open(&self.file.bucket, &self.file.key).map_err(outside)?;
        self.open = Some(open.clone());
        Ok(open)
    }

    async fn range(&mut self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let open = self.opened()?;
        let uri = self.file.uri();
        if range.start > range.end || range.end > open.size_bytes() {
            let size_bytes = open.size_bytes();
            return Err(self.unreadable(size_bytes, format!("bytes {} to {} are asked for", range.start, range.end)));
        }
        open.read(range).await.map_err(|error| {
            outside(QueryError::new(ErrorName::HiveCursorError, format!("Failed to read {uri}: {error}")))
        })
    }

    fn refused(&self, size_bytes: u64, error: ReadError) -> ParquetError {
        match error {
            ReadError::Bytes(error) => error,
            ReadError::Footer(error) => self.unreadable(size_bytes, error),
        }
    }

    fn unreadable(&self, size_bytes: u64, error: impl std::fmt::Display) -> ParquetError {
        let uri = self.file.uri();
        outside(QueryError::new(
            ErrorName::HiveCannotOpenSplit,
            format!(
                "Error opening Hive split {uri}: this Parquet file ({size_bytes} bytes) is not as it should be: {error}"
            ),
        ))
    }

    /// The footer, with the page indexes if they are wanted, from the cache or the file's end.
    pub async fn footer(&mut self) -> Result<Arc<Footer>, ParquetError> {
        if let Some(footer) = &self.footer {
            return Ok(footer.clone());
        }
        let open = self.opened()?;
        let footer = match self.footers.get(&open.id(), self.with_indexes) {
            Some(kept) => kept,
            None => {
                let size_bytes = open.size_bytes();
                let footer = match self.with_indexes {
                    true => read_footer_with_indexes(Unchecked(self), size_bytes, FOOTER_PREFETCH_SIZE_BYTES).await,
                    false => read_footer(Unchecked(self), size_bytes, FOOTER_PREFETCH_SIZE_BYTES)
                        .await
                        .and_then(|footer| Ok(footer.without_indexes()?)),
                };
                let footer = Arc::new(footer.map_err(|error| self.refused(size_bytes, error))?);
                self.check(footer.metadata())?;
                self.footers.put(open.id(), &footer, self.with_indexes);
                footer
            }
        };
        self.footer = Some(footer.clone());
        Ok(footer)
    }

    /// How many rows a batch of the file may have, of the columns whose names are `wanted`; no more than `rows_max`.
    pub async fn batch_rows(&mut self, rows_max: usize, wanted: impl Fn(&str) -> bool) -> Result<usize, ParquetError> {
        let footer = self.footer().await?;
        let size_bytes = self.opened()?.size_bytes();
        footer.batch_rows(rows_max, wanted).map_err(|error| self.unreadable(size_bytes, error))
    }

    /// Bytes that are what the footer says, as far as that can be seen.
    async fn checked(&mut self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let footer = self.footer().await?;
        let size_bytes = self.opened()?.size_bytes();
        let from = range.start;
        let bytes = self.range(range).await?;
        check(footer, from, bytes.clone()).await.map_err(|error| self.refused(size_bytes, error))?;
        Ok(bytes)
    }

    /// Refuses a file whose columns cannot be read as the table's.
    fn check(&self, footer: &ParquetMetaData) -> Result<(), ParquetError> {
        let file = footer.file_metadata();
        let stored = parquet_to_arrow_schema(file.schema_descr(), None)?;
        for field in self.schema.fields() {
            let Some(found) = stored.fields().iter().find(|found| found.name().eq_ignore_ascii_case(field.name()))
            else {
                continue;
            };
            if !reads_as(found.data_type(), field.data_type()) {
                let message = format!(
                    "Field {}'s type {} in parquet file {} is incompatible with type {} defined in table schema",
                    field.name(),
                    trino_name(found.data_type()),
                    self.file.uri(),
                    trino_name(field.data_type())
                );
                return Err(outside(QueryError::new(ErrorName::HiveBadData, message)));
            }
        }
        Ok(())
    }
}

/// Whether stored values of a type can stand in a column of another: numbers widen, texts are texts.
fn reads_as(stored: &DataType, wanted: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Decimal128, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32, Int64,
        LargeBinary, LargeUtf8, List, Map, Struct, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    match (stored, wanted) {
        (
            Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64,
            Int8 | Int16 | Int32 | Int64 | Float64 | Decimal128(..),
        )
        | (Int32, Date32)
        | (Float32, Float32 | Float64)
        | (Float64, Float64 | Float32)
        | (Utf8 | LargeUtf8 | Utf8View | Binary | BinaryView | LargeBinary, Utf8View | Utf8 | Binary)
        | (FixedSizeBinary(_), Binary)
        | (Boolean, Boolean)
        | (Date32, Date32)
        | (Timestamp(..), Timestamp(..))
        | (Decimal128(..), Decimal128(..) | Float64)
        | (Map(..), Map(..)) => true,
        (List(stored), List(wanted)) => reads_as(stored.data_type(), wanted.data_type()),
        // fields of rows are found by name
        (Struct(_), Struct(_)) => true,
        (stored, wanted) => stored == wanted,
    }
}

impl AsyncFileReader for LakeReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.checked(range).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            let mut all = Vec::with_capacity(ranges.len());
            for range in ranges {
                all.push(self.checked(range).await?);
            }
            Ok(all)
        }
        .boxed()
    }

    /// With page indexes or without as the plan wants them, and not as the options do: what is read must agree with them.
    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move { Ok(self.footer().await?.metadata().clone()) }.boxed()
    }
}

/// Finds a table's columns in files that spell them otherwise: Hive's names are lower case, files' often are not.
#[derive(Debug)]
pub(crate) struct AnyCaseColumns;

impl PhysicalExprAdapterFactory for AnyCaseColumns {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> DataFusionResult<Arc<dyn PhysicalExprAdapter>> {
        let same = physical
            .fields()
            .iter()
            .all(|field| logical.index_of(field.name()).is_ok() || field.name().to_lowercase() == *field.name());
        if same {
            return DefaultPhysicalExprAdapterFactory.create(logical, physical);
        }
        let folded: Vec<Field> = physical
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_name(field.name().to_lowercase()))
            .collect();
        let folded = Arc::new(Schema::new_with_metadata(folded, physical.metadata().clone()));
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, folded)?;
        Ok(Arc::new(FoldedAdapter { inner, physical }))
    }
}

#[derive(Debug)]
struct FoldedAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for FoldedAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> DataFusionResult<Arc<dyn PhysicalExpr>> {
        self.inner
            .rewrite(expr)?
            .transform(|expr| {
                let spelled = expr.downcast_ref::<Column>().and_then(|column| {
                    let field = self.physical.fields().get(column.index())?;
                    Some(Column::new(field.name(), column.index()))
                });
                Ok(match spelled {
                    Some(column) => Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>),
                    None => Transformed::no(expr),
                })
            })
            .data()
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
