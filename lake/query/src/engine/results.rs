//! Result files: written as Athena writes them, and read back page by page. Knows no plan.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tarn_objects::{BodyError, BodyErrorKind, BucketName, ObjectKey, Objects, ObjectsError, body_of};
use tarn_policy::{Authorized, BoundAuthorizer};

use super::QueryContext;
use super::failures::failure;
use crate::errors::QueryError;
use crate::sinks::text::TextColumn;
use crate::types::{ColumnInfo, storable};

/// A page of results is cut at so many bytes, whatever the rows.
pub const RESULT_PAGE_SIZE_BYTES_MAX: usize = 8 << 20;

/// Casts a batch to the types results and files have.
pub(crate) fn storable_batch(batch: &RecordBatch) -> Result<Vec<ArrayRef>, DataFusionError> {
    batch
        .columns()
        .iter()
        .map(|column| {
            let wanted = storable(column.data_type());
            if wanted == *column.data_type() { Ok(column.clone()) } else { Ok(arrow::compute::cast(column, &wanted)?) }
        })
        .collect()
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    if text.contains('"') {
        out.push_str(&text.replace('"', "\"\""));
    } else {
        out.push_str(text);
    }
    out.push('"');
}

/// The header row.
fn header(columns: &[ColumnInfo]) -> String {
    let mut out = String::new();
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        quote(&column.name, &mut out);
    }
    out.push('\n');
    out
}

/// The rows of a batch: every value quoted, NULL empty.
fn rows(batch: &RecordBatch) -> Result<String, DataFusionError> {
    let arrays = storable_batch(batch)?;
    let columns: Vec<TextColumn<'_>> = arrays.iter().map(|array| TextColumn::new(array.as_ref())).collect();
    let mut out = String::with_capacity(batch.num_rows() * columns.len() * 12);
    let mut value = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            if !column.is_null(row) {
                value.clear();
                column.write(row, &mut value);
                quote(&value, &mut out);
            }
        }
        out.push('\n');
    }
    Ok(out)
}

/// Streams a query's rows into `<id>.csv`. Returns rows and bytes.
pub(crate) async fn write_csv(
    context: &QueryContext,
    key: &str,
    columns: &[ColumnInfo],
    stream: SendableRecordBatchStream,
) -> Result<(u64, u64), QueryError> {
    let failed: Arc<Mutex<Option<QueryError>>> = Arc::default();
    let count = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (seen, counted, text) = (failed.clone(), count.clone(), context.text.clone());
    let body = futures::stream::once(futures::future::ready(Ok(Bytes::from(header(columns))))).chain(stream.map(
        move |batch| {
            let encoded = batch.and_then(|batch| {
                counted.fetch_add(u64::try_from(batch.num_rows()).unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
                rows(&batch)
            });
            encoded.map(Bytes::from).map_err(|error| {
                let error = failure(&text, &error);
                let reason = error.to_string();
                *seen.lock() = Some(error);
                BodyError { kind: BodyErrorKind::Internal, reason }
            })
        },
    ));
    let put = context.access.put(&context.output.bucket, key, "application/octet-stream", body.boxed()).await;
    if let Some(error) = failed.lock().take() {
        return Err(error);
    }
    Ok((count.load(std::sync::atomic::Ordering::Relaxed), put?))
}

/// Puts a small object of a result.
pub(crate) async fn put_bytes(
    context: &QueryContext,
    key: &str,
    content_type: &str,
    bytes: Vec<u8>,
) -> Result<u64, QueryError> {
    context.access.put(&context.output.bucket, key, content_type, body_of(bytes)).await
}

/// What a result file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultKind {
    /// Rows of quoted values, the header first.
    Csv,
    /// A line is a row of one value.
    Txt,
}

/// Some rows of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultPage {
    /// `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// The byte from which the next page is read, if there is more.
    pub next: Option<u64>,
}

/// Why results could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// The file is gone or cannot be read.
    #[error("the result file s3://{bucket}/{key} cannot be read: {source}")]
    Unreadable {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
        /// Why.
        source: ObjectsError,
    },
    /// No place of the file.
    #[error("the result has {size_bytes} bytes, and the page was to begin at byte {at}: ask again from the first page")]
    BadStart {
        /// Where it was to begin.
        at: u64,
        /// The file's size.
        size_bytes: u64,
    },
}

/// Reads results back, never more than a page.
#[derive(Debug, Clone)]
pub struct ResultReader {
    objects: Arc<Objects>,
}

impl ResultReader {
    /// Over the lake's objects.
    pub fn new(objects: Arc<Objects>) -> Self {
        Self { objects }
    }

    /// Up to `rows_max` rows of the result at `bucket`/`key` from byte `start` (0 is the first page, whose first row of a CSV is the header).
    pub async fn page(
        &self,
        proof: &Authorized,
        authorizer: &BoundAuthorizer,
        bucket: &str,
        key: &str,
        kind: ResultKind,
        start: u64,
        rows_max: usize,
    ) -> Result<ResultPage, ResultError> {
        let unreadable = |source| ResultError::Unreadable { bucket: bucket.to_owned(), key: key.to_owned(), source };
        let bucket_name = BucketName::new(bucket).map_err(unreadable)?;
        let object_key = ObjectKey::new(key).map_err(unreadable)?;
        let version = self.objects.head_object(proof, &bucket_name, &object_key).map_err(unreadable)?;
        let version = self.objects.unlock(authorizer, &version, None).map_err(unreadable)?;
        let size_bytes = version.size_bytes();
        if start > size_bytes {
            return Err(ResultError::BadStart { at: start, size_bytes });
        }
        let mut bytes = self.objects.read(proof, &version, start..size_bytes);
        let mut split = Splitter::new(kind);
        let mut read: u64 = start;
        let mut page = ResultPage::default();
        let mut ended = false;
        let mut page_bytes = 0_usize;
        while !ended && page.rows.len() < rows_max && page_bytes < RESULT_PAGE_SIZE_BYTES_MAX {
            let Some(chunk) = bytes.try_next().await.map_err(unreadable)? else {
                ended = true;
                page.rows.extend(split.last());
                break;
            };
            for (at, byte) in (1_u64..).zip(chunk.iter()) {
                page_bytes += 1;
                if let Some(row) = split.push(*byte) {
                    page.rows.push(row);
                    if page.rows.len() >= rows_max || page_bytes >= RESULT_PAGE_SIZE_BYTES_MAX {
                        let next = read + at;
                        page.next = (next < size_bytes).then_some(next);
                        return Ok(page);
                    }
                }
            }
            read += u64::try_from(chunk.len()).unwrap_or(0);
        }
        if !ended {
            page.rows.extend(split.last());
        }
        Ok(page)
    }
}

/// Takes a result file apart, byte by byte.
struct Splitter {
    kind: ResultKind,
    row: Vec<Option<String>>,
    value: Vec<u8>,
    quoted: bool,
    was_quoted: bool,
    quote_seen: bool,
    any: bool,
}

impl Splitter {
    fn new(kind: ResultKind) -> Self {
        Self {
            kind,
            row: Vec::new(),
            value: Vec::new(),
            quoted: false,
            was_quoted: false,
            quote_seen: false,
            any: false,
        }
    }

    fn end_value(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.value)).into_owned();
        self.row.push(if self.was_quoted { Some(text) } else { None });
        self.was_quoted = false;
    }

    fn end_row(&mut self) -> Vec<Option<String>> {
        match self.kind {
            ResultKind::Csv => self.end_value(),
            ResultKind::Txt => {
                self.row.push(Some(String::from_utf8_lossy(&std::mem::take(&mut self.value)).into_owned()))
            }
        }
        self.any = false;
        std::mem::take(&mut self.row)
    }

    fn push(&mut self, byte: u8) -> Option<Vec<Option<String>>> {
        self.any = true;
        if self.kind == ResultKind::Txt {
            if byte == b'\n' {
                return Some(self.end_row());
            }
            self.value.push(byte);
            return None;
        }
        if self.quoted {
            if byte == b'"' {
                self.quoted = false;
                self.quote_seen = true;
            } else {
                self.value.push(byte);
            }
            return None;
        }
        match byte {
            b'"' => {
                if self.quote_seen {
                    self.value.push(b'"');
                }
                self.quoted = true;
                self.was_quoted = true;
                self.quote_seen = false;
            }
            b',' => {
                self.quote_seen = false;
                self.end_value();
            }
            b'\n' => {
                self.quote_seen = false;
                return Some(self.end_row());
            }
            other => self.value.push(other),
        }
        None
    }

    /// The last line of a text, which no newline ends.
    fn last(&mut self) -> Option<Vec<Option<String>>> {
        self.any.then(|| self.end_row())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ResultKind, text: &str, expected: &[&[Option<&str>]]) {
        let mut split = Splitter::new(kind);
        let mut rows: Vec<Vec<Option<String>>> = text.bytes().filter_map(|byte| split.push(byte)).collect();
        rows.extend(split.last());
        let expected: Vec<Vec<Option<String>>> =
            expected.iter().map(|row| row.iter().map(|value| value.map(str::to_owned)).collect()).collect();
        assert_eq!(rows, expected, "{text:?}");
    }

    #[test]
    fn results_read_back() {
        check(
            ResultKind::Csv,
            "\"a\",\"b\"\n\"x\"\"y\n,\",\n,\"\"\n",
            &[&[Some("a"), Some("b")], &[Some("x\"y\n,"), None], &[None, Some("")]],
        );
        check(ResultKind::Txt, "a\tb\n\nc", &[&[Some("a\tb")], &[Some("")], &[Some("c")]]);
        check(ResultKind::Txt, "", &[]);
    }
}
