//! Files of lines as rows: decompressed, split, decoded, batch by batch. Knows no table beyond its columns.
//!
//! As in Hive a line is a row, whatever its quotes; missing fields are NULL, surplus ones are dropped.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use datafusion::common::ScalarValue;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::access::{Access, LakeFile};
use super::batch_rows::BATCH_SIZE_BYTES;
use super::format::{RowFormat, TextFormat};
use super::values::{TextRules, ValueBuilder};
use crate::errors::{ErrorName, QueryError};

/// The longest line, bytes.
pub(crate) const LINE_SIZE_BYTES_MAX: usize = 64 << 20;

/// One file to be read, with what its partition says.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    pub file: LakeFile,
    pub format: Arc<TextFormat>,
    pub partition_values: Arc<Vec<ScalarValue>>,
}

/// A column of the output.
#[derive(Debug, Clone)]
pub(crate) enum TextColumn {
    /// The field at this position, under this name.
    Field { index: usize, name: String, data_type: DataType },
    /// The partition value at this position.
    Partition { index: usize },
}

/// Some files read one after the other.
#[derive(Debug)]
pub(crate) struct TextPartition {
    pub access: Arc<Access>,
    pub schema: SchemaRef,
    pub columns: Arc<Vec<TextColumn>>,
    pub files: Vec<TextFile>,
}

fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl PartitionStream for TextPartition {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (access, schema, columns) = (self.access.clone(), self.schema.clone(), self.columns.clone());
        let batch_rows = context.session_config().batch_size();
        let batches = futures::stream::iter(self.files.clone())
            .then(move |file| {
                let (access, schema, columns) = (access.clone(), schema.clone(), columns.clone());
                futures::future::ready(read(&access, file, schema, columns, batch_rows))
            })
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches.boxed()))
    }
}

type Batches = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

fn compression(key: &str) -> FileCompressionType {
    match key.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "gz" | "gzip" => FileCompressionType::GZIP,
        "zst" | "zstd" => FileCompressionType::ZSTD,
        "bz2" => FileCompressionType::BZIP2,
        "xz" => FileCompressionType::XZ,
        _ => FileCompressionType::UNCOMPRESSED,
    }
}

fn read(
    access: &Arc<Access>,
    file: TextFile,
    schema: SchemaRef,
    columns: Arc<Vec<TextColumn>>,
    batch_rows: usize,
) -> Result<Batches, DataFusionError> {
    let open = access.open(&file.file.bucket, &file.file.key).map_err(external)?;
    let uri = file.file.uri();
    let raw = open.stream(0..open.size_bytes()).map_err(|error| DataFusionError::External(Box::new(error))).boxed();
    let bytes = compression(&file.file.key).convert_stream(raw)?;
    let state = Reading {
        bytes,
        rest: Vec::new(),
        ended: false,
        line: 0,
        decoder: Decoder::new(&file.format, &columns, &uri).map_err(external)?,
        skip: file.format.header_lines,
        uri,
        schema,
        columns,
        partition_values: file.partition_values.clone(),
        batch_rows: batch_rows.max(1),
        batch_bytes: 0,
    };
    Ok(futures::stream::try_unfold(
        state,
        |mut state| async move { Ok(state.next().await?.map(|batch| (batch, state))) },
    )
    .boxed())
}

struct Reading {
    bytes: BoxStream<'static, Result<Bytes, DataFusionError>>,
    rest: Vec<u8>,
    ended: bool,
    line: u64,
    decoder: Decoder,
    skip: usize,
    uri: String,
    schema: SchemaRef,
    columns: Arc<Vec<TextColumn>>,
    partition_values: Arc<Vec<ScalarValue>>,
    batch_rows: usize,
    /// Of the lines that the batch to come has until now.
    batch_bytes: u64,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>, DataFusionError> {
        loop {
            let is_full = self.decoder.rows >= self.batch_rows || self.batch_bytes >= BATCH_SIZE_BYTES;
            if is_full || (self.ended && self.decoder.rows > 0) {
                return self.batch().map(Some);
            }
            if self.ended {
                return Ok(None);
            }
            match self.bytes.next().await {
                Some(Ok(bytes)) => self.lines(&bytes)?,
                Some(Err(error)) => {
                    let message = format!("Failed to read {} after line {}: {}", self.uri, self.line, root(&error));
                    return Err(external(QueryError::new(ErrorName::HiveCursorError, message)));
                }
                None => {
                    self.ended = true;
                    let last = std::mem::take(&mut self.rest);
                    if !last.is_empty() {
                        self.one(&last)?;
                    }
                }
            }
        }
    }

    fn lines(&mut self, mut bytes: &[u8]) -> Result<(), DataFusionError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, after) = bytes.split_at(end);
            bytes = after.get(1..).unwrap_or_default();
            if self.rest.is_empty() {
                self.one(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(line);
                self.one(&whole)?;
                whole.clear();
                self.rest = whole;
            }
        }
        if self.rest.len() + bytes.len() > LINE_SIZE_BYTES_MAX {
            let message = format!("Line {} of {} is longer than {LINE_SIZE_BYTES_MAX} bytes", self.line + 1, self.uri);
            return Err(external(QueryError::new(ErrorName::HiveCursorError, message)));
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn one(&mut self, line: &[u8]) -> Result<(), DataFusionError> {
        self.line += 1;
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        self.batch_bytes += line.len() as u64;
        self.decoder.row(&text, self.line, &self.uri).map_err(external)
    }

    fn batch(&mut self) -> Result<RecordBatch, DataFusionError> {
        let rows = std::mem::take(&mut self.decoder.rows);
        self.batch_bytes = 0;
        let mut built = self.decoder.builders.iter_mut().map(|column| column.builder.finish());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in self.columns.iter() {
            arrays.push(match column {
                TextColumn::Field { .. } => built
                    .next()
                    .flatten()
                    .ok_or_else(|| DataFusionError::Internal("a text column did not build".to_owned()))?,
                TextColumn::Partition { index } => match self.partition_values.get(*index) {
                    Some(value) => value.to_array_of_size(rows)?,
                    None => return Err(DataFusionError::Internal("a partition has too few values".to_owned())),
                },
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)?)
    }
}

/// The innermost reason, without the wrappers that add nothing for the reader.
pub(crate) fn root(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::IoError(error) => error.to_string(),
        other => other.to_string(),
    }
}

struct Field {
    index: usize,
    name: String,
    type_name: String,
    builder: ValueBuilder,
}

struct Decoder {
    format: Arc<TextFormat>,
    builders: Vec<Field>,
    /// Positions in `builders` in the order of their fields.
    order: Vec<usize>,
    delimiters: Vec<char>,
    rows: usize,
}

impl Decoder {
    fn new(format: &Arc<TextFormat>, columns: &[TextColumn], uri: &str) -> Result<Self, QueryError> {
        let mut builders = Vec::new();
        for column in columns {
            if let TextColumn::Field { index, name, data_type } = column {
                let type_name = crate::types::trino_name(data_type);
                let builder = ValueBuilder::new(data_type).ok_or_else(|| {
                    QueryError::not_supported(format!("column {name} of {uri}: text files hold no {type_name}"))
                })?;
                builders.push(Field { index: *index, name: name.clone(), type_name, builder });
            }
        }
        let mut order: Vec<usize> = (0..builders.len()).collect();
        order.sort_by_key(|at| builders.get(*at).map_or(0, |field| field.index));
        let delimiters = match &format.rows {
            RowFormat::LazySimple { item_delimiter, key_delimiter, .. } => {
                let mut all = vec![*item_delimiter, *key_delimiter];
                all.extend((4_u8..=8).map(char::from));
                all
            }
            RowFormat::OpenCsv { .. } | RowFormat::Json { .. } => Vec::new(),
        };
        Ok(Self { format: format.clone(), builders, order, delimiters, rows: 0 })
    }

    fn row(&mut self, line: &str, number: u64, uri: &str) -> Result<(), QueryError> {
        let format = self.format.clone();
        match &format.rows {
            RowFormat::LazySimple { delimiter, escape, null, .. } => self.lazy_simple(line, *delimiter, *escape, null),
            RowFormat::OpenCsv { delimiter, quote, escape } => {
                self.open_csv(line, [*delimiter, *quote, *escape], number, uri)?
            }
            RowFormat::Json { ignore_malformed, case_insensitive, mappings, dots_in_keys } => {
                if line.trim().is_empty() {
                    return Ok(());
                }
                self.json(line, *ignore_malformed, *case_insensitive, mappings, *dots_in_keys, number, uri)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn lazy_simple(&mut self, line: &str, delimiter: u8, escape: Option<u8>, null: &str) {
        let mut wanted = self.order.iter();
        let mut next = wanted.next();
        let mut index = 0;
        let bytes = line.as_bytes();
        let (mut start, mut at, mut escaped) = (0, 0, false);
        while let Some(position) = next {
            let Some(field) = self.builders.get_mut(*position) else { return };
            // find the end of the field at `start`
            while let Some(byte) = bytes.get(at) {
                if Some(*byte) == escape {
                    escaped = true;
                    at += 1;
                } else if *byte == delimiter {
                    break;
                }
                at += 1;
            }
            if field.index == index {
                match line.get(start..at.min(line.len())) {
                    Some(text) if escaped => {
                        let text = unescape(text, escape);
                        field.builder.append_or_null(&text, TextRules::Hive, null, &self.delimiters);
                    }
                    Some(text) => field.builder.append_or_null(text, TextRules::Hive, null, &self.delimiters),
                    None => field.builder.append_null(),
                }
                next = wanted.next();
                // the same field may be asked for twice
                if next.and_then(|position| self.builders.get(*position)).is_some_and(|field| field.index == index) {
                    at = start;
                    escaped = false;
                    continue;
                }
            }
            if at >= bytes.len() {
                break;
            }
            at += 1;
            start = at;
            escaped = false;
            index += 1;
        }
        let mut missing = next;
        while let Some(position) = missing {
            if let Some(field) = self.builders.get_mut(*position) {
                field.builder.append_null();
            }
            missing = wanted.next();
        }
    }

    fn open_csv(
        &mut self,
        line: &str,
        [delimiter, quote, escape]: [u8; 3],
        number: u64,
        uri: &str,
    ) -> Result<(), QueryError> {
        let fields = csv_fields(line, delimiter, quote, escape);
        for field in &mut self.builders {
            match fields.get(field.index) {
                None => field.builder.append_null(),
                Some(text) => field.builder.append_text(text, TextRules::OpenCsv, "", &[]).map_err(|_| {
                    let message = format!(
                        "Error parsing field value '{text}' for field {} ({} {}) in line {number} of {uri}: For input string: \"{text}\"",
                        field.index, field.name, field.type_name
                    );
                    QueryError::new(ErrorName::HiveBadData, message)
                })?,
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn json(
        &mut self,
        line: &str,
        ignore_malformed: bool,
        case_insensitive: bool,
        mappings: &[(String, String)],
        dots_in_keys: bool,
        number: u64,
        uri: &str,
    ) -> Result<(), QueryError> {
        let object = match serde_json::from_str::<Value>(line) {
            Ok(Value::Object(object)) => object,
            _ if ignore_malformed => {
                self.builders.iter_mut().for_each(|field| field.builder.append_null());
                return Ok(());
            }
            Ok(_) => {
                let message = format!("Row is not a valid JSON Object: line {number} of {uri}");
                return Err(QueryError::new(ErrorName::HiveCursorError, message));
            }
            Err(error) => {
                let column = error.column();
                let message =
                    format!("Row is not a valid JSON Object: line {number}, character {column} of {uri}: {error}");
                return Err(QueryError::new(ErrorName::HiveCursorError, message));
            }
        };
        for field in &mut self.builders {
            let key =
                mappings.iter().find(|(column, _)| *column == field.name).map_or(field.name.as_str(), |(_, key)| key);
            let found = object.get(key).or_else(|| {
                let same = |name: &str| {
                    let folded = if case_insensitive { name.to_lowercase() } else { name.to_owned() };
                    folded == key.to_lowercase() || (dots_in_keys && folded.replace('.', "_") == key)
                };
                if case_insensitive || dots_in_keys {
                    object.iter().find(|(name, _)| same(name)).map(|(_, value)| value)
                } else {
                    None
                }
            });
            let value = found.unwrap_or(&Value::Null);
            if field.builder.append_json(value).is_err() {
                if ignore_malformed {
                    field.builder.append_null();
                    continue;
                }
                let message = format!(
                    "Error parsing field value '{value}' for field {} ({} {}) in line {number} of {uri}",
                    field.index, field.name, field.type_name
                );
                return Err(QueryError::new(ErrorName::HiveBadData, message));
            }
        }
        Ok(())
    }
}

fn unescape(text: &str, escape: Option<u8>) -> String {
    let escape = escape.map(char::from);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            // \N stays: it is the NULL text
            match chars.next() {
                Some('N') if text.len() == 2 => out.push_str("\\N"),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some(next) => out.push(next),
                None => out.push(c),
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Fields of one line as OpenCSV splits them.
fn csv_fields(line: &str, delimiter: u8, quote: u8, escape: u8) -> Vec<String> {
    let (delimiter, quote, escape) = (char::from(delimiter), char::from(quote), char::from(escape));
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == escape
            && escape != quote
            && escape != '\0'
            && quoted
            && chars.peek().is_some_and(|next| *next == quote || *next == escape)
        {
            field.extend(chars.next());
        } else if c == quote {
            if quoted && chars.peek() == Some(&quote) {
                field.extend(chars.next());
            } else {
                quoted = !quoted;
            }
        } else if c == delimiter && !quoted {
            fields.push(std::mem::take(&mut field));
        } else {
            field.push(c);
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::pretty::pretty_format_columns;

    fn check(rows: RowFormat, types: &[(usize, DataType)], lines: &[&str], expected: &[&str]) {
        let format = Arc::new(TextFormat { rows, header_lines: 0 });
        let columns: Vec<TextColumn> = types
            .iter()
            .map(|(index, data_type)| TextColumn::Field {
                index: *index,
                name: format!("c{index}"),
                data_type: data_type.clone(),
            })
            .collect();
        let mut decoder = Decoder::new(&format, &columns, "s3://b/k").expect("columns");
        let failed = lines.iter().zip(1..).find_map(|(line, number)| decoder.row(line, number, "s3://b/k").err());
        let found: Vec<String> = match failed {
            Some(error) => vec![error.to_string()],
            None => {
                let arrays: Vec<ArrayRef> =
                    decoder.builders.iter_mut().filter_map(|field| field.builder.finish()).collect();
                let names: Vec<String> = types.iter().map(|(index, _)| index.to_string()).collect();
                let columns: Vec<String> = arrays
                    .iter()
                    .zip(names)
                    .map(|(array, name)| {
                        pretty_format_columns(&name, std::slice::from_ref(array)).expect("prints").to_string()
                    })
                    .map(|table| {
                        table
                            .lines()
                            .skip(3)
                            .filter(|line| !line.starts_with('+'))
                            .map(|line| line.trim_matches(['|', ' ']).to_owned())
                            .collect::<Vec<_>>()
                            .join(",")
                    })
                    .collect();
                columns
            }
        };
        assert_eq!(found, expected);
    }

    fn lazy() -> RowFormat {
        RowFormat::LazySimple {
            delimiter: b',',
            escape: Some(b'\\'),
            null: "\\N".into(),
            item_delimiter: '|',
            key_delimiter: ':',
        }
    }

    #[test]
    fn lines_become_rows() {
        let lines = ["1,a,2.5", "x,b", "3,\\N,4,5", "", "4,c\\,d,1"];
        check(
            lazy(),
            &[(0, DataType::Int32), (2, DataType::Float64), (1, DataType::Utf8View)],
            &lines,
            &["1,,3,,4", "2.5,,4.0,,1.0", "a,b,,,c,d"],
        );
        let open = RowFormat::OpenCsv { delimiter: b',', quote: b'"', escape: b'\\' };
        check(
            open.clone(),
            &[(0, DataType::Utf8View), (1, DataType::Int32)],
            &["\"a,\"\"b\"\"\",1", "c,2"],
            &["a,\"b\",c", "1,2"],
        );
        check(
            open,
            &[(1, DataType::Int32)],
            &["a,1", "b,"],
            &[
                "HIVE_BAD_DATA: Error parsing field value '' for field 1 (c1 integer) in line 2 of s3://b/k: For input string: \"\"",
            ],
        );
        let json = RowFormat::Json {
            ignore_malformed: false,
            case_insensitive: true,
            mappings: Vec::new(),
            dots_in_keys: false,
        };
        check(
            json.clone(),
            &[(0, DataType::Int64), (1, DataType::Utf8View)],
            &["{\"C0\":1,\"c1\":{\"a\":[1]}}", "{\"c0\":\"2\"}"],
            &["1,2", "{\"a\":[1]},"],
        );
        check(
            json,
            &[(0, DataType::Int64)],
            &["{\"c0\":1"],
            &[
                "HIVE_CURSOR_ERROR: Row is not a valid JSON Object: line 1, character 7 of s3://b/k: EOF while parsing an object at line 1 column 7",
            ],
        );
    }
}
