//! From what was found to what the catalog is told: names, SerDes and parameters as Glue's crawlers write them. Pure.

use tarn_catalog::{Column, Parameters, SerdeInfo, StorageDescriptor, TableInput};

use crate::folders::{Amount, Group, Shape};
use crate::formats::{Compression, Format};

/// The parameter that names the crawler which looks after a table.
pub(crate) const UPDATED_BY_CRAWLER: &str = "UPDATED_BY_CRAWLER";
/// The parameter that says since when a table's data is gone.
pub(crate) const DEPRECATED_BY_CRAWLER: &str = "DEPRECATED_BY_CRAWLER";
/// The longest name of a table, characters; room is left for a suffix.
const NAME_CHARACTERS_MAX: usize = 200;

/// A name of a table: what is not a letter, a digit or `_` becomes `_`.
pub(crate) fn table_name(prefix: &str, place: &str) -> String {
    let legal = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '_' };
    let place: String = place.to_lowercase().chars().map(legal).collect();
    format!("{}{place}", prefix.to_lowercase()).chars().take(NAME_CHARACTERS_MAX).collect()
}

/// A name for a table whose plain name another table has: with a hash of where it lies, so that it is the same at every crawl.
pub(crate) fn with_suffix(name: &str, location: &str) -> String {
    let hash = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, location.as_bytes());
    format!("{name}_{hash:016x}")
}

/// The columns of a shape in a table with these partition keys. A column that is also a key is left out where columns are found
/// by name, and gets another name where they are found by position.
pub(crate) fn columns(shape: &Shape, keys: &[String]) -> Vec<Column> {
    let by_position = matches!(shape.format, Format::Csv { .. });
    let mut columns = Vec::new();
    for found in shape.columns.iter() {
        let mut name = found.name.clone();
        if keys.contains(&name) {
            if !by_position {
                continue;
            }
            name.push_str("_1");
        }
        columns.push(Column::new(name, found.inferred.hive_type().to_string()));
    }
    columns
}

/// Where and how data of this shape is read.
pub(crate) fn storage(
    shape: &Shape,
    columns: Vec<Column>,
    location: String,
    parameters: Parameters,
) -> StorageDescriptor {
    let text_input = "org.apache.hadoop.mapred.TextInputFormat";
    let text_output = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
    let (input_format, output_format, library, serde_parameters) = match shape.format {
        Format::Csv { delimiter, quoted: false, .. } => (
            text_input,
            text_output,
            "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            vec![("field.delim".to_owned(), delimiter.to_string())],
        ),
        Format::Csv { delimiter, quoted: true, .. } => (
            text_input,
            text_output,
            "org.apache.hadoop.hive.serde2.OpenCSVSerde",
            vec![
                ("separatorChar".to_owned(), delimiter.to_string()),
                ("quoteChar".to_owned(), "\"".to_owned()),
                ("escapeChar".to_owned(), "\\".to_owned()),
            ],
        ),
        Format::Json | Format::JsonArray => {
            let mut paths: Vec<&str> = shape.columns.iter().map(|column| column.name_in_file.as_str()).collect();
            paths.sort_unstable();
            (text_input, text_output, "org.openx.data.jsonserde.JsonSerDe", vec![("paths".to_owned(), paths.join(","))])
        }
        Format::Parquet => (
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            vec![("serialization.format".to_owned(), "1".to_owned())],
        ),
    };
    StorageDescriptor {
        columns,
        location: Some(location),
        input_format: Some(input_format.to_owned()),
        output_format: Some(output_format.to_owned()),
        compressed: shape.compression != Compression::None,
        number_of_buckets: -1,
        serde_info: Some(SerdeInfo {
            name: None,
            serialization_library: Some(library.to_owned()),
            parameters: serde_parameters.into_iter().collect(),
        }),
        parameters,
        ..StorageDescriptor::default()
    }
}

/// What a crawler says of data of this shape.
pub(crate) fn parameters(shape: &Shape, amount: Amount, crawler: &str) -> Parameters {
    let average = amount.sampled_size_bytes.checked_div(amount.sampled_records).unwrap_or_default();
    // Where all was read the count is exact; otherwise it follows from the bytes as they are stored.
    let estimated = u128::from(amount.size_bytes) * u128::from(amount.sampled_records);
    let records = if amount.counted_objects == amount.objects {
        amount.sampled_records
    } else {
        let records = estimated.checked_div(u128::from(amount.sampled_stored_size_bytes)).unwrap_or_default();
        u64::try_from(records).unwrap_or(u64::MAX)
    };
    let mut parameters = Parameters::from(
        [
            ("classification", shape.format.classification().to_owned()),
            ("compressionType", shape.compression.name().to_owned()),
            ("typeOfData", "file".to_owned()),
            ("objectCount", amount.objects.to_string()),
            ("sizeKey", amount.size_bytes.to_string()),
            ("recordCount", records.to_string()),
            ("averageRecordSize", average.to_string()),
            ("CrawlerSchemaSerializerVersion", "1.0".to_owned()),
            ("CrawlerSchemaDeserializerVersion", "1.0".to_owned()),
            (UPDATED_BY_CRAWLER, crawler.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    if let Format::Csv { delimiter, header, quoted } = shape.format {
        parameters.insert("delimiter".to_owned(), delimiter.to_string());
        parameters.insert("columnsOrdered".to_owned(), "true".to_owned());
        parameters.insert("areColumnsQuoted".to_owned(), quoted.to_string());
        if header {
            parameters.insert("skip.header.line.count".to_owned(), "1".to_owned());
        }
    }
    parameters
}

/// The table of a group.
pub(crate) fn table(group: &Group, name: String, location: String, crawler: &str) -> TableInput {
    let keys = group.partition_keys();
    let parameters = parameters(&group.shape, group.amount, crawler);
    TableInput {
        name,
        owner: Some("owner".to_owned()),
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        storage_descriptor: Some(storage(&group.shape, columns(&group.shape, &keys), location, parameters.clone())),
        // Glue makes all of them strings: https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-folder-table-partition.html
        partition_keys: keys.into_iter().map(|key| Column::new(key, "string")).collect(),
        parameters,
        ..TableInput::default()
    }
}
