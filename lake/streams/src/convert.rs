//! From JSON records to Parquet by a table's columns. A record that does not fit is given back with the reason; the others go on.
//! Knows neither streams nor where the object goes.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_json::ReaderBuilder;
use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::DateTime;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as PageCompression, GzipLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};
use tarn_catalog::{Column, HiveType};

use crate::delivery_stream::{Conversion, JsonInput, ParquetCompression};

/// Records converted at a time.
const BATCH_RECORDS: usize = 1_024;

/// A record that does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The record.
    pub record: Bytes,
    /// When it came, milliseconds since 1970.
    pub arrival_ms: i64,
    /// `DataFormatConversion.ParseError` or another of Firehose's codes.
    pub code: &'static str,
    /// Why.
    pub reason: String,
}

/// The Arrow type of a column; an error says what is not supported.
pub fn arrow_type(hive: &HiveType) -> Result<DataType, String> {
    Ok(match hive {
        HiveType::Boolean => DataType::Boolean,
        HiveType::TinyInt => DataType::Int8,
        HiveType::SmallInt => DataType::Int16,
        HiveType::Int => DataType::Int32,
        HiveType::BigInt => DataType::Int64,
        HiveType::Float => DataType::Float32,
        HiveType::Double => DataType::Float64,
        HiveType::String | HiveType::Varchar { .. } | HiveType::Char { .. } => DataType::Utf8,
        HiveType::Date => DataType::Date32,
        HiveType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        HiveType::Decimal { precision, scale } => {
            DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
        }
        HiveType::Array(element) => DataType::List(Arc::new(Field::new("element", arrow_type(element)?, true))),
        HiveType::Map(key, value) => {
            let entry = vec![Field::new("key", arrow_type(key)?, false), Field::new("value", arrow_type(value)?, true)];
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry.into()), false)), false)
        }
        HiveType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| Ok(Field::new(field.name.to_ascii_lowercase(), arrow_type(&field.data_type)?, true)))
                .collect::<Result<Vec<_>, String>>()?
                .into(),
        ),
        other => return Err(format!("data format conversion cannot write columns of type {other}")),
    })
}

/// The schema of a table's columns, without partition keys: those are in the object's key.
pub fn schema(columns: &[Column]) -> Result<SchemaRef, String> {
    let fields = columns.iter().map(|column| {
        let hive = column.hive_type().map_err(|error| error.to_string())?;
        Ok(Field::new(column.name.to_ascii_lowercase(), arrow_type(&hive)?, true))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, String>>()?)))
}

/// A record and one JSON object of it.
struct Row {
    record: Bytes,
    arrival_ms: i64,
    value: Value,
}

/// Writes Parquet from JSON records.
pub struct Converter<W: Write + Send> {
    schema: SchemaRef,
    input: JsonInput,
    writer: ArrowWriter<W>,
    pending: Vec<Row>,
    misfits: Vec<Misfit>,
    rows: u64,
    block_size_bytes: usize,
}

impl<W: Write + Send> Converter<W> {
    /// Nothing written.
    pub fn new(schema: SchemaRef, conversion: &Conversion, into: W) -> Result<Self, String> {
        let compression = match conversion.compression {
            ParquetCompression::Uncompressed => PageCompression::UNCOMPRESSED,
            ParquetCompression::Gzip => PageCompression::GZIP(GzipLevel::default()),
            ParquetCompression::Snappy => PageCompression::SNAPPY,
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_dictionary_enabled(conversion.dictionary)
            .set_data_page_size_limit(usize::try_from(conversion.page_size_bytes).unwrap_or(usize::MAX))
            .build();
        let writer = ArrowWriter::try_new(into, schema.clone(), Some(properties)).map_err(|error| error.to_string())?;
        Ok(Self {
            schema,
            input: conversion.input.clone(),
            writer,
            pending: Vec::with_capacity(BATCH_RECORDS),
            misfits: Vec::new(),
            rows: 0,
            block_size_bytes: usize::try_from(conversion.block_size_bytes).unwrap_or(usize::MAX),
        })
    }

    /// Takes one record, which may hold several JSON objects one after the other, as Firehose's does.
    pub fn push(&mut self, record: &Bytes, arrival_ms: i64) -> Result<(), String> {
        let mut objects = Vec::new();
        for value in serde_json::Deserializer::from_slice(record).into_iter::<Value>() {
            match value {
                Ok(Value::Object(object)) => objects.push(object),
                Ok(_) => {
                    let reason = "a record must be a JSON object".to_owned();
                    self.misfit(record, arrival_ms, "DataFormatConversion.InvalidInput", reason);
                    return Ok(());
                }
                Err(error) => {
                    let reason = format!("the record is not JSON: {error}");
                    self.misfit(record, arrival_ms, "DataFormatConversion.ParseError", reason);
                    return Ok(());
                }
            }
        }
        for object in objects {
            let value = Value::Object(self.shape(object));
            self.pending.push(Row { record: record.clone(), arrival_ms, value });
        }
        if self.pending.len() >= BATCH_RECORDS { self.flush() } else { Ok(()) }
    }

    fn misfit(&mut self, record: &Bytes, arrival_ms: i64, code: &'static str, reason: String) {
        self.misfits.push(Misfit { record: record.clone(), arrival_ms, code, reason });
    }

    /// What did not fit since the last call.
    pub fn take_misfits(&mut self) -> Vec<Misfit> {
        std::mem::take(&mut self.misfits)
    }

    /// Renames keys as the deserializer is told to and brings values into the form of their columns.
    fn shape(&self, object: Map<String, Value>) -> Map<String, Value> {
        let mut shaped = Map::with_capacity(object.len());
        for (key, value) in object {
            let key = match &self.input {
                JsonInput::OpenX { case_insensitive, dots_to_underscores, mappings } => {
                    let key = match mappings.iter().find(|(_, json)| *json == key) {
                        Some((column, _)) => column.clone(),
                        None => key,
                    };
                    let key = if *dots_to_underscores { key.replace('.', "_") } else { key };
                    if *case_insensitive { key.to_ascii_lowercase() } else { key }
                }
                JsonInput::Hive { .. } => key.to_ascii_lowercase(),
            };
            if let Ok(field) = self.schema.field_with_name(&key) {
                let value = self.value(field.data_type(), value);
                shaped.insert(key, value);
            }
        }
        shaped
    }

    fn value(&self, to: &DataType, value: Value) -> Value {
        match (to, value) {
            (DataType::Timestamp(..), value) => self.timestamp(value),
            (DataType::Utf8, value @ (Value::Object(_) | Value::Array(_))) => Value::String(value.to_string()),
            (DataType::Utf8, value @ (Value::Number(_) | Value::Bool(_))) => Value::String(value.to_string()),
            (DataType::Struct(fields), Value::Object(object)) => {
                let members = object.into_iter().filter_map(|(key, value)| {
                    let key = key.to_ascii_lowercase();
                    let (_, field) = fields.find(&key)?;
                    let value = self.value(field.data_type(), value);
                    Some((key, value))
                });
                Value::Object(members.collect())
            }
            (DataType::List(element), Value::Array(values)) => {
                Value::Array(values.into_iter().map(|value| self.value(element.data_type(), value)).collect())
            }
            (_, value) => value,
        }
    }

    /// Seconds or milliseconds since 1970, ISO 8601, or `yyyy-MM-dd HH:mm:ss[.fraction]`: microseconds. Others stay and do not fit.
    fn timestamp(&self, value: Value) -> Value {
        /// Numbers below this are seconds: the year 5138 in seconds, March 1973 in milliseconds.
        const SECONDS_MAX: f64 = 1e11;
        let micros = match &value {
            Value::Number(number) => number.as_f64().map(|number| {
                let seconds = if number.abs() < SECONDS_MAX { number } else { number / 1e3 };
                (seconds * 1e6).round() as i64
            }),
            Value::String(text) => text
                .parse::<Timestamp>()
                .ok()
                .or_else(|| {
                    let civil: DateTime = text.trim().parse().ok()?;
                    civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
                })
                .map(|timestamp| timestamp.as_microsecond()),
            _ => None,
        };
        micros.map_or(value, Value::from)
    }

    fn flush(&mut self) -> Result<(), String> {
        let pending = std::mem::take(&mut self.pending);
        self.write(&pending)?;
        if self.writer.in_progress_size() >= self.block_size_bytes {
            self.writer.flush().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Writes what fits: a batch with a misfit is halved until the misfit is alone.
    fn write(&mut self, rows: &[Row]) -> Result<(), String> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.batch(rows) {
            Ok(batch) => {
                self.rows += rows.len() as u64;
                self.writer.write(&batch).map_err(|error| error.to_string())
            }
            Err(reason) => match rows {
                [Row { record, arrival_ms, .. }] => {
                    self.misfit(record, *arrival_ms, "DataFormatConversion.ParseError", reason);
                    Ok(())
                }
                rows => {
                    let (left, right) = rows.split_at(rows.len() / 2);
                    self.write(left)?;
                    self.write(right)
                }
            },
        }
    }

    fn batch(&self, rows: &[Row]) -> Result<RecordBatch, String> {
        let mut decoder = ReaderBuilder::new(self.schema.clone())
            .with_batch_size(rows.len())
            .build_decoder()
            .map_err(|e| e.to_string())?;
        let values: Vec<&Value> = rows.iter().map(|row| &row.value).collect();
        decoder.serialize(&values).map_err(|error| error.to_string())?;
        decoder.flush().map_err(|error| error.to_string())?.ok_or_else(|| "the record has no members".to_owned())
    }

    /// Ends the file; how many rows it has and what did not fit.
    pub fn finish(mut self) -> Result<(u64, Vec<Misfit>, W), String> {
        self.flush()?;
        let into = self.writer.into_inner().map_err(|error| error.to_string())?;
        Ok((self.rows, self.misfits, into))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn convert(columns: &[(&str, &str)], records: &[&str]) -> (String, Vec<String>) {
        let columns: Vec<Column> = columns.iter().map(|(name, kind)| Column::new(*name, *kind)).collect();
        let conversion = Conversion {
            database: String::new(),
            table: String::new(),
            version_id: None,
            role_arn: String::new(),
            input: JsonInput::OpenX {
                case_insensitive: true,
                dots_to_underscores: false,
                mappings: vec![("stamp".to_owned(), "ts".to_owned())],
            },
            compression: ParquetCompression::Snappy,
            dictionary: true,
            block_size_bytes: 64 << 20,
            page_size_bytes: 1 << 20,
        };
        let mut converter = Converter::new(schema(&columns).unwrap(), &conversion, Vec::new()).unwrap();
        for record in records {
            converter.push(&Bytes::copy_from_slice(record.as_bytes()), 0).unwrap();
        }
        let (_, misfits, file) = converter.finish().unwrap();
        let batches: Vec<RecordBatch> = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file))
            .unwrap()
            .build()
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut lines = Vec::new();
        let mut json = arrow_json::LineDelimitedWriter::new(&mut lines);
        json.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
        json.finish().unwrap();
        (String::from_utf8(lines).unwrap(), misfits.into_iter().map(|misfit| misfit.reason).collect())
    }

    #[test]
    fn records_become_rows_and_misfits_are_told_apart() {
        let columns = [
            ("id", "bigint"),
            ("name", "string"),
            ("stamp", "timestamp"),
            ("tags", "array<string>"),
            ("at", "struct<x:double,y:double>"),
        ];
        let (rows, misfits) = convert(
            &columns,
            &[
                r#"{"ID": 1, "Name": "a", "ts": 1357099445, "tags": ["p", "q"], "at": {"X": 1.5}, "unknown": 7}"#,
                r#"{"id": 2, "name": 3, "ts": "2013-01-02 03:04:05.5"}{"id": 3, "ts": 1357099445678}"#,
                r#"{"id": "many"}"#,
                "not json",
                "[1]",
                r#"{"id": 4, "ts": "2013-01-02T03:04:05Z", "name": {"a": 1}}"#,
            ],
        );
        let expected = concat!(
            r#"{"id":1,"name":"a","stamp":"2013-01-02T04:04:05","tags":["p","q"],"at":{"x":1.5}}"#,
            "\n",
            r#"{"id":2,"name":"3","stamp":"2013-01-02T03:04:05.500"}"#,
            "\n",
            r#"{"id":3,"stamp":"2013-01-02T04:04:05.678"}"#,
            "\n",
            r#"{"id":4,"name":"{\"a\":1}","stamp":"2013-01-02T03:04:05"}"#,
            "\n",
        );
        assert_eq!(rows, expected);
        assert_eq!(misfits.len(), 3, "{misfits:?}");
        assert!(misfits[0].contains("not JSON"), "{misfits:?}");
    }
}
