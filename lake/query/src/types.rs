//! The same type in three languages: Hive's (catalog), Arrow's (execution) and Trino's (what clients are told). Knows no values.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use tarn_catalog::{HiveType, StructField};

/// The precision that unbounded `varchar` columns are told with.
const VARCHAR_PRECISION: u32 = 2_147_483_647;
const VARBINARY_PRECISION: u32 = 1_073_741_824;

/// A column of a result, as `ResultSetMetadata` and `.metadata` tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Trino's base name: `varchar`, `decimal`, `array`; `float` for real, `string` in results of Hive's statements.
    pub type_name: String,
    /// Digits, characters or bytes; 0 where the type has none.
    pub precision: u32,
    /// Digits behind the point.
    pub scale: u32,
    /// Whether its values compare by case.
    pub case_sensitive: bool,
}

impl ColumnInfo {
    /// A column of a result of a Hive statement.
    pub(crate) fn hive_string(name: &str) -> Self {
        Self { name: name.to_owned(), type_name: "string".to_owned(), precision: 0, scale: 0, case_sensitive: false }
    }

    /// A column of `data_type`.
    pub(crate) fn of(name: &str, data_type: &DataType) -> Self {
        let (type_name, precision, scale) = match data_type {
            DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
                ("decimal", u32::from(*precision), u32::try_from(*scale).unwrap_or(0))
            }
            DataType::Int8 => ("tinyint", 3, 0),
            DataType::Int16 | DataType::UInt8 => ("smallint", 5, 0),
            DataType::Int32 | DataType::UInt16 => ("integer", 10, 0),
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ("bigint", 19, 0),
            DataType::Float16 | DataType::Float32 => ("float", 17, 0),
            DataType::Float64 => ("double", 17, 0),
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => ("varchar", VARCHAR_PRECISION, 0),
            DataType::Binary | DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
                ("varbinary", VARBINARY_PRECISION, 0)
            }
            DataType::Timestamp(_, None) => ("timestamp", 3, 0),
            DataType::Timestamp(_, Some(_)) => ("timestamp with time zone", 3, 0),
            DataType::Time32(_) | DataType::Time64(_) => ("time", 3, 0),
            DataType::Boolean => ("boolean", 0, 0),
            DataType::Date32 | DataType::Date64 => ("date", 0, 0),
            DataType::Interval(IntervalUnit::YearMonth) => ("interval year to month", 0, 0),
            DataType::Interval(_) | DataType::Duration(_) => ("interval day to second", 0, 0),
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::FixedSizeList(..) => ("array", 0, 0),
            DataType::Map(..) => ("map", 0, 0),
            DataType::Struct(_) => ("row", 0, 0),
            DataType::Dictionary(_, value) => return Self::of(name, value),
            _ => ("unknown", 0, 0),
        };
        let case_sensitive = type_name == "varchar";
        Self { name: name.to_owned(), type_name: type_name.to_owned(), precision, scale, case_sensitive }
    }
}

/// How values of a Hive type are held while a query runs.
pub(crate) fn arrow_of(hive: &HiveType) -> DataType {
    match hive {
        HiveType::Boolean => DataType::Boolean,
        HiveType::TinyInt => DataType::Int8,
        HiveType::SmallInt => DataType::Int16,
        HiveType::Int => DataType::Int32,
        HiveType::BigInt => DataType::Int64,
        HiveType::Float => DataType::Float32,
        HiveType::Double => DataType::Float64,
        HiveType::Decimal { precision, scale } => DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(0)),
        HiveType::String | HiveType::Varchar { .. } | HiveType::Char { .. } => DataType::Utf8View,
        HiveType::Binary => DataType::Binary,
        HiveType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        HiveType::TimestampWithTimeZone => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        HiveType::Date => DataType::Date32,
        HiveType::Array(item) => DataType::List(Arc::new(Field::new_list_field(arrow_of(item), true))),
        HiveType::Map(key, value) => map_of(arrow_of(key), arrow_of(value)),
        HiveType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|field| Field::new(field.name.to_lowercase(), arrow_of(&field.data_type), true))
                .collect::<Fields>(),
        ),
    }
}

/// The one shape maps have here.
pub(crate) fn map_of(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

/// The Hive type of a new table's column; `None` for what no Hive column holds (intervals, times).
pub(crate) fn hive_of(data_type: &DataType) -> Option<HiveType> {
    Some(match data_type {
        DataType::Boolean => HiveType::Boolean,
        DataType::Int8 => HiveType::TinyInt,
        DataType::Int16 | DataType::UInt8 => HiveType::SmallInt,
        DataType::Int32 | DataType::UInt16 => HiveType::Int,
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => HiveType::BigInt,
        DataType::Float16 | DataType::Float32 => HiveType::Float,
        DataType::Float64 => HiveType::Double,
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            HiveType::Decimal { precision: (*precision).min(38), scale: u8::try_from(*scale).unwrap_or(0) }
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => HiveType::String,
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => {
            HiveType::Binary
        }
        DataType::Timestamp(_, _) => HiveType::Timestamp,
        DataType::Date32 | DataType::Date64 => HiveType::Date,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => HiveType::Array(Box::new(hive_of(item.data_type())?)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let (key, value) = (fields.first()?, fields.get(1)?);
                HiveType::Map(Box::new(hive_of(key.data_type())?), Box::new(hive_of(value.data_type())?))
            }
            _ => return None,
        },
        DataType::Struct(fields) => HiveType::Struct(
            fields
                .iter()
                .map(|field| {
                    hive_of(field.data_type()).map(|data_type| StructField { name: field.name().clone(), data_type })
                })
                .collect::<Option<_>>()?,
        ),
        DataType::Dictionary(_, value) => return hive_of(value),
        _ => return None,
    })
}

/// Trino's full name: `decimal(10,2)`, `array(varchar)`, `row(a integer)`.
pub(crate) fn trino_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        DataType::Timestamp(_, None) => "timestamp(3)".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp(3) with time zone".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time(3)".to_owned(),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            format!("array({})", trino_name(item.data_type()))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let names: Vec<String> = fields.iter().map(|field| trino_name(field.data_type())).collect();
                format!("map({})", names.join(", "))
            }
            _ => "map".to_owned(),
        },
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{} {}", field.name(), trino_name(field.data_type()))).collect();
            format!("row({})", fields.join(", "))
        }
        DataType::Dictionary(_, value) => trino_name(value),
        other => ColumnInfo::of("", other).type_name,
    }
}

/// The type a value has in a written file or result: what Arrow can hold and Hive cannot becomes the nearest Hive type.
pub(crate) fn storable(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null => DataType::Utf8,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, *scale),
        DataType::LargeUtf8 => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time32(TimeUnit::Millisecond),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            DataType::List(Arc::new(Field::new_list_field(storable(item.data_type()), true)))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => match (fields.first(), fields.get(1)) {
                (Some(key), Some(value)) => map_of(storable(key.data_type()), storable(value.data_type())),
                _ => data_type.clone(),
            },
            _ => data_type.clone(),
        },
        DataType::Struct(fields) => DataType::Struct(
            fields.iter().map(|field| Field::new(field.name(), storable(field.data_type()), true)).collect::<Fields>(),
        ),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Millisecond),
        DataType::Dictionary(_, value) => storable(value),
        other => other.clone(),
    }
}
