//! Parquet: the schema and the number of rows, from the footer alone.

use ::parquet::arrow::parquet_to_arrow_schema;
use arrow::datatypes::{DataType, Field};
use tarn_catalog::HiveType;
use tarn_parquet::{decode, footer_size_bytes};

use super::types::Inferred;
use super::{Compression, FileSchema, Format, FormatError, FoundColumn};

/// How many bytes the metadata has that ends before the tail.
pub(crate) fn metadata_size_bytes(tail: &[u8], file_size_bytes: u64) -> Result<u64, FormatError> {
    footer_size_bytes(tail, file_size_bytes).map_err(|error| FormatError::Parquet { reason: error.to_string() })
}

pub(crate) fn classify(metadata: &[u8], file_size_bytes: u64) -> Result<FileSchema, FormatError> {
    let footer =
        decode(metadata, file_size_bytes).map_err(|error| FormatError::Parquet { reason: error.to_string() })?;
    let failed = |error: ::parquet::errors::ParquetError| FormatError::Parquet { reason: error.to_string() };
    let metadata = footer.metadata();
    let file = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(file.schema_descr(), None).map_err(failed)?;
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            Ok(FoundColumn {
                name: field.name().to_lowercase(),
                name_in_file: field.name().clone(),
                inferred: of_field(field)?,
            })
        })
        .collect::<Result<Vec<_>, FormatError>>()?;
    Ok(FileSchema {
        format: Format::Parquet,
        compression: Compression::None,
        columns,
        records: u64::try_from(file.num_rows()).unwrap_or_default(),
        records_size_bytes: file_size_bytes,
        stored_size_bytes: file_size_bytes,
        complete: true,
        warning: None,
    })
}

fn of_field(field: &Field) -> Result<Inferred, FormatError> {
    Ok(match field.data_type() {
        DataType::Boolean => Inferred::Scalar(HiveType::Boolean),
        DataType::Int8 => Inferred::Scalar(HiveType::TinyInt),
        DataType::Int16 | DataType::UInt8 => Inferred::Scalar(HiveType::SmallInt),
        DataType::Int32 | DataType::UInt16 | DataType::Time32(_) => Inferred::Scalar(HiveType::Int),
        DataType::Int64 | DataType::UInt32 | DataType::Time64(_) | DataType::Duration(_) => {
            Inferred::Scalar(HiveType::BigInt)
        }
        DataType::UInt64 => Inferred::Scalar(HiveType::Decimal { precision: 20, scale: 0 }),
        DataType::Float16 | DataType::Float32 => Inferred::Scalar(HiveType::Float),
        DataType::Float64 => Inferred::Scalar(HiveType::Double),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Inferred::Scalar(HiveType::String),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Inferred::Scalar(HiveType::Binary)
        }
        DataType::Date32 | DataType::Date64 => Inferred::Scalar(HiveType::Date),
        DataType::Timestamp(..) => Inferred::Scalar(HiveType::Timestamp),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => match u8::try_from(*scale) {
            Ok(scale) if *precision <= 38 && scale <= *precision => {
                Inferred::Scalar(HiveType::Decimal { precision: *precision, scale })
            }
            _ => return Err(unnamed(field)),
        },
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Inferred::Array(Box::new(of_field(item)?)),
        DataType::Struct(fields) => Inferred::Struct(
            fields
                .iter()
                .map(|field| Ok((field.name().to_lowercase(), of_field(field)?)))
                .collect::<Result<Vec<_>, FormatError>>()?,
        ),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => match fields.as_ref() {
                [key, value] => Inferred::Map(Box::new(of_field(key)?), Box::new(of_field(value)?)),
                _ => return Err(unnamed(field)),
            },
            _ => return Err(unnamed(field)),
        },
        DataType::Dictionary(_, value) => of_field(&Field::new(field.name(), value.as_ref().clone(), true))?,
        DataType::Null => Inferred::Null,
        DataType::Interval(_) | DataType::Union(..) | DataType::RunEndEncoded(..) => return Err(unnamed(field)),
    })
}

fn unnamed(field: &Field) -> FormatError {
    FormatError::Type { column: field.name().clone(), data_type: field.data_type().to_string() }
}
