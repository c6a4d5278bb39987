//! Selects from one object by SQL, as S3 Select does: the object's records stream through, and the result's rows stream out.
//! Knows neither DataFusion nor the wire.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/selecting-content-from-objects.html>

mod evaluate;
mod expression;
mod output;
mod parquet_rows;
mod parse;
mod records;
mod tokens;
mod value;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::DataFusionError;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tarn_objects::select::{
    Compression, CsvFormat, Header, InputFormat, OutputFormat, SelectError, SelectErrorName, SelectRequest,
    SelectUsage, Selected, Selecting, Selector,
};
use tarn_objects::{ObjectVersion, Objects};
use tarn_policy::Authorized;
use tarn_runtime::Runtime;

use evaluate::{Aggregating, Record, Scope, evaluate, truth};
use expression::{Expr, Selection, Step};
use records::{CsvCutter, Cutter, Found, JsonCutter};
use value::Value;

/// Rows are given out when so many bytes of them are there.
const RECORDS_SIZE_BYTES: usize = 128 << 10;
/// The first line of a file, where a range begins behind it: at most so many bytes.
const HEADER_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Selects from the lake's objects.
#[derive(Clone)]
pub struct ObjectSelector {
    objects: Arc<Objects>,
    runtime: Runtime,
}

impl ObjectSelector {
    /// Over the lake's objects.
    pub fn new(objects: Objects, runtime: Runtime) -> Self {
        Self { objects: Arc::new(objects), runtime }
    }
}

impl std::fmt::Debug for ObjectSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectSelector")
    }
}

impl Selector for ObjectSelector {
    fn select(
        &self,
        proof: &Authorized,
        version: &ObjectVersion,
        request: SelectRequest,
    ) -> Result<Selecting, SelectError> {
        select(self.objects.clone(), proof, version, request, self.runtime.now().as_millisecond())
    }
}

fn select(
    objects: Arc<Objects>,
    proof: &Authorized,
    version: &ObjectVersion,
    request: SelectRequest,
    now_ms: i64,
) -> Result<Selecting, SelectError> {
    let selection = parse::parse(&request.expression)?;
    let size_bytes = version.size_bytes();
    let (first, last) = scan(&request, size_bytes)?;
    let counters = Arc::new(Counters::default());
    let source = match &request.input {
        InputFormat::Parquet => {
            Source::Parquet(parquet_rows::rows(objects, proof.clone(), version.clone(), counters.clone()))
        }
        InputFormat::Csv(..) | InputFormat::JsonLines | InputFormat::JsonDocument => {
            // the byte in front of the range tells whether a record begins with it
            let delimiter = delimiter(&request.input).len() as u64;
            let from = first.saturating_sub(delimiter);
            let counted = counters.clone();
            let stored = objects
                .read(proof, version, from..size_bytes)
                .inspect_ok(move |bytes| counted.scan(bytes.len()))
                .map_err(|error| DataFusionError::External(Box::new(error)))
                .boxed();
            let compression = match request.compression {
                Compression::None => FileCompressionType::UNCOMPRESSED,
                Compression::Gzip => FileCompressionType::GZIP,
                Compression::Bzip2 => FileCompressionType::BZIP2,
            };
            let bytes = compression.convert_stream(stored).map_err(|error| broken(&error))?;
            let cutter = match &request.input {
                InputFormat::Csv(format, _) => Cutter::Csv(CsvCutter::new(format, from)?),
                _ => Cutter::Json(JsonCutter::new(from)),
            };
            let header = first > 0 && matches!(request.input, InputFormat::Csv(_, Header::Use));
            let header = header.then(|| objects.read(proof, version, 0..size_bytes.min(HEADER_SIZE_BYTES_MAX)).boxed());
            Source::Bytes { bytes, cutter, header }
        }
    };
    let skipping = first > 0;
    let state = Run {
        rows: Rows::new(selection, &request, now_ms, last, skipping),
        source,
        counters,
        ready: VecDeque::new(),
        ended: false,
        skip: skipping.then(|| Skip { delimiter: delimiter(&request.input), matched: Vec::new() }),
        csv: match request.input {
            InputFormat::Csv(format, _) => Some(format),
            _ => None,
        },
    };
    Ok(futures::stream::try_unfold(state, |mut state| async move {
        Ok(state.next().await?.map(|selected| (selected, state)))
    })
    .boxed())
}

fn delimiter(input: &InputFormat) -> Vec<u8> {
    match input {
        InputFormat::Csv(format, _) => format.record_delimiter.clone().into_bytes(),
        _ => b"\n".to_vec(),
    }
}

/// The first and last byte at which a record that is read may begin.
fn scan(request: &SelectRequest, size_bytes: u64) -> Result<(u64, u64), SelectError> {
    let whole = Ok((0, u64::MAX));
    let Some(range) = request.range else { return whole };
    let plain = request.compression == Compression::None;
    let quoted = matches!(&request.input, InputFormat::Csv(format, _) if format.quoted_record_delimiter);
    if !plain || quoted || request.input == InputFormat::JsonDocument {
        return Err(SelectError::new(
            SelectErrorName::UnsupportedScanRangeInput,
            "A scan range is for CSV and JSON lines that are not compressed and have no quoted record delimiters",
        ));
    }
    match (range.start, range.end) {
        (None, None) => whole,
        (Some(start), end) if start < size_bytes.max(1) && end.is_none_or(|end| start <= end) => {
            Ok((start, end.unwrap_or(u64::MAX)))
        }
        (None, Some(last)) if last > 0 => Ok((size_bytes.saturating_sub(last), u64::MAX)),
        _ => Err(SelectError::new(
            SelectErrorName::InvalidScanRange,
            format!("The scan range is not within the object's {size_bytes} bytes"),
        )),
    }
}

fn broken(error: &DataFusionError) -> SelectError {
    let name = match error.find_root() {
        DataFusionError::External(_) => SelectErrorName::InternalError,
        _ => SelectErrorName::InvalidCompressionFormat,
    };
    SelectError::new(name, format!("The object cannot be read: {}", crate::tables::text::root(error)))
}

#[derive(Debug, Default)]
struct Counters {
    scanned: AtomicU64,
    processed: AtomicU64,
    returned: AtomicU64,
}

impl Counters {
    fn scan(&self, bytes: usize) {
        self.scanned.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn usage(&self) -> SelectUsage {
        SelectUsage {
            scanned_bytes: self.scanned.load(Ordering::Relaxed),
            processed_bytes: self.processed.load(Ordering::Relaxed),
            returned_bytes: self.returned.load(Ordering::Relaxed),
        }
    }
}

type Pieces<E> = BoxStream<'static, Result<Bytes, E>>;

enum Source {
    Bytes { bytes: Pieces<DataFusionError>, cutter: Cutter, header: Option<Pieces<tarn_objects::ObjectsError>> },
    Parquet(BoxStream<'static, Result<Vec<serde_json::Value>, SelectError>>),
}

/// The record that a range begins within is not read: what is left of it goes.
struct Skip {
    delimiter: Vec<u8>,
    matched: Vec<u8>,
}

impl Skip {
    /// What stands behind the first delimiter; `None` while it has not come.
    fn behind(&mut self, bytes: &Bytes) -> Option<Bytes> {
        let before = self.matched.len();
        self.matched.extend_from_slice(bytes);
        let found = self.matched.windows(self.delimiter.len()).position(|window| window == self.delimiter);
        match found {
            Some(at) => {
                let end = at + self.delimiter.len();
                Some(bytes.slice(end.saturating_sub(before).min(bytes.len())..))
            }
            None => {
                let keep = self.delimiter.len().saturating_sub(1).min(self.matched.len());
                self.matched.drain(..self.matched.len() - keep);
                None
            }
        }
    }
}

struct Run {
    rows: Rows,
    source: Source,
    counters: Arc<Counters>,
    ready: VecDeque<Selected>,
    ended: bool,
    skip: Option<Skip>,
    csv: Option<CsvFormat>,
}

impl Run {
    async fn next(&mut self) -> Result<Option<Selected>, SelectError> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if self.ended {
                return Ok(None);
            }
            let more = self.step().await?;
            if !more {
                self.rows.finish()?;
                self.ended = true;
            }
            if self.rows.written.len() >= RECORDS_SIZE_BYTES || (self.ended && !self.rows.written.is_empty()) {
                let records = Bytes::from(std::mem::take(&mut self.rows.written));
                self.counters.returned.fetch_add(records.len() as u64, Ordering::Relaxed);
                self.ready.push_back(Selected::Records(records, self.counters.usage()));
            }
            if self.ended {
                self.ready.push_back(Selected::End(self.counters.usage()));
            }
        }
    }

    /// Reads on; whether there is more.
    async fn step(&mut self) -> Result<bool, SelectError> {
        let rows = &mut self.rows;
        match &mut self.source {
            Source::Bytes { bytes, cutter, header } => {
                if let (Some(mut first), Some(format)) = (header.take(), &self.csv) {
                    let mut cutter = Cutter::Csv(CsvCutter::new(format, 0)?);
                    let mut names = None;
                    let mut take = |_: u64, found: Found| {
                        if let Found::Fields(fields) = found {
                            names = Some(fields);
                        }
                        Ok(false)
                    };
                    while let Some(bytes) = first.next().await {
                        let failed = |error: tarn_objects::ObjectsError| {
                            SelectError::new(SelectErrorName::InternalError, error.to_string())
                        };
                        if !cutter.push(&bytes.map_err(failed)?, &mut take)? {
                            break;
                        }
                    }
                    rows.header(names.unwrap_or_default())?;
                }
                match bytes.next().await {
                    Some(Ok(bytes)) => {
                        self.counters.processed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        let bytes = match &mut self.skip {
                            None => bytes,
                            Some(skip) => match skip.behind(&bytes) {
                                None => {
                                    rows.skipped(bytes.len() as u64);
                                    return Ok(true);
                                }
                                Some(rest) => {
                                    rows.skipped((bytes.len() - rest.len()) as u64);
                                    self.skip = None;
                                    rest
                                }
                            },
                        };
                        cutter.push(&bytes, &mut |place, found| rows.take(place, found))
                    }
                    Some(Err(error)) => Err(broken(&error)),
                    None => {
                        if self.skip.is_none() {
                            cutter.finish(&mut |place, found| rows.take(place, found))?;
                        }
                        Ok(false)
                    }
                }
            }
            Source::Parquet(batches) => match batches.next().await {
                Some(batch) => {
                    for row in batch? {
                        if !rows.take(0, Found::Json(row))? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                }
                None => Ok(false),
            },
        }
    }
}

/// Makes rows of records.
struct Rows {
    selection: Selection,
    output: OutputFormat,
    now_ms: i64,
    /// The first record may be a header.
    header: Option<Header>,
    names: Vec<String>,
    bound: bool,
    aggregating: Vec<Aggregating>,
    count: u64,
    last: u64,
    /// Bytes that went before the first record; places are told without them.
    skipped: u64,
    written: Vec<u8>,
}

impl Rows {
    fn new(selection: Selection, request: &SelectRequest, now_ms: i64, last: u64, skipping: bool) -> Self {
        let header = match &request.input {
            InputFormat::Csv(_, header) if !skipping => Some(*header),
            InputFormat::Csv(..) => Some(Header::None),
            _ => None,
        };
        let aggregating = selection.aggregates.iter().map(|(kind, _)| Aggregating::new(*kind)).collect();
        Self {
            selection,
            output: request.output.clone(),
            now_ms,
            header,
            names: Vec::new(),
            bound: false,
            aggregating,
            count: 0,
            last,
            skipped: 0,
            written: Vec::new(),
        }
    }

    fn skipped(&mut self, bytes: u64) {
        self.skipped += bytes;
    }

    /// The columns' names.
    fn header(&mut self, names: Vec<String>) -> Result<(), SelectError> {
        evaluate::bind(&mut self.selection, Some(&names))?;
        (self.names, self.bound) = (names, true);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.aggregating.is_empty() && self.selection.limit.is_some_and(|limit| self.count >= limit)
    }

    /// Takes a record; whether more are wanted.
    fn take(&mut self, place: u64, found: Found) -> Result<bool, SelectError> {
        if place.saturating_add(self.skipped) > self.last || self.is_full() {
            return Ok(false);
        }
        match found {
            Found::Fields(fields) => {
                match self.header.take() {
                    Some(Header::Use) => {
                        self.header(fields)?;
                        return Ok(true);
                    }
                    Some(Header::Ignore) => return Ok(true),
                    Some(Header::None) | None => {}
                }
                if !self.bound {
                    evaluate::bind(&mut self.selection, None)?;
                    self.bound = true;
                }
                self.row(&Record::Fields(&fields))?;
            }
            Found::Json(json) => self.expand(&json, 0)?,
        }
        Ok(!self.is_full())
    }

    /// The rows that FROM's path makes of a value.
    fn expand(&mut self, json: &serde_json::Value, at: usize) -> Result<(), SelectError> {
        // the first [*] is over the object's values themselves
        let leading = usize::from(at == 0 && self.selection.from.first() == Some(&Step::All));
        let path: Vec<Step> = self.selection.from.iter().skip(at + leading).cloned().collect();
        let Some(all) = path.iter().position(|step| *step == Step::All) else {
            let found = evaluate::follow(json, &path);
            return match found {
                Some(found) if !self.is_full() => self.row(&Record::Json(found)),
                _ => Ok(()),
            };
        };
        let before = path.get(..all).unwrap_or_default();
        match evaluate::follow(json, before) {
            Some(serde_json::Value::Array(items)) => {
                items.iter().try_for_each(|item| self.expand(item, at + leading + all + 1))
            }
            Some(other) => self.expand(other, at + leading + all + 1),
            None => Ok(()),
        }
    }

    fn row(&mut self, record: &Record) -> Result<(), SelectError> {
        let scope = Scope { record: Some(record), aggregates: &[], now_ms: self.now_ms };
        if let Some(condition) = &self.selection.condition
            && truth(&evaluate(condition, scope)?)? != Some(true)
        {
            return Ok(());
        }
        if !self.aggregating.is_empty() {
            for (aggregating, (_, argument)) in self.aggregating.iter_mut().zip(&self.selection.aggregates) {
                aggregating.add(argument.as_ref().map(|argument| evaluate(argument, scope)).transpose()?)?;
            }
            return Ok(());
        }
        self.count += 1;
        let (names, values) = match &self.selection.items {
            Some(items) => {
                let values = items.iter().map(|item| evaluate(&item.expr, scope)).collect::<Result<Vec<_>, _>>()?;
                (self.item_names(), values)
            }
            None => match record {
                Record::Fields(fields) => {
                    let name = |at: usize| self.names.get(at).cloned().unwrap_or_else(|| format!("_{}", at + 1));
                    let names = (0..fields.len()).map(name).collect();
                    (names, fields.iter().map(|field| Value::Text(field.clone())).collect())
                }
                Record::Json(serde_json::Value::Object(fields)) => {
                    (fields.keys().cloned().collect(), fields.values().map(Value::of).collect())
                }
                Record::Json(other) => (vec!["_1".to_owned()], vec![Value::of(other)]),
            },
        };
        output::write(&self.output, &names, &values, &mut self.written);
        Ok(())
    }

    fn item_names(&self) -> Vec<String> {
        let items = self.selection.items.iter().flatten().enumerate();
        items
            .map(|(at, item)| {
                let own = match &item.expr {
                    Expr::Path(steps) => match steps.last() {
                        Some(Step::Name { name, .. }) => Some(name.clone()),
                        _ => None,
                    },
                    Expr::Column(column) => self.names.get(*column).cloned().or(Some(format!("_{}", column + 1))),
                    _ => None,
                };
                item.alias.clone().or(own).unwrap_or_else(|| format!("_{}", at + 1))
            })
            .collect()
    }

    /// The row of the aggregates.
    fn finish(&mut self) -> Result<(), SelectError> {
        if self.selection.aggregates.is_empty() || self.selection.limit == Some(0) {
            return Ok(());
        }
        let aggregates = std::mem::take(&mut self.aggregating);
        let aggregates = aggregates.into_iter().map(Aggregating::finish).collect::<Result<Vec<_>, _>>()?;
        let scope = Scope { record: None, aggregates: &aggregates, now_ms: self.now_ms };
        let items = self.selection.items.iter().flatten();
        let values = items.map(|item| evaluate(&item.expr, scope)).collect::<Result<Vec<_>, _>>()?;
        output::write(&self.output, &self.item_names(), &values, &mut self.written);
        Ok(())
    }
}
