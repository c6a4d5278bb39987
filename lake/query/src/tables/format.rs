//! What a table's storage descriptor says of how its files are read. Knows no file.

use tarn_catalog::{Parameters, StorageDescriptor};

use crate::errors::{ErrorName, QueryError};

/// How the files of a table or partition are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileFormat {
    Parquet,
    Text(TextFormat),
}

/// Lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextFormat {
    pub rows: RowFormat,
    /// Lines at the beginning of each file that are no rows.
    pub header_lines: usize,
}

/// How a line becomes a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// Fields between delimiters; no quotes. A field that is not of its type is NULL.
    LazySimple { delimiter: u8, escape: Option<u8>, null: String, item_delimiter: char, key_delimiter: char },
    /// Quoted fields, as OpenCSV reads them.
    OpenCsv { delimiter: u8, quote: u8, escape: u8 },
    /// One JSON object a line.
    Json { ignore_malformed: bool, case_insensitive: bool, mappings: Vec<(String, String)>, dots_in_keys: bool },
}

pub(crate) const LAZY_SIMPLE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
pub(crate) const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";
pub(crate) const OPENX_JSON: &str = "org.openx.data.jsonserde.JsonSerDe";
pub(crate) const HCATALOG_JSON: &str = "org.apache.hive.hcatalog.data.JsonSerDe";
const HIVE_JSON: &str = "org.apache.hadoop.hive.serde2.JsonSerDe";
pub(crate) const PARQUET: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
pub(crate) const TEXT_INPUT: &str = "org.apache.hadoop.mapred.TextInputFormat";
pub(crate) const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
pub(crate) const PARQUET_INPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
pub(crate) const PARQUET_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";

/// Reads the descriptor of `table` (for messages); `parameters` are the table's own, which Hive also looks in.
pub(crate) fn file_format(
    table: &str,
    storage: &StorageDescriptor,
    parameters: &Parameters,
) -> Result<FileFormat, QueryError> {
    let serde = storage.serde_info.as_ref();
    let class = serde.and_then(|serde| serde.serialization_library.as_deref()).unwrap_or_default();
    let empty = Parameters::new();
    let properties = serde.map_or(&empty, |serde| &serde.parameters);
    let property = |name: &str| properties.get(name).or_else(|| parameters.get(name)).map(String::as_str);
    let header_lines = match property("skip.header.line.count") {
        None => 0,
        Some(text) => text.trim().parse().map_err(|_| {
            QueryError::new(
                ErrorName::HiveInvalidMetadata,
                format!("skip.header.line.count of table {table} is not a number: `{text}`"),
            )
        })?,
    };
    let text = |rows| Ok(FileFormat::Text(TextFormat { rows, header_lines }));
    let is_on = |name: &str| property(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match class {
        PARQUET | "parquet.hive.serde.ParquetHiveSerDe" => Ok(FileFormat::Parquet),
        "" if storage.input_format.as_deref().is_some_and(|format| format.contains("Parquet")) => {
            Ok(FileFormat::Parquet)
        }
        LAZY_SIMPLE | "" => text(RowFormat::LazySimple {
            delimiter: byte(table, property("field.delim").or_else(|| property("serialization.format")), 1)?,
            escape: match property("escape.delim") {
                None => None,
                Some(escape) => Some(byte(table, Some(escape), b'\\')?),
            },
            null: property("serialization.null.format").unwrap_or("\\N").to_owned(),
            item_delimiter: char_of(property("colelction.delim").or_else(|| property("collection.delim")), '\u{2}'),
            key_delimiter: char_of(property("mapkey.delim"), '\u{3}'),
        }),
        OPEN_CSV => text(RowFormat::OpenCsv {
            delimiter: byte(table, property("separatorChar"), b',')?,
            quote: byte(table, property("quoteChar"), b'"')?,
            escape: byte(table, property("escapeChar"), b'\\')?,
        }),
        OPENX_JSON | HCATALOG_JSON | HIVE_JSON => {
            let mappings = properties
                .iter()
                .filter_map(|(key, value)| {
                    key.strip_prefix("mapping.").map(|column| (column.to_lowercase(), value.clone()))
                })
                .collect();
            text(RowFormat::Json {
                ignore_malformed: is_on("ignore.malformed.json"),
                case_insensitive: !property("case.insensitive")
                    .is_some_and(|value| value.eq_ignore_ascii_case("false")),
                mappings,
                dots_in_keys: is_on("dots.in.keys"),
            })
        }
        other => Err(QueryError::not_supported(format!(
            "table {table} is read with {other}, which this engine does not know; it reads Parquet, LazySimpleSerDe, OpenCSVSerde and the JSON SerDes"
        ))),
    }
}

/// A delimiter: one ASCII character, or its number as Hive lets it be written.
fn byte(table: &str, text: Option<&str>, default: u8) -> Result<u8, QueryError> {
    let Some(text) = text else { return Ok(default) };
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !byte.is_ascii_digit() => Ok(*byte),
        [] => Ok(0),
        b"\\t" => Ok(b'\t'),
        _ => text.parse().map_err(|_| {
            QueryError::new(
                ErrorName::HiveInvalidMetadata,
                format!("a delimiter of table {table} is not one ASCII character: `{text}`"),
            )
        }),
    }
}

fn char_of(text: Option<&str>, default: char) -> char {
    text.and_then(|text| text.chars().next()).unwrap_or(default)
}
